"""`instruction.yaml` as people write it, read into an `InstructionSpec` [CON-2].

Counterpart: `fields.py`, the spellings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from executord.case import Customer, InstructionSpec
from executord.errors import Finding
from executord.reading.fields import (
    INSTRUCTION_FIELDS,
    INSTRUCTION_KEYS,
    Field,
    Findings,
    Spellings,
    deadline_of,
    find,
    names_of,
    priority_of,
    tags_of,
    text_of,
    tier_of,
    truth,
    type_of,
    unclear_sla,
    unwrap,
    word_of,
)
from executord.reading.keys import plain_keys
from executord.scalars import placeholder
from executord.values import read_moment, severity

_SPELLINGS = Spellings(INSTRUCTION_FIELDS)


def read_customer(found: Field, findings: Findings) -> Customer | None:
    """`{name, segment, contact, timezone}` or text = the name [CON-2].

    Where nobody filled it in there is none as long as that stands there, and it is said [MEM-10].
    """
    value = found.value
    if value is None or value == "":
        return None
    said = plain_keys(value) if isinstance(value, Mapping) else {"name": value}
    name = find(said, ("name", "company", "customer_name", "id")).value
    contact = find(said, ("contact", "email", "contact_email")).value
    segment = find(said, ("segment", "tier", "plan")).value
    why = placeholder(value, required=True) or placeholder(name, required=name is not None)
    if why is None and not any(map(text_of, (name, contact, segment))):
        why = "it names nobody"
    if why is not None:
        text, fix = f"template not filled in: field customer: {why}", "write who it is, or take it out"
        findings.append(Finding("MEM-10", text, fix, field=found.key))
        return None
    if not isinstance(value, Mapping) and text_of(value).lower() in ("none", "n/a", "internal", "null"):
        return None
    return Customer(
        name=text_of(name),
        segment=text_of(segment) or None,
        contact=text_of(contact) or None,
        timezone=text_of(find(said, ("timezone", "time_zone", "tz")).value) or None,
    )


def read_instruction(data: Mapping[str, Any], case_id: str, zone: tzinfo) -> tuple[InstructionSpec, Findings]:
    """`instruction.yaml` from its mapping [CON-2]."""
    findings: Findings = []
    flat = INSTRUCTION_KEYS.read(unwrap(data, "instruction"), findings)
    unclear_sla(flat, findings)
    found = _SPELLINGS.all_in(flat)
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
        priority=priority_of(found["priority"], findings),
        tier=tier_of(found["tier"], findings),
        deliverable_type=type_of(found["deliverable_type"], findings),
        customer=read_customer(found["customer"], findings),
        unnamed=any(f.code == "MEM-10" and f.severity == "error" for f in findings),
        created=created,
        response=deadline_of(found["response"], zone, findings),
        resolution=deadline_of(found["resolution"], zone, findings),
        domain=word_of(found["domain"].value),
        tags=tags_of(found["tags"].value),
        liaison=next(iter(names_of(found["liaison"].value)), None),
        severity=_severity(flat),
        data=flat,
    ), findings


def _severity(flat: Mapping[str, Any]) -> int | None:
    """The severity of an incident: its own, or `Sev 2`; a bare number is one only where an incident is marked."""
    incident = flat.get("incident")
    inner = incident.get("severity") if isinstance(incident, Mapping) else None
    said = inner if inner is not None else flat.get("severity")
    number = severity(said)
    marked = isinstance(incident, Mapping) or truth(incident) or text_of(flat.get("type")).lower() == "incident"
    return number if number is not None and (marked or text_of(said).lower().startswith("sev")) else None
