"""The text of a configuration: a YAML document as plain data, and where each key of it stands.

Counterpart: `executord/reading/`, which reads what others write, tolerantly; this is ours, and a key that stands
twice is an error.

- Scalars mean what they say: `no` and `2026-12-25` are texts.
- The pure loader reads it: 100 KB of `[` crash the C one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml

from executord.errors import Finding
from executord.pen import printable

LARGEST: Final = 1 << 20  # bytes of a configuration
_MOST_NODES: Final = 50_000

Path = tuple[str | int, ...]


class Mark(NamedTuple):
    """Line and column of a key and of its value, from 1."""

    key: tuple[int, int]
    value: tuple[int, int]


class BadText(Exception):
    """A fault of the text itself, with its place."""

    def __init__(self, message: str, fix: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.finding = Finding("OPS-9", message, fix or None, line=line, column=column)


_SCALARS: Final[tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...]] = (
    (re.compile(r"(?:null|Null|NULL|~|)\Z"), lambda text: None),
    (re.compile(r"(?:true|True|TRUE)\Z"), lambda text: True),
    (re.compile(r"(?:false|False|FALSE)\Z"), lambda text: False),
    (re.compile(r"[-+]?(?:0|[1-9]\d{0,17})\Z"), int),
    (re.compile(r"[-+]?(?:0|[1-9]\d{0,15})\.\d{1,16}\Z"), float),
)


def scalar(text: str) -> Any:
    """What an unquoted scalar means [MEM-4]: dates, times and `no` stay text."""
    return next((read(text) for pattern, read in _SCALARS if pattern.match(text)), text)


def document(raw: bytes) -> tuple[dict[str, Any], dict[Path, Mark]]:
    """The mapping that a file holds, and where each key of it stands."""
    if len(raw) > LARGEST:
        raise BadText(f"the file has {len(raw)} bytes, at most {LARGEST} are read", "is it the right file?")
    try:
        node = yaml.compose(raw, Loader=yaml.SafeLoader)
        marks: dict[Path, Mark] = {}
        data = _plain(node, (), marks, [_MOST_NODES]) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise BadText(f"not YAML: {error.problem or error.context}", "check quotes and indentation", *place) from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadText(f"not YAML: {getattr(error, 'reason', type(error).__name__)}", "save it as UTF-8") from None
    except RecursionError:
        raise BadText("it is nested too deeply", "is it the right file?") from None
    if data is None:
        return {}, marks
    if not isinstance(data, dict):
        raise BadText("it is not a mapping of keys", "begin with keys, e.g. `timezone: UTC`", 1, 1)
    return data, marks


def _plain(node: Any, at: Path, marks: dict[Path, Mark], left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise BadText("it is too large, or its aliases multiply", "write less")
    if isinstance(node, yaml.ScalarNode):
        text = printable(node.value)  # a lone surrogate has no spelling in UTF-8
        return scalar(text) if node.style is None else text
    if isinstance(node, yaml.SequenceNode):
        for n, each in enumerate(node.value):
            marks[*at, n] = Mark(_place(each), _place(each))
        return [_plain(each, (*at, n), marks, left) for n, each in enumerate(node.value)]
    found: dict[str, Any] = {}
    for key, each in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise BadText("a key is a list or a mapping", "use a text", *_place(key))
        word = printable(key.value)
        if word in found:
            raise BadText(f"{word} stands there twice", "keep one of them", *_place(key))
        marks[*at, word] = Mark(_place(key), _place(each))
        found[word] = _plain(each, (*at, word), marks, left)
    return found


def _place(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
