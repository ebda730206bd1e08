"""Whatever stands in a session's files, reading it ends in faults or in a plan, never in an exception [REL-10]."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executord.sessions.folder import parse_json
from executord.team.hearing import hear, word
from executord.team.papers import Paper, Papers, Spec
from executord.team.record import Job, Law, Team
from executord.team.results import discovery, judged
from executord.team.shapes import read
from executord.team.views import session, status, tasks
from tests.test_fuzz import often

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
KEYS = [
    "session_id", "task_description", "status", "team_name", "roles", "capabilities", "dependency_graph", "tasks", "id",
    "name", "role", "owner", "depends_on", "blockedBy", "prefix", "active_workers", "active_agents", "completed_tasks",
    "findings", "artifact", "artifacts", "quality_score", "data", "error", "attempt", "from", "type", "task_id",
    "severity", "x",
    "successor", "completed", "capability", "summary", "DEV-001", "dev", "inner_loop", "description", "context_from",
]  # fmt: skip
WORDS = st.sampled_from([*KEYS, "active", "completed", "in_progress", "pending", "", "true", "../x", "HIGH",
                         "consensus_blocked", "fast_advance", "capability_gap", "failed"])  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.floats(allow_nan=True) | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=25,
)  # fmt: skip
SPECS = {"dev": Spec("role-specs/dev.md", {"role": "dev", "prefix": "DEV", "inner_loop": True, "message_types": {}},
                     ("Phase 2", "Phase 3", "Phase 4"))}  # fmt: skip


@pytest.mark.spec("REL-10", "SES-1", "SES-2", "SES-3")
@often(300)
@given(VALUES, VALUES, VALUES)
def test_no_files_are_too_odd(first: Any, second: Any, third: Any) -> None:
    """A plan, or faults with a text; and what was read can be shown again."""
    base = {"session_id": "s", "task_description": "d", "team_name": "t", "status": "active", "roles": ["dev"]}
    for head in (first, {**base, **first} if isinstance(first, dict) else base):
        reading = read(Papers(Paper(True, head), Paper(True, second), Paper(True, third), SPECS))
        assert all(fault.text for fault in reading.faults)
        if reading.plan is None:
            continue
        team = Team("s")
        team.plan = reading.plan
        team.jobs = {i: Job(i) for i in reading.plan.nodes}
        team.last_at = NOW
        json.loads(tasks(team, third if isinstance(third, dict | list) else None))
        json.loads(session(team, head if isinstance(head, dict) else {}))
        json.dumps(status(team, NOW))


@pytest.mark.spec("REL-10", "SES-12", "SES-19")
@often(300)
@given(VALUES)
def test_no_result_is_too_odd(data: Any) -> None:
    """It counts, it has failed, or it has a fault."""
    found = discovery(data, "0" * 64, NOW, NOW)
    if found.final:
        facts = judged(Job("DEV-001"), found, Law(), 0)
        assert facts["outcome"] in ("completed", "failed", "partial_completion", "low")
        assert facts["outcome"] != "completed" or facts["findings"] or facts["artifacts"]
        json.dumps(facts)


@pytest.mark.spec("REL-10", "SES-13")
@often(300)
@given(VALUES | st.binary(max_size=40))
def test_no_message_is_too_odd(data: Any) -> None:
    """It is heard, or said to be unreadable."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    team = Team("s")
    team.jobs = {"DEV-001": Job("DEV-001")}
    for line in hear(team, word(raw.replace(b"\n", b" "), 7, NOW), Law()):
        json.dumps(line.facts, default=str)


@pytest.mark.spec("REL-10", "SEC-0")
@often(200)
@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd(raw: bytes) -> None:
    """JSON or a reason."""
    paper = parse_json(raw)
    assert paper.there
