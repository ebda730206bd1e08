"""The emitters under the bells: one thread, one descriptor for all folders; or one thread that polls them all.

Counterpart: `__init__.py`, which says what a happening in which folder means. Both are emitters of watchdog's; its own
inotify emitter has one thread per watch, a mask that livelocks on large trees, holds back moves for half a second, and
only logs an overflow.

Rules of the house
- A folder is known by its path relative to the root, as os.fsdecode gives it: bytes that are no UTF-8 survive.
- Happenings are handed on in batches, in the kernel's order, and nothing is looked at or decided here.
- The descriptor is closed by the thread that reads it: closed by another, its number could be somebody else's.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
import struct
import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final, Literal, NamedTuple

from watchdog.observers.api import EventEmitter, EventQueue, ObservedWatch
from watchdog.observers.inotify_c import InotifyConstants as In
from watchdog.utils.dirsnapshot import DirectorySnapshot, DirectorySnapshotDiff

What = Literal["whole", "seen", "gone", "self", "overflow"]


class Happening(NamedTuple):
    """What happened to `name` in `folder`; `self` = to the folder itself, `overflow` = what more is not known."""

    folder: str
    name: str
    what: What
    is_folder: bool


Take = Callable[[list[Happening]], None]

IN_CLOEXEC: Final = 0o2000000
IN_NONBLOCK: Final = 0o4000
MASK: Final = int(
    In.IN_CREATE | In.IN_MOVED_TO | In.IN_MOVED_FROM | In.IN_DELETE | In.IN_CLOSE_WRITE | In.IN_DELETE_SELF
    | In.IN_MOVE_SELF | In.IN_ONLYDIR | In.IN_EXCL_UNLINK
)  # fmt: skip
_NO_FOLLOW: Final = int(In.IN_DONT_FOLLOW)
_ISDIR: Final = int(In.IN_ISDIR)
_IGNORED: Final = int(In.IN_IGNORED)
_OVERFLOW: Final = int(In.IN_Q_OVERFLOW)
_SELF: Final = int(In.IN_DELETE_SELF | In.IN_MOVE_SELF | In.IN_UNMOUNT)
_WHOLE: Final = int(In.IN_MOVED_TO | In.IN_CLOSE_WRITE)
_GONE: Final = int(In.IN_MOVED_FROM | In.IN_DELETE)
_HEAD: Final = struct.Struct("iIII")
_BUFFER: Final = 1 << 20  # a whole kernel queue of ordinary names in one read
_BATCH: Final = 1024

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, path: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path or None)
    return result


class InotifyEmitter(EventEmitter):
    """All folders of one tree on one inotify descriptor, read by one thread."""

    def __init__(self, root: str, take: Take, *, timeout: float = 1.0) -> None:
        """Open the descriptor. Raises OSError: EMFILE when the user's instances or our descriptors are used up."""
        super().__init__(EventQueue(), ObservedWatch(root, recursive=False), timeout=timeout)
        self.name = "watcher"
        self._root, self._take = root, take
        self._fd = _checked(_libc.inotify_init1(IN_CLOEXEC | IN_NONBLOCK))
        try:
            self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError:
            os.close(self._fd)
            raise
        self._lock = threading.Lock()  # over the tables, and over adding: an event may come before its watch is noted
        self._folder: dict[int, str] = {}
        self._watch_of: dict[str, int] = {}
        self._buffer: bytes = b""
        self._open = True
        self.paused = threading.Event()  # for tests: the reader stands still, the kernel's queue fills

    def add(self, folder: str) -> None:
        """Watch a folder; again is harmless, and follows one that was replaced. Events come from its return on.

        Raises OSError: ENOENT, ENOTDIR (also for a link), ENOSPC at the watch limit, EMFILE.
        """
        path = os.fsencode(os.path.join(self._root, folder) if folder else self._root)
        mask = MASK | _NO_FOLLOW if folder else MASK  # the root itself may be a link
        with self._lock:
            if not self._open:
                raise OSError(errno.EBADF, "the watcher has stopped", folder)
            watch = _checked(_libc.inotify_add_watch(self._fd, path, mask), folder)
            was = self._folder.get(watch)
            if was is not None and was != folder and self._watch_of.get(was) == watch:
                del self._watch_of[was]  # the same folder under a new name
            old = self._watch_of.get(folder)
            if old is not None and old != watch:  # another folder under the same name
                self._folder.pop(old, None)
                _libc.inotify_rm_watch(self._fd, old)
            self._folder[watch], self._watch_of[folder] = folder, watch

    def drop(self, folder: str) -> None:
        """Stop watching a folder; harmless if it is not watched."""
        with self._lock:
            watch = self._watch_of.pop(folder, None)
            if watch is not None:
                self._folder.pop(watch, None)
                if self._open:
                    _libc.inotify_rm_watch(self._fd, watch)  # EINVAL: the kernel was quicker

    @property
    def folders(self) -> int:
        """How many folders are watched."""
        return len(self._watch_of)

    def on_thread_stop(self) -> None:
        """Wake the reader, so that it ends; without a reader there is only the descriptor to close."""
        with self._lock:
            if self._open:
                os.eventfd_write(self._wake, 1)
        if self.ident is None:
            self._close()

    def run(self) -> None:
        """Read until stopped."""
        try:
            super().run()
        finally:
            self._close()

    def _close(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._fd)
                os.close(self._wake)

    def queue_events(self, timeout: float) -> None:
        """Wait for events and hand them on."""
        poll = select.poll()  # not select(): our descriptor may be beyond 1,023
        poll.register(self._wake, select.POLLIN)
        if not self.paused.is_set():
            poll.register(self._fd, select.POLLIN)
        poll.poll(timeout * 1000)
        if self.should_keep_running() and not self.paused.is_set():
            self.pull()
            while self._buffer and self.should_keep_running():
                if batch := self._next():
                    self._take(batch)

    def pull(self) -> None:
        """Empty the kernel's queue into ours, which has no bound; called between long steps too. Only by the reader."""
        parts = [self._buffer]
        while True:
            try:
                parts.append(os.read(self._fd, _BUFFER))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EINTR:
                    raise
        self._buffer = b"".join(parts) if len(parts) > 1 else parts[0]

    def _next(self) -> list[Happening]:
        """The next so many events of the buffer."""
        raw, at, found = self._buffer, 0, list[Happening]()
        with self._lock:
            for _ in range(_BATCH):
                if at >= len(raw):
                    break
                watch, mask, _cookie, length = _HEAD.unpack_from(raw, at)
                at += 16
                name = raw[at : at + length].rstrip(b"\0")
                at += length
                if mask & _OVERFLOW:
                    found.append(Happening("", "", "overflow", False))
                    continue
                folder = self._folder.get(watch)
                if folder is None:  # of a folder that we have let go
                    continue
                if mask & _IGNORED:
                    del self._folder[watch]
                    if self._watch_of.get(folder) == watch:
                        del self._watch_of[folder]
                        found.append(Happening(folder, "", "self", True))
                elif mask & _SELF:
                    found.append(Happening(folder, "", "self", True))
                else:
                    what: What = "whole" if mask & _WHOLE else "gone" if mask & _GONE else "seen"
                    found.append(Happening(folder, os.fsdecode(name), what, mask & _ISDIR != 0))
        self._buffer = raw[at:]
        return found


class PollingEmitter(EventEmitter):
    """The same for file systems that tell nothing: all folders are compared with how they were, by one thread."""

    def __init__(self, root: str, take: Take, *, timeout: float = 1.0) -> None:
        """`timeout` is the seconds between two comparisons; it grows to ten times what one takes."""
        super().__init__(EventQueue(), ObservedWatch(root, recursive=False), timeout=timeout)
        self.name = "watcher (polling)"
        self._root, self._take = root, take
        self._lock = threading.Lock()
        self._seen: dict[str, DirectorySnapshot] = {}
        self.paused = threading.Event()
        self.interval = timeout

    def add(self, folder: str) -> None:
        """Watch a folder from how it is now. Raises OSError: ENOENT, ENOTDIR, and what the file system says."""
        with self._lock:
            known = folder in self._seen
        if not known:
            snapshot = self._look(folder)
            with self._lock:
                self._seen.setdefault(folder, snapshot)

    def drop(self, folder: str) -> None:
        """Stop watching a folder."""
        with self._lock:
            self._seen.pop(folder, None)

    @property
    def folders(self) -> int:
        """How many folders are watched."""
        return len(self._seen)

    def pull(self) -> None:
        """Nothing waits anywhere."""

    def _look(self, folder: str) -> DirectorySnapshot:
        path = os.path.join(self._root, folder) if folder else self._root
        if not stat.S_ISDIR((os.lstat if folder else os.stat)(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
        return DirectorySnapshot(path, recursive=False, stat=os.lstat if folder else _stat_root(path))

    def queue_events(self, timeout: float) -> None:
        """Wait, then compare every folder."""
        if self.stopped_event.wait(self.interval) or self.paused.is_set():
            return
        began = monotonic()
        with self._lock:
            folders = list(self._seen)
        for folder in folders:
            if not self.should_keep_running():
                return
            if found := self._compare(folder):
                self._take(found)
        self.interval = max(timeout, 10 * (monotonic() - began))

    def _compare(self, folder: str) -> list[Happening]:
        with self._lock:
            before = self._seen.get(folder)
        if before is None:
            return []
        try:
            now = self._look(folder)
        except (FileNotFoundError, NotADirectoryError):
            self.drop(folder)
            return [Happening(folder, "", "self", True)]
        except OSError:  # a share that does not answer: what happened meanwhile is found when it does
            return []
        path = os.path.join(self._root, folder) if folder else self._root
        replaced = before.inode(path) != now.inode(path)
        diff = DirectorySnapshotDiff(before, now)
        with self._lock:
            if self._seen.get(folder) is before:
                self._seen[folder] = now
        found = [Happening(folder, "", "self", True)] if replaced else []
        moved = (*diff.files_moved, *diff.dirs_moved)
        found += self._said(path, (*diff.files_deleted, *diff.dirs_deleted, *(old for old, _ in moved)), before, "gone")
        new = (*diff.files_created, *diff.files_modified, *diff.dirs_created, *(to for _, to in moved))
        return found + self._said(path, new, now, "seen")

    def _said(
        self, path: str, paths: Iterable[bytes | str], snapshot: DirectorySnapshot, what: What
    ) -> list[Happening]:
        folder = os.path.relpath(path, self._root) if path != self._root else ""
        return [
            Happening(folder, os.path.basename(os.fsdecode(each)), what, snapshot.isdir(each))
            for each in dict.fromkeys(paths)
            if each != path
        ]


def _stat_root(root: str) -> Callable[[str], os.stat_result]:
    """Links are not followed, but for the root itself."""
    return lambda path: os.stat(path) if path == root else os.lstat(path)


Emitter = InotifyEmitter | PollingEmitter

# --- which of the two -------------------------------------------------------------------------------------------------

UNTOLD: Final = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "coda", "ncpfs", "lustre", "gfs", "gfs2", "ocfs2",
     "gpfs", "beegfs", "orangefs", "pvfs2", "davfs", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "overlay", "aufs",
     "fuse")
)  # fmt: skip
"""File systems on which others write without our kernel's knowledge: networks, hosts of virtual machines, layers."""


def untold(path: str, mounts: str = "/proc/self/mountinfo") -> str | None:
    """The type of the file system that a path lies on, if inotify does not hear all of it; None if it does [OPS-21]."""
    where = os.fsencode(os.path.realpath(path))
    best, kind = -1, ""
    try:
        with open(mounts, "rb") as file:
            for line in file:
                left, _, right = line.rstrip(b"\n").partition(b" - ")
                fields = left.split(b" ")
                if len(fields) < 5 or not right:
                    continue
                point = _unescaped(fields[4])
                inside = where == point or where.startswith(point.rstrip(b"/") + b"/")
                if inside and len(point) >= best:  # of two on one point the later one lies on top
                    best, kind = len(point), os.fsdecode(right.split(b" ")[0])
    except OSError:
        return None
    return kind if kind in UNTOLD or kind.startswith("fuse.") else None


def _unescaped(point: bytes) -> bytes:
    for written, meant in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        point = point.replace(written, meant)
    return point
