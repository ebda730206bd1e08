"""A task as people write it, read into a `TaskSpec` [MEM-7, MEM-9, MEM-10].

Counterparts: `fields.py`, the spellings; `plans.py`, whose entries may be whole tasks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from executord.case import TaskSpec
from executord.case.packed import shared
from executord.case.specs import texts
from executord.errors import Finding
from executord.reading.fields import (
    DURATION_FIX,
    TASK_FIELDS,
    TASK_KEYS,
    Field,
    Findings,
    Spellings,
    deadline_of,
    find,
    ids_of,
    lines_of,
    names_of,
    priority_of,
    safe_stem,
    tags_of,
    text_of,
    unclear_sla,
    unwrap,
)
from executord.scalars import placeholder, written
from executord.values import agent_name, effort_seconds, safe_id

#: A task cannot be dispatched while one of these is an unfilled template [MEM-10].
_CHECKED = ("id", "title", "description", "assignee", "dependencies", "priority", "response", "resolution", "effort",
            "communication")  # fmt: skip
#: What a template leaves open beside them: fields that hold one word or one time. A mapping of one empty key is a
#: placeholder only here; elsewhere, as `inputs: {logs: }`, it may be meant.
_PLAIN_FIELD = re.compile(r".*(?:_at|_by|_id|_date|_name|timestamp)\Z|created|updated|date|status|type|domain|from|to")
_SPELLINGS = Spellings(TASK_FIELDS)
_WORD = re.compile(r"\b(?!and\b)[a-z]+")


def _dependencies(value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if isinstance(value, Mapping):
        hard = find(value, ("hard_dependencies", "requires", "hard", "depends_on", "blocked_by"))
        soft = find(value, ("soft_dependencies", "soft", "after"))
        if hard.key is not None or soft.key is not None:
            hard_ids = ids_of(hard.value)
            known = set(hard_ids)
            return hard_ids, tuple(i for i in ids_of(soft.value) if i not in known)
    return ids_of(value), ()


def _effort(found: Field, findings: Findings) -> int | None:
    if found.key is None:
        return None
    seconds = effort_seconds(found.value)
    if seconds is None:
        findings.append(
            Finding("MEM-9", f"{text_of(found.value)!r} is not a duration", DURATION_FIX, "warning", found.key)
        )
    return seconds


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
    flat = TASK_KEYS.read(unwrap(data), findings)
    unclear_sla(flat, findings)
    found = _SPELLINGS.all_in(flat)
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
    if isinstance(flat.get("tasks"), list | Mapping) and found["title"].key is found["description"].key is None:
        fix = "put each task into a file of its own; workflow/plan.yaml may list them"
        findings.append(Finding("MEM-7", "it holds a list of tasks, and is none itself", fix, field="tasks"))
    task_id = _id(found["id"], safe_stem(stem), findings)
    description = text_of(found["description"].value)
    title = text_of(found["title"].value).splitlines()[0] if text_of(found["title"].value) else ""
    names = names_of(found["assignee"].value)
    hard, soft = _dependencies(found["dependencies"].value)
    communication = _communication(found["communication"], findings)
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
        priority=priority_of(found["priority"], findings),
        response=deadline_of(found["response"], zone, findings),
        resolution=deadline_of(found["resolution"], zone, findings),
        effort_s=_effort(found["effort"], findings),
        communication=shared(communication),
        output_format=shared(output_format) if isinstance(output_format, str) else output_format,
        component=text_of(component) or None,
        workstream=shared(agent_name(text_of(found["workstream"].value)) or None),
        tags=shared(tags_of(found["tags"].value)),
        texts=texts(description, lines_of(found["criteria"].value), data),
    ), findings


def _id(found: Field, stem: str, findings: Findings) -> str:
    """Its id, or the name of its file where it gives none that can be one."""
    if found.key is None or isinstance(found.value, Mapping | list):
        return stem
    task_id = written(found.value).strip()
    if safe_id(task_id):
        return task_id
    how = "use letters, digits, '.', '_' and '-', at most 100, beginning with a letter or digit"
    findings.append(Finding("SEC-1", f"{task_id!r} cannot be an id", how, field=found.key))
    return stem


def _communication(found: Field, findings: Findings) -> str | None:
    """Who hears of it: internal, customer or both; None where that is not said or not understood."""
    said = text_of(found.value).lower()
    if not said or said in ("internal", "customer", "both"):
        return said or None
    if {*_WORD.findall(said)} == {"internal", "customer"}:
        return "both"
    meant = {"true": "customer", "yes": "customer", "false": "internal", "no": "internal", "none": "internal"}
    if said not in meant:
        why = f"{said!r} is none of internal, customer, both"
        findings.append(Finding("MEM-7", why, "use internal, customer or both", "warning", "communication_required"))
    return meant.get(said)
