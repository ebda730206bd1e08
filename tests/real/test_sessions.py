"""Team sessions with real worker processes, good and bad ones, deaths of the executor, and nothing left running."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.calls import clean, say
from tests.real.kit import Patience, Tree
from tests.teams.kit import SPEC

WORKER = Path(__file__).with_name("teamworker.py")
QUICK = {"work_s": 2, "status_s": 2, "finalize_s": 2, "extension_s": 2, "orphan_s": 2}


class Session:
    """A session's folder, and the commands on it."""

    def __init__(
        self, root: Path, graph: Mapping[str, Any], *, name: str = "TC-real",
        roles: tuple[str, ...] = ("dev", "tester"), inner: tuple[str, ...] = (),
        config: Mapping[str, Any] | None = None, **session: Any,
    ) -> None:  # fmt: skip
        self.path = root / name
        (self.path / "role-specs").mkdir(parents=True)
        for role in roles:
            text = SPEC.format(role=role, prefix=role.upper(), inner=str(role in inner).lower())
            (self.path / f"role-specs/{role}.md").write_text(text)
        given = {
            "session_id": name, "task_description": "make it work", "status": "active", "team_name": "shop",
            "roles": [{"name": r, "prefix": r.upper()} for r in roles], "completion_action": "auto_archive", **session,
        }  # fmt: skip
        (self.path / "team-session.json").write_text(json.dumps(given))
        (self.path / "task-analysis.json").write_text(
            json.dumps({"capabilities": [{"name": r} for r in roles], "dependency_graph": graph, "roles": list(roles)})
        )
        self.config = root / f"{name}.yaml"
        self.config.write_text(yaml.safe_dump({"sessions": {**QUICK, **(config or {})}, "settle": "1 second"}))
        self.root = root

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "executord", *self.words(*args)]

    def words(self, *args: str) -> list[str]:
        return ["--config", str(self.config), "session", *args, f"--session={self.path}"]

    @staticmethod
    def environ() -> dict[str, str]:
        return clean()

    def call(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return say(*self.words(*args), stdin=stdin, env=self.environ(), timeout=600)

    def run(self, *behaviour: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command("run", "--worker", worker(*behaviour)),
            capture_output=True, text=True, timeout=600, check=False, env=self.environ(),
        )  # fmt: skip

    def start(self, *behaviour: str) -> subprocess.Popen[str]:
        with (self.root / "run.log").open("a") as log:
            return subprocess.Popen(
                self.command("run", "--worker", worker(*behaviour)), env=self.environ(), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, text=True,
            )  # fmt: skip

    def status(self) -> dict[str, Any]:
        return json.loads(self.call("status", "--json").stdout)

    def states(self) -> dict[str, str]:
        return {t["id"]: t["status"] for t in self.status()["tasks"]}

    def journal(self) -> list[dict[str, Any]]:
        text = (self.path / ".executord/journal.yaml").read_text()
        return [json.loads(line[2:]) for line in text.splitlines() if '"name"' in line]

    def names(self) -> list[str]:
        return [entry["name"] for entry in self.journal()]

    def json(self, name: str) -> Any:
        return json.loads((self.path / name).read_text())

    def until(self, condition: Callable[[], Any], why: str = "", timeout: float = 30.0) -> None:
        patience = Patience(timeout)
        while True:
            with contextlib.suppress(OSError, ValueError):
                if condition():
                    return
            assert not patience.over(), f"{why}: {self.names()[-20:]}"
            time.sleep(0.05)


def worker(*behaviour: str) -> str:
    return " ".join([sys.executable, str(WORKER), *behaviour])


def marked(session_id: str, below: Path = Path("/")) -> list[int]:
    """The processes that have this session's mark in their environment, of sessions that lie below this folder."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                environ = Path(f"/proc/{name}/environ").read_bytes()
                state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
                given = dict(each.partition("=")[::2] for each in os.fsdecode(environ).split("\0"))
                home = Path(given.get("EXECUTORD_RESULT", "/"))
                if given.get("EXECUTORD_SESSION") == session_id and below in home.parents and state != "Z":
                    found.append(int(name))
    return found


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder, after which nothing of any session is left running."""
    yield tmp_path
    names = [p.parent.name for p in tmp_path.rglob("team-session.json")]
    patience = Patience(15)
    while (left := {n: pids for n in names if (pids := marked(n, tmp_path))}) and not patience.over():
        time.sleep(0.1)
    for pids in left.values():
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    assert not left, f"left running: {left}"


@pytest.mark.spec("SES-10", "SES-11", "SES-22", "SES-29", "CON-16", "SES-25")
def test_a_session_in_the_foreground(room: Path):
    """Each worker gets its order on stdin and as a file, its environment, its folder, and no descriptor of ours."""
    session = Session(room, {"DEV-001": [], "TESTER-001": ["DEV-001"]})
    (session.path / "discussions").mkdir()
    (session.path / "discussions/round-1.md").write_text("# Which gateway\n")
    done = session.run("order,env,fds,artifact")
    assert done.returncode == 0, done
    assert "[executor] TASK COMPLETE" in done.stdout
    assert "artifacts/DEV-001.md (dev)" in done.stdout
    assert "Pipeline: 2/2 tasks" in done.stdout
    assert "discussions/round-1.md: Which gateway" in done.stdout
    work = session.path / ".executord/work/TESTER-001.a1"
    order = (work / "order.md").read_text()
    assert (session.path / "order.TESTER-001").read_text() == order
    assert order == (
        f"## Role Assignment\nrole: tester\nrole_spec: {session.path}/role-specs/tester.md\nsession: {session.path}\n"
        "session_id: TC-real\nteam_name: shop\nrequirement: make it work\ninner_loop: false\n\n"
        "Read role_spec file to load Phase 2-4 domain instructions.\n\n## Task Context\ntask_id: TESTER-001\ntitle: \n"
        "description: \npipeline_phase: \n\n## Upstream Context\n### DEV-001 (dev)\n"
        f"findings: {session.json('discoveries/DEV-001.json')['findings']}\nartifacts: artifacts/DEV-001.md\n"
    )
    environ = dict(line.split("=", 1) for line in (session.path / "env.TESTER-001").read_text().splitlines())
    assert environ["EXECUTORD_SESSION"] == "TC-real"
    assert environ["EXECUTORD_TASK"] == "TESTER-001"
    assert environ["EXECUTORD_ATTEMPT"] == "1"
    assert environ["EXECUTORD_RESULT"] == f"{session.path}/discoveries/TESTER-001.json"
    assert environ["EXECUTORD_INBOX"] == f"{work}/inbox"
    assert environ["EXECUTORD_REASONING_EFFORT"] == "high"
    assert ".executord/lock" not in (session.path / "fds.DEV-001").read_text()
    assert session.json("team-session.json")["status"] == "completed"
    again = session.run("finish")
    assert again.returncode == 0
    assert "TASK COMPLETE" in again.stdout
    assert session.names().count("start DEV-001 a1") == 1


@pytest.mark.spec("SES-12", "SES-15", "SES-19", "OPS-18", "SES-16")
def test_workers_of_every_kind(room: Path):
    """Finish, fail, exit without a result, tear it, flood, leave a grandchild, ignore SIGTERM: one outcome each."""
    session = Session(
        room, {f"DEV-00{k}": [] for k in range(1, 9)}, config={"max_workers": 8, "max_attempts": 1, "work_s": 60},
    )  # fmt: skip
    done = session.run(
        "finish", "DEV-002=fail:the_build_is_red", "DEV-003=exit:0", "DEV-004=torn,exit:0",
        "DEV-005=flood:1073741824,finish", "DEV-006=grandchild,finish", "DEV-007=deaf,finish,sleep:600",
        "DEV-008=finish,exit:3",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr
    assert session.states() == {
        "DEV-001": "completed", "DEV-002": "failed", "DEV-003": "failed", "DEV-004": "failed", "DEV-005": "completed",
        "DEV-006": "completed", "DEV-007": "completed", "DEV-008": "completed",
    }  # fmt: skip
    errors = {t["id"]: t["error"] for t in session.status()["tasks"]}
    assert errors["DEV-002"] == "the_build_is_red"
    assert errors["DEV-003"] == "No discovery file produced"
    assert "Torn discovery file" in errors["DEV-004"]
    assert (session.path / ".executord/work/DEV-005.a1/stdout").stat().st_size <= 10_500_000
    assert "exit code 3" in (session.path / "wisdom/issues.md").read_text()
    assert "Stalled: waiting on DEV-002 (failed), DEV-003 (failed), DEV-004 (failed)" in done.stdout
    assert not marked("TC-real", room)
    outcomes = Counter(n.split(" ")[1] for n in session.names() if n.split(" ")[0] in ("result", "fail", "time"))
    assert set(outcomes.values()) == {1}, outcomes


@pytest.mark.spec("SES-14", "SES-28", "SES-29")
def test_the_ladder_with_real_workers(room: Path):
    """One answers, one gives what it has when told to, one is interrupted, one ignores everything."""
    session = Session(room, {f"DEV-00{k}": [] for k in range(1, 5)}, config={"max_workers": 4})
    done = session.run(
        "finish", "DEV-001=answer,sleep:1,finish", "DEV-002=final", "DEV-003=interrupted,sleep:600",
        "DEV-004=deaf,once,sleep:600",
    )  # fmt: skip
    assert done.returncode == 1, done
    assert session.states() == {
        "DEV-001": "completed", "DEV-002": "completed", "DEV-003": "completed", "DEV-004": "timed_out",
    }  # fmt: skip
    names = session.names()
    assert "answer DEV-001 a1 #1" in names
    assert "finalize DEV-001 a1 #1" not in names
    assert [n for n in names if "DEV-004" in n and n.split(" ")[0] in ("status", "finalize", "time")] == [
        "status check DEV-004 a1 #1", "finalize DEV-004 a1 #1", "time out DEV-004 a1 #1",
    ]  # fmt: skip
    assert not marked("TC-real", room)
    said = session.call("skip", "DEV-004")
    assert said.returncode == 2  # a reason is needed
    said = session.call("retry", "DEV-004")
    assert said.returncode == 0, said
    assert session.states()["DEV-004"] == "pending"
    done = session.call("resume", "--worker", worker("finish"))
    assert done.returncode == 0, done
    assert session.states()["DEV-004"] == "completed"


@pytest.mark.spec("SES-12", "SES-14")
def test_what_comes_after_the_time_is_out_changes_nothing(room: Path):
    """A late result is told of and kept, and the task stays timed out until somebody decides."""
    session = Session(room, {"DEV-001": []})
    assert session.run("deaf,sleep:600").returncode == 1
    (session.path / "discoveries/DEV-001.json").write_text(
        json.dumps({"id": "DEV-001", "status": "completed", "findings": "late"})
    )
    done = session.run("finish")
    assert done.returncode == 1
    assert "late DEV-001 #1" in session.names()
    assert session.states() == {"DEV-001": "timed_out"}
    assert session.call("skip", "DEV-001", "--reason", "done by hand").returncode == 0
    assert session.run("finish").returncode == 0
    assert (session.path / "discoveries/DEV-001.json").exists()


@pytest.mark.spec("SES-6", "SES-9", "SES-15", "OPS-23")
def test_workers_outlive_the_executor(room: Path):
    """Killed with -9: the worker that lives is adopted, the one that ended meanwhile counts; none is started twice."""
    session = Session(room, {"DEV-001": [], "DEV-002": []}, config={"work_s": 600})
    run = session.start("mark:x,wait:go,finish", "DEV-002=mark:x,wait:first,finish")
    session.until(lambda: len((session.path / "marks.x").read_text().splitlines()) == 2, "both work")
    pids = {t["id"]: t["pid"] for t in session.status()["tasks"]}
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    (session.path / "first").touch()
    session.until(lambda: not Path(f"/proc/{pids['DEV-002']}").exists(), "it ends while nobody is there")
    run = session.start("mark:x,finish")
    session.until(lambda: session.states()["DEV-002"] == "completed")
    assert {t["id"]: t["pid"] for t in session.status()["tasks"]}["DEV-001"] == pids["DEV-001"]
    (session.path / "go").touch()
    assert run.wait(30) == 0, (session.root / "run.log").read_text()
    assert len((session.path / "marks.x").read_text().splitlines()) == 2


@pytest.mark.spec("SES-10", "OPS-17", "SEC-3")
@pytest.mark.parametrize("name", ["claude", "some-worker"])
def test_a_known_program_finds_its_own_variables(room: Path, name: str):
    """What stands in the allow-list of a ready-made entry is given to that program, and to no other."""
    program = room / name
    program.write_text(
        '#!/bin/sh\nprintf \'{"id": "%s", "status": "completed", "findings": "key=%s secret=%s"}\' "$EXECUTORD_TASK" '
        '"$ANTHROPIC_API_KEY" "$MY_SECRET" > "$EXECUTORD_RESULT.p" && mv "$EXECUTORD_RESULT.p" "$EXECUTORD_RESULT"\n'
    )
    program.chmod(0o755)
    session = Session(room, {"DEV-001": []})
    environ = session.environ() | {"ANTHROPIC_API_KEY": "k-1", "MY_SECRET": "s"}
    session.environ = lambda: environ  # type: ignore[method-assign]
    assert session.call("run", "--worker", f"{program} -p").returncode == 0
    key = "k-1" if name == "claude" else ""
    assert session.json("discoveries/DEV-001.json")["findings"] == f"key={key} secret="


@pytest.mark.spec("SES-7", "SES-6", "REL-1")
def test_a_journal_that_somebody_removes(room: Path):
    """Nothing is written behind the hole; the next run takes over what tasks.json says, with the worker that lives."""
    session = Session(room, {"DEV-001": [], "DEV-002": ["DEV-001"]}, config={"work_s": 600})
    run = session.start("mark:x,wait:go,finish", "DEV-002=mark:x,finish")
    session.until(lambda: (session.path / "marks.x").exists(), "it works")
    (session.path / ".executord/journal.yaml").unlink()
    told = session.call("tell", "DEV-001", "hello")  # the one that runs it ends, and this takes it over
    assert told.returncode == 0, told
    assert run.wait(30) == 65
    assert "somebody cut it off, or removed it" in (session.root / "run.log").read_text()
    run = session.start("mark:x,finish")
    session.until(lambda: any(n.startswith("adopt DEV-001") for n in session.names()), "it is adopted")
    (session.path / "go").touch()
    assert run.wait(30) == 0
    assert len((session.path / "marks.x").read_text().splitlines()) == 2


@pytest.mark.spec("SES-25", "SES-28", "CON-18", "SES-27")
def test_the_lock_and_who_speaks_to_whoever_holds_it(room: Path):
    """A second one exits 75 naming the first; what is told meanwhile is taken by the first."""
    session = Session(room, {"DEV-001": [], "DEV-002": ["DEV-001"]}, config={"work_s": 600})
    run = session.start("context,finish", "DEV-002=finish")
    session.until(lambda: session.states()["DEV-001"] == "in_progress")
    second = session.run("finish")
    assert second.returncode == 75
    assert f"pid {run.pid}" in second.stderr
    said = session.call("tell", "DEV-002", "hello")
    assert said.returncode == 65
    assert "DEV-002 is not running: it is pending" in said.stderr
    said = session.call("tell", "DEV-001", "-", stdin="use the new gateway\n")
    assert said.returncode == 0, said
    assert run.wait(30) == 0
    assert "use the new gateway" in (session.path / "context.DEV-001").read_text()


@pytest.mark.spec("SES-28", "SES-9")
def test_who_only_says_something_starts_nobody(room: Path):
    """Where nobody runs the session, a command takes its message in, and leaves what is to be started as it is."""
    session = Session(room, {"DEV-001": [], "DEV-002": []}, config={"max_attempts": 1})
    assert session.run("fail", "DEV-002=finish").returncode == 1
    journal = (session.path / ".executord/journal.yaml").read_text().splitlines(keepends=True)
    for _ in range(2):
        said = session.call("retry", "DEV-001")
        assert said.returncode in (0, 65)
    board = session.path / "tasks.json"
    board.write_text(board.read_text().replace('"completed"', '"pending"'))
    said = session.call("tell", "DEV-001", "hello")
    assert said.returncode == 65
    names = session.names()[len(journal) - 1 :]
    assert [n.split(" ")[0] for n in names] == ["file", "file", "hand-set", "file"], names
    assert session.run("finish").returncode == 0


@pytest.mark.spec("SES-8", "CON-16")
def test_an_inner_loop_with_a_real_worker(room: Path):
    """The second task is a follow-up of the first one's worker."""
    session = Session(room, {"DEV-001": [], "DEV-002": ["DEV-001"]}, inner=("dev",), config={"work_s": 60})
    done = session.run("mark:x,finish,next,sleep:600")
    assert done.returncode == 0, done
    assert len((session.path / "marks.x").read_text().splitlines()) == 1
    assert "follow-up DEV-002 a1" in session.names()


@pytest.mark.spec("SES-26")
def test_a_worker_that_runs_its_own_session(room: Path):
    """Refused: workers do not run sessions."""
    session = Session(room, {"DEV-001": []})
    assert session.run("session,finish").returncode == 0
    assert (session.path / "session.DEV-001").read_text().startswith("65\n")


# --- completion [SES-23] ----------------------------------------------------------------------------------------------


def at_terminal(session: Session, typed: str, behaviour: str = "artifact") -> tuple[int, str]:
    """Run it at a terminal; type when asked."""
    pid, fd = pty.fork()
    if pid == 0:
        words = session.command("run", "--worker", worker(behaviour))
        os.execve(words[0], words, {**session.environ(), "NO_COLOR": "1", "TERM": "dumb"})
    out, sent = b"", False
    end = time.monotonic() + 60
    with contextlib.suppress(OSError):
        while time.monotonic() < end:
            part = os.read(fd, 4096)
            if not part:
                break
            out += part
            if not sent and b"Your choice" in out:
                os.write(fd, typed.encode())
                sent = True
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), out.decode().replace("\r\n", "\n")


@pytest.mark.spec("SES-23")
def test_the_three_choices_at_a_terminal(room: Path):
    """Archive, keep and export; nothing is deleted in any case."""
    for name, typed, status in (
        ("TC-archive", "\n", "completed"), ("TC-keep", "2\n", "paused"), ("TC-export", f"3\n{room}/out\n", "completed"),
    ):  # fmt: skip
        session = Session(room, {"DEV-001": []}, name=name, completion_action="interactive")
        code, out = at_terminal(session, typed)
        assert code == 0, out
        assert "Completion\nTeam pipeline complete. What would you like to do?\n" in out
        assert "Archive & Clean (Recommended) - Archive session, clean up team" in out
        assert "Keep Active - Keep session for follow-up work" in out
        assert "Export Results - Export deliverables to target directory, then clean" in out
        assert session.json("team-session.json")["status"] == status
        assert session.json("team-session.json")["active_workers"] == []
        assert (session.path / "artifacts/DEV-001.md").exists()
        assert (session.path / ".executord/work/DEV-001.a1/order.md").exists()
        if name == "TC-keep":
            assert f"Resume with: executord session run --session={session.path}" in out
    assert (room / "out/DEV-001.md").read_text() == "# DEV-001\n"


@pytest.mark.spec("SES-23")
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.parametrize(("typed", "status"), [("1", "completed"), ("2", "paused"), ("3", "completed")])
def test_the_choice_in_tmux(room: Path, typed: str, status: str):
    """The same as a person sees it: each of the three."""
    session = Session(room, {"DEV-001": []}, completion_action="interactive")
    name = f"executord-{os.getpid()}"
    socket = str(room / "tmux")
    words = " ".join(f"'{w}'" for w in session.command("run", "--worker", worker("artifact")))
    subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "-s", name, "-x", "120", "-y", "40",
                    f"{words}; echo IT-IS-OVER; sleep 60"], check=True, env=session.environ())  # fmt: skip
    try:

        def shown() -> str:
            return subprocess.run(["tmux", "-S", socket, "capture-pane", "-p", "-t", name], capture_output=True,
                                  text=True).stdout  # fmt: skip

        session.until(lambda: "Your choice" in shown(), "asked")
        subprocess.run(["tmux", "-S", socket, "send-keys", "-t", name, typed, "Enter"], check=True)
        if typed == "3":
            session.until(lambda: "Export to directory" in shown(), "asked where to")
            subprocess.run(["tmux", "-S", socket, "send-keys", "-t", name, f"{room}/out", "Enter"], check=True)
        session.until(lambda: "IT-IS-OVER" in shown(), "ended")
        assert "TASK COMPLETE" in shown()
    finally:
        subprocess.run(["tmux", "-S", socket, "kill-server"], check=False)
    assert session.json("team-session.json")["status"] == status
    assert session.json("team-session.json")["active_workers"] == []
    assert (session.path / "artifacts/DEV-001.md").read_text() == "# DEV-001\n"
    assert (room / "out/DEV-001.md").exists() is (typed == "3")


@pytest.mark.spec("SES-23")
def test_an_export_whose_target_fills_up(room: Path):
    """Keep Active with a warning; no half file under a final name, nothing deleted."""
    full = room / "full"
    full.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(full)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs a small tmpfs, which only root may mount")
    try:
        session = Session(room, {"DEV-001": [], "DEV-002": []}, completion_action="interactive")
        assert session.run("artifact:10", "DEV-002=artifact:200000").returncode == 0
        assert session.json("team-session.json")["status"] == "paused"
        said = session.call("complete", "--action", "export", "--to", str(full))
        assert said.returncode == 0, said
        assert "Resume with:" in said.stdout
        assert session.json("team-session.json")["status"] == "paused"
        kept = [e for e in session.journal() if e["name"].startswith("keep ")][-1]
        assert kept["facts"]["warning"] is True
        assert "No space left" in kept["why"]
        assert not (full / "DEV-002.md").exists()
        assert [p.name for p in full.iterdir() if p.name.startswith(".x-")] == []
        assert (session.path / "artifacts/DEV-002.md").stat().st_size > 200_000
        said = session.call("complete", "--action", "export", "--to", str(room / "roomy"))
        assert said.returncode == 0, said
        assert session.json("team-session.json")["status"] == "completed"
        assert (room / "roomy/DEV-002.md").read_bytes() == (session.path / "artifacts/DEV-002.md").read_bytes()
        said = session.call("complete", "--action", "archive")
        assert said.returncode == 65
    finally:
        subprocess.run(["umount", str(full)], check=False)


# --- under the daemon [SES-25] ----------------------------------------------------------------------------------------


def daemon(room: Path, *behaviour: str, **config: Any) -> Tree:
    """A memory, and a configuration whose workers behave so."""
    program, *args = worker(*behaviour).split(" ")
    sessions = {**QUICK, "work_s": 600, "worker": {"program": program, "args": args}, **config}
    tree = Tree(room / "tree", {"sessions": sessions, "settle": "1 second"})
    (tree.root / "_communication/inbox/planner").mkdir()
    return tree


@pytest.mark.spec("SES-23", "SES-25", "SES-26", "SES-28", "CON-8", "MSG-5")
def test_a_session_under_the_daemon(room: Path):
    """Dropped as a message, remembered, asked about, decided by message, forgotten."""
    tree = daemon(room, "finish")
    session = Session(room, {"DEV-001": []}, completion_action=None)
    tree.start()
    tree.message("bad.yaml", {"type": "session", "from": "planner", "path": str(room / "nowhere")})
    tree.message("role.yaml", {"type": "session", "from": "dev", "path": str(session.path)})
    tree.message("go.yaml", {"type": "session", "from": "planner", "path": str(session.path)})
    hitl = tree.root / "_communication/inbox/hitl"
    tree.until(lambda: (hitl / "TC-real.completion_action_request.yaml").exists(), "hitl is asked")
    sessions = tree.root / "_communication/inbox/executor/.sessions"
    assert (sessions / "TC-real.yaml").exists()
    rejected = {p.name: yaml.safe_load(p.read_text()) for p in
                (tree.root / "_communication/inbox/executor/.rejected").rglob("*.reason.yaml")}  # fmt: skip
    assert rejected["bad.reason.yaml"]["code"] == "SES-E2"
    assert rejected["role.reason.yaml"]["code"] == "SES-26"
    row = json.loads(tree.call("status", "--json").stdout)["sessions"]
    assert row == [
        {"session_id": "TC-real", "path": str(session.path), "status": "active", "completed": 1, "total": 1}
    ]  # fmt: skip
    assert "TEAM SESSIONS (1)" in tree.call("status").stdout
    assert session.run("finish").returncode == 75
    tree.message("no.yaml", {"type": "decision", "from": "dev", "session_id": "TC-real", "decision": "archive"})
    tree.message("yes.yaml", {"type": "decision", "from": "hitl", "in_reply_to": "TC-real.completion_action_request",
                              "decision": "archive"})  # fmt: skip
    tree.until(lambda: not (sessions / "TC-real.yaml").exists(), "it is forgotten")
    assert session.json("team-session.json")["status"] == "completed"
    assert not any(n.startswith("file no.yaml") for n in session.names())
    assert any((tree.root / "_communication/inbox/executor/.processed").rglob("yes.yaml"))
    assert tree.stop() == 0


@pytest.mark.spec("SES-23", "SES-25", "SES-28", "CON-18")
def test_the_three_actions_under_the_daemon(room: Path):
    """By a decision of hitl and by the command line; where they cannot be carried out the session is kept active."""
    tree = daemon(room, "artifact", completion="interactive")
    tree.start()
    made = {n: Session(room, {"DEV-001": []}, name=f"TC-{n}", completion_action=None) for n in ("a", "b", "c", "d")}
    for session in made.values():
        tree.message(f"{session.path.name}.yaml", {"type": "session", "from": "planner", "path": str(session.path)})
    hitl = tree.root / "_communication/inbox/hitl"
    for session in made.values():
        asked = hitl / f"{session.path.name}.completion_action_request.yaml"
        tree.until(asked.exists, "hitl is asked")
        assert yaml.safe_load(asked.read_text())["type"] == "completion_action_request"
    tree.message("keep.yaml", {"type": "decision", "from": "hitl", "session_id": "TC-a", "decision": "keep"})
    tree.message("export.yaml", {"type": "decision", "from": "hitl", "in_reply_to": "TC-b.completion_action_request",
                                 "decision": "export", "to_folder": str(room / "out")})  # fmt: skip
    said = made["c"].call("complete", "--action", "archive")
    assert said.returncode == 0, said
    taken = room / "taken"
    taken.mkdir()
    (taken / "DEV-001.md").write_text("somebody else's\n")
    said = made["d"].call("complete", "--action", "export", "--to", str(taken))
    assert said.returncode == 0, said
    assert f"Resume with: executord session run --session={made['d'].path}" in said.stdout
    for name, status in {"a": "paused", "b": "completed", "c": "completed", "d": "paused"}.items():
        tree.until(lambda n=name, s=status: made[n].json("team-session.json")["status"] == s, name)
        assert (made[name].path / "artifacts/DEV-001.md").read_text() == "# DEV-001\n"
        assert made[name].json("team-session.json")["active_workers"] == []
    assert (room / "out/DEV-001.md").read_text() == "# DEV-001\n"
    assert (taken / "DEV-001.md").read_text() == "somebody else's\n"
    kept = [e for e in made["d"].journal() if e["name"].startswith("keep ")][-1]
    assert kept["facts"]["warning"] is True
    assert tree.stop() == 0


@pytest.mark.spec("SES-21", "SES-25", "SES-28", "EXE-25")
def test_messages_about_a_session_of_the_daemon(room: Path):
    """Retry and skip by message with session_id; pause and resume; one that fails stalls and hitl is told."""
    tree = daemon(room, "finish", "DEV-001=once,exit:1", max_attempts=1)
    session = Session(room, {"DEV-001": [], "DEV-002": ["DEV-001"]}, completion_action="auto_keep")
    tree.start()
    tree.message("go.yaml", {"type": "session", "from": "planner", "path": str(session.path)})
    hitl = tree.root / "_communication/inbox/hitl"
    tree.until(lambda: any(hitl.glob("TC-real.escalation*.yaml")), "hitl is told")
    tree.message("pause.yaml", {"type": "pause", "from": "operator", "session_id": "TC-real"})
    tree.message("retry.yaml", {"type": "retry", "from": "hitl", "session_id": "TC-real", "task_id": "DEV-001"})
    session.until(lambda: session.states()["DEV-001"] == "pending")
    time.sleep(1.0)
    assert "start DEV-001 a2" not in session.names()  # paused by a person: moved by nobody else
    assert session.call("resume").returncode == 0
    tree.until(lambda: session.json("team-session.json")["status"] == "paused"
               and session.states()["DEV-002"] == "completed",
               "kept")  # fmt: skip
    assert session.names().count("start DEV-001 a2") == 1
    tree.stop()


@pytest.mark.spec("SES-6", "SES-25", "REL-1", "OPS-23")
def test_the_daemon_killed_and_its_workers_adopted(room: Path):
    """kill -9 of the daemon with the state folder lost: the session is remembered, the worker adopted."""
    tree = daemon(room, "mark:x,wait:go,finish")
    session = Session(room, {"DEV-001": []}, completion_action="auto_archive")
    tree.start()
    tree.message("go.yaml", {"type": "session", "from": "planner", "path": str(session.path)})
    session.until(lambda: (session.path / "marks.x").exists())
    tree.kill()
    shutil.rmtree(tree.state)
    tree.start()
    (session.path / "go").touch()
    tree.until(lambda: session.json("team-session.json")["status"] == "completed", "done")
    assert len((session.path / "marks.x").read_text().splitlines()) == 1
    tree.stop()


@pytest.mark.slow
@pytest.mark.spec("SES-25", "SES-15", "REL-1", "REL-2")
def test_ten_sessions_and_twenty_kills(room: Path):
    """Ten sessions of twenty tasks under one daemon that is killed twenty times: every task is done once."""
    tree = daemon(room, "mark:x,sleep:0.3,finish", max_attempts=50, max_workers=2)
    graph = {f"DEV-{k:03}": [f"DEV-{k - 4:03}"] if k > 4 else [] for k in range(1, 21)}
    sessions = [Session(room, graph, name=f"TC-{n}") for n in range(10)]
    tree.start()
    for session in sessions:
        tree.message(f"{session.path.name}.yaml", {"type": "session", "from": "planner", "path": str(session.path)})
    chance = random.Random(7)
    for _ in range(20):
        time.sleep(chance.uniform(0.2, 2.0))
        tree.kill()
        tree.start()
    for session in sessions:
        tree.until(lambda s=session: s.json("team-session.json")["status"] == "completed", session.path.name, 300)
        done = Counter(line.split()[0] for line in (session.path / "marks.x").read_text().splitlines())
        assert done == Counter(dict.fromkeys(graph, 1)), {k: v for k, v in done.items() if v != 1}
        ends = Counter(n for n in session.names() if n.startswith("result "))
        assert len(ends) == 20
        assert set(ends.values()) == {1}
        assert not marked(session.path.name, room)
    assert threading.active_count() < 50
    tree.stop()
