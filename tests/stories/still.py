"""Stories of standing still: on hold, paused, held, deferred and cancelled."""

from __future__ import annotations

import os

from tests.stories.kit import CASE, ENGINEER, WRITER, Stage, story

BOSS = "support-manager"


@story("EXE-25")
def on_hold_until_released_or_72_hours_are_over(s: Stage) -> None:
    """A hold stops dispatch and tells the holder; it ends with `release`, or by itself after 72 hours."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=3)
    s.skip()
    s.at("09:10").drop("hold", BOSS, "T1", reason="the customer is moving offices")
    s.has("T1 on_hold", "T2 assigned")
    s.at("09:15").drop("hold", "planner", "T1", reason="again")
    s.at("09:20").drop("release", BOSS, "T1")
    s.has("T1 assigned")
    s.expect(
        """
        09:10 file 01-hold.yaml #1
        09:10 notice T1 #1 on-hold → technical-support-engineer
        09:15 file 02-hold.yaml #1
        09:15 reason 02-hold.yaml #1
        09:15 reject 02-hold.yaml #1 → planner
        09:20 file 03-release.yaml #1
        09:20 notice T1 #1 released → technical-support-engineer
        """
    )
    s.at("09:30").drop("hold", BOSS, reason="all of it")
    s.at("09:40").add("T3", {"assigned_to": WRITER})
    s.has("T1 on_hold", "T3 on_hold")
    s.expect(
        """
        09:30 file 04-hold.yaml #1
        09:30 notice T1 #1 instruction-on-hold → technical-support-engineer
        09:30 notice T2 #1 instruction-on-hold → technical-writer
        09:40 admit T3 #1
        """
    )
    if s.strict:
        assert "11-23 09:30 release instruction acme-42 #1" in s.agenda().splitlines()
    s.at("2026-11-23T09:29:59Z")
    s.skip()  # that nobody answered is another story
    s.at("2026-11-23T09:31:00Z")
    s.has("T3 assigned")
    s.expect(
        """
        11-23 09:30 release instruction acme-42 #1
        11-23 09:30 notice T1 #1 instruction-released → technical-support-engineer
        11-23 09:30 notice T2 #1 instruction-released → technical-writer
        11-23 09:30 assign T3 a1 → technical-writer
        11-23 09:30 move T3 #1 in_progress
        """
    )


@story("EXE-25", "MSG-4")
def paused_is_everything_an_agent_or_a_case(s: Stage) -> None:
    """A pause stops new dispatches only: of everything, of one agent, of one instruction; only authority pauses."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": ENGINEER}, "T3": {"assigned_to": WRITER}}, tier=2)
    s.skip()
    s.at("09:05").drop("pause", WRITER, case=None)
    s.at("09:06").drop("pause", "operator", case=None, reason="stocktaking")
    s.at("09:10").done(ENGINEER, "T1")
    s.has("T1 completed", "T2 ready")
    s.expect(
        """
        09:10 file 03-completion.yaml #1
        09:10 result T1 a1
        09:10 move T1 #2 completed
        """
    )
    s.says("_communication/inbox/executor/.paused.yaml", all={"by": "operator", "at": "2026-11-20T09:06:00Z",
           "reason": "stocktaking"})  # fmt: skip
    s.restart()
    s.expect("")
    s.at("09:20").drop("resume", "operator", case=None)
    s.has("T2 assigned")
    s.expect(
        """
        09:20 handoff T2 a1 #1 T1 → technical-support-engineer
        09:20 assign T2 a1 → technical-support-engineer
        09:20 move T2 #1 in_progress
        """
    )
    s.at("09:25").drop("pause", "operator", case=None, target_agent=WRITER)
    s.at("09:30").done(ENGINEER, "T2")
    s.has("T3 ready")
    s.at("09:35").drop("pause", "operator")
    s.at("09:36").drop("resume", "operator", case=None, target_agent=WRITER)
    s.has("T3 ready")
    s.expect(
        """
        09:30 file 06-completion.yaml #1
        09:30 result T2 a1
        09:30 move T2 #2 completed
        09:35 file 07-pause.yaml #1
        """
    )
    s.at("09:40").drop("resume", "operator")
    s.has("T3 assigned")
    s.expect(
        """
        09:40 file 09-resume.yaml #1
        09:40 handoff T3 a1 #1 T2 → technical-writer
        09:40 assign T3 a1 → technical-writer
        09:40 move T3 #1 in_progress
        """
    )


@story("EXE-3", "EXE-24", "MSG-4")
def what_is_not_to_be_done_is_deferred_or_cancelled(s: Stage) -> None:
    """A pending, an expected, an unreadable and a running task end by a named person's decision, with a reason."""
    s.case(
        {
            "T1": {"assigned_to": ENGINEER},
            "T2": {"assigned_to": WRITER, "depends_on": ["T1"]},
            "T4": "title: [not closed\n",
        },
        plan={"tier": 3, "tasks": ["T1", "T2", "T3", "T4"]},
    )
    s.has("T1 assigned", "T2 waiting", "T3 expected", "T4 held")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 admit T4 #1
        09:00 notice T4 held-3ea4ad8b → planner
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        """
    )
    s.at("09:10").drop("cancel", BOSS, "T3")
    s.at("09:11").drop("cancel", ENGINEER, "T3", reason="no need")
    s.at("09:12").drop("cancel", BOSS, "T3", reason="the customer does it himself")
    s.expect(
        """
        09:10 file 01-cancel.yaml #1
        09:10 reason 01-cancel.yaml #1
        09:10 reject 01-cancel.yaml #1 → support-manager
        09:11 file 02-cancel.yaml #1
        09:11 reason 02-cancel.yaml #1
        09:11 reject 02-cancel.yaml #1 → technical-support-engineer
        09:12 file 03-cancel.yaml #1
        09:12 result T3 #1 cancelled
        """
    )
    s.says("acme-42/outputs/partial/T3.yaml", state="cancelled", decided_by=BOSS, reason="the customer does it himself")
    s.at("09:20").drop("cancel", BOSS, "T4", reason="nobody knows what it says")
    s.at("09:30").drop("defer", BOSS, "T2", reason="next quarter")
    s.at("09:40").drop("defer", BOSS, "T1", reason="next quarter")
    s.expect(
        """
        09:20 file 04-cancel.yaml #1
        09:20 result T4 #1 cancelled
        09:20 move T4 #1 completed
        09:30 file 05-defer.yaml #1
        09:30 result T2 #1 deferred
        09:30 move T2 #1 completed
        09:40 file 06-defer.yaml #1
        09:40 notice T1 deferred-1 → technical-support-engineer
        09:40 result T1 #1 deferred
        09:40 move T1 #2 completed
        09:40 aggregate #1
        09:40 request component follow_up_plan #1 → support-manager
        09:40 request component knowledge_base_article #1 → knowledge-base-manager
        09:40 request component preventive_measures #1 → support-manager
        09:40 request component resolution_steps #1 → support-manager
        09:40 request component root_cause_analysis #1 → support-analyst
        """
    )
    s.holds("acme-42/tasks/completed", "T1.yaml", "T2.yaml", "T4.yaml")
    s.holds("acme-42/tasks/pending")
    s.says("acme-42/outputs/partial/progress.yaml", phase="gate", percent=100)


@story("EXE-28", "EXE-3")
def the_instruction_is_cancelled(s: Stage) -> None:
    """`cancel` of the instruction ends all of it: the holders are told, and each task has its result."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=2)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("09:10").drop("cancel", BOSS, reason="the customer withdrew the request")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-ack.yaml #1
        09:10 file 02-cancel.yaml #1
        09:10 notice T1 cancelled-1 → technical-support-engineer
        09:10 result T1 #1 cancelled
        09:10 move T1 #2 completed
        09:10 result T2 #1 cancelled
        09:10 move T2 #1 completed
        """
    )
    s.says("acme-42/outputs/partial/progress.yaml", phase="closed")
    s.holds("acme-42/tasks/completed", "T1.yaml", "T2.yaml")
    s.at("09:20").done(ENGINEER, "T1")
    s.at("09:30").drop("cancel", BOSS, reason="again")
    s.expect(
        """
        09:20 file 03-completion.yaml #1
        09:20 keep-late T1 a1 #1
        09:20 notice T1 a1 #1 late → support-manager
        09:30 file 04-cancel.yaml #1
        09:30 reason 04-cancel.yaml #1
        09:30 reject 04-cancel.yaml #1 → support-manager
        """
    )


@story("EXE-2")
def what_cannot_start_is_held_and_told_once(s: Stage) -> None:
    """A cycle, an unknown dependency, an id used twice: held, the planner told once, and mended by an edit."""
    s.case(
        {
            "A": {"depends_on": ["B"], "assigned_to": ENGINEER},
            "B": {"depends_on": ["A"], "assigned_to": ENGINEER},
            "C": {"depends_on": ["Z9"], "assigned_to": WRITER},
            "D": {"assigned_to": WRITER},
            "D-again": {"id": "D", "assigned_to": ENGINEER},
            "E": {"assigned_to": "support-analyst"},
        },
        plan={"tier": 3},
    )
    s.has("A held", "B held", "C held", "D held", "E assigned")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit A #1
        09:00 admit B #1
        09:00 admit C #1
        09:00 admit D #1
        09:00 admit E #1
        09:00 notice A held-59d8d7dd → planner
        09:00 notice B held-59d8d7dd → planner
        09:00 notice C held-b98b9d3f → planner
        09:00 notice D held-26d8cc82 → planner
        09:00 assign E a1 → support-analyst
        09:00 move E #1 in_progress
        """
    )
    s.at("10:00").restart()
    s.expect("")
    s.at("10:10").add("B", {"assigned_to": ENGINEER})
    s.has("A waiting", "B assigned", "C held", "D held")
    s.expect(
        """
        10:10 edit B.yaml #1 2af1dc25
        10:10 assign B a1 → technical-support-engineer
        10:10 move B #1 in_progress
        """
    )
    s.at("10:20").add("Z9", {"assigned_to": WRITER})
    s.delete("acme-42/tasks/pending/D-again.yaml")
    s.has("C waiting", "D assigned")
    s.expect(
        """
        10:20 edit D.yaml #1 c42388c5
        10:20 admit Z9 #1
        10:20 assign D a1 → technical-writer
        10:20 move D #1 in_progress
        10:20 assign Z9 a1 → technical-writer
        10:20 move Z9 #1 in_progress
        """
    )


@story("EXE-24", "EXE-2")
def a_dependency_that_ended_otherwise_holds_its_dependants(s: Stage) -> None:
    """A task whose dependency was deferred or cancelled is held and the planner asked; `release` lets it go."""
    s.case(
        {
            "T1": {"assigned_to": ENGINEER},
            "T2": {"assigned_to": WRITER, "depends_on": ["T1"]},
            "T3": {"assigned_to": WRITER},
        },
        tier=2,
    )
    s.skip()
    s.at("09:10").drop("defer", BOSS, "T1", reason="next quarter")
    s.has("T1 deferred", "T2 held", "T3 waiting")
    s.expect(
        """
        09:10 file 01-defer.yaml #1
        09:10 notice T2 held-2a3a6458 → planner
        09:10 notice T1 deferred-1 → technical-support-engineer
        09:10 result T1 #1 deferred
        09:10 move T1 #2 completed
        """
    )
    s.at("09:20").drop("release", "planner", "T2")
    s.has("T2 assigned")
    s.expect(
        """
        09:20 file 02-release.yaml #1
        09:20 assign T2 a1 → technical-writer
        09:20 move T2 #1 in_progress
        """
    )


@story("MEM-11", "MEM-10", "MEM-13")
def a_task_that_cannot_be_read_is_held_and_mended(s: Stage) -> None:
    """It stays where it is, its writer is told once per content, and goes when what it says can be read."""
    s.case({"T1": "id: T1\ntitle: [not closed\n", "T2": {"title": "{title}"}, "T3": {"assigned_to": ENGINEER}}, tier=3)
    s.has("T1 held", "T2 held", "T3 assigned")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 admit T3 #1
        09:00 notice T1 held-548aaf79 → planner
        09:00 notice T2 held-b5c0d905 → planner
        09:00 assign T3 a1 → technical-support-engineer
        09:00 move T3 #1 in_progress
        """
    )
    s.says(
        "_communication/inbox/planner/acme-42.T2.a0.notice.yaml",
        file="acme-42/tasks/pending/T2.yaml", generated_by="executord",
    )  # fmt: skip
    s.at("09:10").add("T1", "id: T1\ntitle: {not: closed\n")
    s.expect(
        """
        09:10 edit T1.yaml #1 8a8981c8
        09:10 notice T1 held-7bcd793d → planner
        """
    )
    s.at("09:20").add("T1", {"assigned_to": WRITER})
    s.at("09:30").add("T2", {"assigned_to": WRITER})
    s.has("T1 assigned", "T2 assigned")
    s.expect(
        """
        09:20 edit T1.yaml #2 9338e9ff
        09:20 assign T1 a1 → technical-writer
        09:20 move T1 #1 in_progress
        09:30 edit T2.yaml #1 6cc432c5
        09:30 assign T2 a1 → technical-writer
        09:30 move T2 #1 in_progress
        """
    )


@story("EXE-23", "EXE-1")
def a_plan_comes_later(s: Stage) -> None:
    """Without a plan it starts when nothing has changed for a while; a later plan orders what is not dispatched yet."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, plan={}, created_at=None)
    s.add("T3", {"assigned_to": WRITER, "depends_on": ["T1"]})
    s.expect("")
    s.at("09:00:01").add("T4", {"assigned_to": "support-analyst", "depends_on": ["T2"]})
    s.expect("")
    s.at("09:10")
    s.expect(
        """
        09:00:03 open acme-42
        09:00:03 admit T1 #1
        09:00:03 admit T2 #1
        09:00:03 admit T3 #1
        09:00:03 admit T4 #1
        09:00:03 assign T1 a1 → technical-support-engineer
        09:00:03 move T1 #1 in_progress
        """
    )
    s.at("09:20").put(f"{CASE}/workflow/plan.yaml", {"tier": 3, "tasks": ["T1", "T4", "T2", "T3", "T5"]})
    s.has("T5 expected")
    s.expect(
        """
        09:20 replan acme-42 #1
        09:20 assign T2 a1 → technical-writer
        09:20 move T2 #1 in_progress
        """
    )
    s.at("09:30").done(ENGINEER, "T1")
    s.expect(
        """
        09:30 file 01-completion.yaml #1
        09:30 result T1 a1
        09:30 move T1 #2 completed
        09:30 handoff T3 a1 #1 T1 → technical-writer
        09:30 assign T3 a1 → technical-writer
        09:30 move T3 #1 in_progress
        """
    )


@story("EXE-23")
def a_plan_that_is_announced_is_read_at_once(s: Stage) -> None:
    """`plan_ready` opens the instruction without waiting; from others than the planner or authority it is rejected."""
    s.case({}, plan={})
    s.add("T1", {"assigned_to": ENGINEER})
    s.drop("plan_ready", WRITER)
    s.drop("plan_ready", "planner")
    s.expect(
        """
        09:00 file 01-plan_ready.yaml #1
        09:00 file 02-plan_ready.yaml #1
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 reason 01-plan_ready.yaml #1
        09:00 reject 01-plan_ready.yaml #1 → technical-writer
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        """
    )


@story("EXE-1", "MEM-18")
def a_task_is_added_in_mid_run(s: Stage) -> None:
    """An added file is a task of the plan from now on: its dependants, the checkpoints and the order see it."""
    s.case(
        {"T1": {"assigned_to": ENGINEER}, "T3": {"assigned_to": WRITER}},
        plan={"tier": 2, "tasks": ["T1", "T2", "T3"]},
    )
    s.at("09:10").done(ENGINEER, "T1")
    s.has("T2 expected", "T3 waiting")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T3 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:10 file 01-completion.yaml #1
        09:10 result T1 a1
        09:10 move T1 #2 completed
        """
    )
    s.at("09:20").add("T2", {"assigned_to": ENGINEER})
    s.at("09:30").add("T9", {"assigned_to": ENGINEER})
    s.has("T2 assigned", "T9 waiting")
    s.expect(
        """
        09:20 admit T2 #1
        09:20 handoff T2 a1 #1 T1 → technical-support-engineer
        09:20 assign T2 a1 → technical-support-engineer
        09:20 move T2 #1 in_progress
        09:30 admit T9 #1
        """
    )


@story("EXE-25", "MEM-17", "REL-4")
def pauses_that_nobody_can_read_hold_everything(s: Stage) -> None:
    """Who was paused is not known, so everything is, and `hitl` hears of it once; `resume` ends it."""
    place = "_communication/inbox/executor/.paused.yaml"
    s.case({"T1": {"assigned_to": ENGINEER}})
    s.lay(place, "all: {by: operator\n  x: [")
    s.skip()
    s.restart()
    s.at("09:05")
    s.has("T1 ready")
    assert not s.strict or len(os.listdir(f"{s.root}/_communication/inbox/hitl")) == 1
    s.drop("resume", "operator", case=None)
    s.at("09:06")
    s.has("T1 assigned")
    if s.strict:  # else the daemon may be down, and the file as it was
        s.says(place, schema_version=1, agents={})
