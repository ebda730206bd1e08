"""What is odd in one file by itself, whatever it is: the half of `validate` that needs no disk [CON-10, MEM-13].

Counterpart: `checking.py`, which finds and reads the files and looks at what stands between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from executord.case import Checkpoint
from executord.clocks import calendar_from
from executord.errors import BadInput, Finding
from executord.letters import ATTEMPT, INSTRUCTION, SENDER, TASK, read_letter
from executord.messages import MESSAGES, Incoming, type_of
from executord.reading import find, read_instruction, read_plan, read_task, text_of
from executord.reading.keys import plain_key
from executord.scalars import placeholder
from executord.verification import OUTPUT, SUMMARY, holes, paths_named

Data = Mapping[str, Any]
_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
# Words of people who mean a rule, not a time [MEM-9]: the daemon takes the policy's value, as they wish.
_VAGUE = re.compile(
    r"\b(?:target|targets|estimates?|timeframe|per|n/?a|none|depends|policy|standard|default|varies)\b", re.I
)


def in_task(data: Data | None, stem: str, zone: tzinfo) -> list[Finding]:
    """A task's file; `stem` is its name without ending."""
    if not data:
        return [Finding("MEM-11", "the file is empty", "describe the task: id, title, description")]
    return _strictly(read_task(data, stem, zone)[1])


def in_instruction(data: Data | None, case_id: str, zone: tzinfo) -> list[Finding]:
    """`instruction.yaml` of the folder `case_id`."""
    if not data:
        return [Finding("MEM-11", "the file is empty", "say at least title, priority and customer", "warning")]
    return _strictly(read_instruction(data, case_id, zone)[1])


def in_plan(data: Data | None, zone: tzinfo) -> list[Finding]:
    """`workflow/plan.yaml`."""
    if not data:
        return [Finding("MEM-11", "the file is empty", "list the tasks")]
    plan, found = read_plan(data, zone)
    return _strictly((*found, *_checkpoints(plan.checkpoints, set(plan.tasks))))


def _strictly(found: Iterable[Finding]) -> list[Finding]:
    """The daemon goes on with the policy's value for any span it does not understand [MEM-9]; who asks beforehand is
    told of an error, unless the words say that they mean no span."""
    return [replace(f, severity="error") if f.code == "MEM-9" and not _vague(f) else f for f in found]


def _vague(found: Finding) -> bool:
    return _VAGUE.search(found.message.partition("' is not")[0]) is not None


def _checkpoints(points: Iterable[Checkpoint], ids: set[str]) -> Iterator[Finding]:
    for point in points:
        unknown = [i for i in (*point.after, *point.before) if i not in ids]
        if unknown and ids and not point.phase:
            said = f"checkpoint {point.id} names {', '.join(unknown)}, which the plan does not list"
            yield Finding("EXE-6", said, "use ids of the plan", "warning", "checkpoints")


def in_calendar(data: Data | None) -> list[Finding]:
    """A calendar's file [SLA-3]."""
    if not data:
        return [Finding("SLA-3", "the file is empty", 'give timezone and weekly, e.g. {mon: [["09:00", "17:00"]]}')]
    try:
        calendar_from(data)
    except BadInput as fault:
        words = fault.message.removeprefix("calendar: ")
        hit = re.fullmatch(r"((?:weekly|overrides|holidays)(?:\.[\w-]+)?): (.*)", words, re.S)
        zone = "timezone" if "is not a time zone" in words else None
        key, said = (hit[1], hit[2]) if hit else (zone or next((k for k in data if k in words), None), words)
        return [Finding(fault.code or "SLA-3", said, fault.fix, field=key)]
    return []


def in_message(data: Data, zone: tzinfo) -> Iterator[Finding]:
    """A message for the executor, by its type [MSG-1, MSG-5, MEM-10]."""
    if not data:
        yield Finding("MSG-5", "the file is empty", "write type, from and what you have to say")
        return
    letter = read_letter(data, name="", folder="executor", sha256="", seen_at=_LATEST, file_at=_EARLIEST, zone=zone)
    for key in data.keys() - letter.body.keys():
        yield Finding("MEM-7", f"{key!r} is read as {plain_key(key)}", f"write {plain_key(key)}", "warning", key)
    if letter.refusal is not None:
        yield letter.refusal
    data = letter.body
    sender = find(data, SENDER)
    if letter.sender is None:
        yield Finding("MSG-1", "the message does not say who sent it", "add `from: <your name>`", field=sender.key)
    blanks = set[str]()
    for spellings in (SENDER, TASK, INSTRUCTION, ATTEMPT, ("type",)):
        named = find(data, spellings)
        why = placeholder(named.value, required=True) if named.key is not None else None
        if why is not None and named.key is not None:
            blanks.add(named.key)
            yield Finding("MEM-10", f"template not filled in: field {named.key}: {why}", "write the real value",
                          field=named.key)  # fmt: skip
    known, odd = type_of(letter)
    if known is None:
        named = find(data, ("type", "message_type", "status"))
        if "type" not in blanks:
            said = f"{letter.type!r} is not a type of message" if letter.type else "the message has no type"
            yield Finding("MSG-1", said, f"use one of {', '.join(MESSAGES)}", field=named.key)
        return
    kind = MESSAGES[known]
    if odd is not None:
        yield Finding("MSG-1", odd, f"write `type: {known}`", "warning", find(data, ("type", "status")).key)
    yield from kind.odd(letter, zone)
    lacking = kind.check(letter)
    if lacking is not None:
        yield replace(lacking, field=lacking.field if lacking.field in data else None)
    yield from _claim(data, kind, blanks)


def _claim(data: Data, kind: type[Incoming], blanks: set[str]) -> Iterator[Finding]:
    """Unfilled parts of the body: of a claim they are refused, of other messages they look odd [EXE-13]."""
    refused = (*OUTPUT, "components", *SUMMARY[:1])
    for key, value in data.items():
        if key in blanks or key in ("id", "type"):
            continue
        for said in holes(value, str(key)):
            severity = "error" if kind.result and key in refused else "warning"
            yield Finding("MEM-10", f"template not filled in: {said}", "write the real value", severity, str(key))
    if kind.result:
        if not text_of(find(data, SUMMARY).value):
            yield Finding("EXE-13", "a claim needs a summary", "say in `summary` what was done", "warning")
        if not any(text_of(data.get(k)) for k in (*OUTPUT, "components")) and not paths_named(data):
            yield Finding("EXE-13", "a claim needs an output or files", "add output: …, or outputs: [paths]", "warning")
