"""Cases that cannot be executed: what is wrong with each, when it is tried again, and who was told [REL-4].

A fault parks its case and never stops the others. It is tried again at once when a file of it changes, and by itself
with back-off, for as long as it fails each time. What the machine lacks (room, permission) is tried again soon and
often; a file that a person has to mend about once a minute; a fault of ours less and less.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from executord.errors import CannotWrite, ExecutordError, TooMuch
from executord.paper.gate import ours_to_mend
from executord.policy import Policy
from executord.service.blame import blame

RETRY = timedelta(seconds=5)
PASSING, MENDED, FAULT = timedelta(seconds=15), timedelta(minutes=1), timedelta(hours=1)  # the longest waits
GRACE = timedelta(minutes=1)  # how long after a try that seemed well it still counts as the same trouble
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


class Hall(Protocol):
    """What is needed of the service."""

    root: str
    policy: Policy


@dataclass(slots=True)
class _Trouble:
    at: datetime
    wait: timedelta
    said: str
    shown: str  # the same, with the line of the journal that led to it, where one did


class Parked:
    """All of one tree. `cases`: case → what is wrong (empty: it failed in company, nobody knows), when to try again."""

    def __init__(self, service: Hall, event: Callable[[str, str], None]) -> None:
        self._service, self._event = service, event
        self.cases: dict[str, tuple[str, datetime]] = {}
        self._troubles: dict[str, _Trouble] = {}
        self._faults: dict[str, datetime] = {}

    def in_company(self, case_id: str, now: datetime) -> None:
        """It failed with others in one step: it is tried again now, alone."""
        self.cases[case_id] = ("", now)

    def park(self, case_id: str, error: BaseException, now: datetime) -> str | None:
        """Say what is wrong, once for as long as it stays the same. Returns it where waiting alone does not help."""
        text = said_of(error)
        passing = isinstance(error, CannotWrite) or (isinstance(error, OSError) and ours_to_mend(error))
        mendable = isinstance(error, ExecutordError | OSError) and not isinstance(error, TooMuch)
        longest = PASSING if passing else MENDED if mendable else FAULT
        old = self._troubles.get(case_id)
        if old is not None and not old.at <= now <= old.at + old.wait * 2 + GRACE:
            old = None
        wait = RETRY
        if old is not None:
            early = now < old.at + old.wait  # a file changed, which rang: that is no try of ours
            wait = min(old.wait if early else old.wait * 2, longest)
        new = old is None or old.said != text
        shown = text if old is None or new else old.shown
        if new and not mendable and not isinstance(error, TooMuch):
            line = blame(self._service.root, case_id, self._service.policy)
            shown = f"{line.text()}\n{text}" if line is not None else text
        self._troubles[case_id] = _Trouble(now, wait, text, shown)
        self.cases[case_id] = (shown, now + wait)
        if new:
            self._event("broken", f"{case_id}: {shown}")
        return shown if new and not passing else None

    def fault(self, error: BaseException, now: datetime) -> None:
        """A fault of ours that is no case's: said at most once an hour, however often it is tried again."""
        self._say("fault", said_of(error), now)

    def cannot_write(self, error: BaseException, now: datetime) -> None:
        """What cannot be written: the same, for there may be several that take turns."""
        self._say("cannot write", str(error), now)

    def _say(self, word: str, text: str, now: datetime) -> None:
        last = self._faults.get(text)
        if last is None or not last <= now < last + FAULT:
            self._faults[text] = now
            self._event(word, text)


def said_of(error: BaseException) -> str:
    """What is wrong in words; a fault of ours with its traceback. The same fault gives the same words."""
    text = str(error) or type(error).__name__
    if not isinstance(error, ExecutordError | OSError):
        text = f"{text}\n{''.join(traceback.format_exception(error))}"
    return _ADDRESS.sub("0x…", text)
