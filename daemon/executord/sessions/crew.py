"""The workers of a session as processes: held, let go, looked at, told, ended, found again [SES-6, SES-9, SES-15].

Counterpart: `runners/`, which does it; here is only what a session asks of it. `Crew` is what tests put a crew of paper
in the place of.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from executord import runners
from executord.clock import WallClock
from executord.errors import BadConfiguration, ExecutordError
from executord.policy.programs import READY
from executord.settings import Settings

Process = Mapping[str, Any]
Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is started for."""

    session_id: str
    path: str  # the session's folder
    task: str
    attempt: int
    role: str
    effort: str

    @property
    def order(self) -> str:
        """The name of its order."""
        return f"{self.task}.a{self.attempt}"

    @property
    def work(self) -> str:
        """Its own folder."""
        return f"{self.path}/.executord/work/{self.order}"

    @property
    def marks(self) -> dict[str, str]:
        """By what it is found in the process table."""
        return {
            "EXECUTORD_SESSION": self.session_id,
            "EXECUTORD_TASK": self.task,
            "EXECUTORD_ATTEMPT": str(self.attempt),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """How a worker stands: `alive`, `ended` (its program has, more may be left), `gone`, or `elsewhere`: unknown."""

    state: str
    code: int | None = None
    began: bool = True
    error: str | None = None
    at: datetime | None = None


class Waiting(Protocol):
    """A worker that is held back until it is noted."""

    @property
    def process(self) -> Process:
        """Which process it is."""

    def release(self) -> None:
        """Its program begins."""

    def abandon(self) -> None:
        """Its program never begins."""


class Crew(Protocol):
    """What a session asks of whoever keeps its workers."""

    def hold(self, job: Job) -> Waiting:
        """Start a worker and hold it back. Raises `ExecutordError`."""

    def look(self, job: Job, process: Process) -> Found:
        """How it stands now."""

    def find(self, job: Job) -> Process | None:
        """A worker of this very task and attempt in the process table."""

    def begin(self, job: Job) -> None:
        """One that was held back when its keeper died, and is noted: its program begins; nothing for any other."""

    def interrupt(self, job: Job, process: Process) -> None:
        """SIGINT."""

    def stop(self, job: Job, process: Process) -> str:
        """Go on ending it: `stopping`, `stuck` or `gone`. To be asked again until it is gone."""

    def watch(self, job: Job, process: Process) -> None:
        """Ring when it ends."""


def split_command(text: str) -> Command:
    """A command line split as a shell would, with no shell. Raises `BadConfiguration`."""
    try:
        parts = tuple(shlex.split(text))
    except ValueError as error:
        raise BadConfiguration(
            f"no worker program: {text!r} cannot be split: {error}", fix="close its quotes"
        ) from error
    if not parts:
        raise BadConfiguration("no worker program: the command is empty", fix='use --worker "CMD ARGS"')
    return parts


class Programs:
    """Which program works for a role: `--worker`, else EXECUTORD_WORKER, else the configuration [SES-10]."""

    def __init__(self, settings: Settings, given: str | None = None, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        said = given or environ.get("EXECUTORD_WORKER")
        self._all: Command | None = split_command(said) if said else None
        self._roles = {role: (row.program, *row.args) for role, row in settings.sessions.roles.items()}
        worker = settings.sessions.worker
        self._worker: Command | None = (worker.program, *worker.args) if worker is not None else None

    def of(self, role: str) -> Command:
        """The program of a role. Raises `BadConfiguration` [SES-29]."""
        command = self._all or self._roles.get(role) or self._worker
        if command is None:
            raise BadConfiguration(
                f"no worker program for role {role}", code="SES-10",
                fix='use --worker "CMD ARGS", EXECUTORD_WORKER, or sessions.worker in the configuration',
            )  # fmt: skip
        if shutil.which(command[0]) is None:
            raise BadConfiguration(
                f"no worker program: {command[0]} for role {role} is not there, or cannot be run", code="SES-10",
                fix="give an absolute path, or a name on PATH",
            )  # fmt: skip
        return (os.path.abspath(command[0]) if os.sep in command[0] else command[0], *command[1:])


class _Held:
    def __init__(self, held: runners.Held) -> None:
        self._held = held

    @property
    def process(self) -> Process:
        return {k: v for k, v in self._held.worker.facts().items() if k != "attempt"}

    def release(self) -> None:
        self._held.release()

    def abandon(self) -> None:
        self._held.abandon()


class Processes:
    """A crew of real processes."""

    def __init__(
        self,
        programs: Programs,
        *,
        output_bytes: int = 10_485_760,
        grace_s: float = 10.0,
        durable: bool = True,
        ring: Callable[[str], None] | None = None,
        environ: Mapping[str, str] | None = None,
        memory: str | None = None,
    ) -> None:
        """`memory`: of the daemon that runs the sessions; by it `service stop --workers` finds their workers."""
        self.programs, self._memory = programs, memory
        self._output, self._grace, self._durable = output_bytes, grace_s, durable
        self._environ = os.environ if environ is None else environ
        self._clock = WallClock()
        self._stopping: dict[str, runners.Stopping] = {}
        self._watch = runners.Watch(ring) if ring is not None else None

    def hold(self, job: Job) -> Waiting:
        """Start a worker and hold it back. Raises `ExecutordError`."""
        argv = self.programs.of(job.role)
        own = {
            "EXECUTORD_RESULT": f"{job.path}/discoveries/{job.task}.json",
            "EXECUTORD_INBOX": f"{job.work}/inbox",
            "EXECUTORD_REASONING_EFFORT": job.effort,
        }
        if self._memory is not None:
            own["EXECUTORD_MEMORY"] = self._memory
        known = READY.get(os.path.basename(argv[0]))  # a known agent's program finds its key as under a roster's entry
        allow = (*runners.ENVIRONMENT, *(known.environment if known is not None else ()))
        order = runners.Order(
            argv, job.work, job.path, job.marks, runners.environment(self._environ, allow, own), job.attempt,
            f"{job.work}/order.md", output_bytes=self._output,
        )  # fmt: skip
        return _Held(runners.hold(order, durable=self._durable))

    def _worker(self, job: Job, process: Process) -> runners.Worker | None:
        facts = {**process, "attempt": job.attempt}
        worker = runners.worker_from(facts, work=job.work, marks=job.marks, home=job.path)
        return None if worker is None or runners.is_of_another(worker) else worker

    def look(self, job: Job, process: Process) -> Found:
        """How it stands now."""
        worker = self._worker(job, process)
        state = runners.state_of(worker) if worker is not None else "gone"
        end = runners.exit_of(job.work)
        if end is None and state == "gone":
            end = runners.exit_of(job.work)  # written between the two looks
        if end is None:
            return Found(state if state != "alive" else "alive", None)
        code = end.code if end.code is not None else -end.signal if end.signal is not None else None
        began = end.began or end.error is not None
        return Found("ended" if state == "alive" else state, code, began, end.error, end.at)

    def find(self, job: Job) -> Process | None:
        """A worker of this very task and attempt in the process table."""
        found = runners.find(job.marks, job.path)
        return {k: v for k, v in found[0].facts().items() if k != "attempt"} if found else None

    def begin(self, job: Job) -> None:
        """One that was held back when its keeper died, and is noted: its program begins; nothing for any other."""
        runners.begin_noted(job.work)

    def interrupt(self, job: Job, process: Process) -> None:
        """SIGINT."""
        worker = self._worker(job, process)
        if worker is not None:
            runners.interrupt(worker)

    def stop(self, job: Job, process: Process) -> str:
        """Go on ending it."""
        key = f"{job.path}\0{job.order}"
        stopping = self._stopping.get(key)
        if stopping is None:
            worker = self._worker(job, process)
            if worker is None:
                return "gone"
            stopping = self._stopping[key] = runners.Stopping(worker, grace_s=self._grace)
        now = self._clock.monotonic()
        phase = stopping.poll(now) if now >= stopping.next_at else stopping.phase
        if phase == "gone":
            del self._stopping[key]
            return "gone"
        return "stuck" if phase == "stuck" else "stopping"

    def watch(self, job: Job, process: Process) -> None:
        """Ring when it ends."""
        worker = self._worker(job, process)
        if self._watch is not None and worker is not None:
            self._watch.add(f"{job.path}\0{job.order}", worker)

    def close(self) -> None:
        """No more rings; the workers go on."""
        if self._watch is not None:
            self._watch.close()


def check_programs(programs: Programs, roles: list[str]) -> None:
    """Every role has a program that is there. Raises `BadConfiguration`, before anything is started [SES-10]."""
    for role in roles:
        programs.of(role)


def said_of(error: Exception) -> str:
    """Why a worker could not be started, in words."""
    return error.message if isinstance(error, ExecutordError) else str(error)
