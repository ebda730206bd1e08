"""Tier 4: the executive hears of the start, checkpoints, escalations, changes of plan, and every 4 hours [EXE-7].

What falls together is one update; a cadence in which nothing has happened sends nothing, so silence sends a bounded
number [EXE-29]. Counterparts: `posts/news.py`, what counts as news; `fold.py`, which keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from executord.actions import Record, Send
from executord.agenda import Due
from executord.case.casebook import Case
from executord.case.standing import standing
from executord.evolve import replace
from executord.meaning.blocking import open_blockers
from executord.policy import Policy, escalation_row
from executord.promises.instruction import promised
from executord.values import stamp

ORDER = 58
CADENCE = timedelta(hours=4)
EXECUTIVE = "vp-customer-support"


def lines(case: Case, policy: Policy) -> Iterator[Due]:
    """The next update, and the record that a checkpoint without a reviewer is reached."""
    head = case.head
    if head.tier != 4 or head.opened_at is None or head.parked is not None or not head.ours:
        return
    if head.closed is None:
        for gate in case.gates:
            if gate.review is None and gate.open_members <= 0 and gate.id not in head.reviews and gate.last_end:
                yield Due(
                    gate.last_end, f"checkpoint {gate.id} #1", "EXE-6", Record(),
                    why=f"{', '.join(gate.after)} have ended", facts={"checkpoint": gate.id}, order=ORDER - 1,
                )  # fmt: skip
    news = head.news
    to, cadence = _whom(case, policy)
    if news:
        at = min(each.at for each in news)
        yield _update(case, to, at, "; ".join(dict.fromkeys(each.text for each in news)))
    elif head.executive_at is not None and head.stirred and head.closed is None:
        yield _update(case, to, head.executive_at + cadence, "how things stand, at the cadence")


def _whom(case: Case, policy: Policy) -> tuple[str, timedelta]:
    """Who is told, and how often: a row `on: executive_update` of the configuration, else the default."""
    try:
        row = escalation_row(policy, case.head, case.head.priority_now, None, ("executive_update",))
    except LookupError:
        return EXECUTIVE, CADENCE
    return row.to[0], row.after or CADENCE


def _update(case: Case, to: str, at: datetime, why: str) -> Due:
    k = case.head.executives + 1
    return Due(at, f"executive-update {case.id} #{k}", "EXE-7", Send(to, "executive_update"), why=why,
               facts={"executive": k}, order=ORDER)  # fmt: skip


def spoken(case: Case, line: Due, policy: Policy) -> Due:
    """The line with how things stand when it is noted; one that is muted says nothing."""
    if not isinstance(line.action, Send):
        return line
    head = case.head
    states: dict[str, list[str]] = {}
    for task in case.in_order():
        states.setdefault(standing(case, task).state, []).append(task.id)
    limit = promised(case, policy)
    total = case.planned_total
    body = {
        "title": head.title,
        "because": list(dict.fromkeys(each.text for each in head.news)) or [line.why],
        "percent": (total - case.open_tasks) * 100 // total if total else 0,
        "tasks": states,
        "workstreams": _workstreams(case),
        "blockers": [
            {"task": t.id, "kind": b.kind, "since": stamp(b.at), "description": b.description}
            for t in case.in_order() for b in open_blockers(t)
        ],
        "awaited": [
            {"what": ask.subject, "from": ask.to, "level": ask.level, "since": stamp(ask.first) if ask.first else None}
            for _, ask in case.asks()
        ],
        "deadline": stamp(limit.at) if limit is not None else None,
        "next_at_latest": stamp(line.at + _whom(case, policy)[1]) if head.closed is None else None,
    }  # fmt: skip
    return replace(line, action=Send(line.action.to, line.action.kind, body))


def _workstreams(case: Case) -> dict[str, dict[str, int]] | None:
    """How many tasks of each workstream have ended, of how many."""
    found: dict[str, dict[str, int]] = {}
    for task in case.in_order():
        if task.spec.workstream:
            row = found.setdefault(task.spec.workstream, {"ended": 0, "tasks": 0})
            row["tasks"] += 1
            row["ended"] += task.ended is not None
    return found or None
