"""Somebody who may write into the tree lies in wait on the names that the daemon will use [SEC-0, SEC-1, REL-4].

Names of what the daemon writes are deterministic [CON-4], so anybody can put a FIFO, a folder or a link there first.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from executord.files.naming import dot_name
from tests.real.kit import INBOX, Tree, Worker, drop

QUICK = {"settle": "0.2 seconds", "round": "1 second"}
AGENT = "technical-support-engineer"
DELEGATION = "acme-1.T1.a1.delegation.yaml"


def _two_cases(tmp_path: Path) -> Tree:
    """acme-1, which will be in trouble, and acme-2, which must not hear of it."""
    tree = Tree(tmp_path, QUICK)
    for case_id in ("acme-1", "acme-2"):
        tree.case(case_id, ["T1"])
        tree.task(case_id, "T1")
    return tree


def _worked(tree: Tree, *cases: str, timeout: float = 30.0) -> Worker:
    """A worker answers until these cases are done."""
    worker = Worker(tree, AGENT)
    worker.start()
    try:
        tree.until(lambda: all(tree.completed(c) == {"T1"} for c in cases), f"{cases} are not done", timeout)
    finally:
        worker.stop()
    assert not worker.faults, worker.faults
    return worker


def _ended(tree: Tree) -> None:
    assert tree.stop() == 0
    assert "Traceback" not in tree.log.read_text(), tree.tail()


@pytest.mark.spec("SEC-0", "SEC-1", "REL-4")
@pytest.mark.hazard(11)
@pytest.mark.parametrize(
    "place",
    [
        f"{INBOX}/{AGENT}/{DELEGATION}",
        f"{INBOX}/{AGENT}/{dot_name('acme-1', 'assign T1 a1')}",
        "acme-1/outputs/partial/T1.yaml",
        "acme-1/outputs/partial/progress.yaml",
        f"{INBOX}/executor/.probe",
        f"{INBOX}/executor/.paused.yaml",
    ],
)
def test_a_fifo_on_a_name_of_ours_holds_nothing(tmp_path: Path, place: str) -> None:
    """Opening it would wait for ever; both cases are done."""
    tree = _two_cases(tmp_path)
    (tree.root / place).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(tree.root / place)
    tree.start()
    worker = Worker(tree, AGENT)
    _read_only_regular_files(worker)
    worker.start()
    try:
        tree.until(lambda: tree.completed("acme-1") == tree.completed("acme-2") == {"T1"}, "not done")
    finally:
        worker.stop()
    _ended(tree)


def _read_only_regular_files(worker: Worker) -> None:
    take = worker._take
    worker._take = lambda path: take(path) if path.is_file() else None  # type: ignore[method-assign]


@pytest.mark.spec("REL-4", "SEC-0")
@pytest.mark.hazard(11)
@pytest.mark.hazard(30)
@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_a_journal_that_is_no_file_parks_its_case_only(tmp_path: Path, kind: str) -> None:
    """It is said, the other case goes on, and the case too once the way is free."""
    tree = _two_cases(tmp_path)
    place = tree.root / "acme-1/outputs/partial/journal.yaml"
    place.parent.mkdir(parents=True)
    target = tmp_path / "elsewhere"
    target.write_text("precious\n")
    {"fifo": lambda: os.mkfifo(place), "folder": place.mkdir, "link": lambda: place.symlink_to(target)}[kind]()
    tree.start()
    _worked(tree, "acme-2")
    tree.until(lambda: "broken: acme-1" in tree.log.read_text(), "it is not said")
    assert tree.completed("acme-1") == set()
    assert target.read_text() == "precious\n"
    place.rmdir() if kind == "folder" else place.unlink()
    _worked(tree, "acme-1", timeout=90)
    assert tree.stop() == 0


@pytest.mark.spec("MEM-20", "REL-4", "SEC-1")
@pytest.mark.hazard(13)
def test_what_looks_staged_and_is_not_stops_no_start(tmp_path: Path) -> None:
    """Folders under dot names of ours, and files that only begin like one: neither ends the daemon nor is deleted."""
    tree = _two_cases(tmp_path)
    staged = f".x-{'a' * 32}"
    kept = []
    for folder in (f"{INBOX}/{AGENT}", f"{INBOX}/executor", "acme-1/outputs/partial", "acme-1/outputs/final"):
        (tree.root / folder).mkdir(parents=True, exist_ok=True)
        (tree.root / folder / staged).mkdir()
        drop(tree.root / folder / staged / "inner.txt", "somebody's\n")
        mine = tree.root / folder / ".x-files.txt"
        mine.write_text("mine\n")
        kept += [mine, tree.root / folder / staged / "inner.txt"]
    tree.start()
    _worked(tree, "acme-1", "acme-2")
    _ended(tree)
    tree.start()
    _ended(tree)
    assert all(path.is_file() for path in kept)


@pytest.mark.spec("SEC-1", "MEM-2", "MEM-14")
@pytest.mark.hazard(16)
def test_a_hard_link_on_a_staged_name_costs_no_other_file(tmp_path: Path) -> None:
    """Truncating what lies there would empty somebody's file through its second name."""
    tree = _two_cases(tmp_path)
    precious = tree.root / "acme-2" / "tasks" / "pending" / "T9.yaml"
    tree.task("acme-2", "T9", "id: T9\ntitle: precious\nassigned_to: engineering\n")
    box = tree.root / INBOX / AGENT
    box.mkdir()
    os.link(precious, box / dot_name("acme-1", "assign T1 a1"))
    before = precious.read_bytes()
    tree.start()
    _worked(tree, "acme-1", "acme-2")
    _ended(tree)
    found = next((tree.root / "acme-2" / "tasks").glob("*/T9.yaml"))
    assert found.read_bytes() == before


@pytest.fixture
def immutable() -> Iterator[list[Path]]:
    """Folders that not even root may write in, until the test is over."""
    places: list[Path] = []
    yield places
    for place in places:
        subprocess.run(["chattr", "-i", str(place)], check=False)


def _freeze(places: list[Path], place: Path) -> None:
    if subprocess.run(["chattr", "+i", str(place)], capture_output=True, check=False).returncode:
        pytest.skip("chattr +i needs root and a file system with flags")
    places.append(place)


@pytest.mark.spec("REL-4", "REL-5")
@pytest.mark.hazard(36)
@pytest.mark.parametrize("frozen", ["acme-1/outputs/partial", "acme-1/tasks/pending", f"{INBOX}/planner"])
def test_a_folder_that_cannot_be_written_stops_its_own_case_only(
    tmp_path: Path, immutable: list[Path], frozen: str
) -> None:
    """Both cases are due at the same look and again at each retry; the sound one is done all the same."""
    tree = _two_cases(tmp_path)
    tree.task("acme-1", "T2", "id: T2\ntitle: x\nassigned_to: planner\n")
    (tree.root / frozen).mkdir(parents=True, exist_ok=True)
    _freeze(immutable, tree.root / frozen)
    tree.start()
    _worked(tree, "acme-2", timeout=20)
    assert "cannot write" in tree.log.read_text()
    subprocess.run(["chattr", "-i", str(tree.root / frozen)], check=True)
    _worked(tree, "acme-1", timeout=90)
    assert tree.stop() == 0
    names = [e["name"] for e in tree.journal("acme-1")]
    assert len(names) == len(set(names))
    assert not list(tree.root.glob("**/.x-*"))
    assert tree.call("fsck").returncode == 0


@pytest.mark.spec("REL-5", "SEC-0", "MEM-11")
@pytest.mark.hazard(38)
def test_files_of_another_user_are_held_and_taken_when_they_may_be_read(tmp_path: Path) -> None:
    """An unprivileged daemon; a task and a message with mode 600 that belong to root."""
    if os.geteuid() != 0:
        pytest.skip("needs root to run the daemon as somebody else")
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    tree = _two_cases(tmp_path)
    hidden = tree.root / "acme-1" / "tasks" / "pending" / "T2.yaml"
    tree.task("acme-1", "T2")
    hidden.chmod(0o600)
    for path in (tmp_path, *tmp_path.rglob("*")):
        if path != hidden:
            os.chown(path, 65534, 65534)
    os.chown(tmp_path, 65534, 65534)
    tree.under = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    tree.start()
    tree.until(lambda: (tree.root / "acme-1/tasks/in_progress/T1.yaml").exists(), "the other task waits")
    letter = tree.root / INBOX / "executor" / "secret.yaml"
    tree.message("secret.yaml", {"type": "status", "from": "operator"})
    letter.chmod(0o600)
    tree.until(lambda: any("may not read" in (tree.root / INBOX / "planner" / n).read_text()
                           for n in tree.inbox("planner")), "its writer is not told")  # fmt: skip
    assert hidden.exists()
    hidden.chmod(0o644)
    tree.until(lambda: (tree.root / "acme-1/tasks/in_progress/T2.yaml").exists(), "it is not taken")
    _ended(tree)


@pytest.mark.spec("MEM-20", "MSG-5")
def test_reason_files_are_yaml(tmp_path: Path) -> None:
    """What explains a refusal can be read by a program."""
    tree = Tree(tmp_path, QUICK)
    tree.start()
    tree.message("bad.yaml", b"type: [\n")
    tree.until(lambda: list(tree.root.glob(f"{INBOX}/executor/.rejected/*/bad.reason.yaml")), "it is not refused")
    _ended(tree)
    (reason,) = tree.root.glob(f"{INBOX}/executor/.rejected/*/bad.reason.yaml")
    assert yaml.safe_load(reason.read_bytes())["code"]
