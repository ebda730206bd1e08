"""`validate`: everything that can be said about a file before the daemon meets it [CON-10, MEM-13].

Counterparts: `paper/` and `reading/`, by which the daemon reads the same files; `fsck.py`, which looks at what the
daemon has made of them. Only reads, and never stops at the first fault: whatever a file holds becomes findings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Any, cast

from executord import settings
from executord.case import Folder, Task, TaskFile
from executord.case.casebook import Case
from executord.case.sight import see_plan, see_task
from executord.case.standing import held_because
from executord.checks.oddities import in_calendar, in_instruction, in_message, in_plan, in_task
from executord.errors import (
    BadConfiguration,
    ExecutordError,
    Finding,
    NotFound,
    NotYetWhole,
    Unreadable,
    UsageError,
)
from executord.files import journal
from executord.files.disk import OWN_INBOXES
from executord.files.seen import placed
from executord.letters import INSTRUCTION
from executord.paper import MESSAGE_ENDINGS, TASK_ENDINGS, Limits, Sheet, is_left_alone, parse
from executord.paper.gate import open_file
from executord.reading import TASK_FIELDS, find, read_plan, read_task, text_of, unwrap
from executord.scalars import placeholder
from executord.sessions.folder import verdict

KINDS = ("task", "message", "instruction", "plan", "config", "calendar", "session")
_SESSION = "team-session.json"
_PLANS = ("workflow/plan.yaml", "workflow/plan.yml")


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at: how many files, and all that is to be said, ordered by path and line."""

    count: int
    findings: tuple[Finding, ...]

    def ok(self, *, strict: bool = False) -> bool:
        """Whether there is no error; with `strict` no warning either."""
        return not any(strict or f.severity == "error" for f in self.findings)


@dataclass(frozen=True, slots=True)
class Ground:
    """What files are measured by: the memory's folder (None: there is none), the zone of naive times, the bounds."""

    root: str | None = None
    zone: tzinfo = UTC
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Source:
    """One file to look at: where it lies, how it is shown, what it is."""

    path: str
    shown: str
    kind: str


def check(paths: Sequence[str], kind: str | None, ground: Ground) -> Checked:
    """Look at these files and folders; no path means the whole memory.

    Raises `NotFound` for a path where nothing is, `UsageError` for a kind that is none or cannot be told.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}", fix=f"use {', '.join(KINDS)}")
    if kind == "session" and not paths:
        raise UsageError("which session?", fix="name its folder: validate --kind session PATH")
    if not paths and ground.root is None:
        raise NotFound("there is no memory to validate", fix="name a file, or a memory with --memory PATH")
    sources: dict[str, Source] = {}
    for path in paths or (ground.root or "",):
        for source in _sources(path, kind, ground):
            sources.setdefault(source.path, source)
    desk = _Desk(ground)
    findings = [f for source in sources.values() for f in desk.look(source)]
    shown = {source.shown for source in sources.values()}
    for folder in sorted(filter(None, {_case_folder(source) for source in sources.values()})):
        findings += (f for f in desk.together(folder) if f.path in shown)
    distinct = dict.fromkeys(findings)
    return Checked(len(sources), tuple(sorted(distinct, key=lambda f: (f.path or "", f.line or 0, f.column or 0))))


# --- which files ------------------------------------------------------------------------------------------------------


def kind_in_memory(parts: Sequence[str]) -> str | None:
    """What a file of the memory is by its place; `parts` count from the memory."""
    match parts:
        case ["_communication", "inbox", folder, name] if folder in OWN_INBOXES and name.endswith(MESSAGE_ENDINGS):
            return "message"
        case [case_id, "tasks", _, name] if _is_case(case_id) and name.endswith(TASK_ENDINGS):
            return "task"
        case [case_id, "workflow", "plan.yaml" | "plan.yml"] if _is_case(case_id):
            return "plan"
        case [case_id, "instruction.yaml" | "instruction.yml"] if _is_case(case_id):
            return "instruction"
        case _:
            return None


def kind_elsewhere(parts: Sequence[str]) -> str | None:
    """The same for a file outside, of which only the end of its path says anything."""
    match parts:
        case [*_, "inbox", folder, name] if folder in OWN_INBOXES and name.endswith(MESSAGE_ENDINGS):
            return "message"
        case [*_, "tasks", _, name] if name.endswith(TASK_ENDINGS):
            return "task"
        case [*_, "plan.yaml" | "plan.yml"]:
            return "plan"
        case [*_, "instruction.yaml" | "instruction.yml"]:
            return "instruction"
        case [*_, name] if name == _SESSION:
            return "session"
        case _:
            return None


def _is_case(name: str) -> bool:
    return not name.startswith(("_", "."))


def _sources(path: str, kind: str | None, ground: Ground) -> Iterator[Source]:
    full = os.path.abspath(path)
    if not os.path.lexists(full) and ground.root is not None and not os.path.isabs(path):
        full = os.path.join(ground.root, path)  # so that what a finding names can be named again
    if not os.path.lexists(full):
        raise NotFound("there is no such file or folder", path=path, fix="check the path")
    if kind == "session" or (kind is None and _is_session(full)):
        yield Source(os.path.realpath(full), _shown(os.path.realpath(full), path, ground), "session")
        return
    if os.path.isdir(full):
        yield from _walk(os.path.realpath(full), path, kind, ground)
        return
    full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
    found = kind or _place(full, ground)
    if found is None:
        raise UsageError(f"{path}: its place does not say what it is", fix=f"add --kind, one of {', '.join(KINDS)}")
    yield Source(full, _shown(full, path, ground), found)


def _is_session(full: str) -> bool:
    """Whether this is a team session's folder, or its `team-session.json`."""
    return os.path.basename(full) == _SESSION or (os.path.isdir(full) and os.path.isfile(os.path.join(full, _SESSION)))


def _place(full: str, ground: Ground) -> str | None:
    if ground.root is not None and full.startswith(ground.root + os.sep):
        return kind_in_memory(os.path.relpath(full, ground.root).split(os.sep))
    return kind_elsewhere(full.split(os.sep))


def _shown(full: str, given: str, ground: Ground) -> str:
    if ground.root is not None and full.startswith(ground.root + os.sep):
        return os.path.relpath(full, ground.root)
    return given


def _walk(folder: str, given: str, kind: str | None, ground: Ground) -> Iterator[Source]:
    """The files of a folder that are something by their place; of a named kind also all that lie directly in it."""
    found: list[Source] = []
    for here, folders, names in os.walk(folder):
        inside = os.path.relpath(here, ground.root).split(os.sep) if ground.root is not None else []
        folders[:] = sorted(f for f in folders if not f.startswith(".") and _entered(inside, f))
        for name in sorted(names):
            full = os.path.join(here, name)
            place = None if is_left_alone(name) else _place(full, ground)
            if place is not None and place != "session" and kind in (None, place):
                shown = _shown(full, os.path.join(given, os.path.relpath(full, folder)), ground)
                found.append(Source(full, shown, place))
    if not found and kind is not None:
        for name in sorted(os.listdir(folder)):
            if name.endswith(MESSAGE_ENDINGS) and not is_left_alone(name):
                full = os.path.join(folder, name)
                found.append(Source(full, _shown(full, os.path.join(given, name), ground), kind))
    yield from found


def _entered(inside: Sequence[str], name: str) -> bool:
    """Whether a walk goes into a folder: what is archived and what workers put into `outputs/` is not ours to judge."""
    if inside == ["."]:
        return not name.startswith("_") or name == "_communication"
    return name != "outputs"


def _case_folder(source: Source) -> str | None:
    parts = source.path.split(os.sep)
    match source.kind, parts:
        case "task", [*head, "tasks", _, _] if head:
            return os.sep.join(head)
        case "plan", [*head, "workflow", _] if head:
            return os.sep.join(head)
    return None


# --- one file ---------------------------------------------------------------------------------------------------------


class _Desk:
    """Reads each file once and says what is odd in it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._sheets: dict[str, Sheet | Finding | None] = {}

    def look(self, source: Source) -> list[Finding]:
        """All that is to be said about one file by itself."""
        if source.kind == "config":
            return _in_config(source)
        if source.kind == "session":
            return list(_in_session(source))
        sheet = self._sheet(source.path, source.shown)
        if sheet is None:
            return []  # it went away while we looked: no fault of anybody
        if isinstance(sheet, Finding):
            return [sheet]
        found: Iterable[Finding] = (f for f in self._judge(source, sheet))
        return [placed(f, sheet, source.shown) for f in (*sheet.findings, *found)]

    def _sheet(self, path: str, shown: str) -> Sheet | Finding | None:
        if path not in self._sheets:
            self._sheets[path] = self._read(path, shown)
        return self._sheets[path]

    def _read(self, path: str, shown: str) -> Sheet | Finding | None:
        try:
            return parse(open_file(path, limit=self._ground.limits.bytes).raw, path=shown, limits=self._ground.limits)
        except FileNotFoundError:
            return None
        except (Unreadable, NotYetWhole) as fault:
            fault.path = shown
            return replace(fault.finding(), code=fault.code or "SEC-0")

    def _judge(self, source: Source, sheet: Sheet) -> Iterable[Finding]:
        zone, data = self._ground.zone, sheet.data
        match source.kind:
            case "task":
                return in_task(data, os.path.basename(source.path).rsplit(".", 1)[0], zone)
            case "instruction":
                return in_instruction(data, os.path.basename(os.path.dirname(source.path)), zone)
            case "plan":
                return in_plan(data, zone)
            case "calendar":
                return in_calendar(data)
            case _:
                return (*in_message(data or {}, zone), *self._addressed(data or {}, source))

    def _addressed(self, data: Mapping[str, Any], source: Source) -> Iterator[Finding]:
        """A message that lies in the memory but is about no instruction of it."""
        root, named = self._ground.root, find(data, INSTRUCTION)
        case_id = text_of(named.value)
        if root is None or not source.path.startswith(root + os.sep) or not case_id or placeholder(named.value):
            return
        if not os.path.isdir(os.path.join(root, case_id)):
            fix = "check instruction_id, or send it later"
            yield Finding("MSG-1", f"there is no instruction {case_id!r} here", fix, "warning", named.key)

    # -- files of one instruction ----------------------------------------------------------------------------

    def together(self, folder: str) -> list[Finding]:
        """What is wrong between the files of one instruction: ids used twice, unknown dependencies, cycles [EXE-2]."""
        case = Case(os.path.basename(folder))
        plan_path, sheets = "", dict[str, Sheet]()
        for name in _PLANS:
            sheet = self._sheet_in(folder, name)
            if sheet is not None:
                see_plan(case, read_plan(sheet.data or {}, self._ground.zone)[0])
                plan_path = self._show(folder, name)
                sheets[plan_path] = sheet
                break
        known = _known(folder)
        files: dict[str, list[TaskFile]] = {}
        for name in _task_files(folder):
            sheet = self._sheet_in(folder, name)
            if sheet is None or not sheet.data:
                continue
            file = _task_file(name, sheet, self._ground.zone)
            if file.folder == "completed" and _is_extra(case, file, known):
                continue
            sheets[self._show(folder, name)] = sheet
            files.setdefault(file.spec.id, []).append(file)
        for task_id, group in files.items():
            see_task(case, group, task_id)
        for task_id in known - set(case.tasks):
            case.put(case.ensure(task_id))
        case.settle_graph()
        return [
            placed(found, sheets[found.path], found.path) if found.path in sheets else found
            for task in case.in_order()
            for found in self._between(case, task, files.get(task.id, []), folder, plan_path)
        ]

    def _between(
        self, case: Case, task: Task, files: Sequence[TaskFile], folder: str, plan_path: str
    ) -> Iterator[Finding]:
        places = [f"tasks/{f.folder}/{f.name}" for f in files]
        for place in places if len(files) > 1 else ():
            others = ", ".join(p for p in places if p != place)
            yield Finding("EXE-2", f"task id {task.id} is used by {others} too", "give each its own id", "error",
                          _key(files[places.index(place)], "id"), self._show(folder, place))  # fmt: skip
        if files and all(f.folder == "completed" for f in files):
            return  # what has ended waits for nothing
        path = self._show(folder, places[0]) if places else plan_path
        for found in held_because(case, replace(task, file=None, rivals=())):
            field_ = _key(files[0], "dependencies") if files and "depend" in found.message else None
            yield replace(found, path=path, field=field_)

    def _sheet_in(self, folder: str, name: str) -> Sheet | None:
        path = os.path.join(folder, name)
        sheet = self._sheet(path, self._show(folder, name))
        return sheet if isinstance(sheet, Sheet) else None

    def _show(self, folder: str, name: str) -> str:
        full = os.path.join(folder, name)
        return _shown(full, os.path.relpath(full), self._ground)


def _task_files(folder: str) -> Iterator[str]:
    for here in _names(f"{folder}/tasks"):
        for name in _names(f"{folder}/tasks/{here}"):
            if name.endswith(TASK_ENDINGS) and not is_left_alone(name):
                yield f"tasks/{here}/{name}"


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _task_file(name: str, sheet: Sheet, zone: tzinfo) -> TaskFile:
    _, here, file = name.split("/")
    spec, _ = read_task(sheet.data or {}, file.rsplit(".", 1)[0], zone)
    return TaskFile(file, cast(Folder, here), sheet.sha256[:16], spec)  # it was listed in one of these folders


def _key(file: TaskFile, concept: str) -> str | None:
    return find(unwrap(file.spec.data), TASK_FIELDS[concept]).key


def _is_extra(case: Case, file: TaskFile, known: set[str]) -> bool:
    """A file in `completed/` that matches no task completes nothing, and depends on nothing [MEM-19]."""
    return file.spec.id not in case.tasks and file.spec.id not in known


def _known(folder: str) -> set[str]:
    """The ids that the journal knows: a task whose file was deleted is no unknown dependency."""
    try:
        entries = journal.read(folder).entries
    except (ExecutordError, OSError):
        return set()
    ids = {e["task"] for e in entries if isinstance(e.get("task"), str)}
    return ids.union(*(set(e["facts"].get("tasks", ())) for e in entries if e.get("name") == "snapshot"))


def _in_session(source: Source) -> Iterator[Finding]:
    """What `session validate` says of a team session, as findings [CON-11]."""
    _, reading = verdict(source.path)
    folder = source.shown.removesuffix(_SESSION).rstrip("/")
    for severity, faults in (("error", reading.faults), ("warning", reading.warnings)):
        for fault in faults:
            path = f"{folder}/{fault.path}" if fault.path and folder and fault.path != source.path else source.shown
            yield Finding(fault.id, fault.text, fault.hint, severity, path=path)


def _in_config(source: Source) -> list[Finding]:
    try:
        _, notes = settings.check(source.path, {})
    except BadConfiguration as fault:
        return [replace(fault.finding(), path=source.shown, code=fault.code or "OPS-9")]
    return [replace(note, path=source.shown) for note in notes]
