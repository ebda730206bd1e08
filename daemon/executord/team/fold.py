"""What a line of a session's journal means: the same for a line just noted and for one read again [MEM-17].

Counterpart: `rules.py` and `hearing.py`, which yield the lines. Nothing here looks at files, clocks or settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from executord.evolve import replace
from executord.team.plan import Node
from executord.team.record import Attempt, Choice, Gap, Job, Question, Team, Worker, job_of
from executord.values import read_stamp

Entry = Mapping[str, Any]
_FORGOTTEN = ("heard", "file", "read")  # their names are never asked for again


def fold(team: Team, entry: Entry) -> None:
    """Put one line into the session."""
    at = read_stamp(entry["at"])
    team.n, team.last_at = entry["n"], at
    team.version += 1
    name = entry["name"]
    verb = name.split(" ", 1)[0]
    heard = _facts(entry).get("end")
    if heard is not None:
        _head(team, heard=heard)
    step = FOLD.get(verb)
    if step is not None:
        step(team, entry, at)
    if entry["action"] == "send" and entry.get("type"):
        key = "/".join((entry.get("task") or "", str(entry.get("attempt") or 0), entry["type"]))
        team.sent[key] = team.sent.get(key, 0) + 1
    if verb not in _FORGOTTEN:
        team.done.add(name)


def _facts(entry: Entry) -> Mapping[str, Any]:
    return entry.get("facts") or {}


def _job(team: Team, entry: Entry) -> Job:
    return job_of(team, entry["task"])


def _put(team: Team, job: Job) -> None:
    old = team.jobs.get(job.id)
    team.jobs[job.id] = job
    if (old.status if old is not None else None) != job.status:
        team.head = replace(team.head, stalled=False)


def _head(team: Team, **changes: Any) -> None:
    team.head = replace(team.head, **changes)


def _worker(team: Team, order: str, **changes: Any) -> None:
    worker = team.workers.get(order)
    if worker is not None:
        team.workers[order] = replace(worker, **changes)


def _with_attempt(job: Job, **changes: Any) -> Job:
    return replace(job, attempts=(*job.attempts[:-1], replace(job.attempts[-1], **changes)))


def _close(team: Team, job: Job, at: datetime, state: str, reason: str | None = None) -> Job:
    """The live attempt is closed; its worker is free."""
    attempt = job.live
    if attempt is None:
        return job
    worker = team.workers.get(attempt.order)
    if worker is not None and worker.current == job.id:
        _worker(team, attempt.order, current=None, idle_since=at)
    return _with_attempt(job, state=state, closed_at=at, reason=reason)


def _status(job: Job, status: str, at: datetime, **changes: Any) -> Job:
    return replace(job, status=status, since=at, **changes)


def _new_attempt(job: Job, n: int, at: datetime, order: str, **more: Any) -> Job:
    attempt = Attempt(n, at, order, **more)
    return _status(replace(job, attempts=(*job.attempts, attempt), error=None), "in_progress", at)


# --- opening and taking over [SES-5, SES-6] ---------------------------------------------------------------------------


def _open(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    _head(team, opened_at=at, since=at, status=facts.get("status") or "active")
    known, team.jobs = team.jobs, {}
    for task_id, row in (facts.get("tasks") or {}).items():  # those that are worked on stand there already
        team.jobs[task_id] = known.get(task_id) or _row(Job(task_id), row, at)


def _row(job: Job, row: Mapping[str, Any], at: datetime) -> Job:
    status = row.get("status") or "pending"
    attempts: tuple[Attempt, ...] = ()
    n = row.get("attempt") or 0
    if n:
        attempts = (Attempt(n, at, state="done" if status in ("completed", "revised") else "failed", closed_at=at),)
    return replace(
        job, status=status, since=at, attempts=attempts, error=row.get("error"), findings=row.get("findings"),
        artifacts=tuple(row.get("artifacts") or ()), revision=row.get("revision"),
    )  # fmt: skip


def _add(team: Team, entry: Entry, at: datetime) -> None:
    """A task that was put into the graph or into tasks.json since."""
    team.jobs[entry["task"]] = _row(_job(team, entry), _facts(entry), at)
    _head(team, stalled=False, complete_at=None)


def _adopt(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    job = _job(team, entry)
    n = entry["attempt"]
    order = facts.get("order") or f"{job.id}.a{n}"
    process = facts["process"]
    since = read_stamp(facts["started_at"]) if facts.get("started_at") else at
    if job.live is None:
        job = _new_attempt(job, n, since, order, ladder_at=since)
    else:
        job = _with_attempt(job, order=order, unknown=False, unknown_until=None, ladder_at=job.live.ladder_at or since)
    _put(team, job)
    worker = team.workers.get(order)
    if worker is None:
        worker = Worker(order, job.id, n, facts.get("role") or "", since, resident=bool(facts.get("resident")))
    team.workers[order] = replace(worker, state="live", process=process, current=job.id, ended_at=None)


def _orphan(team: Team, entry: Entry, at: datetime) -> None:
    """Somebody else has started it, or says so: its worker is not known."""
    facts = _facts(entry)
    reason = "interrupted" if facts.get("interrupted") else None
    job = _new_attempt(
        _job(team, entry), entry["attempt"], at, "", unknown=True, unknown_until=read_stamp(facts["until"]),
        reason=reason,
    )  # fmt: skip
    _put(team, job)


def _reset(team: Team, entry: Entry, at: datetime) -> None:
    job = _close(team, _job(team, entry), at, "reset", entry.get("why"))
    counts = not _facts(entry).get("unbegun")
    _put(team, _status(replace(job, spent=job.spent + counts), "pending", at))


# --- workers ----------------------------------------------------------------------------------------------------------


def _start(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    job = _job(team, entry)
    order = f"{job.id}.a{entry['attempt']}"
    _put(team, _new_attempt(job, entry["attempt"], at, order))
    team.workers[order] = Worker(
        order, job.id, entry["attempt"], facts["role"], at, current=job.id, resident=bool(facts.get("resident"))
    )


def _started(team: Team, entry: Entry, at: datetime) -> None:
    order = f"{entry['task']}.a{entry['attempt']}"
    worker = team.workers.get(order)
    _worker(
        team, order, state="live", process=_facts(entry), begun=(worker.begun if worker else 0) + 1, ended_at=None,
        code=None,
    )  # fmt: skip
    job = _job(team, entry)
    if job.live is not None and job.live.order == order:
        _put(team, _with_attempt(job, ladder_at=at))


def _unstarted(team: Team, entry: Entry, at: datetime) -> None:
    job = _close(team, _job(team, entry), at, "failed", entry.get("why"))
    order = f"{entry['task']}.a{entry['attempt']}"
    worker = team.workers.get(order)
    if worker is not None and worker.process is None:
        _worker(team, order, state="gone", ended_at=at)  # there never was a process
    _put(team, _failed(job, at, entry.get("why") or "", _facts(entry)))


def _failed(job: Job, at: datetime, why: str, facts: Mapping[str, Any]) -> Job:
    """One attempt less: pending again, or failed for good."""
    job = replace(job, spent=job.spent + 1)
    if facts.get("final"):
        return _status(job, "failed", at, error=why)
    return _status(job, "pending", at, error=why)


def _follow_up(team: Team, entry: Entry, at: datetime) -> None:
    order = _facts(entry)["order"]
    _put(team, _new_attempt(_job(team, entry), entry["attempt"], at, order, ladder_at=at))
    worker = team.workers[order]
    _worker(team, order, current=entry["task"], idle_since=None, told=worker.told + 1)


def _told(team: Team, entry: Entry) -> None:
    order = _facts(entry)["order"]
    worker = team.workers.get(order)
    if worker is not None:
        _worker(team, order, told=worker.told + 1)


def _context(team: Team, entry: Entry, at: datetime) -> None:
    _told(team, entry)
    worker = team.workers.get(_facts(entry)["order"])
    if worker is not None:
        _worker(team, worker.order, contexts=worker.contexts + 1)
    job = _job(team, entry)
    if job.live is not None:
        _put(team, _with_attempt(job, offered=job.live.offered + 1, owed=job.live.owed[1:]))


def _check(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    _told(team, entry)
    job = _job(team, entry)
    if job.live is not None:
        _put(team, _with_attempt(job, checked_at=at, mark=facts["mark"], seen=facts.get("seen")))


def _finalize(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    _told(team, entry)
    job = _job(team, entry)
    if job.live is not None:
        _put(team, _with_attempt(job, finalized_at=at, mark=facts["mark"], seen=facts.get("seen")))


def _answer(team: Team, entry: Entry, at: datetime) -> None:
    job = _job(team, entry)
    if job.live is not None:
        _put(team, _with_attempt(job, answered_at=at))


def _time_out(team: Team, entry: Entry, at: datetime) -> None:
    job = _close(team, _job(team, entry), at, "timed_out", entry.get("why"))
    _put(team, _status(replace(job, spent=job.spent + 1), "timed_out", at, error=entry.get("why")))


def _ended(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    _worker(team, facts["order"], state="ended", ended_at=at, code=facts.get("code"))


def _stop(team: Team, entry: Entry, at: datetime) -> None:
    _worker(team, _facts(entry)["order"], state="stopping")


def _stuck(team: Team, entry: Entry, at: datetime) -> None:
    order = _facts(entry)["order"]
    worker = team.workers.get(order)
    _worker(team, order, state="stuck", stuck=(worker.stuck if worker else 0) + 1)
    _head(team, stalled=False)


def _gone(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    worker = team.workers.get(facts["order"])
    if worker is not None:
        code = facts.get("code") if worker.code is None else worker.code
        _worker(team, worker.order, state="gone", ended_at=worker.ended_at or at, code=code)


# --- results ----------------------------------------------------------------------------------------------------------


def _result(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    job = _job(team, entry)
    outcome = facts["outcome"]
    state = {"completed": "done", "partial_completion": "done", "low": "low"}.get(outcome, "failed")
    job = _close(team, job, at, state, facts.get("error"))
    job = replace(
        job, findings=facts.get("findings"), artifacts=tuple(facts.get("artifacts") or ()),
        quality=facts.get("quality"), concerns=tuple(facts.get("concerns") or ()), sha256=facts.get("sha256"),
    )  # fmt: skip
    if outcome == "completed":
        status = "revised" if job.revision is not None else "completed"
        _put(team, _status(job, status, at, error=None, by=None))
    elif outcome == "partial_completion":
        _put(team, _status(job, "partial_completion", at, error=facts.get("error"), spent=job.spent + 1))
    elif outcome == "low":
        _put(team, _status(job, "pending", at, error=facts.get("error"), spent=job.spent + 1, lows=job.lows + 1))
    else:
        _put(team, _failed(job, at, facts.get("error") or "failed", facts))


def _fail(team: Team, entry: Entry, at: datetime) -> None:
    job = _close(team, _job(team, entry), at, "failed", entry.get("why"))
    _put(team, _failed(job, at, entry.get("why") or "failed", _facts(entry)))


def _late(team: Team, entry: Entry, at: datetime) -> None:
    job = _job(team, entry)
    _put(team, replace(job, late=job.late + 1, sha256=_facts(entry)["sha256"]))


def _hand_set(team: Team, entry: Entry, at: datetime) -> None:
    """A status that somebody wrote into tasks.json [SES-7]."""
    facts = _facts(entry)
    job = _job(team, entry)
    job = replace(job, hands=job.hands + 1, refused=facts.get("board"))
    if facts.get("refused"):
        _put(team, job)
        return
    to = facts["to"]
    if to == "pending":
        job = _close(team, job, at, "withdrawn", "set to pending by hand")
        job = _status(job, "pending", at, spent=0, lows=0, error=None, by=None)
    elif to == "completed":
        job = _close(team, job, at, "done")
        job = _status(
            job, "revised" if job.revision is not None else "completed", at, error=None, by="operator",
            findings=facts.get("findings"), artifacts=tuple(facts.get("artifacts") or ()), sha256=facts.get("sha256"),
        )  # fmt: skip
    elif to == "skipped":
        job = _close(team, job, at, "withdrawn", "skipped by hand")
        job = _status(job, "skipped", at, by="operator", error="skipped by hand", skips=job.skips + 1)
    _put(team, job)
    _head(team, stalled=False, complete_at=None if not team.complete else team.head.complete_at)


def _skip(team: Team, entry: Entry, at: datetime) -> None:
    """A dependant of what will not be done, by the setting `dependants: skip` [SES-16]."""
    job = _job(team, entry)
    _put(team, _status(job, "skipped", at, by="executor", error=entry.get("why"), skips=job.skips + 1))


# --- messages ---------------------------------------------------------------------------------------------------------


def _file(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    count, seen = team.mail.get(facts["file"], (0, ()))
    team.mail[facts["file"]] = (count + 1, (*seen, facts["sha256"]))
    if facts["outcome"] != "taken":
        return
    _TAKEN[facts["type"]](team, entry, at)


def _taken_retry(team: Team, entry: Entry, at: datetime) -> None:
    job = _job(team, entry)
    job = _status(job, "pending", at, spent=0, lows=0, error=None, by=None, retries=job.retries + 1)
    _put(team, job)
    _head(team, stalled=False, complete_at=None)


def _taken_skip(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    job = _job(team, entry)
    reason = f"skipped by {facts['from']}: {facts.get('reason') or ''}".rstrip(": ")
    _put(team, _status(job, "skipped", at, by=facts["from"], error=reason, skips=job.skips + 1))


def _taken_pause(team: Team, entry: Entry, at: datetime) -> None:
    head = team.head
    _head(team, status="paused", since=at, pauses=head.pauses + 1)


def _taken_resume(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    if team.head.status == "paused":
        _head(team, status="active", since=at, question=None, complete_at=None, choice=None)
    _head(team, stalled=False, resumes=team.head.resumes + 1)
    for task_id in facts.get("retried") or ():
        job = job_of(team, task_id)
        _put(team, _status(job, "pending", at, error=None))


def _taken_tell(team: Team, entry: Entry, at: datetime) -> None:
    """It is passed on by a line of its own, which reads it where it was filed."""
    job = _job(team, entry)
    if job.live is not None:
        filed = entry.get("path") or _facts(entry)["filed"]
        _put(team, _with_attempt(job, owed=(*job.live.owed, filed)))


def _taken_decision(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    if facts.get("action"):
        choice = Choice(facts["action"], at, facts["from"], facts.get("target"))
        _head(
            team,
            status="active",
            since=at,
            choice=choice,
            choices=team.head.choices + 1,
            exported=False,
        )
        team.exported = None
        return
    _taken_resume(team, entry, at)


_TAKEN: dict[str, Callable[[Team, Entry, datetime], None]] = {
    "retry": _taken_retry,
    "skip": _taken_skip,
    "pause": _taken_pause,
    "resume": _taken_resume,
    "tell": _taken_tell,
    "decision": _taken_decision,
}


def _gap(team: Team, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    gaps = team.head.gaps
    gap = Gap(len(gaps) + 1, at, facts["wanted"], facts.get("by") or "", entry.get("why") or "", facts.get("covered"))
    _head(team, gaps=(*gaps, gap))


def _redirect(team: Team, entry: Entry, at: datetime) -> None:
    """A role that covers it was added by hand since."""
    facts = _facts(entry)
    gaps = tuple(replace(g, covered=facts["role"]) if g.n == facts["gap"] else g for g in team.head.gaps)
    _head(team, gaps=gaps)


def _revise(team: Team, entry: Entry, at: datetime) -> None:
    """The task is to be done once more, by the same role, as `<ID>-R1` [SES-18]."""
    facts = _facts(entry)
    job = _job(team, entry)
    new = facts["revision"]
    team.added[new] = Node(
        new, facts["role"], (job.id,), facts.get("title") or "", facts.get("description") or "",
        facts.get("phase") or "", (job.id,),
    )  # fmt: skip
    status = "revised" if job.status == "completed" else job.status
    _put(team, replace(job, revision=new, blocked=job.blocked + 1, status=status))
    old = team.jobs.get(new)
    team.jobs[new] = replace(old, status="pending", since=at) if old is not None else Job(new, since=at)
    _head(team, stalled=False, complete_at=None)


def _decide(team: Team, entry: Entry, at: datetime) -> None:
    job = _job(team, entry)
    _put(team, replace(job, blocked=job.blocked + 1))
    k = team.head.questions + 1
    question = Question(k, at, job.id, entry.get("why") or "")
    _head(team, status="paused", since=at, question=question, questions=k)


# --- the end ----------------------------------------------------------------------------------------------------------


def _stall(team: Team, entry: Entry, at: datetime) -> None:
    _head(team, stalled=True, stalls=team.head.stalls + 1)


def _complete(team: Team, entry: Entry, at: datetime) -> None:
    _head(team, complete_at=at, completes=team.head.completes + 1, choice=None)


def _ask(team: Team, entry: Entry, at: datetime) -> None:
    if entry["name"].startswith("ask completion"):
        _head(team, asked=team.head.completes)


def _export(team: Team, entry: Entry, at: datetime) -> None:
    _head(team, exports=team.head.choices)


def _exported(team: Team, entry: Entry, at: datetime) -> None:
    _head(team, exported=True)


def _archive(team: Team, entry: Entry, at: datetime) -> None:
    _head(team, status="completed", since=at, archived_at=at, question=None)


def _keep(team: Team, entry: Entry, at: datetime) -> None:
    _head(team, status="paused", since=at, kept=team.head.kept + 1, choice=None)


def _read(team: Team, entry: Entry, at: datetime) -> None:
    """What was prepared was changed by hand into what is not valid: it goes on as it was."""
    _head(team, reads=team.head.reads + 1)


#: Verb → what it changes.
FOLD: dict[str, Callable[[Team, Entry, datetime], None]] = {
    "open": _open,
    "add": _add,
    "adopt": _adopt,
    "orphan": _orphan,
    "reset": _reset,
    "start": _start,
    "started": _started,
    "unstarted": _unstarted,
    "follow-up": _follow_up,
    "context": _context,
    "status": _check,
    "finalize": _finalize,
    "answer": _answer,
    "time": _time_out,
    "ended": _ended,
    "stop": _stop,
    "stuck": _stuck,
    "gone": _gone,
    "result": _result,
    "fail": _fail,
    "late": _late,
    "hand-set": _hand_set,
    "skip": _skip,
    "file": _file,
    "gap": _gap,
    "redirect": _redirect,
    "revise": _revise,
    "decide": _decide,
    "stall": _stall,
    "complete": _complete,
    "ask": _ask,
    "export": _export,
    "exported": _exported,
    "archive": _archive,
    "keep": _keep,
    "read": _read,
}
