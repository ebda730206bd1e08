"""Stories of what comes out at the end: components, gate, hand-off, verdict [chapter 6]."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from tests.stories.kit import CASE, ENGINEER, UPDATE, WRITER, Stage, story

INBOX = "_communication/inbox"
FINAL = f"{CASE}/outputs/final"
PARTIAL = f"{CASE}/outputs/partial"
LEAD = "support-manager"
LIAISON = "customer-success-manager"
#: Every component of a ticket's resolution, complete.
TICKET: dict[str, Any] = {
    "root_cause_analysis": "a pool of 50 connections, each held three times as long since the release",
    "resolution_steps": ["raise the limit to 200", "switch the doubled check off"],
    "preventive_measures": "an alarm at 80 % of the pool",
    "knowledge_base_article": "KB-352, how the error shows and what helps",
    "follow_up_plan": {"date": "2026-11-27", "owner": LIAISON, "what": "a call about the week's numbers"},
}
CUSTOMER = {"name": "Acme", "contact": "ops@acme.example"}


def without(*names: str) -> dict[str, Any]:
    """The components but these."""
    return {name: content for name, content in TICKET.items() if name not in names}


def ticket(s: Stage, *, customer: bool = False, **more: Any) -> None:
    """A ticket of two tasks, the first done by the engineer, the second by the writer."""
    given = {"customer": CUSTOMER} if customer else {}
    s.case(
        {"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER, "communication_required": "internal"}},
        tier=2, **given, **more,
    )  # fmt: skip
    s.at("09:05").done(ENGINEER, "T1", components=without("knowledge_base_article", "follow_up_plan"))
    s.skip()


def finished(s: Stage, *, customer: bool = False, **more: Any) -> None:
    """The same, done: every component is there."""
    ticket(s, customer=customer, **more)
    s.at("09:10").done(
        WRITER, "T2", components={k: TICKET[k] for k in ("knowledge_base_article", "follow_up_plan")},
        **({"customer_update": UPDATE} if customer else {}),
    )  # fmt: skip


@story("DEL-2", "DEL-3", "DEL-4", "QUA-1", "QUA-3", "QUA-4", "CON-14")
def from_results_to_the_deliverable_and_its_pass(s: Stage) -> None:
    """Partial results become the product with provenance and hashes; it is handed off, passed and closed."""
    finished(s, customer=True)
    s.expect(
        """
        09:10 file 02-completion.yaml #1
        09:10 update #1
        09:10 result T2 a1
        09:10 move T2 #2 completed
        09:10 aggregate #1
        09:10 write ticket_resolution.yaml #1
        09:10 write execution_summary.yaml #1
        09:10 write handoff.yaml #1
        09:10 hand off #1 → validator
        """
    )
    s.holds(FINAL, "execution_summary.yaml", "handoff.yaml", "ticket_resolution.yaml")
    s.says(f"{PARTIAL}/progress.yaml", phase="handed_off", percent=100)
    made = s.read(f"{FINAL}/ticket_resolution.yaml")
    if s.strict:
        assert list(made["components"]) == [
            "root_cause_analysis", "resolution_steps", "customer_communication", "preventive_measures",
            "knowledge_base_article", "follow_up_plan",
        ]  # fmt: skip
        assert made["components"]["follow_up_plan"] == TICKET["follow_up_plan"]
        assert made["components"]["customer_communication"][0]["contact"] == UPDATE["contact"]
        came = made["provenance"]["root_cause_analysis"]
        assert (came["task"], came["agent"], came["attempt"], came["source"]) == ("T1", ENGINEER, 1, "components")
        assert made["provenance"]["customer_communication"]["source"] == "record"
    s.says(f"{INBOX}/validator/{CASE}.c1.validation_request.yaml", type="validation_request", cycle=1)
    s.at("09:30").drop("verdict", "validator", verdict="PASS", reason="all is well")
    s.expect(
        """
        09:30 file 03-verdict.yaml #1
        09:30 notice acme-42 #1 closed-customer-success-manager → customer-success-manager
        09:30 notice acme-42 #1 closed-support-manager → support-manager
        """
    )
    s.says(f"{PARTIAL}/progress.yaml", phase="closed", percent=100)
    s.at("10:00").drop("archive", "operator")
    s.expect(
        """
        10:00 file 04-archive.yaml #1
        10:00 archive acme-42 #1
        """
    )
    s.holds("", "_archive", "_communication")
    s.holds(f"_archive/{CASE}/outputs/final", "execution_summary.yaml", "handoff.yaml", "ticket_resolution.yaml")


@story("DEL-5", "DEL-1", "QUA-5", "QUA-2", "MSG-7")
def a_missing_component_is_asked_for_and_waived(s: Stage) -> None:
    """Its likely owner is asked once; at the limit it is escalated to support-manager, who may waive it."""
    ticket(s, sla_resolution="8 hours")
    s.at("09:10").done(WRITER, "T2", components={"knowledge_base_article": TICKET["knowledge_base_article"]})
    s.expect(
        """
        09:10 file 02-completion.yaml #1
        09:10 result T2 a1
        09:10 move T2 #2 completed
        09:10 aggregate #1
        09:10 request component follow_up_plan #1 → technical-writer
        """
    )
    s.at("19:00")
    s.expect(
        """
        16:50 escalate component follow_up_plan #1 level-2 → support-manager
        18:50 remind component follow_up_plan #1 level-2 → support-manager
        """
    )
    s.at("19:10").drop("waive", LEAD, component="follow_up_plan", reason="the customer has left")
    s.expect(
        """
        19:10 file 03-waive.yaml #1
        19:10 write ticket_resolution.yaml #1
        19:10 write execution_summary.yaml #1
        19:10 write handoff.yaml #1
        19:10 hand off #1 → validator
        """
    )
    s.says(f"{FINAL}/ticket_resolution.yaml", waived=[
        {"component": "customer_communication", "by": "executord", "reason": "there is no customer"},
        {"component": "follow_up_plan", "by": LEAD, "reason": "the customer has left"},
    ])  # fmt: skip


@story("DEL-5", "MSG-4")
def a_component_comes_as_an_answer_or_as_a_file(s: Stage) -> None:
    """`components:` in the answer, or a file in outputs/: both are sources, and the hand-off goes on by itself."""
    ticket(s)
    s.at("09:10").done(WRITER, "T2", components={})
    s.expect(
        """
        09:10 file 02-completion.yaml #1
        09:10 result T2 a1
        09:10 move T2 #2 completed
        09:10 aggregate #1
        09:10 request component follow_up_plan #1 → technical-writer
        09:10 request component knowledge_base_article #1 → knowledge-base-manager
        """
    )
    s.at("09:20").drop(
        "answer", WRITER, in_reply_to=f"{CASE}.component_request", components={"follow_up_plan": "somewhen"}
    )
    s.at("09:30").put(f"{PARTIAL}/T2/knowledge_base_article.md", "# KB-352\nHow the error shows, and what helps.\n")
    s.expect(
        """
        09:20 file 03-answer.yaml #1
        09:20 gather components #1
        09:20 aggregate #2
        09:20 request component follow_up_plan #2 → technical-writer
        09:30 aggregate #3
        """
    )
    s.at("09:40").drop("answer", WRITER, components={"follow_up_plan": TICKET["follow_up_plan"]})
    s.expect(
        """
        09:40 file 04-answer.yaml #1
        09:40 gather components #2
        09:40 aggregate #4
        09:40 write ticket_resolution.yaml #1
        09:40 write execution_summary.yaml #1
        09:40 write handoff.yaml #1
        09:40 hand off #1 → validator
        """
    )
    made = s.read(f"{FINAL}/ticket_resolution.yaml")
    if s.strict:
        assert made["components"]["knowledge_base_article"]["path"] == "outputs/partial/T2/knowledge_base_article.md"
        assert made["components"]["follow_up_plan"]["date"] == "2026-11-27"
        assert made["provenance"]["follow_up_plan"]["agent"] == WRITER
        assert [c["other"]["path"] for c in made["conflicts"]] == [f"outputs/partial/components.from-{WRITER}.yaml"]


@story("DEL-5", "MSG-4", "MSG-7")
def an_answer_without_the_component_settles_nothing(s: Stage) -> None:
    """It stays asked and climbs; one that brings it unfilled is told what is wrong; it may name any of the requests."""
    ticket(s, sla_resolution="8 hours")
    s.at("09:10").done(WRITER, "T2", components={"knowledge_base_article": TICKET["knowledge_base_article"]})
    s.at("09:11")
    s.skip()
    s.drop("answer", WRITER, answer="I have none")
    s.at("09:12").drop("answer", WRITER, components={"follow_up_plan": "soon"})
    s.at("09:13")
    s.expect(
        """
        09:11 file 03-answer.yaml #1
        09:12 file 04-answer.yaml #1
        09:12 gather components #1
        09:12 aggregate #2
        09:12 request component follow_up_plan #2 → technical-writer
        """
    )
    s.says(f"{INBOX}/{WRITER}/{CASE}.component_request-2.yaml",
           why="follow_up_plan: it lacks a date: say when, e.g. `date: 2026-11-27`")  # fmt: skip
    first = f"{CASE}.component_request"
    for k in range(3):
        s.drop("answer", WRITER, components={"follow_up_plan": f"soon, {k}"}, in_reply_to=first)
        s.at("+1m")
    s.expect(
        """
        09:13 file 05-answer.yaml #1
        09:13 gather components #2
        09:13 aggregate #3
        09:13 request component follow_up_plan #3 → technical-writer
        09:14 file 06-answer.yaml #1
        09:14 gather components #3
        09:14 aggregate #4
        09:15 file 07-answer.yaml #1
        09:15 gather components #4
        09:15 aggregate #5
        """
    )
    s.at("17:00")
    s.expect("16:50 escalate component follow_up_plan #3 level-2 → support-manager")
    s.drop("answer", WRITER, components={"follow_up_plan": "a call on 2026-11-27"}, in_reply_to=first)
    s.at("17:01").says(f"{PARTIAL}/progress.yaml", phase="handed_off")


@story("DEL-2", "DEL-3", "QUA-3")
def what_changes_after_it_was_taken_in_counts_as_it_lies_there(s: Stage) -> None:
    """A result and a file edited before the hand-off: content and hash are of one state, and the validator is told."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=2)
    s.at("09:04").put(f"{PARTIAL}/T1/log.md", "one\n")
    s.at("09:05").done(
        ENGINEER, "T1", components=without("knowledge_base_article", "follow_up_plan"),
        outputs=[{"outputs/partial/T1/log.md": "what was seen"}],
    )  # fmt: skip
    s.skip()
    result = f"{s.root}/{PARTIAL}/T1.yaml"
    if os.path.exists(result):  # else the daemon is down
        with open(result, encoding="utf-8") as file:
            s.put(f"{PARTIAL}/T1.yaml", file.read().replace("a pool of 50", "a pool of 60"))
    s.put(f"{PARTIAL}/T1/log.md", "one\ntwo\n")
    s.at("09:10").done(WRITER, "T2", components={k: TICKET[k] for k in ("knowledge_base_article", "follow_up_plan")})
    s.skip()
    made, handed = s.read(f"{FINAL}/ticket_resolution.yaml"), s.read(f"{FINAL}/handoff.yaml")
    if s.strict:
        assert made["components"]["root_cause_analysis"].startswith("a pool of 60")
        rows = {row["path"]: row["sha256"] for row in handed["manifest"]}
        for path in ("outputs/partial/T1.yaml", "outputs/partial/T1/log.md"):
            with open(f"{s.root}/{CASE}/{path}", "rb") as raw:
                assert rows[path] == hashlib.sha256(raw.read()).hexdigest()
            assert f"{path} was changed after it was verified: it counts as it lies there" in handed["check"]
        assert made["provenance"]["root_cause_analysis"]["sha256"] == rows["outputs/partial/T1.yaml"]


@story("DEL-2", "MEM-19", "MEM-23")
def two_sources_are_both_kept(s: Stage) -> None:
    """The more trusted wins, among equals the later verified; a file on our name is moved away and used as a source."""
    ticket(s)
    s.at("09:06").put(f"{FINAL}/ticket_resolution.yaml", {"from": WRITER, "follow_up_plan": {"date": "2026-12-01"}})
    s.put(f"{CASE}/tasks/completed/preventive_measures.yaml", {"components": {"preventive_measures": "a checklist"}})
    s.at("09:10").done(
        WRITER, "T2", components={"knowledge_base_article": TICKET["knowledge_base_article"],
                                  "root_cause_analysis": "the pool, and the doubled check"},
    )  # fmt: skip
    s.expect(
        """
        09:10 file 02-completion.yaml #1
        09:10 result T2 a1
        09:10 move T2 #2 completed
        09:10 set-aside ticket_resolution.yaml #1
        09:10 aggregate #1
        09:10 write ticket_resolution.yaml #1
        09:10 write execution_summary.yaml #1
        09:10 write handoff.yaml #1
        09:10 hand off #1 → validator
        """
    )
    made = s.read(f"{FINAL}/ticket_resolution.yaml")
    if s.strict:
        assert made["components"]["root_cause_analysis"] == "the pool, and the doubled check"
        assert made["components"]["follow_up_plan"] == {"date": "2026-12-01"}
        assert made["provenance"]["follow_up_plan"]["path"] == f"outputs/partial/ticket_resolution.from-{WRITER}.yaml"
        assert [(c["component"], c["other"]["path"]) for c in made["conflicts"]] == [
            ("root_cause_analysis", "outputs/partial/T1.yaml"),
            ("preventive_measures", "tasks/completed/preventive_measures.yaml"),
        ]


@story("DEL-1", "EXE-13")
def a_placeholder_is_no_component(s: Stage) -> None:
    """In a claim it is rework at once; in a file it is refused, and its owner asked."""
    ticket(s)
    s.at("09:10").done(WRITER, "T2", components={"knowledge_base_article": "{article}"})
    s.expect(
        """
        09:10 file 02-completion.yaml #1
        09:10 rework T2 a1 #1 → technical-writer
        """
    )
    s.at("09:20").put(f"{PARTIAL}/T2/knowledge_base_article.yaml", {"article": "<title of the article>"})
    s.done(WRITER, "T2", components={"follow_up_plan": TICKET["follow_up_plan"]})
    s.expect(
        """
        09:20 file 03-completion.yaml #1
        09:20 result T2 a1
        09:20 move T2 #2 completed
        09:20 aggregate #1
        09:20 request component knowledge_base_article #1 → technical-writer
        """
    )


@story("QUA-4", "EXE-3", "MEM-23")
def fixable_three_times_then_hitl(s: Stage) -> None:
    """The issues become rework for their owners; each hand-off is a new cycle, the third time a person decides."""
    finished(s)
    s.skip()
    s.at("09:20").drop("verdict", "validator", verdict="REVISE", issues=[{"task": "T1", "issue": "say since when"}])
    s.has("T1 assigned", "T2 completed")
    s.says(f"{PARTIAL}/progress.yaml", phase="rework")
    s.expect(
        """
        09:20 file 03-verdict.yaml #1
        09:20 move T1 #3 in_progress
        09:20 assign T1 a2 → technical-support-engineer
        09:20 rework T1 a2 #1 verdict → technical-support-engineer
        """
    )
    s.at("09:30").done(ENGINEER, "T1", components=without("knowledge_base_article", "follow_up_plan"))
    s.expect(
        """
        09:30 file 04-completion.yaml #1
        09:30 set-aside T1.yaml #1
        09:30 result T1 a2
        09:30 move T1 #4 completed
        09:30 aggregate #2
        09:30 shelve execution_summary.yaml #1
        09:30 shelve handoff.yaml #1
        09:30 shelve ticket_resolution.yaml #1
        09:30 write ticket_resolution.yaml #2
        09:30 write execution_summary.yaml #2
        09:30 write handoff.yaml #2
        09:30 hand off #2 → validator
        """
    )
    s.at("09:40").drop(
        "verdict", "validator", classification="fixable", issues=[{"component": "follow_up_plan", "issue": "too late"}]
    )
    s.expect(
        """
        09:40 file 05-verdict.yaml #1
        09:40 move T2 #3 in_progress
        09:40 handoff T2 a2 #1 T1 → technical-writer
        09:40 assign T2 a2 → technical-writer
        09:40 rework T2 a2 #2 verdict → technical-writer
        """
    )
    s.at("09:50").done(WRITER, "T2", components={k: TICKET[k] for k in ("knowledge_base_article", "follow_up_plan")})
    s.expect(
        """
        09:50 file 06-completion.yaml #1
        09:50 set-aside T2.yaml #1
        09:50 result T2 a2
        09:50 move T2 #4 completed
        09:50 aggregate #3
        09:50 shelve execution_summary.yaml #2
        09:50 shelve handoff.yaml #2
        09:50 shelve ticket_resolution.yaml #2
        09:50 write ticket_resolution.yaml #3
        09:50 write execution_summary.yaml #3
        09:50 write handoff.yaml #3
        09:50 hand off #3 → validator
        """
    )
    s.at("10:00").drop("verdict", "validator", result="FIXABLE", issues=["the tone"])
    s.says(f"{PARTIAL}/progress.yaml", phase="blocked")
    s.expect(
        """
        10:00 file 07-verdict.yaml #1
        10:00 escalate halt #1 → hitl
        """
    )
    s.at("10:10").drop("resume", "hitl")
    s.at("10:20").drop("verdict", "validator", result="PASS")
    s.expect(
        """
        10:10 file 08-resume.yaml #1
        10:10 shelve execution_summary.yaml #3
        10:10 shelve handoff.yaml #3
        10:10 shelve ticket_resolution.yaml #3
        10:10 write ticket_resolution.yaml #4
        10:10 write execution_summary.yaml #4
        10:10 write handoff.yaml #4
        10:10 hand off #4 → validator
        10:20 file 09-verdict.yaml #1
        10:20 notice acme-42 #4 closed-customer-success-manager → customer-success-manager
        10:20 notice acme-42 #4 closed-support-manager → support-manager
        """
    )
    s.holds(
        PARTIAL, "T1.attempt-1.yaml", "T1.yaml", "T2.attempt-1.yaml", "T2.yaml", "execution_summary.cycle-1.yaml",
        "execution_summary.cycle-2.yaml", "execution_summary.cycle-3.yaml", "handoff.cycle-1.yaml",
        "handoff.cycle-2.yaml", "handoff.cycle-3.yaml", "journal.yaml", "progress.yaml",
        "ticket_resolution.cycle-1.yaml", "ticket_resolution.cycle-2.yaml", "ticket_resolution.cycle-3.yaml",
    )  # fmt: skip


@story("QUA-4", "EXE-20", "EXE-28")
def the_one_who_was_asked_decides_by_the_word_he_was_offered(s: Stage) -> None:
    """BLOCKED asks `hitl`, with `resume` among what he can say; his `decision: resume` hands off again."""
    finished(s)
    s.skip()
    s.at("09:20").drop("verdict", "validator", verdict="BLOCKED", reason="not allowed")
    s.at("09:30").drop("decision", "hitl", decision="resume", reason="it is allowed now")
    s.expect(
        """
        09:20 file 03-verdict.yaml #1
        09:20 escalate halt #1 → hitl
        09:30 file 04-decision.yaml #1
        09:30 shelve execution_summary.yaml #1
        09:30 shelve handoff.yaml #1
        09:30 shelve ticket_resolution.yaml #1
        09:30 write ticket_resolution.yaml #2
        09:30 write execution_summary.yaml #2
        09:30 write handoff.yaml #2
        09:30 hand off #2 → validator
        """
    )


@story("QUA-4", "EXE-28")
def issues_that_are_nobodys_go_to_support_manager(s: Stage) -> None:
    """An issue that names neither task nor component: support-manager says how it goes on."""
    finished(s)
    s.skip()
    s.at("09:20").drop("verdict", "validator", verdict="FIXABLE", issues=["the whole reads like a log"])
    s.expect(
        """
        09:20 file 03-verdict.yaml #1
        09:20 escalate issues c1 → support-manager
        """
    )
    s.at("09:30").drop("retry", LEAD, "T2", reason="write it anew")
    s.at("09:40").done(WRITER, "T2", components={k: TICKET[k] for k in ("knowledge_base_article", "follow_up_plan")})
    s.expect(
        """
        09:30 file 04-retry.yaml #1
        09:30 move T2 #3 in_progress
        09:30 handoff T2 a2 #1 T1 → technical-writer
        09:30 assign T2 a2 → technical-writer
        09:40 file 05-completion.yaml #1
        09:40 set-aside T2.yaml #1
        09:40 result T2 a2
        09:40 move T2 #4 completed
        09:40 aggregate #2
        09:40 shelve execution_summary.yaml #1
        09:40 shelve handoff.yaml #1
        09:40 shelve ticket_resolution.yaml #1
        09:40 write ticket_resolution.yaml #2
        09:40 write execution_summary.yaml #2
        09:40 write handoff.yaml #2
        09:40 hand off #2 → validator
        """
    )


@story("QUA-4", "EXE-28")
def blocked_is_taken_up_by_a_person(s: Stage) -> None:
    """BLOCKED: hitl is asked; retry opens a task, and it is handed off again."""
    finished(s)
    s.skip()
    s.at("09:20").drop("verdict", "validator", decision="FAIL", reason="the cause is wrong")
    s.says(f"{PARTIAL}/progress.yaml", phase="blocked")
    s.at("09:30").drop("answer", "hitl", answer="have a look")
    s.at("09:40").drop("retry", "hitl", "T1", reason="look at the pool again")
    s.at("09:50").done(ENGINEER, "T1", components=without("knowledge_base_article", "follow_up_plan"))
    s.expect(
        """
        09:20 file 03-verdict.yaml #1
        09:20 escalate halt #1 → hitl
        09:30 file 04-answer.yaml #1
        09:30 reason 04-answer.yaml #1
        09:30 reject 04-answer.yaml #1 → hitl
        09:40 file 05-retry.yaml #1
        09:40 move T1 #3 in_progress
        09:40 assign T1 a2 → technical-support-engineer
        09:50 file 06-completion.yaml #1
        09:50 set-aside T1.yaml #1
        09:50 result T1 a2
        09:50 move T1 #4 completed
        09:50 aggregate #2
        09:50 shelve execution_summary.yaml #1
        09:50 shelve handoff.yaml #1
        09:50 shelve ticket_resolution.yaml #1
        09:50 write ticket_resolution.yaml #2
        09:50 write execution_summary.yaml #2
        09:50 write handoff.yaml #2
        09:50 hand off #2 → validator
        """
    )


@story("QUA-4", "MSG-4")
def a_verdict_is_the_validators_and_nobody_elses(s: Stage) -> None:
    """From a worker, of another cycle, before the hand-off, by editing a file: refused, and told."""
    ticket(s)
    s.at("09:06").drop("verdict", "validator", verdict="PASS")
    s.expect(
        """
        09:06 file 02-verdict.yaml #1
        09:06 reason 02-verdict.yaml #1
        09:06 reject 02-verdict.yaml #1 → validator
        """
    )
    s.at("09:10").done(WRITER, "T2", components={k: TICKET[k] for k in ("knowledge_base_article", "follow_up_plan")})
    s.at("09:12").drop("verdict", WRITER, verdict="PASS")
    s.at("09:13").drop("verdict", LEAD, verdict="PASS")
    s.at("09:14").drop("verdict", "validator", verdict="PASS", cycle=2)
    s.at("09:15").drop("verdict", "validator", verdict="looks good")
    s.at("09:16").drop("answer", "validator", answer="PASS")
    s.expect(
        """
        09:10 file 03-completion.yaml #1
        09:10 result T2 a1
        09:10 move T2 #2 completed
        09:10 aggregate #1
        09:10 write ticket_resolution.yaml #1
        09:10 write execution_summary.yaml #1
        09:10 write handoff.yaml #1
        09:10 hand off #1 → validator
        09:12 file 04-verdict.yaml #1
        09:12 reason 04-verdict.yaml #1
        09:12 reject 04-verdict.yaml #1 → technical-writer
        09:13 file 05-verdict.yaml #1
        09:13 reason 05-verdict.yaml #1
        09:13 reject 05-verdict.yaml #1 → support-manager
        09:14 file 06-verdict.yaml #1
        09:14 reason 06-verdict.yaml #1
        09:14 reject 06-verdict.yaml #1 → validator
        09:15 file 07-verdict.yaml #1
        09:15 reason 07-verdict.yaml #1
        09:15 reject 07-verdict.yaml #1 → validator
        09:16 file 08-answer.yaml #1
        09:16 reason 08-answer.yaml #1
        09:16 reject 08-answer.yaml #1 → validator
        """
    )
    s.says(f"{PARTIAL}/progress.yaml", phase="handed_off")
    s.at("09:20").append(f"{FINAL}/handoff.yaml", b"verdict: PASS\n")
    s.put(f"{CASE}/status.yaml", {"phase": "closed", "verdict": "PASS"})
    s.put(f"{PARTIAL}/verdict.yaml", {"type": "verdict", "from": "validator", "verdict": "PASS"})
    s.expect(
        """
        09:20 notice acme-42 #1 tampered → support-manager
        09:20 withdraw hand-off #1 → validator
        09:20 shelve execution_summary.yaml #1
        09:20 shelve ticket_resolution.yaml #1
        09:20 write ticket_resolution.yaml #2
        09:20 write execution_summary.yaml #2
        09:20 set-aside handoff.yaml #1
        09:20 write handoff.yaml #2
        09:20 hand off #2 → validator
        """
    )
    s.says(f"{PARTIAL}/progress.yaml", phase="handed_off")
    s.at("09:25").drop("verdict", "validator", verdict="PASS", in_reply_to=f"{CASE}.c1.validation_request")
    s.at("09:30").drop("verdict", "validator", verdict="PASS", in_reply_to=f"{CASE}.c2.validation_request")
    s.expect(
        """
        09:25 file 09-verdict.yaml #1
        09:25 reason 09-verdict.yaml #1
        09:25 reject 09-verdict.yaml #1 → validator
        09:30 file 10-verdict.yaml #1
        09:30 notice acme-42 #2 closed-customer-success-manager → customer-success-manager
        09:30 notice acme-42 #2 closed-support-manager → support-manager
        """
    )


@story("QUA-4", "MSG-7", "EXE-29")
def the_validators_silence_is_no_verdict(s: Stage) -> None:
    """Reminded, then hitl is asked; never taken for a verdict."""
    finished(s)
    s.skip()
    s.at("2026-11-24T09:00:00Z")
    s.expect(
        """
        11:10 remind verdict c1 → validator
        13:10 escalate verdict c1 level-2 → hitl
        15:10 remind verdict c1 level-2 → hitl
        17:10 unanswered verdict c1
        """
    )
    s.says(f"{PARTIAL}/progress.yaml", phase="handed_off")


@story("EXE-27")
def a_task_that_comes_after_the_hand_off(s: Stage) -> None:
    """Before the verdict the hand-off is withdrawn and made again; after it the task is held until `retry`."""
    finished(s)
    s.skip()
    s.at("09:20").add("T3", {"assigned_to": ENGINEER})
    s.expect(
        """
        09:20 admit T3 #1
        09:20 withdraw hand-off #1 → validator
        09:20 handoff T3 a1 #1 T2 → technical-support-engineer
        09:20 assign T3 a1 → technical-support-engineer
        09:20 move T3 #1 in_progress
        """
    )
    s.at("09:30").done(ENGINEER, "T3")
    s.at("09:40").drop("verdict", "validator", verdict="PASS")
    s.expect(
        """
        09:30 file 03-completion.yaml #1
        09:30 result T3 a1
        09:30 move T3 #2 completed
        09:30 aggregate #2
        09:30 shelve execution_summary.yaml #1
        09:30 shelve handoff.yaml #1
        09:30 shelve ticket_resolution.yaml #1
        09:30 write ticket_resolution.yaml #2
        09:30 write execution_summary.yaml #2
        09:30 write handoff.yaml #2
        09:30 hand off #2 → validator
        09:40 file 04-verdict.yaml #1
        09:40 notice acme-42 #2 closed-customer-success-manager → customer-success-manager
        09:40 notice acme-42 #2 closed-support-manager → support-manager
        """
    )
    s.at("09:50").add("T4", {"assigned_to": ENGINEER})
    s.has("T1 completed", "T2 completed", "T3 completed", "T4 held")
    s.expect(
        """
        09:50 admit T4 #1
        09:50 notice T4 held-1339b911 → planner
        """
    )
    s.at("10:00").drop("retry", "planner", reason="one more")
    s.at("10:10").drop("retry", LEAD, reason="one more")
    s.has("T1 completed", "T2 completed", "T3 completed", "T4 assigned")
    s.expect(
        """
        10:00 file 05-retry.yaml #1
        10:00 reason 05-retry.yaml #1
        10:00 reject 05-retry.yaml #1 → planner
        10:10 file 06-retry.yaml #1
        10:10 handoff T4 a1 #1 T3 → technical-support-engineer
        10:10 assign T4 a1 → technical-support-engineer
        10:10 move T4 #1 in_progress
        """
    )


@story("QUA-1", "QUA-2", "EXE-4")
def standard_2_the_customer_was_not_told_how_it_ended(s: Stage) -> None:
    """The liaison is asked for the update; with it the hand-off goes on."""
    ticket(s, customer=True)
    s.at("09:08").drop("customer_update", WRITER, "T2", **UPDATE)
    s.at("09:10").done(WRITER, "T2", components={k: TICKET[k] for k in ("knowledge_base_article", "follow_up_plan")})
    s.expect(
        """
        09:08 file 02-customer_update.yaml #1
        09:08 update #1
        09:10 file 03-completion.yaml #1
        09:10 result T2 a1
        09:10 move T2 #2 completed
        09:10 aggregate #1
        09:10 request closing-update #2 → customer-success-manager
        """
    )
    s.at("09:20").drop("customer_update", LIAISON, **UPDATE)
    s.expect(
        """
        09:20 file 04-customer_update.yaml #1
        09:20 update #2
        09:20 aggregate #2
        09:20 write ticket_resolution.yaml #1
        09:20 write execution_summary.yaml #1
        09:20 write handoff.yaml #1
        09:20 hand off #1 → validator
        """
    )


@story("QUA-1", "QUA-2", "EXE-28")
def standard_1_a_planned_task_never_comes(s: Stage) -> None:
    """Everything else has ended: support-manager decides whether it is still to be done."""
    s.case({"T1": {"assigned_to": ENGINEER}}, plan={"tier": 3, "tasks": ["T1", "T9"]})
    s.at("09:05").done(ENGINEER, "T1", components=TICKET)
    s.skip()
    s.at("13:20")
    s.expect(
        """
        13:05 escalate standard 1 78a78a4e → support-manager
        """
    )
    s.at("13:30").drop("cancel", LEAD, "T9", reason="not needed any more")
    s.expect(
        """
        13:30 file 02-cancel.yaml #1
        13:30 result T9 #1 cancelled
        13:30 aggregate #1
        13:30 write ticket_resolution.yaml #1
        13:30 write execution_summary.yaml #1
        13:30 write handoff.yaml #1
        13:30 hand off #1 → validator
        """
    )


@story("QUA-1", "QUA-2")
def standard_5_an_output_has_gone(s: Stage) -> None:
    """A file that a result names is not there any more: its owner is asked for it."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.at("09:04").put(f"{PARTIAL}/T1/log.md", "the pool is exhausted\n")
    s.at("09:05").done(
        ENGINEER, "T1", components=without("follow_up_plan"), outputs=["outputs/partial/T1/log.md"]
    )  # fmt: skip
    s.skip()
    s.at("09:06").delete(f"{PARTIAL}/T1/log.md")
    s.expect(
        """
        09:06 aggregate #2
        09:06 request file outputs/partial/T1/log.md #1 → technical-support-engineer
        """
    )
    s.at("09:20").drop(
        "answer", ENGINEER, in_reply_to=f"{CASE}.component_request",
        components={"follow_up_plan": TICKET["follow_up_plan"]},
    )  # fmt: skip
    s.expect(
        """
        09:20 file 02-answer.yaml #1
        09:20 gather components #1
        09:20 aggregate #3
        """
    )
    s.at("09:30").put(f"{PARTIAL}/T1/log.md", "the pool is exhausted\n")
    s.expect(
        """
        09:30 aggregate #4
        09:30 write ticket_resolution.yaml #1
        09:30 write execution_summary.yaml #1
        09:30 write handoff.yaml #1
        09:30 hand off #1 → validator
        """
    )


@story("QUA-1", "QUA-2", "QUA-5")
def standard_6_something_lies_in_the_way(s: Stage) -> None:
    """`outputs/final` is a file: support-manager is told; once it is away the hand-off goes on."""
    s.put(f"{CASE}/outputs/final", "mine\n")
    finished(s)
    s.expect(
        """
        09:10 file 02-completion.yaml #1
        09:10 result T2 a1
        09:10 move T2 #2 completed
        09:10 aggregate #1
        09:10 escalate standard 6 5374d8aa → support-manager
        """
    )
    s.at("09:20").move(f"{CASE}/outputs/final", f"{CASE}/outputs/mine.md")
    s.expect(
        """
        09:20 aggregate #2
        09:20 write ticket_resolution.yaml #1
        09:20 write execution_summary.yaml #1
        09:20 write handoff.yaml #1
        09:20 hand off #1 → validator
        """
    )


@story("EXE-8", "QUA-3")
def tier_0_without_a_task_goes_straight_to_the_validator(s: Stage) -> None:
    """Nothing to execute: handed off as it is."""
    s.case({}, plan={"tier": 0, "tasks": []})
    s.expect(
        """
        09:00 open acme-42
        09:00 write execution_summary.yaml #1
        09:00 write handoff.yaml #1
        09:00 hand off #1 → validator
        """
    )
    s.says(f"{FINAL}/handoff.yaml", deliverable=None, manifest=s.read(f"{FINAL}/handoff.yaml").get("manifest"))


@story("DEL-4", "EXE-7", "CON-14")
def tier_4_adds_the_resolution_report(s: Stage) -> None:
    """With timeline, decisions and what else is known; support-manager and vp-customer-support are told of the end."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=4)
    s.at("09:05").done(ENGINEER, "T1", components=without("follow_up_plan"))
    s.at("09:10").drop("waive", "hitl", component="follow_up_plan", reason="none is needed")
    s.skip()
    s.holds(FINAL, "execution_summary.yaml", "handoff.yaml", "resolution_report.yaml", "ticket_resolution.yaml")
    made = s.read(f"{FINAL}/resolution_report.yaml")
    if s.strict:
        assert made["root_cause"] == TICKET["root_cause_analysis"]
        assert made["prevention_plan"] == TICKET["preventive_measures"]
        assert [row["what"] for row in made["timeline"]][:3] == [
            "open acme-42",
            "executive-update acme-42 #1",
            "assign T1 a1",
        ]
        assert made["decisions"][0]["by"] == "hitl"
    s.at("09:20").drop("verdict", "validator", verdict="PASS")
    s.expect(
        """
        09:20 file 03-verdict.yaml #1
        09:20 notice acme-42 #1 closed-customer-success-manager → customer-success-manager
        09:20 notice acme-42 #1 closed-support-manager → support-manager
        09:20 notice acme-42 #1 closed-vp-customer-support → vp-customer-support
        """
    )


@story("QUA-1", "QUA-2", "QUA-5", "SLA-22")
def standard_4_a_promise_was_broken(s: Stage) -> None:
    """Only a decision lets it pass: a waiver, or an extension that the customer approves afterwards."""
    for case in (CASE, "other-7"):
        s.case({"T1": {"assigned_to": ENGINEER, "communication_required": "internal"}}, case=case, tier=1,
               customer=CUSTOMER, sla_resolution="1 hour", created_at="2026-11-20T08:30:00Z")  # fmt: skip
    for case in (CASE, "other-7"):
        s.at(f"09:0{1 if case == CASE else 2}").drop("customer_update", LIAISON, case=case, **UPDATE)
        s.drop("ack", ENGINEER, "T1", case=case)
    s.at("09:15")
    for case in (CASE, "other-7"):
        s.drop("progress", ENGINEER, "T1", case=case, percent=50)
    s.at("09:35")
    for case in (CASE, "other-7"):
        s.done(ENGINEER, "T1", case=case, components=TICKET, customer_update=UPDATE)
    s.at("09:40")
    s.skip()
    s.holds(FINAL)
    s.at("10:00").drop("waive", "escalation-manager", standard=4, reason="let it go")
    s.at("10:05").drop("waive", "vp-customer-support", standard="SLAs", reason="the customer was not harmed")
    s.expect(
        """
        10:00 file 09-waive.yaml #1
        10:00 reason 09-waive.yaml #1
        10:00 reject 09-waive.yaml #1 → escalation-manager
        10:05 file 10-waive.yaml #1
        10:05 write ticket_resolution.yaml #1
        10:05 write execution_summary.yaml #1
        10:05 write handoff.yaml #1
        10:05 hand off #1 → validator
        """
    )
    s.at("10:15").drop("sla_extension", LIAISON, case="other-7", approved_by="ops@acme.example", new_limit="4 hours")
    s.expect(
        """
        10:15 [other-7] file 11-sla_extension.yaml #1
        10:15 [other-7] write ticket_resolution.yaml #1
        10:15 [other-7] write execution_summary.yaml #1
        10:15 [other-7] write handoff.yaml #1
        10:15 [other-7] hand off #1 → validator
        """
    )
    table = s.read(f"{FINAL}/handoff.yaml").get("gate", [])
    other = s.read("other-7/outputs/final/handoff.yaml").get("gate", [])
    if s.strict:
        assert [row["result"] for row in table] == ["pass", "pass", "pass", "waived", "pass", "pass"]
        assert [row["by"] for row in table if row["by"]] == ["vp-customer-support"]
        assert [row["by"] for row in other if row["by"]] == ["customer"]
        whole = s.read(f"{FINAL}/execution_summary.yaml")
        assert [c["state"] for c in whole["sla"] if c["kind"] == "resolution" and c["task"] is None] == ["breached"]


@story("EXE-4", "QUA-1", "REL-12")
def the_closing_update_is_enough_where_the_customer_came_later(s: Stage) -> None:
    """The last task was done before anybody knew of a customer: one complete update after it opens the gate."""
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=3)
    s.at("09:05").done(WRITER, "T2", components=TICKET)
    s.look()
    s.put(f"{CASE}/instruction.yaml", {"title": "x", "priority": "high", "customer": CUSTOMER})
    s.at("09:10").done(ENGINEER, "T1")
    s.skip()
    s.at("09:20").drop("customer_update", LIAISON, None, **UPDATE)
    s.expect(
        """
        09:20 file 03-customer_update.yaml #1
        09:20 update #1
        09:20 aggregate #2
        09:20 write ticket_resolution.yaml #1
        09:20 write execution_summary.yaml #1
        09:20 write handoff.yaml #1
        09:20 hand off #1 → validator
        """
    )
