"""Lines of a session's agenda, and what they do to the world: a closed union of frozen values.

The same idea as `agenda.Due` and `actions`: a line is what, from when on, under a name that is carried out once. What
a session does differs: workers are processes, and its files lie in its own folder. Counterpart: `sessions/hands.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Start:
    """A worker is started on a task; its order is published first."""

    word: ClassVar[str] = "start"


@dataclass(frozen=True, slots=True)
class Tell:
    """A follow-up in a worker's inbox; `interrupt`: SIGINT as well [SES-14]."""

    word: ClassVar[str] = "tell"
    order: str
    kind: str  # task context status_check finalize
    text: str = ""
    interrupt: bool = False
    source: str | None = None  # a filed message whose `text` is passed on


@dataclass(frozen=True, slots=True)
class Stop:
    """A worker is closed with all that is left of it [SES-15]."""

    word: ClassVar[str] = "stop"
    order: str


@dataclass(frozen=True, slots=True)
class Aside:
    """A file of the session moved to where it is kept; both paths from the session's folder. Never replaces."""

    word: ClassVar[str] = "move"
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Take:
    """A message in the session's own inbox, filed [SES-28]."""

    word: ClassVar[str] = "file"
    name: str
    rejected: bool
    reason: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Send:
    """A message into an agent's inbox in the memory; where there is none (foreground) it is a record."""

    word: ClassVar[str] = "send"
    to: str
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Export:
    """The artifacts are copied to a folder, and compared [SES-23]."""

    word: ClassVar[str] = "write"
    target: str


@dataclass(frozen=True, slots=True)
class Record:
    """A fact for the journal and nothing else."""

    word: ClassVar[str] = "record"


Deed = Start | Tell | Stop | Aside | Take | Send | Export | Record


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `action` from `at` on, once, under `name`; `rule` is the id of the rule that says so."""

    at: datetime
    name: str
    rule: str
    action: Deed
    task: str | None = None
    attempt: int | None = None
    why: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
