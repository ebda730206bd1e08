"""How the processes of all cases are found: after a restart, when one rings, at each round [OPS-18, OPS-23].

Counterparts: `runners/workers.py`, which looks; `rules/processes.py`, which says what follows. What is seen stands in
`task.process_seen`, as what is seen of files stands in the task.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from executord.actions import Start
from executord.agenda import Due
from executord.case import Attempt, Task
from executord.case.casebook import Case
from executord.errors import CannotStart
from executord.evolve import replace
from executord.places import Places
from executord.policy import Policy
from executord.runners.workers import Workers, run_of
from executord.service.boundary import Boundary

NO_ROOM, NO_START = timedelta(seconds=5), timedelta(seconds=60)  # until a process is tried to be started again


class Hall(Protocol):
    """What is needed of the service."""

    policy: Policy
    cases: dict[str, Case]
    places: Places
    workers: Workers | None
    broken: dict[str, tuple[str, datetime]]
    boundary: Boundary


class Attendance:
    """Looks after processes; decides nothing."""

    def __init__(self, service: Hall) -> None:
        self._service = service

    def adopt(self, case: Case, now: datetime) -> None:
        """Processes outlive the daemon: those that the journal speaks of are watched again, or seen to be gone."""
        workers = self._service.workers
        if workers is None:
            return
        for task_id in sorted(case.running):
            attempt = _with_process(case.tasks[task_id])
            command = self._service.policy.command(attempt.agent)
            workers.adopt(*run_of(case.id, task_id, attempt), command.grace_s if command is not None else None)
            self._look_at(case, task_id, now)

    def opened(self) -> None:
        """Every case is read: who was held back and is in no journal never begins."""
        if self._service.workers is not None and not self._service.broken:
            self._service.workers.sweep()

    def look(self, now: datetime, *, all_of_them: bool) -> set[str]:
        """Look at the processes that rang, or at all; answers their cases."""
        workers, cases = self._service.workers, self._service.cases
        if workers is None:
            return set()
        rang = workers.changed()
        if all_of_them:
            rang |= {(c, t) for c, case in cases.items() for t in case.running}
        for case_id, task_id in sorted(rang):
            if case_id in cases:
                self._service.boundary.guarded(case_id, now, partial(self._look_at, cases[case_id], task_id, now))
        return {case_id for case_id, _ in rang if case_id in cases}

    def _look_at(self, case: Case, task_id: str, now: datetime) -> None:
        workers, task = self._service.workers, case.tasks.get(task_id)
        if workers is None or task is None or task.process is None:
            return
        old, attempt = task.process_seen, _with_process(task)
        run, process = run_of(case.id, task_id, attempt)
        if old is not None and (old.attempt, old.k) == (run.attempt, run.k) and old.gone:
            return
        command = self._service.policy.command(run.agent)
        seen = workers.see(run, process, command.parser if command is not None else "inbox", now)
        if seen is not None and (old is None or replace(old, at=seen.at) != seen):
            case.put(replace(task, process_seen=seen))

    def kept_back(self, case: Case, line: Due, now: datetime) -> bool:
        """Whether no process of this agent may be started: he, or everything, is paused [EXE-25]."""
        if not isinstance(line.action, Start):
            return False
        places = self._service.places
        if not places.all_paused and line.action.to not in places.paused:
            return False
        _postpone(case, line, now + NO_START)
        return True

    @staticmethod
    def not_started(case: Case, line: Due, now: datetime, error: CannotStart) -> None:
        """It is tried again: soon where the machine had no room, later where a person has to do something."""
        _postpone(case, line, now + (NO_ROOM if error.passing else NO_START))


def _postpone(case: Case, line: Due, until: datetime) -> None:
    case.put(replace(case.tasks[line.task or ""], start_after=until))


def _with_process(task: Task) -> Attempt:
    return next(a for a in reversed(task.attempts) if a.process is not None)
