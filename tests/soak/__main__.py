"""`make soak`: run it, watch it, and say how much was held, survived, tried and lost."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.real.kit import Patience
from tests.real.servers import HttpReceiver, SmtpServer
from tests.soak.account import Account
from tests.soak.faults import FAULTS, KILLS, Faults
from tests.soak.load import AGENTS, PROGRAM, Hands, Manager, Planner, Poisoner, Somebody
from tests.soak.memory import Memory
from tests.soak.staff import Staff

WORKERS = Path(__file__).parents[1] / "real"
RESPONSE = (
    "type: completion\nsummary: it is done\noutput: {result: fine}\ncomponents: {root_cause_analysis: a pool, "
    "resolution_steps: [raise it], preventive_measures: an alarm, knowledge_base_article: KB-1, "
    "follow_up_plan: {date: 2031-01-01}}\n"
)


def config(folder: Path, mail: SmtpServer, hook: HttpReceiver) -> dict[str, Any]:
    """Agents without limits, one that is a program, a channel of each rule, workers for sessions."""
    runner = {
        "program": sys.executable, "environment": ["PYTHON*"], "parser": "response-file", "grace_s": 1,
        "args": [str(WORKERS / "worker.py"), f"log={folder}/programs.log", "sleep=0.5", f"respond={RESPONSE}"],
    }  # fmt: skip
    slow = {"retry": "0.3 seconds", "timeout_s": 5}
    return {
        "settle": "0.3 seconds",
        "round": "5 seconds",
        "roster": {**{agent: {"capacity": 0} for agent in AGENTS}, PROGRAM: {"capacity": 4, "runner": runner}},
        "channels": {
            "mail": {"type": "email", "host": "127.0.0.1", "port": mail.port, "from": "us@support.example",
                     "tls": False, "delivery": "at_most_once", "match": {"priority": "high"}, **slow},
            "web": {"type": "webhook", "url": hook.url, "tls": False, "delivery": "at_least_once", **slow},
        },
        "sessions": {
            "work_s": 600, "status_s": 5, "finalize_s": 5, "orphan_s": 2, "max_attempts": 50, "max_workers": 2,
            "worker": {"program": sys.executable, "args": [str(WORKERS / "teamworker.py"), "sleep:0.3,finish"]},
        },
    }  # fmt: skip


class Soak:
    """One run; `only_kills`: work and those who do it, and of all that can befall them kills alone."""

    def __init__(self, folder: Path, seed: int, *, only_kills: bool = False) -> None:
        dice = random.Random(seed)
        self.only_kills = only_kills
        self.mail = SmtpServer(lambda word, _n: "451 later" if word == "MAIL" and dice.random() < 0.1 else
                               "" if word == "." and dice.random() < 0.1 else None, slow_s=0.05)  # fmt: skip
        self.hook = HttpReceiver(lambda _n: dice.choice((204, 204, 204, 204, 503, 0)), slow_s=0.05)
        self.tree = Memory(folder, config(folder, self.mail, self.hook))
        self.dice = dice
        self.folder = folder
        self.faults = Faults(self.tree, seed + 9, KILLS if only_kills else FAULTS)
        self.unsound: list[str] = []
        self.looks = 0
        self.planner = Planner(self.tree, seed, 0.25)
        self.hands = Hands(self.tree, seed + 1, 0.4)
        self.poisoner = Poisoner(self.tree, seed + 2, 0.3)
        self.manager = Manager(self.tree, seed + 3, 2)
        self.staff = Staff(self.tree, seed + 4, self.mail, self.hook)
        others: tuple[Somebody, ...] = () if only_kills else (self.hands, self.poisoner, self.manager)
        self.everybody: tuple[Somebody, ...] = (*others, self.planner, self.staff)

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
                told = "fsck took more than ten minutes"
                continue
            wrong = [x for x in found.stdout.splitlines() if x.startswith("error") and "poisoned" not in x]
            told = "\n".join(wrong)  # of what was poisoned `fsck` must say so, and does
            if not wrong:
                print(f"{why}: {self.planner.did['cases']} cases, {self.tree.count_closed()} closed, "
                      f"{sum(self.faults.survived.values())} faults, fsck finds nothing", flush=True)  # fmt: skip
                return
            time.sleep(2)
        self.unsound.append(f"{why}: {told}")

    def run(self, seconds: float) -> dict[str, Any]:
        """So long; then everything has to come to its end."""
        began = time.monotonic()
        self.tree.start()
        for each in self.everybody:
            each.start()
        next_check = began + (math.inf if self.only_kills else 10)  # at the end it is looked at in any case
        while time.monotonic() - began < seconds:
            time.sleep(self.dice.uniform(0.5, 4))
            self.faults.one()
            if time.monotonic() > next_check:
                self.check(f"after {time.monotonic() - began:.0f} s")
                next_check = time.monotonic() + 20
        held = time.monotonic() - began
        for each in self.everybody[:-1]:
            each.stop()
        self._until_done(120 + seconds / 4)
        self.staff.stop()
        time.sleep(1)
        self.check("at the end")
        if self.tree.stop() != 0:
            self.unsound.append("it did not end well")
        return self._report(held)

    def _until_done(self, patience_s: float) -> None:
        """Until nothing is open any more, or for so long."""
        patience = Patience(patience_s)
        while not patience.over() and not (
            all(self.planner.reported(c) and self.tree.closed(c) for c in self.planner.cases)
            and all(s.json("team-session.json")["status"] == "completed" for s in self.planner.sessions)
        ):
            self.planner.report_incidents()
            time.sleep(1)
        for case_id in self.planner.cases:
            if not self.tree.closed(case_id) or not self.planner.reported(case_id):
                self.unsound.append(f"{case_id} has not come to its end: {self.tree.journal(case_id)[-1]['name']}")

    def _report(self, held: float) -> dict[str, Any]:
        account = Account(self.tree)
        account.cases(self.planner, self.hands)
        account.incidents(self.planner)
        account.updates(self.planner, self.staff)
        account.programs(self.folder / "programs.log")
        account.sessions(self.planner)
        account.rest(self.staff)
        return {
            "schema_version": 1,
            "held_s": round(held, 1),
            "load": {
                **self.planner.did,
                "ended": dict(account.ended),
                "messages": sum(self.staff.got.values()),
                "tasks_per_s": round(account.ended["tasks completed"] / held, 1),
                "by_hand": self.hands.did["hands"],
                "deleted": len(self.hands.deleted),
                "decisions": self.manager.did["decisions"],
                "answers": dict(self.staff.odd),
            },
            "faults_survived": dict(self.faults.survived),
            "bad_inputs": self.poisoner.did["bad inputs"] + sum(self.staff.odd.values()),
            "fsck_runs": self.looks,
            "lost": account.lost,
            "duplicated": account.twice,
            "unsound": [*self.unsound, *self.faults.unsound, *account.unsound,
                        *(fault for each in self.everybody for fault in each.faults)],
        }  # fmt: skip


def _special(folder: str, names: list[str]) -> list[str]:
    """What cannot be copied: reading it would never end."""
    return [n for n in names if not (os.path.isfile(f"{folder}/{n}") or os.path.isdir(f"{folder}/{n}"))]


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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    soak = Soak(folder, given.seed)
    try:
        report = soak.run(given.seconds)
    finally:
        soak.tree.ending.set()
        if soak.tree.process is not None and soak.tree.process.poll() is None:
            soak.tree.process.kill()
            soak.tree.leave()
    text = json.dumps(report, indent=1)
    if given.json is not None:
        given.json.write_text(text)
    print(text)
    bad = len(report["lost"]) + len(report["duplicated"]) + len(report["unsound"])
    ended = report["load"]["ended"]
    others = "".join(f", {ended.get(what, 0)} {what}" for what in ("incidents", "programs", "sessions"))
    updates = sum(n for what, n in ended.items() if what.startswith("updates"))
    print(
        f"{ended.get('tasks completed', 0)} tasks of {ended.get('cases', 0)} cases, {updates} updates{others} held, "
        f"{sum(report['faults_survived'].values())} faults survived, {report['bad_inputs']} bad inputs tried, "
        f"{len(report['lost'])} lost, {len(report['duplicated'])} duplicated, {len(report['unsound'])} unsound"
    )
    if bad:
        shutil.copytree(soak.tree.root, folder / "kept", symlinks=True, ignore=_special)
        soak.tree.leave()
        print(f"the tree is kept in {folder}/kept", file=sys.stderr)
        return 1
    soak.tree.leave()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
