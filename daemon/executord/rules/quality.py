"""What a standard that fails leads to: the work that would mend it, or a decision [QUA-2].

Counterparts: `standards.py`, the six standards; `delivery.py`, which asks for components and files (standards 3 and 5);
`closing.py`, which hands off when nothing fails. Each escalation names the message that would free it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from executord.actions import Send
from executord.agenda import Due
from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.parcel import closing_update_lacks, closing_update_leaves, current, nothing_to_execute, settled
from executord.policy import Policy
from executord.posts.tidings import asked_for, local_words
from executord.promises.answers import reaction
from executord.promises.updates import cadence
from executord.rules.asking import Asking, managers
from executord.rules.delivery import demand, last_end, works
from executord.standards import NAMES, gate
from executord.values import stamp

ORDER = 72


def lines(case: Case, policy: Policy) -> Iterator[Due]:
    """The work that a failed gate makes."""
    if not works(case):
        return
    if not settled(case):
        yield from _expected(case, policy)
        return
    delivery = case.head.delivery
    product = current(case)
    if (
        (product is None and not nothing_to_execute(case))
        or delivery.halted is not None
        or delivery.undecided is not None
    ):
        return
    table = {each.number: each for each in gate(case, policy, product)}
    if table[2].result == "fail":
        yield from _update(case)
    for number in (2, 4, 6):
        each = table[number]
        if each.result == "fail" and (number != 2 or not closing_update_lacks(case)):
            yield from _decision(case, number, each.evidence)


# --- standard 1: a planned task that never comes ----------------------------------------------------------------------


def _expected(case: Case, policy: Policy) -> Iterator[Due]:
    """Only tasks without a file are left: whether they still come is a decision."""
    if any(case.counts[folder] for folder in ("pending", "in_progress", "blocked")):
        return
    missing = [t.id for t in case.in_order() if t.ended is None and not t.present]
    if (
        not missing
        or len(missing) == len(case.tasks)
        or any(t.file is not None for t in case.tasks.values() if not t.present)
    ):
        return
    digest = hashlib.sha256("\n".join(missing).encode(errors="replace")).hexdigest()[:8]
    subject = f"standard 1 {digest}"
    name = f"escalate standard 1 {digest}"
    if name in case.head.done:
        return
    at = reaction(policy, case.head, case.head.priority_now, last_end(case))[1]
    why = f"everything else has ended; the plan names {', '.join(missing)}, and no file has come"
    yield _escalate(at, name, subject, why, {"standard": 1, "tasks": missing})


# --- standard 2: the customer has not heard how it ended --------------------------------------------------------------


def _update(case: Case) -> Iterator[Due]:
    lacks = closing_update_lacks(case)
    if lacks is None or closing_update_leaves(case):
        return
    k = case.head.updates + 1
    subject = f"closing-update #{k}"
    if case.ask_of(None, subject) is not None:
        return
    to = case.head.liaison
    name = f"request closing-update #{k}"
    if name in case.head.done:
        return
    facts = {"ask": subject, "level": 1, "for": to, "opens": {"to": to, "why": lacks}}
    yield Due(
        last_end(case), name, "QUA-2", Send(to, "customer_update_request"), why=lacks, facts=facts, order=ORDER,
        ask=subject,
    )  # fmt: skip


def _update_body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    found = cadence(case, policy)
    due = found.due if found is not None else last_end(case)
    body: dict[str, Any] = {
        "text": f"the customer is to hear how it ended: {ask.facts['why']}",
        "number": case.head.updates + 1,
        "due": stamp(due),
        "due_local": local_words(due, found.calendar) if found is not None else stamp(due),
        "last_update_at": stamp(found.last) if found is not None and not found.first else None,
        "promised_by": "the gate: one update with or after the last result",
        **asked_for(case, due),
    }
    if ask.level == 0:
        return body
    options = [
        {"type": "customer_update", "means": "the update itself, with the five contents"},
        {"type": "waive", "means": "it is let pass, with your reason: `standard: 2`"},
    ]
    what = f"the customer of {case.id} was not told how it ended: {ask.facts['why']}"
    decision = "the update, or that the hand-off goes without it"
    return {**demand(case, ask, policy, what, decision, options), "about": body}


def _no_update(case: Case, task: Task | None, ask: Ask) -> bool:
    waived = any(w.standard == 2 for w in case.head.delivery.waivers)
    return not waived and closing_update_lacks(case) is not None and not closing_update_leaves(case)


CLOSING_UPDATE = Asking("QUA-2", "customer_update_request", _update_body, stands=_no_update)


# --- standards that only a decision can mend --------------------------------------------------------------------------

_OPTIONS: Mapping[int, tuple[tuple[str, str], ...]] = {
    1: (("defer", "the task is put off, with a reason"), ("cancel", "the task is not to be done, with a reason")),
    2: (("customer_update", "the update that is overdue"), ("waive", "let pass, with your reason: `standard: 2`")),
    4: (
        ("waive", "let pass, with your reason: `standard: 4`; the result in reports stays breached"),
        ("sla_extension", "an extension that the customer approved, with `approved_by`"),
    ),
    6: (("waive", "let pass, with your reason: `standard: 6`"), ("resume", "once the way is free again")),
}


def _decision(case: Case, number: int, evidence: tuple[str, ...]) -> Iterator[Due]:
    digest = hashlib.sha256("\n".join(evidence).encode(errors="replace")).hexdigest()[:8]
    name = f"escalate standard {number} {digest}"
    if name in case.head.done:
        return
    why = f"standard {number}, {NAMES[number]}: {'; '.join(evidence[:3])}"
    yield _escalate(last_end(case), name, f"standard {number} {digest}", why, {"standard": number})


def _escalate(at: Any, name: str, subject: str, why: str, more: Mapping[str, Any]) -> Due:
    facts = {
        "ask": subject,
        "level": 1,
        "for": "support-manager",
        "opens": {"to": "support-manager", "why": why, **more},
    }
    return Due(at, name, "QUA-2", Send("support-manager", "escalation"), why=why, facts=facts, order=ORDER, ask=subject)


def _standard_body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    number = int(ask.facts["standard"])
    options = [{"type": kind, "means": means} for kind, means in _OPTIONS[number]]
    body = demand(
        case, ask, policy, f"{case.id} cannot be handed off: {ask.facts['why']}",
        "whether it is let pass" if number != 1 else "whether these tasks are still to be done", options,
    )  # fmt: skip
    rows = [each.row() for each in gate(case, policy, case.head.delivery.product)]
    body["about"] = {"standard": number, "gate": rows, "tasks": list(ask.facts.get("tasks", ()))}
    return body


def _standard_fails(case: Case, task: Task | None, ask: Ask) -> bool:
    number = int(ask.facts["standard"])
    if any(w.standard == number for w in case.head.delivery.waivers):
        return False
    if number == 1:
        return any(
            i in case.tasks and case.tasks[i].ended is None and not case.tasks[i].present for i in ask.facts["tasks"]
        )
    return case.head.delivery.handed is None


def _standard_chain(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    return managers(policy, "support-manager")


STANDARD = Asking("QUA-2", "escalation", _standard_body, _standard_chain, stands=_standard_fails)
