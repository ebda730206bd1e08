"""How things stand, for people and programs: the progress file, `status`, `show` [EXE-21, CON-8, CON-13].

Views of cases and nothing more: the progress file is a pure function of its case, without "now". Counterparts:
`obstacles.py`, what stands in a case's way; `shelves.py`, what lies around the cases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from executord.agenda import Agenda
from executord.case import Mute, Task
from executord.case.casebook import Case
from executord.case.standing import Standing, standing
from executord.evolve import replace
from executord.files.store import Store
from executord.meaning.blocking import open_blockers
from executord.parcel import phase_of
from executord.pen import dump
from executord.places import OURSELVES, Places
from executord.policy import Policy
from executord.posts import done_attempt, waiting_behind
from executord.sessions import glance
from executord.sessions.desk import remembered
from executord.values import stamp
from executord.views import awaited, shelves
from executord.views.awaited import blocker_asked
from executord.views.clockfaces import faces, faces_text, next_update
from executord.views.obstacles import broken, freed_by, problems

PHASES = ("waiting", "executing", "gate", "handed_off", "rework", "blocked", "closed", "parked", "not_ours")
STATES = (
    "expected", "waiting", "ready", "held", "assigned", "accepted", "working", "blocked", "rework", "verifying",
    "reassigning", "escalated", "on_hold", "completed", "deferred", "cancelled",
)  # fmt: skip
SHOWN_NEXT = 5
_PENDING = frozenset({"expected", "waiting", "ready", "held"})
_OVER = frozenset({"completed", "deferred", "cancelled"})
_SEEN_IN = {"completed": "completed", "in_progress": "reassigning"}
_STEPS = (
    ("Coordinate customer updates", "Coordinating customer updates"),
    ("Aggregate outputs into the final deliverable", "Aggregating outputs into the final deliverable"),
    ("Hand off to the validator", "Handing off to the validator"),
)
_STEPS_AT: Mapping[str, tuple[str, str, str]] = {
    "waiting": ("pending", "pending", "pending"),
    "gate": ("in_progress", "in_progress", "pending"),
    "handed_off": ("in_progress", "completed", "in_progress"),
    "rework": ("in_progress", "in_progress", "pending"),
    "blocked": ("in_progress", "completed", "in_progress"),
    "closed": ("completed", "completed", "completed"),
}


class Tree(Protocol):
    """All cases of one tree with what is known of them: the service, running or only looking."""

    root: str
    policy: Policy
    store: Store
    places: Places
    cases: dict[str, Case]
    agendas: dict[str, Agenda]
    broken: dict[str, tuple[str, datetime]]


# --- one case ------------------------------------------------------------------------------------------------


def phase(case: Case) -> str:
    """The phase of an instruction [EXE-1]."""
    return phase_of(case)


def percent(case: Case) -> int:
    """Tasks verified or decided, of those planned, as a whole number [CON-13]."""
    total = case.planned_total
    return (total - case.open_tasks) * 100 // total if total else 0


def stands(case: Case, task: Task) -> Standing:
    """Where a task stands; one whose file lies there but was not taken in yet is seen where it lies."""
    case.settle_graph()  # cycles are looked for once per look, and in a case that was only read nobody has looked
    if task.present or task.file is None or task.ended is not None or task.live is not None:
        return standing(case, task)
    folder: str = task.file.folder
    if folder == "pending":
        return standing(case, replace(task, present=True, folder="pending"))
    state = _SEEN_IN.get(folder, "blocked")
    return Standing(state, f"its file lies in tasks/{folder}/ and was not taken in yet", "MEM-18")


def folder_of(task: Task) -> str | None:
    """The folder in which the task's file lies, None without a file; `blocked/` counts as in progress."""
    if task.file is None:
        return None
    return task.file.folder if task.file.folder in ("pending", "completed") else "in_progress"


def folders(case: Case) -> dict[str, int]:
    """How many task files lie in each folder."""
    counts = {"pending": 0, "in_progress": 0, "completed": 0}
    for task in case.tasks.values():
        folder = folder_of(task)
        if folder is not None:
            counts[folder] += 1
    return counts


def blockers(case: Case) -> list[dict[str, Any]]:
    """The open blockers in plan order; `waiting` are the tasks that depend on the blocked one [EXE-17]."""
    found = []
    for task in case.in_order():
        if task.ended is not None:
            continue
        waiting = waiting_behind(case, task) if task.blocked is not None else []
        for blocked in open_blockers(task):
            asked, level = blocker_asked(task, blocked.n)
            found.append(
                {
                    "id": f"{task.id}#{blocked.n}",
                    "task": task.id,
                    "kind": blocked.kind,
                    "since": stamp(blocked.at),
                    "asked": asked,
                    "level": level,
                    "waiting": waiting,
                }
            )
    return found


def progress(case: Case, agenda: Agenda, policy: Policy) -> bytes:
    """`outputs/partial/progress.yaml` [CON-13]."""
    parts = [_task_parts(case, task) for task in case.in_order()]
    todos = [todo for todo, _ in parts]
    todos += [_todo(content, status, active) for (content, active), status in zip(_STEPS, _steps(case), strict=True)]
    upcoming = agenda.upcoming(SHOWN_NEXT)
    head = {"schema_version": 1, "instruction_id": case.id, "phase": phase(case), "percent": percent(case)}
    middle = {"blockers": blockers(case)}
    tail = {
        "next_update": next_update(case, policy, None),
        "next": [{"at": stamp(line.at), "what": line.name} for line in upcoming],
        "generated_by": "executord",
        "generated_at": stamp(case.last_at) if case.last_at else None,
        "event": case.n,
    }
    tasks = [b"tasks:\n", *(state for _, state in parts)] if parts else [dump({"tasks": {}})]
    return b"".join((dump(head), b"todos:\n", *todos, *tasks, dump(middle), faces_text(case, policy), dump(tail)))


def _task_parts(case: Case, task: Task) -> tuple[bytes, bytes]:
    """What the progress file says of one task; kept where nothing but the task itself moves its state: of one that has
    ended, or is held by somebody."""
    name = f"parts {task.id}"
    still = task.ended is not None or (task.live is not None and case.head.hold is None)
    kept = case.memo.get(name)
    if kept is not None and still and kept[0][0] is task:
        found: tuple[bytes, bytes] = kept[1]
        return found
    state = stands(case, task).state
    found = _todo(*_task_todo(task, state)), _task_state(task.id, state)
    if still:
        case.memo[name] = ((task,), found)
    return found


def _task_todo(task: Task, state: str) -> tuple[str, str, str]:
    title = task.spec.title or task.id
    status = "completed" if state in _OVER else "pending" if state in _PENDING else "in_progress"
    return title, status, f"Working on {title}"


@lru_cache(maxsize=1 << 13)
def _todo(content: str, status: str, active: str) -> bytes:
    """One of the `todos` as it stands in the file: of thousands of tasks only few change between two looks."""
    whole = dump({"todos": [{"content": content, "status": status, "activeForm": active}]})
    return whole.removeprefix(b"todos:\n")


@lru_cache(maxsize=1 << 13)
def _task_state(task_id: str, state: str) -> bytes:
    return dump({"tasks": {task_id: state}}).removeprefix(b"tasks:\n")


def _steps(case: Case) -> tuple[str, str, str]:
    """The status of the three steps that are no tasks; without a customer there are no updates to coordinate."""
    now = phase(case)
    if now == "closed" and case.head.closed is not None and case.head.closed.state != "passed":
        return ("completed", "pending", "pending")  # ended by a decision: nothing was handed off
    opened = "in_progress" if case.head.opened_at is not None else "pending"
    updates, final, handed = _STEPS_AT.get(now, (opened, "pending", "pending"))
    if case.head.spec.customer is None and updates == "in_progress":
        updates = "pending"
    return updates, final, handed


# --- status --------------------------------------------------------------------------------------------------


def task_view(case: Case, task: Task, now: Standing) -> dict[str, Any]:
    """A task as `status` shows it [CON-8]."""
    live, done = task.live, done_attempt(task)
    last = live or (done if task.ended is not None else None)
    return {
        "id": task.id,
        "title": task.spec.title or task.id,
        "folder": folder_of(task),
        "state": now.state,
        "agent": last.agent if last is not None else None,
        "attempt": task.attempt or None,
        "since": stamp(task.since) if task.since is not None else None,
        "percent": 100 if now.state == "completed" else live.percent if live is not None else None,
        "eta": live.eta if live is not None else None,
        "held_because": now.why if now.state == "held" else None,
        "waits_for": list(now.waits_for),
    }


def case_view(case: Case, agenda: Agenda, policy: Policy, now: datetime, *, all_paused: bool = False) -> dict[str, Any]:
    """An instruction as `status` shows it [CON-8]."""
    head = case.head
    standings = {t.id: stands(case, t) for t in case.in_order()}
    first = next(iter(agenda.lines()), None)
    return {
        "id": case.id,
        "title": head.title,
        "priority": head.priority_now,
        "tier": head.tier,
        "phase": phase(case),
        "on_hold": head.hold is not None,
        "paused": head.paused is not None or all_paused,
        "muted": muted_view(head.mute, now),
        "deliverable_type": head.deliverable_type,
        "percent": percent(case),
        "tasks": [task_view(case, case.tasks[i], now) for i, now in standings.items()],
        "clocks": faces(case, policy, now),
        "blockers": blockers(case),
        "awaited": awaited.rows(case),
        "next_update": next_update(case, policy, now),
        "next": {"at": stamp(first.at), "name": first.name} if first is not None else {"at": None, "name": None},
        "problems": problems(case, policy),
        "freed_by": freed_by(case, standings, policy, all_paused=all_paused),
    }


def muted_view(mute: Mute | None, now: datetime) -> dict[str, Any] | None:
    """The window in which nobody is reminded and notified, while it is open."""
    if mute is None or not mute.covers(now):
        return None
    return {"by": mute.by, "at": stamp(mute.at), "until": stamp(mute.until), "reason": mute.reason}


def broken_view(case_id: str, text: str) -> dict[str, Any]:
    """The same for a case that cannot be read: it is parked until its files are mended [REL-4]."""
    return {
        "id": case_id,
        "title": case_id,
        "priority": None,
        "tier": None,
        "phase": "parked",
        "on_hold": False,
        "paused": False,
        "muted": None,
        "deliverable_type": None,
        "percent": 0,
        "tasks": [],
        "clocks": [],
        "blockers": [],
        "awaited": [],
        "next_update": {"ask": None, "due": None, "silence_debt_s": None},
        "next": {"at": None, "name": None},
        "problems": [broken(case_id, text)],
        "freed_by": [],
    }


def instruction(tree: Tree, case_id: str, now: datetime) -> dict[str, Any]:
    """One instruction of a tree, readable or not. Raises `KeyError` for an id that is not there."""
    case = tree.cases.get(case_id)
    if case is None:
        return broken_view(case_id, tree.broken[case_id][0])
    return case_view(case, tree.agendas[case_id], tree.policy, now, all_paused=tree.places.all_paused)


def status(tree: Tree, now: datetime, ids: Collection[str] = ()) -> dict[str, Any]:
    """The whole of `status` [CON-8]; with `ids` the instructions, counts and late results are those of these ids."""
    wanted = [i for i in sorted({*tree.cases, *tree.broken}) if not ids or i in ids]
    instructions = [instruction(tree, i, now) for i in wanted]
    return {
        "at": stamp(now),
        "memory": tree.root,
        "daemon": shelves.daemon(tree.root),
        "counts": _counts(instructions),
        "instructions": instructions,
        "agents": agents(tree, now),
        "sessions": sessions(tree),
        "rejected": shelves.rejected(tree.root),
        "late": [row for i in wanted for row in shelves.late(tree.root, i)],
        "left_alone": shelves.left_alone(tree.root),
    }


def sessions(tree: Tree) -> list[dict[str, Any]]:
    """The team sessions that the daemon was given, as they lie there."""
    found: list[dict[str, Any]] = []
    for session_id, path in remembered(tree.root, tree.store):
        row = glance.row(path)
        found.append(row or {"session_id": session_id, "path": path, "status": None, "completed": None, "total": None})
    return found


def _counts(instructions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    phases: dict[str, int] = {}
    tasks = {"pending": 0, "in_progress": 0, "completed": 0}
    for each in instructions:
        phases[each["phase"]] = phases.get(each["phase"], 0) + 1
        for task in each["tasks"]:
            if task["folder"] is not None:
                tasks[task["folder"]] += 1
    return {"instructions": {p: phases[p] for p in PHASES if p in phases}, "tasks": tasks}


def agents(tree: Tree, now: datetime) -> list[dict[str, Any]]:
    """Everybody on the roster or with an inbox: what he holds, of how much (0 = no limit), and what lies unread."""
    found = []
    tree.store.forget_inboxes()
    for name in sorted({*tree.policy.roster, *tree.store.agents()} - set(OURSELVES)):
        count, oldest = shelves.mail(tree.root, tree.store.inbox_of(name))
        found.append(
            {
                "name": name,
                "load": tree.places.load(name),
                "capacity": tree.policy.capacity(name),
                "inbox": count,
                "oldest_s": max(int((now - oldest).total_seconds()), 0) if oldest is not None else None,
                "muted": muted_view(tree.places.muted.get(name), now),
            }
        )
    return found


def status_report(tree: Tree, now: datetime) -> dict[str, Any]:
    """The report that answers a `status` message: `status` without what is a fact of the machine and not of the tree.

    So the same tree gives the same bytes wherever it lies, also when a line is done again after a crash.
    """
    report = status(tree, now)
    report["memory"] = None
    report["daemon"] = {"running": True, "pid": None, "host": None, "since": None, "last_round": None}
    for agent in report["agents"]:
        agent["oldest_s"] = None
    return {"schema_version": 1, **report}
