"""The shapes of what comes out at the end: deliverable, completion report, hand-off, report, incident [CON-14, CON-15].

Counterparts: `executord/finals.py` and `rules/incident.py`, which make them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from executord.schemas.base import FileRow, Marked, Moment, Ours
from executord.schemas.outgoing import GateRow


class Provenance(Ours):
    """Where a component comes from [DEL-3]."""

    source: Literal["components", "task", "key", "file", "record"]
    task: str | None
    agent: str | None
    attempt: int | None
    at: Moment | None
    path: str = Field(description="From the instruction's folder.")
    sha256: str = Field(description="Of the file at `path`.")


class Kept(Ours):
    """The source that counts."""

    task: str | None
    path: str
    sha256: str


class Other(Kept):
    """The source that does not."""

    agent: str | None
    source: str


class Conflict(Ours):
    """Two sources for one component: both are kept [DEL-2]."""

    component: str
    kept: Kept
    other: Other


class WaivedPart(Ours):
    """A component that is let pass, or not applicable."""

    component: str
    by: str | None
    reason: str


class Whom(Ours):
    """The customer."""

    name: str
    segment: str | None
    contact: str | None


class Deliverable(Marked):
    """`outputs/final/{type}.yaml`: the finished product, its components in the type's order."""

    schema_version: Literal[1]
    deliverable_type: str
    instruction_id: str
    title: str
    customer: Whom | None
    components: dict[str, Any]
    provenance: dict[str, Provenance]
    waived: list[WaivedPart]
    conflicts: list[Conflict]
    concerns: list[str]
    files: list[FileRow]


class Listed(FileRow):
    """A file of the hand-off, and what it is."""

    kind: Literal["deliverable", "completion_report", "resolution_report", "result", "update", "output"]


class TaskLine(Ours):
    """A task and how it ended."""

    id: str
    state: str
    agent: str | None
    attempt: int | None
    result: str | None


class Handoff(Marked):
    """`outputs/final/handoff.yaml`: what the validator reads first."""

    schema_version: Literal[1]
    instruction_id: str
    cycle: int = Field(ge=1)
    deliverable: str | None
    completion_report: str
    resolution_report: str | None
    gate: list[GateRow]
    manifest: list[Listed]
    tasks: list[TaskLine]
    criteria: list[str]
    check: list[str]
    outstanding: list[str]
    reply_with: str


class Totals(Ours):
    """How many of what."""

    planned: int
    completed: int
    deferred: int
    cancelled: int
    attempts: int
    reworks: int


class Share(Ours):
    """What one agent did."""

    tasks: int
    time_s: int


class ClockResult(Ours):
    """How a clock ended [CON-8]."""

    kind: str
    task: str | None
    state: Literal["running", "paused", "met", "approved_extension", "breached"]
    start: Moment
    target: Moment | None
    due: Moment | None
    stopped: Moment | None
    late_by_s: int | None
    calendar: str
    paused_because: str | None


class SentUpdate(Ours):
    """An update to the customer."""

    number: int
    sent_at: Moment
    on_time: bool | None


class EscalationRow(Ours):
    """A decision that somebody was asked for."""

    at: Moment
    to: str
    task: str | None
    why: str


class BlockerResult(Ours):
    """What stood in the way; null: it still does."""

    kind: str
    task: str
    open_s: int | None


class DeferredRow(Ours):
    """A task that is not done, by whose word."""

    task: str
    state: str
    by: str | None
    reason: str | None


class WaiverRow(Ours):
    """A standard or a component that was let pass [QUA-5]."""

    standard: int | None
    component: str | None
    by: str
    reason: str
    at: Moment


class ExecutionSummary(Marked):
    """`outputs/final/execution_summary.yaml`: the completion report."""

    schema_version: Literal[1]
    instruction_id: str
    totals: Totals
    agents: dict[str, Share]
    duration_s: int
    sla: list[ClockResult]
    updates: list[SentUpdate]
    escalations: list[EscalationRow]
    blockers: list[BlockerResult]
    deferred: list[DeferredRow]
    waived: list[WaiverRow]
    concerns: list[str]
    files: list[FileRow]


class ResolutionReport(Marked):
    """`outputs/final/resolution_report.yaml`: the comprehensive report of tier 4 [DEL-4]."""

    schema_version: Literal[1]
    instruction_id: str
    title: str
    summary: dict[str, Any]
    timeline: list[dict[str, Any]]
    root_cause: Any
    resolution: Any
    impact: dict[str, Any]
    decisions: list[dict[str, Any]]
    escalations: list[EscalationRow]
    incidents: list[dict[str, Any]]
    sla: list[ClockResult]
    communication: list[dict[str, Any]]
    deferred: list[DeferredRow]
    prevention_plan: Any


class RoleRow(Ours):
    """Who has a role, since when."""

    name: str | None = None
    agent: str | None
    asked_at: Moment | None
    acknowledged_at: Moment | None


class Roles(Ours):
    """The team of an incident."""

    commander: RoleRow
    technical_lead: RoleRow
    scribe: RoleRow
    customer_liaison: RoleRow
    experts: list[RoleRow]


class Pace(Ours):
    """How often who is told, and when next."""

    stakeholders_s: int
    customer_s: int | None
    next_stakeholder: Moment | None
    next_customer: Moment | None


class ChainedRow(Ours):
    """An entry of the timeline, chained to the one before [INC-5]."""

    n: int
    at: Moment
    who: str
    what: str
    kind: str
    event: int
    prev: str
    hash: str


class Paper(Ours):
    """What is owed after the end."""

    due: Moment | None
    received_at: Moment | None
    path: str | None


class Incident(Marked):
    """`outputs/partial/incident.yaml`: a view of the journal's incident lines."""

    schema_version: Literal[1]
    incident_id: str
    instruction_id: str
    severity: int = Field(ge=1, le=4)
    status: Literal["open", "resolved", "closed"]
    opened_at: Moment
    opened_by: str
    resolved_at: Moment | None
    closed_at: Moment | None
    channel: str
    roles: Roles
    stakeholders: list[str]
    cadence: Pace
    timeline: list[ChainedRow]
    retrospective: Paper
    prevention_plan: Paper
