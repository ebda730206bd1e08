"""What rang since the last turn: hints about what to look at, and nothing more.

Counterparts: `bells/`, which rings; `__init__.py`, which looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Rings:
    """What rang since the last turn."""

    cases: set[str] = field(default_factory=set)
    paths: dict[str, set[str]] = field(default_factory=dict)  # case → paths known to be whole
    mail: bool = False
    letters: set[str] = field(default_factory=set)  # "folder/name" known to be whole
    everything: bool = False
    touched: dict[str, dict[str, bool]] = field(default_factory=dict)  # case → path → whole: only these are read
    processes: bool = False  # one has ended
    named: dict[str, bool] = field(default_factory=dict)  # letters "folder/name" → whole: only these are read
