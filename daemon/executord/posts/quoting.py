"""What a file of somebody else says, quoted in what we write: under a key, in the spellings that claims use.

Counterparts: `hands.py`, which reads the file; `updates.py`, the five contents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from executord.reading import find, text_of
from executord.reading.keys import plain_keys
from executord.scalars import written
from executord.updates import update_contents
from executord.values import read_moment, stamp
from executord.verification import OUTPUT, SUMMARY


def inside(body: Any, keys: Sequence[str | int]) -> Any:
    """The value that stands behind these keys and places, None where there is none."""
    here = body
    if keys and isinstance(body, Mapping) and keys[0] not in body:
        here = plain_keys(body)
    for key in keys:
        if isinstance(here, Mapping):
            here = here.get(key)
        elif isinstance(here, list) and isinstance(key, int) and key < len(here):
            here = here[key]
        else:
            return None
    return here


def embedded(body: Mapping[str, Any], key: str | None, zone: tzinfo) -> Any:
    """What a file says under a key, in the spellings that claims use; times in UTC where they can be read [CON-0]."""
    if key is None:
        return dict(body)
    body = plain_keys(body)
    if key.startswith("update:"):
        *path, content = key.removeprefix("update:").split(".")
        inner: Any = body
        for part in path:
            inner = inner.get(part) if isinstance(inner, Mapping) else None
            inner = {"text": inner} if isinstance(inner, str) else inner
        return update_contents(inner).get(content) if isinstance(inner, Mapping) else None
    if key == "output":
        found = next((body[k] for k in OUTPUT if body.get(k) is not None), None)
        return None if body.get("output") is None and isinstance(found, list) else found
    if key == "summary":
        value = find(body, SUMMARY).value
        return value if isinstance(value, str) or value is None else text_of(value)
    value = find(body, (key,)).value
    if key == "components" and value is None:
        return {}
    if key.endswith("_at"):
        moment = read_moment(value, zone)
        if moment is not None:
            return stamp(moment)
        return written(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    return value
