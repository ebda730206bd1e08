"""The commands about what comes out at the end: gate, gate waive, report, archive [chapter 6].

Counterparts: `views/delivered.py`, what is shown; `messages/closing.py`, what a waiver and the archive mean.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from executord.case.casebook import Case
from executord.cli import boards
from executord.cli.decide import SPAN
from executord.cli.frame import Frame, frame
from executord.cli.letterbox import As, NoWait, Reason, Subject, Timeout, patience, speaker, tell
from executord.cli.letterbox import report as print_outcomes
from executord.clock import WallClock, pause
from executord.errors import BadInput, CannotWrite, Unreadable, UsageError
from executord.paper import Limits, parse
from executord.parcel import settled
from executord.service import Service
from executord.standards import ready
from executord.values import stamp, whole_number
from executord.views import delivered

Words = Annotated[
    list[str], typer.Argument(metavar="ID | waive ID STANDARD|COMPONENT", help="The table; or let one thing pass.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The instruction's id.")]


def gate(
    context: typer.Context,
    words: Words,
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """The six quality standards of an instruction: 0 ready, 1 not. `gate waive ID …` lets one pass, with a reason."""
    here = frame(context)
    match words:
        case ["waive", case_id, what]:
            if not (reason or "").strip():
                raise UsageError("--reason is missing", fix="say why; it is shown in the gate table and the hand-off")
            subject = Subject(here.case_named(case_id))
            number = whole_number(what)
            key, said = ("component", what) if number is None else ("standard", number)
            fields = {key: said, "reason": reason}
            print_outcomes(here, [tell(here, "waive", speaker(as_), subject, fields, patience(no_wait, timeout))])
        case ["waive", *_]:
            raise UsageError("gate waive needs ID and a standard or a component", fix="gate waive ID 4 --reason …")
        case [case_id]:
            _table(here, case_id)
        case _:
            raise UsageError(
                "gate needs one instruction", fix="gate ID, or gate waive ID STANDARD|COMPONENT --reason …"
            )


def _table(here: Frame, case_id: str) -> None:
    service, case, now = _case(here, case_id)
    table = delivered.table(service, case, now)
    is_ready = ready(table) and settled(case)
    rows = [each.row() for each in table]

    def text() -> Any:
        head = ("", "STANDARD", "RESULT", "EVIDENCE")
        shown = [(r["standard"], r["name"], r["result"], "; ".join(r["evidence"])) for r in rows]
        yield from boards.table(head, shown)
        open_still = ready(table) and not is_ready
        yield (
            "not ready: a task that is open is deferred or cancelled, not waived"
            if open_still
            else ("ready" if is_ready else "not ready")
        )

    here.say_if_down()
    here.give({"ready": is_ready, "gate": rows}, text)
    if not is_ready:
        raise typer.Exit(1)


def report(
    context: typer.Context,
    instruction: Id,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there.")] = None,
) -> None:
    """Everything about an instruction, readably: timeline, cause, decisions, SLA results, communication."""
    here = frame(context)
    service, case, now = _case(here, instruction)
    made = delivered.report(service, case, now)
    here.say_if_down()
    if output is None:
        here.give(made, lambda: delivered.as_text(made, service.policy))
        return
    lines = (
        [json.dumps({"schema_version": 1, **made}, ensure_ascii=False)]
        if here.as_json
        else delivered.as_text(made, service.policy)
    )
    try:
        Path(output).write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise CannotWrite(f"cannot write: {error.strerror}", path=output) from error
    here.give({"at": stamp(now), "id": case.id, "path": output}, lambda: [f"written: {output}"])


def archive(
    context: typer.Context,
    instruction: Id,
    reason: Reason = None,
    as_: As = None,
    no_wait: NoWait = False,
    timeout: Timeout = SPAN,
) -> None:
    """Move a closed instruction to `_archive/`, and check that all of it has arrived."""
    here, how = frame(context), patience(no_wait, timeout)
    case_id = here.case_named(instruction)
    subject = Subject(case_id)
    before = _files(f"{here.memory}/{case_id}")
    done = tell(here, "archive", speaker(as_), subject, {"reason": reason}, how)
    if done.outcome == "dropped":
        print_outcomes(here, [done])
        return
    clock = WallClock()
    end = clock.monotonic() + how.timeout_s
    target = f"{here.memory}/_archive/{case_id}"
    while not os.path.isdir(target) and clock.monotonic() < end:
        pause(0.05)
    faults = _verified(target, before)
    result = {
        "at": stamp(here.now()),
        "id": case_id,
        "path": f"_archive/{case_id}",
        "files": len(before),
        "faults": faults,
    }
    here.give(result, lambda: [f"_archive/{case_id}: {len(before)} files", *faults])
    if faults:
        raise typer.Exit(1)


def _files(base: str) -> dict[str, int]:
    return {
        os.path.relpath(f"{folder}/{name}", base): os.lstat(f"{folder}/{name}").st_size
        for folder, _, names in os.walk(base) for name in names if not name.startswith(".x-")
    }  # fmt: skip


def _verified(target: str, before: dict[str, int]) -> list[str]:
    """What has not arrived as it was: files by name, and those of the hand-off by their hash."""
    if not os.path.isdir(target):
        return [f"{target} is not there yet"]
    there = _files(target)
    faults = [f"{path} is missing" for path in sorted(before) if path not in there]
    try:
        with open(f"{target}/outputs/final/handoff.yaml", "rb") as file:
            manifest = (parse(file.read(), limits=Limits(bytes=32 << 20, nodes=5_000_000)).data or {}).get(
                "manifest"
            ) or []
    except (OSError, Unreadable):
        manifest = []
    for row in manifest if isinstance(manifest, list) else []:
        path = str(row.get("path"))
        try:
            with open(f"{target}/{path}", "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != row.get("sha256"):
                    faults.append(f"{path} is not as it was handed off")
        except OSError:
            faults.append(f"{path} is missing")
    return faults


def _case(here: Frame, named: str) -> tuple[Service, Case, Any]:
    case_id = here.case_named(named)
    now = here.now()
    service = here.peek(now, (case_id,))
    case = service.cases.get(case_id)
    if case is None:
        raise BadInput(service.broken[case_id][0].splitlines()[0], path=case_id)
    return service, case, now


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.command()(gate)
    app.command()(report)
    app.command()(archive)
