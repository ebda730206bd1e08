"""What others do in a rehearsal: a YAML or JSON list of steps, each at its instant [CON-7].

Counterpart: `__init__.py`, which carries them out. The whole script is checked before anything is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from executord.errors import BadInput, ExecutordError
from executord.paper.tree import Limits, documents, read_float, read_int
from executord.pen import dump
from executord.values import cli_span, read_stamp

KINDS = ("write", "append", "move", "delete", "restart", "down_until")
LIMITS = Limits(bytes=1 << 24, nodes=2_000_000)
_KEYS: dict[str, set[str]] = {
    "write": {"content", "text"}, "append": {"content", "text"}, "move": {"to"}, "delete": set(), "restart": set(),
    "down_until": set(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `kind` is one of `KINDS`, `index` its place in the list, from 0; paths count from the memory."""

    index: int
    at: datetime
    kind: str
    path: str = ""
    to: str = ""
    data: bytes = b""
    until: datetime | None = None

    def bad(self, why: str, fix: str | None = None) -> BadInput:
        """The error that names this step."""
        return bad_step(self.index, why, fix)


def bad_step(index: int, why: str, fix: str | None = None) -> BadInput:
    """An error in the step with this index."""
    return BadInput(f"step {index} of the script (counted from 0): {why}", code="CON-7", fix=fix)


def read_when(text: object, start: datetime) -> datetime:
    """A moment, RFC 3339 or `+SPAN` from `start`. Raises `BadInput`."""
    if not isinstance(text, str):
        raise BadInput(f"{text!r} is not a time", code="CON-0", fix="use e.g. +10m or 2026-11-20T09:10:00Z")
    if not text.startswith("+"):
        return read_stamp(text)
    try:
        return start + timedelta(seconds=cli_span(text[1:]))
    except OverflowError as error:
        raise BadInput(f"{text} is too far away", code="CON-0", fix="use e.g. +10m") from error


def read_script(raw: bytes, start: datetime) -> tuple[Step, ...]:
    """The steps of a script, as they stand there. Raises `BadInput`, naming the index of a step that is wrong."""
    data = _load(raw)
    if data is None:
        return ()
    if not isinstance(data, list):
        raise BadInput("the script is not a list", code="CON-7", fix="begin each step with `- at: …`")
    return tuple(_step(index, each, start) for index, each in enumerate(data))


def _load(raw: bytes) -> Any:
    if len(raw) > LIMITS.bytes:
        raise BadInput(f"the script has {len(raw)} bytes, at most {LIMITS.bytes} are read", code="SEC-0")
    if raw.lstrip()[:1] == b"[":
        try:
            return json.loads(raw.decode("utf-8-sig"), parse_int=read_int, parse_float=read_float, parse_constant=str)
        except (ValueError, RecursionError):
            pass  # YAML's flow style looks like it, and YAML says where the fault is
    try:
        return next((value for value, _ in documents(raw, LIMITS, []) if value is not None), None)
    except ExecutordError as error:
        raise BadInput(f"the script cannot be read: {error}", code="CON-7") from error
    except Exception as error:  # the boundary of a file: whatever the parser raises
        mark = getattr(error, "problem_mark", None)
        place = {"line": mark.line + 1, "column": mark.column + 1} if mark is not None else {}
        why = getattr(error, "problem", None) or str(error).split("\n")[0]
        said, fix = f"the script cannot be read: {why}", "write a YAML or JSON list"
        raise BadInput(said, code="CON-7", fix=fix, **place) from error


def _step(index: int, given: Any, start: datetime) -> Step:
    if not isinstance(given, Mapping):
        raise bad_step(index, "it is not a mapping", "use {at: +10m, write: PATH, content: {…}}")
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        said = " and ".join(kinds) or "nothing to do"
        raise bad_step(index, f"it says {said}", f"use exactly one of: {', '.join(KINDS)}")
    kind = kinds[0]
    odd = sorted(str(key) for key in set(given) - {"at", kind} - _KEYS[kind])
    if odd:
        takes = ", ".join(sorted({"at", kind, *_KEYS[kind]}))
        raise bad_step(index, f"unknown key {odd[0]!r}", f"`{kind}` takes: {takes}")
    if "at" not in given:
        raise bad_step(index, "it does not say when", "add `at: +10m`")
    at = _of(index, lambda: read_when(given["at"], start))
    if at < start:
        raise bad_step(index, f"{given['at']} lies before the start", "use a time from --start on")
    step = Step(index, at, kind)
    if kind == "restart":
        if given[kind] is not True:
            raise bad_step(index, f"restart: {given[kind]!r}", "use restart: true")
        return step
    if kind == "down_until":
        until = _of(index, lambda: read_when(given[kind], start))
        if until < at:
            raise bad_step(index, f"it is down until {given[kind]}, which is before {given['at']}", "use a later time")
        return Step(index, at, kind, until=until)
    path = _path(index, given[kind])
    if kind == "move":
        if "to" not in given:
            raise bad_step(index, "it does not say where to", "add `to: PATH`")
        return Step(index, at, kind, path, to=_path(index, given["to"]))
    return Step(index, at, kind, path, data=_data(index, given) if kind != "delete" else b"")


def _of(index: int, read: Callable[[], datetime]) -> datetime:
    try:
        return read()
    except BadInput as error:
        raise bad_step(index, error.message, error.fix) from error


def _path(index: int, given: object) -> str:
    """A path that stays inside the memory."""
    parts = given.split("/") if isinstance(given, str) else []
    if parts and parts[-1] == "":
        parts = parts[:-1]
    if not parts or any(part in ("", ".", "..") for part in parts) or "\0" in str(given):
        raise bad_step(
            index, f"{given!r} is not a path inside the memory", "use e.g. acme-42/tasks/pending/T3.yaml, without `..`"
        )
    return "/".join(parts)


def _data(index: int, given: Mapping[str, Any]) -> bytes:
    if ("content" in given) == ("text" in given):
        raise bad_step(index, "it needs either content or text", "use content: {…} for YAML, text: … for anything else")
    if "text" in given:
        if not isinstance(given["text"], str):
            raise bad_step(index, f"text: {given['text']!r} is not a text", "quote it")
        return given["text"].encode("utf-8", "surrogatepass")
    if not isinstance(given["content"], Mapping):
        raise bad_step(index, "content is not a mapping", "use content: {key: value}, or text: …")
    return dump(given["content"])
