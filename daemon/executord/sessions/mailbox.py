"""The session's own inbox, `.executord/inbox/`, read into letters [SES-28].

Counterparts: `files/postbox.py`, the same for the daemon; `engine.py`, which has them judged and filed. What does not
parse has the settle time before it is refused [MSG-5].
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from executord.case import Letter
from executord.errors import Finding, NotYetWhole, Unreadable
from executord.evolve import replace
from executord.files.intake import Intake
from executord.files.postbox import not_his
from executord.letters import read_letter
from executord.paper import MESSAGE_ENDINGS, is_left_alone, parse
from executord.paper.gate import identity_of, moment_of, open_file
from executord.policy import Policy

INBOX = ".executord/inbox"


class Mailbox:
    """What lies in a session's inbox and has not been taken."""

    def __init__(self, path: str, settle_s: float, intake: Intake) -> None:
        self._folder, self._intake = f"{path}/{INBOX}", intake
        self._settle = timedelta(seconds=settle_s)
        self._waiting: dict[str, tuple[Any, datetime]] = {}  # not whole → first seen so

    @property
    def waits(self) -> bool:
        """Whether something lies there that is not whole yet."""
        return bool(self._waiting)

    def letters(self, now: datetime, policy: Policy) -> Iterator[Letter]:
        """The messages that lie there whole, by event time."""
        try:
            names = [n for n in os.listdir(self._folder) if not is_left_alone(n) and n.endswith(MESSAGE_ENDINGS)]
        except OSError:
            return
        found = [letter for name in sorted(names) if (letter := self._letter(name, now, policy)) is not None]
        self._waiting = {name: seen for name, seen in self._waiting.items() if name in names}
        yield from sorted(found, key=lambda each: each.order)

    def _letter(self, name: str, now: datetime, policy: Policy) -> Letter | None:
        path = f"{self._folder}/{name}"
        digest = "unread"
        try:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode):
                return None
            at = min(moment_of(status.st_mtime_ns), now)
            opened = open_file(path, settled=False)
            digest = hashlib.sha256(opened.raw).hexdigest()
            sheet = parse(opened.raw, path=name)
        except FileNotFoundError:
            return None
        except (Unreadable, NotYetWhole, OSError) as error:
            if not self._waited(name, status, now):
                return None
            self._intake.saw(f"{INBOX}/{name}", identity_of(status), "", now)
            fault = Finding("MSG-5", getattr(error, "message", None) or str(error), "write aside, then mv")
            return Letter(name, "session", digest, now, at, at, fault=fault)
        self._waiting.pop(name, None)
        self._intake.saw(f"{INBOX}/{name}", opened.identity, digest, now)
        letter = read_letter(
            sheet.data or {}, name=name, folder="session", sha256=digest, seen_at=now, file_at=at, zone=policy.zone
        )
        foreign = not_his(letter.sender, opened.uid, policy.senders)
        return letter if foreign is None else replace(letter, sender=None, fault=foreign)

    def _waited(self, name: str, status: os.stat_result, now: datetime) -> bool:
        key = (status.st_ino, status.st_size, status.st_mtime_ns)
        old = self._waiting.get(name)
        if old is None or old[0] != key:
            self._waiting[name] = (key, now)
            return False
        if now < old[1] + self._settle:
            return False
        del self._waiting[name]
        return True
