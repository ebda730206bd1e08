"""Files as agents, people and ticket tools really write them: what is understood is understood rightly, and what is
not understood, and changes what happens, is said [MEM-4, MEM-7, MSG-1]."""

from __future__ import annotations

import json
from typing import Any

import pytest

from executord.rules.mail import ODD_SHOWN
from executord.views.overview import status_report
from tests.calls import say
from tests.stories.delivery import TICKET
from tests.stories.kit import CASE, INBOX, Stage
from tests.test_outside import ENGINEER, PENDING, act, one, says, state_of, status_of

__all__ = ["act"]
BOX = f"{INBOX}/executor"
LATE = {"at": "+2m", "write": f"{PENDING}/T2.yaml", "content": {"id": "T2", "title": "api error"}}


def broad() -> dict[str, Any]:
    """An instruction of one task, whose others start at once."""
    files = one()
    files["a/instruction.yaml"]["tier"] = 3
    return files


def drops(at: str, **body: Any) -> dict[str, Any]:
    """The step that drops a message of exactly these keys."""
    return {"at": at, "write": f"{BOX}/{at.strip('+')}.yaml", "content": body}


def clock_of(root: Any, kind: str, task: str | None) -> dict[str, Any]:
    """A clock, as `status` shows it."""
    return next(c for c in status_of(root)["clocks"] if (c["kind"], c["task"]) == (kind, task))


def status_with(stage: Stage) -> dict[str, Any]:
    """What the daemon of a stage says of its case, by its own configuration."""
    assert stage.service is not None
    report: dict[str, Any] = status_report(stage.service, stage.now)["instructions"][0]
    return report


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("MEM-7", "EXE-1", "MEM-13")
@pytest.mark.parametrize(
    "keys",
    [
        ("taskId", "Title", "assignedTo", "dependsOn", "dueDate"),
        ("Task ID", "TITLE", "Assigned To", "Depends On", "Due Date"),
        ("task-id", "title", "assigned-to", "depends-on", "due-date"),
        ("TaskID", "Title", "AssignedTo", "DEPENDS_ON", "duedate"),
    ],
)
def test_keys_in_other_letters_are_read_and_said(act, keys):
    """Of a task, whoever spelled it: its id, agent, dependencies and limit are what it says."""
    task = dict(zip(keys, ("T2", "write it up", "technical-writer", ["T1"], "2026-11-25T17:00:00Z"), strict=True))
    got = act(one() | {f"{PENDING}/second.yaml": task}, [says("+1h", "completion", summary="s", output="o")])
    found = state_of(got.root, "T2")
    assert (found["agent"], found["title"]) == ("technical-writer", "write it up")
    assert clock_of(got.root, "resolution", "T2")["due"] == "2026-11-25T17:00:00Z"
    said = {f["fix"] for f in got.end["findings"] if "is read as" in f["message"]}
    plain = ("task_id", "title", "assigned_to", "depends_on", "due_date")
    assert said == {f"write {p}" for k, p in zip(keys, plain, strict=True) if k != p}


@pytest.mark.spec("CON-2", "MEM-7", "INC-1", "SLA-22")
def test_an_instruction_in_other_letters_is_the_same_instruction(act):
    """Also wrapped: its customer with his contact, its tier and type, and that it is an incident."""
    instruction = {
        "Title": "Checkout fails", "Priority": "Critical", "complexityTier": "Tier 4", "Incident": "yes",
        "deliverableType": "Ticket Resolution", "createdAt": "2026-11-20T08:00:00Z",
        "Customer": {"Name": "Acme", "contactEmail": "ops@acme.example"},
    }  # fmt: skip
    got = act(one() | {"a/instruction.yaml": {"Instruction": instruction}})
    found = status_of(got.root)
    assert (found["title"], found["priority"], found["tier"]) == ("Checkout fails", "critical", 4)
    assert got.lies("a/outputs/partial/incident.yaml")
    (request,) = (m for m in got.letters("customer-success-manager") if m["type"] == "customer_update_request")
    assert "ops@acme.example" in str(request)


@pytest.mark.spec("MEM-7", "MEM-13")
@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("asigned_to: technical-writer", "write assigned_to"),
        ("dependancies: [T0]", "write dependencies"),
        ("prioritty: critical", "write priority"),
        ("resolve_by: 2026-11-25", "write sla_resolution"),
        ("effort: 4 hours", "write estimated_effort"),
        ("sla: 4 hours", "write sla_resolution or sla_response, or sla: {response: …, resolution: …}"),
        ("sla: {first_response: 1 hour, resolution: 4 hours}", "write sla.response"),
    ],
)
def test_a_key_that_only_looks_like_one_is_named_with_the_right_one(act, line, fix):
    """It is not guessed; `validate` and `status` name its line."""
    files = one() | {f"{PENDING}/T1.yaml": f"id: T1\ntitle: api error\n{line}\n"}
    (found,) = act(files).end["findings"]
    assert (found["severity"], found["line"], found["fix"]) == ("warning", 3, fix)


@pytest.mark.spec("MEM-7", "EXE-1")
def test_keys_of_other_things_are_nobody_s_business(act):
    """What is near no known key is kept and not spoken of, so that what is said is worth reading."""
    extra = dict.fromkeys(
        ("notes", "status", "created_by", "updated_at", "required", "assigner", "resolution", "response", "ticket_url",
         "product", "channel", "history", "references", "environment", "steps_to_reproduce", "version", "metadata"),
        "x",
    )  # fmt: skip
    assert act(one(**extra)).end["findings"] == []


@pytest.mark.spec("EXE-1", "EXE-4")
def test_a_plan_with_its_tasks_in_one_text_or_in_other_letters(act):
    """`tasks: T1, T2` lists two tasks, in that order."""
    files = one() | {f"{PENDING}/T2.yaml": {"id": "T2", "title": "api error"}}
    got = act(files | {"a/workflow/plan.yaml": {"Plan": {"Tier": 2, "Tasks": "T2, T1"}}})
    assert [t["id"] for t in status_of(got.root)["tasks"]] == ["T2", "T1"]


@pytest.mark.spec("EXE-1", "MEM-13")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tasks: 2", "'2' is no list of tasks"),
        ("deadline: 2026-12-01", "'deadline' is no key that is read"),
        ("dependencies: {T2: [T1]}", "'dependencies' is no key that is read"),
        ("execution_order: [[T1], [T2]]", "'execution_order' is no key that is read"),
        ("agentAssignments: {T1: technical-writer}", "'agentAssignments' is no key that is read"),
        ("phases: [{phase: a, task_ids: [T1]}]", "phase 1 does not say which tasks are in it: it holds nothing back"),
        ("phases: [diagnose]", "phase 1 does not say which tasks are in it: it holds nothing back"),
        ("phases: {diagnose: {duration: 2 days}}", "phase 1 does not say which tasks are in it: it holds nothing back"),
    ],
)
def test_what_a_plan_says_in_vain_is_said(act, line, said):
    """Nobody waits for a limit that nobody reads."""
    (found,) = act(one() | {"a/workflow/plan.yaml": f"tier: 1\n{line}\n"}).end["findings"]
    assert (found["message"], found["line"]) == (said, 2)


@pytest.mark.spec("MSG-1", "CON-12", "DEL-2")
@pytest.mark.parametrize("keys", [("taskId", "instructionId", "Summary"), ("Task ID", "Instruction-ID", "summary")])
def test_a_message_in_other_letters_is_the_same_message(act, keys):
    """A claim with its components: taken for the task it names, its result and its deliverable hold what it says."""
    task, instruction, summary = keys
    claim = {
        "Type": "Completion", "From": ENGINEER, instruction: "a", task: "T1", summary: "it is done", "Output": {"x": 1},
        "Components": {"rootCauseAnalysis": "nobody knew", "Resolution Steps": "restart"},
    }  # fmt: skip
    files = one() | {f"{PENDING}/T2.yaml": {"id": "T2", "title": "api error", "assigned_to": ENGINEER}}
    got = act(files, [drops("+10m", **claim)])
    result = got.read("a/outputs/partial/T1.yaml")
    assert (result["summary"], result["output"]) == ("it is done", {"x": 1})
    assert result["components"] == claim["Components"]
    assert state_of(got.root, "T2")["state"] == "assigned"


@pytest.mark.spec("MSG-1")
@pytest.mark.parametrize(("key", "meant"), [("taks_id", "task_id"), ("instuction_id", "instruction_id")])
def test_a_message_whose_task_is_misspelled_is_not_taken_for_another(act, key, meant):
    """Its sender has one other open task: nothing is guessed, and he is told the right key."""
    body = {"type": "completion", "from": ENGINEER, key: "T9", "summary": "s", "output": "o"}
    got = act(one(), [drops("+10m", **body)])
    assert state_of(got.root, "T1")["state"] == "assigned"
    (reason,) = got.reasons()
    assert (reason["code"], reason["fix"]) == ("MSG-1", f"write {meant}")
    assert any(m["type"] == "rejection" for m in got.letters(ENGINEER))


@pytest.mark.spec("EXE-25", "MSG-1")
@pytest.mark.parametrize("kind", ["pause", "resume"])
@pytest.mark.parametrize("names", [{"team": "billing"}, {"until": "2026-11-21"}, {"agnet": ENGINEER}, {"case": "a"}])
def test_a_pause_with_a_key_that_is_not_read_is_none_of_everything(act, kind, names):
    """It may be about less than everything, or for a while only: it is refused, and what was holds on."""
    steps = [{"at": "+1m", "write": f"{BOX}/{kind}.yaml", "content": {"type": kind, "from": "operator", **names}}]
    if kind == "resume":
        steps.insert(0, drops("+30s", type="pause", **{"from": "operator"}, reason="stocktaking"))
    got = act(broad(), [*steps, LATE])
    assert state_of(got.root, "T2")["state"] == ("assigned" if kind == "pause" else "ready")
    (reason,) = got.reasons()
    assert reason["code"] == "MSG-1"
    assert repr(next(iter(names))) in reason["reason"]


@pytest.mark.spec("EXE-25")
@pytest.mark.parametrize(
    "more", [{}, {"target": "all"}, {"scope": "everything"}, {"Reason": "stocktaking", "to": "executor"}]
)
def test_a_pause_of_everything_may_say_so(act, more):
    """With a reason, an envelope, or the word itself."""
    pause = drops("+1m", type="pause", **{"from": "operator"}, **more)
    got = act(broad(), [pause, LATE])
    assert (state_of(got.root, "T2")["state"], got.reasons()) == ("ready", [])


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("MEM-4", "MEM-9", "SLA-3")
@pytest.mark.parametrize(
    "text",
    ["Nov 25, 2026 5:00 PM UTC", "Wed, 25 Nov 2026 17:00:00 +0000", "25.11.2026 17:00", "2026/11/25 17:00 UTC",
     1795626000, "1795626000", 1795626000000],
)  # fmt: skip
def test_a_deadline_in_every_usual_form(act, text):
    """It is a limit, and nothing is found."""
    got = act(one(deadline=text))
    assert clock_of(got.root, "resolution", "T1")["due"] == "2026-11-25T17:00:00Z"
    assert got.end["findings"] == []


@pytest.mark.spec("MSG-10", "MEM-4")
@pytest.mark.parametrize(
    "text", [1795600200, "1795600200.5", "Fri Nov 20 09:30:00 UTC 2026", "Fri, 20 Nov 2026 09:30:00 +0000"]
)
def test_a_message_counts_from_the_time_that_its_program_writes(act, text):
    """`time.time()`, `date`, a mail's date: not from when its file was found."""
    if isinstance(text, int) or text[0].isdigit():
        text = type(text)(float(text) - 1795600200 + 1795167000)
    got = act(one(), [says("+1h", "completion", summary="s", output="o", timestamp=text)])
    assert got.read("a/outputs/partial/T1.yaml")["claimed_at"].startswith("2026-11-20T09:30:00")


UPDATE = {"status": "s", "next_steps": "n", "blockers": "none", "expect_next": "e", "contact": "c"}


@pytest.mark.spec("SLA-13", "SLA-21", "CON-12")
@pytest.mark.parametrize(
    ("said", "due"),
    [
        ("4 hours", "2026-11-20T13:10:00Z"),
        ("in 90 minutes", "2026-11-20T10:40:00Z"),
        ("PT4H", "2026-11-20T13:10:00Z"),
        ("Nov 20, 2026 3 PM UTC", "2026-11-20T15:00:00Z"),
    ],
)
def test_a_promise_to_the_customer_may_be_a_span(tmp_path, said, due):
    """Counted from the update that makes it; `update-001.yaml` and `status` name the moment."""
    stage = Stage(tmp_path / "memory", {})
    stage.case({"T1": "api error"}, customer={"name": "Acme", "contact": "ops@acme.example"})
    stage.at("09:10").drop("customer_update", "customer-success-manager", **UPDATE, nextUpdateAt=said)
    stage.at("09:11")
    assert status_of(tmp_path / "memory")["next_update"]["due"] == due
    assert stage.read(f"{CASE}/outputs/partial/update-001.yaml")["next_update_at"] == due


@pytest.mark.spec("SLA-9", "CON-8")
@pytest.mark.parametrize("said", ["4 hours", "4h", 4, "2026-11-20 13:10 UTC"])
def test_an_eta_may_be_a_span(tmp_path, said):
    """From the message on: that is how people say it."""
    stage = Stage(tmp_path / "memory", {})
    stage.case({"T1": "api error"})
    stage.at("09:10").drop("acknowledgement", ENGINEER, "T1", eta=said)
    stage.at("09:11")
    assert state_of(tmp_path / "memory", "T1")["eta"] == "2026-11-20T13:10:00Z"


@pytest.mark.spec("MEM-13", "SLA-13", "MSG-10", "EXE-29")
def test_what_of_a_message_is_not_understood_is_told_to_its_sender_once(tmp_path):
    """It is taken all the same; the notice names the field, what counts instead, and how to write it."""
    stage = Stage(tmp_path / "memory", {})
    stage.case({"T1": "api error"}, customer={"name": "Acme", "contact": "ops@acme.example"})
    liaison, box = "customer-success-manager", tmp_path / f"memory/{INBOX}"
    for minute in ("09:10", "09:20"):
        stage.at(minute).drop("customer_update", liaison, **UPDATE, next_update_at="tomorrow")
        stage.drop("progress", ENGINEER, "T1", eta="11/20/2026", timestamp="noon")
    stage.at("09:21")
    told = {
        who: [p for p in (box / who).glob("*.notice*.yaml") if "is taken, but" in p.read_text()]
        for who in (liaison, ENGINEER)
    }
    assert [len(paths) for paths in told.values()] == [1, 1]
    assert (
        "next_update_at: 'tomorrow' is not a time: the next update is due as without it" in told[liaison][0].read_text()
    )
    text = " ".join(told[ENGINEER][0].read_text().split())
    assert "timestamp: 'noon' is not a time: the time of its file counts" in text
    assert "eta: '11/20/2026' is not a time: it is not known by when it will be done" in text
    stage.restart()
    stage.sound()


@pytest.mark.spec("MEM-7", "MEM-13", "MSG-5")
@pytest.mark.parametrize(
    ("kind", "sender", "key", "meant"),
    [
        ("completion", ENGINEER, "componets", "components"),
        ("progress", ENGINEER, "expected_completition", "expected_completion"),
        ("blocked", ENGINEER, "blocker_tpye", "blocker_type"),
        ("reassign", "support-manager", "asigned_to", "assigned_to"),
        ("incident", "support-manager", "severty", "severity"),
        ("acknowledgement", ENGINEER, "timestmap", "timestamp"),
    ],
)
def test_a_misspelled_key_of_a_message_is_told_to_its_sender(act, kind, sender, key, meant):
    """What it holds is not read, and the message means something else without it."""
    got = act(one(), [says("+10m", kind, sender, summary="s", output="o", description="d", **{key: "x"})])
    (told,) = (m["text"] for m in got.letters(sender) if m["type"] == "notice" and "is taken, but" in m["text"])
    assert f"{key}: it is no key that is read; write {meant}" in told


@pytest.mark.spec("MEM-7", "REL-12")
def test_of_many_slips_in_one_message_some_are_told(act):
    """A program that gets hundreds of keys wrong fills no inbox."""
    slips = {f"components{letter}{other}": 1 for letter in "abcdefghij" for other in "abcdefghij"}
    got = act(one(assigned_to=ENGINEER), [says("+1m", "completion", summary="s", output="o", **slips)])
    (told,) = (m["text"] for m in got.letters(ENGINEER) if m["type"] == "notice" and "is taken, but" in m["text"])
    assert told.count("write components") == ODD_SHOWN
    assert told.endswith(f"; and {len(slips) - ODD_SHOWN} more")


@pytest.mark.spec("SLA-9", "MEM-13")
@pytest.mark.parametrize("said", ["soon", "unknown", "TBD", None])
def test_words_that_mean_no_time_are_no_fault(act, said):
    """Nobody is told off for `eta: soon`."""
    got = act(one(), [says("+10m", "progress", eta=said)])
    assert all(m["type"] != "notice" for m in got.letters(ENGINEER))


@pytest.mark.spec("MEM-7", "EXE-13")
@pytest.mark.parametrize("said", [["customer", "internal"], "customer, internal", "Customer and internal"])
def test_who_hears_of_it_may_be_a_list(act, said):
    """Both, however they are listed."""
    got = act(one(communication_required=said))
    given = next(m for m in got.letters(ENGINEER) if m["type"] == "delegation")
    assert (given["communication"]["required"], got.end["findings"]) == ("both", [])


@pytest.mark.spec("CON-2", "CON-3")
@pytest.mark.parametrize("tags", ["vip, eu", "vip; eu", ["vip", "eu"], "- vip\n- eu\n"])
def test_tags_in_one_text_are_tags(tmp_path, tags):
    """A policy for one of them counts."""
    stage = Stage(tmp_path / "memory", {"policies": ({"match": {"tags": ["eu"]}, "resolution": "3 hours"},)})
    stage.case({"T1": "api error"}, tags=tags)
    stage.look()
    found = next(c for c in status_with(stage)["clocks"] if (c["kind"], c["task"]) == ("resolution", None))
    assert found["due"] == "2026-11-20T11:50:00Z"


# --- files ------------------------------------------------------------------------------------------------------------

TASK = "id: T1\ntitle: api error\nassigned_to: technical-writer\n"


@pytest.mark.spec("MEM-6", "MEM-13")
@pytest.mark.parametrize(
    ("text", "title"),
    [
        (f"Here is the task you asked for:\n\n```yaml\n{TASK}```\n\nLet me know: I can add more!\n", "api error"),
        (f"```\n{TASK}```\nDone.\n", "api error"),
        (TASK.replace("api error", "[URGENT] login fails"), "[URGENT] login fails"),
        (TASK.replace("api error", "[Bug](https://x.example/1): login"), "[Bug](https://x.example/1): login"),
        (TASK.replace("api error", "{{ product }} is down"), "{{ product }} is down"),
        (TASK.replace("api error", "*critical* api error"), "*critical* api error"),
        (TASK.replace("api error", "- api error"), "- api error"),
        (TASK.replace("api error", "| api error"), "| api error"),
        (TASK.replace(": ", ":\u00a0"), "api error"),
        (f"task:\n{''.join(f'  {line}' for line in TASK.splitlines(True))}".replace("  ", "\u00a0\u00a0"), "api error"),
    ],
)
def test_what_surrounds_yaml_and_what_begins_a_text(act, text, title):
    """Prose and a fence, as models write them; brackets and stars, as ticket tools do; blanks as in copied text."""
    got = act(one() | {f"{PENDING}/T1.yaml": text})
    found = state_of(got.root, "T1")
    assert (found["title"], found["agent"]) == (title, "technical-writer")
    assert got.end["findings"]
    assert {(f["code"], f["severity"]) for f in got.end["findings"]} == {("MEM-6", "warning")}


@pytest.mark.spec("MEM-6", "MEM-11")
@pytest.mark.parametrize(
    "text",
    [
        "id: T1\ntitle: run this\n```yaml\nrm: everything\n```\n",  # the block is a part of it
        "```yaml\nid: T1\ntitle: one\n```\n```yaml\nid: T2\ntitle: two\n```\n",  # which one?
        "See:\n```bash\nid: T1\n```\n",
        "```yaml\nid: T1\ntitle: cut off in the mid",
    ],
)
def test_a_block_that_may_not_be_the_whole_is_not_taken_for_it(act, text):
    """It is held, and its fix speaks of Markdown."""
    got = act(one() | {f"{PENDING}/T1.yaml": text})
    assert state_of(got.root, "T1")["state"] == "held"
    assert any("Markdown" in (f["fix"] or "") for f in got.end["findings"])


@pytest.mark.spec("MEM-3")
def test_a_task_file_may_end_in_capitals(act):
    """As some systems write it."""
    got = act({"a/instruction.yaml": {"title": "X"}, f"{PENDING}/T1.YAML": TASK})
    assert state_of(got.root, "T1")["agent"] == "technical-writer"


@pytest.mark.spec("MEM-3", "CON-8")
@pytest.mark.parametrize("name", ["T2.json", "T2.yaml.txt", "T2"])
def test_a_file_among_the_tasks_that_is_none_is_said(act, name):
    """To the planner once, and by `status`; not of notes and lists."""
    files = one() | {f"{PENDING}/{name}": '{"id": "T2"}', f"{PENDING}/notes.md": "x", f"{PENDING}/T9.yaml.part": "x"}
    got = act(files, [{"at": "+1h", "restart": True}])
    (told,) = (m for m in got.letters("planner") if m["type"] == "notice")
    assert [row["path"] for row in told["faults"]] == [f"{PENDING}/{name}"]
    assert [p["path"] for p in status_of(got.root)["problems"]] == [f"{PENDING}/{name}"]


@pytest.mark.spec("MEM-3", "MEM-1", "CON-8")
@pytest.mark.parametrize(
    ("path", "fix"),
    [
        ("tasks/T2.yaml", "put tasks into tasks/pending/"),
        ("tasks/todo/T2.yaml", "put tasks into tasks/pending/"),
        ("plan.yaml", "write into workflow/plan.yaml what is to count"),
        ("workflow/plan.json", "write into workflow/plan.yaml what is to count"),
        ("instructions.yaml", "write into instruction.yaml what is to count"),
    ],
)
def test_a_file_where_nobody_reads_it_is_said(act, path, fix):
    """It looks like one of an instruction's own files; the planner hears where those are."""
    got = act(one() | {f"a/{path}": {"id": "T2"}})
    (told,) = (m for m in got.letters("planner") if m["type"] == "notice")
    (row,) = told["faults"]
    assert (f"a/{path}".startswith(row["path"]), row["fix"]) == (True, fix)


@pytest.mark.spec("MEM-7", "MEM-11")
@pytest.mark.parametrize("tasks", [[{"id": "T1"}, {"id": "T2"}], {"T1": {"title": "x"}}])
def test_a_list_of_tasks_in_a_task_s_file_is_no_task(act, tasks):
    """Nobody is given a task without a word; the planner is told what to do."""
    got = act({"a/instruction.yaml": {"title": "X"}, f"{PENDING}/tasks.yaml": {"tasks": tasks}})
    assert got.names("assign") == []
    assert "put each task into a file of its own" in str(got.letters("planner"))


@pytest.mark.spec("MEM-11", "EXE-4", "QUA-2")
@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "title: [not closed\n"], ids=["empty", "comment", "unreadable"]
)
@pytest.mark.parametrize("when", [None, "+10m"], ids=["from the start", "by an edit"])
def test_a_case_whose_instruction_says_nothing_is_not_handed_off(act, text, when):
    """It goes on with priority medium, but who knows whether a customer waits for his update? A decision frees it, and
    so does the file when it can be read again."""
    files = one() | {"a/instruction.yaml": text if when is None else {"title": "X", "tier": 1, "customer": "Acme"}}
    steps: list[dict[str, Any]] = [] if when is None else [{"at": when, "write": "a/instruction.yaml", "text": text}]
    task = {"communication_required": "internal"}
    files[f"{PENDING}/T1.yaml"] = {**files[f"{PENDING}/T1.yaml"], **task}
    steps.append(says("+1h", "completion", summary="s", output="o", components=TICKET))
    got = act(files, steps)
    assert not got.lies("a/outputs/final/handoff.yaml")
    assert any("is not handed off: nobody knows of a customer" in str(m) for m in got.letters("planner"))
    asked = [m for m in got.letters("support-manager") if m["type"] == "escalation"]
    assert any("nobody knows of a customer" in str(m) and "waive" in str(m) for m in asked)


@pytest.mark.spec("MEM-11", "QUA-5")
@pytest.mark.parametrize("how", ["mended", "waived"])
def test_and_goes_on_when_it_can_be_read_again_or_is_waived(tmp_path, how):
    """The file is mended; or support-manager lets the standard pass."""
    stage = Stage(tmp_path / "memory", {})
    stage.lay(f"{CASE}/instruction.yaml", "# to be written\n")
    stage.lay(f"{CASE}/tasks/pending/T1.yaml", {"id": "T1", "title": "api error"})
    stage.at("09:10").done(ENGINEER, "T1", components=TICKET)
    stage.at("09:20")
    asked = f"{INBOX}/support-manager"
    assert any("nobody knows of a customer" in p.read_text() for p in (tmp_path / "memory" / asked).glob("*.yaml"))
    if how == "mended":
        stage.put(f"{CASE}/instruction.yaml", {"title": "X"})
    else:
        stage.drop("waive", "support-manager", standard=2, reason="it was a test")
    stage.at("09:30")
    assert stage.read(f"{CASE}/outputs/final/handoff.yaml")["gate"][1]["result"] == (
        "pass" if how == "mended" else "waived"
    )


@pytest.mark.spec("EXE-1", "EXE-23", "DEL-6")
def test_tier_and_type_that_are_edited_count_where_no_plan_says_them(act):
    """What has not been dispatched follows them; a guess stays a guess."""
    files = one() | {f"{PENDING}/T{n}.yaml": {"id": f"T{n}", "title": "api error"} for n in (2, 3)}
    edit = {
        "at": "+1h",
        "write": "a/instruction.yaml",
        "content": {"title": "X", "tier": 3, "template": "training_program"},
    }
    got = act(files, [edit])
    assert got.names("replan") == ["replan a #1"]
    found = status_of(got.root)
    assert (found["tier"], found["deliverable_type"]) == (3, "training_program")
    assert {t["state"] for t in found["tasks"]} == {"assigned"} or "assign T2 a1" in got.names("assign")


@pytest.mark.spec("DEL-6", "MEM-13")
@pytest.mark.parametrize("path", ["a/instruction.yaml", "a/workflow/plan.yaml"])
def test_a_type_of_deliverable_that_there_is_not_is_said(act, path):
    """The guess is stated, and the line that it comes from named."""
    files = one() | {path: "tier: 1\ndeliverable_type: ticket_resolutoin\n"}
    (found,) = (f for f in act(files).end["findings"] if f["code"] == "DEL-6")
    assert (found["path"], found["line"], found["severity"]) == (path, 2, "warning")


@pytest.mark.spec("MSG-5", "MEM-26", "CON-8")
def test_a_message_that_somebody_has_open_is_listed_until_he_closes_it(tmp_path):
    """It waits for its file to be complete, and `status` says so."""
    stage = Stage(tmp_path / "memory", {})
    stage.case({"T1": "api error"})
    stage.look()
    path = tmp_path / f"memory/{BOX}/slow.yaml"
    with path.open("w") as file:
        file.write("type: ack\n")
        file.flush()
        report = json.loads(say("--memory", tmp_path / "memory", "--json", "status").stdout)
        assert report["left_alone"] == [f"{BOX}/slow.yaml"]
    assert json.loads(say("--memory", tmp_path / "memory", "--json", "status").stdout)["left_alone"] == []


# --- what messages hold -----------------------------------------------------------------------------------------------


@pytest.mark.spec("EXE-13", "QUA-1")
@pytest.mark.parametrize(
    "outputs",
    [
        "outputs/partial/T1/a.md, outputs/partial/T1/b.md",
        "outputs/partial/T1/a.md\noutputs/partial/T1/b.md\n",
        "- outputs/partial/T1/a.md\n- outputs/partial/T1/b.md\n",
    ],
)
def test_files_listed_in_one_text_are_files(act, outputs):
    """With commas, or a line each: each is looked at and stands in the result."""
    files = one() | {f"a/outputs/partial/T1/{name}.md": "x\n" for name in ("a", "b")}
    got = act(files, [says("+10m", "completion", summary="s", outputs=outputs)])
    found = got.read("a/outputs/partial/T1.yaml")["files"]
    assert [f["path"] for f in found] == ["outputs/partial/T1/a.md", "outputs/partial/T1/b.md"]


UPDATE_TEXT = "Status: found\nNext steps: a fix\nBlockers: none\nWhat you can expect next: news at noon\nContact: us\n"


@pytest.mark.spec("SLA-15", "EXE-13")
@pytest.mark.parametrize(
    "text", [UPDATE_TEXT, UPDATE_TEXT.replace("Contact: us\n", "")], ids=["whole", "without contact"]
)
def test_an_update_in_a_claim_may_be_a_text_with_headings(act, text):
    """As a message of its own may be; what it lacks is named."""
    files = one(communication_required="customer")
    files["a/instruction.yaml"]["customer"] = "Acme"
    got = act(files, [says("+10m", "completion", summary="s", output="o", customer_update=text)])
    if text == UPDATE_TEXT:
        assert got.read("a/outputs/partial/update-001.yaml")["expect_next"] == "news at noon"
    else:
        (rework,) = (m for m in got.letters(ENGINEER) if m["type"] == "rework_request")
        assert any("lacks contact" in point for point in rework["points"])


@pytest.mark.spec("EXE-25", "MEM-13")
@pytest.mark.parametrize(
    ("kind", "key", "said"),
    [
        ("hold", "until", "it ends with release, at the latest after 72 hours"),
        ("defer", "until", "what is deferred has ended; retry opens it again, hold only puts it off"),
        ("pause", "for", "it ends with resume"),
    ],
)
def test_an_end_that_does_not_come_by_itself_is_said(act, kind, key, said):
    """Who asks for one is told how it ends."""
    task = None if kind == "pause" else "T1"
    got = act(one(), [says("+10m", kind, "support-manager", task, reason="the customer is away", **{key: "2 days"})])
    (told,) = (
        m["text"] for m in got.letters("support-manager") if m["type"] == "notice" and "is taken, but" in m["text"]
    )
    assert f"{key}: it is not read: {said}" in told


@pytest.mark.spec("MSG-6", "EXE-10", "MEM-13")
def test_who_reassigns_to_a_name_that_nobody_has_is_told(act):
    """It goes to who can do it best, and not in silence; a name that is known is nothing to speak of."""
    steps = [
        says("+10m", "reassign", "support-manager", to="technical-writter"),
        says("+20m", "reassign", "support-manager", to="technical-writer"),
    ]
    got = act(one(), steps)
    (told,) = (
        m["text"] for m in got.letters("support-manager") if m["type"] == "notice" and "is taken, but" in m["text"]
    )
    assert "to: there is no agent 'technical-writter' here: it goes to who can do it best" in told


@pytest.mark.spec("MSG-3", "MEM-13")
def test_an_attempt_that_is_no_number_is_said(act):
    """The message counts for the attempt that its sender holds."""
    got = act(one(), [says("+10m", "progress", attempt="first", percent_complete=40)])
    (told,) = (m["text"] for m in got.letters(ENGINEER) if m["type"] == "notice")
    assert "attempt: 'first' is not a number of an attempt: your last one counts" in told


@pytest.mark.spec("DEL-2", "MEM-13")
def test_components_that_are_none_are_said(act):
    """A list of names, or JSON in a text: nothing of it becomes a part of the deliverable."""
    got = act(one(), [says("+10m", "completion", summary="s", output="o", components='{"resolution_steps": "x"}')])
    (told,) = (m["text"] for m in got.letters(ENGINEER) if m["type"] == "notice")
    assert "components: it names none" in told


@pytest.mark.spec("MEM-7", "MEM-8", "MEM-4", "EXE-10")
def test_words_with_what_people_put_around_them(act):
    """A mention, typographic quotes, an emoji behind a priority: the agent, the priority and the id that are meant."""
    text = "\u201cid\u201d: \u201cT1\u201d\ntitle: \u201capi error\u201d\n"
    text += "assigned_to: @technical-writer\npriority: URGENT!! \U0001f525\n"
    got = act(one() | {f"{PENDING}/T1.yaml": text})
    given = next(m for m in got.letters("technical-writer") if m["type"] == "delegation")
    assert (given["task"]["title"], given["priority"], given["instead_of"]) == ("api error", "critical", None)


@pytest.mark.spec("EXE-10", "MEM-7")
@pytest.mark.parametrize("word", ["unassigned", "none", "N/A", "nobody"])
def test_a_word_for_nobody_is_nobody_s_name(act, word):
    """The task goes to who can do it best, in place of no one."""
    (given,) = (m for m in act(one(assigned_to=word)).letters(ENGINEER) if m["type"] == "delegation")
    assert given["instead_of"] is None


@pytest.mark.spec("MEM-9", "MEM-13")
def test_a_number_of_hours_that_nobody_means_is_said(act):
    """Seconds, as programs write them: it counts as hours, and who wrote it can see that it does."""
    (found,) = act(one(sla_resolution=14400)).end["findings"]
    assert (found["severity"], found["message"]) == ("warning", "14400 is read as hours: 600 days")


@pytest.mark.spec("MEM-10", "CON-2", "SLA-13")
@pytest.mark.parametrize(
    "customer",
    ["{name: , contact: }", "{}", "TBD", "<customer>", "{customer_name}", '{name: "{name}", contact: x@y.example}'],
)
def test_a_customer_whom_nobody_filled_in_is_said_and_is_none(act, customer):
    """The planner hears of it; nobody owes updates to a template, and nothing is handed off as if there were nobody."""
    files = one() | {
        "a/instruction.yaml": f"title: X\ntier: 1\ncustomer: {customer}\ncreated_at: 2026-11-20T08:00:00Z\n"
    }
    got = act(files, [says("+1h", "completion", summary="s", output="o", components=TICKET)])
    assert all(m["type"] != "customer_update_request" for m in got.letters("customer-success-manager"))
    assert not got.lies("a/outputs/final/handoff.yaml")
    (told,) = (m for m in got.letters("planner") if m["type"] == "notice")
    assert "template not filled in: field customer" in told["text"]
    assert told["faults"][0]["line"] == 3


@pytest.mark.spec("CON-2")
@pytest.mark.parametrize("customer", ["none", "N/A", "internal", '""', "~"])
def test_a_word_for_no_customer_is_none(act, customer):
    """And nothing is said of it; it goes its way."""
    files = one() | {
        "a/instruction.yaml": f"title: X\ntier: 1\ncustomer: {customer}\ncreated_at: 2026-11-20T08:00:00Z\n"
    }
    got = act(files, [says("+1h", "completion", summary="s", output="o", components=TICKET)])
    assert got.end["findings"] == []
    assert got.lies("a/outputs/final/handoff.yaml")
