"""Look, wake, run, stop: the loop over all cases of one tree, and the only place that builds the parts.

A turn looks at what rang: it reads what changed, settles the letters in order of their event time, carries out what is
due, gives places by urgency across all cases, and looks again until nothing is due; then it writes the views and
says when it wants to be woken [MSG-11, REL-4].
"""

from __future__ import annotations

import heapq
import os
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from executord import journal
from executord.actions import Move, Send, Write
from executord.agenda import Agenda, Due
from executord.case import Letter
from executord.casebook import Case
from executord.deaths import Deaths
from executord.disk import Disk
from executord.errors import BadInput, CannotWrite, ExecutordError, Finding, NotOurs
from executord.evolve import replace
from executord.gate import ours_to_mend
from executord.hands import Batch, Entry, Hands
from executord.house import House
from executord.letters import people_in, subject_of
from executord.marks import Marks
from executord.messages import MESSAGES, type_of
from executord.paper import Limits
from executord.places import Lineup, Places
from executord.policy import Policy
from executord.postbox import Postbox
from executord.rules import agenda_of, dispatch, mail, overload, spoken
from executord.rules.opening import starts_at
from executord.rules.results import set_aside, with_path
from executord.sight import see_still_gone
from executord.store import Store
from executord.views.overview import progress

BATCH_LINES = 400
ROUND_CASES = 200  # cases of a round between two looks at what rings
RETRY = timedelta(seconds=5)
VIEW = "outputs/partial/progress.yaml"
VIEW_EVERY = timedelta(seconds=1)


@dataclass(slots=True)
class Rings:
    """What rang since the last turn."""

    cases: set[str] = field(default_factory=set)
    paths: dict[str, set[str]] = field(default_factory=dict)  # case → paths known to be whole
    mail: bool = False
    letters: set[str] = field(default_factory=set)  # "folder/name" known to be whole
    everything: bool = False
    touched: dict[str, dict[str, bool]] = field(default_factory=dict)  # case → path → whole: only these are read
    named: dict[str, bool] = field(default_factory=dict)  # letters "folder/name" → whole: only these are read


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
        before: Callable[[str, str], None] | None = None,
        on_entry: Callable[[str, Entry], None] | None = None,
        on_event: Callable[[str, str], None] | None = None,
        on_progress: Callable[[], None] | None = None,
    ) -> None:
        self.root = os.path.realpath(root)
        self.policy = policy
        self.store = Store(self.root, policy, limits)
        self.postbox = Postbox(self.store)
        self.disk = Disk(self.root, durable=durable, before=before)
        self.hands = Hands(self.store, self.disk)
        self.places = Places(policy, self.store.has_inbox)
        self.lineup = Lineup(self.places)
        self.marks = marks or Marks(None)
        self.deaths = deaths or Deaths(None)
        self.cases: dict[str, Case] = {}
        self.agendas: dict[str, Agenda] = {}
        self.broken: dict[str, tuple[str, datetime]] = {}  # case → what is wrong, when to try again
        self.cannot_write: str | None = None
        self._troubles: set[str] = set()  # why not all mail could be read: then none is read out of its order
        self._alone: set[str] = set()  # cases that failed in company: until it is known whose fault it was
        self.house = House(self)
        self._on_entry = on_entry or (lambda _case, _entry: None)
        self._event = on_event or (lambda _what, _text: None)
        self._progress = on_progress or (lambda: None)
        self._only_looks = False
        self._round_left: list[str] = []
        self._later: list[tuple[datetime, str]] = []  # when to look at a case again for its files
        self._mail_later: datetime | None = None
        self._deadlines: list[tuple[datetime, str]] = []
        self._deadline: dict[str, datetime] = {}
        self._views: dict[str, datetime] = {}  # case → when its view may be written
        self._viewed: dict[str, datetime] = {}
        self._waiting_letters: dict[str, str | None] = {}  # "folder/name" → case

    # -- start ---------------------------------------------------------------------------------------------

    def open(self, now: datetime) -> None:
        """Redo what a crash cut off, read every case, and remove what was staged for no line."""
        self.house.read_pauses()
        for case_id in self.store.case_ids():
            self._load(case_id, now, first=True)
            self._progress()
        self._guarded(None, now, self.house.recover)

    def load_all(self, now: datetime) -> None:
        """Every case as it lies there, without changing anything; for those who only look."""
        self._only_looks = True
        self.house.read_pauses()
        for case_id in self.store.case_ids():
            self._load(case_id, now)

    def _load(self, case_id: str, now: datetime, *, first: bool = False) -> Case | None:
        self._drop(case_id)
        if self.deaths.poison(case_id):
            self._break(case_id, BadInput("the daemon died three times in a row while it was in work"), now)
            return None
        try:
            self.deaths.working(case_id)
            if first:
                self._redo(case_id)
            case = self.store.load(case_id, now)
            if first:
                self.hands.rotate(case, now)  # it died before the new part
        except Exception as error:  # the boundary of a case: its fault must not stop the others
            self._break(case_id, error, now)
            return None
        finally:
            self.deaths.working(None)
        self.broken.pop(case_id, None)
        self._keep(case)
        if first and case.n and self.store.progress_event(case_id) != case.n:
            self._views.setdefault(case_id, now)  # it died between the lines and their view
        return case

    def _redo(self, case_id: str) -> None:
        found = journal.read(f"{self.root}/{case_id}")
        entries = [e for e in found.entries if "at" in e]
        settled = self.marks.of(case_id)
        if settled is None and entries:
            last = entries[-1]["at"]
            entries = [e for e in entries if e["at"] == last]
        elif settled is not None:
            entries = [e for e in entries if e["n"] > settled]
        if entries:
            self.hands.redo(Case(case_id), entries)
            self.marks.did(case_id, entries[-1]["n"])  # or the next start would undo what hands have done since
        self.hands.sweep(case_id)

    def _keep(self, case: Case) -> None:
        agenda = agenda_of(case, self.policy)
        self.cases[case.id], self.agendas[case.id] = case, agenda
        for task in case.tasks.values():
            if task.live is not None:
                self.places.holder(case.id, task.id, None, task.live.agent)
        case.on_holder = partial(self.places.holder, case.id)
        agenda.on_waiting = partial(self.lineup.put, case)

    def _drop(self, case_id: str) -> None:
        case = self.cases.pop(case_id, None)
        self.agendas.pop(case_id, None)
        self._deadline.pop(case_id, None)
        for key in [k for k, c in self._waiting_letters.items() if c == case_id]:
            del self._waiting_letters[key]
        if case is None:
            return
        for task in case.tasks.values():
            self.lineup.put(case, task.id, None)
            if task.live is not None:
                self.places.holder(case_id, task.id, task.live.agent, None)

    def _break(self, case_id: str, error: BaseException, now: datetime) -> None:
        """A fault in one case parks that case, says so, and never stops the others [REL-4]."""
        text = str(error) or type(error).__name__
        if not isinstance(error, ExecutordError | OSError):
            text = f"{text}\n{''.join(traceback.format_exception(error))}"
        old = self.broken.get(case_id)
        first = old is None or not old[0]
        self.broken[case_id] = (text, now + (RETRY if first else timedelta(minutes=1)))
        self._drop(case_id)
        if old is None or old[0] != text:
            self._event("broken", f"{case_id}: {text}")
            passing = isinstance(error, CannotWrite) or (isinstance(error, OSError) and ours_to_mend(error))
            if not passing and not self._only_looks:
                self._guarded(None, now, partial(self.house.tell_hitl, case_id, text, now))

    # -- a turn --------------------------------------------------------------------------------------------

    def turn(self, now: datetime, rings: Rings, *, budget: int = 1 << 30) -> bool:
        """Do what is due now. True: it stopped at its budget of lines and wants to go on at once."""
        if rings.everything:
            self._guarded(None, now, self._begin_round)
            rings.mail = True
        looked = self._round(now, ROUND_CASES if budget < 1 << 30 else len(self._round_left))
        for at, case_id in self._due(self._later, now):
            if self.cases.get(case_id) is not None and at <= now:
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
        touched = {*rings.cases, *rings.touched}
        due = self._mail_later is not None and self._mail_later <= now
        if rings.mail or due or (rings.named and self._troubles):
            told = {*rings.letters, *(n for n, whole in rings.named.items() if whole)}
            if self._guarded(None, now, partial(self._all_mail, now, told, touched)):
                self._troubles.clear()
            else:
                self._mail_later = now + RETRY
        elif rings.named and not self._guarded(None, now, partial(self._named_mail, now, rings.named, touched)):
            self._mail_later = now + RETRY
        touched |= {case_id for _, case_id in self._due(self._deadlines, now) if case_id in self.cases}
        unfinished = self._settle(now, touched | looked, budget)
        self._write_views(now)
        return unfinished or bool(self._round_left)

    @staticmethod
    def _due(heap: list[tuple[datetime, str]], now: datetime) -> list[tuple[datetime, str]]:
        found = []
        while heap and heap[0][0] <= now:
            found.append(heapq.heappop(heap))
        return found

    def _begin_round(self) -> None:
        self.store.forget_inboxes()
        self._round_left = sorted({*self.store.case_ids(), *self.cases}, reverse=True)

    def _round(self, now: datetime, most: int) -> set[str]:
        """The next cases of a round, so many at a time: nothing that rings waits for the whole of it [REL-6]."""
        looked: set[str] = set()
        while self._round_left and len(looked) < most:
            case_id = self._round_left.pop()
            looked.add(case_id)
            if os.path.isdir(f"{self.root}/{case_id}"):
                self._refresh(case_id, now, set())
                self._check_view(case_id, now)
            else:
                self._gone(case_id, now)
            self._progress()
        return looked

    def _gone(self, case_id: str, now: datetime) -> None:
        """The folder of a case is gone: nothing is cancelled; hitl is asked, once [MEM-25]."""
        case = self.cases.get(case_id)
        if case is not None and case.head.opened_at is not None and case.head.closed is None and case.open_tasks:
            text = "its folder is gone; nothing is cancelled. Put it back, or say what is to become of it"
            self._event("gone", f"{case_id}: {text}")
            self._guarded(None, now, partial(self.house.tell_hitl, case_id, text, now))
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
            if paths is not None:
                later = self.store.refresh_paths(case, now, paths)
            else:
                later = self.store.refresh(case, now, announced)
        except Exception as error:  # the boundary of a case: its fault must not stop the others
            return self._break(case_id, error, now)
        if later is not None:
            heapq.heappush(self._later, (later, case_id))

    # -- letters -------------------------------------------------------------------------------------------

    def _all_mail(self, now: datetime, told: set[str], touched: set[str]) -> None:
        touched |= self._read_mail(*self.postbox.letters(now, self._waiting_letters, told), now, everything=True)

    def _named_mail(self, now: datetime, names: Mapping[str, bool], touched: set[str]) -> None:
        touched |= self._read_mail(*self.postbox.letters_named(now, self._waiting_letters, names), now)

    def _read_mail(
        self, letters: list[Letter], later: datetime | None, now: datetime, *, everything: bool = False
    ) -> set[str]:
        times = (later,) if everything else (later, self._mail_later)
        self._mail_later = min((t for t in times if t is not None), default=None)
        touched: set[str] = set()
        for letter in sorted(letters, key=lambda each: each.order):
            if letter.instruction is not None and letter.instruction not in self.cases:
                self._refresh(letter.instruction, now, ())
            if letter.instruction in self.broken:
                continue  # it waits in the inbox until its case can be executed again
            if letter.instruction in self.cases and not self.cases[letter.instruction].head.ours:
                continue  # all domains share the inbox: it is for another executor [MEM-1]
            case_id, letter = self.house.route(letter)
            self._waiting_letters[f"{letter.folder}/{letter.name}"] = case_id
            if case_id is None:
                self._guarded(None, now, partial(self.house.take, letter, now))
                self._waiting_letters.pop(f"{letter.folder}/{letter.name}", None)
                continue
            if self._guarded(case_id, now, partial(self._put_in, case_id, letter)):
                touched.add(case_id)
        for case_id in touched & self.cases.keys():
            self.cases[case_id].letters.sort(key=lambda each: each.order)
        return touched

    def _put_in(self, case_id: str, letter: Letter) -> None:
        case = self.cases[case_id]
        case.letters.append(self._with_files(case, letter))

    def _with_files(self, case: Case, letter: Letter) -> Letter:
        known, _ = type_of(letter)
        if known is None:
            return letter
        people = {*people_in(letter.body, MESSAGES[known].people), letter.sender or ""} - {""}
        letter = replace(letter, known=frozenset(n for n in people if self.places.known(n)))
        if not MESSAGES[known].result:
            return letter
        subject = subject_of(letter, case, about_task=True, needs_task=True)
        return self.store.evidence.with_files(letter, case.id, subject.task.id if subject.task is not None else None)

    # -- settle --------------------------------------------------------------------------------------------

    def _settle(self, now: datetime, touched: set[str], budget: int) -> bool:
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
                self.deaths.working(case_id)
                if self._guarded(case_id, now, partial(self._gather, batch, now, room)):
                    batches[case_id] = batch
                    room -= len(batch.noted)
                    self.deaths.survived(case_id)
                self.deaths.working(None)
            if room > 0 and not rest:
                self._give_places(batches, now, room)
                self._relieve_crowded(batches, now)
            noted = {c: b for c, b in batches.items() if b.noted}
            if not noted and not rest:
                break
            self._commit(list(noted.values()), now)
            done += sum(len(b.noted) for b in noted.values())
            again = set(noted) | rest
            self._progress()
            if done >= budget:
                for case_id in again:
                    heapq.heappush(self._later, (now, case_id))
                self._arm(touched | again, now)
                return True
        self._arm(touched, now)
        return False

    def _guarded(self, case_id: str | None, now: datetime, work: Callable[[], None]) -> bool:
        """Do it; whatever goes wrong in one case stays there [REL-4]."""
        try:
            work()
        except (CannotWrite, NotOurs) as error:
            self._full(error)
            if case_id is not None:
                self._break(case_id, error, now)
            return False
        except Exception as error:  # the boundary of a case: its fault must not stop the others
            if case_id is None and isinstance(error, OSError):  # for want of descriptors, of an inbox that may be read
                text = f"{error.strerror}: {error.filename or 'the memory'}; it is tried again"
                if text not in self._troubles:
                    self._event("cannot go on", text)
                self._troubles.add(text)
            elif case_id is None:
                self._event("fault", "".join(traceback.format_exception(error)))
            else:
                self._break(case_id, error, now)
            return False
        return True

    def _full(self, error: ExecutordError) -> None:
        if self.cannot_write != str(error):
            self._event("cannot write", str(error))
        self.cannot_write = str(error)

    def _gather(self, batch: Batch, now: datetime, room: int) -> None:
        case = batch.case
        agenda = self.agendas[case.id]
        for task in [case.tasks[task_id] for task_id in case.clashed]:
            if self.hands.is_free(f"{case.id}/{task.clash}"):
                case.put(replace(task, clash=None))
        agenda.refresh()
        while room > 0 and (due := agenda.arrival(now)) is not None:
            self._note(batch, due, now)
            room -= 1
        while room > 0 and case.letters:
            letter = case.letters.pop(0)
            known = letter.sender is not None and self.places.known(letter.sender)
            entry = self._note(batch, mail.line(case, letter, self.policy, known), now)
            self.store.remember(entry["path"], letter.body)
            room -= 1
        while room > 0:
            due = agenda.next(now)
            if due is None:
                break
            if due.name.startswith("delete ") and due.task is not None and not self._second_look(case, due.task, now):
                continue
            if self._clashes(case, due):
                continue
            room -= 1
            self._note(batch, due, now)

    def _clashes(self, case: Case, line: Due) -> bool:
        """Whether another file lies where this line would move one; then the line waits until that is gone [MEM-14]."""
        if not isinstance(line.action, Move) or self.hands.is_free(f"{case.id}/{line.action.target}"):
            return False
        case.put(replace(case.tasks[line.task or ""], clash=line.action.target))
        return True

    def _second_look(self, case: Case, task_id: str, now: datetime) -> bool:
        """Whether a file that was missed is still gone at a second look [MEM-25]."""
        task = case.tasks[task_id]
        if task.gone_looks:
            return True
        later = self.store.refresh(case, now)
        if later is not None:
            heapq.heappush(self._later, (later, case.id))
        task = case.tasks[task_id]
        if task.gone_at is None or not os.path.isdir(f"{self.root}/{case.id}/tasks"):
            return False
        see_still_gone(case, task_id)
        return True

    def _note(self, batch: Batch, line: Due, now: datetime) -> Entry:
        case = batch.case
        line = self._relieved(case, self._salvaged(case, line))
        line = self._to_somebody(spoken(case, line, self.policy, now))
        if isinstance(line.action, Write):
            away = self.hands.occupant(f"{case.id}/{line.action.path}")
            if away is not None:
                away = away.removeprefix(f"{case.id}/")
                self.hands.note(batch, set_aside(case, line, away), now)
                line = replace(line, action=with_path(line.action, away))
        return self.hands.note(batch, line, now)

    def _salvaged(self, case: Case, line: Due) -> Due:
        """The line that closes a silent worker's attempt, with what lies in his folder [EXE-16]."""
        if line.facts.get("do") != "time_out" or line.task is None:
            return line
        folder = f"outputs/partial/{line.task}"
        files = self.store.evidence.file_facts(case.id, line.task, [folder], missing=False)
        kept = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in files if f.sha256]
        return replace(line, facts={**line.facts, "files": kept})

    def _to_somebody(self, line: Due) -> Due:
        """Nothing is dropped into the void: what is for a name that nobody has goes to support-manager [MSG-6]."""
        action = line.action
        if not isinstance(action, Send) or self.places.known(action.to):
            return line
        body = {**action.body, "meant_for": action.to}
        why = f"{action.to} is not known; {line.why}"
        return replace(line, action=Send("support-manager", action.kind, body), why=why)

    def _give_places(self, batches: dict[str, Batch], now: datetime, room: int) -> None:
        while room > 0:
            given = self.lineup.next(now)
            if given is None:
                return
            case, line, choice = given
            batch = batches.setdefault(case.id, Batch(self.cases[case.id]))
            task = case.tasks[line.task or ""]
            before = len(batch.noted)
            if choice is None:
                self.hands.note(batch, dispatch.nobody(task, line), now)
            else:
                for each in dispatch.dispatch(case, task, line, choice, self.policy):
                    self.hands.note(batch, each, now)
            agenda = self.agendas[case.id]
            agenda.refresh()
            while (due := agenda.next(now)) is not None and due.name.startswith("move "):
                if self._clashes(case, due):
                    continue
                self.hands.note(batch, due, now)
            room -= len(batch.noted) - before

    def _relieve_crowded(self, batches: dict[str, Batch], now: datetime) -> None:
        """Who holds more than his capacity gives what he has not accepted to a colleague [EXE-12]."""
        if self.places.all_paused:
            return
        for agent in self.places.crowded():
            held = [(self.cases[c], self.cases[c].tasks[t]) for c, t in sorted(self.places.held[agent])]
            mine = [(case, task, live) for case, task in held if (live := overload.movable(case, task)) is not None]
            mine.sort(key=lambda each: (each[2].accepted_at is None, each[2].at, each[1].key, each[1].id), reverse=True)
            left = self.places.excess(agent)
            why = f"{agent} holds more than he can ({self.places.said(agent)})"
            for case, task, live in mine[:left]:
                names = (f"relieve {task.id} a{live.n}", f"overload {task.id} a{live.n}")
                if any(name in task.done for name in names):
                    continue
                make = overload.relief_of if live.accepted_at is None else overload.consult_of
                batch = batches.setdefault(case.id, Batch(case))
                self._note(batch, make(task, live.at, why), now)

    def _relieved(self, case: Case, line: Due) -> Due:
        """The line that relieves an overloaded agent, with who takes the task from him [EXE-12]."""
        task = case.tasks.get(line.task or "")
        if "relieve" not in line.facts or task is None or task.live is None:
            return line
        colleague = self.places.colleague(case, task, task.live.agent)
        return overload.relieved(
            line, task, colleague, f"{colleague}: {self.places.said(colleague)}" if colleague else ""
        )

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
            self._full(error)
        for batch in batches:
            if len(batches) == 1:
                self._break(batch.case.id, error, now)
            else:
                self._alone.add(batch.case.id)
                self._drop(batch.case.id)
                self.broken[batch.case.id] = ("", now)

    def _commit_step(self, batches: list[Batch], now: datetime) -> None:
        try:
            entries = [(b.case.id, n.entry) for b in batches for n in b.noted]
            self.hands.commit(batches)
        except Exception as error:
            self._fails(batches, error, now)
            return
        self.cannot_write = None
        for batch in batches:
            self.marks.did(batch.case.id, batch.case.n)
            self._views.setdefault(batch.case.id, now)
            self._guarded(batch.case.id, now, partial(self.hands.rotate, batch.case, now))
        for case_id, entry in entries:
            if entry["action"] == "file":
                facts = entry["facts"]
                name = (
                    os.path.basename(os.fsdecode(bytes.fromhex(facts["raw"][0]))) if "raw" in facts else facts["file"]
                )
                self._waiting_letters.pop(f"{facts.get('inbox', 'executor')}/{name}", None)
            self._on_entry(case_id, entry)

    def _arm(self, touched: set[str], now: datetime) -> None:
        for case_id in touched:
            agenda = self.agendas.get(case_id)
            at = agenda.next_at() if agenda is not None else None
            if at is None:
                self._deadline.pop(case_id, None)
            elif self._deadline.get(case_id) != at:
                self._deadline[case_id] = at
                heapq.heappush(self._deadlines, (at, case_id))
        while self._deadlines and self._deadline.get(self._deadlines[0][1]) != self._deadlines[0][0]:
            heapq.heappop(self._deadlines)

    # -- views and waking ----------------------------------------------------------------------------------

    def _write_views(self, now: datetime, *, all_of_them: bool = False) -> None:
        for case_id in sorted(c for c, at in self._views.items() if at <= now or all_of_them):
            case = self.cases.get(case_id)
            last = self._viewed.get(case_id)
            if case is not None and last is not None and last <= now < last + VIEW_EVERY and not all_of_them:
                self._views[case_id] = last + VIEW_EVERY
                continue
            del self._views[case_id]
            if case is None:
                continue
            self._viewed[case_id] = now
            self._guarded(case_id, now, partial(self._view, case, now))

    def _check_view(self, case_id: str, now: datetime) -> None:
        """A hand edit of a view is overwritten at the next round [MEM-24]."""
        case = self.cases.get(case_id)
        if case is not None and case.n and self.hands.view_touched(case, f"{case_id}/{VIEW}"):
            self._views.setdefault(case_id, now)

    def _view(self, case: Case, now: datetime) -> None:
        path = f"{case.id}/{VIEW}"
        if self.store.seen[case.id].view is None and not self.hands.is_ours(path):
            away = self.hands.occupant(path)
            if away is not None:  # a worker's file lies on our name [MEM-23]
                batch = Batch(case)
                line = Due(now, "view", "MEM-24", Write(VIEW))
                self.hands.note(batch, set_aside(case, line, away.removeprefix(f"{case.id}/")), now)
                self._commit([batch], now)
        self.hands.view(case, path, progress(case, self.agendas[case.id], self.policy))

    def finish(self, now: datetime) -> None:
        """Before a sleep of unknown length, or a stop: the last state of every view, and the settle mark."""
        self._write_views(now, all_of_them=True)
        self.settle_marks()

    def settle_marks(self) -> None:
        """Say which lines are carried out and, with `full`, on disk [MEM-21]."""
        if self.marks.waiting:
            try:
                self.disk.sync_all()
            except CannotWrite as error:
                return self._full(error)  # more is looked at again after a crash: nothing is lost
            self.marks.settle()

    def next_at(self) -> datetime | None:
        """When something can happen next, if nothing changes before."""
        times = [h[0][0] for h in (self._later, self._deadlines) if h]
        times += [t for t in (self._mail_later, self.lineup.next_slack()) if t is not None]
        times += list(self._views.values())
        times += [again for _, again in self.broken.values()]
        return min(times, default=None)

    def idle(self) -> bool:
        """Whether nothing is in progress and nothing is on its way in [OPS-6]."""
        if self._later or self._mail_later is not None or self._waiting_letters:
            return False
        return not any(
            case.counts["in_progress"] or (case.head.opened_at is None and starts_at(case, self.policy) is not None)
            for case in self.cases.values()
        )

    def use(self, policy: Policy) -> None:
        """Go on with another policy: every agenda is made again [OPS-9]."""
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
