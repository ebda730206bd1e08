"""`blocked` and what ends it: the kind of a blocker, stated or derived from its words; the answer [EXE-17, EXE-18]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from executord.case import Letter, Task
from executord.case.casebook import Case
from executord.errors import Finding
from executord.letters import answered_by, note_of, people_in, word
from executord.meaning.blocking import behind, block, open_blockers, unanswered
from executord.meaning.transitions import with_attempt
from executord.messages.answering import SETTLED_BY, answer_blockers, handed_in, take_answer, tell_behind
from executord.messages.arrived import arrival_facts, unclear_arrival
from executord.messages.base import Incoming, Taken
from executord.messages.papers import unfit_paper
from executord.policy import Policy
from executord.reading import find

#: Kind of a blocker → the words of other domains that mean it, and by which it is derived from a text [EXE-17].
BLOCKER_KINDS: Mapping[str, tuple[str, ...]] = {
    "missing_information": (
        "missing_information", "needs_context", "information", "unclear", "unclear_data", "data", "customer", "context",
        "clarification", "waiting_on_customer", "waiting_for_customer", "waiting_customer", "question", "details",
        "info", "missing_info", "missing_data", "needs_information", "waiting_for_information", "customer_response",
    ),
    "technical_dependency": (
        "technical_dependency", "technical", "dependency", "api", "bug", "engineering", "access", "environment",
        "system", "deploy", "deployment", "technical_issue", "technical_blocker", "external_dependency",
        "infrastructure", "outage", "integration", "credentials", "permission", "permissions", "code",
    ),
    "resource_constraint": (
        "resource_constraint", "resource", "resources", "capacity", "staff", "staffing", "people", "budget",
        "bandwidth", "overloaded", "workload", "availability", "resource_conflict", "headcount",
    ),
    "scope_ambiguity": (
        "scope_ambiguity", "scope", "requirement", "requirements", "ambiguous", "ambiguity", "unclear_scope",
        "unclear_requirements", "scope_change", "out_of_scope", "acceptance",
    ),
}  # fmt: skip
_KIND = (
    "blocker_type",
    "blocker_kind",
    "kind",
    "blocker.type",
    "blocker.kind",
    "category",
    "reason_code",
    "block_type",
)
_UNCLEAR = frozenset({"unclear", "clarification", "question"})
_CUSTOMER = frozenset({"customer", "waiting_on_customer", "waiting_for_customer", "waiting_customer", "client",
                       "customer_response"})  # fmt: skip
ASK_WHOM = ("ask", "ask_whom", "needs_from", "need_from", "stakeholder", "waiting_on", "waiting_for", "escalate_to",
            "who", "from_whom", "owner", "blocker.owner", "needs_input_from")  # fmt: skip
TRIED = ("tried", "attempted", "attempted_recovery", "what_was_tried", "attempts", "recovery", "workarounds_tried")


def blocker_kind(body: Mapping[str, Any], said: str) -> tuple[str, str]:
    """The kind of a blocker and how it was found: stated, or derived from its words, and the derivation is shown."""
    stated = word(find(body, _KIND).value)
    if stated in BLOCKER_KINDS:
        return stated, "stated"
    for kind, words in BLOCKER_KINDS.items():
        if stated and stated in words:
            return kind, f"stated as {stated}"
    if word(find(body, ("type", "status")).value) == "needs_context":
        return "missing_information", "NEEDS_CONTEXT"
    tokens = [t.strip(".,;:!?()'\"") for t in said.lower().split()]
    score = {k: [t for t in tokens if t in words] for k, words in BLOCKER_KINDS.items()}
    if score["scope_ambiguity"]:  # it says what is not clear
        score["missing_information"] = [t for t in score["missing_information"] if t not in _UNCLEAR]
    best = max(score, key=lambda k: len(score[k]))
    if score[best]:
        return best, f"derived from its words: {', '.join(dict.fromkeys(score[best]))}"
    return "missing_information", "nothing says otherwise"


class BlockedMessage(Incoming):
    """The holder cannot go on."""

    type = "blocked"
    aliases = ("blocker", "needs_context", "stuck")
    senders = ("holder", "supporter")
    people = ASK_WHOM
    reads = (*(key for key in _KIND if "." not in key), *ASK_WHOM, *TRIED)
    needs = (("description", "reason", "blocker.description", "blocker", "summary", "message", "question", "details"),)
    example: ClassVar[Mapping[str, Any]] = {
        "kind": "missing_information",
        "description": "the customer's account number is not in the ticket",
        "tried": "looked through the last ten tickets of this customer",
    }

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        said = note_of(letter.body, *cls.needs[0]) or ""
        kind, derived = blocker_kind(letter.body, said)
        named = next((n for n in people_in(letter.body, ASK_WHOM) if n in letter.known and n != letter.sender), None)
        words = {word(find(letter.body, (key,)).value) for key in (*_KIND, *ASK_WHOM)}
        customer = case.head.spec.customer is not None and named is None
        facts: dict[str, Any] = {"kind": kind, "derived": derived, "description": said, "named": named}
        facts["tried"] = note_of(letter.body, *TRIED)
        facts["on_customer"] = (kind == "missing_information" and customer) or bool(words & _CUSTOMER and customer)
        if task is not None:
            facts["tell"] = behind(case, task)
        return facts

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        if task is None or task.live is None:
            return
        facts = {k: v for k, v in taken.facts.items() if k in ("derived", "named", "tried", "on_customer")}
        facts |= {"by": taken.sender, "letter": taken.path}
        kind, said = taken.facts["kind"], taken.facts["description"]
        own = taken.sender == task.live.agent
        known = len(open_blockers(task))
        task = block(task, kind, taken.at, taken.sender, said, facts)
        if len(open_blockers(task)) > known:
            text = f"is blocked ({kind}: {said}); it goes on by itself when that is answered"
            task = tell_behind(task, taken.facts.get("tell"), taken.at, text, f"#{task.blockers} blocked")
        assert task.live is not None  # a blocker closes no attempt
        case.put(with_attempt(task, accepted_at=task.live.accepted_at or taken.at) if own else task)


class Unblocked(Incoming):
    """The answer has arrived: the holder goes on."""

    type = "unblocked"
    aliases = ("answer", "information", "resolved", "unblock")
    reads = ("components", "workaround", "retrospective", "prevention_plan", "arrived")
    senders = ("holder", "supporter", "authority", "planner", "addressee", "liaison")
    example: ClassVar[Mapping[str, Any]] = {"answer": "the account number is 4711"}

    @classmethod
    def asked_before(cls, task: Task, sender: str) -> bool:
        return any(sender in blocker.asked for blocker in unanswered(task))

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        ask = answered_by(letter, case, cls.type).ask
        if ask is not None and ask.about in SETTLED_BY:
            wanted = SETTLED_BY[ask.about]
            return Finding("MSG-4", f"{ask.subject} is not settled by an answer", f"send {wanted}")
        if ask is not None and ask.about == "retrospective" and (unfit := unfit_paper(letter)) is not None:
            return unfit
        if task is None and ask is None:
            return Finding("MSG-4", f"nothing is awaited from {letter.sender}", "name the task in task_id")
        if task is not None and task.blocked is None and ask is None and not unanswered(task):
            return Finding("EXE-18", f"{task.id} is not blocked", "nothing needs to be done")
        return unclear_arrival(case, letter)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        note = note_of(letter.body, "answer", "information", "resolution", "summary", "message", "description")
        facts: dict[str, Any] = {**({"answer": note} if note else {}), **handed_in(letter)}
        if task is not None and task.blocked is not None:
            facts["tell"] = behind(case, task)
        return facts | arrival_facts(case, letter, policy)

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        task_id = task.id if task is not None else None
        if not take_answer(case, task_id, taken) and task is not None:
            answer_blockers(case, task.id, None, taken)
