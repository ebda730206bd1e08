"""Whether a case lies as it was read: what a round asks before it reads anything again [REL-6, PERF-4].

A folder that has not changed holds the same names, so it need not be listed; each file that is known is asked for
itself, for a change in its place does not show in its folder. Counterpart: `store.py`, which reads where the answer is
no.

A folder may change twice at one time of its file system, whose times go on in steps. So one is believed only after it
was found the same at two looks that lay further apart than any step, and was listed at the second.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from executord.case.casebook import Case
from executord.case.packed import shared
from executord.files.seen import Seen
from executord.files.store import TASK_FOLDERS, Store
from executord.paper.gate import FACTS, identity_of

STEP_S = 3.0  # FAT counts in steps of two seconds, and no file system in longer ones
_FOLDER = struct.Struct("=QQqq")
_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_PARTS = ("", "/tasks", *(f"/tasks/{folder}" for folder in TASK_FOLDERS), "/workflow")  # each before those in it


@dataclass(slots=True)
class Repose:
    """How the folders of one case were found before it was read: what tells their state from any other, since when."""

    parts: tuple[str, ...]
    facts: bytes
    since: float = 0.0
    believed: bool = False
    revision: int = -1  # of the case, when it was read


class Watch:
    """Over one tree. `monotonic` None: nothing is believed, as where another machine keeps the times of files."""

    def __init__(self, store: Store, monotonic: Callable[[], float] | None) -> None:
        self._store, self._monotonic = store, monotonic
        self._kept: dict[str, Repose] = {}
        self._root: int | None = None

    @contextmanager
    def looking(self) -> Iterator[None]:
        """For a slice of a round: paths are looked up from the memory on. Held no longer, for it keeps a mount busy."""
        if self._monotonic is not None:
            with suppress(OSError):  # then everything is read, and says itself what is wrong
                self._root = os.open(self._store.root, _ROOT)
        try:
            yield
        finally:
            if self._root is not None:
                os.close(self._root)
            self._root = None

    def unchanged(self, case: Case) -> bool:
        """Whether everything that was read of this case, and every view of it, is there and as it was."""
        kept, root, seen = self._kept.get(case.id), self._root, self._store.seen[case.id]
        if kept is None or root is None or not kept.believed or kept.revision != case.revision:
            return False
        if seen.waiting or len(seen.views) <= len(case.head.incidents):
            return False
        base, stat, lstat, folder_facts, facts_of = case.id, os.stat, os.lstat, _FOLDER.pack, FACTS.pack
        try:  # the innermost loops of an idle daemon: no calls but these
            found = []
            for part in kept.parts:
                s = stat(base + part, dir_fd=root)
                found.append(folder_facts(s.st_dev, s.st_ino, s.st_mtime_ns, s.st_ctime_ns))
            if b"".join(found) != kept.facts:
                return False
            for where, files in ((f"{base}/tasks/", seen.files), (f"{base}/", seen.head)):
                for name, known in files.items():
                    s = lstat(where + name, dir_fd=root)
                    if facts_of(s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) != known[0]:
                        return False
            return all(identity_of(lstat(path, dir_fd=root)) == known[1] for path, known in seen.views.items())
        except (OSError, struct.error):  # a time that does not fit: it is read
            return False

    def folders(self, case_id: str) -> Repose | None:
        """The folders of a case before it is read; None where that cannot be told."""
        root = self._root
        if root is None:
            return None
        parts, facts = [], []
        for part in _PARTS:
            try:
                facts.append(_facts(os.stat(case_id + part, dir_fd=root)))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, struct.error):
                return None
            parts.append(part)
        return Repose(shared(tuple(parts)), b"".join(facts))

    def read(self, case: Case, before: Repose | None) -> None:
        """The case was read; `before`: how its folders were found before that."""
        seen = self._store.seen[case.id]
        if before is None or self._monotonic is None or not _at_rest(case, seen):
            self._kept.pop(case.id, None)
            return
        if {"/tasks", "/workflow"} <= {*before.parts} and "instruction.yaml" in seen.head:
            before.parts = shared(before.parts[1:])  # all that we read in the case's own folder is asked for itself
            before.facts = before.facts[_FOLDER.size :]
        last, now = self._kept.get(case.id), self._monotonic()
        before.since, before.revision = now, case.revision
        if last is not None and (last.parts, last.facts) == (before.parts, before.facts):
            before.since, before.believed = last.since, now - last.since >= STEP_S
        self._kept[case.id] = before

    def forget(self, case_id: str) -> None:
        """The case has left."""
        self._kept.pop(case_id, None)


def _facts(status: os.stat_result) -> bytes:
    return _FOLDER.pack(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


def _at_rest(case: Case, seen: Seen) -> bool:
    """Whether reading it again would do nothing: it is open, all of it is read and whole, and nothing is missed."""
    return (
        case.head.opened_at is not None
        and not (seen.waiting or case.head.missed)
        and not any(file.unread for _, file in seen.files.values())
    )
