"""Who may say what to a session, and what becomes of it [SES-21, SES-27, SES-28, MSG-4].

Counterparts: `fold.py`, what a taken message changes; `rules/mail.py`, the same for instructions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executord.case import Letter
from executord.errors import Finding
from executord.evolve import replace
from executord.letters import NOTE_LENGTH, scalar
from executord.messages import type_of
from executord.policy import Policy
from executord.team.papers import first, text_of
from executord.team.record import Team

#: Types that a session takes from people; `capability_gap` and `consensus_blocked` are heard on its message bus.
TYPES = ("retry", "skip", "pause", "resume", "tell", "decision")
RELAYED = ("capability_gap", "consensus_blocked")
_STOPPED = ("failed", "timed_out", "partial_completion")
_ACTIONS = {
    "archive": "archive", "archive_&_clean": "archive", "archive_and_clean": "archive", "clean": "archive",
    "keep": "keep", "keep_active": "keep", "export": "export", "export_results": "export",
}  # fmt: skip
_GO_ON = ("resume", "continue", "next", "go_on", "proceed", "accept", "override", "approve", "approved")


@dataclass(frozen=True, slots=True)
class Said:
    """What becomes of a message: taken with these facts, or refused."""

    type: str
    task: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    refusal: Finding | None = None
    why: str = ""


def judge(team: Team, letter: Letter, policy: Policy) -> Said:
    """What becomes of this message in this session."""
    if letter.fault is not None:
        return Said(letter.type, refusal=letter.fault)
    known, _ = type_of(letter)
    kind = "decision" if known == "hitl_decision" else known
    if kind is None:
        return _no("", "MSG-1", f"{letter.type!r} is not a type of message", f"use one of {', '.join(TYPES)}")
    if kind not in TYPES:
        return _no(kind, "SES-28", f"a session does not take {kind}", f"use one of {', '.join(TYPES)}")
    sender = letter.sender
    if sender is None:
        return _no(kind, "MSG-1", "the message does not say who sent it", "add `from: <your name>`")
    if works_here(team, sender):
        return _no(
            kind, "SES-26", f"{sender} is a role of this session; workers do not run sessions", "ask the operator"
        )
    if not allowed(sender, kind, policy):
        return _no(kind, "MSG-4", f"{sender} may not send {kind}", "ask support-manager or the operator")
    if team.head.status == "completed":
        return _no(kind, "SES-21", "the session is completed", "re-run team-coordinate for new work")
    if kind in ("retry", "skip", "tell"):
        return _about_task(team, letter, kind)
    if kind == "pause":
        if team.head.status == "paused":
            return _no(kind, "SES-21", "the session is paused already", "nothing to do; resume goes on")
        return Said(kind, facts={"reason": _reason(letter)})
    if kind == "resume":
        return Said(kind, facts={"retried": retried(team)})
    return _decision(team, letter)


def works_here(team: Team, sender: str) -> bool:
    """Whether this name is a role of the session, or one of its tasks."""
    names = {*(r.lower().replace("_", "-").replace(" ", "-") for r in team.plan.roles), *(i.lower() for i in team.jobs)}
    return sender.lower() in names


def allowed(sender: str, kind: str, policy: Policy) -> bool:
    """Whether the sender may decide this."""
    if policy.may(sender, kind) or (kind == "decision" and policy.may(sender, "hitl_decision")):
        return True
    if kind == "decision":
        return sender == "hitl"
    return kind in ("retry", "tell", "pause") and sender == "planner"


def _no(kind: str, code: str, message: str, fix: str) -> Said:
    return Said(kind, refusal=Finding(code, message, fix))


def _reason(letter: Letter) -> str | None:
    return text_of(first(letter.body, "reason", "why", "comment"))[:NOTE_LENGTH] or None


def _about_task(team: Team, letter: Letter, kind: str) -> Said:
    task = letter.task
    if task is None:
        return _no(kind, "MSG-1", f"{kind} names no task", "add task_id")
    job = team.jobs.get(task)
    if job is None:
        return _no(kind, "MSG-1", f"the session has no task {task!r}", f"use one of {', '.join(team.jobs)}")
    if kind == "tell":
        text = scalar(first(letter.body, "text", "context", "message", "note"))
        if not text:
            return _no(kind, "SES-27", "there is nothing to tell", "add text")
        worker = team.worker_of(job)
        if worker is None or worker.state not in ("starting", "live"):
            return _no(kind, "SES-27", f"{task} is not running: it is {job.status}", "tell it when it runs")
        return Said(kind, task)
    reason = _reason(letter)
    if kind == "skip":
        if reason is None:
            return _no(kind, "SES-28", "skip needs a reason", "add reason: why it need not be done")
        if job.status not in (*_STOPPED, "pending"):
            return _no(
                kind, "SES-28", f"{task} is {job.status}; only what failed or waits is skipped", "see session status"
            )
        return Said(kind, task, {"reason": reason})
    if job.status not in (*_STOPPED, "skipped"):
        return _no(kind, "SES-28", f"{task} is {job.status}; only what failed, timed out or was skipped is retried",
                   "see session status")  # fmt: skip
    return Said(kind, task, {"reason": reason})


def retried(team: Team) -> list[str] | None:
    """The failed tasks that a resume tries again: where all that is left has failed, within the cap [SES-21]."""
    if team.live or any(team.ready(i) for i in team.jobs):
        return None
    return [i for i, job in team.jobs.items() if job.status == "failed" and job.spent < team.cap] or None


def _decision(team: Team, letter: Letter) -> Said:
    said = first(letter.body, "decision", "action", "choice", "answer")
    if isinstance(said, Mapping):  # an order with its own fields: {type: retry, task_id: …}
        letter = replace(
            letter, body={**letter.body, **said}, task=text_of(first(said, "task_id", "task")) or letter.task
        )
        said = first(said, "type", "action", "decision")
    word = text_of(said).lower()
    word = word.replace(" ", "_").replace("-", "_").removesuffix("_(recommended)")
    action = _ACTIONS.get(word)
    if word in ("retry", "skip"):
        return _about_task(team, letter, word)
    if action is None:
        if word in _GO_ON:
            if team.head.status != "paused":
                return _no("decision", "SES-18", "no decision is awaited", "see session status")
            return Said("decision", facts={"reason": _reason(letter)})
        return _no("decision", "SES-23", f"{word!r} is no decision on a session",
                   "use archive, keep, export, or resume")  # fmt: skip
    if not team.complete or team.head.opened_at is None:
        left = [i for i in team.jobs if not team.over(i)]
        return _no("decision", "SES-23", f"the session is not complete: {', '.join(left[:10])}",
                   "finish, retry or skip these first")  # fmt: skip
    target = scalar(first(letter.body, "to_folder", "target", "to_dir", "path", "folder"))
    if action == "export":
        if not target:
            return _no("decision", "SES-23", "export needs a folder", "add to_folder: where to copy the artifacts")
        if not target.startswith("/"):
            return _no("decision", "SES-23", f"{target!r} is not an absolute path", "use an absolute path")
        if (target.rstrip("/") + "/").startswith(team.path + "/"):
            return _no("decision", "SES-23", "the folder lies in the session itself", "use one outside of it")
    return Said("decision", facts={"action": action, "target": target if action == "export" else None})
