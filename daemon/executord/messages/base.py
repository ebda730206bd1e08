"""What every type of message has: who may send it, what it must hold, what it changes.

Rules of the house: `facts` is what the journal's line keeps of a message, and `take` may read nothing else, so
reading a journal gives what writing it gave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar, Literal

from executord.case import Letter, Task
from executord.case.casebook import Case
from executord.errors import Finding
from executord.policy import Policy
from executord.reading import find, text_of
from executord.reading.keys import MOST_KEYS, nearly
from executord.values import why_not

Role = Literal[
    "holder", "supporter", "liaison", "planner", "authority", "addressee", "validator", "waiver", "team", "critical",
    "anyone"
]  # fmt: skip
About = Literal["task", "either", "instruction", "house"]

#: Every word that names a type: `status: completed` in a customer update is not what the customer reads.
TYPE_WORDS: set[str] = set()
ALWAYS_READ = ("timestamp", "attempt", "in_reply_to")


@lru_cache(maxsize=8192)
def slip_of(key: str, reads: tuple[str, ...]) -> str | None:
    """The key that is read of a message and that this one looks like; None for one that is read, or looks like none."""
    known = (*ALWAYS_READ, *reads)
    return None if key in known else next((meant for meant in known if nearly(key, meant)), None)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as its line keeps it: from whom, when it counts, and its facts."""

    sender: str
    at: datetime
    attempt: int | None
    facts: Mapping[str, Any]
    path: str  # where it was filed, from the memory


class Incoming:
    """One type of message."""

    type: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    senders: ClassVar[tuple[Role, ...]] = ()
    about: ClassVar[About] = "task"
    renews: ClassVar[bool] = False  # never a duplicate: each one is a sign of life [MSG-2]
    own_task: ClassVar[bool] = False  # without a task_id it means its sender's only open task, not the instruction
    result: ClassVar[bool] = False  # kept as late when its attempt is superseded [MSG-3]
    needs: ClassVar[tuple[tuple[str, ...], ...]] = ()  # of each group one field must be there
    reads: ClassVar[tuple[str, ...]] = ()  # keys that may be left out, and whose misspelling is told
    unread: ClassVar[Mapping[str, str]] = {}  # keys that people write in vain, and what happens instead
    for_others: ClassVar[bool] = False  # authority may answer with it what somebody else was asked
    people: ClassVar[tuple[str, ...]] = ()  # fields that may name somebody; whether he is known stands in the letter
    example: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        """Its type and aliases are words from now on."""
        TYPE_WORDS.update((getattr(cls, "type", ""), *cls.aliases))

    @classmethod
    def check(cls, letter: Letter) -> Finding | None:
        """What its body lacks."""
        for group in cls.needs:
            if not any(text_of(find(letter.body, (key,)).value) for key in group):
                return Finding(
                    "MSG-5",
                    f"a {cls.type} message needs {' or '.join(group[:3])}",
                    f"add {group[0]}: …",
                    field=group[0],
                )
        return None

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        """What the journal keeps of it: every field that a rule uses [MEM-17]."""
        return {}

    @classmethod
    def odd(cls, letter: Letter, zone: tzinfo) -> Iterator[Finding]:
        """What of it is not understood and changes what happens: it is taken, and its sender is told."""
        if letter.body.get("timestamp") is not None and letter.written_at is None:
            fault = unclear_time("timestamp", letter.body["timestamp"], "the time of its file counts")
            yield replace(fault, code="MSG-10")
        attempt = find(letter.body, ("attempt",))
        if attempt.key is not None and letter.attempt is None:
            text = f"{why_not(attempt.value, 'number of an attempt')}: your last one counts"
            yield Finding("MSG-3", text, "write e.g. 1", "warning", attempt.key)
        for key in islice(letter.body, MOST_KEYS):
            if key in cls.unread:
                yield Finding("MEM-7", f"it is not read: {cls.unread[key]}", "take it out", "warning", key)
            elif (meant := slip_of(key, cls.reads)) is not None and letter.body.get(meant) is None:
                yield Finding("MEM-7", "it is no key that is read", f"write {meant}", "warning", key)

    @classmethod
    def begins(cls, case: Case) -> datetime | None:
        """Since when there is what it speaks of, where that is neither a task nor the instruction [MSG-10]."""
        return None

    @classmethod
    def asked_before(cls, task: Task, sender: str) -> bool:
        """Whether the sender was asked for it about this task by a message whose reason is gone, and it is welcome."""
        return False

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        """Why it cannot be taken as the case stands, None if it can."""
        return None

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        """Put it into the case."""


def until(instead: str) -> Mapping[str, str]:
    """The words for when something is to end by itself, where it does not."""
    return dict.fromkeys(("until", "for", "resume_at", "resume_on", "expires", "expires_at", "duration"), instead)


def unclear_time(key: str, value: Any, instead: str) -> Finding:
    """A warning of a time that nobody can read, and what counts instead of it."""
    fix = "write e.g. 2026-11-20T15:00:00Z"
    return Finding("MEM-4", f"{why_not(value, 'time')}: {instead}", fix, "warning", key)


def not_ended(task: Task | None) -> Finding | None:
    """A finding if the task has ended: then only `retry` speaks of it."""
    if task is not None and task.ended is not None:
        return Finding(
            "EXE-3", f"{task.id} has ended: it is {task.ended.state}", f"send retry for {task.id} to open it again"
        )
    return None
