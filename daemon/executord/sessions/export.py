"""The artifacts of a complete session, copied to a folder and compared [SES-23].

Copying can take long and can fail in every way, so it runs in a thread of its own and says how it ended. Nothing that
lies in the target is replaced, and nothing in the session is changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
from dataclasses import dataclass

from executord.files.disk import rename
from executord.paper.gate import reader

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: how many files lie there now, or what went wrong."""

    files: int
    fault: str | None = None


class Exporter:
    """One export at a time."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether it is still copying."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self, path: str, target: str) -> None:
        """Copy `artifacts/` of the session at `path` to `target`."""
        if self.busy:
            return
        self.outcome = None
        self._thread = threading.Thread(target=self._run, args=(path, target), name="export", daemon=True)
        self._thread.start()

    def wait(self, seconds: float = 5.0) -> None:
        """Give it a moment to end."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, path: str, target: str) -> None:
        try:
            self.outcome = Outcome(export(path, target))
        except (OSError, ValueError) as error:
            said = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            name = getattr(error, "filename", None)
            self.outcome = Outcome(0, f"{said}: {name}" if name else said)


def export(path: str, target: str) -> int:
    """Copy and compare; answers how many files. Raises `OSError` or `ValueError`."""
    source = f"{path}/artifacts"
    os.makedirs(target, exist_ok=True)
    if f"{os.path.realpath(target)}/".startswith(f"{os.path.realpath(path)}/"):
        raise ValueError(f"{target} lies in the session itself")
    count = 0
    if not os.path.isdir(source):
        return 0
    for folder, folders, files in os.walk(source, onerror=_raise):
        folders.sort()
        inner = os.path.relpath(folder, source)
        place = os.path.normpath(f"{target}/{inner}")
        os.makedirs(place, exist_ok=True)
        for name in sorted(n for n in files if not n.startswith(".x-")):
            full = f"{folder}/{name}"
            if not stat.S_ISREG(os.lstat(full).st_mode):
                continue  # a link leads who knows where
            _copy(full, f"{place}/{name}")
            count += 1
    return count


def _raise(error: OSError) -> None:
    raise error


def _copy(source: str, target: str) -> None:
    """One file: written aside, made durable, compared, renamed without replacing."""
    wanted = digest(source)
    if os.path.lexists(target):
        if os.path.isfile(target) and not os.path.islink(target) and digest(target) == wanted:
            return
        raise ValueError(f"{target} exists already, with other contents")
    aside = f"{os.path.dirname(target)}/.x-{hashlib.sha256(target.encode(errors='surrogateescape')).hexdigest()[:24]}"
    try:
        with reader(source) as read, open(aside, "wb") as write:
            while block := read.read(_BLOCK):
                write.write(block)
            write.flush()
            os.fsync(write.fileno())
        if digest(aside) != wanted:
            raise ValueError(f"{target} is not what was copied")
        os.chmod(aside, stat.S_IMODE(os.stat(source).st_mode))
        if not rename(aside, target):
            raise ValueError(f"{target} exists already")
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)


def digest(path: str) -> str:
    """The sha256 of a file."""
    found = hashlib.sha256()
    with reader(path) as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
