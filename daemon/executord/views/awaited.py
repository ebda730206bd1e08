"""What is awaited of whom, since when, and who is asked next: for `status` and `why` [MSG-7, EXE-22].

Counterparts: `rules/asks.py`, the ladder of what is asked; `rules/silence.py`, that of a silent holder. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.meaning.blocking import blocked_s, open_blockers
from executord.policy import Policy
from executord.rules.asks import ASKS, next_of, spans_of
from executord.rules.silence import due_at, interval, next_rung
from executord.values import stamp


def rows(case: Case) -> list[dict[str, Any]]:
    """Every answer that is awaited: of the instruction first, then by task in plan order."""
    return [
        {
            "what": ask.subject,
            "task": task_id,
            "from": ask.to,
            "level": ask.level or None,
            "since": stamp(ask.first) if ask.first is not None else None,
            "acknowledged_by": ask.acknowledged_by,
            "unanswered": ask.over,
        }
        for task_id, ask in case.asks()
        if stands(case, task_id, ask)
    ]


def stands(case: Case, task_id: str | None, ask: Ask) -> bool:
    """Whether there is still a reason for it."""
    row = ASKS.get(ask.about)
    task = case.tasks.get(task_id) if task_id is not None else None
    return row is not None and (row.stands is None or row.stands(case, task, ask))


def blocker_asked(task: Task, n: int) -> tuple[str | None, int | None]:
    """Who is asked about a task's n-th blocker now, and at which level."""
    ask = next((a for a in task.asks if a.about == "blocker" and a.facts.get("n") == n), None)
    return (ask.to, ask.level or None) if ask is not None else (None, None)


def said(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, dict[str, Any]]:
    """What is awaited in words, and what went into it."""
    up = next_of(case, task, ask, policy)
    inputs: dict[str, Any] = {
        "ask": ask.subject, "level": ask.level, "told": list(ask.told), "letters": list(ask.letters),
        "then": list(up),
    }  # fmt: skip
    if ask.over:
        return f"nobody has answered: {', '.join(ask.told)} were asked, and nobody is left", inputs
    if ask.level == 0 or ask.to is None:
        return f"{up[0] if up else 'nobody'} is about to be asked", inputs
    start = ask.acknowledged or ask.since
    assert start is not None  # since somebody was asked
    remind, climb = spans_of(case, task, ask, policy, start)
    inputs |= {"remind_at": stamp(remind), "climbs_at": stamp(climb)}
    text = f"an answer of {ask.to}, asked at {stamp(ask.since) if ask.since else '?'} (level {ask.level})"
    if ask.acknowledged is not None:
        text += f"; acknowledged by {ask.acknowledged_by} at {stamp(ask.acknowledged)}"
    return text + (f"; at {stamp(climb)} {up[0]} is asked" if up else "; nobody is asked after that"), inputs


def silence(case: Case, task: Task, policy: Policy) -> tuple[str, dict[str, Any]] | None:
    """What happens if nothing is heard of the holder: the next rung, its instant, the interval it comes from."""
    live = task.live
    if live is None or task.hold or case.head.hold or task.blocked is not None or case.head.parked:
        return None
    k, rung, _ = next_rung(task, live, policy)
    at = due_at(case, task, live, rung, policy)
    whole = interval(case, task, live.agent, policy)
    heard = live.sign_at or live.accepted_at
    since = f"the last sign of life at {stamp(heard)}" if heard else f"no acknowledgement since {stamp(live.at)}"
    text = f"{rung.do.replace('_', ' ')} at {stamp(at)}: {since}"
    return text, {"interval_s": whole, "rung": k + 1, "cycle": live.cycles, "agent": live.agent}


def blocked_for(task: Task, until: datetime) -> Iterator[str]:
    """How long the task was blocked, by kind."""
    if open_blockers(task) or task.past_blockers:
        for kind, seconds in blocked_s(task, until).items():
            yield f"{kind}: {seconds} s"
