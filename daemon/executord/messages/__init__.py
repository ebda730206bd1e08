"""Every message that can arrive, and what it asks for: one class a type, its fields and its effect side by side.

Counterparts: `letters.py` reads it, `rules/mail.py` judges who may say it, `posts/` holds what we send.
Add a type: one class in `work.py` or `decisions.py`, and its name in `MESSAGES`.
"""

from __future__ import annotations

from executord.case import Letter
from executord.letters import word
from executord.messages.base import Incoming as Incoming
from executord.messages.base import Taken as Taken
from executord.messages.blockers import BlockedMessage, Unblocked
from executord.messages.closing import Archive, Verdict, Waive
from executord.messages.customer import CustomerReply, CustomerUpdate, SlaExtension
from executord.messages.decisions import (
    AcceptLate,
    Cancel,
    Defer,
    HoldMessage,
    Pause,
    PlanReady,
    PriorityChange,
    Reassign,
    Release,
    Resume,
    Retry,
    Status,
    Tell,
)
from executord.messages.incident import IncidentAction, IncidentMessage, IncidentResolved, IncidentUpdate
from executord.messages.muting import MuteMessage, UnmuteMessage
from executord.messages.questions import (
    ConsultationMessage,
    ConsultationResponse,
    Decision,
    EscalationMessage,
    HitlDecision,
    ReviewRequest,
    ReviewResponse,
)
from executord.messages.teams import CapabilityGap, ConsensusBlocked, Session, Skip
from executord.messages.work import (
    Acknowledgement,
    Completion,
    Declined,
    Failed,
    Progress,
)

_ALL: tuple[type[Incoming], ...] = (
    Acknowledgement, Progress, Completion, BlockedMessage, Unblocked, Failed, Declined, CustomerUpdate, CustomerReply,
    SlaExtension, PriorityChange,
    Reassign, Retry, Defer, Cancel, HoldMessage, Release, AcceptLate, Tell, PlanReady, Pause, Resume, Status,
    Waive, Verdict, Archive, IncidentMessage, IncidentUpdate, IncidentAction, IncidentResolved,
    MuteMessage, UnmuteMessage,
    EscalationMessage, ConsultationMessage, ReviewRequest, ConsultationResponse, ReviewResponse, Decision, HitlDecision,
    Session, Skip, CapabilityGap, ConsensusBlocked,
)  # fmt: skip

MESSAGES: dict[str, type[Incoming]] = {m.type: m for m in _ALL}
_TYPES: dict[str, str] = {alias: m.type for m in MESSAGES.values() for alias in (m.type, *m.aliases)}


def canonical(said: str) -> str | None:
    """The type that is meant by this word, itself or one of its aliases; None for an unknown one."""
    return _TYPES.get(word(said))


def type_of(letter: Letter) -> tuple[str | None, str | None]:
    """The canonical type of a letter and a warning; (None, None) for an unknown one.

    A missing type is taken from `status`; progress that says completed, blocked or failed counts as that [MSG-1].
    """
    kind = _TYPES.get(letter.type)
    if kind is None:
        return None, None
    if letter.body.get("type") is None and letter.body.get("message_type") is None:
        return kind, f"no type; taken from status: {letter.type}"
    if kind == "unblocked" and letter.type == "resolved" and letter.body.get("incident_id") is not None:
        return "incident_resolved", None
    if kind == "progress":
        said = _TYPES.get(word(letter.body.get("status")))
        if said in ("completion", "blocked", "failed"):
            return said, f"a progress message whose status says {letter.body.get('status')}"
    return kind, None
