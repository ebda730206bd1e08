"""Somebody who may only drop files tries to get out of the tree, to a shell, or at a secret [SEC-1, SEC-3].

Counterparts: `test_hostile.py`, who lies in wait on our names; `test_gate.py`, the gate by itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.real.kit import INBOX, Tree, drop, environ
from tests.real.servers import HttpReceiver

ENGINEER = "technical-support-engineer"
QUICK = {"settle": "0.05 seconds", "round": "1 second"}
SECRETS = ("TOPSECRET-file", "TOPSECRET-environment", "VE9QU0VDUkVULXdlYmhvb2s")


def everything(*roots: Path) -> dict[str, bytes]:
    """What lies in all regular files below, links not followed."""
    found = {}
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink():
                    found[str(path)] = path.read_bytes()
    return found


@pytest.mark.spec("SEC-1", "MSG-6")
@pytest.mark.hazard(17)
def test_a_sender_makes_no_folder(tmp_path: Path) -> None:
    """Whatever he calls himself and whatever he asks for: answers go to known names; the message ends all the same."""
    tree = Tree(tmp_path, QUICK)
    names = ("newcomer", ".hidden", "a\nb", "../../etc", "/etc", "war-room-x", "war-room-../../x", "x" * 300, "NUL\0")
    for k, name in enumerate(names):
        for kind in ("status", "nonsense", "ack"):
            tree.message(f"{kind}-{k}.yaml", {"type": kind, "from": name, "instruction_id": None})
    tree.message("known.yaml", {"type": "status", "from": ENGINEER})
    for _ in range(3):
        assert tree.call("run", "--once").returncode == 0
    assert set(os.listdir(tree.root / INBOX)) <= {"executor", "hitl", "support-manager", ENGINEER}
    assert len(tree.inbox(ENGINEER)) == 1
    assert not list((tree.root / INBOX / "executor").glob("*.yaml")), "a message has no end"
    assert set(os.listdir(tmp_path)) == {"Agent_Memory", "state", "config.yaml"}


@pytest.mark.spec("SEC-1", "MEM-2", "REL-4")
@pytest.mark.hazard(15)
def test_no_link_leads_out(tmp_path: Path) -> None:
    """A case, its outputs, an inbox that are links; paths and ids that climb: nothing outside is read or written."""
    tree = Tree(tmp_path, QUICK)
    outside = tmp_path / "outside"
    drop(outside / "instruction.yaml", "title: x\n")
    drop(outside / "workflow/plan.yaml", "tier: 1\ntasks: [T1]\n")
    drop(outside / "tasks/pending/T1.yaml", f"id: T1\ntitle: x\nassigned_to: {ENGINEER}\n")
    drop(outside / "secret.txt", "TOPSECRET-file\n")
    (outside / "box").mkdir()
    (tree.root / "linked").symlink_to(outside)
    (tree.root / INBOX / "technical-writer").symlink_to(outside / "box")
    for case_id in ("acme-1", "acme-2", "acme-3"):
        tree.case(case_id, ["T1"])
        tree.task(case_id, "T1")
    tree.task("acme-2", "T1", "id: T1\ntitle: x\nassigned_to: technical-writer\n")
    (tree.root / "acme-3/outputs").symlink_to(outside / "box")
    before = everything(outside)
    assert tree.call("run", "--once").returncode in (0, 73)
    (tree.root / "acme-1/outputs/evil.txt").symlink_to(outside / "secret.txt")
    claim: dict[str, Any] = {"type": "completion", "from": ENGINEER, "summary": "s", "output": "o"}
    ways = ("../../outside/secret.txt", str(outside / "secret.txt"), "outputs/evil.txt", "outputs/../../acme-2")
    for k, path in enumerate(ways):
        body = {**claim, "instruction_id": "acme-1", "task_id": "T1", "outputs": [path]}
        tree.message(f"claim-{k}.yaml", body)
    for k, (case_id, task) in enumerate([("../acme-1", "T1"), (str(outside), "T1"), ("acme-1", "../T1")]):
        tree.message(f"climbs-{k}.yaml", {**claim, "instruction_id": case_id, "task_id": task})
    tree.message("session.yaml", {"type": "session", "from": "planner", "path": "../outside"})
    for _ in range(3):
        assert tree.call("run", "--once").returncode in (0, 73)
    assert everything(outside) == before, "something outside was changed"
    assert not any(b"TOPSECRET" in raw for raw in everything(tree.root, tree.state).values())
    assert tree.completed("acme-1") == set(), "a claim counted that names what lies outside"


@pytest.mark.spec("SEC-3", "OPS-18", "OPS-9")
def test_no_secret_and_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the daemon's environment and in its channels' secrets is in no file, log, argument, program."""
    for name in ("MY_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "TOPSECRET-environment")
    hook = HttpReceiver(lambda _n: 503)
    (tmp_path / "key").write_text("whsec_VE9QU0VDUkVULXdlYmhvb2s=\n")
    program = tmp_path / "program"
    program.write_text(
        '#!/bin/sh\nenv > "$EXECUTORD_RESULT.env"; tr "\\0" " " < /proc/$$/cmdline > "$EXECUTORD_RESULT.args"\ncat > '
        '"$EXECUTORD_RESULT.in"\nprintf "type: completion\\nsummary: s\\noutput: {x: y}\\n" > "$EXECUTORD_RESULT"\n'
    )
    program.chmod(0o755)
    tree = Tree(tmp_path, {
        **QUICK,
        "roster": {"bot": {"runner": {"program": str(program), "parser": "response-file"}}},
        "channels": {"hook": {"type": "webhook", "url": hook.url, "tls": False, "secret_file": str(tmp_path / "key"),
                              "retry": "0.1 seconds", "attempts": 2}},
    })  # fmt: skip
    tree.case("acme-1", ["B1"])
    drop(tree.root / "acme-1/instruction.yaml", "title: x\ncustomer: {name: Acme, contact: a@acme.example}\n")
    evil = f"$(touch {tmp_path}/pwned) `touch {tmp_path}/pwned`; touch {tmp_path}/pwned #"
    tree.task("acme-1", "B1", yaml.safe_dump({"id": "B1", "title": evil, "assigned_to": "bot", "description": evil}))
    update = dict.fromkeys(("status", "next_steps", "blockers", "expect_next", "contact"), evil)
    tree.message("u.yaml", {"type": "customer_update", "from": "customer-success-manager", "instruction_id": "acme-1",
                            **update})  # fmt: skip
    tree.start()
    try:
        tree.until(lambda: any(e["name"].startswith("ended B1") for e in tree.journal("acme-1")), "it does not end")
        tree.until(lambda: len(hook.posts) >= 2, "nothing is sent")
    finally:
        assert tree.stop() == 0
        hook.close()
    assert not list(tmp_path.glob("pwned*")), "a shell has run what stands in a ticket"
    seen = everything(tree.root, tree.state) | {"log": tree.log.read_bytes()}
    assert any(name.endswith(".env") for name in seen), "the program did not say what it was given"
    for secret in SECRETS:
        told = [name for name, raw in seen.items() if secret.encode() in raw]
        assert not told, f"{secret} stands in {told}"
    args = next(raw for name, raw in seen.items() if name.endswith(".args"))
    assert not re.search(rb"touch", args), "what stands in a ticket is an argument"
    assert all("Webhook-Signature" in headers for headers, _ in hook.posts)


LEAD, MALLORY = 61_234, 61_235  # users that need no entry anywhere


def as_user(uid: int, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it as somebody else, who may read everything, as the interpreter may lie in root's own folder."""
    who = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    caps = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return subprocess.run(
        ["setpriv", *who, *caps, *command], capture_output=True, text=True, cwd=cwd, check=False, timeout=120,
        env={**environ(), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


@pytest.mark.spec("SEC-2", "MSG-4", "OPS-4")
@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root, with setpriv, is somebody else"
)
def test_a_name_that_is_bound_is_spoken_under_by_its_owner_alone(tmp_path: Path) -> None:
    """Two users who may both write to the inbox: one is `support-manager`, the other only says so, in a file of his own
    and by `--as` on the command line; he is refused, nothing happens, and nobody else is touched by it.
    """
    base = Path(tempfile.mkdtemp(prefix="executord-senders-", dir="/tmp"))  # others must get through to it
    base.chmod(0o755)
    tree = Tree(base, {**QUICK, "senders": {"support-manager": [LEAD], "planner": "no-such-group"}})
    for path in (base, tree.root, tree.root / "_communication", tree.root / INBOX):
        path.chmod(0o755)
    (tree.root / INBOX / "executor").chmod(0o1777)
    tree.config.chmod(0o644)
    tree.case("acme-1", ["T1", "T2"])
    for task in ("T1", "T2"):
        tree.task("acme-1", task)
    tree.start()
    try:
        tree.until(lambda: len(tree.inbox(ENGINEER)) >= 2, "nothing is given out")
        os.chmod(tree.root / INBOX / "executor", 0o1777)
        held = {"type": "hold", "from": "support:Support_Manager", "instruction_id": "acme-1", "task_id": "T1",
                "reason": "x"}  # fmt: skip
        text = yaml.safe_dump(held)
        box = tree.root / INBOX / "executor"
        put = "import os, sys; open('.w', 'w').write(sys.argv[1]); os.rename('.w', sys.argv[2])"
        for uid, name in ((MALLORY, "mallory.yaml"), (LEAD, "lead.yaml")):
            done = as_user(
                uid, sys.executable, "-c", put, text if uid == MALLORY else text.replace("T1", "T2"), name, cwd=box
            )
            assert done.returncode == 0, done.stderr
        planned = {"type": "plan_ready", "from": "planner", "instruction_id": "acme-1"}
        as_user(LEAD, sys.executable, "-c", put, yaml.safe_dump(planned), "planner.yaml", cwd=box)
        tree.message(
            "free.yaml", {"type": "acknowledgement", "from": ENGINEER, "instruction_id": "acme-1", "task_id": "T1"}
        )
        rejected = tree.root / INBOX / "executor/.rejected"
        tree.until(lambda: len(list(rejected.glob("*/*.reason.yaml"))) >= 2, "nobody is refused")
        tree.until(lambda: not list(box.glob("*.yaml")), "a message has no end")
        reasons = {
            p.name.removesuffix(".reason.yaml"): yaml.safe_load(p.read_text()) for p in rejected.glob("*/*.reason.yaml")
        }
        assert set(reasons) == {"mallory", "planner"}
        assert all(r["code"] == "SEC-2" for r in reasons.values())
        assert f"user {MALLORY}" in reasons["mallory"]["reason"]
        states = {t["id"]: t["state"] for t in json.loads(tree.call("show", "acme-1", "--json").stdout)["tasks"]}
        assert states["T2"] == "on_hold"
        assert states["T1"] != "on_hold"
        before = len(tree.journal("acme-1"))
        said = as_user(
            MALLORY, *tree.command("hold", "acme-1/T1", "--as", "support-manager", "--reason", "x"), cwd=base
        )
        assert said.returncode == 65, (said.stdout, said.stderr)
        assert "files of user" in said.stderr
        said = as_user(LEAD, *tree.command("hold", "acme-1/T1", "--as", "support-manager", "--reason", "x"), cwd=base)
        assert said.returncode == 0, (said.stdout, said.stderr)
        assert len(tree.journal("acme-1")) > before
    finally:
        assert tree.stop() == 0
        shutil.rmtree(base)
