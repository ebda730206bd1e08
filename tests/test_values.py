"""What people write is read as MEM-4, 7, 8 and 9 say, and what nobody understands is None."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executord.errors import BadInput
from executord.values import (
    Amount,
    MomentText,
    Span,
    agent_name,
    cli_span,
    effort_seconds,
    priority,
    read_moment,
    read_span,
    read_stamp,
    read_target,
    safe_id,
    severity,
    stamp,
    tier,
    why_not,
)

BERLIN = ZoneInfo("Europe/Berlin")
H, D = 3600, 86_400


def s(seconds: float) -> Amount:
    return Amount(seconds=int(seconds))


def d(days, business: bool = False) -> Amount:
    return Amount(days=Fraction(days), business=business)


def w(weeks) -> Amount:
    return Amount(weeks=Fraction(weeks))


# --- names ---


@pytest.mark.spec("MEM-8")
@pytest.mark.parametrize(
    "text",
    [
        "Technical Support Engineer",
        "support:technical_support_engineer",
        "technical-support-engineer",
        "  TECHNICAL__support - Engineer ",
        "a:b:Technical Support_Engineer",
        "support: technical support\tengineer",
    ],
)
def test_an_agent_has_one_name_however_it_is_spelled(text):
    """Prefix, case, spaces and underscores do not matter."""
    assert agent_name(text) == "technical-support-engineer"


@pytest.mark.spec("MEM-8")
@given(st.text(max_size=40))
def test_the_name_of_a_name_is_that_name(text):
    """Normalising twice changes nothing."""
    assert agent_name(agent_name(text)) == agent_name(text)


def test_composed_and_decomposed_letters_are_the_same_name():
    """Two ways of typing an accent are one agent."""
    assert agent_name("Rene\u0301") == agent_name("Ren\u00e9") == "ren\u00e9"


@pytest.mark.parametrize("text", ["T3", "acme-42", "1.10", "007", "a" * 100, "a_b"])
def test_ordinary_ids_are_safe(text):
    """What people use as ids may be part of a path."""
    assert safe_id(text)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a..b", "../x", "a/b", ".hidden", "-x", "a b", "a" * 101, "a\n", "ä", "a\0"]
)
def test_what_could_leave_a_folder_is_not_safe(text):
    """Nothing that is safe climbs, hides, or is an option."""
    assert not safe_id(text)


# --- priority, severity, tier ---


@pytest.mark.spec("MEM-7")
@pytest.mark.parametrize(
    ("word", "spellings"),
    [
        ("critical", ["critical", "CRITICAL", "Urgent", "blocker", "P0", "p0", 1, "1", "P0 - Critical"]),
        ("high", ["high", "major", "P1", 2, "2", 2.0, "High priority", "P1 (high)", "high (customer is upset)"]),
        ("medium", ["medium", "Normal", "moderate", "P2", 3, "3"]),
        ("low", [" low ", "minor", "P3", 4, "4"]),
        (None, ["", None, 0, 5, True, [], {}, "P4", "Sev 1", "critical | high | medium | low", "P1 - critical"]),
        (None, ["{priority}", "not high", 1.5, float("nan")]),
    ],
)
def test_priorities(word, spellings):
    """All spellings of MEM-7, in any case; legends and contradictions are none."""
    assert {str(each): priority(each) for each in spellings} == {str(each): word for each in spellings}


@pytest.mark.spec("MEM-7")
@pytest.mark.parametrize(
    ("number", "spellings"),
    [
        (1, ["Sev 1", "sev-1", "SEV1", "Sev_1", "severity 1", 1, "1", "Sev 1 (outage)", "SEV1 - outage"]),
        (4, ["Sev 4", "severity: 4", 4]),
        (None, ["critical", "high", "Sev 5", "Sev 12", "sev", 0, True, None, "1.5", "P1"]),
    ],
)
def test_severities(number, spellings):
    """Severity is an axis of its own, 1 to 4."""
    assert {str(each): severity(each) for each in spellings} == {str(each): number for each in spellings}


@pytest.mark.parametrize(
    ("number", "spellings"),
    [
        (3, [3, "3", 3.0, "3 (complex)", "tier_3", "tier-3", "Tier 3", "TIER3", "tier: 3"]),
        (2, ["Tier 2 - sequential", "Tier 2 – sequential", "tier 2: two agents", "2, sequential"]),
        (0, [0, "0", "tier_0", "0 (nothing to execute)"]),
        (None, [5, "5", "tier", "2-3", "3.5", "tier 12", None, True, "complex"]),
    ],
)
def test_tiers(number, spellings):
    """The forms that plans hold."""
    assert {str(each): tier(each) for each in spellings} == {str(each): number for each in spellings}


# --- moments ---

MOMENTS = {
    "2026-01-10T14:00:00Z": "2026-01-10T14:00:00Z",
    "2026-01-10T14:00:00+01:00": "2026-01-10T13:00:00Z",
    "2026-01-10T14:00:00\u221205:00": "2026-01-10T19:00:00Z",
    "2026-01-10 14:00 UTC": "2026-01-10T14:00:00Z",
    "2026-01-10 14:00 GMT": "2026-01-10T14:00:00Z",
    "2026-01-10 14:00 CET": "2026-01-10T13:00:00Z",
    "2026-01-10 14:00 EST": "2026-01-10T19:00:00Z",
    "2026-01-10 14:00 America/New_York": "2026-01-10T19:00:00Z",
    "2026-07-10 14:00 America/New_York": "2026-07-10T18:00:00Z",
    "2026-01-10 14:00 UTC+2": "2026-01-10T12:00:00Z",
    "2026-01-10 14:00 +0530": "2026-01-10T08:30:00Z",
    "2026-01-10 14:00": "2026-01-10T13:00:00Z",
    "2026-01-10T14:00:00": "2026-01-10T13:00:00Z",
    "2026-01-10T14:00:00.250Z": "2026-01-10T14:00:00.25Z",
    "2026-1-5 9:05": "2026-01-05T08:05:00Z",
    "2026-01-10 2:30 pm": "2026-01-10T13:30:00Z",
    "2026-01-10 12:05 am": "2026-01-09T23:05:00Z",
    "2026-01-10 24:00": "2026-01-10T23:00:00Z",
    "20260110T140000Z": "2026-01-10T14:00:00Z",
    "2026-01-10 2pm": "2026-01-10T13:00:00Z",
    "20260110": "2026-01-10T23:00:00Z",
    "Jan 10, 2026": "2026-01-10T23:00:00Z",
    "January 10th, 2026 5:00 PM": "2026-01-10T16:00:00Z",
    "10 Jan 2026, 17:00": "2026-01-10T16:00:00Z",
    "10-Jan-2026": "2026-01-10T23:00:00Z",
    "Sat, 10 Jan 2026 17:00:00 +0000": "2026-01-10T17:00:00Z",  # as mails write it
    "Sat Jan 10 2026 17:00:00 GMT+0200 (Eastern European Standard Time)": "2026-01-10T15:00:00Z",  # as JavaScript does
    "Sat Jan 10 05:00:00 PM UTC 2026": "2026-01-10T17:00:00Z",  # as `date` does
    "10.01.2026 17:00": "2026-01-10T16:00:00Z",
    "2026/1/10 17:00": "2026-01-10T16:00:00Z",
    "1768064400": "2026-01-10T17:00:00Z",  # as `date +%s` does
    "1768064400.25": "2026-01-10T17:00:00.25Z",
    "1768064400000": "2026-01-10T17:00:00Z",
    "2026-03-29 02:30": "2026-03-29T01:30:00Z",  # does not exist: the offset before the gap
    "2025-10-26 02:30": "2025-10-26T00:30:00Z",  # happens twice: the first
}


@pytest.mark.spec("MEM-4")
@pytest.mark.parametrize("text", MOMENTS)
def test_times_become_instants(text):
    """With a zone it is that zone's time, without one the configured zone's."""
    moment = read_moment(text, BERLIN)
    assert moment is not None
    assert moment.tzinfo is UTC
    assert stamp(moment) == MOMENTS[text]


@pytest.mark.spec("MEM-4")
@pytest.mark.parametrize(
    "value",
    [
        "2026-13-45", "2026-02-29", "2026-01-10 25:00", "2026-01-10 14:60", "2026-01-10 13:00 pm", "tomorrow", "",
        "2026-01-10 14:00 XYZ", "2026-01-10 14:00 Mars/Base", "2026-01-10 14:00 a/../../etc/passwd", "12:30",
        "2026-01-10T14:00+25:00", "0001-01-01 00:00 +14:00", "9999-12-31 23:00 -12:00", "20261399", "1" * 500,
        "11/12/2026", "11/25/2026", "32.1.2026", "Nov 25", "Nov 2026", 170_000, 1.5, True, None, [],
        {}, "2026-01", "2026-01-10 bis 2026-01-12",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_none(value):
    """Impossible dates, unknown zones, numbers, spans of dates: nothing is guessed and nothing is raised."""
    assert read_moment(value, BERLIN) is None


@pytest.mark.spec("MEM-4", "MEM-9")
def test_a_bare_date_is_the_end_of_that_business_day_or_its_midnight():
    """Deadlines are read to the end of the day, times of creation from its beginning."""

    def closing(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, 17, tzinfo=BERLIN)

    for value in ("2026-01-11", date(2026, 1, 11)):
        assert stamp(read_moment(value, BERLIN)) == "2026-01-11T23:00:00Z"
        assert stamp(read_moment(value, BERLIN, day_end=closing)) == "2026-01-11T16:00:00Z"
        assert stamp(read_moment(value, BERLIN, bare="start", day_end=closing)) == "2026-01-10T23:00:00Z"
    for text in ("2026-01-11 EOD", "2026-01-11 eod", "2026-01-11 end of day", "2026-01-11 COB"):
        assert stamp(read_moment(text, BERLIN, bare="start", day_end=closing)) == "2026-01-11T16:00:00Z"


def test_datetimes_are_taken_as_they_are():
    """A loader that makes datetimes is no different from one that leaves texts."""
    assert stamp(read_moment(datetime(2026, 1, 10, 14), BERLIN)) == "2026-01-10T13:00:00Z"
    assert stamp(read_moment(datetime(2026, 1, 10, 14, tzinfo=UTC), BERLIN)) == "2026-01-10T14:00:00Z"


def test_the_configured_zones_own_abbreviation_goes_first():
    """CST is China's in Shanghai and Chicago's elsewhere; IST is known in India only."""
    assert stamp(read_moment("2026-01-10 14:00 CST", ZoneInfo("Asia/Shanghai"))) == "2026-01-10T06:00:00Z"
    assert stamp(read_moment("2026-01-10 14:00 CST", BERLIN)) == "2026-01-10T20:00:00Z"
    assert stamp(read_moment("2026-01-10 14:00 IST", ZoneInfo("Asia/Kolkata"))) == "2026-01-10T08:30:00Z"
    assert read_moment("2026-01-10 14:00 IST", BERLIN) is None


@given(st.text(max_size=40) | st.from_regex(r"2026-\d\d-\d\d[T ]\d\d:\d\d.{0,12}", fullmatch=True))
def test_reading_never_raises(text):
    """Whatever somebody writes, reading it gives a value or None."""
    read_moment(text, BERLIN)
    read_span(text)
    effort_seconds(text)
    priority(text), severity(text), tier(text), safe_id(text), agent_name(text), why_not(text)


@pytest.mark.spec("CON-0")
@given(
    st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_a_stamp_is_read_as_the_instant_it_was_made_of(naive, zone):
    """Stamps are UTC, lose nothing, and carry a fraction only if there is one."""
    moment = naive.replace(tzinfo=zone)
    text = stamp(moment)
    assert read_stamp(text) == moment
    assert read_stamp(text).tzinfo is UTC
    assert text.endswith("Z")
    assert ("." in text) == (moment.microsecond != 0)
    assert not text.endswith("0Z") or "." not in text


@pytest.mark.spec("CON-0")
def test_stamps_look_as_the_contract_shows_them():
    """Seconds always, a fraction only if it is not 0; a time without a zone is no instant."""
    assert stamp(datetime(2026, 11, 20, 10, 15, tzinfo=UTC)) == "2026-11-20T10:15:00Z"
    assert stamp(datetime(2026, 11, 20, 11, 15, 0, 500_000, BERLIN)) == "2026-11-20T10:15:00.5Z"
    with pytest.raises(ValueError, match="zone"):
        stamp(datetime(2026, 11, 20))
    for wrong in ("2026-11-20T10:15:00", "soon", "", 5):
        with pytest.raises(BadInput, match="is not a time"):
            read_stamp(wrong)


# --- spans ---

SPANS = {
    # MEM-9 to the letter
    "4 hours": (s(4 * H),),
    "30-45 minutes": (s(1800), s(2700)),
    "15 minutes - 1 hour": (s(900), s(H)),
    "3-5 business days": (d(3, True), d(5, True)),
    "1-2 weeks": (w(1), w(2)),
    "immediate - 24 hours": (s(0), s(24 * H)),
    "0.5 day": (d("0.5"),),
    "4h": (s(4 * H),),
    "15min": (s(900),),
    "30m": (s(1800),),
    "2h30m": (s(9000),),
    "3 hours 42 minutes": (s(3 * H + 42 * 60),),
    "4_hours": (s(4 * H),),
    "PT2H30M": (s(9000),),
    "P3D": (d(3),),
    4: (s(4 * H),),
    1.5: (s(5400),),
    "4": (s(4 * H),),
    "< 2 hours": (s(2 * H),),
    "24h (HIGH severity)": (s(24 * H),),
    # chapter 5 and the configuration
    "20 hours - 1 day": (s(20 * H), d(1)),
    "48 min - 1 h": (s(48 * 60), s(H)),
    "3 – 5 business days": (d(3, True), d(5, True)),
    "4 open hours": (Amount(4 * H, business=True),),
    "1 working day": (d(1, True),),
    "PT8H": (s(8 * H),),
    "60 seconds": (s(60),),
    "90 min": (s(5400),),
    # relatives
    "1.5h": (s(5400),),
    "2 hrs": (s(2 * H),),
    "1 day 4 hours": (Amount(4 * H, Fraction(1)),),
    "1h-2h": (s(H), s(2 * H)),
    "24–48h": (s(24 * H), s(48 * H)),
    "15 min – 1 h": (s(900), s(H)),
    "2 to 4 hours": (s(2 * H), s(4 * H)),
    "between 2 and 4 hours": (s(2 * H), s(4 * H)),
    "immediate-24h": (s(0), s(24 * H)),
    "2d - 4h": (s(4 * H), d(2)),  # the lower is the target, wherever it stands
    "P1W": (w(1),),
    "P1DT2H": (Amount(2 * H, Fraction(1)),),
    "<=2h": (s(2 * H),),
    "≤ 2h": (s(2 * H),),
    "~2h": (s(2 * H),),
    "within 4 hours": (s(4 * H),),
    "up to 3 days": (d(3),),
    "2h max": (s(2 * H),),
    "4 HOURS": (s(4 * H),),
    "3 hours, 42 minutes": (s(3 * H + 42 * 60),),
    "1,5 h": (s(5400),),
    "30-minute": (s(1800),),
    "an hour": (s(H),),
    "half a day": (d("0.5"),),
    "daily": (d(1),),
    "every 30 minutes": (s(1800),),
    0: (s(0),),
}


@pytest.mark.spec("MEM-9")
@pytest.mark.parametrize("value", SPANS)
def test_durations(value):
    """A range keeps both ends, a single value is both."""
    ends = SPANS[value]
    assert read_span(value) == Span(ends[0], ends[-1], str(value), single=len(ends) == 1)


@pytest.mark.spec("MEM-9")
def test_immediate_alone_leaves_the_limit_to_the_policy():
    """Its target is 0, and it has no limit of its own."""
    assert read_span("immediate") == Span(s(0), None, "immediate", single=True)


@pytest.mark.spec("MEM-9")
@pytest.mark.parametrize(
    "value",
    [
        "timeframe", "2x target", "per task estimate", "N/A", "soonish", "TBD", "", " ", "-4 hours", "-4", -4,
        True, None, [], {}, float("nan"), float("inf"), 1e300, "9" * 150, "P1", "P", "PT", "P1M", "P1Y", "2:30",
        "1,000 hours",
        "1 month", "2h 3h", "30 minutes - 2", "2026-01", "{duration}", "1 - 2 - 3 h", "h", "4h/8h",
        "3 calendar days", "4 hours from receipt", "12 hourses", "> 2 hours", "2026-13-45",
    ],
)  # fmt: skip
def test_what_is_no_duration_is_none(value):
    """Nothing is guessed: the policy's value is used, and the writer is told."""
    assert read_span(value) is None
    assert effort_seconds(value) is None


@pytest.mark.spec("MEM-9")
@pytest.mark.parametrize("value", ["2026-01-10", "2026-01-11 EOD", "2026-01-10 14:00 UTC", date(2026, 1, 10)])
def test_a_field_for_a_duration_may_hold_a_moment(value):
    """It is kept as what stands there, until somebody has the calendar to read it with."""
    found = read_span(value)
    assert isinstance(found, MomentText)
    assert read_target(value, BERLIN) == read_moment(found.value, BERLIN)


def test_a_target_is_a_span_or_an_instant():
    """`read_target` is the one call for a field that may hold either."""
    assert read_target("4 hours", BERLIN) == read_span("4 hours")
    assert read_target("soonish", BERLIN) is None
    assert read_target("2026-01-11", BERLIN, day_end=lambda day: datetime(2026, 1, 11, 9, tzinfo=UTC)) == datetime(
        2026, 1, 11, 9, tzinfo=UTC
    )


@pytest.mark.spec("MEM-9")
@given(st.integers(1, 500), st.sampled_from(["minute", "hour", "day", "week"]), st.booleans())
def test_an_amount_is_read_back_from_its_words(number, unit, business):
    """What `words` says, `read_span` understands."""
    kind = "business " if business and unit in ("hour", "day") else ""
    amount = read_span(f"{number} {kind}{unit}s").limit
    assert read_span(amount.words()).limit == amount


@pytest.mark.spec("MEM-7")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (2, 2 * H),
        ("2", 2 * H),
        ("2-3 hours", 3 * H),
        ("1 day", 8 * H),
        ("1 week", 40 * H),
        ("30m", 1800),
        ("0.5 day", 4 * H),
    ],
)
def test_effort_is_work(value, seconds):
    """A number is hours, a day of work has 8 of them, a week 40; of a range the upper end."""
    assert effort_seconds(value) == seconds


@pytest.mark.spec("CON-0")
def test_spans_on_the_command_line():
    """Whole numbers with s, m, h, d; everything else is refused with a suggestion."""
    assert [cli_span(text) for text in ("90s", "15m", "2h30m", "1d")] == [90, 900, 9000, D]
    for wrong in ("", "h", "4", "1.5h", "-1h", "30m2h", "4 hours", "soonish"):
        with pytest.raises(BadInput) as caught:
            cli_span(wrong)
        assert caught.value.exit_code == 65
        assert caught.value.fix


@pytest.mark.spec("MEM-13")
def test_the_words_for_what_is_not_understood():
    """It says what was found, never at length and never what a mapping holds."""
    assert why_not("soonish") == "'soonish' is not a duration"
    assert why_not({"a": {}}) == "a mapping is not a duration"
    assert why_not(None, "time") == "an empty value is not a time"
    assert len(why_not("x" * 10_000)) < 100
