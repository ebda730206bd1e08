"""What a message that was taken obliges us to: each owed thing is one line, then gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from executord.actions import Action, Embed, Explain, Send, Write
from executord.agenda import Due
from executord.case import Owed, Task
from executord.case.casebook import Case
from executord.meaning.transitions import attempt_of
from executord.policy import Policy
from executord.posts import ANSWERS, clarification, reason_file, rejection, rework
from executord.updates import UPDATE_CONTENTS
from executord.values import stamp

ORDER = 30
_LEFT = ("timed_out", "failed", "reassigned")  # the states that CON-12 knows; who declines is reassigned


def task_lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """What is owed about a task."""
    for owed in task.owed:
        action, rule, why = _task_action(case, task, owed, policy)
        attempt = owed.facts.get("attempt", task.attempt or None)
        yield Due(owed.at, owed.name, rule, action, task.id, attempt, why=why, order=ORDER)


def _task_action(case: Case, task: Task, owed: Owed, policy: Policy) -> tuple[Action, str, str]:
    facts = owed.facts
    match owed.kind:
        case "rework":
            assert task.live is not None  # a closed attempt owes no rework
            return (
                Send(task.live.agent, "rework_request", rework(task, facts["points"], facts["k"])),
                "EXE-13",
                facts["points"][0],
            )
        case "notice":
            return Send(facts["to"], facts["kind"], {"text": facts["text"]}), "EXE-25", facts["text"]
        case "pass-on":
            body = {"from_agent": facts["from"], "content": Embed(facts["letter"])}
            return Send(facts["to"], facts["kind"], body), "EXE-18", f"from {facts['from']}"
        case "keep":
            n = facts["attempt"]
            path = f"outputs/partial/{task.id}.attempt-{n}.yaml"
            return Write(path, _left(case, task, n)), "EXE-15", "what a closed attempt left"
        case "keep-late":
            return (
                Write(_late_path(task, facts), _late(case, task, facts)),
                "MSG-3",
                "its attempt was closed before it came",
            )
        case "late-notice":
            body = {"text": facts["text"], "late_result": facts["path"], "reply_with": facts["reply_with"]}
            return Send("support-manager", "late_result_notice", body), "MSG-3", facts["text"]
        case _:
            raise ValueError(f"nothing is owed as {owed.kind!r}")


def _late_path(task: Task, facts: Any) -> str:
    k = f"-{facts['k']}" if facts["k"] > 1 else ""
    return f"outputs/partial/{task.id}.attempt-{facts['attempt']}.late{k}.yaml"


def _left(case: Case, task: Task, n: int) -> dict[str, Any]:
    attempt = attempt_of(task, n)
    assert attempt is not None
    claim = attempt.claim
    letter = claim.letter if claim else (attempt.letter or "")
    return {
        "schema_version": 1,
        "instruction_id": case.id,
        "task_id": task.id,
        "title": task.spec.title,
        "state": attempt.state if attempt.state in _LEFT else "reassigned",
        "agent": attempt.agent,
        "attempt": n,
        "dispatched_at": stamp(attempt.at),
        "accepted_at": stamp(attempt.accepted_at) if attempt.accepted_at else None,
        "claimed_at": stamp(claim.at) if claim else None,
        "verified_at": None,
        "summary": claim.summary if claim else attempt.note,
        "output": Embed(letter, "output") if letter else None,
        "components": Embed(letter, "components") if letter else {},
        "files": [
            {"path": f.path, "size": f.size, "sha256": f.sha256}
            for f in dict.fromkeys((*(claim.files if claim else ()), *attempt.left))
        ],
        "evidence": Embed(letter, "evidence") if letter else None,
        "concerns": list(claim.concerns) if claim else [],
        "customer_updates": list(task.updates),
        "decided_by": None,
        "reason": attempt.reason,
    }


def _late(case: Case, task: Task, facts: Any) -> dict[str, Any]:
    attempt = attempt_of(task, facts["attempt"])
    letter = facts["letter"]
    return {
        "schema_version": 1,
        "instruction_id": case.id,
        "task_id": task.id,
        "title": task.spec.title,
        "state": "late",
        "agent": facts["from"],
        "attempt": facts["attempt"],
        "dispatched_at": stamp(attempt.at) if attempt else None,
        "accepted_at": stamp(attempt.accepted_at) if attempt and attempt.accepted_at else None,
        "claimed_at": None,
        "verified_at": None,
        "summary": facts["summary"],
        "output": Embed(letter, "output"),
        "components": Embed(letter, "components"),
        "files": facts["files"],
        "evidence": Embed(letter, "evidence"),
        "concerns": [],
        "customer_updates": [],
        "decided_by": None,
        "reason": None,
    }


def case_lines(case: Case, policy: Policy) -> Iterator[Due]:
    """What is owed about the instruction, or about a message that could not be taken."""
    for owed in case.head.owed:
        facts = owed.facts
        match owed.kind:
            case "reason":
                action: Action = Explain(facts["path"], reason_file(facts))
                yield Due(owed.at, owed.name, facts["code"], action, why=facts["reason"], order=ORDER)
            case "reply":
                kind = facts["reply"]
                body = clarification(facts) if kind == "clarification_request" else rejection(facts)
                yield Due(
                    owed.at, owed.name, facts["code"], Send(facts["from"], kind, body), why=facts["reason"], order=ORDER
                )
            case "paper":
                why = f"{facts['name'].replace('_', ' ')} from {facts['by']}"
                yield Due(owed.at, owed.name, "INC-6", _paper(case, owed), why=why, order=ORDER)
            case "components":
                action, why = _components(case, owed), f"handed in by {facts['by']}"
                yield Due(owed.at, owed.name, "DEL-5", action, why=why, order=ORDER)
            case "notice":
                yield Due(
                    owed.at, owed.name, facts.get("rule", "EXE-7"),
                    Send(facts["to"], facts["kind"], {"text": facts["text"]}), why=facts["text"], order=ORDER,
                )  # fmt: skip
            case "pass-on":
                body = {"from_agent": facts["from"], "content": Embed(facts["letter"])}
                yield Due(
                    owed.at, owed.name, "EXE-18", Send(facts["to"], facts["kind"], body), why=f"from {facts['from']}",
                    order=ORDER,
                )  # fmt: skip
            case "update":
                yield Due(owed.at, owed.name, "SLA-15", _update(owed), why=f"accepted from {facts['by']}", order=ORDER)
            case _:
                raise ValueError(f"nothing is owed as {owed.kind!r}")


def _update(owed: Owed) -> Write:
    number = owed.facts["number"]
    letter = owed.facts["letter"]
    prefix = "customer_update." if owed.facts.get("nested") else ""
    return Write(
        f"outputs/partial/update-{number:03}.yaml",
        {
            "schema_version": 1,
            "number": number,
            "sent_at": stamp(owed.at),
            "by": owed.facts["by"],
            "channel": owed.facts.get("channel"),
            "delivered_at": owed.facts.get("delivered_at"),
            **{c: Embed(letter, f"update:{prefix}{c}") for c in UPDATE_CONTENTS},
            "next_update_at": owed.facts.get("promised") or Embed(letter, f"{prefix}next_update_at"),
            "text": Embed(letter, f"{prefix}text"),
        },
    )


def _components(case: Case, owed: Owed) -> Write:
    """The components of an answer, in a file of ours: from now on a source like any result [DEL-5]."""
    k, by = owed.facts["k"], owed.facts["by"]
    return Write(
        f"outputs/partial/{ANSWERS}{by}{f'-{k}' if k > 1 else ''}.yaml",
        {
            "schema_version": 1,
            "instruction_id": case.id,
            "by": by,
            "at": stamp(owed.at),
            "components": Embed(owed.facts["letter"], "components"),
        },
    )


def _paper(case: Case, owed: Owed) -> Write:
    """A retrospective or a prevention plan that came as text, in a file of ours [INC-6, CON-15]."""
    facts = owed.facts
    return Write(
        facts["path"],
        {
            "schema_version": 1,
            "instruction_id": case.id,
            "by": facts["by"],
            "received_at": stamp(owed.at),
            facts["name"]: Embed(facts["letter"], facts["name"]),
        },
    )
