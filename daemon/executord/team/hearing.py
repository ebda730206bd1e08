"""What is written on `.msg/messages.jsonl`, and what follows from it [SES-13, SES-17, SES-18].

Pure: a line of the file in, lines of the agenda out. A message is known by its byte offset and hash, never by its `id`.
Counterpart: `sessions/sight.py`, which reads the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from executord.evolve import replace
from executord.team.ending import escalation
from executord.team.line import Line, Record, Send
from executord.team.papers import first, ids_of, text_of
from executord.team.record import Job, Law, Team
from executord.team.results import short

OURS = "executor"


@dataclass(frozen=True, slots=True)
class Word:
    """One line of messages.jsonl. `fault`: it cannot be read."""

    offset: int
    end: int
    digest: str
    seen_at: datetime
    sender: str = ""
    type: str = ""
    summary: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None
    fault: str | None = None
    ours: bool = False


def word(raw: bytes, offset: int, seen_at: datetime) -> Word:
    """The message in one line, without its newline."""
    end = offset + len(raw) + 1
    digest = hashlib.sha256(raw).hexdigest()[:8]
    try:
        body = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, Mapping):
        return Word(offset, end, digest, seen_at, fault="it is no JSON object")
    data = body.get("data")
    inner: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    merged = {**{k: v for k, v in body.items() if k not in ("id", "ts", "from", "to", "type", "data")}, **inner}
    task = text_of(first(inner, "task_id", "task") or first(body, "task_id", "task")) or None
    return Word(
        offset, end, digest, seen_at, text_of(first(body, "from", "sender")),
        text_of(body.get("type")).lower().replace("-", "_").replace(" ", "_"),
        text_of(first(body, "summary", "text", "message") or first(inner, "summary", "text", "message")), merged, task,
        ours=text_of(body.get("from")) == OURS and text_of(body.get("id")).startswith("executor-"),
    )  # fmt: skip


def task_of(team: Team, said: Word) -> str | None:
    """The task a message is about: it names it, or comes from it, or from the role that has only one in progress."""
    for name in (said.task, said.sender):
        if name is not None and name in team.jobs:
            return name
    mine = [j.id for j in team.live if team.node(j.id).role == said.sender]
    return mine[0] if len(mine) == 1 else None


def answers(team: Team, said: Word) -> Job | None:
    """The job whose STATUS_CHECK this line answers [SES-14]."""
    for name in (said.sender, said.task):
        job = team.jobs.get(name) if name is not None else None
        attempt = job.live if job is not None else None
        if (
            job is not None and attempt is not None and attempt.checked_at is not None
            and attempt.finalized_at is None and attempt.answered_at is None and said.offset >= attempt.mark
        ):  # fmt: skip
            return job
    return None


def hear(team: Team, said: Word, law: Law) -> Iterator[Line]:
    """The lines that follow from one message; nothing for what only tells how it goes."""
    if said.ours:
        return
    name = f"heard {said.offset} {said.digest}"
    facts: dict[str, Any] = {"end": said.end, "from": said.sender or None, "type": said.type or None}
    if said.fault is not None:
        why = f"a line of messages.jsonl cannot be read: {said.fault}"
        yield Line(said.seen_at, name, "SES-13", Record(), None, None, why, facts | {"warning": why})
        return
    task = task_of(team, said)
    facts["about"] = task
    if said.summary:
        facts["summary"] = short(said.summary)
    answered = answers(team, said)
    if answered is not None:
        attempt = answered.live
        assert attempt is not None
        assert attempt.checked_at is not None
        yield Line(
            max(said.seen_at, attempt.checked_at), f"answer {answered.id} a{attempt.n} #1", "SES-14", Record(),
            answered.id, attempt.n, short(said.summary) or f"a {said.type or 'message'} at byte {said.offset}",
        )  # fmt: skip
    match said.type:
        case "fast_advance":
            warning, follows = _fast_advance(team, said, law)
        case "capability_gap":
            warning, follows = None, list(gap(team, said.data, said.summary, said.sender, said.seen_at))
        case "consensus_blocked":
            warning, follows = consensus(team, said.data, said.summary, task, said.seen_at)
        case "error" | "blocker" | "blocked":
            warning, follows = None, []
        case _:
            return  # progress and the like are shown, and not kept
    if warning is not None:
        facts["warning"] = warning
    if follows:  # one line says both: what follows is never parted from what was heard
        yield replace(follows[0], facts={**facts, **follows[0].facts})
        return
    why = warning or f"{said.type} from {said.sender or 'somebody'}"
    yield Line(said.seen_at, name, "SES-13", Record(), None, None, why, facts)


def _fast_advance(team: Team, said: Word, law: Law) -> tuple[str | None, list[Line]]:
    """Somebody thinks that he has started the successor; the executor's own order stands [SES-13]."""
    data = said.data
    successor = next(iter(ids_of(first(data, "successor", "successors", "next"))), "")
    completed = next(iter(ids_of(first(data, "completed", "from_task"))), "")
    job = team.jobs.get(successor)
    if job is None:
        return f"fast_advance names {successor or 'no task'}, which is not in the graph", []
    role = team.node(successor).role
    wanted = team.node(completed).role if completed in team.jobs else said.sender
    if job.status != "pending":
        return None, []  # it has been given already: never twice
    if not team.ready(successor):
        return f"fast_advance to {successor}, which is not ready; it stays pending", []
    if wanted in team.plan.roles and wanted != role:
        return f"fast_advance to {successor}, which belongs to {role} and not to {wanted}; it stays pending", []
    n = job.attempt + 1
    until = said.seen_at + timedelta(seconds=law.orphan_s)
    why = f"{said.sender or 'somebody'} says that it was started"
    return None, [
        Line(said.seen_at, f"orphan {successor} a{n}", "SES-13", Record(), successor, n, why, {"until": until})
    ]


def gap(team: Team, data: Mapping[str, Any], summary: str, by: str, at: datetime) -> Iterator[Line]:
    """A capability is missing: a role that covers it, or the three ways there are [SES-17]."""
    wanted = text_of(first(data, "capability", "gap", "required_capability", "requested_capability", "role",
                           "requested_role", "missing", "needed"))  # fmt: skip
    wanted = wanted or short(summary) or "a capability that is not named"
    k = len(team.head.gaps) + 1
    role = team.plan.covers.get(wanted.lower())
    if any(each.wanted == short(wanted) and each.covered == role for each in team.head.gaps):
        return  # it was said, and whoever reads it knows
    facts = {"wanted": short(wanted), "by": by or None, "covered": role}
    said = f"{by or 'a worker'} misses: {wanted}. Nobody covers it. "
    ways = (
        "Continue: the session goes on without it. Or re-run team-coordinate with the original task, so that a role for"
        " it is made. Or add a role-spec for it to role-specs/ by hand; it is used on the next step."
    )
    if role is not None:
        why = f"{wanted} is covered by {role}: the question goes there"
        yield Line(at, f"gap #{k}", "SES-17", Record(), None, None, why, facts)
        return
    why = f"nobody covers {wanted}: continue, re-run team-coordinate, or add a role-spec by hand"
    notice = Send("hitl", "notice", {"text": said + ways})
    yield Line(at, f"gap #{k}", "SES-17", notice, None, None, why, {**facts, "warning": why})


def consensus(
    team: Team, data: Mapping[str, Any], summary: str, task: str | None, at: datetime
) -> tuple[str | None, list[Line]]:
    """HIGH: one revision, then a person decides; MEDIUM: noted; LOW: goes on [SES-18]."""
    severity = text_of(first(data, "severity", "level", "priority")).upper() or "MEDIUM"
    job = team.jobs.get(task) if task is not None else None
    if job is None:
        return f"consensus_blocked ({severity}) names no task of this session", []
    text = short(summary) or "no consensus"
    if severity in ("LOW", "MINOR", "INFO"):
        return None, []
    if severity not in ("HIGH", "CRITICAL"):  # MEDIUM, and whatever nobody knows: not overridden without a trace
        k = sum(1 for name in team.done if name.startswith(f"issue {job.id} #")) + 1
        facts = {"issue": f"consensus blocked ({short(severity)}) on {job.id}: {text}"}
        return None, [Line(at, f"issue {job.id} #{k}", "SES-18", Record(), job.id, job.attempt or None, text, facts)]
    root = next((i for i, j in team.jobs.items() if j.revision == job.id), None)
    if job.revision is not None or root is not None:
        why = f"consensus blocked (HIGH) a second time on {root or job.id}: {text}"
        k = team.head.questions + 1
        if team.head.question is not None:
            return None, []
        pending = [i for i, each in team.jobs.items() if each.status == "pending"]
        needed = "how it is to go on; the session is paused until then"
        body = escalation(why, at, pending, needed, ("decision", "resume"))
        return None, [
            Line(at, f"decide #{k}", "SES-18", Send("hitl", "escalation", body), job.id, job.attempt or None, why)
        ]
    node = team.node(job.id)
    free = next(name for k in count(1) if (name := f"{job.id}-R{k}") not in team.jobs)
    revised: dict[str, Any] = {
        "revision": free, "role": node.role, "phase": node.phase or None,
        "title": f"Revision of {job.id}" + (f": {node.title}" if node.title else ""),
        "description": (f"{node.description}\n\n" if node.description else "")
        + f"Revise the result of {job.id}: there is no consensus on it. {text}",
    }  # fmt: skip
    return None, [
        Line(at, f"revise {job.id} #1", "SES-18", Record(), job.id, job.attempt or None, text, revised)
    ]  # fmt: skip
