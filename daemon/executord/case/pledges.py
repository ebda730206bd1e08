"""What was promised and how it is kept, as plain values: pauses, extensions, breaches, notices, customer updates.

Counterparts: `meaning/reckoning.py`, `meaning/sendings.py` and `updates.py` make them of the journal; `promises/`
counts with them; `__init__.py` gives their names on. All are frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Sending:
    """An accepted customer update that is not delivered yet [SLA-16].

    `state`: `owed`, to be sent from `at` on; `sent`, with the outbox; `failed` and `doubtful`, the liaison is asked;
    `told`, he has said that the customer has it.
    """

    number: int
    channel: str
    delivery: str  # at_least_once at_most_once
    at: datetime
    to: tuple[str, ...] = ()
    state: str = "owed"
    sends: int = 0
    sent_at: datetime | None = None  # the last `send` line
    key: str = ""
    tried_at: datetime | None = None  # when the try began of which nobody knows how it ended
    reason: str | None = None
    fix: str | None = None
    told_by: str | None = None
    told_via: str | None = None
    delivered_at: datetime | None = None  # as the liaison says


@dataclass(frozen=True, slots=True)
class Carried:
    """How the outbox ended with an update: `delivered`, `failed` or `doubtful`, and in whose words."""

    how: str
    at: datetime
    tries: int
    said: str = ""
    fix: str | None = None
    id: str | None = None
    tried_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """A time in which resolution clocks stand still [SLA-7]: from `start` until it ended, at the latest until `cap`.

    `source` is what it goes on with: `blocked`, `hold`, or `ended` for what was resolved and opened again.
    """

    reason: str
    start: datetime
    source: str
    by: str = ""
    why: str = ""
    cap: datetime | None = None
    end: datetime | None = None
    updates: bool = False  # the update clock stands still too
    ends: str | None = None  # the type of message that ends it by itself
    n: int = 0  # the number of its blocker, or of its hold


@dataclass(frozen=True, slots=True)
class Extension:
    """More time [SLA-22]: a moment, a span from the original start, or so much open time more.

    `approved`: by the customer, so it moves the limit; else it moves our own warnings only.
    """

    at: datetime
    by: str
    reason: str
    approved: bool
    moment: datetime | None = None
    span: str | None = None
    add: str | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that was passed, as it was recorded [SLA-10]. `clock` is the clock's key, for ever."""

    clock: str
    due: datetime
    detected_at: datetime
    late_by_s: int
    cause: str
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A proactive notice that was sent: the n-th cause, the slip, and the time that was named [SLA-9]."""

    n: int
    slip: int
    cause: str
    revised: datetime
    at: datetime
    workaround: bool = False  # the second notice, with what the customer can do meanwhile
    because: str = ""
    asked: str | None = None  # the task whose holder is asked for a workaround; "" = nobody holds one
    skipped: bool = False  # the breach had come before it could be told


@dataclass(frozen=True, slots=True)
class Workaround:
    """What the customer can do until it is resolved, as a message named it [SLA-9]."""

    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Repriced:
    """Another priority, or another promise of a file itself: from when on, and what held before [SLA-11].

    `own` are the promises that were edited, each with what the file said before; then `was` says nothing.
    """

    at: datetime
    was: str  # the priority
    own: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """A customer update that was accepted [SLA-15]. It counts for every clock from `counts_at`; None: not yet.

    `promised` is the `next_update_at` that it names [SLA-13].
    """

    number: int
    at: datetime
    by: str
    task: str | None = None
    promised: datetime | None = None
    counts_at: datetime | None = None
    due: datetime | None = None  # when it was overdue at the latest; None: not known
    round: int = 0  # the ordinal under which it was asked for

    @property
    def late(self) -> bool:
        """Whether the customer heard from us after it was overdue."""
        return self.due is not None and self.counts_at is not None and self.counts_at > self.due


@dataclass(frozen=True, slots=True)
class Reply:
    """The n-th time that the customer waits for our answer: since when, and when an update gave it [SLA-2]."""

    n: int
    at: datetime
    answered: datetime | None = None
