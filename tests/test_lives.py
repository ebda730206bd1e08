"""Random lives of a promise, reckoned a second time: minute by minute, and from nothing but what people did.

`reckoned` knows nothing of `promises/` and `clocks/`. It goes through what happened in order and counts open minutes
one by one; the daemon, played at the set clock through the same life, must show the same limit and the same breach.
Counterpart: `test_clocks.py`, the same for one span of business time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import compress, count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executord.clocks import WEEKDAYS
from executord.files import journal
from executord.values import stamp
from executord.views.overview import status_report
from tests.stories.kit import CASE, ENGINEER, Stage

MINUTE = timedelta(minutes=1)
HORIZON = 70 * 24 * 60  # minutes that are looked at from the start on
LIAISON, LEAD, CONTACT = "customer-success-manager", "support-manager", "ops@acme.example"
CALENDARS: dict[str, dict[str, Any]] = {
    "office": {
        "timezone": "Europe/Berlin",
        "weekly": {day: [["09:00", "17:00"]] for day in WEEKDAYS[:4]}
        | {"fri": [["09:00", "12:00"], ["13:00", "15:00"]]},
        "holidays": ["2026-11-25", "2026-10-26", "2027-03-29"],
        "overrides": {"2026-11-28": [["10:00", "12:00"]], "2027-03-28": [["01:30", "04:30"]]},
    },
    "night": {
        "timezone": "America/New_York",
        "weekly": {day: [["00:00", "06:00"], ["22:00", "24:00"]] for day in WEEKDAYS[:6]},
        "holidays": ["2026-11-26"],
        "overrides": {},
    },
}
#: Priority → minutes of its resolution limit, and the calendar in which they are counted (None: at any hour).
PROMISED = {"high": (48 * 60, None), "medium": (20 * 60, "office"), "low": (40 * 60, "night")}
#: Days on which a life begins: a plain week, one before each change of the offset in Berlin and in New York.
STARTS = [datetime(2026, 11, 20, 9, 0, tzinfo=UTC), datetime(2026, 10, 23, 9, 0, tzinfo=UTC)]
STARTS += [datetime(2027, 3, 12, 9, 0, tzinfo=UTC), datetime(2027, 3, 26, 9, 0, tzinfo=UTC)]
CAPS = {"hold": timedelta(hours=72), "waiting": timedelta(days=7)}


# --- the second reckoning ---


def _wall(day: date, text: str, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, text.split(":"))
    day, hour = (day + timedelta(days=1), 0) if hour == 24 else (day, hour)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)


@cache
def open_minutes(name: str | None, start: datetime) -> bytes:
    """For each minute from the start on, whether the calendar is open."""
    if name is None:
        return bytes([1]) * HORIZON
    given, found = CALENDARS[name], bytearray(HORIZON)
    zone = ZoneInfo(given["timezone"])
    for k in range(-1, HORIZON // 1440 + 2):
        day = start.astimezone(zone).date() + timedelta(days=k)
        hours = [] if str(day) in given["holidays"] else given["weekly"].get(WEEKDAYS[day.weekday()], [])
        for opening in given["overrides"].get(str(day), hours):
            minute, end = (_wall(day, text, zone) for text in opening)
            while minute < end:
                if 0 <= (at := (minute - start) // MINUTE) < HORIZON:
                    found[at] = 1
                minute += MINUTE
    return bytes(found)


@dataclass
class Reckoned:
    """A life of the promise of an instruction, as far as it has come."""

    start: datetime
    priority: str
    own: int | None = None  # minutes that instruction.yaml promises itself
    more: int = 0  # minutes that the customer has granted since the promise was changed last
    since: datetime | None = None  # when it was changed last: nothing was late by it before
    pauses: list[tuple[datetime, datetime]] = field(default_factory=list)
    running: dict[str, datetime] = field(default_factory=dict)  # pauses that nobody has ended
    breach: datetime | None = None

    def due(self) -> datetime | None:
        """When the open minutes outside of all pauses are used up."""
        limit, calendar = PROMISED[self.priority]
        counts = bytearray(open_minutes(calendar, self.start))
        for begin, end in [*self.pauses, *((at, at + CAPS[why]) for why, at in self.running.items())]:
            a, b = (begin - self.start) // MINUTE, min((end - self.start) // MINUTE, HORIZON)
            counts[a:b] = bytes(b - a)
        last = next(islice(compress(count(), counts), (self.own or limit) + self.more - 1, None), None)
        return self.start + (last + 1) * MINUTE if last is not None else None

    def go_on(self, to: datetime) -> None:
        """Nothing happens until then; what is late by then is late."""
        due = self.due()
        late = max(due, self.since or due) if due is not None else None
        if self.breach is None and late is not None and late < to:
            self.breach = late

    def happens(self, kind: str, value: Any, at: datetime) -> None:
        """One thing that somebody does."""
        self.go_on(at)
        if kind in CAPS:
            if kind in self.running and at - self.running[kind] >= CAPS[kind]:
                self.end(kind, at)  # its cap has ended it: this is another one
            self.running.setdefault(kind, at)
        elif kind in ("release", "reply"):
            self.end("hold" if kind == "release" else "waiting", at)
        elif kind == "more":
            self.more += value * 60
        elif kind == "priority" and value != self.priority:
            self.priority, self.more, self.since = value, 0, at
        elif kind == "own" and value != self.own:
            self.own, self.more, self.since = value, 0, at

    def end(self, why: str, at: datetime) -> None:
        """A pause is over, at its cap at the latest."""
        if (began := self.running.pop(why, None)) is not None:
            self.pauses.append((began, min(at, began + CAPS[why])))


# --- the same life, at the daemon ---

KINDS = ("hold", "release", "waiting", "reply", "more", "priority", "own", "down")


@st.composite
def lives(draw: st.DrawFn) -> tuple[datetime, str, list[tuple[int, str, Any]], int]:
    """When it begins, with which priority, what happens after how many minutes, and how long it is looked at then."""
    gap = st.sampled_from([30, 95, 240, 600, 1300, 2000])
    found, running = [], set()
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(KINDS))
        if kind in ("hold", "release"):
            kind = "release" if "hold" in running else "hold"
            running ^= {"hold"}
        elif kind in ("waiting", "reply"):
            kind = "reply" if "waiting" in running else "waiting"
            running ^= {"waiting"}
        values = {
            "more": [2, 6, 12],
            "priority": list(PROMISED),
            "own": [None, 600, 1800, 3600],
            "down": [10, 300, 900],
        }
        found.append((draw(gap), kind, draw(st.sampled_from(values[kind])) if kind in values else None))
    return (
        draw(st.sampled_from(STARTS)),
        draw(st.sampled_from(list(PROMISED))),
        found,
        draw(st.sampled_from([10, 2000, 6000])),
    )


def _do(stage: Stage, kind: str, value: Any) -> None:
    match kind:
        case "hold" | "release":
            stage.drop(kind, LEAD, reason="the vendor is asked")
        case "waiting":
            stage.drop("blocked", ENGINEER, "T1", description="waiting for the customer to send the log")
        case "reply":
            stage.drop("customer_reply", LIAISON, text="here it is")
        case "more":
            stage.drop("sla_extension", LEAD, approved_by=CONTACT, add=f"{value} hours", reason="a later cut-over")
        case "priority":
            stage.drop("priority_change", LEAD, priority=value)
        case "own":
            told = {k: v for k, v in stage.read(f"{CASE}/instruction.yaml").items() if k != "sla_resolution"}
            stage.put(f"{CASE}/instruction.yaml", told | ({"sla_resolution": f"{value} minutes"} if value else {}))
        case "down":
            stage.down(f"+{value}m")


def played(root: Path, start: datetime, priority: str, life: list[tuple[int, str, Any]], rest: int) -> tuple[Any, Any]:
    """The limit and the breach, as the daemon has them at the end, and as they are reckoned here."""
    rows = [
        {
            "match": {"priority": name},
            "resolution": f"{minutes} minutes",
            "calendar": {"resolution": calendar or "24x7"},
        }
        for name, (minutes, calendar) in PROMISED.items()
    ]
    stage = Stage(root, {"calendars": CALENDARS, "policies": tuple(rows)}, strict=False, start=start)
    stage.case(
        {"T1": {"title": "api error", "assigned_to": ENGINEER, "estimated_effort": "2000 hours"}},
        plan={}, tier=1, priority=priority, customer={"name": "Acme", "contact": CONTACT}, created_at=stamp(start),
    )  # fmt: skip
    stage.at("+1m")
    reckoned = Reckoned(start, priority)
    for minutes, kind, value in life:
        stage.at(f"+{minutes}m")
        reckoned.happens(kind, value, stage.now)
        _do(stage, kind, value)
        stage.at(f"+{value + 1 if kind == 'down' else 1}m")
    stage.at(f"+{rest}m")
    reckoned.go_on(stage.now)
    stage._rest()
    assert stage.service is not None
    (shown,) = status_report(stage.service, stage.now)["instructions"]
    (clock,) = (c for c in shown["clocks"] if (c["kind"], c["task"]) == ("resolution", None))
    entries = journal.read(f"{stage.root}/{CASE}").entries
    late = [
        e["facts"].get("effective_at") or e["due"]
        for e in entries
        if e.get("name", "").startswith("breach resolution #")
    ]
    stage.end()
    due, breach = reckoned.due(), reckoned.breach
    return (clock["due"], late[:1]), (stamp(due) if due else None, [stamp(breach)] if breach else [])


def agreed(*life: Any) -> None:
    """The daemon shows what is reckoned."""
    with TemporaryDirectory() as folder:
        shown, wanted = played(Path(folder) / "memory", *life)
    assert shown == wanted


LONG = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.spec("SLA-1", "SLA-3", "SLA-4", "SLA-7", "SLA-10", "SLA-11", "SLA-22")
@settings(max_examples=40, suppress_health_check=LONG, deadline=None)
@given(life=lives())
def test_a_promise_is_due_and_late_when_its_minutes_are_used_up(life):
    """Holds, waiting for the customer, extensions, priorities, edits and downtime, in every order."""
    agreed(*life)


@pytest.mark.slow
@settings(max_examples=2000, suppress_health_check=LONG, deadline=None)
@given(life=lives())
def test_a_promise_is_due_and_late_when_its_minutes_are_used_up_for_long(life):
    """The same, often."""
    agreed(*life)
