"""What an instruction or a task promises is edited on the way: that counts from the edit on, and judges nothing
that was before it [SLA-10, SLA-11, MEM-22]."""

from __future__ import annotations

from typing import Any

import pytest

from tests.test_outside import ENGINEER, FIVE, PENDING, Outcome, act, one, says, status_of

__all__ = ["act"]
PLAN = "a/workflow/plan.yaml"
LIAISON = "customer-success-manager"
WORK = [says(f"+{n}m", "progress", percent=1) for n in range(5, 1430, 10)]  # nobody is silent


def given(where: str, **promises: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The files of a case that promises this at its beginning, and the step that writes another promise."""
    files = one(assigned_to=ENGINEER)
    files["a/instruction.yaml"] |= {"priority": "high"}
    if where == "plan":
        was = {k: v for k, v in promises.items() if not k.startswith("then_")}
        then = was | {k.removeprefix("then_"): v for k, v in promises.items() if k.startswith("then_")}
        plans = [{"tier": 1, "tasks": [{"id": "T1", **said}]} for said in (was, then)]
        return files | {PLAN: plans[0]}, {"write": PLAN, "content": plans[1]}
    path = "a/instruction.yaml" if where == "instruction" else f"{PENDING}/T1.yaml"
    later = "a/instruction.yaml" if where == "instruction" else "a/tasks/in_progress/T1.yaml"
    written = files[path] | {k: v for k, v in promises.items() if not k.startswith("then_")}
    edit = {k.removeprefix("then_"): v for k, v in promises.items() if k.startswith("then_")}
    content = {k: v for k, v in (written | edit).items() if v is not None}
    return files | {path: written}, {"write": later, "content": content}


def breaches(got: Outcome) -> dict[str, str]:
    """What was late, and since when."""
    return {line["name"]: line["due"] for line in got.lines if line["name"].startswith("breach ")}


def clock_of(got: Outcome, kind: str, task: str | None = None) -> dict[str, Any]:
    """A clock, as `status` shows it at the end."""
    return next(c for c in status_of(got.root)["clocks"] if (c["kind"], c["task"]) == (kind, task))


@pytest.mark.spec("SLA-10", "MEM-22")
@pytest.mark.parametrize("where", ["instruction", "task", "plan"])
def test_an_answer_that_was_in_time_stays_in_time(act, where):
    """Acknowledged after 110 minutes of four hours; after six hours the file says one."""
    files, edit = given(where, sla_response="4 hours", then_sla_response="1 hour")
    got = act(files, [says("+110m", "acknowledgement"), *WORK[12:], {"at": "+6h", **edit}])
    assert not [name for name in breaches(got) if " response " in name]
    assert clock_of(got, "response", None if where == "instruction" else "T1")["state"] == "met"


@pytest.mark.spec("SLA-10", "MEM-22")
@pytest.mark.parametrize("where", ["instruction", "task", "plan"])
def test_work_that_was_done_in_time_stays_so(act, where):
    """Done after two hours of eight; then somebody tightens the limit to one."""
    files, edit = given(where, sla_resolution="8 hours", then_sla_resolution="1 hour")
    edit["write"] = edit["write"].replace("in_progress", "completed")
    done = says("+2h", "completion", summary="s", output="o")
    got = act(files, [*WORK[:11], done, {"at": "+3h", **edit}])
    assert not breaches(got)
    assert clock_of(got, "resolution", None if where == "instruction" else "T1")["state"] == "met"


@pytest.mark.spec("SLA-10", "SLA-11", "REL-8")
@pytest.mark.parametrize("where", ["instruction", "task", "plan"])
def test_a_limit_that_is_put_into_the_past_is_broken_from_the_edit_on(act, where):
    """Not from before anybody had promised it."""
    files, edit = given(where, sla_resolution="20 hours", then_sla_resolution="2 hours")
    got = act(files, [*WORK, {"at": "+6h", **edit}])
    late = breaches(got)
    assert late["breach resolution T1 #1"] == "2026-11-20T15:00:00Z"
    assert where != "instruction" or late["breach resolution #1"] == "2026-11-20T15:00:00Z"
    start = "2026-11-20T08:00:00Z" if where == "instruction" else "2026-11-20T09:00:00Z"
    clock = clock_of(got, "resolution", None if where == "instruction" else "T1")
    assert (clock["start"], clock["due"]) == (start, start.replace("T08", "T10").replace("T09", "T11"))


@pytest.mark.spec("SLA-10")
@pytest.mark.parametrize("where", ["instruction", "task", "plan"])
def test_a_limit_that_had_passed_is_not_met_by_an_edit(act, where):
    """Late after two hours; twenty hours that are written into the file then change nothing of it."""
    files, edit = given(where, sla_resolution="2 hours", then_sla_resolution="20 hours")
    down = [{"at": "+1h", "down_until": "+5h"}, {"at": "+4h", **edit}]
    got = act(files, [*WORK[:5], *down, *WORK[30:]])
    name = "breach resolution #1" if where == "instruction" else "breach resolution T1 #1"
    assert breaches(got)[name] == ("2026-11-20T10:00:00Z" if where == "instruction" else "2026-11-20T11:00:00Z")
    assert clock_of(got, "resolution", None if where == "instruction" else "T1")["state"] == "breached"


@pytest.mark.spec("SLA-22", "MEM-22")
def test_a_later_edit_takes_the_place_of_an_extension(act):
    """More time was agreed for the old limit; then the file names another one."""
    files, edit = given("instruction", sla_resolution="4 hours", then_sla_resolution="30 hours")
    more = says("+1h", "sla_extension", "support-manager", None, approved_by="ops@x.example", add="2 hours", reason="x")
    got = act(files, [*WORK, more, {"at": "+2h", **edit}])
    assert clock_of(got, "resolution")["due"] == "2026-11-21T14:00:00Z"


@pytest.mark.spec("SLA-10", "SLA-13", "SLA-14", "REL-8")
def test_a_customer_who_is_named_later_was_not_kept_waiting_before(act):
    """Named after six hours, whose response limit is four: his clocks are late from then on, and not before."""
    files, edit = given("instruction", then_customer={"name": "Acme", "contact": "ops@acme.example"})
    update = says("+370m", "customer_update", LIAISON, None, **FIVE)
    got = act(files, [says("+1m", "acknowledgement"), *WORK, {"at": "+6h", **edit}, update])
    late = breaches(got)
    assert late["breach response #1"] == "2026-11-20T15:00:00Z"
    assert all(at >= "2026-11-20T15:00:00Z" for name, at in late.items())
    (told,) = (m for m in got.letters(LIAISON) if m["type"] == "reminder")
    assert told["timestamp"] == "2026-11-20T15:00:00Z"


@pytest.mark.spec("SLA-10", "MEM-22")
def test_a_customer_who_is_named_in_time_is_answered_in_time(act):
    """Named after one hour, answered after two: within four."""
    files, edit = given("instruction", then_customer="Acme")
    update = says("+2h", "customer_update", LIAISON, None, **FIVE)
    got = act(files, [says("+1m", "acknowledgement"), *WORK, {"at": "+1h", **edit}, update])
    assert clock_of(got, "response")["state"] == "met"
    assert not [name for name in breaches(got) if "update" in name or "response" in name]


@pytest.mark.spec("MEM-11", "SLA-10")
def test_what_nobody_can_read_for_a_while_is_no_edit(act):
    """Broken and mended: no priority was changed, and no customer named anew."""
    files, edit = given("instruction", customer="Acme", sla_resolution="20 hours")
    broken = {"at": "+1h", "write": "a/instruction.yaml", "text": "title: [\n"}
    got = act(files, [*WORK, broken, {"at": "+2h", **edit}])
    assert not got.names("edit")
    assert clock_of(got, "resolution")["due"] == "2026-11-21T04:00:00Z"


MORE = {"approved_by": "ops@acme.example", "add": "12 hours", "reason": "the customer moves his cut-over"}


@pytest.mark.spec("SLA-11", "SLA-22")
@pytest.mark.parametrize("task", [None, "T1"])
def test_a_change_to_the_same_priority_takes_nothing_away(act, task):
    """The time that the customer agreed to holds on, and nobody is told of a change."""
    files, _ = given("instruction", sla_resolution="20 hours", customer={"name": "Acme", "contact": "ops@acme.example"})
    steps = [
        says("+1h", "sla_extension", LIAISON, task, **MORE),
        says("+2h", "priority_change", "support-manager", task, priority="high"),
    ]
    got = act(files, [*WORK, *steps])
    assert clock_of(got, "resolution")["due"] == ("2026-11-21T16:00:00Z" if task is None else "2026-11-21T04:00:00Z")
    assert not [m for m in got.letters(ENGINEER) if m["type"] == "notice" and "priority" in m["text"]]


@pytest.mark.spec("SLA-10", "SLA-11", "SLA-22")
def test_time_that_was_agreed_counts_until_the_priority_changes(act):
    """Twelve hours more; lowered after the old limit and before the new one: nothing was late until then."""
    files, _ = given("instruction", customer={"name": "Acme", "contact": "ops@acme.example"})
    files["a/instruction.yaml"]["created_at"] = "2026-11-18T12:00:00Z"  # high: 48 hours, until the 20th at 12:00
    steps = [
        says("+1h", "sla_extension", LIAISON, None, **MORE),
        says("+10h", "priority_change", "support-manager", None, priority="low"),
    ]
    got = act(files, [*WORK, *steps])
    assert not [name for name in breaches(got) if name.startswith("breach resolution #")]


@pytest.mark.spec("SLA-10", "SLA-12", "SLA-22")
def test_an_edit_and_more_time_that_fall_into_one_downtime(act):
    """The edit put the limit into the past; time that was agreed after it does not put the breach before it."""
    customer = {"name": "Acme", "contact": "ops@acme.example"}
    files, edit = given("instruction", sla_resolution="20 hours", then_sla_resolution="2 hours", customer=customer)
    steps = [
        {"at": "+5h", "down_until": "+8h"},
        {"at": "+6h", **edit},
        says("+7h", "sla_extension", LIAISON, None, **MORE),
    ]
    late = breaches(act(files, [*WORK[:29], *steps]))
    assert late["breach resolution #2"] == "2026-11-20T15:00:00Z"


@pytest.mark.spec("SLA-10", "SLA-12", "MSG-11")
def test_a_priority_and_an_edit_that_fall_into_one_downtime(act):
    """First it became low, then somebody wrote ten hours: each counted from its own time, and nothing was late."""
    files, edit = given("instruction", then_sla_resolution="10 hours")
    files["a/instruction.yaml"]["created_at"] = edit["content"]["created_at"] = "2026-11-20T08:00:00Z"
    low = says("+20h", "priority_change", "support-manager", None, priority="low")  # the business calendar: Friday
    steps = [{"at": "+19h", "down_until": "+23h"}, low, {"at": "+22h", **edit}]
    got = act(files, [*WORK[:110], *steps])
    assert not [name for name in breaches(got) if name.startswith("breach resolution")]
    assert clock_of(got, "resolution")["due"] == "2026-11-23T11:00:00Z"
