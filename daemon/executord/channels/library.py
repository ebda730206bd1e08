"""Whatever the notification library knows: Slack, Teams, Matrix, SMS and the like, by its URLs [SLA-16].

Apprise is in the extra `notify` and imported when the first parcel goes out. It says yes or no and never why, so a no
is `Unsure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from executord.channels.base import NotTaken, Parcel, Receipt, Refused, Unsure, said
from executord.channels.secrets import read_secret
from executord.channels.templates import body, subject
from executord.settings import ChannelRow

MISSING = "this channel needs the extra `notify`"
HOW = "install executord[notify], e.g. `uv tool install 'executord[notify]'`"


class Library:
    """The URLs of one channel."""

    def __init__(self, row: ChannelRow, template: str | None, environ: Mapping[str, str]) -> None:
        self._row, self._template, self._environ = row, template, environ

    def carry(self, parcel: Parcel, now: datetime) -> Receipt:
        """One notification to all URLs."""
        try:
            import apprise
        except ImportError:
            raise NotTaken(MISSING, fix=HOW) from None
        row = self._row
        text = read_secret(row.url_file, self._environ) if row.url_file else (row.url or "")
        urls = text.split()
        if not urls:
            raise Refused("the channel has no address", fix="add `url:` or `url_file:` to the channel")
        post = apprise.Apprise()
        if not all(post.add(url) for url in urls):
            raise Refused("the channel's url is none that the notification library knows", fix="see its list of URLs")
        title, content = subject(parcel, row.subject), body(parcel, self._template)
        try:
            taken = post.notify(body=content, title=title, body_format=apprise.NotifyFormat.TEXT)
        except Exception as error:  # a plugin raises what it likes: nobody knows whether it was sent
            raise Unsure(f"the notification library failed: {said(type(error).__name__)}") from None
        if not taken:
            raise Unsure("the notification library could not deliver it")
        return Receipt(f"taken by {', '.join(sorted({url.split(':', 1)[0] for url in urls}))}")
