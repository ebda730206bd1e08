"""The six quality standards that a case passes before it is handed off [QUA-1, QUA-5], and its phase. Pure.

Counterparts: `rules/quality.py`, which makes of each that fails the work that would mend it; `views/gate.py`, which
shows them. A standard's result follows from what the journal says, never from what time it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from executord import deliverables
from executord.case import Task
from executord.casebook import Case
from executord.deliverables import Deliverable
from executord.policy import Policy
from executord.products import Product, Source, Waiver
from executord.standing import communication_of
from executord.values import stamp

NAMES: Mapping[int, str] = {
    1: "all planned tasks executed or explicitly deferred",
    2: "customer communication requirements met",
    3: "deliverable complete in format and content",
    4: "SLAs met or extensions approved by the customer",
    5: "all outputs documented in memory",
    6: "hand-off package ready",
}
#: Words by which a waiver may name a standard, besides its number.
WORDS: Mapping[str, int] = {
    "tasks": 1, "customer_communication_requirements": 2, "communication": 2, "updates": 2, "deliverable": 3,
    "sla": 4, "slas": 4, "outputs": 5, "package": 6, "hand_off": 6, "handoff": 6,
} | {deliverables.word(name): number for number, name in NAMES.items()}  # fmt: skip
_SHOWN = 20  # pieces of evidence of one standard


@dataclass(frozen=True, slots=True)
class Standard:
    """One row of the gate table [CON-14]: `result` ∈ pass fail waived, `by` who waived it."""

    number: int
    result: str
    evidence: tuple[str, ...]
    by: str | None = None

    def row(self) -> dict[str, Any]:
        """As the gate table shows it."""
        evidence = list(self.evidence[:_SHOWN])
        if len(self.evidence) > _SHOWN:
            evidence.append(f"and {len(self.evidence) - _SHOWN} more")
        return {
            "standard": self.number,
            "name": NAMES[self.number],
            "result": self.result,
            "evidence": evidence,
            "by": self.by,
        }


@dataclass(frozen=True, slots=True)
class Promise:
    """A clock, as far as the gate asks for it [SLA-2]; `approved`: the customer approved an extension after it broke."""

    kind: str
    task: str | None
    state: str  # running paused met approved_extension breached
    due: datetime | None = None
    approved: bool = False
    late_by_s: int | None = None


def promises(case: Case, policy: Policy) -> list[Promise]:
    """The clocks of a case."""
    return []


def kind_of(case: Case) -> type[Deliverable]:
    """The type of what this case delivers."""
    return deliverables.named(case.head.deliverable_type) or deliverables.TYPES[deliverables.DEFAULT]


def nothing_to_execute(case: Case) -> bool:
    """Tier 0 without a task: handed off as it is [EXE-8]."""
    return case.head.tier == 0 and not case.tasks


def settled(case: Case) -> bool:
    """Whether every task has ended, its result is written, and its file lies where it belongs [QUA-3]."""
    if case.open_tasks or case.counts["pending"] or case.counts["in_progress"] or case.counts["blocked"]:
        return False
    if not case.tasks:
        return nothing_to_execute(case)
    return not any(
        t.result_owed or t.gone_at is not None or (t.file is not None and not t.present) for t in case.tasks.values()
    )


def mark(case: Case) -> str:
    """What tells one state of a case's results from another: tasks, results, answers, updates."""
    delivery = case.head.delivery
    results = sum(t.results for t in case.tasks.values())
    return f"{len(case.tasks)} {results} {delivery.answers} {len(delivery.updates)}"


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
    if case.open_tasks == 0 and (case.tasks or head.tier == 0):
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
    if nothing_to_execute(case):
        return
    delivery = case.head.delivery
    waivers = {w.component: w for w in delivery.waivers if w.component is not None}
    for name, component in kind_of(case).components.items():
        source = product.parts.get(name) if product is not None else None
        waiver = waivers.get(name)
        if source is None and component.record and case.head.spec.customer is None:
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


# --- the table --------------------------------------------------------------------------------------------------------


def gate(case: Case, policy: Policy, product: Product | None) -> tuple[Standard, ...]:
    """The gate table, in the order of the standards."""
    waived: dict[int, Waiver] = {w.standard: w for w in case.head.delivery.waivers if w.standard is not None}
    found = (
        _tasks(case), _customer(case, policy), _deliverable(case, product), _slas(case, policy), _outputs(product),
        _package(case, product),
    )  # fmt: skip
    return tuple(_let_pass(each, waived.get(each.number)) for each in found)


def ready(table: tuple[Standard, ...]) -> bool:
    """Whether nothing fails."""
    return all(each.result != "fail" for each in table)


def _let_pass(each: Standard, waiver: Waiver | None) -> Standard:
    if each.result != "fail" or waiver is None:
        return each
    said = f"waived by {waiver.by} on {stamp(waiver.at)}: {waiver.reason}"
    return Standard(each.number, "waived", (said, *each.evidence), waiver.by)


def _result(number: int, fails: list[str], passes: list[str]) -> Standard:
    return Standard(number, "fail", tuple(fails)) if fails else Standard(number, "pass", tuple(passes))


def _tasks(case: Case) -> Standard:
    fails, passes = [], []
    for task in case.in_order():
        ended = task.ended
        if ended is None:
            passed = "its file is not there" if not task.present else "it has not ended"
            fails.append(f"{task.id} is open: {passed}")
        elif ended.state == "completed":
            passes.append(f"{task.id} verified on {stamp(ended.at)}")
        else:
            passes.append(f"{task.id} {ended.state} by {ended.by}: {ended.reason}")
    if not case.tasks and not nothing_to_execute(case):
        fails.append("there is no task yet")
    return _result(1, fails, passes or ["nothing to execute"])


def last_verified(case: Case) -> Task | None:
    """The task whose completion was verified last, by event time."""
    done = [t for t in case.tasks.values() if t.ended is not None and t.ended.state == "completed"]
    return max(done, key=lambda t: (t.ended.at, t.key) if t.ended is not None else (), default=None)  # type: ignore[arg-type,return-value]


def closing_update_lacks(case: Case) -> str | None:
    """Why the customer still has to be told how it ended; None: he was, or there is none."""
    if case.head.spec.customer is None:
        return None
    updates = case.head.delivery.updates
    last = last_verified(case)
    if last is None or last.ended is None:
        return None if updates else "no complete update was sent to the customer"
    if not any(u.at >= last.ended.at for u in updates):
        return f"no complete update was sent with or after the completion of {last.id} ({stamp(last.ended.at)})"
    return None


def _customer(case: Case, policy: Policy) -> Standard:
    if case.head.spec.customer is None:
        return Standard(2, "pass", ("there is no customer",))
    fails, passes = [], []
    lacks = closing_update_lacks(case)
    if lacks is not None:
        fails.append(lacks)
    for task in case.in_order():
        ended = task.ended
        if ended is None or ended.state != "completed" or ended.by is not None:
            continue
        if communication_of(case, task) in ("customer", "both") and not task.updates:
            fails.append(f"{task.id} owes the customer an update, and none is recorded for it")
    for clock in promises(case, policy):
        if clock.kind == "customer_update" and clock.state == "breached":
            fails.append(f"an update is overdue since {stamp(clock.due) if clock.due else 'long'}")
    updates = case.head.delivery.updates
    if updates:
        passes.append(f"{len(updates)} updates were sent, the last on {stamp(updates[-1].at)}")
    return _result(2, fails, passes)


def _deliverable(case: Case, product: Product | None) -> Standard:
    fails, passes = [], []
    for part in parts(case, product):
        if part.state in ("refused", "missing"):
            fails.append(f"{part.name}: {part.why}")
        elif part.state == "waived":
            passes.append(f"{part.name}: waived by {part.by}: {part.why}")
        elif part.source is not None:
            of = f" of {part.source.task}" if part.source.task else ""
            passes.append(f"{part.name}: {part.source.source}{of}, {part.source.path}")
    return _result(3, fails, passes or ["nothing to execute"])


def _slas(case: Case, policy: Policy) -> Standard:
    fails, passes, let_pass = [], [], []
    for clock in promises(case, policy):
        if clock.kind not in ("response", "next_response", "resolution") or (
            clock.kind != "resolution" and clock.task is not None
        ):
            continue
        name = f"{clock.kind} of {clock.task or case.id}"
        due = f", due {stamp(clock.due)}" if clock.due is not None else ""
        if clock.state != "breached":
            passes.append(f"{name}: {clock.state}{due}")
        elif clock.approved:
            let_pass.append(f"{name}: breached{due}; the customer approved an extension afterwards")
        else:
            fails.append(f"{name}: breached{due}")
    if let_pass and not fails:
        return Standard(4, "waived", (*let_pass, *passes), "customer")
    return _result(4, [*fails, *(let_pass if fails else ())], passes or ["no clock runs"])


def _outputs(product: Product | None) -> Standard:
    if product is None:
        return Standard(5, "pass", ("no output yet",))
    fails = [f"{gap.path}" + (f" of {gap.task}" if gap.task else "") + f": {gap.why}" for gap in product.gaps]
    return _result(
        5, fails, [f"every file that a result names is there; {len(product.extras)} more outputs are listed"]
    )


def _package(case: Case, product: Product | None) -> Standard:
    if product is not None and product.blocked is not None:
        return Standard(6, "fail", (product.blocked,))
    delivery = case.head.delivery
    if delivery.handed is not None:
        survey = case.survey
        bad = survey.changed if survey is not None else ()
        if bad:
            return Standard(6, "fail", tuple(f"outputs/final/{name} is not as it was handed off" for name in bad))
        names = ", ".join(sorted(delivery.finals))
        return Standard(6, "pass", (f"written for cycle {delivery.cycle}: {names}",))
    return Standard(6, "pass", ("its files are written when the others pass",))
