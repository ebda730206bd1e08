"""The commands that decide, on a real daemon: what they do, their receipts and their exit codes [OPS-4, OPS-5]."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from executord.case import Ended, Task, TaskSpec
from executord.case.casebook import Case
from executord.cli import main
from executord.cli.decide import dependants
from executord.files.store import Store
from executord.policy import make_policy
from executord.values import read_stamp
from tests.calls import ok
from tests.real.kit import INBOX, Tree

HOLDER = "escalation-manager"
QUICK = {"settle": "0.2 seconds", "round": "2 seconds", "roster": {HOLDER: {"capacity": 0}}}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """A tree with a daemon, for all tests here; each has a case of its own."""
    made = Tree(tmp_path_factory.mktemp("decide"), QUICK)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def still(tmp_path: Path) -> Tree:
    """A tree without a daemon."""
    return Tree(tmp_path, QUICK)


def given(tree: Tree, case_id: str, *tasks: str, tier: int = 3, depends: dict[str, str] | None = None) -> str:
    """A case whose tasks are dispatched as far as they can be."""
    tree.case(case_id, tasks, tier=tier)
    for task in tasks:
        more = f"depends_on: [{depends[task]}]\n" if depends and task in depends else ""
        tree.task(case_id, task, f"id: {task}\ntitle: work on {task}\nassigned_to: {HOLDER}\n{more}")
    if tree.process is not None:
        tree.until(lambda: len(noted(tree, case_id, "admit")) == len(tasks), "its tasks are not seen")
    return case_id


def noted(tree: Tree, case_id: str, name: str) -> list[dict[str, Any]]:
    """The lines of the journal whose name begins so."""
    return [e for e in tree.journal(case_id) if e["name"].startswith(name)]


def done(tree: Tree, case_id: str, task: str) -> None:
    """The holder claims the task, and the claim counts."""
    tree.until(lambda: noted(tree, case_id, f"assign {task} "), "not dispatched")
    body = {"type": "done", "from": HOLDER, "instruction_id": case_id, "task_id": task}
    tree.message(f"{case_id}-{task}-done.yaml", body | {"summary": "did it", "output": "fine"})
    tree.until(lambda: task in tree.completed(case_id), "not completed")


def filed(tree: Tree, shelf: str, word: str) -> list[Path]:
    """The messages on a shelf of the executor's inbox whose name holds a word."""
    return sorted((tree.root / INBOX / "executor" / shelf).glob(f"*/*{word}*"))


# --- what they do -----------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-4", "MSG-12", "CON-18")
def test_cancel_ends_a_task_in_the_operators_name(tree):
    """The message is from operator, its receipt is waited for, and the task is in completed/ with the reason."""
    case = given(tree, "cancel-1", "T1", "T2")
    assert "done" in ok(tree.call("cancel", f"{case}/T1", "--reason", "the customer withdrew it"))
    message = filed(tree, ".processed", "cancel.cancel-1.T1")
    assert len(message) == 1
    body = yaml.safe_load(message[0].read_text())
    assert (body["type"], body["from"], body["reason"]) == ("cancel", "operator", "the customer withdrew it")
    tree.until(lambda: "T1" in tree.completed(case), "not ended")
    result = yaml.safe_load((tree.root / case / "outputs/partial/T1.yaml").read_text())
    assert (result["state"], result["decided_by"], result["reason"]) == (
        "cancelled", "operator", "the customer withdrew it",
    )  # fmt: skip


@pytest.mark.spec("OPS-4")
def test_a_whole_instruction_is_deferred_by_its_id(tree):
    """`defer ID` ends every open task, and the instruction."""
    case = given(tree, "defer-1", "D1", "D2")
    ok(tree.call("defer", case, "--reason", "next quarter"))
    tree.until(lambda: tree.completed(case) == {"D1", "D2"}, "not ended")
    results = [yaml.safe_load((tree.root / case / f"outputs/partial/{t}.yaml").read_text()) for t in ("D1", "D2")]
    assert [r["state"] for r in results] == ["deferred", "deferred"]


@pytest.mark.spec("OPS-4", "EXE-25")
def test_hold_and_release_of_a_task_and_of_an_instruction(tree):
    """Both are taken, the holder is told of each."""
    case = given(tree, "hold-1", "H1")
    tree.until(lambda: noted(tree, case, "assign H1 a1"), "not dispatched")
    for what in (f"{case}/H1", case):
        ok(tree.call("hold", what, "--reason", "the customer moves offices"))
        ok(tree.call("release", what))
    notices = [n for n in tree.inbox(HOLDER) if n.startswith("hold-1") and ".notice" in n]
    assert len(notices) == 4


@pytest.mark.spec("OPS-4", "EXE-25")
def test_a_paused_instruction_dispatches_nothing_until_resumed(tree):
    """`pause ID` before the tasks come; they wait until `resume ID`."""
    tree.case("pause-1", ["P1"])
    tree.until(lambda: (tree.root / "pause-1/outputs/partial/journal.yaml").exists(), "it is not opened")
    ok(tree.call("pause", "pause-1"))
    tree.task("pause-1", "P1")
    tree.until(lambda: noted(tree, "pause-1", "admit"), "not admitted")
    ok(tree.call("hold", "pause-1/P1", "--reason", "one more look at everything"))
    ok(tree.call("release", "pause-1/P1"))
    assert not noted(tree, "pause-1", "assign")
    ok(tree.call("resume", "pause-1"))
    tree.until(lambda: noted(tree, "pause-1", "assign P1 a1"), "not dispatched")


@pytest.mark.spec("OPS-4", "EXE-25")
def test_everything_or_one_agent_is_paused_and_resumed(tree):
    """What is paused stands in the inbox's `.paused.yaml` [MEM-17]."""

    def paused() -> dict:
        return yaml.safe_load((tree.root / INBOX / "executor/.paused.yaml").read_text())

    ok(tree.call("pause", "agent", "Technical Writer", "--reason", "on leave"))
    assert paused()["agents"]["technical-writer"]["by"] == "operator"
    ok(tree.call("pause"))
    assert paused()["all"]
    ok(tree.call("resume", "all"))
    ok(tree.call("resume", "agent", "technical-writer"))
    assert not paused().get("all")
    assert not paused()["agents"]


@pytest.mark.spec("OPS-4")
def test_a_task_goes_to_somebody_else(tree):
    """`reassign --to` closes the attempt and gives the task to the agent named."""
    case = given(tree, "reassign-1", "R1")
    tree.until(lambda: noted(tree, case, "assign R1 a1"), "not dispatched")
    ok(tree.call("reassign", "R1", "--to", "Technical_Writer", "--reason", "needs words"))
    tree.until(lambda: "reassign-1.R1.a2.delegation.yaml" in tree.inbox("technical-writer"), "not given")


@pytest.mark.spec("OPS-4")
def test_the_priority_of_a_task_is_raised(tree):
    """`priority TASK --to P1` is read as people write priorities."""
    case = given(tree, "priority-1", "Q1")
    ok(tree.call("priority", "Q1", "--to", "P1", "--reason", "a second customer"))
    taken = [e["facts"] for e in noted(tree, case, "file priority_change")]
    assert [facts["priority"] for facts in taken] == ["high"]


@pytest.mark.spec("OPS-4")
def test_retry_with_dependants_opens_each_in_order(tree):
    """The task, then every ended task that builds on it, near and far; the others stay as they are."""
    case = given(tree, "retry-1", "A", "B", "C", "D", depends={"B": "A", "C": "B"})
    for task in "ABCD":
        done(tree, case, task)
    out = json.loads(ok(tree.call("retry", f"{case}/A", "--with-dependants", "--json")))
    assert [m["task_id"] for m in out["messages"]] == ["A", "B", "C"]
    assert {m["outcome"] for m in out["messages"]} == {"taken"}
    tree.until(lambda: tree.completed(case) == {"D"}, "not opened again")


def test_dependants_are_found_near_and_far():
    """In plan order; what has not ended is not retried."""
    case = Case("acme")
    for task_id, needs, over in (("A", (), 1), ("B", ("A",), 1), ("C", ("B",), 0), ("D", ("C",), 1), ("E", (), 1)):
        ended = Ended("completed", read_stamp("2026-11-20T09:00:00Z")) if over else None
        case.put(Task(task_id, (0, task_id), planned=True, spec=TaskSpec(task_id, requires=needs), ended=ended))
    assert sorted(dependants(case, "A")) == ["B", "D"]


@pytest.mark.spec("OPS-4", "MSG-3")
def test_a_late_result_is_accepted_by_hand(tree):
    """An answer of a closed attempt is kept as late; `accept-late` makes it the result."""
    case = given(tree, "late-1", "L1")
    tree.until(lambda: noted(tree, case, "assign L1 a1"), "not dispatched")
    ok(tree.call("reassign", f"{case}/L1", "--to", "technical-writer"))
    body = {"type": "done", "from": HOLDER, "instruction_id": case, "task_id": "L1", "attempt": 1}
    tree.message("late-1.yaml", body | {"summary": "did it", "output": "fine"})
    tree.until(lambda: (tree.root / case / "outputs/partial/L1.attempt-1.late.yaml").exists(), "not kept")
    assert tree.call("accept-late", f"{case}/L1", "--attempt", "2").returncode == 65
    ok(tree.call("accept-late", f"{case}/L1", "--attempt", "1"))
    tree.until(lambda: "L1" in tree.completed(case), "not completed")


@pytest.mark.spec("OPS-4", "EXE-6")
def test_a_checkpoint_is_let_go(tree):
    """`release ID --checkpoint` stands for the reviewer."""
    plan = "tier: 3\ntasks: [G1, G2]\ncheckpoints: [{id: review, after: [G1], before: [G2], review: support-manager}]\n"
    tree.case("gate-1", [], plan=plan)
    for task in ("G1", "G2"):
        tree.task("gate-1", task, f"id: {task}\ntitle: {task}\nassigned_to: {HOLDER}\n")
    tree.until(lambda: (tree.root / "gate-1/outputs/partial/journal.yaml").exists(), "it is not opened")
    done(tree, "gate-1", "G1")
    refused = tree.call("release", "gate-1", "--checkpoint", "revue")
    assert refused.returncode == 65
    assert "review" in refused.stderr
    ok(tree.call("release", "gate-1", "--checkpoint", "review"))
    tree.until(lambda: noted(tree, "gate-1", "assign G2 a1"), "not let go")


# --- receipts and exit codes ------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-4", "OPS-5", "CON-18")
def test_what_is_rejected_ends_with_65_and_the_reason(tree):
    """The reason and what to do are printed from the `.reason.yaml`."""
    case = given(tree, "reject-1", "N1")
    refused = tree.call("retry", f"{case}/N1")
    assert refused.returncode == 65
    assert refused.stdout == ""
    assert "N1 is neither escalated nor ended" in refused.stderr
    assert "send reassign" in refused.stderr


@pytest.mark.spec("CON-0", "OPS-5")
def test_with_json_a_rejection_is_an_object_and_its_text(tree):
    """`code`, `message`, `path` of the filed message, `fix`; the text also on stderr."""
    case = given(tree, "reject-2", "N2")
    refused = tree.call("--json", "retry", f"{case}/N2")
    error = json.loads(refused.stdout)["error"]
    assert (refused.returncode, error["code"]) == (65, 65)
    assert error["message"] == "N2 is neither escalated nor ended"
    assert error["path"].startswith(f"{INBOX}/executor/.rejected/")
    assert (tree.root / error["path"]).exists()
    assert error["message"] in refused.stderr


@pytest.mark.spec("MSG-12", "MSG-4")
def test_a_speaker_without_authority_is_refused_as_with_any_message(tree):
    """`--as` is a claim like any other: the command line gives nobody more than a file would."""
    case = given(tree, "as-1", "W1")
    refused = tree.call("cancel", f"{case}/W1", "--reason", "no", "--as", "technical-writer")
    assert refused.returncode == 65
    assert "technical-writer may not send cancel" in refused.stderr
    ok(tree.call("cancel", f"{case}/W1", "--reason", "no", "--as", "Support Manager"))


@pytest.mark.spec("OPS-4")
def test_a_task_alone_is_enough_where_only_one_instruction_has_it(tree):
    """Several: 2 and which; none: 66."""
    one, two = given(tree, "alone-1", "X1", "X2"), given(tree, "alone-2", "X2")
    ok(tree.call("hold", "X1", "--reason", "wait"))
    several = tree.call("hold", "X2", "--reason", "wait")
    assert several.returncode == 2
    assert f"{one}/X2, {two}/X2" in several.stderr
    ok(tree.call("cancel", two, "--reason", "closed, so it is not asked for any more"))
    ok(tree.call("hold", "X2", "--reason", "wait"))
    assert tree.call("hold", "X3", "--reason", "wait").returncode == 66


@pytest.mark.spec("OPS-4")
def test_what_is_an_instruction_and_a_task_is_not_guessed(tree):
    """`NAME/` is the instruction, `ID/NAME` the task."""
    given(tree, "Both", "Z1")
    given(tree, "both-1", "Both")
    unclear = tree.call("hold", "Both", "--reason", "wait")
    assert unclear.returncode == 2
    assert "Both/ or ID/Both" in unclear.stderr
    ok(tree.call("hold", "Both/", "--reason", "wait"))
    ok(tree.call("hold", "both-1/Both", "--reason", "wait"))


@pytest.mark.spec("OPS-5", "CON-18")
@pytest.mark.parametrize(
    ("code", "args"),
    [
        (2, ["cancel", "acme/T1"]),
        (2, ["cancel", "acme/T1", "--reason", "  "]),
        (2, ["cancel", "acme/T1", "--reason", "x", "--as", "../me"]),
        (2, ["cancel", "acme/T1", "--reason", "x", "--timeout", "soon"]),
        (2, ["priority", "acme/T1", "--to", "quick"]),
        (2, ["retry"]),
        (2, ["pause", "agent"]),
        (2, ["pause", "one", "two"]),
        (66, ["retry", "nobody-1/T1"]),
        (66, ["retry", "../acme/T1"]),
        (66, ["defer", "_communication/", "--reason", "x"]),
        (66, ["pause", "nobody-1"]),
        (66, ["pause", "agent", "nobody"]),
        (66, ["reassign", "acme/T1", "--to", "nobody"]),
    ],
)
def test_wrong_calls_and_missing_things(still, code, args, capsys):
    """2 for a wrong call, 66 for what is not there; and nothing was sent."""
    given(still, "acme", "T1")
    with pytest.raises(SystemExit) as ended:
        main(still.command(*args)[3:])
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith("executord: ")
    assert not still.inbox("executor")


@pytest.mark.spec("CON-1", "CON-18", "OPS-9")
def test_no_memory_is_66_and_a_bad_configuration_78(still):
    """Before anything is sent."""
    still.config.write_text("settel: 2 seconds\n")
    assert still.call("pause").returncode == 78
    still.config.write_text("{}\n")
    still.root.rename(still.root.parent / "elsewhere")
    assert still.call("pause").returncode == 66


@pytest.mark.spec("OPS-4", "CON-18")
def test_with_the_daemon_down_it_is_69_and_the_message_is_taken_at_the_next_start(still):
    """It says so, and where the message stays."""
    given(still, "down-1", "T1")
    down = still.call("cancel", "down-1/T1", "--reason", "no longer wanted")
    assert down.returncode == 69
    assert "taken at its next start" in down.stderr
    (name,) = still.inbox("executor")
    assert name in down.stderr
    still.start()
    still.until(lambda: "T1" in still.completed("down-1"), "the message was not taken")
    assert still.stop() == 0


@pytest.mark.spec("OPS-4")
def test_no_wait_leaves_the_message_and_says_what_is_to_be_known(still):
    """0 at once, also with the daemon down, which is said on stderr."""
    given(still, "acme", "T1")
    left = still.call("cancel", "acme/T1", "--reason", "no", "--no-wait")
    assert left.returncode == 0
    assert "left at" in left.stdout
    assert "not running" in left.stderr
    assert len(still.inbox("executor")) == 1


@pytest.mark.spec("CON-18", "OPS-4")
def test_a_daemon_that_does_not_come_to_it_is_124(still):
    """It holds the tree but takes nothing: after --timeout the wait ends, and the message stays."""
    given(still, "acme", "T1")
    still.start()
    assert still.process is not None
    os.kill(still.process.pid, signal.SIGSTOP)
    try:
        slow = still.call("cancel", "acme/T1", "--reason", "no", "--timeout", "1s")
    finally:
        os.kill(still.process.pid, signal.SIGCONT)
    assert slow.returncode == 124
    assert "the message stays" in slow.stderr
    still.until(lambda: "T1" in still.completed("acme"), "the message was not taken")
    still.stop()


@pytest.mark.spec("CON-18")
def test_where_nothing_can_be_written_it_is_73(still):
    """A file stands where the inbox should be."""
    given(still, "acme", "T1")
    (still.root / INBOX / "executor").rmdir()
    (still.root / INBOX / "executor").write_text("")
    assert still.call("cancel", "acme/T1", "--reason", "no").returncode == 73


@pytest.mark.spec("OPS-4", "MEM-14")
def test_the_same_call_twice_is_two_messages(still):
    """Names are unique, so a receipt is never another call's; and nothing half written is left behind."""
    given(still, "acme", "T1")
    for _ in range(3):
        assert still.call("pause", "--no-wait").returncode == 0
    names = still.inbox("executor")
    assert len(set(names)) == 3
    assert sorted(p.name for p in (still.root / INBOX / "executor").iterdir()) == names
    assert Store(str(still.root), make_policy()).is_case("acme")
