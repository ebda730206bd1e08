"""What those send who do the work: holders, their supporters, the liaison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any, ClassVar

from executord.case import Attempt, Claim, Ended, FileFact, Letter, Owed, Task, owe
from executord.case.casebook import Case
from executord.clocks.cadence import cadence_due
from executord.deliverables import components_of
from executord.errors import Finding
from executord.evolve import replace
from executord.letters import NOTE_LENGTH, note_of
from executord.meaning.asking import acknowledged
from executord.meaning.blocking import unblock
from executord.meaning.incidents import role_taken
from executord.meaning.transitions import close_attempt, keep_late, record_update, spend, with_attempt
from executord.messages.base import Incoming, Taken, unclear_time
from executord.messages.customer import odd_promise
from executord.messages.incident import role_gone
from executord.policy import Policy
from executord.reading import find, text_of
from executord.values import Span, read_moment, read_span, stamp
from executord.verification import CONCERNS, OUTPUT, PATHS, SUMMARY, nested_update, verify

_PERCENT = ("percent_complete", "percent_done", "completion_percent", "percentage_complete")
_ETA = ("eta", "expected_completion", "estimated_completion")


class Acknowledgement(Incoming):
    """The holder has the task; or an addressee has our message."""

    type = "acknowledgement"
    aliases = ("ack", "accepted", "accept", "acknowledged")
    senders = ("holder", "addressee")
    renews = True
    reads = _ETA
    for_others = True
    example: ClassVar[Mapping[str, Any]] = {"eta": "2026-11-20T15:00:00Z"}

    @classmethod
    def odd(cls, letter: Letter, zone: tzinfo) -> Iterator[Finding]:
        yield from super().odd(letter, zone)
        yield from _odd_eta(letter, zone)

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        return role_gone(case, letter)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        return _eta(letter, policy)

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if taken.facts.get("answers"):
            subject = taken.facts["answers"]
            acknowledged(case, task.id if task is not None else None, subject, taken.sender, taken.at)
            role_taken(case, subject, taken.sender, taken.at)
            return
        if task is None or task.live is None or taken.sender != task.live.agent:
            return
        case.put(
            with_attempt(
                task,
                accepted_at=task.live.accepted_at or taken.at,
                sign_at=max(filter(None, (task.live.sign_at, taken.at))),
                **_eta_at(taken, task.live),
            )
        )


def _eta(letter: Letter, policy: Policy) -> dict[str, Any]:
    """By when it will be done: a moment, or a span from the message's own time on."""
    value = find(letter.body, _ETA).value
    at = read_moment(value, policy.zone, bare="end")
    span = read_span(value) if at is None else None
    if isinstance(span, Span):
        at = cadence_due(policy.calendar("business"), letter.at, span.limit or span.target)
    return {"eta": stamp(at)} if at is not None else {}


def _odd_eta(letter: Letter, zone: tzinfo) -> Iterator[Finding]:
    """Words that mean no time (`soon`, `unknown`) are no fault."""
    key, value = (found := find(letter.body, _ETA)).key, found.value
    if key is None or not any(map(str.isdigit, text_of(value))):
        return
    if read_moment(value, zone, bare="end") is None and not isinstance(read_span(value), Span):
        yield unclear_time(key, value, "it is not known by when it will be done")


def _eta_at(taken: Taken, live: Attempt) -> dict[str, Any]:
    """When the holder said by when it will be done: the last time that he named another moment."""
    eta = taken.facts.get("eta")
    return {"eta": eta, "eta_at": taken.at} if eta is not None and eta != live.eta else {}


class Progress(Incoming):
    """The holder is at work."""

    type = "progress"
    aliases = ("status_update", "progress_report", "heartbeat", "in_progress", "progress_update", "working")
    senders = ("holder", "supporter")
    renews = True
    reads = (*_ETA, "percent", "progress", "percentage")
    example: ClassVar[Mapping[str, Any]] = {"percent": 40, "note": "reproduced it; reading the gateway's log"}

    @classmethod
    def odd(cls, letter: Letter, zone: tzinfo) -> Iterator[Finding]:
        yield from super().odd(letter, zone)
        yield from _odd_eta(letter, zone)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        facts: dict[str, Any] = _eta(letter, policy)
        raw = find(
            letter.body,
            ("percent", "progress", "percentage", "progress_percent", "completion_percentage", *_PERCENT),
        ).value
        text = text_of(raw).strip().rstrip("%").strip()
        if text.replace(".", "", 1).isdecimal():
            facts["percent"] = round(min(100.0, float(text)))
        note = note_of(letter.body, "note", "summary", "message", "details", "description")
        if note is None and raw is not None and "percent" not in facts:
            note = text[:NOTE_LENGTH] or None
        if note is not None:
            facts["note"] = note
        return facts

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if task is None or task.live is None:
            return
        live = task.live
        own = taken.sender == live.agent
        case.put(
            with_attempt(
                task,
                accepted_at=live.accepted_at or (taken.at if own else None),
                sign_at=max(filter(None, (live.sign_at, taken.at))) if own else live.sign_at,
                working=live.working or own,
                percent=taken.facts.get("percent", live.percent),
                note=taken.facts.get("note", live.note),
                **_eta_at(taken, live),
            )
        )


class Completion(Incoming):
    """A claim that a task is done: counts once it is verified [EXE-13]."""

    type = "completion"
    aliases = ("completed", "complete", "done", "result", "task_complete", "task_result", "done_with_concerns",
               "task_completed", "task_completion", "finished")  # fmt: skip
    senders = ("holder",)
    result = True
    reads = ("components", "customer_update", *OUTPUT, *PATHS, *SUMMARY, *CONCERNS)
    example: ClassVar[Mapping[str, Any]] = {
        "summary": "Restarted the gateway and raised its connection limit; checkouts pass again.",
        "output": {"root_cause": "connection pool exhausted", "fix": "limit raised from 50 to 200"},
    }

    @classmethod
    def odd(cls, letter: Letter, zone: tzinfo) -> Iterator[Finding]:
        yield from super().odd(letter, zone)
        yield from odd_promise(nested_update(letter.body), letter.at, zone)
        given = letter.body.get("components")
        if given and not components_of(given):
            text, fix = "it names none", "write a mapping, e.g. `resolution_steps: …` under it"
            yield Finding("DEL-2", text, fix, "warning", "components")

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        assert task is not None
        return verify(case, task, letter, policy)

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if task is None:
            return
        facts = taken.facts
        if facts.get("late"):
            n, summary = taken.attempt or 0, facts.get("summary") or ""
            case.put(keep_late(case, task, n, taken.at, taken.path, taken.sender, summary, facts.get("files", [])))
            return
        task = record_update(case, task, facts, taken.at, taken.path, taken.sender)
        if task.live is None:
            return
        claim = Claim(
            at=taken.at,
            letter=taken.path,
            summary=facts.get("summary") or "",
            files=tuple(FileFact(f["path"], f["size"], f["sha256"]) for f in facts.get("files", ())),
            concerns=tuple(facts.get("concerns", ())),
            has_output=bool(facts.get("output")),
            by=taken.sender,
        )
        if facts.get("points"):
            cls._refused(case, task, task.live, taken, claim)
        else:
            cls._counts(case, task, task.live, taken, claim)

    @staticmethod
    def _counts(case: Case, task: Task, live: Attempt, taken: Taken, claim: Claim) -> None:
        """The claim is verified: the task has ended."""
        accepted_at = live.accepted_at or taken.at
        done = with_attempt(
            task, state="done", claim=claim, closed_at=taken.at, points=(), accepted_at=accepted_at, sign_at=taken.at
        )
        ended = Ended("completed", taken.at)
        task = unblock(done, taken.at)
        case.put(replace(task, ended=ended, result_owed=True, escalated=None, bound=None, forced=False))

    @staticmethod
    def _refused(case: Case, task: Task, live: Attempt, taken: Taken, claim: Claim) -> None:
        """It fails in these points: they go back to who made it, or the attempt is over [EXE-13]."""
        points = tuple(taken.facts["points"])
        task = unblock(task, taken.at)  # who says that it is done is not stuck
        k = live.refusals + 1
        task = with_attempt(
            task, refusals=k, points=points, accepted_at=live.accepted_at or taken.at, sign_at=taken.at, claim=claim
        )
        if taken.facts.get("final"):
            task = close_attempt(task, "failed", taken.at, f"claim refused {k} times", taken.path)
            task = spend(task, case, taken.at, f"claim of attempt {live.n} refused {k} times: {points[0]}")
        else:
            rework = {"points": list(points), "k": k}
            task = owe(task, Owed(f"rework {task.id} a{live.n} #{k}", "rework", taken.at, rework))
        case.put(task)


class Failed(Incoming):
    """The holder's attempt has failed."""

    type = "failed"
    aliases = ("error", "failure")
    senders = ("holder",)
    example: ClassVar[Mapping[str, Any]] = {"reason": "the sandbox account is locked"}

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        return {
            "reason": note_of(letter.body, "reason", "error", "description", "summary", "message") or "no reason given"
        }

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if task is None or task.live is None:
            return
        n, why = task.live.n, taken.facts["reason"]
        task = close_attempt(task, "failed", taken.at, why, taken.path)
        case.put(spend(task, case, taken.at, f"attempt {n} failed: {why}"))


class Declined(Incoming):
    """The holder gives the task back; he is not asked again for it."""

    type = "declined"
    aliases = ("reject", "refused", "overloaded", "decline", "rejected")
    senders = ("holder",)
    example: ClassVar[Mapping[str, Any]] = {"reason": "no access to that product"}

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        return {"reason": note_of(letter.body, "reason", "description", "summary", "message") or "no reason given"}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if task is None or task.live is None:
            return
        task = close_attempt(task, "declined", taken.at, taken.facts["reason"], taken.path)
        case.put(replace(task, excluded=task.excluded | {taken.sender}, bound=None))
