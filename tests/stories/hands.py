"""Stories of people in the tree: files moved, edited, added and deleted by hand [MEM-18, MEM-22, MEM-23, MEM-25]."""

from __future__ import annotations

from executord.posts import stem
from tests.stories.delivery import TICKET
from tests.stories.kit import CASE, ENGINEER, UPDATE, WRITER, Stage, story

PARTIAL = f"{CASE}/outputs/partial"


@story("MEM-18", "EXE-3")
def moved_by_hand_out_of_pending_and_back(s: Stage) -> None:
    """Into `in_progress` opens an attempt whatever it waits for; back into `pending` closes it and tells the holder."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER, "depends_on": ["T1"]}}, tier=2)
    s.skip()
    s.at("09:10").hand("T2", "pending", "in_progress")
    s.has("T2 assigned")
    s.expect(
        """
        09:10 hand-move T2 #1 in_progress
        09:10 assign T2 a1 → technical-writer
        """
    )
    s.at("09:20").hand("T1", "in_progress", "pending")
    s.has("T1 assigned")
    s.expect(
        """
        09:20 hand-move T1 #1 pending
        09:20 notice T1 #1 taken-back → technical-support-engineer
        09:20 assign T1 a2 → technical-support-engineer
        09:20 move T1 #2 in_progress
        """
    )
    s.at("09:30").hand("T2", "in_progress", "pending")
    s.has("T2 waiting")
    s.expect(
        """
        09:30 hand-move T2 #2 pending
        09:30 notice T2 #2 taken-back → technical-writer
        """
    )


@story("MEM-18", "EXE-13")
def moved_by_hand_to_completed_is_a_claim(s: Stage) -> None:
    """A claim by operator: with nothing to show it is moved back as rework, with a result it is verified."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=2)
    s.skip()
    s.at("09:10").hand("T1", "in_progress", "completed")
    s.has("T1 rework")
    s.holds("acme-42/tasks/in_progress", "T1.yaml")
    s.expect(
        """
        09:10 hand-move T1 #1 completed
        09:10 rework T1 a1 #1 → technical-support-engineer
        09:10 move T1 #2 in_progress
        """
    )
    s.at("09:20").put(f"{PARTIAL}/T1/log.txt", "pool exhausted\n")
    s.drop("progress", ENGINEER, "T1", note="the pool was exhausted")
    s.at("09:30").hand("T1", "in_progress", "completed")
    s.has("T1 completed", "T2 assigned")
    s.expect(
        """
        09:20 file 01-progress.yaml #1
        09:30 hand-move T1 #2 completed
        09:30 notice T1 #2 completed-by-hand → technical-support-engineer
        09:30 result T1 a1
        09:30 handoff T2 a1 #1 T1 → technical-writer
        09:30 assign T2 a1 → technical-writer
        09:30 move T2 #1 in_progress
        """
    )
    s.says(f"{PARTIAL}/T1.yaml", state="completed", agent=ENGINEER, summary="the pool was exhausted")


@story("MEM-18", "EXE-3")
def moved_by_hand_from_pending_to_completed(s: Stage) -> None:
    """What nobody has begun is verified like any claim: refused it is somebody's work, with a result it is done."""
    s.case(
        {"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}, "T3": {"assigned_to": WRITER}}, tier=2,
    )  # fmt: skip
    s.skip()
    s.at("09:10").hand("T2", "pending", "completed")
    s.expect(
        """
        09:10 hand-move T2 #1 completed
        09:10 move T2 #1 in_progress
        09:10 assign T2 a1 → technical-writer
        """
    )
    s.at("09:20").put(f"{PARTIAL}/T3/text.md", "the text\n")
    s.add("T3", {"assigned_to": WRITER, "summary": "it is all in text.md"})
    s.hand("T3", "pending", "completed")
    s.has("T3 completed")
    s.expect(
        """
        09:20 hand-move T3 #1 completed
        09:20 edit T3.yaml #1 b2e97390
        09:20 result T3 a1
        """
    )


@story("MEM-18", "EXE-3")
def taken_out_of_completed_it_is_open_again(s: Stage) -> None:
    """Its attempts count on; its first result stays beside the new one."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=2)
    s.at("09:10").done(ENGINEER, "T1")
    s.skip()
    s.at("09:20").hand("T1", "completed", "in_progress")
    s.has("T1 assigned", "T2 assigned")
    s.expect(
        """
        09:20 hand-move T1 #1 in_progress
        09:20 assign T1 a2 → technical-support-engineer
        """
    )
    s.at("09:30").done(ENGINEER, "T1", summary="better")
    s.expect(
        """
        09:30 file 02-completion.yaml #1
        09:30 set-aside T1.yaml #1
        09:30 result T1 a2
        09:30 move T1 #3 completed
        """
    )
    s.says(f"{PARTIAL}/T1.yaml", attempt=2, summary="better")
    s.says(f"{PARTIAL}/T1.attempt-1.yaml", attempt=1, summary="T1 is done")
    s.at("09:40").hand("T1", "completed", "pending")
    s.has("T1 assigned")
    s.expect(
        """
        09:40 hand-move T1 #2 pending
        09:40 assign T1 a3 → technical-support-engineer
        09:40 move T1 #4 in_progress
        """
    )


@story("MEM-18", "MEM-14")
def one_file_in_two_folders(s: Stage) -> None:
    """The one where the journal expects it counts; the other is reported and left, until it is taken away."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=2)
    s.skip()
    s.at("09:10").add("T1", {"assigned_to": WRITER})
    s.has("T1 assigned")
    s.expect("")
    s.at("09:20").done(ENGINEER, "T1")
    s.has("T1 completed")
    s.holds("acme-42/tasks/pending", "T1.yaml")
    s.expect(
        """
        09:20 file 01-completion.yaml #1
        09:20 result T1 a1
        09:20 move T1 #2 completed
        09:20 handoff T2 a1 #1 T1 → technical-writer
        09:20 assign T2 a1 → technical-writer
        09:20 move T2 #1 in_progress
        """
    )
    s.at("09:30").add("T2", {"assigned_to": ENGINEER}, folder="completed")
    s.has("T2 assigned")
    s.expect("")


@story("MEM-18", "MEM-22")
def a_file_is_edited(s: Stage) -> None:
    """An edit is journalled with the file's hash and counts; a message's word stands until its field is edited."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=2)
    s.skip()
    s.at("09:10").add("T2", {"assigned_to": ENGINEER, "priority": "low"})
    s.drop("priority_change", "support-manager", "T2", priority="critical", reason="a second customer")
    s.at("09:20").add("T1", {"assigned_to": ENGINEER, "title": "diagnose it"}, folder="in_progress")
    s.expect(
        """
        09:10 edit T2.yaml #1 3e68a9ea
        09:10 file 01-priority_change.yaml #1
        09:20 edit T1.yaml #1 1c12e4e6
        09:20 notice T1 #1 edited → technical-support-engineer
        """
    )
    s.at("09:30").done(ENGINEER, "T1")
    s.expect(
        """
        09:30 file 02-completion.yaml #1
        09:30 result T1 a1
        09:30 move T1 #2 completed
        09:30 handoff T2 a1 #1 T1 → technical-support-engineer
        09:30 assign T2 a1 → technical-support-engineer
        09:30 move T2 #1 in_progress
        """
    )
    s.says(f"_communication/inbox/{ENGINEER}/acme-42.T2.a1.delegation.yaml", priority="critical")


@story("SLA-10", "SLA-11", "MEM-22")
def the_priority_in_a_file_is_edited(s: Stage) -> None:
    """What was met stays met, and what is too late by the new limit is so from the edit on; it wins over a message."""
    given = {"title": "Checkout", "tier": 2, "customer": {"name": "Acme"}, "created_at": "2026-11-20T09:00:00Z"}
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"priority": "high"}}, **given, priority="medium")
    s.skip()
    s.at("09:10").drop("priority_change", "support-manager", None, priority="high", reason="they called")
    s.skip()
    s.at("11:00").drop("progress", ENGINEER, "T1", percent=10)
    s.drop("customer_update", "customer-success-manager", None, **UPDATE)
    s.at("11:25").drop("progress", ENGINEER, "T1", percent=20)
    s.at("11:50").drop("progress", ENGINEER, "T1", percent=30)
    s.skip()
    s.at("12:10").put(f"{CASE}/instruction.yaml", {**given, "priority": "critical"})
    s.expect(
        """
        12:10 edit acme-42 #1 priority
        12:10 ask update #2
        12:10 remind T1 a1 #1 → technical-support-engineer
        12:10 notice T1 #2 instruction-priority → technical-support-engineer
        12:10 breach customer_update #2
        12:10 remind update #2 → customer-success-manager
        """
    )
    s.at("12:12").put(f"{CASE}/instruction.yaml", {**given, "priority": "medium"})
    s.expect(
        """
        12:12 edit acme-42 #2 priority
        12:12 notice T1 #3 instruction-priority → technical-support-engineer
        """
    )
    s.at("12:13")


@story("SLA-10", "SLA-11", "MEM-22")
def the_limit_in_a_file_is_edited_and_a_customer_is_named(s: Stage) -> None:
    """Each counts from the edit on: what is late by the new limit is so from then, and a customer who is named when his
    response limit has passed was not kept waiting before."""
    given = {"title": "Checkout", "tier": 1, "priority": "high", "created_at": "2026-11-20T09:00:00Z"}
    given_to = {"assigned_to": ENGINEER, "estimated_effort": "4 hours"}
    s.case({"T1": {**given_to, "sla_resolution": "8 hours"}}, **given)
    s.at("09:10").drop("progress", ENGINEER, "T1", percent=10)
    s.at("10:10").drop("progress", ENGINEER, "T1", percent=10)
    s.skip()
    s.at("11:00").add("T1", {**given_to, "sla_resolution": "1 hour"}, folder="in_progress")
    s.at("11:01").drop("progress", ENGINEER, "T1", percent=20)
    s.expect(
        """
        11:00 edit T1.yaml #1 b6879e9d
        11:00 warn resolution T1 #1 50%
        11:00 warn resolution T1 #1 75%
        11:00 warn resolution T1 #1 75%-manager
        11:00 warn resolution T1 #1 90%
        11:00 warn resolution T1 #1 90%-manager
        11:00 notice T1 #1 edited → technical-support-engineer
        11:00 breach resolution T1 #1
        11:00 ask breach resolution T1 #1 → escalation-manager
        11:01 file 03-progress.yaml #1
        """
    )
    s.at("11:10").put(f"{CASE}/instruction.yaml", {**given, "sla_response": "1 hour", "customer": "Acme"})
    s.at("11:11")
    s.expect(
        """
        11:10 edit acme-42 #1 promises
        11:10 ask update #1
        11:10 warn response #1 50%
        11:10 warn response #1 75%
        11:10 warn response #1 75%-manager
        11:10 warn response #1 90%
        11:10 warn response #1 90%-manager
        11:10 breach response #1
        11:10 ask breach response #1 → support-manager
        11:10 breach customer_update #1
        11:10 remind update #1 → customer-success-manager
        """
    )


@story("MEM-25", "MEM-18")
def a_deleted_file_cancels_its_task(s: Stage) -> None:
    """Gone for the settle time and at a second look: cancelled by operator, and said; put back it is open again."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}, "T3": {"assigned_to": WRITER}}, tier=2)
    s.skip()
    s.at("09:10").delete("acme-42/tasks/pending/T2.yaml")
    s.at("09:10:01").add("T2", {"assigned_to": WRITER})
    s.at("09:15")
    s.expect("")
    s.at("09:20").delete("acme-42/tasks/pending/T2.yaml")
    s.has("T2 waiting")
    s.at("09:21")
    s.has("T2 cancelled")
    s.expect(
        """
        09:20:02 delete T2 #1
        09:20:02 notice T2 #1 deleted → planner
        09:20:02 result T2 #1 cancelled
        """
    )
    s.says(f"{PARTIAL}/T2.yaml", state="cancelled", decided_by="operator", reason="its file was deleted")
    s.at("09:30").delete("acme-42/tasks/in_progress/T1.yaml")
    s.at("09:31")
    s.has("T1 cancelled", "T3 assigned")
    s.expect(
        """
        09:30:02 delete T1 #1
        09:30:02 notice T1 #1 deleted → planner
        09:30:02 notice T1 cancelled-1 → technical-support-engineer
        09:30:02 result T1 #1 cancelled
        09:30:02 assign T3 a1 → technical-writer
        09:30:02 move T3 #1 in_progress
        """
    )
    s.at("09:40").add("T1", {"assigned_to": ENGINEER})
    s.has("T1 assigned")
    s.expect(
        """
        09:40 admit T1 #2
        09:40 assign T1 a2 → technical-support-engineer
        09:40 move T1 #2 in_progress
        """
    )


@story("MEM-25")
def a_file_deleted_while_the_daemon_is_down(s: Stage) -> None:
    """It is missed at the start, and has been gone since its folder was last changed: the second look settles it."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}, "T3": {"assigned_to": WRITER}}, tier=2)
    s.at("09:10").down("+1h")
    s.at("09:30").delete("acme-42/tasks/pending/T2.yaml")
    s.at("10:00")
    s.skip()
    s.at("10:20")
    s.expect(
        """
        10:10 delete T2 #1
        10:10 notice T2 #1 deleted → planner
        10:10 result T2 #1 cancelled
        """
    )


@story("MEM-25")
def most_files_gone_at_once_park_the_case(s: Stage) -> None:
    """Nothing is cancelled: hitl is told; with the files back and `resume` it goes on."""
    s.case({f"T{k}": {"assigned_to": ENGINEER} for k in range(1, 5)}, tier=2)
    s.skip()
    s.at("09:10").move("acme-42/tasks", "elsewhere")
    s.at("09:11")
    s.has("T1 assigned", "T2 waiting")
    s.expect(
        """
        09:10:02 park acme-42 #1
        09:10:02 notice acme-42 #1 parked → hitl
        """
    )
    s.says(f"{PARTIAL}/progress.yaml", phase="parked")
    s.at("09:20").move("elsewhere", "acme-42/tasks")
    s.at("09:30").drop("resume", "operator")
    s.has("T1 assigned", "T2 waiting")
    s.at("09:40").done(ENGINEER, "T1")
    s.expect(
        """
        09:30 file 01-resume.yaml #1
        09:40 file 02-completion.yaml #1
        09:40 result T1 a1
        09:40 move T1 #2 completed
        09:40 handoff T2 a1 #1 T1 → technical-support-engineer
        09:40 assign T2 a1 → technical-support-engineer
        09:40 move T2 #1 in_progress
        """
    )


@story("MEM-23", "MEM-14")
def a_worker_writes_on_our_name(s: Stage) -> None:
    """A worker's file on a name of ours is moved aside, unchanged, and then ours is written."""
    s.case({"T1": {"assigned_to": ENGINEER}, "journal": {"assigned_to": WRITER}}, tier=3)
    s.skip()
    s.at("09:10").put(f"{PARTIAL}/T1.yaml", {"from": ENGINEER, "summary": "here it is", "components": {"x": 1}})
    s.done(ENGINEER, "T1")
    s.at("09:20").done(WRITER, "journal")
    s.expect(
        """
        09:10 file 01-completion.yaml #1
        09:10 set-aside T1.yaml #1
        09:10 result T1 a1
        09:10 move T1 #2 completed
        09:20 file 02-completion.yaml #1
        09:20 result journal a1
        09:20 move journal #2 completed
        09:20 aggregate #1
        09:20 request component follow_up_plan #1 → technical-writer
        09:20 request component knowledge_base_article #1 → knowledge-base-manager
        09:20 request component preventive_measures #1 → technical-writer
        09:20 request component resolution_steps #1 → technical-writer
        09:20 request component root_cause_analysis #1 → support-analyst
        """
    )
    s.says(f"{PARTIAL}/T1.from-technical-support-engineer.yaml", summary="here it is")
    s.says(f"{PARTIAL}/T1.yaml", state="completed", summary="T1 is done")
    s.says(f"{PARTIAL}/task-journal.yaml", state="completed", task_id="journal")


@story("CON-4", "MEM-15")
def names_may_be_long(s: Stage) -> None:
    """A message's name over 200 bytes is cut and ends in a hash of the whole, and stays one name."""
    long = "T" + "x" * 99
    s.case({long: {"assigned_to": ENGINEER}}, case="c" * 100, tier=1)
    s.at("09:10").done(ENGINEER, long, case="c" * 100, components=TICKET)
    s.skip()
    s.has(f"{long} completed", case="c" * 100)
    s.holds(f"_communication/inbox/{ENGINEER}", stem("c" * 100, long, 1, "delegation", 1) + ".yaml")
    assert len(stem("c" * 100, long, 1, "delegation", 1)) == 195


@story("MEM-19", "MEM-18")
def what_lies_in_completed_and_matches_no_task(s: Stage) -> None:
    """An extra output is kept and completes nothing; a task found in `tasks/blocked/` is moved and blocked."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=3)
    s.lay("acme-42/tasks/blocked/T2.yaml", {"id": "T2", "title": "wait", "assigned_to": WRITER})
    s.skip()
    s.at("09:10").put("acme-42/tasks/completed/ticket_resolution.yaml", {"root_cause_analysis": "the pool"})
    s.expect("")
    s.has("T1 assigned", "T2 blocked")


@story("MSG-11", "MEM-25", "SLA-12")
def what_was_deleted_while_nobody_was_at_work_is_chased_by_nobody(s: Stage) -> None:
    """It is believed before anybody is asked; that a limit passed before it was known stands in the record."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}, "T3": {"assigned_to": WRITER}}, tier=3)
    s.skip()
    s.at("09:05").drop("acknowledgement", WRITER, "T2")
    s.drop("acknowledgement", WRITER, "T3")
    s.skip()
    s.down("+5h")
    s.at("09:20").delete("acme-42/tasks/in_progress/T1.yaml")
    s.at("14:05")
    s._rest()
    s.told = [line for line in s.told if " warn " not in line]
    s.expect(
        """
        14:05 delete T1 #1
        14:05 remind T2 a1 #1 → technical-writer
        14:05 remind T3 a1 #1 → technical-writer
        14:05 breach response T1 a1 #1
        14:05 notice T1 #1 deleted → planner
        14:05 notice T1 cancelled-1 → technical-support-engineer
        14:05 result T1 #1 cancelled
        """
    )


PLANNED = {
    "tasks": ["T1", "T2", "T3"],
    "checkpoints": [{"id": "cp", "after": ["T1"], "before": ["T2"], "review": "support-manager"}],
}


@story("MEM-25", "EXE-28", "EXE-6", "QUA-3")
def a_plan_that_is_taken_away_keeps_everything_back(s: Stage) -> None:
    """A start would know neither its checkpoint nor the task that is still to come: nothing goes past either."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=3, plan=PLANNED)
    s.skip()
    s.at("09:10").move("acme-42/workflow/plan.yaml", "acme-42/workflow/plan.txt")
    s.at("09:20").done(ENGINEER, "T1")
    s.at("09:30").down("+30m")
    s.at("10:10")
    s.has("T1 completed", "T2 waiting")
    s.expect(
        """
        09:10:02 notice acme-42 #1 plan-gone → planner
        09:20 file 01-completion.yaml #1
        09:20 result T1 a1
        09:20 move T1 #2 completed
        """
    )
    s.says(f"{PARTIAL}/progress.yaml", phase="executing")
    s.move("acme-42/workflow/plan.txt", "acme-42/workflow/plan.yaml")
    s.at("10:20").drop("release", "support-manager", checkpoint="cp")
    s.at("10:30").delete("acme-42/workflow/plan.yaml")
    s.at("10:40").done(WRITER, "T2", components=TICKET)
    s.at("10:50")
    s.expect(
        """
        10:10 found acme-42 plan #1
        10:10 checkpoint cp #1 → support-manager
        10:20 file 02-release.yaml #1
        10:20 assign T2 a1 → technical-writer
        10:20 move T2 #1 in_progress
        10:30:02 notice acme-42 #2 plan-gone → planner
        10:40 file 03-completion.yaml #1
        10:40 result T2 a1
        10:40 move T2 #2 completed
        """
    )
    s.says(f"{PARTIAL}/progress.yaml", phase="executing")


@story("MEM-25", "EXE-28", "EXE-23")
def without_the_plan_that_is_gone(s: Stage) -> None:
    """With what the planner sends it goes on, and to the gate; not without what lies there."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=3, plan=PLANNED)
    s.skip()
    s.at("09:10").drop("plan_ready", "planner", without="plan")
    s.at("09:20").delete("acme-42/workflow/plan.yaml")
    s.at("09:30").drop("phase_start", "planner")
    s.at("09:40").drop("plan_ready", "planner", without="workflow/plan.yaml")
    s.at("09:50").down("+10m")
    s.done(ENGINEER, "T1")
    s.at("10:10").done(WRITER, "T2", components=TICKET)
    s.at("10:20")
    s.expect(
        """
        09:10 file 01-plan_ready.yaml #1
        09:10 reason 01-plan_ready.yaml #1
        09:10 reject 01-plan_ready.yaml #1 → planner
        09:20:02 notice acme-42 #1 plan-gone → planner
        09:30 file 02-phase_start.yaml #1
        09:40 file 03-plan_ready.yaml #1
        09:40 assign T2 a1 → technical-writer
        09:40 move T2 #1 in_progress
        10:00 file 04-completion.yaml #1
        10:00 result T1 a1
        10:00 move T1 #2 completed
        10:10 file 05-completion.yaml #1
        10:10 result T2 a1
        10:10 move T2 #2 completed
        10:10 aggregate #1
        10:10 write ticket_resolution.yaml #1
        10:10 write execution_summary.yaml #1
        10:10 write handoff.yaml #1
        10:10 hand off #1 → validator
        """
    )


@story("MEM-25", "SLA-12", "SLA-17")
def an_instruction_that_is_taken_away_promises_what_it_promised_when_it_is_back(s: Stage) -> None:
    """Meanwhile nobody knows its customer, its priority or its limits: what fell due is made up for."""
    customer = {"name": "Acme", "channel": "email"}
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=2, customer=customer)
    s.skip()
    s.at("09:10").move("acme-42/instruction.yaml", "acme-42/aside.txt")
    s.at("09:15").done(ENGINEER, "T1")
    s.at("09:20").down("+20m")
    s.at("14:00")
    s.has("T1 completed", "T2 waiting")
    s.expect(
        """
        09:10:02 notice acme-42 #1 instruction-gone → planner
        09:15 file 01-completion.yaml #1
        09:15 result T1 a1
        09:15 move T1 #2 completed
        """
    )
    s.at("14:10").move("acme-42/aside.txt", "acme-42/instruction.yaml")
    s.at("14:20")
    s.expect(
        """
        14:10 found acme-42 instruction #1
        14:10 warn response #1 50%
        14:10 warn response #1 75%
        14:10 warn response #1 75%-manager
        14:10 warn response #1 90%
        14:10 warn response #1 90%-manager
        14:10 breach response #1
        14:10 ask breach response #1 → support-manager
        14:10 breach customer_update #1
        14:10 remind update #1 → customer-success-manager
        14:10 escalate update #1 level-1 → support-manager
        14:10 handoff T2 a1 #1 T1 → technical-writer
        14:10 assign T2 a1 → technical-writer
        14:10 move T2 #1 in_progress
        """
    )


@story("MEM-25")
def instruction_and_plan_count_among_the_files_that_are_gone_at_once(s: Stage) -> None:
    """Three of five: it is parked, and nobody is asked to go on without them."""
    s.case({f"T{k}": {"assigned_to": ENGINEER} for k in range(1, 4)}, tier=2)
    s.skip()
    s.at("09:10")
    for path in ("instruction.yaml", "workflow/plan.yaml", "tasks/pending/T3.yaml"):
        s.move(f"acme-42/{path}", f"_aside/{path}")
    s.at("09:20")
    s.expect(
        """
        09:10:02 park acme-42 #1
        09:10:02 notice acme-42 #1 parked → hitl
        """
    )
    for path in ("instruction.yaml", "workflow/plan.yaml", "tasks/pending/T3.yaml"):
        s.move(f"_aside/{path}", f"acme-42/{path}")
    s.at("09:30").drop("resume", "operator")
    s.at("09:40").done(ENGINEER, "T1")
    s.has("T1 completed", "T2 assigned", "T3 waiting")


@story("MEM-25", "MEM-11")
def a_plan_that_is_spoilt_keeps_everything_back_until_it_is_mended(s: Stage) -> None:
    """As for one that is gone: a start could not know what it said; what is given out goes on."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=3, plan=PLANNED)
    s.skip()
    s.at("09:10").put("acme-42/workflow/plan.yaml", "tasks: [\n")
    s.at("09:20").done(ENGINEER, "T1")
    s.at("09:30").down("+10m")
    s.at("09:50").put("acme-42/workflow/plan.yaml", {**PLANNED, "tier": 3})
    s.at("10:00")
    s.expect(
        """
        09:10 notice acme-42 unreadable-7d8b1629 → planner
        09:20 file 01-completion.yaml #1
        09:20 result T1 a1
        09:20 move T1 #2 completed
        09:50 replan acme-42 #1
        09:50 checkpoint cp #1 → support-manager
        """
    )
