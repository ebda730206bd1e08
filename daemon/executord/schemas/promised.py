"""The shape of the messages about clocks and customer updates, and of what is reported of them [SLA-8 … SLA-19].

Counterparts: `posts/tidings.py` and `service/digests.py`, which make them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from executord.schemas.base import Asked, Moment, Ours, Sent


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


# --- how promises were kept [SLA-19] ----------------------------------------------------------------------------------


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
