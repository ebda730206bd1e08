"""The clocks of a task: its resolution, which its instruction's caps, and the response of each attempt [SLA-2, SLA-6].

Counterparts: `making.py`, how a clock is made; `instruction.py`, the cap. Pure.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from executord.case import Attempt, Repriced, Task
from executord.case.casebook import Case
from executord.clocks import Pauses
from executord.evolve import replace
from executord.policy import Policy
from executord.promises.aims import Aim, Limit, Word, aim_of, with_severity
from executord.promises.instruction import promised, resolution, word_at
from executord.promises.making import CAPPED, Course, Which, clock_of, holder_of, unmoved
from executord.promises.terms import changes_of, of_priority, own_at, priority_at, priority_of, terms, unreckoned
from executord.promises.timepiece import NO_PAUSES, Clock, spans


def promised_task(case: Case, task: Task, policy: Policy) -> Limit | None:
    """When a task's resolution is promised; of one that nobody has yet, when it would be [SLA-6, EXE-11]."""
    if task.attempts:
        clock = task_resolution(case, task, policy)
        return Limit(clock.due, clock.source) if clock is not None and clock.due is not None else None
    head, capped = case.head, promised(case, policy)
    own, priority = task.field("resolution"), priority_of(head, task)
    start = head.opened_at or head.created
    if start is None or (own is None and priority == head.priority_now):
        return capped
    row = terms(policy, head, priority)
    aim = aim_of(policy, row.on_resolution, start, own, row.resolution, "the task's own", row.source)
    at = aim.limit(NO_PAUSES)
    if at is None or (capped is not None and capped.at <= at):
        return Limit(capped.at, f"{capped.source}{CAPPED}") if capped is not None else None
    return Limit(at, aim.source)


def soonest_limit(case: Case, task: Task, policy: Policy) -> datetime | None:
    """When the limit that a task's file gives would end, had the task been given out as its instruction began; None
    where it stands still [SLA-6]."""
    head, own = case.head, task.spec.resolution
    assert head.created is not None  # the instruction has a clock
    row = terms(policy, head, priority_of(head, task))
    aim = aim_of(policy, row.on_resolution, head.created, own, row.resolution, "the task's own", row.source)
    return aim.limit(spans((*head.pauses, *task.pauses)))


def task_resolution(case: Case, task: Task, policy: Policy) -> Clock | None:
    """The task's resolution clock: from its first dispatch to the completion that was accepted; capped by the
    instruction's limit [SLA-2, SLA-6]. None before it was given out."""
    head = case.head
    if not task.attempts or unreckoned(head):
        return None
    key = (
        task.attempts[0].at, holder_of(case, task), task.ended, task.pauses, task.extensions, task.repriced,
        task.overrides, task.breaches, task.spec, head.spec, head.priority, head.repriced, head.pauses,
        resolution(case, policy), policy,
    )  # fmt: skip
    memo = case.memos[task.id]
    clock: Clock | None = unmoved(memo, "resolution", key)
    if clock is None:
        clock = _task_resolution(case, task, policy)
        memo["resolution"] = (key, clock)
    return clock


def _task_resolution(case: Case, task: Task, policy: Policy) -> Clock:
    head = case.head
    start = task.attempts[0].at
    stopped = task.ended.at if task.ended is not None else None
    pauses = (*head.pauses, *task.pauses) if head.pauses or task.pauses else ()
    repriced = _changes(case, task, "resolution")
    priority = priority_at(priority_of(head, task), repriced, stopped)
    own = own_at("resolution", task.field("resolution"), repriced, stopped)
    # Without a word of its own, and of the instruction's priority, it is promised when the instruction is: more time
    # for that, or a pause of another task, is more time for it too.
    follows = own is None and priority == priority_at(head.priority_now, head.repriced, stopped)

    def plain(word: Word, _: Pauses) -> Aim:
        row = terms(policy, head, word.priority)
        return aim_of(policy, row.on_resolution, start, word.own, row.resolution, "the task's own", row.source)

    cap = resolution(case, policy)
    if cap is not None and stopped is not None:
        cap = _as_it_was(case, policy, cap, stopped)
    course = Course(repriced, task.breaches, task.extensions, pauses, stopped, _given_up(task))
    return clock_of(case, Which("resolution", task), Word(priority, own), plain, course, cap=cap, follows=follows)


def _changes(case: Case, task: Task, word: str) -> tuple[Repriced, ...]:
    """What a task's clock was reckoned by before: its own priorities, else its instruction's; and its own promises."""
    if not task.repriced:
        return of_priority(case.head.repriced)
    own = (c for c in task.repriced if word in dict(c.own))
    return changes_of(word, (*own, *(of_priority(task.repriced) or of_priority(case.head.repriced))))


def _given_up(task: Task) -> str | None:
    return task.ended.state if task.ended is not None and task.ended.state != "completed" else None


def _as_it_was(case: Case, policy: Policy, cap: Clock, at: datetime) -> Clock:
    """The instruction's limit as it stood when a task ended: what came later does not judge it."""
    repriced = changes_of("resolution", case.head.repriced)
    if not repriced or repriced[-1].at <= at:
        return cap
    head = case.head
    word = word_at(head, "resolution", at)
    row = terms(policy, head, word.priority)
    assert head.created is not None
    aim = aim_of(policy, row.on_resolution, head.created, word.own, row.resolution, "", row.source)
    spans_ = spans(cap.pauses)
    limit = with_severity(case, policy, "resolution", head.created, aim, spans_).limit(spans_)
    return replace(cap, due=limit, warn_due=limit, original=limit)


def task_response(case: Case, task: Task, attempt: Attempt, policy: Policy) -> Clock:
    """The response clock of one attempt: from dispatch to the first word of its holder."""
    head = case.head
    key = (
        attempt.n, attempt.at, attempt.accepted_at, attempt.closed_at, attempt.agent, attempt.n == task.attempt,
        task.ended, task.repriced, task.overrides, task.breaches, task.spec, head.spec, head.tier, head.priority,
        head.repriced, policy,
    )  # fmt: skip
    memo = case.memos[task.id]
    clock: Clock | None = unmoved(memo, "response", key)
    if clock is None:
        clock = _task_response(case, task, attempt, policy)
        memo["response"] = (key, clock)
    return clock


def _task_response(case: Case, task: Task, attempt: Attempt, policy: Policy) -> Clock:
    head = case.head
    ends = [at for at in (attempt.accepted_at, attempt.closed_at) if at is not None]
    if task.ended is not None and attempt.n == task.attempt:
        ends.append(task.ended.at)
    stopped = min(ends) if ends else None
    repriced = _changes(case, task, "response")
    word = Word(
        priority_at(priority_of(head, task), repriced, stopped),
        own_at("response", task.field("response"), repriced, stopped),
    )
    over = _given_up(task) if attempt.accepted_at is None else None
    return clock_of(
        case, Which("response", task, attempt, 1), word, partial(_responding, case, policy, attempt.at),
        Course(repriced, task.breaches, stopped=stopped, over=over),
    )  # fmt: skip


def _responding(case: Case, policy: Policy, start: datetime, word: Word, _: Pauses) -> Aim:
    row = terms(policy, case.head, word.priority)
    return aim_of(policy, row.on_response, start, word.own, row.response, "the task's own", row.source)
