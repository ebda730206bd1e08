"""What stands in a case's way: the oddities found in its files, and the message that would free what stands still.

Counterparts: `case/standing.py` says where a task stands, `messages/` who may send what. Read by `status` and `why`.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from executord.case import PLACES, Task
from executord.case.casebook import Case
from executord.case.standing import Standing, held_because
from executord.errors import Finding
from executord.meaning.incidents import current
from executord.messages import MESSAGES
from executord.policy import Policy
from executord.views.clockfaces import impossible

#: Type of message → what was asked of those who may answer with it and so free a case.
ANSWERS = {"release": "checkpoint", "unblocked": "blocker", "decision": "escalation"}
DECISIONS = ("retry", "reassign", "defer", "cancel")
_KEYS = ("severity", "code", "path", "line", "column", "field", "message", "fix")


def finding_view(found: Finding) -> dict[str, Any]:
    """A finding as `validate`, `status` and `simulate` show it [CON-10]."""
    data = asdict(found)
    return {key: data[key] for key in _KEYS}


def problems(case: Case, policy: Policy) -> list[dict[str, Any]]:
    """What is odd in a case's files, ordered by path and line [CON-8]."""
    found = dict.fromkeys((*_found(case), *impossible(case, policy)))
    return [finding_view(f) for f in sorted(found, key=lambda f: (f.path or "", f.line or 0, f.message))]


def _found(case: Case) -> Iterator[Finding]:
    yield from (f.at(case.id) if f.path is None else f for f in case.head.faults)
    for word, since in case.head.missed:
        if since is not None and word in case.head.lacks:
            fix = f"put it back, or send plan_ready with `without: {word}`, or cancel the instruction"
            message = "it was deleted: until it is back nothing is given out or handed off"
            yield Finding("MEM-25", message, fix, path=f"{case.id}/{PLACES[word]}")
    for task in case.tasks.values():
        if task.clash is not None and task.file is not None:
            message = f"{task.id} belongs to {task.clash}, where another file lies: it stays where it is"
            place = f"{case.id}/tasks/{task.file.folder}/{task.file.name}"
            yield Finding("MEM-14", message, "move one of the two away, or give it another name", path=place)
        if task.file is None:
            continue
        here = f"{case.id}/tasks/{task.file.folder}/{task.file.name}"
        if task.ended is not None:
            yield from _left(task, here)
            continue
        yield from (f.at(here) if f.path is None else f for f in task.file.faults)
        if task.live is None:
            yield from (f.at(here) if f.path is None else f for f in held_because(case, task))
        else:
            yield from _left(task, here)
    for path in case.extras:
        yield Finding("MEM-19", "it matches no task: kept as an extra output", None, "warning", path=path)


def _left(task: Task, here: str) -> Iterator[Finding]:
    """Other files with the id of a task that one of them counts for."""
    if task.rivals and task.file is not None:
        others = ", ".join(task.rivals)
        message = f"{task.id} lies in {task.file.folder}/{task.file.name}; {others} is left alone"
        yield Finding("MEM-18", message, "remove the file that does not count", "warning", path=here)


def broken(case_id: str, text: str) -> dict[str, Any]:
    """The same for a case that cannot be read at all."""
    message = text.splitlines()[0] if text else "it cannot be read"
    return finding_view(Finding("REL-4", message, "mend what is named; it is tried again by itself", path=case_id))


# --- what frees it -------------------------------------------------------------------------------------------


def senders(case: Case, task: Task | None, kind: str, policy: Policy) -> list[str]:
    """The names that may send this type about this task or case [MSG-4], in order."""
    names: set[str] = set()
    live = task.live if task is not None else None
    for role in MESSAGES[kind].senders:
        if role == "authority":
            names.update(name for name in policy.authority if policy.may(name, kind))
        elif role == "planner":
            names.add("planner")
        elif role == "liaison":
            names.add(case.head.liaison)
        elif role == "validator":
            names.add("validator")
        elif role == "waiver":
            names.update(name for name in policy.authority if policy.may_waive(name))
        elif role == "team":
            incident = current(case)
            names.update(incident.team if incident is not None else ())
        elif role == "holder" and live is not None:
            names.add(live.agent)
        elif role == "addressee":
            asks = task.asks if task is not None else case.head.asks
            names.update(n for a in asks if a.about == ANSWERS.get(kind) for n in a.told)
        elif role == "supporter" and live is not None and task is not None:
            names.update(task.spec.supporting)
    return sorted(names)


def freed_by(
    case: Case, standings: Mapping[str, Standing], policy: Policy, *, all_paused: bool = False
) -> list[dict[str, Any]]:
    """Which message, by whom, would free what stands still: the case first, then its tasks [EXE-28]."""
    rows: list[tuple[Task | None, str, Iterable[str]]] = []
    head = case.head
    if not head.ours:
        return []
    if head.closed is not None:
        rows += [(None, "retry", ())] if case.open_tasks else []
        return [_row(case, policy, *row) for row in rows]
    if head.parked is not None:
        rows += [(None, "resume", ()), (None, "cancel", ())]
    elif head.lacks:
        rows += [(None, "plan_ready", ()), (None, "cancel", ())]
    if head.hold is not None:
        rows.append((None, "release", ()))
    if (head.paused is not None or all_paused) and head.parked is None:
        rows.append((None, "resume", ()))
    rows += [(None, kind, ()) for kind in _way_out(case)]
    ringed = {name for ring in case.cycles.values() for name in ring.gates}
    for gate in case.gates:
        if gate.id in head.released:
            continue
        if gate.review and gate.open_members <= 0:
            rows.append((None, "release", (gate.review,)))
        elif gate.unknown or gate.name in ringed:
            rows.append((None, "release", ()))
    for task in case.in_order():
        rows += [(task, kind, ()) for kind in _frees(task, standings[task.id])]
    return [_row(case, policy, *row) for row in rows]


def _row(case: Case, policy: Policy, task: Task | None, kind: str, more: Iterable[str]) -> dict[str, Any]:
    return {
        "task": task.id if task is not None else None,
        "type": kind,
        "from": sorted({*senders(case, task, kind, policy), *more}),
    }


def _way_out(case: Case) -> tuple[str, ...]:
    """What brings a case on whose tasks have all ended [QUA-2, QUA-4]."""
    delivery = case.head.delivery
    if case.head.opened_at is None or case.head.parked is not None or case.open_tasks:
        return ()
    if delivery.handed is not None:
        return ("verdict", "cancel")
    if delivery.halted is not None or delivery.undecided is not None:
        return ("resume", "waive", "cancel")
    if any(ask.about in ("component", "file", "standard", "closing-update") for ask in case.head.asks):
        return ("waive", "cancel")
    return ()


def _frees(task: Task, now: Standing) -> tuple[str, ...]:
    match now.state:
        case "held":
            let_go = any(f.code == "EXE-24" or (f.code == "EXE-2" and "depends on" in f.message) for f in now.held)
            return ("release", "defer", "cancel") if let_go else ("defer", "cancel")
        case "escalated":
            return DECISIONS
        case "on_hold":
            return ("release",) if task.hold is not None else ()
        case "blocked":
            return ("unblocked", "reassign", "defer", "cancel")
        case "expected":
            return ("defer", "cancel")
        case _:
            return ()
