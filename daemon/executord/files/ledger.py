"""Whether a journal is unbroken: its parts, its numbers, its names, its times, its paths, and what its lines mean.

Counterparts: `journal.py`, which reads it for the daemon; `checks/fsck.py`, which asks [CON-6, OPS-8]. Only reads.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from executord.case.casebook import Case
from executord.errors import Finding, Unreadable
from executord.files.disk import INBOX, OWN_INBOXES
from executord.files.journal import PLACE
from executord.fold import fold
from executord.meaning.sendings import of_outbox
from executord.paper import read_journal
from executord.values import agent_name, read_stamp

ACTIONS = frozenset({"send", "move", "write", "file", "record", "start", "tell", "stop"})
ALWAYS = ("n", "at", "due", "name", "action", "rule")
_FIX = "restore the journal from a backup; the daemon parks the case until it can be read"


class Line(NamedTuple):
    """An entry and where it stands; `number` is None in a part that was edited by hand."""

    part: str
    number: int | None
    entry: dict[str, Any]


@dataclass(slots=True)
class Ledger:
    """A case's journal as it was found."""

    case_id: str
    lines: list[Line] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    torn: int | None = None  # bytes of the newest part before its torn last line
    cut_off: bool = False  # a new part was begun, and the old one has both names

    @property
    def broken(self) -> bool:
        """Whether it cannot be gone by."""
        return any(found.severity == "error" for found in self.findings)

    @property
    def entries(self) -> Iterator[dict[str, Any]]:
        """The entries that say what was done, oldest first."""
        return (line.entry for line in self.lines if _noted(line.entry))


def audit(root: str, case_id: str) -> Ledger:
    """Read every part of a case's journal and say what is broken in it."""
    ledger = Ledger(case_id)
    folder = os.path.dirname(f"{case_id}/{PLACE}")
    names = _parts(f"{root}/{folder}")
    if len(names) > 1 and names[-1] == "journal.yaml" and _same(f"{root}/{folder}", names[-2], names[-1]):
        ledger.cut_off = True
        del names[-2]
    numbers = [int(name[8:-5]) for name in names if name != "journal.yaml"]
    if numbers != list(range(1, len(numbers) + 1)) or (numbers and names[-1] != "journal.yaml"):
        ledger.findings.append(_broken(folder, f"a part is missing: there are {', '.join(names)}"))
    for name in names:
        _read(ledger, root, f"{folder}/{name}", first=name == names[0], last=name == names[-1])
    if not ledger.broken:
        try:
            _follow(ledger)
        except Exception as error:  # a hand was in it: whatever stands there is a finding
            ledger.findings.append(_broken(f"{case_id}/{PLACE}", f"it cannot be followed: {error}"))
    return ledger


def _parts(folder: str) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    numbered = sorted((n for n in names if re.fullmatch(r"journal\.\d+\.yaml", n)), key=lambda n: int(n[8:-5]))
    return numbered + [n for n in names if n == "journal.yaml"]


def _same(folder: str, one: str, other: str) -> bool:
    try:
        return filecmp.cmp(f"{folder}/{one}", f"{folder}/{other}", shallow=False)  # a copied tree has lost its links
    except OSError:
        return False


def _broken(path: str, message: str, line: int | None = None) -> Finding:
    return Finding("CON-6", message, _FIX, path=path, line=line)


def _read(ledger: Ledger, root: str, path: str, *, first: bool, last: bool) -> None:
    try:
        with open(f"{root}/{path}", "rb", opener=_opener) as file:
            raw = file.read()
        found, whole = _lines(raw, path)
    except FileNotFoundError:
        return
    except Unreadable as error:
        ledger.findings.append(_broken(path, error.message, error.line))
        return
    except OSError as error:
        ledger.findings.append(_broken(path, f"it cannot be read: {error.strerror}"))
        return
    if whole != len(raw):
        if last:
            ledger.torn = whole
        else:
            ledger.findings.append(_broken(path, "its last line is torn, although a newer part follows"))
    if found:
        ledger.findings += _begins(ledger, found, first=first)
    ledger.lines += found


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _lines(raw: bytes, path: str) -> tuple[list[Line], int]:
    """The entries with their line numbers, and how many bytes are whole lines. Raises `Unreadable`."""
    whole = raw.rfind(b"\n") + 1
    found = []
    for number, line in enumerate(raw[:whole].split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line.removeprefix(b"- "))
        except (ValueError, RecursionError):
            entry = None
        if not line.startswith(b"- ") or not isinstance(entry, dict):
            entries, whole = read_journal(raw)
            return [Line(path, None, entry) for entry in entries], whole
        found.append(Line(path, number, entry))
    return found, whole


def _begins(ledger: Ledger, found: list[Line], *, first: bool) -> Iterator[Finding]:
    """Every part begins with the first line; every later one goes on with a snapshot of those before."""
    path, number, head = found[0]
    if "journal" not in head:
        yield _broken(path, "its first line does not say whose journal it is", number)
        return
    if head["journal"] != 1:
        said = f"it is of version {head['journal']}; this program reads 1"
        yield Finding("REL-9", said, "use the program that wrote it, or a newer one", path=path, line=number)
    subject = head.get("instruction", head.get("session"))
    if subject != ledger.case_id:
        said = f"it was begun for {subject!r}, but its folder is {ledger.case_id}"
        yield Finding("CON-6", said, "give the folder its old name, if it was renamed by mistake", "warning",
                      path=path, line=number)  # fmt: skip
    if first:
        return
    if ledger.lines and ledger.lines[0].entry.get("opened") != head.get("opened"):
        yield _broken(path, "its first line is not that of the parts before", number)
    snapshot = found[1].entry if len(found) > 1 else {}
    before = ledger.lines[-1].entry.get("n") if ledger.lines else None
    if snapshot.get("name") != "snapshot" or snapshot.get("n") != before:
        yield _broken(path, f"a later part goes on with a snapshot of line {before}; this one does not", number)


def _follow(ledger: Ledger) -> None:
    """Line by line: numbers, names, times, paths, and whether the case can be built from it."""
    case = Case(ledger.case_id)
    names: dict[str, int] = {}
    at = ""
    for n, line in enumerate((each for each in ledger.lines if _noted(each.entry)), 1):
        entry, place = line.entry, (line.part, line.number)
        missing = [key for key in ALWAYS if entry.get(key) is None]
        if missing:
            ledger.findings.append(_broken(place[0], f"a line without {', '.join(missing)}", place[1]))
            return
        if entry["n"] != n:
            ledger.findings.append(_broken(place[0], f"line {n} is expected here, this is line {entry['n']}", place[1]))
            return
        if entry["name"] in names:
            said = f"{entry['name']!r} was carried out as line {names[entry['name']]} already"
            ledger.findings.append(_broken(place[0], said, place[1]))
        names[entry["name"]] = n
        ledger.findings += (found.at(*place) for found in _odd(case, entry))
        if _later(at, entry["at"]):
            said = f"it was noted at {entry['at']}, the line before it at {at}: a clock went back"
            ledger.findings.append(Finding("CON-6", said, "nothing needs to be done", "warning").at(*place))
        at = entry["at"]
        try:
            fold(case, entry)
        except Exception as error:  # whatever it is, the daemon could not read it either
            said = f"line {n}, {entry['name']!r}, cannot be understood: {type(error).__name__}: {error}"
            ledger.findings.append(_broken(place[0], said, place[1]))
            return


def _noted(entry: Mapping[str, Any]) -> bool:
    return "journal" not in entry and entry.get("name") != "snapshot"


def _later(one: str, other: str) -> bool:
    try:
        return bool(one) and read_stamp(one) > read_stamp(other)
    except ValueError:
        return False


def _odd(case: Case, entry: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a line by itself."""
    for key in ("at", "due"):
        try:
            read_stamp(entry[key])
        except (ValueError, TypeError, AttributeError):
            yield Finding("CON-6", f"{key}: {entry[key]!r} is not a time", _FIX)
    action, path = entry["action"], entry.get("path")
    if action not in ACTIONS:
        yield Finding("CON-6", f"action: {action!r} is none", _FIX)
    if action == "send" and path is None and of_outbox(entry):
        pass  # what leaves the machine lies nowhere in the tree
    elif action in ("send", "move", "write", "file") and not _well_formed(case, entry, str(path or "")):
        yield Finding("CON-4", f"{entry['name']!r}: {path!r} is no place for it", "report this, with the journal")


def _well_formed(case: Case, entry: Mapping[str, Any], path: str) -> bool:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return False
    match entry["action"], parts:
        case "send", ["_communication", "inbox", folder, name]:
            return agent_name(folder) == entry.get("to") and _message_name(case, entry, name)
        case "move", [case_id, "tasks", "in_progress" | "completed", _]:
            return case_id == case.id
        case "move", [case_id, "outputs", "partial", _]:  # somebody's file that lay on a name of ours [MEM-23]
            return case_id == case.id
        case "write", [case_id, "outputs", "partial" | "final", name]:
            return case_id == case.id and name.endswith(".yaml")
        case "write", ["_communication", "inbox", "executor", name]:  # what a program had to say [OPS-17]
            answer = {**entry, "type": "answer"}
            return str(entry["name"]).startswith(("ended ", "gone ")) and _message_name(case, answer, name)
        case (("write" | "file"), ["_communication", "inbox", folder, ".processed" | ".rejected", day, _]):
            return folder in OWN_INBOXES and re.fullmatch(r"\d{4}-\d\d-\d\d", day) is not None
        case _:
            return False


def _message_name(case: Case, entry: Mapping[str, Any], name: str) -> bool:
    """`{instruction}.[{task}.a{n}.]{kind}[-{k}][~{j}].yaml`, or cut to 200 bytes with a hash [CON-4]."""
    kind = re.escape(str(entry.get("type")))
    if re.search(rf"\.{kind}(?:-\d+)?(?:~\d+)?\.yaml\Z", name) and name.startswith(f"{case.id}."):
        return True
    return len(name.encode()) > 150 and re.search(r"-[0-9a-f]{8}(?:~\d+)?\.yaml\Z", name) is not None


def filed_from(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Where a message that was filed had lain, and where it lies now; both from the memory, with the bytes of names."""
    facts = entry.get("facts") or {}
    if "raw" in facts:  # its name is no text
        source, target = (os.fsdecode(bytes.fromhex(part)) for part in facts["raw"])
        return source, target
    return f"{INBOX}/{facts.get('inbox', 'executor')}/{facts.get('file')}", str(entry.get("path"))
