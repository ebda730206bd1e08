"""What a look costs follows what changed, not how large a case is or how old: counted in calls, never in seconds.

Counterpart: `tests/bench/scale.py`, which measures the same in processor time.
"""

from __future__ import annotations

import cProfile
import gc
import json
import os
import pickle
import pstats
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from executord.case.casebook import Case
from executord.case.snapshot import freeze
from executord.files import journal, survey
from executord.files.marks import Marks
from executord.pen import json_text
from executord.policy import Policy, make_policy
from executord.service import Service, display
from executord.service.rings import Rings
from tests.bench import trees
from tests.stories.delivery import finished
from tests.stories.kit import CASE, STORIES, Stage, play

NOW = datetime.now(UTC) + timedelta(days=1)  # later than every file that is made: all are whole


def service_of(root: Path, tasks: int) -> Service:
    """A service on one case of so many tasks, all given out."""
    trees.inboxes(root)
    (root / trees.INBOX / "executor").mkdir(parents=True)
    ids = [f"T{k}" for k in range(1, tasks + 1)]
    trees.case(root, "big", ((i, trees.short_task(i, trees.agent_of(k))) for k, i in enumerate(ids)))
    service = Service(str(root), make_policy(roster={name: {"capacity": 0} for name in trees.AGENTS}), durable=False)
    service.open(NOW)
    service.everything(NOW)
    return service


def letter(service: Service, task_id: str, agent: str, kind: str) -> str:
    """A message in our inbox, whole."""
    name = f"{task_id}-{kind}.yaml"
    text = f"type: {kind}\nfrom: {agent}\ninstruction_id: big\ntask_id: {task_id}\nattempt: 1\n"
    if kind == "completion":
        text += "summary: did it\noutput: all is well\n"
    Path(service.root, trees.INBOX, "executor", name).write_text(text, encoding="utf-8")
    return f"executor/{name}"


def calls_of(service: Service, now: datetime, *names: str) -> int:
    """How many Python calls a turn makes that takes in these letters."""
    profile = cProfile.Profile()
    profile.enable()
    service.turn(now, Rings(named=dict.fromkeys(names, True)))
    profile.disable()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.spec("PERF-4")
def test_a_letter_costs_the_same_in_a_case_of_any_size(tmp_path: Path) -> None:
    """An acknowledgement and a completion, in a case of 40 tasks and in one of 400."""
    spent = {}
    for size in (40, 400):
        service = service_of(tmp_path / str(size), size)
        at = NOW + timedelta(milliseconds=200)  # the view is not due again
        first = calls_of(service, at, letter(service, "T5", trees.agent_of(4), "acknowledgement"))
        then = calls_of(service, at, letter(service, "T5", trees.agent_of(4), "completion"))
        assert service.cases["big"].tasks["T5"].ended is not None
        spent[size] = (first, then)
    for small, large in zip(spent[40], spent[400], strict=True):
        assert large <= 1.2 * small, spent


@pytest.mark.spec("PERF-4")
def test_a_turn_that_goes_on_at_its_budget_does_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is given out by many small turns; the folders of tasks are listed by the first, and by none that goes on."""
    root = tmp_path / "memory"
    (root / trees.INBOX / "executor").mkdir(parents=True)
    trees.inboxes(root)
    trees.case(root, "big", ((f"T{k}", trees.short_task(f"T{k}", trees.agent_of(k))) for k in range(60)))
    service = Service(str(root), make_policy(roster={name: {"capacity": 0} for name in trees.AGENTS}), durable=False)
    service.open(NOW)
    listed = list[str]()
    real = os.scandir
    monkeypatch.setattr("executord.service.BATCH_LINES", 20)
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(str(path)), real(path))[1])
    assert service.turn(NOW, Rings(everything=True), budget=20)
    assert any(path.endswith("/tasks/pending") for path in listed)
    listed.clear()
    assert (service.next_at() or NOW + timedelta(1)) <= NOW, "a loop that slept now would sleep too long"
    assert not service.idle()
    turns = 1
    while service.turn(NOW, Rings(), budget=20):
        turns += 1
    assert turns > 5
    assert not [path for path in listed if "/tasks" in path]
    assert service.cases["big"].counts["in_progress"] == 60


@pytest.mark.spec("PERF-4")
def test_what_the_rules_have_not_been_asked_yet_is_not_gone_through_at_every_line(tmp_path: Path) -> None:
    """While lines are noted that go before the rest, the tasks that changed are added up in one place."""
    service = service_of(tmp_path, 40)
    case, agenda = service.cases["big"], service.agendas["big"]
    case.dirty.update(case.tasks)
    assert agenda.heard(NOW) is None
    kept = agenda._rest.dirty
    assert len(kept) == 40
    for task_id in ("T1", "T2", "new"):
        case.dirty.add(task_id)
        assert agenda.heard(NOW) is None
        assert task_id in agenda._rest.dirty
        assert agenda._rest.dirty is kept
    assert agenda._placing.dirty is not kept
    agenda.refresh()
    assert not agenda._rest.dirty


@pytest.mark.spec("PERF-4", "EXE-2", "EXE-5")
def test_what_is_held_in_a_sequence_makes_no_other_task_dearer(tmp_path: Path) -> None:
    """One more task in a sequence of 200, whose first needs a task that nobody knows, or needs none."""
    spent = {}
    for needs in ("", "depends_on: [T999]\n"):
        root = tmp_path / f"memory{len(needs)}"
        trees.inboxes(root)
        (root / trees.INBOX / "executor").mkdir(parents=True)
        texts = [(f"T{k}", trees.short_task(f"T{k}", trees.agent_of(k))) for k in range(1, 202)]
        trees.case(root, "big", [(i, text + needs * (i == "T1")) for i, text in texts[:200]])
        (root / "big/workflow").mkdir(exist_ok=True)
        (root / "big/workflow/plan.yaml").write_text("tier: 2\n", encoding="utf-8")
        service = Service(str(root), make_policy(), durable=False)
        service.open(NOW)
        service.everything(NOW)
        assert service.cases["big"].frontier == ("T2" if needs else "T1")
        Path(root, "big/tasks/pending/T201.yaml").write_text(texts[200][1], encoding="utf-8")
        profile = cProfile.Profile()
        profile.enable()
        service.turn(NOW + timedelta(seconds=1), Rings(touched={"big": {"tasks/pending/T201.yaml": True}}))
        profile.disable()
        assert "T201" in service.cases["big"].tasks
        spent[needs] = int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]
    plain, held = spent.values()
    assert held <= 1.5 * plain, spent


@pytest.mark.spec("PERF-4", "EXE-21")
def test_the_view_of_a_large_case_is_made_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a second; with n times as many tasks as are shown in a second, once in n seconds; the last state, always."""
    assert display.TASKS >= 1000
    monkeypatch.setattr(display, "TASKS", 4)
    service = service_of(tmp_path, 12)
    view = tmp_path / "big" / "outputs" / "partial" / "progress.yaml"
    shown = view.read_bytes()
    named = Rings(named={letter(service, "T1", trees.agent_of(0), "completion"): True})
    service.turn(NOW + timedelta(seconds=2), named)
    assert view.read_bytes() == shown
    assert service.next_at() == NOW + timedelta(seconds=3)
    service.turn(NOW + timedelta(seconds=3), Rings())
    assert view.read_bytes() != shown


@pytest.mark.spec("PERF-3", "QUA-4")
def test_a_closed_case_keeps_nothing_that_can_be_made_again(tmp_path: Path) -> None:
    """They stay until they are archived: lines to come, letters, clocks as text would be more than the cases."""
    stage = Stage(tmp_path)
    finished(stage, customer=True)
    case, agenda = stage.service.cases[CASE], stage.service.agendas[CASE]
    assert case.memo
    assert agenda.lines()
    stage.at("09:30").drop("verdict", "validator", verdict="PASS", reason="all is well")
    stage.at("09:31")
    assert [len(case.memo), len(case.memos), len(agenda.lines())] == [0, 0, 0]


@pytest.mark.spec("OPS-9", "PERF-3")
def test_a_policy_that_another_has_followed_is_not_kept_in_memory(tmp_path: Path) -> None:
    """Nor its calendars, by what was reckoned with them: a daemon reads its configuration anew for years."""
    service = service_of(tmp_path / "tree", 1)

    for k in range(6):
        service.use(make_policy(calendars={"anew": {"timezone": "UTC", "weekly": {"mon": [["09:00", "17:00"]]}}}))
        service.everything(NOW + timedelta(minutes=k))
    gc.collect()
    held = [each for each in gc.get_objects() if isinstance(each, Policy) and "anew" in each.calendars]
    assert len(held) <= 2  # some lines may still be of the last one


@pytest.mark.spec("PERF-3", "CON-6")
def test_a_part_of_the_journal_grows_with_the_case() -> None:
    """5,000 lines; in a case of more than 2,500 tasks two lines for each: snapshots cost no more than lines."""
    assert [journal.part_lines(n) for n in (0, 1, 2500, 5000, 100_000)] == [5000, 5000, 5000, 10_000, 200_000]


@pytest.mark.spec("PERF-3", "CON-6")
def test_a_start_reads_the_newest_part_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its snapshot says all that was before; where it is not known that all of that was carried out, all is read."""
    monkeypatch.setattr(journal, "PART_LINES", 8)
    stage = play(STORIES["tier_2_goes_one_by_one_to_the_gate"], tmp_path)
    folder = f"{stage.root}/{CASE}"
    whole = journal.read(folder)
    shots = [e["n"] for e in whole.entries if e.get("name") == "snapshot"]
    last = whole.entries[-1]["n"]
    newest = journal.read_newest(folder, last)
    assert (newest.size, newest.parts, newest.lines) == (whole.size, whole.parts, whole.lines)
    if "at" in whole.entries[-1]:
        assert len(newest.entries) == newest.lines < len(whole.entries)
    for settled in (None, shots[-1] - 1):
        assert journal.read_newest(folder, settled).entries == whole.entries
    part = Path(folder, "outputs", "partial", "journal.0001.yaml")
    assert json.loads(part.read_text(encoding="utf-8").splitlines()[0].removeprefix("- "))["journal"] == 1


@pytest.mark.spec("SEC-0", "MEM-20")
def test_a_spoilt_file_is_not_kept_in_memory(tmp_path: Path) -> None:
    """Its fault is, but not with the frames it came through, which hold the text and all that was made of it."""
    pending = tmp_path / CASE / "tasks" / "pending"
    pending.mkdir(parents=True)
    (tmp_path / CASE / "instruction.yaml").write_text("id: acme\n")
    for n in range(20):
        (pending / f"T{n}.yaml").write_text(f"id: T{n}\nnotes:\n" + "  - a line of it\n" * 8_000 + "\ttab: 1\n")
    service = Service(str(tmp_path), make_policy(), durable=False)
    gc.collect()
    gc.disable()  # nothing may wait for a collection either, for at a start there is none
    tracemalloc.start()
    try:
        service.open(NOW)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert all(task.file.faults for task in service.cases[CASE].tasks.values())
    assert held < 20 * 120_000


@pytest.mark.spec("DEL-2", "DEL-5")
def test_a_result_is_found_however_many_files_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many files of others are looked at and no more; our own results are all seen, and nobody is asked for one."""
    monkeypatch.setattr(survey, "MOST_FILES", 1)
    service = service_of(tmp_path, 12)
    names = [letter(service, f"T{k + 1}", trees.agent_of(k), "completion") for k in range(12)]
    service.turn(NOW + timedelta(seconds=1), Rings(named=dict.fromkeys(names, True)))
    case = service.cases["big"]
    assert case.open_tasks == 0
    assert case.head.delivery.product is not None
    assert not [ask.subject for ask in case.head.asks if ask.about == "file"]
    os.remove(tmp_path / "big" / "outputs" / "partial" / "T7.yaml")
    service.turn(NOW + timedelta(seconds=2), Rings(everything=True))
    assert [ask.subject for ask in case.head.asks if ask.about == "file"] == ["file outputs/partial/T7.yaml #1"]


def started(root: Path, state: Path, settled: bool = True) -> tuple[Service, int]:
    """A service that has just started, and how many cases it took up as they were kept."""
    marks = Marks(str(state))
    policy = make_policy(roster={name: {"capacity": 0} for name in trees.AGENTS})
    service = Service(str(root), policy, durable=False, marks=marks if settled else None, state=str(state))
    kept = 0
    restore = service.keepsakes.restore

    def counted(case_id: str, settled: int | None) -> Case | None:
        nonlocal kept
        case = restore(case_id, settled)
        kept += case is not None
        return case

    service.keepsakes.restore = counted  # type: ignore[method-assign]
    service.open(NOW)
    return service, kept


@pytest.mark.spec("OPS-10", "PERF-3", "MEM-17")
def test_a_second_start_reads_only_what_has_changed(tmp_path: Path) -> None:
    """Of four cases one has a new task, one another journal, one a plan that was touched: the fourth is as it was."""
    root, state = tmp_path / "tree", tmp_path / "state"
    state.mkdir()
    trees.inboxes(root)
    (root / trees.INBOX / "executor").mkdir(parents=True)
    for c in range(4):
        trees.case(root, f"case-{c}", ((f"T{k}", trees.long_task(f"T{k}", trees.agent_of(k))) for k in range(3)))
    first, kept = started(root, state)
    assert kept == 0
    first.everything(NOW)
    first.finish(NOW)
    first.keepsakes.put(first.cases)
    told = {case_id: json_text(freeze(case)) for case_id, case in first.cases.items()}
    again, kept = started(root, state)
    assert kept == 4
    assert {case_id: json_text(freeze(case)) for case_id, case in again.cases.items()} == told
    trees.write(root / "case-0" / "tasks" / "pending" / "T9.yaml", trees.long_task("T9", trees.AGENTS[0]))
    with open(root / "case-1" / "outputs" / "partial" / "journal.yaml", "a", encoding="utf-8") as file:
        file.write("- {")
    os.utime(root / "case-2" / "workflow" / "plan.yaml")
    assert started(root, state)[1] == 1
    assert started(root, state, settled=False)[1] == 0, "it is not known that all was carried out"


@pytest.mark.spec("OPS-10")
@pytest.mark.parametrize("damage", ["lost", "cut", "flipped", "of another program", "written by others", "no pickle"])
def test_a_damaged_keepsake_costs_time_and_nothing_else(tmp_path: Path, damage: str) -> None:
    """Whatever lies there in its place: the case is read from its files."""
    root, state = tmp_path / "tree", tmp_path / "state"
    state.mkdir()
    trees.inboxes(root)
    (root / trees.INBOX / "executor").mkdir(parents=True)
    trees.case(root, "case-0", [("T1", trees.long_task("T1", trees.AGENTS[0]))])
    first, _ = started(root, state)
    first.everything(NOW)
    first.finish(NOW)
    first.keepsakes.put(first.cases)
    told = json_text(freeze(first.cases["case-0"]))
    file = state / "cases.bin"
    raw = file.read_bytes()
    match damage:
        case "lost":
            file.unlink()
        case "cut":
            file.write_bytes(raw[: len(raw) // 2])
        case "flipped":
            file.write_bytes(raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:])
        case "of another program":
            file.write_bytes(b'{"keepsakes": 1, "by": "another"}' + raw[raw.index(b"\n") :])
        case "written by others":
            file.chmod(0o666)
        case _:
            line = raw.index(b"\n") + 1
            body = pickle.dumps(os.getcwd)
            head = {"case": "case-0", "n": 1, "size": len(body), "sum": zlib.crc32(body)}
            file.write_bytes(raw[:line] + json.dumps(head).encode() + b"\n" + body)
    service, kept = started(root, state)
    assert kept == 0
    assert not service.broken
    assert json_text(freeze(service.cases["case-0"])) == told
    service.keepsakes.put(service.cases)
    assert started(root, state)[1] == 1, "it is kept again"
