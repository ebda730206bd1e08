"""Giving work and answers from the command line: submit, send, respond [CON-17, OPS-4]."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given as drawn
from hypothesis import strategies as st

from executord.cli import main
from executord.cli.submission import put_in_place, read_submission
from executord.errors import CannotWrite
from executord.files.store import Store
from executord.paper import parse
from executord.policy import make_policy
from executord.values import safe_id
from tests.calls import ok
from tests.real.kit import INBOX, Tree

ENGINEER = "technical-support-engineer"
QUICK = {"settle": "0.2 seconds", "round": "2 seconds", "roster": {ENGINEER: {"capacity": 0}}}
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)

WORK = """\
instruction:
  title: Checkout fails für EU customers   # what the customer said
  priority: high
plan: {tier: 2, tasks: [T1, T2]}
tasks:
  - {id: T1, title: find the cause, assigned_to: technical-support-engineer}
  - id: T2
    title: write the answer
    assigned_to: technical-writer
    depends_on: [T1]
    unknown_key: [stays, 1.10]
"""
UPDATE = """\
status: The cause is found.
next_steps: The limit is raised tonight at 22:00 CET.
blockers: none
expect_next: A confirmation tomorrow by 09:00 CET.
contact: Mia Chen, mia@support.example
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """A tree with a daemon, for all tests here; each has a case of its own."""
    made = Tree(tmp_path_factory.mktemp("give"), QUICK)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def still(tmp_path: Path) -> Tree:
    """A tree without a daemon."""
    return Tree(tmp_path, QUICK)


def written(path: Path, text: str) -> str:
    """A file for a command."""
    path.write_text(text, encoding="utf-8")
    return str(path)


def inside(tree: Tree, *args: str) -> int:
    """The exit code of a command that is run in this process."""
    with pytest.raises(SystemExit) as ended:
        main(tree.command(*args)[3:])
    return int(ended.value.code or 0)


def held(tree: Tree, case_id: str, *tasks: str) -> str:
    """A case whose tasks technical-support-engineer holds."""
    tree.case(case_id, tasks)
    for task in tasks:
        tree.task(case_id, task)
    given = {f"{case_id}.{task}.a1.delegation.yaml" for task in tasks}
    tree.until(lambda: given <= set(tree.inbox(ENGINEER)), "not dispatched")
    return case_id


def facts(tree: Tree, case_id: str, kind: str) -> list[dict]:
    """What the journal keeps of the messages of one type."""
    return [e["facts"] for e in tree.journal(case_id) if e["action"] == "file" and e["facts"]["type"] == kind]


# --- submit -----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("CON-17")
def test_one_file_becomes_a_folder_as_the_planner_would_make_it(still, tmp_path):
    """Tasks in pending/, plan, instruction.yaml; unknown keys and spellings survive; the id is printed."""
    case_id = ok(still.call("submit", written(tmp_path / "work.yaml", WORK))).strip()
    assert case_id.startswith("checkout-fails-fur-eu-customers-")
    folder = still.root / case_id
    asked = yaml.safe_load(WORK)
    assert yaml.safe_load((folder / "instruction.yaml").read_text()) == asked["instruction"]
    assert yaml.safe_load((folder / "workflow/plan.yaml").read_text()) == asked["plan"]
    assert sorted(p.name for p in (folder / "tasks/pending").iterdir()) == ["T1.yaml", "T2.yaml"]
    assert yaml.safe_load((folder / "tasks/pending/T2.yaml").read_text()) == asked["tasks"][1]
    assert "1.10" in (folder / "tasks/pending/T2.yaml").read_text()
    assert [p.name for p in still.root.iterdir() if p.name.startswith(".")] == []


@pytest.mark.spec("CON-17", "CON-0")
def test_it_may_come_as_json_on_standard_input(still):
    """`-`, JSON, with an id; `--json` answers with an object. Tasks without an id get one."""
    asked = {"instruction": {"id": "acme-42", "title": "x"}, "tasks": [{"title": "a"}, {"id": "T1", "title": "b"}]}
    out = ok(still.call("submit", "-", "--json", stdin=json.dumps(asked, indent="\t")))
    assert json.loads(out) == {"schema_version": 1, "id": "acme-42"}
    pending = still.root / "acme-42/tasks/pending"
    assert {p.stem: yaml.safe_load(p.read_text())["title"] for p in pending.iterdir()} == {"T1": "b", "T2": "a"}
    assert not (still.root / "acme-42/workflow/plan.yaml").exists()


@pytest.mark.spec("CON-17")
def test_the_daemon_executes_what_was_submitted(tree, tmp_path):
    """With the daemon running the first task is dispatched at once, the second waits."""
    case_id = ok(tree.call("submit", written(tmp_path / "work.yaml", WORK))).strip()
    tree.until(lambda: f"{case_id}.T1.a1.delegation.yaml" in tree.inbox(ENGINEER), "not dispatched")
    assert (tree.root / case_id / "tasks/pending/T2.yaml").exists()


@pytest.mark.spec("CON-17", "CON-18")
def test_an_instruction_that_exists_is_73_and_stays_as_it_is(still, tmp_path):
    """Also one that lies in the archive: its id is taken for ever."""
    text = WORK.replace("instruction:", "instruction:\n  id: acme-42")
    file = written(tmp_path / "work.yaml", text)
    ok(still.call("submit", file))
    before = sorted((p, p.stat().st_mtime_ns) for p in still.root.rglob("*"))
    again = still.call("--json", "submit", file)
    assert again.returncode == 73
    assert json.loads(again.stdout)["error"]["code"] == 73
    assert sorted((p, p.stat().st_mtime_ns) for p in still.root.rglob("*")) == before
    (still.root / "_archive").mkdir()
    (still.root / "acme-42").rename(still.root / "_archive/acme-42")
    assert inside(still, "submit", file) == 73


@pytest.mark.spec("CON-17", "CON-18", "MEM-13")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("instruction: {title: x}\n", "work.yaml there is no list `tasks`|tasks: there is no list `tasks`"),
        ("tasks: []\n", "there is no mapping `instruction`"),
        ("instruction: {title: x}\ntasks: [do it]\n", "work.yaml:2:9 tasks.0: a task is a mapping"),
        ("instruction: {id: a/b, title: x}\ntasks: []\n", "work.yaml:1:19 instruction.id: 'a/b' cannot be an id"),
        ("instruction: {title: x}\ntaks: []\ntasks: []\n", "did you mean tasks?"),
        (
            "instruction: {title: x}\ntasks:\n  - {id: T1, title: a}\n  - {id: T1, title: b}\n",
            "work.yaml:4:10 tasks.1.id: T1 is also the id of task 1",
        ),
        ("instruction: {title: x}\ntasks:\n  - {id: ../T1, title: a}\n", "work.yaml:3:10 tasks.0.id: '../T1' cannot"),
        ("instruction: {title: x}\ntasks:\n  - task: {id: '{id}', title: a}\n", "3:16 tasks.0.id: template not"),
        ("instruction: {title: x}\ntasks:\n  - {id: T1}\n", "tasks.0: the task has no title"),
        (
            "instruction: {title: x}\ntasks:\n  - {id: T1, title: a, depends_on: [T2]}\n",
            "work.yaml:3:36 tasks.0.depends_on: T1 depends on T2, which is no task here",
        ),
        (
            "instruction: {title: x}\ntasks:\n"
            "  - {id: A, title: a, requires: [B]}\n  - {id: B, title: b, requires: [A]}\n"
            "  - {id: C, title: c, requires: B}\n",
            "work.yaml:3:33 tasks.0.requires: a dependency cycle: A, B;",
        ),
        ("instruction: {title: x\ntasks: []\n", "work.yaml:2:"),
        ("- a list\n", "work.yaml"),
        ("", "there is no mapping `instruction`"),
    ],
)  # fmt: skip
def test_what_is_invalid_is_65_with_its_line_and_nothing_is_written(still, tmp_path, capsys, monkeypatch, text, said):
    """Path, line and column, what is wrong and what to do."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "work.yaml", text)
    assert inside(still, "submit", "work.yaml") == 65
    err = capsys.readouterr().err
    assert any(each in err for each in said.split("|")), err
    assert sorted(p.name for p in still.root.iterdir()) == ["_communication"]


@pytest.mark.spec("CON-17")
def test_every_fault_is_said_at_once_and_oddities_do_not_stop_it(still, tmp_path, capsys):
    """Errors and warnings each in a line; a duration that is not understood is only a warning [MEM-9]."""
    file = written(tmp_path / "a.yaml", "instruction: {title: x}\ntasks:\n  - {id: T1}\n  - {id: -x, title: b}\n")
    assert inside(still, "submit", file) == 65
    assert capsys.readouterr().err.count("error ") == 1
    file = written(tmp_path / "b.yaml", "instruction: {title: x, deadline: soonish}\ntasks: [{id: T1, title: a}]\n")
    assert inside(still, "submit", file) == 0
    assert "warning" in capsys.readouterr().err


@pytest.mark.spec("CON-17", "CON-18")
def test_no_file_is_66_and_no_room_to_write_73(still, tmp_path, monkeypatch):
    """A file that is not there; a memory in which nothing can be made."""
    assert inside(still, "submit", str(tmp_path / "nothing.yaml")) == 66
    monkeypatch.setattr("executord.cli.submission.os.mkdir", _full)
    assert inside(still, "submit", written(tmp_path / "work.yaml", WORK)) == 73
    assert sorted(p.name for p in still.root.iterdir()) == ["_communication"]


def _full(path: str) -> None:
    raise OSError(28, "No space left on device", path)


@pytest.mark.spec("CON-17", "MEM-14")
def test_nobody_ever_sees_half_of_it(still):
    """While 40 instructions are put in place, whoever looks sees whole folders only."""
    raw = WORK.encode()
    policy = make_policy()
    half: list[str] = []
    end = threading.Event()

    def look() -> None:
        store = Store(str(still.root), policy)
        while not end.is_set():
            for case_id in store.case_ids():
                there = [still.root / case_id / name for name in ("instruction.yaml", "tasks/pending/T2.yaml")]
                half.extend(str(p) for p in there if not p.exists())

    watcher = threading.Thread(target=look)
    watcher.start()
    ids = set()
    for _ in range(40):
        given = read_submission(parse(raw), "work.yaml", UTC, NOW, 1 << 18)
        put_in_place(str(still.root), given)
        ids.add(given.id)
    end.set()
    watcher.join()
    assert not half
    assert len(ids) == 40


@pytest.mark.spec("CON-17")
def test_of_two_at_once_with_one_id_one_wins(still):
    """The other is told that it exists; the winner's folder is whole and nothing is left beside it."""
    raw = b"instruction: {id: one, title: x}\ntasks: [{id: T1, title: a}]"
    given = read_submission(parse(raw), "-", UTC, NOW, 1 << 18)
    won: list[bool] = []

    def submit() -> None:
        try:
            put_in_place(str(still.root), given)
            won.append(True)
        except CannotWrite:
            won.append(False)

    several = [threading.Thread(target=submit) for _ in range(6)]
    for each in several:
        each.start()
    for each in several:
        each.join()
    assert sorted(won) == [False] * 5 + [True]
    assert sorted(p.name for p in still.root.iterdir()) == ["_communication", "one"]


@pytest.mark.spec("CON-17", "SEC-1")
@drawn(st.text(max_size=80))
def test_an_id_that_is_made_is_always_safe(title):
    """Whatever the title says."""
    raw = json.dumps({"instruction": {"title": title}, "tasks": []}).encode()
    made = read_submission(parse(raw), "-", UTC, NOW, 1 << 18)
    assert safe_id(made.id)


def test_in_a_tree_that_a_group_shares_the_folder_is_shared(still, tmp_path):
    """Else the daemon's user could not move the task files of a person with the usual umask."""
    still.root.chmod(0o2770)
    old = os.umask(0o022)
    try:
        ok(still.call("submit", written(tmp_path / "w.yaml", WORK.replace("instruction:", "instruction:\n  id: acme"))))
    finally:
        os.umask(old)
    made = list((still.root / "acme").rglob("*"))
    assert made
    for path in made:
        assert path.stat().st_mode & 0o060 == 0o060, path


# --- send -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-4", "MSG-12")
def test_a_message_to_the_executor_is_waited_for(tree):
    """Its bytes go as they are; one without a sender is the operator's."""
    case = held(tree, "send-1", "S1")
    text = f"type: hold   # a comment\nfrom: support-manager\ninstruction_id: {case}\ntask_id: S1\nreason: wait\n"
    out = json.loads(ok(tree.call("--json", "send", "-", stdin=text)))["messages"][0]
    assert (tree.root / out["path"]).read_text() == text
    assert (out["outcome"], out["instruction_id"], out["task_id"]) == ("taken", case, "S1")
    ok(tree.call("send", "-", stdin=json.dumps({"type": "release", "instruction_id": case, "task_id": "S1"})))
    assert facts(tree, case, "release")[0]["from"] == "operator"


@pytest.mark.spec("OPS-4", "OPS-5")
def test_a_message_that_is_refused_is_65_with_the_reason(tree):
    """Of an unknown type, or about nothing that is there."""
    refused = tree.call("send", "-", stdin="type: praise\nfrom: operator\n")
    assert refused.returncode == 65
    assert "'praise' is not a type of message" in refused.stderr
    refused = tree.call("send", "-", stdin="type: cancel\nfrom: operator\ninstruction_id: nobody\nreason: x\n")
    assert refused.returncode == 65
    assert "there is no instruction 'nobody' here" in refused.stderr


@pytest.mark.spec("OPS-4")
def test_a_message_to_an_agent_is_left_in_his_inbox(still, capsys):
    """No receipt is waited for, and the daemon need not run; a known agent's folder is made."""
    out = ok(still.call("send", "-", "--to", "Technical Writer", "--as", "support-manager", stdin='{"type": "notice"}'))
    path = still.root / out.strip()
    assert path.parent == still.root / INBOX / "technical-writer"
    assert yaml.safe_load(path.read_text()) == {"type": "notice", "from": "support-manager"}
    assert not path.read_text().startswith("{")
    assert still.call("send", "-", "--to", "nobody", stdin="type: notice\n").returncode == 66
    assert not (still.root / INBOX / "nobody").exists()


@pytest.mark.spec("OPS-4", "CON-18")
@pytest.mark.parametrize(
    ("code", "text", "args"),
    [
        (65, "a: {b\n", []),
        (65, "", []),
        (65, "type: x\nnote: " + "x" * 300_000, []),
        (2, "type: hold\nfrom: planner\n", ["--as", "operator"]),
        (2, "type: hold\n", ["--timeout", "x"]),
        (69, "type: hold\n", []),
        (0, "type: hold\n", ["--no-wait"]),
    ],
)
def test_exit_codes_of_send(still, tmp_path, code, text, args):
    """What does not parse is not sent; with the daemon down the message stays."""
    assert inside(still, "send", written(tmp_path / "m.yaml", text), *args) == code
    assert len(still.inbox("executor")) == (1 if code in (0, 69) else 0)
    assert inside(still, "send", str(tmp_path / "nothing")) == 66


# --- respond ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-4")
def test_a_person_carries_a_task_to_its_end_from_a_terminal(tree, tmp_path):
    """Acknowledged, progress, blocked, answered, done with a result and a file that is carried to its place."""
    case = held(tree, "respond-1", "R1")
    me = {"env": os.environ | {"EXECUTORD_AGENT": "Technical Support Engineer"}}
    ok(tree.call("respond", "R1", "--ack", "--eta", "2026-11-21T09:00:00Z", **me))
    ok(tree.call("respond", "R1", "--progress", "40", "--note", "reading the log", **me))
    ok(tree.call("respond", "R1", "--blocked", "--description", "the account number is missing", **me))
    ok(tree.call("respond", "R1", "--answer", "it is 4711", "--as", "support-manager"))
    progress = facts(tree, case, "progress")[0]
    assert (progress["percent"], progress["note"]) == (40, "reading the log")
    assert facts(tree, case, "unblocked")[0]["answer"] == "it is 4711"
    output = written(tmp_path / "result.yaml", "root_cause: pool\nfix: [raised, 1.10]\n")
    log = written(tmp_path / "gateway.log", "ok\n")
    out = ok(tree.call(
        "respond", "R1", "--done", "--summary", "raised it", "--output", f"@{output}", "--file", log,
        "--concern", "watch it", **me,
    ))  # fmt: skip
    assert "completion respond-1/R1: done" in out
    tree.until(lambda: "R1" in tree.completed(case), "not completed")
    result = yaml.safe_load((tree.root / case / "outputs/partial/R1.yaml").read_text())
    assert result["output"]["root_cause"] == "pool"
    assert [f["path"] for f in result["files"]] == ["outputs/partial/R1/gateway.log"]
    assert result["concerns"] == ["watch it"]


@pytest.mark.spec("OPS-4", "EXE-13")
def test_a_claim_that_does_not_count_says_what_is_missing(tree):
    """The message was taken, so it is 0; each point that failed is printed."""
    held(tree, "respond-2", "R2")
    refused = tree.call("respond", "R2", "--done", "--summary", "did it", "--output", "<result>", "--as", ENGINEER)
    assert refused.returncode == 0
    assert "not accepted yet" in refused.stdout
    assert "rework: output is not filled in" in refused.stdout


@pytest.mark.spec("OPS-4", "SLA-15")
def test_a_customer_update_alone_and_with_a_claim(tree, tmp_path):
    """From a file with the five contents, as keys or as headed text."""
    case = held(tree, "respond-3", "U1", "U2")
    file = written(tmp_path / "update.yaml", UPDATE)
    ok(tree.call("respond", f"{case}/U1", "--customer-update", file, "--as", ENGINEER))
    assert facts(tree, case, "customer_update")[0]["update"] == 1
    text = written(tmp_path / "update.md", UPDATE.replace("_", " "))
    ok(tree.call("respond", f"{case}/U2", "--customer-update", text, "--as", ENGINEER))
    assert facts(tree, case, "customer_update")[1]["update"] == 2
    ok(tree.call(
        "respond", f"{case}/U1", "--done", "--summary", "did it", "--output", "fine", "--customer-update", file,
        "--as", ENGINEER,
    ))  # fmt: skip
    assert facts(tree, case, "completion")[0]["update"] == 3
    half = written(tmp_path / "half.yaml", "status: fine\n")
    refused = tree.call("respond", f"{case}/U2", "--customer-update", half, "--as", ENGINEER)
    assert refused.returncode == 65
    assert "next_steps" in refused.stderr


@pytest.mark.spec("OPS-4")
def test_failed_and_declined_and_somebody_elses_task(tree):
    """A holder's words only: another's are refused."""
    case = held(tree, "respond-4", "F1", "F2")
    other = tree.call("respond", f"{case}/F1", "--failed", "--reason", "no", "--as", "technical-writer")
    assert other.returncode == 65
    assert f"F1 is held by {ENGINEER}" in other.stderr
    ok(tree.call("respond", f"{case}/F1", "--failed", "--reason", "the account is locked", "--as", ENGINEER))
    ok(tree.call("respond", f"{case}/F2", "--decline", "--reason", "no access", "--as", ENGINEER))
    assert facts(tree, case, "failed")[-1]["reason"] == "the account is locked"
    assert facts(tree, case, "declined")[0]["reason"] == "no access"


@pytest.mark.spec("OPS-4")
def test_a_task_that_several_have_is_the_speakers_own(tree):
    """`TASK` alone, where only one of those so called is held by who speaks."""
    held(tree, "respond-5", "Same")
    tree.case("respond-6", ["Same"])
    tree.task("respond-6", "Same", "id: Same\ntitle: x\nassigned_to: technical-writer\n")
    tree.until(lambda: "respond-6.Same.a1.delegation.yaml" in tree.inbox("technical-writer"), "not dispatched")
    ok(tree.call("respond", "Same", "--ack", "--as", "technical-writer"))
    assert facts(tree, "respond-6", "acknowledgement")


@pytest.mark.spec("OPS-4", "CON-18")
@pytest.mark.parametrize(
    ("code", "args"),
    [
        (2, ["--ack"]),
        (2, ["--as", ENGINEER]),
        (2, ["--as", ENGINEER, "--ack", "--done", "--summary", "x", "--output", "y"]),
        (2, ["--as", ENGINEER, "--done", "--output", "y"]),
        (2, ["--as", ENGINEER, "--done", "--summary", "x"]),
        (2, ["--as", ENGINEER, "--blocked"]),
        (2, ["--as", ENGINEER, "--failed"]),
        (2, ["--as", ENGINEER, "--decline"]),
        (2, ["--as", ENGINEER, "--ack", "--summary", "x"]),
        (2, ["--as", ENGINEER, "--progress", "140"]),
        (66, ["--as", ENGINEER, "--done", "--summary", "x", "--output", "@nothing"]),
        (66, ["--as", ENGINEER, "--done", "--summary", "x", "--file", "nothing"]),
        (66, ["--as", ENGINEER, "--customer-update", "nothing"]),
        (69, ["--as", ENGINEER, "--ack"]),
    ],
)
def test_exit_codes_of_respond(still, monkeypatch, code, args):
    """One answer at a time, by somebody, whole; nothing is sent otherwise."""
    monkeypatch.delenv("EXECUTORD_AGENT", raising=False)
    still.case("acme", ["T1"])
    still.task("acme", "T1")
    assert inside(still, "respond", "acme/T1", *args) == code
    assert len(still.inbox("executor")) == (1 if code == 69 else 0)


@pytest.mark.spec("EXE-13", "MEM-23")
def test_files_of_a_result_are_named_or_carried_never_replaced(still, tmp_path, monkeypatch):
    """One under outputs/ is named; another is copied; a clash with other bytes is 73, and what lies there stays."""
    still.case("acme", ["T1"])
    still.task("acme", "T1")
    place = still.root / "acme/outputs/partial/T1"
    place.mkdir(parents=True)
    (place / "a.md").write_text("mine")
    (place / "b.md").write_text("other")
    written(tmp_path / "b.md", "new")
    written(tmp_path / "c.md", "c")
    monkeypatch.chdir(tmp_path)
    done = ["respond", "acme/T1", "--as", ENGINEER, "--no-wait", "--done", "--summary", "x"]
    assert inside(still, *done, "--file", "outputs/partial/T1/a.md", "--file", "c.md") == 0
    (name,) = still.inbox("executor")
    body = yaml.safe_load((still.root / INBOX / "executor" / name).read_text())
    assert body["artifacts"] == ["outputs/partial/T1/a.md", "outputs/partial/T1/c.md"]
    assert inside(still, *done, "--file", "c.md") == 0
    assert inside(still, *done, "--file", "b.md") == 73
    assert (place / "b.md").read_text() == "other"
    assert sorted(p.name for p in place.iterdir()) == ["a.md", "b.md", "c.md"]
