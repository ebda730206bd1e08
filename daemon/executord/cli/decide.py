"""The commands that decide: retry, reassign, defer, cancel, hold, release, pause, resume, mute, unmute,
priority, ack, accept-late.

Each drops one message from `--as` (the operator) and waits for its receipt [OPS-4]; what it means, and who may send it,
stands in `messages/` [MSG-4, MSG-12].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from executord.case.casebook import Case
from executord.cli.frame import Frame, frame
from executord.cli.letterbox import (
    As,
    Needed,
    NoWait,
    Outcome,
    Patience,
    Reason,
    Subject,
    Timeout,
    known_agent,
    patience,
    report,
    speaker,
    task_named,
    task_or_instruction,
    tell,
)
from executord.errors import BadInput, UsageError
from executord.values import cli_span, read_stamp, stamp
from executord.values import priority as read_priority

Task = Annotated[str, typer.Argument(metavar="TASK", help="ID/TASK, or TASK where only one instruction has it.")]
Either = Annotated[str, typer.Argument(metavar="ID|TASK", help="An instruction, or a task as ID/TASK or TASK.")]
Targets = Annotated[
    list[str] | None, typer.Argument(metavar="all|agent A|ID", help="Everything, one agent, one instruction.")
]
Muted = Annotated[list[str], typer.Argument(metavar="ID|agent A", help="One instruction, or one agent.")]
SPAN = "60s"


def retry(
    context: typer.Context,
    task: Task,
    with_dependants: Annotated[
        bool, typer.Option("--with-dependants", help="Then each ended task that depends on it, in order.")
    ] = False,
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Open an escalated or ended task again; or, by its id, a closed instruction."""
    here, by, how = frame(context), speaker(as_), patience(no_wait, timeout)
    subject = task_or_instruction(here, task)
    subjects = [subject]
    if with_dependants and subject.instruction is not None:
        case = here.peek(ids=(subject.instruction,)).cases.get(subject.instruction)
        subjects += [Subject(subject.instruction, t) for t in dependants(case, subject.task or "")] if case else []
    report(here, (tell(here, "retry", by, each, {"reason": reason}, how) for each in subjects))


def dependants(case: Case, task_id: str) -> Iterator[str]:
    """The ended or escalated tasks that build on this one, near or far, in plan order."""
    reached = {task_id}
    grown = True
    while grown:
        more = {t.id for t in case.tasks.values() if reached & {*t.spec.requires, *t.spec.after}} - reached
        grown = bool(more)
        reached |= more
    for each in case.in_order():
        if each.id in reached and each.id != task_id and (each.ended is not None or each.escalated):
            yield each.id


def reassign(
    context: typer.Context,
    task: Task,
    to: Annotated[str, typer.Option(metavar="AGENT", help="Who gets it.")],
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Give a task to somebody else."""
    here, how = frame(context), patience(no_wait, timeout)
    fields = {"to_agent": known_agent(here, to), "reason": reason}
    report(here, [tell(here, "reassign", speaker(as_), task_named(here, task), fields, how)])


def defer(
    context: typer.Context,
    what: Either,
    reason: Needed,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Put a task or an instruction off: it ends as deferred."""
    _decide(context, "defer", what, as_, {"reason": _said(reason)}, patience(no_wait, timeout))


def cancel(
    context: typer.Context,
    what: Either,
    reason: Needed,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """A task or an instruction is not to be done: it ends as cancelled."""
    _decide(context, "cancel", what, as_, {"reason": _said(reason)}, patience(no_wait, timeout))


def hold(
    context: typer.Context,
    what: Either,
    reason: Needed,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Put a task or an instruction on hold, for at most 72 hours."""
    _decide(context, "hold", what, as_, {"reason": _said(reason)}, patience(no_wait, timeout))


def release(
    context: typer.Context,
    what: Either,
    checkpoint: Annotated[str | None, typer.Option(metavar="CP", help="Let this checkpoint go.")] = None,
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Off hold again; or let a checkpoint go, or a task whose dependency was deferred or cancelled."""
    fields = {"checkpoint": checkpoint, "reason": reason}
    _decide(context, "release", what, as_, fields, patience(no_wait, timeout))


def priority(
    context: typer.Context,
    what: Either,
    to: Annotated[str, typer.Option(metavar="PRIORITY", help="critical, high, medium or low.")],
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Change the priority of a task or an instruction."""
    value = read_priority(to)
    if value is None:
        raise UsageError(f"--to: {to!r} is not a priority", fix="use critical, high, medium or low")
    _decide(context, "priority_change", what, as_, {"priority": value, "reason": reason}, patience(no_wait, timeout))


def ack(
    context: typer.Context,
    what: Either,
    message: Annotated[
        str | None, typer.Option("--message", metavar="NAME", help="Which message, where more than one is open.")
    ] = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Acknowledge what was asked about a task or an instruction: it is in hand, and climbs no further for now."""
    _decide(context, "acknowledgement", what, as_, {"in_reply_to": message}, patience(no_wait, timeout))


def accept_late(
    context: typer.Context,
    task: Task,
    attempt: Annotated[int, typer.Option(min=1, help="Whose late result is taken.")],
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Take the late result of an attempt as the task's result."""
    here, how = frame(context), patience(no_wait, timeout)
    fields = {"attempt": attempt, "reason": reason}
    report(here, [tell(here, "accept_late", speaker(as_), task_named(here, task), fields, how)])


def pause(
    context: typer.Context,
    target: Targets = None,
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Stop new dispatches: of everything, to an agent, or in an instruction."""
    here = frame(context)
    report(here, [_halt(here, "pause", target or [], speaker(as_), reason, patience(no_wait, timeout))])


def resume(
    context: typer.Context,
    target: Targets = None,
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Go on with new dispatches; also takes up a parked instruction."""
    here = frame(context)
    report(here, [_halt(here, "resume", target or [], speaker(as_), reason, patience(no_wait, timeout))])


def mute(
    context: typer.Context,
    target: Muted,
    for_: Annotated[str | None, typer.Option("--for", metavar="SPAN", help="For how long, e.g. 4h.")] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Until when, e.g. 2026-11-20T18:00:00Z.")] = None,
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Send no reminders and notifications about an instruction, or to an agent, for a while."""
    here = frame(context)
    if (for_ is None) == (until is None):
        raise UsageError("mute: say either --for SPAN or --until T", fix="use e.g. --for 4h")
    given: dict[str, Any] = {"reason": reason}
    try:
        if for_ is not None:
            given["for"] = f"{cli_span(for_)}s"
        else:
            given["until"] = stamp(read_stamp(until or ""))
    except BadInput as error:
        raise UsageError(f"--{'for' if for_ is not None else 'until'}: {error.message}", fix=error.fix) from error
    report(here, [_hush(here, "mute", target, speaker(as_), given, patience(no_wait, timeout))])


def unmute(
    context: typer.Context,
    target: Muted,
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Send them again from now on; what was not sent is not made up for."""
    here = frame(context)
    report(here, [_hush(here, "unmute", target, speaker(as_), {"reason": reason}, patience(no_wait, timeout))])


def _hush(here: Frame, kind: str, target: list[str], by: str, fields: Mapping[str, Any], how: Patience) -> Outcome:
    match target:
        case ["agent", name]:
            return tell(here, kind, by, Subject(), {"target_agent": known_agent(here, name), **fields}, how)
        case [name] if name != "agent":
            return tell(here, kind, by, task_or_instruction(here, f"{name.rstrip('/')}/"), fields, how)
    raise UsageError(f"{kind}: {' '.join(target)!r} is neither an instruction nor agent A", fix=f"{kind} agent A")


def _halt(here: Frame, kind: str, target: list[str], by: str, reason: str | None, how: Patience) -> Outcome:
    match target:
        case [] | ["all"]:
            return tell(here, kind, by, Subject(), {"reason": reason}, how)
        case ["agent", name]:
            return tell(here, kind, by, Subject(), {"target_agent": known_agent(here, name), "reason": reason}, how)
        case [name] if name != "agent":
            subject = task_or_instruction(here, f"{name.rstrip('/')}/")
            return tell(here, kind, by, subject, {"reason": reason}, how)
    raise UsageError(f"{kind}: {' '.join(target)!r} is not all, agent A, or an instruction", fix=f"{kind} agent A")


def _decide(
    context: typer.Context, kind: str, what: str, as_: str | None, fields: Mapping[str, Any], how: Patience
) -> None:
    here, by = frame(context), speaker(as_)
    report(here, [tell(here, kind, by, task_or_instruction(here, what), fields, how)])


def _said(reason: str) -> str:
    if not reason.strip():
        raise UsageError("--reason is empty", fix="say why; it is recorded with the decision")
    return reason


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    for command in (retry, reassign, defer, cancel, hold, release, pause, resume, mute, unmute, priority, ack):
        app.command()(command)
    app.command("accept-late")(accept_late)
