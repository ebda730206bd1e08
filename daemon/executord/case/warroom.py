"""A critical incident as plain values: who does what in it, its papers, and its timeline [INC-2, INC-3, INC-5].

Counterparts: `__init__.py`, whose head holds them; `meaning/incidents.py`, which puts the journal's word into them. All
are frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from executord.evolve import empty

WAR_ROOM = "war-room-"  # with the id of an incident: its channel [INC-2]

ROLES = ("commander", "technical_lead", "scribe", "customer_liaison")
#: Severity → seconds between two updates to the stakeholders [chapter 5].
CADENCE_S: Mapping[int, int] = {1: 1800, 2: 3600, 3: 86_400, 4: 604_800}
CUSTOMER_S = 3600  # the customer hourly at least
PAPERS = ("retrospective", "prevention_plan")  # what is owed after the end [INC-6]
NO_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class Said:
    """One entry of a timeline: when, who, what, and the chain that it is part of. `event` is the journal's line."""

    n: int
    at: datetime
    who: str
    what: str
    kind: str
    event: int
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class Role:
    """Who has a role: who was asked last, and when he said that he has it."""

    agent: str
    asked_at: datetime
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """What is owed after the end: by when, and where it lies since when."""

    due: datetime
    received_at: datetime | None = None
    path: str | None = None
    times: int = 0  # how often it came


@dataclass(frozen=True, slots=True)
class Incident:
    """The k-th incident of an instruction. `status` ∈ open resolved closed."""

    k: int
    id: str
    severity: int
    opened_at: datetime
    opened_by: str
    reason: str = ""
    status: str = "open"
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolutions: int = 0
    reopened_at: datetime | None = None
    closed_at: datetime | None = None
    roles: Mapping[str, Role] = field(default_factory=empty)
    experts: Mapping[str, Role] = field(default_factory=empty)
    asked: Mapping[str, Mapping[str, datetime]] = field(default_factory=empty)  # role → who was asked for it, and when
    stakeholders: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    updated_at: datetime | None = None  # the last update to the stakeholders
    updates: int = 0
    faster_since: datetime | None = None  # when its severity last rose, and with it the pace of those updates
    retrospective: Paper | None = None
    prevention_plan: Paper | None = None
    timeline: tuple[Said, ...] = ()

    @property
    def channel(self) -> str:
        """The desk whose inbox is the war room."""
        return f"{WAR_ROOM}{self.id}"

    @property
    def open_since(self) -> datetime:
        """When it was opened, the last time."""
        return self.reopened_at or self.opened_at

    @property
    def commander(self) -> str:
        """Who commands, or is asked to."""
        role = self.roles.get("commander")
        return role.agent if role is not None else "escalation-manager"

    @property
    def team(self) -> frozenset[str]:
        """Everybody who was asked to take part."""
        named = {r.agent for r in (*self.roles.values(), *self.experts.values())}
        return frozenset(named | {name for asked in self.asked.values() for name in asked})

    def asked_for(self, role: str) -> Mapping[str, datetime]:
        """Who was asked to take this role, each with when."""
        return self.asked.get(role, {})
