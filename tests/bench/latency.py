"""Row: a task dropped into an open, idle case -> its delegation in the inbox, its file in `in_progress/`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import trees
from tests.bench.eyes import Eyes
from tests.bench.measures import Measure, Row, percentile, spread
from tests.bench.places import Place
from tests.bench.processes import loop

CASE = "case-1"
GAP_S = (0.003, 0.04)
BLOCKS = 4  # ours and the bare loop take turns, so that noise meets both alike


class Watch:
    """The stop-watch on one memory with one open case."""

    def __init__(self, root: Path, ids: list[str]) -> None:
        self._root, self._tasks = root, root / CASE / "tasks"
        staged = root.parent / "staging"
        trees.case(staged, CASE, [])
        plan = "tier: 3\ntasks:\n" + "".join(f"  - {i}\n" for i in ["T0", *ids])
        trees.write(staged / CASE / "workflow" / "plan.yaml", plan)
        (staged / CASE).rename(root / CASE)
        self._eyes = Eyes()
        for agent in trees.AGENTS:
            self._eyes.watch(root / trees.INBOX / agent)
        self._eyes.watch(self._tasks / "in_progress")
        time.sleep(0.5)
        self.drop("T0", 30.0)  # the first one opens the case

    def drop(self, task_id: str, patience_s: float = 10.0) -> float:
        """Milliseconds from the rename of the task's file until both are there."""
        agent = trees.agent_of(int(task_id[1:]))
        pending = self._tasks / "pending"
        aside = pending / f".{task_id}.tmp"
        aside.write_text(trees.short_task(task_id, agent), encoding="utf-8")
        start = time.perf_counter()
        aside.rename(pending / f"{task_id}.yaml")
        wanted = {f"{task_id}.yaml", f"{CASE}.{task_id}.a1.delegation.yaml"}
        while wanted:
            came = self._eyes.see(patience_s)
            if not came:
                raise RuntimeError(f"{task_id} was not dispatched within {patience_s:g} s")
            wanted -= {name for _, name, _ in came}
        return (time.perf_counter() - start) * 1000


def measure(place: Place, *, quick: bool) -> list[Row]:
    """Drops at random small gaps, in turns on both loops, which run at the same time and are idle in between."""
    count = 40 if quick else 200
    ids = [f"T{k}" for k in range(1, count + 1)]
    dice = random.Random(1)
    took: dict[str, list[float]] = {"bare": [], "executord": []}
    with loop("bare", place.path / "bare") as bare, loop("executord", place.path / "executord") as ours:
        watches = {"bare": Watch(bare.root, ids), "executord": Watch(ours.root, ids)}
        size = count // BLOCKS
        for block in range(BLOCKS):
            for kind, watch in watches.items():
                time.sleep(0.2)
                for task_id in ids[block * size : (block + 1) * size]:
                    time.sleep(dice.uniform(*GAP_S))
                    took[kind].append(watch.drop(task_id))
    mine, raw = spread("executord", took["executord"], "ms"), spread("bare loop", took["bare"], "ms")
    ratio = mine.value / raw.value
    p99 = percentile(took["executord"], 0.99)
    return [
        Row(
            "latency",
            f"{len(took['executord'])} tasks dropped by rename into one open, idle case: delegation and move seen",
            mine,
            raw,
            ratio,
            "p50 ≤ 2× raw, p99 ≤ 10 ms",
            ratio <= 2 and p99 <= 10,
            place.file_system,
            f"{trees.ROSTER}; durability full; gaps of {GAP_S[0] * 1000:g} to {GAP_S[1] * 1000:g} ms",
            beside=_flushes(place.path, 20 if quick else 100),
        )
    ]


def _flushes(folder: Path, count: int) -> tuple[Measure, ...]:
    """What the file system itself takes: for the one flush of the bare loop, and for the two of a batch [REL-3].

    The smallest durable thing is an appended line. Of a batch the staged message is flushed with its folder, and then
    the journal's line, so that whatever a line speaks of is on disk when the line is.
    """
    line = os.open(folder / "probe", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    inbox = folder / "probe-inbox"
    inbox.mkdir()
    place = os.open(inbox, os.O_RDONLY)
    one, two = list[float](), list[float]()
    for k in range(count):
        os.write(line, b"x" * 200 + b"\n")
        one.append(_took(os.fdatasync, line))
        staged = os.open(inbox / f"{k}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(staged, b"x" * 1800)
        took = _took(os.fsync, staged, place)
        os.write(line, b"x" * 700 + b"\n")
        two.append(took + _took(os.fsync, line))
        os.close(staged)
    os.close(line)
    os.close(place)
    return (
        Measure("fsync of one appended line", percentile(one, 0.5), "ms"),
        Measure("the two flushes of a batch", percentile(two, 0.5), "ms"),
    )


def _took(flush: Callable[[int], None], *files: int) -> float:
    """Milliseconds for flushing these, one after the other."""
    start = time.perf_counter()
    for fd in files:
        flush(fd)
    return (time.perf_counter() - start) * 1000
