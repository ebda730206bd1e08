"""The customer hears from us: updates asked for, reminded of, escalated; never forgotten [SLA-13, SLA-14, SLA-17].

Counterparts: `promises.cadence`, when; `messages/customer.py`, what meets it. Nothing stops this but the end of the
instruction: what is held, blocked, on hold, paused or late owes its updates all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from executord.actions import Record, Rendered, Send
from executord.agenda import Due
from executord.case.casebook import Case
from executord.policy import Policy
from executord.posts.tidings import cause_of, late_by, local_words, noted_at, overdue, quarter, silence, update_request
from executord.promises.terms import at_work
from executord.promises.updates import Cadence, cadence
from executord.values import stamp

ORDER = 82
RULE = "SLA-14"


def lines(case: Case, policy: Policy) -> Iterator[Due]:
    """Ask, remind, escalate a level each quarter of the interval; the same lines as long as nothing changes."""
    head = case.head
    if head.opened_at is None or head.parked is not None:
        return
    found = cadence(case, policy)
    if head.closed is not None:  # what was overdue before the end is a fact, also if it is seen after it [MSG-11]
        if found is not None and found.breached_at < head.closed.at:
            yield from _records(case, found)
        return
    if found is None:
        yield from _records(case, None)
        return
    pending = head.sent_updates[-1] if head.sent_updates else None
    on_its_way = pending is not None and pending.counts_at is None
    key = (policy, head.spec, head.liaison, found, head.done, head.breaches, on_its_way, head.sent_updates)
    kept = case.memo.get("update lines")
    if kept is None or kept[0] != key:
        kept = case.memo["update lines"] = (
            key,
            (*_lines(case, found, policy, on_its_way=on_its_way), *_records(case, found)),
        )
    yield from kept[1]


def chain(case: Case, policy: Policy, found: Cadence) -> tuple[str, ...]:
    """Who hears of silence, level by level: the liaison's managers, for critical the vp at once; at the end hitl."""
    first = "vp-customer-support" if found.priority == "critical" else policy.manager(case.head.liaison)
    names = [first]
    while names[-1] != "hitl" and len(names) < 4:
        up = policy.manager(names[-1])
        if up in names:
            break
        names.append(up)
    if names[-1] != "hitl":
        names.append("hitl")
    return tuple(n for n in names if n != case.head.liaison)


def _lines(case: Case, found: Cadence, policy: Policy, *, on_its_way: bool) -> Iterator[Due]:
    head, liaison = case.head, case.head.liaison
    number = f"update #{found.number}"
    asked = update_request(case, found)  # one for all that tell of it: of many cases it is the largest thing kept
    ask = found.ask
    if found.priority != "critical":
        ask = at_work(policy, liaison, ask)
    instead = (
        ask >= found.late_from > found.ask
    )  # it opens too late: asked at the overdue mark, in place of the reminder
    ask = min(ask, max(found.late_from, found.ask))
    if f"ask {number}" not in head.done and not on_its_way:
        yield Due(
            ask, f"ask {number}", RULE, Send(liaison, "customer_update_request", asked),
            why=f"due {stamp(found.due)}: {found.source}", facts={"number": found.number}, order=ORDER,
            until=found.late_from if found.late_from > ask else None,
        )  # fmt: skip
    levels = chain(case, policy, found)
    gap = quarter(found)
    times = [found.late_from + gap * k for k in range(1, len(levels) + 1)]
    if f"remind {number}" not in head.done and not instead:
        yield Due(
            found.late_from, f"remind {number}", RULE,
            Send(liaison, "reminder", overdue(case, found, asked, 1, times[0], levels[0])),
            why=f"overdue since {stamp(found.due)}", facts={"number": found.number}, order=ORDER,
        )  # fmt: skip
    for k, (at, to) in enumerate(zip(times, levels, strict=True), 1):
        name = f"escalate {number} level-{k}"
        if name not in head.done:
            later = times[k] if k < len(times) else None
            yield Due(
                at, name, RULE,
                Send(to, "escalation", silence(case, found, asked, k, later or at + gap, levels[k] if later else None)),
                why=f"{case.head.liaison} has sent no update; it was due {stamp(found.due)}",
                facts={"number": found.number}, order=ORDER, until=later,
            )  # fmt: skip


def _records(case: Case, found: Cadence | None) -> Iterator[Due]:
    """That an update was overdue is a fact, whenever it came or comes [SLA-10]."""
    known = {b.clock for b in case.head.breaches}
    for update in case.head.sent_updates:
        if update.late and update.due is not None and f"customer_update#{update.round}" not in known:
            yield _record(case, update.round, update.due, update.due, update.counts_at, "", "")
    if found is not None and f"customer_update#{found.number}" not in known:
        stopped = case.head.closed.at if case.head.closed is not None else None
        yield _record(
            case,
            found.number,
            found.breached_at,
            found.due,
            stopped,
            found.source,
            local_words(found.due, found.calendar),
        )


def _record(
    case: Case, number: int, at: datetime, due: datetime, stopped: datetime | None, source: str, local: str
) -> Due:
    return Due(
        at, f"breach customer_update #{number}", "SLA-10", Record(), why="the customer has not heard from us in time",
        facts={
            "clock": "customer_update",
            "key": f"customer_update#{number}",
            "due": stamp(due),
            "due_local": local or None,
            "effective_at": stamp(at),
            "stopped_at": stamp(stopped) if stopped is not None else None,
            "detected_at": Rendered(noted_at),
            "late_by_s": Rendered(late_by, (at,)),
            "cause": Rendered(cause_of, ("customer_update", None)),
            "holder": case.head.liaison,
            "told": [],
            "policy": source or None,
        },
        order=ORDER,
    )  # fmt: skip
