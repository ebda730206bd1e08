"""Which pause a message begins: its reason, what ends it, its cap; the policy says what is allowed [SLA-7].

Counterpart: `reckoning.py`, which puts it into the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executord.case import Letter, Task
from executord.casebook import Case
from executord.letters import word
from executord.policy import Policy
from executord.reading import find
from executord.terms import ON_HOLD, WAITING, priority_of, reason_word, terms

_NAMED = ("pause", "pause_reason", "waiting_on", "waiting_for", "reason_code", "reason")
_THE_CUSTOMER = frozenset({"customer", "the_customer", "client", "waiting_on_customer", "waiting_for_customer"})
_SOMEBODY = ("stakeholder", "ask", "asked_of", "needs_from", "question_for", "waiting_on", "waiting_for")


def pause_facts(
    case: Case, task: Task | None, kind: str, letter: Letter, facts: Mapping[str, Any], policy: Policy
) -> dict[str, Any] | None:
    """The pause that a `hold` or a blocker begins, for the line that files it; None: the clock runs."""
    if kind == "hold":
        if not facts.get("pauses_clock"):
            return None  # a planner pauses nothing
        reasons, source = [*_named(letter), ON_HOLD], "hold"
    elif kind == "blocked":
        if task is None or task.blocked is not None:
            return None
        reasons, source = [*_named(letter), str(facts.get("kind") or "")], "blocked"
        if for_the_customer(case, letter, facts):
            reasons.append(WAITING)
    else:
        return None
    allowed = terms(policy, case.head, priority_of(case.head, task)).pauses
    for reason in reasons:
        term = allowed.get(reason)
        if term is None or (reason == WAITING and kind == "blocked" and not for_the_customer(case, letter, facts)):
            continue
        if not term.allowed:
            return None
        found: dict[str, Any] = {"reason": reason, "source": source}
        if term.cap is not None:
            found["cap_s"] = term.cap
        if term.updates:
            found["updates"] = True
        if term.ends is not None:
            found["ends"] = term.ends
        return found
    return None


def _named(letter: Letter) -> list[str]:
    return [reason_word(v) for key in _NAMED if isinstance(v := letter.body.get(key), str) and len(v) <= 60]


def for_the_customer(case: Case, letter: Letter, facts: Mapping[str, Any]) -> bool:
    """Whether a blocker's question is for the customer: information is missing, and nobody else is named [EXE-17]."""
    if case.head.spec.customer is None or facts.get("kind") != "missing_information":
        return False
    named = word(find(letter.body, _SOMEBODY).value)
    return not named or named in _THE_CUSTOMER
