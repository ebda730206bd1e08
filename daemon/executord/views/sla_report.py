"""How promises were kept: `sla report`, and what a digest carries of it [SLA-19, CON-9].

Made from cases alone: each clock counts at one instant, that of its breach or of its end, so a period gives the same
numbers whenever it is worked out. Counterparts: `promises/`, the clocks; `service/` and `cli/`, who ask.

What counts where
- `met`, `approved_extension`: a response, next response or resolution clock that ended so in the period.
- `deferred_or_cancelled`: one that ended because its task or instruction was, with the limit not passed.
- `breached`: a breach whose instant lies in the period, once, whatever became of the clock; a late customer update too.
- `updates`: customer updates by the instant from which they count; on time = not after their due time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from executord.case import Breach, Paused
from executord.case.casebook import Case
from executord.policy import Policy
from executord.posts.tidings import quarter
from executord.promises import clocks_of, wrongful
from executord.promises.making import CAPPED, NOBODY
from executord.promises.timepiece import Clock
from executord.promises.updates import cadence
from executord.rules.updates import chain
from executord.values import stamp

By = Literal["agent", "priority", "customer", "policy"]
BY: tuple[By, ...] = ("agent", "priority", "customer", "policy")
ENDING = ("response", "next_response", "resolution")
PERCENTILES = (50, 90, 99)


@dataclass(slots=True)
class Group:
    """The numbers of one group."""

    met: int = 0
    approved_extension: int = 0
    breached: int = 0
    over: int = 0
    shares: list[float] = field(default_factory=list)
    paused: dict[str, int] = field(default_factory=dict)
    updates: int = 0
    on_time: int = 0

    def plain(self, key: str | None) -> dict[str, Any]:
        """As the contract shows it."""
        shares = sorted(self.shares)
        return {
            "key": key,
            "met": self.met,
            "approved_extension": self.approved_extension,
            "breached": self.breached,
            "deferred_or_cancelled": self.over,
            "elapsed_of_target": {f"p{p}": percentile(shares, p) for p in PERCENTILES},
            "paused_s": dict(sorted(self.paused.items())),
            "updates": {"sent": self.updates, "on_time": self.on_time},
        }


def percentile(values: list[float], p: int) -> float | None:
    """The smallest of the sorted values that at least p % of them do not exceed (nearest rank); None of none."""
    if not values:
        return None
    rank = -(-len(values) * p // 100)
    return round(values[max(rank, 1) - 1], 4)


class Tally:
    """The report of a period, case by case: so that nobody has to wait for all of them at once."""

    def __init__(
        self, policy: Policy, at: datetime, *, begin: datetime | None = None, end: datetime | None = None,
        by: By | None = None,
    ) -> None:  # fmt: skip
        """The period is [begin, end); without a begin from ever, without an end up to `at`."""
        self._policy, self._at, self._begin, self._end, self._by = policy, at, begin, end, by
        self._groups: dict[str | None, Group] = {}
        self._breaches: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._wrongful: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def _within(self, at: datetime | None) -> bool:
        if at is None or at > self._at:
            return False
        return (self._begin is None or at >= self._begin) and (self._end is None or at < self._end)

    def _group(self, case: Case, agent: str, priority: str, policy: str) -> Group:
        match self._by:
            case None:
                key = None
            case "agent":
                key = agent
            case "priority":
                key = priority
            case "customer":
                customer = case.head.spec.customer
                key = customer.name or None if customer is not None else None
            case _:
                key = policy.removesuffix(CAPPED)
        return self._groups.setdefault(key, Group())

    def add(self, case: Case) -> None:
        """Count one case."""
        head = case.head
        if head.opened_at is None:
            return
        clocks = [c for c in clocks_of(case, self._policy, past=True) if c.kind in ENDING]
        seen: set[tuple[str, datetime, str]] = set()
        for clock in clocks:
            self._clock(case, clock, seen)
        for task_id, breach in _breaches(case):
            self._breach(case, task_id, breach, clocks)
        for update in head.sent_updates:
            if self._within(update.counts_at) and update.counts_at is not None:
                last = cadence(case, self._policy)
                source = last.source if last is not None else "update"
                group = self._group(case, head.liaison, head.priority_now, source)
                group.updates += 1
                group.on_time += update.due is None or update.counts_at <= update.due
        for task_id, pause, since in wrongful(case):
            if self._within(since):
                row = {
                    "instruction_id": case.id, "task": task_id, "reason": pause.reason, "from": stamp(since),
                    "to": stamp(end) if (end := _end(pause)) is not None else None,
                }  # fmt: skip
                self._wrongful.append(((since, case.id, task_id or ""), row))

    def _clock(self, case: Case, clock: Clock, seen: set[tuple[str, datetime, str]]) -> None:
        group = self._group(case, agent_of(case, clock), clock.priority, clock.source)
        at = self._stopped(clock)
        if at is not None and clock.over is None and self._within(at):
            share = _share(clock, at)
            if share is not None:
                group.shares.append(share)
        broken = clock.breaches[0].due if clock.breaches else clock.breach_at
        if clock.breaches or (broken is not None and (at or self._until) > broken):
            if not self._within(broken):
                return
            if not clock.breaches and broken is not None:  # it is not noted yet: the daemon is down
                self._row(case, clock, broken, at, group)
        elif not self._within(at):
            return
        elif clock.over is not None:
            group.over += 1
        elif clock.approved and clock.original is not None and at is not None and at > clock.original:
            group.approved_extension += 1
        else:
            group.met += 1
        for pause in clock.pauses:
            self._pause(pause, clock, at, seen, group)

    @property
    def _until(self) -> datetime:
        """Up to when this report looks: what comes later does not change it."""
        return min(self._at, self._end) if self._end is not None else self._at

    def _stopped(self, clock: Clock) -> datetime | None:
        """When a clock ended as it stood at the end of the period; what was opened again since had ended then."""
        for pause in clock.pauses:
            if (
                pause.source == "ended"
                and pause.start < self._until
                and (pause.end is None or pause.end >= self._until)
            ):
                return pause.start
        return clock.stopped if clock.stopped is not None and clock.stopped <= self._until else None

    def _pause(
        self, pause: Paused, clock: Clock, stopped: datetime | None, seen: set[tuple[str, datetime, str]], group: Group
    ) -> None:
        """A pause that holds up a task's clock and its instruction's is one."""
        key = (pause.source, pause.start, pause.reason)
        end = min(t for t in (_end(pause), stopped, self._until) if t is not None)
        seconds = int((end - max(pause.start, clock.start)).total_seconds())
        if key not in seen and seconds > 0:
            seen.add(key)
            group.paused[pause.reason] = group.paused.get(pause.reason, 0) + seconds

    def _breach(self, case: Case, task_id: str | None, breach: Breach, clocks: list[Clock]) -> None:
        if not self._within(breach.due):
            return
        clock = next((c for c in clocks if c.task == task_id and _same_clock(c, breach.clock)), None)
        kind = breach.clock.split("#")[0].split(" ")[0]
        head = case.head
        if clock is not None:
            group = self._group(case, agent_of(case, clock), clock.priority, clock.source)
        else:
            last = cadence(case, self._policy)
            source = last.source if last is not None else kind
            group = self._group(case, head.liaison, head.priority_now, source)
        group.breached += 1
        row = {
            "instruction_id": case.id,
            "task": task_id,
            "kind": kind,
            "due": stamp(breach.due),
            "detected_at": stamp(breach.detected_at),
            "late_by_s": breach.late_by_s,
            "cause": breach.cause,
            "told": list(breach.told),
            "ended_at": stamp(ended) if (ended := self._ended(case, clock, breach)) is not None else None,
        }
        self._breaches.append(((breach.due, case.id, task_id or "", kind), row))

    def _row(self, case: Case, clock: Clock, due: datetime, stopped: datetime | None, group: Group) -> None:
        group.breached += 1
        row: dict[str, Any] = {
            "instruction_id": case.id,
            "task": clock.task,
            "kind": clock.kind,
            "due": stamp(due),
            "detected_at": None,
            "late_by_s": int(((stopped or self._until) - due).total_seconds()),
            "cause": None,
            "told": [],
            "ended_at": stamp(stopped) if stopped is not None else None,
        }
        self._breaches.append(((due, case.id, clock.task or "", clock.kind), row))

    def _ended(self, case: Case, clock: Clock | None, breach: Breach) -> datetime | None:
        """When the clock of a breach ended; a late update ends its own."""
        if clock is not None:
            return self._stopped(clock)
        counts = (u.counts_at for u in case.head.sent_updates if u.counts_at is not None)
        end = min((at for at in counts if at >= breach.due), default=None)
        return end if end is not None and end <= self._until else None

    def result(self) -> dict[str, Any]:
        """The report, in the shape of the contract, without `schema_version`."""
        if self._by is None:
            self._groups.setdefault(None, Group())
        groups = sorted(self._groups.items(), key=lambda pair: (pair[0] is None, pair[0] or ""))
        return {
            "at": stamp(self._at),
            "from": stamp(self._begin) if self._begin is not None else None,
            "to": stamp(self._end) if self._end is not None else None,
            "by": self._by,
            "groups": [group.plain(key) for key, group in groups],
            "breaches": [row for _, row in sorted(self._breaches, key=lambda pair: pair[0])],
            "wrongful_pauses": [row for _, row in sorted(self._wrongful, key=lambda pair: pair[0])],
        }


def sla_report(cases: Iterable[Case], policy: Policy, at: datetime, **period: Any) -> dict[str, Any]:
    """The report of these cases."""
    tally = Tally(policy, at, **period)
    for case in cases:
        tally.add(case)
    return tally.result()


def silent(report: Mapping[str, Any]) -> bool:
    """Whether a report of one group says nothing."""
    if report["breaches"] or report["wrongful_pauses"]:
        return False
    return all(
        not (g["met"] or g["approved_extension"] or g["breached"] or g["deferred_or_cancelled"] or g["updates"]["sent"])
        for g in report["groups"]
    )


def unanswered(case: Case, policy: Policy, at: datetime) -> list[dict[str, Any]]:
    """What nobody has answered, up to the last one who could be asked: it is said here and in `status` only [EXE-29].

    An update that the customer still waits for when everybody has been told is one too.
    """
    found: list[dict[str, Any]] = [
        {"instruction_id": case.id, "task": task, "kind": ask.about, "since": stamp(ask.first or ask.at)}
        for task, ask in case.asks() if ask.over
    ]  # fmt: skip
    waiting = cadence(case, policy)
    if waiting is not None and case.head.closed is None and case.head.parked is None:
        levels = chain(case, policy, waiting)
        if at >= waiting.due + quarter(waiting) * len(levels):
            row = {"instruction_id": case.id, "task": None, "kind": "customer_update", "since": stamp(waiting.due)}
            found.append(row)
    return found


def agent_of(case: Case, clock: Clock) -> str:
    """Whose clock it is: of a task who held it last, of the instruction its liaison."""
    if clock.task is None:
        return case.head.liaison if case.head.spec.customer is not None else NOBODY
    task = case.tasks[clock.task]
    if clock.attempt is not None:
        return next((a.agent for a in task.attempts if a.n == clock.attempt), clock.holder)
    done = next((a for a in reversed(task.attempts) if a.state == "done"), None)
    return (done or task.attempts[-1]).agent if task.attempts else clock.holder


def _share(clock: Clock, at: datetime) -> float | None:
    """How much of what was aimed at was used."""
    if clock.target_s is not None:
        return clock.elapsed_s(at) / clock.target_s if clock.target_s > 0 else None
    if clock.target is None or clock.target <= clock.start:
        return None
    return (at - clock.start) / (clock.target - clock.start)


def _breaches(case: Case) -> Iterable[tuple[str | None, Breach]]:
    yield from ((None, breach) for breach in case.head.breaches)
    for task in case.in_order():
        yield from ((task.id, breach) for breach in task.breaches)


def _same_clock(clock: Clock, key: str) -> bool:
    """Whether a breach's key is one of this clock's, of whatever generation."""
    if clock.kind == "next_response":
        return clock.key == key
    return clock.key.split("#")[0] == key.split("#")[0]


def _end(pause: Paused) -> datetime | None:
    return min((t for t in (pause.end, pause.cap) if t is not None), default=None)
