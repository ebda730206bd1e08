"""One clock as a value: what it says of itself, and when to warn of it [SLA-1, SLA-8]. Pure.

Counterparts: `aims.py`, what its limit is made of; `__init__.py`, which clocks there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from executord.case import Breach, Paused
from executord.clocks import Calendar, Pauses, active, due
from executord.clocks.cadence import before
from executord.evolve import swift
from executord.policy import Policy
from executord.promises.terms import span_of

NO_PAUSES = Pauses()


@swift
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
    moved: int = 1  # the generation in which the customer moved its limit last: internal extensions do not [SLA-22]

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
        """Whether the breach of this limit stands in the journal, of whichever generation of warnings."""
        return any(int(b.clock.rpartition("#")[2]) >= self.moved for b in self.breaches)

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


def spans(pauses: tuple[Paused, ...]) -> Pauses:
    """Pauses as time is counted with: each to its end, at the latest to its cap."""
    if not pauses:
        return NO_PAUSES
    return Pauses.of((p.start, min((e for e in (p.end, p.cap) if e is not None), default=None)) for p in pauses)


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
