"""The five contents of a customer update, however they are written [SLA-15]. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from executord.case.casebook import Case
from executord.clocks import Calendar
from executord.clocks.cadence import cadence_due
from executord.policy import Policy
from executord.promises.terms import terms
from executord.promises.updates import cadence
from executord.reading import find, text_of
from executord.reading.keys import plain_key, plain_keys
from executord.scalars import placeholder
from executord.values import Span, read_moment, read_span, stamp

UPDATE_CONTENTS = ("status", "next_steps", "blockers", "expect_next", "contact")
PROMISE = ("next_update_at", "next_update")
#: Content → the keys and headings under which it is found.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "status": ("status", "current_status", "progress", "status_and_progress", "current_state"),
    "next_steps": ("next_steps", "next_step", "timeline", "next_steps_and_timeline", "plan"),
    "blockers": ("blockers", "blocker", "delays", "blockers_or_delays", "blockers_and_delays", "issues"),
    "expect_next": ("expect_next", "what_to_expect", "what_to_expect_next", "what_you_can_expect", "expectations",
                    "what_the_customer_can_expect", "what_the_customer_can_expect_next", "what_you_can_expect_next",
                    "what_next", "what_happens_next"),
    "contact": ("contact", "contact_for_questions", "questions", "contact_information", "contacts"),
}  # fmt: skip


def _key(text: Any) -> str:
    return str(text).strip().lower().replace("-", "_").replace(" ", "_")


def update_contents(body: Mapping[str, Any], type_words: frozenset[str] = frozenset()) -> dict[str, str]:
    """The contents found, by key or by headed sections of its text.

    `type_words`: `status: completed` names a message's type, not what the customer reads.
    """
    lowered = {plain_key(str(k)): v for k, v in body.items()}
    inner = next(
        (v for k in ("update", "contents", "customer_update") if isinstance(v := lowered.get(k), Mapping)), None
    )
    if inner is not None:
        lowered.update({plain_key(str(k)): v for k, v in inner.items()})
    found: dict[str, str] = {}
    for content, words in SPELLINGS.items():
        for name in words:
            text = text_of(lowered.get(name))
            if _said(text) and not (name == "status" and _key(text) in type_words):
                found[content] = text
                break
    texts = (lowered.get(k) for k in ("text", "message", "body", "content", "update"))
    text = next((t for v in texts if not isinstance(v, Mapping) and (t := text_of(v))), "")
    for content, section in _sections(text).items():
        if _said(section):
            found.setdefault(content, section)
    return found


def _said(text: str) -> bool:
    """Whether a customer could read it: an unfilled template is no content [MEM-10]."""
    return bool(text) and placeholder(text, required=True) is None


def missing_contents(body: Mapping[str, Any], type_words: frozenset[str] = frozenset()) -> list[str]:
    """Which of the five contents are missing."""
    have = update_contents(body, type_words)
    return [c for c in UPDATE_CONTENTS if c not in have]


def promise_of(body: Mapping[str, Any]) -> Any:
    """What the update says of when the next one comes, as it is written; None where it says nothing [SLA-13]."""
    inner = next((v for k in ("update", "contents", "customer_update") if isinstance(v := body.get(k), Mapping)), {})
    return next((v for source in (body, inner) if (v := find(plain_keys(source), PROMISE).value) is not None), None)


def update_facts(case: Case, body: Mapping[str, Any], at: datetime, policy: Policy) -> dict[str, Any]:
    """What the journal keeps of an update sent at `at` for its clocks: the promise in it, and when it was overdue."""
    found = cadence(case, policy)
    promised = _promised(promise_of(body), at, terms(policy, case.head, case.head.priority_now).on_update, policy.zone)
    return {
        "promised": stamp(promised) if promised is not None else None,
        "overdue_at": stamp(found.breached_at) if found is not None else None,
        "round": found.number if found is not None else None,
    }


def _promised(said: Any, at: datetime, calendar: Calendar, zone: tzinfo) -> datetime | None:
    """When the next update comes: a moment, or a span from this one on, counted as the customer counts it [SLA-21]."""
    moment = read_moment(said, zone, bare="end")
    span = read_span(said) if moment is None else None
    return cadence_due(calendar, at, span.limit or span.target) if isinstance(span, Span) else moment


def _sections(text: str) -> dict[str, str]:
    sections: dict[str, list[str]] = {}
    current: str | None = None
    for line in text.splitlines():
        bare = line.strip().lstrip("#*-0123456789.) ").replace("**", "")
        head, colon, rest = bare.partition(":")
        title = _key(head)
        hit = next(
            (c for c, words in SPELLINGS.items() if any(title == w or title.startswith(w + "_") for w in words)), None
        )
        if hit is not None and (colon or line.lstrip().startswith(("#", "**"))):
            current = hit
            sections.setdefault(hit, [])
            if rest.strip():
                sections[hit].append(rest.strip())
        elif current is not None and line.strip():
            sections[current].append(line.strip())
    return {c: "\n".join(lines) for c, lines in sections.items() if lines}
