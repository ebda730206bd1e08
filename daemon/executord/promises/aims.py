"""What is aimed at and promised from a start, before pauses: by its own word, the policy, severity, extensions.

Counterparts: `terms.py`, the rows of the policy; `clocks/`, how time is counted; `__init__.py`, whose clocks are made
of this [SLA-4, SLA-6, SLA-10, SLA-22]. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from executord.case import Extension, Repriced
from executord.case.casebook import Case
from executord.clocks import Calendar, Pauses, amount_due, amount_seconds, due
from executord.evolve import replace
from executord.policy import Policy
from executord.promises.terms import severity_of, severity_terms, span_of
from executord.remembered import Same, remembered
from executord.values import Amount, Span, read_target

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Limit:
    """A promised instant and where it comes from."""

    at: datetime
    source: str


class Word(NamedTuple):
    """What a limit follows from: the priority, and what the file promises itself, None: nothing."""

    priority: str
    own: Any = None


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
        return _due(self.calendar, self.start, self.limit_s, pauses) if self.limit_s is not None else None

    def target(self, pauses: Pauses) -> datetime | None:
        """When the target is reached."""
        if self.moment is not None:
            return self.moment
        return _due(self.calendar, self.start, self.target_s, pauses) if self.target_s is not None else None


def _seconds(calendar: Calendar, start: datetime, amount: Amount) -> float | None:
    if not amount.days and not amount.weeks:
        return amount.seconds
    return _open_seconds(Same(calendar), start, amount)


@remembered(8192)
def _open_seconds(kept: Same, start: datetime, amount: Amount) -> float | None:
    """Days are turned into open time once, from the start [SLA-4]; many clocks begin together."""
    return amount_seconds(kept.value, start, amount)


@remembered(8192)
def _undisturbed(kept: Same, start: datetime, seconds: float) -> datetime | None:
    return due(kept.value, start, seconds).due


def _due(calendar: Calendar, start: datetime, seconds: float, pauses: Pauses) -> datetime | None:
    """When so much open time is used up; without a pause the same for all clocks that begin together."""
    if not pauses.spans:
        return _undisturbed(Same(calendar), start, seconds)
    return due(calendar, start, seconds, pauses).due


def by_span(calendar: Calendar, start: datetime, span: Span, default: Span, source: str) -> Aim:
    """An aim of written spans, counted on a calendar from a start [SLA-4]."""
    limit = span.limit or default.limit or default.target  # `immediate` alone: the limit is the policy's
    return Aim(calendar, start, source, _seconds(calendar, start, span.target), _seconds(calendar, start, limit))


def aim_of(
    policy: Policy, calendar: Calendar, start: datetime, own: Any, default: Span, whose: str, source: str
) -> Aim:
    """What its own word says, else the policy [SLA-6]."""
    if own is not None:
        found = read_target(own, policy.zone, day_end=calendar.day_end)
        if isinstance(found, datetime):
            return Aim(calendar, start, f"{whose} ({own})", moment=found)
        if found is not None:
            return by_span(calendar, start, found, default, f"{whose} ({own})")
    return by_span(calendar, start, default, default, f"{source} ({default.text})")


def tighter(one: Aim, other: Aim, pauses: Pauses) -> Aim:
    """The one that is due earlier: where priority and severity are both known, the tighter counts."""
    a, b = one.limit(pauses), other.limit(pauses)
    return other if b is not None and (a is None or b < a) else one


def with_severity(case: Case, policy: Policy, clock: str, start: datetime, aim: Aim, pauses: Pauses) -> Aim:
    """The aim, or what the severity promises if that is due earlier."""
    severity = severity_of(case.head, clock)
    if severity is None:
        return aim
    span, calendar = severity_terms(policy, severity, clock)
    return tighter(aim, by_span(calendar, start, span, span, f"severity {severity} ({span.text})"), pauses)


def extended(aim: Aim, extensions: Iterable[Extension], pauses: Pauses) -> Aim:
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


def since_last_change(extensions: tuple[Extension, ...], repriced: Sequence[Repriced]) -> tuple[Extension, ...]:
    """A new target takes the place of what was agreed for the old one [SLA-11]."""
    last = repriced[-1].at if repriced else None
    return extensions if last is None else tuple(e for e in extensions if e.at > last)


def breach_instant(
    now: datetime | None,
    held: Iterable[tuple[datetime, _T]],
    start: datetime,
    limit_at: Callable[[_T], datetime | None],
) -> datetime | None:
    """From when on it counts as breached, where what it was reckoned by changed on the way [SLA-10].

    `held`: until when what counted before; `limit_at` gives the limit that this would have made. Each holds until the
    next change; one that puts the limit into the past makes the breach effective then.
    """
    begin = start
    for until, before in held:
        if until <= begin:
            continue
        limit = limit_at(before)
        if limit is not None and limit < until:
            return max(limit, begin)
        begin = until
    return max(now, begin) if now is not None else None
