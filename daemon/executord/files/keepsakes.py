"""What a daemon that stops knew of its cases, kept in the state folder: what has not changed need not be read again.

A keepsake counts only if the journal, the head and every task file are the very ones it was made from (device, inode,
size, mtime, ctime), all lines are carried out, and the program and its policy are the same; else the case is read from
its files as always. So losing the file, or any part of it, costs time and nothing else [OPS-10]. What is restored is
what reading would give: the tests hold the two side by side. Counterpart: `store.py`, which reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickle
import sys
import zlib
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from itertools import repeat
from operator import attrgetter
from typing import Any

from executord.case import Head, Task
from executord.case.casebook import Case
from executord.evolve import filled
from executord.files import journal
from executord.files.seen import HEAD_FILES, Seen
from executord.files.store import TASK_FOLDERS, Store
from executord.paper import TASK_ENDINGS, is_left_alone
from executord.paper.gate import Identity, identity_of, regular

NAME = "cases.bin"
HERE = os.path.dirname(os.path.abspath(__file__))
_PROTOCOL = 5
_LONGEST_HEAD = 4096  # bytes of the line before a keepsake
_MADE_OF = frozenset(("datetime", name) for name in ("date", "datetime", "time", "timedelta", "timezone"))


class Keepsakes:
    """The keepsakes of one tree. `folder` None: nothing is kept."""

    def __init__(self, store: Store, folder: str | None) -> None:
        self._store = store
        self._path = os.path.join(folder, NAME) if folder is not None else None
        self._places: dict[str, tuple[int, int, int, int]] = {}  # case → offset, size, checksum, last line
        self._given: set[str] = set()  # restored already: a case that is read once more is read from its files
        self._live = self._end = 0  # bytes that count; where the next one is written
        self._words = b""
        if self._path is not None:
            self._words = _words(store)
            try:
                self._find(self._path)
            except Exception:  # whatever lies there: what was found of it so far is not trusted, and it is made anew
                self._places, self._live, self._end = {}, 0, 0

    def _find(self, path: str) -> None:
        """Where each keepsake lies; of several of one case the last."""
        fd = regular(path)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                return  # not ours
            if file.readline(len(self._words) + 1) != self._words:
                return  # of another program
            while line := file.readline(_LONGEST_HEAD):
                head = json.loads(line)
                at, size = file.tell(), int(head["size"])
                if not 0 < size <= status.st_size - at:
                    return
                self._place(str(head["case"]), at, size, int(head["sum"]), int(head["n"]))
                file.seek(size, os.SEEK_CUR)
                self._end = at + size

    def _place(self, case_id: str, at: int, size: int, checksum: int, n: int) -> None:
        self._live += size - self._places.get(case_id, (0, 0, 0, 0))[1]
        self._places[case_id] = (at, size, checksum, n)

    def restore(self, case_id: str, settled: int | None) -> Case | None:
        """The case as it was, if nothing has changed since; `settled`: up to which line everything is carried out."""
        place = self._places.get(case_id)
        if place is None or self._path is None or settled is None or settled < place[3] or case_id in self._given:
            return None
        self._given.add(case_id)
        found = None
        with contextlib.suppress(Exception):  # whatever it is: it is read from its files instead
            found = self._read(self._path, case_id, place)
        if found is None:
            self._live -= self._places.pop(case_id)[1]
            return None
        case, self._store.seen[case_id] = found
        return case

    def _read(self, path: str, case_id: str, place: tuple[int, int, int, int]) -> tuple[Case, Seen] | None:
        with os.fdopen(regular(path), "rb") as file:
            file.seek(place[0])
            raw = file.read(place[1])
        if zlib.crc32(raw) != place[2]:
            return None
        made_from, body = _load(raw)
        if made_from != self._probe(case_id, len(made_from[2])):
            return None
        case, seen = _load(body)
        if not isinstance(seen, Seen) or not _is_sound(case) or (case.id, case.n) != (case_id, place[3]):
            return None
        return case, seen

    def _probe(self, case_id: str, most: int) -> tuple[Any, Any, dict[str, Identity]] | None:
        """What lies there: journal, head, task files. None once there are more task files than `most`."""
        base = f"{self._store.root}/{case_id}"
        found: dict[str, Identity] = {}
        for folder in TASK_FOLDERS:
            with (
                contextlib.suppress(FileNotFoundError, NotADirectoryError),
                os.scandir(f"{base}/tasks/{folder}") as here,
            ):
                for entry in here:
                    if entry.name.endswith(TASK_ENDINGS) and not is_left_alone(entry.name):
                        found[f"{folder}/{entry.name}"] = identity_of(entry.stat(follow_symlinks=False))
                        if len(found) > most:
                            return None
        return _identity(f"{base}/{journal.PLACE}"), tuple(_identity(f"{base}/{name}") for name in HEAD_FILES), found

    def put(self, cases: dict[str, Case]) -> None:
        """Keep what is known of these cases: of each that is at rest and has changed since it was kept."""
        if self._path is None:
            return
        fresh = ((i, case) for i, case in cases.items() if self._places.get(i, (0, 0, 0, -1))[3] != case.n)
        with contextlib.suppress(OSError):  # without room for it the next start takes longer
            if self._end == 0 or self._end > 2 * self._live + (1 << 20):
                self._places, self._live = {}, 0
                aside = f"{self._path}.new"
                with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                    file.write(self._words)
                    self._write(file, cases.items())
                os.replace(aside, self._path)
            else:
                with open(self._path, "r+b") as file:
                    file.seek(self._end)
                    file.truncate()
                    self._write(file, fresh)

    def _write(self, file: Any, cases: Any) -> None:
        for case_id, case in cases:
            seen = self._store.seen.get(case_id)
            made_from = self._probe(case_id, len(seen.files)) if seen is not None and _at_rest(case, seen) else None
            if (
                seen is None
                or made_from is None
                or made_from[2] != {key: known[0] for key, known in seen.files.items()}
            ):
                continue
            head = {name: known[0] for name, known in seen.head.items()}
            if made_from[1] != tuple(head.get(name) for name in HEAD_FILES):
                continue
            raw = _dump((made_from, _dump((case, seen))))
            line = {"case": case_id, "n": case.n, "size": len(raw), "sum": zlib.crc32(raw)}
            file.write(json.dumps(line).encode() + b"\n")
            at = file.tell()
            file.write(raw)
            self._place(case_id, at, len(raw), line["sum"], case.n)
            self._end = at + len(raw)


def _at_rest(case: Case, seen: Seen) -> bool:
    """Whether a start would see this case as it is: opened, nothing half read, nothing known that no file says."""
    return (
        case.head.opened_at is not None
        and not seen.waiting
        and not (case.letters or case.outcomes or case.clashed or case.gone or case.head.missed or case.running)
        and not any(file.unread for _, file in seen.files.values())
        and not any(t.rivals or t.process_seen is not None or t.start_after is not None for t in case.tasks.values())
    )


def _identity(path: str) -> Identity | None:
    try:
        return identity_of(os.lstat(path))
    except OSError:
        return None


def _words(store: Store) -> bytes:
    """The first line of the file: by which program, and under which policy, it was made."""
    digest = hashlib.sha256(
        f"{sys.version} {store.policy.zone!r} {sorted(store.policy.domains)} {store.limits!r}".encode()
    )
    digest.update(f"{store.policy.settle} {store.root}".encode(errors="surrogateescape"))
    for folder, folders, names in os.walk(HERE):
        folders.sort()
        for name in sorted(n for n in names if n.endswith(".py")):
            status = os.stat(os.path.join(folder, name))
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return json.dumps({"keepsakes": 1, "by": digest.hexdigest()}).encode() + b"\n"


# --- values as bytes: frozen ones at the price of tuples --------------------------------------------------------------


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is Case:
            return _case, tuple(getattr(value, name) for name in _KEPT)
        if kind is Seen:
            of_this_run: tuple[Any, ...] = ({}, None, -1)
            known: tuple[Any, ...] = (value.files, value.head, {}, value.by_id, True, value.journal)
            return Seen, (*known, *of_this_run, value.faults, value.strangers)
        if is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            return _made, (kind, _getter(kind)(value))
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Our own values and what they are made of, nothing else: nothing that a module of ours only imports."""
        known = _FOUND.get((module, name))
        if known is not None:
            return known
        if module.startswith("executord.") or (module, name) in _MADE_OF:
            found = super().find_class(module, name)
            if found in (_case, _made) or (isinstance(found, type) and found.__module__ == module):
                _FOUND[module, name] = found
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no value of ours")


_FOUND: dict[tuple[str, str], Any] = {}  # what was allowed once: each keepsake names the same few


def _dump(value: Any) -> bytes:
    found = io.BytesIO()
    _Pickler(found, _PROTOCOL).dump(value)
    return found.getvalue()


def _load(raw: bytes) -> Any:
    return _Unpickler(io.BytesIO(raw)).load()


#: What is kept of a case: not what others tell it, and what is made again from the rest.
_ANEW = {"memo", "memos", "on_holder", "survey", "dirty", "commanding", "head_dirty"}
_KEPT = tuple(f.name for f in fields(Case) if f.name not in _ANEW)
_AFRESH = tuple(
    (f.name, f.default_factory if f.default_factory is not MISSING else repeat(f.default).__next__)
    for f in fields(Case)
    if f.name in _ANEW
)


def _case(*known: Any) -> Case:
    case = object.__new__(Case)
    for name, value in zip(_KEPT, known, strict=True):
        setattr(case, name, value)
    for name, make in _AFRESH:
        setattr(case, name, make())
    return case


def _is_sound(case: object) -> bool:
    """Whether it is a case with everything of the kind that it has in every case; what stands in it may still be wrong:
    then the case is parked, and at the next try read from its files."""
    if not isinstance(case, Case) or not all(isinstance(t, Task) and t.id == i for i, t in case.tasks.items()):
        return False
    return all(isinstance(getattr(case, name), kind) for name, kind in _kinds())


@cache
def _kinds() -> tuple[tuple[str, type], ...]:
    """The fields of a case that are of one kind in every case, with it."""
    fresh = Case("any")
    kinds = ((name, type(getattr(fresh, name))) for name in _KEPT)
    return tuple((name, kind) for name, kind in kinds if kind in (dict, list, int, bool, Head))


@cache
def _getter(kind: Any) -> Any:
    names = [f.name for f in fields(kind)]
    if len(names) == 1:
        return lambda value: (getattr(value, names[0]),)
    return attrgetter(*names) if names else lambda _value: ()


def _made(kind: Any, values: tuple[Any, ...]) -> Any:
    return filled(kind)(*values)
