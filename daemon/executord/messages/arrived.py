"""What the liaison says of an update that could not be delivered, or of which nobody knows whether it was [SLA-16].

Counterparts: `rules/outbox.py`, which asks him; `answering.py`, whose table leads here. He answers `arrived: true`
(the customer has it, whoever brought it there) or `arrived: false` (send it again).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from executord.case import Ask, Letter, Sending
from executord.case.casebook import Case
from executord.errors import Finding
from executord.evolve import replace
from executord.letters import answered_by, scalar, word
from executord.meaning.asking import acknowledged
from executord.messages.base import Taken
from executord.policy import Policy
from executord.reading import find
from executord.values import noted_instant, read_moment, stamp

_SAYS = ("arrived", "delivered", "sent", "answer", "decision", "message", "information")
_YES = frozenset(("yes", "true", "arrived", "delivered", "sent", "it_arrived", "it_did", "received"))
_NO = frozenset(("no", "false", "not_arrived", "not_delivered", "not_sent", "again", "send_again", "failed"))
_WORD = re.compile(r"[a-z]+")
BY_HAND = "by hand"


def _arrived(letter: Letter) -> bool | None:
    """Whether the letter says that it arrived, None where it does not tell."""
    for key in _SAYS:
        value = find(letter.body, (key,)).value
        if isinstance(value, bool):
            return value
        said = word(value)
        first = _WORD.match(said)
        if said in _YES or (first is not None and first[0] == "yes"):
            return True
        if said in _NO or (first is not None and first[0] in ("no", "not")):
            return False
    return None


def _about_delivery(case: Case, letter: Letter) -> Ask | None:
    ask = answered_by(letter, case, "unblocked").ask
    return ask if ask is not None and ask.about == "delivery" else None


def unclear_arrival(case: Case, letter: Letter) -> Finding | None:
    """A finding where such an answer says neither yes nor no."""
    if _about_delivery(case, letter) is None or _arrived(letter) is not None:
        return None
    return Finding(
        "SLA-16", "it does not say whether the update arrived", "add `arrived: true`, or `false`: send it again",
        field="arrived",
    )  # fmt: skip


def arrival_facts(case: Case, letter: Letter, policy: Policy) -> dict[str, Any]:
    """What the journal keeps of such an answer."""
    if _about_delivery(case, letter) is None:
        return {}
    said = _arrived(letter)
    if said is None:
        return {}
    facts: dict[str, Any] = {"arrived": said}
    at = read_moment(find(letter.body, ("delivered_at", "arrived_at", "sent_at")).value, policy.zone, bare="start")
    if at is not None:
        facts["delivered_at"] = stamp(at)
    via = scalar(find(letter.body, ("channel", "via")).value)
    if via is not None:
        facts["via"] = via[:100]
    return facts


def arrived(case: Case, _task: str | None, ask: Ask, taken: Taken) -> bool:
    """It arrived: it counts from then. It did not: it is sent again, with the same key. Else it is still asked."""
    if "arrived" not in taken.facts:
        acknowledged(case, None, ask.subject, taken.sender, taken.at)
        return False
    number = ask.facts["number"]
    case.set_head(
        replace(case.head, outbox=tuple(_told(s, taken) if s.number == number else s for s in case.head.outbox))
    )
    return True


def _told(sending: Sending, taken: Taken) -> Sending:
    if not taken.facts.get("arrived"):
        return replace(sending, state="owed", at=taken.at, reason=None, fix=None, tried_at=None)
    # What was in doubt was handed over when it was tried; what had failed, nobody brought before he says so.
    likely = (sending.tried_at or sending.sent_at) if sending.state == "doubtful" else None
    via = taken.facts.get("via") or (None if sending.state == "doubtful" else BY_HAND)
    said = noted_instant(taken.facts, "delivered_at")
    return replace(
        sending, state="told", at=taken.at, told_by=taken.sender, told_via=via,
        delivered_at=_within(sending, said or likely or taken.at, taken.at),
    )  # fmt: skip


def _within(sending: Sending, at: datetime, latest: datetime) -> datetime:
    """Nobody had it before it was sent, or will have had it."""
    return min(max(at, sending.sent_at or at), latest)
