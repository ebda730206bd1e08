"""What lies in a session when it is first executed: taken over into its journal [SES-5, SES-6].

Counterparts: `engine.py`, which asks once, when the journal is begun; `team/fold.py`. The line that opens the journal
comes last: as long as it is missing, taking over is begun again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from executord.paper.gate import moment_of
from executord.sessions.crew import Crew, Job
from executord.sessions.sight import artifacts_of
from executord.team.line import Line, Record
from executord.team.papers import Entry, Reading, Written, first, text_of
from executord.team.record import Law, Team
from executord.values import stamp

_FOUND = "a worker of this session and task was found in the process table"


def take_over(team: Team, reading: Reading, crew: Crew, law: Law, now: datetime) -> Iterator[Line]:
    """The lines that take over what lies there: who works, then how every task stands."""
    rows: dict[str, Mapping[str, Any]] = {}
    entries = {entry.task: entry for entry in reading.entries}
    removed = [task for task in reading.completed if task not in team.plan.nodes]
    for task in team.plan.nodes:
        written = reading.board.get(task) or Written(task)
        status = written.status
        if task in reading.completed and status != "completed":
            if not reading.board and artifacts_of(team, task) is not None:
                status = "completed"
            else:
                removed.append(task)
        rows[task] = row_of(team, task, written, status)
        if status == "in_progress" and task not in team.jobs:
            yield _found_running(team, task, written, entries.get(task), crew, law, now)
    added = [t for t, w in reading.board.items() if w.status == "completed" and t not in reading.completed]
    warnings = [f"completed_tasks: {t} is not completed in tasks.json; removed" for t in removed]
    warnings += [w.text for w in reading.warnings]
    facts = {
        "status": reading.status if reading.status in ("active", "paused") else "active",
        "tasks": rows,
        "added": added or None,
        "removed": removed or None,
        "warnings": warnings[:50] or None,
        "warning": "; ".join(warnings)[:500] or None,
    }
    yield Line(now, f"open {team.id}", "SES-5", Record(), None, None, f"{len(rows)} tasks", facts)


def row_of(team: Team, task: str, written: Written, status: str) -> dict[str, Any]:
    """How a task stands that is taken over; one in progress has a line of its own."""
    row: dict[str, Any] = {"status": status if status != "in_progress" else "pending"}
    said = written.fields
    attempt = count(said.get("attempt"))
    if attempt and status != "in_progress":
        row["attempt"] = attempt
    if status in ("completed", "revised", "partial_completion"):
        found = artifacts_of(team, task)
        row["findings"] = found.findings[:500] if found is not None else "completed before it was taken over"
        row["artifacts"] = list(found.artifacts) if found is not None else []
    if status in ("failed", "timed_out", "skipped", "partial_completion"):
        row["error"] = text_of(said.get("error")) or f"{status} before it was taken over"
    if status == "revised":
        row["revision"] = text_of(said.get("revised_by")) or None
    return row


def _found_running(
    team: Team, task: str, written: Written, entry: Entry | None, crew: Crew, law: Law, now: datetime
) -> Line:
    """A task that is in progress already: adopted, proven gone, or unknown [SES-6]."""
    said = entry.fields if entry is not None else {}
    n = count(said.get("attempt")) or count(written.fields.get("attempt")) or 1
    role = team.role(task)
    job = Job(team.id, team.path, task, n, role.name, role.effort)
    since = moment(first(said, "started_at", "spawned_at")) or moment(written.fields.get("started_at"))
    if since is not None and since > now:
        since = None
    facts: dict[str, Any] = {
        "role": role.name,
        "resident": bool(said.get("resident") or role.resident) or None,
        "started_at": stamp(since) if since is not None else None,
    }
    pid, ticks = count(said.get("pid")), count(said.get("pid_start", said.get("start_ticks")))
    gone = False
    if pid and ticks:
        process = {k: said.get(k) for k in ("boot_id", "host", "cgroup")} | {"pid": pid, "start_ticks": ticks}
        state = crew.look(job, process).state
        if state in ("alive", "ended"):
            facts["process"] = process
            return Line(now, f"adopt {task} a{n}", "SES-6", Record(), task, n, "its worker is alive", facts)
        gone = state == "gone"
    found = crew.find(job)
    if found is not None:
        facts["process"] = found
        return Line(now, f"adopt {task} a{n}", "SES-6", Record(), task, n, _FOUND, facts)
    if gone:
        facts = {"until": now, "interrupted": True}
        return Line(now, f"orphan {task} a{n}", "SES-6", Record(), task, n, "its worker is gone", facts)
    start = since if since is not None else _mtime(f"{team.path}/tasks.json", now)
    until = max(start + timedelta(seconds=law.orphan_s), now)
    return Line(now, f"orphan {task} a{n}", "SES-6", Record(), task, n, "its worker is not known", {"until": until})


def found_unknown(team: Team, crew: Crew, now: datetime) -> Iterator[Line]:
    """Before a task of which nothing is known is reset, its worker is looked for in the process table [SES-6]."""
    for job in team.live:
        attempt = job.live
        assert attempt is not None
        if not attempt.unknown or attempt.unknown_until is None or attempt.unknown_until > now:
            continue
        role = team.role(job.id)
        found = crew.find(Job(team.id, team.path, job.id, attempt.n, role.name, role.effort))
        if found is not None:
            facts = {"role": role.name, "process": found}
            yield Line(now, f"adopt {job.id} a{attempt.n}", "SES-6", Record(), job.id, attempt.n, _FOUND, facts)


def _mtime(path: str, now: datetime) -> datetime:
    try:
        at = moment_of(os.lstat(path).st_mtime_ns)
    except OSError:
        return now
    return min(at, now)


def count(value: object) -> int:
    """A number of something, 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def moment(value: object) -> datetime | None:
    """A time that somebody wrote, None for what is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
