"""`sla report`: how promises were kept, as a table, JSON or CSV [SLA-19, CON-9].

Counterpart: `views/sla_report.py`, which counts. Instructions that were archived count like any other.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from executord.case.casebook import Case
from executord.cli.boards import table, when
from executord.cli.frame import Frame, frame, say
from executord.errors import UsageError
from executord.service import Service
from executord.values import read_moment, read_stamp
from executord.views.sla_report import BY, By, sla_report

ARCHIVE = "_archive"


def report(
    context: typer.Context,
    begin: Annotated[str | None, typer.Option("--from", metavar="T", help="From this moment on.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="T", help="Before this moment.")] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="|".join(BY), help="One group for each.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="The groups as CSV.")] = False,
) -> None:
    """Met, breached and why, how much of the target was used, pauses, updates on time."""
    here = frame(context)
    if as_csv and here.as_json:
        raise UsageError("--csv and --json exclude each other")
    group = _by(by)
    now = here.now()
    first, last = _moment(here, "--from", begin), _moment(here, "--to", end)
    if first is not None and last is not None and last < first:
        raise UsageError(f"--to {end} lies before --from {begin}", fix="use a later moment")
    found = sla_report(cases(here, now), here.policy, now, begin=first, end=last, by=group)
    here.say_if_down()
    if as_csv:
        say(_csv(found).rstrip("\n"))
        return
    here.give(found, lambda: lines(found))


def _by(given: str | None) -> By | None:
    if given is None:
        return None
    for each in BY:
        if given == each:
            return each
    raise UsageError(f"--by {given}: there is no such group", fix=f"use {', '.join(BY)}")


def _moment(here: Frame, option: str, text: str | None) -> datetime | None:
    """A moment, or a date: then its midnight in the configured zone."""
    if text is None:
        return None
    at = read_moment(text, here.policy.zone, bare="start")
    if at is None:
        raise UsageError(f"{option}: not a moment: {text!r}", fix="use e.g. 2026-11-20T09:00:00Z, or 2026-11-20")
    return at


def cases(here: Frame, now: datetime) -> Iterator[Case]:
    """Every case of the memory, and those in its archive."""
    yield from here.peek(now).cases.values()
    archive = os.path.join(here.memory, ARCHIVE)
    if os.path.isdir(archive):
        service = Service(archive, here.policy, durable=False, before=_never)
        service.store.expect_settled = True
        service.load_all(now)
        yield from service.cases.values()


def _never(operation: str, path: str) -> None:
    raise AssertionError(f"a reading command does not write: {operation} {path}")


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The report for people."""
    period = f"{when(found['from']) if found['from'] else 'ever'} to {when(found['to'] or found['at'])} UTC"
    yield f"SLA report, {period}" + (f", by {found['by']}" if found["by"] else "")
    head = ("", "met", "extended", "breached", "ended otherwise", "p50", "p90", "p99", "updates", "on time")
    yield from table(head, (_row(found["by"], group) for group in found["groups"]))
    for group in found["groups"]:
        for reason, seconds in group["paused_s"].items():
            of = f" ({group['key'] or 'none'})" if found["by"] else ""
            yield f"paused{of}: {reason} {_span(seconds)}"
    if found["breaches"]:
        yield "Breaches"
        yield from table(
            ("due", "instruction", "task", "clock", "late by", "cause", "told"),
            (
                (when(b["due"]), b["instruction_id"], b["task"], b["kind"], _late(b, found["at"]), b["cause"],
                 ", ".join(b["told"]) or None)
                for b in found["breaches"]
            ),
            "  ",
        )  # fmt: skip
    if found["wrongful_pauses"]:
        yield "Paused although the customer had answered"
        yield from table(
            ("from", "to", "instruction", "task", "reason"),
            (
                (when(p["from"]), when(p["to"]), p["instruction_id"], p["task"], p["reason"])
                for p in found["wrongful_pauses"]
            ),
            "  ",
        )


def _row(by: str | None, group: Mapping[str, Any]) -> tuple[object, ...]:
    shares = group["elapsed_of_target"]
    return (
        (group["key"] or "none") if by else "all",
        group["met"], group["approved_extension"], group["breached"], group["deferred_or_cancelled"],
        *(f"{shares[p]:.0%}" if shares[p] is not None else None for p in ("p50", "p90", "p99")),
        group["updates"]["sent"], group["updates"]["on_time"],
    )  # fmt: skip


def _late(breach: Mapping[str, Any], at: str) -> str:
    """How late it was in the end, or is so far."""
    end = read_stamp(breach["ended_at"] or at)
    late = _span(max(int((end - read_stamp(breach["due"])).total_seconds()), 0))
    return late if breach["ended_at"] else f"{late}, still open"


def _span(seconds: int) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{rest} s"


def _csv(found: Mapping[str, Any]) -> str:
    """One line a group; a column for each reason that anything was paused for."""
    reasons = sorted({reason for group in found["groups"] for reason in group["paused_s"]})
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    write.writerow([
        found["by"] or "group", "met", "approved_extension", "breached", "deferred_or_cancelled",
        "elapsed_of_target_p50", "elapsed_of_target_p90", "elapsed_of_target_p99",
        "updates_sent", "updates_on_time", *(f"paused_{reason}_s" for reason in reasons),
    ])  # fmt: skip
    for group in found["groups"]:
        shares = group["elapsed_of_target"].values()
        write.writerow([
            _cell(group["key"]) if found["by"] else "all", group["met"], group["approved_extension"], group["breached"],
            group["deferred_or_cancelled"], *("" if s is None else s for s in shares), group["updates"]["sent"],
            group["updates"]["on_time"], *(group["paused_s"].get(reason, 0) for reason in reasons),
        ])  # fmt: skip
    return out.getvalue()


def _cell(text: str | None) -> str:
    """A name as a cell: what a spreadsheet would take for a formula begins with an apostrophe."""
    return "" if text is None else f"'{text}" if text[:1] in "=+-@\t\r" else text
