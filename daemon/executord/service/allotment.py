"""Gives places to the dispatches that wait, by urgency across all cases, and takes them from who holds too many.

Counterparts: `places.py`, which chooses; `rules/dispatch.py` and `rules/overload.py`, what is noted then. A fault that
one case brings up parks that case, and the next one is given its place [REL-4, EXE-11, EXE-12].

What is chosen for one case depends on what the others were given before. So their journals are written in the order
of giving, and a step ends before a case would have its turn a second time: whatever a death leaves written, the rest is
chosen again as it was [REL-2].
"""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Protocol

from executord.agenda import Agenda, Due
from executord.case.casebook import Case
from executord.hands import Batch, Hands
from executord.places import Choice, Lineup
from executord.policy import Policy
from executord.rules import dispatch
from executord.service.boundary import Boundary
from executord.service.looks import Looks
from executord.service.parked import Parked
from executord.service.prompter import Prompter


class Hall(Protocol):
    """What is needed of the service."""

    policy: Policy
    cases: dict[str, Case]
    agendas: dict[str, Agenda]
    hands: Hands
    lineup: Lineup
    prompter: Prompter
    parked: Parked
    looks: Looks
    boundary: Boundary


class Allotment:
    """Of one tree."""

    def __init__(self, service: Hall) -> None:
        self._service = service

    def give(self, batches: dict[str, Batch], now: datetime, room: int) -> bool:
        """Put what gives places into the batches, up to so many lines; those who get one come last, in their order.

        Returns whether anybody was given one.
        """
        service = self._service
        lineup = service.lineup
        served: list[str] = []
        while room > 0:
            try:
                given = lineup.next(now)
                if given is None:
                    break
                case_id = given[0].id
                if case_id not in served:
                    served.append(case_id)
                    batches[case_id] = batches.pop(case_id, Batch(service.cases[case_id]))
                elif case_id != served[-1]:
                    break  # its turn in this step is over
                room -= self._give_one(batches[case_id], *given, now)
            except Exception as error:  # the boundary of a case: its fault must not stop the others
                if lineup.at is None:
                    service.parked.fault(error, now)
                    break
                service.hands.forget(batches.pop(lineup.at, None))
                service.boundary.breaks(lineup.at, error, now)
        return bool(served)

    def _give_one(self, batch: Batch, case: Case, line: Due, choice: Choice | None, now: datetime) -> int:
        service = self._service
        task = case.tasks[line.task or ""]
        before = len(batch.noted)
        if choice is None:
            service.looks.note(batch, dispatch.nobody(task, line), now)
        else:
            for each in dispatch.dispatch(case, task, line, choice, service.policy):
                service.looks.note(batch, each, now)
        agenda = service.agendas[case.id]
        while (due := agenda.before_others(now)) is not None and due.name.startswith("move "):
            if not service.looks.clashes(case, due):
                service.looks.note(batch, due, now)
        agenda.places()
        return len(batch.noted) - before

    def relieve(self, batches: dict[str, Batch], now: datetime) -> None:
        """Put into the batches what relieves one of those who hold more than they can; the next step goes on."""
        service = self._service
        for crowded, relief in islice(service.prompter.relief(service.cases), 1):
            service.looks.note(batches.setdefault(crowded.id, Batch(crowded)), relief, now)
