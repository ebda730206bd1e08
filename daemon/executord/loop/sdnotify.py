"""What systemd is told about us: ready, how it goes, still alive, reloading, stopping [OPS-11] [OPS-24].

Counterpart: `Type=notify` and `WatchdogSec=` in `systemd/executord.service`. Without NOTIFY_SOCKET nothing happens.

Rules of the house
- Telling never fails and never blocks: a service that cannot be seen must still work.
- When to say what is decided by the caller; here is only how. The watchdog is fed by the loop itself, never by a timer.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """The line to systemd, as the environment names it; every method says whether it was told."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        address = environ.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with `@` and called with NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = _watchdog(environ)

    @property
    def listening(self) -> bool:
        """Whether somebody wants to know."""
        return bool(self._address)

    def ready(self, status: str = "") -> bool:
        """The start, or a reload, is complete."""
        return self.tell("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """How it goes, in one line for `systemctl status`."""
        return self.tell(*_status(text or " "))

    def watchdog(self) -> bool:
        """Still alive; within `watchdog_s` seconds it must be said again."""
        return self.tell("WATCHDOG=1")

    def extend(self, seconds: float) -> bool:
        """Starting or stopping goes on and may take so many seconds from now; say it by progress, never by a timer."""
        return self.tell(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def reloading(self) -> bool:
        """The configuration is being read again; `ready` must follow. The instant is what notify-reload asks for."""
        return self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> bool:
        """The service is going down."""
        return self.tell("STOPPING=1", *_status(status))

    def tell(self, *lines: str) -> bool:
        """Send assignments in one datagram; False if nobody listens or it could not be sent."""
        if not self._address:
            return False
        data = "\n".join(lines).encode("utf-8", "backslashreplace")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.settimeout(0.2)  # systemd's queue is full: it will hear the next one
                line.sendto(data, self._address.encode("utf-8", "surrogateescape"))
        except OSError:
            return False
        return True


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.splitlines())}",) if text else ()


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """Seconds within which systemd wants to hear from us; None if it does not, or means another process."""
    try:
        span = int(environ.get("WATCHDOG_USEC", "0")) / 1_000_000
        whom = int(environ.get("WATCHDOG_PID", "") or os.getpid())
    except ValueError:
        return None
    return span if span > 0 and whom == os.getpid() else None
