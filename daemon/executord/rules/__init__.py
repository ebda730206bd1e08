"""The head: pure functions from a case to the lines of its agenda, one file per subject, in the order they speak.

No rule sees the clock, a file or a random number. A rule of this package names the spec id in each line it yields.
Add a subject: one file here and its word in `TASK_RULES` or `CASE_RULES`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from executord.actions import Send
from executord.agenda import Agenda, CaseRule, Due, TaskRule, only_highest
from executord.case.casebook import Case
from executord.evolve import replace
from executord.policy import Policy
from executord.promises.instruction import cap_facts
from executord.rules import (
    arrival,
    asks,
    budgets,
    closing,
    delivery,
    dispatch,
    executive,
    forecast,
    incident,
    opening,
    outbox,
    overload,
    owed,
    processes,
    quality,
    results,
    silence,
    sla,
    standstill,
    updates,
)
from executord.values import stamp

LATE = timedelta(minutes=1)

#: In the order of speech: of lines due at one instant, the earlier subject speaks first.
TASK_RULES: tuple[TaskRule, ...] = (
    arrival.task_lines,
    owed.task_lines,
    asks.task_lines,
    results.lines,
    processes.lines,
    silence.lines,
    standstill.task_lines,
    overload.lines,
    dispatch.lines,
    sla.task_lines,
    forecast.task_lines,
)
CASE_RULES: tuple[CaseRule, ...] = (
    arrival.case_lines,
    opening.lines,
    owed.case_lines,
    outbox.lines,
    asks.case_lines,
    standstill.case_lines,
    sla.case_lines,
    updates.lines,
    forecast.case_lines,
    incident.lines,
    delivery.lines,
    quality.lines,
    closing.lines,
    closing.archiving,
    executive.lines,
    budgets.case_lines,
)
#: The rules among whose lines are such as go before all others, stage by stage; and the one whose lines need a place.
EARLY: tuple[TaskRule | CaseRule, ...] = (
    arrival.task_lines,
    results.lines,
    processes.lines,
    arrival.case_lines,
    opening.lines,
    outbox.lines,
)
PLACING: tuple[TaskRule, ...] = (dispatch.lines,)


def spoken(case: Case, line: Due, policy: Policy, now: datetime) -> Due:
    """The line as it is noted now: what depends on that instant is made here, once."""
    line = only_highest(line, now)
    if line.ask is not None:
        line = asks.spoken(case, line, policy, now)
    elif "silence" in line.facts:
        line = silence.spoken(case, line, policy, now)
    elif "executive" in line.facts:
        line = executive.spoken(case, line, policy)
    elif "marks" in line.facts:
        line = sla.spoken(case, line, policy)
    elif "breach" in line.facts:
        line = sla.recorded(case, line, policy)
    elif line.order < sla.ORDER:
        return line
    return said_late(line, now)


def said_late(line: Due, now: datetime) -> Due:
    """What is done late says so [EXE-26]."""
    late = now - line.at
    if late < LATE or not isinstance(line.action, Send):
        return line
    body = {**line.action.body, "late": {"due": stamp(line.at), "late_by_s": int(late.total_seconds())}}
    return replace(line, action=Send(line.action.to, line.action.kind, body))


def agenda_of(case: Case, policy: Policy) -> Agenda:
    """The agenda of a case."""
    return Agenda(case, policy, TASK_RULES, CASE_RULES, cap_facts, early=EARLY, placing=PLACING)
