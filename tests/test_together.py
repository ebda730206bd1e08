"""What several people send while the daemon is down is settled as if it had been there [MSG-11, SLA-12]."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from glob import glob
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stories.kit import CASE, ENGINEER, START, UPDATE, WRITER, Stage, as_bytes

LEAD, LIAISON = "support-manager", "customer-success-manager"
BOX = "_communication/inbox/executor"
PARTIAL = f"{CASE}/outputs/partial"
PAPERS = {"retrospective": "the pool was too small", "prevention_plan": ["an alarm, by 2026-12-04"]}
#: Type, sender, task, what else it says; none of it asks for something that only a daemon at work could have said.
LETTERS: tuple[tuple[str, str, str | None, dict[str, Any]], ...] = (
    ("ack", ENGINEER, "T1", {}),
    ("progress", ENGINEER, "T1", {"percent": 40}),
    ("blocked", ENGINEER, "T1", {"blocker_type": "scope_ambiguity", "description": "what is in scope?"}),
    ("blocked", ENGINEER, "T1", {"blocker_type": "missing_information", "description": "which region?"}),
    (
        "blocked",
        ENGINEER,
        "T1",
        {"blocker_type": "missing_information", "description": "which plan?", "ask": "product"},
    ),
    ("answer", LEAD, "T1", {"answer": "the EU"}),
    ("answer", ENGINEER, "T1", {"answer": "found it myself"}),
    ("customer_reply", LIAISON, None, {"text": "it is the EU one"}),
    ("customer_update", LIAISON, None, UPDATE),
    ("sla_extension", LIAISON, None, {"approved_by": "ops@acme.example", "add": "2 hours", "reason": "a test"}),
    ("priority_change", LEAD, None, {"priority": "medium"}),
    ("priority_change", LEAD, "T1", {"priority": "low"}),
    ("hold", LEAD, "T1", {"reason": "the customer tries it out"}),
    ("release", LEAD, "T1", {}),
    ("incident", LEAD, None, {"severity": 3, "description": "slow"}),
    ("incident", LEAD, None, {"severity": 2, "description": "slower"}),
    ("incident_update", LEAD, None, {"status": "known"}),
    ("incident_update", LEAD, None, {"status": "known", "retrospective": "too early"}),
    ("incident_update", LEAD, None, {"status": "known", "retrospective": "in time"}),
    ("incident_resolved", LEAD, None, {"summary": "over"}),
    ("incident_resolved", LEAD, None, {"summary": "over", **PAPERS}),
    ("completion", ENGINEER, "T1", {"summary": "done", "output": {"result": "x"}}),
)
_OF_THE_INCIDENT = ("severity", "status", "opened_at", "resolved_at", "closed_at", "retrospective", "prevention_plan")


def begun(root: str) -> Stage:
    """A ticket of two tasks that are being worked on, by people who may be silent for long."""
    s = Stage(root, {"roster": {agent: {"silence": "30 days"} for agent in (ENGINEER, WRITER)}})
    customer = {"name": "Acme", "contact": "ops@acme.example"}
    internal = {"communication_required": "internal"}
    s.case({"T1": {"assigned_to": ENGINEER, **internal}, "T2": {"assigned_to": WRITER}}, tier=3, customer=customer)
    s.at("09:01")._rest()
    return s


def outcome(s: Stage) -> dict[str, Any]:
    """What the files say in the end; nothing of it depends on when it was written."""
    s._rest()
    found = s.read(f"{PARTIAL}/progress.yaml")
    said = {key: found[key] for key in ("phase", "tasks", "blockers", "clocks", "next_update")}
    for path in sorted(glob(f"{PARTIAL}/incident*.yaml", root_dir=s.root)):
        if "." in os.path.basename(path).removesuffix(".yaml"):
            continue  # a paper, or one that was replaced
        incident = s.read(path)
        said[path] = {key: incident[key] for key in _OF_THE_INCIDENT}
        said[f"{path} timeline"] = [(e["who"], e["what"]) for e in incident["timeline"] if e["who"] != "executord"]
        for paper in PAPERS:
            kept = (incident[paper] or {}).get("path")
            said[f"{path} {paper}"] = s.read(f"{CASE}/{kept}")[paper] if kept else None
    said["rejected"] = sorted(os.path.basename(p) for p in glob(f"{s.root}/{BOX}/.rejected/*/*[0-9].yaml"))
    s.close()
    return said


@pytest.mark.spec("MSG-11", "MSG-10", "SLA-12", "INC-7", "EXE-18")
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(LETTERS), st.sampled_from((1, 3, 15))), min_size=2, max_size=8))
def test_letters_of_one_downtime_do_what_they_would_have_done_one_by_one(letters):
    """Any of them in any order: tasks, blockers, clocks, incidents and refusals are the same in the end."""
    with tempfile.TemporaryDirectory() as folder:
        there, down = begun(f"{folder}/there"), begun(f"{folder}/down")
        down.close()
        at = START + timedelta(minutes=2)
        for k, ((kind, sender, task, more), gap) in enumerate(letters):
            at += timedelta(minutes=gap)
            there.advance(at)
            there.drop(kind, sender, task, name=f"{k:02}.yaml", **more)
            there._rest()
            body = {"type": kind, "from": sender, "instruction_id": CASE, "task_id": task, **more}
            path = f"{down.root}/{BOX}/{k:02}.yaml"
            with open(path, "wb") as file:
                file.write(as_bytes({key: value for key, value in body.items() if value is not None}))
            os.utime(path, (at.timestamp(), at.timestamp()))
        end = at + timedelta(minutes=2)
        there.advance(end)
        down.kill(end)
        down.advance(end)
        down.look()
        assert outcome(down) == outcome(there)
