"""Whether a component is complete [DEL-1]: what refuses it, what it lacks, and who waived it. Pure.

Counterparts: `deliverables.py`, what each type asks for; `files/survey.py`, which reads what lies there;
`rules/delivery.py`, which puts the best of each component into the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from executord import deliverables
from executord.deliverables import Component
from executord.deliverables import components_of as components_of
from executord.reading import text_of
from executord.scalars import placeholder
from executord.verification import holes

WAIVED = ("not_applicable", "n_a", "na")


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be said of one content: refused (why), waived by its worker (why), or what it lacks."""

    refused: str | None = None
    waived: str | None = None
    lacks: tuple[str, ...] = ()


def judge(component: Component, content: Any) -> Judged:
    """Whether this content is the whole component."""
    reason = not_applicable(content)
    if reason is not None:
        return Judged(waived=reason) if reason else Judged("it is not applicable, but no reason is given")
    if is_empty(content):
        return Judged("it is empty")
    hole = next(iter(holes(content, "it")), None) or placeholder(content, required=True)
    if hole is not None:
        return Judged(hole.removeprefix("it is not filled in: "))
    missing = component.must(content) if component.must is not None else None
    if missing is not None:
        return Judged(f"it lacks {missing}")
    return Judged(lacks=tuple(deliverables.lacking(component, content)))


def not_applicable(content: Any) -> str | None:
    """The reason of a `{not_applicable: reason}`; empty where none is given, None where it is not one."""
    if isinstance(content, Mapping) and len(content) == 1:
        ((key, reason),) = content.items()
        if deliverables.word(key) in WAIVED:
            return "" if reason is True else text_of(reason).strip()
    return None


def is_empty(content: Any, depth: int = 0) -> bool:
    """Whether there is nothing in it, at any depth."""
    if isinstance(content, Mapping):
        return depth <= 12 and all(is_empty(each, depth + 1) for each in content.values())
    if isinstance(content, list | tuple):
        return depth <= 12 and all(is_empty(each, depth + 1) for each in content)
    return not text_of(content).strip()


def keyed(value: Any, names: Iterable[str]) -> dict[str, tuple[tuple[str | int, ...], Any]]:
    """The components among the keys of a mapping."""
    wanted = set(names)
    if not isinstance(value, Mapping):
        return {}
    return {n: place for n, place in components_of(value).items() if n in wanted}
