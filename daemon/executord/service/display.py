"""The views of every case: when each is written, and what lies on its name before that [MEM-24, MEM-23].

Counterparts: `views/overview.py` and `rules/incident.py`, which say what a view holds; `hands.py`, which writes it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from executord.actions import Write
from executord.agenda import Agenda, Due
from executord.case.casebook import Case
from executord.hands import Batch, Hands
from executord.pen import dump
from executord.policy import Policy
from executord.rules import incident
from executord.rules.results import set_aside
from executord.service.boundary import Boundary
from executord.views.overview import progress

PROGRESS = "outputs/partial/progress.yaml"
EVERY = timedelta(seconds=1)
TASKS = 2000  # as many are shown again in that time: a larger case is shown less often [EXE-21, PERF-4]


class Shown(Protocol):
    """What is needed of the service."""

    policy: Policy
    cases: dict[str, Case]
    agendas: dict[str, Agenda]
    hands: Hands
    boundary: Boundary


class Display:
    """For all cases of one tree. `commit` notes and carries out a batch."""

    def __init__(self, service: Shown, commit: Callable[[list[Batch], datetime], None]) -> None:
        self._service, self._commit = service, commit
        self._owed: dict[str, datetime] = {}  # case → when its views may be written
        self._written: dict[str, datetime] = {}

    def owe(self, case_id: str, now: datetime) -> None:
        """Something was noted: the views of the case are to be made again."""
        self._owed.setdefault(case_id, now)

    def forget(self, case_id: str) -> None:
        """The case has left."""
        self._owed.pop(case_id, None)

    def times(self) -> list[datetime]:
        """When there is something to write."""
        return list(self._owed.values())

    def turn(self, now: datetime, *, all_of_them: bool = False) -> None:
        """Write what may be written: of each case at most once a second, of a large one less often; or all of it."""
        for case_id in sorted(c for c, at in self._owed.items() if at <= now or all_of_them):
            case = self._service.cases.get(case_id)
            last = self._written.get(case_id)
            if case is not None and last is not None and not all_of_them:
                again = last + EVERY * max(1, len(case.tasks) // TASKS)
                if last <= now < again:
                    self._owed[case_id] = again
                    continue
            del self._owed[case_id]
            if case is None:
                continue
            self._written[case_id] = now
            self._service.boundary.guarded(case_id, now, partial(self._write, case, now))

    def check(self, case_id: str, now: datetime) -> None:
        """A hand edit of a view is overwritten at the next round."""
        case = self._service.cases.get(case_id)
        if case is None or not case.n:
            return
        hands = self._service.hands
        if [path for path in _paths(case) if hands.view_touched(case, f"{case_id}/{path}")]:
            self.owe(case_id, now)

    def _write(self, case: Case, now: datetime) -> None:
        hands = self._service.hands
        for path in _paths(case):
            full = f"{case.id}/{path}"
            touched = hands.view_touched(case, full) and not hands.names.is_ours(full)
            away = hands.names.occupant(full) if touched else None
            if away is not None:  # a worker's file lies on our name
                batch = Batch(case)
                line = set_aside(case, Due(now, "view", "MEM-24", Write(path)), away.removeprefix(f"{case.id}/"))
                hands.note(batch, line, now)
                self._commit([batch], now)
                if self._service.cases.get(case.id) is not case:
                    return  # it could not be moved: the case is tried again
        hands.view(case, f"{case.id}/{PROGRESS}", progress(case, self._service.agendas[case.id], self._service.policy))
        for each in case.head.incidents:
            hands.view(case, f"{case.id}/{incident.view_path(each)}", dump(incident.view(case, each)))
        if case.head.closed is not None:  # nobody will ask soon: of many it would be more than the cases themselves
            case.memo.clear()
            case.memos.clear()


def _paths(case: Case) -> list[str]:
    """The views of a case, from its folder."""
    return [PROGRESS, *(incident.view_path(each) for each in case.head.incidents)]
