"""A decision that somebody has to take about a task whose attempts are used up [EXE-14, EXE-20]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.policy import Policy, escalation_row
from executord.posts import escalation
from executord.rules.asking import Asking, managers, priority_of


def _body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    assert task is not None  # about a task, by its subject
    return escalation(case, task, str(ask.facts.get("why") or ""), policy)


def _chain(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    last = task.attempts[-1] if task is not None and task.attempts else None
    words = ("escalation", str(ask.facts.get("kind")), last.state if last is not None else "escalation")
    row = escalation_row(policy, case.head, priority_of(case, task), last.agent if last else None, words)
    names = row.to if row.given and len(row.to) > 1 else managers(policy, row.to[0])
    return tuple(n for n in names if last is None or n != last.agent)  # who gave no result is not asked what now


ESCALATION = Asking("EXE-14", "escalation", _body, _chain)
