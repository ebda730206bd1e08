"""What the reading commands show to people: tables as wide as what stands in them, in UTC [CON-0].

Counterpart: `look.py`, the commands; with `--json` nothing of this is used. What others wrote is shown without control
characters, so that a title cannot move the cursor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from executord.pen import dump
from executord.values import read_stamp
from executord.views.clockfaces import slack, span
from executord.views.overview import Tree

_COLOURS = {
    "closed": "green",
    "completed": "green",
    "parked": "red",
    "blocked": "red",
    "held": "red",
    "escalated": "red",
    "error": "red",
    "gate": "cyan",
    "rework": "yellow",
    "on_hold": "yellow",
    "warning": "yellow",
    "breached": "red",
    "paused": "yellow",
}
_SECOND = timedelta(seconds=1)
_STUCK = frozenset({"held", "escalated", "blocked", "on_hold", "rework"})


def clean(text: object) -> str:
    """The text in one line, without control characters."""
    return "".join(c if c.isprintable() else " " for c in str(text)) if text is not None else "-"


def when(text: str | None) -> str:
    """A stamp for people: `2026-11-20 09:12`."""
    return f"{read_stamp(text):%Y-%m-%d %H:%M}" if text else "-"


def colours() -> bool:
    """Whether to use colours: on a terminal, unless NO_COLOR says otherwise."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "") -> Iterator[str]:
    """Columns as wide as their widest cell, never cut."""
    cells = [list(head), *([clean(c) for c in row] for row in rows)]
    if len(cells) == 1:
        return
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    painted = colours()
    for number, row in enumerate(cells):
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if painted and number == 0:
            padded = [typer.style(text, bold=True) for text in padded]
        elif painted:
            padded = [_paint(text, cell) for text, cell in zip(padded, row, strict=True)]
        yield (indent + "  ".join(padded)).rstrip()


def listed(head: Sequence[str], rows: Sequence[Sequence[object]], nothing: str) -> Iterator[str]:
    """A list that is asked for by itself: a table, or a line that says that there is nothing in it."""
    yield from table(head, rows) if rows else (nothing,)


def colour_of(word: str) -> str | None:
    """The colour of a state or a phase, if it has one."""
    return _COLOURS.get(word)


def _paint(text: str, cell: str) -> str:
    colour = colour_of(cell)
    return typer.style(text, fg=colour) if colour is not None else text


# --- status --------------------------------------------------------------------------------------------------


def status_board(report: Mapping[str, Any], tree: Tree) -> Iterator[str]:
    """`status` for people: the cases with the least slack first [OPS-16]."""
    now = read_stamp(report["at"])
    yield f"{report['memory']}  {now:%Y-%m-%d %H:%M:%S} UTC"
    yield daemon_line(report["daemon"])
    yield ""
    slacks = {i: slack(c, tree.policy) for i, c in tree.cases.items()}
    never = datetime.max.replace(tzinfo=UTC)
    ordered = sorted(report["instructions"], key=lambda each: (slacks.get(each["id"]) or never, each["id"]))
    if not ordered:
        yield "no instructions"
    yield from table(
        ("INSTRUCTION", "PHASE", "%", "PENDING", "IN PROGRESS", "COMPLETED", "PRIORITY", "SLACK", "NEXT", "TITLE"),
        [_case_row(each, slacks.get(each["id"]), now) for each in ordered],
    )
    stuck = [(each, task) for each in ordered for task in each["tasks"] if task["state"] in _STUCK]
    still = [(f"{e['id']}/{t['id']}", t["state"], t["agent"], when(t["since"]), t["title"]) for e, t in stuck]
    yield from _section("STANDS STILL", ("TASK", "STATE", "AGENT", "SINCE", "TITLE"), still)
    free = [(each["id"], row) for each in ordered for row in each["freed_by"]]
    freed = [(i if r["task"] is None else f"{i}/{r['task']}", r["type"], ", ".join(r["from"])) for i, r in free]
    yield from _section("FREED BY", ("WHAT", "MESSAGE", "FROM"), freed)
    muted = [(each["id"], each["muted"]) for each in ordered] + [(a["name"], a["muted"]) for a in report["agents"]]
    hushed = [(who, when(m["until"]), m["by"], m["reason"]) for who, m in muted if m is not None]
    yield from _section("MUTED", ("WHO", "UNTIL", "BY", "REASON"), hushed)
    found = [row for each in ordered for row in each["problems"]]
    yield from _section("PROBLEMS", _FINDING, [_finding_row(row) for row in found])
    busy = [a for a in report["agents"] if a["load"] or a["inbox"]]
    yield from _section("AGENTS", ("AGENT", "LOAD", "UNREAD", "OLDEST"), [_agent_row(a) for a in busy])
    sessions = [
        (r["session_id"], r["status"] or "?", f"{r['completed']}/{r['total']}", r["path"]) for r in report["sessions"]
    ]
    yield from _section("TEAM SESSIONS", ("SESSION", "STATUS", "TASKS", "PATH"), sessions)
    rejected = [(when(r["at"]), r["code"], r["path"], r["reason"]) for r in report["rejected"]]
    yield from _section("REJECTED", ("AT", "CODE", "PATH", "REASON"), rejected)
    late = [(r["task"], r["attempt"], r["path"]) for r in report["late"]]
    yield from _section("LATE RESULTS", ("TASK", "ATTEMPT", "PATH"), late)
    yield from _section("LEFT ALONE", ("PATH",), [(path,) for path in report["left_alone"]])


def daemon_line(daemon: Mapping[str, Any]) -> str:
    """Whether the daemon runs, and since when."""
    if not daemon["running"]:
        return "daemon: not running; this is how things lie there"
    who, host, since = (clean(daemon[key] or "?") for key in ("pid", "host", "since"))
    return f"daemon: running, pid {who} on {host}, since {since}"


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    if rows:
        yield ""
        yield f"{title} ({len(rows)})"
        yield from table(head, rows, "  ")


def _case_row(each: Mapping[str, Any], late: datetime | None, now: datetime) -> tuple[object, ...]:
    folders = [t["folder"] for t in each["tasks"]]
    flags = [word for word in ("on_hold", "paused", "muted") if each[word]]
    phase = " ".join([each["phase"], *(f"({word.replace('_', ' ')})" for word in flags)])
    counts = [folders.count(f) for f in ("pending", "in_progress", "completed")]
    left = span((late - now) / _SECOND) if late is not None else "-"
    coming = f"{when(each['next']['at'])} {each['next']['name']}" if each["next"]["name"] else "-"
    return each["id"], phase, each["percent"], *counts, each["priority"], left, coming, each["title"]


def _agent_row(agent: Mapping[str, Any]) -> tuple[object, ...]:
    load = f"{agent['load']} of {agent['capacity']}" if agent["capacity"] else str(agent["load"])
    return agent["name"], load, agent["inbox"], span(agent["oldest_s"]) if agent["oldest_s"] is not None else "-"


_FINDING = ("SEVERITY", "CODE", "PLACE", "FIELD", "MESSAGE")


def _finding_row(row: Mapping[str, Any]) -> tuple[object, ...]:
    place = row["path"] or "-"
    if row["line"] is not None:
        place += f":{row['line']}:{row['column'] or 1}"
    message = f"{row['message']}; {row['fix']}" if row["fix"] else row["message"]
    return row["severity"], row["code"], place, row["field"], message


# --- the others ----------------------------------------------------------------------------------------------


def show_board(report: Mapping[str, Any]) -> Iterator[str]:
    """`show` for people."""
    yield f"{clean(report['id'])}  {clean(report['title'])}"
    marks = "".join(f", {word.replace('_', ' ')}" for word in ("on_hold", "paused", "muted") if report[word])
    tier = "-" if report["tier"] is None else report["tier"]
    yield f"  {report['phase']}{marks}, {report['percent']} %, tier {tier}, priority {report['priority'] or '-'}"
    yield f"  deliverable: {clean(report['deliverable_type'])}"
    if report["muted"]:
        yield f"  muted until {when(report['muted']['until'])} by {clean(report['muted']['by'])}"
    head = ("TASK", "STATE", "FOLDER", "AGENT", "ATTEMPT", "SINCE", "%", "ETA", "WAITS FOR", "TITLE")
    rows = [
        (t["id"], t["state"], t["folder"], t["agent"], t["attempt"], when(t["since"]), t["percent"], t["eta"],
         ", ".join(t["waits_for"]) or None, t["title"])
        for t in report["tasks"]
    ]  # fmt: skip
    yield from _section("TASKS", head, rows)
    blocked = [(b["task"], b["kind"], when(b["since"]), b["asked"], b["level"], ", ".join(b["waiting"]) or None)
               for b in report["blockers"]]  # fmt: skip
    yield from _section("BLOCKERS", ("TASK", "KIND", "SINCE", "ASKED", "LEVEL", "WAITING"), blocked)
    asked = [(a["what"], a["from"], a["level"], when(a["since"]) if a["since"] else None, a["acknowledged_by"])
             for a in report["awaited"]]  # fmt: skip
    yield from _section("AWAITED", ("WHAT", "FROM", "LEVEL", "SINCE", "ACKNOWLEDGED BY"), asked)
    freed = [(row["task"], row["type"], ", ".join(row["from"])) for row in report["freed_by"]]
    yield from _section("FREED BY", ("TASK", "MESSAGE", "FROM"), freed)
    yield from _section("PROBLEMS", _FINDING, [_finding_row(row) for row in report["problems"]])
    files = [(f["path"], f["size"], f["sha256"]) for f in report["files"]]
    yield from _section("FILES", ("PATH", "SIZE", "SHA256"), files)
    if report["plan"] is not None:
        yield ""
        yield "PLAN"
        yield from (f"  {clean(line)}" for line in dump(report["plan"]).decode().splitlines())


def line_text(line: Mapping[str, Any], *, case: bool = True) -> str:
    """A line for people: `2026-11-20 09:12  acme-42  warn response #1 75% → customer-success-manager`."""
    at = when(line["at"]) if line["at"] else " " * 16
    whose = f"{line['case']}  " if case else ""
    to = f" → {line['to']}" if line["to"] else ""
    return clean(f"{at}  {whose}{line['name']}{to}")


def coming_text(line: Mapping[str, Any], *, case: bool = True) -> str:
    """The same for a line to come, which says why it waits."""
    text = line_text(line, case=case)
    waits = line["why"] is not None and str(line["why"]).startswith(("waits", "every capable", "muted until"))
    return f"{text}  ({clean(line['why'])})" if waits else text


def answer_text(answer: Mapping[str, Any]) -> Iterator[str]:
    """An answer of `why`: what, then the rule, the journal's line and what went into it."""
    yield f"{answer['question']}?"
    yield f"  {clean(answer['answer'])}"
    source = answer["rule"]
    if answer["line"] is not None:
        source += f"; journal line {answer['line']}, {when(answer['at'])}, {clean(answer['name'])}"
    yield f"  [{source}]"
    for key, value in answer["inputs"].items():
        if value not in (None, [], ""):
            shown = ", ".join(map(clean, value)) if isinstance(value, list) else clean(value)
            yield f"    {key}: {shown}"
