"""What an executive is told of a tier 4 instruction, as it happens [EXE-7].

Counterpart: `rules/executive.py`, when he is told. Pure: `heard` reads nothing but the journal's line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.case import News, Owed
from executord.case.casebook import Case
from executord.evolve import replace

Entry = Mapping[str, Any]


def heard(case: Case, entry: Entry, at: datetime) -> None:
    """A line of a tier 4 instruction was noted: is it news, and does the cadence have anything to say."""
    head = case.head
    if head.tier != 4 or head.opened_at is None:
        return
    verb = entry["name"].split(" ", 1)[0]
    if verb == "executive-update":
        case.set_head(replace(head, executives=head.executives + 1, executive_at=at, news=(), stirred=False))
        return
    text, by = _news(case, entry, verb)
    if text is None:
        if not head.stirred:
            case.set_head(replace(head, stirred=True))
        return
    head = replace(head, news=(*head.news, News(at, text)), stirred=True)
    if by is not None:
        k = head.pivots + 1
        text = f"re-planned: {text}"
        told = Owed(
            f"notice {case.id} #{k} re-planned", "notice", at, {"to": "planner", "text": text, "kind": "notice"}
        )
        head = replace(head, pivots=k, owed=(*head.owed, told) if by != "planner" else head.owed)
    case.set_head(head)


def _news(case: Case, entry: Entry, verb: str) -> tuple[str | None, str | None]:
    """What is told of this line, and, where it changes the plan, by whom it was changed."""
    facts = entry.get("facts") or {}
    task = entry.get("task")
    if verb == "open":
        return "the instruction is started", None
    if verb == "replan":
        return "the plan has changed", "planner"
    if verb == "checkpoint":
        return f"checkpoint {facts.get('checkpoint')} is reached", None
    if verb == "hand":
        return f"it was handed off to the validator, cycle {facts.get('cycle')}", None
    if verb == "incident" and "opens_incident" in facts:
        return f"incident {facts['opens_incident']}, severity {facts['severity']}, was opened", None
    if entry.get("type") == "escalation":
        return f"escalated to {entry['to']}: {entry.get('why') or task or case.id}", None
    if verb == "admit" and case.head.executives and facts.get("folder") == "pending":
        return f"{task} was added", "somebody"
    if verb == "delete":
        return f"{task} was cancelled: its file was deleted", "operator"
    if verb == "file" and facts.get("outcome") == "taken":
        return _decided(facts, task or "the instruction"), facts.get("from")
    return None, None


def _decided(facts: Mapping[str, Any], what: str) -> str | None:
    """A change of plan by somebody's word: what changed, by whom, why."""
    reason = f": {facts['reason']}" if facts.get("reason") else ""
    by = f"by {facts.get('from')}{reason}"
    match facts.get("order") or facts.get("type"):
        case "priority_change":
            return f"the priority of {what} is {facts.get('priority')} now, {by}"
        case "reassign":
            return f"{what} is given to {facts.get('to') or 'somebody else'}, {by}"
        case "cancel":
            return f"{what} is cancelled, {by}"
        case "defer":
            return f"{what} is deferred, {by}"
        case "retry":
            return f"{what} is tried again, {by}"
        case "hold":
            return f"{what} is on hold, {by}"
        case _:
            return None
