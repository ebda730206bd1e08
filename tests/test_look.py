"""The commands that only look: `status`, `list`, `show`, `agenda`, `why`, `timeline`, `log`, `wait` [OPS-4, CON-8].

Each is run as a program on a tree that the service has built with a set clock; nothing in the tree may change.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from executord.cli import main
from executord.cli.frame import Frame
from executord.files import journal
from executord.files.store import Store
from executord.paper import parse
from executord.pen import dump
from executord.policy import make_policy
from executord.service import Rings, Service
from executord.views import chronicle, overview
from tests.calls import clean, say

ROOT = Path(__file__).parent.parent
START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
LINE = ["at", "due", "case", "name", "action", "rule", "task", "attempt", "to", "type", "path", "why"]
FINDING = ["severity", "code", "path", "line", "column", "field", "message", "fix"]
INSTRUCTION = [
    "id", "title", "priority", "tier", "phase", "on_hold", "paused", "muted", "deliverable_type", "percent", "tasks",
    "clocks", "blockers", "awaited", "next_update", "next", "problems", "freed_by",
]  # fmt: skip
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z")


class Memory:
    """A memory with its service and a set clock."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, START
        (root / "_communication/inbox/executor").mkdir(parents=True)
        self.service = Service(str(root), make_policy(), durable=False)

    def put(self, path: str, text: str) -> Path:
        """A file, with the set clock's time."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        os.utime(file, (self.now.timestamp(),) * 2)
        return file

    def begin(self) -> None:
        """The daemon starts."""
        self.now += timedelta(seconds=5)
        self.service.open(self.now)
        for _ in range(2):
            self.service.everything(self.now)
            self.now += timedelta(seconds=5)

    def say(self, name: str, text: str) -> None:
        """A message arrives a minute later."""
        self.now += timedelta(minutes=1)
        self.put(f"_communication/inbox/executor/{name}", text)
        rings = Rings(named={f"executor/{name}": True})
        while self.service.turn(self.now, rings):
            rings = Rings()
        self.service.finish(self.now)


def run(root: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`executord --memory ROOT …` as a program."""
    return say("--memory", root, *args, env=environment(root, **env))


def environment(root: Path, **env: str) -> dict[str, str]:
    """Nothing of the machine's configuration, and a state folder of its own."""
    state = str(root.parent / "state")
    return {**clean("XDG"), "XDG_STATE_HOME": state, "HOME": state, **env}


def ask(root: Path, *args: str) -> dict:
    """The one JSON object that a command prints."""
    done = run(root, *args, "--json")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert answer["schema_version"] == 1
    return answer


def snapshot(root: Path) -> dict[str, tuple]:
    """Every path with its bytes and its mtime."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        data = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(root))] = (status.st_mode, status.st_mtime_ns, status.st_ino, data)
    return found


def tell_a_story(root: Path) -> Memory:
    """Seven instructions: worked on, standing still in each way, damaged, not ours, not opened."""
    memory = Memory(root)
    memory.put("acme-42/instruction.yaml", "title: Checkout fails\npriority: high\ncreated_at: 2025-03-03T08:50:00Z\n")
    memory.put("acme-42/workflow/plan.yaml", "tier: 2\ntasks: [T1, T2, T3, T4]\n")
    memory.put("acme-42/tasks/pending/T1.yaml", "id: T1\ntitle: diagnose the api error\n")
    memory.put("acme-42/tasks/pending/T2.yaml", "id: T2\ntitle: write article\nassigned_to: technical-writer\n")
    memory.put("acme-42/tasks/pending/T3.yaml", 'id: T3\ntitle: bad\nsla_resolution: soonish\nassignee: "{agent}"\n')
    memory.put("beta-7/instruction.yaml", "title: Standing still\n")
    memory.put(
        "beta-7/workflow/plan.yaml",
        """
        tier: 3
        tasks: [A, B, C, D, E, F, G]
        checkpoints: [{id: review-1, after: [F], before: [G], review: support-quality-analyst}]
    """,
    )
    for task, more in {
        "A": "assignee: technical-writer", "B": "assignee: support-trainer", "C": "depends_on: [A]",
        "E": "depends_on: [nobody-knows]", "F": "assignee: support-analyst", "G": "assignee: support-analyst",
    }.items():  # fmt: skip
        memory.put(f"beta-7/tasks/pending/{task}.yaml", f"id: {task}\ntitle: task {task}\n{more}\n")
    memory.put("full-1/instruction.yaml", "title: Nobody has room\ntier: 3\nsla_resolution: 2200-01-01\n")
    for k in range(1, 6):
        memory.put(f"full-1/tasks/pending/W{k}.yaml", f"id: W{k}\ntitle: teach\nassignee: account-manager\n")
    memory.put("hold-1/instruction.yaml", "title: On hold\n")
    memory.put("hold-1/tasks/pending/H1.yaml", "id: H1\ntitle: teach\n")
    memory.put("other-1/instruction.yaml", "title: Not ours\ndomain: engineering\n")
    memory.put("other-1/tasks/pending/O1.yaml", "id: O1\ntitle: build\n")
    memory.put("torn-1/instruction.yaml", "title: Damaged\n")
    memory.put("torn-1/tasks/pending/X1.yaml", "id: X1\ntitle: x\n")
    memory.begin()
    head = "from: technical-support-engineer\ninstruction_id: acme-42\n"
    memory.say("ack.yaml", f"type: ack\n{head}task_id: T1\n")
    memory.say("done.yaml", f"type: done\n{head}task_id: T1\nsummary: fixed\noutput: {{cause: x}}\n")
    memory.say("odd.yaml", f"type: foo\n{head}")
    memory.say("wrong.yaml", "type: done\nfrom: chat-support-specialist\ninstruction_id: acme-42\ntask_id: T2\n"
                             "summary: x\noutput: y\n")  # fmt: skip
    memory.say("again.yaml", "type: reassign\nfrom: support-manager\ninstruction_id: acme-42\ntask_id: T2\n"
                             "to: support-trainer\n")  # fmt: skip
    memory.say("late.yaml", "type: done\nfrom: technical-writer\ninstruction_id: acme-42\ntask_id: T2\nattempt: 1\n"
                            "summary: x\noutput: y\n")  # fmt: skip
    about = "instruction_id: beta-7\ntask_id: "
    memory.say("block.yaml", f"type: blocked\nfrom: technical-writer\n{about}A\ndescription: which api version is it\n")
    memory.say("hold.yaml", f"type: hold\nfrom: support-manager\n{about}B\nreason: the customer is away\n")
    memory.say("f.yaml", f"type: done\nfrom: support-analyst\n{about}F\nsummary: s\noutput: o\n")
    memory.say("hold2.yaml", "type: hold\nfrom: planner\ninstruction_id: hold-1\nreason: wait\n")
    with open(root / "torn-1/outputs/partial/journal.yaml", "ab") as file:
        file.write(b"this is no line: [\n")
    memory.put("_communication/inbox/executor/notes.txt", "a remark")
    memory.put("new-1/instruction.yaml", "title: Just came\n")
    memory.put("new-1/tasks/pending/N1.yaml", "id: N1\ntitle: look\n")
    memory.put("new-1/tasks/pending/N2.yaml", "title: [broken\n")
    return memory


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    """The story, told once; whatever looks at it, it is the same afterwards."""
    memory = tell_a_story(tmp_path_factory.mktemp("look") / "Agent_Memory")
    before = snapshot(memory.root)
    yield memory
    assert snapshot(memory.root) == before


@pytest.fixture(scope="module")
def root(story: Memory) -> Path:
    return story.root


@pytest.fixture(scope="module")
def status(root: Path) -> dict:
    return ask(root, "status")


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(root, tmp_path / "Agent_Memory"))


def by_id(status: dict, name: str) -> dict:
    (found,) = [each for each in status["instructions"] if each["id"] == name]
    return found


def timeless(instruction: dict) -> dict:
    """Without what goes on from second to second: how late what is late is."""
    clocks = [{k: v for k, v in each.items() if k != "late_by_s"} for each in instruction["clocks"]]
    return {**instruction, "clocks": clocks, "next_update": {**instruction["next_update"], "silence_debt_s": None}}


def task(status: dict, path: str) -> dict:
    case_id, task_id = path.split("/")
    (found,) = [t for t in by_id(status, case_id)["tasks"] if t["id"] == task_id]
    return found


# --- nothing changes -----------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-4")
def test_reading_commands_change_nothing_and_work_with_the_daemon_down(root: Path):
    """Paths, bytes, mtimes and inodes are what they were; each command ends with 0 and makes no state folder."""
    before = snapshot(root)
    commands = ["status", "status acme-42", "list", "show beta-7", "show torn-1", "agenda", "agenda full-1", "log"]
    commands += ["why beta-7", "why beta-7/D", "explain new-1/N2", "why torn-1", "timeline acme-42", "log acme-42"]
    commands += ["wait acme-42 --for executing", "wait acme-42 --for T1=completed"]
    for number, command in enumerate(commands):
        done = run(root, *command.split(), *(["--json"] if number % 2 else []))
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout, command
    assert snapshot(root) == before
    assert not (root.parent / "state").exists()


@pytest.mark.spec("OPS-4")
def test_text_says_that_the_daemon_is_down(root: Path):
    """People are told; on stderr, or in the board itself."""
    assert "daemon is not running" in run(root, "list").stderr
    assert "daemon: not running" in run(root, "status").stdout


@pytest.mark.spec("CON-0", "OPS-5", "CON-18")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("show nothing-here", 66), ("status nothing-here", 66), ("agenda nothing-here", 66), ("why nothing-here", 66),
        ("why acme-42/T99", 66), ("timeline nothing-here", 66), ("log nothing-here", 66), ("wait nothing-here", 66),
        ("show", 2), ("wait acme-42 --for soon", 2), ("wait acme-42 --for T1=soon", 2), ("timeline torn-1", 65),
        ("wait acme-42 --timeout soon", 2), ("wait acme-42 --for closed --timeout 1s", 124),
    ],
)  # fmt: skip
def test_errors_have_their_exit_code_and_their_json(root: Path, command: str, code: int):
    """An error is an object on stdout, and its text is on stderr."""
    done = run(root, *command.split(), "--json")
    assert done.returncode == code
    error = json.loads(done.stdout)["error"]
    assert list(error) == ["code", "message", "path", "fix"]
    assert error["code"] == code
    assert error["message"] in done.stderr


@pytest.mark.spec("CON-0")
def test_text_is_not_cut_and_not_coloured_in_a_pipe(copy: Path):
    """No escape sequences, no ellipsis; a title cannot move the cursor."""
    title = "long " * 100 + "end"
    (copy / "hold-1/instruction.yaml").write_text(f'title: "{title} \\e[2J\\n!"\n', encoding="utf-8")
    done = run(copy, "status", COLUMNS="40", TERM="xterm-256color")
    assert title in done.stdout
    assert "\x1b" not in done.stdout
    assert "…" not in done.stdout


# --- status --------------------------------------------------------------------------------------------------


@pytest.mark.spec("CON-8", "CON-0")
def test_status_has_every_key(status: dict):
    """What is unknown is null, and nothing is missing."""
    assert list(status) == [
        "schema_version", "at", "memory", "daemon", "counts", "instructions", "agents", "sessions", "rejected", "late",
        "left_alone",
    ]  # fmt: skip
    assert STAMP.fullmatch(status["at"])
    assert list(status["daemon"]) == ["running", "pid", "host", "since", "last_round"]
    assert list(status["counts"]) == ["instructions", "tasks"]
    assert list(status["counts"]["tasks"]) == ["pending", "in_progress", "completed"]
    for each in status["instructions"]:
        assert list(each) == INSTRUCTION
        assert list(each["next"]) == ["at", "name"]
        assert list(each["next_update"]) == ["ask", "due", "silence_debt_s"]
        for row in each["tasks"]:
            assert list(row) == [
                "id", "title", "folder", "state", "agent", "attempt", "since", "percent", "eta", "held_because",
                "waits_for",
            ]  # fmt: skip
            assert row["state"] in overview.STATES
        for row in each["blockers"]:
            assert list(row) == ["id", "task", "kind", "since", "asked", "level", "waiting"]
        for row in each["problems"]:
            assert list(row) == FINDING
        for row in each["freed_by"]:
            assert list(row) == ["task", "type", "from"]
    assert all(list(a) == ["name", "load", "capacity", "inbox", "oldest_s", "muted"] for a in status["agents"])
    assert all(list(r) == ["path", "code", "reason", "at"] for r in status["rejected"])


@pytest.mark.spec("CON-8")
def test_status_tells_phases_and_counts(status: dict):
    """Also of a case that is damaged, not ours, or not opened yet."""
    phases = {each["id"]: each["phase"] for each in status["instructions"]}
    assert phases == {
        "acme-42": "executing", "beta-7": "executing", "full-1": "executing", "hold-1": "executing", "new-1": "waiting",
        "other-1": "not_ours", "torn-1": "parked",
    }  # fmt: skip
    assert status["counts"]["instructions"] == {"waiting": 1, "executing": 4, "parked": 1, "not_ours": 1}
    files = {f: sum(len(t) for c in status["instructions"] for t in [[x for x in c["tasks"] if x["folder"] == f]])
             for f in ("pending", "in_progress", "completed")}  # fmt: skip
    assert status["counts"]["tasks"] == files
    assert files["completed"] == 2


@pytest.mark.spec("CON-8", "EXE-25")
def test_status_tells_where_each_task_stands(status: dict):
    """States, folders, holders, what a task waits for and why it is held."""
    stands = {f"{c['id']}/{t['id']}": (t["state"], t["folder"]) for c in status["instructions"] for t in c["tasks"]}
    assert stands["acme-42/T1"] == ("completed", "completed")
    assert stands["acme-42/T2"] == ("assigned", "in_progress")
    assert stands["acme-42/T3"] == ("held", "pending")
    assert stands["acme-42/T4"] == ("expected", None)
    assert stands["beta-7/A"] == ("blocked", "in_progress")
    assert stands["beta-7/B"] == ("on_hold", "in_progress")
    assert stands["beta-7/C"] == ("waiting", "pending")
    assert stands["beta-7/D"] == ("expected", None)
    assert stands["beta-7/E"] == ("held", "pending")
    assert stands["beta-7/G"] == ("waiting", "pending")
    assert stands["full-1/W5"] == ("ready", "pending")
    assert stands["hold-1/H1"] == ("on_hold", "in_progress")
    assert stands["new-1/N1"] == ("ready", "pending")
    assert stands["new-1/N2"] == ("held", "pending")
    assert task(status, "beta-7/C")["waits_for"] == ["A"]
    assert task(status, "beta-7/G")["waits_for"] == ["review-1"]
    assert "template not filled in" in task(status, "acme-42/T3")["held_because"]
    second = task(status, "acme-42/T2")
    assert (second["agent"], second["attempt"]) == ("support-trainer", 2)
    assert by_id(status, "hold-1")["on_hold"] is True


@pytest.mark.spec("CON-8", "MEM-13")
def test_status_lists_problems_as_findings(status: dict):
    """Held tasks with file, line and column; unreadable files; a journal that is damaged."""
    found = by_id(status, "acme-42")["problems"]
    assert [(p["severity"], p["code"], p["path"], p["line"]) for p in found] == [
        ("warning", "MEM-9", "acme-42/tasks/pending/T3.yaml", 3),
        ("error", "MEM-10", "acme-42/tasks/pending/T3.yaml", 4),
    ]
    (unknown,) = by_id(status, "beta-7")["problems"]
    assert (unknown["code"], unknown["path"]) == ("EXE-2", "beta-7/tasks/pending/E.yaml")
    (unread,) = by_id(status, "new-1")["problems"]
    assert unread["path"] == "new-1/tasks/pending/N2.yaml"
    assert unread["line"] is not None
    (torn,) = by_id(status, "torn-1")["problems"]
    assert torn["severity"] == "error"
    assert "journal.yaml" in torn["message"]


@pytest.mark.spec("CON-8", "EXE-28")
def test_status_names_the_message_that_would_free_it(status: dict):
    """Held, blocked, on hold, expected, waiting for a reviewer: each has a type and the names that may send it."""
    rows = {(r["task"], r["type"]): r["from"] for r in by_id(status, "beta-7")["freed_by"]}
    assert rows["E", "release"] == rows["E", "cancel"]
    assert {"support-manager", "planner", "operator"} <= set(rows["E", "release"])
    assert {"technical-writer", "support-manager"} <= set(rows["A", "unblocked"])
    assert "support-manager" in rows["B", "release"]
    assert "support-quality-analyst" in rows[None, "release"]
    assert ("D", "cancel") in rows
    assert ("G", "release") not in rows
    held = {(r["task"], r["type"]) for r in by_id(status, "acme-42")["freed_by"]}
    assert held == {("T3", "defer"), ("T3", "cancel"), ("T4", "defer"), ("T4", "cancel")}
    assert [(r["task"], r["type"]) for r in by_id(status, "hold-1")["freed_by"]] == [(None, "release")]


@pytest.mark.spec("EXE-28")
def test_the_message_that_is_named_frees_it(tmp_path: Path):
    """Whatever `freed_by` names, sent by a name it gives, is taken, and ends the standstill it was named for."""
    memory = tell_a_story(tmp_path / "Agent_Memory")
    more = {"to": "support-analyst", "reason": "because", "answer": "v2"}
    seen = set()
    for round_ in range(30):
        everything = overview.status(memory.service, memory.now)["instructions"]
        rows = [(each["id"], row) for each in everything for row in each["freed_by"]]
        if not rows:
            break
        case_id, row = rows[0]
        text = {"type": row["type"], "from": row["from"][0], "instruction_id": case_id, **more}
        memory.say(f"free-{round_}.yaml", dump({**text, "task_id": row["task"]} if row["task"] else text).decode())
        after = overview.instruction(memory.service, case_id, memory.now)["freed_by"]
        assert row not in after, (case_id, row)
        seen.add(row["type"])
    assert seen >= {"release", "unblocked", "defer"}


@pytest.mark.spec("CON-8", "MSG-3", "MEM-3", "CON-5")
def test_status_lists_rejected_late_and_left_alone(status: dict, root: Path):
    """Where they lie, and why."""
    refused = [(r["code"], Path(r["path"]).name) for r in status["rejected"]]
    assert refused == [("MSG-1", "odd.yaml"), ("MSG-4", "wrong.yaml")]
    assert all((root / r["path"]).is_file() and STAMP.fullmatch(r["at"]) and r["reason"] for r in status["rejected"])
    assert status["late"] == [{"path": "acme-42/outputs/partial/T2.attempt-1.late.yaml", "task": "T2", "attempt": 1}]
    assert status["left_alone"] == ["_communication/inbox/executor/notes.txt"]


@pytest.mark.spec("CON-8")
def test_status_tells_the_load_of_agents(status: dict):
    """Load, capacity, unread messages and how long the oldest has lain there."""
    agents = {a["name"]: a for a in status["agents"]}
    assert len(agents) >= 18
    assert (agents["account-manager"]["load"], agents["account-manager"]["capacity"]) == (3, 3)
    assert agents["account-manager"]["inbox"] == 3
    assert isinstance(agents["account-manager"]["oldest_s"], int)
    assert agents["community-manager"] == {
        "name": "community-manager", "load": 0, "capacity": 3, "inbox": 0, "oldest_s": None, "muted": None
    }  # fmt: skip
    assert agents["planner"]["capacity"] == 0


@pytest.mark.spec("CON-8")
def test_status_of_some_instructions(root: Path):
    """Only the ones that are named, and their late results."""
    found = ask(root, "status", "full-1", "beta-7")
    assert [each["id"] for each in found["instructions"]] == ["beta-7", "full-1"]
    assert found["late"] == []


@pytest.mark.spec("CON-8", "REL-7")
def test_status_reads_the_daemon_from_its_lock(copy: Path):
    """Running = somebody holds the flock; the text says who. The lock is never made by looking."""
    lock = copy / "_communication/inbox/executor/.lock"
    assert ask(copy, "status")["daemon"] == dict.fromkeys(["running", "pid", "host", "since", "last_round"]) | {
        "running": False
    }
    assert not lock.exists()
    lock.write_text("pid: 4711\nhost: box\nboot: 1-2\nsince: 2025-03-03T09:00:00Z\n", encoding="utf-8")
    assert ask(copy, "status")["daemon"]["running"] is False
    with open(lock, "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = ask(copy, "status")["daemon"]
    assert said == {"running": True, "pid": 4711, "host": "box", "since": "2025-03-03T09:00:00Z", "last_round": None}


@pytest.mark.spec("CON-8")
def test_status_of_an_empty_memory(tmp_path: Path):
    """Nothing there is not an error; no memory is."""
    (tmp_path / "m").mkdir()
    found = ask(tmp_path / "m", "status")
    assert (found["instructions"], found["rejected"], found["counts"]["instructions"]) == ([], [], {})
    assert list((tmp_path / "m").iterdir()) == []
    assert run(tmp_path / "nothing", "status").returncode == 66


def test_status_watches(root: Path):
    """`-w` looks again until it is stopped."""
    command = [sys.executable, "-m", "executord", "--memory", str(root), "status", "-w", "--json", "acme-42"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(root)) as watcher:
        first, second = watcher.stdout.readline(), watcher.stdout.readline()
        watcher.terminate()
    assert json.loads(first)["at"] < json.loads(second)["at"]


@pytest.mark.spec("CON-8", "MSG-5")
def test_a_status_message_is_answered_with_the_same_report(tmp_path: Path):
    """The report has the keys of `status`; what is a fact of the machine is null, so its bytes can be made again."""
    memory = Memory(tmp_path / "Agent_Memory")
    memory.put("one/tasks/pending/T1.yaml", "id: T1\ntitle: teach\n")
    memory.begin()
    (memory.root / "_communication/inbox/support-manager").mkdir()
    memory.service.store.forget_inboxes()
    memory.say("how.yaml", "type: status\nfrom: support-manager\n")
    (answer,) = (memory.root / "_communication/inbox/support-manager").glob("*status_report*")
    report = parse(answer.read_bytes()).data["report"]
    assert list(report) == list(ask(memory.root, "status"))
    assert report["memory"] is None
    assert [each["id"] for each in report["instructions"]] == ["one"]
    assert all(a["oldest_s"] is None for a in report["agents"])


# --- list, show ----------------------------------------------------------------------------------------------


def test_list_has_one_line_per_instruction(root: Path):
    """Phase, percent, title."""
    lines = run(root, "list").stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert re.fullmatch(r"acme-42 +executing +25 +Checkout fails", lines[0])
    rows = ask(root, "list")["instructions"]
    assert rows[0] == {"id": "acme-42", "phase": "executing", "percent": 25, "title": "Checkout fails"}


@pytest.mark.spec("CON-8")
def test_show_is_one_element_of_status_with_plan_and_files(root: Path, status: dict):
    """The same keys, and the plan as read, and everything under outputs/ with its hash."""
    found = ask(root, "show", "acme-42")
    assert list(found) == ["schema_version", "at", *INSTRUCTION, "plan", "files"]
    assert timeless({k: found[k] for k in INSTRUCTION}) == timeless(by_id(status, "acme-42"))
    assert found["plan"] == {"tier": 2, "tasks": ["T1", "T2", "T3", "T4"]}
    files = {f["path"]: f for f in found["files"]}
    assert {"outputs/partial/T1.yaml", "outputs/partial/journal.yaml", "outputs/partial/progress.yaml"} <= set(files)
    for path, row in files.items():
        data = (root / "acme-42" / path).read_bytes()
        assert row == {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert ask(root, "show", "hold-1")["plan"] is None
    assert "Checkout fails" in run(root, "show", "acme-42").stdout


@pytest.mark.spec("OPS-4")
@pytest.mark.parametrize(
    ("command", "alone"),
    [
        ("show hold-1", True), ("why acme-42", True), ("why acme-42/T1", True), ("why full-1/W4", False),
        ("agenda hold-1", True), ("agenda full-1", False), ("gate acme-42", True), ("report acme-42", True),
        ("incident list acme-42", True), ("status acme-42", False),
    ],
)  # fmt: skip
def test_a_command_about_one_instruction_reads_no_other(
    root: Path, monkeypatch: pytest.MonkeyPatch, command: str, *, alone: bool
):
    """But where the answer depends on others: who gets a place, what hands that are shared have to do there."""
    read = []
    load = Store.load
    monkeypatch.setattr(Store, "load", lambda self, name, *more: read.append(name) or load(self, name, *more))
    with contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as ended:
        main(["--memory", str(root), "--json", *command.split()])
    assert ended.value.code in (0, 1)
    named = command.split()[-1].partition("/")[0]
    assert (set(read) == {named}) is alone, read


# --- agenda --------------------------------------------------------------------------------------------------


@pytest.mark.spec("CON-7", "EXE-22")
def test_agenda_shows_the_lines_to_come(root: Path):
    """The objects of `simulate`, in order; a hold is released after 72 h."""
    found = ask(root, "agenda")
    assert list(found) == ["schema_version", "at", "lines"]
    assert all(list(line) == LINE for line in found["lines"])
    assert [x["at"] or "9" for x in found["lines"]] == sorted(x["at"] or "9" for x in found["lines"])
    names = [(x["case"], x["name"], x["action"]) for x in found["lines"]]
    assert ("beta-7", "release B #1", "record") in names
    assert ("hold-1", "release instruction hold-1 #1", "record") in names
    assert ("new-1", "open new-1", "record") in names
    only = ask(root, "agenda", "hold-1")["lines"]
    assert {x["case"] for x in only} == {"hold-1"}
    text = run(root, "agenda", "hold-1").stdout
    assert re.search(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d  release instruction hold-1 #1$", text)


@pytest.mark.spec("CON-7", "EXE-10")
def test_agenda_shows_dispatches_that_wait_for_a_place(root: Path):
    """With the agent who is named, and why they wait."""
    waiting = [x for x in ask(root, "agenda", "full-1")["lines"] if x["type"] == "delegation"]
    assert [x["name"] for x in waiting] == ["assign W4 a1", "assign W5 a1"]
    assert {x["to"] for x in waiting} == {"account-manager"}
    assert all("no room (load 3 of 3)" in x["why"] for x in waiting)
    assert waiting[0]["path"] == "_communication/inbox/account-manager/full-1.W4.a1.delegation.yaml"
    assert "assign W4 a1 → account-manager  (waits: account-manager has no room" in run(root, "agenda", "full-1").stdout


@pytest.mark.spec("EXE-25")
def test_agenda_says_that_everything_is_paused(copy: Path):
    """Nothing is given out until `resume`; status says it of each case."""
    (copy / "_communication/inbox/executor/.paused.yaml").write_text("all: {by: operator}\n", encoding="utf-8")
    lines = ask(copy, "agenda", "full-1")["lines"]
    assert all("everything is paused" in x["why"] and x["at"] is None for x in lines if x["type"] == "delegation")
    (found,) = ask(copy, "status", "full-1")["instructions"]
    assert found["paused"] is True
    assert [r["type"] for r in found["freed_by"]] == ["resume"]


# --- why -----------------------------------------------------------------------------------------------------


def answers(root: Path, target: str) -> dict[str, list[dict]]:
    """Question → its answers."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main(["--memory", str(root), "--json", "why", target])
    assert ended.value.code == 0
    found = json.loads(out.getvalue())
    assert list(found) == ["schema_version", "at", "id", "task", "answers"]
    grouped: dict[str, list[dict]] = {}
    for answer in found["answers"]:
        assert list(answer) == ["question", "answer", "rule", "inputs", "line", "at", "name"]
        assert re.fullmatch(r"[A-Z]{3}-\d+", answer["rule"])
        if answer["line"] is not None:
            noted = {line["n"]: line for line in chronicle.lines(str(root), found["id"])}[answer["line"]]
            assert (noted["name"], noted["at"]) == (answer["name"], answer["at"])
        grouped.setdefault(answer["question"], []).append(answer)
    return grouped


@pytest.mark.spec("EXE-22")
@pytest.mark.parametrize(
    ("target", "question", "rule", "words", "line"),
    [
        ("acme-42/T1", "why is it here", "EXE-3", "tasks/completed/", "move T1 #2 completed"),
        ("acme-42/T1", "why is it completed", "EXE-13", "the claim of technical-support-engineer", "result T1 a1"),
        ("acme-42/T2", "why this agent", "EXE-10", "attempt 2 went to support-trainer", "assign T2 a2"),
        ("acme-42/T2", "why reset", "MSG-5", "attempt 1 of technical-writer is over: reassigned", "file again.yaml #1"),
        ("acme-42/T2", "what is its deadline", "SLA-6", "default for high (24 h - 48 h)", "open acme-42"),
        ("acme-42/T3", "why is it held", "MEM-10", "template not filled in", "notice T3 held-"),
        ("acme-42/T3", "why not started", "EXE-5", "T2 comes first and is assigned", "assign T2 a2"),
        ("acme-42/T4", "why is it here", "EXE-23", "no file in tasks/ carries its id", "open acme-42"),
        ("beta-7/A", "why is it blocked", "EXE-17", "which api version", "file block.yaml #1"),
        ("beta-7/B", "why is it on hold", "EXE-25", "by support-manager: the customer is away", "file hold.yaml #1"),
        ("beta-7/C", "why not started", "EXE-6", "it depends on A, which is blocked", "assign A a1"),
        ("beta-7/E", "why not started", "EXE-2", "nobody-knows", "notice E held-"),
        ("beta-7/E", "what frees it", "EXE-28", "a release from", None),
        ("beta-7/G", "why not started", "EXE-6", "the release of support-quality-analyst", "checkpoint review-1 #1"),
        ("full-1/W5", "why not started", "EXE-10", "account-manager has no room (load 3 of 3)", None),
        ("hold-1/H1", "why is it on hold", "EXE-25", "on hold by planner: wait", "file hold2.yaml #1"),
        ("new-1/N2.yaml", "why is it held", "MEM-13", "not YAML", None),
        ("new-1/N1", "why not started", "EXE-23", "has not opened the instruction yet", None),
        ("acme-42", "why this tier", "EXE-1", "tier 2, from workflow/plan.yaml", "open acme-42"),
        ("full-1", "why this tier", "EXE-1", "tier 3, from instruction.yaml", "open full-1"),
        ("hold-1", "why this tier", "EXE-1", "tier 1, guessed: one task", "open hold-1"),
        ("acme-42", "why this deliverable type", "DEL-6", "ticket_resolution, guessed", "open acme-42"),
        ("acme-42", "why is it executing", "EXE-1", "opened", "open acme-42"),
        ("hold-1", "what stops it", "EXE-25", "on hold by planner", "file hold2.yaml #1"),
        ("beta-7", "what waits", "EXE-6", "checkpoint review-1", "checkpoint review-1 #1"),
        ("other-1", "why is it not ours", "MEM-1", "engineering", None),
        ("torn-1", "why is it parked", "REL-4", "journal.yaml", None),
    ],
)  # fmt: skip
def test_why(root: Path, target: str, question: str, rule: str, words: str, line: str | None):
    """Each answer quotes the rule, what went into it, and the line of the journal that says so."""
    given = answers(root, target)[question]
    hit = next((a for a in given if words in a["answer"] and a["rule"] == rule), None)
    assert hit is not None, given
    assert hit["name"] is None if line is None else hit["name"].startswith(line)


@pytest.mark.spec("EXE-22")
def test_why_as_text_quotes_rule_and_line(root: Path):
    """`explain` is another name of it."""
    text = run(root, "why", "acme-42/T2").stdout
    assert re.search(r"\[EXE-10; journal line \d+, 2025-03-03 09:\d\d, assign T2 a2\]", text)
    assert run(root, "explain", "acme-42/T2").stdout == text


# --- timeline, log -------------------------------------------------------------------------------------------


@pytest.mark.spec("CON-6")
def test_timeline_and_log_tell_every_line(root: Path):
    """In the order of the journal; `log` merges the cases by time and passes over the damaged one."""
    noted = [e["name"] for e in journal.read(str(root / "acme-42")).entries if "name" in e]
    found = ask(root, "timeline", "acme-42")
    assert list(found) == ["schema_version", "at", "id", "lines"]
    assert [line["name"] for line in found["lines"]] == noted
    assert all(list(line) == [*LINE, "n"] for line in found["lines"])
    assert len(run(root, "timeline", "acme-42").stdout.splitlines()) == len(noted)
    done = run(root, "log", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "schema_version" not in lines[0]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert {line["case"] for line in lines} == {"acme-42", "beta-7", "full-1", "hold-1"}
    assert "journal.yaml" in done.stderr
    assert [x for x in lines if x["case"] == "acme-42"] == found["lines"]
    assert run(root, "log", "torn-1").returncode == 65


def entry(n: int) -> bytes:
    """A journal line as the daemon writes it."""
    at = f"2025-03-03T09:{n // 60:02}:{n % 60:02}Z"
    return b'- {"n": %d, "at": "%s", "due": "%s", "name": "line %d", "action": "record", "rule": "EXE-3"}\n' % (
        n, at.encode(), at.encode(), n,
    )  # fmt: skip


HEADER = b'- {"journal": 1, "instruction": "j", "opened": "2025-03-03T09:00:00Z"}\n'


@pytest.mark.spec("CON-6", "OPS-13")
def test_a_tail_follows_growth_torn_lines_and_new_parts(tmp_path: Path):
    """Each line once and in order, whatever happens between two looks."""
    folder = tmp_path / "j/outputs/partial"
    folder.mkdir(parents=True)
    newest = folder / "journal.yaml"
    tail = chronicle.Tail(str(tmp_path), "j")
    assert tail.more() == []
    newest.write_bytes(HEADER + entry(1) + entry(2)[:20])
    assert [x["n"] for x in tail.more()] == [1]
    newest.write_bytes(HEADER + entry(1) + entry(2) + entry(3))
    assert [x["n"] for x in tail.more()] == [2, 3]
    with open(newest, "ab") as file:
        file.write(entry(4))
    for part in (1, 2):  # two parts begin between two looks
        os.link(newest, folder / f"journal.{part:04}.yaml")
        fresh = folder / ".x-new"
        n = 3 + 2 * part
        snapshot = b'- {"n": %d, "name": "snapshot", "facts": {}}\n' % (n - 1)
        fresh.write_bytes(HEADER + snapshot + entry(n) + entry(n + 1))
        os.rename(fresh, newest)
    assert [x["n"] for x in tail.more()] == [4, 5, 6, 7, 8]
    assert tail.more() == []
    assert [x["n"] for x in chronicle.Tail(str(tmp_path), "j").more()] == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.spec("OPS-13")
def test_log_follows(copy: Path):
    """Lines that come later are printed as they come, also those of a new instruction."""
    known = len(run(copy, "log", "--json").stdout.splitlines())
    command = [sys.executable, "-m", "executord", "--memory", str(copy), "log", "-f", "--json"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, env=environment(copy)) as follower:
        stop = threading.Timer(30, follower.kill)
        stop.start()
        for _ in range(known):
            assert follower.stdout.readline()
        later = copy / "later-1/outputs/partial"
        later.mkdir(parents=True)
        (later / "journal.yaml").write_bytes(HEADER + entry(1))
        first = json.loads(follower.stdout.readline())
        with open(later / "journal.yaml", "ab") as file:
            file.write(entry(2))
        second = json.loads(follower.stdout.readline())
        stop.cancel()
        follower.terminate()
    assert [(x["case"], x["n"]) for x in (first, second)] == [("later-1", 1), ("later-1", 2)]


# --- wait ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("CON-18")
def test_wait_ends_when_it_has_come_so_far(tmp_path: Path):
    """By the files alone: 0 when all that is waited for is there, 124 when the time is up."""
    memory = Memory(tmp_path / "Agent_Memory")
    memory.put("one/tasks/pending/T1.yaml", "id: T1\ntitle: teach\n")
    memory.begin()
    command = [sys.executable, "-m", "executord", "--memory", str(memory.root), "--json", "wait", "one"]
    wishes = ["--for", "closed", "--for", "T1=cancelled", "--timeout", "30s"]
    with subprocess.Popen([*command, *wishes], stdout=subprocess.PIPE, env=environment(memory.root)) as waiter:
        time.sleep(1.5)
        assert waiter.poll() is None
        memory.say("stop.yaml", "type: cancel\nfrom: operator\ninstruction_id: one\nreason: over\n")
        out = waiter.communicate(timeout=30)[0]
    assert waiter.returncode == 0
    assert json.loads(out)["for"] == ["closed", "T1=cancelled"]
    assert run(memory.root, "wait", "one", "--for", "gate", "--timeout", "1s").returncode == 0
    assert run(memory.root, "wait", "one", "--for", "T1=completed", "--timeout", "0s").returncode == 124


@pytest.mark.spec("CON-18")
def test_wait_ends_when_the_instruction_is_gone(copy: Path):
    """A folder that was taken away is not waited for."""
    command = [sys.executable, "-m", "executord", "--memory", str(copy), "wait", "full-1", "--timeout", "30s"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment(copy)) as waiter:
        time.sleep(1.5)
        shutil.rmtree(copy / "full-1")
        waiter.communicate(timeout=30)
    assert waiter.returncode == 66


# --- progress ------------------------------------------------------------------------------------------------


@pytest.mark.spec("EXE-21", "CON-13")
def test_progress_is_kept_and_depends_on_the_case_alone(story: Memory):
    """The file on disk is what a fresh reading of the case gives, in one dump; nothing in it is of now."""
    for case_id in ("acme-42", "beta-7", "full-1", "hold-1"):
        raw = (story.root / case_id / "outputs/partial/progress.yaml").read_bytes()
        fresh = Frame(str(story.root)).peek(story.now + timedelta(days=9))
        case, agenda = fresh.cases[case_id], fresh.agendas[case_id]
        assert overview.progress(case, agenda, fresh.policy) == raw
        data = parse(raw).data
        assert dump(data) == raw
        assert list(data) == [
            "schema_version", "instruction_id", "phase", "percent", "todos", "tasks", "blockers", "clocks",
            "next_update", "next", "generated_by", "generated_at", "event",
        ]  # fmt: skip
        assert [t["content"] for t in data["todos"][-3:]] == [
            "Coordinate customer updates", "Aggregate outputs into the final deliverable", "Hand off to the validator",
        ]  # fmt: skip
        assert all(list(t) == ["content", "status", "activeForm"] for t in data["todos"])
        assert len(data["todos"]) == len(case.tasks) + 3
        assert all(list(n) == ["at", "what"] for n in data["next"])
        assert data["tasks"] == {t.id: overview.stands(case, t).state for t in case.in_order()}


@pytest.mark.spec("EXE-21")
def test_progress_of_many_tasks_is_quick(tmp_path: Path):
    """5,000 tasks: a view in far less than a second of CPU."""
    folder = tmp_path / "big/tasks/pending"
    folder.mkdir(parents=True)
    for k in range(5000):
        (folder / f"T{k}.yaml").write_text(f"id: T{k}\ntitle: do thing {k}\n", encoding="utf-8")
    service = Service(str(tmp_path), make_policy(), durable=False)
    service.store.expect_settled = True
    service.load_all(START)
    case, agenda = service.cases["big"], service.agendas["big"]
    agenda.refresh()
    began = time.process_time()
    overview.progress(case, agenda, service.policy)
    assert time.process_time() - began < 1.0
