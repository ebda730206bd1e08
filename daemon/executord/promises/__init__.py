"""The clocks of an instruction and its tasks: computed from what the journal says, never stored [SLA-1, SLA-2].

One file each for the instruction's clocks, its updates and its tasks' clocks; `making.py`, what they have in common;
`terms.py`, what is promised; `aims.py`, what a limit is made of; `timepiece.py`, one clock. Counterparts:
`rules/sla.py` and `rules/updates.py`, what follows from them. Pure: no clock here knows what time it is.
"""

from __future__ import annotations

from datetime import datetime

from executord.case import Paused
from executord.case.casebook import Case
from executord.policy import Policy
from executord.promises.instruction import next_responses, resolution, response
from executord.promises.tasks import task_resolution, task_response
from executord.promises.terms import unreckoned
from executord.promises.timepiece import Clock
from executord.promises.updates import update_clock


def clocks_of(case: Case, policy: Policy, *, past: bool = False) -> list[Clock]:
    """All clocks of a case, the instruction's first; with `past` also those of former attempts and replies."""
    found = [c for c in (response(case, policy), resolution(case, policy), update_clock(case, policy)) if c is not None]
    found[1:1] = next_responses(case, policy, past=past)
    for task in case.in_order() if not unreckoned(case.head) else ():
        for attempt in task.attempts if past else task.attempts[-1:]:
            found.append(task_response(case, task, attempt, policy))
        clock = task_resolution(case, task, policy)
        if clock is not None:
            found.append(clock)
    return found


def wrongful(case: Case) -> list[tuple[str | None, Paused, datetime]]:
    """Pauses that ran on after the customer had answered: of which task, which, and since when [SLA-7]."""
    found = []
    every: list[tuple[str | None, Paused]] = [(None, p) for p in case.head.pauses]
    every += [(task_id, p) for task_id, each in sorted(case.sums.pauses.items()) for p in each]
    for task_id, pause in every:
        if pause.source == "hold" and pause.reason == "on_hold":
            continue
        for at, about in case.head.replied:
            if pause.start <= at and (pause.end is None or at < pause.end) and about in (None, task_id):
                found.append((task_id, pause, at))
                break
    return found
