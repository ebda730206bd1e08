"""What agents may spend, across all cases: said at 80 %, the agent paused at 100 %, and `hitl` asked [OPS-18].

Counterparts: `rules/budgets.py`, the same for one instruction; `halts.py`, which keeps what is paused in the tree. What
was spent stands in the journals; which marks were told, in `.paused.yaml`, so that a person's `resume` holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from executord.case.casebook import Case
from executord.policy import Budget, Policy
from executord.rules.budgets import WARN, escalation_over, spent_text
from executord.service.halts import Halts
from executord.service.house import House
from executord.values import stamp


class Purse(Protocol):
    """What is needed of the service."""

    policy: Policy
    cases: dict[str, Case]
    house: House
    halts: Halts


class Treasury:
    """Budgets of agents."""

    def __init__(self, service: Purse) -> None:
        self._service = service

    def spent(self, agent: str) -> tuple[float, int]:
        """US dollars and tokens that the agent's processes have reported, over all cases."""
        rows = [row for case in self._service.cases.values() for row in case.head.spent if row[0] == agent]
        return round(sum(usd for _, usd, _ in rows), 6), sum(tokens for _, _, tokens in rows)

    def heard(self, entries: Iterable[tuple[str, Mapping[str, Any]]], now: datetime) -> None:
        """Lines were noted: where one says what a process has cost, the budgets are looked at."""
        if any(entry["name"].startswith(("ended ", "gone ")) for _, entry in entries):
            self.check(now)

    def check(self, now: datetime) -> None:
        """Tell and pause where a mark is reached that was not told yet."""
        for budget in self._service.policy.budgets:
            if budget.agent is not None:
                self._check(budget, budget.agent, now)

    def _check(self, budget: Budget, agent: str, now: datetime) -> None:
        usd, tokens = self.spent(agent)
        used = budget.used(usd, tokens)
        if used < WARN:
            return
        house = self._service.house
        told: Mapping[str, Any] = (self._service.halts.kept.get("budgets") or {}).get(agent) or {}
        limit = budget.text()
        if told.get("limit") != limit:
            told = {}  # another budget: it has its own marks
        said = f"{agent} has spent {spent_text(usd, tokens)} of {limit}"
        slug = f"budget.{agent}-{'-'.join(''.join(c if c.isalnum() else ' ' for c in limit).split())}"
        if used >= 1.0 and not told.get("paused_at"):
            body = escalation_over(agent, f"{said}: it is paused", now, [])
            house.tell("hitl", "escalation", f"{slug}-100", body, now)
            self._keep(agent, {**told, "limit": limit, "paused_at": stamp(now)}, said, now)
        elif used < 1.0 and not told.get("warned_at"):
            house.tell("support-manager", "notice", f"{slug}-80", {"text": said}, now)
            self._keep(agent, {"limit": limit, "warned_at": stamp(now)}, None, now)

    def _keep(self, agent: str, row: dict[str, Any], reason: str | None, now: datetime) -> None:
        halts = self._service.halts
        pauses = dict(halts.kept)
        pauses["budgets"] = {**(pauses.get("budgets") or {}), agent: row}
        if reason is not None:
            paused = {"by": "executor", "at": stamp(now), "reason": reason}
            pauses["agents"] = {**(pauses.get("agents") or {}), agent: paused}
        halts.keep(pauses)
