"""The server: its sockets, its limits, and how it ends [OPS-11, OPS-16].

Counterparts: `app.py`, what is answered; `systemd/executord-web.socket`, which may hand the socket over.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import uvicorn

from executord.case.casebook import Case
from executord.clock import WallClock
from executord.errors import Locked, UsageError
from executord.policy import Policy
from executord.web.app import Desk, application
from executord.web.lookout import Lookout
from executord.web.pages import Pages

HOST, PORT = "127.0.0.1", 8614
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
FIRST_GIVEN = 3
"""The first descriptor that systemd hands over."""
_WAITING, _MOST_CONNECTIONS, _PATIENCE_S = 128, 256, 30


def given(environ: Mapping[str, str]) -> list[socket.socket]:
    """The sockets that systemd has opened for us; they are inherited by nobody else. Raises `UsageError`."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return []
    found = []
    for fd in range(FIRST_GIVEN, FIRST_GIVEN + int(count)):
        os.set_inheritable(fd, False)
        try:
            found.append(socket.socket(fileno=fd))
        except OSError as error:
            raise UsageError(f"LISTEN_FDS: descriptor {fd} is no socket: {error.strerror}") from error
    return found


def opened(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises `Locked` if another holds the port, `UsageError` if it cannot be had."""
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host}: there is no such address", fix="use e.g. 127.0.0.1") from error
    held = socket.socket(family, kind, protocol)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(address)
        held.listen(_WAITING)
    except (OSError, OverflowError) as error:
        held.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise Locked(f"another program holds {where}", fix="use another --port, or 0 for a free one") from error
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{where} cannot be used: {why}", fix="use another --host or --port") from error
    return held


def hosts_of(sockets: Iterable[socket.socket], allowed: Collection[str]) -> frozenset[str] | None:
    """The names by which the server may be asked: the loopback's where only that is bound, and those allowed.

    None, any name, where others can reach it and nothing was said: whoever lets them in decides.
    """
    if all(_is_loopback(each) for each in sockets):
        return frozenset((*LOOPBACK, *(name.lower() for name in allowed)))
    return frozenset(name.lower() for name in allowed) or None


def _is_loopback(held: socket.socket) -> bool:
    if held.family == socket.AF_UNIX:
        return False
    return ipaddress.ip_address(held.getsockname()[0]).is_loopback


def url_of(held: socket.socket) -> str:
    """Where a socket is to be asked."""
    if held.family == socket.AF_UNIX:
        return f"unix:{held.getsockname()}"
    host, port = held.getsockname()[:2]
    return f"http://[{host}]:{port}/" if held.family == socket.AF_INET6 else f"http://{host}:{port}/"


def serve(
    root: str, policy: Policy, sockets: Sequence[socket.socket], allowed: Collection[str],
    archive: Callable[[], Iterable[Case]],
) -> None:  # fmt: skip
    """Answer until SIGTERM or SIGINT; who is being told of changes is let go then."""
    for held in sockets:
        if held.family != socket.AF_UNIX:  # inherited by each connection: a peer that is gone does not count for ever
            held.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _PATIENCE_S * 1000)
    desk = Desk(Pages(Lookout(root, policy, WallClock()), live=True, archive=archive))
    app = application(desk, hosts_of(sockets, allowed), lambda: server.should_exit)
    config = uvicorn.Config(
        app, http="h11", ws="none", loop="asyncio", lifespan="off", interface="asgi3", log_config=None,
        log_level="error", access_log=False, server_header=False, proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=5, timeout_graceful_shutdown=3, h11_max_incomplete_event_size=16 << 10,
    )  # fmt: skip
    server = uvicorn.Server(config)

    def ended(_number: int, _frame: object) -> None:
        """One that comes before uvicorn listens for it counts; the one it raises again at its end changes nothing."""
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ended)
    server.run(sockets=list(sockets))
