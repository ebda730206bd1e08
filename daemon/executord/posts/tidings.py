"""What our messages about clocks and to the liaison say [SLA-8, SLA-9, SLA-10, SLA-14].

Counterparts: `__init__.py`, the other messages; `promises/`, the clocks. What depends on the moment of noting — what is
left, how things stand — is made then (`Rendered`), so no look pays for it and no rule sees the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from executord.actions import THIS_ID, Rendered
from executord.case import Task
from executord.case.casebook import Case
from executord.clocks import Calendar, active
from executord.policy import Policy
from executord.promises.tasks import task_resolution
from executord.promises.timepiece import Clock
from executord.promises.updates import Cadence, cadence
from executord.routes import route_of
from executord.updates import UPDATE_CONTENTS
from executord.values import stamp

SHOWN = 20  # tasks that a draft names
TONE = (
    "say what this means for the customer, and acknowledge it in one sentence",
    "no internal names, no jargon",
    'a date instead of "soon"',
)
ASKED_FOR: Mapping[str, str] = {
    "status": "current status and progress made",
    "next_steps": "next steps and expected timeline",
    "blockers": "blockers or delays, with explanations (none is valid)",
    "expect_next": "what the customer can expect next, and when",
    "contact": "contact for questions",
}
_NAMES = {"response": "response", "next_response": "next response", "resolution": "resolution",
          "customer_update": "customer update"}  # fmt: skip


# --- times -----------------------------------------------------------------------------------------------------------


def span_words(seconds: float) -> str:
    """A span as a person says it: `1 d 3 h 20 min`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if n]
    return " ".join(parts) or f"{rest} s"


def local_words(at: datetime, calendar: Calendar) -> str:
    """A moment with its zone: `2026-11-20 17:00 CET (Europe/Berlin)`."""
    here = at.astimezone(calendar.zone)
    zone = here.tzname() or ""
    name = calendar.zone.key
    return f"{here:%Y-%m-%d %H:%M} {zone}" + (f" ({name})" if name != zone else "")


def left(case: Case, policy: Policy, now: datetime, calendar: Calendar, until: datetime) -> dict[str, Any]:
    """What is left until then, in business and in real time, as of the instant at which the line is noted [SLA-8]."""
    real = max((until - now).total_seconds(), 0)
    business = active(calendar, now, until) if until > now else 0
    text = f"{span_words(real)} left" if until > now else "the time is over"
    if not calendar.always and until > now:
        text = f"{span_words(business)} of business time left, {span_words(real)} by the clock"
    return {"business_s": int(business), "real_s": int(real), "text": text}


def late_by(case: Case, policy: Policy, now: datetime, due: datetime) -> int:
    """Seconds from a limit to the instant at which its breach is noted [SLA-10]."""
    return max(int((now - due).total_seconds()), 0)


def noted_at(case: Case, policy: Policy, now: datetime) -> str:
    """The instant at which the line is noted."""
    return stamp(now)


# --- warnings and breaches -------------------------------------------------------------------------------------------


def subject_words(case: Case, task_id: str | None) -> str:
    """A task or the instruction, by id and title."""
    if task_id is None:
        return f"{case.id} {case.head.title}" if case.head.title != case.id else case.id
    task = case.tasks[task_id]
    return f"{task_id} {task.spec.title}".strip()


def clock_facts(case: Case, clock: Clock) -> dict[str, Any]:
    """What every message about a clock names."""
    return {
        "clock": clock.kind,
        "about": subject_words(case, clock.task),
        "started": stamp(clock.start),
        "target": stamp(clock.target) if clock.target is not None else None,
        "due": stamp(clock.due) if clock.due is not None else None,
        "due_local": local_words(clock.due, clock.calendar) if clock.due is not None else None,
        "calendar": clock.calendar.name,
        "promised_by": clock.source,
    }


def warning(case: Case, clock: Clock, marks: tuple[str, ...], *, asks: bool) -> dict[str, Any]:
    """A limit that comes nearer [SLA-8]; to the liaison, of a response clock, also what an update request holds."""
    assert clock.due is not None
    said = " and ".join("the target is reached" if m == "target" else _mark_words(m) for m in marks)
    body: dict[str, Any] = {
        "text": f"{_NAMES[clock.kind]} of {subject_words(case, clock.task)}: {said}; "
        f"the limit is {local_words(clock.due, clock.calendar)}",
        **clock_facts(case, clock),
        "marks": list(marks),
        "left": Rendered(left, (clock.calendar, clock.due)),
    }
    if clock.warn_due is not None and clock.warn_due != clock.due:
        body["internal_limit"] = stamp(clock.warn_due)
    return body | (asked_for(case, clock.due) if asks else {})


def _mark_words(mark: str) -> str:
    return f"{mark} of the time is used" if mark.endswith("%") else f"{mark.lstrip('-')} before the limit"


def breach(case: Case, task: Task | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A limit that has passed [SLA-10]; the facts are those of its record."""
    kind = facts["clock"]
    who = task.id if task is not None else case.id
    reply = f'type: acknowledgement\nfrom: <you>\ninstruction_id: "{case.id}"\nin_reply_to: {THIS_ID}\n'
    return {
        "text": f"the {_NAMES[kind]} limit of {subject_words(case, facts.get('task'))} has passed: "
        f"it was {facts['due_local']}",
        "clock": kind,
        "about": subject_words(case, facts.get("task")),
        "due": facts["due"],
        "effective_at": facts["effective_at"],
        "cause": facts["cause"],
        "holder": facts["holder"],
        "decision_needed": f"how {who} is brought to its end, and what the customer is told"
        if kind == "resolution"
        else "who gives the answer that is owed",
        "reply_with": reply,
    }


def cause_of(case: Case, policy: Policy, now: datetime, kind: str, task_id: str | None) -> str:
    """Why it is late, from the facts: open blockers, attempts, what waits [SLA-9, SLA-10]."""
    if kind in ("response", "next_response", "customer_update") and task_id is None:
        return "no complete customer update" if case.head.spec.customer is not None else "no acknowledgement"
    if kind == "response" and task_id is not None:
        live = case.tasks[task_id].live
        return f"no word from {live.agent}" if live is not None else "nobody holds it"
    tasks = [case.tasks[task_id]] if task_id is not None else [t for t in case.in_order() if t.ended is None]
    reasons = [r for t in tasks[:SHOWN] for r in _reasons(t, alone=task_id is not None)]
    if len(tasks) > SHOWN:
        reasons.append(f"and {len(tasks) - SHOWN} more tasks")
    return "; ".join(reasons) or "it took longer than was promised"


def _reasons(task: Task, *, alone: bool) -> list[str]:
    prefix = "" if alone else f"{task.id}: "
    found = []
    if task.blocked is not None:
        found.append(f"{prefix}blocked since {stamp(task.blocked.at)}, {task.blocked.kind}")
    over = [a for a in task.attempts if not a.live and a.state != "done"]
    if over:
        found.append(f"{prefix}{len(over)} {'attempt' if len(over) == 1 else 'attempts'} over: {over[-1].state}")
    if task.escalated is not None:
        found.append(f"{prefix}a decision is awaited")
    elif task.hold is not None:
        found.append(f"{prefix}on hold by {task.hold.by}")
    elif task.live is None and not alone:
        found.append(f"{prefix}not yet given out" if not task.attempts else f"{prefix}held by nobody")
    elif task.live is not None and not found:
        said = f", {task.live.percent} %" if task.live.percent is not None else ""
        found.append(f"{prefix}in work since {stamp(task.live.at)}{said}")
    return found


# --- the liaison -----------------------------------------------------------------------------------------------------


def asked_for(case: Case, due: datetime) -> dict[str, Any]:
    """What an update must hold, with a draft of facts, and how it is answered [SLA-14]."""
    return {
        "contents": dict(ASKED_FOR),
        "draft": Rendered(draft, (due,)),
        "tone": list(TONE),
        "customer": customer_of(case),
        "reply_with": Rendered(update_example),
        "delivery": Rendered(delivery),
    }


def delivery(case: Case, policy: Policy, now: datetime) -> str:
    """Who brings the update to the customer [SLA-16]."""
    found = route_of(case, policy)
    if found is not None:
        route, to = found
        whom = f" to {', '.join(to)}" if to else ""
        return (
            f"drop it in the executor's inbox: it is delivered via {route.name}{whom}, and counts when it is delivered"
        )
    return "send it to the customer yourself, then drop it in the executor's inbox: your message says that it was sent"


def customer_of(case: Case) -> dict[str, Any] | None:
    """The customer, as messages name him."""
    customer = case.head.spec.customer
    if customer is None:
        return None
    return {
        "name": customer.name or None,
        "segment": customer.segment,
        "contact": customer.contact,
        "timezone": customer.timezone,
    }


def update_example(case: Case, policy: Policy, now: datetime) -> str:
    """A filled example of the answer."""
    lines = ["type: customer_update", f"from: {case.head.liaison}", f'instruction_id: "{case.id}"']
    return "\n".join((*lines, *(f"{c}: …" for c in UPDATE_CONTENTS), "next_update_at: …   # optional")) + "\n"


def draft(case: Case, policy: Policy, now: datetime, due: datetime) -> dict[str, Any]:
    """The facts for the five contents, as they are when the line is noted; the words are the liaison's."""
    tasks = case.in_order()
    open_tasks = [t for t in tasks if t.ended is None]
    done = [t for t in tasks if t.ended is not None]
    working = [t for t in open_tasks if t.live is not None]
    status = [f"{len(done)} of {len(tasks)} tasks have ended"] if tasks else ["it is received"]
    status += [f"done: {_titled(t)}" for t in done[-SHOWN:]]
    status += [f"in work: {_titled(t)}{_progress(t)}" for t in working[:SHOWN]]
    steps = [f"{_titled(t)}{_until(case, t, policy)}" for t in open_tasks[:SHOWN]] or ["the result is handed over"]
    if len(open_tasks) > SHOWN:
        steps.append(f"and {len(open_tasks) - SHOWN} more")
    blocked = [f"{_titled(t)}: {t.blocked.description}" for t in open_tasks if t.blocked is not None][:SHOWN]
    blocked += [f"on hold: {hold.reason}" for hold in [case.head.hold] if hold is not None]
    after = cadence(case, policy)
    return {
        "status": status,
        "next_steps": steps,
        "blockers": blocked or ["none"],
        "expect_next": [_next_update(now, after)],
        "contact": [case.head.liaison],
    }


def _titled(task: Task) -> str:
    return task.spec.title or task.id


def _progress(task: Task) -> str:
    live = task.live
    parts = [f"{live.percent} %" if live and live.percent is not None else "", live.note or "" if live else ""]
    said = ", ".join(p for p in parts if p)
    return f" ({said})" if said else ""


def _until(case: Case, task: Task, policy: Policy) -> str:
    live = task.live
    if live is not None and live.eta is not None:
        return f", expected {live.eta}"
    clock = task_resolution(case, task, policy)
    return f", promised for {stamp(clock.due)}" if clock is not None and clock.due is not None else ""


def _next_update(now: datetime, after: Cadence | None) -> str:
    if after is None:
        return "when the next update comes"
    return f"the next update, about {span_words((after.due - after.last).total_seconds())} after this one"


def update_request(case: Case, found: Cadence) -> dict[str, Any]:
    """The customer is to hear from us [SLA-14]."""
    first = "that we have it, who works on it, when the next update comes" if found.first else None
    return {
        "text": f"an update for {customer_name(case)} is asked for: "
        + (first or f"number {found.number}, at the latest {local_words(found.due, found.calendar)}"),
        "number": found.number,
        "due": stamp(found.due),
        "due_local": local_words(found.due, found.calendar),
        "last_update_at": None if found.first else stamp(found.last),
        "promised_by": found.source,
        **asked_for(case, found.due),
    }


def customer_name(case: Case) -> str:
    """The customer in a sentence."""
    customer = case.head.spec.customer
    return (customer.name or customer.contact or "the customer") if customer is not None else "the customer"


def overdue(
    case: Case, found: Cadence, about: Mapping[str, Any], level: int, answer_by: datetime, after: str | None
) -> dict[str, Any]:
    """A reminder of an update that is overdue, to the liaison [SLA-14]; `about`: how it was asked for."""
    return {
        "level": level,
        "answer_by": stamp(answer_by),
        "then_asked": after,
        "text": f"the update for {customer_name(case)} is overdue since {local_words(found.due, found.calendar)}",
        "about": about,
    }


def silence(
    case: Case, found: Cadence, about: Mapping[str, Any], level: int, answer_by: datetime, after: str | None
) -> dict[str, Any]:
    """An escalation of an update that is overdue [SLA-14, EXE-20]; `about`: how it was asked for."""
    return {
        "level": level,
        "answer_by": stamp(answer_by),
        "then_asked": after,
        "what": f"{customer_name(case)} has heard nothing since {local_words(found.last, found.calendar)}; "
        f"the update was due {local_words(found.due, found.calendar)}",
        "since": stamp(found.due),
        "impact": {"waiting": []},
        "tried": [{"asked": case.head.liaison}],
        "decision_needed": "who tells the customer how things stand, now",
        "options": [{"type": "customer_update", "means": "the update itself, with its five contents"}],
        "about": about,
    }


# --- before it is late -----------------------------------------------------------------------------------------------


def proactive(case: Case, clock: Clock, facts: Mapping[str, Any], workaround: str | None) -> dict[str, Any]:
    """It will be late: why, the revised time, and what the customer can do meanwhile [SLA-9]."""
    assert clock.due is not None
    return {
        "text": f"{subject_words(case, clock.task)} will not be resolved by "
        f"{local_words(clock.due, clock.calendar)}; tell {customer_name(case)} before it is late",
        **clock_facts(case, clock),
        "why": Rendered(cause_of, ("resolution", clock.task)),
        "because": facts["because"],
        "revised_at": facts["revised"],
        "revised_before": facts.get("before"),
        "workaround": workaround or "none known yet",
        **asked_for(case, clock.due),
    }


def expedite(case: Case, clock: Clock, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What an internal escalation to expedite says [SLA-9, EXE-20]."""
    task = case.tasks.get(clock.task) if clock.task is not None else None
    due = stamp(clock.due) if clock.due is not None else None
    return {
        "what": f"{subject_words(case, clock.task)} will miss its limit {due}: {facts['because']}",
        "since": facts["told_at"],
        "impact": {"waiting": sorted(case.dependants.get(task.id, ())) if task is not None else []},
        "tried": [],
        "decision_needed": "how it is brought to its end sooner, or who agrees more time with the customer",
        "options": [
            {"type": "reassign", "means": "another agent"},
            {"type": "sla_extension", "means": "a new limit, approved by the customer"},
            {"type": "acknowledgement", "means": "you have it in hand"},
        ],
        "about": {"revised_at": facts["revised"], "due": due},
    }


def workaround_request(case: Case, task: Task | None) -> dict[str, Any]:
    """What can the customer do until it is resolved [SLA-9]."""
    task_line = f'task_id: "{task.id}"\n' if task is not None else ""
    reply = f'type: answer\nfrom: <you>\ninstruction_id: "{case.id}"\n{task_line}workaround: …\n'
    return {
        "text": f"{subject_words(case, task.id if task else None)} will be late: what can {customer_name(case)} do "
        "until it is resolved? The answer is offered to the customer",
        "reply_with": reply,
    }


def quarter(found: Cadence) -> timedelta:
    """A quarter of the interval from the last update to the overdue mark [SLA-14]."""
    return (found.due - found.last) / 4
