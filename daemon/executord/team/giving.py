"""Rules for giving tasks to workers, and for closing those that have nothing more to do [SES-8, SES-15, SES-16]."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from executord.team.line import Line, Record, Start, Stop, Tell
from executord.team.record import Job, Law, Team, Worker
from executord.team.workforce import IDLE_S, after, busy, host_of, last_of, opened, startable

BACK_OFF_S = 2.0
BACK_OFF_MOST_S = 60.0


def _due(team: Team, job: Job) -> datetime:
    """From when on a ready task may be given."""
    head = team.head
    times = [head.since or opened(team), job.since or opened(team), opened(team)]
    for dep in team.deps(job.id):
        if dep in team.jobs:
            since = team.settled_at(dep) if team.satisfied(dep) else team.jobs[dep].since
            times += [since] if since is not None else []
    if job.attempts and job.spent:
        last = job.attempts[-1].closed_at
        wait = min(BACK_OFF_S * 2 ** (job.spent - 1), BACK_OFF_MOST_S)
        times += [after(last, wait)] if last is not None else []
    return max(times)


def giving(team: Team, law: Law) -> Iterator[Line]:
    """All ready tasks start at once, as far as there is room; none is ever given twice."""
    head = team.head
    if head.status != "active" or head.opened_at is None:
        return
    room = law.max_workers - busy(team)
    ready = [(_due(team, job), job) for job in team.jobs.values() if team.ready(job.id)]
    asked: set[str] = set()
    for due, job in sorted(ready, key=lambda each: each[0]):
        n = job.attempt + 1
        before = team.workers.get(job.attempts[-1].order) if job.attempts else None
        if before is not None and before.there and before.state in ("ended", "stopping", "stuck"):
            continue  # the task is given to nobody else before that one is gone
        host = host_of(team, job.id)
        if host is not None:
            if (
                host.state == "live"
                and host.current is None
                and host.idle_since is not None
                and host.order not in asked
            ):
                asked.add(host.order)
                yield Line(
                    max(due, after(host.idle_since, IDLE_S)), f"follow-up {job.id} a{n}", "SES-8",
                    Tell(host.order, "task"), job.id, n, f"{host.order} works for {host.role}, and is free",
                    {"order": host.order, "role": host.role},
                )  # fmt: skip
            continue
        if before is not None and before.there:
            continue
        if room <= 0:
            continue
        role = team.role(job.id)
        if team.inner(job.id):
            if role.name in asked:
                continue
            asked.add(role.name)
        room -= 1
        yield Line(
            due, f"start {job.id} a{n}", "SES-9", Start(), job.id, n, "ready",
            {"role": role.name, "effort": role.effort, "resident": True if role.resident else None},
        )  # fmt: skip


def skipping(team: Team, law: Law) -> Iterator[Line]:
    """By setting, what depends on a task that will not be done is skipped."""
    if law.dependants != "skip":
        return
    dead = ("failed", "timed_out", "skipped", "partial_completion")
    for job in team.jobs.values():
        if job.status != "pending":
            continue
        for dep in team.deps(job.id):
            other = team.jobs.get(dep)
            if other is not None and other.status in dead and other.since is not None:
                yield Line(
                    max(other.since, job.since or other.since), f"skip {job.id} #{job.skips + 1}", "SES-16", Record(),
                    job.id, job.attempt or None, f"it depends on {dep}, which is {other.status}",
                )  # fmt: skip
                break


def closing(team: Team, law: Law) -> Iterator[Line]:
    """A worker whose task has ended is closed, unless it is resident or more of its kind is to come."""
    for worker in team.workers.values():
        if worker.state == "ended":
            assert worker.ended_at is not None
            yield _stop(worker, worker.ended_at, "what it has left is closed")
        elif worker.state == "live" and worker.current is None and worker.idle_since is not None:
            last = last_of(team, worker)
            done = last is not None and last[1].state == "done"
            at = after(worker.idle_since, IDLE_S) if done else worker.idle_since
            if team.complete:
                yield _stop(worker, at, "the session is complete")
            elif team.head.stalled or (team.head.question is not None and not team.live):
                yield _stop(worker, at, "the session stands still")
            elif not worker.resident and not (done and _more(team, worker, law)):
                yield _stop(worker, at, "its task has ended")


def _stop(worker: Worker, at: datetime, why: str) -> Line:
    return Line(
        at, f"stop {worker.task} a{worker.attempt}", "SES-15", Stop(worker.order), worker.task, worker.attempt, why,
        {"order": worker.order},
    )  # fmt: skip


def _more(team: Team, worker: Worker, law: Law) -> bool:
    """Whether a worker that is idle now will be given another task."""
    left = [
        j for j in team.jobs.values()
        if j.status == "pending" and team.node(j.id).role == worker.role and team.inner(j.id)
    ]  # fmt: skip
    if not left:
        return False
    if any(team.ready(j.id) for j in left):
        return True
    room = law.max_workers - busy(team)
    return room > 0 or not startable(team)
