"""Real processes under the wrapper: known before they begin, capped, adopted, ended to the last grandchild [OPS-18]."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from executord import runners
from executord.files import machine
from executord.runners import CannotStart, Order, Stopping, Turns, Watch, Worker, ending, groups
from tests.real.kit import Patience

PROGRAM = str(Path(__file__).parent / "worker.py")
GRACE = 1.5


def until(condition: Callable[[], Any], why: str, timeout: float = 20.0) -> Any:
    """Wait for something to be so."""
    patience = Patience(timeout)
    while not (found := condition()):
        assert not patience.over(), why
        time.sleep(0.01)
    return found


@pytest.fixture
def order(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Order]]:
    """Makes orders; at the end nothing of what was started may be there."""
    made: list[Order] = []

    def make(*words: str, **more: Any) -> Order:
        marks = {
            "EXECUTORD_SESSION": str(tmp_path),
            "EXECUTORD_TASK": f"T{len(made) + 1}",
            "EXECUTORD_ATTEMPT": "1",
            "EXECUTORD_INBOX": f"{tmp_path}/work-{len(made) + 1}/inbox",
        }
        given: dict[str, Any] = {
            "argv": (sys.executable, PROGRAM, *words), "work": f"{tmp_path}/work-{len(made) + 1}", "cwd": str(tmp_path),
            "marks": marks, "environment": runners.environment(os.environ),
        }  # fmt: skip
        made.append(Order(**{**given, **more}))
        return made[-1]

    yield make
    left = [each for order in made for each in runners.find(order.marks)]
    for each in left:
        stop(each, grace=0.1)
    assert not left, f"still running: {left}"


def start(order: Order) -> Worker:
    """Start it and let it go."""
    held = runners.hold(order)
    held.release()
    return held.worker


def ended(worker: Worker, timeout: float = 30.0) -> runners.Exit:
    """Wait for its end."""

    def gone() -> bool:
        runners.reap(worker.pid)
        return not runners.alive(worker)

    until(gone, "it does not end", timeout)
    found = runners.exit_of(worker.work or "")
    assert found is not None
    return found


def stop(worker: Worker, grace: float = GRACE, timeout: float = 20.0) -> Stopping:
    """Poll a stopping to its end."""
    stopping = Stopping(worker, grace_s=grace, kill_s=3)
    end = time.monotonic() + timeout
    while stopping.poll(now := time.monotonic()) != "gone":
        assert now < end, f"{stopping.phase}: {stopping.left}"
        time.sleep(max(min(stopping.next_at - now, 0.2), 0))
    return stopping


def text(order: Order, name: str = "stdout") -> str:
    """What it wrote."""
    return Path(order.work, name).read_text()


@pytest.mark.spec("OPS-17", "OPS-18", "SES-9")
def test_the_program_begins_only_when_it_is_known(order, tmp_path: Path):
    """The record is on disk before; one that is taken back never runs."""
    one = order(f"touch={tmp_path}/one")
    held = runners.hold(one)
    record = runners.worker_from(json.loads(Path(one.work, ".worker.json").read_text()))
    assert record is not None
    assert record.pid == held.worker.pid
    assert runners.alive(record)
    time.sleep(0.2)
    assert not (tmp_path / "one").exists()
    held.release()
    assert ended(held.worker).code == 0
    assert (tmp_path / "one").exists()
    two = order(f"touch={tmp_path}/two")
    held = runners.hold(two)
    held.abandon()
    found = ended(held.worker)
    assert not found.began
    assert not (tmp_path / "two").exists()


@pytest.mark.spec("OPS-18", "SES-9")
@pytest.mark.parametrize("noted", [False, True])
def test_a_starter_that_is_killed_at_the_gate(order, tmp_path: Path, noted: bool):
    """`kill -9` before it lets go: the next one finds the note, and the program begins; or none, and it never does."""
    one = order(f"touch={tmp_path}/ran")
    code = f"""
import os, signal
from executord.runners import Order, hold
held = hold(Order(argv={one.argv!r}, work={one.work!r}, cwd={one.cwd!r}, marks={dict(one.marks)!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == -signal.SIGKILL
    time.sleep(0.3)
    assert len(runners.find(one.marks)) == 1, "it does not wait for the next daemon"
    assert not (tmp_path / "ran").exists()
    if noted:
        assert runners.begin_noted(one.work)
    else:
        runners.abandon_held(one.work)
    assert not runners.begin_noted(one.work)
    until(lambda: not runners.find(one.marks), "the wrapper waits for ever")
    found = until(lambda: runners.exit_of(one.work), "the end is not written down")
    assert found.began is noted
    assert (tmp_path / "ran").exists() is noted


@pytest.mark.spec("OPS-18", "OPS-23")
def test_the_exit_is_written_while_nobody_is_there(order, tmp_path: Path):
    """The starter dies by `kill -9`; the worker goes on, is found by its record, and its end is known."""
    one = order("sleep=1", "say=done", "exit=3")
    code = f"""
import os, signal
from executord.runners import Order, hold
order = Order(argv={one.argv!r}, work={one.work!r}, cwd={one.cwd!r}, marks={dict(one.marks)!r})
held = hold(order)
held.release()
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    (found,) = runners.find(one.marks)
    record = runners.worker_from(json.loads(Path(one.work, "worker.json").read_text()), work=one.work)
    assert record is not None
    assert (found.pid, found.start_ticks, found.boot_id) == (record.pid, record.start_ticks, record.boot_id)
    assert found.work == one.work
    assert runners.alive(record)
    rings: queue.Queue[str] = queue.Queue()
    watch = Watch(rings.put)
    watch.add("T1", record)
    assert rings.get(timeout=10) == "T1"
    watch.close()
    exit_ = runners.exit_of(one.work)
    assert exit_ is not None
    assert (exit_.began, exit_.code) == (True, 3)
    assert text(one) == "done\n"


@pytest.mark.spec("OPS-17", "OPS-18", "SEC-3", "REL-7")
@pytest.mark.hazard(44)
def test_what_a_worker_inherits(order, tmp_path: Path):
    """No descriptor of ours but its own three, an allow-list of variables, its own session, TMPDIR and folder."""
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(lock, True)
    os.environ["SECRET_OF_THE_DAEMON"] = "x"
    try:
        one = order("echo", f"fds={tmp_path}/fds", f"env={tmp_path}/env", f"cwd={tmp_path}/cwd",
                    stdin=str(tmp_path / "in.md"))  # fmt: skip
        (tmp_path / "in.md").write_text("what is to be done\n")
        worker = start(one)
        assert os.getsid(worker.pid) == worker.pid
        assert ended(worker).code == 0
    finally:
        del os.environ["SECRET_OF_THE_DAEMON"]
        os.close(lock)
    fds = dict(line.split(" ", 1) for line in (tmp_path / "fds").read_text().splitlines())
    assert set(fds) - {"3"} == {"0", "1", "2"}, fds  # 3 is the folder that it lists
    assert "lock" not in " ".join(fds.values())
    env = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert "SECRET_OF_THE_DAEMON" not in env
    assert env["TMPDIR"] == f"{one.work}/tmp"
    assert os.path.isdir(env["TMPDIR"])
    assert env["EXECUTORD_TASK"] == "T1"
    assert (tmp_path / "cwd").read_text() == str(tmp_path)
    assert text(one) == "what is to be done\n"


@pytest.mark.spec("OPS-18")
def test_a_gigabyte_of_output_fills_no_disk_and_blocks_nobody(order):
    """The beginning and the end are kept, what lies between is counted."""
    one = order("say=first", "flood=1000000000", "say=last", output_bytes=100_000)
    found = ended(start(one), 60)
    assert found.code == 0
    kept = Path(one.work, "stdout").read_bytes()
    assert len(kept) < 101_000
    assert kept.startswith(b"first\n")
    assert kept.endswith(b"last\n")
    assert b"bytes left out]" in kept
    assert (found.left_out or {})["stdout"] > 999_000_000 - 100_000
    assert sorted(n for n in os.listdir(one.work) if n.startswith("stdout")) == ["stdout"]


@pytest.mark.spec("OPS-18")
@pytest.mark.parametrize("size", [0, 1, 74_999, 75_000, 75_001, 87_500, 99_999, 100_001, 130_000])
def test_the_cap_leaves_out_the_middle_only(tmp_path: Path, size: int):
    """Whatever the size: what is kept are whole ends of what was written."""
    from executord.runners.wrapper import Capped

    data = bytes(k % 251 for k in range(size))
    capped = Capped(str(tmp_path / "out"), 100_000)
    for at in range(0, size, 777):
        capped.take(data[at : at + 777])
    left = capped.close()
    kept = (tmp_path / "out").read_bytes()
    if left == 0:
        assert kept == data
    else:
        note = b"\n[executord: %d bytes left out]\n" % left
        head, _, tail = kept.partition(note)
        assert data.startswith(head)
        assert data.endswith(tail)
        assert len(head) + len(tail) + left == size
        assert len(head) + len(tail) <= 100_000


@pytest.mark.spec("OPS-17", "OPS-18")
@pytest.mark.parametrize(
    ("words", "code", "signal_"), [(["exit=0"], 0, None), (["exit=7"], 7, None), (["signal=9"], None, 9)]
)
def test_how_it_ended(order, words, code, signal_):
    """Exit codes and signals are told apart."""
    found = ended(start(order(*words)))
    assert (found.began, found.code, found.signal, found.error) == (True, code, signal_, None)
    assert found.at is not None


@pytest.mark.spec("OPS-17")
@pytest.mark.parametrize("more", [{"argv": ("/no/such/program",)}, {"cwd": "/no/such/folder"}, {"stdin": "/no/file"}])
def test_what_cannot_be_started_says_so(order, more):
    """The end says why; no program has begun."""
    found = ended(start(order("exit=0", **more)))
    assert not found.began
    assert "/no/" in (found.error or "")
    assert "No such file" in found.said()


@pytest.mark.spec("OPS-18")
def test_a_worker_that_goes_quietly_is_gone_at_once(order):
    """SIGTERM is enough; the end is recorded as a signal."""
    worker = start(order("sleep=60"))
    until(lambda: len(ending._everyone() and runners.find(worker.marks)) == 1, "it does not start")
    began = time.monotonic()
    stop(worker, grace=5)
    assert time.monotonic() - began < 4
    assert not runners.alive(worker)
    found = runners.exit_of(worker.work or "")
    assert found is not None


@pytest.mark.spec("OPS-18", "SES-15")
@pytest.mark.hazard(43)
@pytest.mark.parametrize("how", ["plain", "bare", "deaf", "deaf-bare"])
def test_a_grandchild_that_called_setsid_goes_too(order, tmp_path: Path, how: str):
    """Also one that ignores SIGTERM, and one that has no mark of ours in its environment."""
    worker = start(order(f"grandchild={how}", f"touch={tmp_path}/up", "deaf", "sleep=60"))
    until((tmp_path / "up").exists, "it does not start")
    below = _below(worker.pid)
    assert len(below) == 2, below
    stopping = Stopping(worker, grace_s=GRACE)
    phases = set()
    while (phase := stopping.poll(now := time.monotonic())) != "gone":
        phases.add(phase)
        time.sleep(max(stopping.next_at - now, 0))
    assert "killing" in phases
    assert not [pid for pid in below if (there := machine.seen(pid)) is not None and not there.dead]


@pytest.mark.spec("OPS-18", "SES-15")
@pytest.mark.parametrize("how", ["plain", "deaf-bare"])
def test_what_a_worker_leaves_behind_is_ended_by_the_wrapper(order, tmp_path: Path, how: str):
    """The program ends, its grandchild goes on: nothing is left, with no daemon there."""
    one = order(f"grandchild={how}", "say=done", f"touch={tmp_path}/up")
    worker = start(one)
    until((tmp_path / "up").exists, "it does not start")
    below = set(_below(worker.pid))
    found = ended(worker)
    assert found.code == 0
    assert text(one) == "done\n"
    assert not [pid for pid in below if (there := machine.seen(pid)) is not None and not there.dead]


@pytest.mark.spec("OPS-18")
def test_a_worker_that_kills_its_wrapper_takes_itself_along(order, tmp_path: Path):
    """The program dies with it, a grandchild is found by its marks, and the end is not invented."""
    one = order("grandchild=plain", f"touch={tmp_path}/up", "sleep=60")
    worker = start(one)
    until((tmp_path / "up").exists, "it does not start")
    below = _below(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: runners.reap(worker.pid) or not runners.alive(worker), "the wrapper lives on")
    assert runners.find(worker.marks)
    stop(worker, grace=0.3)
    assert runners.exit_of(one.work) is None
    assert not [pid for pid in below if (there := machine.seen(pid)) is not None and not there.dead]


@pytest.mark.spec("OPS-18", "SES-15")
def test_what_cannot_be_killed_is_said_and_watched_on(order, tmp_path: Path):
    """`stuck` while it is there, `gone` when it is gone; polling never blocks."""
    freezer = Path("/sys/fs/cgroup/freezer")
    if os.geteuid() != 0 or not (freezer / "cgroup.procs").exists():
        pytest.skip("no freezer of the first version of control groups, in which a process cannot be killed")
    ice = freezer / f"executord-test-{os.getpid()}"
    ice.mkdir()
    try:
        worker = start(order(f"touch={tmp_path}/up", "sleep=60"))
        until((tmp_path / "up").exists, "it does not start")
        pid = int((tmp_path / "up").read_text())
        (ice / "cgroup.procs").write_text(str(pid))
        (ice / "freezer.state").write_text("FROZEN")
        stopping = Stopping(worker, grace_s=0.2, kill_s=0.3)
        until(lambda: stopping.poll(time.monotonic()) == "stuck", "it is not said")
        assert pid in stopping.left
        (ice / "freezer.state").write_text("THAWED")
        until(lambda: stopping.poll(time.monotonic()) == "gone", "it is not seen to be gone")
    finally:
        with contextlib.suppress(OSError):
            (ice / "freezer.state").write_text("THAWED")
        time.sleep(0.1)
        with contextlib.suppress(OSError):
            ice.rmdir()


@pytest.mark.spec("OPS-18", "OPS-23")
def test_a_group_of_its_own_lets_nothing_slip_away(order, tmp_path: Path, monkeypatch):
    """With a group that is ours to divide each worker gets one; it is emptied at once and taken away."""
    base = groups.mount()
    if base is None or not os.access(base, os.W_OK):
        pytest.skip("no writable control groups of the second version")
    own = Path(base, f"executord-test-{os.getpid()}")
    own.mkdir()
    try:
        monkeypatch.setattr(groups, "delegated", lambda: str(own))
        worker = start(order("grandchild=deaf-bare", f"touch={tmp_path}/up", "deaf", "sleep=60"))
        until((tmp_path / "up").exists, "it does not start")
        assert worker.cgroup is not None
        assert len(groups.members(worker.cgroup)) == 3
        os.kill(worker.pid, signal.SIGKILL)  # nothing but the group knows the grandchild now
        until(lambda: runners.reap(worker.pid) or machine.seen(worker.pid) is None, "the wrapper lives on")
        assert runners.alive(worker), "something of it is there"
        stop(worker, grace=0.2)
        assert not os.path.exists(worker.cgroup)
    finally:
        for folder in sorted(own.glob("*")) if own.exists() else []:
            if folder.is_dir():
                groups.remove(str(folder))
        own.rmdir()


@pytest.mark.spec("OPS-18", "SEC-1")
def test_a_recorded_group_that_is_not_ours_is_left_alone():
    """A record is a file in the tree: whoever writes the root group into it must not end the machine."""
    base = groups.mount() or "/sys/fs/cgroup"
    for path in (base, f"{base}/", "/", "", "/tmp/executord-worker-x", f"{base}/system.slice",
                 f"{base}/executord-worker-x/../..", groups.group_of() or base):  # fmt: skip
        assert not groups.is_ours(path), path


@pytest.mark.spec("OPS-18")
@pytest.mark.hazard(44)
def test_a_reused_pid_is_no_worker_of_ours(order, tmp_path: Path):
    """The number alone tells nothing: another start, or another boot, is another process, and is not signalled."""
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        there = machine.seen(stranger.pid)
        assert there is not None
        right = Worker(stranger.pid, there.start_ticks, machine.boot_id(), machine.host())
        assert runners.state_of(right) == "alive"
        other_start = Worker(stranger.pid, there.start_ticks + 1, machine.boot_id(), machine.host())
        other_boot = Worker(stranger.pid, there.start_ticks, "another", machine.host())
        other_host = Worker(stranger.pid, there.start_ticks, "another", "elsewhere.example")
        assert [runners.state_of(w) for w in (other_start, other_boot, other_host)] == ["gone", "gone", "elsewhere"]
        for worker in (other_start, other_boot):
            assert Stopping(worker, grace_s=0).poll(time.monotonic()) == "gone"
        assert not runners.tell(other_start, signal.SIGKILL)
        assert stranger.poll() is None
        stopping = Stopping(right, grace_s=1)
        until(lambda: stopping.poll(time.monotonic()) == "gone" or stranger.poll() is not None, "it lives on")
        assert stranger.wait(5) == -signal.SIGTERM
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.spec("CON-16", "SES-14", "OPS-17")
def test_follow_ups_lie_in_the_inbox_and_an_interrupt_reaches_the_program(order, tmp_path: Path):
    """Files in their order, each once; SIGINT goes through the wrapper to the program."""
    from datetime import UTC, datetime

    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    one = order(f"interrupted={tmp_path}/heard", f"touch={tmp_path}/up", "sleep=60")
    worker = start(one)
    until((tmp_path / "up").exists, "it does not start")
    inbox = one.marks["EXECUTORD_INBOX"]
    assert runners.next_number(inbox) == 1
    for _ in range(2):
        path = runners.follow_up(inbox, 1, "status_check", at, "T1", "how far are you?\nand how long?", {"attempt": 1})
    runners.follow_up(inbox, 2, "finalize", at, "T1", "hand in what you have")
    assert sorted(os.listdir(inbox)) == ["0001-status_check.yaml", "0002-finalize.yaml"]
    import yaml

    said = yaml.safe_load(Path(path).read_text())
    assert {k: said[k] for k in ("n", "kind", "task_id", "text", "attempt")} == {
        "n": 1, "kind": "status_check", "task_id": "T1", "text": "how far are you?\nand how long?", "attempt": 1,
    }  # fmt: skip
    assert runners.next_number(inbox) == 3
    assert runners.interrupt(worker)
    assert ended(worker).code == 0
    assert (tmp_path / "heard").exists()


@pytest.mark.spec("OPS-17")
def test_a_program_that_takes_turns_on_stdin(order, tmp_path: Path):
    """The prompt is the first turn; stdin stays open until each turn has its end, then it is closed."""
    one = order("lines", turns=Turns({"type": "result"}))
    held = runners.hold(one)
    runners.turn(held.worker, "turns", 0, b"the task\n")
    runners.turn(held.worker, "turns", 1, b"how far are you?\n")
    held.release()
    assert ended(held.worker).code == 0
    assert text(one).splitlines() == [
        '{"type": "result", "said": "the task"}', '{"type": "result", "said": "how far are you?"}',
    ]  # fmt: skip


@pytest.mark.spec("OPS-17")
def test_a_program_that_folds_what_it_is_told_into_the_turn_that_runs(order):
    """One end for three turns, as the real `claude` does: it says that it took each; there stdin is closed."""
    one = order("folds=3", turns=Turns({"type": "result"}, {"type": "user", "isReplay": True}))
    held = runners.hold(one)
    for n in range(3):
        runners.turn(held.worker, "turns", n, b"x\n")
    held.release()
    assert ended(held.worker, 10).code == 0
    assert text(one).count("all in one") == 1


@pytest.mark.spec("OPS-17")
def test_what_was_told_too_late_for_a_turn_gets_one_of_its_own(order, tmp_path: Path):
    """stdin stays open at the end of a turn while something that was fed has not been taken."""
    one = order("folds=1", turns=Turns({"type": "result"}, {"type": "user", "isReplay": True}))
    held = runners.hold(one)
    for n in range(3):
        runners.turn(held.worker, "turns", n, b"x\n")
    held.release()
    assert ended(held.worker, 10).code == 0
    assert text(one).count("all in one") == 3


@pytest.mark.spec("OPS-17", "OPS-18")
def test_it_may_run_only_so_long(order):
    """A limit of its own, held by the wrapper with no daemon there."""
    found = ended(start(order("deaf", "sleep=60", limits={"run_s": 1})))
    assert found.over_time
    assert "longer" in found.said()


@pytest.mark.spec("OPS-17")
@pytest.mark.hazard(31)
def test_no_descriptor_left_is_not_the_workers_fault(order):
    """With EMFILE nothing is half started, and it is said to pass."""
    import resource

    one = order("exit=0")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        with pytest.raises(CannotStart) as caught:
            runners.hold(one)
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.passing
    assert ended(start(one)).code == 0


@pytest.mark.spec("OPS-18")
def test_the_watch_rings_once_for_each_that_ends(order):
    """Many at once, one that had ended before, one that is not ours; nobody is left as a zombie."""
    rings: queue.Queue[str] = queue.Queue()
    watch = Watch(rings.put)
    workers = {f"k{n}": start(order(f"sleep={0.1 * (n % 3)}")) for n in range(6)}
    before = start(order("exit=0"))
    ended(before)
    for key, worker in workers.items():
        watch.add(key, worker)
    watch.add("before", before)
    found = sorted(rings.get(timeout=15) for _ in range(7))
    assert found == sorted([*workers, "before"])
    assert rings.empty()
    watch.close()
    for worker in workers.values():
        assert machine.seen(worker.pid) is None, "a zombie"


def _below(top: int) -> list[int]:
    from executord.runners.wrapper import _below as below

    return below(top)
