"""What a value may be: the validators of single values, and the types that the rows are made of.

Counterparts: `executord/values.py`, which reads the values of others, tolerantly; `rows.py`, which puts these together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from executord.errors import BadInput
from executord.settings.crontab import FIX, cron
from executord.values import Span, agent_name, priority, read_span, safe_id, tier, whole_number, why_not, zone_named


def refusal(message: str, fix: str = "") -> PydanticCustomError:
    """The error of a validator, with what to write instead; braces would be taken for a template."""
    return PydanticCustomError("executord", "{words}", {"words": message, "fix": fix})


def advice(name: str, known: Iterable[str]) -> str:
    """What may have been meant."""
    words = sorted(known)
    near = get_close_matches(name.lower().replace("-", "_"), words, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"possible are {', '.join(words)}"


def _word(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # `timezone: 5` is refused by who knows zones, not for its type
    if isinstance(value, str) and not value.strip():
        raise refusal("it is empty", "give a text, or leave the key out")
    return value


def _listed(value: object) -> object:
    """One value where a list may stand is a list of one."""
    return (value,) if isinstance(value, (str, int, float, Mapping)) else value


def whole(value: object) -> object:
    """A whole number; of a text from the environment, or quoted, the number it holds."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,15}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise refusal(why_not(value, "whole number"), "use e.g. 5")
    return value


def _span(value: object) -> str:
    """A text as MEM-9 reads it; `read_span` makes it time again."""
    if not isinstance(value, bool) and isinstance(read_span(value), Span):
        return str(value)
    raise refusal(why_not(value), 'use e.g. "4 hours" or "1 hour - 2 hours"')


def seconds(text: object) -> float:
    """Seconds of a span that must say its unit and has one end; fractions of a second too, which MEM-9 has not."""
    if isinstance(text, str):
        if hit := re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*(ms|milliseconds?|s|secs?|seconds?)\s*", text):
            return float(hit[1]) / (1000 if hit[2].startswith("m") else 1)
        span = read_span(text)
        if isinstance(span, Span) and span.single and span.limit is not None and re.search("[a-zA-Z]", text):
            return float(span.limit.of())
    raise refusal(why_not(text, "span of time"), 'say the unit, e.g. "2 seconds"')


def _waiting(value: object) -> str:
    if seconds(value) > 3600:
        raise refusal(f"{value} is longer than an hour", 'use e.g. "2 seconds"')
    return str(value)


def _turning(value: object) -> str:
    if not 0.05 <= seconds(value) <= 86_400:
        raise refusal(f"{value} is not between a twentieth of a second and a day", 'use e.g. "60 seconds"')
    return str(value)


def _zone(value: object) -> object:
    if not isinstance(value, str) or zone_named(value) is None:
        raise refusal(why_not(value, "time zone"), "use a name such as Europe/Berlin")
    return value


def agent_key(value: object) -> str:
    """A name in the spelling in which agents are compared [MEM-8]."""
    name = agent_name(value) if isinstance(value, str) else ""
    if not safe_id(name):  # it becomes the name of an inbox folder
        raise refusal(why_not(value, "name of an agent"), "use e.g. technical-support-engineer")
    return name


def _by_agent(value: object) -> object:
    """Keys in the spelling in which agents are compared [MEM-8]; a name without a body has the defaults."""
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for key, row in value.items():
        name = agent_key(key)
        if name in found:
            raise refusal(f"{name} stands there twice, as {key!r} too", "keep one of them")
        found[name] = {} if row is None else row
    return found


def _types(value: object) -> object:
    return tuple(each.lower().replace("-", "_") if isinstance(each, str) else each for each in _iterable(value))


def _iterable(value: object) -> Iterable[Any]:
    listed = _listed(value)
    if not isinstance(listed, (list, tuple)):
        raise refusal(why_not(value, "list"), "use e.g. [reassign, hold] or all")
    return listed


def _owner(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise refusal(why_not(value, "user id or group"), "use a number (uid) or the name of a group")
    number = whole_number(value) if isinstance(value, str) else None
    return value if number is None else number


def _priorities(value: object) -> object:
    found = []
    for each in _iterable(value):
        if (said := priority(each)) is None:
            raise refusal(why_not(each, "priority"), "use critical, high, medium or low")
        found.append(said)
    return tuple(found)


def _tiers(value: object) -> object:
    found = []
    for each in _iterable(value):
        said = 0 if each in (0, "0") else tier(each)
        if said is None:
            raise refusal(why_not(each, "tier"), "use 0, 1, 2, 3 or 4")
        found.append(said)
    return tuple(found)


def _mark(value: object) -> str:
    """`75%` of the limit, or `-30m` before it [SLA-8]."""
    if isinstance(value, str):
        if (hit := re.fullmatch(r"(\d{1,3})\s?%", value.strip())) and 0 < int(hit[1]) < 100:
            return f"{int(hit[1])}%"
        if value.strip().startswith("-") and isinstance(read_span(value.strip()[1:]), Span):
            return value.strip()
    raise refusal(why_not(value, "warning mark"), 'use e.g. "75%" or "-30m"')


def _rung(value: object) -> str:
    """When a rung is due: a span, or the interval I and its parts."""
    if isinstance(value, str) and re.fullmatch(r"I(/[1-9])?", value.strip()):
        return value.strip()
    return _span(value)


def _cron(value: object) -> object:
    if value is None or (isinstance(value, str) and value.strip().lower() in ("off", "never", "none", "no")):
        return None
    try:
        cron(str(value) if isinstance(value, str) else "", UTC)
    except BadInput as fault:
        raise refusal(fault.message if isinstance(value, str) else why_not(value, "cron expression"), FIX) from None
    return value


def _money(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise refusal(why_not(value, "sum of money"), "use e.g. 25 or 2.50")
    return value


Row = TypeVar("Row")

Word = Annotated[str, BeforeValidator(_word)]
Listed = Annotated[tuple[Row, ...], BeforeValidator(_listed)]
Words = Listed[Word]
SomeWords = Annotated[tuple[Word, ...], Field(min_length=1), BeforeValidator(_listed)]
Count = Annotated[int, Field(ge=0, le=10**15), BeforeValidator(whole)]
Number = Annotated[int, Field(ge=1, le=10**15), BeforeValidator(whole)]
Money = Annotated[float, Field(ge=0), BeforeValidator(_money)]
SpanText = Annotated[str, BeforeValidator(_span)]
Waiting = Annotated[str, BeforeValidator(_waiting)]
Turning = Annotated[str, BeforeValidator(_turning)]
RungGap = Annotated[str, BeforeValidator(_rung)]
Cron = Annotated[str | None, BeforeValidator(_cron)]
WarningMark = Annotated[str, BeforeValidator(_mark)]
ZoneName = Annotated[str, BeforeValidator(_zone)]
AgentName = Annotated[str, BeforeValidator(agent_key)]
ByAgent = Annotated[dict[str, Row], BeforeValidator(_by_agent)]
Types = Annotated[tuple[Word, ...], BeforeValidator(_types)]
Owner = Annotated[int | str, BeforeValidator(_owner)]
Priorities = Annotated[tuple[str, ...], BeforeValidator(_priorities)]
Tiers = Annotated[tuple[int, ...], BeforeValidator(_tiers)]
