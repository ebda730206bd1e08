"""When the customer hears from us next: the cadence of updates, and its clock [SLA-13, SLA-14, SLA-21].

Counterparts: `instruction.py`, whose response limit the first update keeps; `rules/updates.py`, who is asked. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from executord.case.casebook import Case
from executord.clocks import LATEST, Calendar, Pauses, moment_of
from executord.clocks.cadence import cadence_due
from executord.evolve import replace
from executord.policy import Policy
from executord.promises.aims import breach_instant
from executord.promises.instruction import customer_since, response
from executord.promises.making import closed_as, closed_at, kept
from executord.promises.terms import ASKED_AT, Terms, of_priority, terms, unreckoned
from executord.promises.timepiece import Clock

HOURLY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Cadence:
    """When the next customer update is asked for and overdue [SLA-13, SLA-14]. `last`: what it is counted from."""

    number: int
    last: datetime
    ask: datetime
    due: datetime
    priority: str
    first: bool
    promised: bool
    source: str
    calendar: Calendar
    late_from: datetime  # from when on the ladder counts: `due`, or the change that put that into the past
    breached_at: datetime  # when it was overdue first: by the priority that held then


def cadence(case: Case, policy: Policy) -> Cadence | None:
    """The next customer update of a case; None: no customer, not opened, or closed."""
    head = case.head
    if unreckoned(head) or head.opened_at is None or head.spec.customer is None:
        return None
    key = (
        tuple((i.severity, i.status, i.open_since) for i in head.incidents), head.liaison,
        policy, head.spec, head.created, head.tier, head.priority, head.counted, head.pauses, case.sums.still,
        head.repriced,
    )  # fmt: skip
    found: Cadence | None = kept(case.memo, "cadence", key, lambda: _cadence(case, policy))
    return found


def _cadence(case: Case, policy: Policy) -> Cadence | None:
    """The cadence of the priority as it stands; overdue from when on it was so by the one that held then [SLA-10]."""
    head = case.head
    found = _of_priority(case, policy, head.priority_now)
    if found is None:
        return None

    def due_of(was: str) -> datetime | None:
        then = _of_priority(case, policy, was)
        return then.due if then is not None else None

    held = ((c.at, c.was) for c in of_priority(head.repriced))
    breached_at = breach_instant(found.due, held, found.last, due_of) or found.due
    first = response(case, policy) if head.counted is None else None
    if first is not None and first.due is not None:
        breached_at = min(breached_at, first.breach_at or first.due)
        if first.due < found.due:
            found = replace(found, due=first.due, source=f"the response limit: {first.source}")
    since = customer_since(head) or found.last
    late_from = max([found.due, since, *(c.at for c in of_priority(head.repriced) if c.at > found.last)])
    return replace(found, late_from=late_from, breached_at=max(breached_at, since))


def _of_priority(case: Case, policy: Policy, priority: str) -> Cadence | None:
    """What the cadence of a priority asks for after the last update."""
    head = case.head
    assert head.created is not None
    assert head.opened_at is not None
    row = terms(policy, head, priority)
    counted = head.counted
    last = counted.counts_at if counted is not None and counted.counts_at is not None else head.created
    overdue = cadence_due(row.on_update, last, row.update.limit or row.update.target)
    if overdue is None:
        return None
    ask = _asked(row, last, overdue)
    source, given = f"{row.source} ({row.update.text})", False
    open_since = min((i.open_since for i in head.incidents if i.status == "open"), default=None)
    if open_since is not None:  # in an incident the customer hears hourly at least, not before there was one [INC-4]
        begin = max(last, open_since)
        if begin + HOURLY < overdue:
            share = (ask - last) / (overdue - last)
            ask, overdue = begin + HOURLY * share, begin + HOURLY
            source = "hourly at least while the incident is open"
    number = counted.number + 1 if counted is not None else 1
    promised = counted.promised if counted is not None else None
    if promised is not None and last < promised < overdue:
        share = (ask - last) / (overdue - last)
        ask, overdue, given = last + (promised - last) * share, promised, True
        source = "promised in the last update"
    ask, overdue = _shifted(case, last, ask), _shifted(case, last, overdue)
    ask = min(ask, overdue) if counted is not None else head.opened_at
    calendar = row.on_update
    return Cadence(number, last, ask, overdue, priority, counted is None, given, source, calendar, overdue, overdue)


def _asked(row: Terms, last: datetime, overdue: datetime) -> datetime:
    if row.update.single:
        return last + (overdue - last) * ASKED_AT
    found = cadence_due(row.on_update, last, row.update.target)
    return min(found, overdue) if found is not None else overdue


def _shifted(case: Case, last: datetime, at: datetime) -> datetime:
    """The instant, later by as long as a pause that says so stood in between [SLA-7]."""
    pausing = [p for p in (*case.head.pauses, *(p for each in case.sums.pauses.values() for p in each)) if p.updates]
    if not pausing:
        return at
    shift = Pauses.of((max(p.start, last), min((e for e in (p.end, p.cap) if e is not None), default=None))
                      for p in pausing if p.end is None or p.end > last)  # fmt: skip
    moment = at
    for begin, end in shift.spans:
        begin_at, end_at = _instant(begin), _instant(end)
        if begin_at >= moment:
            break
        moment += end_at - max(begin_at, last)
    return moment


def _instant(micros: int) -> datetime:
    return moment_of(min(micros, LATEST))


def update_clock(case: Case, policy: Policy) -> Clock | None:
    """The customer_update clock as a clock."""
    found = cadence(case, policy)
    if found is None:
        return None
    head = case.head
    key = f"customer_update#{found.number}"
    return Clock(
        kind="customer_update",
        task=None,
        attempt=None,
        ordinal=found.number,
        start=found.last,
        calendar=found.calendar,
        target=found.ask,
        due=found.due,
        priority=found.priority,
        source=found.source,
        holder=head.liaison,
        audience="customer",
        fixed=True,
        warn_due=found.due,
        original=found.due,
        breach_at=found.breached_at,
        pauses=tuple(p for p in head.pauses if p.updates),
        stopped=closed_at(case),
        over=closed_as(case),
        breaches=tuple(b for b in head.breaches if b.clock == key),
    )
