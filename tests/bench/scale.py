"""Rows: one case of many tasks against many cases of few, and how the cost grows with the size of a case.

The service in this process, `durability: process`, so that what is measured is our own work and not the disk's.
Seconds of processor time (user and system), because other processes disturb the clock on the wall.
"""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

from executord.loop import garbage
from executord.policy import make_policy
from executord.service import Rings, Service
from tests.bench import bare, trees
from tests.bench.measures import Measure, Row, exponent
from tests.bench.places import Place

CHUNK = 400  # letters that come in one turn
NOW = datetime.now(UTC) + timedelta(days=1)  # later than every file that is made: all are whole


def _stage(root: Path, cases: int, each: int) -> list[tuple[str, str, str]]:
    bare.prepare(root)
    jobs = []
    for c in range(cases):
        case_id = f"case-{c:05}"
        ids = [f"T{k}" for k in range(1, each + 1)]
        trees.case(root, case_id, ((i, trees.short_task(i, trees.agent_of(k))) for k, i in enumerate(ids)))
        jobs += [(case_id, i, trees.agent_of(k)) for k, i in enumerate(ids)]
    return jobs


def _letters(root: Path, jobs: list[tuple[str, str, str]]) -> list[str]:
    names = []
    for case_id, task_id, agent in jobs:
        name = f"{case_id}-{task_id}.yaml"
        text = (
            f"type: completion\nfrom: {agent}\ninstruction_id: {case_id}\ntask_id: {task_id}\nattempt: 1\n"
            f"summary: did {task_id}\noutput: all is well\n"
        )
        (root / bare.OWN / name).write_text(text, encoding="utf-8")
        names.append(name)
    return names


class Spent:
    """Processor and wall seconds of what stands inside `with`, added up."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def __enter__(self) -> Spent:
        self._began = (time.process_time(), time.perf_counter())
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu += time.process_time() - self._began[0]
        self.wall += time.perf_counter() - self._began[1]


def ours(root: Path, cases: int, each: int) -> dict[str, Spent]:
    """What load, dispatch and completion of all tasks take; in a process of its own, as a daemon is one."""
    with get_context("fork").Pool(1) as pool:
        return pool.apply(_ours, (root, cases, each))


def _ours(root: Path, cases: int, each: int) -> dict[str, Spent]:
    jobs = _stage(root, cases, each)
    spent = {"load": Spent(), "dispatch": Spent(), "completion": Spent()}
    gc.collect()
    service = Service(str(root), make_policy(roster={name: {"capacity": 0} for name in trees.AGENTS}), durable=False)
    with spent["load"], garbage.kept():
        service.open(NOW)
    with spent["dispatch"]:
        service.everything(NOW)
    names = _letters(root, jobs)
    for k in range(0, len(names), CHUNK):
        chunk = names[k : k + CHUNK]
        with spent["completion"]:
            now = NOW + timedelta(seconds=2 * k // CHUNK)
            service.turn(now, Rings(named={f"executor/{name}": True for name in chunk}))
    with spent["completion"]:
        service.finish(NOW + timedelta(days=1))
    done = sum(case.counts["completed"] for case in service.cases.values())
    if done != len(jobs):
        raise RuntimeError(f"{done} of {len(jobs)} tasks were completed")
    return spent


def raw(root: Path, cases: int, each: int) -> Spent:
    """The same files through the bare loop, in this process."""
    jobs = _stage(root, cases, each)
    loop = bare.Bare(str(root), durable=False)
    spent = Spent()
    with spent:
        tasks = [(c, name) for c in sorted({c for c, _, _ in jobs}) for name in loop.pending(c)]
        for k in range(0, len(tasks), bare.BATCH):
            loop.carry_out([loop.task(c, name) for c, name in tasks[k : k + bare.BATCH]])
    names = _letters(root, jobs)
    with spent:
        for k in range(0, len(names), bare.BATCH):
            loop.carry_out([loop.letter(name) for name in names[k : k + bare.BATCH]])
    return spent


def _per_task(name: str, parts: dict[str, Spent] | Spent, count: int) -> Measure:
    spent = [parts] if isinstance(parts, Spent) else list(parts.values())
    return Measure(name, sum(s.cpu for s in spent) / count * 1000, "ms CPU/task")


def measure(place: Place, *, quick: bool, full: bool = False) -> list[Row]:
    """The sweep over sizes, then its largest case of the usual size against as many tasks in cases of 100."""
    setting = f"{trees.ROSTER}; durability process; the service in a process of its own, processor time"
    sizes = (100, 300, 1000) if quick else (100, 1000, 10_000)
    count = sizes[-1]
    found: dict[int, dict[str, Spent]] = {}
    sweep = _sweep(place, setting, (*sizes, 30_000, 100_000) if full else sizes, found)
    return [_one_against_many(place, setting, count, found[count]), sweep]


def _one_against_many(place: Place, setting: str, count: int, one: dict[str, Spent]) -> Row:
    cases = count // 100
    many = ours(place.path / "many", cases, 100)
    limit = raw(place.path / "raw", 1, count)
    first, second = _per_task("one case", one, count), _per_task(f"{cases} cases", many, count)
    return Row(
        "one-case",
        f"one case of {count} tasks against {cases} cases of 100: load, dispatch and completion of a task",
        first,
        _per_task("bare loop", limit, count),
        first.value / (limit.cpu / count * 1000),
        "≤ 2× that of many cases",
        first.value <= 2 * second.value,
        place.file_system,
        setting,
        beside=(second,),
        facts={
            "one case against many": f"{first.value / second.value:.2f}×",
            "ms CPU/task in one case": _parts(one, count),
            "ms CPU/task in many": _parts(many, count),
            "wall s": f"one {_wall(one):.1f}, many {_wall(many):.1f}, bare loop {limit.wall:.1f}",
        },
    )


def _parts(spent: dict[str, Spent], count: int) -> str:
    return ", ".join(f"{name} {s.cpu / count * 1000:.3f}" for name, s in spent.items())


def _wall(spent: dict[str, Spent]) -> float:
    return sum(s.wall for s in spent.values())


def _sweep(place: Place, setting: str, sizes: tuple[int, ...], found: dict[int, dict[str, Spent]]) -> Row:
    ours_at, raw_at = [], []
    facts = {}
    for n in sizes:
        spent = found[n] = ours(place.path / f"sweep-{n}", 1, n)
        ours_at.append((float(n), sum(s.cpu for s in spent.values())))
        facts[f"{n} tasks"] = f"ms CPU/task {_parts(spent, n)}"
        if n in (sizes[0], 1000, sizes[-1]):
            limit = raw(place.path / f"bare-{n}", 1, n)
            raw_at.append((float(n), limit.cpu))
            facts[f"{n} tasks"] += f"; bare loop {limit.cpu / n * 1000:.3f}"
    mine, limits = exponent(ours_at), exponent(raw_at)
    return Row(
        "scale",
        f"exponent k of total time ~ n^k for one case of {sizes[0]} to {sizes[-1]} tasks, least squares in log-log",
        Measure("executord", mine, "", samples=len(sizes)),
        Measure("bare loop", limits, "", samples=len(raw_at)),
        None,
        "k ≤ 1.1",
        mine <= 1.1,
        place.file_system,
        setting,
        facts=facts,
    )
