"""The commands that only look, with the daemon up or down: they read the tree and change nothing in it [OPS-4].

Counterparts: `views/` makes what is shown, `boards.py` the text of it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from executord.case import Task
from executord.case.casebook import Case
from executord.cli import boards, liveboard, screen
from executord.cli.frame import Frame, frame, say
from executord.clock import WallClock
from executord.errors import BadInput, NotFound, TimedOut, Unreadable, UsageError
from executord.files import journal
from executord.files.store import Store
from executord.service import Service
from executord.values import cli_span, stamp
from executord.views import chronicle, clockfaces, explain, outlook, overview, shelves

REFRESH_S, TICK_S = 2.0, 1.0
REST_SHARE = 4  # how much longer the board rests than it reads
POLL_S = 0.25

#: Phases in the order in which a case goes through them: whoever waits for one is content with a later one.
_ROAD = ("waiting", "executing", "gate", "handed_off", "closed")

Id = Annotated[str, typer.Argument(metavar="ID", help="The instruction's id.")]
SomeId = Annotated[str | None, typer.Argument(metavar="[ID]", help="One instruction; without it all.")]


def _rest(seconds: float) -> None:
    threading.Event().wait(seconds)


def _known(here: Frame, ids: Iterable[str], there: Iterable[str]) -> list[str]:
    """The ids as folders' names. Raises `NotFound` for one that is not there."""
    have = set(there)
    names = [i.rstrip("/") for i in ids]
    for name in names:
        if name not in have:
            raise here.no_case(name, have)
    return names


def _look(here: Frame, ids: Iterable[str] = ()) -> tuple[Service, datetime, list[str]]:
    now = here.now()
    service = here.peek(now)
    return service, now, _known(here, ids, {*service.cases, *service.broken})


def _look_at(here: Frame, named: str, leans: Callable[[Service, str], bool]) -> tuple[Service, datetime, str]:
    """One case, and the others only where what is asked of it depends on them. Raises `NotFound`."""
    now = here.now()
    case_id = here.case_named(named)
    service = here.peek(now, (case_id,))
    if leans(service, case_id):
        service = here.peek(now)
    return service, now, _known(here, [case_id], {*service.cases, *service.broken})[0]


def status(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Only these instructions.")] = None,
    watch: Annotated[
        bool,
        typer.Option("-w", "--watch", help="A live board on a terminal until q; else look again every two seconds."),
    ] = False,
) -> None:
    """How everything stands: daemon, instructions by slack, agents, what was rejected."""
    here = frame(context)
    if watch and not here.as_json and screen.can_draw():
        return _watch(here, ids or ())
    while True:
        service, now, names = _look(here, ids or ())
        report = overview.status(service, now, names)
        here.give(report, lambda r=report, s=service: boards.status_board(r, s))  # type: ignore[misc]
        if not watch:
            return None
        _rest(REFRESH_S)


def _watch(here: Frame, ids: Iterable[str]) -> None:
    """`status -w` on a terminal: clocks count from second to second; the tree is read every two seconds, and less
    often where reading it takes long, so that looking costs at most a fifth of a processor."""
    report: dict[str, Any] = {}
    slacks: dict[str, datetime | None] = {}
    again = 0.0

    def draw(columns: int, rows: int) -> list[str]:
        nonlocal report, slacks, again
        began = time.monotonic()
        if began >= again:
            if not os.path.isdir(here.memory):
                raise NotFound("the memory is gone", path=here.memory, fix="put it back, or name another with --memory")
            service, now, names = _look(here, ids)
            report = overview.status(service, now, names)
            slacks = {i: clockfaces.slack(case, here.policy) for i, case in service.cases.items()}
            ended = time.monotonic()
            again = ended + max(REFRESH_S, REST_SHARE * (ended - began))
        return liveboard.board(report, slacks, here.now(), columns, rows, colours=boards.colours())

    screen.run(draw, TICK_S)


def list_(context: typer.Context) -> None:
    """One line per instruction: id, phase, percent, title."""
    here = frame(context)
    service, now, _ = _look(here)
    found = [overview.instruction(service, i, now) for i in sorted({*service.cases, *service.broken})]
    rows = [{key: each[key] for key in ("id", "phase", "percent", "title")} for each in found]
    here.say_if_down()
    head = ("INSTRUCTION", "PHASE", "%", "TITLE")
    here.give(
        {"at": stamp(now), "instructions": rows},
        lambda: boards.listed(head, [tuple(r.values()) for r in rows], "no instructions"),
    )


def show(context: typer.Context, instruction: Id) -> None:
    """One instruction: its tasks, blockers, problems, plan and files."""
    here = frame(context)
    service, now, case_id = _look_at(here, instruction, outlook.leans)
    case = service.cases.get(case_id)
    plan = case.head.plan if case is not None else None
    report = {
        "at": stamp(now),
        **overview.instruction(service, case_id, now),
        "plan": dict(plan.data) if plan is not None else None,
        "files": shelves.outputs(here.memory, case_id),
    }
    here.say_if_down()
    here.give(report, lambda: boards.show_board(report))


def agenda(context: typer.Context, instruction: SomeId = None) -> None:
    """What will be done when, if nothing happens."""
    here = frame(context)
    if instruction is None:
        service, now, names = _look(here)
    else:
        service, now, *names = _look_at(here, instruction, outlook.leans)
    lines = outlook.to_come(service, now, names)
    here.say_if_down()
    here.give({"at": stamp(now), "lines": lines}, lambda: (boards.coming_text(x, case=not names) for x in lines))


def timeline(context: typer.Context, instruction: Id) -> None:
    """Every line of an instruction's journal."""
    here = frame(context)
    case_id = here.case_named(instruction)
    lines = chronicle.lines(here.memory, case_id)
    result = {"at": stamp(here.now()), "id": case_id, "lines": lines}
    here.say_if_down()
    here.give(result, lambda: (boards.line_text(x, case=False) for x in lines))


def log(
    context: typer.Context,
    instruction: SomeId = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
) -> None:
    """The journals' lines, of all instructions merged in order of time; with --json one object per line."""
    here = frame(context)
    only = here.case_named(instruction) if instruction is not None else None
    tails = chronicle.Tails(here.memory, only)
    here.say_if_down()
    told: dict[str, str] = {}
    while True:
        for line in tails.more():
            say(_json(line) if here.as_json else boards.line_text(line, case=only is None))
        for case_id, fault in tails.faults.items():
            if only is not None and not follow:
                raise fault
            if told.get(case_id) != str(fault):
                told[case_id] = str(fault)
                print(f"executord: {boards.clean(fault)}", file=sys.stderr)
        if not follow:
            return
        _rest(POLL_S)


def _json(line: Mapping[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False)


# --- why -----------------------------------------------------------------------------------------------------


def why(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="ID[/TASK]", help="An instruction, or one of its tasks.")],
) -> None:
    """Why it is as it is: each answer with its rule, what went into it and the journal's line."""
    here = frame(context)
    case_id, _, task_id = target.partition("/")
    service, now, _ = _look_at(here, case_id, lambda tree, name: bool(task_id) and outlook.queues(tree, name))
    answers, task = _answers(service, case_id, task_id, now)
    views = [a.view() for a in answers]
    here.say_if_down()
    result = {"at": stamp(now), "id": case_id, "task": task, "answers": views}
    here.give(result, lambda: (text for view in views for text in boards.answer_text(view)))


def _answers(service: Service, case_id: str, task_id: str, now: datetime) -> tuple[list[explain.Answer], str | None]:
    case = service.cases.get(case_id)
    if case is None:
        text = service.broken[case_id][0].splitlines()[0]
        return [explain.Answer("why is it parked", f"it cannot be read: {text}", "REL-4")], task_id or None
    entries = journal.read(f"{service.root}/{case_id}").entries
    if not task_id:
        return explain.case_answers(case, entries, service.policy), None
    task = _task(case, task_id)
    prospect = outlook.prospects(service, now).get((case_id, task.id))
    return explain.task_answers(case, task, entries, service.policy, prospect), task.id


def _task(case: Case, named: str) -> Task:
    """The task of this id, or of this file's name. Raises `NotFound`."""
    task = case.tasks.get(named)
    if task is not None:
        return task
    stem = named.removesuffix(".yaml").removesuffix(".yml")
    by_file = [t for t in case.tasks.values() if t.file is not None and t.file.name.rsplit(".", 1)[0] == stem]
    if len(by_file) == 1:
        return by_file[0]
    have = ", ".join(t.id for t in case.in_order()) or "none"
    raise NotFound(f"{case.id} has no task {named!r}", path=case.id, fix=f"its tasks: {have}")


# --- wait ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wish:
    """What is waited for: a phase, or (with `task`) a task's state."""

    word: str
    task: str | None = None

    def met(self, case: Case) -> bool:
        """Whether the case has come so far."""
        if self.task is not None:
            task = case.tasks.get(self.task)
            return task is not None and overview.stands(case, task).state == self.word
        now = overview.phase(case)
        return now == self.word or (now in _ROAD and self.word in _ROAD and _ROAD.index(now) >= _ROAD.index(self.word))

    def __str__(self) -> str:
        return self.word if self.task is None else f"{self.task}={self.word}"


def _wish(text: str) -> Wish:
    task, equals, state = text.rpartition("=")
    known = overview.STATES if equals else overview.PHASES
    if state not in known or (equals and not task):
        what = f"state of a task {state!r}" if equals else f"phase {state!r}"
        raise UsageError(f"--for: there is no {what}", fix=f"use {'TASK=' if equals else ''}{'|'.join(known)}")
    return Wish(state, task if equals else None)


def _patience(timeout: str | None) -> float | None:
    try:
        return float(cli_span(timeout)) if timeout is not None else None
    except BadInput as error:
        raise UsageError(f"--timeout: {error.message}", fix=error.fix) from error


def wait(
    context: typer.Context,
    instruction: Id,
    until: Annotated[
        list[str] | None, typer.Option("--for", help="A phase, or TASK=STATE; given several times: all of them.")
    ] = None,
    timeout: Annotated[str | None, typer.Option(help="Give up after this span (124), e.g. 30m.")] = None,
) -> None:
    """Wait until an instruction has come so far; needs no daemon."""
    here = frame(context)
    wishes = [_wish(text) for text in until or ["closed"]]
    patience = _patience(timeout)
    case_id = here.case_named(instruction)
    here.say_if_down()
    clock = WallClock()
    began = clock.monotonic()
    for case in _looks(here, case_id):
        if case is not None and all(w.met(case) for w in wishes):
            break
        spent = clock.monotonic() - began
        if patience is not None and spent >= patience:
            so_far = overview.phase(case) if case is not None else "parked"
            wanted = ", ".join(map(str, wishes))
            raise TimedOut(f"{case_id} is {so_far}; {wanted} did not come within {timeout}", path=case_id)
        _rest(POLL_S if patience is None else min(POLL_S, max(patience - spent, 0.0)))
    result = {"at": stamp(here.now()), "id": case_id, "for": [str(w) for w in wishes], "reached": True}
    here.give(result, lambda: [f"{case_id}: {', '.join(map(str, wishes))}"])


def _looks(here: Frame, case_id: str) -> Iterator[Case | None]:
    """The case, read again whenever something in its folder has changed; None while it cannot be read.

    Raises `NotFound` once it is gone; an archived one stays as it was seen last.
    """
    store = Store(here.memory, here.policy)
    store.expect_settled = True
    seen: object = None
    case: Case | None = None
    while True:
        print_ = _fingerprint(f"{here.memory}/{case_id}")
        if print_ != seen:
            if not store.is_case(case_id):
                if not os.path.isdir(f"{here.memory}/_archive/{case_id}"):
                    raise NotFound(f"the folder of {case_id} is gone", path=case_id, fix="put it back")
            else:
                try:
                    case = store.load(case_id, here.now())
                except (Unreadable, OSError):
                    case = None
            seen = print_
        yield case


def _fingerprint(base: str) -> tuple[object, ...]:
    names = ("", "instruction.yaml", "workflow", "workflow/plan.yaml", "tasks", journal.PLACE)
    paths = [*names, *(f"tasks/{folder}" for folder in ("pending", "in_progress", "blocked", "completed"))]
    return tuple(_stat(f"{base}/{path}") for path in paths)


def _stat(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.command()(status)
    app.command("list")(list_)
    app.command()(show)
    app.command()(agenda)
    app.command()(why)
    app.command("explain", help="The same as `why`.")(why)
    app.command()(timeline)
    app.command()(log)
    app.command()(wait)
