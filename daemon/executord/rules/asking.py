"""One row for each kind of thing that we expect an answer to: what is sent, to whom, how long is waited [MSG-7].

Counterparts: `asks.py`, the table of these rows and the ladder that all of them climb; `meaning/asking.py`, what a line
changes. Add a kind of ask: one row beside the rule it belongs to, and its word in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.policy import Policy
from executord.promises.answers import reaction

Body = Callable[[Case, Task | None, Ask, Policy], Mapping[str, Any]]
Chain = Callable[[Case, Task | None, Ask, Policy], tuple[str, ...]]
Spans = Callable[[Case, Task | None, Ask, Policy, datetime], tuple[datetime, datetime]]


def priority_of(case: Case, task: Task | None) -> str:
    """The priority that counts for what is asked about a task or the instruction."""
    return (task.field("priority") if task is not None else None) or case.head.priority_now


def by_priority(case: Case, task: Task | None, ask: Ask, policy: Policy, start: datetime) -> tuple[datetime, datetime]:
    """Reminded at the priority's response target, one level up at its response limit [MSG-7]."""
    return reaction(policy, case.head, priority_of(case, task), start)


def managers(policy: Policy, first: str) -> tuple[str, ...]:
    """The first one asked, then the manager of each, until `hitl`."""
    chain = [first]
    while chain[-1] != "hitl" and (up := policy.manager(chain[-1])) not in chain:
        chain.append(up)
    return tuple(chain)


def to_managers(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    """Whom `facts["to"]` names, then his managers: the chain of an ask that has none of its own."""
    return managers(policy, str(ask.facts.get("to") or ask.to or "support-manager"))


@dataclass(frozen=True, slots=True)
class Asking:
    """One kind of ask.

    `kind` is the type of the message at level 1, `climbs` that of the higher levels. `body` makes what stands in all of
    them, `chain` whom they go to (cut to four levels and `hitl`), `spans` the instants of the reminder and of the next
    level for one who was asked at `start`. `after` is when the first message goes out, where that is not at once.
    `stands`: whether there is still a reason to ask.
    """

    rule: str
    kind: str | Callable[[Case, Task | None, Ask, Policy], str]
    body: Body
    chain: Chain = to_managers
    spans: Spans = by_priority
    climbs: str = "escalation"
    after: Callable[[Case, Task | None, Ask, Policy], datetime] | None = None
    stands: Callable[[Case, Task | None, Ask], bool] | None = None

    def type_at(self, case: Case, task: Task | None, ask: Ask, policy: Policy, level: int) -> str:
        """The type of the message of this level."""
        if level > 1:
            return self.climbs
        return self.kind if isinstance(self.kind, str) else self.kind(case, task, ask, policy)
