"""The files of a hand-off: deliverable, completion report, resolution report, hand-off [CON-14, DEL-4]. Pure.

Counterparts: `standards.py`, the gate; `rules/closing.py`, which has them written one by one. Contents are embedded
from their files when the text is written, so nothing is made up and nothing passes through the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from executord.actions import Chronicle, Embed
from executord.case import Task
from executord.case.casebook import Case
from executord.case.products import OutputFile, Product, Source
from executord.case.standing import standing
from executord.meaning.blocking import open_blockers
from executord.meaning.incidents import outstanding as missing_papers
from executord.parcel import Part, concerns, counted, kind_of, nothing_to_execute, parts
from executord.policy import Policy
from executord.posts import done_attempt, result_path
from executord.promises import clocks_of
from executord.promises.timepiece import Clock
from executord.standards import gate, on_time
from executord.updates import UPDATE_CONTENTS
from executord.values import stamp

SUMMARY = "execution_summary.yaml"
REPORT = "resolution_report.yaml"
HANDOFF = "handoff.yaml"


def names(case: Case) -> list[str]:
    """The files of this case's hand-off, in the order in which they are written."""
    found = [] if nothing_to_execute(case) else [f"{kind_of(case).type}.yaml"]
    found.append(SUMMARY)
    if case.head.tier == 4:
        found.append(REPORT)
    return [*found, HANDOFF]


def file_row(file: OutputFile, kind: str | None = None) -> dict[str, Any]:
    """A file with size and hash, its path from the instruction's folder [DEL-3]."""
    row: dict[str, Any] = {"path": file.path, "size": file.size, "sha256": file.sha256}
    return row if kind is None else {**row, "kind": kind}


# --- the deliverable --------------------------------------------------------------------------------------------------


def deliverable(case: Case, policy: Policy) -> dict[str, Any]:
    """`outputs/final/{type}.yaml`, in the type's order."""
    product = case.head.delivery.product
    found = list(parts(case, product))
    customer = case.head.spec.customer
    return {
        "schema_version": 1,
        "deliverable_type": kind_of(case).type,
        "instruction_id": case.id,
        "title": case.head.title,
        "customer": {"name": customer.name, "segment": customer.segment, "contact": customer.contact}
        if customer
        else None,
        "components": {part.name: _content(case, part) for part in found},
        "provenance": {part.name: _provenance(part.source) for part in found if part.source is not None},
        "waived": [
            {"component": part.name, "by": part.by, "reason": part.why} for part in found if part.state == "waived"
        ],
        "conflicts": _conflicts(product),
        "concerns": concerns(case, product),
        "files": [file_row(f) for f in outputs(case)],
    }


def _content(case: Case, part: Part) -> Any:
    source = part.source
    if source is None:
        return {"not_applicable": part.why} if part.state == "waived" else None
    if source.source == "record":
        return _communication(case)
    if source.waived is not None:
        return {"not_applicable": source.waived}
    if source.files:
        rows = [file_row(f) for f in source.files]
        return rows[0] if len(rows) == 1 else {"files": rows}
    return Embed(f"{case.id}/{source.path}", keys=source.keys)


def _communication(case: Case) -> list[dict[str, Any]]:
    """What the customer was told, from the updates as they are recorded: nothing is made up [DEL-2]."""
    return [
        {
            "number": u.number,
            "sent_at": stamp(u.at),
            "by": u.by,
            **{c: Embed(f"{case.id}/{_update_path(u.number)}", c) for c in UPDATE_CONTENTS},
        }
        for u in counted(case)
    ]


def _update_path(number: int) -> str:
    return f"outputs/partial/update-{number:03}.yaml"


def _provenance(source: Source) -> dict[str, Any]:
    return {
        "source": source.source,
        "task": source.task,
        "agent": source.agent,
        "attempt": source.attempt,
        "at": stamp(source.at) if source.at else None,
        "path": source.path,
        "sha256": source.sha256,
    }


def _conflicts(product: Product | None) -> list[dict[str, Any]]:
    if product is None:
        return []
    found = []
    for other in product.others:
        kept = product.parts[other.component]
        found.append(
            {
                "component": other.component,
                "kept": {"task": kept.task, "path": kept.path, "sha256": kept.sha256},
                "other": {"task": other.task, "agent": other.agent, "source": other.source, "path": other.path,
                          "sha256": other.sha256},
            }
        )  # fmt: skip
    return found


def outputs(case: Case) -> list[OutputFile]:
    """Every file that the work left: what claims named, and what lies there besides; each once, by path."""
    found: dict[str, OutputFile] = {}
    product = case.head.delivery.product
    results = {result_path(t) for t in case.tasks.values()}
    for extra in product.extras if product is not None else ():
        if extra.path not in results:
            found[extra.path] = extra
    for task in case.in_order():
        done = done_attempt(task)
        if done is not None and task.ended is not None:
            for f in _claimed(task):
                found.setdefault(f.path, OutputFile(f.path, f.size, f.sha256, task.id, done.agent))
    return [found[path] for path in sorted(found)]


# --- the completion report --------------------------------------------------------------------------------------------


def summary(case: Case, policy: Policy) -> dict[str, Any]:
    """`outputs/final/execution_summary.yaml`: the completion report."""
    ended = [t.ended.state for t in case.tasks.values() if t.ended is not None]
    head, delivery = case.head, case.head.delivery
    ends = [t.ended.at for t in case.tasks.values() if t.ended is not None]
    start = head.created or head.opened_at
    return {
        "schema_version": 1,
        "instruction_id": case.id,
        "totals": {
            "planned": case.planned_total,
            "completed": ended.count("completed"),
            "deferred": ended.count("deferred"),
            "cancelled": ended.count("cancelled"),
            "attempts": sum(len(t.attempts) for t in case.tasks.values()),
            "reworks": sum(a.refusals for t in case.tasks.values() for a in t.attempts) + _sent_back(case),
        },
        "agents": _agents(case),
        "duration_s": seconds(max(ends) - start) if ends and start is not None else 0,
        "sla": clocks(case, policy),
        "updates": [
            {"number": u.number, "sent_at": stamp(u.at), "on_time": on_time(u)} for u in counted(case)
        ],
        "escalations": [{"at": stamp(e.at), "to": e.to, "task": e.task, "why": e.why} for e in delivery.escalations],
        "blockers": blockers(case),
        "deferred": [
            {"task": t.id, "state": t.ended.state, "by": t.ended.by, "reason": t.ended.reason}
            for t in case.in_order() if t.ended is not None and t.ended.state != "completed"
        ],
        "waived": [_waiver(w) for w in delivery.waivers],
        "concerns": concerns(case, delivery.product),
        "files": [file_row(f) for f in outputs(case)],
    }  # fmt: skip


def _sent_back(case: Case) -> int:
    return sum(len({i.task for i in v.issues if i.task is not None}) for v in case.head.delivery.verdicts)


def _waiver(waiver: Any) -> dict[str, Any]:
    return {
        "standard": waiver.standard,
        "component": waiver.component,
        "by": waiver.by,
        "reason": waiver.reason,
        "at": stamp(waiver.at),
    }


def seconds(span: timedelta) -> int:
    """Whole seconds, never less than none."""
    return max(int(span.total_seconds()), 0)


def _agents(case: Case) -> dict[str, dict[str, int]]:
    """Per agent: the tasks that are done by him, and the time that his attempts took."""
    found: dict[str, dict[str, int]] = {}
    for task in case.in_order():
        for attempt in task.attempts:
            row = found.setdefault(attempt.agent, {"tasks": 0, "time_s": 0})
            if attempt.closed_at is not None:
                row["time_s"] += seconds(attempt.closed_at - attempt.at)
        done = done_attempt(task)
        if done is not None and task.ended is not None and task.ended.state == "completed":
            found[done.agent]["tasks"] += 1
    return dict(sorted(found.items()))


def clocks(case: Case, policy: Policy) -> list[dict[str, Any]]:
    """The SLA results, those of former attempts and answered replies included [CON-8]."""
    return [clock_row(c) for c in clocks_of(case, policy, past=True)]


def clock_row(clock: Clock) -> dict[str, Any]:
    """A clock as it ended, without now."""
    return {
        "kind": clock.kind,
        "task": clock.task,
        "state": clock.state,
        "start": stamp(clock.start),
        "target": stamp(clock.target) if clock.target else None,
        "due": stamp(clock.due) if clock.due else None,
        "stopped": stamp(clock.stopped) if clock.stopped else None,
        "late_by_s": clock.late_by_s(None),
        "calendar": clock.calendar.name,
        "paused_because": clock.pausing.reason if clock.pausing is not None else None,
    }


def blockers(case: Case) -> list[dict[str, Any]]:
    """What stood in the way, and how long; None: it still does."""
    found: list[dict[str, Any]] = []
    for task in case.in_order():
        found += [{"kind": b.kind, "task": task.id, "open_s": seconds(b.until - b.at)} for b in task.past_blockers]
        found += [{"kind": b.kind, "task": task.id, "open_s": None} for b in open_blockers(task)]
    return found


# --- the hand-off -----------------------------------------------------------------------------------------------------


def handoff(case: Case, policy: Policy, cycle: int) -> dict[str, Any]:
    """`outputs/final/handoff.yaml`: what the validator reads first."""
    delivery = case.head.delivery
    empty = nothing_to_execute(case)
    table = gate(case, policy, delivery.product)
    return {
        "schema_version": 1,
        "instruction_id": case.id,
        "cycle": cycle,
        "deliverable": None if empty else f"outputs/final/{kind_of(case).type}.yaml",
        "completion_report": f"outputs/final/{SUMMARY}",
        "resolution_report": f"outputs/final/{REPORT}" if case.head.tier == 4 else None,
        "gate": [each.row() for each in table],
        "manifest": manifest(case),
        "tasks": [_task_row(case, t) for t in case.in_order()],
        "criteria": [f"{t.id}: {c}" for t in case.in_order() for c in t.spec.criteria],
        "check": _check(case),
        "outstanding": outstanding(case),
        "reply_with": reply_with(case, cycle),
    }


def manifest(case: Case) -> list[dict[str, Any]]:
    """Every file that belongs to the hand-off, with size, hash and what it is."""
    delivery = case.head.delivery
    kinds = {SUMMARY: "completion_report", REPORT: "resolution_report"}
    rows = [
        {"path": f"outputs/final/{name}", "size": f.size, "sha256": f.sha256, "kind": kinds.get(name, "deliverable")}
        for name, f in delivery.finals.items() if name in names(case) and name != HANDOFF
    ]  # fmt: skip
    changed = edited(case)
    rows += [file_row(changed.get(t.id, t.result), "result") for t in case.in_order() if t.result is not None]
    rows += [file_row(f, "update") for _, f in sorted(delivery.update_files.items(), key=lambda each: int(each[0]))]
    return [*rows, *(file_row(f, "output") for f in outputs(case))]


def edited(case: Case) -> dict[str, OutputFile]:
    """Task → its result as it lies there, where somebody has changed it since it was verified."""
    product = case.head.delivery.product
    return {f.task: f for f in (product.extras if product is not None else ())
            if f.task in case.tasks and f.path == result_path(case.tasks[f.task])}  # fmt: skip


def _changed(case: Case) -> list[str]:
    """Results and files of verified claims that are not any more what was verified."""
    now = {f.path: f.sha256 for f in outputs(case)}
    claimed = [f for t in case.in_order() if t.ended is not None for f in _claimed(t)]
    return sorted({f.path for f in edited(case).values()} | {f.path for f in claimed if now.get(f.path) != f.sha256})


def _claimed(task: Task) -> Iterable[Any]:
    done = done_attempt(task)
    return done.claim.files if done is not None and done.claim is not None else ()


def _task_row(case: Case, task: Task) -> dict[str, Any]:
    done = done_attempt(task)
    return {
        "id": task.id,
        "state": standing(case, task).state,
        "agent": done.agent if done is not None else None,
        "attempt": done.n if done is not None else None,
        "result": result_path(task) if task.result is not None or task.results else None,
    }


def _check(case: Case) -> list[str]:
    """What the validator is asked to look at."""
    delivery = case.head.delivery
    found = [
        "every component answers what the instruction asks",
        "every acceptance criterion is met by what is handed in",
    ]
    if case.head.spec.customer is not None:
        found.append("the updates to the customer: tone, dates, no internal names")
    found += [f"concern: {text}" for text in concerns(case, delivery.product)]
    for row in _conflicts(delivery.product):
        found.append(f"two sources for {row['component']}: {row['kept']['path']} was kept, see {row['other']['path']}")
    found += [f"waived: {p.name}, by {p.by}: {p.why}" for p in parts(case, delivery.product) if p.state == "waived"]
    found += [f"{path} was changed after it was verified: it counts as it lies there" for path in _changed(case)]
    last = delivery.verdict
    if last is not None:
        found += [f"your issue of cycle {last.cycle}: {issue.text}" for issue in last.issues]
    return found


def outstanding(case: Case) -> list[str]:
    """What is still to come, and does not keep the hand-off waiting [INC-6]."""
    found = []
    for incident in case.head.incidents:
        if incident.status == "open":
            found.append(f"{incident.id} is open: {incident.reason or f'severity {incident.severity}'}")
        elif incident.status == "resolved":
            found += [
                f"{name.replace('_', ' ')} of {incident.id}, by {incident.commander}"
                for name in missing_papers(incident)
            ]
    return found


def reply_with(case: Case, cycle: int) -> str:
    """A filled example of a verdict."""
    return (
        f'type: verdict\nfrom: validator\ninstruction_id: "{case.id}"\ncycle: {cycle}\n'
        "verdict: PASS        # or FIXABLE, or BLOCKED\n"
        "reason: in a sentence\n"
        "issues: []           # FIXABLE: [{task: T1, issue: what is to be mended}, {component: name, issue: …}]\n"
    )


def request(case: Case, policy: Policy, cycle: int) -> Mapping[str, Any]:
    """The `validation_request`: the hand-off as a message [QUA-3]."""
    base = f"{case.id}/outputs/final"
    empty = nothing_to_execute(case)
    table = gate(case, policy, case.head.delivery.product)
    return {
        "cycle": cycle,
        "title": case.head.title,
        "deliverable_type": None if empty else kind_of(case).type,
        "deliverable": None if empty else f"{base}/{kind_of(case).type}.yaml",
        "completion_report": f"{base}/{SUMMARY}",
        "resolution_report": f"{base}/{REPORT}" if case.head.tier == 4 else None,
        "handoff": f"{base}/{HANDOFF}",
        "gate": [each.row() for each in table],
        "concerns": concerns(case, case.head.delivery.product),
        "check": _check(case),
        "reply_to": "_communication/inbox/executor/",
        "reply_with": reply_with(case, cycle),
    }


# --- the resolution report --------------------------------------------------------------------------------------------


def report(case: Case, policy: Policy) -> dict[str, Any]:
    """`outputs/final/resolution_report.yaml`: the comprehensive report of tier 4 [DEL-4]."""
    head, delivery = case.head, case.head.delivery
    found = {p.name: p for p in parts(case, delivery.product)}
    done = summary(case, policy)

    def content(*options: str) -> Any:
        return next((_content(case, found[n]) for n in options if n in found and found[n].source is not None), None)

    return {
        "schema_version": 1,
        "instruction_id": case.id,
        "title": head.title,
        "summary": {
            "deliverable_type": kind_of(case).type,
            "description": head.spec.description or None,
            "totals": done["totals"],
            "duration_s": done["duration_s"],
            "agents": done["agents"],
        },
        "timeline": Chronicle(),
        "root_cause": content("root_cause_analysis", "current_state_assessment", "trend_identification"),
        "resolution": content("resolution_steps", "strategy_framework", "recommendations", "creation_plan"),
        "impact": {
            "customer": head.spec.customer.name if head.spec.customer is not None else None,
            "priority": head.priority_now,
            "updates": len(counted(case)),
        },
        "decisions": decisions(case),
        "escalations": done["escalations"],
        "incidents": incident_facts(case),
        "sla": done["sla"],
        "communication": _communication(case),
        "deferred": done["deferred"],
        "prevention_plan": content("preventive_measures"),
    }


def decisions(case: Case) -> list[dict[str, Any]]:
    """The decisions that are recorded, and who took them."""
    rows: list[dict[str, Any]] = [
        {"at": stamp(t.ended.at), "by": t.ended.by, "what": f"{t.id} {t.ended.state}", "reason": t.ended.reason}
        for t in case.in_order() if t.ended is not None and t.ended.by is not None
    ]  # fmt: skip
    for w in case.head.delivery.waivers:
        what = f"standard {w.standard}" if w.standard is not None else f"component {w.component}"
        rows.append({"at": stamp(w.at), "by": w.by, "what": f"{what} waived", "reason": w.reason})
    for v in case.head.delivery.verdicts:
        rows.append(
            {"at": stamp(v.at), "by": "validator", "what": f"{v.result} on cycle {v.cycle}", "reason": v.reason or None}
        )
    return sorted(rows, key=lambda row: row["at"])


def incident_facts(case: Case) -> Iterable[dict[str, Any]]:
    """What is known of the incidents of this case."""
    return [
        {
            "incident_id": i.id,
            "severity": i.severity,
            "status": i.status,
            "opened_at": stamp(i.opened_at),
            "resolved_at": stamp(i.resolved_at) if i.resolved_at else None,
            "commander": i.commander,
            "entries": len(i.timeline),
            "outstanding": missing_papers(i) if i.status == "resolved" else [],
        }
        for i in case.head.incidents
    ]
