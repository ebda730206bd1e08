"""What the agents have to do besides one case: the effort that waits for the same hands in all others [SLA-9].

Counterparts: `rules/forecast.py`, whose instant it brings forward; `service/escort.py`, which gives it to the cases.
Pure but for its own counters. An agent without a limit to his capacity is no bottleneck, so he is left out: that also
bounds how many cases one change can reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from executord.case.casebook import Case
from executord.policy import Policy
from executord.promises.tasks import promised_task

Piece = tuple[datetime, int]  # when a task is promised, and the seconds of effort it still needs


class Workload:
    """Who has how much to do for which case."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, tuple[Piece, ...]]] = {}  # agent → case → what he holds there
        self._agents: dict[str, frozenset[str]] = {}  # case → who holds something in it, with or without effort

    def note(self, case: Case, policy: Policy) -> set[str]:
        """Take in what is held of a case now; the other cases that wait for the same hands, if that has changed."""
        found = _pieces(case, policy) if case.head.closed is None and case.head.hold is None else {}
        return self._put(case.id, found, frozenset(case.sums.holders))

    def forget(self, case_id: str) -> set[str]:
        """The case is gone; the others that waited for the same hands."""
        return self._put(case_id, {}, frozenset())

    def beside(self, case: Case) -> Mapping[str, tuple[Piece, ...]]:
        """For each who holds something of a case, what he holds of the others, in order."""
        found: dict[str, tuple[Piece, ...]] = {}
        for agent in sorted(case.sums.holders):
            others = [p for c, pieces in self._held.get(agent, {}).items() if c != case.id for p in pieces]
            if others:
                found[agent] = tuple(sorted(others))
        return found

    def _put(self, case_id: str, found: Mapping[str, tuple[Piece, ...]], agents: frozenset[str]) -> set[str]:
        changed: set[str] = set()
        for agent in {*found, *self._agents.get(case_id, ())}:
            by_case = self._held.get(agent, {})
            if by_case.get(case_id) == found.get(agent):
                continue
            changed.add(agent)
            if agent in found:
                self._held.setdefault(agent, {})[case_id] = found[agent]
            else:
                by_case.pop(case_id, None)
        if agents:
            self._agents[case_id] = agents
        else:
            self._agents.pop(case_id, None)
        return {c for agent in changed for c in self._held.get(agent, ()) if c != case_id}


def _pieces(case: Case, policy: Policy) -> dict[str, tuple[Piece, ...]]:
    found: dict[str, tuple[Piece, ...]] = {}
    for agent, efforts in case.sums.holders.items():
        if not policy.capacity(agent):
            continue
        pieces = []
        for task_id, left in efforts.items():
            task = case.tasks[task_id]
            limit = promised_task(case, task, policy) if task.blocked is None and task.hold is None else None
            if limit is not None:
                pieces.append((limit.at, left))
        if pieces:
            found[agent] = tuple(sorted(pieces))
    return found


def ahead(pieces: tuple[Piece, ...], end: datetime) -> int:
    """The seconds of what is promised no later than this: that is done first."""
    return sum(left for limit, left in pieces if limit <= end)
