"""The rows: one strict, frozen model for each thing that stands in a section of the configuration.

Counterparts: `values.py`, the types of their fields; `model.py`, the settings that hold them; `policy.make_policy`,
which reads them. Add a field: here, with its description, which the sample and the documentation show.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from executord.clocks import calendar_from
from executord.errors import BadInput
from executord.policy.programs import FOLDERS, KINDS, READY
from executord.settings.values import (
    AgentName,
    Count,
    Cron,
    Listed,
    Money,
    Number,
    Priorities,
    RungGap,
    SpanText,
    Tiers,
    Waiting,
    WarningMark,
    Word,
    Words,
    ZoneName,
    advice,
    agent_key,
    refusal,
    seconds,
    whole,
)

BRANCHES: Final = ("(name)", "(row)")  # pydantic's names for the branches of a union, which are no keys


class Strict(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _per_interval(value: object) -> object:
    return {"all": value} if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value


def _per_clock(value: object) -> object:
    return dict.fromkeys(("response", "resolution", "update"), value) if isinstance(value, str) else value


def _pauses(value: object) -> object:
    """Names alone, or names with what they do; `true` is the default behaviour, `false` none."""
    if isinstance(value, (list, tuple)):
        value = dict.fromkeys((str(each) for each in value), True)
    if not isinstance(value, Mapping):
        return value
    return {key: {"allowed": row} if isinstance(row, bool) else ({} if row is None else row) for key, row in
            value.items()}  # fmt: skip


class CalendarRow(Strict):
    """When somebody works, and in whose zone [SLA-3]."""

    timezone: ZoneName = Field(default="UTC", description="The zone that the hours are meant in.")
    weekly: dict[str, Any] = Field(default={}, description="Day (mon … sun) to its hours, a list of [from, to].")
    holidays: list[Any] | dict[str, Any] = Field(
        default=[], description="Dates that are closed; a mapping also names them."
    )
    overrides: dict[str, Any] = Field(
        default={}, description="Dates with hours of their own, instead of the weekly ones."
    )

    def model_post_init(self, context: Any, /) -> None:
        """Overlaps, unknown days and dates are found here, not when the first due time is asked for."""
        try:
            calendar_from(self.model_dump())
        except BadInput as fault:
            raise refusal(fault.message.removeprefix("calendar: "), fault.fix or "") from None


class Match(Strict):
    """What a row is for; all that is given must hold, a list is any of it (tags: all of them)."""

    priority: Priorities = Field(default=(), description="critical … low.")
    customer: Words = Field(default=(), description="Names of customers.")
    segment: Words = Field(default=(), description="Segments of customers, e.g. enterprise.")
    tier: Tiers = Field(default=(), description="Tiers, 0 to 4.")
    domain: Words = Field(default=(), description="Domains of instructions.")
    tags: Words = Field(default=(), description="Tags that must all be there.")


class PerClock(Strict):
    """A calendar for each clock."""

    response: Word | None = Field(default=None, description="Calendar of the response clock.")
    resolution: Word | None = Field(default=None, description="Calendar of the resolution clock.")
    update: Word | None = Field(default=None, description="Calendar of the customer's updates.")


class PauseRow(Strict):
    """What one reason pauses; never a response clock [SLA-7]."""

    allowed: bool = Field(default=True, description="Whether this reason pauses anything here.")
    pause_updates: bool = Field(default=False, description="Whether the update clock stands still too.")
    cap: SpanText | None = Field(default=None, description="After this the clock runs on.")
    ends: Word | None = Field(default=None, description="The message type that ends the pause.")


class PolicyRow(Strict):
    """What is promised to whom; the first row that matches counts."""

    match: Match = Field(default=Match(), description="What the row is for; nothing given matches everything.")
    response: SpanText | None = Field(default=None, description="Target - limit of the response.")
    resolution: SpanText | None = Field(default=None, description="Target - limit of the resolution.")
    update: SpanText | None = Field(default=None, description="Customer update: ask - overdue.")
    calendar: Annotated[PerClock, BeforeValidator(_per_clock)] | None = Field(
        default=None, description="A calendar's name, or {response, resolution, update} with a name each."
    )
    warn: Listed[WarningMark] | None = Field(
        default=None, description="When to warn: shares of the limit, or -30m before it."
    )
    pauses: Annotated[dict[str, PauseRow], BeforeValidator(_pauses)] | None = Field(
        default=None, description="Reasons that pause the resolution clock."
    )


def _named(value: object) -> str:
    return BRANCHES[0] if isinstance(value, str) else BRANCHES[1]


def _runner(value: object) -> object:
    known = (*KINDS, *READY)
    if isinstance(value, str) and value not in known:
        raise refusal(f"{value!r} is no runner", advice(value, known))
    return value


class RunnerRow(Strict):
    """A program that does the work of an agent [OPS-17]; no shell."""

    type: Literal["inbox", "command", "systemd-run"] = Field(
        default="command", description="command; systemd-run puts it into a unit of its own; inbox: no program."
    )
    entry: Literal["claude", "codex", "gemini", "opencode"] | None = Field(
        default=None, description="A ready-made entry; what else is given goes over it, or is added."
    )
    program: Word | None = Field(default=None, description="Absolute path, or a name on PATH.")
    args: Words = Field(default=(), description="Arguments; {prompt} or {file} stands for the prompt, or for its file.")
    prompt: Literal["stdin", "file", "argument"] | None = Field(
        default=None, description="How it is told what is to be done."
    )
    words: bool | None = Field(
        default=None, description="It reads prose: it gets a prompt with the message fenced as data, not the message."
    )
    parser: (
        Literal["inbox", "response-file", "exit-code", "claude-stream", "codex-jsonl", "gemini-stream", "opencode-json"]
        | None
    ) = Field(default=None, description="How it answers: by itself (inbox), or by its output.")
    environment: Words = Field(
        default=(), description="Variables of the daemon that it gets as well; * stands for anything."
    )
    env: dict[str, Any] = Field(default={}, description="Variables that are given to it; secrets belong in a file.")
    folder: Word | None = Field(
        default=None, description="Its working folder: memory, instruction, work (its own), or an absolute path."
    )
    limits: dict[Literal["run_s", "memory_bytes", "file_bytes", "cpu_s", "open_files", "output_bytes"], Number] = Field(
        default={}, description="run_s, memory_bytes, file_bytes, cpu_s, open_files, output_bytes."
    )
    grace_s: Number | None = Field(default=None, description="Seconds from SIGTERM to SIGKILL.")
    turns: Literal["claude"] | None = Field(default=None, description="The form of further turns on stdin.")
    interrupt: bool | None = Field(default=None, description="Whether finalize comes with SIGINT.")

    def model_post_init(self, context: Any, /) -> None:
        """Without a program there is nothing to start."""
        if self.type != "inbox" and self.program is None and self.entry is None:
            raise refusal("a command needs a program", "give program, or the entry of a known one")
        if self.folder is not None and self.folder not in FOLDERS and not self.folder.startswith("/"):
            raise refusal(f"{self.folder!r} is no working folder", "use memory, instruction, work or an absolute path")


class AgentRow(Strict):
    """One agent of the roster [EXE-9]; what is left out stays as built in."""

    expertise: Words = Field(default=(), description="Words that its tasks are likely to hold.")
    capacity: Count = Field(default=3, description="Tasks at once; 0 = no limit.")
    escalates_to: AgentName = Field(default="support-manager", description="Whom its cases climb to.")
    hours: (
        Annotated[Annotated[Word, Tag("(name)")] | Annotated[CalendarRow, Tag("(row)")], Discriminator(_named)] | None
    ) = Field(default=None, description="Working hours: a calendar's name, or a calendar.")
    runner: Annotated[
        Annotated[Word, BeforeValidator(_runner), Tag("(name)")] | Annotated[RunnerRow, Tag("(row)")],
        Discriminator(_named),
    ] = Field(
        default="inbox",
        description="How it gets its work: inbox, command, the name of a ready-made entry, or a mapping.",
    )
    silence: Word | None = Field(default=None, description="Interval without a sign of life, or a ladder's name.")


class EscalationRow(Strict):
    """Who is told of what, after how long, and who next [EXE-19]."""

    on: Words = Field(description="What happens: the kind of a blocker, a breach, a missing answer.")
    match: Match = Field(default=Match(), description="Which cases it is for.")
    who: AgentName | None = Field(default=None, description="Whose trouble it is; nobody = anybody's.")
    after: SpanText | None = Field(default=None, description="How long to wait first.")
    to: Listed[AgentName] = Field(description="Whom to ask, level by level.")


class RungRow(Strict):
    """One step of a ladder."""

    do: Word = Field(description="What is sent or done, e.g. reminder.")
    after: RungGap = Field(description="Gap after the rung below: a span, I, I/2 …")
    to: AgentName | None = Field(default=None, description="To whom, where it is not the holder.")


class LadderRow(Strict):
    """A ladder of silence [EXE-16]."""

    interval: Annotated[dict[str, SpanText], BeforeValidator(_per_interval)] = Field(
        default={}, description="The interval I: a span, or spans by tier or priority."
    )
    rungs: tuple[RungRow, ...] = Field(default=(), description="The rungs from the lowest up; none = as built in.")


class ChannelRow(Strict):
    """A way out of the machine [SLA-16] [OPS-15]; secrets are named by file, never written here."""

    type: Word = Field(description="email, webhook, command, or what the notification library knows.")
    url: Word | None = Field(default=None, description="Where to; shown masked.")
    url_file: Word | None = Field(default=None, description="A file that holds the URL, where the URL is a secret.")
    host: Word | None = Field(default=None, description="SMTP server.")
    port: Number | None = Field(default=None, description="SMTP port; else 587, without tls 25.")
    tls: bool = Field(default=True, description="Whether the connection must be encrypted.")
    user: Word | None = Field(default=None, description="Who logs in.")
    password_file: Word | None = Field(default=None, description="A file or systemd credential with the password.")
    secret_file: Word | None = Field(default=None, description="A file or credential with the key that signs.")
    sender: Word | None = Field(default=None, alias="from", description="The sender's address.")
    to: Words = Field(default=(), description="Addresses; none = the customer's contact.")
    program: Word | None = Field(default=None, description="The program of a command channel.")
    args: Words = Field(default=(), description="Its arguments.")
    subject: Word | None = Field(default=None, description="Template of the subject, e.g. ${title}, update ${number}.")
    template: Word | None = Field(default=None, description="File of the template.")
    delivery: Literal["at_least_once", "at_most_once"] = Field(
        default="at_least_once", description="After a crash in between: send again, or ask the liaison."
    )
    attempts: Number = Field(default=8, description="Tries before it counts as failed.")
    retry: Waiting = Field(
        default="5 seconds", description="Wait before the second try; then three times as long each, at most an hour."
    )
    timeout_s: Number = Field(default=30, description="Seconds for one try.")
    on: Words = Field(default=(), description="Which message types or events, e.g. customer_update, incident.")
    match: Match = Field(default=Match(), description="Which cases it is for.")

    @property
    def retry_s(self) -> float:
        """`retry` in seconds."""
        return seconds(self.retry)


class Digests(Strict):
    """When `support-manager` gets a digest: cron expressions in the configured zone; `off` for never [SLA-18]."""

    daily: Cron = Field(default="0 7 * * *", description="What happened since the last one; off = never.")
    weekly: Cron = Field(default="0 7 * * mon", description="The same over a week; off = never.")


class Program(Strict):
    """A worker's program; no shell."""

    program: Word = Field(description="Absolute path, or a name on PATH.")
    args: Words = Field(default=(), description="Arguments.")


class Sessions(Strict):
    """Team sessions (chapter 7); keys in _s are whole seconds."""

    worker: Program | None = Field(default=None, description="The program that works on tasks.")
    roles: dict[Word, Program] = Field(default={}, description="Programs of single roles.")
    max_workers: Number = Field(default=5, description="Workers at once, per session.")
    max_attempts: Number = Field(default=3, description="Attempts of a task, the first included.")
    work_s: Number = Field(default=1800, description="Work before STATUS_CHECK.")
    status_s: Number = Field(default=180, description="From STATUS_CHECK to FINALIZE.")
    finalize_s: Number = Field(default=180, description="From FINALIZE to timed_out.")
    extension_s: Count = Field(default=1800, description="What an answer to STATUS_CHECK gains.")
    orphan_s: Count = Field(default=300, description="How long an unknown worker is waited for.")
    dependants: Literal["wait", "skip"] = Field(default="wait", description="Tasks behind a failed one: wait or skip.")
    completion: Literal["interactive", "auto_archive", "auto_keep"] = Field(
        default="interactive", description="What happens at the end, where the session does not say."
    )


class Budget(Strict):
    """What may be spent; at 80 % it is said, at 100 % paused [OPS-18]."""

    usd: Money | None = Field(default=None, description="US dollars.")
    tokens: Count | None = Field(default=None, description="Tokens in and out.")


def _budgets(value: object) -> object:
    """Keys are agents, or what a policy matches on: `priority: high, tier: 4`."""
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for key, row in value.items():
        parts = [re.split(r"\s*[:=]\s*", part.strip(), maxsplit=1) for part in str(key).split(",")]
        if all(len(part) == 2 for part in parts):
            for name, _ in parts:
                if name not in Match.model_fields:
                    raise refusal(f"{name!r} is nothing to match on", advice(name, Match.model_fields))
            found[", ".join(": ".join(part) for part in parts)] = row
        else:
            found[agent_key(key)] = row
    return found


class Limits(Strict):
    """Bounds of what is read and kept [SEC-0]."""

    file_bytes: Annotated[int, Field(ge=1024, le=1 << 30), BeforeValidator(whole)] = Field(
        default=262_144, description="Largest file that is read, in bytes."
    )
    yaml_depth: Annotated[int, Field(ge=4, le=256), BeforeValidator(whole)] = Field(
        default=64, description="Deepest nesting that is read."
    )
    output_bytes: Annotated[int, Field(ge=1024, le=1 << 40), BeforeValidator(whole)] = Field(
        default=10_485_760, description="Most that is kept of a worker's output, in bytes per stream."
    )


class Metrics(Strict):
    """Where numbers go [OPS-14]."""

    textfile: Word | None = Field(default=None, description="File for the node exporter's textfile collector.")
    http: Word | None = Field(default=None, description="host:port of the web extra's page.")
    ping: Word | None = Field(
        default=None, description="URL called every round, so that the daemon's death is noticed."
    )
    ping_file: Word | None = Field(default=None, description="A file that holds that URL.")


Budgets = Annotated[dict[str, Budget], BeforeValidator(_budgets)]
