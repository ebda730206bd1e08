"""A real daemon on a real tree, and workers that answer it, for tests that act from outside."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.calls import say

INBOX = "_communication/inbox"
STARTED: list[subprocess.Popen[bytes]] = []  # ended by `conftest.py` if a test leaves them


def drop(path: Path, text: str | bytes) -> None:
    """Put a file into place as every writer should: aside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent / f".{path.name[:80]}.{random.getrandbits(40):x}.tmp"
    aside.write_bytes(text if isinstance(text, bytes) else text.encode())
    aside.rename(path)


#: What steers the tests themselves.
STEERING = {f"EXECUTORD_{name}" for name in ("SEED", "FUZZ", "FUZZ_S", "SWEEP", "FAULTS", "KILLS", "REFUSALS", "ORDER")}


def environ() -> dict[str, str]:
    """That of this process without what steers the tests: a seed or a number of faults is no setting of the daemon."""
    return {k: v for k, v in os.environ.items() if k not in STEERING}


def _stalled() -> float:
    """Seconds, since some time, in which somebody on this machine waited for a processor or a disk."""
    total = 0
    for what in ("cpu", "io"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            total += int(Path(f"/proc/pressure/{what}").read_text().split("total=")[1].split()[0])
    return total / 1e6


class Patience:
    """So many seconds of a machine that has nothing else to do: what others take from it is not counted.

    A bound by the wall alone would make a busy machine fail a test that shows something else.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._began, self._before = seconds, time.monotonic(), _stalled()

    def over(self) -> bool:
        """Whether they have gone by; twenty times as long by the wall ends every patience."""
        wall = time.monotonic() - self._began
        mine = max(wall - (_stalled() - self._before), wall / 20)
        return mine > self._seconds


class Tree:
    """A memory for one test."""

    def __init__(self, root: Path, config: Mapping[str, Any] | None = None) -> None:
        self.root = root / "Agent_Memory"
        self.state = root / "state"
        self.config = root / "config.yaml"
        self.log = root / "daemon.log"
        (self.root / INBOX / "executor").mkdir(parents=True)
        self.config.write_text(yaml.safe_dump(dict(config or {})))
        self.process: subprocess.Popen[bytes] | None = None
        self.under: list[str] = []  # a program that runs the daemon: strace, prlimit, setpriv

    # -- the daemon ----------------------------------------------------------------------------------------

    def command(self, *args: str) -> list[str]:
        """A command line of executord on this tree."""
        return [sys.executable, "-m", "executord", *self.options(), *args]

    def options(self) -> list[str]:
        """Which tree, which configuration."""
        return ["--memory", str(self.root), "--state", str(self.state), "--config", str(self.config)]

    def start(self, *args: str, patience_s: float = 30) -> None:
        """Start the daemon and wait until it watches."""
        before = self.log.read_text(errors="replace").count("watching ") if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.under, *self.command("run", *args)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environ(),
            )
        STARTED.append(self.process)
        self.until(
            lambda: self.log.read_text(errors="replace").count("watching ") > before,
            "the daemon does not start",
            patience_s,
        )

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, patience_s: float = 20) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        self.process.terminate()
        patience = Patience(patience_s)
        while (code := self.process.poll()) is None and not patience.over():
            time.sleep(0.02)
        assert code is not None, f"the daemon does not end\n{self.tail()}"
        return code

    def call(
        self, *args: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; the daemon itself is started as ever."""
        if args[0] == "run":
            return subprocess.run(
                self.command(*args), capture_output=True, text=True, timeout=600, check=False, env=env or environ()
            )
        return say(*self.options(), *args, stdin=stdin, env=env or environ(), timeout=600)

    def until(self, condition: Any, why: str, timeout: float = 30.0) -> None:
        """Wait for something that the tree shows."""
        patience = Patience(timeout)
        while not condition():
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"{why}: the daemon ended with {self.process.returncode}\n{self.tail()}")
            if patience.over():
                raise AssertionError(f"{why}\n{self.tail()}")
            time.sleep(0.02)

    def tail(self) -> str:
        """The end of the daemon's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:]) if self.log.exists() else ""

    # -- the tree ------------------------------------------------------------------------------------------

    def put(self, path: Path, text: str | bytes) -> None:
        """A file into its place."""
        drop(path, text)

    def case(self, case_id: str, tasks: Iterable[str], *, tier: int = 3, plan: str | None = None) -> None:
        """A plan; the tasks' files come later."""
        listed = "".join(f"  - {t}\n" for t in tasks)
        self.put(self.root / case_id / "instruction.yaml", f"title: {case_id}\npriority: medium\n")
        self.put(self.root / case_id / "workflow" / "plan.yaml", plan or f"tier: {tier}\ntasks:\n{listed}")

    def task(self, case_id: str, task_id: str, text: str = "") -> None:
        """A task's file."""
        body = text or f"id: {task_id}\ntitle: work on {task_id}\nassigned_to: technical-support-engineer\n"
        self.put(self.root / case_id / "tasks" / "pending" / f"{task_id}.yaml", body)

    def message(self, name: str, body: Mapping[str, Any] | str | bytes) -> None:
        """A message for the daemon."""
        data = body if isinstance(body, str | bytes) else yaml.safe_dump(dict(body), allow_unicode=True)
        self.put(self.root / INBOX / "executor" / name, data)

    def completed(self, case_id: str) -> set[str]:
        """Names of the files in completed/."""
        folder = self.root / case_id / "tasks" / "completed"
        return {p.stem for p in folder.iterdir()} if folder.is_dir() else set()

    def inbox(self, agent: str) -> list[str]:
        """What lies in an agent's inbox."""
        folder = self.root / INBOX / agent
        return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []

    def journal(self, case_id: str) -> list[dict[str, Any]]:
        """All journal lines of a case."""
        parts = sorted((self.root / case_id / "outputs" / "partial").glob("journal*.yaml"), key=part_number)
        return [e for p in parts for e in yaml.load(p.read_bytes(), yaml.CSafeLoader) or () if "name" in e]


def part_number(path: Path) -> tuple[int, str]:
    """By this the parts of a journal are in order: the one without a number is the newest."""
    return (0, path.name) if path.name != "journal.yaml" else (1, "")


class Worker(threading.Thread):
    """An agent that takes each message away as it reads it and answers every delegation."""

    def __init__(self, tree: Tree, agent: str, *, poll_s: float = 0.01) -> None:
        super().__init__(daemon=True)
        self._tree, self._agent, self._poll = tree, agent, poll_s
        self._box = tree.root / INBOX / agent
        self._end = threading.Event()
        self.got: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.faults: list[str] = []

    def run(self) -> None:
        """Until told to stop."""
        while not self._end.wait(self._poll):
            with contextlib.suppress(FileNotFoundError):
                for name in sorted(os.listdir(self._box)):
                    if not name.startswith("."):
                        self._take(self._box / name)

    def _take(self, path: Path) -> None:
        body = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        path.unlink()
        self.got[body["id"]] += 1
        self.kinds[body["type"]] += 1
        if body["type"] == "delegation":
            self._tree.message(
                f"{body['instruction_id']}-{body['task_id']}-a{body['attempt']}-done.yaml",
                f"type: completion\nfrom: {self._agent}\ninstruction_id: {body['instruction_id']}\n"
                f"task_id: {body['task_id']}\nattempt: {body['attempt']}\nsummary: did it\noutput: fine\n",
            )

    def stop(self) -> None:
        """No more."""
        self._end.set()
        self.join(5)
