"""One daemon per tree: an `flock` in the memory itself [REL-7].

The descriptor is close-on-exec, always: a worker that inherited it would hold the tree for a dead daemon. The text
of the file says who holds it; the lock alone decides whether anybody does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.clock import pause
from executord.disk import INBOX
from executord.errors import Locked
from executord.paper import parse
from executord.pen import dump
from executord.values import stamp

PLACE = f"{INBOX}/executor/.lock"
_TRIES, _PAUSE_S = 5, 0.02


def boot_id() -> str | None:
    """Which boot of the machine this is."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def holder(root: str) -> Mapping[str, Any] | None:
    """Who holds the tree's lock: pid, host, boot_id, since, last_round; None if nobody does. Changes nothing."""
    try:
        fd = os.open(f"{root}/{PLACE}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
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


class TreeLock:
    """The lock of a tree, held from `take` until `release` or the end of the process."""

    def __init__(self, root: str) -> None:
        self._path = f"{root}/{PLACE}"
        self._fd: int | None = None
        self._mark: dict[str, Any] = {}

    def take(self, now: datetime) -> None:
        """Take it. Raises `Locked`, naming the holder, if somebody else has it."""
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
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
                f"another daemon holds this tree: pid {who.get('pid', '?')} on {who.get('host', '?')}"
                f" since {who.get('since', '?')}",
                path=self._path,
                fix="stop that one first",
            )
        self._fd = fd
        self._mark = {"pid": os.getpid(), "host": socket.gethostname(), "boot_id": boot_id(), "since": stamp(now)}
        with contextlib.suppress(OSError):  # a full disk: the text is for people, the lock is held all the same
            os.ftruncate(fd, 0)
            os.pwrite(fd, dump(self._mark), 0)

    def rounded(self, now: datetime) -> None:
        """Say that everything was looked at, for `status` [CON-8].

        Of whole seconds, so that the text never gets shorter: who reads it meanwhile finds no end of the last one.
        """
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._fd, dump({**self._mark, "last_round": stamp(now.replace(microsecond=0))}), 0)

    def release(self) -> None:
        """Let it go; the file stays."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None
