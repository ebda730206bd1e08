"""The one container that changes: a case with its tasks, and the facts that follow from them.

Counterparts: `__init__.py`, the frozen values in it; `fold.py` and `sight.py`, the only ones that change it. Owned by
one thread. It keeps the counters that the rules read (open dependencies, the frontier of a sequence, gates), so that
the cost of a look follows what changed and not the size of the case [PERF-4]; `dirty` names the tasks whose lines must
be made again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executord.case import (
    SEQUENTIAL_TIERS,
    UNPLANNED,
    Ask,
    Carried,
    Checkpoint,
    Head,
    Letter,
    Paused,
    Task,
    expected_spec,
    natural,
    still_asked,
    still_asked_of_case,
)
from executord.case.packed import shared
from executord.case.products import Survey
from executord.case.sums import NOBODY, Sums, among, run_out
from executord.case.waits import Cycle, Gate, cycles, in_turn
from executord.evolve import empty, replace


@dataclass(slots=True, eq=False)
class Case:
    """An instruction while it is being executed. Changed only by `fold.py` and by the store's reading."""

    id: str
    head: Head = field(init=False)
    tasks: dict[str, Task] = field(default_factory=dict)
    n: int = 0  # number of the last journal line
    last_at: datetime | None = None  # the latest time of its lines
    letters: list[Letter] = field(default_factory=list)  # waiting, in order
    # file name → arrivals, contents (sha256[:16]) [MSG-2]
    mail: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    mail_ids: set[str] = field(default_factory=set)
    sent: dict[tuple[str, int, str], int] = field(default_factory=dict)  # (task, attempt, kind) → how many
    # agent → (task, subject) of what he was asked [MSG-4]
    asked: dict[str, set[tuple[str | None, str]]] = field(default_factory=dict)
    # (update, send) → how the outbox ended; not yet noted
    outcomes: dict[tuple[int, int], Carried] = field(default_factory=dict)
    # names of ours that somebody's file lay on → how often [MEM-23]
    asides: dict[str, int] = field(default_factory=dict)
    plan_sha: str | None = None
    plan_seen: datetime | None = None
    instruction_mtime: datetime | None = None
    gone: int = 0  # task files that are missing and not yet counted as deleted [MEM-25]
    gone_since: datetime | None = None
    event_at: datetime | None = None  # when what is being folded happened: pauses end then [MSG-10]
    sums: Sums = field(default_factory=Sums)
    revision: int = 0  # goes on with every change of the head or of a task
    memo: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # what was made of this case, and from what
    memos: defaultdict[str, dict[str, tuple[Any, Any]]] = field(default_factory=lambda: defaultdict(dict))  # of a task
    extras: tuple[str, ...] = ()  # files in completed/ that match no task [MEM-19]
    commanding: frozenset[str] = frozenset()  # who commands the incidents of other cases [INC-3]
    # what its holders have to do elsewhere [SLA-9]
    beside: Mapping[str, tuple[tuple[datetime, int], ...]] = field(default_factory=empty)
    survey: Survey | None = None  # what lies in outputs/ for the deliverable, once every task has ended
    running: AbstractSet[str] = NOBODY  # tasks with a process that is not verified gone [OPS-18]
    breached: AbstractSet[str] = NOBODY  # tasks with a limit that passed
    clashed: AbstractSet[str] = NOBODY  # tasks whose file cannot be moved to where it belongs [MEM-14]
    dirty: set[str] = field(default_factory=set)
    head_dirty: bool = True
    on_holder: Callable[[str, str | None, str | None], None] | None = None  # told who holds a task now
    counts: dict[str, int] = field(
        default_factory=lambda: {"pending": 0, "in_progress": 0, "completed": 0, "blocked": 0}
    )
    # derived
    _order: list[tuple[Any, ...]] = field(default_factory=list)  # the keys of the tasks; the last of each is the id
    _contrary: set[str] = field(default_factory=set)  # tasks that depend on one not before them in plan order
    _contrary_gates: bool = False  # a checkpoint waits for one that comes later than what it keeps back
    _line: list[str] = field(default_factory=list)  # the tasks in turn, where that is not plan order
    _turn: dict[str, int] = field(default_factory=dict)  # the place of each in it
    _last: str | None = None  # the last of all, whatever is held now
    _line_stale: bool = False
    _frontier: str | None = None
    _open_total: int = 0
    planned_total: int = 0
    dependants: dict[str, set[str]] = field(default_factory=dict)
    open_deps: dict[str, int] = field(default_factory=dict)
    dead_deps: dict[str, frozenset[str]] = field(default_factory=dict)
    unknown_deps: dict[str, frozenset[str]] = field(default_factory=dict)
    cycles: dict[str, Cycle] = field(default_factory=dict)
    casefold: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _cycles_stale: bool = False
    _gates: list[Gate] = field(default_factory=list)
    _gates_before: dict[str, list[Gate]] = field(default_factory=dict)
    _gates_after: dict[str, list[Gate]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.head = Head(self.id)

    # -- reading -------------------------------------------------------------------------------------------

    @property
    def open_tasks(self) -> int:
        """How many tasks have not ended."""
        return self._open_total

    @property
    def frontier(self) -> str | None:
        """The first task in turn that has not ended [EXE-5]."""
        return self._frontier

    def in_order(self) -> list[Task]:
        """All tasks in plan order."""
        return [self.tasks[key[-1]] for key in self._order]

    def last_in_order(self) -> str | None:
        """The id of the last task in turn [EXE-4]."""
        return self._last or (self._order[-1][-1] if self._order else None)

    def before(self, task: Task) -> Task | None:
        """The task before this one in turn."""
        return self._neighbour(task, -1)

    def after(self, task: Task) -> Task | None:
        """The task after this one in turn."""
        return self._neighbour(task, 1)

    def position(self, task: Task) -> tuple[int, int]:
        """Where the task stands in turn: (n, of how many), from 1."""
        return self._place(task) + 1, len(self._order)

    def _neighbour(self, task: Task, step: int) -> Task | None:
        place = self._place(task) + step
        if not 0 <= place < len(self._line or self._order):
            return None
        return self.tasks[self._line[place] if self._line else self._order[place][-1]]

    def _place(self, task: Task) -> int:
        """Its place in turn: plan order; where a sequence would wait for itself, what is depended on goes first."""
        place = self._turn.get(task.id)
        return bisect_left(self._order, task.key) if place is None else place

    @property
    def gates(self) -> list[Gate]:
        """Checkpoints and ends of phases."""
        return self._gates

    def gates_before(self, task_id: str) -> list[Gate]:
        """The gates that must be open before this task starts."""
        return self._gates_before.get(task_id, [])

    def gate_open(self, gate: Gate) -> bool:
        """Whether everything before it has ended and, where a reviewer is named, he has let it go [EXE-6]."""
        return (gate.open_members <= 0 and (gate.review is None or gate.id in self.head.released)) or (
            gate.id in self.head.released
        )

    def ensure(self, task_id: str) -> Task:
        """The task of this id; one that the journal names before its file is read is made."""
        known = self.tasks.get(task_id)
        return known or Task(task_id, key=(UNPLANNED, natural(task_id), task_id), spec=expected_spec(None, task_id))

    # -- changing ------------------------------------------------------------------------------------------

    def set_head(self, head: Head) -> None:
        """Put a new head; every line may follow from it."""
        if head.asks and len(asks := still_asked_of_case(head)) < len(head.asks):
            head = replace(head, asks=asks)
        if head.pauses:
            head = replace(head, pauses=run_out(head.pauses, (), head.hold, self.event_at))
        old, self.head = self.head, head
        self.revision += 1
        self.head_dirty = True
        if old.released != head.released and self.cycles:
            self._cycles_stale = True
        if old.asks is not head.asks:
            self._reindex(None, old.asks, head.asks)
        if _seen_by_tasks(old) != _seen_by_tasks(head):
            self.dirty.update(self.tasks)

    def put(self, task: Task) -> None:
        """Put a task's new value and keep the counters; each step may read what those before it have kept."""
        old = self.tasks.get(task.id)
        if old is task:
            return
        task = self._settled(old, task)
        self.tasks[task.id] = task
        self.revision += 1
        self.dirty.add(task.id)
        self.sums.changed(old, task, linked=bool(self.dependants.get(task.id)))
        if old is None:
            self._comes(task)
        elif old.key != task.key:
            del self._order[bisect_left(self._order, old.key)]
            insort(self._order, task.key)
        self._keep_links(old, task)
        if (old.folder if old and old.present else None) != (task.folder if task.present else None):
            self._lies_elsewhere(old, task)
        was_live, is_live = (old.live if old else None), task.live
        was_agent, is_agent = was_live.agent if was_live else None, is_live.agent if is_live else None
        if was_agent != is_agent and self.on_holder is not None:
            self.on_holder(task.id, was_agent, is_agent)
        if self._frontier is None or old is None or old.ended is not task.ended or old.key != task.key:
            self._move_frontier(task)
        self._keep_lists(old, task)
        self.head_dirty = True

    def _settled(self, old: Task | None, task: Task) -> Task:
        """The new value as it is kept: without the asks whose reason is gone, its pauses ended that are over."""
        if task.pauses or (old is not None and old.ended is not None and task.ended is None):
            task = self._standing_still(task, old)
        if task.owed and task.live is None and any(o.kind == "rework" for o in task.owed):
            # what was to be mended was handed in again, or the attempt is over, before it was sent
            task = replace(task, owed=tuple(o for o in task.owed if o.kind != "rework"))
        if task.asks and len(asks := still_asked(task)) < len(task.asks):
            task = replace(task, asks=asks)
        return task

    def _comes(self, task: Task) -> None:
        """A task that the case has not had yet."""
        insort(self._order, task.key)
        self.planned_total += 1
        if task.ended is None:
            self._open_total += 1
        self._known(task)
        self._behind_gates(task)
        folded = task.id.casefold()
        same = (*self.casefold.get(folded, ()), task.id)
        self.casefold[shared(folded)] = shared(same) if len(same) == 1 else same
        if len(same) > 1:
            self.dirty.update(same)
            self._line_changes()

    def _keep_links(self, old: Task | None, task: Task) -> None:
        """What it waits for, and who waits for it: dependencies, cycles, ends."""
        linked = old is None or old.spec.requires != task.spec.requires or old.spec.after != task.spec.after
        if linked:
            self._relink(old, task)
        if linked or (old is not None and old.key != task.key):
            self._compare_with_plan(task)
        if old is not None and _waits(old) != (waits := _waits(task)) and (waits or task.id in self.cycles):
            self._cycles_stale = True
        if old is not None and (old.rivals != task.rivals or old.released != task.released):
            self._line_changes()
        was, now = (old.ended if old else None), task.ended
        if old is not None and (was is None) != (now is None):
            self._open_total += 1 if now is None else -1
        if old is None or (was and was.state) != (now and now.state):
            self._ended_changed(task, old)

    def _lies_elsewhere(self, old: Task | None, task: Task) -> None:
        """Its file came, went, or lies in another folder."""
        if old is not None and old.present and old.folder is not None:
            self.counts[old.folder] -= 1
        if task.present and task.folder is not None:
            self.counts[task.folder] += 1
        if self.gone:
            self.weigh_gone()
        if len(same := self.casefold[task.id.casefold()]) > 1:
            self.dirty.update(same)
            self._line_changes()

    def _keep_lists(self, old: Task | None, task: Task) -> None:
        """Which tasks have a process, an open ask, a breach, a clash, a file that is missing."""
        self.running = among(self.running, task.id, belongs=task.process is not None)
        asks = old.asks if old is not None else ()
        if asks is not task.asks:
            self._reindex(task.id, asks, task.asks)
        if task.breaches or self.breached:
            self.breached = among(self.breached, task.id, belongs=bool(task.breaches))
        if task.clash is not None or self.clashed:
            self.clashed = among(self.clashed, task.id, belongs=task.clash is not None)
        if (old.gone_at if old else None) != task.gone_at:
            self.gone += 1 if task.gone_at is not None else -1
            self.gone_since = max(filter(None, (self.gone_since, task.gone_at)), default=None) if self.gone else None
            self.weigh_gone()

    def ended_outside(self, number: int, ordinal: int, outcome: Carried) -> None:
        """The outbox has ended with this send of an update."""
        self.outcomes[(number, ordinal)] = outcome
        self.head_dirty = True

    def _standing_still(self, task: Task, old: Task | None) -> Task:
        """The task with its pauses as they are now: what ended ends, and what is open again was resolved."""
        blocked = (task.blocked, *task.also_blocked) if task.blocked is not None else ()
        pauses = run_out(task.pauses, (b.n for b in blocked), task.hold, self.event_at)
        if old is not None and old.ended is not None and task.ended is None and self.event_at is not None:
            was = old.ended
            pauses = (*pauses, Paused("resolved", was.at, "ended", was.by or "", was.state, end=self.event_at))
        return task if pauses is task.pauses else replace(task, pauses=pauses)

    @property
    def resolved_at(self) -> datetime | None:
        """When the last planned task ended; None as long as one is open [SLA-2]."""
        if self._open_total or not self.tasks:
            return None
        return self.sums.last_end(self.tasks.values())

    def remaining_s(self, before: Mapping[str, int] = {}) -> int:
        """Seconds of effort still to be done: along the dependencies, and by agents one thing at a time [SLA-9].

        `before`: the seconds that agents have to do first for other cases.
        """
        in_line = self.head.tier in SEQUENTIAL_TIERS
        return self.sums.remaining(self.tasks, self.dependants, in_line=in_line, before=before)

    def _reindex(self, task: str | None, old: tuple[Ask, ...], new: tuple[Ask, ...]) -> None:
        """Keep who was asked what."""
        for ask in old:
            for agent in ask.told:
                self.asked.get(agent, set()).discard((task, ask.subject))
        for ask in new:
            for agent in ask.told:
                self.asked.setdefault(agent, set()).add((task, ask.subject))

    def ask_of(self, task: str | None, subject: str) -> Ask | None:
        """The open ask of this name."""
        owner = self.head if task is None else self.tasks.get(task)
        return next((a for a in owner.asks if a.subject == subject), None) if owner is not None else None

    def asks(self) -> Iterator[tuple[str | None, Ask]]:
        """Everything that we expect an answer to, with the task that it is about; for people, not for rules."""
        yield from ((None, ask) for ask in self.head.asks)
        for *_, task_id in self._order:
            yield from ((task_id, ask) for ask in self.tasks[task_id].asks)

    def weigh_gone(self) -> None:
        """Whether what is gone is most of what was there has to be asked again [MEM-25]."""
        self.dirty.update(t.id for t in self.tasks.values() if t.gone_at is not None)
        self.head_dirty = True

    def set_gates(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Checkpoints and phases of a new plan."""
        rank = {key[-1]: r for r, key in enumerate(self._order)}
        self._gates = [Gate.of(each, number, self._order, rank) for number, each in enumerate(checkpoints)]
        self._contrary_gates = any(gate.contrary(rank) for gate in self._gates)
        self._gates_before, self._gates_after = {}, {}
        for gate in self._gates:
            for task_id in gate.before_ids:
                self._gates_before.setdefault(task_id, []).append(gate)
            for task_id in gate.after:
                self._gates_after.setdefault(task_id, []).append(gate)
                task = self.tasks.get(task_id)
                if task is None or task.ended is None:
                    gate.open_members += 1
                else:
                    gate.last_end = max(gate.last_end or task.ended.at, task.ended.at)
        self._cycles_stale = self._cycles_stale or bool(self._gates) or any(r.gates for r in self.cycles.values())
        self._line_stale = self._line_stale or self._contrary_gates or bool(self._line)
        self.dirty.update(self.tasks)
        self.head_dirty = True

    def _behind_gates(self, task: Task) -> None:
        """A task that came after the plan: what keeps back all that follows keeps it back too [EXE-6, MEM-18]."""
        for gate in self._gates:
            if gate.last is not None and task.key > gate.last and task.id not in gate.after:
                gate.before_ids.append(task.id)
                self._gates_before.setdefault(task.id, []).append(gate)

    def _known(self, task: Task) -> None:
        for other in self.dependants.get(task.id, ()):
            unknown = self.unknown_deps.get(other)
            if unknown and task.id in unknown:
                self.unknown_deps[other] = unknown - {task.id}
                self.dirty.add(other)
                self._line_changes()
        for gate in self._gates_after.get(task.id, ()):
            if task.id in gate.unknown:
                gate.unknown -= {task.id}
                self._contrary_gates = self._cycles_stale = self._line_stale = True  # it may be: it was in no order
                self.dirty.update(i for i in gate.before_ids if i in self.tasks)

    def _relink(self, old: Task | None, task: Task) -> None:
        if old is not None:
            for dep in (*old.spec.requires, *old.spec.after):
                self.dependants.get(dep, set()).discard(task.id)
        known_after = [d for d in task.spec.after if d in self.tasks]
        for dep in (*task.spec.requires, *task.spec.after):
            self.dependants.setdefault(dep, set()).add(task.id)
        unknown = frozenset(d for d in task.spec.requires if d not in self.tasks)
        if unknown != (self.unknown_deps.pop(task.id, None) or frozenset()):
            self._line_changes()
        if unknown:
            self.unknown_deps[task.id] = unknown
        self._count(task.id, {*task.spec.requires, *known_after})
        waits = task.spec.requires or task.spec.after or self._gates_before.get(task.id)
        waited_for = self.dependants.get(task.id) or self._gates_after.get(task.id)
        if task.id in self.cycles or (waits and waited_for):
            self._cycles_stale = True

    def _count(self, task_id: str, deps: Iterable[str]) -> None:
        count, dead = 0, set()
        hard = set(self.tasks[task_id].spec.requires)
        for dep in deps:
            other = self.tasks.get(dep)
            if other is None or other.ended is None:
                count += 1
            elif other.ended.state != "completed" and dep in hard:
                dead.add(dep)
        if count:
            self.open_deps[task_id] = count
        else:
            self.open_deps.pop(task_id, None)
        if dead:
            self.dead_deps[task_id] = frozenset(dead)
        else:
            self.dead_deps.pop(task_id, None)

    def _ended_changed(self, task: Task, old: Task | None) -> None:
        was, now = (old.ended if old else None), task.ended
        for other_id in self.dependants.get(task.id, ()):
            other = self.tasks.get(other_id)
            if other is None:
                continue
            if old is None and task.id in other.spec.after and task.id not in other.spec.requires:
                self._count(other_id, {*other.spec.requires, *(d for d in other.spec.after if d in self.tasks)})
                self.dirty.add(other_id)
                continue
            before = self.open_deps.get(other_id, 0)
            if (was is None) != (now is None) and old is not None:
                self.open_deps[other_id] = before + (1 if now is None else -1)
            elif old is None and now is not None:
                self.open_deps[other_id] = before - 1
            dead = self.dead_deps.get(other_id, frozenset())
            is_dead = now is not None and now.state != "completed" and task.id in other.spec.requires
            self.dead_deps[other_id] = dead | {task.id} if is_dead else dead - {task.id}
            if (self.open_deps.get(other_id, 0) == 0) != (before == 0) or self.dead_deps[other_id] != dead:
                self.dirty.add(other_id)
        for gate in self._gates_after.get(task.id, ()):
            if (was is None) != (now is None) and old is not None:
                gate.open_members += 1 if now is None else -1
                if now is not None:
                    gate.last_end = max(gate.last_end or now.at, now.at)
                if gate.open_members <= (1 if now is None else 0):
                    self.dirty.update(i for i in gate.before_ids if i in self.tasks)
                    self.head_dirty = True

    def _compare_with_plan(self, task: Task) -> None:
        """Whether this task and those that depend on it depend on one that is not before them in plan order."""
        for task_id in (task.id, *self.dependants.get(task.id, ())):
            each = self.tasks.get(task_id)
            if each is None:
                continue
            deps = (self.tasks.get(d) for d in (*each.spec.requires, *each.spec.after))
            if any(d is not None and d.key >= each.key for d in deps):
                self._contrary.add(task_id)
            else:
                self._contrary.discard(task_id)
        self._line_stale = self._line_stale or self._contrary_gates or bool(self._contrary or self._line)

    def _line_changes(self) -> None:
        """What keeps back others in a sequence may be another now."""
        self._line_stale = self._line_stale or self.head.tier in SEQUENTIAL_TIERS

    def _line_up(self) -> None:
        """Put the tasks of a sequence in turn: each right before the first that depends on it, else in plan order; what
        is held for what the files say of each other comes last, so that all others go on [EXE-2]."""
        self._line_stale = False
        self._line, self._turn, self._last = [], {}, None
        if self.head.tier not in SEQUENTIAL_TIERS:
            return
        behind = self._kept_behind()
        if not (self._contrary or self._contrary_gates or behind):
            return
        line = in_turn((key[-1] for key in self._order), self._comes_after)
        self._last = line[-1]
        self._line = sorted(line, key=behind.__contains__)
        self._turn = {task_id: place for place, task_id in enumerate(self._line)}

    def _kept_behind(self) -> set[str]:
        """Who is in a ring, has an unknown dependency or an id that is used twice; and all that wait for them."""
        found = {*self.cycles, *(i for i, unknown in self.unknown_deps.items() if unknown - self.tasks[i].released)}
        found.update(task.id for task in self.tasks.values() if task.rivals)
        found.update(i for same in self.casefold.values() if len(same) > 1 for i in same)
        found = {i for i in found if _waits(self.tasks[i])}
        rest = [*found]
        while rest:
            task_id = rest.pop()
            after = {
                *self.dependants.get(task_id, ()),
                *(i for g in self._gates_after.get(task_id, ()) for i in g.before_ids),
            }
            new = {i for i in after - found if i in self.tasks and _waits(self.tasks[i])}
            found |= new
            rest += new
        return found

    def _comes_after(self, task_id: str) -> list[str]:
        """The tasks that it needs, by dependencies or a checkpoint, in plan order."""
        spec = self.tasks[task_id].spec
        deps = {*spec.requires, *spec.after, *(i for g in self._gates_before.get(task_id, ()) for i in g.after)}
        return sorted((d for d in deps if d in self.tasks), key=lambda d: self.tasks[d].key)

    def _in_turn(self, start: int = 0) -> Iterator[str]:
        line, order = self._line, self._order
        return (line[k] if line else order[k][-1] for k in range(start, len(line or order)))

    def _move_frontier(self, task: Task) -> None:
        if self.head.tier not in (None, *SEQUENTIAL_TIERS) or self._line_stale:
            return
        old = self._frontier
        first = old is None or self._place(task) < self._place(self.tasks[old]) or self.tasks[old].ended is not None
        if task.ended is None and first:
            self._frontier = task.id
        now = self._frontier
        if now is not None and self.tasks[now].ended is not None:
            later = self._in_turn(self._place(self.tasks[now]))
            self._frontier = next((i for i in later if self.tasks[i].ended is None), None)
        if old != self._frontier:
            self.dirty.update(i for i in (old, self._frontier) if i is not None)

    def recount_frontier(self) -> None:
        """Look for the frontier anew; needed when the tier or the plan changes."""
        self._turn_anew()
        self.dirty.update(self.tasks)

    def _turn_anew(self) -> None:
        """Put the tasks in turn again. What a rule reads of that is whose turn it is, and who is the last."""
        told = {self._frontier, self.last_in_order()}
        self._line_up()
        self._frontier = next((i for i in self._in_turn() if self.tasks[i].ended is None), None)
        told |= {self._frontier, self.last_in_order()}
        self.dirty.update(i for i in told if i is not None)

    def remove(self, task_ids: Collection[str]) -> None:
        """Forget tasks that were only expected and that a new plan no longer names; all at once, for it costs."""
        rest = [t for t in self.tasks.values() if t.id not in task_ids]
        gates = [Checkpoint(g.id, g.after, g.before, g.review, g.phase) for g in self._gates]
        fresh = Case(self.id)
        fresh.head = self.head
        fresh.sums.version, fresh.sums.still = self.sums.version + 1, self.sums.still + 1  # never a count of before
        for task in rest:
            fresh.put(task)
        for name in ("tasks", "dirty", "counts", "_order", "_contrary", "_frontier", "_open_total", "planned_total",
                     "dependants", "open_deps", "dead_deps", "unknown_deps", "cycles", "casefold", "sums",
                     "breached"):  # fmt: skip
            setattr(self, name, getattr(fresh, name))
        self._cycles_stale = self._line_stale = True
        self.set_gates(gates)

    def settle_graph(self) -> None:
        """Look for dependency cycles and the order if the graph has changed; once per look, not once per file."""
        if self._cycles_stale:
            self._cycles_stale = False
            self._find_cycles()
        if self._line_stale:
            self._turn_anew()

    def _find_cycles(self) -> None:
        """Tasks that wait for themselves, by dependencies and checkpoints [EXE-2]."""
        found: dict[str, Cycle] = {}
        # a cycle goes against plan order somewhere
        nodes: list[str | int] = [*self.tasks] if self._contrary or self._contrary_gates else []
        for group in cycles(nodes, self._waits_for):
            members = tuple(sorted((i for i in group if isinstance(i, str)), key=natural))
            gates = tuple(self._gates[i].name for i in sorted(i for i in group if isinstance(i, int)))
            found.update(dict.fromkeys(members, Cycle(members, gates)))
        changed = {i for i in {*found, *self.cycles} if found.get(i) != self.cycles.get(i)}
        self.cycles = found
        self.dirty.update(changed)
        if changed:
            self._line_changes()

    def _waits_for(self, node: str | int) -> list[str | int]:
        """What this task or, by its number, this checkpoint waits for before it starts or opens."""
        if isinstance(node, int):
            gate = self._gates[node]
            return [] if gate.id in self.head.released else [i for i in gate.after if i in self.tasks]
        task = self.tasks[node]
        if not _waits(task):
            return []
        deps = (*task.spec.requires, *task.spec.after)
        return [*(d for d in deps if d in self.tasks), *(g.number for g in self._gates_before.get(node, ()))]


def _waits(task: Task) -> bool:
    """Whether it has not been started: what was started or has ended waits for nothing."""
    return task.ended is None and task.live is None and task.folder in ("pending", None)


def _seen_by_tasks(head: Head) -> tuple[Any, ...]:
    """The facts of a head that task rules read."""
    return (
        head.id, head.spec, head.plan, head.ours, head.opened_at, head.created, head.tier, head.deliverable_type,
        head.hold, head.paused, head.closed, head.parked, head.priority, head.released, head.ready_by,
        head.quiet_since if head.plan is None and head.ready_by is None else None,
        head.lacks, head.updates, head.pauses, head.extensions, tuple((i.severity, i.status) for i in head.incidents),
    )  # fmt: skip
