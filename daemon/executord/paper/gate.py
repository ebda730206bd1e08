"""The gate: how a file that somebody else wrote is opened and read, and what never gets in [SEC-0].

Counterpart: `paper.parse`, which takes the bytes that came through. The gate knows nothing of YAML.

Rules of the house
- Nothing here blocks: no FIFO, device, socket or slow writer holds the loop.
- The descriptor is judged, never the name: between two looks at a name anybody can put another file there.
- What is wrong with the file is `Unreadable`; what is wrong with us (no descriptors, no memory) stays an `OSError`,
  because a file must not be refused for our own trouble.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BufferedReader

from executord.errors import NotYetWhole, Unreadable

Identity = bytes
"""(device, inode, size, mtime_ns, ctime_ns), packed, for one is kept of every file that was read. Equal means that the
file is the one already read."""
FACTS = struct.Struct("=QQqqq")
_MOST_NS = (1 << 63) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FILE_LIMIT = 256 * 1024
"""Bytes; the default of `limits.file_bytes`."""

LEFT_OPEN = timedelta(minutes=10)
"""A file that has not changed for so long is read also if it is open for writing: its writer has forgotten it."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OUR_TROUBLE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISLNK, "a symbolic link"),
)
_FIX_KIND = "put a regular file in its place"


@dataclass(frozen=True, slots=True)
class Opened:
    """A file as it was at one moment: its bytes and what tells it from any other.

    `size` is in bytes; `uid` is its owner's [SEC-2].
    """

    raw: bytes
    size: int
    identity: Identity
    uid: int


def open_file(path: str, *, limit: int = FILE_LIMIT, settled: bool = True) -> Opened:
    """Read a regular file of at most `limit` bytes without blocking and without following a link [SEC-0].

    `settled=False` asks first, where the system allows it, whether somebody still has the file open for writing.
    Only the last part of the path is guarded against links; that its folders are ours is the store's business [SEC-1].

    Raises `Unreadable` (code SEC-0), `NotYetWhole` while it is being written, `FileNotFoundError` if it has gone, which
    is normal, and any other `OSError` only when we ourselves have run out of descriptors or memory.
    """
    try:
        fd = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from error
    try:
        return _read(fd, path, limit, settled)
    except OSError as error:
        raise _refusal(path, error) from error
    finally:
        os.close(fd)


def regular(path: str) -> int:
    """A descriptor of a regular file that is to be read, for what we wrote ourselves: somebody may have put a FIFO or a
    link on our name. Never waits, follows no link. Raises OSError, also for anything that is no regular file.
    """
    fd = os.open(path, _FLAGS)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
    except BaseException:  # raised again: whoever is to close it never gets it
        os.close(fd)
        raise
    return fd


def reader(path: str) -> BufferedReader:
    """The same as an open file. Raises OSError."""
    return os.fdopen(regular(path), "rb")


def ours_to_mend(error: OSError) -> bool:
    """Whether an error is for want of descriptors or memory: it says nothing about the file."""
    return error.errno in _OUR_TROUBLE


def _read(fd: int, path: str, limit: int, settled: bool) -> Opened:
    before = os.fstat(fd)
    if not stat.S_ISREG(before.st_mode):
        raise _not_a_file(path, before.st_mode)
    if before.st_size > limit:
        raise Unreadable(
            f"the file has {before.st_size} bytes, at most {limit} are read",
            path=path,
            code="SEC-0",
            fix="shorten it, or put the long part into a file of its own and name its path",
        )
    if not settled and _has_writer(fd):
        raise NotYetWhole(path=path, code="SEC-0", fix="write aside, then mv")
    raw = _bytes(fd, before.st_size)
    after = os.fstat(fd)
    identity = identity_of(after)
    if identity != identity_of(before) or len(raw) != after.st_size:
        raise NotYetWhole("the file changed while it was read", path=path, code="SEC-0", fix="write aside, then mv")
    return Opened(raw, after.st_size, identity, after.st_uid)


def _bytes(fd: int, size: int) -> bytes:
    """Up to `size + 1` bytes: one more than expected shows that the file has grown, and is never unbounded."""
    raw = os.read(fd, size + 1)
    if len(raw) >= size:
        return raw
    parts = [raw]
    have = len(raw)
    while have <= size and (more := os.read(fd, size + 1 - have)):
        parts.append(more)
        have += len(more)
    return b"".join(parts)


def _has_writer(fd: int) -> bool:
    """Whether another process has the file open for writing, as far as the kernel will say.

    A read lease is granted only when there is no writer. While it is held, a writer's open() makes the kernel
    signal us: by default SIGIO, which would kill the daemon. So the signal is set to one that is ignored first.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        # EACCES: the file is another user's; EINVAL: the file system has no leases. Then settle time decides.
        return error.errno == errno.EAGAIN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def being_written(path: str) -> bool:
    """Whether somebody has the file open for writing, as far as the kernel will say; not of what cannot be opened."""
    try:
        fd = os.open(path, _FLAGS)
    except OSError:
        return False
    try:
        return _has_writer(fd)
    finally:
        os.close(fd)


def status_of(path: str) -> os.stat_result | None:
    """What lies there, links not followed; None if nothing can be told."""
    try:
        return os.lstat(path)
    except OSError:
        return None


def identity_of(status: os.stat_result) -> Identity:
    """What tells one state of a file from another."""
    try:
        return FACTS.pack(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    except struct.error:  # anybody can give his file a time beyond what is kept of it
        times = _within(status.st_mtime_ns), _within(status.st_ctime_ns)
        return FACTS.pack(status.st_dev, status.st_ino, status.st_size, *times)


def _within(ns: int) -> int:
    return min(max(ns, -_MOST_NS), _MOST_NS)


def moment_of(ns: int) -> datetime:
    """A file's time, given in nanoseconds since 1970, cut to microseconds; it lies between 1677 and 2262, whatever its
    owner made of it."""
    return _EPOCH + timedelta(microseconds=_within(ns) // 1000)


def same_content(one: Identity, other: Identity) -> bool:
    """Whether they tell of the same file, not written in between, though perhaps renamed."""
    return FACTS.unpack(one)[:4] == FACTS.unpack(other)[:4]


def mtime_of(identity: Identity) -> int:
    """When it was changed, in nanoseconds since 1970."""
    at: int = FACTS.unpack(identity)[3]
    return at


def changed_of(identity: Identity) -> int:
    """The same, also where the file was put here with an older time: `cp -p` and `rsync -t` do so."""
    _, _, _, mtime, ctime = FACTS.unpack(identity)
    at: int = max(mtime, ctime)
    return at


def _not_a_file(path: str, mode: int) -> Unreadable:
    kind = next((name for test, name in _KINDS if test(mode)), "no regular file")
    return Unreadable(f"it is {kind}, not a regular file", path=path, code="SEC-0", fix=_FIX_KIND)


def _refusal(path: str, error: OSError | ValueError) -> Exception:
    if not isinstance(error, OSError):
        return Unreadable("its name is no file name", path=path, code="SEC-0", fix="rename it")
    match error.errno:
        case number if number in _OUR_TROUBLE:
            return error
        case errno.ELOOP:
            return Unreadable("it is a symbolic link, not a regular file", path=path, code="SEC-0", fix=_FIX_KIND)
        case errno.ENXIO | errno.ENODEV:
            return Unreadable("it is a socket or device, not a regular file", path=path, code="SEC-0", fix=_FIX_KIND)
        case errno.EACCES | errno.EPERM:
            return Unreadable("we may not read it", path=path, code="SEC-0", fix="chmod g+r, or chgrp to our group")
        case errno.EWOULDBLOCK:
            return NotYetWhole(path=path, code="SEC-0", fix="write aside, then mv")
        case _:
            pass
    why = os.strerror(error.errno) if error.errno else str(error)
    return Unreadable(f"it cannot be opened or read: {why}", path=path, code="SEC-0", fix="look at the file system")
