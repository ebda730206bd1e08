"""What is said of a fault: our words for it, its key as it is written, its place, and what to write instead.

Counterparts: `reading.py`, which finds the faults; `document.py`, which knows the places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from executord.errors import Finding
from executord.policy import ALL
from executord.settings.document import Mark, Path
from executord.settings.model import Settings
from executord.settings.rows import BRANCHES
from executord.settings.values import advice
from executord.values import FIX_DURATION, Span, agent_name, read_span, why_not

BUILT_IN_CALENDARS: Final = ("24x7", "business")
#: pydantic's kinds of errors: what should have stood there, and what to write.
WANTED: Final = {
    "tuple_type": ("list", "begin each row with `- `"),
    "list_type": ("list", "begin each row with `- `"),
    "string_type": ("text", "write one word or sentence"),
    "bool_parsing": ("yes or no", "use true or false"),
    "bool_type": ("yes or no", "use true or false"),
}


def noted(
    at: Path, message: str, fix: str, marks: Mapping[Path, Mark], said: Mapping[Path, str], source: str | None
) -> Finding:
    """A finding with its key as it is written and its place, or with the variable that said it."""
    at = tuple(part for part in at if part not in BRANCHES)
    for path, variable in said.items():
        if len(path) <= len(at) and all(map(_alike, path, at)):
            return Finding("OPS-9", message, fix or None, field=variable)
    spelled: Path = ()
    for part in at:
        here = (known[-1] for known in marks if known[:-1] == spelled and _alike(known[-1], part))
        if (key := next(here, None)) is None:
            break
        spelled = (*spelled, key)
    mark = marks.get(spelled)
    at_key = message.startswith("unknown") or len(spelled) < len(at)  # what is missing is said of its parent
    line, column = (mark.key if at_key else mark.value) if mark else (None, None)
    field = ".".join(map(str, spelled + at[len(spelled) :]))
    return Finding("OPS-9", message, fix or None, field=field or None, path=source, line=line, column=column)


def _alike(known: str | int, part: str | int) -> bool:
    """Whether a key as it is written is the one that pydantic names; agents are renamed on the way."""
    return known == part or (isinstance(known, str) and isinstance(part, str) and agent_name(known) == part)


def words_of(detail: ErrorDetails) -> tuple[str, str]:
    """Our words for one of pydantic's errors: what was found, and what to write."""
    kind, context, value = detail["type"], detail.get("ctx") or {}, detail.get("input")
    if kind == "executord":
        return context["words"], context["fix"]
    if kind == "extra_forbidden":
        name = str(detail["loc"][-1])
        return f"unknown key {name!r}", advice(name, _keys_at(detail["loc"][:-1]))
    if kind == "missing":
        return f"{detail['loc'][-1]} is missing", "add it"
    if kind == "literal_error":
        return why_not(value, "known value"), f"use {context['expected'].replace(chr(39), '')}"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return why_not(value, "mapping of keys"), "give keys and values"
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return f"{value} is out of range", f"use {bound}"
    wanted, fix = WANTED.get(kind, ("valid value", detail["msg"][:80]))
    return why_not(value, wanted), fix


def _keys_at(at: Path) -> list[str]:
    """The keys that are possible at a place."""
    models: list[type[BaseModel]] = [Settings]
    for part in at:
        inner = [
            found
            for model in models
            for name, field in model.model_fields.items()
            if part in (name, field.alias)
            for found in models_in((field.annotation, *field.metadata))
        ]
        models = inner or models  # a name in a mapping, a position in a list: still the same row
    return [field.alias or name for model in models[:1] for name, field in model.model_fields.items()]


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that stand in the type of a field."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in annotation if isinstance(annotation, tuple) else get_args(annotation):
        yield from models_in(part)


def unknown_names(made: Settings) -> Iterator[tuple[Path, str, str]]:
    """What one part says of another that is not there, or of a message that there is not."""
    yield from _unknown_types(made)
    calendars = {*BUILT_IN_CALENDARS, *made.calendars}
    for n, row in enumerate(made.policies):
        for name in sorted({each for _, each in row.calendar or () if each} - calendars):
            yield ("policies", n, "calendar"), f"{name!r} is not a calendar", advice(name, calendars)
    for name, agent in made.roster.items():
        if isinstance(agent.hours, str) and agent.hours not in calendars:
            yield ("roster", name, "hours"), f"{agent.hours!r} is not a calendar", advice(agent.hours, calendars)
        if agent.silence and agent.silence not in made.ladders and not isinstance(read_span(agent.silence), Span):
            yield ("roster", name, "silence"), f"{agent.silence!r} is neither a span nor a ladder", FIX_DURATION
        if "escalates_to" in agent.model_fields_set and agent_name(agent.escalates_to) == agent_name(name):
            yield ("roster", name, "escalates_to"), "it escalates to itself", "name somebody else"


def _unknown_types(made: Settings) -> Iterator[tuple[Path, str, str]]:
    said: list[tuple[Path, str]] = [
        (("authority", name), each) for name, types in made.authority.items() for each in types if each != ALL
    ]
    for n, row in enumerate(made.policies):
        for reason, pause in (row.pauses or {}).items():
            if pause.ends:
                said.append((("policies", n, "pauses", reason, "ends"), pause.ends))
    if not said:  # nobody need wait for the messages to be imported
        return
    from executord.messages import MESSAGES, canonical

    for at, each in said:
        if canonical(each) is None:
            yield at, f"{each!r} is not a type of message", advice(each, MESSAGES)
