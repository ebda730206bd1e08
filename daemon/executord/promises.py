"""The clocks of an instruction and its tasks: computed from what the journal says, never stored [SLA-1, SLA-2].

Counterparts: `terms.py`, what is promised; `clocks.py` and `cadence.py`, how time is counted; `rules/sla.py` and
`rules/updates.py`, what follows from them. Pure: no clock here knows what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from executord.cadence import before, cadence_due
from executord.case import Attempt, Breach, Extension, Paused, Repriced, Task
from executord.casebook import Case
from executord.clocks import LATEST, Calendar, Pauses, active, amount_due, amount_seconds, due, moment_of
from executord.evolve import replace
from executord.policy import Limit, Policy
from executord.terms import ASKED_AT, Terms, priority_at, priority_of, severity_of, severity_terms, span_of, terms
from executord.values import Amount, Span, read_span, read_target

NOBODY = "support-manager"  # who is warned where nobody holds it, and where there is no customer
_NONE = Pauses()


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock, as the journal, the policy and the calendar make it.

    `due` is the instant of its limit, None while it is paused without end; `original` the one without extensions.
    `breach_at` is the instant from which it counts as breached if it runs then: `due`, or the change that put it into
    the past. `breaches` are the records of it, of all generations.
    """

    kind: str  # response next_response resolution customer_update
    task: str | None
    attempt: int | None
    ordinal: int  # the generation of its target; of a next_response and an update the how manieth
    start: datetime
    calendar: Calendar
    target: datetime | None
    due: datetime | None
    priority: str
    source: str  # the row of the policy, or whose own word it is
    holder: str  # who is warned
    audience: str = "internal"
    target_s: float | None = None
    limit_s: float | None = None  # both in open time of the calendar; None for a moment
    fixed: bool = False  # its limit is a moment: percentages are of real time
    warn_due: datetime | None = None  # what warnings are counted to: internal extensions move it
    since: datetime | None = None  # when this generation began; None: with the clock
    original: datetime | None = None
    approved: bool = False  # its limit was moved by the customer's word
    breach_at: datetime | None = None
    pauses: tuple[Paused, ...] = ()
    stopped: datetime | None = None
    over: str | None = None  # deferred or cancelled: how it ended, where it was not done
    breaches: tuple[Breach, ...] = ()
    capped: bool = False  # its limit is the instruction's

    @property
    def key(self) -> str:
        """Its name within its task or instruction, with the generation: `response a2#1`."""
        return f"{self.kind}{f' a{self.attempt}' if self.attempt else ''}#{self.ordinal}"

    @property
    def name(self) -> str:
        """Its name in names of lines: `resolution T3 #1`, `response T3 a2 #1`."""
        task = f" {self.task}" if self.task else ""
        return f"{self.kind}{task}{f' a{self.attempt}' if self.attempt else ''} #{self.ordinal}"

    @property
    def recorded(self) -> bool:
        """Whether the breach of this generation stands in the journal."""
        return any(b.clock == self.key for b in self.breaches)

    @property
    def broken(self) -> bool:
        """Whether its limit passed while it ran: recorded, or to be."""
        return bool(self.breaches) or (
            self.stopped is not None and self.breach_at is not None and self.stopped > self.breach_at
        )

    @property
    def pausing(self) -> Paused | None:
        """The pause that is running."""
        if self.stopped is not None:
            return None
        return next((p for p in self.pauses if p.end is None), None)

    @property
    def state(self) -> str:
        """`running paused met approved_extension breached` [CON-8]; nothing in it depends on now."""
        if self.broken:
            return "breached"
        if self.stopped is not None:
            late = self.approved and self.original is not None and self.stopped > self.original
            return "approved_extension" if late else "met"
        return "paused" if self.pausing is not None else "running"

    def state_at(self, now: datetime) -> str:
        """The same, as it is at an instant: breached from the limit on, also before anybody has noted it."""
        if self.stopped is None and self.breach_at is not None and now > self.breach_at:
            return "breached"
        pause = self.pausing
        if self.state == "paused" and pause is not None and pause.cap is not None and now >= pause.cap:
            return "running"
        return self.state

    def late_by_s(self, until: datetime | None) -> int | None:
        """Seconds from its limit to its end, else to `until`; None where it is not broken."""
        end = self.stopped if self.stopped is not None else until
        at = self.breaches[0].due if self.breaches else self.breach_at
        if end is None:
            return None
        if at is None or end <= at:
            return 0 if self.breaches else None
        return int((end - at).total_seconds())

    def elapsed_s(self, until: datetime) -> float:
        """Open time used up to its end, at most to `until`."""
        end = min(until, self.stopped) if self.stopped is not None else until
        return active(self.calendar, self.start, end, spans(self.pauses))

    def paused_s(self, until: datetime) -> dict[str, int]:
        """Real seconds that it stood still, by reason, up to its end, at most to `until`."""
        end = min(until, self.stopped) if self.stopped is not None else until
        found: dict[str, int] = {}
        for pause in self.pauses:
            stop = min(p for p in (pause.end, pause.cap, end) if p is not None)
            seconds = int((stop - max(pause.start, self.start)).total_seconds())
            if seconds > 0:
                found[pause.reason] = found.get(pause.reason, 0) + seconds
        return found


# --- arithmetic ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Aim:
    """What is aimed at and promised, from a start: spans of open time, or a moment."""

    calendar: Calendar
    start: datetime
    source: str
    target_s: float | None = None
    limit_s: float | None = None
    moment: datetime | None = None

    def limit(self, pauses: Pauses) -> datetime | None:
        """When the limit is reached."""
        if self.moment is not None:
            return self.moment
        return due(self.calendar, self.start, self.limit_s, pauses).due if self.limit_s is not None else None

    def target(self, pauses: Pauses) -> datetime | None:
        """When the target is reached."""
        if self.moment is not None:
            return self.moment
        return due(self.calendar, self.start, self.target_s, pauses).due if self.target_s is not None else None


def spans(pauses: tuple[Paused, ...]) -> Pauses:
    """Pauses as time is counted with: each to its end, at the latest to its cap."""
    if not pauses:
        return _NONE
    return Pauses.of((p.start, min((e for e in (p.end, p.cap) if e is not None), default=None)) for p in pauses)


def _seconds(calendar: Calendar, start: datetime, amount: Amount) -> float | None:
    if not amount.days and not amount.weeks:
        return amount.seconds
    return amount_seconds(calendar, start, amount)


def _by_span(calendar: Calendar, start: datetime, span: Span, default: Span, source: str) -> Aim:
    limit = span.limit or default.limit or default.target  # `immediate` alone: the limit is the policy's
    return Aim(calendar, start, source, _seconds(calendar, start, span.target), _seconds(calendar, start, limit))


def _aim(policy: Policy, calendar: Calendar, start: datetime, own: Any, default: Span, whose: str, source: str) -> Aim:
    """What its own word says, else the policy [SLA-6]."""
    if own is not None:
        found = read_target(own, policy.zone, day_end=calendar.day_end)
        if isinstance(found, datetime):
            return Aim(calendar, start, f"{whose} ({own})", moment=found)
        if found is not None:
            return _by_span(calendar, start, found, default, f"{whose} ({own})")
    return _by_span(calendar, start, default, default, f"{source} ({default.text})")


def _tighter(one: Aim, other: Aim, pauses: Pauses) -> Aim:
    """The one that is due earlier: where priority and severity are both known, the tighter counts."""
    a, b = one.limit(pauses), other.limit(pauses)
    return other if b is not None and (a is None or b < a) else one


def _severe(case: Case, policy: Policy, clock: str, start: datetime, aim: Aim, pauses: Pauses) -> Aim:
    severity = severity_of(case.head)
    if severity is None:
        return aim
    span, calendar = severity_terms(policy, severity, clock)
    return _tighter(aim, _by_span(calendar, start, span, span, f"severity {severity} ({span.text})"), pauses)


def _extended(aim: Aim, extensions: Iterable[Extension], pauses: Pauses) -> Aim:
    """The aim with more time: a moment stands, a span counts from the original start, `add` is open time [SLA-22]."""
    for extension in extensions:
        if extension.moment is not None:
            aim = replace(aim, moment=extension.moment)
        elif extension.span is not None:
            span = span_of(extension.span)
            if span is not None:
                amount = span.limit or span.target
                aim = replace(aim, moment=None, limit_s=_seconds(aim.calendar, aim.start, amount))
        elif extension.add is not None:
            span = span_of(extension.add)
            at = aim.limit(pauses)
            if span is not None and at is not None:
                amount = span.limit or span.target
                if aim.moment is not None:
                    aim = replace(aim, moment=amount_due(aim.calendar, at, amount).due)
                elif aim.limit_s is not None:
                    aim = replace(aim, limit_s=aim.limit_s + (_seconds(aim.calendar, at, amount) or 0))
    return aim


def _since_last_change(extensions: tuple[Extension, ...], repriced: tuple[Repriced, ...]) -> tuple[Extension, ...]:
    """A new target takes the place of what was agreed for the old one [SLA-11]."""
    last = repriced[-1].at if repriced else None
    return extensions if last is None else tuple(e for e in extensions if e.at > last)


def _breach_at(
    now: datetime | None, repriced: tuple[Repriced, ...], start: datetime, limit_at: Any, stopped: datetime | None
) -> datetime | None:
    """From when on it counts as breached, where its priority changed on the way [SLA-10].

    `limit_at` gives the limit that a priority would have made. Each holds until the next change; one that puts the
    limit into the past makes the breach effective then.
    """
    changes = [c for c in repriced if c.at > start and (stopped is None or c.at <= stopped)]
    begin = start
    for change in changes:
        limit: datetime | None = limit_at(change.was)
        if limit is not None and limit < change.at:
            return max(limit, begin)
        begin = change.at
    return max(now, begin) if now is not None else None


# --- the instruction's clocks ----------------------------------------------------------------------------------------


def _kept(case: Case, name: str, key: tuple[Any, ...], make: Any) -> Any:
    """What was made from the same facts before is what it is now."""
    kept = case.memo.get(name)
    if kept is not None and kept[0] == key:
        return kept[1]
    value = make()
    case.memo[name] = (key, value)
    return value


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
    if not case.sums.reopened:
        return
    common: list[tuple[datetime, datetime | None]] | None = None
    for task in case.tasks.values():
        own = [(p.start, p.end) for p in task.pauses if p.source == "ended"]
        if task.ended is not None:
            own.append((task.ended.at, None))
        if not task.planned and task.born is not None and case.head.created is not None:
            own.append((case.head.created, task.born))  # added later: it was not missing before
        common = own if common is None else list(_both(common, own))
        if not common:
            return
    last = case.resolved_at
    for begin, end in common or ():
        if end is not None and (last is None or end <= last):
            yield Paused("resolved", begin, "ended", end=end)


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
    """The instruction's resolution clock; None before it is opened."""
    head = case.head
    if head.created is None:
        return None
    key = (
        policy, head.spec, head.created, head.tier, head.priority, head.repriced, head.extensions, head.pauses,
        head.breaches, head.closed, case.sums.still, case.resolved_at,
    )  # fmt: skip
    clock: Clock | None = _kept(case, "resolution", key, lambda: _resolution(case, policy))
    return clock


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
        aim = _aim(
            policy, row.on_resolution, start, head.spec.resolution, row.resolution, "the instruction's own", row.source
        )
        return _severe(case, policy, "resolution", start, aim, spans_)

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
    valid = _since_last_change(extensions, tuple(counted))
    agreed = tuple(e for e in valid if e.approved)
    limit = aim.limit(spans_)
    moved = _extended(aim, agreed, spans_) if agreed else aim
    at = moved.limit(spans_) if agreed else limit
    warned = _extended(aim, valid, spans_).limit(spans_) if len(agreed) != len(valid) else at
    target = aim.target(spans_)
    capped = cap is not None and (follows or (cap.due is not None and (at is None or cap.due <= at)))
    if capped:
        assert cap is not None
        at, warned = cap.due, cap.warn_due if follows or warned is None else min(warned, cap.warn_due or warned)
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
    breach_at = _breach_at(at, repriced, aim.start, begun, stopped) if repriced else at
    if breach_at is not None and breach_at < aim.start:
        breach_at = aim.start
    return Clock(
        kind=kind,
        task=task.id if task is not None else None,
        attempt=attempt,
        ordinal=ordinal if ordinal is not None else len(extensions) + 1,
        start=aim.start,
        calendar=aim.calendar,
        target=target,
        due=at,
        priority=priority,
        source=f"{cap.source}, which caps the task's own" if capped and cap is not None else moved.source,
        holder=holder or holder_of(case, task),
        audience="customer" if task is None and case.head.spec.customer is not None else "internal",
        target_s=aim.target_s,
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
    aim = _aim(policy, row.on_resolution, start, own, row.resolution, "the task's own", row.source)
    at = aim.limit(_NONE)
    if at is None or (capped is not None and capped.at <= at):
        return Limit(capped.at, f"{capped.source}, which caps the task's own") if capped is not None else None
    return Limit(at, aim.source)


def response(case: Case, policy: Policy) -> Clock | None:
    """The instruction's response clock: to the first complete update, without a customer to the first
    acknowledgement of one of its delegations [SLA-2]."""
    head = case.head
    if head.created is None:
        return None
    met = head.first_counted if head.spec.customer is not None else case.sums.first_ack
    key = (
        policy, head.spec, head.created, head.tier, head.priority, head.repriced, head.breaches, head.closed, met,
        case.resolved_at,
    )  # fmt: skip
    clock: Clock | None = _kept(case, "response", key, lambda: _response(case, policy, met))
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
        priority_at(head.priority_now, head.repriced, stopped), "response", None, _NONE, ordinal=1,
        stopped=stopped, repriced=head.repriced, breaches=head.breaches, over=over,
    )  # fmt: skip


def _responding(case: Case, policy: Policy, start: datetime, priority: str, own: Any, whose: str) -> Aim:
    row = terms(policy, case.head, priority)
    aim = _aim(policy, row.on_response, start, own, row.response, whose, row.source)
    return _severe(case, policy, "response", start, aim, _NONE)


def next_responses(case: Case, policy: Policy, *, past: bool = True) -> Iterator[Clock]:
    """The clocks that the customer's replies started; the last ones only, unless all past ones are asked for."""
    head = case.head
    for reply in head.replies if past else head.replies[-3:]:
        ends = [at for at in (reply.answered, _closed_at(case)) if at is not None]
        stopped = min(ends) if ends else None
        yield _clock(
            case, policy,
            lambda p, at=reply.at: _responding(case, policy, at, p, head.spec.response, "the instruction's own")
            if not _is_moment(head.spec.response) else _responding(case, policy, at, p, None, ""),
            priority_at(head.priority_now, head.repriced, stopped), "next_response", None, _NONE, ordinal=reply.n,
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
    if head.created is None or head.opened_at is None or head.spec.customer is None:
        return None
    key = (
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
    number = counted.number + 1 if counted is not None else 1
    promised = counted.promised if counted is not None else None
    source, given = f"{row.source} ({row.update.text})", False
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
    if not task.attempts or head.created is None:
        return None
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
        return _aim(policy, row.on_resolution, start, own, row.resolution, "the task's own", row.source)

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
    aim = _aim(policy, row.on_resolution, head.created, head.spec.resolution, row.resolution, "", row.source)
    spans_ = spans(cap.pauses)
    limit = _severe(case, policy, "resolution", head.created, aim, spans_).limit(spans_)
    return replace(cap, due=limit, warn_due=limit, original=limit)


def task_response(case: Case, task: Task, attempt: Attempt, policy: Policy) -> Clock:
    """The response clock of one attempt: from dispatch to the first word of its holder."""
    head = case.head
    ends = [at for at in (attempt.accepted_at, attempt.closed_at) if at is not None]
    if task.ended is not None and attempt.n == task.attempt:
        ends.append(task.ended.at)
    stopped = min(ends) if ends else None
    repriced = task.repriced or head.repriced
    return _clock(
        case, policy, lambda p: _responding_task(case, task, attempt.at, p, policy),
        priority_at(priority_of(head, task), repriced, stopped), "response", task, _NONE, attempt=attempt.n, ordinal=1,
        stopped=stopped, repriced=repriced, breaches=task.breaches, holder=attempt.agent,
        over=_given_up(task) if attempt.accepted_at is None else None,
    )  # fmt: skip


def _responding_task(case: Case, task: Task, start: datetime, priority: str, policy: Policy) -> Aim:
    row = terms(policy, case.head, priority)
    return _aim(policy, row.on_response, start, task.field("response"), row.response, "the task's own", row.source)


def clocks_of(case: Case, policy: Policy, *, past: bool = False) -> list[Clock]:
    """All clocks of a case, the instruction's first; with `past` also those of former attempts and replies."""
    found = [c for c in (response(case, policy), resolution(case, policy), update_clock(case, policy)) if c is not None]
    found[1:1] = next_responses(case, policy, past=past)
    for task in case.in_order():
        for attempt in task.attempts if past else task.attempts[-1:]:
            found.append(task_response(case, task, attempt, policy))
        clock = task_resolution(case, task, policy)
        if clock is not None:
            found.append(clock)
    return found


# --- marks -----------------------------------------------------------------------------------------------------------


def marks(clock: Clock, policy: Policy, warn: tuple[str, ...]) -> list[tuple[datetime, str]]:
    """When to warn, in order: at the target, at shares of the limit, and so long before it [SLA-8].

    A target that is the limit has no mark of its own; of a new generation only what lies behind its beginning counts.
    """
    end = clock.warn_due
    if end is None:
        return []
    found: list[tuple[datetime, str]] = []
    if clock.target is not None and clock.target < end and clock.target != clock.due:
        found.append((clock.target, "target"))
    for mark in warn:
        if mark.endswith("%"):
            at = share_at(clock, int(mark[:-1]) / 100)
        else:
            span = span_of(mark.lstrip("-"))
            if span is None:
                continue
            gap = (span.limit or span.target).of()
            at = end - timedelta(seconds=gap) if clock.fixed else before(clock.calendar, end, gap)
        if at is not None and clock.start <= at < end and (clock.since is None or at >= clock.since):
            found.append((at, mark))
    return sorted(found, key=lambda pair: (pair[0], pair[1] != "target", pair[1]))


def share_at(clock: Clock, share: float) -> datetime | None:
    """When so much of the time up to its limit is used, to the second; None while it has no limit."""
    end = clock.warn_due
    if end is None:
        return None
    if clock.fixed or (clock.calendar.always and not clock.pauses):
        at: datetime | None = clock.start + (end - clock.start) * share
    else:
        pauses = spans(clock.pauses)
        whole = active(clock.calendar, clock.start, end, pauses)
        at = due(clock.calendar, clock.start, round(whole * share), pauses).due
    return at.replace(microsecond=0) if at is not None else None


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
