"""The ways out of the machine: one class per channel behind one small interface [SLA-16, OPS-15].

Counterparts: `outbox.py`, which tries again and remembers; `base.py`, what a try can end in. Add a channel: one file
here with one class, and its word in `KINDS`. A `type:` that is not in it is what the notification library knows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from executord.channels.base import Channel, NotCarried, NotTaken, Parcel, Receipt, Refused, Unsure
from executord.channels.command import Command
from executord.channels.library import Library
from executord.channels.mail import Mail
from executord.channels.secrets import file_bytes
from executord.channels.templates import LONGEST_TEMPLATE
from executord.channels.webhook import Webhook
from executord.settings import ChannelRow

__all__ = [
    "KINDS", "Channel", "NotCarried", "NotTaken", "Parcel", "Receipt", "Refused", "Unsure", "open_channel",
]  # fmt: skip

KINDS: Final[Mapping[str, Callable[[ChannelRow, str | None, Mapping[str, str]], Channel]]] = {
    "email": Mail,
    "mail": Mail,
    "smtp": Mail,
    "webhook": Webhook,
    "command": Command,
}


def open_channel(row: ChannelRow, environ: Mapping[str, str]) -> Channel:
    """The channel of a row. Raises `NotTaken` where its template cannot be read."""
    template = None
    if row.template is not None:
        try:
            most = 4 * LONGEST_TEMPLATE  # bytes of so many characters
            template = file_bytes(os.path.expanduser(row.template), most).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            text = f"the template {row.template} cannot be read: {why}"
            raise NotTaken(text, fix="check its name and mode") from None
    return KINDS.get(row.type.lower(), Library)(row, template, environ)
