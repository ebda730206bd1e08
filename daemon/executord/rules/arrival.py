"""Files that came, changed, were moved by hand or went away [MEM-18, MEM-25]."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from executord.actions import Record, Send
from executord.agenda import GONE, LIES, Due
from executord.case import PLACES, Head, InstructionSpec, Task, TaskSpec
from executord.case.casebook import Case
from executord.case.specs import TaskFile, promises_in
from executord.pen import printable
from executord.policy import REWORKS, Policy
from executord.verification import communication_of, substance

ORDER = LIES
GONE_ORDER = GONE  # what went away is believed only after the letters are settled


def task_lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """The difference between what lies there and what the journal expects."""
    head = case.head
    if head.opened_at is None or head.parked is not None or not head.ours:
        return
    file = task.file
    if file is not None and not task.present:
        yield Due(
            file.changed_at or head.opened_at,
            f"admit {task.id} #{task.admitted + 1}",
            "MEM-18",
            Record(),
            task.id,
            why=f"tasks/{file.folder}/{file.name}",
            facts={
                "file": file.name,
                "folder": file.folder,
                "sha256": file.sha256,
                **({"priority": task.spec.priority} if task.spec.priority else {}),
                **({"gave": gave} if (gave := promises_in(task.spec)) else {}),
            },
            order=ORDER,
        )
    elif file is not None and file.folder != task.folder:
        yield _hand_move(case, task, policy)
    elif file is not None and file.sha256 != task.sha256:
        yield Due(
            file.changed_at or head.opened_at,
            f"edit {printable(file.name)} #{task.edits + 1} {file.sha256[:8]}",
            "MEM-18",
            Record(),
            task.id,
            why=f"tasks/{file.folder}/{file.name} says something else now",
            facts={
                "file": file.name,
                "sha256": file.sha256,
                **({"unreadable": True} if _unreadable(file) else _repriced_task(case, task)),
            },
            order=ORDER,
        )
    elif file is not None and not _unreadable(file) and (anew := _repriced_task(case, task)):
        yield Due(
            case.plan_seen or head.opened_at, f"edit {printable(file.name)} #{task.edits + 1} plan", "MEM-22", Record(),
            task.id, why=f"{PLACES['plan']} says something else of {task.id} now",
            facts={"file": file.name, "sha256": file.sha256, "by": PLACES["plan"], **anew}, order=ORDER,
        )  # fmt: skip
    elif file is None and task.present and task.gone_at is not None and not mass_deletion(case):
        yield Due(
            task.gone_at + policy.settle,
            f"delete {task.id} #{task.admitted}",
            "MEM-25",
            Record(),
            task.id,
            why="its file is gone, also at a second look",
            order=GONE_ORDER,
        )


def _repriced_task(case: Case, task: Task) -> dict[str, Any]:
    """What an edit of its priority or promises changes: what is written now, and what counted until then [SLA-10]."""
    written, head = task.spec.priority or "", case.head
    told = [new for key, new, then in task.overrides if key == "priority" and then == (task.wrote or None)]
    was = told[-1] if told else task.wrote or head.priority_now
    found = _promised_anew(task.gave, task.spec)
    if written == task.wrote:
        return found
    return {**found, "priority": written, **({"was": was} if was != (written or head.priority_now) else {})}


def _promised_anew(gave: tuple[tuple[str, str], ...] | None, spec: InstructionSpec | TaskSpec) -> dict[str, Any]:
    """What a file promises now, and what it promised before, where that differs."""
    now = promises_in(spec)
    if gave is None or now == (before := dict(gave)):
        return {}
    changed = sorted({word for word, _ in now.items() ^ before.items()})
    return {"gave": now, "before": {word: before.get(word, "") for word in changed}}


def _unreadable(file: TaskFile) -> bool:
    return any(f.severity == "error" for f in file.faults)


def _hand_move(case: Case, task: Task, policy: Policy) -> Due:
    file = task.file
    assert file is not None
    facts: dict[str, object] = {"from": task.folder, "to": file.folder, "file": file.name}
    if file.folder == "completed":
        found = task.found
        summary = found.summary if found is not None else ""
        if not summary and task.live is not None:
            summary = task.live.note or ""
        files = found.files if found is not None else ()
        has_output = found is not None and found.has_output
        points = list(substance(summary, has_output, files))
        if communication_of(case, task) in ("customer", "both") and not task.updates:
            points.append("no customer update is recorded for this task")
        facts |= {
            "summary": summary[:500],
            "output": has_output,
            "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in files if f.fault is None],
        }
        if points:
            facts["points"] = points
            if task.live is not None and task.live.refusals >= REWORKS:
                facts["final"] = True
    return Due(
        file.changed_at or task.since or case.head.opened_at,  # type: ignore[arg-type]  # opened: checked above
        f"hand-move {task.id} #{task.hand_moves + 1} {file.folder}",
        "MEM-18",
        Record(),
        task.id,
        attempt=task.attempt or None,
        why=f"moved by hand from {task.folder} to {file.folder}",
        facts=facts,
        order=ORDER,
    )


def mass_deletion(case: Case) -> bool:
    """More than half of the files that were there are gone at once [MEM-25]."""
    gone, there = _counts(case)
    return gone > 1 and gone * 2 > there


def _counts(case: Case) -> tuple[int, int]:
    """How many of instruction, plan and tasks are gone, and how many there were."""
    head = case.head
    instruction = head.instruction or case.instruction_mtime is not None or "instruction" in head.lacks
    there = sum(case.counts.values()) + bool(instruction) + (head.plan_sha is not None)
    return case.gone + len(_gone(head)), there


def _gone(head: Head) -> dict[str, datetime]:
    """Of instruction and plan what counted and is gone, since when; what only cannot be read is there."""
    return {word: at for word, at in head.missed if at is not None and word in head.lacks}


def case_lines(case: Case, policy: Policy) -> Iterator[Due]:
    """What becomes of the instruction and its plan; a case most of whose files are gone is parked, for that is no wish
    to cancel them."""
    head = case.head
    if head.opened_at is None or head.parked is not None or head.closed is not None or not head.ours:
        return
    yield from _back(case, head.opened_at)
    yield from _edited(case, head.opened_at)
    gone = _gone(head)
    if mass_deletion(case):
        missing, there = _counts(case)
        yield Due(
            max(filter(None, (case.gone_since, *gone.values()))) + policy.settle,
            f"park {case.id} #{head.parks + 1}",
            "MEM-25",
            Record(),
            why=f"{missing} of its {there} files (instruction, plan, tasks) are gone at once; nothing is cancelled",
            order=GONE_ORDER,
        )
        return
    for word, since in gone.items():
        if word not in head.missing:
            yield _told(case, word, since + policy.settle)


def _told(case: Case, word: str, at: datetime) -> Due:
    """Tell the planner, each time that it goes: nothing is given out or handed off until somebody decides."""
    k = 1 + sum(name.endswith(f" {word}-gone") for name in case.head.done)
    text = (
        f"{case.id}/{PLACES[word]} was deleted. As long as it is missing nothing is given out or handed off, for what "
        f"it said is not known; what is given out goes on. Put it back; or send plan_ready with `without: {word}`, and "
        "it goes on without it; or cancel"
    )
    body = {"text": text, "file": f"{case.id}/{PLACES[word]}"}
    return Due(
        at, f"notice {case.id} #{k} {word}-gone", "MEM-25", Send("planner", "notice", body),
        why=f"{PLACES[word]} is gone, also at a second look", facts={"missing": word}, order=GONE_ORDER,
    )  # fmt: skip


def _back(case: Case, opened: datetime) -> Iterator[Due]:
    """What was missing is there again; and an instruction.yaml that came after the start."""
    head = case.head
    away = {word for word, _ in head.missed}
    back = [word for word in head.missing if word not in away]
    late = head.instruction is False and case.instruction_mtime is not None and "instruction" not in away
    for word in dict.fromkeys((*back, *(("instruction",) if late else ()))):
        k = 1 + sum(name.startswith(f"found {case.id} {word} ") for name in head.done)
        yield Due(
            opened, f"found {case.id} {word} #{k}", "MEM-18", Record(), why=f"{PLACES[word]} is there",
            facts={"found": word}, order=ORDER,
        )  # fmt: skip


def _edited(case: Case, opened: datetime) -> Iterator[Due]:
    """Priority, limits or customer are others in instruction.yaml: its clocks change, and that from now on [SLA-10]."""
    head = case.head
    written = head.spec.priority or ""
    if head.wrote is None or head.spec.unknown or "instruction" in head.lacks:
        return  # what nobody can read says nothing else
    anew = _promised_anew(head.gave, head.spec)
    if anew:
        yield Due(
            case.instruction_mtime or opened, f"edit {case.id} #{head.rewritten + 1} promises", "MEM-22", Record(),
            why=f"instruction.yaml says something else of {', '.join(anew['before'])}", facts=anew, order=ORDER,
        )  # fmt: skip
        return
    if head.wrote == written:
        return
    over = head.priority  # a message's word counts only as long as the file says what it said then
    was = over[0] if over is not None and over[1] == (head.wrote or None) else head.wrote or "medium"
    facts: dict[str, Any] = {"priority": written}
    if was != (written or "medium"):
        facts |= {"was": was, "own": [t.id for t in case.in_order() if t.live is not None and t.spec.priority]}
    yield Due(
        case.instruction_mtime or opened, f"edit {case.id} #{head.rewritten + 1} priority", "MEM-22", Record(),
        why=f"instruction.yaml says priority {written or 'no more'}, and no longer {head.wrote or 'nothing of it'}",
        facts=facts, order=ORDER,
    )  # fmt: skip
