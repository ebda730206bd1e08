"""How long nobody was at work, and how much fell due meanwhile: one event of the log, no journal line [SLA-12].

Down is: killed, stopped, powered off; also a machine that slept, which the two clocks show together. What fell due is
counted while the first round after it makes up for it. Counterpart: `files/lock.py`, whose text keeps when somebody was
last at work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from executord.values import read_stamp, stamp

STEP = timedelta(seconds=5)  # less is nobody's trouble
ASLEEP = timedelta(seconds=60)
"""By how much the time of day must have run ahead of the monotonic clock to be a sleep, and no adjustment."""


@dataclass(slots=True)
class Downtime:
    """A span in which nobody was at work, and the lines made up for so far."""

    down_from: datetime
    down_to: datetime
    n: int = 0

    def noted(self, entry: Mapping[str, Any]) -> None:
        """A journal line was noted; it counts if it fell due in the span."""
        due = entry.get("due")
        if isinstance(due, str) and self.down_from < read_stamp(due) <= self.down_to:
            self.n += 1

    def event(self) -> dict[str, Any] | None:
        """The facts of the event `catchup`, None if nothing fell due."""
        if self.n == 0:
            return None
        return {"down_from": stamp(self.down_from), "down_to": stamp(self.down_to), "n": self.n}


def slept(before: datetime, now: datetime, waited_s: float) -> Downtime | None:
    """A sleep of the machine between two instants, of which we waited `waited_s` on the monotonic clock."""
    ahead = (now - before) - timedelta(seconds=waited_s)
    return Downtime(before, now) if ahead >= ASLEEP else None


def set_back(before: datetime, now: datetime, waited_s: float) -> timedelta | None:
    """By how much the clock was set back between two instants, of which we waited `waited_s` on the monotonic clock;
    None for what a clock that is kept right is put right by."""
    back = timedelta(seconds=waited_s) - (now - before)
    return back if back >= STEP else None


def ahead(entries: Iterable[Mapping[str, Any]], now: datetime) -> set[datetime]:
    """The instants that lines of a journal speak of and that are still to come: a clock was set back since.

    What follows at once from such a line is held up by nothing; what is promised for a moment waits for it [SLA-12].
    """
    said = {text for entry in entries for text in (entry.get("at"), entry.get("due"), _event(entry)) if text}
    return {at for at in map(read_stamp, said) if at > now}


def _event(entry: Mapping[str, Any]) -> str | None:
    at = (entry.get("facts") or {}).get("at")
    return at if isinstance(at, str) else None
