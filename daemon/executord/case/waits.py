"""Who waits for whom, as a graph: the cycles in it, and the order of a sequence [EXE-2, EXE-5]. Pure.

Counterpart: `linked.py`, which says what each task and each checkpoint waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from executord.case.specs import Checkpoint

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Cycle:
    """Tasks that wait for each other, in natural order, and the checkpoints by which they do."""

    tasks: tuple[str, ...]
    gates: tuple[str, ...] = ()


@dataclass(slots=True)
class Gate:
    """A checkpoint with its counter."""

    id: str
    review: str | None
    phase: bool
    after: tuple[str, ...]
    before: tuple[str, ...]
    number: int = 0  # its place in the plan
    before_ids: list[str] = field(default_factory=list)
    last: tuple[Any, ...] | None = None  # where `before` is not said: the key of the last it waits for
    unknown: frozenset[str] = frozenset()  # members of `after` that are no tasks of the case
    open_members: int = 0
    last_end: datetime | None = None

    @classmethod
    def of(cls, said: Checkpoint, number: int, order: Sequence[tuple[Any, ...]], rank: Mapping[str, int]) -> Gate:
        """The n-th checkpoint of a plan: where it does not say what it keeps back, all that comes after its last.

        `order` holds the keys of the tasks in plan order, `rank` the place of each in it.
        """
        gate = cls(said.id, said.review, said.phase, said.after, said.before, number, list(said.before))
        gate.unknown = frozenset(i for i in said.after if i not in rank)
        last = max((rank[i] for i in said.after if i in rank), default=None)
        if not said.before and last is not None:
            gate.before_ids = [key[-1] for key in order[last + 1 :]]
            gate.last = order[last]
        return gate

    def contrary(self, rank: Mapping[str, int]) -> bool:
        """Whether it waits for a task that comes later than one which it keeps back."""
        first = min((rank[i] for i in self.before_ids if i in rank), default=len(rank))
        return any(rank.get(i, -1) >= first for i in self.after)

    @property
    def name(self) -> str:
        """What it is called for people."""
        return f"{'phase' if self.phase else 'checkpoint'} {self.id}"


def cycles(nodes: Iterable[K], needs: Callable[[K], Sequence[K]]) -> list[list[K]]:
    """The nodes that wait for themselves: strongly connected components by Tarjan, without recursion."""
    index: dict[K, int] = {}
    low: dict[K, int] = {}
    on_stack: set[K] = set()
    stack: list[K] = []
    found: list[list[K]] = []
    for root in nodes:
        if root in index:
            continue
        work: list[tuple[K, Sequence[K], int]] = [(root, needs(root), 0)]
        while work:
            node, deps, child = work.pop()
            if child == 0:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            descended = False
            for k in range(child, len(deps)):
                dep = deps[k]
                if dep not in index:
                    work += [(node, deps, k + 1), (dep, needs(dep), 0)]
                    descended = True
                    break
                if dep in on_stack:
                    low[node] = min(low[node], index[dep])
            if descended:
                continue
            if low[node] == index[node]:
                group: list[K] = []
                while not group or group[-1] != node:
                    group.append(stack.pop())
                on_stack.difference_update(group)
                if len(group) > 1 or node in deps:
                    found.append(group)
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[node])
    return found


def in_turn(order: Iterable[K], needs: Callable[[K], Iterable[K]]) -> list[K]:
    """This order, but each after what it needs, which goes right before it; a cycle is cut where it is met again."""
    line: list[K] = []
    seen: set[K] = set()
    for root in order:
        way = [(root, False)]
        while way:
            node, done = way.pop()
            if done:
                line.append(node)
            elif node not in seen:
                seen.add(node)
                way.append((node, True))
                way += [(each, False) for each in reversed(tuple(needs(node)))]
    return line
