"""A stage for stories: a real folder, a set clock, a daemon that can be killed, and words for what people do.

A story is a function that is handed a `Stage`. What it does at one instant (`drop`, `write`, `move` …) the daemon finds
when the clock goes on (`at`), or when it is asked to `look`. `expect` compares the lines noted since, as text:
`09:12 assign T3 a1 → technical-support-engineer`. A story makes its tree itself, so it can be played again and again.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from glob import glob
from pathlib import Path
from textwrap import dedent
from typing import Any

from executord.case.standing import Standing, standing
from executord.channels.outbox import Ended, Job
from executord.files.disk import INBOX
from executord.hands import Entry
from executord.paper import parse
from executord.pen import dump
from executord.policy import make_policy
from executord.rehearsal import Rehearsal
from executord.service import Rings, Service
from executord.values import cli_span, read_stamp

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CASE = "acme-42"
ENGINEER = "technical-support-engineer"
WRITER = "technical-writer"
UPDATE = {
    "status": "The cause is found: our payment gateway ran out of connections.",
    "next_steps": "The limit is raised tonight at 22:00 CET.",
    "blockers": "none",
    "expect_next": "A confirmation tomorrow by 09:00 CET.",
    "contact": "Mia Chen, mia@support.example",
}


@dataclass(frozen=True)
class Story:
    """A story with the rules of the specification that it shows, and the configuration it is played with."""

    name: str
    play: Callable[[Stage], None]
    ids: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)


STORIES: dict[str, Story] = {}


def story(*ids: str, **config: Any) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Enter a function into the list of stories; `config` goes to `make_policy`."""

    def enter(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
        STORIES[play.__name__] = Story(play.__name__, play, ids, config)
        return play

    return enter


class Died(BaseException):
    """The daemon died at a failpoint. No `Exception`, so nothing on its way out can mistake it for a fault."""


class Carrier:
    """An outbox without channels: a story says how each parcel ends. What it knows survives the daemon's death."""

    def __init__(self) -> None:
        self.kept: dict[str, Job] = {}
        self.gone: set[str] = set()  # noted, so they are being carried
        self.ends: dict[str, Ended] = {}
        self.told: list[Ended] = []

    def lose(self) -> None:
        """The state folder is lost."""
        self.kept, self.gone, self.ends, self.told = {}, set(), {}, []

    def put(self, job: Job) -> None:
        """Keep it."""
        self.kept.setdefault(job.key, job)

    def go(self, key: str) -> None:
        """Carry it."""
        self.gone.add(key)

    def known(self, key: str) -> Any:
        """What is known of it."""
        return self.ends.get(key) or ("waiting" if key in self.kept else None)

    def doubt(self, job: Job, now: datetime) -> Ended:
        """Nobody knows."""
        self.kept[job.key] = job
        self.ends[job.key] = Ended(job, "doubtful", now, 0, "the queue was lost")
        return self.ends[job.key]

    def ended(self) -> list[Ended]:
        """What has ended since."""
        found, self.told = self.told, []
        return found

    def forget(self, key: str) -> None:
        """It is noted."""
        for what in (self.kept, self.ends):
            what.pop(key, None)
        self.gone.discard(key)

    def jobs(self) -> list[Job]:
        """All of them."""
        return [job for _, job in sorted(self.kept.items())]

    def end(self, number: int, how: Any, said: str, at: datetime, **more: Any) -> None:
        """The parcel of an update ends so."""
        for key in sorted(self.gone):
            job = self.kept[key]
            if job.parcel.facts["number"] == number:
                self.ends[key] = Ended(job, how, at, 1, said, **more)
                self.told.append(self.ends[key])


class Stage(Rehearsal):
    """Where a story is played."""

    def __init__(
        self,
        root: Path | str,
        config: Mapping[str, Any] | None = None,
        *,
        strict: bool = True,
        failpoint: Callable[[str, str], None] | None = None,
        start: datetime = START,
    ) -> None:
        """Without `strict` what the story expects is not compared: a daemon that died has not told its lines."""
        os.makedirs(f"{root}/{INBOX}/executor")
        self.carrier = Carrier()
        super().__init__(
            str(root), make_policy(**(config or {})), start, note=self._told, before=failpoint, outbox=self.carrier
        )
        self.strict = strict
        self.looked: Callable[[], None] = lambda: None  # called when a look has come to its end
        self.told: list[str] = []
        self._drops = 0

    # -- time ----------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The instant at which the clock stands."""
        return self.clock.now()

    def at(self, when: str) -> Stage:
        """Go on to `09:10`, `+10m` from now, or `2026-11-23T09:00:00Z`; what is due before it is done."""
        if when.startswith("+"):
            to = self.now + timedelta(seconds=cli_span(when[1:]))
        elif "T" in when:
            to = read_stamp(when)
        else:
            clock = datetime.strptime(when, "%H:%M:%S" if when.count(":") == 2 else "%H:%M")
            to = self.now.replace(hour=clock.hour, minute=clock.minute, second=clock.second)
        assert to >= self.now, f"{when} lies in the past"
        self.advance(to)
        return self

    def set_back(self, to: str) -> None:
        """Somebody puts the clock right, that was fast."""
        self._rest()
        self.clock.set(self.now.replace(hour=int(to[:2]), minute=int(to[3:])))
        self._pending = True

    def look(self) -> None:
        """All that is due at this instant; a daemon that dies is started again, and told again what rang."""
        rings, folders = copy.deepcopy(self.rings), self._folders()
        while True:
            try:
                super().look()
            except Died:
                self.kill()
                self.rings = copy.deepcopy(rings)
                for folder, ns in self._folders().items():
                    if ns != folders.get(folder):
                        self._date(f"{self.root}/{folder}")
            else:
                self.looked()
                return

    def _folders(self) -> dict[str, int]:
        """The folders of task files with their times: a death does not change when a hand was in them."""
        return {f: os.stat(f"{self.root}/{f}").st_mtime_ns for f in glob("*/tasks/*/", root_dir=self.root)}

    def close(self) -> None:
        """Stop the daemon; one that dies over it is started again and stopped."""
        while True:
            try:
                super().close()
            except Died:
                self.kill()
                self.look()
            else:
                return

    def restart(self) -> None:
        """Stop the daemon and start it again."""
        self._rest()
        self.close()
        self.look()

    def down(self, until: str) -> None:
        """The daemon is killed, and comes back later."""
        self._rest()
        self.kill(read_stamp(until) if "T" in until else self.now + timedelta(seconds=cli_span(until[1:])))

    def end(self) -> None:
        """The story is over: what is due now is done, and the daemon stops."""
        self._rest()
        self.close()

    def _rest(self) -> None:
        self._turns(lambda at: at <= self.now)

    # -- what people do ------------------------------------------------------------------------------------

    def lay(self, path: str, data: Mapping[str, Any] | str, *, age: str = "1h") -> None:
        """A file that has been lying there, before the daemon looks."""
        full = f"{self.root}/{path}"
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(as_bytes(data))
        at = (self.now - timedelta(seconds=cli_span(age))).timestamp()
        os.utime(full, (at, at))

    def case(
        self,
        tasks: Mapping[str, Mapping[str, Any] | str],
        *,
        case: str = CASE,
        plan: Mapping[str, Any] | None = None,
        **instruction: Any,
    ) -> None:
        """A case that has been lying there; `plan` None: one that lists the tasks, `{}`: no plan."""
        given = {"title": "Checkout fails", "priority": "high", "created_at": "2026-11-20T08:50:00Z", **instruction}
        self.lay(f"{case}/instruction.yaml", {k: v for k, v in given.items() if v is not None})
        for task_id, data in tasks.items():
            self.lay(f"{case}/tasks/pending/{task_id}.yaml", task(task_id, data))
        if plan is None:
            plan = {"tasks": list(tasks)}
        if plan:
            self.lay(f"{case}/workflow/plan.yaml", plan)

    def put(self, path: str, data: Mapping[str, Any] | str) -> None:
        """Write a file, whole, as everybody should."""
        self.write(path, as_bytes(data))

    def add(
        self, task_id: str, data: Mapping[str, Any] | str = "", *, folder: str = "pending", case: str = CASE
    ) -> None:
        """A task file that comes (or is written anew)."""
        self.put(f"{case}/tasks/{folder}/{task_id}.yaml", task(task_id, data))

    def hand(self, task_id: str, source: str, target: str, *, case: str = CASE) -> None:
        """Move a task file by hand from folder to folder."""
        self.move(f"{case}/tasks/{source}/{task_id}.yaml", f"{case}/tasks/{target}/{task_id}.yaml")

    def drop(
        self, kind: str, sender: str | None, task_id: str | None = None, *, name: str | None = None,
        case: str | None = CASE, **fields: Any,
    ) -> str:  # fmt: skip
        """A message into the executor's inbox; its name counts on by itself."""
        self._drops += 1
        name = name or f"{self._drops:02}-{kind}.yaml"
        body = {"type": kind, "from": sender, "instruction_id": case, "task_id": task_id, **fields}
        self.put(f"{INBOX}/executor/{name}", {k: v for k, v in body.items() if v is not None})
        return name

    def carried(self, number: int, how: str = "delivered", said: str = "250 ok", **more: Any) -> None:
        """The outbox has ended with an update."""
        self._rest()
        self.carrier.end(number, how, said, self.now, **more)
        self._pending = True

    def done(self, sender: str, task_id: str | None = None, **fields: Any) -> str:
        """A completion with substance."""
        given = {"summary": f"{task_id} is done", "output": {"result": f"result of {task_id}"}, **fields}
        return self.drop("completion", sender, task_id, **given)

    # -- what is there -------------------------------------------------------------------------------------

    def _told(self, case_id: str, entry: Entry) -> None:
        self.told.append(shown(entry, read_stamp(entry["at"]), "" if case_id == CASE else f"[{case_id}] "))

    def expect(self, text: str) -> None:
        """Exactly these lines have been noted since the last time."""
        self._rest()
        told, self.told = self.told, []
        if self.strict:
            assert "\n".join(told) == dedent(text).strip(), "\n" + "\n".join(told)

    def skip(self) -> None:
        """The lines noted so far are not compared."""
        self._rest()
        self.told = []

    def state(self, task_id: str, case: str = CASE) -> Standing:
        """Where a task stands."""
        assert self.service is not None
        here = self.service.cases[case]
        return standing(here, here.tasks[task_id])

    def holder(self, task_id: str, case: str = CASE) -> str:
        """Who holds a task now, empty if nobody does."""
        self._rest()
        if self.service is None and not self.strict:
            return ""  # it is down, and nobody can say
        assert self.service is not None
        live = self.service.cases[case].tasks[task_id].live
        return live.agent if live is not None else ""

    def has(self, *states: str, case: str = CASE) -> None:
        """The tasks stand so, each as `T1 waiting`."""
        self._rest()
        if self.strict and self.service is not None:
            found = [f"{i} {self.state(i, case).state}" for i in (s.split()[0] for s in states)]
            assert found == list(states)

    def holds(self, folder: str, *names: str) -> None:
        """Exactly these names lie in a folder, dot names apart."""
        self._rest()
        if self.strict:
            full = f"{self.root}/{folder}"
            found = sorted(n for n in os.listdir(full) if not n.startswith(".")) if os.path.isdir(full) else []
            assert found == sorted(names)

    def read(self, path: str) -> dict[str, Any]:
        """A YAML file of the tree; one that is not there reads empty where nothing is compared."""
        self._rest()
        try:
            with open(f"{self.root}/{path}", "rb") as file:
                return parse(file.read()).data or {}
        except FileNotFoundError:
            if self.strict:
                raise
            return {}

    def says(self, path: str, **wanted: Any) -> None:
        """A YAML file of the tree holds these values."""
        found = self.read(path)
        if self.strict:
            assert {key: found.get(key) for key in wanted} == wanted

    def agenda(self, case: str = CASE) -> str:
        """What is still to come, as text."""
        self._rest()
        if self.service is None and not self.strict:
            return ""
        assert self.service is not None
        return "\n".join(
            f"{_clock(line.at)} {line.name}" for line in self.service.agendas[case].lines() if line.place is None
        )

    def sound(self) -> None:
        """No case is broken, and no task file lies in two folders."""
        assert self.service is not None
        assert not self.service.broken, self.service.broken
        assert self.service.boundary.cannot_write is None


def to_rest(service: Service, now: datetime) -> None:
    """Looks at everything at this instant until nothing is left to do, or sixty times: what failed is tried again."""
    for _ in range(60):
        more, at = service.turn(now, Rings(everything=True)), service.next_at()
        if not more and (at is None or at > now):
            return


def task(task_id: str, data: Mapping[str, Any] | str) -> Mapping[str, Any] | str:
    """A task file: a mapping gets its id and a title; a text that is no YAML mapping is the title."""
    if isinstance(data, Mapping):
        return {"id": task_id, "title": f"do {task_id}", **data}
    return data if "\n" in data else {"id": task_id, "title": data or f"do {task_id}"}


def as_bytes(data: Mapping[str, Any] | str) -> bytes:
    """YAML for a mapping, else the text as it is."""
    return data.encode() if isinstance(data, str) else dump(data)


def shown(entry: Entry, at: datetime, case: str = "") -> str:
    """A line as stories compare it."""
    return f"{_clock(at)} {case}{entry['name']}" + (f" → {entry['to']}" if entry.get("to") else "")


def _clock(at: datetime) -> str:
    day = "" if at.date() == START.date() else f"{at:%m-%d} "
    return f"{day}{at:%H:%M}" + (f":{at:%S}" if at.second else "")


def tree_of(root: str) -> dict[str, bytes | None]:
    """Every path and every byte, `.lock` and `.probe` of our own inbox apart; folders are None."""
    found: dict[str, bytes | None] = {}
    for folder, folders, files in os.walk(root):
        base = os.path.relpath(folder, root)
        found.update(dict.fromkeys(os.path.normpath(f"{base}/{name}") for name in folders))
        for name in files:
            path = os.path.normpath(f"{base}/{name}")
            if path not in (f"{INBOX}/executor/.lock", f"{INBOX}/executor/.probe"):
                with open(f"{folder}/{name}", "rb") as file:
                    found[path] = file.read()
    return found


def play(each: Story, root: Path | str, **more: Any) -> Stage:
    """Play a story from its beginning to its end."""
    stage = Stage(root, each.config, **more)
    each.play(stage)
    stage.end()
    return stage


def restless(stage: Stage) -> Stage:
    """The stage with a daemon that is stopped and started again whenever the clock goes on."""
    advance = stage.advance

    def interrupted(to: datetime) -> None:
        stage._rest()
        stage.restart()
        advance(to)

    stage.advance = interrupted  # type: ignore[method-assign]
    return stage
