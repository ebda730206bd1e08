"""What is told to a running worker: a file in its inbox folder, a further turn on its stdin, a signal [CON-16, OPS-17].

Counterparts: `wrapper.py`, which feeds turns; the worker, which reads its `EXECUTORD_INBOX`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.files.disk import rename
from executord.paper.gate import regular
from executord.pen import dump
from executord.runners.ending import tell
from executord.runners.order import Worker
from executord.runners.starting import put
from executord.values import stamp


def follow_up(
    inbox: str, n: int, kind: str, at: datetime, task_id: str, text: str, more: Mapping[str, Any] | None = None
) -> str:
    """Put the n-th follow-up into a worker's inbox folder, whole: `0001-status_check.yaml`; answers its path.

    The same again changes nothing, also when the worker has taken it away and the caller kept `n`. Raises `OSError`.
    """
    path = f"{inbox}/{_name(n, kind)}"
    if not os.path.lexists(path):
        stage(inbox, n, kind, at, task_id, text, more)
        publish(inbox, n, kind)
    return path


def _name(n: int, kind: str) -> str:
    return f"{n:04}-{kind}.yaml"


def stage(
    inbox: str, n: int, kind: str, at: datetime, task_id: str, text: str, more: Mapping[str, Any] | None = None
) -> None:
    """Write a follow-up aside, whole; `publish` puts it in place. Raises `OSError`."""
    os.makedirs(inbox, mode=0o770, exist_ok=True)
    data = dump({"n": n, "kind": kind, "at": stamp(at), "task_id": task_id, "text": text, **(more or {})})
    put(_aside(inbox, n, kind), data)


def _aside(inbox: str, n: int, kind: str) -> str:
    return f"{inbox}/.{_name(n, kind)}.staged"


def publish(inbox: str, n: int, kind: str) -> bytes | None:
    """Put what was staged in place; answers its bytes. None: it was published before, or never staged [MEM-21]."""
    aside = _aside(inbox, n, kind)
    try:
        with os.fdopen(regular(aside), "rb") as file:
            data = file.read()
        if not rename(aside, f"{inbox}/{_name(n, kind)}"):
            os.unlink(aside)
            return None
    except OSError:
        return None
    return data


def next_number(inbox: str) -> int:
    """The number of the next follow-up, counted from what lies there; where the worker removes what it has read,
    keep a count of your own."""
    try:
        numbers = [int(name[:4]) for name in os.listdir(inbox) if name[:4].isdecimal()]
    except OSError:
        numbers = []
    return max(numbers, default=0) + 1


def turn(worker: Worker, folder: str, n: int, data: bytes) -> None:
    """A further turn for a program that takes turns on stdin: the wrapper feeds it. Raises `OSError`."""
    assert worker.work is not None
    path = f"{worker.work}/{folder}/{n:04}"
    if not os.path.lexists(path):
        put(path, data)
    tell(worker, signal.SIGWINCH)  # ignored where nobody listens yet
