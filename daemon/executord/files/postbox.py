"""The daemon's own inboxes, read into letters [MSG-1, MEM-26].

Counterparts: `letters.py`, what a letter says; `service/house.py` and `hands.py`, which file it. A file that nobody
announced as finished, or that does not parse, has the settle time before it is taken or refused [MSG-5].
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Iterable, Mapping
from datetime import datetime

from executord.case import Letter
from executord.errors import Finding, NotYetWhole, Unreadable
from executord.evolve import replace
from executord.files.disk import INBOX, OWN_INBOXES, is_answer
from executord.files.store import Store
from executord.letters import read_letter
from executord.paper import MESSAGE_ENDINGS, Sheet, is_left_alone, parse
from executord.paper.gate import LEFT_OPEN, Identity, identity_of, moment_of, open_file


class Postbox:
    """What lies in our inboxes and has not been taken."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, tuple[Identity, datetime]] = {}  # not yet settled → first seen so

    def letters(
        self, now: datetime, known: Iterable[str] = (), announced: Iterable[str] = ()
    ) -> tuple[list[Letter], datetime | None]:
        """The letters in our inboxes that are not `known` yet (as "folder/name"), and when to look again."""
        have, told = frozenset(known), frozenset(announced)
        found: list[Letter] = []
        later: list[datetime] = []
        there = {f"{INBOX}/{key}" for key in have}  # a waiting one is known as it was read, also when it is gone
        for folder in OWN_INBOXES:
            real = self._store.inbox_of(folder)
            path = f"{self._store.root}/{INBOX}/{real}"
            try:
                entries = sorted(os.scandir(path), key=lambda e: e.name)
            except FileNotFoundError:
                continue
            for entry in entries:
                name = entry.name
                key = f"{real}/{name}"
                there.add(f"{INBOX}/{key}")
                if name.startswith(".") or key in have:
                    continue
                folder_there = entry.is_dir(follow_symlinks=False)
                if folder_there or is_left_alone(name) or not name.endswith(MESSAGE_ENDINGS):
                    continue  # what is no message stays, and `status` lists it
                letter = self._letter(real, name, now, key in told, later)
                if letter is not None:
                    found.append(letter)
        self._store.intake.only(there)
        return found, min(later, default=None)

    def letters_named(
        self, now: datetime, known: Iterable[str], names: Mapping[str, bool]
    ) -> tuple[list[Letter], datetime | None]:
        """Only these letters ("folder/name" → whether it is known to be whole): the cost follows what rang."""
        have = frozenset(known)
        found: list[Letter] = []
        later: list[datetime] = []
        for key in sorted(names):
            folder, name = key.split("/", 1)
            if key in have or is_left_alone(name) or not name.endswith(MESSAGE_ENDINGS):
                continue
            letter = self._letter(folder, name, now, names[key], later)
            if letter is not None:
                found.append(letter)
        return found, min(later, default=None)

    def _letter(self, folder: str, name: str, now: datetime, told: bool, later: list[datetime]) -> Letter | None:
        key = f"{folder}/{name}"
        shown = f"{INBOX}/{key}"
        try:
            status = os.lstat(f"{self._store.root}/{shown}")
        except OSError:
            return None
        if stat.S_ISDIR(status.st_mode):
            return None  # listed by `status` as left alone
        identity = identity_of(status)
        first = self._waiting.get(key)
        since = first[1] if first is not None and first[0] == identity else now
        self._waiting[key] = (identity, since)
        changed = self._store.changed_at(status, now)
        settled_at = min(since, changed if changed <= now else since) + self._store.policy.settle
        if not told and now < settled_at:
            later.append(settled_at)
            return None
        file_at = moment_of(status.st_mtime_ns)
        fault: Finding | None = None
        sheet: Sheet | None = None
        sha = ""
        try:
            left_open = now - changed >= LEFT_OPEN
            opened = open_file(f"{self._store.root}/{shown}", limit=self._store.limits.bytes, settled=left_open)
            sha = hashlib.sha256(opened.raw).hexdigest()  # also of what cannot be read: redo moves no other message
            sheet = parse(opened.raw, path=shown, limits=self._store.limits)
        except FileNotFoundError:
            return None
        except NotYetWhole:
            later.append(now + self._store.policy.settle)
            return None
        except Unreadable as error:
            fault = error.finding()
            if now < settled_at and stat.S_ISREG(status.st_mode) and status.st_size <= self._store.limits.bytes:
                later.append(settled_at)  # it may only be half written: it has the settle time before it is refused
                return None
        if sheet is not None and not sheet.data:
            fault = Finding("MSG-5", "the file is empty", "write type, from and what you have to say")
            if now < settled_at:
                later.append(settled_at)
                return None
        self._waiting.pop(key, None)
        self._store.intake.saw(shown, opened.identity if sha else identity, sha, now)
        if fault is not None or sheet is None:
            return Letter(
                name, folder, sha or f"unread-{status.st_size:x}-{status.st_mtime_ns:x}", now, min(file_at, now),
                min(file_at, now), fault=fault,
            )  # fmt: skip
        letter = read_letter(
            sheet.data or {}, name=name, folder=folder, sha256=sha, seen_at=now, file_at=file_at,
            zone=self._store.policy.zone, warnings=sheet.findings,
        )  # fmt: skip
        ours = opened.uid == os.geteuid() and is_answer(folder, name)  # what a program has said, put here by us
        foreign = None if ours else not_his(letter.sender, opened.uid, self._store.policy.senders)
        return letter if foreign is None else replace(letter, sender=None, fault=foreign)


def not_his(sender: str | None, uid: int, senders: Mapping[str, tuple[int | str, ...]]) -> Finding | None:
    """What is wrong with a message under this name in a file of this user, where the name is bound [SEC-2]."""
    owners = senders.get(sender or "")
    if owners is None or any(_owns(uid, owner) for owner in owners):
        return None
    who = " or ".join(f"user {owner}" if isinstance(owner, int) else f"group {owner}" for owner in owners)
    text = f"messages of {sender} come in files of {who or 'nobody'}; this file is of user {uid}"
    return Finding("SEC-2", text, "speak under your own name; `senders` in the configuration binds this one")


def _owns(uid: int, owner: int | str) -> bool:
    """Whether it is this user, or one of this group: by who he is, not by the group of his file, which may be the
    folder's."""
    if isinstance(owner, int):
        return uid == owner
    try:
        user, group = pwd.getpwuid(uid), grp.getgrnam(owner)
    except KeyError:
        return False
    return user.pw_gid == group.gr_gid or user.pw_name in group.gr_mem
