"""The clocks of a case on paper, what `status` and `why` show of them, and a clock on the wall that is set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from executord.case import Customer, Extension, InstructionSpec, Paused, Plan, Repriced, TaskSpec, Update
from executord.case.casebook import Case
from executord.case.sight import fresh_head, see_head, see_plan
from executord.evolve import replace
from executord.files import journal
from executord.meaning.transitions import count_update
from executord.messages.customer import approved
from executord.policy import make_policy
from executord.promises import clocks_of, wrongful
from executord.promises.instruction import resolution, response
from executord.promises.terms import terms
from executord.promises.timepiece import marks
from executord.promises.updates import cadence
from executord.schemas.sent import SHAPES, model_of
from executord.views import explain
from tests.stories.kit import CASE, ENGINEER, INBOX, UPDATE, Stage
from tests.stories.promises import ACME, LIAISON, PATIENT

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday
H = timedelta(hours=1)


def case(*, customer: bool = True, effort: Mapping[str, int] = {}, **spec: Any) -> Case:
    """A case of two tasks that was opened at T0, on paper."""
    made = Case("acme-42")
    made.head = fresh_head(made.id, T0)
    who = Customer("Acme", "enterprise", "ops@acme.example") if customer else None
    see_head(made, InstructionSpec(title="x", **{"priority": "high", "customer": who, **spec}), (), True, T0)
    specs = {i: TaskSpec(i, effort_s=effort.get(i), requires=("T1",) if i == "T2" else ()) for i in ("T1", "T2")}
    see_plan(made, Plan(tier=3, tasks=("T1", "T2"), specs=specs))
    made.set_head(replace(made.head, opened_at=T0, created=T0, tier=3, deliverable_type="x"))
    return made


def head(made: Case, **changes: Any) -> Case:
    """The case with its head changed."""
    made.set_head(replace(made.head, **changes))
    return made


POLICY = make_policy()


# --- what is due when -------------------------------------------------------------------------------------------------


@pytest.mark.spec("SLA-2", "SLA-13")
@pytest.mark.parametrize(
    ("priority", "limit", "ask", "overdue"),
    [
        ("critical", H, 48 * H / 60, H),
        ("high", 4 * H, 20 * H, 24 * H),
        ("medium", 24 * H, 48 * H, 72 * H),
        ("low", 48 * H, 144 * H, 168 * H),
    ],
)
def test_the_defaults_are_those_of_the_table(priority: str, limit: timedelta, ask: timedelta, overdue: timedelta):
    """Response limit and cadence of each priority; the first update is due by the earlier of both."""
    made = case(priority=priority)
    clock = response(made, POLICY)
    assert clock is not None
    assert clock.due == T0 + limit
    assert clock.audience == "customer"
    first = cadence(made, POLICY)
    assert first is not None
    assert (first.number, first.ask, first.due) == (1, T0, T0 + min(limit, overdue))
    head(made, sent_updates=(Update(1, T0 + H, LIAISON),))
    count_update(made, 1, T0 + H)
    found = cadence(made, POLICY)
    assert found is not None
    assert (found.number, found.ask, found.due) == (2, T0 + H + ask, T0 + H + overdue)


@pytest.mark.spec("SLA-13")
def test_a_promise_counts_only_where_it_is_earlier():
    """`next_update_at` wins where it comes before the cadence; one that lies in the past promises nothing."""
    for promised, due in ((3 * H, T0 + 4 * H), (90 * H, T0 + 25 * H), (-2 * H, T0 + 25 * H)):
        made = head(case(), sent_updates=(Update(1, T0 + H, LIAISON, promised=T0 + H + promised),))
        count_update(made, 1, T0 + H)
        found = cadence(made, POLICY)
        assert found is not None
        assert found.due == due


@pytest.mark.spec("SLA-7")
def test_pauses_are_a_union_and_end_at_their_cap():
    """Two that overlap count once; one that nobody ends runs to its cap and no further."""
    one = Paused("on_hold", T0 + H, "hold", end=T0 + 3 * H)
    two = Paused("waiting_on_customer", T0 + 2 * H, "blocked", cap=T0 + 6 * H)
    made = head(case(), pauses=(one,))
    made.put(replace(made.tasks["T1"], pauses=(two,)))
    clock = resolution(made, POLICY)
    assert clock is not None
    assert clock.due == T0 + 48 * H + 5 * H
    assert clock.elapsed_s(T0 + 10 * H) == 5 * 3600


@pytest.mark.spec("SLA-22", "SLA-11")
@pytest.mark.parametrize(
    ("more", "due", "warned", "state"),
    [
        ([Extension(T0 + H, "x", "", True, add="6 hours")], 54, 54, True),
        ([Extension(T0 + H, "x", "", False, add="6 hours")], 48, 54, False),
        ([Extension(T0 + H, "x", "", True, span="60 hours")], 60, 60, True),
        ([Extension(T0 + H, "x", "", True, moment=T0 + 50 * H), Extension(T0 + H, "x", "", True, add="1 h")], 51, 51,
         True),
    ],
)  # fmt: skip
def test_more_time_moves_the_limit_only_by_the_customers_word(
    more: list[Extension], due: int, warned: int, state: bool
):
    """The original due is kept and shown; an internal one moves warnings only; each opens a generation."""
    clock = resolution(head(case(), extensions=tuple(more)), POLICY)
    assert clock is not None
    assert (clock.due, clock.warn_due) == (T0 + due * H, T0 + warned * H)
    assert clock.original == T0 + 48 * H
    assert (clock.ordinal, clock.approved) == (1 + len(more), state)


@pytest.mark.spec("SLA-22")
@pytest.mark.parametrize(
    ("by", "customer", "wanted"),
    [
        ("ops@acme.example", Customer("Acme", contact="ops@acme.example"), True),
        ("Jo <OPS@acme.example>", Customer("Acme", contact="ops@acme.example"), True),
        ("acme", Customer("Acme"), True),
        ("support-manager", Customer("Acme"), False),
        ("somebody", Customer("Acme"), False),
        ("somebody", None, True),
        ("Support Manager", None, False),
        ("hitl", None, False),
    ],
)
def test_who_speaks_for_the_customer(by: str, customer: Customer | None, wanted: bool):
    """His contact or name; where neither is known, nobody of ours."""
    assert approved(by, customer, POLICY) is wanted


@pytest.mark.spec("SLA-10", "SLA-11")
def test_a_raised_priority_breaches_at_the_change_and_a_breach_before_it_at_its_own_time():
    """Effective at the change where the old limit had time left; else when that old limit passed."""
    late = head(case(), priority=("critical", "high"), repriced=(Repriced(T0 + 30 * H, "high"),))
    clock = resolution(late, POLICY)
    assert clock is not None
    assert (clock.due, clock.breach_at) == (T0 + 24 * H, T0 + 30 * H)
    over = head(case(), priority=("critical", "high"), repriced=(Repriced(T0 + 60 * H, "high"),))
    clock = resolution(over, POLICY)
    assert clock is not None
    assert clock.breach_at == T0 + 48 * H


@pytest.mark.spec("SLA-8")
def test_marks_that_the_target_and_the_shares_make():
    """Target, 50, 75, 90 % of the limit; a target that is the limit has none; absolute ones are counted back."""
    clock = resolution(case(), POLICY)
    assert clock is not None
    found = marks(clock, POLICY, ("50%", "75%", "90%", "-30m"))
    assert [(at - T0, mark) for at, mark in found] == [
        (24 * H, "target"), (24 * H, "50%"), (36 * H, "75%"), (timedelta(hours=43, minutes=12), "90%"),
        (timedelta(hours=47, minutes=30), "-30m"),
    ]  # fmt: skip
    single = resolution(case(resolution="10 hours"), POLICY)
    assert single is not None
    assert [mark for _, mark in marks(single, POLICY, ("50%",))] == ["50%"]


@pytest.mark.spec("SLA-9")
def test_the_effort_still_to_be_done_goes_along_the_dependencies():
    """The longest way through what depends on each other; by percent done, and nothing of what has ended."""
    made = case(effort={"T1": 7200, "T2": 3600})
    assert made.remaining_s() == 10800
    made.put(replace(made.tasks["T2"], spec=replace(made.tasks["T2"].spec, requires=())))
    assert made.remaining_s() == 7200


@pytest.mark.spec("SLA-7", "SLA-19")
def test_a_pause_that_ran_on_after_the_customer_had_answered_is_wrongful():
    """His answer has an earlier time than the end of the pause that waited for it."""
    pause = Paused("waiting_on_customer", T0 + H, "blocked", end=T0 + 5 * H)
    made = head(case(), replied=((T0 + 3 * H, None),))
    made.put(replace(made.tasks["T1"], pauses=(pause,)))
    assert wrongful(made) == [("T1", pause, T0 + 3 * H)]


@pytest.mark.spec("CON-3", "SLA-21")
def test_a_row_of_the_configuration_lays_over_the_defaults():
    """The first that matches counts, and is named; what it does not say stays."""
    policy = make_policy(policies=[
        {"match": {"tags": ["vip"]}, "response": "10 min"},
        {"match": {"segment": ["enterprise", "public"], "priority": ["high"]}, "update": "1 working day",
         "calendar": {"resolution": "business"}},
    ])  # fmt: skip
    row = terms(policy, case().head, "high")
    assert (row.source, row.response.text, row.on_resolution.name) == ("policies[2]", "2 h - 4 h", "business")
    assert row.on_update.name == "business", "a working day is one of working hours"
    assert terms(policy, case(tags=("vip",)).head, "high").source == "policies[1]"
    assert terms(policy, case().head, "low").source == "default for low"


# --- as it is shown ---------------------------------------------------------------------------------------------------


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A case with a customer, given out and acknowledged."""
    found = Stage(tmp_path / "stage", PATIENT)
    found.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME, priority="medium")
    found.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    return found


@pytest.mark.spec("SLA-20", "EXE-22")
def test_why_explains_a_due_time_piece_by_piece(stage: Stage):
    """Counted, closed and paused segments add up to the limit; calendar, zone data and pauses are named."""
    stage.at("10:00").drop("hold", "support-manager", reason="the customer moves offices")
    stage.at("12:00").drop("release", "support-manager", reason="they are back")
    stage.at("12:01")
    stage._rest()
    assert stage.service is not None
    there = stage.service.cases[CASE]
    entries = journal.read(f"{stage.root}/{CASE}").entries
    answers = {a.question: a for a in explain.case_answers(there, entries, stage.policy)}
    found = answers["why is resolution due then"]
    pieces = found.inputs["segments"]
    assert [p["kind"] for p in pieces][:3] == ["closed", "counted", "paused"]
    assert pieces[-1]["counted_s"] == 5 * 8 * 3600
    assert found.inputs["pauses"][0]["reason"] == "on_hold"
    assert found.inputs["zone_data"].startswith("tzdata ")
    assert "paused" in found.answer
    assert answers["why is customer_update due then"].rule == "SLA-21"
    json.dumps(found.view())


@pytest.mark.spec("SLA-14", "CON-8")
def test_status_tells_how_long_the_customer_hears_nothing(stage: Stage):
    """`next_update` with its silence debt, and every clock in the shape of the contract."""
    from executord.views import overview

    stage.at("2026-11-21T11:00:00Z")
    stage._rest()
    assert stage.service is not None
    view = overview.instruction(stage.service, CASE, stage.now)
    assert view["next_update"] == {
        "ask": "2026-11-20T09:00:00Z", "due": "2026-11-21T08:50:00Z", "silence_debt_s": 7800,
    }  # fmt: skip
    rows = {(c["kind"], c["task"]): c for c in view["clocks"]}
    assert list(rows) == [
        ("response", None), ("resolution", None), ("customer_update", None), ("response", "T1"), ("resolution", "T1"),
    ]  # fmt: skip
    assert rows["response", None]["state"] == "breached"
    assert rows["response", None]["late_by_s"] == 7800
    assert rows["response", "T1"] == {
        "kind": "response", "task": "T1", "state": "met", "start": "2026-11-20T09:00:00Z",
        "target": "2026-11-20T17:00:00Z", "due": "2026-11-21T09:00:00Z", "stopped": "2026-11-20T09:05:00Z",
        "late_by_s": None, "calendar": "24x7", "paused_because": None,
    }  # fmt: skip
    assert len(clocks_of(stage.service.cases[CASE], stage.policy, past=True)) == 5


@pytest.mark.spec("MSG-9", "SLA-8", "SLA-9", "SLA-10", "SLA-14")
def test_every_message_about_a_clock_has_its_schema(stage: Stage):
    """A month of silence and a late task: what was sent validates."""
    stage.at("09:30").drop("progress", ENGINEER, "T1", eta="2026-12-20T12:00:00Z")
    stage.at("2026-12-15T09:00:00Z")
    stage._rest()
    kinds: Counter[str] = Counter()
    for path in Path(stage.root, INBOX).glob("*/acme-42.*.yaml"):
        body = stage.read(str(path.relative_to(stage.root)))
        if body["type"] in SHAPES:
            model_of(body["type"]).model_validate(body)
            kinds[body["type"]] += 1
    for kind in ("customer_update_request", "sla_warning", "sla_breach", "proactive_notice", "workaround_request",
                 "reminder", "escalation"):  # fmt: skip
        assert kinds[kind], kind


@pytest.mark.spec("OPS-15", "EXE-22", "CON-8")
def test_status_and_agenda_show_what_is_muted(stage: Stage):
    """A window is shown while it is open, of a case and of an agent; what falls into it is no message to come."""
    from executord.cli import boards
    from executord.views import outlook, overview

    stage.at("09:10").drop("mute", "support-manager", until="2026-11-21T20:00:00Z", reason="maintenance")
    stage.drop("mute", "operator", case=None, target_agent=ENGINEER, **{"for": "1h"})
    stage.at("09:30")
    stage._rest()
    assert stage.service is not None
    report = overview.status(stage.service, stage.now)
    wanted = {"by": "support-manager", "at": "2026-11-20T09:10:00Z", "until": "2026-11-21T20:00:00Z"}
    assert report["instructions"][0]["muted"] == {**wanted, "reason": "maintenance"}
    agents = {a["name"]: a["muted"] for a in report["agents"] if a["muted"] is not None}
    assert {n: m["until"] for n, m in agents.items()} == {ENGINEER: "2026-11-20T10:10:00Z"}
    assert "MUTED (2)" in "\n".join(boards.status_board(report, stage.service))
    rows = outlook.to_come(stage.service, stage.now)
    sent = {r["name"]: r["to"] for r in rows if r["name"].startswith(("warn", "remind update", "ask breach"))}
    window = {r["name"]: r["why"] for r in rows if r["name"].startswith("warn") and r["at"] < wanted["until"]}
    assert window
    assert all(sent[name] is None and why.startswith("muted until") for name, why in window.items())
    assert any(to is not None for name, to in sent.items() if name not in window)
    later = overview.status(stage.service, stage.now + timedelta(days=2))
    assert later["instructions"][0]["muted"] is None
    assert all(a["muted"] is None for a in later["agents"])


# --- a clock that is set ----------------------------------------------------------------------------------------------


@pytest.mark.spec("SLA-12", "SLA-18", "REL-8", "EXE-29")
@pytest.mark.parametrize("minutes", [15, -15, 3 * 1440, -3 * 1440], ids=["+15min", "-15min", "+3d", "-3d"])
def test_a_clock_that_is_set_makes_no_storm(tmp_path: Path, minutes: int):
    """Forwards as after downtime, backwards nothing is done again: no line twice, few messages, and life goes on."""
    stage = Stage(tmp_path / "stage", PATIENT)
    stage.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME, priority="critical")
    stage.at("09:05").drop("acknowledgement", ENGINEER, "T1", eta="2026-11-20T20:00:00Z")
    stage.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    stage.at("09:50").skip()
    before = stage.now
    stage.clock.set(before + timedelta(minutes=minutes))
    stage._pending = True
    stage.look()
    told = Counter(line.rpartition(" → ")[2] for line in stage.told if " → " in line)
    assert all(n <= 8 for n in told.values()), told
    reminders = [line for line in stage.told if "remind update" in line and "→" in line]
    assert len(reminders) == (1 if minutes > 20 else 0)
    if minutes < 0:
        assert stage.told == []
    stage.clock.set(max(before, before + timedelta(minutes=minutes)))
    stage.drop("customer_update", LIAISON, **UPDATE)
    stage.at("+49m")
    entries = journal.read(f"{stage.root}/{CASE}").entries
    names = [e["name"] for e in entries if "name" in e]
    assert len(names) == len(set(names))
    assert any("ask update #3" in name for name in names)
    stage.sound()
