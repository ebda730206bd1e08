"""Row: very many task files dropped at once into the open cases of a running daemon: none is lost, all are found soon.

Everything is paused, so nothing is dispatched: what is measured is hearing and reading. A task is found when the
journal says that it was taken in.
"""

from __future__ import annotations

import time
from pathlib import Path

from executord.files import journal
from tests.bench import trees
from tests.bench.measures import Measure, Row
from tests.bench.places import Place
from tests.bench.processes import daemon
from tests.bench.start import PAUSED, parsing
from tests.real.kit import Tree

GOAL_S = 5.0
CASES = 100


def measure(place: Place, *, quick: bool, full: bool = False) -> list[Row]:
    """Drop them, wait until each journal has all of them; beside it what reading them costs at the least."""
    count = 100_000 if full else 1000 if quick else 10_000
    each = count // CASES
    base = place.path / "tree"
    base.mkdir()
    tree = Tree(base, trees.config())
    staging = base / "staging"
    staging.mkdir()
    ids = [f"T{k}" for k in range(each)]
    for c in range(CASES):
        name = f"case-{c:03}"
        trees.case(tree.root, name, [])
        trees.write(tree.root / name / "workflow" / "plan.yaml", trees.plan(ids))
        for k, task_id in enumerate(ids):
            trees.write(
                staging / name / "tasks" / "pending" / f"{task_id}.yaml", trees.short_task(task_id, trees.agent_of(k))
            )
    trees.write(tree.root / trees.INBOX / "executor" / ".paused.yaml", PAUSED)
    time.sleep(2.2)
    raw_wall, raw = parsing(staging)
    with daemon(tree):
        tree.until(lambda: _opened(tree.root) == CASES, "the cases are not opened", 120)
        time.sleep(1.0)
        began = time.perf_counter()
        for c in range(CASES):
            source, target = (root / f"case-{c:03}" / "tasks" / "pending" for root in (staging, tree.root))
            for task_id in ids:
                (source / f"{task_id}.yaml").rename(target / f"{task_id}.yaml")
        dropped = time.perf_counter()
        counts = _Counts(tree.root)
        while counts.taken_in() < count and time.perf_counter() < dropped + 900:
            time.sleep(0.1)
        found = time.perf_counter()
    lost = count - counts.taken_in()
    after = found - dropped
    return [
        Row(
            "flood", f"{count} task files renamed into {CASES} open cases at once: from the last until all are found",
            Measure("executord", after, "s"), Measure("read + C loader, all of them", raw_wall, "s"), after / raw_wall,
            f"0 lost, ≤ {GOAL_S:g} s", lost == 0 and after <= GOAL_S, place.file_system,
            "everything paused; durability full",
            facts={"lost": lost, "s to drop them": round(dropped - began, 2),
                   "files/s": round(count / (found - began)), "ms CPU to parse one": round(raw.value / count * 1e3, 3)},
        )
    ]  # fmt: skip


def _opened(root: Path) -> int:
    return sum((root / f"case-{c:03}" / journal.PLACE).exists() for c in range(CASES))


class _Counts:
    """How many tasks the journals have taken in; only what is new is read."""

    def __init__(self, root: Path) -> None:
        self._paths = [root / f"case-{c:03}" / journal.PLACE for c in range(CASES)]
        self._read = dict.fromkeys(self._paths, (0, 0))
        self._count = 0

    def taken_in(self) -> int:
        """So far."""
        for path in self._paths:
            inode, at = self._read[path]
            with path.open("rb") as file:
                here = path.stat().st_ino
                if here != inode:  # a new part: it begins with a snapshot, which is none of these lines
                    at = 0
                file.seek(at)
                data = file.read()
            whole = data.rfind(b"\n") + 1
            self._count += data[:whole].count(b'"name": "admit ')
            self._read[path] = (here, at + whole)
        return self._count
