"""`make soak`: run it, watch it, and say how much was held, survived, tried and lost."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.real.kit import INBOX, Patience, Tree, environ
from tests.soak.load import AGENTS, Answering, Hands, Planner, Poisoner, states

CONFIG = {
    "settle": "0.3 seconds",
    "round": "5 seconds",
    "roster": {agent: {"capacity": 0} for agent in AGENTS},
}


class Soak:
    """One run."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.tree = Tree(folder, CONFIG)
        self.dice = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.unsound: list[str] = []
        self.looks = 0
        self.planner = Planner(self.tree, seed, 0.25)
        self.others = [Hands(self.tree, seed + 1, 0.4), Poisoner(self.tree, seed + 2, 0.3)]
        self.workers = [Answering(self.tree, agent, seed + k) for k, agent in enumerate(AGENTS, 3)]

    # -- faults of the machine -----------------------------------------------------------------------------

    def fault(self) -> None:
        """One of them."""
        names = ("kill", "kill", "kill", "kill in a row", "stop", "freeze", "descriptors", "burst", "state lost")
        name = self.dice.choice(names)
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
                for k in range(17_000):  # one more than the kernel's queue holds
                    (inbox / f"noise-{k}.tmp").touch()
                    (inbox / f"noise-{k}.tmp").unlink()
                process.send_signal(signal.SIGCONT)
            case "state lost":
                self.tree.kill()
                shutil.rmtree(self.tree.state, ignore_errors=True)
                self.tree.start()
            case _:
                return
        self.faults[name] += 1

    def _begin(self) -> None:
        with self.tree.log.open("ab") as log:
            self.tree.process = subprocess.Popen(
                self.tree.command("run"), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environ()
            )

    def check(self, why: str) -> None:
        """The daemon lives, and `fsck` finds nothing that stays."""
        process = self.tree.process
        if process is None or process.poll() is not None:
            self.unsound.append(f"{why}: the daemon has ended: {self.tree.tail()}")
            self.tree.start()
        self.looks += 1
        told = ""
        for _ in range(5):  # what is on its way may look broken for a moment
            try:
                found = self.tree.call("fsck")
            except subprocess.TimeoutExpired:
                told = "fsck took more than two minutes"
                continue
            wrong = [x for x in found.stdout.splitlines() if x.startswith("error") and "poisoned" not in x]
            told = "\n".join(wrong)  # of what was poisoned `fsck` must say so, and does
            if not wrong:
                return
            time.sleep(2)
        self.unsound.append(f"{why}: {told}")

    # -- the run -------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> dict[str, Any]:
        """So long; then everything has to come to its end."""
        began = time.monotonic()
        everybody = [self.planner, *self.others, *self.workers]
        self.tree.start()
        for each in everybody:
            each.start()
        next_check = began + 10
        while time.monotonic() - began < seconds:
            time.sleep(self.dice.uniform(0.5, 4))
            self.fault()
            if time.monotonic() > next_check:
                self.check(f"after {time.monotonic() - began:.0f} s")
                next_check = time.monotonic() + 20
        held = time.monotonic() - began
        self.planner.stop()
        for other in self.others:
            other.stop()
        self._until_done(120 + seconds / 4)
        for worker in self.workers:
            worker.stop()
        time.sleep(1)
        self.check("at the end")
        if self.tree.stop() != 0:
            self.unsound.append("it did not end well")
        return self._report(held)

    def _until_done(self, patience_s: float) -> None:
        patience = Patience(patience_s)
        while not patience.over() and any(self.tree.completed(c) < t for c, t in self.planner.cases.items()):
            time.sleep(0.5)

    def _report(self, held: float) -> dict[str, Any]:
        lost, twice = [], []
        for case_id, tasks in self.planner.cases.items():
            where = states(self.tree, case_id)
            lost += [f"{case_id}/{t}: {where.get(t, 'nowhere')}" for t in tasks if where.get(t) != ["completed"]]
            lines = self.tree.journal(case_id)
            twice += [f"{case_id}: {n}" for n, c in Counter(e["name"] for e in lines).items() if c > 1]
            if [e["n"] for e in lines] != list(range(1, len(lines) + 1)):
                self.unsound.append(f"{case_id}: the journal's numbers have gaps")
            missing = [t for t in tasks if not (self.tree.root / case_id / f"outputs/partial/{t}.yaml").is_file()]
            lost += [f"{case_id}/{t}: no result" for t in missing if where.get(t) == ["completed"]]
        for worker in self.workers:
            twice += [f"{name} came {n} times" for name, n in worker.got.items() if n > 1]
        self.unsound += [f for each in (self.planner, *self.others) for f in each.faults]
        left = [p.name for p in self.tree.root.glob("**/.x-*")]
        self.unsound += [f"staged and left: {name}" for name in left]
        tracebacks = self.tree.log.read_text(errors="replace").count("Traceback")
        if tracebacks:
            self.unsound.append(f"{tracebacks} tracebacks in the log")
        tasks_done = sum(len(self.tree.completed(c)) for c in self.planner.cases)
        odd = sum((w.odd for w in self.workers), Counter[str]())
        return {
            "schema_version": 1,
            "held_s": round(held, 1),
            "load": {
                "cases": self.planner.did["cases"],
                "tasks": self.planner.did["tasks"],
                "tasks_done": tasks_done,
                "messages": sum(sum(w.got.values()) for w in self.workers),
                "tasks_per_s": round(tasks_done / held, 1),
                "by_hand": self.others[0].did["hands"],
            },
            "faults_survived": dict(self.faults),
            "bad_inputs": self.others[1].did["bad inputs"] + sum(odd.values()),
            "fsck_runs": self.looks,
            "lost": lost,
            "duplicated": twice,
            "unsound": self.unsound,
        }


def main() -> int:
    """0 if nothing was lost, nothing done twice and nothing unsound."""
    asked = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    asked.add_argument("--seconds", type=float, default=float(os.environ.get("SOAK_S", "900")))
    asked.add_argument("--seed", type=int, default=int(os.environ.get("EXECUTORD_SEED", "1")))
    asked.add_argument("--json", type=Path, help="write the report there too")
    asked.add_argument("--dir", type=Path, help="work below this folder, on its file system")
    given = asked.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="executord-soak-", dir=given.dir))
    print(f"soak of {given.seconds:g} s with seed {given.seed} in {folder}", flush=True)
    soak = Soak(folder, given.seed)
    try:
        report = soak.run(given.seconds)
    finally:
        if soak.tree.process is not None and soak.tree.process.poll() is None:
            soak.tree.process.kill()
    text = json.dumps(report, indent=1)
    if given.json is not None:
        given.json.write_text(text)
    print(text)
    bad = len(report["lost"]) + len(report["duplicated"]) + len(report["unsound"])
    print(
        f"{report['load']['tasks_done']} tasks of {report['load']['cases']} cases held, "
        f"{sum(report['faults_survived'].values())} faults survived, {report['bad_inputs']} bad inputs tried, "
        f"{len(report['lost'])} lost, {len(report['duplicated'])} duplicated, {len(report['unsound'])} unsound"
    )
    if bad:
        print(f"the tree is kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
