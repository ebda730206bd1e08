"""One daemon per tree: an `flock` in the memory itself [REL-7].

The descriptor is close-on-exec, always: a worker that inherited it would hold the tree for a dead daemon. The text
of the file says who holds it; the lock alone decides whether anybody does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.clock import pause
from executord.errors import CannotWrite, ExecutordError, Locked
from executord.files.disk import INBOX, check_real
from executord.files.machine import boot_id, host
from executord.paper import parse
from executord.pen import dump
from executord.values import read_stamp, stamp

PLACE = f"{INBOX}/executor/.lock"
SESSION_PLACE = ".executord/lock"
_TRIES, _PAUSE_S = 5, 0.02


def holder(root: str, place: str = PLACE) -> Mapping[str, Any] | None:
    """Who holds the tree's lock: pid, host, boot_id, since, last_round; None if nobody does. Changes nothing."""
    try:
        fd = os.open(f"{root}/{place}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _text(fd)
        fcntl.flock(fd, fcntl.LOCK_UN)
        return None
    finally:
        os.close(fd)


def _text(fd: int) -> Mapping[str, Any]:
    try:
        return parse(os.pread(fd, 4096, 0)).data or {}
    except Exception:  # whatever stands there, somebody holds it
        return {}


def _last(said: Mapping[str, Any]) -> datetime | None:
    """The latest instant that a holder's text speaks of: it was at work then."""
    found = []
    for key in ("stopped", "last_round", "since"):
        with contextlib.suppress(ExecutordError):
            found.append(read_stamp(str(said.get(key))))
    return max(found, default=None)


class TreeLock:
    """The lock of a tree, held from `take` until `release` or the end of the process."""

    def __init__(self, root: str, place: str = PLACE, *, who: str = "daemon holds this tree") -> None:
        self._root, self._place, self._path, self._who = root, place, f"{root}/{place}", who
        self._fd: int | None = None
        self._mark: dict[str, Any] = {}
        self.left: datetime | None = None  # when the last holder was last at work, as far as its text says

    def take(self, now: datetime) -> None:
        """Take it. Raises `Locked`, naming the holder, if somebody else has it; `CannotWrite` where none can be."""
        check_real(self._root, self._place)
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
        except OSError as error:
            fix = "put away what lies there; it is made anew" if os.path.lexists(self._path) else None
            raise CannotWrite(f"the lock cannot be taken: {error.strerror}", path=self._path, fix=fix) from error
        for _ in range(_TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                pause(_PAUSE_S)  # somebody who only looks holds it for an instant
        else:
            who = _text(fd)
            os.close(fd)
            raise Locked(
                f"another {self._who}: pid {who.get('pid', '?')} on {who.get('host', '?')}"
                f" since {who.get('since', '?')}",
                path=self._path,
                fix="stop that one first",
            )
        self._fd = fd
        self.left = _last(_text(fd))
        self._mark = {"pid": os.getpid(), "host": host(), "boot_id": boot_id(), "since": stamp(now)}
        with contextlib.suppress(OSError):  # a full disk: the text is for people, the lock is held all the same
            os.ftruncate(fd, 0)
            os.pwrite(fd, dump(self._mark), 0)

    @property
    def in_place(self) -> bool:
        """Whether the file that is held still lies where it was taken: not in a folder that was moved or removed."""
        if self._fd is None:
            return False
        held = os.fstat(self._fd)
        try:
            there = os.lstat(self._path)
        except OSError:
            return False
        return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)

    def rounded(self, now: datetime) -> None:
        """Say that everything was looked at, for `status` [CON-8].

        Of whole seconds, so that the text never gets shorter: who reads it meanwhile finds no end of the last one.
        """
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._fd, dump({**self._mark, "last_round": stamp(now.replace(microsecond=0))}), 0)

    def release(self, now: datetime | None = None) -> None:
        """Let it go; the file stays, and says until when somebody was at work: until now, else as it said before."""
        if self._fd is not None:
            until = now or self.left
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
                os.pwrite(self._fd, dump({"stopped": stamp(until)}) if until is not None else b"", 0)
            os.close(self._fd)
            self._fd = None
