"""How much one look at a case may take before it is broken off: lines, and in the daemon seconds of CPU [REL-4].

Lines are counted from one quiet moment of the case to the next, so a rule that always finds something more to do
writes no endless journal; what arrives begins the count anew. Seconds are those of this process, not of the wall: a
slow disk or a stopped machine breaks nothing off. Counterpart: `parked.py`, which parks the case and tries it again.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from executord.errors import TooMuch

LINES, LINES_A_TASK = 2000, 100
SECONDS, SECONDS_A_TASK = 20.0, 0.001  # well within the 120 s after which systemd takes us for dead
READING = 90.0  # to read what changed, which may be a hundred thousand files
_ARRIVALS = frozenset({"file", "edit", "admit", "hand-move", "open", "replan"})  # verbs of what came from outside


class _Over(BaseException):
    """The time is over. No `Exception`, so nothing on its way out can mistake it for a fault in a file."""


class Patience:
    """Of one daemon. With `seconds` None only lines are counted, as wherever the clock stands."""

    def __init__(self, seconds: float | None = None) -> None:
        if threading.current_thread() is not threading.main_thread():
            seconds = None  # signals are only heard in the main thread
        self._seconds = seconds
        self._lines: dict[str, int] = {}
        self._armed = False

    def count(self, case_id: str, tasks: int, entries: Iterable[Mapping[str, Any]]) -> None:
        """These lines are about to be noted in one step; none: the case is quiet. Raises `TooMuch`."""
        lines = self._lines.pop(case_id, 0)
        most = LINES + LINES_A_TASK * tasks
        new = 0
        for entry in entries:
            new += 1
            if str(entry["name"]).split(" ", 1)[0] in _ARRIVALS:
                lines = 0
        if not new:
            return
        self._lines[case_id] = lines + new
        if lines + new > most:
            self._lines[case_id] = lines
            raise TooMuch(
                f"more than {most} lines came due at one look, and there was always one more",
                fix="a rule of ours goes round in circles: report it, with the journal",
            )

    def room(self, case_id: str, tasks: int) -> int:
        """How many lines may be noted in the next step; one more than is left, for that it is too much must be seen."""
        return LINES + LINES_A_TASK * tasks - self._lines.get(case_id, 0) + 1

    def within(self, tasks: int, work: Callable[[], None], seconds: float = SECONDS) -> None:
        """Do it, in at most so many seconds and some for each task; else `TooMuch`, and what it did is void."""
        if self._seconds is None:
            return work()
        most = self._seconds * seconds / SECONDS + SECONDS_A_TASK * tasks
        before = signal.signal(signal.SIGVTALRM, self._ring)
        try:
            try:
                self._armed = True
                signal.setitimer(signal.ITIMER_VIRTUAL, most, 1.0)  # again, should somebody swallow the first
                work()
            finally:
                self._disarm()
        except _Over:
            self._disarm()
            raise TooMuch(
                f"a look took more than {most:g} s of CPU",
                fix="something in this case is too much for us: report it, with the case",
            ) from None
        finally:
            signal.signal(signal.SIGVTALRM, before)

    def _ring(self, _number: int, _frame: object) -> None:
        if self._armed:
            raise _Over

    def _disarm(self) -> None:
        with contextlib.suppress(_Over):
            self._armed = False
        self._armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
