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
)  # fmt: skip
