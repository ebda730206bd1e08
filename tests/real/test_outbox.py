"""A real daemon, a real SMTP server and a real HTTP receiver, and `kill -9` again and again [SLA-16, OPS-10]."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.real.kit import Tree, drop
from tests.real.servers import HttpReceiver, SmtpServer

CASES = [f"case-{n:02}" for n in range(10)]
EACH = 5  # updates of a case
KILLS = 30
LIAISON = "customer-success-manager"


def update(tree: Tree, case_id: str, n: int) -> None:
    """A complete update of the liaison."""
    tree.message(f"{case_id}-{n}.yaml", {
        "type": "customer_update", "from": LIAISON, "instruction_id": case_id, "status": f"update {n} of {case_id}",
        "next_steps": "we go on", "blockers": "none", "expect_next": "more", "contact": "mia@support.example",
    })  # fmt: skip


def memory(tmp_path: Path, channel: Mapping[str, Any]) -> Tree:
    """A tree with ten customers and one channel."""
    config = {"channels": {"out": {"tls": False, "retry": "0.2 seconds", "timeout_s": 5, **channel}}, "settle": "0.2 s"}
    tree = Tree(tmp_path, config)
    for case_id in CASES:
        drop(tree.root / case_id / "instruction.yaml", yaml.safe_dump({
            "title": f"Ticket {case_id}", "priority": "low", "customer": {"name": case_id, "contact": "a@acme.example"},
        }))  # fmt: skip
        drop(tree.root / case_id / "workflow" / "plan.yaml", "tier: 1\ntasks: [T1]\n")
    return tree


def lines(tree: Tree, case_id: str) -> list[dict[str, Any]]:
    """The lines about its updates on their way."""
    about = ("send ", "delivered ", "failed ", "doubt ", "ask delivery")
    return [e for e in tree.journal(case_id) if e["name"].startswith(about)]


def settled(tree: Tree) -> bool:
    """Whether each update has both its lines, and each doubt its question."""
    for case_id in CASES:
        names = [e["name"].split(" ")[0] for e in lines(tree, case_id)]
        ends = sum(names.count(word) for word in ("delivered", "failed", "doubt"))
        if names.count("send") != EACH or ends != EACH or names.count("ask") != names.count("doubt"):
            return False
    return True


def storm(tree: Tree, server: SmtpServer | HttpReceiver, seed: int) -> None:
    """50 updates come in while the daemon is killed 30 times; then it is left alone until everything has its end.

    Every second death comes while the server has a message and has not said so yet, if one comes in time.
    """
    dice = random.Random(seed)
    jobs = [(case_id, n) for n in range(EACH) for case_id in CASES]
    stop = threading.Event()

    def feed() -> None:
        for case_id, n in jobs:
            update(tree, case_id, n)
            stop.wait(dice.uniform(0.1, 0.8))

    tree.start()
    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    for k in range(KILLS):
        if k % 2:
            server.hesitating.wait(3)
        else:
            time.sleep(dice.uniform(0.0, 0.5))
        tree.kill()
        tree.start()
    stop.set()
    feeder.join()
    try:
        tree.until(lambda: settled(tree), "an update is forgotten", 120)
    finally:
        assert tree.stop() == 0
    checked = tree.call("fsck")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def sent(tree: Tree) -> dict[str, str]:
    """Key → how the update with it ended."""
    found: dict[str, str] = {}
    for case_id in CASES:
        keys = {e["facts"]["number"]: e["facts"]["key"] for e in lines(tree, case_id) if e["name"].startswith("send ")}
        for e in lines(tree, case_id):
            word = e["name"].split(" ")[0]
            if word in ("delivered", "failed", "doubt"):
                found[keys[e["facts"]["number"]]] = word
        assert len(keys) == EACH
        for number in keys:
            kept = yaml.safe_load((tree.root / case_id / "outputs/partial" / f"update-{number:03}.yaml").read_text())
            assert (kept["delivered_at"] is not None) == (found[keys[number]] == "delivered")
    assert len(found) == len(CASES) * EACH
    return found


@pytest.mark.slow
@pytest.mark.spec("SLA-16", "OPS-10", "OPS-15", "REL-1")
@pytest.mark.parametrize("kind", ["smtp", "webhook"])
@pytest.mark.parametrize("delivery", ["at_most_once", "at_least_once"])
def test_fifty_updates_and_thirty_kills(tmp_path: Path, kind: str, delivery: str) -> None:
    """At most once: never two of one, and the liaison asked of every doubt; at least once: never none, the same key.

    Under both nothing is forgotten. The other side is slow to answer, so that many kills fall into a try.
    """
    server = SmtpServer(slow_s=0.1) if kind == "smtp" else HttpReceiver(slow_s=0.1)
    where = (
        {"type": "email", "host": "127.0.0.1", "port": server.port, "from": "us@support.example"}
        if isinstance(server, SmtpServer)
        else {"type": "webhook", "url": server.url}
    )
    tree = memory(tmp_path, {**where, "delivery": delivery})
    try:
        storm(tree, server, seed=len(kind) * 7 + len(delivery))
    finally:
        server.close()
    ends, taken = sent(tree), server.keys()
    assert set(taken) <= set(ends), "somebody got what nobody noted"
    delivered = {key for key, how in ends.items() if how == "delivered"}
    assert delivered <= set(taken), "a receipt for what was never taken"
    if delivery == "at_most_once":
        twice = {key: n for key, n in taken.items() if n > 1}
        assert not twice, f"sent twice: {twice}"
        asked = [name for name in tree.inbox(LIAISON) if ".consultation" in name]
        assert len(asked) == len(ends) - len(delivered)
        assert len(asked) > 0, "no kill fell into a try: the test shows nothing"
    else:
        assert set(taken) == set(ends) == delivered
        assert sum(taken.values()) > len(ends), "no kill fell into a try: the test shows nothing"


@pytest.mark.spec("SLA-16", "OPS-10")
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("delivery", ["at_most_once", "at_least_once"])
def test_killed_in_the_middle_of_a_try(tmp_path: Path, delivery: str, lost: bool) -> None:
    """The server has taken the message and not said so yet: again with the same key, or the liaison is asked."""
    server = SmtpServer(slow_s=3.0)
    where = {"type": "email", "host": "127.0.0.1", "port": server.port, "from": "us@support.example"}
    tree = memory(tmp_path, {**where, "delivery": delivery})
    tree.start()
    update(tree, CASES[0], 1)
    tree.until(lambda: len(server.taken) == 1, "nothing is sent")
    tree.kill()
    assert [e["name"] for e in lines(tree, CASES[0])] == ["send update #1 via out"]
    if lost:
        shutil.rmtree(tree.state)
    server.slow_s = 0.0
    tree.start()
    if delivery == "at_most_once":
        tree.until(lambda: len(lines(tree, CASES[0])) == 3, "the liaison is not asked")
        assert [e["name"] for e in lines(tree, CASES[0])][1:] == ["doubt update #1 via out", "ask delivery #1"]
        tree.message("answer.yaml", f"type: answer\nfrom: {LIAISON}\ninstruction_id: {CASES[0]}\narrived: true\n")
    tree.until(lambda: any(e["name"].startswith("delivered") for e in lines(tree, CASES[0])), "it is not delivered")
    assert tree.stop() == 0
    assert sorted(server.keys().values()) == [1 if delivery == "at_most_once" else 2]
    assert not list((tree.state / "outbox").glob("*.json"))


@pytest.mark.spec("SLA-16", "OPS-6")
def test_one_look_sends_and_notes(tmp_path: Path) -> None:
    """`run --once` carries what it has noted; a server that is away is tried again by the next run."""
    server = SmtpServer(lambda word, _n: "451 later" if word == "MAIL" and len(server.commands) < 4 else None)
    where = {"type": "email", "host": "127.0.0.1", "port": server.port, "from": "us@support.example"}
    tree = memory(tmp_path, {**where, "delivery": "at_most_once"})
    assert tree.call("run", "--once").returncode == 0
    update(tree, CASES[0], 1)
    assert tree.call("run", "--once").returncode == 0
    assert [e["name"].split(" ")[0] for e in lines(tree, CASES[0])] == ["send"]
    assert tree.call("run", "--once").returncode == 0
    assert [e["name"].split(" ")[0] for e in lines(tree, CASES[0])] == ["send", "delivered"]
    assert sorted(server.keys().values()) == [1]


@pytest.mark.spec("OPS-7", "CON-7")
def test_a_rehearsal_opens_no_channel(tmp_path: Path) -> None:
    """Nothing reaches the server; the update counts as one that the liaison sends."""
    server = SmtpServer()
    where = {"type": "email", "host": "127.0.0.1", "port": server.port, "from": "us@support.example"}
    tree = memory(tmp_path, where)
    update(tree, CASES[0], 1)
    done = tree.call("simulate", str(tree.root), "--start", "2027-01-01T09:00:00Z", "--until", "+1h")
    assert done.returncode == 0, done.stderr
    assert "update #1" in done.stdout
    assert "via out" not in done.stdout
    assert not server.commands
    assert not (tree.state / "outbox").exists()
