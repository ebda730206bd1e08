"""How far an instruction is on its way out, for people and programs: the gate table, the report [QUA-1, DEL-4].

Counterparts: `standards.py` and `finals.py`, what they are made from; `cli/outcome.py`, which prints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from executord import finals
from executord.case.casebook import Case
from executord.case.products import Product
from executord.evolve import replace
from executord.files.survey import Surveyor
from executord.hands import Hands
from executord.parcel import phase_of
from executord.policy import Policy
from executord.rules.delivery import provisional
from executord.standards import Standard, gate
from executord.values import stamp
from executord.views.overview import Tree


class Looks(Protocol):
    """Who looks at outputs."""

    surveyor: Surveyor


class Outputs(Tree, Protocol):
    """A tree of which the outputs can be looked at too."""

    @property
    def escort(self) -> Looks:
        """Who looks at outputs."""
        ...

    hands: Hands


def product_now(tree: Outputs, case: Case, now: datetime) -> Product | None:
    """The deliverable as it was handed off, else as it would be put together now."""
    delivery = case.head.delivery
    if delivery.handed is not None or case.head.closed is not None or case.head.opened_at is None:
        return delivery.product
    case.survey = tree.escort.surveyor.survey(case, now)
    return provisional(case)


def table(tree: Outputs, case: Case, now: datetime) -> tuple[Standard, ...]:
    """The gate table as it stands."""
    return gate(case, tree.policy, product_now(tree, case, now))


def report(tree: Outputs, case: Case, now: datetime) -> dict[str, Any]:
    """The comprehensive report of any instruction, as far as it has come; nothing is made up."""
    product = product_now(tree, case, now)
    delivery = case.head.delivery
    made = finals.report(_with_product(case, product), tree.policy)
    plain: dict[str, Any] = tree.hands.typist.value(made, case, now)
    return {
        "at": stamp(now),
        "phase": phase_of(case),
        **{k: v for k, v in plain.items() if k != "schema_version"},
        "gate": [each.row() for each in gate(case, tree.policy, product)],
        "verdicts": [
            {"cycle": v.cycle, "at": stamp(v.at), "result": v.result, "reason": v.reason or None,
             "issues": [{"task": i.task, "component": i.component, "issue": i.text} for i in v.issues]}
            for v in delivery.verdicts
        ],
        "outstanding": finals.outstanding(case),
    }  # fmt: skip


def _with_product(case: Case, product: Product | None) -> Case:
    case.head = replace(case.head, delivery=replace(case.head.delivery, product=product))
    return case


# --- for people -------------------------------------------------------------------------------------------------------


def as_text(made: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    """The report as Markdown."""
    yield f"# {made['title']}"
    yield ""
    yield f"{made['instruction_id']}, phase {made['phase']}, as of {made['at']}"
    whole = made["summary"]
    yield from _section("Summary")
    if whole.get("description"):
        yield str(whole["description"]).strip()
        yield ""
    totals = whole["totals"]
    yield f"- deliverable: {whole['deliverable_type']}"
    yield "- tasks: " + ", ".join(f"{totals[k]} {k}" for k in ("planned", "completed", "deferred", "cancelled"))
    yield f"- attempts: {totals['attempts']}, reworks: {totals['reworks']}, seconds: {whole['duration_s']}"
    for name, row in whole["agents"].items():
        yield f"- {name}: {row['tasks']} tasks, {row['time_s']} s"
    for title, key in (
        ("Root cause", "root_cause"),
        ("Resolution", "resolution"),
        ("Prevention plan", "prevention_plan"),
    ):
        if made.get(key) is not None:
            yield from _section(title)
            yield from _lines(made[key])
    yield from _section("Impact")
    yield from _lines(made["impact"])
    yield from _rows("Gate", made["gate"], lambda r: f"{r['standard']} {r['name']}: {r['result']}" + _because(r))
    yield from _rows("Decisions", made["decisions"], lambda r: f"{r['at']} {r['by']}: {r['what']}" + _reason(r))
    yield from _rows(
        "Verdicts", made["verdicts"], lambda r: f"{r['at']} cycle {r['cycle']}: {r['result']}" + _reason(r)
    )
    yield from _rows("Escalations", made["escalations"], lambda r: f"{r['at']} → {r['to']}: {r['why']}")
    yield from _rows(
        "Incidents", made["incidents"], lambda r: f"{r['incident_id']}, severity {r['severity']}: {r['status']}"
    )
    yield from _rows(
        "SLA results", made["sla"], lambda r: f"{r['kind']} of {r['task'] or made['instruction_id']}: {r['state']}"
    )
    yield from _rows(
        "Communication with the customer", made["communication"], lambda r: f"{r['sent_at']} {r['by']}: {r['status']}"
    )
    yield from _rows("Deferred work", made["deferred"], lambda r: f"{r['task']} {r['state']} by {r['by']}" + _reason(r))
    yield from _rows("Outstanding", made["outstanding"], str)
    yield from _rows(
        "Timeline", made["timeline"], lambda r: f"{r['at']} {r['what']}" + (f" → {r['to']}" if r["to"] else "")
    )


def _because(row: Mapping[str, Any]) -> str:
    return f" ({row['evidence'][0]})" if row["result"] != "pass" and row["evidence"] else ""


def _reason(row: Mapping[str, Any]) -> str:
    return f": {row['reason']}" if row.get("reason") else ""


def _section(title: str) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""


def _rows(title: str, rows: Any, text: Any) -> Iterator[str]:
    if not rows:
        return
    yield from _section(title)
    for row in rows:
        yield f"- {' '.join(text(row).split())}"


def _lines(value: Any, pad: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping | list):
                yield f"{pad}- {key}:"
                yield from _lines(inner, pad + "  ")
            else:
                yield f"{pad}- {key}: {inner if inner is not None else '-'}"
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, Mapping | list):
                yield from _lines(inner, pad)
            else:
                yield f"{pad}- {inner}"
    else:
        yield f"{pad}{value}"
