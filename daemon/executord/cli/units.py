"""What `service` does to a machine: the unit of a tree, the steps that put it in place and that remove it [OPS-11].

Counterpart: `systemd/`, whose files ship in the package; `setup.py`, the commands. Steps are values: `--dry-run`
prints the list that is otherwise carried out.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from executord.errors import CannotWrite, ExecutordError, NotFound
from executord.files.dropping import cannot

SYSTEM_TREE = "/srv/agent_memory"
USER_TREE = "Agent_Memory"
SINGLE, TEMPLATE = "executord.service", "executord@.service"
NOTIFY_RELOAD_SINCE = 253
_LOGROTATE, _SYSUSERS = "/etc/logrotate.d/executord", "/etc/sysusers.d/executord.conf"
EXPOSURE = 1.8  # at most, as `systemd-analyze security` counts it, from 0 (safe) to 10
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # from a unit with ProtectHome and PrivateTmp


@dataclass(frozen=True, slots=True)
class Put:
    """A file that is written whole, over its older self."""

    path: str
    text: str

    def words(self) -> str:
        """As it is shown."""
        return f"write {self.path}"


@dataclass(frozen=True, slots=True)
class Remove:
    """A file of ours that goes, if it is there."""

    path: str

    def words(self) -> str:
        """As it is shown."""
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True)
class Run:
    """A command of the system."""

    command: tuple[str, ...]

    def words(self) -> str:
        """As it is shown."""
        return f"run {' '.join(self.command)}"


Step = Put | Remove | Run


def packaged(name: str) -> str:
    """A file of `systemd/`: from the installed package, else from the checkout. Raises `NotFound`."""
    package = Path(__file__).parent.parent
    for folder in (package / "systemd", package.parent.parent / "systemd"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise NotFound(f"the package holds no systemd/{name}", fix="install executord from its wheel, or use a checkout")


def escape(path: str) -> str:
    """A path as the name of an instance, as `systemd-escape -p` makes it."""
    parts = [p for p in path.split("/") if p]
    if not parts:
        return "-"
    raw = "/".join(parts).encode("utf-8", "surrogateescape")
    out = []
    for k, byte in enumerate(raw):
        char = chr(byte)
        plain = char.isascii() and (char.isalnum() or (char in ":_." and (k > 0 or char != ".")))
        out.append("-" if char == "/" else char if plain else f"\\x{byte:02x}")
    return "".join(out)


def program() -> tuple[str, ...]:
    """How this executord is started, with a whole path."""
    beside = os.path.join(os.path.dirname(sys.executable), "executord")
    for found in (beside, shutil.which("executord")):
        if found and os.access(found, os.X_OK):
            return (os.path.abspath(found),)
    return (sys.executable, "-m", "executord")


def quoted(text: str) -> str:
    """A word for a unit file: specifiers escaped, quoted where it has to be."""
    text = text.replace("%", "%%")
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of one tree. `root` stands before every path, for an image or a test."""

    tree: str
    user: bool
    folder: str  # where unit files lie
    environment: Mapping[str, str]
    root: str = ""

    @property
    def file(self) -> str:
        """The unit's file name."""
        return SINGLE if self.user or self.tree == SYSTEM_TREE else TEMPLATE

    @property
    def name(self) -> str:
        """What systemctl calls it."""
        return self.file if self.file == SINGLE else f"executord@{escape(self.tree)}.service"

    @property
    def path(self) -> str:
        """Where its file lies."""
        return os.path.join(self.folder, self.file)

    def text(self) -> str:
        """The unit's file for this machine."""
        raw = packaged(f"user/{SINGLE}" if self.user else self.file)
        return re.sub(r"(?m)^ExecStart=\S+", lambda _: self.start, raw)

    @property
    def timer(self) -> str:
        """What systemctl calls the timer that checks its tree every day; a user has none."""
        return self.name.replace("executord", "executord-check", 1).replace(".service", ".timer")

    def check_files(self) -> Iterator[tuple[str, str]]:
        """Path and text of the check of its tree and of its timer."""
        for name in (self.file.replace("executord", "executord-check"), self._timer_file):
            yield os.path.join(self.folder, name), re.sub(r"(?m)^ExecStart=\S+", lambda _: self.start, packaged(name))

    @property
    def _timer_file(self) -> str:
        return self.file.replace("executord", "executord-check").replace(".service", ".timer")

    @property
    def start(self) -> str:
        """How its programs are started, as a line of a unit."""
        return f"ExecStart={' '.join(quoted(word).replace('$', '$$') for word in program())}"

    def installed(self) -> bool:
        """Whether its file is there."""
        return os.path.isfile(self.path)

    def systemctl(self, *words: str) -> Run:
        """A call of systemctl for whose unit it is."""
        return Run(("systemctl", *(("--user",) if self.user else ()), *words))

    def warnings(self, config: str | None) -> Iterator[str]:
        """What the hardened unit could not see; `config`: the configuration that counts here."""
        if self.user:
            return
        for what, path in (("the memory", self.tree), ("the program", program()[0]), ("the configuration", config)):
            if path is not None and any(path == hidden or path.startswith(f"{hidden}/") for hidden in _HIDDEN):
                why = "which the unit cannot see (ProtectHome, PrivateTmp)"
                yield f"{what} lies at {path}, {why}: move it, or use --user"


def unit_of(tree: str, *, user: bool, environ: Mapping[str, str], config: str | None, root: str = "") -> Unit:
    """The unit that runs this tree."""
    home = environ.get("HOME") or os.path.expanduser("~")
    environment: dict[str, str] = {}
    if config is not None:
        environment["EXECUTORD_CONFIG"] = os.path.abspath(config)
    if user:
        base = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        if tree != os.path.join(home, USER_TREE):
            environment["EXECUTORD_MEMORY"] = tree
        return Unit(tree, True, f"{root}{base}/systemd/user", environment, root)
    return Unit(tree, False, f"{root}/etc/systemd/system", environment, root)


def systemd_version() -> int | None:
    """The version of systemd here, None without it."""
    if shutil.which("systemctl") is None:
        return None
    done = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"systemd (\d+)", done.stdout)
    return int(found[1]) if found else None


def running(unit: Unit, environ: Mapping[str, str]) -> bool:
    """Whether the systemd that the unit is for runs here and can be spoken to."""
    if unit.root or shutil.which("systemctl") is None:
        return False
    return os.path.isdir(f"{environ.get('XDG_RUNTIME_DIR', '')}/systemd" if unit.user else "/run/systemd/system")


# -- steps -----------------------------------------------------------------------------------------------------


def install_steps(unit: Unit, version: int | None) -> Iterator[Step]:
    """All that makes the unit run now and at each start of the machine."""
    yield Put(unit.path, unit.text())
    reload = f"{unit.path}.d/notify-reload.conf"
    if version is not None and version >= NOTIFY_RELOAD_SINCE:
        yield Put(reload, packaged(f"{unit.file}.d/notify-reload.conf"))
    elif os.path.exists(reload):
        yield Remove(reload)  # this systemd would complain about it at every load
    own = _own(unit)
    if unit.environment:
        lines = "".join(f"Environment={quoted(f'{k}={v}')}\n" for k, v in unit.environment.items())
        yield Put(own, f"# Written by `executord service install`.\n[Service]\n{lines}")
    elif os.path.exists(own):
        yield Remove(own)
    if not unit.user:
        yield from (Put(path, text) for path, text in unit.check_files())
        yield from _shared_tree(unit)
    yield unit.systemctl("daemon-reload")
    yield unit.systemctl("enable", "--now", unit.name, *(() if unit.user else (unit.timer,)))


def _shared_tree(unit: Unit) -> Iterator[Step]:
    """The daemon's user, and the tree as a folder that people share with it by its group."""
    tmpfiles = _tmpfiles(unit)
    yield Put(unit.root + _SYSUSERS, packaged("sysusers.d/executord.conf"))
    raw = packaged("tmpfiles.d/executord.conf")
    yield Put(unit.root + tmpfiles, re.sub(r"(?m)^d \S+", lambda _: f"d {quoted(unit.tree)}", raw))
    yield Put(unit.root + _LOGROTATE, packaged("logrotate.d/executord"))
    yield Run(("systemd-sysusers", _SYSUSERS))
    yield Run(("systemd-tmpfiles", "--create", tmpfiles))
    # what `executord init` made as another user: else the daemon could neither file a message nor move a task
    yield Run(("chgrp", "-R", "-h", "executord", unit.tree))
    yield Run(("chmod", "-R", "g+rwX", unit.tree))
    yield Run(("find", unit.tree, "-type", "d", "-exec", "chmod", "g+s", "{}", "+"))


def _tmpfiles(unit: Unit) -> str:
    return f"/etc/tmpfiles.d/{unit.name.removesuffix('.service').replace(chr(92), '_')}.conf"


def _own(unit: Unit) -> str:
    return f"{unit.folder}/{unit.name}.d/environment.conf"


def uninstall_steps(unit: Unit) -> Iterator[Step]:
    """Stop it and remove what `install` wrote; the tree, the user and the configuration stay."""
    checked = not unit.user and any(os.path.exists(path) for path, _ in unit.check_files())
    yield unit.systemctl("disable", "--now", unit.name, *((unit.timer,) if checked else ()))
    files = [_own(unit)]
    if not unit.user:
        files.append(unit.root + _tmpfiles(unit))
    if not others(unit):
        files += [f"{unit.path}.d/notify-reload.conf", unit.path]
        files += [path for path, _ in unit.check_files() if not unit.user]
        if not unit.user and not os.path.exists(f"{unit.folder}/{_twin(unit)}"):
            files += [unit.root + _LOGROTATE, unit.root + _SYSUSERS]
    yield from (Remove(path) for path in files if os.path.lexists(path))
    yield unit.systemctl("daemon-reload")


def _twin(unit: Unit) -> str:
    return TEMPLATE if unit.file == SINGLE else SINGLE


def others(unit: Unit) -> list[str]:
    """Other instances of the template, which need its file."""
    if unit.file == SINGLE:
        return []
    try:
        wanted = os.listdir(f"{unit.folder}/multi-user.target.wants")
    except OSError:
        return []
    return [name for name in wanted if name.startswith("executord@") and name != unit.name]


def carry_out(steps: list[Step], *, commands: bool) -> None:
    """Do the steps in order; without `commands` only files. Raises `CannotWrite`, `ExecutordError`."""
    for step in steps:
        match step:
            case Put(path, text):
                _write(path, text)
            case Remove(path):
                _remove(path)
            case Run(command):
                if commands:
                    _call(command)


def _write(path: str, text: str) -> None:
    aside = os.path.join(os.path.dirname(path), f".{secrets.token_hex(6)}.part")
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
        os.replace(aside, path)
    except OSError as error:
        raise _denied(path, error) from error
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)


def _remove(path: str) -> None:
    try:
        if os.path.lexists(path):
            os.unlink(path)
        if path.endswith(".conf") and os.path.dirname(path).endswith((".service.d", ".socket.d")):
            os.rmdir(os.path.dirname(path))  # the drop-in folder, if nothing of the user's lies in it
    except FileNotFoundError:
        return
    except OSError as error:
        if os.path.lexists(path):
            raise _denied(path, error) from error


def _denied(path: str, error: OSError) -> CannotWrite:
    found = cannot(path, error)
    if isinstance(error, PermissionError):
        found.fix = "run it as root, or install it for yourself with --user"
    found.path = path
    return found


def _call(command: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotFound(f"there is no program {command[0]}", fix=f"run it yourself: {' '.join(command)}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it says nothing").splitlines()[-1]
        raise ExecutordError(f"`{' '.join(command)}` failed ({done.returncode}): {said}")


def ask(unit: Unit) -> dict[str, str]:
    """What systemd says of the unit: ActiveState, SubState, MainPID, UnitFileState."""
    keys = "ActiveState,SubState,MainPID,UnitFileState"
    command = unit.systemctl("show", "-p", keys, unit.name).command
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def exposure(unit: Unit) -> float | None:
    """How exposed the running machine's unit is, drop-ins included [OPS-11]; None where systemd does not say."""
    command = ("systemd-analyze", "security", "--no-pager", unit.name)
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    return float(found[1]) if found else None
