"""What is shown of the settings: all but what looks secret.

Counterpart: `log.py`, which masks what it writes by the same pattern and does not know this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

SECRET: Final = re.compile(
    r"(?:pass(?:word|wd|phrase)|secret|token(?!s\b)|credential|authorization|cookie|api[_-]?key|private[_-]?key|bearer)"
    r"(?!.*_file$)",
    re.I,
)
"""Keys whose values are never shown; a path to a secret is none, and `tokens` are counted. The same as in `log`."""

_URL = re.compile(r"([a-z][a-z0-9+.-]*://)\S+", re.I)


def redact(value: Any, key: str = "") -> Any:
    """The value with everything masked that looks secret: by its key, and all of a URL, which often is one itself."""
    if isinstance(value, Mapping):
        return {name: redact(each, str(name)) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(each, key) for each in value]
    if value is not None and SECRET.search(key):
        return "***"
    return _URL.sub(r"\1***", value) if isinstance(value, str) else value
