"""What the daemon says of itself arrives, in one line, with its fields, whatever the bytes, and never stops the daemon.

Counterpart: `executord/log.py`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from loguru import logger

from executord import log

DAEMON = str(Path(__file__).parent.parent / "daemon")
ENTRY = {
    "n": 12, "at": "2026-11-20T10:15:00Z", "due": "2026-11-20T10:15:00Z", "name": "assign T3 a1", "action": "send",
    "rule": "EXE-10", "task": "T3", "attempt": 1, "to": "technical-support-engineer", "type": "delegation",
    "why": "expertise: technical; load 1 of 3", "facts": {},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _as_it_was():
    """Other tests find their logging as it was."""
    handlers, level, hook = logging.root.handlers[:], logging.root.level, threading.excepthook
    yield
    logger.remove()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(False)
    threading.excepthook = hook


@pytest.fixture
def shown():
    """Sets logging up on a pipe and gives what was said."""
    read, write = os.pipe()
    os.set_blocking(read, False)

    def saying(**options):
        log.configure(options.pop("level", "INFO"), options.pop("json_file", None), fd=write, environ={}, **options)

        def said():
            try:
                return os.read(read, 1 << 20).decode()
            except BlockingIOError:
                return ""

        return said

    yield saying
    logger.remove()
    os.close(read)
    os.close(write)


@pytest.mark.spec("OPS-13")
def test_a_journal_line_is_one_line_in_the_same_words(shown):
    """Time, level, case and task, then name, reader, why and rule."""
    said = shown()
    log.log_line(ENTRY, "acme-42")
    line = said()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO    acme-42/T3 assign T3 a1 → technical-support-engineer: "
        r"expertise: technical; load 1 of 3 \[EXE-10\]\n",
        line,
    )


@pytest.mark.spec("OPS-13")
def test_json_lines_carry_the_fields(shown, tmp_path):
    """One object a line, slim; bound fields are there too, what is absent is not."""
    path = tmp_path / "executord.log"
    shown(json_file=str(path))
    log.log_line(ENTRY, "acme-42")
    with log.bound(instruction="acme-42", agent="planner"):
        logger.info("looked")
    log.log_event("catchup", down_from="2026-11-20T09:00:00Z", down_to="2026-11-20T10:00:00Z", n=3)
    first, second, third = (json.loads(line) for line in path.read_text().splitlines())
    assert list(first)[:7] == ["at", "level", "msg", "instruction", "task", "agent", "event"]
    assert (first["instruction"], first["task"], first["event"], first["attempt"]) == ("acme-42", "T3", 12, 1)
    assert first["rule"] == "EXE-10"
    assert {key: second[key] for key in ("msg", "instruction", "agent")} == {
        "msg": "looked", "instruction": "acme-42", "agent": "planner",
    }  # fmt: skip
    assert "task" not in second
    assert (third["log_event"], third["n"]) == ("catchup", 3)


@pytest.mark.hazard(18)
def test_names_that_are_no_text_drop_no_line(shown, tmp_path):
    """Bytes that are no UTF-8 are shown with backslashes, in every place."""
    path = tmp_path / "executord.log"
    said = shown(json_file=str(path))
    name = os.fsdecode(b"T\xe4\xff.yaml")
    log.log_line(ENTRY | {"name": f"file {name} #1", "task": name}, instruction=name)
    logging.getLogger("lib").warning("%s", name)
    logger.bind(path=name).info(name)
    assert said().count("T\\xe4\\xff.yaml") >= 4
    assert [json.loads(line)["msg"] for line in path.read_text(encoding="utf-8").splitlines()][1:] == [
        "T\\xe4\\xff.yaml"
    ] * 2


@pytest.mark.spec("OPS-13")
def test_nobodys_text_breaks_the_line_or_the_terminal(shown, tmp_path):
    """Line breaks, escapes, turned writing and braces of other people's texts are shown, not done."""
    path = tmp_path / "executord.log"
    said = shown(json_file=str(path), color=True)
    text = "a\nb\r\x1b[31mred\x07\u202e{0} {extra} <red>\x85\u2028"
    log.log_line({"name": "file x", "why": text})
    line = said()
    assert line.count("\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", line)
    assert "a\\nb\\r\\x1b[31mred\\x07\\u202e{0} {extra} <red>\\x85\\u2028" in line
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.spec("OPS-13", "SEC-3")
def test_what_looks_secret_is_masked(shown, tmp_path):
    """By the key of a field, in the text, in URLs, in tracebacks, and from libraries."""
    path = tmp_path / "executord.log"
    said = shown(json_file=str(path))
    logger.bind(api_key="xyzzy", Authorization="Bearer xyzzy", tokens=5, password_file="/etc/x").info("sent")
    logger.info("POST https://me:xyzzy@host/ password=xyzzy, 'smtp_token': 'xyzzy' Authorization: Bearer xyzzy")
    logging.getLogger("urllib3").warning("secret: %s", "xyzzy")
    try:
        raise ValueError("token=xyzzy")
    except ValueError:
        logger.exception("failed")
    log.log_event("login", password="xyzzy")
    both = said() + path.read_text()
    assert "xyzzy" not in both
    first = json.loads(path.read_text().splitlines()[0])
    assert (first["tokens"], first["password_file"], first["api_key"]) == (5, "/etc/x", "***")


@pytest.mark.hazard(3)
def test_tracebacks_show_no_values(shown):
    """A value can take minutes and gigabytes to render, and may be a ticket's text."""
    said = shown()
    bomb: object = "xyzzy"
    for _ in range(9):
        bomb = [bomb] * 9
    try:
        len(bomb) / 0
    except ZeroDivisionError:
        began = time.monotonic()
        logger.exception("failed")
        assert time.monotonic() - began < 1
    text = said()
    assert "ZeroDivisionError" in text
    assert "xyzzy" not in text


@pytest.mark.spec("OPS-13")
def test_the_standard_library_comes_out_here_too(shown):
    """Also with a wrong format, an exception, a warning, and from a thread that dies."""
    said = shown()
    logging.getLogger("apscheduler.scheduler").info("Looking for jobs to run")
    assert said() == "", "what libraries only mention is not said"
    logging.getLogger("lib").error("%d of %s", "x")
    assert "ERROR   %d of %s" in said()
    logging.getLogger("lib").log(33, "odd level {}")
    assert "odd level {}" in said()

    def dies():
        raise RuntimeError("boom")

    thread = threading.Thread(target=dies, name="hands")
    thread.start()
    thread.join()
    text = said()
    assert "thread hands ended by an exception" in text
    assert "RuntimeError: boom" in text


def test_levels(shown):
    """Only known ones; below the level nothing is said; what is serious says so."""
    said = shown(level="warning")
    log.log_line(ENTRY)
    assert said() == ""
    log.log_line(ENTRY | {"name": "breach resolution T3 #1"})
    assert "WARNING" in said()
    with pytest.raises(ValueError, match="not a level"):
        log.configure("LOUD")


@pytest.mark.spec("OPS-13")
def test_color_only_where_it_is_wanted():
    """At a terminal, and NO_COLOR forbids it; in a pipe none."""
    for environ, colored in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        leader, follower = os.openpty()
        log.configure(fd=follower, environ=environ)
        logger.warning("x")
        text = os.read(leader, 9999)
        assert (b"\x1b[33m" in text) == colored
        logger.remove()
        os.close(leader)
        os.close(follower)


# --- files ---


@pytest.mark.spec("OPS-13")
def test_a_rotated_file_is_opened_anew(shown, tmp_path):
    """logrotate renames it, or cuts it: no line is lost, none goes to the old one."""
    path = tmp_path / "executord.log"
    shown(json_file=str(path))
    logger.info("one")
    path.rename(tmp_path / "executord.log.1")
    logger.info("two")
    os.truncate(path, 0)  # copytruncate
    logger.info("three")
    path.unlink()
    logger.info("four")
    assert '"one"' in (tmp_path / "executord.log.1").read_text()
    assert path.read_text().count("\n") == 1
    assert '"four"' in path.read_text()
    assert b"\0" not in path.read_bytes()


@pytest.mark.hazard(30)
def test_a_full_disk_and_a_missing_folder_stop_nothing(shown, tmp_path):
    """The other lines still come; when there is room again, so do these."""
    said = shown(json_file="/dev/full")
    logger.info("one")
    assert "one" in said()
    path = tmp_path / "logs/executord.log"
    said = shown(json_file=str(path))
    logger.info("two")
    words = said()
    assert "two" in words
    assert f"the log file cannot be written: {path}: No such file or directory" in words
    path.parent.mkdir()
    logger.info("three")
    assert path.read_text().count("\n") == 1


@pytest.mark.hazard(30)
@pytest.mark.parametrize("how", ["/dev/full", "closed", "broken pipe"])
def test_output_that_cannot_be_written_does_not_kill_the_daemon(how, tmp_path):
    """stdout and stderr on a full disk, closed, or a pipe that nobody reads: work goes on, and the exit is clean."""
    script = (
        "import os, sys\nfrom executord import log\nfrom loguru import logger\n"
        "log.configure(sys.argv[1] if len(sys.argv) > 2 else 'INFO')\nlog.forgive_output()\n"
        "data = open(sys.argv[1] + '.data', 'w')\n"
        "for n in range(100):\n    logger.info('x' * 1000)\n    print('y' * 1000)\n"
        "print('z', file=sys.stderr, flush=True)\n"
        "open(sys.argv[1], 'w').write('done')\n"
    )
    mark = tmp_path / "done"
    command = [sys.executable, "-c", script, str(mark)]
    environ = os.environ | {"PYTHONPATH": DAEMON}
    if how == "/dev/full":
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, env=environ, stdout=full, stderr=full, timeout=60)
    elif how == "closed":
        shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command]
        done = subprocess.run(shell, env=environ, timeout=60)
    else:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        process.stderr.close()
        process.wait(60)
        done = process
    assert mark.read_text() == "done"
    assert (tmp_path / "done.data").read_text() == "", "a closed descriptor's number is not written to"
    assert done.returncode == 0


@pytest.mark.hazard(30)
def test_a_reader_who_is_asleep_does_not_stop_the_daemon():
    """A terminal under Ctrl-S, a pager: lines are dropped and counted after half a second, not waited for."""
    read, write = os.pipe()
    sink = log.Stream(write, color=False)
    logger.remove()
    logger.add(sink, format="{message}")
    began = time.monotonic()
    text = "x" * 3000
    while not sink.lost:
        logger.info(text)
        assert time.monotonic() - began < 10
    assert time.monotonic() - began < 3
    os.close(read)
    logger.info(text)
    assert sink.lost == 2
    os.close(write)


# --- journald ---


@pytest.fixture
def journald(tmp_path):
    """A socket as journald has one, and an stderr that it is connected to."""
    address = str(tmp_path / "journald")
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(address)
    ear.settimeout(2)
    stream = open(tmp_path / "stderr", "w+")  # noqa: SIM115
    found = os.fstat(stream.fileno())
    environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    yield address, ear, stream, environ
    ear.close()
    stream.close()


def fields(data):
    """The fields of one datagram of journald's native protocol."""
    found = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[9 + size :]
        found[name.decode()] = value.decode()
        data = rest
    return found


@pytest.mark.spec("OPS-13")
def test_journald_gets_fields(journald):
    """`journalctl -u executord INSTRUCTION_ID=acme-42` finds it; names of files cannot forge a field."""
    address, ear, stream, environ = journald
    log.configure(fd=stream.fileno(), environ=environ, journald=address)
    log.log_line(ENTRY | {"why": "x\nPRIORITY=0", "facts": {}}, "acme-42")
    found = fields(ear.recv(1 << 16))
    assert found["MESSAGE"] == "assign T3 a1 → technical-support-engineer: x\\nPRIORITY=0 [EXE-10]"
    assert found["INSTRUCTION_ID"] == "acme-42"
    assert (found["TASK_ID"], found["AGENT"], found["EVENT"]) == ("T3", "technical-support-engineer", "12")
    assert (found["PRIORITY"], found["SYSLOG_IDENTIFIER"], found["RULE"]) == ("6", "executord", "EXE-10")
    assert found["CODE_FILE"].endswith("test_log.py")
    try:
        raise ValueError("boom")
    except ValueError:
        logger.exception("failed")
    found = fields(ear.recv(1 << 16))
    assert found["PRIORITY"] == "3"
    assert found["MESSAGE"].startswith("failed\n")
    assert found["MESSAGE"].endswith("ValueError: boom")
    stream.seek(0)
    assert stream.read() == "", "not said twice"


@pytest.mark.spec("OPS-13")
def test_journald_that_is_gone_is_replaced_by_stderr_and_taken_up_again(journald):
    """A restart of journald loses no line."""
    address, ear, stream, environ = journald
    log.configure(fd=stream.fileno(), environ=environ, journald=address)
    logger.info("one")
    ear.recv(1 << 16)
    ear.close()
    os.unlink(address)
    logger.info("two")
    stream.seek(0)
    assert "two" in stream.read()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(address)
        again.settimeout(2)
        logger.info("three")
        assert fields(again.recv(1 << 16))["MESSAGE"] == "three"


@pytest.mark.spec("OPS-13")
def test_a_line_that_no_datagram_holds_goes_as_a_file(journald):
    """journald takes a sealed file in memory instead."""
    address, ear, stream, environ = journald
    log.configure(fd=stream.fileno(), environ=environ, journald=address)
    logger.info("x" * 1_000_000)
    _, handed, _, _ = socket.recv_fds(ear, 10, 1)
    with open(handed[0], "rb") as file:
        file.seek(0)
        assert len(fields(file.read())["MESSAGE"]) == 1_000_000


@pytest.mark.spec("OPS-13")
def test_a_redirected_stderr_is_no_journal(journald, tmp_path):
    """JOURNAL_STREAM is inherited; only the descriptor itself counts."""
    address, ear, _, environ = journald
    with open(tmp_path / "other", "w+") as other:
        log.configure(fd=other.fileno(), environ=environ, journald=address)
        logger.info("here")
        other.seek(0)
        assert "here" in other.read()
    ear.settimeout(0.1)
    with pytest.raises(TimeoutError):
        ear.recv(10)
