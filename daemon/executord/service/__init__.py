"""Look, wake, run, stop: the loop over all cases of one tree, and the only place that builds the parts.

A turn looks at what rang: it reads what changed, settles the letters in order of their event time, carries out what is
due, gives places by urgency across all cases, and looks again until nothing is due; then it writes the views and
says when it wants to be woken [MSG-11, REL-4].
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import partial

from executord.agenda import Agenda
from executord.case.casebook import Case
from executord.errors import BadInput, CannotWrite, Finding, NotOurs, Unreadable
from executord.files.deaths import Deaths
from executord.files.disk import Disk
from executord.files.keepsakes import Keepsakes
from executord.files.marks import Marks
from executord.files.postbox import Postbox
from executord.files.repose import Watch
from executord.files.store import Store
from executord.hands import Batch, Entry, Hands
from executord.meaning.sendings import of_outbox
from executord.paper import Limits
from executord.places import Lineup, Places
from executord.policy import Policy
from executord.remembered import forget
from executord.rules import agenda_of
from executord.rules.opening import starts_at
from executord.runners.workers import Workers
from executord.service.allotment import Allotment
from executord.service.attendance import Attendance
from executord.service.boundary import Boundary
from executord.service.carriage import Carriage, Carrier
from executord.service.deadlines import Deadlines
from executord.service.digests import Digests
from executord.service.display import Display
from executord.service.escort import Escort
from executord.service.halts import Halts
from executord.service.house import House
from executord.service.looks import Looks
from executord.service.parked import Parked
from executord.service.patience import READING, Patience
from executord.service.prompter import Prompter
from executord.service.reopening import taken_up
from executord.service.rings import Rings as Rings
from executord.service.rounds import Rounds
from executord.service.sorting import Sorting
from executord.service.treasury import Treasury
from executord.sessions.desk import Desk

BATCH_LINES = 400


class Service:
    """All cases of one tree. One thread; `turn` is the only thing that acts."""

    def __init__(
        self,
        root: str,
        policy: Policy,
        *,
        durable: bool = True,
        marks: Marks | None = None,
        deaths: Deaths | None = None,
        limits: Limits | None = None,
        outbox: Carrier | None = None,
        state: str | None = None,
        before: Callable[[str, str], None] | None = None,
        on_entry: Callable[[str, Entry], None] | None = None,
        on_event: Callable[[str, str], None] | None = None,
        on_progress: Callable[[], None] | None = None,
        workers: Workers | None = None,
        patience: Patience | None = None,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._event = on_event or (lambda _what, _text: None)
        self.root = os.path.realpath(root)
        self.policy = policy
        self.store = Store(self.root, policy, limits)
        self.watch = Watch(self.store, monotonic)
        self.escort = Escort(self.root, limits)
        self.postbox = Postbox(self.store)
        self.disk = Disk(self.root, durable=durable, before=before)
        self.workers = workers
        self.hands = Hands(self.store, self.disk, workers)
        self.places = Places(policy, self.store.has_inbox)
        self.lineup = Lineup(self.places)
        self.prompter = Prompter(self.store, self.places)
        self.marks = marks or Marks(None)
        self.deaths = deaths or Deaths(None)
        self.carriage = Carriage(self.store, outbox) if outbox is not None else None
        self.cases: dict[str, Case] = {}
        self.agendas: dict[str, Agenda] = {}
        self._alone: set[str] = set()  # cases that failed in company: until it is known whose fault it was
        self.halts = Halts(self)
        self.house = House(self)
        self.parked = Parked(self, self._event)
        self.boundary = Boundary(self, self._drop, self._event)
        self.sorting = Sorting(self, self._refresh)
        self.broken = self.parked.cases  # case → what is wrong, when to try again
        self.patience = patience or Patience()
        self.desk: Desk | None = None  # team sessions; none in a rehearsal and for those who only look
        self.treasury = Treasury(self)
        self.attendance = Attendance(self)
        self.digests = Digests(self, state)
        self.keepsakes = Keepsakes(self.store, state)
        self.display = Display(self, self._commit)
        self.allotment = Allotment(self)
        self.looks = Looks(self, self._look_again, self._event)
        self._on_entry = on_entry or (lambda _case, _entry: None)
        self._progress = on_progress or (lambda: None)
        self._only_looks = False
        self._later: list[tuple[datetime, str]] = []  # when to look at a case again for its files
        #: Where a turn stopped at its budget, and when: there is more to do, not to read.
        self._unfinished: dict[str, datetime] = {}
        self.deadlines = Deadlines()
        self.rounds = Rounds(self, self._refresh, self._progress)

    # -- start ---------------------------------------------------------------------------------------------

    def open(self, now: datetime) -> None:
        """Redo what a crash cut off, read every case, and remove what was staged for no line."""
        spoilt = self.halts.read()
        for case_id in self.store.case_ids():
            self._load(case_id, now, first=True)
            self._progress()
        self.boundary.guarded(None, now, self.house.recover)
        if spoilt is not None:
            self._event("paused", spoilt)
            self.boundary.guarded(None, now, partial(self.house.tell_of_pauses, spoilt, now))
        if self.desk is not None:
            self.boundary.guarded(None, now, partial(self.desk.open, now))
        self.boundary.guarded(None, now, self.attendance.opened)
        self.boundary.guarded(None, now, partial(self.treasury.check, now))
        if self.carriage is not None:
            self.boundary.guarded(None, now, partial(self.carriage.sweep, self.cases, self.broken))

    def load_all(self, now: datetime, ids: Collection[str] | None = None) -> None:
        """Every case (or these) as it lies there, without changing anything; for those who only look."""
        self._only_looks, self.boundary.tells = True, False
        self.halts.read()
        ids = self.store.case_ids() if ids is None else ids
        for case_id in ids:
            self._load(case_id, now)
        for case_id in {*ids, *self.escort.moved()} & self.cases.keys():
            self.escort.beside(self.cases[case_id])

    def _load(self, case_id: str, now: datetime, *, first: bool = False) -> Case | None:
        self._drop(case_id)
        if self.deaths.poison(case_id):
            self.boundary.breaks(case_id, BadInput("the daemon died three times in a row while it was in work"), now)
            return None
        try:
            self.deaths.working(case_id)
            case = taken_up(self, case_id, now, first=first)
            if case is None:
                return None
            self._keep(case)
        except Exception as error:  # the boundary of a case, while it is none yet: parked, and said
            self.boundary.breaks(case_id, error, now)
            return None
        finally:
            self.deaths.working(None)
        self.broken.pop(case_id, None)
        recover = None if self.carriage is None or self._only_looks else partial(self.carriage.recover, case, now)
        if recover is not None and not self.boundary.guarded(case_id, now, recover):
            return None
        if first and case.n and self.store.progress_event(case_id) != case.n:
            self.display.owe(case_id, now)  # it died between the lines and their view
        return case

    def _keep(self, case: Case) -> None:
        agenda = agenda_of(case, self.policy)
        self.cases[case.id], self.agendas[case.id] = case, agenda
        self.escort.after(case, self.policy)
        if self._only_looks and case.last_at is not None:
            self.escort.survey(case, case.last_at)
        for task in case.tasks.values():
            if task.live is not None:
                self.places.holder(case.id, task.id, None, task.live.agent)
        case.on_holder = partial(self.places.holder, case.id)
        agenda.on_waiting = partial(self.lineup.put, case)

    def _drop(self, case_id: str) -> None:
        case = self.cases.pop(case_id, None)
        self.agendas.pop(case_id, None)
        self.escort.forget(case_id)
        self.watch.forget(case_id)
        self.deadlines.put(case_id, None)
        self.sorting.forget(case_id)
        if case is None:
            return
        for task in case.tasks.values():
            self.lineup.put(case, task.id, None)
            if task.live is not None:
                self.places.holder(case_id, task.id, task.live.agent, None)

    # -- a turn --------------------------------------------------------------------------------------------

    def turn(self, now: datetime, rings: Rings, *, budget: int | None = None) -> bool:
        """Do what is due now. True: it stopped at its budget of lines, or in a round, and wants to go on at once."""
        boundary = self.boundary
        look = partial(self.attendance.look, now, all_of_them=rings.everything)
        touched = boundary.asked(None, now, look, set[str]())
        stirred = self.rounds.turn(now, rings, whole=budget is None)
        self._read_what_rang(now, rings)
        touched |= {*rings.cases, *rings.touched, *self._unfinished}
        self._unfinished.clear()
        touched |= self.sorting.turn(now, rings)
        touched |= self.deadlines.due(now) & self.cases.keys()
        if self.carriage is not None:
            touched |= boundary.asked(None, now, partial(self.carriage.take, self.cases), set())
        unfinished = self._settle(now, touched | stirred, budget)
        self.display.turn(now)
        if self.desk is not None:
            self.desk.turn(now)
        busy = boundary.asked(None, now, partial(self._digest, now), otherwise=False)
        return unfinished or bool(self.rounds.left) or busy

    def _read_what_rang(self, now: datetime, rings: Rings) -> None:
        """The cases of which a file has changed, or is to be looked at once more; and those that were parked."""
        while self._later and self._later[0][0] <= now:
            case_id = heapq.heappop(self._later)[1]
            if case_id in self.cases:
                rings.cases.add(case_id)
        for case_id in [c for c, (_, again) in self.broken.items() if again <= now]:
            if self._load(case_id, now, first=True) is not None:
                rings.cases.add(case_id)
                rings.mail = True  # its letters waited
        for case_id in sorted(rings.cases):
            self._refresh(case_id, now, rings.paths.get(case_id, set()))
        for case_id, paths in sorted(rings.touched.items()):
            if case_id not in rings.cases:
                self._refresh(case_id, now, (), paths)

    def _digest(self, now: datetime) -> bool:
        self.digests.turn(now)
        return self.digests.busy(now)

    def _gone(self, case_id: str, now: datetime) -> None:
        """The folder of a case is gone: nothing is cancelled; hitl is asked, once [MEM-25]."""
        case = self.cases.get(case_id)
        if case is not None and case.head.opened_at is not None and case.head.closed is None and case.open_tasks:
            text = "its folder is gone; nothing is cancelled. Put it back, or say what is to become of it"
            self._event("gone", f"{case_id}: {text}")
            self.boundary.guarded(None, now, partial(self.house.tell_hitl, case_id, text, now))
        self._drop(case_id)

    def _refresh(
        self, case_id: str, now: datetime, announced: Iterable[str], paths: Mapping[str, bool] | None = None
    ) -> None:
        case = self.cases.get(case_id)
        if case is None:
            if not self.store.is_case(case_id):
                return
            case = self._load(case_id, now, first=True)
            if case is None:
                return
        try:
            if not os.path.isdir(f"{self.root}/{case_id}"):
                return self._gone(case_id, now)
            self.patience.within(len(case.tasks), partial(self._read, case, now, announced, paths), READING)
        except Exception as error:  # the boundary of a case: parked, and said
            self.boundary.breaks(case_id, error, now)

    def _read(self, case: Case, now: datetime, announced: Iterable[str], paths: Mapping[str, bool] | None) -> None:
        head = case.head
        later = (
            self.store.refresh(case, now, announced) if paths is None else self.store.refresh_paths(case, now, paths)
        )
        if case.n and (head.spec, head.plan, head.missed) != (case.head.spec, case.head.plan, case.head.missed):
            self.display.owe(case.id, now)  # no line says so, and the views show it
        if later is not None:
            self._look_again(later, case.id)

    def _look_again(self, at: datetime, case_id: str) -> None:
        heapq.heappush(self._later, (at, case_id))

    # -- settle --------------------------------------------------------------------------------------------

    def _settle(self, now: datetime, touched: set[str], budget: int | None) -> bool:
        """Batches until nothing is due; cases in order, places by urgency across them."""
        done = 0
        again = set(touched)
        while True:
            batches: dict[str, Batch] = {}
            room = BATCH_LINES
            rest: set[str] = set()
            for case_id in sorted(again):
                if case_id not in self.cases:
                    continue
                if room <= 0:
                    rest.add(case_id)
                    continue
                batch = Batch(self.cases[case_id])
                if self.boundary.guarded(case_id, now, partial(self.looks.look, batch, now, room)):
                    batches[case_id] = batch
                    room -= len(batch.noted)
                else:
                    self.hands.forget(batch)
            answers = any(n.reply for b in batches.values() for n in b.noted)
            if room > 0 and not rest and not answers and not self.allotment.give(batches, now, room):
                self.boundary.guarded(None, now, partial(self.allotment.relieve, batches, now))
            noted = {c: b for c, b in batches.items() if b.noted}
            moved = self.boundary.asked(None, now, self.escort.moved, set[str]()) & self.cases.keys()
            if not noted and not rest and not moved:
                break
            self._commit(list(noted.values()), now)
            answered = self.sorting.answers(noted.values(), now)
            done += sum(len(b.noted) for b in noted.values())
            again = set(noted) | rest | answered | moved
            touched |= again
            self._progress()
            if budget is not None and done >= budget:
                self._unfinished = dict.fromkeys(again, now)
                self._arm(touched | again, now)
                return True
        self._arm(touched, now)
        return False

    def _commit(self, batches: list[Batch], now: datetime) -> None:
        """The batches in one step, but for those of cases that failed in company: one by one [REL-4]."""
        alone = [b for b in batches if b.case.id in self._alone]
        together = [b for b in batches if b.case.id not in self._alone]
        if together:
            self._commit_step(together, now)
        for batch in alone:
            self._alone.discard(batch.case.id)
            self._commit_step([batch], now)

    def _fails(self, batches: list[Batch], error: Exception, now: datetime) -> None:
        """Of several it is not known whose fault it was: each is tried again at once, alone."""
        if isinstance(error, CannotWrite | NotOurs):
            self.boundary.full(error, now)
        if len(batches) == 1:
            return self.boundary.breaks(batches[0].case.id, error, now)
        if isinstance(error, Unreadable):
            self._event("broken", str(error))  # alone it may go on from what stands there, and nobody would know
        for batch in batches:
            self._alone.add(batch.case.id)
            self._drop(batch.case.id)
            self.parked.in_company(batch.case.id, now)

    def _commit_step(self, batches: list[Batch], now: datetime) -> None:
        try:
            entries = [(b.case.id, n.entry) for b in batches for n in b.noted]
            self._deliver(batches, before=True)
            self.hands.commit(batches)
        except Exception as error:  # whose fault it was shows when each is tried alone; then its case is parked
            return self._fails(batches, error, now)
        self.boundary.cannot_write = None
        for batch in batches:
            self.boundary.guarded(batch.case.id, now, partial(self._carried_out, batch, now))
        self.boundary.guarded(None, now, partial(self.treasury.heard, entries, now))

    def _carried_out(self, batch: Batch, now: datetime) -> None:
        """These lines are noted and done: what else has to know of them."""
        case = batch.case
        self._deliver([batch], before=False)
        if batch.noted[-1].entry["name"].startswith("archive ") and not os.path.isdir(f"{self.root}/{case.id}"):
            self.marks.did(case.id, 0)  # another case may come under its name
            self.display.forget(case.id)
            self._drop(case.id)
        else:
            self.marks.did(case.id, case.n)
            self.display.owe(case.id, now)
            self.boundary.guarded(case.id, now, partial(self.hands.rotate, case, now))
        for entry in (n.entry for n in batch.noted):
            if entry["action"] == "file":
                self.sorting.filed(entry["facts"])
            self._on_entry(case.id, entry)

    def _deliver(self, batches: list[Batch], *, before: bool) -> None:
        """What the lines of these batches send: kept before they are on disk, carried after [SLA-16]."""
        if self.carriage is None:
            return
        for batch in batches:
            for noted in batch.noted:
                if not of_outbox(noted.entry):
                    continue
                if not before:
                    self.carriage.noted(batch.case, noted.entry)
                elif noted.entry["action"] == "send":
                    self.carriage.put(batch.case, noted.entry)

    def _arm(self, touched: set[str], now: datetime) -> None:
        for case_id in touched:
            agenda = self.agendas.get(case_id)
            at = self.boundary.asked(case_id, now, agenda.next_at, None) if agenda is not None else None
            self.deadlines.put(case_id, at)

    # -- waking ---------------------------------------------------------------------------------------------

    def finish(self, now: datetime) -> None:
        """Before a sleep of unknown length, or a stop: the last state of every view, and the settle mark."""
        self.display.turn(now, all_of_them=True)
        self.settle_marks(now)
        if self.desk is not None:
            self.desk.close()

    def settle_marks(self, now: datetime) -> None:
        """Say which lines are carried out and, with `full`, on disk [MEM-21]."""
        if self.marks.waiting:
            try:
                self.disk.sync_all()
            except CannotWrite as error:
                return self.boundary.full(error, now)  # more is looked at again after a crash: nothing is lost
            self.marks.settle()

    def next_at(self) -> datetime | None:
        """When something can happen next, if nothing changes before."""
        slack = self.lineup.next_slack()
        single = (self.deadlines.first(), self.sorting.again_at, self.rounds.again_at, slack, self.digests.next_at())
        times = [t for t in single if t is not None]
        times += [at for at, _ in self._later[:1]]
        times += self.display.times()
        times += [again for _, again in self.broken.values()]
        times += self._unfinished.values()
        if self.desk is not None and (at := self.desk.next_at()) is not None:
            times.append(at)
        return min(times, default=None)

    def settling(self) -> bool:
        """Whether something that lies there is not yet known to be whole."""
        return bool(self._later or self._unfinished) or self.sorting.again_at is not None

    def idle(self) -> bool:
        """Whether nothing is in progress and nothing is on its way in [OPS-6]."""
        if self._later or self._unfinished or self.sorting:
            return False
        if self.desk is not None and not self.desk.idle():
            return False
        return not any(
            case.counts["in_progress"]
            or case.running
            or (self.carriage is not None and any(s.state in ("owed", "sent") for s in case.head.outbox))
            or (case.head.opened_at is None and starts_at(case, self.policy) is not None)
            for case in self.cases.values()
        )

    def use(self, policy: Policy) -> None:
        """Go on with another policy: every agenda is made again [OPS-9]."""
        forget()
        self.policy = self.store.policy = self.places.policy = policy
        for case_id, case in self.cases.items():
            for task_id in case.tasks:
                self.lineup.put(case, task_id, None)
            agenda = self.agendas[case_id] = agenda_of(case, policy)
            agenda.on_waiting = partial(self.lineup.put, case)

    def everything(self, now: datetime) -> None:
        """One look at every case [OPS-6]."""
        while self.turn(now, Rings(everything=True)):
            pass

    def findings(self) -> list[Finding]:
        """What was odd in the heads of all cases."""
        return [f for case in self.cases.values() for f in case.head.faults]
