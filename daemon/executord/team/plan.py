"""What a coordinator prepared: roles and the task graph, as plain values.

Counterpart: `shapes.py`, which makes them from the files in all their shapes [SES-1, SES-2].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RUNNABLE = ("active", "paused", "completed")
COMPLETIONS = ("interactive", "auto_archive", "auto_keep")


@dataclass(frozen=True, slots=True)
class Role:
    """Who may do a task: `spec` is the path of its role-spec, from the session's folder."""

    name: str
    prefix: str = ""
    spec: str = ""
    kind: str = ""  # responsibility_type
    inner_loop: bool = False
    resident: bool = False

    @property
    def effort(self) -> str:
        """The reasoning effort by the role's type [SES-11]."""
        kind = self.kind.strip().lower().replace("-", "_").replace(" ", "_")
        medium = ("verification", "verify", "test", "testing", "tester", "validation", "validate")
        return "medium" if kind in medium else "high"


@dataclass(frozen=True, slots=True)
class Node:
    """A task of the graph."""

    id: str
    role: str
    deps: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    phase: str = ""
    context_from: tuple[str, ...] = ()
    inner_loop: bool | None = None  # what the task's own `InnerLoop:` line says [SES-8]
    extra: bool = False  # not in the graph: added to tasks.json by hand


@dataclass(frozen=True, slots=True)
class Plan:
    """The session as it was prepared; `nodes` in the order of the graph."""

    session_id: str
    team_name: str = ""
    requirement: str = ""
    roles: Mapping[str, Role] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    completion: str | None = None
    covers: Mapping[str, str] = field(default_factory=dict)  # capability, prefix, type → role, in lower case


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a session; `id` and `text` are the contract's [CON-11]."""

    id: str
    text: str
    path: str | None = None
    hint: str = ""

    @property
    def code(self) -> int:
        """The exit code [chapter 7]."""
        return {"SES-E1": 2, "SES-E2": 66}.get(self.id, 65)

    def plain(self) -> dict[str, str | None]:
        """As it stands in JSON."""
        return {"id": self.id, "text": self.text, "path": self.path, "hint": self.hint}
