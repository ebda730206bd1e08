"""What a task that has ended leaves, and where its file belongs [EXE-3, EXE-15]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from executord.actions import Embed, Move, Write
from executord.agenda import GIVEN, Due
from executord.case import Task
from executord.case.casebook import Case
from executord.policy import Policy
from executord.posts import done_attempt, result_path
from executord.values import stamp

ORDER = 40


def lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """First the result, then the move: `completed/` means that there is a result."""
    head = case.head
    if head.opened_at is None or head.parked is not None:
        return
    ended = task.ended
    if ended is not None and task.result_owed:
        state = ended.state
        name = (
            f"result {task.id} a{task.attempt}"
            if state == "completed"
            else f"result {task.id} #{task.results + 1} {state}"
        )
        if name in task.done:
            name = f"result {task.id} a{task.attempt} #{task.results + 1}"
        why = f"verified: a claim of {_by(task)}" if state == "completed" else f"{state} by {ended.by}: {ended.reason}"
        yield Due(
            ended.at, name, "EXE-15", Write(result_path(task), _result(case, task)), task.id, task.attempt or None,
            why=why, order=ORDER,
        )  # fmt: skip
        return
    if not task.present or (task.file is None and task.gone_at is not None):
        return
    folder = task.folder
    wanted, order = None, ORDER
    if ended is not None:
        wanted, why, at = "completed", f"{ended.state}", ended.at
    elif ended is None and folder == "completed":
        wanted, why, at = "in_progress", "open again", task.since or head.opened_at
    elif ended is None and folder == "blocked":
        wanted, why, at = "in_progress", "tasks/blocked/ is not a place to stay", task.since or head.opened_at
    elif task.live is not None and folder == "pending":
        wanted, why, at, order = "in_progress", f"given to {task.live.agent}", task.live.at, GIVEN
    if wanted is None or wanted == folder or task.file is None or task.file.folder != folder:
        return
    if task.clash == f"tasks/{wanted}/{task.file.name}":
        return  # another file lies there: reported, and never resolved by loss [MEM-14]
    yield Due(
        at,
        f"move {task.id} #{task.moves + 1} {wanted}",
        "EXE-3",
        Move(f"tasks/{folder}/{task.file.name}", f"tasks/{wanted}/{task.file.name}"),
        task.id,
        task.attempt or None,
        why=why,
        facts={"folder": wanted},
        order=order,
    )


def set_aside(case: Case, line: Due, away: str) -> Due:
    """Somebody's file lies where ours belongs: it is moved, unchanged, and can serve as a source [MEM-23].

    `away` counts from the case's folder.
    """
    assert isinstance(line.action, Write)
    path = line.action.path
    name = path.rsplit("/", 1)[1]
    return Due(
        line.at,
        f"set-aside {name} #{case.asides.get(name, 0) + 1}",
        "MEM-23",
        Move(path, away),
        line.task,
        line.attempt,
        why=f"{path} is a name of ours",
        facts={"file": name},
        order=ORDER,
    )


def with_path(action: Write, away: str) -> Write:
    """The result, naming the file that lay on its own name where it lies now [MEM-23]."""
    files = action.body.get("files")
    if not isinstance(files, list):
        return action
    moved = [{**f, "path": away} if f.get("path") == action.path else f for f in files]
    return Write(action.path, {**action.body, "files": moved})


def _by(task: Task) -> str:
    done = done_attempt(task)
    return done.claim.by if done is not None and done.claim is not None else "operator"


def _result(case: Case, task: Task) -> dict[str, Any]:
    ended = task.ended
    assert ended is not None
    done = done_attempt(task) if ended.state == "completed" else None
    claim = done.claim if done is not None else None
    letter = claim.letter if claim is not None else ""
    last = done or (task.attempts[-1] if task.attempts else None)
    return {
        "schema_version": 1,
        "instruction_id": case.id,
        "task_id": task.id,
        "title": task.spec.title,
        "state": ended.state,
        "agent": last.agent if last else None,
        "attempt": last.n if last else None,
        "dispatched_at": stamp(last.at) if last else None,
        "accepted_at": stamp(last.accepted_at) if last and last.accepted_at else None,
        "claimed_at": stamp(claim.at) if claim else None,
        "verified_at": stamp(ended.at) if ended.state == "completed" else None,
        "summary": Embed(letter, "summary") if letter else (claim.summary if claim else None),
        "output": Embed(letter, "output") if letter else None,
        "components": Embed(letter, "components") if letter else {},
        "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in claim.files] if claim else [],
        "evidence": Embed(letter, "evidence") if letter else None,
        "concerns": list(claim.concerns) if claim else [],
        "open_questions": Embed(letter, "open_questions") if letter else None,
        "customer_updates": list(task.updates),
        "decided_by": ended.by,
        "reason": ended.reason,
    }
