"""What we expect an answer to: asked, reminded, one level up, at the end `hitl`; then it stands in `status` [MSG-7].

The ladder of all that tells up by asking [EXE-18, EXE-20, EXE-26, EXE-29]: each level gets one message and one
reminder; after downtime only the highest rung that is due is carried out. Counterparts: `asking.py` beside this file,
what a kind of ask is; `meaning/asking.py`, what a line changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import is_
from typing import Any

from executord.actions import Record, Send
from executord.agenda import Due
from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.evolve import replace
from executord.policy import Policy, escalation_row
from executord.policy.escalations import Escalation, levels
from executord.posts import impact
from executord.promises.answers import settlement
from executord.promises.instruction import resolution
from executord.rules.asking import Asking, priority_of
from executord.rules.blockers import BLOCKER
from executord.rules.closing import HALT, VERDICT
from executord.rules.delivery import COMPONENT
from executord.rules.escalation import ESCALATION
from executord.rules.forecast import EXPEDITE, WORKAROUND
from executord.rules.incident import PACE, PAPERS, ROLE
from executord.rules.outbox import DELIVERY
from executord.rules.overload import OVERLOAD
from executord.rules.quality import CLOSING_UPDATE, STANDARD
from executord.rules.questions import QUESTION
from executord.rules.sla import BREACH
from executord.rules.standstill import CHECKPOINT
from executord.values import stamp

ORDER = 30

MISSING = ("missing_answer", "no_answer", "unanswered")  # the words of rows for an answer that does not come

#: First word of the subject → what kind of ask it is.
ASKS: Mapping[str, Asking] = {
    "blocker": BLOCKER,
    "escalation": ESCALATION,
    "checkpoint": CHECKPOINT,
    "component": COMPONENT,
    "file": COMPONENT,
    "closing-update": CLOSING_UPDATE,
    "standard": STANDARD,
    "verdict": VERDICT,
    "halt": HALT,
    "issues": HALT,
    "role": ROLE,
    "stakeholders": PACE,
    "retrospective": PAPERS,
    "delivery": DELIVERY,
    "breach": BREACH,
    "expedite": EXPEDITE,
    "workaround": WORKAROUND,
    "overload": OVERLOAD,
    "question": QUESTION,
}


def task_lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """The next rungs of what is asked about a task."""
    if not task.asks or _still(case) or (task.present and task.file is None):
        return  # a file that is missed says nothing of its priority until it is back, or believed to be gone
    for ask in task.asks:
        if _has_reason(case, task, ask):
            yield from _rungs(case, task, ask, policy)


def case_lines(case: Case, policy: Policy) -> Iterator[Due]:
    """The next rungs of what is asked about the instruction."""
    head = case.head
    if not head.asks or _still(case):
        return
    for ask in head.asks:
        if not _has_reason(case, None, ask):
            continue
        # What makes the rungs of such an ask: itself, the head, what is promised. Asked again at every line.
        facts = (ask, head, policy, resolution(case, policy))
        kept = case.memo.get(f"ask {ask.subject}")
        if kept is None or not all(map(is_, kept[0], facts)):
            kept = case.memo[f"ask {ask.subject}"] = (facts, tuple(_rungs(case, None, ask, policy)))
        yield from kept[1]


def _has_reason(case: Case, task: Task | None, ask: Ask) -> bool:
    stands = ASKS[ask.about].stands
    return not ask.over and (stands is None or stands(case, task, ask))


def _still(case: Case) -> bool:
    return case.head.opened_at is None or case.head.parked is not None


def chain_of(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    """Whom this ask goes to, level by level; a row for a missing answer says who comes after the first one [EXE-19]."""
    chain = levels(ASKS[ask.about].chain(case, task, ask, policy))
    row = _missing(case, task, ask, policy)
    return levels((chain[0], *row.to)) if row is not None else chain


def _missing(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Escalation | None:
    who = ask.told[0] if ask.told else None
    try:
        row = escalation_row(policy, case.head, priority_of(case, task), who, MISSING)
    except LookupError:
        return None
    return row if row.given else None


def next_of(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    """Who is still to be asked, in order: after `hitl` nobody [EXE-29]."""
    if "hitl" in ask.passed:
        return ()
    return tuple(n for n in chain_of(case, task, ask, policy) if n not in ask.passed)


def spans_of(case: Case, task: Task | None, ask: Ask, policy: Policy, start: datetime) -> tuple[datetime, datetime]:
    """When the one who was asked at `start` is reminded, and when it climbs past him."""
    if ask.acknowledged is not None and start == ask.acknowledged:
        return settlement(policy, case.head, priority_of(case, task), start)
    row = _missing(case, task, ask, policy) if ask.level <= 1 else None
    if row is not None and row.after is not None:
        return min(ASKS[ask.about].spans(case, task, ask, policy, start)[0], start + row.after), start + row.after
    return ASKS[ask.about].spans(case, task, ask, policy, start)


def name_of(ask: Ask, verb: str, level: int) -> str:
    """The name of a line about an ask; the subject of an escalation is what is escalated."""
    subject = ask.subject.replace("escalation ", "task ", 1) if verb == "escalate" else ask.subject
    return f"{verb} {subject}" + (f" level-{level}" if level > 1 else "")


def _rungs(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Iterator[Due]:
    row = ASKS[ask.about]
    up = next_of(case, task, ask, policy)
    if ask.level == 0:
        at = row.after(case, task, ask, policy) if row.after is not None else ask.at
        name = ask.line or name_of(ask, "ask", 1)
        yield _ask(case, task, ask, policy, at, name, 1, up[0], row)
        return
    start = ask.acknowledged or ask.since
    assert start is not None  # since somebody was asked
    remind_at, climb_at = spans_of(case, task, ask, policy, start)
    who = ask.acknowledged_by or ask.to
    if who is not None and not ask.reminded and remind_at < climb_at:
        yield Due(
            remind_at, name_of(ask, "remind", ask.level), "MSG-7", Send(who, "reminder"), _id(task), _n(task),
            why=f"no answer from {who}", facts={"ask": ask.subject, "level": ask.level, "rung": "reminder"},
            order=ORDER, until=climb_at if up else None, ask=ask.subject,
        )  # fmt: skip
    if up:
        level = ask.level + 1
        higher = replace(ask, level=level)  # as it will be there: each level may have a pace of its own
        until = spans_of(case, task, higher, policy, climb_at)[1] if len(up) > 1 else None
        line = _ask(case, task, ask, policy, climb_at, name_of(ask, "escalate", level), level, up[0], row)
        yield replace(line, until=until, why=f"no answer from {ask.to or 'the level below'}")
    else:
        yield Due(
            climb_at, f"unanswered {ask.subject}", "EXE-29", Record(), _id(task), _n(task),
            why="nobody is left to ask: it stands in status and in the digest",
            facts={"ask": ask.subject, "rung": "unanswered"}, order=ORDER,
        )  # fmt: skip


def _ask(
    case: Case, task: Task | None, ask: Ask, policy: Policy, at: datetime, name: str, level: int, to: str, row: Asking
) -> Due:
    return Due(
        at, name, row.rule, Send(to, row.type_at(case, task, ask, policy, level)), _id(task), _n(task),
        why=str(ask.facts.get("why") or f"an answer is expected: {ask.subject}"),
        facts={"ask": ask.subject, "level": level, "for": to}, order=ORDER, ask=ask.subject,
    )  # fmt: skip


def _id(task: Task | None) -> str | None:
    return task.id if task is not None else None


def _n(task: Task | None) -> int | None:
    return (task.attempt or None) if task is not None else None


def spoken(case: Case, line: Due, policy: Policy, now: datetime) -> Due:
    """The line with what its message says, made when it is noted: what it tells of the case is as it is then."""
    if line.ask is None or not isinstance(line.action, Send):
        return line
    task = case.tasks.get(line.task) if line.task is not None else None
    ask = case.ask_of(line.task, line.ask) or Ask(line.ask, line.at, line.facts.get("opens") or {})
    row = ASKS[ask.about]
    level = int(line.facts.get("level", 1))
    reminder = line.facts.get("rung") == "reminder"
    start = (ask.acknowledged or ask.since or now) if reminder else now
    by = spans_of(case, task, ask, policy, start)[1]
    up = next_of(case, task, ask, policy)
    beyond = [n for n in up if n != line.action.to]
    frame: dict[str, Any] = {"level": level, "answer_by": stamp(by), "then_asked": beyond[0] if beyond else None}
    if ask.letters:
        frame["in_reply_to"] = ask.letters[0]
    if ask.told:
        frame["asked_before"] = list(ask.told)
    body = row.body(case, task, ask, policy)
    if reminder:
        frame |= {"text": f"no answer yet to {ask.letters[-1] if ask.letters else ask.subject}", "about": body}
    elif line.action.kind == "escalation" and "what" not in body:
        frame |= _escalation(case, task, ask, policy, body)
    else:
        frame = {**body, **frame}
    return replace(line, action=Send(line.action.to, line.action.kind, frame, line.action.name))


def _escalation(case: Case, task: Task | None, ask: Ask, policy: Policy, body: Mapping[str, Any]) -> dict[str, Any]:
    """What an escalation says [EXE-20] of something that others were asked and did not answer."""
    return {
        "what": str(ask.facts.get("why") or f"no answer to {ask.letters[0] if ask.letters else ask.subject}"),
        "since": stamp(ask.first) if ask.first is not None else None,
        "impact": impact(case, task, policy),
        "tried": [{"asked": name} for name in ask.told],
        "decision_needed": "the answer that is missing, or who is to give it",
        "options": [],
        "about": body,
    }
