"""Stories of silence: a worker who never answers, one who answers too late, one who was only slow [EXE-16, EXE-26]."""

from __future__ import annotations

from executord.files import journal
from tests.stories.kit import CASE, ENGINEER, WRITER, Stage, story

BOSS = "support-manager"
INBOX = "_communication/inbox"


@story("EXE-16", "EXE-14", "EXE-20")
def a_worker_that_never_answers(s: Stage) -> None:
    """Reminded, checked, told to hand in, closed; the next one too; then a decision is asked for, up to `hitl`."""
    s.case({"T1": {"title": "Diagnose the api error"}}, tier=1)
    s.at("09:05").put(f"{CASE}/outputs/partial/T1/notes.md", "half of it\n")
    s.at("14:00")
    s.has("T1 assigned")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        10:50 warn response #1 50% → support-manager
        11:00 warn response T1 a1 #1 50% → technical-support-engineer
        11:50 warn response #1 75% → support-manager
        11:50 warn response #1 75%-manager → vp-customer-support
        12:00 warn response T1 a1 #1 75% → technical-support-engineer
        12:00 warn response T1 a1 #1 75%-manager → escalation-manager
        12:26 warn response #1 90% → support-manager
        12:26 warn response #1 90%-manager → vp-customer-support
        12:36 warn response T1 a1 #1 90% → technical-support-engineer
        12:36 warn response T1 a1 #1 90%-manager → escalation-manager
        12:50 breach response #1
        12:50 ask breach response #1 → vp-customer-support
        13:00 remind T1 a1 #1 → technical-support-engineer
        13:00 breach response T1 a1 #1
        13:00 ask breach response T1 a1 #1 → escalation-manager
        13:07:30 status check T1 a1 #1 → technical-support-engineer
        13:11:15 finalize T1 a1 #1 → technical-support-engineer
        13:15 time out T1 a1 #1
        13:15 keep T1 a1
        13:15 notice T1 timed-out-a1 → technical-support-engineer
        13:15 assign T1 a2 → customer-support-rep
        """
    )
    left = s.read(f"{CASE}/outputs/partial/T1.attempt-1.yaml")
    if s.strict:
        assert (left["state"], left["agent"]) == ("timed_out", ENGINEER)
        assert [f["path"] for f in left["files"]] == ["outputs/partial/T1/notes.md"]
        dues = {e["name"]: e["due"] for e in journal.read(f"{s.root}/{CASE}").entries if "at" in e}
        assert dues["assign T1 a2"] == "2026-11-20T13:15:00Z"  # from then on it could be given to another
    s.says(f"{INBOX}/{ENGINEER}/acme-42.T1.a1.finalize.yaml", closes_at="2026-11-20T13:15:00Z")
    s.says(f"{INBOX}/{ENGINEER}/acme-42.T1.a1.reminder.yaml", next_step_at="2026-11-20T13:07:30Z", last_sign_at=None)
    s.at("2026-11-23T09:00:00Z")
    s.has("T1 escalated")
    s.expect(
        """
        14:50 remind breach response #1 → vp-customer-support
        15:15 warn response T1 a2 #1 50% → customer-support-rep
        16:15 warn response T1 a2 #1 75% → customer-support-rep
        16:15 warn response T1 a2 #1 75%-manager → support-manager
        16:50 escalate breach response #1 level-2 → hitl
        16:51 warn response T1 a2 #1 90% → customer-support-rep
        16:51 warn response T1 a2 #1 90%-manager → support-manager
        17:15 remind T1 a2 #1 → customer-support-rep
        17:15 breach response T1 a2 #1
        17:15 ask breach response T1 a2 #1 → support-manager
        17:22:30 status check T1 a2 #1 → customer-support-rep
        17:26:15 finalize T1 a2 #1 → customer-support-rep
        17:30 time out T1 a2 #1
        17:30 escalate task T1 #1 → support-manager
        17:30 keep T1 a2
        17:30 notice T1 timed-out-a2 → customer-support-rep
        18:50 remind breach response #1 level-2 → hitl
        19:30 remind escalation T1 #1 → support-manager
        20:50 unanswered breach response #1
        21:30 escalate task T1 #1 level-2 → vp-customer-support
        23:30 remind escalation T1 #1 level-2 → vp-customer-support
        11-21 01:30 escalate task T1 #1 level-3 → hitl
        11-21 03:30 remind escalation T1 #1 level-3 → hitl
        11-21 05:30 unanswered escalation T1 #1
        11-21 08:50 warn resolution #1 50% → support-manager
        11-21 08:55 warn resolution T1 #1 50% → support-manager
        11-21 09:00 warn resolution T1 #1 target → support-manager
        11-21 20:50 warn resolution #1 75% → support-manager
        11-21 20:50 warn resolution #1 75%-manager → vp-customer-support
        11-21 20:50 proactive #1
        11-21 20:50 expedite #1 → support-manager
        11-21 20:52:30 warn resolution T1 #1 75% → support-manager
        11-21 20:52:30 warn resolution T1 #1 75%-manager → vp-customer-support
        11-21 22:50 remind expedite #1 → support-manager
        11-22 00:50 escalate expedite #1 level-2 → vp-customer-support
        11-22 02:50 remind expedite #1 level-2 → vp-customer-support
        11-22 04:02 warn resolution #1 90% → support-manager
        11-22 04:02 warn resolution #1 90%-manager → vp-customer-support
        11-22 04:03 warn resolution T1 #1 90% → support-manager
        11-22 04:03 warn resolution T1 #1 90%-manager → vp-customer-support
        11-22 04:50 escalate expedite #1 level-3 → hitl
        11-22 06:50 remind expedite #1 level-3 → hitl
        11-22 08:50 unanswered expedite #1
        11-22 08:50 breach resolution #1
        11-22 08:50 ask breach resolution #1 → vp-customer-support
        11-22 08:50 breach resolution T1 #1
        11-22 08:50 ask breach resolution T1 #1 → vp-customer-support
        11-22 10:50 remind breach resolution #1 → vp-customer-support
        11-22 10:50 remind breach resolution T1 #1 → vp-customer-support
        11-22 12:50 escalate breach resolution #1 level-2 → hitl
        11-22 12:50 escalate breach resolution T1 #1 level-2 → hitl
        11-22 14:50 remind breach resolution #1 level-2 → hitl
        11-22 14:50 remind breach resolution T1 #1 level-2 → hitl
        11-22 16:50 unanswered breach resolution #1
        11-22 16:50 unanswered breach resolution T1 #1
        """
    )
    s.at("2026-12-23T09:00:00Z")
    s.expect("")


@story("EXE-16", "MSG-3", "EXE-15")
def a_result_after_timed_out_goes_to_the_late_shelf(s: Stage) -> None:
    """What comes after the close is kept, listed and not applied; authority can have it taken."""
    s.case({"T1": {"assigned_to": ENGINEER, "priority": "critical"}}, tier=1)
    s.at("09:02").drop("ack", ENGINEER, "T1")
    s.at("09:40")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:02 file 01-ack.yaml #1
        09:17 remind T1 a1 #1 → technical-support-engineer
        09:24:30 status check T1 a1 #1 → technical-support-engineer
        09:28:15 finalize T1 a1 #1 → technical-support-engineer
        09:32 time out T1 a1 #1
        09:32 keep T1 a1
        09:32 notice T1 timed-out-a1 → technical-support-engineer
        09:32 assign T1 a2 → customer-support-rep
        """
    )
    s.done(ENGINEER, "T1", attempt=1)
    s.at("09:41").drop("progress", ENGINEER, "T1", percent=90)
    s.has("T1 assigned")
    s.expect(
        """
        09:40 file 02-completion.yaml #1
        09:40 keep-late T1 a1 #1
        09:40 notice T1 a1 #1 late → support-manager
        09:41 file 03-progress.yaml #1
        09:41 reason 03-progress.yaml #1
        09:41 reject 03-progress.yaml #1 → technical-support-engineer
        """
    )
    s.at("09:45").drop("accept_late", BOSS, "T1", attempt=1)
    s.has("T1 completed")
    s.expect(
        """
        09:45 file 04-accept_late.yaml #1
        09:45 notice T1 late-accepted-a2 → customer-support-rep
        09:45 result T1 a2
        09:45 move T1 #2 completed
        09:45 aggregate #1
        09:45 request component follow_up_plan #1 → technical-support-engineer
        09:45 request component knowledge_base_article #1 → knowledge-base-manager
        09:45 request component preventive_measures #1 → technical-support-engineer
        09:45 request component resolution_steps #1 → technical-support-engineer
        09:45 request component root_cause_analysis #1 → support-analyst
        """
    )


@story("EXE-16")
def a_sign_of_life_ends_the_cycle(s: Stage) -> None:
    """Before `finalize` a word is enough, and I runs from it; after it, once, it gives I more; then it stands."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=2)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("09:50").drop("progress", ENGINEER, "T1", percent=10)
    s.at("10:40").drop("progress", ENGINEER, "T1", percent=20)
    s.at("10:50").drop("progress", ENGINEER, "T1", percent=30)
    s.at("12:00")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-ack.yaml #1
        09:35 remind T1 a1 #1 → technical-support-engineer
        09:50 file 02-progress.yaml #1
        10:20 remind T1 a1 #2 → technical-support-engineer
        10:35 status check T1 a1 #2 → technical-support-engineer
        10:40 file 03-progress.yaml #1
        10:50 file 04-progress.yaml #1
        11:20 remind T1 a1 #3 → technical-support-engineer
        11:35 status check T1 a1 #3 → technical-support-engineer
        11:42:30 finalize T1 a1 #3 → technical-support-engineer
        11:50 time out T1 a1 #3
        11:50 keep T1 a1
        11:50 notice T1 timed-out-a1 → technical-support-engineer
        11:50 assign T1 a2 → customer-support-rep
        """
    )


@story("EXE-16")
def after_finalize_a_reply_gives_the_interval_once(s: Stage) -> None:
    """A reply that is no result gives I once; the next does not; a result counts until the close."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=2)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("10:00").drop("progress", ENGINEER, "T1", percent=10)
    s.at("10:20").drop("progress", ENGINEER, "T1", percent=20)
    s.at("11:00")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-ack.yaml #1
        09:35 remind T1 a1 #1 → technical-support-engineer
        09:50 status check T1 a1 #1 → technical-support-engineer
        09:57:30 finalize T1 a1 #1 → technical-support-engineer
        10:00 file 02-progress.yaml #1
        10:20 file 03-progress.yaml #1
        10:30 time out T1 a1 #1
        10:30 keep T1 a1
        10:30 notice T1 timed-out-a1 → technical-support-engineer
        10:30 assign T1 a2 → customer-support-rep
        """
    )


@story("EXE-16", "EXE-26", "SLA-12")
def three_days_of_downtime_close_nobody_unasked(s: Stage) -> None:
    """After downtime the ladder goes on at its first rung not done; each rung waits for the one below to be real."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, plan={"tier": 3}, tier=3)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("09:06").drop("ack", WRITER, "T2")
    s.at("10:10")
    s.skip()
    s.down("2026-11-23T09:00:00Z")
    s.drop("progress", WRITER, "T2", percent=50, timestamp="2026-11-23T08:30:00Z")
    s.at("2026-11-23T10:00:00Z")
    s.expect(
        """
        11-23 09:00 file 03-progress.yaml #1
        11-23 09:00 status check T1 a1 #1 → technical-support-engineer
        11-23 09:00 warn resolution #1 50%
        11-23 09:00 warn resolution T1 #1 50%
        11-23 09:00 warn resolution T2 #1 50%
        11-23 09:00 warn resolution T1 #1 target
        11-23 09:00 warn resolution T2 #1 target
        11-23 09:00 warn resolution #1 75%
        11-23 09:00 warn resolution #1 75%-manager
        11-23 09:00 proactive #1
        11-23 09:00 warn resolution T1 #1 75%
        11-23 09:00 warn resolution T1 #1 75%-manager
        11-23 09:00 warn resolution T2 #1 75%
        11-23 09:00 warn resolution T2 #1 75%-manager
        11-23 09:00 warn resolution #1 90%
        11-23 09:00 warn resolution #1 90%-manager
        11-23 09:00 warn resolution T1 #1 90%
        11-23 09:00 warn resolution T1 #1 90%-manager
        11-23 09:00 warn resolution T2 #1 90%
        11-23 09:00 warn resolution T2 #1 90%-manager
        11-23 09:00 breach resolution #1
        11-23 09:00 ask breach resolution #1 → vp-customer-support
        11-23 09:00 breach resolution T1 #1
        11-23 09:00 ask breach resolution T1 #1 → escalation-manager
        11-23 09:00 breach resolution T2 #1
        11-23 09:00 ask breach resolution T2 #1 → support-manager
        11-23 09:15 finalize T1 a1 #1 → technical-support-engineer
        11-23 09:30 remind T2 a1 #2 → technical-writer
        11-23 09:30 time out T1 a1 #1
        11-23 09:30 keep T1 a1
        11-23 09:30 notice T1 timed-out-a1 → technical-support-engineer
        11-23 09:30 assign T1 a2 → customer-support-rep
        11-23 10:00 status check T2 a1 #2 → technical-writer
        """
    )


@story("EXE-16", "EXE-25")
def on_hold_the_ladder_stops(s: Stage) -> None:
    """Nobody is reminded of what is on hold; off hold again his silence counts from there."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=2)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("09:20").drop("hold", BOSS, "T1", reason="the customer is moving")
    s.at("12:00").drop("release", BOSS, "T1")
    s.at("12:40")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-ack.yaml #1
        09:20 file 02-hold.yaml #1
        09:20 notice T1 #1 on-hold → technical-support-engineer
        12:00 file 03-release.yaml #1
        12:00 notice T1 #1 released → technical-support-engineer
        12:30 remind T1 a1 #1 → technical-support-engineer
        """
    )


@story(
    "EXE-16", "EXE-9",
    roster={
        "night-owl": {"expertise": ["owls"], "hours": "office"},
        "sloth": {"expertise": ["sloths"], "silence": "patient"},
    },
    calendars={"office": {"timezone": "UTC", "weekly": {"fri": [["09:00", "10:00"]], "mon": [["09:00", "12:00"]]}}},
    ladders={"patient": {"interval": {"tier 2": "3 hours", "all": "1 hour"}, "rungs": [
        {"do": "reminder", "after": "I"}, {"do": "reminder", "after": "30 min", "to": "support-manager"},
        {"do": "close", "after": "I/3"},
    ]}},
)  # fmt: skip
def ladders_are_data(s: Stage) -> None:
    """Hours, estimated effort and a ladder of one's own come from configuration alone."""
    s.case(
        {
            "T1": {"assigned_to": "night-owl"},
            "T3": {"assigned_to": "sloth"},
            "T4": {"assigned_to": WRITER, "estimated_effort": "4 hours"},
        },
        plan={"tier": 3},
        created_at="2026-11-20T08:50:00Z",
    )
    s.at("09:01")
    s.skip()
    for sender, task in (("night-owl", "T1"), ("sloth", "T3"), (WRITER, "T4")):
        s.drop("ack", sender, task)
    s.at("2026-11-23T09:20:00Z")
    s.told = [line for line in s.told if " a1 #1" in line]
    s.expect(
        """
        10:01 remind T3 a1 #1 → sloth
        10:31 remind T3 a1 #1 rung-2 → support-manager
        10:51 time out T3 a1 #1
        11:01 remind T4 a1 #1 → technical-writer
        12:01 status check T4 a1 #1 → technical-writer
        12:31 finalize T4 a1 #1 → technical-writer
        13:01 time out T4 a1 #1
        11-23 09:01 remind T1 a1 #1 → night-owl
        """
    )
