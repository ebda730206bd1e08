"""A message into an inbox, as everybody drops one: written aside, renamed into place; and what became of it [OPS-4].

Counterparts: `postbox.py`, which finds it; `service/house.py` and `hands.py`, which file it. This is the sender's side:
the command line speaks to the daemon as anybody else does, by files, with no socket.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from executord.clock import WallClock
from executord.errors import CannotWrite, DaemonDown, TimedOut, Unreadable
from executord.files.disk import INBOX, rename
from executord.paper import parse
from executord.paper.gate import open_file
from executord.values import safe_id

_QUICK_S, _SLOW_S = 0.02, 0.25  # how often the receipt is looked for: at first, and after a while
_ALIVE_EVERY_S = 1.0
_REASON_S = 2.0  # the reason is published just after the message is filed


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message: where it was filed (from the memory), and why it was refused, if it was."""

    path: str
    rejected: bool
    reason: Mapping[str, Any]


def unique_name(now: datetime, *words: str) -> str:
    """A file name that no other call makes: the words, the time, and a random part; safe as a path."""
    said = [w for w in words if w and safe_id(w)]
    return f"{'.'.join(said)[:120] or 'message'}.{now.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.yaml"


def drop(root: str, agent_folder: str, name: str, data: bytes) -> str:
    """Put a message into an inbox, whole and on disk; answers its path from the memory. Raises `CannotWrite`."""
    folder = f"{root}/{INBOX}/{agent_folder}"
    try:
        make_folders(root, f"{INBOX}/{agent_folder}")
        put(root, f"{folder}/{name}", data)
        sync_folder(folder)
    except OSError as error:
        raise cannot(folder, error) from error
    return f"{INBOX}/{agent_folder}/{name}"


def put(root: str, path: str, data: bytes) -> None:
    """Write a file aside, bring it to the disk, and rename it into place. Never replaces: raises `CannotWrite`."""
    aside = os.path.join(os.path.dirname(path), f".{secrets.token_hex(6)}.part")
    try:
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            if is_shared(root):
                os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | 0o060)
            file.flush()
            os.fsync(fd)
        if not rename(aside, path):
            raise CannotWrite("it exists already", path=path, fix="choose another name")
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)


def make_folders(root: str, path: str) -> list[str]:
    """The folder `path` (from `root`), with its parents; answers those that were made. In a tree that a group shares,
    each is shared too: else the daemon could not rename what lies in it. Raises `OSError`."""
    made = []
    here = root
    for part in path.split("/"):
        here = f"{here}/{part}"
        try:
            os.mkdir(here)
        except FileExistsError:
            if not os.path.isdir(here):
                raise NotADirectoryError(20, "a file stands where a folder should be", here) from None
            continue
        made.append(here)
        if is_shared(root):
            with contextlib.suppress(PermissionError):
                os.chmod(here, stat.S_IMODE(os.stat(here).st_mode) | 0o070)
    return made


def is_shared(root: str) -> bool:
    """Whether a group writes in this tree."""
    return bool(os.stat(root).st_mode & stat.S_IWGRP)


def sync_folder(path: str) -> None:
    """Bring the names in a folder to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def cannot(path: str, error: OSError) -> CannotWrite:
    """The error of the system as ours [CON-18]."""
    fix = "give yourself write permission there" if isinstance(error, PermissionError) else None
    return CannotWrite(f"cannot write: {error.strerror or error}", path=str(error.filename or path), fix=fix)


def await_receipt(root: str, path: str, alive: Callable[[], bool], timeout_s: float) -> Receipt:
    """Wait until the message at `path` (from the memory) is filed.

    Raises `DaemonDown` as soon as nobody holds the tree, `TimedOut` after `timeout_s` seconds; the message stays.
    """
    clock = WallClock()
    start = clock.monotonic()
    asked = start - _ALIVE_EVERY_S
    while True:
        receipt = _filed(root, path)
        if receipt is not None:
            return receipt
        now = clock.monotonic()
        if now - asked >= _ALIVE_EVERY_S:
            asked = now
            if not alive():
                receipt = _filed(root, path)  # it may have been taken just before the end
                if receipt is not None:
                    return receipt
                raise DaemonDown(
                    "the daemon is not running; the message stays and is taken at its next start",
                    path=path,
                    fix="start it: `executord run`, or `systemctl start executord`",
                )
        if now - start >= timeout_s:
            raise TimedOut(
                f"no receipt after {timeout_s:g} s; the message stays and is taken when the daemon comes to it",
                path=path,
                fix="wait longer with --timeout, or look at `executord log`",
            )
        _wait(_QUICK_S if now - start < 1 else _SLOW_S)


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _filed(root: str, path: str) -> Receipt | None:
    """Where the message was filed, None if it was not yet. The name is unique, so no other file is taken for it."""
    if os.path.lexists(f"{root}/{path}"):
        return None
    inbox, name = path.rsplit("/", 1)
    for shelf in (".processed", ".rejected"):
        for day in _newest_first(f"{root}/{inbox}/{shelf}"):
            filed = f"{inbox}/{shelf}/{day}/{name}"
            if os.path.lexists(f"{root}/{filed}"):
                rejected = shelf == ".rejected"
                return Receipt(filed, rejected, reason_beside(root, filed) if rejected else {})
    return None


def _newest_first(folder: str) -> list[str]:
    try:
        return sorted((n for n in os.listdir(folder) if not n.startswith(".")), reverse=True)
    except OSError:
        return []


def reason_beside(root: str, filed: str) -> Mapping[str, Any]:
    """What stands in the `.reason.yaml` beside a rejected message, which comes just after it; empty if none comes
    [CON-5]."""
    path = f"{root}/{filed.rpartition('.')[0]}.reason.yaml"
    clock = WallClock()
    start = clock.monotonic()
    while clock.monotonic() - start < _REASON_S:
        try:
            return parse(open_file(path).raw, path=path).data or {}
        except (OSError, Unreadable):
            _wait(_QUICK_S)
    return {}
