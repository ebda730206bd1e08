"""What is added up over the tasks of a case, kept as they change: so no look has to go through all of them [PERF-4].

Counterpart: `casebook.py`, which tells it of each change.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executord.case import Hold, Paused, Task, Workaround
from executord.evolve import replace
from executord.values import read_stamp

NOBODY: AbstractSet[str] = frozenset()


def among(found: AbstractSet[str], task_id: str, *, belongs: bool) -> AbstractSet[str]:
    """These tasks with or without this one; as long as there are none, one empty set for all cases."""
    if belongs == (task_id in found):
        return found
    if not isinstance(found, set):
        return {task_id}
    (found.add if belongs else found.discard)(task_id)
    return found


def run_out(pauses: tuple[Paused, ...], blockers: Iterable[int], hold: Hold | None, at: datetime | None) -> Any:
    """The pauses, those ended whose blocker or hold is gone; the same tuple if there are none [SLA-7]."""
    here = {("blocked", n) for n in blockers} | ({("hold", hold.n)} if hold is not None else set())
    over = [p.end is None and p.source != "ended" and (p.source, p.n) not in here for p in pauses]
    if at is None or not any(over):
        return pauses
    return tuple(
        replace(p, end=max(p.start, min(at, p.cap or at))) if gone else p for p, gone in zip(pauses, over, strict=True)
    )


def remaining_of(task: Task) -> int:
    """The effort of a task that is still to be done, in seconds; 0 if nobody has estimated it."""
    effort = task.spec.effort_s or 0
    if not effort or task.ended is not None:
        return 0
    percent = task.live.percent if task.live is not None else None
    return effort * (100 - percent) // 100 if percent else effort


def eta_of(task: Task) -> datetime | None:
    """When its holder says that it will be done."""
    live = task.live
    return read_stamp(live.eta) if live is not None and live.eta is not None else None


@dataclass(slots=True, eq=False)
class Sums:
    """First acknowledgement, pauses, live tasks, efforts, the last end."""

    first_ack: datetime | None = None
    # tasks that stand or stood still, for the instruction's clock
    pauses: dict[str, tuple[Paused, ...]] = field(default_factory=dict)
    # tasks that were opened again: while they were resolved
    reopened: dict[str, tuple[Paused, ...]] = field(default_factory=dict)
    live: AbstractSet[str] = NOBODY
    etas: dict[str, datetime] = field(default_factory=dict)  # of live tasks
    updated: dict[str, datetime] = field(default_factory=dict)  # live tasks → when their holder named that time
    workarounds: dict[str, Workaround] = field(default_factory=dict)  # named in messages about tasks
    version: int = 0  # goes on with every change that a forecast depends on
    still: int = 0  # … that a clock of the instruction depends on
    _efforts: dict[str, int] = field(default_factory=dict)  # open tasks with something left
    _total: int = 0
    # agent → his live tasks with something left → seconds
    holders: dict[str, dict[str, int]] = field(default_factory=dict)
    _held: dict[str, int] = field(default_factory=dict)  # agent → the sum of these
    _behind: dict[str, int] = field(default_factory=dict)  # task → the longest way of effort through what depends on it
    _ways: list[tuple[int, str]] = field(default_factory=list)
    _stale: bool = True
    _end: datetime | None = None
    _end_known: bool = False

    def changed(self, old: Task | None, new: Task, *, linked: bool) -> None:
        """A task has changed. `linked`: others depend on it."""
        if new.attempts and (old is None or old.attempts is not new.attempts):
            self._attempts(new)
        was, now = (old.ended if old is not None else None), new.ended
        if was is not now or old is None:
            self._end_known = False
        if self.reopened and (old is None or was is not now or old.planned is not new.planned or old.born != new.born):
            self.still += 1
        self._effort(old, new, linked=linked or _depends(old) or _depends(new))
        if new.workaround is not None and self.workarounds.get(new.id) is not new.workaround:
            self.workarounds[new.id] = new.workaround
            self.version += 1
        if new.pauses is (old.pauses if old is not None else ()):
            return
        self.still += 1
        resolved = tuple(p for p in new.pauses if p.source == "ended")
        still = tuple(p for p in new.pauses if p.source != "ended")
        for kept, found in ((self.reopened, resolved), (self.pauses, still)):
            if found:
                kept[new.id] = found

    def _attempts(self, new: Task) -> None:
        for attempt in new.attempts:
            at = attempt.accepted_at
            if at is not None and (self.first_ack is None or at < self.first_ack):
                self.first_ack = at
        live = new.live
        if (live is not None) != (new.id in self.live):
            self.version += 1
            self.live = among(self.live, new.id, belongs=live is not None)
        eta = eta_of(new)
        if eta is not None and live is not None and live.eta_at is not None:
            if (self.etas.get(new.id), self.updated.get(new.id)) != (eta, live.eta_at):
                self.version += 1
            self.etas[new.id], self.updated[new.id] = eta, live.eta_at
        elif self.etas.pop(new.id, None) is not None:
            self.updated.pop(new.id, None)
            self.version += 1

    def _effort(self, old: Task | None, new: Task, *, linked: bool) -> None:
        before, left = self._efforts.get(new.id, 0), remaining_of(new)
        was, now = _holder(old), _holder(new)
        if old is None or (
            old.spec is not new.spec
            and (old.spec.effort_s, old.spec.requires, old.spec.after)
            != (new.spec.effort_s, new.spec.requires, new.spec.after)
        ):
            self._stale = self._stale or linked  # on no way but its own, it changes none
        if before == left and was == now:
            return
        if was is not None and before and (held := self.holders.get(was)) is not None:
            self._held[was] -= held.pop(new.id, 0)
            if not held:
                del self.holders[was], self._held[was]
        if now is not None and left:
            held = self.holders.setdefault(now, {})
            self._held[now] = self._held.get(now, 0) + left - held.get(new.id, 0)
            held[new.id] = left
        self.version += 1
        if before != left:
            self._total += left - before
            if left:
                self._efforts[new.id] = left
                heapq.heappush(self._ways, (-(left + self._behind.get(new.id, 0)), new.id))
            else:
                self._efforts.pop(new.id, None)

    def last_end(self, tasks: Iterable[Task]) -> datetime | None:
        """The latest end of these tasks, which have all ended."""
        if not self._end_known:
            self._end = max((t.ended.at for t in tasks if t.ended is not None), default=None)
            self._end_known = True
        return self._end

    def remaining(
        self,
        tasks: Mapping[str, Task],
        dependants: Mapping[str, Iterable[str]],
        *,
        in_line: bool,
        before: Mapping[str, int] = {},
    ) -> int:
        """The effort still to be done: all where tasks go one by one, else the longest way, or what one agent has.

        `before`: what agents have to do first for other cases; what they hold here, and what is behind it, waits.
        """
        if not self._efforts:
            return 0
        if in_line:
            return self._total + max((before.get(agent, 0) for agent in self.holders), default=0)
        if self._stale:
            self._measure(tasks, dependants)
        while self._ways:
            length, task_id = self._ways[0]
            left = self._efforts.get(task_id)
            if left is not None and left + self._behind.get(task_id, 0) == -length:
                break
            heapq.heappop(self._ways)
        longest = -self._ways[0][0] if self._ways else 0
        for agent, held in self.holders.items():
            first = before.get(agent, 0)
            longest = max(longest, first + self._held[agent])
            if first:
                longest = max(longest, first + max(left + self._behind.get(i, 0) for i, left in held.items()))
        return longest

    def _measure(self, tasks: Mapping[str, Task], dependants: Mapping[str, Iterable[str]]) -> None:
        """The longest way behind each task, without recursion; a ring of dependencies is gone round once."""
        self._stale = False
        self._behind = {}
        for root in self._efforts:
            if root in self._behind:
                continue
            work = [(root, iter(dependants.get(root, ())))]
            open_now = {root}
            while work:
                task_id, rest = work[-1]
                for other in rest:
                    if other in tasks and other not in self._behind and other not in open_now:
                        open_now.add(other)
                        work.append((other, iter(dependants.get(other, ()))))
                        break
                else:
                    work.pop()
                    open_now.discard(task_id)
                    self._behind[task_id] = max(
                        (
                            (tasks[o].spec.effort_s or 0) * (tasks[o].ended is None) + self._behind.get(o, 0)
                            for o in dependants.get(task_id, ())
                            if o in tasks
                        ),
                        default=0,
                    )
        self._ways = [(-(left + self._behind.get(i, 0)), i) for i, left in self._efforts.items()]
        heapq.heapify(self._ways)


def _depends(task: Task | None) -> bool:
    return task is not None and bool(task.spec.requires or task.spec.after)


def _holder(task: Task | None) -> str | None:
    return task.live.agent if task is not None and task.live is not None else None
