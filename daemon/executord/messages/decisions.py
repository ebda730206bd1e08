"""What those send who decide: authority, the planner, a checkpoint's reviewer; and `status`, which anyone may ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any, ClassVar

from executord.case import HOLD_AT_MOST, PLACES, Claim, Closed, Ended, Hold, Letter, Repriced, Task, owe
from executord.case.casebook import Case
from executord.errors import Finding
from executord.evolve import replace
from executord.letters import note_of, scalar
from executord.meaning.blocking import unblock
from executord.meaning.deliveries import decided
from executord.meaning.reckoning import pass_on, reprice
from executord.meaning.transitions import (
    close_attempt,
    end_task,
    late_path,
    notice,
    release_instruction,
    release_task,
    reopen,
)
from executord.messages.base import Incoming, Taken, not_ended, until
from executord.policy import Policy
from executord.promises.terms import priority_of
from executord.reading import find, text_of
from executord.values import agent_name, priority


class PriorityChange(Incoming):
    """A new priority for a task or the instruction."""

    type = "priority_change"
    aliases = ("change_priority", "reprioritize")
    senders = ("authority", "planner")
    about = "either"
    needs = (("priority", "new_priority", "to_priority"),)
    example: ClassVar[Mapping[str, Any]] = {"priority": "high", "reason": "a second customer reports it"}

    @classmethod
    def check(cls, letter: Letter) -> Finding | None:
        found = find(letter.body, cls.needs[0])
        if found.key is not None and priority(found.value) is None:
            return Finding(
                "MEM-7", f"{text_of(found.value)!r} is not a priority", "use critical, high, medium or low",
                field=found.key,
            )  # fmt: skip
        return super().check(letter)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        value = priority(find(letter.body, cls.needs[0]).value)
        then = task.spec.priority if task is not None else case.head.spec.priority
        facts: dict[str, Any] = {"priority": value, "then": then, "was": priority_of(case.head, task)}
        if task is None:
            facts["own"] = [t.id for t in case.in_order() if t.live is not None and t.spec.priority] or None
        return facts

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        value, then = taken.facts["priority"], taken.facts.get("then")  # a None is not noted
        change = Repriced(taken.at, taken.facts.get("was") or "medium")
        same = change.was == value  # it changes nothing: what was agreed for it holds on [SLA-11]
        if task is None:
            case.set_head(replace(case.head, priority=(value, then)))
            if same:
                return
            text = f"the priority of {case.id} is {value} now, by {taken.sender}"
            reprice(case, change, taken.facts.get("own", ()), text)
            return
        overrides = (*task.overrides, ("priority", value, then))
        task = replace(task, overrides=overrides, repriced=task.repriced if same else (*task.repriced, change))
        if task.live is not None and not same:
            text = f"the priority of {task.id} is {value} now, by {taken.sender}"
            k = sum(key == "priority" for key, _, _ in task.overrides)
            task = owe(task, notice(task, f"#{k} priority", taken.at, task.live.agent, text))
        case.put(task)


class Reassign(Incoming):
    """The task goes to somebody else."""

    type = "reassign"
    aliases = ("reassignment",)
    senders = ("authority", "planner")
    example: ClassVar[Mapping[str, Any]] = {"to": "escalation-manager", "reason": "needs production access"}
    people = reads = _TO = ("to_agent", "new_agent", "assign_to", "new_assignee", "assignee", "assigned_to", "to")

    @classmethod
    def odd(cls, letter: Letter, zone: tzinfo) -> Iterator[Finding]:
        yield from super().odd(letter, zone)
        to = cls._to(letter)
        if to is not None and letter.known and to not in letter.known:
            text = f"there is no agent {to!r} here: it goes to who can do it best"
            yield Finding("MSG-6", text, "see `executord status` for the names", "warning", "to")

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        return not_ended(task)

    @classmethod
    def _to(cls, letter: Letter) -> str | None:
        names = (agent_name(scalar(find(letter.body, (key,)).value) or "") for key in cls._TO)
        return next((name for name in names if name not in ("", "executor")), None)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        to = cls._to(letter)
        return {"to": to, "reason": note_of(letter.body, "reason", "why") or ""}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if task is None:
            return
        holder, n = (task.live.agent if task.live else None), task.attempt
        reason = taken.facts.get("reason") or f"reassigned by {taken.sender}"
        task = close_attempt(task, "reassigned", taken.at, reason, taken.path)
        to = taken.facts.get("to")
        task = replace(
            task,
            escalated=None,
            bound=to,
            bound_why=f"reassigned by {taken.sender}",
            excluded=(task.excluded | ({holder} if holder and holder != to else set())) - {to},
            silent=task.silent - {to},
        )
        if holder is not None:
            task = owe(task, notice(task, f"reassigned-a{n}", taken.at, holder, reason, "reassignment_notice"))
        case.put(task)


class Retry(Incoming):
    """An escalated or ended task is opened again."""

    type = "retry"
    aliases = ("reopen", "re_open")
    senders = ("authority", "planner")
    about = "either"
    example: ClassVar[Mapping[str, Any]] = {"reason": "the environment is back"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        if task is None and case.head.closed is None:
            return Finding(
                "EXE-14", f"{case.id} is not closed", "name the task in task_id; resume takes up what is blocked"
            )
        if case.head.closed is not None and letter.sender == "planner":
            return Finding("EXE-27", "only authority opens a closed instruction again", "ask support-manager")
        if task is not None and task.ended is None and not task.escalated:
            return Finding(
                "EXE-14", f"{task.id} is neither escalated nor ended", "to give it to another agent send reassign"
            )
        if task is not None and not task.present and task.file is None and task.ended is not None:
            return Finding("EXE-3", f"{task.id} has no file", f"put tasks/pending/{task.id}.yaml back")
        return None

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if task is None:
            reopen(case, taken.at)
            return
        case.put(
            replace(
                task,
                ended=None,
                escalated=None,
                spent=0,
                result_owed=False,
                sealed=False,
                updates=(),
                silent=frozenset(),
            )
        )
        if case.head.closed is not None:
            case.set_head(replace(case.head, closed=None, archive=None))
        decided(case, taken.at)


class _Decision(Incoming):
    """`defer` and `cancel`: a task, or the instruction, ends by a named person's word."""

    state: ClassVar[str]
    senders = ("authority", "planner")
    about = "either"
    needs = (("reason", "why", "because", "note"),)
    example: ClassVar[Mapping[str, Any]] = {"reason": "the customer withdrew the request"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        if task is None and case.head.closed is not None:
            return Finding("EXE-1", f"{case.id} is closed already", "nothing needs to be done")
        return not_ended(task)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        facts: dict[str, Any] = {"reason": note_of(letter.body, *cls.needs[0])}
        if task is None:
            facts["tasks"] = [t.id for t in case.in_order() if t.ended is None]
        return facts

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        reason = taken.facts["reason"]
        if task is not None:
            case.put(end_task(task, cls.state, taken.at, taken.sender, reason))
            return
        for task_id in taken.facts["tasks"]:
            case.put(end_task(case.ensure(task_id), cls.state, taken.at, taken.sender, reason))
        case.set_head(replace(case.head, closed=Closed(taken.at, taken.sender, reason, cls.state), parked=None))


class Defer(_Decision):
    """Put off to another time."""

    type = "defer"
    aliases = ("deferred", "postpone")
    unread = until("what is deferred has ended; retry opens it again, hold only puts it off")
    state = "deferred"


class Cancel(_Decision):
    """Not to be done."""

    type = "cancel"
    aliases = ("cancelled", "canceled", "abort")
    state = "cancelled"


class HoldMessage(Incoming):
    """On hold: dispatch and silence ladder stop [EXE-25]."""

    type = "hold"
    aliases = ("on_hold",)
    unread = until("it ends with release, at the latest after 72 hours")
    senders = ("authority", "planner")
    about = "either"
    needs = (("reason", "why", "because", "note"),)
    example: ClassVar[Mapping[str, Any]] = {"reason": "the customer is moving offices this week"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        held = task.hold if task is not None else case.head.hold
        if held is not None:
            return Finding("EXE-25", f"it is on hold already, by {held.by}", "send release to let it go")
        if task is None and case.head.closed is not None:
            return Finding("EXE-25", f"{case.id} is closed", "send retry to open it again")
        return not_ended(task)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        sender = letter.sender or ""
        pauses = policy.may(sender, "hold") and sender != "planner"
        return {"reason": note_of(letter.body, *cls.needs[0]), "pauses_clock": pauses}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        until = taken.at + HOLD_AT_MOST
        reason = taken.facts["reason"]
        if task is None:
            k = case.head.holds + 1
            case.set_head(replace(case.head, hold=Hold(k, taken.sender, taken.at, reason, until), holds=k))
            for each in list(case.tasks.values()):
                if each.live is not None:
                    text = f"{case.id} is on hold, by {taken.sender}: {reason}"
                    case.put(owe(each, notice(each, f"#{k} instruction-on-hold", taken.at, each.live.agent, text)))
            return
        k = task.holds + 1
        task = replace(task, hold=Hold(k, taken.sender, taken.at, reason, until), holds=k)
        if task.live is not None:
            text = f"on hold, by {taken.sender}: {reason}"
            task = owe(task, notice(task, f"#{k} on-hold", taken.at, task.live.agent, text))
        case.put(task)


class Release(Incoming):
    """Off hold again; or a checkpoint, or a task whose dependency ended otherwise, is let go."""

    type = "release"
    reads = ("checkpoint",)
    aliases = ("unhold", "let_go")
    senders = ("authority", "planner", "addressee")
    about = "either"
    example: ClassVar[Mapping[str, Any]] = {"reason": "the customer is back"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        checkpoint = scalar(letter.body.get("checkpoint"))
        if checkpoint is not None and all(g.id != checkpoint for g in case.gates):
            known = ", ".join(g.id for g in case.gates) or "none"
            return Finding("EXE-6", f"{case.id} has no checkpoint {checkpoint!r}", f"its checkpoints: {known}")
        if task is None or checkpoint is not None:
            return None
        if task.ended is not None:
            return not_ended(task)
        ring = case.cycles.get(task.id)
        if ring is not None and task.hold is None and not _let_go(case, task):
            others = ", ".join(i for i in ring.tasks if i != task.id) or "itself"
            fix = "take one of these dependencies out, or cancel one of these tasks and release the others"
            return Finding("EXE-2", f"{task.id} is on no hold: it is in a cycle with {others}", fix)
        return None

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        checkpoint = scalar(letter.body.get("checkpoint"))
        if checkpoint is not None:
            return {"checkpoint": checkpoint}
        if task is None and case.head.hold is None:
            waiting = [g.id for g in case.gates if g.open_members <= 0 and g.review and g.id not in case.head.released]
            if waiting:
                return {"checkpoint": waiting[0]}
        if task is not None:
            let_go = _let_go(case, task)
            return {"let_go": sorted(let_go)} if let_go else {}
        return {}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        checkpoint = taken.facts.get("checkpoint")
        if checkpoint is not None:
            case.set_head(replace(case.head, released=case.head.released | {checkpoint}))
            return
        if task is None:
            if case.head.hold is not None:
                release_instruction(case, taken.at, taken.sender)
            return
        released = task.released | frozenset(taken.facts.get("let_go", ()))
        case.put(release_task(replace(task, released=released), taken.at, taken.sender))


def _let_go(case: Case, task: Task) -> frozenset[str]:
    """The dependencies that a release lets go: those that ended otherwise, and those that nobody knows."""
    return case.dead_deps.get(task.id, frozenset()) | case.unknown_deps.get(task.id, frozenset())


class AcceptLate(Incoming):
    """The late result of an attempt is taken as a claim."""

    type = "accept_late"
    senders = ("authority",)
    needs = (("attempt",),)
    example: ClassVar[Mapping[str, Any]] = {"attempt": 1}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        if task is None:
            return None
        if not any(a.n == letter.attempt and a.late for a in task.attempts):
            have = ", ".join(str(a.n) for a in task.attempts if a.late) or "none"
            return Finding(
                "MSG-3", f"{task.id} has no late result of attempt {letter.attempt}", f"attempts with one: {have}"
            )
        return not_ended(task)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        return {"of": letter.attempt}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if task is None:
            return
        n = taken.facts["of"]
        late = next(a for a in task.attempts if a.n == n)
        kept = late_path(case.id, task.id, n, late.late)
        holder = task.live.agent if task.live is not None else None
        task = close_attempt(task, "withdrawn", taken.at, f"late result of attempt {n} accepted by {taken.sender}")
        if holder is not None:
            text = f"the late result of attempt {n} was accepted by {taken.sender}; nothing more is needed"
            task = owe(task, notice(task, f"late-accepted-a{task.attempt}", taken.at, holder, text))
        claim = Claim(taken.at, kept, by=late.agent)
        done = replace(late, state="done", claim=claim, closed_at=taken.at)
        case.put(
            replace(
                unblock(task, taken.at),
                attempts=tuple(done if a.n == n else a for a in task.attempts),
                ended=Ended("completed", taken.at, taken.sender, f"late result of attempt {n} accepted"),
                result_owed=True,
                escalated=None,
            )
        )


class Tell(Incoming):
    """Supplementary context for the holder."""

    type = "tell"
    aliases = ("context",)
    senders = ("authority", "planner")
    needs = (("text", "message", "context", "note", "description", "information"),)
    example: ClassVar[Mapping[str, Any]] = {"text": "the customer also uses the EU endpoint"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        if task is not None and task.live is None:
            state = task.ended.state if task.ended else "not being worked on"
            return Finding("MSG-4", f"nobody holds {task.id}: it is {state}", "edit the task's file instead")
        return None

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if task is None or task.live is None:
            return
        case.put(pass_on(case, task, task.live.agent, taken.at, taken.path, taken.sender))


class PlanReady(Incoming):
    """The plan is (re-)read now. `without: plan`: it goes on without one that is gone; so for `instruction`."""

    type = "plan_ready"
    reads = ("without",)
    aliases = ("delegation", "phase_start", "plan")
    senders = ("planner", "authority")
    about = "instruction"

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        return {"without": [w for w in PLACES if w in _without(letter)] or None}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        """It goes on without what is gone; not without what lies there, or what nobody has heard of."""
        gone = {word for word, since in case.head.missed if since is not None and word in case.head.lacks}
        for word in _without(letter):
            if word not in gone:
                said = (
                    f"{PLACES[word]} is not missing"
                    if word in PLACES
                    else f"{word!r} is neither of {', '.join(PLACES)}"
                )
                return Finding("MEM-25", said, "take `without` out, or take the file away first", field="without")
        return None

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        head, without = replace(case.head, ready_by=taken.sender), taken.facts.get("without") or ()
        head = replace(head, missing=tuple(w for w in head.missing if w not in without))
        if "plan" in without:
            why = f"kept: {taken.sender} goes on without {PLACES['plan']}, which is gone; before, from {head.tier_why}"
            head = replace(head, plan_sha=None, tier_why=why)
        case.set_head(replace(head, instruction=False) if "instruction" in without else head)


def _without(letter: Letter) -> list[str]:
    """The words of what a `plan_ready` goes on without; a place stands for its word."""
    given = find(letter.body, ("without",)).value
    words = {place: word for word, place in PLACES.items()}
    found = [scalar(each) or text_of(each) for each in (given if isinstance(given, list) else [given]) if each]
    return [words.get(each, each) for each in found]


class Pause(Incoming):
    """New dispatches stop: of everything, an agent, or an instruction [EXE-25]."""

    type = "pause"
    senders = ("authority",)
    unread = until("it ends with resume")
    about = "instruction"

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        case.set_head(replace(case.head, paused=taken.sender))


class Resume(Incoming):
    """Paused no more; also takes up a parked case."""

    type = "resume"
    aliases = ("continue", "next")
    senders = ("authority",)
    about = "instruction"

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        case.set_head(replace(case.head, paused=None, parked=None))
        decided(case, taken.at)


class Status(Incoming):
    """Read-only: answered with the status report."""

    type = "status"
    aliases = ("check", "status_request")
    senders = ("anyone",)
    about = "house"
