"""The pages as files, to be put anywhere or opened as they are [OPS-16].

Counterpart: `pages.py`, which makes them. They are written aside and renamed, so that nobody sees half of an export;
an older export at the same place is replaced, and nothing else ever is.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from importlib import resources

from executord.casebook import Case
from executord.clock import WallClock
from executord.dropping import cannot
from executord.errors import CannotWrite, NotFound, UsageError
from executord.policy import Policy
from executord.web.addresses import place
from executord.web.lookout import Lookout
from executord.web.pages import Pages

MARK = ".executord-web"
"""Lies in an export, and says that it is one."""


def export(root: str, policy: Policy, target: str, archive: Callable[[], Iterable[Case]]) -> int:
    """Write all pages into this folder; how many. Raises `CannotWrite`, `UsageError`."""
    target = os.path.abspath(target)
    if f"{os.path.realpath(target)}/".startswith(f"{os.path.realpath(root)}/"):
        raise UsageError("--static: the pages are not written into the memory", fix="choose a folder outside of it")
    is_old = os.path.lexists(f"{target}/{MARK}")
    try:
        taken = os.path.lexists(target) and not is_old and (not os.path.isdir(target) or bool(os.listdir(target)))
    except OSError as error:
        raise cannot(target, error) from error
    if taken:
        raise CannotWrite("something else lies there", path=target, fix="choose a folder that is not there yet")
    aside = f"{os.path.dirname(target)}/.{secrets.token_hex(6)}.part"
    try:
        os.makedirs(aside)
        count = _write(aside, root, policy, archive)
        if os.path.lexists(target):
            old = f"{aside}.old"
            os.rename(target, old)
            os.rename(aside, target)
            shutil.rmtree(old)
        else:
            os.rename(aside, target)
    except OSError as error:
        raise cannot(target, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return count


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
