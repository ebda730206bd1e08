"""No daemon outlives its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real import kit


@pytest.fixture(autouse=True)
def no_daemon_left() -> Iterator[None]:
    """End what a test that failed has left running."""
    kit.STARTED.clear()
    yield
    for process in kit.STARTED:
        if process.poll() is None:
            process.kill()
            process.wait()
