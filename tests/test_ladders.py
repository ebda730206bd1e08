"""Ladders on paper: how long is waited, who comes next, what a configuration changes [EXE-16, EXE-19, EXE-26]."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from executord.actions import Record, Send
from executord.agenda import Due, only_highest
from executord.case import Ask, Attempt, Head, InstructionSpec, Task, TaskFile, TaskSpec
from executord.case.casebook import Case
from executord.messages.blockers import blocker_kind
from executord.policy import Policy, escalation_row, make_policy
from executord.policy.escalations import levels, read_rows
from executord.policy.ladders import BUILT_IN, read_ladders
from executord.promises.answers import reaction, response_limit, settlement
from executord.rules import asks, silence
from executord.rules.asking import managers

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday
ROBOT = {"robot": {"runner": {"type": "command", "program": "/bin/true"}}}
CLERK = {"clerk": {"hours": "business"}}


def case_with(agent: str, *, tier: int = 3, priority: str = "high", effort_s: int | None = None) -> tuple[Case, Task]:
    """A case with one task, given to this agent at NOW."""
    case = Case("acme-42")
    case.head = Head("acme-42", InstructionSpec(priority=priority), opened_at=NOW, created=NOW, tier=tier)
    spec = TaskSpec("T1", effort_s=effort_s)
    file = TaskFile("T1.yaml", "in_progress", "1" * 16, spec)
    task = Task("T1", spec=spec, file=file, present=True, folder="in_progress", attempts=(Attempt(1, agent, NOW),))
    case.put(task)
    return case, case.tasks["T1"]


def first(case: Case, task: Task, policy: Policy) -> Due:
    """The next rung."""
    return next(iter(silence.lines(case, task, policy)))


@pytest.mark.spec("EXE-16")
@pytest.mark.parametrize(
    ("tier", "priority", "agent", "effort_h", "minutes"),
    [
        (0, "high", "robot", None, 15), (1, "low", "robot", None, 15), (2, "high", "robot", None, 30),
        (3, "high", "robot", 40, 60), (4, "medium", "robot", None, 120), (4, "critical", "robot", None, 15),
        (1, "high", "clerk", None, 15), (2, "high", "clerk", 4, 120), (4, "high", "clerk", 2, 120),
        (4, "critical", "clerk", 2, 60), (4, "critical", "clerk", None, 15),
    ],
)  # fmt: skip
def test_the_interval(tier: int, priority: str, agent: str, effort_h: int | None, minutes: int):
    """I by tier and priority; for whoever works from an inbox half the effort, if that is longer."""
    case, task = case_with(agent, tier=tier, priority=priority, effort_s=effort_h * 3600 if effort_h else None)
    policy = make_policy(roster={**ROBOT, **CLERK})
    assert silence.interval(case, task, agent, policy) == minutes * 60


@pytest.mark.spec("EXE-16")
def test_a_program_that_does_not_acknowledge_is_reminded_after_i():
    """The response limit of high is four hours; a program is not given that long."""
    policy = make_policy(roster={**ROBOT, **CLERK})
    assert first(*case_with("robot"), policy).at == NOW + timedelta(hours=1)
    assert first(*case_with("clerk"), policy).at == NOW + timedelta(hours=4)


@pytest.mark.spec("EXE-16")
def test_hours_count_unless_it_is_critical():
    """A person's silence does not count over the night and the weekend; where it is critical it does."""
    from executord.meaning.transitions import signed

    policy = make_policy(roster=CLERK)
    friday = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
    for priority, at in (
        ("high", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("critical", friday + timedelta(minutes=15)),
    ):
        case, task = case_with("clerk", priority=priority)
        line = first(case, signed(task, friday), policy)
        assert line.at == at
        assert line.name == "remind T1 a1 #1"


@pytest.mark.spec("EXE-16")
def test_a_ladder_without_an_end_gets_one():
    """However a ladder is configured, a silent worker does not hold a task for ever."""
    ladder = read_ladders({"x": {"interval": "2 hours", "rungs": [{"do": "status check", "after": "I/2"}]}})["x"]
    assert [r.do for r in ladder.rungs] == ["status_check", "time_out"]
    assert ladder.given(3, "high") == 7200
    closing = {"rungs": [{"do": "close", "after": "1h"}, {"do": "reminder", "after": "I"}]}
    assert [r.do for r in read_ladders({"x": closing})["x"].rungs] == ["time_out"]
    assert read_ladders({"x": {}})["x"].rungs == BUILT_IN.rungs
    by_tier = read_ladders({"x": {"interval": {"tier 4": "3h", "critical": "5 min"}}})["x"]
    assert (by_tier.given(4, "high"), by_tier.given(4, "critical"), by_tier.given(2, "high")) == (10800, 300, None)


@pytest.mark.spec("EXE-18", "EXE-19")
def test_a_chain_asks_four_and_then_hitl():
    """Each once, at most four levels, then `hitl`; nobody comes after him."""
    assert levels(("a", "b", "a", "c", "d", "e")) == ("a", "b", "c", "d", "hitl")
    assert levels(("a", "hitl", "b")) == ("a", "hitl")
    assert levels(()) == ("hitl",)
    policy = make_policy(roster={"a": {"escalates_to": "b"}, "b": {"escalates_to": "a"}})
    assert managers(policy, "a") == ("a", "b")
    assert managers(policy, "technical-support-engineer") == (
        "technical-support-engineer", "escalation-manager", "vp-customer-support", "hitl",
    )  # fmt: skip


@pytest.mark.spec("EXE-19")
def test_rows_of_the_configuration_come_first():
    """The first row that fits counts; who, match and the words all must."""
    head = case_with("x")[0].head
    policy = make_policy(
        escalations=[
            {"on": "blocker", "who": "clerk", "to": "a"},
            {"on": "Technical Dependency", "match": {"priority": ["high"]}, "after": "90 min", "to": ["b", "c"]},
        ]
    )
    found = escalation_row(policy, head, "high", "robot", ("technical_dependency", "blocker"))
    assert (found.to, found.after, found.given) == (("b", "c"), timedelta(minutes=90), True)
    assert escalation_row(policy, head, "high", "clerk", ("technical_dependency", "blocker")).to == ("a",)
    assert not escalation_row(policy, head, "low", "robot", ("technical_dependency",)).given
    with pytest.raises(LookupError):
        escalation_row(policy, head, "low", "robot", ("nothing_of_the_kind",))
    assert read_rows([{"on": "x", "to": "Support Manager"}])[0].to == ("support-manager",)


@pytest.mark.spec("MSG-7")
@pytest.mark.parametrize(
    ("priority", "target", "limit"),
    [("critical", 0.25, 1), ("high", 2, 4), ("medium", 8, 24), ("low", 24, 48)],
)
def test_the_priority_says_how_long_an_answer_may_take(priority: str, target: float, limit: float):
    """Reminded at the response target, one level up at its limit."""
    head = case_with("x", priority=priority)[0].head
    policy = make_policy()
    assert reaction(policy, head, priority, NOW) == (NOW + timedelta(hours=target), NOW + timedelta(hours=limit))
    assert settlement(policy, head, priority, NOW)[1] > NOW + timedelta(hours=limit)


@pytest.mark.spec("EXE-16", "SLA-6")
def test_a_tasks_own_response_beats_the_policy():
    """A span counts from the dispatch; a moment that has passed helps nobody."""
    case, _ = case_with("x")
    policy = make_policy()
    for own, at in (
        ("30 min", NOW + timedelta(minutes=30)),
        ("2026-11-20T11:00:00Z", NOW + timedelta(hours=2)),
        ("2026-11-20T08:00:00Z", NOW + timedelta(hours=4)),
    ):
        assert response_limit(policy, case.head, Task("T1", spec=TaskSpec("T1", response=own)), NOW) == at


@pytest.mark.spec("EXE-26", "SLA-12")
def test_only_the_highest_rung_is_carried_out():
    """A rung whose successor is due is recorded as skipped, under its own name."""
    line = Due(NOW, "remind x", "MSG-7", Send("a", "reminder"), until=NOW + timedelta(hours=1))
    assert only_highest(line, NOW) == line
    late = only_highest(line, NOW + timedelta(hours=1))
    assert (late.name, late.action, late.facts) == ("remind x", Record(), {"skipped": True})


@pytest.mark.spec("MSG-7", "EXE-18")
def test_the_rungs_of_an_ask():
    """Asked at once, reminded at the target, climbed at the limit; acknowledged, the resolution time counts."""
    case, task = case_with("technical-writer")
    facts: dict[str, Any] = {"n": 1, "kind": "resource_constraint", "by": "technical-writer"}
    policy = make_policy()
    ask = Ask("blocker T1 #1", NOW, facts)

    def rungs(each: Ask) -> list[tuple[str, datetime, str | None]]:
        lines = asks._rungs(case, task, each, policy)
        return [(x.name, x.at, x.action.to if isinstance(x.action, Send) else None) for x in lines]

    assert rungs(ask) == [("ask blocker T1 #1", NOW, "support-manager")]
    from dataclasses import replace

    asked = replace(ask, level=1, to="support-manager", since=NOW, first=NOW, told=("support-manager",),
                    passed=("support-manager",))  # fmt: skip
    assert rungs(asked) == [
        ("remind blocker T1 #1", NOW + timedelta(hours=2), "support-manager"),
        ("escalate blocker T1 #1 level-2", NOW + timedelta(hours=4), "vp-customer-support"),
    ]
    known = replace(asked, reminded=True, acknowledged=NOW, acknowledged_by="support-manager")
    assert rungs(known) == [("escalate blocker T1 #1 level-2", NOW + timedelta(hours=48), "vp-customer-support")]
    last = replace(asked, reminded=True, to="hitl", passed=("support-manager", "vp-customer-support", "hitl"), level=3)
    assert rungs(last) == [("unanswered blocker T1 #1", NOW + timedelta(hours=4), None)]
    assert not asks._has_reason(case, task, replace(last, over=True))


@pytest.mark.spec("EXE-17")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"kind": "Technical Dependency"}, "technical_dependency"),
        ({"blocker_type": "waiting_for_customer"}, "missing_information"),
        ({"blocker": {"type": "resource_conflict"}}, "resource_constraint"),
        ({"category": "unclear requirements"}, "scope_ambiguity"),
        ({"type": "NEEDS_CONTEXT"}, "missing_information"),
        ({"description": "the api of the gateway is down, no access"}, "technical_dependency"),
        ({"description": "hm"}, "missing_information"),
    ],
)
def test_kinds_of_blockers(body: dict[str, Any], kind: str):
    """In the spellings of other domains, stated or derived from the words."""
    assert blocker_kind(body, str(body.get("description", "")))[0] == kind
