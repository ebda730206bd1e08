"""What an answer does to that which was asked: one function for each kind of ask [MSG-4, EXE-18].

Counterparts: `rules/asks.py`, the table of what is asked; `work.py` and `decisions.py`, the types that answer. An ask
whose kind is not named here is simply answered. Add a kind: one function and its word in `ANSWERED`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from executord.asking import answered
from executord.case import Ask, Owed, owe
from executord.casebook import Case
from executord.evolve import replace
from executord.messages.arrived import arrived
from executord.messages.base import Taken


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


#: First word of the subject → what its answer does.
ANSWERED: Mapping[str, Callable[[Case, str | None, Ask, Taken], None]] = {
    "blocker": unblock,
    "delivery": arrived,
}
