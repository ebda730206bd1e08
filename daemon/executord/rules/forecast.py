"""Before it is late: the liaison tells the customer, somebody is told to expedite, a workaround is looked for [SLA-9].

Counterparts: `promises/`, the clocks; `case/sums.py`, the effort still to be done. A stream of notices belongs to a
promise: the instruction's, and that of a task whose own limit is earlier. Each cause is told once, and again when the
time that was named slips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from executord.actions import Record, Send
from executord.agenda import Due
from executord.case import Ask, Head, Repriced, Task, Told, Workaround
from executord.case.casebook import Case
from executord.case.sums import eta_of, remaining_of
from executord.clocks import due
from executord.clocks.cadence import before
from executord.policy import Policy
from executord.posts.tidings import expedite, proactive, workaround_request
from executord.promises.instruction import resolution
from executord.promises.making import NOBODY
from executord.promises.tasks import task_resolution
from executord.promises.terms import changes_of, unreckoned
from executord.promises.timepiece import Clock, share_at
from executord.rules.asking import Asking
from executord.values import stamp
from executord.workload import ahead

ORDER = 84
RULE = "SLA-9"
AT_THE_LATEST = 0.75  # of the limit


@dataclass(frozen=True, slots=True)
class Late:
    """That a promise will not be kept: why, since when that is known, and when it will be done instead."""

    cause: str
    at: datetime
    revised: datetime
    because: str
    task: str | None = None


def case_lines(case: Case, policy: Policy) -> Iterator[Due]:
    """Of the instruction's promise."""
    head = case.head
    if head.opened_at is None or head.parked is not None or head.closed is not None:
        return
    clock = resolution(case, policy)
    if clock is None or clock.stopped is not None or case.open_tasks == 0:
        return
    key = (policy, head.spec, head.plan, clock, head.notices, head.done, head.workaround, case.sums.version,
           case.open_tasks, case.beside)  # fmt: skip
    kept = case.memo.get("forecast lines")
    if kept is None or kept[0] != key:
        first, changes = _elsewhere(case, clock), changes_of("resolution", head.repriced)
        late = _late(
            case, clock, case.remaining_s(first), case.sums.etas, case.sums.updated, changes,
            assured=len(case.sums.etas) == case.open_tasks, first=first,
        )  # fmt: skip
        kept = case.memo["forecast lines"] = (key, tuple(_lines(case, None, clock, late, policy)))
    yield from kept[1]
    yield from _ask_workaround(case, None, clock)


def task_lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """Of a task whose own limit is earlier than the instruction's."""
    head = case.head
    if not task.attempts or task.ended is not None or head.opened_at is None or head.parked is not None:
        return
    clock = task_resolution(case, task, policy)
    if clock is None or clock.stopped is not None or clock.capped:
        return
    eta, live = eta_of(task), task.live
    etas = {task.id: eta} if eta is not None and live is not None and live.eta_at is not None else {}
    said = {task.id: live.eta_at} if live is not None and live.eta_at is not None else {}
    first = _elsewhere(case, clock)
    left = remaining_of(task)
    left += first.get(live.agent, 0) if live is not None and left else 0
    changes = changes_of("resolution", task.repriced or head.repriced)
    late = _late(case, clock, left, etas, said, changes, assured=bool(etas), first=first)
    yield from _lines(case, task, clock, late, policy)
    yield from _ask_workaround(case, task, clock)


def _late(
    case: Case,
    clock: Clock,
    left_s: int,
    etas: Mapping[str, datetime],
    said: Mapping[str, datetime],
    repriced: tuple[Repriced, ...],
    *,
    assured: bool,
    first: Mapping[str, int],
) -> Late | None:
    """At once when somebody names a time past the limit; else at the forecast, at the latest at 75 % of the limit."""
    end, opened = clock.due, case.head.opened_at
    if end is None or opened is None:
        return None
    past = [(eta, task_id) for task_id, eta in etas.items() if eta > end]
    if past:
        eta, task_id = max(past)
        live = case.tasks[task_id].live
        who = live.agent if live is not None else "its holder"
        at = max(said[task_id], *(c.at for c in repriced)) if repriced else said[task_id]
        return Late(f"eta {task_id}", at, eta, f"{who} expects {task_id} by {stamp(eta)}", task_id)
    if assured:
        return None
    begin = max(t for t in (opened, clock.start, clock.since, *(c.at for c in repriced)) if t is not None)
    latest = share_at(clock, AT_THE_LATEST)
    forecast = before(clock.calendar, end, left_s) if left_s else None
    times = [t for t in (latest, forecast) if t is not None]
    if not times:
        return None
    at = max(min(times), begin)
    if at >= end:
        return None
    done = due(clock.calendar, at, left_s).due or end
    why = "75 % of the time is used"
    if forecast is not None and forecast <= at:
        why = "the effort still to be done"
        if any(first.values()):
            why += f", after what {' and '.join(a for a, s in first.items() if s)} has to do elsewhere first"
    return Late(f"forecast#{clock.ordinal}", at, max(done, end), why)


def _elsewhere(case: Case, clock: Clock) -> dict[str, int]:
    """The seconds that its holders have to do first for others: what is promised no later than this."""
    end = clock.due
    return {agent: ahead(pieces, end) for agent, pieces in case.beside.items()} if end is not None else {}


def _lines(case: Case, task: Task | None, clock: Clock, late: Late | None, policy: Policy) -> Iterator[Due]:
    owner: Task | Head = task if task is not None else case.head
    told = owner.notices[-1] if owner.notices else None
    subject = f"{task.id} " if task is not None else ""
    known = _workaround(case, task)
    if late is not None:
        following = _next(told, late, clock)
        if following is not None:
            yield _notice(case, task, clock, subject, *following, late, told, known, policy)
    if told is None or told.skipped:
        return
    yield from _follow(case, task, clock, subject, told, known, policy)


def _next(told: Told | None, late: Late, clock: Clock) -> tuple[int, int] | None:
    """The number and the slip of the notice that is due now, None if all has been said."""
    if told is None:
        return (1, 0) if not clock.breaches else None
    if late.revised <= told.revised:
        return None
    return (told.n, told.slip + 1) if late.cause == told.cause else (told.n + 1, 0)


def _notice(
    case: Case,
    task: Task | None,
    clock: Clock,
    subject: str,
    n: int,
    slip: int,
    late: Late,
    told: Told | None,
    known: Workaround | None,
    policy: Policy,
) -> Due:
    customer = case.head.spec.customer is not None
    asked = _asked(case, task, late) if known is None and customer else None
    facts: dict[str, Any] = {
        "n": n,
        "slip": slip,
        "cause": late.cause,
        "revised": stamp(late.revised),
        "before": stamp(told.revised) if told is not None else None,
        "because": late.because,
        "workaround": True if known is not None or not customer else None,
        "asked": asked,
    }
    action = (
        Send(case.head.liaison, "proactive_notice", proactive(case, clock, facts, known.text if known else None))
        if customer
        else Record()
    )
    return Due(
        late.at, f"proactive {subject}#{n}" + (f" slip-{slip}" if slip else ""), RULE, action, clock.task,
        (task.attempt or None) if task is not None else None,
        why=f"{late.because}; due {stamp(clock.due or late.at)}, expected {stamp(late.revised)}", facts=facts,
        order=ORDER, until=clock.breach_at if told is None else None,
    )  # fmt: skip


def _asked(case: Case, task: Task | None, late: Late) -> str:
    """The task whose holder is asked for a workaround: the late one, else the first that is in work; "" if none is."""
    if task is not None:
        return task.id if task.live is not None else ""
    if late.task is not None:
        return late.task
    return min(case.sums.live, key=lambda i: (case.tasks[i].key, i), default="")


def _workaround(case: Case, task: Task | None) -> Workaround | None:
    """What the customer can do meanwhile, as far as anybody has said."""
    if task is not None and task.workaround is not None:
        return task.workaround
    found = [w for w in (case.head.workaround, *(case.sums.workarounds.values() if task is None else ())) if w]
    return max(found, key=lambda w: w.at, default=None)


def _follow(
    case: Case, task: Task | None, clock: Clock, subject: str, told: Told, known: Workaround | None, policy: Policy
) -> Iterator[Due]:
    """What goes with a notice: somebody expedites; a workaround is asked for, and told when it comes."""
    owner: Task | Head = task if task is not None else case.head
    attempt = (task.attempt or None) if task is not None else None
    name = f"expedite {subject}#{told.n}"
    if name not in owner.done and told.slip == 0:
        to = _expediter(case, task, told, policy)
        opens = {
            "to": to, "because": told.because, "revised": stamp(told.revised), "told_at": stamp(told.at),
            "why": f"it will be late: {told.because}",
        }  # fmt: skip
        yield Due(
            told.at, name, RULE, Send(to, "escalation"), clock.task, attempt, why=opens["why"],
            facts={"ask": name, "level": 1, "for": to, "opens": opens, "by_ack": True}, order=ORDER, ask=name,
        )  # fmt: skip
    if case.head.spec.customer is None or clock.breaches:
        return
    if known is not None and not any(t.workaround for t in owner.notices if t.n == told.n):
        facts = {
            "n": told.n, "slip": told.slip, "cause": told.cause, "revised": stamp(told.revised),
            "because": told.because, "workaround": True,
        }  # fmt: skip
        yield Due(
            max(known.at, told.at), f"proactive {subject}#{told.n} workaround", RULE,
            Send(case.head.liaison, "proactive_notice", proactive(case, clock, facts, known.text)), clock.task, attempt,
            why="a workaround is known now", facts=facts, order=ORDER,
        )  # fmt: skip


def _expediter(case: Case, task: Task | None, told: Told, policy: Policy) -> str:
    """Who is told to expedite: the manager of whoever holds the late task, else who has the staff."""
    late = task if task is not None else case.tasks.get(told.cause.removeprefix("eta "))
    live = late.live if late is not None else None
    return policy.manager(live.agent) if live is not None else NOBODY


def _ask_workaround(case: Case, late: Task | None, clock: Clock) -> Iterator[Due]:
    """The holder is asked in the same look; not kept, for whether he was asked stands with his task."""
    notices = late.notices if late is not None else case.head.notices
    told = notices[-1] if notices else None
    if told is None or told.skipped or told.asked is None or clock.breaches or _workaround(case, late) is not None:
        return
    task = case.tasks.get(told.asked)
    if late is not None and task is None:
        return  # a task rule says nothing about the instruction: nothing would tell it that this was done
    name = f"workaround {task.id} #1" if task is not None else "workaround #1"
    owner: Task | Head = task if task is not None else case.head
    if f"ask {name}" in owner.done:
        return
    live = task.live if task is not None else None
    if task is not None and live is None:
        return  # it was given back meanwhile
    to = live.agent if live is not None else NOBODY
    opens = {"to": to, "why": "the customer is to be offered something meanwhile"}
    yield Due(
        told.at, f"ask {name}", RULE, Send(to, "workaround_request"), task.id if task is not None else None,
        (task.attempt or None) if task is not None else None, why=opens["why"],
        facts={"ask": name, "level": 1, "for": to, "opens": opens}, order=ORDER, ask=name,
    )  # fmt: skip


# --- what is asked ---------------------------------------------------------------------------------------------------


def _expedite_body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    clock = task_resolution(case, task, policy) if task is not None else resolution(case, policy)
    assert clock is not None
    return expedite(case, clock, ask.facts)


def _still_open(case: Case, task: Task | None, ask: Ask) -> bool:
    return task.ended is None if task is not None else case.open_tasks > 0


def _still_in_time(case: Case, task: Task | None, ask: Ask) -> bool:
    """Once the limit has passed the ladder of the breach climbs in its place; without a limit nothing does [MEM-25]."""
    owner: Task | Head = task if task is not None else case.head
    if unreckoned(case.head):
        return False
    return _still_open(case, task, ask) and not any(b.clock.startswith("resolution") for b in owner.breaches)


def _workaround_body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    return workaround_request(case, task)


def _wanted(case: Case, task: Task | None, ask: Ask) -> bool:
    return _still_open(case, task, ask) and _workaround(case, task) is None and case.head.workaround is None


EXPEDITE = Asking(RULE, "escalation", _expedite_body, stands=_still_in_time)
WORKAROUND = Asking(RULE, "workaround_request", _workaround_body, stands=_wanted)
