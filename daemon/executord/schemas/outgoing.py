"""The shape of the messages of chapter 6: components asked for, the hand-off, incidents [MSG-9].

Counterpart: `rules/delivery.py` and `rules/incident.py`, which send them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from executord.schemas.base import Asked, Moment, Ours, Sent


class GateRow(Ours):
    """One of the six quality standards [CON-14]."""

    standard: int = Field(ge=1, le=6)
    name: str
    result: Literal["pass", "fail", "waived"]
    evidence: list[str]
    by: str | None = Field(description="Who waived it.")


class ComponentRequest(Asked):
    """A part of the deliverable, or a file that a result names, is missing or refused [DEL-5]."""

    deliverable_type: str
    title: str
    component: str | None
    file: str | None = Field(description="The file that is gone, where it is no component.")
    why: str
    parts: list[str] = Field(description="What the component's definition names; looked for by key or heading.")
    results_to: str
    reply_to: str
    reply_with: str


class ValidationRequest(Asked):
    """A hand-off: the validator reads what it names, and answers with a verdict [QUA-3, QUA-4]."""

    cycle: int = Field(ge=1)
    title: str
    deliverable_type: str | None
    deliverable: str | None
    completion_report: str
    resolution_report: str | None
    handoff: str
    gate: list[GateRow]
    concerns: list[str]
    check: list[str]
    reply_to: str
    reply_with: str


class IncidentOpened(Sent):
    """A critical incident was opened [INC-2]."""

    incident_id: str
    severity: int = Field(ge=1, le=4)
    title: str
    reason: str | None
    opened_at: Moment
    opened_by: str
    customers: list[str]
    stakeholders: list[str]
    channel: str
    facts: str = Field(description="The incident as it stands.")
    reply_with: str


class IncidentRole(Asked):
    """A role in an incident: acknowledge it, or the next in line is asked [INC-3]."""

    incident_id: str
    severity: int = Field(ge=1, le=4)
    role: str
    title: str
    reason: str | None
    you: str
    customers: list[str]
    channel: str
    facts: str
    reply_to: str
    reply_with: str


class StakeholderUpdateRequest(Asked):
    """The stakeholders are to hear from the commander [INC-4]."""

    incident_id: str
    severity: int = Field(ge=1, le=4)
    stakeholders: list[str]
    last_update: Moment
    overdue_at: Moment
    facts: str
    reply_to: str
    reply_with: str


class IncidentClosed(Sent):
    """An incident is over: resolved, later closed [INC-6]."""

    incident_id: str
    severity: int = Field(ge=1, le=4)
    title: str
    status: Literal["resolved", "closed"]
    opened_at: Moment
    resolved_at: Moment | None
    resolved_by: str | None
    outstanding: list[str]
    facts: str


class TimelineRow(Ours):
    """What somebody did, and when."""

    at: Moment
    who: str
    what: str
    kind: str


class IncidentFacts(Ours):
    """What is known of an incident, laid out."""

    timeline: list[TimelineRow]
    duration_s: int | None
    customers: list[str]
    detection_s: int | None
    response_s: int | None
    resolution_s: int | None
    tried: list[str]
    updates: int


class RetrospectiveRequest(Asked):
    """The retrospective and the prevention plan, with the facts laid out [INC-6]."""

    incident_id: str
    severity: int = Field(ge=1, le=4)
    due: Moment
    outstanding: list[str]
    questions: list[str]
    facts: IncidentFacts
    prevention_plan: str
    reply_to: str
    reply_with: str
