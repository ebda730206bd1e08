"""A session as it lies there, for those who only look: nothing is written, nothing started [SES-20].

Counterpart: `engine.py`, which executes it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import UTC, datetime

from executord.errors import Unreadable
from executord.evolve import replace
from executord.paper.gate import moment_of, reader
from executord.policy import Policy
from executord.sessions.crew import Found, Job, Process, Waiting
from executord.sessions.folder import read_session
from executord.sessions.hands import BUS, Hands
from executord.sessions.sight import Sight
from executord.sessions.takeover import count
from executord.team.papers import Reading, text_of
from executord.team.record import Attempt, Law, Team
from executord.team.record import Job as TeamJob

TAIL_BYTES = 1 << 20


class Nobody:
    """A crew that starts and ends nothing."""

    def hold(self, job: Job) -> Waiting:
        """Never."""
        raise NotImplementedError

    def look(self, job: Job, process: Process) -> Found:
        """Unasked."""
        return Found("alive")

    def find(self, job: Job) -> Process | None:
        """Unasked."""
        return None

    def begin(self, job: Job) -> None:
        """Never."""

    def interrupt(self, job: Job, process: Process) -> None:
        """Never."""

    def stop(self, job: Job, process: Process) -> str:
        """Never."""
        return "stopping"

    def watch(self, job: Job, process: Process) -> None:
        """Never."""


def glance(path: str, reading: Reading, law: Law, policy: Policy) -> Team:
    """The session from its journal, or from its files where nobody has executed it yet. Raises `Unreadable`."""
    assert reading.plan is not None
    team = Team(reading.plan.session_id)
    team.plan, team.path, team.cap = reading.plan, path, law.max_attempts
    team.head = replace(team.head, status=reading.status or "active")
    hands = Hands(path, team, durable=False)
    if hands.load():
        sight = Sight(team, Nobody(), law.settle_s)
        now = team.last_at or datetime.now(UTC)  # noqa: TID251
        size = os.stat(f"{path}/{BUS}").st_size if os.path.exists(f"{path}/{BUS}") else 0
        team.head = replace(team.head, heard=max(size - TAIL_BYTES, 0))  # only what was said last is of interest
        with contextlib.suppress(Unreadable):  # how it stands is said all the same
            for _ in sight.words(now):
                pass
        return team
    for task in team.plan.nodes:
        written = reading.board.get(task)
        status = written.status if written is not None else "pending"
        said = written.fields if written is not None else {}
        attempts: tuple[Attempt, ...] = ()
        if status == "in_progress":
            attempts = (Attempt(count(said.get("attempt")) or 1, _mtime(f"{path}/tasks.json")),)
        error = text_of(said.get("error")) or None
        team.jobs[task] = TeamJob(task, status, attempts=attempts, error=error)
    return team


def _mtime(path: str) -> datetime:
    try:
        return moment_of(os.lstat(path).st_mtime_ns)
    except OSError:
        return moment_of(0)


def row(path: str) -> dict[str, object] | None:
    """One line of `status --json` [CON-8]; None for a folder that cannot be read."""
    reading = read_session(path)
    if reading.plan is None:
        return None
    with contextlib.suppress(Unreadable):
        team = glance(path, reading, Law(), Policy())
        done, total = team.count
        return {"session_id": team.id, "path": path, "status": team.head.status, "completed": done, "total": total}
    return None


def tails(path: str) -> tuple[list[str], list[str]]:
    """Summaries of discussions and of wisdom, for the report [SES-22]."""
    discussions = [
        f"discussions/{name}: {_first_line(f'{path}/discussions/{name}')}" for name in _names(path, "discussions")
    ]
    wisdom = []
    for name in ("learnings.md", "decisions.md", "issues.md"):
        lines = [line for line in _lines(f"{path}/wisdom/{name}") if line.lstrip().startswith(("-", "*"))]
        if lines:
            wisdom.append(f"wisdom/{name}: {len(lines)} entries, the last: {lines[-1].strip(' -*')[:160]}")
    return discussions, wisdom


def _names(path: str, folder: str) -> Iterable[str]:
    try:
        return sorted(n for n in os.listdir(f"{path}/{folder}") if not n.startswith("."))
    except OSError:
        return []


def _lines(path: str) -> list[str]:
    try:
        with reader(path) as file:
            return file.read(1 << 20).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _first_line(path: str) -> str:
    return next((line.strip("# ").strip()[:160] for line in _lines(path) if line.strip()), "")
