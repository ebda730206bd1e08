"""The round: everything is looked at, whatever the watcher has said, a slice of cases at a time [REL-6, PERF-4].

Counterparts: `files/repose.py`, whether a case has to be read again at all; `__init__.py`, which takes a slice in each
turn.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from executord.case.casebook import Case
from executord.files.repose import Watch
from executord.files.store import Store
from executord.service.boundary import Boundary
from executord.service.deadlines import Deadlines
from executord.service.display import Display
from executord.service.escort import Escort
from executord.service.parked import RETRY
from executord.service.rings import Rings

SLICE = 200  # cases of a round between two looks at what rings


class Looked(Protocol):
    """What is needed of the service."""

    store: Store
    cases: dict[str, Case]
    display: Display
    escort: Escort
    watch: Watch
    boundary: Boundary
    deadlines: Deadlines


class Rounds:
    """Of one tree. `refresh` reads a case again; `progress`: it goes on."""

    def __init__(
        self,
        service: Looked,
        refresh: Callable[[str, datetime, set[str]], None],
        progress: Callable[[], None],
    ) -> None:
        self._service, self._refresh, self._progress = service, refresh, progress
        self.left: list[str] = []  # of the round that goes on, the last first
        self.again_at: datetime | None = None  # where one could not be begun, or gone on with

    def turn(self, now: datetime, rings: Rings, *, whole: bool) -> set[str]:
        """Begin a round where it is due, and go on with it: by a slice, or as a whole. Returns the cases that stir."""
        boundary = self._service.boundary
        if rings.everything or (self.again_at is not None and self.again_at <= now):
            self.again_at = None if boundary.guarded(None, now, self._begin) else now + RETRY
            rings.mail = True
        stirred = boundary.asked(None, now, partial(self._go_on, now, len(self.left) if whole else SLICE), None)
        if stirred is None:
            self.left.clear()
            self.again_at = now + RETRY
        return stirred or set()

    def _begin(self) -> None:
        """All cases, those that are new in the memory too."""
        service = self._service
        service.store.forget_inboxes()
        self.left = sorted({*service.store.case_ids(service.cases), *service.cases}, reverse=True)

    def _go_on(self, now: datetime, most: int) -> set[str]:
        """The next cases, so many at a time, for nothing that rings waits for the whole of it; those that stir."""
        looked, stirred = 0, set[str]()
        with self._service.watch.looking():
            while self.left and looked < most:
                case_id = self.left.pop()
                looked += 1
                self._service.boundary.guarded(case_id, now, partial(self._visit, case_id, now, stirred))
        self._progress()
        return stirred

    def _visit(self, case_id: str, now: datetime, stirred: set[str]) -> None:
        case = self._service.cases.get(case_id)
        if case is None or not self._service.watch.unchanged(case):
            self._read(case_id, now)
        if self._stirs(case_id, now):
            stirred.add(case_id)

    def _read(self, case_id: str, now: datetime) -> None:
        before = self._service.watch.folders(case_id)
        self._refresh(case_id, now, set())
        self._service.display.check(case_id, now)
        self._progress()
        if (case := self._service.cases.get(case_id)) is not None:
            self._service.watch.read(case, before)

    def _stirs(self, case_id: str, now: datetime) -> bool:
        """Whether it has found a reason to look at what follows; of cases at rest it has none [PERF-4]."""
        service, at = self._service, self._service.deadlines.of(case_id)
        case = service.cases.get(case_id)
        if case is None or case.head.opened_at is None or not case.open_tasks or (at is not None and at <= now):
            return True
        return bool(case.dirty or case.head_dirty or case.letters or case.clashed) or self._service.escort.concerns(
            case
        )
