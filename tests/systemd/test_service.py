"""The service on a real systemd, of Debian 12 and a newer one: what `systemd/` and `service install` promise [OPS-12].

All tests of a release share one machine, each with instructions of its own, and leave the service running.
"""

from __future__ import annotations

import json
import re
import textwrap
import time
import zipfile
from typing import Any

import pytest
import yaml

from tests.systemd.machine import Machine
from tests.test_docs import of_kind

pytestmark = pytest.mark.systemd

UNIT, TREE = "executord.service", "/srv/agent_memory"
INBOX = "_communication/inbox"
PACKAGED = "/opt/executord/lib/python3*/site-packages/executord/systemd"
ENGINEER = "technical-support-engineer"


def drop(machine: Machine, path: str, text: str, tree: str = TREE) -> None:
    """Anna, who shares the tree by its group, puts a file into place: aside, then renamed."""
    script = 'umask 002; mkdir -p "$(dirname "$1")"; cat > "$1.tmp"; mv "$1.tmp" "$1"'
    machine.run("bash", "-euc", script, "drop", f"{tree}/{path}", stdin=text, user="anna")


def give(machine: Machine, case: str, *tasks: str, tree: str = TREE) -> None:
    """An instruction with a plan, for the engineer."""
    drop(machine, f"{case}/instruction.yaml", f"title: {case}\npriority: high\n", tree)
    drop(machine, f"{case}/workflow/plan.yaml", f"tier: 2\ntasks: [{', '.join(tasks)}]\n", tree)
    for task in tasks:
        text = f"id: {task}\ntitle: work on {task}\nassigned_to: {ENGINEER}\n"
        drop(machine, f"{case}/tasks/pending/{task}.yaml", text, tree)


def answer(machine: Machine, case: str, task: str, tree: str = TREE) -> None:
    """The engineer has done it."""
    body = {"type": "completion", "from": ENGINEER, "instruction_id": case, "task_id": task, "summary": "did it",
            "output": "fine"}  # fmt: skip
    drop(machine, f"{INBOX}/executor/{case}-{task}.yaml", yaml.safe_dump(body), tree)


def there(machine: Machine, path: str, tree: str = TREE) -> bool:
    """Whether something lies there."""
    return machine.run("test", "-e", f"{tree}/{path}", check=False).returncode == 0


def delegated(machine: Machine, case: str, task: str, tree: str = TREE) -> bool:
    """Whether the task is in the engineer's inbox."""
    return there(machine, f"{INBOX}/{ENGINEER}/{case}.{task}.a1.delegation.yaml", tree)


def pid(machine: Machine, unit: str = UNIT) -> int:
    """The daemon's process, 0 if there is none."""
    return int(machine.show(unit, "MainPID"))


def running(machine: Machine, unit: str = UNIT) -> bool:
    """Whether it has said READY."""
    return machine.show(unit, "ActiveState") == "active"


def names(machine: Machine, case: str, tree: str = TREE) -> list[str]:
    """The names of a case's journal lines."""
    said = machine.sh(f"executord --memory {tree} --json timeline {case}")
    return [line["name"] for line in json.loads(said)["lines"]]


def override(machine: Machine, text: str) -> None:
    """A drop-in, as `systemctl edit` makes it; empty: none."""
    place = "/run/systemd/system/executord.service.d"
    if text:
        machine.run("bash", "-euc", f"mkdir -p {place}; cat > {place}/test.conf", stdin=f"[Service]\n{text}\n")
    else:
        machine.sh(f"rm -rf {place}")
    machine.sh("systemctl daemon-reload")


# --- installed --------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-2", "OPS-11", "OPS-12")
def test_it_is_installed_started_and_shown(machine: Machine):
    """Active and enabled under its own user, with the notification that this systemd knows."""
    version = int(machine.sh("systemctl --version").split()[1])
    shown = json.loads(machine.sh("executord --json service show"))
    wanted = {"unit": UNIT, "memory": TREE, "current": True, "active": "active", "sub": "running", "enabled": "enabled"}
    assert {key: shown[key] for key in wanted} == wanted
    assert shown["pid"] == pid(machine)
    assert machine.show(UNIT, "Type") == ("notify-reload" if version >= 253 else "notify")
    assert re.fullmatch(r"\d+ instructions, \d+ tasks in progress", machine.show(UNIT, "StatusText"))
    assert machine.sh(f"stat -c '%U %G' /proc/{pid(machine)}").split() == ["executord", "executord"]
    assert machine.sh(f"stat -c '%a %U %G' {TREE}").split() == ["2770", "executord", "executord"]
    again = json.loads(machine.sh("executord --json service install"))
    assert again["left"] == []
    assert shown["pid"] == pid(machine), "to install it again disturbs nothing"


@pytest.mark.spec("OPS-11", "OPS-12")
def test_systemd_finds_nothing_to_say_about_the_units(machine: Machine):
    """`systemd-analyze verify` prints nothing: one tree, an instance, the user's, and with all drop-ins in place."""
    machine.sh(f"install -D -m 644 {PACKAGED}/executord@.service /tmp/v/executord@srv-acme.service")
    machine.sh(f"install -D -m 644 {PACKAGED}/user/executord.service /tmp/u/executord.service")
    machine.sh("mkdir -p ~/.local/bin; ln -sf /usr/local/bin/executord ~/.local/bin/")  # the user unit's own place
    kinds = ("service", "timer", "socket")
    machine.sh(f"mkdir /tmp/all; cp {' '.join(f'{PACKAGED}/*.{kind}' for kind in kinds)} /tmp/all 2>/dev/null || true")
    machine.sh('cd /tmp/all; for each in *@.*; do cp "$each" "${each/@/@srv-acme}"; done')
    shipped = [name for name in machine.sh("ls /tmp/all").split() if "@." not in name]
    assert {"executord.service", "executord@srv-acme.service", "executord-check.timer"} <= set(shipped)
    for command in (
        f"systemd-analyze verify --man=no {UNIT} executord-check.service executord-check.timer",
        "systemd-analyze verify --man=no /tmp/v/executord@srv-acme.service",
        "XDG_RUNTIME_DIR=/tmp/u systemd-analyze --user verify --man=no /tmp/u/executord.service",
        *(f"systemd-analyze verify --man=no /tmp/all/{name}" for name in shipped),
    ):
        done = machine.run("bash", "-c", command, check=False)
        assert (done.stdout + done.stderr, done.returncode) == ("", 0), command


@pytest.mark.spec("OPS-11", "OPS-12", "SEC-4")
def test_the_exposure_is_low(machine: Machine):
    """`systemd-analyze security` says 1.8 or less, without the three settings that break worker programs."""
    said = machine.sh(f"systemd-analyze security --no-pager {UNIT}")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found is not None
    assert float(found[1]) <= 1.8
    for key in ("MemoryDenyWriteExecute", "ProtectControlGroups"):
        assert machine.show(UNIT, key) == "no"
    assert machine.show(UNIT, "ProcSubset") == "all"
    said = machine.sh("systemd-analyze security --no-pager executord-check.service")
    checks = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert checks is not None
    assert float(checks[1]) <= 1.8
    rows = json.loads(machine.sh(f"executord --memory {TREE} --json doctor"))["checks"]
    assert [row["state"] for row in rows if row["name"] == "unit exposure"] == ["fine"]
    assert machine.sh(f"grep -E '^(CapEff|NoNewPrivs):' /proc/{pid(machine)}/status").split() == [
        "CapEff:", "0000000000000000", "NoNewPrivs:", "1",
    ]  # fmt: skip


# --- work -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-11", "OPS-12")
def test_people_of_the_group_and_the_daemon_share_the_tree(machine: Machine):
    """Anna drops files, reads the delegation, answers, moves a file by hand: each can move what the other made."""
    give(machine, "share-1", "T1", "T2")
    machine.until(lambda: delegated(machine, "share-1", "T1"), "nothing is delegated")
    letter = machine.run("cat", f"{TREE}/{INBOX}/{ENGINEER}/share-1.T1.a1.delegation.yaml", user="anna").stdout
    assert yaml.safe_load(letter)["type"] == "delegation"
    answer(machine, "share-1", "T1")
    machine.until(lambda: there(machine, "share-1/tasks/completed/T1.yaml"), "the answer is not taken")
    machine.run("bash", "-euc", "cat /srv/agent_memory/share-1/outputs/partial/{T1,progress,journal}.yaml", user="anna")
    by_hand = f"mv {TREE}/share-1/tasks/in_progress/T2.yaml {TREE}/share-1/tasks/pending/"
    machine.until(lambda: there(machine, "share-1/tasks/in_progress/T2.yaml"), "T2 is not in progress")
    machine.run("bash", "-euc", by_hand, user="anna")
    machine.until(lambda: "assign T2 a2" in names(machine, "share-1"), "a move by hand is not seen")
    machine.sh(f"executord --memory {TREE} fsck")


@pytest.mark.spec("OPS-12", "OPS-13")
def test_the_system_journal_has_the_fields(machine: Machine):
    """`journalctl INSTRUCTION_ID=…` finds the lines of one case, in the words of its own journal."""
    give(machine, "fields-1", "T1")
    machine.until(lambda: delegated(machine, "fields-1", "T1"), "nothing is delegated")
    found: list[dict[str, Any]] = []

    def arrived() -> bool:
        found[:] = machine.journal("-u", UNIT, "INSTRUCTION_ID=fields-1", "TASK_ID=T1")
        return any(str(each["MESSAGE"]).startswith("assign T1 a1 ") for each in found)

    machine.until(arrived, "the line is not in the system's journal")
    line = next(each for each in found if str(each["MESSAGE"]).startswith("assign T1 a1 "))
    assert line["AGENT"] == ENGINEER
    assert (line["SYSLOG_IDENTIFIER"], line["PRIORITY"], line["RULE"]) == ("executord", "6", "EXE-10")
    assert int(line["EVENT"]) >= 1
    events = [each["EVENT"] for each in machine.journal("-u", UNIT, "INSTRUCTION_ID=fields-1") if "EVENT" in each]
    assert events == [str(n) for n in range(1, len(events) + 1)], "one line per journal line, in order"


@pytest.mark.spec("OPS-11", "OPS-12", "OPS-16")
def test_the_web_pages_start_with_the_first_request(machine: Machine):
    """By their socket, as a user of their own for whom the tree is read-only; they say when the daemon is down."""
    give(machine, "web-1", "T1")
    machine.until(lambda: delegated(machine, "web-1", "T1"), "nothing is delegated")
    machine.sh("executord service install --web 8700")
    script = (
        "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8700/case/web-1', timeout=60).read().decode())"
    )

    def page() -> str:
        return machine.run("python3", "-c", script).stdout

    unit = "executord-web.service"
    try:
        assert machine.show(unit, "ActiveState") == "inactive"
        assert "work on T1" in page()
        assert machine.show(unit, "ActiveState") == "active"
        process = str(pid(machine, unit))
        assert machine.run("stat", "-c", "%U", f"/proc/{process}").stdout.strip() not in ("executord", "root")
        denied = machine.run("nsenter", "-t", process, "-m", "touch", f"{TREE}/x", check=False)
        assert "Read-only file system" in denied.stderr
        assert "not running" not in page()
        machine.sh(f"systemctl stop {UNIT}")
        machine.until(lambda: "The daemon is not running." in page(), "it is not said")
        assert machine.sh(f"systemd-analyze verify --man=no {unit} executord-web.socket 2>&1") == ""
        machine.sh(f"systemctl stop {unit}")
        assert "work on T1" in page(), "the socket stays"
        assert "Traceback" not in machine.run("journalctl", "--no-pager", "-u", unit, "-o", "cat").stdout
    finally:
        machine.sh(f"systemctl start {UNIT}; systemctl disable --now executord-web.socket; systemctl stop {unit}")


@pytest.mark.spec("OPS-12", "REL-2")
def test_it_is_started_again_after_sigkill(machine: Machine):
    """Killed in the middle of work: systemd starts it, and every task is delegated once."""
    before, restarts = pid(machine), int(machine.show(UNIT, "NRestarts"))
    tasks = [f"T{n}" for n in range(1, 31)]
    give(machine, "killed-1", *tasks)
    machine.sh(f"systemctl kill -s KILL {UNIT}")
    machine.until(lambda: running(machine) and pid(machine) not in (0, before), "it is not started again")
    assert int(machine.show(UNIT, "NRestarts")) == restarts + 1
    answer(machine, "killed-1", "T1")
    machine.until(lambda: there(machine, "killed-1/tasks/completed/T1.yaml"), "it does not work on")
    said = names(machine, "killed-1")
    assert len(said) == len(set(said)), "no line twice"
    machine.sh(f"executord --memory {TREE} fsck")


@pytest.mark.spec("OPS-12", "OPS-24")
def test_a_daemon_that_hangs_is_killed_by_its_watchdog(machine: Machine):
    """It feeds the watchdog, however short its span is; when it stands still it is ended and started again."""
    override(machine, "WatchdogSec=3s\nTimeoutAbortSec=5s")
    try:
        machine.sh(f"systemctl restart {UNIT}")
        before = pid(machine)
        time.sleep(8)
        assert pid(machine) == before, "it is alive while nothing happens"
        machine.sh(f"systemctl kill -s STOP {UNIT}")
        machine.until(lambda: running(machine) and pid(machine) not in (0, before), "it hangs for ever")
        said = machine.run("journalctl", "--no-pager", "-u", UNIT, "-o", "cat").stdout
        assert "Watchdog timeout" in said
        assert "result 'watchdog'" in said
    finally:
        override(machine, "")
        machine.sh(f"systemctl restart {UNIT}")


@pytest.mark.spec("OPS-9", "OPS-12")
def test_a_bad_configuration_is_refused_at_reload(machine: Machine):
    """The old one stays in force and this is said; a good one is taken; both without a restart."""
    before = pid(machine)
    give(machine, "reload-0", "T1")
    machine.until(lambda: delegated(machine, "reload-0", "T1"), "nothing is delegated")

    def configure(text: str) -> str:
        machine.run("bash", "-euc", "cat > /etc/executord/config.yaml", stdin=text)
        machine.sh("journalctl --sync")
        cursor = machine.sh(f"journalctl -u {UNIT} -n 1 --show-cursor").split("-- cursor: ")[1].strip()
        machine.sh(f"systemctl reload {UNIT}")
        said = ""

        def heard() -> bool:
            nonlocal said
            said = machine.run("journalctl", "--no-pager", "-u", UNIT, "-o", "cat", f"--after-cursor={cursor}").stdout
            return "onfiguration" in said

        machine.until(heard, "the reload is not said")
        return said

    try:
        said = configure("rooster: {}\n")
        assert "the configuration stays as it was" in said
        assert "/etc/executord/config.yaml:1:1" in said
        assert (pid(machine), running(machine)) == (before, True)
        assert "configuration" in machine.show(UNIT, "StatusText"), "systemctl status shows it as well"
        said = configure("roster: {night-bot: {expertise: [night]}}\nauthority: {anna: all}\n")
        assert "the configuration was read again" in said
        assert (pid(machine), running(machine)) == (before, True)
        assert "configuration" not in machine.show(UNIT, "StatusText")
        drop(machine, f"{INBOX}/executor/hold.yaml",
             "type: hold\nfrom: anna\ninstruction_id: reload-0\nreason: the new rules count\n")  # fmt: skip
        machine.until(lambda: "file hold.yaml #1" in names(machine, "reload-0"), "the new rules do not count")
    finally:
        machine.sh(f"rm /etc/executord/config.yaml; systemctl reload {UNIT}")


@pytest.mark.spec("CON-18", "OPS-11", "OPS-12")
def test_a_start_with_a_bad_configuration_is_not_tried_for_ever(machine: Machine):
    """Exit 78: the unit fails at once and says why; mended, it starts."""
    try:
        machine.run("bash", "-euc", "cat > /etc/executord/config.yaml", stdin="durability: perhaps\n")
        assert machine.run("systemctl", "restart", UNIT, check=False).returncode != 0
        time.sleep(3)
        assert machine.show(UNIT, "ActiveState") == "failed"
        assert machine.show(UNIT, "ExecMainStatus") == "78"
        said = machine.run("journalctl", "--no-pager", "-u", UNIT, "-o", "cat", "-n", "20").stdout
        assert "/etc/executord/config.yaml:1:13 durability" in said
    finally:
        machine.sh(f"rm /etc/executord/config.yaml; systemctl reset-failed {UNIT}; systemctl start {UNIT}")
    assert running(machine)


@pytest.mark.spec("OPS-12", "REL-1")
def test_stopped_during_work_nothing_is_lost(machine: Machine):
    """`systemctl stop` in a burst ends in order and quickly; the rest is done after the start, nothing twice."""
    tasks = [{"id": f"T{n}", "title": f"work {n}", "assigned_to": "knowledge-base-specialist"} for n in range(300)]
    whole = {"instruction": {"id": "burst-1", "title": "a burst", "priority": "low"}, "plan": {"tier": 2}}
    machine.sh(f"executord --memory {TREE} submit -", stdin=json.dumps({**whole, "tasks": tasks}))
    machine.until(lambda: there(machine, "burst-1/outputs/partial/journal.yaml"), "it does not begin")
    began = time.monotonic()
    machine.sh("executord service stop")
    assert time.monotonic() - began < 30
    assert (machine.show(UNIT, "ActiveState"), machine.show(UNIT, "Result")) == ("inactive", "success")
    assert machine.show(UNIT, "ExecMainStatus") == "0"
    assert json.loads(machine.sh(f"executord --memory {TREE} --json status"))["daemon"]["running"] is False
    drop(machine, f"{INBOX}/executor/while-down.yaml",
         "type: cancel\nfrom: operator\ninstruction_id: burst-1\ntask_id: T299\nreason: not needed\n")  # fmt: skip
    machine.sh(f"systemctl start {UNIT}")
    machine.until(lambda: any(n.startswith("file while-down.yaml") for n in names(machine, "burst-1")), "not taken up")
    said = names(machine, "burst-1")
    assert len(said) == len(set(said))
    machine.sh(f"executord --memory {TREE} fsck")


@pytest.mark.spec("OPS-11", "OPS-12", "OPS-21", "REL-7")
def test_two_instances_have_a_tree_each(machine: Machine):
    """Two trees, two daemons, two state folders; a second daemon on one tree is refused, naming the first."""
    other, unit = "/srv/acme corp", r"executord@srv-acme\x20corp.service"
    machine.run("executord", "init", other)
    try:
        told = json.loads(machine.run("executord", "--memory", other, "--json", "service", "install").stdout)
        assert told["unit"] == unit
        assert running(machine, unit)
        assert running(machine)
        assert pid(machine) != pid(machine, unit)
        give(machine, "acme-1", "T1", tree=other)
        machine.until(lambda: delegated(machine, "acme-1", "T1", other), "the second tree is not served")
        assert not there(machine, "acme-1")
        found = machine.journal("INSTRUCTION_ID=acme-1")
        assert {each["_SYSTEMD_UNIT"] for each in found} == {unit}
        assert {each["SYSLOG_IDENTIFIER"] for each in found} == {"executord"}
        assert r"srv-acme\x20corp" in machine.sh("ls /var/lib/executord").splitlines(), "a state folder of its own"
        second = machine.run("executord", "--memory", other, "--state", "/tmp/s", "run", check=False)
        assert second.returncode == 75
        assert f"pid {pid(machine, unit)} " in second.stderr
        verified = machine.run("systemd-analyze", "verify", "--man=no", unit, check=False)
        assert (verified.stdout + verified.stderr, verified.returncode) == ("", 0)
        found_level = re.search(
            r"exposure level for \S+: ([\d.]+)", machine.run("systemd-analyze", "security", "--no-pager", unit).stdout
        )
        assert found_level is not None
        assert float(found_level[1]) <= 1.8
    finally:
        machine.run("executord", "--memory", other, "service", "uninstall", check=False)
    assert machine.run("systemctl", "cat", unit, check=False).returncode != 0
    assert running(machine), "the first instance goes on"
    assert there(machine, "acme-1/tasks/in_progress/T1.yaml", other), "the memory stays"


@pytest.mark.spec("OPS-2", "OPS-11", "OPS-12")
def test_anna_runs_one_for_herself(machine: Machine):
    """Without root: `service install --user`, in her home, under her own systemd."""
    machine.sh("loginctl enable-linger anna")
    uid = machine.sh("id -u anna").strip()
    machine.until(lambda: machine.run("test", "-S", f"/run/user/{uid}/systemd/private", check=False).returncode == 0,
                  "anna's systemd does not start")  # fmt: skip
    home = "/home/anna/Agent_Memory"
    machine.run("executord", "init", home, user="anna")
    told = json.loads(machine.run("executord", "--json", "service", "install", "--user", user="anna").stdout)
    assert (told["unit"], told["memory"], told["left"]) == (UNIT, home, [])
    shown = json.loads(machine.run("executord", "--json", "service", "show", "--user", user="anna").stdout)
    assert (shown["active"], shown["sub"], shown["current"]) == ("active", "running", True)
    give(machine, "anna-1", "T1", tree=home)
    machine.until(lambda: delegated(machine, "anna-1", "T1", home), "nothing is delegated")
    machine.run("systemctl", "--user", "reload", UNIT, user="anna")
    machine.run("executord", "service", "stop", "--user", user="anna")
    machine.run("executord", "service", "uninstall", "--user", user="anna")
    assert machine.run("systemctl", "--user", "cat", UNIT, user="anna", check=False).returncode != 0
    assert running(machine), "the system's own goes on"


@pytest.mark.spec("OPS-8", "OPS-11", "OPS-12")
def test_the_timer_checks_the_tree(machine: Machine):
    """Enabled with the service; finds nothing while the daemon works; a task in two folders fails it, in words."""
    check = "executord-check.service"
    assert machine.sh("systemctl is-enabled executord-check.timer").strip() == "enabled"
    assert machine.sh("systemctl is-active executord-check.timer").strip() == "active"
    give(machine, "sound-1", "T1")
    machine.until(lambda: delegated(machine, "sound-1", "T1"), "nothing is delegated")
    machine.sh(f"systemctl start {check}")
    assert machine.show(check, "Result") == "success"
    machine.sh(f"systemctl stop {UNIT}")
    drop(machine, "sound-1/tasks/completed/T1.yaml", "id: T1\ntitle: a second one\n")
    assert machine.run("systemctl", "start", check, check=False).returncode != 0
    assert check in machine.sh("systemctl list-units --failed --plain --no-legend")
    assert "sound-1" in machine.sh(f"journalctl --no-pager -u {check} -o cat -n 20")
    machine.sh(f"rm {TREE}/sound-1/tasks/completed/T1.yaml; systemctl start {UNIT} {check}")
    assert machine.show(check, "Result") == "success"


# --- logs -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-11", "OPS-12", "OPS-13")
def test_the_json_log_is_rotated_and_read_by_lnav(machine: Machine):
    """`EXECUTORD_LOG_FILE` writes it; logrotate moves it, no line is lost; lnav reads it by the format that ships."""
    path = "/var/log/executord/executord.jsonl"

    def found(words: str) -> bool:
        return machine.run("grep", "-q", words, path, check=False).returncode == 0

    override(machine, f"Environment=EXECUTORD_LOG_FILE={path}")
    try:
        machine.sh(f"systemctl restart {UNIT}")
        give(machine, "rotate-1", "T1")
        machine.until(lambda: found("assign T1 a1"), "no log")
        machine.sh("logrotate --force /etc/logrotate.d/executord")
        assert machine.run("test", "-s", path, check=False).returncode != 0
        answer(machine, "rotate-1", "T1")
        machine.until(lambda: found("move T1"), "it is not opened anew")
        lines = [json.loads(line) for line in machine.sh(f"cat {path}.1 {path}").splitlines()]
        events = [line["event"] for line in lines if line.get("instruction") == "rotate-1"]
        assert events == list(range(1, len(events) + 1)), "no line is lost"
        machine.sh(f"lnav -i {PACKAGED}/lnav/executord.json")
        query = ";SELECT log_level, instruction, event FROM executord_log WHERE instruction = 'rotate-1' AND event = 1"
        said = machine.sh(f'lnav -n -c "{query}" -c ":write-json-to -" {path}.1')
        (row,) = json.loads(said)
        assert (row["instruction"], row["event"], row["log_level"]) == ("rotate-1", 1, "info")
    finally:
        override(machine, "")
        machine.sh(f"systemctl restart {UNIT}")


# --- the pages --------------------------------------------------------------------------------------------------------


def machine_blocks(*words: str) -> list[str]:
    """The lines of the blocks of the pages that a machine has to run and that hold these words; nothing without end."""
    found = [block for block in of_kind("machine") if all(word in block.text for word in words)]
    lines = [re.sub(r"\s+#\s.*$", "", line) for block in found for line in block.text.splitlines()]
    endless = {"journalctl -fu": "journalctl --no-pager -n 5 -u", "executord log -f": "executord log"}
    for old, new in endless.items():
        lines = [line.replace(old, new) for line in lines]
    assert lines
    return lines


@pytest.mark.spec("OPS-2", "OPS-11", "OPS-13")
def test_what_the_pages_tell_an_operator_to_do_can_be_done(machine: Machine):
    """Line by line, as it stands: the journal's fields, jq, lnav; the units put in place by hand; and for good."""
    assert {line for line in machine_blocks() if line} == {
        line for words in ("INSTRUCTION_ID", "sysusers", "executord init", *OTHERS) for line in machine_blocks(words)
    }
    machine.sh(f"mkdir -p /root/here; cp -r {PACKAGED} /root/here/systemd")
    override(machine, "Environment=EXECUTORD_LOG_FILE=/var/log/executord/executord.jsonl")
    try:
        machine.sh(f"systemctl restart {UNIT}")
        give(machine, "acme-42", "T1")
        machine.until(lambda: delegated(machine, "acme-42", "T1"), "nothing is delegated")
        for line in machine_blocks("INSTRUCTION_ID"):
            said = machine.sh(f"cd /root/here; EXECUTORD_MEMORY={TREE} {line}")
            assert "T1" in said or "INSTRUCTION_ID" not in line, line
    finally:
        override(machine, "")
    machine.sh("executord service uninstall")
    for line in machine_blocks("sysusers"):
        machine.sh(f"cd /root/here; {line}")
    assert running(machine)
    answer(machine, "acme-42", "T1")
    machine.until(
        lambda: there(machine, "acme-42/tasks/completed/T1.yaml"), "the unit put in place by hand does not work"
    )
    machine.sh(f"systemctl disable --now {UNIT}; rm /etc/systemd/system/{UNIT} /usr/lib/tmpfiles.d/executord.conf")
    for line in machine_blocks("executord init"):
        machine.sh(f"cd /root/here; {line}")
    assert running(machine)


#: Words of the blocks that have a test of their own.
OTHERS = ("pip install --upgrade", "tar -C /srv -cpf", "tar -C /srv -xpf")


def newer(machine: Machine, version: str) -> None:
    """A wheel in /newer of a later version, whose unit is another one."""
    (wheel,) = machine.wheels.glob("executord-*.whl")
    known = wheel.name.split("-")[1]
    target = machine.root / "newer" / wheel.name.replace(known, version)
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        names = []
        for info in old.infolist():
            data, name = old.read(info), info.filename.replace(f"-{known}.dist-info", f"-{version}.dist-info")
            if name.endswith(("/METADATA", "executord/__init__.py")):
                data = data.replace(known.encode(), version.encode())
            elif name == f"executord/systemd/{UNIT}":
                data += b"# of a later version\n"
            if not name.endswith("/RECORD"):
                new.writestr(name, data)
                names.append(name)
        record = f"executord-{version}.dist-info/RECORD"
        new.writestr(record, "".join(f"{name},,\n" for name in (*names, record)))


@pytest.mark.spec("OPS-2", "OPS-11", "OPS-12", "REL-9")
def test_it_is_upgraded_while_it_runs(machine: Machine):
    """By the page's own lines: the old one works until it is restarted, the new one takes up what it finds."""
    before = pid(machine)
    give(machine, "upgrade-1", "T1", "T2")
    machine.until(lambda: delegated(machine, "upgrade-1", "T1"), "nothing is delegated")
    newer(machine, "99.0")
    lines = machine_blocks("pip install --upgrade")
    environ = "export PIP_NO_INDEX=1 PIP_NO_DEPS=1 PIP_FIND_LINKS=/newer"
    machine.sh(f"{environ}; {lines[0]}")
    assert machine.sh("executord --version").strip() == "executord 99.0"
    assert json.loads(machine.sh("executord --json service show"))["current"] is False
    assert pid(machine) == before
    answer(machine, "upgrade-1", "T1")
    machine.until(lambda: delegated(machine, "upgrade-1", "T2"), "the old one does not work on")
    for line in lines[1:]:
        machine.sh(line)
    assert json.loads(machine.sh("executord --json service show"))["current"] is True
    assert running(machine)
    assert pid(machine) not in (0, before)
    answer(machine, "upgrade-1", "T2")
    machine.until(lambda: there(machine, "upgrade-1/tasks/completed/T2.yaml"), "the new one does not take it up")
    said = names(machine, "upgrade-1")
    assert len(said) == len(set(said))
    assert sorted(name for name in said if name.startswith("assign ")) == ["assign T1 a1", "assign T2 a1"]
    machine.sh(f"executord --memory {TREE} fsck")


@pytest.mark.spec("OPS-10", "OPS-12", "REL-2")
def test_a_backup_is_made_and_put_back(machine: Machine):
    """By the page's own lines: the tree is shared as it was, what came since is dropped again, and work goes on."""
    give(machine, "backup-1", "T1", "T2", "T3")
    machine.until(lambda: delegated(machine, "backup-1", "T1"), "nothing is delegated")
    answer(machine, "backup-1", "T1")
    machine.until(lambda: delegated(machine, "backup-1", "T2"), "the answer is not taken")
    for line in machine_blocks("tar -C /srv -cpf"):
        machine.sh(line)
    answer(machine, "backup-1", "T2")
    machine.until(lambda: delegated(machine, "backup-1", "T3"), "it does not go on after the backup")
    for line in machine_blocks("tar -C /srv -xpf"):
        machine.sh(line)
    assert running(machine)
    assert there(machine, "backup-1/tasks/in_progress/T2.yaml")
    assert not delegated(machine, "backup-1", "T3")
    assert machine.sh(f"stat -c '%a %U %G' {TREE}").split() == ["2770", "executord", "executord"]
    again = machine.sh(f"cat {TREE}.old/{INBOX}/executor/.processed/*/backup-1-T2.yaml")
    drop(machine, f"{INBOX}/executor/backup-1-T2.yaml", again)
    machine.until(lambda: delegated(machine, "backup-1", "T3"), "what is dropped again is not taken")
    answer(machine, "backup-1", "T3")
    machine.until(lambda: there(machine, "backup-1/tasks/completed/T3.yaml"), "it does not go on")
    said = names(machine, "backup-1")
    assert len(said) == len(set(said))
    assert sum(name.startswith("assign ") for name in said) == 3
    machine.sh(f"executord --memory {TREE} fsck; rm -r {TREE}.old /var/backups/agent_memory.tar")


# --- for a year -------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-12", "OPS-13", "REL-2")
def test_it_comes_up_with_the_machine(machine: Machine):
    """Powered off and on: it runs, works on, and says in one event what fell due meanwhile."""
    give(machine, "boot-1", "T1")
    machine.until(lambda: delegated(machine, "boot-1", "T1"), "nothing is delegated")
    machine.off()
    tree = machine.root / TREE.lstrip("/")
    letter = tree / INBOX / "executor/while-off.yaml"
    letter.write_text(
        textwrap.dedent(f"""\
        type: completion
        from: {ENGINEER}
        instruction_id: boot-1
        task_id: T1
        summary: done while it was off
        output: fine
        """)
    )
    time.sleep(3)  # else it has yet to settle
    machine.boot()
    machine.until(lambda: running(machine), "it does not come up with the machine")
    machine.until(lambda: there(machine, "boot-1/tasks/completed/T1.yaml"), "what came meanwhile is not taken")
    machine.until(lambda: machine.journal("-b", "-u", UNIT, "LOG_EVENT=catchup"), "no catch-up is said")
    (event,) = machine.journal("-b", "-u", UNIT, "LOG_EVENT=catchup")
    assert event["DOWN_FROM"] < event["DOWN_TO"]
    assert int(event["N"]) >= 1
    assert not any("catchup" in name for name in names(machine, "boot-1"))


def listed(machine: Machine, place: str) -> dict[str, str]:
    """Every file and link below a place, with what it holds."""
    script = (
        f"find {place} \\( -type f -o -type l \\) -printf '%p\\t%l\\t' -exec sha256sum -b {{}} \\; 2>/dev/null || true"
    )
    found = {}
    for line in machine.sh(f"set +o pipefail; {script}").splitlines():
        path, link, held = [*line.split("\t"), "", ""][:3]
        found[path] = link or held.split(" ")[0]
    return found


@pytest.mark.spec("OPS-2", "OPS-11", "OPS-12")
def test_uninstalled_it_leaves_the_memory(machine: Machine):
    """What `install` wrote is gone and nothing else has changed; the tree, its user, configuration and state stay;
    installed again it goes on."""
    give(machine, "again-1", "T1")
    machine.until(lambda: delegated(machine, "again-1", "T1"), "nothing is delegated")
    before = listed(machine, "/etc /usr/lib/systemd /usr/local")
    machine.sh("executord service uninstall")
    after = listed(machine, "/etc /usr/lib/systemd /usr/local")
    assert machine.run("systemctl", "cat", UNIT, check=False).returncode != 0
    ours = {path for path in before if "executord" in path}
    kept = {path for path in ours if path.startswith(("/etc/executord/", "/usr/local/bin/executord"))}
    assert {path for path in after if "executord" in path} == kept
    assert {path: held for path, held in before.items() if path not in ours - kept} == after
    plan = json.loads(machine.sh("executord --json service install --dry-run"))
    written = {step.removeprefix("write ") for step in plan["steps"] if step.startswith("write ")}
    assert written <= ours - kept
    assert all("/etc/systemd/system/" in path for path in ours - kept - written), "and the links of `systemctl enable`"
    assert machine.run("executord", "service", "show", check=False).returncode == 66
    assert machine.sh("id -un executord").strip() == "executord"
    machine.sh("executord service install")
    assert running(machine)
    answer(machine, "again-1", "T1")
    machine.until(lambda: there(machine, "again-1/tasks/completed/T1.yaml"), "it does not go on")
