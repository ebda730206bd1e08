"""Those who work with the tree: planners, workers, people with editors, and those who do harm [REL-10]."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.real.kit import INBOX, Tree, Worker, drop

AGENTS = ("technical-support-engineer", "technical-writer", "knowledge-engineer")
OPEN_CASES = 40  # more are begun only when some of these are done: the load is held, not heaped up


class Somebody(threading.Thread):
    """Does one thing after another, with pauses, until told to stop."""

    def __init__(self, tree: Tree, seed: int, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.tree, self.dice, self.pause_s = tree, random.Random(seed), pause_s
        self.ending = threading.Event()
        self.did: Counter[str] = Counter()
        self.faults: list[str] = []

    def run(self) -> None:
        """Until the end; a fault of this program is told, not hidden."""
        while not self.ending.wait(self.dice.uniform(0.2, 1.8) * self.pause_s):
            try:
                self.act()
            except FileNotFoundError:
                continue  # the daemon was quicker
            except Exception as error:
                self.faults.append(f"{type(self).__name__}: {type(error).__name__}: {error}")

    def act(self) -> None:
        """One thing."""
        raise NotImplementedError

    def stop(self) -> None:
        """No more."""
        self.ending.set()
        self.join(10)


class Planner(Somebody):
    """Begins one case after another: some with the plan first, some whole, some file by file."""

    def __init__(self, tree: Tree, seed: int, pause_s: float) -> None:
        super().__init__(tree, seed, pause_s)
        self.cases: dict[str, set[str]] = {}
        self.finished: set[str] = set()

    def act(self) -> None:
        """A case, if not too many are open."""
        self.finished |= {c for c in self.cases.keys() - self.finished if self.tree.completed(c) >= self.cases[c]}
        if len(self.cases) - len(self.finished) >= OPEN_CASES:
            return
        name = f"case-{len(self.cases):05}"
        tasks = [f"T{k}" for k in range(1, self.dice.randint(2, 9))]
        tier = self.dice.choice((1, 2, 3, 3))
        self.cases[name] = set(tasks)
        self.tree.case(name, tasks, tier=tier)
        for task_id in self.dice.sample(tasks, len(tasks)):
            agent = self.dice.choice(AGENTS)
            self.tree.task(name, task_id, f"id: {task_id}\ntitle: work on {task_id}\nassigned_to: {agent}\n")
            self.did["tasks"] += 1
            time.sleep(self.dice.random() * 0.01)
        self.did["cases"] += 1


class Answering(Worker):
    """A worker that now and then answers twice, late, or about something that is not his."""

    def __init__(self, tree: Tree, agent: str, seed: int) -> None:
        super().__init__(tree, agent, poll_s=0.02)
        self._dice = random.Random(seed)
        self.odd: Counter[str] = Counter()

    def _take(self, path: Path) -> None:
        body = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        super()._take(path)
        if body["type"] != "delegation":
            return
        what = self._dice.random()
        about = {"type": "completion", "from": self._agent, "instruction_id": body["instruction_id"]}
        if what < 0.05:
            self.odd["answered twice"] += 1
            self._tree.message(
                f"{path.stem}-again.yaml", {**about, "task_id": body["task_id"], "summary": "s", "output": "o"}
            )
        elif what < 0.08:
            self.odd["answered for another's task"] += 1
            self._tree.message(f"{path.stem}-other.yaml", {**about, "task_id": "T99", "summary": "s", "output": "o"})


class Hands(Somebody):
    """People who edit task files, move them back, add some, and look."""

    def act(self) -> None:
        """One of these to a task of some case."""
        folders = [p for p in self.tree.root.glob("case-*/tasks/*/") if p.name in ("pending", "in_progress")]
        files = [f for folder in self.dice.sample(folders, min(len(folders), 10)) for f in folder.glob("T*.yaml")]
        if not files:
            return
        path = self.dice.choice(files)
        match self.dice.choice(("edit", "append", "back", "forth", "look")):
            case "edit":
                drop(
                    path.parent / path.name, path.read_text() + f"note: {self.dice.random()}\n"
                ) if path.exists() else None
            case "append":
                with path.open("r+") as file:  # never makes one that has just been moved
                    file.seek(0, os.SEEK_END)
                    file.write("# looked at\n")
            case "back" if path.parent.name == "in_progress":
                os.link(path, path.parent.parent / "pending" / path.name)
                path.unlink()
            case "forth" if path.parent.name == "pending":
                (path.parent.parent / "in_progress").mkdir(exist_ok=True)
                path.rename(path.parent.parent / "in_progress" / path.name)
            case _:
                self.tree.call("status", "--json")
        self.did["hands"] += 1


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 9))
POISON: tuple[Callable[[random.Random], bytes], ...] = (
    lambda d: b"[" * d.randint(100, 100_000),
    lambda d: BOMB.encode(),
    lambda d: b"&a [*a]\n",
    lambda d: d.randbytes(d.randint(1, 3000)),
    lambda d: b"type: done\n\tfrom: x\n",
    lambda d: b"",
    lambda d: b"- 1\n",
    lambda d: b"type: completion\nfrom: technical-writer\ninstruction_id: ../../etc\ntask_id: ../x\n",
    lambda d: b"type: completion\nfrom: technical-writer\ninstruction_id: case-00000\ntask_id: T1\nattempt: 999\n",
    lambda d: f"type: {d.choice(['what', 'cancel', 'reassign', 'pause'])}\nfrom: nobody-{d.random()}\n".encode(),
    lambda d: b"type: progress\nfrom: technical-writer\ntimestamp: 9999-12-31T23:59:59Z\ntask_id: T1\n",
    lambda d: b"x" * (300 * 1024),
    lambda d: b"phases:\n" + b"".join(b"- {tasks: [%d]}\n" % k for k in range(8000)),
)


class Poisoner(Somebody):
    """Puts into our inbox and into cases what should not be there."""

    def act(self) -> None:
        """One bad thing."""
        raw = self.dice.choice(POISON)(self.dice)
        inbox = self.tree.root / INBOX / "executor"
        name = f"poison-{sum(self.did.values())}"
        match self.dice.randint(0, 5):
            case 0:
                os.mkfifo(inbox / f"{name}.yaml")
            case 1:
                (inbox / f"{name}.yaml").symlink_to("/etc/passwd")
            case 2:
                drop(self.tree.root / "poisoned/tasks/pending" / f"{name}.yaml", raw)
            case 3:
                drop(self.tree.root / f"poisoned-{self.dice.randint(0, 3)}/workflow/plan.yaml", raw)
            case _:
                drop(inbox / f"{name}.yaml", raw)
        self.did["bad inputs"] += 1


def states(tree: Tree, case_id: str) -> dict[str, Any]:
    """Where the files of a case's tasks lie."""
    found: dict[str, list[str]] = {}
    for folder in ("pending", "in_progress", "completed"):
        with contextlib.suppress(FileNotFoundError):
            for path in (tree.root / case_id / "tasks" / folder).iterdir():
                if path.name.startswith("T"):
                    found.setdefault(path.stem, []).append(folder)
    return found
