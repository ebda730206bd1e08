"""What the lines about processes mean for their case [OPS-17, OPS-18, MEM-17].

Counterparts: `rules/processes.py`, which yields the lines; `fold.py`, whose table names these. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.case import Attempt, Process, Task
from executord.case.casebook import Case
from executord.evolve import replace
from executord.meaning.transitions import attempt_of

Entry = Mapping[str, Any]

#: Messages to the holder that a process is to be told of while it runs, and those that start one where none runs.
TOLD = frozenset({"rework_request", "reminder", "status_check", "finalize", "context", "answer", "notice"})
CALLS = frozenset({"delegation", "rework_request", "context", "answer"})


def called(case: Case, entry: Entry, at: datetime) -> None:
    """A message went to the holder of a task whose work a program does: it is to be given to a process."""
    task = case.tasks.get(entry["task"])
    live = task.live if task is not None else None
    if task is None or live is None or not live.by_command or entry.get("to") != live.agent:
        return
    kind = entry["type"]
    running = live.process is not None and live.process.state == "running"
    if entry.get("attempt") == live.n and kind in (TOLD if running else CALLS):
        case.put(_changed(task, live.n, calls=(*live.calls, (kind, entry["path"])), called_at=live.called_at or at))


def started(case: Case, entry: Entry, at: datetime) -> None:
    """A process was started: which one it is."""
    task, attempt = _of(case, entry)
    if attempt is None:
        return
    facts = entry["facts"]
    process = Process(
        k=facts["k"],
        at=at,
        pid=facts["pid"],
        start_ticks=facts["start_ticks"],
        boot_id=facts.get("boot_id"),
        host=facts.get("host") or "",
        cgroup=facts.get("cgroup"),
        calls=attempt.calls,
    )
    task = _changed(task, attempt.n, process=process, starts=process.k, calls=(), called_at=None)
    case.put(replace(task, process_seen=None, start_after=None))


def told(case: Case, entry: Entry, at: datetime) -> None:
    """A message was passed on to the running process."""
    task, attempt = _of(case, entry)
    if attempt is not None:
        calls = tuple(call for call in attempt.calls if call[1] != entry["facts"]["letter"])
        at_ = attempt.called_at if calls else None
        case.put(_changed(task, attempt.n, tells=attempt.tells + 1, calls=calls, called_at=at_))


def ended(case: Case, entry: Entry, at: datetime) -> None:
    """The process has ended; where its program never began, what it was called for still waits."""
    task, attempt = _of(case, entry)
    if attempt is None or attempt.process is None:
        return
    facts = entry["facts"]
    process = replace(attempt.process, state="gone" if facts.get("gone") else "ended")
    calls = tuple(call for call in attempt.calls if call[0] in CALLS)
    if facts.get("began") is False:
        calls = (*process.calls, *calls)
    called_at = (attempt.called_at or at) if calls else None
    _spend(case, attempt.agent, facts, at)
    case.put(_changed(task, attempt.n, process=process, calls=calls, called_at=called_at))


def _spend(case: Case, agent: str, facts: Mapping[str, Any], at: datetime) -> None:
    """What a process says that it has cost."""
    if facts.get("usd") or facts.get("tokens"):
        spent = {name: (usd, tokens) for name, usd, tokens in case.head.spent}
        usd, tokens = spent.get(agent, (0.0, 0))
        spent[agent] = (round(usd + (facts.get("usd") or 0.0), 6), tokens + (facts.get("tokens") or 0))
        rows = tuple((name, dollars, count) for name, (dollars, count) in sorted(spent.items()))
        case.set_head(replace(case.head, spent=rows, spent_at=at))


def stopping(case: Case, entry: Entry, at: datetime) -> None:
    """The process is being ended."""
    _state(case, entry, "stopping")


def stuck(case: Case, entry: Entry, at: datetime) -> None:
    """The process cannot be killed: its task is parked until it is gone."""
    _state(case, entry, "stuck")


def gone(case: Case, entry: Entry, at: datetime) -> None:
    """Nothing of the process is left, which was verified."""
    _state(case, entry, "gone")
    _, attempt = _of(case, entry)
    if attempt is not None:
        _spend(case, attempt.agent, entry["facts"], at)


def over_budget(case: Case, entry: Entry, at: datetime) -> None:
    """All of a budget is spent: the instruction is paused until a person decides [EXE-25]."""
    if (entry.get("facts") or {}).get("pauses"):
        case.set_head(replace(case.head, paused="executor"))


def _state(case: Case, entry: Entry, state: str) -> None:
    task, attempt = _of(case, entry)
    if attempt is not None and attempt.process is not None:
        case.put(_changed(task, attempt.n, process=replace(attempt.process, state=state)))


def _of(case: Case, entry: Entry) -> tuple[Task, Attempt | None]:
    task = case.ensure(entry["task"])
    return task, attempt_of(task, entry.get("attempt") or 0)


def _changed(task: Task, n: int, **changes: Any) -> Task:
    return replace(task, attempts=tuple(replace(a, **changes) if a.n == n else a for a in task.attempts))
