"""Stories of tier 4: workstreams, checkpoints, changes in mid-run, and an executive who hears of it all [EXE-7]."""

from __future__ import annotations

from tests.stories.kit import CASE, ENGINEER, WRITER, Stage, story

BOSS = "support-manager"
VP = "vp-customer-support"
PLAN = {
    "tier": 4,
    "tasks": ["T1", "T2", "T3", "T4"],
    "checkpoints": [
        {"id": "cp1", "after": ["T1"], "before": ["T2", "T3"]},
        {"id": "cp2", "after": ["T2", "T3"], "before": ["T4"], "review": BOSS},
    ],
}
TASKS = {
    "T1": {"assigned_to": ENGINEER},
    "T2": {"workstream": "engineering"},
    "T3": {"workstream": "success"},
    "T4": {"assigned_to": WRITER},
}


@story("EXE-7", "EXE-6", "EXE-29")
def two_checkpoints_a_priority_change_and_an_added_task(s: Stage) -> None:
    """Each stream goes to its own; the executive hears of start, checkpoint, change, escalation, and at a cadence."""
    s.case(TASKS, plan=PLAN)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("09:30").done(ENGINEER, "T1")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 admit T3 #1
        09:00 admit T4 #1
        09:00 executive-update acme-42 #1 → vp-customer-support
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-ack.yaml #1
        09:30 file 02-completion.yaml #1
        09:30 result T1 a1
        09:30 move T1 #2 completed
        09:30 checkpoint cp1 #1
        09:30 executive-update acme-42 #2 → vp-customer-support
        09:30 assign T2 a1 → engineering
        09:30 move T2 #1 in_progress
        09:30 assign T3 a1 → customer-success-manager
        09:30 move T3 #1 in_progress
        """
    )
    told = s.read(f"_communication/inbox/{VP}/{CASE}.executive_update-2.yaml")
    if s.strict:
        assert told["because"] == ["checkpoint cp1 is reached"]
        assert told["percent"] == 25
        assert told["tasks"] == {"completed": ["T1"], "ready": ["T2", "T3"], "waiting": ["T4"]}
        assert told["workstreams"]["engineering"] == {"ended": 0, "tasks": 1}
    s.at("09:40").drop("priority_change", BOSS, None, priority="critical", reason="it is in the news")
    s.at("09:50").add("T5", {"assigned_to": WRITER})
    s.expect(
        """
        09:40 file 03-priority_change.yaml #1
        09:40 notice T2 #1 instruction-priority → engineering
        09:40 notice T3 #1 instruction-priority → customer-success-manager
        09:40 notice acme-42 #1 re-planned → planner
        09:40 executive-update acme-42 #3 → vp-customer-support
        09:50 admit T5 #1
        09:50 notice acme-42 #2 re-planned → planner
        09:50 executive-update acme-42 #4 → vp-customer-support
        09:50 assign T5 a1 → technical-writer
        09:50 move T5 #1 in_progress
        """
    )
    s.at("09:51").drop("ack", "engineering", "T2")
    s.drop("ack", "customer-success-manager", "T3")
    s.drop("ack", WRITER, "T5")
    s.at("09:55").drop("cancel", BOSS, "T5", reason="not needed after all")
    s.at("10:00").done("engineering", "T2")
    s.done("customer-success-manager", "T3")
    s.at("10:01")
    s.expect(
        """
        09:51 file 04-ack.yaml #1
        09:51 file 05-ack.yaml #1
        09:51 file 06-ack.yaml #1
        09:55 file 07-cancel.yaml #1
        09:55 notice T5 cancelled-1 → technical-writer
        09:55 notice acme-42 #3 re-planned → planner
        09:55 result T5 #1 cancelled
        09:55 move T5 #2 completed
        09:55 executive-update acme-42 #5 → vp-customer-support
        10:00 file 08-completion.yaml #1
        10:00 file 09-completion.yaml #1
        10:00 result T2 a1
        10:00 move T2 #2 completed
        10:00 result T3 a1
        10:00 move T3 #2 completed
        10:00 checkpoint cp2 #1 → support-manager
        10:00 executive-update acme-42 #6 → vp-customer-support
        """
    )
    s.down("2026-11-23T09:00:00Z")
    s.at("2026-11-23T14:00:00Z")
    s.expect(
        """
        11-23 09:00 remind checkpoint cp2 #1
        11-23 09:00 escalate checkpoint cp2 #1 level-2
        11-23 09:00 escalate checkpoint cp2 #1 level-3 → hitl
        11-23 09:00 executive-update acme-42 #7 → vp-customer-support
        11-23 09:15 remind checkpoint cp2 #1 level-3 → hitl
        11-23 10:00 unanswered checkpoint cp2 #1
        11-23 13:00 executive-update acme-42 #8 → vp-customer-support
        """
    )
    s.at("2026-12-23T14:00:00Z")
    s.expect("")
    s.drop("release", "hitl", None, checkpoint="cp2")
    s.at("2026-12-23T14:01:00Z")
    s.has("T4 assigned")


@story("EXE-7", escalations=[{"on": "executive_update", "after": "1 hour", "to": "chief"}], roster={"chief": {}})
def the_executives_cadence_is_a_row_of_the_configuration(s: Stage) -> None:
    """Who hears of a tier 4 instruction, and how often."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=4)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("11:30")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 executive-update acme-42 #1 → chief
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-ack.yaml #1
        10:00 executive-update acme-42 #2 → chief
        11:05 remind T1 a1 #1 → technical-support-engineer
        11:05 executive-update acme-42 #3 → chief
        """
    )
