"""Making frozen values with slots, and copies of them with other values in some fields, at a fraction of its price.

A line of the journal makes two or three new values of a task, which has some forty fields, and a look a dozen lines
of an agenda. The standard ways set each field of a frozen value through `object.__setattr__`. Here a value is filled
while it is of a class of the same slots that is not frozen yet, and becomes what it is at the end: its class refuses
every change from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["empty", "filled", "replace", "swift"]

_EMPTY: Mapping[str, Any] = {}
_Kind = TypeVar("_Kind", bound=type[Any])


def empty() -> Mapping[str, Any]:
    """The mapping of a value that has nothing to say: one for all, for there are many such values."""
    return _EMPTY


if TYPE_CHECKING:  # so that the names and types of what is changed are checked
    from dataclasses import replace
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """A copy of a frozen dataclass with slots, with other values in some fields; AttributeError for an unknown
        field."""
        return _copier(type(value))(value, changes)


def swift(kind: _Kind) -> _Kind:
    """The frozen dataclass with slots, made at half of its price; above `@dataclass`, where very many are made."""
    space = _space(kind)
    places = [_parameter(field, space) for field in fields(kind)]
    body = [
        "_become(self, '__class__', _draft)",
        *(f"self.{field.name} = {_given(field)}" for field in fields(kind)),
        "self.__class__ = _kind",
    ]
    kind.__init__ = _written("__init__", ["self", *places], body, space)
    return kind


@cache
def filled(kind: type[Any]) -> Callable[..., Any]:
    """What makes a value of a frozen dataclass with slots from those of all its fields, in their order. TypeError for a
    class whose making is more than setting its fields, and for too few or too many values."""
    names = [field.name for field in fields(kind)]
    sets = (f"made.{name} = {name}" for name in names)
    body = ["made = _new(_draft)", *sets, "made.__class__ = _kind", "return made"]
    fill: Callable[..., Any] = _written("fill", names, body, _space(kind))
    return fill


@cache
def _copier(kind: type[Any]) -> Callable[[Any, dict[str, Any]], Any]:
    """How a value of this class is copied. TypeError for one whose making is more than setting its fields."""
    body = [
        "made = _new(_draft)",
        *(f"made.{field.name} = value.{field.name}" for field in fields(kind)),
        "for name, item in changes.items():",
        "    setattr(made, name, item)",
        "made.__class__ = _kind",
        "return made",
    ]
    copy: Callable[[Any, dict[str, Any]], Any] = _written("copy", ["value", "changes"], body, _space(kind))
    return copy


def _space(kind: type[Any]) -> dict[str, Any]:
    """The names that what is written here may use; `_draft`: the class of a value that is being filled."""
    if hasattr(kind, "__post_init__") or not all(field.init for field in fields(kind)):
        raise TypeError(f"{kind.__name__} needs the ways of dataclasses")
    draft = type(f"{kind.__name__}Draft", (), {"__slots__": tuple(field.name for field in fields(kind))})
    return {"_kind": kind, "_draft": draft, "_new": object.__new__, "_become": object.__setattr__, "_none": MISSING}


def _parameter(field: Field[Any], space: dict[str, Any]) -> str:
    if field.default_factory is not MISSING:
        space[f"_default_{field.name}"] = field.default_factory
        return f"{field.name}=_none"
    if field.default is not MISSING:
        space[f"_default_{field.name}"] = field.default
        return f"{field.name}=_default_{field.name}"
    return field.name


def _given(field: Field[Any]) -> str:
    name = field.name
    return f"_default_{name}() if {name} is _none else {name}" if field.default_factory is not MISSING else name


def _written(name: str, places: list[str], body: list[str], space: dict[str, Any]) -> Any:
    """A function from its text, as `dataclasses` makes them too: the names of the fields are all that differs."""
    exec(f"def {name}({', '.join(places)}):\n" + "".join(f"    {line}\n" for line in body), space)
    return space[name]
