"""The same rules on a tree with a set clock that jumps from due line to due line; a script says what others do [OPS-7].

Counterparts: `loop/`, which runs the same service with bells and the real clock; `cli/rehearse.py`, `simulate`; the
stories of the tests. No process, channel, socket, lock or state folder.

Rules of the house
- What a step puts in place counts as announced, as the watcher would announce it: it is read at once [MEM-26]. What a
  step does while the daemon is down is found afterwards like anything else.
- The real ctime of a file means nothing beside a set clock, so only its mtime is asked when a file has settled; one
  that was changed later than the clock shows was so from the start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from executord.case.casebook import Case
from executord.case.standing import standing
from executord.clock import SetClock
from executord.errors import BadInput, CannotWrite, ExecutordError, Finding, NotOurs
from executord.files.disk import INBOX, OWN_INBOXES
from executord.files.marks import Marks
from executord.hands import Entry
from executord.policy import Policy
from executord.rehearsal.script import Step
from executord.runners.workers import Workers
from executord.service import Rings, Service
from executord.service.carriage import Carrier
from executord.values import stamp
from executord.views.overview import phase

KEYS = ("at", "due", "case", "name", "action", "rule", "task", "attempt", "to", "type", "path", "why")
FOLDERS = ("pending", "in_progress", "completed")
RESTLESS = 1000  # looks at one instant after which something is wrong with us
_NOT_COPIED = frozenset(f"{INBOX}/{own}/{dot}" for own in OWN_INBOXES for dot in (".lock", ".probe"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class End:
    """How a rehearsal ended: when, why (`until` or `idle`), and what was there then [CON-7]."""

    at: datetime
    reason: str
    lines: int
    cases: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]


class Rehearsal:
    """A tree, a set clock, and a daemon that can be killed and started again.

    `note` is told of each line as it is noted. `before` is the failpoint of `files/disk.py`.
    """

    def __init__(
        self,
        root: str,
        policy: Policy,
        start: datetime,
        *,
        note: Callable[[str, Entry], None] | None = None,
        before: Callable[[str, str], None] | None = None,
        outbox: Carrier | None = None,
    ) -> None:
        """`outbox` is for tests, which carry by themselves; without one there are no channels."""
        self.root = os.path.realpath(root)
        self.outbox = outbox
        self.policy = as_inboxes(policy, channels=outbox is not None)
        self.began = start
        self.clock = SetClock(start)
        self.marks = Marks(None)
        self.service: Service | None = None
        self.workers: Workers | None = None  # a rehearsal has none; the stories of the tests may
        self.before = before
        self.lines = 0
        self._moved: set[str] = set()  # cases in whose folders something was moved since they were dated
        self.rings = Rings()
        self._note = note or (lambda _case, _entry: None)
        self._down_until: datetime | None = None
        self._pending = True  # something may be due at this very instant

    # -- the daemon ----------------------------------------------------------------------------------------

    def open(self) -> Service:
        """Start a daemon as after a crash: it recovers, and finds what lies there by looking at everything."""
        service = Service(
            self.root, self.policy, durable=False, marks=self.marks, before=self.before, on_entry=self._noted,
            on_event=self.heard, workers=self.workers, outbox=self.outbox,
        )  # fmt: skip
        service.store.began = self.began
        self.service = service
        self._down_until = None
        service.open(self.clock.now())
        self.rings.everything = True
        return service

    def heard(self, what: str, text: str) -> None:
        """What the daemon says of itself besides its lines: a rehearsal passes it over."""

    def _noted(self, case_id: str, entry: Entry) -> None:
        self.lines += 1
        if entry["action"] == "move":
            self._moved.add(case_id)
        self._note(case_id, entry)

    def close(self) -> None:
        """Stop the daemon in an orderly way."""
        if self.service is not None:
            self.service.finish(self.clock.now())
            self.service = None
        self._pending = True

    def kill(self, until: datetime | None = None) -> None:
        """Kill the daemon without warning; it comes back at this time, or with the next look."""
        self.service = None
        self.marks.waiting.clear()
        self._down_until = until
        self._pending = True
        if until is not None:
            self.rings = Rings()  # nobody is there to be told

    def look(self) -> None:
        """All that is due at this instant."""
        now = self.clock.now()
        self._pending = False
        if self._down_until is not None and now < self._down_until:
            self.rings = Rings()
            return
        service = self.service or self.open()
        while service.turn(now, self.rings):
            self.rings = Rings()
        self.rings = Rings()
        service.settle_marks(now)
        self._date_folders()

    def next_at(self) -> datetime | None:
        """When something can happen next, if nobody does anything."""
        if self._pending:
            return self.clock.now()
        if self.service is None:
            return self._down_until
        return self.service.next_at()

    def advance(self, to: datetime) -> None:
        """Look at every instant before `to` at which something is due, then set the clock to it."""
        self._turns(lambda at: at < to)
        self.clock.set(max(to, self.clock.now()))

    def _turns(self, wanted: Callable[[datetime], bool]) -> None:
        still = 0
        while (at := self.next_at()) is not None and wanted(at):
            still = still + 1 if at <= self.clock.now() else 0
            if still > RESTLESS:
                raise ExecutordError(f"the daemon does not come to rest at {stamp(self.clock.now())}", fix="report it")
            self.clock.set(max(at, self.clock.now()))
            self.look()

    def run(self, steps: Iterable[Step], until: datetime) -> End:
        """The whole: steps in the order (at, position), each before the daemon looks at that instant."""
        waiting = sorted(steps, key=lambda s: (s.at, s.index))
        for step in waiting:
            if step.at <= until:
                self.advance(step.at)
                self.do(step)
        self._turns(lambda at: at <= until)
        idle = self.next_at() is None and not (waiting and waiting[-1].at > until)
        if not idle:
            self.clock.set(until)
        seen = self.service or self._reader()
        end = End(self.clock.now(), "idle" if idle else "until", self.lines, rows(seen), tuple(findings(seen)))
        self.close()
        return end

    def _reader(self) -> Service:
        """What lies there, for a daemon that is down at the end."""
        service = Service(self.root, self.policy, durable=False, before=_never)
        service.store.began, service.store.expect_settled = self.began, True
        service.load_all(self.clock.now())
        return service

    # -- what others do ------------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """Carry out one step of a script now. Raises `BadInput` naming it where that cannot be done."""
        try:
            match step.kind:
                case "write":
                    self.write(step.path, step.data)
                case "append":
                    self.append(step.path, step.data)
                case "move":
                    self.move(step.path, step.to)
                case "delete":
                    self.delete(step.path)
                case "restart":
                    if self._down_until is None:
                        self.close()
                case _:
                    self.kill(max(filter(None, (step.until, self._down_until))))
        except OSError as error:
            why = f"{error.strerror}: {step.path}" + (f" → {step.to}" if step.to else "")
            raise step.bad(why, "check the paths, and what lies there at that time") from error
        except BadInput as error:
            raise step.bad(error.message, error.fix) from error

    def write(self, path: str, data: bytes) -> None:
        """Put a whole file in place: written aside, then renamed, its mtime now."""
        full = self._inside(path)
        folder, name = os.path.split(full)
        self._make(folder)
        aside = f"{folder}/.{name[:60]}.aside"
        with open(aside, "wb") as file:
            file.write(data)
        self._date(aside)
        os.replace(aside, full)
        self._date(folder)
        self._ring(path, whole=True)

    def append(self, path: str, data: bytes) -> None:
        """Add to a file and close it."""
        full = self._inside(path)
        self._make(os.path.dirname(full))
        fd = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(fd, "ab") as file:
            file.write(data)
        self._date(full)
        self._date(os.path.dirname(full))
        self._ring(path, whole=True)

    def move(self, path: str, to: str) -> None:
        """Rename a file or a folder, as `mv -T` does it."""
        source, target = self._inside(path), self._inside(to)
        os.lstat(source)
        self._make(os.path.dirname(target))
        is_folder = stat.S_ISDIR(os.lstat(source).st_mode)
        os.rename(source, target)
        self._date(os.path.dirname(source))
        self._date(os.path.dirname(target))
        self._ring(path, gone=True)
        self._ring(to, whole=not is_folder, folder=is_folder)

    def delete(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        full = self._inside(path)
        if stat.S_ISDIR(os.lstat(full).st_mode):
            shutil.rmtree(full)
        else:
            os.unlink(full)
        self._date(os.path.dirname(full))
        self._ring(path, gone=True)

    def _inside(self, path: str) -> str:
        """The absolute path, with no link followed out of the memory."""
        full = os.path.join(self.root, path)
        folder = os.path.realpath(os.path.dirname(full))
        if folder != self.root and not folder.startswith(self.root + os.sep):
            raise BadInput(f"{path} does not stay inside the memory", fix="name a path that counts from the memory")
        return full

    def _make(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)

    def _date(self, full: str) -> None:
        ns = (self.clock.now() - _EPOCH) // timedelta(microseconds=1) * 1000
        os.utime(full, ns=(ns, ns))

    def _date_folders(self) -> None:
        """What the daemon moved has changed its folders at a time of the real clock: now, says the set one."""
        for case_id in self._moved:
            for folder in ("pending", "in_progress", "completed", "blocked"):
                with contextlib.suppress(FileNotFoundError):
                    self._date(f"{self.root}/{case_id}/tasks/{folder}")
        self._moved.clear()

    def _ring(self, path: str, *, whole: bool = False, gone: bool = False, folder: bool = False) -> None:
        """What the watcher would say of this path; the counterpart is `Loop._path`."""
        self._pending = True
        rings, parts = self.rings, path.split("/")
        if parts[0] == "_communication":
            if len(parts) == 4 and parts[2] in OWN_INBOXES and not folder:
                if not gone:
                    rings.named[f"{parts[2]}/{parts[3]}"] = whole
                return
            if self.service is not None:
                self.service.store.forget_inboxes()
            rings.mail = True
            return
        if parts[0].startswith((".", "_")):
            return
        if len(parts) == 1 or folder:
            rings.cases.add(parts[0])
            return
        if len(parts) == 2 or parts[1] in ("tasks", "workflow", "outputs"):  # in outputs/ the round finds it
            rings.touched.setdefault(parts[0], {})["/".join(parts[1:])] = whole


def _never(operation: str, path: str) -> None:
    raise NotOurs(f"a reader does not write: {operation} {path}", path=path)


def rows(service: Service) -> tuple[Mapping[str, Any], ...]:
    """Each case with its phase and where its task files lie, by id."""
    return tuple(_row(service, case_id) for case_id in sorted({*service.cases, *service.broken}))


def _row(service: Service, case_id: str) -> Mapping[str, Any]:
    case = service.cases.get(case_id)
    counts = dict.fromkeys(FOLDERS, 0)
    for task in case.tasks.values() if case is not None else ():
        if task.file is not None:
            counts["in_progress" if str(task.file.folder) == "blocked" else task.file.folder] += 1
    return {"id": case_id, "phase": phase(case) if case is not None else "parked", "tasks": counts}


def findings(service: Service) -> list[Finding]:
    """What was odd in heads and task files, why tasks are held, and what is wrong with a case, by path and line."""
    found: list[Finding] = []
    for case_id, (text, _) in sorted(service.broken.items()):
        found.append(Finding("REL-4", text, "mend it; it is tried again by itself", path=case_id))
    for case in service.cases.values():
        found.extend(_placed(f, f"{case.id}/instruction.yaml") for f in case.head.faults)
        found.extend(_of_tasks(case))
    return sorted(dict.fromkeys(found), key=lambda f: (f.path or "", f.line or 0, f.column or 0, f.code, f.message))


def _of_tasks(case: Case) -> Iterable[Finding]:
    for task in case.in_order():
        if task.file is None or task.ended is not None:
            continue
        path = f"{case.id}/tasks/{task.file.folder}/{task.file.name}"
        for each in (*task.file.faults, *standing(case, task).held):
            yield _placed(each, path)


def _placed(found: Finding, path: str) -> Finding:
    return found if found.path is not None else found.at(path)


def line_of(case_id: str, entry: Entry) -> dict[str, Any]:
    """A journal line in the shape of the contract: what does not apply is null [CON-7]."""
    return {key: case_id if key == "case" else entry.get(key) for key in KEYS}


def text_of_line(at: datetime, name: str, to: str | None) -> str:
    """The same for people: `2026-11-20 09:12  warn response #1 75% → customer-success-manager`, in UTC."""
    return f"{at:%Y-%m-%d %H:%M}  {name}" + (f" → {to}" if to else "")


def as_inboxes(policy: Policy, *, channels: bool = False) -> Policy:
    """The policy with every agent served by his inbox, and no channel: nothing is started or opened in a rehearsal."""
    roster = {name: replace(agent, runner="inbox", command=None) for name, agent in policy.roster.items()}
    return replace(policy, roster=roster, processes=False, routes=policy.routes if channels else ())


def copy_memory(source: str, target: str) -> None:
    """Copy a tree with the times of its files; links stay links, what is no file or folder is left out.

    Raises `CannotWrite` if there is something at the target.
    """
    try:
        os.mkdir(target)
    except FileExistsError as error:
        raise CannotWrite("it exists already", path=target, fix="name a folder that does not exist yet") from error
    except OSError as error:
        fix = "name a folder in one that exists"
        raise CannotWrite(f"cannot write: {error.strerror}", path=target, fix=fix) from error
    try:
        _copy(source, target, "")
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise CannotWrite(f"cannot copy the memory: {error.strerror}", path=error.filename) from error


def _copy(source: str, target: str, path: str) -> None:
    with os.scandir(f"{source}/{path}") as entries:
        found = sorted(entries, key=lambda e: e.name)
    for entry in found:
        here = f"{path}/{entry.name}" if path else entry.name
        if here in _NOT_COPIED:
            continue
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), f"{target}/{here}")
        elif entry.is_dir(follow_symlinks=False):
            os.mkdir(f"{target}/{here}")
            _copy(source, target, here)
        elif entry.is_file(follow_symlinks=False):
            shutil.copyfile(entry.path, f"{target}/{here}")
        else:
            continue
        if not entry.is_symlink():
            status = entry.stat(follow_symlinks=False)
            os.utime(f"{target}/{here}", ns=(status.st_atime_ns, status.st_mtime_ns))
