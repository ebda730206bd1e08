"""A plan or an instruction.yaml that is taken away: nothing is a success that never was, over any death [MEM-25].

Acted out from outside; `stories/hands.py` has the same with a daemon that is killed before each of its operations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from executord.files import journal
from tests.calls import say
from tests.stories.delivery import TICKET
from tests.stories.dying import unlike
from tests.stories.kit import tree_of
from tests.test_outside import CONTENTS, ENGINEER, PENDING, Outcome, act, says
from tests.test_simulate import simulate

__all__ = ["act"]
PLAN = "a/workflow/plan.yaml"
INSTRUCTION = "a/instruction.yaml"
RESTARTS = pytest.mark.parametrize(
    "restarts",
    [(), ("+61m", "+3h", "+5h"), ("+3600s", "+3601s", "+3602s")],
    ids=["one daemon", "restarts later", "restarts at once"],
)


def files(plan: Mapping[str, Any] | None = None, **instruction: Any) -> dict[str, Any]:
    """One task whose file is there, and a plan."""
    given = {"title": "X", "tier": 3, "created_at": "2026-11-20T08:00:00Z", **instruction}
    task = {"id": "T1", "assigned_to": ENGINEER}
    return {INSTRUCTION: given, f"{PENDING}/T1.yaml": task, **({PLAN: plan} if plan is not None else {})}


def done(at: str, task: str = "T1") -> dict[str, Any]:
    """The task's holder has done it."""
    return says(at, "completion", task=task, summary="s", output="o", components=TICKET)


def asked(got: Outcome, *words: str) -> Any:
    """What a command that only looks answers."""
    return json.loads(say("--memory", got.root, "--json", *words).stdout)


def notices(got: Outcome) -> list[str]:
    """What the planner was told."""
    return [each["text"] for each in got.letters("planner") if each["type"] == "notice"]


def stirred(steps: list[dict[str, Any]], restarts: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The steps, with restarts between them."""
    yield from steps
    yield from ({"at": at, "restart": True} for at in restarts)


@RESTARTS
@pytest.mark.spec("MEM-25", "QUA-3", "EXE-23", "CON-8")
def test_what_a_plan_expects_is_not_forgotten_with_it(act, restarts):
    """T2 is still to come when the plan goes: without it nobody would know, and T1 is not all there is."""
    gone = {"at": "+1h", "delete": PLAN}
    got = act(files({"tasks": ["T1", "T2"]}), stirred([gone, done("+2h")], restarts))
    assert got.end["cases"][0]["phase"] == "executing"
    assert not got.lies("a/outputs/final/handoff.yaml")
    (told,) = notices(got)
    assert "a/workflow/plan.yaml was deleted" in told
    shown = asked(got, "status")["instructions"][0]
    assert [(p["path"], p["code"]) for p in shown["problems"]] == [(PLAN, "MEM-25")]
    assert {(row["type"], "planner" in row["from"]) for row in shown["freed_by"]} >= {("plan_ready", True)}
    why = asked(got, "why", "a")
    assert any("workflow/plan.yaml is gone" in each["answer"] for each in why["answers"])
    first = asked(got, "gate", "a")["gate"][0]
    assert (first["result"], "workflow/plan.yaml is gone" in first["evidence"][0]) == ("fail", True)


@RESTARTS
@pytest.mark.spec("MEM-25", "MEM-11")
def test_nor_with_its_contents(act, restarts):
    """An editor, or a full disk, has left nothing in it: that is no plan without tasks."""
    emptied = {"at": "+1h", "write": PLAN, "text": ""}
    got = act(files({"tasks": ["T1", "T2"]}), stirred([emptied, done("+2h")], restarts))
    assert got.end["cases"][0]["phase"] == "executing"
    (told,) = notices(got)
    assert told == "a/workflow/plan.yaml the file is empty; list the tasks; until it is mended nothing new is given out"
    assert not got.names("replan")


@RESTARTS
@pytest.mark.spec("MEM-25", "EXE-6")
def test_nothing_goes_past_a_checkpoint_that_is_gone_with_its_plan(act, restarts):
    """The reviewer never let T2 go; with the plan back he is asked."""
    plan = {
        "tier": 3,
        "tasks": ["T1", "T2"],
        "checkpoints": [{"id": "cp", "after": ["T1"], "before": ["T2"], "review": "hitl"}],
    }
    both = files(plan) | {f"{PENDING}/T2.yaml": {"id": "T2", "assigned_to": ENGINEER}}
    back = {"at": "+6h", "write": PLAN, "content": plan}
    got = act(both, stirred([{"at": "+1h", "delete": PLAN}, done("+2h"), back], restarts))
    assert got.names("assign") == ["assign T1 a1"]
    assert got.names("found") + got.names("checkpoint") == ["found a plan #1", "checkpoint cp #1"]


@RESTARTS
@pytest.mark.spec("MEM-25", "SLA-17", "EXE-4")
def test_a_customer_is_not_forgotten_with_the_instruction(act, restarts):
    """The case does not go to the gate as one without a customer; with the file back he is owed his update."""
    given = files(tier=1, customer={"name": "Acme"})
    steps = [{"at": "+1h", "delete": INSTRUCTION}, done("+2h")]
    got = act(given, stirred(steps, restarts))
    assert got.end["cases"][0]["phase"] == "executing"
    assert "a/instruction.yaml was deleted" in notices(got)[0]


@pytest.mark.spec("MEM-25", "SLA-17", "EXE-4")
def test_with_the_instruction_back_the_customer_is_owed_what_he_was_owed(act):
    """What was done meanwhile is handed off when he has heard of it, and not before."""
    given = files(tier=1, customer={"name": "Acme"})
    back = {"at": "+3h", "write": INSTRUCTION, "content": given[INSTRUCTION]}
    update = says("+5h", "customer_update", "customer-success-manager", None, **CONTENTS)
    got = act(
        given, [{"at": "+1h", "delete": INSTRUCTION}, done("+2h"), {"at": "+150m", "restart": True}, back, update]
    )
    steps = ("found", "hand off", "file 5h-")
    order = [line["name"] for line in got.lines if line["name"].startswith(steps)]
    file = update["write"].rsplit("/", 1)[1]
    assert order == ["found a instruction #1", f"file {file} #1", "hand off #1"]


@pytest.mark.spec("MEM-25", "EXE-28")
@pytest.mark.parametrize("what", ["plan", "instruction"])
def test_on_a_word_of_the_planner_it_goes_on_without(act, what):
    """To the gate, over restarts; a word that names nothing that is missing is refused."""
    place = {"plan": PLAN, "instruction": INSTRUCTION}[what]
    early = says("+30m", "plan_ready", "planner", None, without=what)
    ready = says("+3h", "plan_ready", "planner", None, without=[place.removeprefix("a/")])
    steps = [early, {"at": "+1h", "delete": place}, done("+2h"), ready]
    got = act(files({"tasks": ["T1", "T2"]} if what == "plan" else {"tasks": ["T1"]}), stirred(steps, ("+62m", "+3h")))
    assert [r["code"] for r in got.reasons()] == ["MEM-25"]
    assert got.names("hand") == ["hand off #1"]


@pytest.mark.spec("MEM-25", "MEM-26")
@pytest.mark.parametrize("place", [PLAN, INSTRUCTION])
def test_a_file_that_is_saved_in_two_steps_is_not_missed(act, place):
    """As editors do it: no line is noted."""
    given = files({"tasks": ["T1", "T2"]})
    back = {"at": "+3601s", "write": place, "text": yaml.safe_dump(given[place], sort_keys=False)}
    got = act(given, [{"at": "+1h", "delete": place}, back, {"at": "+2h", "restart": True}])
    assert not notices(got)
    assert not got.names("found") + got.names("replan")


@pytest.mark.spec("MEM-25", "MEM-3")
def test_a_plan_that_is_spelled_otherwise_now_is_the_plan(act):
    """`plan.yaml` becomes `plan.yml`: the same content is no new plan, and nothing is missing."""
    move = {"at": "+1h", "move": PLAN, "to": "a/workflow/plan.yml"}
    got = act(files({"tasks": ["T1", "T2"]}), [move, {"at": "+2h", "restart": True}])
    assert not notices(got)
    assert not got.names("replan")


@pytest.mark.spec("MEM-25", "MEM-18")
def test_an_instruction_that_comes_late_is_noted_and_missed_like_any(act):
    """The plan was there first."""
    given = files({"tier": 3, "tasks": ["T1", "T2"]})
    late = {"at": "+1h", "write": INSTRUCTION, "content": given.pop(INSTRUCTION)}
    got = act(given, [late, {"at": "+2h", "delete": INSTRUCTION}, {"at": "+3h", "restart": True}])
    assert got.names("found") == ["found a instruction #1"]
    assert "a/instruction.yaml was deleted" in notices(got)[0]


@pytest.mark.spec("MEM-25", "OPS-8")
@pytest.mark.parametrize("place", [PLAN, INSTRUCTION])
def test_fsck_finds_nothing_wrong_with_what_the_daemon_has_not_seen_go(act, place):
    """It was taken away while the daemon was down: its next look says so."""
    got = act(files({"tasks": ["T1", "T2"]}))
    (got.root / place).unlink()
    assert asked(got, "fsck")["findings"] == []


@pytest.mark.spec("MEM-25", "REL-11")
def test_a_journal_that_does_not_say_whether_there_was_an_instruction(act, tmp_path):
    """One of before: a start that finds none neither stops nor says anything, as it always did."""
    got = act(files(), [])
    path = got.root / "a/outputs/partial/journal.yaml"
    path.write_text(path.read_text().replace(', "instruction": true', ""))
    assert "instruction" not in (journal.read(str(got.root / "a")).entries[1].get("facts") or {})
    (got.root / INSTRUCTION).unlink()
    before = tree_of(str(got.root))
    kept = tmp_path / "again"
    end = simulate(got.root, "--start", "2026-11-20T09:00:00Z", "--until", "+0s", "--keep", str(kept), "--json")
    assert end.returncode == 0, end.stderr.decode()
    journals = "a/outputs/partial/journal.yaml"
    assert tree_of(str(kept))[journals] == before[journals], unlike(before, tree_of(str(kept)))


@pytest.mark.spec("MEM-25", "SLA-9", "REL-4")
@pytest.mark.parametrize("back", [True, False], ids=["put back", "gone for good"])
def test_what_is_asked_before_a_limit_climbs_no_further_while_nobody_knows_the_limit(act, back):
    """It is deleted while `expedite` climbs: the case goes on, and is not parked over a clock that it has not."""
    given = files(priority="high", sla_resolution="8 hours", created_at="2026-11-20T09:00:00Z")
    steps = [says("+1h", "ack"), {"at": "+390m", "delete": INSTRUCTION}]
    if back:
        steps.append({"at": "+12h", "write": INSTRUCTION, "content": given[INSTRUCTION]})
    got = act(given, [*steps, {"at": "+20h", "restart": True}])
    assert got.names("expedite") == ["expedite #1"]
    assert [each["phase"] for each in got.end["cases"]] == ["executing"]
    assert ("breach resolution #1" in got.names("breach")) is back
