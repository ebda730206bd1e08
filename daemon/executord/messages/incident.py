"""What is said in a critical incident: that there is one, what is done, what stakeholders are told, that it is over.

Counterparts: `meaning/incidents.py`, what it changes; `rules/incident.py`, what follows from it [INC-1, INC-4 … INC-7].
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from executord.case import Letter, Task
from executord.case.casebook import Case
from executord.errors import Finding
from executord.letters import answered_by, note_of, scalar
from executord.meaning.incidents import (
    begin,
    close,
    current,
    open_facts,
    over,
    papers_in,
    raised,
    resolved,
    severity_for,
    updated,
)
from executord.messages.base import Incoming, Taken
from executord.messages.papers import papers_of, unfit_paper
from executord.policy import Policy
from executord.reading import find
from executord.values import priority, severity

ROLE_LETTER = "incident_role"  # the type of the message by which somebody is asked to take a role
_SAID = ("action", "status", "summary", "update", "what", "note", "message", "text", "description", "reason", "title")


def said_in(body: Mapping[str, Any]) -> str:
    """What a message says, in a sentence for the timeline."""
    return note_of(body, *_SAID) or ""


def role_gone(case: Case, letter: Letter) -> Finding | None:
    """A refusal of who acknowledges a role that somebody else has acknowledged: two would think that they have it."""
    incident = current(case)
    named = scalar(letter.body.get("in_reply_to"))
    if incident is None or incident.status != "open" or named is None or answered_by(letter, case, letter.type).ask:
        return None
    if not named.startswith(f"{case.id}.{ROLE_LETTER}"):
        return None
    others = {
        role: has.agent
        for role, has in incident.roles.items()
        if letter.sender in incident.asked_for(role) and has.acknowledged_at is not None
    }
    if not others or letter.sender in others.values():
        return None
    has = " and ".join(f"{agent} is {role.replace('_', ' ')}" for role, agent in others.items())
    return Finding("INC-3", f"{has} of {incident.id}, and has acknowledged it", "nothing needs to be done")


class IncidentMessage(Incoming):
    """There is a critical incident: the war room is opened."""

    type = "incident"
    aliases = ("incident_report", "major_incident")
    senders = ("authority", "critical")
    about = "either"
    own_task = True
    reads = ("severity", "customers", "affected_customers", "incident_id", "description")
    example: ClassVar[Mapping[str, Any]] = {"severity": 1, "description": "every third checkout of the EU fails"}

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        body = letter.body
        given = find(body, ("severity", "sev")).value
        told = severity(given) if given is not None else None
        if told is None and given is not None and priority(given) is not None:
            told = severity_for(case, None, priority(given))
        if told is None and given is not None:  # it says one, and nobody can tell which: the higher [INC-1]
            told = min(severity_for(case, None), severity_for(case, None, case.head.priority_now))
        reason = said_in(body)
        open_now = current(case)
        if open_now is not None and not over(open_now):
            raised_to = f"; severity {told}, before {open_now.severity}" if told and told < open_now.severity else ""
            return {"severity": told, "said": (reason or "reported once more") + raised_to}
        named = find(body, ("customers", "affected_customers")).value
        customers = tuple(str(c) for c in named) if isinstance(named, list) else ((str(named),) if named else ())
        by_task = task.field("priority") if task is not None else None
        facts = open_facts(case, severity_for(case, told, by_task), reason, customers, scalar(body.get("incident_id")))
        return {**facts, "said": reason or "an incident"}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if "opens_incident" in taken.facts:
            before = current(case)
            if before is not None:  # it was over, and no line has said so yet
                close(case, before)
            begin(case, taken.facts, taken.at, taken.sender)
            return
        incident = current(case)
        if incident is not None:
            raised(case, incident, taken.facts.get("severity"), taken.at)


class _Within(Incoming):
    """What the team of an incident says."""

    senders = ("team", "authority", "addressee")
    about = "instruction"

    @classmethod
    def begins(cls, case: Case) -> datetime | None:
        incident = current(case)
        return incident.open_since if incident is not None else None

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        incident = current(case)
        if incident is None or over(incident):
            return Finding("INC-7", f"{case.id} has no incident that is not closed", "send incident to open one")
        named = scalar(letter.body.get("incident_id"))
        if named is not None and named != incident.id:
            return Finding("INC-7", f"{named!r} is not the open incident of {case.id}", f"it is {incident.id}")
        return None

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        return {"said": said_in(letter.body) or cls.type.replace("_", " ")}


class IncidentUpdate(_Within):
    """The stakeholders were told; it may bring the retrospective and the prevention plan."""

    type = "incident_update"
    aliases = ("stakeholder_update",)
    example: ClassVar[Mapping[str, Any]] = {"status": "the cause is found; the repair is tested until 10:30 UTC"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        return super().refuse(case, task, letter, policy) or unfit_paper(letter)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        papers = papers_of(letter)
        said = said_in(letter.body) or ("brings " + " and ".join(papers).replace("_", " ") if papers else "an update")
        return {"said": said, **papers}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        incident = current(case)
        if incident is None:
            return
        if incident.status == "open":
            updated(case, incident, taken.at)
        incident = current(case) or incident
        papers_in(case, incident, taken.facts, taken.at, taken.path, taken.sender)


class IncidentAction(_Within):
    """Something that the team does: an entry of the timeline."""

    type = "incident_action"
    aliases = ("incident_log",)
    needs = (_SAID,)
    example: ClassVar[Mapping[str, Any]] = {"action": "raised the connection limit to 200"}


class IncidentResolved(_Within):
    """The incident is over."""

    type = "incident_resolved"
    aliases = ("incident_closed", "incident_resolution")
    example: ClassVar[Mapping[str, Any]] = {"summary": "20 test orders in a row succeed"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        incident = current(case)
        if incident is not None and incident.status == "resolved":
            return Finding(
                "INC-6", f"{incident.id} is resolved already, by {incident.resolved_by}", "send its retrospective"
            )
        return super().refuse(case, task, letter, policy)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        return {"said": said_in(letter.body) or "resolved", **papers_of(letter)}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        incident = current(case)
        if incident is None:
            return
        resolved(case, incident, taken.at, taken.sender)
        incident = current(case) or incident
        papers_in(case, incident, taken.facts, taken.at, taken.path, taken.sender)
