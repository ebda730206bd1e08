"""Business time: when what is promised falls due, how much of it is used up, and why [SLA-3].

Counterpart: the worked cases `sla-vectors.json`, run by `executord sla due --check` [SLA-5], and the minute-by-minute
simulation kept in the tests.

Rules of the house:
- Everything is whole microseconds of UTC over opening intervals with prefix sums. No day is taken for 86,400 s and
  nothing is added to a naive wall time: that is where such engines go wrong twice a year.
- Functions are pure. A calendar compiles its intervals when they are first needed and keeps them; what it answers
  does not depend on what it was asked before.
- Everything ends: a search goes at most `HORIZON` past its start.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from executord.errors import BadInput
from executord.values import DAY, Amount, zone_named

HORIZON: Final = timedelta(days=36_525)  # a hundred years: what is not due by then never is
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BUSINESS: Final = {"weekly": {day: [["09:00", "17:00"]] for day in WEEKDAYS[:5]}}  # the built-in `business` (chapter 5)

Hours = tuple[tuple[int, int], ...]  # [from, to) in seconds of wall-clock time since midnight; 86,400 is 24:00
Pause = tuple[datetime, datetime | None]  # [from, to); None is still running
Micros = int  # an instant or a span in whole microseconds; instants since 1970 in UTC

SECOND: Final = 1_000_000
DAY_MICROS: Final = DAY * SECOND
HORIZON_MICROS: Final = HORIZON // timedelta(microseconds=1)
_NEVER: Final = 1 << 62  # later than every instant
_ERA: Final = 700 * DAY_MICROS  # an instant is looked up on the stretch of the two years it lies in
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_FIRST_DAY, _LAST_DAY = date(1, 1, 8).toordinal(), date(9999, 12, 20).toordinal()
_MICRO: Final = timedelta(microseconds=1)
EARLIEST: Final = (_FIRST_DAY - _EPOCH_DAY) * DAY_MICROS
LATEST: Final = (_LAST_DAY - _EPOCH_DAY) * DAY_MICROS  # no due time is later: dates end with the year 9999
_WHOLE_DAY: Final[Hours] = ((0, DAY),)


def micros_of(moment: datetime) -> Micros:
    """An aware instant as whole microseconds."""
    return (moment - _EPOCH) // _MICRO


def moment_of(micros: Micros) -> datetime:
    """The instant in UTC."""
    return _EPOCH + _MICRO * micros


def seconds_of(micros: Micros) -> float:
    """Seconds, as a whole number wherever they are one."""
    whole, rest = divmod(micros, SECOND)
    return micros / SECOND if rest else whole


# --- calendars -------------------------------------------------------------------------------------------------------


class Stretch:
    """Opening intervals, merged, with prefix sums; complete for all instants before `covers`.

    The first one is empty and lies before every instant, so that each instant has an interval that began before it.
    """

    __slots__ = ("covers", "day", "froms", "held", "sums", "tos")

    def __init__(self, froms: list[Micros], tos: list[Micros], sums: list[Micros], covers: Micros, day: int) -> None:
        self.froms, self.tos, self.sums = froms, tos, sums  # sums[i] is the open time up to the end of interval i
        self.held = sums[-1]  # the open time there is on what is compiled
        self.covers, self.day = covers, day  # the same border, as an instant and as a local date's ordinal

    @classmethod
    def empty(cls, covers: Micros, day: int) -> Stretch:
        """Nothing open before a border."""
        return cls([-_NEVER], [-_NEVER], [0], covers, day)

    @classmethod
    def endless(cls) -> Stretch:
        """Always open: open time is the time itself."""
        return cls([-_NEVER], [_NEVER], [_NEVER], _NEVER, _LAST_DAY)

    def used(self, at: Micros) -> Micros:
        """Open time up to an instant, counted from some beginning."""
        i = bisect_right(self.froms, at) - 1
        left = self.tos[i] - at
        return self.sums[i] - left if left > 0 else self.sums[i]

    def reach(self, total: Micros) -> Micros:
        """The least instant by which so much open time has passed, at least a microsecond."""
        i = bisect_left(self.sums, total)  # left: used up exactly at closing is due at closing
        return self.tos[i] - (self.sums[i] - total)

    def opening(self, at: Micros) -> Micros | None:
        """The instant itself if open, else the next opening; None if there is none on what is compiled."""
        i = bisect_right(self.froms, at) - 1
        if at < self.tos[i]:
            return at
        return self.froms[i + 1] if i + 1 < len(self.froms) else None


Interval = tuple[Micros, Micros]


@dataclass(frozen=True, slots=True)
class Calendar:
    """When somebody works, and in whose zone [SLA-3]. `calendar_from` makes it, and checks it.

    `weekly` has the hours of Monday to Sunday; `overrides` replace a date's hours; `holidays` close dates and name
    them (the name may be empty). An override wins over a holiday. Calendars with the same hours are equal.
    """

    name: str
    zone: ZoneInfo
    weekly: tuple[Hours, ...]
    holidays: tuple[tuple[date, str], ...] = ()
    overrides: tuple[tuple[date, Hours], ...] = ()
    always: bool = field(init=False, compare=False)  # never closes: a day is 24 h [SLA-4]
    week_days: int = field(init=False, compare=False)  # the open days of its week: what `1 week` means [SLA-4]
    _names: dict[int, str] = field(init=False, compare=False, repr=False)
    _special: dict[int, Hours] = field(init=False, compare=False, repr=False)
    _spans: dict[int, list[Interval]] = field(init=False, compare=False, repr=False, default_factory=dict)
    _lines: dict[int, Stretch] = field(init=False, compare=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        names = {day.toordinal(): name for day, name in self.holidays}
        special = {day.toordinal(): hours for day, hours in self.overrides}
        every = [*self.weekly, *special.values()]
        set_ = object.__setattr__  # the frozen class's own way to fill in what follows from its fields
        set_(self, "_names", names)
        set_(self, "_special", special)
        set_(self, "always", names.keys() <= special.keys() and all(hours == _WHOLE_DAY for hours in every))
        set_(self, "week_days", sum(map(bool, self.weekly)) or 7)

    def hours(self, day: date) -> Hours:
        """The wall-clock hours planned for a local date."""
        return self._planned(day.toordinal())

    def holiday(self, day: date) -> str | None:
        """The name of the holiday that closes a date ("" if it has none), None if no holiday does."""
        return None if day.toordinal() in self._special else self._names.get(day.toordinal())

    @property
    def closed_days(self) -> list[int]:
        """The dates with a holiday, as ordinals, in order."""
        return sorted(self._names)

    def day_end(self, day: date) -> datetime:
        """The end of a business day in UTC: its last closing; 24:00 if closed, or if it never closes [SLA-4]."""
        return moment_of(self._day_end(day.toordinal()))

    def instant(self, ordinal: int, micros: Micros) -> Micros:
        """Wall-clock time as an instant: first occurrence; not existing: the offset before the gap (fold 0)."""
        if micros >= DAY_MICROS:
            ordinal, micros = ordinal + 1, micros - DAY_MICROS
        wall = (ordinal - _EPOCH_DAY) * DAY_MICROS + micros
        offset = self.zone.utcoffset((_NAIVE_EPOCH + timedelta(0, 0, wall)).replace(tzinfo=self.zone))
        return wall - offset // _MICRO if offset else wall

    def local(self, at: Micros) -> tuple[int, Micros]:
        """An instant as the ordinal of its local date and the wall-clock time since that date's midnight."""
        wall = moment_of(at).astimezone(self.zone).replace(tzinfo=None) - _NAIVE_EPOCH
        day, micros = divmod(wall // _MICRO, DAY_MICROS)
        return day + _EPOCH_DAY, micros

    def spans(self, ordinal: int) -> list[Interval]:
        """The opening intervals of a local date as instants, merged and in order; none if it never was."""
        found = self._spans.get(ordinal)
        if found is None:
            found = self._spans[ordinal] = self._open(ordinal)
        return found

    def dates(self, after: int) -> Iterator[int]:
        """The working dates after a date, as ordinals, as far as the horizon goes."""
        last = min(after + HORIZON.days, self._last_day())
        return (day for day in range(after + 1, last + 1) if self.spans(day))

    def line(self, at: Micros, total: Micros = 0) -> Stretch:
        """Open time around an instant, complete beyond it and, given a total, far enough to hold that too.

        Falls short of the total only where the horizon ends: 100 years after the instant, or no hours any more.
        """
        era = at // _ERA
        line = self._lines.get(era)
        if line is None:
            if self.always:
                line = Stretch.endless()
            else:
                day = max(era * _ERA // DAY_MICROS + _EPOCH_DAY - 3, _FIRST_DAY)
                line = Stretch.empty(self.instant(day, 0), day)
            self._lines[era] = line
        return line if line.covers > at and line.held >= total else self.longer(line, era, at, total)

    def longer(self, line: Stretch, era: int, at: Micros, total: Micros = 0) -> Stretch:
        """The line of an era, compiled until it covers an instant and holds a total (or to the horizon)."""
        limit = (era + 1) * _ERA + HORIZON_MICROS
        while line.covers < _NEVER and (line.covers <= at or (line.held < total and line.covers <= limit)):
            line = self._lines[era] = self._extended(line)
        return line

    def _planned(self, ordinal: int) -> Hours:
        hours = self._special.get(ordinal)
        if hours is None:
            hours = () if ordinal in self._names else self.weekly[(ordinal - 1) % 7]
        return hours

    def _day_end(self, ordinal: int) -> Micros:
        spans = () if self.always else self.spans(ordinal)
        return spans[-1][1] if spans else self.instant(ordinal, DAY_MICROS)

    def _last_day(self) -> int:
        """The last date that can be open."""
        if any(self.weekly):
            return _LAST_DAY
        return max((day for day, hours in self._special.items() if hours), default=_FIRST_DAY)

    def _open(self, ordinal: int) -> list[Interval]:
        hours = self._planned(ordinal)
        if not hours or self.instant(ordinal, 0) >= self.instant(ordinal, DAY_MICROS):
            return []
        spans = [(self.instant(ordinal, a * SECOND), self.instant(ordinal, b * SECOND)) for a, b in hours]
        return _union(sorted(span for span in spans if span[0] < span[1]))

    def _extended(self, old: Stretch) -> Stretch:
        """The stretch, half a year longer and half as long again, so that long searches stay linear."""
        first, last = old.day, min(old.day + max(184, len(old.froms) // 2), _LAST_DAY)
        covers = self.instant(last, 0)
        # A wall time in a gap is moved forward, so an interval may lie in the next date's: it belongs where it starts.
        found = [
            span for day in range(first - 2, last + 3) for span in self.spans(day) if old.covers <= span[0] < covers
        ]
        froms, tos, sums = old.froms.copy(), old.tos.copy(), old.sums.copy()
        for start, end in sorted(found):
            if start <= tos[-1]:
                grown = max(end - tos[-1], 0)
                tos[-1] += grown
                sums[-1] += grown
            else:
                froms.append(start)
                tos.append(end)
                sums.append(sums[-1] + end - start)
        done = last >= _LAST_DAY or last > self._last_day() + 3
        return Stretch(froms, tos, sums, _NEVER if done else covers, last)


def _union(spans: Iterable[Interval]) -> list[Interval]:
    """Sorted intervals, with those that overlap or touch made one."""
    merged: list[Interval] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


# --- reading a calendar ----------------------------------------------------------------------------------------------

_KEYS: Final = ("timezone", "weekly", "holidays", "overrides")
_ALWAYS_NAMES: Final = ("24x7", "24\u00d77", "24/7")
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?", re.A)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.A)


def calendar_from(data: object, name: str = "", timezone: str = "UTC") -> Calendar:
    """A calendar from `{timezone, weekly, holidays, overrides}` or the text "24x7" [CON-9].

    `timezone` is the zone of one that names none. Hours are `[from, to)`, `"24:00"` the end of a day; holidays are a
    list of dates, or a mapping of dates to names. Raises BadInput: unknown zone, day, key or date, overlapping hours,
    hours that do not end after they begin.
    """
    if isinstance(data, str) and data.strip().lower() in _ALWAYS_NAMES:
        return always_open(_zone(timezone, name), name or "24x7")
    if not isinstance(data, Mapping):
        raise _bad(name, "is not a calendar", 'give {timezone, weekly, holidays, overrides} or "24x7"')
    for key in data:
        if key not in _KEYS:
            raise _bad(name, f"{_said(key)} is no part of a calendar", f"use {', '.join(_KEYS)}")
    weekly = {} if data.get("weekly") is None else data["weekly"]
    if not isinstance(weekly, Mapping):
        raise _bad(name, "weekly: is not a mapping of days to hours", 'use e.g. {mon: [["09:00", "17:00"]]}')
    for day in weekly:
        if day not in WEEKDAYS:
            raise _bad(name, f"weekly: {_said(day)} is not a day of the week", f"use {', '.join(WEEKDAYS)}")
    overrides = {} if data.get("overrides") is None else data["overrides"]
    if not isinstance(overrides, Mapping):
        raise _bad(name, "overrides: is not a mapping of dates to hours", 'use e.g. {2026-12-24: [["09:00", "12:00"]]}')
    special = {
        _date(day, f"{_part(name)}overrides"): _hours(hours, f"{_part(name)}overrides.{day}")
        for day, hours in overrides.items()
    }
    return Calendar(
        name,
        _zone(data.get("timezone") or timezone, name),
        tuple(_hours(weekly.get(day), f"{_part(name)}weekly.{day}") for day in WEEKDAYS),
        tuple(sorted(_holidays(data.get("holidays"), name).items())),
        tuple(sorted(special.items())),
    )


@lru_cache(maxsize=512)
def always_open(zone: ZoneInfo, name: str = "24x7") -> Calendar:
    """The calendar that never closes, whose dates are those of a zone."""
    return Calendar(name, zone, (_WHOLE_DAY,) * 7)


def _bad(where: str, message: str, fix: str) -> BadInput:
    return BadInput(f"{_part(where)}{message}", code="SLA-3", fix=fix)


def _part(name: str) -> str:
    return f"calendar {name}: " if name else "calendar: "


def _said(value: object) -> str:
    return repr(value if isinstance(value, (str, int, float, date)) else type(value).__name__)[:60]


def _zone(value: object, name: str) -> ZoneInfo:
    zone = zone_named(value) if isinstance(value, str) and value else None
    if zone is None:
        raise _bad(name, f"{_said(value)} is not a time zone", "use e.g. Europe/Berlin")
    return zone


def _date(value: object, where: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and _DATE.fullmatch(value.strip()):
            return date.fromisoformat(value.strip())
    except ValueError:
        pass
    raise BadInput(f"{where}: {_said(value)} is not a date", code="SLA-3", fix="use e.g. 2026-12-25")


def _holidays(value: object, name: str) -> dict[date, str]:
    where = f"{_part(name)}holidays"
    if isinstance(value, Mapping):
        return {_date(day, where): str(title or "") for day, title in value.items()}
    if value is None or isinstance(value, (list, tuple)):
        return dict.fromkeys((_date(day, where) for day in value or ()), "")
    raise BadInput(f"{where}: is not a list of dates", code="SLA-3", fix='use e.g. ["2026-12-25"]')


def _hours(value: object, where: str) -> Hours:
    fix = 'use e.g. [["09:00", "12:00"], ["13:00", "17:00"]]'
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise BadInput(f"{where}: is not a list of [from, to]", code="SLA-3", fix=fix)
    found = []
    for pair in value:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise BadInput(f"{where}: {_said(pair)} is not a pair [from, to]", code="SLA-3", fix=fix)
        start, end = _clock(pair[0], where), _clock(pair[1], where)
        if end <= start:
            raise BadInput(
                f"{where}: {pair[0]} to {pair[1]} does not end after it begins",
                code="SLA-3",
                fix='hours over midnight are two: up to "24:00", and from "00:00" on the next day',
            )
        found.append((start, end))
    found.sort()
    for (a, b), (c, d) in pairwise(found):
        if c < b:
            raise BadInput(f"{where}: {_show(a)}-{_show(b)} and {_show(c)}-{_show(d)} overlap", code="SLA-3", fix=fix)
    return tuple(_union(found))


def _clock(value: object, where: str) -> int:
    hit = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = int(hit[1]) * 3600 + int(hit[2]) * 60 + int(hit[3] or 0) if hit else DAY + 1
    if seconds > DAY:
        raise BadInput(f"{where}: {_said(value)} is not a time of day", code="SLA-3", fix='use "00:00" to "24:00"')
    return seconds


def _show(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{rest:02}" if rest else "")


# --- due times -------------------------------------------------------------------------------------------------------

Reason = Literal["paused", "never_open"]


class Due(NamedTuple):
    """When a target is used up [SLA-3].

    `due` is the instant in UTC, None if there is none; then `reason` says why and `remaining_seconds` how much of the
    target is not used up: before the pause that does not end, or in all the time the calendar is open.
    """

    due: datetime | None
    remaining_seconds: float = 0
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pauses made ready to be used often: their union, in order. Every function here takes it for a list of pauses."""

    spans: tuple[Interval, ...] = ()

    @classmethod
    def of(cls, pauses: Iterable[Pause]) -> Pauses:
        """The union of pauses `[from, to)`; `to` None is still running, one that ends before it begins is none."""
        spans = sorted((micros_of(begin), _NEVER if end is None else micros_of(end)) for begin, end in pauses)
        return cls(tuple(_union(span for span in spans if span[0] < span[1])))


def due(calendar: Calendar, start: datetime, target_seconds: float, pauses: Iterable[Pause] | Pauses = ()) -> Due:
    """The least instant by which the calendar was open, and no pause running, for the whole target [SLA-3].

    A target used up exactly at closing is due at closing; a pause that begins then changes nothing; a target of 0 is
    due at once. Pauses may overlap, touch, come in any order, or lie before the start. All instants must be aware.
    """
    at = micros_of(start)
    target = target_seconds * SECOND if isinstance(target_seconds, int) else round(target_seconds * SECOND)
    if target <= 0:
        return Due(moment_of(at))
    line = calendar.line(at)
    need = line.used(at) + target  # in open time of the line, pauses added as we meet them
    if need > line.held:
        line = calendar.line(at, need)
    if pauses:
        # `used` of each begin and end, written out: nearly all the time of a due time is spent here.
        froms, tos, sums = line.froms, line.tos, line.sums
        for begin, end in (pauses if isinstance(pauses, Pauses) else Pauses.of(pauses)).spans:
            if end <= at:
                continue
            if begin < at:
                begin = at
            i = bisect_right(froms, begin) - 1
            before, left = sums[i], tos[i] - begin
            if left > 0:
                before -= left
            if before >= need:
                break
            if end - at > HORIZON_MICROS:
                reason: Reason = "paused" if _reached(line, need, at) is not None else "never_open"
                return Due(None, seconds_of(need - before), reason)
            if line.covers <= end:
                line = covering(calendar, line, at, end)
                froms, tos, sums = line.froms, line.tos, line.sums
            if end <= tos[i]:
                need += end - begin
            else:
                i = bisect_right(froms, end, i) - 1
                left = tos[i] - end
                need += sums[i] - before - (left if left > 0 else 0)
            if need > line.held:
                line = calendar.line(at, need)
                froms, tos, sums = line.froms, line.tos, line.sums
    instant = _reached(line, need, at)
    if instant is None:
        end = min(at + HORIZON_MICROS, LATEST)
        left = need - covering(calendar, line, at, end).used(end)
        return Due(None, seconds_of(left), "never_open")
    return Due(moment_of(instant))


def covering(calendar: Calendar, line: Stretch, at: Micros, end: Micros) -> Stretch:
    """The line that `at` lies on, complete up to `end`."""
    return line if line.covers > end else calendar.longer(line, at // _ERA, end)


def _reached(line: Stretch, total: Micros, at: Micros) -> Micros | None:
    """Where a total is reached, None if that is beyond the horizon."""
    instant = line.reach(total) if total <= line.held else _NEVER
    return instant if instant - at <= HORIZON_MICROS and instant <= LATEST else None


def active(calendar: Calendar, start: datetime, end: datetime, pauses: Iterable[Pause] | Pauses = ()) -> float:
    """The seconds in `[start, end)` in which the calendar was open and no pause running; 0 if end is before start."""
    at, to = micros_of(start), micros_of(end)
    if to <= at:
        return 0
    line = covering(calendar, calendar.line(at), at, to)
    total = line.used(to) - line.used(at)
    if pauses:
        for begin, stop in (pauses if isinstance(pauses, Pauses) else Pauses.of(pauses)).spans:
            if begin >= to:
                break
            if stop > at:
                total -= line.used(min(stop, to)) - line.used(max(begin, at))
    return seconds_of(total)


def next_opening(calendar: Calendar, at: datetime) -> datetime | None:
    """The instant itself if the calendar is open, else its next opening; None if it never opens again."""
    found = next_open(calendar, micros_of(at))
    return None if found is None else moment_of(found)


def next_open(calendar: Calendar, at: Micros) -> Micros | None:
    """`next_opening` in microseconds."""
    line = calendar.line(at)
    found = line.opening(at)
    if found is None:
        line = calendar.line(at, line.used(at) + 1)
        found = line.opening(at)
    return found if found is not None and found - at <= HORIZON_MICROS else None


# --- days and weeks --------------------------------------------------------------------------------------------------


def _days(calendar: Calendar, at: Micros, days: Fraction) -> Micros | None:
    """So many days as open time, counted once, from the start [SLA-4].

    On a calendar that never closes a day is 24 h. On any other it goes from the start (moved to the next opening if
    closed) to the same local time so many open dates later, clamped into that date's hours; a fraction of a day is
    that share of the hours of the date it begins on. None if there are not so many open dates.
    """
    if calendar.always:
        return round(days * DAY_MICROS)
    begin = next_open(calendar, at)
    if begin is None:
        return None
    whole = int(days)
    end = dates_later(calendar, begin, whole)
    if end is None:
        return None
    line = covering(calendar, calendar.line(begin), begin, end)
    span = line.used(end) - line.used(begin)
    if days > whole:
        rest = next_open(calendar, end)
        if rest is None:
            return None
        span += round((days - whole) * length_of(calendar, calendar.local(rest)[0]))
    return span


def length_of(calendar: Calendar, ordinal: int) -> Micros:
    """How long a local date is open."""
    return sum(end - start for start, end in calendar.spans(ordinal))


def dates_later(calendar: Calendar, at: Micros, count: int) -> Micros | None:
    """The same local time so many working dates later, clamped into that date's hours."""
    if count <= 0:
        return at
    today, clock = calendar.local(at)
    for n, day in enumerate(calendar.dates(today), 1):
        if n == count:
            spans = calendar.spans(day)
            return min(max(calendar.instant(day, clock), spans[0][0]), spans[-1][1])
    return None


def amount_seconds(calendar: Calendar, start: datetime, amount: Amount) -> float | None:
    """A written amount as seconds of open time on a calendar, from a start [SLA-4]; None if it has not so many days.

    Hours and minutes are open time as they stand, a week is the open days of the calendar's week, and a day goes to the
    same local time on the next open date.
    """
    span = _amount(calendar, micros_of(start), amount)
    return None if span is None else seconds_of(span)


def _amount(calendar: Calendar, at: Micros, amount: Amount) -> Micros | None:
    days = amount.days + amount.weeks * (7 if calendar.always else calendar.week_days)
    span = _days(calendar, at, days) if days else 0
    return None if span is None else span + amount.seconds * SECOND


def amount_due(calendar: Calendar, start: datetime, amount: Amount, pauses: Iterable[Pause] | Pauses = ()) -> Due:
    """`due` for an amount as it was written: days are turned into open time once, then pauses count [SLA-4]."""
    seconds = amount_seconds(calendar, start, amount)
    if seconds is None:
        return Due(None, amount.of(), "never_open")
    return due(calendar, start, seconds, pauses)
