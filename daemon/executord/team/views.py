"""tasks.json, team-session.json and meta.json as they show a session, and what `session status` says [SES-7, CON-11].

Views are pure functions of the session and of what others wrote there: keys that we do not know survive, in order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.team.board import board_rows
from executord.team.papers import first, status_of, text_of
from executord.team.record import Job, Team
from executord.values import stamp


def as_json(data: Any) -> bytes:
    """Data as an indented JSON file."""
    return (json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n").encode("utf-8", "backslashreplace")


def _row(team: Team, job: Job, old: Mapping[str, Any] | None) -> dict[str, Any]:
    node = team.node(job.id)
    row: dict[str, Any] = dict(old) if old is not None else {}
    if old is None:
        row = {
            "id": job.id, "title": node.title, "role": node.role, "status": job.status, "deps": list(node.deps),
        }  # fmt: skip
        if node.description:
            row["description"] = node.description
        if node.phase:
            row["pipeline_phase"] = node.phase
    if status_of(row.get("status", "pending")) != job.status or "status" not in row:
        row["status"] = job.status
    attempt = job.attempts[-1] if job.attempts else None
    ended = job.since if job.status not in ("pending", "in_progress") else None
    facts = {
        "attempt": attempt.n if attempt is not None else None,
        "started_at": stamp(attempt.at) if attempt is not None else None,
        "ended_at": stamp(ended) if ended is not None else None,
        "error": job.error,
        "quality_score": job.quality,
        "revised_by": job.revision,
    }
    for key, value in facts.items():
        if value is not None or key in row:
            row[key] = value
    return row


def tasks(team: Team, base: Any) -> bytes:
    """tasks.json, in the shape in which it was found."""
    rows = board_rows(base)
    made = {i: _row(team, job, rows.get(i)) for i, job in team.jobs.items()}
    if isinstance(base, list):
        kept = [
            made.get(text_of(first(each, "id", "task_id")), each) if isinstance(each, Mapping) else each
            for each in base
        ]
        return as_json([*kept, *(row for i, row in made.items() if i not in rows)])
    doc = dict(base) if isinstance(base, Mapping) else {"schema_version": 1, "session_id": team.id, "tasks": {}}
    inner = doc.get("tasks")
    if isinstance(inner, list):
        kept = [
            made.get(text_of(first(each, "id", "task_id")), each) if isinstance(each, Mapping) else each
            for each in inner
        ]
        doc["tasks"] = [*kept, *(row for i, row in made.items() if i not in rows)]
    elif isinstance(inner, Mapping) or not any(i in doc for i in team.jobs):
        inner = inner if isinstance(inner, Mapping) else {}
        doc["tasks"] = _merged(inner, made)
    else:
        doc = _merged(doc, made)
        return as_json(doc)
    if "active_agents" in doc:
        doc["active_agents"] = {entry["task_id"]: entry for entry in active(team)}
    doc |= _mark(team)
    return as_json(doc)


def _merged(old: Mapping[str, Any], made: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A map by id: rows that were texts stay texts as long as a status is all there is to say."""
    doc: dict[str, Any] = {}
    seen: set[str] = set()
    for key, value in old.items():
        task_id = text_of(value.get("id")) or str(key) if isinstance(value, Mapping) else str(key)
        if task_id in made:
            seen.add(task_id)
            doc[key] = made[task_id] if isinstance(value, Mapping) else made[task_id]["status"]
        else:
            doc[key] = value
    return doc | {i: row for i, row in made.items() if i not in seen}


def _mark(team: Team) -> dict[str, Any]:
    """Who wrote it and why [MEM-16]."""
    at = stamp(team.last_at) if team.last_at is not None else None
    return {"generated_by": "executord", "generated_at": at, "event": team.n}


def active(team: Team) -> list[dict[str, Any]]:
    """`active_workers` [CON-16]: one entry per task in progress."""
    found = []
    for job in team.live:
        attempt = job.live
        assert attempt is not None
        worker = team.worker_of(job)
        process = worker.process if worker is not None and worker.process is not None else {}
        found.append(
            {
                "task_id": job.id,
                "agent": attempt.order or None,
                "role": team.node(job.id).role,
                "started_at": stamp(attempt.ladder_at or attempt.at),
                "pid": process.get("pid"),
                "pid_start": process.get("start_ticks"),
                "boot_id": process.get("boot_id"),
                "host": process.get("host"),
                "cgroup": process.get("cgroup"),
                "attempt": attempt.n,
                "resident": bool(worker is not None and worker.resident),
            }
        )
    return found


def session(team: Team, base: Mapping[str, Any]) -> bytes:
    """team-session.json: its own keys as they were, with how it stands."""
    doc = dict(base)
    if text_of(doc.get("status")).lower() != team.head.status:
        doc["status"] = team.head.status
    doc["active_workers"] = active(team)
    if "active_agents" in doc:
        doc["active_agents"] = {entry["task_id"]: entry for entry in active(team)}
    doc["completed_tasks"] = [
        i for i, job in team.jobs.items() if job.status == "completed" or (job.status == "revised" and team.over(i))
    ]
    if team.head.archived_at is not None:
        done, total = team.count
        doc["final_summary"] = {
            "completed": done,
            "total": total,
            "skipped": [i for i, job in team.jobs.items() if job.status == "skipped"],
            "opened_at": stamp(team.head.opened_at) if team.head.opened_at is not None else None,
            "completed_at": stamp(team.head.archived_at),
            "artifacts": [
                {"path": path, "task": job.id, "role": team.node(job.id).role}
                for job in team.jobs.values() for path in job.artifacts
            ],
        }  # fmt: skip
    return as_json(doc | _mark(team))


def meta(team: Team, base: Mapping[str, Any]) -> bytes:
    """.msg/meta.json, derived by one writer [SES-13]."""
    done, total = team.count
    return as_json(
        {
            **base,
            "session_id": team.id,
            "status": team.head.status,
            "pipeline": {"completed": done, "total": total},
            "heard": team.head.heard,
            **_mark(team),
        }
    )


def percent(team: Team) -> int:
    """Completed of all, a whole number."""
    done, total = team.count
    return done * 100 // total if total else 100


def status(team: Team, now: datetime) -> dict[str, Any]:
    """`session status --json` [CON-11]."""
    done, total = team.count
    rows = []
    for job in team.jobs.values():
        attempt = job.attempts[-1] if job.attempts else None
        live = job.live
        worker = team.worker_of(job)
        process = worker.process if worker is not None and worker.process is not None else {}
        began = (attempt.ladder_at or attempt.at) if attempt is not None else None
        end = now if live is not None else attempt.closed_at if attempt is not None else None
        rows.append(
            {
                "id": job.id,
                "role": team.node(job.id).role,
                "status": job.status,
                "deps": list(team.deps(job.id)),
                "attempt": job.attempt,
                "pid": process.get("pid"),
                "started_at": stamp(began) if began is not None else None,
                "elapsed_s": max(int((end - began).total_seconds()), 0)
                if end is not None and began is not None
                else None,
                "milestone": team.milestones.get(job.id),
                "error": job.error,
            }
        )
    head = team.head
    ready = [i for i in team.jobs if team.ready(i)]
    stalled = head.stalled or (head.status == "active" and not team.complete and not team.live and not ready
                               and head.opened_at is not None)  # fmt: skip
    return {
        "session_id": team.id,
        "status": head.status,
        "completed": done,
        "total": total,
        "percent": percent(team),
        "stalled": stalled,
        "waiting_on": team.blocking() if not team.complete else [],
        "tasks": rows,
        "active": [job.id for job in team.live],
        "ready": ready,
        "blockers": blockers(team),
    }


def blockers(team: Team) -> list[dict[str, Any]]:
    """What stands in the way, and who can take it out of it."""
    found: list[dict[str, Any]] = []
    for task_id in team.blocking() if not team.complete else []:
        job = team.jobs[task_id]
        found.append(
            {"task": task_id, "kind": job.status, "since": stamp(job.since) if job.since else None,
             "text": job.error or job.status, "waiting": team.waiting_for(task_id),
             "fix": f"retry {task_id}, or skip {', '.join(team.skippable(task_id))}"}
        )  # fmt: skip
    head = team.head
    if head.question is not None:
        found.append(
            {"task": head.question.task, "kind": "decision", "since": stamp(head.question.at),
             "text": head.question.text, "waiting": [], "fix": "resume, or a decision by hitl"}
        )  # fmt: skip
    for gap in head.gaps:
        if gap.covered is None:
            found.append(
                {"task": None, "kind": "capability_gap", "since": stamp(gap.at), "text": f"nobody covers {gap.wanted}",
                 "waiting": [], "fix": "add a role-spec by hand, or re-run team-coordinate"}
            )  # fmt: skip
    for worker in team.workers.values():
        if worker.state == "stuck":
            found.append(
                {"task": worker.task, "kind": "stuck", "since": stamp(worker.ended_at or worker.at),
                 "text": f"worker {worker.order} cannot be killed", "waiting": [], "fix": "look at its process"}
            )  # fmt: skip
    return found


# --- what is said on .msg/messages.jsonl ------------------------------------------------------------------------------

_TYPES = {
    "open": "state_update", "adopt": "state_update", "orphan": "state_update", "reset": "warning",
    "start": "task_unblocked", "unstarted": "error", "follow-up": "task_unblocked", "status": "status_check",
    "finalize": "finalize", "time": "task_timed_out", "result": "task_result", "fail": "task_failed",
    "stuck": "error", "skip": "task_skipped", "hand-set": "state_update", "revise": "revision", "decide": "decision",
    "gap": "capability_gap", "redirect": "capability_gap", "stall": "stalled", "complete": "pipeline_complete",
    "archive": "state_update", "keep": "state_update", "export": "state_update", "exported": "state_update",
    "late": "warning", "aside": "warning", "add": "state_update", "issue": "warning", "read": "warning",
}  # fmt: skip


def message(team_id: str, entry: Mapping[str, Any]) -> bytes | None:
    """The line that tells others of a line of the journal; None where it tells them nothing."""
    verb = entry["name"].split(" ", 1)[0]
    facts = entry.get("facts") or {}
    kind = _TYPES.get(verb)
    if verb == "heard":
        kind = "warning" if facts.get("warning") else None
    elif verb == "file" and facts.get("outcome") == "taken":
        kind = f"{facts.get('type')}"
    if kind is None:
        return None
    why = entry.get("why") or ""
    body = {
        "id": f"executor-{entry['n']}",
        "ts": entry["at"],
        "from": "executor",
        "to": facts.get("from") or facts.get("by") if verb == "gap" else "coordinator",
        "type": kind,
        "summary": entry["name"] + (f": {why}" if why else ""),
        "data": {
            "session_id": team_id,
            "event": entry["n"],
            "task_id": entry.get("task"),
            "attempt": entry.get("attempt"),
            **{k: facts[k] for k in ("outcome", "error", "warning", "waiting_on", "role", "covered", "revision", "to")
               if facts.get(k) is not None},
        },
    }  # fmt: skip
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def issue(entry: Mapping[str, Any]) -> bytes | None:
    """The line in wisdom/issues.md that a line of the journal leads to [SES-18, SES-19]."""
    facts = entry.get("facts") or {}
    said = facts.get("issue")
    if said is None and facts.get("concerns"):
        said = f"{entry.get('task')}: {'; '.join(facts['concerns'])}"
    if said is None:
        return None
    if entry.get("task") and entry["task"] not in str(said):
        said = f"{entry['task']}: {said}"
    text = " ".join(str(said).split())
    return f"- {entry['at']} {text} (executor, event {entry['n']})\n".encode("utf-8", "backslashreplace")
