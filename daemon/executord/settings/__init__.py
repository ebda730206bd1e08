"""The configuration: one YAML file and the environment, read strictly [OPS-9] [CON-3].

Counterpart: `policy.make_policy`, which lays the rows of a configuration over the defaults of the spec.

Rules of the house
- This is ours, so it is strict: an unknown key, a key that stands twice, a value out of range is an error with its
  place and what to write instead. What others write is read tolerantly, elsewhere.
- All or nothing: `load` gives whole, frozen settings or raises; a reload keeps the old ones when it raises.
- One description per field drives the validation's words, the sample of `config generate` and the documentation.
- Scalars mean what they say: `no` and `2026-12-25` are texts. The pure loader reads it: 100 KB of `[` crash the C one.

One file a subject: `values.py`, what a value may be; `rows.py`, the rows; `model.py`, the settings; `document.py`, the
text; `reading.py`, files and environment; `faults.py`, what is said of them; `sample.py`, `masking.py`, `folders.py`.
"""

from __future__ import annotations

from executord.settings.document import Path
from executord.settings.faults import BUILT_IN_CALENDARS
from executord.settings.folders import MEMORY, memory_folder, state_folder
from executord.settings.masking import SECRET, redact
from executord.settings.model import Settings
from executord.settings.reading import NOT_KEYS, PLACES, PREFIX, check, find, load
from executord.settings.rows import (
    AgentRow,
    Budget,
    CalendarRow,
    ChannelRow,
    Digests,
    EscalationRow,
    LadderRow,
    Limits,
    Match,
    Metrics,
    PauseRow,
    PerClock,
    PolicyRow,
    Program,
    RungRow,
    Sessions,
)
from executord.settings.sample import generate
from executord.settings.values import AgentName, ByAgent, Count, Number, Row, SpanText, Word, Words, ZoneName

__all__ = [
    "BUILT_IN_CALENDARS",
    "MEMORY",
    "NOT_KEYS",
    "PLACES",
    "PREFIX",
    "SECRET",
    "AgentName",
    "AgentRow",
    "Budget",
    "ByAgent",
    "CalendarRow",
    "ChannelRow",
    "Count",
    "Digests",
    "EscalationRow",
    "LadderRow",
    "Limits",
    "Match",
    "Metrics",
    "Number",
    "Path",
    "PauseRow",
    "PerClock",
    "PolicyRow",
    "Program",
    "Row",
    "RungRow",
    "Sessions",
    "Settings",
    "SpanText",
    "Word",
    "Words",
    "ZoneName",
    "check",
    "find",
    "generate",
    "load",
    "memory_folder",
    "redact",
    "state_folder",
]
