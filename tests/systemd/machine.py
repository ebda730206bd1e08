"""A Debian that boots in a container, for tests of what only a real systemd does [OPS-12].

Each release is bootstrapped once into a cache outside the checkout and copied for each run; the packages that the
program needs are downloaded here, so that the container needs no network. `python -m tests.systemd.machine` puts the
tools and images in place; `make systemd` calls it. What cannot be had here is a `Missing`, with its reason.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
RELEASES = ("bookworm", "trixie")  # Debian 12, and the first with a systemd that knows notify-reload
PACKAGES = (
    "systemd", "systemd-sysv", "libpam-systemd", "dbus", "dbus-user-session", "python3", "python3-venv", "logrotate",
    "lnav", "jq",
)  # fmt: skip
TOOLS = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "nsenter": "util-linux"}
BOOTSTRAP_S, COMMAND_S, BOOT_S = 480, 120, 60
FORGET_S = 30 * 86_400


class Missing(Exception):
    """What is not there or does not work on this machine, so that nothing can be shown on it."""


def cache() -> Path:
    """Where images and downloads are kept between runs."""
    named = os.environ.get("EXECUTORD_TEST_MACHINES")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(named or os.path.join(base, "executord-machines"))


def checked() -> None:
    """Raises `Missing` where no container can be booted."""
    if os.geteuid() != 0:
        raise Missing("booting a container needs root")
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise Missing(f"there is no {tool} here (Debian: package {package})")


def install_tools() -> None:
    """What is missing, by apt where that is possible; else nothing happens, and the tests say what is missing."""
    wanted = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if not wanted or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", *wanted)):
        command = ["apt-get", *words]
        done = _call(command, BOOTSTRAP_S, environ)
        if done.returncode != 0:
            print(f"{' '.join(command)}: {_last(done)}", file=sys.stderr)


def image(release: str, packages: tuple[str, ...] = PACKAGES) -> Path:
    """The folder of a bootstrapped release with these packages; made at the first call. Raises `Missing`."""
    checked()
    recipe = hashlib.sha256("\n".join((release, *packages)).encode()).hexdigest()[:8]
    name = release if packages is PACKAGES else f"{release}-with-{len(packages)}"
    place = cache() / f"{name}-{recipe}"
    if place.is_dir():
        os.utime(place)
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    _forget(f"{name}-????????")
    _forget(f".{name}-[0-9]*.part")
    aside = cache() / f".{name}-{os.getpid()}.part"
    try:
        done = _call(
            ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", release, str(aside)], BOOTSTRAP_S,
            os.environ | {"DPKG_FORCE": "unsafe-io"},  # a half-made image is thrown away: nothing has to be synced
        )  # fmt: skip
        if done.returncode != 0:
            raise Missing(f"{release} cannot be bootstrapped here: {_last(done)}")
        shutil.rmtree(aside / "var/cache/apt/archives", ignore_errors=True)
        (aside / "etc/machine-id").write_text("")  # each copy makes its own at its first boot
        with contextlib.suppress(OSError):  # another checkout was quicker
            aside.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return place


def _forget(pattern: str) -> None:
    """Remove what nobody has used for a month: another checkout may be at work with another recipe."""
    for old in cache().glob(pattern):
        if time.time() - old.stat().st_mtime > FORGET_S:
            shutil.rmtree(old, ignore_errors=True)


def downloads(release: str) -> Path:
    """A folder with all that the program needs, for the Python of the release, once per lock. Raises `Missing`."""
    version = next(p.name.removeprefix("python") for p in sorted((image(release) / "usr/lib").glob("python3.[0-9]*")))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["web"]]
    recipe = hashlib.sha256("\n".join([*wanted, (ROOT / "uv.lock").read_text()]).encode()).hexdigest()[:8]
    place = cache() / f"wheels-{version}-{recipe}"
    if place.is_dir():
        os.utime(place)
        return place
    _forget("wheels-*")
    aside = cache() / f".wheels-{version}-{os.getpid()}.part"
    aside.mkdir(parents=True, exist_ok=True)
    locked = aside / "constraints.txt"
    locked.write_text("".join(f"{name}=={number}\n" for name, number in _locked()))
    arch = platform.machine()
    tags = [f"--platform={tag}_{arch}" for tag in ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "linux")]
    got = _call(
        [*_pip(), "download", "-d", str(aside), "--only-binary=:all:", f"--python-version={version}", *tags,
         "-c", str(locked), *wanted],
        BOOTSTRAP_S,
    )  # fmt: skip
    if got.returncode != 0:
        raise Missing(f"what the wheel needs cannot be downloaded for Python {version}: {_last(got)}")
    with contextlib.suppress(OSError):  # another checkout was quicker
        aside.rename(place)
    shutil.rmtree(aside, ignore_errors=True)
    return place


def wheels(release: str) -> Path:
    """A folder of this process alone with this checkout's wheel and all that it needs. Raises `Missing`."""
    place = cache() / f".wheels-{release}-{os.getpid()}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(downloads(release), place)
    made = _call([*_pip(), "wheel", "--no-deps", "-w", str(place), str(ROOT)], BOOTSTRAP_S)
    if made.returncode != 0:
        raise Missing(f"the wheel cannot be built here: {_last(made)}")
    return place


def _pip() -> list[str]:
    """A pip that runs here. Raises `Missing`."""
    found = next(_pips(), None)
    if found is None:
        raise Missing("there is no pip here")
    return found


def _pips() -> Iterator[list[str]]:
    """The pip of this environment, which uv does not put there, else the system's."""
    for python in (sys.executable, shutil.which("python3")):
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        if python is not None and _call([*pip, "--version"], COMMAND_S).returncode == 0:
            yield pip


def _locked() -> Iterator[tuple[str, str]]:
    """The versions of uv.lock, where it holds one for all Pythons."""
    found = [(p["name"], p["version"]) for p in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
             if "registry" in p["source"]]  # fmt: skip
    names = [name for name, _ in found]
    return ((name, number) for name, number in found if names.count(name) == 1)


def _call(
    command: list[str], timeout: float, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=environ,
                              stdin=subprocess.DEVNULL)  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"{command[0]} took more than {timeout:g} s")


def _last(done: subprocess.CompletedProcess[str]) -> str:
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip() and "WARNING" not in line]
    return said[-1] if said else f"exit {done.returncode}"


def _groups_of(process: str | int) -> Iterator[Path]:
    """The control group of a process, seen from here, in each hierarchy that systemd uses."""
    paths: dict[str, str] = {}
    for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
        number, kinds, path = line.split(":", 2)
        paths["cgroup2" if number == "0" else kinds] = path
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options = line.split()[:4]
        if kind == "cgroup" and "name=systemd" in options.split(","):
            kind = "name=systemd"
        if kind in paths and kind in ("cgroup2", "name=systemd"):
            yield Path(place + paths[kind])


def _own_groups(name: str) -> Iterator[Path]:
    """A group of its own below ours; none where it cannot be made.

    `--keep-unit` puts a container into the group of its caller, always under the same name: two of them at once would
    share one, and each systemd would find, and signal, processes of the other.
    """
    for group in _groups_of("self"):
        with contextlib.suppress(OSError):
            (group / name).mkdir(exist_ok=True)
            yield group / name


def _enter(groups: Iterable[Path]) -> None:
    """In a child, before it becomes another program."""
    for group in groups:
        (group / "cgroup.procs").write_text("0")


class Machine:
    """A copy of an image, booted; commands in it run as root."""

    def __init__(self, release: str, *, bind: Path) -> None:
        self.release, self.wheels = release, bind
        self.root = cache() / f".run-{release}-{os.getpid()}"
        self._spawn: subprocess.Popen[bytes] | None = None
        self._groups: list[Path] = []
        self._leader = 0

    def boot(self) -> None:
        """Start it, and wait until its systemd has started all. Raises `Missing` where it cannot boot at all."""
        if not self.root.exists():
            done = _call(["cp", "-a", "--reflink=auto", str(image(self.release)), str(self.root)], BOOTSTRAP_S)
            if done.returncode != 0:
                raise Missing(f"the image cannot be copied: {_last(done)}")
        console = self.root.with_suffix(".console")
        self._groups = self._groups or list(_own_groups(self.root.name.lstrip(".")))
        with console.open("wb") as out:
            self._spawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "-D", str(self.root), "-b", "--register=no", "--keep-unit",
                 "--private-network", f"--machine=executord-{self.release}-{os.getpid()}",
                 f"--bind-ro={self.wheels}:/wheels", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, preexec_fn=lambda: _enter(self._groups),
            )  # fmt: skip
        end = time.monotonic() + BOOT_S
        state = ""
        while state not in ("running", "degraded"):
            if self._spawn.poll() is not None or time.monotonic() > end:
                self.off(kill=True)
                said = console.read_text(errors="replace").strip().splitlines() or [f"it is {state or 'silent'}"]
                raise Missing(f"{self.release} does not boot here: {said[-1]}")
            time.sleep(0.3)
            self._leader = self._first_process()
            if self._leader:
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()

    def _first_process(self) -> int:
        """The container's systemd, seen from here; 0 until it is there."""
        assert self._spawn is not None
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{self._spawn.pid}/task/{self._spawn.pid}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        return 0

    def off(self, *, kill: bool = False) -> None:
        """Power it off in order; `kill`: pull the plug."""
        if self._spawn is None:
            return
        if not kill:
            self.run("systemctl", "poweroff", check=False)
        try:
            self._spawn.wait(0.1 if kill else 30)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                if self._leader:
                    os.kill(self._leader, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._spawn.wait(5)
            self._spawn.kill()
            self._spawn.wait()
        self._spawn, self._leader = None, 0

    def remove(self) -> None:
        """Off, and its copy gone."""
        self.off()
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.with_suffix(".console").unlink(missing_ok=True)
        self.root.with_name(f".#{self.root.name}.lck").unlink(missing_ok=True)  # of systemd-nspawn
        shutil.rmtree(self.wheels, ignore_errors=True)
        for group in self._groups:
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)

    def run(self, *command: str, check: bool = True, stdin: str = "", timeout: float = COMMAND_S,
            user: str = "") -> subprocess.CompletedProcess[str]:  # fmt: skip
        """One command inside; as a person of the machine with `user`."""
        if user:
            uid = self.run("id", "-u", user).stdout.strip()
            home = ["env", f"HOME=/home/{user}", f"XDG_RUNTIME_DIR=/run/user/{uid}"]
            command = ("runuser", "-u", user, "--", *home, *command)
        inside = list(_groups_of(self._leader))  # else systemd 257 sees a caller from outside its groups, and refuses
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", "--", "/usr/bin/env", "-i", f"PATH={path}", "HOME=/root",
             "LANG=C.UTF-8", *command],
            input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
            preexec_fn=lambda: _enter(inside),
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def sh(self, script: str, **more: Any) -> str:
        """What a shell script says on stdout."""
        return self.run("bash", "-euo", "pipefail", "-c", script, **more).stdout

    def show(self, unit: str, key: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "-P", key, unit).stdout.strip()

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        """Entries of the system's journal, all that were handed to it so far."""
        self.run("journalctl", "--sync")
        said = self.run("journalctl", "--no-pager", "-o", "json", *matches).stdout
        return [json.loads(line) for line in said.splitlines()]

    def until(self, condition: Callable[[], Any], why: str, timeout: float = 40.0) -> None:
        """Wait for something that the machine shows."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                tail = self.run("journalctl", "--no-pager", "-n", "40", check=False).stdout
                raise AssertionError(f"{why}\n{tail}")
            time.sleep(0.2)


def main() -> None:
    """Put tools and images in place; what cannot be had is said, and skips tests."""
    install_tools()

    def prepare(release: str) -> str:
        began = time.monotonic()
        try:
            place = image(release)
            downloads(release)
            return f"{release}: {place} ({time.monotonic() - began:.0f} s)"
        except Missing as reason:
            return f"{release}: not here: {reason}"

    with ThreadPoolExecutor() as pool:
        for line in pool.map(prepare, RELEASES):
            print(line, flush=True)


if __name__ == "__main__":
    main()
