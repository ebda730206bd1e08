"""Whole sessions on a real folder with a set clock, and an executor that dies before its disk operations."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stories.dying import Sweep, unlike
from tests.teams import stories  # noqa: F401  the stories enter themselves
from tests.teams.kit import STORIES, Room, Story, play, tree_of

EVERY = [pytest.param(each, id=each.name, marks=pytest.mark.spec(*each.ids)) for _, each in sorted(STORIES.items())]
ALL = [pytest.param(each, id=name) for name, each in sorted(STORIES.items())]


@pytest.fixture
def rooms() -> Iterator[Path]:
    """A folder for rooms, in memory where there is one."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="team-", dir=base)
    gc.freeze()
    yield Path(folder)
    gc.unfreeze()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class TeamSweep(Sweep):
    """The same for a session: what is left of the executor is its folder; the workers live on."""

    def stage(self, name: str) -> Room:  # type: ignore[override]
        return Room(self.root / name, self.story.config, strict=False)

    def tree(self, root: str) -> dict[str, bytes | None]:
        return tree_of(root)


@pytest.mark.parametrize("each", EVERY)
def test_the_session_goes_as_it_is_told(each: Story, rooms: Path):
    """Every line, file and state is what the story expects, and nothing was started twice."""
    room = Room(rooms / "stage", each.config)
    each.play(room)
    room.sound()
    room.end()


@pytest.mark.spec("SES-5", "SES-7", "REL-2")
@pytest.mark.parametrize("each", ALL)
def test_a_second_run_changes_nothing(each: Story, rooms: Path):
    """Reconciling is idempotent: an executor started anew with the clock standing writes not one byte."""
    room = play(each, rooms / "stage")
    before = tree_of(room.root)
    room.told = []
    room.restart()
    assert not unlike(before, tree_of(room.root))
    assert room.told == []


@pytest.mark.spec("SES-7", "SES-24", "REL-1", "REL-2")
@pytest.mark.parametrize("each", ALL)
def test_killed_at_any_point_the_session_is_what_it_would_have_been(each: Story, rooms: Path):
    """Every path and every byte, for a part of all points of every story."""
    sweep = TeamSweep(each, rooms, every=5, first=zlib.crc32(each.name.encode()) % 5)  # type: ignore[arg-type]
    sweep.run()
    assert sweep.deaths, "nobody died"
    assert not sweep.failures, sweep.told()


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.spec("SES-7", "REL-1", "REL-2")
@pytest.mark.parametrize("each", ALL)
def test_killed_at_every_point_of_every_session(each: Story, rooms: Path):
    """Before each disk operation, and at every third operation of each recovery."""
    sweep = TeamSweep(each, rooms, again=3)  # type: ignore[arg-type]
    sweep.run()
    assert not sweep.failures, sweep.told()
