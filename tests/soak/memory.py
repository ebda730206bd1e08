"""The memory of a soak: on a disk of its own where one may be mounted, so that it can be full or read-only."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.real.kit import Tree, drop, part_number

DISK_MIB = 1500


class Memory(Tree):
    """A tree whose writers wait while its disk cannot be written, as people and programs do."""

    def __init__(self, root: Path, config: Mapping[str, Any]) -> None:
        place = root / "Agent_Memory"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "soak", str(place)]
        #: Whether the memory has a disk of its own.
        self.own_disk = os.geteuid() == 0 and not subprocess.run(mount, capture_output=True, check=False).returncode
        self.ending = threading.Event()
        self._closed: set[str] = set()
        super().__init__(root, config)

    def patiently(self, do: Callable[[], Any]) -> None:
        """Do it as soon as the disk lets it."""
        while True:
            try:
                do()
            except FileNotFoundError:
                raise
            except OSError:
                if self.ending.is_set():
                    raise
                time.sleep(0.1)
            else:
                return

    def journal(self, case_id: str) -> list[dict[str, Any]]:
        """All journal lines of a case, each read by itself: a soak reads many, again and again."""
        parts = sorted((self.root / case_id / "outputs/partial").glob("journal*.yaml"), key=part_number)
        rows = [row for part in parts for row in part.read_bytes().split(b"\n")[:-1] if row.startswith(b"- {")]
        return [line for line in (json.loads(row[2:]) for row in rows) if "name" in line]

    def closed(self, case_id: str) -> bool:
        """Whether the validator has passed it: then it is closed."""
        if case_id not in self._closed and any(
            (e.get("facts") or {}).get("result") == "PASS" for e in self.journal(case_id)
        ):
            self._closed.add(case_id)
        return case_id in self._closed

    def count_closed(self) -> int:
        """How many are known to have come to it."""
        return len(self._closed)

    def put(self, path: Path, text: str | bytes) -> None:
        """As soon as the disk lets it."""
        self.patiently(lambda: drop(path, text))

    # -- what its disk may come to -------------------------------------------------------------------------

    def full(self, seconds: float) -> None:
        """Not one more byte for so long."""
        ballast = self.root / ".ballast"
        with ballast.open("wb", buffering=0) as file:
            part = 1 << 24
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                try:
                    if not file.write(bytes(part)):
                        part = max(part // 2, 1)
                except OSError:
                    part = max(part // 2, 1)
                    time.sleep(0.01 if part == 1 else 0)
        ballast.unlink()

    def read_only(self, place: Path, seconds: float) -> bool:
        """That folder cannot be written for so long; False where that cannot be done."""
        if subprocess.run(["mount", "--bind", place, place], capture_output=True, check=False).returncode:
            return False
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
            time.sleep(seconds)
        finally:
            subprocess.run(["umount", "-l", place], check=True)
        return True

    def leave(self) -> None:
        """Give the disk back."""
        if self.own_disk:
            subprocess.run(["umount", "-l", str(self.root)], check=False)
