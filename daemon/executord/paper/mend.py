"""The one repair that is tried on YAML that does not parse: quoting what was meant as text [MEM-6], and leaving out
the Markdown fence that stands around the whole where a model wrote it.

Counterpart: `paper.parse`, which calls it once and uses the result only if that parses.
Lines stay lines: nothing is joined or split, so line numbers of the mended text are those of the file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from executord.errors import Finding

# `  - - ` | `key: ` | value. The key is quoted or plain; a plain one ends at the first `: `.
_LINE = re.compile(
    r"(?P<lead> *(?:- +)*)(?:(?P<key>\"[^\"]*\"|'[^']*'|[^\s\"'\[\]{}#&*!|>%@`,-][^:#]*|-[^\s:#]+):(?: +|$))?"
)
_BLOCK_HEADER = re.compile(r"(?:[!&][^ ]* +)*[|>][-+0-9]{0,2} *(?:#.*)?$")
_COMMENT = re.compile(r"(?<! ) +#.*$")
_COLON = re.compile(r":(?: |$)")
_STRINGS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'")
# the same, but one that is never closed takes the rest: searching again behind each quote would be quadratic
_SPANS = re.compile(r"\"(?:[^\"\\]|\\.)*(?:\"|\Z)|'(?:[^']|'')*(?:'|\Z)")
_BRACKETS = re.compile(_SPANS.pattern + r"|[\[\]{}]")
_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*(?P<kind>[\w+.-]*)[ \t]*\r?")
_KINDS = ("", "yaml", "yml", "json")
_KEY = re.compile(r"[a-z][\w-]*[ \t]*:(?:\s|$)|---|\.\.\.")  # what prose does not begin a line with
_ALIAS = re.compile(r"\*[\w-]+ *(?:#.*)?")
_REPAIRS_LIMIT = 100


def mend(raw: bytes) -> tuple[bytes, list[Finding]]:
    """The file with plain scalars quoted that begin with `> % @` or a backtick or hold `: `, and what was repaired.

    Also values with text behind a closing quote or bracket, as in `- T2: "…" (backend, pending)` and `[URGENT] login`,
    and those that begin with `*`, `|` or `- ` and are no alias, block or list. A fence around the whole is left out,
    and so is the prose around a fenced block. Each repair is a warning that names the line.
    Raises UnicodeDecodeError if the file is not text.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = raw.decode("utf-16")
    else:
        text = raw.decode("utf-8-sig")
    lines = text.split("\n")
    notes = [*_unfence(lines)]
    for first, last, start, reason in _faults(lines):
        if len(notes) >= _REPAIRS_LIMIT:
            break
        _quote(lines, first, last, start)
        notes.append(
            Finding(
                "MEM-6",
                f"read as if the text were quoted: {reason}",
                "put the text into quotes",
                "warning",
                line=first + 1,
                column=start + 1,
            )
        )
    return "\n".join(lines).encode("utf-8"), notes


def _unfence(lines: list[str]) -> Iterator[Finding]:
    """Empty the first and the last line that say anything, if they are the fence of a block of code; or all around the
    only block of YAML, where that is nothing but prose."""
    said = [number for number, line in enumerate(lines) if line.strip()]
    fences = [number for number in said if _FENCE.fullmatch(lines[number])]
    if len(fences) != 2:
        return
    first, last = fences
    opens = _FENCE.fullmatch(lines[first])
    if opens is None or lines[last].strip() != opens[1]:
        return
    outside = [n for n in said if not first <= n <= last]
    if len(said) - len(outside) < 3:
        return
    if outside and (opens["kind"].lower() not in _KINDS or any(_KEY.match(lines[n]) for n in outside)):
        return
    for number in (first, last, *outside):
        lines[number] = ""
    around = "prose and the Markdown fence" if outside else "Markdown fence"
    yield Finding(
        "MEM-6", f"read as if the {around} around it were not there", "write the YAML alone", "warning",
        line=first + 1, column=1,
    )  # fmt: skip


def _faults(lines: list[str]) -> Iterator[tuple[int, int, int, str]]:
    """(first line, last line, column of the text, reason) of each scalar that needs quotes; lines count from 0.

    Block scalars, strings and flow collections of several lines are passed over: what stands in them is content.
    """
    number = 0
    while number < len(lines):
        line = lines[number].rstrip("\r")
        match = _LINE.match(line)
        first, number = number, number + 1
        value = line[match.end() :] if match else ""
        if match is None or not value or value.startswith("#") or line.startswith(("---", "...", "%")):
            continue
        indent = _indent(match, line)
        if _BLOCK_HEADER.match(value):
            number = _deeper(lines, number, indent)
            continue
        reason, start = _reason(match, value)
        if reason is None and value[0] not in "\"'[{&*!|":
            # a plain text over several lines: its further lines may hold `: ` too
            end = _deeper(lines, number, indent, blank=False)
            if not any(_COLON.search(_COMMENT.sub("", later.rstrip("\r"))) for later in lines[number:end]):
                number = end
                continue
            reason, start = "it holds `: `", match.end()
        if reason is None:
            if value[0] in "\"'" and not _STRINGS.match(value):
                number = _closed(lines, number, value, value[0])
            elif value[0] in "[{":
                number = _balanced(lines, first)
            continue
        number = _deeper(lines, number, indent, blank=False)
        yield first, number - 1, start, reason


def _reason(match: re.Match[str], value: str) -> tuple[str | None, int]:
    """Why the value needs quotes, and where they begin."""
    begin = value[0]
    if begin in ">%@`":
        return f"it begins with `{begin}`", match.end()
    if begin in "\"'":
        string = _STRINGS.match(value)
        rest = value[string.end() :].strip() if string else ""
        if not rest or rest.startswith("#"):
            return None, 0
        if match["key"] is None and rest.startswith(":"):
            return None, 0
        # of a list item the whole is the text: `- T2: "…" (backend, pending)`
        whole = "-" in match["lead"] and match["key"] is not None
        return "text stands behind a closing quote", match.start("key") if whole else match.end()
    if begin in "*|" or value.startswith(("- ", "? ", ",")):
        of_a_list = match["key"] is None and (begin == "-" or "-" not in match["lead"])  # `- - x` is a list in a list
        return (None, 0) if of_a_list or _ALIAS.fullmatch(value) else (f"it begins with `{begin}`", match.end())
    if begin in "[{":
        rest = _behind(value)
        return ("text stands behind a closing bracket", match.end()) if rest and rest[0] != "#" else (None, 0)
    if begin in "&!":
        return None, 0
    bare = _COMMENT.sub("", value)
    if match["key"] is not None and _COLON.search(bare):
        return "it holds `: `", match.end()
    return None, 0


def _behind(value: str) -> str:
    """What stands in this line behind the bracket that closes the one it begins with; empty if none does."""
    level = 0
    for hit in _BRACKETS.finditer(value):
        level += (hit[0] in "[{") - (hit[0] in "]}")
        if level == 0 and hit[0] in "]}":
            return value[hit.end() :].strip()
    return ""


def _indent(match: re.Match[str], line: str) -> int:
    """The column to whose right a value's further lines stand."""
    if match["key"] is not None:
        return match.start("key")
    lead = match["lead"]
    return lead.rindex("-") if "-" in lead else len(line) - len(line.lstrip(" ")) - 1


def _deeper(lines: list[str], number: int, indent: int, *, blank: bool = True) -> int:
    """The first line from `number` on that is not indented deeper than `indent`."""
    while number < len(lines):
        line = lines[number].rstrip("\r")
        text = line.lstrip(" ")
        if not text:
            if not blank:
                break
        elif len(line) - len(text) <= indent:
            break
        number += 1
    return number


def _closed(lines: list[str], number: int, value: str, quote: str) -> int:
    """The line behind the one in which a string that began with `value` is closed; the end if it never is."""
    for later in range(number, len(lines)):
        if quote in lines[later].replace("\\" + quote, ""):
            return later + 1
    return len(lines)


def _balanced(lines: list[str], first: int) -> int:
    """The line behind the one in which the brackets that open in line `first` are closed; the end if they never are."""
    level = 0
    for number in range(first, len(lines)):
        bare = _SPANS.sub("", _COMMENT.sub("", lines[number]))
        level += bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
        if level <= 0:
            return number + 1
    return len(lines)


def _quote(lines: list[str], first: int, last: int, start: int) -> None:
    """Put the text from column `start` of line `first` to the end of line `last` into single quotes."""
    for number in range(first, last + 1):
        line = lines[number].rstrip("\r")
        head = line[:start] if number == first else ""
        body = line[len(head) :]
        tail = ""
        if number == last:
            comment = _COMMENT.search(body)
            tail = comment[0] if comment else ""
            body = body[: len(body) - len(tail)].rstrip(" ")
            tail = "'" + tail
        lines[number] = head + ("'" if number == first else "") + body.replace("'", "''") + tail
