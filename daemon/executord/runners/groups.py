"""A control group for each worker, where one is ours to give: with it nothing can slip away [OPS-18, OPS-23].

Only below a group that was handed to us (`Delegate=yes`), never elsewhere, and without controllers enabled, so that the
unit can start again beside its workers. Without one everything works by the process tree; see `ending.py`.

Rules of the house
- A path in a record can be anybody's word: what is killed is a group that bears our name, is not above us, and lies
  in the group file system.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from functools import cache

PREFIX = "executord-worker-"


@cache
def mount() -> str | None:
    """Where the second version of the group file system is mounted."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                left, _, right = line.partition(" - ")
                if right.startswith("cgroup2 "):
                    return re.sub(r"\\([0-7]{3})", lambda hit: chr(int(hit[1], 8)), left.split(" ")[4])
    except OSError:
        pass
    return None


def group_of(pid: int | str = "self") -> str | None:
    """The group that a process is in, as a folder."""
    base = mount()
    if base is None:
        return None
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                if line.startswith("0::"):
                    return base + line.rstrip("\n").removeprefix("0::").rstrip("/")
    except OSError:
        pass
    return None


def delegated() -> str | None:
    """The group that was handed to us, None where none was: then it is somebody else's to divide."""
    own = group_of()
    if own is None or own == mount():
        return None
    try:
        if os.geteuid() != 0 and os.stat(own).st_uid == os.geteuid() and os.access(own, os.W_OK):
            return own
        for name in ("user.delegate", "trusted.delegate"):
            with contextlib.suppress(OSError):
                if os.getxattr(own, name) == b"1" and os.access(own, os.W_OK):
                    return own
    except OSError:
        pass
    return None


def make(parent: str, name: str) -> str | None:
    """A group for one worker; None where it cannot be made."""
    path = f"{parent}/{PREFIX}{name}"
    try:
        os.mkdir(path)
    except FileExistsError:
        return path if not members(path) else None
    except OSError:
        return None
    return path


def join(path: str, pid: int) -> bool:
    """Put a process into a group."""
    return _write(f"{path}/cgroup.procs", str(pid))


def is_ours(path: str) -> bool:
    """Whether a recorded group may be asked and ended: ours by name, in the group file system, not above us."""
    base = mount()
    if base is None or not path.startswith(base + "/") or os.path.normpath(path) != path:
        return False
    if not os.path.basename(path).startswith(PREFIX) or os.path.islink(path):
        return False
    own = group_of() or base
    return own != path and not own.startswith(path + "/")


def members(path: str) -> set[int]:
    """All processes in the group and in the groups below it."""
    found: set[int] = set()
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError), open(f"{folder}/cgroup.procs", encoding="ascii") as file:
            found.update(int(line) for line in file if line.strip().isdigit() and line.strip() != "0")
    return found


def kill(path: str) -> None:
    """End everything in the group at once."""
    _write(f"{path}/cgroup.kill", "1")


def remove(path: str) -> bool:
    """Take the empty group away, with those below it; False: something is in it."""
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(folder)
        except OSError as error:
            if error.errno != errno.ENOENT:
                return False
    return True


def _write(path: str, text: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, text.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
