"""`fsck --fix`: puts right what needs no decision, under the tree's lock [OPS-8].

Counterparts: `fsck.py`, which finds it; `service.open`, which does the same at every start of the daemon. Writes only
what the daemon may write [MEM-2], and copies what it changes into the state folder first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from executord.case.casebook import Case
from executord.checks.fsck import VIEW, Fault, Inspection, Tree, inspect, looking, unsettled
from executord.errors import Finding
from executord.files import journal, ledger, lock
from executord.files.marks import Marks
from executord.hands import Hands
from executord.service import Service
from executord.views.overview import progress


@dataclass(frozen=True, slots=True)
class Mended:
    """What was put right, what is left, and where the copies of what was changed lie."""

    fixed: tuple[Finding, ...]
    left: Inspection
    copies: str | None


def fix(tree: Tree, now: datetime) -> Mended:
    """Put right what needs no decision, under the tree's lock; what is changed is copied into the state folder first.

    Raises `Locked` (75) while a daemon holds the tree.
    """
    held = lock.TreeLock(tree.root)
    held.take(now)
    try:
        found = inspect(tree, now)
        work = [f for f in found.faults if f.mend is not None]
        if not work:
            return Mended((), found, None)
        copies = _copy(tree, work, now)
        _mend(tree, found, work, now)
        left = inspect(tree, now)
        still = {f.finding for f in left.faults}
        return Mended(tuple(f.finding for f in work if f.finding not in still), left, copies)
    finally:
        held.release()


def _copy(tree: Tree, work: Iterable[Fault], now: datetime) -> str:
    """The folder with the copies: the same paths below it."""
    base = f"{tree.state}/fsck/{now:%Y%m%dT%H%M%SZ}"
    folder, k = base, 1
    while os.path.lexists(folder):
        k += 1
        folder = f"{base}~{k}"
    os.makedirs(folder, mode=0o700)
    for path in dict.fromkeys(path for fault in work for path in fault.touches):
        if os.path.isfile(f"{tree.root}/{path}"):
            os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
            shutil.copy2(f"{tree.root}/{path}", f"{folder}/{path}", follow_symlinks=False)
    return folder


def _mend(tree: Tree, found: Inspection, work: list[Fault], now: datetime) -> None:
    """The steps of a start, in its order: cut, redo, sweep; then the views."""
    marks = Marks(tree.state)
    service = Service(tree.root, tree.policy, marks=marks, limits=tree.limits)
    broken = False
    for case_id in found.ids:
        book = ledger.audit(tree.root, case_id)
        if book.broken:
            broken = True
            continue
        if book.torn is not None:
            service.disk.append(f"{case_id}/{journal.PLACE}", b"", book.torn)
        late = {e["n"] for e in unsettled(book, marks)}
        again = [e for e in book.entries if e["n"] in late or e.get("action") in ("send", "write")]
        service.hands.redo(Case(case_id), again)
        service.hands.sweep(case_id)
    if not broken:
        service.house.recover()  # what answers letters that belong to no case, and then what is left over
    service.disk.sync_all()
    views = {fault.touches[0].split("/")[0] for fault in work if fault.mend == "view"}
    seen = looking(tree)
    seen.load_all(now)
    hands = Hands(seen.store, service.disk)
    for case_id in sorted(views & set(seen.cases)):
        case = seen.cases[case_id]
        hands.view(case, f"{case_id}/{VIEW}", progress(case, seen.agendas[case_id], tree.policy))
