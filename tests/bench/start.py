"""Rows: the first and the second start of the daemon on a tree of many task files, and the memory it then takes."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import yaml

from executord.bells import Bells
from executord.files.marks import Marks
from executord.loop import garbage
from executord.policy import make_policy
from executord.service import Service
from tests.bench import trees
from tests.bench.measures import Measure, Row, percentile
from tests.bench.places import Place
from tests.bench.processes import cpu_s
from tests.real.kit import Tree

EACH = 10  # tasks in a case
ROUNDS, ROUND_S = 3, 5
GOAL_MEMORY = 600.0
PAUSED = "all: {by: operator, at: '2026-01-01T00:00:00Z', reason: so that nothing is dispatched while it is measured}\n"


def _stage(root: Path, count: int) -> None:
    for c in range(count // EACH):
        ids = [f"T{k}" for k in range(1, EACH + 1)]
        trees.case(root, f"case-{c:05}", ((i, trees.long_task(i, trees.agent_of(k))) for k, i in enumerate(ids)))
    trees.write(root / trees.INBOX / "executor" / ".paused.yaml", PAUSED)


def parsing(root: Path) -> tuple[float, Measure]:
    """Reading every task file and parsing it with the C loader: seconds on the clock, and of processor time."""
    took = []
    paths = sorted(root.glob("*/tasks/pending/*.yaml"))
    began, start = time.perf_counter(), time.process_time()
    for path in paths:
        at = time.perf_counter()
        with open(path, "rb") as file:
            yaml.load(file.read(), yaml.CSafeLoader)
        took.append(time.perf_counter() - at)
    cpu, wall = time.process_time() - start, time.perf_counter() - began
    return wall, Measure(
        "read + C loader", cpu, "s CPU", percentile(took, 0.5) * 1e6, percentile(took, 0.99) * 1e6,
        "µs for a file", len(took),
    )  # fmt: skip


def looking(root: Path) -> Measure:
    """What a round cannot do without: a scandir of each folder and an lstat of each task file."""
    start = time.process_time()
    count = 0
    for case in os.scandir(root):
        for folder in ("pending", "in_progress", "completed"):
            with contextlib.suppress(OSError), os.scandir(f"{case.path}/tasks/{folder}") as entries:
                for entry in entries:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return Measure("scandir + lstat", time.process_time() - start, "s CPU/round", samples=1)


def opened(root: Path, state: Path, *, keep: bool) -> tuple[float, float]:
    """Seconds of processor time and on the clock until a service has read every case and watches it.

    In a process of its own, as the daemon does it; with `keep` what is known is then kept for the next start.
    """
    with get_context("fork").Pool(1) as pool:
        return pool.apply(_opened, (str(root), str(state), keep))


def _opened(root: str, state: str, keep: bool) -> tuple[float, float]:
    policy = make_policy(roster={name: {"capacity": 0} for name in trees.AGENTS})
    bells = Bells(root, lambda _ring: None)
    bells.start()
    now = datetime.now(UTC)
    cpu, wall = time.process_time(), time.perf_counter()
    service = Service(root, policy, durable=False, marks=Marks(state), state=state)
    with garbage.kept():
        service.open(now)
    for case_id in service.cases:
        bells.watch_case(case_id)
    took = time.process_time() - cpu, time.perf_counter() - wall
    bells.stop()
    if keep:
        service.settle_marks(now)
        service.keepsakes.put(service.cases)
    return took


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
    tree = Tree(place.path, trees.config(round=f"{ROUND_S}s"))
    state = place.path / "kept"
    state.mkdir()
    _stage(tree.root, count)
    time.sleep(2.2)
    raw_wall, limit = parsing(tree.root)
    mine, wall = opened(tree.root, state, keep=False)
    tree.start(patience_s=900)
    took_in = _settled(tree, count // EACH)
    memory = _resident_mib(tree)
    _cpu(tree, 2 * ROUND_S)  # two rounds find it as it was: from then on it lies still
    idle = _cpu(tree, ROUNDS * ROUND_S) / ROUNDS
    looked = looking(tree.root)
    tree.stop(patience_s=300)
    opened(tree.root, state, keep=True)
    again, wall_again = opened(tree.root, state, keep=False)
    setting = f"{count} task files of 43 lines in {count // EACH} cases; everything paused; durability full"
    idle_goal = 0.6 * count / 100_000
    return [
        Row(
            "first-start", "from the daemon's start until every file is read and watched, seconds of processor time",
            Measure("executord", mine, "s CPU"), limit, mine / limit.value, "≤ 1.5× raw",
            mine <= 1.5 * limit.value, place.file_system, setting,
            facts={"s on the clock": f"{wall:.1f}, parsing {raw_wall:.1f}",
                   "µs CPU/file": f"{mine / count * 1e6:.0f}, parsing {limit.value / count * 1e6:.0f}",
                   "then opened and admitted by the daemon, s": round(took_in, 2)},
        ),
        Row(
            "second-start", "the same after a stop, nothing changed", Measure("executord", again, "s CPU"), limit,
            again / limit.value, "≥ 5× faster than the first", again * 5 <= mine, place.file_system, setting,
            facts={"faster than the first": f"{mine / again:.1f}× (CPU), {wall / wall_again:.1f}× (clock)",
                   "µs CPU/file": f"{again / count * 1e6:.0f}"},
        ),
        Row(
            "idle", f"a round over {count // EACH} open cases in which nothing has happened",
            Measure("executord", idle, "s CPU/round"), looked, idle / looked.value,
            f"≤ {idle_goal:.2g} s (0.6 for 10,000 cases)", idle <= idle_goal, place.file_system, setting,
            facts={"µs CPU/file": round(idle / count * 1e6, 1), "rounds": ROUNDS, "every, s": ROUND_S},
        ),
        Row(
            "memory", "resident memory with these tasks open", Measure("executord", memory, "MiB"), None, None,
            "≤ 600 MiB with 100,000", memory <= GOAL_MEMORY if full else None, place.file_system, setting,
            facts={"KiB a task": round(memory * 1024 / count, 1)},
        ),
    ]  # fmt: skip
