"""The boundary of a case: whatever goes wrong in one stays there, and never stops the others [REL-4].

Counterparts: `parked.py`, which keeps what is wrong and says when it is tried again; `__init__.py` and its other parts,
which do within it whatever can go wrong.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from executord.errors import CannotWrite, ExecutordError, NotOurs
from executord.service.house import House
from executord.service.parked import Parked

T = TypeVar("T")


class Hall(Protocol):
    """What is needed of the service."""

    house: House
    parked: Parked


class Boundary:
    """Around every case of one tree, and around what is done for none of them.

    `drop` lets go of a case; `event`: what and of what, for the log. `cannot_write` says why nothing can be written,
    None where it can; `troubles`, why not all mail could be read, until it could be.
    """

    def __init__(self, service: Hall, drop: Callable[[str], None], event: Callable[[str, str], None]) -> None:
        self._service, self._drop, self._event = service, drop, event
        self.tells = True  # hitl of what is broken: not for those who only look
        self.cannot_write: str | None = None
        self.troubles: set[str] = set()

    def guarded(self, case_id: str | None, now: datetime, work: Callable[[], None]) -> bool:
        """Do it, for this case or for none. False: it went wrong, and the case is parked, or the fault is told."""
        try:
            work()
        except (CannotWrite, NotOurs) as error:
            self.full(error, now)
            if case_id is not None:
                self.breaks(case_id, error, now)
            return False
        except Exception as error:  # whatever a case or a rule holds ends here: parked, in the log, in front of hitl
            if case_id is not None:
                self.breaks(case_id, error, now)
            elif isinstance(error, OSError):  # for want of descriptors, of an inbox that may be read
                text = f"{error.strerror}: {error.filename or 'the memory'}; it is tried again"
                if text not in self.troubles:
                    self._event("cannot go on", text)
                self.troubles.add(text)
            else:
                self._service.parked.fault(error, now)
            return False
        return True

    def asked(self, case_id: str | None, now: datetime, work: Callable[[], T], otherwise: T) -> T:
        """What that work answers; `otherwise` where it goes wrong, guarded like any other."""
        answers = [otherwise]
        self.guarded(case_id, now, lambda: answers.append(work()))
        return answers[-1]

    def breaks(self, case_id: str, error: BaseException, now: datetime) -> None:
        """Park the case and say so; hitl is told where waiting alone does not help."""
        with contextlib.suppress(Exception):  # what is wrong with it may trip this up too
            self._drop(case_id)
        said = self._service.parked.park(case_id, error, now)
        if said is not None and self.tells:
            self.guarded(None, now, partial(self._service.house.tell_hitl, case_id, said, now))

    def full(self, error: ExecutordError, now: datetime) -> None:
        """Nothing can be written now; what is due waits."""
        self.cannot_write = str(error)
        self._service.parked.cannot_write(error, now)
