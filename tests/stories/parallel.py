"""Stories of tasks side by side: dependencies, checkpoints, phases, room with agents, several cases."""

from __future__ import annotations

from tests.stories.kit import CASE, ENGINEER, WRITER, Stage, story

ANALYST = "support-analyst"
CLERK = {"clerk": {"capacity": 1, "expertise": ["filing"]}}


@story("EXE-6", "EXE-5")
def tier_3_goes_as_far_as_its_dependencies_let_it(s: Stage) -> None:
    """A diamond: what depends on nothing starts at once, its end starts when both streams have ended."""
    s.case(
        {
            "T1": {"title": "diagnose the api error", "assigned_to": ENGINEER},
            "T2": {"title": "fix", "assigned_to": ENGINEER, "depends_on": ["T1"]},
            "T3": {"title": "write the article", "assigned_to": WRITER, "depends_on": ["T1"]},
            "T4": {"title": "report", "assigned_to": ANALYST, "depends_on": ["T2", {"T3": "the text"}]},
            "T5": {"title": "count the tickets", "assigned_to": ANALYST},
        },
        tier=3,
    )
    s.has("T1 assigned", "T2 waiting", "T3 waiting", "T4 waiting", "T5 assigned")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 admit T3 #1
        09:00 admit T4 #1
        09:00 admit T5 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:00 assign T5 a1 → support-analyst
        09:00 move T5 #1 in_progress
        """
    )
    s.at("09:10").done(ENGINEER, "T1")
    s.expect(
        """
        09:10 file 01-completion.yaml #1
        09:10 result T1 a1
        09:10 move T1 #2 completed
        09:10 handoff T2 a1 #1 T1 → technical-support-engineer
        09:10 assign T2 a1 → technical-support-engineer
        09:10 move T2 #1 in_progress
        09:10 handoff T3 a1 #1 T1 → technical-writer
        09:10 assign T3 a1 → technical-writer
        09:10 move T3 #1 in_progress
        """
    )
    s.at("09:20").done(WRITER, "T3")
    s.has("T2 assigned", "T4 waiting")
    s.at("09:30").done(ENGINEER, "T2")
    s.at("09:40").done(ANALYST, "T4")
    s.at("09:50").done(ANALYST, "T5")
    s.expect(
        """
        09:20 file 02-completion.yaml #1
        09:20 result T3 a1
        09:20 move T3 #2 completed
        09:30 file 03-completion.yaml #1
        09:30 result T2 a1
        09:30 move T2 #2 completed
        09:30 handoff T4 a1 #1 T2 → support-analyst
        09:30 handoff T4 a1 #2 T3 → support-analyst
        09:30 assign T4 a1 → support-analyst
        09:30 move T4 #1 in_progress
        09:40 file 04-completion.yaml #1
        09:40 result T4 a1
        09:40 move T4 #2 completed
        09:50 file 05-completion.yaml #1
        09:50 result T5 a1
        09:50 move T5 #2 completed
        09:50 aggregate #1
        09:50 request component follow_up_plan #1 → support-analyst
        09:50 request component knowledge_base_article #1 → knowledge-base-manager
        09:50 request component preventive_measures #1 → support-analyst
        09:50 request component resolution_steps #1 → support-analyst
        09:50 request component root_cause_analysis #1 → support-analyst
        """
    )


@story("EXE-6", "MSG-4")
def a_checkpoint_waits_for_its_reviewer(s: Stage) -> None:
    """Nothing behind a checkpoint starts until all before it are verified and its reviewer has sent `release`."""
    s.case(
        {"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}, "T3": {"assigned_to": ANALYST}},
        plan={
            "tier": 3,
            "tasks": ["T1", "T2", "T3"],
            "checkpoints": [
                {"id": "cp1", "after": ["T1", "T2"], "before": ["T3"], "review": "support-quality-analyst"}
            ],
        },
    )
    s.at("09:05").drop("release", "support-quality-analyst", checkpoint="cp1")
    s.at("09:10").done(ENGINEER, "T1")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 admit T3 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:00 assign T2 a1 → technical-writer
        09:00 move T2 #1 in_progress
        09:05 file 01-release.yaml #1
        09:05 reason 01-release.yaml #1
        09:05 reject 01-release.yaml #1 → support-quality-analyst
        09:10 file 02-completion.yaml #1
        09:10 result T1 a1
        09:10 move T1 #2 completed
        """
    )
    s.at("09:20").done(WRITER, "T2")
    s.has("T3 waiting")
    s.at("09:30").drop("release", WRITER, checkpoint="cp1")
    s.expect(
        """
        09:20 file 03-completion.yaml #1
        09:20 result T2 a1
        09:20 move T2 #2 completed
        09:20 checkpoint cp1 #1 → support-quality-analyst
        09:30 file 04-release.yaml #1
        09:30 reason 04-release.yaml #1
        09:30 reject 04-release.yaml #1 → technical-writer
        """
    )
    s.at("09:40").drop("release", "support-quality-analyst", checkpoint="cp1")
    s.has("T3 assigned")
    s.expect(
        """
        09:40 file 05-release.yaml #1
        09:40 assign T3 a1 → support-analyst
        09:40 move T3 #1 in_progress
        """
    )


@story("EXE-6", "EXE-1")
def phases_follow_one_another(s: Stage) -> None:
    """The end of a phase is a checkpoint without a reviewer; a deferred task does not keep it shut."""
    s.case(
        {"A1": {"assigned_to": ENGINEER}, "A2": {"assigned_to": WRITER}, "B1": {"assigned_to": ANALYST}},
        plan={"tier": 3, "phases": [{"phase": "find", "tasks": ["A1", "A2"]}, {"phase": "tell", "tasks": ["B1"]}]},
    )
    s.at("09:10").done(ENGINEER, "A1")
    s.has("B1 waiting")
    s.at("09:20").drop("defer", "support-manager", "A2", reason="not this month")
    s.has("B1 assigned")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit A1 #1
        09:00 admit A2 #1
        09:00 admit B1 #1
        09:00 assign A1 a1 → technical-support-engineer
        09:00 move A1 #1 in_progress
        09:00 assign A2 a1 → technical-writer
        09:00 move A2 #1 in_progress
        09:10 file 01-completion.yaml #1
        09:10 result A1 a1
        09:10 move A1 #2 completed
        09:20 file 02-defer.yaml #1
        09:20 notice A2 deferred-1 → technical-writer
        09:20 result A2 #1 deferred
        09:20 move A2 #2 completed
        09:20 assign B1 a1 → support-analyst
        09:20 move B1 #1 in_progress
        """
    )


@story("EXE-10", "EXE-11", "EXE-9", roster=CLERK)
def a_full_agent_takes_the_next_when_one_is_done(s: Stage) -> None:
    """At capacity a task waits for the agent it names; the freed place goes to the one with the least slack."""
    s.case(
        {
            "T1": {"assigned_to": "clerk"},
            "T2": {"assigned_to": "clerk"},
            "T3": {"assigned_to": "clerk", "sla_resolution": "6 hours"},
        },
        tier=3,
    )
    s.has("T1 ready", "T2 ready", "T3 assigned")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 admit T3 #1
        09:00 assign T3 a1 → clerk
        09:00 move T3 #1 in_progress
        """
    )
    s.at("09:30").done("clerk", "T3")
    s.has("T1 assigned", "T2 ready")
    s.at("10:00").drop("declined", "clerk", "T1", reason="no access")
    s.expect(
        """
        09:30 file 01-completion.yaml #1
        09:30 result T3 a1
        09:30 move T3 #2 completed
        09:30 assign T1 a1 → clerk
        09:30 move T1 #1 in_progress
        10:00 file 02-declined.yaml #1
        10:00 keep T1 a1
        10:00 assign T2 a1 → clerk
        10:00 move T2 #1 in_progress
        10:00 assign T1 a2 → customer-support-rep
        """
    )


@story("EXE-10", "EXE-12", roster=CLERK)
def who_has_no_room_in_time_is_passed_over(s: Stage) -> None:
    """A task waits for the agent it names until its limit - effort; then another capable one with room gets it."""
    s.case(
        {
            "T1": {"title": "filing", "assigned_to": "clerk", "estimated_effort": "2 hours"},
            "T2": {"title": "diagnose the api error", "assigned_to": "clerk", "sla_resolution": "4 hours",
                   "estimated_effort": "1 hour", "priority": "low"},
        },
        tier=3,
        priority="high",
        sla_resolution="3 hours",
    )  # fmt: skip
    s.has("T1 assigned", "T2 ready")
    s.skip()
    s.at("12:00")
    s.expect(
        """
        09:50 relieve T1 a1 → support-manager
        09:50 proactive #1
        09:50 expedite #1 → support-manager
        10:20 warn resolution #1 50% → support-manager
        10:25 warn resolution T1 #1 50% → clerk
        10:50 warn response #1 50% → support-manager
        10:50 assign T2 a1 → technical-support-engineer
        10:50 move T2 #1 in_progress
        11:00 warn response T1 a1 #1 50% → clerk
        11:05 warn resolution #1 75% → support-manager
        11:05 warn resolution #1 75%-manager → vp-customer-support
        11:07:30 warn resolution T1 #1 75% → clerk
        11:07:30 warn resolution T1 #1 75%-manager → support-manager
        11:20 warn resolution T2 #1 50% → technical-support-engineer
        11:32 warn resolution #1 90% → support-manager
        11:32 warn resolution #1 90%-manager → vp-customer-support
        11:33 warn resolution T1 #1 90% → clerk
        11:33 warn resolution T1 #1 90%-manager → support-manager
        11:35 warn resolution T2 #1 75% → technical-support-engineer
        11:35 warn resolution T2 #1 75%-manager → escalation-manager
        11:44 warn resolution T2 #1 90% → technical-support-engineer
        11:44 warn resolution T2 #1 90%-manager → escalation-manager
        11:50 remind expedite #1 → support-manager
        11:50 remind overload T1 a1 → support-manager
        11:50 breach resolution #1
        11:50 ask breach resolution #1 → vp-customer-support
        11:50 breach resolution T1 #1
        11:50 ask breach resolution T1 #1 → support-manager
        11:50 breach resolution T2 #1
        11:50 ask breach resolution T2 #1 → escalation-manager
        11:50 warn response #1 75% → support-manager
        11:50 warn response #1 75%-manager → vp-customer-support
        12:00 warn response T1 a1 #1 75% → clerk
        12:00 warn response T1 a1 #1 75%-manager → support-manager
        """
    )
    s.says(f"_communication/inbox/{ENGINEER}/acme-42.T2.a1.delegation.yaml", instead_of="clerk")


@story("EXE-10", "EXE-11", "REL-2")
def places_given_in_one_step_go_back_and_forth_between_cases(s: Stage) -> None:
    """Whose turn it is, is a matter of urgency across cases; what each was told of the other's load stays true."""
    high, low = {"priority": "high"}, {"priority": "low"}
    s.case({"T1": {"assigned_to": ENGINEER, **high}, "T2": {"title": "what others have", **low}}, tier=3)
    first, third = {"priority": "critical"}, {"priority": "medium"}
    s.case({"T1": {"assigned_to": ENGINEER, **first}, "T2": {"assigned_to": ENGINEER, **third}}, case="zeta-7", tier=3)
    s.expect(
        """
        09:00 [zeta-7] open zeta-7
        09:00 [zeta-7] admit T1 #1
        09:00 [zeta-7] admit T2 #1
        09:00 [zeta-7] assign T1 a1 → technical-support-engineer
        09:00 [zeta-7] move T1 #1 in_progress
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:00 [zeta-7] assign T2 a1 → technical-support-engineer
        09:00 [zeta-7] move T2 #1 in_progress
        09:00 assign T2 a1 → customer-support-rep
        09:00 move T2 #1 in_progress
        """
    )


@story("EXE-10", "EXE-11", roster=CLERK)
def two_cases_share_an_agent(s: Stage) -> None:
    """An agent's places are counted over all cases; the more urgent case goes first, and no place is taken twice."""
    s.case({"T1": {"assigned_to": "clerk"}}, tier=1, priority="low")
    s.case({"T1": {"assigned_to": "clerk"}}, case="beta-7", tier=1, priority="critical")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 [beta-7] open beta-7
        09:00 [beta-7] admit T1 #1
        09:00 [beta-7] assign T1 a1 → clerk
        09:00 [beta-7] move T1 #1 in_progress
        """
    )
    s.at("09:10").done("clerk", "T1", case="beta-7")
    s.at("09:20").drop("completion", "clerk", case=None, summary="done", output="filed")
    s.expect(
        """
        09:05 [beta-7] warn response #1 target → support-manager
        09:10 [beta-7] file 01-completion.yaml #1
        09:10 [beta-7] result T1 a1
        09:10 [beta-7] move T1 #2 completed
        09:10 assign T1 a1 → clerk
        09:10 move T1 #1 in_progress
        09:10 [beta-7] aggregate #1
        09:10 [beta-7] request component follow_up_plan #1 → clerk
        09:10 [beta-7] request component knowledge_base_article #1 → knowledge-base-manager
        09:10 [beta-7] request component preventive_measures #1 → clerk
        09:10 [beta-7] request component resolution_steps #1 → clerk
        09:10 [beta-7] request component root_cause_analysis #1 → support-analyst
        09:20 file 02-completion.yaml #1
        09:20 result T1 a1
        09:20 move T1 #2 completed
        09:20 aggregate #1
        09:20 request component follow_up_plan #1 → clerk
        09:20 request component knowledge_base_article #1 → knowledge-base-manager
        09:20 request component preventive_measures #1 → clerk
        09:20 request component resolution_steps #1 → clerk
        09:20 request component root_cause_analysis #1 → support-analyst
        """
    )


@story("MSG-1")
def a_message_without_its_case_finds_it(s: Stage) -> None:
    """It is the sender's only open task that fits; with two that fit he is asked which, and nothing is guessed."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.case({"T1": {"assigned_to": ENGINEER}}, case="beta-7", tier=1)
    s.case({"T9": {"assigned_to": WRITER}}, case="gamma", tier=1)
    s.skip()
    s.at("09:10").drop("ack", WRITER, case=None)
    s.at("09:20").drop("ack", ENGINEER, "T1", case=None)
    s.at("09:30").drop("ack", ENGINEER, "T1", case="nowhere")
    s.expect(
        """
        09:10 [gamma] file 01-ack.yaml #1
        09:25 [gamma] remind T9 a1 #1 → technical-writer
        """
    )
    refused = ("02-ack.reason.yaml", "02-ack.yaml", "03-ack.reason.yaml", "03-ack.yaml")
    s.holds("_communication/inbox/executor/.rejected/2026-11-20", *refused)
    s.says(
        f"_communication/inbox/{ENGINEER}/executor.clarification_request.02-ack.yaml",
        your_open_tasks=["acme-42/T1", "beta-7/T1"],
    )
    s.holds(f"{CASE}/outputs/partial", "journal.yaml", "progress.yaml")
