"""Notifications of operators: trouble of the daemon, and what else a row of `notify` asks for [OPS-15].

An event is a word and a text: `parked`, `stuck`, `cannot_write`, `fault`, `not_delivered`, or the first word of a
journal line where a row names it. A row without `on` hears of trouble only. They go through the outbox like updates,
and are nowhere noted: losing one loses nothing of a case. A storm of events is a few of them and one that counts the
rest; about a case that is muted there is none, and none is made up for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from executord.casebook import Case
from executord.channels import Parcel
from executord.outbox import Job
from executord.policy import Policy, matches
from executord.settings import ChannelRow
from executord.values import stamp

TROUBLE = frozenset({"parked", "stuck", "cannot_write", "fault", "not_delivered", "unanswered"})
PREFIX = "notify."  # so that a row of `notify` and a channel may have one name
WINDOW = timedelta(minutes=10)
AT_MOST = 10  # of one row in one window

#: First word of a journal line → the event that it is.
_OF_LINES = {"park": "parked", "failed": "not_delivered", "doubt": "not_delivered", "unanswered": "unanswered"}
#: Words of the service's own events → ours.
_OF_SERVICE = {"broken": "parked", "gone": "parked", "cannot write": "cannot_write", "fault": "fault"}


class Carrier(Protocol):
    """What is needed of an outbox."""

    def put(self, job: Job) -> None:
        """Keep a parcel."""

    def go(self, key: str) -> None:
        """Carry it."""


@dataclass(slots=True)
class _Window:
    """What one row was told of late."""

    since: datetime
    sent: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


class Notices:
    """The rows of `notify`."""

    def __init__(self, rows: Mapping[str, ChannelRow], carrier: Carrier) -> None:
        self._carrier = carrier
        self._windows: dict[str, _Window] = {}
        self.use(rows)

    def use(self, rows: Mapping[str, ChannelRow]) -> None:
        """Go on with other rows."""
        self._rows = dict(rows)
        self._on = {
            name: frozenset(word.lower().replace("-", "_").replace(" ", "_") for word in row.on) or TROUBLE
            for name, row in rows.items()
        }

    def event(self, word: str, text: str, now: datetime) -> None:
        """Something of the daemon's own."""
        self._tell(_OF_SERVICE.get(word, word), text, now)

    def line(self, case: Case, entry: Mapping[str, object], policy: Policy, now: datetime) -> None:
        """A line that was noted; one that was muted tells nobody."""
        if not self._rows:
            return
        name = str(entry["name"])
        verb, *rest = name.split(" ", 1)
        if verb == "failed" and not (rest and rest[0].startswith("update ")):
            return
        word = _OF_LINES.get(verb, verb.replace("-", "_"))
        if not any(word in on for on in self._on.values()):
            return
        mute = case.head.mute
        if mute is not None and mute.covers(now):
            return
        why = entry.get("why")
        self._tell(word, f"{case.id}: {name}" + (f": {why}" if why else ""), now, case)

    def _tell(self, word: str, text: str, now: datetime, case: Case | None = None) -> None:
        for name, row in self._rows.items():
            if word not in self._on[name]:
                continue
            match = {key: each for key, each in row.match.model_dump().items() if each}
            if match and (case is None or not matches(match, case.head, case.head.priority_now)):
                continue
            window = self._windows.get(name)
            if window is None or now >= window.since + WINDOW or now < window.since:
                self._close(name, now)
                window = self._windows[name] = _Window(now)
            if window.sent >= AT_MOST:
                window.left_out[word] += 1
                continue
            window.sent += 1
            self._send(name, word, text, now, case)

    def settle(self, now: datetime) -> None:
        """Say how many were left out, once their window is over."""
        for name in [n for n, w in self._windows.items() if now >= w.since + WINDOW]:
            self._close(name, now)

    def _close(self, name: str, now: datetime) -> None:
        window = self._windows.pop(name, None)
        if window is not None and window.left_out and name in self._rows:
            parts = ", ".join(f"{n} {word}" for word, n in sorted(window.left_out.items()))
            self._send(name, "more", f"and {window.left_out.total()} more since {stamp(window.since)}: {parts}", now)

    def _send(self, name: str, word: str, text: str, now: datetime, case: Case | None = None) -> None:
        digest = hashlib.sha256(f"{name}\0{word}\0{text}\0{stamp(now)}".encode(errors="surrogatepass")).hexdigest()[:32]
        facts = {
            "event": word,
            "title": f"executord: {word.replace('_', ' ')}",
            "text": text[:2000],
            "at": stamp(now),
            "instruction_id": case.id if case is not None else None,
        }
        job = Job(Parcel(digest, word, facts), f"{PREFIX}{name}", "at_least_once")
        self._carrier.put(job)
        self._carrier.go(job.key)


def rows_of(channels: Mapping[str, ChannelRow], notify: Mapping[str, ChannelRow]) -> dict[str, ChannelRow]:
    """All rows that the outbox serves, by the names that jobs have."""
    return {**channels, **{f"{PREFIX}{name}": row for name, row in notify.items()}}
