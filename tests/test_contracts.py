"""The contracts from outside, as a stranger tries to break them: streams, words, imports, files [CON-0 … CON-18].

What each command does is tested with its group; here stands what all of them promise, and what was once broken.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from executord.cli import GROUPS, app, load
from executord.files.dropping import reason_beside
from tests.calls import clean, say
from tests.real.kit import Tree

ROOT = Path(__file__).parent.parent
INBOX = "_communication/inbox/executor"
QUICK = {"settle": "0.2 seconds", "round": "1 second"}


def lay(root: Path, path: str, text: str) -> None:
    """A file with its folders, unchanged for long."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    os.utime(file, (1_700_000_000,) * 2)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """Three tasks one after the other, and three that cannot be begun."""
    root = tmp_path / "memory"
    (root / "_communication/inbox/executor").mkdir(parents=True)
    lay(root, "acme-42/instruction.yaml", "title: Checkout fails\ntier: 2\ncustomer: {name: Acme}\n")
    lay(root, "acme-42/workflow/plan.yaml", "tier: 2\ntasks: [T1, T2, T3]\n")
    for name in ("T1", "T2", "T3"):
        lay(root, f"acme-42/tasks/pending/{name}.yaml", f"id: {name}\ntitle: work\nassigned_to: technical-writer\n")
    lay(root, "ring/instruction.yaml", "title: ring\ntier: 3\n")
    for name, other in (("A", "B"), ("B", "A"), ("C", "A")):
        lay(root, f"ring/tasks/pending/{name}.yaml", f"id: {name}\ntitle: work\ndepends_on: [{other}]\n")
    return root


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of this machine's configuration."""
    return {**clean("XDG"), "HOME": str(home), **more}


def call(root: Path, *args: str, redirect: str = "", stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """`executord …` beside the memory, its streams redirected as the shell does it."""
    if not redirect:
        return say(*args, stdin=stdin, cwd=root.parent, env=environment(root.parent, **env))
    script = f'exec "$0" -m executord "$@" {redirect}'
    return subprocess.run(
        ["/bin/bash", "-c", script, sys.executable, *args], capture_output=True, text=True, timeout=60, check=False,
        cwd=root.parent, env=environment(root.parent, **env), encoding="utf-8", input=stdin,
    )  # fmt: skip


def weakly(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """`executord …` as somebody whom permissions bind: root is without its privileges."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root can read everything, and setpriv is not there to take that away")
    weak = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*weak, sys.executable, "-m", "executord", "--memory", str(root), *args], capture_output=True, text=True,
        timeout=60, check=False, env=environment(root.parent),
    )  # fmt: skip


def simulate(root: Path, keep: Path, *steps: dict[str, Any]) -> None:
    """The memory as it is after these steps, kept."""
    done = call(
        root, "simulate", str(root), "--start", "2026-11-20T09:00:00Z", "--script", "-", "--keep", str(keep),
        stdin=json.dumps(steps),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# --- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("CON-0", "CON-18")
@pytest.mark.parametrize(
    "command", [["status"], ["status", "--json"], ["list"], ["schema"], ["config", "generate"], ["nonsense", "--json"]]
)
def test_a_full_disk_behind_stdout_is_an_error_in_words(memory, command):
    """73 and one line on stderr, or the code of the error that could not be printed; never a traceback."""
    done = call(memory, "--memory", "memory", *command, redirect=">/dev/full")
    assert done.returncode == (2 if command[0] == "nonsense" else 73)
    assert "Traceback" not in done.stderr
    assert "executord: " in done.stderr


@pytest.mark.spec("CON-9", "CON-18")
def test_what_is_only_printed_at_the_end_counts_too(memory, tmp_path):
    """`sla due` writes once; the write that fails is its exit code."""
    done = call(memory, "sla", "due", "--calendar", "24x7", "--start", "2026-01-01T00:00:00Z", "--target", "4h",
                redirect=">/dev/full")  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (73, False)


@pytest.mark.spec("CON-18")
@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_reason_to_fail(memory, redirect):
    """A stream that was closed is the null device; nothing is printed into the next file that is opened."""
    assert call(memory, "--memory", "memory", "list", redirect=redirect).returncode == 0
    assert call(memory, "nonsense", redirect=redirect).returncode == 2


@pytest.mark.spec("CON-18")
def test_a_reader_that_has_gone_is_no_error(memory):
    """`| head -1` ends the command quietly."""
    done = call(memory, "config", "generate", redirect="| head -1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert "Traceback" not in done.stderr


@pytest.mark.spec("CON-0", "CON-18", "OPS-5")
def test_no_command_is_usage(memory):
    """2; people get the list of commands on stderr, programs an object."""
    for args in ([], ["config"], ["sla"]):
        people, program = call(memory, *args), call(memory, *args, "--json")
        assert (people.returncode, people.stdout) == (2, "")
        assert "Usage: executord" in people.stderr
        error = json.loads(program.stdout)["error"]
        assert (program.returncode, error["code"], error["message"]) == (2, 2, "Missing command.")


@pytest.mark.spec("CON-0", "CON-18")
@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["status", "nobody"], 66),
        (["show", "nobody"], 66),
        (["status", "--memory", "nowhere"], 66),
        (["status", "--bogus"], 2),
        (["run", "--once", "--until-idle"], 2),
        (["run", "--until-idle", "--max-wait", "soon"], 2),
        (["run", "--once", "--log-level", "LOUD"], 2),
        (["validate", "nothing.yaml"], 66),
        (["sla", "due", "nothing.json"], 66),
        (["sla", "due", "--calendar", "nothing.yaml", "--start", "2026-01-01T00:00:00Z", "--target", "4h"], 66),
        (["sla", "due", "--calendar", "nothing", "--start", "2026-01-01T00:00:00Z", "--target", "4h"], 65),
        (["simulate", "nowhere", "--start", "2026-01-01T00:00:00Z"], 66),
        (["simulate", "memory", "--start", "2026-01-01T00:00:00Z", "--keep", "memory"], 73),
        (["hold", "acme-42", "--reason", "x"], 69),
        (["wait", "acme-42", "--timeout", "1s"], 124),
        (["status", "--config", "nothing.yaml"], 78),
    ],
)
def test_an_error_is_an_object_with_all_its_keys(memory, args, code):
    """On stdout with --json, its text on stderr as well."""
    given = args if "--memory" in args or args[0] == "simulate" else ["--memory", "memory", *args]
    done = call(memory, *given, "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["schema_version"], said["error"]["code"]) == (code, 1, code)
    assert list(said["error"]) == ["code", "message", "path", "fix"]
    assert said["error"]["message"] in done.stderr


# --- which memory, which words ----------------------------------------------------------------------------------------


@pytest.mark.spec("CON-1", "OPS-9")
def test_the_order_in_which_a_memory_is_found(memory, tmp_path):
    """--memory, else EXECUTORD_MEMORY, else the configuration, else ./Agent_Memory; an empty variable is none."""
    for name in ("flag", "variable", "file", "Agent_Memory"):
        lay(tmp_path, f"{name}/of-{name.lower()}/instruction.yaml", "title: x\n")
    (tmp_path / "c.yaml").write_text("memory: file\n")

    def found(*args: str, **env: str) -> str:
        done = call(memory, *args, "list", "--json", **env)
        (case,) = json.loads(done.stdout)["instructions"]
        return case["id"]

    config = ("--config", "c.yaml")
    assert found("--memory", "flag", *config, EXECUTORD_MEMORY="variable") == "of-flag"
    assert found(*config, EXECUTORD_MEMORY="variable") == "of-variable"
    assert found(*config, EXECUTORD_MEMORY="") == "of-file"
    assert found() == "of-agent_memory"


@pytest.mark.spec("CON-1", "CON-18")
@pytest.mark.parametrize("command", [["status"], ["validate"], ["run", "--once"]])
def test_a_memory_that_cannot_be_read_is_not_an_empty_one(memory, command):
    """66, and not "nothing found": root without its privileges is somebody like any other."""
    memory.chmod(0)
    try:
        done = weakly(memory, *command, "--json")
    finally:
        memory.chmod(0o755)
    assert (done.returncode, json.loads(done.stdout)["error"]["path"]) == (66, str(memory))


@pytest.mark.spec("OPS-5")
def test_every_command_is_found_by_its_word():
    """The table that says which module has which command says what the modules add, so none is hidden."""
    load()
    added = set(typer.main.get_command(app).commands)
    assert added == {word for words in GROUPS.values() for word in words}


@pytest.mark.spec("OPS-4")
@pytest.mark.parametrize("word", ["status", "show", "submit", "respond", "hold"])
def test_a_command_imports_no_part_of_the_daemon_that_it_does_not_need(memory, word):
    """Looking and sending take a moment: no scheduler, no watcher, no log, no schemas."""
    code = "import sys; from executord.cli import load; load(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, word], capture_output=True, text=True, check=True, env=environment(memory)
    )
    heavy = {"apscheduler", "watchdog", "loguru", "executord.schemas", "executord.loop", "executord.demo"}
    assert not heavy & set(done.stdout.split())


# --- what status says -------------------------------------------------------------------------------------------------


@pytest.mark.spec("CON-8", "EXE-2", "EXE-28")
def test_a_cycle_is_held_in_every_view(memory):
    """`status`, `show`, `wait` and `why` agree about tasks that wait for each other, and say what frees them."""
    shown = json.loads(call(memory, "--memory", "memory", "show", "ring", "--json").stdout)
    assert {t["id"]: t["state"] for t in shown["tasks"]} == {"A": "held", "B": "held", "C": "waiting"}
    assert all("cycle" in t["held_because"] for t in shown["tasks"] if t["state"] == "held")
    assert {(row["task"], row["type"]) for row in shown["freed_by"]} == {
        (task, kind) for task in ("A", "B") for kind in ("defer", "cancel")
    }
    assert call(memory, "--memory", "memory", "wait", "ring", "--for", "A=held", "--timeout", "1s").returncode == 0
    assert "why is it held?" in call(memory, "--memory", "memory", "why", "ring/A").stdout


@pytest.mark.spec("CON-8", "EXE-5")
def test_one_after_the_other_waits_for_the_one_before(memory, tmp_path):
    """In a sequential plan a task waits for the nearest open task before it."""
    simulate(memory, tmp_path / "kept")
    shown = json.loads(call(memory, "--memory", "kept", "show", "acme-42", "--json").stdout)
    assert {t["id"]: t["waits_for"] for t in shown["tasks"]} == {"T1": [], "T2": ["T1"], "T3": ["T2"]}


@pytest.mark.spec("CON-8", "OPS-4")
def test_status_says_when_the_last_round_was(tmp_path):
    """The daemon's own facts come from its lock: who, where, since when, and when it last looked at everything."""
    tree = Tree(tmp_path, QUICK)
    tree.start()

    def daemon() -> dict[str, Any]:
        return json.loads(call(tree.root, "--memory", str(tree.root), "status", "--json").stdout)["daemon"]

    try:
        tree.until(lambda: daemon()["last_round"] is not None, "it tells of no round")
        first = daemon()
        assert (first["running"], first["pid"]) == (True, tree.process.pid)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["last_round"])
        tree.until(lambda: daemon()["last_round"] > first["last_round"], "it tells of no later round")
    finally:
        tree.stop()
    assert set(daemon().values()) == {False, None}


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("CON-0", "CON-12")
def test_times_that_others_write_stand_in_our_files_in_utc(memory, tmp_path):
    """The promise of a customer update is an instant, however its author wrote it."""
    told = {"status": "s", "next_steps": "n", "blockers": "none", "expect_next": "e", "contact": "c"}
    message = {
        "type": "customer_update", "from": "technical-writer", "instruction_id": "acme-42", "task_id": "T1", **told,
        "next_update_at": "2026-11-21T10:00:00+01:00",
    }  # fmt: skip
    kept = tmp_path / "kept"
    simulate(memory, kept, {"at": "+5m", "write": "_communication/inbox/executor/u.yaml", "content": message})
    update = yaml.safe_load((kept / "acme-42/outputs/partial/update-001.yaml").read_text())
    assert update["next_update_at"] == "2026-11-21T09:00:00Z"


@pytest.mark.spec("CON-0", "OPS-4")
def test_a_message_to_an_agent_has_the_keys_of_one_to_the_executor(memory):
    """What is dropped for an agent is reported in the shape of every other message."""
    (memory / "_communication/inbox/technical-writer").mkdir()
    said = {"type": "context", "instruction_id": "acme-42", "task_id": "T1", "text": "hello"}
    done = call(memory, "--memory", "memory", "send", "-", "--to", "technical-writer", "--json", stdin=json.dumps(said))
    (message,) = json.loads(done.stdout)["messages"]
    keys = ["file", "path", "type", "instruction_id", "task_id", "outcome", "points"]
    assert list(message) == keys
    assert [message[k] for k in keys[2:]] == ["context", "acme-42", "T1", "dropped", []]


@pytest.mark.spec("CON-9")
def test_an_error_in_a_file_of_clocks_names_the_file(memory, tmp_path):
    """So that it can be mended."""
    (tmp_path / "bad.json").write_text('{"calendar": {"timezone": "Mars/Base", "weekly": {}}}')
    (tmp_path / "torn.yaml").write_text("calendar: [")
    for name in ("bad.json", "torn.yaml"):
        done = call(memory, "sla", "due", name, "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["path"]) == (65, name)


# --- what people see, and what ends a command -------------------------------------------------------------------------


@pytest.mark.spec("OPS-4")
@pytest.mark.parametrize(
    "command",
    ["list", "show ring", "agenda", "why ring", "timeline acme-42", "log", "gate ring", "report ring", "sla report",
     "sla report --csv", "incident list", "wait ring --for waiting"],
)  # fmt: skip
def test_every_reading_command_says_that_the_daemon_is_down(memory, command):
    """On stderr, and not to programs: what `status --json` says of the daemon is for them."""
    done = call(memory, "--memory", "memory", *command.split())
    assert done.returncode in (0, 1)
    assert "the daemon is not running" in done.stderr
    assert "daemon is not running" not in done.stdout
    if "--csv" not in command:
        assert "not running" not in call(memory, "--memory", "memory", *command.split(), "--json").stderr


@pytest.mark.spec("CON-10", "CON-0")
def test_a_finding_is_one_line_whatever_the_file_is_called(memory):
    """No name of a file ends the line, or steers the terminal; in JSON it is the name that it has."""
    name = "T\n9\x1b[2J\x9b1m.yaml"
    lay(memory, f"acme-42/tasks/pending/{name}", "id: T9\ntitle: x\nsla_resolution: soonish\n")
    lay(memory, "a\x1b[2Jb/instruction.yaml", "title: x\n")
    people, program = (call(memory, "--memory", "memory", "validate", "acme-42", *more) for more in ((), ("--json",)))
    assert people.returncode == program.returncode == 65
    assert people.stdout.count("\n") == 1
    assert people.stdout.startswith("error acme-42/tasks/pending/T\\n9\\x1b[2J\\x9b1m.yaml:3:17 sla_resolution: ")
    assert json.loads(program.stdout)["findings"][0]["path"] == f"acme-42/tasks/pending/{name}"
    for command in ("list", "show acme-42", "status", "doctor", "fsck", "agenda", "log"):
        for args in (command.split(), [*command.split(), "--json"]):
            done = call(memory, "--memory", "memory", *args)
            assert done.returncode in (0, 1)
            assert not re.search("\x1b|\x9b", done.stdout + done.stderr), command


@pytest.mark.spec("CON-0")
@pytest.mark.parametrize("command", ["report acme-42 -o {}", "config generate -o {}", "config generate"])
def test_what_is_written_into_a_file_is_said_to_programs_too(memory, tmp_path, command):
    """One object, also where the result itself is in a file."""
    done = call(memory, "--memory", "memory", *command.format(tmp_path / "out").split(), "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["schema_version"]) == (0, 1)
    assert said["path"] == (str(tmp_path / "out") if "-o" in command else None)


@pytest.mark.spec("CON-18", "OPS-6")
def test_a_daemon_that_is_told_twice_to_stop_has_stopped_well(tmp_path):
    """0, also where the second signal meets the interpreter on its way out."""
    tree = Tree(tmp_path, QUICK)
    for number in (signal.SIGTERM, signal.SIGINT):
        tree.start()
        assert tree.process is not None
        while tree.process.poll() is None:
            tree.process.send_signal(number)
            time.sleep(0.001)  # again and again, so that some fall into each stage of its ending
        assert tree.process.returncode == 0


@pytest.mark.spec("CON-18", "CON-0")
def test_an_interrupt_is_no_exit_code(memory):
    """Ctrl-C ends a command as a signal does, at whatever it is, without a traceback."""
    waiting = subprocess.Popen(
        [sys.executable, "-m", "executord", "wait", "ring", "--for", "closed"], cwd=memory.parent, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(memory.parent, EXECUTORD_MEMORY="memory"),
    )  # fmt: skip
    assert waiting.stderr is not None
    assert "not running" in waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=30)
    assert (waiting.returncode, said) == (-signal.SIGINT, "")


@pytest.mark.spec("OPS-4", "SES-28")
@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_a_reason_that_comes_just_after_its_message_is_waited_for(tmp_path, ending):
    """A message is filed first and explained then; who asked at that moment hears the reason all the same."""
    lay(tmp_path, f".rejected/2026-11-20/m.{ending}", "type: skip\n")
    late = threading.Timer(0.1, lay, (tmp_path, ".rejected/2026-11-20/m.reason.yaml", "reason: it is closed\n"))
    late.start()
    assert reason_beside(str(tmp_path), f".rejected/2026-11-20/m.{ending}") == {"reason": "it is closed"}
    late.join()


@pytest.mark.spec("CON-0", "CON-7")
def test_an_error_names_its_place_once(memory, tmp_path):
    """The file of a script that cannot be read; the instruction, where the sentence begins with it."""
    (tmp_path / "script.yaml").write_text("a: [")
    done = call(memory, "simulate", "memory", "--start", "2026-11-20T09:00:00Z", "--script", "script.yaml")
    assert (done.returncode, done.stderr.split(" ")[1]) == (65, "script.yaml:2:1")
    done = call(memory, "--memory", "memory", "why", "ring/T9")
    assert done.stderr == "executord: ring has no task 'T9'; its tasks: A, B, C\n"


@pytest.mark.spec("CON-0", "CON-18")
@pytest.mark.parametrize(
    "command", ["show", "status", "why", "gate", "report", "timeline", "wait", "archive", "hold --reason x"]
)
def test_an_instruction_that_nearly_is_called_so_is_named(memory, command):
    """Whoever mistypes an id is told which one he may have meant, by every command in the same words."""
    word, *more = command.split()
    done = call(memory, "--memory", "memory", word, "acme-24" if word != "hold" else "acme-24/T1", *more)
    assert done.returncode == 66
    assert "there is no instruction 'acme-24' here; did you mean acme-42?" in done.stderr


@pytest.mark.spec("CON-18", "OPS-4")
def test_a_journal_that_may_not_be_read_is_said_in_the_same_words_by_all_who_need_it(memory):
    """65 and its path, once; who reads all of them says it and goes on."""
    kept = memory.parent / "kept"
    simulate(memory, kept)
    journal = kept / "ring/outputs/partial/journal.yaml"
    journal.chmod(0)
    words = "ring/outputs/partial/journal.yaml the journal cannot be read: Permission denied"
    for command, code in (("log ring", 65), ("timeline ring", 65), ("log", 0)):
        done = weakly(kept, *command.split())
        assert (done.returncode, done.stderr.count(words)) == (code, 1), done.stderr
        assert "Errno" not in done.stderr


@pytest.mark.spec("OPS-10", "MEM-17")
@pytest.mark.parametrize("state", ["a-file", "/proc/nowhere", "marks"])
def test_a_state_folder_that_cannot_be_used_ends_no_start(memory, state):
    """Nothing of a case stands there; it is said, and the work is done."""
    (memory.parent / "a-file").write_text("x")
    (memory.parent / "marks/settled.jsonl").mkdir(parents=True)
    time.sleep(2.1)  # `--once` takes what has lain there for the settle time; a ctime cannot be put back
    done = call(memory, "--memory", "memory", "--state", state, "run", "--once")
    assert done.returncode == 0
    assert (memory / "acme-42/tasks/in_progress/T1.yaml").exists()
    assert ("the state folder cannot be used" in done.stderr) is (state != "marks")


@pytest.mark.spec("MEM-2", "SEC-1", "REL-7")
@pytest.mark.parametrize("place", ["_communication", "_communication/inbox", "_communication/inbox/executor"])
@pytest.mark.parametrize("what", ["link", "file"])
def test_a_lock_is_taken_in_the_memory_or_not_at_all(memory, place, what):
    """Where the way to it leads out, or is no folder, no daemon starts, nothing is written; `doctor` says why."""
    shutil.rmtree(memory / place)
    outside = memory.parent / "outside"
    outside.mkdir()
    if what == "link":
        (memory / place).symlink_to(outside)
    else:
        (memory / place).write_text("")
    for command in (["run", "--once"], ["fsck", "--fix"]):
        done = call(memory, "--memory", "memory", *command)
        assert (done.returncode, f"is not a folder of the memory but a {what}" in done.stderr) == (73, True)
    assert not list(outside.iterdir())
    for command, code in (("status", 0), ("list", 0), ("doctor", 1)):
        done = call(memory, "--memory", "memory", command)
        assert done.returncode == code, done.stderr
    assert place in done.stdout


@pytest.mark.spec("REL-7", "CON-18", "OPS-8")
@pytest.mark.parametrize("what", ["link", "folder"])
def test_what_lies_in_the_place_of_the_lock_is_named(memory, what):
    """73 with what to do; `doctor` says the same, and once it is away the daemon starts."""
    lock = memory / "_communication/inbox/executor/.lock"
    if what == "link":
        lock.symlink_to(memory.parent / "nowhere")
    else:
        lock.mkdir()
    done = call(memory, "--memory", "memory", "run", "--once")
    assert (done.returncode, "put away what lies there" in done.stderr) == (73, True)
    done = call(memory, "--memory", "memory", "doctor")
    assert (done.returncode, "the lock is no file" in done.stdout) == (1, True)
    lock.unlink() if what == "link" else lock.rmdir()
    assert call(memory, "--memory", "memory", "run", "--once").returncode == 0


@pytest.mark.spec("CON-8", "OPS-8", "MEM-1")
def test_a_folder_that_may_not_be_looked_into_is_not_passed_over(memory):
    """Whether it is an instruction nobody can tell: `status` lists it as left alone, `doctor` says what to do."""
    (memory / "ring").chmod(0)
    try:
        status, doctor = weakly(memory, "status", "--json"), weakly(memory, "doctor", "--json")
    finally:
        (memory / "ring").chmod(0o755)
    said = json.loads(status.stdout)
    assert ([i["id"] for i in said["instructions"]], said["left_alone"]) == (["acme-42"], ["ring"])
    (found,) = [f for f in json.loads(doctor.stdout)["findings"] if f["severity"] == "error"]
    assert (doctor.returncode, found["path"]) == (1, "ring")


@pytest.mark.spec("CON-7", "OPS-7")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_rehearsal_that_is_ended_leaves_no_copy(memory, tmp_path, number):
    """By whatever signal; it ends by that one, and the memory is as it was."""
    spare = tmp_path / "spare"
    spare.mkdir()
    args = ["simulate", "memory", "--start", "2026-11-20T09:00:00Z", "--until", "+3000d", "--script", "-"]
    running = subprocess.Popen(
        [sys.executable, "-m", "executord", *args], cwd=memory.parent, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, env=environment(memory.parent, TMPDIR=str(spare)), text=True,
    )  # fmt: skip
    assert running.stdin is not None
    assert running.stdout is not None
    ask = {"type": "progress", "from": "technical-writer", "instruction_id": "acme-42", "task_id": "T1", "percent": 1}
    running.stdin.write(
        json.dumps([{"at": f"+{k}h", "write": f"{INBOX}/p{k}.yaml", "content": ask} for k in range(5000)])
    )
    running.stdin.close()
    assert running.stdout.readline()
    assert list(spare.iterdir())
    running.send_signal(number)
    running.stdout.read()
    assert running.wait(timeout=30) == -number
    assert not list(spare.iterdir())
