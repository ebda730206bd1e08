"""Sorting the mail: each letter in our inboxes goes to the case that it is for, or to the house [MEM-1, MSG-1].

Counterparts: `files/postbox.py`, which reads the inboxes; `destination.py`, which case it is; `house.py`, which answers
what is of none; `looks.py`, which judges the letters of a case in their order [MSG-11].
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from executord.case import Letter
from executord.files.disk import INBOX
from executord.files.postbox import Postbox
from executord.hands import Batch, Hands
from executord.service.boundary import Boundary
from executord.service.destination import case_of
from executord.service.house import House
from executord.service.parked import RETRY
from executord.service.prompter import Prompter
from executord.service.rings import Rings
from executord.views.overview import Tree


class Hall(Tree, Protocol):
    """What is needed of the service."""

    boundary: Boundary
    house: House
    hands: Hands
    postbox: Postbox
    prompter: Prompter


class Sorting:
    """Of one tree. `refresh` looks at a case again that a letter speaks of. `again_at`: when there is mail to read
    without any ring."""

    def __init__(self, service: Hall, refresh: Callable[[str, datetime, Iterable[str]], None]) -> None:
        self._service, self._refresh = service, refresh
        self.again_at: datetime | None = None
        self._waiting: dict[str, str | None] = {}  # "folder/name" → case

    def __bool__(self) -> bool:
        """Whether a letter waits to be judged or to be read."""
        return bool(self._waiting) or self.again_at is not None

    def turn(self, now: datetime, rings: Rings) -> set[str]:
        """Read what came: everything, or only what rang by its name. Returns the cases that it was for."""
        boundary = self._service.boundary
        due = self.again_at is not None and self.again_at <= now
        came: set[str] | None = set()
        if rings.mail or due or (rings.named and boundary.troubles):
            told = {*self._service.hands.answers, *rings.letters, *(n for n, whole in rings.named.items() if whole)}
            came = boundary.asked(None, now, partial(self._all, now, told), None)
            if came is not None:
                boundary.troubles.clear()
        elif rings.named:
            came = boundary.asked(None, now, partial(self._named, now, rings.named), None)
        if came is None:
            self.again_at = now + RETRY
        return self.answers((), now) | (came or set())  # and what has taken the place of a letter of the house

    def answers(self, batches: Iterable[Batch], now: datetime) -> set[str]:
        """Read what these batches have put into our own inbox, the answers of programs [OPS-17]; and what came under
        the name of a letter before that could be filed."""
        names = {n.target.removeprefix(f"{INBOX}/"): True for b in batches for n in b.noted if n.reply and n.target}
        left = self._service.store.intake.left
        names |= {path.removeprefix(f"{INBOX}/"): False for path in left if path not in names}
        left.clear()
        came = self._service.boundary.asked(None, now, partial(self._named, now, names), None) if names else set()
        if came is None:
            self.again_at = now + RETRY
        return came or set()

    def filed(self, facts: Mapping[str, Any]) -> None:
        """A letter has been judged and waits no longer; `facts` are those of its line."""
        raw = facts.get("raw")
        name = os.path.basename(os.fsdecode(bytes.fromhex(raw[0]))) if raw else facts["file"]
        self._waiting.pop(f"{facts.get('inbox', 'executor')}/{name}", None)

    def forget(self, case_id: str) -> None:
        """The case is let go; its letters are read again with it."""
        for key in [k for k, c in self._waiting.items() if c == case_id]:
            del self._waiting[key]

    def _all(self, now: datetime, told: set[str]) -> set[str]:
        return self._sort(*self._service.postbox.letters(now, self._waiting, told), now, everything=True)

    def _named(self, now: datetime, names: Mapping[str, bool]) -> set[str]:
        return self._sort(*self._service.postbox.letters_named(now, self._waiting, names), now)

    def _sort(
        self, letters: list[Letter], later: datetime | None, now: datetime, *, everything: bool = False
    ) -> set[str]:
        times = (later,) if everything else (later, self.again_at)
        self.again_at = min((t for t in times if t is not None), default=None)
        touched: set[str] = set()
        for letter in sorted(letters, key=lambda each: each.order):
            if not self._service.boundary.guarded(None, now, partial(self._sort_one, letter, now, touched)):
                self.again_at = now + RETRY  # a fault of ours with one letter: the others are taken
        cases = self._service.cases
        for case_id in touched & cases.keys():
            cases[case_id].letters.sort(key=lambda each: each.order)
        return touched

    def _sort_one(self, letter: Letter, now: datetime, touched: set[str]) -> None:
        service = self._service
        if service.house.is_of_session(letter):
            return service.house.take_of_session(letter, now)
        if letter.instruction in service.broken:
            return  # it waits in the inbox until its case can be executed again, and is then read in its order
        if letter.instruction is not None and letter.instruction not in service.cases:
            self._refresh(letter.instruction, now, ())
        if letter.instruction in service.broken:
            return
        if letter.instruction in service.cases and not service.cases[letter.instruction].head.ours:
            return  # all domains share the inbox: it is for another executor [MEM-1]
        case_id, letter = case_of(service, letter)
        if case_id is None:
            return service.house.take(letter, now)
        self._waiting[f"{letter.folder}/{letter.name}"] = case_id
        if service.boundary.guarded(case_id, now, partial(self._put_in, case_id, letter)):
            touched.add(case_id)

    def _put_in(self, case_id: str, letter: Letter) -> None:
        case = self._service.cases[case_id]
        case.letters.append(self._service.prompter.informed(case, letter))
