"""The real process dies, or is refused, inside the system calls that write [REL-1, REL-2, REL-5].

Counterpart: `stories/dying.py`, which dies between our own disk operations in a forked child. Here `strace` stands at
the border of the kernel: also what Python, the log and the state folder write is hit. Which calls are hit is drawn
with a seed; each run says it, so a failure can be played again.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real import kit
from tests.real.kit import INBOX, Tree
from tests.stories.dying import copy_tree

AGENT = "technical-support-engineer"
WRITING = ("write", "pwrite64", "fsync", "fdatasync", "syncfs", "renameat2", "rename", "mkdir", "unlink", "ftruncate")
CONFIG = {"settle": "0.05 seconds", "roster": {AGENT: {"capacity": 0}}}
SEED = int(os.environ.get("EXECUTORD_SEED", "1"))


def _strace() -> str | None:
    program = shutil.which("strace")
    if program is None:
        return None
    tried = subprocess.run(
        [program, "-f", "-o", os.devnull, "-e", "inject=unlink:error=EIO:when=1", "true"],
        capture_output=True, check=False,
    )  # fmt: skip
    return program if tried.returncode == 0 else None


STRACE = _strace()
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not there, or may not trace")


@dataclass
class Scene:
    """A tree in which much is due, and what an undisturbed look makes of it."""

    tree: Tree
    calls: Counter[str]
    wanted: tuple[set[str], dict[str, list[str]]]

    def again(self, folder: Path) -> Tree:
        """The same tree once more."""
        return _copied(self.tree, folder)


def _copied(tree: Tree, folder: Path) -> Tree:
    copy = Tree(folder, CONFIG)
    shutil.rmtree(copy.root)
    copy_tree(str(tree.root), str(copy.root))
    copy_tree(str(tree.state), str(copy.state))
    return copy


def _end(tree: Tree) -> tuple[set[str], dict[str, list[str]]]:
    """Every path but those of the lock, the canary and hitl's notices; and the names of all journal lines."""
    paths = set()
    for folder, _, files in os.walk(tree.root):
        here = os.path.relpath(folder, tree.root)
        paths |= {f"{here}/{name}" for name in files if name not in (".lock", ".probe")}
    paths = {p for p in paths if not p.startswith(f"{INBOX}/hitl/executor.notice.")}
    return paths, {c: sorted(e["name"] for e in tree.journal(c)) for c in ("acme-1", "acme-2", "acme-3")}


def _traced(tree: Tree, *inject: str) -> subprocess.CompletedProcess[str]:
    """One look under strace; its log says which calls there were."""
    more = [part for each in inject for part in ("-e", f"inject={each}")]
    under = [
        STRACE or "", "-f", "-o", f"{tree.root.parent}/strace.log", "-e", f"trace={','.join(WRITING)}",
        *more,
    ]  # fmt: skip
    environ = {**kit.environ(), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*under, *tree.command("run", "--once")], capture_output=True, text=True, timeout=600, check=False, env=environ
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Claims, an acknowledgement, what must be refused, a new case and a broken task: all are taken at one look."""
    base = tmp_path_factory.mktemp("scene")
    tree = Tree(base / "first", CONFIG)
    for case_id in ("acme-1", "acme-2"):
        tree.case(case_id, ["T1", "T2", "T3"])
        for task_id in ("T1", "T2", "T3"):
            tree.task(
                case_id,
                task_id,
                f"id: {task_id}\ntitle: x\nassigned_to: {'engineering' if task_id == 'T3' else AGENT}\n",
            )
    _looked_at(tree, None, "the beginning")
    about = {"instruction_id": "acme-1", "from": AGENT}
    tree.message(
        "claim.yaml", {**about, "type": "completion", "task_id": "T1", "attempt": 1, "summary": "s", "output": "o"}
    )
    tree.message("empty-claim.yaml", {**about, "type": "completion", "task_id": "T2", "attempt": 1})
    tree.message("ack.yaml", {**about, "instruction_id": "acme-2", "type": "acknowledgement", "task_id": "T1"})
    tree.message("nonsense.yaml", b"type: [\n")
    tree.message("nobody.yaml", {"type": "what", "from": AGENT})
    tree.message("status.yaml", {"type": "status", "from": "operator"})
    tree.case("acme-3", ["T1"])
    tree.task("acme-3", "T1")
    tree.task("acme-3", "T2", "id: ../../x\n")
    time.sleep(0.1)
    calm = _copied(tree, base / "calm")
    done = _traced(calm)
    assert done.returncode == 0, done.stderr
    log = (base / "calm" / "strace.log").read_text(errors="replace")
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", log, re.M))
    _looked_at(calm, None, "undisturbed")
    scene = Scene(tree, calls, _end(calm))
    assert {"acme-1", "acme-2", "acme-3"} <= set(scene.wanted[1])
    assert calls["renameat2"] > 10
    return scene


def _drawn(scene: Scene, names: tuple[str, ...], how_many: int) -> list[tuple[str, int]]:
    """So many calls, every name at least once while there are enough."""
    dice = random.Random(SEED)
    every = [(name, n) for name in names for n in range(1, scene.calls[name] + 1)]
    first = [dice.choice(found) for name in names if (found := [e for e in every if e[0] == name])]
    dice.shuffle(first)
    rest = [e for e in every if e not in first]
    return (first + dice.sample(rest, min(len(rest), max(how_many - len(first), 0))))[:how_many]


LOOKS = 4  # what had not settled, or went to a case that was parked, is taken by a later one


def _looked_at(tree: Tree, wanted: tuple[set[str], dict[str, list[str]]] | None, said: str) -> None:
    """Looks without disturbance, until it is as it should be; without a wish until a look changes nothing."""
    for _ in range(LOOKS):
        before = _end(tree)
        done = tree.call("run", "--once")
        assert done.returncode == 0, f"{said}: {done.stderr}"
        if _end(tree) == (wanted if wanted is not None else before):
            return


def _made_good(scene: Scene, tree: Tree, said: str) -> None:
    """Looks without disturbance make of it what would have been, and nothing is broken."""
    _looked_at(tree, scene.wanted, said)
    paths, names = _end(tree)
    assert paths == scene.wanted[0], f"{said}: {sorted(paths ^ scene.wanted[0])}"
    assert names == scene.wanted[1], said
    checked = tree.call("fsck")
    assert checked.returncode == 0, f"{said}: {checked.stdout}"


def _killed(scene: Scene, tmp_path: Path, how_many: int) -> None:
    hit = 0
    for name, n in _drawn(scene, WRITING, how_many):
        said = f"killed in {name} number {n} (seed {SEED})"
        folder = tmp_path / f"{name}-{n}"
        tree = scene.again(folder)
        _traced(tree, f"{name}:signal=KILL:when={n}")
        hit += "+++ killed by SIGKILL" in (folder / "strace.log").read_text(errors="replace")
        _made_good(scene, tree, said)
        shutil.rmtree(folder)
    assert hit > how_many // 2, f"only {hit} of {how_many} calls were met"


REFUSED = {
    "write": ("ENOSPC", "EIO", "EDQUOT"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO",),
    "syncfs": ("EIO", "ENOSPC"),
    "renameat2": ("ENOSPC", "EROFS", "EACCES", "EIO"),
    "rename": ("ENOSPC", "EACCES"),
    "mkdir": ("ENOSPC", "EROFS"),
    "unlink": ("EROFS", "EACCES"),
    "ftruncate": ("EIO",),
}


def _refused(scene: Scene, tmp_path: Path, how_many: int) -> None:
    dice, hit = random.Random(SEED), 0
    for name, n in _drawn(scene, tuple(REFUSED), how_many):
        error = dice.choice(REFUSED[name])
        on = dice.choice(("", "+"))  # once, or from now on
        said = f"{error} in {name} number {n}{on} (seed {SEED})"
        folder = tmp_path / f"{name}-{n}"
        tree = scene.again(folder)
        done = _traced(tree, f"{name}:error={error}:when={n}{on}")
        hit += "(INJECTED)" in (folder / "strace.log").read_text(errors="replace")
        assert done.returncode in (0, 73), f"{said}: {done.returncode}\n{done.stderr}"
        assert "Traceback" not in done.stderr, f"{said}\n{done.stderr}"
        _made_good(scene, tree, said)
        shutil.rmtree(folder)
    assert hit > how_many // 2, f"only {hit} of {how_many} calls were met"


@pytest.mark.spec("REL-1", "REL-2")
@pytest.mark.hazard(43)
def test_killed_inside_a_few_calls(scene: Scene, tmp_path: Path) -> None:
    """A handful on every run."""
    _killed(scene, tmp_path, 4)


@pytest.mark.slow
@pytest.mark.spec("REL-1", "REL-2")
@pytest.mark.hazard(43)
def test_killed_inside_many_calls(scene: Scene, tmp_path: Path) -> None:
    """`EXECUTORD_SEED` draws others."""
    _killed(scene, tmp_path, int(os.environ.get("EXECUTORD_KILLS", "40")))


@pytest.mark.spec("REL-5", "REL-4")
@pytest.mark.hazard(29)
def test_refused_in_a_few_calls(scene: Scene, tmp_path: Path) -> None:
    """A handful on every run."""
    _refused(scene, tmp_path, 4)


@pytest.mark.slow
@pytest.mark.spec("REL-5", "REL-4")
@pytest.mark.hazard(29)
def test_refused_in_many_calls(scene: Scene, tmp_path: Path) -> None:
    """A full disk, a failing one, a quota, no permission, once or from then on: said, and gone on from."""
    _refused(scene, tmp_path, int(os.environ.get("EXECUTORD_REFUSALS", "40")))


@pytest.mark.spec("REL-5", "REL-1")
@pytest.mark.hazard(29)
def test_a_write_that_takes_nothing_is_repeated(scene: Scene, tmp_path: Path) -> None:
    """`write` may take less than it was given, even nothing, without an error."""
    tree = scene.again(tmp_path)
    done = _traced(tree, "write:retval=0:when=3+7")
    assert done.returncode == 0, done.stderr
    _made_good(scene, tree, "short writes")


def test_the_scene_is_one(scene: Scene) -> None:
    """Something of each kind happens in it, else nothing is shown."""
    paths, names = scene.wanted
    assert any(p.startswith(f"{INBOX}/executor/.rejected/") for p in paths)
    assert any(p.startswith(f"{INBOX}/executor/.processed/") for p in paths)
    assert any(n.startswith("rework") for n in names["acme-1"])
    assert "assign T1 a1" in names["acme-3"]
    assert any(p.endswith("/nonsense.reason.yaml") for p in paths)
