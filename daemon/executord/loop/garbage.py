"""How often Python looks for what nothing holds any more: seldom, for the daemon holds much and makes few rings.

A collection walks over all that is held. With 100,000 tasks that is some hundred milliseconds in which no event is
heard, and it comes after so many new values, used or not. What a start has read stays for the life of the process and
is taken out of these walks. Counterpart: `__init__.py`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RESTING = 4_000  # values: so few are looked through in the fifth of a millisecond, while nothing is waited for
YOUNG, MIDDLE, OLD = 20_000, 50, 100  # values that were made; walks over the young; walks over those of middle age


@contextmanager
def kept() -> Iterator[None]:
    """What is made in here is there to stay: nothing is looked through meanwhile, and seldom afterwards."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, OLD)
        gc.enable()


def at_rest() -> None:
    """Before a sleep: what would soon be looked through is looked through now, and not when something rings."""
    young, middle, _ = gc.get_count()
    if middle > MIDDLE:
        gc.collect(1)
    elif young > RESTING:
        gc.collect(0)
