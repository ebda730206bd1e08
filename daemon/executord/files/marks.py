"""The settle mark: up to which line of each journal everything is carried out [MEM-21].

It lies in the state folder; losing it loses nothing: then the last batch of each case is looked at again. A line
per case and sleep is appended, and the file is written anew when it has grown long.
"""

from __future__ import annotations

import contextlib
import json
import os

REWRITE_AT = 1 << 20  # bytes


def unusable(folder: str) -> str | None:
    """Why nothing can be kept in a state folder; None if something can. It is made if it is not there."""
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError:
        return "it is no folder"
    except OSError as error:
        return error.strerror or str(error)
    return None if os.access(folder, os.W_OK | os.X_OK) else "it cannot be written"


class Marks:
    """Marks of all cases of one tree. `folder` None: kept in memory only, as `simulate` wants it."""

    def __init__(self, folder: str | None) -> None:
        self._path = os.path.join(folder, "settled.jsonl") if folder is not None else None
        self._settled: dict[str, int] = {}
        self.waiting: dict[str, int] = {}
        if folder is not None:
            with contextlib.suppress(OSError):
                os.makedirs(folder, exist_ok=True)
            self._read()

    def _read(self) -> None:
        assert self._path is not None
        with contextlib.suppress(OSError), open(self._path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    case_id, n = json.loads(line)
                    self._settled[str(case_id)] = int(n)
                except (ValueError, TypeError, OverflowError, RecursionError):
                    continue  # a torn line: that case looks at more of its journal again

    def of(self, case_id: str) -> int | None:
        """The last line of a case that is known to be carried out, None if none is."""
        return self.waiting.get(case_id, self._settled.get(case_id))

    def did(self, case_id: str, n: int) -> None:
        """Lines up to n are carried out; the next `settle` says so."""
        self.waiting[case_id] = n

    def settle(self) -> None:
        """Write the marks. Called before a sleep, once the renames that they cover are on disk."""
        self._settled.update(self.waiting)
        lines = "".join(json.dumps([c, n]) + "\n" for c, n in self.waiting.items())
        self.waiting.clear()
        if self._path is None:
            return
        with contextlib.suppress(OSError):  # without marks more is looked at again: nothing is lost
            if os.path.exists(self._path) and os.path.getsize(self._path) > REWRITE_AT:
                aside = self._path + ".new"
                with open(aside, "w", encoding="utf-8") as file:
                    file.writelines(json.dumps([c, n]) + "\n" for c, n in self._settled.items())
                os.replace(aside, self._path)
                return
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(lines)
