"""`kill -9` at random moments under load: nothing is lost, nothing is done twice [REL-1, REL-2]."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.real.kit import Tree, Worker

NO_LIMIT = {"roster": {"technical-support-engineer": {"capacity": 0}}, "settle": "0.2 seconds"}


def _storm(tmp_path: Path, *, cases: int, each: int, kills: int, seed: int) -> None:
    tree = Tree(tmp_path, NO_LIMIT)
    dice = random.Random(seed)
    plan = {f"case-{c:02}": [f"T{k}" for k in range(1, each + 1)] for c in range(cases)}
    for case_id, tasks in plan.items():
        tree.case(case_id, tasks)
    jobs = [(c, t) for c, tasks in plan.items() for t in tasks]
    dice.shuffle(jobs)

    def dropping() -> None:
        for case_id, task_id in jobs:
            tree.task(case_id, task_id)
            time.sleep(dice.random() * 0.01)

    worker = Worker(tree, "technical-support-engineer")
    worker.start()
    feeder = threading.Thread(target=dropping, daemon=True)
    tree.start()
    feeder.start()
    for _ in range(kills):
        time.sleep(dice.uniform(0.05, 0.6))
        tree.kill()
        tree.start()
    feeder.join()
    try:
        tree.until(lambda: all(len(tree.completed(c)) == each for c in plan), "not every task is completed", 120)
        time.sleep(0.5)
    finally:
        worker.stop()
        code = tree.stop()
    assert code == 0
    twice = {name: n for name, n in worker.got.items() if n > 1}
    assert not twice, f"messages delivered twice: {twice}"
    assert worker.kinds["delegation"] == len(jobs)
    for case_id, tasks in plan.items():
        names = Counter(e["name"] for e in tree.journal(case_id))
        assert max(names.values()) == 1
        assert [e["n"] for e in tree.journal(case_id)] == list(range(1, len(names) + 1))
        assert tree.completed(case_id) == set(tasks)
        for folder in ("pending", "in_progress"):
            left = tree.root / case_id / "tasks" / folder
            assert not left.is_dir() or not list(left.iterdir())
        for task_id in tasks:
            assert (tree.root / case_id / "outputs" / "partial" / f"{task_id}.yaml").is_file()
    assert not list(tree.root.glob("**/.x-*")), "staged files are left behind"
    checked = tree.call("fsck")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.spec("REL-1", "REL-2", "MEM-14", "MEM-15", "MEM-21")
@pytest.mark.hazard(43)
def test_a_hundred_tasks_survive_five_kills(tmp_path: Path) -> None:
    """Each task is completed once and no message comes twice, though the reader takes each away at once."""
    _storm(tmp_path, cases=5, each=20, kills=5, seed=7)


@pytest.mark.slow
@pytest.mark.spec("REL-1", "REL-2")
def test_a_thousand_tasks_survive_twenty_kills(tmp_path: Path) -> None:
    """The same, larger."""
    _storm(tmp_path, cases=20, each=50, kills=20, seed=11)
