"""Everything the daemon can do to the world: a closed union of frozen values.

Counterpart: `hands.py`, which performs them; nothing else does. A rule names an action, the journal notes it,
the hand carries it out. The words in `word` are the journal's [CON-6].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from executord.evolve import empty


@dataclass(frozen=True, slots=True)
class Embed:
    """A value that is copied from a YAML file of the tree when the text is rendered.

    So long texts pass through the daemon without standing in its memory or its journal [CON-6].
    `path` counts from the memory, `key` is the key in that file (None: the whole mapping); `keys` are the exact keys
    and places on the way to a value inside it, where it is not one of those that claims spell in many ways.
    """

    path: str
    key: str | None = None
    keys: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Chronicle:
    """What happened so far, as the case's journal tells it; read when the text is rendered."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A value that is made when its line is noted: `how(case, policy, at, *args)`, `at` being when it is noted.

    What would cost too much to make at every look, and what is left of a time [SLA-8]. Done again, the line keeps it.
    """

    how: Callable[..., Any]
    args: tuple[Any, ...] = ()


#: Stands in a `reply_with` for the name of the message that it comes with, which is made when that is noted [CON-4].
THIS_ID = "<the id of this message>"


@dataclass(frozen=True, slots=True)
class Send:
    """A message into an agent's inbox."""

    word: ClassVar[str] = "send"
    to: str
    kind: str
    body: Mapping[str, Any] = field(default_factory=empty)
    name: str | None = None  # the message's name, where it does not follow from task, attempt and kind [CON-4]


@dataclass(frozen=True, slots=True)
class Move:
    """A rename inside the case's folder; both paths count from it. Never replaces [MEM-14]."""

    word: ClassVar[str] = "move"
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Write:
    """A YAML file of ours under `outputs/`, counted from the case's folder."""

    word: ClassVar[str] = "write"
    path: str
    body: Mapping[str, Any] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Amend:
    """A YAML file of ours under `outputs/` with other values under some keys; what else stands in it stays [MEM-12]."""

    word: ClassVar[str] = "write"
    path: str
    body: Mapping[str, Any] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Deliver:
    """A customer update handed to the outbox, which carries it through a channel outside the loop [SLA-16]."""

    word: ClassVar[str] = "send"


@dataclass(frozen=True, slots=True)
class File:
    """An inbox message moved to `.processed/` or `.rejected/` [MEM-20, CON-5]."""

    word: ClassVar[str] = "file"
    name: str
    folder: str  # the inbox folder it came to
    rejected: bool


@dataclass(frozen=True, slots=True)
class Explain:
    """The `.reason.yaml` beside a rejected file [CON-5]."""

    word: ClassVar[str] = "write"
    rejected_path: str  # of the filed message, from the memory
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Archive:
    """The case's folder moved to `_archive/`: the last thing that is done for it [QUA-4]."""

    word: ClassVar[str] = "move"


@dataclass(frozen=True, slots=True)
class Record:
    """A fact for the journal and nothing else."""

    word: ClassVar[str] = "record"


@dataclass(frozen=True, slots=True)
class Start:
    """A process of the agent is started, with these messages; it begins once its line is noted [OPS-17]."""

    word: ClassVar[str] = "start"
    to: str
    k: int
    calls: tuple[tuple[str, str], ...]  # kind and path (from the memory) of the messages


@dataclass(frozen=True, slots=True)
class Tell:
    """A message is passed on to the running process: into its inbox folder, or as a further turn [OPS-17]."""

    word: ClassVar[str] = "tell"
    to: str
    k: int
    n: int
    kind: str
    letter: str  # path of the message, from the memory


@dataclass(frozen=True, slots=True)
class Stop:
    """The k-th process of an attempt is ended, with all that it has left [OPS-18]."""

    word: ClassVar[str] = "stop"
    k: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What a process had to say, as a message in its agent's name in our own inbox [OPS-17]."""

    word: ClassVar[str] = "write"
    sender: str
    kind: str
    name: str
    body: Mapping[str, Any]


Action = Send | Move | Write | Amend | Deliver | File | Explain | Archive | Record | Start | Tell | Stop | Reply
