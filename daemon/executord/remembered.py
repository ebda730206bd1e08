"""What was worked out once and follows from a part of the policy: remembered until another policy comes [OPS-9].

Many clocks begin together, and many lines of an agenda are asked for again; what they have in common is reckoned once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

__all__ = ["Same", "forget", "remembered"]

_Asked = TypeVar("_Asked", bound=Callable[..., Any])
_clears: list[Callable[[], None]] = []


class Same:
    """A value as a key of what is remembered: this very one, whatever it holds."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value


def remembered(most: int) -> Callable[[_Asked], _Asked]:
    """Keep the last `most` answers of a pure function of which an argument holds a part of the policy."""

    def keep(asked: _Asked) -> _Asked:
        kept = lru_cache(maxsize=most)(asked)
        _clears.append(kept.cache_clear)
        return cast(_Asked, kept)

    return keep


def forget() -> None:
    """Another policy holds from now on: the one before is not kept in memory by what was remembered of it."""
    for clear in _clears:
        clear()
