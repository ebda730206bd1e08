"""`init` and `service`: a memory that is ready, and a unit that runs it [OPS-2, OPS-11]."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from executord.cli import main
from executord.cli.units import escape, packaged
from executord.cli.welcome import README
from executord.files.store import Store
from executord.policy import DESKS, ROSTER, make_policy
from tests.real.kit import INBOX, Tree

ROOT = Path(__file__).parent.parent

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and no configuration of the machine's."""
    place = tmp_path / "home"
    place.mkdir()
    for name in ("EXECUTORD_MEMORY", "EXECUTORD_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.chdir(tmp_path)
    return place


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that notes how it is called; a user's systemd that seems to run. Its version: file `version`."""
    programs, notes = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    (tmp_path / "version").write_text("252")
    (programs / "systemctl").write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "systemd $(cat {tmp_path}/version) (x)"; exit; fi\n'
        f'echo "$@" >> {notes}\n[ ! -e {tmp_path}/broken ] || {{ echo "Unit is masked." >&2; exit 1; }}\n'
        'case "$*" in *show*) printf "ActiveState=active\\nSubState=running\\n";'
        ' printf "MainPID=42\\nUnitFileState=enabled\\n";; esac\n'
    )
    (programs / "systemctl").chmod(0o755)
    (tmp_path / "run/systemd").mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return notes


def run(*args: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    return int(ended.value.code or 0)


def files(root: Path) -> list[str]:
    """All files below a folder."""
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


# --- init -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-2")
def test_init_makes_a_memory_that_is_ready(tmp_path, capsys):
    """An inbox for the executor, every agent of the roster and every desk; a README; no instruction."""
    memory = tmp_path / "srv/agent_memory"
    assert run("init", str(memory)) == 0
    assert "is ready" in capsys.readouterr().out
    assert {p.name for p in (memory / INBOX).iterdir()} == {*ROSTER, *DESKS}
    assert {p.name for p in memory.iterdir()} == {"README.md", "_communication", "_knowledge", "_archive", "_system"}
    assert Store(str(memory), make_policy()).case_ids() == []


@pytest.mark.spec("OPS-2")
def test_init_again_changes_nothing(tmp_path, capsys):
    """What is there stays, also a README that somebody wrote; only what is missing comes."""
    memory = tmp_path / "mem"
    assert run("init", str(memory)) == 0
    (memory / "README.md").write_text("ours")
    (memory / INBOX / "hitl").rmdir()
    capsys.readouterr()
    assert run("--json", "init", str(memory)) == 0
    out = json.loads(capsys.readouterr().out)
    assert out == {"schema_version": 1, "memory": str(memory), "made": [str(memory / INBOX / "hitl")]}
    assert (memory / "README.md").read_text() == "ours"
    assert run("init", str(memory)) == 0
    assert "nothing was changed" in capsys.readouterr().out


def test_the_agents_of_the_configuration_have_inboxes_too(tmp_path):
    """A roster that is extended is known to `init`; without PATH it is the memory of the options."""
    (tmp_path / "c.yaml").write_text("roster: {field-engineer: {capacity: 1}}\n")
    assert run("--config", "c.yaml", "--memory", "mem", "init") == 0
    assert (tmp_path / "mem" / INBOX / "field-engineer").is_dir()


@pytest.mark.spec("CON-18")
def test_exit_codes_of_init(tmp_path):
    """A file in the way: 73; PATH twice: 2; a bad configuration: 78."""
    (tmp_path / "file").write_text("")
    assert run("init", "file") == 73
    assert run("init", "file/below") == 73
    (tmp_path / "mem").mkdir()
    (tmp_path / "mem/_communication").write_text("")
    assert run("init", "mem") == 73
    assert run("--memory", "a", "init", "b") == 2
    (tmp_path / "c.yaml").write_text("rooster: {}\n")
    assert run("--config", "c.yaml", "init", "c") == 78
    assert not (tmp_path / "c").exists()


@pytest.mark.spec("OPS-2", "MSG-8")
def test_what_the_readme_says_works(tmp_path):
    """Its example for those who give work and those for workers are taken by a real daemon."""
    tree = Tree(tmp_path, {"settle": "0.2 seconds"})
    blocks = [b.replace("\n    ", "\n").strip() + "\n" for b in re.findall(r"(?:^    .*\n)+", README, re.M)]
    work = next(b for b in blocks if b.startswith("instruction:"))
    answers = [b for b in blocks if b.startswith("type:")]
    assert [yaml.safe_load(a)["type"] for a in answers] == ["acknowledgement", "progress", "completion"]
    work = work.replace("T1", "T3").replace("{title: Checkout", "{id: acme-42, title: Checkout")
    submitted = tree.call("submit", "-", stdin=work)
    assert submitted.returncode == 0, submitted.stderr
    tree.start()
    tree.until(lambda: "acme-42.T3.a1.delegation.yaml" in tree.inbox("technical-support-engineer"), "not dispatched")
    log = tree.root / "acme-42/outputs/partial/T3/log.md"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("restarted\n")
    for k, each in enumerate(answers):
        tree.message(f"{k}.yaml", each)
    tree.until(lambda: "T3" in tree.completed("acme-42"), "an example of the README is not taken")
    assert not list((tree.root / INBOX / "executor").glob(".rejected/*/*"))
    assert tree.stop() == 0


# --- service ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-2", "OPS-11")
def test_a_dry_run_says_every_step_and_does_nothing(tmp_path, capsys):
    """Files and commands, in order; also as JSON."""
    assert run("--json", "service", "install", "--dry-run") == 0
    out = json.loads(capsys.readouterr().out)
    assert (out["unit"], out["memory"], out["dry_run"]) == ("executord.service", "/srv/agent_memory", True)
    assert out["steps"][0] == "write /etc/systemd/system/executord.service"
    assert out["steps"][-2:] == [
        "run systemctl daemon-reload", "run systemctl enable --now executord.service executord-check.timer",
    ]  # fmt: skip
    assert any("systemd-sysusers" in step for step in out["steps"])
    assert run("service", "install", "--dry-run", "--root", "image") == 0
    assert "would write" in capsys.readouterr().out
    assert not (tmp_path / "image").exists()


@needs_systemd
@pytest.mark.spec("OPS-11")
@pytest.mark.parametrize(
    ("memory", "unit"),
    [("/srv/agent_memory", "executord.service"), ("/srv/acme corp/m-1", "executord@srv-acme\\x20corp-m\\x2d1.service")],
)
def test_what_is_written_is_a_unit_that_systemd_takes(tmp_path, capsys, memory, unit):
    """One unit for the usual tree, an instance of the template for any other; verified by systemd itself."""
    assert run("--memory", memory, "--json", "service", "install", "--root", "image") == 0
    out = json.loads(capsys.readouterr().out)
    assert out["unit"] == unit
    image = tmp_path / "image/etc"
    name = "executord@.service" if "@" in unit else unit
    text = (image / "systemd/system" / name).read_text()
    program = re.search(r"(?m)^ExecStart=(\S+).* run$", text)
    assert program is not None
    assert os.access(program[1].strip('"'), os.X_OK)
    (tmp_path / unit).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", f"./{unit}"]
    verified = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (verified.stdout + verified.stderr, verified.returncode) == ("", 0)
    (tmpfiles,) = (image / "tmpfiles.d").iterdir()
    quoted = f'"{memory}"' if " " in memory else memory
    assert f"\nd {quoted} 2770 executord executord -\n" in tmpfiles.read_text()
    assert (image / "sysusers.d/executord.conf").is_file()
    assert (image / "logrotate.d/executord").is_file()


@pytest.mark.skipif(not shutil.which("systemd-escape"), reason="no systemd-escape here")
@pytest.mark.parametrize("path", ["/srv/agent_memory", "/", "/.x//y/", "/srv/a b-c/ü.x", "/a:b/_.~@%", "/srv/\\x"])
def test_an_instance_is_named_as_systemd_names_it(path):
    """`systemd-escape -p` says the same."""
    done = subprocess.run(["systemd-escape", "-p", path], capture_output=True, text=True, check=True)
    assert escape(path) == done.stdout.strip()


@pytest.mark.spec("OPS-2", "OPS-11")
def test_for_oneself_without_root(systemd, home, capsys):
    """`--user` writes into the home, tells the user's systemd, and is shown, stopped and removed again."""
    assert run("--memory", str(home / "my tree"), "service", "install", "--user") == 0
    unit = home / ".config/systemd/user/executord.service"
    assert " run\n" in unit.read_text()
    own = (unit.parent / "executord.service.d/environment.conf").read_text()
    assert f'Environment="EXECUTORD_MEMORY={home}/my tree"\n' in own
    assert systemd.read_text().splitlines() == [
        "--user daemon-reload", "--user enable --now executord.service",
    ]  # fmt: skip
    capsys.readouterr()
    assert run("--json", "service", "show", "--user") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["active"], shown["enabled"], shown["pid"], shown["current"]) == ("active", "enabled", 42, True)
    assert run("service", "stop", "--user") == 0
    assert systemd.read_text().splitlines()[-1] == "--user stop executord.service"
    assert run("service", "uninstall", "--user", "--dry-run") == 0
    assert unit.exists()
    assert run("service", "uninstall", "--user") == 0
    assert "--user disable --now executord.service" in systemd.read_text()
    assert files(home) == []


@pytest.mark.spec("OPS-11", "OPS-16")
def test_web_pages_come_with_their_socket(systemd, home, tmp_path, capsys):
    """`--web` puts both units in place at this address; a later install renews them; they go with the service."""
    folder = home / ".config/systemd/user"
    assert run("service", "install", "--user", "--web", "8700") == 0
    assert re.search(r"(?m)^ExecStart=\S+ web$", (folder / "executord-web.service").read_text())
    listen = folder / "executord-web.socket.d/listen.conf"
    assert "ListenStream=\nListenStream=127.0.0.1:8700\n" in listen.read_text()
    said = systemd.read_text().splitlines()
    web = ["enable executord-web.socket", "stop executord-web.service", "restart executord-web.socket"]
    assert said[-3:] == [f"--user {words}" for words in web]
    (folder / "executord-web.service").write_text("old")
    assert run("service", "install", "--user") == 0
    assert "ExecStart=" in (folder / "executord-web.service").read_text()
    assert listen.exists()
    capsys.readouterr()
    assert run("service", "show", "--user", "--json") == 0
    assert json.loads(capsys.readouterr().out)["web"] == "127.0.0.1:8700"
    assert run("service", "install", "--user", "--web", "127.0.0.1:8614") == 0
    assert not listen.parent.exists()
    assert run("service", "uninstall", "--user") == 0
    assert "--user disable --now executord-web.socket" in systemd.read_text()
    assert files(home) == []
    for bad in ("0", "65536", "x", "host:80", "80:", "1.2.3.4:"):
        assert run("service", "install", "--user", "--web", bad) == 2


@pytest.mark.spec("OPS-11", "OPS-21")
def test_each_tree_has_web_pages_of_its_own(tmp_path, capsys):
    """An instance has an address of its own; what one has is not what the other has."""
    system = tmp_path / "image/etc/systemd/system"
    assert run("--memory", "/srv/a", "service", "install", "--root", "image", "--web", "[::1]:8701") == 0
    assert run("--memory", "/srv/b", "service", "install", "--root", "image") == 0
    assert "ListenStream=[::1]:8701" in (system / "executord-web@srv-a.socket.d/listen.conf").read_text()
    for tree, address in (("/srv/a", "[::1]:8701"), ("/srv/b", None)):
        capsys.readouterr()
        assert run("--memory", tree, "--json", "service", "show", "--root", "image") == 0
        assert json.loads(capsys.readouterr().out)["web"] == address
    assert run("--memory", "/srv/a", "service", "uninstall", "--root", "image") == 0
    assert not [name for name in files(system) if "web" in name]


@pytest.mark.spec("OPS-11")
def test_notify_reload_comes_with_the_systemd_that_has_it(systemd, home, tmp_path):
    """252 would complain about it at every load; when the machine is older again it goes."""
    drop_in = home / ".config/systemd/user/executord.service.d/notify-reload.conf"
    assert run("service", "install", "--user") == 0
    assert not drop_in.exists()
    (tmp_path / "version").write_text("257")
    assert run("service", "install", "--user") == 0
    assert "Type=notify-reload" in drop_in.read_text()
    (tmp_path / "version").write_text("252")
    assert run("service", "install", "--user") == 0
    assert not drop_in.exists()


def test_a_drop_in_of_the_users_stays(systemd, home):
    """Only what `install` wrote is removed."""
    own = home / ".config/systemd/user/executord.service.d/mine.conf"
    own.parent.mkdir(parents=True)
    own.write_text("[Service]\nNice=5\n")
    assert run("service", "install", "--user", "--config", "c.yaml", "--memory", "m") == 78
    (home.parent / "c.yaml").write_text("{}\n")
    assert run("service", "install", "--user", "--config", "c.yaml", "--memory", "m") == 0
    assert f"EXECUTORD_CONFIG={home.parent}/c.yaml" in (own.parent / "environment.conf").read_text()
    assert run("service", "uninstall", "--user") == 0
    assert files(home) == [".config/systemd/user/executord.service.d/mine.conf"]


def test_another_tree_keeps_the_template(tmp_path):
    """The template goes with its last instance."""
    system = tmp_path / "image/etc/systemd/system"
    for tree in ("/srv/a", "/srv/b"):
        assert run("--memory", tree, "service", "install", "--root", "image") == 0
    wants = system / "multi-user.target.wants"
    wants.mkdir()
    (wants / "executord@srv-b.service").symlink_to("../executord@.service")
    assert run("--memory", "/srv/a", "service", "uninstall", "--root", "image") == 0
    assert (system / "executord@.service").exists()
    assert run("--memory", "/srv/b", "service", "uninstall", "--root", "image") == 0
    assert [name for name in files(system) if "wants" not in name] == []


def test_what_the_hardened_unit_cannot_see_is_said(capsys):
    """A tree in a home does not work with ProtectHome; it is said before it fails."""
    assert run("--memory", "/home/anna/mem", "service", "install", "--dry-run") == 0
    assert "the memory lies at /home/anna/mem, which the unit cannot see" in capsys.readouterr().err


@pytest.mark.spec("OPS-23")
def test_stop_workers_says_that_there_are_none(tmp_path, capsys):
    """Also without a unit, and without systemd: the workers of a tree are found by the tree."""
    assert run("--memory", str(tmp_path), "service", "stop", "--workers") == 0
    assert "no worker was running" in capsys.readouterr().out


@pytest.mark.spec("CON-18")
def test_exit_codes_of_service(systemd, home, tmp_path, capsys):
    """66 what is not installed; 73 where it cannot be written; 1 what systemd refuses, with its words."""
    for word in ("show", "stop", "uninstall"):
        assert run("service", word, "--user") == 66
    assert run("service") == 2
    (tmp_path / "broken").write_text("")
    assert run("service", "install", "--user") == 1
    assert "Unit is masked." in capsys.readouterr().err
    shutil.rmtree(home / ".config")
    (home / ".config").write_text("")
    assert run("service", "install", "--user") == 73


@pytest.mark.spec("OPS-2", "OPS-11")
def test_the_units_ship_in_the_wheel(tmp_path):
    """What `service install` writes lies beside the package, and is the checkout's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"]["systemd"] == "executord/systemd"
    for name in ("executord.service", "executord@.service", "user/executord.service", "executord-web@.service",
                 "executord-web.socket", "user/executord-web.socket", "tmpfiles.d/executord.conf"):  # fmt: skip
        assert packaged(name) == (ROOT / "systemd" / name).read_text(encoding="utf-8")
    site = tmp_path / "site"
    shutil.copytree(ROOT / "daemon/executord", site / "executord", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "systemd", site / "executord/systemd")
    code = "from executord.cli.units import packaged; print(packaged('user/executord.service'), end='')"
    env = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True, cwd=tmp_path)
    assert done.stdout == (ROOT / "systemd/user/executord.service").read_text(encoding="utf-8")
