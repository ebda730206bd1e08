"""What is to be done in a session, and from when on: pure functions from a session to lines, in the order they speak.

Counterpart: `fold.py`, what a line changes. No rule sees the clock: the future is a line whose time has not come. What
comes from outside (a result, the end of a process) stands in the session as it was seen.
"""

from __future__ import annotations

from datetime import datetime
from itertools import count

from executord.team.ending import ending, gaps, stalling
from executord.team.giving import closing, giving, skipping
from executord.team.ladder import ladder, telling
from executord.team.line import Line
from executord.team.outcomes import ends, late, results
from executord.team.record import Law, Team

#: The order of speech.
RULES = (ends, results, late, telling, gaps, ladder, closing, skipping, giving, stalling, ending)


def agenda(team: Team, law: Law) -> list[Line]:
    """All lines, in the order in which they would be carried out."""
    lines: list[tuple[datetime, int, Line]] = []
    order = count()
    for rule in RULES:
        lines += ((line.at, next(order), line) for line in rule(team, law) if line.name not in team.done)
    return [line for _, _, line in sorted(lines, key=lambda each: each[:2])]
