"""The parcel: which components of a case's deliverable are there, what is still missing, and how far it is. Pure.

Counterparts: `standards.py`, the gate that it passes; `meaning/deliveries.py`, which puts the journal's word into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from executord import deliverables
from executord.case import Task, Update
from executord.case.casebook import Case
from executord.case.products import Product, Source
from executord.deliverables import Deliverable
from executord.values import stamp


def kind_of(case: Case) -> type[Deliverable]:
    """The type of what this case delivers."""
    return deliverables.named(case.head.deliverable_type) or deliverables.TYPES[deliverables.DEFAULT]


def nothing_to_execute(case: Case) -> bool:
    """Tier 0 without a task: handed off as it is [EXE-8]."""
    return case.head.tier == 0 and not case.tasks


def settled(case: Case) -> bool:
    """Whether every task has ended, its result is written, and its file lies where it belongs [QUA-3].

    Never while a plan that may name more, or what the customer is owed, cannot be known [MEM-25].
    """
    if case.open_tasks or case.counts["pending"] or case.counts["in_progress"] or case.counts["blocked"]:
        return False
    if case.head.lacks:
        return False
    if not case.tasks:
        return nothing_to_execute(case)
    return not any(
        t.result_owed or t.gone_at is not None or (t.file is not None and not t.present) for t in case.tasks.values()
    )


def counted(case: Case) -> tuple[Update, ...]:
    """The updates to the customer that count [SLA-16]."""
    return tuple(u for u in case.head.sent_updates if u.counts_at is not None)


def mark(case: Case) -> str:
    """What tells one state of a case's results from another: tasks, results, answers, updates."""
    delivery = case.head.delivery
    results = sum(t.results for t in case.tasks.values())
    return f"{len(case.tasks)} {results} {delivery.answers} {len(counted(case))}"


def current(case: Case) -> Product | None:
    """The product, if it was aggregated from the results as they are now."""
    product = case.head.delivery.product
    return product if product is not None and product.mark == mark(case) else None


def phase_of(case: Case) -> str:
    """The phase of an instruction [EXE-1]."""
    head, delivery = case.head, case.head.delivery
    if not head.ours:
        return "not_ours"
    if head.closed is not None:
        return "closed"
    if head.parked is not None:
        return "parked"
    if head.opened_at is None:
        return "waiting"
    if delivery.halted is not None:
        return "blocked"
    if delivery.handed is not None and case.open_tasks == 0:
        return "handed_off"
    last = delivery.verdict
    if last is not None and last.result == "FIXABLE" and last.cycle == delivery.cycle:
        return "rework"
    if case.open_tasks == 0 and (case.tasks or head.tier == 0) and not head.lacks:
        return "gate"
    return "executing"


# --- components -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """One component as it stands: `state` ∈ complete waived refused missing."""

    name: str
    state: str
    why: str = ""
    source: Source | None = None
    by: str | None = None


def parts(case: Case, product: Product | None) -> Iterator[Part]:
    """Every component of the type, in its order."""
    return _parts(case, product, told_to_somebody=case.head.spec.customer is not None)


def lacking(case: Case) -> set[str]:
    """The components that are missing or refused, by the journal alone, not by what the instruction says now."""
    found = _parts(case, case.head.delivery.product, told_to_somebody=True)
    return {part.name for part in found if part.state in ("missing", "refused")}


def _parts(case: Case, product: Product | None, *, told_to_somebody: bool) -> Iterator[Part]:
    if nothing_to_execute(case):
        return
    delivery = case.head.delivery
    waivers = {w.component: w for w in delivery.waivers if w.component is not None}
    for name, component in kind_of(case).components.items():
        source = product.parts.get(name) if product is not None else None
        waiver = waivers.get(name)
        if source is None and component.record and not told_to_somebody:
            yield Part(name, "waived", "there is no customer", by="executord")
        elif source is not None and source.waived is not None and waiver is None:
            yield Part(name, "waived", source.waived, source, source.agent)
        else:
            why = _refused(name, source, delivery.turned_down)
            if why is None:
                yield Part(name, "complete", "", source)
            elif waiver is not None:
                yield Part(name, "waived", waiver.reason, source, waiver.by)
            else:
                yield Part(name, "missing" if source is None else "refused", why, source)


def _refused(name: str, source: Source | None, turned_down: Mapping[str, str]) -> str | None:
    if source is None:
        return "it is missing: no result and no file in outputs/ holds it"
    if source.refused is not None:
        return source.refused
    said = turned_down.get(f"{name} {source.sha256[:16]}")
    return f"the validator: {said}" if said is not None else None


def concerns(case: Case, product: Product | None) -> list[str]:
    """What the validator must know: what workers said, and the parts that no key and no heading names [DEL-1]."""
    found: list[str] = []
    for task in case.in_order():
        for attempt in task.attempts:
            if attempt.state == "done" and attempt.claim is not None:
                found += [f"{task.id}: {text}" for text in attempt.claim.concerns]
    for part in parts(case, product):
        if part.source is not None and part.source.lacks and part.state == "complete":
            found.append(f"{part.name}: no key and no heading names {', '.join(part.source.lacks)}")
    return found


def last_verified(case: Case) -> Task | None:
    """The task whose completion was verified last, by event time."""
    done = [t for t in case.tasks.values() if t.ended is not None and t.ended.state == "completed"]
    return max(done, key=lambda t: (t.ended.at, t.key) if t.ended is not None else (), default=None)


def closing_update_leaves(case: Case) -> bool:
    """Whether an update that tells how it ended was taken and is on its way: it counts once it is delivered [SLA-16].

    As long as it is, the outbox has it, or its liaison was asked how they get it: there is nothing more to ask for.
    """
    last = last_verified(case)
    ended = last.ended.at if last is not None and last.ended is not None else None
    waiting = {sending.number for sending in case.head.outbox}
    return any(u.number in waiting and (ended is None or u.at >= ended) for u in case.head.sent_updates)


def closing_update_lacks(case: Case) -> str | None:
    """Why the customer still has to be told how it ended; None: he was, or there is none, or nothing was done."""
    return untold(case) if case.head.spec.customer is not None and not nothing_to_execute(case) else None


def untold(case: Case) -> str | None:
    """Why no update tells how it ended, by the journal alone: whether there is a customer is not asked."""
    updates = counted(case)
    last = last_verified(case)
    if last is None or last.ended is None:
        return None if updates else "no complete update was sent to the customer"
    if not any(u.at >= last.ended.at for u in updates):
        return f"no complete update was sent with or after the completion of {last.id} ({stamp(last.ended.at)})"
    return None
