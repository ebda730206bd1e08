"""What follows from business time: forecasts, cadences, the life of a clock, and why.

Counterpart: `__init__.py`, where the time is counted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from executord.clocks import (
    DAY_MICROS,
    EARLIEST,
    HORIZON_MICROS,
    LATEST,
    SECOND,
    Calendar,
    Due,
    Micros,
    Pause,
    Pauses,
    Stretch,
    always_open,
    covering,
    dates_later,
    due,
    length_of,
    micros_of,
    moment_of,
    next_open,
    seconds_of,
)
from executord.values import Amount

# --- forecast --------------------------------------------------------------------------------------------------------

_STEP: Final = 700 * DAY_MICROS


def before(calendar: Calendar, end: datetime, seconds: float) -> datetime | None:
    """The latest instant from which `seconds` of open time are left until `end`; None if there never were so many.

    What a forecast needs: the limit less the effort still to be done [SLA-9].
    """
    to, need = micros_of(end), round(seconds * SECOND)
    if need <= 0 or calendar.always:
        return moment_of(to - max(need, 0)) if need <= HORIZON_MICROS else None
    back = 0
    while back <= HORIZON_MICROS:
        at = max(to - back, EARLIEST)
        line = covering(calendar, calendar.line(at), at, to)
        left = line.used(to) - need
        if left >= 0 and isinstance(line, Stretch):
            i = bisect_right(line.sums, left)
            if i < len(line.sums):
                return moment_of(line.froms[i] + left - (line.sums[i - 1] if i else 0))
        back = back * 2 or _STEP
    return None


# --- cadence ---------------------------------------------------------------------------------------------------------

Mode = Literal["elapsed", "open", "working_days"]


def next_due(calendar: Calendar, last_update: datetime, mode: Mode, value: Fraction | float) -> datetime | None:
    """When the next update is due, counted from the last one [SLA-21]; None if the calendar never opens for it.

    `elapsed`: real seconds. `open`: seconds of open time. `working_days`: the same local time so many working dates
    later, clamped into that date's hours; on a calendar that never closes every date is one.
    """
    at = micros_of(last_update)
    if mode == "elapsed":
        then = at + round(value * SECOND)
        return moment_of(then) if then <= LATEST else None
    if mode == "open":
        return due(calendar, last_update, float(value)).due
    whole = int(value)
    found = dates_later(calendar, at, whole)
    if found is None:
        return None
    if value > whole:  # the share of a date beyond the whole ones, in its own time
        begin = next_open(calendar, found)
        if begin is None:
            return None
        length = DAY_MICROS if calendar.always else length_of(calendar, calendar.local(begin)[0])
        return due(calendar, moment_of(begin), seconds_of(round((value - whole) * length))).due
    return moment_of(found)


def cadence_due(calendar: Calendar, last_update: datetime, amount: Amount) -> datetime | None:
    """`next_due` for an amount as it was written [SLA-21].

    Days are counted as a customer counts them, by dates of the calendar's zone, and hours are real ones, unless the
    text says `working days` or `open hours`. Days go first, then hours.
    """
    business = amount.business
    days = amount.days + amount.weeks * (calendar.week_days if business else 7)
    moment: datetime | None = last_update
    if days:
        moment = next_due(calendar if business else always_open(calendar.zone), last_update, "working_days", days)
    if amount.seconds and moment is not None:
        moment = next_due(calendar, moment, "open" if business else "elapsed", amount.seconds)
    return None if moment is None else moment_of(micros_of(moment))


# --- the life of a clock ---------------------------------------------------------------------------------------------

Event = Literal["target", "pause", "resume", "extend"]


class Step(NamedTuple):
    """Something that happens to a clock at an instant [SLA-7] [SLA-11] [SLA-22].

    `target`: so many seconds from the original start. `extend`: so many seconds of open time more, or a new moment.
    """

    at: datetime
    event: Event
    value: float | datetime | None = None


def play(calendar: Calendar, start: datetime, steps: Iterable[Step]) -> list[Due | None]:
    """What is due after each step of a clock's life; None as long as it has no target.

    Counts from the original start, with what was used and paused kept. A moment given by an extension is moved by
    later extensions only, until there is a new target [SLA-4].
    """
    target: float | None = None
    fixed: datetime | None = None
    pauses: list[Pause] = []
    found: list[Due | None] = []
    for step in steps:
        running = bool(pauses) and pauses[-1][1] is None
        match step.event:
            case "target" if isinstance(step.value, (int, float)):
                target, fixed = step.value, None
            case "target" if isinstance(step.value, datetime):
                target, fixed = None, step.value
            case "pause" if not running:
                pauses.append((step.at, None))
            case "resume" if running:
                pauses[-1] = (pauses[-1][0], step.at)
            case "extend" if isinstance(step.value, datetime):
                fixed = step.value
            case "extend" if isinstance(step.value, (int, float)):
                if fixed is not None:
                    fixed = due(calendar, fixed, step.value).due
                elif target is not None:
                    target += step.value
        if fixed is not None:
            found.append(Due(moment_of(micros_of(fixed))))
        else:
            found.append(None if target is None else due(calendar, start, target, pauses))
    return found


# --- why -------------------------------------------------------------------------------------------------------------

Kind = Literal["counted", "closed", "paused"]


class Segment(NamedTuple):
    """A piece of the time between a start and an end, and what it counted for [SLA-20].

    `note` names the holidays in closed time, empty otherwise. `counted_seconds` is the running total at its end.
    """

    begin: datetime
    end: datetime
    kind: Kind
    counted_seconds: float
    note: str = ""


def segments(
    calendar: Calendar, start: datetime, end: datetime, pauses: Iterable[Pause] | Pauses = ()
) -> list[Segment]:
    """Why: the time from start to end in pieces that were counted, closed or paused; closed time is not paused."""
    at, to = micros_of(start), micros_of(end)
    if to <= at:
        return []
    spans = (pauses if isinstance(pauses, Pauses) else Pauses.of(pauses)).spans
    line = covering(calendar, calendar.line(at), at, to)
    edges = {at, to, *(edge for span in spans for edge in span if at < edge < to)}
    if isinstance(line, Stretch):
        low, high = bisect_left(line.tos, at), bisect_left(line.froms, to)
        edges.update(edge for edge in (*line.froms[low:high], *line.tos[low:high]) if at < edge < to)
    pieces: list[tuple[Micros, Micros, Kind]] = []
    for begin, stop in pairwise(sorted(edges)):
        kind: Kind = "closed" if line.opening(begin) != begin else "counted"
        if kind == "counted" and any(a <= begin < b for a, b in spans):
            kind = "paused"
        if pieces and pieces[-1][2] == kind:
            pieces[-1] = (pieces[-1][0], stop, kind)
        else:
            pieces.append((begin, stop, kind))
    found: list[Segment] = []
    counted = 0
    for begin, stop, kind in pieces:
        counted += stop - begin if kind == "counted" else 0
        note = _closed_by(calendar, begin, stop) if kind == "closed" else ""
        found.append(Segment(moment_of(begin), moment_of(stop), kind, seconds_of(counted), note))
    return found


def _closed_by(calendar: Calendar, begin: Micros, end: Micros) -> str:
    """The holidays that closed dates between two instants, by name and date; the first ten."""
    first, last = calendar.local(begin)[0], calendar.local(end - 1)[0]
    days = [date.fromordinal(day) for day in calendar.closed_days if first <= day <= last]
    closed = [day for day in days if calendar.holiday(day) is not None][:10]
    return ", ".join(f"{calendar.holiday(day) or 'holiday'} {day}" for day in closed)
