"""Who writes one file over and over: each message is the next one, and none is filed that nobody has read [MSG-2].

The second message comes between our reading of the first and our rename: a failpoint of the disk puts it there.
Counterparts: `stories/letters.py`, the same name twice in peace; `real/test_careless.py`, at a real daemon.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from executord.files.intake import Intake
from executord.pen import dump
from tests.stories.kit import CASE, ENGINEER, INBOX, Died, Stage
from tests.teams.kit import SESSION, SPEC, Room

OPERATIONS = ["append", "rename"]  # the line is about to be noted; the file is about to be moved


class Meddler:
    """Writes the next message under the name of one that is being filed, once, before an operation."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.write: Callable[[], None] | None = None

    def __call__(self, operation: str, path: str) -> None:
        write = self.write
        if write is not None and operation == self.operation and ("/.processed/" in path or operation != "rename"):
            self.write = None
            write()


def replaced(path: str, body: dict[str, Any], at: float) -> None:
    """Written aside, then renamed."""
    Path(f"{path}.part").write_text(json.dumps(body))
    os.utime(f"{path}.part", (at, at))
    os.rename(f"{path}.part", path)


def overwritten(path: str, body: dict[str, Any], at: float) -> None:
    """In place, within one tick of the file system's clock: only the bytes are others."""
    Path(path).write_bytes(dump(body))
    os.utime(path, (at, at))


def progress(note: str) -> dict[str, Any]:
    return {"type": "progress", "from": ENGINEER, "instruction_id": CASE, "task_id": "T1", "note": note}


def notes(stage: Stage) -> list[str]:
    """What was noted of messages, in its order."""
    text = Path(f"{stage.root}/{CASE}/outputs/partial/journal.yaml").read_text()
    return [e["facts"]["note"] for e in yaml.safe_load(text) if "note" in e.get("facts", {})]


@pytest.fixture
def meddler(request: pytest.FixtureRequest) -> Meddler:
    """Who writes before this operation."""
    return Meddler(request.param)


def on_stage(folder: Path, meddler: Meddler) -> tuple[Stage, str]:
    """A task at work, and where its agent writes."""
    stage = Stage(folder / "tree", strict=False, failpoint=meddler)
    stage.case({"T1": {"assigned_to": ENGINEER}})
    stage.at("09:05")
    return stage, f"{stage.root}/{INBOX}/executor/up.yaml"


@pytest.mark.spec("MSG-2", "MEM-20", "REL-1")
@pytest.mark.parametrize("write", [replaced, overwritten])
@pytest.mark.parametrize("meddler", OPERATIONS, indirect=True)
def test_what_comes_under_the_name_of_a_message_is_the_next_one(tmp_path: Path, meddler: Meddler, write: Any) -> None:
    """Both are taken; and what was taken lies filed, but for what its own writer has written over."""
    stage, path = on_stage(tmp_path, meddler)
    meddler.write = lambda: write(path, progress("20 %"), stage.now.timestamp())
    stage.put(f"{INBOX}/executor/up.yaml", progress("10 %"))
    stage.at("09:10")
    assert notes(stage) == ["10 %", "20 %"]
    assert not os.path.exists(path)
    filed = Path(f"{stage.root}/{INBOX}/executor/.processed").rglob("*.yaml")
    assert [yaml.safe_load(each.read_text())["note"] for each in filed] == ["20 %"]
    stage.end()


@pytest.mark.spec("MSG-2", "MEM-20")
@pytest.mark.parametrize("meddler", ["rename"], indirect=True)
def test_a_third_one_in_the_same_moment(tmp_path: Path, meddler: Meddler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the name is another's again when the second is put back, that comes under a name of its own."""
    stage, path = on_stage(tmp_path, meddler)
    put_back = Intake._put_back

    def and_once_more(intake: Intake, target: str, source: str) -> None:
        replaced(path, progress("30 %"), stage.now.timestamp())
        put_back(intake, target, source)

    monkeypatch.setattr(Intake, "_put_back", and_once_more)
    meddler.write = lambda: replaced(path, progress("20 %"), stage.now.timestamp())
    stage.put(f"{INBOX}/executor/up.yaml", progress("10 %"))
    stage.at("09:10")
    assert sorted(notes(stage)) == ["10 %", "20 %", "30 %"]
    assert os.listdir(os.path.dirname(path)) == [".processed"] or not os.path.exists(path)
    stage.end()


def dying_over_it(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first time that something is to be put back, it dies instead; what is left to die of is answered."""
    put_back, deaths = Intake._put_back, [1]

    def dies_first(intake: Intake, target: str, source: str) -> None:
        if deaths:
            deaths.pop()
            raise Died
        put_back(intake, target, source)

    monkeypatch.setattr(Intake, "_put_back", dies_first)
    return deaths


@pytest.mark.spec("MSG-2", "REL-2")
@pytest.mark.parametrize("meddler", ["rename"], indirect=True)
def test_a_death_in_the_same_moment(tmp_path: Path, meddler: Meddler, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second was moved by us, unread, and we die before it is put back."""
    stage, path = on_stage(tmp_path, meddler)
    deaths = dying_over_it(monkeypatch)
    meddler.write = lambda: replaced(path, progress("20 %"), stage.now.timestamp())
    stage.put(f"{INBOX}/executor/up.yaml", progress("10 %"))
    stage.at("09:10")
    assert not deaths
    assert notes(stage) == ["10 %", "20 %"]
    stage.end()


@pytest.mark.spec("MSG-2", "MSG-1")
def test_a_message_to_the_house_that_is_written_over(tmp_path: Path) -> None:
    """Everything is paused, and in the same moment goes on again."""
    meddler = Meddler("rename")
    stage, _ = on_stage(tmp_path, meddler)
    path = f"{stage.root}/{INBOX}/executor/all.yaml"
    go_on = {"type": "resume", "from": "operator", "reason": "all is counted"}
    meddler.write = lambda: replaced(path, go_on, stage.now.timestamp())
    stage.put(f"{INBOX}/executor/all.yaml", {"type": "pause", "from": "operator", "reason": "stocktaking"})
    stage.at("09:10")
    assert meddler.write is None
    assert stage.service is not None
    assert not stage.service.places.all_paused
    assert not os.path.exists(path)
    stage.end()


@pytest.mark.spec("MEM-1", "MSG-2")
def test_of_what_others_take_nothing_is_kept(tmp_path: Path) -> None:
    """All domains share the inbox: what is known of a message for another executor goes when he takes it."""
    stage, path = on_stage(tmp_path, Meddler("none"))
    stage.case({"S1": {}}, case="sales-1", domain="sales")
    stage.put(f"{INBOX}/executor/up.yaml", {**progress("10 %"), "instruction_id": "sales-1", "task_id": "S1"})
    stage.at("09:10")
    assert stage.service is not None
    known = stage.service.store.intake._read
    assert list(known) == [f"{INBOX}/executor/up.yaml"]
    os.unlink(path)
    stage.rings.everything = True
    stage.look()
    assert not known
    stage.end()


@pytest.mark.spec("SES-28", "MSG-2", "REL-2")
@pytest.mark.parametrize(
    ("meddler", "dies"), [("append", False), ("rename", False), ("rename", True)], indirect=["meddler"]
)
def test_a_message_to_a_session_that_is_written_over(
    tmp_path: Path, meddler: Meddler, dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same in the inbox of a team session, also when its executor dies before it is put back."""
    deaths = dying_over_it(monkeypatch) if dies else []
    room = Room(tmp_path / "room", strict=False, failpoint=meddler)
    room.prepare({"DEV-001": [], "DEV-002": ["DEV-001"]})
    room.at("09:01")
    path = f"{room.path}/.executord/inbox/all.yaml"
    words = [{"type": word, "from": "operator", "session_id": SESSION} for word in ("pause", "resume")]
    meddler.write = lambda: replaced(path, words[1], room.now.timestamp())
    room.lay(".executord/inbox/all.yaml", dump(words[0]).decode())
    room.at("09:02")
    room.at("09:03")
    assert meddler.write is None
    assert not deaths
    assert room.status() == "active"
    assert not os.path.exists(path)
    room.end()


def while_it_is_noted_that_it_is_done(room: Room, meddler: Meddler, write: Callable[[], None]) -> None:
    """A worker is done, and in the middle of our taking note of it somebody writes."""
    meddler.write = write
    room.finish("DEV-001")
    room.at("+1m")
    room.at("+1m")
    assert meddler.write is None


@pytest.mark.spec("SES-7", "REL-1")
@pytest.mark.parametrize("operation", ["append", "replace"])
def test_a_hand_in_the_board_while_we_note_something_else(tmp_path: Path, operation: str) -> None:
    """A status that somebody writes into tasks.json between our reading of it and our own view of it."""
    meddler = Meddler(operation)
    room = Room(tmp_path / "room", strict=False, failpoint=meddler)
    room.prepare({"DEV-001": [], "DEV-002": ["DEV-001"], "DEV-003": ["DEV-002"]})
    room.at("09:01")
    board = Path(room.path, "tasks.json")

    def skip_it() -> None:
        data = json.loads(board.read_text())
        rows = data["tasks"] if isinstance(data, dict) else data
        row = rows["DEV-003"] if isinstance(rows, dict) else rows[2]
        row["status"] = "skipped"
        replaced(str(board), data, room.now.timestamp())

    while_it_is_noted_that_it_is_done(room, meddler, skip_it)
    assert any("hand-set DEV-003 #1 skipped" in line for line in room.told)
    room.end()


@pytest.mark.spec("SES-5", "REL-1")
@pytest.mark.parametrize("operation", ["append", "replace"])
def test_a_hand_in_the_session_file_while_we_note_something_else(tmp_path: Path, operation: str) -> None:
    """A role that comes into team-session.json, with its spec and its task, just before our own view of that file."""
    meddler = Meddler(operation)
    room = Room(tmp_path / "room", strict=False, failpoint=meddler)
    room.prepare({"DEV-001": [], "DEV-002": ["DEV-001"]}, roles=("dev",))
    room.at("09:01")
    session, graph = Path(room.path, "team-session.json"), Path(room.path, "task-analysis.json")
    room.lay("role-specs/tester.md", SPEC.format(role="tester", prefix="TESTER", inner="false"))
    more = json.loads(graph.read_text())
    more["dependency_graph"]["TESTER-001"] = []
    replaced(str(graph), more, room.now.timestamp())
    room.at("09:02")  # nobody is there for that task yet

    def add_a_role() -> None:
        data = json.loads(session.read_text())
        data["roles"].append({"name": "tester", "prefix": "TESTER", "role_spec": "role-specs/tester.md"})
        replaced(str(session), data, room.now.timestamp())

    while_it_is_noted_that_it_is_done(room, meddler, add_a_role)
    assert "tester" in [role["name"] for role in json.loads(session.read_text())["roles"]]
    assert any("start TESTER-001 a1" in line for line in room.told)
    room.end()
