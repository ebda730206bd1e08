"""The one container that changes: a case with its tasks, and the facts that follow from them.

Counterparts: `__init__.py`, the frozen values in it; `linked.py`, what holds between its tasks; `fold.py` and
`sight.py`, the only ones that change it. Owned by one thread. What the rules ask again and again is kept as it changes,
so that the cost of a look follows what changed and not the size of the case [PERF-4].
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
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
from executord.case.linked import Linked
from executord.case.products import Survey
from executord.case.sums import NOBODY, Sums, among, run_out
from executord.evolve import empty, replace


@dataclass(slots=True, eq=False)
class Case(Linked):
    """An instruction while it is being executed. Changed only by `fold.py` and by the store's reading."""

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
    on_holder: Callable[[str, str | None, str | None], None] | None = None  # told who holds a task now
    counts: dict[str, int] = field(
        default_factory=lambda: {"pending": 0, "in_progress": 0, "completed": 0, "blocked": 0}
    )

    # -- reading -------------------------------------------------------------------------------------------

    @property
    def planned_total(self) -> int:
        """How many tasks there are, whatever became of them."""
        return len(self.tasks)

    def ensure(self, task_id: str) -> Task:
        """The task of this id; one that the journal names before its file is read is made."""
        known = self.tasks.get(task_id)
        return known or Task(task_id, key=(UNPLANNED, natural(task_id), task_id), spec=expected_spec(None, task_id))

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

    def ask_of(self, task: str | None, subject: str) -> Ask | None:
        """The open ask of this name."""
        owner = self.head if task is None else self.tasks.get(task)
        return next((a for a in owner.asks if a.subject == subject), None) if owner is not None else None

    def asks(self) -> Iterator[tuple[str | None, Ask]]:
        """Everything that we expect an answer to, with the task that it is about; for people, not for rules."""
        yield from ((None, ask) for ask in self.head.asks)
        for *_, task_id in self._order:
            yield from ((task_id, ask) for ask in self.tasks[task_id].asks)

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
        """Put a task's new value and keep the counters."""
        old = self.tasks.get(task.id)
        if old is task:
            return
        task = self._settled(old, task)
        self.tasks[task.id] = task
        self.revision += 1
        self.dirty.add(task.id)
        self.sums.changed(old, task, linked=bool(self.dependants.get(task.id)))
        moved = (old.folder if old and old.present else None) != (task.folder if task.present else None)
        if old is None:
            self._comes(task)
        else:
            self._changes(old, task, moved=moved)
        if moved:
            self._lies_elsewhere(old, task)
        was_live, is_live = (old.live if old else None), task.live
        was_agent, is_agent = was_live.agent if was_live else None, is_live.agent if is_live else None
        if was_agent != is_agent and self.on_holder is not None:
            self.on_holder(task.id, was_agent, is_agent)
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

    def _lies_elsewhere(self, old: Task | None, task: Task) -> None:
        """Its file came, went, or lies in another folder."""
        if old is not None and old.present and old.folder is not None:
            self.counts[old.folder] -= 1
        if task.present and task.folder is not None:
            self.counts[task.folder] += 1
        if self.gone:
            self.weigh_gone()

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

    def _reindex(self, task: str | None, old: tuple[Ask, ...], new: tuple[Ask, ...]) -> None:
        """Keep who was asked what."""
        for ask in old:
            for agent in ask.told:
                self.asked.get(agent, set()).discard((task, ask.subject))
        for ask in new:
            for agent in ask.told:
                self.asked.setdefault(agent, set()).add((task, ask.subject))

    def weigh_gone(self) -> None:
        """Whether what is gone is most of what was there has to be asked again [MEM-25]."""
        self.dirty.update(t.id for t in self.tasks.values() if t.gone_at is not None)
        self.head_dirty = True

    def remove(self, task_ids: Collection[str]) -> None:
        """Forget tasks that were only expected and that a new plan no longer names; all at once, for it costs."""
        rest = [t for t in self.tasks.values() if t.id not in task_ids]
        gates = [Checkpoint(g.id, g.after, g.before, g.review, g.phase) for g in self._gates]
        fresh = Case(self.id)
        fresh.head = self.head
        fresh.sums.version, fresh.sums.still = self.sums.version + 1, self.sums.still + 1  # never a count of before
        for task in rest:
            fresh.put(task)
        for name in ("tasks", "dirty", "counts", "_order", "_contrary", "_frontier", "_open_total",
                     "dependants", "open_deps", "dead_deps", "unknown_deps", "cycles", "casefold", "sums",
                     "breached"):  # fmt: skip
            setattr(self, name, getattr(fresh, name))
        self._cycles_stale = self._line_stale = True
        self.set_gates(gates)


def _seen_by_tasks(head: Head) -> tuple[Any, ...]:
    """The facts of a head that task rules read."""
    return (
        head.id, head.spec, head.plan, head.ours, head.opened_at, head.created, head.tier, head.deliverable_type,
        head.hold, head.paused, head.closed, head.parked, head.priority, head.released, head.ready_by,
        head.quiet_since if head.plan is None and head.ready_by is None else None,
        head.lacks, head.updates, head.pauses, head.extensions, tuple((i.severity, i.status) for i in head.incidents),
    )  # fmt: skip
