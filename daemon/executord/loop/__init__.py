"""The daemon as a process: lock, bells, signals, turns, sleep [OPS-6, OPS-11, OPS-24].

Bells only put rings into a queue; this thread empties it, has the service take a turn, and sleeps until something
rings or the next line comes due. At most a slice of work is done between two looks at the queue.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger

from executord.bells import PROBE, Bells, Ring
from executord.bells.inotify import untold
from executord.channels.outbox import Outbox
from executord.clock import WallClock
from executord.clocks.downtime import Downtime, set_back, slept
from executord.errors import BadConfiguration, NotFound, TimedOut
from executord.files.deaths import Deaths
from executord.files.disk import INBOX, OWN_INBOXES
from executord.files.lock import TreeLock
from executord.files.marks import Marks, unusable
from executord.files.retention import pack
from executord.hands import Entry
from executord.log import log_event, log_line
from executord.loop import garbage
from executord.loop.notices import Notices, rows_of
from executord.loop.sdnotify import Notifier
from executord.paper.gate import ours_to_mend
from executord.paper.tree import Limits
from executord.policy import Policy
from executord.runners.workers import Workers
from executord.service import Rings, Service
from executord.service.digests import PERIODS
from executord.service.patience import SECONDS, Patience
from executord.sessions.crew import Processes, Programs
from executord.sessions.desk import Desk
from executord.sessions.front import law_of
from executord.settings import Settings
from executord.settings.crontab import cron, last_before

SLICE = 400  # lines between two looks at the queue
MARK_EVERY_S = 1.0
BREATH_S = 0.2  # before what failed for want of descriptors is tried again
LONGEST_SLEEP_S = 30.0
SLICE_S = 2.0
DAY_S = 86_400.0
SIGNALS = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "SIGINT", signal.SIGHUP: "reload"}
ONCE_S = 60.0  # how long one look waits for what it has sent


@dataclass(frozen=True, slots=True)
class Order:
    """How a run ends: by itself when nothing is left (`until_idle`, within `max_wait_s`), or by a signal."""

    until_idle: bool = False
    max_wait_s: float | None = None


class Loop:
    """One daemon on one tree."""

    def __init__(self, root: str, state: str, settings: Settings, reload: Callable[[], Settings]) -> None:
        self._root, self._state, self._settings, self._reload = root, state, settings, reload
        self._clock = WallClock()
        self._lock = TreeLock(root)
        self._queue: queue.SimpleQueue[Ring | str] = queue.SimpleQueue()
        self._notify = Notifier()
        self._marked = 0.0
        self._extended = 0.0
        self._watched: set[str] = set()
        self._stop: str | None = None
        self._crew: Processes | None = None
        self._workers = Workers(
            root,
            state,
            ring=lambda: self._queue.put(Ring("", "workers", "")),
            monotonic=self._clock.monotonic,
            output_bytes=settings.limits.output_bytes,
            durable=settings.durability == "full",
        )
        self._refused: str | None = None  # a configuration that was not taken
        self._down: Downtime | None = None  # what is being made up for
        self._outbox = Outbox(rows_of(settings.channels, settings.notify), state, ring=self._carried, clock=self._clock)
        self._notices = Notices(settings.notify, self._outbox, settings.channels)

    def _carried(self) -> None:
        """Called on the outbox's threads: something has ended."""
        self._queue.put(Ring("", "alarm", "outbox"))

    def run(self, order: Order) -> int:
        """Run until told to stop; answers the exit code. Raises `Locked`, `TimedOut`, `NotFound`."""
        self._take()
        try:
            return self._run(order)
        finally:
            self._lock.release(self._clock.now())
            for number in SIGNALS:  # all is done: to be told again to stop, on our way out, is no failure
                signal.signal(number, signal.SIG_IGN)

    def once(self) -> int:
        """One look at every case."""
        self._take()
        try:
            service = self._service()
            service.open(self._clock.now())
            self._outbox.start()
            service.everything(self._clock.now())
            self._caught_up()
            self._outbox.drain(ONCE_S)
            self._end_carriage(service)
            service.finish(self._clock.now())
            return 0
        finally:
            self._workers.close()
            self._lock.release(self._clock.now())

    def _take(self) -> None:
        """The lock, whose text says since when nobody was at work."""
        now = self._clock.now()
        self._lock.take(now)
        if (why := unusable(self._state)) is not None:
            logger.warning("the state folder cannot be used: {}: {}", self._state, why)
        if self._lock.left is not None and self._lock.left < now:
            self._down = Downtime(self._lock.left, now)

    def _end_carriage(self, service: Service) -> None:
        """No more tries; how the last ones ended is noted."""
        self._outbox.stop()
        service.turn(self._clock.now(), Rings())

    def _service(self) -> Service:
        settings = self._settings
        service = Service(
            self._root,
            settings.policy(),
            durable=settings.durability == "full",
            marks=Marks(self._state),
            deaths=Deaths(self._state),
            limits=Limits(bytes=settings.limits.file_bytes, depth=settings.limits.yaml_depth),
            on_entry=lambda case_id, entry: self._noted(service, case_id, entry),
            on_event=self._event,
            on_progress=self._alive,
            workers=self._workers,
            patience=Patience(SECONDS),
            monotonic=None if untold(self._root) else self._clock.monotonic,
            outbox=self._outbox,
            state=self._state,
        )
        programs = Programs(settings)
        self._crew = Processes(
            programs, output_bytes=settings.limits.output_bytes, durable=settings.durability == "full",
            ring=lambda key: self._worker_ended(service, key), memory=service.root,
        )  # fmt: skip
        service.desk = Desk(
            service.disk, service.store, service.policy, law_of(settings, asks=True), programs, self._crew,
            durable=settings.durability == "full",
            on_entry=lambda session_id, entry: log_line(entry, session_id),
            on_event=self._event,
            tell_hitl=service.house.tell_hitl,
        )  # fmt: skip
        return service

    def _worker_ended(self, service: Service, key: str) -> None:
        """From the thread that watches workers: the session is looked at now."""
        if service.desk is not None:
            service.desk.ring(key.split("\0")[0])
        self._queue.put(Ring("", "alarm", "worker"))

    def _noted(self, service: Service, case_id: str, entry: Entry) -> None:
        log_line(entry, case_id)
        case = service.cases.get(case_id)
        if case is not None:
            self._notices.line(case, entry, service.policy, self._clock.now())
        if self._down is not None:
            self._down.noted(entry)

    def _caught_up(self) -> None:
        """Everything was looked at: say in one event what fell due while nobody was at work [SLA-12]."""
        facts = self._down.event() if self._down is not None else None
        self._down = None
        if facts is not None:
            log_event("catchup", **facts)

    def _event(self, what: str, text: str) -> None:
        logger.warning("{}: {}", what, text)
        self._notices.event(what, text.splitlines()[0] if text else what, self._clock.now())

    def _alive(self) -> None:
        """Long work tells that it goes on, by progress and never by a timer."""
        now = self._clock.monotonic()
        if now - self._extended >= 1.0:
            self._extended = now
            self._notify.extend(30)
            self._notify.watchdog()

    def _run(self, order: Order) -> int:
        started = self._clock.monotonic()
        service = self._service()
        bells = Bells(self._root, self._queue.put)
        self._take_signals()
        try:
            bells.start()
            with garbage.kept():
                service.open(self._clock.now())
            self._outbox.start()
            self._watch(bells, service)
            self._announce_digests(bells, service)
            bells.every("round", self._settings.round_s)
            bells.every("retention", DAY_S)
            self._queue.put(Ring("", "alarm", "retention"))
            logger.info("watching {} instructions in {}", len(service.cases), self._root)
            self._ready(service, bells)
            return self._loop(service, bells, order, started)
        finally:
            self._notify.stopping("stopping")
            bells.stop()
            if bells.root_same():
                self._end_carriage(service)
                service.finish(self._clock.now())
            else:
                self._outbox.stop()  # what lies there now is not what we know: nothing is written
            service.keepsakes.put(service.cases)
            if self._crew is not None:
                self._crew.close()
            self._workers.close()  # the processes go on

    def _loop(self, service: Service, bells: Bells, order: Order, started: float) -> int:
        rings = Rings(everything=True)
        round_open = False
        before, since = self._clock.now(), self._clock.monotonic()
        while self._stop is None:
            round_open = round_open or rings.everything
            more = self._turn(service, rings)
            if round_open and not more:
                round_open = False
                self._lock.rounded(self._clock.now())
            if self._down is not None and not round_open and not service.settling():
                self._caught_up()  # also what came so late that it had to settle first
            self._watch(bells, service)
            self._notify_alive(service, bells)
            rings = self._hear(service, bells, wait=False)
            if more or self._stop is not None or self._anything(rings):
                continue  # a stop that was heard here must not wait for the next ring
            if order.until_idle and self._idle(service):
                return 0
            self._limit(order, started)
            self._settle(service)
            garbage.at_rest()
            rings = self._hear(service, bells, wait=True, order=order, started=started)
            now, mono = self._clock.now(), self._clock.monotonic()
            waited = mono - since
            if (nap := slept(before, now, waited)) is not None:
                self._down, rings.everything = nap, True
            if (back := set_back(before, now, waited)) is not None:
                text = f"by {back.total_seconds():.0f} s: cases go on from their last lines, deadlines come at theirs"
                self._event("clock set back", text)
            before, since = now, mono
        logger.info("stopping: {}", self._stop)
        return 0

    def _turn(self, service: Service, rings: Rings) -> bool:
        """One turn. Where we have run out of descriptors or memory, between two cases too, nothing ends: once more."""
        try:
            return service.turn(self._clock.now(), rings, budget=SLICE)
        except OSError as error:
            if not ours_to_mend(error):
                raise
            self._event("cannot go on", f"{error.strerror}: {error.filename or 'the memory'}; it is tried again")
            threading.Event().wait(BREATH_S)  # what comes meanwhile is found: everything is looked at again
            rings.everything = True
            return True

    def _idle(self, service: Service) -> bool:
        at = service.next_at()
        return service.idle() and (at is None or at > self._clock.now())

    def _limit(self, order: Order, started: float) -> None:
        if order.max_wait_s is not None and self._clock.monotonic() - started >= order.max_wait_s:
            raise TimedOut(f"not idle after {order.max_wait_s:g} s", fix="see `executord status` for what is open")

    def _settle(self, service: Service) -> None:
        """The settle mark, before a sleep and at most once a second: it costs a sync of the disk."""
        now = self._clock.monotonic()
        if service.marks.waiting and now - self._marked >= MARK_EVERY_S:
            service.settle_marks(self._clock.now())
            self._marked = self._clock.monotonic()

    # -- rings ---------------------------------------------------------------------------------------------

    @staticmethod
    def _anything(rings: Rings) -> bool:
        return bool(rings.everything or rings.cases or rings.touched or rings.mail or rings.named or rings.processes)

    def _hear(
        self, service: Service, bells: Bells, *, wait: bool, order: Order | None = None, started: float = 0.0
    ) -> Rings:
        """Empty the queue into one set of rings; with `wait`, sleep first until something rings or is due."""
        rings = Rings()
        try:
            if wait:
                self._put(rings, self._wait(self._sleep(service, bells, order, started)), service, bells)
            while True:
                self._put(rings, self._queue.get_nowait(), service, bells)
        except queue.Empty:
            return rings

    def _wait(self, seconds: float) -> Ring | str:
        """What rings next. Raises `queue.Empty` after so many seconds.

        In slices: a signal that comes just before the wait begins is only heard when it ends.
        """
        end = self._clock.monotonic() + seconds
        while True:
            left = end - self._clock.monotonic()
            try:
                return self._queue.get(timeout=max(min(left, SLICE_S), 0.0))
            except queue.Empty:
                if left <= SLICE_S:
                    raise

    def _sleep(self, service: Service, bells: Bells, order: Order | None, started: float) -> float:
        span = LONGEST_SLEEP_S
        at = service.next_at()
        if at is not None:
            ahead = max((at - self._clock.now()).total_seconds(), 0.0)
            if ahead < LONGEST_SLEEP_S:
                bells.alarm_at(at)
            span = min(span, ahead)
        if service.marks.waiting:
            span = min(span, MARK_EVERY_S)
        ending = self._workers.next_in()
        if ending is not None:
            span = min(span, ending)
        if self._notify.watchdog_s is not None:
            span = min(span, self._notify.watchdog_s / 3)
        if order is not None and order.max_wait_s is not None:
            span = min(span, max(order.max_wait_s - (self._clock.monotonic() - started), 0.0))
        return span + 0.001

    def _put(self, rings: Rings, ring: Ring | str, service: Service, bells: Bells) -> None:
        if isinstance(ring, str):
            if ring == "reload":
                rings.everything |= self._reconfigure(service, bells)
            else:
                self._stop = ring
            return
        match ring.kind:
            case "alarm":
                self._alarm(rings, ring.name, service, bells)
            case "workers":
                rings.processes = True
            case "overflow":
                log_event("overflow", why=ring.name)
                rings.everything = True
            case "root":
                self._check_root(bells)
                rings.everything = True
            case _:
                self._path(rings, ring, service)

    def _alarm(self, rings: Rings, name: str, service: Service, bells: Bells) -> None:
        if name == "round":
            self._notices.settle(self._clock.now())
            self._check_root(bells)
            rings.everything = True
        elif name.startswith("digest "):
            now = self._clock.now()
            service.digests.due("weekly" if name.endswith("weekly") else "daily", now, now)
        elif name == "retention":
            for folder in self._workers.clean(self._clock.now()):
                log_event("cleaned", folder=folder)
            for stream in pack(service.disk, self._clock.now(), cannot=_not_packed):
                log_event("packed", stream=stream)
        elif name == "probe":
            if not bells.watcher_alive:
                self._event("stuck", "the watcher does not answer: it is started again, and everything is looked at")
                bells.restart()
                rings.everything = True
            try:
                bells.probe(lambda: service.disk.touch(PROBE))
            except OSError as error:
                logger.warning("the canary could not be written: {}", error)

    def _announce_digests(self, bells: Bells, service: Service) -> None:
        """Ring for the digests from now on; one that came due while we were down is sent now [SLA-18]."""
        now = self._clock.now()
        for period in PERIODS:
            expression = getattr(self._settings.digests, period)
            bells.cron(f"digest {period}", expression, service.policy.zone)
            at = last_before(cron(expression, service.policy.zone), now) if expression is not None else None
            if at is not None:
                service.digests.missed(period, at, now)

    def _check_root(self, bells: Bells) -> None:
        """A memory that is gone or another one is never "everything deleted" [MEM-25, REL-6]."""
        if not bells.root_same():
            raise NotFound(
                "the memory is gone, or another folder lies in its place; nothing was changed",
                path=self._root,
                fix="mount or restore it, then start the daemon again (systemd does so by itself)",
            )

    @staticmethod
    def _path(rings: Rings, ring: Ring, service: Service) -> None:
        parts = ring.path.split("/")
        if parts[0] == "_communication":
            if len(parts) == 4 and parts[2] in OWN_INBOXES:
                if ring.kind == "folder":
                    return
                if ring.kind != "gone":
                    rings.named[f"{parts[2]}/{parts[3]}"] = ring.kind == "whole"
            else:
                service.store.forget_inboxes()
                rings.mail = rings.mail or ring.path.startswith(INBOX)
            return
        if not parts[0] or parts[0].startswith((".", "_")):
            return
        if len(parts) == 1 or ring.kind == "folder":
            rings.cases.add(parts[0])
            return
        paths = rings.touched.setdefault(parts[0], {})
        rest = "/".join(parts[1:])
        paths[rest] = ring.kind == "whole" or (paths.get(rest, False) and ring.kind != "gone")

    def _watch(self, bells: Bells, service: Service) -> None:
        """Watch the folders of new cases; what came between reading and watching is seen by a second reading."""
        for case_id in [c for c in service.cases if c not in self._watched]:
            if bells.watch_case(case_id):
                self._watched.add(case_id)
                self._queue.put(Ring(case_id, "folder", case_id))
        for case_id in [c for c in self._watched if c not in service.cases]:
            if case_id not in service.broken:
                bells.unwatch_case(case_id)
                self._watched.discard(case_id)

    # -- signals and systemd -------------------------------------------------------------------------------

    def _take_signals(self) -> None:
        for number, word in SIGNALS.items():
            signal.signal(number, self._saying(word))

    def _saying(self, word: str) -> Callable[[int, object], None]:
        return lambda _number, _frame: self._queue.put(word)

    def _reconfigure(self, service: Service, bells: Bells) -> bool:
        """All or nothing: a bad one keeps the old one and says so [OPS-9]. Answers whether a new one counts."""
        self._notify.reloading()
        try:
            settings = self._reload()
            policy: Policy = settings.policy()
        except BadConfiguration as error:
            logger.error("the configuration stays as it was: {}", error)
            self._refused = str(error)
        else:
            self._refused = None
            self._settings = settings
            service.use(policy)
            if service.desk is not None and self._crew is not None:
                self._crew.programs = Programs(settings)
                service.desk.use(policy, law_of(settings, asks=True), self._crew.programs)
            self._outbox.use(rows_of(settings.channels, settings.notify))
            self._notices.use(settings.notify, settings.channels)
            self._announce_digests(bells, service)
            self._queue.put(Ring("", "overflow", "configuration read again"))
            logger.info("the configuration was read again")
        self._notify.ready(self._status(service))
        return self._refused is None

    def _ready(self, service: Service, bells: Bells) -> None:
        if bells.degraded:
            logger.warning("not everything is watched: {}", bells.degraded)
        self._notify.ready(self._status(service))

    def _notify_alive(self, service: Service, bells: Bells) -> None:
        if not self._notify.listening:
            return
        now = self._clock.monotonic()
        if now - self._extended >= 1.0 and bells.watcher_alive and bells.scheduler_alive:
            self._extended = now
            self._notify.watchdog()
            self._notify.status(self._status(service))

    def _status(self, service: Service) -> str:
        if service.boundary.cannot_write:
            return f"cannot write: {service.boundary.cannot_write}"
        moving = sum(case.counts["in_progress"] for case in service.cases.values())
        text = f"{len(service.cases)} instructions, {moving} tasks in progress"
        return text if self._refused is None else f"{text}; the old configuration counts: {self._refused}"


def _not_packed(day: str, why: str) -> None:
    logger.warning("old days could not be packed: {}", f"{day}: {why}")
