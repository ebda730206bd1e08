"""By when an answer is expected to what was asked: the response and resolution times of the case, from the asking on.

Counterparts: `terms.py`, what is promised; `rules/asks.py` and `rules/silence.py`, who is reminded then. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from executord.case import Head, Task
from executord.clocks import Calendar, amount_due
from executord.policy import Policy
from executord.promises.terms import priority_of, terms
from executord.remembered import Same, remembered
from executord.values import Span, read_target


def reaction(policy: Policy, head: Head, priority: str, start: datetime) -> tuple[datetime, datetime]:
    """Target and limit of an answer to what was asked at `start`: the priority's response times [MSG-7]."""
    found = terms(policy, head, priority)
    return _aimed(Same(found.on_response), found.response, start)


def settlement(policy: Policy, head: Head, priority: str, start: datetime) -> tuple[datetime, datetime]:
    """The same with the priority's resolution times: what somebody has who said that he has it."""
    found = terms(policy, head, priority)
    return _aimed(Same(found.on_resolution), found.resolution, start)


def response_limit(policy: Policy, head: Head, task: Task, start: datetime) -> datetime:
    """By when a task given at `start` is to be acknowledged: its own response, else its priority's [EXE-16, SLA-6]."""
    priority = priority_of(head, task)
    own = task.field("response")
    if own is not None:
        at = _from(own, start, policy, terms(policy, head, priority).on_response)
        if at is not None and at > start:
            return at
    return reaction(policy, head, priority, start)[1]


@remembered(8192)
def _aimed(kept: Same, span: Span, start: datetime) -> tuple[datetime, datetime]:
    """Where a span aims and ends; what never comes due has a day. Kept, for much begins at one instant."""
    hours, day = kept.value, start + timedelta(days=1)
    limit = amount_due(hours, start, span.limit or span.target, ()).due or day
    target = amount_due(hours, start, span.target, ()).due or limit
    return min(target, limit), limit


def _from(text: object, start: datetime, policy: Policy, calendar: Calendar) -> datetime | None:
    """The limit that a span or a moment names."""
    target = read_target(text, policy.zone, day_end=calendar.day_end)
    if target is None or isinstance(target, datetime):
        return target
    return amount_due(calendar, start, target.limit, ()).due if target.limit is not None else None
