"""An agent who has too much: what he has not accepted goes to a colleague, else support-manager is consulted [EXE-12].

Two causes: he holds more than his capacity, which the service sees across cases, and a task that will miss its limit
at his pace, an instant that stands here: limit - remaining effort. Counterpart: `service/prompter.py`, which knows who
has room.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from executord.actions import Record, Send
from executord.agenda import Due
from executord.case import Ask, Attempt, Task
from executord.case.casebook import Case
from executord.evolve import replace
from executord.policy import Policy
from executord.posts import attempts_so_far, impact
from executord.promises.tasks import promised_task
from executord.rules.asking import Asking, managers
from executord.values import stamp

ORDER = 55


def movable(case: Case, task: Task) -> Attempt | None:
    """The live attempt of a task that may be looked at for relief; not one that a person placed by name."""
    head, live = case.head, task.live
    if live is None or task.file is None or live.by_word or head.opened_at is None or not head.ours:
        return None
    if head.parked or head.closed or head.paused or head.hold or task.hold or task.blocked:
        return None
    return live


def relief_of(task: Task, at: datetime, why: str) -> Due:
    """The line that gives a task to a colleague, if one has room when it is noted."""
    return Due(at, f"relieve {task.id} a{task.attempt}", "EXE-12", Record(), task.id, task.attempt, why=why,
               facts={"relieve": True}, order=ORDER)  # fmt: skip


def consult_of(task: Task, at: datetime, why: str) -> Due:
    """The line that consults support-manager about a task that its holder has accepted."""
    subject = f"overload {task.id} a{task.attempt}"
    opens = {"to": "support-manager", "attempt": task.attempt, "why": why}
    return Due(at, subject, "EXE-12", Send("support-manager", "consultation"), task.id, task.attempt, why=why,
               facts={"ask": subject, "level": 1, "for": "support-manager", "opens": opens}, order=ORDER,
               ask=subject)  # fmt: skip


def relieved(line: Due, task: Task, colleague: str | None, load: str) -> Due:
    """The line as it is noted: to whom the task goes; with nobody less loaded support-manager is consulted."""
    assert task.live is not None  # only a live attempt is relieved
    if colleague is None:
        asked = consult_of(task, line.at, f"{line.why}; no capable colleague has room")
        return replace(asked, name=line.name)
    text = f"{task.id} is given to {colleague}: {line.why}. Please do not begin with it"
    return replace(line, action=Send(task.live.agent, "reassignment_notice", {"text": text}),
                   facts={"relieve": True, "colleague": colleague}, why=f"{line.why}; {load}")  # fmt: skip


def lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """At the instant from which its holder can no longer make it [EXE-12]."""
    live = movable(case, task)
    effort = task.spec.effort_s
    if live is None or not effort:
        return
    limit = promised_task(case, task, policy)
    names = (f"relieve {task.id} a{live.n}", f"overload {task.id} a{live.n}")
    if limit is None or any(name in task.done for name in names):
        return
    at = limit.at - timedelta(seconds=effort * (100 - (live.percent or 0)) / 100)
    if at <= live.at:
        return  # it was late when it was given: nobody else could make it either
    why = f"{live.agent} will miss its limit {stamp(limit.at)}: it was to be begun by {stamp(at)}"
    yield relief_of(task, at, why) if live.accepted_at is None else consult_of(task, at, why)


def _body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    assert task is not None  # about a task, by its subject
    holder = task.live.agent if task.live is not None else None
    return {
        "what": f"{task.id} {task.spec.title}: {ask.facts.get('why')}".strip(),
        "since": stamp(ask.at),
        "impact": impact(case, task, policy),
        "tried": attempts_so_far(task),
        "decision_needed": f"whether {holder} keeps it",
        "options": [
            {"type": "reassign", "means": "another agent, named in `to`"},
            {"type": "defer", "means": "put off, with a reason"},
            {"type": "answer", "means": "it stays where it is"},
        ],
        "reply_with": (
            f'type: reassign\nfrom: <you>\ninstruction_id: "{case.id}"\ntask_id: "{task.id}"\nto: <agent>\n'
            "reason: overload\n"
        ),
    }


def _chain(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    holder = task.live.agent if task is not None and task.live is not None else None
    return tuple(n for n in managers(policy, "support-manager") if n != holder)


def _still_his(case: Case, task: Task | None, ask: Ask) -> bool:
    return task is not None and task.live is not None and task.live.n == ask.facts.get("attempt")


#: Whether an overloaded agent keeps what he has accepted.
OVERLOAD = Asking("EXE-12", "consultation", _body, _chain, stands=_still_his)
