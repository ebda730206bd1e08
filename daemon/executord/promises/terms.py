"""What is promised to whom: whole rows of response, resolution, update, calendars, warnings and pauses (chapter 5).

Counterparts: `policy/`, which holds the rows of the configuration; `__init__.py`, which makes clocks of them. A row
of the configuration lays over the defaults of the priority; the first that matches counts, and is named. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from executord.case import Customer, Head, Repriced, Task
from executord.clocks import Calendar, next_opening
from executord.policy import Policy, matches
from executord.values import Span, read_span

#: Priority → response, resolution, customer update, calendar of the resolution.
DEFAULTS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "critical": ("15 min - 1 h", "4 h - 24 h", "48 min - 1 h", "24x7"),
    "high": ("2 h - 4 h", "24 h - 48 h", "20 h - 1 day", "24x7"),
    "medium": ("8 h - 24 h", "3 - 5 business days", "2 days - 3 days", "business"),
    "low": ("24 h - 48 h", "1 - 2 weeks", "6 days - 1 week", "business"),
}
#: Severity of an incident → response, resolution, stakeholders, calendar of the resolution.
SEVERITIES: Final[Mapping[int, tuple[str, str, str, str]]] = {
    1: ("15 min", "2 - 4 h", "30 min", "24x7"),
    2: ("1 h", "8 - 24 h", "60 min", "24x7"),
    3: ("4 h", "2 - 3 business days", "1 day", "business"),
    4: ("8 - 24 h", "1 - 2 weeks", "1 week", "business"),
}
WARN: Final = ("50%", "75%", "90%")
WAITING, ON_HOLD = "waiting_on_customer", "on_hold"
ASKED_AT: Final = 0.8  # of a cadence that names one value: when the update is asked for


@dataclass(frozen=True, slots=True)
class PauseTerm:
    """What one reason pauses [SLA-7]: `cap` in seconds, None = no cap; `ends` the type of message that ends it."""

    allowed: bool = True
    updates: bool = False
    cap: int | None = None
    ends: str | None = None


PAUSES: Final[Mapping[str, PauseTerm]] = {
    WAITING: PauseTerm(cap=7 * 86_400, ends="customer_reply"),
    ON_HOLD: PauseTerm(cap=72 * 3_600, ends="release"),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a case at a priority. `source` is the row that said so."""

    priority: str
    response: Span
    resolution: Span
    update: Span
    on_response: Calendar
    on_resolution: Calendar
    on_update: Calendar
    warn: tuple[str, ...] = WARN
    pauses: Mapping[str, PauseTerm] = field(default_factory=lambda: PAUSES)
    source: str = ""


@lru_cache(maxsize=1024)
def span_of(text: str) -> Span | None:
    """A span as it is written, None for what is none."""
    found = read_span(text)
    return found if isinstance(found, Span) else None


def terms(policy: Policy, head: Head, priority: str) -> Terms:
    """What is promised for a case at this priority; made once for each kind of case."""
    spec = head.spec
    key: tuple[Any, ...] = (priority,)
    if policy.rows:
        customer = spec.customer or Customer()
        key = (priority, customer.name, customer.segment, head.tier, spec.domain, spec.tags)
    kept: Terms | None = policy._terms.get(key)
    if kept is None:
        kept = policy._terms[key] = _made(policy, head, priority)
    return kept


def _made(policy: Policy, head: Head, priority: str) -> Terms:
    response, resolution, update, name = DEFAULTS[priority]
    calendars = {"response": "24x7", "resolution": name, "update": "24x7"}
    warn, pauses, source = WARN, dict(PAUSES), f"default for {priority}"
    for k, row in enumerate(policy.rows, 1):
        if not matches(row.get("match") or {}, head, priority):
            continue
        source = f"policies[{k}]"
        response, resolution, update = (
            str(row.get(key) or old)
            for key, old in (("response", response), ("resolution", resolution), ("update", update))
        )
        named = row.get("calendar")
        if named is not None:
            each = named if isinstance(named, Mapping) else dict.fromkeys(calendars, named)
            calendars |= {clock: name for clock, name in each.items() if name is not None}
        if row.get("warn") is not None:
            warn = tuple(row["warn"]) if isinstance(row["warn"], list | tuple) else (str(row["warn"]),)
        pauses |= {reason: _pause(reason, said) for reason, said in _said(row.get("pauses"))}
        break
    found = {clock: policy.calendars.get(name) or policy.calendar("24x7") for clock, name in calendars.items()}
    cadence = _span(update, DEFAULTS[priority][2])
    if cadence.target.business and found["update"].always:  # a working day is one of working hours
        found["update"] = policy.calendar("business")
    return Terms(
        priority,
        _span(response, DEFAULTS[priority][0]),
        _span(resolution, DEFAULTS[priority][1]),
        cadence,
        found["response"],
        found["resolution"],
        found["update"],
        warn,
        pauses,
        source,
    )


def _span(text: str, default: str) -> Span:
    found = span_of(text) or span_of(default)
    assert found is not None
    return found


def _said(pauses: Any) -> list[tuple[str, Any]]:
    if isinstance(pauses, Mapping):
        return [(reason_word(name), row) for name, row in pauses.items()]
    return [(reason_word(name), True) for name in pauses or ()]


def _pause(reason: str, row: Any) -> PauseTerm:
    old = PAUSES.get(reason, PauseTerm())
    if isinstance(row, bool) or row is None:
        return PauseTerm(row is not False, old.updates, old.cap, old.ends)
    cap = span_of(str(row["cap"])) if row.get("cap") is not None else None
    return PauseTerm(
        bool(row.get("allowed", True)),
        bool(row.get("pause_updates", old.updates)),
        (cap.limit or cap.target).of() if cap is not None else old.cap,
        reason_word(row["ends"]) if row.get("ends") else old.ends,
    )


def reason_word(text: Any) -> str:
    """A pause's reason as reasons are compared."""
    return str(text).strip().lower().replace("-", "_").replace(" ", "_")


# --- severity, priority, people --------------------------------------------------------------------------------------


def severity_of(head: Head, clock: str = "response") -> int | None:
    """The severity of the instruction as an incident; the second axis.

    An incident that was opened on the way counts for what is still to be resolved, not for how soon was answered.
    """
    found = [i.severity for i in head.incidents] if clock == "resolution" else []
    return min((s for s in (head.spec.severity, *found) if s is not None), default=None)


def severity_terms(policy: Policy, severity: int, clock: str) -> tuple[Span, Calendar]:
    """Target, limit and calendar that a severity promises for `response` or `resolution`."""
    response, resolution, _, calendar = SEVERITIES[severity]
    text, name = (response, "24x7") if clock == "response" else (resolution, calendar)
    span = span_of(text)
    assert span is not None
    return span, policy.calendar(name)


def priority_at(now: str, repriced: tuple[Any, ...], at: datetime | None) -> str:
    """The priority that held at an instant: changes that came by message after it do not count [SLA-10]."""
    if at is not None:
        for change in repriced:
            if change.at > at and not change.own:
                return str(change.was)
    return now


def own_at(word: str, now: Any, repriced: tuple[Repriced, ...], at: datetime | None) -> Any:
    """What a file promised of this word at an instant: an edit after it does not count [SLA-10]."""
    if at is not None:
        for change in repriced:
            if change.at > at and word in (own := dict(change.own)):
                return own[word]
    return now


def changes_of(word: str, repriced: tuple[Repriced, ...]) -> tuple[Repriced, ...]:
    """The changes that a clock of this word follows, in their order: of the priority, and of what its file promises."""
    found = (c for c in repriced if not c.own or word in dict(c.own))
    return tuple(sorted(found, key=lambda c: c.at)) if repriced else repriced


def of_priority(repriced: tuple[Repriced, ...]) -> tuple[Repriced, ...]:
    """Those of them that changed the priority."""
    return tuple(c for c in repriced if not c.own) if repriced else repriced


def priority_of(head: Head, task: Task | None) -> str:
    """The priority of a task, or of the instruction, as it stands."""
    return (task.field("priority") if task is not None else None) or head.priority_now


def hours_of(policy: Policy, agent: str) -> Calendar | None:
    """When somebody works; None: at any hour."""
    row = policy.roster.get(agent)
    return row.hours if row is not None else None


def at_work(policy: Policy, agent: str, at: datetime) -> datetime:
    """The instant, or the agent's next opening after it."""
    hours = hours_of(policy, agent)
    return at if hours is None else next_opening(hours, at) or at


def unreckoned(head: Head) -> bool:
    """Whether nothing can be reckoned: it is not opened, or nobody knows what was promised to whom. What falls due
    meanwhile is written when it is back, each at its instant [SLA-12, MEM-25]."""
    return head.created is None or "instruction" in head.lacks
