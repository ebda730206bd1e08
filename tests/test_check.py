"""`validate`, `config`, `sla due` and `doctor` as programs: what they find, how they say it, how they end [CON-10]."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from executord.checks import checking, doctor, fsck
from executord.cli import units
from executord.cli.check import _unit_checks
from executord.clock import WallClock
from executord.files import lock
from executord.policy import make_policy
from executord.settings import Settings
from executord.settings import check as check_settings
from tests.calls import say
from tests.teams.kit import Room

ROOT = Path(__file__).parent.parent
VECTORS = ROOT / "tests/data/sla-vectors.json"
INBOX = "_communication/inbox"
FINDING = ["severity", "code", "path", "line", "column", "field", "message", "fix"]


class Memory:
    """A memory and a shell beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "Agent_Memory"
        (self.root / INBOX / "executor").mkdir(parents=True)

    def put(self, path: str, text: str) -> None:
        """A file in the memory."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")

    def run(self, *args: str, given: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """A command, in the folder that holds the memory."""
        base = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(ROOT / "daemon")}
        return say(*args, stdin=given, cwd=self.folder, env={**base, **env})

    def json(self, *args: str, **more: str) -> tuple[int, Any]:
        """Exit code and the one object that is printed."""
        done = self.run(*args, "--json", **more)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def check(self, *paths: str, kind: str | None = None) -> list[str]:
        """What validate finds, as `severity code path:line field`."""
        ground = checking.Ground(str(self.root))
        found = checking.check([str(self.root / p) for p in paths], kind, ground).findings
        return [f"{f.severity} {f.code} {f.path}:{f.line} {f.field}" for f in found]

    def tree(self) -> dict[str, bytes]:
        """Every file with its bytes."""
        return {str(p): p.read_bytes() for p in self.root.rglob("*") if p.is_file()}


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path)


def sound(memory: Memory) -> None:
    """An instruction in order, and a message in order."""
    memory.put("acme-42/instruction.yaml", "title: Checkout fails\npriority: high\ncustomer: Acme\n")
    memory.put("acme-42/workflow/plan.yaml", "tier: 2\ntasks: [T1, T2]\n")
    memory.put("acme-42/tasks/pending/T1.yaml", "id: T1\ntitle: one\n")
    memory.put("acme-42/tasks/pending/T2.yaml", "id: T2\ntitle: two\ndepends_on: [T1]\nsla_resolution: 4 hours\n")
    memory.put(f"{INBOX}/executor/ack.yaml", "type: ack\nfrom: technical-writer\ninstruction_id: acme-42\n")


# --- validate ---


@pytest.mark.spec("CON-10", "CON-0", "CON-18")
def test_a_memory_in_order_is_ok(memory):
    """Exit 0, every file counted, nothing found; and nothing in the tree has changed."""
    sound(memory)
    before = memory.tree()
    assert memory.json("validate") == (0, {"schema_version": 1, "ok": True, "checked": 5, "findings": []})
    text = memory.run("validate")
    assert (text.returncode, text.stdout) == (0, "")
    assert memory.tree() == before


@pytest.mark.spec("CON-10", "MEM-13")
def test_a_finding_names_file_line_column_field_and_what_to_do(memory):
    """The worked example of the contract, as JSON and as text; exit 65."""
    memory.put("acme-42/tasks/pending/T3.yaml", "task:\n    id: T3\n    title: x\n    sla_resolution: soonish\n")
    code, found = memory.json("validate")
    assert code == 65
    assert found == {
        "schema_version": 1,
        "ok": False,
        "checked": 1,
        "findings": [
            {
                "severity": "error",
                "code": "MEM-9",
                "path": "acme-42/tasks/pending/T3.yaml",
                "line": 4,
                "column": 21,
                "field": "sla_resolution",
                "message": "'soonish' is not a duration",
                "fix": 'use e.g. "4 hours" or a date',
            }
        ],
    }
    assert list(found["findings"][0]) == FINDING
    text = memory.run("validate")
    assert text.returncode == 65
    assert text.stdout == (
        "error acme-42/tasks/pending/T3.yaml:4:21 sla_resolution: 'soonish' is not a duration; "
        'use e.g. "4 hours" or a date\n'
    )


@pytest.mark.spec("MEM-9", "CON-10")
@pytest.mark.parametrize("words", ["timeframe", "2x target", "per task estimate", "N/A"])
def test_words_that_mean_no_span_are_a_warning(words, memory):
    """The policy's value is used, as is wanted: exit 0; with --strict it counts."""
    memory.put("acme-42/tasks/pending/T3.yaml", f"id: T3\ntitle: x\nsla_resolution: {words}\n")
    assert memory.check() == ["warning MEM-9 acme-42/tasks/pending/T3.yaml:3 sla_resolution"]
    assert memory.json("validate")[0] == 0
    assert memory.json("validate", "--strict")[0] == 65


@pytest.mark.spec("CON-10", "MEM-10", "MEM-11", "MEM-5", "MEM-6", "CON-2", "EXE-1")
def test_each_kind_of_file_is_told_by_its_place(memory):
    """Tasks, instruction, plan and messages, each with what is odd in it; what belongs to others is left alone."""
    memory.put("acme-42/instruction.yaml", "id: other\ntitle: x\npriority: tomorrow\n")
    memory.put("acme-42/workflow/plan.yaml", "tier: 9\ntasks: [T1]\ncheckpoints: [{id: cp, after: [T8]}]\n")
    memory.put("acme-42/tasks/pending/T1.yaml", 'id: T1\ntitle: "{title}"\n')
    memory.put("acme-42/tasks/in_progress/T2.yaml", "id: [T2\n")
    memory.put("acme-42/tasks/blocked/T3.yaml", "# nothing\n")
    memory.put("acme-42/tasks/pending/T4.yaml", "id: T4\nid: T4\ntitle: more: less\n")
    memory.put("acme-42/tasks/pending/notes.md", "{title}")
    memory.put("acme-42/outputs/partial/T1/tasks/x/y.yaml", "\t")
    memory.put("_archive/old-1/tasks/pending/T1.yaml", "\t")
    memory.put(f"{INBOX}/technical-writer/x.yaml", "\t")
    memory.put(f"{INBOX}/executor/.processed/2026-11-20/x.yaml", "\t")
    memory.put(f"{INBOX}/support-executor/x.json", '{"type": "nonsense", "from": "a"}')
    assert memory.check() == [
        f"error MSG-1 {INBOX}/support-executor/x.json:1 type",
        "warning CON-2 acme-42/instruction.yaml:1 id",
        "warning MEM-7 acme-42/instruction.yaml:3 priority",
        "error MEM-11 acme-42/tasks/blocked/T3.yaml:None None",
        "error MEM-13 acme-42/tasks/in_progress/T2.yaml:2 None",
        "error MEM-10 acme-42/tasks/pending/T1.yaml:2 title",
        "warning MEM-5 acme-42/tasks/pending/T4.yaml:2 id",
        "warning MEM-6 acme-42/tasks/pending/T4.yaml:3 None",
        "warning EXE-1 acme-42/workflow/plan.yaml:1 tier",
        "warning EXE-6 acme-42/workflow/plan.yaml:3 checkpoints",
    ]


@pytest.mark.spec("EXE-2", "CON-10")
def test_what_is_wrong_between_files_is_said_of_each_of_them(memory):
    """An id used twice, ids that differ in case only, an unknown dependency, a cycle."""
    memory.put("acme-42/tasks/pending/a.yaml", "id: T1\ntitle: x\n")
    memory.put("acme-42/tasks/pending/b.yaml", "id: T1\ntitle: y\n")
    memory.put("acme-42/tasks/pending/c.yaml", "id: T2\ntitle: x\ndepends_on: [T3]\n")
    memory.put("acme-42/tasks/pending/d.yaml", "id: T3\ntitle: x\ndepends_on: [T2]\n")
    memory.put("acme-42/tasks/pending/e.yaml", "id: T4\ntitle: x\ndepends_on:\n- T9\n")
    memory.put("acme-42/tasks/pending/f.yaml", "id: t4\ntitle: x\n")
    memory.put("acme-42/tasks/completed/g.yaml", "id: T5\ntitle: x\ndepends_on: [T99]\n")
    folder = "error EXE-2 acme-42/tasks/pending"
    assert memory.check() == [
        f"{folder}/a.yaml:1 id",
        f"{folder}/b.yaml:1 id",
        f"{folder}/c.yaml:3 depends_on",
        f"{folder}/d.yaml:3 depends_on",
        f"{folder}/e.yaml:None None",
        f"{folder}/e.yaml:4 depends_on",
        f"{folder}/f.yaml:None None",
    ]
    assert memory.check("acme-42/tasks/pending/c.yaml") == [f"{folder}/c.yaml:3 depends_on"]


@pytest.mark.spec("EXE-2", "EXE-1", "MEM-25")
def test_what_the_plan_or_the_journal_knows_is_no_unknown_dependency(memory):
    """An expected task, and one whose file was deleted, are known."""
    memory.put("acme-42/workflow/plan.yaml", "tasks: [T1, T2]\n")
    memory.put("acme-42/tasks/pending/T2.yaml", "id: T2\ntitle: x\ndepends_on: [T1, T0]\n")
    memory.put(
        "acme-42/outputs/partial/journal.yaml",
        '- {"journal": 1, "instruction": "acme-42", "opened": "2026-11-20T09:00:00Z"}\n'
        '- {"n": 1, "at": "2026-11-20T09:00:00Z", "due": "2026-11-20T09:00:00Z", "name": "delete task T0",'
        ' "action": "record", "rule": "MEM-19", "task": "T0"}\n',
    )
    assert memory.check() == []


@pytest.mark.spec("MSG-1", "MSG-5", "MSG-10", "SLA-15", "EXE-13", "CON-10")
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("type: DONE\nfrom: a\nsummary: s\noutput: o\n", []),
        ("status: completed\nfrom: a\nsummary: s\noutput: o\n", ["warning MSG-1 status"]),
        ("type: done\nsummary: s\noutput: o\n", ["error MSG-1 None"]),
        ("type: done\nfrom: <agent>\nsummary: s\noutput: {result}\n", ["error MEM-10 from", "error MEM-10 output"]),
        ("type: done\nfrom: a\n", ["warning EXE-13 None", "warning EXE-13 None"]),
        ("type: progress\nfrom: a\nnote: '{note}'\n", ["warning MEM-10 note"]),
        ("type: hold\nfrom: a\n", ["error MSG-5 None"]),
        ("type: customer_update\nfrom: a\nstatus: fine\n", ["error SLA-15 None"]),
        ("type: priority_change\nfrom: a\npriority: soon\n", ["error MEM-7 priority"]),
        ("type: ack\nfrom: a\nattempt: first\n", ["warning MSG-3 attempt"]),
        ("type: ack\nfrom: a\ntimestamp: noon\n", ["warning MSG-10 timestamp"]),
        ("type: ack\nfrom: a\ninstruction_id: acme-43\n", ["warning MSG-1 instruction_id"]),
        ("", ["error MSG-5 None"]),
    ],
)
def test_messages(text, wanted, memory):
    """Type and aliases, sender, required fields, templates, what this version does not act on."""
    memory.put(f"{INBOX}/executor/m.yaml", text)
    found = [" ".join((f.split()[0], f.split()[1], f.split()[3])) for f in memory.check()]
    assert sorted(found) == sorted(wanted)


@pytest.mark.spec("CON-10", "SLA-3", "OPS-9")
def test_kinds_that_no_place_tells(memory):
    """Configurations and calendars are named with --kind; without it such a file is a wrong call."""
    memory.put("../calendar.yaml", 'timezone: UTC\nweekly:\n  mon: [["09:00", "17:00"]]\n  tue: [["9", "8"]]\n')
    memory.put("../config.yaml", "timezone: Europe/Berlin\nrounds: 5 seconds\n")
    code, found = memory.json("validate", "calendar.yaml", "--kind", "calendar")
    (row,) = found["findings"]
    assert (code, row["code"], row["path"], row["line"], row["field"]) == (
        65, "SLA-3", "calendar.yaml", 4, "weekly.tue",
    )  # fmt: skip
    code, found = memory.json("validate", "config.yaml", "--kind", "config")
    (row,) = found["findings"]
    assert (code, row["line"], row["field"], row["fix"]) == (65, 2, "rounds", "did you mean 'round'?")
    assert memory.json("validate", "config.yaml")[0] == 2
    assert memory.json("validate", "config.yaml", "--kind", "nonsense")[0] == 2


@pytest.mark.spec("CON-10", "CON-18")
def test_exits(memory):
    """66 for a path where nothing is and for no memory; 2 where it is not said which session."""
    sound(memory)
    assert memory.json("validate", "nowhere.yaml")[0] == 66
    assert memory.json("--memory", "nowhere", "validate")[0] == 66
    code, answer = memory.json("validate", "--kind", "session")
    assert (code, answer["error"]["code"]) == (2, 2)
    assert "which session" in answer["error"]["message"]


@pytest.mark.spec("CON-10", "CON-11", "SES-3")
def test_a_team_session(memory, tmp_path):
    """By its folder, by its team-session.json, with --kind or without: what `session validate` says, as findings."""
    room = Room(tmp_path / "room")
    room.prepare({"DEV-001": [], "DEV-002": ["DEV-009"]})
    for args in (["--kind", "session", room.path], [room.path], [f"{room.path}/team-session.json"]):
        code, found = memory.json("validate", *args)
        (row,) = found["findings"]
        assert (code, found["checked"], row["code"]) == (65, 1, "SES-E18")
        assert row["message"] == "Unknown dependency: DEV-009"
        assert row["path"].endswith("task-analysis.json")
        assert row["fix"]
    room = Room(tmp_path / "good")
    room.prepare({"DEV-001": []})
    assert memory.json("validate", room.path)[:1] == (0,)


@pytest.mark.spec("CON-10")
def test_paths_are_shown_from_the_memory_and_taken_as_shown(memory):
    """Named from anywhere, by a folder or a file, also as a finding names it; each file counts once."""
    sound(memory)
    memory.put("acme-42/tasks/pending/T3.yaml", "id: T3\ntitle: '{title}'\n")
    shown = "acme-42/tasks/pending/T3.yaml"
    for named in (shown, f"Agent_Memory/{shown}", str(memory.root / shown)):
        code, found = memory.json("validate", named)
        assert (code, found["checked"], found["findings"][0]["path"]) == (65, 1, shown)
    code, found = memory.json("validate", "Agent_Memory/acme-42/tasks", shown)
    assert (code, found["checked"]) == (65, 3)
    assert memory.json("validate", "Agent_Memory/acme-42", "--kind", "plan")[1]["checked"] == 1


@pytest.mark.spec("CON-10", "REL-10")
@given(st.binary(max_size=400), st.sampled_from(checking.KINDS))
def test_no_bytes_are_too_odd(tmp_path_factory, raw, kind):
    """Whatever a file holds, there are findings or none, and never an exception."""
    path = tmp_path_factory.mktemp("odd") / "x.yaml"
    path.write_bytes(raw)
    found = checking.check([str(path)], kind, checking.Ground())
    assert found.count == 1
    assert all(f.path == str(path) for f in found.findings)


# --- config ---


@pytest.mark.spec("OPS-9", "CON-18", "CON-3")
def test_config_show_validate_generate(memory):
    """The sample is valid as it is; an error is 78 with its place; what is secret is masked."""
    made = memory.run("config", "generate", "-o", "config.yaml")
    assert made.returncode == 0
    assert memory.run("config", "generate", "-o", "config.yaml").returncode == 73
    text = (memory.folder / "config.yaml").read_text()
    assert text == memory.run("config", "generate").stdout
    assert text.startswith("# yaml-language-server: $schema=")
    code, found = memory.json("config", "validate", "config.yaml")
    assert (code, found["ok"], found["findings"]) == (0, True, [])
    memory.put("../bad.yaml", "timezone: Europe/Berlin\nsettle: 5\n")
    code, found = memory.json("config", "validate", "bad.yaml")
    assert (code, found["ok"], found["findings"][0]["line"]) == (78, False, 2)
    assert memory.run("config", "validate", "--config", "bad.yaml").stdout.startswith("error bad.yaml:2:9 settle: ")
    assert memory.json("config", "validate", "nowhere.yaml")[0] == 66
    assert memory.json("config", "show", "--config", "bad.yaml")[0] == 78
    memory.put("../good.yaml", "channels: {mail: {type: email, url: 'smtp://user:hunter2@host'}}\n")
    code, shown = memory.json("config", "show", "--config", "good.yaml")
    assert code == 0
    assert "hunter2" not in json.dumps(shown)
    assert shown["source"] == "good.yaml"
    plain = yaml.safe_load(memory.run("config", "show", EXECUTORD_TIMEZONE="Europe/Berlin").stdout)
    assert plain["timezone"] == "Europe/Berlin"


# --- sla due ---


@pytest.mark.spec("OPS-22", "CON-9", "SLA-5")
def test_the_worked_cases_by_the_command(memory):
    """`--check` finds no difference, and one where there is one; without a memory, and as a list."""
    assert memory.run("sla", "due", str(VECTORS), "--check").returncode == 0
    cases = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    done = memory.run("sla", "due", "-", "--json", given=json.dumps(cases))
    assert [row["due_utc"] for row in json.loads(done.stdout)] == [case["due_utc"] for case in cases]
    wrong = json.dumps([{**cases[0], "due_utc": "2026-01-01T00:00:00Z"}])
    differs = memory.run("sla", "due", "-", "--check", given=wrong)
    assert differs.returncode == 1
    assert "due_utc" in differs.stdout


@pytest.mark.spec("OPS-22", "CON-9", "CON-18")
def test_flags_files_and_errors(memory):
    """The flags build one object; the calendar is a name or a file; YAML and JSON are read; 65, 66 and 2."""
    memory.put("../office.yaml", 'timezone: Europe/Berlin\nweekly: {tue: [["09:00", "17:00"]]}\n')
    flags = ["--start", "2026-02-03T10:00:00+01:00", "--target", "2 hours"]
    code, one = memory.json("sla", "due", "--calendar", "./office.yaml", *flags)
    assert (code, one["due_utc"], one["due_local"]) == (0, "2026-02-03T11:00:00Z", "2026-02-03T12:00:00+01:00")
    paused = memory.json(
        "sla", "due", "--calendar", "24x7", *flags, "--pause", "2026-02-03T10:30:00Z/", "--at", "2026-02-03T12:00:00Z"
    )[1]
    assert (paused["due_utc"], paused["reason"], paused["active_seconds"]) == (None, "paused", 5400)
    asked = 'calendar: {timezone: UTC, weekly: {tue: [["09:00", "17:00"]]}}\nstart: "2026-02-03T10:00:00Z"\n'
    done = memory.run("sla", "due", "-", "--json", given=asked + "target_seconds: 7200\n")
    assert json.loads(done.stdout)["due_utc"] == "2026-02-03T12:00:00Z"
    explained = memory.run("sla", "due", "-", "--explain", given=asked + "target: 8 hours\n").stdout
    assert "counted" in explained
    assert memory.json("sla", "due", "-", given=asked + "target: soonish\n")[0] == 65
    assert memory.json("sla", "due", "-", given="calendar: {timezone: Nowhere/X}\n")[0] == 65
    assert memory.json("sla", "due", "-", given="{[")[0] == 65
    assert memory.json("sla", "due", "nowhere.yaml")[0] == 66
    assert memory.json("sla", "due")[0] == 2
    assert memory.json("sla", "due", "-", *flags)[0] == 2


# --- doctor ---


@pytest.mark.spec("OPS-8", "CON-18", "CON-0")
def test_a_fit_machine(memory):
    """Exit 0; each thing that was looked at is there with its state; looking changes nothing."""
    sound(memory)
    before = memory.tree()
    code, found = memory.json("doctor")
    assert code == 0, found
    assert found["ok"]
    assert {
        "configuration", "writable", "state folder", "file system", "watching", "clock", "zone data", "daemon", "disk",
        "versions", "instructions", "roster", "programs",
    } <= {row["name"] for row in found["checks"]}  # fmt: skip
    assert {row["state"] for row in found["checks"]} <= {"fine", "note", "warning"}
    assert all(row["fix"] for row in found["findings"])
    assert memory.tree() == before
    text = memory.run("doctor")
    assert text.returncode == 0
    assert len(text.stdout.splitlines()) == len(found["checks"])


@pytest.mark.spec("OPS-8", "OPS-9", "CON-18")
def test_what_needs_a_person_ends_with_1(memory):
    """A bad configuration does not hide the rest; a damaged journal, a newer one, a missing program are problems."""
    sound(memory)
    memory.put("acme-42/outputs/partial/journal.yaml", "- {nonsense\n")
    memory.put("acme-43/tasks/pending/T1.yaml", "id: T1\ntitle: x\n")
    memory.put("acme-43/outputs/partial/journal.yaml",
               '- {"journal": 2, "instruction": "acme-43", "opened": "2026-11-20T09:00:00Z"}\n')  # fmt: skip
    memory.put("../bad.yaml", "settle: 5\n")
    code, found = memory.json("doctor", "--config", "bad.yaml")
    assert code == 1
    problems = {row["name"]: row["path"] for row in found["checks"] if row["state"] == "problem"}
    assert problems["configuration"] == "bad.yaml:1:9"
    parked = {row["path"] for row in found["checks"] if (row["name"], row["state"]) == ("instructions", "problem")}
    assert parked == {"acme-42", "acme-43"}
    assert problems["versions"] == "acme-43/outputs/partial/journal.yaml"
    memory.put("../good.yaml", "sessions: {worker: {program: no-such-program}}\n")
    code, found = memory.json("doctor", "--config", "good.yaml")
    assert [row["state"] for row in found["checks"] if row["name"] == "programs"] == ["problem"]
    assert memory.json("--memory", "nowhere", "doctor")[0] == 66


def examined(memory: Memory, settings: Settings | None = None, now: datetime | None = None) -> dict[str, doctor.Check]:
    """The checks of one examination, the worst of each name."""
    settings = settings or Settings()
    state = str(memory.folder / "state")
    service = fsck.looking(fsck.Tree(str(memory.root), make_policy(), state))
    at = now or WallClock().now()
    service.load_all(at)
    order = ["fine", "note", "warning", "problem"]
    checks = sorted(doctor.examine(service, settings, [], state, at), key=lambda c: order.index(c.state))
    return {check.name: check for check in checks}


@pytest.mark.spec("OPS-8")
def test_networks_mounts_and_limits(memory, monkeypatch):
    """A network file system is polled: a warning. A mount in the memory, too few watches: problems, with the cure."""
    sound(memory)
    monkeypatch.setattr(doctor, "untold", lambda root: "nfs4")
    monkeypatch.setattr(doctor, "_limit", lambda name: 5)
    found = examined(memory)
    assert (found["file system"].state, found["watching"].state) == ("warning", "problem")
    assert "polls" in str(found["file system"].fix)
    assert "fs.inotify.max_user_watches" in str(found["watching"].fix)
    monkeypatch.setattr(doctor, "_mounts", lambda root: ["acme-42/tasks"])
    assert examined(memory)["file system"].path == "acme-42/tasks"


@pytest.mark.spec("OPS-8")
def test_clock_lock_and_readers(memory):
    """A clock behind the journal, or never set, is a problem; who holds the tree is said; so is mail nobody reads."""
    sound(memory)
    line = {"n": 1, "at": "2026-11-20T09:00:00Z", "due": "2026-11-20T09:00:00Z", "name": "note x", "action": "record",
            "rule": "X"}  # fmt: skip
    memory.put("acme-42/outputs/partial/journal.yaml", '- {"journal": 1, "instruction": "acme-42", "opened": '
               f'"2026-11-20T09:00:00Z"}}\n- {json.dumps(line)}\n')  # fmt: skip
    memory.put(f"{INBOX}/technical-writer/m.yaml", "type: delegation\n")
    now = datetime.now(UTC) + timedelta(days=3650)
    held = lock.TreeLock(str(memory.root))
    held.take(now)
    try:
        found = examined(memory, now=now)
    finally:
        held.release()
    assert found["clock"].state == "fine"
    assert str(os.getpid()) in found["daemon"].message
    assert (found["roster"].state, found["roster"].path) == ("warning", f"{INBOX}/technical-writer")
    assert examined(memory, now=datetime(2026, 11, 19, tzinfo=UTC))["clock"].path == "acme-42"
    assert examined(memory, now=datetime(1970, 1, 1, tzinfo=UTC))["clock"].state == "problem"
    assert examined(memory)["daemon"].state == "note"


@pytest.mark.spec("OPS-8")
def test_folders_that_cannot_be_written(memory, monkeypatch):
    """Each folder where the daemon may not write is a problem, and so is a file in the place of one."""
    sound(memory)
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: not str(path).endswith("pending"))
    assert examined(memory)["writable"].path == "acme-42/tasks/pending"
    monkeypatch.undo()
    memory.put("acme-42/tasks/completed", "no folder")
    assert examined(memory)["writable"].message == "it is no folder"


@pytest.mark.spec("OPS-8")
def test_secrets_that_cannot_be_read(memory):
    """A password's file that is not there is a problem before the first message is sent."""
    (memory.folder / "c.yaml").write_text("channels: {mail: {type: email, password_file: /nowhere/p}}\n")
    made, _ = check_settings(str(memory.folder / "c.yaml"), {})
    assert examined(memory, made)["channels"].path == "/nowhere/p"


@pytest.mark.spec("OPS-8")
def test_disks_zones_and_limits_that_are_nearly_used_up(memory, monkeypatch):
    """Little room warns, none is a problem, as are a mount that is read-only and zone data that is not there."""
    sound(memory)
    real = os.statvfs(memory.root)

    def disk(**changed: int) -> str:
        keys = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_flag")
        known = {key: getattr(real, key) for key in keys} | {"f_flag": 0, "f_frsize": 4096, "f_blocks": 1 << 24}
        whole = SimpleNamespace(**{**known, "f_bavail": 1 << 23, "f_favail": 1 << 20, "f_files": 1 << 21, **changed})
        monkeypatch.setattr(doctor.os, "statvfs", lambda path: whole)
        found = examined(memory)["disk"]
        assert (found.fix is None) == (found.state == "fine")
        return found.state

    assert [disk(), disk(f_bavail=1 << 17), disk(f_bavail=10), disk(f_favail=3), disk(f_flag=os.ST_RDONLY)] == [
        "fine", "warning", "problem", "problem", "problem",
    ]  # fmt: skip
    monkeypatch.undo()
    monkeypatch.setattr(doctor, "_limit", lambda name: 12 if name == "max_user_watches" else 128)
    assert examined(memory)["watching"].state == "warning"
    monkeypatch.setattr(doctor, "_limit", lambda name: 1 << 20 if name == "max_user_watches" else 4)
    assert "instances" in examined(memory)["watching"].message
    monkeypatch.setattr(doctor, "_limit", lambda name: None)
    assert examined(memory)["watching"].state == "note"
    monkeypatch.setattr(doctor, "_system_zones", lambda: "2020a")
    assert (examined(memory)["zone data"].state, "tzdata" in str(examined(memory)["zone data"].fix)) == (
        "warning",
        True,
    )
    monkeypatch.setattr(doctor, "_system_zones", lambda: None)
    monkeypatch.setattr(doctor, "_packaged_zones", lambda: None)
    assert examined(memory)["zone data"].state == "problem"


@pytest.mark.spec("OPS-8")
def test_what_the_tree_and_the_roster_lack(memory):
    """No inboxes yet, a message that is none by its ending, a parked instruction, a program that is not named."""
    sound(memory)
    assert examined(memory)["roster"].state == "note"
    memory.put(f"{INBOX}/executor/letter.txt", "type: completion\n")
    assert examined(memory)["instructions"].path == f"{INBOX}/executor/letter.txt"
    memory.put("acme-42/outputs/partial/journal.yaml", "- {nonsense\n")
    assert (examined(memory)["instructions"].state, examined(memory)["instructions"].path) == ("problem", "acme-42")
    (memory.folder / "c.yaml").write_text("roster: {night-bot: {runner: command}}\n")
    made, _ = check_settings(str(memory.folder / "c.yaml"), {})
    assert "night-bot" in examined(memory, made)["programs"].message
    shutil.rmtree(memory.root / "_communication")
    assert examined(memory)["writable"].state == "warning"


@pytest.mark.spec("OPS-8")
def test_a_state_folder_that_cannot_be_made_and_warnings_of_the_environment(memory):
    """From outside: a file where the state folder should be; a variable that is no key."""
    sound(memory)
    (memory.folder / "file").write_text("")
    code, found = memory.json("doctor", "--state", str(memory.folder / "file/below"), EXECUTORD_FAVOURITE="tea")
    rows = {row["name"]: row for row in found["checks"] if row["state"] != "fine"}
    assert (code, rows["state folder"]["state"]) == (1, "problem")
    assert (rows["configuration"]["state"], "EXECUTORD_FAVOURITE" in str(rows["configuration"])) == ("warning", True)


@pytest.mark.spec("OPS-8", "OPS-11")
@pytest.mark.parametrize(("level", "state"), [(1.6, "fine"), (5.1, "warning"), (None, None)])
def test_a_unit_that_is_less_hardened_than_it_ships(level, state, monkeypatch):
    """What goes over the unit makes it warn; nothing is said where no unit runs the tree."""
    monkeypatch.setattr(units.Unit, "installed", lambda self: True)
    monkeypatch.setattr(units, "running", lambda unit, environ: True)
    monkeypatch.setattr(units, "exposure", lambda unit: level)
    found = [(check.state, check.name, bool(check.fix)) for check in _unit_checks("/srv/agent_memory", {"HOME": "/"})]
    assert found == ([(state, "unit exposure", state == "warning")] if state else [])
