"""The war room: opened, its team called together, everybody told at the severity's pace, the papers afterwards.

Rules INC-1 to INC-7. Counterparts: `meaning/incidents.py`, what these lines mean; `messages/incident.py`, what the team
says; `asks.py`, the ladder on which every role, update and paper is asked for. `witness` and `copied` are asked of
every line while an incident is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from executord.actions import THIS_ID, File, Record, Rendered, Send
from executord.agenda import Due
from executord.case import Ask, Breach, Task
from executord.case.casebook import Case
from executord.case.warroom import CADENCE_S, CUSTOMER_S, ROLES, Incident, Said
from executord.evolve import replace
from executord.meaning.incidents import (
    current,
    open_facts,
    outstanding,
    over,
    papers_subject,
    said,
    severity_for,
    shown,
)
from executord.policy import Policy
from executord.promises.answers import reaction
from executord.promises.terms import of_priority
from executord.reading.fields import MARKS, truth
from executord.rules.asking import Asking, managers, priority_of
from executord.rules.delivery import demand
from executord.values import severity as read_severity
from executord.values import stamp

ORDER = 65
COMMANDER = "escalation-manager"
VP = "vp-customer-support"
ASK_AT = 0.8
#: Role → who is in line for it, after the first.
NEXT: Mapping[str, tuple[str, ...]] = {
    "commander": (COMMANDER, VP, "support-manager"),
    "technical_lead": ("technical-support-engineer", "engineering", COMMANDER),
    "scribe": ("support-analyst", "support-quality-analyst", "support-operations-manager"),
    "customer_liaison": ("customer-success-manager", "customer-advocacy-manager", "account-manager"),
}
_DOES: Mapping[str, str] = {
    "commander": "you lead: you decide, you say who does what, you tell the stakeholders at the cadence",
    "technical_lead": "you find the cause and bring the repair; say what you do with incident_action",
    "scribe": "you keep the record: what is tried, what comes out, with incident_action",
    "customer_liaison": "you tell the customer, hourly at least, with customer_update",
    "expert": "you are asked for what you know: stay in reach of the technical lead",
}


def lines(case: Case, policy: Policy) -> Iterator[Due]:
    """What an incident makes the daemon do."""
    head = case.head
    if head.opened_at is None or not head.ours or head.parked is not None:
        return
    for earlier in head.incidents[:-1]:
        yield from _resolved(case, policy, earlier)
    incident = current(case)
    if incident is None:
        if head.closed is None:
            yield from _opens(case, policy)
        return
    if incident.status == "open":
        yield from _told(case, incident)
        yield from _team(case, incident)
        yield from _stakeholders(case, incident)
    else:
        yield from _resolved(case, policy, incident)


# --- opening ----------------------------------------------------------------------------------------------------------


def _opens(case: Case, policy: Policy) -> Iterator[Due]:
    """By the instruction's mark, or because a response limit of something critical was breached."""
    head = case.head
    k = len(head.incidents) + 1
    critical = head.priority_now == "critical"
    assert head.opened_at is not None  # asked of opened cases only
    if not head.incidents and marked(case) and (head.tier == 4 or critical):
        why = "the instruction is marked as an incident, and is " + ("critical" if critical else "tier 4")
        # The mark, or the tier, may have come with a later edit of the file that holds it.
        at = max(filter(None, (_critical_since(case), case.instruction_mtime, case.plan_seen, head.opened_at)))
        yield _open(case, at, k, severity_for(case, _severity(case)), why)
        return
    since = head.incidents[-1].closed_at if head.incidents else None
    breaches: list[tuple[Breach, Task | None]] = [(b, None) for b in head.breaches]
    breaches += [(b, t) for t in (case.tasks[i] for i in sorted(case.breached)) for b in t.breaches]
    for breach, task in sorted(breaches, key=lambda each: each[0].detected_at):
        if priority_of(case, task) != "critical" or not breach.clock.startswith("response"):
            continue
        if since is None or breach.detected_at > since:
            who = task.id if task is not None else case.id
            why = f"critical, and the response limit of {who} was breached at {stamp(breach.due)}"
            at = max(breach.detected_at, _critical_since(case, task))  # both must be so; nothing is owed from before
            yield _open(case, at, k, severity_for(case, None, "critical"), why)
            return


def marked(case: Case) -> bool:
    """Whether the instruction says of itself that it is an incident [INC-1]."""
    head = case.head
    data = head.spec.data
    given = data.get("incident")
    if isinstance(given, Mapping) or truth(given):
        return True
    words = [
        data.get("type"),
        head.spec.deliverable_type,
        head.plan.deliverable_type if head.plan is not None else None,
    ]
    return any(str(word).strip().lower() in MARKS for word in words if word is not None)


def _severity(case: Case) -> int | None:
    given = case.head.spec.data.get("incident")
    if isinstance(given, Mapping):
        return read_severity(given.get("severity")) if given.get("severity") is not None else None
    return None


def _critical_since(case: Case, task: Task | None = None) -> datetime:
    """When the instruction or the task became critical by a message or an edit; else when the case was opened."""
    head = case.head
    assert head.opened_at is not None
    changes = of_priority(task.repriced if task is not None else ()) or of_priority(head.repriced)
    return max((r.at for r in changes), default=head.opened_at)


def _open(case: Case, at: datetime, k: int, severity: int, why: str) -> Due:
    facts = open_facts(case, severity, why, ())
    name = f"incident {facts['opens_incident']} opened"
    return Due(at, name, "INC-1", Record(), why=why, facts=facts, order=ORDER)


# --- told -------------------------------------------------------------------------------------------------------------


def _told(case: Case, incident: Incident) -> Iterator[Due]:
    """Those who must know; the war room gets its copy."""
    names = ["support-manager", *([VP] if incident.severity == 1 else [])]
    for agent in names:
        name = f"incident {incident.id} told {agent}"
        if name not in case.head.done:
            yield Due(
                incident.opened_at, name, "INC-2", Send(agent, "incident_opened", _opened(case, incident)),
                why=incident.reason or f"severity {incident.severity}", order=ORDER,
            )  # fmt: skip


def _opened(case: Case, incident: Incident) -> dict[str, Any]:
    return {
        "incident_id": incident.id,
        "severity": incident.severity,
        "title": case.head.title,
        "reason": incident.reason or None,
        "opened_at": stamp(incident.opened_at),
        "opened_by": incident.opened_by,
        "customers": list(incident.customers),
        "stakeholders": list(incident.stakeholders),
        "channel": f"_communication/inbox/{incident.channel}/",
        "facts": f"{case.id}/{view_path(incident)}",
        "reply_with": f'type: incident_action\nfrom: <you>\ninstruction_id: "{case.id}"\nincident_id: {incident.id}\n'
        "action: what you do, or did\n",
    }


def view_path(incident: Incident) -> str:
    """Where the incident is shown, from the case's folder."""
    return "outputs/partial/incident.yaml" if incident.k == 1 else f"outputs/partial/incident-{incident.k}.yaml"


# --- the team ---------------------------------------------------------------------------------------------------------


def _team(case: Case, incident: Incident) -> Iterator[Due]:
    """Each role is asked for once; who does not acknowledge is passed by [INC-3]."""
    for role in ROLES:
        if role not in incident.roles:
            yield _role(case, incident, role, line_of(case, incident, role))
    for name, expert in incident.experts.items():
        subject = f"role expert:{name} {incident.id}"
        if expert.agent == name and f"ask {subject}" not in case.head.done:
            yield _role(case, incident, f"expert:{name}", (name, *managers_of(name)))


def managers_of(name: str) -> tuple[str, ...]:
    """Who is asked where an expert is not there."""
    return ("technical-support-engineer",) if name != "technical-support-engineer" else (COMMANDER,)


def line_of(case: Case, incident: Incident, role: str) -> tuple[str, ...]:
    """Who is in line for a role."""
    line = NEXT[role]
    if role == "commander":
        several = incident.severity == 1 and len(incident.customers) > 1
        if several or COMMANDER in case.commanding:
            line = (VP, COMMANDER, "support-manager")
    if role == "customer_liaison" and case.head.spec.liaison:
        line = (case.head.spec.liaison, *line)
    return tuple(dict.fromkeys((*line, "hitl")))


def _role(case: Case, incident: Incident, role: str, chain: tuple[str, ...]) -> Due:
    subject = f"role {role} {incident.id}"
    why = f"{role.replace('_', ' ').replace(':', ' ')} of {incident.id}, severity {incident.severity}"
    opens = {
        "to": chain[0],
        "why": why,
        "role": role,
        "incident": incident.id,
        "chain": list(chain),
        "severity": incident.severity,
    }
    return Due(
        incident.opened_at, f"ask {subject}", "INC-3", Send(chain[0], "incident_role"), why=why,
        facts={"ask": subject, "level": 1, "for": chain[0], "opens": opens, "lasts": True, "by_ack": True}, order=ORDER,
        ask=subject,
    )  # fmt: skip


def _role_body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    incident = _of(case, ask)
    role = str(ask.facts["role"])
    return {
        "incident_id": incident.id,
        "severity": incident.severity,
        "role": role,
        "title": case.head.title,
        "reason": incident.reason or None,
        "you": _DOES[role.split(":")[0]],
        "customers": list(incident.customers),
        "channel": f"_communication/inbox/{incident.channel}/",
        "facts": f"{case.id}/{view_path(incident)}",
        "reply_to": "_communication/inbox/executor/",
        "reply_with": f'type: acknowledgement\nfrom: <you>\ninstruction_id: "{case.id}"\nin_reply_to: {THIS_ID}\n',
    }


def _of(case: Case, ask: Ask) -> Incident:
    return next(i for i in case.head.incidents if i.id == ask.facts["incident"])


def _in_line(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    return tuple(ask.facts["chain"])


def _soon(case: Case, task: Task | None, ask: Ask, policy: Policy, start: datetime) -> tuple[datetime, datetime]:
    """No acknowledgement in 15 minutes, Sev 1 in 5: the next in line."""
    at = start + timedelta(minutes=5 if _of(case, ask).severity == 1 else 15)
    return at, at


def _is_open(case: Case, task: Task | None, ask: Ask) -> bool:
    return _of(case, ask).status == "open"


ROLE = Asking("INC-3", "incident_role", _role_body, _in_line, _soon, climbs="incident_role", stands=_is_open)


# --- stakeholders -----------------------------------------------------------------------------------------------------


def _stakeholders(case: Case, incident: Incident) -> Iterator[Due]:
    """At four fifths of the cadence the commander is asked to tell them [INC-4]."""
    subject = f"stakeholders {incident.id} #{incident.updates + 1}"
    if case.ask_of(None, subject) is not None or f"ask {subject}" in case.head.done or incident.updated_at is None:
        return
    if "commander" not in incident.roles:
        return
    to = incident.commander
    chain = list(dict.fromkeys((to, VP, "hitl")))
    every = timedelta(seconds=CADENCE_S[incident.severity])
    at = _paced_from(incident) + every * ASK_AT
    why = f"the stakeholders of {incident.id} are told by {stamp(_paced_from(incident) + every)}"
    opens = {"to": to, "why": why, "incident": incident.id, "chain": chain, "last": stamp(incident.updated_at)}
    yield Due(
        at, f"ask {subject}", "INC-4", Send(to, "stakeholder_update_request"), why=why,
        facts={"ask": subject, "level": 1, "for": to, "opens": opens, "lasts": True}, order=ORDER, ask=subject,
        until=_pace(incident, 1)[1] if to != "hitl" else None,  # nobody is above him: he is told, however late
    )  # fmt: skip


def _paced_from(incident: Incident) -> datetime:
    """From when the cadence counts: the last update; where a higher severity made the next one due, it is asked for at
    once and not overdue before it was."""
    last = incident.updated_at or incident.opened_at
    if incident.faster_since is None:
        return last
    return max(last, incident.faster_since - timedelta(seconds=CADENCE_S[incident.severity] * ASK_AT))


def _pace(incident: Incident, level: int) -> tuple[datetime, datetime]:
    """The instants of the reminder (overdue) and of the next level: a quarter of the cadence later, each."""
    every = timedelta(seconds=CADENCE_S[incident.severity])
    last = _paced_from(incident)
    climb = last + every * (1 + 0.25 * level)
    return (last + every if level == 1 else climb), climb


def _at_pace(case: Case, task: Task | None, ask: Ask, policy: Policy, start: datetime) -> tuple[datetime, datetime]:
    incident = _of(case, ask)
    remind, climb = _pace(incident, 1)
    if ask.level < 2:
        if start >= remind:  # asked when it was overdue, after downtime: he has as long for it as anybody
            every = timedelta(seconds=CADENCE_S[incident.severity])
            remind = start + every * (1 - ASK_AT)
            climb = remind + every / 4
        return remind, climb
    quarter = start + timedelta(seconds=CADENCE_S[incident.severity] / 4)
    return quarter, quarter


def _pace_body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    incident = _of(case, ask)
    every = timedelta(seconds=CADENCE_S[incident.severity])
    last = incident.updated_at or incident.opened_at
    body: dict[str, Any] = {
        "incident_id": incident.id,
        "severity": incident.severity,
        "stakeholders": list(incident.stakeholders),
        "last_update": stamp(last),
        "overdue_at": stamp(_paced_from(incident) + every),
        "facts": f"{case.id}/{view_path(incident)}",
        "reply_to": "_communication/inbox/executor/",
        "reply_with": f'type: incident_update\nfrom: <you>\ninstruction_id: "{case.id}"\nincident_id: {incident.id}\n'
        "status: what is known, what is done, when you will say more\n",
    }
    if ask.level == 0:
        return body
    options = [{"type": "incident_update", "means": "the update, by you or by whom you send"}]
    what = f"the stakeholders of {incident.id} were not told since {stamp(last)}"
    return {**demand(case, ask, policy, what, "who tells them", options), "about": body}


PACE = Asking("INC-4", "stakeholder_update_request", _pace_body, _in_line, _at_pace, stands=_is_open)


# --- afterwards -------------------------------------------------------------------------------------------------------


def _resolved(case: Case, policy: Policy, incident: Incident) -> Iterator[Due]:
    """All told; the papers asked of the commander; closed when both are in [INC-6]."""
    at = incident.resolved_at
    assert at is not None  # it is resolved
    left = outstanding(incident)
    named = sorted(incident.team | {"support-manager"} | ({VP} if incident.severity == 1 else set()))
    for agent in named:
        name = f"incident {incident.id} over #{incident.resolutions} {agent}"
        if name not in case.head.done:
            body = {**_closed(case, incident), "status": "resolved"}
            yield Due(
                at,
                name,
                "INC-6",
                Send(agent, "incident_closed", body),
                why=f"resolved by {incident.resolved_by}",
                order=ORDER,
            )
    subject = papers_subject(incident)
    if left:
        if case.ask_of(None, subject) is None and f"ask {subject}" not in case.head.done:
            to = incident.commander
            why = f"{' and '.join(left).replace('_', ' ')} of {incident.id}, by {stamp(due_of(incident))}"
            opens = {"to": to, "why": why, "incident": incident.id}
            _, climb = reaction(policy, case.head, priority_of(case, None), due_of(incident))
            yield Due(
                at, f"ask {subject}", "INC-6", Send(to, "retrospective_request"), why=why,
                facts={"ask": subject, "level": 1, "for": to, "opens": opens, "lasts": True}, order=ORDER, ask=subject,
                until=climb if to != "hitl" else None,
            )  # fmt: skip
        return
    if any(owed.kind == "paper" for owed in case.head.owed):
        return
    papers = (incident.retrospective, incident.prevention_plan)
    ends = (at, *(p.received_at for p in papers if p is not None and p.received_at))
    name = f"incident {incident.id} closed"
    if name not in case.head.done:
        body = {**_closed(case, incident), "status": "closed"}
        yield Due(
            max(ends), name, "INC-6", Send(incident.channel, "incident_closed", body),
            why="retrospective and prevention plan are in",
            facts={"closes_incident": incident.id}, order=ORDER + 1,
        )  # fmt: skip


def due_of(incident: Incident) -> datetime:
    """When the papers are due."""
    paper = incident.retrospective
    assert paper is not None  # it is resolved
    return paper.due


def _closed(case: Case, incident: Incident) -> dict[str, Any]:
    return {
        "incident_id": incident.id,
        "severity": incident.severity,
        "title": case.head.title,
        "opened_at": stamp(incident.opened_at),
        "resolved_at": stamp(incident.resolved_at) if incident.resolved_at else None,
        "resolved_by": incident.resolved_by,
        "outstanding": outstanding(incident),
        "facts": f"{case.id}/{view_path(incident)}",
    }


def _papers_body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    incident = _of(case, ask)
    body: dict[str, Any] = {
        "incident_id": incident.id,
        "severity": incident.severity,
        "due": stamp(due_of(incident)),
        "outstanding": outstanding(incident),
        "questions": ["what happened", "why", "what went well", "what did not", "what keeps it from coming back"],
        "facts": facts_of(case, incident),
        "prevention_plan": "measures, each with an owner and a date",
        "reply_to": "_communication/inbox/executor/",
        "reply_with": f'type: incident_update\nfrom: <you>\ninstruction_id: "{case.id}"\nincident_id: {incident.id}\n'
        "retrospective: |\n  what happened, and why\nprevention_plan:\n  - {measure: …, owner: …, date: …}\n",
    }
    if ask.level == 0:
        return body
    options = [{"type": "incident_update", "means": "retrospective and prevention_plan, by you or by whom you send"}]
    missing = " and ".join(outstanding(incident)).replace("_", " ")
    what = f"{missing} of {incident.id} were due at {stamp(due_of(incident))}"
    return {**demand(case, ask, policy, what, "who writes them", options), "about": body}


def facts_of(case: Case, incident: Incident) -> dict[str, Any]:
    """What is known of an incident, laid out: times, timeline, what was tried [INC-6]."""
    end = incident.resolved_at
    created = case.head.created
    answered = [r.acknowledged_at for r in incident.roles.values() if r.acknowledged_at is not None]
    first = min(answered, default=None)

    def span(start: datetime | None, stop: datetime | None) -> int | None:
        return max(int((stop - start).total_seconds()), 0) if start is not None and stop is not None else None

    return {
        "timeline": [_entry(each) for each in incident.timeline],
        "duration_s": span(incident.opened_at, end),
        "customers": list(incident.customers),
        "detection_s": span(created, incident.opened_at),
        "response_s": span(incident.opened_at, first),
        "resolution_s": span(incident.opened_at, end),
        "tried": [each.what for each in incident.timeline if each.kind == "incident_action"],
        "updates": incident.updates,
    }


def _entry(each: Said) -> dict[str, Any]:
    return {"at": stamp(each.at), "who": each.who, "what": each.what, "kind": each.kind}


def _late_papers(case: Case, task: Task | None, ask: Ask, policy: Policy, start: datetime) -> tuple[datetime, datetime]:
    """Due after 48 hours; then followed up as anything: one level up at the priority's response limit."""
    remind, climb = reaction(policy, case.head, priority_of(case, task), start)
    if ask.level > 1:
        return remind, climb
    due = due_of(_of(case, ask))
    return due, reaction(policy, case.head, priority_of(case, task), due)[1]


def _papers_chain(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    return managers(policy, str(ask.facts["to"]))


def _papers_missing(case: Case, task: Task | None, ask: Ask) -> bool:
    incident = _of(case, ask)
    return incident.status == "resolved" and bool(outstanding(incident))


PAPERS = Asking("INC-6", "retrospective_request", _papers_body, _papers_chain, _late_papers, stands=_papers_missing)


# --- every line while it is open --------------------------------------------------------------------------------------

_QUIET = frozenset({"progress", "status", "mute", "unmute"})


def witness(case: Case, line: Due) -> Due:
    """The line with its entry for the timeline, if an incident is open or it opens one [INC-5]."""
    action, facts = line.action, line.facts
    opens = facts.get("opens_incident")
    incident = current(case)
    if (incident is None and opens is None) or _of_an_earlier(incident, line):
        return line
    who, kind, what, at = "executord", line.name.split(" ", 1)[0], line.why or line.name, None
    match action:
        case File() if incident is not None and opens is None and over(incident):
            return line  # it came after the end, which is only not noted yet
        case File() if facts.get("outcome") == "taken" and facts.get("type") not in _QUIET:
            who, kind = str(facts.get("from")), str(facts.get("type"))
            what = str(facts.get("said") or facts.get("summary") or facts.get("reason") or line.why)
        case Send(to=to, kind=sent):
            kind, what = sent, f"→ {to}: {line.why or line.name}"
        case Record() | None if kind in ("incident", "breach", "unanswered"):
            pass
        case _:
            return line
    if incident is not None and incident.status == "closed":
        return line
    entry = Rendered(said, (who, what, kind, at, opens))
    return replace(line, facts={**facts, "incident": entry})


def _of_an_earlier(incident: Incident | None, line: Due) -> bool:
    """Whether it speaks of the end of an incident before this one: that is none of its timeline."""
    said_of = line.name.split(" ")
    return incident is not None and said_of[0] == "incident" and said_of[1] != incident.id


def copied(case: Case, line: Due, name: str) -> Due | None:
    """The copy of a message for the war room, under the message's own name [INC-2, CON-4]."""
    incident = current(case)
    action = line.action
    if incident is None or not isinstance(action, Send) or action.to == incident.channel:
        return None
    if _of_an_earlier(incident, line):
        return None
    return Due(
        line.at, f"copy {line.name}", "INC-2", Send(incident.channel, action.kind, action.body, name), line.task,
        line.attempt, why=f"a copy of what went to {action.to}", order=line.order,
    )  # fmt: skip


def view(case: Case, incident: Incident) -> dict[str, Any]:
    """`outputs/partial/incident.yaml` [CON-15]: a view of the journal's lines, without now."""
    every = CADENCE_S[incident.severity]
    is_open = incident.status == "open"
    last = _paced_from(incident)
    counted = case.head.counted
    told = counted.counts_at if counted is not None and counted.counts_at is not None else incident.opened_at

    def role(name: str) -> dict[str, Any]:
        found = incident.roles.get(name)
        return _role_row(found)

    return {
        "schema_version": 1,
        "incident_id": incident.id,
        "instruction_id": case.id,
        "severity": incident.severity,
        "status": incident.status,
        "opened_at": stamp(incident.opened_at),
        "opened_by": incident.opened_by,
        "resolved_at": stamp(incident.resolved_at) if incident.resolved_at else None,
        "closed_at": stamp(incident.closed_at) if incident.closed_at else None,
        "channel": f"_communication/inbox/{incident.channel}/",
        "roles": {
            **{name: role(name) for name in ROLES},
            "experts": [{"name": name, **_role_row(r)} for name, r in incident.experts.items()],
        },
        "stakeholders": list(incident.stakeholders),
        "cadence": {
            "stakeholders_s": every,
            "customer_s": CUSTOMER_S if incident.customers or case.head.spec.customer is not None else None,
            "next_stakeholder": stamp(last + timedelta(seconds=every)) if is_open else None,
            "next_customer": stamp(max(told, incident.open_since) + timedelta(seconds=CUSTOMER_S))
            if is_open and case.head.spec.customer is not None else None,
        },
        "timeline": [shown(each) for each in incident.timeline],
        "retrospective": _paper(incident.retrospective),
        "prevention_plan": _paper(incident.prevention_plan),
        "generated_by": "executord",
        "generated_at": stamp(incident.timeline[-1].at if incident.timeline else incident.opened_at),
        "event": incident.timeline[-1].event if incident.timeline else None,
    }  # fmt: skip


def _role_row(found: Any) -> dict[str, Any]:
    return {
        "agent": found.agent if found is not None else None,
        "asked_at": stamp(found.asked_at) if found is not None else None,
        "acknowledged_at": stamp(found.acknowledged_at) if found is not None and found.acknowledged_at else None,
    }


def _paper(paper: Any) -> dict[str, Any]:
    return {
        "due": stamp(paper.due) if paper is not None else None,
        "received_at": stamp(paper.received_at) if paper is not None and paper.received_at else None,
        "path": paper.path if paper is not None else None,
    }
