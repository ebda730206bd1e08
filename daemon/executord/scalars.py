"""Scalars as they are written, and values that nobody filled in [MEM-4, MEM-10].

Counterparts: `paper/tree.py` makes them from YAML, `pen.py` writes them. Pure.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from executord.pen import json_text, printable
from executord.values import stamp


class WrittenInt(int):
    """An integer whose spelling is not its value's: `+5`. `written` is the spelling."""

    written: str

    def __new__(cls, text: str) -> WrittenInt:
        self = super().__new__(cls, text)
        self.written = text
        return self

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        return (self.written,)


class WrittenFloat(float):
    """A decimal whose spelling is not its value's: `1.10`. `written` is the spelling."""

    written: str

    def __new__(cls, text: str) -> WrittenFloat:
        self = super().__new__(cls, text)
        self.written = text
        return self

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        return (self.written,)


def written(value: Any) -> str:
    """The scalar as it is written, for ids, names and versions: `1.10` is "1.10", True "true", None "" [MEM-4].

    A mapping or list is its JSON in one line, `{timestamp}` stays "{timestamp}": no value makes it fail.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        spelling: str | None = getattr(value, "written", None)
        return spelling if spelling is not None else str(value)
    if isinstance(value, (datetime, date)):
        return stamp(value) if isinstance(value, datetime) and value.tzinfo else value.isoformat()
    if isinstance(value, dict) and len(value) == 1:
        ((key, inner),) = value.items()
        if inner is None:
            return f"{{{key}}}"
    try:
        return json_text(value)
    except (TypeError, ValueError):
        return str(value)


def short(text: str, *, quote: bool = True) -> str:
    """At most 60 printable characters of the text, for messages."""
    text = printable(text if len(text) <= 60 else text[:57] + "…")
    return f"'{text}'" if quote else text


_WORD = r"[^\W\d][\w.\- ]{0,59}"
_BRACES = re.compile(rf"\$?\{{{{1,2}} ?{_WORD}\}}{{1,2}}\Z")
_ANGLES = re.compile(r"<(?![^<>]*(?:@|://|/>))[^\W\d][^<>\n]{0,79}>\Z|<(?:…|\.{2,3})>\Z")
_LEGEND = re.compile(r"[\w/.-]{1,40}(?: \| [\w/.-]{1,40})+\Z|[\w/.-]{1,40}(?:\|[\w/.-]{1,40}){2,}\Z")
_TBD = frozenset(["tbd", "tba", "tbc", "todo", "fixme", "xxx", "???", "t.b.d", "…", "..."]) | {
    "to be defined",
    "to be determined",
    "to be decided",
    "to be done",
    "to be announced",
    "to be confirmed",
}
_PLACEHOLDER_CHARS = 200  # longer ones are prose


def placeholder(value: Any, *, required: bool = False) -> str | None:
    """Why the value is an unfilled template, or None if it is not [MEM-10].

    Only a whole value counts, never a part of a longer text: `{agent_name}` as text or, as YAML reads it, a mapping of
    one key without a value; `<…>`; a legend such as `critical | high | medium | low`. `TBD` and its like count only
    with `required`. Not for values that are mappings by nature: `{T3: }` in a list of dependencies looks the same.
    """
    if isinstance(value, dict):
        if len(value) == 1:
            ((key, inner),) = value.items()
            if inner is None and isinstance(key, str) and _BRACES.match(f"{{{key}}}"):
                return f"{short('{' + key.strip('{}') + '}')} is a placeholder"
        return None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if not text or len(text) > _PLACEHOLDER_CHARS:
        return None
    if text[0] in "${<" and (_BRACES.match(text) or _ANGLES.match(text)):
        return f"{short(text)} is a placeholder"
    if "|" in text and _LEGEND.match(text):
        return f"{short(text)} is a legend of what is possible, not a choice"
    if required and text.rstrip(".!").lower() in _TBD | {""}:
        return f"{short(text)} says that it is still open"
    return None
