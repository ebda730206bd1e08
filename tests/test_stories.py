"""Whole cases on a real folder with a set clock: what is noted, what lies where, and that a restart changes nothing."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from executord.files import journal
from executord.rehearsal import Rehearsal
from executord.values import stamp
from tests.stories.dying import unlike
from tests.stories.kit import STORIES, Stage, Story, play, restless, tree_of

#: A hand that moves what the daemon should have moved finds nothing there while that is down; and a journal whose clock
#: was set back is not in order of time.
ASLEEP = [
    pytest.param(each, id=name)
    for name, each in sorted(STORIES.items())
    if not each.play.__module__.endswith("hands") and name != "a_clock_that_was_fast_is_put_right"
]
EVERY = [pytest.param(each, id=each.name, marks=pytest.mark.spec(*each.ids)) for _, each in sorted(STORIES.items())]


@pytest.fixture
def stages() -> Path:
    """A folder for stages, in memory where there is one: stories make many small files."""
    import shutil
    import tempfile

    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="story-", dir=base)
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("each", EVERY)
def test_the_story_goes_as_it_is_told(each: Story, stages: Path):
    """Every line, file and state is what the story expects, and no case is broken by it."""
    stage = Stage(stages / "stage", each.config)
    each.play(stage)
    stage.sound()
    stage.end()


@pytest.mark.spec("REL-2", "MEM-17", "MEM-21")
@pytest.mark.parametrize("each", sorted(STORIES.values(), key=lambda s: s.name), ids=lambda s: s.name)
def test_a_restart_with_the_clock_standing_writes_nothing(each: Story, stages: Path):
    """At the end of each story the daemon is started again: every byte stays what it was."""
    stage = play(each, stages / "stage")
    before = tree_of(stage.root)
    again = Rehearsal(stage.root, stage.policy, stage.now)
    again.began = stage.began
    again.look()
    again.close()
    assert not unlike(before, tree_of(stage.root))
    assert again.lines == 0


@pytest.mark.spec("REL-2", "MEM-17")
@pytest.mark.parametrize("each", sorted(STORIES.values(), key=lambda s: s.name), ids=lambda s: s.name)
def test_a_daemon_that_is_restarted_all_the_time_does_the_same(each: Story, stages: Path):
    """Nothing is remembered that the files do not say: restarts at every step leave the same tree."""
    wanted = tree_of(play(each, stages / "stage").root)
    stage = restless(Stage(stages / "restless", each.config, strict=False))
    each.play(stage)
    stage.end()
    assert not unlike(wanted, tree_of(stage.root))


@pytest.mark.spec("OPS-7", "CON-7")
@pytest.mark.parametrize("each", sorted(STORIES.values(), key=lambda s: s.name), ids=lambda s: s.name)
def test_the_order_in_which_folders_list_their_files_does_not_matter(each: Story, stages: Path, monkeypatch):
    """Folders list their files in an order of their own: backwards gives the same bytes."""
    wanted = tree_of(play(each, stages / "stage").root)
    scandir, listdir = os.scandir, os.listdir

    class Backwards:
        def __init__(self, path="."):
            with scandir(path) as entries:
                self._entries = iter(sorted(entries, key=lambda e: e.name, reverse=True))

        def __iter__(self):
            return self._entries

        def __next__(self):
            return next(self._entries)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def close(self):
            return None

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", Backwards)
        patch.setattr(os, "listdir", lambda path=".": sorted(listdir(path), reverse=True))
        stage = play(each, stages / "backwards", strict=False)
    assert not unlike(wanted, tree_of(stage.root))


def asleep(stage: Stage, after: int) -> list[datetime]:
    """The stage with a daemon that is killed once its clock has gone on so often, and comes back three days later.

    What the story does meanwhile lies there then. The list gets the instant of the return.
    """
    advance, count, back = stage.advance, 0, []

    def interrupted(to: datetime) -> None:
        nonlocal count
        count += 1
        if count == after and stage.service is not None:
            stage._rest()
            back.append(stage.now + timedelta(days=3))
            stage.kill(back[0])
        advance(to)

    stage.advance = interrupted  # type: ignore[method-assign]
    return back


@pytest.mark.spec("EXE-26", "SLA-12", "MSG-11")
@pytest.mark.parametrize("each", ASLEEP)
def test_three_days_of_downtime_in_the_middle(each: Story, stages: Path):
    """Obligations are caught up once and in order: the post first, one rung of each ladder, nobody closed unasked."""
    plain = Stage(stages / "plain", each.config, strict=False)
    counted = asleep(plain, -1)
    advance, steps = plain.advance, []
    plain.advance = lambda to: (steps.append(to), advance(to))[1]  # type: ignore[method-assign]
    each.play(plain)
    plain.end()
    assert not counted
    stage = Stage(stages / "asleep", each.config, strict=False)
    back = asleep(stage, max(len(steps) // 2, 1))
    each.play(stage)
    if back:
        stage.advance(max(stage.now, back[0]))
        stage._rest()
    stage.sound()
    stage.end()
    for folder in {path.parent.parent.parent for path in Path(stage.root).glob("*/outputs/partial/journal.yaml")}:
        entries = [e for e in journal.read(str(folder)).entries if "at" in e]
        assert [e["at"] for e in entries] == sorted(e["at"] for e in entries)
        woken = [e for e in entries if back and e["at"] == stamp(back[0])]
        chased: Counter[tuple[str | None, str]] = Counter()
        for e in woken:
            facts = e.get("facts") or {}
            if e["action"] == "send" and "ask" in facts:
                chased[e.get("task"), facts["ask"]] += 1
            elif "silence" in facts:
                chased[e.get("task"), f"a{e['attempt']}"] += 1
        assert all(n == 1 for n in chased.values()), chased
        settled = [k for k, e in enumerate(woken) if e["action"] == "file"]
        told = [
            k for k, e in enumerate(woken) if "ask" in (e.get("facts") or {}) or "silence" in (e.get("facts") or {})
        ]
        assert not settled or not told or settled[-1] < told[0], "somebody was chased before the post was settled"
