"""Sees files being renamed into folders: bare inotify, for the bare loop and for those who hold the stop-watch."""

from __future__ import annotations

import ctypes
import os
import select
import struct
from pathlib import Path

MOVED_TO = 0x80
OVERFLOW = 0x4000
_IS_FOLDER = 0x40000000
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Eyes:
    """Watches folders for names that are renamed into them."""

    def __init__(self) -> None:
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, str] = {}

    def watch(self, folder: str | Path) -> None:
        """Watch one folder, not those in it."""
        number = _libc.inotify_add_watch(self._fd, os.fsencode(folder), MOVED_TO)
        if number < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
        self._folders[number] = str(folder)

    def see(self, timeout_s: float) -> list[tuple[str, str, bool]]:
        """What came: (folder, name, whether it is a folder). Waits at most `timeout_s`; empty: nothing came."""
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return []
        try:
            data = os.read(self._fd, 1 << 20)
        except BlockingIOError:
            return []
        found: list[tuple[str, str, bool]] = []
        offset = 0
        while offset < len(data):
            number, mask, _, length = _HEAD.unpack_from(data, offset)
            offset += _HEAD.size
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            if mask & OVERFLOW:
                raise RuntimeError("inotify lost events: the measure would be wrong")
            found.append((self._folders.get(number, ""), os.fsdecode(name), bool(mask & _IS_FOLDER)))
        return found

    def close(self) -> None:
        """No more."""
        os.close(self._fd)
