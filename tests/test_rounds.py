"""A round finds whatever was done without an event, and does not list again the folders in which nothing was done.

Counterpart: `test_cost.py`, what looks cost. Here too calls are counted, and never seconds.
"""

from __future__ import annotations

import itertools
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executord.files import repose
from executord.files.seen import HEAD_FILES
from executord.files.store import TASK_FOLDERS
from executord.paper import TASK_ENDINGS, is_left_alone
from executord.paper.gate import identity_of
from executord.policy import make_policy
from executord.service import Service
from executord.service.rings import Rings
from tests.bench import trees

PAUSED = "all: {by: operator, at: '2026-01-01T00:00:00Z', reason: so that nothing moves by itself}\n"
Kept = tuple[dict[str, bytes], dict[str, bytes]]


class Scene:
    """A service on a tree of its own in which everything is paused, and the seconds that the test says."""

    def __init__(self, root: Path, cases: int = 1) -> None:
        self.seconds = 0.0
        self.began = datetime.now(UTC) + timedelta(
            hours=2
        )  # later than every file that is made, and no warning is near
        self.root, self._numbers = root, itertools.count(1)
        trees.inboxes(root)
        trees.write(root / trees.INBOX / "executor" / ".paused.yaml", PAUSED)
        for k in range(cases):
            tasks = ((f"T{i}", trees.short_task(f"T{i}", trees.AGENTS[0])) for i in range(1, 7))
            trees.case(root, f"case-{k}", tasks)
        roster = {name: {"capacity": 0} for name in trees.AGENTS}
        self.service = Service(str(root), make_policy(roster=roster), durable=False, monotonic=lambda: self.seconds)
        self.service.open(self.began)
        self.service.everything(self.began)

    def round(self, after_s: float = 10.0) -> None:
        """A round of the daemon, so much later."""
        self.seconds += after_s
        now = self.began + timedelta(seconds=self.seconds)
        while self.service.turn(now, Rings(everything=True)):
            pass

    def known(self, case_id: str = "case-0") -> Kept:
        """What the service believes to lie there."""
        seen = self.service.store.seen[case_id]
        files = {key: identity for key, (identity, _) in seen.files.items()}
        return files, {name: identity for name, (identity, _) in seen.head.items()}

    def there(self, case_id: str = "case-0") -> Kept:
        """What lies there."""
        base = self.root / case_id
        files = {}
        for folder in TASK_FOLDERS:
            for path in (base / "tasks" / folder).iterdir() if (base / "tasks" / folder).is_dir() else ():
                if path.name.endswith(TASK_ENDINGS) and not is_left_alone(path.name):
                    files[f"{folder}/{path.name}"] = identity_of(path.lstat())
        return files, {n: identity_of((base / n).lstat()) for n in HEAD_FILES if (base / n).exists()}

    def hand(self, deed: str, k: int, folder: str) -> None:
        """Something that people, planners or backups do, in a way that no event need tell."""
        tasks = self.root / "case-0" / "tasks"
        files = sorted(tasks.glob("*/*.yaml"))
        path = files[k % len(files)]
        match deed:
            case "edit in place":  # the same size, and the time put back
                before = path.stat()
                with path.open("r+b") as file:
                    file.seek(8)
                    file.write(b"# " if file.read(2) != b"# " else b"  ")
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            case "touch":
                os.utime(path)
            case "write anew":
                path.write_text(path.read_text() + "# and more\n")
            case "add":
                name = f"N{next(self._numbers)}"
                (tasks / folder).mkdir(exist_ok=True)
                (tasks / folder / f"{name}.yaml").write_text(trees.short_task(name, trees.AGENTS[0]))
            case "move":
                (tasks / folder).mkdir(exist_ok=True)
                path.rename(tasks / folder / path.name)
            case "swap":
                other = files[(k + 1) % len(files)]
                aside = path.with_name(".aside")
                path.rename(aside)
                other.rename(path)
                aside.rename(other)
            case "restore":  # another folder under the name, with the same times
                whole = path.parent.resolve()
                shutil.copytree(whole, whole.with_name(".copy"))
                shutil.rmtree(whole)
                whole.with_name(".copy").rename(whole)
            case "link":  # the folder lies elsewhere from now on; it is one in which we never write [SEC-1]
                whole = path.parent
                if whole.name in ("pending", "blocked") and not whole.is_symlink():
                    place = self.root / f"_elsewhere-{next(self._numbers)}"
                    whole.rename(place)
                    whole.symlink_to(place)
            case "plan":
                (self.root / "case-0" / "workflow" / "plan.yaml").write_text(f"tasks: [T1, X{next(self._numbers)}]\n")
            case "routing":
                (self.root / "case-0" / "workflow" / "routing_decision.yaml").write_text("complexity_tier: 3\n")
            case "instruction":
                aside = self.root / "case-0" / ".instruction"
                aside.write_text(f"title: wish {next(self._numbers)}\n")
                aside.rename(self.root / "case-0" / "instruction.yaml")
            case _:
                raise ValueError(deed)


DEEDS = ("edit in place", "touch", "write anew", "add", "move", "swap", "restore", "link", "plan", "routing",
         "instruction")  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("round"), st.sampled_from([0.5, 2, 4, 60]), st.just("")),
        st.tuples(st.sampled_from(DEEDS), st.integers(0, 11), st.sampled_from(TASK_FOLDERS)),
    ),
    max_size=20,
)


@pytest.mark.spec("REL-6", "PERF-4")
@settings(max_examples=40)
@given(STEPS)
def test_a_round_finds_whatever_hands_have_done(steps: list[tuple[str, float, str]]) -> None:
    """After any deeds, and any rounds in between, the next round knows of each file what lies there."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder))
        for deed, number, where in steps:
            if deed == "round":
                scene.round(number)
                assert scene.known() == scene.there()
            else:
                scene.hand(deed, int(number), where)
        scene.round()
        assert scene.known() == scene.there()
        assert "case-0" in scene.service.cases


def listed(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> set[str]:
    """The folders of cases that are listed meanwhile, by their paths from the memory."""
    found: set[str] = set()
    real = os.scandir

    def scandir(path: str) -> os._ScandirIterator[str]:
        if "/case-" in str(path):
            found.add(str(path).split("/case-")[1])
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        work()
    return found


@pytest.mark.spec("PERF-4")
def test_a_round_lists_only_the_folders_of_cases_in_which_something_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three rounds later nothing is listed; then of three cases the one with a new file, until it has been at rest."""
    scene = Scene(tmp_path, cases=3)
    for _ in range(3):
        scene.round()
    assert listed(monkeypatch, scene.round) == set()
    scene.hand("add", 0, "pending")
    assert {path[0] for path in listed(monkeypatch, scene.round)} == {"0"}
    assert scene.known() == scene.there()
    for _ in range(2):
        scene.round()
    assert listed(monkeypatch, scene.round) == set()
    (tmp_path / "case-1" / "outputs" / "partial" / "progress.yaml").write_text("mine\n")
    scene.round()
    assert "mine" not in (tmp_path / "case-1" / "outputs" / "partial" / "progress.yaml").read_text()


@pytest.mark.spec("REL-6", "PERF-4")
def test_a_folder_that_changes_twice_at_one_time_of_its_file_system_is_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where times go on in steps, a file may come right after a look and leave no trace in its folder."""
    step = [0]  # what the file system's clock says; each folder has the time of its last change

    class Coarse:
        size, _at = 24, dict[int, tuple[tuple[int, int], int]]()

        def pack(self, device: int, inode: int, mtime_ns: int, ctime_ns: int) -> bytes:
            true = (mtime_ns, ctime_ns)
            known = self._at.get(inode)
            if known is None or known[0] != true:
                self._at[inode] = known = (true, step[0])
            return struct.pack("=QQq", device, inode, known[1])

    monkeypatch.setattr(repose, "_FOLDER", Coarse())
    scene = Scene(tmp_path)
    for after in (0, 0.5, 1, 1, 3.5, 1, 3.5, 3.5, 1):
        step[0] += after >= 3  # no step is longer
        scene.round(after)
        scene.hand("add", 0, "pending")  # right after the look, and most often at the same time
        scene.round(0.1)
        assert scene.known() == scene.there()


def test_where_another_machine_keeps_the_times_everything_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is given no clock believes no folder."""
    scene = Scene(tmp_path)
    scene.service.watch = repose.Watch(scene.service.store, None)
    for _ in range(4):
        scene.round()
    assert "0/tasks/pending" in listed(monkeypatch, scene.round)
