"""The shape of the files and reports that the daemon makes: results, progress, reasons, the journal, `status`.

Counterparts: `rules/results.py`, `views/overview.py`, `posts/`, `files/journal.py`, which make them [CON-5, CON-6,
CON-8, CON-12, CON-13].
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from executord.schemas.base import FileRow, Marked, Moment, Ours, Priority

State = Literal[
    "expected", "waiting", "ready", "held", "assigned", "accepted", "working", "blocked", "rework", "verifying",
    "reassigning", "escalated", "on_hold", "completed", "deferred", "cancelled",
]  # fmt: skip
Phase = Literal["waiting", "executing", "gate", "handed_off", "rework", "blocked", "closed", "parked", "not_ours"]
Action = Literal["send", "move", "write", "file", "record", "start", "tell", "stop"]


class Result(Marked):
    """`outputs/partial/{task}.yaml`: what a task, or a closed attempt of it, has left [CON-12]."""

    schema_version: Literal[1]
    instruction_id: str
    task_id: str
    title: str
    state: Literal[
        "completed", "deferred", "cancelled", "timed_out", "failed", "declined", "reassigned", "withdrawn", "late"
    ]  # fmt: skip
    agent: str | None
    attempt: int | None
    dispatched_at: Moment | None
    accepted_at: Moment | None
    claimed_at: Moment | None
    verified_at: Moment | None
    summary: Any
    output: Any
    components: Any
    files: list[FileRow]
    evidence: Any
    concerns: list[str]
    open_questions: Any = None
    customer_updates: list[int]
    decided_by: str | None
    reason: str | None


class Handed(Marked):
    """`outputs/partial/components.from-{agent}.yaml`: components that came as an answer [DEL-5]."""

    schema_version: Literal[1]
    instruction_id: str
    by: str
    at: Moment
    components: Any


class PaperFile(Marked):
    """`outputs/partial/incident.retrospective.yaml` and its neighbours: a paper that came as text [CON-15]."""

    schema_version: Literal[1]
    instruction_id: str
    by: str
    received_at: Moment
    retrospective: Any = None
    prevention_plan: Any = None


class Update(Marked):
    """`outputs/partial/update-{nnn}.yaml`: a customer update that was accepted [CON-12]."""

    schema_version: Literal[1]
    number: int = Field(ge=1)
    sent_at: Moment
    by: str
    channel: str | None
    delivered_at: Moment | None
    status: str
    next_steps: str
    blockers: str
    expect_next: str
    contact: str
    next_update_at: Any
    text: Any


class Reason(Marked):
    """The `.reason.yaml` beside a rejected file [CON-5]."""

    file: str
    sender: str | None
    received_at: Moment
    code: str
    reason: str
    expected: str | None
    fix: str | None
    filed_as: str | None = None


class Todo(Ours):
    """One step for whoever watches."""

    content: str
    status: Literal["pending", "in_progress", "completed"]
    activeForm: str


class Report(BaseModel):
    """What programs read; later versions may add keys."""

    model_config = ConfigDict(extra="allow", frozen=True)


class OpenBlocker(Report):
    """A blocker that is not answered yet."""

    id: str
    task: str
    kind: str
    since: Moment


class Clock(Report):
    """An SLA clock [CON-8]."""

    kind: str
    task: str | None
    state: Literal["running", "paused", "met", "approved_extension", "breached"]
    start: Moment
    target: Moment | None
    due: Moment | None
    stopped: Moment | None
    late_by_s: int | None
    calendar: str | None
    paused_because: str | None


class NextUpdate(Report):
    """When the customer hears of us next."""

    ask: Moment | None
    due: Moment | None


class Upcoming(Ours):
    """What will be done when."""

    at: Moment
    what: str


class Progress(Marked):
    """`outputs/partial/progress.yaml`: a view, nothing of which depends on now [CON-13]."""

    schema_version: Literal[1]
    instruction_id: str
    phase: Phase
    percent: int = Field(ge=0, le=100)
    todos: list[Todo]
    tasks: dict[str, State]
    blockers: list[OpenBlocker]
    clocks: list[Clock]
    next_update: NextUpdate | None
    next: list[Upcoming] = Field(max_length=5)
    generated_at: Moment | None  # type: ignore[assignment]  # nothing was noted yet


# --- the journal [CON-6] ----------------------------------------------------------------------------------------------


class First(Ours):
    """The line with which every part begins."""

    journal: Literal[1]
    instruction: str | None = None
    session: str | None = None
    opened: Moment


class Entry(Ours):
    """One action."""

    n: int = Field(ge=1)
    at: Moment
    due: Moment
    name: str
    action: Action
    rule: str
    task: str | None = None
    attempt: int | None = None
    to: str | None = None
    type: str | None = None
    path: str | None = None
    why: str | None = None
    facts: dict[str, Any] | None = None


class Snapshot(Ours):
    """The whole of what older parts say."""

    n: int = Field(ge=1)
    name: Literal["snapshot"]
    facts: dict[str, Any]


class Journal(RootModel[list[First | Entry | Snapshot]]):
    """`outputs/partial/journal.yaml`: one line per action, valid YAML."""


# --- status [CON-8] ---------------------------------------------------------------------------------------------------


class FindingRow(Report):
    """One fault or oddity [CON-10]."""

    severity: Literal["error", "warning"]
    code: str
    path: str | None
    line: int | None
    column: int | None
    field: str | None
    message: str
    fix: str | None


class DaemonRow(Report):
    """Who runs on this tree."""

    running: bool
    pid: int | None
    host: str | None
    since: Moment | None
    last_round: Moment | None


class Folders(Report):
    """Task files by folder."""

    pending: int
    in_progress: int
    completed: int


class Counts(Report):
    """How many of what."""

    instructions: dict[str, int]
    tasks: Folders


class TaskRow(Report):
    """A task as it stands."""

    id: str
    title: str
    folder: Literal["pending", "in_progress", "completed"] | None
    state: State
    agent: str | None
    attempt: int | None
    since: Moment | None
    percent: int | None
    eta: Moment | None
    held_because: str | None
    waits_for: list[str]


class BlockerRow(OpenBlocker):
    """A blocker and who was asked."""

    asked: str | None
    level: int | None
    waiting: list[str]


class DebtRow(NextUpdate):
    """The next update, and how long the customer has been waiting for it."""

    silence_debt_s: int | None


class NextLine(Report):
    """The next line of the agenda."""

    at: Moment | None
    name: str | None


class Freed(Report):
    """The message that would free something that stands still."""

    task: str | None
    type: str
    from_: list[str] = Field(alias="from")


class MutedRow(Report):
    """A window in which reminders and notifications are not sent, and not made up for."""

    by: str
    at: Moment
    until: Moment
    reason: str | None


class InstructionRow(Report):
    """An instruction as it stands."""

    id: str
    title: str
    priority: Priority | None
    tier: int | None
    phase: Phase
    on_hold: bool
    paused: bool
    muted: MutedRow | None = Field(description="The window in which nobody is reminded and notified, while it is open.")
    deliverable_type: str | None
    percent: int
    tasks: list[TaskRow]
    clocks: list[Clock]
    blockers: list[BlockerRow]
    next_update: DebtRow
    next: NextLine
    problems: list[FindingRow]
    freed_by: list[Freed]


class AgentRow(Report):
    """An agent and his mail."""

    name: str
    load: int
    capacity: int
    inbox: int
    oldest_s: int | None
    muted: MutedRow | None


class SessionRow(Report):
    """A team session."""

    session_id: str
    path: str
    status: str
    completed: int
    total: int


class RejectedRow(Report):
    """A message that could not be taken."""

    path: str
    code: str | None
    reason: str | None
    at: Moment | None


class LateRow(Report):
    """A result that came late."""

    path: str
    task: str
    attempt: int


class Status(Report):
    """What `status --json` prints."""

    schema_version: Literal[1]
    at: Moment
    memory: str
    daemon: DaemonRow
    counts: Counts
    instructions: list[InstructionRow]
    agents: list[AgentRow]
    sessions: list[SessionRow]
    rejected: list[RejectedRow]
    late: list[LateRow]
    left_alone: list[str]
