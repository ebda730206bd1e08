"""One look at a case: what lies there, then its letters, then what is due, noted in a batch line by line [MSG-11].

Counterparts: `__init__.py`, which says when and carries the batch out; `allotment.py`, which notes what gives places.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Protocol

from executord.actions import Move, Reply, Send, Write
from executord.agenda import HEARING, LIES, Agenda, Due
from executord.case import Letter
from executord.case.casebook import Case
from executord.case.sight import see_still_gone
from executord.clocks.downtime import ahead
from executord.errors import CannotStart
from executord.evolve import replace
from executord.files import journal
from executord.files.deaths import Deaths
from executord.files.store import Store
from executord.hands import Batch, Entry, Hands
from executord.hush import hushed
from executord.policy import Policy
from executord.rules import incident
from executord.rules.mail import counts_from
from executord.rules.results import set_aside, with_path
from executord.service.attendance import Attendance
from executord.service.escort import Escort
from executord.service.halts import Halts
from executord.service.patience import Patience
from executord.service.prompter import Prompter


class Room(Protocol):
    """What is needed of the service."""

    root: str
    policy: Policy
    store: Store
    hands: Hands
    prompter: Prompter
    halts: Halts
    escort: Escort
    attendance: Attendance
    patience: Patience
    deaths: Deaths
    agendas: dict[str, Agenda]


class _Post:
    """The letters that wait for a case, by when each counts for its subject [MSG-11]. That is asked when its turn may
    have come, and again at each look, so that a daemon that died between two looks goes on in the same order."""

    def __init__(self, case: Case, policy: Policy) -> None:
        self._case, self._policy = case, policy
        self._next = 0  # from here on only `at` is known of them; none counts earlier
        self._known: list[tuple[datetime, str, str, int]] = []
        self._letters = case.letters

    def first_at(self) -> datetime | None:
        """When the first counts; None: there is none."""
        letters, known = self._letters, self._known
        while self._next < len(letters) and (not known or letters[self._next].order < known[0][:3]):
            letter = letters[self._next]
            at = counts_from(self._case, letter, self._policy)
            heapq.heappush(known, (at, letter.name, letter.folder, self._next))
            self._next += 1
        return known[0][0] if known else None

    def take(self) -> Letter:
        """The first, which is asked for by `first_at` before; it waits no longer."""
        return self._letters[heapq.heappop(self._known)[3]]

    def close(self) -> None:
        """What is left waits on."""
        self._letters[: self._next] = [self._letters[k] for k in sorted(k for *_, k in self._known)]


class Looks:
    """At the cases of one tree. `again`: look at that case again then; `event`: what and of what, for the log."""

    def __init__(
        self, service: Room, again: Callable[[datetime, str], None], event: Callable[[str, str], None]
    ) -> None:
        self._service, self._again, self._event = service, again, event
        #: case → up to which line its journal was read, and the instants in it that the clock has yet to reach
        self._to_come: dict[str, tuple[int, set[datetime]]] = {}

    def look(self, batch: Batch, now: datetime, room: int) -> None:
        """One look at a case, within its budget [REL-4]."""
        case_id, tasks = batch.case.id, len(batch.case.tasks)
        self._service.deaths.working(case_id)
        try:
            room = min(room, self._service.patience.room(case_id, tasks))
            self._service.patience.within(tasks, partial(self._gather, batch, now, room))
            self._service.patience.count(case_id, tasks, [n.entry for n in batch.noted])
            self._service.deaths.survived(case_id)
        finally:
            self._service.deaths.working(None)

    def _gather(self, batch: Batch, now: datetime, room: int) -> None:
        case = batch.case
        agenda = self._service.agendas[case.id]
        self._service.escort.before(case, now)
        to_come = self._ahead(case, now)
        for task in [case.tasks[task_id] for task_id in case.clashed]:
            if self._service.hands.names.is_free(f"{case.id}/{task.clash}"):
                case.put(replace(task, clash=None))

        def carry(line: Due) -> Entry:
            entry = self.note(batch, line, now)
            if to_come:
                to_come.update(ahead((entry,), now))
            return entry

        with closing(_Post(case, self._service.policy)) as post:
            while room > 0:
                heard = agenda.heard(now) or (agenda.following(to_come, HEARING) if to_come else None)
                at = post.first_at()
                if heard is not None and (at is None or heard.order <= LIES or heard.at < at):
                    carry(heard)
                    if isinstance(heard.action, Reply):
                        room = 0  # what a program said is a letter among the others, once it is in the inbox
                elif at is not None:
                    letter = post.take()
                    entry = carry(self._service.prompter.judged(case, letter, self._service.policy))
                    self._service.store.remember(entry["path"], letter.body)
                else:
                    break
                room -= 1
        while room > 0:
            due = agenda.next(now) or (agenda.following(to_come) if to_come else None)
            if due is None:
                break
            if due.name.startswith("delete ") and due.task is not None and not self._second_look(case, due.task, now):
                continue
            if "missing" in due.facts and not self._still_missing(case, due.facts["missing"], now):
                continue
            if self.clashes(case, due) or self._service.attendance.kept_back(case, due, now):
                continue
            room -= 1
            try:
                carry(due)
            except CannotStart as error:
                room += 1
                self._service.attendance.not_started(case, due, now, error)
                self._event("cannot start", f"{case.id}: {due.name}: {error}")
        agenda.places()
        if to_come:
            self._to_come[case.id] = (case.n, to_come)
        elif self._to_come:
            self._to_come.pop(case.id, None)
        self._service.escort.after(case, self._service.policy)

    def _ahead(self, case: Case, now: datetime) -> set[datetime]:
        """The instants of its journal that the clock, set back, has yet to reach; nearly always there is none."""
        if case.last_at is None or case.last_at <= now:
            return set()
        read, found = self._to_come.get(case.id, (-1, set[datetime]()))
        if read != case.n:
            found = ahead(journal.read_newest(f"{self._service.root}/{case.id}", case.n).entries, now)
        return {at for at in found if at > now}

    def note(self, batch: Batch, line: Due, now: datetime) -> Entry:
        """Note a line in the batch, as it is at this moment; what lies on its name is set aside before [MEM-23]."""
        case = batch.case
        line = self._service.prompter.complete(case, self._hushed(case, line, now), self._service.policy, now)
        if isinstance(line.action, Write):
            away = self._service.hands.names.occupant(f"{case.id}/{line.action.path}")
            if away is not None:
                away = away.removeprefix(f"{case.id}/")
                self._service.hands.note(batch, set_aside(case, line, away), now)
                line = replace(line, action=with_path(line.action, away))
        line = incident.witness(case, line)
        entry = self._service.hands.note(batch, line, now)
        if isinstance(line.action, Send) and entry.get("path") and entry["action"] == "send":
            name = os.path.basename(entry["path"]).removesuffix(".yaml")
            copy = incident.copied(case, line, name)
            if copy is not None:
                self._service.hands.note(batch, copy, now)
        return entry

    def clashes(self, case: Case, line: Due) -> bool:
        """Whether another file lies where this line would move one; then the line waits until that is gone [MEM-14]."""
        if not isinstance(line.action, Move) or self._service.hands.names.is_free(f"{case.id}/{line.action.target}"):
            return False
        case.put(replace(case.tasks[line.task or ""], clash=line.action.target))
        return True

    def _second_look(self, case: Case, task_id: str, now: datetime) -> bool:
        """Whether a file that was missed is still gone at a second look [MEM-25]."""
        task = case.tasks[task_id]
        if task.gone_looks:
            return True
        later = self._service.store.refresh(case, now)
        if later is not None:
            self._again(later, case.id)
        task = case.tasks[task_id]
        if task.gone_at is None or not os.path.isdir(f"{self._service.root}/{case.id}/tasks"):
            return False
        see_still_gone(case, task_id)
        return True

    def _still_missing(self, case: Case, word: str, now: datetime) -> bool:
        """The same for a file of the instruction's own."""
        later = self._service.store.refresh(case, now)
        if later is not None:
            self._again(later, case.id)
        return dict(case.head.missed).get(word) is not None

    def _hushed(self, case: Case, line: Due, now: datetime) -> Due:
        """What is muted is noted and not sent."""
        to = line.action.to if isinstance(line.action, Send) else None
        return hushed(line, now, (case.head.mute, self._service.halts.mutes.get(to or "")))
