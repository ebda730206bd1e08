"""Templates: a text in which `${name}` stands for a fact, and nothing else is done [SLA-16, SEC-3].

There is no expression, no call, no attribute and no loop in it: a name is looked up in the facts, a dot goes one
mapping down, `$$` is a dollar sign. So what customers and workers write can do nothing here, and a template can only
grow as long as the facts that it names; even that has a limit.

A line whose names are all empty is left out: `Next update: ${next_update_at}` stands only where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from executord.channels.base import Parcel, Refused
from executord.reading import text_of
from executord.settings import ChannelRow
from executord.updates import UPDATE_CONTENTS

LONGEST = 1 << 20  # characters of a whole text
LONGEST_LINE = 200  # characters of a subject
LONGEST_TEMPLATE = 64 << 10

#: Content of an update → its heading, where no template says otherwise.
HEADINGS = {
    "status": "Status",
    "next_steps": "Next steps",
    "blockers": "Blockers and delays",
    "expect_next": "What you can expect next",
    "contact": "Contact",
}
SUBJECT = "${title} – update ${number}"
_OURS = frozenset(("schema_version", "type", "key", "subject", "body", "recipients"))
_NAME = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\}|(\$)|)")


def fill(template: str, facts: Mapping[str, Any]) -> str:
    """The text of a template. Raises `Refused` for a name that is none, or a text that grows too long."""
    if len(template) > LONGEST_TEMPLATE:
        raise Refused(f"the template has more than {LONGEST_TEMPLATE} characters", fix="write a shorter one")
    lines: list[str] = []
    size = 0
    for number, line in enumerate(template.split("\n"), 1):
        values: list[str] = []
        parts: list[str] = []
        at = 0
        for hit in _NAME.finditer(line):
            parts.append(line[at : hit.start()])
            at = hit.end()
            if hit[2]:
                parts.append("$")
                continue
            if hit[1] is None:
                raise Refused(f"template, line {number}: a $ that names nothing", fix="write ${name}, or $$ for a $")
            value = _value(hit[1], facts, number)
            size += len(value)
            if size > LONGEST:
                raise Refused(f"the text grows beyond {LONGEST} characters", fix="name fewer facts in the template")
            values.append(value)
            parts.append(value)
        if values and not any(value.strip() for value in values):
            continue
        parts.append(line[at:])
        lines.append("".join(parts))
    return "\n".join(lines)


def _value(name: str, facts: Mapping[str, Any], number: int) -> str:
    found: Any = facts
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return ""
        if part not in found:
            if found is facts:
                known = ", ".join(sorted(facts))
                raise Refused(f"template, line {number}: there is no fact {part!r}", fix=f"possible are {known}")
            return ""
        found = found[part]
    return text_of(found)


def line(template: str, facts: Mapping[str, Any]) -> str:
    """The same as one line, for a subject: line breaks become spaces, and a long one is cut."""
    text = " ".join("".join(c if c.isprintable() else " " for c in fill(template, facts)).split())
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"


def body(parcel: Parcel, template: str | None) -> str:
    """The text of a parcel: by the template, else as it is written, else its contents under their headings."""
    if template is not None:
        return fill(template, parcel.facts)
    facts = parcel.facts
    text = text_of(facts.get("text")).strip()
    contents = {name: text_of(facts.get(name)).strip() for name in UPDATE_CONTENTS}
    squeezed = " ".join(text.split())
    if text and all(" ".join(value.split()) in squeezed for value in contents.values()):
        return _within(text)
    sections = [f"{HEADINGS[name]}\n{value}" for name, value in contents.items() if value]
    return _within("\n\n".join(([text] if text else []) + sections))


def _within(text: str) -> str:
    if len(text) > LONGEST:
        raise Refused(f"the text has more than {LONGEST} characters", fix="write a shorter update")
    return text


def subject(parcel: Parcel, template: str | None) -> str:
    """The subject of a parcel."""
    if template is None:
        template = SUBJECT if parcel.kind == "customer_update" else "${title}"
    return line(template, parcel.facts)


def content_of(parcel: Parcel, row: ChannelRow, template: str | None) -> dict[str, Any]:
    """A parcel as JSON, for those who read it by program: its facts, and the text that is made of them."""
    return {
        "schema_version": 1,
        "type": parcel.kind,
        "key": parcel.key,
        "subject": subject(parcel, row.subject),
        "body": body(parcel, template),
        "recipients": list(row.to or parcel.recipients),
        **{name: fact for name, fact in parcel.facts.items() if name not in _OURS},
    }
