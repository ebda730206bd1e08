"""Old days of `.processed/`: packed into one stream per day, byte for byte [MEM-20].

The stream is made whole and durable before the first of its files is taken away, so a crash leaves the day, the
stream, or both; a day that is already in its stream is only taken away. `.rejected/` stays as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import BinaryIO

from executord.errors import ExecutordError, Unreadable
from executord.files.disk import DOT, INBOX, OWN_INBOXES, Disk
from executord.paper.gate import regular

KEEP_DAYS = 90
LARGEST = 64 << 20  # bytes of one file; what is larger was no message, and stays where it lies
_HEAD = b"--- # "
_LONGEST_HEAD = 1 << 13  # bytes: a name is at most 255, each of them at most six of JSON


def pack(
    disk: Disk, now: datetime, keep_days: int = KEEP_DAYS, cannot: Callable[[str, str], None] | None = None
) -> list[str]:
    """Pack every day older than `keep_days`; answers the streams, as paths from the memory.

    A day that cannot be packed is told to `cannot` with the reason, and stops no other.
    """
    before = (now - timedelta(days=keep_days)).date()
    made = []
    for own in OWN_INBOXES:
        shelf = f"{INBOX}/{own}/.processed"
        for day in _days(f"{disk.root}/{shelf}", before):
            try:
                if _pack_day(disk, shelf, day):
                    made.append(f"{shelf}/{day}.yaml")
            except (OSError, ExecutordError) as error:
                if cannot is not None:
                    cannot(f"{shelf}/{day}", str(error))
    return made


def unpack(stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The files of a stream: name and bytes, as they were. Raises `Unreadable` where it is none of ours, or changed.

    Of what has the name of a stream and is none no more is read than the head of a file.
    """
    at = 0
    while line := stream.readline(_LONGEST_HEAD):
        head = _head(line)
        if head is None:
            raise Unreadable(f"there is no head of a packed file at byte {at}", code="MEM-20")
        name, size, digest = head
        data, end = stream.read(size), stream.read(1)
        if end != b"\n" or hashlib.sha256(data).hexdigest() != digest:
            raise Unreadable(f"{name!r} is not there as it was packed", code="MEM-20")
        at += len(line) + size + 1
        yield name, data


def _head(line: bytes) -> tuple[str, int, str] | None:
    if not (line.startswith(_HEAD) and line.endswith(b"\n")):
        return None
    try:
        head = json.loads(line.removeprefix(_HEAD))
        name, size, digest = head["file"], head["size"], head["sha256"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    if not isinstance(name, str) or type(size) is not int or not 0 <= size <= LARGEST or not isinstance(digest, str):
        return None
    return name, size, digest


def _days(path: str, before: date) -> list[str]:
    """The days before this one; a folder whose name is no day is not ours."""
    found = []
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(path)):
            with contextlib.suppress(ValueError):
                is_day = len(name) == 10 and name[4] == name[7] == "-" and date.fromisoformat(name) < before
                if is_day and os.path.isdir(f"{path}/{name}") and not os.path.islink(f"{path}/{name}"):
                    found.append(name)
    return found


def _pack_day(disk: Disk, shelf: str, day: str) -> bool:
    """Put the files of a day into its stream, and take away what is in it; what is no plain file stays.

    False: there was nothing to take away.
    """
    folder = f"{shelf}/{day}"
    target = f"{shelf}/{day}.yaml"
    files = {name: data for name in sorted(os.listdir(f"{disk.root}/{folder}"))
             if (data := _data(f"{disk.root}/{folder}/{name}")) is not None}  # fmt: skip
    if os.path.lexists(f"{disk.root}/{target}"):
        with os.fdopen(regular(f"{disk.root}/{target}"), "rb") as file:
            kept = {name for name, data in unpack(file) if files.get(name) == data}
        files = {name: data for name, data in files.items() if name in kept}  # others came after it was made
    elif files:
        dot = f"{shelf}/{DOT}{hashlib.sha256(target.encode()).hexdigest()[:32]}"
        disk.stage(dot, b"".join(_part(name, data) for name, data in files.items()))
        disk.sync([dot])
        disk.publish(dot, target)
        disk.sync_all()
    disk.remove_packed(folder, files)
    return bool(files)


def _data(path: str) -> bytes | None:
    with contextlib.suppress(OSError), os.fdopen(regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= LARGEST:
            data = file.read(size + 1)
            return data if len(data) == size else None  # somebody is at it: another day
    return None


def _part(name: str, data: bytes) -> bytes:
    head = {"file": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return _HEAD + json.dumps(head).encode() + b"\n" + data + b"\n"
