"""What people wrote, as plain values: a task, its file, the instruction, the plan [MEM-7, CON-2, EXE-1].

Counterparts: `reading/` makes them; `__init__.py` holds them together with what the journal says, and gives their
names on. All are frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from executord.case.packed import Packed
from executord.errors import Finding
from executord.evolve import empty

Folder = Literal["pending", "in_progress", "completed", "blocked"]
FOLDERS: tuple[Folder, ...] = ("pending", "in_progress", "completed")


def texts(description: str = "", criteria: tuple[str, ...] = (), data: Mapping[str, Any] | None = None) -> Packed:
    """The long texts of a task, which are seldom asked for: packed, and what says the same twice only once."""
    return Packed({"description": description, "criteria": criteria, "data": data or {}})


_NO_TEXTS = texts()


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task as its file (or the plan) describes it; `None` = it does not say [MEM-7].

    `resolution` and `response` stand as written (a span or a moment), `effort_s` is seconds of work.
    """

    id: str
    title: str = ""
    assignee: str | None = None
    supporting: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    priority: str | None = None
    response: Any = None
    resolution: Any = None
    effort_s: int | None = None
    communication: str | None = None
    output_format: Any = None
    component: str | None = None
    workstream: str | None = None
    tags: tuple[str, ...] = ()
    texts: Mapping[str, Any] = field(default_factory=lambda: _NO_TEXTS)

    @property
    def description(self) -> str:
        """What is to be done."""
        return str(self.texts["description"])

    @property
    def criteria(self) -> tuple[str, ...]:
        """When it is done."""
        found: tuple[str, ...] = self.texts["criteria"]
        return found

    @property
    def data(self) -> Mapping[str, Any]:
        """All that its file says."""
        found: Mapping[str, Any] = self.texts["data"]
        return found


@dataclass(frozen=True, slots=True)
class TaskFile:
    """One YAML file in `tasks/`. `faults` not empty: it cannot be dispatched [MEM-11].

    `unread`: nothing of it could be read, so whose file it is follows from its name and what is known of the case.
    """

    name: str
    folder: Folder
    sha256: str  # the first 16 digits of it, as the journal notes it
    spec: TaskSpec
    faults: tuple[Finding, ...] = ()
    changed_at: datetime | None = None
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom the work is for."""

    name: str = ""
    segment: str | None = None
    contact: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class InstructionSpec:
    """`instruction.yaml` as written [CON-2]."""

    title: str = ""
    description: str = ""
    priority: str | None = None
    tier: int | None = None
    deliverable_type: str | None = None
    customer: Customer | None = None
    created: datetime | None = None
    response: Any = None
    resolution: Any = None
    domain: str | None = None
    tags: tuple[str, ...] = ()
    liaison: str | None = None
    severity: int | None = None  # 1 to 4, of an incident
    unknown: bool = False  # the file is there and says nothing that can be read [MEM-11]
    unnamed: bool = False  # it has a place for a customer that nobody filled in [MEM-10]
    data: Mapping[str, Any] = field(default_factory=empty)


def promises_in(spec: InstructionSpec | TaskSpec) -> dict[str, str]:
    """What a file promises by its own words, as they are written, and whether a customer waits for it [SLA-6]."""
    found = {word: str(given) for word in ("response", "resolution") if (given := getattr(spec, word)) is not None}
    if isinstance(spec, InstructionSpec) and spec.customer is not None:
        found["customer"] = "yes"
    return found


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Nothing in `before` starts until all in `after` have ended [EXE-6]; `before` empty = what comes later."""

    id: str
    after: tuple[str, ...]
    before: tuple[str, ...] = ()
    review: str | None = None
    phase: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`workflow/plan.yaml` and its neighbours [EXE-1]. `tasks` in plan order; the specs it holds itself stand by id."""

    tier: int | None = None
    deliverable_type: str | None = None
    tasks: tuple[str, ...] = ()
    specs: Mapping[str, TaskSpec] = field(default_factory=empty)
    checkpoints: tuple[Checkpoint, ...] = ()
    data: Mapping[str, Any] = field(default_factory=empty)
