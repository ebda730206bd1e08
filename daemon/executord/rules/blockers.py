"""Whom a blocker goes to, and what he is told [EXE-17, EXE-18].

Counterparts: `meaning/blocking.py`, how one opens and ends; `messages/blockers.py`, the messages;
`policy/escalations.py`, the routes as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.actions import THIS_ID, Embed
from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.meaning.blocking import blocked_s
from executord.policy import Policy, escalation_row
from executord.policy.escalations import Escalation
from executord.posts import attempts_so_far, impact
from executord.rules.asking import Asking, managers, priority_of
from executord.values import stamp

CONSULTED = frozenset({"missing_information", "resource_constraint"})  # level 1 asks, the others escalate [EXE-18]
_NEEDED: Mapping[str, str] = {
    "missing_information": "the information that is missing",
    "technical_dependency": "the technical help or access that is missing, or who gives it",
    "resource_constraint": "who does it, or what waits for it: reallocation",
    "scope_ambiguity": "what is to be done and what is not",
}


def liaison(case: Case) -> str:
    """Who speaks with the instruction's customer."""
    return case.head.spec.liaison or "customer-success-manager"


def _holder(task: Task | None, ask: Ask) -> str | None:
    live = task.live if task is not None else None
    return live.agent if live is not None else ask.facts.get("by")


def _row(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Escalation | None:
    words = (str(ask.facts["kind"]), "blocker", "blocked")
    try:
        return escalation_row(policy, case.head, priority_of(case, task), _holder(task, ask), words)
    except LookupError:
        return None


def chain(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    """Whom a blocker goes to, level by level, never its holder or who reported it: the configuration's row, else the
    routes of EXE-17."""
    row = _row(case, task, ask, policy)
    kind, named, holder = ask.facts["kind"], ask.facts.get("named"), _holder(task, ask)
    stuck = (holder, ask.facts.get("by"))  # a supporter may have said so
    if row is not None and row.given:
        first = list(row.to)
    elif kind == "missing_information":
        first = [named or liaison(case)]
    else:
        first = list(row.to) if row is not None else ["support-manager"]
        if kind == "technical_dependency":
            first = ["engineering"] if first[0] in stuck or named == "engineering" else first[:1]
        if named is not None and named not in first:
            first.insert(0, named)
    others = tuple(name for name in first if name not in stuck)
    if row is not None and row.given and len(others) > 1:
        return others  # as it is written, then hitl
    return (*others, *(name for name in managers(policy, first[-1])[1:] if name not in stuck)) or ("hitl",)


def _after(case: Case, task: Task | None, ask: Ask, policy: Policy) -> datetime:
    row = _row(case, task, ask, policy)
    return ask.at + row.after if row is not None and row.after is not None else ask.at


def _kind(case: Case, task: Task | None, ask: Ask, policy: Policy) -> str:
    return "consultation" if ask.facts["kind"] in CONSULTED else "escalation"


def _body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    assert task is not None  # a blocker is about a task
    facts = ask.facts
    letter = facts.get("letter")
    return {
        "what": f"{task.id} {task.spec.title} is blocked: {facts.get('why') or 'no reason given'}".strip(),
        "since": stamp(ask.at),
        "impact": impact(case, task, policy),
        "tried": attempts_so_far(task),
        "attempted_recovery": facts.get("tried"),
        "decision_needed": _NEEDED[facts["kind"]],
        "options": [
            {"type": "unblocked", "means": "the answer, in `answer`: it is passed on and the task goes on by itself"},
            {"type": "reassign", "means": "another agent, named in `to`"},
            {"type": "defer", "means": "put off, with a reason"},
            {"type": "cancel", "means": "not to be done, with a reason"},
        ],
        "blocker": {
            "id": f"{task.id}#{facts['n']}",
            "kind": facts["kind"],
            "derived": facts.get("derived"),
            "said_since": list(facts.get("more", ())),
            "for_the_customer": bool(facts.get("on_customer")),
            "blocked_s": blocked_s(task, ask.at),
        },
        "asked_by": facts.get("by"),
        "question": Embed(letter) if letter else None,
        "reply_with": (
            f'type: unblocked\nfrom: <you>\ninstruction_id: "{case.id}"\ntask_id: "{task.id}"\n'
            f"in_reply_to: {ask.letters[-1] if ask.letters else THIS_ID}\nanswer: the answer\n"
        ),
    }


#: A blocker climbs like anything that is asked; it ends when the answer has arrived.
BLOCKER = Asking("EXE-18", _kind, _body, chain, after=_after)
