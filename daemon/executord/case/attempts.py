"""One attempt at a task, as plain values: its holder, his claim, the process that works for him [EXE-13, OPS-17].

Counterparts: `meaning/transitions.py` and `meaning/processes.py` make them of the journal; `__init__.py` gives their
names on. All are frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executord.evolve import empty


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file under `outputs/` when a claim named it. `fault`: why it does not count, None if it does [EXE-13]."""

    path: str
    size: int = 0
    sha256: str = ""
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's word that a task is done [EXE-13]. `letter` is where its message was filed, from the memory."""

    at: datetime
    letter: str
    summary: str = ""
    files: tuple[FileFact, ...] = ()
    concerns: tuple[str, ...] = ()
    has_output: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class HandClaim:
    """What is there to show for a task whose file a hand put into `completed/` [MEM-18]."""

    summary: str = ""
    has_output: bool = False
    files: tuple[FileFact, ...] = ()


Call = tuple[str, str]  # the kind of a message to the holder, and its path from the memory


@dataclass(frozen=True, slots=True)
class Process:
    """The k-th process of an attempt, as its `start` line says which it is [OPS-18, MEM-17].

    `state`: running, ended (but something of it is there), stopping, stuck (it cannot be killed), gone (verified).
    """

    k: int
    at: datetime
    pid: int
    start_ticks: int
    boot_id: str | None = None
    host: str = ""
    cgroup: str | None = None
    state: str = "running"
    calls: tuple[Call, ...] = ()  # the messages that it was started with


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process had to say in the end: a message in the worker's name, or why there is none [OPS-17].

    `kind` is the type of the message, empty where there is none. `explicit`: it said itself what it is.
    """

    kind: str = ""
    body: Mapping[str, Any] = field(default_factory=empty)
    explicit: bool = False
    reason: str = ""
    usd: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ProcessSeen:
    """How the process of an attempt is found: what the journal does not say yet. `said`: how it ended, in words."""

    attempt: int
    k: int
    at: datetime
    ended: bool = False
    gone: bool = False
    stuck: bool = False
    began: bool = True
    said: str = ""
    code: int | None = None
    signal: int | None = None
    outcome: Outcome = field(default_factory=Outcome)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The n-th dispatch of a task."""

    n: int
    agent: str
    at: datetime
    state: str = "live"  # live done failed declined reassigned withdrawn
    accepted_at: datetime | None = None
    sign_at: datetime | None = None
    working: bool = False
    percent: int | None = None
    note: str | None = None
    eta: str | None = None
    eta_at: datetime | None = None  # when he said so
    closed_at: datetime | None = None
    reason: str | None = None
    refusals: int = 0
    points: tuple[str, ...] = ()
    claim: Claim | None = None
    late: int = 0
    letter: str | None = None  # the message that closed it
    by_command: bool = False  # its agent is a program that we start [OPS-17]
    calls: tuple[Call, ...] = ()  # messages that no process of it was given yet
    called_at: datetime | None = None
    starts: int = 0
    tells: int = 0
    process: Process | None = None  # its last
    by_word: bool = False  # a person named who gets it
    # the ladder of silence [EXE-16]
    cycles: int = 0  # how often it was begun
    rung: int = 0  # how many rungs of this cycle were carried out
    rung_at: datetime | None = None
    final: bool = False  # finalize was sent
    extended_at: datetime | None = None  # the one reply after that which was no result
    quiet_from: datetime | None = None  # off hold, or unblocked: silence counts from then on
    left: tuple[FileFact, ...] = ()  # what lay in its folder when it was closed as timed out

    @property
    def live(self) -> bool:
        """Whether its holder may still answer."""
        return self.state == "live"
