"""When an instruction is opened and planned anew, and with what tier and deliverable type [EXE-1, EXE-23, DEL-6]."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from executord.actions import Record
from executord.agenda import Due
from executord.case import PLACES
from executord.case.casebook import Case
from executord.case.specs import promises_in
from executord.deliverables import DEFAULT, named
from executord.policy import Policy
from executord.values import stamp

ORDER = 10


def tier_of(case: Case) -> tuple[int, str]:
    """The tier and where it comes from: plan, instruction, else a guess that is stated."""
    head = case.head
    if head.plan is not None and head.plan.tier is not None:
        return head.plan.tier, "workflow/plan.yaml"
    if head.spec.tier is not None:
        return head.spec.tier, "instruction.yaml"
    tasks = list(case.tasks.values())
    if len(tasks) == 1:
        return 1, "guessed: one task"
    if not any(t.spec.requires or t.spec.after for t in tasks):
        return 3, "guessed: several tasks, no dependencies"
    return 2, "guessed: tasks with dependencies"


def type_of(case: Case) -> tuple[str, str]:
    """The deliverable type and where it comes from, by its own name; a word that names none is no type [DEL-6]."""
    head = case.head
    written = (
        (head.plan.deliverable_type if head.plan is not None else None, "workflow/plan.yaml"),
        (head.spec.deliverable_type, "instruction.yaml"),
    )
    for text, where in written:
        kind = named(text)
        if kind is not None:
            return kind.type, where
    unknown = next((text for text, _ in written if text), None)
    if unknown is not None:
        return DEFAULT, f"guessed: {unknown!r} is no type of deliverable"
    return DEFAULT, "guessed: neither plan nor instruction names one"


def plan_hash(case: Case) -> str | None:
    """The first hex digits of the plan's sha256, as the store saw it."""
    return case.plan_sha


def starts_at(case: Case, policy: Policy) -> datetime | None:
    """With a plan (or plan_ready) at once, without when nothing has changed for `settle`; None: nothing to start."""
    head = case.head
    if head.first_seen is None or not head.ours:
        return None
    if head.plan is not None or head.ready_by is not None:
        return head.first_seen
    if not case.tasks and head.spec.tier != 0:
        return None
    return (head.quiet_since or head.first_seen) + policy.settle


def lines(case: Case, policy: Policy) -> Iterator[Due]:
    """Open the case; later, take a changed plan."""
    head = case.head
    if head.opened_at is None:
        at = starts_at(case, policy)
        if at is not None:
            known = {"instruction": case.instruction_mtime is not None, "priority": head.spec.priority or ""}
            facts = {**_facts(case), **known, "gave": promises_in(head.spec)}
            yield Due(at, f"open {case.id}", "EXE-23", Record(), why=_why(case), facts=facts, order=ORDER)
        return
    if head.parked is not None or head.closed is not None:
        return
    if plan_hash(case) not in (None, head.plan_sha):  # one that is gone re-plans nothing: plan_ready does [MEM-25]
        yield _replan(case, case.plan_seen or head.opened_at, "workflow/plan.yaml is new or changed")
    elif (edited := _edited(case)) is not None:
        yield _replan(case, case.instruction_mtime or head.opened_at, f"instruction.yaml says {edited} now")


def _replan(case: Case, at: datetime, why: str) -> Due:
    return Due(
        at, f"replan {case.id} #{case.head.replans + 1}", "EXE-23", Record(),
        why=f"{why}: what has not been dispatched follows it", facts=_facts(case), order=ORDER,
    )  # fmt: skip


def _edited(case: Case) -> str | None:
    """What instruction.yaml says otherwise since the start, where no plan says it; what is guessed stays."""
    head = case.head
    if head.lacks or head.tier is None:
        return None
    (tier, tier_from), (kind, kind_from) = tier_of(case), type_of(case)
    if tier_from == PLACES["instruction"] and tier != head.tier:
        return f"tier {tier}"
    if kind_from == PLACES["instruction"] and kind != head.deliverable_type:
        return f"deliverable type {kind}"
    return None


def _why(case: Case) -> str:
    if case.head.plan is not None:
        return "there is a plan"
    return "plan_ready" if case.head.ready_by else "no plan, and nothing has changed for the settle time"


def _facts(case: Case) -> dict[str, Any]:
    head = case.head
    tier, tier_why = tier_of(case)
    kind, type_why = type_of(case)
    created = head.created
    if created is None:
        first = head.first_seen
        assert first is not None
        given = head.spec.created or case.instruction_mtime or first
        created = given if given <= first else first
    return {
        "created": stamp(created),
        "tier": tier,
        "tier_why": tier_why,
        "deliverable_type": kind,
        "type_why": type_why,
        "plan": plan_hash(case),
    }
