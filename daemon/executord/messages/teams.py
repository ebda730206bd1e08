"""Messages about team sessions [chapter 7]: where they name a session, `sessions/desk.py` takes them.

What stands here is what becomes of one that names none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from executord.case import Letter, Task
from executord.case.casebook import Case
from executord.errors import Finding
from executord.messages.base import Incoming
from executord.policy import Policy


class Session(Incoming):
    """Run or resume the team session at `path`."""

    type = "session"
    senders = ("anyone",)
    about = "house"
    needs = (("path",),)
    example: ClassVar[Mapping[str, Any]] = {"type": "session", "from": "planner", "path": "/srv/sessions/TC-checkout"}


class _OfSession(Incoming):
    """A message that only a session takes."""

    about = "either"

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        """It names an instruction, which knows no such thing."""
        return Finding("SES-28", f"{cls.type} is about a team session, and {case.id} is none", "add session_id")


class Skip(_OfSession):
    """A failed or timed-out session task is not to be done."""

    type = "skip"
    senders = ("authority",)
    needs = (("reason",),)
    example: ClassVar[Mapping[str, Any]] = {
        "type": "skip",
        "from": "hitl",
        "session_id": "TC-checkout",
        "task_id": "TEST-002",
        "reason": "covered by the nightly run",
    }


class CapabilityGap(_OfSession):
    """A session worker misses a capability that no role covers."""

    type = "capability_gap"
    senders = ("anyone",)
    example: ClassVar[Mapping[str, Any]] = {
        "type": "capability_gap",
        "from": "tester",
        "session_id": "TC-checkout",
        "capability": "load testing",
    }


class ConsensusBlocked(_OfSession):
    """Session workers do not agree on a result."""

    type = "consensus_blocked"
    senders = ("anyone",)
    example: ClassVar[Mapping[str, Any]] = {
        "type": "consensus_blocked",
        "from": "reviewer",
        "session_id": "TC-checkout",
        "task_id": "IMPL-001",
        "severity": "HIGH",
        "summary": "the retry is not idempotent",
    }
