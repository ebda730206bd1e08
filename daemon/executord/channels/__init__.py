"""The ways out of the machine: one class per channel behind one small interface [SLA-16, OPS-15].

Counterparts: `outbox.py`, which tries again and remembers; `base.py`, what a try can end in. Add a channel: one file
here with one class, and its word in `KINDS`. A `type:` that is not in it is what the notification library knows.
Imported is only what a row asks for: who looks at a tree should not wait for TLS.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Final

from executord.channels.base import Channel, NotCarried, NotTaken, Parcel, Receipt, Refused, Unsure
from executord.channels.secrets import file_bytes
from executord.channels.templates import LONGEST_TEMPLATE
from executord.settings import ChannelRow

__all__ = [
    "Channel", "NotCarried", "NotTaken", "Parcel", "Receipt", "Refused", "Unsure", "kind_of", "open_channel",
]  # fmt: skip

#: What a row's `type` says → the file here and its class.
KINDS: Final[Mapping[str, str]] = {
    "email": "mail.Mail",
    "mail": "mail.Mail",
    "smtp": "mail.Mail",
    "webhook": "webhook.Webhook",
    "command": "command.Command",
}


def kind_of(row: ChannelRow) -> str:
    """The name of the class that carries for this row."""
    return _place_of(row).partition(".")[2]


def _place_of(row: ChannelRow) -> str:
    return KINDS.get(row.type.lower(), "library.Library")


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
    module, _, name = _place_of(row).partition(".")
    made: Callable[..., Channel] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return made(row, template, environ)
