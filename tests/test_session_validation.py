"""What is wrong with a session, to the letter, and every shape in which one is found in the wild [SES-E1 … SES-4]."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executord.sessions.folder import find_session, verdict
from tests.calls import say
from tests.teams.kit import SPEC, Room, tree_of

ENVIRON = {**os.environ, "EXECUTORD_WORKER": "true", "NO_COLOR": "1"}
ENVIRON.pop("EXECUTORD_SESSION", None)


def call(*args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """`executord session …`."""
    return say("session", *args, **{"env": ENVIRON, **more})


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A valid session of two roles and three tasks."""
    room = Room(tmp_path / "room")
    room.prepare({"DEV-001": [], "DEV-002": ["DEV-001"], "TESTER-001": ["DEV-002"]})
    return Path(room.path)


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON file."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda data: data.pop(name)


def having(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: data.update(fields)


TEAM, ANALYSIS = "team-session.json", "task-analysis.json"


def graph(**nodes: Any) -> Callable[[Path], Any]:
    named = {name.replace("_", "-"): node for name, node in nodes.items()}
    return lambda s: edit(s / ANALYSIS, having(dependency_graph=named))


def spec(s: Path, **change: str) -> None:
    text = SPEC.format(role="dev", prefix="DEV", inner="false")
    for old, new in change.items():
        text = text.replace(old, new)
    (s / "role-specs" / "dev.md").write_text(text)


BROKEN: list[tuple[str, str, int, Callable[[Path], Any]]] = [
    ("SES-E3", "Invalid session: team-session.json missing", 65, lambda s: (s / TEAM).unlink()),
    ("SES-E4", "Invalid session: team-session.json corrupt", 65, lambda s: (s / TEAM).write_text('{"session_id": ')),
    ("SES-E4", "Invalid session: team-session.json corrupt", 65, lambda s: (s / TEAM).write_text("[1]")),
    ("SES-E4", "Invalid session: team-session.json corrupt", 65, lambda s: (s / TEAM).write_text("[" * 100_000)),
    ("SES-E5", "team-session.json missing required field: session_id", 65,
     lambda s: edit(s / TEAM, without("session_id"))),
    ("SES-E5", "team-session.json missing required field: task_description", 65,
     lambda s: edit(s / TEAM, having(task_description=""))),
    ("SES-E5", "team-session.json missing required field: team_name", 65,
     lambda s: edit(s / TEAM, without("team_name"))),
    ("SES-E6", "team-session.json has invalid status", 65, lambda s: edit(s / TEAM, having(status="archived"))),
    ("SES-E6", "team-session.json has invalid status", 65, lambda s: edit(s / TEAM, without("status"))),
    ("SES-E7", "team-session.json missing or empty roles array", 65, lambda s: edit(s / TEAM, having(roles=[]))),
    ("SES-E8", "Invalid session: task-analysis.json missing", 65, lambda s: (s / ANALYSIS).unlink()),
    ("SES-E9", "Invalid session: task-analysis.json corrupt", 65,
     lambda s: (s / ANALYSIS).write_bytes(b"\xff\xfe\x00")),
    ("SES-E10", "task-analysis.json missing required field: capabilities", 65,
     lambda s: edit(s / ANALYSIS, without("capabilities"))),
    ("SES-E10", "task-analysis.json missing required field: dependency_graph", 65,
     lambda s: edit(s / ANALYSIS, without("dependency_graph"))),
    ("SES-E11", "task-analysis.json missing or empty roles array", 65, lambda s: edit(s / ANALYSIS, having(roles=[]))),
    ("SES-E12", "Invalid session: role-specs/ directory missing", 65, lambda s: shutil.rmtree(s / "role-specs")),
    ("SES-E13", "Invalid session: no role-spec files in role-specs/", 65,
     lambda s: [p.unlink() for p in (s / "role-specs").iterdir()]),
    ("SES-E14", "Role-spec file not found: role-specs/tester.md", 65, lambda s: (s / "role-specs/tester.md").unlink()),
    ("SES-E15", "Invalid role-spec: role-specs/dev.md missing frontmatter", 65,
     lambda s: spec(s, **{"---\nrole": "role"})),
    ("SES-E16", "Invalid role-spec: role-specs/dev.md missing frontmatter field: role", 65,
     lambda s: spec(s, **{"role: dev\n": ""})),
    ("SES-E16", "Invalid role-spec: role-specs/dev.md missing frontmatter field: prefix", 65,
     lambda s: spec(s, **{"prefix: DEV\n": ""})),
    ("SES-E16", "Invalid role-spec: role-specs/dev.md missing frontmatter field: inner_loop", 65,
     lambda s: spec(s, inner_loop="outer_loop")),
    ("SES-E16", "Invalid role-spec: role-specs/dev.md missing frontmatter field: message_types", 65,
     lambda s: spec(s, **{"message_types:\n  success: dev_complete\n": ""})),
    ("SES-E17", "Invalid role-spec: role-specs/dev.md missing Phase 2", 65,
     lambda s: spec(s, **{"## Phase 2": "### 2"})),
    ("SES-E17", "Invalid role-spec: role-specs/dev.md missing Phase 3", 65,
     lambda s: spec(s, **{"## Phase 3: Work": "```\n## Phase 3: Work\n```"})),
    ("SES-E17", "Invalid role-spec: role-specs/dev.md missing Phase 4", 65,
     lambda s: spec(s, **{"## Phase 4": "## Phase 44"})),
    ("SES-E18", "Unknown dependency: DEV-009", 65, graph(DEV_001=["DEV-009"])),
    ("SES-E18", "Unknown dependency: {'of': 'DEV-001', 'why': 'x'}", 65,
     graph(DEV_001=[], DEV_002=[{"of": "DEV-001", "why": "x"}])),
    ("SES-E18", "Unknown dependency: ['DEV-001']", 65, graph(DEV_001=[], DEV_002=[["DEV-001"]])),
    ("SES-E18", "Self-dependency: DEV-001", 65, graph(DEV_001=["DEV-001"])),
    ("SES-E18", "Circular dependency detected involving: DEV-001, DEV-002, DEV-003", 65,
     graph(DEV_001=["DEV-003"], DEV_002=["DEV-001"], DEV_003=["DEV-002"], DEV_004=["DEV-003"])),
    ("SES-E18", "Role not found: painter", 65, graph(DEV_001={"role": "painter", "depends_on": []})),
    ("SES-E18", "Role not found: PAINT", 65, graph(PAINT_001=[])),
    ("SES-E18", "Duplicate task ID: DEV-001", 65, lambda s: (s / ANALYSIS).write_text(
        (s / ANALYSIS).read_text().replace('"DEV-002": [', '"DEV-001": ['))),
    ("SES-E18", "Duplicate task ID: DEV-002", 65,
     lambda s: edit(s / ANALYSIS, having(tasks=[{"id": "DEV-002"}, {"id": "DEV-002"}]))),
    ("SES-E18", "Duplicate task ID: DEV-001", 65, lambda s: (s / "tasks.json").write_text(
        json.dumps([{"id": "DEV-001"}, {"id": "DEV-001"}]))),
    ("SES-4", "Unsafe session_id id: ../../x", 65, lambda s: edit(s / TEAM, having(session_id="../../x"))),
    ("SES-4", "Unsafe task id: ../DEV-001", 65, lambda s: edit(s / ANALYSIS, having(
        dependency_graph={"../DEV-001": {"role": "dev"}}))),
    ("SES-4", "artifacts leads out of the session", 65, lambda s: (s / "artifacts").symlink_to("/etc")),
]  # fmt: skip


@pytest.mark.spec(
    "SES-E3", "SES-E4", "SES-E5", "SES-E6", "SES-E7", "SES-E8", "SES-E9", "SES-E10", "SES-E11", "SES-E12", "SES-E13",
    "SES-E14", "SES-E15", "SES-E16", "SES-E17", "SES-E18", "SES-3", "SES-4", "CON-11",
)  # fmt: skip
@pytest.mark.parametrize(("fault_id", "text", "code", "spoil"), BROKEN, ids=[f"{b[0]} {b[1][:60]}" for b in BROKEN])
def test_each_fault_has_its_text_and_its_code(session: Path, fault_id, text, code, spoil):
    """The table of chapter 7, verbatim; each with a hint."""
    spoil(session)
    path, reading = verdict(str(session))
    assert path == str(session)
    found = [fault for fault in reading.faults if fault.id == fault_id and fault.text == text]
    assert found, [(fault.id, fault.text) for fault in reading.faults]
    assert found[0].code == code
    assert found[0].hint


@pytest.mark.spec("SES-E1", "SES-E2", "SES-3", "CON-11", "CON-18", "SES-29")
def test_at_the_command_line(session: Path):
    """Exit codes, stdout and stderr; what is missing is not told by the command line's library."""
    for args in (["validate"], ["run"], ["validate", "--session="], ["run", "--session"]):
        done = call(*args)
        assert done.returncode == 2, done
        assert done.stderr.startswith("SES-E1 Session required. Usage: --session=<path-to-TC-folder>\n  hint: ")
    done = call("run", "--session=/nowhere/at/all")
    assert (done.returncode, done.stderr.splitlines()[0]) == (66, "SES-E2 Session directory not found: /nowhere/at/all")
    done = call("validate", f"--session={session}")
    assert (done.returncode, done.stdout) == (0, "valid: 2 roles, 3 tasks\n")
    done = call("validate", f"--session={session}", "--json")
    report = json.loads(done.stdout)
    assert report == {
        "schema_version": 1, "ok": True, "session": str(session), "errors": [], "warnings": [],
        "roles": ["dev", "tester"], "tasks": ["DEV-001", "DEV-002", "TESTER-001"],
    }  # fmt: skip


@pytest.mark.spec("SES-3", "CON-11")
def test_all_faults_are_told_in_the_order_of_the_table(session: Path):
    """What can still be found is found; the first decides the exit code; nothing is written."""
    edit(session / TEAM, having(team_name=None, status="gone"))
    (session / "role-specs/tester.md").unlink()
    spec(session, **{"prefix: DEV\n": "", "## Phase 4": "## 4"})
    edit(session / ANALYSIS, having(dependency_graph={"DEV-001": ["X"], "DEV-002": ["DEV-002"]}))
    before = tree_of(str(session))
    done = call("validate", f"--session={session}", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 65
    assert [e["id"] for e in report["errors"]] == [
        "SES-E5", "SES-E6", "SES-E14", "SES-E16", "SES-E17", "SES-E18", "SES-E18",
    ]  # fmt: skip
    assert not report["ok"]
    assert set(report["errors"][0]) == {"id", "text", "path", "hint"}
    done = call("run", f"--session={session}")
    assert done.returncode == 65
    assert tree_of(str(session)) == before


@pytest.mark.spec("SES-10", "SES-29", "CON-18")
def test_without_a_worker_program_nothing_is_started(session: Path):
    """Exit 78 before anything is written."""
    before = tree_of(str(session))
    environ = {k: v for k, v in ENVIRON.items() if k != "EXECUTORD_WORKER"}
    done = call("run", f"--session={session}", env=environ)
    assert done.returncode == 78
    assert "no worker program" in done.stderr
    done = call("run", f"--session={session}", "--worker", "/no/such/program x", env=environ)
    assert done.returncode == 78
    assert tree_of(str(session)) == before


@pytest.mark.spec("SES-26", "CON-18")
def test_workers_do_not_run_sessions(session: Path):
    """With EXECUTORD_SESSION in the environment every command that moves a session is refused."""
    environ = {**ENVIRON, "EXECUTORD_SESSION": "TC-checkout"}
    for args in (
        ["run"], ["resume"], ["complete", "--action", "archive"], ["retry", "DEV-001"],
        ["skip", "DEV-001", "--reason", "x"],
    ):  # fmt: skip
        done = call(*args, f"--session={session}", env=environ)
        assert done.returncode == 65, (args, done)
        assert "workers do not run sessions" in done.stderr
    assert call("status", f"--session={session}", env=environ).returncode == 0


# --- shapes [SES-1, SES-2] --------------------------------------------------------------------------------------------


def finished(room: Room) -> None:
    """Whoever is given a task does it, until the session is complete."""
    room.look()
    for _ in range(50):
        live = [job.id for job in room._team().live]
        if not live:
            break
        for task in live:
            room.finish(task)
        room.at("+3s")
    done, total = room._team().count
    assert (done, total) == (total, total)
    room.sound()


GRAPHS: dict[str, dict[str, Any]] = {
    "depends_on": {"DEV-001": {"depends_on": [], "role": "dev"}, "QA-1": {"depends_on": ["DEV-001"], "role": "tester"}},
    "list": {"DEV-001": [], "TESTER-001": ["DEV-001"]},
    "blockedBy": {
        "DEV-001": {"role": "dev", "blockedBy": [], "priority": "P0"},
        "X9": {"role": "tester", "blockedBy": ["DEV-001"], "priority": "P1"},
    },
    "objects": {"DEV-001": [], "TESTER-001": [{"id": "DEV-001"}]},
}


@pytest.mark.spec("SES-1")
@pytest.mark.parametrize("shape", GRAPHS)
def test_every_shape_of_graph_runs_to_the_end(tmp_path: Path, shape: str):
    """Nodes as `{depends_on, role}`, as a list, as `{role, blockedBy, priority}`."""
    room = Room(tmp_path, {"completion": "auto_archive"})
    room.prepare(GRAPHS[shape])
    finished(room)
    assert room.status() == "completed"


@pytest.mark.spec("SES-1")
@pytest.mark.parametrize(
    ("graph", "analysis", "tasks", "role"),
    [
        ({"A": {"role": "tester"}}, {"tasks": [{"id": "A", "owner": "dev"}]}, None, "tester"),
        ({"A": []}, {"tasks": [{"id": "A", "owner": "tester"}]}, None, "tester"),
        ({"A": []}, {"tasks": {"A": {"role": "tester"}}}, None, "tester"),
        ({"A": []}, {}, [{"id": "A", "owner": "tester", "status": "pending"}], "tester"),
        ({"A": []}, {"capabilities": [{"name": "dev"}, {"name": "tester", "tasks": [{"id": "A"}]}]}, None, "tester"),
        ({"TESTER-007": []}, {}, None, "tester"),
    ],
)
def test_whose_a_task_is(tmp_path: Path, graph, analysis, tasks, role):
    """Its own role; else its owner; else its capability's; else by prefix."""
    room = Room(tmp_path)
    room.prepare(graph, analysis=analysis, tasks=tasks)
    _, reading = verdict(room.path)
    assert not reading.faults
    assert reading.plan is not None
    assert [node.role for node in reading.plan.nodes.values()] == [role]
    finished(room)


BOARDS: dict[str, Any] = {
    "array": [{"id": "DEV-001", "status": "completed", "mine": 1}, {"id": "TESTER-001", "status": "pending", "z": [1]}],
    "object": {"version": 3, "tasks": {"DEV-001": {"status": "completed", "mine": 1}, "TESTER-001": {"z": [1]}},
               "active_agents": {}, "last": True},
    "object with an array": {"tasks": [{"id": "DEV-001", "status": "completed"}, {"id": "TESTER-001"}], "k": "v"},
    "map": {"DEV-001": {"status": "completed"}, "TESTER-001": {"status": "pending"}},
    "map of texts": {"DEV-001": "completed", "TESTER-001": "pending"},
}  # fmt: skip


@pytest.mark.spec("SES-2", "MEM-12")
@pytest.mark.parametrize("shape", BOARDS)
def test_every_shape_of_tasks_json_runs_to_the_end(tmp_path: Path, shape: str):
    """It is written in the shape in which it was found, and unknown keys survive, in order."""
    room = Room(tmp_path, {"completion": "auto_archive"})
    room.prepare({"DEV-001": [], "TESTER-001": ["DEV-001"]}, tasks=BOARDS[shape])
    finished(room)
    assert room.crew.started == ["TESTER-001.a1"]  # the other one was completed already
    after = room.json("tasks.json")
    assert type(after) is type(BOARDS[shape])
    if shape == "array":
        assert after[0]["mine"] == 1
        assert list(after[1])[:3] == ["id", "status", "z"]
    if shape == "object":
        assert list(after)[:4] == ["version", "tasks", "active_agents", "last"]
        assert after["active_agents"] == {}
        assert after["tasks"]["DEV-001"]["mine"] == 1
    if shape == "map of texts":
        assert after == {"DEV-001": "completed", "TESTER-001": "completed"}
    assert room.json("team-session.json")["pipeline"] == "standard"


@pytest.mark.spec("SES-2")
@pytest.mark.parametrize(
    "more",
    [
        {"active_workers": [{"task_id": "DEV-001", "agent": "w"}]},
        {"active_workers": ["DEV-001"]},
        {"active_agents": {"DEV-001": {"pid": 4, "started_at": "2026-11-20T08:00:00Z"}}},
        {"active_agents": {"DEV-001": "worker-7"}},
        {"active_agents": {"worker-7": "DEV-001"}},
        {"active_agents": {"worker-7": {"task_id": "DEV-001"}}},
    ],
    ids=str,
)
def test_entries_of_workers_in_every_shape(tmp_path: Path, more):
    """`active_workers` and `active_agents` are one thing."""
    room = Room(tmp_path)
    room.prepare({"DEV-001": []}, tasks=[{"id": "DEV-001", "status": "in_progress"}], **more)
    _, reading = verdict(room.path)
    assert [entry.task for entry in reading.entries] == ["DEV-001"]
    room.at("+10m")
    finished(room)


@pytest.mark.spec("SES-2")
def test_roles_as_texts_and_as_objects(tmp_path: Path):
    """What a text does not say is read from the role-spec."""
    room = Room(tmp_path, {"completion": "auto_archive"})
    room.prepare({"DEV-001": [], "TESTER-001": ["DEV-001"]})
    edit(Path(room.path) / TEAM, having(roles=["dev", {"role": "tester"}]))
    edit(Path(room.path) / ANALYSIS, having(roles=["dev", "tester"], capabilities=["dev", "tester"]))
    finished(room)
    assert room.json("team-session.json")["roles"] == ["dev", {"role": "tester"}]


@pytest.mark.spec("SES-2")
def test_the_older_layout(tmp_path: Path):
    """`roles/*.md` with `# Role:` lines and `role_file`: read, with a warning, to the end."""
    room = Room(tmp_path, {"completion": "auto_archive"})
    room.prepare({"DEV-001": [], "TESTER-001": ["DEV-001"]})
    shutil.rmtree(f"{room.path}/role-specs")
    room.lay("roles/developer.md", "# Role: dev\n\nDo it.\n")
    room.lay("roles/tester.md", "# Role: tester\n")
    edit(
        Path(room.path) / TEAM,
        having(
            roles=[
                {"name": "dev", "prefix": "DEV", "role_file": "roles/developer.md"},
                {"name": "tester", "prefix": "TESTER"},
            ]
        ),
    )
    path, reading = verdict(room.path)
    assert not reading.faults
    assert [w.id for w in reading.warnings] == ["SES-2"]
    finished(room)
    assert f"role_spec: {path}/roles/developer.md" in room.text(".executord/work/DEV-001.a1/order.md")


@pytest.mark.spec("SES-2")
@pytest.mark.parametrize("pointer", [{"run": {"run_dir": "runs/7"}}, {"run_dir": "{abs}/runs/7"}, None])
def test_a_session_in_a_run(tmp_path: Path, pointer):
    """`{run_dir}/work/team` is found from `run.run_dir`, and from the run's folder itself."""
    room = Room(tmp_path / "room")
    room.prepare({"DEV-001": []})
    team = tmp_path / "runs" / "7" / "work" / "team"
    team.parent.mkdir(parents=True)
    shutil.move(room.path, team)
    if pointer is None:
        assert find_session(str(tmp_path / "runs" / "7")) == str(team)
        return
    text = json.dumps(pointer).replace("{abs}", str(tmp_path))
    (tmp_path / "run.json").write_text(text)
    path, reading = verdict(str(tmp_path))
    assert path == str(team)
    assert not reading.faults


@pytest.mark.spec("SES-23")
def test_an_unknown_completion_action_is_a_warning(session: Path):
    """And `interactive` is taken."""
    edit(session / TEAM, having(completion_action="celebrate"))
    _, reading = verdict(str(session))
    assert not reading.faults
    assert reading.plan is not None
    assert reading.plan.completion == "interactive"
    assert [w.id for w in reading.warnings] == ["SES-23"]


@pytest.mark.spec("SES-2", "SES-5", "MEM-2")
def test_a_corrupt_tasks_json_is_kept_aside_and_made_again(tmp_path: Path):
    """Nothing that others wrote is lost, and what was prepared is never written."""
    room = Room(tmp_path, {"completion": "auto_archive"})
    room.prepare({"DEV-001": []}, tasks='{"tasks": ')
    before = {name: Path(room.path, name).read_bytes() for name in (ANALYSIS, "role-specs/dev.md")}
    finished(room)
    assert room.text(".executord/tasks.json.corrupt") == '{"tasks": '
    assert {name: Path(room.path, name).read_bytes() for name in before} == before
    for folder in ("discoveries", "artifacts", ".msg", "wisdom", "explorations", "discussions"):
        assert Path(room.path, folder).is_dir()


@pytest.mark.spec("SES-20", "CON-11")
def test_how_a_session_is_shown(tmp_path: Path):
    """The board for people, the object for programs; both change nothing."""
    room = Room(tmp_path)
    room.prepare({"DEV-001": [], "DEV-002": ["DEV-001"], "DEV-003": [], "TESTER-001": ["DEV-002"]})
    room.finish("DEV-001")
    room.say("DEV-002", "progress", "half of it is done")
    room.look()
    before = tree_of(room.root)
    done = call("status", f"--session={room.path}")
    assert done.returncode == 0
    text = done.stdout
    for words in (
        "[executor] Pipeline Status\n", "Progress: 1/4 (25%)\n", "Execution Graph:\n", "done DEV-001 (dev)\n",
        ">>> DEV-002 (dev) <- DEV-001\n", "o TESTER-001 (tester) <- DEV-002\n",
        "done=completed  >>>=running  o=pending\n",
        "Active agents:\n", "> DEV-002 (dev) - running ", " - half of it is done\n", "Ready to spawn: none\n",
        "Blockers: none\n", "Commands: ",
    ):  # fmt: skip
        assert words in text, words
    assert call("check", f"--session={room.path}").stdout.splitlines()[1] == text.splitlines()[1]
    report = json.loads(call("status", f"--session={room.path}", "--json").stdout)
    assert list(report) == [
        "schema_version", "session_id", "status", "completed", "total", "percent", "stalled", "waiting_on", "tasks",
        "active",
        "ready", "blockers",
    ]  # fmt: skip
    assert list(report["tasks"][0]) == [
        "id", "role", "status", "deps", "attempt", "pid", "started_at", "elapsed_s", "milestone", "error",
    ]  # fmt: skip
    assert report["active"] == ["DEV-002", "DEV-003"]
    assert tree_of(room.root) == before


@pytest.mark.spec("SES-1", "MEM-7", "SES-5")
@pytest.mark.parametrize("said", [
    [{"task": "DEV-001"}], [{"DEV-001": "its result"}], {"requires": ["DEV-001"]}, {"dependsOn": "DEV-001"},
    {"depends_on": [{"task_id": "DEV-001", "reason": "x"}]},
], ids=str)  # fmt: skip
def test_a_dependency_however_it_is_written_is_waited_for(session: Path, said: Any):
    """None is left out without a word: the task behind it would begin at once."""
    graph(DEV_001=[], DEV_002=said)(session)
    _, reading = verdict(str(session))
    assert not reading.faults
    assert reading.plan is not None
    assert reading.plan.nodes["DEV-002"].deps == ("DEV-001",)


@pytest.mark.spec("SES-10", "SES-16", "SES-3")
def test_what_can_be_run_and_hardly_was_meant_is_a_warning(session: Path):
    """A context from nowhere, and a graph without tasks."""
    graph(DEV_001={"depends_on": [], "context_from": ["DEV-000"]})(session)
    done = call("validate", f"--session={session}")
    assert done.returncode == 0
    assert "warning DEV-001: context_from names DEV-000, which is no task; nothing of it is handed on" in done.stderr
    graph()(session)
    done = call("validate", f"--session={session}")
    assert done.returncode == 0
    assert "warning dependency_graph has no tasks: there is nothing to do" in done.stderr


@pytest.mark.spec("SES-16", "SES-20", "SES-28")
def test_where_a_skipped_task_is_waited_for_what_can_be_skipped_is_named(session: Path):
    """To skip it again would change nothing: what depends on it is what stands still."""
    assert call("skip", "DEV-001", "--reason", "not needed", f"--session={session}").returncode == 0
    stands = json.loads(call("status", f"--session={session}", "--json").stdout)
    assert (stands["stalled"], stands["waiting_on"]) == (True, ["DEV-001"])
    assert stands["blockers"][0]["fix"] == "retry DEV-001, or skip DEV-002"
    assert call("skip", "DEV-002", "--reason", "nor this", f"--session={session}").returncode == 0
    stands = json.loads(call("status", f"--session={session}", "--json").stdout)
    assert stands["blockers"][-1]["fix"] == "retry DEV-002, or skip TESTER-001"
    said = call("run", f"--session={session}")
    assert said.returncode == 1
    assert "session retry DEV-002 --session=" in said.stdout
    assert "session skip TESTER-001 --reason" in said.stdout
    assert "session skip DEV-00" not in said.stdout
