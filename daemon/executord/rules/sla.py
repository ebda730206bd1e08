"""Warnings before a limit, the record and the ladder of a breach, pauses that come to their cap [SLA-7, SLA-8, SLA-10].

Counterparts: `promises/`, the clocks; `meaning/reckoning.py`, what these lines mean. What was told stands in the case
as a fact (`warned`, `breaches`), so a limit that moves warns of nothing twice [SLA-11].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from executord.actions import Record, Rendered, Send
from executord.agenda import Due
from executord.case import Ask, Head, Paused, Task
from executord.case.casebook import Case
from executord.case.packed import shared
from executord.evolve import replace
from executord.policy import Policy
from executord.posts.tidings import breach, cause_of, late_by, local_words, noted_at, subject_words, warning
from executord.promises.instruction import next_responses, resolution, response
from executord.promises.making import unmoved
from executord.promises.tasks import task_resolution, task_response
from executord.promises.terms import at_work, hours_of, terms, unreckoned
from executord.promises.timepiece import Clock, marks, share_at
from executord.remembered import Same, remembered
from executord.rules.asking import Asking
from executord.values import stamp

ORDER = 80
_LINES = {"response": "response lines", "resolution": "resolution lines"}  # by the kind of a task's clock: its memo
TO_MANAGER_FROM = 75  # per cent of the limit [SLA-8]


def task_lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """Of a task that was given out: its response and its resolution clock."""
    head = case.head
    if not task.attempts or head.opened_at is None or head.parked is not None or unreckoned(head):
        return
    last = task.attempts[-1]
    if last.accepted_at is None or not any(b.clock == f"response a{last.n}#1" for b in task.breaches):
        yield from _kept(case, task, task_response(case, task, last, policy), policy)
    clock = task_resolution(case, task, policy)
    if clock is not None:
        yield from _kept(case, task, clock, policy)
    if task.pauses:
        yield from _caps(task, task.pauses)


def _kept(case: Case, task: Task, clock: Clock, policy: Policy) -> tuple[Due, ...]:
    """The lines of a task's clock, the same ones until the clock or what was told of it changes."""
    facts = (clock, task.warned, task.spec, case.head.spec, case.head.tier, policy)
    memo, name = case.memos[task.id], _LINES[clock.kind]
    lines: tuple[Due, ...] | None = unmoved(memo, name, facts)
    if lines is None:
        lines = tuple(_clock(case, task, clock, policy))
        memo[name] = (facts, lines)
    return lines


def case_lines(case: Case, policy: Policy) -> Iterator[Due]:
    """The instruction's clocks; the same lines as long as nothing changes that they are made from."""
    head = case.head
    if head.opened_at is None or head.parked is not None:
        return
    clocks = [response(case, policy), resolution(case, policy), *next_responses(case, policy, past=False)]
    key = (policy, head.spec, tuple(clocks), head.warned, head.breaches, head.pauses)
    kept = case.memo.get("sla lines")
    if kept is None or kept[0] != key:
        found = [line for clock in clocks if clock is not None for line in _clock(case, None, clock, policy)]
        kept = case.memo["sla lines"] = (key, (*found, *_caps(None, head.pauses)))
    yield from kept[1]


def _clock(case: Case, task: Task | None, clock: Clock, policy: Policy) -> Iterator[Due]:
    """The marks and the breach of one clock."""
    if clock.stopped is None:
        yield from _warnings(case, task, clock, policy)
    yield from _breach(case, task, clock, policy)


# --- warnings --------------------------------------------------------------------------------------------------------


class _Question:
    """Which marks of a clock are told when, to whom: the same answer for all clocks of the same instants."""

    __slots__ = ("clock", "key", "manager", "policy", "to", "warn", "warned")

    def __init__(
        self, clock: Clock, policy: Policy, warn: tuple[str, ...], to: str, warned: frozenset[str], *, manager: bool
    ) -> None:
        self.clock, self.policy, self.warn, self.to, self.manager = clock, policy, warn, to, manager
        self.warned = frozenset(w for w in warned if w.startswith(f"{clock.key} "))
        self.key = (
            clock.start, clock.target, clock.due, clock.warn_due, clock.since, clock.fixed, clock.pauses,
            clock.priority == "critical", Same(clock.calendar), Same(hours_of(policy, to)), warn, manager,
            (clock.key, self.warned) if self.warned else None,
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Question) and self.key == other.key


@remembered(1024)
def _instants(asked: _Question) -> tuple[tuple[datetime, tuple[str, ...], str], ...]:
    """When something is told: at each instant which marks, and which of them names the message [SLA-8].

    In the hours of who is told, but for critical.
    """
    clock = asked.clock
    found = marks(clock, asked.policy, asked.warn)
    if asked.manager:
        found = [(at, mark) for at, mark in found if _late(clock, at, mark)]
    suffix = " manager" if asked.manager else ""
    groups: dict[datetime, list[str]] = {}
    for at, mark in found:
        if f"{clock.key} {mark}{suffix}" in asked.warned:
            continue
        when = at if clock.priority == "critical" else at_work(asked.policy, asked.to, at)
        if clock.due is not None and when < clock.due:  # what opens after the limit only has the breach to tell
            groups.setdefault(when, []).append(mark)
    return tuple((at, tuple(groups[at]), _highest(tuple(groups[at]))) for at in sorted(groups))


def _warnings(case: Case, task: Task | None, clock: Clock, policy: Policy) -> Iterator[Due]:
    if clock.due is None or clock.recorded:
        return
    warn = terms(policy, case.head, clock.priority).warn
    owner: Task | Head = task if task is not None else case.head
    yield from _told(case, clock, _Question(clock, policy, warn, clock.holder, owner.warned, manager=False))
    manager = policy.manager(clock.holder)
    if manager != clock.holder:
        yield from _told(case, clock, _Question(clock, policy, warn, manager, owner.warned, manager=True))


def _late(clock: Clock, at: datetime, mark: str) -> bool:
    """Whether the manager hears of a mark too: from 75 % of the limit on, also of marks that are no share."""
    if mark.endswith("%"):
        return int(mark[:-1]) >= TO_MANAGER_FROM
    late = share_at(clock, TO_MANAGER_FROM / 100)
    return late is not None and at >= late


def _told(case: Case, clock: Clock, asked: _Question) -> Iterator[Due]:
    """One line for each instant at which marks are told."""
    told = _instants(asked)
    if not told:
        return
    key, name, due = clock.key, clock.name, stamp(clock.due or told[0][0])
    suffix = "-manager" if asked.manager else ""
    about = f"{clock.kind} of {subject_words(case, clock.task)}"
    for k, (at, said, highest) in enumerate(told):
        send, facts = _warned(key, said, asked.to, asked.manager)
        yield Due(
            at,
            f"warn {name} {highest}{suffix}",
            "SLA-8",
            send,
            clock.task,
            clock.attempt,
            why=shared(f"{about}: {', '.join(said)}, due {due}"),  # the holder's and his manager's are the same
            facts=facts,
            order=ORDER,
            until=told[k + 1][0] if k + 1 < len(told) else clock.breach_at,
        )


@lru_cache(maxsize=1024)
def _warned(key: str, said: tuple[str, ...], to: str, manager: bool) -> tuple[Send, Mapping[str, Any]]:
    """What a line that warns has in common with those of other tasks: its message, its facts."""
    return Send(to, "sla_warning"), {"clock": key, "marks": list(said), "manager": manager or None}


def spoken(case: Case, line: Due, policy: Policy) -> Due:
    """The warning with what it says, made when it is noted."""
    clock = _named(case, line, policy)
    if clock is None or not isinstance(line.action, Send):
        return line
    asks = clock.kind in ("response", "next_response") and clock.task is None and clock.audience == "customer"
    body = warning(case, clock, tuple(line.facts["marks"]), asks=asks and not line.facts.get("manager"))
    return replace(line, action=Send(line.action.to, line.action.kind, body))


def _named(case: Case, line: Due, policy: Policy) -> Clock | None:
    """The clock that a line speaks of."""
    task = case.tasks.get(line.task) if line.task is not None else None
    if task is not None:
        found = [task_response(case, task, task.attempts[-1], policy), task_resolution(case, task, policy)]
    else:
        found = [response(case, policy), resolution(case, policy), *next_responses(case, policy, past=False)]
    return next((c for c in found if c is not None and c.key == line.facts["clock"]), None)


def _highest(said: tuple[str, ...]) -> str:
    """The mark that names a message for several: the highest share, else the last one."""
    shares = sorted((int(m[:-1]), m) for m in said if m.endswith("%"))
    return shares[-1][1] if shares else said[-1].lstrip("-").replace(" ", "")


# --- breaches --------------------------------------------------------------------------------------------------------


def _breach(case: Case, task: Task | None, clock: Clock, policy: Policy) -> Iterator[Due]:
    """The record of a limit that has passed: also of a clock that stopped after it [SLA-10]."""
    at = clock.breach_at
    if at is None or clock.recorded or (clock.stopped is not None and clock.stopped <= at):
        return
    yield Due(
        at, f"breach {clock.name}", "SLA-10", Record(), clock.task, clock.attempt,
        why=f"the {clock.kind} limit of {subject_words(case, clock.task)} has passed", facts=_to_come(clock.key),
        order=ORDER,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _to_come(key: str) -> Mapping[str, Any]:
    """What a breach says as long as it is to come: every clock that runs has one, and hardly any is ever noted."""
    return {"breach": True, "clock": key}


def recorded(case: Case, line: Due, policy: Policy) -> Due:
    """The breach with what is recorded of it, made when it is noted [SLA-10]."""
    clock = _named(case, line, policy)
    assert clock is not None  # the line was made of it, and is made anew with it
    assert clock.breach_at is not None
    at, runs = clock.breach_at, clock.stopped is None
    about: dict[str, Any] = {
        "clock": clock.kind,
        "key": clock.key,
        "due": stamp(clock.due) if clock.due is not None else None,
        "due_local": local_words(clock.due or at, clock.calendar),
        "effective_at": stamp(at),
        "stopped_at": stamp(clock.stopped) if clock.stopped is not None else None,
        "detected_at": Rendered(noted_at),
        "late_by_s": Rendered(late_by, (at,)),
        "cause": Rendered(cause_of, (clock.kind, clock.task)),
        "holder": clock.holder,
        "told": [breach_chain(policy, clock.holder)[0]] if runs else [],
        "policy": clock.source,
        "calendar": clock.calendar.name,
    }
    return replace(line, facts=about)


def breach_chain(policy: Policy, holder: str) -> tuple[str, ...]:
    """The holder's manager → escalation-manager → vp-customer-support, each once, never the holder [SLA-10]."""
    manager = policy.manager(holder)
    above = manager in ("vp-customer-support", "hitl")  # nobody below is told after who is above
    names = (manager,) if above else (manager, "escalation-manager", "vp-customer-support")
    return tuple(dict.fromkeys(n for n in names if n != holder)) or ("hitl",)


def _chain(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    return breach_chain(policy, str(ask.facts.get("holder") or ""))


def _body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    return breach(case, task, ask.facts)


def _stands(case: Case, task: Task | None, ask: Ask) -> bool:
    """Whether the clock still runs: who was late and has done it by now needs no boss."""
    kind = ask.facts.get("clock")
    if task is not None:
        if kind == "resolution":
            return task.ended is None
        live = task.live  # of an attempt that is closed nobody can acknowledge anything any more
        return live is not None and live.accepted_at is None and ask.facts.get("key") == f"response a{live.n}#1"
    if kind == "resolution":
        return case.resolved_at is None
    if kind == "next_response":
        return case.head.waiting_reply is not None
    return (case.head.first_counted if case.head.spec.customer is not None else case.sums.first_ack) is None


BREACH = Asking("SLA-10", "sla_breach", _body, chain=_chain, stands=_stands)


# --- pauses ----------------------------------------------------------------------------------------------------------


def _caps(task: Task | None, pauses: tuple[Paused, ...]) -> Iterator[Due]:
    """A pause that has come to its cap: the clock runs on [SLA-7]."""
    for k, pause in enumerate(pauses, 1):
        if pause.end is None and pause.cap is not None:
            subject = f"resolution {task.id} #{k}" if task is not None else f"resolution #{k}"
            yield Due(
                pause.cap, f"run-on {subject} {pause.reason}", "SLA-7", Record(), task.id if task is not None else None,
                (task.attempt or None) if task is not None else None,
                why=f"{pause.reason} since {stamp(pause.start)} has come to its cap: the clock runs on",
                facts={"start": stamp(pause.start), "reason": pause.reason}, order=ORDER,
            )  # fmt: skip
