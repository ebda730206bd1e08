"""Kills the daemon before its disk operations, in the middle of a story, and lets the story go on [REL-2].

At a failpoint the process forks. What lies on the disk at that moment is what `kill -9` leaves there; so the child
takes a copy of the tree, loses its daemon, starts a new one with the clock standing at the same instant, and plays the
rest of the story. Its tree must then be that of the undisturbed run, byte for byte.
"""

from __future__ import annotations

import difflib
import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from executord.files.marks import Marks
from tests.stories.kit import Died, Stage, Story, tree_of

SHOWN = 3  # failures that are told in full


@dataclass
class Sweep:
    """One story, dying at every `every`-th disk operation, from the `first` on.

    `again`: die also at every so many-th operation of the recovery, which is the first look after a death: what comes
    after it goes on from a tree like that of a daemon that never died. `lost`: with the state folder lost.
    """

    story: Story
    root: Path
    every: int = 1
    first: int = 0
    again: int = 0
    lost: bool = False
    wanted: dict[str, bytes | None] = field(default_factory=dict)
    operations: int = 0
    deaths: int = 0
    failures: list[str] = field(default_factory=list)
    depth: int = 0
    recovered: bool = False
    said: str = ""

    def run(self) -> Sweep:
        """Play it undisturbed, then once more with a death at each operation that is wanted."""
        first = self.stage("undisturbed")
        self.story.play(first)
        first.end()
        self.wanted = self.tree(first.root)
        stage = self.stage("stage")
        stage.before = self._failpoint(stage, self.every, self.first)
        try:
            self.story.play(stage)
            stage.end()
        except BaseException:
            if self.depth == 0:
                raise
            self._leave(stage, traceback.format_exc())
        difference = unlike(self.wanted, self.tree(stage.root))
        if self.depth:
            self._leave(stage, difference)
        assert not difference, f"two undisturbed runs differ:\n{difference}"
        return self

    def stage(self, name: str) -> Stage:
        """Where the story is played."""
        return Stage(self.root / name, self.story.config, strict=False)

    def tree(self, root: str) -> dict[str, bytes | None]:
        """What is compared."""
        return tree_of(root)

    def _failpoint(self, stage: Stage, every: int, first: int) -> Callable[[str, str], None]:
        count = -1

        def before(operation: str, path: str) -> None:
            nonlocal count
            count += 1
            if self.depth == 0:
                self.operations += 1
            elif self.recovered:
                return
            if count < first or (count - first) % every:
                return
            self.deaths += 1
            name = f"{self.said}{count}: {operation} {path}"
            report = self.root / f"report-{os.getpid()}-{count}"
            pid = os.fork()
            if pid == 0:
                self._die(stage, name, report)
            if os.waitpid(pid, 0)[1]:
                told = report.read_text() if report.exists() else "the child left no report"
                self.failures.append(f"died before {name}\n{told}")
                if self.depth:  # hand it up
                    self.report.write_text("\n".join(self.failures))

        return before

    def _die(self, stage: Stage, name: str, report: Path) -> None:
        """In the child: all that is left is the tree, and what the settle marks say."""
        self.depth += 1
        self.said, self.report, self.failures, self.deaths = f"{name}, then ", report, [], 0
        copied = f"{self.root}/copy-{os.getpid()}"
        copy_tree(stage.root, copied)
        stage.root = copied
        if self.lost:
            stage.marks = Marks(None)
        dies_again = self.again and self.depth == 1
        stage.before = self._failpoint(stage, self.again, self.again - 1) if dies_again else None
        self.recovered = False
        stage.looked = self._recovered
        raise Died

    def _recovered(self) -> None:
        self.recovered = True

    def _leave(self, stage: Stage, difference: str) -> None:
        if difference:
            self.failures.append(f"{difference}\n(the tree: {stage.root})")
        else:
            shutil.rmtree(stage.root, ignore_errors=True)
        if self.failures:
            self.report.write_text("\n".join(self.failures))
        os._exit(1 if self.failures else 0)

    def told(self) -> str:
        """The failures in words."""
        return f"{len(self.failures)} of {self.deaths} deaths left traces:\n" + "\n".join(self.failures[:SHOWN])


def copy_tree(source: str, target: str) -> None:
    """All files with their times."""
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            to = f"{target}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                copy_tree(entry.path, to)
            else:
                with open(entry.path, "rb") as file, open(to, "wb") as copied:
                    copied.write(file.read())
                times = entry.stat(follow_symlinks=False)
                os.utime(to, ns=(times.st_atime_ns, times.st_mtime_ns))
    times = os.stat(source)
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))


def unlike(wanted: dict[str, bytes | None], found: dict[str, bytes | None]) -> str:
    """How two trees differ, empty if they do not."""
    lines = []
    for path in sorted(wanted.keys() | found.keys()):
        if path not in found:
            lines.append(f"missing: {path}")
        elif path not in wanted:
            lines.append(f"too many: {path}")
        elif wanted[path] != found[path]:
            a, b = ((tree[path] or b"").decode(errors="replace").splitlines() for tree in (wanted, found))
            lines.append(f"different: {path}")
            lines += [f"  {line[:300]}" for line in difflib.unified_diff(a, b, "wanted", "found", lineterm="", n=0)][
                :20
            ]
    return "\n".join(lines[:60])
