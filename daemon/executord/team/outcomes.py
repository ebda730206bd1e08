"""Rules for what has come: results, late ones, and the ends of workers [SES-6, SES-12, SES-15].

Counterparts: `results.py`, whether a result counts; `ladder.py`, for what does not come.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from executord.team.line import Aside, Line, Record
from executord.team.record import Attempt, Discovery, Job, Law, Team
from executord.team.results import judged
from executord.team.texts import INTERRUPTED, NO_DISCOVERY, ORPHAN
from executord.team.workforce import last_of


def results(team: Team, law: Law) -> Iterator[Line]:
    """A result counts as soon as its file is whole, also while the process still runs."""
    for job in team.live:
        attempt = job.live
        assert attempt is not None
        worker = team.worker_of(job)
        found = team.discoveries.get(job.id)
        path = f"discoveries/{job.id}.json"
        if found is not None and found.final:
            code = worker.code if worker is not None and worker.ended_at is not None else None
            facts = judged(job, found, law, code)
            yield Line(
                max(found.seen_at, attempt.at), f"result {job.id} a{attempt.n}", "SES-12", Record(), job.id, attempt.n,
                facts.get("error") or "", {"path": path, **facts},
            )  # fmt: skip
            continue
        if found is not None and found.fault is not None:
            assert found.settled_at is not None
            at = max(found.settled_at, attempt.at)
            kept = f".executord/work/{job.id}.a{attempt.n}/discovery.torn.json"
            yield Line(
                at, f"aside {job.id} a{attempt.n}", "SES-12", Aside(path, kept), job.id, attempt.n,
                f"the discovery file cannot be taken: {found.fault}", {"sha256": found.sha256[:16]},
            )  # fmt: skip
            yield _failure(job, attempt, at, f"Torn discovery file: {found.fault}", law)
            continue
        if found is not None and _is_answer(attempt, found):
            yield _answer(job, attempt, found.seen_at)
        if worker is not None and worker.ended_at is not None and worker.current == job.id:
            end = team.ends.get(worker.order)
            if end is not None and end.error is not None:
                yield _unstarted(job, attempt, worker.ended_at, end.error, law)
            elif worker.code is None:
                yield _reset(job, attempt, worker.ended_at, INTERRUPTED.format(job.id), law)
            else:
                said = end.said if end is not None and worker.code else None
                yield _failure(job, attempt, worker.ended_at, NO_DISCOVERY, law, {"code": worker.code, "said": said})
        elif attempt.unknown and attempt.unknown_until is not None:
            why = INTERRUPTED if attempt.reason == "interrupted" else ORPHAN
            yield _reset(job, attempt, attempt.unknown_until, why.format(job.id), law)


def late(team: Team, law: Law) -> Iterator[Line]:
    """A result that comes after its attempt was closed is told of, and never taken [SES-14]."""
    for job in team.jobs.values():
        found = team.discoveries.get(job.id)
        if job.status not in ("timed_out", "failed") or found is None or not found.final or job.since is None:
            continue
        if found.sha256[:16] != job.sha256:
            why = "a result came after its attempt was closed; it is kept aside when the task is tried again"
            yield Line(
                max(found.seen_at, job.since), f"late {job.id} #{job.late + 1}", "SES-14", Record(), job.id,
                job.attempt or None, why, {"sha256": found.sha256[:16], "warning": why},
            )  # fmt: skip


def _is_answer(attempt: Attempt, found: Discovery) -> bool:
    """A rewritten discovery file that is not yet terminal answers STATUS_CHECK [SES-14]."""
    return (
        attempt.checked_at is not None
        and attempt.finalized_at is None
        and attempt.answered_at is None
        and found.sha256[:16] != attempt.seen
    )


def _answer(job: Job, attempt: Attempt, at: datetime) -> Line:
    assert attempt.checked_at is not None
    return Line(
        max(at, attempt.checked_at), f"answer {job.id} a{attempt.n} #1", "SES-14", Record(), job.id, attempt.n,
        "its discovery file was rewritten, and is not final yet",
    )  # fmt: skip


def _failure(
    job: Job, attempt: Attempt, at: datetime, why: str, law: Law, facts: dict[str, object] | None = None
) -> Line:
    final = job.spent + 1 >= law.max_attempts
    return Line(
        at, f"fail {job.id} a{attempt.n}", "SES-15", Record(), job.id, attempt.n, why,
        {"final": True if final else None, **(facts or {})},
    )  # fmt: skip


def _unstarted(job: Job, attempt: Attempt, at: datetime, why: str, law: Law) -> Line:
    """A failed spawn counts as an attempt [SES-9]."""
    final = True if job.spent + 1 >= law.max_attempts else None
    return Line(
        at, f"unstarted {job.id} a{attempt.n}", "SES-9", Record(), job.id, attempt.n, why, {"final": final}
    )  # fmt: skip


def _reset(job: Job, attempt: Attempt, at: datetime, why: str, law: Law) -> Line:
    """A reset counts as an attempt; one too many is a failure."""
    if job.spent + 1 >= law.max_attempts:
        return _failure(job, attempt, at, why, law)
    return Line(at, f"reset {job.id} a{attempt.n}", "SES-6", Record(), job.id, attempt.n, why)


def ends(team: Team, law: Law) -> Iterator[Line]:
    """The program of a worker has ended, or nothing of it is left."""
    for worker in team.workers.values():
        end = team.ends.get(worker.order)
        if end is None or not worker.there:
            continue
        facts: dict[str, object] = {"order": worker.order, "code": end.code}
        at = max(end.seen_at, worker.at)
        if worker.state in ("live", "starting"):
            last = last_of(team, worker)
            if worker.current is None and end.code not in (None, 0) and last is not None and last[1].state == "done":
                facts["issue"] = f"{last[0].id}: its worker ended with exit code {end.code} after a valid result"
            yield Line(
                at, f"ended {worker.task} a{worker.attempt}", "SES-15", Record(), worker.task,
                worker.attempt, _how(end.code), facts,
            )  # fmt: skip
        elif end.clean:
            yield Line(
                at, f"gone {worker.task} a{worker.attempt}", "SES-15", Record(), worker.task, worker.attempt,
                "nothing of it is left", facts,
            )  # fmt: skip
    for order, at in team.stuck_at.items():
        stuck = team.workers.get(order)
        if stuck is not None and stuck.state == "stopping":
            yield Line(
                max(at, stuck.at), f"stuck {stuck.task} a{stuck.attempt}", "SES-15", Record(), stuck.task,
                stuck.attempt, "its worker cannot be killed: the task is parked until it is gone", {"order": order},
            )  # fmt: skip


def _how(code: int | None) -> str:
    return "it ended, nobody knows how" if code is None else f"it ended with exit code {code}"
