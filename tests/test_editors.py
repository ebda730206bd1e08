"""Editors and hooks: what people write is checked where they write it, by the schemas that we publish [MSG-9].

check-jsonschema stands for the editor: it reads YAML and names the place of a fault, as yaml-language-server does.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from executord import schemas, settings
from executord.messages import MESSAGES
from executord.schemas.given import example_of
from tests.docs_tables import SAMPLE
from tests.test_docs import environment, of_kind

ROOT = Path(__file__).parent.parent
PLACES = {"instruction": "*/instruction.yaml", "plan": "*/workflow/plan.yaml", "task": "*/tasks/pending/*.yaml"}

#: What is wrong, of which kind, and where an editor underlines it.
WRONG = [
    ("task", "id: T1\ncommunication_required: sometimes\n", "$.communication_required"),
    ("task", "assigned_to: {primary: [a, b]}\n", "$.assigned_to.primary"),
    ("task", "task: {id: T1, workstream: 7}\n", "$.task.workstream"),
    ("task", "title: [a, b]\n", "$.title"),
    ("task", "- id: T1\n", "$"),
    ("instruction", "customer: {name: Acme, timezone: 1}\n", "$.customer.timezone"),
    ("instruction", "stakeholders: everyone\n", "$.stakeholders"),
    ("instruction", "title: x\nincident: maybe\n", "$.incident"),
    ("instruction", "deliverable_type: [a]\n", "$.deliverable_type"),
    ("plan", "tier: 3\ncheckpoints:\n  - {id: cp, before: [T3]}\n", "$.checkpoints[0]"),
    ("plan", "phases: {first: [T1]}\n", "$.phases"),
    ("plan", "tasks: T1\n", "$.tasks"),
    ("calendar", "weekly: {day8: [['09:00', '17:00']]}\n", "$.weekly"),
    ("calendar", "weekly: {mon: [['09:00']]}\n", "$.weekly.mon[0]"),
    ("config", "rooster: {}\n", "$"),
    ("config", "durability: perhaps\n", "$.durability"),
    ("config", "roster: {anna: {capacity: many}}\n", "$.roster.anna.capacity"),
    ("config", "limits: {yaml_depth: deep}\n", "$.limits.yaml_depth"),
    ("config", "domains: {support: true}\n", "$.domains"),
    ("config", "policies:\n  - match: {priority: high}\n    respond: 1 hour\n", "$.policies[0]"),
    ("message", "type: completion\nsummary: done\noutput: fine\n", "$"),
    ("message", "type: dnoe\nfrom: a\n", "$.type"),
    ("message", "type: blocked\nfrom: a\ninstruction_id: {x: 1}\n", "$.instruction_id"),
    ("message.cancel", "type: cancel\nfrom: operator\ntask_id: T1\n", "$"),
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


@pytest.mark.spec("MSG-9")
def test_every_sample_file_is_accepted(tmp_path):
    """Instructions, plans and tasks of the sample, the generated configuration, the documented messages and pages."""
    assert {kind: len(paths) > 5 for kind, paths in samples().items()} == dict.fromkeys(PLACES, True)
    for kind, paths in samples().items():
        assert faults(kind, paths, tmp_path) == {}
    texts = {"config": [settings.generate(), *(b.text for b in of_kind("config"))],
             "message": [yaml.safe_dump(example_of(k)) for k in MESSAGES.values()]
             + [b.text for b in of_kind("message")]}  # fmt: skip
    for kind, each in texts.items():
        paths = [tmp_path / f"{kind}-{n}.yaml" for n in range(len(each))]
        for path, text in zip(paths, each, strict=True):
            path.write_text(text, encoding="utf-8")
        assert faults(kind, paths, tmp_path) == {}


@pytest.mark.spec("MSG-9")
def test_wrong_files_are_refused_at_the_right_place(tmp_path):
    """Two dozen mistakes that people make, each underlined where it stands."""
    assert len(WRONG) >= 20
    for kind in sorted({kind for kind, _, _ in WRONG}):
        wrong = {}
        for n, (_, text, place) in enumerate(row for row in WRONG if row[0] == kind):
            path = tmp_path / f"{kind}-{n}.yaml"
            path.write_text(text, encoding="utf-8")
            wrong[path] = place
        found = faults(kind, list(wrong), tmp_path)
        missed = {p.read_text(): (place, found.get(str(p))) for p, place in wrong.items()
                  if place not in found.get(str(p), set())}  # fmt: skip
        assert not missed


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
