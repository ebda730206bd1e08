"""What is for ever of the journal: the forms of the names of lines, their action, their rule, the keys of their facts.

A form is a name with what differs from case to case taken out: `remind {task} a{n} #{n}`. Counterpart: the golden list
in `data/names.txt`, to which what is new is added (`python -m tests.names`); nothing is changed or taken out [REL-11].
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from executord.deliverables import TYPES
from executord.files import journal
from executord.policy import DESKS, make_policy
from tests.stories.kit import STORIES, play

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


Lines = Iterator[tuple[str, str, Mapping[str, Any]]]


def told(folder: Path) -> Lines:
    """Every line that the stories note: story, form, entry."""
    for each in STORIES.values():
        root = Path(play(each, folder / each.name).root)
        for path in root.rglob(journal.PLACE):
            case = path.parent.parent.parent
            entries = [e for e in journal.read(str(case)).entries if "at" in e]
            tasks = {e["task"] for e in entries if e.get("task")}
            yield from ((each.name, form_of(e, case.name, tasks), e) for e in entries)


def add() -> None:
    """`python -m tests.names`: add to the list what is new; what is there stays."""
    found = {form: [set(part) for part in parts] for form, parts in golden().items()}
    with tempfile.TemporaryDirectory() as folder:
        for _, form, e in told(Path(folder)):
            actions, rules, keys = found.setdefault(form, [set(), set(), set()])
            actions.add(e["action"])
            keys |= set(e.get("facts") or {})
            if "*" not in rules:
                rules.add(e["rule"])
    head = [line for line in GOLDEN.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    rows = [" | ".join((form, *(" ".join(sorted(p)) for p in parts))).rstrip() for form, parts in sorted(found.items())]
    GOLDEN.write_text("\n".join((*head, *rows, "")), encoding="utf-8")


if __name__ == "__main__":
    add()
