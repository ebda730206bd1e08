"""The spellings of what people write, and the values behind them: what tasks, instructions and plans have in common.

Counterparts: `tasks.py`, `instructions.py` and `plans.py`, which read one kind of file each. A new spelling is a word
in one of the tables here [MEM-7, CON-2].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from executord.deliverables import TYPES, named
from executord.errors import Finding
from executord.reading.keys import Vocabulary, plain_key
from executord.scalars import written
from executord.values import Span, agent_name, priority, read_moment, read_span, safe_id, tier

Findings = list[Finding]

#: Concept → spellings, first present wins [MEM-7]. A dot goes into a mapping.
TASK_FIELDS: dict[str, tuple[str, ...]] = {
    "id": ("id", "task_id", "task.id", "work_item_id"),
    "title": ("title", "name", "task_title", "task_name"),
    "description": ("description", "details", "detailed_prompt", "task_details.description", "message"),
    "assignee": ("assigned_to", "assigned_agent", "assignee", "agent", "owner", "assigned"),
    "dependencies": ("dependencies", "depends_on", "blocked_by", "blockedBy", "requires", "deps"),
    "priority": ("priority", "urgency", "severity"),
    "response": ("sla_response", "response_sla", "response_deadline", "response_needed_by", "sla.response"),
    "resolution": ("sla_resolution", "resolution_sla", "deadline", "due", "due_date", "due_at", "sla.resolution"),
    "effort": ("estimated_effort", "estimated_duration", "estimated_time", "duration", "estimated_hours"),
    "criteria": (
        "acceptance_criteria",
        "validation_criteria",
        "success_criteria",
        "specification.acceptance_criteria",
    ),
    "communication": ("communication_required",),
    "output_format": (
        "output_format",
        "expected_output",
        "deliverable.format",
        "outputs",
        "specification.outputs",
    ),
    "component": ("component", "produces"),
    "workstream": ("workstream",),
    "tags": ("tags",),
}
#: The same for `instruction.yaml` [CON-2].
INSTRUCTION_FIELDS: dict[str, tuple[str, ...]] = {
    "title": ("title", "name", "request", "summary"),
    "description": TASK_FIELDS["description"],
    "priority": TASK_FIELDS["priority"],
    "tier": ("tier", "complexity_tier"),
    "deliverable_type": ("deliverable_type", "template"),
    "customer": ("customer",),
    "created": ("created_at", "created", "timestamp", "received_at", "opened_at"),
    "response": TASK_FIELDS["response"],
    "resolution": TASK_FIELDS["resolution"],
    "domain": ("domain",),
    "tags": ("tags",),
    "liaison": ("liaison",),
}
#: Words of others for what is read of both, and the key to write: they say more than one thing, or nothing for sure.
_OTHERS: dict[str, str] = {
    **dict.fromkeys(("due_by", "due_on", "target_date", "end_date"), "due_date"),
    **dict.fromkeys(("resolve_by", "resolution_time", "resolution_time_sla", "resolution_due"), "sla_resolution"),
    **dict.fromkeys(("respond_by", "response_time", "first_response", "first_response_sla"), "sla_response"),
    **dict.fromkeys(("sla.first_response", "sla.response_time"), "sla.response"),
    **dict.fromkeys(("sla.resolve", "sla.resolution_time"), "sla.resolution"),
    "prio": "priority",
}
#: Words for a type or template that mark an incident [INC-1].
MARKS = ("incident", "incidents")
_IN_PLANS = ("sla", "sla_response", "sla_resolution", "deadline", "due", "due_date", "due_at")
#: The keys that are read of a task, and of an instruction.
TASK_KEYS = Vocabulary(
    ("task", *(name for names in TASK_FIELDS.values() for name in names)),
    {
        **_OTHERS,
        **dict.fromkeys(("assign_to", "assigned_agents", "responsible", "handler"), "assigned_to"),
        **dict.fromkeys(("dependency", "depends", "prerequisites", "prerequisite"), "dependencies"),
        **dict.fromkeys(("effort", "estimate", "estimation"), "estimated_effort"),
        **dict.fromkeys(("acceptance", "criteria"), "acceptance_criteria"),
        **dict.fromkeys(("communication", "customer_communication"), "communication_required"),
    },
)
INSTRUCTION_KEYS = Vocabulary(
    (
        "instruction", "id", "instruction_id", "type", "incident", "severity", "stakeholders",
        *(name for names in INSTRUCTION_FIELDS.values() for name in names),
    ),
    {
        **_OTHERS,
        **dict.fromkeys(("customer_name", "client", "client_name", "customer_email", "customer_contact"), "customer"),
        **dict.fromkeys(("complexity", "complexity_level"), "tier"),
        **dict.fromkeys(("deliverable", "output_type"), "deliverable_type"),
        **dict.fromkeys(("created_on", "reported_at", "submitted_at"), "created_at"),
    },
)  # fmt: skip
PLAN_KEYS = Vocabulary(
    (
        "plan", "tasks", "task_list", "work_items", "phases", "checkpoints", "tier", "complexity_tier", "stakeholders",
        "deliverable_type", "template", "communication_plan", "experts",
    ),
    {**dict.fromkeys(("steps", "subtasks"), "tasks"), "stages": "phases",
     **dict.fromkeys(("execution_order", "order", "parallel_groups"), "phases"),
     **dict.fromkeys(("dependencies", "depends_on", "dependency_graph"), "depends_on into each task"),
     **dict.fromkeys(("assignments", "agent_assignments", "assigned_to"), "assigned_to into each task"),
     **dict.fromkeys(_IN_PLANS, "it into instruction.yaml, or into the task")},
)  # fmt: skip
# "T2: do this (backend)", "T2 (backend)", "T2 - do this": an id and a note
_NOTED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\s*:\s|\s+\(|\s+[-\u2013\u2014]\s)")
_PIECE = re.compile(r'"[^"]*"|\([^()]*\)|[^,"(]+|[,"(]')  # what stands in quotes or brackets is one, commas and all
_BARE = re.compile(r"[\d.]+")
_LONG = 1000 * 3600  # seconds; a number that is more hours than that was meant as minutes or seconds
DURATION_FIX = 'use e.g. "4 hours" or a date'


@dataclass(frozen=True, slots=True)
class Field:
    """A value and the spelling under which it was found."""

    value: Any = None
    key: str | None = None


_NOTHING = Field()


def find(data: Mapping[str, Any], spellings: Iterable[str]) -> Field:
    """The first spelling that is present and not null."""
    outer: Any = data
    if not isinstance(outer, Mapping):
        return _NOTHING
    for key in spellings:
        here = outer.get(key) if "." not in key else _inside(outer, key)
        if here is not None:
            return Field(here, key)
    return _NOTHING


class Spellings:
    """The spellings of several concepts, looked up by what a file says: it says less than there are spellings."""

    def __init__(self, fields: Mapping[str, tuple[str, ...]]) -> None:
        self._nothing = dict.fromkeys(fields, _NOTHING)
        self._plain: dict[str, list[tuple[str, int]]] = {}  # spelling → concepts, each with its place among theirs
        self._inner: dict[str, list[tuple[str, str, int]]] = {}  # first part → whole spelling, concept, place
        for concept, spellings in fields.items():
            for place, spelling in enumerate(spellings):
                first, dot, _ = spelling.partition(".")
                if dot:
                    self._inner.setdefault(first, []).append((spelling, concept, place))
                else:
                    self._plain.setdefault(spelling, []).append((concept, place))

    def all_in(self, data: Mapping[str, Any]) -> dict[str, Field]:
        """Each concept with what `find` would find of it."""
        found = self._nothing.copy()
        places: dict[str, int] = {}
        for key, value in data.items():
            if value is None:
                continue
            for concept, place in self._plain.get(key, ()):
                if place < places.get(concept, _LAST):
                    places[concept], found[concept] = place, Field(value, key)
            for spelling, concept, place in self._inner.get(key, ()):
                if place < places.get(concept, _LAST) and (inner := _inside(data, spelling)) is not None:
                    places[concept], found[concept] = place, Field(inner, spelling)
        return found


_LAST = 1 << 30


def _inside(data: Mapping[str, Any], path: str) -> Any:
    here: Any = data
    for part in path.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here


def truth(value: Any) -> bool | None:
    """Whether this says yes or no, None if neither: `yes`, `on` and `true` are one, in any case."""
    if isinstance(value, bool):
        return value
    return _TRUTH.get(text_of(value).lower())


_TRUTH = {**dict.fromkeys(("true", "yes", "on", "y"), True), **dict.fromkeys(("false", "no", "off", "n"), False)}


def text_of(value: Any) -> str:
    """What a person meant by this value, as text; lists and mappings line by line."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        return "\n".join(f"{k}: {text_of(v)}" if v is not None else str(k) for k, v in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(text_of(v) for v in value)
    return written(value)


def lines_of(value: Any) -> tuple[str, ...]:
    """A list of texts: a list, or the lines of a text without their dashes."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(x.strip("-* \t") for x in value.splitlines() if x.strip("-* \t"))
    if isinstance(value, list | tuple):
        return tuple(t for v in value if (t := text_of(v).replace("\n", "; ")))
    return (text_of(value),)


def tags_of(value: Any) -> tuple[str, ...]:
    """Tags: a list, or one text with commas between them."""
    if isinstance(value, str):
        return tuple(tag for part in re.split(r"[,;\n]", value) if (tag := part.strip("-* \t")))
    return lines_of(value)


_NOBODY = frozenset(("none", "null", "n/a", "nobody", "unassigned", "anyone", "anybody", "any"))


def names_of(value: Any) -> tuple[str, ...]:
    """Agents by name: text (commas allowed), a list, or `{primary, supporting}`."""
    if not isinstance(value, str) and isinstance(value, Mapping):
        first = find(value, ("primary", "name", "agent", "id"))
        rest = find(value, ("supporting", "support", "secondary"))
        return (*names_of(first.value), *names_of(rest.value))
    if isinstance(value, list | tuple):
        return tuple(n for v in value for n in names_of(v))
    if value is None:
        return ()
    return tuple(n for part in written(value).split(",") if (n := agent_name(part)) and n not in _NOBODY)


def ids_of(value: Any) -> tuple[str, ...]:
    """Task ids from the many ways in which dependencies are written."""
    if value is None:
        return ()
    if isinstance(value, Mapping):
        named = find(value, ("task_id", "id", "task"))
        if named.key is not None:
            return ids_of(named.value)
        return tuple(str(k) for k in value)
    if isinstance(value, list | tuple):
        return tuple(dict.fromkeys(i for v in value for i in ids_of(v)))
    text = written(value).strip()
    if text.lower() in ("", "none", "null", "n/a", "-", "[]", "nothing"):
        return ()
    return tuple(without_note(part) for part in map(str.strip, _parted(text)) if part)


def _parted(text: str) -> list[str]:
    """What stands between commas, in linear time."""
    parts: list[list[str]] = [[]]
    for hit in _PIECE.finditer(text):
        if hit[0] == ",":
            parts.append([])
        else:
            parts[-1].append(hit[0])
    return ["".join(part) for part in parts]


def without_note(text: str) -> str:
    """An id without what is noted behind it: `T2 (backend)` is T2."""
    noted = _NOTED.match(f"{text} ")
    return noted[1] if noted else text


def priority_of(found: Field, findings: Findings) -> str | None:
    """The priority that is written, None and a warning for what is none; `severity` may be another thing."""
    if found.key is None:
        return None
    value = priority(found.value)
    if value is None and found.key != "severity":
        findings.append(
            Finding(
                "MEM-7",
                f"{text_of(found.value)!r} is not a priority",
                "use critical, high, medium or low",
                "warning",
                found.key,
            )
        )
    return value


def deadline_of(found: Field, zone: tzinfo, findings: Findings) -> Any:
    """The value as written if it is understood as a span or a moment, else None and a warning [MEM-9]."""
    if found.key is None:
        return None
    span = read_span(found.value)
    if span is not None or read_moment(found.value, zone, bare="end") is not None:
        if isinstance(span, Span) and _BARE.fullmatch(span.text) and span.target.seconds > _LONG:
            message = f"{span.text} is read as hours: {span.target.seconds // 86_400} days"
            findings.append(Finding("MEM-13", message, 'write the unit, e.g. "4 hours"', "warning", found.key))
        return found.value
    findings.append(Finding("MEM-9", f"{text_of(found.value)!r} is not a duration", DURATION_FIX, "warning", found.key))
    return None


def type_of(found: Field, findings: Findings) -> str | None:
    """The deliverable type that is written, and a warning of one that there is not [DEL-6]. An incident is a mark."""
    said = word_of(found.value)
    if said is not None and said not in MARKS and named(said) is None:
        fix = f"use one of {', '.join(TYPES)}"
        findings.append(Finding("DEL-6", f"{said!r} is no type of deliverable", fix, "warning", found.key))
    return said


def unclear_sla(flat: Mapping[str, Any], findings: Findings) -> None:
    """A warning of an `sla:` that does not say which of its two limits it means; nothing is guessed."""
    value = flat.get("sla")
    if value is None or (isinstance(value, Mapping) and (not value or find(value, ("response", "resolution")).key)):
        return
    said = "" if isinstance(value, Mapping) else f"of {text_of(value)!r} "
    fix = "write sla_resolution or sla_response, or sla: {response: …, resolution: …}"
    message = f"it is not said {said}whether the response or the resolution is meant: it is not read"
    findings.append(Finding("MEM-7", message, fix, "warning", "sla"))


def safe_stem(stem: str) -> str:
    """A file's stem as an id: what cannot stand in one becomes `-` [SEC-1]."""
    if safe_id(stem):
        return stem
    return re.sub(r"[^A-Za-z0-9._-]+|\.{2,}", "-", stem).strip("-._")[:100] or "task"


def unwrap(data: Mapping[str, Any], name: str = "task") -> dict[str, Any]:
    """A task is wrapped (`task: {…}` with siblings) or flat; siblings fill what the inner mapping lacks [MEM-7]."""
    key = name if name in data else next((k for k in data if plain_key(k) == name), name)
    inner = data.get(key)
    if not isinstance(inner, Mapping):
        return dict(data)
    outer = {k: v for k, v in data.items() if k != key}
    return {**outer, **inner}


def word_of(value: Any) -> str | None:
    """A value that is one word, as words are compared."""
    text = text_of(value).splitlines()[0].strip().lower() if text_of(value) else ""
    return text.replace("-", "_").replace(" ", "_") or None


def tier_of(found: Field, findings: Findings) -> int | None:
    """The tier that is written, None and a warning for what is none."""
    if found.key is None:
        return None
    value = tier(found.value)
    if value is None:
        findings.append(Finding("EXE-1", f"{text_of(found.value)!r} is not a tier", "use 0 to 4", "warning", found.key))
    return value
