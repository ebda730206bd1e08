"""`kill -9` at seeded moments with a set clock: the tree afterwards is that of a run that nobody disturbed [REL-2].

Cases of every kind: tasks of all tiers, a customer, an incident, people's hands, what must be refused. At each instant
what people do is laid down, and a process of its own looks; it is killed while it does, again and again, and at last
left alone. Channels and programs in real time: there what must be so once is counted. Counterparts:
`stories/dying.py`, which dies between our own disk operations; `test_storm.py`, in real time.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.real.kit import INBOX, drop, environ
from tests.soak.__main__ import Soak
from tests.stories.dying import copy_tree, unlike
from tests.stories.kit import ENGINEER, UPDATE, WRITER, tree_of

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
LOOK = """
import sys
from datetime import datetime
from executord.policy import make_policy
from executord.rehearsal import Rehearsal
play = Rehearsal(sys.argv[1], make_policy(), datetime.fromisoformat(sys.argv[2]))
play.look()
play.close()
"""
LEAD, LIAISON, CHIEF = "support-manager", "customer-success-manager", "escalation-manager"
COMPONENTS = {
    "root_cause_analysis": "a pool of 50 connections", "resolution_steps": ["raise it"], "preventive_measures": "alarm",
    "knowledge_base_article": "KB-352", "follow_up_plan": {"date": "2031-01-01"},
}  # fmt: skip
Files = Mapping[str, Any]


def case(name: str, tier: int, tasks: Mapping[str, str], **head: Any) -> Files:
    """A case as it comes: instruction, plan, tasks."""
    files: dict[str, Any] = {
        f"{name}/instruction.yaml": {"title": name, "priority": "high", "created_at": "2026-11-20T08:50:00Z", **head},
        f"{name}/workflow/plan.yaml": {"tier": tier, "tasks": list(tasks), "deliverable_type": "ticket_resolution"},
    }
    for task, agent in tasks.items():
        files[f"{name}/tasks/pending/{task}.yaml"] = {"id": task, "title": f"work on {task}", "assigned_to": agent}
    return files


def says(name: str, kind: str, sender: str, about: str | None, **more: Any) -> Files:
    """A message into the executor's inbox."""
    body = {"type": kind, "from": sender, "instruction_id": about, **more}
    return {f"{INBOX}/executor/{name}.yaml": {k: v for k, v in body.items() if v is not None}}


def done(name: str, sender: str, about: str, task: str, **more: Any) -> Files:
    """A completion that brings every component."""
    more = {"summary": "did it", "output": {"is": "fine"}, "components": COMPONENTS, **more}
    return says(name, "completion", sender, about, task_id=task, **more)


#: Minutes after nine → what people do then. Where a path stands for a body, the file is moved there.
PLAY: tuple[tuple[float, Files], ...] = (
    (0, {**case("ticket", 1, {"T1": ENGINEER}, customer={"name": "Acme", "contact": "ops@acme.example"}),
         **case("steps", 2, {"T1": ENGINEER, "T2": WRITER}), **case("streams", 3, {f"T{k}": WRITER for k in range(6)}),
         **case("outage", 4, {"T1": ENGINEER, "T2": WRITER})}),
    (5, {**says("a1", "acknowledgement", ENGINEER, "ticket", task_id="T1"),
         **says("a2", "incident", LEAD, "outage", severity="Sev 2", description="every third checkout fails"),
         **says("a3", "nonsense", "nobody", "ticket"), f"{INBOX}/executor/a4.yaml": "type: [\n"}),
    (9, {**says("b1", "customer_update", LIAISON, "ticket", **UPDATE),
         **done("b2", ENGINEER, "steps", "T1"), **done("b3", WRITER, "streams", "T0"),
         **says("b4", "blocked", WRITER, "streams", task_id="T1", description="waiting for the version")}),
    (20, {"outage/tasks/in_progress/T2.yaml": "outage/tasks/pending/T2.yaml",
          **says("c1", "priority_change", LEAD, "streams", priority="critical", reason="they call"),
          **says("c2", "unblocked", LIAISON, "streams", task_id="T1", answer="it is 3.1"),
          **says("c3", "incident_action", ENGINEER, "outage", action="raised the limit")}),
    (40, {**done("d1", WRITER, "steps", "T2"), **done("d2", WRITER, "streams", "T1"),
          **done("d3", ENGINEER, "ticket", "T1", customer_update=UPDATE), **done("d4", WRITER, "streams", "T99"),
          **case("late", 1, {"T1": "nobody-known"})}),
    (90, {**says("e1", "verdict", "validator", "steps", verdict="PASS"),
          **says("e2", "verdict", "validator", "ticket", verdict="FIXABLE", issues=["T1: say which pool"]),
          **says("e3", "hold", LEAD, "streams", reason="a release")}),
    (100, {**says("f1", "release", LEAD, "streams"), **done("f2", ENGINEER, "ticket", "T1", customer_update=UPDATE),
           **says("f3", "incident_resolved", CHIEF, "outage", summary="20 orders in a row")}),
    (300, {**done("g1", ENGINEER, "outage", "T1"), **done("g2", WRITER, "outage", "T2"),
           **says("g3", "incident_update", CHIEF, "outage", retrospective="nobody watched",
                  prevention_plan=[{"measure": "an alarm", "owner": "platform", "date": "2031-01-01"}])}),
    (3000, {**says("h1", "verdict", "validator", "outage", verdict="PASS")}),
)  # fmt: skip


def lay(root: Path, files: Files, at: datetime) -> None:
    """What people do at one instant, with that instant's times."""
    for path, body in files.items():
        full = root / path
        if isinstance(body, str) and body.startswith("outage/"):
            if full.exists():
                full.rename(root / body)
        else:
            drop(full, body if isinstance(body, str) else yaml.safe_dump(body, sort_keys=False))
            age = (at - timedelta(seconds=30)).timestamp()
            os.utime(full, (age, age))


def look(root: Path, at: datetime, kill_after_s: float | None = None) -> int:
    """A process looks at this instant; its exit code, negative where it was killed before it came to its end."""
    with (root.parent / "errors").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", LOOK, str(root), at.isoformat()], stdout=errors, stderr=errors,
            env={**environ(), "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            process.send_signal(signal.SIGKILL)
        return process.wait(600)


def mixed_storm(folder: Path, seed: int, kills: int) -> None:
    """The play twice, each look of the second killed so often."""
    dice = random.Random(seed)
    calm, storm = folder / "calm/tree", folder / "storm/tree"
    for root in (calm, storm):
        (root / INBOX / "executor").mkdir(parents=True)
    died = changed = 0
    for minutes, files in PLAY:
        at = START + timedelta(minutes=minutes)
        lay(calm, files, at)
        lay(storm, files, at)
        began = time.monotonic()
        assert look(calm, at) == 0, (folder / "calm/errors").read_text()
        took = time.monotonic() - began
        before = tree_of(str(storm))
        for _ in range(kills):
            died += look(storm, at, dice.uniform(0.3, 1.05) * took) == -signal.SIGKILL
            changed += tree_of(str(storm)) != before
        assert look(storm, at) == 0, (folder / "storm/errors").read_text()
        differs = unlike(tree_of(str(calm)), tree_of(str(storm)))
        assert not differs, f"after {minutes} minutes, seed {seed}: {differs}"
    assert died >= len(PLAY) * kills // 2, f"only {died} were killed in time"
    assert changed, "every death came before anything was written: the test shows nothing"
    noted = "".join(p.read_text() for p in storm.glob("*/outputs/partial/journal.yaml"))
    for word in (
        'incident inc-outage-1 closed"',
        '"hand off #1"',
        '"update #1"',
        '"hand-move ',
        '"FIXABLE"',
    ):
        assert word in noted, f"{word}: the play does not come to it"
    copy_tree(str(storm), str(folder / "again"))
    assert look(folder / "again", at) == 0
    assert not unlike(tree_of(str(storm)), tree_of(str(folder / "again"))), "a restart with the clock standing wrote"


@pytest.mark.spec("REL-2", "REL-1", "MEM-21")
@pytest.mark.hazard(43)
def test_cases_of_every_kind_survive_kills(tmp_path: Path) -> None:
    """Every path and every byte, after each of nine instants."""
    mixed_storm(tmp_path, int(os.environ.get("EXECUTORD_SEED", "1")), 1)


@pytest.mark.slow
@pytest.mark.spec("REL-2", "REL-1", "MEM-21")
@pytest.mark.parametrize("seed", range(1, 5))
def test_cases_of_every_kind_survive_many_kills(tmp_path: Path, seed: int) -> None:
    """Four seeds, more than a hundred deaths each."""
    mixed_storm(tmp_path, seed, 12)


def killed_at_work(folder: Path, seed: int, seconds: float) -> dict[str, Any]:
    """So many seconds of cases of every kind with programs, mail and a web channel, and kills; the account of it."""
    soak = Soak(folder, seed, only_kills=True)
    try:
        return soak.run(seconds)
    finally:
        soak.tree.ending.set()
        if soak.tree.process is not None and soak.tree.process.poll() is None:
            soak.tree.kill()
        soak.tree.leave()
        soak.mail.close()
        soak.hook.close()


@pytest.mark.slow
@pytest.mark.spec("REL-1", "REL-2", "SLA-16", "OPS-18")
@pytest.mark.hazard(43)
@pytest.mark.parametrize("seed", range(1, 4))
def test_what_goes_out_by_channels_and_programs_survives_kills(tmp_path: Path, seed: int) -> None:
    """Updates by mail and by a hook that fails now and then, programs, an incident, sessions: nothing lost, a mail at
    most once, a program once for each attempt, every line of a journal once, and nothing left half done.

    What a server and a program come to has instants of the real clock in it (when the server answered, when the program
    ended, its pid), so two runs are never equal byte for byte. With a clock that is set, and byte for byte, both
    are stories in `stories/channels.py` and `stories/programs.py`, which die before each of our own operations.
    """
    report = killed_at_work(tmp_path, seed, 30)
    assert (report["lost"], report["duplicated"], report["unsound"]) == ([], [], [])
    assert report["faults_survived"], "nothing was killed"
    ended = report["load"]["ended"]
    assert ended["programs"], "no program ran: the test shows nothing"
    assert ended["updates by mail"] + ended["updates by web"], "nothing went out: the test shows nothing"
