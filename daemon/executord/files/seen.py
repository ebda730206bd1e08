"""What is known of a case's files between looks, and what of the instruction's own files is missing [MEM-25].

Counterpart: `store.py`, which reads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from executord.case import Head, InstructionSpec, TaskFile
from executord.case.packed import shared
from executord.errors import Finding, Unreadable
from executord.evolve import replace
from executord.files import journal
from executord.paper import TASK_ENDINGS, Sheet, is_left_alone, locate
from executord.paper.gate import Identity
from executord.pen import printable
from executord.reading import read_instruction
from executord.values import whole_number

PLANS = ("workflow/plan.yaml", "workflow/plan.yml")
HEAD_FILES = ("instruction.yaml", *PLANS, "workflow/routing_decision.yaml")
INSTRUCTION = HEAD_FILES[0]
SPELLED = {INSTRUCTION: "instruction.yml"}  # read where the first is not there [MEM-3]

MOST_STRANGERS = 20  # that are told of one instruction


#: Where people put what is read elsewhere → where it is read.
MISPLACED = {
    **dict.fromkeys(("instruction.json", "instructions.yaml", "Instruction.yaml"), INSTRUCTION),
    **dict.fromkeys(("plan.yaml", "plan.yml", "workflow/plan.json", "workflow/Plan.yaml"), PLANS[0]),
}


def is_stranger(name: str) -> bool:
    """Whether somebody may take a file of this name for a task, and it is read as none [MEM-3]."""
    return not is_left_alone(name) and (name.lower().endswith((".json", ".txt")) or "." not in name)


def misplaced(folder: str, task_folders: Collection[str]) -> list[str]:
    """What lies in an instruction's folder where nobody reads it, though it looks like one of its files; from there."""
    found = [path for path in MISPLACED if os.path.lexists(f"{folder}/{path}")]
    for name in _names(f"{folder}/tasks"):
        if name not in task_folders and (_is_task(name) or any(map(_is_task, _names(f"{folder}/tasks/{name}")))):
            found.append(f"tasks/{name}")
    return found


def _is_task(name: str) -> bool:
    return name.endswith(TASK_ENDINGS) and not is_left_alone(name)


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


#: Of "instruction" and "plan" what is missing, and since when; None: it lies there and is not read.
Missed = tuple[tuple[str, datetime | None], ...]


@dataclass(slots=True)
class Seen:
    """What is known of a case's files between looks."""

    files: dict[str, tuple[Identity, TaskFile]] = field(default_factory=dict)  # "folder/name" → …
    head: dict[str, tuple[Identity, Any]] = field(default_factory=dict)
    waiting: dict[str, tuple[Identity, datetime]] = field(default_factory=dict)  # not yet settled → first seen so
    by_id: dict[str, str | tuple[str, ...]] = field(default_factory=dict)  # task → its file; nearly never several
    unmissed: bool = True  # whether what the journal knows and no file carries has still to be counted as gone
    journal: journal.Journal | None = None
    views: dict[str, tuple[bytes, Identity | None]] = field(default_factory=dict)  # path → sha256 as we wrote it
    root: tuple[int, int] | None = None
    revision: int = -1  # of the case, when its extras were listed
    faults: tuple[Finding, ...] = ()  # of instruction and plan
    strangers: tuple[str, ...] = ()  # what lies where a file of ours would, and is not read; from the case's folder

    def all_faults(self, case_id: str) -> tuple[Finding, ...]:
        """What is odd in a case's folder beyond its tasks' files [MEM-3, MEM-13]."""
        return (*self.faults, *(_unread(path).at(printable(f"{case_id}/{path}")) for path in self.strangers))

    def carrying(self, task_id: str) -> tuple[str, ...]:
        """The files that carry this id."""
        known = self.by_id.get(task_id, ())
        return (known,) if isinstance(known, str) else known

    def note(self, task_id: str, key: str) -> None:
        """A file carries this id."""
        known = self.carrying(task_id)
        if key not in known:
            self.by_id[task_id] = (*known, key) if known else shared(key)

    def forget(self, task_id: str, key: str) -> None:
        """It does no more."""
        left = [k for k in self.carrying(task_id) if k != key]
        self.by_id.pop(task_id, None)
        for other in left:
            self.note(task_id, other)


def _unread(path: str) -> Finding:
    if path in MISPLACED:
        return Finding("MEM-3", "it is not read there", f"write into {MISPLACED[path]} what is to count")
    if path.count("/") == 1:
        return Finding("MEM-3", "it is read as no task", "put tasks into tasks/pending/")
    fix = "name it .yaml, or take it away: only files that end in .yaml or .yml are tasks"
    return Finding("MEM-3", "it is read as no task", fix)


def missing(head: Head, seen: Seen, absent: Collection[str], now: datetime, left: Callable[[str], datetime]) -> Missed:
    """What counted, as the journal says or as it was read here, and is not there; `absent` are the head files that are
    not. `left`: since when one is gone that was not there at the start either."""
    before = dict(head.missed)
    found: list[tuple[str, datetime | None]] = []
    for word, names, counted in (
        ("instruction", (INSTRUCTION,), bool(head.instruction)),
        ("plan", PLANS, head.plan_sha is not None),
    ):
        known = [name for name in names if name in seen.head]
        if any(name not in absent for name in names):
            # an instruction that cannot be read is one of which nothing is known [MEM-11]
            read = [n for n in known if word == "instruction" or not isinstance(seen.head[n][1], Unreadable)]
            if counted and not any(name not in absent for name in read):
                found.append((word, None))
        elif (since := before.get(word)) is not None:
            found.append((word, since))
        elif known or counted:
            found.append((word, now if known else left(word)))
    return tuple(found)


def counting(
    head: Head, seen: Seen, absent: Collection[str], missed: Missed, settle: timedelta
) -> Iterator[tuple[str, datetime]]:
    """What is gone and still counts, and until when: for `settle`, and then it is as for a daemon that starts now."""
    since = dict(missed)
    for name in [n for n in HEAD_FILES if n in absent and n in seen.head]:
        gone = since.get("instruction" if name == INSTRUCTION else "plan")
        if head.opened_at is not None and gone is not None:
            yield name, gone + settle
        elif name != INSTRUCTION:  # whose an instruction is that nobody opened must not be guessed from its tasks
            yield name, datetime.min.replace(tzinfo=UTC)  # there is another one, or nothing was done by it


# --- what they say ----------------------------------------------------------------------------------------------------


def instruction_in(
    sheet: Sheet | Unreadable | None, case_id: str, place: str, zone: tzinfo
) -> tuple[InstructionSpec, list[Finding]]:
    """The instruction that a file at `place` is, and what is odd in it; without one nothing is said."""
    if sheet is None:
        return InstructionSpec(), []
    if isinstance(sheet, Unreadable):
        return InstructionSpec(unknown=True), [sheet.finding()]
    spec, odd = read_instruction(sheet.data or {}, case_id, zone)
    if not sheet.data:
        fault = Finding("MEM-11", "the file is empty", "say at least title, priority and customer")
        return replace(spec, unknown=True), [fault.at(place)]
    return spec, [*sheet.findings, *(placed(f, sheet, place) for f in odd)]


def placed(found: Finding, sheet: Sheet, path: str) -> Finding:
    """The finding with the line and column of its field."""
    if found.line is not None or found.field is None:
        return found.at(path)
    numbers = [(k, whole_number(k)) for k in found.field.split(".")]
    keys = tuple(k if number is None else number for k, number in numbers)
    places = (locate(sheet.raw, within + keys) for within in ((), ("task",), ("instruction",), ("plan",)))
    return found.at(path, *(next(filter(None, places), None) or (None, None)))
