"""Row: full life cycles with answering worker processes: drop, dispatch, acknowledgement, completion, result, move."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from tests.bench import trees
from tests.bench.eyes import Eyes
from tests.bench.measures import Measure, Row, percentile, spread
from tests.bench.places import Place
from tests.bench.processes import child, loop

GOAL = 200.0
CASES = 10


def one(kind: str, base: Path, count: int, workers: int) -> tuple[Measure, Measure, float]:
    """Cycles per second under load, the milliseconds of one alone, and of processor time for one under load."""
    base.mkdir()
    names = [f"case-{k:02}" for k in range(CASES)]
    single = 20
    ids = [f"T{k}" for k in range(count // CASES)]
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(loop(kind, base / "loop"))
        root = running.root
        for k in range(workers):
            stack.enter_context(child("answering", str(root), *trees.AGENTS[k::workers]))
        eyes = Eyes()
        for name in names:
            trees.case(base / "staging", name, [])
            alone = [f"S{k}" for k in range(single)]
            trees.write(
                base / "staging" / name / "workflow" / "plan.yaml",
                "tier: 3\ntasks:\n" + "".join(f"  - {i}\n" for i in [*ids, *alone]),
            )
            (base / "staging" / name).rename(root / name)
            eyes.watch(root / name / "tasks" / "completed")
        time.sleep(1.0)
        cpu, start = running.cpu_s(), time.perf_counter()
        for k, task_id in enumerate(ids):
            for name in names:
                trees.drop(
                    root / name / "tasks" / "pending", f"{task_id}.yaml", trees.short_task(task_id, trees.agent_of(k))
                )
        ended = _await(eyes, len(ids) * CASES, 30.0)
        total = ended[-1] - start
        spent = (running.cpu_s() - cpu) / len(ended) * 1000
        time.sleep(1.5)
        took = []
        for k in range(single):
            time.sleep(0.03)
            at = time.perf_counter()
            trees.drop(
                root / names[0] / "tasks" / "pending", f"S{k}.yaml", trees.short_task(f"S{k}", trees.agent_of(k))
            )
            took.append((_await(eyes, 1, 10.0)[0] - at) * 1000)
        eyes.close()
    waited = [at - start for at in ended]
    who = "executord" if kind == "executord" else "bare loop"
    rate = Measure(
        who, len(waited) / total, "/s", percentile(waited, 0.5), percentile(waited, 0.99),
        "seconds from the first drop to a task's file in completed/", len(waited),
    )  # fmt: skip
    return rate, spread(f"{who}, one cycle alone", took, "ms"), spent


def _await(eyes: Eyes, count: int, patience_s: float) -> list[float]:
    ended: list[float] = []
    while len(ended) < count:
        came = eyes.see(patience_s)
        at = time.perf_counter()
        if not came:
            raise RuntimeError(f"after {patience_s:g} s of silence {len(ended)} of {count} tasks are completed")
        ended += [at for _, name, _ in came if not name.startswith(".")]
    return ended


def measure(place: Place, *, quick: bool) -> list[Row]:
    """The same workers, once for the bare loop, once for the daemon."""
    count, workers = (200, 1) if quick else (2000, 2)
    raw, raw_alone, raw_cpu = one("bare", place.path / "b", count, workers)
    mine, mine_alone, cpu = one("executord", place.path / "x", count, workers)
    return [
        Row(
            "cycles",
            f"{mine.samples} full life cycles over {CASES} cases with {workers} answering worker processes",
            mine,
            raw,
            raw.value / mine.value,
            f"≥ {GOAL:g}/s",
            mine.value >= GOAL,
            place.file_system,
            f"{trees.ROSTER}; durability full; the workers share the cores; the bare loop verifies nothing",
            beside=(mine_alone, raw_alone),
            facts={"ms CPU/task": f"executord {cpu:.2f}, bare loop {raw_cpu:.2f}, workers not counted"},
        )
    ]
