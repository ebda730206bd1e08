"""What the pages say is so: tables are current, examples are taken, links lead somewhere, the tour can be walked.

Counterpart: `docs_tables.py`, which makes the tables. Marks of examples: see `docs/developer.md`.
"""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
import yaml

from executord import demo, settings
from executord.cli import app, load
from executord.messages import MESSAGES
from executord.paper import parse
from executord.policy import ROSTER, make_policy
from executord.reading import read_instruction, read_plan, read_task
from executord.schemas import schema_of
from executord.service import Rings, Service
from executord.sessions.crew import Programs
from executord.sessions.desk import Desk as SessionDesk
from executord.team.fold import FOLD as TEAM_FOLD
from executord.team.record import Law
from tests import docs_tables
from tests.calls import clean
from tests.demo_picture import drawn
from tests.docs_tables import HOLDER, LEAD, STATES
from tests.stories.delivery import TICKET
from tests.stories.kit import UPDATE
from tests.teams.kit import Room

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "daemon" / "executord"
PLACES = (ROOT, PACKAGE, ROOT / "tests", ROOT / "tests" / "real")  # where a path that a page names may begin
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
INBOX = "_communication/inbox/executor"


@dataclass(frozen=True)
class Block:
    """One fenced block: `yaml message state=blocked` is of language yaml, kind message, with one option."""

    page: str
    line: int
    language: str
    kind: str
    state: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> list[Block]:
    """Every fenced block of every page."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for hit in re.finditer(r"(?ms)^```(\w+)[ ]+(\w+)(?:[ ]+state=([\w-]+))?\n(.*?)^```$", text):
            line = text.count("\n", 0, hit.start()) + 1
            found.append(Block(page.name, line, hit[1], hit[2], hit[3] or "", hit[4]))
    return found


def of_kind(*kinds: str) -> list[Block]:
    """The blocks that are marked so."""
    return [block for block in blocks() if block.kind in kinds]


# --- tables, links ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("EXE-3")
@pytest.mark.parametrize("page", ["states.md", "messages.md", "operators.md", "architecture.md", "spec.md"])
def test_tables_are_current(page):
    """What was made from the code is what the code would make now."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert "made from the code" in text
    assert docs_tables.renewed(text) == text, "run: python -m tests.docs_tables"


def keys_of(schema: Mapping[str, Any], whole: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Every key that a schema knows, with the path at which it stands: `roster.NAME.runner.program`."""
    if "$ref" in schema:
        yield from keys_of(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, path)
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from keys_of(each, whole, path)
    for key, inner in schema.get("properties", {}).items():
        yield (place := f"{path}.{key}".lstrip("."))
        yield from keys_of(inner, whole, place)
    for key, deeper in (("items", f"{path}[]"), ("additionalProperties", f"{path}.NAME")):
        if isinstance(schema.get(key), dict):
            yield from keys_of(schema[key], whole, deeper)


@pytest.mark.spec("CON-3", "OPS-9")
def test_every_setting_stands_in_the_page_at_every_level():
    """What the schema of the configuration takes has a row in the operator's page with what it is, and no row more."""
    page = (ROOT / "docs/operators.md").read_text(encoding="utf-8")
    table = page.split("<!-- made from the code: settings -->")[1].split("<!-- end -->")[0]
    rows = {hit[1]: hit[2] for hit in re.finditer(r"(?m)^\| `([^`]+)` \| [^|]+ \| (.+) \|$", table)}
    elsewhere = {key.removesuffix(".…"): says.split("`")[1] for key, says in rows.items() if key.endswith(".…")}

    def row(key: str) -> str:
        """The row that tells of a key: its own, or that of the place which its table refers to."""
        other = next((each for each in elsewhere if key.startswith(f"{each}.") and key not in rows), None)
        return row(elsewhere[other] + key.removeprefix(other)) if other else key

    schema = schema_of("config")
    known = list(keys_of(schema, schema))
    assert {"memory", "roster.NAME.runner.limits", "policies[].match.tier", "notify.NAME.match.tags"} <= set(known)
    assert [key for key in known if not rows.get(row(key), "").strip("– ")] == []
    assert {key for key in rows if not key.endswith(".…")} == {row(key) for key in known}


def test_every_state_is_reached_and_left():
    """From each state that is not an end something leads on, and something leads into each but the first."""
    pairs = set(docs_tables.moves())
    assert {source for source, _ in pairs} == set(STATES)
    assert {target for _, target in pairs} >= set(STATES) - {"expected", "waiting"}


@pytest.mark.spec("EXE-28")
def test_from_every_state_a_decision_ends_the_task():
    """`cancel` by authority ends a task in whatever state it is."""
    for state in set(STATES) - {"completed", "deferred", "cancelled"}:
        assert "`cancel`" in docs_tables.moves()[state, "cancelled"]


@pytest.mark.spec("REL-4")
@pytest.mark.parametrize("kind", sorted(MESSAGES))
def test_empty_fields_break_no_case(kind):
    """A message whose fields are empty is taken or refused, in every state; it never breaks its case."""
    fields = list(MESSAGES[kind].needs) or [("reason",)]
    for empty in (None, "", "  ", {}, [], [None], False, 0):
        for state in STATES:
            body = {field: empty for group in fields for field in group if "." not in field}
            for sender in (HOLDER, LEAD):
                STATES[state]().letter(sender, kind, **body)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Each relative link names a file that is there."""
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    gone = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not gone


def test_every_page_is_found():
    """The list of pages names each file of `docs/`, and README leads to each page."""
    listed = set(re.findall(r"\]\(([^)]+)\)", (ROOT / "docs/README.md").read_text(encoding="utf-8")))
    there = {path.name for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".txt")} - {"README.md"}
    assert there <= listed
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in there if name.endswith(".md") and f"(docs/{name})" not in readme] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md"], ids=lambda page: page.name)
def test_every_module_that_the_pages_name_is_there(page):
    """`fold.py`, `rules/mail.py` …: a file of the checkout, or of the package, under that very path."""
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", text))
    gone = {name for name in named if not any((top / name).is_file() for top in PLACES)}
    assert not gone, "it speaks of what is not there"


@pytest.mark.parametrize("top", ["daemon", "tests"])
def test_every_module_that_the_code_speaks_of_is_there(top):
    """A docstring or comment names the counterpart of a file: beside it, or by its path in the package, tests or
    checkout. What was moved is not spoken of where it was."""
    gone = []
    for path in sorted((ROOT / top).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        words = [t.string for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT]
        words += [
            ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]  # fmt: skip
        for name in re.findall(r"`((?:\w+/)*\w+\.py)`", "\n".join(words)):
            places = (path.parent, PACKAGE, ROOT, ROOT / "tests", PACKAGE.parent)
            if not any((place / name).is_file() for place in places):
                gone.append(f"{path.relative_to(ROOT)}: {name}")
    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_the_pages_name_is_there(page):
    """`executord why`, `executord config show` … can be called; with its sub-command."""
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?m)(?:`|^)executord ((?:config |sla |service |session )?[a-z][a-z-]+)(?=[ `\n])", text))
    gone = {words for words in named if not _is_command(words.split())}
    assert not gone


def _is_command(words: list[str]) -> bool:
    load()
    found = typer.main.get_command(app)
    for word in words:
        found = getattr(found, "commands", {}).get(word)
        if found is None:
            return False
    return True


# --- examples ---------------------------------------------------------------------------------------------------------


class Desk:
    """A real folder with an instruction whose T3 is at the engineer's, and a service with a set clock."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, NOW
        self._put("acme-42/instruction.yaml", "title: Checkout fails\npriority: high\ncustomer: {name: Acme}\n")
        self._put("acme-42/workflow/plan.yaml", "tier: 3\ntasks: [T1, T3, T4]\ncheckpoints:\n"
                  "  - {id: fix-agreed, after: [T1], before: [T4], review: support-manager}\n")  # fmt: skip
        for task in ("T1", "T3", "T4"):
            self._put(f"acme-42/tasks/pending/{task}.yaml", f"id: {task}\nassigned_to: {HOLDER}\n")
        self._put("acme-42/outputs/partial/T3/notes.md", "restarted the gateway\n")
        (root / INBOX).mkdir(parents=True)
        self.service = Service(str(root), make_policy(), durable=False)
        self.service.open(self.now)
        self.later()
        assert self.state("T3") == "assigned"

    def _put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")
        os.utime(self.root / path, (self.now.timestamp() - 60,) * 2)

    def later(self) -> None:
        """A minute goes by, and everything is looked at."""
        self.now += timedelta(minutes=1)
        self.service.everything(self.now)

    def state(self, task: str) -> str:
        """How it stands."""
        case = self.service.cases["acme-42"]
        return docs_tables.standing(case, case.tasks[task]).state

    def drop(self, name: str, text: str) -> None:
        """A message comes."""
        self._put(f"{INBOX}/{name}", text)
        self.now += timedelta(minutes=1)
        self.service.turn(self.now, Rings(mail=True, letters={f"executor/{name}"}))
        self.later()

    def say(self, kind: str, sender: str = HOLDER, task: str = "T3", **more: object) -> None:
        """A message comes that must be taken."""
        name = f"before-{self.now:%H%M}.yaml"
        body = {
            "type": kind,
            "from": sender,
            "instruction_id": "acme-42",
            **({"task_id": task} if task else {}),
            **more,
        }
        self.drop(name, yaml.safe_dump(body))
        assert self.fate(name) == "processed", kind

    def fate(self, name: str) -> str:
        """Where a message was filed."""
        if list((self.root / INBOX).glob(f".processed/*/{name}")):
            return "processed"
        reasons = list((self.root / INBOX).glob(f".rejected/*/{name.removesuffix('.yaml')}.reason.yaml"))
        return reasons[0].read_text(encoding="utf-8") if reasons else "it lies there still"

    def bring(self, state: str) -> None:
        """What an example says has happened before."""
        if state == "blocked":
            self.say("blocked", description="an answer is missing")
        elif state == "on-hold":
            self.say("hold", LEAD, reason="the customer is away")
        elif state == "escalated":
            for _ in range(3):
                self.say("failed", reason="locked")
            assert self.state("T3") == "escalated"
        elif state == "checkpoint":
            self.say("completion", task="T1", summary="found", output="the pool")
        elif state == "consulted":
            self.say("consultation", topic="resources", question="a second engineer?")
        elif state == "reviewed":
            self.say("review_request", reviewer="support-quality-analyst", question="is it right?")
        elif state == "late":
            self.say("reassign", LEAD, to="escalation-manager")
            self.say("completion", attempt=1, summary="done after all", output="the limit is raised")
        elif state in ("missing", "handed-off"):
            self._deliver(whole=state == "handed-off")
        elif state == "incident":
            self.say("incident", LEAD, task="", description="every third checkout fails")
        elif state == "resolved-incident":
            self.bring("incident")
            self.say("incident_resolved", "escalation-manager", task="", summary="it holds")
            self._put("acme-42/outputs/partial/retrospective.md", "what happened, and why\n")
        elif state == "closed":
            self.say("cancel", LEAD, task="", reason="withdrawn")
        elif state == "without-plan":
            (self.root / "acme-42/workflow/plan.yaml").unlink()
            self.later()
        else:
            assert state == "", state

    def _deliver(self, *, whole: bool) -> None:
        """Every task is done; of the deliverable one part is missing, or nothing."""
        given = {n: c for n, c in TICKET.items() if whole or n not in ("follow_up_plan", "preventive_measures")}
        self.say("completion", task="T1", summary="found", output="the pool", components=given)
        self.say("release", LEAD, task="", checkpoint="fix-agreed")
        self.say("completion", summary="done", output="the limit is raised")
        self.say("completion", task="T4", summary="told", output="told", customer_update=UPDATE)


@pytest.mark.spec("MSG-9")
@pytest.mark.parametrize("block", of_kind("message"), ids=str)
def test_messages_of_the_pages_are_taken(block, tmp_path):
    """Each message that the pages show, dropped as it stands, is taken."""
    desk = Desk(tmp_path)
    desk.bring(block.state)
    desk.drop("example.yaml", block.text)
    assert desk.fate("example.yaml") == "processed"
    assert not parse(block.text.encode()).findings


@pytest.mark.spec("MSG-9", "SES-25", "SES-28")
@pytest.mark.parametrize("block", of_kind("session"), ids=str)
def test_messages_about_sessions_are_taken(block, tmp_path):
    """Each message about a team session that the pages show, dropped as it stands, is taken."""
    room = Room(tmp_path)
    room.prepare({"DEV-001": []}, completion_action="interactive")
    memory = tmp_path / "memory"
    (memory / INBOX).mkdir(parents=True)
    service = Service(str(memory), make_policy(), durable=False)
    programs = Programs(settings.check(None, {})[0] or settings.Settings(), "true")
    law = Law(max_attempts=1, asks=True)
    service.desk = SessionDesk(
        service.disk, service.store, service.policy, law, programs, room.crew, durable=False
    )  # fmt: skip

    def drop(name: str, text: str) -> None:
        (memory / INBOX / name).write_text(text)
        service.turn(NOW, Rings(mail=True, letters={f"executor/{name}"}))
        service.turn(NOW, Rings())

    service.open(NOW)
    if block.state:
        drop("first.yaml", f"type: session\nfrom: planner\npath: {room.path}\n")
    if block.state == "failed":
        room.lay("discoveries/DEV-001.json", {"id": "DEV-001", "status": "failed", "error": "no"})
    elif block.state == "complete":
        room.lay("discoveries/DEV-001.json", {"id": "DEV-001", "status": "completed", "findings": "yes"})
    for run in service.desk.runs.values():
        run.at = NOW
    service.turn(NOW, Rings())
    drop("example.yaml", block.text.replace("/srv/sessions", str(tmp_path)))
    assert list((memory / INBOX).glob(".processed/*/example.yaml")), list((memory / INBOX).rglob("*.reason.yaml"))
    assert not parse(block.text.encode()).findings
    service.desk.close()


def test_every_type_a_worker_needs_is_shown():
    """Each type that a holder may send, and each decision, has an example in the pages."""
    shown = {yaml.safe_load(block.text)["type"] for block in of_kind("message", "session")}
    assert shown == set(MESSAGES)


@pytest.mark.parametrize("block", of_kind("task", "instruction", "plan"), ids=str)
def test_files_of_the_pages_are_read_without_a_finding(block):
    """Tasks, instructions and plans that the pages show leave nothing to be said about them."""
    sheet = parse(block.text.encode())
    assert not sheet.findings
    readers = {
        "task": lambda data: read_task(data, "T3", UTC),
        "instruction": lambda data: read_instruction(data, "acme-42", UTC),
        "plan": lambda data: read_plan(data, UTC),
    }
    _, findings = readers[block.kind](sheet.data)
    assert findings == []


@pytest.mark.parametrize("block", of_kind("config"), ids=str)
def test_configurations_of_the_pages_are_valid(block, tmp_path):
    """A configuration that the pages show is accepted as it stands."""
    (tmp_path / "config.yaml").write_text(block.text, encoding="utf-8")
    made, notes = settings.check(str(tmp_path / "config.yaml"), {})
    assert made is not None
    assert notes == []


def environment(**more: str) -> dict[str, str]:
    """An environment with `executord` on the path and nothing of this user's."""
    return {**clean(), **more}


@pytest.mark.spec("CON-17")
@pytest.mark.parametrize("block", of_kind("submission"), ids=str)
def test_submissions_of_the_pages_become_instructions(block, tmp_path):
    """What the pages hand in becomes a folder in which `validate` finds nothing."""
    (tmp_path / INBOX).mkdir(parents=True)
    command = [sys.executable, "-m", "executord", "--memory", str(tmp_path)]
    done = subprocess.run([*command, "submit", "-"], input=block.text, capture_output=True, text=True, check=False,
                          env=environment())  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, yaml.safe_load(block.text)["instruction"]["id"]), done.stderr
    checked = subprocess.run([*command, "validate", "--strict"], capture_output=True, text=True, check=False,
                             env=environment())  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("block", of_kind("run"), ids=str)
def test_shell_lines_of_the_pages_do_what_they_say(block, tmp_path):
    """A shell that writes as the page tells leaves a message that is taken."""
    desk = Desk(tmp_path)
    subprocess.run(["bash", "-eu", "-c", block.text], env={**os.environ, "MEMORY": str(tmp_path)}, check=True)
    (name,) = [path.name for path in (tmp_path / INBOX).glob("*.yaml")]
    desk.service.turn(desk.now + timedelta(minutes=1), Rings(mail=True, letters={f"executor/{name}"}))
    assert desk.fate(name) == "processed"


@pytest.mark.spec("OPS-2")
def test_the_tour_of_the_readme_can_be_walked(tmp_path):
    """Its blocks, one after the other in one shell with a real daemon: the task is verified at the end."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    program = bin_folder / "executord"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m executord "$@"\n')
    program.chmod(0o755)
    script = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n" + "\n".join(b.text for b in of_kind("tour"))
    # the loaded machine of a test is slower than a reader
    script = script.replace("sleep 3 ", "sleep 8 ").replace("sleep 1\n", "sleep 5\n")
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        env=environment(TOUR=str(tmp_path), PATH=f"{bin_folder}:{os.environ['PATH']}", HOME=str(tmp_path)),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "type: delegation" in done.stdout
    assert "state: completed" in done.stdout
    assert (tmp_path / "Agent_Memory/acme-42/tasks/completed/T1.yaml").exists()


def _constant(node: ast.expr) -> str:
    """The words of a text before its first value."""
    if isinstance(node, ast.JoinedStr):
        return _constant(node.values[0]) if node.values else ""
    return str(node.value).split("{")[0] if isinstance(node, ast.Constant) else ""


def said_in_the_log() -> Iterator[tuple[str, str]]:
    """File and words of everything that the daemon says in its log, its journal lines apart."""
    for path in sorted((ROOT / "daemon/executord").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = ast.unparse(node.func)
            if re.fullmatch(r"(?:\w+\.)*logger\.(?:info|warning|error|exception|critical)", name):
                words = next((found for each in node.args if (found := _constant(each))), "")
                yield path.name, words.strip(" :(")
            elif name.endswith("_event") and _constant(node.args[0]):
                yield path.name, f"`{_constant(node.args[0])}"


@pytest.mark.spec("OPS-13")
def test_every_message_of_the_log_is_explained():
    """What the daemon says of itself stands in the operator's page, in the same words."""
    page = " ".join((ROOT / "docs/operators.md").read_text(encoding="utf-8").split())
    said = list(said_in_the_log())
    assert len(said) > 15
    assert not [pair for pair in said if pair[1] and pair[1] not in page]


def first_words(page: str) -> set[str]:
    """The words in the first cells of the table whose head is `first word`."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    table = text.split("| first word |", 1)[1].split("\n\n", 1)[0]
    return {word for row in table.splitlines()[2:] for word in re.findall(r"`([a-z-]+)`", row.split("|")[1])}


@pytest.mark.spec("OPS-13", "REL-11")
def test_every_line_of_a_journal_is_explained():
    """Each first word that a line's name can have stands in the page, and no other: of cases, and of sessions."""
    lines = (ROOT / "tests/data/names.txt").read_text(encoding="utf-8").splitlines()
    assert first_words("operators.md") == {line.split()[0] for line in lines if line and not line.startswith("#")}
    assert first_words("sessions.md") >= set(TEAM_FOLD)


@pytest.mark.spec("CON-1", "OPS-9")
def test_every_variable_of_the_environment_is_documented():
    """`EXECUTORD_…`: what the code reads or gives stands in a page."""
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    sources = "".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "daemon").rglob("*.py")))
    assert (
        set(re.findall(r"EXECUTORD_[A-Z]+(?:_[A-Z]+)*", sources)) - set(re.findall(r"EXECUTORD_[A-Z_]+", pages))
        == set()
    )


@pytest.mark.parametrize("block", [b for b in of_kind("worker") if b.language != "text"], ids=str)
def test_a_worker_of_the_pages_does_its_work(block, tmp_path):
    """The same worker in shell and in Python, as it stands: takes its delegation, answers, and is verified."""
    desk = Desk(tmp_path)
    program = {"sh": ["bash", "-eu", "-c"], "python": [sys.executable, "-c"]}[block.language]
    done = subprocess.run(
        [*program, block.text], env={**os.environ, "MEMORY": str(tmp_path), "AGENT": HOLDER}, cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    inbox = tmp_path / "_communication/inbox" / HOLDER
    assert not list(inbox.glob("*.delegation.yaml")), "what was read is taken away"
    assert list((inbox / "done").glob("acme-42.T3.a1.delegation.yaml"))
    names = sorted(path.name for path in (tmp_path / INBOX).glob("*.yaml"))
    assert any("T3" in name for name in names)
    desk.service.turn(desk.now + timedelta(minutes=1), Rings(mail=True, letters={f"executor/{n}" for n in names}))
    desk.later()
    assert [n for n in names if desk.fate(n) != "processed"] == []
    assert desk.state("T3") == "completed"


def test_the_picture_of_the_demo_is_one_of_this_version():
    """It is drawn from a run that went well, on the sample as it is; `python -m tests.demo_picture` draws it anew."""
    lines = ["".join(text.itertext()) for text in ElementTree.parse(ROOT / "docs/demo.svg").getroot() if text.text]
    ids = {path.parent.name for path in docs_tables.SAMPLE.glob("*/instruction.yaml")}
    table = {line.split()[0] for line in lines if re.search(r" \d+/\d+ ", line)}
    assert table == ids
    assert lines[-1].startswith("the demo ends well")
    assert not any(line.startswith("FAIL") for line in lines)
    assert drawn(["a <b> & closed"]).count("&lt;b&gt; &amp; <tspan") == 1


def test_the_readme_counts_right():
    """How many types of message there are, and how many workers the demo starts."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"all {len(MESSAGES)} types recognised, checked and acted upon" in text
    workers = {*ROSTER, *demo.LEADS, *demo.DESKS}
    assert f"{len(workers)} real worker processes and a team session" in text
    numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    instructions = f"{numbers[len(list(docs_tables.SAMPLE.glob('*/instruction.yaml'))) - 1]} instructions"
    for page in ("README.md", "docs/developer.md", "CHANGELOG.md"):
        assert instructions in (ROOT / page).read_text(encoding="utf-8"), page
