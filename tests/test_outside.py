"""What a stranger finds who knows only the spec: memories of files and scripts, acted out by `simulate`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from executord.policy import make_policy
from executord.service import Service
from tests.calls import say
from tests.stories.kit import CASE, Stage
from tests.test_simulate import START, lay, simulate
from tests.test_simulate import lines as noted_lines

INBOX = "_communication/inbox"
ENGINEER = "technical-support-engineer"
PENDING = "a/tasks/pending"


@dataclass
class Outcome:
    """A kept memory, the lines noted on the way to it, and how it ended."""

    root: Path
    lines: list[dict[str, Any]]
    end: dict[str, Any]

    def read(self, path: str) -> Any:
        return yaml.safe_load((self.root / path).read_text())

    def letters(self, agent: str) -> list[dict[str, Any]]:
        return [yaml.safe_load(p.read_text()) for p in sorted((self.root / INBOX / agent).glob("*.yaml"))]

    def lies(self, path: str) -> bool:
        return (self.root / path).exists()

    def reasons(self) -> list[dict[str, Any]]:
        return [yaml.safe_load(p.read_text()) for p in sorted((self.root / INBOX / "executor").rglob("*.reason.yaml"))]

    def names(self, verb: str) -> list[str]:
        return [line["name"] for line in self.lines if line["name"].split()[0] == verb]


@pytest.fixture
def act(tmp_path: Path):
    """Act out a memory of these files with these steps."""

    def play(files: Mapping[str, Any], steps: Iterable[Mapping[str, Any]] = ()) -> Outcome:
        root, kept, script = tmp_path / "memory", tmp_path / "kept", tmp_path / "script.json"
        (root / INBOX / "executor").mkdir(parents=True)
        for path, data in files.items():
            lay(root, path, data)
        script.write_text(json.dumps(list(steps)))
        found, end = noted_lines(
            simulate(root, "--start", START, "--script", str(script), "--keep", str(kept), "--json")
        )
        return Outcome(kept, found, end)

    return play


def says(at: str, kind: str, sender: str = ENGINEER, task: str | None = "T1", **more: Any) -> dict[str, Any]:
    """The step that drops a message."""
    name = f"{at.strip('+')}-{kind}-{sender}-{task}"
    body = {"type": kind, "from": sender, "instruction_id": "a", "task_id": task, **more}
    return {"at": at, "write": f"{INBOX}/executor/{name}.yaml", "content": body}


def one(**task: Any) -> dict[str, Any]:
    """An instruction of one task."""
    return {
        "a/instruction.yaml": {"title": "X", "tier": 1, "created_at": "2026-11-20T08:00:00Z"},
        f"{PENDING}/T1.yaml": {"id": "T1", "title": "api error", **task},
    }


def status_of(root: Path) -> dict[str, Any]:
    """What `status --json` says of the first instruction."""
    done = say("--memory", root, "--json", "status")
    instruction: dict[str, Any] = json.loads(done.stdout)["instructions"][0]
    return instruction


def state_of(root: Path, task: str) -> dict[str, Any]:
    """What it says of a task."""
    return next(t for t in status_of(root)["tasks"] if t["id"] == task)


@pytest.mark.spec("SLA-6")
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("5 days", "T1's limit of 5 days lies after its instruction's, 2026-11-21T08:00:00Z, however soon it begins"),
        ("2026-11-23T08:00:00Z", "T1's deadline 2026-11-23T08:00:00Z lies after its instruction's"),
        ("2026-11-19T08:00:00Z", "T1's deadline 2026-11-19T08:00:00Z was past when it came"),
        ("1 hour", None),
        ("2026-11-21T07:00:00Z", None),
    ],
)
def test_a_limit_that_cannot_be_kept_is_reported(act, limit, words):
    """By the status, beside the file that says so; the instruction's limit counts."""
    files = one(sla_resolution=limit)
    files["a/instruction.yaml"]["deadline"] = "2026-11-21T08:00:00Z"
    found = [p for p in status_of(act(files).root)["problems"] if p["code"] == "SLA-6"]
    assert [p["path"] for p in found] == (["a/tasks/in_progress/T1.yaml"] if words else [])
    assert all(p["message"].startswith(words) for p in found)


@pytest.mark.spec("EXE-10", "MSG-6", "MEM-2")
def test_a_task_for_the_executor_itself_goes_to_somebody_who_can_do_it(act):
    """Our own inbox is no agent: the case is not parked by it."""
    got = act(one(assigned_to="executor"))
    assert got.end["cases"][0]["phase"] == "executing"
    (letter,) = (each for each in got.letters(ENGINEER) if each["type"] == "delegation")
    assert "executor is not known" in letter["instead_of"] or "executor" in letter["why_you"]


@pytest.mark.spec("EXE-2", "CON-8")
def test_a_cycle_is_held_also_for_those_who_only_read(act):
    """`status` says of both what the daemon told the planner."""
    files = one(depends_on="T2") | {f"{PENDING}/T2.yaml": {"id": "T2", "depends_on": ["T1"]}}
    got = act(files)
    assert len(got.letters("planner")) == 2
    for task in ("T1", "T2"):
        found = state_of(got.root, task)
        assert (found["state"], "cycle" in found["held_because"]) == ("held", True)


@pytest.mark.spec("CON-12")
def test_the_parts_of_a_result_that_nobody_named_are_an_empty_mapping(act):
    """`components` is a mapping in each result."""
    got = act(one(), [says("+1m", "completion", summary="s", output="o")])
    assert got.read("a/outputs/partial/T1.yaml")["components"] == {}


@pytest.mark.spec("CON-12", "EXE-12")
def test_what_a_declined_attempt_left_has_a_state_of_the_contract(act):
    """Who declines is reassigned."""
    got = act(one(), [says("+1m", "declined", reason="busy")])
    assert got.read("a/outputs/partial/T1.attempt-1.yaml")["state"] == "reassigned"


@pytest.mark.spec("EXE-15", "MEM-23", "CON-12")
def test_a_result_names_a_workers_file_where_it_lies_now(act):
    """A worker wrote on our name: each file in the result has the sha256 that stands there."""
    wrote = {"at": "+1m", "write": "a/outputs/partial/T1.yaml", "text": f"agent: {ENGINEER}\nfoo: 1\n"}
    got = act(one(), [wrote, says("+2m", "done", summary="s", outputs=["outputs/partial/T1.yaml"])])
    (file,) = got.read("a/outputs/partial/T1.yaml")["files"]
    assert file["path"] == f"outputs/partial/T1.from-{ENGINEER}.yaml"
    assert hashlib.sha256((got.root / "a" / file["path"]).read_bytes()).hexdigest() == file["sha256"]


@pytest.mark.spec("EXE-13")
@pytest.mark.parametrize(
    "claim",
    [
        {"output": "TBD"},
        {"output": {"root_cause": "TODO"}},
        {"outputs": ["outputs/partial/T1/my report.md"]},
        {"output": "o", "unmet_criteria": ["works"]},
    ],
    ids=lambda c: json.dumps(c),
)
def test_a_claim_that_is_not_filled_in_or_says_so_itself_is_refused(act, claim):
    """TBD, a missing file whose name holds a space, a criterion listed as unmet."""
    got = act(one(acceptance_criteria=["works"]), [says("+1m", "completion", summary="s", **claim)])
    assert got.names("rework") == ["rework T1 a1 #1"]
    assert not got.lies("a/outputs/partial/T1.yaml")


@pytest.mark.spec("MSG-3", "CON-5")
def test_a_message_for_an_attempt_that_never_was_is_told_which_one_is(act):
    """The reason does not deny that the sender holds the task."""
    got = act(one(), [says("+1m", "completion", summary="s", output="o", attempt=7)])
    (reason,) = got.reasons()
    assert reason["code"] == "MSG-3"
    assert "no attempt 7" in reason["reason"]


@pytest.mark.spec("EXE-1", "EXE-6")
@pytest.mark.parametrize(
    "phases",
    [
        [{"phase": 1, "tasks": ["T1"]}, {"phase": 2, "tasks": {"T2": {"title": "x"}}}],
        {"one": {"tasks": ["T1"], "duration": "1 day"}, "two": {"tasks": ["T2"]}},
        {"one": ["T1"], "two": ["T2"]},
        {"one": {"T1": "api error"}, "two": {"T2": {"title": "x"}}},
    ],
    ids=["list", "mapping", "mapping of lists", "mapping of tasks"],
)
def test_phases_are_read_in_each_form(act, phases):
    """What stands in the second phase waits for the first."""
    files = one() | {f"{PENDING}/T2.yaml": {"id": "T2"}, "a/workflow/plan.yaml": {"tier": 3, "phases": phases}}
    assert act(files).names("assign") == ["assign T1 a1"]


@pytest.mark.spec("MEM-11", "MEM-13")
def test_a_plan_that_cannot_be_read_is_told_to_the_planner_once(act):
    """With file, line and column; the tasks go on."""
    files = one() | {"a/workflow/plan.yaml": "tasks: [T1\n x: }"}
    got = act(files, [{"at": "+1h", "restart": True}])
    (notice,) = got.letters("planner")
    assert (notice["faults"][0]["path"], notice["faults"][0]["line"]) == ("a/workflow/plan.yaml", 2)
    assert got.names("assign") == ["assign T1 a1"]


@pytest.mark.spec("MEM-18", "EXE-3")
def test_a_file_put_into_blocked_by_hand_is_blocked(act):
    """It lies in in_progress and is given to nobody until it is unblocked."""
    files = one() | {f"{PENDING}/T2.yaml": {"id": "T2", "depends_on": ["T1"]}}
    move = {"at": "+1m", "move": f"{PENDING}/T2.yaml", "to": "a/tasks/blocked/T2.yaml"}
    got = act(files, [move])
    assert got.lies("a/tasks/in_progress/T2.yaml")
    assert state_of(got.root, "T2")["state"] == "blocked"


@pytest.mark.spec("MEM-10")
@pytest.mark.parametrize(
    "text",
    ["created_at: {timestamp}", "note: <what to look at>", "communication_required: internal | customer | both"],
)
def test_a_template_is_refused_whatever_field_was_left_open(act, text):
    """It is held, and the planner is told which field."""
    files = one() | {f"{PENDING}/T1.yaml": f"id: T1\ntitle: t\n{text}\n"}
    got = act(files)
    assert got.names("assign") == []
    assert f"template not filled in: field {text.split(':')[0]}" in got.letters("planner")[0]["text"]


@pytest.mark.spec("MEM-10")
def test_an_empty_mapping_entry_is_no_template(act):
    """`inputs: {logs: }` may be meant, and a title may hold a bar."""
    files = one() | {f"{PENDING}/T1.yaml": "id: T1\ntitle: t\ninputs:\n  logs:\noutput_format: md | yaml\n"}
    assert act(files).names("assign") == ["assign T1 a1"]


@pytest.mark.spec("MEM-6", "MEM-7")
@pytest.mark.parametrize(
    "written",
    ['- T1: "the base" (backend, pending)', "- T1 (base, done)", "- T1 - the base", '- "T1: base"', "[T1 (a), T1: b]"],
)
def test_a_dependency_with_a_note_is_a_dependency(act, written):
    """Also where the one repair was needed to read it."""
    files = one() | {f"{PENDING}/T2.yaml": f"id: T2\ntitle: t\ndepends_on:\n  {written}\n"}
    got = act(files, [says("+1h", "completion", summary="s", output="o")])
    assert got.names("assign") == ["assign T1 a1", "assign T2 a1"]
    assert not got.lies(f"{INBOX}/planner")


@pytest.mark.spec("MEM-7", "EXE-1", "EXE-6")
def test_a_plan_with_notes_and_named_checkpoints_is_read(act):
    """An id with a note in a phase is no other task, and checkpoints may be a mapping by name."""
    plan = {"tier": 3, "tasks": ["T1", "T2"], "checkpoints": {"sync": {"after": "T1 (base)", "before": ["T2 - rest"]}}}
    got = act(one() | {f"{PENDING}/T2.yaml": {"id": "T2"}, "a/workflow/plan.yaml": plan})
    assert got.names("assign") == ["assign T1 a1"]
    assert state_of(got.root, "T2")["waits_for"] == ["sync"]


@pytest.mark.spec("MEM-11", "MEM-18")
def test_a_file_that_is_spoilt_while_its_task_is_out_is_told_to_planner_and_holder(act):
    """Once; the attempt goes on, and mended it is nothing to speak of."""
    spoilt = {"at": "+1h", "write": "a/tasks/in_progress/T1.yaml", "text": "title: [\n"}
    got = act(one(), [spoilt, {"at": "+2h", "restart": True}])
    (told,) = got.letters("planner")
    assert "T1 cannot be read" in told["text"]
    assert told["held_because"][0]["line"] == 2
    (edited,) = (each for each in got.letters(ENGINEER) if each["type"] == "notice")
    assert "cannot be read" in edited["text"]
    assert state_of(got.root, "T1")["state"] == "assigned"


@pytest.mark.spec("MEM-11", "MEM-25")
def test_an_instruction_file_that_is_taken_away_is_told_to_the_planner(act):
    """Nothing else changes; a file that comes back at once is not spoken of."""
    files = one() | {f"{PENDING}/T2.yaml": {"id": "T2", "depends_on": ["T1"]}}
    gone = {"at": "+1h", "delete": "a/instruction.yaml"}
    got = act(files, [gone])
    (told,) = got.letters("planner")
    assert told["type"] == "notice"
    assert "a/instruction.yaml was deleted" in told["text"]
    assert got.end["cases"][0]["phase"] == "executing"


@pytest.mark.spec("MEM-11", "MEM-25")
def test_an_instruction_file_that_is_replaced_in_two_steps_is_not_deleted(act):
    """As editors do it."""
    files = one() | {f"{PENDING}/T2.yaml": {"id": "T2", "depends_on": ["T1"]}}
    back = {"at": "+3601s", "write": "a/instruction.yaml", "content": files["a/instruction.yaml"]}
    assert not act(files, [{"at": "+1h", "delete": "a/instruction.yaml"}, back]).lies(f"{INBOX}/planner")


CONTENTS = {
    "status": "we are on it",
    "next_steps": "a fix",
    "blockers": "none",
    "expect_next": "at noon",
    "contact": "us",
}


@pytest.mark.spec("SLA-15", "MEM-10")
@pytest.mark.parametrize("left_open", ["TBD", "<what comes next>", "{next_steps}"])
def test_an_update_with_a_content_left_open_is_no_update(act, left_open):
    """The customer would read the template."""
    files = one()
    files["a/instruction.yaml"]["customer"] = {"name": "Acme"}
    update = says("+1m", "customer_update", "customer-success-manager", None, **{**CONTENTS, "next_steps": left_open})
    (reason,) = act(files, [update]).reasons()
    assert (reason["code"], reason["reason"]) == ("SLA-15", "the update lacks next_steps")


@pytest.mark.spec("SLA-14", "SLA-15")
def test_an_update_under_the_words_in_which_it_was_asked_for_is_complete(act):
    """The five contents as headings, as the request lists them."""
    files = one()
    files["a/instruction.yaml"]["customer"] = {"name": "Acme"}
    heads = (
        "Current status and progress made",
        "Next steps and expected timeline",
        "Blockers or delays with explanations",
        "What the customer can expect next",
        "Contact for questions",
    )
    text = "\n".join(f"{n}. {head}: something" for n, head in enumerate(heads, 1))
    got = act(files, [says("+1m", "customer_update", "customer-success-manager", None, text=text)])
    assert got.lies("a/outputs/partial/update-001.yaml")


@pytest.mark.spec("MSG-3", "EXE-28")
@pytest.mark.parametrize("sender", ["customer-success-manager", "support-manager"])
def test_what_a_customer_says_after_the_end_is_heard(act, sender):
    """Nobody works on it any more: it goes to who can open it again, or to the liaison, with the text."""
    files = one()
    files["a/instruction.yaml"]["customer"] = {"name": "Acme"}
    steps = [
        says("+1m", "defer", "operator", None, reason="they asked for it"),
        says("+1h", "customer_reply", sender, None, text="it broke again"),
    ]
    got = act(files, steps)
    other = {"support-manager": "customer-success-manager"}.get(sender, "support-manager")
    (heard,) = (each for each in got.letters(other) if each["type"] == "context")
    assert (heard["from_agent"], heard["content"]["text"]) == (sender, "it broke again")


@pytest.mark.spec("EXE-25")
def test_what_is_closed_is_not_put_on_hold(act):
    """A retry would find it standing still."""
    steps = [
        says("+1m", "cancel", "operator", None, reason="no"),
        says("+2m", "hold", "operator", None, reason="wait"),
    ]
    (reason,) = act(one(), steps).reasons()
    assert (reason["code"], reason["reason"]) == ("EXE-25", "a is closed")


@pytest.mark.spec("MEM-1", "MEM-3", "CON-2")
def test_an_instruction_file_may_end_in_yml(act):
    """Also alone, edited while the case is open, and after a restart."""
    files = {
        "a/instruction.yml": {"title": "X", "priority": "low"},
        f"{PENDING}/T1.yml": {"id": "T1"},
        "b/instruction.yml": {"title": "nothing but this"},
    }
    edit = {"at": "+1h", "write": "a/instruction.yml", "content": {"title": "Y", "priority": "urgent"}}
    got = act(files, [edit, {"at": "+2h", "restart": True}])
    assert [case["id"] for case in got.end["cases"]] == ["a", "b"]
    assert any(each["priority"] == "critical" for each in got.letters("support-manager") if "priority" in each)


@pytest.mark.spec("MEM-7", "MEM-13")
@pytest.mark.parametrize(
    ("key", "meant"), [("Title", "title"), ("Assigned_To", "assigned_to"), ("due-date", "due_date")]
)
def test_a_key_that_is_nearly_one_is_spoken_of(act, key, meant):
    """It is read, and that is said: a deadline that nobody reads would be no deadline."""
    files = one() | {f"{PENDING}/T1.yaml": f'id: T1\n"{key}": 2027-01-01\n'}
    (found,) = act(files).end["findings"]
    assert (found["code"], found["severity"], found["line"], found["fix"]) == ("MEM-7", "warning", 2, f"write {meant}")
    assert found["message"] == f"{key!r} is read as {meant}"


@pytest.mark.spec("REL-4", "REL-10", "MSG-5")
@pytest.mark.parametrize("text", ["²", "٣", "9" * 400, "9" * 5000])
def test_digits_that_are_no_number_of_anything_park_nothing(tmp_path, text):
    """Wherever a number is looked for in what others write: as an attempt, a percentage, a cycle, a standard."""
    stage = Stage(tmp_path / "memory", {})
    stage.case({"T1": "api error"})
    stage.at("09:05")
    for more in ({"attempt": text}, {"percent": text}, {"percent": f"{text}.5 %"}):
        stage.drop("progress", ENGINEER, "T1", **more)
    stage.drop("acknowledgement", ENGINEER, "T1", in_reply_to=f"{CASE}.T1.a{text}.delegation")
    stage.drop("waive", "support-manager", standard=text, reason="x")
    stage.drop("verdict", "instruction-validator", verdict="PASS", cycle=text)
    stage.drop("verdict", "instruction-validator", verdict="PASS", in_reply_to=f"{CASE}.c{text}.validation_request")
    stage.at("09:20")
    assert not stage.service.broken
    assert not list((tmp_path / "memory/_communication/inbox/executor").glob("*.yaml"))


@pytest.mark.spec("REL-4", "REL-8", "MSG-10")
@pytest.mark.parametrize("when", [-(10**12), -(10**10), 10_000_000_000, 10**12, 1 << 40])
def test_a_file_from_any_time_is_a_file(tmp_path, when):
    """Tasks, plan, instruction and a message from before what is kept of times and from after: all are taken, and so is
    the mail beside them."""
    base = Path(tempfile.mkdtemp(prefix="times-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path))
    try:
        stage = Stage(base / "memory", {})
        stage.case({"T1": "api error", "T2": "api error"})
        box = base / "memory/_communication/inbox/executor"
        stage.at("09:05")
        head = f"from: {ENGINEER}\ninstruction_id: {CASE}\ntask_id: T1\n"
        (box / "old.yaml").write_text(f"type: ack\n{head}")
        (box / "new.yaml").write_text(f"type: progress\npercent: 40\n{head}")
        odd = [p for p in (base / "memory" / CASE).rglob("*.yaml") if "partial" not in str(p)] + [box / "old.yaml"]
        for path in [*odd, *{p.parent for p in odd}]:
            os.utime(path, (when, when))
        stage.at("09:20")
        stage.service.everything(stage.now)
        stage.at("09:40")
        assert len(odd) >= 4
        assert not stage.service.broken
        assert not list(box.glob("*.yaml"))
    finally:
        shutil.rmtree(base)


@pytest.mark.spec("REL-9", "REL-4", "CON-6")
def test_a_journal_of_a_newer_version_is_refused_with_a_message(tmp_path):
    """Its case is parked and said, nothing of it is touched, the other goes on; with its own version it goes on too."""
    stage = Stage(tmp_path / "memory", {})
    for case_id in (CASE, "acme-2"):
        stage.case({"T1": "api error"}, case=case_id)
    stage.at("09:05")
    stage.end()
    path = tmp_path / "memory" / CASE / "outputs/partial/journal.yaml"
    known = path.read_bytes()
    path.write_bytes(known.replace(b'"journal": 1', b'"journal": 2', 1))
    before = {p: p.read_bytes() for p in (tmp_path / "memory" / CASE).rglob("*") if p.is_file()}
    service = Service(str(tmp_path / "memory"), make_policy(), durable=False)
    service.open(stage.now)
    service.everything(stage.now)
    assert list(service.cases) == ["acme-2"]
    assert "the journal is of version 2; this program reads 1" in service.broken[CASE][0]
    assert before == {p: p.read_bytes() for p in before}
    path.write_bytes(known)
    later = stage.now + timedelta(hours=2)
    service.everything(later)
    service.everything(later)
    assert set(service.cases) == {CASE, "acme-2"}


FIVE = dict.fromkeys(("status", "next_steps", "blockers", "expect_next", "contact"), "as agreed")


@pytest.mark.spec("SLA-10", "SLA-11", "MEM-18", "MEM-22")
@pytest.mark.parametrize("where", ["instruction", "task"])
def test_a_priority_that_is_edited_counts_from_the_edit(act, where):
    """An answer that was in time stays in time; what is late by the new limit is late from the edit on, not before."""
    files = one(assigned_to=ENGINEER)
    given = files["a/instruction.yaml"] | {"priority": "high", "customer": {"name": "Acme"}}
    files["a/instruction.yaml"] = given
    edited = {
        "instruction": {"write": "a/instruction.yaml", "content": given | {"priority": "critical"}},
        "task": {"write": "a/tasks/in_progress/T1.yaml",
                 "content": files[f"{PENDING}/T1.yaml"] | {"priority": "critical"}},
    }  # fmt: skip
    steps = [
        says("+110m", "acknowledgement"),
        says("+110m", "customer_update", "customer-success-manager", None, **FIVE),
        *(says(f"+{n}m", "progress", percent=1) for n in range(120, 1410, 10)),
        {"at": "+1410m", **edited[where]},
    ]
    got = act(files, steps)
    due = {line["name"]: line["due"] for line in got.lines if line["name"].startswith("breach ")}
    assert not [name for name in due if " response " in name]
    assert not got.names("incident"), "both answers were in time when they were given"
    if where == "instruction":
        assert due["breach resolution #1"] == due["breach resolution T1 #1"] == "2026-11-21T08:30:00Z"
        assert [a["text"] for a in got.letters(ENGINEER) if a["type"] == "notice"] == [
            "the priority of a is critical now: instruction.yaml was edited"
        ]


@pytest.mark.spec("MEM-22")
@pytest.mark.parametrize("where", ["instruction", "task"])
def test_a_message_is_not_remembered_once_the_field_was_edited(act, where):
    """Medium, high by a message, then edited to low and back to medium: the message's word is over."""
    files = one(priority="medium", assigned_to="nobody-home")
    path = "a/instruction.yaml" if where == "instruction" else f"{PENDING}/T1.yaml"
    files["a/instruction.yaml"] |= {"priority": "medium"}
    if where == "instruction":
        del files[f"{PENDING}/T1.yaml"]["priority"]
    files[f"{PENDING}/T2.yaml"] = {"id": "T2", "title": "first", "assigned_to": ENGINEER}
    files["a/workflow/plan.yaml"] = {"tasks": ["T2", "T1"], "tier": 2}
    steps = [
        says("+1m", "priority_change", "support-manager", None if where == "instruction" else "T1", priority="high"),
        {"at": "+2m", "write": path, "content": files[path] | {"priority": "low"}},
        {"at": "+3m", "write": path, "content": files[path]},
        says("+4m", "completion", task="T2", summary="done", output={"a": 1}),
    ]
    got = act(files, steps)
    (given,) = [
        a for p in (got.root / INBOX).glob("*/a.T1.a1.delegation.yaml") for a in [yaml.safe_load(p.read_text())]
    ]
    assert given["priority"] == "medium"


@pytest.mark.spec("INC-1", "INC-4")
@pytest.mark.parametrize("how", ["mark", "plan"])
def test_an_incident_that_is_marked_later_begins_then(act, how):
    """The mark is added to a critical instruction, or the plan makes a marked one tier 4, when it runs for hours."""
    files = one(assigned_to=ENGINEER)
    given = files["a/instruction.yaml"] | ({"priority": "critical"} if how == "mark" else {"incident": True})
    given |= {"created_at": "2026-11-20T09:00:00Z"}
    files["a/instruction.yaml"] = given
    steps = {
        "mark": {"write": "a/instruction.yaml", "content": given | {"incident": True}},
        "plan": {"write": "a/workflow/plan.yaml", "content": {"tier": 4, "tasks": ["T1"]}},
    }
    got = act(files, [says("+5m", "progress"), {"at": "+30m", **steps[how]}])
    assert got.read("a/outputs/partial/incident.yaml")["opened_at"] == "2026-11-20T09:30:00Z"
    first = next(line for line in got.lines if " stakeholders " in line["name"])
    assert first["name"] == "ask stakeholders inc-a-1 #1"
    assert first["at"] > "2026-11-20T09:30:00Z"


@pytest.mark.spec("INC-1", "INC-4", "SLA-10")
@pytest.mark.parametrize("how", ["message", "edit"])
def test_an_incident_by_rule_begins_when_both_of_its_reasons_are_there(act, how):
    """A limit was passed, hours later it becomes critical: nobody is late with an update from before the incident."""
    files = one(assigned_to=ENGINEER)
    files["a/instruction.yaml"] |= {"priority": "high"}
    raised = {
        "message": says("+10h", "priority_change", "support-manager", None, priority="critical"),
        "edit": {"at": "+10h", "write": "a/instruction.yaml",
                 "content": files["a/instruction.yaml"] | {"priority": "critical"}},
    }  # fmt: skip
    got = act(files, [raised[how]])
    assert got.read("a/outputs/partial/incident.yaml")["opened_at"] == "2026-11-20T19:00:00Z"
    first = next(line for line in got.lines if " stakeholders " in line["name"])
    assert (first["name"], first["at"]) == ("ask stakeholders inc-a-1 #1", "2026-11-20T19:24:00Z")
    late = {line["name"]: line["due"] for line in got.lines if line["name"].startswith("breach resolution")}
    assert min(late.values()) >= "2026-11-20T19:00:00Z"


@pytest.mark.spec("MEM-24", "CON-13")
def test_the_view_shows_what_the_instruction_says_now(tmp_path):
    """Its limit is edited, and nothing falls due by that: the edit is noted, and the view is made again."""
    stage = Stage(tmp_path / "memory", {})
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    stage.look()
    given = stage.read(f"{CASE}/instruction.yaml")
    stage.skip()
    stage.at("09:05").put(f"{CASE}/instruction.yaml", {**given, "sla_resolution": "2026-12-01"})
    stage.at("09:06")
    stage.expect("09:05 edit acme-42 #1 promises")
    clocks = yaml.safe_load((tmp_path / "memory" / CASE / "outputs/partial/progress.yaml").read_text())["clocks"]
    limit = next(c["due"] for c in clocks if (c["kind"], c["task"]) == ("resolution", None))
    assert limit == "2026-12-02T00:00:00Z"  # the end of that day, on a calendar that never closes


@pytest.mark.spec("EXE-17")
@pytest.mark.parametrize(
    ("said", "kind", "to"),
    [
        ("scope unclear: is the EU included?", "scope_ambiguity", "planner"),
        ("The requirements are unclear, clarification needed.", "scope_ambiguity", "planner"),
        ("the data of the customer is unclear", "missing_information", "customer-success-manager"),
        ("unclear which log is meant", "missing_information", "customer-success-manager"),
    ],
)
def test_what_is_unclear_is_told_by_what_it_is_said_of(act, said, kind, to):
    """Who does not know his scope asks the planner, also where he says `unclear`."""
    files = one(assigned_to=ENGINEER) | {f"{INBOX}/planner/.gitkeep": ""}
    got = act(files, [says("+1m", "blocked", description=said)])
    (asked,) = [line for line in got.lines if line["name"] == "ask blocker T1 #1"]
    assert asked["to"] == to
    assert status_of(got.root)["blockers"][0]["kind"] == kind


@pytest.mark.spec("EXE-25", "MSG-1", "MSG-6")
@pytest.mark.parametrize(
    ("names", "code"),
    [({"task_id": "T1"}, "MSG-1"), ({"task_id": "T77"}, "MSG-1"), ({"agent": "nobody-x"}, "MSG-6")],
)
def test_a_pause_of_what_cannot_be_paused_pauses_nothing(act, names, code):
    """Not everything, because no instruction is named; nor a name that nobody has, as if it were done."""
    pause = {"write": f"{INBOX}/executor/p.yaml", "content": {"type": "pause", "from": "support-manager", **names}}
    got = act(one(assigned_to=ENGINEER), [{"at": "+1m", **pause}])
    assert [reason["code"] for reason in got.reasons()] == [code]
    assert not got.lies(f"{INBOX}/executor/.paused.yaml")


@pytest.mark.spec("EXE-25")
def test_all_is_everything_also_where_an_agent_stands(act):
    """As on the command line."""
    pause = {"type": "pause", "from": "support-manager", "agent": "all"}
    got = act(one(assigned_to=ENGINEER), [{"at": "+1m", "write": f"{INBOX}/executor/p.yaml", "content": pause}])
    assert got.read(f"{INBOX}/executor/.paused.yaml")["all"]["by"] == "support-manager"


@pytest.mark.spec("DEL-2", "CON-14")
def test_a_list_of_components_may_name_each_beside_its_content(act):
    """As others write lists: `name` and `content`, also where that is a file; what holds no content brings none."""
    given = [
        {"root_cause_analysis": "the pool ran out"},
        {"name": "resolution_steps", "content": ["restart", "raise the limit"]},
        {"component": "Preventive Measures", "description": "an alert at 80 %", "status": "done"},
        {"name": "knowledge_base_article", "path": "outputs/partial/T1/kb.md"},
        {"name": "follow_up_plan", "status": "done"},
    ]
    steps = [
        {"at": "+1m", "write": "a/outputs/partial/T1/kb.md", "text": "# How it is mended\nRestart it.\n"},
        says("+2m", "completion", summary="mended", components=given, output="mended"),
    ]
    got = act(one(assigned_to=ENGINEER), steps)
    assert got.names("request") == ["request component follow_up_plan #1"]


@pytest.mark.spec("SLA-10", "SLA-12")
@pytest.mark.parametrize("heard", [True, False], ids=["told once", "never told"])
@pytest.mark.parametrize("priority", ["low", "critical"])
def test_a_silence_is_recorded_at_its_instant_whatever_the_priority_became_while_the_daemon_was_down(
    act, priority, heard
):
    """A day passes without an update, and the priority changes after it: up or down, the record is the same."""
    files = one(assigned_to=ENGINEER)
    files["a/instruction.yaml"] |= {"priority": "high", "customer": {"name": "Acme"}, "created_at": START}
    steps = [
        says("+5m", "customer_update", "customer-success-manager", None, **FIVE, next_update_at="2026-11-20T12:00:00Z"),
        says("+10h", "priority_change", "support-manager", None, priority=priority),
    ][0 if heard else 1 :]
    name = "breach customer_update #2" if heard else "breach customer_update #1"
    want = "2026-11-20T12:00:00Z" if heard else "2026-11-20T13:00:00Z"  # promised; the limit of the first
    got = act(files, [*steps, {"at": "+10m", "down_until": "+11h"}])
    (line,) = [line for line in got.lines if line["name"] == name]
    assert line["due"] == want


@pytest.mark.spec("SLA-10", "SLA-12", "SLA-22")
@pytest.mark.parametrize("down", [True, False])
def test_more_time_that_is_agreed_too_late_leaves_it_breached(act, down):
    """The limit passes, then the customer agrees to a later one: recorded at the limit, also where both were missed."""
    files = one(assigned_to=ENGINEER)
    files["a/instruction.yaml"] |= {"created_at": START, "sla_resolution": "2 hours", "customer": {"name": "Acme"}}
    given = {"approved_by": "Acme", "reason": "agreed", "new_limit": "30 hours"}
    steps = [
        says("+3h", "sla_extension", "customer-success-manager", None, **given),
        *([{"at": "+10m", "down_until": "+4h"}] if down else []),
    ]
    got = act(files, steps)
    found = {line["name"].split("#")[0]: line["due"] for line in got.lines if line["name"].startswith("breach res")}
    assert found["breach resolution "] == found["breach resolution T1 "] == "2026-11-20T11:00:00Z"
    clocks = got.read("a/outputs/partial/progress.yaml")["clocks"]
    assert {c["state"] for c in clocks if c["kind"] == "resolution"} == {"breached"}


@pytest.mark.spec("SLA-10", "SLA-12", "MSG-11")
@pytest.mark.parametrize("down", [True, False])
def test_a_silence_before_the_end_is_recorded_after_it(act, down):
    """Overdue at 12:00, cancelled at 13:00: the same record whether the daemon was there or not, and no reminder."""
    files = one(assigned_to=ENGINEER)
    files["a/instruction.yaml"] |= {"created_at": START, "customer": {"name": "Acme"}}
    steps = [
        says("+5m", "customer_update", "customer-success-manager", None, **FIVE, next_update_at="2026-11-20T12:00:00Z"),
        says("+4h", "cancel", "support-manager", None, reason="not needed"),
        *([{"at": "+10m", "down_until": "+5h"}] if down else []),
    ]
    got = act(files, steps)
    (line,) = [line for line in got.lines if line["name"] == "breach customer_update #2"]
    assert line["due"] == "2026-11-20T12:00:00Z"
    assert bool([line for line in got.lines if line["name"] == "remind update #2"]) is not down
