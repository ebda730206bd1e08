"""Starting a worker: held at the gate until it is known, then let go [OPS-18, SES-9].

`hold` starts the wrapper and writes the record into the work folder; the caller notes it where it must stand (journal,
`active_workers`), then calls `release`. If the caller dies in between, the program never begins.

Counterparts: `wrapper.py`, the other side of the gate; `ending.py`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import subprocess
import sys
import threading
from hashlib import sha256
from typing import Any

from executord.errors import CannotStart
from executord.files import machine
from executord.paper.gate import regular
from executord.runners import groups
from executord.runners.order import Order, Worker

WRAPPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wrapper.py")
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT})
_HELD, _RECORD = ".worker.json", "worker.json"  # of one that is not yet noted, and of one that is
_children: dict[int, subprocess.Popen[bytes]] = {}  # wrappers that are our own children: they are ours to be reaped
_children_lock = threading.Lock()


class Held:
    """A worker that waits at the gate. Exactly one of `release` and `abandon` ends the waiting."""

    def __init__(self, worker: Worker, gate: int) -> None:
        self.worker = worker
        self._gate = gate

    def release(self) -> None:
        """It is noted: its program begins."""
        if self._gate >= 0:
            begin_noted(self.worker.work or "")
            with contextlib.suppress(OSError):  # it was ended meanwhile: that is seen like any other end
                os.write(self._gate, b"g")
            self._close()

    def abandon(self) -> None:
        """It could not be noted: its program never begins."""
        if self._gate >= 0:
            abandon_held(self.worker.work or "")
        self._close()

    def _close(self) -> None:
        gate, self._gate = self._gate, -1
        if gate >= 0:
            os.close(gate)

    def __del__(self) -> None:
        self.abandon()


def begin_noted(work: str) -> bool:
    """Its line is noted: the record gets its name, and the program begins. After a restart this is how a start is done
    again; False: nobody is held back here (any more)."""
    try:
        os.rename(f"{work}/{_HELD}", f"{work}/{_RECORD}")
    except OSError:
        return False
    return True


def abandon_held(work: str) -> None:
    """There is no line of it: whoever is held back here never begins."""
    with contextlib.suppress(OSError):
        os.unlink(f"{work}/{_HELD}")


def hold(order: Order, *, durable: bool = True) -> Held:
    """Start the wrapper of a worker and keep its program back. Raises `CannotStart`."""
    try:
        return _hold(order, durable)
    except OSError as error:
        said = f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
        passing = error.errno in _PASSING
        failed = CannotStart(
            f"the worker cannot be started: {said}",
            path=order.work,
            fix="it is tried again by itself" if passing else "look at the folder and its permissions",
            code="OPS-17",
        )
        failed.passing = passing
        raise failed from error


def _hold(order: Order, durable: bool) -> Held:
    for folder in ("", "/tmp", "/inbox", *((f"/{order.turns.folder}",) if order.turns else ())):
        os.makedirs(f"{order.work}{folder}", mode=0o770, exist_ok=True)
    for old in ("exit.json", ".exit", _RECORD, _HELD):  # of a start that never came to be noted
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{order.work}/{old}")
    put(f"{order.work}/start.json", json.dumps(order.plain()).encode(), durable=False)
    group = _group(order)
    gate, hand = os.pipe()
    try:
        with open(f"{order.work}/wrapper.log", "ab", opener=_log) as log:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", WRAPPER, order.work, str(gate)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=True, pass_fds=(gate,),
                start_new_session=True, cwd="/",
                env={**order.environment, **order.marks, "TMPDIR": f"{order.work}/tmp"},
            )  # fmt: skip
    except BaseException:  # raised again: nobody is there who would be let go by it
        os.close(hand)
        raise
    finally:
        os.close(gate)
    held = Held(Worker(child.pid, 0, None, ""), hand)
    with _children_lock:
        _children[child.pid] = child
    if group is not None and not groups.join(group, child.pid):
        groups.remove(group)
        group = None
    there = machine.seen(child.pid)
    if there is None:  # cannot be: it is our child and not yet reaped
        held.abandon()
        raise CannotStart("the worker cannot be seen in /proc", fix="mount /proc so that the daemon sees its own")
    held.worker = Worker(
        pid=child.pid,
        start_ticks=there.start_ticks,
        boot_id=machine.boot_id(),
        host=machine.host(),
        cgroup=group,
        attempt=order.attempt,
        work=order.work,
        marks=dict(order.marks),
    )
    try:
        put(f"{order.work}/{_HELD}", json.dumps({**held.worker.facts(), "marks": dict(order.marks)}).encode(),
            durable=durable)  # fmt: skip
    except BaseException:  # raised again: of whom nothing is kept, he must not begin
        held.abandon()
        raise
    return held


def _log(path: str, flags: int) -> int:
    """What an earlier process has left on this name neither makes us wait nor leads elsewhere."""
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        os.unlink(path)
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o660)


def _group(order: Order) -> str | None:
    parent = groups.delegated()
    if parent is None:
        return None
    return groups.make(parent, sha256(order.work.encode(errors="surrogateescape")).hexdigest()[:16])


def reap(pid: int) -> None:
    """Ask for the exit of a child of ours, so that it leaves the process table; nothing for any other."""
    with _children_lock:
        child = _children.get(pid)
        if child is not None and child.poll() is not None:
            del _children[pid]


def reap_all() -> None:
    """The same for all of them."""
    for pid in list(_children):
        reap(pid)


def put(path: str, data: bytes, *, durable: bool = True) -> None:
    """Write a file whole: aside, then renamed over its older self. Raises `OSError`."""
    aside = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.aside")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(aside)  # a pipe that the worker has put there would make us wait, a second name cost him a file
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(aside, path)


def read_json(path: str) -> dict[str, Any]:
    """A JSON file of ours, where its worker may have put anything; empty where there is none that can be read."""
    try:
        with os.fdopen(regular(path), "rb") as file:
            found = json.loads(file.read(1 << 20))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
