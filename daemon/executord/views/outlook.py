"""Lines to come: what will be done when, if nothing happens [EXE-22, CON-7].

Counterpart: `chronicle.py`, the lines that were. A line to come has the shape of a noted one; what only the noting
decides is None.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from executord.actions import (
    Amend,
    Archive,
    Deliver,
    Explain,
    File,
    Move,
    Record,
    Reply,
    Send,
    Start,
    Stop,
    Tell,
    Write,
)
from executord.agenda import Due, Place
from executord.case import Task
from executord.case.casebook import Case
from executord.files.disk import INBOX
from executord.hush import hushed
from executord.places import Places, turn_of
from executord.posts import stem
from executord.values import stamp
from executord.views.overview import Tree


@dataclass(frozen=True, slots=True)
class Prospect:
    """What becomes of a dispatch that needs a place: who gets it, when, and why then. `at` None: it waits for room."""

    agent: str | None
    at: datetime | None
    why: str


def prospects(tree: Tree, now: datetime) -> dict[tuple[str, str], Prospect]:
    """(case, task) → what becomes of its dispatch, the most urgent first, each taking its place from the next."""
    places = copy.copy(tree.places)
    places.held = {name: set(tasks) for name, tasks in tree.places.held.items()}
    waiting: list[tuple[tuple[object, ...], Case, Task, Due, Place]] = []
    for case_id, agenda in tree.agendas.items():
        agenda.refresh()
        case = tree.cases[case_id]
        for task_id, line in agenda.waiting.items():
            if line.place is not None:
                task = case.tasks[task_id]
                waiting.append((turn_of(line.place, case_id, task), case, task, line, line.place))
    found = {}
    for _, case, task, line, place in sorted(waiting, key=lambda row: row[0]):
        found[case.id, task.id] = given = _prospect(places, case, task, line, place, now)
        if given.at is not None and given.at <= max(now, line.at) and given.agent is not None:
            places.holder(case.id, task.id, None, given.agent)
    return found


def queues(tree: Tree, case_id: str) -> bool:
    """Whether tasks of a case wait for a place, which others may take before them [EXE-9]."""
    agenda = tree.agendas.get(case_id)
    if agenda is None:
        return False
    agenda.refresh()
    return bool(agenda.waiting)


def leans(tree: Tree, case_id: str) -> bool:
    """Whether what is to come of a case depends on others: on a place, or on hands that have work there [SLA-9]."""
    case = tree.cases.get(case_id)
    return queues(tree, case_id) or (case is not None and any(map(tree.policy.capacity, case.sums.holders)))


def _prospect(places: Places, case: Case, task: Task, line: Due, place: Place, now: datetime) -> Prospect:
    at = max(now, line.at)
    choice = places.pick(case, task, place, at)
    if choice is not None:
        return Prospect(choice.agent, at, choice.why)
    named = place.named
    usable = named is not None and (place.bound or named not in task.excluded) and places.known(named)
    if places.all_paused:
        return Prospect(named if usable else None, None, "waits: everything is paused; resume lets it go")
    if named is not None and usable:
        later = place.slack if place.slack is not None and place.slack > now else None
        then = f"; from {stamp(later)} on it may go to another" if later is not None else ""
        return Prospect(named, later, f"waits: {_no_room(places, named)}{then}")
    able = [agent.name for _, agent in places.ranked(case, task)]
    if not able:
        return Prospect(None, at, "every capable agent has declined it or was taken off it: a decision is needed")
    return Prospect(None, None, f"waits for room: {'; '.join(_no_room(places, name) for name in able)}")


def _no_room(places: Places, name: str) -> str:
    if name in places.paused:
        return f"{name} is paused"
    return f"{name} has no room (load {places.load(name)} of {places.policy.capacity(name)})"


def to_come(tree: Tree, now: datetime, ids: Collection[str] = ()) -> list[dict[str, Any]]:
    """The lines of these cases (of all without ids), in the order in which they would be carried out [CON-7].

    `at` is when a line would be noted, if the daemon runs and nothing happens: its own time, or now if that has passed.
    """
    waiting = prospects(tree, now)
    rows: list[tuple[tuple[object, ...], dict[str, Any]]] = []
    for case_id, agenda in tree.agendas.items():
        if ids and case_id not in ids:
            continue
        repeats: dict[tuple[str, int, str], int] = {}
        case = tree.cases[case_id]
        for line in agenda.lines():
            given = waiting.get((case_id, line.task or "")) if line.place is not None else None
            at = given.at if given is not None else max(now, line.at)
            if given is None and isinstance(line.action, Send):
                line = hushed(line, max(now, line.at), (case.head.mute, tree.places.muted.get(line.action.to)))
            made = _line(tree, case, line, given, at, repeats)
            rows.append(((at is None, at or line.at, line.order, case_id, line.name), made))
    return [made for _, made in sorted(rows, key=lambda row: row[0])]


def _line(
    tree: Tree,
    case: Case,
    line: Due,
    given: Prospect | None,
    at: datetime | None,
    repeats: dict[tuple[str, int, str], int],
) -> dict[str, Any]:
    word, to, kind, path = _effect(case, line, given)
    if to is not None and kind is not None:
        key = (line.task or "", line.attempt or 0, kind)
        repeats[key] = repeats.get(key, 0) + 1
        name = stem(case.id, line.task, line.attempt, kind, case.sent.get(key, 0) + repeats[key])
        if isinstance(line.action, Send) and line.action.name is not None:
            name = line.action.name
        path = f"{INBOX}/{tree.store.inbox_of(to)}/{name}.yaml"
    return {
        "at": stamp(at) if at is not None else None,
        "due": stamp(line.at),
        "case": case.id,
        "name": line.name,
        "action": word,
        "rule": line.rule,
        "task": line.task,
        "attempt": line.attempt,
        "to": to,
        "type": kind,
        "path": path,
        "why": (given.why if given is not None else line.why) or None,
    }


def _effect(case: Case, line: Due, given: Prospect | None) -> tuple[str, str | None, str | None, str | None]:
    """The action's word, whom it goes to, the message's type, and the path that it makes."""
    if given is not None:
        return Send.word, given.agent, "delegation", None
    match line.action:
        case Send(to=to, kind=kind):
            return Send.word, to, kind, None
        case Deliver():
            return Deliver.word, None, None, None
        case Write(path=path) | Amend(path=path):
            return Write.word, None, None, f"{case.id}/{path}"
        case Move(target=target):
            return Move.word, None, None, f"{case.id}/{target}"
        case Explain(rejected_path=path):
            return Explain.word, None, None, f"{path.rpartition('.')[0]}.reason.yaml"
        case File():
            return File.word, None, None, None
        case Archive():
            return Archive.word, None, None, f"_archive/{case.id}"
        case Start(to=to):
            return Start.word, to, None, None
        case Tell(to=to, kind=kind):
            return Tell.word, to, kind, None
        case Stop():
            return Stop.word, None, None, None
        case Reply(name=name):
            return Reply.word, None, None, f"{INBOX}/executor/{name}.yaml"
        case Record() | None:
            return Record.word, None, None, None
