"""What is carried out of the machine, what carries it, and how a try can end [SLA-16].

Counterparts: one class per channel beside this file; `outbox.py`, which tries, waits and tries again.

Rules of the house
- A try ends in one of four ways: a `Receipt`; `NotTaken`, it is certain that nothing was handed over; `Refused`, the
  same, and trying again is of no use; `Unsure`, it was handed over and nobody said whether it was taken. Under
  `at_most_once` only what is certain is tried again, so a channel that cannot tell says `Unsure`.
- The same parcel carries the same key in every try, where its receiver sees it.
- No secret stands in an error, a receipt or a `repr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is carried: `kind` is `customer_update`, `test`, or the word of an event; `facts` is what it says.

    `recipients` are addresses, where the channel has none of its own.
    """

    key: str
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side said when it took the parcel."""

    said: str
    id: str | None = None

    def plain(self) -> dict[str, Any]:
        """As it stands in the journal."""
        return {"said": self.said} | ({"id": self.id} if self.id else {})


class NotCarried(Exception):
    """The try did not end with a receipt: why, and what a person can do about it."""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix

    def __str__(self) -> str:
        return f"{self.message}; {self.fix}" if self.fix else self.message


class NotTaken(NotCarried):
    """Nothing was handed over; it can be tried again. `after_s`: not before so many seconds, if the other side said."""

    def __init__(self, message: str, *, after_s: float | None = None, fix: str | None = None) -> None:
        super().__init__(message, fix=fix)
        self.after_s = after_s


class Refused(NotCarried):
    """It is not taken, and trying again is of no use."""


class Unsure(NotCarried):
    """It was handed over, and whether it was taken cannot be told."""


class Channel(Protocol):
    """A way out of the machine."""

    def carry(self, parcel: Parcel, now: datetime) -> Receipt:
        """One try. Raises `NotTaken`, `Refused` or `Unsure`."""


SAID = 200  # characters kept of what the other side said


def said(text: object) -> str:
    """What the other side said, on one line and not too long."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    words = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return words if len(words) <= SAID else words[: SAID - 1] + "…"
