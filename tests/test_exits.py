"""Every exit code of the one table, provoked from outside by the commands that have it [OPS-5, CON-18]."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from executord.errors import ExecutordError
from tests.test_simulate import lay

ROOT = Path(__file__).parent.parent
INBOX = "_communication/inbox"
START = "2026-11-20T09:00:00Z"
SUBMISSION = "instruction: {id: acme-42, title: x}\ntasks: [{id: T1, title: y}]\n"
CODES = {0, 1, 2, 65, 66, 69, 73, 75, 78, 124}

#: What a shell does beside the memory, and the code it ends with. `$E` is the command line; a daemon of its own holds
#: the memory `held`.
CALLS = [
    (0, "$E status --json"), (0, "$E validate"), (0, "$E fsck"), (0, "$E --version"), (0, "$E config generate"),
    (0, "$E init made"), (0, "$E run --once --memory fresh"), (0, "$E why acme-42/T1"), (0, "$E sla report"),
    (0, "$E run --until-idle --max-wait 20s --memory empty"), (0, "$E log | head -n 1"), (0, "$E incident list"),
    (0, "$E wait acme-42 --for executing --timeout 20s --memory held"), (0, "$E pause all --reason x --memory held"),
    (0, f"$E simulate . --start {START} --until +1m"), (0, "$E service install --dry-run"),
    (0, "$E hold acme-42 --reason x --no-wait"),
    (1, "$E gate acme-42"), (1, "$E doctor --config wrong.yaml"), (1, "$E fsck --memory torn"),
    (1, "$E sla due - --check < differs.json"),
    (2, "$E"), (2, "$E nonsense"), (2, "$E status --nonsense"), (2, "$E show"), (2, "$E run --once --until-idle"),
    (2, "$E wait acme-42 --for never"), (2, "$E sla due"), (2, "$E hold acme-42"), (2, "$E session run"),
    (65, "$E validate bad.yaml --kind task"), (65, "$E submit - < bad.yaml"), (65, "echo '{[' | $E sla due -"),
    (65, "echo type: praise | $E send - --memory held"),
    (66, "$E show nobody"), (66, "$E list --memory nowhere"), (66, "$E validate nowhere.yaml"), (66, "$E gate nobody"),
    (66, "$E run --memory nowhere"), (66, "$E retry T9 --reason x"), (66, "EXECUTORD_MEMORY=nowhere $E list"),
    (69, "$E hold acme-42 --reason x"), (69, "$E pause all --reason x"),
    (73, "$E submit - < again.yaml"), (73, "$E list > /dev/full"), (73, f"$E simulate . --start {START} --keep held"),
    (73, "$E report acme-42 -o /proc/nowhere/report.md"),
    (75, "$E run --memory held"), (75, "$E fsck --fix --memory held"),
    (78, "$E list --config wrong.yaml"), (78, "$E run --config nowhere.yaml"), (78, "$E config validate wrong.yaml"),
    (78, "EXECUTORD_SETTLE=5 $E list"),
    (124, "$E wait acme-42 --for closed --timeout 1s"), (124, "$E run --until-idle --max-wait 1s --memory busy"),
]  # fmt: skip


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A folder with memories in every condition, a daemon that holds one of them; the environment of a call."""
    here = tmp_path_factory.mktemp("exits")
    for name in ("memory", "held", "empty", "torn", "fresh", "busy"):
        (here / name / INBOX / "executor").mkdir(parents=True)
        if name != "empty":
            lay(here / name, "acme-42/instruction.yaml", {"title": "X", "tier": 1, "created_at": START})
            lay(here / name, "acme-42/tasks/pending/T1.yaml", {"id": "T1", "title": "y"})
    lay(here / "torn", "acme-42/tasks/completed/T1.yaml", {"id": "T1", "title": "y"})
    (here / "wrong.yaml").write_text("settle: 5\n")
    (here / "bad.yaml").write_text("{[\n")
    (here / "again.yaml").write_text(SUBMISSION)
    differs = '[{"calendar": "24x7", "start": "2026-01-01T00:00:00Z", "target_seconds": 60, "due_utc": "%s"}]'
    (here / "differs.json").write_text(differs % "2026-01-01T09:00:00Z")
    base = {
        "PATH": os.environ["PATH"], "HOME": str(here), "PYTHONPATH": str(ROOT / "daemon"), "HERE": str(here),
        "E": f"{sys.executable} -m executord", "EXECUTORD_MEMORY": "memory", "EXECUTORD_ROUND": "1 second",
    }  # fmt: skip
    daemon = subprocess.Popen(
        [sys.executable, "-m", "executord", "run", "--memory", "held"], cwd=here, env=base, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert daemon.stderr is not None
    assert any("watching" in line for line in iter(daemon.stderr.readline, ""))
    yield base
    daemon.terminate()
    daemon.communicate()
    assert daemon.returncode == 0


@pytest.mark.spec("OPS-5", "CON-18")
@pytest.mark.parametrize(("code", "line"), CALLS, ids=lambda each: str(each))
def test_each_code_comes_of_what_it_stands_for(code: int, line: str, shell: dict[str, str]):
    """The code, and where it is an error the reason on stderr; never a traceback."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], cwd=shell["HERE"], env=shell, capture_output=True, text=True,
        check=False, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if code not in (0, 1):
        assert done.stderr.strip()


@pytest.mark.spec("OPS-5", "CON-18")
def test_there_are_no_other_codes():
    """What errors carry, and what the table of the operator's page lists, are the codes of the contract, each shown."""
    carried = {0, ExecutordError.exit_code, *(kind.exit_code for kind in ExecutordError.__subclasses__())}
    table = (ROOT / "docs/operators.md").read_text(encoding="utf-8").split("<!-- made from the code: exits -->")[1]
    listed = {int(code) for code in re.findall(r"(?m)^\| (\d+) \|", table.split("<!-- end -->")[0])}
    assert CODES == carried == listed == {code for code, _ in CALLS}
    for path in sorted((ROOT / "daemon").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "typer.Exit" and node.args:
                given = node.args[0]
                assert not isinstance(given, ast.Constant) or given.value in CODES, path
