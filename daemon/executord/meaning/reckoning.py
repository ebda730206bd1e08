"""What lines about clocks mean for their case: warned, breached, told beforehand; pauses that begin and end [MEM-17].

Counterparts: `fold.py`, the table of all verbs; `rules/sla.py`, `rules/forecast.py`, which yield these lines. Nothing
here reads anything but the line and the case.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from executord.case import Ask, Breach, Head, Owed, Paused, Repriced, Task, Told, Workaround, owe
from executord.case.casebook import Case
from executord.evolve import replace
from executord.meaning.asking import open_ask
from executord.meaning.blocking import open_blockers
from executord.meaning.transitions import heard, notice
from executord.values import read_stamp

Entry = Mapping[str, Any]
WITHOUT_NAMES = frozenset({"warn", "breach", "proactive", "run-on"})  # verbs whose facts say that they were carried out


def _owner(case: Case, entry: Entry) -> Task | Head:
    task_id = entry.get("task")
    return case.ensure(task_id) if task_id is not None else case.head


def _put(case: Case, owner: Task | Head, **changes: Any) -> None:
    if isinstance(owner, Task):
        case.put(replace(owner, **changes))
    else:
        case.set_head(replace(owner, **changes))


def warn(case: Case, entry: Entry, at: datetime) -> None:
    """These marks of a clock were told, or skipped; they are not told again."""
    facts = entry["facts"]
    owner = _owner(case, entry)
    new = {f"{facts['clock']} {mark}" for mark in facts["marks"]}
    if facts.get("manager"):
        new = {f"{each} manager" for each in new}
    _put(case, owner, warned=owner.warned | new)


def breach(case: Case, entry: Entry, at: datetime) -> None:
    """A limit has passed: it stays breached, whatever comes; while it runs its ladder climbs [SLA-10]."""
    facts = entry["facts"]
    owner = _owner(case, entry)
    due = read_stamp(facts["effective_at"])
    record = Breach(facts["key"], due, at, int(facts["late_by_s"]), facts["cause"], tuple(facts.get("told", ())))
    _put(case, owner, breaches=(*owner.breaches, record))
    if facts.get("told"):
        open_ask(case, entry.get("task"), Ask(
            entry["name"], due, {**facts, "task": entry.get("task"), "to": facts["told"][0], "why": entry.get("why")},
            by_ack=True,
        ))  # fmt: skip


def proactive(case: Case, entry: Entry, at: datetime) -> None:
    """The liaison was told that it will be late [SLA-9]."""
    facts = entry["facts"]
    owner = _owner(case, entry)
    told = Told(
        facts["n"], facts["slip"], facts["cause"], read_stamp(facts["revised"]), read_stamp(entry["due"]),
        bool(facts.get("workaround")), facts["because"], facts.get("asked"), bool(facts.get("skipped")),
    )  # fmt: skip
    _put(case, owner, notices=(*owner.notices, told))


def run_on(case: Case, entry: Entry, at: datetime) -> None:
    """A pause has come to its cap: the clock runs on [SLA-7]."""
    owner = _owner(case, entry)
    start = entry["facts"]["start"]
    pauses = tuple(
        replace(p, end=p.cap) if p.end is None and p.cap is not None and p.start == read_stamp(start) else p
        for p in owner.pauses
    )
    _put(case, owner, pauses=pauses)


def after_message(case: Case, task_id: str | None, facts: Mapping[str, Any], at: datetime) -> None:
    """What any message may carry beside its own effect: a pause that begins or ends with it, a workaround."""
    kind = facts["type"]
    pause = facts.get("pause")
    if pause is not None:
        _begin(case, task_id, pause, facts, at)
    owner: Task | Head | None = case.tasks.get(task_id) if task_id is not None else case.head
    if owner is not None and any(p.end is None and p.ends == kind and p.start <= at for p in owner.pauses):
        pauses = tuple(
            replace(p, end=min(at, p.cap or at)) if p.end is None and p.ends == kind and p.start <= at else p
            for p in owner.pauses
        )
        _put(case, owner, pauses=pauses)
    said = facts.get("workaround")
    if said and facts.get("outcome") == "taken":
        found = Workaround(str(said), at)
        if task_id is not None:
            case.put(replace(case.ensure(task_id), workaround=found))
        else:
            case.set_head(replace(case.head, workaround=found))


def _begin(case: Case, task_id: str | None, pause: Mapping[str, Any], facts: Mapping[str, Any], at: datetime) -> None:
    owner: Task | Head = case.ensure(task_id) if task_id is not None else case.head
    source = pause["source"]
    if source == "hold":
        n = owner.hold.n if owner.hold is not None else None
    else:
        blockers = open_blockers(owner) if isinstance(owner, Task) else ()
        n = next((b.n for b in blockers if b.kind == facts.get("kind") and b.at == at), None)
    if n is None or any(p.source == source and p.n == n for p in owner.pauses):
        return
    cap = pause.get("cap_s")
    began = Paused(
        pause["reason"], at, source, facts.get("from") or "",
        str(facts.get("reason") or facts.get("description") or ""),
        at + timedelta(seconds=cap) if cap is not None else None,
        None, bool(pause.get("updates")), pause.get("ends"), n,
    )  # fmt: skip
    _put(case, owner, pauses=(*owner.pauses, began))


def pass_on(case: Case, task: Task, to: str, at: datetime, letter: str, sender: str) -> Task:
    """The task with a message that is owed to its holder as context."""
    k = case.sent.get((task.id, task.attempt, "context"), 0) + sum(o.kind == "pass-on" for o in task.owed) + 1
    return owe(heard(task, letter), Owed(f"pass-on {task.id} a{task.attempt} #{k}", "pass-on", at, {
        "to": to, "letter": letter, "from": sender, "kind": "context",
    }))  # fmt: skip


def reprice(case: Case, change: Repriced, own: Collection[str], text: str) -> None:
    """The instruction has another priority from now on; told are those who hold a task that has none of its `own`."""
    head = case.head
    k = head.repriorities + 1
    case.set_head(replace(head, repriorities=k, repriced=(*head.repriced, change)))
    for task in list(case.tasks.values()):
        if task.live is not None and task.id not in own:
            case.put(owe(task, notice(task, f"#{k} instruction-priority", change.at, task.live.agent, text)))


def instruction_edited(case: Case, facts: Mapping[str, Any], at: datetime) -> None:
    """instruction.yaml has another priority: it counts from the edit on, and wins over a message's [MEM-22, SLA-10]."""
    head = case.head
    if "before" in facts:
        gave, repriced = promises_noted(facts), (*head.repriced, _anew(facts, at))
        case.set_head(replace(head, gave=gave, rewritten=head.rewritten + 1, repriced=repriced))
        return
    now = facts["priority"] or "medium"
    case.set_head(replace(head, wrote=facts["priority"], rewritten=head.rewritten + 1, priority=None))
    if "was" in facts:
        change = Repriced(_after(head.repriced, at), facts["was"])
        reprice(case, change, facts["own"], f"the priority of {case.id} is {now} now: instruction.yaml was edited")


def edited(task: Task, facts: Mapping[str, Any], at: datetime) -> Task:
    """A task's file has another priority, or promises something else: the same for the task."""
    if "before" in facts:
        task = replace(task, gave=promises_noted(facts), repriced=(*task.repriced, _anew(facts, at)))
    if "priority" not in facts:
        return task
    repriced = (*task.repriced, Repriced(_after(task.repriced, at), facts["was"])) if "was" in facts else task.repriced
    overrides = tuple(each for each in task.overrides if each[0] != "priority")
    return replace(task, wrote=facts["priority"], overrides=overrides, repriced=repriced)


def promises_noted(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What a line notes of the promises of a file."""
    return tuple(sorted((word, said) for word, said in facts.get("gave", {}).items()))


def _anew(facts: Mapping[str, Any], at: datetime) -> Repriced:
    """The change that an edit of promises is."""
    return Repriced(at, "", tuple((word, was or None) for word, was in facts["before"].items()))


def _after(repriced: tuple[Repriced, ...], at: datetime) -> datetime:
    """When a priority counts from: a file's time may be any, and none counts from before the one that it follows."""
    return max((at, *(c.at for c in repriced if not c.own)))


__all__ = [
    "WITHOUT_NAMES", "after_message", "breach", "edited", "instruction_edited", "pass_on", "proactive",
    "promises_noted", "reprice", "run_on", "warn",
]  # fmt: skip
