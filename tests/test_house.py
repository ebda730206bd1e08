"""The house is in order: packaging, licence, units, size of files, docstrings."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import executord
from tests.spec_report import known_ids

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "daemon" / "executord").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SYSTEM_UNITS = ["executord.service", "executord@.service"]
CHECK_UNITS = ["executord-check.service", "executord-check@.service"]
WEB_UNITS = ["executord-web.service", "executord-web@.service"]
WEB_SOCKETS = ["executord-web.socket", "executord-web@.socket"]
USER_WEB = ["user/executord-web.service", "user/executord-web.socket"]
UNITS = [*SYSTEM_UNITS, "user/executord.service"]
MOST_LINES = 600

needs_systemd_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")


def settings_of(unit: str) -> dict[str, list[str]]:
    """The settings of a unit file; a key may stand there several times."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "systemd" / unit).read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith(("#", ";", "[")):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def with_a_program_that_exists(unit: str, folder: Path) -> Path:
    """A copy of a unit that can be verified where executord is not installed; the template as one instance."""
    copy = folder / unit.replace("@", "@srv-acme").rpartition("/")[2]
    text = (ROOT / "systemd" / unit).read_text(encoding="utf-8")
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={shutil.which('true')}", text), encoding="utf-8")
    return copy


# --- packaging ---


@pytest.mark.spec("OPS-3")
def test_the_base_dependencies_are_these_and_no_others():
    """Whoever installs executord gets these seven packages and what they need."""
    assert PROJECT["project"]["dependencies"] == [
        "watchdog>=7.1,<8",
        "pyyaml",
        "pydantic>=2",
        "apscheduler>=3.11,<4",
        "loguru",
        "typer",
        "tzdata",
    ]


@pytest.mark.spec("OPS-3")
def test_everything_else_is_an_extra():
    """The extras are seven, and none of them is empty."""
    extras = PROJECT["project"]["optional-dependencies"]
    assert list(extras) == ["holidays", "ics", "notify", "web", "metrics", "mcp", "nats"]
    assert all(extras.values())


@pytest.mark.spec("OPS-3")
def test_name_command_python_and_source_root():
    """hatchling, source root `daemon/`, package and command `executord`, Python 3.11 and newer, MIT."""
    project = PROJECT["project"]
    assert PROJECT["build-system"]["build-backend"] == "hatchling.build"
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["daemon/executord"]
    assert project["name"] == "executord"
    assert project["scripts"] == {"executord": "executord.cli:main"}
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")


def test_the_version_stands_in_one_place():
    """`__version__` is the version of the package, and the changelog speaks of it."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "daemon/executord/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", executord.__version__)
    assert executord.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_lock_names_public_indexes_only():
    """No private host and no path of somebody's machine in `uv.lock`."""
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert set(re.findall(r"\w+://[^/\"]+", text)) == {"https://pypi.org", "https://files.pythonhosted.org"}
    assert set(re.findall(r"(?:path|editable|directory) = \"([^\"]*)\"", text)) <= {"."}


def test_spec_ids_are_well_formed():
    """Every line of `docs/spec-ids.txt` is an id and a title."""
    bad = {
        spec_id: title
        for spec_id, title in known_ids().items()
        if not re.fullmatch(r"[A-Z]{3,4}-E?\d+", spec_id) or not title
    }
    assert not bad


# --- systemd ---


@pytest.mark.spec("OPS-11")
@pytest.mark.parametrize("unit", UNITS)
def test_the_service_tells_systemd_how_it_is_and_is_restarted(unit):
    """Type=notify with a watchdog; restarted on failure, but not for a wrong configuration or call."""
    found = settings_of(unit)
    assert found["Type"] == ["notify"]
    assert found["Restart"] == ["on-failure"]
    assert found["RestartPreventExitStatus"] == ["78 2"]
    assert found["StateDirectory"][0].startswith("executord")
    # The canary of the watcher comes every 30 s: two may be late before the service counts as stuck.
    assert int(found["WatchdogSec"][0].removesuffix("s")) > 60
    assert re.search(r"/executord( --state %S/executord/%i)? run$", found["ExecStart"][0])


@pytest.mark.spec("OPS-11")
@pytest.mark.parametrize("unit", UNITS)
def test_hardening_leaves_worker_programs_alone(unit):
    """The three settings that break worker programs are not there."""
    found = settings_of(unit)
    for breaks in ("MemoryDenyWriteExecute", "ProcSubset", "ProtectControlGroups"):
        assert breaks not in found
    assert found["NoNewPrivileges"] == ["yes"]


@pytest.mark.spec("OPS-11")
@pytest.mark.parametrize("name", SYSTEM_UNITS)
def test_people_share_the_tree_with_a_fixed_user(name):
    """A user by sysusers.d, a tree of mode 2770 by tmpfiles.d, files that the group may change."""
    found = settings_of(name)
    assert found["User"] == found["Group"] == ["executord"]
    assert found["UMask"] == ["0007"]
    assert "DynamicUser" not in found
    assert "\nu executord " in (ROOT / "systemd/sysusers.d/executord.conf").read_text(encoding="utf-8")
    assert "\nd /srv/agent_memory 2770 executord executord" in (ROOT / "systemd/tmpfiles.d/executord.conf").read_text(
        encoding="utf-8"
    )
    tree = [value.partition("=")[2] for value in found["Environment"] if value.startswith("EXECUTORD_MEMORY=")]
    assert found["ReadWritePaths"] == [f"-{tree[0]}"]


@pytest.mark.parametrize("unit", UNITS)
def test_workers_go_on_when_the_service_stops(unit):
    """Only the main process is signalled, and worker groups stand below a delegated group."""
    found = settings_of(unit)
    assert found["KillMode"] == ["process"]
    assert found["Delegate"] == ["yes"]
    assert found["OOMPolicy"] == ["continue"]
    assert found.get("RemoveIPC", ["no"]) == ["no"]


@pytest.mark.spec("OPS-11")
def test_template_and_single_unit_differ_only_in_their_tree():
    """What is hardened in one is hardened in the other."""
    one, many = (settings_of(unit) for unit in SYSTEM_UNITS)
    of_the_tree = {
        "Description", "Environment", "EnvironmentFile", "ExecStart", "ReadWritePaths", "RequiresMountsFor",
    }  # fmt: skip
    assert {key for key in one | many if one.get(key) != many.get(key)} == of_the_tree


@pytest.mark.spec("OPS-11", "OPS-21")
def test_no_folder_of_systemd_is_named_by_the_instance():
    """Its name holds a backslash for every path with a `-`; systemd 257 starts no unit with such a folder."""
    made = settings_of("executord@.service")
    folders = {key: value for key, value in made.items() if key.endswith("Directory")}
    assert set(folders) >= {"StateDirectory", "LogsDirectory", "ConfigurationDirectory"}
    assert not any("%" in str(value) for value in folders.values())


@pytest.mark.spec("OPS-11", "OPS-16")
@pytest.mark.parametrize("unit", WEB_UNITS)
def test_the_web_pages_can_only_read(unit):
    """A user of its own, nothing may be written, no network but the socket that it is given; it works by itself."""
    found = settings_of(unit)
    assert found["DynamicUser"] == found["PrivateNetwork"] == ["yes"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["ReadOnlyPaths"] == ["-%f" if "@" in unit else "-/srv/agent_memory"]
    assert not {key for key in found if key.endswith("Directory") or key == "ReadWritePaths"}
    socket = unit.replace("@.service", "@%i.socket").replace(".service", ".socket")
    assert found["Requires"] == [socket], "and not the daemon"
    assert settings_of(unit.replace(".service", ".socket"))["ListenStream"] == ["127.0.0.1:8614"]


@needs_systemd_analyze
@pytest.mark.spec("OPS-11")
@pytest.mark.parametrize("name", [*SYSTEM_UNITS, *CHECK_UNITS, *WEB_UNITS])
def test_exposure_is_at_most_1_8(name, tmp_path):
    """`systemd-analyze security` sees an exposure of 1.8 or less."""
    unit = with_a_program_that_exists(name, tmp_path)
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=18", "--no-pager", f"./{unit.name}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze is too old for --offline")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_systemd_analyze
@pytest.mark.spec("OPS-11")
@pytest.mark.parametrize("unit", [*UNITS, *CHECK_UNITS, *WEB_UNITS, *WEB_SOCKETS, *USER_WEB])
def test_systemd_has_nothing_to_say_about_the_units(unit, tmp_path):
    """`systemd-analyze verify` prints nothing."""
    copy = with_a_program_that_exists(unit, tmp_path)
    if "-web" in unit:  # a socket and its service are looked at together
        with_a_program_that_exists(unit.replace(".socket", ".service"), tmp_path)
        with_a_program_that_exists(unit.replace(".service", ".socket"), tmp_path)
    whose = ["--user"] if unit.startswith("user/") else ["--system"]
    done = subprocess.run(
        ["systemd-analyze", *whose, "verify", "--man=no", f"./{copy.name}"],
        cwd=tmp_path, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


# --- the sources ---


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """What a module offers: functions and classes without a leading underscore; methods speak through their class."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def test_no_module_is_longer_than_600_lines():
    """A longer module has two subjects."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    too_long = {name: length for name, length in lengths.items() if length > MOST_LINES}
    assert not too_long, "split them by subject"


def test_who_catches_everything_says_why():
    """Beside each broad `except` stands what it guards, or where the fault is seen."""
    broad = re.compile(r"except (?:Base)?Exception\b|suppress\((?:Base)?Exception\)")
    silent = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if broad.search(line) and "  # " not in line
    ]
    assert not silent, "catches everything and does not say why:\n" + "\n".join(silent)


def test_what_is_public_has_a_docstring():
    """Modules, public classes and functions say in one sentence what they are."""
    silent = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        if tree.body and not ast.get_docstring(tree):
            silent.append(f"{path.relative_to(ROOT)}: the module")
        silent += [
            f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
            for node in public(tree)
            if not ast.get_docstring(node)
        ]
    assert not silent, "no docstring:\n" + "\n".join(silent)
