"""Stories of what a task cannot go on for: four kinds, answered and not, and who hears of it [EXE-17, EXE-18]."""

from __future__ import annotations

from tests.stories.kit import CASE, ENGINEER, WRITER, Stage, story

BOSS = "support-manager"
LIAISON = "customer-success-manager"
INBOX = "_communication/inbox"


def _blocked(s: Stage, kind: str, said: str, **more: object) -> None:
    """A case whose first task is blocked at 09:10."""
    s.case(
        {"T1": {"assigned_to": WRITER}, "T2": {"assigned_to": ENGINEER, "depends_on": ["T1"]}},
        tier=2,
        customer={"name": "Acme", "contact": "ops@acme.example"},
    )
    s.at("09:05").drop("ack", WRITER, "T1")
    s.at("09:09")
    s.skip()
    s.at("09:10").drop(
        "blocked", WRITER, "T1", blocker_type=kind, description=said, tried="read the ticket twice", **more
    )
    s.has("T1 blocked", "T2 waiting")


@story("EXE-17", "EXE-18", "EXE-26")
def information_is_missing_and_arrives(s: Stage) -> None:
    """The liaison is asked for the customer; the answer is passed on, the task goes on by itself, dependants hear."""
    _blocked(s, "missing_information", "which region is it?")
    s.expect(
        """
        09:10 file 02-blocked.yaml #1
        09:10 ask blocker T1 #1 → customer-success-manager
        09:10 notice T1 #1 blocked technical-support-engineer → technical-support-engineer
        """
    )
    asked = s.read(f"{INBOX}/{LIAISON}/acme-42.T1.a1.consultation.yaml")
    if s.strict:
        assert asked["type"] == "consultation"
        assert asked["blocker"]["kind"] == "missing_information"
        assert asked["blocker"]["for_the_customer"] is True
        assert asked["impact"]["waiting"] == ["T2"]
        assert asked["impact"]["clocks"][0]["due"] == "2026-11-29T08:50:00Z"  # at the latest: it pauses
        assert asked["attempted_recovery"] == "read the ticket twice"
        assert asked["question"]["description"] == "which region is it?"
        assert asked["answer_by"] == "2026-11-20T13:10:00Z"
        assert asked["then_asked"] == BOSS
    s.at("11:30").drop("answer", LIAISON, None, answer="eu-west", in_reply_to="acme-42.T1.a1.consultation")
    s.has("T1 accepted")
    s.expect(
        """
        10:50 warn response #1 50% → customer-success-manager
        11:10 remind blocker T1 #1 → customer-success-manager
        11:30 file 03-answer.yaml #1
        11:30 answer blocker T1 #1 → technical-writer
        11:30 notice T1 #1 unblocked technical-support-engineer → technical-support-engineer
        """
    )
    s.at("11:40").drop("blocked", WRITER, "T1", blocker_type="missing_information", description="and which account?")
    s.at("11:50").drop("unblocked", WRITER, "T1", answer="found it myself")
    s.at("11:51").done(WRITER, "T1", customer_update={
        "status": "x", "next_steps": "x", "blockers": "none", "expect_next": "x", "contact": "x",
    })  # fmt: skip
    s.expect(
        """
        11:40 file 04-blocked.yaml #1
        11:40 ask blocker T1 #2 → customer-success-manager
        11:40 notice T1 #2 blocked technical-support-engineer → technical-support-engineer
        11:50 file 05-unblocked.yaml #1
        11:50 notice T1 #2 unblocked technical-support-engineer → technical-support-engineer
        11:50 warn response #1 75% → customer-success-manager
        11:50 warn response #1 75%-manager → support-manager
        11:51 file 06-completion.yaml #1
        11:51 update #1
        11:51 result T1 a1
        11:51 move T1 #2 completed
        11:51 handoff T2 a1 #1 T1 → technical-support-engineer
        11:51 assign T2 a1 → technical-support-engineer
        11:51 move T2 #1 in_progress
        """
    )


@story("EXE-18", "EXE-29", "MSG-7")
def information_is_missing_and_nobody_answers(s: Stage) -> None:
    """Reminded at the response target, one level up at its limit, at the end `hitl`; then nothing more is sent."""
    _blocked(s, "missing_information", "which region is it?")
    s.at("2026-12-20T09:00:00Z")
    s.has("T1 blocked")
    s.expect(
        """
        09:10 file 02-blocked.yaml #1
        09:10 ask blocker T1 #1 → customer-success-manager
        09:10 notice T1 #1 blocked technical-support-engineer → technical-support-engineer
        10:50 warn response #1 50% → customer-success-manager
        11:10 remind blocker T1 #1 → customer-success-manager
        11:50 warn response #1 75% → customer-success-manager
        11:50 warn response #1 75%-manager → support-manager
        12:26 warn response #1 90% → customer-success-manager
        12:26 warn response #1 90%-manager → support-manager
        12:50 breach response #1
        12:50 ask breach response #1 → support-manager
        12:50 breach customer_update #1
        12:50 remind update #1 → customer-success-manager
        13:10 escalate blocker T1 #1 level-2 → support-manager
        13:50 escalate update #1 level-1 → support-manager
        14:50 remind breach response #1 → support-manager
        14:50 escalate update #1 level-2 → vp-customer-support
        15:10 remind blocker T1 #1 level-2 → support-manager
        15:50 escalate update #1 level-3 → hitl
        16:50 escalate breach response #1 level-2 → escalation-manager
        17:10 escalate blocker T1 #1 level-3 → vp-customer-support
        18:50 remind breach response #1 level-2 → escalation-manager
        19:10 remind blocker T1 #1 level-3 → vp-customer-support
        20:50 escalate breach response #1 level-3 → vp-customer-support
        21:10 escalate blocker T1 #1 level-4 → hitl
        22:50 remind breach response #1 level-3 → vp-customer-support
        23:10 remind blocker T1 #1 level-4 → hitl
        11-21 00:50 escalate breach response #1 level-4 → hitl
        11-21 01:10 unanswered blocker T1 #1
        11-21 02:50 remind breach response #1 level-4 → hitl
        11-21 04:50 unanswered breach response #1
        11-27 09:10 run-on resolution T1 #1 waiting_on_customer
        11-28 08:50 warn resolution #1 50% → customer-success-manager
        11-28 08:55 warn resolution T1 #1 50% → technical-writer
        11-28 09:00 warn resolution T1 #1 target → technical-writer
        11-28 20:50 warn resolution #1 75% → customer-success-manager
        11-28 20:50 warn resolution #1 75%-manager → support-manager
        11-28 20:50 proactive #1 → customer-success-manager
        11-28 20:50 ask workaround T1 #1 → technical-writer
        11-28 20:50 expedite #1 → support-manager
        11-28 20:52:30 warn resolution T1 #1 75% → technical-writer
        11-28 20:52:30 warn resolution T1 #1 75%-manager → support-manager
        11-28 22:50 remind expedite #1 → support-manager
        11-28 22:50 remind workaround T1 #1 → technical-writer
        11-29 00:50 escalate expedite #1 level-2 → vp-customer-support
        11-29 00:50 escalate workaround T1 #1 level-2 → support-manager
        11-29 02:50 remind expedite #1 level-2 → vp-customer-support
        11-29 02:50 remind workaround T1 #1 level-2 → support-manager
        11-29 04:02 warn resolution #1 90% → customer-success-manager
        11-29 04:02 warn resolution #1 90%-manager → support-manager
        11-29 04:03 warn resolution T1 #1 90% → technical-writer
        11-29 04:03 warn resolution T1 #1 90%-manager → support-manager
        11-29 04:50 escalate expedite #1 level-3 → hitl
        11-29 04:50 escalate workaround T1 #1 level-3 → vp-customer-support
        11-29 06:50 remind expedite #1 level-3 → hitl
        11-29 06:50 remind workaround T1 #1 level-3 → vp-customer-support
        11-29 08:50 escalate workaround T1 #1 level-4 → hitl
        11-29 08:50 unanswered expedite #1
        11-29 08:50 breach resolution #1
        11-29 08:50 ask breach resolution #1 → support-manager
        11-29 08:50 breach resolution T1 #1
        11-29 08:50 ask breach resolution T1 #1 → support-manager
        11-29 10:50 remind breach resolution #1 → support-manager
        11-29 10:50 remind breach resolution T1 #1 → support-manager
        11-29 10:50 remind workaround T1 #1 level-4 → hitl
        11-29 12:50 escalate breach resolution #1 level-2 → escalation-manager
        11-29 12:50 escalate breach resolution T1 #1 level-2 → escalation-manager
        11-29 12:50 unanswered workaround T1 #1
        11-29 14:50 remind breach resolution #1 level-2 → escalation-manager
        11-29 14:50 remind breach resolution T1 #1 level-2 → escalation-manager
        11-29 16:50 escalate breach resolution #1 level-3 → vp-customer-support
        11-29 16:50 escalate breach resolution T1 #1 level-3 → vp-customer-support
        11-29 18:50 remind breach resolution #1 level-3 → vp-customer-support
        11-29 18:50 remind breach resolution T1 #1 level-3 → vp-customer-support
        11-29 20:50 escalate breach resolution #1 level-4 → hitl
        11-29 20:50 escalate breach resolution T1 #1 level-4 → hitl
        11-29 22:50 remind breach resolution #1 level-4 → hitl
        11-29 22:50 remind breach resolution T1 #1 level-4 → hitl
        11-30 00:50 unanswered breach resolution #1
        11-30 00:50 unanswered breach resolution T1 #1
        """
    )
    s.at("2026-12-20T10:00:00Z").drop("unblocked", "hitl", "T1", answer="assume eu-west")
    s.has("T1 accepted")


@story("EXE-17", "EXE-18", "EXE-26", "SLA-12")
def a_technical_dependency_over_three_days_of_downtime(s: Stage) -> None:
    """Only the highest rung that is due is carried out, the skipped ones recorded, and the post comes first."""
    _blocked(s, "technical", "the staging api answers 500")
    s.at("09:20")
    s.expect(
        """
        09:10 file 02-blocked.yaml #1
        09:10 ask blocker T1 #1 → technical-support-engineer
        09:10 notice T1 #1 blocked technical-support-engineer → technical-support-engineer
        """
    )
    s.says(f"{INBOX}/{ENGINEER}/acme-42.T1.a1.escalation.yaml", type="escalation", level=1)
    s.down("2026-11-23T09:30:00Z")
    s.at("2026-11-23T12:00:00Z")
    s.expect(
        """
        11-23 09:30 warn response #1 50%
        11-23 09:30 remind blocker T1 #1
        11-23 09:30 warn response #1 75%
        11-23 09:30 warn response #1 75%-manager
        11-23 09:30 warn response #1 90%
        11-23 09:30 warn response #1 90%-manager
        11-23 09:30 breach response #1
        11-23 09:30 ask breach response #1 → support-manager
        11-23 09:30 breach customer_update #1
        11-23 09:30 remind update #1 → customer-success-manager
        11-23 09:30 escalate blocker T1 #1 level-2
        11-23 09:30 escalate update #1 level-1
        11-23 09:30 escalate update #1 level-2
        11-23 09:30 escalate update #1 level-3 → hitl
        11-23 09:30 escalate blocker T1 #1 level-3
        11-23 09:30 escalate blocker T1 #1 level-4 → hitl
        11-23 09:30 warn resolution #1 50%
        11-23 09:30 warn resolution T1 #1 50%
        11-23 09:30 warn resolution T1 #1 target
        11-23 09:30 warn resolution #1 75%
        11-23 09:30 warn resolution #1 75%-manager
        11-23 09:30 proactive #1
        11-23 09:30 warn resolution T1 #1 75%
        11-23 09:30 warn resolution T1 #1 75%-manager
        11-23 09:30 warn resolution #1 90%
        11-23 09:30 warn resolution #1 90%-manager
        11-23 09:30 warn resolution T1 #1 90%
        11-23 09:30 warn resolution T1 #1 90%-manager
        11-23 09:30 breach resolution #1
        11-23 09:30 ask breach resolution #1 → support-manager
        11-23 09:30 breach resolution T1 #1
        11-23 09:30 ask breach resolution T1 #1 → support-manager
        11-23 11:30 remind blocker T1 #1 level-4 → hitl
        11-23 11:30 remind breach resolution #1 → support-manager
        11-23 11:30 remind breach resolution T1 #1 → support-manager
        11-23 11:30 remind breach response #1 → support-manager
        """
    )
    s.says(f"{INBOX}/hitl/acme-42.T1.a1.escalation-2.yaml", level=4,
           late={"due": "2026-11-20T21:10:00Z", "late_by_s": 217200})  # fmt: skip
    s.drop("resolved", ENGINEER, "T1", resolution="a restart helped")
    s.at("2026-11-23T12:01:00Z")
    s.has("T1 accepted")


@story("EXE-18", "MSG-11")
def nobody_is_chased_for_what_is_in_the_box(s: Stage) -> None:
    """An answer that arrived during the downtime is settled before anybody is reminded."""
    _blocked(s, "resource_constraint", "no time before Friday")
    s.at("09:20")
    s.expect(
        """
        09:10 file 02-blocked.yaml #1
        09:10 ask blocker T1 #1 → support-manager
        09:10 notice T1 #1 blocked technical-support-engineer → technical-support-engineer
        """
    )
    s.down("2026-11-23T09:30:00Z")
    s.at("2026-11-21T09:00:00Z").drop("decision", BOSS, "T1", decision="reassign", to=ENGINEER)
    s.at("2026-11-23T09:30:00Z")
    s.at("2026-11-23T09:40:00Z")
    s.expect(
        """
        11-23 09:30 file 03-decision.yaml #1
        11-23 09:30 warn response #1 50%
        11-23 09:30 warn response #1 75%
        11-23 09:30 warn response #1 75%-manager
        11-23 09:30 warn response #1 90%
        11-23 09:30 warn response #1 90%-manager
        11-23 09:30 breach response #1
        11-23 09:30 ask breach response #1 → support-manager
        11-23 09:30 breach customer_update #1
        11-23 09:30 remind update #1 → customer-success-manager
        11-23 09:30 escalate update #1 level-1
        11-23 09:30 escalate update #1 level-2
        11-23 09:30 escalate update #1 level-3 → hitl
        11-23 09:30 warn resolution #1 50%
        11-23 09:30 warn resolution T1 #1 50%
        11-23 09:30 keep T1 a1
        11-23 09:30 notice T1 reassigned-a1 → technical-writer
        11-23 09:30 warn resolution T1 #1 target
        11-23 09:30 warn resolution #1 75%
        11-23 09:30 warn resolution #1 75%-manager
        11-23 09:30 proactive #1
        11-23 09:30 warn resolution T1 #1 75%
        11-23 09:30 warn resolution T1 #1 75%-manager
        11-23 09:30 warn resolution #1 90%
        11-23 09:30 warn resolution #1 90%-manager
        11-23 09:30 warn resolution T1 #1 90%
        11-23 09:30 warn resolution T1 #1 90%-manager
        11-23 09:30 breach resolution #1
        11-23 09:30 ask breach resolution #1 → support-manager
        11-23 09:30 breach resolution T1 #1
        11-23 09:30 ask breach resolution T1 #1 → vp-customer-support
        11-23 09:30 assign T1 a2 → technical-support-engineer
        """
    )


@story("EXE-17", "EXE-18", "EXE-19")
def the_scope_is_unclear_to_the_planner_and_the_orchestrator(s: Stage) -> None:
    """The planner is asked, then the orchestrator; an acknowledgement stops the climb for the resolution time."""
    _blocked(s, "scope", "is the EU shop part of it?")
    s.at("13:30").drop("ack", "orchestrator", None, in_reply_to="acme-42.T1.a1.escalation-2")
    s.at("2026-11-21T09:00:00Z")
    s.expect(
        """
        09:10 file 02-blocked.yaml #1
        09:10 ask blocker T1 #1 → planner
        09:10 notice T1 #1 blocked technical-support-engineer → technical-support-engineer
        10:50 warn response #1 50% → customer-success-manager
        11:10 remind blocker T1 #1 → planner
        11:50 warn response #1 75% → customer-success-manager
        11:50 warn response #1 75%-manager → support-manager
        12:26 warn response #1 90% → customer-success-manager
        12:26 warn response #1 90%-manager → support-manager
        12:50 breach response #1
        12:50 ask breach response #1 → support-manager
        12:50 breach customer_update #1
        12:50 remind update #1 → customer-success-manager
        13:10 escalate blocker T1 #1 level-2 → orchestrator
        13:30 file 03-ack.yaml #1
        13:50 escalate update #1 level-1 → support-manager
        14:50 remind breach response #1 → support-manager
        14:50 escalate update #1 level-2 → vp-customer-support
        15:50 escalate update #1 level-3 → hitl
        16:50 escalate breach response #1 level-2 → escalation-manager
        18:50 remind breach response #1 level-2 → escalation-manager
        20:50 escalate breach response #1 level-3 → vp-customer-support
        22:50 remind breach response #1 level-3 → vp-customer-support
        11-21 00:50 escalate breach response #1 level-4 → hitl
        11-21 02:50 remind breach response #1 level-4 → hitl
        11-21 04:50 unanswered breach response #1
        11-21 08:50 warn resolution #1 50% → customer-success-manager
        11-21 08:55 warn resolution T1 #1 50% → technical-writer
        11-21 09:00 warn resolution T1 #1 target → technical-writer
        """
    )
    s.drop("unblocked", "planner", "T1", answer="no, only the US one")
    s.at("2026-11-21T09:01:00Z")
    s.has("T1 accepted")


@story("EXE-17")
def the_kind_is_derived_and_shown(s: Stage) -> None:
    """Stated in other words, derived from the text, or from NEEDS_CONTEXT; nobody is asked for his own."""
    s.case(
        {f"T{k}": {"assigned_to": ENGINEER} for k in range(1, 4)} | {"T4": {"assigned_to": BOSS}},
        tier=3, roster=None,
    )  # fmt: skip
    s.at("09:05")
    s.skip()
    s.drop("blocked", ENGINEER, "T1", blocker_type="external dependency", description="their gateway is down")
    s.drop("NEEDS_CONTEXT", ENGINEER, "T2", question="what does the customer mean?")
    s.drop("blocked", ENGINEER, "T3", description="the requirements are ambiguous about scope", ask=WRITER)
    s.drop("blocked", BOSS, "T4", description="no staff and no budget left")
    s.expect(
        """
        09:05 file 01-blocked.yaml #1
        09:05 file 02-NEEDS_CONTEXT.yaml #1
        09:05 file 03-blocked.yaml #1
        09:05 file 04-blocked.yaml #1
        09:05 ask blocker T1 #1 → engineering
        09:05 ask blocker T2 #1 → customer-success-manager
        09:05 ask blocker T3 #1 → technical-writer
        09:05 ask blocker T4 #1 → vp-customer-support
        """
    )
    for agent, name, derived in (
        ("engineering", "T1.a1.escalation", "stated as external_dependency"),
        (LIAISON, "T2.a1.consultation", "NEEDS_CONTEXT"),
        (WRITER, "T3.a1.escalation", "derived from its words: requirements, ambiguous, scope"),
        ("vp-customer-support", "T4.a1.consultation", "derived from its words: staff, budget"),
    ):
        found = s.read(f"{INBOX}/{agent}/acme-42.{name}.yaml")
        if s.strict:
            assert found["blocker"]["derived"] == derived


@story(
    "EXE-19", "EXE-9",
    roster={"platform-lead": {"expertise": ["platform"], "escalates_to": "vp-customer-support"}},
    escalations=[
        {"on": ["technical_dependency"], "after": "30 minutes", "to": ["platform-lead"], "match": {"priority": "high"}},
        {"on": "missing_answer", "who": "platform-lead", "after": "1 hour", "to": ["engineering", "hitl"]},
    ],
)  # fmt: skip
def a_new_rule_and_a_new_agent_come_from_configuration(s: Stage) -> None:
    """Who is asked, after how long, and who next: one row each, no code."""
    s.case({"T1": {"title": "Look at the platform"}, "T2": {"assigned_to": WRITER, "priority": "low"},
            "T3": {"assigned_to": ENGINEER}}, tier=3)  # fmt: skip
    s.has("T1 assigned")
    s.at("09:05")
    s.skip()
    s.drop("blocked", "platform-lead", "T1", blocker_type="technical_dependency", description="no access")
    s.drop("blocked", WRITER, "T2", blocker_type="technical_dependency", description="no access")
    s.drop("blocked", ENGINEER, "T3", blocker_type="technical_dependency", description="no access")
    s.at("12:00")
    s.expect(
        """
        09:05 file 01-blocked.yaml #1
        09:05 file 02-blocked.yaml #1
        09:05 file 03-blocked.yaml #1
        09:05 ask blocker T2 #1 → technical-support-engineer
        09:35 ask blocker T1 #1 → vp-customer-support
        09:35 ask blocker T3 #1 → platform-lead
        10:35 escalate blocker T3 #1 level-2 → engineering
        11:35 remind blocker T1 #1 → vp-customer-support
        """
    )


@story("EXE-17", "EXE-18", "MSG-4")
def two_blockers_of_one_task(s: Stage) -> None:
    """Another kind is another blocker with its own ladder; the same again asks nobody twice; the last answer frees."""
    _blocked(s, "missing_information", "which region?")
    s.at("09:20").drop("blocked", WRITER, "T1", blocker_type="missing_information", description="still: which region?")
    s.at("09:30").drop("blocked", WRITER, "T1", blocker_type="resource_constraint", description="no time either")
    s.at("09:40").drop("answer", LIAISON, "T1", answer="eu-west")
    s.has("T1 blocked")
    s.at("09:45").drop("answer", "stranger", "T1", answer="I know it")
    s.at("09:50").drop("answer", BOSS, "T1", answer="take Friday off the list")
    s.has("T1 accepted")
    s.expect(
        """
        09:10 file 02-blocked.yaml #1
        09:10 ask blocker T1 #1 → customer-success-manager
        09:10 notice T1 #1 blocked technical-support-engineer → technical-support-engineer
        09:20 file 03-blocked.yaml #1
        09:30 file 04-blocked.yaml #1
        09:30 ask blocker T1 #2 → support-manager
        09:30 notice T1 #2 blocked technical-support-engineer → technical-support-engineer
        09:40 file 05-answer.yaml #1
        09:40 answer blocker T1 #1 → technical-writer
        09:45 file 06-answer.yaml #1
        09:45 reason 06-answer.yaml #1
        09:50 file 07-answer.yaml #1
        09:50 answer blocker T1 #2 → technical-writer
        09:50 notice T1 #2 unblocked technical-support-engineer → technical-support-engineer
        """
    )
    s.holds(f"{CASE}/tasks/in_progress", "T1.yaml")
