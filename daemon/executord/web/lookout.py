"""What was read of a tree, kept between requests: only what has changed is read again [OPS-16, PERF-4].

Counterparts: `service/`, whose reading half it uses as `status` does; `pages.py`, which asks. Only reads, takes no
lock, and is used by one thread at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from executord.case.casebook import Case
from executord.clock import WallClock
from executord.errors import NotOurs
from executord.files import journal
from executord.files.disk import INBOX, OWN_INBOXES
from executord.files.seen import HEAD_FILES
from executord.files.store import TASK_FOLDERS
from executord.policy import Policy
from executord.service import Service
from executord.views import overview, shelves

EVERY_S = 1.0
#: After a look, so many times as long as it took nothing is read: whoever watches takes a fifth of a core at most.
REST = 4
#: What depends on the time alone (slack, a limit that has passed) is shown again at least this often.
AGING = timedelta(seconds=30)
ARCHIVE_EVERY_S = 30.0
_WATCHED = ("", "workflow", "outputs/partial", "outputs/final", *HEAD_FILES, journal.PLACE)
Mark = tuple[Any, ...]


class Lookout:
    """One tree as it was at the last look. `now` is that instant; `turn` counts the looks that found something."""

    def __init__(self, root: str, policy: Policy, clock: WallClock, *, every_s: float = EVERY_S) -> None:
        self.service = Service(root, policy, durable=False, before=_never)
        self.service.store.expect_settled = True
        self.root, self.policy = self.service.root, policy
        self.now = clock.now()
        self.turn = 0
        self.clock, self._every_s = clock, every_s
        self._again = clock.monotonic()
        self._marks: dict[str, Mark] = {}
        self._around: Mark | None = None
        self._views: dict[str, tuple[datetime, dict[str, Any]]] = {}

    def look(self) -> bool:
        """Look again if it is time to; whether anything may be shown differently from now on."""
        began = self.clock.monotonic()
        if began < self._again:
            return False
        found = self._read(self.clock.now())
        self.rest(self.clock.monotonic() - began)
        return found

    def rest(self, spent_s: float) -> None:
        """So much time went into looking or showing: the next look comes that much later, though not too late."""
        pause = min(max(self._every_s, REST * spent_s), AGING.total_seconds())
        self._again = max(self._again, self.clock.monotonic() + pause)

    def _read(self, now: datetime) -> bool:
        service = self.service
        marks = {case_id: mark_of(f"{self.root}/{case_id}") for case_id in service.store.case_ids()}
        around = mark_around(self.root)
        stale = {case_id for case_id in {*marks, *self._marks} if marks.get(case_id) != self._marks.get(case_id)}
        aged = not self.now <= now < self.now + AGING
        if self._around is not None and not stale and not aged and around == self._around:
            return False
        if aged:
            stale |= service.broken.keys()  # what the machine lacked may be there again
        before = _stopped(service)
        service.store.forget_inboxes()
        for case_id in stale:
            service.broken.pop(case_id, None)
            self._views.pop(case_id, None)
        service.load_all(now, sorted(stale))
        if _stopped(service) != before:
            self._views.clear()
        self._marks, self._around = marks, around
        self.now = now
        self.turn += 1
        return True

    # -- what is there -------------------------------------------------------------------------------------

    def ids(self) -> list[str]:
        """The instructions, readable or not, in order."""
        return sorted({*self.service.cases, *self.service.broken})

    def case(self, case_id: str) -> dict[str, Any]:
        """An instruction as `status` shows it [CON-8]. Raises `KeyError` for one that is not there."""
        if case_id not in self.service.cases and case_id not in self.service.broken:
            raise KeyError(case_id)
        kept = self._views.get(case_id)
        if kept is None or not kept[0] <= self.now < kept[0] + AGING:
            kept = self._views[case_id] = (self.now, self._view(case_id))
        return kept[1]

    def _view(self, case_id: str) -> dict[str, Any]:
        try:
            return overview.instruction(self.service, case_id, self.now)
        except Exception as error:  # the boundary of a case: its fault must not take the others from the board
            return overview.broken_view(case_id, f"it cannot be shown: {type(error).__name__}: {error}")

    def cases(self) -> Iterator[dict[str, Any]]:
        """All of them."""
        return map(self.case, self.ids())


class Archive:
    """The cases that were archived: they change no more, so they are read once, and again when others have come."""

    def __init__(self, root: str, policy: Policy) -> None:
        self._root, self._policy = root, policy
        self._lookout: Lookout | None = None

    def cases(self) -> Iterator[Case]:
        """All that can be read."""
        if not os.path.isdir(self._root):
            return
        if self._lookout is None:
            self._lookout = Lookout(self._root, self._policy, WallClock(), every_s=ARCHIVE_EVERY_S)
        self._lookout.look()
        yield from self._lookout.service.cases.values()


def mark_of(base: str) -> Mark:
    """What tells one state of an instruction's folder from another, as far as its case is made from it."""
    files = [
        (folder, *sorted(_files(f"{base}/tasks/{folder}"))) for folder in TASK_FOLDERS
    ]  # a file that is edited in place does not touch its folder
    return (*(_stat(f"{base}/{path}") for path in _WATCHED), *files)


def mark_around(root: str) -> Mark:
    """The same for what lies around the instructions: inboxes, what was rejected, and whether the daemon runs."""
    inboxes = sorted(name for name, *_ in _files(f"{root}/{INBOX}"))
    rejected = [f"{INBOX}/{name}/.rejected" for name in OWN_INBOXES]
    days = [f"{place}/{name}" for place in rejected for name, *_ in sorted(_files(f"{root}/{place}"))]
    paths = [*(f"{INBOX}/{name}" for name in inboxes), *rejected, *days]
    return tuple(sorted(shelves.daemon(root).items())), *((path, _stat(f"{root}/{path}")) for path in paths)


def _stopped(service: Service) -> tuple[object, ...]:
    """What holds for all instructions at once."""
    places = service.places
    return places.all_paused, places.paused, tuple(sorted(places.muted.items()))


def _files(folder: str) -> Iterator[tuple[str, int, int, int]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                yield entry.name, status.st_ino, status.st_size, status.st_mtime_ns ^ status.st_ctime_ns
    except OSError:
        return


def _stat(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns ^ found.st_ctime_ns


def _never(operation: str, path: str) -> None:
    raise NotOurs(f"the pages only read: {operation} {path}", path=path)
