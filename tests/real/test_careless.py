"""Who writes in place, goes on writing, or gives one file two names: seen as what it is [MEM-14, MEM-18, MEM-26]."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
import yaml

from executord.files.disk import Disk
from executord.files.store import Store
from executord.paper import gate
from executord.values import read_stamp
from tests.real.kit import INBOX, Tree
from tests.stories.kit import CASE, Stage

AGENT = "technical-support-engineer"
QUICK = {"settle": "0.2 seconds", "round": "0.5 seconds"}


def _in_place(tree: Tree, task_id: str) -> Path:
    path = tree.root / "acme-1/tasks/pending" / f"{task_id}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _leases(path: Path) -> bool:
    with path.open("ab"):
        fd = os.open(path, os.O_RDONLY)
        try:
            return gate._has_writer(fd)
        finally:
            os.close(fd)


@pytest.mark.spec("MEM-26", "SEC-0", "MEM-11")
@pytest.mark.hazard(1)
def test_half_a_message_that_parses_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    """While it is written it is not read, however slow its writer is; an empty task is held, and that is told."""
    tree = Tree(tmp_path, QUICK)
    tree.case("acme-1", ["T1", "T2"])
    tree.task("acme-1", "T1")
    tree.start()
    box = tree.root / INBOX / "executor"
    tree.until((tree.root / "acme-1/tasks/in_progress/T1.yaml").exists, "nothing is given out")
    with (box / "slow.yaml").open("w") as slow:
        slow.write(f"type: progress\nfrom: {AGENT}\ninstruction_id: acme-1\ntask_id: T1\nnote: found the cau")
        slow.flush()
        if not _leases(box / "slow.yaml"):
            pytest.skip("no leases on this file system")
        _in_place(tree, "T2").write_text("")
        tree.until(lambda: any(".T2." in name for name in tree.inbox("planner")), "that T2 is empty is not told")
        tree.message("other.yaml", {"type": "status", "from": AGENT})
        tree.until(lambda: any("status_report" in name for name in tree.inbox(AGENT)), "another message waits for it")
        time.sleep(2)  # ten times the settle time, and four rounds: only time can show that nothing comes
        assert (box / "slow.yaml").exists(), "it was taken while it was written"
        slow.write("se in the pool\n")
    tree.until(lambda: not (box / "slow.yaml").exists(), "it is not taken when it is whole")
    assert tree.stop() == 0
    (filed,) = (e for e in tree.journal("acme-1") if e["name"].startswith("file slow.yaml"))
    assert yaml.safe_load((tree.root / filed["path"]).read_text())["note"] == "found the cause in the pool"
    assert _in_place(tree, "T2").exists()


@pytest.mark.spec("MEM-26", "SEC-0")
@pytest.mark.hazard(23)
def test_a_task_is_given_out_when_its_writer_has_closed_it(tmp_path: Path) -> None:
    """Somebody types it line by line: what he has by then would parse, and would be half of it."""
    tree = Tree(tmp_path, QUICK)
    tree.case("acme-1", ["T1", "T2"])
    tree.start()
    there = tree.root / "acme-1/tasks/in_progress"
    with _in_place(tree, "T1").open("w") as slow:
        slow.write("id: T1\ntitle: find out why")
        slow.flush()
        if not _leases(_in_place(tree, "T1")):
            pytest.skip("no leases on this file system")
        tree.task("acme-1", "T2")
        tree.until((there / "T2.yaml").exists, "the other task waits for it")
        time.sleep(1)  # whoever types pauses longer than the settle time, and that is no end
        slow.write(" the checkout fails\n")
        slow.flush()
        time.sleep(1)  # the same after a change: five times the settle time, in which nothing may come
        assert not (there / "T1.yaml").exists(), "it was read while it was written"
        slow.write(f"assigned_to: {AGENT}\n")
    tree.until((there / "T1.yaml").exists, "it is not given out when it is whole")
    assert tree.stop() == 0
    told = next((tree.root / INBOX / AGENT).glob("acme-1.T1.a1.delegation.yaml"))
    assert yaml.safe_load(told.read_text())["task"]["title"] == "find out why the checkout fails"


@pytest.mark.spec("MEM-18", "MEM-22")
@pytest.mark.hazard(25)
def test_what_is_written_again_after_it_was_taken_is_an_edit(tmp_path: Path) -> None:
    """`>` and later `>>`: noted with its hash, the holder told, and not given out a second time."""
    tree = Tree(tmp_path, QUICK)
    tree.case("acme-1", ["T1"])
    tree.start()
    _in_place(tree, "T1").write_text(f"id: T1\ntitle: find the cause\nassigned_to: {AGENT}\n")
    there = tree.root / "acme-1/tasks/in_progress/T1.yaml"
    tree.until(there.exists, "it is not given out")
    with there.open("a") as more:
        more.write("description: since 07:40 UTC\n")
    tree.until(lambda: any(".notice" in name for name in tree.inbox(AGENT)), "its holder is not told")
    assert tree.stop() == 0
    names = [e["name"] for e in tree.journal("acme-1")]
    (edit,) = (e for e in tree.journal("acme-1") if e["name"].startswith("edit T1.yaml #1 "))
    assert edit["name"].endswith(edit["facts"]["sha256"][:8])
    assert len([name for name in names if name.startswith("assign")]) == 1
    assert len([name for name in tree.inbox(AGENT) if ".delegation" in name]) == 1


@pytest.mark.spec("MSG-2", "MSG-1")
def test_who_writes_one_file_over_and_over_is_heard_each_time_that_he_waits(tmp_path: Path) -> None:
    """Two words in a row under one name, whenever we are about to file the first: the second is taken, always."""
    tree, chance = Tree(tmp_path, QUICK), random.Random(1)
    tree.case("acme-1", ["T1"])
    tree.task("acme-1", "T1")
    tree.start()
    tree.until((tree.root / "acme-1/tasks/in_progress/T1.yaml").exists, "it is not given out")
    word = {"type": "progress", "from": AGENT, "instruction_id": "acme-1", "task_id": "T1"}
    for k in range(40):
        tree.message("up.yaml", word | {"note": f"{k} begun"})
        time.sleep(chance.uniform(0, 0.015))  # the time in which we read it, note it and file it
        tree.message("up.yaml", word | {"note": f"{k} done"})
        tree.until(lambda: not (tree.root / INBOX / "executor/up.yaml").exists(), "it is not filed")
    tree.until(lambda: any(e.get("facts", {}).get("note") == "39 done" for e in tree.journal("acme-1")), "not taken")
    assert tree.stop() == 0
    said = {e.get("facts", {}).get("note") for e in tree.journal("acme-1")}
    assert {f"{k} done" for k in range(40)} <= said


@pytest.mark.spec("MEM-18", "MEM-22", "SLA-10")
@pytest.mark.parametrize("name", ["instruction.yaml", "tasks/in_progress/T1.yaml", "workflow/plan.yaml"])
def test_an_edit_that_comes_with_an_old_time_is_of_when_it_came(name: str, tmp_path: Path) -> None:
    """`cp -p` and `rsync -t` bring a file with the time of its original: nothing was promised then."""
    tree = Tree(tmp_path, QUICK)
    tree.case("acme-1", ["T1"])
    _in_place(tree, "T1").write_text(f"id: T1\ntitle: find the cause\nassigned_to: {AGENT}\n")
    tree.start()
    tree.until((tree.root / "acme-1/tasks/in_progress/T1.yaml").exists, "it is not given out")
    path, copy, began = tree.root / "acme-1" / name, tmp_path / "copy.yaml", time.time()
    data = yaml.safe_load(path.read_text())
    if name == "workflow/plan.yaml":
        data["tasks"] = [{"id": "T1", "sla_resolution": "2 hours"}]
    else:
        data["sla_resolution"] = "2 hours"
    copy.write_text(yaml.safe_dump(data))
    os.utime(copy, (began - 86_400, began - 86_400))
    os.replace(copy, path)
    tree.until(lambda: any(e["name"].startswith("edit ") for e in tree.journal("acme-1")), "the edit is not seen")
    assert tree.stop() == 0
    (edit,) = (e for e in tree.journal("acme-1") if e["name"].startswith("edit "))
    assert read_stamp(edit["due"]).timestamp() >= began - 1  # a stamp may be of whole seconds


@pytest.mark.spec("MEM-18", "MEM-22")
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_edit_in_the_moment_of_our_move_is_seen(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our rename and our look at what we renamed, or just before it."""
    moved, published = Store.task_moved, Disk.publish

    def edit(folder: str) -> None:
        copy = Path(f"{stage.root}/copy.yaml")
        copy.write_text(f"id: T1\ntitle: find the cause, and tell the bank\nassigned_to: {AGENT}\n")
        os.replace(copy, f"{stage.root}/{CASE}/tasks/{folder}/T1.yaml")

    def publish(disk: Disk, source: str, target: str) -> bool:
        if "tasks/" in source:
            edit("pending")
        return published(disk, source, target)

    def task_moved(store: Store, case_id: str, source: str, target: str) -> None:
        edit("in_progress")
        moved(store, case_id, source, target)

    stage = Stage(tmp_path / "tree", strict=False)
    stage.case({"T1": {"title": "find the cause", "assigned_to": AGENT}})
    with monkeypatch.context() as patched:
        patched.setattr(*((Disk, "publish", publish) if when == "before" else (Store, "task_moved", task_moved)))
        stage.at("09:01")
    stage.rings.paths.setdefault(CASE, set()).add("tasks/in_progress/T1.yaml")
    stage.rings.cases.add(CASE)
    stage.look()
    stage.skip()
    assert stage.service is not None
    assert "tell the bank" in stage.service.cases[CASE].tasks["T1"].spec.title


@pytest.mark.spec("MEM-14")
@pytest.mark.hazard(16)
def test_a_move_onto_another_name_of_the_same_file_is_no_silent_success(tmp_path: Path) -> None:
    """The kernel's plain rename says that it went well, and leaves both."""
    tree = Tree(tmp_path)
    one, two = "acme-1/outputs/partial/.x-1", "acme-1/outputs/partial/T1.yaml"
    (tree.root / one).parent.mkdir(parents=True)
    (tree.root / one).write_text("a: 1\n")
    os.link(tree.root / one, tree.root / two)
    os.rename(tree.root / one, tree.root / two)
    assert (tree.root / one).exists(), "here a rename is no no-op"
    assert not Disk(str(tree.root)).publish(one, two)
    (tree.root / two).unlink()
    assert Disk(str(tree.root)).publish(one, two)
    assert not (tree.root / one).exists()
