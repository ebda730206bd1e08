"""What lies under the names that a claim gives: the facts by which it is verified [EXE-13].

Counterpart: `verification.py`, which judges them. Only reads.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import replace

from executord.case import FileFact, Letter
from executord.errors import Unreadable
from executord.paper import Limits, read_sheet
from executord.scalars import placeholder
from executord.verification import holes, paths_named

_ELSEWHERE = "it does not lie in the instruction's outputs/, or is a link that leads out of them"


class Evidence:
    """The outputs of one tree's instructions. `root` is absolute."""

    def __init__(self, root: str, limits: Limits) -> None:
        self._root, self._limits = root, limits

    def with_files(self, letter: Letter, case_id: str, task_id: str | None) -> Letter:
        """The letter with the facts of the files that it names."""
        named = paths_named(letter.body)
        if not named:
            return letter
        return replace(letter, files=tuple(self.file_facts(case_id, task_id, named)))

    def file_facts(
        self, case_id: str, task_id: str | None, named: Iterable[str], *, missing: bool = True
    ) -> list[FileFact]:
        """What lies under these names: from the instruction, the memory, or the task's own folder [EXE-13].

        With `missing`, a name under which nothing lies is a fact with a fault.
        """
        facts: list[FileFact] = []
        for name in named:
            path = self._resolve(case_id, task_id, name)
            if path is None:
                if missing:
                    facts.append(FileFact(name, fault=_ELSEWHERE))
                continue
            full = f"{self._root}/{case_id}/{path}"
            if os.path.isdir(full):
                inner = [
                    os.path.relpath(os.path.join(d, f), f"{self._root}/{case_id}")
                    for d, _, files in sorted(os.walk(full)) for f in sorted(files) if not f.startswith(".")
                ]  # fmt: skip
                facts.extend(self._file_fact(case_id, each) for each in inner)
                if not inner and missing:
                    facts.append(FileFact(path, fault="the folder is empty"))
            elif os.path.lexists(full):
                facts.append(self._file_fact(case_id, path))
            elif missing:
                led_away = os.path.lexists(f"{self._root}/{case_id}/{name.removeprefix(f'{case_id}/')}")
                facts.append(FileFact(name, fault=_ELSEWHERE if led_away else "it does not exist"))
        return facts

    def _resolve(self, case_id: str, task_id: str | None, name: str) -> str | None:
        base = f"{self._root}/{case_id}"
        outputs = os.path.realpath(f"{base}/outputs")
        options = [name.removeprefix(f"{case_id}/")]
        if os.path.isabs(name):
            options = [os.path.relpath(name, base)]
        else:
            options += [f"outputs/{name}", f"outputs/partial/{task_id}/{name}", f"outputs/partial/{name}"]
        inside = [
            o for o in map(os.path.normpath, options)
            if os.path.realpath(f"{base}/{o}").startswith(outputs + os.sep) and not o.startswith("..")
        ]  # fmt: skip
        return next((o for o in inside if os.path.lexists(f"{base}/{o}")), inside[0] if inside else None)

    def _file_fact(self, case_id: str, path: str) -> FileFact:
        full = f"{self._root}/{case_id}/{path}"
        try:
            fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return FileFact(path, fault="it is a symbolic link, not a regular file")
            return FileFact(path, fault=f"it cannot be read: {os.strerror(error.errno or 0)}")
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return FileFact(path, fault="it is no regular file")
            if status.st_size == 0:
                return FileFact(path, fault="it is empty")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        fault = None
        if path.endswith((".yaml", ".yml")) and status.st_size <= self._limits.bytes:
            sheet = read_sheet(full, path, self._limits)
            if isinstance(sheet, Unreadable):
                fault = f"it does not parse: {sheet.message}" + (f" (line {sheet.line})" if sheet.line else "")
            elif sheet.data is not None:
                hole = next(iter(holes(sheet.data, path.rsplit("/", 1)[-1])), None) or placeholder(sheet.data)
                fault = hole
        return FileFact(path, status.st_size, digest, fault)
