"""What we expect an answer to, as it changes: asked, reminded, climbed, acknowledged, answered [MSG-7, EXE-20].

Counterparts: `rules/asks.py`, when who is asked next; `rules/mail.py`, whose answer counts. Pure: `carried` reads
nothing but the journal's line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.evolve import replace

Entry = Mapping[str, Any]


def with_ask(task: Task, ask: Ask) -> Task:
    """The task with one more thing asked about it; an open one of that name goes on as it is."""
    if any(a.subject == ask.subject for a in task.asks):
        return task
    return replace(task, asks=(*task.asks, ask))


def without_asks(task: Task, *abouts: str) -> Task:
    """The task with nothing more expected about these things; with none named: nothing but what lasts."""
    rest = tuple(a for a in task.asks if (a.about not in abouts if abouts else a.lasts))
    return task if len(rest) == len(task.asks) else replace(task, asks=rest)


def open_ask(case: Case, task_id: str | None, ask: Ask) -> None:
    """Expect an answer to this from now on, about a task or (None) the instruction."""
    if task_id is not None:
        case.put(with_ask(case.ensure(task_id), ask))
    elif case.ask_of(None, ask.subject) is None:
        case.set_head(replace(case.head, asks=(*case.head.asks, ask)))


def answered(case: Case, task_id: str | None, subject: str) -> None:
    """It is answered, or its reason is gone: nothing more is said about it."""
    _put(case, task_id, subject, ())


def acknowledged(case: Case, task_id: str | None, subject: str, by: str, at: datetime) -> None:
    """Whoever was asked has it: it climbs no more by the acknowledgement's clock."""
    ask = case.ask_of(task_id, subject)
    if ask is not None and ask.by_ack:
        answered(case, task_id, subject)
    elif ask is not None and ask.acknowledged is None:
        _put(case, task_id, subject, (replace(ask, acknowledged=at, acknowledged_by=by),))


def _put(case: Case, task_id: str | None, subject: str, new: tuple[Ask, ...]) -> None:
    owner = case.head if task_id is None else case.tasks.get(task_id)
    if owner is None or all(a.subject != subject for a in owner.asks):
        return
    asks = tuple(b for a in owner.asks for b in (new if a.subject == subject else (a,)))
    if isinstance(owner, Task):
        case.put(replace(owner, asks=asks))
    else:
        case.set_head(replace(owner, asks=asks))


def carried(case: Case, entry: Entry, at: datetime, due: datetime) -> None:
    """A line whose facts name an ask was carried out, or skipped; a rule's own line opens it by `opens`."""
    facts = entry["facts"]
    task_id, subject = entry.get("task"), facts["ask"]
    ask = case.ask_of(task_id, subject)
    if ask is None:
        if "opens" not in facts:
            return
        ask = Ask(subject, due, facts["opens"], entry["name"], bool(facts.get("lasts")), bool(facts.get("by_ack")))
        open_ask(case, task_id, ask)
    _put(case, task_id, subject, (_carried(ask, entry, facts, at, due),))


def _carried(ask: Ask, entry: Entry, facts: Mapping[str, Any], at: datetime, due: datetime) -> Ask:
    rung = facts.get("rung")
    if rung == "unanswered":
        return replace(ask, over=True)
    if rung == "reminder":
        return replace(ask, reminded=True, letters=_letters(ask, entry))
    level = int(facts.get("level", 1))
    meant = facts.get("for") or entry.get("to")
    passed = tuple(dict.fromkeys((*ask.passed, *(n for n in (meant, entry.get("to")) if n))))
    if facts.get("skipped"):  # nobody was asked at this level: the next one is due by the time of this one
        return replace(ask, level=level, to=None, since=due, reminded=True, acknowledged=None, passed=passed)
    return replace(
        ask, level=level, to=entry["to"], since=at, first=ask.first or at, reminded=False, acknowledged=None,
        acknowledged_by=None, passed=passed, told=tuple(dict.fromkeys((*ask.told, entry["to"]))),
        letters=_letters(ask, entry),
    )  # fmt: skip


def _letters(ask: Ask, entry: Entry) -> tuple[str, ...]:
    path = entry.get("path")
    if path is None:
        return ask.letters
    return (*ask.letters, path.rsplit("/", 1)[1].removesuffix(".yaml"))
