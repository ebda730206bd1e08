"""Stories of muted cases and agents: what only reminds or notifies is not sent, and not made up for."""

from __future__ import annotations

from tests.stories.kit import ENGINEER, UPDATE, Stage, story

LIAISON = "customer-success-manager"


def _blocked(s: Stage) -> None:
    """A critical case whose only task is blocked: its ask is reminded after 15 minutes and climbs every hour."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, priority="critical")
    s.look()
    s.drop("blocked", ENGINEER, "T1", description="the account is unclear")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:00 file 01-blocked.yaml #1
        09:00 ask blocker T1 #1 → customer-success-manager
        """
    )


@story("OPS-15", "MEM-17")
def a_muted_case_reminds_nobody_and_makes_up_for_nothing(s: Stage) -> None:
    """In the window each rung is noted and not sent; after it the ladder goes on at its next rung, without a storm."""
    _blocked(s)
    s.at("09:05").drop("mute", "support-manager", **{"for": "2h"}, reason="the customer's maintenance window")
    s.at("11:06")
    s.expect(
        """
        09:05 file 02-mute.yaml #1
        09:15 remind blocker T1 #1
        10:00 escalate blocker T1 #1 level-2
        11:00 escalate blocker T1 #1 level-3
        """
    )
    s.holds("_communication/inbox/support-manager")
    s.at("13:30")
    s.expect(
        """
        12:00 escalate blocker T1 #1 level-4 → hitl
        12:15 remind blocker T1 #1 level-4 → hitl
        12:50 warn resolution #1 target → support-manager
        13:00 unanswered blocker T1 #1
        13:00 warn resolution T1 #1 target → technical-support-engineer
        """
    )


@story("OPS-15", "SLA-12", "MEM-17")
def a_mute_that_ended_while_the_daemon_was_down(s: Stage) -> None:
    """What fell into the window is not sent after it either; what fell due after it is."""
    _blocked(s)
    s.at("09:05").drop("mute", "support-manager", until="2026-11-20T09:45:00Z")
    s.at("09:06").down("+35m")
    s.at("09:50")
    s.at("10:01")
    s.expect(
        """
        09:05 file 02-mute.yaml #1
        09:41 remind blocker T1 #1
        10:00 escalate blocker T1 #1 level-2 → support-manager
        """
    )


@story("OPS-15")
def unmuted_it_goes_on_from_then(s: Stage) -> None:
    """`unmute` ends the window at once; what was not sent stays unsent."""
    _blocked(s)
    s.at("09:05").drop("mute", "support-manager", **{"for": "1 day"})
    s.at("09:30").drop("unmute", "support-manager")
    s.at("10:16")
    s.expect(
        """
        09:05 file 02-mute.yaml #1
        09:15 remind blocker T1 #1
        09:30 file 03-unmute.yaml #1
        10:00 escalate blocker T1 #1 level-2 → support-manager
        10:15 remind blocker T1 #1 level-2 → support-manager
        """
    )


@story("OPS-15", "EXE-16", "EXE-26", "INC-3")
def muted_the_taking_away_ladder_goes_on(s: Stage) -> None:
    """A holder who says nothing is reminded, asked, closed and told so as ever; so is who does not take a role up."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, priority="critical")
    s.skip()
    s.at("09:05").drop("mute", "support-manager", **{"for": "4h"})
    s.at("10:16")
    s.expect(
        """
        09:05 file 01-mute.yaml #1
        09:05 warn response #1 target
        09:15 warn response T1 a1 #1 target
        09:20 warn response #1 50%
        09:30 warn response T1 a1 #1 50%
        09:35 warn response #1 75%
        09:35 warn response #1 75%-manager
        09:44 warn response #1 90%
        09:44 warn response #1 90%-manager
        09:45 warn response T1 a1 #1 75%
        09:45 warn response T1 a1 #1 75%-manager
        09:50 breach response #1
        09:50 ask breach response #1
        09:50 incident inc-acme-42-1 opened
        09:50 ask role commander inc-acme-42-1 → escalation-manager
        09:50 copy ask role commander inc-acme-42-1 → war-room-inc-acme-42-1
        09:50 ask role customer_liaison inc-acme-42-1 → customer-success-manager
        09:50 copy ask role customer_liaison inc-acme-42-1 → war-room-inc-acme-42-1
        09:50 ask role scribe inc-acme-42-1 → support-analyst
        09:50 copy ask role scribe inc-acme-42-1 → war-room-inc-acme-42-1
        09:50 ask role technical_lead inc-acme-42-1 → technical-support-engineer
        09:50 copy ask role technical_lead inc-acme-42-1 → war-room-inc-acme-42-1
        09:50 incident inc-acme-42-1 told support-manager → support-manager
        09:50 copy incident inc-acme-42-1 told support-manager → war-room-inc-acme-42-1
        09:50 incident inc-acme-42-1 told vp-customer-support → vp-customer-support
        09:50 copy incident inc-acme-42-1 told vp-customer-support → war-room-inc-acme-42-1
        09:54 warn response T1 a1 #1 90%
        09:54 warn response T1 a1 #1 90%-manager
        09:55 escalate role commander inc-acme-42-1 level-2 → vp-customer-support
        09:55 copy escalate role commander inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        09:55 escalate role customer_liaison inc-acme-42-1 level-2 → customer-advocacy-manager
        09:55 copy escalate role customer_liaison inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        09:55 escalate role scribe inc-acme-42-1 level-2 → support-quality-analyst
        09:55 copy escalate role scribe inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        09:55 escalate role technical_lead inc-acme-42-1 level-2 → engineering
        09:55 copy escalate role technical_lead inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        10:00 escalate role commander inc-acme-42-1 level-3 → support-manager
        10:00 copy escalate role commander inc-acme-42-1 level-3 → war-room-inc-acme-42-1
        10:00 escalate role customer_liaison inc-acme-42-1 level-3 → account-manager
        10:00 copy escalate role customer_liaison inc-acme-42-1 level-3 → war-room-inc-acme-42-1
        10:00 escalate role scribe inc-acme-42-1 level-3 → support-operations-manager
        10:00 copy escalate role scribe inc-acme-42-1 level-3 → war-room-inc-acme-42-1
        10:00 escalate role technical_lead inc-acme-42-1 level-3 → escalation-manager
        10:00 copy escalate role technical_lead inc-acme-42-1 level-3 → war-room-inc-acme-42-1
        10:00 remind T1 a1 #1 → technical-support-engineer
        10:00 copy remind T1 a1 #1 → war-room-inc-acme-42-1
        10:00 breach response T1 a1 #1
        10:00 ask breach response T1 a1 #1
        10:05 escalate role commander inc-acme-42-1 level-4 → hitl
        10:05 copy escalate role commander inc-acme-42-1 level-4 → war-room-inc-acme-42-1
        10:05 escalate role customer_liaison inc-acme-42-1 level-4 → hitl
        10:05 copy escalate role customer_liaison inc-acme-42-1 level-4 → war-room-inc-acme-42-1
        10:05 escalate role scribe inc-acme-42-1 level-4 → hitl
        10:05 copy escalate role scribe inc-acme-42-1 level-4 → war-room-inc-acme-42-1
        10:05 escalate role technical_lead inc-acme-42-1 level-4 → hitl
        10:05 copy escalate role technical_lead inc-acme-42-1 level-4 → war-room-inc-acme-42-1
        10:07:30 status check T1 a1 #1 → technical-support-engineer
        10:07:30 copy status check T1 a1 #1 → war-room-inc-acme-42-1
        10:10 unanswered role commander inc-acme-42-1
        10:10 unanswered role customer_liaison inc-acme-42-1
        10:10 unanswered role scribe inc-acme-42-1
        10:10 unanswered role technical_lead inc-acme-42-1
        10:11:15 finalize T1 a1 #1 → technical-support-engineer
        10:11:15 copy finalize T1 a1 #1 → war-room-inc-acme-42-1
        10:14 ask stakeholders inc-acme-42-1 #1 → hitl
        10:14 copy ask stakeholders inc-acme-42-1 #1 → war-room-inc-acme-42-1
        10:15 time out T1 a1 #1
        10:15 keep T1 a1
        10:15 notice T1 timed-out-a1 → technical-support-engineer
        10:15 copy notice T1 timed-out-a1 → war-room-inc-acme-42-1
        10:15 assign T1 a2 → customer-support-rep
        10:15 copy assign T1 a2 → war-room-inc-acme-42-1
        """
    )


@story("OPS-15", "MEM-17")
def a_muted_agent_hears_nothing_of_any_case(s: Stage) -> None:
    """It stands in `.paused.yaml`, survives restarts, and holds for messages to that agent only."""
    _blocked(s)
    s.case({"T1": {"assigned_to": ENGINEER}}, case="b", tier=1, priority="critical")
    s.rings.everything = True
    s.look()
    s.drop("blocked", ENGINEER, "T1", case="b", description="the account is unclear")
    s.skip()
    s.at("09:05").drop("mute", "operator", case=None, target_agent=LIAISON, **{"for": "50m"}, reason="on a plane")
    s.restart()
    s.says(
        "_communication/inbox/executor/.paused.yaml",
        muted={
            LIAISON: {
                "by": "operator", "at": "2026-11-20T09:05:00Z", "until": "2026-11-20T09:55:00Z", "reason": "on a plane",
            }
        },
    )  # fmt: skip
    s.at("10:01")
    s.expect(
        """
        09:15 remind blocker T1 #1
        09:15 [b] remind blocker T1 #1
        10:00 escalate blocker T1 #1 level-2 → support-manager
        10:00 [b] escalate blocker T1 #1 level-2 → support-manager
        """
    )
    s.drop("mute", "operator", case=None, target_agent="support-manager", **{"for": "4h"})
    s.at("10:02").drop("unmute", "operator", case=None, target_agent="support-manager")
    s.at("10:16")
    s.expect(
        """
        10:15 remind blocker T1 #1 level-2 → support-manager
        10:15 [b] remind blocker T1 #1 level-2 → support-manager
        """
    )


@story("MSG-4", "CON-5")
def who_may_not_mute_and_what_says_too_little(s: Stage) -> None:
    """Without authority, without an end, with one that is over, and about nothing: refused with the reason."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.skip()
    s.drop("mute", ENGINEER, **{"for": "4h"})
    s.drop("mute", "support-manager")
    s.drop("mute", "support-manager", until="2026-11-19T09:00:00Z")
    s.drop("mute", "support-manager", case=None, **{"for": "4h"})
    s.drop("mute", ENGINEER, case=None, target_agent="planner", **{"for": "4h"})
    s.skip()
    rejected = "_communication/inbox/executor/.rejected/2026-11-20"
    reasons = [s.read(f"{rejected}/0{k}-mute.reason.yaml").get("reason") for k in range(1, 6)]
    assert not s.strict or reasons == [
        "technical-support-engineer may not send mute",
        "it does not say for how long",
        "2026-11-19T09:00:00Z is over already",
        "it says neither which instruction nor which agent",
        "technical-support-engineer may not send mute",
    ]


@story("OPS-15", "SLA-14", "SLA-17", channels={"mail": {"type": "email"}})
def muted_the_customers_updates_go_on(s: Stage) -> None:
    """The liaison is asked for them and they are delivered; only that they are overdue is said to nobody."""
    customer = {"name": "Acme", "contact": "ops@acme.example"}
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, priority="critical", customer=customer)
    s.drop("hold", "operator", "T1", reason="this story is about the customer")
    s.skip()
    s.at("09:01").drop("mute", "support-manager", **{"for": "3h"})
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.carried(1)
    s.at("10:30")
    s.expect(
        """
        09:01 file 02-mute.yaml #1
        09:05 warn response #1 target
        09:10 file 03-customer_update.yaml #1
        09:10 update #1
        09:10 send update #1 via mail
        09:10 delivered update #1 via mail
        09:58 ask update #2 → customer-success-manager
        10:10 breach customer_update #2
        10:10 remind update #2
        10:25 escalate update #2 level-1
        """
    )


@story("OPS-15", "EXE-7", "REL-4")
def an_executive_is_not_told_of_a_muted_case(s: Stage) -> None:
    """His updates are noted and not sent; the case goes on, and after the window he hears of what comes then."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": ENGINEER}}, tier=4)
    s.look()
    s.at("09:01").drop("mute", "support-manager", **{"for": "1h"}, reason="a drill")
    s.at("09:30").drop("priority_change", "support-manager", None, priority="medium", reason="they call")
    s.at("09:31")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 executive-update acme-42 #1 → vp-customer-support
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:00 assign T2 a1 → technical-support-engineer
        09:00 move T2 #1 in_progress
        09:01 file 01-mute.yaml #1
        09:30 file 02-priority_change.yaml #1
        09:30 notice T1 #1 instruction-priority
        09:30 notice T2 #1 instruction-priority
        09:30 notice acme-42 #1 re-planned
        09:30 executive-update acme-42 #2
        """
    )
