"""Who may say what, and what becomes of a letter: taken, duplicate, late or rejected [MSG-1 … MSG-6, MSG-10].

The one rule that reads letters. It judges; what a taken message changes stands in `messages/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from executord.actions import File
from executord.agenda import Due
from executord.case import Ask, Letter, Task
from executord.case.casebook import Case
from executord.errors import Finding
from executord.letters import (
    Put,
    Subject,
    answered_by,
    event_time,
    note_of,
    put_to_others,
    replied_to,
    scalar,
    subject_of,
    times_apart,
)
from executord.meaning import incidents
from executord.meaning.transitions import attempt_of
from executord.messages import MESSAGES, Incoming, type_of
from executord.messages.pausing import pause_facts
from executord.pen import printable
from executord.policy import Policy
from executord.values import stamp

ORDER = 0
ODD_SHOWN = 10  # of what is not understood in one message, told to its sender


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a letter."""

    outcome: str  # taken duplicate late rejected
    rule: str
    why: str
    kind: type[Incoming] | None = None
    task: Task | None = None
    attempt: int | None = None
    finding: Finding | None = None
    reply: str | None = None
    fits: tuple[str, ...] = ()
    answers: Ask | None = None  # what was put to the sender


def wanted_of(fault: Finding) -> str:
    """What is expected in the place of a letter that is refused before anybody looks at what it says."""
    return "a file of who speaks under this name" if fault.code == "SEC-2" else "one YAML mapping"


def line(case: Case, letter: Letter, policy: Policy, sender_known: bool) -> Due:
    """The line that files a letter; it carries every field that a rule uses [MEM-17]."""
    judged = judge(case, letter, policy)
    shown = printable(letter.name)
    count = case.mail.get(shown, (0, ()))[0]
    facts: dict[str, Any] = {
        "file": shown,
        "sha256": letter.sha256[:16],
        "outcome": judged.outcome,
        "type": judged.kind.type if judged.kind is not None else letter.type or None,
        "from": letter.sender,
    }
    if letter.folder != "executor":
        facts["inbox"] = letter.folder
    facts |= times_apart(letter)
    if letter.warnings:
        facts["warnings"] = [w.text() for w in letter.warnings][:5]
    if judged.outcome == "rejected":
        facts |= _refused(letter, judged, sender_known)
    elif judged.outcome in ("taken", "late"):
        facts |= _counted(case, letter, judged, policy)
        if sender_known and judged.outcome == "taken":
            facts |= _odd(case, letter, judged, policy)
    return Due(
        letter.at,
        f"file {shown} #{count + 1}",
        judged.rule,
        File(letter.name, letter.folder, judged.outcome == "rejected"),
        judged.task.id if judged.task is not None else None,
        judged.attempt,
        why=judged.finding.message if judged.finding is not None else judged.why,
        facts=facts,
        order=ORDER,
    )


def _refused(letter: Letter, judged: Judgement, sender_known: bool) -> dict[str, Any]:
    """Why, and what was expected: for the reason file, and for the reply where its sender is known."""
    finding = judged.finding
    assert finding is not None
    found: dict[str, Any] = {
        "code": finding.code,
        "reason": finding.message,
        "expected": judged.why or None,
        "fix": finding.fix,
        "received_at": stamp(letter.file_at),
        "line": finding.line,
        "column": finding.column,
    }
    if sender_known:
        found["reply"] = judged.reply or "rejection"
    if judged.fits:
        found["fits"] = list(judged.fits)
    return found


def _counted(case: Case, letter: Letter, judged: Judgement, policy: Policy) -> dict[str, Any]:
    """From when on it counts, and what it says; of what came too late only its summary and files."""
    kind = judged.kind
    assert kind is not None
    found: dict[str, Any] = {"at": stamp(event_time(letter, _start(case, judged)))}
    identity = _identity(case, letter, judged)
    if identity is not None:
        found["id"] = identity
    if judged.outcome == "late":
        found["late"] = True
        found["summary"] = (scalar(letter.body.get("summary")) or "")[:500]
        found["files"] = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in letter.files if f.fault is None]
        return found
    if judged.answers is not None:
        found["answers"] = judged.answers.subject
    found |= kind.facts(case, judged.task, letter, policy)
    pause = pause_facts(case, judged.task, kind.type, letter, found, policy)
    if pause is not None:
        found["pause"] = pause
    workaround = note_of(letter.body, "workaround")
    if workaround is not None:
        found["workaround"] = workaround
    return found


def _odd(case: Case, letter: Letter, judged: Judgement, policy: Policy) -> dict[str, Any]:
    """What is told to the sender of a message that is taken: what of it is not understood; once for each field."""
    assert judged.kind is not None
    found = list(judged.kind.odd(letter, policy.zone))
    about = "\0".join(filter(None, (letter.sender, judged.kind.type, *(f.field for f in found))))
    name = f"notice {case.id} odd-{hashlib.sha256(about.encode(errors='surrogatepass')).hexdigest()[:8]}"
    if not found or name in case.head.done or any(owed.name == name for owed in case.head.owed):
        return {}
    said = "; ".join(f"{f.field}: {f.message}; {f.fix}" for f in found[:ODD_SHOWN])
    said += f"; and {len(found) - ODD_SHOWN} more" if len(found) > ODD_SHOWN else ""
    text = f"your {judged.kind.type} {printable(letter.name)} is taken, but {said}"
    return {"odd": {"name": name, "rule": found[0].code, "text": text}}


def counts_from(case: Case, letter: Letter, policy: Policy) -> datetime:
    """From when on a letter counts, as its case stands: by this they are settled in order [MSG-10, MSG-11].

    Never earlier than `letter.at`, which knows nothing of its subject.
    """
    head, task = case.head, case.tasks.get(letter.task or "")
    if head.created is None:
        return letter.at  # since when we know the case is not in its journal yet
    asks = head.asks or case.asked.get(letter.sender or "") or letter.body.get("in_reply_to")
    if task is not None and not asks and not task.asks:
        latest = task.attempts[-1].at if task.attempts else head.created
        if letter.at >= latest:
            return letter.at  # whatever it is about had begun: nearly always, and told at a glance
    return event_time(letter, _start(case, judge(case, letter, policy)))


def _start(case: Case, judged: Judgement) -> Any:
    """From when on a message about this subject can count [MSG-10]."""
    if judged.answers is not None and judged.answers.first is not None:
        return judged.answers.first
    begun = judged.kind.begins(case) if judged.kind is not None else None
    if begun is not None:
        return begun
    if judged.task is not None:
        attempt = attempt_of(judged.task, judged.attempt) if judged.attempt else None
        if attempt is not None:
            return attempt.at
    return case.head.created or case.head.first_seen


def _identity(case: Case, letter: Letter, judged: Judgement) -> str | None:
    """Same id, type, task, attempt and sender = the same message, where the id is not a task's [MSG-2]."""
    own = scalar(letter.body.get("id"))
    if own is None or judged.kind is None or judged.kind.renews:
        return None
    task = judged.task.id if judged.task is not None else ""
    if own == task or own in case.tasks:
        return None
    text = "\0".join((own, judged.kind.type, task, str(judged.attempt), letter.sender or ""))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _reject(code: str, message: str, expected: str, fix: str, **more: Any) -> Judgement:
    return Judgement("rejected", code, expected, finding=Finding(code, message, fix), **more)


def judge(case: Case, letter: Letter, policy: Policy) -> Judgement:
    """What becomes of this letter in this case."""
    if letter.fault is not None:
        fault = letter.fault
        return Judgement("rejected", fault.code or "MSG-5", wanted_of(fault), finding=fault)
    known, warning = type_of(letter)
    if known is None:
        said = f"{letter.type!r} is not a type of message" if letter.type else "the message has no type"
        return _reject("MSG-1", said, f"one of: {', '.join(MESSAGES)}", "add `type:` with one of these")
    kind = MESSAGES[known]
    if letter.sender is None:
        return _reject("MSG-1", "the message does not say who sent it", "`from: <agent>`", "add `from:`")
    if letter.refusal is not None:
        return Judgement("rejected", letter.refusal.code, "", kind, finding=letter.refusal)
    lacking = kind.check(letter)
    if lacking is not None:
        return Judgement("rejected", lacking.code, f"a complete {kind.type}", kind, finding=lacking)
    needs_task = kind.about == "task"
    put = answered_by(letter, case, kind.type) if "addressee" in kind.senders else Put()
    if put.ask is None and kind.for_others and policy.may(letter.sender, kind.type):
        put = put_to_others(letter, case, kind.type)
    if put.ask is not None:
        subject = Subject(case.tasks.get(put.task or ""))
    else:
        subject = subject_of(
            letter, case, about_task=needs_task or kind.about == "either", needs_task=needs_task, own_task=kind.own_task
        )
    unclear = subject.unclear is not None and (kind.about == "task" or letter.task is not None)
    if unclear and (letter.task is not None or not _of_the_instruction(case, letter, kind)):
        return _unclear(letter, kind, subject)
    task = subject.task
    attempt = _attempt(letter, case, task)
    judged = Judgement(
        "taken", "MSG-5", warning or f"{kind.type} from {letter.sender}", kind, task, attempt, answers=put.ask
    )
    if _duplicate(case, letter, judged):
        return Judgement("duplicate", "MSG-2", "the same message was taken before", kind, task, attempt)
    wrong = _role(case, letter, kind, task, attempt, policy, put)
    if wrong is not None:
        return wrong
    refused = kind.refuse(case, task, letter, policy)
    if refused is not None:
        return Judgement("rejected", refused.code, f"a {kind.type} that fits", kind, task, attempt, finding=refused)
    return judged


def _unclear(letter: Letter, kind: type[Incoming], subject: Subject) -> Judgement:
    listed = ", ".join(subject.fits) or "none"
    return _reject(
        "MSG-1",
        subject.unclear or "",
        f"`task_id:` of one of your open tasks: {listed}",
        "send it again with task_id",
        kind=kind,
        reply="clarification_request" if subject.fits else None,
        fits=subject.fits,
    )


def _attempt(letter: Letter, case: Case, task: Task | None) -> int | None:
    if task is None:
        return None
    if letter.attempt is not None:
        return letter.attempt
    answered = replied_to(letter, case)
    if answered is not None and answered[0] == task.id and answered[1]:
        return answered[1]
    live = task.live
    if live is not None and (live.agent == letter.sender or letter.sender in task.spec.supporting):
        return live.n
    mine = [a.n for a in task.attempts if a.agent == letter.sender]
    return mine[-1] if mine else (live.n if live is not None else None)


def _duplicate(case: Case, letter: Letter, judged: Judgement) -> bool:
    if judged.kind is None or judged.kind.renews:
        return False
    if letter.sha256[:16] in case.mail.get(printable(letter.name), (0, ()))[1]:
        return True
    return _identity(case, letter, judged) in case.mail_ids


def _role(
    case: Case, letter: Letter, kind: type[Incoming], task: Task | None, attempt: int | None, policy: Policy, put: Put
) -> Judgement | None:
    """A judgement if the sender may not say this, or says it of an attempt that is over; None: he may."""
    sender, roles = letter.sender or "", kind.senders
    if put.ask is not None or any(_has(role, sender, case, kind, task, attempt, policy) for role in roles):
        return None
    if task is not None and "holder" in roles:
        not_his = _of_another_attempt(kind, task, attempt, sender)
        if not_his is not None:
            return not_his
    if put.several:
        return _reject(
            "MSG-4",
            f"{sender} was asked more than one thing: {', '.join(put.several)}",
            "`in_reply_to:` with the name of the message that it answers",
            "send it again with in_reply_to",
            kind=kind,
            task=task,
        )
    if "addressee" in roles and _ours(case, letter):
        if kind.type == "acknowledgement":
            return None
        return _reject(
            "MSG-4",
            f"nothing is awaited from {sender} in answer to {scalar(letter.body.get('in_reply_to'))}",
            "an answer to what is still asked",
            "nothing needs to be done",
            kind=kind,
            task=task,
        )
    return _not_entitled(case, kind, task, sender)


def _has(
    role: str, sender: str, case: Case, kind: type[Incoming], task: Task | None, attempt: int | None, policy: Policy
) -> bool:
    """Whether the sender has this role, as far as it can be told without what he answers [MSG-4]."""
    live = task.live if task is not None else None
    match role:
        case "anyone":
            return True
        case "authority":
            return policy.may(sender, kind.type)
        case "planner" | "validator":
            return sender == role
        case "team":
            incident = incidents.current(case)
            return incident is not None and sender in incident.team
        case "critical":
            return "critical" in (case.head.priority_now, task.field("priority") if task is not None else None)
        case "waiver":
            return policy.may_waive(sender)
        case "liaison":
            return sender in (case.head.liaison, case.head.spec.liaison or "customer-success-manager")
        case "holder":
            return live is not None and live.agent == sender and attempt == live.n
        case "addressee":
            return task is not None and kind.asked_before(task, sender)
        case "supporter":
            return task is not None and live is not None and sender in task.spec.supporting
        case _:
            return False


def _of_another_attempt(kind: type[Incoming], task: Task, attempt: int | None, sender: str) -> Judgement | None:
    """What becomes of the words of one who held the task, or of its holder about an attempt that is not his [MSG-3]."""
    live = task.live
    mine = attempt_of(task, attempt) if attempt is not None else None
    if mine is not None and mine.agent == sender and not mine.live:
        if kind.result:
            said = f"attempt {mine.n} was closed ({mine.state}) before it came"
            return Judgement("late", "MSG-3", said, kind, task, mine.n)
        return _reject(
            "MSG-3",
            f"attempt {mine.n} of {task.id} is over: {mine.state}",
            "a message about an attempt that is open",
            "nothing needs to be done",
            kind=kind,
            task=task,
            attempt=mine.n,
        )
    if live is not None and live.agent == sender and attempt is not None:
        whose = f"has no attempt {attempt}" if mine is None else f"was {mine.agent}'s in attempt {attempt}"
        return _reject(
            "MSG-3",
            f"{task.id} {whose}; yours is attempt {live.n}",
            f"a {kind.type} for attempt {live.n}",
            f"write `attempt: {live.n}`, or leave it out",
            kind=kind,
            task=task,
        )
    return None


def _of_the_instruction(case: Case, letter: Letter, kind: type[Incoming]) -> bool:
    """Whether it answers a message of ours that is about no task: then none needs to be named."""
    return "addressee" in kind.senders and _ours(case, letter) and replied_to(letter, case) is None


def _ours(case: Case, letter: Letter) -> bool:
    """Whether the letter answers a message of ours: of one that expects no answer it says that it was read."""
    reply = scalar(letter.body.get("in_reply_to"))
    return reply is not None and reply.startswith(case.id + ".")


def _not_entitled(case: Case, kind: type[Incoming], task: Task | None, sender: str) -> Judgement:
    if task is not None and "holder" in kind.senders:
        holder = task.live.agent if task.live is not None else None
        if holder is None:
            state = task.ended.state if task.ended is not None else "held by nobody"
            return _reject(
                "MSG-4",
                f"{task.id} is {state}, so {sender} cannot send {kind.type} for it",
                f"a {kind.type} from the holder of an open task",
                "ask support-manager if the task should be yours",
                kind=kind,
                task=task,
            )
        return _reject(
            "MSG-4",
            f"{task.id} is held by {holder}, not by {sender}",
            f"a {kind.type} from {holder}",
            f"ask support-manager to reassign {task.id}",
            kind=kind,
            task=task,
        )
    allowed = [r for r in kind.senders if r != "anyone"]
    said, fix = (
        f"{sender} may not send {kind.type}",
        "ask one of them, or have `authority:` extended in the configuration",
    )
    if "addressee" in allowed:
        said = f"nothing is awaited from {sender} that a {kind.type} would answer"
        fix = "nothing needs to be done if it was answered by now; else wait until you are asked, or ask one of them"
    return _reject("MSG-4", said, f"a {kind.type} from: {', '.join(allowed)}", fix, kind=kind, task=task)


def owed_to_house(letter: Letter, judged: Judgement) -> Mapping[str, Any]:
    """The facts of a letter that belongs to no case, for its reason file and its reply."""
    finding = judged.finding
    assert finding is not None
    return {
        "file": printable(letter.name),
        "from": letter.sender,
        "received_at": stamp(letter.file_at),
        "code": finding.code,
        "reason": finding.message,
        "expected": judged.why or None,
        "fix": finding.fix,
        "fits": list(judged.fits),
    }
