"""What is for ever of the journal: the forms of the names of lines, their action, their rule, the keys of their facts.

A form is a name with what differs from case to case taken out: `remind {task} a{n} #{n}`. Counterpart: the golden list
in `data/names.txt`, written by hand: a form or a key that is new is added there, none is ever changed or taken out
[REL-11].
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executord.deliverables import TYPES
from executord.policy import DESKS, make_policy

GOLDEN = Path(__file__).parent / "data/names.txt"
AGENTS = {*make_policy().roster, *DESKS}
COMPONENTS = {name for kind in TYPES.values() for name in kind.components}
_WORDS = (
    (re.compile(r"\S+\.(?:ya?ml|json|md|txt)~?\d*"), "{file}"),
    (re.compile(r"(?<=role )(\S+) \S+"), r"\1 {incident}"),
    (re.compile(r"(?<=incident )\S+(?= (?:told|over|opened|closed))"), "{incident}"),
    (re.compile(r"\b(stakeholders|retrospective|prevention_plan) [^ #]\S*"), r"\1 {incident}"),
    (re.compile(r"(?<=checkpoint )\S+"), "{checkpoint}"),
    (re.compile(r"\bexpert:\S+"), "expert:{agent}"),
    (re.compile(r"(?<=closed-)\S+"), "{agent}"),
    (re.compile(r"(?<=via )\S+"), "{channel}"),
    (re.compile(r"(?<=budget )(\S+) \S+"), r"\1 {budget}"),
    (re.compile(r"^(run-on resolution .*) \S+$"), r"\1 {pause}"),
    (re.compile(r"\bc\d+\b"), "c{n}"),
    (re.compile(r"\b(cancelled|deferred|completed)-\d+\b"), r"\1-{n}"),
    (re.compile(r"#\d+"), "#{n}"),
    (re.compile(r"\ba\d+\b"), "a{n}"),
    (re.compile(r"\b(level|rung|slip|send)-\d+"), r"\1-{n}"),
    (re.compile(r"\b\d+%"), "{mark}"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "{hash}"),
    (re.compile(r"\bstandard \d\b"), "standard {n}"),
)


def form_of(entry: Mapping[str, Any], case: str, tasks: set[str]) -> str:
    """The form of a line's name."""
    name = str(entry["name"])
    if name.startswith("copy "):
        return "copy {line}"
    for pattern, word in _WORDS:
        name = pattern.sub(word, name)
    return " ".join(_word(word, case, tasks) for word in name.split(" "))


def _word(word: str, case: str, tasks: set[str]) -> str:
    if word == case:
        return "{case}"
    if word in tasks:
        return "{task}"
    if word in AGENTS or word.startswith("war-room-"):
        return "{agent}"
    if word in COMPONENTS:
        return "{component}"
    return word


def golden() -> dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]]:
    """The list: form → the actions, the rules (`*`: any) and the keys of the facts that it may have."""
    found = {}
    for line in GOLDEN.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            form, *rest = (part.strip() for part in line.split("|"))
            actions, rules, keys = (frozenset(part.split()) for part in rest)
            found[form] = (actions, rules, keys)
    return found
