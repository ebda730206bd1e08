"""A Sev 1 incident with a daemon of its own: its past rehearsed in place, its present in real time [INC-1 … INC-7].

The hour before now is played with `simulate --in-place`: an absent commander, an absent liaison, a first overdue
update. Then a real daemon takes the tree over, is killed, comes back, meets the second overdue update and the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.real.kit import INBOX, Tree
from tests.stories.kit import UPDATE

CASE, NAMED = "acme-42", "inc-acme-42-1"
ENGINEER, VP, ADVOCATE = "technical-support-engineer", "vp-customer-support", "customer-advocacy-manager"
COMPONENTS = {
    "root_cause_analysis": "a pool of 50 connections", "resolution_steps": ["raise it"], "preventive_measures": "alarm",
    "knowledge_base_article": "KB-352", "follow_up_plan": {"date": "2030-01-01"},
}  # fmt: skip


def said(kind: str, sender: str, **fields: Any) -> dict[str, Any]:
    """A message to the executor."""
    return {"type": kind, "from": sender, "instruction_id": CASE, **fields}


def an_hour_ago(tree: Tree, now: datetime) -> None:
    """What has happened until now: opened 65 minutes ago; of two roles the first in line never answered."""
    start = now - timedelta(minutes=70)
    (tree.root / CASE / "tasks/pending").mkdir(parents=True)
    given: dict[str, Mapping[str, Any]] = {
        "instruction.yaml": {
            "title": "Checkout fails", "priority": "critical", "tier": 4, "created_at": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "customer": {"name": "Acme", "contact": "ops@acme.example"}, "deliverable_type": "ticket_resolution",
        },
        "workflow/plan.yaml": {"tasks": ["T1"], "tier": 1},
        "tasks/pending/T1.yaml": {"id": "T1", "title": "mend it", "assigned_to": ENGINEER,
                                  "communication_required": "internal", "estimated_effort": "3 hours"},
    }  # fmt: skip
    for path, body in given.items():
        full = tree.root / CASE / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(yaml.safe_dump(dict(body)))
    role = f"{CASE}.incident_role"
    minutes: list[tuple[float, dict[str, Any]]] = [
        (1, said("ack", ENGINEER, task_id="T1")),
        (2, said("customer_update", "customer-success-manager", **UPDATE)),
        (5, said("incident", ENGINEER, severity="Sev 1", description="every third checkout fails")),
        (6, said("acknowledgement", ENGINEER, in_reply_to=f"{role}-4")),
        (7, said("acknowledgement", "support-analyst", in_reply_to=f"{role}-3")),
        (12, said("acknowledgement", VP, in_reply_to=f"{role}-5")),
        (13, said("acknowledgement", ADVOCATE, in_reply_to=f"{role}-6")),
        (30, said("progress", ENGINEER, task_id="T1", percent=30)),
        (40.2, said("incident_update", VP, status="the cause is found")),
        (45, said("customer_update", ADVOCATE, **UPDATE)),
        (60, said("progress", ENGINEER, task_id="T1", percent=60)),
    ]
    script = [
        {"at": f"+{int(at * 60)}s", "write": f"{INBOX}/executor/{k:02}.yaml", "content": body}
        for k, (at, body) in enumerate(minutes)
    ]
    path = tree.root.parent / "script.yaml"
    path.write_text(yaml.safe_dump(script))
    done = tree.call(
        "simulate", str(tree.root), "--in-place", "--start", f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "--until", f"{now:%Y-%m-%dT%H:%M:%SZ}", "--script", str(path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.spec("INC-1", "INC-3", "INC-4", "INC-5", "INC-6", "REL-2")
def test_a_sev_1_incident_with_a_daemon_that_is_killed_in_the_middle(tmp_path: Path) -> None:
    """From the message to the closed retrospective; `incident verify` holds, and finds a changed entry."""
    tree = Tree(tmp_path, {"settle": "0.2 seconds", "round": "2 seconds"})
    now = datetime.now(UTC).replace(microsecond=0)
    an_hour_ago(tree, now)

    def names() -> list[str]:
        return [e["name"] for e in tree.journal(CASE)]

    def shown() -> dict[str, Any]:
        return json.loads(tree.call("incident", "show", NAMED, "--json").stdout)

    assert f"escalate role commander {NAMED} level-2" in names()
    assert f"escalate role customer_liaison {NAMED} level-2" in names()
    assert f"remind stakeholders {NAMED} #1" in names()
    assert f"remind stakeholders {NAMED} #2" not in names()
    tree.start()
    tree.message("action.yaml", said("incident_action", ENGINEER, action="raised the limit to 200"))
    tree.until(lambda: "file action.yaml #1" in names(), "the action is not taken")
    tree.kill()
    time.sleep(
        max((now + timedelta(seconds=13) - datetime.now(UTC)).total_seconds(), 0)
    )  # it becomes overdue meanwhile
    tree.start()
    tree.until(lambda: f"remind stakeholders {NAMED} #2" in names(), "the second overdue update is not chased")
    roles = shown()["roles"]
    assert (roles["commander"]["agent"], roles["customer_liaison"]["agent"]) == (VP, ADVOCATE)
    tree.message("update.yaml", said("incident_update", VP, status="the repair holds"))
    tree.message("resolved.yaml", said("incident_resolved", VP, summary="20 test orders in a row succeed"))
    tree.until(lambda: f"ask retrospective {NAMED} #1" in names(), "no retrospective is asked for")
    done = said("completion", ENGINEER, task_id="T1", summary="raised", output={"limit": 200}, components=COMPONENTS,
                customer_update=UPDATE)  # fmt: skip
    tree.message("done.yaml", done)
    tree.until(lambda: f"{CASE}.c1.validation_request.yaml" in tree.inbox("validator"), "it is not handed off")
    handed = yaml.safe_load((tree.root / CASE / "outputs/final/handoff.yaml").read_text())
    assert handed["outstanding"] == [f"{paper} of {NAMED}, by {VP}" for paper in ("retrospective", "prevention plan")]
    tree.message("verdict.yaml", said("verdict", "validator", verdict="PASS"))
    plan = [{"measure": "an alarm", "owner": "platform", "date": "2030-01-01"}]
    tree.message("papers.yaml", said("incident_update", VP, retrospective="nobody watched", prevention_plan=plan))
    tree.until(lambda: f"incident {NAMED} closed" in names(), "it is not closed")
    tree.until(lambda: shown()["status"] == "closed", "its view is not the last state")
    assert tree.stop() == 0
    assert [e["n"] for e in tree.journal(CASE)] == list(range(1, len(tree.journal(CASE)) + 1))
    assert len(names()) == len(set(names()))
    room = [n.partition("copy ")[2] for n in names() if n.startswith("copy ")]
    assert len(tree.inbox(f"war-room-{NAMED}")) == len(room) + 1  # and that it is closed
    held = tree.call("incident", "verify", NAMED)
    assert (held.returncode, "the chain holds" in held.stdout) == (0, True)
    journal = tree.root / CASE / "outputs/partial/journal.yaml"
    journal.write_text(journal.read_text().replace("raised the limit to 200", "raised the limit to 300"))
    assert tree.call("incident", "verify", NAMED).returncode == 1
