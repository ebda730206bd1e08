"""Whether a worker lives, how it ended, and ending it with all that it has left anywhere [OPS-18, SES-15].

Counterparts: `starting.py`; `wrapper.py`, which writes the exit. Nothing here waits: `Stopping` is a state machine that
is polled.

Rules of the house
- A process is never known by its pid alone: pid, start ticks and boot id, and each signal goes through a pidfd that
  was opened first and compared afterwards.
- What belongs to a worker: what stands below it in the process tree, its session, its group, and whatever has its
  `EXECUTORD_…` marks in its environment. What once was seen to belong stays under watch, whoever its parent is later.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from executord.files import machine
from executord.files.machine import Seen
from executord.paper.gate import moment_of
from executord.runners import groups
from executord.runners.order import Worker
from executord.runners.starting import WRAPPER, read_json, reap
from executord.values import whole_number

State = Literal["alive", "gone", "elsewhere"]
GRACE_S = 10.0
KILL_S = 10.0  # after so long what is still there "cannot be killed"
_WRAPPER_S = 1.5  # for the wrapper to end by itself once nothing is left below it
_QUICK_S, _SLOW_S, _STUCK_S = 0.05, 0.25, 5.0


# --- asking -----------------------------------------------------------------------------------------------------------


def state_of(worker: Worker) -> State:
    """`alive`, `gone`, or `elsewhere`: on another machine, where nobody here can look. Zombies are gone."""
    if worker.boot_id is not None and worker.boot_id != machine.boot_id():
        return "gone" if worker.host in ("", machine.host()) else "elsewhere"
    if is_same(worker, machine.seen(worker.pid)):
        return "alive"
    if worker.cgroup is not None and groups.is_ours(worker.cgroup) and groups.members(worker.cgroup):
        return "alive"
    return "gone"


def alive(worker: Worker) -> bool:
    """Whether it is proven to live: by pid, start ticks and boot id, or by its group."""
    return state_of(worker) == "alive"


def is_same(worker: Worker, there: Seen | None) -> bool:
    """Whether the process that has this pid now is the one of the record."""
    return there is not None and there.start_ticks == worker.start_ticks and not there.dead


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended. `began` False: its program never ran. `left` > 0: something of it cannot be killed."""

    began: bool
    code: int | None = None
    signal: int | None = None
    error: str | None = None  # why its program could not be started
    at: datetime | None = None
    over_time: bool = False
    left: int = 0
    left_out: Mapping[str, int] | None = None  # bytes of each stream that were more than the cap

    def said(self) -> str:
        """In words."""
        if self.error is not None:
            return f"its program could not be started: {self.error}"
        if not self.began:
            return "its program never began"
        if self.over_time:
            return "it ran for longer than it may"
        if self.signal is not None:
            try:
                return f"it was ended by {signal.Signals(self.signal).name}"
            except ValueError:
                return f"it was ended by signal {self.signal}"
        return f"it ended with exit code {self.code}"


def exit_of(work: str) -> Exit | None:
    """What the wrapper has written of the end, None if it has written nothing (yet)."""
    path = f"{work}/exit.json"
    found = read_json(path)
    if not isinstance(found.get("began"), bool):
        return None
    with contextlib.suppress(OSError):
        at = moment_of(os.lstat(path).st_mtime_ns)
        out = found.get("left_out")
        return Exit(
            began=found["began"],
            code=_int(found.get("code")),
            signal=_int(found.get("signal")),
            error=found["error"] if isinstance(found.get("error"), str) else None,
            at=at,
            over_time=bool(found.get("over_time")),
            left=_int(found.get("left")) or 0,
            left_out={str(k): v for k, v in out.items() if isinstance(v, int) and v > 0}
            if isinstance(out, dict)
            else None,
        )
    return None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def find(marks: Mapping[str, str], home: str | None = None) -> list[Worker]:
    """The workers in the process table that have all these marks in their environment: the top of each tree.

    Asked before any second start of a task, and where no record is left. `home`: of those, who works for this folder.
    """
    tops = _tops(_marked(marks, _everyone(), home))
    boot, host = machine.boot_id(), machine.host()
    found = []
    for there in tops:
        command = machine.command_of(there.pid)
        work = command[command.index(WRAPPER) + 1] if WRAPPER in command[:-1] else None
        attempt = machine.environment_of(there.pid).get("EXECUTORD_ATTEMPT", "")
        found.append(
            Worker(there.pid, there.start_ticks, boot, host, None, whole_number(attempt) or 1, work,
                   dict(marks))
        )  # fmt: skip
    return sorted(found, key=lambda w: (w.work is None, w.pid))


def _everyone() -> dict[int, Seen]:
    """All others that live: not we ourselves, nor what stands above us."""
    table = {each.pid: each for each in machine.processes()}
    above = os.getpid()
    while above in table:
        above = table.pop(above).parent
    return {pid: each for pid, each in table.items() if not each.dead}


def _marked(marks: Mapping[str, str], table: Mapping[int, Seen], home: str | None) -> list[Seen]:
    if not marks:
        return []
    wanted = marks.items()
    return [
        each for pid, each in table.items()
        if wanted <= (environ := machine.environment_of(pid)).items() and not _is_of_another(environ, home)
    ]  # fmt: skip


def _is_of_another(environ: Mapping[str, str], home: str | None) -> bool:
    """Whether its result belongs into another session's folder than this: a copy of it, or one of the same id.

    Where that folder is gone the session was moved, and it is ours.
    """
    result = environ.get("EXECUTORD_RESULT")
    if home is None or result is None:
        return False
    try:
        return not os.path.samefile(os.path.dirname(os.path.dirname(result)), home)
    except OSError:
        return False


def is_of_another(worker: Worker) -> bool:
    """Whether the process of this record lives and works for another folder: the record was copied with its session."""
    if worker.home is None or worker.boot_id not in (None, machine.boot_id()):
        return False
    there = machine.seen(worker.pid)
    return is_same(worker, there) and _is_of_another(machine.environment_of(worker.pid), worker.home)


def _tops(found: Iterable[Seen]) -> list[Seen]:
    there = {each.pid: each for each in found}
    return [each for each in there.values() if each.parent not in there]


# --- telling ----------------------------------------------------------------------------------------------------------


def tell(worker: Worker, number: int) -> bool:
    """Send a signal to exactly this process; the wrapper passes it on to its program. False: it is gone."""
    return _send(worker.pid, worker.start_ticks, number)


def interrupt(worker: Worker) -> bool:
    """SIGINT, as with `finalize` [SES-14]."""
    return tell(worker, signal.SIGINT)


def _send(pid: int, start_ticks: int, number: int) -> bool:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    except OSError:  # a kernel without pidfds
        there = machine.seen(pid)
        if there is None or there.start_ticks != start_ticks:
            return False
        with contextlib.suppress(OSError):
            os.kill(pid, number)
            return True
        return False
    try:
        there = machine.seen(pid)
        if there is None or there.start_ticks != start_ticks:
            return False
        signal.pidfd_send_signal(fd, number)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


# --- ending -----------------------------------------------------------------------------------------------------------

Phase = Literal["terminating", "killing", "stuck", "gone"]


class Stopping:
    """Ends a worker with all that it has left: SIGTERM, grace, SIGKILL, then nothing of it is there.

    Poll it with a monotonic time; `next_at` says when again. `stuck`: it cannot be killed, and is watched on. Begun
    anew at any time it comes to the same end, so nothing of it needs to be kept.
    """

    def __init__(self, worker: Worker, *, grace_s: float = GRACE_S, kill_s: float = KILL_S) -> None:
        self.worker = worker
        self.phase: Phase = "terminating"
        self.left: tuple[int, ...] = ()
        self.next_at = 0.0
        self._grace, self._kill = grace_s, kill_s
        self._began: float | None = None
        self._alone: float | None = None  # since when only the wrapper is left
        self._known: dict[int, int] = {}  # pid → start ticks of all that were seen to belong to it
        self._asked: set[tuple[int, int]] = set()
        self._session = False
        command = machine.command_of(worker.pid)
        self._wrapped = WRAPPER in command or any(part.endswith("/runners/wrapper.py") for part in command[:6])

    def look(self) -> bool:
        """Whether anything of the worker is there; nothing is done about it."""
        return bool(self._members())

    def poll(self, now: float) -> Phase:
        """Do the next step; answers where it stands."""
        if self.phase == "gone":
            return "gone"
        if self._began is None:
            self._began = now
        reap(self.worker.pid)
        members = self._members()
        self.left = tuple(sorted(members))
        if not members:
            if self.worker.cgroup is not None and groups.is_ours(self.worker.cgroup):
                groups.remove(self.worker.cgroup)
            self.phase = "gone"
            return "gone"
        since = now - self._began
        others = [m for m in members.values() if not (self._wrapped and m.pid == self.worker.pid)]
        if since < self._grace:
            self._terminate(others)
        else:
            self.phase = "killing" if since < self._grace + self._kill else "stuck"
            self._end(others, since)
        self._dismiss(others, now)
        span = _STUCK_S if self.phase == "stuck" else _QUICK_S if since < 1 else _SLOW_S
        if self.phase == "terminating":
            span = min(span, max(self._began + self._grace - now, 0.01))
        self.next_at = now + span
        return self.phase

    def _terminate(self, others: list[Seen]) -> None:
        for each in others:
            if (each.pid, each.start_ticks) not in self._asked:
                self._asked.add((each.pid, each.start_ticks))
                _send(each.pid, each.start_ticks, signal.SIGTERM)
                _send(each.pid, each.start_ticks, signal.SIGCONT)  # who stands still cannot hear it

    def _end(self, others: list[Seen], since: float) -> None:
        for each in others:
            _send(each.pid, each.start_ticks, signal.SIGKILL)
        group = self.worker.cgroup
        if group is not None and since >= self._grace + 1 and groups.is_ours(group):
            groups.kill(group)  # whatever forks faster than we look

    def _dismiss(self, others: list[Seen], now: float) -> None:
        """The wrapper ends by itself once nothing is left below it; one that does not is ended."""
        if others or not self._wrapped:
            self._alone = None
        elif self._alone is None:
            self._alone = now
        elif now - self._alone >= _WRAPPER_S:
            _send(self.worker.pid, self.worker.start_ticks, signal.SIGKILL)

    def _members(self) -> dict[int, Seen]:
        table = _everyone()
        worker = self.worker
        known = {p: table[p] for p, ticks in self._known.items() if p in table and table[p].start_ticks == ticks}
        top = table.get(worker.pid)
        if top is not None and is_same(worker, top) and self._here():
            known[top.pid] = top
            self._session = self._session or top.session == top.pid
        if self._session and (top is None or is_same(worker, top)):
            known.update((p, each) for p, each in table.items() if each.session == worker.pid)
        known.update((each.pid, each) for each in _marked(worker.marks, table, worker.home))
        if worker.cgroup is not None and groups.is_ours(worker.cgroup):
            known.update((p, table[p]) for p in groups.members(worker.cgroup) if p in table)
        below: dict[int, list[Seen]] = {}
        for each in table.values():
            below.setdefault(each.parent, []).append(each)
        left = list(known)
        while left:
            for each in below.get(left.pop(), ()):
                if each.pid not in known:
                    known[each.pid] = each
                    left.append(each.pid)
        self._known.update((p, each.start_ticks) for p, each in known.items())
        return known

    def _here(self) -> bool:
        return self.worker.boot_id in (None, machine.boot_id())
