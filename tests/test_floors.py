"""The floors of the house: an arrow may only go down.

Counterpart: the contract `floors` in pyproject.toml, which import-linter checks; a test here compares the two.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "daemon" / "executord"

# WHERE TO ADD A MODULE: a word in the row of its floor. Modules of one row do not know one another and import only
# from the rows below; a floor has more than one row where an arrow inside it is wanted. Then copy what the failing
# test prints into pyproject.toml. A folder (rules, cli, …) is one word and is free inside.
FLOORS = """
5  __main__
5  cli
5  web
4  checks | loop | rehearsal
4  service
4  demo | views
3  sessions
3  hands
3  runners | typist
3  files
3  bells | channels | schemas
3  paper | settings
3  clock | log
2  rules | team
1  finals | fold
1  completeness | messages | posts
1  standards | verification
1  hush | letters | places | routes | updates | workload
1  agenda | meaning | promises | reading
1  parcel
1  policy | scalars
1  case | clocks | pen
1  values
0  actions | deliverables | errors
0  evolve | remembered
"""
ROWS = [(int(line[0]), [word.strip() for word in line[1:].split("|")]) for line in FLOORS.strip().splitlines()]
ROW = {name: number for number, (_, names) in enumerate(ROWS) for name in names}
FLOOR = {name: floor for floor, names in ROWS for name in names}

# What the floors 0-2 may not touch: they are handed values and give back values, whatever the disk and the clock do.
HANDS_AND_EYES = {
    "os", "pathlib", "time", "threading", "subprocess", "logging", "yaml", "watchdog", "apscheduler", "loguru",
}  # fmt: skip


def modules() -> dict[str, list[Path]]:
    """Every module directly under the package, with its files."""
    found = {path.stem: [path] for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    for folder in PACKAGE.iterdir():
        if files := sorted(folder.rglob("*.py")) if folder.is_dir() else []:
            found[folder.name] = files
    return found


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything a file imports, wherever it stands: also in functions, also for types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write it out, from executord…"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_every_module_has_a_floor():
    """A module that is missing from the table has no place yet."""
    homeless = sorted(set(modules()) - set(ROW))
    assert not homeless, f"no floor for {', '.join(homeless)}: add it to FLOORS in tests/test_floors.py"


def test_a_module_stands_on_one_floor_only():
    """Every word of the table is there once."""
    words = [name for _, names in ROWS for name in names]
    assert sorted(words) == sorted(set(words))
    assert [floor for floor, _ in ROWS] == sorted((floor for floor, _ in ROWS), reverse=True)


@pytest.mark.parametrize("name", sorted(set(modules()) & set(ROW)))
def test_arrows_only_go_down(name):
    """A module imports from rows below its own, never from beside or above."""
    wrong = []
    for path in modules()[name]:
        for line, target in imports(path):
            parts = target.split(".")
            if parts[0] != "executord" or len(parts) < 2 or parts[1] in (name, "__version__"):
                continue
            if parts[1] in ROW and ROW[parts[1]] <= ROW[name]:
                where = f"{path.relative_to(ROOT)}:{line}"
                wrong.append(f"{where}: {name} (floor {FLOOR[name]}) imports {parts[1]} (floor {FLOOR[parts[1]]})")
    assert not wrong, "an arrow may only go down:\n" + "\n".join(dict.fromkeys(wrong))


@pytest.mark.parametrize("name", sorted(name for name in set(modules()) & set(ROW) if FLOOR[name] <= 2))
def test_the_lower_floors_have_no_hands_and_no_eyes(name):
    """Floors 0-2 see no disk, no clock, no thread, no process."""
    wrong = [
        f"{path}:{line}: {target}"
        for path in modules()[name]
        for line, target in imports(path)
        if target.split(".")[0] in HANDS_AND_EYES
    ]
    assert not wrong, f"floors 0-2 are paper only; take the value as an argument, or move {name} up:\n" + "\n".join(
        wrong
    )


MEANING = ("fold.py", "meaning/*.py", "posts/news.py", "updates.py")
# These make what a line is to keep, before it is noted: there what the files say is asked, here and nowhere later.
BEFORE_NOTING = {"behind", "severity_for", "open_facts"}


def test_what_a_line_means_is_not_asked_of_files():
    """Who reads a journal has not read task and instruction files yet: what counted of them, the line itself says."""
    found = []
    for path in (path for pattern in MEANING for path in sorted(PACKAGE.glob(pattern))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [node for node in tree.body if getattr(node, "name", "") not in BEFORE_NOTING]
        found += _reads_of_files(path, tree)
    for path in modules()["messages"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "take":
                found += _reads_of_files(path, node)
                called = {getattr(each, "id", "") for each in ast.walk(node)} & BEFORE_NOTING
                assert not called, f"{path.relative_to(ROOT)}:{node.lineno}: {called} may only be asked in `facts`"
    assert not found, "note it as a fact of the line, and read that:\n" + "\n".join(found)


def _reads_of_files(path: Path, tree: ast.AST) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}: .spec"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "spec" and isinstance(node.ctx, ast.Load)
    ]


def test_import_linter_has_the_same_floors():
    """The contract in pyproject.toml says what the table here says."""
    layers = [" | ".join(f"({name})" for name in names) for _, names in ROWS]
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [each for each in config["contracts"] if each["name"] == "floors"]
    wanted = "layers = [\n" + "".join(f'    "{layer}",\n' for layer in layers) + "]"
    assert contract["layers"] == layers, f"write into pyproject.toml:\n{wanted}"
    assert contract["exhaustive"]
    assert contract["containers"] == ["executord"]
