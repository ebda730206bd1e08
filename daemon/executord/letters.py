"""A message in our inbox as a value: what it says of itself, in all its spellings [MSG-1, MSG-10].

Counterpart: `messages/`, what each type asks for. Pure: a mapping in, a `Letter` out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import Any

from executord import deliverables
from executord.case import Ask, Letter, Task
from executord.case.casebook import Case
from executord.case.warroom import PAPERS
from executord.errors import Finding
from executord.reading import find, text_of
from executord.reading.keys import MOST_KEYS, nearly, plain_keys, run_together
from executord.scalars import written
from executord.values import agent_name, read_moment, stamp, whole_number

SENDER = ("from", "from_agent", "agent", "sender")
TASK = ("task_id", "task.id", "task.task_id", "task", "delegation.task_id")
INSTRUCTION = ("instruction_id", "instruction", "delegation.instruction_id", "task.instruction_id")
NOTE_LENGTH = 500  # what a line of the journal holds of a text [CON-6]
ATTEMPT = ("attempt", "task.attempt", "delegation.attempt")
_WITHIN = ("task", "delegation", "blocker")  # mappings of which single keys are read
#: What a message is about, and when it counts: written with words run together it is known as well.
_NAMING = ("task_id", "instruction_id", "from_agent", "message_type", "in_reply_to", "next_update_at", "new_limit")
_LIKE_TASK, _LIKE_INSTRUCTION = 0.8, 0.9  # how like these another key must be; `instructions` are a text
_KNOWN = frozenset(key for keys in (SENDER, TASK, INSTRUCTION, ATTEMPT) for key in keys)
_RUN_TOGETHER = {run_together(key): key for key in _NAMING}


def word(text: Any) -> str:
    """A type as it is compared: case-insensitive, `-` and space are `_`."""
    return text_of(text).strip().lower().replace("-", "_").replace(" ", "_")


def note_of(body: Mapping[str, Any], *spellings: str) -> str | None:
    """A short text of a message, cut to what a line may hold."""
    texts = (text_of(find(body, (key,)).value) for key in spellings)
    return next((text for text in texts if text), "")[:NOTE_LENGTH] or None


def people_in(body: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    """The names that stand in these fields, in their order."""
    found: list[str] = []
    for key in keys:
        value = find(body, (key,)).value
        for each in value if isinstance(value, list | tuple) else (value,):
            name = agent_name(scalar(each) or "")
            if name and name not in ("executor", "support-executor"):
                found.append(name)
    return found


def scalar(found: Any) -> str | None:
    """A scalar as it is written, None for what is none."""
    if found is None or isinstance(found, Mapping | list | tuple):
        return None
    return written(found).strip() or None


def spelled(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message with its keys as they are read: `taskId`, `Task ID` and `task-id` are `task_id` [MSG-1]."""
    found = plain_keys(body, _RUN_TOGETHER)
    inner = {k: plain for k in _WITHIN if isinstance(v := found.get(k), Mapping) and (plain := plain_keys(v)) is not v}
    return {**found, **inner} if inner else found


def _misnamed(body: Mapping[str, Any], task: str | None, instruction: str | None) -> Finding | None:
    """A refusal where a key seems to name a task or an instruction, and none is named: nothing is guessed [MSG-1]."""
    for meant, alike, named in (("task_id", _LIKE_TASK, task), ("instruction_id", _LIKE_INSTRUCTION, instruction)):
        if named is not None:
            continue
        for key, value in islice(body.items(), MOST_KEYS):
            if scalar(value) is not None and key not in _KNOWN and nearly(key, meant, alike):
                return Finding("MSG-1", f"{key!r} is no key that is read", f"write {meant}", field=key)
    return None


def read_letter(
    body: Mapping[str, Any],
    *,
    name: str,
    folder: str,
    sha256: str,
    seen_at: datetime,
    file_at: datetime,
    zone: tzinfo,
    warnings: tuple[Finding, ...] = (),
) -> Letter:
    """The letter that this mapping is; what is missing is None and is looked for by whoever takes it."""
    body = spelled(body)
    sender = scalar(find(body, SENDER).value)
    attempt = scalar(find(body, ATTEMPT).value)
    at = file_at
    written_at = read_moment(body.get("timestamp"), zone, bare="start") if body.get("timestamp") is not None else None
    if written_at is not None and written_at <= seen_at:
        at = written_at
    instruction = scalar(find(body, INSTRUCTION).value)
    task = next((t for key in TASK if (t := scalar(find(body, (key,)).value)) is not None), None)
    return Letter(
        name=name,
        folder=folder,
        sha256=sha256,
        seen_at=seen_at,
        file_at=file_at,
        at=min(at, seen_at),
        type=word(find(body, ("type", "message_type", "status")).value),
        body=body,
        sender=agent_name(sender) or None if sender is not None else None,
        instruction=instruction,
        task=task,
        attempt=whole_number(attempt) if attempt is not None else None,
        written_at=written_at,
        warnings=warnings,
        refusal=_misnamed(body, task, instruction) if task is None or instruction is None else None,
    )


def event_time(letter: Letter, start: datetime) -> datetime:
    """When the letter counts from [MSG-10]: its timestamp if that lies between its subject's start and now,
    else the file's time, cut to that span."""
    if letter.written_at is not None and start <= letter.written_at <= letter.seen_at:
        return letter.written_at
    return max(start, min(letter.file_at, letter.seen_at))


def times_apart(letter: Letter) -> dict[str, str]:
    """Both times where they differ by more than a minute: backdating is seen [MSG-10]."""
    if letter.written_at is None or abs(letter.written_at - letter.file_at) <= timedelta(seconds=60):
        return {}
    return {"timestamp": stamp(letter.written_at), "mtime": stamp(letter.file_at)}


def replied_to(letter: Letter, case: Case) -> tuple[str, int] | None:
    """Task and attempt named by `in_reply_to`, where that is one of our names [CON-4]."""
    name = scalar(letter.body.get("in_reply_to"))
    if name is None or not name.startswith(case.id + "."):
        return None
    rest = name[len(case.id) + 1 :].removesuffix(".yaml")
    head, _, _kind = rest.rpartition(".")
    task_id, _, attempt = head.rpartition(".a")
    number = whole_number(attempt)
    return (task_id, number) if task_id in case.tasks and number is not None else None


@dataclass(frozen=True, slots=True)
class Put:
    """What was put to a letter's sender and is answered by it; `several`: it cannot be told which."""

    task: str | None = None
    ask: Ask | None = None
    several: tuple[str, ...] = ()


def answered_by(letter: Letter, case: Case, kind: str) -> Put:
    """What a letter answers [MSG-4]: by `in_reply_to`, or without it where only one of its sender's is unanswered."""
    mine = case.asked.get(letter.sender or "")
    if not mine:
        return Put()
    found = [(t, ask) for t, subject in sorted(mine, key=str) if (ask := case.ask_of(t, subject)) is not None]
    brought = [(t, a) for t, a in found if _brings(letter, a)][:1]  # that says by itself what it answers
    reply = scalar(letter.body.get("in_reply_to"))
    if reply is not None:
        name = reply.removesuffix(".yaml")
        return next((Put(t, ask) for t, ask in (*(f for f in found if name in f[1].letters), *brought)), Put())
    task = subject_of(letter, case, about_task=True, needs_task=kind == "acknowledgement").task
    if kind == "acknowledgement" and task is not None and task.live is not None and task.live.agent == letter.sender:
        return Put()  # of his delegation
    named = scalar(letter.body.get("checkpoint"))
    if kind == "release" or named is not None:
        found = [(t, a) for t, a in found if a.about == "checkpoint" and named in (None, a.facts.get("checkpoint"))]
    if letter.body.get("arrived") is not None:
        number = scalar(letter.body.get("update"))
        found = [
            (t, a) for t, a in found
            if a.about == "delivery" and number in (None, str(a.facts.get("number")))
        ]  # fmt: skip
    if letter.task is not None:
        found = [(t, a) for t, a in found if task is not None and t == task.id]
    elif brought:
        found = brought
    if len(found) == 1:
        return Put(*found[0])
    return Put(several=tuple(ask.letters[-1] for _, ask in found if ask.letters))


def _brings(letter: Letter, ask: Ask) -> bool:
    """Whether a letter holds what was asked for: the component, a paper of the incident."""
    if ask.about == "component":
        return ask.facts.get("component") in deliverables.components_of(letter.body.get("components"))
    return ask.about == "retrospective" and any(letter.body.get(name) is not None for name in PAPERS)


def put_to_others(letter: Letter, case: Case, kind: str) -> Put:
    """What authority answers for those who were asked: by `in_reply_to`, or the only thing asked about its subject."""
    reply = scalar(letter.body.get("in_reply_to"))
    if reply is not None:
        name = reply.removesuffix(".yaml")
        return next((Put(t, ask) for t, ask in case.asks() if name in ask.letters), Put())
    task = subject_of(letter, case, about_task=True, needs_task=False).task
    if kind == "acknowledgement" and task is not None and task.live is not None and task.live.agent == letter.sender:
        return Put()  # of his own delegation
    owner = case.head if task is None else task
    if len(owner.asks) == 1 and owner.asks[0].letters:
        return Put(task.id if task is not None else None, owner.asks[0])
    return Put()


def open_tasks_of(case: Case, agent: str) -> list[Task]:
    """The tasks whose live attempt this agent holds, or that he supports, in plan order."""
    return [t for t in case.in_order() if t.live is not None and (t.live.agent == agent or agent in t.spec.supporting)]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a letter is about within its case: a task, the instruction (`task` None), or it cannot be told."""

    task: Task | None = None
    unclear: str | None = None
    fits: tuple[str, ...] = ()


def subject_of(letter: Letter, case: Case, *, about_task: bool, needs_task: bool, own_task: bool = False) -> Subject:
    """The task that a letter means [MSG-1]: named, answered, or its sender's only open one; nothing is guessed.

    What may be about the instruction as well (not `needs_task`) is so where no task is named, unless `own_task`:
    who holds a task and cancels the instruction does not mean his task.
    """
    if not about_task:
        return Subject()
    named = letter.task
    if named is not None:
        task = case.tasks.get(named)
        if task is None:
            by_file = [t for t in case.tasks.values() if t.file is not None and t.file.name.rsplit(".", 1)[0] == named]
            task = by_file[0] if len(by_file) == 1 else None
        if task is not None:
            return Subject(task)
    answered = replied_to(letter, case)
    if answered is not None:
        return Subject(case.tasks[answered[0]])
    own = scalar(letter.body.get("id"))
    if named is None and own is not None and own in case.tasks:
        return Subject(case.tasks[own])
    mine = open_tasks_of(case, letter.sender) if letter.sender is not None else []
    if named is not None:
        return Subject(None, f"{case.id} has no task {named!r}", tuple(t.id for t in mine))
    if len(mine) == 1 and (needs_task or own_task):
        return Subject(mine[0])
    if not needs_task:
        return Subject()
    return Subject(None, "no task is named, and it cannot be told which one is meant", tuple(t.id for t in mine))
