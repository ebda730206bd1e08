"""The moves of a task that messages and lines share: an attempt closes, a task ends, something is owed [EXE-3].

Counterparts: `messages/`, what a message asks for; `fold.py`, what a line means. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from executord.case import Ask, Attempt, Ended, FileFact, Head, Owed, Paused, Sending, Task, Update, owe
from executord.case.casebook import Case
from executord.evolve import replace
from executord.meaning.asking import with_ask, without_asks
from executord.meaning.blocking import unblock
from executord.meaning.deliveries import changed, met
from executord.policy import ATTEMPTS
from executord.values import noted_instant, read_stamp

MOST_HEARD = 10  # messages that were passed on to holders, and are shown to the next
_T = TypeVar("_T", Task, None)


def with_attempt(task: Task, **changes: Any) -> Task:
    """The task with its last attempt changed."""
    *rest, last = task.attempts
    return replace(task, attempts=(*rest, replace(last, **changes)))


def close_attempt(task: Task, state: str, at: datetime, reason: str | None, letter: str | None = None) -> Task:
    """The task with its live attempt closed, if it has one; what it left is owed to the shelf [CON-12]."""
    if task.live is None:
        return task
    task = with_attempt(task, state=state, closed_at=at, reason=reason, letter=letter)
    task = replace(task, owed=tuple(o for o in task.owed if o.kind != "rework"))
    if state in ("failed", "reassigned", "declined", "timed_out"):
        n = task.attempt
        task = owe(task, Owed(f"keep {task.id} a{n}", "keep", at, {"attempt": n}))
    return unblock(task, at)


def signed(task: Task, at: datetime) -> Task:
    """A sign of life of the holder: before `finalize` it ends the cycle; after it, once, it gives I more [EXE-16]."""
    live = task.live
    if live is None:
        return task
    at = max(filter(None, (live.sign_at, at)))
    if live.final:
        return with_attempt(task, sign_at=at, extended_at=live.extended_at or at)
    return with_attempt(task, sign_at=at, rung=0)


def heard(task: Task, letter: str) -> Task:
    """A message about it was passed on to its holder: so that the next one may read it too [MSG-8]."""
    return replace(task, heard=(*task.heard, letter)[-MOST_HEARD:])


def quiet_from(task: Task, at: datetime) -> Task:
    """It stood still until now, and not by its holder's fault: his silence counts from here."""
    return with_attempt(task, quiet_from=at) if task.live is not None else task


def time_out(task: Task, case: Case, at: datetime, why: str, files: tuple[FileFact, ...]) -> Task:
    """The holder was silent through all rungs: closed, he is told, what lay there is kept, another one is asked."""
    live = task.live
    if live is None:
        return task
    task = close_attempt(with_attempt(task, left=files), "timed_out", at, why)
    text = f"attempt {live.n} of {task.id} is closed: {why}. What you hand in now is kept, but counts only if accepted"
    task = owe(task, notice(task, f"timed-out-a{live.n}", at, live.agent, text, "reassignment_notice"))
    task = replace(task, silent=task.silent | {live.agent}, bound=None, bound_why=None)
    return spend(task, case, at, f"attempt {live.n} timed out: {why}")


def spend(task: Task, case: Case, at: datetime, why: str) -> Task:
    """Count a failed attempt; with the tier's number used up a decision is awaited [EXE-14]."""
    task = replace(task, spent=task.spent + 1)
    allowed = ATTEMPTS[case.head.tier if case.head.tier is not None else 2]
    if task.spent >= allowed:
        task = escalate(task, at, f"{why}; {task.spent} of {allowed} attempts used")
    return task


def escalate(task: Task, at: datetime, why: str, kind: str = "attempts_used") -> Task:
    """The task awaits a decision: retry, reassign, defer or cancel."""
    k = task.escalations + 1
    task = replace(without_asks(task, "escalation"), escalated=why, escalations=k)
    return with_ask(
        task, Ask(f"escalation {task.id} #{k}", at, {"why": why, "kind": kind}, line=f"escalate task {task.id} #{k}")
    )


def end_task(task: Task, state: str, at: datetime, by: str, reason: str | None) -> Task:
    """The task ended by a named person's decision."""
    holder = task.live.agent if task.live else None
    task = unblock(close_attempt(task, "withdrawn", at, f"{state} by {by}"), at)
    task = replace(
        task,
        ended=Ended(state, at, by, reason),
        escalated=None,
        hold=None,
        result_owed=True,
        sealed=False,
    )
    if holder is not None:
        text = f"{state} by {by}: {reason}"
        task = owe(task, notice(task, f"{state}-{task.results + 1}", at, holder, text))
    return task


def notice(task: Task, what: str, at: datetime, to: str, text: str, kind: str = "notice") -> Owed:
    """A notice that is owed about a task: what its reader must know and need not answer."""
    return Owed(f"notice {task.id} {what}", "notice", at, {"to": to, "text": text, "kind": kind})


def record_update(case: Case, task: _T, facts: Mapping[str, Any], at: datetime, letter: str, by: str) -> _T:
    """Take the customer update that a message held, where it was accepted, and owe its file [SLA-15].

    `facts` are those of the message's line; `way` in them is the channel by which it goes, or how it went already
    (`delivered_at`). Without one the liaison sends it, and his message says so: then it counts at once, from when it
    was sent [SLA-16].
    """
    number, way = facts.get("update"), facts.get("way") or {}
    if number is None:
        return task
    promised, due = noted_instant(facts, "promised"), noted_instant(facts, "overdue_at")
    about = task.id if task is not None else None
    update = Update(number, at, by, about, promised, None, due, facts.get("round", 0))
    nested = bool(facts.get("nested"))  # it stands in a claim
    row = {"number": number, "letter": letter, "by": by, "nested": nested, "promised": facts.get("promised"), **way}
    owed = Owed(f"update #{number}", "update", at, row)
    head: Head = case.head
    case.set_head(replace(head, updates=number, sent_updates=(*head.sent_updates, update), owed=(*head.owed, owed)))
    if way.get("delivery"):
        sending = Sending(number, way["channel"], way["delivery"], at, tuple(way.get("to") or ()))
        case.set_head(replace(case.head, outbox=(*case.head.outbox, sending)))
    else:
        delivered = way.get("delivered_at")
        count_update(case, number, read_stamp(delivered) if delivered else at)
    return replace(task, updates=(*task.updates, number)) if task is not None else task


def count_update(case: Case, number: int, at: datetime) -> None:
    """An accepted update counts from now on for every clock and standard [SLA-2, SLA-13, SLA-16].

    It restarts the cadence, meets the response clock, and answers what the customer had written before.
    """
    head = case.head
    sent = tuple(replace(u, counts_at=at) if u.number == number else u for u in head.sent_updates)
    update = next((u for u in sent if u.number == number), None)
    if update is None:
        return
    last = head.counted
    later = last is None or last.counts_at is None or at >= last.counts_at
    waits = head.waiting_reply
    replies = head.replies
    if waits is not None and waits.at <= at:
        replies = (*replies[:-1], replace(waits, answered=at))
    case.set_head(
        replace(
            head,
            sent_updates=sent,
            counted=update if later else last,
            first_counted=at if head.first_counted is None else min(at, head.first_counted),
            replies=replies,
            done=frozenset(name for name in head.done if "update #" not in name),  # of rounds that are over
        )
    )
    met(case)


def keep_late(
    case: Case, task: Task, n: int, at: datetime, letter: str, by: str, summary: str, files: list[Any]
) -> Task:
    """The task with a late result of its n-th attempt: owed to the shelf and to those who can accept it [MSG-3]."""
    attempts = tuple(replace(a, late=a.late + 1) if a.n == n else a for a in task.attempts)
    k = next((a.late for a in attempts if a.n == n), 1)
    text = f"{by} handed in a result for attempt {n} of {task.id} after it was closed; it is kept, not applied"
    answer = (
        f'type: accept_late\nfrom: support-manager\ninstruction_id: "{case.id}"\ntask_id: "{task.id}"\nattempt: {n}\n'
    )
    kept = {"attempt": n, "k": k, "letter": letter, "from": by, "files": files, "summary": summary}
    told = {"attempt": n, "text": text, "path": late_path(case.id, task.id, n, k), "reply_with": answer}
    return owe(
        replace(task, attempts=attempts, sealed=False),
        Owed(f"keep-late {task.id} a{n} #{k}", "keep-late", at, kept),
        Owed(f"notice {task.id} a{n} #{k} late", "late-notice", at, told),
    )


def late_path(case_id: str, task_id: str, n: int, k: int) -> str:
    """Where a late result is kept, from the memory [CON-12]."""
    return f"{case_id}/outputs/partial/{task_id}.attempt-{n}.late{f'-{k}' if k > 1 else ''}.yaml"


def release_task(task: Task, at: datetime, by: str) -> Task:
    """The task off hold, its holder told."""
    if task.hold is None:
        return task
    k, task = task.hold.n, quiet_from(replace(task, hold=None), at)
    if task.live is not None:
        task = owe(task, notice(task, f"#{k} released", at, task.live.agent, f"off hold again, by {by}"))
    return task


def release_instruction(case: Case, at: datetime, by: str) -> None:
    """The instruction off hold, the holders told."""
    k = case.head.holds
    case.set_head(replace(case.head, hold=None))
    for each in list(case.tasks.values()):
        if each.live is not None:
            text = f"{case.id} is off hold again, by {by}"
            told = notice(each, f"#{k} instruction-released", at, each.live.agent, text)
            case.put(owe(quiet_from(each, at), told))


def attempt_of(task: Task, n: int) -> Attempt | None:
    """The n-th attempt of a task."""
    return next((a for a in task.attempts if a.n == n), None)


def reopen(case: Case, at: datetime) -> None:
    """A closed instruction is open again; the tasks that ended with it are too [EXE-27]."""
    closed = case.head.closed
    if closed is None:
        return
    case.set_head(replace(case.head, closed=None, archive=None))
    changed(case, at, handed=None, halted=None, undecided=None, fixable=0)
    came = [t for t in case.tasks.values() if t.ended is None and t.admitted]
    if not any(t.attempts for t in came):
        last = last_end(case)
        for task in came:
            case.put(opened_again(task, last, at))
    for task in list(case.tasks.values()):
        ended = task.ended
        if ended is not None and (ended.state, ended.at, ended.by) == (closed.state, closed.at, closed.by):
            case.put(replace(task, ended=None, escalated=None, spent=0, result_owed=False, sealed=False, updates=()))


def opened_again(task: Task, last: datetime | None, at: datetime) -> Task:
    """A task that came when every other one had ended, the last of them then: until now there was nothing to do
    [SLA-7]."""
    if last is None or last >= at:
        return task
    return replace(task, pauses=(*task.pauses, Paused("resolved", last, "ended", end=at)))


def all_ended(case: Case) -> datetime | None:
    """When the last task ended; None: one is open, or there is none. By the journal alone: who only lies there, or is
    only planned, is not asked."""
    if any(case.counts[folder] for folder in ("pending", "in_progress", "blocked")):
        return None
    return last_end(case)


def last_end(case: Case) -> datetime | None:
    """When the last of those tasks ended that have."""
    return max((t.ended.at for t in case.tasks.values() if t.ended is not None), default=None)


def send_back(task: Task, points: tuple[str, ...], why: str) -> Task:
    """A verified task that is to be done again by who did it: out of `completed/`, its attempts count on [QUA-4]."""
    done = next((a for a in reversed(task.attempts) if a.state == "done"), None)
    agent = done.agent if done is not None and done.agent != "operator" else None
    return replace(
        task, ended=None, escalated=None, spent=0, result_owed=False, sealed=False, updates=(), issues=points,
        bound=agent, bound_why=why if agent is not None else None, silent=frozenset(),
        excluded=task.excluded - {agent} if agent else task.excluded,
    )  # fmt: skip
