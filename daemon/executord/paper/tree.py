"""Values from YAML events: scalars as they are written, plain trees, every bound kept [MEM-4, MEM-5, SEC-0].

Counterpart: `paper`, which decides what of it counts as a file.

Rules of the house
- There is no separate pass that guards the loader: values are built from libyaml's *events*, one by one, and each bound
  (depth, nodes, expanded aliases) is checked before the next event is asked for. The recursive loader, which 100 KB of
  `[` makes crash [SEC-0], is never called.
- What comes out are plain trees of dict, list, str, int, float, bool and None; aliases are copied, nothing is shared.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from executord.errors import Finding, Unreadable
from executord.paper.gate import FILE_LIMIT
from executord.scalars import WrittenFloat, WrittenInt, short, written

try:
    from yaml._yaml import CParser as _Parser
except ImportError:  # pragma: no cover - every supported platform has wheels with libyaml
    warnings.warn("PyYAML has no libyaml here: reading is about ten times slower", RuntimeWarning, stacklevel=2)
    _Parser = yaml.SafeLoader  # type: ignore[assignment,misc]

_NOTES_LIMIT = 100  # warnings per file; a file of 20,000 equal keys is one fault, not 20,000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read before it is refused [SEC-0]: bytes, levels of nesting, values (aliases expanded)."""

    bytes: int = FILE_LIMIT
    depth: int = 64
    nodes: int = 100_000


# --- scalars [MEM-4] ---

_CONSTANTS: dict[str, Any] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_CORE_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))
_NUMBER_STARTS = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_QUOTES = {"\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c", "\u201a": "\u2018"}  # “…”, ‘…’, „…“, ‚…‘
_INT_DIGITS = 18  # what fits 64 bits everywhere; longer ones are ids, not quantities
_FLOAT_CHARS = 40


def resolve(text: str) -> Any:
    """The value of a plain scalar; what is not surely something else stays text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > _FLOAT_CHARS:
        return text if text[0] not in _QUOTES else _unquoted(text)
    if _INT.match(text):
        return read_int(text)
    if _FLOAT.match(text):
        return read_float(text)
    return text


def _unquoted(text: str) -> str:
    """A text without the typographic quotes around the whole of it, as word processors write them."""
    inner = text[1:-1]
    return inner if text[-1:] == _QUOTES[text[0]] and not {*inner} & {text[0], text[-1]} else text


def read_int(text: str) -> int | str:
    """The integer, with its spelling if that differs; more than 18 digits stay text [MEM-4]."""
    if len(text) > _INT_DIGITS + (text[0] in "+-"):
        return text
    value = int(text)
    return value if str(value) == text else WrittenInt(text)


def read_float(text: str) -> float | str:
    """The decimal, with its spelling if that differs; what overflows or is over 40 characters stays text [MEM-4]."""
    if len(text) > _FLOAT_CHARS:
        return text
    value = float(text)
    if value in (float("inf"), float("-inf")):  # 12e4567 is a commit, not a number
        return text
    return value if str(value) == text else WrittenFloat(text)


# --- trees from events ---

_WANTED = object()  # in place of a key: the next value is the key
_MERGE = object()  # in place of a key: it was `<<`
_OPEN = object()  # in place of an anchor's value: it is not complete, so an alias to it would be a cycle

_Event = Any  # yaml's events and marks are untyped
_Next = Callable[[], _Event]


def _bound(message: str, mark: Any, fix: str) -> NoReturn:
    raise Unreadable(message, line=mark.line + 1, column=mark.column + 1, code="SEC-0", fix=fix)


class _Tree:
    """Builds the value of one document from its events, keeping to the limits."""

    __slots__ = ("_limits", "_merges", "_notes", "mark")

    def __init__(self, limits: Limits, notes: list[Finding]) -> None:
        self._limits = limits
        self._notes = notes
        self._merges: dict[int, list[dict[str, Any]]] = {}
        self.mark: Any = None

    def build(self, get: _Next) -> tuple[Any, _Event]:
        """The value and the event that ended its document. `get` stands behind the document's start."""
        most, deepest = self._limits.nodes, self._limits.depth
        nodes = 0
        root: list[Any] = []  # a list around the root, so that the root needs no case of its own
        here: Any = root
        key: Any = None
        stack: list[tuple[Any, Any, str | None, int]] = []
        anchors: dict[str, tuple[Any, int]] = {}
        while True:
            event = get()
            kind = type(event)
            if kind is ScalarEvent:
                nodes += 1
                if nodes > most:
                    self._too_many(event.start_mark)
                text = event.value
                if event.anchor is not None:
                    anchors[event.anchor] = (_scalar(event), 1)
                if key is _WANTED:
                    key = self._key(text, here, event, stack)
                    continue
                value = resolve(text) if event.implicit[0] else _scalar(event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                nodes += 1
                if len(stack) >= deepest:
                    _bound(f"nested deeper than {deepest} levels", event.start_mark, "make it flatter")
                if not stack:
                    self.mark = event.start_mark
                if event.anchor is not None:
                    anchors[event.anchor] = (_OPEN, 0)
                stack.append((here, key, event.anchor, nodes))
                if kind is MappingStartEvent:
                    here, key = {}, _WANTED
                else:
                    here, key = [], None
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value = here
                if self._merges:
                    value = self._merged(value)
                here, key, anchor, began = stack.pop()
                if anchor is not None:
                    anchors[anchor] = (value, nodes - began + 1)
            elif kind is AliasEvent:
                value, size = self._alias(event, anchors)
                nodes += size
                if nodes > most:
                    self._too_many(event.start_mark)
                value = self._copy(value, deepest - len(stack), event.start_mark)
            elif kind is DocumentEndEvent:
                return root[0], event
            else:  # pragma: no cover - the parser sends nothing else inside a document
                raise Unreadable(f"unexpected {kind.__name__}", code="MEM-13")
            if key is None:
                here.append(value)
            elif key is _WANTED:
                key = self._complex_key(value, here, event, stack)
            elif key is _MERGE:
                self._merge(here, value)
                key = _WANTED
            else:
                here[key] = value
                key = _WANTED

    def _key(self, text: str, here: dict[str, Any], event: _Event, stack: list[Any]) -> Any:
        """A scalar key is its text as written: `1.10`, `no`, `007` and `true` are keys like any other."""
        if text in here:
            self._twice(text, event.start_mark, stack)
        return _MERGE if text == "<<" and event.implicit[0] else text

    def _complex_key(self, value: Any, here: dict[str, Any], event: _Event, stack: list[Any]) -> str:
        key = written(value)
        if isinstance(value, (dict, list)):
            kind = "mapping" if isinstance(value, dict) else "list"
            self._note(f"a key that is a {kind} is read as the text {short(key)}", event.end_mark, "quote the key")
        if key in here:
            self._twice(key, event.start_mark, stack)
        return key

    def _twice(self, key: str, mark: Any, stack: list[Any]) -> None:
        path = [part for _, part, _, _ in stack if isinstance(part, str)]
        field = ".".join([*path, key])
        self._note(f"the key {short(key)} stands here again; the last one counts", mark, "keep one of them", field)

    def _note(self, message: str, mark: Any, fix: str, field: str | None = None) -> None:
        if len(self._notes) < _NOTES_LIMIT:
            place = {"line": mark.line + 1, "column": mark.column + 1}
            self._notes.append(Finding("MEM-5", message, fix, "warning", field and short(field, quote=False), **place))

    def _alias(self, event: _Event, anchors: dict[str, tuple[Any, int]]) -> tuple[Any, int]:
        name = event.anchor
        found = anchors.get(name)
        if found is None:
            raise yaml.MarkedYAMLError(None, None, f"`*{name}` refers to nothing", event.start_mark)
        if found[0] is _OPEN:
            _bound(f"`*{name}` stands inside what it refers to", event.start_mark, "write the value out")
        return found

    def _copy(self, value: Any, room: int, mark: Any) -> Any:
        if not isinstance(value, (dict, list)):
            return value
        if room <= 0:
            _bound(f"nested deeper than {self._limits.depth} levels by an alias", mark, "make it flatter")
        if isinstance(value, dict):
            return {key: self._copy(inner, room - 1, mark) for key, inner in value.items()}
        return [self._copy(inner, room - 1, mark) for inner in value]

    def _too_many(self, mark: Any) -> NoReturn:
        message = f"more than {self._limits.nodes} values, aliases expanded"
        _bound(message, mark, "split the file, and write out what anchors and aliases repeat")

    def _merge(self, here: dict[str, Any], value: Any) -> None:
        """`<<` with a mapping or mappings adds what is missing; with anything else it is a key like any other."""
        sources = value if isinstance(value, list) and value else [value]
        if all(isinstance(source, dict) for source in sources):
            self._merges.setdefault(id(here), []).extend(sources)
        else:
            here["<<"] = value

    def _merged(self, value: Any) -> Any:
        sources = self._merges.pop(id(value), None)
        if sources is not None:
            for source in sources:
                for key, inner in source.items():
                    value.setdefault(key, inner)
        return value


def _scalar(event: _Event) -> Any:
    """A scalar that is quoted or has a tag. The four tags that say what is resolved anyway count, others do not."""
    if event.implicit[0] or event.tag in _CORE_TAGS:
        return resolve(event.value)
    return event.value


def documents(raw: bytes, limits: Limits, notes: list[Finding]) -> Iterator[tuple[Any, Any]]:
    """Each document's value and mark, as far as the caller asks.

    A document is handed out only when it is known to be whole: text behind it that is neither `...` nor `---` is a
    fault of this document, while whatever stands behind these is not looked at.
    """
    get: _Next = _Parser(raw).get_event
    get()  # the stream's start
    event = get()
    while type(event) is not StreamEndEvent:
        tree = _Tree(limits, notes)
        value, end = tree.build(get)
        if end.explicit:
            yield value, tree.mark
            event = get()
        else:
            event = get()
            yield value, tree.mark


# --- places ---


def find(raw: bytes, wanted: tuple[str, ...]) -> tuple[int, int] | None:
    """Line and column (from 1) of the value at this path, or None; raises what the YAML parser raises."""
    get: _Next = _Parser(raw).get_event
    found: tuple[int, int] | None = None
    counts = False  # whether we are in the document that counts: the first that is a mapping
    # One step per open collection: the position (list) or key (mapping) of the value that comes next; None: a key does.
    path: list[int | str | None] = []
    while True:
        event = get()
        kind = type(event)
        if kind is StreamEndEvent or (kind is DocumentEndEvent and counts):
            return found
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            path.pop()
            _advance(path)
        elif kind in _VALUES:
            counts = counts or (not path and kind is MappingStartEvent)
            if path and path[-1] is None and kind is ScalarEvent:
                path[-1] = event.value
                continue
            if counts and len(path) == len(wanted) and _same(path, wanted):
                found = (event.start_mark.line + 1, event.start_mark.column + 1)
            if kind is ScalarEvent or kind is AliasEvent:
                _advance(path)
            elif len(path) >= _DEEPEST:
                return None
            else:
                path.append(None if kind is MappingStartEvent else 0)


_VALUES = frozenset({ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent})
_DEEPEST = Limits().depth


def _same(path: list[int | str | None], wanted: tuple[str, ...]) -> bool:
    return all(step is not None and str(step) == key for step, key in zip(path, wanted, strict=True))


def _advance(path: list[int | str | None]) -> None:
    """One value is complete; of a mapping it may also have been a key that is no scalar."""
    if path:
        step = path[-1]
        path[-1] = step + 1 if isinstance(step, int) else "" if step is None else None
