"""Processes of agents that are programs: started, told, ended, and never two at once [OPS-17, OPS-18].

Counterparts: `meaning/processes.py`, what the lines mean; `runners/`, which do it. How a process is found stands in
`task.process_seen`; here is only the difference between that and what the journal says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from executord.actions import Record, Reply, Send, Start, Stop, Tell
from executord.agenda import HEARD, Due
from executord.case import Attempt, Process, ProcessSeen, Task
from executord.case.casebook import Case
from executord.policy import Policy
from executord.posts import stem

ORDER = 45
LATE = ("timed_out", "failed", "reassigned")  # of an attempt that is closed: its result is kept
LINGER = timedelta(seconds=15)  # for a process to end by itself once its claim was verified
ANSWER_SPAN = timedelta(seconds=1)  # after settling: its answer may have been dropped just before it ended


def lines(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
    """What is to be done about the one process that the task may have, or is to have."""
    head = case.head
    if head.opened_at is None or not policy.processes or not task.attempts:
        return
    process = task.process
    if process is not None:
        attempt = next(a for a in reversed(task.attempts) if a.process is not None)
        yield from _running(case, task, attempt, process, policy)
        return
    live = task.live
    if live is None or not live.by_command or not live.calls or policy.command(live.agent) is None:
        return
    if head.parked or head.closed or head.paused or task.hold or head.hold or task.blocked:
        return
    k = live.starts + 1
    at = max(filter(None, (live.called_at or live.at, task.start_after)))
    yield Due(
        at, f"start {task.id} a{live.n} #{k}", "OPS-17", Start(live.agent, k, live.calls), task.id, live.n,
        why=_why_start(live, k), facts={"k": k, "calls": [path for _, path in live.calls]}, order=ORDER,
    )  # fmt: skip


def _why_start(live: Attempt, k: int) -> str:
    if k == 1:
        return f"{live.agent} is a program"
    if live.process is not None and live.process.calls == live.calls[: len(live.process.calls)]:
        return "the one before never began"
    return f"there is more for {live.agent} to do"


def _running(case: Case, task: Task, attempt: Attempt, process: Process, policy: Policy) -> Iterator[Due]:
    seen = task.process_seen
    if seen is not None and (seen.attempt, seen.k) != (attempt.n, process.k):
        seen = None
    name = f"{task.id} a{attempt.n} #{process.k}"
    if seen is not None and seen.ended and process.state == "running":
        yield from _ended(case, task, attempt, process, seen, policy)
        return
    if process.state in ("running", "ended") and (not attempt.live or process.state == "ended"):
        at = attempt.closed_at or (seen.at if seen is not None else process.at)
        if attempt.state == "done":
            at += LINGER
        why = f"attempt {attempt.n} is over: {attempt.state}" if not attempt.live else "it has ended, but not all of it"
        yield Due(
            at, f"stop {name}", "OPS-18", Stop(process.k), task.id, attempt.n, why=why, facts={"k": process.k},
            order=ORDER,
        )  # fmt: skip
    if process.state in ("stopping", "stuck") and seen is not None:
        if seen.gone:
            facts = {
                "k": process.k, "exit": seen.said or None, "usd": seen.outcome.usd, "tokens": seen.outcome.tokens,
            }  # fmt: skip
            late = _late(case, task, attempt, process, seen)
            yield Due(
                seen.at, f"gone {name}", "OPS-18", late or Record(), task.id, attempt.n, why="nothing of it is left",
                facts=facts, order=HEARD,
            )  # fmt: skip
        elif seen.stuck and process.state == "stopping":
            text = (
                f"the process of attempt {attempt.n} of {task.id} (pid {process.pid} on {process.host}) cannot be "
                f"killed; {task.id} waits until it is gone, all else goes on"
            )
            yield Due(
                seen.at, f"stuck {name}", "OPS-18", Send("support-manager", "notice", {"text": text}), task.id,
                attempt.n, why=text, facts={"k": process.k}, order=ORDER,
            )  # fmt: skip
        return
    if process.state == "running" and attempt.live and attempt.calls:
        n = attempt.tells + 1
        kind, letter = attempt.calls[0]
        yield Due(
            attempt.called_at or process.at, f"tell {task.id} a{attempt.n} #{n}", "OPS-17",
            Tell(attempt.agent, process.k, n, kind, letter), task.id, attempt.n,
            why="it runs, and this came for it", facts={"k": process.k, "n": n, "letter": letter}, order=ORDER,
        )  # fmt: skip


def _ended(
    case: Case, task: Task, attempt: Attempt, process: Process, seen: ProcessSeen, policy: Policy
) -> Iterator[Due]:
    """It has ended: noted with what it cost, and what it had to say becomes a message in its agent's name."""
    outcome = seen.outcome
    facts: dict[str, Any] = {
        "k": process.k, "gone": seen.gone, "began": None if seen.began else False, "code": seen.code,
        "signal": seen.signal, "usd": outcome.usd, "tokens": outcome.tokens,
    }  # fmt: skip
    at, why = seen.at, seen.said
    reply: Reply | None = None
    if attempt.live and seen.began:
        answered = bool(attempt.calls) or (task.blocked is not None and task.blocked.at >= process.at)
        if any(o.kind == "rework" for o in task.owed):
            return  # its claim was refused: it is called again, or told, first
        if outcome.kind and outcome.explicit:
            reply = _reply(case, task, attempt, process, outcome.kind, outcome.body)
        elif not answered:
            if outcome.kind and outcome.kind != "failed":
                reply = _reply(case, task, attempt, process, outcome.kind, outcome.body)
            else:
                at = seen.at + policy.settle + ANSWER_SPAN
                said = outcome.reason or f"{seen.said}, without a result"
                body = {"reason": said, "description": said, **outcome.body}
                reply = _reply(case, task, attempt, process, "failed", body)
                why = said
    reply = reply or _late(case, task, attempt, process, seen)
    if reply is not None:
        facts["answer"] = reply.kind
    yield Due(
        at, f"ended {task.id} a{attempt.n} #{process.k}", "OPS-17", reply or Record(), task.id, attempt.n, why=why,
        facts=facts, order=HEARD,
    )  # fmt: skip


def _late(case: Case, task: Task, attempt: Attempt, process: Process, seen: ProcessSeen) -> Reply | None:
    """A result that came when its attempt was closed already: kept as late, as anybody's would be [MSG-3]."""
    if attempt.state not in LATE or seen.outcome.kind != "completion" or task.ended is not None:
        return None
    return _reply(case, task, attempt, process, seen.outcome.kind, seen.outcome.body)


def _reply(case: Case, task: Task, attempt: Attempt, process: Process, kind: str, body: Any) -> Reply:
    return Reply(attempt.agent, kind, stem(case.id, task.id, attempt.n, "answer", process.k), body)


def waits_for_process(task: Task, policy: Policy) -> bool:
    """Whether no other attempt may begin yet: the last one's process is not verified gone [OPS-18]."""
    return policy.processes and task.process is not None
