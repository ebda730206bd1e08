"""Which machine, which boot, which process: what tells one process from another that later has the same number.

A pid is given out again and again; a process is the one that was meant only if pid, start ticks and boot id are the
same [OPS-18]. Counterparts: `lock.py`, `runners/`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as `/proc` shows it."""

    pid: int
    parent: int
    group: int
    session: int
    start_ticks: int
    state: str

    @property
    def dead(self) -> bool:
        """Whether it has ended and only waits to be asked for its exit; one of several threads may still run."""
        if self.state not in "ZX":
            return False
        return len(_names(f"/proc/{self.pid}/task")) <= 1


def boot_id() -> str | None:
    """Which boot of the machine this is."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def host() -> str:
    """The machine's name."""
    return socket.gethostname()


def seen(pid: int) -> Seen | None:
    """The process of this number now, None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # its name stands in brackets and may hold anything, brackets too
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return Seen(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), fields[0].decode())


def processes() -> Iterator[Seen]:
    """All processes that can be seen, in the order of their numbers."""
    for pid in sorted(int(name) for name in _names("/proc") if name.isdigit()):
        found = seen(pid)
        if found is not None:
            yield found


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with; empty where it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            raw = file.read()
    except OSError:
        return {}
    pairs = (part.partition(b"=") for part in raw.split(b"\0") if b"=" in part)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def command_of(pid: int) -> list[str]:
    """Its command line; empty where it cannot be read."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [os.fsdecode(part) for part in file.read().split(b"\0")[:-1]]
    except OSError:
        return []


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
