"""What takes little room where there are 100,000 tasks: long texts packed, and small values that are equal as one.

A task's text is seven times as large as Python values as it is in its file; packed it is half as large, and unpacked
when somebody asks, which is seldom. Counterpart: `reading/`, which reads a file once and packs what is rarely asked
for again.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Hashable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from functools import lru_cache
from typing import Any, TypeVar

_HOW = (1, zlib.DEFLATED, 11, 5)  # fast, with tables of 24 KB instead of 260 that would empty the caches each time
_PROTOCOL = 5
_SMALL = 200  # bytes that are not worth the time
_KNOWN = 1 << 12  # small values that are remembered
_T = TypeVar("_T", bound=Hashable)


def shared(value: _T) -> _T:
    """The value, or one that is equal and known already: names, tags and sets of them recur from case to case.

    For nothing, texts and whole numbers, and tuples and frozen sets of them: whose equals are the same in every
    respect.
    """
    found: _T = _first(value)
    return found


@lru_cache(_KNOWN)
def _first(value: Any) -> Any:
    return value


def _deflated(plain: bytes) -> bytes:
    stream = zlib.compressobj(*_HOW)
    return stream.compress(plain) + stream.flush()


class _Values(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Numbers with their spelling, and nothing that does anything."""
        if module.startswith("executord."):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no value of a file")


class Packed(Mapping[str, Any]):
    """A mapping that was read once and is not changed. Two are equal if they say the same."""

    __slots__ = ("_bytes",)

    def __init__(self, data: Mapping[str, Any]) -> None:
        plain = pickle.dumps(dict(data), _PROTOCOL)
        self._bytes = _deflated(plain) if len(plain) > _SMALL else plain

    def unpacked(self) -> dict[str, Any]:
        """The mapping itself, a new one each time."""
        packed = self._bytes
        plain = packed if packed[:1] == b"\x80" else zlib.decompress(packed)  # a pickle begins so, and never a stream
        found: dict[str, Any] = _Values(io.BytesIO(plain)).load()
        return found

    def __getitem__(self, key: str) -> Any:
        return self.unpacked()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.unpacked())

    def __len__(self) -> int:
        return len(self.unpacked())

    def keys(self) -> KeysView[str]:
        """All keys at once, as the others below: each of them unpacks."""
        return self.unpacked().keys()

    def values(self) -> ValuesView[Any]:
        """All values."""
        return self.unpacked().values()

    def items(self) -> ItemsView[str, Any]:
        """All pairs."""
        return self.unpacked().items()

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or `default`."""
        return self.unpacked().get(key, default)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Packed):
            return self._bytes == other._bytes or self.unpacked() == other.unpacked()
        return isinstance(other, Mapping) and self.unpacked() == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.unpacked())
