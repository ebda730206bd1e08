"""Every hazard has a test that provokes it and a line in `docs/reliability.md` that says what happens."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"
LAST = 44
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.M)


def _marked() -> dict[int, set[str]]:
    """The names of the tests that carry each hazard's mark."""
    found: dict[int, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.hazard":
                        for number in mark.args:
                            assert isinstance(number, ast.Constant)
                            found.setdefault(int(str(number.value)), set()).add(node.name)
    return found


def test_every_hazard_is_provoked_and_told() -> None:
    """One row each, and every test that a row names carries the mark of its number."""
    marked = _marked()
    assert sorted(marked) == list(range(1, LAST + 1))
    rows = {int(number): (what, then, tests) for number, what, then, tests in ROW.findall(PAGE.read_text("utf-8"))}
    assert sorted(rows) == list(range(1, LAST + 1))
    for number, (_, then, tests) in rows.items():
        named = set(re.findall(r"`(test_\w+)`", tests))
        assert named, number
        assert then.strip(), number
        assert named <= marked[number], f"hazard {number}: {named - marked[number]} carry no mark of it"
