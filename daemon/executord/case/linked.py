"""The tasks of a case and what holds between them: order, who waits for whom, and whose turn it is [EXE-1 … EXE-6].

Counterparts: `waits.py`, cycles and order of any graph; `casebook.py`, the case that is made of this. The counters
(open dependencies, the frontier of a sequence, gates) are kept as tasks change, so that the cost of a look follows what
changed and not the size of the case [PERF-4]; `dirty` names the tasks whose lines must be made again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from executord.case import SEQUENTIAL_TIERS, Checkpoint, Head, Task, natural
from executord.case.packed import shared
from executord.case.waits import Cycle, Gate, cycles, in_turn


@dataclass(slots=True, eq=False)
class Linked:
    """Tasks with their head, linked by dependencies, checkpoints and plan order. Changed only through `Case`."""

    id: str
    head: Head = field(init=False)
    tasks: dict[str, Task] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    head_dirty: bool = True
    _order: list[tuple[Any, ...]] = field(default_factory=list)  # the keys of the tasks; the last of each is the id
    _contrary: set[str] = field(default_factory=set)  # tasks that depend on one not before them in plan order
    _contrary_gates: bool = False  # a checkpoint waits for one that comes later than what it keeps back
    _line: list[str] = field(default_factory=list)  # the tasks in turn, where that is not plan order
    _turn: dict[str, int] = field(default_factory=dict)  # the place of each in it
    _last: str | None = None  # the last of all, whatever is held now
    _line_stale: bool = False
    _frontier: str | None = None
    _open_total: int = 0
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

    # -- as a task changes ---------------------------------------------------------------------------------

    def _comes(self, task: Task) -> None:
        """A task that was not there yet; each step may read what those before it have kept."""
        insort(self._order, task.key)
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
        self._relink(None, task)
        self._compare_with_plan(task)
        self._ended_changed(task, None)
        self._move_frontier(task)

    def _changes(self, old: Task, task: Task, *, moved: bool) -> None:
        """A task has another value; `moved`: its file came, went, or lies in another folder."""
        placed = old.key != task.key
        if placed:
            del self._order[bisect_left(self._order, old.key)]
            insort(self._order, task.key)
        linked = old.spec.requires != task.spec.requires or old.spec.after != task.spec.after
        if linked:
            self._relink(old, task)
        if linked or placed:
            self._compare_with_plan(task)
        if _waits(old) != (waits := _waits(task)) and (waits or task.id in self.cycles):
            self._cycles_stale = True
        if old.rivals != task.rivals or old.released != task.released:
            self._line_changes()
        was, now = old.ended, task.ended
        if (was is None) != (now is None):
            self._open_total += 1 if now is None else -1
        if (was and was.state) != (now and now.state):
            self._ended_changed(task, old)
        if moved and len(same := self.casefold[task.id.casefold()]) > 1:
            self.dirty.update(same)
            self._line_changes()
        if self._frontier is None or was is not now or placed:
            self._move_frontier(task)

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

    # -- checkpoints ---------------------------------------------------------------------------------------

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

    # -- cycles --------------------------------------------------------------------------------------------

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

    # -- whose turn it is ----------------------------------------------------------------------------------

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


def _waits(task: Task) -> bool:
    """Whether it has not been started: what was started or has ended waits for nothing."""
    return task.ended is None and task.live is None and task.folder in ("pending", None)
