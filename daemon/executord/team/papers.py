"""What lies in a session's folder, as values, and the words in which people write ids, truths and statuses [SES-2].

Counterparts: `sessions/folder.py`, which opens the files; `shapes.py`, which makes one plan of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from executord.team.plan import Fault, Plan

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
PREFIX = re.compile(r"^(.*)-\d+[A-Za-z0-9]*$")
INNER = re.compile(r"^\s*(?:[-*]\s*)?\**inner[_ ]?loop\**\s*:\s*\**\s*(true|false|yes|no)\b", re.I | re.M)
PHASES = ("Phase 2", "Phase 3", "Phase 4")
STATUSES = (
    "pending", "in_progress", "completed", "failed", "skipped", "timed_out", "partial_completion", "revised",
)  # fmt: skip
_ALIASES = {
    "done": "completed", "complete": "completed", "success": "completed", "running": "in_progress",
    "in-progress": "in_progress", "active": "in_progress", "blocked": "pending", "todo": "pending", "ready": "pending",
    "timeout": "timed_out", "error": "failed", "partial": "partial_completion", "waiting": "pending",
}  # fmt: skip

AGAIN = "re-run team-coordinate with the original task; it writes the session anew"
RESUME = "re-run team-coordinate with resume to repair the session"
BY_HAND = "fix it by hand, then run again"
PATH = "check the path: it is the folder that holds team-session.json"


@dataclass(frozen=True, slots=True)
class Paper:
    """A JSON file as it lies there: `there`, its `data`, or why it is corrupt; `twice` are keys that stand twice."""

    there: bool = False
    data: Any = None
    corrupt: str | None = None
    twice: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # dotted path of the object → its keys


@dataclass(frozen=True, slots=True)
class Spec:
    """A role-spec file: its front matter (None: it has none), and the titles of its sections."""

    path: str
    front: Mapping[str, Any] | None
    sections: tuple[str, ...] = ()
    role: str | None = None  # what a `# Role:` line says (older layout)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Papers:
    """What lies in a session's folder. `specs`: by file stem; None where there is no `role-specs/`."""

    session: Paper = field(default_factory=Paper)
    analysis: Paper = field(default_factory=Paper)
    tasks: Paper = field(default_factory=Paper)
    specs: Mapping[str, Spec] | None = None
    older: Mapping[str, Spec] = field(default_factory=dict)  # `roles/*.md`
    links: tuple[str, ...] = ()  # folders of the session that are links out of it


@dataclass(frozen=True, slots=True)
class Written:
    """A task as tasks.json shows it."""

    id: str
    status: str = "pending"
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One of `active_workers` or `active_agents`, which are one thing [SES-2]."""

    task: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a session's files say."""

    plan: Plan | None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    status: str = ""
    board: Mapping[str, Written] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    completed: tuple[str, ...] = ()  # `completed_tasks` of team-session.json


def safe(text: str) -> bool:
    """Whether an id is one safe segment of a path [SES-4]."""
    return len(text) <= 100 and ".." not in text and ID.match(text) is not None


def text_of(value: Any) -> str:
    """A scalar as text; empty for what is none."""
    if isinstance(value, bool) or value is None or isinstance(value, Mapping | list | tuple):
        return ""
    return str(value).strip()


def truth(value: Any) -> bool | None:
    """A yes or a no in any spelling, None for neither."""
    if isinstance(value, bool):
        return value
    return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
        str(value).strip().lower()
    )


def ids_of(value: Any) -> tuple[str, ...]:
    """A list of ids, whatever wrote it: texts, `{id}`, `{id: note}`, one text, or texts with commas between.

    What names none stands there as it was written: left out, nobody would see that something was asked for.
    """
    if value is None or isinstance(value, bool):
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip() and part.strip().lower() != "none")
    if isinstance(value, Mapping):
        return tuple(str(k) for k in value)
    if isinstance(value, Sequence):
        return tuple(dict.fromkeys(t for t in map(_id_of, value) if t))
    return (text_of(value),) if text_of(value) else ()


def _id_of(value: Any) -> str:
    if not isinstance(value, Mapping):
        return text_of(value) or ("" if value is None else str(value))
    said = text_of(first(value, "id", "task_id", "task"))
    return said or (str(next(iter(value))) if len(value) == 1 else str(dict(value)))


def status_of(value: Any) -> str | None:
    """A task's status as one of the known words, None for an unknown one."""
    word = text_of(value).lower().replace(" ", "_")
    word = _ALIASES.get(word, word)
    return word if word in STATUSES else None


def first(data: Mapping[str, Any], *keys: str) -> Any:
    """The first of these keys that says something."""
    return next((data[k] for k in keys if data.get(k) not in (None, "", [], {})), None)
