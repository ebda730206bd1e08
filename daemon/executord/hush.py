"""What is not sent while a case or an agent is muted [chapter 3, `mute`].

The line is noted under its own name as a record, so it is done: it is not made up for, and a window that ends lets
loose no storm. Counterparts: `messages/muting.py`, the message; `service/halts.py`, what stands beyond one case. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from executord.actions import Record, Send
from executord.agenda import Due
from executord.case import Mute
from executord.evolve import replace
from executord.values import stamp

#: Kinds of message that only remind or notify. What gives work, answers, asks for the first time or is for the
#: customer is none of them.
NOTIFIES = frozenset(
    {"reminder", "notice", "sla_warning", "sla_breach", "executive_update", "late_result_notice"}
)  # fmt: skip
TAKING_AWAY = "EXE-16"  # its reminders go on: nobody is closed who was not asked
GIVES = "incident_role"  # who does not take a role up has it taken from him: the next in line is asked, muted or not
_RUNG = re.compile(r" level-\d+\Z")


def notifies(line: Due) -> bool:
    """Whether this line reminds or notifies: one of those kinds, or a higher rung of a ladder that tells up."""
    if not isinstance(line.action, Send) or line.rule == TAKING_AWAY or line.action.kind == GIVES:
        return False
    return line.action.kind in NOTIFIES or (_RUNG.search(line.name) is not None)


def hushed(line: Due, now: datetime, mutes: Iterable[Mute | None]) -> Due:
    """The line as it is noted now: a record, where its time or the time of sending lies in one of these windows."""
    for mute in mutes:
        if mute is not None and (mute.covers(now) or mute.covers(line.at)) and notifies(line):
            assert isinstance(line.action, Send)
            facts = {**line.facts, "muted": line.action.to}
            if line.ask is not None and facts.get("rung") != "reminder":
                facts["skipped"] = True  # nobody was asked at this level
            why = f"muted until {stamp(mute.until)} by {mute.by}: {line.why}"
            return replace(line, action=Record(), why=why, facts=facts, ask=None, until=None)
    return line
