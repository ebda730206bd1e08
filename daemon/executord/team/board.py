"""tasks.json in every shape, and the entries of workers, which are one thing however they are called [SES-2]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from executord.team.papers import STATUSES, Entry, Paper, Written, first, status_of, text_of
from executord.team.plan import Fault


def board_rows(data: Any) -> dict[str, Mapping[str, Any]]:
    """The tasks of tasks.json: an array, an object with `tasks` (map or array), or a map by id [SES-2]."""
    if isinstance(data, Mapping):
        inner = data.get("tasks")
        if isinstance(inner, Mapping | list):
            data = inner
        else:
            data = {k: v for k, v in data.items() if isinstance(v, Mapping) or status_of(v) is not None}
            data = {k: v for k, v in data.items() if k not in _NO_TASKS}
    if isinstance(data, list):
        rows = [(text_of(first(each, "id", "task_id")), each) for each in data if isinstance(each, Mapping)]
        return {task_id: row for task_id, row in rows if task_id}
    if isinstance(data, Mapping):
        return {
            text_of(v.get("id")) or str(k) if isinstance(v, Mapping) else str(k): v
            if isinstance(v, Mapping) else {"status": v} for k, v in data.items()
        }  # fmt: skip
    return {}


_NO_TASKS = frozenset({
    "active_agents", "active_workers", "schema_version", "session_id", "status", "generated_by", "generated_at",
    "event", "meta", "metadata", "pipeline", "updated_at",
})  # fmt: skip


def read_board(
    paper: Paper, session: Mapping[str, Any], warnings: list[Fault]
) -> tuple[dict[str, Written], tuple[Entry, ...]]:
    """The tasks of tasks.json by id, and the entries of workers; what is odd is a warning."""
    if paper.there and (paper.corrupt is not None or not isinstance(paper.data, Mapping | list)):
        text = f"tasks.json corrupt: {paper.corrupt or 'it is no object and no array'}; it is made again"
        warnings.append(Fault("SES-2", text, "tasks.json", "nothing to do: the old one is kept aside"))
    board: dict[str, Written] = {}
    for task_id, row in board_rows(paper.data).items():
        status = status_of(row.get("status", "pending"))
        if status is None:
            text = f"tasks.json: {task_id} has unknown status {row.get('status')!r}; pending is taken"
            warnings.append(Fault("SES-2", text, "tasks.json", f"use {', '.join(STATUSES)}"))
        board[task_id] = Written(task_id, status or "pending", row)
    agents = paper.data.get("active_agents") if isinstance(paper.data, Mapping) else None
    entries: dict[str, Entry] = {}
    for source in (session.get("active_workers"), session.get("active_agents"), agents):
        for entry in _entries(source, board):
            entries.setdefault(entry.task, entry)
    return board, tuple(entries.values())


def _entries(value: Any, board: Mapping[str, Written]) -> Iterator[Entry]:
    """`active_workers` (a list) or `active_agents` (a map; its values objects or texts)."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if isinstance(each, Mapping):
                task = text_of(first(each, "task_id", "task", "id")) or str(key)
                yield Entry(task, {"agent": str(key), **each})
            elif str(key) in board or text_of(each) not in board:
                yield Entry(str(key), {"agent": text_of(each)})  # task → agent
            else:
                yield Entry(text_of(each), {"agent": str(key)})  # agent → task
    elif isinstance(value, list):
        for each in value:
            if isinstance(each, Mapping):
                task = text_of(first(each, "task_id", "task", "id"))
                if task:
                    yield Entry(task, each)
            elif text_of(each):
                yield Entry(text_of(each))
