"""Writing YAML and JSON lines so that every reader sees the same: values -> text [MEM-14, MEM-16, CON-6].

Counterpart: `paper`, which reads them back.

Rules of the house
- A text stays a text for every reader, YAML 1.1 and 1.2: whatever might be taken for something else is quoted.
- Nothing that can be read makes writing fail. A lone surrogate (from a file name that is not UTF-8) has no spelling
  that all readers accept; it is written as the six characters `\\udcff`, and so it is read back. Use `printable` on
  such a name *before* it becomes part of an id or of a line's name, else what is
  read is not the name that was noted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from executord.values import stamp

# Plain only if it begins with a letter, `_` or `/` and holds nothing that could mean something: no "# " or ": ", no
# quotes or brackets, no space at the end. What is not matched is quoted, which is never wrong.
# Run by run, each possessive: no alternative begins like another, so there is nothing to try again.
_PLAIN = re.compile(r"[A-Za-zÀ-ɏ_/](?:[A-Za-z0-9À-ɏ_./@+,;()%=–—…€-]++|:(?![\s]|\Z)| (?![\s#]|\Z))*\Z")
_WORDS = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "none", "undefined"])
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?\Z")

# Outside YAML's printable set, or a line break to some readers only (U+0085, U+2028, U+2029), or a byte order mark.
# Surrogates are in it because no escape for them is accepted by libyaml.
_SPECIAL = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_NO_LITERAL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]|^[ \n]|\n +(?:\n|\\Z)"
)

# C0 and C1 controls, line and paragraph separators, and what turns the direction of writing.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")

_SHORT = 64  # characters
_KEY_LIMIT = 1000
"""Characters; a YAML reader gives up looking for the `:` of a key after 1,024."""


def printable(text: str) -> str:
    """The text with each lone surrogate as the six characters `\\udcff`: what dump and journal_line write for it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def safe_text(text: object) -> str:
    """A text that can be written anywhere, in one line: controls and bytes that are no UTF-8 as backslash escapes."""
    text = str(text)
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub(_escaped, text)


def _escaped(hit: re.Match[str]) -> str:
    code = ord(hit[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name, as os.fsdecode keeps it
        return f"\\x{code - 0xDC00:02x}"
    known = {9: "\\t", 10: "\\n", 13: "\\r"}
    return known.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def dump(data: Mapping[str, Any], *, schema: str | None = None) -> bytes:
    """The mapping as block-style YAML, keys in their order, ready to be published [MEM-16].

    `schema` becomes a first line `# yaml-language-server: $schema=…`, by which editors check the file.
    Read back by `paper.parse` or any YAML reader it is the same data; integers of more than 18 digits come back
    from `paper.parse` as text. Tuples, sets (sorted) and other iterables are written as lists.

    Raises TypeError for a value that has no spelling, ValueError for a moment without a zone.
    """
    out: list[str] = []
    if schema is not None:
        out.append(f"# yaml-language-server: $schema={printable(' '.join(schema.split()))}\n")
    if data:
        _mapping(data, "", "", out)
    else:
        out.append("{}\n")
    return "".join(out).encode("utf-8")


def journal_line(entry: Mapping[str, Any]) -> bytes:
    """One journal line, `- {json}` and a newline, the same to JSON and YAML readers [CON-6].

    Moments become `stamp`s, sets sorted lists. Raises TypeError or ValueError for what JSON cannot hold.
    """
    text = _encode_json(entry if type(entry) is dict else dict(entry))
    if not text.isascii() or "\x7f" in text:
        text = _SPECIAL.sub(_escape, text)
    return b"- " + text.encode("utf-8") + b"\n"


def json_text(value: Any) -> str:
    """The value as one line of JSON, for people and for keys that are no scalars."""
    return _encode_json(value)


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written")


_encode_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_as_json).encode


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def _quoted(text: str) -> str:
    """Double-quoted, in one line. JSON's escapes are also YAML's."""
    return _SPECIAL.sub(_escape, encode_basestring(text))


def _text(text: str) -> str:
    return _short(text) if len(text) <= _SHORT else _spelled(text)


@lru_cache(maxsize=4096)
def _short(text: str) -> str:
    return _spelled(text)  # names, words and instants come again and again


def _spelled(text: str) -> str:
    if _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    return _quoted(text)


@lru_cache(maxsize=4096)
def _key(key: str) -> str:
    text = _text(key)
    return f"{text}:" if len(text) <= _KEY_LIMIT else f"? {_quoted(key)}\n:"


def _mapping(data: Mapping[str, Any], first: str, pad: str, out: list[str]) -> None:
    """Write the mapping's lines; the first one continues a line that has begun with `first` instead of `pad`."""
    lead = first
    for key, value in data.items():
        name = _key(key) if type(key) is str else _key(_key_text(key))
        if "\n" in name:
            name = name.replace("\n", "\n" + pad)
        kind = type(value)
        if kind is str:
            if "\n" in value:
                out.append(f"{lead}{name} {_block(value, pad + '  ')}\n")
            else:
                out.append(f"{lead}{name} {_text(value)}\n")
        elif value is None:
            out.append(f"{lead}{name} null\n")
        elif kind is dict and value:
            out.append(f"{lead}{name}\n")
            inner = pad + "  "
            _mapping(value, inner, inner, out)
        elif kind is list and value:
            out.append(f"{lead}{name}\n")
            inner = pad + "  "
            _sequence(value, inner, inner, out)
        else:
            _other(value, f"{lead}{name}", pad, out)
        lead = pad


def _sequence(items: Iterable[Any], first: str, pad: str, out: list[str]) -> None:
    lead = first
    inner = pad + "  "
    for value in items:
        kind = type(value)
        if kind is str:
            out.append(f"{lead}- {_block(value, inner) if chr(10) in value else _text(value)}\n")
        elif kind is dict and value:
            _mapping(value, lead + "- ", inner, out)
        elif kind is list and value:
            _sequence(value, lead + "- ", inner, out)
        else:
            _other(value, lead + "-", pad, out)
        lead = pad


def _other(value: Any, head: str, pad: str, out: list[str]) -> None:
    """Numbers and null, and whatever is not exactly a str, dict or list."""
    plain = _scalar(value)
    if plain is None:
        value = dict(value) if isinstance(value, Mapping) else _items(value)
        if value:
            inner = pad + "  "
            out.append(f"{head}\n")
            (_mapping if type(value) is dict else _sequence)(value, inner, inner, out)
            return
        plain = "{}" if type(value) is dict else "[]"
    elif isinstance(value, str) and "\n" in value:
        plain = _block(value, pad + "  ")
    out.append(f"{head} {plain}\n")


def _items(value: Any) -> list[Any]:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be written")


def _scalar(value: Any) -> str | None:
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _text(str.__str__(value))
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    return None


def _float(value: float) -> str:
    as_read = getattr(value, "written", None)
    if as_read is not None and _NUMBER.match(as_read):
        return str(as_read)
    text = float.__repr__(value)
    if "e" in text and "." not in text:
        return text.replace("e", ".0e")  # YAML 1.1 takes 1e-05 for a text
    return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(text, text)


def _key_text(key: Any) -> str:
    text = _scalar(key)
    if text is None:
        raise TypeError(f"{type(key).__name__} cannot be a key")
    return str.__str__(key) if isinstance(key, str) else text


def _block(text: str, pad: str) -> str:
    """A text of several lines as a literal block where that is safe, else double-quoted."""
    if _NO_LITERAL.search(text):
        return _quoted(text)
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    mark = ("-", "", "+")[min(ends, 2)]
    lines = body.replace("\n", "\n" + pad)
    if "\n\n" in body:
        lines = lines.replace(f"\n{pad}\n", "\n\n").replace(f"\n{pad}\n", "\n\n")
    return f"|{mark}\n{pad}{lines}" + "\n" * (ends - 1 if ends > 1 else 0)
