"""The real daemon, the real clock: a silent worker is chased, closed and replaced, across a kill [EXE-16, EXE-26]."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.kit import Tree

CONFIG = {
    "settle": "0.2 seconds",
    "round": "2 seconds",
    "policies": [{"match": {}, "response": "1 second - 2 seconds"}],
    "ladders": {"default": {"interval": "2 seconds"}},
    "roster": {"sleeper": {"expertise": ["sleep"]}},
}


@pytest.mark.spec("EXE-16", "EXE-18", "EXE-20", "EXE-26", "REL-2")
def test_a_silent_worker_is_chased_closed_and_replaced(tmp_path: Path):
    """Each rung once, in order, though the daemon is killed in the middle; then the blocker of the next one climbs."""
    tree = Tree(tmp_path, CONFIG)
    tree.case("quiet", ["T1"], tier=2)
    tree.task("quiet", "T1", "id: T1\ntitle: sleep\nassigned_to: sleeper\n")
    tree.start()
    try:
        names = lambda: [e["name"] for e in tree.journal("quiet")]  # noqa: E731
        tree.until(lambda: "remind T1 a1 #1" in names(), "nobody reminds")
        tree.kill()
        tree.start()
        tree.until(lambda: "assign T1 a2" in names(), "nobody replaces")
        found = [  # the rungs of silence, not what the clocks say
            n
            for n in names()
            if " T1 a1" in n
            and not n.startswith(("move", "keep", "warn", "breach", "ask breach", "remind breach", "escalate"))
        ]
        assert found == [
            "assign T1 a1",
            "remind T1 a1 #1",
            "status check T1 a1 #1",
            "finalize T1 a1 #1",
            "time out T1 a1 #1",
        ]
        assert [n for n in tree.inbox("sleeper") if "sla_" not in n] == [
            f"quiet.T1.a1.{kind}.yaml"
            for kind in ("delegation", "finalize", "reassignment_notice", "reminder", "status_check")
        ]
        holder = next(e["to"] for e in tree.journal("quiet") if e["name"] == "assign T1 a2")
        body = {
            "type": "blocked",
            "from": holder,
            "instruction_id": "quiet",
            "task_id": "T1",
            "description": "no staff",
        }
        tree.message("blocked.yaml", body)
        tree.until(lambda: "escalate blocker T1 #1 level-2" in names(), "it does not climb")
        assert "remind blocker T1 #1" in names()
        climbed = next(e for e in tree.journal("quiet") if e["name"] == "escalate blocker T1 #1 level-2")
        message = Path(climbed["path"]).stem  # breaches are open too: which one is meant is said
        assert tree.call("ack", "quiet/T1", "--message", message).returncode == 0
        done = tree.call("respond", "quiet/T1", "--answer", "take Joe", "--as", "support-manager")
        assert done.returncode == 0, done.stderr
        tree.until(lambda: "answer blocker T1 #1" in names(), "the answer does not arrive")
    finally:
        if tree.process is not None and tree.process.poll() is None:
            tree.stop()
