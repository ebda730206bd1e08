"""Giving a task to an agent: one attempt, one delegation, with the results it builds on [EXE-5, EXE-9 … EXE-11]."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from executord.actions import Record, Send
from executord.agenda import Due, Place
from executord.case import Task
from executord.case.casebook import Case
from executord.case.packed import shared
from executord.case.standing import freed_at, standing
from executord.places import Choice
from executord.policy import PRIORITIES, Policy
from executord.posts import delegation, handoff, stem, upstream_of
from executord.promises.tasks import promised_task
from executord.rules.processes import waits_for_process

ORDER = 60


def lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """The dispatch of a task that could start; it needs a place, so who gets it is settled when it is due."""
    head = case.head
    if head.opened_at is None or not head.ours or head.paused or head.parked or head.closed or task.ended:
        return
    if head.lacks:
        return  # what it would be told, or what goes before it, is not known [MEM-25]
    if not task.present or task.live is not None or task.file is None or task.file.folder != task.folder:
        return
    if task.owed or task.gone_at is not None or waits_for_process(task, policy):
        return  # what the last attempt left is told and kept first; and its process must be gone
    if not task.forced and standing(case, task).state not in ("ready", "reassigning"):
        return
    if task.forced and (task.hold or head.hold or any(f.severity == "error" for f in task.file.faults)):
        return
    limit = promised_task(case, task, policy)
    effort = timedelta(seconds=task.spec.effort_s or 0)
    priority = task.field("priority") or head.priority_now
    age = task.since or head.opened_at
    yield Due(
        freed_at(case, task),
        shared(f"assign {task.id} a{task.attempt + 1}"),
        "EXE-10",
        None,
        task.id,
        task.attempt + 1,
        order=ORDER,
        place=Place(
            named=task.bound or task.spec.assignee,
            slack=limit.at - effort if limit is not None else None,
            priority=PRIORITIES.index(priority),
            age=age,
            forced=task.forced or task.bound is not None,
            bound=task.bound is not None,
        ),
    )


def dispatch(case: Case, task: Task, line: Due, choice: Choice, policy: Policy) -> Iterator[Due]:
    """The lines of one dispatch, in their order: the handoffs, then the delegation that names them."""
    n = task.attempt + 1
    upstream: list[str] = []
    for k, each in enumerate(upstream_of(case, task), 1):
        name = f"handoff {task.id} a{n} #{k} {each.id}"
        upstream.append(stem(case.id, task.id, n, "handoff", k))
        if name not in task.done:
            yield Due(
                line.at, name, "EXE-5", Send(choice.agent, "handoff", handoff(case, each, task)), task.id, n,
                why=f"{task.id} builds on {each.id}", order=ORDER,
            )  # fmt: skip
    limit = promised_task(case, task, policy)
    body = delegation(case, task, choice.agent, choice.why, n, upstream, limit, policy)
    facts = {"by_command": True} if policy.command(choice.agent) is not None else {}
    yield Due(
        line.at, line.name, "EXE-10", Send(choice.agent, "delegation", body), task.id, n, why=choice.why, facts=facts,
        order=ORDER,
    )  # fmt: skip


def nobody(task: Task, line: Due) -> Due:
    """No one is left who could take it: a decision is needed [EXE-12]."""
    return Due(
        line.at, f"nobody {task.id} #{task.escalations + 1}", "EXE-12", Record(), task.id, task.attempt or None,
        why="every capable agent has declined it or was taken off it", order=ORDER,
    )  # fmt: skip
