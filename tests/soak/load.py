"""Those who work with the tree: planners, workers, people with editors, and those who do harm [REL-10]."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.real.kit import INBOX
from tests.real.test_sessions import Session
from tests.soak.memory import Memory

AGENTS = ("technical-support-engineer", "technical-writer", "knowledge-base-manager", "support-trainer")
PROGRAM = "automation"  # an agent of the soak's roster that is a program
LIAISON = "customer-success-manager"
OPEN_CASES = 30  # more are begun only when some of these are done: the load is held, not heaped up
SESSION_EVERY_S = 45.0
GRAPH = {"DEV-001": [], "DEV-002": ["DEV-001"], "DEV-003": ["DEV-001"], "DEV-004": ["DEV-002", "DEV-003"]}


class Somebody(threading.Thread):
    """Does one thing after another, with pauses, until told to stop."""

    def __init__(self, tree: Memory, seed: int, pause_s: float) -> None:
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
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOSPC, errno.EROFS):
                    self.faults.append(f"{type(self).__name__}: {error}")
                # else the daemon was quicker, or the disk does not take it now: they let it be
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
    """Begins one case after another: of every tier, with a customer, an incident, a program, and team sessions."""

    def __init__(self, tree: Memory, seed: int, pause_s: float) -> None:
        super().__init__(tree, seed, pause_s)
        self.cases: dict[str, set[str]] = {}
        self.incidents: dict[str, bool] = {}  # case -> whether it was said
        self._over: set[str] = set()  # cases whose incident is closed
        self.sessions: list[Session] = []
        self._next_session = 0.0

    def act(self) -> None:
        """A case, if not too many are open."""
        self.report_incidents()
        if time.monotonic() > self._next_session:
            self._next_session = time.monotonic() + SESSION_EVERY_S
            self._session()
        if sum(not self.tree.closed(c) for c in self.cases) < OPEN_CASES:
            self._case(f"case-{len(self.cases):05}")

    def report_incidents(self) -> None:
        """Once the case is known: what speaks of an unknown one is refused."""
        for case_id in [c for c, said in self.incidents.items() if not said and self.tree.journal(c)]:
            self.incidents[case_id] = True
            self.tree.message(f"{case_id}-incident.yaml", {
                "type": "incident", "from": "support-manager", "instruction_id": case_id, "severity": "Sev 2",
                "description": "every third checkout fails",
            })  # fmt: skip

    def reported(self, case_id: str) -> bool:
        """Whether its incident was said, and has come to its end; or it has none."""
        if case_id not in self.incidents or case_id in self._over:
            return True
        names = [e["name"] for e in self.tree.journal(case_id)]
        if any(n.startswith("incident ") and n.endswith(" closed") for n in names):
            self._over.add(case_id)
        return case_id in self._over

    def _case(self, name: str) -> None:
        what = self.dice.choice(("plain", "plain", "plain", "customer", "customer", "incident", "program"))
        tasks = [f"T{k}" for k in range(1, self.dice.randint(2, 9))]
        agents: tuple[str, ...] = AGENTS
        if what == "program":
            tasks = [f"T{len(self.cases)}-{k}" for k in range(1, 4)]  # the program's record names no case
            agents = (PROGRAM,)
        self.cases[name] = set(tasks)
        head: dict[str, Any] = {"title": f"work on {name}", "priority": self.dice.choice(("high", "medium"))}
        if what == "customer":
            head["customer"] = {"name": "Acme", "contact": "ops@acme.example"}
        if what == "incident":
            self.incidents[name] = False
        plan = {"tier": self.dice.choice((1, 2, 3, 3, 4)), "tasks": tasks, "deliverable_type": "ticket_resolution"}
        files = {"instruction.yaml": head, "workflow/plan.yaml": plan}
        for task_id in tasks:
            task = {"id": task_id, "title": f"work on {task_id}", "assigned_to": self.dice.choice(agents)}
            files[f"tasks/pending/{task_id}.yaml"] = task
        order = list(files)
        if self.dice.random() < 0.5:  # as it comes: tasks before their plan
            self.dice.shuffle(order)
        for path in order:
            self.tree.put(self.tree.root / name / path, yaml.safe_dump(files[path]))
            time.sleep(self.dice.random() * 0.01)
        self.did["cases"] += 1
        self.did[f"cases: {what}"] += 1
        self.did["tasks"] += len(tasks)

    def _session(self) -> None:
        session = Session(self.tree.root.parent, GRAPH, name=f"TC-{len(self.sessions)}")
        self.sessions.append(session)
        self.tree.message(f"{session.path.name}.yaml", {
            "type": "session", "from": "planner", "path": str(session.path),
        })  # fmt: skip


class Manager(Somebody):
    """Decides this and that about open cases."""

    def act(self) -> None:
        """One message of authority."""
        cases = [p.parent.name for p in self.tree.root.glob("case-*/instruction.yaml")][-20:]
        if not cases:
            return
        about = {"from": "support-manager", "instruction_id": self.dice.choice(cases), "reason": "as we see it now"}
        name = f"decision-{sum(self.did.values())}"
        match self.dice.choice(("priority_change", "hold", "mute", "status", "pause")):
            case "hold":
                self.tree.message(f"{name}.yaml", {**about, "type": "hold"})
                time.sleep(self.dice.random())
                self.tree.message(f"{name}-off.yaml", {**about, "type": "release"})
            case "pause":
                self.tree.message(f"{name}.yaml", {**about, "type": "pause"})
                time.sleep(self.dice.random())
                self.tree.message(f"{name}-off.yaml", {**about, "type": "resume"})
            case "mute":
                self.tree.message(f"{name}.yaml", {**about, "type": "mute", "for": "1 minute"})
            case kind:
                more = {"priority": self.dice.choice(("high", "low", "medium"))}
                self.tree.message(f"{name}.yaml", {**about, **more, "type": kind})
        self.did["decisions"] += 1


def replaced(path: Path, text: str) -> None:
    """As an editor saves: aside, then over the file, if it is still there."""
    aside = path.parent / f".{path.name}.swp"
    aside.write_text(text)
    if path.exists():
        aside.rename(path)
    else:
        aside.unlink()


class Hands(Somebody):
    """People who edit task files, move them back, delete some, and look."""

    def __init__(self, tree: Memory, seed: int, pause_s: float) -> None:
        super().__init__(tree, seed, pause_s)
        self.deleted: dict[str, str] = {}  # of a case at most one task

    def act(self) -> None:
        """One of these to a task of some case."""
        folders = [p for p in self.tree.root.glob("case-*/tasks/*/") if p.name in ("pending", "in_progress")]
        files = [f for folder in self.dice.sample(folders, min(len(folders), 10)) for f in folder.glob("T*.yaml")]
        if not files:
            return
        path = self.dice.choice(files)
        match self.dice.choice(("edit", "append", "back", "forth", "delete", "look")):
            case "edit":
                replaced(path, path.read_text() + f"note: {self.dice.random()}\n")
            case "append":
                with path.open("r+") as file:  # never makes one that has just been moved
                    file.seek(0, os.SEEK_END)
                    file.write("# looked at\n")
            case "delete" if path.parent.name == "in_progress" and self._may_delete(path):
                path.unlink()
                self.deleted[_case_of(path)] = path.stem
            case "back" if path.parent.name == "in_progress":
                os.link(path, path.parent.parent / "pending" / path.name)
                path.unlink()
            case "forth" if path.parent.name == "pending":
                (path.parent.parent / "in_progress").mkdir(exist_ok=True)
                path.rename(path.parent.parent / "in_progress" / path.name)
            case _:
                self.tree.call("status", "--json")
        self.did["hands"] += 1

    def _may_delete(self, path: Path) -> bool:
        """Of a case at most one task, and only now and then."""
        return _case_of(path) not in self.deleted and self.dice.random() < 0.5


def _case_of(path: Path) -> str:
    return path.parent.parent.parent.name


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
                self.tree.put(self.tree.root / "poisoned/tasks/pending" / f"{name}.yaml", raw)
            case 3:
                self.tree.put(self.tree.root / f"poisoned-{self.dice.randint(0, 3)}/workflow/plan.yaml", raw)
            case _:
                self.tree.put(inbox / f"{name}.yaml", raw)
        self.did["bad inputs"] += 1
