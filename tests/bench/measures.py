"""What a row of the bench says, and how it is shown: a table for people, JSON for programs."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Measure:
    """One number and, where it was taken more than once, its median and 99th percentile in the same `unit`."""

    name: str
    value: float
    unit: str
    p50: float | None = None
    p99: float | None = None
    spread_of: str = ""  # of what p50 and p99 are taken, where it is not the value itself
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """A measure of ours beside the raw limit. `ratio` > 1: ours costs so many times the limit; `met` None: no goal."""

    id: str
    title: str
    ours: Measure
    raw: Measure | None
    ratio: float | None
    goal: str
    met: bool | None
    file_system: str
    setting: str
    beside: tuple[Measure, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that is not below `part` (0 … 1) of all."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, math.ceil(part * len(ranked)) - 1))]


def spread(name: str, values: Sequence[float], unit: str) -> Measure:
    """A measure that is the median of its samples."""
    middle = statistics.median(values)
    return Measure(name, middle, unit, middle, percentile(values, 0.99), samples=len(values))


def exponent(points: Iterable[tuple[float, float]]) -> float:
    """The k of cost ~ n^k, by least squares on the logarithms."""
    logs = [(math.log(n), math.log(cost)) for n, cost in points]
    mean_x, mean_y = (sum(p[k] for p in logs) / len(logs) for k in (0, 1))
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)


def machine() -> dict[str, Any]:
    """On what it was measured."""
    name = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": name,
        "memory_mib": int(memory) // 1024,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "libyaml": yaml.__with_libyaml__,
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
    }


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def as_json(row: Row) -> dict[str, Any]:
    """A row as plain values."""
    return {key: _rounded(value) for key, value in asdict(row).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cell(measure: Measure | None) -> str:
    if measure is None:
        return "–"
    text = f"{number(measure.value)} {measure.unit}"
    if measure.p99 is not None and not measure.spread_of:
        text += f" (p99 {number(measure.p99)})"
    return text


def table(rows: Sequence[Row]) -> str:
    """Rows as text, one line each and what stands beside them below."""
    head = ("row", "ours", "raw limit", "ratio", "goal", "met")
    lines = [head]
    for row in rows:
        met = "–" if row.met is None else "yes" if row.met else "NO"
        ratio = f"{row.ratio:.2f}×" if row.ratio is not None else "–"
        lines.append((row.id, _cell(row.ours), _cell(row.raw), ratio, row.goal, met))
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    for row in rows:
        text += ["", f"{row.id}: {row.title}", f"  on {row.file_system}; {row.setting}"]
        text += [_note(measure) for measure in (row.ours, row.raw) if measure is not None and measure.spread_of]
        text += [f"  beside, not compared: {m.name} {_cell(m)}" for m in row.beside]
        text += [f"  {key}: {value}" for key, value in row.facts.items()]
    return "\n".join(text)


def _note(measure: Measure) -> str:
    return f"  {measure.name}, {measure.spread_of}: p50 {number(measure.p50)}, p99 {number(measure.p99)}"
