"""Processes: the only place that starts, tells and ends them [OPS-17, OPS-18, OPS-23, SES-9, SES-10, SES-14, SES-15].

`hold` starts a worker and keeps its program back until the caller has noted which process it is; `Watch` rings when one
ends; `exit_of` says how; `state_of` and `find` tell, after a restart, what is still there; `follow_up` and `interrupt`
speak to it; `Stopping` ends it with everything that it has left. Nothing here waits, and nothing decides.
"""

from __future__ import annotations

from executord.errors import CannotStart as CannotStart
from executord.runners.ending import (
    Exit,
    Stopping,
    alive,
    exit_of,
    find,
    interrupt,
    is_of_another,
    state_of,
    tell,
)  # fmt: skip
from executord.runners.followups import follow_up, next_number, turn
from executord.runners.order import ENVIRONMENT, Order, Turns, Worker, environment, worker_from
from executord.runners.starting import Held, abandon_held, begin_noted, hold, reap, reap_all
from executord.runners.watch import Watch

__all__ = [
    "ENVIRONMENT",
    "CannotStart",
    "Exit",
    "Held",
    "Order",
    "Stopping",
    "Turns",
    "Watch",
    "Worker",
    "abandon_held",
    "alive",
    "begin_noted",
    "environment",
    "exit_of",
    "find",
    "follow_up",
    "hold",
    "interrupt",
    "is_of_another",
    "next_number",
    "reap",
    "reap_all",
    "state_of",
    "tell",
    "turn",
    "worker_from",
]
