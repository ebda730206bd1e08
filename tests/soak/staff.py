"""Those who answer the daemon: workers good and bad, a liaison, an incident's team, a validator [REL-10].

Counterpart: `load.py`, those who bring work and those who do harm. One thread reads every inbox but the daemon's own.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.real.kit import INBOX
from tests.real.servers import HttpReceiver, SmtpServer
from tests.soak.load import LIAISON, Somebody
from tests.soak.memory import Memory
from tests.stories.kit import UPDATE

OURS = ("executor", "planner")
COMPONENTS = {
    "root_cause_analysis": "a pool of 50 connections", "resolution_steps": ["raise it"], "preventive_measures": "alarm",
    "knowledge_base_article": "KB-352", "follow_up_plan": {"date": "2031-01-01"},
}  # fmt: skip
PLAN = [{"measure": "an alarm", "owner": "platform", "date": "2031-01-01"}]
CLAIM = {"type": "completion", "summary": "did it", "output": {"is": "fine"}, "components": COMPONENTS}


class Staff(Somebody):
    """Takes each message away as it reads it, and answers: at once, late, twice, wrongly, over his own words."""

    def __init__(self, tree: Memory, seed: int, mail: SmtpServer, hook: HttpReceiver) -> None:
        super().__init__(tree, seed, 0.02)
        self.mail, self.hook = mail, hook
        self.got: Counter[tuple[str, str]] = Counter()
        self.kinds: Counter[str] = Counter()
        self.odd: Counter[str] = Counter()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def act(self) -> None:
        """Whatever has come, and whatever was put off until now."""
        for box in os.scandir(self.tree.root / INBOX):
            if box.name not in OURS and not box.name.startswith("war-room-") and box.is_dir():
                for name in sorted(os.listdir(box.path)):
                    if not name.startswith("."):
                        with contextlib.suppress(FileNotFoundError):
                            self._take(box.name, Path(box.path, name))
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[2]()

    def _after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._order), do))

    def _take(self, box: str, path: Path) -> None:
        body = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        self.tree.patiently(path.unlink)  # on a medium that cannot be written now: later, but once
        self.got[box, body["id"]] += 1
        self.kinds[body["type"]] += 1
        about = {k: body[k] for k in ("instruction_id", "task_id", "attempt") if body.get(k) is not None}
        match body["type"]:
            case "delegation":
                self._work(box, body, {**about, "from": box})
            case "rework_request":
                self._say({**about, "from": box, **CLAIM, "customer_update": UPDATE})
            case "component_request":
                self._say({**about, "from": box, "type": "answer", "in_reply_to": body["id"], "components": COMPONENTS})
            case "customer_update_request" | "update_request":
                self._say({**about, "from": box, "type": "customer_update", **UPDATE})
            case "consultation" if box == LIAISON:
                self._after(0.5, lambda: self._arrived(body, about))
            case "incident_role":
                self._say({**about, "from": box, "type": "acknowledgement", "in_reply_to": body["id"]})
                if "commander" in str(body.get("role")):
                    resolved = {**about, "from": box, "type": "incident_resolved", "summary": "20 orders in a row"}
                    self._after(self.dice.uniform(0.5, 4), lambda: self._say(resolved))
            case "retrospective_request":
                papers = {"retrospective": "nobody watched", "prevention_plan": PLAN}
                self._say({**about, "from": box, "type": "incident_update", **papers})
            case "validation_request":
                self._say({**about, "from": box, "type": "verdict", "verdict": "PASS"})
            case _:
                pass

    def _work(self, box: str, body: Mapping[str, Any], about: dict[str, Any]) -> None:
        done = {**about, **CLAIM}
        if body["communication"]["required"] != "internal" and self.dice.random() < 0.8:  # else it is sent back
            done["customer_update"] = UPDATE
        what = self.dice.random()
        first = body.get("attempt") == 1
        if what < 0.05:
            self.odd["answered twice"] += 1
            self._say(done)
            self._say({**done, "summary": "did it again"})
        elif what < 0.08:
            self.odd["answered for another's task"] += 1
            self._say({**done, "task_id": "T99"})
            self._say(done)
        elif what < 0.12 and first:
            self.odd["failed"] += 1
            self._say({**about, "type": "failed", "reason": "it broke"})
        elif what < 0.15 and first:
            self.odd["declined"] += 1
            self._say({**about, "type": "declined", "reason": "not mine"})
        elif what < 0.2:
            self.odd["blocked"] += 1
            self._say({**about, "type": "blocked", "description": "waiting for information about the version"})
            self._after(0.7, lambda: self._say({**about, "type": "unblocked", "answer": "it is 3.1"}))
            self._after(1.4, lambda: self._say(done))
        elif what < 0.28:
            self.odd["wrote over what he had said"] += 1
            name = f"{about['instruction_id']}-{about['task_id']}.yaml"
            self._say({**about, "type": "acknowledgement"}, name)
            self._after(self.dice.uniform(0, 0.04), lambda: self._say(done, name))  # as that is about to be filed
        elif what < 0.36:
            self.odd["late"] += 1
            self._say({**about, "type": "acknowledgement"})
            self._after(self.dice.uniform(1, 5), lambda: self._say(done))
        else:
            self._say(done)

    def _arrived(self, body: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """What the customer says when asked: the truth."""
        lines = self.tree.journal(about["instruction_id"])
        asked = next(e for e in lines if str(e.get("path")).endswith(f"/{body['id']}.yaml"))
        number = int(asked["facts"]["ask"].rpartition("#")[2])
        keys = {e["facts"]["key"] for e in lines if e["name"].startswith(f"send update #{number} ")}
        taken = {**self.mail.keys(), **self.hook.keys()}
        self._say({**about, "from": LIAISON, "type": "answer", "in_reply_to": body["id"],
                   "arrived": bool(keys & set(taken))})  # fmt: skip

    def _say(self, body: Mapping[str, Any], name: str | None = None) -> None:
        self.tree.message(name or f"{body.get('instruction_id', 'x')}-{next(self._order)}.yaml", body)
