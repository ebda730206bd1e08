"""How long the other side is listened to: a timeout for each byte is none, if it says one byte at a time.

Counterparts: `mail.py` and `webhook.py`, whose servers may drip; `command.py` counts for itself.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def within(seconds: float, sock: socket.socket | None) -> Iterator[None]:
    """After so many seconds the connection is cut, so that whatever waits for it goes on with what it has."""
    timer = threading.Timer(seconds, _cut, (sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # under TLS too: who reads meanwhile sees an end, no fault
