"""What the commands have in common that speak to the daemon: who speaks, about what, and the receipt [OPS-4, MSG-12].

Counterparts: `files/dropping.py`, which carries a message; `decide.py` and `give.py`, which say what stands in it.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from executord.cli.frame import Frame, say
from executord.errors import BadInput, NotFound, Unreadable, UsageError
from executord.files import journal, lock
from executord.files.dropping import Receipt, await_receipt, drop, unique_name
from executord.files.store import Store
from executord.pen import dump
from executord.values import agent_name, cli_span, safe_id, stamp

EXECUTOR = "executor"
OPERATOR = "operator"

As = Annotated[str | None, typer.Option("--as", metavar="AGENT", help="Who speaks; else operator.")]
Reason = Annotated[str | None, typer.Option(help="Why; it is recorded.")]
Needed = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the receipt: 0 once the message lies there.")]
Timeout = Annotated[str, typer.Option(metavar="SPAN", help="How long to wait for the receipt, e.g. 90s.")]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message is about: a task, an instruction (`task` None), or neither."""

    instruction: str | None = None
    task: str | None = None

    def words(self) -> str:
        """As it is written on the command line."""
        return "/".join(filter(None, (self.instruction, self.task)))


@dataclass(frozen=True, slots=True)
class Patience:
    """Whether and how long to wait for the receipt; seconds."""

    wait: bool = True
    timeout_s: float = 60.0


def patience(no_wait: bool, timeout: str) -> Patience:
    """The patience that the options ask for. Raises `UsageError`."""
    try:
        return Patience(not no_wait, float(cli_span(timeout)))
    except BadInput as error:
        raise UsageError(f"--timeout: {error.message}", fix="use e.g. 90s, 15m or 2h30m") from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message that was not refused."""

    file: str
    path: str
    type: str
    subject: Subject
    outcome: str  # taken duplicate late processed dropped
    points: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As it stands in JSON."""
        return {
            "file": self.file,
            "path": self.path,
            "type": self.type,
            "instruction_id": self.subject.instruction,
            "task_id": self.subject.task,
            "outcome": self.outcome,
            "points": list(self.points),
        }

    def lines(self) -> Iterable[str]:
        """As it is said to a person."""
        about = f" {self.subject.words()}" if self.subject.words() else ""
        said = {
            "dropped": f"left at {self.path}",
            "late": "kept as late: the attempt was closed before it came, so it is not applied",
            "duplicate": "taken before; it changes nothing",
        }
        yield f"{self.type}{about}: {'not accepted yet' if self.points else said.get(self.outcome, 'done')}"
        yield from (f"  rework: {point}" for point in self.points)


# -- who speaks ------------------------------------------------------------------------------------------------


def speaker(given: str | None, option: str = "--as") -> str:
    """The name under which a message is sent. Raises `UsageError`."""
    name = agent_name(given if given is not None else OPERATOR)
    if not safe_id(name):
        raise UsageError(f"{option}: {given!r} is no agent's name", fix="use e.g. support-manager")
    return name


def known_agent(here: Frame, given: str) -> str:
    """The name of an agent who is known: on the roster, a desk, or with an inbox [MSG-6]. Raises `NotFound`."""
    name = agent_name(given)
    store = Store(here.memory, here.policy)
    if safe_id(name) and (name in here.policy.roster or here.policy.is_desk(name) or store.has_inbox(name)):
        return name
    near = difflib.get_close_matches(name, [*here.policy.roster, *store.agents()], 1)
    raise NotFound(f"there is no agent {given!r}", fix=f"did you mean {near[0]}?" if near else "see `executord status`")


# -- about what ------------------------------------------------------------------------------------------------


def task_named(here: Frame, text: str, by: str | None = None) -> Subject:
    """`ID/TASK`, or `TASK` where only one open instruction has it; of several, the one that `by` holds."""
    instruction, slash, task = text.partition("/")
    if slash:
        if not task:
            raise UsageError(f"{text!r} names an instruction, not a task", fix="use ID/TASK")
        return Subject(here.case_named(instruction), task)
    service = here.peek()
    found = [
        (case, task)
        for case in service.cases.values()
        for task in case.tasks.values()
        if text == task.id or (task.file is not None and task.file.name.rsplit(".", 1)[0] == text)
    ]
    for narrowed in ([p for p in found if p[0].head.closed is None], [p for p in found if by and _his(p[1], by)]):
        if len(found) > 1 and narrowed:
            found = narrowed
    if not found:
        raise NotFound(f"no instruction has a task {text!r}", fix="see `executord list`, and use ID/TASK")
    if len(found) > 1:
        which = ", ".join(sorted(f"{case.id}/{task.id}" for case, task in found))
        raise UsageError(f"several instructions have a task {text!r}: {which}", fix="use ID/TASK")
    case, only = found[0]
    return Subject(case.id, only.id)


def _his(task: Any, agent: str) -> bool:
    return task.live is not None and (task.live.agent == agent or agent in task.spec.supporting)


def task_or_instruction(here: Frame, text: str) -> Subject:
    """`ID`, `ID/` or what `task_named` takes; a name that is both is not guessed."""
    if text.endswith("/"):
        return Subject(here.case_named(text))
    if "/" in text or not Store(here.memory, here.policy).is_case(text) or text.startswith((".", "_")):
        return task_named(here, text)
    try:
        other = task_named(here, text)
    except (NotFound, UsageError):
        return Subject(text)
    raise UsageError(f"{text!r} is an instruction, and a task of {other.instruction}", fix=f"use {text}/ or ID/{text}")


# -- sending ---------------------------------------------------------------------------------------------------


def tell(here: Frame, kind: str, by: str, subject: Subject, fields: Mapping[str, Any], how: Patience) -> Outcome:
    """Drop a message to the executor and wait for its receipt.

    Raises `BadInput` with the reason if it is rejected, `DaemonDown`, `TimedOut`, `CannotWrite`.
    """
    now = here.now()
    body = {
        "type": kind,
        "from": by,
        "to": EXECUTOR,
        "timestamp": stamp(now),
        "instruction_id": subject.instruction,
        "task_id": subject.task,
        **fields,
    }
    name = unique_name(now, kind, subject.instruction or "", subject.task or "")
    return post(here, kind, name, dump({k: v for k, v in body.items() if v is not None}), subject, how)


def post(
    here: Frame, kind: str, name: str, data: bytes, subject: Subject, how: Patience, *, folder: str = EXECUTOR
) -> Outcome:
    """The same for a message that is written already; `folder`: which inbox of the executor's."""
    root = here.memory
    path = drop(root, folder, name, data)
    if not how.wait:
        if lock.holder(root) is None:
            typer.echo("executord: the daemon is not running; the message is taken at its next start", err=True)
        return Outcome(name, path, kind, subject, "dropped")
    receipt = await_receipt(root, path, lambda: lock.holder(root) is not None, how.timeout_s)
    if receipt.rejected:
        raise rejected(receipt)
    outcome, points = _noted(root, subject.instruction, name)
    return Outcome(name, receipt.path, kind, subject, outcome, points)


def rejected(receipt: Receipt) -> BadInput:
    """The reason of a rejection as an error."""
    reason = receipt.reason
    return BadInput(
        str(reason.get("reason") or "the message was rejected"),
        path=receipt.path,
        fix=str(reason["fix"]) if reason.get("fix") else None,
        code=str(reason["code"]) if reason.get("code") else None,
    )


def _noted(root: str, instruction: str | None, name: str) -> tuple[str, tuple[str, ...]]:
    """What the journal says of a message that was filed: an outcome, and what a claim lacks."""
    if instruction is None:
        return "processed", ()
    try:
        entries = journal.read(os.path.join(root, instruction)).entries
    except (OSError, Unreadable):
        return "processed", ()
    for entry in reversed(entries):
        if str(entry.get("name", "")).startswith(f"file {name} #"):
            facts = entry.get("facts") or {}
            return str(facts.get("outcome") or "processed"), tuple(map(str, facts.get("points") or ()))
    return "processed", ()


def report(here: Frame, outcomes: Iterable[Outcome]) -> None:
    """Print each outcome as it comes; with --json all of them as one object."""
    done = []
    for each in outcomes:
        done.append(each)
        if not here.as_json:
            for line in each.lines():
                say(line)
    if here.as_json:
        here.give({"messages": [each.plain() for each in done]})
