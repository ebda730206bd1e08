"""What may be spent on an instruction: said at 80 %, paused at 100 %, and `hitl` asked [OPS-18].

Counterparts: `processes.py`, which adds up what processes report; `service/treasury.py`, the same for agents, across
cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from executord.actions import Action, Record, Send
from executord.agenda import Due
from executord.case import Customer
from executord.case.casebook import Case
from executord.policy import Budget, Policy
from executord.values import stamp

ORDER = 55
WARN = 0.8


def case_lines(case: Case, policy: Policy) -> Iterator[Due]:
    """A warning and an end for each budget that this instruction has."""
    head = case.head
    if head.opened_at is None or head.closed is not None or not head.spent or head.spent_at is None:
        return
    usd = round(sum(u for _, u, _ in head.spent), 6)
    tokens = sum(t for _, _, t in head.spent)
    for budget in policy.budgets:
        if budget.agent is None and matches(budget, case):
            yield from _marks(case, budget, usd, tokens, head.spent_at)


def _marks(case: Case, budget: Budget, usd: float, tokens: int, at: datetime) -> Iterator[Due]:
    used = budget.used(usd, tokens)
    said = f"{case.id} has spent {spent_text(usd, tokens)} of its {budget.text()} (budget {budget.key})"
    slug = "-".join("".join(c if c.isalnum() else " " for c in f"{budget.key} {budget.text()}".lower()).split())
    for rung, mark in (("80%", WARN), ("100%", 1.0)):
        name = f"budget {case.id} {slug} {rung}"
        if used < mark or name in case.head.done:
            continue
        facts: dict[str, Any] = {"usd": usd, "tokens": tokens}
        action: Action
        if mark < 1.0:
            if used >= 1.0:
                action, why = Record(), f"{said}; all of it is spent, which is said instead"
            else:
                action, why = Send("support-manager", "notice", {"text": said}), said
        else:
            facts["pauses"] = True
            why = f"{said}: it is paused"
            waiting = [t.id for t in case.in_order() if t.ended is None]
            action = Send("hitl", "escalation", escalation_over(case.id, why, at, waiting))
        yield Due(at, name, "OPS-18", action, why=why, facts=facts, order=ORDER)


def escalation_over(subject: str, what: str, since: datetime, waiting: list[str]) -> dict[str, Any]:
    """A decision is needed about money [EXE-20]."""
    return {
        "level": 1,
        "answer_by": None,  # it waits, paused, for as long as nobody decides
        "then_asked": None,
        "what": what,
        "since": stamp(since),
        "impact": {"waiting": waiting},
        "tried": [],
        "decision_needed": "whether it goes on",
        "options": [
            {"type": "resume", "means": f"{subject} goes on, beyond the budget"},
            {"type": "cancel", "means": "not to be done, with a reason"},
        ],
    }


def spent_text(usd: float, tokens: int) -> str:
    """What is spent, in words."""
    return " and ".join(([f"{usd:.2f} USD"] if usd else []) + ([f"{tokens} tokens"] if tokens else [])) or "nothing"


def matches(budget: Budget, case: Case) -> bool:
    """Whether a budget is for this instruction; all that it names must hold."""
    head = case.head
    customer = head.spec.customer or Customer()
    have = {
        "priority": {head.priority_now},
        "customer": {customer.name},
        "segment": {customer.segment or ""},
        "tier": {str(head.tier)},
        "domain": {head.spec.domain or ""},
        "tags": set(head.spec.tags),
    }
    return all(str(value).lower() in {str(h).lower() for h in have[key]} for key, value in budget.match.items())
