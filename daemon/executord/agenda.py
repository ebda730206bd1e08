"""What is to be done for a case, and from when on.

A line is `Due(at, name, action)`: what, from when on, and a name that is carried out once in the life of the case.
Rules are pure functions from a case to its lines; no rule sees the clock. Two shapes: a *task rule* `(case, task)`
whose lines are kept for as long as the facts they were made from stay the same, and a *case rule* `(case)`, cheap by
counters. Property of the tests: kept agenda = fresh agenda [PERF-4].
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executord.actions import Action, Record
from executord.case import Head, Task
from executord.case.casebook import Case
from executord.evolve import empty, replace, swift
from executord.policy import Policy


@swift
@dataclass(frozen=True, slots=True)
class Due:
    """One line: `action` from `at` on, once, under `name`; `rule` is the id of the rule that says so.

    `place`: the action is a dispatch that needs a place with an agent; which one is chosen when it is due [EXE-11].
    """

    at: datetime
    name: str
    rule: str
    action: Action | None
    task: str | None = None
    attempt: int | None = None
    why: str = ""
    facts: Mapping[str, Any] = field(default_factory=empty)
    order: int = 0  # the rule's place in the order of speech
    place: Place | None = None
    until: datetime | None = None  # a rung of telling up: from then on the next one is due, and this one is skipped
    ask: str | None = None  # the subject of the ask whose message it is; its body is made when it is noted

    @property
    def key(self) -> tuple[datetime, int, str]:
        """Lines are carried out in this order."""
        return (self.at, self.order, self.name)


@dataclass(frozen=True, slots=True)
class Place:
    """What a dispatch needs: `slack` is the instant limit - effort, after which another agent may have it [EXE-10]."""

    named: str | None
    slack: datetime | None
    priority: int
    age: datetime
    forced: bool = False
    bound: bool = False


def only_highest(line: Due, now: datetime) -> Due:
    """The line as it is noted now: of a ladder that tells up only the highest rung that is due is carried out.

    After downtime the rungs below it are recorded as skipped, under their names [EXE-26, SLA-12].
    """
    if line.until is None or now < line.until:
        return line
    why = f"skipped: a higher rung was due before it could be carried out ({line.why})" if line.why else "skipped"
    return replace(line, action=Record(), why=why, facts={**line.facts, "skipped": True}, until=None)


#: A look first takes in what has happened, then asks what is due [MSG-11]: lines up to these places in the order of
#: speech, stage by stage, go before all later ones, however early those were due. What lies there; what processes and
#: channels have come to, in order of time with the letters; what is gone, believed only after the letters. And the file
#: of a task that was given out goes where it is worked on before anything else is said.
LIES, HEARD, GONE, GIVEN = 20, 22, 25, 26
_STAGES = (LIES, HEARD, GONE, GIVEN)
_LAST = len(_STAGES)  # the stage of all others
HEARING = range(2)  # the stages of what lies there, and of what is heard
_Entry = tuple[datetime, int, str, int, str]
_NONE: frozenset[str] = frozenset()  # one for all cases at rest
_HEAD = ""  # whose lines are the instruction's: no task has this id

TaskRule = Callable[[Case, Task, Policy], Iterator[Due]]
CaseRule = Callable[[Case, Policy], Iterator[Due]]
Shared = Callable[[Case, Policy], tuple[Any, ...]]


class _Part:
    """The lines of some of the rules, made again when they are asked for and not before."""

    __slots__ = ("_count", "_size", "case_rules", "dirty", "head_dirty", "heaps", "lines", "task_rules")

    def __init__(self, task_rules: tuple[TaskRule, ...], case_rules: tuple[CaseRule, ...]) -> None:
        self.task_rules, self.case_rules = task_rules, case_rules
        self.dirty: set[str] | frozenset[str] = _NONE
        self.head_dirty = False
        self.lines: dict[str, tuple[int, tuple[Due, ...]]] = {}  # with their number, which the heaps name
        self.heaps: dict[int, list[_Entry]] = {}  # by stage: of each task, and of the head, the first
        self._count = self._size = 0

    def put(self, key: str, lines: tuple[Due, ...]) -> bool:
        """These are the lines of a task, or of the head, now. Whether they were others before."""
        old = self.lines[key][1] if key in self.lines else ()
        if lines == old:
            return False
        self._count += 1
        if lines:
            self.lines[key] = (self._count, lines)
        else:
            del self.lines[key]
        self._size += len(lines) - len(old)
        firsts: dict[int, Due] = {}  # by stage: behind them nothing comes due before these lines are made again
        for line in lines:
            if line.place is None:
                stage = bisect_left(_STAGES, line.order)
                if stage not in firsts or line.key < firsts[stage].key:
                    firsts[stage] = line
        for stage, line in firsts.items():
            heapq.heappush(self.heaps.setdefault(stage, []), (*line.key, self._count, key))
        for heap in self.heaps.values():
            if len(heap) > 64 + 4 * self._size:
                heap[:] = [entry for entry in heap if self.holds(entry)]
                heapq.heapify(heap)
        return True

    def holds(self, entry: _Entry) -> bool:
        """Whether what a heap says is still so."""
        *_, number, key = entry
        return key in self.lines and self.lines[key][0] == number

    def first(self, stage: int) -> Due | None:
        """The first line of a stage that needs no place."""
        heap = self.heaps.get(stage)
        while heap:
            if self.holds(heap[0]):
                _, _, name, _, key = heap[0]
                return next(line for line in self.lines[key][1] if line.name == name)
            heapq.heappop(heap)
        return None

    def top(self, stage: int, most: int) -> list[Due]:
        """The lines of those that come first, read along the branches of the heap: what lies deeper comes later."""
        heap, keys = self.heaps.get(stage, []), 0
        found: list[Due] = []
        branches = [(heap[0], 0)] if heap else []
        while branches and keys < most:
            entry, k = heapq.heappop(branches)
            if self.holds(entry):
                keys += 1
                _, lines = self.lines[entry[4]]
                found += [n for n in lines if n.place is None and bisect_left(_STAGES, n.order) == stage]
            for child in (2 * k + 1, 2 * k + 2):
                if child < len(heap):
                    heapq.heappush(branches, (heap[child], child))
        return found


class Agenda:
    """The lines of one case, kept up to date by what changed.

    In three parts, so that many lines can be noted before the rest is asked again: what goes before all others, the
    dispatches, which need a place, and the rest. Each is made again when it is asked for.
    """

    __slots__ = (
        "_case", "_early", "_parts", "_placing", "_policy", "_rest", "_shared", "_shared_now", "_shared_of",
        "on_waiting", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        case: Case,
        policy: Policy,
        task_rules: tuple[TaskRule, ...],
        case_rules: tuple[CaseRule, ...],
        shared: Shared,
        *,
        early: Collection[TaskRule | CaseRule] = (),
        placing: Collection[TaskRule] = (),
    ) -> None:
        """`shared`: what task rules read that follows from all tasks; when it changes, every task's lines may.

        `early`: the rules whose lines may have a place in the order of speech up to `GIVEN`; `placing`: those, and only
        those, whose lines need a place.
        """
        self._case, self._policy = case, policy
        self._shared = shared
        self._shared_of: tuple[Head, tuple[Any, ...]] | None = None
        self._shared_now: tuple[Any, ...] | None = None
        late = tuple(r for r in task_rules if r not in early and r not in placing)
        self._early = _Part(tuple(r for r in task_rules if r in early), tuple(r for r in case_rules if r in early))
        self._placing = _Part(tuple(r for r in task_rules if r in placing), ())
        self._rest = _Part(late, tuple(r for r in case_rules if r not in early))
        self._parts = (self._early, self._placing, self._rest)
        self.waiting: dict[str, Due] = {}  # task → its dispatch, where it needs a place
        self.on_waiting: Callable[[str, Due | None], None] | None = None  # told of each change of `waiting`
        case.dirty.update(case.tasks)
        case.head_dirty = True

    def refresh(self) -> None:
        """Make again the lines of what changed."""
        self._changes()
        for part in self._parts:
            self._make(part)

    def places(self) -> None:
        """The same of the dispatches only: `waiting` is up to date."""
        self._changes()
        self._make(self._placing)

    def _changes(self) -> None:
        """What changed is told to each part."""
        case = self._case
        case.settle_graph()
        self._refresh_shared()
        if case.dirty:
            dirty, case.dirty = case.dirty, set()
            for part in self._parts:
                if part.dirty:
                    part.dirty |= (
                        dirty  # in place: what the rest has not been asked yet may be all tasks of a large case
                    )
                else:
                    part.dirty = {*dirty}
            for task_id in dirty:
                task = case.tasks.get(task_id)
                if task is not None and task.sealed and not _over(task):
                    case.tasks[task_id] = replace(task, sealed=False)  # its file came back, or changed
        if case.head_dirty:
            case.head_dirty = False
            for part in self._parts:
                part.head_dirty = True

    def _make(self, part: _Part) -> None:
        case, policy = self._case, self._policy
        if part.dirty:
            dirty, part.dirty = part.dirty, _NONE
            for task_id in dirty:
                task = case.tasks.get(task_id)
                lines: tuple[Due, ...] = ()
                if task is not None and not task.sealed:
                    lines = tuple([line for rule in part.task_rules for line in rule(case, task, policy)])
                if part.put(task_id, lines) and part is self._placing:
                    self._waits(task_id, lines[0] if lines else None)
                if part is self._rest and task is not None and not task.sealed and _over(task):
                    self._seal(task)
        if part.head_dirty:
            part.head_dirty = False
            part.put(_HEAD, tuple([line for rule in part.case_rules for line in rule(case, policy)]))

    def _seal(self, task: Task) -> None:
        """Of a task that has ended, and has no lines any more, no rule is asked again."""
        if not any(task.id in part.dirty or task.id in part.lines for part in self._parts):
            self._case.tasks[task.id] = replace(task, sealed=True)

    def _refresh_shared(self) -> None:
        """What follows from all tasks is made anew only if what it is made from has changed."""
        case = self._case
        head, made_of = case.head, (case.sums.still, case.resolved_at)
        if self._shared_of is not None and head is self._shared_of[0] and made_of == self._shared_of[1]:
            return
        self._shared_of = (head, made_of)
        now = self._shared(case, self._policy)
        if now != self._shared_now:
            self._shared_now = now
            case.dirty.update(case.tasks)

    def _waits(self, task_id: str, line: Due | None) -> None:
        if line is not None:
            self.waiting[task_id] = line
        else:
            del self.waiting[task_id]
        if self.on_waiting is not None:
            self.on_waiting(task_id, line)

    def _before_the_rest(self, stages: Iterable[int], now: datetime) -> Due | None:
        self._changes()
        self._make(self._early)
        firsts = (self._early.first(stage) for stage in stages)
        return next((line for line in firsts if line is not None and line.at <= now), None)

    def heard(self, now: datetime) -> Due | None:
        """The first line that takes in what lies there, before any letter is judged; else what a process or a channel
        has come to, in order of time with the letters."""
        return self._before_the_rest(HEARING, now)

    def before_others(self, now: datetime) -> Due | None:
        """What `next` answers as long as that goes before all others by its stage; the rest is not asked."""
        return self._before_the_rest(range(_LAST), now)

    def next(self, now: datetime) -> Due | None:
        """The first line that is due and needs no place; None if there is none."""
        line = self.before_others(now)
        if line is not None:
            return line
        self._make(self._placing)
        self._make(self._rest)
        firsts = (self._first(stage) for stage in range(_LAST + 1))
        return next((line for line in firsts if line is not None and line.at <= now), None)

    def following(self, instants: Container[datetime], stages: Container[int] = range(_LAST + 1)) -> Due | None:
        """The first line of these very instants that needs no place, whatever the clock says; None if there is none."""
        found = ((bisect_left(_STAGES, line.order), line) for line in self.lines() if line.place is None)
        right = [(stage, line.key, line) for stage, line in found if stage in stages and line.at in instants]
        return min(right, key=lambda each: each[:2])[2] if right else None

    def _first(self, stage: int) -> Due | None:
        firsts = [line for part in self._parts if (line := part.first(stage)) is not None]
        return min(firsts, key=lambda line: line.key, default=None)

    def next_at(self) -> datetime | None:
        """When the first line comes due; dispatches that wait for a place do not count."""
        self.refresh()
        firsts = (self._first(stage) for stage in range(_LAST + 1))
        return min((line.at for line in firsts if line is not None), default=None)

    def upcoming(self, most: int) -> list[Due]:
        """The first lines that need no place, in the order in which they would be carried out; not more than `most`."""
        self.refresh()
        found = [line for part in self._parts for stage in range(_LAST + 1) for line in part.top(stage, most)]
        return sorted(found, key=lambda line: line.key)[:most]

    def lines(self) -> list[Due]:
        """All lines, in the order in which they would be carried out."""
        self.refresh()
        every = (line for part in self._parts for _, lines in part.lines.values() for line in lines)
        return sorted(every, key=lambda line: line.key)


def _over(task: Task) -> bool:
    """Whether a task has ended and nothing more is owed."""
    return (
        task.ended is not None
        and not task.result_owed
        and not task.owed
        and task.process is None
        and (not task.present or task.folder == "completed")
        and task.gone_at is None
        and task.file is None  # one that lies there may still be edited or moved
    )
