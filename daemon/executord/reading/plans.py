"""`workflow/plan.yaml` as people write it, read into a `Plan`: its tasks, its phases, its checkpoints [EXE-1, EXE-6].

Counterparts: `fields.py`, the spellings; `tasks.py`, by which an entry that is a whole task is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any

from executord.case import Checkpoint, Plan, TaskSpec
from executord.errors import Finding
from executord.reading.fields import (
    INSTRUCTION_FIELDS,
    PLAN_KEYS,
    TASK_FIELDS,
    Field,
    Findings,
    find,
    ids_of,
    names_of,
    text_of,
    tier_of,
    type_of,
    unwrap,
    without_note,
)
from executord.reading.keys import plain_key, plain_keys
from executord.reading.tasks import read_task
from executord.scalars import written
from executord.values import safe_id

MOST_GATES = 200  # phases or checkpoints of a plan: each names all that stands behind it
#: What people write about a phase; a mapping of other keys names its tasks.
_OF_A_PHASE = frozenset({
    "phase", "name", "id", "tasks", "duration", "estimated_duration", "estimated_effort", "description", "goal",
    "goals", "objective", "objectives", "owner", "agent", "agents", "start", "end", "status", "order", "notes",
    "deliverables", "exit_criteria", "milestones", "depends_on", "dependencies",
})  # fmt: skip


def read_plan(
    data: Mapping[str, Any], zone: tzinfo, *, routing: Mapping[str, Any] | None = None
) -> tuple[Plan, Findings]:
    """`workflow/plan.yaml`, with the tier of `routing_decision.yaml` where the plan names none [EXE-1]."""
    odd: Findings = []
    flat = PLAN_KEYS.read(unwrap(data, "plan"), odd)
    listed = _Tasks(zone, odd)
    for entry, key in _entries(find(flat, ("tasks", "task_list", "work_items")), odd):
        listed.take(entry, key)
    findings = listed.findings
    gates = (*_phases(flat.get("phases"), listed), *_checkpoints(flat.get("checkpoints"), findings))
    found_tier = find(flat, INSTRUCTION_FIELDS["tier"])
    if found_tier.key is None and routing is not None:
        found_tier = find(unwrap(routing, "routing_decision"), INSTRUCTION_FIELDS["tier"])
    return Plan(
        tier=tier_of(found_tier, findings),
        deliverable_type=type_of(find(flat, INSTRUCTION_FIELDS["deliverable_type"]), findings),
        tasks=tuple(dict.fromkeys(listed.order)),
        specs=listed.specs,
        checkpoints=gates,
        data=flat,
    ), findings


def _entries(found: Field, findings: Findings) -> Iterator[tuple[Any, str | None]]:
    """The entries of a list of tasks, which may be a mapping from their ids, or one text with commas."""
    tasks = found.value
    if isinstance(tasks, Mapping):
        yield from ((entry if entry is not None else {}, str(key)) for key, entry in tasks.items())
    elif isinstance(tasks, list):
        yield from ((entry, None) for entry in tasks)
    elif isinstance(tasks, str):
        yield from ((entry, None) for entry in ids_of(tasks))
    elif tasks is not None:
        message = f"{text_of(tasks)!r} is no list of tasks"
        findings.append(Finding("EXE-1", message, "list the ids, e.g. [T1, T2]", "warning", found.key))


class _Tasks:
    """The tasks that a plan names, in its order; those that stand there whole with what they say."""

    def __init__(self, zone: tzinfo, findings: Findings) -> None:
        self._zone, self.findings = zone, findings
        self.specs: dict[str, TaskSpec] = {}
        self.order: list[str] = []

    def take(self, entry: Any, key: str | None = None) -> list[str]:
        """The ids that one entry of a list of tasks names."""
        if isinstance(entry, Mapping):
            return self._whole(entry, key)
        text = written(entry).strip() if not isinstance(entry, list) else ""
        if text and key is not None:
            return self.take({"title": text}, key)
        if text and not safe_id(text):
            text = without_note(text).split(":", 1)[0].strip()
        if not text or not safe_id(text):
            self._odd(f"{entry!r} is not a task id", "write the id alone")
            return []
        self.order.append(text)
        return [text]

    def _whole(self, entry: Mapping[str, Any], key: str | None) -> list[str]:
        named = find(plain_keys(unwrap(entry)), TASK_FIELDS["id"])
        if named.key is None and key is None and len(entry) == 1:
            ((only, inner),) = entry.items()
            return self.take(inner if isinstance(inner, Mapping) else {"title": inner}, str(only))
        stem = key or (written(named.value).strip() if named.key is not None else "")
        if not stem:
            self._odd("a task of the plan has no id", "give it an id")
            return []
        spec, faults = read_task({**entry, "id": named.value if named.key else stem}, stem, self._zone)
        self.findings.extend(fault.at() for fault in faults if fault.severity == "warning")
        self.specs.setdefault(spec.id, spec)
        self.order.append(spec.id)
        return [spec.id]

    def _odd(self, message: str, fix: str) -> None:
        self.findings.append(Finding("EXE-1", message, fix, "warning", "tasks"))


def _phases(phases: Any, listed: _Tasks) -> list[Checkpoint]:
    """Each phase but the last as a checkpoint: what stands in later ones waits for it."""
    groups: list[tuple[str, list[str]]] = []
    for k, (place, given) in enumerate(_each_phase(phases), 1):
        phase = plain_keys(given) if isinstance(given, Mapping) else {}
        if "tasks" not in phase:
            text = f"phase {k} does not say which tasks are in it: it holds nothing back"
            listed.findings.append(Finding("EXE-6", text, "list them under tasks", "warning", f"phases.{place}"))
            continue
        inner = Field(phase.get("tasks"), f"phases.{place}.tasks")
        ids = [i for entry, key in _entries(inner, listed.findings) for i in listed.take(entry, key)]
        groups.append((text_of(find(phase, ("phase", "name", "id")).value) or str(k), ids))
    if len(groups) > MOST_GATES:
        listed.findings.append(_too_many("phases", len(groups)))
    gates = []
    for k, (name, ids) in enumerate(groups[:-1][:MOST_GATES]):
        own = set(ids)
        later = tuple(i for _, group in groups[k + 1 :] for i in group if i not in own)
        if ids and later:
            gates.append(Checkpoint(f"phase-{name}", tuple(ids), later, phase=True))
    return gates


def _each_phase(phases: Any) -> Iterator[tuple[Any, Any]]:
    """Each with where it stands: of a list, of {name: {tasks: …}}, of {name: [ids]} or {name: {id: task}}."""
    if isinstance(phases, list):
        yield from enumerate(phases)
    elif isinstance(phases, Mapping):
        for name, inner in phases.items():
            yield name, {"phase": str(name), **(inner if _of_a_phase(inner) else {"tasks": inner})}


def _of_a_phase(inner: Any) -> bool:
    return isinstance(inner, Mapping) and not _OF_A_PHASE.isdisjoint(map(plain_key, inner))


def _checkpoints(points: Any, findings: Findings) -> Iterator[Checkpoint]:
    """The checkpoints that are written."""
    if isinstance(points, Mapping):  # {name: {after: …}}
        points = [{"id": k, **v} if isinstance(v, Mapping) else v for k, v in points.items()]
    if not isinstance(points, list):
        return
    if len(points) > MOST_GATES:
        findings.append(_too_many("checkpoints", len(points)))
    for k, given in enumerate(points[:MOST_GATES], 1):
        point = plain_keys(given) if isinstance(given, Mapping) else {}
        if ids_of(point.get("after")):
            review = next(iter(names_of(find(point, ("review", "reviewer")).value)), None)
            name = text_of(find(point, ("id", "name", "checkpoint")).value) or f"cp{k}"
            yield Checkpoint(name, ids_of(point["after"]), ids_of(point.get("before")), review)
        else:
            message, fix = f"checkpoint {k} does not say after which tasks", "use {id, after: [ids], before: [ids]}"
            findings.append(Finding("EXE-6", message, fix, "warning", f"checkpoints.{k - 1}"))


def _too_many(what: str, found: int) -> Finding:
    text = f"{found} {what}: at most {MOST_GATES} are kept, those behind them hold nothing back"
    return Finding("SEC-0", text, "split the plan into several instructions", "error", what)
