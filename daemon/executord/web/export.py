"""The pages as files, to be put anywhere or opened as they are [OPS-16].

Counterpart: `pages.py`, which makes them. They are written aside and renamed, so that nobody sees half of an export;
an older export at the same place is replaced, and nothing else ever is. What dies on the way leaves the older one in
its place, and what it left beside it goes with the next export.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from importlib import resources

from executord.case.casebook import Case
from executord.clock import WallClock
from executord.errors import CannotWrite, NotFound, UsageError
from executord.files.disk import exchange
from executord.files.dropping import cannot
from executord.policy import Policy
from executord.web.addresses import place
from executord.web.lookout import Lookout
from executord.web.pages import Pages

MARK = ".executord-web"
"""Lies in an export, and says that it is one."""


def export(root: str, policy: Policy, target: str, archive: Callable[[], Iterable[Case]]) -> int:
    """Write all pages into this folder, or where a link of this name leads; how many.

    Raises `CannotWrite`, `UsageError`.
    """
    target = os.path.realpath(target)
    if f"{target}/".startswith(f"{os.path.realpath(root)}/"):
        raise UsageError("--static: the pages are not written into the memory", fix="choose a folder outside of it")
    is_old = os.path.lexists(f"{target}/{MARK}")
    try:
        taken = os.path.lexists(target) and not is_old and (not os.path.isdir(target) or bool(os.listdir(target)))
    except OSError as error:
        raise cannot(target, error) from error
    if taken:
        raise CannotWrite("something else lies there", path=target, fix="choose a folder that is not there yet")
    aside = _aside(target)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with _lock(os.path.dirname(target)):
            _tidy(target)
            os.mkdir(aside)
            held = _lock(aside)
        with held:
            count = _write(aside, root, policy, archive)
            with _lock(os.path.dirname(target)):
                _swap(aside, target)
    except OSError as error:
        raise cannot(target, error) from error
    finally:
        _discard(aside)
    return count


def _aside(target: str) -> str:
    """A new name beside the target, by which the next export at the same place knows whose it is."""
    folder, name = os.path.split(target)
    return f"{folder}/{_prefix(name)}{secrets.token_hex(4)}.part"


def _prefix(name: str) -> str:
    return f".executord-web-{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}-"


def _swap(aside: str, target: str) -> None:
    """Put the new export in the place of the older one, which then lies aside; in one step where the disk can do it."""
    if not os.path.lexists(target):
        os.rename(aside, target)
    elif not exchange(aside, target):
        old = _aside(target)
        os.rename(target, old)
        os.rename(aside, target)
        os.rename(old, aside)


def _tidy(target: str) -> None:
    """Take away what exports that died have left here; if they left no export in its place, put back a whole one."""
    folder, name = os.path.split(target)
    prefix = _prefix(name)
    left = [f"{folder}/{n}" for n in os.listdir(folder) if n.startswith(prefix) and n.endswith(".part")]
    for path in sorted(left, key=_finished, reverse=True):
        with contextlib.suppress(OSError), _lock(path, wait=False):  # else somebody is at work on it
            if _finished(path) and not os.path.lexists(target):
                os.rename(path, target)
            else:
                _discard(path)


def _finished(path: str) -> int:
    """When the export in this folder became whole, 0 if it never did."""
    try:
        return os.lstat(f"{path}/{MARK}").st_mtime_ns
    except OSError:
        return 0


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(f"{path}/{MARK}")  # first: what has its mark is whole
    shutil.rmtree(path, ignore_errors=True)


def _lock(folder: str, *, wait: bool = True) -> contextlib.ExitStack:
    """A lock on a folder that ends with its holder's process; none where the file system has no such locks.

    Raises `BlockingIOError` where it does not wait and somebody holds it.
    """
    held = contextlib.ExitStack()
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    held.callback(os.close, fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        held.close()
        raise
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            held.close()
            raise
    return held


def _write(folder: str, root: str, policy: Policy, archive: Callable[[], Iterable[Case]]) -> int:
    lookout = Lookout(root, policy, WallClock())
    lookout.look()
    pages = Pages(lookout, live=False, archive=archive)
    count = 0
    for segments in pages.every():
        with contextlib.suppress(NotFound):  # it went while the others were written
            html = pages.render(segments).html
            path = f"{folder}/{place(segments)}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(html)
            count += 1
    os.makedirs(f"{folder}/static")
    for name in ("style.css", "icon.svg"):
        with open(f"{folder}/static/{name}", "wb") as file:
            file.write(resources.files("executord.web").joinpath("static", name).read_bytes())
    with open(f"{folder}/{MARK}", "wb"):
        pass
    return count
