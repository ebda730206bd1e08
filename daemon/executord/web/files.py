"""The files of a case, as a list and as text: by the gate, never by a link, with secrets masked [OPS-16, SEC-0, SEC-3].

Counterpart: `paper/gate.py`, which reads. The folders on the way to a file are opened one by one, none of them by a
link, so no path leads out of the tree whatever is renamed meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from executord.errors import ExecutordError, NotFound
from executord.paper.gate import FILE_LIMIT, open_file
from executord.settings.masking import veil

TEXTS = (".yaml", ".yml", ".md", ".txt", ".json", ".csv", ".log")
MOST, DEEPEST = 2000, 12
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as it lies there: its path from the case's folder, in bytes its size, what it is if it is no file."""

    path: str
    size: int
    kind: str | None
    is_text: bool

    @property
    def parts(self) -> list[str]:
        """Its path, folder by folder."""
        return self.path.split("/")


def listing(root: str, case_id: str) -> tuple[list[Listed], bool]:
    """The files of a case, at most `MOST` of them, and whether there are more. Names with a dot first are ours."""
    found: list[Listed] = []
    for each in _walk(f"{root}/{case_id}", "", 0):
        if len(found) == MOST:
            return found, True
        found.append(each)
    return found, False


def _walk(base: str, folder: str, depth: int) -> Iterator[Listed]:
    try:
        entries = sorted(os.scandir(f"{base}/{folder}"), key=lambda e: e.name)
    except OSError:
        return
    inner = []
    for entry in entries:
        path = f"{folder}{entry.name}"
        if entry.name.startswith("."):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode):
            inner.append(f"{path}/")
        elif stat.S_ISREG(status.st_mode):
            yield Listed(path, status.st_size, None, is_text(entry.name))
        else:
            kind = "a link, which is not followed" if stat.S_ISLNK(status.st_mode) else "no regular file"
            yield Listed(path, 0, kind, False)
    if depth < DEEPEST:
        for each in inner:
            yield from _walk(base, each, depth + 1)


def is_text(name: str) -> bool:
    """Whether a file of this name is shown."""
    return name.lower().endswith(TEXTS)


def text(root: str, case_id: str, parts: Sequence[str], *, limit: int = FILE_LIMIT) -> str:
    """What such a file says, with the values of what looks secret masked.

    Raises `NotFound` where there is none that is shown, `Unreadable` where the gate refuses it.
    """
    named = "/".join(parts)
    if not is_text(named) or any(not p or p.startswith(".") or "/" in p or "\0" in p for p in parts):
        raise NotFound("there is no such file", path=named)
    folders = [os.open(root, _FOLDER)]
    try:
        for part in (case_id, *parts[:-1]):
            folders.append(os.open(part, _FOLDER, dir_fd=folders[-1]))
        raw = open_file(f"/proc/self/fd/{folders[-1]}/{parts[-1]}", limit=limit).raw
    except ExecutordError as error:
        error.path = f"{case_id}/{named}"
        raise
    except OSError as error:
        raise NotFound("there is no such file", path=named) from error
    finally:
        for fd in folders:
            os.close(fd)
    return veil(raw.decode("utf-8", "backslashreplace"))
