"""What is to be done for a case, and from when on.

A line is `Due(at, name, action)`: what, from when on, and a name that is carried out once in the life of the case.
Rules are pure functions from a case to its lines; no rule sees the clock. Two shapes: a *task rule* `(case, task)`
whose lines are kept for as long as the facts they were made from stay the same, and a *case rule* `(case)`, cheap by
counters. Property of the tests: kept agenda = fresh agenda [PERF-4].
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executord.actions import Action, Record
from executord.case import Head, Task
from executord.casebook import Case
from executord.evolve import empty, replace
from executord.policy import Policy


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
#: channels have come to, in order of time with the letters; what is gone, believed only after the letters.
LIES, HEARD, GONE = 20, 22, 25
_STAGES = (LIES, HEARD, GONE)
_Entry = tuple[datetime, int, str, int, str]
_HEAD = ""  # whose lines are the instruction's: no task has this id

TaskRule = Callable[[Case, Task, Policy], Iterator[Due]]
CaseRule = Callable[[Case, Policy], Iterator[Due]]
Shared = Callable[[Case, Policy], tuple[Any, ...]]


class Agenda:
    """The lines of one case, kept up to date by what changed."""

    def __init__(
        self,
        case: Case,
        policy: Policy,
        task_rules: tuple[TaskRule, ...],
        case_rules: tuple[CaseRule, ...],
        shared: Shared,
    ) -> None:
        """`shared`: what task rules read that follows from all tasks; when it changes, every task's lines may."""
        self._case, self._policy = case, policy
        self._task_rules, self._case_rules = task_rules, case_rules
        self._shared = shared
        self._shared_of: tuple[Head, tuple[Any, ...]] | None = None
        self._shared_now: tuple[Any, ...] | None = None
        self._lines: dict[str, tuple[Due, ...]] = {}
        self._heaps: tuple[list[_Entry], ...] = ([], [], [], [])  # by stage: of each task, and of the head, the first
        self._version: dict[str, int] = {}
        self._size = 0
        self.waiting: dict[str, Due] = {}  # task → its dispatch, where it needs a place
        self.on_waiting: Callable[[str, Due | None], None] | None = None  # told of each change of `waiting`
        case.dirty.update(case.tasks)
        case.head_dirty = True

    def refresh(self) -> None:
        """Make again the lines of what changed."""
        case = self._case
        case.settle_graph()
        self._refresh_shared()
        while case.dirty:
            dirty, case.dirty = case.dirty, set()
            for task_id in dirty:
                task = case.tasks.get(task_id)
                lines: tuple[Due, ...] = ()
                if task is not None and task.sealed and not _over(task):
                    task = case.tasks[task_id] = replace(task, sealed=False)  # its file came back, or changed
                if task is not None and not task.sealed:
                    lines = tuple(line for rule in self._task_rules for line in rule(case, task, self._policy))
                self._set(task_id, lines)
                if task is not None and not lines and _over(task):
                    case.tasks[task_id] = _sealed(task)
        if case.head_dirty:
            case.head_dirty = False
            self._set(_HEAD, tuple(line for rule in self._case_rules for line in rule(case, self._policy)))

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

    def _set(self, key: str, lines: tuple[Due, ...]) -> None:
        old = self._lines.get(key, ())
        if lines == old:
            return
        if lines:
            self._lines[key] = lines
        else:
            self._lines.pop(key, None)
        version = self._version.get(key, 0) + 1
        self._version[key] = version
        self._size += len(lines) - len(old)
        place = next((line for line in lines if line.place is not None), None)
        if key != _HEAD and self.waiting.get(key) != place:
            if place is not None:
                self.waiting[key] = place
            else:
                del self.waiting[key]
            if self.on_waiting is not None:
                self.on_waiting(key, place)
        firsts: dict[int, Due] = {}  # by stage: behind them nothing comes due before these lines are made again
        for line in lines:
            if line.place is None:
                stage = bisect_left(_STAGES, line.order)
                if stage not in firsts or line.key < firsts[stage].key:
                    firsts[stage] = line
        for stage, line in firsts.items():
            heapq.heappush(self._heaps[stage], (*line.key, version, key))
        for heap in self._heaps:
            if len(heap) > 64 + 4 * self._size:
                heap[:] = [entry for entry in heap if self._version.get(entry[4]) == entry[3]]
                heapq.heapify(heap)

    def _first(self, heap: list[_Entry]) -> Due | None:
        while heap:
            _, _, name, version, key = heap[0]
            if self._version.get(key) == version:
                return next(line for line in self._lines[key] if line.name == name)
            heapq.heappop(heap)
        return None

    def _due(self, stages: Iterable[int], now: datetime) -> Due | None:
        self.refresh()
        firsts = (self._first(self._heaps[stage]) for stage in stages)
        return next((line for line in firsts if line is not None and line.at <= now), None)

    def heard(self, now: datetime) -> Due | None:
        """The first line that takes in what lies there, before any letter is judged; else what a process or a channel
        has come to, in order of time with the letters."""
        return self._due((0, 1), now)

    def next(self, now: datetime) -> Due | None:
        """The first line that is due and needs no place; None if there is none."""
        return self._due(range(len(self._heaps)), now)

    def next_at(self) -> datetime | None:
        """When the first line comes due; dispatches that wait for a place do not count."""
        self.refresh()
        firsts = (self._first(heap) for heap in self._heaps)
        return min((line.at for line in firsts if line is not None), default=None)

    def upcoming(self, most: int) -> list[Due]:
        """The first lines that need no place, in the order in which they would be carried out; not more than `most`."""
        self.refresh()
        found = [line for stage in range(len(self._heaps)) for line in self._top(stage, most)]
        return sorted(found, key=lambda line: line.key)[:most]

    def _top(self, stage: int, most: int) -> list[Due]:
        """The lines of those that come first, read along the branches of the heap: what lies deeper comes later."""
        heap, keys = self._heaps[stage], 0
        found: list[Due] = []
        branches = [(heap[0], 0)] if heap else []
        while branches and keys < most:
            (*_, version, key), k = heapq.heappop(branches)
            if self._version.get(key) == version:
                keys += 1
                found += [n for n in self._lines[key] if n.place is None and bisect_left(_STAGES, n.order) == stage]
            for child in (2 * k + 1, 2 * k + 2):
                if child < len(heap):
                    heapq.heappush(branches, (heap[child], child))
        return found

    def lines(self) -> list[Due]:
        """All lines, in the order in which they would be carried out."""
        self.refresh()
        return sorted((line for lines in self._lines.values() for line in lines), key=lambda line: line.key)


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


def _sealed(task: Task) -> Task:
    return replace(task, sealed=True)
