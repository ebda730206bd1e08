"""Every command and every block of the pages is run or validated by somebody [issue of operations; MSG-9].

Counterparts: `test_docs.py`, which takes messages, files and the tour; `systemd/test_service.py`, which runs what needs
a machine. What a block is stands behind its language, see `docs/developer.md`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from jsonschema import Draft202012Validator

from executord import schemas
from executord.cli import _globals_first, app, load
from executord.policy import DESKS
from tests.docs_tables import SAMPLE
from tests.real.kit import INBOX, Tree, drop
from tests.test_docs import PAGES, ROOT, Block, environment, of_kind

#: By language, what blocks there are; each is taken by a test, `text` and `mermaid` alone are pictures.
KNOWN = {
    "sh": {"tour", "run", "worker", "commands", "team", "install", "machine", "make", "usage"},
    "yaml": {"message", "session", "task", "instruction", "plan", "submission", "config", "letter"},
    "python": {"worker"}, "json": {"discovery"}, "text": {"", "worker"}, "mermaid": {""},
}  # fmt: skip
HOLDER = "technical-support-engineer"


def lines_of(block: Block) -> list[str]:
    """The command lines of a block, without their comments."""
    lines = (re.sub(r"(?:^|\s+)#\s.*$", "", line).strip() for line in block.text.splitlines())
    return [line for line in lines if line]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_kind_that_is_tested(page):
    """No fence without a language; none whose kind no test takes."""
    strange, inside = [], False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if not line.lstrip().startswith("```"):
            continue
        inside = not inside
        words = line.strip().removeprefix("```").split()
        if inside and (not words or (words[1:2] or [""])[0] not in KNOWN.get(words[0], set())):
            strange.append(f"{page.name}:{number}: {line}")
    assert not inside, "a fence is not closed"
    assert not strange


# --- commands ---------------------------------------------------------------------------------------------------------


def understood(words: list[str]) -> str:
    """Why a call is not one that the command line takes, without carrying it out; empty if it is."""
    load()
    front, rest = _globals_first(words)
    command: Any = typer.main.get_command(app)
    context, name, left = None, "executord", [*front, *rest]
    try:
        while True:
            context = command.make_context(name, left, parent=context)
            if not hasattr(command, "commands"):
                return ""
            name, command, left = command.resolve_command(context, [*context._protected_args, *context.args])
    except typer.BadParameter.__bases__[0] as error:
        return error.format_message()


def spoken() -> list[tuple[str, str]]:
    """Place and words of every call of executord in running text."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        prose = re.sub(r"(?ms)^```.*?^```$", lambda hit: "\n" * hit[0].count("\n"), text)
        for hit in re.finditer(r"`executord ([^`]+)`", prose):
            found.append((f"{page.name}:{prose.count(chr(10), 0, hit.start()) + 1}", hit[1]))
    return found


def test_every_command_in_running_text_is_one():
    """With its options and arguments: `executord retry acme-42/T3` would be taken as it stands."""
    assert len(spoken()) > 50
    wrong = []
    for place, words in spoken():
        given = shlex.split(words.replace("\\|", "|"))
        bare = re.search(r"^[a-z-]+(?: [a-z-]+)?$", words) is not None  # names a command, does not call it
        said = understood(given)
        if said and not (bare and "Missing" in said):
            wrong.append(f"{place}: executord {words}: {said}")
    assert not wrong


@pytest.mark.parametrize("block", of_kind("make"), ids=str)
def test_every_target_of_make_that_is_named_is_there(block):
    """`make demo` …: a rule of the Makefile; and what is no target of make is a file that can be run."""
    rules = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    for line in lines_of(block):
        words = line.split()
        assert (words[0] == "make" and words[1] in rules) or os.access(ROOT / words[0], os.X_OK), line


def test_every_target_of_make_is_told():
    """In CONTRIBUTING, where one looks for it, and at the head of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    head = text.split("\n\n", 1)[0]
    targets = re.search(r"(?m)^\.PHONY: (.*)$", text)
    assert targets is not None
    for target in targets[1].split():
        assert f"make {target}" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), target
        assert re.search(rf"\b{target}\b", head), target


@pytest.mark.parametrize("block", of_kind("usage"), ids=str)
def test_calls_of_our_own_tools_are_understood(block):
    """`python -m tests.bench [--quick | --full] …`: it knows every option that is named."""
    for line in lines_of(block):
        words = line.split()
        assert words[:2] == ["python", "-m"]
        done = subprocess.run([sys.executable, "-m", words[2], "--help"], capture_output=True, text=True, check=True,
                              cwd=ROOT, env=environment(PYTHONPATH=f"{ROOT / 'daemon'}:{ROOT}"))  # fmt: skip
        assert [option for option in re.findall(r"--[a-z-]+", line) if option not in done.stdout] == []


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """A folder with an `executord` to be found in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "executord"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m executord "$@"\n')
    program.chmod(0o755)
    return folder


def called(line: str, cwd: Path, known: dict[str, str]) -> str:
    """What a line says; one that follows a log, or runs the daemon, is ended once it has said something."""
    endless = re.search(r"(?:log|status) -[fw]\b|\brun\b(?! --session| --once)|\bweb\b(?! --static)", line) is not None
    if not endless:
        done = subprocess.run(["bash", "-euc", line], cwd=cwd, env=known, capture_output=True, text=True, timeout=90,
                              check=False)  # fmt: skip
        answers = (0, 1) if " gate " in line else (0,)  # 1: it is not ready, and says why
        assert done.returncode in answers, f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout
    with subprocess.Popen(["bash", "-euc", f"exec {line}"], cwd=cwd, env=known, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as running:  # fmt: skip
        assert running.stdout is not None
        said = running.stdout.readline()
        running.terminate()
        assert running.wait(20) in (0, -15), line
    return said


@pytest.mark.spec("OPS-4")
@pytest.mark.parametrize("block", of_kind("commands"), ids=str)
def test_commands_of_the_pages_can_be_called(block, shell, tmp_path):
    """Each line, as it stands, with a real daemon and an instruction that is being worked on: exit 0 and an answer."""
    tree = Tree(tmp_path, {"settle": "0.2 seconds"})
    for desk in DESKS:
        (tree.root / INBOX / desk).mkdir(parents=True, exist_ok=True)
    tree.case("acme-42", ["T1", "T3"])
    tree.task("acme-42", "T1")
    tree.task("acme-42", "T3")
    tree.start()
    tree.until(lambda: len(tree.inbox(HOLDER)) == 2, "not dispatched")
    known = environment(PATH=f"{shell}:{os.environ['PATH']}", EXECUTORD_MEMORY=str(tree.root), HOME=str(tmp_path))
    for line in lines_of(block):
        line = re.sub(r"--until \S+", "--until 2100-01-01T00:00:00Z", line)  # the moment of the page is over by now
        assert called(line, tmp_path, known), f"{line} says nothing"
    assert tree.stop() == 0


@pytest.mark.spec("OPS-2")
@pytest.mark.parametrize("block", of_kind("install"), ids=str)
def test_the_first_steps_of_an_operator_can_be_taken(block, shell, tmp_path):
    """What follows the installation, as it stands: a memory, a machine that is fit for it, a daemon that watches."""
    said = {}
    for line in lines_of(block):
        if not line.startswith("executord "):
            assert re.match(r"(?:uv tool|pipx|pip) install executord$", line), line
            continue
        line = line.replace("/srv/agent_memory", str(tmp_path / "agent_memory"))
        known = environment(PATH=f"{shell}:{os.environ['PATH']}", HOME=str(tmp_path))
        said[line.split()[1]] = called(line, tmp_path, known)
    assert set(said) == {"init", "doctor", "run"}
    assert "is ready" in said["init"]
    assert "watching 0 instructions" in said["run"]


@pytest.mark.spec("SES-1")
@pytest.mark.parametrize("block", of_kind("team"), ids=str)
def test_session_commands_of_the_pages_can_be_called(block, shell, tmp_path):
    """On a session as the sample has one, with its workers: valid, run to its end, and shown."""
    shutil.copytree(SAMPLE / "_sessions/TC-status-page", tmp_path / "TC-checkout", symlinks=True)
    worker = shell / "my-worker"
    team = SAMPLE / "_workers/team.py"
    worker.write_text(f'#!/bin/sh\n[ "$1" = --quiet ] && exec "{sys.executable}" "{team}"\n')
    worker.chmod(0o755)
    known = environment(PATH=f"{shell}:{os.environ['PATH']}", HOME=str(tmp_path))
    said = "".join(called(line, tmp_path, known) for line in lines_of(block))
    assert "valid: " in said
    shown = subprocess.run(["executord", "--json", "session", "status", "--session=TC-checkout"], cwd=tmp_path,
                           env=known, capture_output=True, text=True, check=True)  # fmt: skip
    assert json.loads(shown.stdout)["percent"] == 100


# --- data -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("MSG-9")
@pytest.mark.parametrize("block", of_kind("letter"), ids=str)
def test_letters_of_the_pages_are_what_their_schema_says(block):
    """A message whose time comes only after much else, which stories play: whole, by the published schema."""
    body = yaml.safe_load(block.text)
    assert [e.message for e in Draft202012Validator(schemas.schema_of("message")).iter_errors(body)] == []


@pytest.mark.spec("SES-11")
@pytest.mark.parametrize("block", of_kind("discovery"), ids=str)
def test_a_result_of_a_session_counts_as_the_page_shows_it(block, shell, tmp_path):
    """A worker that leaves exactly these bytes has done its task."""
    session = tmp_path / "TC-one"
    roles = [{"name": "dev", "prefix": "DEV", "role_spec": "role-specs/dev.md"}]
    files = {
        "team-session.json": {"session_id": "TC-one", "task_description": "make it fast", "status": "active",
                              "team_name": "shop", "roles": roles, "completion_action": "auto_keep"},
        "task-analysis.json": {"capabilities": [{"name": "dev"}], "dependency_graph": {"DEV-001": []}, "roles": roles},
    }  # fmt: skip
    for name, body in files.items():
        drop(session / name, json.dumps(body))
    drop(session / "artifacts/pool.md", "the pool\n")
    spec = (SAMPLE / "_sessions/TC-status-page/role-specs").glob("*.md")
    text = re.sub(r"(?m)^(role|prefix): .*$", lambda hit: f"{hit[1]}: {'dev' if hit[1] == 'role' else 'DEV'}",
                  next(iter(sorted(spec))).read_text(encoding="utf-8"))  # fmt: skip
    drop(session / "role-specs/dev.md", text)
    worker = shell / "worker"
    worker.write_text(f"#!/bin/sh\ncat > \"$EXECUTORD_RESULT.tmp\" <<'END'\n{block.text}END\n"
                      'mv "$EXECUTORD_RESULT.tmp" "$EXECUTORD_RESULT"\n')  # fmt: skip
    worker.chmod(0o755)
    known = environment(PATH=f"{shell}:{os.environ['PATH']}", HOME=str(tmp_path))
    done = subprocess.run(["executord", "session", "run", f"--session={session}", "--worker", str(worker)],
                          env=known, capture_output=True, text=True, timeout=90, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((session / "discoveries/DEV-001.json").read_text()) == json.loads(block.text)
    shown = subprocess.run(["executord", "--json", "session", "status", f"--session={session}"],
                           env=known, capture_output=True, text=True, check=True)  # fmt: skip
    assert [row["status"] for row in json.loads(shown.stdout)["tasks"]] == ["completed"]


# --- the worker in three forms ----------------------------------------------------------------------------------------


def obeyed(prompt: str, root: Path) -> None:
    """What an agent does that takes the prompt by its word, and knows nothing else."""
    steps = dict(re.findall(r"(?ms)^(\d)\. (.*?)(?=^\d\. |\Z)", prompt))
    assert sorted(steps) == ["1", "2", "3", "4", "5"]
    inbox = re.search(r"Your inbox is (\S+)/\.", prompt)
    target = re.search(r"to (\S+)/\.NAME\.tmp and rename it to NAME\.yaml", steps["2"])
    answers = [re.search(r"\((\w+)\)", steps[k]) for k in ("2", "4")]
    pattern = re.search(r"For each (\S+) there", prompt)
    folder, done = re.search(r"the folder that `(\w+)` names", steps["3"]), re.search(r"to (\S+)/ in your", steps["5"])
    assert all((inbox, target, *answers, pattern, folder, done))
    assert inbox is not None
    assert target is not None
    assert pattern is not None
    assert folder is not None
    assert done is not None
    for letter in sorted((root / inbox[1]).glob(pattern[1])):
        order = yaml.safe_load(letter.read_text())
        for key in re.findall(r"`(\w+)`", steps["1"]):
            assert key in order, f"the prompt speaks of {key}"
        (root / order[folder[1]]).mkdir(parents=True, exist_ok=True)
        (root / order[folder[1]] / "notes.md").write_text("looked into it\n")
        for answer in answers:
            assert answer is not None
            text = order["reply_with"][answer[1]]
            if answer is answers[1]:
                own = {"summary": "It is done.", "output": "all is well", "outputs": ["notes.md"]}
                said = {
                    key: own[key] for key in re.findall(r"`(\w+)`", steps["4"].split("If you cannot")[0]) if key in own
                }
                text = yaml.safe_dump({**yaml.safe_load(text), **said})
            name = f"{letter.stem}-{answer[1]}"
            (root / target[1] / f".{name}.tmp").write_text(text)
            (root / target[1] / f".{name}.tmp").rename(root / target[1] / f"{name}.yaml")
        (root / inbox[1] / done[1]).mkdir(exist_ok=True)
        letter.rename(root / inbox[1] / done[1] / letter.name)


@pytest.mark.spec("MSG-8", "OPS-17")
@pytest.mark.parametrize("language", ["sh", "python", "text"])
def test_the_worker_in_three_forms_with_a_real_daemon(language, tmp_path):
    """In shell, in Python, and as a prompt that is taken by its word: two tasks are handed out, done and verified."""
    (block,) = [b for b in of_kind("worker") if b.language == language]
    tree = Tree(tmp_path, {"settle": "0.2 seconds"})
    tree.case("acme-42", ["T1", "T3"], tier=2)
    tree.task("acme-42", "T1")
    tree.task("acme-42", "T3")
    tree.start()
    program = {"sh": ["bash", "-eu", "-c"], "python": [sys.executable, "-c"]}.get(language)
    for task in ("T1", "T3"):
        name = f"acme-42.{task}.a1.delegation.yaml"
        tree.until(lambda name=name: name in tree.inbox(HOLDER), f"{task} is not handed out")
        if program is None:
            obeyed(block.text, tree.root)
        else:
            subprocess.run([*program, block.text], env={**os.environ, "MEMORY": str(tree.root), "AGENT": HOLDER},
                           cwd=tmp_path, check=True, timeout=60)  # fmt: skip
        tree.until(lambda task=task: task in tree.completed("acme-42"), f"{task} is not verified")
    lines = [line["name"] for line in tree.journal("acme-42")]
    assert not [name for name in lines if name.startswith(("rework", "reject", "remind"))]
    assert not list((tree.root / INBOX / "executor").glob(".rejected/*/*"))
    assert tree.stop() == 0
