"""Cron expressions: five fields as everybody writes them, in a zone [SLA-18].

Counterpart: `bells/`, which rings by them. APScheduler counts weekdays from Monday = 0, crontab from Sunday = 0: so
numbers become names here.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Any

from executord.errors import BadInput

NAMED = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * sun", "@monthly": "0 0 1 * *"}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = re.compile(r"(?<![/\w])([0-7])(?!\w)")
_WINDOWS = (timedelta(hours=1), timedelta(days=2), timedelta(days=9), timedelta(days=40), timedelta(days=400))
FIX = 'use five fields, e.g. "0 7 * * mon-fri"'


def cron(expression: str, zone: tzinfo) -> Any:
    """APScheduler's trigger for it. Raises `BadInput` for what is none."""
    from apscheduler.triggers.cron import CronTrigger

    fields = NAMED.get(expression.strip().lower(), expression).split()
    if len(fields) != 5:
        raise BadInput(f"{expression!r} has {len(fields)} fields", fix=FIX)
    minute, hour, day, month, weekday = fields
    weekday = _DAY.sub(lambda hit: _DAYS[int(hit[1])], weekday.lower())
    try:
        return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=zone)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{expression!r} is no cron expression: {error}", fix=FIX) from None


def last_before(trigger: Any, now: datetime) -> datetime | None:
    """The last time at or before `now` at which it fired; None if there was none within a year."""
    for window in _WINDOWS:
        found: datetime | None = None
        at: datetime | None = trigger.get_next_fire_time(None, now - window)
        while at is not None and at <= now:
            found = at
            at = trigger.get_next_fire_time(at, at + timedelta(seconds=1))
        if found is not None:
            return found.astimezone(now.tzinfo)
    return None
