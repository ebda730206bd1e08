"""What the rows put into a memory: task files, plans, whole cases; and the roster they are measured with."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

AGENTS = ("technical-support-engineer", "technical-writer", "customer-success-manager", "support-operations-manager")
ROSTER = f"{len(AGENTS)} agents with capacity 0 (no limit), each named in its tasks"
INBOX = "_communication/inbox"


def config(**more: Any) -> dict[str, Any]:
    """The configuration of a daemon that is measured."""
    return {"roster": {name: {"capacity": 0} for name in AGENTS}, "durability": "full", **more}


def agent_of(k: int) -> str:
    """The agents in turn."""
    return AGENTS[k % len(AGENTS)]


def short_task(task_id: str, agent: str) -> str:
    """A task in 12 lines."""
    return (
        f"id: {task_id}\ntitle: Answer the question about invoice {task_id}\n"
        f"description: |\n  The customer asks why the invoice of March shows two lines for one licence.\n"
        f"  Look it up in billing, and say what is right.\n"
        f"assigned_to: {agent}\npriority: medium\nestimated_effort: 30 minutes\n"
        f"acceptance_criteria:\n  - the cause is named\n  - the customer can act on the answer\n"
        f"communication_required: internal\n"
    )


def long_task(task_id: str, agent: str) -> str:
    """A task in 43 lines, as planners write them."""
    head = (
        f"task:\n  id: {task_id}\n  title: Find out why the checkout fails for {task_id}\n  type: diagnosis\n"
        f"  assigned_to:\n    primary: {agent}\n    supporting: [customer-support-rep]\n"
        f"  priority: medium\n  estimated_effort: 2 hours\n  workstream: checkout\n"
        f"description: |\n"
    )
    story = "".join(f"  Step {k}: look at the log of the gateway between 09:00 and 09:{k:02}, note what differs.\n"
                    for k in range(1, 9))  # fmt: skip
    tail = (
        "acceptance_criteria:\n"
        + "".join(f"  - criterion {k} is met and shown by a file\n" for k in range(1, 7))
        + "context:\n  customer: Example GmbH\n  segment: enterprise\n  product: shop\n  region: eu\n"
        + "links:\n"
        + "".join(f"  - {{name: log {k}, path: _knowledge/gateway/{k}.md}}\n" for k in range(1, 6))
        + "output_format: text\ncommunication_required: internal\ntags: [checkout, payment]\nnotes: >-\n"
        + "  Folded text that goes\n  over two lines.\nmeta:\n  created_by: planner\n  version: 1\n"
    )
    return head + story + tail


def write(path: Path, text: str) -> None:
    """A whole file, where nobody watches yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def drop(folder: Path, name: str, text: str) -> None:
    """A file put into place as writers should: aside, then renamed."""
    aside = folder / f".{name}.tmp"
    aside.write_text(text, encoding="utf-8")
    aside.rename(folder / name)


def case(root: Path, case_id: str, tasks: Iterable[tuple[str, str]]) -> None:
    """A whole case in a folder: plan, and (id, text) of each task."""
    base = root / case_id
    pending = base / "tasks" / "pending"
    for folder in ("in_progress", "completed"):
        (base / "tasks" / folder).mkdir(parents=True)
    pending.mkdir()
    names = []
    for task_id, text in tasks:
        (pending / f"{task_id}.yaml").write_text(text, encoding="utf-8")
        names.append(task_id)
    write(base / "instruction.yaml", f"title: {case_id}\npriority: medium\n")
    write(base / "workflow" / "plan.yaml", plan(names))


def plan(names: list[str]) -> str:
    """A plan of these tasks, in either way of writing it."""
    if len(names) < 50:
        return f"tier: 3\ntasks: [{', '.join(names)}]\n"
    return "tier: 3\ntasks:\n" + "".join(f"  - {name}\n" for name in names)


def inboxes(root: Path) -> None:
    """The inbox folders of the agents, so that they can be watched from the start."""
    for name in AGENTS:
        (root / INBOX / name).mkdir(parents=True, exist_ok=True)


def age(root: Path, seconds: float) -> None:
    """Make every file look as old, so that none is thought to be half written."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            at = os.stat(path).st_mtime - seconds
            os.utime(path, (at, at))
