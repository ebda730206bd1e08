"""The clocks of an instruction and its tasks: computed from what the journal says, never stored [SLA-1, SLA-2].

Counterparts: `terms.py`, what is promised; `aims.py`, what a limit is made of; `timepiece.py`, one clock;
`rules/sla.py` and `rules/updates.py`, what follows from them. Pure: no clock here knows what time it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import is_
from typing import Any, Final

from executord.case import Attempt, Breach, Extension, Paused, Repriced, Task
from executord.case.casebook import Case
from executord.clocks import LATEST, Calendar, Pauses, active, moment_of
from executord.clocks.cadence import cadence_due
from executord.evolve import replace
from executord.policy import Policy
from executord.promises.aims import Aim, Limit, aim_of, breach_instant, extended, since_last_change, with_severity
from executord.promises.terms import ASKED_AT, Terms, priority_at, priority_of, terms, unreckoned
from executord.promises.timepiece import NO_PAUSES, Clock, spans
from executord.values import Span, read_span

HOURLY = timedelta(hours=1)
CAPPED: Final = ", which caps the task's own"  # of a limit that is the instruction's: behind where that comes from
NOBODY = "support-manager"  # who is warned where nobody holds it, and where there is no customer


def _kept(case: Case, name: str, key: tuple[Any, ...], make: Any) -> Any:
    """What was made from the same facts before is what it is now."""
    kept = case.memo.get(name)
    if kept is not None and kept[0] == key:
        return kept[1]
    value = make()
    case.memo[name] = (key, value)
    return value


def _unmoved(case: Case, name: str, facts: tuple[Any, ...]) -> Any:
    """What is kept under this name if these very values made it, else None: no more than a glance for each.

    Behind it stands `_kept`, which knows of other values that say the same.
    """
    kept = case.memo.get(name)
    if kept is not None and all(map(is_, kept[0], facts)):
        return kept[1]
    return None


def holder_of(case: Case, task: Task | None) -> str:
    """Who is warned about a clock [SLA-8]."""
    if task is not None:
        return task.live.agent if task.live is not None else NOBODY
    return case.head.liaison if case.head.spec.customer is not None else NOBODY


def instruction_pauses(case: Case) -> tuple[Paused, ...]:
    """When the instruction's resolution clock stands still: on hold, or one of its tasks stands still by a pause; and
    from the end of its last task to the re-opening [SLA-7]."""
    found = [*case.head.pauses]
    for pauses in case.sums.pauses.values():
        found += pauses
    return (*found, *_resolved(case))


def _resolved(case: Case) -> Iterator[Paused]:
    """The times in which every task had ended, and that are over."""
    created = case.head.created
    if not case.sums.reopened or created is None:
        return
    common: list[tuple[datetime, datetime | None]] | None = None
    first: datetime | None = None  # before the first task nothing was resolved
    for task in case.tasks.values():
        own = [(p.start, p.end) for p in task.pauses if p.source == "ended"]
        if task.ended is not None:
            own.append((task.ended.at, None))
        if not task.planned:
            own.append((created, task.born))  # added later: it was not missing before
        there = created if task.planned else task.born
        first = min((at for at in (first, there) if at is not None), default=None)
        common = own if common is None else list(_both(common, own))
        if not common:
            return
    last = case.resolved_at
    for begin, end in common or ():
        start = max(begin, first or created)
        if end is not None and start < end and (last is None or end <= last):
            yield Paused("resolved", start, "ended", end=end)


def _both(
    one: list[tuple[datetime, datetime | None]], other: list[tuple[datetime, datetime | None]]
) -> Iterator[tuple[datetime, datetime | None]]:
    for a, b in one:
        for c, d in other:
            begin, end = max(a, c), min((e for e in (b, d) if e is not None), default=None)
            if end is None or begin < end:
                yield begin, end


def _closed_at(case: Case) -> datetime | None:
    return case.head.closed.at if case.head.closed is not None else None


def _closed_as(case: Case) -> str | None:
    closed = case.head.closed
    return closed.state if closed is not None and closed.state in ("deferred", "cancelled") else None


def resolution(case: Case, policy: Policy) -> Clock | None:
    """The instruction's resolution clock; None before it is opened, and as long as what it promises is missing."""
    head = case.head
    if unreckoned(head):
        return None
    facts = (head, policy, case.sums.still, case.resolved_at)
    clock: Clock | None = _unmoved(case, "resolution now", facts)
    if clock is None:
        key = (
            tuple((i.severity, i.status) for i in head.incidents), head.liaison,
            policy, head.spec, head.created, head.tier, head.priority, head.repriced, head.extensions, head.pauses,
            head.breaches, head.closed, case.sums.still, case.resolved_at,
        )  # fmt: skip
        clock = _kept(case, "resolution", key, lambda: _resolution(case, policy))
        case.memo["resolution now"] = (facts, clock)
    return clock


def cap_facts(case: Case, policy: Policy) -> tuple[Any, ...]:
    """What the tasks' clocks take from the instruction's, which caps them: when it changes, their lines may."""
    clock = resolution(case, policy)
    if clock is None:
        return ()
    return (clock.due, clock.warn_due, clock.source, clock.fixed, clock.original, clock.approved, clock.pauses)


def _resolution(case: Case, policy: Policy) -> Clock:
    head = case.head
    assert head.created is not None
    start = head.created
    ends = [at for at in (case.resolved_at, _closed_at(case)) if at is not None]
    stopped = min(ends) if ends else None
    pauses = instruction_pauses(case)
    spans_ = spans(pauses)
    priority = priority_at(head.priority_now, head.repriced, stopped)

    def plain(at: str) -> Aim:
        row = terms(policy, head, at)
        aim = aim_of(
            policy, row.on_resolution, start, head.spec.resolution, row.resolution, "the instruction's own", row.source
        )
        return with_severity(case, policy, "resolution", start, aim, spans_)

    return _clock(
        case, policy, plain, priority, "resolution", None, spans_,
        pauses=pauses, stopped=stopped, extensions=head.extensions, repriced=head.repriced, breaches=head.breaches,
        over=_closed_as(case) if case.resolved_at is None or case.resolved_at == _closed_at(case) else None,
    )  # fmt: skip


def _clock(
    case: Case,
    policy: Policy,
    plain: Any,
    priority: str,
    kind: str,
    task: Task | None,
    spans_: Pauses,
    *,
    attempt: int | None = None,
    ordinal: int | None = None,
    pauses: tuple[Paused, ...] = (),
    stopped: datetime | None = None,
    extensions: tuple[Extension, ...] = (),
    repriced: tuple[Repriced, ...] = (),
    breaches: tuple[Breach, ...] = (),
    over: str | None = None,
    cap: Clock | None = None,
    follows: bool = False,
    holder: str | None = None,
) -> Clock:
    """A clock of what `plain(priority)` promises, moved by extensions and capped by the instruction's."""
    counted = [c for c in repriced if stopped is None or c.at <= stopped]
    aim: Aim = plain(priority)
    valid = since_last_change(extensions, tuple(counted))
    agreed = tuple(e for e in valid if e.approved)
    limit = aim.limit(spans_)
    moved = extended(aim, agreed, spans_) if agreed else aim
    at = moved.limit(spans_) if agreed else limit
    warned = extended(aim, valid, spans_).limit(spans_) if len(agreed) != len(valid) else at
    target = aim.target(spans_)
    capped = cap is not None and (follows or (cap.due is not None and (at is None or cap.due <= at)))
    if capped:
        assert cap is not None
        at, warned = cap.due, cap.warn_due if follows or warned is None else min(warned, cap.warn_due or warned)
    # The time up to a limit is counted on the calendar that the limit is of.
    calendar = cap.calendar if capped and cap is not None else aim.calendar
    single = aim.moment is None and aim.target_s == aim.limit_s
    if at is not None and target is not None and (target > at or (single and extensions)):
        target = at

    def limit_at(was: str) -> datetime | None:
        other: datetime | None = plain(was).limit(spans_)
        return other

    begun = limit_at if repriced else None
    prefix = f"{kind}{f' a{attempt}' if attempt else ''}#"
    mine = tuple(b for b in breaches if b.clock.startswith(prefix)) if breaches else ()
    if ordinal is not None:
        mine = tuple(b for b in mine if b.clock == f"{prefix}{ordinal}")
    breach_at = breach_instant(at, repriced, aim.start, begun, stopped) if repriced else at
    if breach_at is not None and breach_at < aim.start:
        breach_at = aim.start
    promised_by = cap.source if capped and cap is not None else moved.source
    if breach_at is not None and kind == "resolution" and promised_by.startswith("severity "):
        written = case.head.spec.severity or 9
        known = [i.faster_since or i.opened_at for i in case.head.incidents if i.severity < written]
        breach_at = max(breach_at, min(known)) if known else breach_at  # the change puts it into the past [SLA-10]
    return Clock(
        kind=kind,
        task=task.id if task is not None else None,
        attempt=attempt,
        ordinal=ordinal if ordinal is not None else len(extensions) + 1,
        start=aim.start,
        calendar=calendar,
        target=target,
        due=at,
        priority=priority,
        source=f"{promised_by}{CAPPED}" if capped else promised_by,
        holder=holder or holder_of(case, task),
        audience="customer" if task is None and case.head.spec.customer is not None else "internal",
        target_s=aim.target_s
        if calendar is aim.calendar or target is None
        else active(calendar, aim.start, target, spans_),
        limit_s=moved.limit_s if moved.moment is None and not capped else None,
        fixed=moved.moment is not None or (capped and cap is not None and cap.fixed),
        warn_due=warned,
        since=extensions[-1].at if extensions else None,
        original=min(limit, cap.original) if capped and cap and limit and cap.original else limit,
        approved=bool(agreed) or bool(capped and cap is not None and cap.approved),
        breach_at=breach_at,
        pauses=pauses,
        stopped=stopped,
        over=over,
        breaches=mine,
        capped=bool(capped),
        moved=max((n for n, e in enumerate(extensions, 2) if e.approved), default=1),
    )


def promised(case: Case, policy: Policy) -> Limit | None:
    """When the instruction's resolution is promised, and where that comes from; None: not opened, or standing still."""
    clock = resolution(case, policy)
    return Limit(clock.due, clock.source) if clock is not None and clock.due is not None else None


def promised_task(case: Case, task: Task, policy: Policy) -> Limit | None:
    """When a task's resolution is promised; of one that nobody has yet, when it would be [SLA-6, EXE-11]."""
    if task.attempts:
        clock = task_resolution(case, task, policy)
        return Limit(clock.due, clock.source) if clock is not None and clock.due is not None else None
    head, capped = case.head, promised(case, policy)
    own, priority = task.field("resolution"), priority_of(head, task)
    start = head.opened_at or head.created
    if start is None or (own is None and priority == head.priority_now):
        return capped
    row = terms(policy, head, priority)
    aim = aim_of(policy, row.on_resolution, start, own, row.resolution, "the task's own", row.source)
    at = aim.limit(NO_PAUSES)
    if at is None or (capped is not None and capped.at <= at):
        return Limit(capped.at, f"{capped.source}{CAPPED}") if capped is not None else None
    return Limit(at, aim.source)


def response(case: Case, policy: Policy) -> Clock | None:
    """The instruction's response clock: to the first complete update, without a customer to the first
    acknowledgement of one of its delegations [SLA-2]."""
    head = case.head
    if unreckoned(head):
        return None
    met = head.first_counted if head.spec.customer is not None else case.sums.first_ack
    facts = (head, policy, met, case.resolved_at)
    clock: Clock | None = _unmoved(case, "response now", facts)
    if clock is None:
        key = (
            tuple((i.severity, i.status) for i in head.incidents), head.liaison,
            policy, head.spec, head.created, head.tier, head.priority, head.repriced, head.breaches, head.closed, met,
            case.resolved_at,
        )  # fmt: skip
        clock = _kept(case, "response", key, lambda: _response(case, policy, met))
        case.memo["response now"] = (facts, clock)
    return clock


def _response(case: Case, policy: Policy, met: datetime | None) -> Clock:
    head = case.head
    assert head.created is not None
    start = head.created
    ends = [at for at in (met, _closed_at(case)) if at is not None]
    if head.spec.customer is None and case.resolved_at is not None:
        ends.append(case.resolved_at)  # done before anybody said that he has it
    stopped = min(ends) if ends else None
    over = _closed_as(case) if met is None or (stopped is not None and met > stopped) else None
    return _clock(
        case, policy, lambda p: _responding(case, policy, start, p, head.spec.response, "the instruction's own"),
        priority_at(head.priority_now, head.repriced, stopped), "response", None, NO_PAUSES, ordinal=1,
        stopped=stopped, repriced=head.repriced, breaches=head.breaches, over=over,
    )  # fmt: skip


def _responding(case: Case, policy: Policy, start: datetime, priority: str, own: Any, whose: str) -> Aim:
    row = terms(policy, case.head, priority)
    aim = aim_of(policy, row.on_response, start, own, row.response, whose, row.source)
    return with_severity(case, policy, "response", start, aim, NO_PAUSES)


def next_responses(case: Case, policy: Policy, *, past: bool = True) -> Iterator[Clock]:
    """The clocks that the customer's replies started; the last ones only, unless all past ones are asked for."""
    head = case.head
    if unreckoned(head):
        return
    for reply in head.replies if past else head.replies[-3:]:
        ends = [at for at in (reply.answered, _closed_at(case)) if at is not None]
        stopped = min(ends) if ends else None
        yield _clock(
            case, policy,
            lambda p, at=reply.at: _responding(case, policy, at, p, head.spec.response, "the instruction's own")
            if not _is_moment(head.spec.response) else _responding(case, policy, at, p, None, ""),
            priority_at(head.priority_now, head.repriced, stopped), "next_response", None, NO_PAUSES, ordinal=reply.n,
            stopped=stopped, repriced=head.repriced, breaches=head.breaches,
            over=_closed_as(case) if reply.answered is None else None,
        )  # fmt: skip


def _is_moment(own: Any) -> bool:
    return own is not None and not isinstance(read_span(own), Span)


# --- the customer's updates ------------------------------------------------------------------------------------------


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
    late_from: datetime  # when it counts as overdue: `due`, or the change that put that into the past


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
    found: Cadence | None = _kept(case, "cadence", key, lambda: _cadence(case, policy))
    return found


def _cadence(case: Case, policy: Policy) -> Cadence | None:
    head = case.head
    assert head.created is not None
    assert head.opened_at is not None
    priority = head.priority_now
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
    if counted is None:
        ask = head.opened_at
        first = response(case, policy)
        if first is not None and first.due is not None and first.due < overdue:
            overdue, source = first.due, f"the response limit: {first.source}"
    if counted is not None:
        ask = min(ask, overdue)
    late_from = max([overdue, *(c.at for c in head.repriced if c.at > last)])
    return Cadence(number, last, ask, overdue, priority, counted is None, given, source, row.on_update, late_from)


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
        breach_at=found.late_from,
        pauses=tuple(p for p in head.pauses if p.updates),
        stopped=_closed_at(case),
        over=_closed_as(case),
        breaches=tuple(b for b in head.breaches if b.clock == key),
    )


# --- the tasks' clocks -----------------------------------------------------------------------------------------------


def task_resolution(case: Case, task: Task, policy: Policy) -> Clock | None:
    """The task's resolution clock: from its first dispatch to the completion that was accepted; capped by the
    instruction's limit [SLA-2, SLA-6]. None before it was given out."""
    head = case.head
    if not task.attempts or unreckoned(head):
        return None
    key = (
        task.attempts[0].at, holder_of(case, task), task.ended, task.pauses, task.extensions, task.repriced,
        task.overrides, task.breaches, task.spec, head.spec, head.priority, head.repriced, head.pauses,
        resolution(case, policy), policy,
    )  # fmt: skip
    name = f"due {task.id}"
    clock: Clock | None = _unmoved(case, name, key)
    if clock is None:
        clock = _task_resolution(case, task, policy)
        case.memo[name] = (key, clock)
    return clock


def _task_resolution(case: Case, task: Task, policy: Policy) -> Clock:
    head = case.head
    start = task.attempts[0].at
    stopped = task.ended.at if task.ended is not None else None
    pauses = (*head.pauses, *task.pauses) if head.pauses or task.pauses else ()
    spans_ = spans(pauses)
    repriced = task.repriced or head.repriced
    priority = priority_at(priority_of(head, task), repriced, stopped)
    own = task.field("resolution")
    # Without a word of its own, and of the instruction's priority, it is promised when the instruction is: more time
    # for that, or a pause of another task, is more time for it too.
    follows = own is None and priority == priority_at(head.priority_now, head.repriced, stopped)

    def plain(at: str) -> Aim:
        row = terms(policy, head, at)
        return aim_of(policy, row.on_resolution, start, own, row.resolution, "the task's own", row.source)

    cap = resolution(case, policy)
    if cap is not None and stopped is not None:
        cap = _as_it_was(case, policy, cap, stopped)
    return _clock(
        case, policy, plain, priority, "resolution", task, spans_,
        pauses=pauses, stopped=stopped, extensions=task.extensions, repriced=repriced, breaches=task.breaches,
        over=_given_up(task),
        cap=cap, follows=follows,
    )  # fmt: skip


def _given_up(task: Task) -> str | None:
    return task.ended.state if task.ended is not None and task.ended.state != "completed" else None


def _as_it_was(case: Case, policy: Policy, cap: Clock, at: datetime) -> Clock:
    """The instruction's limit as it stood when a task ended: what came later does not judge it."""
    repriced = case.head.repriced
    if not repriced or repriced[-1].at <= at:
        return cap
    head = case.head
    was = priority_at(head.priority_now, repriced, at)
    row = terms(policy, head, was)
    assert head.created is not None
    aim = aim_of(policy, row.on_resolution, head.created, head.spec.resolution, row.resolution, "", row.source)
    spans_ = spans(cap.pauses)
    limit = with_severity(case, policy, "resolution", head.created, aim, spans_).limit(spans_)
    return replace(cap, due=limit, warn_due=limit, original=limit)


def task_response(case: Case, task: Task, attempt: Attempt, policy: Policy) -> Clock:
    """The response clock of one attempt: from dispatch to the first word of its holder."""
    head = case.head
    key = (
        attempt.at, attempt.accepted_at, attempt.closed_at, attempt.agent, attempt.n == task.attempt, task.ended,
        task.repriced, task.overrides, task.breaches, task.spec, head.spec, head.tier, head.priority, head.repriced,
        policy,
    )  # fmt: skip
    name = f"response {task.id} {attempt.n}"
    clock: Clock | None = _unmoved(case, name, key)
    if clock is None:
        clock = _task_response(case, task, attempt, policy)
        case.memo[name] = (key, clock)
    return clock


def _task_response(case: Case, task: Task, attempt: Attempt, policy: Policy) -> Clock:
    head = case.head
    ends = [at for at in (attempt.accepted_at, attempt.closed_at) if at is not None]
    if task.ended is not None and attempt.n == task.attempt:
        ends.append(task.ended.at)
    stopped = min(ends) if ends else None
    repriced = task.repriced or head.repriced
    return _clock(
        case, policy, lambda p: _responding_task(case, task, attempt.at, p, policy),
        priority_at(priority_of(head, task), repriced, stopped), "response", task, NO_PAUSES,
        attempt=attempt.n, ordinal=1, stopped=stopped, repriced=repriced, breaches=task.breaches, holder=attempt.agent,
        over=_given_up(task) if attempt.accepted_at is None else None,
    )  # fmt: skip


def _responding_task(case: Case, task: Task, start: datetime, priority: str, policy: Policy) -> Aim:
    row = terms(policy, case.head, priority)
    return aim_of(policy, row.on_response, start, task.field("response"), row.response, "the task's own", row.source)


def clocks_of(case: Case, policy: Policy, *, past: bool = False) -> list[Clock]:
    """All clocks of a case, the instruction's first; with `past` also those of former attempts and replies."""
    found = [c for c in (response(case, policy), resolution(case, policy), update_clock(case, policy)) if c is not None]
    found[1:1] = next_responses(case, policy, past=past)
    for task in case.in_order() if not unreckoned(case.head) else ():
        for attempt in task.attempts if past else task.attempts[-1:]:
            found.append(task_response(case, task, attempt, policy))
        clock = task_resolution(case, task, policy)
        if clock is not None:
            found.append(clock)
    return found


def wrongful(case: Case) -> list[tuple[str | None, Paused, datetime]]:
    """Pauses that ran on after the customer had answered: of which task, which, and since when [SLA-7]."""
    found = []
    every: list[tuple[str | None, Paused]] = [(None, p) for p in case.head.pauses]
    every += [(task_id, p) for task_id, each in sorted(case.sums.pauses.items()) for p in each]
    for task_id, pause in every:
        if pause.source == "hold" and pause.reason == "on_hold":
            continue
        for at, about in case.head.replied:
            if pause.start <= at and (pause.end is None or at < pause.end) and about in (None, task_id):
                found.append((task_id, pause, at))
                break
    return found
