"""Customer updates on their way through a channel: sent, delivered, failed, in doubt, and back to the liaison [SLA-16].

What leaves the machine gets two lines: `send update #3 via mail`, with the key by which a repeat is recognised,
before; `delivered` or `failed` after. Counterparts: `channels/outbox.py`, which carries; `messages/arrived.py`, the
liaison's answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from executord.actions import THIS_ID, Action, Amend, Deliver, Record
from executord.agenda import HEARD, Due
from executord.case import Ask, Carried, Sending, Task
from executord.case.casebook import Case
from executord.policy import Policy
from executord.posts import impact
from executord.rules.asking import Asking, managers
from executord.values import stamp

ORDER = 31


def lines(case: Case, policy: Policy) -> Iterator[Due]:
    """The next line of each update that is not delivered yet."""
    if case.head.parked is not None:
        return
    for sending in case.head.outbox:
        match sending.state:
            case "owed":
                yield _send(case, sending)
            case "sent":
                outcome = case.outcomes.get((sending.number, sending.sends))
                if outcome is not None:
                    yield _ended(case, sending, outcome)
            case "told":
                yield _told(case, sending)
            case _:
                pass  # `rules/asks.py` asks the liaison


def key_of(case: Case, sending: Sending) -> str:
    """The key of an update on a channel: the same in every try, another in another case of the same name."""
    made_of = (case.id, str(case.head.created), sending.channel, str(sending.number), stamp(sending.at))
    return hashlib.sha256("\0".join(made_of).encode(errors="surrogatepass")).hexdigest()[:32]


def _name(verb: str, sending: Sending, ordinal: int) -> str:
    return f"{verb} update #{sending.number} via {sending.channel}" + (f" #{ordinal}" if ordinal > 1 else "")


def _facts(sending: Sending) -> dict[str, Any]:
    return {"number": sending.number, "channel": sending.channel}


def path_of(sending: Sending) -> str:
    """Where the update is kept, from the case's folder [CON-12]."""
    return f"outputs/partial/update-{sending.number:03}.yaml"


def _send(case: Case, sending: Sending) -> Due:
    facts = {
        **_facts(sending),
        "key": sending.key or key_of(case, sending),
        "delivery": sending.delivery,
        "recipients": list(sending.to) or None,
    }
    again = "again, as the liaison says; " if sending.sends else ""
    why = f"{again}{sending.delivery.replace('_', ' ')}"
    name = _name("send", sending, sending.sends + 1)
    return Due(sending.at, name, "SLA-16", Deliver(), why=why, facts=facts, order=ORDER)


def _ended(case: Case, sending: Sending, outcome: Carried) -> Due:
    facts = {**_facts(sending), "tries": outcome.tries}
    match outcome.how:
        case "delivered":
            facts["receipt"] = {"said": outcome.said} | ({"id": outcome.id} if outcome.id else {})
            facts["delivered_at"] = stamp(outcome.at)
            verb, why = "delivered", outcome.said
            action: Action = Amend(path_of(sending), {"channel": sending.channel, "delivered_at": stamp(outcome.at)})
        case "failed":
            facts |= {"reason": outcome.said, "fix": outcome.fix}
            verb, why, action = "failed", outcome.said, Record()
        case _:
            tried = stamp(outcome.tried_at) if outcome.tried_at is not None else None
            facts |= {"reason": outcome.said, "tried_at": tried}
            verb, why, action = "doubt", f"{outcome.said}: it is not sent again", Record()
    name = _name(verb, sending, sending.sends)
    return Due(outcome.at, name, "SLA-16", action, why=why, facts=facts, order=HEARD)


def _told(case: Case, sending: Sending) -> Due:
    at = stamp(sending.delivered_at or sending.at)
    channel = sending.told_via or sending.channel
    facts = {
        **_facts(sending),
        "receipt": {"said": f"the customer has it, says {sending.told_by}", "via": channel},
        "delivered_at": at,
    }
    return Due(
        sending.at, _name("delivered", sending, sending.sends), "SLA-16",
        Amend(path_of(sending), {"channel": channel, "delivered_at": at}),
        why=f"says {sending.told_by}", facts=facts, order=ORDER,
    )  # fmt: skip


# --- what the liaison is asked ----------------------------------------------------------------------------------


def _sending(case: Case, ask: Ask) -> Sending | None:
    return next((s for s in case.head.outbox if s.number == ask.facts["number"]), None)


def _stands(case: Case, _task: Task | None, ask: Ask) -> bool:
    sending = _sending(case, ask)
    return sending is not None and sending.state in ("failed", "doubtful")


def _chain(case: Case, _task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    return managers(policy, case.head.liaison)


def _body(case: Case, _task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    sending = _sending(case, ask)
    assert sending is not None  # else there is no reason to ask
    customer = case.head.spec.customer
    who = (customer.name if customer is not None else "") or "the customer"
    number, reason = sending.number, sending.reason or "unknown"
    if sending.state == "doubtful":
        what = f"nobody knows whether update #{number} reached {who}: {reason}; it is not sent a second time"
        needed = "whether it arrived"
        options = {"arrived: true": "it arrived: it counts from then", "arrived: false": "it did not: it is sent again"}
    else:
        what = f"update #{number} could not be delivered to {who} via {sending.channel}: {reason}; it does not count"
        needed = "how they get it"
        options = {
            "arrived: true": "you have brought it to them yourself: it counts from then",
            "arrived: false": f"the cause is mended: it is sent again via {sending.channel}",
        }
    reply = f'type: answer\nfrom: <you>\ninstruction_id: "{case.id}"\nin_reply_to: {THIS_ID}\n'
    return {
        "what": what,
        "since": stamp(ask.at),
        "impact": impact(case, None, policy),
        "tried": [],
        "decision_needed": needed,
        "options": [{"type": "answer", "means": f"{say}: {means}"} for say, means in options.items()],
        "update": {
            "number": number,
            "path": f"{case.id}/{path_of(sending)}",
            "channel": sending.channel,
            "recipients": list(sending.to),
            "reason": reason,
            "fix": sending.fix,
            "tried_at": stamp(tried) if (tried := sending.tried_at or sending.sent_at) is not None else None,
        },
        "reply_with": reply + "arrived: true          # or false\n",
    }


DELIVERY = Asking("SLA-16", "consultation", _body, _chain, stands=_stands)
