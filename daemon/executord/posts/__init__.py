"""Every message we send: what stands in it besides the envelope.

Counterpart: `messages/`, what arrives. Bodies name instants, never spans that depend on now; long texts are
embedded from their files when the text is written. The envelope and the file's name are added when the line is noted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.actions import Embed
from executord.case import Attempt, Customer, Task
from executord.case.casebook import Case
from executord.case.standing import standing
from executord.policy import ATTEMPTS, REWORKS, Policy
from executord.promises.aims import Limit
from executord.promises.instruction import promised
from executord.promises.tasks import promised_task
from executord.updates import UPDATE_CONTENTS
from executord.values import stamp
from executord.verification import communication_of

INBOX = "_communication/inbox"
NAME_BYTES = 200
UPDATES_NAMED = 100  # of what the customer has heard a delegation names the latest
ANSWERS = "components.from-"  # our files in outputs/partial/ in which components came as answers

#: The kinds of message that we send, with what their reader is to do.
KINDS: dict[str, str] = {
    "delegation": "a task to do",
    "handoff": "the results of a finished task that yours builds on",
    "rework_request": "a claim that did not pass, point by point",
    "reassignment_notice": "a task that is no longer yours",
    "escalation": "a decision that is yours to take",
    "consultation": "a question that is yours to answer",
    "reminder": "an answer of yours that is missing",
    "customer_update_request": "an update that the customer is to get from you",
    "sla_warning": "a limit that comes nearer",
    "sla_breach": "a limit that has passed",
    "proactive_notice": "it will be late: the customer is to hear it before",
    "workaround_request": "what can the customer do until it is resolved",
    "status_check": "how does it stand",
    "finalize": "hand in what you have, the attempt is closed next",
    "checkpoint": "a checkpoint that waits for your release",
    "executive_update": "how a tier 4 instruction stands",
    "component_request": "a part of the deliverable that is missing, or was refused",
    "validation_request": "a hand-off that waits for your verdict",
    "incident_opened": "a critical incident, and where it is led",
    "incident_role": "a role in an incident that is yours",
    "stakeholder_update_request": "an update that the stakeholders are to get from you",
    "incident_closed": "an incident that is over",
    "retrospective_request": "the retrospective and the prevention plan of an incident",
    "clarification_request": "which task do you mean",
    "answer": "what you asked for",
    "context": "more about your task",
    "notice": "what you must know and need not answer",
    "rejection": "a message of yours that could not be taken, and why",
    "status_report": "what you asked: how things stand",
    "digest": "how promises were kept, and what nobody has answered",
    "late_result_notice": "a result that came after its attempt was closed",
    "completion_action_request": "what is to become of a team session that is complete",
}


def stem(subject: str, task: str | None, attempt: int | None, kind: str, k: int) -> str:
    """The name of a message without `.yaml`: deterministic, and at most 200 bytes with it [CON-4]."""
    middle = f".{task}.a{attempt or 0}" if task else ""
    name = f"{subject}{middle}.{kind}" + (f"-{k}" if k > 1 else "")
    if len(name.encode()) + 5 <= NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    cut = name.encode()[: NAME_BYTES - 5 - 9].decode(errors="ignore")
    return f"{cut}-{digest}"


def next_stem(case: Case, task: str | None, attempt: int | None, kind: str) -> str:
    """The name of the next message of this kind."""
    return stem(case.id, task, attempt, kind, case.sent.get((task or "", attempt or 0, kind), 0) + 1)


def upstream_of(case: Case, task: Task) -> list[Task]:
    """The finished tasks whose results go to this one: its dependencies, and in a sequence the one before it."""
    ids = list(dict.fromkeys((*task.spec.requires, *task.spec.after)))
    before = case.before(task)
    if case.head.tier in (0, 1, 2) and before is not None and before.id not in ids:
        ids.append(before.id)
    return [t for i in ids if (t := case.tasks.get(i)) is not None and t.ended and t.ended.state == "completed"]


def result_path(task: Task) -> str:
    """Where the result of a task lies, from the case's folder [MEM-23]."""
    reserved = task.id in _RESERVED or task.id.startswith(("incident", "update-", "journal."))
    return f"outputs/partial/{'task-' if reserved else ''}{task.id}.yaml"


_RESERVED = frozenset({"journal", "progress", "handoff", "execution_summary", "resolution_report"})


def done_attempt(task: Task) -> Attempt | None:
    """The attempt whose claim was verified."""
    return next((a for a in reversed(task.attempts) if a.state == "done"), None)


def handoff(case: Case, upstream: Task, task: Task) -> dict[str, Any]:
    """What the next task gets from a finished one [EXE-5]."""
    done = done_attempt(upstream)
    claim = done.claim if done else None
    path = f"{case.id}/{result_path(upstream)}"
    return {
        "from_task": {
            "id": upstream.id,
            "title": upstream.spec.title,
            "agent": done.agent if done else None,
            "attempt": done.n if done else None,
        },
        "result": path,
        "summary": Embed(path, "summary"),
        "output": Embed(path, "output"),
        "components": Embed(path, "components"),
        "files": [{"path": f"{case.id}/{f.path}", "size": f.size, "sha256": f.sha256} for f in claim.files]
        if claim
        else [],
        "concerns": list(claim.concerns) if claim else [],
        "open_questions": Embed(path, "open_questions"),
        "expected": f"use it for {task.id}" + (f", {task.spec.title}" if task.spec.title else ""),
    }


def _customer(customer: Customer | None, case: Case) -> dict[str, Any] | None:
    if customer is None:
        return None
    last = case.head.updates
    latest = range(max(last - UPDATES_NAMED, 0) + 1, last + 1)
    return {
        "name": customer.name,
        "segment": customer.segment,
        "contact": customer.contact,
        "timezone": customer.timezone,
        "updates": [f"{case.id}/outputs/partial/update-{n:03}.yaml" for n in latest],
    }


def delegation(
    case: Case, task: Task, agent: str, why: str, attempt: int, upstream: list[str], limit: Limit | None, policy: Policy
) -> dict[str, Any]:
    """A task to do: whoever knows nothing but this one file can do the job [MSG-8]."""
    head, spec, said = case.head, task.spec, dict(task.spec.texts.items())
    place, count = case.position(task)
    folder = f"{case.id}/outputs/partial/{task.id}/"
    earlier = [
        {"attempt": a.n, "agent": a.agent, "state": a.state, "reason": a.reason} for a in task.attempts if not a.live
    ]
    instead = spec.assignee is not None and spec.assignee != agent
    return {
        "task": {
            "id": task.id,
            "title": spec.title,
            "description": said["description"],
            "supporting": list(spec.supporting) or None,
            "text": said["data"],
        },
        "context": {
            "instruction": head.title,
            "summary": head.spec.description or None,
            "tier": head.tier,
            "deliverable_type": head.deliverable_type,
            "place": f"task {place} of {count}",
            "earlier_attempts": earlier or None,
            "blocked_before": [
                {"kind": b.kind, "question": b.description, "answered_by": b.answered_by} for b in task.past_blockers
            ]
            or None,
            "told_before": [Embed(path) for path in task.heard] or None,
            "results": [
                {"task": t.id, "title": t.spec.title, "result": f"{case.id}/{result_path(t)}"}
                for t in upstream_of(case, task)
            ],
        },
        "upstream": upstream,
        "customer": _customer(head.spec.customer, case),
        "output_format": spec.output_format,
        "results_to": folder,
        "deadline": {"at": stamp(limit.at), "from": limit.source} if limit is not None else None,
        "communication": _communication(case, task),
        "acceptance_criteria": list(said["criteria"]),
        "authority": {
            "you_may": "do the task as it is written",
            "ask": policy.manager(agent),
            "for_scope": "planner",
        },
        "why_you": why,
        "instead_of": spec.assignee if instead else None,
        "reply_to": f"{INBOX}/executor/",
        "how_to_reply": "write the file aside (a dot name), then move it into reply_to",
        "reply_with": {
            "when_you_start": _example("acknowledgement", case, task, agent, attempt),
            "when_it_is_done": _example("completion", case, task, agent, attempt, folder),
        },
    }


def _communication(case: Case, task: Task) -> dict[str, Any]:
    needs = communication_of(case, task)
    if needs == "internal":
        return {"required": "internal"}
    customer = case.head.spec.customer
    return {
        "required": needs,
        "to": (customer.contact or customer.name) if customer else None,
        "what": "one customer update with all five contents before the task is done",
        "contents": list(UPDATE_CONTENTS),
    }


def _example(kind: str, case: Case, task: Task, agent: str, attempt: int, folder: str = "") -> str:
    lines = [
        f"type: {kind}",
        f"from: {agent}",
        f'instruction_id: "{case.id}"',
        f'task_id: "{task.id}"',
        f"attempt: {attempt}",
    ]
    if kind == "completion":
        lines += [
            "summary: what you did and what came out, in two sentences",
            "output:",
            "  result: the result itself, or name files below",
            f"outputs: [{folder.removeprefix(case.id + '/')}result.md]   # files you wrote, if any",
        ]
        if communication_of(case, task) != "internal":
            lines += ["customer_update:", *(f"  {c}: …" for c in UPDATE_CONTENTS)]
    return "\n".join(lines) + "\n"


def rework(task: Task, points: list[str], k: int) -> dict[str, Any]:
    """A claim that did not pass, point by point [EXE-13]."""
    left = REWORKS - k
    return {
        "points": points,
        "then": "send the completion again when every point is met",
        "left": f"{left} more rework after this one" if left > 0 else "the next refused claim ends the attempt",
    }


def _reply(kind: str, case: Case, task: Task, attempt: Attempt, *more: str) -> str:
    lines = [f"type: {kind}", f"from: {attempt.agent}", f'instruction_id: "{case.id}"', f'task_id: "{task.id}"',
             f"attempt: {attempt.n}", *more]  # fmt: skip
    return "\n".join(lines) + "\n"


def _quiet(case: Case, task: Task, live: Attempt, heard: datetime | None, text: str) -> dict[str, Any]:
    return {
        "text": text,
        "delegation": stem(case.id, task.id, live.n, "delegation", 1),
        "last_sign_at": stamp(heard) if heard is not None else None,
    }


def silence_reminder(
    case: Case, task: Task, live: Attempt, heard: datetime | None, then: datetime | None
) -> dict[str, Any]:
    """A task that nothing is heard of [EXE-16]."""
    text = (
        f"{task.id} was given to you at {stamp(live.at)}; please acknowledge it, or decline it"
        if heard is None
        else f"nothing was heard of {task.id} since {stamp(heard)}; please say how it stands"
    )
    kind = "acknowledgement" if heard is None else "progress"
    more = () if heard is None else ("percent: 40", "note: where it stands", "eta: 2026-11-20T15:00:00Z")
    return {
        **_quiet(case, task, live, heard, text),
        "next_step_at": stamp(then) if then is not None else None,
        "reply_with": _reply(kind, case, task, live, *more),
    }


def status_check(
    case: Case, task: Task, live: Attempt, heard: datetime | None, then: datetime | None
) -> dict[str, Any]:
    """Still silent: how does it stand, and what is in the way [EXE-16]."""
    text = f"no answer to the reminder about {task.id}: how far is it, what is in the way, when will it be done?"
    return {
        **_quiet(case, task, live, heard, text),
        "next_step_at": stamp(then) if then is not None else None,
        "reply_with": _reply(
            "progress", case, task, live, "percent: 40", "note: where it stands, and what is in the way",
            "eta: 2026-11-20T15:00:00Z",
        ),
    }  # fmt: skip


def finalize(case: Case, task: Task, live: Attempt, heard: datetime | None, then: datetime | None) -> dict[str, Any]:
    """Hand in what you have: the attempt is closed soon [EXE-16]."""
    text = f"hand in what you have of {task.id}: the attempt is closed next, and the task given to somebody else"
    return {
        **_quiet(case, task, live, heard, text),
        "closes_at": stamp(then) if then is not None else None,
        "results_to": f"{case.id}/outputs/partial/{task.id}/",
        "reply_with": _example("completion", case, task, live.agent, live.n, f"{case.id}/outputs/partial/{task.id}/"),
    }


def impact(case: Case, task: Task | None, policy: Policy) -> dict[str, Any]:
    """What waits behind a task, and what was promised and runs on meanwhile [EXE-18, EXE-20]."""
    capped = promised(case, policy)
    limit = promised_task(case, task, policy) if task is not None else None
    clocks = [("resolution", task.id if task is not None else None, limit)] if limit != capped else []
    clocks.append(("resolution", None, capped))
    return {
        "waiting": waiting_behind(case, task) if task is not None else [],
        "clocks": [{"clock": k, "task": t, "due": stamp(c.at)} for k, t, c in clocks if c is not None],
    }


def waiting_behind(case: Case, task: Task) -> list[str]:
    """The open tasks that cannot start before this one is done, in plan order."""
    ids = {i for i in case.dependants.get(task.id, ()) if i in case.tasks and case.tasks[i].ended is None}
    if case.head.tier in (0, 1, 2):
        after = case.after(task)
        ids |= {after.id} if after is not None and after.ended is None else set()
    return sorted(ids, key=lambda i: (case.tasks[i].key, i))


def attempts_so_far(task: Task) -> list[dict[str, Any]]:
    """What was tried, attempt by attempt."""
    return [{"attempt": a.n, "agent": a.agent, "state": a.state, "reason": a.reason} for a in task.attempts]


def escalation(case: Case, task: Task, why: str, policy: Policy) -> dict[str, Any]:
    """A decision is needed about a task [EXE-20]."""
    return {
        "what": f"{task.id} {task.spec.title}: {why}".strip(),
        "since": stamp(task.since) if task.since else None,
        "impact": impact(case, task, policy),
        "tried": attempts_so_far(task),
        "decision_needed": "how the task goes on",
        "options": [
            {
                "type": "retry",
                "means": f"up to {ATTEMPTS[2 if case.head.tier is None else case.head.tier]} more attempts",
            },
            {"type": "reassign", "means": "another agent, named in `to`"},
            {"type": "defer", "means": "put off, with a reason"},
            {"type": "cancel", "means": "not to be done, with a reason"},
        ],
        "reply_with": (
            f'type: decision\nfrom: <you>\ninstruction_id: "{case.id}"\ntask_id: "{task.id}"\n'
            "decision: reassign\nto: <agent>\nreason: …\n"
        ),
    }


def checkpoint(case: Case, gate_id: str, after: tuple[str, ...], before: tuple[str, ...]) -> dict[str, Any]:
    """Everything before a checkpoint has ended; its reviewer lets it go [EXE-6]."""
    return {
        "checkpoint": gate_id,
        "reached": [
            {"id": i, "title": case.tasks[i].spec.title, "state": standing(case, case.tasks[i]).state,
             "result": f"{case.id}/{result_path(case.tasks[i])}"}
            for i in after if i in case.tasks
        ],
        "waiting": [i for i in before if i in case.tasks and case.tasks[i].ended is None],
        "reply_with": f'type: release\nfrom: <you>\ninstruction_id: "{case.id}"\ncheckpoint: "{gate_id}"\n',
    }  # fmt: skip


def rejection(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Why a message could not be taken, for its sender [CON-5]."""
    return {
        "rejected_file": facts["file"],
        "kept_as": facts.get("kept_as"),
        "code": facts["code"],
        "reason": facts["reason"],
        "expected": facts.get("expected"),
        "fix": facts.get("fix"),
    }


def clarification(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Which task do you mean: the sender's open ones [MSG-1]."""
    return {**rejection(facts), "your_open_tasks": list(facts.get("fits", ()))}


def reason_file(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The `.reason.yaml` beside a rejected file, without who wrote it and when [CON-5]."""
    return {
        "file": facts["file"],
        "sender": facts.get("from"),
        "received_at": facts["received_at"],
        "code": facts["code"],
        "reason": facts["reason"],
        "expected": facts.get("expected"),
        "fix": facts.get("fix"),
    }
