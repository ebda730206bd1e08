"""What is shown of the settings: all but what looks secret.

Counterpart: `log.py`, which masks what it writes by the same pattern and does not know this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

SECRET: Final = re.compile(
    r"(?:pass(?:word|wd|phrase)|secret|token(?!s\b)|credential|authorization|cookie|api[_-]?key|private[_-]?key|bearer)"
    r"(?!.*_file$)",
    re.I,
)
"""Keys whose values are never shown; a path to a secret is none, and `tokens` are counted. The same as in `log`."""

_URL = re.compile(r"([a-z][a-z0-9+.-]*://)\S+", re.I)
_USER = re.compile(r"([a-z][a-z0-9+.-]{0,20}://)[^\s/@]+@", re.I)
_LINE = re.compile(r"(?P<indent>[ \t]*)(?P<head>(?:[-*] +)*[*\"'`]{0,3}(?P<key>[\w .-]{1,80})[*\"'`]{0,3}\s*[:=])")
_INLINE = re.compile(
    r"(?P<head>[\"'`]?(?P<key>[\w-]{1,80})[\"'`]?\s*[:=]\s*)(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\s,{}\[\]]+)"
)


def redact(value: Any, key: str = "") -> Any:
    """The value with everything masked that looks secret: by its key, and all of a URL, which often is one itself."""
    if isinstance(value, Mapping):
        return {name: redact(each, str(name)) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(each, key) for each in value]
    if value is not None and SECRET.search(key):
        return "***"
    return _URL.sub(r"\1***", value) if isinstance(value, str) else value


def veil(text: str) -> str:
    """A text that somebody wrote, YAML or not, with the values of keys masked that look secret, and users in URLs."""
    return "\n".join(_veiled(text.split("\n")))


def _veiled(lines: list[str]) -> Iterator[str]:
    hidden: int | None = None  # the indentation of a secret key, while what follows belongs to it
    for line in lines:
        inner = line.lstrip(" \t")
        depth = len(line) - len(inner)
        if hidden is not None and (not inner or depth > hidden or (depth == hidden and inner.startswith("- "))):
            continue
        hidden = None
        found = _LINE.match(line)
        if found is not None and SECRET.search(found["key"]):
            hidden = depth
            yield f"{found['indent']}{found['head']} ***"
            continue
        yield _USER.sub(r"\1***@", _INLINE.sub(_masked, line))


def _masked(found: re.Match[str]) -> str:
    return f"{found['head']}***" if SECRET.search(found["key"]) else found[0]
