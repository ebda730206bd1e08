"""The ladder of silence as data: how long nothing may be heard, and what is done then, rung by rung [EXE-16].

Counterparts: `__init__.py`, which says whose ladder is which; `rules/silence.py`, which climbs it. Configuration adds
ladders (`ladders:`) and says who has which (`silence:` of an agent). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from executord.values import Span, agent_name, read_span

MINUTE = 60

#: What a rung may do, with the words that mean it.
STEPS: Mapping[str, tuple[str, ...]] = {
    "reminder": ("reminder", "remind"),
    "status_check": ("status_check", "check", "status"),
    "finalize": ("finalize", "finalise", "hand_in"),
    "time_out": ("time_out", "timed_out", "timeout", "close"),
}
#: Tier → I; `critical` whatever the tier.
INTERVALS: Mapping[str, int] = {
    "0": 15 * MINUTE, "1": 15 * MINUTE, "2": 30 * MINUTE, "3": 60 * MINUTE, "4": 120 * MINUTE, "critical": 15 * MINUTE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gap:
    """How long after the rung below: so many seconds, or a share of I (`I`, `I/2` …)."""

    seconds: int | None = None
    parts: int = 1

    def of(self, interval: int) -> float:
        """In seconds, for this I."""
        return self.seconds if self.seconds is not None else interval / self.parts


@dataclass(frozen=True, slots=True)
class Rung:
    """One step: what is done, how long after the one below, and to whom if not to the holder."""

    do: str
    gap: Gap
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Ladder:
    """The interval I in seconds, by tier (`0` … `4`), priority or `all` — empty: the built-in ones —, and the rungs."""

    interval: Mapping[str, int] = field(default_factory=dict)
    rungs: tuple[Rung, ...] = ()

    def given(self, tier: int, priority: str) -> int | None:
        """The interval that this ladder itself names, None: the built-in one."""
        keys = (priority, f"tier_{tier}", str(tier), "all", "default")
        return next((self.interval[k] for k in keys if k in self.interval), None)


RUNGS = (
    Rung("reminder", Gap()), Rung("status_check", Gap(parts=2)), Rung("finalize", Gap(parts=4)),
    Rung("time_out", Gap(parts=4)),
)  # fmt: skip
BUILT_IN = Ladder(rungs=RUNGS)


def interval_of(tier: int, priority: str) -> int:
    """The built-in I in seconds."""
    return INTERVALS["critical"] if priority == "critical" else INTERVALS[str(tier)]


def read_ladders(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Ladder]:
    """The ladders of a configuration by name."""
    return {str(name): _ladder(row) for name, row in rows.items()}


def _ladder(row: Mapping[str, Any]) -> Ladder:
    given = row.get("interval") or {}
    if not isinstance(given, Mapping):
        given = {"all": given}
    interval = {_key(k): s for k, v in given.items() if (s := seconds_of(v)) is not None}
    return Ladder(interval, _rungs(row.get("rungs") or ()))


def _rungs(rows: Iterable[Mapping[str, Any]]) -> tuple[Rung, ...]:
    """The rungs as configured; the last one closes the attempt, else a silent worker would hold it for ever."""
    found = [
        Rung(
            _step(str(row.get("do", ""))), _gap(row.get("after")), agent_name(str(row["to"])) if row.get("to") else None
        )
        for row in rows
    ]
    if not found:
        return RUNGS
    closing = next((k for k, rung in enumerate(found) if rung.do == "time_out"), None)
    return tuple(found[: closing + 1]) if closing is not None else (*found, RUNGS[-1])


def _step(text: str) -> str:
    said = text.strip().lower().replace("-", "_").replace(" ", "_")
    return next((step for step, words in STEPS.items() if said in words), "reminder")


def _key(text: Any) -> str:
    return str(text).strip().lower().replace(" ", "_").removeprefix("tier_")


def _gap(value: Any) -> Gap:
    text = str(value).strip()
    if text in ("I", "None"):
        return Gap()
    if text.startswith("I/"):
        return Gap(parts=int(text[2:]))
    return Gap(seconds=seconds_of(value))


def seconds_of(value: Any) -> int | None:
    """A span in seconds, None if it is none."""
    found = read_span(value)
    return found.target.of() if isinstance(found, Span) else None


def from_silence(text: str) -> Ladder:
    """A ladder for an agent whose `silence` is an interval and no name."""
    seconds = seconds_of(text)
    return Ladder({"all": seconds} if seconds is not None else {}, RUNGS)
