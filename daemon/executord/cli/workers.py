"""`service stop --workers`: every process of a tree's agents and sessions is ended, verified gone [OPS-23].

Counterpart: `runners/ending.py`. For when the daemon is down: one that runs would take them for failed, and go on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from executord import runners
from executord.clock import WallClock, pause
from executord.errors import ExecutordError, Locked
from executord.files import lock
from executord.files.machine import environment_of
from executord.runners import Stopping, Worker

PATIENCE_S = 5.0  # beyond the time that a worker has for SIGTERM and SIGKILL
_KEYS = ("EXECUTORD_INSTRUCTION", "EXECUTORD_SESSION", "EXECUTORD_TASK", "EXECUTORD_ATTEMPT")


def end_workers(tree: str, grace_s: float = 10.0) -> list[Mapping[str, Any]]:
    """End them all and wait; answers who they were. Raises `Locked` while a daemon runs, `ExecutordError` if any is
    left that cannot be killed."""
    root = os.path.realpath(tree)
    holder = lock.holder(root)
    if holder is not None:
        raise Locked(
            f"the daemon of this tree runs: pid {holder.get('pid', '?')}", path=root,
            fix="stop it first: it would start what is ended",
        )  # fmt: skip
    found = runners.find({"EXECUTORD_MEMORY": root})
    rows: list[Mapping[str, Any]] = [_row(each) for each in found]
    clock = WallClock()
    stopping = [Stopping(_known(each, row), grace_s=grace_s) for each, row in zip(found, rows, strict=True)]
    end = clock.monotonic() + grace_s + 10.0 + PATIENCE_S
    while not _all_gone(stopping, clock.monotonic()) and clock.monotonic() < end:
        pause(0.05)
    left = sorted({pid for each in stopping if each.phase != "gone" for pid in each.left})
    left += [w.pid for w in runners.find({"EXECUTORD_MEMORY": root}) if w.pid not in left]
    if left:
        raise ExecutordError(
            f"{len(left)} processes cannot be ended: {', '.join(map(str, left))}",
            fix="look at them with ps; they wait for the kernel (state D), are frozen, or are another user's",
        )
    return rows


def _all_gone(stopping: list[Stopping], now: float) -> bool:
    """Every one is asked: a deaf one uses up its own grace, not that of those behind it."""
    phases = [each.poll(now) for each in stopping]
    return all(phase == "gone" for phase in phases)


def _row(worker: Worker) -> dict[str, Any]:
    environ = environment_of(worker.pid)
    row: dict[str, Any] = {"pid": worker.pid}
    for key in _KEYS:
        row[key.removeprefix("EXECUTORD_").lower()] = environ.get(key)
    return row


def _known(worker: Worker, row: Mapping[str, Any]) -> Worker:
    """The worker with all marks that its own processes have, so that no other's are taken for them."""
    marks = {f"EXECUTORD_{key.upper()}": value for key, value in row.items() if key != "pid" and value is not None}
    return Worker(
        worker.pid, worker.start_ticks, worker.boot_id, worker.host, worker.cgroup, worker.attempt, worker.work,
        {**worker.marks, **marks},
    )  # fmt: skip
