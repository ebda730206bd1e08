"""Standing still, and who is told: held, on hold, checkpoints that wait for a reviewer [EXE-2, EXE-6, EXE-25]."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from executord.actions import Record, Send
from executord.agenda import Due
from executord.case import Ask, Head, Task
from executord.case.casebook import Case
from executord.case.standing import standing
from executord.policy import Policy
from executord.posts import checkpoint
from executord.rules.asking import Asking

ORDER = 50


def task_lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """Tell the planner once per content why a task is held; let a hold go when its time is up."""
    head = case.head
    if head.opened_at is None or head.parked is not None or task.ended is not None:
        return
    if task.hold is not None and task.hold.until is not None:
        yield Due(
            task.hold.until, f"release {task.id} #{task.hold.n}", "EXE-25", Record(), task.id,
            why="on hold for as long as a hold can last", order=ORDER,
        )  # fmt: skip
    if not task.present or task.file is None:
        return
    now = standing(case, task)
    held, rule = now.held, now.rule
    text = f"{task.id} is held: {now.why}"
    if now.state != "held":
        held = tuple(f for f in task.file.faults if f.severity == "error") if task.file.sha256 == task.sha256 else ()
        if not held:
            return
        rule = "MEM-11"
        text = (
            f"{task.id} cannot be read: {'; '.join(f.message for f in held)}. Whoever holds it goes on as he was told"
        )
    digest = hashlib.sha256("\n".join(f.message for f in held).encode()).hexdigest()[:8]
    name = f"notice {task.id} held-{digest}"
    if name in task.done:
        return
    body = {
        "text": text,
        "file": f"{case.id}/tasks/{task.file.folder}/{task.file.name}",
        "held_because": [
            {"code": f.code, "line": f.line, "column": f.column, "field": f.field, "reason": f.message, "fix": f.fix}
            for f in held
        ],
    }
    yield Due(task.since or head.opened_at, name, rule, Send("planner", "notice", body), task.id, why=text, order=ORDER)


def case_lines(case: Case, policy: Policy) -> Iterator[Due]:
    """Ask the reviewer of a checkpoint that is reached; let the instruction's hold go when its time is up."""
    head = case.head
    if head.opened_at is None or head.closed is not None:
        return
    yield from _unreadable(case)
    if head.parked is not None:
        name = f"notice {case.id} #{head.parked.n} parked"
        if name not in head.done:
            text = f"{case.id} is parked: {head.parked.reason}. Put the files back and send resume, or cancel it"
            yield Due(head.parked.at, name, "MEM-25", Send("hitl", "notice", {"text": text}), why=text, order=ORDER)
        return
    if head.hold is not None and head.hold.until is not None:
        yield Due(
            head.hold.until, f"release instruction {case.id} #{head.hold.n}", "EXE-25", Record(),
            why="on hold for as long as a hold can last", order=ORDER,
        )  # fmt: skip
    for gate in case.gates:
        if gate.review and gate.open_members <= 0 and gate.id not in head.released and gate.id not in head.reviews:
            at = gate.last_end or head.opened_at
            yield Due(
                at, f"checkpoint {gate.id} #1", "EXE-6",
                Send(gate.review, "checkpoint"),
                why=f"{', '.join(gate.after)} have ended",
                facts={"checkpoint": gate.id, "ask": f"checkpoint {gate.id} #1", "level": 1, "for": gate.review,
                       "opens": {"checkpoint": gate.id, "to": gate.review}},
                order=ORDER, ask=f"checkpoint {gate.id} #1",
            )  # fmt: skip


def _body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    name = ask.facts["checkpoint"]
    gate = next((g for g in case.gates if g.id == name), None)
    return checkpoint(case, name, gate.after if gate else (), tuple(gate.before_ids) if gate else ())


def _reached(case: Case, task: Task | None, ask: Ask) -> bool:
    return any(g.id == ask.facts["checkpoint"] and g.open_members <= 0 for g in case.gates)


#: Its reviewer is followed up like anybody who was asked [MSG-7].
CHECKPOINT = Asking("EXE-6", "checkpoint", _body, stands=_reached)


def _meanwhile(head: Head) -> str:
    if "plan" in head.lacks:
        return "nothing new is given out"
    if head.spec.unknown:
        return "the case goes on with priority medium, and is not handed off: nobody knows of a customer"
    if head.spec.unnamed:
        return "the case goes on, and is not handed off: nobody knows of a customer"
    return "the case goes on without it"


def _unreadable(case: Case) -> Iterator[Due]:
    """Tell the planner, once per content, that the plan or the instruction itself cannot be read [MEM-11, MEM-13]."""
    head = case.head
    faults = [f for f in head.faults if f.severity == "error"]
    if not faults or head.opened_at is None:
        return
    text = "; ".join(f.text() for f in faults)
    name = f"notice {case.id} unreadable-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    if name in head.done:
        return
    body = {
        "text": f"{text}; until it is mended {_meanwhile(head)}",
        "faults": [
            {"code": f.code, "path": f.path, "line": f.line, "column": f.column, "field": f.field,
             "reason": f.message, "fix": f.fix}
            for f in faults
        ],
    }  # fmt: skip
    yield Due(head.opened_at, name, "MEM-11", Send("planner", "notice", body), why=text, order=ORDER)
