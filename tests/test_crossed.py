"""What crosses on its way: answers, verdicts, incidents and edits that come late, twice, or several in one downtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executord.policy import make_policy
from executord.rehearsal import as_inboxes
from tests.stories.delivery import TICKET
from tests.stories.kit import CASE, ENGINEER, WRITER, Stage
from tests.test_outside import INBOX, act, one, says

__all__ = ["act"]
LEAD, COMMANDER, VP = "support-manager", "escalation-manager", "vp-customer-support"
SHORT = (("reminder", "I"), ("finalize", "10m"), ("time_out", "10m"))
LONG = (("reminder", "I"), ("reminder", "10m"), ("status_check", "10m"), ("finalize", "10m"), ("time_out", "10m"))


# --- ladders ----------------------------------------------------------------------------------------------------------


def configure(s: Stage, **config: Any) -> None:
    """Stop the daemon, and start it with another configuration."""
    s._rest()
    s.close()
    s.policy = as_inboxes(make_policy(**config))
    s.look()


def ladder(rungs: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {"inbox": {"interval": "1 hour", "rungs": [{"do": do, "after": after} for do, after in rungs]}}


@pytest.mark.spec("EXE-16", "EXE-26", "CON-6")
@pytest.mark.parametrize(
    ("before", "until", "after", "then"),
    [
        (LONG, "10:35", SHORT, ["10:41 time out T1 a1 #1"]),
        (SHORT, "10:15", LONG, ["10:21 status check T1 a1 #1", "10:31 time out T1 a1 #1"]),
        (LONG, "10:05", SHORT, ["10:11 finalize T1 a1 #1", "10:21 time out T1 a1 #1"]),
    ],
    ids=["shorter-than-climbed", "longer", "shorter"],
)
def test_a_ladder_that_is_edited_in_mid_run_goes_on_at_its_first_undone_rung(tmp_path, before, until, after, then):
    """Nobody holds a task in silence for ever, and nothing is asked of him twice, whatever becomes of the ladder."""
    s = Stage(tmp_path / "memory", {"ladders": ladder(before)})
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.at("09:01").drop("ack", ENGINEER, "T1")
    s.at(until).skip()
    configure(s, ladders=ladder(after))
    s.at("11:00")
    s._rest()
    assert [t.split(" →")[0] for t in s.told if " T1 a1 #" in t] == then
    s.end()


# --- blockers ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("EXE-18", "EXE-14", "EXE-12")
@pytest.mark.parametrize(
    ("holder", "kind", "asked"),
    [
        (VP, "resource_constraint", [LEAD, "hitl"]),
        (LEAD, "scope_ambiguity", ["planner", "orchestrator", VP, "hitl"]),
        (LEAD, "resource_constraint", [VP, "hitl"]),
    ],
)
def test_nobody_is_asked_about_his_own_blocker_on_any_level(act, holder, kind, asked):
    """A level that asks the holder himself would be a response limit in which nothing happens."""
    files = one(assigned_to=holder)
    files["a/instruction.yaml"]["priority"] = "high"
    got = act(files, [says("+1m", "blocked", holder, blocker_type=kind, description="stuck")])
    levels = [li["to"] for li in got.lines if "blocker T1" in li["name"] and li["name"].startswith(("ask", "escalate"))]
    assert levels == asked


@pytest.mark.spec("EXE-17", "EXE-18")
@pytest.mark.parametrize(
    ("supporter", "kind", "asked"),
    [(LEAD, "resource_constraint", VP), (ENGINEER, "technical_dependency", "engineering")],
)
def test_a_supporter_is_not_asked_about_what_he_reported(act, supporter, kind, asked):
    """He who supports the holder says what is missing: somebody else is asked for it."""
    files = one(assigned_to={"primary": WRITER, "supporting": [supporter]})
    got = act(files, [says("+1m", "blocked", supporter, blocker_type=kind, description="stuck")])
    assert next(li["to"] for li in got.lines if li["name"] == "ask blocker T1 #1") == asked


@pytest.mark.spec("EXE-14", "EXE-20")
def test_who_gave_no_result_is_not_asked_what_now(act):
    """The attempts of support-manager are used up: somebody above him decides."""
    steps = [says(f"+{k}m", "failed", LEAD, reason=f"no access, try {k}") for k in (1, 2)]
    got = act(one(assigned_to=LEAD), steps)
    assert next(li["to"] for li in got.lines if li["name"] == "escalate task T1 #1") == VP


@pytest.mark.spec("EXE-17", "EXE-18")
def test_two_questions_of_a_kind_to_two_people_are_two_blockers(act):
    """Both are asked, and the task goes on with the second answer; more words to one of them open nothing new."""
    steps = [
        says("+1m", "blocked", blocker_type="missing_information", description="which region?", ask="product"),
        {**says("+3m", "blocked", blocker_type="missing_information", description="which plan?", ask="engineering"),
         "write": f"{INBOX}/executor/second.yaml"},
        {**says("+4m", "blocked", blocker_type="missing_information", description="the EU one?", ask="product"),
         "write": f"{INBOX}/executor/third.yaml"},
        says("+5m", "answer", "product", answer="eu-west"),
    ]  # fmt: skip
    files = one()
    files["a/instruction.yaml"]["priority"] = "high"
    got = act(files, steps)
    asked = [(li["at"][11:16], li["to"]) for li in got.lines if li["name"].startswith("ask blocker")]
    assert asked == [("09:01", "product"), ("09:03", "engineering")]
    reminded = next(le for le in got.letters("engineering") if le["type"] == "reminder")
    assert reminded["about"]["blocker"]["said_since"] == []
    assert "in_reply_to: a.T1.a1.consultation-2" in next(
        le["reply_with"] for le in got.letters("engineering") if le["type"] == "consultation"
    )


@pytest.mark.spec("EXE-18", "EXE-29")
def test_what_is_said_of_a_blocker_later_is_told_with_the_reminder(act):
    """Whoever is asked gets one ask; the words that came since stand in what he gets next."""
    steps = [
        says("+1m", "blocked", blocker_type="scope_ambiguity", description="which region?"),
        {**says("+5m", "blocked", blocker_type="scope_ambiguity", description="and which plan?"),
         "write": f"{INBOX}/executor/second.yaml"},
    ]  # fmt: skip
    got = act(one(), steps)
    first, reminder = got.letters("planner")
    assert (first["type"], first["blocker"]["said_since"]) == ("escalation", [])
    assert reminder["about"]["blocker"]["said_since"] == ["and which plan?"]


@pytest.mark.spec("EXE-14", "MSG-8", "EXE-18")
def test_the_next_holder_hears_what_the_last_one_was_blocked_by(tmp_path):
    """Never the same order again: what is open, what was answered; an answer that comes afterwards is his."""
    s = Stage(tmp_path / "memory")
    s.case({"T1": {"assigned_to": WRITER}}, tier=1)
    s.at("09:05").drop("blocked", WRITER, "T1", blocker_type="scope_ambiguity", description="what is in scope?")
    s.drop("blocked", WRITER, "T1", blocker_type="missing_information", ask="product", description="which plan?")
    s.at("09:10").drop("reassign", LEAD, "T1", to=ENGINEER, reason="he knows the customer")
    s.at("09:11").skip()
    order = s.read(f"{INBOX}/{ENGINEER}/{CASE}.T1.a2.delegation.yaml")["context"]
    assert [(b["question"], b["answered_by"]) for b in order["blocked_before"]] == [
        ("what is in scope?", None), ("which plan?", None),
    ]  # fmt: skip
    s.at("09:20").drop("answer", "planner", "T1", answer="only the EU")
    s.drop("unblocked", "product", in_reply_to=f"{CASE}.T1.a1.consultation", answer="gold")
    s.at("09:21").drop("unblocked", "product", in_reply_to=f"{CASE}.T1.a1.consultation", answer="no, silver")
    s.at("09:22").drop("declined", ENGINEER, "T1", reason="on leave")
    s.expect(
        """
        09:20 file 04-answer.yaml #1
        09:20 file 05-unblocked.yaml #1
        09:20 answer blocker T1 #1 → technical-support-engineer
        09:20 answer blocker T1 #2 → technical-support-engineer
        09:21 file 06-unblocked.yaml #1
        09:21 reason 06-unblocked.yaml #1
        09:21 reject 06-unblocked.yaml #1 → product
        09:22 file 07-declined.yaml #1
        09:22 keep T1 a2
        09:22 assign T1 a3 → customer-support-rep
        """
    )
    order = s.read(f"{INBOX}/customer-support-rep/{CASE}.T1.a3.delegation.yaml")["context"]
    assert [b["answered_by"] for b in order["blocked_before"]] == ["planner", "product"]
    assert [m["answer"] for m in order["told_before"]] == ["only the EU", "gold"]
    s.restart()
    s.drop("answer", "planner", "T1", answer="the US too")
    s.expect(
        """
        09:22 file 08-answer.yaml #1
        09:22 reason 08-answer.yaml #1
        09:22 reject 08-answer.yaml #1 → planner
        """
    )
    s.end()


# --- the hand-off -----------------------------------------------------------------------------------------------------

DONE = says("+5m", "completion", summary="done", output={"result": "x"}, components=TICKET)
NEW = {"write": "a/tasks/pending/T2.yaml", "content": {"id": "T2", "title": "one more", "assigned_to": WRITER}}


@pytest.mark.spec("EXE-27", "MSG-11", "QUA-4")
def test_a_verdict_counts_before_a_task_that_came_after_it_in_the_same_downtime(act):
    """As if the daemon had been there: it has passed, the task is held, and `retry` by authority opens it again."""
    verdict = says("+60m", "verdict", "validator", None, verdict="PASS")
    got = act(one(), [DONE, {"at": "+30m", "down_until": "+2h"}, verdict, {"at": "+70m", **NEW}])
    assert (got.end["cases"][0]["phase"], got.reasons()) == ("closed", [])
    assert got.lies("a/tasks/pending/T2.yaml")
    assert "send retry" in got.letters("planner")[0]["held_because"][0]["fix"]


@pytest.mark.spec("EXE-27", "MSG-11", "QUA-4")
def test_a_verdict_on_less_than_what_lay_there_is_none(act):
    """The task came first: the hand-off is withdrawn, whether the daemon saw it then or later."""
    verdict = says("+60m", "verdict", "validator", None, verdict="PASS")
    got = act(one(), [DONE, {"at": "+30m", "down_until": "+2h"}, {"at": "+50m", **NEW}, verdict])
    assert got.end["cases"][0]["phase"] == "executing"
    assert [r["code"] for r in got.reasons()] == ["QUA-4"]


@pytest.mark.spec("EXE-27", "QUA-4")
def test_the_issues_of_a_verdict_are_not_lost_with_a_task_that_came_after_it(act):
    """FIXABLE: its rework and the new task are both given out."""
    verdict = says("+60m", "verdict", "validator", None, verdict="FIXABLE", issues=[{"task": "T1", "issue": "a typo"}])
    got = act(one(), [DONE, {"at": "+30m", "down_until": "+2h"}, verdict, {"at": "+70m", **NEW}])
    assert "rework T1 a2 #1 verdict" in [li["name"] for li in got.lines]


@pytest.mark.spec("SLA-2", "SLA-7", "EXE-27")
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([{"at": "+1h", "down_until": "+9h"}, {"at": "+2h", **NEW}], "2026-11-22T09:55:00Z"),
        ([{"at": "+2h", **NEW}], "2026-11-22T09:55:00Z"),
        ([says("+1h", "verdict", "validator", None, verdict="PASS"), {"at": "+2h", **NEW},
          says("+3h", "retry", LEAD, None)], "2026-11-22T10:55:00Z"),
    ],
    ids=["down", "there", "passed"],
)  # fmt: skip
def test_a_task_that_is_added_opens_the_resolution_clock_again(act, steps, expected):
    """48 hours from 08:00; from the end at 09:05 until the task came, or was let go, nobody had anything to do."""
    files = one()
    files["a/instruction.yaml"]["priority"] = "high"
    got = act(files, [DONE, *steps])
    clocks = got.read("a/outputs/partial/progress.yaml")["clocks"]
    due = next(c["due"] for c in clocks if c["kind"] == "resolution" and c["task"] is None)
    assert due == expected


@pytest.mark.spec("EXE-27", "EXE-28")
def test_a_task_for_an_instruction_that_was_cancelled_is_held_and_told(act):
    """It would be ready for ever: the planner is told, and `retry` on the instruction gives it out."""
    cancel = says("+5m", "cancel", LEAD, None, reason="the customer withdrew it")
    files = one()
    files["a/instruction.yaml"]["tier"] = 3
    got = act(files, [cancel, {"at": "+20m", **NEW}, says("+30m", "retry", LEAD, None)])
    assert got.letters("planner")[0]["held_because"][0]["reason"] == "a is cancelled"
    assert [li["at"][11:16] for li in got.lines if li["name"] == "assign T2 a1"] == ["09:30"]


@pytest.mark.spec("MSG-10", "QUA-4", "INC-6")
def test_nobody_answers_before_there_was_anything_to_say(act):
    """A verdict from before its hand-off, an end from before its incident: the time of the file counts."""
    steps = [
        says("+5m", "incident", LEAD, None, severity=3, description="slow"),
        says("+20m", "incident_resolved", COMMANDER, None, summary="over", timestamp="2026-11-20T09:02:00Z"),
        {**DONE, "at": "+30m"},
        says("+40m", "verdict", "validator", None, verdict="PASS", timestamp="2026-11-20T09:25:00Z"),
    ]
    got = act(one(), steps)
    assert got.read("a/outputs/partial/incident.yaml")["resolved_at"] == "2026-11-20T09:20:00Z"
    line = next(li for li in got.read("a/outputs/partial/journal.yaml") if "verdict" in str(li.get("name")))
    assert line["facts"]["at"] == "2026-11-20T09:40:00Z"


@pytest.mark.spec("EXE-8", "EXE-23")
@pytest.mark.parametrize("customer", [{}, {"customer": {"name": "Acme"}}])
@pytest.mark.parametrize("plan", [None, {"tier": 0, "tasks": []}])
def test_tier_0_without_a_task_goes_straight_to_the_validator(act, plan, customer):
    """With a plan or without one, with a customer or without one: there is nothing to execute."""
    files: dict[str, Any] = {"a/instruction.yaml": {"tier": 0, "created_at": "2026-11-20T08:55:00Z", **customer}}
    if plan is not None:
        files["a/workflow/plan.yaml"] = plan
    got = act(files, [says("+5m", "verdict", "validator", None, verdict="PASS")])
    assert (got.end["cases"][0]["phase"], got.reasons()) == ("closed", [])


@pytest.mark.spec("EXE-2", "EXE-29", "MEM-18")
def test_three_files_of_one_task_are_told_once_in_whatever_order_they_came(tmp_path):
    """The planner hears of each that is added, and of none again after a restart."""
    s = Stage(tmp_path / "memory")
    s.case({"T1": {"depends_on": ["T1"]}}, plan={})
    s.at("09:01").add("T1", {"depends_on": ["T1"]}, folder="blocked")
    s.at("09:02").add("T1", {"depends_on": ["T1"]}, folder="in_progress")
    s.at("09:03").skip()
    told = s.state("T1").why
    s.restart()
    s.expect("")
    assert s.state("T1").why == told
    s.end()


# --- incidents --------------------------------------------------------------------------------------------------------


def outage(path: Path) -> Stage:
    """A critical ticket with an incident since 09:05; nobody has acknowledged anything."""
    s = Stage(path / "memory")
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, priority="critical", customer={"name": "Acme"})
    s.at("09:05").drop("incident", ENGINEER, severity=1, description="every third checkout fails")
    s.skip()
    return s


@pytest.mark.spec("INC-3", "MSG-4", "CON-15")
def test_two_who_were_asked_for_one_role_both_acknowledge(tmp_path):
    """The first to say so has it; who comes after him is told whose it is, and is of the team all the same."""
    s = outage(tmp_path)
    s.at("09:16").drop("ack", COMMANDER, in_reply_to=f"{CASE}.incident_role")
    s.at("09:17").drop("ack", VP, in_reply_to=f"{CASE}.incident_role-5")
    s.drop("incident_action", "support-quality-analyst", action="I look at the numbers")  # asked second of three
    s.at("09:18").skip()
    found = s.read(f"{CASE}/outputs/partial/incident.yaml")
    assert found["roles"]["commander"] == {
        "agent": COMMANDER, "asked_at": "2026-11-20T09:05:00Z", "acknowledged_at": "2026-11-20T09:16:00Z",
    }  # fmt: skip
    assert "I look at the numbers" in [each["what"] for each in found["timeline"]]
    told = s.read(f"{INBOX}/{VP}/{CASE}.rejection.yaml")
    assert told["reason"] == f"{COMMANDER} is commander of inc-{CASE}-1, and has acknowledged it"
    s.end()


@pytest.mark.spec("MSG-4", "MSG-1")
def test_an_acknowledgement_of_what_is_about_the_instruction_needs_no_task(tmp_path):
    """The liaison has the request for an update; an answer to what nobody asks any more is told so."""
    s = outage(tmp_path)
    s.at("09:06").drop("ack", "customer-success-manager", in_reply_to=f"{CASE}.customer_update_request")
    s.drop("ack", ENGINEER, in_reply_to=f"{CASE}.incident_role-4")
    s.at("09:07").drop("ack", ENGINEER, in_reply_to=f"{CASE}.incident_role-4")
    s.at("09:08").drop("consultation_response", VP, in_reply_to=f"{CASE}.incident_role-9", answer="no")
    s.at("09:09")
    rejected = [t for t in s.told if "reject " in t and " copy " not in t]
    assert rejected == [f"09:08 reject 05-consultation_response.yaml #1 → {VP}"]
    reason = s.read(f"{INBOX}/{VP}/{CASE}.rejection.yaml")["reason"]
    assert reason == f"nothing is awaited from {VP} in answer to {CASE}.incident_role-9"
    s.end()


@pytest.mark.spec("INC-7", "INC-5", "INC-6", "MSG-11")
def test_an_incident_after_the_end_of_the_first_is_a_second_also_within_one_downtime(act):
    """Closed with both papers at 09:30, the next at 09:50, seen at 11:00: each has its file, its times, its chain."""
    papers = {"retrospective": "the pool was too small", "prevention_plan": ["an alarm, by 2026-12-04"]}
    got = act(
        one(),
        [
            says("+10m", "incident", LEAD, None, severity=2, description="down"),
            {"at": "+12m", "down_until": "+2h"},
            says("+30m", "incident_resolved", COMMANDER, None, summary="over", **papers),
            {**says("+50m", "incident", LEAD, None, severity=2, description="again"),
             "write": f"{INBOX}/executor/again.yaml"},
        ],
    )  # fmt: skip
    first, second = (got.read(f"a/outputs/partial/incident{n}.yaml") for n in ("", "-2"))
    assert [(i["status"], i["opened_at"][11:16]) for i in (first, second)] == [("closed", "09:10"), ("open", "09:50")]
    assert first["closed_at"] == "2026-11-20T09:30:00Z"
    assert (first["timeline"][-1]["what"], second["timeline"][0]["what"]) == ("over", "again")


@pytest.mark.spec("INC-6", "CON-15")
def test_a_paper_that_came_before_the_end_makes_the_other_due_no_earlier(act):
    """The retrospective came while it was open: the plan has its 48 hours from the end, nobody is reminded at once."""
    steps = [
        says("+1m", "incident", LEAD, None, severity=3, description="slow"),
        says("+2m", "incident_update", COMMANDER, None, status="known", retrospective="the pool was too small"),
        says("+10m", "incident_resolved", COMMANDER, None, summary="over"),
    ]
    got = act(one(), steps)
    plan = got.read("a/outputs/partial/incident.yaml")["prevention_plan"]
    assert plan == {"due": "2026-11-22T09:10:00Z", "received_at": None, "path": None}
    assert "remind retrospective inc-a-1 #1" not in [li["name"] for li in got.lines]


@pytest.mark.spec("INC-6", "CON-15", "MSG-11")
def test_of_two_papers_in_one_downtime_the_last_one_is_named(act):
    """As where the daemon saw the first before the second came."""
    paper = says("+3m", "incident_update", COMMANDER, None, status="known", retrospective="a first thought")
    last = {**says("+4m", "incident_update", COMMANDER, None, status="known", retrospective="the pool"),
            "write": f"{INBOX}/executor/last.yaml"}  # fmt: skip
    opened = says("+1m", "incident", LEAD, None, severity=3, description="slow")
    got = act(one(), [opened, {"at": "+2m", "down_until": "+5m"}, paper, last])
    path = got.read("a/outputs/partial/incident.yaml")["retrospective"]["path"]
    assert got.read(f"a/{path}")["retrospective"] == "the pool"


@pytest.mark.spec("INC-6", "MSG-4")
def test_a_paper_says_by_itself_what_it_answers(act):
    """The incident was open again in between: the answer to the first request closes it as well."""
    resolved = says("+10m", "incident_resolved", COMMANDER, None, summary="over")
    steps = [
        says("+1m", "incident", LEAD, None, severity=3, description="slow"),
        resolved,
        {**says("+20m", "incident", LEAD, None, description="again"), "write": f"{INBOX}/executor/again.yaml"},
        {**resolved, "at": "+30m", "write": f"{INBOX}/executor/over.yaml"},
        says("+40m", "answer", COMMANDER, None, in_reply_to="a.retrospective_request", retrospective="the pool",
             prevention_plan=["an alarm, by 2026-12-04"]),
    ]  # fmt: skip
    got = act(one(), steps)
    assert got.reasons() == []
    assert got.read("a/outputs/partial/incident.yaml")["closed_at"] == "2026-11-20T09:40:00Z"


@pytest.mark.spec("INC-5", "INC-7")
def test_the_timeline_says_that_the_severity_rose(tmp_path):
    """By whom, from what to what; a lower one is an entry and lowers nothing."""
    s = outage(tmp_path)
    s.case({"T1": {"assigned_to": WRITER}}, case="b", tier=1)
    s.at("09:10").drop("incident", LEAD, case="b", severity=3, description="slow")
    s.at("09:12").drop("incident", LEAD, case="b", severity=2, description="slower")
    s.at("09:14").drop("incident", LEAD, case="b", severity=4, description="better")
    s.at("09:15")
    s._rest()
    found = s.read("b/outputs/partial/incident.yaml")
    assert found["severity"] == 2
    said = [each["what"] for each in found["timeline"] if each["kind"] == "incident"]
    assert said == ["slow", "slower; severity 2, before 3", "better"]
    s.end()
