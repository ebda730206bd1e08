"""Whatever waits, waits for something that can come, or is held and its planner told: acted out from outside."""

from __future__ import annotations

from typing import Any

import pytest

from tests.test_outside import PENDING, act, says, state_of

__all__ = ["act"]
WRITER = "technical-writer"


def case_of(tier: int | None, plan: dict[str, Any] | None = None, **tasks: dict[str, Any]) -> dict[str, Any]:
    """An instruction of these tasks, all for one agent."""
    files: dict[str, Any] = {
        "a/instruction.yaml": {"title": "X", "created_at": "2026-11-20T08:00:00Z"}
        | ({"tier": tier} if tier is not None else {})
    }
    files |= {f"{PENDING}/{i}.yaml": {"id": i, "assigned_to": WRITER, **task} for i, task in tasks.items()}
    return files | ({"a/workflow/plan.yaml": {"tier": tier, **plan}} if plan else {})


def claims(*tasks: str) -> list[dict[str, Any]]:
    """One task after the other is done, an hour apart."""
    return [says(f"+{n}h", "completion", WRITER, t, summary="s", output="o") for n, t in enumerate(tasks, 1)]


@pytest.mark.spec("EXE-5", "EXE-4")
@pytest.mark.parametrize("tier", [1, 2])
@pytest.mark.parametrize("plan", [None, {"tasks": ["T1", "T2", "T3"]}], ids=["natural order", "a plan"])
def test_what_is_depended_on_comes_first_in_a_sequence(act, tier, plan):
    """T1 needs T3: the sequence does not wait for itself."""
    files = case_of(tier, plan, T1={"depends_on": ["T3"]}, T2={}, T3={})
    got = act(files, claims("T3", "T1", "T2"))
    assert got.names("assign") == ["assign T3 a1", "assign T1 a1", "assign T2 a1"]
    assert got.end["cases"][0]["tasks"]["completed"] == 3
    handoffs = [each for each in got.letters(WRITER) if each["type"] == "handoff"]
    assert [(h["from_task"]["id"], h["task_id"]) for h in handoffs] == [("T3", "T1"), ("T1", "T2")]


@pytest.mark.spec("EXE-5", "EXE-6")
def test_a_checkpoint_that_the_order_contradicts_goes_first_in_a_sequence(act):
    """T1 is kept back by a checkpoint that waits for T2."""
    plan = {"tasks": ["T1", "T2"], "checkpoints": [{"id": "cp", "after": ["T2"], "before": ["T1"]}]}
    got = act(case_of(2, plan, T1={}, T2={}), claims("T2", "T1"))
    assert got.names("assign") == ["assign T2 a1", "assign T1 a1"]


@pytest.mark.spec("EXE-5", "MEM-17")
def test_an_order_that_a_later_edit_contradicts_is_followed_over_deaths(act):
    """The edit comes before anything but T1 was given out; a new daemon goes on as the old one."""
    edit = {"at": "+30m", "write": f"{PENDING}/T2.yaml", "content": {"assigned_to": WRITER, "depends_on": "T4"}}
    files = case_of(2, None, T1={}, T2={}, T3={}, T4={})
    steps = [edit, {"at": "+40m", "restart": True}, *claims("T1", "T4", "T2"), {"at": "+150m", "restart": True}]
    got = act(files, steps)
    assert got.names("assign") == ["assign T1 a1", "assign T4 a1", "assign T2 a1", "assign T3 a1"]


@pytest.mark.spec("EXE-2", "EXE-5")
@pytest.mark.parametrize("tier", [None, 1, 2])
@pytest.mark.parametrize(
    ("first", "held"),
    [
        ({"T1": {"depends_on": ["T2"]}, "T2": {"depends_on": ["T1"]}}, ["T1", "T2"]),
        ({"T1": {"depends_on": ["T77"]}, "T2": {"depends_on": ["T1"]}}, ["T1"]),
        ({"T1": {}, "t1": {}, "T2": {"depends_on": ["T1"]}}, ["T1", "t1"]),
    ],
    ids=["a ring", "an unknown dependency", "an id twice"],
)
def test_what_is_held_at_the_front_of_a_sequence_stops_none_of_the_others(act, tier, first, held):
    """The planner is told of the tasks concerned; T3 and T4 need none of them, and go on one after the other."""
    files = case_of(tier, None, **first, T3={}, T4={"depends_on": ["T3"]})
    got = act(files, claims("T3", "T4"))
    assert got.names("assign") == ["assign T3 a1", "assign T4 a1"]
    assert [i for i in (*first, "T3", "T4") if state_of(got.root, i)["state"] == "held"] == held
    assert got.end["cases"][0]["tasks"]["completed"] == 2


@pytest.mark.spec("EXE-2", "EXE-5", "MEM-17")
def test_what_was_held_takes_its_turn_when_its_file_is_mended(act):
    """T1 waited for nobody knows what until an edit, over a death; then it is its turn before T3."""
    edit = {"at": "+90m", "write": f"{PENDING}/T1.yaml", "content": {"id": "T1", "assigned_to": WRITER}}
    files = case_of(2, None, T1={"depends_on": ["T77"]}, T2={}, T3={})
    steps = [{"at": "+30m", "restart": True}, *claims("T2"), edit, {"at": "+100m", "restart": True}]
    got = act(files, [*steps, *claims("T2", "T3", "T1")[1:]])
    assert got.names("assign") == ["assign T2 a1", "assign T3 a1", "assign T1 a1"]
    assert got.end["cases"][0]["tasks"]["completed"] == 3


@pytest.mark.spec("EXE-2", "EXE-28")
def test_a_ring_by_a_phase_is_held_and_a_release_of_the_phase_lets_it_go(act):
    """T1 of the first phase needs T2 of the second: both are held, what is apart from them goes on."""
    plan = {"phases": [{"phase": "one", "tasks": ["T1"]}, {"phase": "two", "tasks": ["T2"]}], "tasks": ["T3"]}
    files = case_of(3, plan, T1={"depends_on": ["T2"]}, T2={}, T3={})
    got = act(files)
    assert got.names("assign") == ["assign T3 a1"]
    told = [each for each in got.letters("planner") if each["type"] == "notice"]
    assert {each["task_id"] for each in told} == {"T1", "T2"}
    assert "phase phase-one" in told[0]["text"]
    assert state_of(got.root, "T2")["state"] == "held"


@pytest.mark.spec("EXE-2", "MEM-18")
@pytest.mark.parametrize(
    ("needs", "later", "ring"),
    [
        (["T0"], {"T1": {"depends_on": ["T0", "T2"]}}, {"T1", "T2"}),
        (["T3"], {"T3": {}}, {"T1", "T3"}),
    ],
    ids=["an edit", "a new task"],
)
def test_a_ring_by_a_checkpoint_that_a_later_file_closes_is_held_at_once(act, needs, later, ring):
    """T1 comes before the checkpoint and needs, in the end, what this keeps back; no new start is needed to see it."""
    plan = {"tasks": ["T0", "T1", "T2"], "checkpoints": [{"id": "cp", "after": ["T1"]}]}
    steps = [
        {"at": "+10m", "write": f"{PENDING}/{i}.yaml", "content": {"id": i, "assigned_to": WRITER, **task}}
        for i, task in later.items()
    ]
    got = act(case_of(3, plan, T0={}, T1={"depends_on": needs}, T2={}), steps)
    told = [each for each in got.letters("planner") if "checkpoint cp" in each["text"]]
    assert {each["task_id"] for each in told} == ring
    assert {i for i in ring if state_of(got.root, i)["state"] == "held"} == ring


@pytest.mark.spec("EXE-2", "EXE-28")
def test_after_the_phase_is_released_a_ring_goes_on(act):
    """The message that `status` names frees it."""
    plan = {"phases": [{"phase": "one", "tasks": ["T1"]}, {"phase": "two", "tasks": ["T2"]}]}
    files = case_of(3, plan, T1={"depends_on": ["T2"]}, T2={})
    let_go = says("+10m", "release", "planner", None, checkpoint="phase-one", reason="together")
    assert act(files, [let_go, *claims("T2", "T1")]).names("assign") == ["assign T2 a1", "assign T1 a1"]


@pytest.mark.spec("EXE-2")
def test_a_ring_of_soft_dependencies_is_a_ring(act):
    """Order only, yet each would wait for the other."""
    soft = {"soft_dependencies": ["T2"]}
    got = act(case_of(3, None, T1={"dependencies": soft}, T2={"dependencies": {"soft_dependencies": ["T1"]}}))
    assert {each["task_id"] for each in got.letters("planner")} == {"T1", "T2"}


@pytest.mark.spec("EXE-2", "EXE-24", "EXE-25")
def test_a_ring_ends_with_one_of_its_tasks(act):
    """One is cancelled; the other is held for that now, and a release lets it go. In the ring a release is refused."""
    files = case_of(3, None, T1={"depends_on": ["T2"]}, T2={"depends_on": ["T1"]})
    steps = [
        says("+10m", "release", "planner", "T2", reason="too early"),
        says("+20m", "cancel", "planner", "T1", reason="not needed"),
        says("+30m", "release", "planner", "T2", reason="goes on without it"),
    ]
    got = act(files, steps)
    assert [reason["code"] for reason in got.reasons()] == ["EXE-2"]
    assert got.names("assign") == ["assign T2 a1"]


@pytest.mark.spec("EXE-2", "MEM-18", "EXE-25")
def test_a_ring_that_a_hand_has_cut_is_no_ring(act):
    """T1 is moved on by hand and done: nothing holds T2 any more."""
    files = case_of(3, None, T1={"depends_on": ["T2"]}, T2={"depends_on": ["T1"]})
    move = {"at": "+10m", "move": f"{PENDING}/T1.yaml", "to": "a/tasks/in_progress/T1.yaml"}
    got = act(files, [move, *claims("T1", "T2")])
    assert got.names("assign") == ["assign T1 a1", "assign T2 a1"]


@pytest.mark.spec("EXE-2", "EXE-6")
def test_a_checkpoint_that_waits_for_what_nobody_knows_holds(act):
    """The planner is told; when the task comes it goes on by itself."""
    plan = {"tasks": ["T1", "T2"], "checkpoints": [{"id": "cp", "after": ["T9"], "before": ["T2"]}]}
    added = {"at": "+30m", "write": f"{PENDING}/T9.yaml", "content": {"assigned_to": WRITER, "title": "late"}}
    got = act(case_of(3, plan, T1={}, T2={}), [added, *claims("T9")])
    (told,) = (each for each in got.letters("planner") if each["task_id"] == "T2")
    assert "checkpoint cp waits for T9, which is not known" in told["text"]
    assert got.names("assign") == ["assign T1 a1", "assign T9 a1", "assign T2 a1"]


@pytest.mark.spec("EXE-2", "EXE-25", "MEM-25")
def test_an_id_that_is_free_again_holds_nobody(act):
    """Two ids that differ only in case are held; the file of one is deleted, and the other goes on."""
    files = case_of(3, None, T1={}, t1={}, T3={}, T4={})
    got = act(files, [{"at": "+1h", "delete": f"{PENDING}/t1.yaml"}])
    assert got.names("assign") == ["assign T3 a1", "assign T4 a1", "assign T1 a1"]


@pytest.mark.spec("EXE-26", "INC-4", "EXE-29")
def test_after_downtime_nothing_counts_as_unanswered_that_nobody_was_asked(act):
    """While nobody was at work all roles climbed to `hitl` and an update fell due: he is asked for it."""
    files = case_of(3, None, T1={"priority": "critical"})
    got = act(files, [{"at": "+61m", "down_until": "+5h"}])
    asked = [line for line in got.lines if line["name"].startswith("ask stakeholders")]
    assert [(line["action"], line["to"]) for line in asked] == [("send", "hitl")]


@pytest.mark.spec("EXE-6", "MEM-18")
def test_a_task_added_behind_a_checkpoint_waits_for_it(act):
    """The checkpoint names no `before`: all that follows waits, also what comes later, also after a restart."""
    plan = {"tasks": ["T1", "T2"], "checkpoints": [{"id": "cp", "after": ["T1"]}]}
    added = [
        {"at": f"+{n}0m", "write": f"{PENDING}/T{n}.yaml", "content": {"assigned_to": WRITER, "title": "x"}}
        for n in (3, 4)
    ]
    steps = [added[0], {"at": "+35m", "restart": True}, added[1], *claims("T1")]
    got = act(case_of(3, plan, T1={}, T2={}), steps)
    at = {line["name"]: line["at"] for line in got.lines if line["name"].startswith("assign")}
    assert at["assign T1 a1"] == "2026-11-20T09:00:00Z"
    assert {at[f"assign T{n} a1"] for n in (2, 3, 4)} == {"2026-11-20T10:00:00Z"}
