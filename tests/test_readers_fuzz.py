"""The rest of the readers [REL-10]: what we wrote ourselves and somebody changed, what programs and servers
answer, what stands in templates, cron lines and command lines. Nothing but errors of our own, and never a traceback.

Inputs are made by structure: something whole, with parts of it taken out, doubled, or replaced by what does not fit.
Counterparts: `test_fuzz.py`, what people and agents write; `test_session_fuzz.py`, the files of sessions.
`make fuzz FUZZ_S=600` tries each for ten minutes.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from executord import channels, cli
from executord.case.snapshot import freeze
from executord.channels import NotTaken, Parcel, Refused, Unsure, templates
from executord.channels.mail import addresses
from executord.channels.outbox import Outbox
from executord.channels.webhook import key_of
from executord.checks.checking import KINDS
from executord.clocks import calendar_from
from executord.errors import BadConfiguration, BadInput
from executord.files import journal, ledger, lock
from executord.files.deaths import Deaths
from executord.files.disk import INBOX
from executord.files.marks import Marks
from executord.paper import parse
from executord.pen import journal_line
from executord.policy import make_policy
from executord.runners.ending import Exit, exit_of
from executord.runners.parsers import PARSERS, Said, outcome_of
from executord.service import Rings, Service, blame
from executord.settings.crontab import cron, last_before
from executord.settings.reading import load
from tests.real.kit import drop
from tests.stories.kit import ENGINEER, Stage, to_rest
from tests.test_fuzz import MAPPINGS, NOON, ODD, SCALARS, VALUES, often

UTC_ZONE = ZoneInfo("UTC")


# --- something whole, damaged ---


def paths_in(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*at, key)
        yield from paths_in(each, (*at, key))


@st.composite
def damaged(draw: st.DrawFn, whole: Any, most: int = 3) -> Any:
    """`whole` with some of its parts taken out, replaced or put elsewhere."""
    found = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, most))):
        places = list(paths_in(found))
        if not places:
            return found
        *above, last = draw(st.sampled_from(places))
        here = found
        for key in above:
            here = here[key]
        match draw(st.sampled_from(("out", "odd", "odd", "other"))):
            case "out":
                del here[last]
            case "odd":
                here[last] = draw(VALUES)
            case _:
                other = draw(st.sampled_from(places))
                there = found
                for key in other:
                    there = there[key] if isinstance(there, dict | list) and _has(there, key) else None
                here[last] = copy.deepcopy(there)
    return found


def _has(where: Any, key: Any) -> bool:
    return key in where if isinstance(where, dict) else isinstance(key, int) and key < len(where)


def as_json(value: Any) -> str:
    """Lines as a hand or a broken disk leaves them; what is no JSON is text."""
    return json.dumps(value, default=str)


# --- the journal and its snapshot ---


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """A case with some history, and a second one that nobody touches."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=base))
    stage = Stage(folder / "tree", {})
    for case_id in ("acme-1", "acme-2"):
        stage.case({"T1": "api error", "T2": {"dependencies": ["T1"]}}, case=case_id, customer="Acme")
    stage.at("09:05")
    stage.drop("acknowledgement", ENGINEER, "T1", case="acme-1")
    stage.drop("customer_update", "customer-success-manager", case="acme-1", status="s", next_steps="n",
               blockers="none", expect_next="e", contact="c")  # fmt: skip
    stage.at("09:20")
    stage.drop("blocked", ENGINEER, "T1", case="acme-1", description="waiting for the customer")
    stage.at("13:00")
    stage.drop("unblocked", ENGINEER, "T1", case="acme-1")
    stage.drop("priority_change", "support-manager", case="acme-1", priority="low", reason="calm")
    stage.done(ENGINEER, "T1", case="acme-1")
    stage.at("14:00")
    stage.end()
    yield folder / "tree"
    shutil.rmtree(folder)


@contextlib.contextmanager
def copied(root: Path) -> Iterator[Path]:
    """A copy for one example."""
    folder = Path(tempfile.mkdtemp(dir=root.parent))
    try:
        shutil.copytree(root, folder / "tree")
        yield folder / "tree"
    finally:
        shutil.rmtree(folder)


def _lines(root: Path) -> list[dict[str, Any]]:
    return [dict(e) for e in journal.read(f"{root}/acme-1").entries]


def _survives(root: Path) -> None:
    """The other case is executed; this one too, or it is parked: a value that fits and is wrong is found late."""
    said: list[str] = []
    service = Service(str(root), make_policy(), durable=False, on_event=lambda *both: said.append(": ".join(both)))
    later = datetime(2026, 11, 20, 15, tzinfo=UTC)
    service.open(later)
    to_rest(service, later)
    to_rest(service, later + timedelta(hours=30))
    service.finish(later)
    assert "acme-2" in service.cases
    assert not [s for s in said if "MemoryError" in s]
    assert all(s.startswith("broken: acme-1: ") for s in said if "Traceback" in s), said
    ledger.audit(str(root), "acme-1")


@often(20)
@given(data=st.data())
@pytest.mark.spec("REL-10", "REL-4", "CON-6", "MEM-17")
def test_a_journal_that_a_hand_was_in_parks_its_case_at_worst(tree: Path, data: st.DataObject) -> None:
    """Lines with other fields, taken out, doubled, in another order: said plainly, and only this case stops."""
    entries = _lines(tree)
    for _ in range(data.draw(st.integers(1, 3))):
        k = data.draw(st.integers(0, len(entries) - 1))
        match data.draw(st.sampled_from(("change", "change", "change", "out", "twice", "move", "renumber"))):
            case "change":
                entries[k] = data.draw(damaged(entries[k]))
            case "out" if len(entries) > 1:
                del entries[k]
            case "twice":
                entries.insert(data.draw(st.integers(0, len(entries))), copy.deepcopy(entries[k]))
            case "move":
                entries.insert(data.draw(st.integers(0, len(entries) - 1)), entries.pop(k))
            case _:
                entries = [{**e, "n": n} if isinstance(e, dict) else e for n, e in enumerate(entries, 1)]
    with copied(tree) as root:
        text = b"".join(
            journal_line(e) if isinstance(e, dict) else b"- " + as_json(e).encode() + b"\n" for e in entries
        )
        (root / "acme-1" / journal.PLACE).write_bytes(text)
        _survives(root)


@often(15)
@given(data=st.data())
@pytest.mark.spec("REL-10", "REL-4", "CON-6")
def test_a_snapshot_that_a_hand_was_in_parks_its_case_at_worst(tree: Path, data: st.DataObject) -> None:
    """The facts of a whole case as one line: any of them may be anything."""
    with copied(tree) as root:
        service = Service(str(root), make_policy(), durable=False)
        service.load_all(NOON)
        first, n = _lines(root)[0], _lines(root)[-1]["n"]
        facts = json.loads(json.dumps(freeze(service.cases["acme-1"])))
        text = journal_line(first) + journal_line({"n": n, "name": "snapshot", "facts": data.draw(damaged(facts))})
        (root / "acme-1" / journal.PLACE).write_bytes(text)
        _survives(root)


@pytest.mark.spec("REL-10", "MSG-8", "SEC-0")
def test_a_count_that_a_hand_has_written_fills_no_memory(tree: Path) -> None:
    """A snapshot that speaks of a million updates: the next delegation names the latest hundred of them."""
    with copied(tree) as root:
        service = Service(str(root), make_policy(), durable=False)
        service.load_all(NOON)
        first, n = _lines(root)[0], _lines(root)[-1]["n"]
        facts = json.loads(json.dumps(freeze(service.cases["acme-1"])))
        facts["head"]["updates"] = 1_000_000
        for task in facts["tasks"].values():
            task.pop("attempts", None)  # so that one is given out again
        text = journal_line(first) + journal_line({"n": n, "name": "snapshot", "facts": facts})
        (root / "acme-1" / journal.PLACE).write_bytes(text)
        service = Service(str(root), make_policy(), durable=False)
        later = datetime(2026, 11, 20, 15, tzinfo=UTC)
        service.open(later)
        for hours in (0, 30):
            to_rest(service, later + timedelta(hours=hours))
        given = [parse(path.read_bytes()).data for path in (root / INBOX).glob("*/acme-1.T2.*delegation*.yaml")]
    named = max((each["customer"]["updates"] for each in given), key=len)
    assert [named[0], named[-1], len(named)] == [
        "acme-1/outputs/partial/update-999901.yaml", "acme-1/outputs/partial/update-1000000.yaml", 100,
    ]  # fmt: skip


@pytest.mark.spec("REL-4", "CON-6")
def test_a_line_that_reads_well_and_means_nothing_is_named(tree: Path) -> None:
    """The case that it parks says in which file and line it stands, before anything else; also when asked again."""
    entries = _lines(tree)
    number = next(k for k, e in enumerate(entries, 1) if "update" in e.get("facts", {}))
    entries[number - 1]["facts"]["update"] = {"1": 2}
    with copied(tree) as root:
        (root / "acme-1" / journal.PLACE).write_bytes(b"".join(journal_line(e) for e in entries))
        said: list[str] = []
        service = Service(str(root), make_policy(), durable=False, on_event=lambda *both: said.append(": ".join(both)))
        service.open(datetime(2026, 11, 20, 15, tzinfo=UTC))
        service.turn(datetime(2026, 11, 20, 15, tzinfo=UTC), Rings(everything=True))
        broken = [s for s in said if s.startswith("broken: ")]
        assert len(broken) == 1
        assert broken[0].startswith(f"broken: acme-1: acme-1/{journal.PLACE}:{number}:1 with line"), broken
        assert "somebody edited it" in broken[0]
        assert service.broken["acme-1"][0] == broken[0].removeprefix("broken: acme-1: ")


@pytest.mark.spec("REL-4")
def test_no_line_of_ours_is_blamed(tree: Path) -> None:
    """However far a journal has come: what we wrote keeps no case from being executed."""
    told = ledger.audit(str(tree), "acme-1")
    assert not told.findings
    assert not [k for k in range(1, len(told.lines)) if blame._fails("acme-1", told.lines[:k], make_policy())]


# --- what else we keep ---

SLIP = {
    "job": {
        "parcel": {"key": "k", "kind": "customer_update", "facts": {"title": "x", "number": 1},
        "recipients": ["a@b.c"]},
        "channel": "out", "delivery": "at_most_once", "case": "acme-1", "ordinal": 1,
    },
    "tries": 1, "trying": "2026-11-20T10:00:00Z",
    "ended": {"how": "failed", "at": "2026-11-20T10:00:00Z", "tries": 1, "said": "no", "fix": None, "id": None,
              "tried_at": None},
}  # fmt: skip


@often(100)
@given(data=st.data())
@pytest.mark.spec("REL-10", "OPS-10")
def test_a_state_folder_that_is_damaged_is_at_worst_forgotten(data: st.DataObject) -> None:
    """Parcels, settle marks, deaths, the exits of programs: whatever lies there, a start comes to its end."""
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(f"{folder}/outbox")
        slip = as_json(data.draw(damaged(SLIP))) if data.draw(st.booleans()) else data.draw(st.text(max_size=60))
        Path(folder, "outbox/k.json").write_text(slip, encoding="utf-8", errors="surrogatepass")
        box = Outbox({}, folder)
        assert len(box.jobs()) <= 1
        marks = data.draw(st.lists(st.one_of(SCALARS.map(as_json), st.just('["acme-1", 3]'), VALUES.map(as_json))))
        Path(folder, "settled.jsonl").write_text("\n".join(marks), encoding="utf-8", errors="surrogatepass")
        Marks(folder).of("acme-1")
        Path(folder, "deaths.json").write_text(as_json(data.draw(VALUES)))
        Path(folder, "in-work").write_bytes(data.draw(st.binary(max_size=600)))
        Deaths(folder).poison("acme-1")
        whole = {"began": True, "code": 1, "signal": None, "error": None, "over_time": False, "left": 2,
                 "left_out": {"stdout": 3}}  # fmt: skip
        Path(folder, "exit.json").write_text(as_json(data.draw(damaged(whole))))
        exit_of(folder)


PAUSED = {
    "schema_version": 1, "all": {"by": "operator", "reason": "x", "at": "2026-11-20T10:00:00Z", "until": None},
    "agents": {ENGINEER: {"by": "operator", "reason": "x", "at": "2026-11-20T10:00:00Z"}},
    "budgets": {"a": {"usd": 80}},
    "muted": {ENGINEER: {"by": "operator", "reason": "x", "at": "2026-11-20T10:00:00Z",
    "until": "2026-11-20T12:00:00Z"}},
}  # fmt: skip
REMEMBERED = {"schema_version": 1, "session_id": "TC-1", "path": "/nowhere", "from": "planner", "file": "go.yaml"}


@often(15)
@given(data=st.data())
@pytest.mark.spec("REL-10", "REL-4", "EXE-25")
def test_what_stands_in_our_inbox_about_pauses_and_sessions_may_be_anything(tree: Path, data: st.DataObject) -> None:
    """And the lock's text, and the registry, and every part of the tree that is a hint."""
    with copied(tree) as root:
        box = root / INBOX / "executor"
        (box / ".paused.yaml").write_text(as_json(data.draw(damaged(PAUSED))))
        (box / ".lock").write_text(data.draw(st.text(max_size=80)), encoding="utf-8", errors="surrogatepass")
        (box / ".sessions").mkdir(exist_ok=True)
        (box / ".sessions/TC-1.yaml").write_text(as_json(data.draw(damaged(REMEMBERED))))
        drop(root / "_system/registry.yaml", as_json(data.draw(VALUES)))
        drop(root / "acme-1/status.yaml", as_json(data.draw(VALUES)))
        drop(root / "acme-1/outputs/partial/incident.yaml", as_json(data.draw(VALUES)))
        drop(root / "acme-1/outputs/partial/update-001.yaml", as_json(data.draw(VALUES)))
        assert lock.holder(str(root)) is None
        _survives(root)


# --- programs, servers, texts ---

STREAMS: dict[str, list[Any]] = {
    "claude": [
        {"type": "system", "subtype": "init", "session_id": "s"},
        {"type": "assistant", "message": {"content": [{"type": "text", "text": "x"}]}},
        {"type": "result", "subtype": "success", "is_error": False, "result": "```yaml\ntype: completion\n```",
         "total_cost_usd": 0.1, "usage": {"input_tokens": 1, "output_tokens": 2}},
    ],
    "codex": [
        {"type": "item.completed", "item": {"type": "agent_message", "text": "done"}},
        {"type": "turn.completed", "usage": {"input_tokens": 1, "cached_input_tokens": 1, "output_tokens": 3}},
        {"type": "turn.failed", "error": {"message": "no"}},
    ],
    "gemini": [{"type": "message", "role": "assistant", "content": "x", "delta": True},
               {"type": "result", "status": "success", "stats": {"total_tokens": 3}}],
    "opencode": [{"type": "text", "part": {"text": "x"}},
                 {"type": "step_finish", "part": {"cost": 0.1, "tokens": {"input": 1, "output": 2, "reasoning": 3}}}],
}  # fmt: skip
ALL_EVENTS = [event for stream in STREAMS.values() for event in stream]


@often(100)
@given(data=st.data())
@pytest.mark.spec("REL-10", "OPS-17")
def test_whatever_a_program_streams_is_an_outcome(data: st.DataObject) -> None:
    """Events of every known kind with fields of any kind, torn lines, a response beside them."""
    events = data.draw(st.lists(st.sampled_from(ALL_EVENTS).flatmap(damaged) | st.sampled_from(ALL_EVENTS), max_size=6))
    raw = b"\n".join(as_json(e).encode(errors="replace") for e in events) + data.draw(st.binary(max_size=20))
    response = data.draw(st.none() | MAPPINGS.map(lambda m: as_json(m).encode()) | st.binary(max_size=60))
    ended = Exit(True, code=data.draw(st.sampled_from((0, 1, None))), signal=data.draw(st.sampled_from((None, 9, 999))))
    for parser in PARSERS:
        found = outcome_of(parser, Said(ended, raw, data.draw(st.binary(max_size=20)), response))
        assert found.kind or found.reason


@often(100)
@given(text=st.text(alphabet="0123456789*/,-? LW#monsunjaec@dily", max_size=25) | st.text(max_size=20))
@pytest.mark.spec("REL-10", "SLA-18")
def test_a_cron_line_is_one_or_none(text: str) -> None:
    """`BadInput`, or times that can be asked for."""
    try:
        trigger = cron(text, UTC_ZONE)
    except BadInput:
        return
    begun = time.process_time()
    last_before(trigger, NOON)
    assert time.process_time() - begun < 5


@often(100)
@given(
    text=st.lists(st.sampled_from(("${title}", "${number}", "$$", "$", "${", "}", "\n", "${a.b.c}", "${status}",
            "x", "\0",
                                   "${contact", "${recipients}", "${title.x}")), max_size=12).map("".join)
    | st.text(max_size=40),
    facts=MAPPINGS,
)  # fmt: skip
@pytest.mark.spec("REL-10", "SEC-3", "SLA-16")
def test_a_template_is_filled_or_refused(text: str, facts: dict[str, Any]) -> None:
    """And never grows beyond its bound, nor is anything in it run."""
    parcel = Parcel("k", "customer_update", {"title": "x", **facts}, ("a@b.c",))
    for make in (templates.body, templates.subject):
        with contextlib.suppress(Refused):
            assert len(make(parcel, text)) <= templates.LONGEST
            make(parcel, None)
    with contextlib.suppress(NotTaken, Refused):
        key_of(text)
    with contextlib.suppress(NotTaken, Refused):
        addresses(text)


ANSWERS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 429 x\r\n", b"HTTP/1.1 500\r\n", b"HTTP/1.1 302 F\r\nLocation: http://x/\r\n",
    b"HTTP/1.0 204\r\n", b"Retry-After: 99999999999999999999\r\n", b"Retry-After: \xb2\r\n",
    b"Content-Length: 99999\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"X-Request-Id: \xff\r\n", b"\r\n",
    b"ffffffff\r\n", b"0\r\n",
    b"220 hi\r\n", b"250-a\r\n", b"250 ok\r\n", b"354 go\r\n", b"550 no\r\n", b"421 x\r\n", b"999 x\r\n", b"x",
    b"\0" * 9,
    b"y" * 9000 + b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 99999 x\r\n", b"250-SIZE 1\r\n", b"-1 x\r\n",
)  # fmt: skip


class Babbler:
    """A server that answers every connection with these bytes, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), peer:
                peer.settimeout(0.05)
                for part in self.answer.split(b"|"):
                    peer.sendall(part)
                    with contextlib.suppress(OSError):
                        peer.recv(65536)

    def close(self) -> None:
        """No more."""
        self._listener.close()


@pytest.fixture(scope="module")
def babbler() -> Iterator[Babbler]:
    """One for all examples."""
    server = Babbler()
    yield server
    server.close()


@often(25)
@given(parts=st.lists(st.sampled_from((*ANSWERS, b"|")) | st.binary(max_size=12), max_size=10))
@pytest.mark.spec("REL-10", "SLA-16", "REL-4")
def test_whatever_a_server_answers_the_parcel_has_an_end(babbler: Babbler, parts: list[bytes]) -> None:
    """Taken, refused, not taken or unsure: those are the only ends that a channel knows."""
    babbler.answer = b"".join(parts)
    rows = load_rows(babbler.port)
    for name in ("hook", "mail"):
        channel = channels.open_channel(rows[name], {})
        with contextlib.suppress(Refused, NotTaken, Unsure):
            channel.carry(Parcel("k", "customer_update", {"title": "x", "text": "y"}, ("a@b.example",)), NOON)


def load_rows(port: int) -> Any:
    """Two channels to this port."""
    given = {
        "hook": {"type": "webhook", "url": f"http://127.0.0.1:{port}/x", "timeout_s": 1},
        "mail": {
            "type": "email",
            "host": "127.0.0.1",
            "port": port,
            "from": "us@s.example",
            "tls": False,
            "timeout_s": 1,
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(json.dumps({"channels": given}))
        return load(str(path), {}).channels


# --- the configuration, and calendars in it ---

CONFIGURATION = {
    "settle": "1 second", "round": "60 seconds", "durability": "full", "domains": ["support"],
    "roster": {"bot": {"capacity": 2, "expertise": ["api"], "runner": {"program": "/bin/true", "args": ["x"]}}},
    "policies": [{"match": {"tier": 4}, "response": "1 hour", "resolution": "2 days", "calendar": "office"}],
    "calendars": {"office": {"timezone": "Europe/Berlin", "weekly": {"mon": [["09:00", "17:00"]]},
                             "holidays": ["2026-12-25"], "overrides": {"2026-12-24": [["09:00", "12:00"]]}}},
    "channels": {"out": {"type": "webhook", "url": "https://x.example/", "secret": "env:X"}},
    "notify": [{"on": ["breach"], "channel": "out"}], "digests": {"daily": "0 8 * * *"},
    "budgets": {"bot": {"usd": 3}}, "sessions": {"max_workers": 3}, "limits": {"file_bytes": 1000},
    "escalations": [{"on": "blocker", "to": "support-manager"}], "ladders": {"inbox": {"tier_1": "15 minutes"}},
}  # fmt: skip


@often(60)
@given(given=damaged(CONFIGURATION, 2), environ=st.dictionaries(
    st.sampled_from(("EXECUTORD_SETTLE", "EXECUTORD_ROSTER__BOT__CAPACITY", "EXECUTORD_X",
    "EXECUTORD_LIMITS__FILE_BYTES")),
    st.sampled_from(ODD), max_size=2))  # fmt: skip
@example(given={"settle": "\ud800\udc00"}, environ={"EXECUTORD_SETTLE": "\udcff"})
@example(given={"roster": {"\ud800": {"capacity": -1}}}, environ={"EXECUTORD_X": "[\udcff"})
@pytest.mark.spec("REL-10", "OPS-9", "CON-3")
def test_a_configuration_is_one_or_bad(given: Any, environ: dict[str, str]) -> None:
    """`BadConfiguration` and nothing else; what is let in can be used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(as_json(given), encoding="utf-8", errors="surrogatepass")
        with contextlib.suppress(BadConfiguration):
            load(str(path), {k: v for k, v in environ.items() if "\0" not in v}).policy()


@often(60)
@given(data=damaged(CONFIGURATION["calendars"]["office"]))  # type: ignore[index]
@pytest.mark.spec("REL-10", "SLA-3", "CON-9")
def test_a_calendar_is_one_or_bad_input(data: Any) -> None:
    """Also one that is nearly right."""
    if isinstance(data, dict):
        with contextlib.suppress(BadInput):
            calendar_from(data)


# --- command lines ---

WORDS = (
    "status", "list", "show", "agenda", "why", "timeline", "log", "validate", "sla", "due", "report", "gate", "waive",
    "send", "progress", "submit", "incident", "verify", "fsck", "doctor", "session", "simulate", "schema", "task",
    "config",
    "explain", "hold", "release", "retry", "cancel", "defer", "reassign", "pause", "resume", "mute", "update",
    "--json", "--memory", "--help", "--by", "--from", "--to", "--until", "--start", "+1h", "--strict", "--kind",
    "--as", "-o",
    "--at", "--calendar", "--target", "--pause", "--check", "--task", "--reason", "-n", "acme-1", "acme-1/T1", "T1",
    "acme-1/", "/",
    "../..", "2026-11-20T09:00:00Z", *ODD[:12], *KINDS,
)  # fmt: skip


@often(25)
@given(words=st.lists(st.sampled_from(WORDS), max_size=6))
@pytest.mark.spec("REL-10", "CON-18")
def test_a_command_line_ends_with_a_code_of_the_contract(tree: Path, words: list[str]) -> None:
    """Whatever is typed: no traceback. Commands that go on for ever or write outside are not among the words."""
    out, err = io.StringIO(), io.StringIO()
    with copied(tree) as root:
        before = os.getcwd()
        os.chdir(root)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = _main(["--memory", str(root), *(w for w in words if "\0" not in w)])
        finally:
            os.chdir(before)
    assert code in (0, 1, 2, 65, 66, 69, 73, 75, 78, 124), words
    assert not re.search(r"Traceback|Error:.*File \"", err.getvalue()), err.getvalue()


def _main(words: list[str]) -> int:
    try:
        return int(cli.main(words) or 0)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
