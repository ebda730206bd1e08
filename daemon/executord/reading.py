"""What people write in task, instruction and plan files, read into the values of `case/` [MEM-7, CON-2, EXE-1].

Tolerant in a fixed, documented way and loud about it: every oddity is a finding. Pure: a mapping in, values out;
`paper/` made the mapping from the bytes and finds the line of a field afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from executord.case import Checkpoint, Customer, InstructionSpec, Plan, TaskSpec
from executord.case.packed import shared
from executord.case.specs import texts
from executord.errors import Finding
from executord.scalars import placeholder, written
from executord.values import agent_name, effort_seconds, priority, read_moment, read_span, safe_id, severity, tier

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
_TASK_KEYS = frozenset(name for names in TASK_FIELDS.values() for name in names)
_INSTRUCTION_KEYS = frozenset(name for names in INSTRUCTION_FIELDS.values() for name in names)
# "T2: do this (backend)", "T2 (backend)", "T2 - do this": an id and a note
_NOTED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\s*:\s|\s+\(|\s+[-\u2013\u2014]\s)")
_PIECE = re.compile(r'"[^"]*"|\([^()]*\)|[^,"(]+|[,"(]')  # what stands in quotes or brackets is one, commas and all
MOST_GATES = 200  # phases or checkpoints of a plan: each names all that stands behind it
DURATION_FIX = 'use e.g. "4 hours" or a date'
#: A task cannot be dispatched while one of these is an unfilled template [MEM-10].
_CHECKED = ("id", "title", "description", "assignee", "dependencies", "priority", "response", "resolution", "effort",
            "communication")  # fmt: skip
#: What a template leaves open beside them: fields that hold one word or one time. A mapping of one empty key is a
#: placeholder only here; elsewhere, as `inputs: {logs: }`, it may be meant.
_PLAIN_FIELD = re.compile(r".*(?:_at|_by|_id|_date|_name|timestamp)\Z|created|updated|date|status|type|domain|from|to")


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


_OF_A_TASK, _OF_AN_INSTRUCTION = Spellings(TASK_FIELDS), Spellings(INSTRUCTION_FIELDS)


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


def _lines(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(x.strip("-* \t") for x in value.splitlines() if x.strip("-* \t"))
    if isinstance(value, list | tuple):
        return tuple(t for v in value if (t := text_of(v).replace("\n", "; ")))
    return (text_of(value),)


def _names(value: Any) -> tuple[str, ...]:
    """Agents by name: text (commas allowed), a list, or `{primary, supporting}`."""
    if not isinstance(value, str) and isinstance(value, Mapping):
        first = find(value, ("primary", "name", "agent", "id"))
        rest = find(value, ("supporting", "support", "secondary"))
        return (*_names(first.value), *_names(rest.value))
    if isinstance(value, list | tuple):
        return tuple(n for v in value for n in _names(v))
    if value is None:
        return ()
    return tuple(n for part in written(value).split(",") if (n := agent_name(part)))


def _ids(value: Any) -> tuple[str, ...]:
    """Task ids from the many ways in which dependencies are written."""
    if value is None:
        return ()
    if isinstance(value, Mapping):
        named = find(value, ("task_id", "id", "task"))
        if named.key is not None:
            return _ids(named.value)
        return tuple(str(k) for k in value)
    if isinstance(value, list | tuple):
        return tuple(dict.fromkeys(i for v in value for i in _ids(v)))
    text = written(value).strip()
    if text.lower() in ("", "none", "null", "n/a", "-", "[]", "nothing"):
        return ()
    return tuple(_without_note(part) for part in map(str.strip, _parted(text)) if part)


def _parted(text: str) -> list[str]:
    """What stands between commas, in linear time."""
    parts: list[list[str]] = [[]]
    for hit in _PIECE.finditer(text):
        if hit[0] == ",":
            parts.append([])
        else:
            parts[-1].append(hit[0])
    return ["".join(part) for part in parts]


def _without_note(text: str) -> str:
    noted = _NOTED.match(f"{text} ")
    return noted[1] if noted else text


def _dependencies(value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if isinstance(value, Mapping):
        hard = find(value, ("hard_dependencies", "requires", "hard", "depends_on", "blocked_by"))
        soft = find(value, ("soft_dependencies", "soft", "after"))
        if hard.key is not None or soft.key is not None:
            hard_ids = _ids(hard.value)
            known = set(hard_ids)
            return hard_ids, tuple(i for i in _ids(soft.value) if i not in known)
    return _ids(value), ()


def _priority(found: Field, findings: Findings) -> str | None:
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


def _deadline(found: Field, zone: tzinfo, findings: Findings) -> Any:
    """The value as written if it is understood as a span or a moment, else None and a warning [MEM-9]."""
    if found.key is None:
        return None
    if read_moment(found.value, zone, bare="end") is not None or read_span(found.value) is not None:
        return found.value
    findings.append(Finding("MEM-9", f"{text_of(found.value)!r} is not a duration", DURATION_FIX, "warning", found.key))
    return None


def _effort(found: Field, findings: Findings) -> int | None:
    if found.key is None:
        return None
    seconds = effort_seconds(found.value)
    if seconds is None:
        findings.append(
            Finding("MEM-9", f"{text_of(found.value)!r} is not a duration", DURATION_FIX, "warning", found.key)
        )
    return seconds


def safe_stem(stem: str) -> str:
    """A file's stem as an id: what cannot stand in one becomes `-` [SEC-1]."""
    if safe_id(stem):
        return stem
    return re.sub(r"[^A-Za-z0-9._-]+|\.{2,}", "-", stem).strip("-._")[:100] or "task"


def _nearly(flat: Mapping[str, Any], known: frozenset[str]) -> Iterator[Finding]:
    """Keys that only capitals, hyphens or blanks keep from being read [MEM-7]."""
    for key in flat:
        if key in known or not isinstance(key, str):
            continue
        meant = key.strip().lower().replace("-", "_").replace(" ", "_")
        if meant in known and meant not in flat:
            yield Finding("MEM-7", f"{key!r} is no key that is read", f"write {meant}", "warning", key)


def unwrap(data: Mapping[str, Any], name: str = "task") -> dict[str, Any]:
    """A task is wrapped (`task: {…}` with siblings) or flat; siblings fill what the inner mapping lacks [MEM-7]."""
    inner = data.get(name)
    if not isinstance(inner, Mapping):
        return dict(data)
    outer = {k: v for k, v in data.items() if k != name}
    return {**outer, **inner}


def _left_open(flat: Mapping[str, Any], checked: set[str | None]) -> Findings:
    """Unfilled places of a template in any other field of its top level [MEM-10]."""
    findings: Findings = []
    for key, value in flat.items():
        if key in checked or not isinstance(value, str | Mapping):
            continue
        plain = _PLAIN_FIELD.fullmatch(str(key)) is not None
        if not plain and (isinstance(value, Mapping) or "|" in value):
            continue  # a mapping, or what may be done in several ways
        why = placeholder(value)
        if why is not None:
            findings.append(
                Finding("MEM-10", f"template not filled in: field {key}: {why}", "write the real value", field=str(key))
            )
    return findings


def read_task(data: Mapping[str, Any], stem: str, zone: tzinfo) -> tuple[TaskSpec, Findings]:
    """A task from its mapping; `stem` names it where it does not name itself. Errors hold it, warnings do not."""
    findings: Findings = []
    flat = unwrap(data)
    findings.extend(_nearly(flat, _TASK_KEYS))
    found = _OF_A_TASK.all_in(flat)
    for concept in _CHECKED:
        value, key = found[concept].value, found[concept].key
        if concept == "dependencies" and isinstance(value, Mapping):
            continue  # `{T3: }` names a task
        why = placeholder(value, required=concept in ("id", "title", "assignee"))
        if key is not None and why is not None:
            findings.append(
                Finding("MEM-10", f"template not filled in: field {key}: {why}", "write the real value", field=key)
            )
    findings.extend(_left_open(flat, {f.key for c, f in found.items() if c in _CHECKED}))
    task_id = stem = safe_stem(stem)
    if found["id"].key is not None and not isinstance(found["id"].value, Mapping | list):
        task_id = written(found["id"].value).strip()
        if not safe_id(task_id):
            findings.append(
                Finding(
                    "SEC-1",
                    f"{task_id!r} cannot be an id",
                    "use letters, digits, '.', '_' and '-', at most 100, beginning with a letter or digit",
                    field=found["id"].key,
                )
            )
            task_id = stem
    description = text_of(found["description"].value)
    title = text_of(found["title"].value).splitlines()[0] if text_of(found["title"].value) else ""
    names = _names(found["assignee"].value)
    hard, soft = _dependencies(found["dependencies"].value)
    communication = text_of(found["communication"].value).lower() or None
    if communication is not None and communication not in ("internal", "customer", "both"):
        said = {"true": "customer", "yes": "customer", "false": "internal", "no": "internal", "none": "internal"}
        if communication not in said:
            findings.append(
                Finding(
                    "MEM-7",
                    f"{communication!r} is none of internal, customer, both",
                    "use internal, customer or both",
                    "warning",
                    "communication_required",
                )
            )
        communication = said.get(communication)
    output_format = found["output_format"].value
    component = found["component"].value
    if isinstance(component, list):
        component = component[0] if component else None
    return TaskSpec(
        id=shared(task_id),
        title=title or (description.splitlines()[0] if description else ""),
        assignee=shared(names[0]) if names else None,
        supporting=shared(tuple(dict.fromkeys(names[1:]))),
        requires=tuple(d for d in hard if d),
        after=soft,
        priority=_priority(found["priority"], findings),
        response=_deadline(found["response"], zone, findings),
        resolution=_deadline(found["resolution"], zone, findings),
        effort_s=_effort(found["effort"], findings),
        communication=shared(communication),
        output_format=shared(output_format) if isinstance(output_format, str) else output_format,
        component=text_of(component) or None,
        workstream=shared(agent_name(text_of(found["workstream"].value)) or None),
        tags=shared(_lines(found["tags"].value)),
        texts=texts(description, _lines(found["criteria"].value), data),
    ), findings


def read_customer(value: Any) -> Customer | None:
    """`{name, segment, contact, timezone}` or text = the name [CON-2]."""
    if value is None or value == "":
        return None
    if not isinstance(value, Mapping):
        text = text_of(value)
        return None if text.lower() in ("none", "n/a", "internal", "null") else Customer(name=text)
    contact = find(value, ("contact", "email", "contact_email")).value
    return Customer(
        name=text_of(find(value, ("name", "company", "customer_name", "id")).value),
        segment=text_of(find(value, ("segment", "tier", "plan")).value) or None,
        contact=text_of(contact) or None,
        timezone=text_of(find(value, ("timezone", "time_zone", "tz")).value) or None,
    )


def read_instruction(data: Mapping[str, Any], case_id: str, zone: tzinfo) -> tuple[InstructionSpec, Findings]:
    """`instruction.yaml` from its mapping [CON-2]."""
    findings: Findings = []
    flat = unwrap(data, "instruction")
    findings.extend(_nearly(flat, _INSTRUCTION_KEYS))
    found = _OF_AN_INSTRUCTION.all_in(flat)
    named = find(flat, ("id", "instruction_id"))
    if named.key is not None and text_of(named.value) != case_id:
        findings.append(
            Finding(
                "CON-2",
                f"the id is the folder's name, {case_id}; {text_of(named.value)!r} is not used",
                "remove it or rename the folder",
                "warning",
                named.key,
            )
        )
    for concept in ("title", "priority", "tier", "created", "response", "resolution"):
        value, key = found[concept].value, found[concept].key
        why = placeholder(value) if key is not None else None
        if why is not None:
            findings.append(
                Finding(
                    "MEM-10",
                    f"template not filled in: field {key}: {why}",
                    "write the real value",
                    "warning",
                    key,
                )
            )
            found[concept] = Field()
    created = None
    if found["created"].key is not None:
        created = read_moment(found["created"].value, zone, bare="start")
        if created is None:
            findings.append(
                Finding(
                    "MEM-4",
                    f"{text_of(found['created'].value)!r} is not a time",
                    "use e.g. 2026-11-20T09:00:00Z",
                    "warning",
                    found["created"].key,
                )
            )
    description = text_of(found["description"].value)
    title = text_of(found["title"].value)
    return InstructionSpec(
        title=title.splitlines()[0] if title else (description.splitlines()[0] if description else ""),
        description=description,
        priority=_priority(found["priority"], findings),
        tier=_tier(found["tier"], findings),
        deliverable_type=_word(found["deliverable_type"].value),
        customer=read_customer(found["customer"].value),
        created=created,
        response=_deadline(found["response"], zone, findings),
        resolution=_deadline(found["resolution"], zone, findings),
        domain=_word(found["domain"].value),
        tags=_lines(found["tags"].value),
        liaison=next(iter(_names(found["liaison"].value)), None),
        severity=_severity(flat),
        data=data,
    ), findings


def _severity(flat: Mapping[str, Any]) -> int | None:
    """The severity of an incident: its own, or `Sev 2`; a bare number is one only where an incident is marked."""
    incident = flat.get("incident")
    inner = incident.get("severity") if isinstance(incident, Mapping) else None
    said = inner if inner is not None else flat.get("severity")
    number = severity(said)
    marked = isinstance(incident, Mapping) or incident is True or text_of(incident).lower() in ("true", "yes")
    marked = marked or text_of(flat.get("type")).lower() == "incident"
    return number if number is not None and (marked or text_of(said).lower().startswith("sev")) else None


def _too_many(what: str, found: int) -> Finding:
    text = f"{found} {what}: at most {MOST_GATES} are kept, those behind them hold nothing back"
    return Finding("SEC-0", text, "split the plan into several instructions", "error", what)


def _word(value: Any) -> str | None:
    text = text_of(value).splitlines()[0].strip().lower() if text_of(value) else ""
    return text.replace("-", "_").replace(" ", "_") or None


def _tier(found: Field, findings: Findings) -> int | None:
    if found.key is None:
        return None
    value = tier(found.value)
    if value is None:
        findings.append(Finding("EXE-1", f"{text_of(found.value)!r} is not a tier", "use 0 to 4", "warning", found.key))
    return value


def read_plan(
    data: Mapping[str, Any], zone: tzinfo, *, routing: Mapping[str, Any] | None = None
) -> tuple[Plan, Findings]:
    """`workflow/plan.yaml`, with the tier of `routing_decision.yaml` where the plan names none [EXE-1]."""
    findings: Findings = []
    flat = unwrap(data, "plan")
    specs: dict[str, TaskSpec] = {}
    order: list[str] = []

    def take(entry: Any, key: str | None = None) -> list[str]:
        """The ids that one entry of a task list names."""
        if isinstance(entry, Mapping):
            named = find(unwrap(entry), TASK_FIELDS["id"])
            if named.key is None and key is None and len(entry) == 1:
                ((only, inner),) = entry.items()
                return take(inner if isinstance(inner, Mapping) else {"title": inner}, str(only))
            stem = key or (written(named.value).strip() if named.key is not None else "")
            if not stem:
                findings.append(Finding("EXE-1", "a task of the plan has no id", "give it an id", "warning", "tasks"))
                return []
            spec, faults = read_task({**entry, "id": named.value if named.key else stem}, stem, zone)
            findings.extend(f.at() for f in faults if f.severity == "warning")
            specs.setdefault(spec.id, spec)
            order.append(spec.id)
            return [spec.id]
        text = written(entry).strip() if not isinstance(entry, list) else ""
        if text and key is not None:
            return take({"title": text}, key)
        if text and not safe_id(text):
            text = _without_note(text).split(":", 1)[0].strip()
        if not text or not safe_id(text):
            findings.append(Finding("EXE-1", f"{entry!r} is not a task id", "write the id alone", "warning", "tasks"))
            return []
        order.append(text)
        return [text]

    tasks = find(flat, ("tasks", "task_list", "work_items")).value
    if isinstance(tasks, Mapping):
        for key, entry in tasks.items():
            take(entry if entry is not None else {}, str(key))
    elif isinstance(tasks, list):
        for entry in tasks:
            take(entry)
    checkpoints: list[Checkpoint] = []
    phases = flat.get("phases")
    if isinstance(phases, Mapping):  # {name: {tasks: …}} or {name: [ids]}
        phases = [
            {"phase": str(name), **inner} if isinstance(inner, Mapping) and "tasks" in inner
            else {"phase": str(name), "tasks": inner}
            for name, inner in phases.items()
        ]  # fmt: skip
    groups: list[tuple[str, list[str]]] = []
    if isinstance(phases, list):
        for k, phase in enumerate(phases, 1):
            if not isinstance(phase, Mapping):
                continue
            inner = phase.get("tasks")
            if isinstance(inner, Mapping):
                ids = [i for k, e in inner.items() for i in take(e if e is not None else {}, str(k))]
            else:
                ids = [i for e in (inner if isinstance(inner, list) else _ids(inner)) for i in take(e)]
            groups.append((text_of(find(phase, ("phase", "name", "id")).value) or str(k), ids))
    if len(groups) > MOST_GATES:
        findings.append(_too_many("phases", len(groups)))
    for k, (name, ids) in enumerate(groups[:-1][:MOST_GATES]):
        own = set(ids)
        later = tuple(i for _, g in groups[k + 1 :] for i in g if i not in own)
        if ids and later:
            checkpoints.append(Checkpoint(f"phase-{name}", tuple(ids), later, phase=True))
    written_points = flat.get("checkpoints")
    if isinstance(written_points, Mapping):  # {name: {after: …}}
        written_points = [{"id": k, **v} if isinstance(v, Mapping) else v for k, v in written_points.items()]
    if isinstance(written_points, list):
        if len(written_points) > MOST_GATES:
            findings.append(_too_many("checkpoints", len(written_points)))
        for k, point in enumerate(written_points[:MOST_GATES], 1):
            if isinstance(point, Mapping) and _ids(point.get("after")):
                review = next(iter(_names(find(point, ("review", "reviewer")).value)), None)
                cp_id = text_of(find(point, ("id", "name", "checkpoint")).value) or f"cp{k}"
                checkpoints.append(Checkpoint(cp_id, _ids(point["after"]), _ids(point.get("before")), review))
            else:
                findings.append(
                    Finding(
                        "EXE-6",
                        f"checkpoint {k} does not say after which tasks",
                        "use {id, after: [ids], before: [ids]}",
                        "warning",
                        f"checkpoints.{k - 1}",
                    )
                )
    found_tier = find(flat, INSTRUCTION_FIELDS["tier"])
    if found_tier.key is None and routing is not None:
        found_tier = find(unwrap(routing, "routing_decision"), INSTRUCTION_FIELDS["tier"])
    return Plan(
        tier=_tier(found_tier, findings),
        deliverable_type=_word(find(flat, ("deliverable_type", "template")).value),
        tasks=tuple(dict.fromkeys(order)),
        specs=specs,
        checkpoints=tuple(checkpoints),
        data=data,
    ), findings
