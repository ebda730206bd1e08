"""The raw limit: the least that a loop must do for the same promise as `durability: full` [REL-3].

It reads a file with the C loader, notes in one redo record what is to appear and what is to move (the record holds
the whole body), makes the record durable with one fdatasync per batch, then writes, renames and moves. After a power
cut the redo record alone is enough to do it all again. No rules, no states, no checks: it knows only that a task goes
to the agent that it names, and that a completion completes. Run as `python -m tests.bench.bare ROOT`.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.bench.eyes import Eyes
from tests.bench.trees import AGENTS, INBOX

BATCH = 400  # as many lines as the daemon puts into a batch
OWN = f"{INBOX}/executor"


@dataclass(slots=True)
class Work:
    """What one file asks for: texts to write and publish, and renames."""

    writes: list[tuple[str, bytes]] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)


def dump(body: dict[str, Any]) -> bytes:
    """YAML by the C dumper."""
    return yaml.dump(body, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, encoding="utf-8")


def delegation(case_id: str, task_id: str, agent: str, task: dict[str, Any]) -> dict[str, Any]:
    """A letter with what ours holds: envelope, the task's text, how to answer."""
    reply = f'type: completion\nfrom: {agent}\ninstruction_id: "{case_id}"\ntask_id: "{task_id}"\nattempt: 1\n'
    return {
        "id": f"{case_id}.{task_id}.a1.delegation",
        "type": "delegation",
        "from": "executor",
        "to": agent,
        "timestamp": "2026-01-01T00:00:00Z",
        "instruction_id": case_id,
        "task_id": task_id,
        "attempt": 1,
        "priority": "medium",
        "task": {"id": task_id, "title": task.get("title"), "description": task.get("description"), "text": task},
        "context": {"instruction": case_id, "tier": 3, "deliverable_type": "ticket_resolution", "results": []},
        "customer": None,
        "output_format": None,
        "results_to": f"{case_id}/outputs/partial/{task_id}/",
        "deadline": {"at": "2026-01-08T00:00:00Z", "from": "policy for medium (3 - 5 business days)"},
        "communication": {"required": "internal"},
        "acceptance_criteria": task.get("acceptance_criteria"),
        "authority": {"you_may": "do the task as it is written", "ask": "support-manager", "for_scope": "planner"},
        "why_you": "named in the task",
        "reply_to": f"{INBOX}/executor/",
        "how_to_reply": "write the file aside (a dot name), then move it into reply_to",
        "reply_with": {"when_you_start": reply.replace("completion", "acknowledgement"), "when_it_is_done": reply},
    }


class Bare:
    """The loop over one tree."""

    def __init__(self, root: str, *, durable: bool = True) -> None:
        self.root, self.durable = root, durable
        os.makedirs(f"{root}/{OWN}/.processed", exist_ok=True)
        self._redo = os.open(f"{root}/{OWN}/.redo", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o660)

    def task(self, case_id: str, name: str) -> Work:
        """A task file in `pending/`."""
        task = self._load(f"{case_id}/tasks/pending/{name}")
        inner = task["task"] if isinstance(task.get("task"), dict) else task
        named = inner["assigned_to"]
        agent = named["primary"] if isinstance(named, dict) else named
        body = delegation(case_id, inner["id"], agent, task)
        return Work(
            [(f"{INBOX}/{agent}/{body['id']}.yaml", dump(body))],
            [(f"{case_id}/tasks/pending/{name}", f"{case_id}/tasks/in_progress/{name}")],
        )

    def letter(self, name: str) -> Work:
        """A message in our inbox."""
        body = self._load(f"{OWN}/{name}")
        work = Work(moves=[(f"{OWN}/{name}", f"{OWN}/.processed/{name}")])
        if body["type"] == "completion":
            case_id, task_id = body["instruction_id"], body["task_id"]
            result = {"instruction_id": case_id, "task_id": task_id, "state": "completed", "agent": body["from"],
                      "summary": body["summary"], "output": body["output"], "files": [], "concerns": []}  # fmt: skip
            work.writes.append((f"{case_id}/outputs/partial/{task_id}.yaml", dump(result)))
            work.moves.append(
                (f"{case_id}/tasks/in_progress/{task_id}.yaml", f"{case_id}/tasks/completed/{task_id}.yaml")
            )
        return work

    def carry_out(self, batch: list[Work]) -> None:
        """Note all, make it durable, do it."""
        lines = [
            json.dumps({"write": [(p, d.decode()) for p, d in work.writes], "move": work.moves}) + "\n"
            for work in batch
        ]
        os.write(self._redo, "".join(lines).encode())
        if self.durable:
            os.fdatasync(self._redo)
        for work in batch:
            for path, data in work.writes:
                folder, name = f"{self.root}/{path}".rsplit("/", 1)
                if not os.path.isdir(folder):
                    os.makedirs(folder)
                with open(f"{folder}/.{name}", "wb") as file:
                    file.write(data)
                os.rename(f"{folder}/.{name}", f"{folder}/{name}")
            for source, target in work.moves:
                os.rename(f"{self.root}/{source}", f"{self.root}/{target}")

    def pending(self, case_id: str) -> list[str]:
        """The task files of a case."""
        return sorted(n for n in os.listdir(f"{self.root}/{case_id}/tasks/pending") if not n.startswith("."))

    def _load(self, path: str) -> dict[str, Any]:
        with open(f"{self.root}/{path}", "rb") as file:
            data: dict[str, Any] = yaml.load(file.read(), yaml.CSafeLoader)
            return data

    # -- as a process --------------------------------------------------------------------------------------

    def run(self) -> None:
        """For ever: what is renamed into the tree is carried out."""
        eyes = Eyes()
        eyes.watch(self.root)
        eyes.watch(f"{self.root}/{OWN}")
        jobs: list[tuple[str | None, str]] = []
        for case_id in sorted(n for n in os.listdir(self.root) if not n.startswith(("_", "."))):
            jobs += self._adopt(eyes, case_id)
        print("ready", flush=True)
        while True:
            for folder, name, is_folder in eyes.see(0 if jobs else 60.0):
                if is_folder:
                    jobs += self._adopt(eyes, name)
                elif folder == f"{self.root}/{OWN}":
                    jobs.append((None, name))
                else:
                    jobs.append((folder.removeprefix(f"{self.root}/").split("/", 1)[0], name))
            now, jobs = jobs[:BATCH], jobs[BATCH:]
            if now:
                self.carry_out([self.letter(n) if c is None else self.task(c, n) for c, n in now])

    def _adopt(self, eyes: Eyes, case_id: str) -> list[tuple[str | None, str]]:
        eyes.watch(f"{self.root}/{case_id}/tasks/pending")
        return [(case_id, name) for name in self.pending(case_id)]


def prepare(root: Path) -> None:
    """The folders that the loop expects."""
    for name in ("executor", *AGENTS):
        (root / INBOX / name).mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    Bare(sys.argv[1]).run()
