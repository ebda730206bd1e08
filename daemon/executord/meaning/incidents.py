"""What lines mean for an incident: opened, somebody asked, an entry of its timeline, resolved, closed [INC-1 … INC-7].

Counterparts: `fold.py` and `messages/incident.py`, which call these; `rules/incident.py`, which makes the lines. The
record of a timeline is the journal's lines: each carries its entry with the hash of the one before; nothing else is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from executord.case import Owed
from executord.case.casebook import Case
from executord.case.warroom import NO_HASH, PAPERS, Incident, Paper, Role, Said
from executord.evolve import replace
from executord.meaning.asking import answered
from executord.policy import Policy
from executord.values import read_stamp, safe_id, stamp

Entry = Mapping[str, Any]
PAPERS_WITHIN = timedelta(hours=48)
_BY_PRIORITY = {"critical": 1, "high": 2, "medium": 3, "low": 4}
_SHOWN = 300


def current(case: Case) -> Incident | None:
    """The incident that is not closed yet; an instruction has one at a time [INC-7]."""
    last = case.head.incidents[-1] if case.head.incidents else None
    return last if last is not None and last.status != "closed" else None


def of(case: Case, incident_id: str) -> Incident | None:
    """The incident of this id."""
    return next((i for i in case.head.incidents if i.id == incident_id), None)


def put(case: Case, incident: Incident) -> None:
    """Put an incident's new value."""
    rest = [incident if i.k == incident.k else i for i in case.head.incidents]
    if all(i.k != incident.k for i in case.head.incidents):
        rest.append(incident)
    case.set_head(replace(case.head, incidents=tuple(rest)))


# --- the chain --------------------------------------------------------------------------------------------------------


def digest(entry: Mapping[str, Any]) -> str:
    """sha256 of an entry's canonical JSON without `hash`: keys sorted, no spaces, UTF-8 [CON-15]."""
    rest = {k: v for k, v in entry.items() if k != "hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def shown(said: Said) -> dict[str, Any]:
    """An entry as the timeline shows it."""
    return {
        "n": said.n,
        "at": stamp(said.at),
        "who": said.who,
        "what": said.what,
        "kind": said.kind,
        "event": said.event,
        "prev": said.prev,
        "hash": said.hash,
    }


def said(
    case: Case,
    policy: Policy,
    noted_at: datetime,
    who: str,
    what: str,
    kind: str,
    at: datetime | None,
    opens: str | None,
) -> dict[str, Any]:
    """The next entry of the timeline, for the line that is being noted; `opens`: the incident that it opens."""
    incident = current(case) if opens is None else None
    known = incident.timeline if incident is not None else ()
    row: dict[str, Any] = {
        "n": len(known) + 1,
        "at": stamp(at or noted_at),
        "who": who,
        "what": " ".join(what.split())[:_SHOWN],
        "kind": kind,
        "event": case.n + 1,
        "prev": known[-1].hash if known else NO_HASH,
    }
    return {"id": incident.id if incident is not None else opens, **row, "hash": digest(row)}


def enter(case: Case, entry: Entry) -> None:
    """A line that carries an entry: it is in the timeline from now on."""
    row = entry["facts"]["incident"]
    incident = of(case, row["id"])
    if incident is None:
        return
    one = Said(
        row["n"], read_stamp(row["at"]), row["who"], row["what"], row["kind"], row["event"], row["prev"], row["hash"]
    )
    put(case, replace(incident, timeline=(*incident.timeline, one)))


# --- opening ----------------------------------------------------------------------------------------------------------


def next_id(case: Case, given: str | None = None) -> str:
    """The next incident's id: what the message names, else `inc-{instruction}-{k}`."""
    if given and safe_id(given) and of(case, given) is None:
        return given
    return f"inc-{case.id}-{len(case.head.incidents) + 1}"


def severity_for(case: Case, said_severity: int | None, priority: str | None = None) -> int:
    """The severity: the message's, the instruction's, else by priority."""
    if said_severity is not None:
        return said_severity
    if case.head.spec.severity is not None:
        return case.head.spec.severity
    return _BY_PRIORITY[priority or case.head.priority_now]


def open_facts(
    case: Case, severity: int, reason: str, customers: tuple[str, ...], given: str | None = None
) -> dict[str, Any]:
    """What the line that opens an incident keeps of it."""
    head = case.head
    stakeholders = _names(head.spec.data.get("stakeholders")) or _names(
        head.plan.data.get("stakeholders") if head.plan else None
    )
    mine = (head.spec.customer.name,) if head.spec.customer is not None and head.spec.customer.name else ()
    inner = head.spec.data.get("incident")
    experts = _names(head.plan.data.get("experts") if head.plan else None)
    if isinstance(inner, Mapping):
        experts = experts or _names(inner.get("experts"))
        customers = customers or _names(inner.get("customers"))
    return {
        "opens_incident": next_id(case, given),
        "severity": severity,
        "reason": reason[:_SHOWN] or None,
        "customers": list(dict.fromkeys((*mine, *customers)))[:50] or None,
        "stakeholders": list(stakeholders)[:50] or None,
        "experts": list(experts)[:10] or None,
    }


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple):
        return tuple(str(v).strip() for v in value if not isinstance(v, Mapping | list | tuple) and str(v).strip())
    return ()


def begin(case: Case, facts: Mapping[str, Any], at: datetime, by: str) -> None:
    """An incident is open from this instant."""
    put(
        case,
        Incident(
            k=len(case.head.incidents) + 1,
            id=facts["opens_incident"],
            severity=facts["severity"],
            opened_at=at,
            opened_by=by,
            reason=facts.get("reason") or "",
            stakeholders=tuple(facts.get("stakeholders", ())),
            customers=tuple(facts.get("customers", ())),
            experts={name: Role(name, at) for name in facts.get("experts", ())},
            updated_at=at,
        ),
    )


def opened(case: Case, entry: Entry, at: datetime) -> None:
    """A rule opened an incident, or closed it."""
    facts = entry.get("facts") or {}
    if "opens_incident" in facts:
        begin(case, facts, read_stamp(entry["due"]), "executord")
    elif "closes_incident" in facts:
        incident = of(case, facts["closes_incident"])
        if incident is not None:
            close(case, incident)


def over(incident: Incident) -> bool:
    """Whether nothing is missing any more, and only the line that says so is."""
    return incident.status == "resolved" and not outstanding(incident)


def close(case: Case, incident: Incident) -> None:
    """It is closed, from when it was resolved and both papers were in."""
    papers = (incident.retrospective, incident.prevention_plan)
    ends = (incident.resolved_at, *(p.received_at for p in papers if p is not None))
    put(case, replace(incident, status="closed", closed_at=max(filter(None, ends))))


# --- while it is open -------------------------------------------------------------------------------------------------


def asked(case: Case, entry: Entry, at: datetime) -> None:
    """Somebody was asked to take a role: he has it until another one is asked."""
    facts = entry["facts"]
    if entry["action"] != "send" or facts.get("rung") == "reminder":
        return
    _, role, incident_id = facts["ask"].split(" ", 2)
    incident = of(case, incident_id)
    if incident is None:
        return
    new = Role(entry["to"], at)
    known = incident.asked_for(role)
    incident = replace(incident, asked={**incident.asked, role: {**known, entry["to"]: known.get(entry["to"], at)}})
    if role.startswith("expert:"):
        put(case, replace(incident, experts={**incident.experts, role.removeprefix("expert:"): new}))
        return
    put(case, replace(incident, roles={**incident.roles, role: new}))


def role_taken(case: Case, subject: str, by: str, at: datetime) -> None:
    """Somebody has acknowledged a role."""
    if not subject.startswith("role "):
        return
    _, role, incident_id = subject.split(" ", 2)
    incident = of(case, incident_id)
    if incident is None:
        return
    new = Role(by, incident.asked_for(role).get(by, at), at)
    if role.startswith("expert:"):
        put(case, replace(incident, experts={**incident.experts, role.removeprefix("expert:"): new}))
    else:
        put(case, replace(incident, roles={**incident.roles, role: new}))


def raised(case: Case, incident: Incident, severity: int | None, at: datetime) -> None:
    """A further `incident` message: it may raise the severity, and one that was resolved is open again [INC-7]."""
    higher = min(incident.severity, severity) if severity is not None else incident.severity
    if incident.status == "resolved":
        answered(case, None, papers_subject(incident))
        incident = replace(incident, status="open", resolved_at=None, resolved_by=None, updated_at=at, reopened_at=at)
    if higher != incident.severity:
        incident = replace(incident, severity=higher, faster_since=at)
    put(case, incident)


def updated(case: Case, incident: Incident, at: datetime) -> None:
    """The stakeholders were told: their cadence counts from now."""
    answered(case, None, f"stakeholders {incident.id} #{incident.updates + 1}")
    last = max(filter(None, (incident.updated_at, at)))
    put(case, replace(incident, updated_at=last, updates=incident.updates + 1))


def resolved(case: Case, incident: Incident, at: datetime, by: str) -> None:
    """It is over: its clocks end, and its papers are due [INC-6]."""
    for ask in list(case.head.asks):
        if ask.about in ("role", "stakeholders") and incident.id in ask.subject.split(" "):
            answered(case, None, ask.subject)
    due = at + PAPERS_WITHIN
    put(
        case,
        replace(
            incident, status="resolved", resolved_at=at, resolved_by=by, resolutions=incident.resolutions + 1,
            retrospective=_owed(incident.retrospective, due), prevention_plan=_owed(incident.prevention_plan, due),
        ),
    )  # fmt: skip


def _owed(paper: Paper | None, due: datetime) -> Paper:
    """One that is in stays in; either is due after this end, not after a former one, nor when the other one came."""
    return replace(paper or Paper(due), due=due)


def papers_in(case: Case, incident: Incident, facts: Mapping[str, Any], at: datetime, letter: str, by: str) -> None:
    """The retrospective, the prevention plan: named by a path, or owed a file of ours where they came as text."""
    for name in PAPERS:
        given = facts.get(name)
        if not given:
            continue
        old: Paper | None = getattr(incident, name)
        prefix = "incident" if incident.k == 1 else f"incident-{incident.k}"
        path = given if given != "text" else f"outputs/partial/{prefix}.{name}.yaml"
        times = old.times + 1 if old is not None else 1
        paper = Paper(old.due if old is not None else at, at, path, times)
        if name == "retrospective":
            incident = replace(incident, retrospective=paper)
        else:
            incident = replace(incident, prevention_plan=paper)
        put(case, incident)
        if given == "text":
            owed = Owed(
                f"paper {name} {incident.id} #{times}",
                "paper",
                at,
                {"letter": letter, "name": name, "path": path, "by": by},
            )
            # One that is not written yet is not written any more: the path names the last one.
            rest = (o for o in case.head.owed if o.kind != "paper" or o.facts["path"] != path)
            case.set_head(replace(case.head, owed=(*rest, owed)))
    if incident.retrospective is not None and incident.prevention_plan is not None and outstanding(incident) == []:
        answered(case, None, papers_subject(incident))


def papers_subject(incident: Incident) -> str:
    """Under what name the papers are asked for."""
    return f"retrospective {incident.id} #{incident.resolutions}"


def outstanding(incident: Incident) -> list[str]:
    """The papers that are not in."""
    found = []
    for name in PAPERS:
        paper: Paper | None = getattr(incident, name)
        if paper is None or paper.received_at is None:
            found.append(name)
    return found
