"""Notifications: trouble of the daemon to operators, incidents to chat channels, and what else a row asks for [OPS-15].

An event is a word and a text: `parked`, `stuck`, `cannot_write`, `fault`, `not_delivered`, or the first word of a
journal line where a row names it. A row of `notify` without `on` hears of trouble only; a row of `channels` hears of
what it names, so a chat channel of incidents [INC-2]. They go through the outbox like updates,
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

from executord.case.casebook import Case
from executord.channels import Parcel
from executord.channels.outbox import Job
from executord.meaning.incidents import current
from executord.policy import Policy, matches
from executord.routes import UPDATE
from executord.settings import ChannelRow
from executord.values import stamp

TROUBLE = frozenset({"parked", "stuck", "cannot_write", "fault", "not_delivered", "unanswered"})
PREFIX = "notify."  # so that a row of `notify` and a channel may have one name
WINDOW = timedelta(minutes=10)
AT_MOST = 10  # of one row in one window

#: First word of a journal line → the event that it is.
_OF_LINES = {"park": "parked", "failed": "not_delivered", "doubt": "not_delivered", "unanswered": "unanswered"}
#: What is said of an incident; a row that names `incident` hears of all of them.
INCIDENT = "incident"
_OF_TEAM = {"incident": "more", "incident_update": "update", "incident_resolved": "resolved"}  # messages of the team
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
    """The rows of `notify`, and those of `channels` that name an event."""

    def __init__(
        self, rows: Mapping[str, ChannelRow], carrier: Carrier, channels: Mapping[str, ChannelRow] | None = None
    ) -> None:
        self._carrier = carrier
        self._windows: dict[str, _Window] = {}
        self.use(rows, channels or {})

    def use(self, rows: Mapping[str, ChannelRow], channels: Mapping[str, ChannelRow]) -> None:
        """Go on with other rows."""
        self._rows = rows_of({}, rows)
        self._on = {name: _words(row) or TROUBLE for name, row in self._rows.items()}
        for name, row in channels.items():
            words = _words(row) - {UPDATE}  # who is only there for the customers' updates is told nothing else
            if words:
                self._rows[name], self._on[name] = row, words

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
        said = _of_incident(case, entry)
        if said is None and verb == INCIDENT:
            return  # who of the team was told is told to him
        word, text = said or (_OF_LINES.get(verb, verb.replace("-", "_")), "")
        if not any(_hears(on, word) for on in self._on.values()):
            return
        mute = case.head.mute
        if mute is not None and mute.covers(now):
            return
        why = entry.get("why")
        self._tell(word, text or f"{case.id}: {name}" + (f": {why}" if why else ""), now, case)

    def _tell(self, word: str, text: str, now: datetime, case: Case | None = None) -> None:
        for name, row in self._rows.items():
            if not _hears(self._on[name], word):
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
        job = Job(Parcel(digest, word, facts), name, "at_least_once")
        self._carrier.put(job)
        self._carrier.go(job.key)


def _words(row: ChannelRow) -> frozenset[str]:
    return frozenset(word.lower().replace("-", "_").replace(" ", "_") for word in row.on)


def _hears(on: frozenset[str], word: str) -> bool:
    return word in on or (INCIDENT in on and word.startswith(f"{INCIDENT}_"))


def _of_incident(case: Case, entry: Mapping[str, object]) -> tuple[str, str] | None:
    """The event that a line of an incident is, and what is said of it: opened, an update, resolved, closed."""
    words = str(entry["name"]).split(" ")
    facts = entry.get("facts")
    given = facts if isinstance(facts, Mapping) else {}
    incident = current(case)
    if incident is None:
        return None
    head = f"{case.id} {case.head.title}: incident {incident.id}, severity {incident.severity},"
    if "opens_incident" in given:  # by a message, or by rule
        said = given.get("reason") or entry.get("why")
        return "incident_opened", f"{head} opened: {said}; war room: {incident.channel}"
    if words[0] == INCIDENT and words[-1] == "closed":
        return "incident_closed", f"{head} closed: {entry.get('why')}"
    kind, told = given.get("type"), given.get("incident")
    if entry.get("action") == "file" and kind in _OF_TEAM and isinstance(told, Mapping):
        event = str(kind) if kind != INCIDENT else "incident_update"
        return event, f"{head} {_OF_TEAM[str(kind)]} by {told.get('who')}: {told.get('what')}"
    return None


def rows_of(channels: Mapping[str, ChannelRow], notify: Mapping[str, ChannelRow]) -> dict[str, ChannelRow]:
    """All rows that the outbox serves, by the names that jobs have."""
    return {**channels, **{f"{PREFIX}{name}": row for name, row in notify.items()}}
