"""Taking messages out of an inbox: the very ones that were read, and none that has come under such a name since.

Who says how far he is may write one file over and over. Between our reading and our rename lie the line and its way to
the disk; what comes under the name meanwhile stays there, and is read as the next message [MSG-2, MEM-20].

Counterparts: `postbox.py` and `sessions/mailbox.py`, which read; `hands.py`, `service/house.py` and
`sessions/hands.py`, which file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container
from datetime import datetime, timedelta
from itertools import count

from executord.files.disk import Disk, rename
from executord.paper.gate import Identity, identity_of, moment_of, mtime_of, reader, same_content

#: A file system may give two changes within this time one and the same: then only the bytes tell them apart.
TICK = timedelta(seconds=0.1)


class Intake:
    """Of one folder's tree: what was read of each message that waits to be filed, by its path from the root."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._read: dict[str, tuple[Identity, str]] = {}  # as it was read, and its sha256 where that has to tell
        self.left: set[str] = set()  # where something else lay when its turn came: to be read

    def saw(self, path: str, identity: Identity, sha256: str, now: datetime) -> None:
        """A message was read, as it was then; `now` is no later than that."""
        fresh = now - moment_of(mtime_of(identity)) < TICK
        self._read[path] = (identity, sha256 if fresh else "")

    def only(self, there: Container[str]) -> None:
        """Of messages that are gone, taken by another executor or by their sender, nothing is kept."""
        for path in [path for path in self._read if path not in there]:
            del self._read[path]

    def take(self, disk: Disk, source: str, target: str) -> bool:
        """Rename the message that was read under this path, without replacing. False: it is gone, or its name is
        another's by now, or there is something on the target. Raises `CannotWrite`."""
        read = self._read.pop(source, None)
        if read is not None and not self._is(source, read[0]):
            self.left.add(source)
            return False
        if not disk.publish(source, target):
            return False
        if read is None or (self._is(target, read[0]) and (not read[1] or self._digest(target) in (read[1], None))):
            return True
        self._put_back(target, source)
        return False

    def again(self, disk: Disk, source: str, target: str, sha256: str) -> None:
        """After a death: rename the message that a line has taken, if that was not done. `sha256` may be its beginning,
        or "" where nothing is known of it. Raises `CannotWrite`."""
        if os.path.lexists(f"{self._root}/{target}"):
            found = self._digest(target) if sha256 else None
            if found is not None and not found.startswith(sha256):  # it died over what came in that very moment
                self._put_back(target, source)
        elif os.path.lexists(f"{self._root}/{source}") and (
            not sha256 or (self._digest(source) or "").startswith(sha256)
        ):
            disk.make_folder(os.path.dirname(target))
            disk.publish(source, target)

    def _is(self, path: str, read: Identity) -> bool:
        try:
            return same_content(identity_of(os.lstat(f"{self._root}/{path}")), read)
        except OSError:
            return False

    def _digest(self, path: str) -> str | None:
        try:
            with reader(f"{self._root}/{path}") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None

    def _put_back(self, target: str, source: str) -> None:
        """What came in this very moment lies in the inbox again, under another name where its own is taken already."""
        stem, ending = os.path.splitext(source)
        for k in count(1):
            back = source if k == 1 else f"{stem}~{k}{ending}"
            if rename(f"{self._root}/{target}", f"{self._root}/{back}"):
                self.left.add(back)
                return
            if not os.path.lexists(f"{self._root}/{target}"):
                return
