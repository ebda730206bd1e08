"""Tolerant YAML/JSON in: text -> values, faults with line and column [MEM-3 … MEM-6, MEM-10, MEM-13].

The file's boundary: whatever its bytes are, they become a `Sheet` or one `Unreadable`, never another exception.
Counterpart: `pen`, which writes; `gate`, which opens files; `tree`, which builds the values; `mend`, the one repair.
Their public names are offered here too, so that users need one import.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from executord.errors import Finding, NotYetWhole, Unreadable
from executord.paper.gate import FILE_LIMIT, Identity, Opened, open_file
from executord.paper.mend import mend
from executord.paper.tree import Limits, documents, find, read_float, read_int
from executord.pen import dump, journal_line, printable
from executord.scalars import WrittenFloat, WrittenInt, placeholder, written
from executord.values import stamp

__all__ = [
    "FILE_LIMIT",
    "MESSAGE_ENDINGS",
    "TASK_ENDINGS",
    "Identity",
    "Limits",
    "Opened",
    "Sheet",
    "WrittenFloat",
    "WrittenInt",
    "dump",
    "is_left_alone",
    "journal_line",
    "locate",
    "open_file",
    "parse",
    "placeholder",
    "printable",
    "read_journal",
    "read_sheet",
    "stamp",
    "written",
]

TASK_ENDINGS = (".yaml", ".yml", ".YAML", ".YML")
"""Names with these endings in a task folder are tasks [MEM-3]."""

MESSAGE_ENDINGS = (*TASK_ENDINGS, ".json", ".JSON")
"""Names with these endings in the inbox are messages [MEM-3]."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as it was read.

    `data` is the first document that is a mapping, None if the file is empty; `findings` are warnings; `repaired` means
    that a repair was needed to read it [MEM-6]; `sha256` is the hex digest of `raw`, the bytes as they lie on disk.
    """

    data: dict[str, Any] | None
    findings: tuple[Finding, ...]
    raw: bytes
    repaired: bool
    sha256: str


def _from_yaml(raw: bytes, limits: Limits, notes: list[Finding]) -> dict[str, Any] | None:
    other: tuple[Any, Any] | None = None
    for value, mark in documents(raw, limits, notes):
        if isinstance(value, dict):
            return value
        if value is not None and other is None:
            other = (value, mark)
        notes.clear()  # they were about a document that does not count
    if other is None:
        return None
    value, mark = other
    kind = "a list" if isinstance(value, list) else "a single value"
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    raise Unreadable(
        f"the file is {kind}, not a mapping",
        line=line,
        column=column,
        expected="a mapping",
        code="MEM-5",
        fix="begin with keys, e.g. `id: T3`",
    )


# --- JSON: what is valid JSON is read as such, because escaped surrogate pairs are valid in JSON and not in YAML ---

_JSONISH = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\{")


def _from_json(raw: bytes, limits: Limits, notes: list[Finding]) -> dict[str, Any] | None:
    """The mapping if the file is one JSON object within the limits, else None: then YAML reads it and says why."""
    twice = False

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        made = dict(pairs)
        twice = twice or len(made) != len(pairs)
        return made

    try:
        data = json.loads(
            raw.decode("utf-8-sig"),
            object_pairs_hook=mapping,
            parse_int=read_int,
            parse_float=read_float,
            parse_constant=str,
        )
    except Exception:  # also RecursionError and MemoryError: the YAML reader decides, and says what is wrong where
        return None
    if not isinstance(data, dict) or not _within(data, limits):
        return None
    if twice:
        try:
            return _from_yaml(raw, limits, notes)  # it can say where
        except Exception:  # what JSON allows and YAML does not: then it is said without the place
            notes[:] = [Finding("MEM-5", "a key stands twice; the last one counts", "keep one of them", "warning")]
    return data


def _within(data: Any, limits: Limits) -> bool:
    level, nodes, depth = [data], 0, 0
    while level:
        nodes += len(level)
        inner = [item for item in level if isinstance(item, (dict, list))]
        depth += bool(inner)
        if nodes > limits.nodes or depth > limits.depth:
            return False
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]
        nodes += sum(len(item) for item in inner if isinstance(item, dict))  # keys count as YAML counts them
    return True


# --- the file ---


def parse(raw: bytes, *, path: str = "", limits: Limits = Limits()) -> Sheet:  # noqa: B008 - frozen
    """Read a YAML or JSON file as people and agents really write them [MEM-4, MEM-5, MEM-6].

    `path` is only named in faults. Keys are the texts that stand there; scalars resolve to null, booleans, integers of
    up to 18 digits and decimals, everything else stays text.

    Raises `Unreadable` with line and column: code SEC-0 for a bound, MEM-5 if it is no mapping, else MEM-13.
    """
    try:
        data, notes, repaired = _read(raw, limits)
    except Unreadable as fault:
        fault.path = path or None
        raise
    if path:
        notes = [note.at(path) for note in notes]
    return Sheet(data, tuple(notes), raw, repaired, hashlib.sha256(raw).hexdigest())


def read_sheet(path: str, shown: str, limits: Limits) -> Sheet | Unreadable:
    """The file at this path, through the gate; whatever is wrong with it is the answer, not an exception [SEC-0].

    `shown` is the path for people. The fault of a file that has gone has the `FileNotFoundError` as its cause.
    """
    try:
        return parse(open_file(path, limit=limits.bytes).raw, path=shown, limits=limits)
    except Unreadable as error:
        error.path = shown
        fault = error
    except (OSError, NotYetWhole) as error:
        why = error.strerror if isinstance(error, OSError) else None
        fault = Unreadable(why or str(error), path=shown, code="SEC-0", fix="look at the file")
        fault.__cause__ = error.with_traceback(None)
    # A value from here on: with the frames that it came through it would keep all that was read in them.
    fault.__context__ = None
    return fault.with_traceback(None)


def _read(raw: bytes, limits: Limits) -> tuple[dict[str, Any] | None, list[Finding], bool]:
    if len(raw) > limits.bytes:
        message = f"the file has {len(raw)} bytes, at most {limits.bytes} are read"
        raise Unreadable(message, code="SEC-0", fix="shorten it")
    notes: list[Finding] = []
    if _JSONISH.match(raw):
        data = _from_json(raw, limits, notes)
        if data is not None:
            return data, notes, False
    blanks: list[Finding] = []
    if _HARD_BLANK in raw:
        raw, blanks = _plain_blanks(raw)
    try:
        return _from_yaml(raw, limits, notes), [*blanks, *notes], bool(blanks)
    except Unreadable:
        raise
    except Exception as error:  # whatever the C reader raises is a fault of this file, told with its place [MEM-13]
        fault = _fault(error, raw)
        position = error.position if isinstance(error, yaml.reader.ReaderError) else -1
    notes.clear()
    try:
        # libyaml decodes ahead: bad bytes in the Markdown behind `---` must not spoil the document before it
        cut = raw.rfind(b"\n---", 0, max(position, 0))
        if cut > 0:
            data = _from_yaml(raw[: cut + 1], limits, notes)
            if data is not None:
                return data, [*blanks, *notes], bool(blanks)
        second, repairs = mend(raw)
        if repairs:
            data = _from_yaml(second, limits, notes)
            return data, [*blanks, *repairs, *notes], True
    except Exception:  # mended it cannot be read either: what is told is the fault as it was written
        pass
    raise fault


_HARD_BLANK = "\u00a0".encode()
_KEYED = re.compile(r"[\w ]{1,60}:\u00a0+")


def _plain_blanks(raw: bytes) -> tuple[bytes, list[Finding]]:
    """The file with blanks where no-break spaces indent a line or stand behind a key, as copied text has them, and what
    was replaced: YAML takes them for letters, and a key that they indent for one of the level above [MEM-6]."""
    lines = raw.split(b"\n")
    notes: list[Finding] = []
    for number, line in enumerate(lines):
        if _HARD_BLANK not in line:
            continue
        text = line.decode("utf-8", "surrogateescape")
        begin = len(text) - len(text.lstrip(" -\u00a0"))
        keyed = _KEYED.match(text, begin)
        end = keyed.end() if keyed is not None else begin
        plain = text[:end].replace("\u00a0", " ")
        if plain == text[:end]:
            continue
        lines[number] = (plain + text[end:]).encode("utf-8", "surrogateescape")
        if not notes:
            why, fix = "no-break spaces that indent it are read as blanks", "write plain blanks"
            notes.append(Finding("MEM-6", why, fix, "warning", line=number + 1, column=text.index("\u00a0") + 1))
    return b"\n".join(lines), notes


_FIXES = (
    ("mapping values are not allowed", 'quote a text that holds ": ", e.g. title: "Fix: login"'),
    ("could not find expected ':'", "write `key: value`, and indent a text of several lines under `key: |`"),
    ("expected alphabetic or numeric", "quote a text that begins with `*`, `&` or `!`"),
    ("refers to nothing", "quote a text that begins with `*`"),
    ("cannot start any token", "quote a text that begins with a special character"),
    ("expected <block end>", "indent the keys of one level alike, and quote a whole text, not a part of it"),
    ("unexpected end of stream", "close the quote or bracket"),
)


def _fault(error: Exception, raw: bytes) -> Unreadable:
    """What went wrong, with the place where it did [MEM-13]."""
    fix = "check the file with a YAML linter"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "it cannot be parsed"
        if "maximum nesting depth" in problem:  # libyaml reads ahead, and newer ones have a bound of their own
            line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
            return Unreadable("nested too deep", line=line, column=column, code="SEC-0", fix="make it flatter")
        for words, advice in _FIXES:
            if words in problem:
                fix = advice
                break
        if mark is not None and "cannot start any token" in problem and _is_tab(raw, mark):
            problem, fix = "a tab is used as indentation", "indent with spaces"
        elif re.search(rb"^(?:```|~~~)", raw, re.M):
            fix = "write the YAML alone, without Markdown around it"
        if error.context and error.context_mark is not None and error.context_mark.line != getattr(mark, "line", None):
            problem += f" ({error.context} that begins in line {error.context_mark.line + 1})"
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
        return Unreadable(f"not YAML: {problem}", line=line, column=column, code="MEM-13", fix=fix)
    if isinstance(error, yaml.reader.ReaderError):
        line, column = _place(raw, error.position)
        if 0 in raw and not raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            why = "the file holds NUL bytes: it is binary or was cut off by a crash"
        elif "control characters" in error.reason:
            why = "the file holds a control character"
            return Unreadable(why, line=line, column=column, code="MEM-13", fix="save it as UTF-8 text without it")
        else:
            why = f"the file is not UTF-8 text: {error.reason}"
        return Unreadable(why, line=line, column=column, code="MEM-13", fix="save it as UTF-8")
    return Unreadable(f"it cannot be read: {type(error).__name__}", code="MEM-13", fix=fix)


def _is_tab(raw: bytes, mark: Any) -> bool:
    lines = raw.split(b"\n", mark.line + 1)
    return mark.line < len(lines) and b"\t" in lines[mark.line][: mark.column + 1]


def _place(raw: bytes, offset: int) -> tuple[int, int]:
    before = raw[: max(offset, 0)]
    return before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1


def locate(raw: bytes, keys: tuple[str | int, ...]) -> tuple[int, int] | None:
    """Line and column (from 1) of the value at this path of keys and list positions, to report a fault [MEM-13].

    Of a key that stands twice it is the last. None if there is no such value or the file cannot be read.
    """
    wanted = tuple(str(key) for key in keys)
    try:
        return find(raw, wanted)
    except Exception:  # not as it is written, but perhaps as it was mended
        try:
            return find(mend(raw)[0], wanted)
        except Exception:  # the finding that asked is told without a place
            return None


# --- the journal [CON-6] ---


def read_journal(raw: bytes) -> tuple[list[dict[str, Any]], int]:
    """The journal's entries and how many bytes of it are whole lines; a torn last line counts for neither [CON-6].

    A line that a person edited may be any YAML, also over several lines; blank lines and comments are passed over.
    Raises `Unreadable` with the line number for anything else. The size is not bounded here.
    """
    whole = raw.rfind(b"\n") + 1
    lines = raw[:whole].split(b"\n")
    entries: list[dict[str, Any]] = []
    number = 0
    while number < len(lines) - 1:
        line = lines[number]
        number += 1
        if line.startswith(b"- "):
            try:
                entry = json.loads(line[2:].decode("utf-8"))
            except (ValueError, RecursionError):
                entry = None
            if isinstance(entry, dict):
                entries.append(entry)
                continue
        elif not line.strip() or line.startswith((b"#", b"---", b"...")):
            continue
        first = number
        while number < len(lines) - 1 and lines[number].startswith(b" "):
            number += 1
        entries.append(_by_hand(b"\n".join(lines[first - 1 : number]), first))
    return entries, whole


def _by_hand(item: bytes, line: int) -> dict[str, Any]:
    fix = "restore the line as `- {json}`, or remove it"
    try:
        for value, _ in documents(item, Limits(), []):
            if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
                return value[0]
            break
    except Exception as error:  # whatever the reader raises is told with its line of the journal
        fault = error if isinstance(error, Unreadable) else _fault(error, item)
        at = line + min((fault.line or 1) - 1, item.count(b"\n"))
        raise Unreadable(fault.message, line=at, column=fault.column, code="CON-6", fix=fix) from error
    raise Unreadable("this is no journal entry", line=line, column=1, expected="- {json}", code="CON-6", fix=fix)


# --- names ---

_ALONE_STARTS = (".",)
_ALONE_ENDS = (".tmp", "~", ".swp", ".gitkeep", ".md", ".csv")


def is_left_alone(name: str) -> bool:
    """Whether a file of this name is no task or message and is left where it lies, unread [MEM-3]."""
    low = name.lower()
    return low.startswith(_ALONE_STARTS) or low.endswith(_ALONE_ENDS) or ".tmp." in low
