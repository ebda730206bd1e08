"""The shape of every message we send: what stands in each kind, and which is whose [MSG-8, MSG-9, CON-4].

Counterparts: `posts/`, which makes them; `base.py`, the envelope. Strict: what is ours holds nothing that is not said
here. What a worker wrote and we pass on may be anything.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, create_model

from executord.schemas.base import Asked, AttemptRow, FileRow, Moment, Ours, Sent
from executord.schemas.outgoing import (
    ComponentRequest,
    IncidentClosed,
    IncidentOpened,
    IncidentRole,
    RetrospectiveRequest,
    StakeholderUpdateRequest,
    ValidationRequest,
)
from executord.schemas.promised import Digest, ProactiveNotice, SlaBreach, SlaWarning, UpdateRequest, WorkaroundRequest

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


class PastBlockerRow(Ours):
    """What an earlier attempt was blocked by."""

    kind: str
    question: str
    answered_by: str | None = Field(description="Null: the attempt ended before there was an answer.")


class Context(Ours):
    """Where the task stands in its instruction."""

    instruction: str
    summary: str | None
    tier: int | None
    deliverable_type: str | None
    place: str
    earlier_attempts: list[AttemptRow] | None
    blocked_before: list[PastBlockerRow] | None = Field(description="What earlier holders could not go on for.")
    told_before: list[Any] | None = Field(
        description="What earlier holders were told: answers, context, the customer's words, as they were written."
    )
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


class FaultRow(HeldRow):
    """The same of a file of the instruction's own."""

    path: str | None


class Notice(Sent):
    """What its reader must know and need not answer."""

    text: str
    file: str | None = None
    held_because: list[HeldRow] | None = None
    faults: list[FaultRow] | None = None  # of the plan or the instruction itself


class ClockAtRisk(Ours):
    """What was promised and runs on meanwhile."""

    clock: str
    task: str | None
    due: Moment


class Impact(Ours):
    """The tasks that wait behind this one, and the clocks at risk."""

    waiting: list[str]
    clocks: list[ClockAtRisk] = Field(default=[])


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
    said_since: list[str] = Field(description="What was said of it besides the question, the newest last.")
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
