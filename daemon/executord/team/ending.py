"""Rules for a session that stands still, and for one that is complete [SES-16, SES-17, SES-23]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from executord.team.line import Export, Line, Record, Send
from executord.team.record import Law, Team
from executord.team.texts import OPTIONS, QUESTION


def gaps(team: Team, law: Law) -> Iterator[Line]:
    """A role-spec that was added by hand closes a gap [SES-17]."""
    for gap in team.head.gaps:
        role = team.plan.covers.get(gap.wanted.lower())
        if gap.covered is None and role is not None:
            yield Line(
                gap.at, f"redirect gap #{gap.n}", "SES-17", Record(), None, None, f"{role} covers it now",
                {"gap": gap.n, "wanted": gap.wanted, "role": role},
            )  # fmt: skip


def _still(team: Team) -> datetime | None:
    """Since when nothing moves: nobody works, and nothing can be given."""
    head = team.head
    if head.status != "active" or team.live or team.complete:
        return None
    waiting = [w for w in team.workers.values() if w.state in ("starting", "ended", "stopping")]
    if waiting:
        return None
    if any(team.ready(i) and not _parked(team, i) for i in team.jobs):
        return None
    times = [head.since, *(job.since for job in team.jobs.values())]
    times += [w.ended_at for w in team.workers.values()]
    return max(t for t in times if t is not None)


def _parked(team: Team, task_id: str) -> bool:
    job = team.jobs[task_id]
    before = team.workers.get(job.attempts[-1].order) if job.attempts else None
    return before is not None and before.state == "stuck"


def stalling(team: Team, law: Law) -> Iterator[Line]:
    """Nothing ready and nothing running, and not complete: a person is told what it waits for."""
    at = _still(team)
    if at is None or team.head.stalled:
        return
    k = team.head.stalls + 1
    waits = team.blocking()
    said = ", ".join(f"{i} ({team.jobs[i].status})" for i in waits) or "nothing can be started"
    pending = [i for i, job in team.jobs.items() if job.status == "pending"]
    body = escalation(f"the session stands still: {said}", at, pending, "retry or skip each of them", ("retry", "skip"))
    yield Line(
        at, f"stall #{k}", "SES-16", Send("hitl", "escalation", body), None, None, f"stalled: {said}",
        {"waiting_on": waits},
    )  # fmt: skip


def escalation(
    what: str, since: datetime, waiting: Sequence[str], decision: str, options: Sequence[str]
) -> dict[str, object]:
    """What `hitl` is told when only a person can go on, in the shape of every escalation [EXE-20]."""
    means = {
        "retry": "the task is tried again, with a new count of attempts",
        "skip": "the task is not to be done; say why",
        "resume": "the session goes on as it is",
        "decision": "`decision: resume`, as an answer to this message",
    }
    return {
        "what": what,
        "since": since,
        "impact": {"waiting": list(waiting)},
        "tried": [],
        "level": 1,
        "answer_by": None,  # hitl is the last one
        "then_asked": None,
        "asked_before": None,
        "decision_needed": decision,
        "options": [{"type": each, "means": means[each]} for each in options],
    }


def ending(team: Team, law: Law) -> Iterator[Line]:
    """Every task is completed or explicitly skipped: what is to become of the session."""
    head = team.head
    if head.status != "active" or not team.complete or head.opened_at is None:
        return
    if any(w.there and w.state != "stuck" for w in team.workers.values()):
        return
    if head.complete_at is None:
        times = [head.since, *(job.since for job in team.jobs.values())]
        times += [w.ended_at for w in team.workers.values()]
        done, total = team.count
        yield Line(
            max(t for t in times if t is not None), f"complete #{head.completes + 1}", "SES-16", Record(), None, None,
            f"{done} of {total} tasks completed",
        )  # fmt: skip
        return
    mode = team.plan.completion or law.completion
    k = head.completes
    choice = head.choice
    if choice is None and mode == "interactive":
        if law.asks and head.asked < k:
            yield _question(team, head.complete_at, k)
        return
    action = choice.action if choice is not None else {"auto_archive": "archive"}.get(mode, "keep")
    at = choice.at if choice is not None else head.complete_at
    by = choice.by if choice is not None else "executor"
    why = f"chosen by {by}" if choice is not None else f"completion_action: {mode}"
    if action == "export" and choice is not None:
        if head.exports < head.choices:
            yield Line(
                at, f"export #{head.choices}", "SES-23", Export(choice.target or ""), None, None, why,
                {"target": choice.target},
            )  # fmt: skip
            return
        if team.exported is None:
            return
        at, fault, files = team.exported
        if fault is not None:
            yield _keep(team, at, by, f"the export failed, so the session is kept active: {fault}", warning=True)
            return
        if not head.exported:
            yield Line(
                at, f"exported #{head.choices}", "SES-23", Record(), None, None, f"{files} files copied and compared",
                {"target": choice.target, "files": files},
            )  # fmt: skip
            return
        action = "archive"
    if action == "archive":
        yield Line(
            at, f"archive #{k}", "SES-23", Record(), None, None, why,
            {"by": by, "artifacts": [a for job in team.jobs.values() for a in job.artifacts][:200]},
        )  # fmt: skip
    else:
        yield _keep(team, at, by, why)


def _keep(team: Team, at: datetime, by: str, why: str, *, warning: bool = False) -> Line:
    return Line(
        at, f"keep #{team.head.kept + 1}", "SES-23", Record(), None, None, why,
        {"by": by, "warning": True if warning else None},
    )  # fmt: skip


def _question(team: Team, at: datetime, k: int) -> Line:
    done, total = team.count
    body = {
        "question": QUESTION,
        "completed": done,
        "total": total,
        "options": [{"action": action, "label": label, "description": text} for action, label, text in OPTIONS],
        "reply_with": f"type: decision\nfrom: hitl\nsession_id: {team.id}\ndecision: archive\n",
    }
    action = Send("hitl", "completion_action_request", body)
    return Line(at, f"ask completion #{k}", "SES-23", action, None, None, "the pipeline is complete")
