"""The daily and the weekly digest for `support-manager` [SLA-18, EXE-29].

They belong to no case, so no journal has them: which was sent last stands in the state folder, which may be lost; then
none is sent twice, and one that fell into the time in which the daemon was down may be missing. A digest is put
together case by case, a few at every turn, so that nobody waits for it; with nothing to say there is none.
Counterparts: `views/sla_report.py`, what stands in it; `bells/`, which rings.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, get_args

from executord.case.casebook import Case
from executord.errors import ExecutordError
from executord.files.disk import DOT, INBOX, Disk
from executord.files.store import Store
from executord.hands import Hands
from executord.pen import dump
from executord.policy import Policy
from executord.service.halts import Halts
from executord.service.house import House
from executord.values import read_stamp, stamp
from executord.views.sla_report import Tally, silent, unanswered

Period = Literal["daily", "weekly"]
PERIODS: tuple[Period, ...] = get_args(Period)
SPANS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
READER = "support-manager"
AT_ONCE = 10  # cases counted in one turn
AFTER_START = timedelta(seconds=3)
ARCHIVE = "_archive"


class Home(Protocol):
    """What a digest needs of the service that it works for."""

    root: str
    policy: Policy
    store: Store
    disk: Disk
    hands: Hands
    house: House
    halts: Halts
    cases: dict[str, Case]


@dataclass(slots=True)
class _Work:
    """A digest that is being put together."""

    period: Period
    at: datetime
    tally: Tally
    left: deque[str] | None
    archived: deque[str]
    unanswered: list[dict[str, Any]] = field(default_factory=list)


class Digests:
    """The digests of one tree. `folder` is the state folder; None: nothing is remembered."""

    def __init__(self, home: Home, folder: str | None) -> None:
        self._home = home
        self._path = os.path.join(folder, "digests.json") if folder is not None else None
        self._last: dict[str, datetime] = {}
        self._work: deque[_Work] = deque()
        self._read()

    # -- when ----------------------------------------------------------------------------------------------

    def due(self, period: Period, at: datetime, now: datetime) -> None:
        """It is time for one at `now`, or was at `at` while the daemon was down; each time is answered once."""
        last = self._last.get(period)
        if last is not None and last >= at:
            return
        begin = last if last is not None and last > now - 2 * SPANS[period] else now - SPANS[period]
        self._last[period] = at
        home = self._home
        archived = _archived(home.root, begin)
        tally = Tally(home.policy, now, begin=begin, end=now)
        self._work.append(_Work(period, now, tally, None, deque(archived)))

    def missed(self, period: Period, at: datetime, now: datetime) -> None:
        """At a start: the last time at which one was due. Of what nobody remembers none is sent."""
        if period in self._last:
            self.due(period, at, now + self._home.policy.settle + AFTER_START)  # till then files are not yet read
        else:
            self._last[period] = at
            self._write()

    def busy(self, now: datetime) -> bool:
        """Whether one is being put together."""
        return bool(self._work) and self._work[0].at <= now

    def next_at(self) -> datetime | None:
        """When the next one is begun that waits."""
        return self._work[0].at if self._work else None

    # -- a turn --------------------------------------------------------------------------------------------

    def turn(self, now: datetime) -> None:
        """Count the next cases; what is whole is sent."""
        if not self.busy(now):
            return
        work = self._work[0]
        if work.left is None:
            work.left = deque(sorted(self._home.cases))
        for _ in range(AT_ONCE):
            if work.left:
                case = self._home.cases.get(work.left.popleft())
                if case is not None:
                    work.tally.add(case)
                    work.unanswered += unanswered(case, self._home.policy, work.at)
            elif work.archived:
                self._add_archived(work, work.archived.popleft())
            else:
                self._work.popleft()
                self._send(work)
                self._write()
                break

    def _add_archived(self, work: _Work, case_id: str) -> None:
        """What ended in the period and was archived since counts as well."""
        store = Store(f"{self._home.root}/{ARCHIVE}", self._home.policy)
        store.expect_settled = True
        with contextlib.suppress(OSError, ExecutordError):
            work.tally.add(store.load(case_id, work.at))

    def _send(self, work: _Work) -> None:
        report = {"schema_version": 1, **work.tally.result()}
        if silent(report) and not work.unanswered:
            return
        home = self._home
        mute = home.halts.mutes.get(READER)
        if mute is not None and mute.covers(work.at):
            return
        folder = f"{INBOX}/{home.store.inbox_of(READER)}"
        stem = f"executor.digest.{work.at:%Y-%m-%d}"
        target = home.hands.names.free(f"{folder}/{stem}.yaml")
        body = {
            "id": target.rsplit("/", 1)[1].removesuffix(".yaml"),
            "type": "digest",
            "from": "executor",
            "to": READER,
            "timestamp": stamp(work.at),
            "period": work.period,
            "text": words(report, work.unanswered),
            "report": report,
            "unanswered": work.unanswered,
            "generated_by": "executord",
            "generated_at": stamp(work.at),
            "event": None,
        }
        home.disk.make_folder(folder)
        home.store.forget_inboxes()
        dot = f"{folder}/{DOT}digest-{work.period}"
        home.disk.stage(dot, dump(body))
        home.disk.sync([dot])
        home.disk.publish(dot, target)

    # -- what is remembered --------------------------------------------------------------------------------

    def _read(self) -> None:
        if self._path is None:
            return
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, ExecutordError):
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
            self._last = {p: read_stamp(found[p]) for p in PERIODS if p in found}

    def _write(self) -> None:
        if self._path is None:
            return
        with contextlib.suppress(OSError):  # then one may come twice after a crash, and none is lost
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(f"{self._path}.new", "w", encoding="utf-8") as file:
                json.dump({p: stamp(at) for p, at in sorted(self._last.items())}, file)
            os.replace(f"{self._path}.new", self._path)


def _archived(root: str, since: datetime) -> list[str]:
    """Archived instructions in which something was noted since then."""
    found = []
    base = f"{root}/{ARCHIVE}"
    with contextlib.suppress(OSError):
        for name in os.listdir(base):
            with contextlib.suppress(OSError):
                if os.stat(f"{base}/{name}/outputs/partial/journal.yaml").st_mtime >= since.timestamp():
                    found.append(name)
    return sorted(found)


def words(report: dict[str, Any], open_: list[dict[str, Any]]) -> str:
    """The digest in one line."""
    group = report["groups"][0]
    parts = [
        f"{group['met']} met", f"{group['approved_extension']} met after an extension",
        f"{group['breached']} breached", f"{group['updates']['on_time']} of {group['updates']['sent']} updates on time",
        f"{len(open_)} unanswered",
    ]  # fmt: skip
    return ", ".join(parts)
