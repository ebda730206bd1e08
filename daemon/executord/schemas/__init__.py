"""The JSON Schemas that we publish: of every file and message, made from models that stand in one place [MSG-9].

Counterparts: `sent.py`, what we send; `made.py`, the files we make; `given.py`, what others write. `executord schema
KIND` prints one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from executord.errors import UsageError
from executord.messages import MESSAGES
from executord.posts import KINDS
from executord.schemas import finals, given, made, sent
from executord.settings import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EDITED = ("instruction", "plan", "task", "message", "calendar", "config")  # what people write by hand
PLACE = "_system/schemas"  # where `init` puts those of a memory, for editors
ARRIVING = "message."  # what arrives under a name that something else has too

_MODELS: dict[str, type[BaseModel]] = {
    "task": given.Task,
    "instruction": given.Instruction,
    "plan": given.Plan,
    "result": made.Result,
    "update": made.Update,
    "handed_in": made.Handed,
    "paper": made.PaperFile,
    "deliverable": finals.Deliverable,
    "execution_summary": finals.ExecutionSummary,
    "hand_off": finals.Handoff,
    "resolution_report": finals.ResolutionReport,
    "incident_view": finals.Incident,
    "reason": made.Reason,
    "progress": made.Progress,
    "journal": made.Journal,
    "status": made.Status,
}


def kinds() -> dict[str, str]:
    """Every kind of which there is a schema, with one line about it; the order is that of the list people see."""
    found = {name: _first_line(model.__doc__) for name, model in _MODELS.items()}
    found["config"] = "The configuration's file."
    found["calendar"] = _first_line(given.Calendar.__doc__)
    found["message"] = _first_line(given.Message.__doc__)
    found |= {kind: f"Sent: {KINDS[kind]}." for kind in sent.SHAPES if kind in KINDS}
    for name, kind in MESSAGES.items():
        words = f"Arrives: {_first_line(kind.__doc__)}"
        found[f"{ARRIVING}{name}"] = words
        found.setdefault(name, words)
    return found


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON Schema of one kind. Raises `UsageError`, naming the kinds there are."""
    name = kind.strip().lower().replace("-", "_")
    if name not in kinds():
        raise UsageError(f"there is no schema {kind!r}", fix="`executord schema` lists what there is")
    schema = _schema(name)
    head = {"$schema": DIALECT, "$id": f"urn:executord:schema:1:{name}", "title": name}
    return {**head, **{key: value for key, value in schema.items() if key != "title"}}


def text_of(kind: str) -> str:
    """The schema as the text of a file."""
    return json.dumps(schema_of(kind), ensure_ascii=False, indent=2) + "\n"


def _schema(name: str) -> dict[str, Any]:
    if name in _MODELS:
        return _MODELS[name].model_json_schema()
    if name == "config":
        return Settings.model_json_schema(by_alias=True, schema_generator=_Wider)
    if name == "calendar":
        always = {"enum": ["24x7"]}
        return {"anyOf": [TypeAdapter(given.Calendar).json_schema(), always], "description": given.Calendar.__doc__}
    if name == "message":
        return given.any_message(MESSAGES.values())
    if name in sent.SHAPES and name in KINDS:
        return sent.model_of(name).model_json_schema(by_alias=True)
    return given.message_schema(MESSAGES[name.removeprefix(ARRIVING)])


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0].replace("\n", " ")


# --- the configuration ------------------------------------------------------------------------------------------------

_NULL: JsonSchemaValue = {"type": "null"}


def _listed(schema: JsonSchemaValue) -> JsonSchemaValue:
    """One value where a list may stand is a list of one."""
    items = schema.get("items", {})
    return {"anyOf": [schema, items]} if items else schema


def _numbered(schema: JsonSchemaValue) -> JsonSchemaValue:
    return {**schema, "type": ["string", "number"]} if schema.get("type") == "string" else schema


def _names_or_numbers(schema: JsonSchemaValue) -> JsonSchemaValue:
    return _listed({**schema, "items": {"type": ["string", "integer"]}})


def _rows(schema: JsonSchemaValue, *more: JsonSchemaValue) -> JsonSchemaValue:
    """A mapping whose rows may be left empty, or be one of `more`."""
    row = schema.get("additionalProperties", {})
    return {**schema, "additionalProperties": {"anyOf": [row, *more, _NULL]}}


def _or_text(schema: JsonSchemaValue) -> JsonSchemaValue:
    return {"anyOf": [schema, {"type": ["string", "number"]}]}


#: What reads a value before its type is looked at → what may be written besides.
_READERS: Mapping[str, Callable[[JsonSchemaValue], JsonSchemaValue]] = {
    "_listed": _listed,
    "_types": _listed,
    "_priorities": _names_or_numbers,
    "_tiers": _names_or_numbers,
    "_word": _numbered,
    "_span": _numbered,
    "_rung": _numbered,
    "_whole": lambda schema: {"anyOf": [schema, {"type": "string", "pattern": "^[0-9]{1,15}$"}]},
    "_money": _or_text,
    "_by_agent": _rows,
    "_per_interval": _or_text,
    "_per_clock": _or_text,
    "_pauses": lambda schema: {
        "anyOf": [_rows(schema, {"type": "boolean"}), {"type": "array", "items": {"type": "string"}}]
    },
}


class _Wider(GenerateJsonSchema):
    """The schema of what may be written into a configuration, not of what it becomes when it is read."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        made_of = super().function_before_schema(schema)
        reader = getattr(schema["function"]["function"], "__name__", "")
        widen = _READERS.get(reader)
        return widen(made_of) if widen is not None else made_of
