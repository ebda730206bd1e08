"""What is seen of a session from outside its journal: results, messages, the ends of workers, hands in tasks.json.

Counterparts: `team/record.py`, where it is put; `engine.py`, which asks. Files are known by device, inode, size and
times, and read again only when that changes.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from executord.errors import NotYetWhole, Unreadable
from executord.evolve import replace
from executord.paper.gate import identity_of, moment_of, open_file, ours_to_mend, reader, regular
from executord.paper.gate import status_of as state_of
from executord.sessions.crew import Crew, Job
from executord.sessions.folder import JSON_BYTES, parse_json, read_json
from executord.sessions.hands import BOARD, BUS
from executord.team.board import board_rows
from executord.team.hearing import Word, task_of, word
from executord.team.papers import Written, status_of
from executord.team.record import Discovery, End, Team, Worker
from executord.team.results import discovery, short

Identity = tuple[int, int, int, int, int]
_BLOCK = 1 << 20
LINE_BYTES = 1 << 20


def identity(path: str) -> Identity | None:
    """What tells one state of a file from another, None if it is not there."""
    try:
        s = os.lstat(path)
    except OSError:
        return None
    return (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)


class Sight:
    """The eyes on one session."""

    def __init__(self, team: Team, crew: Crew, settle_s: float) -> None:
        self.team, self.crew = team, crew
        self.settle = timedelta(seconds=settle_s)
        self._read: dict[str, Identity] = {}
        self._bus: int | None = None
        self._bus_at: Identity | None = None
        self._board: bytes | None = None  # tasks.json as it was read or written last
        self._unread: bytes | None = None  # and as it was when nobody could read it
        self.board_sha = ""  # of tasks.json as it was read last
        self._plan: tuple[Any, ...] | None = None
        self.warnings: list[str] = []

    # -- results -------------------------------------------------------------------------------------------

    def discoveries(self, now: datetime) -> None:
        """The discovery files of the tasks in progress, and late ones of those that were timed out."""
        team = self.team
        watched = [j.id for j in team.jobs.values() if j.live is not None or j.status in ("timed_out", "failed")]
        for task in watched:
            path = f"{team.path}/discoveries/{task}.json"
            there = identity(path)
            if there is None:
                self.forget(task)
                continue
            if self._read.get(task) == there:
                continue
            found = self._discovery(path, there, now)
            self._read[task] = there
            if found is not None:
                team.discoveries[task] = found
                team.version += 1
        for task in [t for t in team.discoveries if t not in watched]:
            self.forget(task)

    def forget(self, task: str) -> None:
        """Its file has gone, or is of no interest any more."""
        self._read.pop(task, None)
        if self.team.discoveries.pop(task, None) is not None:
            self.team.version += 1

    def _discovery(self, path: str, there: Identity, now: datetime) -> Discovery | None:
        changed = moment_of(there[3]).replace(microsecond=0)
        settled_at = min(changed, now) + self.settle
        try:
            raw = open_file(path, limit=JSON_BYTES).raw
        except FileNotFoundError:
            return None
        except (Unreadable, NotYetWhole, OSError) as error:
            said = getattr(error, "message", None) or str(error)
            digest = hashlib.sha256(repr(there).encode()).hexdigest()
            return Discovery(digest, now, fault=said, settled_at=settled_at)
        digest = hashlib.sha256(raw).hexdigest()
        paper = parse_json(raw)
        if paper.corrupt is not None:
            return Discovery(digest, now, fault=f"not JSON: {paper.corrupt}", settled_at=settled_at)
        return _shown(self.team.path, discovery(paper.data, digest, now, settled_at))

    # -- workers -------------------------------------------------------------------------------------------

    def job_of(self, worker: Worker) -> Job:
        """A worker as its keeper knows it."""
        team = self.team
        role = team.plan.roles.get(worker.role)
        effort = role.effort if role is not None else "high"
        return Job(team.id, team.path, worker.task, worker.attempt, worker.role, effort)

    def workers(self, now: datetime, orphan_s: float) -> list[Worker]:
        """Look at all that are there; answers those whose program never began."""
        team, unbegun = self.team, []
        for worker in [w for w in team.workers.values() if w.there]:
            if worker.process is None:
                continue
            job = self.job_of(worker)
            if worker.state in ("stopping", "stuck"):
                self._closing(worker, job, now)
                continue
            found = self.crew.look(job, worker.process)
            if found.state == "alive":
                self.crew.watch(job, worker.process)
            elif found.state == "elsewhere":
                if now >= worker.at + timedelta(seconds=orphan_s):
                    self._end(worker, End(now, None))
            elif not found.began:
                unbegun.append(worker)
            else:
                self._end(worker, End(now, found.code, error=found.error, said=_last_words(f"{job.work}/stderr")))
        return unbegun

    def _end(self, worker: Worker, end: End) -> None:
        if worker.order not in self.team.ends:
            self.team.ends[worker.order] = end
            self.team.version += 1

    def _closing(self, worker: Worker, job: Job, now: datetime) -> None:
        assert worker.process is not None
        phase = self.crew.stop(job, worker.process)
        team = self.team
        if phase == "gone":
            old = team.ends.get(worker.order)
            if old is None or not old.clean:
                code = old.code if old is not None else self.crew.look(job, worker.process).code
                team.ends[worker.order] = End(now, code, clean=True, error=old.error if old is not None else None)
                team.stuck_at.pop(worker.order, None)
                team.version += 1
        elif phase == "stuck" and worker.order not in team.stuck_at:
            team.stuck_at[worker.order] = now
            team.version += 1

    # -- the message bus -----------------------------------------------------------------------------------

    def words(self, now: datetime) -> Iterator[Word]:
        """The whole lines that are new on messages.jsonl."""
        path = f"{self.team.path}/{BUS}"
        there = identity(path)
        if there is None or there == self._bus_at:
            return
        if self._bus is None:
            self._bus = self.team.head.heard
        if there[2] < self._bus:
            self.warnings.append("messages.jsonl is shorter than it was: what was cut off is not heard again")
            self._bus = there[2]
        try:
            fd = regular(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _not_heard(error) from error
        try:
            while True:
                block = os.pread(fd, _BLOCK, self._bus)
                whole = block.rfind(b"\n") + 1
                if not whole:
                    if len(block) >= LINE_BYTES:  # no message: passed over
                        yield Word(self._bus, self._bus + len(block), "toolong", now, fault="the line is too long")
                        self._bus += len(block)
                        continue
                    break
                start = self._bus
                for raw in block[:whole].split(b"\n")[:-1]:
                    if raw.strip():
                        said = word(raw, start, now)
                        self._milestone(said)
                        yield said
                    start += len(raw) + 1
                self._bus += whole
            self._bus_at = there
        finally:
            os.close(fd)

    def _milestone(self, said: Word) -> None:
        """The last thing that was said of a task, for who looks."""
        if said.ours or said.fault is not None or not (said.summary or said.type):
            return
        task = task_of(self.team, said)
        if task is not None:
            self.team.milestones[task] = short(said.summary or said.type)

    # -- hands in tasks.json -------------------------------------------------------------------------------

    def board(self) -> dict[str, Written] | None:
        """The tasks as tasks.json shows them, if somebody else has changed it since we looked; else None."""
        path = f"{self.team.path}/tasks.json"
        there = self._board_now()
        if there is None or there == self._board:
            return None
        paper = read_json(path)
        self.board_sha = _digest(path)
        if not isinstance(paper.data, Mapping | list):
            self._unread = there
            return None  # half written, or not JSON: looked at again, and made anew with the next change
        self._board = there
        rows = board_rows(paper.data)
        return {i: Written(i, status_of(row.get("status", "pending")) or "", row) for i, row in rows.items()}

    def board_known(self) -> bytes | None:
        """What is known of tasks.json: all that was written into it as this was read. None before the first look."""
        return self._unread if self._unread is not None and self._board_now() == self._unread else self._board

    def board_is_ours(self, written: bytes | None) -> None:
        """We have just written it, as this; None: it is as it was, or somebody else's already."""
        self._board = written or self._board

    def _board_now(self) -> bytes | None:
        status = state_of(f"{self.team.path}/tasks.json")
        return identity_of(status) if status is not None else None

    def shown(self) -> Mapping[str, str]:
        """The statuses that we last wrote into tasks.json."""
        data = read_json(f"{self.team.path}/{BOARD}").data
        found = data.get("statuses") if isinstance(data, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    # -- the plan ------------------------------------------------------------------------------------------

    def plan_changed(self) -> bool:
        """Whether the graph or the role-specs are others than at the last look."""
        path = self.team.path
        seen: list[Any] = [identity(f"{path}/task-analysis.json")]
        for folder in ("role-specs", "roles"):
            try:
                names = sorted(n for n in os.listdir(f"{path}/{folder}") if n.endswith(".md"))
            except OSError:
                continue
            seen += [(n, identity(f"{path}/{folder}/{n}")) for n in names]
        now = tuple(seen)
        changed = self._plan is not None and now != self._plan
        self._plan = now
        return changed


def _not_heard(error: OSError) -> Exception:
    """Something lies on the name of the message bus that nobody can be heard on."""
    if ours_to_mend(error):
        return error
    why = "it is no regular file" if error.errno in (errno.EINVAL, errno.ELOOP) else error.strerror
    return Unreadable(f"what the workers say cannot be read: {why}", path=BUS, fix="put a regular file in its place")


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(open_file(path, limit=JSON_BYTES).raw).hexdigest()[:16]
    except (OSError, Unreadable, NotYetWhole):
        return ""


def _last_words(path: str) -> str | None:
    """The last line of what a worker said on stderr."""
    try:
        with reader(path) as file:
            file.seek(max(os.fstat(file.fileno()).st_size - 2000, 0))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return None
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), None)


def artifacts_of(team: Team, task: str) -> Discovery | None:
    """What lies there for a task that somebody says is completed."""
    path = f"{team.path}/discoveries/{task}.json"
    try:
        raw = open_file(path, limit=JSON_BYTES).raw
    except (FileNotFoundError, Unreadable, NotYetWhole, OSError):
        return None
    paper = parse_json(raw)
    at = team.last_at or datetime.min
    found = discovery(paper.data, hashlib.sha256(raw).hexdigest(), at, at) if paper.corrupt is None else None
    found = _shown(team.path, found) if found is not None else None
    if found is None or not found.final or found.status == "failed" or not (found.findings or found.artifacts):
        return None
    return found


def absent(root: str, name: str) -> bool:
    """Whether a result names a path, from the session's folder, at which nothing lies."""
    return "://" not in name and ("\0" in name or not os.path.lexists(os.path.join(root, name)))


def _shown(path: str, found: Discovery) -> Discovery:
    """Without findings only an artifact that lies in the session counts: a name alone is no result [SES-12, SES-4]."""
    if not found.artifacts:
        return found
    root = os.path.realpath(path)
    found = replace(found, absent=tuple(name for name in found.claimed[:50] if absent(root, name)))
    if found.findings:
        return found
    there = tuple(
        name for name in found.artifacts
        if "\0" not in name and os.path.realpath(os.path.join(root, name)).startswith(f"{root}/")
        and os.path.exists(os.path.join(root, name))
    )  # fmt: skip
    return replace(found, artifacts=there)
