"""What `submit` takes: one file with instruction, plan and tasks, checked, and made into a folder [CON-17].

It is read as tolerantly as the files that come of it; what would hold a task or be lost is refused, with its line,
and then nothing is written. The folder appears whole: it is made under a dot name beside its place and renamed.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from executord.case import TaskSpec
from executord.errors import CannotWrite, Finding
from executord.files.disk import Disk, rename
from executord.files.dropping import cannot, is_shared, sync_folder
from executord.paper import Limits, Sheet, locate
from executord.pen import dump
from executord.reading import TASK_FIELDS, find, read_instruction, read_plan, read_task, unwrap
from executord.scalars import written
from executord.values import safe_id, whole_number

#: How much one submission may hold; each file that comes of it is bound by the configuration.
LIMITS = Limits(bytes=64 << 20, nodes=2_000_000)
_KNOWN = ("instruction", "plan", "tasks", "schema_version")
_FOLDERS = ("tasks/pending", "tasks/in_progress", "tasks/completed", "workflow", "outputs/partial", "outputs/final")


@dataclass(frozen=True, slots=True)
class Submission:
    """An instruction as it was handed in: its id, its files in the order of writing, and all findings."""

    id: str
    files: tuple[tuple[str, bytes], ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings for which it is refused."""
        return tuple(f for f in self.findings if f.severity == "error")


def read_submission(sheet: Sheet, path: str, zone: tzinfo, now: datetime, file_bytes: int) -> Submission:
    """What the file asks for; nothing is written. `file_bytes`: the largest file that the daemon reads."""
    data = sheet.data or {}
    findings = [*sheet.findings, *_shape(data)]
    if any(f.severity == "error" for f in findings):
        return Submission("", (), tuple(_placed(findings, sheet, path)))
    instruction, tasks = data["instruction"], data["tasks"]
    case_id, faults = _case_id(instruction, now)
    findings += faults
    findings += _under("instruction", read_instruction(instruction, case_id, zone)[1])
    plan_ids: tuple[str, ...] = ()
    if data.get("plan") is not None:
        plan, odd = read_plan(data["plan"], zone)
        plan_ids = plan.tasks
        findings += _under("plan", odd)
    specs, bodies, faults = _tasks(tasks, zone)
    findings += faults
    findings += _graph(specs, plan_ids)
    files = [(f"tasks/pending/{spec.id}.yaml", _edited("task", body)) for spec, body in zip(specs, bodies, strict=True)]
    if data.get("plan") is not None:
        files.append(("workflow/plan.yaml", _edited("plan", data["plan"])))
    files.append(("instruction.yaml", _edited("instruction", instruction)))
    findings += [
        Finding("SEC-0", f"{name} has {len(raw)} bytes, at most {file_bytes} are read", "put long texts into files")
        for name, raw in files
        if len(raw) > file_bytes
    ]
    return Submission(case_id, tuple(files), tuple(_placed(findings, sheet, path)))


def _edited(kind: str, body: Mapping[str, Any]) -> bytes:
    """A file that people go on editing: it names the schema that `init` has put into the memory [MSG-9]."""
    up = {"task": "../../..", "plan": "../..", "instruction": ".."}[kind]
    return dump(body, schema=f"{up}/_system/schemas/{kind}.schema.json")


def _shape(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether the three parts are there, and nothing else that would be lost."""
    for key in data:
        if key not in _KNOWN:
            near = difflib.get_close_matches(key, _KNOWN, 1)
            fix = f"did you mean {near[0]}?" if near else "put it into instruction, plan or a task"
            yield Finding("CON-17", f"{key!r} is none of instruction, plan, tasks", fix, field=key)
    if not isinstance(data.get("instruction"), Mapping):
        yield Finding("CON-17", "there is no mapping `instruction`", "add instruction: {title: …}", field="instruction")
    if data.get("plan") is not None and not isinstance(data["plan"], Mapping):
        yield Finding("CON-17", "the plan is no mapping", "write e.g. plan: {tier: 2, tasks: [T1, T2]}", field="plan")
    tasks = data.get("tasks")
    if not isinstance(tasks, list):
        yield Finding("CON-17", "there is no list `tasks`", "add tasks: [{id: T1, title: …}]", field="tasks")
        return
    for k, task in enumerate(tasks):
        if not isinstance(task, Mapping) or not task:
            yield Finding("CON-17", "a task is a mapping", "write {id: T1, title: …}", field=f"tasks.{k}")


def _case_id(instruction: Mapping[str, Any], now: datetime) -> tuple[str, list[Finding]]:
    """The id that it names, else one that no other submission gets."""
    named = find(unwrap(instruction, "instruction"), ("id", "instruction_id"))
    if named.key is not None:
        text = written(named.value).strip()
        if safe_id(text):
            return text, []
        fix = "use letters, digits, '.', '_' and '-', at most 100, beginning with a letter or digit"
        return text, [Finding("SEC-1", f"{text!r} cannot be an id", fix, field=f"instruction.{named.key}")]
    title = str(find(unwrap(instruction, "instruction"), ("title", "name", "request", "summary")).value or "")
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "case"
    return f"{slug}-{now.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}", []


def _tasks(
    tasks: list[Mapping[str, Any]], zone: tzinfo
) -> tuple[list[TaskSpec], list[Mapping[str, Any]], list[Finding]]:
    """Each task read, as it will be written; one without an id gets the next free of T1, T2, …"""
    findings: list[Finding] = []
    named = [find(unwrap(task), TASK_FIELDS["id"]) for task in tasks]
    taken = {written(n.value).strip() for n in named if n.key is not None}
    free = (f"T{k}" for k in range(1, len(tasks) * 2 + 2) if f"T{k}" not in taken)
    specs: list[TaskSpec] = []
    bodies: list[Mapping[str, Any]] = []
    first: dict[str, int] = {}
    for k, (task, own) in enumerate(zip(tasks, named, strict=True)):
        body = task if own.key is not None else {"id": next(free), **task}
        spec, faults = read_task(body, "refused", zone)
        findings += _under(f"tasks.{k}", faults)
        if not spec.title:
            fix = "add title: what is to be done"
            findings.append(Finding("MEM-7", "the task has no title and no description", fix, field=f"tasks.{k}"))
        if spec.id in first and spec.id != "refused":
            fix = "give each task an id of its own"
            field = f"tasks.{k}.{own.key or 'id'}"
            message = f"{spec.id} is also the id of task {first[spec.id] + 1}"
            findings.append(Finding("EXE-2", message, fix, field=field))
        first.setdefault(spec.id, k)
        specs.append(spec)
        bodies.append(body)
    return specs, bodies, findings


def _graph(specs: list[TaskSpec], plan_ids: tuple[str, ...]) -> Iterator[Finding]:
    """Dependencies that could never be met [EXE-2], and tasks that only the plan names."""
    ids = {s.id for s in specs}
    for k, spec in enumerate(specs):
        for unknown in [d for d in (*spec.requires, *spec.after) if d not in ids and d not in plan_ids]:
            near = difflib.get_close_matches(unknown, sorted(ids), 1)
            fix = f"did you mean {near[0]}?" if near else f"use one of {', '.join(sorted(ids))}"
            yield Finding("EXE-2", f"{spec.id} depends on {unknown}, which is no task here", fix, field=_where(k, spec))
    left = {s.id: {d for d in (*s.requires, *s.after) if d in ids} for s in specs}
    while freed := [i for i, needs in left.items() if not needs & left.keys()]:
        for each in freed:
            del left[each]
    ring = set(left)
    while outer := [i for i in ring if not any(i in left[other] for other in ring)]:
        ring -= set(outer)  # it only waits for the cycle
    for k, spec in enumerate(specs):
        if spec.id in ring:
            names = ", ".join(sorted(ring))
            yield Finding("EXE-2", f"a dependency cycle: {names}", "remove one of them", field=_where(k, spec))
            break
    for missing in [i for i in plan_ids if i not in ids]:
        message = f"{missing} stands in the plan, but not under tasks"
        yield Finding("EXE-23", message, "it is waited for", "warning", "plan")


def _where(k: int, spec: TaskSpec) -> str:
    key = find(unwrap(spec.data), TASK_FIELDS["dependencies"]).key
    return f"tasks.{k}.{key}" if key else f"tasks.{k}"


def _under(prefix: str, findings: Iterable[Finding]) -> list[Finding]:
    return [replace(f, field=f"{prefix}.{f.field}" if f.field else prefix) for f in findings]


def _placed(findings: Iterable[Finding], sheet: Sheet, path: str) -> Iterator[Finding]:
    """Each finding with its line and column; a task may stand in a `task:` of its own."""
    for found in findings:
        if found.line is not None or found.field is None:
            yield found.at(path)
            continue
        numbers = [(k, whole_number(k)) for k in found.field.split(".")]
        keys: tuple[str | int, ...] = tuple(k if number is None else number for k, number in numbers)
        tries = (keys, (*keys[:2], "task", *keys[2:]), keys[:2], keys[:1])
        places = (locate(sheet.raw, each) for each in tries)
        yield found.at(path, *next((p for p in places if p is not None), (None, None)))


# -- writing ---------------------------------------------------------------------------------------------------


def put_in_place(root: str, submission: Submission) -> None:
    """Make the instruction's folder, whole or not at all. Raises `CannotWrite`, also where it exists [CON-17]."""
    target = os.path.join(root, submission.id)
    for taken in (target, os.path.join(root, "_archive", submission.id)):
        if os.path.lexists(taken):
            raise CannotWrite(f"the instruction {submission.id} exists already", path=taken, fix="choose another id")
    aside = os.path.join(root, f".{submission.id}.{secrets.token_hex(4)}.new")
    try:
        _write(root, aside, submission.files)
        if not _publish(aside, target):
            raise CannotWrite(f"the instruction {submission.id} exists already", path=target, fix="choose another id")
        sync_folder(root)
    except OSError as error:
        raise cannot(target, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write(root: str, aside: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Tasks, plan, the instruction last; in a tree that a group shares, shared with it. On disk when it returns."""
    shared = is_shared(root)
    os.mkdir(aside)
    for folder in _FOLDERS:
        os.makedirs(os.path.join(aside, folder))
    for name, data in files:
        with open(os.path.join(aside, name), "xb") as file:
            file.write(data)
    if shared:
        for folder, _, names in os.walk(aside):
            os.chmod(folder, stat.S_IMODE(os.stat(folder).st_mode) | 0o070)
            for name in names:
                os.chmod(os.path.join(folder, name), 0o660)
    Disk(root).sync_all()


def _publish(aside: str, target: str) -> bool:
    """Rename the folder into place; False if there is one. A filled folder also resists a plain rename."""
    with contextlib.suppress(PermissionError, CannotWrite):
        return rename(aside, target)
    if os.path.lexists(target):
        return False
    os.rename(aside, target)
    return True
