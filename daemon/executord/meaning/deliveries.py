"""What the lines of chapter 6 mean for a case's delivery: aggregated, asked, written, handed off, withdrawn [MEM-17].

Counterparts: `fold.py`, which calls these for its verbs; `rules/delivery.py`, `rules/quality.py`,
`rules/closing.py`, which make the lines. A product stands in its line as facts: which content, from where, by whom,
with what hash; never the content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from executord.case.casebook import Case
from executord.case.packed import shared
from executord.case.products import (
    Asked,
    Escalated,
    Final,
    Gap,
    OutputFile,
    Product,
    Source,
)
from executord.evolve import replace
from executord.meaning.asking import answered
from executord.parcel import lacking, untold
from executord.pen import json_text
from executord.values import read_stamp, stamp

Entry = Mapping[str, Any]


def changed(case: Case, at: datetime, **changes: Any) -> None:
    """Put another delivery into the head."""
    case.set_head(replace(case.head, delivery=replace(case.head.delivery, since=at, **changes)))


# --- a product as facts -----------------------------------------------------------------------------------------------


def file_facts(file: OutputFile) -> dict[str, Any]:
    """A file for a line."""
    row = {"path": file.path, "size": file.size, "sha256": file.sha256, "task": file.task, "by": file.by}
    return {k: v for k, v in row.items() if v is not None}


def source_facts(source: Source) -> dict[str, Any]:
    """A source for a line."""
    row = {
        "component": source.component,
        "source": source.source,
        "path": source.path,
        "sha256": source.sha256,
        "keys": list(source.keys) or None,
        "task": source.task,
        "agent": source.agent,
        "attempt": source.attempt,
        "at": stamp(source.at) if source.at else None,
        "files": [file_facts(f) for f in source.files] or None,
        "refused": source.refused,
        "waived": source.waived,
        "lacks": list(source.lacks) or None,
    }
    return {k: v for k, v in row.items() if v is not None}


def _file(row: Mapping[str, Any]) -> OutputFile:
    named = (row["path"], row["sha256"], row.get("task"), row.get("by"))  # the same in every delivery of the case
    path, sha256, task, by = map(shared, named)
    return OutputFile(path, row["size"], sha256, task, by)


def _source(row: Mapping[str, Any]) -> Source:
    return Source(
        shared(row["component"]), shared(row["source"]), shared(row["path"]), shared(row["sha256"]),
        tuple(row.get("keys", ())), shared(row.get("task")), shared(row.get("agent")), row.get("attempt"),
        read_stamp(row["at"]) if row.get("at") else None,
        tuple(_file(f) for f in row.get("files", ())), row.get("refused"), row.get("waived"),
        tuple(row.get("lacks", ())),
    )  # fmt: skip


def product_facts(
    kind: str, parts: Iterable[Source], others: Iterable[Source], extras: Iterable[OutputFile], gaps: Iterable[Gap],
    blocked: str | None, mark: str,
) -> dict[str, Any]:  # fmt: skip
    """The facts of an `aggregate` line; `digest` tells one product from another."""
    facts: dict[str, Any] = {
        "type": kind,
        "parts": [source_facts(s) for s in parts],
        "others": [source_facts(s) for s in others] or None,
        "extras": [file_facts(f) for f in extras] or None,
        "gaps": [{"path": g.path, "why": g.why, "task": g.task, "agent": g.agent} for g in gaps] or None,
        "blocked": blocked,
        "mark": mark,
    }
    facts = {k: v for k, v in facts.items() if v is not None}
    return {**facts, "digest": hashlib.sha256(json_text(facts).encode(errors="replace")).hexdigest()[:16]}


def product_of(facts: Mapping[str, Any], n: int, at: datetime) -> Product:
    """The opposite."""
    return Product(
        n=n,
        at=at,
        type=facts["type"],
        digest=facts["digest"],
        mark=facts["mark"],
        parts={s.component: s for s in map(_source, facts["parts"])},
        others=tuple(map(_source, facts.get("others", ()))),
        extras=tuple(map(_file, facts.get("extras", ()))),
        gaps=tuple(Gap(g["path"], g["why"], g.get("task"), g.get("agent")) for g in facts.get("gaps", ())),
        blocked=facts.get("blocked"),
    )


# --- what lines mean --------------------------------------------------------------------------------------------------


def aggregate(case: Case, entry: Entry, at: datetime) -> None:
    """The best of each component, as it was found."""
    delivery = case.head.delivery
    product = product_of(entry["facts"], entry["n"], at)
    changed(case, at, product=product, aggregates=delivery.aggregates + 1)
    met(case)


def met(case: Case) -> None:
    """What was asked for and is there now, or was let pass, is asked no more; by the journal alone [MEM-17]."""
    missing = lacking(case)
    product, waived = case.head.delivery.product, case.head.delivery.waivers
    gaps = {g.path for g in product.gaps} if product is not None else set()
    for ask in case.head.asks:
        component, path = ask.facts.get("component"), ask.facts.get("path")
        if (
            (ask.about == "component" and component is not None and component not in missing)
            or (ask.about == "file" and (path not in gaps or any(w.standard == 5 for w in waived)))
            or (ask.about == "standard" and any(w.standard == ask.facts.get("standard") for w in waived))
            or (ask.about == "closing-update" and (untold(case) is None or any(w.standard == 2 for w in waived)))
        ):
            answered(case, None, ask.subject)


def request(case: Case, entry: Entry, at: datetime) -> None:
    """Somebody was asked for a component, a file, or the closing update."""
    facts = entry.get("facts") or {}
    what = facts.get("of")
    if what is None:
        return
    asked = case.head.delivery.asked
    n = asked[what].n + 1 if what in asked else 1
    changed(case, at, asked={**asked, what: Asked(n, entry["to"], at)})


def write(case: Case, entry: Entry, at: datetime) -> None:
    """A file of the hand-off was written."""
    facts = entry["facts"]
    name, cycle = facts["file"], facts["cycle"]
    final = Final(cycle, facts["sha256"], facts["size"])
    changed(case, at, finals={**case.head.delivery.finals, name: final})


def shelve(case: Case, entry: Entry, at: datetime) -> None:
    """A file of an earlier cycle was moved away."""
    name = entry["facts"]["file"]
    changed(case, at, finals={k: v for k, v in case.head.delivery.finals.items() if k != name})


def hand_off(case: Case, entry: Entry, at: datetime) -> None:
    """The validator has it."""
    changed(case, at, cycle=entry["facts"]["cycle"], handed=at, halted=None, undecided=None)
    for ask in case.head.asks:
        if ask.about in ("standard", "closing-update", "component", "file", "halt", "issues"):
            answered(case, None, ask.subject)


def withdraw(case: Case, entry: Entry, at: datetime) -> None:
    """The hand-off does not count any more [EXE-27]."""
    delivery = case.head.delivery
    gone = (entry.get("facts") or {}).get("changed", ())
    finals = {name: f for name, f in delivery.finals.items() if name not in gone}
    changed(case, at, handed=None, withdrawn=delivery.withdrawn + 1, finals=finals)
    if case.ask_of(None, f"verdict c{delivery.cycle}") is not None:
        answered(case, None, f"verdict c{delivery.cycle}")


def update(case: Case, entry: Entry, at: datetime) -> None:
    """The file of an update to the customer was written."""
    facts = entry.get("facts") or {}
    number = int(entry["name"].rpartition("#")[2])
    path = (entry.get("path") or "").removeprefix(f"{case.id}/")
    if "sha256" in facts:
        files = {**case.head.delivery.update_files, str(number): OutputFile(path, facts["size"], facts["sha256"])}
        changed(case, at, update_files=files)


def amended(case: Case, number: int, facts: Mapping[str, Any], at: datetime) -> None:
    """The file of an update says now how it was delivered: it has another hash."""
    key = str(number)
    old = case.head.delivery.update_files.get(key)
    if old is not None and "sha256" in facts:
        new = replace(old, sha256=facts["sha256"], size=facts["size"])
        changed(case, at, update_files={**case.head.delivery.update_files, key: new})


def gather(case: Case, entry: Entry, at: datetime) -> None:
    """The components of an answer lie in a file of ours."""
    changed(case, at, answers=case.head.delivery.answers + 1)


def escalated(case: Case, entry: Entry, at: datetime) -> None:
    """Somebody was asked for a decision."""
    done = case.head.delivery.escalations
    one = Escalated(at, entry["to"], entry.get("task"), (entry.get("why") or "")[:300])
    case.set_head(replace(case.head, delivery=replace(case.head.delivery, escalations=(*done, one))))


def decided(case: Case, at: datetime) -> None:
    """A person has said how it goes on: what was halted is so no more."""
    delivery = case.head.delivery
    if delivery.halted is None and delivery.undecided is None:
        return
    changed(case, at, halted=None, undecided=None, fixable=0)
    for ask in case.head.asks:
        if ask.about in ("halt", "issues"):
            answered(case, None, ask.subject)


FOLD: dict[str, Callable[[Case, Entry, datetime], None]] = {
    "aggregate": aggregate,
    "request": request,
    "write": write,
    "shelve": shelve,
    "hand": hand_off,
    "withdraw": withdraw,
    "gather": gather,
    "update": update,
}
