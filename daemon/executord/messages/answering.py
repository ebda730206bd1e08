"""What an answer does to that which was asked: one function for each kind of ask [MSG-4, EXE-18].

Counterparts: `rules/asks.py`, the table of what is asked; `work.py`, `blockers.py` and `questions.py`, the types that
answer. A function says whether the ask is answered by it; an ask whose kind is not named here simply is. Add a kind:
one function and its word in `ANSWERED`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from executord.case import Ask, Letter, Owed, Task, Workaround, owe
from executord.case.casebook import Case
from executord.deliverables import components_of
from executord.evolve import replace
from executord.meaning import incidents
from executord.meaning.asking import acknowledged, answered
from executord.meaning.blocking import unanswered, unblock
from executord.meaning.transitions import heard, notice, quiet_from
from executord.messages.arrived import arrived
from executord.messages.base import Taken
from executord.messages.papers import papers_of


def take_answer(case: Case, task_id: str | None, taken: Taken) -> bool:
    """Whether this message answers something; then what follows from it is done."""
    subject = taken.facts.get("answers")
    if subject is None:
        return False
    ask = case.ask_of(task_id, subject)
    if ask is not None:
        _gather(case, taken)
    if ask is not None and ANSWERED.get(ask.about, _answered)(case, task_id, ask, taken):
        answered(case, task_id, subject)
    return True


def _answered(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> bool:
    return True


def blocker_answered(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> bool:
    """The answer to one blocker."""
    if task_id is not None:
        answer_blockers(case, task_id, ask.facts.get("n"), taken)
    return True


def answer_blockers(case: Case, task_id: str, n: int | None, taken: Taken) -> None:
    """The n-th blocker, or all, answered: passed to the holder, who goes on by himself; dependants are told."""
    task = case.tasks.get(task_id)
    if task is None:
        return
    if task.blocked is None:
        case.put(_answered_late(task, taken))
        return
    k = n or task.blocked.n
    task = heard(unblock(task, taken.at, n, taken.sender), taken.path)
    if task.blocked is None:
        task = quiet_from(task, taken.at)
        task = tell_behind(task, taken.facts.get("tell"), taken.at, "is not blocked any more", f"#{k} unblocked")
    if task.live is not None and task.live.agent != taken.sender:
        task = pass_on(task, f"answer blocker {task.id} #{k}", task.live.agent, taken)
    case.put(task)


def _answered_late(task: Task, taken: Taken) -> Task:
    """The answer to a blocker of an attempt that is over: whoever holds the task now is told, and whoever gets it."""
    late = unanswered(task, taken.sender)
    if not late:
        return task
    past = tuple(replace(b, answered_by=taken.sender) if b in late else b for b in task.past_blockers)
    task = heard(replace(task, past_blockers=past), taken.path)
    if task.live is None or task.live.agent == taken.sender:
        return task
    return pass_on(task, f"answer blocker {task.id} #{late[-1].n}", task.live.agent, taken)


def tell_behind(task: Task, tell: Mapping[str, Any] | None, at: Any, what: str, name: str) -> Task:
    """Those whose tasks wait for this one are told."""
    for agent, ids in (tell or {}).items():
        text = f"{task.id}, which {' and '.join(ids)} wait{'s' if len(ids) == 1 else ''} for, {what}"
        task = owe(task, notice(task, f"{name} {agent}", at, agent, text))
    return task


def pass_on(task: Task, name: str, to: str, taken: Taken, kind: str = "answer") -> Task:
    """The task with a message that is owed to somebody, as it was written."""
    facts = {"to": to, "letter": taken.path, "from": taken.sender, "kind": kind}
    return owe(task, Owed(name, "pass-on", taken.at, facts))


def question_answered(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> bool:
    """The answer finds its way back to the one who asked."""
    asker = ask.facts.get("from")
    name = f"answer {ask.subject}"
    if asker is None or asker == taken.sender:
        return True
    task = case.tasks.get(task_id) if task_id is not None else None
    if task is not None:
        case.put(replace(pass_on(task, name, asker, taken), sealed=False))
    else:
        facts = {"to": asker, "letter": taken.path, "from": taken.sender, "kind": "answer"}
        case.set_head(replace(case.head, owed=(*case.head.owed, Owed(name, "pass-on", taken.at, facts))))
    return True


def not_a_decision(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> bool:
    """Words alone decide nothing: whoever was asked has it, and the decision is still awaited."""
    acknowledged(case, task_id, ask.subject, taken.sender, taken.at)
    return False


def offer(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> bool:
    """The answer to a workaround request: what it says is offered to the customer [SLA-9]."""
    said = taken.facts.get("workaround") or taken.facts.get("answer")
    if not said:
        return False
    found = Workaround(str(said), taken.at)
    task = case.tasks.get(task_id or "")
    if task is not None:
        case.put(replace(task, workaround=found))
    else:
        case.set_head(replace(case.head, workaround=found))
    return True


def handed_in(letter: Letter) -> dict[str, Any]:
    """What the journal keeps of what an answer carries: the names of its components, the papers of an incident."""
    names = sorted(components_of(letter.body.get("components")))
    return {**({"components": names[:50]} if names else {}), **papers_of(letter)}


def take_papers(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> bool:
    """The papers of an incident; what is still missing stays asked [INC-6]."""
    incident = incidents.of(case, str(ask.facts["incident"]))
    if incident is not None:
        incidents.papers_in(case, incident, taken.facts, taken.at, taken.path, taken.sender)
    return False


MOST_ASKS = 3  # how often a component is asked for anew by an answer that brings it and is refused


def _gather(case: Case, taken: Taken) -> None:
    """The components of an answer, whatever was asked, are owed a file of ours: they are sources [DEL-5]."""
    if taken.facts.get("components"):
        k = case.head.delivery.answers + sum(o.kind == "components" for o in case.head.owed) + 1
        facts = {"letter": taken.path, "by": taken.sender, "k": k}
        owed = Owed(f"gather components #{k}", "components", taken.at, facts)
        case.set_head(replace(case.head, owed=(*case.head.owed, owed)))


def take_components(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> bool:
    """Whether the component that was asked for is in the answer [DEL-5].

    An answer without the component settles nothing: it stays asked, and climbs. With it, but not as it is to be, it is
    asked for anew, with what is wrong now; not for ever, or two programs would keep each other busy.
    """
    wanted = str(ask.facts.get("component"))
    asked = case.head.delivery.asked.get(wanted)
    return wanted in taken.facts.get("components", ()) and (asked is None or asked.n < MOST_ASKS)


def not_by_words(case: Case, task_id: str | None, ask: Ask, taken: Taken) -> bool:
    """What is asked for is a file: it is answered once that lies there again."""
    return False


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
ANSWERED: Mapping[str, Callable[[Case, str | None, Ask, Taken], bool]] = {
    "blocker": blocker_answered,
    "delivery": arrived,
    "checkpoint": not_a_decision,
    "escalation": not_a_decision,
    "question": question_answered,
    "component": take_components,
    "file": not_by_words,
    "retrospective": take_papers,
    "workaround": offer,
}
