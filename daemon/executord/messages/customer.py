"""What comes from and goes to the customer: updates that were sent, his replies, more time that he grants.

Counterparts: `promises/`, the clocks that follow; `rules/updates.py`, which asks for updates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar

from executord.case import Customer, Extension, Letter, Owed, Reply, Task
from executord.case.casebook import Case
from executord.errors import Finding
from executord.evolve import replace
from executord.letters import note_of
from executord.meaning.blocking import behind, open_blockers
from executord.meaning.reckoning import pass_on
from executord.meaning.transitions import record_update, with_attempt
from executord.messages.answering import answer_blockers
from executord.messages.base import TYPE_WORDS, Incoming, Taken, unclear_time
from executord.policy import Policy
from executord.promises.terms import priority_of, terms
from executord.reading import find, text_of
from executord.routes import way_of
from executord.updates import PROMISE, missing_contents, promise_of, update_facts
from executord.values import Span, agent_name, noted_instant, read_moment, read_span, read_target, stamp, why_not


class CustomerUpdate(Incoming):
    """An update was sent to the customer."""

    type = "customer_update"
    aliases = ("client_update", "customer_communication")
    senders = ("holder", "supporter", "liaison", "authority")
    about = "either"
    own_task = True
    reads = PROMISE
    example: ClassVar[Mapping[str, Any]] = {
        "status": "The cause is found: our payment gateway ran out of connections.",
        "next_steps": "The limit is raised tonight at 22:00 CET.",
        "blockers": "none",
        "expect_next": "A confirmation tomorrow by 09:00 CET.",
        "contact": "Mia Chen, mia@support.example",
        "next_update_at": "2026-11-21T08:00:00Z",
    }

    @classmethod
    def check(cls, letter: Letter) -> Finding | None:
        missing = missing_contents(letter.body, frozenset(TYPE_WORDS))
        if missing:
            return Finding(
                "SLA-15",
                f"the update lacks {', '.join(missing)}",
                f"send it again with {', '.join(missing)} filled in (blockers: none is valid)",
                field=missing[0],
            )
        return None

    @classmethod
    def odd(cls, letter: Letter, zone: tzinfo) -> Iterator[Finding]:
        yield from super().odd(letter, zone)
        yield from odd_promise(letter.body, letter.at, zone)

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        way = way_of(case, letter, letter.body, policy)
        return {"update": case.head.updates + 1, "way": way, **update_facts(case, letter.body, letter.at, policy)}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        said = (taken.facts, taken.at, taken.path, taken.sender)
        if task is None:
            record_update(case, None, *said)
            return
        task = record_update(case, task, *said)
        if task.live is not None and task.live.agent == taken.sender:
            task = with_attempt(task, sign_at=taken.at)
        case.put(task)


def odd_promise(body: Any, at: datetime, zone: tzinfo) -> Iterator[Finding]:
    """A warning of a promise to the customer that nobody can read, or that is past: it binds us to nothing."""
    said = promise_of(body) if isinstance(body, Mapping) else None
    if said is None or said == "":
        return
    moment = read_moment(said, zone, bare="end")
    instead = "the next update is due as without it"
    if moment is None and not isinstance(read_span(said), Span):
        yield unclear_time(PROMISE[0], said, instead)
    elif moment is not None and moment <= at:
        text, fix = f"{text_of(said)!r} is over already: {instead}", "name a later moment"
        yield Finding("SLA-13", text, fix, "warning", PROMISE[0])


class CustomerReply(Incoming):
    """The customer has answered: what waited for him goes on, and he waits for us."""

    type = "customer_reply"
    aliases = ("client_reply", "customer_response", "customer_answer")
    senders = ("liaison", "holder", "authority")
    about = "either"
    _TEXT = ("text", "reply", "answer", "message", "summary", "information", "description", "content", "body")
    example: ClassVar[Mapping[str, Any]] = {"text": "The account number is 4711; it happens since Monday."}

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        waiting = [task] if task is not None else [t for t in case.in_order() if t.blocked is not None]
        at_work = task.live is not None if task is not None else bool(case.sums.live)
        return {
            **({} if at_work else {"aside": _who_decides(case, letter.sender)}),
            "note": note_of(letter.body, *cls._TEXT),
            "ends": {
                t.id: {
                    "blockers": blockers,
                    "tell": behind(case, t) if len(blockers) == len(open_blockers(t)) else None,
                }
                for t in waiting
                if (blockers := [b.n for b in open_blockers(t) if b.on_customer])
            },
            "waits": case.head.spec.customer is not None,
        }

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        head = case.head
        replies = head.replies
        counted = head.counted.counts_at if head.counted is not None else None
        if taken.facts.get("waits") and head.waiting_reply is None and (counted is None or taken.at > counted):
            replies = (*replies, Reply(len(replies) + 1, taken.at))
        heard = (*head.replied, (taken.at, task.id if task is not None else None))
        case.set_head(replace(head, replies=replies, replied=heard))
        ended = taken.facts.get("ends", {})
        for task_id, said in ended.items():  # his answer is the answer to the blocker, and ends its pause
            answer = dataclasses.replace(taken, facts={**taken.facts, "tell": said.get("tell")})
            for n in said["blockers"]:
                answer_blockers(case, task_id, n, answer)
        others = [task] if task is not None else [case.tasks[i] for i in sorted(case.sums.live)]
        for each in others:
            now = case.tasks[each.id]
            if now.id not in ended and now.live is not None and now.live.agent != taken.sender:
                case.put(pass_on(case, now, now.live.agent, taken.at, taken.path, taken.sender))
        aside = taken.facts.get("aside")
        if aside is not None and not ended:
            facts = {"to": aside, "letter": taken.path, "from": taken.sender, "kind": "context"}
            owed = Owed(f"pass-on {case.id} #{len(heard)}", "pass-on", taken.at, facts)
            case.set_head(replace(case.head, owed=(*case.head.owed, owed)))


def _who_decides(case: Case, sender: str | None) -> str | None:
    """Who gets what the customer said while nobody works on it: he can open it again; or the liaison."""
    return next((name for name in ("support-manager", case.head.liaison) if name != sender), None)


class SlaExtension(Incoming):
    """More time for a task or the instruction: the customer's if he approved it, else our own [SLA-22]."""

    type = "sla_extension"
    aliases = ("extension", "deadline_extension")
    senders = ("liaison", "authority")
    about = "either"
    needs = (("approved_by",), ("new_limit", "add", "new_deadline", "extend_by"))
    reads = ("reference", *needs[0], *needs[1])
    example: ClassVar[Mapping[str, Any]] = {
        "approved_by": "ops@acme.example", "reference": "mail of 20 November", "add": "4 hours",
        "reason": "the customer moves the cut-over to tomorrow",
    }  # fmt: skip

    @classmethod
    def check(cls, letter: Letter) -> Finding | None:
        lacking = super().check(letter)
        if lacking is not None:
            return lacking
        limit, add = cls._given(letter)
        for key, value in (("new_limit", limit), ("add", add)):
            if value is None:
                continue
            found = read_target(value, UTC)
            if found is None or (key == "add" and not isinstance(found, Span)):
                what = "duration" if key == "add" else "moment or a duration"
                return Finding("SLA-22", why_not(value, what), 'use e.g. "4 hours" or 2026-11-21T17:00:00Z', field=key)
        return None

    @staticmethod
    def _given(letter: Letter) -> tuple[Any, Any]:
        return (
            find(letter.body, ("new_limit", "new_deadline")).value, find(letter.body, ("add", "extend_by")).value
        )  # fmt: skip

    @classmethod
    def refuse(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> Finding | None:
        if case.head.closed is not None:
            return Finding("SLA-22", f"{case.id} is closed", "nothing needs to be done")
        return None

    @classmethod
    def facts(cls, case: Case, task: Task | None, letter: Letter, policy: Policy) -> dict[str, Any]:
        by = text_of(find(letter.body, ("approved_by",)).value).strip()
        limit, add = cls._given(letter)
        facts: dict[str, Any] = {
            "approved_by": by,
            "approved": approved(by, case.head.spec.customer, policy),
            "reference": note_of(letter.body, "reference", "ref"),
            "reason": note_of(letter.body, "reason", "why", "because", "note"),
        }
        if limit is not None:
            row = terms(policy, case.head, priority_of(case.head, task))
            found = read_target(limit, policy.zone, day_end=row.on_resolution.day_end)
            if isinstance(found, datetime):
                return facts | {"moment": stamp(found)}
            return facts | {"span": text_of(limit)}
        return facts | {"add": text_of(add)}

    @classmethod
    def take(cls, case: Case, task: Task | None, taken: Taken) -> None:
        facts = taken.facts
        more = Extension(
            at=taken.at, by=facts["approved_by"], reason=facts.get("reason") or "", approved=bool(facts["approved"]),
            moment=noted_instant(facts, "moment"), span=facts.get("span"),
            add=facts.get("add"),
        )  # fmt: skip
        if task is not None:
            case.put(replace(task, extensions=(*task.extensions, more)))
        else:
            case.set_head(replace(case.head, extensions=(*case.head.extensions, more)))


def approved(by: str, customer: Customer | None, policy: Policy) -> bool:
    """Whether this is the customer's word: his contact or name, or where neither is known, nobody of ours [SLA-22]."""
    said = " ".join(by.lower().split())
    known = [k for k in ((customer.contact, customer.name) if customer is not None else ()) if k]
    if known:
        words = [" ".join(k.lower().split()) for k in known]
        return any(said == word or ("@" in word and f"<{word}>" in said) for word in words)
    name = agent_name(by)
    return bool(said) and name not in policy.roster and not policy.is_desk(name)
