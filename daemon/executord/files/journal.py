"""The journal of a case as a file: reading its parts, making its lines, writing its snapshot [CON-6, MEM-17].

Counterparts: `fold.py`, what a line means; `disk.py`, which appends.
"""

from __future__ import annotations

import errno
import filecmp
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from executord.errors import Unreadable
from executord.paper import read_journal
from executord.paper.gate import ours_to_mend, regular
from executord.pen import journal_line
from executord.values import stamp

PLACE = "outputs/partial/journal.yaml"
SESSION_PLACE = ".executord/journal.yaml"
VERSION = 1  # of the lines; a part says it at its beginning
PART_LINES = 5000
_TEXTS = ("at", "due", "name", "action", "rule")  # what every line has
PART_TASKS = 2500  # in a case of more tasks a part holds more: each begins with all of them


def part_lines(tasks: int) -> int:
    """How many lines a part holds, in a case of so many tasks: its snapshots together cost no more than its lines."""
    return PART_LINES * max(PART_TASKS, tasks) // PART_TASKS


@dataclass(slots=True)
class Journal:
    """What a case's journal holds: its entries, and how long the newest part is in whole lines."""

    entries: list[dict[str, Any]]
    size: int
    opened: datetime | None = None
    parts: int = 0
    lines: int = 0  # of the newest part
    placed: bool = False  # whether we have made the name of the newest part durable


class Told(Protocol):
    """What the journal needs of a line: an instruction's (`agenda.Due`) and a session's (`team.line.Line`) have it."""

    @property
    def at(self) -> datetime: ...
    @property
    def name(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def task(self) -> str | None: ...
    @property
    def attempt(self) -> int | None: ...
    @property
    def why(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...


def read(folder: str, place: str = PLACE) -> Journal:
    """All parts of the journal in this folder, oldest first. A torn last line does not count.

    Raises `Unreadable` where a whole line is not one.
    """
    directory = os.path.dirname(os.path.join(folder, place))
    numbered = _numbered(directory)
    return _read(directory, [*numbered, "journal.yaml"], len(numbered))


def read_newest(folder: str, settled: int | None) -> Journal:
    """What a start needs: the newest part alone where its snapshot says all that was before, else all parts [PERF-3].

    `settled`: the line up to which everything is carried out, None where that is not known.
    """
    directory = os.path.dirname(os.path.join(folder, PLACE))
    numbered = _numbered(directory)
    if not numbered:
        return _read(directory, ["journal.yaml"], 0)
    found = _read(directory, ["journal.yaml"], len(numbered))
    shot = next((e["n"] for e in found.entries if e.get("name") == "snapshot"), None)
    if shot is not None and settled is not None and settled >= shot and "at" in found.entries[-1]:
        return found
    return _read(directory, [*numbered, "journal.yaml"], len(numbered))


def _numbered(directory: str) -> list[str]:
    """The parts before the newest."""
    numbered = sorted(
        n for n in _names(directory) if n.startswith("journal.") and n[8:-5].isdigit() and n.endswith(".yaml")
    )
    if numbered and _same(directory, numbered[-1]):
        numbered.pop()  # a crash came between the link and the rename: the new part is begun again
    return numbered


def _read(directory: str, names: list[str], parts: int) -> Journal:
    entries: list[dict[str, Any]] = []
    size = count = 0
    for name in names:
        try:
            with os.fdopen(regular(os.path.join(directory, name)), "rb") as file:
                raw = file.read()
        except FileNotFoundError:
            continue
        except OSError as error:
            if ours_to_mend(error):
                raise
            why = error.strerror if error.errno != errno.ELOOP else "it is a symbolic link"
            fix = "put the journal back; the case is parked until it can be read"
            raise Unreadable(f"the journal cannot be read: {why}", path=name, fix=fix, code="CON-6") from error
        try:
            lines, whole = read_journal(raw)
        except Unreadable as error:
            raise Unreadable(error.message, path=name, line=error.line, fix=error.fix, code="CON-6") from error
        _check(lines, name)
        entries.extend(lines)
        if name == "journal.yaml":
            size, count = whole, len(lines)
    return Journal(entries, size, parts=parts, lines=count)


def _check(entries: Iterable[Mapping[str, Any]], part: str) -> None:
    """Raises `Unreadable` for a line without what each line has, or that has it as something else [CON-6], and for a
    journal of a version that this program does not know [REL-9]."""
    for entry in entries:
        if "journal" in entry:
            if entry["journal"] != VERSION:
                raise Unreadable(
                    f"the journal is of version {str(entry['journal'])[:20]}; this program reads {VERSION}", path=part,
                    code="REL-9", fix="use the program that wrote it, or a newer one",
                )  # fmt: skip
            continue
        said = entry.get("name") == "snapshot" or all(type(entry.get(key)) is str for key in _TEXTS)
        if type(entry.get("n")) is not int or not said or not isinstance(entry.get("facts", {}), dict):
            raise not_understood(entry, part, "it lacks what each line has")


def not_understood(entry: Mapping[str, Any], path: str, why: str) -> Unreadable:
    """The fault of a line that does not say what lines of its kind say: somebody's hand was in it."""
    return Unreadable(
        f"line {entry.get('n')!r} ({str(entry.get('name'))[:80]!r}) cannot be understood: {why[:200]}",
        path=path,
        fix="put the journal back as it was; `executord fsck` names what is broken",
        code="CON-6",
    )


def _same(directory: str, part: str) -> bool:
    """Whether this part and the newest are one file under two names, or were before the tree was copied."""
    newest = os.path.join(directory, os.path.basename(PLACE))
    try:
        return filecmp.cmp(os.path.join(directory, part), newest, shallow=False)
    except OSError:
        return False


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def first_line(kind: str, subject: str, opened: datetime) -> bytes:
    """The line with which every part begins."""
    return journal_line({"journal": VERSION, kind: subject, "opened": stamp(opened)})


def entry_of(line: Told, n: int, now: datetime, word: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """A line as the journal writes it, its keys in the order of the contract."""
    entry: dict[str, Any] = {
        "n": n,
        "at": stamp(now),
        "due": stamp(line.at),
        "name": line.name,
        "action": word,
        "rule": line.rule,
    }
    if line.task is not None:
        entry["task"] = line.task
    if line.attempt is not None:
        entry["attempt"] = line.attempt
    for key in ("to", "type", "path"):
        if more.get(key) is not None:
            entry[key] = more[key]
    if line.why:
        entry["why"] = line.why
    facts = {**{k: v for k, v in line.facts.items() if v is not None}, **more.get("facts", {})}
    if facts:
        entry["facts"] = facts
    return entry
