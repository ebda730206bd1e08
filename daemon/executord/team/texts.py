"""What workers are told and what people are shown, to the letter [CON-16, SES-20, SES-22].

Pure: a session in, text out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from executord.team.plan import Node
from executord.team.record import Team
from executord.values import read_stamp

STATUS_CHECK = "STATUS_CHECK: Report current progress, findings so far, and estimated remaining work."
FINALIZE = "FINALIZE: Output all current findings immediately. Time limit reached."
INTERRUPTED = "Task {} reset from interrupted state"
ORPHAN = "Fast-advance orphan {} reset"
NO_DISCOVERY = "No discovery file produced"
QUESTION = "Team pipeline complete. What would you like to do?"
OPTIONS = (
    ("archive", "Archive & Clean (Recommended)", "Archive session, clean up team"),
    ("keep", "Keep Active", "Keep session for follow-up work"),
    ("export", "Export Results", "Export deliverables to target directory, then clean"),
)
_RULER = "============================================"
SHOWN_S = {"completed": "done", "in_progress": ">>>", "pending": "o"}


def order(team: Team, node: Node, upstream: Mapping[str, tuple[str, str]]) -> str:
    """What a worker gets, on stdin and as order.md [CON-16]; `upstream`: task → its findings and artifacts in full."""
    role = team.role(node.id)
    parts = [
        "## Role Assignment",
        f"role: {role.name}",
        f"role_spec: {team.path}/{role.spec}",
        f"session: {team.path}",
        f"session_id: {team.id}",
        f"team_name: {team.plan.team_name}",
        f"requirement: {team.plan.requirement}",
        f"inner_loop: {'true' if team.inner(node.id) else 'false'}",
        "",
        "Read role_spec file to load Phase 2-4 domain instructions.",
        "",
        "## Task Context",
        f"task_id: {node.id}",
        f"title: {node.title}",
        f"description: {node.description}",
        f"pipeline_phase: {node.phase}",
        "",
        "## Upstream Context",
    ]
    blocks = []
    for dep in node.context_from or node.deps:
        findings, artifacts = upstream.get(dep, ("", ""))
        blocks.append(f"### {dep} ({team.node(dep).role})\nfindings: {findings}\nartifacts: {artifacts}")
    return "\n".join(parts) + "\n" + ("\n\n".join(blocks) + "\n" if blocks else "")


def span(seconds: float) -> str:
    """A span as people read it."""
    whole = max(int(seconds), 0)
    hours, rest = divmod(whole, 3600)
    minutes, seconds_left = divmod(rest, 60)
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {seconds_left}s" if minutes else f"{seconds_left}s"


def board(status: Mapping[str, Any], path: str) -> Iterator[str]:
    """The text of `session status`, from its JSON [SES-20]."""
    say = "[executor] "
    yield f"{say}Pipeline Status"
    yield f"{say}Progress: {status['completed']}/{status['total']} ({status['percent']}%)"
    yield f"{say}Session: {status['session_id']} ({status['status']})"
    yield say.rstrip()
    yield f"{say}Execution Graph:"
    for depth, task in _levels(status["tasks"]):
        mark = SHOWN_S.get(task["status"], task["status"])
        after = f" <- {', '.join(task['deps'])}" if task["deps"] else ""
        yield f"{say}  {'  ' * depth}{mark} {task['id']} ({task['role']}){after}"
    yield f"{say}  done=completed  >>>=running  o=pending"
    yield say.rstrip()
    yield f"{say}Active agents:"
    for task in status["tasks"]:
        if task["id"] in status["active"]:
            elapsed = span(task["elapsed_s"]) if task["elapsed_s"] is not None else "?"
            last = f" - {task['milestone']}" if task["milestone"] else ""
            yield f"{say}  > {task['id']} ({task['role']}) - running {elapsed}{last}"
    yield f"{say}Ready to spawn: {', '.join(status['ready']) or 'none'}"
    if not status["blockers"]:
        yield f"{say}Blockers: none"
    else:
        yield f"{say}Blockers:"
        for each in status["blockers"]:
            yield f"{say}  {each['task'] or each['kind']}: {each['text']}"
    yield (
        f"{say}Commands: "
        + " | ".join(f"executord session {word} --session={path}" for word in ("resume", "status"))
        + " | executord session retry|skip TASK --session=…"
    )


def _levels(tasks: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each task with how deep it lies in the graph, in the order of depth."""
    rows = list(tasks)
    by_id = {row["id"]: row for row in rows}
    depth: dict[str, int] = {}
    for _ in rows:  # at most as many passes as there are tasks: no recursion, whatever the graph
        changed = False
        for row in rows:
            new = max((depth.get(d, 0) + 1 for d in row["deps"] if d in by_id), default=0)
            if depth.get(row["id"], -1) != new and new < len(rows):
                depth[row["id"]] = new
                changed = True
        if not changed:
            break
    yield from sorted(((depth.get(row["id"], 0), row) for row in rows), key=lambda each: each[0])


def report(
    team: Team, now: datetime, discussions: Iterable[str] = (), wisdom: Iterable[str] = (),
    absent: Callable[[str], bool] = lambda _path: False,
) -> Iterator[str]:  # fmt: skip
    """The `TASK COMPLETE` block [SES-22]; `absent`: whether a deliverable that a worker has named is not there."""
    say = "[executor] "
    done, total = team.count
    yield f"{say}{_RULER}"
    yield f"{say}TASK COMPLETE" if team.complete else f"{say}TASK NOT COMPLETE"
    yield say.rstrip()
    yield f"{say}Deliverables:"
    none = True
    for job in team.jobs.values():
        for path in job.artifacts:
            none = False
            yield f"{say}  - {path} ({team.node(job.id).role}{', not there' if absent(path) else ''})"
    if none:
        yield f"{say}  - none"
    yield say.rstrip()
    skipped = sum(1 for job in team.jobs.values() if job.status == "skipped")
    yield f"{say}Pipeline: {done}/{total} tasks" + (f" ({skipped} skipped)" if skipped else "")
    used = dict.fromkeys(team.node(i).role for i in team.jobs)
    yield f"{say}Roles: {', '.join(used)}"
    yield f"{say}Duration: {duration(team, now)}"
    yield f"{say}Session: {team.path}"
    for title, lines in (("Discussions", list(discussions)), ("Wisdom", list(wisdom))):
        if lines:
            yield f"{say}{title}:"
            yield from (f"{say}  - {line}" for line in lines)
    yield f"{say}{_RULER}"


def duration(team: Team, now: datetime) -> str:
    """How long the session took, or has taken."""
    if team.head.opened_at is None:
        return span(0)
    ends = [j.since for j in team.jobs.values() if j.since is not None]
    end = max(ends) if team.complete and ends else now
    return span((end - team.head.opened_at).total_seconds())


def told(entry: Mapping[str, Any]) -> str | None:
    """A line of the journal as it is said to a person who watches; None for what is of no interest."""
    verb = entry["name"].split(" ", 1)[0]
    if verb in _QUIET:
        return None
    why = entry.get("why") or ""
    facts = entry.get("facts") or {}
    if facts.get("said"):
        why += f" (exit code {facts.get('code')}: {facts['said']})"
    warning = facts.get("warning")
    if isinstance(warning, str) and warning not in why:
        why += f" (warning: {warning})"
    clock = f"{read_stamp(entry['at']):%H:%M:%S}"
    return f"[executor] {clock} {entry['name']}" + (f": {why}" if why else "")


_QUIET = frozenset({"started", "ended", "gone", "file"})
