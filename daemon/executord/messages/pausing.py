"""Which pause a message begins: its reason, what ends it, its cap; the policy says what is allowed [SLA-7].

Counterpart: `meaning/reckoning.py`, which puts it into the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executord.case import Letter, Task
from executord.case.casebook import Case
from executord.meaning.blocking import open_blockers
from executord.policy import Policy
from executord.promises.terms import ON_HOLD, WAITING, priority_of, reason_word, terms

_NAMED = ("pause", "pause_reason", "waiting_on", "waiting_for", "reason_code", "reason")


def pause_facts(
    case: Case, task: Task | None, kind: str, letter: Letter, facts: Mapping[str, Any], policy: Policy
) -> dict[str, Any] | None:
    """The pause that a `hold` or a blocker begins, for the line that files it; None: the clock runs."""
    if kind == "hold":
        if not facts.get("pauses_clock"):
            return None  # a planner pauses nothing
        reasons, source = [*_named(letter), ON_HOLD], "hold"
    elif kind == "blocked":
        if task is None or any(b.kind == facts.get("kind") for b in open_blockers(task)):
            return None  # it says more of what is known
        reasons, source = [*_named(letter), str(facts.get("kind") or "")], "blocked"
        if facts.get("on_customer"):
            reasons.append(WAITING)
    else:
        return None
    allowed = terms(policy, case.head, priority_of(case.head, task)).pauses
    for reason in reasons:
        term = allowed.get(reason)
        if term is None or (reason == WAITING and kind == "blocked" and not facts.get("on_customer")):
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
