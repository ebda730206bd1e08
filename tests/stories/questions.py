"""Stories of working together: questions that find who decides them, and answers that find their way back [EXE-19]."""

from __future__ import annotations

import os

from tests.stories.kit import ENGINEER, WRITER, Stage, story

BOSS = "support-manager"
INBOX = "_communication/inbox"


@story("EXE-19", "EXE-20", "MSG-4", "MSG-7")
def a_question_is_routed_and_its_answer_comes_back(s: Stage) -> None:
    """By who is named, by its topic, else to the asker's manager; only who was asked may answer."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=3)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.drop("ack", WRITER, "T2")
    s.at("09:09")
    s.skip()
    s.at("09:10").drop("consultation", WRITER, "T2", topic="resources", question="may I have a second writer?")
    s.at("09:11").drop("escalation", ENGINEER, "T1", reason="the customer wants a refund")
    s.at("09:12").drop(
        "review_request", WRITER, "T2", question="is the tone right?", reviewer="customer-success-manager"
    )
    s.at("09:13").drop("escalation", ENGINEER, None, topic="scope change", reason="they want the app too")
    s.at("09:14").drop("consultation", ENGINEER, "T1")
    s.expect(
        """
        09:10 file 03-consultation.yaml #1
        09:10 ask question T2 #1 → support-manager
        09:11 file 04-escalation.yaml #1
        09:11 ask question T1 #1 → escalation-manager
        09:12 file 05-review_request.yaml #1
        09:12 ask question T2 #2 → customer-success-manager
        09:13 file 06-escalation.yaml #1
        09:13 ask question T1 #2 → orchestrator
        09:14 file 07-consultation.yaml #1
        09:14 reason 07-consultation.yaml #1
        09:14 reject 07-consultation.yaml #1 → technical-support-engineer
        """
    )
    asked = s.read(f"{INBOX}/escalation-manager/acme-42.T1.a1.escalation.yaml")
    if s.strict:
        assert asked["asked_by"] == ENGINEER
        assert asked["question"]["reason"] == "the customer wants a refund"
        assert "type: decision" in asked["reply_with"]
    s.at("09:20").drop("consultation_response", BOSS, None, answer="yes, until Friday")
    s.at("09:21").drop("decision", "escalation-manager", "T1", decision="no refund before Monday")
    s.at("09:22").drop("review_response", ENGINEER, "T2", answer="looks fine to me")
    s.at("09:23").drop("review_response", "customer-success-manager", "T2", review="a bit stiff")
    s.at("09:24").drop("decision", "orchestrator", None, decision="no: next quarter")
    s.expect(
        """
        09:20 file 08-consultation_response.yaml #1
        09:20 answer question T2 #1 → technical-writer
        09:21 file 09-decision.yaml #1
        09:21 answer question T1 #1 → technical-support-engineer
        09:22 file 10-review_response.yaml #1
        09:22 reason 10-review_response.yaml #1
        09:22 reject 10-review_response.yaml #1 → technical-support-engineer
        09:23 file 11-review_response.yaml #1
        09:23 answer question T2 #2 → technical-writer
        09:24 file 12-decision.yaml #1
        09:24 answer question T1 #2 → technical-support-engineer
        """
    )
    answer = s.read(f"{INBOX}/{WRITER}/acme-42.T2.a1.answer.yaml")
    if s.strict:
        assert answer["content"]["answer"] == "yes, until Friday"
        assert answer["from_agent"] == BOSS


@story("MSG-4", "EXE-19")
def which_of_two_questions_is_meant(s: Stage) -> None:
    """With two unanswered an answer must say which, by `in_reply_to`; who was not asked is refused."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=3)
    s.at("09:05")
    s.skip()
    s.drop("consultation", WRITER, "T2", topic="resources", question="a second writer?")
    s.drop("consultation", ENGINEER, "T1", topic="resources", question="a second engineer?")
    s.at("09:10").drop("consultation_response", BOSS, None, answer="yes")
    s.at("09:11").drop("consultation_response", BOSS, None, answer="yes", in_reply_to="acme-42.T1.a1.consultation")
    s.at("09:12").drop("consultation_response", BOSS, None, answer="no")
    s.expect(
        """
        09:05 file 01-consultation.yaml #1
        09:05 file 02-consultation.yaml #1
        09:05 ask question T1 #1 → support-manager
        09:05 ask question T2 #1 → support-manager
        09:10 file 03-consultation_response.yaml #1
        09:10 reason 03-consultation_response.yaml #1
        09:10 reject 03-consultation_response.yaml #1 → support-manager
        09:11 file 04-consultation_response.yaml #1
        09:11 answer question T1 #1 → technical-support-engineer
        09:12 file 05-consultation_response.yaml #1
        09:12 answer question T2 #1 → technical-writer
        """
    )


@story("EXE-19", "EXE-20", "EXE-26", "SLA-12")
def an_escalation_nobody_acknowledges_climbs_to_hitl(s: Stage) -> None:
    """Once per level, over three days of downtime too; `hitl` decides, and the decision is applied."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.at("09:01").drop("failed", ENGINEER, "T1", reason="locked")
    s.at("09:02").drop("failed", ENGINEER, "T1", reason="locked again", attempt=2)
    s.at("09:10")
    s.has("T1 escalated")
    s.skip()
    s.down("2026-11-23T09:00:00Z")
    s.at("2026-11-23T12:00:00Z")
    s.expect(
        """
        11-23 09:00 warn response #1 50%
        11-23 09:00 remind escalation T1 #1
        11-23 09:00 warn response #1 75%
        11-23 09:00 warn response #1 75%-manager
        11-23 09:00 warn response #1 90%
        11-23 09:00 warn response #1 90%-manager
        11-23 09:00 breach response #1
        11-23 09:00 ask breach response #1 → vp-customer-support
        11-23 09:00 escalate task T1 #1 level-2
        11-23 09:00 escalate task T1 #1 level-3 → hitl
        11-23 09:00 warn resolution #1 50%
        11-23 09:00 warn resolution T1 #1 50%
        11-23 09:00 warn resolution T1 #1 target
        11-23 09:00 warn resolution #1 75%
        11-23 09:00 warn resolution #1 75%-manager
        11-23 09:00 proactive #1
        11-23 09:00 warn resolution T1 #1 75%
        11-23 09:00 warn resolution T1 #1 75%-manager
        11-23 09:00 warn resolution #1 90%
        11-23 09:00 warn resolution #1 90%-manager
        11-23 09:00 warn resolution T1 #1 90%
        11-23 09:00 warn resolution T1 #1 90%-manager
        11-23 09:00 breach resolution #1
        11-23 09:00 ask breach resolution #1 → vp-customer-support
        11-23 09:00 breach resolution T1 #1
        11-23 09:00 ask breach resolution T1 #1 → vp-customer-support
        11-23 11:00 remind breach resolution #1 → vp-customer-support
        11-23 11:00 remind breach resolution T1 #1 → vp-customer-support
        11-23 11:00 remind breach response #1 → vp-customer-support
        11-23 11:00 remind escalation T1 #1 level-3 → hitl
        """
    )
    s.drop("hitl_decision", "hitl", "T1", decision="let us see")
    s.at("2026-11-23T12:05:00Z").drop("hitl_decision", "hitl", "T1", decision={"action": "reassign", "to": WRITER})
    s.has("T1 assigned")
    s.expect(
        """
        11-23 12:00 file 03-hitl_decision.yaml #1
        11-23 12:00 reason 03-hitl_decision.yaml #1
        11-23 12:00 reject 03-hitl_decision.yaml #1 → hitl
        11-23 12:05 file 04-hitl_decision.yaml #1
        11-23 12:05 assign T1 a3 → technical-writer
        """
    )


@story("MSG-4", "MSG-6", "EXE-20")
def one_who_answers_for_anothers_task(s: Stage) -> None:
    """Who does not hold a task cannot change it; a supporter may say how it stands, not that it is done."""
    s.case({"T1": {"assigned_to": [ENGINEER, WRITER]}, "T2": {"assigned_to": "somebody-new"}}, tier=3)
    s.at("09:05")
    s.skip()
    s.done("chat-support-specialist", "T1")
    s.drop("progress", WRITER, "T1", percent=30)
    s.done(WRITER, "T1", name="supporter.yaml")
    s.drop("failed", "nobody-knows-him", "T1", reason="x")
    s.has("T1 assigned", "T2 assigned")
    s.expect(
        """
        09:05 file 01-completion.yaml #1
        09:05 file 02-progress.yaml #1
        09:05 file 04-failed.yaml #1
        09:05 file supporter.yaml #1
        09:05 reason 01-completion.yaml #1
        09:05 reason 04-failed.yaml #1
        09:05 reason supporter.yaml #1
        09:05 reject 01-completion.yaml #1 → chat-support-specialist
        09:05 reject supporter.yaml #1 → technical-writer
        """
    )


@story("EXE-6", "EXE-20", "MSG-7")
def a_checkpoints_reviewer_is_followed_up(s: Stage) -> None:
    """Reminded, then his manager is asked; an acknowledgement gives time; his release lets it go."""
    s.case(
        {"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}},
        plan={
            "tier": 3,
            "checkpoints": [{"id": "cp1", "after": ["T1"], "before": ["T2"], "review": "support-analyst"}],
        },
    )
    s.at("09:10").done(ENGINEER, "T1")
    s.at("09:11")
    s.skip()
    s.at("13:20").drop("ack", BOSS, None)
    s.at("13:30").drop("review_response", BOSS, None, text="T1 lacks a date")
    s.at("13:40").drop("review_response", BOSS, None, decision="approve")
    s.has("T2 assigned")
    s.expect(
        """
        11:10 remind checkpoint cp1 #1 → support-analyst
        13:10 escalate checkpoint cp1 #1 level-2 → support-manager
        13:20 file 02-ack.yaml #1
        13:30 file 03-review_response.yaml #1
        13:40 file 04-review_response.yaml #1
        13:40 assign T2 a1 → technical-writer
        13:40 move T2 #1 in_progress
        """
    )


@story("EXE-10", "MSG-6", "EXE-9")
def an_agent_on_nobodys_roster(s: Stage) -> None:
    """A name that nobody has goes to the next best, saying so; one with an inbox of his own is known and may work."""
    os.makedirs(f"{s.root}/{INBOX}/freelancer", exist_ok=True)
    s.case({"T1": {"assigned_to": "nobody-at-all"}, "T2": {"assigned_to": "freelancer"}}, tier=3)
    s.at("09:05")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 assign T1 a1 → customer-support-rep
        09:00 move T1 #1 in_progress
        09:00 assign T2 a1 → freelancer
        09:00 move T2 #1 in_progress
        """
    )
    s.says(f"{INBOX}/customer-support-rep/acme-42.T1.a1.delegation.yaml", instead_of="nobody-at-all")
    s.drop("blocked", "freelancer", "T2", description="no access to the api")
    s.drop("consultation", "nobody-at-all", "T1", question="may I?", topic="resources")
    s.drop("blocked", "customer-support-rep", "T1", description="whose account is it?", ask="the-ghost")
    s.at("09:06")
    s.expect(
        """
        09:05 file 01-blocked.yaml #1
        09:05 file 02-consultation.yaml #1
        09:05 file 03-blocked.yaml #1
        09:05 ask blocker T1 #1 → customer-success-manager
        09:05 ask blocker T2 #1 → technical-support-engineer
        09:05 ask question T1 #1 → support-manager
        """
    )
    s.drop("consultation_response", "support-manager", None, answer="who are you?",
           in_reply_to="acme-42.T1.a1.consultation-2")  # fmt: skip
    s.at("09:07")
    s.expect("09:06 file 04-consultation_response.yaml #1")
    s.holds(f"{INBOX}/nobody-at-all")


@story("EXE-6", "MSG-6")
def a_reviewer_nobody_knows(s: Stage) -> None:
    """Nothing is dropped into the void: what is for a name that nobody has goes to support-manager, saying so."""
    s.case(
        {"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}},
        plan={"tier": 3, "checkpoints": [{"id": "cp1", "after": ["T1"], "before": ["T2"], "review": "the-ghost"}]},
    )
    s.at("09:10").done(ENGINEER, "T1")
    s.at("09:11")
    s.skip()
    s.says(f"{INBOX}/{BOSS}/acme-42.checkpoint.yaml", meant_for="the-ghost", checkpoint="cp1")
    s.drop("release", BOSS, None, checkpoint="cp1")
    s.has("T2 assigned")
    s.holds(f"{INBOX}/the-ghost")
    s.skip()


@story("MSG-1", "MSG-4")
def an_answer_without_its_case_finds_the_question(s: Stage) -> None:
    """Who was asked one thing only need not say in which instruction; his own work in another is not meant."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=3)
    s.case({"T1": {"assigned_to": BOSS}}, case="beta-7", tier=3)
    s.at("09:05").drop("consultation", ENGINEER, "T1", topic="resources", question="a second engineer?")
    s.at("09:06")
    s.skip()
    s.drop("consultation_response", BOSS, None, case=None, answer="yes")
    s.at("09:07")
    s.expect(
        """
        09:06 file 02-consultation_response.yaml #1
        09:06 answer question T1 #1 → technical-support-engineer
        """
    )


@story("MSG-4", "EXE-20")
def authority_acknowledges_for_others(s: Stage) -> None:
    """The only thing that is asked about a task is meant; whoever holds it himself means his delegation."""
    s.case({"T1": {"assigned_to": WRITER}, "T2": {"assigned_to": BOSS}}, tier=3)
    s.at("09:05").drop("blocked", WRITER, "T1", description="no staff")
    s.drop("blocked", BOSS, "T2", description="no staff")
    s.at("09:06")
    s.skip()
    s.drop("ack", "operator", "T1")
    s.drop("ack", BOSS, "T2")
    s.drop("decision", "operator", "T1", decision="take Joe")
    s.at("14:00")
    s.expect(
        """
        09:06 file 03-ack.yaml #1
        09:06 file 04-ack.yaml #1
        09:06 file 05-decision.yaml #1
        09:06 answer blocker T1 #1 → technical-writer
        10:06 remind T1 a1 #1 → technical-writer
        10:36 status check T1 a1 #1 → technical-writer
        10:51 finalize T1 a1 #1 → technical-writer
        11:05 remind blocker T2 #1 → vp-customer-support
        11:06 time out T1 a1 #1
        11:06 keep T1 a1
        11:06 notice T1 timed-out-a1 → technical-writer
        11:06 assign T1 a2 → customer-support-rep
        13:05 escalate blocker T2 #1 level-2 → hitl
        13:06 warn response T1 a2 #1 50% → customer-support-rep
        """
    )
