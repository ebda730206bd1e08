"""Where a page is: as an address of the server, or as a file of an export [OPS-16]. Pure.

A page is known by its segments, e.g. `("case", "acme-42", "task", "T3")`; the board has none. Each segment is quoted by
itself, so that an id with a slash, a dot or a quote in it stays one segment, and leads nowhere else.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes

LONGEST = 180
"""Bytes of a file's name in an export; a longer one is cut and ends in a hash."""


def read(raw_path: bytes) -> tuple[str, ...] | None:
    """The segments of an address as it stood in the request; None if it has empty ones or steps up."""
    segments = raw_path.split(b"?")[0].split(b"/")
    if segments == [b"", b""]:
        return ()
    found = tuple(os.fsdecode(unquote_to_bytes(segment)) for segment in segments[1:])
    return None if segments[0] or any(s in ("", ".", "..") for s in found) else found


class Served:
    """Addresses of the server: the same from every page."""

    def link(self, *segments: str) -> str:
        """The address of a page."""
        return "/" + "/".join(quote(_bytes(each), safe="") for each in segments)

    asset = link


class Filed:
    """Addresses between files, seen from one page: they work wherever the folder lies."""

    def __init__(self, here: Sequence[str]) -> None:
        self._up = "../" * len(here)

    def link(self, *segments: str) -> str:
        """The way from here to the file of a page."""
        return self._up + quote(place(segments))

    def asset(self, *segments: str) -> str:
        """The way from here to a file that is no page."""
        return self._up + "/".join(segments)


def place(segments: Sequence[str]) -> str:
    """Where the file of a page lies in an export."""
    return "/".join((*map(_name, segments), "index.html"))


def _name(segment: str) -> str:
    """A segment as the name of a folder on any file system."""
    plain = quote(_bytes(segment), safe=" ")
    plain = plain if not plain.startswith(".") else f"%2E{plain[1:]}"
    if len(plain) <= LONGEST:
        return plain
    return f"{plain[: LONGEST - 20]}-{hashlib.sha256(_bytes(segment)).hexdigest()[:16]}"


def _bytes(segment: str) -> bytes:
    """As a file's name has them; a half of a character that somebody wrote is spelled out."""
    try:
        return os.fsencode(segment)
    except UnicodeEncodeError:
        return segment.encode("utf-8", "backslashreplace")
