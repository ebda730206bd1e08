"""The gate lets in regular, whole, small files, and nothing it meets makes it wait or crash."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from executord.errors import NotYetWhole, Unreadable
from executord.paper import gate
from executord.paper.gate import open_file


@pytest.fixture
def x(tmp_path):
    return str(tmp_path / "x.yaml")


def refused(path: str) -> Unreadable:
    begun = time.monotonic()
    with pytest.raises(Unreadable) as caught:
        open_file(path)
    assert time.monotonic() - begun < 1
    assert caught.value.code == "SEC-0"
    assert caught.value.path == path
    assert caught.value.fix
    return caught.value


def write(path: str, raw: bytes) -> None:
    with open(path, "wb") as file:
        file.write(raw)


@pytest.mark.spec("SEC-0")
@pytest.mark.parametrize("settled", [True, False])
def test_a_regular_file_comes_with_what_tells_it_from_any_other(x, settled):
    write(x, b"id: T3\n")
    status = os.stat(x)
    got = open_file(x, settled=settled)
    assert got.raw == b"id: T3\n"
    assert (got.size, got.uid) == (7, status.st_uid)
    assert got.identity == gate.identity_of(os.stat(x))
    assert gate.mtime_of(got.identity) == status.st_mtime_ns
    known = {got.identity}
    os.utime(x, ns=(1, 1))  # another time; then another size; then the same bytes and time in another file
    known.add(open_file(x, settled=settled).identity)
    write(x, b"id: T33\n")
    os.utime(x, ns=(1, 1))
    known.add(open_file(x, settled=settled).identity)
    write(f"{x}.new", b"id: T33\n")
    os.utime(f"{x}.new", ns=(1, 1))
    os.rename(f"{x}.new", x)
    known.add(open_file(x, settled=settled).identity)
    assert len(known) == 4


@pytest.mark.spec("SEC-0")
def test_an_empty_file_is_read(x):
    write(x, b"")
    assert open_file(x).raw == b""


@pytest.mark.spec("SEC-0")
@pytest.mark.hazard(11)
def test_a_fifo_does_not_hold_the_loop(x):
    os.mkfifo(x)
    assert "FIFO" in refused(x).message


@pytest.mark.spec("SEC-0")
@pytest.mark.hazard(12)
@pytest.mark.parametrize("node", ["/dev/zero", "/dev/full", "/dev/null", "/dev/tty"])
def test_a_device_is_refused(node):
    assert "device" in refused(node).message


@pytest.mark.hazard(12)
@pytest.mark.skipif(os.geteuid() != 0, reason="mknod needs root")
def test_a_device_node_in_the_tree_is_refused(x):
    try:
        os.mknod(x, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("mknod is not allowed here")
    refused(x)


@pytest.mark.hazard(13)
def test_a_directory_is_refused(x):
    os.mkdir(x)
    assert "directory" in refused(x).message


@pytest.mark.hazard(14)
def test_a_socket_is_refused(x):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(x)
        assert "socket" in refused(x).message


@pytest.mark.spec("SEC-0", "SEC-1")
@pytest.mark.hazard(15)
def test_a_symbolic_link_is_not_followed(x, tmp_path):
    write(str(tmp_path / "y"), b"a: 1")
    os.symlink("y", x)
    assert "link" in refused(x).message


@pytest.mark.spec("SEC-0")
@pytest.mark.hazard(6)
def test_a_sparse_gigabyte_is_refused_before_it_is_read(x):
    write(x, b"")
    os.truncate(x, 1 << 30)
    message = refused(x).message
    assert str(1 << 30) in message
    assert str(gate.FILE_LIMIT) in message


@pytest.mark.spec("SEC-0")
def test_the_cap_is_the_last_size_that_is_read(x):
    write(x, b"x" * 100)
    assert open_file(x, limit=100).size == 100
    with pytest.raises(Unreadable):
        open_file(x, limit=99)


@pytest.mark.hazard(21)
def test_a_file_that_has_gone_is_normal(x):
    with pytest.raises(FileNotFoundError):
        open_file(x)


@pytest.mark.parametrize("name", ["a\0b", "n" * 300, "file/below", "\ud800"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    write(str(tmp_path / "file"), b"")
    refused(f"{tmp_path}/{name}")


@pytest.mark.hazard(36)
def test_what_we_may_not_read_is_said(x, monkeypatch):
    def denied(path, flags):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", denied)
    assert "may not" in refused(x).message


@pytest.mark.hazard(31)
def test_running_out_of_descriptors_is_our_trouble_and_not_the_files(x, monkeypatch):
    def none_left(path, flags):
        raise OSError(24, "Too many open files", path)

    monkeypatch.setattr(os, "open", none_left)
    with pytest.raises(OSError, match="Too many") as caught:
        open_file(x)
    assert not isinstance(caught.value, Unreadable)


@pytest.mark.spec("SEC-0")
@pytest.mark.hazard(22)
def test_a_file_that_changes_while_it_is_read_is_not_yet_whole(x, monkeypatch):
    write(x, b"a: 1\n")
    real = os.read

    def slow(fd, count):
        raw = real(fd, count)
        with open(x, "ab") as file:
            file.write(b"b: 2\n")
        return raw

    monkeypatch.setattr(os, "read", slow)
    with pytest.raises(NotYetWhole):
        open_file(x)


@pytest.mark.spec("SEC-0")
def test_short_reads_are_continued(x, monkeypatch):
    write(x, b"0123456789")
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, count: real(fd, min(count, 3)))
    assert open_file(x).raw == b"0123456789"


def leases_work(path: str) -> bool:
    with open(path, "ab"):
        fd = os.open(path, os.O_RDONLY)
        try:
            return gate._has_writer(fd)
        finally:
            os.close(fd)


@pytest.mark.spec("SEC-0", "MEM-26")
@pytest.mark.hazard(23)
def test_a_file_still_open_for_writing_is_not_yet_whole(x):
    write(x, b"a: 1")
    if not leases_work(x):
        pytest.skip("no leases on this file system")
    with open(x, "ab"):
        with pytest.raises(NotYetWhole):
            open_file(x, settled=False)
        assert open_file(x, settled=True).raw == b"a: 1"
    assert open_file(x, settled=False).raw == b"a: 1"


@pytest.mark.hazard(23)
def test_without_leases_the_settle_time_decides(x, monkeypatch):
    write(x, b"a: 1")

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(gate.fcntl, "fcntl", denied)
    assert open_file(x, settled=False).raw == b"a: 1"


@pytest.mark.hazard(23)
def test_a_writer_that_comes_while_the_lease_is_held_does_not_kill_us(x):
    """The kernel's default for a broken lease is SIGIO, which ends the process."""
    write(x, b"a: 1")
    code = (
        "import fcntl, os, subprocess, sys, time\n"
        "from executord.paper import gate\n"
        "real = fcntl.fcntl\n"
        "def slow(fd, command, *rest):\n"
        "    got = real(fd, command, *rest)\n"
        "    if command == fcntl.F_SETLEASE and rest[0] == fcntl.F_RDLCK:\n"
        "        child = subprocess.Popen(['sh', '-c', ': >> ' + sys.argv[1]])\n"
        "        end = time.monotonic() + 0.5\n"
        "        while time.monotonic() < end: pass\n"
        "    return got\n"
        "gate.fcntl.fcntl = slow\n"
        "print(gate.open_file(sys.argv[1], settled=False).raw)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code, x], capture_output=True, text=True, timeout=30, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "b'a: 1'\n"


@pytest.mark.hazard(23)
def test_a_busy_writer_gives_whole_files_or_not_yet(x):
    stop = threading.Event()
    write(x, b"a: 1\n" * 100)

    def scribble():
        while not stop.is_set():
            write(x, b"a: 1\n" * 100)

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        for _ in range(300):
            with contextlib.suppress(NotYetWhole):
                assert open_file(x, settled=False).raw in (b"", b"a: 1\n" * 100)
    finally:
        stop.set()
        writer.join()


def test_no_descriptor_is_left_open(x, tmp_path):
    os.mkfifo(x)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        refused(x)
        refused(str(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before
