"""Backup and restore as the operator's page tells it, with a real daemon: nothing is lost, nothing is done twice."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.real.kit import INBOX, Tree, Worker, drop

AGENT = "technical-support-engineer"
CONFIG = {"settle": "0.2 seconds", "round": "1 second", "durability": "process", "roster": {AGENT: {"capacity": 0}}}
CASES = {f"acme-{n}": [f"T{k}" for k in range(1, 9)] for n in range(1, 4)}


def worked_on(tree: Tree) -> None:
    """Three instructions, and all their tasks with an agent."""
    tree.start()
    for case, tasks in CASES.items():
        tree.case(case, tasks)
        for task in tasks:
            tree.task(case, task)
    tree.until(lambda: len(tree.inbox(AGENT)) >= 24, "nothing is given out")


def answer(tree: Tree, case: str, task: str) -> None:
    """The agent has done it, and takes its delegation away."""
    body = {"type": "completion", "from": AGENT, "instruction_id": case, "task_id": task, "summary": "did it",
            "output": f"{case} {task}"}  # fmt: skip
    tree.message(f"{case}-{task}.yaml", body)
    (tree.root / INBOX / AGENT / f"{case}.{task}.a1.delegation.yaml").unlink()


def done(tree: Tree) -> int:
    """How many tasks are completed."""
    return sum(len(tree.completed(case)) for case in CASES)


def sound(tree: Tree) -> None:
    """No line twice, no number left out, every task given out once; and `fsck` finds nothing."""
    for case, tasks in CASES.items():
        lines = tree.journal(case)
        names = [line["name"] for line in lines]
        assert len(names) == len(set(names))
        assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
        assert sorted(n.split()[1] for n in names if n.startswith("assign ")) == sorted(tasks)
        assert sum(n.startswith("result ") for n in names) == len(tasks)
        for task in tasks:
            result = yaml.safe_load((tree.root / case / f"outputs/partial/{task}.yaml").read_text())
            assert (result["state"], result["output"]) == ("completed", f"{case} {task}")
    checked = tree.call("fsck")
    assert checked.returncode == 0, checked.stdout


def later(tree: Tree, old: Path) -> int:
    """The page's way to what came after the copy: filed messages that the copy has not, dropped once more."""
    filed, again = tree.root / INBOX / "executor/.processed", 0
    for path in sorted((old / INBOX / "executor/.processed").rglob("*.yaml")):
        if not list(filed.rglob(path.name)):
            drop(tree.root / INBOX / "executor" / path.name, path.read_bytes())
            again += 1
    return again


def ends_well(tree: Tree) -> None:
    """What is still to be done is answered: the daemon goes on to the end of it, and everything adds up."""
    for case, tasks in CASES.items():
        for task in tasks:
            if task not in tree.completed(case):
                answer(tree, case, task)
    tree.until(lambda: done(tree) == 24, "it does not go on")
    assert tree.stop() == 0
    sound(tree)


@pytest.mark.spec("MEM-17", "OPS-10", "REL-1", "REL-2")
@pytest.mark.parametrize("state", ["kept", "lost"])
def test_a_backup_of_the_memory_is_put_back(state: str, tmp_path: Path):
    """Copied while the service is stopped, lost and put back; what came since is dropped again, and all is done.

    The state folder knows more than the memory then, or nothing at all; either is fine.
    """
    tree = Tree(tmp_path, CONFIG)
    worked_on(tree)
    for task in ("T1", "T2", "T3"):
        answer(tree, "acme-1", task)
    tree.until(lambda: done(tree) == 3, "the answers are not taken")
    assert tree.stop() == 0
    backup, old = tmp_path / "backup.tar", tmp_path / "old"
    subprocess.run(["tar", "-C", str(tmp_path), "-cf", str(backup), "Agent_Memory"], check=True)
    tree.start()
    for task in ("T4", "T5", "T6"):
        answer(tree, "acme-1", task)
    answer(tree, "acme-2", "T1")
    tree.until(lambda: done(tree) == 7, "the answers are not taken")
    assert tree.stop() == 0

    tree.root.rename(old)
    subprocess.run(["tar", "-C", str(tmp_path), "-xpf", str(backup)], check=True)
    if state == "lost":
        shutil.rmtree(tree.state)
    tree.start()
    assert done(tree) == 3
    assert later(tree, old) == 4
    tree.until(lambda: done(tree) == 7, "what was dropped again is not taken")
    ends_well(tree)
    log = tree.log.read_text()
    assert not re.search(r"broken:|fault:|Traceback", log), log


@pytest.mark.spec("MEM-17", "REL-1")
def test_one_instruction_is_put_back(tmp_path: Path):
    """Its whole folder with its journal, while the others stay; what was answered since is dropped again."""
    tree = Tree(tmp_path, CONFIG)
    worked_on(tree)
    answer(tree, "acme-1", "T1")
    tree.until(lambda: done(tree) == 1, "the answer is not taken")
    assert tree.stop() == 0
    shutil.copytree(tree.root / "acme-1", tmp_path / "copy")
    tree.start()
    for case in CASES:
        answer(tree, case, "T2")
    tree.until(lambda: done(tree) == 4, "the answers are not taken")
    assert tree.stop() == 0
    shutil.rmtree(tree.root / "acme-1")
    shutil.copytree(tmp_path / "copy", tree.root / "acme-1")
    tree.start()
    assert done(tree) == 3
    (filed,) = (tree.root / INBOX / "executor/.processed").rglob("acme-1-T2.yaml")
    drop(tree.root / INBOX / "executor/acme-1-T2.yaml", filed.read_bytes())
    tree.until(lambda: done(tree) == 4, "what was dropped again is not taken")
    ends_well(tree)


@pytest.mark.spec("REL-1", "REL-2")
def test_a_copy_of_a_moment_is_taken_up_like_a_power_cut(tmp_path: Path):
    """A snapshot of the file system while it runs, here by stopping the process in the middle of a burst of answers."""
    tree = Tree(tmp_path, CONFIG)
    worked_on(tree)
    agent = Worker(tree, AGENT)
    agent.start()
    tree.until(lambda: done(tree) >= 5, "nothing is done")
    assert tree.process is not None
    tree.process.send_signal(signal.SIGSTOP)
    agent.stop()
    shutil.copytree(tree.root, tmp_path / "snapshot")
    tree.process.send_signal(signal.SIGCONT)
    tree.kill()
    tree.root.rename(tmp_path / "old")
    (tmp_path / "snapshot").rename(tree.root)
    tree.start()
    agent = Worker(tree, AGENT)
    agent.start()
    tree.until(lambda: done(tree) == 24, "it does not go on")
    agent.stop()
    assert tree.stop() == 0
    for case, tasks in CASES.items():
        names = [line["name"] for line in tree.journal(case)]
        assert len(names) == len(set(names))
        assert sorted(n.split()[1] for n in names if n.startswith("assign ")) == sorted(tasks)
    assert tree.call("fsck").returncode == 0
