"""What is said at the end: the validator's verdict, what is let pass, and that it may be put away [QUA-4, QUA-5].

Counterparts: `rules/closing.py`, what follows; `standards.py`, where a waiver counts. A verdict is made by nobody but
the validator, and by nothing but his message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from executord import deliverables
from executord.case import Closed, Letter, Task
from executord.case.casebook import Case
from executord.case.products import ArchiveAsked, Issue, Waiver
from executord.case.products import Verdict as Said
from executord.errors import Finding
from executord.evolve import replace
from executord.letters import NOTE_LENGTH, event_time, note_of, scalar, word
from executord.meaning.asking import answered
from executord.meaning.deliveries import changed, decided, met
from executord.meaning.incidents import current, outstanding
from executord.meaning.transitions import send_back
from executord.messages.base import Incoming, Taken
from executord.parcel import kind_of
from executord.policy import Policy
from executord.reading import find, text_of
from executord.standards import NAMES, WORDS
from executord.values import whole_number

_RESULT = ("classification", "overall_status", "result", "verdict", "decision")
#: Word of the validator → what it means.
_MEANS: Mapping[str, str] = {
    **dict.fromkeys(("pass", "passed", "approved", "approve", "accepted", "ok"), "PASS"),
    **dict.fromkeys(("fixable", "revise", "needs_revision", "revision", "revisions_needed", "fix"), "FIXABLE"),
    **dict.fromkeys(("blocked", "block", "fail", "failed", "rejected", "reject"), "BLOCKED"),
}
_ISSUES = ("issues", "fixes", "required_fixes", "problems", "findings", "points", "required_changes")
_MOST_ISSUES = 50
_CYCLE = re.compile(r"\.c(\d+)\.validation_request(?:~\d+)?(?:\.yaml)?\Z")
_ADORNED = re.compile(r"\A[\W_]+|[\W_]+\Z")  # `**PASS**`, `✅ pass`
CYCLES = 3


def result_of(body: Mapping[str, Any]) -> str | None:
    """PASS, FIXABLE or BLOCKED, in all spellings; None for anything else."""
    said = find(body, _RESULT).value
    if isinstance(said, Mapping):
        said = find(said, ("classification", "status", "result", "verdict", "overall_status")).value
    return _MEANS.get(_ADORNED.sub("", word(said)))


class Verdict(Incoming):
    """What the validator says of a hand-off: PASS, FIXABLE or BLOCKED."""

    type = "verdict"
    aliases = ("validation_result",)
    senders = ("validator",)
    about = "instruction"
    needs = (_RESULT,)
    reads = (*_RESULT, *_ISSUES, "cycle")
    example: ClassVar[Mapping[str, Any]] = {
        "verdict": "FIXABLE",
        "reason": "the cause is shown, but not since when",
        "issues": [{"task": "T1", "issue": "say since when it happens"}],
    }

    @classmethod
    def check(cls, letter: Letter) -> Finding | None:
        if result_of(letter.body) is None and find(letter.body, _RESULT).key is not None:
            said = text_of(find(letter.body, _RESULT).value)
            return Finding("QUA-4", f"{said[:60]!r} is no verdict", "use PASS, FIXABLE or BLOCKED", field="verdict")
        return super().check(letter)

    @classmethod
    def begins(cls, case: Case) -> datetime | None:
        return case.head.delivery.handed

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        delivery = case.head.delivery
        if case.head.closed is not None:
            return Finding("QUA-4", f"{case.id} is closed: {case.head.closed.state}", "nothing needs to be done")
        named = cycle_of(letter.body)
        if delivery.handed is None or _was_open(case, event_time(letter, delivery.handed)):
            what = f"cycle {delivery.cycle} is over" if delivery.cycle else "nothing was handed off yet"
            return Finding("QUA-4", f"no hand-off of {case.id} is out: {what}", "wait for the next validation_request")
        if named is not None and named != delivery.cycle:
            text = f"it is about cycle {named}; the hand-off that is out is cycle {delivery.cycle}"
            return Finding("QUA-4", text, f"look at cycle {delivery.cycle}")
        return None

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        reason = note_of(
            letter.body, "reason", "summary", "comment", "comments", "rationale", "message", "description", "notes"
        )
        issues = list(_issues(case, letter.body))[:_MOST_ISSUES]
        return {
            "result": result_of(letter.body),
            "cycle": case.head.delivery.cycle,
            "reason": reason,
            "issues": [{k: v for k, v in row.items() if v} for row in issues] or None,
        }

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        facts = taken.facts
        issues = tuple(Issue(i["text"], i.get("task"), i.get("component")) for i in facts.get("issues", ()))
        reason = facts.get("reason") or ""
        delivery = case.head.delivery
        said = Said(facts["cycle"], taken.at, facts["result"], reason, issues)
        answered(case, None, f"verdict c{said.cycle}")
        verdicts = (*delivery.verdicts, said)
        match said.result:
            case "PASS":
                changed(case, taken.at, verdicts=verdicts, handed=None)
                text = reason or "the validator passed it"
                case.set_head(replace(case.head, closed=Closed(taken.at, "validator", text, "passed")))
            case "FIXABLE":
                changed(case, taken.at, verdicts=verdicts, handed=None, fixable=delivery.fixable + 1)
                _fixable(case, said)
            case _:
                why = f"the validator blocked cycle {said.cycle}" + (f": {reason}" if reason else "")
                changed(case, taken.at, verdicts=verdicts, handed=None, halted=why, halts=delivery.halts + 1)


def _was_open(case: Case, at: datetime) -> bool:
    """Whether a task was open then: one whose file came after the verdict does not undo it [EXE-27, MSG-11]."""
    if not case.open_tasks:
        return False
    still_open = (t for t in case.tasks.values() if t.ended is None)
    return any(t.file is None or t.file.changed_at is None or t.file.changed_at <= at for t in still_open)


def cycle_of(body: Mapping[str, Any]) -> int | None:
    """The cycle that a verdict names, by itself or by what it answers."""
    said = scalar(body.get("cycle"))
    number = whole_number(said.lstrip("c")) if said is not None else None
    if number is not None:
        return number
    hit = _CYCLE.search(scalar(body.get("in_reply_to")) or "")
    return whole_number(hit[1]) if hit is not None else None


def _issues(case: Case, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The issues that a verdict names, each with whose it is: the task it names, or that of the component it names."""
    value = find(body, _ISSUES).value
    rows = value if isinstance(value, list | tuple) else [value] if value is not None else []
    if isinstance(value, Mapping) and not any(
        k in value for k in ("issue", "text", "description", "task", "component")
    ):
        rows = [{"task": k, "issue": v} for k, v in value.items()]
    product = case.head.delivery.product
    for given in rows:
        row = _apart(case, given)
        named = component = None
        text = text_of(row)
        if isinstance(row, Mapping):
            named = scalar(find(row, ("task", "task_id", "id")).value)
            component = scalar(find(row, ("component", "section")).value)
            text = (
                text_of(
                    find(row, ("issue", "text", "description", "problem", "message", "what", "fix", "reason")).value
                )
                or text
            )
        name = deliverables.word(component) if component else ""
        if named in case.tasks and name not in kind_of(case).components:
            name = ""
        if named is not None and named not in case.tasks and deliverables.word(named) in kind_of(case).components:
            named, name = None, deliverables.word(named)
        source = product.parts.get(name) if product is not None else None
        owner = named if named in case.tasks else (source.task if source is not None else None)
        yield {
            "text": text[:NOTE_LENGTH] or "no description was given",
            "task": owner if owner in case.tasks and _can_open(case.tasks[owner]) else None,
            "component": name if name in kind_of(case).components else None,
        }


def _apart(case: Case, row: Any) -> Any:
    """An issue whose first word says whose it is, as text or as the key that YAML makes of that, with the two apart."""
    if isinstance(row, Mapping) and len(row) == 1:
        ((name, text),) = row.items()
    elif isinstance(row, str):
        name, _, text = row.partition(":")
    else:
        return row
    name = str(name).strip()
    if text_of(text) and (name in case.tasks or deliverables.word(name) in kind_of(case).components):
        return {"task": name, "issue": text}
    return row


def _can_open(task: Task) -> bool:
    return task.present or task.file is not None


def _fixable(case: Case, said: Said) -> None:
    """The named issues become rework for their owners; after the third time a person decides."""
    delivery = case.head.delivery
    if delivery.fixable >= CYCLES:
        first = said.issues[0].text if said.issues else said.reason
        why = f"FIXABLE {delivery.fixable} times" + (f", the last time: {first}" if first else "")
        changed(case, said.at, halted=why, halts=delivery.halts + 1)
        return
    by_task: dict[str, list[str]] = {}
    nobodys: list[str] = []
    refused = dict(delivery.turned_down)
    product = delivery.product
    for issue in said.issues:
        if issue.component is not None and product is not None and issue.component in product.parts:
            refused[f"{issue.component} {product.parts[issue.component].sha256[:16]}"] = issue.text
        if issue.task is not None:
            prefix = f"{issue.component}: " if issue.component else ""
            by_task.setdefault(issue.task, []).append(f"{prefix}{issue.text}")
        elif issue.component is None:
            nobodys.append(issue.text)
        elif product is None or issue.component not in product.parts:  # nobody handed it in: it was let pass
            nobodys.append(f"{issue.component}: {issue.text}")
    if not said.issues:
        nobodys.append(said.reason or "FIXABLE, and no issue is named")
    changed(case, said.at, turned_down=refused, undecided="; ".join(nobodys)[:NOTE_LENGTH] or None)
    for task_id, points in by_task.items():
        task = case.tasks[task_id]
        if task.ended is not None:
            case.put(send_back(task, tuple(points), f"the validator's verdict on cycle {said.cycle}"))
    if not by_task and not nobodys:
        met(case)


class Waive(Incoming):
    """A quality standard or a component is let pass, with name and reason."""

    type = "waive"
    aliases = ("waiver",)
    senders = ("waiver",)
    about = "instruction"
    needs = (("standard", "component"), ("reason", "why", "because"))
    example: ClassVar[Mapping[str, Any]] = {"standard": 4, "reason": "the customer knows, and was not harmed"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        if case.head.closed is not None:
            return Finding("QUA-5", f"{case.id} is closed: {case.head.closed.state}", "nothing needs to be done")
        standard, component = cls._what(case, letter)
        if standard is None and component is None:
            said = text_of(find(letter.body, ("standard", "component")).value)
            known = ", ".join(kind_of(case).components)
            return Finding(
                "QUA-5", f"{said!r} is neither a standard nor a component of {kind_of(case).type}",
                f"standard: 1 to 6, or component: one of {known}",
            )  # fmt: skip
        return None

    @staticmethod
    def _what(case: Case, letter: Letter) -> tuple[int | None, str | None]:
        for key in ("standard", "component"):
            said = scalar(letter.body.get(key))
            if said is None:
                continue
            name = deliverables.word(said)
            number = whole_number(name.removeprefix("standard_"))
            if name in kind_of(case).components:
                return None, name
            if number is not None and number in NAMES:
                return number, None
            if name in WORDS:
                return WORDS[name], None
        return None, None

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        standard, component = cls._what(case, letter)
        return {
            "standard": standard,
            "component": component,
            "reason": note_of(letter.body, "reason", "why", "because"),
        }

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        facts = taken.facts
        waiver = Waiver(taken.sender, facts["reason"], taken.at, facts.get("standard"), facts.get("component"))
        rest = tuple(
            w for w in case.head.delivery.waivers
            if (w.standard, w.component) != (waiver.standard, waiver.component)
        )  # fmt: skip
        changed(case, taken.at, waivers=(*rest, waiver))
        met(case)
        decided(case, taken.at)


class Archive(Incoming):
    """A closed instruction is moved to `_archive/`."""

    type = "archive"
    senders = ("authority",)
    about = "instruction"
    example: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        if case.head.closed is None:
            return Finding("QUA-4", f"{case.id} is not closed", "wait for the verdict, or cancel it with a reason")
        incident = current(case)
        if incident is None:
            return None
        # Put away, nobody would be asked any more for what it still owes.
        if incident.status == "open":
            return Finding("INC-6", f"{incident.id} is still open", "send incident_resolved when it is over")
        left = " and ".join(outstanding(incident)).replace("_", " ")
        text = f"{incident.id} is resolved, not closed; outstanding: {left}"
        return Finding("INC-6", text, "send them with incident_update: retrospective, prevention_plan")

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        n = case.head.archive.n + 1 if case.head.archive is not None else 1
        case.set_head(replace(case.head, archive=ArchiveAsked(n, taken.at, taken.sender)))
