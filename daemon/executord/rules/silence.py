"""Nobody is waited for in silence for ever: reminder, status check, finalize, closed as timed out [EXE-16].

A ladder that takes away [EXE-26]: a rung is due its gap after the one below was really carried out, so after downtime
nobody is closed who was not asked. Counterparts: `policy/ladders.py`, the rungs as data; `meaning/transitions.py`, what
a sign of life does; `fold.py`, what a rung changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from executord.actions import Record, Send
from executord.agenda import Due
from executord.case import Attempt, Task
from executord.case.casebook import Case
from executord.clocks import due as open_due
from executord.evolve import replace
from executord.policy import Agent, Policy
from executord.policy.ladders import Rung, interval_of
from executord.posts import finalize, silence_reminder, status_check
from executord.promises.answers import response_limit
from executord.rules.asking import priority_of
from executord.values import stamp

ORDER = 45
VERBS = {"reminder": "remind", "status_check": "status check", "finalize": "finalize", "time_out": "time out"}


def lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """The next rung for the holder of this task."""
    head, live = case.head, task.live
    if live is None or task.file is None or head.opened_at is None or head.parked is not None or not head.ours:
        return
    if task.hold is not None or head.hold is not None or task.blocked is not None:
        return  # nobody is asked to go on with what stands still
    k, rung, name = next_rung(task, live, policy)
    action = Record() if rung.do == "time_out" else Send(rung.to or live.agent, rung.do)
    yield Due(
        due_at(case, task, live, rung, policy), name, "EXE-16", action, task.id, live.n, why=_why(live),
        facts={"silence": _cycle(live), "rung": k + 1, "do": rung.do}, order=ORDER,
    )  # fmt: skip


def _cycle(live: Attempt) -> int:
    return live.cycles + 1 if live.rung == 0 else live.cycles


def next_rung(task: Task, live: Attempt, policy: Policy) -> tuple[int, Rung, str]:
    """The first rung that was not done in this cycle, its place in the ladder and the name of its line.

    The ladder may be another one since the last rung: what was done is not done twice, and on one that has become
    shorter than what was climbed the last rung, which closes the attempt, is still to come.
    """
    ladder = policy.ladder(live.agent).rungs
    last = len(ladder) - 1
    for k in range(min(live.rung, last), last):
        name = _name(task, live, ladder, k)
        if name not in task.done:
            return k, ladder[k], name
    return last, ladder[last], _name(task, live, ladder, last)


def _name(task: Task, live: Attempt, ladder: Sequence[Rung], k: int) -> str:
    do = ladder[k].do
    again = any(rung.do == do for rung in ladder[:k])
    return f"{VERBS[do]} {task.id} a{live.n} #{_cycle(live)}" + (f" rung-{k + 1}" if again else "")


def _why(live: Attempt) -> str:
    heard = live.sign_at or live.accepted_at
    if heard is None:
        return f"no acknowledgement from {live.agent} since {stamp(live.at)}"
    return f"no sign of life from {live.agent} since {stamp(heard)}"


def interval(case: Case, task: Task, agent: str, policy: Policy) -> int:
    """I in seconds: how long nothing may be heard of this agent about this task."""
    tier = case.head.tier if case.head.tier is not None else 2
    priority = priority_of(case, task)
    given = policy.ladder(agent).given(tier, priority)
    if given is not None:
        return given
    own = interval_of(tier, priority)
    if policy.roster.get(agent, _UNKNOWN).by_inbox:
        return max(own, (task.spec.effort_s or 0) // 2)
    return own


_UNKNOWN = Agent("")


def _later(case: Case, task: Task, agent: str, policy: Policy, start: datetime, seconds: float) -> datetime:
    """So much later, for an agent with an inbox in his hours; round the clock where it is critical."""
    row = policy.roster.get(agent, _UNKNOWN)
    if row.by_inbox and row.hours is not None and priority_of(case, task) != "critical":
        at = open_due(row.hours, start, seconds).due
        if at is not None:
            return at
    return start + timedelta(seconds=seconds)


def due_at(case: Case, task: Task, live: Attempt, rung: Rung, policy: Policy) -> datetime:
    """When the next rung comes due; absolute, so a restart neither forgets nor restarts it."""
    whole = interval(case, task, live.agent, policy)
    if live.rung > 0:
        assert live.rung_at is not None  # when the rung below was carried out
        start = max(filter(None, (live.rung_at, live.quiet_from)))
        at = _later(case, task, live.agent, policy, start, rung.gap.of(whole))
        if live.extended_at is not None:
            at = max(at, _later(case, task, live.agent, policy, live.extended_at, whole))
        return at
    heard = max(filter(None, (live.sign_at, live.accepted_at)), default=None)
    if heard is not None:
        start = max(filter(None, (heard, live.quiet_from)))
        return _later(case, task, live.agent, policy, start, rung.gap.of(whole))
    start = max(filter(None, (live.at, live.quiet_from)))
    at = response_limit(policy, case.head, task, start)
    if not policy.roster.get(live.agent, _UNKNOWN).by_inbox:
        at = min(at, start + timedelta(seconds=whole))
    return at


def spoken(case: Case, line: Due, policy: Policy, now: datetime) -> Due:
    """The line with what its message says; it names when the next rung comes, counted from now."""
    task = case.tasks.get(line.task or "")
    live = task.live if task is not None else None
    if task is None or live is None or not isinstance(line.action, Send):
        return line
    ladder = policy.ladder(live.agent).rungs
    done = line.facts["rung"]
    whole = interval(case, task, live.agent, policy)
    following = ladder[done] if done < len(ladder) else None
    then = _later(case, task, live.agent, policy, now, following.gap.of(whole)) if following is not None else None
    heard = live.sign_at or live.accepted_at
    body: dict[str, Any]
    match line.facts["do"]:
        case "status_check":
            body = status_check(case, task, live, heard, then)
        case "finalize":
            body = finalize(case, task, live, heard, then)
        case _:
            body = silence_reminder(case, task, live, heard, then)
    return replace(line, action=Send(line.action.to, line.action.kind, body))
