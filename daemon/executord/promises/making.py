"""What the clocks of instructions and of tasks have in common: how one is made, kept, and who is warned of it.

Counterparts: `instruction.py`, `updates.py`, `tasks.py`, which say what each is made of. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from operator import is_
from typing import Any, Final

from executord.case import Breach, Extension, Paused, Repriced, Task
from executord.case.casebook import Case
from executord.clocks import Pauses, active
from executord.policy import Policy
from executord.promises.aims import Aim, breach_instant, extended, since_last_change
from executord.promises.timepiece import Clock

CAPPED: Final = ", which caps the task's own"  # of a limit that is the instruction's: behind where that comes from
NOBODY = "support-manager"  # who is warned where nobody holds it, and where there is no customer


def kept(case: Case, name: str, key: tuple[Any, ...], make: Any) -> Any:
    """What was made from the same facts before is what it is now."""
    found = case.memo.get(name)
    if found is not None and found[0] == key:
        return found[1]
    value = make()
    case.memo[name] = (key, value)
    return value


def unmoved(case: Case, name: str, facts: tuple[Any, ...]) -> Any:
    """What is kept under this name if these very values made it, else None: no more than a glance for each.

    Behind it stands `kept`, which knows of other values that say the same.
    """
    found = case.memo.get(name)
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


def clock_of(
    case: Case,
    policy: Policy,
    plain: Any,
    priority: str,
    kind: str,
    task: Task | None,
    spans_: Pauses,
    *,
    attempt: int | None = None,
    ordinal: int | None = None,
    pauses: tuple[Paused, ...] = (),
    stopped: datetime | None = None,
    extensions: tuple[Extension, ...] = (),
    repriced: tuple[Repriced, ...] = (),
    breaches: tuple[Breach, ...] = (),
    over: str | None = None,
    cap: Clock | None = None,
    follows: bool = False,
    holder: str | None = None,
) -> Clock:
    """A clock of what `plain(priority)` promises, moved by extensions and capped by the instruction's."""
    counted = [c for c in repriced if stopped is None or c.at <= stopped]
    aim: Aim = plain(priority)
    valid = since_last_change(extensions, tuple(counted))
    agreed = tuple(e for e in valid if e.approved)
    limit = aim.limit(spans_)
    moved = extended(aim, agreed, spans_) if agreed else aim
    at = moved.limit(spans_) if agreed else limit
    warned = extended(aim, valid, spans_).limit(spans_) if len(agreed) != len(valid) else at
    target = aim.target(spans_)
    capped = cap is not None and (follows or (cap.due is not None and (at is None or cap.due <= at)))
    if capped:
        assert cap is not None
        at, warned = cap.due, cap.warn_due if follows or warned is None else min(warned, cap.warn_due or warned)
    # The time up to a limit is counted on the calendar that the limit is of.
    calendar = cap.calendar if capped and cap is not None else aim.calendar
    single = aim.moment is None and aim.target_s == aim.limit_s
    if at is not None and target is not None and (target > at or (single and extensions)):
        target = at

    def limit_at(was: str) -> datetime | None:
        other: datetime | None = plain(was).limit(spans_)
        return other

    begun = limit_at if repriced else None
    prefix = f"{kind}{f' a{attempt}' if attempt else ''}#"
    mine = tuple(b for b in breaches if b.clock.startswith(prefix)) if breaches else ()
    if ordinal is not None:
        mine = tuple(b for b in mine if b.clock == f"{prefix}{ordinal}")
    breach_at = breach_instant(at, repriced, aim.start, begun, stopped) if repriced else at
    if breach_at is not None and breach_at < aim.start:
        breach_at = aim.start
    promised_by = cap.source if capped and cap is not None else moved.source
    if breach_at is not None and kind == "resolution" and promised_by.startswith("severity "):
        written = case.head.spec.severity or 9
        known = [i.faster_since or i.opened_at for i in case.head.incidents if i.severity < written]
        breach_at = max(breach_at, min(known)) if known else breach_at  # the change puts it into the past [SLA-10]
    return Clock(
        kind=kind,
        task=task.id if task is not None else None,
        attempt=attempt,
        ordinal=ordinal if ordinal is not None else len(extensions) + 1,
        start=aim.start,
        calendar=calendar,
        target=target,
        due=at,
        priority=priority,
        source=f"{promised_by}{CAPPED}" if capped else promised_by,
        holder=holder or holder_of(case, task),
        audience="customer" if task is None and case.head.spec.customer is not None else "internal",
        target_s=aim.target_s
        if calendar is aim.calendar or target is None
        else active(calendar, aim.start, target, spans_),
        limit_s=moved.limit_s if moved.moment is None and not capped else None,
        fixed=moved.moment is not None or (capped and cap is not None and cap.fixed),
        warn_due=warned,
        since=extensions[-1].at if extensions else None,
        original=min(limit, cap.original) if capped and cap and limit and cap.original else limit,
        approved=bool(agreed) or bool(capped and cap is not None and cap.approved),
        breach_at=breach_at,
        pauses=pauses,
        stopped=stopped,
        over=over,
        breaches=mine,
        capped=bool(capped),
        moved=max((n for n, e in enumerate(extensions, 2) if e.approved), default=1),
    )
