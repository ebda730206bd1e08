"""The deadlines of all cases in one heap: when the first line of each comes due [PERF-4].

Counterparts: `agenda.py`, which knows of one case; `__init__.py`, which sleeps until the first of all.
"""

from __future__ import annotations

import heapq
from datetime import datetime


class Deadlines:
    """One instant for each case that has a line in the future."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, str]] = []  # some that hold no more, but not at its top
        self._at: dict[str, datetime] = {}

    def of(self, case_id: str) -> datetime | None:
        """When this case is due; None: never, as it is."""
        return self._at.get(case_id)

    def put(self, case_id: str, at: datetime | None) -> None:
        """From now on this case is due then."""
        if at is None:
            self._at.pop(case_id, None)
        elif self._at.get(case_id) != at:
            self._at[case_id] = at
            heapq.heappush(self._heap, (at, case_id))

    def first(self) -> datetime | None:
        """When the next case is due."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: datetime) -> set[str]:
        """The cases whose time has come. Each is told once: it is looked at, and has another deadline then."""
        found = set()
        while self._heap and self._heap[0][0] <= now:
            found.add(heapq.heappop(self._heap)[1])
        return found
