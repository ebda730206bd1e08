"""What docs and the sample memory say that the code knows better: `python -m tests.docs_tables` writes it into them.

Counterpart: `test_docs.py`, which fails when they are not current. The moves are found by trying: for every state a
case is brought there by lines of a journal, then everything that can happen is tried on it, and what the code makes of
it is written down. A move that is not in the table does not exist.
"""

from __future__ import annotations

import ast
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import executord
from executord.actions import File, Record, Send
from executord.agenda import Due
from executord.case import InstructionSpec, Plan, Task, TaskFile, TaskSpec
from executord.case.casebook import Case
from executord.case.sight import fresh_head, see_head, see_plan, see_task
from executord.case.standing import standing
from executord.errors import ExecutordError, Finding
from executord.files import journal
from executord.fold import FOLD, fold
from executord.letters import read_letter
from executord.messages import MESSAGES
from executord.policy import ATTEMPTS, make_policy
from executord.posts import KINDS
from executord.rules import mail
from executord.settings import Settings
from tests.spec_report import known_ids
from tests.test_floors import FLOORS

DOCS = Path(__file__).parent.parent / "docs"
SAMPLE = DOCS.parent / "sample_memory"
POLICY = make_policy()
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HOLDER, LEAD = "technical-support-engineer", "support-manager"
UPDATE = dict.fromkeys(("status", "next_steps", "blockers", "expect_next", "contact"), "as agreed")
GOOD = {"summary": "repaired", "output": {"cause": "connections"}}


# --- a case, moved by lines -------------------------------------------------------------------------------------------


@dataclass
class World:
    """One case with the task T3 of a plan of tier 3, and an instant that goes on with each line."""

    case: Case = field(default_factory=lambda: Case("acme-42"))
    now: datetime = START
    letters: Iterator[int] = field(default_factory=itertools.count)

    def open(self, *, requires: tuple[str, ...] = (), tier: int = 3) -> World:
        """The case is opened; T3 is only expected yet."""
        case = self.case
        case.head = fresh_head(case.id, self.now)
        see_head(case, InstructionSpec(title="Checkout fails", priority="high", tier=tier), (), True, self.now)
        specs = {"T1": TaskSpec("T1", title="Diagnose"), "T3": TaskSpec("T3", title="Repair", requires=requires)}
        see_plan(case, Plan(tier=tier, tasks=("T1", "T3"), specs=specs))
        return self.line(
            "open acme-42", facts={"created": "2026-11-20T08:50:00Z", "tier": tier, "deliverable_type": "x"}
        )

    @property
    def task(self) -> Task:
        """T3."""
        return self.case.tasks["T3"]

    @property
    def state(self) -> str:
        """T3's state, as everybody is told it."""
        self.case.settle_graph()
        return standing(self.case, self.task).state

    def line(self, name: str, action: Any = None, *, to: str | None = None, facts: Mapping[str, Any] | None = None,
             attempt: int | None = None) -> World:  # fmt: skip
        """A line is noted."""
        self.now += timedelta(minutes=1)
        task = "T3" if " T3" in f" {name}" else None
        due = Due(self.now, name, "EXE-3", action, task, attempt, why="so it is", facts=facts or {})
        kind = action.kind if isinstance(action, Send) else None
        word = action.word if action is not None else Record.word
        fold(self.case, journal.entry_of(due, self.case.n + 1, self.now, word, {"to": to, "type": kind, "path": name}))
        return self

    def file(self, *faults: Finding, folder: str = "pending") -> World:
        """T3's file is there."""
        see_task(self.case, [TaskFile("T3.yaml", folder, "5" * 16, self.task.spec, faults, self.now)], "T3")
        return self.line(f"admit T3 #{self.task.admitted + 1}", facts={"folder": folder, "sha256": "5" * 16})

    def assign(self) -> World:
        """It is given to the engineer."""
        n = self.task.attempt + 1
        self.line(f"assign T3 a{n}", Send(HOLDER, "delegation"), to=HOLDER, attempt=n)
        return self.line(f"move T3 #{self.task.moves + 1} in_progress", facts={"folder": "in_progress"}, attempt=n)

    def filed(self) -> World:
        """It has ended, and its file has followed."""
        return self.line("move T3 #9 completed", facts={"folder": "completed"})

    def hand(self, to: str, **facts: Any) -> World:
        """A hand moves its file."""
        known = {"from": self.task.folder, "to": to, **facts}
        return self.line(
            f"hand-move T3 #{self.task.hand_moves + 1} {to}", facts=known, attempt=self.task.attempt or None
        )

    def letter(self, sender: str, kind: str, **body: Any) -> bool:
        """A message comes; whether it is taken."""
        self.now += timedelta(minutes=1)
        name = f"m{next(self.letters)}.yaml"
        whole = {"type": kind, "from": sender, "instruction_id": self.case.id, "task_id": "T3", **body}
        letter = read_letter(whole, name=name, folder="executor", sha256=f"{name:0>64}", seen_at=self.now,
                             file_at=self.now, zone=UTC)  # fmt: skip
        due = mail.line(self.case, letter, POLICY, True)
        if due.facts["outcome"] not in ("taken", "late"):
            return False
        path = f"_communication/inbox/executor/.processed/2026-11-20/{name}"
        fold(self.case, journal.entry_of(due, self.case.n + 1, self.now, File.word, {"path": path}))
        return True

    def takes(self, sender: str, kind: str, **body: Any) -> World:
        """A message comes that must be taken."""
        assert self.letter(sender, kind, **body), (kind, self.state)
        return self


FAULT = Finding(
    "MEM-10", "template not filled in: field assigned_to: '{agent_name}' is a placeholder", "write the real value"
)


def _escalated() -> World:
    world = World().open().file()
    for _ in range(ATTEMPTS[3]):
        world.assign().takes(HOLDER, "failed", reason="the sandbox is locked")
    return world


#: How a task gets into each state.
STATES: dict[str, Callable[[], World]] = {
    "expected": lambda: World().open(),
    "waiting": lambda: World().open(requires=("T1",)).file(),
    "held": lambda: World().open().file(FAULT),
    "ready": lambda: World().open().file(),
    "assigned": lambda: World().open().file().assign(),
    "accepted": lambda: STATES["assigned"]().takes(HOLDER, "acknowledgement"),
    "working": lambda: STATES["accepted"]().takes(HOLDER, "progress", percent=40, note="reading the gateway's log"),
    "blocked": lambda: STATES["working"]().takes(HOLDER, "blocked", description="the account number is missing"),
    "rework": lambda: STATES["accepted"]().takes(HOLDER, "completion", summary="done"),
    "reassigning": lambda: STATES["accepted"]().takes(HOLDER, "failed", reason="the sandbox is locked"),
    "escalated": _escalated,
    "on_hold": lambda: STATES["accepted"]().takes(LEAD, "hold", reason="the customer is moving"),
    "completed": lambda: STATES["working"]().takes(HOLDER, "completion", **GOOD).filed(),
    "deferred": lambda: STATES["ready"]().takes(LEAD, "defer", reason="after the release").filed(),
    "cancelled": lambda: STATES["ready"]().takes(LEAD, "cancel", reason="withdrawn by the customer").filed(),
}  # fmt: skip
FOLDER = {"expected": "none", "completed": "completed", "deferred": "completed", "cancelled": "completed"}


# --- everything that can happen ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """One thing that can happen to a task; `do` says whether it could."""

    words: str
    do: Callable[[World], bool]


def _message(words: str, sender: str, kind: str, **body: Any) -> Event:
    return Event(words, lambda world: world.letter(sender, kind, **body))


def _last_failure(world: World) -> bool:
    world.case.put(replace(world.task, spent=ATTEMPTS[3] - 1))
    return world.letter(HOLDER, "failed", reason="locked")


def _third_refusal(world: World) -> bool:
    if world.task.live is None or world.state == "on_hold":
        return False
    for _ in range(2):
        world.letter(HOLDER, "completion", summary="done")
    return world.letter(HOLDER, "completion", summary="done")


def _file_comes(world: World) -> bool:
    if world.task.present:
        return False
    world.file()
    return True


def _assigned(world: World) -> bool:
    if world.state not in ("ready", "reassigning"):
        return False
    world.assign()
    return True


def _mended(world: World) -> bool:
    if world.state != "held":
        return False
    see_task(world.case, [TaskFile("T3.yaml", "pending", "6" * 16, world.task.spec, (), world.now)], "T3")
    world.line("edit T3.yaml #1 66666666", facts={"file": "T3.yaml", "sha256": "6" * 16})
    return True


def _dependency(world: World) -> bool:
    if world.state != "waiting":
        return False
    see_task(world.case, [TaskFile("T1.yaml", "pending", "1" * 16, TaskSpec("T1"), (), world.now)], "T1")
    return world.letter(LEAD, "cancel", task_id="T1", reason="not needed")


def _verified_dependency(world: World) -> bool:
    if world.state != "waiting":
        return False
    case = world.case
    line = Due(world.now, "admit T1 #1", "MEM-18", Record(), "T1", facts={"folder": "completed", "sha256": "1" * 16})
    fold(case, journal.entry_of(line, case.n + 1, world.now, "record", {}))
    return True


def _by_hand(to: str, **facts: Any) -> Callable[[World], bool]:
    def do(world: World) -> bool:
        if not world.task.present or world.task.folder == to:
            return False
        world.hand(to, **facts)
        return True

    return do


def _deleted(world: World) -> bool:
    if not world.task.present:
        return False
    world.line(f"delete T3 #{world.task.admitted}")
    return True


def _nobody(world: World) -> bool:
    if world.state not in ("ready", "reassigning"):
        return False
    world.line(f"nobody T3 #{world.task.escalations + 1}")
    return True


EVENTS = (
    Event("its file comes", _file_comes),
    Event("its file is mended", _mended),
    Event("what it waits for is verified", _verified_dependency),
    Event("what it waits for is deferred or cancelled", _dependency),
    Event("it is given to an agent", _assigned),
    Event("nobody is left who could take it", _nobody),
    _message("`acknowledgement`", HOLDER, "acknowledgement"),
    _message("`progress`", HOLDER, "progress", percent=50),
    _message("`completion`, verified", HOLDER, "completion", **GOOD),
    _message("`completion`, refused", HOLDER, "completion", summary="done"),
    Event("`completion`, refused a third time", _third_refusal),
    _message("`blocked`", HOLDER, "blocked", description="a number is missing"),
    _message("`unblocked`", LEAD, "unblocked", answer="4711"),
    _message("`failed`", HOLDER, "failed", reason="locked"),
    Event("`failed`, the last attempt", _last_failure),
    _message("`declined`", HOLDER, "declined", reason="no access"),
    _message("`reassign`", LEAD, "reassign", to="escalation-manager", reason="needs access"),
    _message("`retry`", LEAD, "retry", reason="once more"),
    _message("`hold`", LEAD, "hold", reason="the customer is away"),
    _message("`release`", LEAD, "release", reason="he is back"),
    _message("`defer`", LEAD, "defer", reason="later"),
    _message("`cancel`", LEAD, "cancel", reason="not needed"),
    _message("`customer_update`", HOLDER, "customer_update", **UPDATE),
    _message("`priority_change`", LEAD, "priority_change", priority="critical"),
    _message("`tell`", LEAD, "tell", text="also the EU endpoint"),
    Event("by hand into `pending/`", _by_hand("pending")),
    Event("by hand into `in_progress/`", _by_hand("in_progress")),
    Event("by hand into `completed/`, with a result", _by_hand("completed", summary="done", output=True)),
    Event("by hand into `completed/`, with nothing to show", _by_hand("completed", points=["there is no output"])),
    Event("its file is deleted", _deleted),
)


@functools.cache
def moves() -> dict[tuple[str, str], list[str]]:
    """(from, to) → what happens, for everything that changes the state."""
    found: dict[tuple[str, str], list[str]] = {}
    for state, make in STATES.items():
        for event in EVENTS:
            world = make()
            assert world.state == state, (state, world.state)
            if event.do(world) and world.state != state:
                found.setdefault((state, world.state), []).append(event.words)
    return found


# --- the tables -------------------------------------------------------------------------------------------------------


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _head(*titles: str) -> list[str]:
    return [_row(*titles), _row(*("---" for _ in titles))]


def _shown(state: str) -> str:
    return state.replace("_", " ")


def states_table() -> str:
    """Each state, where its file lies, and what `status` and `why` say of it."""
    lines = _head("state", "`tasks/…`", "what `why` says, for example", "rule")
    for state, make in STATES.items():
        world = make()
        found = standing(world.case, world.task)
        folder = FOLDER.get(state) or world.task.folder
        lines.append(_row(f"**{_shown(state)}**", folder, found.why or "–", found.rule))
    return "\n".join(lines)


def moves_table() -> str:
    """Each move that exists."""
    lines = _head("from", "what happens", "to")
    for (source, target), words in moves().items():
        lines.append(_row(_shown(source), "; ".join(words), _shown(target)))
    return "\n".join(lines)


def diagram() -> str:
    """The moves of a quiet day: without decisions and without hands."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for (source, target), words in moves().items():
        quiet = [w.replace("`", "") for w in words if not w.startswith(("by hand", "its file is deleted", "`hold`"))]
        if (
            quiet
            and target not in ("on_hold", "deferred", "cancelled")
            and source not in ("on_hold", "deferred", "cancelled")
        ):
            lines.append(f"    {source} --> {target}: {quiet[0]}" + (" …" if len(quiet) > 1 else ""))
    return "\n".join([*lines, "```"])


def verbs() -> str:
    """The verbs of the journal that change a case."""
    return ", ".join(f"`{verb}`" for verb in FOLD) + "."


def incoming_table() -> str:
    """What can be sent to the executor."""
    lines = _head("`type:`", "also written", "from", "about", "must hold", "what it says")
    for name, kind in MESSAGES.items():
        needs = ", ".join(f"`{group[0]}`" for group in kind.needs) or "–"
        aliases = ", ".join(f"`{alias}`" for alias in kind.aliases) or "–"
        says = (kind.__doc__ or "").strip().splitlines()[0]
        about = {"either": "a task or the instruction", "house": "–"}.get(kind.about, kind.about)
        lines.append(_row(f"`{name}`", aliases, ", ".join(kind.senders), about, needs, says))
    return "\n".join(lines)


def outgoing_table() -> str:
    """What the daemon sends."""
    lines = _head("`type:`", "what it is for its reader")
    lines += [_row(f"`{kind}`", says) for kind, says in KINDS.items()]
    return "\n".join(lines)


def rooms_table() -> str:
    """Every module with its floor, the first line of its docstring, and the files of a folder."""
    lines = _head("floor", "module", "what it is", "in it")
    package = Path(executord.__file__).parent
    for line in FLOORS.strip().splitlines():
        for name in (word.strip() for word in line[1:].split("|")):
            folder = package / name / "__init__.py"
            path = folder if folder.exists() else package / f"{name}.py"
            if path.exists():
                doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
                shown = f"`{name}/`" if path is folder else f"`{name}`"
                files = sorted(each.stem for each in path.parent.glob("*.py") if each != path) if path is folder else []
                lines.append(_row(line[0], shown, doc.split("\n\n")[0].replace("\n", " "), " ".join(files)))
    return "\n".join(lines)


def _rows_in(annotation: Any, path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models that may stand under a key, each with the path at which its own keys stand."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield path, annotation
    elif get_origin(annotation) is dict:
        yield from _rows_in(get_args(annotation)[1], f"{path}.NAME")
    elif get_origin(annotation) is tuple:
        yield from _rows_in(get_args(annotation)[0], f"{path}[]")
    elif get_origin(annotation) is Annotated:
        yield from _rows_in(get_args(annotation)[0], path)
    else:
        for each in get_args(annotation):
            yield from _rows_in(each, path)


def _built_in(setting: FieldInfo) -> str:
    """What counts where the key is left out; nothing is shown of what is empty or made of keys of its own."""
    if setting.is_required():
        return "must be given"
    default = ", ".join(map(str, setting.default)) if isinstance(setting.default, tuple) else setting.default
    if isinstance(default, bool):
        default = str(default).lower()
    return f"`{default}`" if isinstance(default, (str, int)) and default != "" else "–"


def _choice(setting: FieldInfo) -> str:
    """The words that a key takes, where its description does not name them all."""
    words = [
        word for each in (setting.annotation, *get_args(setting.annotation)) if get_origin(each) is Literal
        for word in get_args(each)
    ]  # fmt: skip
    unnamed = [word for word in words if word not in str(setting.description)]
    return f" Possible: {', '.join(words)}." if unnamed else ""


def settings_table() -> str:
    """Every key of the configuration, at every level; keys that stand in two places are told once."""
    lines = _head("key", "built in", "what it is")
    told: dict[type[BaseModel], str] = {}

    def tell(model: type[BaseModel], prefix: str) -> None:
        for name, setting in model.model_fields.items():
            path = f"{prefix}{setting.alias or name}"
            lines.append(_row(f"`{path}`", _built_in(setting), f"{setting.description}{_choice(setting)}"))
            for place, inner in _rows_in(setting.annotation, path):
                if inner in told:
                    lines.append(_row(f"`{place}.…`", "–", f"The keys of `{told[inner]}`."))
                else:
                    told[inner] = place
                    tell(inner, f"{place}.")

    tell(Settings, "")
    return "\n".join(lines)


def exits_table() -> str:
    """Every exit code."""
    found: dict[int, list[str]] = {0: ["It went well."], 1: ["The thing failed: something differs, or a case waits."]}
    for kind in ExecutordError.__subclasses__():
        found.setdefault(kind.exit_code, []).append((kind.__doc__ or "").strip().splitlines()[0])
    return "\n".join([*_head("code", "meaning"), *(_row(code, " ".join(found[code])) for code in sorted(found))])


def rules_table() -> str:
    """Every rule of the specification, and the files of the tests that carry its mark."""
    shown: dict[str, set[str]] = {}
    tests = Path(__file__).parent
    for path in sorted(tests.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("pytest.mark.spec", "story"):
                for mark in node.args:
                    if isinstance(mark, ast.Constant) and isinstance(mark.value, str):
                        shown.setdefault(mark.value, set()).add(path.relative_to(tests).as_posix())
    lines = _head("rule", "what it is about", "shown by, in `tests/`")
    for spec_id, title in known_ids().items():
        files = ", ".join(f"`{name}`" for name in sorted(shown.get(spec_id, ())))
        lines.append(_row(spec_id, title, files or "–"))
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "states": states_table,
    "moves": moves_table,
    "diagram": diagram,
    "verbs": verbs,
    "incoming": incoming_table,
    "outgoing": outgoing_table,
    "settings": settings_table,
    "rooms": rooms_table,
    "exits": exits_table,
    "rules": rules_table,
}
_PLACE = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.S)


def renewed(text: str) -> str:
    """A page with its tables made anew."""
    return _PLACE.sub(lambda hit: f"{hit[1]}{TABLES[hit[2]]()}\n{hit[3]}", text)


# --- the expected agendas ---------------------------------------------------------------------------------------------


def expected() -> dict[str, str]:
    """For each instruction of the sample memory, the lines that a rehearsal with its script gives, and how it ends."""
    script = str(SAMPLE / "_expected" / "script.yaml")
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(SAMPLE, f"{folder}/sample_memory")
        for path in Path(copy).rglob("*"):  # a clone's files are as old as the clone: what is too new has to settle
            os.utime(path, (START.timestamp() - 600,) * 2)
        done = subprocess.run(
            [sys.executable, "-m", "executord", "simulate", copy, "--start", "2026-11-20T09:00:00Z", "--until", "+8h",
             "--script", script, "--json"],
            cwd=DOCS.parent, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "daemon"},
        )  # fmt: skip
    *lines, last = map(json.loads, done.stdout.splitlines())
    found: dict[str, list[str]] = {}
    for line in lines:
        to = f" → {line['to']}" if line["to"] else ""
        found.setdefault(line["case"], []).append(f"{line['at'][11:19]}  {line['name']}{to}")
    for case in last["end"]["cases"]:
        folders = ", ".join(f"{count} {folder}" for folder, count in case["tasks"].items())
        found[case["id"]].append(f"phase {case['phase']}: {folders}")
    return {case: "\n".join(each) + "\n" for case, each in found.items()}


def main() -> None:
    """Write the tables into their pages, and the expected agendas beside the sample."""
    for case, text in expected().items():
        (SAMPLE / "_expected" / f"{case}.txt").write_text(text, encoding="utf-8")
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (fresh := renewed(text)) != text:
            path.write_text(fresh, encoding="utf-8")
            print(f"written: {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
