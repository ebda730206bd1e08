"""The demo and the sample memory, from outside: the command as a process, and what the tree shows afterwards.

Counterpart: `executord/demo.py`. The demo judges itself; here it is judged once more, by other means.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from executord import demo as play
from executord.values import read_stamp
from tests import docs_tables
from tests.calls import clean

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "sample_memory"
CASES = sorted(path.parent.name for path in SAMPLE.glob("*/tasks"))
TYPES = {
    "ticket_resolution", "support_strategy", "knowledge_base_plan", "escalation_process", "support_analytics",
    "training_program", "feedback_analysis",
}  # fmt: skip


def load(path: Path) -> Any:
    """A YAML file, every scalar as text."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def read(path: str) -> bytes:
    """What a file of /proc holds; nothing of a process that has just gone."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def call(tmp_path: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`executord …` with a temporary folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "executord", *args], capture_output=True, text=True, timeout=170, check=False,
        env={**clean(), "TMPDIR": str(tmp_path), **environ},
    )  # fmt: skip


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """One quick demo: its result, and its process."""
    place = tmp_path_factory.mktemp("demo")
    done = call(place, "demo", "--fast", "--keep", "--json", EXECUTORD_MEMORY="/nowhere", EXECUTORD_SETTLE="nonsense")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(done.stdout)


# --- the demo ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-1")
def test_the_demo_ends_well_and_says_what_it_has_shown(shown):
    """Exit 0, one JSON object, each thing shown; the user's own settings have no say in it."""
    assert shown["schema_version"] == 1
    assert shown["ok"]
    assert len(shown["shown"]) == 12
    assert all(each["ok"] for each in shown["shown"])
    assert {row["id"] for row in shown["rows"]} == set(CASES)
    assert {row["phase"] for row in shown["rows"]} == {"closed"}
    assert {row["components"] for row in shown["rows"]} == {6}
    assert max(row["cycles"] for row in shown["rows"]) == 2


@pytest.mark.spec("OPS-1", "EXE-3")
def test_every_task_of_the_sample_lies_in_completed(shown):
    """Nothing is left in pending/ or in_progress/, and each task has a result."""
    memory = Path(shown["folder"]) / "Agent_Memory"
    for case in CASES:
        wanted = sorted(path.name for path in (SAMPLE / case / "tasks").rglob("*.yaml"))
        assert sorted(path.name for path in (memory / case / "tasks").rglob("*.yaml")) == wanted
        assert sorted(path.name for path in (memory / case / "tasks" / "completed").iterdir()) == wanted
        for name in wanted:
            assert load(memory / case / "outputs" / "partial" / name)["state"] == "completed"


@pytest.mark.spec("OPS-1", "SES-8", "SES-12", "SES-25")
def test_the_team_session_was_executed(shown):
    """Three roles, four tasks: each has one result, two of them of one worker, and its texts are there."""
    session = Path(shown["folder"]) / "Agent_Memory" / play.SESSION
    lines = load(session / ".executord/journal.yaml")
    names = [line["name"] for line in lines if "name" in line]
    wanted = (SAMPLE / "_expected" / "_sessions" / "TC-status-page.txt").read_text(encoding="utf-8").splitlines()
    assert [
        n for n in names if n.split(" ")[0] in ("open", "start", "follow-up", "result", "complete", "archive")
    ] == wanted
    assert json.loads((session / "team-session.json").read_text())["status"] == "completed"
    assert "7 payments failed" in (session / "artifacts/status-page.md").read_text()
    assert not (
        Path(shown["folder"]) / "Agent_Memory/_communication/inbox/executor/.sessions/TC-status-page.yaml"
    ).exists()


@pytest.mark.spec("SES-1", "SES-2", "CON-11")
def test_the_sample_session_is_valid():
    """And stands as a coordinator left it."""
    done = subprocess.run(
        [sys.executable, "-m", "executord", "session", "validate", f"--session={SAMPLE / '_sessions/TC-status-page'}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "valid: 3 roles, 4 tasks\n")
    assert not (SAMPLE / "_sessions/TC-status-page/.executord").exists()


@pytest.mark.spec("EXE-13")
def test_a_claim_was_refused_once_and_redone(shown):
    """The journal has a refused claim of A2, one rework request, then the result of the same attempt."""
    memory = Path(shown["folder"]) / "Agent_Memory"
    journal = load(memory / "analytics-november" / "outputs" / "partial" / "journal.yaml")
    of_a2 = [line for line in journal if line.get("task") == "A2"]
    assert sum("points" in line.get("facts", {}) for line in of_a2) == 1
    names = [line["name"] for line in of_a2]
    assert names.index("rework A2 a1 #1") < names.index("result A2 a1")
    done = memory / "_communication/inbox/support-quality-analyst/done"
    assert load(done / "analytics-november.A2.a1.rework_request.yaml")["points"]


@pytest.mark.spec("MSG-5", "CON-5")
def test_a_bad_message_came_back_with_a_reason_its_author_can_act_on(shown):
    """The file lies in .rejected with its reason beside it; the author got, and read, the same words."""
    memory = Path(shown["folder"]) / "Agent_Memory"
    (reason,) = (memory / "_communication/inbox/executor/.rejected").glob("*/*.reason.yaml")
    said = load(reason)
    assert reason.with_name(said["file"]).exists()
    assert "report" in said["reason"]
    assert "completion" in said["expected"]
    (returned,) = (memory / "_communication/inbox/customer-advocacy-manager/done").glob("*rejection*.yaml")
    got = load(returned)
    assert {key: got[key] for key in ("code", "reason", "fix")} == {key: said[key] for key in ("code", "reason", "fix")}


@pytest.mark.spec("OPS-1")
def test_a_late_answer_counted(shown):
    """The result of T3 was claimed seconds after it was asked for, long after the others."""
    memory = Path(shown["folder"]) / "Agent_Memory"
    result = load(memory / "ticket-2057-eu-checkout" / "outputs" / "partial" / "T3.yaml")
    took = read_stamp(result["claimed_at"]) - read_stamp(result["dispatched_at"])
    assert took.total_seconds() >= play.Pace.fast().late


@pytest.mark.spec("MEM-10", "MEM-11", "MEM-12")
def test_the_planner_mended_what_was_not_filled_in(shown):
    """TP-2 was held with its fields named, edited, and done; the other task files are as they were, byte for byte."""
    memory = Path(shown["folder"]) / "Agent_Memory"
    (told,) = (memory / "_communication/inbox/planner/done").glob("training-new-hires.TP-2*.yaml")
    assert {fault["field"] for fault in load(told)["held_because"]} == {"assigned_to", "priority"}
    for case in CASES:
        for path in (SAMPLE / case / "tasks" / "pending").iterdir():
            same = (memory / case / "tasks" / "completed" / path.name).read_bytes() == path.read_bytes()
            assert same is (path.name != "TP-2.yaml"), path


@pytest.mark.spec("OPS-1")
def test_nothing_of_the_demo_is_left_running(shown):
    """No process has the demo's folder among its arguments."""
    left = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if shown["folder"] in words:
            left.append(words.replace("\0", " "))
    assert not left


@pytest.mark.spec("OPS-1")
def test_what_the_demo_tells_to_look_at_is_there(shown):
    """Each path that is printed exists."""
    assert len(shown["paths"]) == 10
    assert all(Path(path).is_file() for path in shown["paths"])


def test_a_demo_that_cannot_end_in_time_fails_and_says_what_is_missing(tmp_path):
    """With too little time the exit is 1, and what is not through is named; its folder goes with the next."""
    done = call(tmp_path, "demo", "--fast", "--limit", "2")
    assert done.returncode == 1
    assert "NOT  every instruction is handed off, validated and closed" in done.stdout
    assert "ticket-2057-eu-checkout" in done.stdout
    assert "ok   the daemon and its workers end when told to" in done.stdout
    (folder,) = tmp_path.glob("executord-demo-*")
    play.clear_earlier(tmp_path)
    assert not folder.exists()


def test_only_what_a_demo_has_left_is_cleared(tmp_path):
    """Not what was kept, not what a running demo uses, not what a link points to."""
    for name, mark in (("kept", None), ("running", os.getpid()), ("over", 2**22 + 1)):
        (tmp_path / f"executord-demo-{name}").mkdir()
        if mark is not None:
            (tmp_path / f"executord-demo-{name}" / play.MARK).write_text(f"{mark}\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / play.MARK).write_text(f"{2**22 + 1}\n")
    (tmp_path / "executord-demo-link").symlink_to(tmp_path / "elsewhere")
    play.clear_earlier(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"executord-demo-kept", "executord-demo-running", "executord-demo-link", "elsewhere"}
    assert (tmp_path / "elsewhere" / play.MARK).exists()


# --- the sample memory ------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-1")
def test_the_sample_has_every_tier_and_every_type_of_deliverable():
    """Tiers 0 to 4; each of the seven types named by some instruction; a customer on some; dates fixed."""
    heads = {case: load(SAMPLE / case / "instruction.yaml") for case in CASES}
    plans = {case: load(path) for case in CASES if (path := SAMPLE / case / "workflow" / "plan.yaml").exists()}
    named = {
        (plans.get(case) or {}).get("deliverable_type") or head.get("deliverable_type") or head.get("template")
        for case, head in heads.items()
    }
    assert named == TYPES
    tiers = {str(plan["tier"]).removeprefix("tier_")[0] for plan in plans.values()}
    assert tiers == {"0", "1", "2", "3", "4"}
    assert all("created_at" in head for head in heads.values())
    assert sum("customer" in head for head in heads.values()) >= 2
    assert any("checkpoints" in plan for plan in plans.values())
    assert any("phases" in plan for plan in plans.values())


def test_every_task_of_the_sample_has_an_answer_with_components():
    """The workers of the demo know something to each task, and parts of the deliverable."""
    for case in CASES:
        parts: set[str] = set()
        for path in (SAMPLE / case / "tasks").rglob("*.yaml"):
            answer = load(SAMPLE / "_answers" / case / path.name)
            assert answer["summary"]
            assert answer["output"]
            parts |= set(answer.get("components", {}))
        assert len(parts) >= 5, case


@pytest.mark.spec("OPS-1", "CON-7")
def test_the_expected_agendas_are_what_simulate_gives():
    """A rehearsal of the sample memory gives, for each instruction, the lines that lie beside it."""
    kept = {path.stem: path.read_text(encoding="utf-8") for path in (SAMPLE / "_expected").glob("*.txt")}
    found = docs_tables.expected()
    assert found == kept, "if it is meant: python -m tests.docs_tables"
    assert all(text.splitlines()[-1].startswith("phase closed: 0 pending, 0 in_progress") for text in found.values())


@pytest.mark.spec("OPS-3")
def test_a_worker_needs_nothing_but_python_and_yaml():
    """The scripts of the demo import the standard library and yaml only, as any user's would."""
    for path in (SAMPLE / "_workers").glob("*.py"):
        words = [line.split()[1] for line in path.read_text(encoding="utf-8").splitlines()
                 if line.startswith(("import ", "from "))]  # fmt: skip
        assert set(words) <= {*sys.stdlib_module_names, "yaml", "post"}, path


@pytest.mark.spec("OPS-1", "CON-18")
def test_a_demo_that_is_told_to_stop_leaves_nothing_running(tmp_path: Path):
    """It ends as whom the signal ended, and its daemon and workers with it."""
    env = {**clean(), "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen([sys.executable, "-m", "executord", "demo"], stdout=subprocess.PIPE, env=env, text=True)
    assert running.stdout is not None
    assert any("workers started" in line for line in iter(running.stdout.readline, ""))
    running.terminate()
    running.stdout.read()
    assert running.wait(timeout=60) == -signal.SIGTERM
    left = [
        line for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()
        if str(tmp_path).encode() in (line := read(f"/proc/{pid}/cmdline"))
    ]  # fmt: skip
    assert not left
