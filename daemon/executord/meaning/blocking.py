"""Blockers as they come and go: of which kind, who is asked, how long they stood [EXE-17, EXE-18].

Counterparts: `rules/blockers.py`, whom a blocker goes to and what he is told; `asking.py`, the ladder that it climbs.
A task may have several at once, of each kind one for each who is asked: it goes on when the last is gone. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.case import Ask, Blocked, PastBlocker, Task
from executord.case.casebook import Case
from executord.evolve import replace
from executord.meaning.asking import with_ask

MOST_SAID = 5  # texts about one blocker that are kept besides the first


def open_blockers(task: Task) -> tuple[Blocked, ...]:
    """All that keeps the holder from going on, the oldest first."""
    return (task.blocked, *task.also_blocked) if task.blocked is not None else ()


def block(task: Task, kind: str, at: datetime, by: str, description: str, facts: Mapping[str, Any]) -> Task:
    """One more blocker, with its ask; one of a kind that the same person is asked already says more of it [EXE-29]."""
    same = _asked_already(task, kind, facts.get("named"))
    if same is not None:
        return _said_more(task, same, description)
    n = task.blockers + 1
    on_customer = bool(facts.get("on_customer"))
    blocked = Blocked(n, at, by, kind, description, on_customer, str(facts.get("derived") or ""))
    if task.blocked is None:
        task = replace(task, blocked=blocked, blockers=n)
    else:
        task = replace(task, also_blocked=(*task.also_blocked, blocked), blockers=n)
    return with_ask(task, Ask(f"blocker {task.id} #{n}", at, {**facts, "n": n, "kind": kind, "why": description}))


def _asked_already(task: Task, kind: str, named: str | None) -> int | None:
    """The number of the open blocker of this kind that is put to whom this one names, or names nobody either."""
    asked = {a.facts.get("n"): a.facts.get("named") for a in task.asks if a.about == "blocker"}
    return next((b.n for b in open_blockers(task) if b.kind == kind and asked.get(b.n) == named), None)


def _said_more(task: Task, n: int, text: str) -> Task:
    """What is said of an open blocker once more is told whoever is reminded, or asked next."""
    ask = next((a for a in task.asks if a.about == "blocker" and a.facts.get("n") == n), None)
    if ask is None or text in (ask.facts.get("why"), *ask.facts.get("more", ())):
        return task
    more = [*ask.facts.get("more", ()), text][-MOST_SAID:]
    new = replace(ask, facts={**ask.facts, "more": more})
    return replace(task, asks=tuple(new if a is ask else a for a in task.asks))


def unblock(task: Task, at: datetime, n: int | None = None, by: str | None = None) -> Task:
    """Without its n-th blocker, or (None) without any; the time that it stood is accounted by kind.

    `by` answered; without a name its attempt is over, and nobody did.
    """
    gone = tuple(b for b in open_blockers(task) if n in (None, b.n))
    if not gone:
        return task
    left = tuple(b for b in open_blockers(task) if b not in gone)
    told = {a.facts.get("n"): a.told for a in task.asks if a.about == "blocker"}
    past = tuple(PastBlocker(b.n, b.kind, b.at, max(at, b.at), b.description, by, told.get(b.n, ())) for b in gone)
    return replace(
        task, blocked=left[0] if left else None, also_blocked=left[1:], past_blockers=(*task.past_blockers, *past)
    )


def unanswered(task: Task, sender: str | None = None) -> tuple[PastBlocker, ...]:
    """The blockers whose attempt ended before the answer came: of those that this one was asked, if he was any."""
    left = () if task.ended is not None else tuple(b for b in task.past_blockers if b.answered_by is None)
    return tuple(b for b in left if sender in b.asked) or left


def behind(case: Case, task: Task) -> dict[str, list[str]]:
    """Who is told that a task is blocked or goes on: agent → his tasks that wait for it [EXE-18]."""
    ids = {i for i in case.dependants.get(task.id, ()) if i in case.tasks and case.tasks[i].ended is None}
    if case.head.tier in (0, 1, 2):
        following = case.after(task)
        if following is not None and following.ended is None:
            ids.add(following.id)
    mine = task.live.agent if task.live is not None else None
    found: dict[str, list[str]] = {}
    for each in sorted((case.tasks[i] for i in ids), key=lambda t: (t.key, t.id)):
        agent = each.live.agent if each.live is not None else each.bound or each.spec.assignee
        if agent is not None and agent != mine:
            found.setdefault(agent, []).append(each.id)
    return found


def blocked_s(task: Task, until: datetime) -> dict[str, int]:
    """Seconds blocked by kind, the open ones until then."""
    total: dict[str, int] = {}
    spans = [(b.kind, b.at, b.until) for b in task.past_blockers]
    spans += [(b.kind, b.at, max(until, b.at)) for b in open_blockers(task)]
    for kind, start, end in spans:
        total[kind] = total.get(kind, 0) + int((end - start).total_seconds())
    return total
