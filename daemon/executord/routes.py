"""By which channel a customer update goes, if by any [SLA-16].

Counterparts: `policy.Route`, a channel as the rules know it; `channels/`, which carry; `rules/outbox.py`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from executord.case import Letter
from executord.case.casebook import Case
from executord.policy import Policy, Route, matches
from executord.reading import find, text_of
from executord.values import read_moment, stamp

UPDATE = "customer_update"
_ADDRESS = re.compile(r"[^\s<>@,;\"]+@[^\s<>@,;\"]+")


def route_of(case: Case, policy: Policy) -> tuple[Route, tuple[str, ...]] | None:
    """The first channel that is for this case and knows where to, with the recipients; None: the liaison sends."""
    customer = case.head.spec.customer
    if customer is None:
        return None
    for route in policy.routes:
        if route.on and UPDATE not in route.on:
            continue
        if not matches(route.match, case.head, case.head.priority_now):
            continue
        to = route.to or tuple(dict.fromkeys(_ADDRESS.findall(customer.contact or "")))
        if to or not route.needs_address:
            return route, to
    return None


def way_of(case: Case, letter: Letter, body: Mapping[str, Any], policy: Policy) -> dict[str, Any] | None:
    """How an update goes to the customer: by a channel, or as the liaison says that it went; None: he sends it.

    Only who speaks with customers, or authority, can say that it was delivered (`delivered_at`): what a worker says of
    its own channel is not what the customer has read.
    """
    sender = letter.sender or ""
    said = find(body, ("delivered_at",)).value
    if said is not None and (sender == case.head.liaison or policy.may(sender, UPDATE)):
        at = read_moment(said, policy.zone, bare="start")
        if at is not None and at <= letter.seen_at:
            via = text_of(find(body, ("channel", "via")).value)[:100]
            return {"channel": via or None, "delivered_at": stamp(at)}
    found = route_of(case, policy)
    if found is None:
        return None
    route, to = found
    return {"channel": route.name, "delivery": route.delivery, "to": list(to)}
