"""Rows: the first and the second start of the daemon on a tree of many task files, and the memory it then takes."""

from __future__ import annotations

import time
from pathlib import Path

import yaml

from tests.bench import trees
from tests.bench.measures import Measure, Row, percentile
from tests.bench.places import Place
from tests.bench.processes import cpu_s
from tests.real.kit import Tree

EACH = 10  # tasks in a case
PAUSED = "all: {by: operator, at: '2026-01-01T00:00:00Z', reason: so that nothing is dispatched while it is measured}\n"


def _stage(root: Path, count: int) -> None:
    for c in range(count // EACH):
        ids = [f"T{k}" for k in range(1, EACH + 1)]
        trees.case(root, f"case-{c:05}", ((i, trees.long_task(i, trees.agent_of(k))) for k, i in enumerate(ids)))
    trees.write(root / trees.INBOX / "executor" / ".paused.yaml", PAUSED)


def parsing(root: Path) -> Measure:
    """Reading every task file and parsing it with the C loader, nothing else."""
    took = []
    paths = sorted(p for p in root.glob("*/tasks/pending/*.yaml"))
    for path in paths:
        start = time.perf_counter()
        with open(path, "rb") as file:
            yaml.load(file.read(), yaml.CSafeLoader)
        took.append(time.perf_counter() - start)
    return Measure(
        "read + C loader", sum(took), "s", percentile(took, 0.5) * 1e6, percentile(took, 0.99) * 1e6,
        "µs for a file", len(took),
    )  # fmt: skip


def _start(tree: Tree) -> float:
    began = time.perf_counter()
    tree.start()
    return time.perf_counter() - began


def _settled(tree: Tree, cases: int) -> float:
    """Wait until every case has its progress file: the first look at each is over. The seconds that took."""
    began = time.perf_counter()
    last = tree.root / f"case-{cases - 1:05}" / "outputs" / "partial" / "progress.yaml"
    tree.until(last.exists, "the cases are not opened", 600)
    tree.until(lambda: _cpu(tree, 0.5) < 0.05, "it does not come to rest", 600)
    return time.perf_counter() - began


def _cpu(tree: Tree, span_s: float) -> float:
    """Seconds of processor time that the daemon takes in a span."""
    assert tree.process is not None
    before = cpu_s(tree.process.pid)
    time.sleep(span_s)
    return cpu_s(tree.process.pid) - before


def _resident_mib(tree: Tree) -> float:
    assert tree.process is not None
    lines = Path(f"/proc/{tree.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def measure(place: Place, *, quick: bool, full: bool = False) -> list[Row]:
    """Nothing is dispatched (all is paused), so what is measured is reading and nothing else."""
    count = 100_000 if full else 1000 if quick else 10_000
    empty_place = place.path / "empty"
    empty_place.mkdir()
    empty_tree = Tree(empty_place, trees.config())
    empty = _start(empty_tree)
    empty_tree.stop()
    base = place.path / "many"
    base.mkdir()
    tree = Tree(base, trees.config())
    _stage(tree.root, count)
    time.sleep(2.2)
    limit = parsing(tree.root)
    first = _start(tree) - empty
    opened = _settled(tree, count // EACH)
    memory = _resident_mib(tree)
    tree.stop()
    second = _start(tree) - empty
    _settled(tree, count // EACH)
    tree.stop()
    setting = f"{count} task files of 43 lines in {count // EACH} cases; everything paused; durability full"
    beside = (Measure("start on an empty tree, already taken off", empty, "s"),)
    goal_memory = 600.0
    return [
        Row(
            "first-start", "from the daemon's start until every file is read and watched",
            Measure("executord", first, "s"), limit, first / limit.value, "≤ 1.5× raw",
            first <= 1.5 * limit.value, place.file_system, setting, beside,
            {"then opened and admitted, s": round(opened, 2)},
        ),
        Row(
            "second-start", "the same after a stop, nothing changed", Measure("executord", second, "s"), limit,
            second / limit.value, "≥ 5× faster than the first", second * 5 <= first, place.file_system, setting, beside,
            {"faster than the first": f"{first / second:.1f}×"},
        ),
        Row(
            "memory", "resident memory with these tasks open", Measure("executord", memory, "MiB"), None, None,
            "≤ 600 MiB with 100,000", memory <= goal_memory if full else None, place.file_system, setting,
            facts={"KiB a task": round(memory * 1024 / count, 1)},
        ),
    ]  # fmt: skip
