"""Old days of `.processed/`: packed into one stream per day, byte for byte [MEM-20].

The stream is made whole and durable before the first of its files is taken away, so a crash leaves the day, the
stream, or both; a day that is already in its stream is only taken away. `.rejected/` stays as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from executord.disk import DOT, INBOX, OWN_INBOXES, Disk
from executord.gate import regular

KEEP_DAYS = 90


def pack(disk: Disk, now: datetime, keep_days: int = KEEP_DAYS) -> list[str]:
    """Pack every day older than `keep_days`; answers the streams made, as paths from the memory."""
    before = (now - timedelta(days=keep_days)).date()
    made = []
    for own in OWN_INBOXES:
        shelf = f"{INBOX}/{own}/.processed"
        for day in _days(f"{disk.root}/{shelf}"):
            if date.fromisoformat(day) < before:
                made.append(_pack_day(disk, shelf, day))
    return made


def unpack(stream: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a stream: name and bytes, as they were."""
    at = 0
    while at < len(stream):
        end = stream.index(b"\n", at)
        head = json.loads(stream[at:end].removeprefix(b"--- # "))
        at = end + 1
        yield head["file"], stream[at : at + head["size"]]
        at += head["size"] + 1


def _days(path: str) -> list[str]:
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [n for n in names if len(n) == 10 and n[4] == n[7] == "-" and os.path.isdir(f"{path}/{n}")]


def _pack_day(disk: Disk, shelf: str, day: str) -> str:
    folder = f"{shelf}/{day}"
    target = f"{shelf}/{day}.yaml"
    names = sorted(os.listdir(f"{disk.root}/{folder}"))
    if names and not os.path.exists(f"{disk.root}/{target}"):
        dot = f"{shelf}/{DOT}{hashlib.sha256(target.encode()).hexdigest()[:32]}"
        disk.stage(dot, b"".join(_part(f"{disk.root}/{folder}/{name}", name) for name in names))
        disk.sync([dot])
        disk.publish(dot, target)
        disk.sync_all()
    disk.remove_packed(folder, names)
    return target


def _part(path: str, name: str) -> bytes:
    with os.fdopen(regular(path), "rb") as file:
        data = file.read()
    head = {"file": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return b"--- # " + json.dumps(head).encode() + b"\n" + data + b"\n"
