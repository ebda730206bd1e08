"""Frozen values that are made and copied quickly are as those that are made in the ways of dataclasses."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field

import pytest

from executord.agenda import Due
from executord.evolve import empty, filled, replace, swift
from executord.promises.timepiece import Clock


@swift
@dataclass(frozen=True, slots=True)
class Stone:
    """Fields named as what the makers use inside, each way of giving one."""

    kind: str
    new: int = 3
    draft: list[int] = field(default_factory=list)
    none: str | None = None

    @property
    def whole(self) -> str:
        """Of two fields."""
        return f"{self.kind} {self.new}"


@dataclass(frozen=True, slots=True)
class Plain:
    """The same, made in the usual way."""

    kind: str
    new: int = 3
    draft: list[int] = field(default_factory=list)
    none: str | None = None


def test_a_value_is_what_it_was_given():
    """By place and by name, with what it does not say from its class, a list of its own each time."""
    one, other = Stone("a"), Stone(kind="a", new=4, draft=[1], none="x")
    assert dataclasses.astuple(one) == dataclasses.astuple(Plain("a")) == ("a", 3, [], None)
    assert dataclasses.astuple(other) == ("a", 4, [1], "x")
    assert one.draft is not Stone("a").draft
    assert (one.whole, repr(one)) == ("a 3", "Stone(kind='a', new=3, draft=[], none=None)")
    assert type(one) is Stone
    assert one == Stone("a")
    # what mypy is told to pass over here and below is wrong on purpose: it must be refused at run time too
    with pytest.raises(TypeError):
        Stone()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Stone("a", 1, [], None, 5)  # type: ignore[call-arg]


@pytest.mark.parametrize("value", [Stone("a"), Plain("a")])
def test_it_is_frozen(value: Stone | Plain):
    """No field can be set or taken away, and none added; also of a copy."""
    for each in (value, replace(value, new=9)):
        with pytest.raises(FrozenInstanceError):
            each.new = 1  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError):
            del each.new
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            each.more = 1  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [Stone("a", 1, [2], "x"), Plain("a", 1, [2], "x")])
def test_a_copy_is_that_of_dataclasses(value: Stone | Plain):
    """Other values in some fields, the same ones in the others; a field that it has not is no field."""
    copy = replace(value, none=None, new=7)
    assert copy == dataclasses.replace(value, none=None, new=7)
    assert type(copy) is type(value)
    assert copy.draft is value.draft
    assert value.new == 1
    with pytest.raises(AttributeError):
        replace(value, nothing=1)  # type: ignore[call-arg]
    assert pickle.loads(pickle.dumps(copy)) == copy


def test_what_is_more_than_its_fields_is_not_made_so():
    """A value that checks itself when it is made must be made in the usual way."""

    @dataclass(frozen=True, slots=True)
    class Checked:
        n: int

        def __post_init__(self) -> None:
            assert self.n

    with pytest.raises(TypeError):
        swift(Checked)
    with pytest.raises(TypeError):
        replace(Checked(1), n=2)


@pytest.mark.parametrize("kind", [Stone, Plain])
def test_a_value_is_made_of_those_of_all_its_fields(kind: type):
    """Equal to the one that its class makes, frozen, and never with a field that nobody gave."""
    names = [each.name for each in dataclasses.fields(kind)]
    made = filled(kind)(*names)
    assert made == kind(*names)
    assert type(made) is kind
    with pytest.raises(FrozenInstanceError):
        made.new = 1
    with pytest.raises(TypeError):
        filled(kind)(*names[1:])
    with pytest.raises(TypeError):
        filled(kind)(*names, "more")


@pytest.mark.parametrize("kind", [Due, Clock])
def test_those_made_so_take_the_fields_of_their_class(kind: type):
    """Their makers know every field, in its order."""
    assert list(inspect.signature(kind).parameters) == [each.name for each in dataclasses.fields(kind)]
    assert empty() is empty()
