"""A fault in one case stays there, whatever it is and wherever it comes up [REL-4].

Faults of ours are made here: a function of the daemon raises, a rule always finds one more line, or never comes back.
Counterparts: `test_crash.py`, where the daemon dies; `test_fuzz.py`, where the bytes are odd.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import executord
from executord import service
from executord.actions import Record
from executord.agenda import Agenda, Due
from executord.errors import CannotWrite
from executord.files import journal
from executord.files.deaths import Deaths
from executord.files.disk import INBOX, Disk
from executord.fold import FOLD
from executord.paper import parse
from executord.policy import make_policy
from executord.service import Rings, Service, patience
from executord.service.patience import Patience
from tests.stories.kit import ENGINEER, Stage

SEED = int(os.environ.get("EXECUTORD_SEED", "1"))
HERE = f"{Path(executord.__file__).parent}/"
# What holds the boundaries themselves, and what the clock and the test stand on.
NOT_IN = {"rehearsal/__init__.py", "clock.py", "files/marks.py", "errors.py",
          "service/boundary.py", "service/deadlines.py", "service/rings.py", "service/parked.py",
          "service/patience.py"}  # fmt: skip
NOT_OF = {"Service.turn", "Service.open", "Service.next_at", "Service._read_what_rang", "Service._settle",
          "Service._drop", "Service._fails", "Service._commit", "Service._commit_step", "Service._arm",
          "Rounds.turn", "Sorting.turn", "Sorting.answers", "Sorting.forget"}  # fmt: skip


class Fault(Exception):
    """Of ours."""


class Trip:
    """Raises once, in the `k`-th call of a function by a turn of the daemon; 0: never, and remembers who was called."""

    def __init__(self, k: int = 0) -> None:
        self.k, self.calls, self.hit, self.armed = k, 0, "", False
        self.calls_of: dict[str, list[int]] = {}  # function → its calls, by number

    def __call__(self, frame: Any, event: str, _: object) -> None:
        """As `sys.setprofile` calls it."""
        code = frame.f_code
        if event != "call" or not self.armed or not code.co_filename.startswith(HERE):
            return
        name = code.co_filename[len(HERE) :]
        if name in NOT_IN or "<" in code.co_name or code.co_qualname in NOT_OF:
            return
        self.calls += 1
        if not self.k:
            self.calls_of.setdefault(f"{name} {code.co_qualname}", []).append(self.calls)
        if self.calls == self.k:
            self.hit, self.armed = f"{name}:{frame.f_lineno} {code.co_name}", False
            raise Fault(self.hit)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder)


def _day(root: Path, trip: Trip, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, list[str]], list[str]]:
    """Two cases and what comes for them; the names of all lines, and what lies in our inbox at the end."""
    turn = Service.turn

    def turned(self: Service, *args: Any, **more: Any) -> bool:
        trip.armed = not trip.hit
        try:
            return turn(self, *args, **more)
        finally:
            trip.armed = False

    with monkeypatch.context() as patched:
        patched.setattr(Service, "turn", turned)
        stage = Stage(root, {})
        stage.case({"T1": "api error", "T2": {"dependencies": ["T1"]}, "T3": "x"}, case="acme-1", customer="Acme")
        stage.case({"T1": "api error", "T2": "y"}, case="acme-2", tier=2)
        sys.setprofile(trip)
        try:
            stage.look()
            stage.at("09:10")
            stage.drop("acknowledgement", ENGINEER, "T1", case="acme-1")
            stage.done(ENGINEER, "T1", case="acme-2")
            stage.drop("status", "operator", None, case=None)
            stage.at("09:20")
            stage.drop("blocked", ENGINEER, "T1", case="acme-1", description="waiting for the customer to answer")
            stage.drop("nonsense", ENGINEER, "T1", case="acme-1")
            stage.at("09:30")
            stage.drop("unblocked", ENGINEER, "T1", case="acme-1")
            stage.at("09:35")
            stage.done(ENGINEER, "T1", case="acme-1")
            stage.at("15:00")
        finally:
            sys.setprofile(None)
    names = {c: [e["name"] for e in journal.read(f"{root}/{c}").entries if "name" in e] for c in ("acme-1", "acme-2")}
    assert not list(root.glob("**/.x-*")), "staged files are left behind"
    return names, sorted(n for n in os.listdir(root / INBOX / "executor") if not n.startswith("."))


@pytest.mark.spec("REL-4", "REL-1")
def test_a_fault_in_any_function_costs_nothing(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, anywhere: the turn ends, the case is tried again, and everything is done that would have been, once."""
    trip = Trip()
    wanted, left = _day(memory / "calm", trip, monkeypatch)
    assert not left
    assert trip.calls > 10_000
    functions = sorted(trip.calls_of)  # drawn by function, else those that are called most are nearly all
    assert len(functions) > 500
    dice = random.Random(SEED)
    hit = 0
    for n in range(int(os.environ.get("EXECUTORD_FAULTS", "20"))):
        each = Trip(dice.choice(trip.calls_of[dice.choice(functions)]))
        found, left = _day(memory / str(n), each, monkeypatch)
        said = f"{each.hit} (seed {SEED}, fault {n})"
        for case_id, names in found.items():
            assert sorted(names) == sorted(wanted[case_id]), said  # in another order: the case was tried again later
        assert not left, said
        hit += bool(each.hit)
    assert hit > 10


def _with_rule(monkeypatch: pytest.MonkeyPatch, rule: Any) -> None:
    """Case acme-1 gets one more rule."""
    real = service.agenda_of

    def agenda_of(case: Any, policy: Any) -> Agenda:
        agenda = real(case, policy)
        if case.id == "acme-1":
            agenda._rest.case_rules = (*agenda._rest.case_rules, rule)
        return agenda

    monkeypatch.setattr(service, "agenda_of", agenda_of)


class Watched(Stage):
    """A stage that hears what the daemon says of itself, and whose `hitl` takes every message away at once."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, {})
        self.events: list[tuple[str, str]] = []
        self.mail: list[dict[str, Any]] = []

    def heard(self, what: str, text: str) -> None:
        """An ear."""
        self.events.append((what, text))

    def look(self) -> None:
        """And the messages to `hitl` are read."""
        super().look()
        for path in Path(self.root, INBOX).glob("hitl/*.yaml"):
            self.mail.append(self.read_now(path))
            path.unlink()

    @staticmethod
    def read_now(path: Path) -> dict[str, Any]:
        """A message."""
        return dict(parse(path.read_bytes()).data or {})


def _two(stage: Stage) -> None:
    for case_id in ("acme-1", "acme-2"):
        stage.case({"T1": "api error"}, case=case_id)
    stage.look()


def _other_is_done(stage: Stage) -> None:
    stage.done(ENGINEER, "T1", case="acme-2")
    stage.at("+1m")
    assert Path(stage.root, "acme-2/tasks/completed/T1.yaml").exists()


@pytest.mark.spec("REL-5", "EXE-25")
def test_a_pause_that_cannot_be_written_holds_nowhere_until_it_can(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on disk nor in memory: who reads one of them never finds what the other has not."""
    stage = Watched(memory / "tree")
    _two(stage)
    halts, places = stage.service.halts, stage.service.places

    def full(*_: object) -> None:
        raise CannotWrite("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(stage.service.disk, "replace", full)
        stage.drop("pause", "operator", case=None)
        stage.at("+1m")
        assert (halts.kept, places.all_paused) == ({}, False)
    stage.at("+5m")
    assert halts.kept["all"]["by"] == "operator"
    assert places.all_paused


@pytest.mark.spec("EXE-25", "MEM-17", "REL-4")
@pytest.mark.parametrize("spoilt", ["all: {by: operator\n  x: [", "- all\n", "\x00"])
def test_pauses_that_cannot_be_read_hold_everything_until_somebody_resumes(memory: Path, spoilt: str) -> None:
    """Somebody may have paused everything: nothing is given out, hitl is told once, and `resume` ends it."""
    root = memory / "tree"
    stage = Stage(root)
    stage.case({"T1": "api error"})
    stage.lay(f"{INBOX}/executor/.paused.yaml", spoilt)
    stage.look()
    stage.restart()
    stage.at("+10m")
    pending = root / "acme-42/tasks/pending/T1.yaml"
    assert pending.exists()
    (letter,) = (parse(path.read_bytes()).data for path in (root / INBOX / "hitl").iterdir())
    assert letter is not None
    assert ".paused.yaml cannot be read" in letter["text"]
    assert stage.service.halts.kept["all"]["reason"] in letter["text"]
    stage.drop("resume", "operator", case=None)
    stage.at("+1m")
    assert not pending.exists()
    assert parse((root / INBOX / "executor/.paused.yaml").read_bytes()).data == {"schema_version": 1, "agents": {}}


@pytest.mark.spec("REL-4", "REL-12")
def test_a_rule_that_always_fails_parks_its_case_and_makes_no_storm(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said once with its traceback, to `hitl` too, tried again less and less, and gone on from when it is mended."""
    mended: list[bool] = []
    tried: list[object] = []
    stage = Watched(memory / "tree")

    def rule(case: Any, policy: Any) -> Iterator[Due]:
        if not mended:
            tried.append(stage.now)
            raise Fault("of ours")
        return iter(())

    _with_rule(monkeypatch, rule)
    _two(stage)
    _other_is_done(stage)
    stage.at("+1d")
    assert [what for what, _ in stage.events] == ["broken"]
    assert "Traceback" in stage.events[0][1]
    (letter,) = stage.mail
    assert "acme-1 is parked: of ours" in letter["text"]
    assert "Traceback" in letter["text"]
    assert 20 < len(tried) < 45
    mended.append(True)
    stage.at("+61m")
    assert Path(stage.root, "acme-1/tasks/in_progress/T1.yaml").exists()


@pytest.mark.spec("REL-4", "REL-12")
def test_a_look_that_always_finds_one_more_line_is_broken_off(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its journal does not grow for ever, not at the retries either; the other case does not notice."""

    def rule(case: Any, policy: Any) -> Iterator[Due]:
        if case.head.opened_at is not None:
            yield Due(case.head.opened_at, f"view x #{case.n}", "REL-4", Record())

    _with_rule(monkeypatch, rule)
    monkeypatch.setitem(FOLD, "view", lambda case, entry, at: None)
    monkeypatch.setattr(patience, "LINES", 300)
    stage = Watched(memory / "tree")
    _two(stage)
    _other_is_done(stage)
    stage.at("+2h")
    entries = [e for e in journal.read(f"{stage.root}/acme-1").entries if "name" in e]
    assert 300 <= entries[-1]["n"] <= 500
    assert len(stage.mail) == 1
    assert "there was always one more" in stage.mail[0]["text"]
    assert "Traceback" not in stage.mail[0]["text"]


@pytest.mark.spec("REL-4", "OPS-24")
def test_a_look_that_does_not_come_back_is_broken_off(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In seconds of CPU: the daemon is not killed by its watchdog for one case."""

    def rule(case: Any, policy: Any) -> Iterator[Due]:
        while True:
            try:
                sum(range(1000))
            except Exception:  # as code that means well does
                continue

    root = memory / "tree"
    stage = Stage(root)
    for case_id in ("acme-1", "acme-2"):
        stage.case({"T1": "api error"}, case=case_id)
    said: list[str] = []
    daemon = Service(
        str(root), make_policy(), durable=False, patience=Patience(0.2), on_event=lambda w, t: said.append(f"{w} {t}")
    )
    daemon.open(stage.now)
    with monkeypatch.context() as patched:
        _with_rule(patched, rule)
        daemon.use(daemon.policy)
        now = stage.now + timedelta(hours=1)
        daemon.turn(now, Rings(everything=True))
    assert (root / "acme-2/tasks/in_progress/T1.yaml").exists()
    assert not (root / "acme-1/tasks/in_progress").exists()
    assert any(s.startswith("broken acme-1: a look took more than 0.2") for s in said), said
    assert len(os.listdir(root / INBOX / "hitl")) == 1
    daemon.turn(now + timedelta(minutes=1), Rings())
    daemon.turn(now + timedelta(minutes=2), Rings(everything=True))
    assert (root / "acme-1/tasks/in_progress/T1.yaml").exists()


@pytest.mark.spec("REL-4", "OPS-24")
def test_a_case_in_work_at_three_deaths_is_parked_and_the_others_go_on(memory: Path) -> None:
    """Two are bad luck; `hitl` is told of the third."""
    root, state = memory / "tree", memory / "state"
    stage = Stage(root)
    for case_id in ("acme-1", "acme-2"):
        stage.case({"T1": "api error"}, case=case_id)
    for deaths in (1, 2, 3):
        Deaths(str(state)).working("acme-1")  # and then it died
        assert Deaths(str(state)).poison("acme-1") == (deaths == 3)
    daemon = Service(str(root), make_policy(), durable=False, deaths=Deaths(str(state)))
    daemon.open(stage.now)
    daemon.turn(stage.now + timedelta(hours=1), Rings(everything=True))
    assert (root / "acme-2/tasks/in_progress/T1.yaml").exists()
    assert not (root / "acme-1/tasks/in_progress").exists()
    (letter,) = (root / INBOX / "hitl").iterdir()
    assert "three times in a row" in letter.read_text()
    assert json.loads((state / "deaths.json").read_text()) == {"acme-1": 3}


def test_who_counts_deaths_keeps_no_descriptor_when_he_is_gone(tmp_path: Path) -> None:
    """Whoever makes many of them, one after the other, does not run out of descriptors."""
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(20):
        Deaths(str(tmp_path)).working("acme-1")
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= len(before)


@pytest.mark.spec("REL-4", "MSG-5")
def test_a_letter_that_we_trip_over_keeps_no_other_waiting(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours with one letter is said once an hour; the others are taken, and it too when we are mended."""
    stage = Watched(memory / "tree")
    _two(stage)
    real = service.sorting.case_of

    def case_of(tree: Any, letter: Any) -> Any:
        if letter.name.startswith("00-"):
            raise Fault("of ours")
        return real(tree, letter)

    with monkeypatch.context() as patched:
        patched.setattr(service.sorting, "case_of", case_of)
        stage.drop("status", "operator", name="00-status.yaml", case=None)
        _other_is_done(stage)
        stage.at("+30m")
        assert [what for what, _ in stage.events] == ["fault"]
    stage.at("+1m")
    stage.holds(f"{INBOX}/executor")


@pytest.mark.spec("REL-4", "MSG-11")
def test_letters_behind_one_that_broke_their_case_wait_for_it(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those behind it are not taken before it: that the task is unblocked would be refused while it is not blocked."""
    stage = Watched(memory / "tree")
    _two(stage)
    real, tripped = service.Prompter.informed, []

    def informed(self: Any, case: Any, letter: Any) -> Any:
        if letter.type == "blocked" and not tripped:
            tripped.append(letter.name)
            raise Fault("of ours")
        return real(self, case, letter)

    monkeypatch.setattr(service.Prompter, "informed", informed)
    stage.drop("blocked", ENGINEER, "T1", case="acme-1", description="waiting for the customer")
    stage.at("+1s")
    stage.drop("unblocked", ENGINEER, "T1", case="acme-1")
    stage.drop("progress", ENGINEER, "T1", case="acme-2", percent=50)
    stage.at("+1m")
    assert tripped
    filed = [e["facts"]["type"] for e in journal.read(str(memory / "tree/acme-1")).entries if e.get("action") == "file"]
    assert filed == ["blocked", "unblocked"]
    assert not list((memory / "tree" / INBOX / "executor").glob("*.yaml"))


@pytest.mark.spec("REL-4", "REL-6")
def test_a_fault_of_a_round_with_one_case_parks_that_case(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and looked at again; the round goes on with the others."""
    stage = Watched(memory / "tree")
    _two(stage)
    real, tripped = service.Display.check, []

    def check(self: Any, case_id: str, now: Any) -> None:
        if case_id == "acme-1" and not tripped:
            tripped.append(case_id)
            raise Fault("of ours")
        real(self, case_id, now)

    monkeypatch.setattr(service.Display, "check", check)
    stage.rings.everything = True
    stage.look()
    assert tripped
    assert any("acme-1" in said for _, said in stage.events)
    _other_is_done(stage)
    stage.done(ENGINEER, "T1", case="acme-1")
    stage.at("+1m")
    assert (memory / "tree/acme-1/tasks/completed/T1.yaml").exists()


@pytest.mark.spec("REL-4", "SES-25")
def test_sessions_that_trip_us_up_at_a_start_end_no_start(memory: Path) -> None:
    """The instructions go on without them."""
    stage = Watched(memory / "tree")
    _two(stage)
    stage.close()
    daemon = Service(str(stage.root), make_policy(), durable=False)
    daemon.desk = Mock(open=Mock(side_effect=Fault("of ours")))
    daemon.open(stage.now)
    assert daemon.desk.open.called
    assert set(daemon.cases) == {"acme-1", "acme-2"}


@pytest.mark.spec("REL-4")
@pytest.mark.parametrize("step", ["Treasury.check", "Attendance.opened", "House.recover"])
def test_a_fault_at_a_start_ends_no_start(step: str, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong beside the cases when the daemon starts, they go on."""
    stage = Watched(memory / "tree")
    _two(stage)
    (kind, name), tripped = step.split("."), []

    def failing(*_: Any) -> None:
        tripped.append(step)
        raise Fault("of ours")

    with monkeypatch.context() as patched:
        patched.setattr(getattr(service, kind), name, failing)
        stage.restart()
    assert tripped
    _other_is_done(stage)


@pytest.mark.spec("REL-4", "MEM-17", "CON-6")
@pytest.mark.parametrize("how", ["removed", "cut"])
def test_a_journal_that_somebody_shortens_is_not_written_behind_a_hole(how: str, memory: Path) -> None:
    """Its case is parked and told of, then goes on from what stands there; the other case does not notice."""
    stage = Watched(memory / "tree")
    for case_id in ("acme-1", "acme-2"):
        stage.case({"T1": "api error"}, case=case_id)
    stage.at("+1m")
    path = memory / "tree/acme-1" / journal.PLACE
    if how == "removed":
        path.unlink()
    else:
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-1]))
    for case_id in ("acme-1", "acme-2"):
        stage.drop("completion", ENGINEER, name=f"{case_id}.yaml", case=case_id, task_id="T1", summary="s", output="o")
    stage.at("+10s")
    assert (memory / "tree/acme-2/tasks/completed/T1.yaml").exists()
    assert any("acme-1" in said and "somebody cut it off, or removed it" in said for _, said in stage.events)
    stage.at("+10m")
    assert b"\0" not in path.read_bytes()
    numbers = [entry["n"] for entry in journal.read(str(memory / "tree/acme-1")).entries if "n" in entry]
    assert numbers == list(range(1, len(numbers) + 1))
    assert (memory / "tree/acme-1/tasks/completed/T1.yaml").exists()


@pytest.mark.spec("MEM-25")
def test_the_folder_of_an_instruction_is_never_ours_to_make(memory: Path) -> None:
    """Where it is gone, it or the whole memory was taken away: nothing of ours is put in its place."""
    disk = Disk(str(memory), durable=False)
    with pytest.raises(CannotWrite, match="No such file"):
        disk.make_folder("acme-1/outputs/partial")
    assert not list(memory.iterdir())
    (memory / "acme-1").mkdir()
    disk.make_folder("acme-1/outputs/partial")
    assert (memory / "acme-1/outputs/partial").is_dir()
