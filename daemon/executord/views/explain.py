"""Why: each answer with the rule, what went into it, and the line of the journal that says so [EXE-22].

Counterparts: `case/standing.py` names a task's state, `chronicle.py` reads the journal. Pure: a case and its lines in,
answers out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from executord.case import SEQUENTIAL_TIERS, Attempt, Task
from executord.case.casebook import Case
from executord.case.standing import Standing
from executord.case.waits import Gate
from executord.policy import ATTEMPTS, REWORKS, Policy
from executord.promises.instruction import promised
from executord.promises.tasks import promised_task
from executord.promises.timepiece import Clock
from executord.standards import NAMES
from executord.standards import gate as standards
from executord.values import stamp
from executord.views import awaited
from executord.views.clockfaces import own_clocks, segment_words, task_clocks, why_due
from executord.views.obstacles import freed_by
from executord.views.outlook import Prospect
from executord.views.overview import percent, phase, stands

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One question and its answer. `line` is the number of the journal's line, None if no line says it."""

    question: str
    answer: str
    rule: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = None
    at: str | None = None
    name: str | None = None

    def view(self) -> dict[str, Any]:
        """The answer as JSON."""
        return asdict(self)


class Book:
    """The lines of a case's journal, to be looked up from the end."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = [e for e in entries if "at" in e and "name" in e]

    def last(
        self,
        *verbs: str,
        task: str | None = None,
        attempt: int | None = None,
        types: tuple[str, ...] = (),
        has: Mapping[str, Any] | None = None,
    ) -> Entry | None:
        """The last line with one of these verbs; `types` of the messages that it files, `has` among its facts."""
        for entry in reversed(self._entries):
            facts = entry.get("facts") or {}
            if entry["name"].split(" ", 1)[0] not in verbs or entry.get("task") != task:
                continue
            if attempt is not None and entry.get("attempt") != attempt:
                continue
            if types and (facts.get("type") not in types or facts.get("outcome") not in ("taken", "late")):
                continue
            if all(facts.get(k) == v for k, v in (has or {}).items()):
                return entry
        return None

    def asked(self, subject: str) -> Entry | None:
        """The last line about something that was asked."""
        return next((e for e in reversed(self._entries) if (e.get("facts") or {}).get("ask") == subject), None)

    def filed(self, path: str) -> Entry | None:
        """The line that filed the message which lies at this path."""
        return next((e for e in reversed(self._entries) if e.get("path") == path), None)


def _say(question: str, answer: str, rule: str, entry: Entry | None = None, **inputs: Any) -> Answer:
    if entry is None:
        return Answer(question, answer, rule, inputs)
    return Answer(question, answer, rule, inputs, entry["n"], entry["at"], entry["name"])


# --- a task --------------------------------------------------------------------------------------------------


def task_answers(
    case: Case, task: Task, entries: Sequence[Entry], policy: Policy, prospect: Prospect | None
) -> list[Answer]:
    """Everything that can be asked about a task; `prospect`: what becomes of its dispatch, if it waits for a place."""
    book = Book(entries)
    now = stands(case, task)
    found = [_here(case, task, book), _state(case, task, now, book)]
    if task.ended is None and task.live is None:
        found += _not_started(case, task, now, book, prospect)
    if task.attempts:
        found.append(_agent(task, book))
    found += _resets(task, book)
    found += _awaited(case, task, policy, book)
    quiet = awaited.silence(case, task, policy)
    if quiet is not None:
        line = book.last("assign", "file", "remind", "status", "finalize", task=task.id, attempt=task.attempt)
        found.append(_say("what if nothing is heard", quiet[0], "EXE-16", line, **quiet[1]))
    found.append(_deadline(case, task, policy, book))
    found += [_clock(clock, book) for clock in task_clocks(case, task, policy)]
    found += _frees(case, task, policy)
    return found


def _clock(clock: Clock, book: Book) -> Answer:
    """A due time in counted, closed and paused segments [SLA-20]."""
    text, data = why_due(clock)
    words = segment_words(data)
    line = None
    if clock.breaches:
        line = book.last("breach", task=clock.task, has={"key": clock.breaches[-1].clock})
    elif clock.task is not None:
        line = book.last("assign", task=clock.task, attempt=clock.attempt)
    if line is None and clock.task is None:
        line = book.last("open")
    rule = "SLA-21" if clock.kind == "customer_update" else "SLA-3"
    return _say(f"why is {clock.kind} due then", f"{text}. {words}" if words else text, rule, line, **data)


def _here(case: Case, task: Task, book: Book) -> Answer:
    question = "why is it here"
    if task.file is None and not task.present:
        line = book.last("delete", task=task.id)
        if line is not None:
            return _say(question, "its file was deleted, so it has none", "MEM-25", line)
        opened = book.last("replan") or book.last("open")
        place, count = case.position(task)
        text = f"the plan names it as task {place} of {count}; no file in tasks/ carries its id"
        return _say(question, text, "EXE-23", opened, plan="workflow/plan.yaml", file=f"tasks/pending/{task.id}.yaml")
    if task.file is None:
        line = book.last("move", "hand-move", "admit", task=task.id)
        return _say(question, f"its file is missing from tasks/{task.folder}/", "MEM-25", line, folder=task.folder)
    path = f"tasks/{task.file.folder}/{task.file.name}"
    line = book.last("move", "hand-move", "admit", task=task.id)
    if line is None or not task.present:
        return _say(question, f"{path} lies there and was not taken in yet", "MEM-18", None, file=path)
    if task.folder != task.file.folder:
        text = f"{path} was put there by hand, which is not noted yet; the journal has it in tasks/{task.folder}/"
        return _say(question, text, "MEM-18", line, file=path)
    verb = line["name"].split(" ", 1)[0]
    said = {"move": f"moved there: {line.get('why')}", "hand-move": str(line.get("why")), "admit": "found there"}[verb]
    more: dict[str, Any] = {"rivals": list(task.rivals)} if task.rivals else {}
    return _say(question, f"in tasks/{task.folder}/: {said}", line["rule"], line, file=path, **more)


def _state(case: Case, task: Task, now: Standing, book: Book) -> Answer:
    question = f"why is it {now.state.replace('_', ' ')}"
    inputs, line = _ended_state(task, now, book) if task.ended is not None else _open_state(case, task, now, book)
    claim = next((a.claim for a in reversed(task.attempts) if a.state == "done" and a.claim), None)
    text = now.why
    if now.state == "completed" and claim is not None:
        text = f"the claim of {claim.by} was verified"
    elif now.state in ("deferred", "cancelled") and task.ended is not None:
        text = f"{now.state} by {task.ended.by}: {task.ended.reason}"
    rule = "EXE-13" if now.state == "completed" else now.rule
    if now.state == "escalated" and line is not None:
        rule = line["rule"]
    return _say(question, text or now.state, rule, line, **inputs)


def _ended_state(task: Task, now: Standing, book: Book) -> tuple[dict[str, Any], Entry | None]:
    ended = task.ended
    assert ended is not None
    inputs: dict[str, Any] = {"ended": stamp(ended.at), "by": ended.by, "reason": ended.reason}
    if now.state == "completed":
        done = next((a for a in reversed(task.attempts) if a.state == "done"), None)
        inputs["files"] = [f.path for f in done.claim.files] if done is not None and done.claim is not None else []
        return inputs, book.last("result", task=task.id) or book.last("file", "hand-move", "admit", task=task.id)
    decided = ("defer", "cancel")
    line = book.last("file", task=task.id, types=decided) or book.last("delete", task=task.id)
    return inputs, line or book.last("file", types=decided)


def _open_state(case: Case, task: Task, now: Standing, book: Book) -> tuple[dict[str, Any], Entry | None]:
    """What went into the state of a task that has not ended, and the line that brought it there."""
    live, blocked, hold = task.live, task.blocked, task.hold or case.head.hold
    match now.state:
        case "on_hold" if hold is not None:
            until = stamp(hold.until) if hold.until else None
            inputs: dict[str, Any] = {"by": hold.by, "reason": hold.reason, "since": stamp(hold.at), "until": until}
            return inputs, book.last("file", task=task.id if task.hold else None, types=("hold",))
        case "blocked" if blocked is not None:
            line = book.last("file", task=task.id, types=("blocked",)) or book.last("admit", task=task.id)
            inputs = {"kind": blocked.kind, "derived": blocked.derived or None, "by": blocked.by,
                      "since": stamp(blocked.at), "blocked_s": list(awaited.blocked_for(task, blocked.at))}  # fmt: skip
            return inputs, line
        case "rework" if live is not None:
            inputs = {"points": list(live.points), "refusals": live.refusals, "reworks": REWORKS}
            return inputs, book.last("rework", task=task.id, attempt=live.n) or book.last("file", task=task.id)
        case "escalated":
            tier = case.head.tier if case.head.tier is not None else 2
            inputs = {"spent": task.spent, "allowed": ATTEMPTS[tier], "tier": tier}
            return inputs, book.last("nobody", "escalate", task=task.id)
        case "working" | "accepted" if live is not None:
            sign = stamp(live.sign_at) if live.sign_at is not None else None
            inputs = {"agent": live.agent, "last_sign": sign, "percent": live.percent, "eta": live.eta}
            return inputs, book.last("file", task=task.id, types=("progress", "acknowledgement"))
        case "assigned" if live is not None:
            return {"agent": live.agent}, book.last("assign", task=task.id, attempt=live.n)
        case "held":
            return {"faults": [f.text() for f in now.held]}, book.last("notice", task=task.id)
        case _:
            return {"waits_for": list(now.waits_for)}, book.last("hand-move", "move", "admit", task=task.id)


def _not_started(case: Case, task: Task, now: Standing, book: Book, prospect: Prospect | None) -> Iterator[Answer]:
    """Everything that keeps the task from being given to somebody."""
    question = "why not started"
    yield from _case_stands(case, question, book)
    if now.state == "held":
        for fault in now.held:
            place = {"path": fault.path, "at_line": fault.line, "field": fault.field, "fix": fault.fix}
            yield _say(question, fault.message, fault.code, book.last("notice", task=task.id), **place)
    for dep in dict.fromkeys((*task.spec.requires, *task.spec.after)):
        other = case.tasks.get(dep)
        if other is not None and other.ended is None and dep not in task.released:
            state = stands(case, other).state
            line = book.last("assign", "admit", task=dep)
            yield _say(question, f"it depends on {dep}, which is {state}", "EXE-6", line, depends_on=dep, state=state)
    front = case.frontier
    if case.head.tier in SEQUENTIAL_TIERS and front not in (None, task.id) and front not in task.spec.requires:
        state = stands(case, case.tasks[str(front)]).state
        text = f"tier {case.head.tier} goes in plan order: {front} comes first and is {state}"
        yield _say(question, text, "EXE-5", book.last("assign", "admit", task=front), before=front, tier=case.head.tier)
    for gate in case.gates_before(task.id):
        if not case.gate_open(gate):
            yield _gate(case, gate, question, book)
    if prospect is not None and now.state in ("ready", "reassigning"):
        at = stamp(prospect.at) if prospect.at is not None else None
        stuck = prospect.at is None or prospect.agent is None or prospect.why.startswith("waits")
        text = prospect.why if stuck else f"it is about to be given out: {prospect.why}"
        yield _say(question, text, "EXE-10", None, agent=prospect.agent, at=at, named=task.spec.assignee)


def _gate(case: Case, gate: Gate, question: str, book: Book) -> Answer:
    kind = "phase" if gate.phase else "checkpoint"
    if gate.open_members > 0:
        still = [i for i in gate.after if i not in case.tasks or case.tasks[i].ended is None]
        text = f"{kind} {gate.id} waits for {', '.join(still)}"
        return _say(question, text, "EXE-6", None, checkpoint=gate.id, after=still)
    line = book.last("checkpoint", has={"checkpoint": gate.id})
    text = f"{kind} {gate.id} waits for the release of {gate.review}"
    return _say(question, text, "EXE-6", line, checkpoint=gate.id, review=gate.review)


def _agent(task: Task, book: Book) -> Answer:
    last = task.attempts[-1]
    line = book.last("assign", task=task.id, attempt=last.n)
    named = task.spec.assignee
    why = line.get("why") if line is not None else "put there by hand"
    text = f"attempt {last.n} went to {last.agent}: {why}"
    inputs: dict[str, Any] = {"named": named, "excluded": sorted(task.excluded), "silent": sorted(task.silent)}
    return _say("why this agent", text, line["rule"] if line is not None else "EXE-10", line, **inputs)


def _resets(task: Task, book: Book) -> Iterator[Answer]:
    for attempt in task.attempts:
        if not attempt.live and attempt.state != "done":
            line = _closing(task, attempt, book)
            text = f"attempt {attempt.n} of {attempt.agent} is over: {attempt.state}"
            text += f", {attempt.reason}" if attempt.reason else ""
            closed = stamp(attempt.closed_at) if attempt.closed_at else None
            rule = line["rule"] if line is not None else "EXE-14"
            yield _say("why reset", text, rule, line, closed=closed, spent=task.spent)


def _closing(task: Task, attempt: Attempt, book: Book) -> Entry | None:
    """The line that closed an attempt: the letter it names, else the last thing that happened to it."""
    verbs = ("file", "hand-move", "time", "relieve")
    named = book.filed(attempt.letter) if attempt.letter is not None else None
    return (
        named
        or book.last(*verbs, task=task.id, attempt=attempt.n)
        or book.last("keep", task=task.id, attempt=attempt.n)
    )


def _awaited(case: Case, task: Task | None, policy: Policy, book: Book) -> Iterator[Answer]:
    """Every answer that is awaited: of whom, since when, who is asked next."""
    for ask in task.asks if task is not None else case.head.asks:
        if awaited.stands(case, task.id if task is not None else None, ask):
            text, inputs = awaited.said(case, task, ask, policy)
            line = book.asked(ask.subject)
            yield _say("what is awaited", text, line["rule"] if line is not None else "MSG-7", line, **inputs)


def _deadline(case: Case, task: Task, policy: Policy, book: Book) -> Answer:
    head = case.head
    limit = promised_task(case, task, policy)
    line = book.last("file", task=task.id, types=("priority_change",)) or book.last("open")
    inputs = {
        "written": str(task.field("resolution")) if task.field("resolution") is not None else None,
        "priority": task.field("priority") or head.priority_now,
        "created": stamp(head.created) if head.created else None,
        "effort_s": task.spec.effort_s,
    }
    if limit is None:
        text = head.lacking or "none yet: the instruction is not opened"
        return _say("what is its deadline", text, "SLA-2", line, **inputs)
    return _say("what is its deadline", f"{stamp(limit.at)}, from the {_source(limit.source)}", "SLA-6", line, **inputs)


def _source(text: str) -> str:
    return text.removeprefix("the ")


def _frees(case: Case, task: Task | None, policy: Policy) -> Iterator[Answer]:
    """The messages that would free it."""
    standings = {t.id: stands(case, t) for t in case.in_order()}
    for row in freed_by(case, standings, policy):
        if row["task"] != (task.id if task is not None else None):
            continue
        article = "an" if row["type"][0] in "aeiou" else "a"
        text = f"{article} {row['type']} from {', '.join(row['from'])}"
        yield _say("what frees it", text, "EXE-28", None, type=row["type"], **{"from": row["from"]})


# --- an instruction ------------------------------------------------------------------------------------------


def case_answers(case: Case, entries: Sequence[Entry], policy: Policy) -> list[Answer]:
    """Everything that can be asked about an instruction."""
    book = Book(entries)
    head = case.head
    opened = book.last("replan") or book.last("open")
    found = [_phase(case, book), *_failing(case, policy, book)]
    if head.tier is not None:
        text = f"tier {head.tier}, {_from(head.tier_why)}"
        found.append(_say("why this tier", text, "EXE-1", opened, tasks=len(case.tasks), plan=head.plan is not None))
    if head.deliverable_type is not None:
        text = f"{head.deliverable_type}, {_from(head.type_why)}"
        found.append(_say("why this deliverable type", text, "DEL-6", opened))
    found.append(_priority(case, book))
    limit = promised(case, policy)
    if limit is not None:
        created = stamp(head.created) if head.created else None
        text = f"{stamp(limit.at)}, from the {_source(limit.source)}"
        found.append(_say("what is its deadline", text, "SLA-2", book.last("open"), created=created))
    found += [_clock(clock, book) for clock in own_clocks(case, policy)]
    found += _case_stands(case, "why not started" if head.opened_at is None else "what stops it", book)
    found += _waiting(case, book)
    found += _awaited(case, None, policy, book)
    found += _frees(case, None, policy)
    return found


def _from(why: str | None) -> str:
    """Where a value comes from; a guess says so itself."""
    return why if why is not None and why.startswith(("guessed", "kept")) else f"from {why or 'nowhere'}"


def _phase(case: Case, book: Book) -> Answer:
    now = phase(case)
    done = f"{percent(case)} % of {case.planned_total} tasks have ended"
    line = book.last("open")
    head = case.head
    said: dict[str, tuple[str, str, Entry | None]] = {
        "not_ours": (f"it names the domain {head.spec.domain}, which is not ours", "MEM-1", None),
        "waiting": ("it is not opened yet", "EXE-23", None),
        "executing": (f"opened, and tasks are open: {done}", "EXE-1", line),
        "gate": ("every task has ended", "EXE-1", book.last("result", "move") or line),
    }
    delivery = head.delivery
    last = delivery.verdict
    said["handed_off"] = (f"the validator has cycle {delivery.cycle}", "QUA-3", book.last("hand"))
    verdict = book.last("file", types=("verdict",))
    if last is not None:
        text = f"cycle {last.cycle} was {last.result}" + (f": {last.issues[0].text}" if last.issues else "")
        said["rework"] = (text, "QUA-4", verdict)
    if delivery.halted is not None:
        said["blocked"] = (delivery.halted, "QUA-4", verdict)
    if head.closed is not None:
        ended = book.last("file", types=("cancel", "defer", "verdict"))
        said["closed"] = (f"{head.closed.state} by {head.closed.by}: {head.closed.reason}", "EXE-1", ended)
    if head.parked is not None:
        said["parked"] = (head.parked.reason, "MEM-25", book.last("park"))
    text, rule, entry = said.get(now, (done, "EXE-1", line))
    why = (line.get("why") if line is not None else None) or None
    return _say(f"why is it {now.replace('_', ' ')}", text, rule, entry, opened_because=why)


def _failing(case: Case, policy: Policy, book: Book) -> Iterator[Answer]:
    """Which standards keep it from being handed off, each with its evidence [QUA-1, EXE-22]."""
    if phase(case) not in ("gate", "rework") or case.open_tasks:
        return
    for each in standards(case, policy, case.head.delivery.product):
        if each.result == "fail":
            line = book.last("escalate", "request") or book.last("aggregate")
            text = f"standard {each.number}, {NAMES[each.number]}: {'; '.join(each.evidence[:3])}"
            found = {"standard": each.number, "evidence": list(each.evidence[:20])}
            yield _say("why not handed off", text, "QUA-1", line, **found)


def _priority(case: Case, book: Book) -> Answer:
    head = case.head
    if "instruction" in head.lacks:
        return _say("why this priority", f"nobody knows it: {head.lacking}", "MEM-25", None)
    line = book.last("file", types=("priority_change",))
    if head.priority is not None and head.priority[1] == head.spec.priority:
        by = (line.get("facts") or {}).get("from") if line is not None else None
        return _say("why this priority", f"{head.priority_now}, by a priority_change of {by}", "MEM-22", line)
    if head.spec.priority is not None:
        return _say("why this priority", f"{head.priority_now}, from instruction.yaml", "CON-2", None)
    return _say("why this priority", "medium: nothing says otherwise", "MEM-11", None)


def _case_stands(case: Case, question: str, book: Book) -> Iterator[Answer]:
    """What stops new dispatches in the whole case."""
    head = case.head
    if not head.ours:
        yield _say(question, f"the domain {head.spec.domain} is not ours", "MEM-1", None, domain=head.spec.domain)
    elif head.opened_at is None:
        quiet = stamp(head.quiet_since) if head.quiet_since else None
        text = "the daemon has not opened the instruction yet"
        if head.plan is None:
            text += ": there is no plan, so it waits until nothing has changed for `settle`"
        yield _say(question, text, "EXE-23", None, plan=head.plan is not None, unchanged_since=quiet)
    if head.parked is not None:
        yield _say(question, f"the case is parked: {head.parked.reason}", "MEM-25", book.last("park"))
    elif head.lacking is not None:
        line = book.last("notice", has={"missing": head.lacks[0]})
        yield _say(question, head.lacking, "MEM-25", line, lacks=list(head.lacks))
    if head.paused is not None:
        line = book.last("file", types=("pause",))
        yield _say(question, f"the case is paused by {head.paused}", "EXE-25", line, by=head.paused)
    if head.hold is not None:
        line = book.last("file", types=("hold",))
        until = stamp(head.hold.until) if head.hold.until else None
        text = f"the instruction is on hold by {head.hold.by}: {head.hold.reason}"
        yield _say(question, text, "EXE-25", line, by=head.hold.by, reason=head.hold.reason, until=until)
    if head.closed is not None:
        text = f"the instruction is closed: {head.closed.state} by {head.closed.by}"
        yield _say(question, text, "EXE-1", book.last("file", types=("cancel", "defer")), reason=head.closed.reason)


def _waiting(case: Case, book: Book) -> Iterator[Answer]:
    """The tasks that have not ended, by state."""
    by_state: dict[str, list[str]] = {}
    for task in case.in_order():
        if task.ended is None:
            by_state.setdefault(stands(case, task).state, []).append(task.id)
    for state, ids in by_state.items():
        text = f"{state.replace('_', ' ')}: {', '.join(ids)}"
        yield _say("what is open", text, "EXE-3", None, state=state, tasks=ids)
    for gate in case.gates:
        if not case.gate_open(gate):
            yield _gate(case, gate, "what waits", book)
