"""`mute` and `unmute`: reminders and notifications about a case, or to an agent, stop for a while.

Counterparts: `hush.py`, what is not sent; `service/house.py`, which takes the ones about an agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from executord.case import Letter, Mute, Task
from executord.case.casebook import Case
from executord.errors import BadInput, Finding
from executord.evolve import replace
from executord.letters import note_of, scalar
from executord.messages.base import Incoming, Taken
from executord.policy import Policy
from executord.reading import find
from executord.values import Span, cli_span, read_moment, read_span, read_stamp, stamp

LONGEST = timedelta(days=30)
UNTIL = ("until", "mute_until", "till")
SPAN = ("for", "mute_for", "duration", "span")


def window(letter: Letter, policy: Policy) -> dict[str, Any] | None:
    """How long: `{until}` a moment, or `{for_s}` seconds from the message's own time; None where it does not say."""
    for key in UNTIL:
        value = find(letter.body, (key,)).value
        at = read_moment(value, policy.zone) if value is not None else None
        if at is not None:
            return {"until": stamp(at)}
    for key in (*SPAN, *UNTIL):
        value = find(letter.body, (key,)).value
        seconds = _seconds(value) if value is not None else None
        if seconds:
            return {"for_s": seconds}
    return None


def _seconds(value: object) -> int | None:
    span = read_span(value)
    if isinstance(span, Span) and span.limit is not None:
        return span.limit.of()
    try:
        return cli_span(scalar(value) or "")
    except BadInput:
        return None


def mute_of(facts: Mapping[str, Any], by: str, at: datetime) -> Mute:
    """The window that these facts open."""
    until = read_stamp(facts["until"]) if "until" in facts else at + timedelta(seconds=facts["for_s"])
    return Mute(by, at, min(until, at + LONGEST), facts.get("reason"))


def refused(letter: Letter, policy: Policy) -> Finding | None:
    """Why no window can be opened by it."""
    found = window(letter, policy)
    if found is None:
        return Finding("MSG-5", "it does not say for how long", "add `for: 4h`, or `until:` and a moment", field="for")
    if "until" in found and read_stamp(found["until"]) <= letter.at:
        return Finding("MSG-5", f"{found['until']} is over already", "give a later moment", field="until")
    return None


class MuteMessage(Incoming):
    """Reminders and notifications stop for a while: of an instruction, or to an agent."""

    type = "mute"
    aliases = ("silence", "snooze")
    senders = ("authority",)
    about = "instruction"
    example: ClassVar[Mapping[str, Any]] = {"for": "4h", "reason": "the customer's maintenance window"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        return refused(letter, policy)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        return {**(window(letter, policy) or {}), "reason": note_of(letter.body, "reason", "why", "note")}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        case.set_head(replace(case.head, mute=mute_of(taken.facts, taken.sender, taken.at)))


class UnmuteMessage(Incoming):
    """They are sent again from now on; what was not sent is not made up for."""

    type = "unmute"
    aliases = ("unsilence", "unsnooze")
    senders = ("authority",)
    about = "instruction"

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        mute = case.head.mute
        if mute is not None and mute.covers(taken.at):
            case.set_head(replace(case.head, mute=replace(mute, until=taken.at)))
