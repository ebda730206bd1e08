"""What is put to the executor to be decided by somebody else, and what he decides: asked, routed, answered [EXE-19].

Counterparts: `rules/questions.py`, who is asked; `answering.py`, how the answer finds its way back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from executord.case import Ask, Letter, Task
from executord.case.casebook import Case
from executord.errors import Finding
from executord.evolve import replace
from executord.letters import Put, answered_by, note_of, people_in, put_to_others, word
from executord.meaning.asking import open_ask
from executord.meaning.blocking import behind
from executord.messages.answering import SETTLED_BY, answer_blockers, take_answer
from executord.messages.arrived import arrival_facts, unclear_arrival
from executord.messages.base import Incoming, Taken
from executord.messages.closing import Waive
from executord.messages.decisions import Cancel, Defer, HoldMessage, Reassign, Release, Resume, Retry
from executord.policy import Policy
from executord.reading import find

_WHOM = ("to_agent", "ask", "ask_whom", "escalate_to", "consult", "reviewer", "review_by", "whom", "for", "to")
_TEXT = ("question", "description", "reason", "summary", "message", "text", "what", "details", "subject", "context",
         "request", "title")  # fmt: skip
_TOPIC = ("topic", "category", "kind", "escalation_type", "consultation_type", "reason_code", "about")
#: Topic of EXE-19 → the words that mean it.
TOPICS: Mapping[str, frozenset[str]] = {
    "scope": frozenset({"scope", "scope_change", "scope_changes", "out_of_scope", "scope_ambiguity"}),
    "resources": frozenset({"resources", "resource", "staffing", "staff", "capacity", "headcount", "workload",
                            "resource_constraint", "overloaded", "overload", "reallocation"}),
    "customer_relations": frozenset({"customer_relations", "customer_relationship", "relationship", "churn",
                                     "renewal", "complaint", "goodwill", "customer"}),
    "major_incident": frozenset({"major_incident", "incident", "outage", "sev1", "sev_1"}),
    "critical_decision": frozenset({"critical_decision", "decision", "legal", "hitl", "compliance"}),
    "technical_dependency": frozenset({"technical", "technical_dependency", "technical_issue", "engineering", "bug"}),
    "critical": frozenset({"critical", "urgent"}),
}  # fmt: skip
_WORDS_OF_TEXT = ("scope", "resources", "major_incident")  # what a text alone says clearly enough


def topic_of(body: Mapping[str, Any], said: str) -> str | None:
    """What a question is about: stated, else derived from its words; None: nothing says so."""
    stated = word(find(body, _TOPIC).value)
    for topic, words in TOPICS.items():
        if stated == topic or stated in words:
            return topic
    tokens = {t.strip(".,;:!?()'\"") for t in said.lower().split()}
    return next((topic for topic in _WORDS_OF_TEXT if tokens & TOPICS[topic]), None)


class _Question(Incoming):
    """Put to the executor: recorded, and routed to the person who decides it; the answer finds its way back."""

    senders = ("anyone",)
    about = "either"
    own_task = True
    people = _WHOM
    needs = (_TEXT,)
    example: ClassVar[Mapping[str, Any]] = {
        "topic": "resources", "question": "May I take a second engineer on this until Friday?",
    }  # fmt: skip

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        if case.head.closed is not None:
            return Finding("EXE-1", f"{case.id} is closed", "open it again with retry, or ask the person concerned")
        return None

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        said = note_of(letter.body, *_TEXT) or ""
        named = next((n for n in people_in(letter.body, _WHOM) if n in letter.known and n != letter.sender), None)
        return {
            "question": said,
            "topic": topic_of(letter.body, said),
            "named": named,
            "asker": letter.sender if letter.sender in letter.known else None,
        }

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        facts = {k: v for k in ("topic", "named") if (v := taken.facts.get(k)) is not None}
        facts |= {"from": taken.facts.get("asker"), "by": taken.sender, "letter": taken.path, "type": cls.type,
                  "why": taken.facts.get("question") or ""}  # fmt: skip
        if task is None:
            k = case.head.questions + 1
            case.set_head(replace(case.head, questions=k))
            open_ask(case, None, Ask(f"question #{k}", taken.at, facts))
            return
        k = task.questions + 1
        case.put(replace(task, questions=k, sealed=False))
        open_ask(case, task.id, Ask(f"question {task.id} #{k}", taken.at, facts, lasts=True))


class EscalationMessage(_Question):
    """Somebody needs a decision from higher up."""

    type = "escalation"
    aliases = ("escalate", "escalation_request")


class ConsultationMessage(_Question):
    """Somebody asks for advice."""

    type = "consultation"
    aliases = ("consult", "consultation_request")


class ReviewRequest(_Question):
    """Somebody wants his work looked at."""

    type = "review_request"
    aliases = ("review",)
    example: ClassVar[Mapping[str, Any]] = {
        "question": "Please look through the root cause before it goes out.", "reviewer": "support-quality-analyst",
    }  # fmt: skip


_APPROVED = frozenset({"approve", "approved", "release", "pass", "passed", "ok", "yes", "proceed", "go", "true"})


class _Response(Incoming):
    """The answer of the one asked: delivered to the asker."""

    senders = ("addressee",)
    about = "either"
    example: ClassVar[Mapping[str, Any]] = {"answer": "yes, until Friday"}

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        return unclear_arrival(case, letter)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        facts = _answer_facts(case, task, letter, policy)
        ask = answered_by(letter, case, cls.type).ask
        if ask is not None and ask.about == "checkpoint":
            said = find(letter.body, ("decision", "verdict", "result", "approved", "status")).value
            if said is True or word(said) in _APPROVED:
                facts["checkpoint"] = ask.facts["checkpoint"]
        return facts

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if "checkpoint" in taken.facts:
            Release.take(case, task, taken)
        take_answer(case, task.id if task is not None else None, taken)


def _answer_facts(case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
    note = note_of(letter.body, "answer", "decision", "response", "review", "information", "summary", "message", "text")
    facts: dict[str, Any] = {"answer": note} if note else {}
    if task is not None and task.blocked is not None:
        facts["tell"] = behind(case, task)
    return facts | arrival_facts(case, letter, policy)


class ConsultationResponse(_Response):
    """Advice that was asked for."""

    type = "consultation_response"
    aliases = ("consultation_answer", "advice")


class ReviewResponse(_Response):
    """A review that was asked for."""

    type = "review_response"
    aliases = ("review_result", "review_answer")


#: What a decision may order → the message that it stands for.
ORDERS: Mapping[str, tuple[type[Incoming], frozenset[str]]] = {
    "retry": (Retry, frozenset({"retry", "try_again", "reopen", "again"})),
    "reassign": (Reassign, frozenset({"reassign", "reassignment", "reallocate", "give_to"})),
    "defer": (Defer, frozenset({"defer", "postpone", "deferred", "later"})),
    "cancel": (Cancel, frozenset({"cancel", "abort", "cancelled", "drop", "stop"})),
    "hold": (HoldMessage, frozenset({"hold", "on_hold", "wait"})),
    "resume": (Resume, frozenset({"resume", "unpark", "continue"})),
    "release": (Release, frozenset({"release", "let_go", "approve", "approved", "proceed", "go", "pass", "yes", "ok"})),
    "waive": (Waive, frozenset({"waive", "waived", "waiver", "let_pass"})),
}
_DECISION = ("decision", "action", "order", "decide")


def order_of(body: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """What a decision orders, and the mapping in which the rest of it stands; None: it orders nothing we know."""
    value = find(body, _DECISION).value
    inner: Mapping[str, Any] = {**body, **value} if isinstance(value, Mapping) else body
    said = word(
        find(value, ("type", "action", "decision", "do", "what")).value if isinstance(value, Mapping) else value
    )
    return next((name for name, (_, words) in ORDERS.items() if said in words), None), inner


class _Decides(Incoming):
    """A decision that was asked for, or that authority takes: delivered to the asker, and applied where it can be."""

    senders = ("addressee", "authority")
    about = "either"
    for_others = True
    needs = (("decision", "answer", "text", "message", "action", "reason", "summary"),)
    example: ClassVar[Mapping[str, Any]] = {
        "decision": "reassign",
        "to": "escalation-manager",
        "reason": "needs access",
    }

    @classmethod
    def check(cls, letter: Letter) -> Finding | None:
        if isinstance(find(letter.body, ("decision",)).value, Mapping):
            return None
        return super().check(letter)

    @classmethod
    def _put(cls, case: Case, letter: Letter, policy: Policy) -> Put:
        put = answered_by(letter, case, cls.type)
        return (
            put
            if put.ask is not None or not policy.may(letter.sender or "", cls.type)
            else put_to_others(letter, case, cls.type)
        )

    @classmethod
    def _order(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> tuple[str | None, Letter]:
        """What is to be applied here; a `go on` where nothing waits for one is only an answer."""
        name, inner = order_of(letter.body)
        sender = letter.sender or ""
        put = cls._put(case, letter, policy).ask
        if name == "release":
            checkpoint = put.facts.get("checkpoint") if put is not None and put.about == "checkpoint" else None
            held = (task.hold if task is not None else case.head.hold) is not None
            if checkpoint is None and not held and not find(inner, ("checkpoint",)).value:
                return None, letter
            if checkpoint is not None:
                inner = {**inner, "checkpoint": checkpoint}
        delivery = case.head.delivery
        stands = (case.head.parked, case.head.paused, delivery.halted, delivery.undecided)
        if name == "resume" and all(each is None for each in stands):
            return None, letter
        if name is not None and put is not None and put.about == "question" and not policy.may(sender, name):
            return None, letter  # advice, from one who may not order it
        if name in ("retry", "reassign") and task is None:
            return None, letter
        if name == "waive" and put is not None and not find(inner, ("standard", "component")).value:
            asked = {k: put.facts[k] for k in ("standard", "component") if put.facts.get(k) is not None}
            inner = {**inner, **(asked or ({"standard": 5} if put.about == "file" else {}))}  # what was put to him
        if name in ("defer", "cancel", "hold") and not note_of(inner, "reason", "why", "because", "note"):
            inner = {**inner, "reason": f"decided by {letter.sender}"}
        return name, replace(letter, body=inner)

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        put = cls._put(case, letter, policy)
        name, ordered = cls._order(case, task, letter, policy)
        sender = letter.sender or ""
        if name == "waive":  # not everyone who is asked may let something pass, and never without a reason [QUA-5]
            if not policy.may_waive(sender):
                return Finding("MSG-4", f"{sender} may not waive", "ask hitl, vp-customer-support or support-manager")
            lacking = Waive.check(ordered)
            return lacking if lacking is not None else Waive.refuse(case, task, ordered, policy)
        if name is not None:
            asked = put.ask is not None and put.ask.about in ("escalation", "blocker", "checkpoint")
            if not asked and not policy.may(sender, name):
                return Finding("MSG-4", f"{sender} may not {name}", f"ask one of those who may send {name}")
            return ORDERS[name][0].refuse(case, task, ordered, policy)
        if put.ask is not None and put.ask.about in SETTLED_BY:
            wanted = SETTLED_BY[put.ask.about]
            return Finding("MSG-4", f"{put.ask.subject} is not settled by words", f"send {wanted}")
        if put.ask is not None and put.ask.about in ("escalation", "checkpoint"):
            return Finding(
                "EXE-20", "it cannot be told what was decided",
                f"write one of `decision:` {', '.join(ORDERS)}; an acknowledgement is enough to say that you have it",
            )  # fmt: skip
        if put.ask is None and (task is None or task.blocked is None):
            what = task.id if task is not None else case.id
            return Finding(
                "MSG-4", f"no decision is awaited about {what}",
                f"say what is to be done: `decision:` {', '.join(ORDERS)}, or send that type",
            )  # fmt: skip
        return None

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        facts = _answer_facts(case, task, letter, policy)
        name, ordered = cls._order(case, task, letter, policy)
        if name is not None:
            facts |= ORDERS[name][0].facts(case, task, ordered, policy) | {"order": name}
        return facts

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        task_id = task.id if task is not None else None
        order = taken.facts.get("order")
        if order is not None:
            ORDERS[order][0].take(case, task, taken)
        if not take_answer(case, task_id, taken) and order is None and task_id is not None:
            answer_blockers(case, task_id, None, taken)


class Decision(_Decides):
    """A decision by the one who was asked for it, or by authority."""

    type = "decision"
    aliases = ("escalation_response", "escalation_decision", "resolution_decision")


class HitlDecision(_Decides):
    """A decision of the human in the loop."""

    type = "hitl_decision"
    aliases = ("human_decision",)
