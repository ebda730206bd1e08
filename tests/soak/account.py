"""What became of everything: what was lost, what was done twice, what is unsound [REL-1]."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from executord import cli
from tests.soak.load import Hands, Planner
from tests.soak.memory import Memory
from tests.soak.staff import Staff


class Account:
    """Filled once, when everything has come to its end."""

    def __init__(self, tree: Memory) -> None:
        self._tree = tree
        self.lost: list[str] = []
        self.twice: list[str] = []
        self.unsound: list[str] = []
        self.ended: Counter[str] = Counter()
        self._kept: dict[str, list[dict[str, Any]]] = {}

    def cases(self, planner: Planner, hands: Hands) -> None:
        """Every task of every case, its result, and the lines about it."""
        for case_id, tasks in planner.cases.items():
            where, lines = states(self._tree, case_id), self._lines(case_id)
            for task in sorted(tasks):
                said = any(e["name"].startswith(f"delete {task} #") for e in lines)
                deleted = hands.deleted.get(case_id) == task
                self._task(case_id, task, where.get(task, []), deleted=deleted, said=said)
            self.twice += [f"{case_id}: {n}" for n, c in Counter(e["name"] for e in lines).items() if c > 1]
            if [e["n"] for e in lines] != list(range(1, len(lines) + 1)):
                self.unsound.append(f"{case_id}: the journal's numbers have gaps")
            if self._tree.closed(case_id):
                self.ended["cases"] += 1
            else:
                self.lost.append(f"{case_id} is not closed")

    def _task(self, case_id: str, task: str, where: list[str], *, deleted: bool, said: bool) -> None:
        """Completed, with its file where it belongs; but one whose file a hand deleted: cancelled, or, where its claim
        came before that was seen, completed and said to be gone [MEM-25].
        """
        result = self._tree.root / case_id / f"outputs/partial/{task}.yaml"
        state = yaml.safe_load(result.read_text())["state"] if result.is_file() else "without a result"
        self.ended[f"tasks {state}"] += 1
        gone = deleted and said and state == "completed" and not where
        if (state, where) != ("completed", ["completed"]) and not gone and not (deleted and state == "cancelled"):
            self.lost.append(f"{case_id}/{task}: {state}, in {where or 'no folder'}")

    def incidents(self, planner: Planner) -> None:
        """Each is opened once and closed, and its chain holds."""
        for case_id in planner.incidents:
            names = [e["name"] for e in self._lines(case_id)]
            opened = [n for n in names if n.startswith("incident ") and n.endswith(" opened")]
            closed = [n for n in names if n.startswith("incident ") and n.endswith(" closed")]
            if len(closed) != 1:
                self.lost.append(f"{case_id}: incident lines {opened + closed}")
                continue
            self.ended["incidents"] += 1
            named = closed[0].split(" ")[1]
            code, said = self._command("incident", "verify", named)
            if code:
                self.unsound.append(f"{named}: {said}")

    def _command(self, *args: str) -> tuple[int, str]:
        """A command that looks, without a process of its own: there are hundreds of them."""
        tree, said = self._tree, io.StringIO()
        given = ["--memory", str(tree.root), "--state", str(tree.state), "--config", str(tree.config)]
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                cli.main([*given, *args])
            except SystemExit as ended:
                return int(ended.code or 0), said.getvalue()
        return 0, said.getvalue()

    def _lines(self, case_id: str) -> list[dict[str, Any]]:
        """The journal of a case, read once: nothing is written any more."""
        if case_id not in self._kept:
            self._kept[case_id] = self._tree.journal(case_id)
        return self._kept[case_id]

    def updates(self, planner: Planner, staff: Staff) -> None:
        """Each that was sent came to an end; by its channel's rule at most once, or at least once."""
        mail, hook = staff.mail.keys(), staff.hook.keys()
        known = set()
        for case_id in planner.cases:
            last: dict[tuple[int, str], str] = {}
            for e in self._lines(case_id):
                verb, _, about = e["name"].partition(" ")
                if about.startswith("update #") and " via " in about:
                    number, channel = e["facts"]["number"], e["facts"]["channel"]
                    last[number, channel] = verb
                    if verb == "send":
                        known.add(e["facts"]["key"])
            for (number, channel), verb in last.items():
                if verb == "delivered":
                    self.ended[f"updates by {channel}"] += 1
                else:
                    self.lost.append(f"{case_id}: update #{number} via {channel}: {verb}")
        self.twice += [f"mail {key} sent {n} times" for key, n in mail.items() if n > 1]
        self.unsound += [f"{key} was sent and never noted" for key in {*mail, *hook} - known]

    def programs(self, log: Path) -> None:
        """No attempt began twice."""
        with contextlib.suppress(FileNotFoundError):
            begun = Counter(line.split()[0] for line in log.read_text().splitlines())
            self.ended["programs"] = len(begun)
            self.twice += [f"program for {attempt} began {n} times" for attempt, n in begun.items() if n > 1]

    def sessions(self, planner: Planner) -> None:
        """Each is completed, each of its tasks was done once."""
        for session in planner.sessions:
            if session.json("team-session.json")["status"] != "completed":
                self.lost.append(f"session {session.path.name}: {session.names()[-3:]}")
                continue
            self.ended["sessions"] += 1
            ends = Counter(n for n in session.names() if n.startswith("result "))
            self.twice += [f"session {session.path.name}: {n}" for n, c in ends.items() if c > 1]

    def rest(self, staff: Staff) -> None:
        """No message came twice, nothing is left half done, nothing was thrown."""
        self.twice += [f"{name} came to {box} {n} times" for (box, name), n in staff.got.items() if n > 1]
        self.unsound += [f"staged and left: {p}" for p in self._tree.root.glob("**/.x-*")]
        if tracebacks := self._tree.log.read_text(errors="replace").count("Traceback"):
            self.unsound.append(f"{tracebacks} tracebacks in the log")


def states(tree: Memory, case_id: str) -> dict[str, list[str]]:
    """Where the files of a case's tasks lie."""
    found: dict[str, list[str]] = {}
    for folder in ("pending", "in_progress", "completed"):
        with contextlib.suppress(FileNotFoundError):
            for path in (tree.root / case_id / "tasks" / folder).iterdir():
                if path.name.startswith("T"):
                    found.setdefault(path.stem, []).append(folder)
    return found
