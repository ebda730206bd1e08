"""The head: pure functions from a case to the lines of its agenda, one file per subject, in the order they speak.

No rule sees the clock, a file or a random number. A rule of this package names the spec id in each line it yields.
Add a subject: one file here and its word in `TASK_RULES` or `CASE_RULES`.
"""

from __future__ import annotations

from datetime import datetime

from executord.agenda import Agenda, CaseRule, Due, TaskRule, only_highest
from executord.casebook import Case
from executord.policy import Policy
from executord.rules import arrival, asks, dispatch, executive, opening, overload, owed, results, silence, standstill

#: In the order of speech: of lines due at one instant, the earlier subject speaks first.
TASK_RULES: tuple[TaskRule, ...] = (
    arrival.task_lines,
    owed.task_lines,
    asks.task_lines,
    results.lines,
    silence.lines,
    standstill.task_lines,
    overload.lines,
    dispatch.lines,
)
CASE_RULES: tuple[CaseRule, ...] = (
    arrival.case_lines,
    opening.lines,
    owed.case_lines,
    asks.case_lines,
    standstill.case_lines,
    executive.lines,
)


def spoken(case: Case, line: Due, policy: Policy, now: datetime) -> Due:
    """The line as it is noted now: what depends on that instant is made here, once."""
    line = only_highest(line, now)
    if line.ask is not None:
        return asks.spoken(case, line, policy, now)
    if "silence" in line.facts:
        return silence.spoken(case, line, policy, now)
    if "executive" in line.facts:
        return executive.spoken(case, line, policy)
    return line


def agenda_of(case: Case, policy: Policy) -> Agenda:
    """The agenda of a case."""
    return Agenda(case, policy, TASK_RULES, CASE_RULES)
