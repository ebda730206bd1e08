"""The incidents of a tree, and whether a timeline is what the journal says [INC-5, CON-15].

Counterparts: `rules/incident.py`, the view in the tree; `cli/incident.py`, which prints this. Only reads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from executord.case.casebook import Case
from executord.case.warroom import NO_HASH, Incident
from executord.errors import Unreadable
from executord.files import journal
from executord.meaning.incidents import digest
from executord.paper import Limits, parse
from executord.paper.gate import regular
from executord.pen import dump
from executord.rules.incident import view, view_path
from executord.views.overview import Tree

_MADE = re.compile(r"inc-(.+)-\d+")
KEYS = ("n", "at", "who", "what", "kind", "event", "prev", "hash")


def rows(tree: Tree, ids: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """One row for each incident, by instruction."""
    found = []
    for case_id in sorted(tree.cases):
        case = tree.cases[case_id]
        for incident in case.head.incidents:
            if ids and case_id not in ids and incident.id not in ids:
                continue
            whole = view(case, incident)
            keys = ("incident_id", "instruction_id", "severity", "status", "opened_at", "resolved_at", "closed_at")
            found.append(
                {**{k: whole[k] for k in keys}, "commander": incident.commander, "entries": len(incident.timeline)}
            )
    return found


def find(tree: Tree, named: str) -> tuple[Case, Incident] | None:
    """An incident by its id, else the last one of an instruction; first in the instruction that the name speaks of."""
    here = tree.cases.get(named)
    if here is not None and here.head.incidents:
        return here, here.head.incidents[-1]
    first = [tree.cases[i] for i in spoken_of(named) if i in tree.cases]
    for case in (*first, *tree.cases.values()):
        for incident in case.head.incidents:
            if incident.id == named:
                return case, incident
    return None


def spoken_of(named: str) -> tuple[str, ...]:
    """The instructions that a name can speak of by itself: its own, and that of `inc-{instruction}-{k}`."""
    made = _MADE.fullmatch(named)
    return (named, made[1]) if made else (named,)


def mentions(root: str, case_id: str, named: str) -> bool:
    """Whether the newest part of a case's journal holds this name: it names each of the case's incidents [CON-6].

    True also where that cannot be told.
    """
    try:
        with os.fdopen(regular(f"{root}/{case_id}/{journal.PLACE}"), "rb") as file:
            return named.encode("utf-8", "surrogateescape") in file.read()
    except FileNotFoundError:
        return False
    except (OSError, Unreadable):
        return True


def verify(tree: Tree, case: Case, incident: Incident) -> list[str]:
    """What is wrong with the chain of an incident, or with the file that shows it; nothing: it holds."""
    root = f"{tree.root}/{case.id}"
    try:
        entries = journal.read(root).entries
    except Unreadable as error:
        return [f"the journal cannot be read: {error}"]
    all_lines = [(entry, (entry.get("facts") or {}).get("incident")) for entry in entries]
    lines = [(entry, row) for entry, row in all_lines if isinstance(row, dict) and row.get("id") == incident.id]
    found = list(_chain(lines))
    found += _shown(root, case, incident, [row for _, row in lines])
    return found


def _chain(lines: list[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[str]:
    prev = NO_HASH
    for k, (entry, row) in enumerate(lines, 1):
        where = f"entry {row.get('n')} (journal line {entry.get('n')})"
        if row.get("n") != k:
            yield f"{where}: it is the {k}. of the chain"
        if row.get("event") != entry.get("n"):
            yield f"{where}: it says that it is line {row.get('event')}"
        if row.get("prev") != prev:
            yield f"{where}: prev is not the hash of the entry before"
        made = digest({key: row.get(key) for key in KEYS if key != "hash"})
        if row.get("hash") != made:
            yield f"{where}: its hash does not fit what it says"
        prev = str(row.get("hash"))


def _shown(root: str, case: Case, incident: Incident, chain: list[dict[str, Any]]) -> Iterator[str]:
    path = view_path(incident)
    try:
        with os.fdopen(regular(os.path.join(root, path)), "rb") as file:
            data = _read(file.read(), path)
    except (OSError, Unreadable) as error:
        yield f"{path}: it cannot be read: {getattr(error, 'strerror', None) or error}"
        return
    wanted = _read(dump(view(case, incident)), path)
    for key in wanted:
        if key not in ("timeline", "generated_at", "event") and data.get(key) != wanted[key]:
            yield f"{path}: {key} is not what the journal says"
    timeline = data.get("timeline")
    shown = timeline if isinstance(timeline, list) else []
    if len(shown) != len(chain):
        yield f"{path}: it shows {len(shown)} entries, the journal holds {len(chain)}"
    for k, (row, kept) in enumerate(zip(shown, chain, strict=False), 1):
        differs = [key for key in KEYS if not isinstance(row, dict) or row.get(key) != kept.get(key)]
        if differs:
            yield f"{path}: entry {k} differs from the journal in {', '.join(differs)}"


def _read(raw: bytes, path: str) -> dict[str, Any]:
    return parse(raw, path=path, limits=Limits(bytes=32 << 20, nodes=5_000_000)).data or {}
