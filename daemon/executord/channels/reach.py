"""Whether a channel could carry, without sending anything: for `doctor` [OPS-8].

A file that cannot be read, a template that names nothing, a server that does not listen. Nothing is said to it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from executord.channels import NotCarried, Parcel, kind_of, open_channel
from executord.channels.library import HOW, MISSING
from executord.channels.secrets import place_of, read_secret
from executord.channels.templates import body, subject
from executord.settings import ChannelRow
from executord.updates import UPDATE_CONTENTS

PATIENCE_S = 3.0
_FACTS: dict[str, Any] = {
    "instruction_id": "x", "title": "x", "number": 1, "customer": {}, "sent_at": "x", "next_update_at": None,
    "text": None, "event": "x", "at": "x", **dict.fromkeys(UPDATE_CONTENTS, "x"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in a channel's way; `key` is the one of its row that it comes from."""

    key: str
    message: str
    fix: str
    path: str | None = None


def obstacles(row: ChannelRow, environ: Mapping[str, str]) -> Iterator[Obstacle]:
    """Everything that stands in the way of this channel."""
    try:
        channel = open_channel(row, environ)
        parcel = Parcel("x", "customer_update", _FACTS, ("x@example.com",))
        template = getattr(channel, "_template", None)
        subject(parcel, row.subject)
        body(parcel, template)
    except NotCarried as error:
        yield Obstacle("template", error.message, error.fix or "mend the template")
    kind = kind_of(row)
    if kind == "Library" and importlib.util.find_spec("apprise") is None:
        yield Obstacle("type", MISSING, HOW)
    if kind == "Command":
        if row.program is None:
            yield Obstacle("program", "is missing", "add `program:`")
        elif shutil.which(row.program) is None:
            yield Obstacle("program", f"{row.program} is no program here", "install it, or name it by its path")
    if kind == "Mail":
        if row.host is None:
            yield Obstacle("host", "is missing", "add `host:`")
        else:
            port = row.port or (587 if row.tls else 25)
            yield from _listens("host", row.host, port)
        if row.sender is None and row.user is None:
            yield Obstacle("from", "is missing", "add the sender's address as `from:`")
    if kind == "Webhook":
        yield from _webhook(row, environ)
    for key in ("url_file", "password_file", "secret_file"):
        name = getattr(row, key)
        if name is not None and not os.access(place_of(name, environ), os.R_OK):
            yield Obstacle(key, "cannot be read", "check path and permissions", place_of(name, environ))


def _webhook(row: ChannelRow, environ: Mapping[str, str]) -> Iterator[Obstacle]:
    with contextlib.suppress(NotCarried, ValueError):
        url = read_secret(row.url_file, environ) if row.url_file else row.url
        if not url:
            yield Obstacle("url", "is missing", "add `url:` or `url_file:`")
            return
        target = urlsplit(url.strip())
        if target.hostname:
            yield from _listens("url", target.hostname, target.port or (443 if target.scheme == "https" else 80))


def _listens(key: str, host: str, port: int) -> Iterator[Obstacle]:
    try:
        socket.create_connection((host, port), PATIENCE_S).close()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        yield Obstacle(key, f"{host} does not listen on port {port}: {why}", "check name, port and network")
