"""The outbox: carries parcels through channels outside the loop, tries again, and remembers how far it came [SLA-16].

Counterparts: `channels/`, one try; `service/`, which puts parcels in when their line is noted and takes out how they
ended; the journal, which alone says what was promised and what was delivered.

Rules of the house
- One thread a channel: a server that hangs holds up its own parcels and nobody else's, least of all the loop.
- A parcel is a file in the state folder: `put` before its line is noted, `go` after; so a crash between the two is no
  doubt. Before a try the file says `trying`, on disk; after it how it ended. The folder may be lost: then nothing is
  known of a parcel, and its line decides what that means.
- What it hands back is an `Ended`. Who has noted that calls `forget`.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from executord.channels import NotTaken, Parcel, Refused, Unsure, open_channel
from executord.clock import WallClock
from executord.settings import ChannelRow
from executord.values import read_stamp, stamp

FOLDER = "outbox"
LONGEST_WAIT_S = 3600.0
NO_ROOM_WAIT_S = 30.0
GROWTH = 3.0
AT_MOST_ONCE = "at_most_once"

How = Literal["delivered", "failed", "doubtful"]
Known = Literal["waiting", "trying"] | None


def _logger() -> Any:
    """The log, imported when something is said: whoever only looks at a tree needs none [OPS-4]."""
    from loguru import logger

    return logger


@dataclass(frozen=True, slots=True)
class Job:
    """A parcel on its way. `case` is None for what belongs to none; `ordinal` counts the sends of one update."""

    parcel: Parcel
    channel: str
    delivery: str
    case: str | None = None
    ordinal: int = 1

    @property
    def key(self) -> str:
        """Which file it is; the ordinal is no part of the parcel's own key."""
        return f"{self.parcel.key}-{self.ordinal}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a parcel ended: `said` is the receipt's or the reason's words, `tried_at` when the last try began."""

    job: Job
    how: How
    at: datetime
    tries: int
    said: str = ""
    fix: str | None = None
    id: str | None = None
    tried_at: datetime | None = None


@dataclass(slots=True)
class _Slip:
    """What the file of a parcel says."""

    job: Job
    tries: int = 0
    trying: datetime | None = None
    ready: bool = False
    ended: Ended | None = None


class Outbox:
    """The parcels of one tree. `folder` is the state folder; `ring` is called on our threads when something ended."""

    def __init__(
        self,
        rows: Mapping[str, ChannelRow],
        folder: str | None,
        *,
        environ: Mapping[str, str] | None = None,
        ring: Callable[[], None] | None = None,
        clock: WallClock | None = None,
    ) -> None:
        self._rows = dict(rows)
        self._folder = os.path.join(folder, FOLDER) if folder is not None else None
        self._environ = environ if environ is not None else os.environ
        self._ring = ring or (lambda: None)
        self._clock = clock or WallClock()
        self._lock = threading.Condition()
        self._slips: dict[str, _Slip] = {}
        self._queues: dict[str, list[tuple[float, int, str]]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._ended: list[Ended] = []
        self._count = 0
        self._stopping = False
        self._read()

    # -- for the loop --------------------------------------------------------------------------------------

    def use(self, rows: Mapping[str, ChannelRow]) -> None:
        """Go on with other channels, from the next try on [OPS-9]."""
        with self._lock:
            self._rows = dict(rows)

    def put(self, job: Job) -> None:
        """Keep a parcel whose line is about to be noted; nothing is tried before `go`."""
        with self._lock:
            if job.key not in self._slips:
                slip = self._slips[job.key] = _Slip(job)
                self._write(slip)

    def go(self, key: str) -> None:
        """Its line is noted: carry it. Harmless if it is on its way already."""
        with self._lock:
            slip = self._slips.get(key)
            if slip is None or slip.ready:
                return
            slip.ready = True
            if slip.ended is not None:
                return
            if slip.trying is not None:  # a try that a crash cut off is none of those that failed
                slip.tries, slip.trying = max(slip.tries - 1, 0), None
            self._queue(slip, 0.0)

    def known(self, key: str) -> Known | Ended:
        """How far a parcel came; `trying`: a crash cut that off; None: nothing is known, it may have been carried."""
        with self._lock:
            slip = self._slips.get(key)
            if slip is None:
                return None
            if slip.ended is not None:
                return slip.ended
            return "trying" if slip.trying is not None and not slip.ready else "waiting"

    def doubt(self, job: Job, now: datetime) -> Ended:
        """How a parcel ended of which nobody can tell whether it was carried; it is not tried again."""
        with self._lock:
            slip = self._slips.setdefault(job.key, _Slip(job))
            slip.ready = True
            words = "the daemon ended in the middle of a try" if slip.trying is not None else "the queue was lost"
            slip.ended = Ended(job, "doubtful", now, slip.tries, words, tried_at=slip.trying)
            self._write(slip)
            return slip.ended

    def ended(self) -> list[Ended]:
        """What has ended since this was asked last."""
        with self._lock:
            found, self._ended = self._ended, []
            return found

    def forget(self, key: str) -> None:
        """How it ended is noted, or nobody asks for it."""
        with self._lock:
            self._slips.pop(key, None)
            if self._folder is not None:
                with contextlib.suppress(OSError):
                    os.unlink(self._path(key))

    def jobs(self) -> list[Job]:
        """All parcels that are kept."""
        with self._lock:
            return [slip.job for _, slip in sorted(self._slips.items())]

    def start(self) -> None:
        """Go on with what belongs to no case: nobody else will say so."""
        for job in self.jobs():
            if job.case is None:
                self.go(job.key)

    @property
    def busy(self) -> bool:
        """Whether a parcel is to be carried, or how one ended was not yet asked for."""
        with self._lock:
            return bool(self._ended) or any(s.ready and s.ended is None for s in self._slips.values())

    def drain(self, patience_s: float) -> None:
        """Wait until everything was tried once, at most so many seconds."""
        until = self._clock.monotonic() + patience_s
        with self._lock:
            while (left := until - self._clock.monotonic()) > 0 and any(
                s.ready and s.ended is None and (s.tries == 0 or s.trying is not None) for s in self._slips.values()
            ):
                self._lock.wait(min(left, 0.05))

    def stop(self, patience_s: float = 5.0) -> None:
        """No more tries; one that is under way is given so many seconds, so that nobody has to ask whether it came."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
            threads = list(self._threads.values())
        until = self._clock.monotonic() + patience_s
        for thread in threads:
            thread.join(max(until - self._clock.monotonic(), 0.0))

    # -- the threads ---------------------------------------------------------------------------------------

    def _queue(self, slip: _Slip, after_s: float) -> None:
        """Called with the lock."""
        self._count += 1
        queue = self._queues.setdefault(slip.job.channel, [])
        heapq.heappush(queue, (self._clock.monotonic() + after_s, self._count, slip.job.key))
        if slip.job.channel not in self._threads:
            name = f"outbox {slip.job.channel}"
            thread = threading.Thread(target=self._run, args=(slip.job.channel,), name=name, daemon=True)
            self._threads[slip.job.channel] = thread
            thread.start()
        self._lock.notify_all()

    def _run(self, channel: str) -> None:
        while (slip := self._next(channel)) is not None:
            try:
                self._try(slip)
            except Exception:  # the thread must live, for the other parcels; it stands in the log
                _logger().exception("a parcel of channel {} could not be tried", channel)

    def _next(self, channel: str) -> _Slip | None:
        """The next parcel of a channel that is to be tried; None: stop."""
        with self._lock:
            queue = self._queues[channel]
            while not self._stopping:
                ahead = queue[0][0] - self._clock.monotonic() if queue else None
                if ahead is not None and ahead <= 0:
                    _, _, key = heapq.heappop(queue)
                    slip = self._slips.get(key)
                    if slip is not None and slip.ended is None:
                        return slip
                    continue
                self._lock.wait(ahead)
            return None

    def _try(self, slip: _Slip) -> None:
        job = slip.job
        now = self._clock.now()
        with self._lock:
            row = self._rows.get(job.channel)
            slip.tries += 1
            slip.trying = now
            try:
                self._write(slip, durable=job.delivery == AT_MOST_ONCE)
            except OSError as error:  # nothing was tried; the disk may have room again
                slip.tries, slip.trying = slip.tries - 1, None
                self._queue(slip, NO_ROOM_WAIT_S)
                _logger().warning("channel {}: the state folder cannot be written: {}", job.channel, error.strerror)
                return
        try:
            if row is None:
                raise Refused(f"there is no channel {job.channel!r} any more", fix="configure it again, or another")
            receipt = open_channel(row, self._environ).carry(job.parcel, now)
        except NotTaken as error:
            self._again(slip, row, str(error), error.fix, error.after_s)
        except Refused as error:
            self._end(slip, "failed", error.message, error.fix)
        except Unsure as error:
            self._unsure(slip, row, error.message, error.fix)
        except Exception as error:  # a fault of ours is no reason to send a customer the same thing twice
            _logger().exception("channel {}", job.channel)
            self._unsure(slip, row, f"a fault of the daemon: {type(error).__name__}", "report it")
        else:
            self._end(slip, "delivered", receipt.said, None, receipt.id)

    def _unsure(self, slip: _Slip, row: ChannelRow | None, words: str, fix: str | None) -> None:
        if slip.job.delivery == AT_MOST_ONCE:
            self._end(slip, "doubtful", words, fix)
        else:
            self._again(slip, row, words, fix, None)

    def _again(self, slip: _Slip, row: ChannelRow | None, words: str, fix: str | None, after_s: float | None) -> None:
        most = row.attempts if row is not None else 1
        if slip.tries >= most:
            self._end(slip, "failed", f"{words} ({slip.tries} tries)", fix)
            return
        first = row.retry_s if row is not None else 0.0
        wait = min(first * GROWTH ** (slip.tries - 1), LONGEST_WAIT_S)
        if after_s is not None:
            wait = max(wait, after_s)
        _logger().info("channel {}: {}; tried again in {:g} s", slip.job.channel, words, wait)
        with self._lock:
            slip.trying = None
            self._write(slip)
            self._queue(slip, wait)

    def _end(self, slip: _Slip, how: How, words: str, fix: str | None, number: str | None = None) -> None:
        with self._lock:
            at = self._clock.now()
            slip.ended = Ended(slip.job, how, at, slip.tries, words, fix, number, slip.trying)
            slip.trying = None
            self._write(slip, durable=slip.job.delivery == AT_MOST_ONCE)
            self._ended.append(slip.ended)
        if how != "delivered" and slip.job.case is None:
            _logger().warning("channel {}: {} could not be told: {}", slip.job.channel, slip.job.parcel.kind, words)
        self._ring()

    # -- the files -----------------------------------------------------------------------------------------

    def _path(self, key: str) -> str:
        return f"{self._folder}/{key}.json"

    def _write(self, slip: _Slip, *, durable: bool = False) -> None:
        """The file of a parcel, replaced whole; without room for it less is known after a crash, and nothing is lost.

        Under `at_most_once` nothing is tried that could not be written down: then `OSError` is raised.
        """
        if self._folder is None:
            return
        path = self._path(slip.job.key)
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8", errors="surrogatepass") as file:
                json.dump(_plain(slip), file, ensure_ascii=False)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(f"{path}.new", path)
            if durable:
                folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        except OSError:
            if durable and slip.ended is None:
                raise

    def _read(self) -> None:
        """What was kept before this start."""
        if self._folder is None or not os.path.isdir(self._folder):
            return
        for name in sorted(os.listdir(self._folder)):
            if not name.endswith(".json"):
                continue
            try:
                with open(f"{self._folder}/{name}", encoding="utf-8", errors="surrogatepass") as file:
                    slip = _slip(json.load(file))
            except Exception:  # torn or foreign: nothing is known of it, so its update counts as doubtful
                continue
            if f"{slip.job.key}.json" == name:
                self._slips[slip.job.key] = slip


def _plain(slip: _Slip) -> dict[str, Any]:
    ended = slip.ended
    return {
        "job": asdict(slip.job),
        "tries": slip.tries,
        "trying": stamp(slip.trying) if slip.trying is not None else None,
        "ended": None
        if ended is None
        else {
            "how": ended.how, "at": stamp(ended.at), "tries": ended.tries, "said": ended.said, "fix": ended.fix,
            "id": ended.id, "tried_at": stamp(ended.tried_at) if ended.tried_at is not None else None,
        },
    }  # fmt: skip


def _slip(data: Mapping[str, Any]) -> _Slip:
    given = data["job"]
    parcel = Parcel(
        str(given["parcel"]["key"]),
        str(given["parcel"]["kind"]),
        dict(given["parcel"]["facts"]),
        tuple(given["parcel"]["recipients"]),
    )
    job = Job(parcel, str(given["channel"]), str(given["delivery"]), given["case"], int(given["ordinal"]))
    slip = _Slip(job, int(data["tries"]), read_stamp(data["trying"]) if data["trying"] else None)
    found = data.get("ended")
    if found is not None:
        tried = found.get("tried_at")
        slip.ended = Ended(
            job, found["how"], read_stamp(found["at"]), int(found["tries"]), str(found["said"]), found.get("fix"),
            found.get("id"), read_stamp(tried) if tried else None,
        )  # fmt: skip
    return slip
