"""The hand-off, what the validator says of it, and the end [QUA-3, QUA-4, EXE-27].

Counterparts: `finals.py`, the files; `messages/closing.py`, what a verdict and a waiver change. One file, one line:
each is staged, noted and published, and what the next one says of it is a fact of its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from executord import finals
from executord.actions import Archive, Move, Send, Write
from executord.agenda import Due
from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.parcel import current, nothing_to_execute, settled
from executord.policy import Policy
from executord.posts import stem
from executord.rules.asking import Asking, managers
from executord.rules.delivery import demand, last_end, works
from executord.standards import gate, ready

ORDER = 75
CYCLES = 3


def lines(case: Case, policy: Policy) -> Iterator[Due]:
    """The next step of the way out."""
    head = case.head
    if head.opened_at is None or not head.ours or head.parked is not None:
        return
    yield from _verdict_notices(case, policy)
    if head.delivery.handed is not None:
        yield from _while_out(case)
        return
    if works(case):
        yield from _asked_people(case)
        if settled(case):
            yield from _hand_off(case, policy)


# --- handing off ------------------------------------------------------------------------------------------------------


def _hand_off(case: Case, policy: Policy) -> Iterator[Due]:
    """Old files away, new files one by one, then the message: the first of these that is not done."""
    delivery = case.head.delivery
    product = current(case)
    if product is None and not nothing_to_execute(case):
        return
    survey = case.survey
    if product is not None and survey is not None and survey.n == case.n and survey.asides:
        return  # somebody's file is moved away first
    if delivery.halted is not None or delivery.undecided is not None or not ready(gate(case, policy, product)):
        return
    at, cycle = last_end(case), delivery.cycle + 1
    old = {name: f for name, f in delivery.finals.items() if f.cycle < cycle}
    if old:
        name, file = next(iter(sorted(old.items())))
        yield Due(
            at, f"shelve {name} #{file.cycle}", "MEM-23",
            Move(f"outputs/final/{name}", f"outputs/partial/{name.removesuffix('.yaml')}.cycle-{file.cycle}.yaml"),
            why=f"a file of cycle {file.cycle} is kept", facts={"file": name}, order=ORDER,
        )  # fmt: skip
        return
    for name in finals.names(case):
        if name not in delivery.finals:
            yield _write(case, policy, name, cycle, at, f"write {name} #{cycle}")
            return
    subject = f"verdict c{cycle}"
    yield Due(
        at, f"hand off #{cycle}", "QUA-3",
        Send("validator", "validation_request", {}, stem(f"{case.id}.c{cycle}", None, None, "validation_request", 1)),
        why=f"the gate is passed; cycle {cycle}",
        facts={"ask": subject, "level": 1, "for": "validator", "cycle": cycle, "opens": {"cycle": cycle}},
        order=ORDER, ask=subject,
    )  # fmt: skip


def _write(case: Case, policy: Policy, name: str, cycle: int, at: Any, line: str) -> Due:
    made: Mapping[str, Any]
    match name:
        case finals.SUMMARY:
            made, rule = finals.summary(case, policy), "DEL-4"
        case finals.REPORT:
            made, rule = finals.report(case, policy), "DEL-4"
        case finals.HANDOFF:
            made, rule = finals.handoff(case, policy, cycle), "QUA-3"
        case _:
            made, rule = finals.deliverable(case, policy), "DEL-4"
    return Due(
        at, line, rule, Write(f"outputs/final/{name}", made), why=f"cycle {cycle}",
        facts={"file": name, "cycle": cycle}, order=ORDER,
    )  # fmt: skip


def _request(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    cycle = int(ask.facts["cycle"])
    body = finals.request(case, policy, cycle)
    if ask.level == 0:
        return body
    options = [
        {"type": "verdict", "means": "only the validator's: nobody else can give it"},
        {"type": "cancel", "means": "the instruction is ended without one, with a reason"},
    ]
    what = f"the validator has not answered the hand-off of {case.id} (cycle {cycle})"
    return {**demand(case, ask, policy, what, "who sees to it that the validator answers", options), "about": body}


def _to_validator(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    return ("validator", "hitl")


def _is_out(case: Case, task: Task | None, ask: Ask) -> bool:
    delivery = case.head.delivery
    return delivery.handed is not None and delivery.cycle == ask.facts["cycle"]


VERDICT = Asking("QUA-4", "validation_request", _request, _to_validator, stands=_is_out)


# --- while the validator has it ---------------------------------------------------------------------------------------


def _while_out(case: Case) -> Iterator[Due]:
    """A task that opened again takes the hand-off back; a file that was changed is put back, and this is said."""
    head, delivery = case.head, case.head.delivery
    open_tasks = [t.id for t in case.in_order() if t.ended is None] if case.open_tasks else []
    if open_tasks or (head.closed is not None and head.closed.state != "passed"):
        why = f"{', '.join(open_tasks[:5])} is open" if open_tasks else f"{head.closed.state} by {head.closed.by}"  # type: ignore[union-attr]
        text = f"the hand-off of {case.id}, cycle {delivery.cycle}, is withdrawn: {why}. No verdict is needed"
        yield Due(
            max(filter(None, (delivery.handed, head.closed.at if head.closed else None))),
            f"withdraw hand-off #{delivery.cycle}", "EXE-27", Send("validator", "notice", {"text": text}), why=text,
            order=ORDER,
        )  # fmt: skip
        return
    survey = case.survey
    if head.closed is None and survey is not None and survey.n == case.n and survey.changed:
        changed, k = list(survey.changed), delivery.withdrawn + 1
        text = (
            f"{', '.join(changed)} in outputs/final/ of {case.id} was changed or taken away after the hand-off. What "
            "it says now counts for nothing: a verdict counts only as a message of the validator. It is handed off "
            "again"
        )
        told = f"notice {case.id} #{k} tampered"
        if told not in head.done:
            yield Due(
                last_end(case), told, "QUA-4", Send("support-manager", "notice", {"text": text}), why=text, order=ORDER
            )
        yield Due(
            last_end(case), f"withdraw hand-off #{delivery.cycle}", "QUA-3",
            Send("validator", "notice", {"text": text}), why=text, facts={"changed": changed}, order=ORDER + 1,
        )  # fmt: skip


# --- what was said of it ----------------------------------------------------------------------------------------------


def _verdict_notices(case: Case, policy: Policy) -> Iterator[Due]:
    """PASS: those who must know are told [QUA-4]."""
    head = case.head
    if head.closed is None or head.closed.state != "passed" or head.delivery.verdict is None:
        return
    cycle = head.delivery.verdict.cycle
    names = ["support-manager", *(["vp-customer-support"] if head.tier == 4 else []), head.liaison]
    left = finals.outstanding(case)
    for agent in dict.fromkeys(names):
        name = f"notice {case.id} #{cycle} closed-{agent}"
        if name not in head.done:
            text = f"{case.id} passed validation on cycle {cycle} and is closed"
            text += f". Outstanding, before it can be archived: {'; '.join(left)}" if left else "; it can be archived"
            yield Due(head.closed.at, name, "QUA-4", Send(agent, "notice", {"text": text}), why=text, order=ORDER)


def _asked_people(case: Case) -> Iterator[Due]:
    """BLOCKED, FIXABLE three times, or issues that are nobody's: a person says how it goes on."""
    delivery = case.head.delivery
    last = delivery.verdict
    if last is None:
        return
    if delivery.halted is not None:
        yield from _ask(case, f"halt #{delivery.halts}", "hitl", delivery.halted, last.cycle)
    elif delivery.undecided is not None:
        yield from _ask(case, f"issues c{last.cycle}", "support-manager", delivery.undecided, last.cycle)


def _ask(case: Case, subject: str, to: str, why: str, cycle: int) -> Iterator[Due]:
    name = f"escalate {subject}"
    if name in case.head.done:
        return
    facts = {"ask": subject, "level": 1, "for": to, "opens": {"to": to, "why": why, "cycle": cycle}}
    yield Due(last_end(case), name, "QUA-4", Send(to, "escalation"), why=why, facts=facts, order=ORDER, ask=subject)


def _halt_body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    delivery = case.head.delivery
    verdict = next((v for v in delivery.verdicts if v.cycle == ask.facts["cycle"]), None)
    options = [
        {"type": "resume", "means": "it is handed off again as it is"},
        {"type": "retry", "means": "a task is opened again: name it in `task_id`"},
        {"type": "waive", "means": "a standard or a component is let pass, with your reason"},
        {"type": "cancel", "means": "the instruction is not to be done, with a reason"},
    ]
    body = demand(case, ask, policy, f"{case.id}: {ask.facts['why']}", "how it goes on", options)
    body["about"] = {
        "cycle": verdict.cycle if verdict else None,
        "result": verdict.result if verdict else None,
        "reason": verdict.reason if verdict else None,
        "issues": [{"task": i.task, "component": i.component, "issue": i.text} for i in verdict.issues]
        if verdict
        else [],
    }
    return body


def _halted(case: Case, task: Task | None, ask: Ask) -> bool:
    delivery = case.head.delivery
    return delivery.halted is not None if ask.about == "halt" else delivery.undecided is not None


def _halt_chain(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    return managers(policy, str(ask.facts["to"]))


HALT = Asking("QUA-4", "escalation", _halt_body, _halt_chain, stands=_halted)


# --- the end ----------------------------------------------------------------------------------------------------------


def archiving(case: Case, policy: Policy) -> Iterator[Due]:
    """The folder of a closed instruction goes to `_archive/`: the last line of its journal [QUA-4]."""
    asked = case.head.archive
    if asked is None or case.head.closed is None or case.head.owed or case.letters:
        return
    name = f"archive {case.id} #{asked.n}"
    if name not in case.head.done:
        yield Due(asked.at, name, "QUA-4", Archive(), why=f"asked for by {asked.by}", order=ORDER + 20)
