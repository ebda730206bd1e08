"""What is to be done in a session, and from when on: pure functions from a session to lines, in the order they speak.

Counterpart: `fold.py`, what a line changes. No rule sees the clock: the future is a line whose time has not come. What
comes from outside (a result, the end of a process) stands in the session as it was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

from executord.team.line import Aside, Export, Line, Record, Send, Start, Stop, Tell
from executord.team.record import Attempt, Discovery, Job, Law, Team, Worker
from executord.team.results import judged
from executord.team.texts import FINALIZE, INTERRUPTED, NO_DISCOVERY, ORPHAN, STATUS_CHECK

BACK_OFF_S = 2.0
BACK_OFF_MOST_S = 60.0
IDLE_S = 1.0  # how long a worker that has finished is given to end by itself, before it is closed or told more


def agenda(team: Team, law: Law) -> list[Line]:
    """All lines, in the order in which they would be carried out."""
    lines: list[tuple[datetime, int, Line]] = []
    order = count()
    for rule in RULES:
        lines += ((line.at, next(order), line) for line in rule(team, law) if line.name not in team.done)
    return [line for _, _, line in sorted(lines, key=lambda each: each[:2])]


def _after(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds)


def _opened(team: Team) -> datetime:
    assert team.head.opened_at is not None
    return team.head.opened_at


# --- what has come [SES-12] -------------------------------------------------------------------------------------------


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
            last = _last(team, worker)
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


# --- the ladder [SES-14] ----------------------------------------------------------------------------------------------


def ladder(team: Team, law: Law) -> Iterator[Line]:
    """STATUS_CHECK, FINALIZE, timed_out: each due its span after the one before was really carried out."""
    for job in team.live:
        attempt = job.live
        assert attempt is not None
        worker = team.worker_of(job)
        if attempt.unknown or attempt.ladder_at is None or worker is None or worker.resident:
            continue
        names = (job.id, attempt.n)
        if attempt.checked_at is None:
            yield Line(
                _after(attempt.ladder_at, law.work_s), f"status check {job.id} a{attempt.n} #1", "SES-14",
                Tell(worker.order, "status_check", STATUS_CHECK), *names, f"no result after {law.work_s:g} s",
            )  # fmt: skip
        elif attempt.finalized_at is None:
            at = _after(attempt.checked_at, law.status_s)
            why = f"no answer to STATUS_CHECK after {law.status_s:g} s"
            if attempt.answered_at is not None:
                at = _after(attempt.answered_at, law.extension_s)
                why = f"no result {law.extension_s:g} s after the answer to STATUS_CHECK"
            yield Line(
                at, f"finalize {job.id} a{attempt.n} #1", "SES-14",
                Tell(worker.order, "finalize", FINALIZE, interrupt=True), *names, why,
            )  # fmt: skip
        else:
            yield Line(
                _after(attempt.finalized_at, law.finalize_s), f"time out {job.id} a{attempt.n} #1", "SES-14", Record(),
                *names, f"timed out: no result {law.finalize_s:g} s after FINALIZE",
            )  # fmt: skip


def telling(team: Team, law: Law) -> Iterator[Line]:
    """What somebody has to say to a running worker [SES-27]."""
    for job in team.live:
        attempt = job.live
        assert attempt is not None
        worker = team.worker_of(job)
        if attempt.owed and worker is not None and worker.state in ("starting", "live"):
            yield Line(
                attempt.at, f"context {job.id} a{attempt.n} #{attempt.offered + 1}", "SES-27",
                Tell(worker.order, "context", source=attempt.owed[0]), job.id, attempt.n, "passed on",
            )  # fmt: skip


# --- closing workers [SES-15] -----------------------------------------------------------------------------------------


def closing(team: Team, law: Law) -> Iterator[Line]:
    """A worker whose task has ended is closed, unless it is resident or more of its kind is to come."""
    for worker in team.workers.values():
        if worker.state == "ended":
            assert worker.ended_at is not None
            yield _stop(worker, worker.ended_at, "what it has left is closed")
        elif worker.state == "live" and worker.current is None and worker.idle_since is not None:
            last = _last(team, worker)
            done = last is not None and last[1].state == "done"
            at = _after(worker.idle_since, IDLE_S) if done else worker.idle_since
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


def _last(team: Team, worker: Worker) -> tuple[Job, Attempt] | None:
    """The last task that a worker was given, with that attempt."""
    mine = [(job, a) for job in team.jobs.values() for a in job.attempts if a.order == worker.order]
    return max(mine, key=lambda each: each[1].at, default=None)


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
    room = law.max_workers - _busy(team)
    return room > 0 or not _startable(team)


def _busy(team: Team) -> int:
    return sum(1 for w in team.workers.values() if w.there and w.state != "stuck")


def _startable(team: Team) -> list[str]:
    return [i for i in team.jobs if team.ready(i) and _host(team, i) is None]


# --- giving tasks [SES-8] ---------------------------------------------------------------------------------------------


def _host(team: Team, task_id: str) -> Worker | None:
    """The live worker that gets this task as a follow-up."""
    if not team.inner(task_id):
        return None
    role = team.node(task_id).role
    return next((w for w in team.workers.values() if w.role == role and w.state in ("starting", "live")), None)


def _due(team: Team, job: Job) -> datetime:
    """From when on a ready task may be given."""
    head = team.head
    times = [head.since or _opened(team), job.since or _opened(team), _opened(team)]
    for dep in team.deps(job.id):
        if dep in team.jobs:
            since = team.settled_at(dep) if team.satisfied(dep) else team.jobs[dep].since
            times += [since] if since is not None else []
    if job.attempts and job.spent:
        last = job.attempts[-1].closed_at
        wait = min(BACK_OFF_S * 2 ** (job.spent - 1), BACK_OFF_MOST_S)
        times += [_after(last, wait)] if last is not None else []
    return max(times)


def giving(team: Team, law: Law) -> Iterator[Line]:
    """All ready tasks start at once, as far as there is room; none is ever given twice."""
    head = team.head
    if head.status != "active" or head.opened_at is None:
        return
    room = law.max_workers - _busy(team)
    ready = [(_due(team, job), job) for job in team.jobs.values() if team.ready(job.id)]
    asked: set[str] = set()
    for due, job in sorted(ready, key=lambda each: each[0]):
        n = job.attempt + 1
        before = team.workers.get(job.attempts[-1].order) if job.attempts else None
        if before is not None and before.there and before.state in ("ended", "stopping", "stuck"):
            continue  # the task is given to nobody else before that one is gone
        host = _host(team, job.id)
        if host is not None:
            if (
                host.state == "live"
                and host.current is None
                and host.idle_since is not None
                and host.order not in asked
            ):
                asked.add(host.order)
                yield Line(
                    max(due, _after(host.idle_since, IDLE_S)), f"follow-up {job.id} a{n}", "SES-8",
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


# --- standing still and the end [SES-16, SES-18, SES-23] --------------------------------------------------------------


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
    yield Line(
        at, f"stall #{k}", "SES-16", Send("hitl", "escalation", {
            "reason": f"the session stands still: {said}",
            "waiting_on": waits,
            "decision_needed": "retry or skip each of them",
            "reply_with": [
                {"type": "retry", "from": "hitl", "session_id": team.id, "task_id": waits[0] if waits else None},
                {"type": "skip", "from": "hitl", "session_id": team.id, "task_id": waits[0] if waits else None,
                 "reason": "why it need not be done"},
            ],
        }), None, None, f"stalled: {said}", {"waiting_on": waits},
    )  # fmt: skip


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
    return Line(
        at, f"ask completion #{k}", "SES-23", Send("hitl", "completion_action_request", {
            "question": "Team pipeline complete. What would you like to do?",
            "completed": done, "total": total,
            "options": [
                {"action": "archive", "label": "Archive & Clean (Recommended)",
                 "description": "Archive session, clean up team"},
                {"action": "keep", "label": "Keep Active", "description": "Keep session for follow-up work"},
                {"action": "export", "label": "Export Results",
                 "description": "Export deliverables to target directory, then clean"},
            ],
            "reply_with": [
                {"type": "decision", "from": "hitl", "session_id": team.id, "decision": "archive"},
                {"type": "decision", "from": "hitl", "session_id": team.id, "decision": "export",
                 "to_folder": "/srv/out"},
            ],
        }), None, None, "the pipeline is complete",
    )  # fmt: skip


#: The order of speech.
RULES = (ends, results, late, telling, gaps, ladder, closing, skipping, giving, stalling, ending)
