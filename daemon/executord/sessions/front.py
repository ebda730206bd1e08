"""One session in the foreground: lock, look, wait, until it is complete or a person is needed [SES-25, SES-29].

Counterpart: `desk.py`, the same for the sessions of a daemon. Who watches is told each line as it is noted.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from executord.clock import WallClock
from executord.errors import BadInput, ExecutordError, NotFound, TimedOut
from executord.files import lock
from executord.files.dropping import make_folders, put
from executord.pen import dump
from executord.policy import Policy
from executord.sessions.crew import Processes
from executord.sessions.engine import Engine
from executord.sessions.folder import read_session
from executord.sessions.hands import Entry
from executord.sessions.mailbox import INBOX
from executord.settings import Settings
from executord.team.papers import Reading
from executord.team.record import Law, Team
from executord.values import stamp

WHO = "executor runs this session"


def law_of(settings: Settings, *, asks: bool = False) -> Law:
    """What the settings say of sessions."""
    row = settings.sessions
    return Law(
        work_s=row.work_s, status_s=row.status_s, finalize_s=row.finalize_s, extension_s=row.extension_s,
        orphan_s=row.orphan_s, max_workers=row.max_workers, max_attempts=row.max_attempts, dependants=row.dependants,
        completion=row.completion, settle_s=settings.settle_s, asks=asks,
    )  # fmt: skip


def lock_of(path: str) -> lock.TreeLock:
    """The lock of a session."""
    return lock.TreeLock(path, lock.SESSION_PLACE, who=WHO)


def check_place(path: str, held: lock.TreeLock, fix: str = "put it back, or run it where it is now") -> None:
    """The session's folder is still the one whose lock is held: nothing is written where it has been. Raises."""
    if held.in_place:
        return
    if not os.path.isdir(path):
        raise NotFound("the session's folder is gone; its workers go on", path=path, fix=fix)
    raise BadInput("the session's folder is not the one that it was, or its lock is gone", path=path, fix=fix)


def peek(path: str, reading: Reading, settings: Settings, policy: Policy) -> Team:
    """The session as it lies there, changed by nobody: for reading commands [SES-20]."""
    from executord.sessions.glance import glance

    return glance(path, reading, law_of(settings), policy)


class Front:
    """A session that is run in the foreground."""

    def __init__(
        self, path: str, settings: Settings, policy: Policy, crew: Processes, bell: queue.SimpleQueue[str],
        told: Callable[[Entry], None],
    ) -> None:  # fmt: skip
        self._path, self._settings, self._policy, self._crew, self._bell = path, settings, policy, crew, bell
        self._told = told
        self._clock = WallClock()
        self._lock = lock_of(path)
        self.engine: Engine | None = None

    def open(self, reading: Reading, *, only_messages: bool = False) -> Engine:
        """Take the lock and begin; `only_messages`: start and end nobody. Raises `Locked`."""
        now = self._clock.now()
        self._lock.take(now)
        self.engine = Engine(
            self._path, reading, self._crew, law_of(self._settings), self._policy,
            durable=self._settings.durability == "full", on_entry=self._told,
        )  # fmt: skip
        self.engine.only_messages = only_messages
        self.engine.open(now)
        return self.engine

    def run(self) -> None:
        """Look and wait until nothing moves by itself any more."""
        engine = self.engine
        assert engine is not None
        while True:
            now = self._clock.now()
            check_place(self._path, self._lock)
            try:
                engine.look(now)
            except (ExecutordError, OSError):
                check_place(self._path, self._lock)  # it went while we looked: that is what is to be said
                raise
            if engine.resting:
                return
            at = engine.next_at(now)
            span = (at - self._clock.now()).total_seconds() if at is not None else 0.25
            with contextlib.suppress(queue.Empty):
                self._bell.get(timeout=max(span, 0.01))

    def close(self) -> None:
        """Let the lock go; the workers go on."""
        if self.engine is not None:
            self.engine.close()
        self._lock.release()


# --- speaking to whoever runs it --------------------------------------------------------------------------------------


def leave(path: str, kind: str, by: str, now: datetime, fields: Mapping[str, Any]) -> str:
    """Put a message into the session's own inbox; answers its name [SES-28]. Raises `CannotWrite`."""
    body = {"type": kind, "from": by, "to": "executor", "timestamp": stamp(now), **fields}
    name = f"{kind}.{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.yaml"
    make_folders(path, INBOX)
    put(path, f"{path}/{INBOX}/{name}", dump({k: v for k, v in body.items() if v is not None}))
    return name


def filed(path: str, name: str) -> tuple[str, bool] | None:
    """Where a message was filed, and whether it was refused; None: it still lies there."""
    if os.path.lexists(f"{path}/{INBOX}/{name}"):
        return None
    for shelf in (".processed", ".rejected"):
        base = f"{path}/{INBOX}/{shelf}"
        with contextlib.suppress(OSError):
            for day in sorted(os.listdir(base), reverse=True):
                if os.path.lexists(f"{base}/{day}/{name}"):
                    return f"{INBOX}/{shelf}/{day}/{name}", shelf == ".rejected"
    return None


def await_filed(path: str, name: str, timeout_s: float) -> tuple[str, bool] | None:
    """Wait for that. None: nobody runs the session any more, the message still lies there. Raises `TimedOut`."""
    clock = WallClock()
    start = clock.monotonic()
    waiter: queue.SimpleQueue[None] = queue.SimpleQueue()
    while True:
        found = filed(path, name)
        if found is not None:
            return found
        if lock.holder(path, lock.SESSION_PLACE) is None:
            return filed(path, name)
        if clock.monotonic() - start >= timeout_s:
            raise TimedOut(
                f"no receipt after {timeout_s:g} s; the message stays and is taken when the session comes to it",
                path=f"{path}/{INBOX}/{name}", fix="wait longer with --timeout",
            )  # fmt: skip
        with contextlib.suppress(queue.Empty):
            waiter.get(timeout=0.05)


def await_settled(path: str, timeout_s: float) -> None:
    """Wait until a decision on a complete session is carried out. Raises `TimedOut`."""
    clock = WallClock()
    start = clock.monotonic()
    waiter: queue.SimpleQueue[None] = queue.SimpleQueue()
    while read_session(path).status not in ("completed", "paused"):
        if clock.monotonic() - start >= timeout_s:
            raise TimedOut("the decision is taken, and still being carried out", path=path,
                           fix="look at `executord session status`")  # fmt: skip
        with contextlib.suppress(queue.Empty):
            waiter.get(timeout=0.05)
