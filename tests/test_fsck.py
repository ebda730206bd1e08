"""A tree that the daemon leaves is sound; what is broken is named; what needs no decision is put right [OPS-8]."""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from executord.checks import fsck
from executord.clock import WallClock
from executord.files import ledger, lock
from executord.files.disk import DOT
from executord.files.naming import dot_name
from executord.paper import parse
from executord.policy import make_policy
from executord.service import Service
from tests.calls import say
from tests.stories.kit import CASE, ENGINEER, STORIES, Stage, play, tree_of

ROOT = Path(__file__).parent.parent
INBOX = "_communication/inbox"
JOURNAL = f"{CASE}/outputs/partial/journal.yaml"

for _name in ("hands", "letters", "parallel", "sequence", "still"):
    importlib.import_module(f"tests.stories.{_name}")


class Tree:
    """A memory in which one task is verified, one is held by its agent and one waits."""

    def __init__(self, folder: Path) -> None:
        self.root, self.state = folder / "memory", folder / "state"
        stage = Stage(self.root)
        stage.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": ENGINEER}, "T3": ""}, plan={"tier": 2,
                   "tasks": ["T1", "T2", "T3"]})  # fmt: skip
        stage.look()
        stage.at("09:10").done(ENGINEER, "T1")
        stage.at("09:20").drop("nonsense", ENGINEER, "T2")
        stage.end()

    def path(self, name: str) -> Path:
        """A path of the memory."""
        return self.root / name

    def fsck(self, *args: str) -> tuple[int, dict[str, Any]]:
        """Exit code and what is printed as JSON."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.state), "PYTHONPATH": str(ROOT / "daemon")}
        done = say("--memory", self.root, "--state", self.state, "fsck", "--json", *args, env=env)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def look(self) -> list[str]:
        """What one look finds, as `severity code path`."""
        tree = fsck.Tree(str(self.root), make_policy(), str(self.state))
        return [f"{f.severity} {f.code} {f.path}" for f in fsck.inspect(tree, WallClock().now()).findings]

    def entries(self) -> list[dict[str, Any]]:
        """The journal's lines, the first one apart."""
        return [json.loads(line[2:]) for line in self.path(JOURNAL).read_text().splitlines()][1:]

    def rewrite(self, change: Any) -> None:
        """The journal with `change(entries)` in place of its entries."""
        head, *rest = self.path(JOURNAL).read_text().splitlines()
        entries = change([json.loads(line[2:]) for line in rest])
        text = "\n".join([head, *(f"- {json.dumps(entry)}" for entry in entries)]) + "\n"
        self.path(JOURNAL).write_text(text)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


# --- sound ---


@pytest.mark.spec("OPS-8", "CON-10", "CON-18")
def test_a_tree_that_the_daemon_leaves_is_sound(tree):
    """Exit 0, no finding, in the shape of validate; and looking has changed nothing, nor made a state folder."""
    before = tree_of(str(tree.root))
    assert tree.fsck() == (0, {"schema_version": 1, "ok": True, "checked": 1, "findings": []})
    assert tree_of(str(tree.root)) == before
    assert not tree.state.exists()


@pytest.mark.spec("OPS-8", "EXE-3")
@pytest.mark.parametrize("name", sorted(STORIES))
def test_after_every_story_the_tree_is_sound(name, tmp_path):
    """No story, whatever people do in it, leaves what fsck calls an error, but for ids that people used twice."""
    play(STORIES[name], tmp_path / "memory", strict=False)
    found = fsck.inspect(
        fsck.Tree(str(tmp_path / "memory"), make_policy(**STORIES[name].config), str(tmp_path / "state")),
        WallClock().now(),
    )
    errors = [f for f in found.findings if f.severity == "error" and "only this one counts" not in f.message]
    assert not errors, "\n".join(f.text() for f in errors)


@pytest.mark.spec("OPS-8", "MEM-18")
def test_what_people_do_by_hand_is_no_error(tree):
    """A task moved, edited, added or deleted while the daemon is down is taken in at its next look: exit 0."""
    tree.path(f"{CASE}/tasks/in_progress/T2.yaml").rename(tree.path(f"{CASE}/tasks/pending/T2.yaml"))
    tree.path(f"{CASE}/tasks/pending/T3.yaml").write_text("id: T3\ntitle: another\n")
    tree.path(f"{CASE}/tasks/pending/T9.yaml").write_text("id: T9\ntitle: new\n")
    code, found = tree.fsck()
    assert (code, found["ok"]) == (0, True)
    tree.path(f"{CASE}/tasks/pending/T3.yaml").unlink()
    assert "warning MEM-25" in "\n".join(tree.look())


@pytest.mark.spec("OPS-8", "PERF-3")
def test_one_journal_is_held_at_a_time(tree, monkeypatch):
    """Those of thousands of instructions would take many times what their daemon takes."""
    for k in range(5):
        shutil.copytree(tree.path(CASE), tree.path(f"copy-{k}"))
    held = []
    audit = ledger.audit

    def counted(root: str, case_id: str) -> Any:
        held.append(sum(isinstance(each, ledger.Ledger) for each in gc.get_objects()))
        return audit(root, case_id)

    monkeypatch.setattr(ledger, "audit", counted)
    tree.look()
    assert len(held) == 6
    assert max(held) <= 1


# --- broken ---


def task_in_two_folders(tree):
    """The one where the journal expects it counts; the other is named."""
    shutil.copy(tree.path(f"{CASE}/tasks/in_progress/T2.yaml"), tree.path(f"{CASE}/tasks/pending/T2.yaml"))
    return f"error EXE-3 {CASE}/tasks/in_progress/T2.yaml"


def result_gone(tree):
    tree.path(f"{CASE}/outputs/partial/T1.yaml").unlink()
    return f"error EXE-15 {CASE}/outputs/partial/T1.yaml"


def result_of_another(tree):
    tree.path(f"{CASE}/outputs/partial/T1.yaml").write_text("task_id: T1\nstate: failed\n")
    return f"error EXE-15 {CASE}/outputs/partial/T1.yaml"


def number_missing(tree):
    tree.rewrite(lambda entries: [e for e in entries if e["n"] != 3])
    return f"error CON-6 {JOURNAL}"


def name_twice(tree):
    tree.rewrite(lambda entries: [*entries, {**entries[0], "n": entries[-1]["n"] + 1, "at": entries[-1]["at"]}])
    return f"error CON-6 {JOURNAL}"


def line_that_means_nothing(tree):
    tree.rewrite(lambda entries: [e if e["name"][:4] != "open" else {**e, "facts": {}} for e in entries])
    return f"error CON-6 {JOURNAL}"


def line_that_is_none(tree):
    tree.path(JOURNAL).write_bytes(tree.path(JOURNAL).read_bytes() + b"- [nonsense\n")
    return f"error CON-6 {JOURNAL}"


def message_to_no_place(tree):
    nowhere = {"path": "_communication/x.yaml"}
    tree.rewrite(lambda entries: [{**e, **nowhere} if e["action"] == "send" else e for e in entries])
    return f"error CON-4 {JOURNAL}"


def first_line_gone(tree):
    text = tree.path(JOURNAL).read_text().split("\n", 1)[1]
    tree.path(JOURNAL).write_text(text)
    return f"error CON-6 {JOURNAL}"


def newer_journal(tree):
    text = tree.path(JOURNAL).read_text().replace('"journal": 1', '"journal": 2', 1)
    tree.path(JOURNAL).write_text(text)
    return f"error REL-9 {JOURNAL}"


def two_names_of_one_task(tree):
    os.link(tree.path(f"{CASE}/tasks/in_progress/T2.yaml"), tree.path(f"{CASE}/tasks/completed/T2.yaml"))
    return f"error MEM-14 {CASE}/tasks/in_progress/T2.yaml"


@pytest.mark.spec("OPS-8", "CON-6", "EXE-3", "EXE-15", "MEM-14")
@pytest.mark.parametrize(
    "spoil",
    [
        task_in_two_folders, result_gone, result_of_another, number_missing, name_twice, line_that_means_nothing,
        line_that_is_none, message_to_no_place, first_line_gone, newer_journal, two_names_of_one_task,
    ],
)  # fmt: skip
def test_what_is_broken_is_named(spoil, tree):
    """Each way to break a tree is an error with its rule and its path, and `--fix` does not pretend to mend it."""
    wanted = spoil(tree)
    assert wanted in tree.look()
    before = tree_of(str(tree.root))
    code, found = tree.fsck("--fix")
    assert (code, found["ok"]) == (1, False)
    assert [f for f in found["findings"] if f"{f['severity']} {f['code']} {f['path']}" == wanted]
    assert all(f["fix"] for f in found["findings"])
    assert {k: v for k, v in tree_of(str(tree.root)).items() if "progress" not in k} == {
        k: v for k, v in before.items() if "progress" not in k
    }


@pytest.mark.spec("OPS-8", "MEM-14")
def test_odd_but_no_error(tree):
    """A clock that went back, a second name outside the tree, a filed message that somebody removed: exit 0, told."""
    tree.rewrite(lambda entries: [{**e, "at": "2020-01-01T00:00:00Z"} if e["n"] == 2 else e for e in entries])
    os.link(tree.path(f"{CASE}/tasks/in_progress/T2.yaml"), tree.root.parent / "backup")
    filed = next(e for e in tree.entries() if e["action"] == "file")
    tree.path(filed["path"]).unlink()
    code, found = tree.fsck()
    assert code == 0
    assert {f"{f['severity']} {f['code']}" for f in found["findings"]} == {
        "warning CON-5", "warning CON-6", "warning MEM-14",
    }  # fmt: skip


@pytest.mark.spec("OPS-8", "MEM-17", "MEM-20")
def test_a_day_that_was_packed_or_removed_is_no_finding(tree):
    """Delete `.processed/` and the state folder: nothing is missing."""
    shutil.rmtree(tree.path(f"{INBOX}/executor/.processed"))
    assert tree.look() == []


# --- put right ---


def torn_tail(tree):
    with tree.path(JOURNAL).open("ab") as file:
        file.write(b'- {"n": 99, "at": "2026-')


def staged_without_a_line(tree):
    tree.path(f"{CASE}/outputs/partial/{DOT}0123").write_text("x: 1\n")
    tree.path(f"{INBOX}/{ENGINEER}/{DOT}4567").write_text("y: 2\n")


def noted_and_not_published(tree):
    entry = next(e for e in reversed(tree.entries()) if e["action"] == "send")
    path = tree.path(entry["path"])
    path.rename(path.with_name(dot_name(CASE, entry["name"])))


def noted_and_not_moved(tree):
    """The last batch files a message; here its file still lies where it came."""
    entry = next(e for e in reversed(tree.entries()) if e["action"] == "file")
    tree.rewrite(lambda entries: [{**e, "at": entry["at"]} if e["n"] > entry["n"] else e for e in entries])
    tree.path(entry["path"]).rename(tree.path(f"{INBOX}/executor/{entry['facts']['file']}"))


def stale_view(tree):
    tree.path(f"{CASE}/outputs/partial/progress.yaml").write_text("phase: closed\n")


@pytest.mark.spec("OPS-8", "MEM-2", "MEM-21", "MEM-24")
@pytest.mark.parametrize(
    "spoil", [torn_tail, staged_without_a_line, noted_and_not_published, noted_and_not_moved, stale_view]
)
def test_fix_does_what_a_start_of_the_daemon_would_do(spoil, tree):
    """Told without `--fix`, put right with it: the tree is what it was; what was changed lies in the state folder."""
    whole = tree_of(str(tree.root))
    spoil(tree)
    spoiled = tree_of(str(tree.root))
    code, found = tree.fsck()
    assert found["findings"]
    assert code == (0 if spoil is stale_view else 1)
    assert tree_of(str(tree.root)) == spoiled
    code, mended = tree.fsck("--fix")
    assert (code, mended["ok"], mended["findings"]) == (0, True, [])
    assert {f["path"] for f in mended["fixed"]} == {f["path"] for f in found["findings"]}
    if spoil is not noted_and_not_moved:
        assert tree_of(str(tree.root)) == whole
    for path in (f["path"] for f in mended["fixed"]):
        copy = Path(mended["copies"]) / path
        assert copy.is_relative_to(tree.state)
        assert copy.read_bytes() == spoiled[path]
    assert tree.fsck("--fix") == (0, {"schema_version": 1, "ok": True, "checked": 1, "findings": [], "fixed": [],
                                      "copies": None})  # fmt: skip


@pytest.mark.spec("OPS-8", "MEM-21")
def test_staged_files_stay_while_a_journal_cannot_be_read(tree):
    """Whether a line names them cannot be told, so `--fix` leaves them: what was noted must not be lost."""
    noted_and_not_published(tree)
    line_that_is_none(tree)
    dots = [name for name in tree_of(str(tree.root)) if os.path.basename(name).startswith(DOT)]
    code, found = tree.fsck("--fix")
    assert code == 1
    assert dots
    assert all(tree.path(name).exists() for name in dots)
    assert {f["path"] for f in found["findings"]} >= set(dots)


@pytest.mark.spec("OPS-8", "REL-7", "CON-18")
def test_fix_waits_for_no_one(tree):
    """While somebody holds the tree `--fix` ends with 75 and changes nothing; looking is allowed."""
    torn_tail(tree)
    before = tree_of(str(tree.root))
    fd = os.open(tree.path(lock.PLACE), os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        code, answer = tree.fsck("--fix")
        assert (code, answer["error"]["code"]) == (75, 75)
        assert tree.fsck()[0] == 1
    finally:
        os.close(fd)
    assert tree_of(str(tree.root)) == before


@pytest.mark.spec("OPS-8")
def test_what_passes_by_itself_is_not_told_while_the_daemon_runs(tree, monkeypatch):
    """A staged file that is gone at the second look was the daemon at work; one that stays is told."""
    fd = os.open(tree.path(lock.PLACE), os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    stays = tree.path(f"{CASE}/outputs/partial/{DOT}0a")
    passes = tree.path(f"{CASE}/outputs/partial/{DOT}0b")
    for path in (stays, passes):
        path.write_text("x: 1\n")
    clock = WallClock().now()
    looks = []

    def now():
        looks.append(clock)
        if len(looks) == 2:
            passes.unlink()
        return clock + timedelta(seconds=len(looks))

    monkeypatch.setattr(fsck, "_MOMENT_S", 0.01)
    try:
        found = fsck.check(fsck.Tree(str(tree.root), make_policy(), str(tree.state)), now)
    finally:
        os.close(fd)
    assert [f.path for f in found.findings] == [str(stays.relative_to(tree.root))]


@pytest.mark.spec("CON-6")
def test_a_journal_of_several_parts_is_followed_through_all_of_them(tree, monkeypatch):
    """Numbers and names go on over the parts; a missing part, or a snapshot of another line, is an error."""
    monkeypatch.setattr("executord.files.journal.PART_LINES", 4)
    stage = Stage(tree.root.parent / "parts")
    stage.case({f"T{n}": {"assigned_to": ENGINEER} for n in range(1, 4)}, plan={"tier": 2, "tasks": ["T1", "T2", "T3"]})
    stage.look()
    for n in (1, 2, 3):
        stage.at(f"09:{n}0").done(ENGINEER, f"T{n}")
    stage.end()
    root = str(tree.root.parent / "parts")
    folder = Path(root) / os.path.dirname(JOURNAL)
    assert len(list(folder.glob("journal.*.yaml"))) > 1
    book = ledger.audit(root, CASE)
    assert book.findings == []
    assert [e["n"] for e in book.entries] == list(range(1, len(list(book.entries)) + 1))
    newest = folder / "journal.yaml"
    newest.write_text(re.sub(r'"n": (\d+), "name": "snapshot"', '"n": 1, "name": "snapshot"', newest.read_text()))
    assert "snapshot" in ledger.audit(root, CASE).findings[0].message
    (folder / "journal.0001.yaml").unlink()
    assert "a part is missing" in ledger.audit(root, CASE).findings[0].message


@pytest.mark.spec("CON-6", "REL-2")
def test_a_new_part_that_was_begun_and_not_finished_counts_once(tree):
    """Dying between the link and the rename leaves one file with two names: no line is read twice."""
    os.link(tree.path(JOURNAL), tree.path(f"{CASE}/outputs/partial/journal.0001.yaml"))
    assert tree.look() == [f"warning CON-6 {JOURNAL}"]
    assert parse(tree.path(f"{CASE}/outputs/partial/progress.yaml").read_bytes()).data["percent"] == 33


@pytest.mark.spec("MEM-21", "REL-1", "REL-4")
def test_what_was_noted_survives_a_start_that_cannot_read_the_journal(tree):
    """The daemon removes no staged file while a case is broken; once the journal is mended, it publishes it."""
    entry = next(e for e in reversed(tree.entries()) if e["action"] == "send")
    noted_and_not_published(tree)
    whole = tree.path(JOURNAL).read_bytes()
    line_that_is_none(tree)
    now = WallClock().now()
    Service(str(tree.root), make_policy(), durable=False).open(now)
    assert not tree.path(entry["path"]).exists()
    tree.path(JOURNAL).write_bytes(whole)
    Service(str(tree.root), make_policy(), durable=False).open(now)
    assert tree.path(entry["path"]).exists()
