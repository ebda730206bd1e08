"""Clocks as they are shown: in `status`, `show`, the progress file; and why each is due then [CON-8, CON-13, SLA-20].

Counterpart: `promises/`, which makes them. What the progress file shows depends on nothing but the case.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import metadata
from operator import is_
from typing import Any

from executord.case import Task
from executord.case.casebook import Case
from executord.clocks.cadence import Segment, segments
from executord.errors import Finding
from executord.pen import dump
from executord.policy import Policy
from executord.posts.tidings import local_words, span_words
from executord.promises.instruction import next_responses, promised, resolution, response
from executord.promises.tasks import soonest_limit, task_resolution, task_response
from executord.promises.terms import unreckoned
from executord.promises.timepiece import Clock, spans
from executord.promises.updates import cadence, update_clock
from executord.values import read_target, stamp


def _stamp(at: datetime | None) -> str | None:
    return stamp(at) if at is not None else None


def face(clock: Clock, now: datetime | None) -> dict[str, Any]:
    """A clock as `status` shows it [CON-8]; without `now` as the progress file does, without what only now tells."""
    pause = clock.pausing
    if pause is not None and now is not None and pause.cap is not None and now >= pause.cap:
        pause = None
    return {
        "kind": clock.kind,
        "task": clock.task,
        "state": clock.state if now is None else clock.state_at(now),
        "start": stamp(clock.start),
        "target": _stamp(clock.target),
        "due": _stamp(clock.due),
        "stopped": _stamp(clock.stopped),
        "late_by_s": clock.late_by_s(now),
        "calendar": clock.calendar.name,
        "paused_because": pause.reason if pause is not None else None,
    }


def own_clocks(case: Case, policy: Policy) -> list[Clock]:
    """The instruction's clocks: response, the last next_response, resolution, customer_update."""
    found = [response(case, policy), *[*next_responses(case, policy, past=False)][-1:], resolution(case, policy),
             update_clock(case, policy)]  # fmt: skip
    return [c for c in found if c is not None]


def task_clocks(case: Case, task: Task, policy: Policy) -> list[Clock]:
    """The clocks of a task that was given out: its last attempt's response, and its resolution."""
    if not task.attempts or unreckoned(case.head):
        return []
    clock = task_resolution(case, task, policy)
    found = [task_response(case, task, task.attempts[-1], policy)]
    return [*found, clock] if clock is not None else found


def faces(case: Case, policy: Policy, now: datetime) -> list[dict[str, Any]]:
    """All clocks of an instruction, as they are now."""
    tasks = [clock for task in case.in_order() for clock in task_clocks(case, task, policy)]
    return [face(clock, now) for clock in (*own_clocks(case, policy), *tasks)]


def faces_text(case: Case, policy: Policy) -> bytes:
    """`clocks:` as it stands in the progress file; a task's part is made again only when the task or the limit that
    caps it has changed."""
    cap = resolution(case, policy)
    parts = [_part([face(clock, None) for clock in own_clocks(case, policy)])]
    for task in case.in_order():
        if not task.attempts:
            continue
        key = (task, cap, policy)
        kept = case.memo.get(f"faces {task.id}")
        if kept is None or not all(map(is_, kept[0], key)):
            kept = (key, _part([face(clock, None) for clock in task_clocks(case, task, policy)]))
            case.memo[f"faces {task.id}"] = kept
        if task.ended is not None:
            case.memos.pop(task.id, None)  # nobody will ask soon: of many it would be more than the tasks themselves
        parts.append(kept[1])
    text = b"".join(parts)
    return b"clocks:\n" + text if text else dump({"clocks": []})


def _part(found: list[dict[str, Any]]) -> bytes:
    return dump({"clocks": found}).removeprefix(b"clocks:\n") if found else b""


def next_update(case: Case, policy: Policy, now: datetime | None) -> dict[str, Any]:
    """When the next customer update is asked for and due; with `now` also how long it is overdue [SLA-14]."""
    found = cadence(case, policy) if case.head.closed is None else None
    shown: dict[str, Any] = {
        "ask": _stamp(found.ask) if found is not None else None,
        "due": _stamp(found.due) if found is not None else None,
    }
    if now is not None:
        late = max(int((now - found.due).total_seconds()), 0) if found is not None else None
        shown["silence_debt_s"] = late
    return shown


def slack(case: Case, policy: Policy) -> datetime | None:
    """The limit less the work still to be done: the instant at which it becomes late if nobody works on it."""
    limit = promised(case, policy)
    if limit is None or case.head.closed is not None:
        return None
    left = sum(t.spec.effort_s or 0 for t in case.tasks.values() if t.ended is None)
    return limit.at - timedelta(seconds=left)


def span(seconds: float) -> str:
    """A span for people, its two largest units: `1d 4h`, `-35m`."""
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    days, rest = divmod(int(rest), 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    parts = [f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (secs, "s")) if n]
    return sign + " ".join(parts[:2] or ["0s"])


# --- what cannot be kept ---------------------------------------------------------------------------------------------


def impossible(case: Case, policy: Policy) -> Iterator[Finding]:
    """Deadlines that cannot be kept as they are written [SLA-6]: a task's after its instruction's, or past at once."""
    head = case.head
    whole = resolution(case, policy)
    if whole is None or head.created is None:
        return
    if whole.fixed and whole.due is not None and whole.due <= head.created:
        message = f"its deadline {stamp(whole.due)} lies before it was created, {stamp(head.created)}"
        yield Finding("SLA-6", message, "write a later one", "warning", path=f"{case.id}/instruction.yaml")
    for task in case.in_order():
        own = task.spec.resolution
        if own is None or task.file is None or task.ended is not None:
            continue
        moment = read_target(own, policy.zone, day_end=whole.calendar.day_end)
        soonest = soonest_limit(case, task, policy)
        path = f"{case.id}/tasks/{task.file.folder}/{task.file.name}"
        if whole.due is not None and soonest is not None and soonest > whole.due:
            what = f"deadline {stamp(soonest)}" if isinstance(moment, datetime) else f"limit of {own}"
            message = f"{task.id}'s {what} lies after its instruction's, {stamp(whole.due)}"
            if not isinstance(moment, datetime):
                message += ", however soon it begins"
            yield Finding("SLA-6", message, "the instruction's counts", "warning", path=path)
        elif isinstance(moment, datetime) and moment <= (task.born or head.created):
            yield Finding("SLA-6", f"{task.id}'s deadline {stamp(moment)} was past when it came", "write a later one",
                          "warning", path=path)  # fmt: skip


# --- why -------------------------------------------------------------------------------------------------------------

#: Deadlines may lie in the year 9999: nobody reads, or waits for, each night and weekend until then.
LISTED = timedelta(days=400)


@lru_cache(maxsize=1)
def zone_version() -> str:
    """Which time zone data is used [SLA-3, SLA-20]."""
    try:
        return f"tzdata {metadata.version('tzdata')}"
    except metadata.PackageNotFoundError:
        return "the system's zone data"


def why_due(clock: Clock) -> tuple[str, dict[str, Any]]:
    """In words and as data: from what a clock's due time follows, in counted, closed and paused segments [SLA-20]."""
    what = clock.kind.replace("_", " ") + (f" of {clock.task}" if clock.task else "")
    if clock.due is None:
        pause = clock.pausing
        text = f"{what}: no due time while it stands still" + (f", {pause.reason}" if pause is not None else "")
    else:
        text = f"{what}: due {local_words(clock.due, clock.calendar)}, by {clock.source}, from {stamp(clock.start)}"
    if clock.approved and clock.original is not None:
        text += f"; originally {stamp(clock.original)}, moved by the customer's word"
    text += f"; {clock.state.replace('_', ' ')}"
    if clock.stopped is not None:
        text += f" at {stamp(clock.stopped)}"
    pieces: list[Segment] = []
    if clock.due is not None and clock.due - clock.start <= LISTED:
        pieces = segments(clock.calendar, clock.start, clock.due, spans(clock.pauses))
    elif clock.due is not None:
        text += f"; more than {LISTED.days} days are not told piece by piece"
    data: dict[str, Any] = {
        "clock": clock.name,
        "state": clock.state,
        "start": stamp(clock.start),
        "target": _stamp(clock.target),
        "due": _stamp(clock.due),
        "original_due": _stamp(clock.original),
        "stopped": _stamp(clock.stopped),
        "promised_by": clock.source,
        "priority": clock.priority,
        "calendar": clock.calendar.name,
        "zone": clock.calendar.zone.key,
        "zone_data": zone_version(),
        "holidays": sorted({p.note for p in pieces if p.note}),
        "pauses": [
            {"reason": p.reason, "from": stamp(p.start), "to": _stamp(p.end), "cap": _stamp(p.cap), "by": p.by or None,
             "why": p.why or None}
            for p in clock.pauses
        ],
        "segments": [_piece(p) for p in pieces],
    }  # fmt: skip
    return text, data


def _piece(piece: Segment) -> dict[str, Any]:
    return {
        "from": stamp(piece.begin),
        "to": stamp(piece.end),
        "kind": piece.kind,
        "length": span_words((piece.end - piece.begin).total_seconds()),
        "counted_s": int(piece.counted_seconds),
        "note": piece.note or None,
    }


def segment_words(data: dict[str, Any]) -> str:
    """The segments of a due time as a person reads them, one after the other."""
    return "; ".join(
        f"{p['from']} to {p['to']} {p['kind']}" + (f" ({p['note']})" if p["note"] else "") for p in data["segments"]
    )
