"""What `status` and `why` say of what is awaited, of whom, and what comes next [EXE-21, EXE-22, CON-8]."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from executord.views.overview import case_view
from tests.calls import say
from tests.stories.kit import CASE, ENGINEER, WRITER, Stage

ROOT = Path(__file__).parent.parent


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """T1 is blocked and was asked about, T2 waits for it, T3 is unheard of."""
    made = Stage(tmp_path / "memory")
    made.case(
        {"T1": {"assigned_to": WRITER}, "T2": {"depends_on": ["T1"]}, "T3": {"assigned_to": ENGINEER}}, tier=3,
        plan={"tier": 3},
    )  # fmt: skip
    made.at("09:05").drop("blocked", WRITER, "T1", description="no staff at all", tried="asked around")
    made.at("09:10").drop("escalation", ENGINEER, "T3", reason="they want a refund")
    made.at("11:30")
    return made


def view(stage: Stage) -> dict[str, Any]:
    """The case as `status` shows it."""
    service = stage.service
    assert service is not None
    return case_view(service.cases[CASE], service.agendas[CASE], service.policy, stage.now)


@pytest.mark.spec("CON-8", "EXE-18", "EXE-28", "MSG-7")
def test_status_says_who_is_asked_at_which_level(stage: Stage):
    """The blocker with who is asked and who waits; the question too; and which message, by whom, would free it."""
    shown = view(stage)
    assert shown["blockers"] == [
        {"id": "T1#1", "task": "T1", "kind": "resource_constraint", "since": "2026-11-20T09:05:00Z",
         "asked": "support-manager", "level": 1, "waiting": ["T2"]},
    ]  # fmt: skip
    assert [(a["what"], a["from"], a["level"]) for a in shown["awaited"]] == [
        ("blocker T1 #1", "support-manager", 1), ("question T3 #1", "escalation-manager", 1),
    ]  # fmt: skip
    freed = {(row["task"], row["type"]): row["from"] for row in shown["freed_by"]}
    assert "support-manager" in freed["T1", "unblocked"]
    assert WRITER in freed["T1", "unblocked"]
    assert "escalation-manager" not in [n for (t, k), f in freed.items() if t is None and k == "release" for n in f]
    stage.at("13:10")
    assert view(stage)["blockers"][0]["asked"] == "vp-customer-support"
    assert view(stage)["blockers"][0]["level"] == 2
    stage.at("2026-11-30T09:00:00Z")
    assert all(row["unanswered"] for row in view(stage)["awaited"] if row["what"] == "blocker T1 #1")


@pytest.mark.spec("EXE-22", "EXE-16", "EXE-18")
def test_why_says_what_is_awaited_and_what_silence_brings(stage: Stage):
    """Of whom, since when, when it climbs and to whom, with the journal's line; when the silent holder is reminded."""
    stage.end()

    def why(task: str) -> list[dict[str, Any]]:
        return json.loads(say("--memory", stage.root, "why", f"{CASE}/{task}", "--json").stdout)["answers"]

    awaited = next(a for a in why("T1") if a["question"] == "what is awaited")
    assert awaited["answer"] == (
        "an answer of support-manager, asked at 2026-11-20T09:05:00Z (level 1); "
        "at 2026-11-20T13:05:00Z vp-customer-support is asked"
    )
    assert awaited["name"] == "remind blocker T1 #1"
    assert awaited["inputs"]["letters"][0] == "acme-42.T1.a1.consultation"
    blocked = next(a for a in why("T1") if a["question"] == "why is it blocked")
    assert blocked["inputs"]["derived"] == "derived from its words: staff"
    quiet = next(a for a in why("T3") if a["question"] == "what if nothing is heard")
    assert quiet["rule"] == "EXE-16"
    assert quiet["inputs"]["interval_s"] == 3600
    assert quiet["inputs"]["agent"] == "customer-support-rep"  # the engineer was closed at 11:10
