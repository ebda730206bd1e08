"""`executord session …`: run a team session in the foreground, look at it, and speak to whoever runs it [chapter 7].

Counterparts: `sessions/front.py`, which runs one; `sessions/desk.py`, the same under the daemon; `team/texts.py`, what
is printed.
"""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NoReturn

import typer

from executord.cli.frame import Frame, frame, say
from executord.cli.letterbox import As, Reason, Timeout, patience, rejected, speaker
from executord.errors import BadInput, NotFound, UsageError
from executord.files import lock
from executord.files.dropping import Receipt, reason_beside
from executord.pen import safe_text
from executord.sessions.crew import Processes, Programs, check_programs
from executord.sessions.folder import read_session, verdict
from executord.sessions.front import Front, await_filed, await_settled, leave, peek
from executord.sessions.glance import tails
from executord.sessions.sight import absent
from executord.team import texts, views
from executord.team.papers import Reading
from executord.team.record import Team
from executord.values import whole_number

SPAN = "60s"
Session = Annotated[str | None, typer.Option("--session", metavar="PATH", help="The session's folder.")]
Task = Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")]
WorkerOption = Annotated[
    str | None, typer.Option("--worker", metavar='"CMD ARGS"', help="The worker's program, for all roles.")
]

app = typer.Typer(help="Team sessions.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


# --- validation -------------------------------------------------------------------------------------------------------


def validate(context: typer.Context, session: Session = None) -> None:
    """Whether a session can be executed: every fault with its id, its text and a hint."""
    here = frame(context)
    path, reading = verdict(session)
    if here.as_json:
        plan = reading.plan
        here.give(
            {
                "ok": not reading.faults,
                "session": path if path is not None else os.path.abspath(session) if session else None,
                "errors": [fault.plain() for fault in reading.faults],
                "warnings": [fault.plain() for fault in reading.warnings],
                "roles": list(plan.roles) if plan is not None else [],
                "tasks": list(plan.nodes) if plan is not None else [],
            }
        )
        if reading.faults:
            _print_faults(reading)
            raise typer.Exit(reading.faults[0].code)
        return
    if reading.faults:
        _print_faults(reading)
        raise typer.Exit(reading.faults[0].code)
    for warning in reading.warnings:
        typer.echo(f"warning {warning.text}\n  hint: {warning.hint}", err=True)
    assert reading.plan is not None
    say(f"valid: {_number(len(reading.plan.roles), 'role')}, {_number(len(reading.plan.nodes), 'task')}")


def _number(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _print_faults(reading: Reading) -> None:
    for fault in reading.faults:
        typer.echo(f"{fault.id} {fault.text}\n  hint: {fault.hint}", err=True)


def _valid(here: Frame, given: str | None) -> tuple[str, Reading]:
    """The session's folder and what stands in it; ends with the table's code where it is not valid."""
    path, reading = verdict(given)
    if reading.faults:
        _refuse(here, path, reading)
    assert path is not None
    return path, reading


def _refuse(here: Frame, path: str | None, reading: Reading) -> NoReturn:
    _print_faults(reading)
    first = reading.faults[0]
    if here.as_json:
        error = {"code": first.code, "message": first.text, "path": path or first.path, "fix": first.hint}
        here.give({"error": error, "errors": [fault.plain() for fault in reading.faults]})
    raise typer.Exit(first.code)


def _readable(here: Frame, given: str | None) -> tuple[str, Reading]:
    """The same for who only looks: an archived session is readable as well [SES-E6]."""
    path, reading = verdict(given)
    faults = tuple(fault for fault in reading.faults if fault.id != "SES-E6")
    if faults:
        _refuse(here, path, Reading(None, faults))
    assert path is not None
    return path, reading


# --- running ----------------------------------------------------------------------------------------------------------


def _no_worker() -> None:
    """Workers do not run sessions [SES-26]."""
    if os.environ.get("EXECUTORD_SESSION"):
        raise BadInput(
            "workers do not run sessions", code="SES-26",
            fix="leave your result in EXECUTORD_RESULT and end; the executor goes on by itself",
        )  # fmt: skip


def run(context: typer.Context, session: Session = None, worker: WorkerOption = None, as_: As = None) -> None:
    """Execute a session: spawn its workers, follow them, deliver. A paused one goes on."""
    _no_worker()
    _run(frame(context), session, worker, speaker(as_))


def resume(
    context: typer.Context,
    session: Session = None,
    worker: WorkerOption = None,
    as_: As = None,
    timeout: Timeout = SPAN,
) -> None:
    """Check workers, process results, advance; where somebody runs it, he is told to."""
    _no_worker()
    here, by = frame(context), speaker(as_)
    path, _ = _valid(here, session)
    if lock.holder(path, lock.SESSION_PLACE) is not None:
        _tell(here, path, "resume", by, {}, timeout)
        return
    _run(here, session, worker, by)


def _run(here: Frame, given: str | None, worker: str | None, by: str) -> None:
    path, reading = _valid(here, given)
    if reading.status == "completed":
        team = peek(path, reading, here.settings, here.policy)
        _report(here, team)
        return
    for warning in reading.warnings:
        typer.echo(f"executord: warning: {warning.text}", err=True)
    assert reading.plan is not None
    programs = Programs(here.settings, worker)
    check_programs(programs, list(dict.fromkeys(node.role for node in reading.plan.nodes.values())))
    bell: queue.SimpleQueue[str] = queue.SimpleQueue()
    crew = Processes(
        programs, output_bytes=here.settings.limits.output_bytes, durable=here.settings.durability == "full",
        ring=bell.put,
    )  # fmt: skip
    front = Front(path, here.settings, here.policy, crew, bell, _told(here))
    try:
        front.open(reading)
        code = _follow(here, front, by)
    except KeyboardInterrupt:
        print(f"executord: stopped; the workers go on. Go on with: executord session resume --session={path}",
              file=sys.stderr)  # fmt: skip
        code = 1
    finally:
        front.close()
        crew.close()
    raise typer.Exit(code)


def _told(here: Frame) -> Any:
    def told(entry: Mapping[str, Any]) -> None:
        text = texts.told(entry)
        if text is not None:
            print(safe_text(text), file=sys.stderr if here.as_json else sys.stdout, flush=True)

    return told


def _follow(here: Frame, front: Front, by: str) -> int:
    """Until it is complete, or a person is needed; the exit code [SES-29]."""
    engine = front.engine
    assert engine is not None
    if engine.team.head.status == "paused":
        leave(engine.path, "resume", by, here.now(), {})
    front.run()
    asked = 0
    while engine.asking and asked < 3:
        asked += 1
        choice = _choose(here)
        leave(engine.path, "decision", by, here.now(), choice)
        front.run()
    if engine.asking:
        leave(engine.path, "decision", by, here.now(), {"decision": "keep"})
        front.run()
    team = engine.team
    _report(here, team)
    if team.head.status == "paused" and team.complete and not here.as_json:
        say(f"Resume with: executord session run --session={engine.path}")
    if team.complete:
        return 0
    if not here.as_json:
        _say_why(team, engine.path)
    return 1


def _choose(here: Frame) -> dict[str, Any]:
    """Ask at the terminal; where there is none the session is kept active, and that is said [SES-23]."""
    if here.as_json or not sys.stdin.isatty():
        print("executord: warning: nobody can be asked here what is to become of the session; it is kept active",
              file=sys.stderr)  # fmt: skip
        return {"decision": "keep"}
    say("Completion")
    say(texts.QUESTION)
    for k, (_, label, text) in enumerate(texts.OPTIONS, 1):
        say(f"  {k}. {label} - {text}")
    said = _ask("Your choice [1]: ").strip().lower() or "1"
    actions = [action for action, _, _ in texts.OPTIONS]
    number = whole_number(said)
    action = actions[number - 1] if number is not None and 1 <= number <= len(actions) else said
    if action not in actions:
        near = next((a for a, label, _ in texts.OPTIONS if a.startswith(said) or label.lower().startswith(said)), None)
        if near is None:
            say(f"{said!r} is none of them; the session is kept active")
        action = near or "keep"
    if action != "export":
        return {"decision": action}
    target = os.path.abspath(os.path.expanduser(_ask("Export to directory: ").strip() or "."))
    return {"decision": "export", "to_folder": target}


def _ask(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:
        return ""


def _say_why(team: Team, path: str) -> None:
    waits = team.blocking()
    if team.head.question is not None:
        say(f"[executor] Waiting for a decision: {team.head.question.text}")
    elif waits:
        say(f"[executor] Stalled: waiting on {', '.join(f'{i} ({team.jobs[i].status})' for i in waits)}")
    for task in waits:
        say(f"[executor]   executord session retry {task} --session={path}")
        for other in team.skippable(task):
            say(f"[executor]   executord session skip {other} --reason … --session={path}")


def _report(here: Frame, team: Team) -> None:
    discussions, wisdom = tails(team.path)
    if here.as_json:
        here.give(views.status(team, here.now()))
        return
    for line in texts.report(team, here.now(), discussions, wisdom, partial(absent, team.path)):
        say(line)


# --- looking ----------------------------------------------------------------------------------------------------------


def status(context: typer.Context, session: Session = None) -> None:
    """How a session stands; changes nothing."""
    here = frame(context)
    path, reading = _readable(here, session)
    report = views.status(peek(path, reading, here.settings, here.policy), here.now())
    here.give(report, lambda: texts.board(report, path))


# --- speaking ---------------------------------------------------------------------------------------------------------


def tell(
    context: typer.Context,
    task: Task,
    text: Annotated[str, typer.Argument(metavar="TEXT|-", help="What to tell; - reads it from stdin.")],
    session: Session = None,
    as_: As = None,
    timeout: Timeout = SPAN,
) -> None:
    """Supplementary context for a running worker."""
    here = frame(context)
    path, _ = _valid(here, session)
    said = sys.stdin.read() if text == "-" else text
    if not said.strip():
        raise UsageError("there is nothing to tell", fix="give a text, or - and the text on stdin")
    _tell(here, path, "tell", speaker(as_), {"task_id": task, "text": said}, timeout)


def retry(
    context: typer.Context, task: Task, session: Session = None, reason: Reason = None, as_: As = None,
    timeout: Timeout = SPAN,
) -> None:  # fmt: skip
    """Try a failed, timed-out or skipped task again."""
    _no_worker()
    here = frame(context)
    path, _ = _valid(here, session)
    _tell(here, path, "retry", speaker(as_), {"task_id": task, "reason": reason}, timeout)


def skip(
    context: typer.Context, task: Task, session: Session = None, reason: Reason = None, as_: As = None,
    timeout: Timeout = SPAN,
) -> None:  # fmt: skip
    """A task is not to be done; it needs a reason."""
    _no_worker()
    here = frame(context)
    if not (reason or "").strip():
        raise UsageError("skip needs --reason", fix="say why; it is recorded")
    path, _ = _valid(here, session)
    _tell(here, path, "skip", speaker(as_), {"task_id": task, "reason": reason}, timeout)


def complete(
    context: typer.Context,
    session: Session = None,
    action: Annotated[str | None, typer.Option(metavar="archive|keep|export", help="What becomes of it.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DIR", help="Where to export the artifacts.")] = None,
    as_: As = None,
    timeout: Timeout = SPAN,
) -> None:
    """What becomes of a complete session: archive it, keep it active, or export its artifacts and archive it."""
    _no_worker()
    here = frame(context)
    if action not in ("archive", "keep", "export"):
        raise UsageError(
            f"--action: {action!r} is none" if action else "--action is needed", fix="use archive, keep or export"
        )
    if action == "export" and not to:
        raise UsageError("export needs --to DIR", fix="say where to copy the artifacts")
    path, _ = _valid(here, session)
    target = os.path.abspath(os.path.expanduser(to)) if to else None
    _tell(here, path, "decision", speaker(as_), {"decision": action, "to_folder": target}, timeout)


def _tell(here: Frame, path: str, kind: str, by: str, fields: Mapping[str, Any], timeout: str) -> None:
    """Leave a message for whoever runs the session and wait for its receipt; where nobody does, act [SES-28]."""
    how = patience(False, timeout)
    name = leave(path, kind, by, here.now(), fields)
    found = await_filed(path, name, how.timeout_s)
    team = None
    if found is None:
        team = _act(here, path)
        found = await_filed(path, name, 0.0)
    if found is None:
        raise NotFound("the message was not taken", path=path)
    place, refused = found
    if refused:
        raise rejected(Receipt(place, True, reason_beside(path, place)))
    if kind == "decision":
        team = _settled(here, path, how.timeout_s)
    _said(here, path, kind, place, fields, team)


def _act(here: Frame, path: str) -> Team:
    """Nobody runs it: take the lock, take the message, start nobody."""
    crew = Processes(Programs(here.settings))
    front = Front(path, here.settings, here.policy, crew, queue.SimpleQueue(), _told(here))
    try:
        engine = front.open(read_session(path), only_messages=True)
        front.run()
        return engine.team
    finally:
        front.close()


def _settled(here: Frame, path: str, timeout_s: float) -> Team:
    """How a session stands once a decision on it is carried out."""
    await_settled(path, timeout_s)
    return peek(path, read_session(path), here.settings, here.policy)


def _said(here: Frame, path: str, kind: str, place: str, fields: Mapping[str, Any], team: Team | None) -> None:
    task = fields.get("task_id")
    if here.as_json:
        status = team.head.status if team is not None else None
        here.give({"messages": [{"file": os.path.basename(place), "path": place, "type": kind, "session": path,
                                 "task_id": task, "outcome": "taken", "status": status}]})  # fmt: skip
        return
    say(f"{kind}{f' {task}' if task else ''}: done")
    if kind == "decision" and team is not None:
        if team.head.status == "paused":
            say(f"Resume with: executord session run --session={path}")
        else:
            say(f"session {team.id}: {team.head.status}")


def add(typer_app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    for command in (run, validate, status, resume, tell, retry, skip, complete):
        app.command()(command)
    for word, command in (("check", status), ("continue", resume), ("next", resume)):
        app.command(word)(command)
    typer_app.add_typer(app, name="session")
