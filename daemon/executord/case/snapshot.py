"""The whole of what a journal says, as the facts of one line: with it a new part begins [CON-6].

So reading a case costs what it holds, not how long it has been open [PERF-3]. Only what the journal says stands
here; what the files say is read from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from executord.case import Head, Task
from executord.case.casebook import Case
from executord.values import stamp

_FROM_FILES = frozenset(
    {"spec", "file", "rivals", "gone_at", "gone_looks", "found", "key", "planned", "plan", "faults", "first_seen",
     "quiet_since", "ours", "missed", "id", "sealed", "clash", "process_seen", "start_after"}
)  # fmt: skip


def freeze(case: Case) -> dict[str, Any]:
    """What the journal says of this case, as JSON-like data in a fixed order."""
    return {
        "head": _plain(case.head),
        "tasks": {t.id: _plain(t) for t in sorted(case.tasks.values(), key=lambda t: t.id) if _told(t)},
        "mail": {name: [n, sorted(seen)] for name, (n, seen) in sorted(case.mail.items())},
        "mail_ids": sorted(case.mail_ids),
        "sent": [[*key, n] for key, n in sorted(case.sent.items())],
        "asides": dict(sorted(case.asides.items())),
    }


def thaw(case: Case, facts: Mapping[str, Any]) -> None:
    """The opposite: the case as it was when it was frozen."""
    head = _adapter(Head).validate_python({"id": case.id, **facts["head"]})
    case.set_head(replace(head, first_seen=case.head.first_seen))
    for task_id, data in facts["tasks"].items():
        fresh = case.ensure(task_id)
        told = _adapter(Task).validate_python({"id": task_id, **data})
        keep = {f.name: getattr(fresh, f.name) for f in fields(Task) if f.name in _FROM_FILES}
        case.put(replace(told, **keep))
    case.mail = {name: (n, tuple(seen)) for name, (n, seen) in facts["mail"].items()}
    case.mail_ids = set(facts["mail_ids"])
    case.sent = {(task, attempt, kind): n for task, attempt, kind, n in facts["sent"]}
    case.asides = dict(facts["asides"])
    case.recount_frontier()


def _told(task: Task) -> bool:
    """Whether the journal says anything of this task."""
    return bool(task.admitted or task.attempts or task.ended or task.done or task.overrides or task.hold or task.asks)


def _plain(value: Any) -> Any:
    kind: type = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is datetime:
        return stamp(value)
    if kind is tuple or kind is list:
        return [_plain(v) for v in value]
    if kind is frozenset or kind is set:
        return sorted(_plain(v) for v in value)
    shape = _shape(kind)
    if shape is not None:
        return {
            name: _plain(item)
            for name, default in shape
            if (item := getattr(value, name)) is not default and item != default
        }
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value


_AS_IT_IS = frozenset({str, int, bool, float, type(None)})


@cache
def _shape(kind: type) -> tuple[tuple[str, Any], ...] | None:
    """The fields of a value that stand in a snapshot, with the default at which they are left out."""
    if not is_dataclass(kind):
        return None
    ours = kind in (Head, Task)
    return tuple(
        (f.name, f.default_factory() if f.default_factory is not MISSING else f.default)
        for f in fields(kind)
        if not (ours and f.name in _FROM_FILES)
    )


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
