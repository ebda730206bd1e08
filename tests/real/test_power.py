"""The power goes while the daemon works: a loop-mounted ext4 image is copied, and the copy is what is left [REL-3].

What the file system has not yet written to its device is not in the copy, as after a power cut: only what was made
durable is. The copy is taken before a disk operation of ours, mounted, and a new daemon goes on there at the same
instant; the tree must then be that of an undisturbed run, byte for byte, and no line that had been noted may be gone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from executord.files import journal
from executord.files.marks import Marks
from executord.hands import Entry
from executord.policy import make_policy
from executord.service import Rings, Service
from tests.real.kit import INBOX, drop
from tests.stories.dying import unlike
from tests.stories.kit import tree_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount an image"),
]
AGENT = "technical-support-engineer"
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)  # later than any file is old: everything has settled
MOUNT = ["mount", "-o", "loop,commit=300,noatime"]  # nothing is written back by time while a test runs


@dataclass
class Image:
    """An ext4 file system in a file, mounted."""

    file: Path
    place: Path
    cuts: list[Cut] = field(default_factory=list)

    def mount(self) -> None:
        """Mount it, or skip where that cannot be done."""
        self.place.mkdir(exist_ok=True)
        done = subprocess.run([*MOUNT, str(self.file), str(self.place)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount an image: {done.stderr.decode().strip()}")

    def unmount(self) -> None:
        """Let it go."""
        subprocess.run(["umount", str(self.place)], check=False)


@dataclass
class Cut:
    """The image as it was when the power went, and what had been noted by then."""

    before: str
    file: Path
    noted: dict[str, int]


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Image]:
    """A fresh file system of 16 MiB, in memory where there is room."""
    base = Path("/dev/shm") / f"power-{os.getpid()}" if os.access("/dev/shm", os.W_OK) else tmp_path
    base.mkdir(exist_ok=True)
    file = base / "disk.img"
    with file.open("wb") as fresh:
        fresh.truncate(16 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(file)],
                          capture_output=True, check=False) if shutil.which("mkfs.ext4") else None  # fmt: skip
    if made is None or made.returncode:
        pytest.skip("no mkfs.ext4")
    found = Image(file, tmp_path / "disk")
    found.mount()
    yield found
    found.unmount()
    if base != tmp_path:
        shutil.rmtree(base, ignore_errors=True)


class Daemon:
    """One on a mounted image, its state folder on the same disk, with a set clock."""

    def __init__(
        self, place: Path, now: datetime, before: Callable[[str, str], None] | None = None, *, durable: bool = True
    ) -> None:
        self.root, self.now = place / "Agent_Memory", now
        self.noted: dict[str, int] = {}
        self._service = Service(
            str(self.root), make_policy(), durable=durable, marks=Marks(str(place / "state")), before=before,
            on_entry=self._on_entry,
        )  # fmt: skip

    def _on_entry(self, case_id: str, entry: Entry) -> None:
        self.noted[case_id] = entry["n"]

    def work(self) -> None:
        """From the start of a daemon to its sleep."""
        self._service.open(self.now)
        while self._service.turn(self.now, Rings(everything=True)):
            pass
        self._service.finish(self.now)


def _morning(root: Path) -> None:
    """What planners leave."""
    for case_id in ("acme-1", "acme-2"):
        drop(root / case_id / "instruction.yaml", f"title: {case_id}\npriority: medium\n")
        drop(root / case_id / "workflow/plan.yaml", "tier: 3\ntasks: [T1, T2, T3]\n")
        for task_id in ("T1", "T2", "T3"):
            who = AGENT if task_id != "T3" else "engineering"
            drop(root / case_id / f"tasks/pending/{task_id}.yaml", f"id: {task_id}\ntitle: x\nassigned_to: {who}\n")
    (root / INBOX / "executor").mkdir(parents=True)


def _noon(root: Path) -> None:
    """What workers answer, and what nobody should have sent."""
    claim = f"type: completion\nfrom: {AGENT}\ninstruction_id: acme-1\nattempt: 1\nsummary: s\noutput: o\n"
    drop(root / INBOX / "executor/claim.yaml", claim + "task_id: T1\n")
    drop(root / INBOX / "executor/other.yaml", claim.replace("acme-1", "acme-2") + "task_id: T2\n")
    drop(root / INBOX / "executor/ack.yaml",
         f"type: acknowledgement\nfrom: {AGENT}\ninstruction_id: acme-1\ntask_id: T2\n")  # fmt: skip
    drop(root / INBOX / "executor/nonsense.yaml", "type: [\n")
    drop(root / INBOX / "executor/status.yaml", "type: status\nfrom: operator\n")


def _cut_at_every(image: Image, now: datetime, *, durable: bool = True) -> dict[str, bytes | None]:
    """A daemon works; the image is copied before each of its disk operations. Answers the tree that it leaves."""
    daemon: Daemon | None = None

    def before(operation: str, path: str) -> None:
        if daemon is not None:
            _cut(image, f"{operation} {path}", daemon.noted)

    daemon = Daemon(image.place, now, before, durable=durable)
    daemon.work()
    _cut(image, "nothing: it sleeps", daemon.noted)
    return tree_of(str(daemon.root))


def _cut(image: Image, said: str, noted: dict[str, int]) -> None:
    copy = image.file.with_name(f"cut-{len(image.cuts)}.img")
    subprocess.run(["cp", "--sparse=always", str(image.file), str(copy)], check=True)
    image.cuts.append(Cut(said, copy, dict(noted)))


def _recovered(image: Image, cut: Cut, now: datetime, wanted: dict[str, bytes | None], place: Path) -> None:
    left = Image(cut.file, place)
    left.mount()
    try:
        root = place / "Agent_Memory"
        for case_id, n in cut.noted.items():
            entries = journal.read(f"{root}/{case_id}").entries
            assert [e["n"] for e in entries if "n" in e][-1:] >= [n], (
                f"before {cut.before}: lines of {case_id} are lost"
            )
        for path in root.rglob("*.yaml"):
            if f"/{INBOX}/" in str(path) and "executor" not in path.parts:
                assert isinstance(yaml.safe_load(path.read_bytes()), dict), f"before {cut.before}: {path} is not whole"
        Daemon(place, now).work()
        difference = unlike(wanted, tree_of(str(root)))
        assert not difference, f"the power went before {cut.before}:\n{difference}"
    finally:
        left.unmount()
        cut.file.unlink()


def _all_recovered(image: Image, now: datetime, wanted: dict[str, bytes | None], places: Path) -> None:
    for k, cut in enumerate(image.cuts):
        _recovered(image, cut, now, wanted, places / f"left-{k}")


@pytest.mark.spec("REL-3", "REL-2", "MEM-21")
@pytest.mark.hazard(43)
def test_the_power_goes_before_every_disk_operation(image: Image, tmp_path: Path) -> None:
    """First while work is given out, then while answers are taken; what others left is on disk each time."""
    root = image.place / "Agent_Memory"
    _morning(root)
    os.sync()
    for now, others in ((NOON, None), (NOON + timedelta(minutes=10), _noon)):
        if others is not None:
            others(root)
            os.sync()
        wanted = _cut_at_every(image, now)
        assert len(image.cuts) > 20
        _all_recovered(image, now, wanted, tmp_path)
        image.cuts.clear()


@pytest.mark.spec("REL-3", "REL-1")
def test_what_a_worker_left_without_a_sync_is_taken_whole_or_not_at_all(image: Image, tmp_path: Path) -> None:
    """His message may be gone with the power, or be empty: what was noted is kept, nothing is made of half."""
    root = image.place / "Agent_Memory"
    _morning(root)
    os.sync()
    Daemon(image.place, NOON).work()
    os.sync()
    _noon(root)
    now = NOON + timedelta(minutes=10)
    _cut_at_every(image, now)
    assert len(image.cuts) > 20
    for k, cut in enumerate(image.cuts):
        left = Image(cut.file, tmp_path / f"left-{k}")
        left.mount()
        try:
            there = left.place / "Agent_Memory"
            Daemon(left.place, now).work()
            for case_id, n in cut.noted.items():
                names = {e["n"]: e["name"] for e in journal.read(f"{there}/{case_id}").entries if "at" in e}
                assert len(names) >= n, f"before {cut.before}: lines of {case_id} are lost"
                for line, task_id in (("result T1 a1", "T1"), ("result T2 a1", "T2")):
                    if line in names.values():
                        found = yaml.safe_load((there / case_id / f"outputs/partial/{task_id}.yaml").read_bytes())
                        assert found["summary"] == "s", f"before {cut.before}"
                        assert found["output"] == "o"
        finally:
            left.unmount()
            cut.file.unlink()


@pytest.mark.spec("REL-3")
def test_without_durability_the_power_takes_what_was_noted(image: Image, tmp_path: Path) -> None:
    """So what the other tests of this file show is shown by them, and not by the disk."""
    root = image.place / "Agent_Memory"
    _morning(root)
    os.sync()
    wanted = _cut_at_every(image, NOON, durable=False)
    with pytest.raises(AssertionError, match="are lost"):
        _all_recovered(image, NOON, wanted, tmp_path)
