"""What has happened in a session: its jobs, their attempts and the workers, as the journal tells it.

Counterparts: `plan.py`, what was prepared; `fold.py`, the only one that changes what the journal says;
`sessions/sight.py`, which puts in what it sees. A job is a task while it is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from executord.team.plan import Node, Plan, Role
from executord.values import stamp


@dataclass(frozen=True, slots=True)
class Attempt:
    """The n-th time that a task was given to a worker; `order` names the worker, empty where it is not known."""

    n: int
    at: datetime
    order: str = ""
    state: str = "live"  # live done failed timed_out reset low withdrawn
    closed_at: datetime | None = None
    reason: str | None = None
    unknown: bool = False  # somebody else's worker, of which nothing is known [SES-6]
    unknown_until: datetime | None = None
    ladder_at: datetime | None = None  # from when on the ladder counts
    checked_at: datetime | None = None
    answered_at: datetime | None = None
    finalized_at: datetime | None = None
    mark: int = 0  # how long messages.jsonl was at the last step of the ladder
    seen: str | None = None  # the discovery file at that moment (sha256[:16])
    offered: int = 0  # contexts passed on
    owed: tuple[str, ...] = ()  # messages whose text is still to be passed on, by where they were filed

    @property
    def live(self) -> bool:
        """Whether its result is still awaited."""
        return self.state == "live"


@dataclass(frozen=True, slots=True)
class Job:
    """A task while it is executed."""

    id: str
    status: str = "pending"
    since: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    spent: int = 0  # attempts that count, since the last retry by a person
    lows: int = 0  # results under 60 [SES-19]
    error: str | None = None
    findings: str | None = None
    artifacts: tuple[str, ...] = ()
    quality: float | None = None
    concerns: tuple[str, ...] = ()
    sha256: str | None = None  # of the discovery file that counts
    by: str | None = None  # who skipped it, or said that it is done
    revision: str | None = None  # the task that revises it [SES-18]
    blocked: int = 0  # consensus_blocked of severity HIGH
    retries: int = 0
    skips: int = 0
    hands: int = 0
    refused: str | None = None  # the tasks.json (sha256[:16]) in which a hand said what was refused
    late: int = 0

    @property
    def live(self) -> Attempt | None:
        """The live attempt, if there is one."""
        return self.attempts[-1] if self.attempts and self.attempts[-1].live else None

    @property
    def attempt(self) -> int:
        """The number of the last attempt, 0 before the first."""
        return self.attempts[-1].n if self.attempts else 0


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that works for this session; `order` = `{task}.a{n}` of the order it was started with."""

    order: str
    task: str
    attempt: int
    role: str
    at: datetime
    state: str = "starting"  # starting live ended stopping stuck gone
    process: Mapping[str, Any] | None = None
    current: str | None = None  # the task it has now
    idle_since: datetime | None = None
    told: int = 0
    contexts: int = 0
    resident: bool = False
    ended_at: datetime | None = None
    code: int | None = None
    stuck: int = 0
    begun: int = 0  # how often it was started: more than once if it died before its program began

    @property
    def there(self) -> bool:
        """Whether something of it may still run."""
        return self.state != "gone"


@dataclass(frozen=True, slots=True)
class Gap:
    """A capability that a worker missed [SES-17]."""

    n: int
    at: datetime
    wanted: str
    by: str
    text: str
    covered: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A decision that only a person takes; the session is paused until then."""

    n: int
    at: datetime
    task: str
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to become of a complete session [SES-23]."""

    action: str
    at: datetime
    by: str
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """A session without its jobs."""

    status: str = "active"
    opened_at: datetime | None = None
    since: datetime | None = None  # when its status changed last
    question: Question | None = None
    questions: int = 0
    gaps: tuple[Gap, ...] = ()
    stalled: bool = False
    stalls: int = 0
    complete_at: datetime | None = None
    completes: int = 0
    asked: int = 0  # the completion that was asked about
    choice: Choice | None = None
    choices: int = 0
    exports: int = 0  # the choice whose export was begun
    exported: bool = False
    kept: int = 0
    archived_at: datetime | None = None
    heard: int = 0  # bytes of messages.jsonl that were taken into account
    pauses: int = 0
    resumes: int = 0
    reads: int = 0


# --- what is seen, and not kept ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Discovery:
    """What lies at `discoveries/<task>.json` now. `fault`: why it cannot be taken, from `settled_at` on."""

    sha256: str
    seen_at: datetime
    status: str | None = None  # completed failed partial working; None: unknown, or not to be read
    findings: str = ""
    artifacts: tuple[str, ...] = ()
    error: str = ""
    quality: float | None = None
    attempt: int | None = None
    fault: str | None = None
    settled_at: datetime | None = None
    named: str = ""  # whose result it says it is
    claimed: tuple[str, ...] = ()  # what it calls artifacts; `absent` of them are not there
    absent: tuple[str, ...] = ()

    @property
    def final(self) -> bool:
        """Whether it is a result."""
        return self.status in ("completed", "failed", "partial")


@dataclass(frozen=True, slots=True)
class End:
    """A worker's program has ended. `code` None: nobody knows how."""

    seen_at: datetime
    code: int | None = None
    clean: bool = False  # nothing of it is left
    error: str | None = None  # why its program could not be started
    said: str | None = None  # the last line of its stderr


class Team:
    """A session while it is executed. Changed by `fold` and by sight only."""

    def __init__(self, session_id: str) -> None:
        self.id = session_id
        self.plan = Plan(session_id)
        self.path = ""  # absolute
        self.head = Head()
        self.jobs: dict[str, Job] = {}
        self.workers: dict[str, Worker] = {}
        self.added: dict[str, Node] = {}  # revision tasks
        self.mail: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.sent: dict[str, int] = {}
        self.done: set[str] = set()
        self.n = 0
        self.last_at: datetime | None = None
        # seen
        self.discoveries: dict[str, Discovery] = {}
        self.ends: dict[str, End] = {}
        self.stuck_at: dict[str, datetime] = {}
        self.milestones: dict[str, str] = {}
        self.exported: tuple[datetime, str | None, int] | None = None  # when, what went wrong, files
        self.version = 0
        self.cap = 3  # max_attempts, as the settings say

    # -- reading it ----------------------------------------------------------------------------------------

    def node(self, task_id: str) -> Node:
        """What was prepared of a task."""
        return self.added.get(task_id) or self.plan.nodes.get(task_id) or Node(task_id, "")

    def role(self, task_id: str) -> Role:
        """The role of a task."""
        name = self.node(task_id).role
        return self.plan.roles.get(name) or Role(name)

    def inner(self, task_id: str) -> bool:
        """Whether a task goes to a worker that lives on: its own line, else the role's [SES-8]."""
        said = self.node(task_id).inner_loop
        return said if said is not None else self.role(task_id).inner_loop

    def satisfied(self, task_id: str) -> bool:
        """Whether what depends on this task may begin."""
        job = self.jobs.get(task_id)
        if job is None:
            return False
        if job.revision is not None:
            return self.satisfied(job.revision)
        return job.status == "completed"

    def deps(self, task_id: str) -> tuple[str, ...]:
        """The dependencies of a task, in the order in which they are written."""
        return self.node(task_id).deps

    def settled_at(self, task_id: str) -> datetime | None:
        """Since when a dependency is satisfied."""
        job = self.jobs[task_id]
        return self.settled_at(job.revision) if job.revision is not None else job.since

    def ready(self, task_id: str) -> bool:
        """Pending, all dependencies completed, role known [SES-8]."""
        job = self.jobs[task_id]
        if job.status != "pending" or self.node(task_id).role not in self.plan.roles:
            return False
        for dep in self.deps(task_id):
            other = self.jobs.get(dep)
            if other is not None and other.revision == task_id:
                if other.status not in ("completed", "revised"):
                    return False
            elif not self.satisfied(dep):
                return False
        return True

    def over(self, task_id: str) -> bool:
        """Whether a task is done with, as far as completion goes: completed, or explicitly skipped [SES-16]."""
        job = self.jobs[task_id]
        if job.status == "revised":
            return job.revision is not None and job.revision in self.jobs and self.over(job.revision)
        return job.status in ("completed", "skipped")

    @property
    def complete(self) -> bool:
        """Every task completed or explicitly skipped."""
        return all(map(self.over, self.jobs))

    @property
    def count(self) -> tuple[int, int]:
        """Completed and total."""
        done = sum(1 for i, j in self.jobs.items() if j.status in ("completed", "revised") and self.over(i))
        return done, len(self.jobs)

    @property
    def live(self) -> list[Job]:
        """The jobs in progress, in the order of the graph."""
        return [job for job in self.jobs.values() if job.live is not None]

    def worker_of(self, job: Job) -> Worker | None:
        """Who has the live attempt of a job."""
        attempt = job.live
        return self.workers.get(attempt.order) if attempt is not None and attempt.order else None

    def blocking(self) -> list[str]:
        """The tasks for which others wait, or that are not done themselves: what a person has to decide on."""
        stopped = {i for i, j in self.jobs.items() if j.status in ("failed", "timed_out", "partial_completion")}
        for task_id, job in self.jobs.items():
            if job.status == "pending":
                for dep in self.deps(task_id):
                    other = self.jobs.get(dep)
                    if other is not None and other.status == "skipped":
                        stopped.add(dep)
                if self.node(task_id).role not in self.plan.roles:
                    stopped.add(task_id)
        stopped |= {w.task for w in self.workers.values() if w.state == "stuck"}
        return [i for i in self.jobs if i in stopped]

    def waiting_for(self, task_id: str) -> list[str]:
        """The pending tasks that depend on this one."""
        return [i for i, job in self.jobs.items() if job.status == "pending" and task_id in self.deps(i)]

    def skippable(self, task_id: str) -> list[str]:
        """What can be skipped where this one stands in the way: it, or, where it was skipped, what waits for it."""
        return self.waiting_for(task_id) if self.jobs[task_id].status == "skipped" else [task_id]


# --- snapshots [CON-6] ------------------------------------------------------------------------------------------------


def freeze(team: Team) -> dict[str, Any]:
    """What the journal says of this session, as JSON-like data in a fixed order."""
    return {
        "head": _plain(team.head),
        "jobs": {i: _plain(j) for i, j in team.jobs.items()},
        "workers": {i: _plain(w) for i, w in team.workers.items() if w.there},
        "added": {i: _plain(n) for i, n in sorted(team.added.items())},
        "mail": {name: [n, list(seen)] for name, (n, seen) in sorted(team.mail.items())},
        "sent": dict(sorted(team.sent.items())),
        "done": sorted(team.done),
    }


def thaw(team: Team, facts: Mapping[str, Any]) -> None:
    """The opposite."""
    team.head = _adapter(Head).validate_python(facts["head"])
    team.jobs = {i: _adapter(Job).validate_python({"id": i, **data}) for i, data in facts["jobs"].items()}
    team.workers = {i: _adapter(Worker).validate_python({"order": i, **data}) for i, data in facts["workers"].items()}
    team.added = {i: _adapter(Node).validate_python(data) for i, data in facts["added"].items()}
    team.mail = {name: (n, tuple(seen)) for name, (n, seen) in facts["mail"].items()}
    team.sent = dict(facts["sent"])
    team.done = set(facts["done"])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def job_of(team: Team, task_id: str) -> Job:
    """The job of this id, made if it is not there."""
    if task_id not in team.jobs:
        team.jobs[task_id] = Job(task_id)
    return team.jobs[task_id]


@dataclass(frozen=True, slots=True)
class Law:
    """What the settings say of sessions [CON-3]; seconds."""

    work_s: float = 1800
    status_s: float = 180
    finalize_s: float = 180
    extension_s: float = 1800
    orphan_s: float = 300
    max_workers: int = 5
    max_attempts: int = 3
    dependants: str = "wait"
    completion: str = "interactive"
    settle_s: float = 2.0
    asks: bool = False  # a decision is asked for by message: somebody reads `hitl` in a memory
