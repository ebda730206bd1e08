"""Who decides what was put to the executor, and what he is told [EXE-19, EXE-20].

Counterpart: `messages/questions.py`, the messages. First who is named in it, then the configuration's rows, then the
topics of EXE-19; an escalation without a topic goes to the manager of who sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executord.actions import Embed
from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.policy import Policy, escalation_row
from executord.policy.escalations import Escalation
from executord.posts import impact
from executord.rules.asking import Asking, managers, priority_of
from executord.values import stamp


def _row(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Escalation:
    facts, priority = ask.facts, priority_of(case, task)
    who = str(facts.get("by") or "")
    words = [facts["type"]]
    if facts.get("topic"):
        words.append(str(facts["topic"]))
    elif facts["type"] == "escalation" and case.head.tier == 4:
        words.append("tier_4")
    elif priority == "critical":
        words.append("critical")
    return escalation_row(policy, case.head, priority, who, words)


def chain(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    """Whom a question goes to, level by level; never to him who asks."""
    facts = ask.facts
    asker = str(facts.get("by") or "")
    named = facts.get("named")
    row = _row(case, task, ask, policy)
    if row.given:
        names = row.to if len(row.to) > 1 else managers(policy, row.to[0])
    elif facts["type"] == "escalation" and "escalation" in row.on:
        names = managers(policy, asker)[1:] if asker in policy.roster else managers(policy, "support-manager")
    else:
        names = (*row.to[:-1], *managers(policy, row.to[-1]))
    if named is not None:
        names = (str(named), *managers(policy, str(named))[1:])
    return tuple(n for n in names if n != asker) or ("hitl",)


def _kind(case: Case, task: Task | None, ask: Ask, policy: Policy) -> str:
    return "escalation" if ask.facts["type"] == "escalation" else "consultation"


_REPLY = {"escalation": "decision", "consultation": "consultation_response", "review_request": "review_response"}


def _body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    facts = ask.facts
    subject = f"{task.id} {task.spec.title}".strip() if task is not None else case.head.title
    reply = _REPLY[facts["type"]]
    field = "decision" if reply == "decision" else "answer"
    lines = [f"type: {reply}", "from: <you>", f'instruction_id: "{case.id}"']
    if task is not None:
        lines.append(f'task_id: "{task.id}"')
    return {
        "what": f"{facts.get('by')} asks about {subject}: {facts.get('why')}",
        "since": stamp(ask.at),
        "impact": impact(case, task, policy),
        "tried": [{"asked": name} for name in ask.told],
        "decision_needed": "an answer, which is passed on to whoever asked",
        "options": [],
        "asked_by": facts.get("by"),
        "question": Embed(facts["letter"]),
        "reply_with": "\n".join((*lines, f"{field}: …")) + "\n",
    }


def _open(case: Case, task: Task | None, ask: Ask) -> bool:
    return case.head.closed is None


#: What was put to us climbs until it is answered.
QUESTION = Asking("EXE-19", _kind, _body, chain, stands=_open)
