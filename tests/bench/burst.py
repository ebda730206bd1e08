"""Row: case folders full of ready tasks renamed into the tree of a running daemon, until all are dispatched."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench import trees
from tests.bench.eyes import Eyes
from tests.bench.measures import Measure, Row, percentile
from tests.bench.places import Place
from tests.bench.processes import loop

GOAL = 700.0


def stage(base: Path, cases: int, each: int) -> list[str]:
    """The cases, written whole beside the memory, old enough to count as finished."""
    names = [f"case-{k:04}" for k in range(1, cases + 1)]
    for name in names:
        trees.case(base, name, ((f"T{k}", trees.short_task(f"T{k}", trees.agent_of(k))) for k in range(1, each + 1)))
    return names


def await_all(eyes: Eyes, count: int, patience_s: float) -> list[float]:
    """The moments at which so many letters came and as many files were moved; only letters are kept."""
    letters: list[float] = []
    moved = 0
    while len(letters) < count or moved < count:
        came = eyes.see(patience_s)
        at = time.perf_counter()
        if not came:
            raise RuntimeError(
                f"after {patience_s:g} s of silence {len(letters)} of {count} letters, {moved} files moved"
            )
        for folder, name, _ in came:
            if not name.startswith("."):
                if folder.endswith("/in_progress"):
                    moved += 1
                else:
                    letters.append(at)
    return letters


def one(kind: str, base: Path, cases: int, each: int) -> tuple[Measure, float]:
    """Tasks per second of one loop, with how long a task waited; and its milliseconds of processor time for a task."""
    base.mkdir()
    names = stage(base / "staging", cases, each)
    time.sleep(2.2)  # the settle time: what was written is whole
    with loop(kind, base / "loop") as running:
        root = running.root
        eyes = Eyes()
        for agent in trees.AGENTS:
            eyes.watch(root / trees.INBOX / agent)
        for name in names:
            eyes.watch(base / "staging" / name / "tasks" / "in_progress")
        time.sleep(0.3)
        cpu, start = running.cpu_s(), time.perf_counter()
        for name in names:
            (base / "staging" / name).rename(root / name)
        letters = await_all(eyes, cases * each, 30.0)
        total = time.perf_counter() - start
        spent = (running.cpu_s() - cpu) / len(letters) * 1000
        eyes.close()
    waited = [at - start for at in letters]
    rate = Measure(
        "executord" if kind == "executord" else "bare loop",
        len(waited) / total,
        "/s",
        percentile(waited, 0.5),
        percentile(waited, 0.99),
        "seconds from the burst to a task's delegation",
        len(waited),
    )
    return rate, spent


def measure(place: Place, *, quick: bool) -> list[Row]:
    """Both loops one after the other, on the same files."""
    cases, each = (10, 100) if quick else (100, 100)
    raw, raw_cpu = one("bare", place.path / "b", cases, each)
    mine, cpu = one("executord", place.path / "x", cases, each)
    return [
        Row(
            "burst",
            f"{cases * each} ready tasks in {cases} cases renamed into a running daemon's tree, until all are sent",
            mine,
            raw,
            raw.value / mine.value,
            f"≥ {GOAL:g}/s",
            mine.value >= GOAL,
            place.file_system,
            f"{trees.ROSTER}; durability full",
            facts={"ms CPU/task": f"executord {cpu:.2f}, bare loop {raw_cpu:.2f}"},
        )
    ]
