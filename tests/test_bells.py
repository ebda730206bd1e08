"""The bells ring for every change that counts, and say so when they may have missed one.

Counterpart: `executord/bells/` and `executord/bells/inotify.py`; here with the real inotify, real files and real time.
"""

from __future__ import annotations

import errno
import os
import queue
import resource
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest

from executord import bells as module
from executord.bells import PROBE, Bells, Ring, _Alarms
from executord.bells.inotify import InotifyEmitter, untold
from executord.clock import SetClock, WallClock

INBOX = "_communication/inbox/executor"
QUEUED = int(open("/proc/sys/fs/inotify/max_queued_events").read())  # noqa: SIM115


class Ear:
    """Collects rings, as the service's queue does."""

    def __init__(self):
        self.queue = queue.Queue()
        self.all = []

    def __call__(self, ring):
        self.queue.put(ring)

    def until(self, wanted, timeout=5.0):
        """Every ring up to the first one that is wanted, a Ring or a test of one."""
        test = wanted if callable(wanted) else lambda ring: ring == wanted
        heard, end = [], time.monotonic() + timeout
        while True:
            try:
                ring = self.queue.get(timeout=max(end - time.monotonic(), 0.001))
            except queue.Empty:
                pytest.fail(f"not heard; heard {heard[-20:]}")
            heard.append(ring)
            self.all.append(ring)
            if test(ring):
                return heard

    def rest(self, quiet=0.25):
        """What rings until it is quiet."""
        heard = []
        while True:
            try:
                heard.append(self.queue.get(timeout=quiet))
            except queue.Empty:
                self.all += heard
                return heard


@pytest.fixture
def root(tmp_path):
    memory = tmp_path / "memory"
    (memory / INBOX).mkdir(parents=True)
    for folder in ("tasks/pending", "tasks/in_progress", "tasks/completed", "workflow", "outputs/partial"):
        (memory / "c1" / folder).mkdir(parents=True)
    return memory


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture
def bells(root, ear):
    made = Bells(str(root), ear, polling=False)
    made.start()
    made.watch_case("c1")
    yield made
    made.stop()


@pytest.fixture
def polled(root, ear):
    made = Bells(str(root), ear, polling=True, poll_s=0.05)
    made.start()
    made.watch_case("c1")
    yield made
    made.stop()


# --- files ---


@pytest.mark.spec("MEM-26")
def test_a_file_renamed_into_place_is_whole_and_rings_once(bells, root, ear):
    """The way that writers are asked for: aside under a dot name, then `mv`; nothing rings before."""
    aside = root / "c1/tasks/pending/.T1.tmp"
    aside.write_text("id: T1\n")
    aside.rename(root / "c1/tasks/pending/T1.yaml")
    ear.until(Ring("c1/tasks/pending/T1.yaml", "whole", "T1.yaml"))
    assert ear.all == [Ring("c1/tasks/pending/T1.yaml", "whole", "T1.yaml")]
    assert ear.rest() == []


@pytest.mark.spec("MEM-26")
@pytest.mark.hazard(25)
def test_a_file_written_in_place_is_seen_then_whole_each_time_it_is_closed(bells, root, ear):
    """`>` and later `>>` are two closes: the second is heard too."""
    path = root / "c1/workflow/plan.yaml"
    with path.open("w") as file:
        file.write("tasks: []\n")
        file.flush()
        assert ear.until(lambda ring: True) == [Ring("c1/workflow/plan.yaml", "seen", "plan.yaml")]
        assert ear.rest() == []
    ear.until(Ring("c1/workflow/plan.yaml", "whole", "plan.yaml"))
    with path.open("a") as file:
        file.write("# more\n")
    ear.until(Ring("c1/workflow/plan.yaml", "whole", "plan.yaml"))


@pytest.mark.spec("MEM-26")
@pytest.mark.hazard(26)
def test_a_hard_link_is_seen_and_must_settle(bells, root, ear, tmp_path):
    """It gives CREATE only: nobody can say that its writer is done."""
    (tmp_path / "elsewhere").write_text("x: 1\n")
    os.link(tmp_path / "elsewhere", root / INBOX / "m.yaml")
    ear.until(Ring(f"{INBOX}/m.yaml", "seen", "m.yaml"))
    assert ear.rest() == []


def test_deleting_and_moving_away_ring_gone(bells, root, ear, tmp_path):
    """Both are the same to us; a move between two folders is gone there and whole here."""
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        (root / "c1/tasks/pending" / name).write_text("x: 1\n")
    ear.rest()
    (root / "c1/tasks/pending/a.yaml").unlink()
    (root / "c1/tasks/pending/b.yaml").rename(tmp_path / "b.yaml")
    (root / "c1/tasks/pending/c.yaml").rename(root / "c1/tasks/in_progress/c.yaml")
    assert ear.rest() == [
        Ring("c1/tasks/pending/a.yaml", "gone", "a.yaml"),
        Ring("c1/tasks/pending/b.yaml", "gone", "b.yaml"),
        Ring("c1/tasks/pending/c.yaml", "gone", "c.yaml"),
        Ring("c1/tasks/in_progress/c.yaml", "whole", "c.yaml"),
    ]


@pytest.mark.spec("MEM-3")
@pytest.mark.hazard(24)
def test_names_that_are_left_alone_do_not_ring(bells, root, ear):
    """Editors' and our own names: lock, probe, filing, staged files."""
    for name in (".lock", ".paused.yaml", ".x.yaml.staged", "x.yaml~", "x.yaml.tmp", ".x.yaml.swp", "README.md"):
        (root / INBOX / name).write_text("x")
    (root / INBOX / ".processed/2026-11-20").mkdir(parents=True)
    (root / INBOX / ".rejected").mkdir()
    (root / "c1/.executord").mkdir()
    assert ear.rest() == []


@pytest.mark.spec("MEM-2")
def test_what_is_not_watched_does_not_ring(bells, root, ear):
    """Neither archive nor knowledge, nor outputs, nor other agents' inboxes, nor files beside the cases."""
    for folder in ("_archive/old/tasks", "_knowledge", f"{INBOX}/../planner", "c1/outputs/partial/T1"):
        (root / folder).mkdir(parents=True)
        (root / folder / "x.yaml").write_text("x: 1\n")
    (root / "stray.yaml").write_text("x: 1\n")
    assert ear.rest() == []


@pytest.mark.hazard(18)
def test_names_that_are_no_utf8_survive(bells, root, ear):
    """They ring as os.fsdecode gives them, and lead back to the same bytes; folders too."""
    raw = b"T\xe4sk\xff.yaml"
    with open(os.fsencode(root / "c1/tasks/pending") + b"/" + raw, "wb") as file:
        file.write(b"id: T1\n")
    heard = ear.until(lambda ring: ring.kind == "whole")[-1]
    assert os.fsencode(heard.name) == raw
    assert os.path.exists(root / heard.path)
    os.mkdir(os.fsencode(root) + b"/c\xff")
    ear.until(lambda ring: ring.kind == "folder" and os.fsencode(ring.path) == b"c\xff")
    with open(os.fsencode(root) + b"/c\xff/instruction.yaml", "wb") as file:
        file.write(b"title: x\n")
    ear.until(lambda ring: ring.kind == "whole" and os.fsencode(ring.path) == b"c\xff/instruction.yaml")


# --- folders ---


@pytest.mark.hazard(27)
def test_mkdir_p_and_a_file_at_once(bells, root, ear):
    """However quick the writer is: whatever lay there before the watch was, rings."""
    for n in range(60):
        folder = root / f"new-{n}/tasks/pending"
        folder.mkdir(parents=True)
        (folder / "T1.yaml").write_text("id: T1\n")
    ear.until(lambda ring: ring.path == "new-59/tasks/pending/T1.yaml")
    ear.rest()
    heard = {ring.path for ring in ear.all}
    for n in range(60):
        assert {f"new-{n}", f"new-{n}/tasks/pending/T1.yaml"} <= heard
    (root / "new-7/tasks/pending/T2.yaml").write_text("id: T2\n")
    ear.until(Ring("new-7/tasks/pending/T2.yaml", "whole", "T2.yaml"))


@pytest.mark.hazard(27)
def test_a_whole_tree_moved_in(bells, root, ear, tmp_path):
    """One event for the kernel, a ring for each file of it; and it is watched from then on."""
    folder = tmp_path / "c2/tasks/pending"
    folder.mkdir(parents=True)
    (tmp_path / "c2/instruction.yaml").write_text("title: x\n")
    for n in range(20):
        (folder / f"T{n}.yaml").write_text("x: 1\n")
    (tmp_path / "c2").rename(root / "c2")
    ear.until(Ring("c2", "folder", "c2"))
    wanted = {"c2/instruction.yaml"} | {f"c2/tasks/pending/T{n}.yaml" for n in range(20)}
    assert {ring.path for ring in ear.all if ring.kind == "seen"} == wanted
    (root / "c2/tasks/completed").mkdir()
    ear.until(Ring("c2/tasks/completed", "folder", "completed"))
    (root / "c2/tasks/pending/T0.yaml").rename(root / "c2/tasks/completed/T0.yaml")
    ear.until(Ring("c2/tasks/completed/T0.yaml", "whole", "T0.yaml"))


def test_a_case_that_is_renamed_rings_under_its_new_name(bells, root, ear):
    """The watches go with the folder: nothing rings under the old name any more."""
    (root / "c1").rename(root / "c9")
    ear.until(Ring("c9", "folder", "c9"))
    assert Ring("c1", "gone", "c1") in ear.all
    ear.rest()
    (root / "c9/tasks/pending/T1.yaml").write_text("x: 1\n")
    assert {ring.path for ring in ear.rest()} == {"c9/tasks/pending/T1.yaml"}
    assert bells.folders[0] == bells.folders[1]


def test_a_case_that_is_archived_is_let_go(bells, root, ear):
    """No watch stays on a folder outside the cases."""
    before = bells.folders[0]
    (root / "_archive").mkdir()
    (root / "c1").rename(root / "_archive/c1")
    ear.until(Ring("c1", "gone", "c1"))
    (root / "_archive/c1/tasks/pending/T1.yaml").write_text("x: 1\n")
    assert ear.rest() == []
    assert bells.folders == (before - 6, before - 6)


def test_a_folder_that_is_replaced_is_watched_again(bells, root, ear):
    """Deleted and made anew, moved away and made anew."""
    shutil.rmtree(root / "c1/tasks/pending")
    (root / "c1/tasks/pending").mkdir()
    (root / "c1/workflow").rename(root / "c1/old")
    (root / "c1/workflow").mkdir()
    ear.until(Ring("c1/workflow", "folder", "workflow"))
    ear.rest()
    (root / "c1/old/plan.yaml").write_text("x: 1\n")
    (root / "c1/workflow/plan.yaml").write_text("x: 1\n")
    (root / "c1/tasks/pending/T1.yaml").write_text("x: 1\n")
    heard = {ring.path for ring in ear.rest()}
    assert heard == {"c1/workflow/plan.yaml", "c1/tasks/pending/T1.yaml"}


def test_our_inbox_may_come_later(tmp_path, ear):
    """An empty memory: the way to the inbox is made afterwards, and messages in it are heard."""
    bells = Bells(str(tmp_path), ear, polling=False)
    bells.start()
    try:
        for inbox in ("executor", "support-executor"):
            folder = tmp_path / "_communication/inbox" / inbox
            folder.mkdir(parents=True)
            (folder / "m.yaml").write_text("x: 1\n")
            ear.until(lambda ring, inbox=inbox: ring.path == f"_communication/inbox/{inbox}/m.yaml")
    finally:
        bells.stop()


def test_watching_is_idempotent_and_quiet(bells, root, ear):
    """The caller scans after watching, so what lies there does not ring; a second time changes nothing."""
    (root / "c3/tasks/pending").mkdir(parents=True)
    ear.rest()
    bells.unwatch_case("c3")
    (root / "c3/tasks/pending/T1.yaml").write_text("x: 1\n")
    assert ear.rest() == []
    assert bells.watch_case("c3")
    count = bells.folders
    assert bells.watch_case("c3")
    assert bells.folders == count
    assert ear.rest() == []
    assert not bells.watch_case("nowhere")
    assert not bells.watch_case("_archive")
    bells.unwatch_case("nowhere")


def test_watching_in_quiet_watches_what_a_folder_that_comes_by_itself_gets(bells, root, ear, tmp_path):
    """The folders of a case are the same whether the caller watches a case that lay there or hears it come."""
    for place in ("loud", "c5"):
        for folder in ("tasks/pending/deep", "tasks/completed", "tasks/other/deep", "workflow/deep", "outputs/final"):
            (tmp_path / place / folder).mkdir(parents=True)
    before = bells.folders[0]
    (tmp_path / "loud").rename(root / "loud")
    ear.until(lambda ring: ring.path == "loud/tasks/pending")
    ear.rest()
    loud = bells.folders[0] - before
    (tmp_path / "c5").rename(root / "c5")
    bells.unwatch_case("c5")
    ear.rest()
    bells.unwatch_case("c5")
    before = bells.folders[0]
    assert bells.watch_case("c5")
    assert bells.folders[0] - before == loud == 6
    for folder in ("tasks/pending", "tasks/completed", "tasks/other", "workflow"):
        (root / "c5" / folder / "T1.yaml").write_text("x: 1\n")
        ear.until(lambda ring, folder=folder: ring.path == f"c5/{folder}/T1.yaml")


def test_a_link_to_a_folder_is_not_followed(bells, root, ear, tmp_path):
    """A case that is a link out of the tree is not watched [SEC-1]."""
    (tmp_path / "out/tasks").mkdir(parents=True)
    (root / "c4").symlink_to(tmp_path / "out")
    ear.rest()
    assert not bells.watch_case("c4")
    (tmp_path / "out/tasks/x.yaml").write_text("x: 1\n")
    assert ear.rest() == []


# --- loss ---


@pytest.mark.slow
@pytest.mark.spec("REL-6")
@pytest.mark.hazard(33)
def test_an_overflow_of_the_kernels_queue_is_said(bells, root, ear):
    """The reader stands still as under SIGSTOP: what did not fit is gone, and that rings."""
    bells._emitter.paused.set()
    time.sleep(1.1)
    folder = root / "c1/tasks/pending"
    for n in range(QUEUED + 500):
        os.close(os.open(folder / f"T{n}.yaml", os.O_CREAT | os.O_WRONLY))
    bells._emitter.paused.clear()
    ear.until(lambda ring: ring.kind == "overflow", timeout=30)
    ear.rest()
    (folder / "after.yaml").write_text("x: 1\n")
    ear.until(Ring("c1/tasks/pending/after.yaml", "whole", "after.yaml"))


@pytest.mark.slow
@pytest.mark.spec("REL-6")
def test_a_burst_of_100_000_loses_nothing_unsaid(bells, root, ear):
    """Either every file rings, or an overflow does."""
    folder = root / "c1/tasks/pending"
    script = "import os,sys\nfor n in range(100_000): os.close(os.open(f'{sys.argv[1]}/T{n}.yaml', 65))"
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True)
    (folder / "last.yaml").write_text("x: 1\n")
    paths, kinds = set(), set()
    while True:
        try:
            ring = ear.queue.get(timeout=3)
        except queue.Empty:
            break
        paths.add(ring.name)
        kinds.add(ring.kind)
    assert "overflow" in kinds or len(paths) == 100_001


@pytest.mark.hazard(32)
def test_the_watch_limit_is_said_and_counted(root, ear, monkeypatch):
    """What cannot be watched is counted; the caller is told once, and it is taken up when there is room."""
    real = InotifyEmitter.add

    def add(self, folder):
        if folder.startswith("c1/tasks/"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, folder)

    monkeypatch.setattr(InotifyEmitter, "add", add)
    bells = Bells(str(root), ear, polling=False)
    bells.start()
    try:
        assert bells.watch_case("c1")
        assert "3 folders are not watched" in bells.degraded
        assert "max_user_watches" in bells.degraded
        assert bells.folders[1] - bells.folders[0] == 3
        assert [ring.kind for ring in ear.rest()] == ["overflow"]
        monkeypatch.undo()
        assert bells.watch_case("c1")
        assert bells.degraded is None
        assert bells.folders[0] == bells.folders[1]
    finally:
        bells.stop()


@pytest.mark.hazard(31)
@pytest.mark.hazard(32)
def test_without_descriptors_for_inotify_it_polls_and_says_so(root):
    """EMFILE at the start: everything still rings, and `degraded` says why it is slower."""
    with get_context("fork").Pool(1) as pool:  # where no other thread takes the one descriptor that is left
        pool.apply(_starts_with_one_descriptor, (root,))


def _starts_with_one_descriptor(root):
    ear = Ear()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))  # what earlier tests have left open may have holes
    taken = [os.open("/dev/null", os.O_RDONLY)]
    while taken[-1] <= highest:
        taken.append(os.open("/dev/null", os.O_RDONLY))  # all below the last one are in use
    bells = Bells(str(root), ear, poll_s=0.05)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 2, hard))  # room for one: inotify wants two
    try:
        bells.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in taken:
            os.close(number)
    try:
        assert bells.polling
        assert "polling" in bells.degraded
        bells.watch_case("c1")
        (root / "c1/tasks/pending/T1.yaml").write_text("x: 1\n")
        ear.until(Ring("c1/tasks/pending/T1.yaml", "seen", "T1.yaml"))
        bells.restart()
        assert not bells.polling
        assert bells.degraded is None
    finally:
        bells.stop()


# --- the canary, the root ---


@pytest.mark.hazard(34)
def test_the_canary_proves_that_the_watcher_watches(bells, root, ear):
    """It comes back, does not ring, and an overdue one is cured by a restart."""

    def write():
        (root / PROBE).write_text("x")

    bells.probe(write)
    time.sleep(0.3)
    assert bells._probe_out is None
    assert bells.watcher_alive
    assert ear.rest() == []

    bells._emitter.paused.set()  # the thread lives and hears nothing
    time.sleep(1.1)
    bells.probe(write)
    assert bells.watcher_alive
    bells._probe_out -= 6
    assert bells._emitter.is_alive()
    assert not bells.watcher_alive
    bells.probe(write)
    assert not bells.watcher_alive, "a second one does not make the first one younger"

    (root / "c1/tasks/pending/T1.yaml").write_text("x: 1\n")
    bells.restart()
    assert bells.watcher_alive
    ear.until(Ring("", "overflow", "restarted"))
    (root / "c1/tasks/pending/T2.yaml").write_text("x: 1\n")
    ear.until(Ring("c1/tasks/pending/T2.yaml", "whole", "T2.yaml"))


def test_a_canary_that_cannot_be_written_proves_nothing(bells):
    """A full disk is not a dead watcher: the error goes to the caller."""

    def write():
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        bells.probe(write)
    bells._clock = SetClock(datetime(2100, 1, 1, tzinfo=UTC))
    assert bells._probe_out is None


@pytest.mark.hazard(40)
@pytest.mark.spec("REL-6", "MEM-25")
def test_a_root_that_is_replaced_is_noticed(bells, root, ear):
    """The ring says root, never that everything was deleted; a restart watches what lies there now."""
    assert bells.root_same()
    root.rename(root.with_name("away"))
    ear.until(lambda ring: ring.kind == "root")
    assert not bells.root_same()
    bells.restart()
    ear.until(lambda ring: ring.kind == "root")
    assert not bells.watcher_alive
    root.mkdir()
    assert not bells.root_same(), "another folder of the same name"
    root.rmdir()
    root.with_name("away").rename(root)
    assert bells.root_same()
    bells.restart()
    ear.until(Ring("", "overflow", "restarted"))
    (root / "c1/tasks/pending/T1.yaml").write_text("x: 1\n")
    ear.until(Ring("c1/tasks/pending/T1.yaml", "whole", "T1.yaml"))
    assert not [ring for ring in ear.all if ring.kind == "gone"]


@pytest.mark.hazard(40)
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_an_unmounted_root_is_noticed(tmp_path, ear):
    """IN_UNMOUNT: the folder beneath is empty, and another one."""
    point = tmp_path / "mnt"
    point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(point)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    bells = Bells(str(point), ear, polling=False)
    try:
        (point / "c1/tasks").mkdir(parents=True)
        bells.start()
        bells.watch_case("c1")
        subprocess.run(["umount", str(point)], check=True)
        ear.until(lambda ring: ring.kind == "root")
        assert not bells.root_same()
    finally:
        bells.stop()
        subprocess.run(["umount", str(point)], capture_output=True)


def test_an_exception_in_the_queue_ends_nothing(root):
    """A ring that is not taken is logged; the watcher goes on."""
    heard = queue.Queue()

    def ring(each):
        heard.put(each)
        if each.name == "bad.yaml":
            raise RuntimeError("no room")

    bells = Bells(str(root), ring, polling=False)
    bells.start()
    bells.watch_case("c1")
    try:
        for name in ("bad.yaml", "good.yaml"):
            (root / "c1/tasks/pending" / name).write_text("x: 1\n")
        while heard.get(timeout=5).name != "good.yaml":
            pass
        assert bells.watcher_alive
    finally:
        bells.stop()


def test_one_thread_and_one_descriptor_for_all_folders(root, ear):
    """100 cases cost 400 watches, and nothing else."""
    for n in range(100):
        for folder in ("tasks/pending", "tasks/completed", "workflow"):
            (root / f"k{n}" / folder).mkdir(parents=True)
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    bells = Bells(str(root), ear, polling=False)
    bells.start()
    try:
        for n in range(100):
            bells.watch_case(f"k{n}")
        assert bells.folders[0] >= 500
        assert threading.active_count() - threads == 2  # watcher and scheduler
        assert len(os.listdir("/proc/self/fd")) - descriptors == 2  # inotify and what wakes the reader
        inotify = [fd for fd in os.listdir("/proc/self/fd") if "inotify" in _target(fd)]
        assert inotify
        assert not any(os.get_inheritable(int(fd)) for fd in inotify)
    finally:
        bells.stop()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads


def _target(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


# --- polling ---


@pytest.mark.spec("MEM-26")
def test_polling_hears_the_same_and_lets_everything_settle(polled, root, ear):
    """Nobody saw a rename: what is found by polling must settle."""
    pending = root / "c1/tasks/pending"
    (pending / "T1.yaml").write_text("x: 1\n")
    ear.until(Ring("c1/tasks/pending/T1.yaml", "seen", "T1.yaml"))
    (pending / "T1.yaml").write_text("x: 22\n")
    ear.until(Ring("c1/tasks/pending/T1.yaml", "seen", "T1.yaml"))
    (pending / "T1.yaml").rename(root / "c1/tasks/completed/T1.yaml")
    heard = ear.until(Ring("c1/tasks/completed/T1.yaml", "seen", "T1.yaml")) + ear.rest()
    assert Ring("c1/tasks/pending/T1.yaml", "gone", "T1.yaml") in heard
    folder = root / "c2/tasks/pending"
    folder.mkdir(parents=True)
    (folder / "T1.yaml").write_text("x: 1\n")
    ear.until(Ring("c2/tasks/pending/T1.yaml", "seen", "T1.yaml"))
    (folder / "T2.yaml").write_text("x: 1\n")
    ear.until(Ring("c2/tasks/pending/T2.yaml", "seen", "T2.yaml"))
    shutil.rmtree(root / "c2")
    ear.until(Ring("c2", "gone", "c2"))
    assert not any(ring.name.startswith(".") for ring in ear.all)


def test_polling_is_quiet_about_what_was_there(root, ear):
    """Watching a case of many files is not a storm of rings."""
    (root / "c1/tasks/pending/T1.yaml").write_text("x: 1\n")
    bells = Bells(str(root), ear, polling=True, poll_s=0.05)
    bells.start()
    bells.watch_case("c1")
    try:
        assert ear.rest() == []
        bells.probe(lambda: (root / PROBE).write_text("x") and None)
        time.sleep(0.4)
        assert bells._probe_out is None
        assert bells.watcher_alive
        root.rename(root.with_name("away"))
        ear.until(lambda ring: ring.kind == "root")
    finally:
        bells.stop()


def test_the_file_system_decides_whether_to_poll(tmp_path):
    """Networks, hosts of virtual machines and layers are polled; the innermost, last mount counts."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw shared:1 - ext4 /dev/vda rw\n"
        "2 1 0:40 / /srv rw - nfs4 host:/x rw\n"
        "3 1 0:41 / /srv/local\\040disk rw shared:3 - xfs /dev/vdb rw\n"
        "4 1 0:42 / /srvx rw - fuse.sshfs me@host: rw\n"
        "5 1 0:43 / /lay rw - ext4 /dev/vdc rw\n"
        "6 1 0:44 / /lay rw - overlay overlay rw\n"
        "nonsense\n"
    )
    kinds = {path: untold(path, str(mounts)) for path in ("/home/x", "/srv/m", "/srv/local disk/m", "/srvx/m", "/lay")}
    assert kinds == {
        "/home/x": None, "/srv/m": "nfs4", "/srv/local disk/m": None, "/srvx/m": "fuse.sshfs", "/lay": "overlay",
    }  # fmt: skip
    assert untold("/", str(tmp_path / "missing")) is None


# --- alarms ---


@pytest.mark.spec("SLA-18")
def test_the_deadline_rings_once_at_the_earliest_that_was_asked(bells, ear):
    """100 deadlines are one job; after the ring the next one is set."""
    now = datetime.now(UTC)
    for n in range(100, 0, -1):
        bells.alarm_at(now + timedelta(seconds=0.2 + n))
    bells.alarm_at(time.monotonic() + 0.2)
    bells.alarm_at(now + timedelta(days=300))
    began = time.monotonic()
    assert ear.until(lambda ring: True) == [Ring("", "alarm", "deadline")]
    assert 0.1 < time.monotonic() - began < 1.5
    assert ear.rest() == []
    bells.alarm_at(now - timedelta(days=1))
    ear.until(Ring("", "alarm", "deadline"), timeout=1)
    assert {job.id for job in bells._alarms.get_jobs()} <= {"probe", "deadline"}


@pytest.mark.spec("SLA-18")
def test_the_deadline_is_never_set_far_ahead(bells):
    """30 s at most, so that suspend and steps of the clock are noticed."""
    bells.alarm_at(datetime.now(UTC) + timedelta(days=1))
    (job,) = [job for job in bells._alarms.get_jobs() if job.id == "deadline"]
    assert job.next_run_time <= datetime.now(UTC) + timedelta(seconds=30)
    assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, True, 1)


@pytest.mark.spec("SLA-18")
def test_intervals_ring_again_and_again(bells, ear):
    """And can be changed."""
    bells.every("round", 0.1)
    for _ in range(3):
        ear.until(Ring("", "alarm", "round"))
    bells.every("round", 1000)
    ear.rest()
    assert ear.rest(0.5) == []
    assert bells.scheduler_alive


class Stepped(WallClock):
    """A wall clock that somebody sets; the monotonic one goes on."""

    step = timedelta()

    def now(self):
        return super().now() + self.step


@pytest.fixture
def stepped(monkeypatch):
    """APScheduler and the bells see the same stepped wall clock."""
    clock = Stepped()

    class Faked(datetime):
        @classmethod
        def now(cls, tz=None):
            return clock.now().astimezone(tz)

    monkeypatch.setattr("apscheduler.schedulers.base.datetime", Faked)
    monkeypatch.setattr("apscheduler.triggers.interval.datetime", Faked)
    monkeypatch.setattr(module, "_TICK_S", 0.1)
    return clock


@pytest.mark.hazard(41)
@pytest.mark.hazard(42)
@pytest.mark.parametrize("hours", [2, -2, 24 * 365 * 50])
def test_a_clock_that_steps_loses_no_alarm(root, ear, stepped, hours):
    """Two hours forward (or a suspend): rings at once, once. Two hours back: the next round is not two hours away."""
    bells = Bells(str(root), ear, polling=False, clock=stepped)
    bells.start()
    try:
        bells.every("round", 0.4)
        bells.alarm_at(stepped.now() + timedelta(seconds=0.6))
        stepped.step = timedelta(hours=hours)
        began = time.monotonic()
        if hours > 0:
            ear.until(Ring("", "alarm", "deadline"), timeout=2)
        ear.until(Ring("", "alarm", "round"), timeout=4)
        ear.until(Ring("", "alarm", "round"), timeout=2)
        assert time.monotonic() - began < 5
        assert len(ear.all) <= 8, "no storm of missed rounds"
        bells.alarm_at(stepped.now() + timedelta(seconds=0.1))  # an old, far one does not stand in its way
        ear.until(Ring("", "alarm", "deadline"), timeout=2)
    finally:
        bells.stop()


@pytest.mark.hazard(41)
def test_no_job_is_further_away_than_its_span_after_a_step_back(stepped):
    """The rule itself, without waiting."""
    alarms = _Alarms(stepped)
    alarms.start(paused=True)
    try:
        alarms.put("round", lambda: None, 60, "interval", seconds=60)
        stepped.step = timedelta(hours=-2)
        alarms.resume()
        alarms._process_jobs()
        (job,) = alarms.get_jobs()
        assert job.next_run_time <= stepped.now() + timedelta(seconds=62)
    finally:
        alarms.shutdown(wait=False)


def test_nothing_rings_after_stop(root, ear):
    """And starting and stopping again is harmless."""
    bells = Bells(str(root), ear, polling=False)
    bells.stop()
    bells.start()
    bells.start()
    bells.watch_case("c1")
    bells.stop()
    bells.stop()
    (root / "c1/tasks/pending/T1.yaml").write_text("x: 1\n")
    assert ear.rest() == []
    assert not bells.watcher_alive
    assert not bells.scheduler_alive
