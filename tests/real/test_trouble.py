"""Full disks, lost events, moved trees, hands on a live tree: said, survived, repaired [REL-4 … REL-7]."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.real.kit import INBOX, Tree, Worker, drop

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


@AS_ROOT
@pytest.mark.spec("REL-5")
@pytest.mark.hazard(29)
def test_a_full_disk_stops_the_taking_on_and_is_gone_on_from(small_disk: Path, tmp_path: Path) -> None:
    """Nothing half done while the disk is full, and no hand is needed when there is room again."""
    tree = Tree(small_disk, {"settle": "0.2 seconds", "round": "2 seconds"})
    tree.state = tmp_path / "state"
    tree.log = tmp_path / "daemon.log"
    tree.case("acme-1", [f"T{k}" for k in range(1, 6)])
    for k in range(1, 6):
        tree.task("acme-1", f"T{k}")
    ballast = small_disk / "ballast"
    fd = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(fd, b"x" * 4096):
            pass
    os.close(fd)
    tree.start()
    tree.until(lambda: "cannot write" in tree.log.read_text(), "a full disk is not said")
    assert not list(tree.root.glob("acme-1/tasks/in_progress/*.yaml"))
    ballast.unlink()
    worker = Worker(tree, "technical-support-engineer")
    worker.start()
    tree.until(lambda: len(tree.completed("acme-1")) == 5, "it does not go on when there is room")
    worker.stop()
    assert tree.stop() == 0
    assert not {n: c for n, c in worker.got.items() if c > 1}
    assert [e["n"] for e in tree.journal("acme-1")] == list(range(1, len(tree.journal("acme-1")) + 1))
    assert not list(tree.root.glob("**/.x-*"))


@pytest.mark.spec("REL-6", "MEM-26")
@pytest.mark.hazard(33)
def test_a_burst_that_overflows_the_kernels_queue_loses_no_task(tmp_path: Path) -> None:
    """20,000 files while the daemon is stopped by a signal: all are found."""
    tree = Tree(tmp_path, {"settle": "0.2 seconds", "round": "5 seconds", "durability": "process"})
    tree.case("acme-1", [])
    tree.task("acme-1", "T0", "id: T0\ntitle: x\nassigned_to: engineering\n")
    tree.start()
    tree.until(lambda: (tree.root / "acme-1/tasks/in_progress/T0.yaml").exists(), "the first task is not dispatched")
    assert tree.process is not None
    tree.process.send_signal(signal.SIGSTOP)
    inbox = tree.root / INBOX / "executor"
    for k in range(20_000):
        (inbox / f"noise-{k}.tmp").write_bytes(b"")
        os.unlink(inbox / f"noise-{k}.tmp")
    for k in range(1, 301):
        tree.task("acme-1", f"T{k}", f"id: T{k}\ntitle: x\nassigned_to: engineering\n")
    tree.process.send_signal(signal.SIGCONT)
    there = tree.root / "acme-1/tasks/in_progress"
    tree.until(lambda: len(list(there.iterdir())) == 301, "tasks were lost in the overflow", 60)
    assert tree.stop() == 0


@pytest.mark.spec("REL-6", "MEM-25")
@pytest.mark.hazard(40)
def test_a_memory_that_is_moved_away_is_not_everything_deleted(tmp_path: Path) -> None:
    """The daemon ends, saying so; when the memory is back nothing was cancelled."""
    tree = Tree(tmp_path, {"settle": "0.2 seconds", "round": "1 second"})
    tree.case("acme-1", ["T1"])
    tree.task("acme-1", "T1")
    tree.start()
    tree.until(lambda: (tree.root / "acme-1/tasks/in_progress/T1.yaml").exists(), "the task is not dispatched")
    away = tmp_path / "away"
    tree.root.rename(away)
    tree.root.mkdir()
    assert tree.process is not None
    assert tree.process.wait(20) == 66
    assert "nothing was changed" in tree.log.read_text()
    assert not list(tree.root.iterdir()), "it wrote into the folder that lies in the memory's place"
    tree.root.rmdir()
    away.rename(tree.root)
    assert tree.call("run", "--once").returncode == 0
    assert (tree.root / "acme-1/tasks/in_progress/T1.yaml").exists()
    assert not [e for e in tree.journal("acme-1") if e["name"].startswith("delete")]


@pytest.mark.spec("MEM-1", "OPS-9", "EXE-25")
def test_a_new_configuration_is_taken_on_sighup_and_a_bad_one_is_not(tmp_path: Path) -> None:
    """All or nothing: the bad file is named in the log and the old one stays in force."""
    tree = Tree(tmp_path, {"settle": "0.2 seconds", "roster": {"technical-support-engineer": {"capacity": 1}}})
    tree.case("acme-1", ["T1", "T2"])
    tree.task("acme-1", "T1")
    tree.task("acme-1", "T2")
    tree.start()
    there = tree.root / "acme-1/tasks/in_progress"
    tree.until(lambda: there.is_dir() and len(list(there.iterdir())) == 1, "the first task is not dispatched")
    time.sleep(0.5)
    assert len(list(there.iterdir())) == 1
    assert tree.process is not None
    tree.config.write_text("settel: 1 second\n")
    tree.process.send_signal(signal.SIGHUP)
    tree.until(lambda: "the configuration stays as it was" in tree.log.read_text(), "a bad configuration is not named")
    tree.config.write_text(
        yaml.safe_dump({"settle": "0.2 seconds", "roster": {"technical-support-engineer": {"capacity": 5}}})
    )
    tree.process.send_signal(signal.SIGHUP)
    tree.until(lambda: len(list(there.iterdir())) == 2, "the new capacity is not in force")
    assert tree.stop() == 0


@pytest.mark.spec("OPS-11")
def test_a_stop_just_after_the_start_is_heard_at_once(tmp_path: Path) -> None:
    """SIGTERM while it still looks at the tree for the first time ends it now, not when something next rings."""
    tree = Tree(tmp_path)
    for _ in range(4):
        tree.start()
        began = time.monotonic()
        assert tree.stop() == 0
        assert time.monotonic() - began < 15


@pytest.mark.spec("OPS-6", "CON-18")
def test_until_idle_ends_by_itself_or_gives_up(tmp_path: Path) -> None:
    """0 when nothing is in progress, 124 when something stays so."""
    tree = Tree(tmp_path, {"settle": "0.1 seconds"})
    assert tree.call("run", "--until-idle", "--max-wait", "20s").returncode == 0
    tree.case("acme-1", ["T1"])
    tree.task("acme-1", "T1")
    assert tree.call("run", "--until-idle", "--max-wait", "2s").returncode == 124
    tree.message("done.yaml", {
        "type": "done", "from": "technical-support-engineer", "task_id": "T1", "summary": "s", "output": "o",
    })  # fmt: skip
    assert tree.call("run", "--until-idle", "--max-wait", "20s").returncode == 0
    assert tree.completed("acme-1") == {"T1"}


@pytest.mark.spec("MEM-25", "REL-2", "EXE-28")
def test_a_plan_that_is_deleted_hides_no_task_that_is_still_to_come(tmp_path: Path) -> None:
    """Killed before it is missed, or after: T2 was to come, so T1 is not all there is before the planner says so."""
    tree = Tree(tmp_path, {"settle": "0.3 seconds", "round": "2 seconds"})
    for case_id in ("acme-1", "acme-2"):
        tree.case(case_id, ["T1", "T2"], tier=1)
        tree.task(case_id, "T1")
    tree.start()
    tree.until(lambda: len(tree.inbox("technical-support-engineer")) == 2, "nothing is given out")
    (tree.root / "acme-1/workflow/plan.yaml").unlink()
    tree.until(lambda: len(tree.inbox("planner")) == 1, "the planner is not told")
    tree.kill()
    (tree.root / "acme-2/workflow/plan.yaml").unlink()
    worker = Worker(tree, "technical-support-engineer")
    worker.start()
    tree.start()
    tree.until(lambda: len(tree.inbox("planner")) == 2, "the planner is not told after a start")
    tree.until(lambda: tree.completed("acme-1") == tree.completed("acme-2") == {"T1"}, "what is given out goes on")
    tree.kill()
    tree.start()
    told = [each["name"] for case_id in ("acme-1", "acme-2") for each in tree.journal(case_id)]
    assert [n for n in told if n.endswith("-gone")] == ["notice acme-1 #1 plan-gone", "notice acme-2 #1 plan-gone"]
    assert not [n for n in told if n.startswith(("aggregate", "replan", "request"))]
    ready = {"type": "plan_ready", "from": "planner", "instruction_id": "acme-1", "without": "plan"}
    tree.message("ready.yaml", ready)
    tree.until(lambda: any(e["name"] == "aggregate #1" for e in tree.journal("acme-1")), "it does not go on without")
    worker.stop()
    assert tree.stop() == 0
    assert not [e for e in tree.journal("acme-2") if e["name"].startswith("aggregate")]


@pytest.mark.spec("MEM-1")
def test_another_domains_instruction_and_its_mail_are_left_alone(tmp_path: Path) -> None:
    """All domains share the executor's inbox: what is not ours is not even filed."""
    tree = Tree(tmp_path, {"settle": "0.1 seconds"})
    drop(tree.root / "eng-1" / "instruction.yaml", "title: x\ndomain: engineering\n")
    tree.task("eng-1", "T1")
    tree.message("m.yaml", {"type": "done", "from": "dev", "instruction_id": "eng-1", "task_id": "T1"})
    time.sleep(0.3)
    assert tree.call("run", "--once").returncode == 0
    assert (tree.root / "eng-1/tasks/pending/T1.yaml").exists()
    assert (tree.root / INBOX / "executor" / "m.yaml").exists()
    assert not (tree.root / "eng-1/outputs").exists()
