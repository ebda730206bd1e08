"""Every reader, given what nobody would write: no exception but our own, no more than linear time [REL-10, SEC-0].

`EXECUTORD_FUZZ_S=600` tries each for ten minutes of CPU (`make fuzz FUZZ_S=600`). Counterparts:
`real/test_poison.py`, the same with the real daemon; `soak/`, with faults of the machine.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from executord.case.casebook import Case
from executord.case.sight import see_plan
from executord.checks import oddities
from executord.clocks import calendar_from
from executord.errors import BadInput, ExecutordError, Unreadable
from executord.files import ledger
from executord.letters import read_letter
from executord.messages import MESSAGES
from executord.paper import locate, parse, read_journal
from executord.pen import dump, journal_line
from executord.policy import make_policy
from executord.reading import INSTRUCTION_FIELDS, TASK_FIELDS, Spellings, find, read_instruction, read_plan, read_task
from executord.rehearsal.script import read_script
from executord.service import Rings, Service
from executord.values import effort_seconds, read_moment, read_span, read_target
from executord.verification import holes, paths_named
from tests.real.kit import INBOX, drop

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
AGENT = "technical-support-engineer"


def often(examples: int) -> settings:
    """So many examples; with `EXECUTORD_FUZZ_S` again and again (`conftest.py`)."""
    return settings(max_examples=examples, suppress_health_check=list(HealthCheck))


# --- what is given ---

MESSAGE_KEYS = (
    "type", "from", "instruction_id", "task_id", "attempt", "timestamp", "in_reply_to", "id", "to", "reason", "summary",
    "output", "outputs", "files", "components", "status", "percent", "eta", "next_update_at", "priority", "until",
    "resume_at", "who", "agent", "new_assignee", "note", "text", "blockers", "next_steps", "expect_next", "contact",
    "kind", "blocker", "question", "answer", "customer_update", "acceptance_criteria", "tasks", "phases", "checkpoints",
    "after", "before", "review", "weekly", "holidays", "overrides", "mon", "sun", "at", "write", "move", "delete",
    "append", "content", "restart", "down_until", "timezone", "segment", "name", "task", "instruction", "plan", "<<",
)  # fmt: skip
SPELLINGS = [k for fields in (TASK_FIELDS, INSTRUCTION_FIELDS) for keys in fields.values() for k in keys]
KEYS = st.sampled_from(sorted({*MESSAGE_KEYS, *SPELLINGS, *(part for k in SPELLINGS for part in k.split("."))}))
ODD = (
    "", " ", "-", "TBD", "{x}", "<agent>", "a | b", "~", "T1", "T2", "T1,T2", "t1", "../x", "/etc/passwd", "a/b", AGENT,
    "support:Technical Support Engineer", "executor", "operator", "customer-success-manager", "acme-1",
    "acme-1.T1.a1.delegation",
    "2026-13-45", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31", "0001-01-01",
    "2026-01-11 EOD",
    "2030-01-01T12:00:00Z", "2029-06-01", "1e400", "9" * 30, "PT99999999999H", "99999999999999 days", "-5 hours",
    "0 hours", "immediate", "1-1-1", "4 hours - 1 hour", "P9999999Y", "25:00", "24:00", "Europe/Berlin",
    "../../etc/localtime",
    "critical", "Sev 0", "yes", "completed", "blocked", "failed", "100%", "all", "\u2028", "\ufeff", "\u0085", "é" * 40,
    "²", "9" * 400, "9" * 5000, "acme-1.T1.a².delegation",
    "x" * 300, "outputs/partial/T1/notes.md", "outputs/../../x", ".", "..", "T1.yaml",
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(ODD) | st.sampled_from(ODD) | st.text(max_size=12) | st.sampled_from(sorted(MESSAGES))
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5)
)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=9)


def as_read(value: Any) -> Any:
    """The value as the reader gives it, or None where the reader refuses it."""
    try:
        return parse(json.dumps({"v": value}).encode()).data["v"]  # type: ignore[index]
    except Unreadable:
        return None


# --- the tolerant reader ---

PIECES = (
    b"a: 1\n", b"- ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"<<: ", b"!!python/name:os.system ", b"!x ", b"|\n  x\n",
    b">-\n", b"'", b'"', b"\\", b"\t", b"\n", b" ", b"  ", b"---\n", b"...\n", b"# c\n", b"? ", b": ", b",",
    b"%YAML 1.1\n",
    b"\xff", b"\xef\xbb\xbf", b"\0", b"\x1b", b"@", b"`", b"%", b"~", b"2025-13-45", b"9" * 40, b".inf", b"1_000",
    b"0x1f",
    "ü".encode(), "😀".encode(), b"key: value: more\n", b"- T2: \"x\" (a, b)\n", b"\xfe\xff", b"\r", b"\r\n",
    b"\xc2\x85",
)  # fmt: skip
SCRAPS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=40).map(b"".join)


@often(400)
@given(SCRAPS)
@example(b"[" * 100_000)
@example(b"&a [*a]")
@pytest.mark.spec("REL-10", "SEC-0")
@pytest.mark.hazard(8)
def test_bytes_are_read_or_refused(raw: bytes) -> None:
    """Whatever the bytes: a sheet or `Unreadable`; what was read can be written, and reads back the same."""
    try:
        sheet = parse(raw, path="x.yaml")
    except Unreadable:
        return
    if sheet.data is not None:
        json.dumps(sheet.data)
        assert parse(dump(dict(sheet.data))).data is not None or not sheet.data
    for keys in (("a",), ("x", 0, "b")):
        locate(raw, keys)


@often(200)
@given(SCRAPS)
@pytest.mark.spec("REL-10", "CON-6")
def test_a_journal_is_read_or_refused(raw: bytes) -> None:
    """Torn, edited by hand, or no journal at all."""
    for text in (raw, b"- {" + raw, journal_line({"n": 1}) + raw):
        try:
            entries, whole = read_journal(text)
        except Unreadable:
            continue
        assert whole <= len(text)
        assert all(isinstance(e, dict) for e in entries)


# --- the models ---

Reader = Callable[[Mapping[str, Any]], Any]


def _two_plans(data: Mapping[str, Any]) -> None:
    """A case gets this plan, and then none: what was only expected is forgotten."""
    case = Case("acme-1")
    see_plan(case, read_plan(data, ZONE, routing=data)[0])
    see_plan(case, None)
    assert not case.tasks


ZONE = make_policy().zone
READERS: dict[str, Reader] = {
    "task": lambda data: read_task(data, "stem", ZONE),
    "instruction": lambda data: read_instruction(data, "acme-1", ZONE),
    "plan": lambda data: read_plan(data, ZONE, routing=data),
    "plan of a case": lambda data: _two_plans(data),
    "message": lambda data: read_letter(
        data, name="x.yaml", folder="executor", sha256="", seen_at=NOON, file_at=NOON, zone=ZONE
    ),
    "oddities": lambda data: [
        *oddities.in_message(data, ZONE), *oddities.in_task(data, "stem", ZONE), *oddities.in_plan(data, ZONE),
        *oddities.in_instruction(data, "acme-1", ZONE), *oddities.in_calendar(data),
    ],
    "claim": lambda data: (paths_named(data), list(holes(data, "output"))),
    "calendar": lambda data: calendar_from(data),
    "script": lambda data: read_script(json.dumps([data, {"at": "+1m", **data}]).encode(), NOON),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(READERS))
@often(150)
@given(data=MAPPINGS)
@pytest.mark.spec("REL-10", "SEC-0", "MEM-7")
def test_mappings_are_read_or_refused(name: str, data: dict[str, Any]) -> None:
    """Known keys with values of any kind: findings or `BadInput`, nothing else."""
    found = as_read(data)
    if not isinstance(found, Mapping):
        return
    with contextlib.suppress(BadInput):
        READERS[name](found)
    for check in MESSAGES.values() if name == "message" else ():
        letter = READERS["message"](found)
        check.check(letter)


@often(400)
@given(VALUES)
@pytest.mark.spec("REL-10", "MEM-9", "MEM-4")
def test_times_and_spans_are_read_or_not_understood(value: Any) -> None:
    """None is the worst that comes out."""
    found = as_read(value)
    for bare in ("start", "end"):
        read_moment(found, ZONE, bare=bare)
    read_span(found)
    read_target(found, ZONE)
    effort_seconds(found)


# --- linear time ---

LONG: dict[str, Callable[[int], str]] = {
    "phases": lambda n: "phases:\n" + "".join(f"- {{tasks: [{k}]}}\n" for k in range(n)),
    "two wide phases": lambda n: "phases:\n" + 2 * ("- tasks: [" + ",".join(f"a{k}" for k in range(n)) + "]\n"),
    "checkpoints": lambda n: "checkpoints:\n" + "".join(f"- {{after: [{k}]}}\n" for k in range(n)),
    "tasks": lambda n: "tasks:\n" + "".join(f"- id: a{k}\n" for k in range(n)),
    "dependencies": lambda n: "dependencies: {hard: [" + ",".join(f"a{k}" for k in range(n)) + "], soft: ["
    + ",".join(f"b{k}" for k in range(n)) + "]}\n",
    "dependencies in a text": lambda n: "".join(
        f"{key}: '{item * 4 * n}'\n" for key, item in (("dependencies", "a,"), ("depends_on", '"a,'), ("after", "(a,"))
    ),
    "names": lambda n: "assigned_to: [" + ",".join(f"a{k}" for k in range(n)) + "]\n",
    "outputs": lambda n: "outputs: [" + ",".join(f"a{k}" for k in range(n)) + "]\n",
    "spans": lambda n: f"sla_resolution: \"{'1h ' * n}\"\nsla_response: \"{'1-' * n}\"\ncreated_at: \"{'1 ' * n}\"\n",
    "holes": lambda n: f"output: \"{'{a ' * n}\"\nsummary: \"{'<a ' * n}\"\ntitle: \"{'a|' * n}\"\n",
    "brackets in text": lambda n: f"output: \"{'[{(' * n}\"\n",
    "keys that look like others": lambda n: "".join(f"dependencie{k}: 1\nattempt_{k}: 1\n" for k in range(n)),
    "equal keys": lambda n: "a: 1\n" * n,
    "what is repaired": lambda n: "".join(f"k{k}: @a: b\n" for k in range(n)),
    "holidays": lambda n: "timezone: UTC\nholidays: [" + ",".join('"2026-01-01"' for _ in range(n)) + "]\n",
}  # fmt: skip


def _took(work: Callable[[], Any]) -> float:
    best = 9.0
    for _ in range(3):
        begun = time.process_time()
        with contextlib.suppress(ExecutordError):
            work()
        best = min(best, time.process_time() - begun)
    return best


@pytest.fixture
def settled() -> Iterator[None]:
    """What the tests before have left is not gone through again while it is measured."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("shape", sorted(LONG))
@pytest.mark.spec("REL-10", "SEC-0", "REL-4")
@pytest.mark.usefixtures("settled")
def test_four_times_as_much_takes_about_four_times_as_long(shape: str) -> None:
    """Each reader, on the longest files that the gate lets in: a quadratic one would stop the loop."""
    texts = [LONG[shape](n).encode() for n in (1500, 6000)]
    given: list[dict[str, Any]] = []
    with contextlib.suppress(Unreadable):
        given = [parse(raw).data or {} for raw in texts]
    slow = []
    for name, reader in READERS.items() if given else ():
        took = [_took(partial(reader, data)) for data in given]
        if took[1] > max(9 * took[0], 0.2):
            slow.append((name, took))
    assert not slow
    assert _took(lambda: parse(texts[1])) < 3


# --- the whole daemon ---


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A case with tasks in progress."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=base))
    root = folder / "template"
    drop(root / "acme-1/instruction.yaml", "title: x\npriority: high\ncustomer: Acme\n")
    drop(root / "acme-1/workflow/plan.yaml", "tier: 3\ntasks: [T1, T2, T3]\n")
    for task_id in ("T1", "T2", "T3"):
        drop(root / f"acme-1/tasks/pending/{task_id}.yaml", f"id: {task_id}\ntitle: x\nassigned_to: {AGENT}\n")
    (root / INBOX / "executor").mkdir(parents=True)
    _live(root, [NOON])
    yield root
    shutil.rmtree(folder)


def _live(root: Path, moments: list[datetime]) -> list[str]:
    """A daemon looks at these moments; what went wrong in it."""
    said: list[str] = []
    service = Service(
        str(root), make_policy(), durable=False, on_event=lambda what, text: said.append(f"{what}: {text}")
    )
    service.open(moments[0])
    for now in moments:
        for _ in range(50):
            service.turn(now, Rings(everything=True))
    service.finish(moments[-1])
    return said


HEADS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(sorted(MESSAGES)),
        "from": st.sampled_from([AGENT, "operator", "planner", "support-manager", "customer-success-manager", "x"]),
        "instruction_id": st.sampled_from(["acme-1", "acme-2"]),
        "task_id": st.sampled_from(["T1", "T2", "T9"]),
        "attempt": st.sampled_from([1, 2, "1", 0]),
    },
)
LETTERS = st.lists(st.tuples(MAPPINGS, HEADS).map(lambda both: {**both[0], **both[1]}), min_size=1, max_size=5)


@often(60)
@given(letters=LETTERS, task=MAPPINGS, plan=MAPPINGS | st.none(), head=MAPPINGS | st.none())
@pytest.mark.spec("REL-10", "REL-4", "MSG-5")
def test_the_daemon_takes_or_refuses_whatever_comes(
    template: Path, letters: list[Any], task: Any, plan: Any, head: Any
) -> None:
    """Messages of every type with fields of every kind, a task, a plan, an instruction: no rule trips over them."""
    folder = Path(tempfile.mkdtemp(dir=template.parent))
    root = folder / "tree"
    try:
        shutil.copytree(template, root)
        for k, letter in enumerate(letters):
            drop(root / INBOX / f"executor/m{k}.yaml", json.dumps(letter))
        drop(root / "acme-1/tasks/pending/T4.yaml", json.dumps(task))
        if plan is not None:
            drop(root / "acme-1/workflow/plan.yaml", json.dumps(plan))
        if head is not None:
            ours = {k: v for k, v in head.items() if k != "domain"}  # another domain's letters are left to it [MEM-1]
            drop(root / "acme-1/instruction.yaml", json.dumps(ours))
        moments = [NOON + timedelta(minutes=1), NOON + timedelta(hours=3), NOON + timedelta(days=9)]
        said = _live(root, moments)
        assert not [s for s in said if s.startswith(("fault", "broken", "cannot"))], said
        left = [path.name for path in (root / INBOX / "executor").glob("*.yaml") if not path.name.startswith(".")]
        assert not left, "a letter was left"
        audited = ledger.audit(str(root), "acme-1")
        assert not [f for f in audited.findings if f.severity == "error"], audited.findings
    finally:
        shutil.rmtree(folder)


# --- atheris, where it is there ---


@pytest.mark.slow
@pytest.mark.spec("REL-10")
def test_atheris_finds_nothing_in_the_tolerant_reader() -> None:
    """Guided by coverage: it goes where no strategy of ours thinks of."""
    atheris = pytest.importorskip("atheris", reason="atheris is not installed")
    import subprocess
    import sys

    code = (
        "import atheris, sys\n"
        "with atheris.instrument_imports():\n"
        "    from executord import paper\n    from executord.paper import tree\n"
        "    from executord.errors import Unreadable\n"
        "def one(raw):\n"
        "    try:\n"
        "        paper.parse(raw)\n"
        "    except Unreadable:\n"
        "        pass\n"
        "atheris.Setup(['fuzz', '-max_total_time=%d' % float(sys.argv[1]), '-max_len=4096'], one)\n"
        "atheris.Fuzz()\n"
    )
    assert atheris
    done = subprocess.run(
        [sys.executable, "-c", code, os.environ.get("EXECUTORD_FUZZ_S", "30")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


_SPELLED = sorted(
    {part for each in TASK_FIELDS.values() for s in each for part in (s, s.split(".")[0], s.split(".")[-1])}
)
_SAID = (
    st.none() | st.text(max_size=3) | st.dictionaries(st.sampled_from(_SPELLED), st.none() | st.integers(), max_size=3)
)


@often(200)
@given(data=st.dictionaries(st.sampled_from(_SPELLED), _SAID, max_size=8))
@pytest.mark.spec("MEM-7")
def test_all_concepts_looked_up_at_once_are_those_found_one_by_one(data: dict[str, Any]) -> None:
    assert Spellings(TASK_FIELDS).all_in(data) == {c: find(data, spellings) for c, spellings in TASK_FIELDS.items()}
