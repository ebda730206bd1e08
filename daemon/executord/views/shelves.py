"""What lies around the cases, as it is on disk: who holds the lock, the inboxes, what was rejected, what came late.

Only reads, and creates nothing. Counterpart: `overview.py`, which shows it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from executord.errors import NotYetWhole, Unreadable
from executord.files import lock
from executord.files.disk import INBOX, OWN_INBOXES
from executord.paper import MESSAGE_ENDINGS, is_left_alone, parse
from executord.paper.gate import Identity, being_written, identity_of, moment_of, open_file

_LATE = re.compile(r"(?P<task>.+)\.attempt-(?P<n>\d+)\.late(?:-\d+)?\.yaml")


def daemon(root: str) -> dict[str, Any]:
    """Who runs on this tree, by the lock in it [CON-8]; `last_round` is None until its first."""
    held = lock.holder(root)
    said = held or {}
    return {
        "running": held is not None,
        "pid": said.get("pid"),
        "host": said.get("host"),
        "since": said.get("since"),
        "last_round": said.get("last_round"),
    }


def mail(root: str, folder: str) -> tuple[int, datetime | None]:
    """How many messages lie in an inbox folder, and since when the oldest (by its mtime)."""
    times = [
        moment_of(status.st_mtime_ns)
        for entry, status in _files(f"{root}/{INBOX}/{folder}")
        if entry.name.endswith(MESSAGE_ENDINGS) and not is_left_alone(entry.name)
    ]
    return len(times), min(times, default=None)


def closed_to_us(root: str) -> list[str]:
    """Folders of the memory that we may not look into: whether they are instructions nobody can tell [MEM-1]."""
    return [
        entry.name for entry in _entries(root)
        if not entry.name.startswith(("_", ".")) and entry.is_dir(follow_symlinks=False)
        and not os.access(entry.path, os.R_OK | os.X_OK)
    ]  # fmt: skip


def left_alone(root: str) -> list[str]:
    """What lies in our inboxes and is no message: files whose ending says so, and folders [MEM-3]; or is none yet, for
    somebody has it open for writing [MSG-5]. And folders of the memory that we may not look into."""
    return closed_to_us(root) + [
        f"{INBOX}/{folder}/{entry.name}"
        for folder in OWN_INBOXES
        for entry in _entries(f"{root}/{INBOX}/{folder}")
        if not is_left_alone(entry.name)
        and (
            not entry.name.endswith(MESSAGE_ENDINGS) or entry.is_dir(follow_symlinks=False) or being_written(entry.path)
        )
    ]


def rejected(root: str) -> list[dict[str, Any]]:
    """The messages that could not be taken, oldest first, with their reasons [CON-5]."""
    found = []
    for folder in OWN_INBOXES:
        shelf = f"{INBOX}/{folder}/.rejected"
        for day in sorted(_names(f"{root}/{shelf}")):
            names = sorted(_names(f"{root}/{shelf}/{day}"))
            for name in (n for n in names if n.endswith(".reason.yaml") and not n.startswith(".")):
                path = f"{shelf}/{day}/{name}"
                try:
                    said = _reason(root, path, identity_of(os.lstat(f"{root}/{path}")))
                except OSError:
                    continue
                stem = name.removesuffix(".reason.yaml")
                beside = next((n for n in names if n.rpartition(".")[0] == stem), None)
                found.append(
                    {
                        "path": f"{shelf}/{day}/{beside or said.get('file') or name}",
                        "code": said.get("code"),
                        "reason": said.get("reason"),
                        "at": said.get("generated_at"),
                    }
                )
    return sorted(found, key=lambda row: (row["at"] or "", row["path"]))


@lru_cache(maxsize=8192)
def _reason(root: str, path: str, _identity: Identity) -> dict[str, Any]:
    """A reason file never changes: the daemon answers `status` without reading all of them each time."""
    try:
        return parse(open_file(f"{root}/{path}").raw, path=path).data or {}
    except (Unreadable, NotYetWhole, OSError):
        return {}


def late(root: str, case_id: str) -> list[dict[str, Any]]:
    """Results that came after their attempt was closed [MSG-3]."""
    folder = f"{case_id}/outputs/partial"
    hits = ((name, _LATE.fullmatch(name)) for name in sorted(_names(f"{root}/{folder}")) if not name.startswith("."))
    return [
        {"path": f"{folder}/{name}", "task": hit["task"], "attempt": int(hit["n"])}
        for name, hit in hits
        if hit is not None
    ]


def outputs(root: str, case_id: str) -> list[dict[str, Any]]:
    """Every file under the case's `outputs/`, with size and sha256; paths count from the case's folder [CON-12]."""
    base = f"{root}/{case_id}"
    found = []
    for folder, folders, names in os.walk(f"{base}/outputs"):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(n for n in names if not n.startswith(".")):
            full = f"{folder}/{name}"
            try:
                fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                continue
            with os.fdopen(fd, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    continue
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found.append({"path": os.path.relpath(full, base), "size": status.st_size, "sha256": digest})
    return sorted(found, key=lambda row: str(row["path"]))


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(path), key=lambda e: e.name)
    except OSError:
        return []


def _files(path: str) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    for entry in _entries(path):
        try:
            if entry.is_file(follow_symlinks=False):
                yield entry, entry.stat(follow_symlinks=False)
        except OSError:
            continue


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
