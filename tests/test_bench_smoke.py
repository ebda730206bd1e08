"""The bench runs to its end and says what it should, in small: shapes and units, never how fast [PERF-1]."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.measures import Measure, Row, as_json, exponent, percentile, spread, table

ROOT = Path(__file__).parent.parent
ROWS = {
    "latency": "ms", "burst": "/s", "cycles": "/s", "one-case": "ms CPU/task", "scale": "", "flood": "s",
    "first-start": "s CPU", "second-start": "s CPU", "idle": "s CPU/round", "memory": "MiB", "due-time": "µs",
    "re-arm": "µs", "jobs": "jobs",
}  # fmt: skip
WITHOUT_RAW = {"memory"}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The JSON and the table of one quick run."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--json", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(file.read_text(encoding="utf-8")), run.stdout


@pytest.mark.slow
def test_each_row_stands_there_with_its_raw_limit(said: tuple[dict[str, Any], str]) -> None:
    """Every row has a unit, a goal, a verdict and, where there is one, the raw limit in the same unit."""
    rows = {row["id"]: row for row in said[0]["rows"]}
    assert list(rows) == list(ROWS)
    for name, row in rows.items():
        assert row["ours"]["unit"] == ROWS[name]
        assert row["ours"]["value"] > 0
        assert row["goal"]
        assert row["met"] in (True, False, None)
        assert (row["raw"] is None) == (name in WITHOUT_RAW)
        if row["raw"] is not None:
            assert row["raw"]["unit"] == row["ours"]["unit"]


@pytest.mark.slow
def test_machine_file_system_and_roster_are_stated(said: tuple[dict[str, Any], str]) -> None:
    """A number without where it was measured says nothing."""
    body = said[0]
    assert {"cores", "cpu", "python", "kernel"} <= set(body["machine"])
    assert body["roster"]
    assert body["size"] == "quick"
    for row in body["rows"]:
        assert row["file_system"]
        assert row["setting"]


@pytest.mark.slow
def test_what_was_taken_many_times_has_median_and_p99(said: tuple[dict[str, Any], str]) -> None:
    """Median and 99th percentile stand in the JSON, the first not above the second."""
    for row in said[0]["rows"]:
        for measure in filter(None, (row["ours"], row["raw"], *row["beside"])):
            if measure["p50"] is not None:
                assert measure["p50"] <= measure["p99"]
                assert measure["samples"] > 1
    for name in ("latency", "burst", "cycles"):
        assert next(row for row in said[0]["rows"] if row["id"] == name)["ours"]["p99"] is not None


@pytest.mark.slow
def test_the_table_has_a_line_for_each_row(said: tuple[dict[str, Any], str]) -> None:
    """People read the table; it holds what the JSON holds."""
    lines = said[1].splitlines()
    for name in ROWS:
        assert any(line.startswith(f"{name} ") for line in lines), name


def test_the_exponent_is_that_of_the_curve() -> None:
    """Least squares in log-log finds the power exactly where there is one."""
    sizes = (100.0, 300.0, 1000.0, 10_000.0)
    assert exponent((n, 0.002 * n**1.3) for n in sizes) == pytest.approx(1.3)
    assert exponent((n, 5.0) for n in sizes) == pytest.approx(0.0)


def test_percentiles_are_samples() -> None:
    """The 99th percentile is a value that was measured, never one in between."""
    values = [float(k) for k in range(1, 101)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 0.5) == 50.0
    assert percentile([7.0], 0.99) == 7.0
    assert spread("x", [3.0, 1.0, 2.0], "ms").value == 2.0


def test_a_goal_that_is_not_met_is_said() -> None:
    """NO stands in the table, and false in the JSON: nothing is glossed over."""
    row = Row("r", "a row", Measure("ours", 3.0, "s"), Measure("raw", 1.0, "s"), 3.0, "≤ 2×", False, "tmpfs", "none")
    assert "NO" in table([row]).splitlines()[2]
    assert as_json(row)["met"] is False
