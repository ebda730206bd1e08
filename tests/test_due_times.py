"""Hostile due times, through the command line, against a simulation that knows nothing of intervals, sums or `fold`.

Counterparts: `test_clocks.py`, properties on random calendars with a simulation by zoneinfo's fold; `sla-vectors.json`.
Here wall times are found by walking through the minutes of a zone as they pass: the first that shows the time, and for
one that never is shown the offset of the last minute before it. So both readings of SLA-3 are checked by observation.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from executord.values import read_stamp, stamp

MINUTE = timedelta(minutes=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFFICE = {day: [["09:00", "17:00"]] for day in DAYS[:5]}
LUNCH = {day: [["08:30", "12:00"], ["13:00", "17:30"]] for day in DAYS[:5]}
NIGHT = {day: [["00:00", "06:00"], ["22:00", "24:00"]] for day in DAYS}
ALWAYS = {day: [["00:00", "24:00"]] for day in DAYS}
EARLY = {day: [["00:30", "03:30"]] for day in DAYS}


def case(
    name: str, zone: str, weekly: Any, start: str, hours: float, pauses: Any = (), *, holidays: Any = (),
    overrides: Any = None,
) -> Any:  # fmt: skip
    """A calendar, a local start in its zone, a target in hours, and pauses between local times."""
    return pytest.param(zone, weekly, start, hours, pauses, list(holidays), overrides or {}, id=name)


CASES = [
    # clocks that go forward
    case("gap-inside-hours", "Europe/Berlin", EARLY, "2026-03-28T12:00", 2),
    case("gap-opening", "Europe/Berlin", {"sun": [["02:15", "04:00"]]}, "2026-03-28T12:00", 0.5),
    case("gap-closing", "Europe/Berlin", {"sun": [["01:00", "02:30"]], "mon": [["09:00", "17:00"]]},
         "2026-03-28T12:00", 1.5),
    case("gap-both-ends", "Europe/Berlin", {"sun": [["02:10", "02:40"]], "mon": [["09:00", "10:00"]]},
         "2026-03-28T12:00", 0.75),
    case("gap-at-midnight-havana", "America/Havana", ALWAYS, "2026-03-07T20:00", 10),
    case("gap-at-midnight-opening-havana", "America/Havana", {"sun": [["00:00", "02:00"]], "mon": [["00:00", "02:00"]]},
         "2026-03-07T20:00", 2),
    case("gap-of-half-an-hour-lord-howe", "Australia/Lord_Howe", EARLY, "2026-10-03T12:00", 5),
    case("gap-of-half-an-hour-opening", "Australia/Lord_Howe", {"sun": [["02:10", "06:00"]]}, "2026-10-03T12:00", 3),
    case("gap-troll-two-hours", "Antarctica/Troll", EARLY, "2026-03-28T12:00", 4),
    # clocks that go back
    case("fold-inside-hours", "Europe/Berlin", EARLY, "2025-10-25T12:00", 4),
    case("fold-opening", "America/New_York", {"sun": [["01:30", "03:00"]]}, "2026-10-31T12:00", 2),
    case("fold-closing", "America/New_York", {"sun": [["00:00", "01:30"]], "mon": [["09:00", "17:00"]]},
         "2026-10-31T12:00", 2),
    case("fold-start-first", "Europe/Berlin", ALWAYS, "2025-10-26T02:30", 5),
    case("fold-of-half-an-hour-lord-howe", "Australia/Lord_Howe", EARLY, "2026-04-04T12:00", 5),
    case("fold-at-midnight-havana", "America/Havana", {"sun": [["00:00", "24:00"]], "sat": [["20:00", "24:00"]]},
         "2026-10-31T19:00", 8),
    case("fold-night-shift-chatham", "Pacific/Chatham", NIGHT, "2026-04-04T21:00", 9),
    # clocks that go back in winter, or for a fast
    case("negative-dst-dublin", "Europe/Dublin", EARLY, "2026-10-24T12:00", 5),
    case("negative-dst-casablanca-begins", "Africa/Casablanca", EARLY, "2026-02-14T12:00", 5),
    case("negative-dst-casablanca-ends", "Africa/Casablanca", EARLY, "2026-03-21T12:00", 5),
    case("casablanca-through-the-month", "Africa/Casablanca", OFFICE, "2026-02-13T16:00", 170),
    case("gaza", "Asia/Gaza", EARLY, "2026-03-27T12:00", 6),
    case("cairo-midnight", "Africa/Cairo", ALWAYS, "2026-04-23T20:00", 10),
    case("nuuk-evening-before", "America/Nuuk", {day: [["20:00", "24:00"]] for day in DAYS}, "2026-03-28T12:00", 9),
    case("st-johns", "America/St_Johns", LUNCH, "2026-03-06T17:00", 12),
    # dates that never were
    case("apia-skips-a-friday", "Pacific/Apia", OFFICE, "2011-12-29T15:00", 5),
    case("apia-always-open", "Pacific/Apia", ALWAYS, "2011-12-29T15:00", 30),
    case("apia-to-midnight", "Pacific/Apia", {"thu": [["20:00", "24:00"]], "fri": [["00:00", "04:00"]],
         "sat": [["00:00", "04:00"]]}, "2011-12-29T12:00", 6),
    case("apia-override-on-the-skipped-date", "Pacific/Apia", OFFICE, "2011-12-29T15:00", 5,
         overrides={"2011-12-30": [["00:00", "24:00"]]}),
    case("fakaofo", "Pacific/Fakaofo", OFFICE, "2011-12-29T16:30", 9),
    case("kwajalein-skips-a-saturday", "Pacific/Kwajalein", ALWAYS, "1993-08-20T12:00", 40),
    # zones that moved for good
    case("pyongyang-half-an-hour", "Asia/Pyongyang", ALWAYS, "2018-05-04T12:00", 20),
    case("caracas", "America/Caracas", LUNCH, "2016-04-29T16:00", 12),
    case("kathmandu", "Asia/Kathmandu", LUNCH, "2026-02-06T17:00", 9),
    # closing, opening, holidays, half days
    case("exactly-at-closing", "Europe/Berlin", OFFICE, "2026-02-06T09:00", 8),
    case("exactly-at-lunch", "Europe/Berlin", LUNCH, "2026-02-06T08:30", 3.5),
    case("start-at-closing", "Europe/Berlin", OFFICE, "2026-02-06T17:00", 1),
    case("start-at-opening-of-nothing", "Europe/Berlin", {"mon": [["09:00", "17:00"]]}, "2026-02-10T09:00", 8),
    case("start-in-a-holiday", "Europe/Berlin", OFFICE, "2026-12-25T11:00", 4,
         holidays=["2026-12-25", "2026-12-26", "2026-12-28"]),
    case("half-day-before-a-holiday", "Europe/Berlin", OFFICE, "2026-12-23T15:00", 6, holidays=["2026-12-25"],
         overrides={"2026-12-24": [["09:00", "12:00"]]}),
    case("override-opens-a-sunday-holiday", "Europe/Berlin", OFFICE, "2026-02-07T10:00", 3, holidays=["2026-02-08"],
         overrides={"2026-02-08": [["10:00", "12:00"]]}),
    case("override-closes-a-day", "Europe/Berlin", OFFICE, "2026-02-03T16:00", 2, overrides={"2026-02-04": []}),
    case("override-over-midnight-into-a-holiday", "Europe/Berlin", NIGHT, "2026-02-03T21:00", 5,
         holidays=["2026-02-04"]),
    case("touching-intervals", "Europe/Berlin", {day: [["09:00", "12:00"], ["12:00", "17:00"]] for day in DAYS[:5]},
         "2026-02-03T10:00", 4),
    case("several-windows", "America/Sao_Paulo", {day: [["06:00", "07:00"], ["09:00", "09:30"], ["23:30", "24:00"]]
         for day in DAYS}, "2018-11-03T05:00", 5),
    case("24x7-with-holiday", "Europe/Berlin", ALWAYS, "2026-02-03T20:00", 10, holidays=["2026-02-04"]),
    case("leap-day", "UTC", OFFICE, "2024-02-28T16:00", 10, holidays=["2024-02-29"]),
    case("new-year", "Asia/Tehran", LUNCH, "2026-12-31T17:00", 12, holidays=["2027-01-01"]),
    case("zero", "Europe/Berlin", OFFICE, "2026-02-07T03:00", 0),
    # pauses
    case("pause-over-closing", "Europe/Berlin", OFFICE, "2026-02-03T15:00", 6,
         [["2026-02-03T16:00", "2026-02-04T10:00"]]),
    case("pause-wholly-closed", "Europe/Berlin", OFFICE, "2026-02-06T16:00", 2,
         [["2026-02-06T17:00", "2026-02-09T09:00"]]),
    case("pause-begins-when-used-up", "Europe/Berlin", OFFICE, "2026-02-06T15:00", 2,
         [["2026-02-06T17:00", "2026-02-20T09:00"]]),
    case("pause-before-the-start", "Europe/Berlin", OFFICE, "2026-02-03T12:00", 6,
         [["2026-02-01T12:00", "2026-02-03T14:00"]]),
    case("pauses-overlap-and-repeat", "Europe/Berlin", LUNCH, "2026-02-03T09:00", 8,
         [["2026-02-03T11:00", "2026-02-03T14:00"], ["2026-02-03T11:30", "2026-02-03T13:30"],
          ["2026-02-03T11:00", "2026-02-03T14:00"], ["2026-02-03T14:00", "2026-02-03T15:00"]]),
    case("pause-over-a-gap", "Europe/Berlin", ALWAYS, "2026-03-28T20:00", 8,
         [["2026-03-29T01:30", "2026-03-29T04:00"]]),
    case("pause-over-the-skipped-date", "Pacific/Apia", ALWAYS, "2011-12-29T12:00", 20,
         [["2011-12-29T20:00", "2011-12-31T02:00"]]),
    case("pause-of-nothing", "Europe/Berlin", OFFICE, "2026-02-03T10:00", 3,
         [["2026-02-03T11:00", "2026-02-03T11:00"]]),
]  # fmt: skip
ZONES = {each.values[0] for each in CASES}
SPAN = 45  # days that are walked through


@cache
def walked(zone: str, around: date) -> tuple[list[datetime], dict[str, int]]:
    """Each minute of the days around a date as its zone shows it, and the first minute that shows a time."""
    place = ZoneInfo(zone)
    begin = datetime(around.year, around.month, around.day, tzinfo=UTC) - timedelta(days=6)
    shown = [(begin + k * MINUTE).astimezone(place).replace(tzinfo=None) for k in range((SPAN + 12) * 1440)]
    first: dict[str, int] = {}
    for k, each in enumerate(shown):
        first.setdefault(f"{each:%Y-%m-%dT%H:%M}", k)
    return [begin, *shown], first


def minute_of(zone: str, around: date, day: date, clock: str) -> int:
    """The number of the minute that a wall time means."""
    (_, *shown), first = walked(zone, around)
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    text = f"{day}T{clock}"
    if text in first:
        return first[text]
    wall = datetime.fromisoformat(text)  # never shown: so many minutes after the last one before it
    k = next(k for k in range(len(shown) - 1) if shown[k] < wall < shown[k + 1])
    return k + (wall - shown[k]) // MINUTE


def simulated(
    zone: str, weekly: Any, start: str, hours: float, pauses: Any, holidays: Any, overrides: Any
) -> datetime:  # fmt: skip
    """Minute by minute: is it open, and is nobody pausing?"""
    around = date.fromisoformat(start[:10])
    (begin, *shown), _ = walked(zone, around)
    open_minutes = bytearray(len(shown))
    for day in sorted({each.date() for each in shown})[2:-2]:
        windows = [] if str(day) in holidays else weekly.get(DAYS[day.weekday()], [])
        for opens, closes in overrides.get(str(day), windows):
            for k in range(minute_of(zone, around, day, opens), minute_of(zone, around, day, closes)):
                open_minutes[k] = 1
    for a, b in pauses:
        ends = [minute_of(zone, around, date.fromisoformat(t[:10]), t[11:]) for t in (a, b)]
        open_minutes[ends[0] : ends[1]] = bytes(ends[1] - ends[0])
    left = round(hours * 60)
    k = minute_of(zone, around, around, start[11:])
    while left:
        left -= open_minutes[k]
        k += 1
    return begin + k * MINUTE


def asked(zone: str, weekly: Any, start: str, hours: float, pauses: Any, holidays: Any, overrides: Any) -> Any:
    """The same as the command line reads it; local times are told as instants."""
    around = date.fromisoformat(start[:10])
    begin = walked(zone, around)[0][0]

    def instant(text: str) -> str:
        at = begin + minute_of(zone, around, date.fromisoformat(text[:10]), text[11:]) * MINUTE
        return at.astimezone(ZoneInfo(zone)).isoformat()

    calendar = {"timezone": zone, "weekly": weekly, "holidays": holidays, "overrides": overrides}
    return {
        "calendar": calendar,
        "start": instant(start),
        "target_seconds": round(hours * 3600),
        "pauses": [[instant(a), instant(b)] for a, b in pauses],
    }


@cache
def answered() -> list[Any]:
    """All cases at once, through a process of its own, as anybody would ask."""
    questions = json.dumps([{"id": each.id, **asked(*each.values)} for each in CASES])
    run = subprocess.run(
        [sys.executable, "-m", "executord", "sla", "due", "-", "--json"],
        input=questions, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found: list[Any] = json.loads(run.stdout)
    return found


@pytest.mark.spec("SLA-3", "SLA-5", "CON-9")
@pytest.mark.parametrize("each", [pytest.param(n, id=str(c.id)) for n, c in enumerate(CASES)])
def test_a_hostile_due_time_is_what_was_observed(each: int):
    """Gaps, folds, dates that never were, half days, windows over midnight, pauses: the least instant, and its zone."""
    found = answered()[each]
    wanted = simulated(*CASES[each].values)
    assert found["id"] == CASES[each].id
    assert (found["due_utc"], found["remaining_seconds"], found["reason"]) == (stamp(wanted), 0, None)
    local = datetime.fromisoformat(found["due_local"])
    assert local == wanted
    assert local.utcoffset() == wanted.astimezone(ZoneInfo(CASES[each].values[0])).utcoffset()


@pytest.mark.spec("SLA-5")
def test_the_cases_are_of_many_zones():
    """Lord Howe, Apia, Casablanca and Havana among them, and most near a change of their clocks."""
    assert {"Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/Havana"} <= ZONES
    assert len(ZONES) >= 12
    assert len(CASES) >= 44


@pytest.mark.spec("SLA-3")
def test_why_a_hostile_due_time_adds_up():
    """`--explain`: the pieces lie one behind the other from start to due, and what is counted is the target."""
    questions = [{"id": each.id, **asked(*each.values)} for each in CASES]
    run = subprocess.run(
        [sys.executable, "-m", "executord", "sla", "due", "-", "--json", "--explain"],
        input=json.dumps(questions), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    for question, found in zip(questions, json.loads(run.stdout), strict=True):
        pieces = found["segments"]
        if not question["target_seconds"]:
            assert pieces == []
            continue
        edges = [datetime.fromisoformat(p[k]) for p in pieces for k in ("from", "to")]
        assert edges[1:-1:2] == edges[2::2], question["id"]
        assert (edges[0], edges[-1]) == (datetime.fromisoformat(question["start"]), read_stamp(found["due_utc"]))
        assert pieces[-1]["counted_seconds"] == question["target_seconds"], question["id"]
        assert sum(p["seconds"] for p in pieces if p["kind"] == "counted") == question["target_seconds"]
