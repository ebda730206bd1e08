"""What a line of the journal means for its case: the same for a line just noted and for one read again [MEM-17].

The one table that holds the moves [EXE-3]: `FOLD` names, for each verb, what it changes. Nothing here looks at
files, clocks or configuration, so reading a journal gives the state that writing it gave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from executord.case import Attempt, Claim, Ended, FileFact, Owed, Parked, Task, expected_spec, lasting, owe
from executord.case.casebook import Case
from executord.case.packed import shared
from executord.case.products import OutputFile
from executord.evolve import replace
from executord.meaning import deliveries, incidents, reckoning, sendings
from executord.meaning.asking import carried
from executord.meaning.blocking import block, unblock
from executord.meaning.processes import called, ended, gone, over_budget, started, stopping, stuck, told
from executord.meaning.transitions import (
    all_ended,
    close_attempt,
    end_task,
    escalate,
    notice,
    opened_again,
    release_instruction,
    release_task,
    signed,
    spend,
    time_out,
    with_attempt,
)
from executord.messages import MESSAGES, Taken
from executord.posts.news import heard
from executord.values import noted_instant, read_stamp

Entry = Mapping[str, Any]
OPERATOR = "operator"
PROMISED = "promised a handoff"  # why the next attempt is whose: it has been sent to him
#: What a line says beside its name, if it does: of another kind it is no line of ours, whatever else it says.
_KINDS = (("to", str), ("task", str), ("type", str), ("path", str), ("attempt", int))


def fold(case: Case, entry: Entry) -> None:
    """Put one line into the case [MEM-17].

    Raises whatever comes of a line that does not say what lines of its kind say; whoever reads it names the line.
    """
    for word, kind in _KINDS:
        said = entry.get(word)
        if said is not None and type(said) is not kind:
            raise TypeError(f"{word}: {said!r} is no {kind.__name__}")
    name = entry["name"]
    at = read_stamp(entry["at"])
    case.n, case.last_at = entry["n"], at if case.last_at is None else max(at, case.last_at)
    verb = name.split(" ", 1)[0]
    case.event_at = noted_instant(_facts(entry), "at") or _came(case, entry, verb, at)
    task_id = entry.get("task")
    step = FOLD.get(verb)
    if step is not None:
        step(case, entry, at)
    if "silence" in _facts(entry):
        _silence(case, entry, at)
    if "ask" in _facts(entry):
        carried(case, entry, at, read_stamp(entry["due"]))
        if _facts(entry)["ask"].startswith("role "):
            incidents.asked(case, entry, at)
    if "incident" in _facts(entry):
        incidents.enter(case, entry)
    if case.head.tier == 4 and verb != "copy":
        heard(case, entry, at)
    if entry["action"] == "send" and entry.get("type") and verb != "copy":
        key = (task_id or "", entry.get("attempt") or 0, entry["type"])
        case.sent[key] = case.sent.get(key, 0) + 1
        if entry["type"] == "escalation" and verb != "copy":
            deliveries.escalated(case, entry, at)
        if task_id is not None:
            called(case, entry, at)
    if task_id is not None:
        task = case.ensure(task_id)
        owed = tuple(o for o in task.owed if o.name != name) if task.owed else ()
        since = at if verb in _CHANGING else task.since
        done = task.done | {name}
        done = shared(lasting(done) if _over(task) and not owed else done)
        case.put(replace(task, owed=owed, done=done, since=since))
        if case.head.owed:
            _paid(case, name)
    else:
        _paid(case, name)
        if verb not in ("file", "reason", "reject", "clarify") and verb not in reckoning.WITHOUT_NAMES:
            case.set_head(replace(case.head, done=case.head.done | {name}))


def _came(case: Case, entry: Entry, verb: str, at: datetime) -> datetime:
    """When it happened: a file that opens again what had ended came when it came, and not when we saw it [SLA-2]."""
    if verb not in ("admit", "hand-move") or _facts(entry).get("folder") == "completed":
        return at
    task = case.tasks.get(entry["task"])
    ended = task.ended.at if task is not None and task.ended is not None else all_ended(case)
    due = read_stamp(entry["due"])
    return due if ended is not None and ended < due <= at else at


def _over(task: Task) -> bool:
    """Whether a task has ended and lies where it belongs, as far as the journal says."""
    return task.ended is not None and not task.result_owed and (not task.present or task.folder == "completed")


def _paid(case: Case, name: str) -> None:
    if any(o.name == name for o in case.head.owed):
        case.set_head(replace(case.head, owed=tuple(o for o in case.head.owed if o.name != name)))


_CHANGING = {"admit", "edit", "hand-move", "delete", "file", "assign", "release", "move", "time", "nobody", "relieve"}


def _facts(entry: Entry) -> Mapping[str, Any]:
    return entry.get("facts") or {}


def _open(case: Case, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    case.set_head(
        replace(
            case.head,
            opened_at=at,
            created=noted_instant(facts, "created"),
            tier=facts["tier"],
            tier_why=facts.get("tier_why"),
            deliverable_type=facts["deliverable_type"],
            type_why=facts.get("type_why"),
            plan_sha=facts.get("plan"),
            instruction=facts.get("instruction"),
            wrote=facts.get("priority"),
            gave=reckoning.promises_noted(facts) if "gave" in facts else None,
        )
    )
    case.recount_frontier()


def _replan(case: Case, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    case.set_head(
        replace(
            case.head,
            tier=facts["tier"],
            tier_why=facts.get("tier_why"),
            deliverable_type=facts["deliverable_type"],
            type_why=facts.get("type_why"),
            plan_sha=facts.get("plan"),
            replans=case.head.replans + 1,
        )
    )
    case.recount_frontier()


def _found(case: Case, entry: Entry, at: datetime) -> None:
    word, head = _facts(entry)["found"], case.head
    missing = tuple(w for w in head.missing if w != word)
    case.set_head(replace(head, missing=missing, instruction=True if word == "instruction" else head.instruction))


def _noticed(case: Case, entry: Entry, at: datetime) -> None:
    if "missing" in _facts(entry):
        case.set_head(replace(case.head, missing=(*case.head.missing, _facts(entry)["missing"])))


def _admit(case: Case, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    task = case.ensure(entry["task"])
    folder = facts["folder"]
    reopened = task.deleted
    if not task.admitted and folder != "completed" and case.head.closed is None:
        task = opened_again(task, all_ended(case), case.event_at or at)
    task = replace(
        task,
        present=True,
        deleted=False,
        admitted=task.admitted + 1,
        born=task.born or case.event_at,
        name=facts.get("file"),
        folder=folder,
        sha256=shared(facts["sha256"]),
        wrote=shared(facts.get("priority", "")),
        gave=shared(reckoning.promises_noted(facts)),
        sealed=False,
        ended=None if reopened else task.ended,
    )
    if folder == "blocked":
        task = _blocked_by_hand(task, at, str(facts.get("blocked") or "its file was put into tasks/blocked/"))
    elif folder == "in_progress" and task.live is None and task.ended is None:
        task = replace(task, forced=True)
    elif folder == "completed" and task.ended is None:
        task = replace(
            task,
            ended=Ended("completed", at, OPERATOR, "found in tasks/completed/ when the instruction was taken over"),
            result_owed=not facts.get("has_result"),
        )
    case.put(task)


def _blocked_by_hand(task: Task, at: datetime, said: str) -> Task:
    return block(task, "missing_information", at, OPERATOR, said, {"by": OPERATOR, "derived": "nothing says otherwise"})


def _edit(case: Case, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    if "task" not in entry:
        return reckoning.instruction_edited(case, facts, read_stamp(entry["due"]))
    task = case.ensure(entry["task"])
    task = replace(task, sha256=shared(facts["sha256"]), edits=task.edits + 1, name=facts["file"])
    task = reckoning.edited(task, facts, read_stamp(entry["due"]))
    if task.live is not None:
        counts = (
            "it cannot be read now: go on with what you were given"
            if facts.get("unreadable")
            else ("what it says now counts")
        )
        text = f"{facts.get('by', facts['file'])} was edited; {counts}"
        task = owe(task, notice(task, f"#{task.edits} edited", at, task.live.agent, text))
    case.put(task)


def _hand_move(case: Case, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    task = case.ensure(entry["task"])
    old, new = facts["from"], facts["to"]
    k = task.hand_moves + 1
    name = facts.get("file", task.name)
    task = replace(task, hand_moves=k, folder=new, name=name, sealed=False, found=None)
    if old == "completed" and task.ended is not None:
        task = replace(task, ended=None, result_owed=False, spent=0, escalated=None, updates=())
    if new == "pending":
        holder = task.live.agent if task.live else None
        task = close_attempt(task, "withdrawn", at, "its file was moved back to tasks/pending/ by hand")
        task = replace(task, forced=False, escalated=None)
        if holder is not None:
            text = "the task was taken back by hand; please stop working on it"
            task = owe(task, notice(task, f"#{k} taken-back", at, holder, text, "reassignment_notice"))
    elif new == "in_progress":
        task = replace(task, forced=task.live is None, escalated=None)
    elif new == "blocked" and task.blocked is None:
        task = _blocked_by_hand(task, at, "its file was put into tasks/blocked/")
    elif new == "completed":
        task = _claimed_by_hand(case, task, facts, at, k)
    case.put(task)


def _claimed_by_hand(case: Case, task: Task, facts: Mapping[str, Any], at: datetime, k: int) -> Task:
    points = tuple(facts.get("points", ()))
    claim = Claim(
        at,
        facts.get("source") or "",
        summary=facts.get("summary") or "",
        files=tuple(FileFact(f["path"], f["size"], f["sha256"]) for f in facts.get("files", ())),
        has_output=bool(facts.get("output")),
        by=OPERATOR,
    )
    if not points:
        holder = task.live.agent if task.live else None
        if task.live is not None:
            task = with_attempt(task, state="done", claim=claim, closed_at=at, points=())
        else:
            attempt = Attempt(task.attempt + 1, OPERATOR, at, "done", claim=claim, closed_at=at)
            task = replace(task, attempts=(*task.attempts, attempt))
        if holder is not None:
            text = "its file was put into tasks/completed/ by hand and the claim was verified"
            task = owe(task, notice(task, f"#{k} completed-by-hand", at, holder, text))
        return replace(
            unblock(task, at), ended=Ended("completed", at), result_owed=True, escalated=None, bound=None, forced=False
        )
    if task.live is None:
        return replace(task, forced=True)
    n = task.live.n
    refusals = task.live.refusals + 1
    task = with_attempt(task, refusals=refusals, points=points)
    if facts.get("final"):
        task = close_attempt(task, "failed", at, f"claim refused {refusals} times")
        return spend(task, case, at, f"claim of attempt {n} refused {refusals} times: {points[0]}")
    return owe(task, Owed(f"rework {task.id} a{n} #{refusals}", "rework", at, {"points": list(points), "k": refusals}))


def _delete(case: Case, entry: Entry, at: datetime) -> None:
    task = case.ensure(entry["task"])
    was_ended = task.ended is not None
    spec = expected_spec(case.head.plan, task.id)
    task = replace(task, spec=spec, present=False, folder=None, gone_at=None, gone_looks=0, file=None, sealed=False)
    if not was_ended:
        task = end_task(task, "cancelled", at, OPERATOR, "its file was deleted")
        task = replace(task, deleted=True)
    task = owe(task, notice(task, f"#{task.admitted} deleted", at, "planner", _deletion_text(task, was_ended)))
    case.put(task)


def _deletion_text(task: Task, was_ended: bool) -> str:
    if was_ended:
        return f"the file of {task.id}, which had ended, was deleted; its result stays"
    return f"the file of {task.id} was deleted: the task is cancelled. Put the file back to open it again"


def _file(case: Case, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    arrived = facts["file"]
    count, contents = case.mail.get(arrived, (0, ()))
    case.mail[arrived] = (count + 1, tuple(sorted({*contents, facts["sha256"]})))
    if facts.get("id"):
        case.mail_ids.add(facts["id"])
    outcome = facts["outcome"]
    if outcome == "rejected":
        k = count + 1
        owed = [Owed(f"reason {arrived} #{k}", "reason", at, {**facts, "path": entry["path"], "event": entry["n"]})]
        reply = facts.get("reply")
        if reply and facts.get("from"):
            owed.append(
                Owed(
                    f"{'clarify' if reply == 'clarification_request' else 'reject'} {arrived} #{k}",
                    "reply",
                    at,
                    {**facts, "kept_as": entry["path"]},
                )
            )
        case.set_head(replace(case.head, owed=(*case.head.owed, *owed)))
        return
    if outcome == "duplicate":
        return
    message = MESSAGES[facts["type"]]
    task_id = entry.get("task")
    task = case.ensure(task_id) if task_id is not None else None
    if task is not None:
        case.put(replace(task, sealed=False))
        task = case.tasks[task.id]
    sent_at = noted_instant(facts, "at") or at
    live = task.live if task is not None else None
    message.take(case, task, Taken(facts["from"], sent_at, entry.get("attempt"), facts, entry["path"]))
    if live is not None and task_id is not None and live.agent == facts["from"] and entry.get("attempt") == live.n:
        after = case.tasks[task_id]
        if after.live is not None and after.live.n == live.n:
            case.put(signed(after, sent_at))  # whatever it says, he is there
    reckoning.after_message(case, task_id, facts, sent_at)
    if "odd" in facts:
        odd = facts["odd"]
        said = {"to": facts["from"], "kind": "notice", "text": odd["text"], "rule": odd["rule"]}
        case.set_head(replace(case.head, owed=(*case.head.owed, Owed(odd["name"], "notice", at, said))))


def _silence(case: Case, entry: Entry, at: datetime) -> None:
    facts = _facts(entry)
    task = case.ensure(entry["task"])
    if task.live is None or task.live.n != entry["attempt"]:
        return
    if facts["do"] == "time_out":
        files = tuple(FileFact(f["path"], f["size"], f["sha256"]) for f in facts.get("files", ()))
        case.put(time_out(task, case, at, entry["why"], files))
        return
    final = task.live.final or facts["do"] == "finalize"
    case.put(with_attempt(task, cycles=facts["silence"], rung=facts["rung"], rung_at=at, final=final))


def _assign(case: Case, entry: Entry, at: datetime) -> None:
    task = case.ensure(entry["task"])
    by_word = task.bound == entry["to"] and task.bound_why != PROMISED
    by_command = bool(_facts(entry).get("by_command"))
    attempt = Attempt(entry["attempt"], entry["to"], at, by_word=by_word, by_command=by_command)
    task = replace(
        unblock(task, at), attempts=(*task.attempts, attempt), bound=None, bound_why=None, escalated=None, forced=False,
    )  # fmt: skip
    if task.issues:
        facts = {"points": list(task.issues), "k": 1}
        name = f"rework {task.id} a{attempt.n} #{case.head.delivery.cycle} verdict"
        task = owe(replace(task, issues=()), Owed(name, "rework", at, facts))
    case.put(task)


def _handoff(case: Case, entry: Entry, at: datetime) -> None:
    task = case.ensure(entry["task"])
    if task.bound != entry["to"]:
        case.put(replace(task, bound=entry["to"], bound_why=task.bound_why or PROMISED))


def _relieve(case: Case, entry: Entry, at: datetime) -> None:
    """A task that its overloaded holder had not accepted goes to a colleague; not counted among the attempts."""
    colleague = _facts(entry).get("colleague")
    task = case.ensure(entry["task"])
    if colleague is None or task.live is None:
        return
    holder = task.live.agent
    task = close_attempt(task, "reassigned", at, entry["why"])
    case.put(replace(task, bound=colleague, bound_why=f"{holder} is overloaded"))


def _move(case: Case, entry: Entry, at: datetime) -> None:
    task = case.ensure(entry["task"])
    folder = _facts(entry)["folder"]
    file = replace(task.file, folder=folder) if task.file is not None else None
    case.put(replace(task, folder=folder, moves=task.moves + 1, file=file))


def _result(case: Case, entry: Entry, at: datetime) -> None:
    task = case.ensure(entry["task"])
    facts = _facts(entry)
    written = None
    if "sha256" in facts and entry.get("path"):
        path = entry["path"].removeprefix(f"{case.id}/")
        written = OutputFile(path, facts["size"], facts["sha256"], task.id)
    case.put(replace(task, results=task.results + 1, result_owed=False, result=written))


def _checkpoint(case: Case, entry: Entry, at: datetime) -> None:
    case.set_head(replace(case.head, reviews=case.head.reviews | {_facts(entry)["checkpoint"]}))


def _release(case: Case, entry: Entry, at: datetime) -> None:
    task_id = entry.get("task")
    if task_id is None:
        release_instruction(case, at, "executor")
        return
    task = case.ensure(task_id)
    case.put(release_task(task, at, "executor"))


def _park(case: Case, entry: Entry, at: datetime) -> None:
    k = case.head.parks + 1
    case.set_head(replace(case.head, parked=Parked(k, at, entry["why"]), parks=k))


def _set_aside(case: Case, entry: Entry, at: datetime) -> None:
    name = _facts(entry)["file"]
    if "/outputs/final/" in _facts(entry)["from"]:
        deliveries.shelve(case, entry, at)
    case.asides[name] = case.asides.get(name, 0) + 1
    task = case.tasks.get(entry.get("task") or "")
    if task is not None:
        old, new = (p.removeprefix(f"{case.id}/") for p in (_facts(entry)["from"], entry["path"]))
        case.put(replace(task, attempts=tuple(_moved_file(a, old, new) for a in task.attempts)))


def _moved_file(attempt: Attempt, old: str, new: str) -> Attempt:
    """The attempt, its claim naming a file where it lies now."""
    claim = attempt.claim
    if claim is None or all(f.path != old for f in claim.files):
        return attempt
    files = tuple(replace(f, path=new) if f.path == old else f for f in claim.files)
    return replace(attempt, claim=replace(claim, files=files))


def _nobody(case: Case, entry: Entry, at: datetime) -> None:
    case.put(escalate(case.ensure(entry["task"]), at, f"resource_constraint: {entry['why']}", "resource_constraint"))


#: Verb → what it changes. A verb that is absent changes nothing but what is owed and what was sent.
FOLD: dict[str, Callable[[Case, Entry, datetime], None]] = {
    "open": _open,
    "replan": _replan,
    "found": _found,
    "notice": _noticed,
    "admit": _admit,
    "edit": _edit,
    "hand-move": _hand_move,
    "delete": _delete,
    "file": _file,
    "handoff": _handoff,
    "assign": _assign,
    "relieve": _relieve,
    "move": _move,
    "result": _result,
    "set-aside": _set_aside,
    "nobody": _nobody,
    "checkpoint": _checkpoint,
    "release": _release,
    "park": _park,
    "send": sendings.sent,
    "delivered": sendings.delivered,
    "failed": sendings.not_delivered,
    "doubt": sendings.not_delivered,
    "warn": reckoning.warn,
    "breach": reckoning.breach,
    "proactive": reckoning.proactive,
    "run-on": reckoning.run_on,
    **deliveries.FOLD,
    "incident": incidents.opened,
    "start": started,
    "tell": told,
    "ended": ended,
    "stop": stopping,
    "stuck": stuck,
    "gone": gone,
    "budget": over_budget,
}
