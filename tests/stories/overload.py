"""Stories of too much work: ten tasks for three places, and a task that will miss its limit [EXE-10, EXE-12]."""

from __future__ import annotations

from tests.stories.kit import ENGINEER, WRITER, Stage, story

BOSS = "support-manager"
ANALYST = "support-analyst"


@story("EXE-10", "EXE-11", "EXE-12", roster={"junior": {"expertise": ["api"]}})
def ten_tasks_and_three_places(s: Stage) -> None:
    """Three are given, seven wait for room; what a hand forces beyond it goes to a colleague, or is asked about."""
    s.case(
        {f"T{k:02}": {"assigned_to": ENGINEER, "title": "Trace the api error"} for k in range(1, 11)},
        plan={"tier": 3},
    )
    s.at("09:05")
    s.has("T01 assigned", "T02 assigned", "T03 assigned", "T04 ready", "T10 ready")
    s.skip()
    s.drop("ack", ENGINEER, "T01")
    s.at("09:10").hand("T10", "pending", "in_progress")
    s.expect(
        """
        09:05 file 01-ack.yaml #1
        09:10 hand-move T10 #1 in_progress
        09:10 assign T10 a1 → technical-support-engineer
        09:10 relieve T10 a1 → technical-support-engineer
        09:10 keep T10 a1
        09:10 assign T10 a2 → junior
        """
    )
    s.at("09:20").done(ENGINEER, "T01")
    s.has("T04 assigned", "T05 ready", "T10 assigned")
    s.skip()


@story("EXE-12", "EXE-28")
def what_an_agent_accepted_is_asked_about(s: Stage) -> None:
    """Accepted tasks are moved only by support-manager; what a person placed by name stays there."""
    s.case({f"T{k}": {"assigned_to": ENGINEER} for k in range(1, 5)}, plan={"tier": 3})
    s.at("09:05")
    s.skip()
    for k in range(1, 4):
        s.drop("ack", ENGINEER, f"T{k}")
    s.at("09:10").drop("reassign", BOSS, "T4", to=ENGINEER, reason="he knows it best")
    s.expect(
        """
        09:05 file 01-ack.yaml #1
        09:05 file 02-ack.yaml #1
        09:05 file 03-ack.yaml #1
        09:10 file 04-reassign.yaml #1
        09:10 assign T4 a1 → technical-support-engineer
        09:10 move T4 #1 in_progress
        09:10 overload T3 a1 → support-manager
        """
    )
    s.says(
        f"_communication/inbox/{BOSS}/acme-42.T3.a1.consultation.yaml", decision_needed=f"whether {ENGINEER} keeps it"
    )
    s.at("09:20").drop("decision", BOSS, "T3", decision="reassign", to=WRITER, reason="overload")
    s.has("T3 assigned")
    s.expect(
        """
        09:20 file 05-decision.yaml #1
        09:20 keep T3 a1
        09:20 notice T3 reassigned-a1 → technical-support-engineer
        09:20 assign T3 a2 → technical-writer
        """
    )


@story("EXE-12", roster={ANALYST: {"silence": "10 days"}, WRITER: {"silence": "10 days"}},
       policies=[{"match": {}, "response": "9 days - 10 days"}])  # fmt: skip
def a_task_that_will_miss_its_limit(s: Stage) -> None:
    """At limit - remaining effort: not accepted, it goes to a less loaded colleague; accepted, it is asked about."""
    s.case(
        {
            "T1": {"assigned_to": ANALYST, "title": "An analytics report on quality", "estimated_effort": "6 hours"},
            "T2": {"assigned_to": WRITER, "estimated_effort": "6 hours"},
            "T3": {"assigned_to": ANALYST},
        },
        plan={"tier": 3}, sla_resolution="24 hours",
    )  # fmt: skip
    s.at("09:05").drop("ack", WRITER, "T2")
    s.at("20:00").drop("progress", WRITER, "T2", percent=50)
    s.at("2026-11-21T08:00:00Z")
    s.told = [line for line in s.told if " T1 " in line or "T2" in line]
    s.expect(
        """
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 assign T1 a1 → support-analyst
        09:00 move T1 #1 in_progress
        09:00 assign T2 a1 → technical-writer
        09:00 move T2 #1 in_progress
        11-21 02:50 relieve T1 a1 → support-analyst
        11-21 02:50 keep T1 a1
        11-21 02:50 assign T1 a2 → support-quality-analyst
        11-21 05:50 overload T2 a1 → support-manager
        """
    )
