"""Workers under a real systemd: they go on when the service does not, are adopted, and end when that is asked [OPS-23].

The program of `night-bot` waits for a file `go` in its folder of the instruction, then answers; a child of its that has
a session of its own stays until it is ended. What it wrote into its `TMPDIR` it must find again. While it waits it
starts nothing, so that its processes are the same ones at any two looks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import yaml

from tests.systemd.machine import Machine
from tests.systemd.test_service import TREE, UNIT, drop, names, override, pid, running, there

pytestmark = pytest.mark.systemd

AGENT = "night-bot"
PROGRAM = r"""#!/bin/bash
[ -z "$BOT_DEAF" ] || trap '' TERM
mkdir -p "$EXECUTORD_OUTPUTS"
kept=$(mktemp)
echo kept > "$kept"
cat > "$EXECUTORD_OUTPUTS/order.yaml"
mkfifo "$TMPDIR/never"
exec 9<> "$TMPDIR/never"
setsid sleep 3600 < /dev/null > /dev/null 2>&1 9>&- &
echo "$TMPDIR" > "$EXECUTORD_OUTPUTS/up"
until [ -e "$EXECUTORD_OUTPUTS/go" ]; do read -rt 0.2 -u 9 _ || true; done
printf 'type: completion\nsummary: it waited\noutput: %s\n' "$(cat "$kept")" > "$EXECUTORD_RESULT.part"
mv "$EXECUTORD_RESULT.part" "$EXECUTORD_RESULT"
"""


def configuration(**runner: Any) -> str:
    """One agent that is a program."""
    given = {"program": "/usr/local/bin/night-bot", "parser": "response-file", "grace_s": 1, **runner}
    return yaml.safe_dump({"roster": {AGENT: {"expertise": ["night"], "capacity": 0, "runner": given}}})


@pytest.fixture(scope="module", autouse=True)
def _bot(machine: Machine) -> Iterator[None]:
    """The program and the configuration that names it, for all tests of this file."""
    machine.run("bash", "-euc", "cat > /usr/local/bin/night-bot; chmod 755 /usr/local/bin/night-bot", stdin=PROGRAM)
    machine.run("bash", "-euc", "cat > /etc/executord/config.yaml", stdin=configuration(env={"BOT_DEAF": "1"}))
    machine.sh(f"systemctl restart {UNIT}")
    yield
    machine.sh(f"executord service stop --workers; rm /etc/executord/config.yaml; systemctl start {UNIT}")


def give(machine: Machine, case: str, *tasks: str, tree: str = TREE) -> None:
    """An instruction for the bot; all its tasks are being worked on when this ends."""
    drop(machine, f"{case}/instruction.yaml", f"title: {case}\npriority: high\n", tree)
    drop(machine, f"{case}/workflow/plan.yaml", f"tier: 3\ntasks: [{', '.join(tasks)}]\n", tree)
    for task in tasks:
        drop(machine, f"{case}/tasks/pending/{task}.yaml", f"id: {task}\ntitle: {task}\nassigned_to: {AGENT}\n", tree)
    for task in tasks:
        machine.until(partial(there, machine, f"{case}/outputs/partial/{task}/up", tree), f"{task} is not begun")


def processes(machine: Machine, tree: str = TREE) -> set[int]:
    """Every process that stands under the name of the tree."""
    script = r"""
for each in /proc/[0-9]*; do
  if tr '\0' '\n' < "$each/environ" 2>/dev/null | grep -qx "EXECUTORD_TASK=.*" &&
     tr '\0' '\n' < "$each/environ" 2>/dev/null | grep -qxF "EXECUTORD_MEMORY=$1"; then echo "${each#/proc/}"; fi
done"""
    return {int(word) for word in machine.run("bash", "-c", script, "processes", tree).stdout.split()}


def facts(machine: Machine, case: str, task: str, tree: str = TREE) -> dict[str, Any]:
    """What the journal has noted of the process of the first attempt."""
    text = machine.sh(f"cat {tree}/{case}/outputs/partial/journal.yaml")
    lines = [json.loads(line.removeprefix("- ")) for line in text.splitlines()]
    (started,) = [line for line in lines if line.get("name") == f"start {task} a1 #1"]
    return dict(started["facts"])


def completed(machine: Machine, case: str, task: str, tree: str = TREE) -> bool:
    """Whether its result counts."""
    return there(machine, f"{case}/tasks/completed/{task}.yaml", tree)


def stopped(machine: Machine) -> int:
    """The daemon, halted by SIGSTOP: the one that runs now, also where a busy machine let its short watchdog bite."""
    found = 0

    def halted() -> bool:
        nonlocal found
        found = pid(machine)
        return (
            running(machine)
            and found > 0
            and machine.run("bash", "-c", f"kill -STOP {found}", check=False).returncode == 0
        )

    machine.until(halted, "there is no daemon to be halted")
    return found


@pytest.mark.spec("OPS-11", "OPS-12", "OPS-23", "REL-2")
def test_a_worker_lives_through_the_end_of_its_daemon(machine: Machine):
    """Restart, SIGKILL, watchdog, stop: the same processes go on; adopted, they answer in their first attempt."""
    give(machine, "live-1", "T1", "T2", "T3")
    known = {task: facts(machine, "live-1", task) for task in ("T1", "T2", "T3")}
    before = processes(machine)
    assert {int(each["pid"]) for each in known.values()} <= before
    assert len(before) >= 9, "for each task a wrapper, the program and its child"

    def same(why: str) -> None:
        machine.until(lambda: running(machine), f"it does not come up after {why}")
        assert before <= processes(machine), f"ended by {why}"

    # each stands in a group of its own, below that of the unit, which has no controllers to give on
    base = f"/sys/fs/cgroup{machine.show(UNIT, 'ControlGroup')}"
    for each in known.values():
        assert each["cgroup"].startswith(f"{base}/executord-worker-")
        assert str(each["pid"]) in machine.sh(f"cat {each['cgroup']}/cgroup.procs").split()
    assert machine.sh(f"cat {base}/cgroup.subtree_control").split() == []
    assert "/var/lib/executord/work/live-1/T1.a1/tmp" in machine.sh(f"cat {TREE}/live-1/outputs/partial/T1/up")

    machine.sh(f"systemctl restart {UNIT}")
    same("a restart")
    machine.sh(f"touch {TREE}/live-1/outputs/partial/T1/go")
    machine.until(lambda: completed(machine, "live-1", "T1"), "what an adopted worker says does not count")
    text = machine.sh(f"cat {TREE}/live-1/outputs/partial/T1.yaml")
    assert yaml.safe_load(text)["output"] == "kept", "its TMPDIR went with the unit"
    machine.until(lambda: len(processes(machine)) == 6, "of a worker that has ended something is left")
    before = processes(machine)

    killed = pid(machine)
    machine.sh(f"systemctl kill -s KILL --kill-who=main {UNIT}")
    machine.until(lambda: pid(machine) not in (0, killed), "it is not started again")
    same("SIGKILL of the daemon")

    override(machine, "WatchdogSec=3s\nTimeoutAbortSec=5s")
    try:
        machine.sh(f"systemctl restart {UNIT}")
        hung = stopped(machine)
        machine.until(lambda: pid(machine) not in (0, hung), "it hangs for ever")
        same("the watchdog")
    finally:
        override(machine, "")

    machine.sh(f"systemctl stop {UNIT}")
    assert machine.show(UNIT, "ActiveState") == "inactive"
    assert before <= processes(machine), "ended by stop"
    machine.sh(f"touch {TREE}/live-1/outputs/partial/T2/go")
    machine.until(lambda: len(processes(machine)) <= 4, "it does not end by itself while nobody is there")
    machine.sh(f"systemctl start {UNIT}")
    machine.until(lambda: completed(machine, "live-1", "T2"), "what was said while it was down does not count")
    machine.sh(f"touch {TREE}/live-1/outputs/partial/T3/go")
    machine.until(lambda: completed(machine, "live-1", "T3"), "the last one is not taken up")
    machine.until(lambda: not processes(machine), "something is left")
    said = names(machine, "live-1")
    assert len(said) == len(set(said)), "no line twice"
    assert sorted(name for name in said if name.startswith("start ")) == [f"start {task} a1 #1" for task in known]
    machine.sh(f"executord --memory {TREE} fsck")


@pytest.mark.spec("OPS-11", "OPS-12", "OPS-23")
def test_stop_with_workers_leaves_none(machine: Machine):
    """The service is stopped, and deaf workers and their children with sessions of their own are gone."""
    give(machine, "none-1", "T1", "T2")
    assert len(processes(machine)) >= 6
    assert machine.run("executord", "service", "stop", check=False).returncode == 0
    assert len(processes(machine)) >= 6, "without --workers they go on"
    machine.sh(f"systemctl start {UNIT}")
    done = json.loads(machine.sh("executord --json service stop --workers"))
    assert (done["unit"], done["stopped"]) == (UNIT, True)
    assert sorted(row["task"] for row in done["workers"]) == ["T1", "T2"]
    assert processes(machine) == set()
    assert machine.run("pgrep", "-x", "-u", "executord", ".*", check=False).stdout == "", "nothing of its user runs"
    assert (machine.show(UNIT, "ActiveState"), machine.show(UNIT, "Result")) == ("inactive", "success")
    again = json.loads(machine.sh("executord --json service stop --workers"))
    assert again["workers"] == []
    machine.sh(f"systemctl start {UNIT}")
    machine.until(
        lambda: len([n for n in names(machine, "none-1") if n.startswith("start ")]) == 4, "it does not go on"
    )
    assert {"assign T1 a2", "assign T2 a2"} <= set(names(machine, "none-1"))
    machine.sh(f"touch {TREE}/none-1/outputs/partial/T{{1,2}}/go")
    machine.until(lambda: completed(machine, "none-1", "T1") and completed(machine, "none-1", "T2"), "not done")


@pytest.mark.spec("OPS-2", "OPS-11", "OPS-12", "OPS-23")
@pytest.mark.parametrize("kind", ["command", "systemd-run"])
def test_anna_s_workers_live_through_hers(machine: Machine, kind: str):
    """Under a user's systemd the same holds, also for a program in a unit of its own; `stop --workers` ends it."""
    machine.sh("loginctl enable-linger anna")
    uid = machine.sh("id -u anna").strip()
    machine.until(lambda: machine.run("test", "-S", f"/run/user/{uid}/systemd/private", check=False).returncode == 0,
                  "anna's systemd does not start")  # fmt: skip
    home = f"/home/anna/{kind}"
    machine.run("executord", "init", home, user="anna")
    machine.run("bash", "-euc", f"mkdir -p ~/.config/executord; cat > ~/.config/executord/{kind}.yaml",
                stdin=configuration(type=kind), user="anna")  # fmt: skip
    service = ("executord", "--memory", home, "--json", "service")
    config = ("executord", "--memory", home, "--config", f"/home/anna/.config/executord/{kind}.yaml")
    machine.run(*config, "service", "install", "--user", user="anna")
    try:
        give(machine, f"{kind}-1", "T1", "T2", tree=home)
        found = facts(machine, f"{kind}-1", "T1", home)
        before = processes(machine, home)
        if kind == "systemd-run":
            units = machine.run("systemctl", "--user", "list-units", "--plain", "--no-legend", "executord-worker-*",
                                user="anna").stdout  # fmt: skip
            assert len(units.splitlines()) == 2, units
        else:
            assert f"/{UNIT}/executord-worker-" in found["cgroup"]
        machine.run("systemctl", "--user", "restart", UNIT, user="anna")
        assert before <= processes(machine, home)
        machine.run("touch", f"{home}/{kind}-1/outputs/partial/T1/go", user="anna")
        machine.until(lambda: completed(machine, f"{kind}-1", "T1", home), "what an adopted worker says does not count")
        done = json.loads(machine.run(*service, "stop", "--user", "--workers", user="anna").stdout)
        assert [row["task"] for row in done["workers"]] == ["T2"]
        assert processes(machine, home) == set()
    finally:
        machine.run(*service, "uninstall", "--user", user="anna", check=False)
