"""The commands that give work and answers: submit, send, respond.

Counterparts: `submission.py`, what may be handed in [CON-17]; `letterbox.py`, how a message is sent [OPS-4].
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from executord.cli.answers import Answer, carry_files, text_or_file
from executord.cli.frame import Frame, frame
from executord.cli.letterbox import (
    EXECUTOR,
    OPERATOR,
    As,
    NoWait,
    Outcome,
    Subject,
    Timeout,
    known_agent,
    patience,
    post,
    report,
    speaker,
    task_named,
    tell,
)
from executord.cli.submission import LIMITS, put_in_place, read_submission
from executord.errors import BadInput, Finding, NotFound, UsageError
from executord.files.disk import OWN_INBOXES
from executord.files.dropping import drop, unique_name
from executord.files.store import Store
from executord.letters import INSTRUCTION, SENDER, TASK, scalar, word
from executord.paper import Limits, Sheet, parse
from executord.pen import dump, safe_text
from executord.reading import find
from executord.values import agent_name

File = Annotated[str, typer.Argument(metavar="FILE|-", help="YAML or JSON; - is standard input.")]


def submit(context: typer.Context, file: File) -> None:
    """Hand in an instruction: one file {instruction, plan?, tasks} becomes its folder. Prints the id."""
    here = frame(context)
    root = here.memory
    shown, raw = _read(file)
    sheet = parse(raw, path=shown, limits=LIMITS)
    given = read_submission(sheet, shown, here.policy.zone, here.now(), here.settings.limits.file_bytes)
    _complain(given.findings)
    put_in_place(root, given)
    here.give({"id": given.id}, lambda: [given.id])


def _read(file: str) -> tuple[str, bytes]:
    """What a file, or standard input, holds; and how it is called. Raises `NotFound`, `BadInput`."""
    try:
        if file == "-":
            return "-", sys.stdin.buffer.read(LIMITS.bytes + 1)
        with open(file, "rb") as opened:
            return file, opened.read(LIMITS.bytes + 1)
    except FileNotFoundError as error:
        raise NotFound("there is no such file", path=file) from error
    except OSError as error:
        raise BadInput(f"it cannot be read: {error.strerror}", path=file) from error


def _complain(findings: tuple[Finding, ...]) -> None:
    """Say what is odd on stderr. Raises `BadInput` for the first error; nothing was written."""
    errors = [f for f in findings if f.severity == "error"]
    for each in findings:
        if not errors or each is not errors[0]:
            typer.echo(safe_text(f"{each.severity} {each.text()}"), err=True)
    if errors:
        first = errors[0]
        raise BadInput(
            f"{first.field}: {first.message}" if first.field else first.message,
            path=first.path, line=first.line, column=first.column, fix=first.fix, code=first.code,
        )  # fmt: skip


def send(
    context: typer.Context,
    file: File,
    to: Annotated[str, typer.Option(metavar="AGENT", help="Whose inbox it goes to.")] = EXECUTOR,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = "60s",
) -> None:
    """Drop a message into an inbox; one to the executor is waited for until it is filed."""
    here, how = frame(context), patience(no_wait, timeout)
    by = speaker(as_) if as_ is not None else None
    shown, raw = _read(file)
    sheet = parse(raw, path=shown, limits=Limits(here.settings.limits.file_bytes, here.settings.limits.yaml_depth))
    if not sheet.data:
        raise BadInput("the message is empty", path=shown, fix="write type, from and what you have to say")
    data, body = _signed(sheet, by)
    agent = known_agent(here, to)
    kind = word(find(body, ("type", "message_type", "status")).value) or "message"
    name = unique_name(here.now(), kind)
    task = next((t for key in TASK if (t := scalar(find(body, (key,)).value))), None)
    subject = Subject(scalar(find(body, INSTRUCTION).value), task)
    if agent not in OWN_INBOXES:
        path = drop(here.memory, Store(here.memory, here.policy).inbox_of(agent), name, data)
        dropped = Outcome(name, path, kind, subject, "dropped")
        here.give({"messages": [dropped.plain()]}, lambda: [path])
        return
    report(here, [post(here, kind, name, data, subject, how, folder=agent)])


def _signed(sheet: Sheet, by: str | None) -> tuple[bytes, Mapping[str, Any]]:
    """The message with a sender: its bytes as they are where it has one and every reader can take them as YAML."""
    body: Mapping[str, Any] = sheet.data or {}
    said = scalar(find(body, SENDER).value)
    if said is not None and by is not None and agent_name(said) != by:
        raise UsageError(f"--as {by}, but the message is from {said}", fix="leave out --as, or correct `from:`")
    if said is None:
        body = {**body, "from": by or OPERATOR}
    elif not sheet.repaired and not sheet.raw.lstrip().startswith(b"{"):
        return sheet.raw, body
    return dump(body), body


def respond(
    context: typer.Context,
    task: Annotated[str, typer.Argument(metavar="TASK", help="ID/TASK, or TASK where only one of yours is so called.")],
    ack: Annotated[bool, typer.Option("--ack", help="I have it.")] = False,
    progress: Annotated[int | None, typer.Option(min=0, max=100, metavar="PERCENT", help="How far I am.")] = None,
    done: Annotated[bool, typer.Option("--done", help="It is done; with --summary and --output or --file.")] = False,
    blocked: Annotated[bool, typer.Option("--blocked", help="I cannot go on; with --description.")] = False,
    answer: Annotated[str | None, typer.Option(metavar="TEXT|@FILE", help="What a blocked task waited for.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="My attempt has failed; with --reason.")] = False,
    decline: Annotated[bool, typer.Option("--decline", help="I give it back; with --reason.")] = False,
    summary: Annotated[str | None, typer.Option(help="What was done.")] = None,
    output: Annotated[str | None, typer.Option(metavar="TEXT|@FILE", help="The result; @FILE.yaml as data.")] = None,
    file: Annotated[list[str] | None, typer.Option(metavar="PATH", help="A file of the result; repeatable.")] = None,
    concern: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Done, but; repeatable.")] = None,
    customer_update: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The customer was told: status, next_steps, blockers, expect_next, contact."),
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="With --progress.")] = None,
    eta: Annotated[str | None, typer.Option(metavar="TIME", help="With --ack, --progress: when it is done.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What stands in the way.")] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="With --failed or --decline.")] = None,
    attempt: Annotated[int | None, typer.Option(min=1, help="Which attempt is meant, if not the present one.")] = None,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="AGENT", envvar="EXECUTORD_AGENT", help="Who you are; required.")
    ] = None,
    no_wait: NoWait = False,
    timeout: Timeout = "60s",
) -> None:
    """Answer for a task that you hold: one of --ack, --progress, --done, --blocked, --answer, --failed, --decline,
    --customer-update."""
    if not as_:
        raise UsageError("respond speaks for a holder: say who you are", fix="use --as, or set EXECUTORD_AGENT")
    here, by, how = frame(context), speaker(as_), patience(no_wait, timeout)
    said = {
        "ack": ack, "progress": progress, "done": done, "blocked": blocked, "answer": answer, "failed": failed,
        "decline": decline, "summary": summary, "output": output, "file": file, "concern": concern,
        "customer_update": customer_update, "note": note, "eta": eta, "description": description, "reason": reason,
    }  # fmt: skip
    chosen = Answer.of(said)
    subject = task_named(here, task, by)
    fields = _fields(here, chosen, subject, said)
    report(here, [tell(here, chosen.type, by, subject, {**fields, "attempt": attempt}, how)])


def _fields(here: Frame, chosen: Answer, subject: Subject, said: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an answer: texts as they are, files read or carried to where the daemon looks for them."""
    fields: dict[str, Any] = {chosen.fields[k]: said[k] for k in chosen.fields if said.get(k)}
    if chosen.type == "progress":
        fields["percent"] = said["progress"]
    for key in ("output", "answer"):
        if key in fields:
            fields[key] = text_or_file(fields[key])
    if "artifacts" in fields:
        folder = os.path.join(here.memory, subject.instruction or "")
        fields["artifacts"] = carry_files(folder, subject.task or "", fields["artifacts"])
    if "customer_update" in fields:
        told = text_or_file(f"@{fields.pop('customer_update')}")
        update = told if isinstance(told, Mapping) else {"text": told}
        fields["customer_update" if chosen.type == "completion" else "update"] = update
    return fields


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    for command in (submit, send, respond):
        app.command()(command)
