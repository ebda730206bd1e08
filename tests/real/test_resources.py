"""What the machine runs out of, and disks that change under the daemon: said, survived, gone on from [REL-5, REL-6]."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executord.files.store import Store
from executord.policy import make_policy
from tests.real.kit import INBOX, Tree, Worker, drop

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
AGENT = "technical-support-engineer"
QUICK = {"settle": "0.2 seconds", "round": "1 second", "roster": {AGENT: {"capacity": 0}}}
Mount = Callable[[Path, str], None]


@pytest.fixture
def mounted() -> Iterator[Mount]:
    """Mounts small disks, and takes them away again."""
    places: list[Path] = []

    def mount(place: Path, options: str) -> None:
        place.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"cannot mount: {done.stderr.decode().strip()}")
        places.append(place)

    yield mount
    for place in reversed(places):
        subprocess.run(["umount", "-l", str(place)], check=False)


def _done(tree: Tree, case_id: str, tasks: set[str], timeout: float = 40) -> Worker:
    worker = Worker(tree, AGENT)
    worker.start()
    try:
        tree.until(lambda: tree.completed(case_id) == tasks, f"{case_id} is not done", timeout)
    finally:
        worker.stop()
    return worker


def _sound(tree: Tree) -> None:
    """It ends well, nothing is half done, and nothing was done twice."""
    assert tree.stop() == 0
    assert "Traceback" not in tree.log.read_text(), tree.tail()
    assert not list(tree.root.glob("**/.x-*"))
    checked = tree.call("fsck")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _on_disk(disk: Path, tmp_path: Path) -> Tree:
    """A tree on a disk of its own; state and log lie elsewhere."""
    tree = Tree(disk, QUICK)
    tree.state, tree.log = tmp_path / "state", tmp_path / "daemon.log"
    return tree


@AS_ROOT
@pytest.mark.spec("REL-5")
@pytest.mark.hazard(29)
def test_without_inodes_nothing_is_taken_on_and_then_it_goes_on(tmp_path: Path, mounted: Mount) -> None:
    """There is room, but for no new file."""
    mounted(tmp_path / "disk", "size=4m,nr_inodes=80")
    tree = _on_disk(tmp_path / "disk", tmp_path)
    tasks = [f"T{k}" for k in range(1, 5)]
    tree.case("acme-1", tasks)
    for task_id in tasks:
        tree.task("acme-1", task_id)
    ballast = tmp_path / "disk" / "ballast"
    ballast.mkdir()
    with contextlib.suppress(OSError):
        for k in range(200):
            (ballast / str(k)).touch()
    (ballast / "0").unlink()  # for the lock
    tree.start()
    tree.until(lambda: "cannot write" in tree.log.read_text(), "it is not said")
    assert not list(tree.root.glob("acme-1/tasks/in_progress/*.yaml"))
    status = tree.call("status", "--json")
    assert status.returncode == 0
    shutil.rmtree(ballast)
    worker = _done(tree, "acme-1", set(tasks))
    assert not {n: c for n, c in worker.got.items() if c > 1}
    _sound(tree)


@AS_ROOT
@pytest.mark.spec("REL-5", "REL-4")
@pytest.mark.hazard(37)
def test_a_case_remounted_read_only_is_said_and_gone_on_from(tmp_path: Path) -> None:
    """Nothing of it is lost, the other case does not notice, and no hand is needed when it is writable again."""
    tree = Tree(tmp_path, QUICK)
    for case_id in ("acme-1", "acme-2"):
        tree.case(case_id, ["T1", "T2"])
        tree.task(case_id, "T1")
    tree.start()
    tree.until(lambda: (tree.root / "acme-1/tasks/in_progress/T1.yaml").exists(), "the first is not dispatched")
    place = str(tree.root / "acme-1")
    for case_id in ("acme-1", "acme-2"):
        tree.task(case_id, "T2")
    tree.message("ack.yaml", {"type": "acknowledgement", "from": AGENT, "instruction_id": "acme-1", "task_id": "T1"})
    if subprocess.run(["mount", "--bind", place, place], capture_output=True, check=False).returncode:
        pytest.skip("cannot mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        tree.message("a2.yaml", {"type": "acknowledgement", "from": AGENT, "instruction_id": "acme-1", "task_id": "T1"})
        tree.until(lambda: "Read-only" in tree.log.read_text(), "it is not said")
        _done(tree, "acme-2", {"T1", "T2"})
        assert tree.call("status", "--json").returncode == 0
    finally:
        subprocess.run(["umount", place], check=True)
    _done(tree, "acme-1", {"T2"} if "T1" in tree.completed("acme-1") else {"T1", "T2"}, 90)
    _sound(tree)


@AS_ROOT
@pytest.mark.spec("REL-5", "REL-4")
@pytest.mark.hazard(37)
def test_a_start_on_a_read_only_memory_says_so(tmp_path: Path, mounted: Mount) -> None:
    """Exit code 73, in words and without a traceback."""
    disk = tmp_path / "disk"
    mounted(disk, "size=4m")
    tree = _on_disk(disk, tmp_path)
    tree.case("acme-1", ["T1"])
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = tree.call("run", "--once")
    assert done.returncode == 73, done.stderr
    assert "Traceback" not in done.stderr
    assert "Read-only" in done.stderr
    assert tree.call("status", "--json").returncode == 0


@AS_ROOT
@pytest.mark.spec("REL-5", "REL-4", "OPS-8")
@pytest.mark.hazard(39)
@pytest.mark.parametrize("other", ["acme-1/tasks/in_progress", f"{INBOX}/executor/.processed"])
def test_a_folder_on_another_disk_is_named_and_parks_no_other_case(tmp_path: Path, mounted: Mount, other: str) -> None:
    """A rename cannot leave a filesystem: nothing is copied instead, and `doctor` names the folder."""
    tree = Tree(tmp_path, QUICK)
    for case_id in ("acme-1", "acme-2"):
        tree.case(case_id, ["T1"])
        tree.task(case_id, "T1", f"id: T1\ntitle: x\nassigned_to: {AGENT if case_id == 'acme-2' else 'engineering'}\n")
    mounted(tree.root / other, "size=1m")
    tree.start()
    if "acme-1" in other:
        _done(tree, "acme-2", {"T1"})
        assert (tree.root / "acme-1/tasks/pending/T1.yaml").exists()
    else:
        tree.message("s.yaml", {"type": "status", "from": "operator"})
    tree.until(lambda: "cross-device" in tree.log.read_text(), "it is not said")
    assert "one filesystem" in tree.log.read_text()
    doctor = tree.call("doctor")
    assert other in doctor.stdout + doctor.stderr, doctor.stdout
    subprocess.run(["umount", "-l", str(tree.root / other)], check=True)
    if "acme-1" in other:
        tree.until(lambda: (tree.root / "acme-1/tasks/in_progress/T1.yaml").exists(), "it does not go on", 90)
    else:
        tree.until(lambda: not list((tree.root / INBOX / "executor").glob("*.yaml")), "it is not filed", 90)
    _sound(tree)


@pytest.mark.spec("REL-5", "REL-4")
@pytest.mark.hazard(31)
def test_without_descriptors_it_waits_and_goes_on(tmp_path: Path) -> None:
    """The limit falls below what the running daemon needs; nothing is refused for our own trouble."""
    if shutil.which("prlimit") is None:
        pytest.skip("needs prlimit")
    tree = Tree(tmp_path, QUICK)
    tree.case("acme-1", ["T1", "T2"])
    tree.task("acme-1", "T1")
    tree.start()
    tree.until(lambda: (tree.root / "acme-1/tasks/in_progress/T1.yaml").exists(), "the first is not dispatched")
    assert tree.process is not None
    pid = str(tree.process.pid)
    subprocess.run(["prlimit", "--pid", pid, "--nofile=3:4096"], check=True)
    tree.task("acme-1", "T2")
    tree.case("acme-2", ["T1"])
    tree.task("acme-2", "T1")
    tree.message("a.yaml", {"type": "acknowledgement", "from": AGENT, "instruction_id": "acme-1", "task_id": "T1"})
    tree.until(lambda: "Too many open files" in tree.log.read_text(), "it is not said")
    time.sleep(3)
    assert tree.process.poll() is None
    subprocess.run(["prlimit", "--pid", pid, "--nofile=1024:4096"], check=True)
    _done(tree, "acme-1", {"T1", "T2"}, 90)
    _done(tree, "acme-2", {"T1"}, 90)
    assert not list(tree.root.glob(f"{INBOX}/executor/.rejected/*/*"))
    assert not [e for c in ("acme-1", "acme-2") for e in tree.journal(c) if "delete" in e["name"]]
    _sound(tree)


@pytest.mark.spec("REL-6")
@pytest.mark.hazard(32)
@pytest.mark.parametrize("limit", ["max_inotify_watches 6", "max_inotify_instances 0"])
def test_where_inotify_is_used_up_the_round_finds_everything(tmp_path: Path, limit: str) -> None:
    """In a user namespace of its own with a limit of its own: it is said, and nothing is missed."""
    name, value = limit.split()
    enter = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    tried = subprocess.run([*enter, f"echo {value} > /proc/sys/user/{name}"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("no user namespace with limits of its own")
    tree = Tree(tmp_path, QUICK)
    tree.under = [*enter, f'echo {value} > /proc/sys/user/{name} && exec "$@"', "sh"]
    for case_id in ("acme-1", "acme-2", "acme-3"):
        tree.case(case_id, ["T1", "T2"])
        tree.task(case_id, "T1")
    tree.start()
    tree.until(lambda: "inotify" in tree.log.read_text() or "not watched" in tree.log.read_text(), "it is not said")
    for case_id in ("acme-1", "acme-2", "acme-3"):
        tree.task(case_id, "T2")
    for case_id in ("acme-1", "acme-2", "acme-3"):
        _done(tree, case_id, {"T1", "T2"})
    _sound(tree)


@pytest.mark.spec("SEC-0", "REL-4")
@pytest.mark.hazard(35)
def test_the_largest_files_that_are_let_in_fit_into_little_memory(tmp_path: Path) -> None:
    """256 KiB of what takes most, many at once, under a limit of address space: read or refused, and it lives."""
    if shutil.which("prlimit") is None:
        pytest.skip("needs prlimit")
    tree = Tree(tmp_path, QUICK)
    tree.under = ["prlimit", f"--as={640 << 20}"]
    tree.case("acme-1", ["T1"])
    tree.task("acme-1", "T1")
    big = 250 * 1024
    worst = {
        "keys": "".join(f"{k:x}: 1\n" for k in range(100_000))[:big],
        "lists": "a:\n" + "- [[],[],[]]\n" * (big // 13),
        "one-text": "a: '" + "x" * big + "'\n",
        "aliases": "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "b: [" + "*a," * 9000 + "]\n",
        "flow": "a: {" + "b," * (big // 3) + "}\n",
        "comments": "#\n" * (big // 2),
    }
    for name, text in worst.items():
        for k in range(4):
            tree.message(f"{name}-{k}.yaml", text)
            tree.task("acme-1", f"{name}-{k}", text)
    tree.start()
    _done(tree, "acme-1", {"T1"})
    tree.until(lambda: not list((tree.root / INBOX / "executor").glob("*.yaml")), "not all are filed", 60)
    assert tree.process is not None
    peak = next(line for line in Path(f"/proc/{tree.process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) < 300 * 1024, peak
    assert tree.stop() == 0


@pytest.mark.spec("SEC-1", "EXE-3", "MEM-7")
@pytest.mark.hazard(19)
def test_names_that_look_alike_are_not_mixed_up(tmp_path: Path) -> None:
    """Ids that differ only in case are held and told; one name in two Unicode forms is two tasks, both done."""
    tree = Tree(tmp_path, QUICK)
    tree.case("acme-1", ["T-1", "t-1"])
    tree.task("acme-1", "T-1")
    tree.task("acme-1", "t-1")
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    for name, title in ((composed, "one"), (apart, "two")):
        drop(tree.root / "acme-1/tasks/pending" / f"{name}.yaml", f"title: {title}\nassigned_to: {AGENT}\n")
    tree.start()
    worker = Worker(tree, AGENT)
    worker.start()
    try:
        tree.until(lambda: len(list((tree.root / "acme-1/tasks/completed").glob("caf*"))) == 2, "one is lost")
    finally:
        worker.stop()
    tree.until(lambda: len(tree.inbox("planner")) == 2, "the planner is not told")
    told = "".join((tree.root / INBOX / "planner" / n).read_text() for n in tree.inbox("planner"))
    assert "T-1 differs from t-1 only in case" in told
    assert {p.stem for p in (tree.root / "acme-1/tasks/pending").iterdir()} == {"T-1", "t-1"}
    _sound(tree)


@pytest.mark.spec("EXE-3", "MEM-18", "MEM-14")
@pytest.mark.hazard(20)
def test_one_id_in_two_places_counts_once(tmp_path: Path) -> None:
    """In two folders: one counts, the other is reported and left. Two tasks with one id: neither is guessed at."""
    tree = Tree(tmp_path, QUICK)
    tree.case("acme-1", ["T1", "T2"])
    text = f"id: T1\ntitle: x\nassigned_to: {AGENT}\n"
    drop(tree.root / "acme-1/tasks/in_progress/T1.yaml", text)
    drop(tree.root / "acme-1/tasks/pending/T1.yaml", text)
    for name in ("a", "b"):
        drop(tree.root / f"acme-1/tasks/pending/{name}.yaml", f"id: T2\ntitle: {name}\nassigned_to: {AGENT}\n")
    tree.start()
    worker = Worker(tree, AGENT)
    worker.start()
    try:
        tree.until(lambda: tree.completed("acme-1") == {"T1"} and tree.inbox("planner"), "not done")
    finally:
        worker.stop()
    assert worker.kinds["delegation"] == 1
    pending = tree.root / "acme-1/tasks/pending"
    assert sorted(p.name for p in pending.iterdir()) == ["T1.yaml", "a.yaml", "b.yaml"]
    assert "pending/T1.yaml is left alone" in tree.call("status", "--json").stdout
    assert "T2 is used twice" in "".join((tree.root / INBOX / "planner" / n).read_text() for n in tree.inbox("planner"))
    (pending / "T1.yaml").unlink()
    (pending / "b.yaml").unlink()
    _done(tree, "acme-1", {"T1", "a"})
    _sound(tree)


@pytest.mark.spec("MEM-14", "CON-17", "OPS-4")
@pytest.mark.hazard(28)
def test_names_made_at_one_moment_do_not_meet(tmp_path: Path) -> None:
    """Twenty commands at once, each under a name of its own, all taken."""
    tree = Tree(tmp_path, {**QUICK, "settle": "0.05 seconds"})
    tree.case("acme-1", ["T1"])
    tree.task("acme-1", "T1")
    text = tmp_path / "work.yaml"
    text.write_text(f"instruction: {{title: same}}\ntasks: [{{id: T1, title: x, assigned_to: {AGENT}}}]\n")
    running = [
        subprocess.Popen(tree.command("submit", str(text)), stdout=subprocess.PIPE, text=True) for _ in range(6)
    ] + [
        subprocess.Popen(tree.command("pause", "agent", AGENT, "--no-wait"), stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    told = [each.communicate(timeout=600)[0] for each in running]
    ids = {each.strip() for each in told[:6]}
    assert len(ids) == 6, told
    assert all((tree.root / each / "instruction.yaml").is_file() for each in ids)
    assert len(list((tree.root / INBOX / "executor").glob("*.yaml"))) == 6


@pytest.mark.spec("REL-5", "MSG-6")
@pytest.mark.hazard(31)
def test_for_want_of_descriptors_nobody_becomes_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has an inbox is what it was when it could last be seen; nothing is sent to somebody else for it."""
    tree = Tree(tmp_path)
    (tree.root / INBOX / "newcomer").mkdir()
    store = Store(str(tree.root), make_policy())
    assert store.has_inbox("newcomer")
    store.forget_inboxes()

    def none_left(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as poor:
        poor.setattr(os, "scandir", none_left)
        assert store.has_inbox("newcomer")
    (tree.root / INBOX / "newcomer").rmdir()
    assert not store.has_inbox("newcomer")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="no prlimit")
@pytest.mark.spec("REL-5", "REL-4")
@pytest.mark.hazard(31)
def test_descriptors_that_run_out_again_and_again_end_nothing(tmp_path: Path) -> None:
    """At whatever step they run out: the daemon lives, and every message has its end afterwards."""
    tree = Tree(tmp_path, {"settle": "0.2 seconds", "round": "1 second"})
    tree.start()
    assert tree.process is not None
    limit = ["prlimit", "--pid", str(tree.process.pid)]
    for k in range(6):
        subprocess.run([*limit, f"--nofile={4 + k}:4096"], check=True)
        for n in range(5):
            tree.message(f"m{k}-{n}.yaml", {"type": "status", "from": f"newcomer-{n}"})
            tree.case(f"acme-{k}", ["T1"])
            tree.task(f"acme-{k}", "T1")
            time.sleep(0.05)
        subprocess.run([*limit, "--nofile=1024:4096"], check=True)
        time.sleep(0.2)
    tree.until(lambda: not list((tree.root / INBOX / "executor").glob("*.yaml")), "a message has no end")
    tree.until(lambda: all(tree.journal(f"acme-{k}") for k in range(6)), "a case is forgotten")
    assert tree.stop() == 0
