"""Under which names files of ours can lie: which are free, and what is to become of another's on one [MEM-14, MEM-23].

Counterparts: `hands.py`, which fills them; `disk.py`, which never replaces what it does not own.
"""

from __future__ import annotations

import hashlib
import os

from executord.files.disk import DOT
from executord.files.store import Store
from executord.paper.gate import ours_to_mend, regular
from executord.reading import find, text_of

_OURS = b"\ngenerated_by: executord\n"  # as `pen` writes it [MEM-16]
_WHOLE = 64 << 20  # bytes; what is larger is none of ours


def dot_name(case_id: str, line: str) -> str:
    """The staged name of what a line publishes: made from the line's name, so redo finds it, and never too long."""
    digest = hashlib.sha256(f"{case_id}\0{line}".encode(errors="surrogatepass")).hexdigest()[:32]
    return f"{DOT}{digest}"


class Naming:
    """Of one tree; all paths count from the memory. A name that a batch in work will fill is as taken as one that is
    filled, and one that it will leave is nobody's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taken: set[str] = set()
        self._leaving: set[str] = set()

    # -- the batch in work ---------------------------------------------------------------------------------

    def take(self, path: str | None) -> None:
        """A line of the batch will fill this name."""
        if path is not None:
            self._taken.add(path)

    def leave(self, path: str) -> None:
        """A line of the batch will move away what lies there."""
        self._leaving.add(path)

    def void(self, source: str | None, target: str | None) -> None:
        """The line that would have left the one and filled the other is not carried out."""
        self._leaving.discard(source or "")
        self._taken.discard(target or "")

    def release(self) -> None:
        """The batch is carried out: what lies there says it all."""
        self._taken.clear()
        self._leaving.clear()

    # -- names ---------------------------------------------------------------------------------------------

    def is_free(self, path: str) -> bool:
        """Whether nothing lies under this name, and nothing will when the batch in work is carried out."""
        return path not in self._taken and not os.path.lexists(f"{self._store.root}/{path}")

    def free(self, path: str, data: bytes | None = None) -> str:
        """This name, or `{stem}~2` where something lies there already that is not this `data`."""
        stem, _, ending = path.rpartition(".")
        k = 1
        while True:
            name = path if k == 1 else f"{stem}~{k}.{ending}"
            if name not in self._taken:
                there = self.content(name)
                if there is None or (data is not None and there == data):
                    return name
            k += 1

    def content(self, path: str) -> bytes | None:
        """What lies there, None for nothing; empty for what is no file that we could read. Raises `OSError` where
        the machine, not the file, is in the way."""
        full = f"{self._store.root}/{path}"
        if not os.path.lexists(full):
            return None
        try:
            with os.fdopen(regular(full), "rb") as file:
                return file.read(_WHOLE)
        except FileNotFoundError:
            return None
        except OSError as error:
            if ours_to_mend(error):
                raise  # not to know what lies there is no reason to take another name
            return b""

    def is_ours(self, path: str) -> bool:
        """Whether the file there, if there is one, was written by us."""
        data = self.content(path)
        return data is None or _OURS in data

    def occupant(self, path: str) -> str | None:
        """Where a file that lies on a name of ours is to be moved, None if the name is free [MEM-23]."""
        full = f"{self._store.root}/{path}"
        if path in self._taken or path in self._leaving:
            return None
        if not os.path.lexists(full):
            return None
        stem, _, ending = path.replace("/outputs/final/", "/outputs/partial/").rpartition(".")
        body = self._store.body(path)
        if self.is_ours(path):
            if "/outputs/final/" in path:
                return self.free(f"{stem}.from-unknown.{ending}")
            n = body.get("attempt")
            return self.free(f"{stem}.attempt-{n if n else 'none'}.{ending}")
        agent = text_of(find(body, ("from", "agent", "by", "author", "generated_by")).value).splitlines()
        return self.free(f"{stem}.from-{_segment(agent[0]) if agent else 'unknown'}.{ending}")


def _segment(text: str) -> str:
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in text.strip().lower())
    return safe[:60] or "unknown"
