"""`simulate`: what would be done with this memory, and when [CON-7, OPS-7]."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from executord.cli.frame import Frame, frame, say
from executord.errors import BadInput, CannotWrite, Finding, Locked, NotFound, UsageError
from executord.files.disk import INBOX
from executord.hands import Entry
from executord.pen import json_text
from executord.rehearsal import End, Rehearsal, copy_memory, line_of, text_of_line
from executord.rehearsal.script import Step, read_script, read_when
from executord.values import read_stamp, stamp

FIELDS = ("severity", "code", "path", "line", "column", "field", "message", "fix")  # of a finding [CON-10]


def simulate(
    context: typer.Context,
    memory: Annotated[str, typer.Argument(help="The memory that is rehearsed.")],
    start: Annotated[str, typer.Option(help="Where the clock is set, e.g. 2026-11-20T09:00:00Z.")],
    until: Annotated[str, typer.Option(help="Where it ends: a moment, or +SPAN from the start.")] = "+1d",
    script: Annotated[str | None, typer.Option(help="What others do: a YAML or JSON list; - is stdin.")] = None,
    keep: Annotated[str | None, typer.Option(help="Keep the copy as this folder, which must not exist.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Work on MEMORY itself, not on a copy.")] = False,
) -> None:
    """Run the rules on a copy of a memory with a set clock, jumping from due line to due line."""
    here = frame(context)
    if keep is not None and in_place:
        raise UsageError("--keep and --in-place exclude each other")
    begin, end = _times(start, until)
    if not os.path.isdir(memory):
        raise NotFound(f"no memory at {memory}", path=memory, fix="name the folder that holds the instructions")
    policy = here.policy
    steps = _steps(script, begin) if script is not None else ()
    with _stage(memory, keep, in_place) as root:
        play = Rehearsal(root, policy, begin, note=lambda case_id, entry: _say_line(here, case_id, entry))
        done = play.run(steps, end)
    _say_end(here, done, os.path.abspath(memory) if in_place else os.path.abspath(keep) if keep is not None else None)


def _times(start: str, until: str) -> tuple[datetime, datetime]:
    try:
        begin = read_stamp(start)
        end = read_when(until, begin)
    except BadInput as error:
        raise UsageError(error.message, fix=error.fix) from error
    if end < begin:
        raise UsageError(f"--until {until} lies before --start {start}", fix="use a later moment, or +SPAN")
    return begin, end


def _steps(script: str, begin: datetime) -> tuple[Step, ...]:
    try:
        return read_script(_read(script), begin)
    except BadInput as error:
        error.path = error.path or script
        raise


def _read(script: str) -> bytes:
    if script == "-":
        return sys.stdin.buffer.read()
    try:
        with open(script, "rb") as file:
            return file.read()
    except OSError as error:
        fix = "name a YAML or JSON file"
        raise NotFound(f"no script at {script}: {error.strerror}", path=script, fix=fix) from error


@contextmanager
def _stage(memory: str, keep: str | None, in_place: bool) -> Iterator[str]:
    """The folder to work on; a copy that is not kept is removed, whatever happens."""
    if in_place:
        _refuse_running(memory)
        yield memory
        return
    if keep is not None:
        source, target = os.path.realpath(memory), os.path.realpath(keep)
        if os.path.lexists(keep):
            raise CannotWrite("it exists already", path=keep, fix="name a folder that does not exist yet")
        if target.startswith(source + os.sep):
            raise UsageError(f"--keep {keep} lies inside the memory", fix="name a folder beside it")
        copy_memory(memory, keep)
        yield keep
        return
    folder = tempfile.mkdtemp(prefix="executord-")

    def ended(number: int, _frame: object) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = {number: signal.signal(number, ended) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        copy_memory(memory, f"{folder}/memory")
        yield f"{folder}/memory"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for number, old in before.items():
            signal.signal(number, old)


def _refuse_running(memory: str) -> None:
    """A daemon that runs on this very tree must not find the work of a set clock in it [REL-7]."""
    try:
        fd = os.open(f"{memory}/{INBOX}/executor/.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Locked("a daemon runs on this memory", path=memory, fix="stop it, or leave out --in-place") from error
    finally:
        os.close(fd)


def _say_line(here: Frame, case_id: str, entry: Entry) -> None:
    line = line_of(case_id, entry)
    say(json_text(line) if here.as_json else text_of_line(read_stamp(entry["at"]), entry["name"], entry.get("to")))


def _say_end(here: Frame, end: End, memory: str | None) -> None:
    if here.as_json:
        shown: dict[str, Any] = {
            "at": stamp(end.at),
            "reason": end.reason,
            "lines": end.lines,
            "cases": [dict(row) for row in end.cases],
            "findings": [as_finding(each) for each in end.findings],
            "memory": memory,
        }
        say(json_text({"end": shown}))
        return
    say(f"{end.at:%Y-%m-%d %H:%M}  end: {end.reason}, {end.lines} lines")
    for row in end.cases:
        counts = ", ".join(f"{n} {folder}" for folder, n in row["tasks"].items() if n) or "no task files"
        say(f"  {row['id']}: {row['phase']}, {counts}")
    for each in end.findings:
        say(f"  {each.severity} {each.text()}")
    if memory is not None:
        say(f"  memory: {memory}")


def as_finding(found: Finding) -> dict[str, Any]:
    """A finding in the shape of the contract [CON-10]."""
    given = asdict(found)
    return {key: given[key] for key in FIELDS}


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.command()(simulate)
