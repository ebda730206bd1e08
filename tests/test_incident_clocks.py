"""An incident that opens on the way, or grows: what it promises from then on, and not before [INC-4, SLA-10].

Counterpart: `stories/incident.py`, an incident by the book.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.stories.delivery import LEAD, LIAISON, TICKET
from tests.stories.kit import CASE, ENGINEER, UPDATE, WRITER, Stage
from tests.test_delivery import executord

INBOX = "_communication/inbox"
COMMANDER = "escalation-manager"
INC = f"inc-{CASE}-1"
_AT = re.compile(r"^(?:\d\d-\d\d )?\d\d:\d\d(?::\d\d)? ")


def quiet_ticket(folder: Path, **more: Any) -> Stage:
    """A ticket of low priority, told of at 09:02; nobody expects a word before next week."""
    stage = Stage(folder, {"roster": {ENGINEER: {"silence": "30 days"}, WRITER: {"silence": "30 days"}}})
    stage.case(
        {"T1": {"assigned_to": ENGINEER, "communication_required": "internal"}},
        priority="low", tier=3, customer={"name": "Acme", "contact": "ops@acme.example"},
        created_at="2026-11-20T09:00:00Z", **more,
    )  # fmt: skip
    stage.at("09:01").drop("ack", ENGINEER, "T1")
    stage.at("09:02").drop("customer_update", LIAISON, **UPDATE)
    stage.skip()
    return stage


def told(stage: Stage, what: str) -> list[str]:
    """The lines noted since the last time that begin so."""
    stage._rest()
    found, stage.told = stage.told, []
    return [line for line in found if _AT.sub("", line).startswith(what)]


def clocks(stage: Stage) -> dict[tuple[str, str | None], dict[str, Any]]:
    """The clocks as `status --json` shows them."""
    stage._rest()
    shown = json.loads(executord("--memory", stage.root, "status", CASE, "--json"))["instructions"][0]["clocks"]
    return {(clock["kind"], clock["task"]): clock for clock in shown}


def moment(text: str) -> str:
    return f"2026-11-23T{text}Z"


@pytest.mark.spec("INC-4", "SLA-10", "SLA-13")
def test_the_customer_is_promised_hourly_words_from_the_incident_on(tmp_path):
    """Three days after the last update an incident opens: the next is due an hour later, not two days ago."""
    stage = quiet_ticket(tmp_path / "memory")
    stage.at(moment("09:00:00")).drop("incident", LEAD, severity=2, description="the database is down")
    stage.at(moment("09:50:00"))
    assert told(stage, "breach customer_update") == []
    assert clocks(stage)["customer_update", None]["due"] == moment("10:00:00")
    inside = stage.read(f"{CASE}/outputs/partial/incident.yaml")
    assert inside["cadence"]["next_customer"] == moment("10:00:00")
    stage.at(moment("10:00:00"))
    assert told(stage, "remind update #2") == [f"11-23 10:00 remind update #2 → {LIAISON}"]
    breach = next(
        row for row in json.loads(executord("--memory", stage.root, "sla", "report", "--json"))["breaches"]
        if row["kind"] == "customer_update"
    )  # fmt: skip
    assert (breach["due"], breach["detected_at"]) == (moment("10:00:00"), moment("10:00:00"))


@pytest.mark.spec("INC-4", "INC-7")
def test_one_that_is_open_again_counts_the_hour_from_then(tmp_path):
    stage = quiet_ticket(tmp_path / "memory")
    stage.at("10:00").drop("incident", LEAD, severity=2, description="the database is down")
    stage.at("10:30").drop("incident_resolved", LEAD)
    stage.at(moment("09:00:00")).drop("incident", LEAD, description="it is down again")
    stage.at(moment("09:30:00"))
    assert clocks(stage)["customer_update", None]["due"] == moment("10:00:00")


@pytest.mark.spec("INC-4", "INC-7")
def test_a_higher_severity_asks_the_commander_before_anybody_above_him(tmp_path):
    """With severity 3 stakeholders hear daily; as it becomes 1 an hour later, half an hour is over long ago."""
    stage = quiet_ticket(tmp_path / "memory")
    stage.at("10:00").drop("incident", LEAD, severity=3, description="the database is slow")
    stage.at("10:01").drop("acknowledgement", COMMANDER, in_reply_to=f"{CASE}.incident_role")
    stage.at("11:00").drop("incident", LEAD, severity=1, description="now it is down")
    stage.at("11:01")
    ask = f"ask stakeholders {INC} #1"
    assert told(stage, ask) == [f"11:00 {ask} → {COMMANDER}"]
    assert stage.read(f"{CASE}/outputs/partial/incident.yaml")["cadence"]["next_stakeholder"] == "2026-11-20T11:06:00Z"
    stage.at("11:20")
    climbs = [line for line in told(stage, "") if f"stakeholders {INC}" in line and " copy " not in line]
    assert climbs == [
        f"11:06 remind stakeholders {INC} #1 → {COMMANDER}",
        f"11:13:30 escalate stakeholders {INC} #1 level-2 → vp-customer-support",
    ]


@pytest.mark.spec("SLA-8", "SLA-10")
def test_a_task_is_measured_by_the_severity_from_the_incident_on(tmp_path):
    """The task's own calendar closes at 17:00, that of severity 1 never: half of the four hours is over at 18:00. What
    was done before the incident is not late by it."""
    stage = quiet_ticket(tmp_path / "memory")
    stage.add("T2", {"assigned_to": WRITER, "communication_required": "internal"})
    stage.at("09:30").drop("ack", WRITER, "T2")
    stage.at("16:00").done(WRITER, "T2")
    stage.at("16:30").drop("incident", LEAD, severity=3, description="slow")
    stage.at("16:40").drop("incident", LEAD, severity=1, description="down")
    stage.at("16:41")
    found = clocks(stage)
    assert found["resolution", "T2"]["state"] == "met"
    assert found["resolution", "T1"]["state"] == found["resolution", None]["state"] == "breached"
    rows = json.loads(executord("--memory", stage.root, "sla", "report", "--json"))["breaches"]
    assert {(r["task"], r["due"]) for r in rows} == {(None, "2026-11-20T16:40:00Z"), ("T1", "2026-11-20T16:40:00Z")}


@pytest.mark.spec("SLA-8")
def test_marks_of_a_capped_task_are_shares_of_the_time_up_to_its_cap(tmp_path):
    stage = Stage(tmp_path / "memory", {"roster": {ENGINEER: {"silence": "30 days"}}})
    stage.at("16:00")
    stage.case({"T1": {"assigned_to": ENGINEER}}, priority="low", tier=1, created_at="2026-11-20T16:00:00Z")
    stage.at("16:02").drop("ack", ENGINEER, "T1")
    stage.at("18:00").drop("incident", LEAD, severity=1, description="down")
    stage.at("19:30")
    warned = [line for line in told(stage, "warn resolution T1") if "manager" not in line.split("→")[0]]
    assert [line.split()[0] for line in warned] == ["18:01", "19:00:30"]


@pytest.mark.spec("INC-6", "MSG-7", "QUA-4")
def test_what_an_incident_still_owes_is_not_put_away(tmp_path):
    """A closed instruction is archived once its incident is closed too: in the archive nobody is asked any more."""
    stage = Stage(tmp_path / "memory")
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    stage.at("09:05").drop("incident", LEAD, severity=2, description="down")
    stage.at("09:10").done(ENGINEER, "T1", components=TICKET)
    stage.at("09:20").drop("verdict", "validator", verdict="PASS")
    reasons = []
    for at, more in (("09:30", None), ("09:40", "incident_resolved"), ("09:50", "incident_update")):
        if more is not None:
            papers = {"retrospective": "the disk was full"} if more == "incident_update" else {}
            stage.at(at).drop(more, LEAD, **papers)
        name = stage.at(at).drop("archive", LEAD)
        stage.at("+1m")
        reason = stage.read(f"{INBOX}/executor/.rejected/2026-11-20/{name.removesuffix('.yaml')}.reason.yaml")
        assert reason["code"] == "INC-6"
        reasons.append(reason["reason"])
    assert reasons == [
        f"{INC} is still open",
        f"{INC} is resolved, not closed; outstanding: retrospective and prevention plan",
        f"{INC} is resolved, not closed; outstanding: prevention plan",
    ]
    stage.at("10:00").drop("incident_update", LEAD, prevention_plan={"owner": ENGINEER, "date": "2026-12-05"})
    stage.at("10:10").drop("archive", LEAD)
    stage.at("10:11")
    assert Path(f"{stage.root}/_archive/{CASE}/instruction.yaml").exists()
