"""The one place that knows what time it is.

Wall clock for due times, monotonic for waiting [REL-8]. Everything else is handed `now`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class WallClock:
    """The real time."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never jump, for waiting."""
        return time.monotonic()


class SetClock:
    """A clock that stands until it is set: for `simulate` and the stories of the tests [CON-7]."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The instant it was set to."""
        return self._at

    def monotonic(self) -> float:
        """The same as seconds."""
        return self._at.timestamp()

    def set(self, at: datetime) -> None:
        """Set it; going back is allowed, as wall clocks do."""
        self._at = at


Clock = WallClock | SetClock


def pause(seconds: float) -> None:
    """Wait; for command lines and retries, never in the daemon's loop."""
    time.sleep(seconds)
