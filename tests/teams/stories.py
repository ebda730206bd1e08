"""Stories of team sessions: workers that do well, and workers that do not."""

from __future__ import annotations

from datetime import timedelta

from executord.sessions.crew import Found
from tests.teams.kit import Room, story

CHAIN = {"DEV-001": [], "DEV-002": ["DEV-001"], "TESTER-001": {"depends_on": ["DEV-002"], "role": "tester"}}
WIDE = {f"DEV-00{k}": [] for k in range(1, 8)}


@story("SES-5", "SES-8", "SES-9", "SES-12", "SES-16", "SES-23", "CON-6", "CON-16", memory=True)
def three_tasks_one_after_the_other(s: Room) -> None:
    """Each task starts when the one before is done; at the end hitl is asked, and answers."""
    s.prepare(CHAIN)
    s.expect(
        """
        09:00 open TC-checkout
        09:00 start DEV-001 a1
        """
    )
    s.check(s.json("team-session.json")["active_workers"][0]["agent"] == "DEV-001.a1")
    s.at("09:10").finish("DEV-001", artifact="artifacts/plan.md")
    s.expect(
        """
        09:10 result DEV-001 a1
        09:10 start DEV-002 a1
        """
    )
    s.at("09:20").result("DEV-002")  # the process still runs: it is closed
    s.expect(
        """
        09:20 result DEV-002 a1
        09:20 start TESTER-001 a1
        """
    )
    s.at("09:20:02").check("DEV-002.a1" in s.crew.stopped)
    order = s.text(".executord/work/TESTER-001.a1/order.md")
    s.check("### DEV-002 (dev)\nfindings: found what DEV-002 was after\nartifacts: \n" in order, order)
    s.at("09:30").finish("TESTER-001")
    s.expect(
        """
        09:30 result TESTER-001 a1
        09:30 complete #1
        09:30 ask completion #1 → hitl
        """
    )
    s.at("09:40").drop("decision", "hitl", decision="Archive & Clean (Recommended)")
    s.expect(
        """
        09:40 file 01-decision.yaml #1
        09:40 archive #1
        """
    )
    s.check(s.status() == "completed")
    s.check(s.json("team-session.json")["final_summary"]["artifacts"][0]["path"] == "artifacts/plan.md")


@story("SES-12", "SES-15", completion="auto_keep")
def a_result_is_what_counts_not_the_exit(s: Room) -> None:
    """Exit 0 without a file, a file without findings, and three times nothing: failed for good."""
    s.prepare({"DEV-001": [], "DEV-002": [], "DEV-003": []})
    s.skip()
    s.at("09:01").ends("DEV-001", 0)
    s.finish("DEV-002", findings="", artifact=None)
    s.finish("DEV-003", code=3)
    s.expect(
        """
        09:01 fail DEV-001 a1
        09:01 result DEV-002 a1
        09:01 result DEV-003 a1
        """
    )
    s.has(DEV_001="pending", DEV_002="pending", DEV_003="completed")
    s.check("exit code 3" in s.text("wisdom/issues.md"))
    s.at("09:01:02")
    s.expect(
        """
        09:01:02 start DEV-001 a2
        09:01:02 aside DEV-002 a2 #1
        09:01:02 start DEV-002 a2
        """
    )
    s.at("09:02").ends("DEV-001", 1)
    s.finish("DEV-002")
    s.at("09:03").skip()
    s.ends("DEV-001", 1)
    s.expect(
        """
        09:03 fail DEV-001 a3
        09:03 stall #1
        """
    )
    s.has(DEV_001="failed", DEV_002="completed")
    s.check(s.json("tasks.json")["tasks"]["DEV-001"]["error"] == "No discovery file produced")


@story("SES-12", "SES-4", max_attempts=1, completion="auto_keep")
def a_name_alone_is_no_result(s: Room) -> None:
    """Without findings the artifact has to be there, and in the session; a result of another name is a concern."""
    s.prepare({f"DEV-00{k}": [] for k in range(1, 5)})
    s.lay("artifacts/pool.md", "it was too small")
    s.finish("DEV-001", findings="", artifact="artifacts/pool.md")
    s.finish("DEV-002", findings="", artifact="artifacts/never-written.md")
    s.finish("DEV-003", findings="", artifact="../../../../etc/hostname")
    s.finish("DEV-004", id="DEV-009")
    s.skip()
    s.has(DEV_001="completed", DEV_002="failed", DEV_003="failed", DEV_004="completed")
    s.check(s.json("tasks.json")["tasks"]["DEV-002"]["error"] == "no findings")
    s.check("DEV-004: its result says that it is of DEV-009" in s.text("wisdom/issues.md"), s.text("wisdom/issues.md"))


@story("SES-12")
def a_torn_result_is_read_again_and_then_kept_aside(s: Room) -> None:
    """What is half written is given the settle time; whole by then it counts, else it is kept and has failed."""
    s.prepare({"DEV-001": [], "DEV-002": []})
    s.skip()
    s.at("09:01").lay("discoveries/DEV-001.json", '{"id": "DEV-001", "status": "compl')
    s.lay("discoveries/DEV-002.json", '{"id": "DEV-002", "sta')
    s.expect("")
    s.at("09:01:01").finish("DEV-001")
    s.expect("09:01:01 result DEV-001 a1")
    s.at("09:01:04")
    s.expect(
        """
        09:01:02 aside DEV-002 a1
        09:01:02 fail DEV-002 a1
        09:01:04 start DEV-002 a2
        """
    )
    s.check(s.text(".executord/work/DEV-002.a1/discovery.torn.json") == '{"id": "DEV-002", "sta')
    s.at("09:02").lay("discoveries/DEV-002.json", {"id": "DEV-002", "status": "flabbergasted"})
    s.at("09:02:02").skip()
    s.has(DEV_002="pending")
    s.check("flabbergasted" in s.text(".executord/work/DEV-002.a2/discovery.torn.json"))


@story("SES-14", "SES-28", memory=True)
def a_worker_that_ignores_everything_is_timed_out(s: Room) -> None:
    """STATUS_CHECK, FINALIZE with an interrupt, timed_out; what comes later is late; a person retries."""
    s.prepare({"DEV-001": [], "DEV-002": ["DEV-001"]})
    s.skip()
    s.at("09:40")
    s.expect(
        """
        09:30 status check DEV-001 a1 #1
        09:33 finalize DEV-001 a1 #1
        09:36 time out DEV-001 a1 #1
        09:36 stall #1 → hitl
        """
    )
    s.check(s.crew.interrupted == ["DEV-001.a1"], str(s.crew.interrupted))
    s.check("DEV-001.a1" in s.crew.stopped)
    s.check(
        "STATUS_CHECK: Report current progress" in s.text(".executord/work/DEV-001.a1/inbox/0001-status_check.yaml")
    )
    s.check("FINALIZE: Output all current findings" in s.text(".executord/work/DEV-001.a1/inbox/0002-finalize.yaml"))
    s.has(DEV_001="timed_out", DEV_002="pending")
    s.at("09:41").result("DEV-001", findings="too late")
    s.expect("09:41 late DEV-001 #1")
    s.has(DEV_001="timed_out")
    s.at("09:50").drop("retry", "operator", "DEV-001")
    s.expect(
        """
        09:50 file 01-retry.yaml #1
        09:50 aside DEV-001 a2 #1
        09:50 start DEV-001 a2
        """
    )
    s.check("too late" in s.text(".executord/work/DEV-001.a1/discovery.json"))
    s.at("09:55").finish("DEV-001")
    s.expect(
        """
        09:55 result DEV-001 a2
        09:55 start DEV-002 a1
        """
    )


@story("SES-14")
def an_answer_to_status_check_puts_finalize_off(s: Room) -> None:
    """From the answer on another half hour, once; an answer to FINALIZE is the result."""
    s.prepare({"DEV-001": [], "DEV-002": []})
    s.skip()
    s.say("DEV-001", "progress", "reading")  # before the check: no answer
    s.at("09:31").say("DEV-001", "progress", "half of it is done")
    s.lay("discoveries/DEV-002.json", {"id": "DEV-002", "status": "in_progress", "findings": "so far this"})
    s.at("10:03")
    s.expect(
        """
        09:30 status check DEV-001 a1 #1
        09:30 status check DEV-002 a1 #1
        09:31 answer DEV-001 a1 #1
        09:31 answer DEV-002 a1 #1
        10:01 finalize DEV-001 a1 #1
        10:01 finalize DEV-002 a1 #1
        """
    )
    s.result("DEV-001", status="partial", findings="half of it")
    s.finish("DEV-002")
    s.expect(
        """
        10:03 result DEV-001 a1
        10:03 result DEV-002 a1
        10:03 stall #1
        """
    )
    s.has(DEV_001="partial_completion", DEV_002="completed")


@story("SES-14", "SES-15")
def after_downtime_no_rung_is_skipped(s: Room) -> None:
    """Two hours down: the ladder goes on at its first undone step, each step its span after the one before."""
    s.prepare({"DEV-001": []})
    s.at("09:10").skip()
    s.down("+2h")
    s.at("11:20")
    s.expect(
        """
        11:10 status check DEV-001 a1 #1
        11:13 finalize DEV-001 a1 #1
        11:16 time out DEV-001 a1 #1
        11:16 stall #1
        """
    )


@story("MSG-11", "SES-14", "SLA-12")
def what_came_during_downtime_comes_before_any_rung(s: Room) -> None:
    """Its worker has left its result and lives on: nobody is asked for what lies there."""
    s.prepare({"DEV-001": []})
    s.at("09:10").skip()
    s.away()
    s.now += timedelta(hours=2)
    s.lay("discoveries/DEV-001.json", {"id": "DEV-001", "status": "completed", "findings": "done while you were away"})
    s.crew.state["DEV-001.a1"] = Found("gone", 0)
    s.at("11:20")
    s.expect(
        """
        11:10 result DEV-001 a1
        11:10 complete #1
        """
    )


@story("SES-8", max_workers=3)
def as_many_as_there_is_room_for(s: Room) -> None:
    """Seven are ready, three work; each that ends makes room."""
    s.prepare(WIDE)
    s.expect(
        """
        09:00 open TC-checkout
        09:00 start DEV-001 a1
        09:00 start DEV-002 a1
        09:00 start DEV-003 a1
        """
    )
    s.at("09:05").finish("DEV-002")
    s.expect(
        """
        09:05 result DEV-002 a1
        09:05 start DEV-004 a1
        """
    )


@story("SES-8", "SES-15", "CON-16")
def an_inner_loop_goes_on_with_one_worker(s: Room) -> None:
    """The next task of the role is a follow-up to the worker that lives; a task that says otherwise gets its own."""
    s.prepare(
        {"DEV-001": [], "DEV-002": [], "DEV-003": ["DEV-002"], "TESTER-001": []},
        {"dev": {"inner_loop": True}, "tester": {}},
        analysis={"tasks": [{"id": "DEV-003", "description": "alone\nInnerLoop: false"}]},
    )
    s.expect(
        """
        09:00 open TC-checkout
        09:00 start DEV-001 a1
        09:00 start TESTER-001 a1
        """
    )
    s.at("09:10").result("DEV-001")
    s.at("09:10:05")
    s.expect(
        """
        09:10 result DEV-001 a1
        09:10:01 follow-up DEV-002 a1
        """
    )
    follow = s.text(".executord/work/DEV-001.a1/inbox/0001-task.yaml")
    s.check("task_id: DEV-002" in follow and "discoveries/DEV-002.json" in follow, follow)
    entry = next(e for e in s.json("team-session.json")["active_workers"] if e["task_id"] == "DEV-002")
    s.check(entry["agent"] == "DEV-001.a1")
    s.at("09:20").result("DEV-002")
    s.expect(
        """
        09:20 result DEV-002 a1
        09:20 start DEV-003 a1
        """
    )
    s.at("09:20:02").check("DEV-001.a1" in s.crew.stopped)  # nothing of its kind is left


@story("SES-6", "SES-9", "SES-15")
def workers_live_through_the_death_of_the_executor(s: Room) -> None:
    """Alive: adopted, not started again. Ended meanwhile: the result counts. Gone without a trace: reset."""
    s.prepare({"DEV-001": [], "DEV-002": [], "DEV-003": []})
    s.at("09:05").skip()
    s.away()
    s.lay("discoveries/DEV-002.json", {"id": "DEV-002", "status": "completed", "findings": "done while you were away"})
    s.crew.state["DEV-002.a1"] = Found("gone", 0)
    s.crew.state["DEV-003.a1"] = Found("gone", None)
    s.at("09:06")
    s.expect(
        """
        09:05 result DEV-002 a1
        09:05 reset DEV-003 a1
        09:05:02 start DEV-003 a2
        """
    )
    s.check("Task DEV-003 reset from interrupted state" in s.text(".msg/messages.jsonl"))
    s.has(DEV_001="in_progress", DEV_002="completed", DEV_003="in_progress")
    s.check(s.crew.started == ["DEV-001.a1", "DEV-002.a1", "DEV-003.a1", "DEV-003.a2"])


@story("SES-5", "SES-6")
def a_session_is_taken_over_in_the_middle(s: Room) -> None:
    """Alive by its entry: adopted. Gone: reset. Without an entry: left alone for a while, then reset."""
    s.crew.state["DEV-001.a2"] = Found("alive")
    s.crew.state["DEV-002.a1"] = Found("gone")
    s.prepare(
        {f"DEV-00{k}": [] for k in range(1, 7)},
        tasks=[
            {"id": "DEV-001", "status": "in_progress", "note": "mine"},
            {"id": "DEV-002", "status": "in_progress"},
            {"id": "DEV-003", "status": "in_progress"},
            {"id": "DEV-004", "status": "completed"},
            {"id": "DEV-005", "status": "in_progress"},
        ],
        completed_tasks=["DEV-006"],
        active_workers=[
            {"task_id": "DEV-001", "attempt": 2, "pid": 77, "pid_start": 7, "boot_id": "paper", "host": "here"},
            {"task_id": "DEV-002", "pid": 78, "pid_start": 7, "boot_id": "paper", "host": "here"},
            {"task_id": "DEV-003", "started_at": "2026-11-20T08:57:00Z"},
        ],
    )
    s.lay("discoveries/DEV-005.json", {"id": "DEV-005", "status": "completed", "findings": "was done already"})
    s.expect(
        """
        09:00 adopt DEV-001 a2
        09:00 orphan DEV-002 a1
        09:00 orphan DEV-003 a1
        09:00 orphan DEV-005 a1
        09:00 open TC-checkout
        09:00 reset DEV-002 a1
        09:00 result DEV-005 a1
        09:00 start DEV-006 a1
        """
    )
    s.has(DEV_001="in_progress", DEV_004="completed", DEV_005="completed")
    s.check(s.json("team-session.json")["completed_tasks"] == ["DEV-004", "DEV-005"])
    s.check(s.json("tasks.json")[0]["note"] == "mine")
    s.at("09:03")
    s.expect(
        """
        09:00:02 start DEV-002 a2
        09:02 reset DEV-003 a1
        09:02:02 start DEV-003 a2
        """
    )
    s.check("Fast-advance orphan DEV-003 reset" in s.text(".msg/messages.jsonl"))


@story("SES-13")
def fast_advance_never_starts_a_task_twice(s: Room) -> None:
    """Ready: taken for started by somebody, and reset if nobody is found. Not ready, unknown, another's: a warning."""
    s.prepare({"DEV-001": [], "DEV-002": ["DEV-001"], "DEV-003": ["DEV-002"], "TESTER-001": ["DEV-001"]})
    s.skip()
    s.at("09:10").say("DEV-001", "fast_advance", completed="DEV-001", successor="DEV-003")
    s.say("DEV-001", "fast_advance", completed="DEV-001", successor="NOPE-1")
    s.at("09:11").result("DEV-001")
    s.say("DEV-001", "fast_advance", completed="DEV-001", successor="DEV-002")
    s.raw("no json\n")
    s.at("09:12")
    s.told = [" ".join(line.split(" ")[:2]) if "heard" in line else line for line in s.told]
    s.expect(
        """
        09:10 heard
        09:10 heard
        09:11 result DEV-001 a1
        09:11 start DEV-002 a1
        09:11 start TESTER-001 a1
        09:11 heard
        09:11 heard
        """
    )
    s.check(s.crew.started.count("DEV-002.a1") <= 1)
    bus = s.text(".msg/messages.jsonl")
    s.check("DEV-003, which is not ready" in bus and "NOPE-1, which is not in the graph" in bus)
    s.check("cannot be read" in bus)


@story("SES-13", "SES-6", max_workers=1)
def a_successor_that_somebody_says_he_started(s: Room) -> None:
    """In progress with an unknown worker; nobody is found, so after five minutes it is reset and started."""
    s.prepare({"DEV-001": [], "DEV-002": [], "TESTER-001": []})
    s.skip()
    s.at("09:10").say("dev", "fast_advance", completed="DEV-001", successor="DEV-002")
    s.say("dev", "fast_advance", completed="DEV-001", successor="TESTER-001")
    s.at("09:11").finish("DEV-001")
    s.at("09:16")
    s.told = [line for line in s.told if "heard" not in line]
    s.expect(
        """
        09:10 orphan DEV-002 a1
        09:11 result DEV-001 a1
        09:11 start TESTER-001 a1
        09:15 reset DEV-002 a1
        """
    )
    s.has(DEV_001="completed", DEV_002="pending", TESTER_001="in_progress")
    s.check("belongs to tester and not to dev" in s.text(".msg/messages.jsonl"))
    s.finish("TESTER-001")
    s.has(DEV_002="in_progress")


@story("SES-17", memory=True)
def a_missing_capability(s: Room) -> None:
    """Covered by a role: said so. Not covered: hitl hears of the three ways; a role-spec added by hand is used."""
    s.prepare({"DEV-001": []})
    s.skip()
    s.at("09:05").say("DEV-001", "capability_gap", "who tests this?", capability="tester")
    s.expect("09:05 gap #1")
    s.at("09:06").say("DEV-001", "capability_gap", "who does security?", capability="security")
    s.expect("09:06 gap #2 → hitl")
    s.check("nobody covers security" in s.text(".msg/messages.jsonl"))
    s.at("09:07").lay(
        "role-specs/security.md",
        "---\nrole: security\nprefix: SEC\ninner_loop: false\nmessage_types: {ok: ok}\n---\n"
        "## Phase 2: a\n## Phase 3: b\n## Phase 4: c\n",
    )
    s.expect("09:07 redirect gap #2")
    s.has(DEV_001="in_progress")


@story("SES-18", "SES-21", memory=True)
def no_consensus(s: Room) -> None:
    """HIGH: one revision, then a person; MEDIUM is noted, LOW goes on."""
    s.prepare({"DEV-001": [], "DEV-002": [], "DEV-003": ["DEV-001"]})
    s.skip()
    s.at("09:05").say("tester", "consensus_blocked", "odd names", task_id="DEV-002", severity="LOW")
    s.say("tester", "consensus_blocked", "no tests", task_id="DEV-002", severity="MEDIUM")
    s.say("tester", "consensus_blocked", "no docs", task_id="DEV-002", severity="rather bad")
    s.check("(MEDIUM) on DEV-002: no tests" in s.text("wisdom/issues.md"))
    s.check("(RATHER BAD) on DEV-002: no docs" in s.text("wisdom/issues.md"))
    s.check("odd names" not in s.text("wisdom/issues.md"))
    s.at("09:08").say("tester", "consensus_blocked", "not idempotent", task_id="DEV-001", severity="HIGH")
    s.has(DEV_001="in_progress", DEV_001_R1="pending")
    s.at("09:10").finish("DEV-001")
    s.skip()
    s.has(DEV_001="revised", DEV_001_R1="in_progress")
    s.check("Revise the result of DEV-001" in s.text(".executord/work/DEV-001-R1.a1/order.md"))
    s.at("09:20").finish("DEV-001-R1")
    s.say("tester", "consensus_blocked", "still not", task_id="DEV-001-R1", severity="HIGH")
    s.skip()
    s.check(s.status() == "paused")
    s.at("09:25").drop("decision", "hitl", decision="continue", reason="good enough")
    s.skip()
    s.check(s.status() == "active")
    s.has(DEV_001_R1="completed", DEV_003="in_progress")
    s.check("findings: found what DEV-001-R1 was after" in s.text(".executord/work/DEV-003.a1/order.md"))


@story("SES-19")
def quality_scores(s: Room) -> None:
    """80 and more is good, 60 to 79 is noted, less is tried twice more and then partial."""
    s.prepare({"DEV-001": [], "DEV-002": [], "DEV-003": []})
    s.finish("DEV-001", quality_score=80)
    s.finish("DEV-002", quality_score=79)
    s.finish("DEV-003", quality_score=40)
    s.skip()
    s.has(DEV_001="completed", DEV_002="completed", DEV_003="pending")
    s.check("quality score 79" in s.text("wisdom/issues.md"))
    s.at("09:01").finish("DEV-003", quality_score=50)
    s.at("09:02").finish("DEV-003", quality_score=59)
    s.has(DEV_003="partial_completion")


@story("SES-16", "SES-28", memory=True, max_attempts=1)
def stalled_until_somebody_decides(s: Room) -> None:
    """What depends on a failed task waits; a skip needs a reason; what is skipped is over, its dependants are not."""
    s.prepare({"DEV-001": [], "DEV-002": ["DEV-001"], "DEV-003": []})
    s.finish("DEV-003")
    s.finish("DEV-001", status="failed", error="the build is red")
    s.skip()
    s.has(DEV_001="failed", DEV_002="pending")
    s.at("09:05").drop("skip", "operator", "DEV-001")
    s.drop("skip", "dev", "DEV-001", reason="I cannot")
    s.drop("skip", "operator", "DEV-001", reason="not needed")
    s.expect(
        """
        09:05 file 01-skip.yaml #1
        09:05 file 02-skip.yaml #1
        09:05 file 03-skip.yaml #1
        09:05 stall #2 → hitl
        """
    )
    s.check("workers do not run sessions" in s.text(".executord/inbox/.rejected/2026-11-20/02-skip.reason.yaml"))
    s.at("09:10").drop("skip", "operator", "DEV-002", reason="nor this")
    s.expect(
        """
        09:10 file 04-skip.yaml #1
        09:10 complete #1
        09:10 ask completion #1 → hitl
        """
    )


@story("SES-16", dependants="skip", max_attempts=1, completion="auto_archive")
def by_setting_dependants_are_skipped(s: Room) -> None:
    """What depends on a failed task is skipped, near and far; the failed one still waits for a person."""
    s.prepare({"DEV-001": [], "DEV-002": ["DEV-001"], "DEV-003": ["DEV-002"]})
    s.skip()
    s.finish("DEV-001", status="failed", error="no")
    s.expect(
        """
        09:00 result DEV-001 a1
        09:00 skip DEV-002 #1
        09:00 skip DEV-003 #1
        09:00 stall #1
        """
    )
    s.at("09:05").drop("skip", "operator", "DEV-001", reason="all of it")
    s.expect(
        """
        09:05 file 01-skip.yaml #1
        09:05 complete #1
        09:05 archive #1
        """
    )


@story("SES-21", "SES-27")
def paused_and_told(s: Room) -> None:
    """While paused, who works goes on and nothing new starts; context goes to who runs, and to nobody else."""
    s.prepare({"DEV-001": [], "DEV-002": ["DEV-001"]})
    s.skip()
    s.at("09:01").drop("tell", "operator", "DEV-001", text="use the new gateway")
    s.drop("tell", "operator", "DEV-002", text="and you too")
    s.expect(
        """
        09:01 file 01-tell.yaml #1
        09:01 context DEV-001 a1 #1
        09:01 file 02-tell.yaml #1
        """
    )
    s.check("use the new gateway" in s.text(".executord/work/DEV-001.a1/inbox/0001-context.yaml"))
    s.check("it is pending" in s.text(".executord/inbox/.rejected/2026-11-20/02-tell.reason.yaml"))
    s.at("09:05").drop("pause", "operator")
    s.at("09:10").finish("DEV-001")
    s.expect(
        """
        09:05 file 03-pause.yaml #1
        09:10 result DEV-001 a1
        """
    )
    s.check(s.status() == "paused")
    s.restart()
    s.at("09:20").drop("resume", "operator")
    s.expect(
        """
        09:20 file 04-resume.yaml #1
        09:20 start DEV-002 a1
        """
    )


@story("SES-7", "MEM-24", max_attempts=1)
def hands_in_tasks_json(s: Room) -> None:
    """completed is a claim that is verified, pending runs it again, skipped skips."""
    s.prepare({"DEV-001": [], "DEV-002": [], "DEV-003": [], "DEV-004": ["DEV-003"]})
    s.finish("DEV-001")
    s.finish("DEV-002", status="failed", error="no")
    s.skip()
    s.at("09:10").set("DEV-002", "skipped")
    s.expect("09:10 hand-set DEV-002 #1 skipped")
    s.at("09:11").set("DEV-001", "pending")
    s.skip()
    s.has(DEV_001="in_progress", DEV_002="skipped")
    s.at("09:12").set("DEV-004", "completed")  # nothing to show for it
    s.expect("09:12 hand-set DEV-004 #1 completed")
    s.has(DEV_004="pending")
    s.at("09:13").lay(
        "discoveries/DEV-004.json", {"task_id": "DEV-004", "status": "completed", "data": {"findings": "x"}}
    )
    s.set("DEV-004", "completed")
    s.expect("09:13 hand-set DEV-004 #2 completed")
    s.has(DEV_004="completed")


@story("SES-15", "OPS-18")
def a_worker_that_cannot_be_killed_parks_its_task(s: Room) -> None:
    """Its task waits until it is gone, the others go on."""
    s.prepare({"DEV-001": [], "DEV-002": []})
    s.skip()
    s.crew.deaf.add("DEV-001.a1")
    s.at("09:40").skip()
    s.drop("retry", "operator", "DEV-001")
    s.finish("DEV-002")
    s.skip()
    s.has(DEV_001="pending", DEV_002="timed_out")
    s.at("09:50").crew.deaf.clear()
    s.look()
    s.has(DEV_001="in_progress")


@story("SES-9")
def a_start_that_fails_counts(s: Room) -> None:
    """Back to pending, and an attempt less; three times and it has failed."""
    s.crew.refuse = "no such program"
    s.prepare({"DEV-001": []})
    s.at("09:05")
    s.expect(
        """
        09:00 open TC-checkout
        09:00 start DEV-001 a1
        09:00 unstarted DEV-001 a1
        09:00:02 start DEV-001 a2
        09:00:02 unstarted DEV-001 a2
        09:00:06 start DEV-001 a3
        09:00:06 unstarted DEV-001 a3
        09:00:06 stall #1
        """
    )
    s.has(DEV_001="failed")


@story("SES-23", completion="interactive")
def an_export(s: Room) -> None:
    """The artifacts are copied and compared, then it is archived; one that fails keeps the session active."""
    s.prepare({"DEV-001": []})
    s.lay("artifacts/deep/report.md", "all is well")
    s.finish("DEV-001", artifact="artifacts/deep/report.md")
    s.skip()
    s.drop("decision", "operator", decision="export", to_folder="relative")
    s.drop("decision", "operator", decision="export", to_folder="/proc/nowhere")
    s.skip()
    s.check(s.status() == "paused", s.status())
    s.at("09:10").drop("decision", "operator", decision="keep")
    s.skip()
    s.check(s.status() == "paused")


@story("SES-13")
def what_workers_say_as_messages_is_heard_on_the_bus(s: Room) -> None:
    """A consensus_blocked as a file in the inbox has the effect of one on the bus."""
    s.prepare({"DEV-001": []})
    s.finish("DEV-001")
    s.drop("consensus_blocked", "tester", "DEV-001", severity="HIGH", summary="again please")
    s.skip()
    s.has(DEV_001="revised", DEV_001_R1="in_progress")


@story("SES-28", "SES-16", memory=True, max_attempts=1)
def hitl_answers_what_it_was_asked(s: Room) -> None:
    """A decision that orders a retry, or a skip with its reason, is one."""
    s.prepare({"DEV-001": [], "DEV-002": []})
    s.finish("DEV-001", status="failed", error="no")
    s.finish("DEV-002", status="failed", error="no")
    s.skip()
    s.at("09:05").drop("decision", "hitl", "DEV-001", decision="retry")
    s.drop("decision", "hitl", decision={"type": "skip", "task_id": "DEV-002", "reason": "not this one"})
    s.drop("decision", "hitl", decision="dance")
    s.skip()
    s.has(DEV_001="in_progress", DEV_002="skipped")
    s.check("'dance' is no decision" in s.text(".executord/inbox/.rejected/2026-11-20/03-decision.reason.yaml"))
