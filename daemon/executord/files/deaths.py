"""Cases that were in work when the daemon died: the third time in a row such a case is parked [OPS-24, REL-4].

Lies in the state folder. One small write before and after the work on a case, never synced: it has to survive the
death of the process, not of the machine. A look that succeeds clears the count.
"""

from __future__ import annotations

import contextlib
import json
import os
import weakref

TOO_MANY = 3
_WIDTH = 512  # bytes; a case's name is at most 255


class Deaths:
    """Counts by case. `folder` None: nothing is kept."""

    def __init__(self, folder: str | None) -> None:
        self._fd: int | None = None
        self._counts: dict[str, int] = {}
        self._counts_path: str | None = None
        if folder is None:
            return
        self._counts_path = os.path.join(folder, "deaths.json")
        with contextlib.suppress(Exception), open(self._counts_path, encoding="utf-8") as file:  # whatever lies there
            self._counts = {str(k): int(v) for k, v in json.load(file).items()}
        try:
            os.makedirs(folder, exist_ok=True)
            self._fd = os.open(os.path.join(folder, "in-work"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return  # without room for it nothing is counted; nothing else depends on it
        weakref.finalize(self, os.close, self._fd)
        name = os.fsdecode(os.pread(self._fd, _WIDTH, 0).split(b"\0", 1)[0])
        if name:
            self._counts[name] = self._counts.get(name, 0) + 1
            self._save()
            self.working(None)

    def poison(self, case_id: str) -> bool:
        """Whether this case was in work at so many deaths in a row that it is not touched again."""
        return self._counts.get(case_id, 0) >= TOO_MANY

    def working(self, case_id: str | None) -> None:
        """This case is in work now; None: none is."""
        if self._fd is not None:
            name = os.fsencode(case_id) if case_id is not None else b""
            with contextlib.suppress(OSError):
                os.pwrite(self._fd, name + b"\0", 0)

    def survived(self, case_id: str) -> None:
        """The work on this case came to its end."""
        if self._counts.pop(case_id, None) is not None:
            self._save()

    def _save(self) -> None:
        if self._counts_path is not None:
            with contextlib.suppress(OSError), open(self._counts_path, "w", encoding="utf-8") as file:
                json.dump(self._counts, file)
