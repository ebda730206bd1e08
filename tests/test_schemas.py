"""What we send and write validates against the schemas that we publish; so does every example that we show [MSG-9]."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from executord import schemas, settings
from executord.messages import MESSAGES
from executord.paper import parse, read_journal
from executord.posts import KINDS
from executord.schemas.given import example_of
from tests.calls import say
from tests.stories import FILES
from tests.stories.kit import CASE, ENGINEER, STORIES, UPDATE, WRITER, Stage, Story, play
from tests.teams import stories as _stories  # noqa: F401
from tests.teams.kit import STORIES as TEAM_STORIES
from tests.teams.kit import play as team_play

ROOT = Path(__file__).parent.parent
INBOX = "_communication/inbox"

for _name in FILES:
    importlib.import_module(f"tests.stories.{_name}")


@cache
def validator(kind: str) -> Draft202012Validator:
    """The validator of one kind."""
    return Draft202012Validator(schemas.schema_of(kind))


def fault(kind: str, data: Any) -> str | None:
    """Why the data is not of this kind, None if it is."""
    error = best_match(validator(kind).iter_errors(data))
    return f"{kind}: {error.json_path}: {error.message[:300]}" if error is not None else None


def read(path: Path) -> dict[str, Any]:
    """A YAML file as its reader gets it."""
    return parse(path.read_bytes()).data or {}


def files_of(root: Path) -> Iterator[tuple[str, str, Any]]:
    """Path, kind and content of everything in a tree that the daemon has written."""
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder) / name
            here = path.relative_to(root).parts
            match here:
                case ["_communication", "inbox", agent, _] if agent not in ("executor", "support-executor"):
                    data = read(path)
                    yield "/".join(here), data["type"], data
                case ["_communication", "inbox", _, ".rejected", _, _] if name.endswith(".reason.yaml"):
                    yield "/".join(here), "reason", read(path)
                case [_, "outputs", "partial", "progress.yaml"]:
                    yield "/".join(here), "progress", read(path)
                case [_, "outputs", "partial", _] if name.startswith("journal."):
                    yield "/".join(here), "journal", read_journal(path.read_bytes())[0]
                case [_, "outputs", "final", _] if read(path).get("generated_by") == "executord":
                    kinds = {"handoff.yaml": "hand_off"}
                    known = ("execution_summary.yaml", "resolution_report.yaml")
                    kind = name.removesuffix(".yaml") if name in known else kinds.get(name, "deliverable")
                    yield "/".join(here), kind, read(path)
                case [_, "outputs", "partial", _] if ".cycle-" in name or not name.endswith(".yaml"):
                    pass
                case [_, "outputs", "partial", _] if name.startswith("components.from-"):
                    yield "/".join(here), "handed_in", read(path)
                case [_, "outputs", "partial", _] if ".from-" in name:
                    pass  # somebody's file, moved away as it was
                case [_, "outputs", "partial", _] if name.startswith("incident"):
                    yield "/".join(here), "paper" if name.count(".") > 1 else "incident_view", read(path)
                case [_, "outputs", "partial", _] if read(path).get("generated_by") == "executord":
                    yield "/".join(here), "update" if name.startswith("update-") else "result", read(path)
                case _:
                    pass


def a_busy_day(stage: Stage) -> None:
    """A customer, dependencies, a checkpoint, a late result, a rework, rejections, decisions, a status report."""
    stage.case(
        {
            "T1": {"acceptance_criteria": ["checkouts pass"], "supporting": ["x"]},
            "T2": {"depends_on": ["T1"], "assigned_to": WRITER, "communication_required": "customer"},
            "T3": {"assigned_to": "nobody-known", "sla_resolution": "4 hours", "workstream": "support"},
            "T4": {"depends_on": ["T9"]},
        },
        plan={"tier": 3, "tasks": ["T1", "T2", "T3", "T4", "T7"],
              "checkpoints": [{"id": "cp", "after": ["T1"], "before": ["T3"], "review": "support-manager"}]},
        customer={"name": "Acme", "segment": "enterprise", "contact": "ops@acme.example", "timezone": "Europe/Berlin"},
    )  # fmt: skip
    stage.look()
    holder = stage.holder("T1")
    stage.at("09:05").drop("acknowledgement", holder, "T1")
    stage.at("09:06").drop("completion", holder, "T1", summary="", output="{result}")
    stage.at("09:07").drop("blocked", holder, "T1", description="the API key is missing")
    stage.at("09:08").drop("answer", "support-manager", "T1", answer="it is 4711")
    stage.at("09:09").drop("tell", "operator", "T1", text="also the EU endpoint")
    stage.at("09:10").drop("reassign", "operator", "T1", to="escalation-manager", reason="needs access")
    stage.at("09:20").done(holder, "T1", attempt=1)
    stage.at("09:30").done("escalation-manager", "T1", concerns=["slow"], open_questions=["who pays?"])
    stage.at("09:31").drop("nonsense", WRITER, "T2")
    stage.at("09:32").drop("status", WRITER, None, case=None)
    stage.at("09:33").drop("acknowledgement", "chat-support-specialist", None)
    stage.at("09:34").drop("release", "support-manager", None, checkpoint="cp")
    stage.at("09:40").drop("customer_update", WRITER, "T2", **UPDATE)
    stage.at("09:41").drop("hold", "operator", "T2", reason="they are moving")
    stage.at("09:42").drop("release", "operator", "T2")
    stage.at("09:50").done(WRITER, "T2", customer_update=UPDATE, components={"resolution_steps": "1. restart"})
    for n in range(1, 4):
        stage.at(f"10:{n}0").drop("failed", stage.holder("T3"), "T3", reason="the sandbox is locked")
    stage.at("11:00").drop("cancel", "operator", "T4", reason="not needed")
    stage.at("11:01").drop("defer", "operator", "T7", reason="next month")


BUSY = Story("a_busy_day", a_busy_day, ())


@pytest.mark.spec("MSG-9", "CON-5", "CON-6", "CON-12", "CON-13")
@pytest.mark.parametrize("name", ["a_busy_day", *sorted(STORIES)])
def test_everything_that_a_story_writes_validates(name, tmp_path):
    """Each message, result, update, reason, view and journal of each story is what its schema says."""
    root = tmp_path / "memory"
    play(BUSY if name == BUSY.name else STORIES[name], root, strict=False)
    found = list(files_of(root))
    faults = [f"{path}: {why}" for path, kind, data in found if (why := fault(kind, data)) is not None]
    assert not faults, "\n".join(faults)
    assert found


@pytest.mark.spec("MSG-9")
def test_the_busy_day_sends_many_kinds(tmp_path):
    """The story above is worth its name: most kinds of message are sent in it, and every kind of file is written."""
    play(BUSY, tmp_path / "memory", strict=False)
    kinds = {kind for _, kind, _ in files_of(tmp_path / "memory")}
    wanted = {"delegation", "handoff", "rework_request", "reassignment_notice", "escalation", "checkpoint", "notice"}
    wanted |= {"answer", "context", "rejection", "status_report", "late_result_notice"}
    assert wanted | {"result", "update", "reason", "progress", "journal"} <= kinds


@pytest.mark.spec("MSG-9")
def test_every_kind_that_we_send_has_a_schema():
    """No kind of message is sent without a published schema, and every schema is a valid one."""
    assert set(KINDS) <= set(schemas.kinds())
    assert {f"message.{name}" for name in MESSAGES} <= set(schemas.kinds())
    for kind in schemas.kinds():
        Draft202012Validator.check_schema(schemas.schema_of(kind))


@pytest.mark.spec("MSG-8", "MSG-9")
def test_the_replies_shown_in_a_delegation_validate(tmp_path):
    """The two filled examples are YAML for the executor's inbox, as they stand."""

    def one(stage: Stage) -> None:
        stage.case({"T1": {"communication_required": "both"}}, customer="Acme")
        stage.look()

    play(Story("one", one, ()), tmp_path / "memory")
    inbox = tmp_path / "memory" / INBOX / ENGINEER
    found = [read(path) for folder in inbox.parent.iterdir() for path in folder.glob(f"{CASE}.*.delegation.yaml")]
    assert found
    for letter in found:
        shown = letter["reply_with"]
        for text, kind in ((shown["when_you_start"], "acknowledgement"), (shown["when_it_is_done"], "completion")):
            data = yaml.safe_load(text)
            assert data["type"] == kind
            assert fault(f"message.{kind}", data) is None


@pytest.mark.spec("MSG-9")
@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_documented_examples_of_what_arrives_validate(name):
    """An example is whole once type, sender and subject are added; without its sender it is not."""
    kind = MESSAGES[name]
    if not kind.example and kind.needs:
        pytest.skip("it has no example")
    whole = example_of(kind)
    assert fault(f"message.{name}", whole) is None
    assert fault("message", whole) is None
    assert fault(f"message.{name}", {k: v for k, v in whole.items() if k != "from"}) is not None


@pytest.mark.spec("MSG-1", "MSG-9")
@pytest.mark.parametrize("word", ["DONE", "done-with-concerns", "Task Complete", "completed"])
def test_types_are_compared_as_the_daemon_compares_them(word):
    """Any case; `-`, a space and `_` are the same; another type's name is refused."""
    body = {"from": "a", "summary": "s", "output": "o"}
    assert fault("completion", {"type": word, **body}) is None
    assert fault("completion", {"type": "failed", **body}) is not None


@pytest.mark.spec("MSG-9", "CON-3")
def test_configurations_validate_as_they_are_read():
    """The generated sample and the example of each key are valid; what the reader refuses is not."""
    samples: list[Mapping[str, Any]] = [yaml.load(settings.generate(), yaml.BaseLoader)]
    samples += [{n: e} for n, field in settings.Settings.model_fields.items() for e in field.examples or []]
    assert [why for sample in samples if (why := fault("config", sample)) is not None] == []
    assert fault("config", {"rounds": "60 seconds"}) is not None
    assert fault("config", {"durability": "perhaps"}) is not None


@pytest.mark.spec("MSG-9", "SLA-3")
def test_the_calendars_of_the_worked_cases_validate():
    """Each calendar of the vectors file is one; one with an eighth day is not."""
    cases = json.loads((ROOT / "tests/data/sla-vectors.json").read_text(encoding="utf-8"))["vectors"]
    assert [why for case in cases if (why := fault("calendar", case["calendar"])) is not None] == []
    assert fault("calendar", {"weekly": {"day8": [["09:00", "17:00"]]}}) is not None


@pytest.mark.spec("MSG-9", "MEM-7")
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("task", {"task": {"id": 7, "name": "x"}, "priority": "P1", "deps": [{"T3": "note"}]}),
        ("task", {"assigned_to": {"primary": "a", "supporting": ["b"]}, "blockedBy": "T1, T2", "estimated_hours": 2}),
        ("instruction", {"title": "x", "customer": "Acme", "tier": "3 (complex)", "incident": True}),
        ("plan", {"tier": 2, "tasks": ["T1", {"T2": {"title": "x"}}], "checkpoints": [{"after": ["T1"]}]}),
    ],
)
def test_the_spellings_of_people_validate(kind, data):
    """What the reader takes, the schema takes: wrapped or flat, lists or mappings, any spelling."""
    assert fault(kind, data) is None


@pytest.mark.spec("MSG-9", "CON-0", "CON-18")
def test_the_command_prints_a_schema_or_the_list():
    """`schema KIND` prints JSON; `schema` the list; a kind that is none is a wrong call."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return say("schema", *args)

    printed = json.loads(run("delegation").stdout)
    assert printed == schemas.schema_of("delegation")
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    listed = run()
    assert listed.returncode == 0
    assert {line.split()[0] for line in listed.stdout.splitlines()} == set(schemas.kinds())
    assert {row["kind"] for row in json.loads(run("--json").stdout)["kinds"]} == set(schemas.kinds())
    wrong = run("nonsense", "--json")
    assert wrong.returncode == 2
    assert json.loads(wrong.stdout)["error"]["code"] == 2


@pytest.mark.spec("MSG-9", "SES-16", "SES-17", "SES-18", "SES-23")
def test_what_sessions_send_validates(tmp_path):
    """Each message that a team session sends is of its kind's published shape."""
    kinds = set()
    for name in (
        "stalled_until_somebody_decides", "no_consensus", "a_missing_capability", "three_tasks_one_after_the_other",
    ):  # fmt: skip
        room = team_play(TEAM_STORIES[name], tmp_path / name)
        for path in sorted(Path(room.root, "memory").rglob("hitl/*.yaml")):
            data = read(path)
            assert fault(data["type"], data) is None, path
            kinds.add(data["type"])
    assert kinds == {"escalation", "notice", "completion_action_request"}
