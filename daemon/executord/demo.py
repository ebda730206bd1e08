"""The demo: the real daemon and real workers on a copy of `sample_memory/`, watched, counted and judged [OPS-1].

Counterparts: `sample_memory/_workers/`, scripts that any user could have written; `cli/demo.py`, which prints. The demo
itself is an outsider: it starts programs and reads files, and knows nothing that the tree does not say.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from executord.clock import WallClock
from executord.errors import CannotWrite, NotFound
from executord.files import journal
from executord.files.disk import INBOX
from executord.paper import parse
from executord.policy import ROSTER
from executord.settings import PREFIX
from executord.values import read_stamp, stamp

LIMIT_S: Final = 120.0
LOOK_EVERY_S: Final = 0.2
MARK: Final = ".executord-demo"  # in a folder of ours: the pid of the demo that made it
CONFIG: Final = """settle: 0.5 seconds
round: 5 seconds
sessions:
  worker: {{program: {python}, args: [{worker}]}}
"""
SESSION: Final = "_sessions/TC-status-page"
DESKS: Final = ("planner", "validator")
LEADS: Final = ("support-manager", "vp-customer-support")
#: What goes wrong with a worker: agent → habit, and the one task it concerns [OPS-1].
HABITS: Final = {
    "technical-writer": ("late", "T3"),
    "support-quality-analyst": ("forgets", "A2"),
    "customer-advocacy-manager": ("careless", "F1"),
    "technical-support-engineer": ("asks", "T2"),
}
_CREATED: Final = re.compile(r"(?m)^(created_at: *)(\S+)$")
_ASIDE: Final = ("_workers", "_answers", "_expected")  # in the sample, but no part of a memory
_UNSAID: Final = (
    "admit",
    "copy",
    "move",
    "handoff",
    "reason",
    "reject",
    "shelve",
    "update",
    "write",
)  # what the line before says already

Entry = Mapping[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How quick the workers are, in seconds."""

    step: float = 0.4
    decide: float = 0.8
    late: float = 6.0

    @classmethod
    def fast(cls) -> Pace:
        """For tests."""
        return cls(0.1, 0.2, 3.0)


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing that the demo is to show, whether it did, and where."""

    what: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """How one instruction ended."""

    id: str
    deliverable_type: str
    tier: int | None
    phase: str
    completed: int
    tasks: int
    components: int
    cycles: int
    refused: int
    updates: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that the demo has to say at its end."""

    folder: str
    took_s: float
    rows: tuple[Row, ...]
    messages: Mapping[str, int]
    shown: tuple[Shown, ...]
    paths: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether everything was shown."""
        return all(each.ok for each in self.shown)


# --- the stage --------------------------------------------------------------------------------------------------------


def find_sample() -> Path:
    """The sample memory: of the repository this runs from, else of the installed package. Raises `NotFound`."""
    here = Path(__file__).resolve().parent
    for place in (here.parent.parent / "sample_memory", here / "sample_memory"):
        if (place / "_workers").is_dir():
            return place
    raise NotFound("sample_memory is not there", path=str(here), fix="install executord again, or run it from a clone")


def make_stage(sample: Path, now: datetime) -> Path:
    """A temporary folder with a copy of the sample, its dates moved to now. Raises `CannotWrite`."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="executord-demo-"))
        (folder / MARK).write_text(f"{os.getpid()}\n", encoding="utf-8")
        worker = json.dumps(str(sample / "_workers" / "team.py"))
        config = CONFIG.format(python=json.dumps(sys.executable), worker=worker)
        (folder / "config.yaml").write_text(config, encoding="utf-8")
        (folder / "logs").mkdir()
        memory = folder / "Agent_Memory"
        for source in sorted(sample.rglob("*")):
            inside = source.relative_to(sample)
            if inside.parts[0] in _ASIDE:
                continue
            if source.is_dir():
                (memory / inside).mkdir(parents=True, exist_ok=True)
            else:  # bytes only: what is installed may be read-only
                (memory / inside).parent.mkdir(parents=True, exist_ok=True)
                (memory / inside).write_bytes(source.read_bytes())
        _bring_to_now(memory, now)
    except OSError as error:
        raise CannotWrite(f"the demo's folder cannot be made: {error.strerror}", path=error.filename) from error
    return folder


def _bring_to_now(memory: Path, now: datetime) -> None:
    """The sample was written on one day; its deadlines shall lie as far ahead as they did then."""
    texts = {path: path.read_text(encoding="utf-8") for path in memory.glob("*/instruction.yaml")}
    written = [read_stamp(hit[2]) for text in texts.values() for hit in _CREATED.finditer(text)]
    if not written:
        return
    later = now.replace(microsecond=0) - timedelta(minutes=1) - max(written)
    for path, text in texts.items():
        path.write_text(_CREATED.sub(lambda hit: hit[1] + stamp(read_stamp(hit[2]) + later), text), encoding="utf-8")


def clear_earlier(parent: Path) -> None:
    """Remove what earlier demos of this user left to be looked at, if they have ended and were not told to keep it."""
    for mark in parent.glob(f"executord-demo-*/{MARK}"):
        with contextlib.suppress(OSError, ValueError):
            if mark.is_symlink() or mark.parent.is_symlink() or mark.stat().st_uid != os.getuid():
                continue
            if not Path(f"/proc/{int(mark.read_text())}").exists():
                shutil.rmtree(mark.parent)


class Crew:
    """The processes of a demo: each in a group of its own, none of them left at the end."""

    def __init__(self, folder: Path, sample: Path, pace: Pace) -> None:
        self._folder, self._workers, self._pace = folder, sample / "_workers", pace
        self._answers = str(sample / "_answers")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.daemon: subprocess.Popen[bytes] | None = None

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        ours = str(Path(__file__).resolve().parent.parent)  # a relative PYTHONPATH means nothing in another folder
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, (ours, environ.get("PYTHONPATH"))))
        with (self._folder / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
        self.processes[name] = process
        return process

    def start(self) -> None:
        """The daemon, the agents, two leads, the planner and the validator."""
        folder, pace = str(self._folder), self._pace
        self.daemon = self._start(
            "daemon", "-m", "executord", "--memory", f"{folder}/Agent_Memory", "--state", f"{folder}/state",
            "--config", f"{folder}/config.yaml", "run",
        )  # fmt: skip
        for agent in sorted(set(ROSTER) - set(LEADS)):
            habit, task = HABITS.get(agent, (None, None))
            more = ("--task", task, "--habit", habit, "--late", str(pace.late)) if habit and task else ()
            self._worker("agent.py", agent, "--answers", self._answers, "--pace", str(pace.step), *more)
        for agent in LEADS:
            self._worker("lead.py", agent, "--answers", self._answers, "--pace", str(pace.decide))
        for desk in DESKS:
            self._worker(f"{desk}.py", desk, "--pace", str(pace.decide))
        self._ask_for_session()

    def _ask_for_session(self) -> None:
        """What a coordinator does when a team session is ready: one message to the executor."""
        inbox = self._folder / "Agent_Memory" / INBOX / "executor"
        aside = inbox / ".session.part"
        aside.write_text(f"type: session\nfrom: planner\npath: {SESSION}\n", encoding="utf-8")
        aside.rename(inbox / "session.yaml")

    def _worker(self, script: str, agent: str, *args: str) -> None:
        named = () if agent in DESKS else (agent,)
        self._start(agent, str(self._workers / script), f"{self._folder}/Agent_Memory", *named, *args)

    def fallen(self) -> str | None:
        """Who has ended unasked, with the last words of the log; None: all run."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                log = (self._folder / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
                return f"{name} ended with code {process.returncode}:\n" + "\n".join(log.splitlines()[-12:])
        return None

    def stop(self) -> Shown:
        """SIGTERM to all, the daemon last; SIGKILL to whoever stays; then nothing of them is left."""
        unwilling = []
        for name, process in sorted(self.processes.items(), key=lambda each: each[1] is self.daemon):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                unwilling.append(name)
        left = [name for name, process in self.processes.items() if not self._gone(process)]
        code = self.daemon.returncode if self.daemon is not None else None
        detail = f"{len(self.processes)} processes, the daemon with code {code}"
        if unwilling or left:
            detail += f"; had to be killed: {', '.join(unwilling or left)}"
        return Shown(
            "the daemon and its workers end when told to, none is left", not unwilling and not left and not code, detail
        )

    @staticmethod
    def _gone(process: subprocess.Popen[bytes]) -> bool:
        """Whether the process and its whole group are gone; what is left of it is killed."""
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False


# --- watching ---------------------------------------------------------------------------------------------------------


class Watch:
    """Reads the journals as they grow, and says what they say."""

    def __init__(self, memory: Path, say: Say) -> None:
        self._memory, self._say = memory, say
        self.entries: dict[str, list[Entry]] = {p.parent.name: [] for p in sorted(memory.glob("*/tasks"))}
        self._began: datetime | None = None
        self._width = max(map(len, self.entries), default=0)

    def look(self) -> None:
        """Say the lines that are new, over all cases in the order of their time."""
        fresh: list[tuple[datetime, str, Entry]] = []
        for case_id, known in self.entries.items():
            entries = journal.read(str(self._memory / case_id)).entries
            whole = [each for each in entries if "at" in each]
            fresh += [(read_stamp(each["at"]), case_id, each) for each in whole[len(known) :]]
            self.entries[case_id] = list(whole)
        for at, case_id, entry in sorted(fresh, key=lambda each: (each[0], each[1], each[2]["n"])):
            self._began = self._began or at
            if (text := said(entry)) is not None:
                self._say(f"{(at - self._began).total_seconds():6.1f} s  {case_id:<{self._width}}  {text}")

    def phase(self, case_id: str) -> str:
        """The phase as `progress.yaml` says it."""
        path = self._memory / case_id / "outputs" / "partial" / "progress.yaml"
        return str(_read(path).get("phase", "waiting"))

    def open_cases(self) -> list[str]:
        """The instructions that are not closed yet, or whose incident is not, and the session until it is completed."""
        session = [] if session_status(self._memory) == "completed" else [SESSION]
        return [
            *(
                c
                for c in self.entries
                if self.phase(c) != "closed" or self.incident(c).get("status", "closed") != "closed"
            ),
            *session,
        ]

    def incident(self, case_id: str) -> Mapping[str, Any]:
        """Its incident as `incident.yaml` shows it, empty where there is none."""
        return _read(self._memory / case_id / "outputs" / "partial" / "incident.yaml")

    def deliverable(self, case_id: str) -> Mapping[str, Any]:
        """Its finished product, empty as long as there is none."""
        final = self._memory / case_id / "outputs" / "final"
        handed = _read(final / "handoff.yaml").get("deliverable")
        return _read(self._memory / case_id / str(handed)) if handed else {}


def session_status(memory: Path) -> str:
    """How the team session stands, as team-session.json says it; empty where there is none."""
    if not (memory / SESSION).is_dir():
        return "completed"
    return str(_read(memory / SESSION / "team-session.json").get("status", ""))


def said(entry: Entry) -> str | None:
    """A journal line in few words; None where the line before has said it."""
    name, facts = entry["name"], entry.get("facts") or {}
    verb = name.split(" ", 1)[0]
    if verb in _UNSAID:
        return None
    about = f"{entry['task']} " if entry.get("task") else ""
    if verb == "file":
        refused = facts.get("points")
        if facts["outcome"] == "rejected":
            return f"{about}✗ {facts['from']} sent {facts['file']}: {entry['why']}"
        return f"{about}← {entry['why']}" + (f"  ✗ refused: {refused[0]}" if refused else "")
    if verb == "result":
        return f"{about}✓ {entry['why']}"
    to = f" → {entry['to']}" if entry.get("to") else ""
    return f"{name}{to}" + (f" · {entry['why']}" if entry.get("why") and verb != "rework" else "")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return parse(path.read_bytes()).data or {}
    except FileNotFoundError:
        return {}


# --- judging ----------------------------------------------------------------------------------------------------------


def judge(memory: Path, sample: Path, watch: Watch, late_s: float) -> Iterator[Shown]:
    """Whether the tree shows what the demo promises; nothing is taken from what the demo did itself."""
    tasks = {case: _task_files(sample / case) for case in watch.entries}
    done = {case: _task_files(memory / case, "completed") for case in watch.entries}
    astray = [f"{c}/{n}" for c, names in tasks.items() for n in sorted(names - done[c])]
    astray += [str(p) for f in ("pending", "in_progress") for p in memory.glob(f"*/tasks/{f}/*.yaml")]
    verified = [
        name for case, names in done.items() for name in names
        if _read(memory / case / "outputs" / "partial" / name).get("state") == "completed"
    ]  # fmt: skip
    total = sum(map(len, tasks.values()))
    yield Shown(
        "every task of every instruction is verified and lies in tasks/completed/",
        not astray and len(verified) == total,
        f"{len(verified)} of {total}" + (f"; not there: {', '.join(dict.fromkeys(astray))}" if astray else ""),
    )
    lines = [(case, entry) for case, entries in watch.entries.items() for entry in entries]
    results = {(c, e["task"]) for c, e in lines if e["name"].startswith("result ")}
    yield _first(
        "a claim with nothing to show is refused, and redone",
        (f"{c}/{e['task']}: {e['facts']['points'][0]}" for c, e in lines
         if e["name"].startswith("file ") and e["facts"].get("points") and (c, e["task"]) in results),
    )  # fmt: skip
    yield _first("a bad message comes back to its author with the reason", _returned(memory, lines))
    yield _first("a worker answers late, and it counts", _late(lines, late_s))
    yield _first(
        "a task whose template is not filled in is held until the planner has mended it",
        (f"{c}/{e['task']}: {e['why']}" for c, e in lines if " held-" in e["name"] and (c, e["task"]) in results),
    )
    blocked = {(c, e["task"]): e for c, e in lines if (e.get("facts") or {}).get("type") == "blocked"}
    yield _first(
        "a blocked worker goes on when the answer has come",
        (f"{c}/{e['task']}: {blocked[c, e['task']]['facts']['description']}" for c, e in lines
         if e["name"].startswith("answer ") and (c, e["task"]) in blocked),
    )  # fmt: skip

    yield _products(memory, watch)
    yield _first(
        "what the validator sends back is done again, and the next hand-off passes",
        (f"{c}: {e['facts']['issues'][0]['text']}" for c, e in lines
         if (e.get("facts") or {}).get("result") == "FIXABLE" and watch.phase(c) == "closed"),
    )  # fmt: skip
    yield _first(
        "an incident is led from its opening to its retrospective",
        (f"{c}: {len(found['timeline'])} entries, commanded by {found['roles']['commander']['agent']}"
         for c in watch.entries if (found := watch.incident(c)).get("status") == "closed"),
    )  # fmt: skip


def _products(memory: Path, watch: Watch) -> Shown:
    """Whether every deliverable has each of its components, with where it comes from, and its files are as named."""
    faults = []
    for case in watch.entries:
        made = watch.deliverable(case)
        missing = [name for name, content in made.get("components", {"everything": None}).items() if content is None]
        faults += [f"{case}: {name} is missing" for name in missing]
        for row in _read(memory / case / "outputs" / "final" / "handoff.yaml").get("manifest", ()):
            path = memory / case / row["path"]
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
                faults.append(f"{case}: {row['path']} is not as it was handed off")
    kinds = {watch.deliverable(case).get("deliverable_type") for case in watch.entries}
    detail = "; ".join(faults) or f"{len(watch.entries)} deliverables of {len(kinds)} types"
    return Shown("each deliverable is whole, with provenance and hashes", not faults, detail)


def judge_session(memory: Path) -> Iterator[Shown]:
    """Whether the team session was executed by processes of its own, each task once, none of them left."""
    folder = memory / SESSION
    if not folder.is_dir():
        return
    entries = journal.read(str(folder), journal.SESSION_PLACE).entries
    results = [e for e in entries if str(e.get("name", "")).startswith("result ")]
    started = [e for e in entries if str(e.get("name", "")).startswith("started ")]
    left = [e for e in started if Path(f"/proc/{e['facts']['pid']}").exists()]
    tasks = _read(folder / "tasks.json").get("tasks") or {}
    done = sum(1 for task in tasks.values() if task.get("status") == "completed")
    ok = bool(tasks) and done == len(tasks) == len(results) and not left
    yield Shown(
        "a team session is executed by worker processes, each task once, and none of them is left",
        ok and session_status(memory) == "completed",
        f"{done} of {len(tasks)} tasks by {len(started)} processes",
    )


def _first(what: str, found: Iterator[str]) -> Shown:
    detail = next(found, None)
    return Shown(what, detail is not None, detail or "not seen")


def _task_files(case: Path, folder: str = "*") -> set[str]:
    return {path.name for path in case.glob(f"tasks/{folder}/*.yaml")}


def _returned(memory: Path, lines: list[tuple[str, Entry]]) -> Iterator[str]:
    """Rejected messages whose reason lies beside them and whose author has read the rejection."""
    for case, entry in lines:
        if entry["name"].startswith("reject "):
            letter = memory / str(entry["path"])
            read = letter.parent / "done" / letter.name
            rejected = str(_read(read).get("rejected_file"))
            shelf = memory / INBOX / "executor" / ".rejected"
            if reasons := list(shelf.glob(f"*/{Path(rejected).stem}.reason.yaml")):
                yield f"{case}: {rejected}: {_read(reasons[0])['reason']}; {_read(reasons[0])['fix']}"


def _late(lines: list[tuple[str, Entry]], late_s: float) -> Iterator[str]:
    """Verified claims of whoever is late, with the time from the delegation on."""
    for case, entry in lines:
        if entry["name"].startswith("assign ") and HABITS.get(entry["to"], ("",))[0] == "late":
            for other, answer in lines:
                facts = answer.get("facts") or {}
                if (other, answer.get("task"), facts.get("type")) == (case, entry["task"], "completion"):
                    took = (read_stamp(answer["at"]) - read_stamp(entry["at"])).total_seconds()
                    if took >= late_s and not facts.get("points"):
                        yield f"{case}/{entry['task']}: {entry['to']} after {took:.1f} s"


def table(watch: Watch) -> tuple[Row, ...]:
    """One row for each instruction."""
    rows = []
    for case_id, entries in watch.entries.items():
        opened: Mapping[str, Any] = next((e["facts"] for e in entries if e["name"].startswith("open ")), {})
        times = [read_stamp(e["at"]) for e in entries]
        rows.append(
            Row(
                id=case_id,
                deliverable_type=opened.get("deliverable_type", ""),
                tier=opened.get("tier"),
                phase=watch.phase(case_id),
                completed=len({e["task"] for e in entries if e["name"].startswith("result ")}),
                tasks=len({e["task"] for e in entries if e["name"].startswith("admit ")}),
                components=sum(1 for c in watch.deliverable(case_id).get("components", {}).values() if c is not None),
                cycles=sum(e["name"].startswith("hand off ") for e in entries),
                refused=sum(bool((e.get("facts") or {}).get("points")) for e in entries),
                updates=sum(e["name"].startswith("update ") for e in entries),
                took_s=round((times[-1] - times[0]).total_seconds(), 1) if times else 0.0,
            )
        )
    return tuple(rows)


def count_messages(watch: Watch) -> dict[str, int]:
    """How many messages were sent, taken and rejected."""
    found = Counter({"sent": 0, "taken": 0, "rejected": 0})
    for entries in watch.entries.values():
        for entry in entries:
            if entry["action"] == "send":
                found["sent"] += 1
            elif entry["action"] == "file":
                found["rejected" if entry["facts"]["outcome"] == "rejected" else "taken"] += 1
    return dict(found)


def worth_a_look(memory: Path) -> tuple[str, ...]:
    """Files that tell most, absolute."""
    patterns = (
        "ticket-2057-eu-checkout/outputs/partial/journal.yaml",
        "ticket-2057-eu-checkout/outputs/partial/progress.yaml",
        "ticket-2057-eu-checkout/outputs/partial/T2.yaml",
        "ticket-2057-eu-checkout/outputs/final/ticket_resolution.yaml",
        "outage-2063-login/outputs/partial/incident.yaml",
        f"{INBOX}/technical-support-engineer/done/*delegation.yaml",
        f"{INBOX}/support-quality-analyst/done/*rework_request.yaml",
        f"{SESSION}/artifacts/status-page.md",
        f"{SESSION}/.executord/work/WRITE-001.a1/order.md",
        f"{INBOX}/executor/.rejected/*/*.reason.yaml",
    )
    found = (sorted(memory.glob(pattern)) for pattern in patterns)
    return tuple(str(paths[0]) for paths in found if paths)


# --- the whole --------------------------------------------------------------------------------------------------------


def _wait(watch: Watch, crew: Crew, clock: WallClock, limit_s: float) -> Shown:
    """Watch until every instruction is closed, a process falls, or the time is up."""
    started, pause = clock.monotonic(), threading.Event()
    what = "every instruction is handed off, validated and closed"
    while True:
        watch.look()
        still = watch.open_cases()
        if not still:
            watch.look()
            return Shown(what, True, f"{len(watch.entries)} instructions in {clock.monotonic() - started:.1f} s")
        if (fallen := crew.fallen()) is not None:
            return Shown(what, False, fallen)
        if clock.monotonic() - started > limit_s:
            return Shown(what, False, f"after {limit_s:.0f} s these have not: {', '.join(still)}")
        pause.wait(LOOK_EVERY_S)


def demo(say: Say, *, pace: Pace, keep: bool = False, limit_s: float = LIMIT_S) -> Outcome:
    """Run the demo, saying each step, and judge it. Its processes are gone when it returns, whatever happens.

    Without `keep` its folder stays until the next demo. Raises `NotFound`, `CannotWrite`.
    """
    clock = WallClock()
    began = clock.monotonic()
    clear_earlier(Path(tempfile.gettempdir()))
    sample = find_sample()
    folder = make_stage(sample, clock.now())
    memory = folder / "Agent_Memory"
    say(f"the sample memory, copied to {memory}")
    crew = Crew(folder, sample, pace)
    watch = Watch(memory, say)
    told: list[int] = []

    def end(number: int, _frame: object) -> None:
        told.append(number)
        raise KeyboardInterrupt  # so that what was started is stopped

    before = signal.signal(signal.SIGTERM, end)
    try:
        crew.start()
        say(f"one daemon and {len(crew.processes) - 1} workers started; logs in {folder / 'logs'}")
        reached = _wait(watch, crew, clock, limit_s)
    finally:
        ended = crew.stop()
        signal.signal(signal.SIGTERM, before)
        for number in told:  # and it ends as whom the signal ended: no exit code says that
            os.kill(os.getpid(), number)
    shown = (reached, *judge(memory, sample, watch, pace.late), *judge_session(memory), ended)
    if keep:
        (folder / MARK).unlink()
    took = round(clock.monotonic() - began, 1)
    return Outcome(str(folder), took, table(watch), count_messages(watch), shown, worth_a_look(memory))
