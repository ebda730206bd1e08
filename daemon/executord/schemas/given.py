"""The shape of what people and agents write: tasks, instructions, plans, calendars, messages for the executor.

Counterparts: `reading/` and `messages/`, whose tables of spellings and required fields are used here, so that the two
cannot differ. Tolerant, as the reader is: keys that nobody knows are allowed [MEM-7].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from executord.letters import SENDER
from executord.messages import Incoming
from executord.reading import INSTRUCTION_FIELDS, TASK_FIELDS
from executord.updates import SPELLINGS

Schema = dict[str, Any]
Text = str | int | float
TextOrList = Text | list[Any]


class Given(BaseModel):
    """What others write."""

    model_config = ConfigDict(extra="allow", frozen=True)


# --- tasks, instructions, plans [MEM-7, CON-2, EXE-1] -----------------------------------------------------------------


class Team(Given):
    """Who does it, and who helps."""

    primary: str | None = None
    supporting: str | list[str] | None = None


class CustomerGiven(Given):
    """Whom the work is for."""

    name: Text | None = None
    segment: str | None = None
    contact: Any = None
    timezone: str | None = None


#: Concept → what a value may be, and how it is explained in an editor.
_CONCEPTS: dict[str, tuple[Any, str]] = {
    "id": (Text, "The task's id; else the file's name."),
    "title": (Text, "What it is, in one line."),
    "description": (Any, "What is to be done."),
    "assignee": (str | list[str] | Team, "The agent; of a list the first, the others support."),
    "dependencies": (Text | list[Any] | dict[str, Any], "Ids of tasks that must be finished before."),
    "priority": (Text, "critical, high, medium or low."),
    "response": (Text, 'Response SLA: "4 hours", "1 hour - 2 hours", or a moment.'),
    "resolution": (Text, 'Resolution SLA: "4 hours", "3-5 business days", or a moment.'),
    "effort": (Text, 'Time it takes: "2 hours"; a number is hours.'),
    "criteria": (TextOrList | dict[str, Any], "What must be true when it is done."),
    "communication": (Literal["internal", "customer", "both"] | bool, "Whether the customer is owed an update."),
    "output_format": (Any, "What is to be handed in, and how."),
    "component": (TextOrList, "The component of the deliverable that this task makes."),
    "workstream": (str, "support, engineering, success or product."),
    "tags": (TextOrList, "Words to match policies by."),
    "tier": (Text, "0 to 4."),
    "deliverable_type": (str, "One of the seven types, e.g. ticket_resolution."),
    "customer": (Text | CustomerGiven, "Whom it is for."),
    "created": (Text, "When it came in."),
    "domain": (str, "Whose instruction it is; support is ours."),
    "liaison": (TextOrList, "Who speaks with the customer."),
}


def _fields(table: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """A field for every spelling; those that lie within a mapping are left to the tolerance for unknown keys."""
    found: dict[str, Any] = {}
    for concept, spellings in table.items():
        kind, words = _CONCEPTS[concept]
        for name in spellings:
            if "." not in name:
                found.setdefault(name, (kind | None, Field(default=None, description=words)))
    return found


_FlatTask: type[Given] = create_model("FlatTask", __base__=Given, **_fields(TASK_FIELDS))
_WRAPPED: dict[str, Any] = {
    "task": (str | _FlatTask | None, Field(default=None, description="The task, where it is wrapped."))
}
Task: type[Given] = create_model(
    "Task",
    __base__=_FlatTask,
    __doc__="A task's file in `tasks/pending/`, flat or wrapped in `task:`.",
    **_WRAPPED,
)
Instruction: type[Given] = create_model(
    "Instruction",
    __base__=Given,
    __doc__="`instruction.yaml`: what is asked, for whom, how urgent.",
    incident=(bool | dict[str, Any] | None, Field(default=None, description="Whether it is an incident.")),
    stakeholders=(list[Any] | None, Field(default=None, description="Who is to be kept informed.")),
    **_fields(INSTRUCTION_FIELDS),
)


class Checkpoint(Given):
    """Nothing in `before` starts until all in `after` have ended, and the reviewer has let it go."""

    id: Text | None = None
    after: Text | list[Any]
    before: Text | list[Any] | None = None
    review: str | None = None


class PhaseRow(Given):
    """A phase; the next one starts when its tasks have ended."""

    phase: Text | None = None
    name: Text | None = None
    tasks: list[Any] | dict[str, Any] | None = None
    duration: Text | None = None


class Plan(Given):
    """`workflow/plan.yaml`: tier, deliverable type, tasks in their order, phases, checkpoints."""

    tier: Text | None = Field(default=None, description=_CONCEPTS["tier"][1])
    complexity_tier: Text | None = Field(default=None, description=_CONCEPTS["tier"][1])
    deliverable_type: str | None = Field(default=None, description=_CONCEPTS["deliverable_type"][1])
    template: str | None = Field(default=None, description=_CONCEPTS["deliverable_type"][1])
    tasks: list[Text | Task | dict[str, Any]] | dict[str, Any] | None = Field(  # type: ignore[valid-type]
        default=None, description="Ids, full tasks, or {id: task}."
    )
    phases: list[PhaseRow] | None = None
    checkpoints: list[Checkpoint] | None = None
    stakeholders: list[Any] | None = None
    communication_plan: Any = None


class Calendar(BaseModel):
    """Working hours: [from, to) of each day of the week, in a zone [SLA-3]."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    timezone: str | None = Field(default=None, description="The zone that the hours are meant in.")
    weekly: dict[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], list[tuple[str, str]] | None] | None = None
    holidays: list[str] | dict[str, str | None] | None = Field(default=None, description="Dates that are closed.")
    overrides: dict[str, list[tuple[str, str]]] | None = Field(default=None, description="Dates with their own hours.")


# --- messages for the executor [MSG-1] --------------------------------------------------------------------------------


class Message(Given):
    """A message for the executor, dropped into `_communication/inbox/executor/`."""

    id: Text | None = None
    type: str | None = Field(default=None, description="What it is; upper and lower case, `-` and `_` are the same.")
    timestamp: str | None = None
    instruction_id: Text | None = None
    task_id: Text | None = None
    attempt: int | str | None = None
    in_reply_to: str | None = Field(default=None, description="The id of the message that this one answers.")


class _Noted(Message):
    summary: Any = None
    note: Any = None


class _Acknowledgement(Message):
    eta: Text | None = None


class _Progress(_Noted):
    percent: Text | None = Field(default=None, description="0 to 100.")
    eta: Text | None = None


class _Completion(_Noted):
    summary: str | None = Field(default=None, description="What was done, in two sentences.")
    output: Any = Field(default=None, description="The result itself, or name files in `outputs`.")
    outputs: Any = Field(default=None, description="Paths of files under the instruction's outputs/.")
    artifacts: Any = None
    evidence: Any = None
    components: dict[str, Any] | list[Any] | None = None
    concerns: TextOrList | None = None
    customer_update: Any = Field(default=None, description="An update with its five contents, or a word on it.")


class _Because(Message):
    reason: Any = None


class _Blocked(Message):
    kind: str | None = Field(default=None, description="missing_information, technical_dependency, …")
    description: Any = None


class _Update(Message):
    status: Any = None
    next_steps: Any = None
    blockers: Any = Field(default=None, description='"none" is an answer.')
    expect_next: Any = None
    contact: Any = None
    text: Any = Field(default=None, description="All five under headings, instead of the keys.")


_BODIES: dict[str, type[Message]] = {
    "acknowledgement": _Acknowledgement,
    "progress": _Progress,
    "completion": _Completion,
    "blocked": _Blocked,
    "customer_update": _Update,
    **dict.fromkeys(("failed", "declined", "reassign", "retry", "defer", "cancel", "hold", "release"), _Because),
}
_TYPE_KEYS = ("type", "message_type", "status")


def message_schema(kind: type[Incoming]) -> Schema:
    """The schema of one type that can arrive: its fields, its names, and what must be there."""
    model = _BODIES.get(kind.type, Message)
    schema = model.model_json_schema()
    schema["title"] = kind.type
    schema["description"] = " ".join((kind.__doc__ or "").split())
    names = [kind.type, *kind.aliases]
    pattern = "|".join(map(_any_case, names))
    schema["properties"]["type"] = {
        "anyOf": [{"enum": names}, {"type": "string", "pattern": f"^\\s*(?:{pattern})\\s*$"}],
        "description": schema["properties"]["type"].get("description", ""),
    }
    schema["allOf"] = [_one_of(SENDER), _one_of(_TYPE_KEYS), *map(_one_of, kind.needs)]
    if kind.type == "customer_update":
        texts = ("text", "message", "body", "content", "update", "contents", "customer_update")
        schema["allOf"] += [_one_of((*spellings, *texts)) for spellings in SPELLINGS.values()]
    if kind.example:
        schema["examples"] = [example_of(kind)]
    return schema


def any_message(kinds: Iterable[type[Incoming]]) -> Schema:
    """The schema of what every message has in common: a sender, and a type that is known."""
    schema = Message.model_json_schema()
    schema["allOf"] = [_one_of(SENDER), _one_of(_TYPE_KEYS)]
    names = [name for kind in kinds for name in (kind.type, *kind.aliases)]
    pattern = "|".join(map(_any_case, names))
    schema["properties"]["type"] = {
        "anyOf": [{"enum": names}, {"type": "string", "pattern": f"^\\s*(?:{pattern})\\s*$"}, {"type": "null"}],
        "description": schema["properties"]["type"].get("description", ""),
    }
    return schema


def example_of(kind: type[Incoming]) -> dict[str, Any]:
    """A whole message of this type, filled."""
    sender = {"holder": "technical-support-engineer", "liaison": "customer-success-manager", "validator": "validator"}
    role = kind.senders[0] if kind.senders else "anyone"
    head = {"type": kind.type, "from": sender.get(role, "support-manager"), "instruction_id": "acme-42"}
    return {**head, **({"task_id": "T3"} if kind.about in ("task", "either") else {}), **kind.example}


def _one_of(spellings: Iterable[str]) -> Schema:
    return {"anyOf": [_there(name.split(".")) for name in spellings]}


def _there(path: list[str]) -> Schema:
    head, *rest = path
    inner: Schema = {head: _there(rest)} if rest else {head: {"not": {"type": "null"}}}
    return {"required": [head], "properties": inner}


def _any_case(word: str) -> str:
    """A pattern for a type as it is compared; written out, because JSON Schema knows no flags."""
    parts = (f"[{c.lower()}{c.upper()}]" if c.isalpha() else "[-_ ]" if c == "_" else re.escape(c) for c in word)
    return "".join(parts)
