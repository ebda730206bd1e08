"""How a case is taken up: as it was kept, or from its journal and its files; what a crash cut off is done again.

Counterparts: `files/keepsakes.py`, what is kept; `files/store.py`, which reads; `__init__.py`, which holds the cases.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from executord.case.casebook import Case
from executord.files import journal
from executord.files.keepsakes import Keepsakes
from executord.files.marks import Marks
from executord.files.store import Store
from executord.hands import Entry, Hands
from executord.service.attendance import Attendance


class Reopened(Protocol):
    """What is needed of the service."""

    root: str
    store: Store
    hands: Hands
    marks: Marks
    attendance: Attendance
    keepsakes: Keepsakes


def taken_up(service: Reopened, case_id: str, now: datetime, *, first: bool) -> Case | None:
    """The case; `first`: the daemon has not had it yet. None: it is no instruction any more."""
    if not first:
        return service.store.load(case_id, now) if service.store.is_case(case_id) else None
    case = service.keepsakes.restore(case_id, service.marks.of(case_id))
    if case is not None:
        service.hands.sweep(case_id)
    else:
        told = journal.read_newest(f"{service.root}/{case_id}", service.marks.of(case_id))
        redone = _redo(service, case_id, told)
        if not service.store.is_case(case_id):  # it died between the line that archives it and the rename
            return None
        case = service.store.load(case_id, now, told)
        service.hands.redo_runs(case, redone)
    service.attendance.adopt(case, now)
    service.hands.rotate(case, now)  # it died before the new part
    return case


def _redo(service: Reopened, case_id: str, told: journal.Journal) -> list[Entry]:
    entries = [e for e in told.entries if "at" in e]
    settled = service.marks.of(case_id)
    if settled is None and entries:
        last = entries[-1]["at"]
        entries = [e for e in entries if e["at"] == last]
    elif settled is not None:
        entries = [e for e in entries if e["n"] > settled]
    if entries:
        service.hands.redo(Case(case_id), entries)
        service.marks.did(case_id, entries[-1]["n"])  # or the next start would undo what hands have done since
    service.hands.sweep(case_id)
    return entries
