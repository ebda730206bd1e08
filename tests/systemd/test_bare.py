"""A fresh machine with Python and make and nothing else: `make demo` and `make test` of a copied checkout [OPS-1].

No git, no compiler, no tool of the developers', nobody's home, and not root. Marked `systemd`, because it takes a
container; `make test` there takes as long as it does anywhere, so that one is `slow` too. `make bare` runs both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.systemd.machine import ROOT, Missing, cache, image

pytestmark = pytest.mark.systemd

PACKAGES = ("python3", "python3-venv", "make")
HOME, HERE = "/home/anna", "/home/anna/executord"
DEMO_S, TEST_S = 600, 2400


def tracked() -> Iterator[str]:
    """The files of the checkout: what git knows; without git, all but what is built."""
    found = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    if found.returncode == 0:
        yield from (name for name in found.stdout.decode().split("\0") if name and (ROOT / name).is_file())
        return
    built = {".git", ".venv", "build", "dist", "node_modules", "__pycache__"}
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in built and not name.endswith("_cache")]
        yield from (os.path.relpath(os.path.join(folder, name), ROOT) for name in names)


def registry() -> tuple[dict[str, str], list[str]]:
    """How pip is told here where its packages are: variables, and the files and folders that they name."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    environ: dict[str, str] = {}
    for line in said.stdout.splitlines():
        key, _, value = line.partition("=")
        environ["PIP_" + key.rpartition(".")[2].upper().replace("-", "_")] = value.strip("'\"").replace("\\n", " ")
    words = [word.removeprefix("file://") for value in environ.values() for word in value.split()]
    places = {word for word in words if word.startswith("/") and os.path.exists(word)}
    return environ, sorted({p for place in places for p in (place, os.path.dirname(os.path.realpath(place)))} - {"/"})


class Bare:
    """A copy of the image with the checkout in somebody's home."""

    def __init__(self) -> None:
        base = image("bookworm", PACKAGES)
        self.root = cache() / f".run-bare-{os.getpid()}"
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(self.root)], check=True)
        self.call("useradd --create-home anna", user="root", chdir="/")
        for name in tracked():
            target = self.root / HERE.lstrip("/") / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        self.call(f"chown -R anna: {HOME}", user="root", chdir="/")

    def call(self, line: str, *, user: str = "anna", chdir: str = HERE, timeout: float = 60) -> str:
        """What a shell line says there; it must go well."""
        environ, places = registry()
        binds = [f"--bind-ro={place}" for place in places]
        done = subprocess.run(
            ["systemd-nspawn", "--quiet", "-D", str(self.root), "--as-pid2", "--register=no", "--keep-unit", "--pipe",
             f"--user={user}", f"--chdir={chdir}", f"--machine=executord-bare-{os.getpid()}", *binds,
             *(f"--setenv={key}={value}" for key, value in environ.items()), "/bin/bash", "-c", line],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout,
            env=os.environ | {"SYSTEMD_NSPAWN_TMPFS_TMP": "0"},
        )  # fmt: skip
        if done.returncode != 0:
            raise AssertionError(f"{line}: {done.returncode}\n{done.stdout[-20000:]}{done.stderr[-5000:]}")
        return done.stdout


@pytest.fixture(scope="module")
def bare() -> Iterator[Bare]:
    """A machine on which nobody has installed anything."""
    made: list[Bare] = []
    try:
        try:
            made.append(Bare())
        except Missing as reason:
            pytest.skip(str(reason))
        yield made[0]
    finally:
        name = f".run-bare-{os.getpid()}"
        shutil.rmtree(cache() / name, ignore_errors=True)
        (cache() / f".#{name}.lck").unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.spec("OPS-1")
def test_the_demo_needs_python_and_make_alone(bare: Bare):
    """Neither git nor uv nor a compiler is there; `make demo` builds what it needs and ends well."""
    there = bare.call("for each in git uv gcc node npm curl pytest; do command -v $each; done; true")
    assert there == ""
    assert "the demo ends well" in bare.call("make demo", timeout=DEMO_S)


@pytest.mark.slow
@pytest.mark.spec("OPS-1")
def test_the_tests_need_python_and_make_alone(bare: Bare):
    """All of `make test` in one go; what has no tool there is skipped, each with its reason."""
    said = bare.call("make test", timeout=TEST_S)
    print(said[-6000:])
    last = said.strip().splitlines()[-1]
    assert " passed" in last
    assert "failed" not in last
