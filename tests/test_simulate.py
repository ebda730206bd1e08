"""`simulate`: the same rules on a copy of a memory with a set clock [CON-7, OPS-7]."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import calls
from tests.stories.dying import unlike
from tests.stories.kit import tree_of

START = "2026-11-20T09:00:00Z"
INBOX = "_communication/inbox"
KEYS = ["at", "due", "case", "name", "action", "rule", "task", "attempt", "to", "type", "path", "why"]
ENGINEER = "technical-support-engineer"


def simulate(
    memory: Path, *args: str, stdin: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """One call of the command line; by a new interpreter where its environment is what is tried."""
    if env is None:
        return calls.call("simulate", memory, *args, stdin=stdin)
    command = [sys.executable, "-m", "executord", "simulate", str(memory), *args]
    environ = {**calls.clean(), **env}
    return subprocess.run(command, input=stdin.encode(), capture_output=True, env=environ, timeout=120, check=False)


def lines(done: subprocess.CompletedProcess[bytes]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The journal lines and the end, of a run with `--json`."""
    assert done.returncode == 0, done.stderr.decode()
    *found, last = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    assert list(last) == ["end"]
    return found, last["end"]


def lay(root: Path, path: str, data: Any, at: float = 1_700_000_000) -> Path:
    """A file of the memory that has been lying there for a long time."""
    full = root / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    os.utime(full, (at, at))
    return full


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """A case of two tasks, one after the other."""
    root = tmp_path / "memory"
    lay(
        root,
        "acme-42/instruction.yaml",
        {"title": "Checkout", "priority": "high", "tier": 2, "created_at": "2026-11-20T08:50:00Z"},
    )
    lay(root, "acme-42/workflow/plan.yaml", {"tasks": ["T1", "T2"]})
    lay(root, "acme-42/tasks/pending/T1.yaml", {"id": "T1", "title": "diagnose the api error"})
    lay(
        root, "acme-42/tasks/pending/T2.yaml", {"id": "T2", "title": "größe → write", "assigned_to": "technical-writer"}
    )
    (root / INBOX / "executor").mkdir(parents=True)
    return root


def script(tmp_path: Path, *steps: Mapping[str, Any]) -> list[str]:
    """The arguments for a script of these steps."""
    path = tmp_path / "script.yaml"
    path.write_text(yaml.safe_dump([dict(s) for s in steps], sort_keys=False))
    return ["--script", str(path)]


def done_of(task: str, sender: str, at: str) -> dict[str, Any]:
    """The step that hands in a task."""
    return {
        "at": at,
        "write": f"{INBOX}/executor/{task}-done.yaml",
        "content": {"type": "completion", "from": sender, "instruction_id": "acme-42", "task_id": task,
                    "summary": "it is done", "output": {"x": 1}},
    }  # fmt: skip


@pytest.mark.spec("CON-7", "CON-0", "OPS-7")
def test_each_journal_line_as_it_is_noted_then_the_end(memory: Path, tmp_path: Path):
    """Exactly the keys of the contract, null where nothing applies, the lines of the journal in their order."""
    kept = tmp_path / "kept"
    steps = script(tmp_path, done_of("T1", ENGINEER, "+10m"))
    found, end = lines(simulate(memory, "--start", START, *steps, "--keep", str(kept), "--json"))
    assert all(list(line) == KEYS for line in found)
    journal = [
        json.loads(line[2:]) for line in (kept / "acme-42/outputs/partial/journal.yaml").read_text().splitlines()[1:]
    ]
    assert [{k: e.get(k) for k in KEYS if k != "case"} for e in journal] == [
        {k: v for k, v in line.items() if k != "case"} for line in found
    ]
    assert {line["case"] for line in found} == {"acme-42"}
    assert [line["name"] for line in found if line["at"] == "2026-11-20T09:10:00Z"] == [
        "file T1-done.yaml #1", "result T1 a1", "move T1 #2 completed", "handoff T2 a1 #1 T1", "assign T2 a1",
        "move T2 #1 in_progress",
    ]  # fmt: skip
    opened = found[0]
    assert (opened["action"], opened["task"], opened["to"], opened["path"]) == ("record", None, None, None)
    assert end == {
        "at": end["at"],
        "reason": end["reason"],
        "lines": len(found),
        "cases": [{"id": "acme-42", "phase": "executing", "tasks": {"pending": 0, "in_progress": 1, "completed": 1}}],
        "findings": [],
        "memory": str(kept),
    }


@pytest.mark.spec("CON-7", "OPS-7")
def test_the_original_is_not_touched_and_the_copy_is_removed(memory: Path, tmp_path: Path):
    """No lock, no state folder, no byte, no time of a file; and nothing stays behind."""
    (tmp_path / "tmp").mkdir()
    before, times = tree_of(str(memory)), {p: p.stat().st_mtime_ns for p in memory.rglob("*")}
    env = {"TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "state")}
    _, end = lines(simulate(memory, "--start", START, "--json", env=env))
    assert not unlike(before, tree_of(str(memory)))
    assert times == {p: p.stat().st_mtime_ns for p in memory.rglob("*")}
    assert end["memory"] is None
    assert os.listdir(tmp_path / "tmp") == []
    assert sorted(os.listdir(tmp_path)) == ["memory", "tmp"]


@pytest.mark.spec("CON-7")
def test_in_place_works_on_the_memory_itself(memory: Path):
    """What would be done is done."""
    _, end = lines(simulate(memory, "--start", START, "--in-place", "--json"))
    assert end["memory"] == str(memory)
    assert (memory / "acme-42/tasks/in_progress/T1.yaml").exists()
    assert not (memory / INBOX / "executor/.lock").exists()


@pytest.mark.spec("CON-7")
def test_the_copy_keeps_the_times_of_files(memory: Path, tmp_path: Path):
    """A copy has the times of what it is a copy of, so what is due is the same."""
    kept = tmp_path / "kept"
    lines(simulate(memory, "--start", START, "--until", "+0s", "--keep", str(kept), "--json"))
    assert (kept / "acme-42/instruction.yaml").stat().st_mtime == 1_700_000_000


@pytest.mark.spec("CON-7")
def test_text_is_the_same_for_people(memory: Path):
    """Without `--json` a line is its time in UTC, its name and whom it goes to."""
    done = simulate(memory, "--start", START)
    text = done.stdout.decode("utf-8").splitlines()
    assert done.returncode == 0
    assert text[0] == "2026-11-20 09:00  open acme-42"
    assert f"2026-11-20 09:00  assign T1 a1 → {ENGINEER}" in text


@pytest.mark.spec("CON-7", "OPS-7")
def test_the_same_input_gives_the_same_bytes(memory: Path, tmp_path: Path):
    """Whatever the time zone, the locale, the hash seed and the encoding of the terminal."""
    for k in range(12):
        lay(memory, f"beta-{k}/instruction.yaml", {"title": f"ü {k}", "priority": "low"})
        for t in range(3):
            lay(memory, f"beta-{k}/tasks/pending/X{t}.yaml", {"id": f"X{t}", "title": "report", "depends_on": []})
    lay(memory, "beta-0/tasks/pending/bad.yaml", "title: [open\n")
    steps = script(tmp_path, done_of("T1", ENGINEER, "+10m"), {"at": "+11m", "restart": True})
    runs = []
    for k, env in enumerate(
        (
            {"TZ": "UTC", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
            {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1", "LC_ALL": "C"},
            {
                "TZ": "America/St_Johns",
                "PYTHONHASHSEED": "4711",
                "LC_ALL": "de_DE.UTF-8",
                "PYTHONIOENCODING": "latin-1",
            },
        )
    ):
        kept = tmp_path / f"kept-{k}"
        for flags in (["--json"], []):
            keep = ["--keep", str(kept)] if flags else []
            done = simulate(memory, "--start", START, *steps, *flags, *keep, env=env)
            assert done.returncode == 0, done.stderr
            runs.append(done.stdout.replace(f"kept-{k}".encode(), b"kept"))
    assert runs[0] == runs[2] == runs[4]
    assert runs[1] == runs[3] == runs[5]
    assert not unlike(tree_of(str(tmp_path / "kept-0")), tree_of(str(tmp_path / "kept-1")))
    assert not unlike(tree_of(str(tmp_path / "kept-0")), tree_of(str(tmp_path / "kept-2")))


@pytest.mark.spec("CON-7")
def test_files_that_are_newer_than_the_start_are_read_when_they_have_settled(memory: Path):
    """A file whose time lies after the start, or just before it, counts after the settle time at the latest."""
    for path in (memory / "acme-42").rglob("*.yaml"):
        os.utime(path, (4_000_000_000, 4_000_000_000))
    found, end = lines(simulate(memory, "--start", START, "--until", "+1h", "--json"))
    assert {line["at"] for line in found} == {"2026-11-20T09:00:02Z"}
    assert end["cases"][0]["tasks"] == {"pending": 1, "in_progress": 1, "completed": 0}


@pytest.mark.spec("CON-7")
def test_steps_come_in_the_order_of_time_and_place(memory: Path, tmp_path: Path):
    """At one instant they come in their order, before the daemon looks; later ones stand anywhere in the list."""
    where = f"{INBOX}/executor/m.yaml"
    ack = {"type": "ack", "from": ENGINEER, "instruction_id": "acme-42", "task_id": "T1"}
    steps = script(
        tmp_path,
        {"at": "+20m", "move": "acme-42/tasks/pending/T2.yaml", "to": "acme-42/tasks/in_progress/T2.yaml"},
        {"at": "2026-11-20T10:05:00+01:00", "write": where, "content": ack},
        {"at": "+5m", "append": where, "text": "percent: 20\ntype: progress\n"},
        {"at": "+30m", "delete": "acme-42/tasks/in_progress/T2.yaml"},
    )
    kept = tmp_path / "kept"
    found, _ = lines(simulate(memory, "--start", START, *steps, "--keep", str(kept), "--json"))
    told = [(line["at"][11:16], line["name"]) for line in found if line["at"] > START]
    assert told[:3] == [
        ("09:05", "file m.yaml #1"),
        ("09:20", "hand-move T2 #1 in_progress"),
        ("09:20", "assign T2 a1"),
    ]
    assert ("09:30", "delete T2 #1") in told
    filed = kept / INBOX / "executor/.processed/2026-11-20/m.yaml"
    assert filed.read_text().endswith("percent: 20\ntype: progress\n")
    assert filed.stat().st_mtime == 1_795_165_500


@pytest.mark.spec("CON-7", "REL-2")
def test_a_restart_changes_nothing_and_downtime_is_made_up_for(memory: Path, tmp_path: Path):
    """A restart with the clock standing notes nothing; killed, the daemon finds later what others did meanwhile."""
    brief = ("--start", START, "--until", "+3h")
    plain, _ = lines(simulate(memory, *brief, *script(tmp_path, done_of("T1", ENGINEER, "+10m")), "--json"))
    restarts = [{"at": at, "restart": True} for at in ("+0s", "+10m", "+11m")]
    steps = script(tmp_path, restarts[0], done_of("T1", ENGINEER, "+10m"), *restarts[1:])
    again, _ = lines(simulate(memory, *brief, *steps, "--json"))
    assert again == plain
    steps = script(tmp_path, {"at": "+5m", "down_until": "+3h"}, done_of("T1", ENGINEER, "+10m"))
    down, end = lines(simulate(memory, *brief, *steps, "--json"))
    assert next((line["at"], line["name"]) for line in down if line["at"] > START) == (
        "2026-11-20T12:00:00Z", "file T1-done.yaml #1",
    )  # fmt: skip
    later = ("warn ", "breach ")  # T2 was given out later, and what is due of it comes later
    assert [e["name"] for e in down if not e["name"].startswith(later)] == [
        e["name"] for e in plain if not e["name"].startswith(later)
    ]
    steps = script(tmp_path, {"at": "+5m", "down_until": "+3d"}, done_of("T1", ENGINEER, "+10m"))
    never, end = lines(simulate(memory, "--start", START, *steps, "--json"))
    assert all(line["at"] == START for line in never)
    assert (end["reason"], end["at"]) == ("until", "2026-11-21T09:00:00Z")


@pytest.mark.spec("CON-7")
def test_it_ends_when_nothing_can_happen_or_the_time_is_up(memory: Path, tmp_path: Path):
    """`idle` at the last instant of any work, `until` at the end of the time, or with steps still to come."""
    hold = {"type": "hold", "from": "operator", "instruction_id": "acme-42", "reason": "later"}
    steps = script(tmp_path, {"at": "+1h", "write": f"{INBOX}/executor/h.yaml", "content": hold})
    _, end = lines(simulate(memory, "--start", START, *steps, "--until", "+30m", "--json"))
    assert (end["reason"], end["at"]) == ("until", "2026-11-20T09:30:00Z")
    _, end = lines(simulate(memory, "--start", START, *steps, "--until", "2026-11-21T09:00:00Z", "--json"))
    assert (end["reason"], end["at"]) == ("until", "2026-11-21T09:00:00Z")
    empty = tmp_path / "empty"
    empty.mkdir()
    found, end = lines(simulate(empty, "--start", START, "--json"))
    assert (found, end["reason"], end["at"], end["cases"]) == ([], "idle", START, [])


@pytest.mark.spec("CON-7", "CON-10")
def test_what_is_odd_is_told_at_the_end(memory: Path):
    """Faults of heads and of task files, and why tasks are held, as `validate` shows findings."""
    lay(memory, "acme-42/tasks/pending/T3.yaml", "id: T3\ntitle: x\nsla_resolution: soonish\n")
    lay(memory, "acme-42/tasks/pending/T4.yaml", "id: T4\ntitle: [open\n")
    lay(memory, "acme-42/tasks/pending/T5.yaml", "id: T5\ntitle: x\ndepends_on: [Z]\n")
    lay(memory, "acme-42/instruction.yaml", "title: x\npriority: whenever\ntier: 2\n")
    _, end = lines(simulate(memory, "--start", START, "--json"))
    found = [(f["severity"], f["code"], f["path"], f["line"], f["field"]) for f in end["findings"]]
    assert found == [
        ("warning", "MEM-7", "acme-42/instruction.yaml", 2, "priority"),
        ("warning", "MEM-9", "acme-42/tasks/pending/T3.yaml", 3, "sla_resolution"),
        ("error", "MEM-13", "acme-42/tasks/pending/T4.yaml", found[2][3], None),
        ("error", "EXE-2", "acme-42/tasks/pending/T5.yaml", None, None),
    ]
    assert all(
        list(f) == ["severity", "code", "path", "line", "column", "field", "message", "fix"] for f in end["findings"]
    )


@pytest.mark.spec("CON-7", "SEC-1", "CON-18")
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"at": "+1m", "write": "../x.yaml", "text": ""}, "../x.yaml"),
        ({"at": "+1m", "write": "/etc/x.yaml", "text": ""}, "/etc/x.yaml"),
        ({"at": "+1m", "move": "a/b", "to": "a/../../b"}, "a/../../b"),
        ({"at": "+1m", "write": "link/x.yaml", "text": ""}, "link"),
        ({"at": "+1m", "delete": "acme-42/tasks/pending/T77.yaml"}, "T77"),
        ({"at": "+1m", "move": "acme-42/tasks/pending/T77.yaml", "to": "x"}, "T77"),
        ({"at": "soon", "restart": True}, "soon"),
        ({"at": "2026-11-20T08:00:00Z", "restart": True}, "before the start"),
        ({"restart": True}, "when"),
        ({"at": "+1m"}, "exactly one of"),
        ({"at": "+1m", "restart": True, "delete": "x"}, "exactly one of"),
        ({"at": "+1m", "write": "x/y.yaml"}, "content or text"),
        ({"at": "+1m", "write": "x/y.yaml", "content": {}, "text": ""}, "content or text"),
        ({"at": "+1m", "delete": "x", "recursive": True}, "recursive"),
        ({"at": "+1h", "down_until": "+1m"}, "before"),
        ("restart", "mapping"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_script_names_the_step(memory: Path, tmp_path: Path, bad: Any, said: str):
    """65, with the step's index, on stderr and as JSON; nothing outside the memory is touched."""
    (tmp_path / "outside").mkdir()
    (memory / "link").symlink_to(tmp_path / "outside")
    path = tmp_path / "s.json"
    path.write_text(json.dumps([{"at": "+0s", "restart": True}, {"at": "+1s", "restart": True}, bad]))
    done = simulate(memory, "--start", START, "--script", str(path), "--json")
    assert done.returncode == 65
    error = json.loads(done.stdout.decode().splitlines()[-1])["error"]
    assert error["code"] == 65
    assert "step 2 " in error["message"]
    assert said in error["message"] + (error["fix"] or "")
    assert "step 2 " in done.stderr.decode()
    assert os.listdir(tmp_path / "outside") == []


@pytest.mark.spec("CON-7", "CON-18")
def test_exit_codes(memory: Path, tmp_path: Path):
    """2 usage · 65 no script · 66 not there · 73 DIR exists."""

    def code(*args: str, stdin: str = "") -> int:
        return simulate(Path(args[0]), *args[1:], stdin=stdin).returncode

    assert code(str(memory)) == 2
    assert code(str(memory), "--start", "soon") == 2
    assert code(str(memory), "--start", "2026-11-20T09:00:00") == 2
    assert code(str(memory), "--start", START, "--until", "soon") == 2
    assert code(str(memory), "--start", START, "--until", "2026-11-19T09:00:00Z") == 2
    assert code(str(memory), "--start", START, "--keep", str(tmp_path / "k"), "--in-place") == 2
    assert code(str(memory), "--start", START, "--keep", str(memory / "inside")) == 2
    assert code(str(memory), "--start", START, "--script", "-", stdin="a: b\n") == 65
    assert code(str(memory), "--start", START, "--script", "-", stdin="- [\n") == 65
    assert code(str(memory), "--start", START, "--script", "-", stdin="") == 0
    assert code(str(tmp_path / "nowhere"), "--start", START) == 66
    assert code(str(memory), "--start", START, "--script", str(tmp_path / "nowhere")) == 66
    assert code(str(memory), "--start", START, "--keep", str(tmp_path)) == 73
    assert code(str(memory), "--start", START, "--keep", str(tmp_path / "a/b")) == 73
    assert code(str(memory), "--start", START, "--config", str(tmp_path / "nowhere.yaml")) == 78


@pytest.mark.spec("CON-7")
def test_a_script_from_stdin_in_json_with_its_own_words(memory: Path):
    """Ids and words come out of `content` as they stand there: `007`, `on`, a date, an emoji beyond U+FFFF."""
    steps = [{"at": "+1m", "write": f"{INBOX}/executor/n.yaml",
              "content": {"type": "tell", "from": "operator", "instruction_id": "acme-42", "task_id": "T1",
                          "text": "007 on 2026-01-01 \U0001f600"}}]  # fmt: skip
    brief = ("--start", START, "--until", "+2m")
    found, _ = lines(simulate(memory, *brief, "--script", "-", "--json", stdin=json.dumps(steps)))
    assert found[-1]["name"] == "pass-on T1 a1 #1"
    told = "{type: tell, from: operator, task_id: T1, text: on}"
    flow = f"- {{at: +1m, write: {INBOX}/executor/n.yaml, content: {told}}}\n"
    found, _ = lines(simulate(memory, "--start", START, "--until", "+2m", "--script", "-", "--json", stdin=flow))
    assert found[-1]["name"] == "pass-on T1 a1 #1"


@pytest.mark.spec("OPS-7")
def test_agents_with_a_command_count_as_inbox(memory: Path, tmp_path: Path):
    """No process is started, whatever the configuration says."""
    config = tmp_path / "config.yaml"
    proof = tmp_path / "proof"
    runner = {"type": "command", "program": "/usr/bin/touch", "args": [str(proof)]}
    config.write_text(yaml.safe_dump({"roster": {ENGINEER: {"runner": runner}}}))
    done = simulate(memory, "--start", START, "--config", str(config), "--json")
    if done.returncode == 78:  # the shape of a runner is the configuration's business
        config.write_text(yaml.safe_dump({"roster": {ENGINEER: {"runner": "command"}}}))
        done = simulate(memory, "--start", START, "--config", str(config), "--json")
    found, _ = lines(done)
    assert any(line["to"] == ENGINEER and line["type"] == "delegation" for line in found)
    assert not proof.exists()


@pytest.mark.spec("CON-7", "MEM-25")
def test_links_and_odd_files_are_no_hindrance(memory: Path, tmp_path: Path):
    """Links stay links, a fifo or a socket is left out, and a folder may be moved and deleted as a whole."""
    os.mkfifo(memory / "acme-42/tasks/pending/pipe.yaml")
    (memory / "elsewhere").symlink_to(tmp_path)
    steps = script(tmp_path, {"at": "+1m", "move": "acme-42", "to": "_archive/acme-42"},
                   {"at": "+2m", "delete": "_archive/acme-42/"})  # fmt: skip
    kept = tmp_path / "kept"
    _, end = lines(simulate(memory, "--start", START, *steps, "--keep", str(kept), "--json"))
    assert (kept / "elsewhere").is_symlink()
    assert not (kept / "acme-42").exists()
    assert end["cases"] == []
