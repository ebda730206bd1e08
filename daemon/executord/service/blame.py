"""Which line of its journal keeps a case from being executed [REL-4, CON-6].

A line that somebody's hand was in can read well and mean nothing: it is found when a rule stumbles over it, and a
traceback does not say where it stands. Counterparts: `parked.py`, which asks; `files/ledger.py`, which reads. Only
reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from executord.case.casebook import Case
from executord.case.snapshot import thaw
from executord.errors import Finding
from executord.files import ledger
from executord.files.ledger import Line
from executord.fold import fold
from executord.policy import Policy
from executord.rules import agenda_of, spoken

MOST_LINES = 10_000  # of a longer journal it would take too long to ask
_FIX = "if somebody edited it, put it back as it was; else this is a fault of executord"


def blame(root: str, case_id: str, policy: Policy) -> Finding | None:
    """The line from which on the case cannot be executed; None where the journal alone does not lead to it."""
    told = ledger.audit(root, case_id)
    broken = next((found for found in told.findings if found.severity == "error"), None)
    if broken is not None:
        return broken
    lines = told.lines
    if len(lines) > MOST_LINES or not _fails(case_id, lines, policy):
        return None
    well, ill = 0, len(lines)
    while ill - well > 1:
        middle = (well + ill) // 2
        if _fails(case_id, lines[:middle], policy):
            ill = middle
        else:
            well = middle
    part, number, entry = lines[ill - 1]
    said = f"with line {entry.get('n')} ({str(entry.get('name'))[:80]!r}) the case cannot be executed any more"
    return Finding("CON-6", said, _FIX, path=part, line=number)


def _fails(case_id: str, lines: Sequence[Line], policy: Policy) -> bool:
    """Whether the rules stumble over what these lines say."""
    case = Case(case_id)
    try:
        for _, _, entry in lines:
            if entry.get("name") == "snapshot":
                case = Case(case_id)
                thaw(case, entry["facts"])
                case.n = entry["n"]
            elif "journal" not in entry:
                fold(case, entry)
        for due in agenda_of(case, policy).lines():
            spoken(case, due, policy, due.at)
    except Exception:  # any fault of any rule is what is looked for
        return True
    return False
