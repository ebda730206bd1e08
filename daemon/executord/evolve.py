"""`replace` for frozen values with slots, as in `dataclasses`, at a third of its price.

A line of the journal makes two or three new values of a task, which has some forty fields; the standard one calls
`__init__` with all of them, and each is then set through Python. Here the slots are filled directly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from itertools import repeat
from operator import attrgetter, call
from typing import TYPE_CHECKING, Any

__all__ = ["empty", "replace"]

_EMPTY: Mapping[str, Any] = {}


def empty() -> Mapping[str, Any]:
    """The mapping of a value that has nothing to say: one for all, for there are many such values."""
    return _EMPTY


if TYPE_CHECKING:  # so that the names and types of what is changed are checked
    from dataclasses import replace
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """A copy of a frozen dataclass with slots, with other values in some fields; KeyError for an unknown field."""
        return _copier(type(value))(value, changes)


@cache
def _copier(kind: type[Any]) -> Callable[[Any, dict[str, Any]], Any]:
    """How a value of this class is copied. TypeError for one whose making is more than setting its fields."""
    if hasattr(kind, "__post_init__") or not all(field.init for field in fields(kind)):
        raise TypeError(f"{kind.__name__} needs dataclasses.replace")
    names = [field.name for field in fields(kind)]
    setters = {name: getattr(kind, name).__set__ for name in names}
    every, values_of, new = tuple(setters.values()), attrgetter(*names), object.__new__

    def copy(value: Any, changes: dict[str, Any]) -> Any:
        made = new(kind)
        deque(map(call, every, repeat(made), values_of(value)), 0)
        for name, item in changes.items():
            setters[name](made, item)
        return made

    return copy
