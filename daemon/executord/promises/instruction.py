"""The instruction's clocks: response, resolution, and the answers to its customer's replies [SLA-2, SLA-6, SLA-7].

Counterparts: `making.py`, how a clock is made; `terms.py`, what is promised. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from executord.case import Head
from executord.case.casebook import Case
from executord.clocks import Pauses
from executord.evolve import replace
from executord.policy import Policy
from executord.promises.aims import Aim, Limit, Word, aim_of, with_severity
from executord.promises.making import Course, Which, clock_of, closed_as, closed_at, instruction_pauses, kept, unmoved
from executord.promises.terms import changes_of, own_at, priority_at, terms, unreckoned
from executord.promises.timepiece import Clock
from executord.values import Span, read_span


def resolution(case: Case, policy: Policy) -> Clock | None:
    """The instruction's resolution clock; None before it is opened, and as long as what it promises is missing."""
    head = case.head
    if unreckoned(head):
        return None
    facts = (head, policy, case.sums.still, case.resolved_at)
    clock: Clock | None = unmoved(case.memo, "resolution now", facts)
    if clock is None:
        key = (
            tuple((i.severity, i.status) for i in head.incidents), head.liaison,
            policy, head.spec, head.created, head.tier, head.priority, head.repriced, head.extensions, head.pauses,
            head.breaches, head.closed, case.sums.still, case.resolved_at,
        )  # fmt: skip
        clock = kept(case.memo, "resolution", key, lambda: _resolution(case, policy))
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
    ends = [at for at in (case.resolved_at, closed_at(case)) if at is not None]
    stopped = min(ends) if ends else None

    def plain(word: Word, pauses: Pauses) -> Aim:
        row = terms(policy, head, word.priority)
        aim = aim_of(policy, row.on_resolution, start, word.own, row.resolution, "the instruction's own", row.source)
        return with_severity(case, policy, "resolution", start, aim, pauses)

    course = Course(
        changes_of("resolution", head.repriced), head.breaches, head.extensions, instruction_pauses(case), stopped,
        closed_as(case) if case.resolved_at is None or case.resolved_at == closed_at(case) else None,
    )  # fmt: skip
    return clock_of(case, Which("resolution"), word_at(head, "resolution", stopped), plain, course)


def word_at(head: Head, promise: str, at: datetime | None) -> Word:
    """By what the instruction's clock is reckoned, or was at an instant."""
    own = head.spec.resolution if promise == "resolution" else head.spec.response
    return Word(priority_at(head.priority_now, head.repriced, at), own_at(promise, own, head.repriced, at))


def promised(case: Case, policy: Policy) -> Limit | None:
    """When the instruction's resolution is promised, and where that comes from; None: not opened, or standing still."""
    clock = resolution(case, policy)
    return Limit(clock.due, clock.source) if clock is not None and clock.due is not None else None


def response(case: Case, policy: Policy) -> Clock | None:
    """The instruction's response clock: to the first complete update, without a customer to the first
    acknowledgement of one of its delegations [SLA-2]."""
    head = case.head
    if unreckoned(head):
        return None
    met = head.first_counted if head.spec.customer is not None else case.sums.first_ack
    facts = (head, policy, met, case.resolved_at)
    clock: Clock | None = unmoved(case.memo, "response now", facts)
    if clock is None:
        key = (
            tuple((i.severity, i.status) for i in head.incidents), head.liaison,
            policy, head.spec, head.created, head.tier, head.priority, head.repriced, head.breaches, head.closed, met,
            case.resolved_at,
        )  # fmt: skip
        clock = kept(case.memo, "response", key, lambda: _response(case, policy, met))
        case.memo["response now"] = (facts, clock)
    return clock


def _response(case: Case, policy: Policy, met: datetime | None) -> Clock:
    head = case.head
    assert head.created is not None
    start = head.created
    ends = [at for at in (met, closed_at(case)) if at is not None]
    if head.spec.customer is None and case.resolved_at is not None:
        ends.append(case.resolved_at)  # done before anybody said that he has it
    stopped = min(ends) if ends else None
    over = closed_as(case) if met is None or (stopped is not None and met > stopped) else None
    course = Course(changes_of("response", head.repriced), head.breaches, stopped=stopped, over=over)
    clock = clock_of(
        case, Which("response", ordinal=1), word_at(head, "response", stopped),
        partial(_responding, case, policy, start), course,
    )  # fmt: skip
    since = customer_since(head)
    if since is None or clock.breach_at is None or clock.breach_at >= since:
        return clock
    return replace(clock, breach_at=since)


def customer_since(head: Head) -> datetime | None:
    """Since when a customer waits who was named by an edit: nothing was late for him before [SLA-10]."""
    if head.spec.customer is None or not head.repriced:
        return None
    return next((c.at for c in reversed(head.repriced) if dict(c.own).get("customer", "") is None), None)


def _responding(case: Case, policy: Policy, start: datetime, word: Word, pauses: Pauses) -> Aim:
    row = terms(policy, case.head, word.priority)
    aim = aim_of(policy, row.on_response, start, word.own, row.response, "the instruction's own", row.source)
    return with_severity(case, policy, "response", start, aim, pauses)


def next_responses(case: Case, policy: Policy, *, past: bool = True) -> Iterator[Clock]:
    """The clocks that the customer's replies started; the last ones only, unless all past ones are asked for."""
    head = case.head
    if unreckoned(head):
        return
    for reply in head.replies if past else head.replies[-3:]:
        ends = [at for at in (reply.answered, closed_at(case)) if at is not None]
        stopped = min(ends) if ends else None
        over = closed_as(case) if reply.answered is None else None
        yield clock_of(
            case, Which("next_response", ordinal=reply.n), word_at(head, "response", stopped),
            partial(_answering, case, policy, reply.at),
            Course(changes_of("response", head.repriced), head.breaches, stopped=stopped, over=over),
        )  # fmt: skip


def _answering(case: Case, policy: Policy, start: datetime, word: Word, pauses: Pauses) -> Aim:
    own = word.own if not _is_moment(word.own) else None  # a moment is of the first answer only
    return _responding(case, policy, start, Word(word.priority, own), pauses)


def _is_moment(own: Any) -> bool:
    return own is not None and not isinstance(read_span(own), Span)
