"""Who is paused or muted beyond one case, kept in the tree for as long as it holds [EXE-25, chapter 3, `mute`].

Counterparts: `house.py`, which takes the messages that say so; `places.py`, which gives nothing to who is paused;
`treasury.py`, which pauses for what was spent. A hand may write in the file: a part that is not understood does not
count; where nothing of it can be read, nobody knows who is paused, and everything is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from executord.case import Mute
from executord.errors import Unreadable
from executord.files.disk import DOT, INBOX, Disk
from executord.files.store import OUR_OWN, Store
from executord.paper import read_sheet
from executord.pen import dump
from executord.places import Places
from executord.policy import Policy
from executord.reading import text_of
from executord.values import read_moment, stamp

PLACE = f"{INBOX}/executor/.paused.yaml"


class Home(Protocol):
    """What is needed of the service."""

    policy: Policy
    store: Store
    disk: Disk
    places: Places


class Halts:
    """Of one tree. `kept` is what stands in the file: `all` and `agents` that are paused, `muted`, and which `budgets`
    were said to be spent."""

    def __init__(self, service: Home) -> None:
        self._service = service
        self.kept: dict[str, Any] = {}

    @property
    def mutes(self) -> dict[str, Mute]:
        """Who is muted beyond one case, by agent."""
        return self._service.places.muted

    def read(self) -> str | None:
        """Take over what stands in the tree. The answer: why it cannot be read, and everything is paused for that."""
        why, body = None, self._service.store.body(PLACE)
        if not body and (fault := self._fault()) is not None:
            why = f"{PLACE} cannot be read, so nobody knows what was paused: {fault}"
            body = {"all": {"by": "executor", "reason": why}}
        self.kept = {
            k: v for k, v in body.items()
            if k == "all" or (k in ("agents", "budgets", "muted") and isinstance(v, Mapping))  # else a hand was in it
        }  # fmt: skip
        self._apply()
        return why

    def _fault(self) -> str | None:
        """What is wrong with the file, if it is one: what was put in its place by others pauses nothing."""
        full = f"{self._service.store.root}/{PLACE}"
        sheet = read_sheet(full, PLACE, OUR_OWN)
        if isinstance(sheet, Unreadable) and os.path.isfile(full) and not os.path.islink(full):
            return sheet.message
        return None

    def keep(self, kept: dict[str, Any]) -> None:
        """From now on this holds. Raises as `Disk` does, and then it does not: what was before holds on."""
        data = dump({"schema_version": 1, **kept})
        self._service.disk.replace(PLACE, f"{INBOX}/executor/{DOT}paused", data)
        self.kept = kept
        self._apply()

    def pause(self, agent: str | None, row: Mapping[str, Any] | None) -> None:
        """Pause an agent, or everything; without a `row`, which says by whom and why, go on."""
        kept = {k: dict(v) if isinstance(v, Mapping) else v for k, v in self.kept.items()}
        agents = dict(kept.get("agents") or {})
        if agent and row is not None:
            agents[agent] = row
        elif row is not None:
            kept["all"] = row
        elif agent:
            agents.pop(agent, None)
        else:
            kept.pop("all", None)
        kept["agents"] = agents
        self.keep(kept)

    def mute(self, agent: str, mute: Mute | None, now: datetime) -> None:
        """Mute an agent, or let him hear again; a case has a mute of its own."""
        muted = {n: m for n, m in self.mutes.items() if m.until > now}
        if mute is not None:
            muted[agent] = mute
        else:
            muted.pop(agent, None)
        kept = {k: v for k, v in self.kept.items() if k != "muted"}
        if muted:
            kept["muted"] = {
                name: {"by": m.by, "at": stamp(m.at), "until": stamp(m.until), "reason": m.reason}
                for name, m in sorted(muted.items())
            }
        self.keep(kept)

    def _apply(self) -> None:
        places = self._service.places
        places.all_paused = bool(self.kept.get("all"))
        places.paused = frozenset(self.kept.get("agents") or {})
        places.muted = {}
        muted = self.kept.get("muted")
        for name, row in muted.items() if isinstance(muted, Mapping) else ():
            if not isinstance(row, Mapping):
                continue
            times = [read_moment(row.get(k), self._service.policy.zone) for k in ("at", "until")]
            if None not in times:
                at, until = (t for t in times if t is not None)
                places.muted[name] = Mute(str(row.get("by") or ""), at, until, text_of(row.get("reason")) or None)
