"""Keys as people, agents and ticket tools write them, in the spelling that is read [MEM-7, MSG-1].

Counterparts: `fields.py`, whose tables name what is known of a file; `letters.py`, which reads messages. What differs
from a known key by capitals, hyphens, blanks or the gap between its words says the same and is taken. What only looks
like one, or is a word of others for one, is named with the key that is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any

from executord.errors import Finding

_LONGEST = 60  # characters; longer ones are texts that ended up before a colon
_QUOTES = " \t" + "".join(map(chr, (0xA0, 0x2018, 0x2019, 0x201C, 0x201D, 0x201E)))
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GAP = re.compile(r"[\s_\u2010-\u2015-]+")
_ALIKE = 0.88  # of difflib: `asigned_to`, `dependancies` and `prioritty`, but not `assigner`
MOST_KEYS = 200  # of one mapping that are compared with what is known: nobody writes more of them by hand
_REMEMBERED = 4096  # keys that are not looked up again
_SHORTEST = 5  # letters; shorter words are alike by chance


@lru_cache(maxsize=8192)
def plain_key(key: str) -> str:
    """A key with small letters and `_` between its words: `taskId`, `Task ID` and `task-id` are `task_id`."""
    if len(key) > _LONGEST or (key.islower() and key.isidentifier()):
        return key
    return _GAP.sub("_", _HUMP.sub("_", unicodedata.normalize("NFKC", key).strip(_QUOTES))).strip("_").lower()


def plain_keys(data: Mapping[str, Any], known: Mapping[str, str] = {}) -> Mapping[str, Any]:
    """The mapping with its keys spelled plainly; `known` are words run together that mean a key. The value that stands
    under the plain spelling itself counts before one that does not."""
    meant: dict[str, str] = {}
    for key in data:
        plain = plain_key(key)
        if plain != key or plain in known:
            meant[key] = known.get(plain, plain)
    if not meant:
        return data
    found = {key: value for key, value in data.items() if key not in meant}
    for key, plain in meant.items():
        found.setdefault(plain, data[key])
    return found


def run_together(key: str) -> str:
    """A key as it is compared with a known one: its words without what stands between them."""
    return plain_key(key).replace("_", "")


@lru_cache(maxsize=8192)
def nearly(key: str, meant: str, alike: float = _ALIKE) -> bool:
    """Whether a key looks like another one that is meant: a letter too many, too few, or in the wrong place."""
    words, wanted = run_together(key) if len(key) <= _LONGEST else "", run_together(meant)
    if len(words) < _SHORTEST or words[0] != wanted[0]:
        return False  # `subtask_id` is no slip of the pen
    return bool(get_close_matches(words, (wanted,), 1, alike))


class Vocabulary:
    """The keys that are read of one kind of file, and the words of others for them.

    `others`: a key that is not read, and the one to write instead of it.
    """

    def __init__(self, known: Iterable[str], others: Mapping[str, str] = {}) -> None:
        inner: dict[str, list[str]] = {}
        words: list[str] = []
        for name in known:
            first, dot, rest = name.partition(".")
            words.append(first)
            if dot:
                inner.setdefault(first, []).append(rest)
        self._known = frozenset(words)
        self._alike = {run_together(word): word for word in sorted(self._known)}
        self._others = {run_together(word): meant for word, meant in others.items()}
        self._inside = {
            first: Vocabulary(rest, {w.partition(".")[2]: m for w, m in others.items() if w.startswith(f"{first}.")})
            for first, rest in inner.items()
        }
        self._plain = set(self._known)  # keys of which nothing has to be said: what is known, and what means nothing
        self._meant = lru_cache(_REMEMBERED)(self._look_up)

    def read(self, data: Mapping[str, Any], findings: list[Finding], within: str = "") -> Mapping[str, Any]:
        """The mapping with each key that means a known one under that one; what is odd about them is found."""
        plain = self._plain
        found: Mapping[str, Any] = data
        for key in islice(data, MOST_KEYS):
            if key in plain:
                continue
            meant, same = self._meant(key)
            if meant is None:
                if len(plain) < _REMEMBERED:
                    plain.add(key)
                continue
            if data[key] is None or found.get(meant.partition(".")[0]) is not None:
                continue
            if same:
                found = {name: value for name, value in found.items() if name != key} | {meant: data[key]}
            said = f"{key!r} is read as {meant}" if same else f"{key!r} is no key that is read"
            findings.append(Finding("MEM-7", said, f"write {meant}", "warning", within + key))
        for first, inside in self._inside.items():
            inner = found.get(first)
            if inner is not None and isinstance(inner, Mapping):  # to ask of None what it is takes longest
                read = inside.read(inner, findings, f"{within}{first}.")
                if read is not inner:
                    found = {**found, first: read}
        return found

    def _look_up(self, key: str) -> tuple[str | None, bool]:
        """The known key that this one seems to mean, if any, and whether it says the same."""
        if len(key) > _LONGEST:
            return None, False
        plain = run_together(key)
        same = self._alike.get(plain)
        if same is not None:
            return same, True
        meant = self._others.get(plain)
        if meant is None and len(plain) >= _SHORTEST:
            near = get_close_matches(plain, self._alike, 1, _ALIKE)
            meant = self._alike[near[0]] if near else None
        return meant, False
