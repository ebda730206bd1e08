"""What workers, visitors and other programs do to a session's folder while it runs: pipes on its names, moves, copies,
edits, claims without the files. Counterpart: `test_sessions.py`, sessions as they should be.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from executord.sessions.desk import RETRY
from tests.real.test_sessions import Session, daemon, marked, room, worker

__all__ = ["room"]
PIPES = (
    "tasks.json", "team-session.json", ".msg/meta.json", ".executord/board.json", "wisdom/issues.md",
    "wisdom/learnings.md", "discussions/round-1.md", ".executord/work/DEV-001.a1/stderr", "artifacts/result.md",
)  # fmt: skip


def script(room: Path, text: str) -> str:
    """A worker in a few lines of shell; `ok` leaves its result."""
    ok = 'printf \'{"id": "%s", "status": "completed", "findings": "%s"}\' "$EXECUTORD_TASK" "$1" > "$EXECUTORD_RESULT"'
    path = room / "script.sh"
    path.write_text(f"#!/bin/sh\nok() {{ {ok}; }}\n{text}\n")
    path.chmod(0o755)
    return str(path)


@contextlib.contextmanager
def running(session: Session, *behaviour: str) -> Iterator[subprocess.Popen[str]]:
    """It runs in the foreground, and its first task is at work; ended if the test fails."""
    run = session.start(*behaviour)
    try:
        session.until(lambda: any(n.startswith("started ") for n in session.names()), "it works")
        yield run
    finally:
        if run.poll() is None:
            run.kill()
            run.wait()


def said(session: Session) -> str:
    """What the run has printed."""
    return (session.root / "run.log").read_text()


def removed(path: Path) -> None:
    """All at once, while somebody writes there."""
    shutil.rmtree(path.rename(path.with_name(f".{path.name}")))


# --- names that are no files ------------------------------------------------------------------------------------------


@pytest.mark.spec("SEC-0", "REL-4")
@pytest.mark.hazard(11)
def test_pipes_on_the_names_of_a_session(room: Path):
    """Nobody waits for who never writes: views are made again, what is only read is passed over."""
    session = Session(room, {"DEV-001": [], "DEV-002": ["DEV-001"]})
    pipes = " ".join(PIPES)
    program = script(
        room, f'if [ "$EXECUTORD_TASK" = DEV-001 ]; then for p in {pipes}; do rm -f $p; mkfifo $p; done; fi; ok done'
    )
    done = session.call("run", "--worker", program)
    assert done.returncode == 0, done
    assert set(session.states().values()) == {"completed"}
    assert all((session.path / name).is_file() for name in PIPES[:4])
    assert session.call("status").returncode == 0


@pytest.mark.spec("SEC-0", "SES-13", "MEM-13")
@pytest.mark.hazard(11)
def test_a_pipe_in_the_place_of_the_message_bus(room: Path):
    """It is named, and how the session stands is shown; with a file in its place the session goes on."""
    session = Session(room, {"DEV-001": []}, config={"work_s": 600})
    bus = session.path / ".msg/messages.jsonl"
    program = script(room, "rm -f .msg/messages.jsonl; mkfifo .msg/messages.jsonl; touch there; sleep 2; ok done")
    done = session.call("run", "--worker", program)
    assert done.returncode == 65, done
    assert ".msg/messages.jsonl what the workers say cannot be read: it is no regular file" in done.stderr
    assert session.states() == {"DEV-001": "in_progress"}
    bus.unlink()
    assert session.call("run", "--worker", program).returncode == 0
    assert session.names().count("start DEV-001 a1") == 1


# --- moved, removed, copied -------------------------------------------------------------------------------------------


@pytest.mark.spec("SES-25", "REL-6", "CON-18")
@pytest.mark.parametrize("how", ["moved", "removed"])
def test_a_folder_that_goes_while_it_runs(room: Path, how: str):
    """It is said, and nothing is made in the old place; where it was moved to, it goes on."""
    session = Session(room, {"DEV-001": [], "DEV-002": ["DEV-001"]}, config={"work_s": 600})
    with running(session, "wait:go,finish") as run:
        if how == "moved":
            session.path.rename(room / "TC-moved")
        else:
            removed(session.path)
        assert run.wait(30) == 66, said(session)
        assert "the session's folder is gone; its workers go on" in said(session)
        assert not session.path.exists()
    if how == "removed":
        for pid in marked("TC-real", room):
            with contextlib.suppress(OSError):
                subprocess.run(["kill", "-9", str(pid)], check=False)
        return
    session.path = room / "TC-moved"
    (session.path / "go").touch()
    done = session.run("finish")
    assert done.returncode == 0, done
    assert not (room / "TC-real").exists()


@pytest.mark.spec("SES-25", "REL-12", "MEM-25")
def test_a_session_of_the_daemon_that_is_moved_and_one_that_is_removed(room: Path):
    """`hitl` is told how to get on: `session` with the new path is taken; without the note the other is forgotten."""
    tree = daemon(room, "mark:x,wait:go,finish")
    made = {n: Session(room, {"DEV-001": []}, name=f"TC-{n}") for n in ("moved", "removed")}
    tree.start()
    for session in made.values():
        tree.message(f"{session.path.name}.yaml", {"type": "session", "from": "planner", "path": str(session.path)})
        session.until(lambda s=session: (s.path / "marks.x").exists(), "it works")
    session, new = made["moved"], room / "elsewhere"
    session.path.rename(new)
    removed(made["removed"].path)
    hitl = tree.root / "_communication/inbox/hitl"
    tree.until(lambda: len(list(hitl.glob("*.yaml"))) == 2, "hitl is told")
    texts = [yaml.safe_load(p.read_text())["text"] for p in hitl.glob("*.yaml")]
    assert all("the session's folder is gone; its workers go on; put it back, send `session`" in t for t in texts)
    tree.message("new.yaml", {"type": "session", "from": "planner", "path": str(new)})
    (new / "go").touch()
    tree.until(lambda: json.loads((new / "team-session.json").read_text())["status"] == "completed", "it goes on")
    note = tree.root / "_communication/inbox/executor/.sessions/TC-removed.yaml"
    note.unlink()
    assert tree.stop() == 0
    tree.start()
    assert json.loads(tree.call("status", "--json").stdout)["sessions"] == []
    assert not session.path.exists()
    assert not made["removed"].path.exists()
    assert tree.stop() == 0
    for pid in marked("TC-removed", room):
        with contextlib.suppress(OSError):
            subprocess.run(["kill", "-9", str(pid)], check=False)


@pytest.mark.spec("SES-6", "SES-15", "OPS-18", "SES-7")
@pytest.mark.parametrize("how", ["a copy", "the same id"])
def test_no_session_takes_the_workers_of_another(room: Path, how: str):
    """A copy of a session that runs, or another of the same id: it starts its own workers and ends nobody else's."""
    session = Session(room, {"DEV-001": []}, config={"work_s": 600})
    with running(session, "mark:x,wait:go,finish") as run:
        if how == "a copy":
            other = Session(room / "second", {})
            shutil.rmtree(other.path)
            shutil.copytree(session.path, other.path)
        else:
            other = Session(room / "second", {"DEV-001": []})
        done = other.run("mark:y,finish")
        assert done.returncode == 0, done
        assert len((other.path / "marks.y").read_text().splitlines()) == 1
        (session.path / "go").touch()
        assert run.wait(30) == 0, said(session)
    assert len((session.path / "marks.x").read_text().splitlines()) == 1
    assert session.names().count("start DEV-001 a1") == 1
    assert "result DEV-001 a1" in session.names()


@pytest.mark.spec("REL-5", "SES-9", "REL-4")
@pytest.mark.hazard(29)
def test_a_disk_that_is_full_for_a_while(room: Path):
    """It is said; once there is room again the session goes on within seconds, and each attempt was begun once."""
    disk = room / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("needs a small tmpfs, which only root may mount")
    try:
        tree = daemon(room, "mark:x,wait:go,finish")
        session = Session(disk, {"DEV-001": [], "DEV-002": ["DEV-001"]})
        tree.start()
        tree.message("go.yaml", {"type": "session", "from": "planner", "path": str(session.path)})
        session.until(lambda: (session.path / "marks.x").exists(), "it works")
        with contextlib.suppress(OSError), (disk / "fill").open("wb", buffering=0) as fill:
            while True:
                fill.write(b"x" * 4096)
        (session.path / "go").touch()
        tree.until(lambda: tree.inbox("hitl"), "hitl is told")
        time.sleep(RETRY.total_seconds() + 2)  # until it has been tried again in vain, which nothing tells of
        (disk / "fill").unlink()
        freed = time.monotonic()
        tree.until(lambda: session.json("team-session.json")["status"] == "completed", "it goes on")
        assert time.monotonic() - freed < 45, "it waited for the next minute"
        begun = (session.path / "marks.x").read_text().splitlines()
        assert len({line.rpartition(" ")[0] for line in begun}) == len(begun)
        assert tree.log.read_text().count("No space left on device") == 1
        assert tree.stop() == 0
    finally:
        if tree.process is not None and tree.process.poll() is None:
            tree.kill()
        subprocess.run(["umount", "-l", str(disk)], check=False)


SHIFTED = """
import sys, datetime
from executord import clock
back = datetime.timedelta(hours=2)
clock.WallClock.now = lambda self: datetime.datetime.now(datetime.UTC) - back
from executord.cli import main
main()
"""


@pytest.mark.spec("SLA-12", "REL-8", "SES-15")
@pytest.mark.hazard(41)
def test_a_clock_that_was_set_back(room: Path):
    """Two hours: results are taken, failures tried again after their back-off, follow-ups given, as if it had not."""
    graph = {"DEV-001": [], "DEV-002": ["DEV-001"], "TESTER-001": [], "TESTER-002": ["TESTER-001"]}
    session = Session(room, graph, inner=("tester",), config={"work_s": 600})
    inner = "TESTER-001=wait:go,finish,next,sleep:600"
    with running(session, "wait:go,finish", "DEV-002=once,exit:3", inner) as run:
        session.until(lambda: set(session.states().values()) == {"in_progress", "pending"}, "both work")
        run.kill()
        run.wait()
    (session.path / "go").touch()
    words = session.words("run", "--worker", worker("finish", "DEV-002=once,exit:3", inner))
    done = subprocess.run([sys.executable, "-c", SHIFTED, *words], capture_output=True, text=True, timeout=100,
                          check=False, env=session.environ(), stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 0, done
    assert "start DEV-002 a2" in session.names()
    assert "follow-up TESTER-002 a1" in session.names()
    times = [e["at"] for e in session.journal()]
    assert times == sorted(times)


# --- edited while it runs ---------------------------------------------------------------------------------------------


@pytest.mark.spec("MEM-12", "MEM-24", "SES-17")
def test_what_others_write_into_the_heads_stays(room: Path):
    """Keys that somebody adds to team-session.json and meta.json while it runs are kept; what they ask for counts."""
    session = Session(room, {"DEV-001": [], "DEV-002": ["DEV-001"]}, config={"work_s": 600})
    with running(session, "wait:go,finish") as run:
        for name, more in (("team-session.json", {"completion_action": "auto_keep"}), (".msg/meta.json", {})):
            text = json.dumps({**session.json(name), "note": "mine", **more})
            (session.path / name).write_text(text)
        (session.path / "go").touch()
        assert run.wait(30) == 0, said(session)
    head = session.json("team-session.json")
    assert (head["note"], head["status"]) == ("mine", "paused")
    assert session.json(".msg/meta.json")["note"] == "mine"


@pytest.mark.spec("SES-17", "SES-24", "SES-5")
def test_a_plan_that_is_made_worse_while_it_runs(room: Path):
    """What is not valid, or takes away a task at work, is not taken, and that is said; it runs on as it was."""
    session = Session(room, {"DEV-001": [], "TESTER-001": ["DEV-001"]}, config={"work_s": 600})
    analysis, spec = session.path / "task-analysis.json", session.path / "role-specs/tester.md"
    (session.path / "tasks.json").write_text('{"DEV-001": "pending", "TESTER-001": "pending"}')
    good, kept = json.loads(analysis.read_text()), spec.read_text()

    def warned(text: str) -> bool:
        return any(text in (e.get("facts", {}).get("warning") or "") for e in session.journal())

    with running(session, "wait:go,finish") as run:
        analysis.write_text("{oops")
        session.until(lambda: warned("SES-E9 Invalid session: task-analysis.json corrupt"), "it is said")
        analysis.write_text(json.dumps(good))
        spec.unlink()
        session.until(lambda: warned("SES-E14 Role-spec file not found: role-specs/tester.md"), "it is said")
        spec.write_text(kept)
        analysis.write_text(json.dumps(good | {"dependency_graph": {"TESTER-001": []}}))
        session.until(lambda: warned("DEV-001 is in progress, and it is not in the session any more"), "it is said")
        run.kill()
        run.wait()
    done = session.run("finish")
    assert done.returncode == 65, done
    assert "DEV-001 is in progress, and it is not in the session any more; put it back" in done.stderr
    analysis.write_text(json.dumps(good))
    (session.path / "go").touch()
    done = session.run("finish")
    assert done.returncode == 0, done
    assert set(session.states().values()) == {"completed"}
    assert session.names().count("start DEV-001 a1") == 1


@pytest.mark.spec("SES-18", "SES-24")
def test_a_revision_beside_a_task_of_its_name(room: Path):
    """The graph has a DEV-001-R1 of its own, which is at work: the revision gets the next free name."""
    graph = {"DEV-001": [], "DEV-001-R1": {"role": "tester", "depends_on": ["DEV-001"]}}
    session = Session(room, graph, config={"work_s": 600})
    run = session.start("finish", "DEV-001-R1=wait:go,finish")
    session.until(lambda: session.states()["DEV-001-R1"] == "in_progress", "it works")
    with (session.path / ".msg/messages.jsonl").open("a") as bus:
        said = {"from": "tester", "type": "consensus_blocked", "data": {"task_id": "DEV-001", "severity": "HIGH"}}
        bus.write(json.dumps(said) + "\n")
    session.until(lambda: session.states().get("DEV-001-R2") == "completed", "it is revised")
    (session.path / "go").touch()
    assert run.wait(30) == 0
    assert session.states() == {"DEV-001": "revised", "DEV-001-R1": "completed", "DEV-001-R2": "completed"}


# --- what is said, and what is true -----------------------------------------------------------------------------------


@pytest.mark.spec("SES-17", "EXE-29")
def test_a_gap_that_is_said_a_hundred_times(room: Path):
    """One notice."""
    tree = daemon(room, "finish", completion="auto_archive")
    line = '{"from": "DEV-001", "type": "capability_gap", "data": {"capability": "load testing"}}'
    program = script(room, f"for i in $(seq 100); do echo '{line}' >> .msg/messages.jsonl; done; ok done")
    tree.config.write_text(tree.config.read_text() + "\n")
    config = yaml.safe_load(tree.config.read_text())
    config["sessions"]["worker"] = {"program": program}
    tree.config.write_text(yaml.safe_dump(config))
    session = Session(room, {"DEV-001": []})
    tree.start()
    tree.message("go.yaml", {"type": "session", "from": "planner", "path": str(session.path)})
    tree.until(lambda: session.json("team-session.json")["status"] == "completed", "done")
    assert tree.inbox("hitl") == ["TC-real.notice.yaml"]
    assert tree.stop() == 0


@pytest.mark.spec("SES-12", "SES-22")
def test_a_result_that_names_what_is_not_there(room: Path):
    """It counts, for it has findings; but nobody is told that the file is there."""
    session = Session(room, {"DEV-001": []})
    result = {"id": "DEV-001", "status": "completed", "findings": "written",
              "artifacts": ["artifacts/report.md", "artifacts/there.md", "https://ci.example/7"],
              "files_modified": ["src/elsewhere.py"]}  # fmt: skip
    program = script(room, f"echo x > artifacts/there.md; echo '{json.dumps(result)}' > $EXECUTORD_RESULT")
    done = session.call("run", "--worker", program)
    assert done.returncode == 0, done
    assert "- artifacts/report.md (dev, not there)\n" in done.stdout
    assert "- artifacts/there.md (dev)\n" in done.stdout
    issues = (session.path / "wisdom/issues.md").read_text()
    assert "DEV-001: its result names what is not there: artifacts/report.md (executor" in issues


@pytest.mark.spec("SES-20", "REL-10")
@pytest.mark.parametrize("row", [{"attempt": "two"}, {"attempt": [3]}, {"attempt": -5}, {"attempt": 1e300}])
def test_the_status_of_a_session_with_odd_rows(room: Path, row: dict[str, object]):
    """Whatever others have written of an attempt, how the session stands is shown."""
    session = Session(room, {"DEV-001": []})
    tasks = {"DEV-001": {"status": "in_progress", "error": {"x": 1}, **row}}
    (session.path / "tasks.json").write_text(json.dumps({"tasks": tasks}))
    assert session.states() == {"DEV-001": "in_progress"}
