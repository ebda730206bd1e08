"""The processes that are measured: the daemon, the bare loop, answering workers; all children, all ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import bare, trees
from tests.real.kit import Tree


@contextlib.contextmanager
def child(module: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A module as a process, once it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.{module}", *args],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{module} did not start")
        yield process
        if process.poll() is not None:
            raise RuntimeError(f"{module} ended with {process.returncode} while it was measured")
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def daemon(tree: Tree) -> Iterator[Tree]:
    """A running daemon on a tree; it must end well."""
    tree.start()
    try:
        yield tree
    finally:
        code = tree.stop()
    if code != 0:
        raise RuntimeError(f"the daemon ended with {code}\n{tree.tail()}")


@dataclass(frozen=True, slots=True)
class Running:
    """A loop that runs: the memory's folder, and its process."""

    root: Path
    pid: int

    def cpu_s(self) -> float:
        """Seconds of processor time that it has taken so far, user and system."""
        return cpu_s(self.pid)


def cpu_s(pid: int) -> float:
    """The same for any process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def loop(kind: str, base: Path, **more: Any) -> Iterator[Running]:
    """`executord` or `bare`, running on an empty memory below `base`."""
    base.mkdir()
    if kind == "bare":
        root = base / "Agent_Memory"
        bare.prepare(root)
        with child("bare", str(root)) as process:
            yield Running(root, process.pid)
        return
    tree = Tree(base, trees.config(**more))
    trees.inboxes(tree.root)
    with daemon(tree):
        assert tree.process is not None
        yield Running(tree.root, tree.process.pid)
