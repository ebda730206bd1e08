"""Editors and hooks: what people write is checked where they write it, by the schemas that we publish [MSG-9].

Each file goes through check-jsonschema and, where `make editors` has put it in place, yaml-language-server itself,
which says at which line and column an editor underlines. The same target brings pre-commit, which then runs the hooks.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from executord import schemas, settings
from executord.messages import MESSAGES
from executord.schemas.given import example_of
from tests import language_server
from tests.docs_tables import SAMPLE
from tests.language_server import LanguageServer
from tests.test_docs import environment, of_kind

ROOT = Path(__file__).parent.parent
PRE_COMMIT = ROOT / "build/editors/venv/bin/pre-commit"
PLACES = {"instruction": "*/instruction.yaml", "plan": "*/workflow/plan.yaml", "task": "*/tasks/pending/*.yaml"}

#: Of which kind, what is wrong, the place as a path, and the line and column at which an editor underlines it.
WRONG = [
    ("task", "id: T1\ncommunication_required: sometimes\n", "$.communication_required", (2, 25)),
    ("task", "assigned_to: {primary: [a, b]}\n", "$.assigned_to.primary", (1, 24)),
    ("task", "task: {id: T1, workstream: 7}\n", "$.task.workstream", (1, 28)),
    ("task", "title: [a, b]\n", "$.title", (1, 8)),
    ("task", "- id: T1\n", "$", (1, 1)),
    ("instruction", "customer: {name: Acme, timezone: 1}\n", "$.customer.timezone", (1, 34)),
    ("instruction", "stakeholders: everyone\n", "$.stakeholders", (1, 15)),
    ("instruction", "title: x\nincident: maybe\n", "$.incident", (2, 11)),
    ("instruction", "deliverable_type: [a]\n", "$.deliverable_type", (1, 19)),
    ("plan", "tier: 3\ncheckpoints:\n  - {id: cp, before: [T3]}\n", "$.checkpoints[0]", (3, 5)),
    ("plan", "phases: {first: [T1]}\n", "$.phases", (1, 9)),
    ("plan", "tasks: T1\n", "$.tasks", (1, 8)),
    ("calendar", "weekly: {day8: [['09:00', '17:00']]}\n", "$.weekly", (1, 10)),
    ("calendar", "weekly: {mon: [['09:00']]}\n", "$.weekly.mon[0]", (1, 16)),
    ("config", "rooster: {}\n", "$", (1, 1)),
    ("config", "durability: perhaps\n", "$.durability", (1, 13)),
    ("config", "roster: {anna: {capacity: many}}\n", "$.roster.anna.capacity", (1, 27)),
    ("config", "limits: {yaml_depth: deep}\n", "$.limits.yaml_depth", (1, 22)),
    ("config", "domains: {support: true}\n", "$.domains", (1, 10)),
    ("config", "policies:\n  - match: {priority: high}\n    respond: 1 hour\n", "$.policies[0]", (3, 5)),
    ("message", "type: completion\nsummary: done\noutput: fine\n", "$", (1, 1)),
    ("message", "type: dnoe\nfrom: a\n", "$.type", (1, 7)),
    ("message", "type: blocked\nfrom: a\ninstruction_id: {x: 1}\n", "$.instruction_id", (3, 17)),
    ("message.cancel", "type: cancel\nfrom: operator\ntask_id: T1\n", "$", (1, 1)),
]


def faults(kind: str, paths: list[Path], folder: Path) -> dict[str, set[str]]:
    """For each file that is refused, the places that check-jsonschema names."""
    schema = folder / f"{kind}.schema.json"
    schema.write_text(schemas.text_of(kind), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "-o", "json", "--schemafile", str(schema), *map(str, paths)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(done.stdout)
    assert not said.get("parse_errors")
    found: dict[str, set[str]] = {}
    for each in said.get("errors", []):
        deep = each.get("best_deep_match") or {}
        found.setdefault(each["filename"], set()).update({each["path"], deep.get("path", each["path"])})
    assert (done.returncode == 0) == (not found)
    return found


@cache
def samples() -> dict[str, list[Path]]:
    """The files of the sample memory that people edit, by kind."""
    return {kind: sorted(SAMPLE.glob(pattern)) for kind, pattern in PLACES.items()}


def given(folder: Path) -> dict[str, list[Path]]:
    """The generated configuration and all that the pages show, as files that name their schema."""
    texts = {
        "config": [settings.generate(), *(b.text for b in of_kind("config"))],
        "message": [yaml.safe_dump(example_of(k)) for k in MESSAGES.values()] + [b.text for b in of_kind("message")],
        "task": [b.text for b in of_kind("task")],
        "instruction": [b.text for b in of_kind("instruction")],
        "plan": [b.text for b in of_kind("plan")],
    }
    for kind, each in texts.items():
        for n, text in enumerate(each):
            written(folder / f"{kind}-{n}.yaml", kind, text)
    return {kind: [folder / f"{kind}-{n}.yaml" for n in range(len(each))] for kind, each in texts.items()}


def written(path: Path, kind: str, text: str) -> Path:
    """A file whose first line names its schema, where alone an editor looks for it; and the schema beside it."""
    path.with_name(f"{kind}.schema.json").write_text(schemas.text_of(kind), encoding="utf-8")
    path.write_text(f"# yaml-language-server: $schema={kind}.schema.json\n{text}", encoding="utf-8")
    return path


@pytest.mark.spec("MSG-9")
def test_every_sample_file_is_accepted(tmp_path):
    """Instructions, plans and tasks of the sample, the generated configuration, the documented messages and pages."""
    assert {kind: len(paths) > 5 for kind, paths in samples().items()} == dict.fromkeys(PLACES, True)
    for kind, paths in samples().items():
        assert faults(kind, paths, tmp_path) == {}
    for kind, paths in given(tmp_path).items():
        assert faults(kind, paths, tmp_path) == {}


@pytest.mark.spec("MSG-9")
def test_wrong_files_are_refused_at_the_right_place(tmp_path):
    """Two dozen mistakes that people make, each underlined where it stands."""
    assert len(WRONG) >= 20
    for kind in sorted({kind for kind, _, _, _ in WRONG}):
        wrong = {}
        for n, (_, text, place, _) in enumerate(row for row in WRONG if row[0] == kind):
            path = tmp_path / f"{kind}-{n}.yaml"
            path.write_text(text, encoding="utf-8")
            wrong[path] = place
        found = faults(kind, list(wrong), tmp_path)
        missed = {p.read_text(): (place, found.get(str(p))) for p, place in wrong.items()
                  if place not in found.get(str(p), set())}  # fmt: skip
        assert not missed


@pytest.fixture
def server() -> Iterator[LanguageServer]:
    """yaml-language-server; skipped where it is not."""
    if reason := language_server.missing():
        pytest.skip(reason)
    with LanguageServer() as running:
        yield running


@pytest.mark.spec("MSG-9")
def test_the_language_server_accepts_every_sample_file(server, tmp_path):
    """The sample memory by the schemas that its own files name, the generated configuration, what the pages show."""
    paths = [path for each in (samples(), given(tmp_path)) for found in each.values() for path in found]
    assert len(paths) > 100
    assert {str(path): said for path in paths if (said := server.faults(path))} == {}


@pytest.mark.spec("MSG-9")
def test_the_language_server_underlines_what_is_wrong(server, tmp_path):
    """Each mistake, and nothing else, at its line and column."""
    found = {}
    for n, (kind, text, _, _) in enumerate(WRONG):
        said = server.faults(written(tmp_path / f"{n}.yaml", kind, text))
        found[kind, text] = [(line - 1, column) for line, column, _ in said]
    assert found == {(kind, text): [at] for kind, text, _, at in WRONG}


@pytest.mark.spec("MSG-9")
def test_the_language_server_completes(server, tmp_path):
    """It offers the keys that may stand there, and the words that a key takes."""
    path = written(tmp_path / "config.yaml", "config", "memory: /srv/agent_memory\ndurability: \n\n")
    assert {"full", "process"} <= server.completions(path, 3, 13)
    assert {"timezone", "policies", "roster"} <= server.completions(path, 4, 1)
    task = written(tmp_path / "task.yaml", "task", "id: T1\ncommunication_required: \n\n")
    assert {"internal", "customer", "both"} <= server.completions(task, 3, 25)
    assert {"assigned_to", "depends_on", "acceptance_criteria"} <= server.completions(task, 4, 1)


@pytest.mark.spec("MSG-9")
def test_files_that_people_edit_name_their_schema(tmp_path):
    """In the sample, in what `submit` writes, in the generated configuration: a line leads to the schema itself."""
    run = [sys.executable, "-m", "executord"]
    memory = tmp_path / "memory"
    subprocess.run([*run, "init", str(memory)], check=True, env=environment(), capture_output=True)
    whole = {"instruction": {"id": "acme-1", "title": "x"}, "plan": {"tier": 1}, "tasks": [{"id": "T1", "title": "y"}]}
    subprocess.run([*run, "--memory", str(memory), "submit", "-"], input=json.dumps(whole), text=True, check=True,
                   env=environment(), capture_output=True)  # fmt: skip
    for root in (SAMPLE, memory):
        for kind, pattern in PLACES.items():
            paths = sorted(root.glob(pattern))
            assert paths
            for path in paths:
                line = path.read_text(encoding="utf-8").splitlines()[0]
                named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", line)
                assert named is not None, path
                schema = path.parent / named[1]
                assert schema.read_text(encoding="utf-8") == schemas.text_of(kind), f"{path}: renew the schemas"
    subprocess.run([*run, "config", "generate", "-o", "config.yaml"], check=True, env=environment(), cwd=tmp_path)
    subprocess.run([*run, "schema", "config", "--write", "."], check=True, env=environment(), cwd=tmp_path,
                   capture_output=True)  # fmt: skip
    assert "$schema=config.schema.json\n" in (tmp_path / "config.yaml").read_text()
    assert json.loads((tmp_path / "config.schema.json").read_text()) == schemas.schema_of("config")


@pytest.mark.spec("MSG-9", "CON-10")
def test_the_hooks_for_pre_commit_find_what_is_wrong(tmp_path):
    """Each hook's program, given files as pre-commit gives them: good ones pass, a wrong one fails with its place."""
    hooks = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    good = {"executord-validate": "acme/tasks/pending/T1.yaml", "executord-config": "executord.yaml",
            "executord-calendar": "calendars/office.yaml"}  # fmt: skip
    texts = {"executord-validate": ("title: x\n", "title: x\ndeadline: soonish\n"),
             "executord-config": ("settle: 2 seconds\n", "settle: 5\n"),
             "executord-calendar": ("timezone: UTC\n", "timezone: Moon/Base\n")}  # fmt: skip
    assert set(hooks) == set(good)
    for name, hook in hooks.items():
        assert re.search(hook["files"], good[name])
        assert not re.search(hook["files"], "README.md")
        path = tmp_path / good[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        for text, code in zip(texts[name], (0, 65), strict=True):
            path.write_text(text, encoding="utf-8")
            program = [sys.executable, "-m", *hook["entry"].split(), good[name]]
            done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment())
            assert done.returncode == code, (name, text, done.stdout + done.stderr)
            assert code == 0 or f"{good[name]}:" in done.stdout


@pytest.mark.slow
@pytest.mark.spec("MSG-9", "CON-10")
def test_pre_commit_runs_the_hooks(tmp_path):
    """pre-commit itself, on a memory that is kept in git: it installs the hooks from a clone, and stops the commit."""
    if not PRE_COMMIT.exists() or shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs pre-commit (`make editors` installs it), git, and a clone")
    known = environment(PRE_COMMIT_HOME=str(tmp_path / "hooks"), HOME=str(tmp_path), GIT_CONFIG_NOSYSTEM="1")
    del known["PYTHONPATH"]
    memory, clone = tmp_path / "memory", tmp_path / "clone"

    def git(*words: str, cwd: Path = memory) -> str:
        who = ("-c", "user.name=anna", "-c", "user.email=anna@support.example")
        done = subprocess.run(["git", *who, *words], cwd=cwd, env=known, capture_output=True, text=True, check=False)
        return f"{done.returncode} {done.stdout}{done.stderr}"

    git("clone", "--quiet", str(ROOT), str(clone), cwd=ROOT)
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", clone)
    revision = git("rev-parse", "HEAD", cwd=clone).split()[1]
    hooks = [{"id": name} for name in ("executord-validate", "executord-config", "executord-calendar")]
    (memory / "acme/tasks/pending").mkdir(parents=True)
    (memory / "calendars").mkdir()
    git("init", "--quiet")
    (memory / ".pre-commit-config.yaml").write_text(
        yaml.safe_dump({"repos": [{"repo": str(clone), "rev": revision, "hooks": hooks}]})
    )
    subprocess.run([str(PRE_COMMIT), "install"], cwd=memory, env=known, check=True, capture_output=True)
    (memory / "acme/tasks/pending/T1.yaml").write_text("title: x\n")
    (memory / "executord.yaml").write_text("settle: 2 seconds\n")
    git("add", "-A")
    said = git("commit", "-m", "first")
    if "An unexpected error has occurred" in said and "pip" in said:
        pytest.skip(f"pre-commit cannot install the hooks here: {said.splitlines()[-1]}")
    assert said.startswith("0 "), said
    (memory / "acme/tasks/pending/T2.yaml").write_text("title: x\ndeadline: soonish\n")
    (memory / "executord.yaml").write_text("settle: 5\n")
    (memory / "calendars/office.yaml").write_text("timezone: Moon/Base\n")
    git("add", "-A")
    said = git("commit", "-m", "second")
    assert said.startswith("1 "), said
    for place in ("acme/tasks/pending/T2.yaml:2:11 ", "executord.yaml:1:9 ", "calendars/office.yaml:1:"):
        assert f"error {place}" in said
    assert git("log", "--oneline").count("first") == 1
    assert "second" not in git("log", "--oneline")
