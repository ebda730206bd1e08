"""The six quality standards that a case passes before it is handed off [QUA-1, QUA-5], and its phase. Pure.

Counterparts: `rules/quality.py`, which makes of each that fails the work that would mend it; `views/delivered.py`,
which shows them. A standard's result follows from what the journal says, never from what time it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any

from executord import deliverables
from executord.case import Update
from executord.case.casebook import Case
from executord.case.products import Product, Waiver
from executord.parcel import closing_update_lacks, counted, nothing_to_execute, parts
from executord.policy import Policy
from executord.promises import clocks_of
from executord.promises.timepiece import Clock
from executord.promises.updates import update_clock
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


# --- the table --------------------------------------------------------------------------------------------------------


def gate(case: Case, policy: Policy, product: Product | None) -> tuple[Standard, ...]:
    """The gate table, in the order of the standards; made once for each state of the case."""
    facts = (case.revision, case.n, policy, product, case.survey)
    kept = case.memo.get("gate")
    if kept is None or kept[0][:2] != facts[:2] or not all(map(is_, kept[0][2:], facts[2:])):
        kept = case.memo["gate"] = (facts, _gate(case, policy, product))
    table: tuple[Standard, ...] = kept[1]
    return table


def _gate(case: Case, policy: Policy, product: Product | None) -> tuple[Standard, ...]:
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
    if case.head.lacking is not None:
        fails.append(case.head.lacking)
    return _result(1, fails, passes or ["nothing to execute"])


def _customer(case: Case, policy: Policy) -> Standard:
    if "instruction" in case.head.lacks:
        return Standard(2, "fail", (f"nobody knows of a customer: {case.head.lacking}",))
    if case.head.spec.unknown:
        return Standard(2, "fail", ("nobody knows of a customer: instruction.yaml cannot be read, or is empty",))
    if case.head.spec.unnamed:
        return Standard(2, "fail", ("nobody knows of a customer: his place in instruction.yaml is not filled in",))
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
        if task.spec.communication in ("customer", "both") and not task.updates:  # a silent one: the closing update
            fails.append(f"{task.id} owes the customer an update, and none is recorded for it")
    clock = update_clock(case, policy)
    if clock is not None and clock.stopped is None and clock.recorded:
        fails.append(f"an update is overdue since {stamp(clock.due) if clock.due else 'long'}")
    updates = counted(case)
    if updates:
        passes.append(f"{len(updates)} updates were sent, the last on {stamp(updates[-1].at)}")
    passes += [
        f"update #{u.number} was late: {stamp(u.at)}, due {stamp(u.due)}"
        for u in updates
        if on_time(u) is False and u.due
    ]
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
    for clock in clocks_of(case, policy, past=True):
        if clock.kind != "resolution" and (clock.kind not in ("response", "next_response") or clock.task is not None):
            continue
        name = f"{clock.kind} of {clock.task or case.id}"
        due = f", due {stamp(clock.due)}" if clock.due is not None else ""
        if clock.state != "breached":
            passes.append(f"{name}: {clock.state}{due}")
        elif _approved_after(case, clock):
            let_pass.append(f"{name}: breached{due}; the customer approved an extension afterwards")
        else:
            fails.append(f"{name}: breached{due}")
    if let_pass and not fails:
        return Standard(4, "waived", (*let_pass, *passes), "customer")
    return _result(4, [*fails, *(let_pass if fails else ())], passes or ["no clock runs"])


def _approved_after(case: Case, clock: Clock) -> bool:
    """Whether the customer approved an extension after the breach: that lets it pass [QUA-5, SLA-22]."""
    task = case.tasks.get(clock.task or "")
    extensions = (*case.head.extensions, *(task.extensions if task is not None else ()))
    return any(e.approved and all(e.at >= b.detected_at for b in clock.breaches) for e in extensions)


def on_time(update: Update) -> bool | None:
    """Whether an update counted before it was overdue; None where that is not known."""
    if update.due is None or update.counts_at is None:
        return None
    return update.counts_at <= update.due


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
    delivery, closed = case.head.delivery, case.head.closed
    if delivery.handed is not None or (closed is not None and closed.state == "passed"):
        survey = case.survey
        bad = survey.changed if survey is not None else ()
        if bad:
            return Standard(6, "fail", tuple(f"outputs/final/{name} is not as it was handed off" for name in bad))
        names = ", ".join(sorted(delivery.finals))
        return Standard(6, "pass", (f"written for cycle {delivery.cycle}: {names}",))
    return Standard(6, "pass", ("its files are written when the others pass",))
