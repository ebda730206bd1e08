"""What lies where others can reach it too [REL-10]: keepsakes, packed days, role specs, the files of processes.

Bytes cut, changed and doubled; whole values with a false checksum set right again; pipes, links and folders on our
names; times from the future. Nothing waits, nothing but errors of our own comes out, and what is forged is at worst
read from its files again. Counterparts: `test_readers_fuzz.py`, `test_session_fuzz.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickle
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from executord import runners
from executord.case.snapshot import freeze
from executord.errors import Unreadable
from executord.files import keepsakes
from executord.files.disk import DOT, INBOX, Disk
from executord.files.keepsakes import Keepsakes
from executord.files.marks import Marks
from executord.files.retention import pack, unpack
from executord.files.store import Store
from executord.pen import json_text
from executord.policy import make_policy
from executord.runners import followups
from executord.runners.ending import exit_of, state_of, tell
from executord.runners.order import worker_from
from executord.runners.parsers import PARSERS, Said, outcome_of
from executord.runners.starting import WRAPPER, put, read_json
from executord.service import Service
from executord.sessions.folder import read_session
from tests.stories.kit import ENGINEER, Stage, to_rest
from tests.test_fuzz import SCALARS, VALUES, often
from tests.test_readers_fuzz import as_json, damaged

LATER = datetime(2026, 11, 20, 15, tzinfo=UTC)
PATIENCE_S = 5.0  # of CPU: nothing here takes a tenth of it
FAR = (0, -(10**12), 10_000_000_000, 10**12, 1 << 40)  # seconds since 1970, before and after what others keep


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Whatever waits for somebody who never comes is ended, and fails."""

    def over(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, 60)
    spent = time.process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.process_time() - spent < PATIENCE_S


@st.composite
def odd_things(draw: st.DrawFn) -> tuple[str, Any]:
    """What may lie on a name: bytes, a pipe, a link, a folder, a socket, a gigabyte of nothing; with its time."""
    kind = draw(st.sampled_from(("bytes", "bytes", "bytes", "pipe", "link", "folder", "socket", "sparse", "nothing")))
    return kind, (draw(st.binary(max_size=80)), draw(st.sampled_from((*FAR, None))))


def lay(path: str, kind: str, data: bytes, when: int | None) -> None:
    """Put it there."""
    match kind:
        case "bytes":
            Path(path).write_bytes(data)
        case "pipe":
            os.mkfifo(path)
        case "link":
            os.symlink("/etc/passwd", path)
        case "folder":
            os.mkdir(path)
        case "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        case "sparse":
            with open(path, "wb") as file:
                file.truncate(1 << 30)
        case _:
            return
    if when is not None:
        with contextlib.suppress(OSError, OverflowError):
            os.utime(path, (when, when), follow_symlinks=False)


def folder_of(prefix: str) -> Path:
    """A folder for a module, in memory where there is room for it."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix=prefix, dir=base))


# --- keepsakes ---


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[Path, Path]]:
    """A tree of two cases with some history, and the state folder of a daemon that was stopped."""
    folder = folder_of("kept-")
    (folder / "state").mkdir()
    stage = Stage(folder / "tree", {})
    for case_id in ("acme-1", "acme-2"):
        stage.case({"T1": "api error", "T2": {"dependencies": ["T1"]}}, case=case_id, customer="Acme")
    stage.at("09:05")
    stage.drop("acknowledgement", ENGINEER, "T1", case="acme-1")
    stage.at("09:20")
    stage.drop("blocked", ENGINEER, "T1", case="acme-1", description="waiting for the customer")
    stage.at("14:00")
    stage.end()
    service = started(folder / "tree", folder / "state")
    service.keepsakes.put(service.cases)
    again = Keepsakes(service.store, str(folder / "state"))
    assert all(again.restore(i, service.cases[i].n) is not None for i in ("acme-1", "acme-2"))
    yield folder / "tree", folder / "state"
    shutil.rmtree(folder)


def started(root: Path, state: Path, said: list[str] | None = None) -> Service:
    """A daemon that has started and looked at everything, now and a day later."""
    heard = [] if said is None else said
    service = Service(
        str(root), make_policy(), durable=False, marks=Marks(str(state)), state=str(state),
        on_event=lambda *both: heard.append(": ".join(both)),
    )  # fmt: skip
    service.open(LATER)
    to_rest(service, LATER)
    to_rest(service, LATER + timedelta(hours=30))
    service.finish(LATER + timedelta(hours=30))
    return service


HEAD = {"case": "acme-1", "n": 20, "size": 900, "sum": 1}


@often(60)
@given(data=st.data())
@pytest.mark.spec("REL-10", "OPS-10")
def test_a_file_of_keepsakes_gives_the_case_as_it_was_or_nothing(kept: tuple[Path, Path], data: st.DataObject) -> None:
    """Cut, changed, doubled, with heads of any kind, or no file at all: never another case, never an endless one."""
    root, state = kept
    store = Store(str(root), make_policy())
    whole = (state / keepsakes.NAME).read_bytes()
    store_kept = Keepsakes(store, str(state))
    told = {
        i: json_text(freeze(case)) for i in ("acme-1", "acme-2") if (case := store_kept.restore(i, 999)) is not None
    }
    assert len(told) == 2
    words = whole[: whole.index(b"\n") + 1]
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        path = f"{folder}/{keepsakes.NAME}"
        raw = bytearray(whole)
        match data.draw(st.sampled_from(("cut", "flip", "twice", "heads", "heads", "body", "thing"))):
            case "cut":
                del raw[data.draw(st.integers(0, len(raw))) :]
            case "flip":
                raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
            case "twice":
                raw += raw[data.draw(st.integers(0, len(raw))) :]
            case "heads":
                raw = bytearray(words)
                for _ in range(data.draw(st.integers(1, 3))):
                    head = data.draw(
                        damaged(HEAD)
                        | st.fixed_dictionaries(
                            {"case": st.just("acme-1"), "n": st.integers(), "size": st.integers(), "sum": st.integers()}
                        )
                    )
                    raw += as_json(head).encode(errors="replace") + b"\n" + data.draw(st.binary(max_size=40))
            case "body":
                body = data.draw(st.binary(max_size=60) | VALUES.map(lambda v: pickle.dumps(v, 5)))
                head = {"case": "acme-1", "n": 0, "size": len(body), "sum": zlib.crc32(body)}
                raw = bytearray(words + as_json(head).encode() + b"\n" + body)
            case _:
                raw = bytearray()
                lay(path, *_flat(data.draw(odd_things())))
        if raw:
            Path(path).write_bytes(raw)
            os.chmod(path, 0o600)
        with at_once():
            found = Keepsakes(store, folder)
            for case_id in ("acme-1", "acme-2"):
                case = found.restore(case_id, 999)
                assert case is None or json_text(freeze(case)) == told[case_id]


def _flat(thing: tuple[str, Any]) -> tuple[str, bytes, int | None]:
    kind, (data, when) = thing
    return kind, data, when


@pytest.mark.spec("REL-10", "SEC-3", "OPS-10")
@pytest.mark.parametrize("name", ["os.system", "os.getcwd", "shutil.rmtree"])
def test_nothing_but_values_of_ours_comes_out_of_keepsakes(name: str) -> None:
    """Not by the way of a module of ours that imports it either."""
    for module in ("executord.files.disk", "executord.runners.workers", name.partition(".")[0]):
        there = name if module.startswith("executord") else name.partition(".")[2]
        raw = b"\x80\x05" + b"".join(b"\x8c" + bytes([len(w)]) + w.encode() for w in (module, there)) + b"\x93."
        with pytest.raises((pickle.UnpicklingError, AttributeError)):
            keepsakes._load(raw)


@often(15)
@given(data=st.data())
@pytest.mark.spec("REL-10", "REL-4", "OPS-10")
def test_a_forged_keepsake_parks_its_case_at_worst(kept: tuple[Path, Path], data: st.DataObject) -> None:
    """With everything right about it but what it says: the other case is executed, and so is this one at the second
    try, which reads its files."""
    with tempfile.TemporaryDirectory(dir=kept[0].parent) as folder:
        root, state = Path(folder, "tree"), Path(folder, "state")
        shutil.copytree(kept[0], root)
        shutil.copytree(kept[1], state)
        own = Keepsakes(Store(str(kept[0]), make_policy()), str(kept[1]))
        case = own.restore("acme-1", 999)
        assert case is not None
        seen = own._store.seen["acme-1"]
        thing = data.draw(st.sampled_from((case, case, case.head, seen, *case.tasks.values())))
        names = [n for n in getattr(thing, "__slots__", ()) or vars(thing) if n not in ("id", "n", "journal")]
        value = data.draw(VALUES | st.sampled_from((b"x", {1}, LATER, case.head, case.tasks["T1"], seen)))
        object.__setattr__(thing, data.draw(st.sampled_from(sorted(names))), value)
        here = Keepsakes(Store(str(root), make_policy()), str(state))
        made_from = here._probe("acme-1", 99)
        try:
            raw = keepsakes._dump((made_from, keepsakes._dump((case, seen))))
        except RecursionError:
            reject()  # it holds itself: that cannot be written
        head = {"case": "acme-1", "n": case.n, "size": len(raw), "sum": zlib.crc32(raw)}
        (state / keepsakes.NAME).write_bytes(here._words + json.dumps(head).encode() + b"\n" + raw)
        said: list[str] = []
        service = started(root, state, said)
        assert "acme-2" in service.cases
        assert all(s.startswith("broken: acme-1: ") for s in said if "Traceback" in s), said
        service._load("acme-1", LATER, first=True)
        assert "acme-1" in service.cases or "Traceback" not in service.broken["acme-1"][0], service.broken


# --- packed days ---

PROCESSED = f"{INBOX}/executor/.processed"
DAYS = st.sampled_from(
    ("2026-08-01", "2026-13-99", "2026-02-30", "abcd-ef-gh", "2026-08-02", "0001-01-01", "9999-12-31")
)
NAMES = st.sampled_from((b"a.yaml", b"b.json", b"c", b"\xff\xfe.yaml", "ä.yaml".encode(), b"x" * 200, b"- -", b".dot"))


@often(40)
@given(data=st.data())
@pytest.mark.spec("REL-10", "MEM-20")
def test_packing_days_loses_no_byte_whatever_lies_there(data: st.DataObject) -> None:
    """Days that are none, things that are no files, a stream that is none: all is there, or in the stream."""
    with tempfile.TemporaryDirectory() as folder:
        shelf = Path(folder, PROCESSED)
        (shelf / "2026-08-03").mkdir(parents=True)
        (shelf / "2026-08-03/plain.yaml").write_bytes(b"type: done\n")
        before: dict[bytes, bytes] = {}
        for day in data.draw(st.lists(DAYS, max_size=3, unique=True)):
            (shelf / day).mkdir()
            for name in data.draw(st.lists(NAMES, max_size=3, unique=True)):
                path = os.path.join(os.fsencode(shelf / day), name)
                lay(os.fsdecode(path), *_flat(data.draw(odd_things())))
            if data.draw(st.booleans()):
                lay(str(shelf / f"{day}.yaml"), *_flat(data.draw(odd_things())))
            staged = hashlib.sha256(f"{PROCESSED}/{day}.yaml".encode()).hexdigest()[:32]
            lay(str(shelf / f"{DOT}{staged}"), *_flat(data.draw(odd_things())))
        for path in map(os.fsencode, shelf.glob("*/*")):
            if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) < 1 << 20:
                before[path] = Path(os.fsdecode(path)).read_bytes()
        told: list[str] = []
        for _ in range(2):
            with at_once():
                pack(Disk(folder, durable=False), LATER, cannot=lambda *both: told.append(": ".join(both)))
        for path, raw in before.items():
            if os.path.exists(path):
                assert Path(os.fsdecode(path)).read_bytes() == raw
            else:
                stream = Path(os.fsdecode(os.path.dirname(path)) + ".yaml").read_bytes()
                assert (os.fsdecode(os.path.basename(path)), raw) in list(unpack(io.BytesIO(stream)))
        assert list(unpack(io.BytesIO((shelf / "2026-08-03.yaml").read_bytes()))) == [("plain.yaml", b"type: done\n")]
        assert not (shelf / "2026-08-03").exists()


def _stream() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        day = Path(folder, PROCESSED, "2026-08-01")
        day.mkdir(parents=True)
        for k, text in enumerate((b"type: done\n", b"", b"--- # {}\n" * 3, b"\xff\0")):
            (day / f"m{k}.yaml").write_bytes(text)
        pack(Disk(folder, durable=False), LATER)
        return Path(f"{day}.yaml").read_bytes()


STREAM = _stream()


@often(200)
@given(data=st.data())
@pytest.mark.spec("REL-10", "MEM-20")
def test_a_stream_is_unpacked_as_it_was_or_refused(data: st.DataObject) -> None:
    """Never a file that is not as it was packed."""
    raw = bytearray(STREAM)
    match data.draw(st.sampled_from(("cut", "flip", "twice", "heads", "any"))):
        case "cut":
            del raw[data.draw(st.integers(0, len(raw))) :]
        case "flip":
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        case "twice":
            raw[data.draw(st.integers(0, len(raw))) :] = STREAM
        case "heads":
            head = data.draw(damaged({"file": "m0.yaml", "size": 3, "sha256": "0" * 64}))
            raw = bytearray(b"--- # " + as_json(head).encode(errors="replace") + b"\n" + data.draw(st.binary()))
        case _:
            raw = bytearray(data.draw(st.binary(max_size=80)))
    whole = [text for _name, text in unpack(io.BytesIO(STREAM))]
    with at_once(), contextlib.suppress(Unreadable):
        for _name, text in unpack(io.BytesIO(raw)):
            assert text in whole


# --- role specs ---

SESSION = {
    "session_id": "TC-1", "task_description": "x", "status": "active", "team_name": "team",
    "roles": [{"name": "dev", "prefix": "DEV", "inner_loop": False, "role_spec": "role-specs/dev.md"}],
    "completed_tasks": [], "active_workers": [],
}  # fmt: skip
PIECES = st.sampled_from((
    b"---\n", b"--- \r\n", b"\xef\xbb\xbf---\n", b"role: dev\n", b"prefix: DEV\n", b"inner_loop: true\n",
    b"message_types:\n  success: a\n", b"```\n", b"```yaml\n", b"~~~\n", b"~~~~ \n", b"## Phase 2\n", b"## Phase 3\n",
    b"##\tPhase 4\n", b"# Role: dev\n", b"#Role:\n", b"# Role:   \xff\n", b"\0", b"\xff\xfe", b"&a [*a]\n", b"[" * 70,
    b"<<: *x\n", b"- \n", b"\t\n", "prefix: ²\n".encode(), b"x: !!python/name:os.system\n", b"when: 2026-13-45\n",
    b"n: " + b"9" * 5000 + b"\n",
))  # fmt: skip


@often(80)
@given(parts=st.lists(PIECES | st.binary(max_size=12), max_size=25), thing=st.none() | odd_things())
@pytest.mark.spec("REL-10", "SES-1", "SES-3", "SEC-0")
def test_whatever_a_role_spec_is_the_session_is_read(parts: list[bytes], thing: tuple[str, Any] | None) -> None:
    """A plan, or faults with a text; whatever its front matter, fences and headings are, or what lies on its name."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "team-session.json").write_text(json.dumps(SESSION))
        Path(folder, "tasks.json").write_text(json.dumps({"tasks": {"DEV-001": {"role": "dev"}}}))
        os.mkdir(f"{folder}/role-specs")
        if thing is None:
            Path(folder, "role-specs/dev.md").write_bytes(b"".join(parts))
        else:
            lay(f"{folder}/role-specs/dev.md", *_flat(thing))
        with at_once():
            reading = read_session(folder)
        assert all(fault.text for fault in reading.faults)


@pytest.mark.spec("REL-10", "SES-1")
@pytest.mark.parametrize(
    "line", ["```a\n", "```\n", "~~~x\n```\n", "# Role:\n", "#\n\n\n\n", "---\n", "--- x\n", "# Role: x" + " " * 90]
)
def test_four_times_as_long_a_role_spec_takes_about_four_times_as_long(line: str) -> None:
    """A megabyte, which is what is read of one, takes no time that anybody waits for."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "team-session.json").write_text(json.dumps(SESSION))
        os.mkdir(f"{folder}/role-specs")
        took = []
        for size in (1 << 18, 1 << 20):
            Path(folder, "role-specs/dev.md").write_text((line * size)[: size - 1] + "y")
            began = time.process_time()
            read_session(folder)
            took.append(time.process_time() - began)
        assert took[1] < max(9 * took[0], 0.5), took


# --- the files of processes ---

EXIT = {
    "began": True, "code": 1, "signal": None, "error": None, "over_time": False, "left": 2, "left_out": {"stdout": 3},
}  # fmt: skip
FACTS = {"pid": 4_000_000, "start_ticks": 7, "boot_id": "b", "host": "h", "cgroup": "/sys/fs/cgroup/x", "attempt": 2}
HUGE = st.sampled_from((10**10, 1 << 31, 1 << 63, 1 << 64, 10**30, -1, 0, 1.5, True, "7", "²"))


@often(60)
@given(data=st.data())
@pytest.mark.spec("REL-10", "OPS-18", "SES-15")
def test_what_is_read_back_of_a_process_is_an_end_or_none(data: st.DataObject) -> None:
    """Its exit, its record, follow-ups that were staged: whatever the worker has put into its folder instead."""
    with tempfile.TemporaryDirectory() as work:
        if data.draw(st.booleans()):
            whole = {**EXIT, **data.draw(st.dictionaries(st.sampled_from(sorted(EXIT)), HUGE | SCALARS, max_size=2))}
            text = data.draw(
                st.just(as_json(data.draw(damaged(whole)))) | st.just("[" * 200_000) | st.just('{"began":' * 9000)
            )
            lay(f"{work}/exit.json", "bytes", text.encode(errors="replace"), data.draw(st.sampled_from((*FAR, None))))
        else:
            lay(f"{work}/exit.json", *_flat(data.draw(odd_things())))
        os.mkdir(f"{work}/inbox")
        lay(f"{work}/inbox/.0001-notice.yaml.staged", *_flat(data.draw(odd_things())))
        lay(f"{work}/inbox/..0002-notice.yaml.staged.aside", *_flat(data.draw(odd_things())))
        lay(f"{work}/.worker.json", *_flat(data.draw(odd_things())))
        facts = {**FACTS, **data.draw(st.dictionaries(st.sampled_from(sorted(FACTS)), HUGE | SCALARS, max_size=3))}
        with at_once():
            found = exit_of(work)
            if found is not None:
                assert isinstance(found.said(), str)
                for parser in PARSERS:
                    outcome_of(parser, Said(found, b"", b"", None))
            read_json(f"{work}/.worker.json")
            with contextlib.suppress(OSError):
                followups.publish(f"{work}/inbox", 1, "notice")
                followups.stage(f"{work}/inbox", 2, "notice", LATER, "T1", "x")
                put(f"{work}/.worker.json", b"{}", durable=False)
            followups.next_number(f"{work}/inbox")
            worker = worker_from(facts, work=work)
            if worker is not None and state_of(worker) != "alive":
                assert not tell(worker, 0)
                watch = runners.Watch(lambda _key: None)
                watch.add("k", worker)
                watch.close()


ORDER: dict[str, Any] = {
    "argv": ["/bin/true"], "cwd": "/", "stdin": None, "output_bytes": 1000, "limits": {"run_s": 1, "open_files": 64},
    "turns": {"folder": "turns", "end": {"type": "result"}, "taken": {"type": "user"}},
}  # fmt: skip


@often(6)
@given(data=st.data())
@pytest.mark.spec("REL-10", "OPS-18")
def test_a_wrapper_comes_to_its_end_whatever_it_is_told(data: st.DataObject) -> None:
    """Its order damaged, its names taken by pipes and folders: it ends with its program, and what it wrote can be
    read."""
    with tempfile.TemporaryDirectory() as work:
        order = data.draw(damaged({**ORDER, "turns": {**ORDER["turns"], "folder": f"{work}/turns"}}) | st.just(ORDER))
        Path(work, "start.json").write_text(as_json(order), encoding="utf-8", errors="replace")
        for name in data.draw(
            st.lists(st.sampled_from(("stdout", "stderr", ".exit", "exit.json", "order.yaml")), unique=True)
        ):
            lay(f"{work}/{name}", *_flat(data.draw(odd_things().filter(lambda t: t[0] != "link"))))
        os.mkdir(f"{work}/turns")
        lay(f"{work}/turns/0000", *_flat(data.draw(odd_things().filter(lambda t: t[0] != "sparse"))))
        gate, hand = os.pipe()
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", WRAPPER, work, str(gate)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(gate,), start_new_session=True, cwd=work,
            env={"PATH": "/nowhere"},
        )  # fmt: skip
        os.close(gate)
        with contextlib.suppress(BrokenPipeError):
            os.write(hand, b"g")
        os.close(hand)
        try:
            child.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        with at_once():
            found = exit_of(work)
        assert found is None or isinstance(found.said(), str)
