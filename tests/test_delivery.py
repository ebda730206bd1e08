"""What comes out at the end, from outside: the seven types, what completes a component, the gate, the report.

Counterparts: `stories/delivery.py` and `stories/incident.py`, whole cases; here each type once with every flaw, the
pure parts on paper, and the commands.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from executord import deliverables
from executord.cli import main
from executord.completeness import judge
from executord.deliverables import TYPES, Deliverable, a_date, of, per_severity
from executord.files.store import Store
from tests.calls import say
from tests.stories.delivery import LEAD, LIAISON, TICKET, finished, ticket
from tests.stories.kit import CASE, ENGINEER, STORIES, UPDATE, WRITER, Stage, play

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "sample_memory"
FINAL = f"{CASE}/outputs/final"
NAMES = sorted({kind.type for kind in TYPES.values()})


def load(path: Path) -> Any:
    """A YAML file, every scalar as text."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def samples() -> dict[str, dict[str, Any]]:
    """Type → all its components, as the workers of the sample memory know them."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(SAMPLE.glob("*/instruction.yaml")):
        case = path.parent.name
        plan = path.parent / "workflow" / "plan.yaml"
        data = {**load(path), **(load(plan) if plan.exists() else {})}
        kind = deliverables.named(data.get("deliverable_type") or data.get("template"))
        assert kind is not None
        for answer in sorted((SAMPLE / "_answers" / case).glob("*.yaml")):
            found.setdefault(kind.type, {}).update(load(answer).get("components", {}))
    return found


COMPONENTS = samples()


def executord(*args: object, code: int = 0) -> str:
    """`executord …`: its stdout."""
    done = say(*args)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def case_of(stage: Stage, kind: str) -> None:
    """A case of two tasks in sequence, by two workers, whose deliverable is of this type."""
    stage.case(
        {"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=2, deliverable_type=kind, priority="low",
    )  # fmt: skip
    stage.look()


def halves(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the one and what the other hands in."""
    names = list(COMPONENTS[kind])
    return (
        {n: COMPONENTS[kind][n] for n in names[: len(names) // 2]},
        {n: COMPONENTS[kind][n] for n in names[len(names) // 2 :]},
    )


# --- the seven types --------------------------------------------------------------------------------------------------


@pytest.mark.spec("DEL-1", "DEL-6")
def test_there_are_seven_types_and_their_aliases():
    """Each with six components; names and aliases however they are spelled."""
    assert NAMES == [
        "escalation_process", "feedback_analysis", "knowledge_base_plan", "support_analytics", "support_strategy",
        "ticket_resolution", "training_program",
    ]  # fmt: skip
    assert all(len(kind.components) == 6 for kind in TYPES.values())
    assert deliverables.named("Customer-Feedback Analysis") is TYPES["feedback_analysis"]
    assert deliverables.named("incident") is None
    assert {n for kind in TYPES.values() for n, c in kind.components.items() if c.must} == {
        "follow_up_plan", "sla_definitions",
    }  # fmt: skip


@pytest.mark.spec("DEL-2", "DEL-3", "DEL-4", "CON-14")
@pytest.mark.parametrize("kind", NAMES)
def test_partial_results_become_the_deliverable(kind, tmp_path):
    """In the type's order, each component with its source, task, agent, time and the hash of the file it stands in."""
    stage = Stage(tmp_path / "memory")
    case_of(stage, kind)
    one, other = halves(kind)
    stage.at("09:10").done(ENGINEER, "T1", components=one)
    stage.at("09:20").done(WRITER, "T2", components=other)
    made = stage.read(f"{FINAL}/{kind}.yaml")
    wanted = list(TYPES[kind].components)
    assert list(made["components"]) == wanted
    for name in wanted:
        if name == "customer_communication":
            assert made["components"][name] == {"not_applicable": "there is no customer"}
            continue
        assert yaml.load(yaml.safe_dump(made["components"][name]), Loader=yaml.BaseLoader) == COMPONENTS[kind][name]
        came = made["provenance"][name]
        task, agent = ("T1", ENGINEER) if name in one else ("T2", WRITER)
        assert (came["source"], came["task"], came["agent"], came["attempt"]) == ("components", task, agent, 1)
        raw = Path(f"{stage.root}/{CASE}/{came['path']}").read_bytes()
        assert came["sha256"] == hashlib.sha256(raw).hexdigest()
    handed = stage.read(f"{FINAL}/handoff.yaml")
    assert [row["result"] for row in handed["gate"]] == ["pass"] * 6
    for row in handed["manifest"]:
        raw = Path(f"{stage.root}/{CASE}/{row['path']}").read_bytes()
        assert (row["size"], row["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert handed["manifest"][0]["path"] == f"outputs/final/{kind}.yaml"


@pytest.mark.spec("DEL-5", "DEL-1")
@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("flaw", ["missing", "placeholder", "empty"])
def test_a_component_that_is_not_there_keeps_the_hand_off_waiting(kind, flaw, tmp_path):
    """It is asked for, whichever it is; nothing is made up, and nothing is handed off without it."""
    stage = Stage(tmp_path / "memory")
    case_of(stage, kind)
    one, other = halves(kind)
    name, content = next(iter(one.items()))
    stage.at("09:10").done(ENGINEER, "T1", components={n: c for n, c in one.items() if n != name} or {}, output="done")
    if flaw == "placeholder":
        stage.put(f"{CASE}/outputs/partial/T1/{name}.yaml", {"what": "{to_be_filled_in}"})
    elif flaw == "empty":
        stage.put(f"{CASE}/outputs/partial/T1/{name}.yaml", "what:\n")
    stage.at("09:20").done(WRITER, "T2", components=other)
    stage.at("09:30")
    assert not (Path(stage.root) / FINAL).exists()
    (asked,) = [line for line in stage.told if f"request component {name}" in line]
    agent = asked.split(" → ")[1]
    letter = stage.read(f"_communication/inbox/{agent}/{CASE}.component_request.yaml")
    assert letter["component"] == name
    assert {"missing": "missing", "placeholder": "placeholder", "empty": "empty"}[flaw] in letter["why"]
    stage.at("09:40").drop("answer", agent, in_reply_to=letter["id"], components={name: content})
    stage.at("09:50")
    made = stage.read(f"{FINAL}/{kind}.yaml")
    assert made["provenance"][name]["agent"] == agent
    assert "outputs/partial/components.from-" in made["provenance"][name]["path"]


@pytest.mark.spec("DEL-3", "EXE-13", "QUA-1")
@pytest.mark.parametrize(
    "said",
    ["outputs/partial/T1/plan.md", {"path": "./outputs/partial/T1/plan.md"}, f"{CASE}/outputs/partial/T1/plan.md"],
)
def test_a_component_that_only_names_a_file_is_that_file(said, tmp_path):
    """By path, size and hash; what must stand in the component is looked for in it, and a file that is not there
    makes no claim true."""
    stage = Stage(tmp_path / "memory")
    ticket(stage)
    rest = {"knowledge_base_article": TICKET["knowledge_base_article"], "follow_up_plan": said}
    stage.at("09:10").done(WRITER, "T2", components=rest)
    asked = stage.read(f"_communication/inbox/{WRITER}/{CASE}.T2.a1.rework_request.yaml")
    assert any("plan.md: it does not exist" in point for point in asked["points"])
    text = "# Follow-up\nA call on 2026-11-27.\n"
    stage.put(f"{CASE}/outputs/partial/T1/plan.md", text)
    stage.at("09:20").done(WRITER, "T2", components=rest)
    stage.at("09:21")
    made = stage.read(f"{FINAL}/ticket_resolution.yaml")
    here = {
        "path": "outputs/partial/T1/plan.md", "size": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }  # fmt: skip
    assert made["components"]["follow_up_plan"] == here
    assert made["provenance"]["follow_up_plan"]["source"] == "components"
    assert here["path"] in {row["path"] for row in made["files"]}


@pytest.mark.spec("DEL-2")
@pytest.mark.parametrize("kind", NAMES)
def test_two_agents_give_one_component(kind, tmp_path):
    """Both are kept; of equals the later verified wins, and the conflict is listed for the validator."""
    stage = Stage(tmp_path / "memory")
    case_of(stage, kind)
    one, other = halves(kind)
    name = next(iter(one))
    stage.at("09:10").done(ENGINEER, "T1", components=one)
    stage.at("09:20").done(WRITER, "T2", components={**other, name: one[name]})
    made = stage.read(f"{FINAL}/{kind}.yaml")
    assert made["provenance"][name]["task"] == "T2"
    assert made["conflicts"] == [
        {
            "component": name,
            "kept": {k: made["provenance"][name][k] for k in ("task", "path", "sha256")},
            "other": {
                "task": "T1", "agent": ENGINEER, "source": "components", "path": "outputs/partial/T1.yaml",
                "sha256": hashlib.sha256(Path(f"{stage.root}/{CASE}/outputs/partial/T1.yaml").read_bytes()).hexdigest(),
            },
        }
    ]  # fmt: skip
    assert any(name in text for text in stage.read(f"{FINAL}/handoff.yaml")["check"])


@pytest.mark.spec("DEL-1", "DEL-2")
def test_a_new_type_is_one_class_and_nothing_else(tmp_path, request):
    """Its name in an instruction, its components asked for, its file written, its bold part demanded."""

    class Playbook(Deliverable):
        """How an on-call week goes."""

        type = "oncall_playbook"
        rota = of("names", "hours")
        contacts = of()
        first_steps = of(must=a_date)

    request.addfinalizer(lambda: TYPES.pop("oncall_playbook"))
    stage = Stage(tmp_path / "memory")
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=1, deliverable_type="Oncall Playbook", priority="low")
    given = {"rota": {"names": ["Mia"]}, "contacts": "duty@acme.example", "first_steps": "look at the board"}
    stage.at("09:10").done(ENGINEER, "T1", components=given)
    stage.at("09:20")
    letter = stage.read(f"_communication/inbox/{ENGINEER}/{CASE}.component_request.yaml")
    assert letter["component"] == "first_steps"
    stage.drop("answer", ENGINEER, components={"first_steps": {"from": "2026-12-01", "look": "at the board"}})
    stage.at("09:30")
    made = stage.read(f"{FINAL}/oncall_playbook.yaml")
    assert list(made["components"]) == ["rota", "contacts", "first_steps"]
    assert made["concerns"] == ["rota: no key and no heading names hours"]
    assert Playbook.components["rota"].parts == ("names", "hours")


# --- each standard ----------------------------------------------------------------------------------------------------


def fails_1(s: Stage) -> None:
    """The plan names a task that never came."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, plan={"tasks": ["T1", "T9"]})
    s.at("09:10").done(ENGINEER, "T1", components=TICKET)


def fails_2(s: Stage) -> None:
    """The customer was told something, but not how it ended."""
    ticket(s, customer=True)
    s.at("09:07").drop("customer_update", LIAISON, **UPDATE)
    s.at("09:10").done(WRITER, "T2", components={n: TICKET[n] for n in list(TICKET)[3:]})


def fails_3(s: Stage) -> None:
    """The follow-up plan says no date."""
    ticket(s)
    s.at("09:10").done(WRITER, "T2", components={"knowledge_base_article": "KB-352", "follow_up_plan": "we call"})


def fails_4(s: Stage) -> None:
    """The resolution limit had passed."""
    finished(s, sla_resolution="12 minutes")


def fails_5(s: Stage) -> None:
    """A file that a verified claim named is gone."""
    ticket(s)
    s.put(f"{CASE}/outputs/partial/T2/log.md", "what was seen\n")
    rest = {n: TICKET[n] for n in list(TICKET)[3:-1]}
    s.at("09:08").done(WRITER, "T2", components=rest, outputs=["outputs/partial/T2/log.md"])
    s.at("09:09")
    os.unlink(f"{s.root}/{CASE}/outputs/partial/T2/log.md")
    s.drop("answer", WRITER, components={"follow_up_plan": TICKET["follow_up_plan"]})


def fails_6(s: Stage) -> None:
    """A file lies where the folder of the hand-off belongs."""
    ticket(s)
    s.put(f"{CASE}/outputs/final", "mine\n")
    s.at("09:10").done(WRITER, "T2", components={n: TICKET[n] for n in list(TICKET)[3:]})


@pytest.mark.spec("QUA-1", "QUA-2", "CON-14")
@pytest.mark.parametrize(
    ("case", "does"),
    [
        (fails_1, "escalate standard 1"),
        (fails_2, "request closing-update #2 → customer-success-manager"),
        (fails_3, "request component follow_up_plan #1 → technical-writer"),
        (fails_4, "escalate standard 4"),
        (fails_5, "request file outputs/partial/T2/log.md #1 → technical-writer"),
        (fails_6, "escalate standard 6"),
    ],
)
def test_a_case_that_fails_this_standard_and_no_other(case, does, tmp_path):
    """The table says so, exit 1; nothing is handed off; somebody is asked for what would free it."""
    stage = Stage(tmp_path / "memory")
    case(stage)
    stage.at("09:30")
    if not any(does in line for line in stage.told):  # what still may come by itself is waited for
        stage.at("14:00")
    assert any(does in line for line in stage.told), stage.told
    stage.end()
    found = json.loads(executord("gate", CASE, "--memory", stage.root, "--json", code=1))
    failed = [row["standard"] for row in found["gate"] if row["result"] == "fail"]
    assert failed == [int(case.__name__[-1])], found
    assert found["ready"] is False
    assert not list(Path(stage.root).glob("_communication/inbox/validator/*validation_request*"))


# --- verdicts ---------------------------------------------------------------------------------------------------------


def handed_off(folder: Path) -> Stage:
    """A case that has been handed off, and has no customer."""
    stage = Stage(folder / "memory")
    finished(stage)
    stage.skip()
    return stage


@pytest.mark.spec("QUA-4")
@pytest.mark.parametrize("said", ["pass", "PASSED", "**PASS**", "\N{WHITE HEAVY CHECK MARK} Pass", "Approved."])
def test_a_pass_is_known_however_it_is_dressed(said, tmp_path):
    """Letters count, not what validators put around them."""
    stage = handed_off(tmp_path)
    stage.at("09:20").drop("validation_result", "validator", overall_status=said)
    stage.at("09:21").says(f"{CASE}/outputs/partial/progress.yaml", phase="closed")


@pytest.mark.spec("QUA-4")
@pytest.mark.parametrize("said", ["PASS with comments", "not a pass", "bypass", "maybe", "true"])
def test_what_is_no_verdict_is_refused(said, tmp_path):
    """Nothing is read into it."""
    stage = handed_off(tmp_path)
    name = stage.at("09:20").drop("verdict", "validator", verdict=said)
    stage.at("09:21").says(f"{CASE}/outputs/partial/progress.yaml", phase="handed_off")
    reason = f"_communication/inbox/executor/.rejected/2026-11-20/{name.removesuffix('.yaml')}.reason.yaml"
    stage.says(reason, code="QUA-4", reason=f"{said!r} is no verdict")


@pytest.mark.spec("QUA-4")
def test_an_issue_about_a_component_that_nobody_handed_in_is_not_lost(tmp_path):
    """It was let pass, so it is no worker's rework: support-manager decides, beside the rework of the others."""
    stage = handed_off(tmp_path)
    issues = [
        {"task": "T1", "issue": "since when?"},
        {"component": "customer_communication", "issue": "who told Acme?"},
    ]
    stage.at("09:20").drop("verdict", "validator", verdict="FIXABLE", issues=issues)
    stage.expect(
        """
        09:20 file 03-verdict.yaml #1
        09:20 move T1 #3 in_progress
        09:20 escalate issues c1 → support-manager
        09:20 assign T1 a2 → technical-support-engineer
        09:20 rework T1 a2 #1 verdict → technical-support-engineer
        """
    )
    stage.at("09:30").done(ENGINEER, "T1", components={n: TICKET[n] for n in list(TICKET)[:3]})
    stage.at("09:31")
    asked = stage.read(f"_communication/inbox/{LEAD}/{CASE}.escalation.yaml")
    assert "customer_communication: who told Acme?" in asked["what"]
    assert not (Path(stage.root) / f"_communication/inbox/validator/{CASE}.c2.validation_request.yaml").exists()


@pytest.mark.spec("DEL-5", "MSG-4")
def test_components_in_an_answer_to_something_else_are_recorded(tmp_path):
    """Who was asked for a file hands in the component that another one was asked for: it is taken."""
    stage = Stage(tmp_path / "memory")
    ticket(stage)
    log = f"{CASE}/outputs/partial/T2/log.md"
    stage.put(log, "what was seen\n")
    stage.at("09:08").done(
        WRITER, "T2", components={"knowledge_base_article": "KB-352"}, outputs=["outputs/partial/T2/log.md"]
    )
    stage.at("09:09")
    os.unlink(f"{stage.root}/{log}")
    stage.at("09:12").drop("answer", WRITER, components={"follow_up_plan": TICKET["follow_up_plan"]},
                           in_reply_to=f"{CASE}.component_request-2")  # fmt: skip
    stage.put(log, "what was seen\n")
    stage.at("09:20")
    made = stage.read(f"{FINAL}/ticket_resolution.yaml")
    assert made["components"]["follow_up_plan"]["date"] == "2026-11-27"
    assert made["provenance"]["follow_up_plan"]["agent"] == WRITER


@pytest.mark.spec("QUA-3", "QUA-5", "CON-14")
def test_what_is_waived_while_a_task_is_open_is_not_ready(tmp_path):
    """All six pass or are waived, but a task is deferred or cancelled, not waived: the gate is not ready."""
    stage = Stage(tmp_path / "memory")
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    for k, standard in enumerate((1, 3, 6)):
        stage.at(f"09:1{k}").drop("waive", LEAD, standard=standard, reason="agreed")
    stage.end()
    shown = json.loads(executord("--memory", stage.root, "gate", CASE, "--json", code=1))
    assert (shown["ready"], {row["result"] for row in shown["gate"]}) == (False, {"pass", "waived"})
    assert "deferred or cancelled, not waived" in executord("--memory", stage.root, "gate", CASE, code=1)


@pytest.mark.spec("QUA-4")
@pytest.mark.parametrize(
    ("issue", "task"),
    [
        ("follow_up_plan: the date has passed", "T2"), ({"Follow-up plan": "the date has passed"}, "T2"),
        ("T1: say since when", "T1"), ({"T1": "say since when"}, "T1"), ("note: say since when", None),
    ],
)  # fmt: skip
def test_an_issue_may_say_in_its_first_word_whose_it_is(issue, task, tmp_path):
    """`- T1: …` is a text to its writer and a mapping to YAML: either names the task, or the component's."""
    stage = handed_off(tmp_path / "memory")
    stage.at("09:20").drop("verdict", "validator", verdict="FIXABLE", issues=[issue])
    stage.at("09:21")
    back = sorted(Path(f"{stage.root}/_communication/inbox").glob(f"*/{CASE}.*.rework_request.yaml"))
    assert [path.name.split(".")[1] for path in back] == ([task] if task else [])
    assert Path(f"{stage.root}/_communication/inbox/{LEAD}/{CASE}.escalation.yaml").exists() == (task is None)


# --- on paper ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("DEL-1")
@pytest.mark.parametrize(
    "content",
    [
        "call on 2026-11-27", {"date": "27.11.2026"}, ["review on November 27"], {"when": {"at": "27 Nov"}},
        "11/27/2026", "2026/11/27", "the 3rd of May", "Sept. 3", "29 February",
    ],
)  # fmt: skip
def test_a_follow_up_has_a_date_however_it_is_written(content):
    assert a_date(content) is None


@pytest.mark.spec("DEL-1")
@pytest.mark.parametrize(
    "content",
    [
        "soon", {"when": "next week"}, ["KB-352", "3.11 of the manual"], {"owner": "x"}, "2026-13-45", "2026-02-30",
        "31.13.2026", "after 2 decisions and 3 separate calls", "release 1.2.3.4",
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(content):
    assert "a date" in (a_date(content) or "")


@pytest.mark.spec("DEL-1")
@pytest.mark.parametrize(
    ("content", "whole"),
    [
        ({"sev_1": {"response": "15 min", "resolution": "4 h"}, "2": {"response": "1 h", "resolution": "8 h"}}, True),
        ({"sev_1": {"response": "15 min", "resolution": "4 h"}, "sev_2": {"response": "1 h"}}, False),
        ([{"severity": 1, "response_time": "15 min", "resolution_time": "4 h"}], True),
        ([{"severity": 1, "response_time": "15 min"}], False),
        ({"response": {"sev_1": "15 min"}, "resolution": {"sev_1": "4 h"}}, True),
        ({"response": {"sev_1": "15 min", "sev_2": "1 h"}, "resolution": {"sev_1": "4 h"}}, False),
        ({"sev_1": "response 15 min, resolution 4 h", "note": "24x7"}, True),
        ({"severities": {"critical": {"response": "1 h", "resolution": ""}}}, False),
        ("| severity | response | resolution |\n| 1 | 15 min | 4 h |", True),
        ("as agreed", False),
    ],
)
def test_sla_definitions_name_both_times_for_each_severity(content, whole):
    assert (per_severity(content) is None) is whole


@pytest.mark.spec("DEL-1")
def test_parts_are_looked_for_by_key_or_heading():
    """What is not found is a concern, never a refusal."""
    shape = TYPES["support_strategy"].components["current_state_assessment"]
    assert judge(shape, {"strength": "fast", "Weaknesses": "night", "benchmark": "44"}).lacks == ()
    text = "# Strengths\nfast\n\n**Weaknesses:** night\n\nWe also looked at benchmarks.\n"
    found = judge(shape, text)
    assert found.refused is None
    assert found.lacks == ("benchmarks",)


@pytest.mark.spec("DEL-1")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "empty"), ({}, "empty"), ([None, {"a": ""}], "empty"), ("TBD", "still open"), ("{article}", "placeholder"),
        ({"a": {"b": "<name of the owner>"}}, "placeholder"), ("low | medium | high", "legend"),
        ({"not_applicable": ""}, "no reason"),
    ],
)  # fmt: skip
def test_what_is_not_filled_in_is_refused(content, why):
    assert why in (judge(TYPES["ticket_resolution"].components["resolution_steps"], content).refused or "")


@pytest.mark.spec("DEL-1")
def test_not_applicable_is_waived_with_its_reason():
    found = judge(TYPES["ticket_resolution"].components["knowledge_base_article"], {"not_applicable": "a one-off"})
    assert (found.refused, found.waived) == (None, "a one-off")
    for nothing in ("", None, True):  # that it is so is no reason
        found = judge(TYPES["ticket_resolution"].components["knowledge_base_article"], {"not_applicable": nothing})
        assert (found.refused, found.waived) == ("it is not applicable, but no reason is given", None)


# --- the sample memory ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory) -> Path:
    """The sample memory after its rehearsal."""
    kept = tmp_path_factory.mktemp("sample") / "memory"
    executord(
        "simulate", SAMPLE, "--start", "2026-11-20T09:00:00Z", "--until", "+8h", "--script",
        SAMPLE / "_expected" / "script.yaml", "--keep", kept,
    )  # fmt: skip
    return kept


@pytest.mark.spec("DEL-4", "CON-14")
def test_the_sample_delivers_each_of_the_seven_types(rehearsed):
    """Every instruction has its product, with every component and every hash as it says."""
    kinds = set()
    for path in sorted(rehearsed.glob("*/outputs/final/handoff.yaml")):
        case = path.parent.parent.parent
        handed = load(path)
        made = load(case / handed["deliverable"])
        kinds.add(made["deliverable_type"])
        assert all(content for content in made["components"].values())
        for row in handed["manifest"]:
            assert hashlib.sha256((case / row["path"]).read_bytes()).hexdigest() == row["sha256"], row["path"]
        for name, came in made["provenance"].items():
            raw = (case / came["path"]).read_bytes()
            assert hashlib.sha256(raw).hexdigest() == came["sha256"], (case.name, name)
    assert kinds == set(NAMES)


def with_a_flaw(flaw: str) -> tuple[list[dict[str, Any]], dict[str, tuple[str, str]]]:
    """The sample's script with one component of every instruction flawed, and which: instruction → component, agent."""
    steps = load(SAMPLE / "_expected" / "script.yaml")
    claims: dict[str, dict[str, Any]] = {}
    for step in steps:
        content = step.get("content")
        if isinstance(content, dict) and content.get("components"):
            claims.setdefault(content["instruction_id"], content)
    flawed = {}
    for case, content in claims.items():
        name = next(iter(content["components"]))
        flawed[case] = name, content["from"]
        if flaw == "missing":
            content["components"] = {k: v for k, v in content["components"].items() if k != name}
            content["output"] = "see the summary"
        elif flaw == "placeholder":
            content["components"] = {**content["components"], name: "{to_be_filled_in}"}
        else:
            other = {"from": "support-quality-analyst", name: content["components"][name]}
            steps.insert(0, {"at": "+1m", "write": f"{case}/outputs/partial/notes-of-another.yaml", "content": other})
    return steps, flawed


@pytest.mark.spec("DEL-1", "DEL-2", "DEL-5")
@pytest.mark.parametrize("flaw", ["missing", "placeholder", "twice"])
def test_the_sample_with_one_component_flawed(flaw, tmp_path):
    """Of each type in its own case: what is missing is asked for, what is unfilled goes back, of two one wins."""
    steps, flawed = with_a_flaw(flaw)
    script = tmp_path / "script.yaml"
    script.write_text(yaml.safe_dump(steps, allow_unicode=True), encoding="utf-8")
    kept, sample = tmp_path / "memory", tmp_path / "sample"
    shutil.copytree(SAMPLE, sample)
    if flaw == "missing":  # nor does a task or the plan say that an output is the component
        for path in (*sample.glob("*/tasks/*/*.yaml"), *sample.glob("*/workflow/plan.yaml")):
            said = path.read_text(encoding="utf-8")
            path.write_text(
                re.sub(r"(?m)^(component|produces):.*\n|, (component|produces): \w+", "", said), encoding="utf-8"
            )
    executord(
        "simulate", sample, "--start", "2026-11-20T09:00:00Z", "--until", "+8h", "--script", script, "--keep", kept
    )
    kinds = set()
    for case, (name, agent) in flawed.items():
        plan = kept / case / "workflow" / "plan.yaml"
        data = {**load(kept / case / "instruction.yaml"), **(load(plan) if plan.exists() else {})}
        kind = deliverables.named(data.get("deliverable_type") or data.get("template"))
        assert kind is not None
        kinds.add(kind.type)
        made = kept / case / "outputs/final" / f"{kind.type}.yaml"
        if flaw == "twice":
            found = load(made)
            (conflict,) = [c for c in found["conflicts"] if c["component"] == name]
            assert conflict["other"]["path"] == "outputs/partial/notes-of-another.yaml", case
            assert conflict["other"]["agent"] == "support-quality-analyst", case
            assert found["provenance"][name]["source"] == "components", case
            assert found["provenance"][name]["agent"] == agent, case
            continue
        assert not made.exists(), case
        asked = "component_request" if flaw == "missing" else "rework_request"
        letters = [
            load(p) for p in kept.glob(f"_communication/inbox/*/{case}.*{asked}*.yaml") if "war-room" not in str(p)
        ]
        about = [x for x in letters if x.get("component") == name or any(name in p for p in x.get("points", ()))]
        assert about, (case, name, [x["id"] for x in letters])
    assert kinds == set(NAMES)


@pytest.mark.spec("QUA-1", "QUA-5")
def test_the_gate_prints_its_table(rehearsed):
    """Text and JSON; 0 where it is ready."""
    found = json.loads(executord("gate", "ticket-2057-eu-checkout", "--memory", rehearsed, "--json"))
    assert (found["schema_version"], found["ready"]) == (1, True)
    assert [row["standard"] for row in found["gate"]] == [1, 2, 3, 4, 5, 6]
    assert found["gate"][3]["result"] == "waived"
    assert found["gate"][3]["by"] == "support-manager"
    assert found["gate"][5]["evidence"] == [
        "written for cycle 1: execution_summary.yaml, handoff.yaml, ticket_resolution.yaml"
    ]
    text = executord("gate", "analytics-november", "--memory", rehearsed)
    assert text.splitlines()[-1] == "ready"
    assert "SLAs met or extensions approved by the customer" in text


@pytest.mark.spec("QUA-1", "CON-18")
def test_the_gate_of_what_is_not_done_says_what_is_missing(tmp_path):
    """Exit 1; each standard by itself."""
    play(STORIES["a_missing_component_is_asked_for_and_waived"], tmp_path / "whole", strict=False)
    stage = Stage(tmp_path / "memory")
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=1, plan={"tasks": ["T1", "T9"]})
    stage.at("09:10").done(ENGINEER, "T1", components=TICKET)
    stage.end()
    found = json.loads(executord("gate", CASE, "--memory", stage.root, "--json", code=1))
    assert [row["result"] for row in found["gate"]] == ["fail", "pass", "pass", "pass", "pass", "pass"]
    assert "T9" in found["gate"][0]["evidence"][0]
    executord("gate", "nothing-here", "--memory", stage.root, code=66)
    executord("gate", "waive", CASE, "4", "--memory", stage.root, code=2)
    executord("gate", "waive", CASE, "4", "--reason", "agreed", "--memory", stage.root, code=69)


@pytest.mark.spec("DEL-4")
def test_the_report_tells_everything_readably(rehearsed, tmp_path):
    """To stdout or to a file; as JSON too; also of what is no tier 4."""
    text = executord("report", "strategy-2027", "--memory", rehearsed)
    for heading in ("# Support strategy for 2027", "## Summary", "## Gate", "## SLA results", "## Timeline"):
        assert heading in text
    out = tmp_path / "report.md"
    executord("report", "ticket-2057-eu-checkout", "-o", out, "--memory", rehearsed)
    said = out.read_text(encoding="utf-8")
    assert "support-manager: standard 4 waived: Acme agreed by phone" in said
    assert "## Communication with the customer" in said
    made = json.loads(executord("report", "outage-2063-login", "--json", "--memory", rehearsed))
    assert made["incidents"][0]["status"] == "closed"
    assert made["phase"] == "closed"
    kept = load(rehearsed / "strategy-2027/outputs/final/resolution_report.yaml")
    assert set(kept) >= {
        "summary", "timeline", "root_cause", "resolution", "impact", "decisions", "escalations", "incidents", "sla",
        "communication", "deferred", "prevention_plan",
    }  # fmt: skip


# --- incidents --------------------------------------------------------------------------------------------------------


@pytest.mark.spec("INC-5", "CON-15")
def test_the_chain_of_a_timeline_can_be_checked_by_anybody(rehearsed):
    """sha256 of the canonical JSON of each entry without its hash; the first one follows 64 zeros."""
    found = yaml.safe_load((rehearsed / "outage-2063-login/outputs/partial/incident.yaml").read_text(encoding="utf-8"))
    prev = "0" * 64
    for k, entry in enumerate(found["timeline"], 1):
        rest = {key: str(value) if key == "at" else value for key, value in entry.items() if key != "hash"}
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert entry["hash"] == hashlib.sha256(text.encode()).hexdigest()
        assert (entry["n"], entry["prev"]) == (k, prev)
        prev = entry["hash"]
    assert len(found["timeline"]) > 20


@pytest.mark.spec("INC-5")
def test_verify_finds_a_changed_entry(tmp_path):
    """Changed in the view, changed in the journal, cut out of it: each is found; untouched it holds."""
    play(STORIES["a_sev_1_incident_by_the_book"], tmp_path / "memory", strict=False)
    root = tmp_path / "memory"
    named = f"inc-{CASE}-1"
    assert "the chain holds" in executord("incident", "verify", named, "--memory", root)
    shown, kept = (root / CASE / "outputs/partial" / name for name in ("incident.yaml", "journal.yaml"))
    view, journal = shown.read_text(encoding="utf-8"), kept.read_text(encoding="utf-8")
    shown.write_text(view.replace("raised the limit to 200", "raised the limit to 300"), encoding="utf-8")
    found = json.loads(executord("incident", "verify", named, "--memory", root, "--json", code=1))
    assert not found["ok"]
    assert "differs from the journal in what" in found["faults"][0]
    shown.write_text(view.replace("raised the limit to 200", "raised the limit to 300"), encoding="utf-8")
    kept.write_text(journal.replace("raised the limit to 200", "raised the limit to 300"), encoding="utf-8")
    (fault,) = json.loads(executord("incident", "verify", named, "--memory", root, "--json", code=1))["faults"]
    assert "its hash does not fit what it says" in fault
    kept.write_text(journal, encoding="utf-8")
    shown.write_text(view.replace("severity: 1", "severity: 3", 1), encoding="utf-8")
    (fault,) = json.loads(executord("incident", "verify", named, "--memory", root, "--json", code=1))["faults"]
    assert fault == "outputs/partial/incident.yaml: severity is not what the journal says"
    shown.write_text(view, encoding="utf-8")
    rows = json.loads(executord("incident", "list", "--memory", root, "--json"))["incidents"]
    assert [(row["incident_id"], row["severity"], row["status"]) for row in rows] == [(named, 1, "closed")]
    assert "customer-advocacy-manager" in executord("incident", "show", named, "--memory", root)
    executord("incident", "show", "nothing", "--memory", root, code=66)


@pytest.mark.spec("INC-5")
@pytest.mark.parametrize("named", [f"inc-{CASE}-1", CASE, "OUTAGE-7"])
def test_an_incident_is_found_without_reading_other_instructions(tmp_path, monkeypatch, capsys, named):
    """By the id that it got, by its instruction, by an id that its message gave it; of a hundred cases one is read."""
    root = tmp_path / "memory"
    play(STORIES["a_sev_1_incident_by_the_book"], root, strict=False)
    if named == "OUTAGE-7":
        kept = root / CASE / "outputs/partial/journal.yaml"
        kept.write_text(kept.read_text(encoding="utf-8").replace(f"inc-{CASE}-1", named), encoding="utf-8")
    for k in range(100):
        (root / f"other-{k}/outputs/partial").mkdir(parents=True)
        (root / f"other-{k}/instruction.yaml").write_text("title: another\n", encoding="utf-8")
    read = []
    whole = Store.load
    monkeypatch.setattr(Store, "load", lambda self, name, *more: read.append(name) or whole(self, name, *more))
    with pytest.raises(SystemExit) as ended:
        main(["--memory", str(root), "--json", "incident", "show", named])
    assert ended.value.code == 0
    assert read == [CASE]
    assert json.loads(capsys.readouterr().out)["incident_id"] == (f"inc-{CASE}-1" if named == CASE else named)


@pytest.mark.spec("INC-2", "CON-4")
def test_the_war_room_has_every_message_under_its_own_name(tmp_path):
    """What went to anybody while it was open lies there too, with the same content."""
    play(STORIES["a_sev_1_incident_by_the_book"], tmp_path / "memory", strict=False)
    inboxes = tmp_path / "memory/_communication/inbox"
    room = inboxes / f"war-room-inc-{CASE}-1"
    for path in inboxes.glob(f"{LEAD}/*.yaml"):
        copy = load(room / path.name)
        assert {k: v for k, v in copy.items() if k not in ("to", "event")} == {
            k: v for k, v in load(path).items() if k not in ("to", "event")
        }
    assert len(list(room.glob("*.yaml"))) > 15


def test_the_components_of_the_sample_are_what_their_types_ask_for():
    """Nothing in the sample is refused."""
    for kind, components in COMPONENTS.items():
        found: Mapping[str, Any] = {n: judge(TYPES[kind].components[n], c).refused for n, c in components.items()}
        assert not any(found.values()), (kind, found)
