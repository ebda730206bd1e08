"""Types that are recognised and checked here, and acted upon by the chapters that come later.

A message of such a type is refused, saying so: it is better to be told than to be ignored.
"""

from __future__ import annotations

from executord.messages.base import Incoming, Role


class _Later(Incoming):
    """Recognised and checked; its chapter acts upon it."""

    acted = False
    about = "either"


def _later(
    name: str,
    *aliases: str,
    needs: tuple[tuple[str, ...], ...] = (),
    senders: tuple[Role, ...] = ("anyone",),
) -> type[Incoming]:
    doc = f"`{name}`: chapters 4 to 7."
    return type(name, (_Later,), {"type": name, "aliases": aliases, "needs": needs, "senders": senders, "__doc__": doc})


NOT_YET: tuple[type[Incoming], ...] = (
    _later("customer_reply", senders=("liaison", "holder", "authority")),
    _later("sla_extension", needs=(("approved_by",), ("new_limit", "add")), senders=("liaison", "authority")),
    _later("skip", needs=(("reason",),), senders=("authority",)),
    _later("waive", needs=(("standard", "component"), ("reason",)), senders=("authority",)),
    _later("mute", senders=("authority",)),
    _later("unmute", senders=("authority",)),
    _later("archive", senders=("authority",)),
    _later("incident"),
    _later("incident_update"),
    _later("incident_action"),
    _later("incident_resolved"),
    _later(
        "verdict", "validation_result", senders=("validator",),
        needs=(("classification", "overall_status", "result", "verdict", "decision"),),
    ),
    _later("capability_gap"),
    _later("consensus_blocked"),
    _later("session", needs=(("path",),)),
)  # fmt: skip
