"""What people and machines put into an inbox by mistake or malice: the daemon survives, says so and goes on [SEC-0]."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
import yaml

from tests.real.kit import INBOX, Tree, Worker

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 10)
)


def _poison(inbox: Path) -> dict[bytes, str]:
    """Names and what they are; the value says what the reason must mention."""
    files = {
        b"brackets.yaml": (b"[" * 100_000, "deep"),
        b"bomb.yaml": (BOMB.encode(), ""),
        b"cycle.yaml": (b"&a [*a]\n", ""),
        b"latin1.yaml": ("type: done\nfrom: käse\n".encode("latin-1"), ""),
        b"nul.yaml": (b"type: done\0\n", ""),
        b"tabs.yaml": (b"type: done\n\tfrom: x\n", "tab"),
        b"list.yaml": (b"- 1\n- 2\n", "mapping"),
        b"date.yaml": (b"type: done\nfrom: nobody\ntimestamp: 2025-13-45\n", ""),
        b"digits.yaml": (b"type: " + b"9" * 5000 + b"\n", ""),
        b"python.yaml": (b"type: !!python/object/apply:os.system ['true']\n", ""),
        b"escape.yaml": (b"type: done\nfrom: ../../etc\ninstruction_id: ../../x\ntask_id: ../../y\n", ""),
        b"bad-\xff\xfe.yaml": (b"type: what\nfrom: x\n", ""),
        b"-rf.yaml": (b"type: what\n", ""),
        b"$(touch x).yaml": (b"type: what\n", ""),
        b"new\nline.yaml": (b"type: what\n", ""),
    }
    for name, (data, _) in files.items():
        path = os.path.join(os.fsencode(inbox), name)
        with open(path + b".tmp", "wb") as file:
            file.write(data)
        os.rename(path + b".tmp", path)
    with open(inbox / "sparse.yaml", "wb") as file:
        file.truncate(1 << 30)
    os.mkfifo(inbox / "fifo.yaml")
    (inbox / "folder.yaml").mkdir()
    (inbox / "link.yaml").symlink_to("/etc/passwd")
    with socket.socket(socket.AF_UNIX) as box:
        short = f"/tmp/s{os.getpid()}"  # the name of a socket may have 107 bytes
        box.bind(short)
        os.rename(short, inbox / "sock.yaml")
    return {name: says for name, (_, says) in files.items()}


@pytest.mark.spec("SEC-0", "SEC-1", "MSG-5", "REL-4", "CON-5")
@pytest.mark.hazard(4)
@pytest.mark.hazard(13)
@pytest.mark.hazard(14)
def test_the_daemon_survives_poison_in_its_inbox_and_says_so(tmp_path: Path) -> None:
    """Every poisoned file is kept with its reason, and a task dropped among them is done."""
    tree = Tree(tmp_path, {"settle": "0.3 seconds", "round": "2 seconds"})
    tree.start()
    tree.case("acme-1", ["T1"])
    inbox = tree.root / INBOX / "executor"
    expected = _poison(inbox)
    tree.task("acme-1", "T1")
    worker = Worker(tree, "technical-support-engineer")
    worker.start()
    try:
        tree.until(lambda: tree.completed("acme-1") == {"T1"}, "the good task is not done")
        rejected = inbox / ".rejected"

        def filed() -> set[bytes]:
            names = (os.listdir(os.fsencode(day)) for day in rejected.iterdir()) if rejected.is_dir() else ()
            return {n for day in names for n in day}

        tree.until(lambda: set(expected) <= filed(), "not every poisoned message is filed")
        odd = {b"sparse.yaml", b"fifo.yaml", b"link.yaml", b"sock.yaml"}
        tree.until(lambda: odd <= filed(), "what is no file is not filed")
    finally:
        worker.stop()
    assert tree.stop() == 0
    assert not (tmp_path / "x").exists()
    assert not (tree.root / "x").exists()
    reasons = {}
    for path in rejected.rglob("*.reason.yaml"):
        reason = yaml.safe_load(path.read_bytes())
        assert set(reason) >= {"file", "sender", "received_at", "code", "reason", "expected", "fix"}
        assert reason["code"], reason
        assert reason["reason"], reason
        reasons[reason["file"]] = reason
    assert "mapping" in reasons["list.yaml"]["reason"] + reasons["list.yaml"]["expected"]
    assert "deep" in reasons["brackets.yaml"]["reason"] or "nest" in reasons["brackets.yaml"]["reason"]
    assert (rejected / next(iter(os.listdir(rejected))) / "brackets.yaml").read_bytes() == b"[" * 100_000
    status = tree.call("status", "--json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["left_alone"] == [f"{INBOX}/executor/folder.yaml"]


@pytest.mark.spec("MEM-11", "SEC-1", "MEM-10")
@pytest.mark.hazard(2)
@pytest.mark.hazard(17)
def test_poisoned_tasks_are_held_and_the_others_go_on(tmp_path: Path) -> None:
    """A task that cannot be read or names a path as its id is held where it lies, and the planner is told."""
    tree = Tree(tmp_path, {"settle": "0.2 seconds"})
    tree.case("acme-2", [])
    for name, text in {
        "A": "id: ../../evil\ntitle: x\n",
        "B": "[" * 100_000,
        "C": BOMB,
        "D": "id: D\ntitle: '{title}'\nassigned_to: <agent>\n",
        "G": "id: G\n\ttitle: x\n",
        "E": "id: E\ntitle: fine\nassigned_to: technical-support-engineer\n",
    }.items():
        tree.task("acme-2", name, text)
    os.mkfifo(tree.root / "acme-2" / "tasks" / "pending" / "F.yaml")
    tree.start()
    worker = Worker(tree, "technical-support-engineer")
    worker.start()
    try:
        tree.until(lambda: tree.completed("acme-2") == {"E"}, "the good task is not done")
        tree.until(lambda: len(tree.inbox("planner")) >= 6, "the planner is not told")
    finally:
        worker.stop()
    assert tree.stop() == 0
    assert tree.call("run", "--once").returncode == 0
    assert len(tree.inbox("planner")) == 6, "it is told once per content"
    left = {p.name for p in (tree.root / "acme-2" / "tasks" / "pending").iterdir()}
    assert left >= {"A.yaml", "B.yaml", "C.yaml", "D.yaml", "G.yaml"}
    told = "".join((tree.root / INBOX / "planner" / n).read_text() for n in tree.inbox("planner"))
    assert "template not filled in" in told
    assert "cannot be an id" in told


@pytest.mark.spec("REL-7", "CON-18")
@pytest.mark.hazard(44)
def test_a_second_daemon_is_refused_by_name_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    """The second exits 75 and names the first; after a kill -9 the tree is free."""
    tree = Tree(tmp_path)
    tree.start()
    second = tree.call("run", "--once")
    assert second.returncode == 75
    assert tree.process is not None
    assert str(tree.process.pid) in second.stderr
    tree.kill()
    assert tree.call("run", "--once").returncode == 0
