"""A room for stories of team sessions: a real folder, a set clock, an executor that can be killed, workers of paper.

A story is a function that is handed a `Room`. What others do at one instant the executor finds when the clock goes on
(`at`), or when it is asked to `look`. `expect` compares the lines noted since, as text.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

from executord.files.disk import INBOX, Disk
from executord.pen import dump
from executord.policy import make_policy
from executord.sessions.crew import Found, Job, Process
from executord.sessions.engine import Engine, unsound
from executord.sessions.folder import read_session
from executord.sessions.hands import Memory
from executord.team.board import board_rows
from executord.team.record import Law
from executord.values import cli_span, read_stamp, stamp
from tests.stories.kit import Died
from tests.stories.kit import tree_of as whole_tree

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SESSION = "TC-checkout"
SPEC = """---
role: {role}
prefix: {prefix}
inner_loop: {inner}
message_types:
  success: {role}_complete
---
# {role}

## Phase 2: Load
Read the task.

## Phase 3: Work
Do it.

## Phase 4: Report
Write the discovery file.
"""


@dataclass(frozen=True)
class Story:
    """A story with the rules of the specification that it shows, and the law it is played by."""

    name: str
    play: Callable[[Room], None]
    ids: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)


STORIES: dict[str, Story] = {}


def story(*ids: str, **config: Any) -> Callable[[Callable[[Room], None]], Callable[[Room], None]]:
    """Enter a function into the list of stories; `config` goes to `Law`; `memory=True` gives it a memory."""

    def enter(play: Callable[[Room], None]) -> Callable[[Room], None]:
        STORIES[play.__name__] = Story(play.__name__, play, ids, config)
        return play

    return enter


class _Waiting:
    def __init__(self, crew: PaperCrew, job: Job) -> None:
        self._crew, self._job = crew, job
        self.process: Process = {
            "pid": 1000 + zlib.crc32(job.order.encode()) % 30000, "start_ticks": 7, "boot_id": "paper", "host": "here",
            "cgroup": None,
        }  # fmt: skip

    def release(self) -> None:
        self._crew.begin(self._job)

    def abandon(self) -> None:
        self._crew.held.pop(self._job.order, None)


class PaperCrew:
    """Workers that live as long as the story says; who is held back when the executor dies waits for the next one."""

    def __init__(self) -> None:
        self.state: dict[str, Found] = {}
        self.held: dict[str, Process] = {}
        self.started: list[str] = []  # programs that began
        self.interrupted: list[str] = []
        self.stopped: list[str] = []
        self.deaf: set[str] = set()
        self.refuse: str | None = None

    def hold(self, job: Job) -> _Waiting:
        if self.refuse is not None:
            raise OSError(2, self.refuse)
        assert job.order not in self.held, f"{job.order} is held twice"
        waiting = _Waiting(self, job)
        self.held[job.order] = waiting.process
        return waiting

    def begin(self, job: Job) -> None:
        if self.held.pop(job.order, None) is not None:
            self.state[job.order] = Found("alive")
            self.started.append(job.order)

    def look(self, job: Job, process: Process) -> Found:
        if process.get("host") == "elsewhere":
            return Found("elsewhere")
        return self.state.get(job.order, Found("gone"))

    def find(self, job: Job) -> Process | None:
        return self.held.get(job.order)

    def interrupt(self, job: Job, process: Process) -> None:
        self.interrupted.append(job.order)

    def stop(self, job: Job, process: Process) -> str:
        if job.order not in self.stopped:
            self.stopped.append(job.order)
        if job.order in self.deaf:
            return "stuck"
        was = self.state.get(job.order, Found("gone"))
        if was.state != "gone":
            self.state[job.order] = Found("gone", was.code if was.code is not None else -15)
        return "gone"

    def watch(self, job: Job, process: Process) -> None:
        pass


class Room:
    """Where a story of a session is played. `root` holds the session, and the memory where there is one."""

    def __init__(
        self, root: Path | str, config: Mapping[str, Any] | None = None, *, strict: bool = True,
        failpoint: Callable[[str, str], None] | None = None,
    ) -> None:  # fmt: skip
        given = dict(config or {})
        self.root = str(root)
        self.with_memory = given.pop("memory", False)
        self.law = Law(**{"settle_s": 2.0, **given}, asks=self.with_memory)
        self.strict, self.before = strict, failpoint
        self.now = START
        self.crew = PaperCrew()
        self.engine: Engine | None = None
        self.told: list[str] = []
        self.marks = None  # what a sweep sets; a session has none
        self.looked: Callable[[], None] | None = None  # what a sweep is told: the first look after a death is done
        self._drops = 0
        self._running = True
        os.makedirs(f"{self.root}/{SESSION}")
        if self.with_memory:
            os.makedirs(f"{self.root}/memory/{INBOX}/executor")

    @property
    def path(self) -> str:
        """The session's folder."""
        return f"{self.root}/{SESSION}"

    # -- what a coordinator prepares -----------------------------------------------------------------------

    def prepare(
        self, graph: Mapping[str, Any], roles: tuple[str, ...] | Mapping[str, Mapping[str, Any]] = ("dev", "tester"), *,
        analysis: Mapping[str, Any] | None = None, tasks: Any = None, **session: Any,
    ) -> None:  # fmt: skip
        """A session that nobody has touched yet."""
        rows = roles if isinstance(roles, Mapping) else {name: {} for name in roles}
        listed = []
        for name, row in rows.items():
            prefix = row.get("prefix", name.upper())
            listed.append({"name": name, "prefix": prefix, "role_spec": f"role-specs/{name}.md", **row})
            inner = str(bool(row.get("inner_loop"))).lower()
            self.lay(f"role-specs/{name}.md", SPEC.format(role=name, prefix=prefix, inner=inner))
        given = {
            "session_id": SESSION, "task_description": "make the checkout fast", "status": "active",
            "team_name": "shop",
            "roles": listed, "pipeline": "standard", **session,
        }  # fmt: skip
        self.lay("team-session.json", {k: v for k, v in given.items() if v is not None})
        self.lay("task-analysis.json", {
            "capabilities": [{"name": name} for name in rows], "dependency_graph": graph,
            "roles": [{"name": name} for name in rows], **(analysis or {}),
        })  # fmt: skip
        if tasks is not None:
            self.lay("tasks.json", tasks)

    def lay(self, path: str, data: Any) -> None:
        """A file of the session, whole."""
        full = f"{self.path}/{path}"
        os.makedirs(os.path.dirname(full), exist_ok=True)
        text = data if isinstance(data, str) else json.dumps(data, indent=2)
        with open(f"{full}.part", "w") as file:
            file.write(text)
        os.utime(f"{full}.part", (self.now.timestamp(), self.now.timestamp()))
        os.rename(f"{full}.part", full)

    # -- time ----------------------------------------------------------------------------------------------

    def at(self, when: str) -> Room:
        """Go on to `09:10`, or `+10m` from now; what is due before it is done."""
        if when.startswith("+"):
            to = self.now + timedelta(seconds=cli_span(when[1:]))
        else:
            clock = datetime.strptime(when, "%H:%M:%S" if when.count(":") == 2 else "%H:%M")
            to = self.now.replace(hour=clock.hour, minute=clock.minute, second=clock.second)
        assert to >= self.now, f"{when} lies in the past"
        self.look()
        while self._running and (line := self._first()) is not None and line < to:
            self.now = max(line, self.now)
            self.look()
        self.now = to
        return self

    def _first(self) -> datetime | None:
        assert self.engine is not None
        lines = self.engine.lines()
        return lines[0].at if lines else None

    def look(self) -> None:
        """All that is due at this instant; an executor that dies is started again."""
        while self._running:
            try:
                if self.engine is None:
                    self._open()
                assert self.engine is not None
                self.engine.look(self.now)
                self.engine.exporter.wait()
                if self.engine.team.head.exports:
                    self.engine.look(self.now)
            except Died:
                self.engine = None
            else:
                if self.looked is not None:
                    self.looked()
                return

    def _open(self) -> None:
        memory = None
        if self.with_memory:
            disk = Disk(f"{self.root}/memory", durable=False, before=self.before)
            memory = Memory(disk, lambda agent: agent)
        reading = read_session(self.path)
        assert not reading.faults, reading.faults
        engine = Engine(
            self.path, reading, self.crew, self.law, make_policy(), durable=False, before=self.before, memory=memory,
            on_entry=self._tell,
        )  # fmt: skip
        engine.open(self.now)
        self.engine = engine

    def restart(self) -> None:
        """Kill the executor and start it again."""
        self.look()
        self.engine = None
        self.look()

    def down(self, span: str) -> None:
        """Killed, and back later."""
        self.look()
        self.engine, self._running = None, False
        self.now += timedelta(seconds=cli_span(span[1:]))
        self._running = True

    def away(self) -> None:
        """Killed; what is done next, nobody sees until `at` or `look`."""
        self.look()
        self.engine = None

    def end(self) -> None:
        """The story is over."""
        self.look()

    # -- what workers do -----------------------------------------------------------------------------------

    def order(self, task: str) -> str:
        """The order of the worker that has a task."""
        team = self._team()
        job = team.jobs.get(task)
        if job is None or job.live is None:
            return f"{task}.a1"
        return job.live.order or f"{task}.a{job.attempt}"

    def result(self, task: str, **fields: Any) -> None:
        """A worker writes its discovery file."""
        self.look()
        data = {"id": task, "status": "completed", "findings": f"found what {task} was after", **fields}
        self.lay(f"discoveries/{task}.json", {k: v for k, v in data.items() if v is not None})

    def ends(self, task: str, code: int | None = 0) -> None:
        """A worker's program ends."""
        self.look()
        order = self.order(task)
        self.crew.state[order] = Found("ended" if code is not None else "gone", code)

    def finish(self, task: str, code: int = 0, **fields: Any) -> None:
        """Both, as good workers do."""
        self.look()
        self.crew.state[self.order(task)] = Found("ended", code)
        data = {"id": task, "status": "completed", "findings": f"found what {task} was after", **fields}
        self.lay(f"discoveries/{task}.json", {k: v for k, v in data.items() if v is not None})

    def say(self, sender: str, type: str, summary: str = "", **data: Any) -> None:
        """A line on the message bus, with an id that repeats as those of others do."""
        self.look()
        os.makedirs(f"{self.path}/.msg", exist_ok=True)
        body = {"id": "MSG-001", "ts": stamp(self.now), "from": sender, "to": "coordinator", "type": type,
                "summary": summary, "data": data}  # fmt: skip
        self.raw(json.dumps(body) + "\n")

    def raw(self, text: str) -> None:
        """Bytes on the message bus."""
        with open(f"{self.path}/.msg/messages.jsonl", "a") as file:
            file.write(text)

    def drop(self, kind: str, sender: str, task: str | None = None, **fields: Any) -> str:
        """A message into the session's own inbox."""
        self.look()
        self._drops += 1
        name = f"{self._drops:02}-{kind}.yaml"
        body = {"type": kind, "from": sender, "task_id": task, **fields}
        folder = f"{self.path}/.executord/inbox"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/.{name}", "wb") as file:
            file.write(dump({k: v for k, v in body.items() if v is not None}))
        os.rename(f"{folder}/.{name}", f"{folder}/{name}")
        at = self.now.timestamp()
        os.utime(f"{folder}/{name}", (at, at))
        return name

    def set(self, task: str, status: str) -> None:
        """A person edits a status in tasks.json."""
        self.look()
        data = self.json("tasks.json")
        rows = data["tasks"] if isinstance(data, dict) and "tasks" in data else data
        if isinstance(rows, list):
            next(r for r in rows if r["id"] == task)["status"] = status
        else:
            rows[task]["status"] = status
        self.lay("tasks.json", data)

    # -- what is there -------------------------------------------------------------------------------------

    def _team(self) -> Any:
        self.look()
        assert self.engine is not None
        return self.engine.team

    def _tell(self, entry: Mapping[str, Any]) -> None:
        clock = read_stamp(entry["at"])
        shown = f"{clock:%H:%M}" + (f":{clock:%S}" if clock.second else "")
        self.told.append(f"{shown} {entry['name']}" + (f" → {entry['to']}" if entry.get("to") else ""))

    def expect(self, text: str) -> None:
        """Exactly these lines have been noted since the last time; how processes begin and end is left out."""
        self.look()
        told, self.told = self.told, []
        quiet = ("started", "ended", "gone", "stop")
        told = [line for line in told if line.split(" ")[1] not in quiet]
        if self.strict:
            assert "\n".join(told) == dedent(text).strip(), "\n" + "\n".join(told)

    def skip(self) -> None:
        """What was noted so far is not compared."""
        self.look()
        self.told = []

    def has(self, **states: str) -> None:
        """The tasks stand so; `_` in a name is `-`."""
        team = self._team()
        if self.strict:
            found = {name: team.jobs[name.replace("_", "-")].status for name in states}
            assert found == states
            shown = board_rows(self.json("tasks.json"))
            for name, status in states.items():
                assert shown[name.replace("_", "-")]["status"] == status

    def json(self, path: str) -> Any:
        """A JSON file of the session."""
        with open(f"{self.path}/{path}") as file:
            return json.load(file)

    def text(self, path: str) -> str:
        """A text file of the session; empty where nothing is compared and it is not there."""
        self.look()
        try:
            with open(f"{self.path}/{path}") as file:
                return file.read()
        except FileNotFoundError:
            if self.strict:
                raise
            return ""

    def status(self) -> str:
        """The session's status, as others see it."""
        self.look()
        return str(self.json("team-session.json")["status"])

    def check(self, condition: bool, why: str = "") -> None:
        """Something that holds, where a story is compared."""
        if self.strict:
            assert condition, why

    def sound(self) -> None:
        """The invariants hold, and the entries of workers are those of the tasks in progress [SES-24]."""
        team = self._team()
        assert not list(unsound(team))
        entries = [e["task_id"] for e in self.json("team-session.json")["active_workers"]]
        assert entries == [job.id for job in team.live]
        begun = self.crew.started
        assert len(begun) == len(set(begun)), f"started twice: {begun}"


def play(each: Story, root: Path | str, **more: Any) -> Room:
    """Play a story from its beginning to its end."""
    room = Room(root, each.config, **more)
    each.play(room)
    room.end()
    return room


_ROOTS = re.compile(rb"/[\w./-]*?/(?:stage|undisturbed|copy-\d+|restless)[\w-]*/")


def tree_of(root: str) -> dict[str, bytes | None]:
    """Every path and every byte of the session and the memory, wherever they lie."""
    return {
        path: _ROOTS.sub(b"/ROOT/", raw) if raw is not None else None
        for path, raw in whole_tree(root).items() if not path.endswith(".executord/lock")
    }  # fmt: skip
