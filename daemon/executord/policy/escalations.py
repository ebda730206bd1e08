"""Who is asked what, after how long, and who next: one table, extended by configuration [EXE-19].

Counterparts: `__init__.py`, which holds the table; `rules/asks.py`, which climbs by it. A row says: on this (a kind of
blocker, a topic, a missing answer), of this agent, in these cases: wait so long, then ask these, level by level. The
rows of the configuration come first, then the built-in ones; the first that fits counts. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from executord.values import Span, agent_name, read_span

LEVELS = 4  # people are asked at so many levels, then hitl [EXE-18]


@dataclass(frozen=True, slots=True)
class Escalation:
    """One row. `on` any of these; `who` whose trouble it is, None = anybody's; `after` in seconds, None = not said."""

    on: frozenset[str]
    to: tuple[str, ...]
    after: timedelta | None = None
    who: str | None = None
    match: Mapping[str, Any] = field(default_factory=dict)
    given: bool = False  # by the configuration


def _on(words: str, *to: str) -> Escalation:
    return Escalation(frozenset(words.split()), to)


#: The routes of the spec; each goes on to the manager of the last one named, at the end to `hitl`.
BUILT_IN: tuple[Escalation, ...] = (
    # blockers [EXE-17]; the liaison, and who is named in the message, come before these
    _on("technical_dependency", "technical-support-engineer"),
    _on("resource_constraint", "support-manager"),
    _on("scope_ambiguity", "planner", "orchestrator"),
    # what is put to the executor [EXE-19]: the topic of an escalation, of a consultation, a review
    _on("scope", "orchestrator"),
    _on("major_incident tier_4", "vp-customer-support"),
    _on("critical_decision", "hitl"),
    _on("critical", "escalation-manager"),
    _on("customer_relations", "customer-success-manager"),
    _on("resources", "support-manager"),
    _on("review_request", "support-quality-analyst"),
    _on("escalation consultation attempts_used", "support-manager"),
)


def word_of(text: Any) -> str:
    """A word as rows are compared by it."""
    return str(text).strip().lower().replace("-", "_").replace(" ", "_")


def read_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[Escalation, ...]:
    """The rows of a configuration, in their order."""
    return tuple(
        Escalation(
            on=frozenset(word_of(w) for w in _several(row.get("on"))),
            to=tuple(dict.fromkeys(agent_name(str(n)) for n in _several(row.get("to")))),
            after=_gap(row.get("after")),
            who=agent_name(str(row["who"])) if row.get("who") else None,
            match=row.get("match") or {},
            given=True,
        )
        for row in rows
    )


def _several(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)


def _gap(value: Any) -> timedelta | None:
    found = read_span(value) if value is not None else None
    return timedelta(seconds=found.target.of()) if isinstance(found, Span) else None


def levels(chain: Iterable[str]) -> tuple[str, ...]:
    """Whom a chain asks, level by level: each once, at most four, then `hitl` [EXE-18]."""
    names = tuple(dict.fromkeys(n for n in chain if n))
    if "hitl" in names[:LEVELS]:
        return names[: names.index("hitl") + 1]
    return (*names[:LEVELS], "hitl")
