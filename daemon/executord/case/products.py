"""What an instruction delivers, as plain values: where its components come from, what was waived, handed off, decided.

Counterparts: `__init__.py`, whose head holds them; `files/survey.py`, which sees what lies there; `fold.py` and
`meaning/deliveries.py`, which put the journal's word into them. All are frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from executord.evolve import empty


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file under `outputs/` (or an extra one in `tasks/completed/`), its path from the instruction's folder."""

    path: str
    size: int
    sha256: str
    task: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One content for one component, and where it comes from [DEL-2, DEL-3].

    `source` ∈ components task key file record. `keys`: where in the file at `path` the content stands, none for a
    file that is the content; `files`: it is no text but these files. `refused`: why it does not count [DEL-1].
    """

    component: str
    source: str
    path: str
    sha256: str
    keys: tuple[str | int, ...] = ()
    task: str | None = None
    agent: str | None = None
    attempt: int | None = None
    at: datetime | None = None
    files: tuple[OutputFile, ...] = ()
    refused: str | None = None
    waived: str | None = None
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A file that a result names and that is not as it should be [QUA-1, standard 5]."""

    path: str
    why: str
    task: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Aside:
    """Somebody's file on a name of ours, and where it is moved [MEM-23]."""

    path: str
    to: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies in an instruction's `outputs/` for its deliverable: sight, not journal. `n`: the last line it saw."""

    n: int
    type: str
    sources: tuple[Source, ...] = ()
    extras: tuple[OutputFile, ...] = ()
    gaps: tuple[Gap, ...] = ()
    asides: tuple[Aside, ...] = ()
    changed: tuple[str, ...] = ()  # final files of ours that say something else than what we wrote
    blocked: str | None = None  # why outputs/final/ cannot be written


@dataclass(frozen=True, slots=True)
class Product:
    """The deliverable as it was aggregated: of each component the source that counts, and the others [DEL-2]."""

    n: int
    at: datetime
    type: str
    digest: str
    mark: str
    parts: Mapping[str, Source] = field(default_factory=empty)
    others: tuple[Source, ...] = ()
    extras: tuple[OutputFile, ...] = ()
    gaps: tuple[Gap, ...] = ()
    blocked: str | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """A quality standard or a component that is let pass [QUA-5]."""

    by: str
    reason: str
    at: datetime
    standard: int | None = None
    component: str | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that the validator wants mended; `task` is whose work it becomes, None: nobody's [QUA-4]."""

    text: str
    task: str | None = None
    component: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the validator said of one cycle: PASS, FIXABLE or BLOCKED."""

    cycle: int
    at: datetime
    result: str
    reason: str = ""
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class Final:
    """A file of ours in `outputs/final/`, as we wrote it for one cycle."""

    cycle: int
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A component that its likely owner was asked for [DEL-5]; `n` counts the asks of it."""

    n: int
    to: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ArchiveAsked:
    """Somebody asked that the closed instruction be archived."""

    n: int
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Escalated:
    """A decision that somebody was asked for: an escalation that was sent."""

    at: datetime
    to: str
    task: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far an instruction has come on its way out: the part of its head that chapter 6 is about."""

    since: datetime | None = None  # when it changed last
    product: Product | None = None
    aggregates: int = 0
    answers: int = 0  # files in which components came as answers
    update_files: Mapping[str, OutputFile] = field(default_factory=empty)  # number → its file as we wrote it
    waivers: tuple[Waiver, ...] = ()
    asked: Mapping[str, Asked] = field(default_factory=empty)  # component, or path of a file, → who was asked
    turned_down: Mapping[str, str] = field(default_factory=empty)  # component → what the validator says of it
    cycle: int = 0
    handed: datetime | None = None  # since when the validator has it; None: he has nothing
    finals: Mapping[str, Final] = field(default_factory=empty)  # name in outputs/final/ → as we wrote it
    verdicts: tuple[Verdict, ...] = ()
    fixable: int = 0  # FIXABLE verdicts since the last decision of a person
    halted: str | None = None  # why hitl was asked: BLOCKED, or FIXABLE three times
    halts: int = 0
    escalations: tuple[Escalated, ...] = ()
    undecided: str | None = None  # issues that name nobody, until support-manager says how it goes on
    withdrawn: int = 0

    @property
    def verdict(self) -> Verdict | None:
        """The last verdict."""
        return self.verdicts[-1] if self.verdicts else None
