"""What the store sees in a case's folder, put into the case.

Counterpart: `fold.py`, what the journal says. Sight never decides: it sets what lies there, and the rules compare
it with what the journal expects.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from executord.case import (
    UNPLANNED,
    HandClaim,
    Head,
    InstructionSpec,
    Plan,
    Task,
    TaskFile,
    TaskSpec,
    expected_spec,
    natural,
)
from executord.case.casebook import Case
from executord.case.packed import shared
from executord.case.specs import texts
from executord.errors import Finding
from executord.evolve import replace


def see_head(case: Case, spec: InstructionSpec, faults: tuple[Finding, ...], ours: bool, first_seen: datetime) -> None:
    """`instruction.yaml` as it lies there."""
    head = case.head
    case.set_head(replace(head, spec=spec, faults=faults, ours=ours, first_seen=head.first_seen or first_seen))


def see_missed(case: Case, missed: tuple[tuple[str, datetime | None], ...]) -> None:
    """What of `instruction.yaml` and the plan is not there [MEM-25]."""
    if case.head.missed != missed:
        case.set_head(replace(case.head, missed=missed))
        case.weigh_gone()


def see_quiet(case: Case, since: datetime) -> None:
    """When something in the folder changed last; it matters until the case is opened [EXE-23]."""
    if case.head.opened_at is None and case.head.quiet_since != since:
        case.set_head(replace(case.head, quiet_since=since))


def see_plan(case: Case, plan: Plan | None) -> None:
    """`workflow/plan.yaml` as it lies there: plan order, expected tasks, checkpoints."""
    old, head = case.head.plan, case.head
    if old == plan:
        return
    case.set_head(replace(head, plan=plan))
    rank = {task_id: k for k, task_id in enumerate(plan.tasks)} if plan is not None else {}
    gone: set[str] = set()
    for task in list(case.tasks.values()):
        key = plan_key(rank, task.id)
        planned = task.id in rank
        untouched = not task.present and task.file is None and not task.attempts and task.ended is None
        if untouched and not planned and not task.done:
            gone.add(task.id)
        else:
            if task.file is not None:
                spec = _spec_with_plan(case, task.file.spec)
            else:
                spec = task.spec if task.present else expected_spec(plan, task.id)
            if task.key != key or task.planned != planned or task.spec != spec:
                case.put(replace(task, key=key, planned=planned, spec=spec))
    if gone:
        case.remove(gone)
    if plan is not None:
        for task_id in plan.tasks:
            if task_id not in case.tasks:
                spec = expected_spec(plan, task_id)
                case.put(Task(task_id, key=plan_key(rank, task_id), planned=True, spec=spec))
    case.set_gates(plan.checkpoints if plan is not None else ())
    case.recount_frontier()


def plan_key(rank: dict[str, int], task_id: str) -> tuple[object, ...]:
    """Plan order; without a plan, or not named by it, the natural order of ids [EXE-1]. Its last is the id."""
    place = rank.get(task_id)
    return shared((place, task_id)) if place is not None else (UNPLANNED, natural(task_id), task_id)


def _spec_with_plan(case: Case, spec: TaskSpec) -> TaskSpec:
    """What the file does not say, the plan may."""
    plan = case.head.plan
    planned = plan.specs.get(spec.id) if plan is not None else None
    if planned is None:
        return spec
    return replace(
        spec,
        title=spec.title or planned.title,
        assignee=spec.assignee or planned.assignee,
        supporting=spec.supporting or planned.supporting,
        requires=spec.requires or planned.requires,
        after=spec.after or planned.after,
        priority=spec.priority or planned.priority,
        resolution=spec.resolution if spec.resolution is not None else planned.resolution,
        response=spec.response if spec.response is not None else planned.response,
        effort_s=spec.effort_s if spec.effort_s is not None else planned.effort_s,
        communication=spec.communication or planned.communication,
        output_format=spec.output_format if spec.output_format is not None else planned.output_format,
        component=spec.component or planned.component,
        workstream=spec.workstream or planned.workstream,
        texts=texts(spec.description or planned.description, spec.criteria or planned.criteria, spec.data),
    )


def see_task(
    case: Case,
    files: Iterable[TaskFile],
    task_id: str,
    found: HandClaim | None = None,
    extras: Iterable[TaskFile] = (),
) -> None:
    """The files that carry this id; the one that the journal expects counts, the others are rivals [MEM-18].

    `extras` lay in `completed/` before there was such a task: they complete nothing, and are rivals too [MEM-19].
    """
    ranked = sorted(files, key=lambda f: (_FOLDER_ORDER.get(f.folder, 9), f.name))
    task = case.tasks.get(task_id)
    if task is None:
        plan = case.head.plan
        rank = {i: k for k, i in enumerate(plan.tasks)} if plan is not None and task_id in plan.specs else {}
        if plan is not None and not rank and task_id in plan.tasks:
            rank = {task_id: plan.tasks.index(task_id)}
        task = Task(task_id, key=plan_key(rank, task_id), planned=bool(rank), spec=TaskSpec(task_id))
    if not ranked:
        return
    best = ranked[0]
    if task.present and task.folder is not None:
        expected = [f for f in ranked if f.folder == task.folder] or ranked
        same = [f for f in expected if f.sha256 == task.sha256]
        best = next((f for f in expected if f.name == task.name), (same or expected)[0])
    # In one order, whatever was seen first: they are told, once per what is told.
    rivals = tuple(sorted(f"{f.folder}/{f.name}" for f in (*ranked, *extras) if f is not best))
    case.put(
        replace(
            task,
            file=best,
            spec=_spec_with_plan(case, best.spec),
            rivals=rivals,
            gone_at=None,
            gone_looks=0,
            found=found,
        )
    )


def see_gone(case: Case, task_id: str, at: datetime) -> None:
    """No file carries this id any more [MEM-25]."""
    task = case.tasks.get(task_id)
    if task is None:
        return
    if not task.present and task.file is not None and not task.done:
        if task.planned:
            case.put(replace(task, file=None, rivals=()))
        else:
            case.remove(task_id)
        return
    if task.file is not None or task.gone_at is None:
        spec = expected_spec(case.head.plan, task_id)  # as a daemon that is started now would have it
        case.put(replace(task, spec=spec, file=None, rivals=(), gone_at=task.gone_at or at, gone_looks=0))


def see_still_gone(case: Case, task_id: str) -> None:
    """The second look found nothing either."""
    task = case.tasks[task_id]
    if task.gone_at is not None and task.gone_looks == 0:
        case.put(replace(task, gone_looks=1))


def fresh_head(case_id: str, at: datetime) -> Head:
    """The head of a case seen for the first time."""
    return Head(case_id, first_seen=at, quiet_since=at)


_FOLDER_ORDER = {"completed": 0, "in_progress": 1, "blocked": 1, "pending": 2}
