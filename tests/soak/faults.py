"""What befalls the daemon's machine and its processes [REL-2, REL-5, REL-6]."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections import Counter

from tests.real.kit import INBOX, environ
from tests.soak.memory import Memory

QUEUE = 16_384  # what the kernel's queue of events holds
FAULTS = (
    "kill", "kill", "kill", "kill", "kill in a row", "stop", "freeze", "descriptors", "burst", "state lost",
    "disk full", "case read-only", "memory read-only",
)  # fmt: skip
KILLS = ("kill", "kill", "kill", "kill in a row", "stop", "state lost")


class Faults:
    """One after another, each as often as its word stands in the list."""

    def __init__(self, tree: Memory, seed: int, words: tuple[str, ...] = FAULTS) -> None:
        self.tree, self.dice, self.words = tree, random.Random(seed), words
        self.survived: Counter[str] = Counter()
        self.unsound: list[str] = []

    def one(self) -> None:
        """One of them, if this machine can do it."""
        name = self.dice.choice(self.words)
        if self._did(name):
            self.survived[name] += 1

    def _did(self, name: str) -> bool:
        process = self.tree.process
        assert process is not None
        match name:
            case "kill":
                self.tree.kill()
                self.tree.start()
            case "kill in a row":
                for _ in range(3):
                    self.tree.kill()
                    self._begin()
                    time.sleep(self.dice.random())
                self.tree.kill()
                self.tree.start()
            case "stop":
                if self.tree.stop() != 0:
                    self.unsound.append("it did not end well")
                self.tree.start()
            case "freeze":
                process.send_signal(signal.SIGSTOP)
                time.sleep(self.dice.uniform(0.5, 3))
                process.send_signal(signal.SIGCONT)
            case "descriptors" if shutil.which("prlimit"):
                limit = ["prlimit", "--pid", str(process.pid)]
                subprocess.run([*limit, "--nofile=4:4096"], check=False)
                time.sleep(self.dice.uniform(0.5, 2))
                subprocess.run([*limit, "--nofile=1024:4096"], check=False)
            case "burst":
                inbox = self.tree.root / INBOX / "executor"
                process.send_signal(signal.SIGSTOP)
                for k in range(QUEUE + 1000):
                    (inbox / f"noise-{k}.tmp").touch()
                    (inbox / f"noise-{k}.tmp").unlink()
                process.send_signal(signal.SIGCONT)
            case "state lost":
                self.tree.kill()
                shutil.rmtree(self.tree.state, ignore_errors=True)
                self.tree.start()
            case "disk full" if self.tree.own_disk:
                self.tree.full(self.dice.uniform(1, 4))
            case "case read-only" if self.tree.own_disk:
                cases = sorted(self.tree.root.glob("case-*"))[-10:]
                return bool(cases) and self.tree.read_only(self.dice.choice(cases), self.dice.uniform(1, 3))
            case "memory read-only" if self.tree.own_disk:
                return self.tree.read_only(self.tree.root, self.dice.uniform(1, 3))
            case _:
                return False
        return True

    def _begin(self) -> None:
        with self.tree.log.open("ab") as log:
            self.tree.process = subprocess.Popen(
                self.tree.command("run"), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environ()
            )
