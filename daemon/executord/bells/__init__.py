"""watchdog and APScheduler: they ring for a path or a time, and decide nothing [SLA-18] [REL-6].

Counterpart: `service/`, which takes rings from a queue and looks; `inotify.py`, the emitters underneath.

Rules of the house
- Scan is truth, rings are hints: a ring may come twice, late, or for nothing. What may not happen is that rings are
  lost without an `overflow` ring that says so; then the caller looks at everything.
- `ring` is called on our threads and only puts into a queue. An exception in it is logged, and ends nothing.
- Watched are the memory root, our inboxes and the way to them, and of each case its root, `tasks/`, `tasks/*` and
  `workflow/`; never recursively, so `_archive/`, `_knowledge/` and `outputs/**` cost nothing.
- A constant number of jobs, however many deadlines there are.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from loguru import logger

from executord.bells.inotify import Emitter, Happening, InotifyEmitter, PollingEmitter, untold
from executord.clock import Clock, WallClock
from executord.paper import is_left_alone
from executord.settings.crontab import cron

Kind = Literal["whole", "seen", "gone", "folder", "overflow", "root", "alarm", "workers"]


class Ring(NamedTuple):
    """One ring. `path` is relative to the root, as os.fsdecode gives it; `name` its last part.

    - `whole`: renamed into place, or closed after writing: to be read at once [MEM-26]
    - `seen`: there for another reason (created, hard link, found by polling): to be read once it has settled
    - `gone`: deleted or moved away; also of a folder
    - `folder`: a folder that came; its watches are in place, and what lies in it rings `seen`
    - `overflow`: rings were lost, `name` says how: look at everything
    - `root`: the memory itself was unmounted, replaced or moved: ask `root_same()`
    - `alarm`: it is time; `name` is the job's
    - `workers`: a process has ended (rung by the runners)
    """

    path: str
    kind: Kind
    name: str = ""


INBOXES: Final = ("_communication/inbox/executor", "_communication/inbox/support-executor")
PROBE: Final = f"{INBOXES[0]}/.probe"
DEADLINE: Final = "deadline"
FARTHEST_S: Final = 30.0
"""The deadline alarm is never set further ahead: so suspend and steps of the clock are noticed [SLA-18]."""
PATIENCE_S: Final = 5.0
"""How long the canary may take to come back [hazard 34]."""

_WAYS: Final = frozenset(("_communication", "_communication/inbox"))
_OF_A_CASE: Final = frozenset(("tasks", "workflow"))
_NOT_THERE: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
_USED_UP: Final = frozenset((errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM))
_TRIGGERS: Final = {"date": DateTrigger, "interval": IntervalTrigger}  # by name they are imported when first used
_TICK_S: Final = 2.0  # the scheduler looks at the wall clock at least this often

Identity = tuple[int, int]


class _Folder(NamedTuple):
    """A watched folder: whether files in it ring, and which one it was."""

    rings: bool
    device: int
    inode: int


class Bells:
    """The eyes and the alarm clock of one tree."""

    def __init__(
        self,
        root: str,
        ring: Callable[[Ring], None],
        *,
        polling: bool | None = None,
        probe_s: float = 30.0,
        poll_s: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        """`polling` None: where the file system asks for it. `probe_s`: seconds between rings of the alarm `probe`."""
        self._root, self._ring, self._clock = root, ring, clock or WallClock()
        self._wish, self._probe_s, self._poll_s = polling, probe_s, poll_s
        self._lock = threading.RLock()
        self._emitter: Emitter | None = None
        self._known: dict[str, _Folder] = {}
        self._cases: dict[str, dict[str, None]] = {}  # case → its folders, each once
        self._refused: dict[str, str] = {}
        self._poor: str | None = None
        self._probe_out: float | None = None
        self._armed: datetime | None = None
        self._root_identity: Identity | None = None
        self._alarms = _Alarms(self._clock)
        self._started = False

    # --- life ---

    def start(self) -> None:
        """Watch the root and our inboxes, and start the alarms. Raises OSError if the root cannot be watched."""
        if self._started:
            return
        self._root_identity = _identity(os.stat(self._root))
        self._begin()
        self._alarms.start()
        self._started = True
        self.every("probe", self._probe_s)

    def stop(self) -> None:
        """End both threads; no ring comes after it."""
        self._end()
        if self._started:
            self._started = False
            self._alarms.shutdown(wait=False)
            self._alarms = _Alarms(self._clock)
            self._armed = None

    def restart(self) -> None:
        """A new watcher with all watches of the old one, which may be dead or stuck; then an `overflow` ring.

        If the root cannot be watched it rings `root`, and `watcher_alive` stays False until the next restart.
        """
        with self._lock:
            cases = list(self._cases)
        self._end()
        try:
            self._begin()
        except OSError as error:
            logger.warning("{}", f"the memory cannot be watched: {error.strerror}")
            self._end()
            with self._lock:
                self._cases = {case: {} for case in cases}
            self._say(Ring("", "root", error.strerror or ""))
            return
        for case in cases:
            self.watch_case(case)
        self._say(Ring("", "overflow", "restarted"))

    def _begin(self) -> None:
        kind = untold(self._root) if self._wish is None else None
        polls = bool(kind) if self._wish is None else self._wish
        with self._lock:
            self._poor = None
            self._probe_out = None
            if polls or not self._listen():
                self._emitter = PollingEmitter(self._root, self._take, timeout=self._poll_s)
                self._add("", rings=False, must=True)
            self._adopt("_communication", quiet=True)
            assert self._emitter is not None
            self._emitter.start()
        if kind:
            logger.info("{}", f"{kind} does not tell who writes: the memory is polled")

    def _listen(self) -> bool:
        """An inotify emitter with its first watch; False if the user has used up what the kernel allows him."""
        try:
            self._emitter = InotifyEmitter(self._root, self._take)
            self._add("", rings=False, must=True)
        except OSError as error:
            if self._emitter is not None:
                self._emitter.stop()
            self._emitter = None
            if error.errno not in _USED_UP:
                raise
            self._poor = f"inotify is used up ({error.strerror}): polling; raise fs.inotify.max_user_instances"
            return False
        return True

    def _end(self) -> None:
        with self._lock:
            emitter, self._emitter = self._emitter, None
            self._known.clear()
            self._cases.clear()
            self._refused.clear()
        if emitter is not None:
            emitter.stop()
            if emitter.ident is not None and emitter is not threading.current_thread():
                emitter.join(1.0)  # one that is stuck in a call is left behind; what it still says is not heard

    # --- how it goes ---

    @property
    def watcher_alive(self) -> bool:
        """Whether the watcher's thread lives and the canary is not overdue: the thread alone proves nothing."""
        emitter, out = self._emitter, self._probe_out
        if emitter is None or not emitter.is_alive():
            return False
        return out is None or self._clock.monotonic() - out <= self.patience_s

    @property
    def patience_s(self) -> float:
        """Seconds that the canary may take."""
        emitter = self._emitter
        return max(PATIENCE_S, 3 * emitter.interval) if isinstance(emitter, PollingEmitter) else PATIENCE_S

    @property
    def scheduler_alive(self) -> bool:
        """Whether the scheduler has moved lately [OPS-24]."""
        return self._started and self._clock.monotonic() - self._alarms.beat <= 5 * _TICK_S

    @property
    def polling(self) -> bool:
        """Whether folders are compared instead of watched."""
        return isinstance(self._emitter, PollingEmitter)

    @property
    def degraded(self) -> str | None:
        """Why not everything is watched, in words for a person, None if it is; then the caller lives by rounds."""
        with self._lock:
            if self._refused:
                count, why = len(self._refused), next(iter(self._refused.values()))
                advice = "; raise fs.inotify.max_user_watches" if why == os.strerror(errno.ENOSPC) else ""
                return f"{count} folders are not watched ({why}){advice}"
            return self._poor

    @property
    def folders(self) -> tuple[int, int]:
        """How many folders are watched, and how many should be: unequal means `degraded`."""
        with self._lock:
            watched = self._emitter.folders if self._emitter else 0
            return watched, len(self._known) + len(self._refused)

    def root_same(self) -> bool:
        """Whether the memory is still the folder it was: an empty one is not "everything deleted" [MEM-25]."""
        try:
            return _identity(os.stat(self._root)) == self._root_identity
        except OSError:
            return False

    def probe(self, write: Callable[[], None]) -> None:
        """Send the canary: `write` writes `PROBE`, which must be seen within `patience_s`. Passes on what it raises."""
        before = self._probe_out
        if before is None:  # an overdue one stays overdue until something comes back
            self._probe_out = self._clock.monotonic()
        try:
            write()
        except BaseException:  # raised again: no canary is out that nobody sent
            self._probe_out = before
            raise

    # --- cases ---

    def watch_case(self, case: str) -> bool:
        """Watch the folders of a case; again is harmless and takes up what was missing. False if it is not there.

        The watches are in place on return, and nothing rings for what is there already: the caller scans now.
        """
        if "/" in case or not _wanted(case):
            return False
        with self._lock:
            before = self._cases.get(case, {})
            self._cases[case] = {}
            watched = self._adopt(case, quiet=True)
            for path in before.keys() - self._cases[case].keys():  # gone, and the event with it
                self._drop(path)
            if not watched and case not in self._refused:
                del self._cases[case]
            return watched

    def unwatch_case(self, case: str) -> None:
        """Stop watching the folders of a case; harmless if they are not watched."""
        with self._lock:
            self._forget(case)
            self._cases.pop(case, None)

    # --- alarms ---

    def alarm_at(self, when: datetime | float) -> None:
        """Ring the alarm `deadline` at an instant, or at a moment of the monotonic clock; at most 30 s from now.

        One that is set for earlier stays: after each of its rings the caller sets the next.
        """
        now = self._clock.now()
        ahead = (when - now).total_seconds() if isinstance(when, datetime) else when - self._clock.monotonic()
        at = now + timedelta(seconds=min(max(ahead, 0.0), FARTHEST_S))
        with self._lock:
            if self._armed is not None and self._armed <= at:
                return
            self._armed = at
            self._alarms.put(DEADLINE, self._deadline, FARTHEST_S, "date", run_date=at)

    def every(self, name: str, seconds: float) -> None:
        """Ring the alarm `name` every so many seconds; again with another span changes it."""
        self._alarms.put(name, partial(self._say, Ring("", "alarm", name)), seconds, "interval", seconds=seconds)

    def cron(self, name: str, expression: str | None, zone: tzinfo) -> None:
        """Ring the alarm `name` by a cron expression; another one changes it, None ends it. Raises `BadInput`."""
        if expression is None:
            self._alarms.drop(name)
        else:
            self._alarms.put_cron(name, partial(self._say, Ring("", "alarm", name)), cron(expression, zone))

    def _deadline(self) -> None:
        with self._lock:
            self._armed = None
        self._say(Ring("", "alarm", DEADLINE))

    # --- what comes from the emitter, on its thread ---

    def _say(self, ring: Ring) -> None:
        try:
            self._ring(ring)
        except Exception:  # the thread must live, to hear what comes next; the round looks at what was missed
            logger.exception("a ring was not taken")

    def _take(self, happenings: list[Happening]) -> None:
        emitter = self._emitter
        if threading.current_thread() is not emitter:  # one that was given up, and woke after all
            return
        for happening in happenings:
            try:
                self._heard(happening, emitter)
            except Exception as error:  # the thread must live; everything is looked at instead
                logger.exception("a happening was not understood")
                self._say(Ring("", "overflow", type(error).__name__))

    def _heard(self, happening: Happening, emitter: Emitter) -> None:
        folder, name, what, is_folder = happening
        if what == "overflow":
            self._say(Ring("", "overflow", "the kernel's queue was full"))
        elif what == "self":
            self._moved(folder, emitter)
        elif name.startswith("."):
            if name == ".probe" and what != "gone" and folder == INBOXES[0]:
                self._probe_out = None
        elif is_folder:
            self._folder(f"{folder}/{name}" if folder else name, name, what, emitter)
        elif (known := self._known.get(folder)) is not None and known.rings and not is_left_alone(name):
            self._say(Ring(f"{folder}/{name}", what, name))

    def _folder(self, path: str, name: str, what: str, emitter: Emitter) -> None:
        """A folder came or went."""
        ours = _wanted(path)
        if path.startswith("_") and not ours:  # an agent's inbox, the archive
            return
        if what == "gone":
            with self._lock:
                if path in self._known and not self._same(path):
                    self._forget(path)
            if path not in _WAYS:
                self._say(Ring(path, "gone", name))
            return
        if "/" not in path and ours and path not in _WAYS:
            with self._lock:
                self._cases.setdefault(path, {})
        if ours:
            emitter.pull()  # adopting takes a while: meanwhile the kernel's queue must not fill
            self._adopt(path, quiet=False)
        if path not in _WAYS:
            self._say(Ring(path, "folder", name))

    def _moved(self, path: str, emitter: Emitter) -> None:
        """Something happened to a watched folder itself: it is gone, was replaced, or is just where it should be."""
        with self._lock:
            if path not in self._known or self._same(path):
                return
            if path:
                self._forget(path)
        if not path:
            self._say(Ring("", "root", "moved, replaced or unmounted"))
        elif os.path.isdir(os.path.join(self._root, path)):
            self._folder(path, os.path.basename(path), "seen", emitter)

    # --- the table of folders ---

    def _adopt(self, path: str, *, quiet: bool) -> bool:
        """Watch a folder and what belongs to it, then (unless quiet) ring for what is there: check, watch, check."""
        case = path.partition("/")[0]
        rings = path not in _WAYS
        with self._lock:
            if not path.startswith("_") and case not in self._cases:
                return False  # let go meanwhile
            if not self._add(path, rings=rings):
                return False
        if quiet and not _has_wanted(path):
            return True
        try:
            with os.scandir(os.path.join(self._root, path)) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            if error.errno not in _NOT_THERE:  # gone again is normal: its parent rings for that
                self._say(Ring("", "overflow", error.strerror or ""))
            return True
        for name, is_folder in found:
            inner = f"{path}/{name}"
            if name.startswith("."):
                continue
            if is_folder:
                if _wanted(inner):
                    self._adopt(inner, quiet=quiet)
                    if not quiet and inner not in _WAYS:
                        self._say(Ring(inner, "folder", name))
            elif not quiet and rings and not is_left_alone(name):
                self._say(Ring(inner, "seen", name))
        return True

    def _add(self, path: str, *, rings: bool, must: bool = False) -> bool:
        """Watch one folder; False if it is not there, or cannot be watched, which is then said once."""
        emitter = self._emitter
        if emitter is None:
            return False
        full = os.path.join(self._root, path) if path else self._root
        try:
            # The identity first: if another folder takes its place now, the next happening finds that out.
            identity = _identity(os.lstat(full) if path else os.stat(full))
            emitter.add(path)
        except OSError as error:
            if must:
                raise
            if error.errno not in _NOT_THERE:
                self._refuse(path, error.strerror or "")
            return False
        self._refused.pop(path, None)
        self._known[path] = _Folder(rings, *identity)
        if path and not path.startswith("_"):
            self._cases.setdefault(path.partition("/")[0], {})[path] = None
        return True

    def _refuse(self, path: str, why: str) -> None:
        first = not self._refused
        self._refused[path] = why
        if first:
            logger.warning("{}", f"folders cannot be watched any more ({why}): they are looked at by rounds")
            self._say(Ring("", "overflow", why))

    def _forget(self, path: str) -> None:
        """Drop the watches of a folder and of what is in it."""
        case = path.partition("/")[0]
        own = self._cases.get(case, {}) if not path.startswith("_") else dict.fromkeys(self._known)
        beneath = [each for each in own if each == path or each.startswith(f"{path}/")]
        for each in beneath:
            self._drop(each)
            own.pop(each, None)
        for each in [each for each in self._refused if each == path or each.startswith(f"{path}/")]:
            del self._refused[each]
        if path == case and not path.startswith("_"):
            self._cases.pop(case, None)

    def _drop(self, path: str) -> None:
        self._known.pop(path, None)
        if self._emitter is not None:
            self._emitter.drop(path)

    def _same(self, path: str) -> bool:
        """Whether a watched folder is still the one that is watched."""
        try:
            found = os.lstat(os.path.join(self._root, path)) if path else os.stat(self._root)
        except OSError:
            return False
        return _identity(found) == self._known[path][1:]


def _wanted(path: str) -> bool:
    """Whether a folder is one of those that are watched."""
    if path in _WAYS or path in INBOXES:
        return True
    if path.startswith(("_", ".")):
        return False
    parts = path.split("/")
    if len(parts) == 2:
        return parts[1] in _OF_A_CASE
    return len(parts) == 1 or (len(parts) == 3 and parts[1] == "tasks" and not parts[2].startswith("."))


def _has_wanted(path: str) -> bool:
    """Whether folders that are watched may lie in this one."""
    return path in _WAYS or "/" not in path or path.endswith("/tasks")


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


class _Alarms(BackgroundScheduler):  # type: ignore[misc]
    """APScheduler, made safe against wall clocks that jump [hazards 41, 42].

    It waits for wall-clock times, and its defaults drop what is more than a second late. So: nothing is dropped,
    lateness is one ring, it looks at the clock every other second, and no job may be further away than its own span:
    after a step back of two hours the next round still comes within a minute.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spans: dict[str, timedelta] = {}
        self._crons: set[str] = set()
        self.beat = clock.monotonic()
        super().__init__(
            timezone=UTC,
            executors={"default": DebugExecutor()},  # on its own thread: jobs only ring
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def put(self, name: str, do: Callable[[], None], span_s: float, trigger: str, **when: Any) -> None:
        """Set or replace a job that is never further away than `span_s` seconds."""
        self._spans[name] = timedelta(seconds=span_s)
        made = _TRIGGERS[trigger](timezone=UTC, **when)
        self.add_job(do, made, id=name, name=name, replace_existing=True)

    def put_cron(self, name: str, do: Callable[[], None], trigger: Any) -> None:
        """Set or replace a job that rings at times of the wall clock."""
        self._crons.add(name)
        self.add_job(do, trigger, id=name, name=name, replace_existing=True)

    def drop(self, name: str) -> None:
        """Take a job away, if there is one."""
        self._crons.discard(name)
        if self.get_job(name) is not None:
            self.remove_job(name)

    def _process_jobs(self) -> float:
        now = self._clock.now()
        for job in self.get_jobs():
            span = self._spans.get(job.id)
            if job.id in self._crons and job.next_run_time is not None:
                at = job.trigger.get_next_fire_time(None, now)
                if at is not None and at < job.next_run_time:  # the clock was set back
                    job.modify(next_run_time=at)
            if span is None or job.next_run_time is None:
                continue
            if job.next_run_time > now + span + timedelta(seconds=1):
                job.modify(next_run_time=now + span)
            elif job.next_run_time < now - span:  # or it would count every missed one since, perhaps since 1970
                job.modify(next_run_time=now)
        wait = super()._process_jobs()
        self.beat = self._clock.monotonic()
        return _TICK_S if wait is None else min(float(wait), _TICK_S)
