"""The units of the web pages of a tree: put in place and removed with the unit of its daemon [OPS-11, OPS-16].

Counterparts: `units.py`, whose steps these are; `systemd/executord-web.service` and `.socket`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from executord.cli.units import TEMPLATE, Put, Remove, Run, Step, Unit, packaged, quoted
from executord.errors import UsageError

ADDRESS = "127.0.0.1:8614"
"""Where the socket listens if nothing else is said, as it stands in its file."""
_LISTEN = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:]+\]|\d+\.\d+\.\d+\.\d+):)?(?P<port>\d{1,5})")


def address_of(said: str) -> str:
    """`[HOST:]PORT` as systemd takes it; the host is a number, the loopback if there is none. Raises `UsageError`."""
    found = _LISTEN.fullmatch(said)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise UsageError(f"--web {said}: no address to listen at", fix="use e.g. 8614 or 127.0.0.1:8614")
    return f"{found['host'] or '127.0.0.1'}:{int(found['port'])}"


def names(unit: Unit) -> tuple[str, str]:
    """What systemctl calls the service and the socket."""
    name = unit.name.replace("executord", "executord-web", 1)
    return name, f"{name.removesuffix('.service')}.socket"


def _files(unit: Unit) -> tuple[str, str]:
    """The names of their files."""
    name = unit.file.replace("executord", "executord-web", 1)
    return name, f"{name.removesuffix('.service')}.socket"


def installed(unit: Unit) -> bool:
    """Whether the tree has web pages: of the template's instances those with an address of their own."""
    own = unit.file != TEMPLATE or os.path.exists(_listen(unit))
    return own and os.path.exists(f"{unit.folder}/{_files(unit)[1]}")


def address(unit: Unit) -> str | None:
    """Where they are asked for; None where they are not installed."""
    if not installed(unit):
        return None
    try:
        with open(_listen(unit), encoding="utf-8") as file:
            found = re.findall(r"(?m)^ListenStream=(.+)$", file.read())
    except OSError:
        found = []
    return str(found[-1]) if found else ADDRESS


def _listen(unit: Unit) -> str:
    return f"{unit.folder}/{names(unit)[1]}.d/listen.conf"


def _environment(unit: Unit) -> str:
    return f"{unit.folder}/{names(unit)[0]}.d/environment.conf"


def put_steps(unit: Unit, listen: str | None) -> Iterator[Step]:
    """The files of both; without an address only where they are already there, for a new version of them."""
    if listen is None and not installed(unit):
        return
    for name in _files(unit):
        raw = packaged(f"user/{name}" if unit.user else name)
        yield Put(f"{unit.folder}/{name}", re.sub(r"(?m)^ExecStart=\S+", lambda _: unit.start, raw))
    own = _environment(unit)
    if unit.environment:
        lines = "".join(f"Environment={quoted(f'{k}={v}')}\n" for k, v in unit.environment.items())
        yield Put(own, f"# Written by `executord service install`.\n[Service]\n{lines}")
    elif os.path.exists(own):
        yield Remove(own)
    if listen is None:
        return
    if listen != ADDRESS or unit.file == TEMPLATE:
        text = f"# Written by `executord service install`.\n[Socket]\nListenStream=\nListenStream={listen}\n"
        yield Put(_listen(unit), text)
    elif os.path.exists(_listen(unit)):
        yield Remove(_listen(unit))


def start_steps(unit: Unit, listen: str | None) -> Iterator[Run]:
    """Listen now, at this address, and at each start of the machine."""
    if listen is None and not installed(unit):
        return
    service, socket = names(unit)
    yield unit.systemctl("enable", socket)
    yield unit.systemctl("stop", service)  # a socket is not opened anew while somebody serves it
    yield unit.systemctl("restart", socket)


def remove_steps(unit: Unit, *, shared: bool) -> Iterator[Step]:
    """Stop both and remove what was put there; their files stay where other instances share them."""
    if not installed(unit):
        return
    service, socket = names(unit)
    yield unit.systemctl("disable", "--now", socket)
    yield unit.systemctl("stop", service)
    files = [_listen(unit), _environment(unit)]
    if not shared:
        files += [f"{unit.folder}/{name}" for name in _files(unit)]
    yield from (Remove(path) for path in files if os.path.lexists(path))
