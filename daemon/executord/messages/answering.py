"""What an answer does to that which was asked: one function for each kind of ask [MSG-4, EXE-18].

Counterparts: `rules/asks.py`, the table of what is asked; `work.py` and `decisions.py`, the types that answer. An ask
whose kind is not named here is simply answered. Add a kind: one function and its word in `ANSWERED`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from executord import incidents
from executord.asking import answered
from executord.case import Ask, Letter, Owed, Workaround, owe
from executord.casebook import Case
from executord.deliverables import components_of
from executord.evolve import replace
from executord.messages.base import Taken
from executord.messages.papers import papers_of


def take_answer(case: Case, task_id: str | None, taken: Taken) -> bool:
    """Whether this message answers something; then that is answered, and what follows from it is done."""
    subject = taken.facts.get("answers")
    if subject is None:
        return False
    ask = case.ask_of(task_id, subject)
    if ask is None:
        return True
    answered(case, task_id, subject)
    follow = ANSWERED.get(ask.about)
    if follow is not None:
        follow(case, task_id, ask, taken)
    return True


def unblock(case: Case, task_id: str | None, ask: Ask | None, taken: Taken) -> None:
    """The answer to a blocker: passed to the holder, who goes on by himself."""
    task = case.tasks.get(task_id or "")
    if task is None or task.blocked is None:
        return
    k, task = task.blocked.n, replace(task, blocked=None)
    if task.live is not None and task.live.agent != taken.sender:
        task = owe(task, Owed(f"answer {task.id} #{k}", "pass-on", taken.at, {
            "to": task.live.agent, "letter": taken.path, "from": taken.sender, "kind": "answer",
        }))  # fmt: skip
    case.put(task)


def offer(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> None:
    """The answer to a workaround request: what it says is offered to the customer [SLA-9]."""
    said = taken.facts.get("workaround") or taken.facts.get("answer")
    task = case.tasks.get(task_id or "")
    if not said:
        return
    found = Workaround(str(said), taken.at)
    if task is not None:
        case.put(replace(task, workaround=found))
    else:
        case.set_head(replace(case.head, workaround=found))


def handed_in(letter: Letter) -> dict[str, Any]:
    """What the journal keeps of what an answer carries: the names of its components, the papers of an incident."""
    names = sorted(components_of(letter.body.get("components")))
    return {**({"components": names[:50]} if names else {}), **papers_of(letter)}


def take_papers(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> None:
    """The papers of an incident; what is still missing stays asked [INC-6]."""
    incident = incidents.of(case, str(ask.facts["incident"]))
    if incident is None:
        return
    incidents.still_asked(case, ask)
    incidents.papers_in(case, incident, taken.facts, taken.at, taken.path, taken.sender)


def take_components(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> None:
    """The components of an answer are owed a file of ours: they are sources from then on [DEL-5]."""
    if not taken.facts.get("components"):
        return
    k = case.head.delivery.answers + sum(o.kind == "components" for o in case.head.owed) + 1
    owed = Owed(f"gather components #{k}", "components", taken.at, {"letter": taken.path, "by": taken.sender, "k": k})
    case.set_head(replace(case.head, owed=(*case.head.owed, owed)))


#: First word of the subject → the message that settles it, where an answer in words does not.
SETTLED_BY: Mapping[str, str] = {
    "verdict": "verdict: PASS, FIXABLE or BLOCKED",
    "closing-update": "customer_update, with the five contents",
    "standard": "the message that frees it: waive, defer, cancel or sla_extension",
    "halt": "resume, retry, waive or cancel",
    "issues": "resume, retry or waive",
    "stakeholders": "incident_update",
}
#: First word of the subject → what its answer does.
ANSWERED: Mapping[str, Callable[[Case, str | None, Ask, Taken], None]] = {
    "blocker": unblock,
    "component": take_components,
    "retrospective": take_papers,
    "workaround": offer,
}
