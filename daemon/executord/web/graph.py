"""The graph of a case's tasks as a drawing: which task stands where, and the lines between them [OPS-16]. Pure.

Counterpart: `templates/case.html`, which draws it. The table of tasks beside it says the same in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST = 150
"""Tasks; a drawing of more could not be read."""
WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 168, 46, 44, 14, 6


@dataclass(frozen=True, slots=True)
class Node:
    """One task: where its box stands, in pixels from the left and from the top."""

    task: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes, the paths between them as SVG writes them, and the size of it all in pixels."""

    nodes: tuple[Node, ...]
    paths: tuple[str, ...]
    width: int
    height: int


def draw(tasks: Sequence[str], after: Mapping[str, Sequence[str]]) -> Drawing | None:
    """The tasks in columns, each to the right of all that it comes `after`. None where there is nothing to draw."""
    known = set(tasks)
    before = {task: [t for t in dict.fromkeys(after.get(task, ())) if t in known and t != task] for task in tasks}
    if not any(before.values()) or len(tasks) > MOST:
        return None
    column = _columns(tasks, before)
    place: dict[str, tuple[int, int]] = {}
    heights: dict[int, int] = {}
    for number in range(max(column.values()) + 1):
        row = [t for t in tasks if column[t] == number]
        row.sort(key=lambda t: _middle([place[b][1] for b in before[t] if b in place], place_of=tasks.index(t)))
        for k, task in enumerate(row):
            place[task] = (number, k)
        heights[number] = len(row)
    tall = max(heights.values())
    nodes = {
        t: Node(t, EDGE + c * (WIDTH + ACROSS), EDGE + k * (HEIGHT + DOWN) + (tall - heights[c]) * (HEIGHT + DOWN) // 2)
        for t, (c, k) in place.items()
    }
    paths = tuple(_path(nodes[b], nodes[t]) for t in tasks for b in before[t])
    wide = max(heights) + 1
    size = 2 * EDGE + wide * WIDTH + (wide - 1) * ACROSS, 2 * EDGE + tall * HEIGHT + (tall - 1) * DOWN
    return Drawing(tuple(nodes[t] for t in tasks), paths, *size)


def _columns(tasks: Sequence[str], before: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The longest way to each task; what waits for itself in a ring ends up one column after where it was reached."""
    column = dict.fromkeys(tasks, 0)
    for _ in tasks:
        moved = False
        for task in tasks:
            least = max((column[b] + 1 for b in before[task]), default=0)
            if least > column[task] and least < len(tasks):
                column[task], moved = least, True
        if not moved:
            break
    used = {old: new for new, old in enumerate(sorted(set(column.values())))}
    return {task: used[number] for task, number in column.items()}


def _middle(rows: Sequence[int], *, place_of: int) -> tuple[float, int]:
    return (sum(rows) / len(rows) if rows else place_of, place_of)


def _path(source: Node, target: Node) -> str:
    """A curve from the right of one box to the left of the other."""
    x1, y1, x2, y2 = source.x + WIDTH, source.y + HEIGHT // 2, target.x, target.y + HEIGHT // 2
    bend = max(ACROSS // 2, abs(x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
