"""Who works, for whom, and how much room there is: what several rules ask of a session."""

from __future__ import annotations

from datetime import datetime, timedelta

from executord.team.record import Attempt, Job, Team, Worker

IDLE_S = 1.0  # how long a worker that has finished is given to end by itself, before it is closed or told more


def after(at: datetime, seconds: float) -> datetime:
    """So many seconds later."""
    return at + timedelta(seconds=seconds)


def opened(team: Team) -> datetime:
    """When the session was taken over."""
    assert team.head.opened_at is not None
    return team.head.opened_at


def last_of(team: Team, worker: Worker) -> tuple[Job, Attempt] | None:
    """The last task that a worker was given, with that attempt."""
    mine = [(job, a) for job in team.jobs.values() for a in job.attempts if a.order == worker.order]
    return max(mine, key=lambda each: each[1].at, default=None)


def busy(team: Team) -> int:
    """How many processes there are; those that cannot be killed do not take a place."""
    return sum(1 for w in team.workers.values() if w.there and w.state != "stuck")


def host_of(team: Team, task_id: str) -> Worker | None:
    """The live worker that gets this task as a follow-up."""
    if not team.inner(task_id):
        return None
    role = team.node(task_id).role
    return next((w for w in team.workers.values() if w.role == role and w.state in ("starting", "live")), None)


def startable(team: Team) -> list[str]:
    """The ready tasks that need a process of their own."""
    return [i for i in team.jobs if team.ready(i) and host_of(team, i) is None]
