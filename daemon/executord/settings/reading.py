"""Reading: which file counts, what the environment says over it, and the settings or the faults that come of it.

Counterparts: `document.py`, the text of the file; `faults.py`, the words for what is wrong; `model.py`, what is made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from executord.errors import BadConfiguration, Finding
from executord.evolve import replace
from executord.pen import printable
from executord.settings.document import LARGEST, BadText, Mark, Path, document, scalar
from executord.settings.faults import noted, unknown_names, words_of
from executord.settings.model import Settings
from executord.settings.values import advice

PLACES: Final = ("/etc/executord/config.yaml", "~/.config/executord/config.yaml")
"""Where a configuration is looked for when nobody names one, in this order."""

PREFIX: Final = "EXECUTORD_"
# Not keys: they say who calls, which file to read, where the log goes, or what a program was started for [SES-10].
NOT_KEYS: Final = frozenset(
    ("CONFIG", "AGENT", "WORKER", "LOG_FILE", "LOG_LEVEL", "INSTRUCTION", "SESSION", "TASK", "ATTEMPT", "ORDER",
     "RESULT", "INBOX", "OUTPUTS", "REPLY_TO", "REASONING_EFFORT", "KEY", "TYPE")
)  # fmt: skip
NO_METRICS: Final = "leave `metrics` out; `executord status --json` and `sla report --json` have the numbers"
_WORD_GAP: Final = re.compile(r"[\s_-]+")


def find(path: str | None, environ: Mapping[str, str]) -> str | None:
    """The file that counts: named, else `EXECUTORD_CONFIG`, else the first of `PLACES` that is there; None = defaults.

    Raises BadConfiguration if one that was named is not there.
    """
    named = path or environ.get(f"{PREFIX}CONFIG")
    if named:
        if not os.path.exists(named):
            where = "--config" if path else f"{PREFIX}CONFIG"
            raise BadConfiguration(f"{where}: there is no such file", path=named, code="OPS-9", fix="check the path")
        return named
    home = environ.get("HOME") or os.path.expanduser("~")
    for place in PLACES:
        full = place.replace("~", home, 1)
        if os.path.exists(full):
            return full
    return None


def check(path: str | None, environ: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """Settings (None if there is an error) and all that is to be said about them, by line, for `config validate`.

    Raises BadConfiguration only if a file that was named is not there or cannot be opened.
    """
    source = find(path, environ)
    raw = b""
    if source is not None:
        try:
            with open(source, "rb") as file:
                raw = file.read(LARGEST + 1)
        except OSError as error:
            raise BadConfiguration(f"it cannot be read: {error.strerror}", path=source, code="OPS-9") from error
    notes: list[Finding] = []
    marks: dict[Path, Mark] = {}
    said: dict[Path, str] = {}
    made = None
    try:
        data, marks = document(raw)
        made = Settings.model_validate(_overlay(data, environ, notes, said))
        made._source = source
        notes += (noted(at, message, fix, marks, said, source) for at, message, fix in unknown_names(made))
        if made.metrics.model_fields_set:
            found = "this version writes no metrics and pings nobody"
            note = noted(("metrics",), found, NO_METRICS, marks, said, source)
            notes.append(replace(note, severity="warning"))
    except BadText as fault:
        notes.append(fault.finding.at(source))
    except ValidationError as error:  # never str() of it: it repeats the input
        details = error.errors(include_url=False, include_input=True)
        notes += (noted(each["loc"], *words_of(each), marks, said, source) for each in details)
    notes.sort(key=lambda note: (note.line or 0, note.column or 0, note.field or ""))
    failed = any(note.severity == "error" for note in notes)
    return None if failed else made, notes


def load(path: str | None, environ: Mapping[str, str]) -> Settings:
    """The settings that count [OPS-9].

    `path` is that of --config. Raises BadConfiguration (exit 78), which names the first error with its place, and how
    many more there are.
    """
    made, notes = check(path, environ)
    errors = [note for note in notes if note.severity == "error"]
    if made is not None:
        return made
    first = errors[0]
    more = f" (and {len(errors) - 1} more: see `executord config validate`)" if len(errors) > 1 else ""
    message = f"{first.field}: {first.message}" if first.field else first.message
    raise BadConfiguration(
        message + more, path=first.path, line=first.line, column=first.column, fix=first.fix, code=first.code
    )


def _same_key(one: str, other: str) -> bool:
    return _WORD_GAP.sub("-", one).lower() == _WORD_GAP.sub("-", other).lower()


def _overlay(data: dict[str, Any], environ: Mapping[str, str], notes: list[Finding], said: dict[Path, str]) -> Any:
    """The data with what `EXECUTORD_…` variables say over it; `__` goes one level down. `said` has who said what."""
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable.removeprefix(PREFIX) in NOT_KEYS:
            continue
        if not environ[variable].strip():
            continue  # as everywhere: a variable that is empty is one that is not set
        first, *rest = variable.removeprefix(PREFIX).lower().split("__")
        if first not in Settings.model_fields:
            meant = advice(first, Settings.model_fields)
            severity = "error" if "mean" in meant else "warning"  # a stranger's variable is no reason not to start
            fix = meant.replace(first, first.upper()) if severity == "error" else None
            notes.append(Finding("OPS-9", f"{variable} is no setting", fix, severity, field=variable))
            continue
        text = environ[variable]
        value: Any = text if first in ("memory", "state") else _from_variable(variable, text, notes)
        data, at = dict(data), first
        level = data
        spelled: Path = (first,)
        for part in rest:
            inner = level.get(at)
            level[at] = dict(inner) if isinstance(inner, Mapping) else {}
            level = level[at]
            at = next((key for key in level if _same_key(key, part)), part)
            spelled = (*spelled, at)
        level[at] = value
        said[spelled] = variable
    return data


def _from_variable(variable: str, text: str, notes: list[Finding]) -> Any:
    """Lists and mappings as YAML, everything else as the text it is."""
    text = printable(text)
    if not text.lstrip().startswith(("[", "{")):
        return scalar(text)
    try:
        return document(f"value: {text}".encode())[0]["value"]
    except BadText as fault:
        notes.append(Finding("OPS-9", f"{variable}: {fault}", "write it as YAML or JSON", field=variable))
        return None
