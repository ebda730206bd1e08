"""The daemon dies before its disk operations, in every story, and what it leaves is made good [REL-2, MEM-21].

Counterpart: `stories/dying.py`, which forks at the failpoint. Here a part of all deaths in each story on every run, and
all of them, with deaths during recovery, marked slow.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from executord.files import journal
from tests.stories.dying import Sweep, copy_tree, unlike
from tests.stories.kit import STORIES, Stage, Story, play, tree_of

ALL = [pytest.param(each, id=name) for name, each in sorted(STORIES.items())]
WITHOUT_HANDS = [
    pytest.param(each, id=name) for name, each in sorted(STORIES.items()) if not each.play.__module__.endswith("hands")
]
EVERY = 18  # of a story's operations on each run; which ones differs from story to story


@pytest.fixture
def stages() -> Iterator[Path]:
    """A folder for stages, in memory where there is one; kept if something is wrong in it."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="crash-", dir=base)
    gc.freeze()  # what the children share with us is not written to by the collector
    yield Path(folder)
    gc.unfreeze()
    shutil.rmtree(folder, ignore_errors=True)


def swept(sweep: Sweep) -> Sweep:
    """The sweep, with every death made good."""
    sweep.run()
    assert sweep.deaths, "nobody died"
    assert not sweep.failures, sweep.told()
    return sweep


@pytest.mark.spec("REL-2", "REL-1", "MEM-21", "MEM-14")
@pytest.mark.parametrize("each", ALL)
def test_killed_at_any_point_the_tree_is_what_it_would_have_been(each: Story, stages: Path):
    """Every path and every byte, for a part of all points of every story."""
    swept(Sweep(each, stages, every=EVERY, first=zlib.crc32(each.name.encode()) % EVERY))


@pytest.mark.spec("REL-2", "REL-1", "MEM-21")
@pytest.mark.parametrize(
    "name", ["tier_2_goes_one_by_one_to_the_gate", "what_cannot_be_taken_is_rejected_with_its_reason"]
)
def test_killed_during_recovery_too(name: str, stages: Path):
    """The daemon that recovers may die as well."""
    swept(Sweep(STORIES[name], stages, every=7, first=3, again=2))


@pytest.mark.spec("REL-2", "EXE-11")
def test_killed_between_the_journals_of_cases_that_share_agents(stages: Path):
    """The load that was said, and who was chosen by it, do not hang on which of the journals was written."""
    swept(Sweep(STORIES["places_given_in_one_step_go_back_and_forth_between_cases"], stages, again=2))


@pytest.mark.spec("REL-2", "MEM-21", "MEM-17", "OPS-10")
@pytest.mark.parametrize("name", ["tier_3_goes_as_far_as_its_dependencies_let_it", "a_duplicate_changes_nothing"])
def test_killed_and_the_state_folder_lost(name: str, stages: Path):
    """Without the settle mark the last batch is carried out again, and that changes nothing."""
    swept(Sweep(STORIES[name], stages, every=4, first=1, lost=True))


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.spec("REL-2", "REL-1", "MEM-21", "MEM-14")
@pytest.mark.parametrize("each", ALL)
def test_killed_at_every_point_of_every_story(each: Story, stages: Path):
    """Before each disk operation, and at every third operation of each recovery."""
    swept(Sweep(each, stages, again=3))


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.spec("REL-2", "MEM-21", "OPS-10")
@pytest.mark.parametrize("each", WITHOUT_HANDS)
def test_killed_at_every_point_and_the_state_folder_lost(each: Story, stages: Path):
    """Losing the state folder loses nothing of a case."""
    swept(Sweep(each, stages, lost=True))


@pytest.mark.spec("REL-2", "CON-6", "PERF-3")
def test_killed_while_the_journal_begins_a_new_part(stages: Path, monkeypatch):
    """A journal that is full goes on in a new part, by link and rename: a death leaves one of the two."""
    monkeypatch.setattr(journal, "PART_LINES", 8)
    sweep = swept(Sweep(STORIES["tier_2_goes_one_by_one_to_the_gate"], stages))
    parts = sorted(path for path in sweep.wanted if "/journal." in path)
    assert len(parts) > 2, parts
    for path in parts[:-1]:
        lines = (sweep.wanted[path] or b"").decode().splitlines()
        assert lines[0].startswith('- {"journal": 1')


@pytest.mark.spec("REL-2", "CON-6", "MEM-21")
def test_a_torn_last_line_does_not_count(stages: Path):
    """The append is cut anywhere in its last batch: by construction nothing of what is cut off was published."""
    each = STORIES["tier_2_goes_one_by_one_to_the_gate"]
    wanted = tree_of(play(each, stages / "undisturbed", strict=False).root)
    path = "acme-42/outputs/partial/journal.yaml"
    for cut in (1, 2, 37, 120, 300, 333, 700, 1100):
        stage = Stage(stages / f"stage-{cut}", each.config, strict=False)
        once = _Torn(stage, path, cut)
        stage.before = once
        each.play(stage)
        stage.end()
        assert once.done, "nothing was cut"
        assert not unlike(wanted, tree_of(stage.root)), f"cut off {cut} bytes"


class _Torn:
    """Dies right after the fourth append to a journal, with so many bytes of it not on disk."""

    def __init__(self, stage: Stage, path: str, cut: int) -> None:
        self._stage, self._path, self._cut = stage, path, cut
        self._appends = self._size = 0
        self.done = False

    def __call__(self, operation: str, path: str) -> None:
        from tests.stories.kit import Died

        if self.done:
            return
        full = f"{self._stage.root}/{self._path}"
        if self._appends == 4:
            size = os.stat(full).st_size
            os.truncate(full, max(size - self._cut, self._size))
            self.done = True
            raise Died
        if operation == "append":
            self._appends += 1
            self._size = os.stat(full).st_size if os.path.exists(full) else 0


@pytest.mark.spec("REL-2", "REL-7")
def test_a_process_that_really_dies(stages: Path):
    """The same with a process of its own that ends with `os._exit` in its work, and another that goes on."""
    code = """
import os, sys
from datetime import UTC, datetime
from executord.policy import make_policy
from executord.rehearsal import Rehearsal
left = int(sys.argv[2])
def before(operation, path):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
play = Rehearsal(sys.argv[1], make_policy(), datetime(2026, 11, 20, 9, tzinfo=UTC), before=before)
play.look()
play.close()
"""
    stage = Stage(stages / "stage")
    stage.case({"T1": {"assigned_to": "technical-writer"}, "T2": {}}, tier=2)
    stage.drop("nonsense", "technical-writer")

    def run(root: str, operations: int) -> int:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run([sys.executable, "-c", code, root, str(operations)], env=environ, timeout=60).returncode

    copy_tree(stage.root, f"{stages}/undisturbed")
    assert run(f"{stages}/undisturbed", 10_000) == 0
    wanted = tree_of(f"{stages}/undisturbed")
    for k in (0, 3, 5, 6, 8):
        root = f"{stages}/killed-{k}"
        copy_tree(stage.root, root)
        assert run(root, k) == 9
        assert run(root, 10_000) == 0
        assert not unlike(wanted, tree_of(root))


@pytest.mark.spec("MEM-21", "MEM-18")
def test_a_file_moved_back_by_hand_while_the_daemon_was_down_stays(stages: Path):
    """With the settle mark only what a crash may have cut off is done again: a hand's move is not undone."""
    stage = Stage(stages / "stage")
    stage.case({"T1": {"assigned_to": "technical-writer"}, "T2": {}}, tier=2)
    stage.look()
    stage.down("+10m")
    stage.at("09:05").drop("hold", "operator", "T1", reason="not now")
    stage.hand("T1", "in_progress", "pending")
    stage.at("09:11")
    stage.holds("acme-42/tasks/pending", "T1.yaml", "T2.yaml")
    assert any("hand-move T1 #1 pending" in line for line in stage.told)
