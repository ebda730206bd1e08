"""The shape of every message we send: the envelope, and what stands in each kind [MSG-8, MSG-9, CON-4].

Counterpart: `posts.py`, which makes them. Strict: what is ours holds nothing that is not said here. What a worker wrote
and we pass on may be anything.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""An instant as we write it, `2026-11-20T10:15:00Z` [CON-0]."""

Priority = Literal["critical", "high", "medium", "low"]


class Ours(BaseModel):
    """What the daemon writes."""

    model_config = ConfigDict(extra="forbid", frozen=True, title=None)


class Marked(Ours):
    """Who wrote a file and why [MEM-16]."""

    generated_by: Literal["executord"]
    generated_at: Moment
    event: int | None = Field(description="The number of the journal's line; null where no case has it.")


class Late(Ours):
    """What is done late says so [EXE-26]."""

    due: str = Field(json_schema_extra={"format": "date-time"})
    late_by_s: int = Field(ge=0)


class Sent(Marked):
    """A message of the daemon [CON-4]."""

    id: str = Field(description="The file's name without its ending.")
    type: str
    from_: Literal["executor"] = Field(alias="from")
    to: str
    timestamp: Moment
    instruction_id: str | None = None
    session_id: str | None = None
    session: str | None = Field(default=None, description="The folder of the team session that it is about.")
    task_id: str | None = None
    attempt: int | None = Field(default=None, ge=0)
    priority: Priority | None = None
    in_reply_to: str | None = None
    filed_as: str | None = Field(default=None, description="Where the message lies that this one answers.")
    late: Late | None = Field(
        default=None, description="When it was due, where it is sent a minute after that or later."
    )
    meant_for: str | None = Field(default=None, description="Whom it was for, where that name is not known [MSG-6].")


class Asked(Sent):
    """What we expect an answer to [MSG-7]."""

    level: int = Field(ge=1, description="How far it has climbed; 1 = the first one asked.")
    answer_by: Moment | None = Field(description="When it climbs past its reader; null: it does not.")
    then_asked: str | None = Field(description="Who is asked then; null: nobody is left.")
    asked_before: list[str] | None = Field(default=None, description="Who was asked before.")


class FileRow(Ours):
    """A file named by a claim [CON-12]."""

    path: str
    size: int = Field(ge=0)
    sha256: str


class AttemptRow(Ours):
    """An earlier attempt of the task."""

    attempt: int
    agent: str
    state: str
    reason: str | None


# --- delegation [MSG-8] -----------------------------------------------------------------------------------------------


class TaskText(Ours):
    """The task's own text; `text` is its file as it is read."""

    id: str
    title: str
    description: str
    supporting: list[str] | None
    text: dict[str, Any]


class ResultRow(Ours):
    """The result of a task that this one builds on."""

    task: str
    title: str
    result: str


class Context(Ours):
    """Where the task stands in its instruction."""

    instruction: str
    summary: str | None
    tier: int | None
    deliverable_type: str | None
    place: str
    earlier_attempts: list[AttemptRow] | None
    results: list[ResultRow]


class CustomerText(Ours):
    """Whom it is for; `updates` are the files of the updates sent so far."""

    name: str
    segment: str | None
    contact: str | None
    timezone: str | None
    updates: list[str]


class Deadline(Ours):
    """The absolute limit and the SLA that it comes from."""

    at: Moment
    from_: str = Field(alias="from")


class Communication(Ours):
    """What the customer is owed before the task counts as done."""

    required: Literal["internal", "customer", "both"]
    to: str | None = None
    what: str | None = None
    contents: list[str] | None = None


class Authority(Ours):
    """What the worker may do, and whom it asks."""

    you_may: str
    ask: str
    for_scope: str


class Replies(Ours):
    """Filled examples of the YAML to drop into `reply_to`."""

    when_you_start: str
    when_it_is_done: str


class Delegation(Sent):
    """A task to do: whoever knows nothing but this one file can do the job."""

    task: TaskText
    context: Context
    upstream: list[str] = Field(description="Names of the handoff messages that come with it.")
    customer: CustomerText | None
    output_format: Any
    results_to: str
    deadline: Deadline | None
    communication: Communication
    acceptance_criteria: list[str]
    authority: Authority
    why_you: str
    instead_of: str | None
    reply_to: str
    how_to_reply: str
    reply_with: Replies


# --- the others -------------------------------------------------------------------------------------------------------


class FinishedTask(Ours):
    """The finished task whose results are handed on."""

    id: str
    title: str
    agent: str | None
    attempt: int | None


class Handoff(Sent):
    """The results of a finished task that the reader's task builds on [EXE-5]."""

    from_task: FinishedTask
    result: str
    summary: Any
    output: Any
    components: Any
    files: list[FileRow]
    concerns: list[str]
    open_questions: Any
    expected: str


class ReworkRequest(Sent):
    """A claim that did not pass, point by point [EXE-13]."""

    points: list[str] = Field(min_length=1)
    then: str
    left: str


class HeldRow(Ours):
    """One reason why a task is held."""

    code: str
    line: int | None
    column: int | None
    field: str | None
    reason: str
    fix: str | None


class Notice(Sent):
    """What its reader must know and need not answer."""

    text: str
    file: str | None = None
    held_because: list[HeldRow] | None = None


class ClockAtRisk(Ours):
    """What was promised and runs on meanwhile."""

    clock: str
    task: str | None
    due: Moment


class Impact(Ours):
    """The tasks that wait behind this one, and the clocks at risk."""

    waiting: list[str]
    clocks: list[ClockAtRisk] = []


class Option(Ours):
    """A message that would decide it."""

    type: str
    means: str


class AskedRow(Ours):
    """Somebody who was asked before."""

    asked: str


class BlockerRow(Ours):
    """What a task cannot go on for [EXE-17]."""

    id: str
    kind: str
    derived: str | None = Field(description="How the kind was found.")
    for_the_customer: bool
    blocked_s: dict[str, int] = Field(description="Seconds this task was blocked so far, by kind.")


class Undelivered(Ours):
    """A customer update that did not reach the customer, or of which nobody knows whether it did [SLA-16]."""

    number: int
    path: str = Field(description="Where it is kept, from the memory.")
    channel: str
    recipients: list[str]
    reason: str
    fix: str | None
    tried_at: Moment | None = Field(description="When it was handed over last, as far as that is known.")


class Escalation(Asked):
    """A decision that is the reader's to take [EXE-20]."""

    what: str
    since: Moment | None
    impact: Impact
    tried: list[AttemptRow | AskedRow]
    decision_needed: str
    options: list[Option]
    about: dict[str, Any] | None = Field(default=None, description="What those below were asked.")
    blocker: BlockerRow | None = None
    attempted_recovery: str | None = None
    asked_by: str | None = None
    question: dict[str, Any] | None = Field(default=None, description="The message that raised it, as it was written.")
    update: Undelivered | None = Field(default=None, description="The customer update that it is about.")
    reply_with: str | None = None


class Consultation(Escalation):
    """A question that the reader is to answer [EXE-18, EXE-19]."""


class Silent(Sent):
    """A task that nothing is heard of [EXE-16]."""

    text: str
    delegation: str = Field(description="The name of the message that gave it.")
    last_sign_at: Moment | None
    reply_with: str


class Reminder(Sent):
    """An answer of the reader's that is missing: to what he was asked [MSG-7], or about his task [EXE-16]."""

    text: str
    about: dict[str, Any] | None = Field(default=None, description="What was asked.")
    level: int | None = Field(default=None, ge=1)
    answer_by: Moment | None = None
    then_asked: str | None = None
    asked_before: list[str] | None = None
    delegation: str | None = None
    last_sign_at: Moment | None = None
    next_step_at: Moment | None = None
    reply_with: str | None = None


class StatusCheck(Silent):
    """Still silent: how does it stand [EXE-16]."""

    next_step_at: Moment | None


class Finalize(Silent):
    """Hand in what you have: the attempt is closed next [EXE-16]."""

    closes_at: Moment | None
    results_to: str


class OpenBlocker(Ours):
    """What keeps a task from going on."""

    task: str
    kind: str
    since: Moment
    description: str


class AwaitedRow(Ours):
    """An answer that is awaited."""

    what: str
    from_: str | None = Field(alias="from")
    level: int
    since: Moment | None


class ExecutiveUpdate(Sent):
    """How a tier 4 instruction stands, and what has happened [EXE-7]."""

    title: str
    because: list[str] = Field(min_length=1)
    percent: int
    tasks: dict[str, list[str]]
    workstreams: dict[str, dict[str, int]] | None
    blockers: list[OpenBlocker]
    awaited: list[AwaitedRow]
    deadline: Moment | None
    next_at_latest: Moment | None


class ReachedRow(Ours):
    """A task before a checkpoint."""

    id: str
    title: str
    state: str
    result: str


class CheckpointReached(Asked):
    """A checkpoint that waits for the reader's release [EXE-6]."""

    checkpoint: str
    reached: list[ReachedRow]
    waiting: list[str]
    reply_with: str


class Rejection(Sent):
    """A message of the reader's that could not be taken, and why [CON-5]."""

    rejected_file: str
    kept_as: str | None
    code: str
    reason: str
    expected: str | None
    fix: str | None


class Clarification(Rejection):
    """Which task is meant: the reader's open ones [MSG-1]."""

    your_open_tasks: list[str]


class PassedOn(Sent):
    """What somebody else has said, as he wrote it."""

    from_agent: str
    content: dict[str, Any]


class Choice(Ours):
    """One of the ways in which a complete session can go on."""

    action: str
    label: str
    description: str


class CompletionRequest(Sent):
    """A team session is complete: what is to become of it [SES-23]."""

    question: str
    completed: int = Field(ge=0)
    total: int = Field(ge=0)
    options: list[Choice]
    reply_with: str


class StatusReport(Sent):
    """How things stand, as an answer to `status`."""

    report: dict[str, Any]


class LateResult(Sent):
    """A result that came after its attempt was closed [MSG-3]."""

    text: str
    late_result: str
    reply_with: str


class Draft(Ours):
    """The facts for the five contents, as they are; the words are the liaison's."""

    status: list[str]
    next_steps: list[str]
    blockers: list[str]
    expect_next: list[str]
    contact: list[str]


class UpdateAsked(Ours):
    """What an update must hold, and how it is answered [SLA-14]."""

    contents: dict[str, str]
    draft: Draft
    tone: list[str]
    customer: dict[str, str | None] | None
    reply_with: str
    delivery: str = Field(description="Who brings it to the customer.")


class UpdateFacts(UpdateAsked):
    """The update that is asked for."""

    text: str
    number: int
    due: Moment
    due_local: str
    last_update_at: Moment | None
    promised_by: str


class UpdateRequest(Sent, UpdateFacts):
    """The customer is to hear from us [SLA-14]; what the gate asks for climbs like any question [QUA-2]."""

    level: int | None = Field(default=None, ge=1)
    answer_by: Moment | None = None
    then_asked: str | None = None
    asked_before: list[str] | None = None


class Left(Ours):
    """What is left up to a limit, as of the instant at which the message was noted."""

    business_s: int
    real_s: int
    text: str


class ClockFacts(Ours):
    """A clock, as every message about it names it."""

    clock: str
    about: str
    started: Moment
    target: Moment | None
    due: Moment | None
    due_local: str | None
    calendar: str
    promised_by: str


class SlaWarning(Sent, ClockFacts):
    """A limit that comes nearer [SLA-8]; to the liaison, of a response clock, also what an update request holds."""

    text: str
    marks: list[str] = Field(min_length=1)
    left: Left
    internal_limit: Moment | None = None
    contents: dict[str, str] | None = None
    draft: Draft | None = None
    tone: list[str] | None = None
    customer: dict[str, str | None] | None = None
    reply_with: str | None = None
    delivery: str | None = None


class SlaBreach(Asked):
    """A limit that has passed [SLA-10]."""

    text: str
    clock: str
    about: str
    due: Moment | None
    effective_at: Moment
    cause: str
    holder: str
    decision_needed: str
    reply_with: str


class ProactiveNotice(Sent, ClockFacts, UpdateAsked):
    """It will be late: the customer hears it before, with the time that is expected instead [SLA-9]."""

    text: str
    why: str
    because: str
    revised_at: Moment
    revised_before: Moment | None
    workaround: str = Field(description="What the customer can do meanwhile; `none known yet` where nobody knows.")


class WorkaroundRequest(Asked):
    """What can the customer do until it is resolved [SLA-9]."""

    text: str
    reply_with: str


# --- the way out [chapter 6] ------------------------------------------------------------------------------------------


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


class Shares(Ours):
    """How much of what was aimed at was used: percentiles; null of nothing."""

    p50: float | None
    p90: float | None
    p99: float | None


class UpdateCount(Ours):
    """Customer updates."""

    sent: int
    on_time: int


class ReportGroup(Ours):
    """The numbers of one group [SLA-19]."""

    key: str | None
    met: int
    approved_extension: int
    breached: int
    deferred_or_cancelled: int
    elapsed_of_target: Shares
    paused_s: dict[str, int]
    updates: UpdateCount


class BreachRow(Ours):
    """A limit that was passed [SLA-10]."""

    instruction_id: str
    task: str | None
    kind: str
    due: Moment
    detected_at: Moment | None = Field(description="Null: nobody has noted it yet.")
    late_by_s: int
    cause: str | None
    told: list[str]
    ended_at: Moment | None = Field(description="When its clock ended; null: it runs.")


class WrongfulPause(Ours):
    """A pause that ran on after the customer had answered."""

    instruction_id: str
    task: str | None
    reason: str
    from_: Moment = Field(alias="from")
    to: Moment | None


class SlaReport(Ours):
    """How promises were kept in a period [CON-9]."""

    schema_version: Literal[1]
    at: Moment
    from_: Moment | None = Field(alias="from")
    to: Moment | None
    by: Literal["agent", "priority", "customer", "policy"] | None
    groups: list[ReportGroup]
    breaches: list[BreachRow]
    wrongful_pauses: list[WrongfulPause]


class UnansweredRow(Ours):
    """What nobody has answered who could be asked [EXE-29]."""

    instruction_id: str
    task: str | None
    kind: str
    since: Moment


class Digest(Sent):
    """How promises were kept, and what nobody has answered [SLA-18, CON-9]."""

    period: Literal["daily", "weekly"]
    text: str
    report: SlaReport
    unanswered: list[UnansweredRow]


#: Kind → its shape. A kind of `posts.KINDS` that is missing here has no published schema.
SHAPES: dict[str, type[Sent]] = {
    "delegation": Delegation,
    "handoff": Handoff,
    "rework_request": ReworkRequest,
    "reassignment_notice": Notice,
    "escalation": Escalation,
    "consultation": Consultation,
    "executive_update": ExecutiveUpdate,
    "reminder": Reminder,
    "customer_update_request": UpdateRequest,
    "sla_warning": SlaWarning,
    "sla_breach": SlaBreach,
    "proactive_notice": ProactiveNotice,
    "workaround_request": WorkaroundRequest,
    "status_check": StatusCheck,
    "finalize": Finalize,
    "checkpoint": CheckpointReached,
    "component_request": ComponentRequest,
    "validation_request": ValidationRequest,
    "incident_opened": IncidentOpened,
    "incident_role": IncidentRole,
    "stakeholder_update_request": StakeholderUpdateRequest,
    "incident_closed": IncidentClosed,
    "retrospective_request": RetrospectiveRequest,
    "clarification_request": Clarification,
    "answer": PassedOn,
    "context": PassedOn,
    "notice": Notice,
    "rejection": Rejection,
    "status_report": StatusReport,
    "late_result_notice": LateResult,
    "completion_action_request": CompletionRequest,
    "digest": Digest,
}


def model_of(kind: str) -> type[Sent]:
    """The model of one kind, whose `type` is that kind and nothing else."""
    shape = SHAPES[kind]
    literal: Any = Literal[kind]
    return create_model(kind, __base__=shape, __doc__=shape.__doc__, type=(literal, ...))
