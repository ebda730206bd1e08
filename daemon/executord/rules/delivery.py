"""Aggregation: the best of each component, and who is asked for what is missing [DEL-2, DEL-3, DEL-5].

Counterparts: `files/survey.py`, which sees what lies there; `meaning/deliveries.py`, what these lines mean;
`quality.py`, the gate. A line carries of each component where it comes from, by whom, with what hash, and why it is
refused; never its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from executord import deliverables
from executord.actions import THIS_ID, Move, Record, Send
from executord.agenda import Due
from executord.case import Ask, Task
from executord.case.casebook import Case
from executord.case.products import Product, Source, Survey
from executord.meaning.deliveries import product_facts, product_of
from executord.parcel import Part, closing_update_lacks, counted, current, kind_of, last_verified, mark, parts, settled
from executord.policy import Policy, suitability
from executord.posts import done_attempt, impact
from executord.promises.answers import reaction
from executord.promises.instruction import promised
from executord.rules.asking import Asking, managers, priority_of
from executord.values import stamp

ORDER = 70
LEAD = "support-manager"
AT_ONCE = 100  # files that are asked for in one look; the next ones follow
_NEVER = datetime.min.replace(tzinfo=UTC)


def lines(case: Case, policy: Policy) -> Iterator[Due]:
    """Once every task has ended: what lies there is put together, and what is missing is asked for."""
    if not works(case) or not settled(case):
        return
    delivery, survey = case.head.delivery, case.survey
    if survey is not None and survey.n == case.n:
        away = list(_asides(case, survey))
        if away:
            yield from away
            return
        facts = aggregated(case, survey)
        if delivery.product is None or delivery.product.digest != facts["digest"]:
            yield Due(
                last_end(case), f"aggregate #{delivery.aggregates + 1}", "DEL-2", Record(), why=_told(case, facts),
                facts=facts, order=ORDER,
            )  # fmt: skip
            return
    product = current(case)
    if product is not None and not any(owed.kind == "components" for owed in case.head.owed):
        yield from _requests(case, policy, product)
        yield from _concerns(case, product)


def works(case: Case) -> bool:
    """Whether the case is on its way to a hand-off: opened, ours, not parked, not closed, and nothing is out."""
    head = case.head
    still = head.opened_at is None or not head.ours or head.parked is not None or head.closed is not None
    return not still and head.delivery.handed is None


def last_end(case: Case) -> datetime:
    """When the last task ended, or the delivery changed since."""
    head = case.head
    assert head.opened_at is not None  # asked of opened cases only
    last = case.resolved_at  # the same, kept; there is none as long as a task is open
    ends = [last] if last is not None else [t.ended.at for t in case.tasks.values() if t.ended is not None]
    return max(filter(None, (head.opened_at, head.delivery.since, *ends)))


def _asides(case: Case, survey: Survey) -> Iterator[Due]:
    """Somebody's file on a name of ours is moved, unchanged, and used as a source [MEM-23]."""
    counts = dict(case.asides)
    for aside in survey.asides:
        name = aside.path.rsplit("/", 1)[1]
        counts[name] = counts.get(name, 0) + 1
        by = f", by {aside.by}" if aside.by else ""
        yield Due(
            last_end(case), f"set-aside {name} #{counts[name]}", "MEM-23", Move(aside.path, aside.to),
            why=f"{aside.path} is a name of ours{by}; it is kept as a source", facts={"file": name}, order=ORDER,
        )  # fmt: skip


# --- aggregation ------------------------------------------------------------------------------------------------------


def aggregated(case: Case, survey: Survey) -> dict[str, Any]:
    """The facts of an `aggregate` line: of each component the source that counts, and the others."""
    kept: list[Source] = []
    others: list[Source] = []
    kind = kind_of(case)
    turned_down = case.head.delivery.turned_down
    for name in kind.components:
        found = _record(case, name) if kind.components[name].record else []
        found += [s for s in survey.sources if s.component == name]
        good = [s for s in found if s.refused is None and f"{name} {s.sha256[:16]}" not in turned_down]
        best = next(iter(good or found), None)
        if best is not None:
            kept.append(best)
            others += [s for s in found if s is not best]
    return product_facts(kind.type, kept, others, survey.extras, survey.gaps, survey.blocked, mark(case))


def _record(case: Case, name: str) -> list[Source]:
    """What the journal records fills the component: the updates that the customer got [DEL-2]."""
    updates = counted(case)
    if case.head.spec.customer is None or not updates:
        return []
    last = updates[-1]
    file = case.head.delivery.update_files.get(str(last.number))
    path = file.path if file is not None else f"outputs/partial/update-{last.number:03}.yaml"
    return [Source(name, "record", path, file.sha256 if file else "", task=last.task, agent=last.by, at=last.at)]


def provisional(case: Case) -> Product | None:
    """The product as it would be aggregated now; for those who only look."""
    if case.survey is None:
        return case.head.delivery.product
    return product_of(aggregated(case, case.survey), case.n, case.last_at or case.head.first_seen or _NEVER)


def _told(case: Case, facts: Mapping[str, Any]) -> str:
    have = sum(1 for row in facts["parts"] if "refused" not in row)
    total = len(kind_of(case).components)
    also = f", {len(facts['others'])} more sources" if facts.get("others") else ""
    return f"{have} of {total} components of {facts['type']}{also}"


# --- what is missing --------------------------------------------------------------------------------------------------


def _requests(case: Case, policy: Policy, product: Product) -> Iterator[Due]:
    """Ask the likely owner of each component, and of each file that is gone [DEL-5]."""
    delivery = case.head.delivery
    open_asks = {a.subject.rsplit(" #", 1)[0] for a in case.head.asks}
    if delivery.halted is not None or delivery.undecided is not None:
        return
    for part in parts(case, product):
        if kind_of(case).components[part.name].record and _told_how_it_ended_first(case):
            continue  # the update that is asked for, or on its way, fills it
        if part.state in ("missing", "refused") and f"component {part.name}" not in open_asks:
            yield _request(case, policy, part.name, f"component {part.name}", owner(case, part, policy),
                           f"{part.name}: {part.why}")  # fmt: skip
    if any(w.standard == 5 for w in delivery.waivers):
        return
    unasked = (gap for gap in product.gaps if f"file {gap.path}" not in open_asks)
    for gap in islice(unasked, AT_ONCE):
        to, why = gap.agent or LEAD, f"{gap.path}: {gap.why}"
        yield _request(case, policy, gap.path, f"file {gap.path}", to, why, path=gap.path)


def _told_how_it_ended_first(case: Case) -> bool:
    waived = any(w.standard == 2 for w in case.head.delivery.waivers)
    return closing_update_lacks(case) is not None and not waived


def _request(case: Case, policy: Policy, what: str, about: str, to: str, why: str, path: str | None = None) -> Due:
    asked = case.head.delivery.asked.get(what)
    k = asked.n + 1 if asked is not None else 1
    subject = f"{about} #{k}"
    opens = {"to": to, "why": why, **({"path": path} if path else {"component": what})}
    return Due(
        last_end(case), f"request {subject}", "DEL-5", Send(to, "component_request"), why=why,
        facts={"ask": subject, "level": 1, "for": to, "of": what, "opens": opens},
        order=ORDER, ask=subject,
    )  # fmt: skip


def owner(case: Case, part: Part, policy: Policy) -> str:
    """Whose a component most likely is: the agent of its task, else the most suitable by expertise [DEL-5]."""
    source = part.source
    if source is not None and source.agent:
        return source.agent
    if kind_of(case).components[part.name].record:
        return case.head.liaison  # it is what the customer was told
    if source is not None and source.task in case.tasks:
        done = done_attempt(case.tasks[source.task])
        if done is not None:
            return done.agent
    for task in case.in_order():
        if task.spec.component and deliverables.word(task.spec.component) == part.name:
            done = done_attempt(task)
            name = done.agent if done is not None else task.spec.assignee
            if name:
                return name
    words = dict.fromkeys(part.name.split("_"), 1)
    ranked = sorted(policy.roster.values(), key=lambda a: (-suitability(a, words), a.name))
    best = ranked[0] if ranked and suitability(ranked[0], words) else None
    if best is not None:
        return best.name
    last = last_verified(case)
    done = done_attempt(last) if last is not None else None
    return done.agent if done is not None and done.agent in policy.roster else LEAD


def _body(case: Case, task: Task | None, ask: Ask, policy: Policy) -> Mapping[str, Any]:
    component, path = ask.facts.get("component"), ask.facts.get("path")
    kind = kind_of(case)
    shape = kind.components.get(component or "")
    body: dict[str, Any] = {
        "deliverable_type": kind.type,
        "title": case.head.title,
        "component": component,
        "file": f"{case.id}/{path}" if path else None,
        "why": ask.facts["why"],
        "parts": list(shape.parts) if shape is not None else [],
        "results_to": f"{case.id}/outputs/partial/",
        "reply_to": "_communication/inbox/executor/",
        "reply_with": _reply(case, ask, component, path),
    }
    if ask.level == 0:
        return body
    subject = f"component: {component}" if component else "standard: 5"
    return {
        **demand(
            case, ask, policy, f"{component or path} of {case.id} is missing: {ask.facts['why']}",
            "who delivers it, or that the hand-off goes without it",
            [
                {"type": "waive", "means": f"it is let pass, with your reason: `{subject}`"},
                {"type": "answer", "means": "you hand it in yourself, with `components:` or a file in outputs/"},
                {"type": "retry", "means": "the task that was to bring it is opened again"},
            ],
        ),
        "about": body,
    }  # fmt: skip


def _reply(case: Case, ask: Ask, component: str | None, path: str | None) -> str:
    name = ask.letters[0] if ask.letters else THIS_ID
    head = f'type: answer\nfrom: <you>\ninstruction_id: "{case.id}"\nin_reply_to: {name}\n'
    if path:
        return head + f"answer: {path} is there again\n"
    return head + f"components:\n  {component}: its content   # or put outputs/partial/{component}.md there\n"


def demand(
    case: Case, ask: Ask, policy: Policy, what: str, decision: str, options: Iterable[Mapping[str, str]]
) -> dict[str, Any]:
    """An escalation about the instruction [EXE-20]: its options name the messages that free it."""
    return {
        "what": what,
        "since": stamp(ask.first or ask.at),
        "impact": impact(case, None, policy),
        "tried": [{"asked": name} for name in ask.told],
        "decision_needed": decision,
        "options": [dict(option) for option in options],
    }


def _chain(case: Case, task: Task | None, ask: Ask, policy: Policy) -> tuple[str, ...]:
    first = str(ask.facts["to"])
    return tuple(dict.fromkeys((first, *managers(policy, "support-manager"))))


def _spans(case: Case, task: Task | None, ask: Ask, policy: Policy, start: datetime) -> tuple[datetime, datetime]:
    """Asked once; the hand-off waits until the resolution limit, at least for the response limit after the ask."""
    remind, climb = reaction(policy, case.head, priority_of(case, task), start)
    if ask.level > 1:
        return remind, climb
    limit = promised(case, policy)
    climb = max(climb, limit.at) if limit is not None else climb
    return climb, climb


def _wanted(case: Case, task: Task | None, ask: Ask) -> bool:
    """Whether it is still missing."""
    product = case.head.delivery.product
    component, path = ask.facts.get("component"), ask.facts.get("path")
    if path:
        return product is not None and any(g.path == path for g in product.gaps)
    return any(p.name == component and p.state in ("missing", "refused") for p in parts(case, product))


COMPONENT = Asking("DEL-5", "component_request", _body, _chain, _spans, stands=_wanted)


# --- concerns ---------------------------------------------------------------------------------------------------------


def _concerns(case: Case, product: Product) -> Iterator[Due]:
    """Name to each worker, once, the parts that no key and no heading names [DEL-1]."""
    by_agent: dict[str, list[str]] = {}
    for part in parts(case, product):
        source = part.source
        if part.state == "complete" and source is not None and source.lacks and source.agent:
            by_agent.setdefault(source.agent, []).append(f"{part.name} ({source.path}): {', '.join(source.lacks)}")
    for agent, found in sorted(by_agent.items()):
        digest = hashlib.sha256("\n".join(found).encode(errors="replace")).hexdigest()[:8]
        name = f"notice {case.id} concerns-{agent}-{digest}"
        if name not in case.head.done:
            text = (
                f"no key and no heading was found for: {'; '.join(found)}. The hand-off goes on, and the validator is "
                "told. If it is there, name it by a key or a heading; if it is not, send an answer with `components:`"
            )
            yield Due(last_end(case), name, "DEL-1", Send(agent, "notice", {"text": text}), why=text, order=ORDER)
