"""What fell due while nobody was at work is one event of the log [SLA-12, OPS-13].

Counterpart: `executord/clocks/downtime.py`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from executord.clocks.downtime import Downtime, set_back, slept
from executord.files.lock import PLACE, TreeLock, holder
from tests.real.kit import Tree

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(moment: datetime) -> dict[str, Any]:
    """A journal line that fell due then."""
    return {"due": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "name": "remind T1 a1 #1"}


@pytest.mark.spec("SLA-12")
def test_only_what_fell_due_in_the_span_counts():
    """Not what was due before, nor what is due after; without anything there is nothing to say."""
    down = Downtime(NINE, NINE + HOUR)
    down.noted(at(NINE))
    down.noted(at(NINE + 2 * HOUR))
    down.noted({"name": "snapshot"})
    assert down.event() is None
    down.noted(at(NINE + HOUR / 2))
    down.noted(at(NINE + HOUR))
    assert down.event() == {"down_from": "2026-11-20T09:00:00Z", "down_to": "2026-11-20T10:00:00Z", "n": 2}


@pytest.mark.spec("SLA-12", "REL-8")
def test_a_machine_that_slept_was_down():
    """Known by the two clocks; an ordinary wait, a small adjustment and a clock set back are none."""
    nap = slept(NINE, NINE + HOUR, 2.0)
    assert nap is not None
    assert (nap.down_from, nap.down_to) == (NINE, NINE + HOUR)
    assert slept(NINE, NINE + timedelta(seconds=30), 30.0) is None
    assert slept(NINE, NINE + timedelta(seconds=59), 0.1) is None
    assert slept(NINE, NINE - HOUR, 1.0) is None


@pytest.mark.spec("REL-8", "SLA-12")
@pytest.mark.parametrize(
    ("later_s", "waited_s", "back_s"),
    [(30, 30, None), (-3600, 2, 3602), (29, 30, None), (20, 30, 10), (3600, 2, None)],
)
def test_a_clock_that_is_set_back_is_noticed(later_s, waited_s, back_s):
    """By what the monotonic clock says beside it."""
    back = set_back(NINE, NINE + timedelta(seconds=later_s), waited_s)
    assert back == (timedelta(seconds=back_s) if back_s is not None else None)


@pytest.mark.spec("SLA-12", "REL-7")
def test_the_lock_says_until_when_somebody_was_at_work(tmp_path: Path):
    """Stopped: the stop; killed: the last round; a command that only borrowed the lock changes nothing of it."""
    (tmp_path / PLACE).parent.mkdir(parents=True)

    def take(now: datetime) -> TreeLock:
        lock = TreeLock(str(tmp_path))
        lock.take(now)
        return lock

    first = take(NINE)
    assert first.left is None
    first.release(NINE + HOUR)
    assert holder(str(tmp_path)) is None
    borrowed = take(NINE + 2 * HOUR)
    assert borrowed.left == NINE + HOUR
    borrowed.release()
    killed = take(NINE + 3 * HOUR)
    assert killed.left == NINE + HOUR
    killed.rounded(NINE + 4 * HOUR)
    os.close(killed._fd)  # as the death of the process does
    after = take(NINE + 5 * HOUR)
    assert after.left == NINE + 4 * HOUR
    after.release(NINE + 6 * HOUR)
    (tmp_path / PLACE).write_text("{ half a")
    assert take(NINE + 7 * HOUR).left is None


def events(tree: Tree, log: Path) -> list[dict[str, Any]]:
    """The catch-up events of the JSON log."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if line.get("log_event") == "catchup"]


@pytest.mark.spec("SLA-12", "OPS-13")
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_after_downtime_one_event_says_what_was_made_up_for(how, tmp_path, monkeypatch):
    """What came and fell due meanwhile is counted once; no journal has a line of it; nothing due, nothing said."""
    log = tmp_path / "executord.jsonl"
    monkeypatch.setenv("EXECUTORD_LOG_FILE", str(log))
    tree = Tree(tmp_path)
    tree.case("acme-1", ["T1"])
    tree.task("acme-1", "T1")
    tree.start()
    box = "technical-support-engineer"
    tree.until(lambda: "acme-1.T1.a1.delegation.yaml" in tree.inbox(box), "not dispatched")
    assert events(tree, log) == []
    if how == "stopped":
        assert tree.stop() == 0
    else:
        tree.kill()
    time.sleep(1.1)  # instants of the lock are whole seconds
    tree.message("done.yaml", {"type": "completion", "from": box, "instruction_id": "acme-1", "task_id": "T1",
                               "summary": "did it", "output": "fine"})  # fmt: skip
    time.sleep(1.1)
    tree.start()
    tree.until(lambda: "T1" in tree.completed("acme-1"), "the answer is not taken")
    tree.until(lambda: events(tree, log), "no catch-up is said")
    assert tree.stop() == 0
    (event,) = events(tree, log)
    assert event["down_from"] < event["down_to"]
    assert event["n"] >= 1
    assert not any("catchup" in entry["name"] for entry in tree.journal("acme-1"))
    tree.start()
    assert tree.stop() == 0
    assert len(events(tree, log)) == 1


#: The daemon, and its scheduler, on a clock that is behind by as many seconds as stand in a file.
STEPPED = """
import sys, datetime, pathlib
import apscheduler.schedulers.base, apscheduler.triggers.interval
from executord import clock
real = datetime.datetime
path = sys.argv.pop(1)
del sys.argv[1:4]
class Stepped(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) - datetime.timedelta(seconds=int(pathlib.Path(path).read_text()))
clock.WallClock.now = lambda self: Stepped.now(datetime.UTC)
apscheduler.schedulers.base.datetime = apscheduler.triggers.interval.datetime = Stepped
from executord.cli import main
main()
"""


@pytest.mark.spec("SLA-12", "REL-8")
@pytest.mark.hazard(41)
def test_a_clock_that_is_set_back_under_a_daemon_holds_up_nothing(tmp_path):
    """Two hours, while it runs: a claim is taken, the next task given out and worked on; nobody is chased early."""
    step = tmp_path / "step"
    step.write_text("0")
    tree = Tree(tmp_path)
    tree.under = [sys.executable, "-c", STEPPED, str(step)]
    tree.case("acme-1", ["T1", "T2", "T3"], tier=2)
    for task in ("T1", "T2", "T3"):
        tree.task("acme-1", task)
    box = "technical-support-engineer"
    tree.start()
    for k, task in enumerate(("T1", "T2", "T3")):
        tree.until(lambda task=task: f"acme-1.{task}.a1.delegation.yaml" in tree.inbox(box), f"{task} is not given out")
        if k == 1:
            step.write_text("7200")
        tree.message(f"{task}.yaml", {"type": "completion", "from": box, "instruction_id": "acme-1", "task_id": task,
                                      "summary": "did it", "output": "fine"})  # fmt: skip
    tree.until(lambda: tree.completed("acme-1") == {"T1", "T2", "T3"}, "a claim is held up")
    assert tree.stop() == 0
    assert "clock set back" in tree.log.read_text()
    assert not [e for e in tree.journal("acme-1") if e["name"].startswith(("remind", "status", "finalize", "time"))]
