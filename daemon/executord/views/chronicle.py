"""The journals as lines for people and programs: of one case, of all merged in order of time, and as they grow.

Counterparts: `files/journal.py` reads a case's parts for the daemon, `outlook.py` shows the lines to come. Only reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from executord.errors import ExecutordError, Unreadable
from executord.files import journal
from executord.paper import read_journal
from executord.paper.gate import regular
from executord.values import read_stamp

LINE_KEYS = ("at", "due", "case", "name", "action", "rule", "task", "attempt", "to", "type", "path", "why")


def line_of(case_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A journal line in the shape of `simulate` [CON-7], with its number; what does not apply is None."""
    data = {**entry, "case": case_id}
    return {**{key: data.get(key) for key in LINE_KEYS}, "n": entry.get("n")}


def lines(root: str, case_id: str) -> list[dict[str, Any]]:
    """Every line of a case's journal, from all its parts. Raises `Unreadable` where a whole line is not one."""
    try:
        entries = journal.read(f"{root}/{case_id}").entries
    except Unreadable as error:
        error.path = f"{case_id}/outputs/partial/{error.path}"
        raise
    return [line_of(case_id, e) for e in entries if is_line(e)]


def merged(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of several cases in order of the time at which they were noted; those of one case keep their order."""
    return sorted(found, key=_order)


def _order(line: Mapping[str, Any]) -> tuple[datetime, str, int]:
    return read_stamp(line["at"]), line["case"], line["n"]


def is_line(entry: Mapping[str, Any]) -> bool:
    """Whether this is a line, and neither the first of a part nor a snapshot."""
    return isinstance(entry.get("at"), str) and isinstance(entry.get("n"), int) and "name" in entry


class Tail:
    """Follows one case's journal by its size, also into new parts: a full one gets a name of its own."""

    def __init__(self, root: str, case_id: str) -> None:
        self._case = case_id
        self._folder = os.path.dirname(f"{root}/{case_id}/{journal.PLACE}")
        self._inode: int | None = None
        self._offset = 0
        self._n = 0

    def more(self) -> list[dict[str, Any]]:
        """The lines that have come since the last call. Raises `Unreadable`."""
        try:
            status = os.stat(f"{self._folder}/journal.yaml")
        except OSError:
            return []
        if status.st_ino == self._inode and status.st_size == self._offset:
            return []
        entries: list[dict[str, Any]] = []
        if status.st_ino != self._inode or status.st_size < self._offset:
            for part in self._parts_since():
                entries += self._read(part, 0)[0]
            self._offset = 0
        grown, size, inode = self._read("journal.yaml", self._offset)
        if inode not in (None, status.st_ino):  # a new part began between the two looks: the next call reads it
            return []
        self._inode, self._offset = inode, self._offset + size
        fresh = [e for e in (*entries, *grown) if is_line(e) and e["n"] > self._n]
        if fresh:
            self._n = fresh[-1]["n"]
        return [line_of(self._case, e) for e in fresh]

    def _parts_since(self) -> list[str]:
        """The numbered parts that may hold unseen lines: from the one that was followed on, else all."""
        names = sorted(n for n in os.listdir(self._folder) if n.startswith("journal.") and n[8:-5].isdigit())
        for k, name in enumerate(names):
            if self._inode is not None and os.stat(f"{self._folder}/{name}").st_ino == self._inode:
                return names[k:]
        return names

    def _read(self, name: str, offset: int) -> tuple[list[dict[str, Any]], int, int | None]:
        try:
            with os.fdopen(regular(f"{self._folder}/{name}"), "rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                file.seek(offset)
                entries, whole = read_journal(file.read())
        except FileNotFoundError:
            return [], 0, None
        except Unreadable as error:
            error.path = f"{self._case}/outputs/partial/{name}"
            raise
        return entries, whole, inode


class Tails:
    """Follows the journals of all cases of a tree, or of one; new cases are found as they come."""

    def __init__(self, root: str, only: str | None = None) -> None:
        self._root, self._only = root, only
        self._tails: dict[str, Tail] = {}
        self.faults: dict[str, ExecutordError] = {}  # case → why its journal cannot be followed

    def more(self) -> list[dict[str, Any]]:
        """What has come since the last call, merged; a journal that cannot be read stands in `faults`."""
        found: list[dict[str, Any]] = []
        for case_id in [self._only] if self._only is not None else _folders(self._root):
            tail = self._tails.get(case_id)
            if tail is None:
                tail = self._tails[case_id] = Tail(self._root, case_id)
            try:
                found += tail.more()
                self.faults.pop(case_id, None)
            except ExecutordError as error:
                self.faults[case_id] = error
            except OSError as error:
                text = f"the journal cannot be read: {error.strerror}"
                self.faults[case_id] = Unreadable(text, path=f"{case_id}/{journal.PLACE}", code="CON-6")
        return merged(found)


def _folders(root: str) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(("_", ".")) and e.is_dir(follow_symlinks=False))
