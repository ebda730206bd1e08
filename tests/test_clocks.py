"""Business time is what a simulation, minute by minute, says it is; the worked cases of the specification all pass."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from timeit import timeit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from executord.cli.sla_due import Names, answer, answers, check, run
from executord.clocks import (
    BUSINESS,
    HORIZON,
    WEEKDAYS,
    Due,
    Pauses,
    active,
    always_open,
    amount_due,
    amount_seconds,
    calendar_from,
    due,
    next_opening,
)
from executord.clocks.cadence import Step, before, cadence_due, next_due, play, segments
from executord.errors import BadInput, UsageError
from executord.values import Amount, read_span, read_stamp, stamp

VECTORS = Path(__file__).parent / "data" / "sla-vectors.json"
EXPECTED = ("due_utc", "due_local", "remaining_seconds", "active_seconds", "next_due_utc", "next_due_local", "reason")
OFFICE = {"timezone": "Europe/Berlin", "weekly": {day: [["09:00", "17:00"]] for day in WEEKDAYS[:5]}}
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)
H, D = 3600, 86_400


def at(text: str) -> datetime:
    return read_stamp(text if text[-1] == "Z" or "+" in text else f"{text}+01:00")


# --- the worked cases ---


def vectors() -> dict:
    return json.loads(VECTORS.read_text(encoding="utf-8"))


def blind(asked):
    """The same question without any expected value, so that none can be read."""
    steps = [{key: step[key] for key in ("at", "event", "value")} for step in asked.get("steps", ())]
    kept = {"id", "calendar", "start", "target_seconds", "pauses", "end", "last_update", "mode", "value"}
    return {key: asked[key] for key in kept & asked.keys()} | ({"steps": steps} if steps else {})


@pytest.mark.spec("SLA-5", "OPS-22")
def test_the_worked_cases_have_no_differences():
    """`sla due --check` finds nothing in the file of the specification: 26 + 6 + 3 + 5 cases."""
    assert check(vectors()) == []
    assert run(VECTORS.read_text(encoding="utf-8"), check_it=True) == (0, "40 checked, no differences\n")


CASES = [case for group in vectors().values() if isinstance(group, list) for case in group if "calendar" in case]


@pytest.mark.spec("SLA-3", "SLA-5", "SLA-11", "SLA-21")
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_worked_case_comes_out_without_its_answer(case):
    """Nothing of the expected values is read to work it out."""
    found = answer(blind(case))
    for key in EXPECTED:
        if key in case:
            assert found[key] == case[key], key
    for step, wanted in zip(found.get("steps", ()), case.get("steps", ()), strict=True):
        assert step == {key: wanted[key] for key in ("at", "due_utc", "due_local", "remaining_seconds_if_paused")}


# --- the simulation ---

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
    "America/Havana", "America/Sao_Paulo", "Asia/Kathmandu", "Asia/Tehran", "Pacific/Chatham", "America/St_Johns",
    "Europe/Dublin", "Asia/Gaza", "America/Nuuk", "Africa/Cairo", "Antarctica/Troll", "Asia/Pyongyang",
]  # fmt: skip
DAYS_SEEN = 24  # how long the simulation looks
FIRST = datetime(2009, 1, 1, tzinfo=UTC)


@cache
def changes(name: str) -> list[datetime]:
    """The hours in which the zone's offset changes, 2009 to 2027: where such engines go wrong."""
    zone, hour = ZoneInfo(name), timedelta(hours=1)
    moments = [FIRST + k * hour for k in range(0, 19 * 365 * 24, 6)]
    offsets = [moment.astimezone(zone).utcoffset() for moment in moments]
    return [m for m, a, b in zip(moments, offsets, offsets[1:], strict=False) if a != b] or [FIRST]


def simulate(data: dict, start: datetime, pauses: list) -> bytearray:
    """For each minute from the start on, 1 if it counts. Wall times by zoneinfo, fold 0; no sums, no intervals."""
    zone = ZoneInfo(data["timezone"])
    count = DAYS_SEEN * 24 * 60
    counts = bytearray(count)
    existing = {(start + timedelta(hours=k / 4)).astimezone(zone).date() for k in range(-200, (DAYS_SEEN + 2) * 96)}
    for day in existing:
        hours = data["weekly"].get(WEEKDAYS[day.weekday()], [])
        if str(day) in data["holidays"]:
            hours = []
        hours = data["overrides"].get(str(day), hours)
        for pair in hours:
            begin, end = (wall(day, text, zone) for text in pair)
            minute = begin
            while minute < end:
                k = (minute - start) // MINUTE
                if 0 <= k < count:
                    counts[k] = 1
                minute += MINUTE
    for begin, end in pauses:
        for k in range(
            max(0, (begin - start) // MINUTE), count if end is None else min(count, (end - start) // MINUTE)
        ):
            counts[k] = 0
    return counts


def wall(day: date, text: str, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, text.split(":"))
    if hour == 24:
        day, hour = day + timedelta(days=1), 0
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=0).astimezone(UTC)


def simulated_due(counts: bytearray, start: datetime, minutes: int) -> datetime | None:
    left = minutes
    for k, counted in enumerate(counts):
        if left == 0:
            return start + k * MINUTE
        left -= counted
    return None


@st.composite
def hours(draw):
    """Up to three intervals of a day, in quarter hours, sometimes touching each other or midnight."""
    edges = sorted(draw(st.sets(st.integers(0, 96), max_size=6)))
    return [
        [f"{a // 4:02}:{a % 4 * 15:02}", f"{b // 4:02}:{b % 4 * 15:02}"]
        for a, b in zip(edges[::2], edges[1::2], strict=False)
    ]


@st.composite
def scenes(draw, always=False):
    """A calendar, a start within days of a change of its zone's offset, and pauses; all in whole minutes."""
    name = draw(st.sampled_from(ZONES))
    near = draw(st.sampled_from(changes(name)))
    start = near + draw(st.integers(-8 * 1440, 2 * 1440)) * MINUTE
    dates = st.integers(-1, DAYS_SEEN).map(lambda n: str((start + timedelta(days=n)).date()))
    week = st.fixed_dictionaries({}, optional={day: hours() for day in WEEKDAYS})
    data = {
        "timezone": name,
        "weekly": {day: [["00:00", "24:00"]] for day in WEEKDAYS} if always else draw(week),
        "holidays": [] if always else draw(st.lists(dates, max_size=3)),
        "overrides": {} if always else draw(st.dictionaries(dates, hours(), max_size=2)),
    }
    offsets = st.integers(-1440, 10 * 1440)
    pauses = [
        (start + a * MINUTE, start + (a + b) * MINUTE)
        for a, b in draw(st.lists(st.tuples(offsets, st.integers(0, 3 * 1440)), max_size=5))
    ]
    return data, start, pauses


few = settings(max_examples=120)


@pytest.mark.spec("SLA-3", "SLA-5")
@few
@given(scenes(), st.integers(0, 4000))
def test_due_is_what_the_simulation_says(scene, minutes):
    """The least instant by which so many minutes were counted, on any calendar, zone, start and pauses."""
    data, start, pauses = scene
    wanted = simulated_due(simulate(data, start, pauses), start, minutes)
    assume(wanted is not None)
    assert due(calendar_from(data), start, minutes * 60, pauses) == Due(wanted)


@pytest.mark.spec("SLA-3", "SLA-5")
@few
@given(scenes(), st.integers(-100, DAYS_SEEN * 1440))
def test_active_is_what_the_simulation_says(scene, minutes):
    """So many minutes were counted until then; none if the end is before the start."""
    data, start, pauses = scene
    wanted = sum(simulate(data, start, pauses)[: max(minutes, 0)]) * 60
    assert active(calendar_from(data), start, start + minutes * MINUTE, pauses) == wanted


@pytest.mark.spec("SLA-3", "SLA-5")
@few
@given(scenes(), st.integers(-100, 9 * 1440), st.integers(0, 4000))
def test_a_pause_without_end_leaves_the_rest(scene, begin, minutes):
    """No due time, "paused", and what was not used up before it; unless it begins when all was used up."""
    data, start, pauses = scene
    pauses = [*pauses, (start + begin * MINUTE, None)]
    counts = simulate(data, start, pauses)
    calendar = calendar_from(data)
    found = due(calendar, start, minutes * 60, pauses)
    if (wanted := simulated_due(counts, start, minutes)) is not None:
        assert found == Due(wanted)
    else:
        assert found.due is None
        assert found.remaining_seconds == (minutes - sum(counts)) * 60
        assert found.reason == ("paused" if any(calendar.weekly) else found.reason)


@pytest.mark.spec("SLA-5", "SLA-7", "SLA-11", "SLA-22")
@settings(max_examples=60)
@given(
    scenes(),
    st.lists(
        st.tuples(st.sampled_from(["target", "pause", "resume", "extend"]), st.integers(0, 1500), st.integers(0, 1800)),
        max_size=7,
    ),
)
def test_a_life_of_a_clock_is_what_the_simulation_says(scene, told):
    """Targets, pauses, resumes without a pause, extensions while paused, in any order: each counts from the start."""
    data, start, _ = scene
    now, target, pauses, begun = start, 0, [], None
    steps, wanted = [], []
    for event, gap, minutes in [("target", 0, 600), *told]:
        now += gap * MINUTE
        if event in ("target", "extend"):
            target = minutes if event == "target" else target + minutes
        elif event == "pause":
            begun = begun or now
        elif begun is not None:
            pauses, begun = [*pauses, (begun, now)], None
        steps.append(Step(now, event, minutes * 60 if event in ("target", "extend") else None))
        counts = simulate(data, start, [*pauses, *([(begun, None)] if begun is not None else [])])
        wanted.append((simulated_due(counts, start, target), (target - sum(counts)) * 60, begun is not None))
    for found, (instant, left, paused) in zip(play(calendar_from(data), start, steps), wanted, strict=True):
        if instant is not None:
            assert found == Due(instant)
        elif paused:
            assert (found.due, found.remaining_seconds) == (None, left)
        else:
            assert found.due is None or found.due > start + (DAYS_SEEN - 1) * 1440 * MINUTE


@pytest.mark.spec("SLA-5", "SLA-21")
@settings(max_examples=60)
@given(scenes(), st.integers(1, 6))
def test_a_cadence_of_working_dates_is_what_a_walk_says(scene, count):
    """Date by date: one counts if a minute of it is open; there the same wall time, not before it opens, not after."""
    data, last, _ = scene
    zone = ZoneInfo(data["timezone"])
    local = last.astimezone(zone)
    day, left = local.date(), count
    for _ in range(DAYS_SEEN - 2):
        day += timedelta(days=1)
        alone = {**data, "weekly": {}, "holidays": [], "overrides": {}}
        kept = str(day) in data["overrides"] or str(day) not in data["holidays"]
        alone["overrides"][str(day)] = (
            data["overrides"].get(str(day), data["weekly"].get(WEEKDAYS[day.weekday()], [])) if kept else []
        )
        counts = simulate(alone, last, [])
        left -= 1 in counts
        if not left:
            opens, closes = counts.index(1), len(counts) - counts[::-1].index(1)
            same = (wall(day, f"{local:%H:%M}", zone) - last) // MINUTE
            assert (
                next_due(calendar_from(data), last, "working_days", count)
                == last + min(max(same, opens), closes) * MINUTE
            )
            return


# --- the properties of SLA-5, on the engine itself ---

seconds = st.integers(0, 300_000)
micros = st.integers(0, 86_400_000_000).map(lambda n: timedelta(microseconds=n))
SECOND = timedelta(seconds=1)


def open_scene(scene):
    """A calendar of a scene that opens every week, so that there is a due time."""
    data, start, pauses = scene
    assume(any(data["weekly"].values()))
    return calendar_from(data), start, pauses


@pytest.mark.spec("SLA-5")
@few
@given(scenes(), micros, seconds)
def test_up_to_the_due_time_the_target_is_used_and_before_it_is_not(scene, shift, target):
    """active([start, due)) = target, and a second (even a microsecond) less is less. Starts need not be whole."""
    calendar, start, pauses = open_scene(scene)
    start += shift
    end = due(calendar, start, target, pauses).due
    assert active(calendar, start, end, pauses) == target
    if target:
        assert active(calendar, start, end - SECOND, pauses) < target
        assert active(calendar, start, end - timedelta(microseconds=1), pauses) < target


@pytest.mark.spec("SLA-5")
@few
@given(scenes(), micros, seconds, seconds)
def test_a_longer_target_is_due_later_and_pauses_never_help(scene, shift, target, more):
    """Due grows with the target; a pause never brings it forward."""
    calendar, start, pauses = open_scene(scene)
    start += shift
    assert due(calendar, start, target, pauses).due <= due(calendar, start, target + more, pauses).due
    for n in range(len(pauses)):
        assert due(calendar, start, target, pauses[:n]).due <= due(calendar, start, target, pauses[: n + 1]).due


@pytest.mark.spec("SLA-5")
@few
@given(scenes(), seconds, st.randoms(use_true_random=False))
def test_order_overlap_and_duplication_of_pauses_do_not_matter(scene, target, random):
    """It is their union that counts."""
    calendar, start, pauses = open_scene(scene)
    wanted = due(calendar, start, target, pauses)
    cut = [(a, a + (b - a) / 2) for a, b in pauses] + [(a + (b - a) / 3, b) for a, b in pauses] + pauses
    random.shuffle(cut)
    assert due(calendar, start, target, cut) == wanted
    assert due(calendar, start, target, iter(cut)) == wanted
    assert due(calendar, start, target, Pauses.of(cut)) == wanted


@pytest.mark.spec("SLA-5")
@few
@given(scenes(), micros, seconds, micros)
def test_time_adds_up_and_one_can_go_on_from_any_instant(scene, shift, target, later):
    """active is additive, and the remainder counted from any instant before the due time gives the same one."""
    calendar, start, pauses = open_scene(scene)
    start += shift
    middle, end = start + later, start + timedelta(days=9)
    used = active(calendar, start, middle, pauses)
    rest = active(calendar, middle, end, pauses)
    whole = active(calendar, start, end, pauses)
    assert round((used + rest) * 1e6) == round(whole * 1e6)
    found = due(calendar, start, target, pauses).due
    if middle < found:
        assert due(calendar, middle, target - used, pauses).due == found


@pytest.mark.spec("SLA-5")
@few
@given(scenes(always=True), micros, seconds)
def test_on_a_calendar_that_never_closes_time_is_time(scene, shift, target):
    """24×7: due − start = target, on every date of every zone, also written out as hours with a holiday undone."""
    data, start, _ = scene
    start += shift
    day = str(start.date())
    undone = data | {"holidays": [day], "overrides": {day: [["00:00", "12:00"], ["12:00", "24:00"]]}}
    nearly = data | {"weekly": data["weekly"] | {"mon": [["00:00", "24:00"]]}, "holidays": ["1999-01-01"]}
    for calendar in (calendar_from(data), calendar_from("24x7"), calendar_from(undone), calendar_from(nearly)):
        assert due(calendar, start, target).due - start == timedelta(seconds=target)
        assert active(calendar, start, start + timedelta(seconds=target)) == target


@pytest.mark.spec("SLA-5")
@few
@given(scenes(), micros, seconds, st.sampled_from(ZONES))
def test_the_offset_in_which_the_start_is_written_does_not_matter(scene, shift, target, other):
    """An instant is an instant."""
    calendar, start, pauses = open_scene(scene)
    start += shift
    elsewhere = start.astimezone(ZoneInfo(other))
    moved = [(a.astimezone(ZoneInfo(other)), b) for a, b in pauses]
    assert due(calendar, elsewhere, target, moved) == due(calendar, start, target, pauses)


@pytest.mark.spec("SLA-5")
@few
@given(scenes(), seconds, st.integers(-2, 12))
def test_adding_a_holiday_never_brings_due_forward(scene, target, day):
    """Not even where a gap moves wall times into the next date."""
    data, start, pauses = scene
    assume(any(data["weekly"].values()))
    more = data | {"holidays": [*data["holidays"], str((start + timedelta(days=day)).date())]}
    assert due(calendar_from(data), start, target, pauses).due <= due(calendar_from(more), start, target, pauses).due


@pytest.mark.spec("SLA-5")
@few
@given(scenes(), seconds, st.integers(1, 400))
def test_it_does_not_matter_what_was_asked_before(scene, target, days):
    """A calendar that has compiled other years answers as a fresh one."""
    data, start, pauses = scene
    used = calendar_from(data)
    due(used, start + timedelta(days=days), target), active(used, start - timedelta(days=days), start)
    assert due(used, start, target, pauses) == due(calendar_from(data), start, target, pauses)


@pytest.mark.spec("SLA-9")
@few
@given(scenes(), seconds)
def test_the_latest_beginning_leaves_just_enough(scene, target):
    """What `before` gives is the latest instant from which so much time is left."""
    calendar, end, _ = open_scene(scene)
    begin = before(calendar, end, target)
    assert active(calendar, begin, end) == target
    if target and begin < end:
        assert active(calendar, begin + timedelta(microseconds=1), end) < target


@pytest.mark.spec("SLA-20")
@few
@given(scenes(), st.integers(0, 9 * 1440))
def test_the_segments_of_an_explanation_add_up(scene, minutes):
    """They follow one another without a gap, kinds alternate, and what was counted is what was active."""
    data, start, pauses = scene
    calendar, end = calendar_from(data), start + minutes * MINUTE
    found = segments(calendar, start, end, pauses)
    assert [each.begin for each in found[1:]] == [each.end for each in found[:-1]]
    assert all(a.kind != b.kind for a, b in pairwise(found))
    counted = sum((each.end - each.begin).total_seconds() for each in found if each.kind == "counted")
    assert counted == active(calendar, start, end, pauses) == (found[-1].counted_seconds if found else 0)


# --- it always ends ---


@pytest.mark.spec("SLA-3", "SLA-5")
@pytest.mark.parametrize(
    ("data", "pauses", "left", "reason"),
    [
        ({"timezone": "UTC", "weekly": {}}, [], 3600, "never_open"),
        ({"timezone": "UTC"}, [], 3600, "never_open"),
        ({"timezone": "UTC", "weekly": {}, "overrides": {"2026-03-02": [["09:00", "09:30"]]}}, [], 1800, "never_open"),
        ({"timezone": "UTC", "weekly": {}, "overrides": {"2020-03-02": [["09:00", "17:00"]]}}, [], 3600, "never_open"),
        ({"timezone": "UTC", "weekly": {}}, [("2026-02-03T09:00:00Z", None)], 3600, "never_open"),
        ("24x7", [("2026-02-03T10:15:00Z", None)], 2700, "paused"),
        ("24x7", [("2026-02-03T10:15:00Z", "9999-12-31T00:00:00Z")], 2700, "paused"),
        ("24x7", [("2026-02-03T11:00:00Z", None)], 0, None),
    ],
)
def test_what_is_never_due_says_why(data, pauses, left, reason):
    """No opening, or a pause without end: no due time and a reason, never a loop."""
    spans = [(read_stamp(a), b and read_stamp(b)) for a, b in pauses]
    found = due(calendar_from(data), read_stamp("2026-02-03T10:00:00Z"), 3600, spans)
    assert (found.remaining_seconds, found.reason) == (left, reason)
    assert (found.due is None) == (reason is not None)


@pytest.mark.spec("SLA-5")
def test_a_target_of_centuries_ends_too():
    """It goes no further than the horizon, and says how much is left."""
    start = read_stamp("2026-02-03T10:00:00Z")
    rare = calendar_from({"timezone": "Europe/Berlin", "weekly": {"mon": [["09:00", "10:00"]]}})
    found = due(rare, start, 10**9)
    assert (found.due, found.reason) == (None, "never_open")
    assert found.remaining_seconds == 10**9 - active(rare, start, start + HORIZON)
    assert due(always_open(ZoneInfo("UTC")), start, 10**12).due is None
    late = datetime(9999, 12, 19, tzinfo=UTC)
    assert due(calendar_from(OFFICE), late, 10**6).due is None
    assert due(calendar_from("24x7"), late, 10**6).due is None
    assert due(calendar_from(OFFICE), datetime(1, 1, 2, tzinfo=UTC), 60).due is not None
    assert next_due(calendar_from(OFFICE), start, "elapsed", 10**12) is None
    assert before(calendar_from({"timezone": "UTC"}), start, 60) is None


@pytest.mark.spec("SLA-3")
def test_a_date_that_never_was_has_no_hours():
    """Apia had no 30 December 2011."""
    apia = calendar_from(
        {"timezone": "Pacific/Apia", "weekly": {"fri": [["09:00", "17:00"]], "sat": [["09:00", "10:00"]]}}
    )
    assert not apia.spans(date(2011, 12, 30).toordinal())
    start = datetime(2011, 12, 29, 20, tzinfo=ZoneInfo("Pacific/Apia"))
    assert active(apia, start, start + timedelta(days=2)) == 3600
    daily = next_due(always_open(ZoneInfo("Pacific/Apia")), start, "working_days", 1)
    assert daily == datetime(2011, 12, 31, 20, tzinfo=ZoneInfo("Pacific/Apia"))


# --- days and weeks ---


@pytest.mark.spec("SLA-4")
@pytest.mark.parametrize(
    ("start", "span", "wanted"),
    [
        ("2026-02-03T10:00:00", "1 day", "2026-02-04T10:00:00"),
        ("2026-02-03T10:00:00", "3-5 business days", "2026-02-10T10:00:00"),
        ("2026-02-03T10:00:00", "P3D", "2026-02-06T10:00:00"),
        ("2026-02-03T10:00:00", "PT8H", "2026-02-04T10:00:00"),
        ("2026-02-03T10:00:00", "1 week", "2026-02-10T10:00:00"),
        ("2026-02-03T10:00:00", "0.5 day", "2026-02-03T14:00:00"),
        ("2026-02-03T10:00:00", "1.5 days", "2026-02-04T14:00:00"),
        ("2026-02-03T10:00:00", "1 day 4 hours", "2026-02-04T14:00:00"),
        ("2026-02-06T15:00:00", "1 day", "2026-02-09T15:00:00"),
        ("2026-02-07T12:00:00", "1 day", "2026-02-10T09:00:00"),  # Saturday: from Monday's opening
        ("2026-02-03T20:00:00", "1 day", "2026-02-05T09:00:00"),  # due is the least instant: Wednesday's closing
    ],
)
def test_days_on_office_hours(start, span, wanted):
    """A day is one open day, a week as many as the calendar's week has; fractions are shares of a day's hours."""
    calendar = calendar_from(OFFICE)
    found = amount_due(calendar, at(start), read_span(span).limit).due
    if wanted.endswith("09:00:00"):
        assert next_opening(calendar, found) == at(wanted)
    else:
        assert found == at(wanted)


@pytest.mark.spec("SLA-4")
def test_a_short_friday_is_a_day_like_any_other():
    """From Thursday 15:00 one day on is Friday's closing, two days on Monday 15:00."""
    data = OFFICE | {"weekly": OFFICE["weekly"] | {"fri": [["09:00", "12:00"]]}}
    calendar = calendar_from(data)
    thursday = at("2026-02-05T15:00:00")
    assert amount_seconds(calendar, thursday, Amount(days=Fraction(1))) == 2 * H + 3 * H
    assert amount_due(calendar, thursday, Amount(days=Fraction(1))).due == at("2026-02-06T12:00:00")
    assert amount_due(calendar, thursday, Amount(days=Fraction(2))).due == at("2026-02-09T15:00:00")
    assert amount_seconds(calendar, at("2026-02-06T09:00:00"), Amount(days=Fraction(1, 2))) == 1.5 * H


@pytest.mark.spec("SLA-4")
def test_days_are_turned_into_open_time_once_and_then_pauses_count():
    """A pause of four open hours moves a target of a day by four open hours."""
    calendar, start = calendar_from(OFFICE), at("2026-02-03T10:00:00")
    pause = [(at("2026-02-03T12:00:00"), at("2026-02-03T16:00:00"))]
    assert amount_due(calendar, start, Amount(days=Fraction(1)), pause).due == at("2026-02-04T14:00:00")


@pytest.mark.spec("SLA-4")
def test_on_24x7_a_day_is_24_hours():
    """Also over the night when clocks change, and a week is seven of them."""
    calendar = calendar_from("24x7", timezone="Europe/Berlin")
    start = at("2026-03-28T12:00:00")
    assert amount_seconds(calendar, start, Amount(days=Fraction(1), weeks=Fraction(1))) == 8 * D
    assert amount_due(calendar, start, Amount(days=Fraction(1))).due == start + timedelta(days=1)


@pytest.mark.spec("SLA-4")
def test_without_open_dates_there_are_no_days():
    """It is said, not looped over."""
    never = calendar_from({"timezone": "UTC"})
    assert amount_seconds(never, at("2026-02-03T10:00:00"), Amount(days=Fraction(1))) is None
    assert amount_due(never, at("2026-02-03T10:00:00"), Amount(days=Fraction(1))).reason == "never_open"


@pytest.mark.spec("SLA-4", "MEM-9")
def test_a_business_day_ends_with_its_last_closing():
    """Closed, or on 24×7, it ends at 24:00."""
    calendar = calendar_from(OFFICE)
    assert calendar.day_end(date(2026, 2, 3)) == at("2026-02-03T17:00:00")
    assert calendar.day_end(date(2026, 2, 7)) == at("2026-02-08T00:00:00")
    assert calendar_from("24x7", timezone="Europe/Berlin").day_end(date(2026, 2, 3)) == at("2026-02-04T00:00:00")


# --- cadence ---


@pytest.mark.spec("SLA-21")
@pytest.mark.parametrize(
    ("written", "last", "wanted"),
    [
        ("1 hour", "2026-02-06T16:30:00", "2026-02-06T17:30:00"),
        ("90 min", "2026-02-06T23:30:00", "2026-02-07T01:00:00"),
        ("1 day", "2026-02-06T15:00:00", "2026-02-07T15:00:00"),
        ("1 week", "2026-02-06T15:00:00", "2026-02-13T15:00:00"),
        ("1 day", "2026-03-28T15:00:00", "2026-03-29T15:00:00+02:00"),  # 23 hours
        ("daily", "2026-10-24T15:00:00+02:00", "2026-10-25T15:00:00"),  # 25 hours
        ("4 open hours", "2026-02-06T15:00:00", "2026-02-09T11:00:00"),
        ("1 working day", "2026-02-06T15:00:00", "2026-02-09T15:00:00"),
        ("1 business day", "2026-02-06T20:00:00", "2026-02-09T17:00:00"),
        ("1 working day", "2026-02-07T05:00:00", "2026-02-09T09:00:00"),
        ("0.5 day", "2026-02-06T15:00:00", "2026-02-07T03:00:00"),
        ("1 day 2 hours", "2026-02-06T15:00:00", "2026-02-07T17:00:00"),
    ],
)
def test_a_cadence_counts_days_as_the_customer_does(written, last, wanted):
    """Real hours and dates of the zone, unless it says open or working."""
    assert cadence_due(calendar_from(OFFICE), at(last), read_span(written).limit) == at(wanted)


@pytest.mark.spec("SLA-21")
def test_a_cadence_on_a_calendar_that_never_opens_has_no_end():
    """None, and no search without end."""
    never = calendar_from({"timezone": "UTC"})
    assert next_due(never, at("2026-02-03T10:00:00"), "working_days", 1) is None
    assert next_due(never, at("2026-02-03T10:00:00"), "open", 60) is None


# --- the life of a clock ---


@pytest.mark.spec("SLA-11", "SLA-22")
def test_extensions_add_open_time_or_set_a_moment():
    """A moment is moved by extensions only, not by pauses, until there is a new target."""
    start, noon = at("2026-02-03T09:00:00"), at("2026-02-05T12:00:00")
    found = play(
        calendar_from(OFFICE),
        start,
        [
            Step(start, "extend", H),
            Step(start, "target", 4 * H),
            Step(at("2026-02-03T10:00:00"), "extend", 2 * H),
            Step(at("2026-02-03T11:00:00"), "extend", noon),
            Step(at("2026-02-03T12:00:00"), "pause"),
            Step(at("2026-02-03T12:30:00"), "pause"),
            Step(at("2026-02-03T13:00:00"), "extend", 6 * H),
            Step(at("2026-02-03T14:00:00"), "resume"),
            Step(at("2026-02-03T14:30:00"), "resume"),
            Step(at("2026-02-03T15:00:00"), "target", 4 * H),
        ],
    )
    assert found[0] is None
    moments = ["2026-02-03T13:00:00", "2026-02-03T15:00:00", "2026-02-05T12:00:00", "2026-02-05T12:00:00"]
    moments += ["2026-02-05T12:00:00", "2026-02-06T10:00:00", "2026-02-06T10:00:00", "2026-02-06T10:00:00"]
    assert [each.due for each in found[1:]] == [at(text) for text in [*moments, "2026-02-03T15:00:00"]]


# --- reading calendars ---


@pytest.mark.spec("SLA-3", "CON-9")
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"timezone": "Mars/Base"}, "'Mars/Base' is not a time zone"),
        ({"timezone": "../etc/passwd"}, "is not a time zone"),
        ({"timezone": "Europe"}, "is not a time zone"),
        ({"timezone": 5}, "is not a time zone"),
        (
            {"weekly": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}},
            "weekly.mon: 09:00-12:00 and 11:00-13:00 overlap",
        ),
        ({"weekly": {"tue": [["17:00", "09:00"]]}}, "weekly.tue: 17:00 to 09:00 does not end after it begins"),
        ({"weekly": {"tue": [["09:00", "09:00"]]}}, "does not end after it begins"),
        ({"weekly": {"tue": [["09:00", "25:00"]]}}, "'25:00' is not a time of day"),
        ({"weekly": {"tue": [["9am", "17:00"]]}}, "is not a time of day"),
        ({"weekly": {"tue": [["09:00"]]}}, "is not a pair"),
        ({"weekly": {"tue": "09:00-17:00"}}, "is not a list"),
        ({"weekly": {"funday": []}}, "'funday' is not a day of the week"),
        ({"weekly": []}, "is not a mapping"),
        ({"weekly": ["mon"]}, "is not a mapping"),
        ({"holidays": ["2026-02-30"]}, "holidays: '2026-02-30' is not a date"),
        ({"holidays": "2026-02-20"}, "is not a list of dates"),
        ({"overrides": {"soon": []}}, "overrides: 'soon' is not a date"),
        ({"overrides": {"2026-12-24": [["12:00", "09:00"]]}}, "overrides.2026-12-24: 12:00 to 09:00"),
        ({"hollidays": []}, "'hollidays' is no part of a calendar"),
        ("office", "is not a calendar"),
        (None, "is not a calendar"),
        ([], "is not a calendar"),
    ],
)
def test_a_bad_calendar_is_refused_with_the_reason(data, words):
    """Unknown zone, overlap, to ≤ from, bad dates and unknown keys: exit 65 and what to do."""
    with pytest.raises(BadInput) as caught:
        calendar_from(data, "office")
    assert words in caught.value.message
    assert "calendar office: " in caught.value.message
    assert caught.value.exit_code == 65
    assert caught.value.fix


def test_calendars_are_values():
    """The same hours are the same calendar, however they are written; it can be a key."""
    again = OFFICE | {"weekly": {day: [["12:00", "17:00"], ["09:00", "12:00"]] for day in WEEKDAYS[:5]}}
    assert calendar_from(OFFICE) == calendar_from(again)
    assert hash(calendar_from(OFFICE)) == hash(calendar_from(again))
    assert calendar_from(BUSINESS, timezone="Europe/Berlin") == calendar_from(OFFICE)


@pytest.mark.spec("SLA-3")
def test_an_override_wins_over_a_holiday():
    """Also one without hours over a working day."""
    data = OFFICE | {
        "holidays": {"2026-12-24": "Christmas Eve", "2026-12-25": "Christmas"},
        "overrides": {"2026-12-24": [["09:00", "12:00"]], "2026-12-23": []},
    }
    calendar = calendar_from(data)
    assert due(calendar, at("2026-12-22T16:00:00"), 2 * H).due == at("2026-12-24T10:00:00")
    assert due(calendar, at("2026-12-24T11:00:00"), 2 * H).due == at("2026-12-28T10:00:00")
    why = segments(calendar, at("2026-12-24T11:00:00"), at("2026-12-28T10:00:00"))
    assert [(each.kind, each.note) for each in why] == [
        ("counted", ""),
        ("closed", "Christmas 2026-12-25"),
        ("counted", ""),
    ]


# --- the command ---

ONE = {
    "id": "V01",
    "calendar": {"timezone": "Europe/Berlin", "weekly": {"tue": [["09:00", "17:00"]]}},
    "start": "2026-02-03T10:00:00+01:00",
    "target_seconds": 7200,
    "pauses": [],
}


@pytest.mark.spec("CON-9", "CON-0")
def test_one_object_in_one_object_out():
    """As the contract shows it, byte for byte; a list gives a list."""
    line = (
        '{"schema_version": 1, "id": "V01", "due_utc": "2026-02-03T11:00:00Z", '
        '"due_local": "2026-02-03T12:00:00+01:00", "remaining_seconds": 0, "reason": null}'
    )
    assert run(json.dumps(ONE), as_json=True) == (0, line + "\n")
    assert run(json.dumps([ONE, ONE]), as_json=True) == (0, f"[{line}, {line}]\n")
    assert len(answers(vectors())) == 40


@pytest.mark.spec("CON-9")
def test_flags_build_one_object():
    """The calendar may be a name, the target a text; with `at` comes what is used and whether it is breached."""
    found = json.loads(
        run(
            calendar="office",
            start="2026-11-20T16:00:00+01:00",
            target="1 business day",
            pauses=["2026-11-20T16:30:00+01:00/2026-11-23T10:00:00+01:00"],
            at="2026-11-25T00:00:00Z",
            explain=True,
            as_json=True,
            names=Names(calendars={"office": calendar_from(OFFICE)}),
        )[1]
    )
    assert (found["id"], found["due_local"], found["reason"]) == (None, "2026-11-24T09:30:00+01:00", None)
    assert (found["active_seconds"], found["breached"]) == (H // 2 + 7 * H + 8 * H, True)
    kinds = [each["kind"] for each in found["segments"]]
    assert kinds == ["counted", "paused", "closed", "paused", "counted", "closed", "counted"]
    assert found["segments"][-1]["counted_seconds"] == 8 * H


@pytest.mark.spec("CON-9")
def test_breached_is_after_the_due_time_not_at_it():
    """Breached at t iff t > due."""
    asked = ONE | {"at": "2026-02-03T12:00:00+01:00"}
    assert answer(asked)["breached"] is False
    assert answer(asked | {"at": "2026-02-03T12:00:00.000001+01:00"})["breached"] is True
    paused = asked | {"pauses": [["2026-02-03T11:00:00+01:00", None]], "at": "2027-01-01T00:00:00Z"}
    assert answer(paused) | {"reason": "paused", "breached": False, "active_seconds": 3600} == answer(paused)


@pytest.mark.spec("CON-9")
def test_check_prints_what_differs():
    """One line for each key, and exit 1."""
    wrong = vectors()
    wrong["vectors"][0]["due_utc"] = "2026-02-03T11:00:01Z"
    wrong["sequence_vectors"][0]["steps"][1]["remaining_seconds_if_paused"] = 1
    code, text = run(json.dumps(wrong), check_it=True)
    assert code == 1
    assert text.splitlines() == [
        'V01 due_utc: the file has "2026-02-03T11:00:01Z", it is "2026-02-03T11:00:00Z"',
        "S01 steps[1].remaining_seconds_if_paused: the file has 1, it is 25200",
    ]
    assert json.loads(run(json.dumps(wrong), check_it=True, as_json=True)[1])["ok"] is False


@pytest.mark.spec("CON-9", "CON-18")
@pytest.mark.parametrize(
    "change",
    [
        {"calendar": {"timezone": "Mars/Base"}}, {"calendar": "nobody"}, {"calendar": None}, {"start": "soon"},
        {"start": None}, {"target_seconds": -1}, {"target_seconds": "x"}, {"target_seconds": 10**13}, {"pauses": "x"},
        {"pauses": [["2026-02-03T12:00:00Z"]]}, {"pauses": [["2026-02-03T12:00:00Z", "2026-02-03T11:00:00Z"]]},
        {"at": "later"}, {"end": "later"}, {"steps": 5}, {"steps": [{"at": "2026-02-03T12:00:00Z", "event": "x"}]},
        {"steps": [{"at": "2026-02-03T12:00:00Z", "event": "target", "value": None}]},
        {"last_update": "2026-02-03T12:00:00Z", "mode": "x", "value": 1},
        {"last_update": "2026-02-03T12:00:00Z", "mode": "open", "value": -1},
        {"target_seconds": None, "target": "soonish"},
    ],
)  # fmt: skip
def test_a_bad_object_is_refused_by_name(change):
    """Exit 65, and in a list it is said which one it was."""
    with pytest.raises(BadInput) as caught:
        answers([ONE | {"id": "first"}, ONE | change])
    assert caught.value.exit_code == 65
    assert caught.value.message.startswith("V01: ")


@pytest.mark.spec("CON-9", "CON-18")
def test_what_is_no_question_is_refused():
    """Neither JSON nor an object nor enough flags."""
    for text in ("{", "5", "[5]", "{}", '{"calendar": "24x7"}', "[" * 100_000):
        with pytest.raises(BadInput):
            run(text)
    with pytest.raises(UsageError):
        run(calendar="24x7")
    with pytest.raises(UsageError):
        run(calendar="24x7", start="2026-02-03T12:00:00Z", target="4 hours", pauses=["2026-02-03T12:00:00Z"])


def test_text_for_people_names_the_due_time():
    """One line for each answer, and the reason where there is none."""
    code, text = run(json.dumps([ONE, ONE | {"pauses": [["2026-02-03T11:00:00+01:00", None]]}]))
    assert code == 0
    assert text.splitlines() == [
        "V01  due 2026-02-03T11:00:00Z  2026-02-03T12:00:00+01:00",
        "V01  no due time: paused, 3600 s left",
    ]


def test_fractions_of_a_second_survive():
    """A start between two seconds is due between two seconds."""
    found = answer(ONE | {"start": "2026-02-03T10:00:00.25+01:00"})
    assert (found["due_utc"], found["due_local"]) == ("2026-02-03T11:00:00.25Z", "2026-02-03T12:00:00.25+01:00")


@pytest.mark.spec("SLA-3")
def test_a_due_time_costs_microseconds():
    """Generous, because machines differ: a linear search over four years would be a thousand times slower."""
    calendar, start = calendar_from(OFFICE), at("2026-02-03T10:00:00")
    pauses = Pauses.of([(start + timedelta(days=7 * k), start + timedelta(days=7 * k, hours=5)) for k in range(3)])
    target = 4 * 250 * 8 * H
    assert due(calendar, start, target, pauses).due is not None
    assert min(timeit(lambda: due(calendar, start, target, pauses), number=200) for _ in range(5)) / 200 < 50e-6


def test_stamps_of_due_times_are_utc():
    """What `due` gives is ready to be written."""
    assert stamp(due(calendar_from(OFFICE), at("2026-02-03T10:00:00"), 60).due) == "2026-02-03T09:01:00Z"
