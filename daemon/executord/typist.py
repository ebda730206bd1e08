"""The bodies of what we write: envelopes, what they take over of other files, what is told of the journal, our mark.

Counterpart: `hands.py`, which stages and publishes them. It only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from executord.actions import THIS_ID, Chronicle, Embed, Rendered, Reply, Send
from executord.agenda import Due
from executord.case.casebook import Case
from executord.files import journal
from executord.files.store import Store
from executord.posts.quoting import embedded, inside
from executord.values import stamp

Entry = dict[str, Any]
_PLAIN = frozenset({str, int, bool, float})
_UNTOLD = frozenset({"move", "admit", "reason", "write", "restore", "shelve"})  # what a chronicle needs not say


class Typist:
    """For one tree."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reply(self, case: Case, line: Due, action: Reply, now: datetime) -> dict[str, Any]:
        """What a process had to say, as its agent's own message [OPS-17]."""
        return {
            "id": action.name,
            "type": action.kind,
            "from": action.sender,
            "to": "executor",
            "timestamp": stamp(line.at),
            "instruction_id": case.id,
            "task_id": line.task,
            "attempt": line.attempt,
            **action.body,
        } | marked(case.n + 1, now)

    def letter(self, case: Case, line: Due, action: Send, name: str, now: datetime) -> dict[str, Any]:
        """A message of ours: its envelope, and what its line says [chapter 3]."""
        task = case.tasks.get(line.task) if line.task is not None else None
        envelope: dict[str, Any] = {
            "id": name,
            "type": action.kind,
            "from": "executor",
            "to": action.to,
            "timestamp": stamp(now),
            "instruction_id": case.id,
        }
        envelope |= {k: v for k, v in (("task_id", line.task), ("attempt", line.attempt)) if v is not None}
        envelope["priority"] = (task.field("priority") if task is not None else None) or case.head.priority_now
        for key, value in action.body.items():
            plain = value is None or type(value) in _PLAIN
            envelope[key] = value if plain else self.value(value, case, now)
        if isinstance(example := envelope.get("reply_with"), str):
            envelope["reply_with"] = example.replace(THIS_ID, name)
        return envelope | marked(case.n + 1, now)

    def value(self, value: Any, case: Case, now: datetime, told: Sequence[Entry] = ()) -> Any:
        """A value of a body with what it takes over put in; `told`: lines of the batch that are in no journal yet."""
        if value is None or type(value) in _PLAIN:  # most of a letter: no need to ask what else it might be
            return value
        if type(value) is dict:
            return {k: self.value(v, case, now, told) for k, v in value.items()}
        if isinstance(value, Embed):
            body = self._store.body(value.path)
            return inside(body, value.keys) if value.keys else embedded(body, value.key, self._store.policy.zone)
        if isinstance(value, Rendered):
            return self.value(value.how(case, self._store.policy, now, *value.args), case, now, told)
        if isinstance(value, Chronicle):
            return self._chronicle(case, told)
        if isinstance(value, Mapping):
            return {k: self.value(v, case, now, told) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(v, case, now, told) for v in value]
        return value

    def _chronicle(self, case: Case, told: Sequence[Entry]) -> list[dict[str, Any]]:
        """What the journal tells so far, the lines of the batch in work included: when, what, to whom, why."""
        entries = journal.read(f"{self._store.root}/{case.id}").entries
        known = {e["n"] for e in entries if "at" in e}
        rows = [e for e in entries if "at" in e] + [e for e in told if e["n"] not in known]
        return [
            {"at": e["at"], "what": e["name"], "to": e.get("to"), "why": e.get("why")}
            for e in rows if e["name"].split(" ", 1)[0] not in _UNTOLD
        ]  # fmt: skip


def marked(n: int, now: datetime) -> dict[str, Any]:
    """Who wrote it and why [MEM-16]."""
    return {"generated_by": "executord", "generated_at": stamp(now), "event": n}
