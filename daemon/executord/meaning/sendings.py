"""What the lines about an update on its way through a channel change: sent, delivered, failed, in doubt [SLA-16].

Counterparts: `rules/outbox.py`, which yields these lines; `fold.py`, whose table names these functions. Pure: nothing
is read but the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.case import Ask, Sending
from executord.case.casebook import Case
from executord.evolve import replace
from executord.meaning.asking import open_ask
from executord.meaning.deliveries import amended
from executord.meaning.transitions import count_update
from executord.values import read_stamp

Entry = Mapping[str, Any]


def of_outbox(entry: Entry) -> bool:
    """Whether a line is one of those about an update on its way through a channel."""
    words = str(entry["name"]).split(" ", 2)
    about = words[0] in ("send", "delivered", "failed", "doubt") and words[1:2] == ["update"]
    return about and "channel" in (entry.get("facts") or {})


def _facts(entry: Entry) -> Mapping[str, Any] | None:
    """The facts of a line about such an update; None for any other line that begins with the same verb."""
    return entry["facts"] if of_outbox(entry) else None


def _change(case: Case, number: int, **changes: Any) -> Sending | None:
    found = next((s for s in case.head.outbox if s.number == number), None)
    if found is None:
        return None
    new = replace(found, **changes)
    case.set_head(replace(case.head, outbox=tuple(new if s is found else s for s in case.head.outbox)))
    return new


def sent(case: Case, entry: Entry, at: datetime) -> None:
    """It is with the outbox now."""
    facts = _facts(entry)
    if facts is not None:
        number = facts["number"]
        sends = next((s.sends for s in case.head.outbox if s.number == number), 0) + 1
        _change(case, number, state="sent", sends=sends, sent_at=at, key=facts["key"])


def delivered(case: Case, entry: Entry, at: datetime) -> None:
    """The customer has it: from then on it counts."""
    facts = _facts(entry)
    if facts is not None:
        number = facts["number"]
        case.set_head(replace(case.head, outbox=tuple(s for s in case.head.outbox if s.number != number)))
        amended(case, number, facts, at)
        count_update(case, number, read_stamp(facts["delivered_at"]))


def not_delivered(case: Case, entry: Entry, at: datetime) -> None:
    """It failed for good, or nobody knows: back to the liaison."""
    facts = _facts(entry)
    if facts is None:
        return
    state = "failed" if entry["name"].startswith("failed ") else "doubtful"
    tried = facts.get("tried_at")
    sending = _change(
        case, facts["number"], state=state, reason=facts["reason"], fix=facts.get("fix"),
        tried_at=read_stamp(tried) if tried else None,
    )  # fmt: skip
    if sending is not None:
        subject = f"delivery #{sending.number}" + (f" send-{sending.sends}" if sending.sends > 1 else "")
        said = "did not reach the customer" if state == "failed" else "may not have reached the customer"
        facts = {"number": sending.number, "why": f"update #{sending.number} {said}: {sending.reason}"}
        open_ask(case, None, Ask(subject, at, facts, lasts=True))
