"""What the clocks of instructions and of tasks have in common: how one is made, kept, and who is warned of it.

Counterparts: `instruction.py`, `updates.py`, `tasks.py`, which say what each is made of. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import is_
from typing import Any, Final

from executord.case import Attempt, Breach, Extension, Paused, Repriced, Task
from executord.case.casebook import Case
from executord.clocks import Pauses, active
from executord.evolve import swift
from executord.promises.aims import Aim, Word, breach_instant, extended, since_last_change
from executord.promises.timepiece import Clock, spans

CAPPED: Final = ", which caps the task's own"  # of a limit that is the instruction's: behind where that comes from
NOBODY = "support-manager"  # who is warned where nobody holds it, and where there is no customer
Memo = dict[str, tuple[Any, Any]]  # by name: what a value was made from, and the value


def kept(memo: Memo, name: str, key: tuple[Any, ...], make: Any) -> Any:
    """What was made from the same facts before is what it is now."""
    found = memo.get(name)
    if found is not None and found[0] == key:
        return found[1]
    value = make()
    memo[name] = (key, value)
    return value


def unmoved(memo: Memo, name: str, facts: tuple[Any, ...]) -> Any:
    """What is kept under this name if these very values made it, else None: no more than a glance for each.

    Behind it stands `kept`, which knows of other values that say the same.
    """
    found = memo.get(name)
    if found is not None and all(map(is_, found[0], facts)):
        return found[1]
    return None


def holder_of(case: Case, task: Task | None) -> str:
    """Who is warned about a clock [SLA-8]."""
    if task is not None:
        return task.live.agent if task.live is not None else NOBODY
    return case.head.liaison if case.head.spec.customer is not None else NOBODY


def instruction_pauses(case: Case) -> tuple[Paused, ...]:
    """When the instruction's resolution clock stands still: on hold, or one of its tasks stands still by a pause; and
    from the end of its last task to the re-opening [SLA-7]."""
    found = [*case.head.pauses]
    for pauses in case.sums.pauses.values():
        found += pauses
    return (*found, *_resolved(case))


def _resolved(case: Case) -> Iterator[Paused]:
    """The times in which every task had ended, and that are over."""
    created = case.head.created
    if not case.sums.reopened or created is None:
        return
    common: list[tuple[datetime, datetime | None]] | None = None
    first: datetime | None = None  # before the first task nothing was resolved
    for task in case.tasks.values():
        own = [(p.start, p.end) for p in task.pauses if p.source == "ended"]
        if task.ended is not None:
            own.append((task.ended.at, None))
        if not task.planned:
            own.append((created, task.born))  # added later: it was not missing before
        there = created if task.planned else task.born
        first = min((at for at in (first, there) if at is not None), default=None)
        common = own if common is None else list(_both(common, own))
        if not common:
            return
    last = case.resolved_at
    for begin, end in common or ():
        start = max(begin, first or created)
        if end is not None and start < end and (last is None or end <= last):
            yield Paused("resolved", start, "ended", end=end)


def _both(
    one: list[tuple[datetime, datetime | None]], other: list[tuple[datetime, datetime | None]]
) -> Iterator[tuple[datetime, datetime | None]]:
    for a, b in one:
        for c, d in other:
            begin, end = max(a, c), min((e for e in (b, d) if e is not None), default=None)
            if end is None or begin < end:
                yield begin, end


def closed_at(case: Case) -> datetime | None:
    """When the instruction ended, however it did."""
    return case.head.closed.at if case.head.closed is not None else None


def closed_as(case: Case) -> str | None:
    """`deferred` or `cancelled`: so its clocks end without being met."""
    closed = case.head.closed
    return closed.state if closed is not None and closed.state in ("deferred", "cancelled") else None


@swift
@dataclass(frozen=True, slots=True)
class Which:
    """Which clock it is. Without an `attempt`, whose holder is warned, who holds the task is; without an `ordinal` it
    is counted by its extensions: the generation of its target."""

    kind: str  # as in `Clock`
    task: Task | None = None
    attempt: Attempt | None = None
    ordinal: int | None = None

    def records(self, breaches: tuple[Breach, ...]) -> tuple[Breach, ...]:
        """Those of the recorded breaches that are of this clock: of all generations, if it has any."""
        if not breaches:
            return ()
        prefix = f"{self.kind}{f' a{self.attempt.n}' if self.attempt is not None else ''}#"
        if self.ordinal is not None:
            return tuple(b for b in breaches if b.clock == f"{prefix}{self.ordinal}")
        return tuple(b for b in breaches if b.clock.startswith(prefix))


@swift
@dataclass(frozen=True, slots=True)
class Course:
    """What a clock met on its way, as the journal has it: what moved it, what it stood still for, and how it ended."""

    repriced: tuple[Repriced, ...] = ()
    breaches: tuple[Breach, ...] = ()  # of all clocks of its instruction or task
    extensions: tuple[Extension, ...] = ()
    pauses: tuple[Paused, ...] = ()
    stopped: datetime | None = None
    over: str | None = None  # as in `Clock`

    def held(self, kind: str, word: Word) -> Iterator[tuple[datetime, tuple[Word, tuple[Extension, ...]]]]:
        """Until when which word held, and the time that was agreed for it, before the one that counts now, or counted
        when it stopped."""
        promise, stopped = "resolution" if kind == "resolution" else "response", self.stopped
        changes = [c for c in self.repriced if stopped is None or c.at <= stopped]
        for k, change in enumerate(changes):
            later = (own[promise] for c in changes[k:] if promise in (own := dict(c.own)))
            agreed = since_last_change(
                tuple(e for e in self.extensions if e.approved and e.at <= change.at), changes[:k]
            )
            priority = next((c.was for c in changes[k:] if not c.own), word.priority)
            yield change.at, (Word(priority, next(later, word.own)), agreed)

    @property
    def valid(self) -> tuple[Extension, ...]:
        """The extensions that no change of priority or limit took the place of, before it stopped."""
        if not self.extensions:
            return ()
        stopped = self.stopped
        return since_last_change(self.extensions, tuple(c for c in self.repriced if stopped is None or c.at <= stopped))


def clock_of(
    case: Case,
    which: Which,
    word: Word,
    plain: Callable[[Word, Pauses], Aim],
    course: Course,
    *,
    cap: Clock | None = None,
    follows: bool = False,
) -> Clock:
    """A clock of what `plain` promises by its word, moved by its course and capped by the instruction's clock.

    One that `follows` its cap is due when that is. The word is the one that holds, or held when it stopped.
    """
    pauses, extensions, task = spans(course.pauses), course.extensions, which.task
    aim, valid = plain(word, pauses), course.valid
    limit = aim.limit(pauses)
    agreed = tuple(e for e in valid if e.approved) if valid else ()
    moved = extended(aim, agreed, pauses) if agreed else aim
    at = moved.limit(pauses) if agreed else limit
    warned = extended(aim, valid, pauses).limit(pauses) if len(agreed) != len(valid) else at
    target = aim.target(pauses)
    if cap is not None and not follows and (cap.due is None or (at is not None and at < cap.due)):
        cap = None  # its own limit comes first
    if cap is not None:
        at, warned = cap.due, cap.warn_due if follows or warned is None else min(warned, cap.warn_due or warned)
    # The time up to a limit is counted on the calendar that the limit is of.
    calendar = aim.calendar if cap is None else cap.calendar
    single = aim.moment is None and aim.target_s == aim.limit_s
    if at is not None and target is not None and (target > at or (single and extensions)):
        target = at
    source = moved.source if cap is None else cap.source
    breach_at = cap.breach_at if cap is not None and cap.breach_at is not None else at
    if agreed and not which.records(course.breaches):
        breach_at = _too_late(aim, agreed, pauses) or breach_at
    if course.repriced:
        breach_at = breach_instant(
            breach_at,
            course.held(which.kind, word),
            aim.start,
            lambda held: _limit(plain(held[0], pauses), held[1], pauses),
        )
    if cap is not None and cap.breach_at is not None and (breach_at is None or cap.breach_at < breach_at):
        breach_at = cap.breach_at
    if breach_at is not None:
        breach_at = max(breach_at, aim.start)
        if which.kind == "resolution" and source.startswith("severity "):
            breach_at = _once_known(case, breach_at)
    return Clock(
        kind=which.kind,
        task=task.id if task is not None else None,
        attempt=which.attempt.n if which.attempt is not None else None,
        ordinal=which.ordinal if which.ordinal is not None else len(extensions) + 1,
        start=aim.start,
        calendar=calendar,
        target=target,
        due=at,
        priority=word.priority,
        source=source if cap is None else f"{source}{CAPPED}",
        holder=(which.attempt.agent if which.attempt is not None else None) or holder_of(case, task),
        audience="customer" if task is None and case.head.spec.customer is not None else "internal",
        target_s=aim.target_s
        if calendar is aim.calendar or target is None
        else active(calendar, aim.start, target, pauses),
        limit_s=moved.limit_s if moved.moment is None and cap is None else None,
        fixed=moved.moment is not None or (cap is not None and cap.fixed),
        warn_due=warned,
        since=extensions[-1].at if extensions else None,
        original=min(limit, cap.original) if cap is not None and limit and cap.original else limit,
        approved=bool(agreed) or (cap is not None and cap.approved),
        breach_at=breach_at,
        pauses=course.pauses,
        stopped=course.stopped,
        over=course.over,
        breaches=which.records(course.breaches),
        capped=cap is not None,
        moved=max((n for n, e in enumerate(extensions, 2) if e.approved), default=1) if extensions else 1,
    )


def _limit(aim: Aim, agreed: tuple[Extension, ...], pauses: Pauses) -> datetime | None:
    """When the limit passes, with the time that was agreed before it did."""
    if not agreed:
        return aim.limit(pauses)
    return _too_late(aim, agreed, pauses) or extended(aim, agreed, pauses).limit(pauses)


def _too_late(aim: Aim, agreed: tuple[Extension, ...], pauses: Pauses) -> datetime | None:
    """The limit that had passed when more time was agreed: it stays breached [SLA-22]; None: all came in time."""
    for k, extension in enumerate(agreed):
        limit = extended(aim, agreed[:k], pauses).limit(pauses)
        if limit is not None and limit < extension.at:
            return limit
    return None


def _once_known(case: Case, at: datetime) -> datetime:
    """Not before the severity was known that promised it: the change puts it into the past [SLA-10]."""
    written = case.head.spec.severity or 9
    known = [i.faster_since or i.opened_at for i in case.head.incidents if i.severity < written]
    return max(at, min(known)) if known else at
