"""Stories of messages that are not as they should be, and of times that do not fit [MSG-1 … MSG-6, MSG-10]."""

from __future__ import annotations

from tests.stories.delivery import LIAISON, TICKET
from tests.stories.kit import CASE, ENGINEER, UPDATE, WRITER, Stage, story

INBOX = "_communication/inbox"
REJECTED = f"{INBOX}/executor/.rejected/2026-11-20"
PROCESSED = f"{INBOX}/executor/.processed/2026-11-20"


@story("MSG-2", "MEM-20")
def a_duplicate_changes_nothing(s: Stage) -> None:
    """Same content and same name, or the same id: filed as duplicate; a sign of life is never one."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": ENGINEER}}, tier=2)
    s.skip()
    for minute in ("09:10", "09:20"):
        s.at(minute).drop("progress", ENGINEER, "T1", name="still-here.yaml", percent=10)
    s.at("09:30").drop("failed", ENGINEER, "T1", name="failed.yaml", id="m-1", reason="it broke")
    s.at("09:40").drop("failed", ENGINEER, "T1", name="failed.yaml", id="m-1", reason="it broke")
    s.at("09:50").drop(
        "failed", ENGINEER, "T1", name="failed-again.yaml", id="m-1", attempt=1, reason="it broke, I say"
    )
    s.has("T1 assigned")
    s.expect(
        """
        09:10 file still-here.yaml #1
        09:20 file still-here.yaml #2
        09:30 file failed.yaml #1
        09:30 keep T1 a1
        09:30 assign T1 a2 → technical-support-engineer
        09:40 file failed.yaml #2
        09:50 file failed-again.yaml #1
        """
    )
    s.holds(PROCESSED, "failed-again.yaml", "failed.yaml", "failed~2.yaml", "still-here.yaml", "still-here~2.yaml")


@story("MSG-10", "MSG-11")
def event_times_are_cut_to_what_can_be(s: Stage) -> None:
    """Nobody answers before he was asked, nobody from the future; where times differ, both are recorded."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": ENGINEER}}, tier=3)
    s.skip()
    s.at("09:10").drop("ack", ENGINEER, "T1", timestamp="2026-11-20T08:00:00Z")
    s.at("09:20").drop("progress", ENGINEER, "T1", timestamp="2026-11-21T08:00:00Z", note="from tomorrow")
    s.at("09:30").drop(
        "completion", ENGINEER, "T1", timestamp="2026-11-20T09:12:00Z", summary="done", output="it works"
    )
    s.expect(
        """
        09:10 file 01-ack.yaml #1
        09:20 file 02-progress.yaml #1
        09:30 file 03-completion.yaml #1
        09:30 result T1 a1
        09:30 move T1 #2 completed
        """
    )
    s.says(f"{CASE}/outputs/partial/T1.yaml", accepted_at="2026-11-20T09:10:00Z", claimed_at="2026-11-20T09:12:00Z")


@story("MSG-11", "MSG-10")
def who_writes_from_before_he_was_asked_comes_in_his_turn(s: Stage) -> None:
    """Whose clock is behind, or who backdates, overtakes nobody: his letter counts from when its file was written."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.skip()
    s.at("09:10").down("+1h")
    s.at("09:20").drop("blocked", ENGINEER, "T1", description="the account number is missing")
    s.at("09:30").done(ENGINEER, "T1", timestamp="2026-11-20T08:55:00Z", components=TICKET)
    s.drop("release", "support-manager", "T1", timestamp="2026-11-20T09:25:00Z", reason="no need to wait")
    s.at("10:20")
    s.expect(
        """
        10:10 file 01-blocked.yaml #1
        10:10 file 03-release.yaml #1
        10:10 file 02-completion.yaml #1
        10:10 result T1 a1
        10:10 move T1 #2 completed
        10:10 aggregate #1
        10:10 write ticket_resolution.yaml #1
        10:10 write execution_summary.yaml #1
        10:10 write handoff.yaml #1
        10:10 hand off #1 → validator
        """
    )


@story("MSG-11", "SLA-12")
def what_came_while_the_daemon_was_down_is_taken_in_its_order(s: Stage) -> None:
    """Letters are settled in the order of their event time, whatever they are called."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=2)
    s.at("09:10").down("+2h")
    s.at("09:20").drop("ack", ENGINEER, "T1", name="z.yaml")
    s.at("09:30").done(ENGINEER, "T1", name="m.yaml")
    s.at("10:00").drop("retry", "support-manager", "T1", name="a.yaml", reason="not good")
    s.skip()
    s.at("11:30")
    s.expect(
        """
        11:10 file z.yaml #1
        11:10 file m.yaml #1
        11:10 file a.yaml #1
        11:10 assign T1 a2 → technical-support-engineer
        """
    )


@story("SLA-12", "REL-8", roster={ENGINEER: {"silence": "30 days"}})
def a_clock_that_was_fast_is_put_right(s: Stage) -> None:
    """Its case goes on from its last line at once; what is promised for a moment comes then, and not before."""
    tasks = {"T1": ENGINEER, "T2": ENGINEER, "T3": WRITER}
    s.case({name: {"assigned_to": agent} for name, agent in tasks.items()}, tier=2)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("14:00").done(ENGINEER, "T1")
    s.skip()
    s.set_back("09:10")
    s.at("09:12").drop("ack", ENGINEER, "T2")
    s.at("09:14").drop("blocked", ENGINEER, "T2", description="the account number is missing")
    s.at("09:16").drop("release", "support-manager", "T2", reason="it was in the letter")
    s.at("09:18").done(ENGINEER, "T2")
    s.at("09:40")
    s.expect(
        """
        09:12 file 03-ack.yaml #1
        09:14 file 04-blocked.yaml #1
        09:14 ask blocker T2 #1 → customer-success-manager
        09:14 notice T2 #1 blocked technical-writer → technical-writer
        09:16 file 05-release.yaml #1
        09:18 file 06-completion.yaml #1
        09:18 result T2 a1
        09:18 move T2 #2 completed
        09:18 handoff T3 a1 #1 T2 → technical-writer
        09:18 assign T3 a1 → technical-writer
        09:18 move T3 #1 in_progress
        """
    )
    s.at("12:00")
    s.expect("11:18 warn response T3 a1 #1 50% → technical-writer")


@story("MSG-5", "CON-5", "MSG-6", "MSG-4")
def what_cannot_be_taken_is_rejected_with_its_reason(s: Stage) -> None:
    """Unknown type, no sender, wrong holder, no YAML: rejected, the reason beside it, and a known sender told."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.skip()
    s.at("09:10").drop("applause", ENGINEER, "T1")
    s.at("09:11").drop("completion", None, "T1", summary="x", output="y")
    s.at("09:12").done(WRITER, "T1")
    s.at("09:13").done("a-stranger", "T1")
    s.at("09:14").put(f"{INBOX}/executor/torn.yaml", "type: completion\nsummary: [open\n")
    s.at("09:15").put(f"{INBOX}/executor/empty.yaml", "# nothing\n")
    s.at("09:16").drop("completion", ENGINEER, "T7", summary="x", output="y")
    s.at("09:17").put(f"{INBOX}/support-executor/note.yaml", {"type": "nonsense", "from": ENGINEER})
    s.at("09:18").drop("verdict", "validator", result="PASS")
    s.at("09:20")
    s.has("T1 assigned")
    s.expect(
        """
        09:10 file 01-applause.yaml #1
        09:10 reason 01-applause.yaml #1
        09:10 reject 01-applause.yaml #1 → technical-support-engineer
        09:11 file 02-completion.yaml #1
        09:11 reason 02-completion.yaml #1
        09:12 file 03-completion.yaml #1
        09:12 reason 03-completion.yaml #1
        09:12 reject 03-completion.yaml #1 → technical-writer
        09:13 file 04-completion.yaml #1
        09:13 reason 04-completion.yaml #1
        09:16 file 05-completion.yaml #1
        09:16 clarify 05-completion.yaml #1 → technical-support-engineer
        09:16 reason 05-completion.yaml #1
        09:18 file 06-verdict.yaml #1
        09:18 reason 06-verdict.yaml #1
        09:18 reject 06-verdict.yaml #1 → validator
        """
    )
    s.says(
        f"{REJECTED}/03-completion.reason.yaml",
        file="03-completion.yaml", sender=WRITER, received_at="2026-11-20T09:12:00Z", code="MSG-4",
        reason=f"T1 is held by {ENGINEER}, not by {WRITER}", generated_by="executord",
    )  # fmt: skip
    s.says(f"{REJECTED}/torn.reason.yaml", sender=None, file="torn.yaml")
    s.holds(f"{INBOX}/a-stranger")
    s.holds(f"{INBOX}/support-executor/.rejected/2026-11-20", "note.reason.yaml", "note.yaml")
    s.holds(f"{INBOX}/executor")


@story("MEM-26", "MSG-5")
def a_file_that_is_still_being_written_is_waited_for(s: Stage) -> None:
    """Found in any other way than announced, it is read when it has been unchanged for the settle time."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.at("09:10").down("+10m")
    s.at("09:19:59").put(f"{INBOX}/executor/done.yaml", "type: completion\n")
    s.skip()
    s.at("09:20")
    s.look()
    s.expect("")
    s.at("09:20:01").append(
        f"{INBOX}/executor/done.yaml", f"from: {ENGINEER}\nsummary: done\noutput: it works\n".encode()
    )
    s.expect(
        """
        09:20:01 file done.yaml #1
        09:20:01 result T1 a1
        09:20:01 move T1 #2 completed
        09:20:01 aggregate #1
        09:20:01 request component follow_up_plan #1 → technical-support-engineer
        09:20:01 request component knowledge_base_article #1 → knowledge-base-manager
        09:20:01 request component preventive_measures #1 → technical-support-engineer
        09:20:01 request component resolution_steps #1 → technical-support-engineer
        09:20:01 request component root_cause_analysis #1 → support-analyst
        """
    )


@story("EXE-13", "MSG-11", "REL-4")
def a_refused_claim_and_a_better_one_in_one_look(s: Stage) -> None:
    """Both were in the box: what was to be mended is handed in already, so nothing is sent back, and nothing breaks."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.at("09:01")
    s.skip()
    s.down("+10m")
    s.at("09:05").drop("completion", ENGINEER, "T1", summary="done")
    s.at("09:06").done(ENGINEER, "T1")
    s.at("09:20")
    s.has("T1 completed")
    s.expect(
        """
        09:11 file 01-completion.yaml #1
        09:11 file 02-completion.yaml #1
        09:11 result T1 a1
        09:11 move T1 #2 completed
        09:11 aggregate #1
        09:11 request component follow_up_plan #1 → technical-support-engineer
        09:11 request component knowledge_base_article #1 → knowledge-base-manager
        09:11 request component preventive_measures #1 → technical-support-engineer
        09:11 request component resolution_steps #1 → technical-support-engineer
        09:11 request component root_cause_analysis #1 → support-analyst
        """
    )


@story("MEM-13", "SLA-13", "EXE-29")
def what_of_a_message_is_not_understood_is_told_once(s: Stage) -> None:
    """It is taken all the same; its sender hears of each field once, whatever he writes there."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, customer={"name": "Acme", "contact": "ops@acme.example"})
    s.at("09:01")
    s.skip()
    s.at("09:05").drop("customer_update", LIAISON, None, **UPDATE, nextUpdateAt="tomorrow")
    s.at("09:06").drop("acknowledgement", ENGINEER, "T1", eta="4 hours", timestmap="09:00")
    s.at("09:07").drop("progress", ENGINEER, "T1", eta="11/20/2026")
    s.at("09:08").drop("progress", ENGINEER, "T1", eta="11/21/2026")
    s.at("09:09")
    s.expect(
        """
        09:05 file 01-customer_update.yaml #1
        09:05 notice acme-42 odd-cb9ee242 → customer-success-manager
        09:05 update #1
        09:06 file 02-acknowledgement.yaml #1
        09:06 notice acme-42 odd-47c86cf7 → technical-support-engineer
        09:07 file 03-progress.yaml #1
        09:07 notice acme-42 odd-d052744f → technical-support-engineer
        09:08 file 04-progress.yaml #1
        """
    )
