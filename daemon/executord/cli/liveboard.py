"""What `status -w` draws: the report of `status` as a board that fits its screen and counts from second to second.

Pure: a report, an instant and a size give lines [OPS-16]. Counterparts: `screen.py`, the terminal; `boards.py`, the
same for a pipe. Every section keeps a place, however many rows another has: what has no room is counted, never wrapped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import typer

from executord.cli.boards import clean, colour_of, daemon_line, when
from executord.values import read_stamp
from executord.views.clockfaces import span

HINT = "q ends it"
_SECOND, _NEVER = timedelta(seconds=1), datetime.max.replace(tzinfo=UTC)
_SOON_S = 1800
_BAR = 10
_NARROWEST_ID = 12
_FRAME = 3  # lines of a section besides its rows: a blank one, the title, the head
_STANDING = frozenset({"held", "escalated", "on_hold", "rework"})


class Cell(NamedTuple):
    """A piece of a line and its colour, if it has one."""

    text: str
    colour: str | None = None


@dataclass(frozen=True)
class Section:
    """A table of the board; its first column may be shortened on a narrow screen."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]


def board(report: Mapping[str, Any], slacks: Mapping[str, datetime | None], now: datetime, columns: int, rows: int,
          *, colours: bool) -> list[str]:  # fmt: skip
    """The lines of the board, at most so many `rows`, each at most so many `columns` wide.

    `slacks` holds for each instruction the instant at which it becomes late if nobody works on it.
    """
    where = Cell(f"{clean(report['memory'])}  {now:%Y-%m-%d %H:%M:%S} UTC")
    lines: list[Sequence[Cell]] = [[where], [_daemon(report["daemon"])], [_sum(report)]]
    sections = [each for each in _sections(report, slacks, now) if each.rows]
    room = rows - len(lines) - 1
    fitting = _fitting([len(each.rows) for each in sections], room)
    shares = _shares([len(each.rows) for each in sections[:fitting]], room - _FRAME * fitting)
    for section, share in zip(sections, shares, strict=False):
        lines += [[], [Cell(_titled(section))], *_table(section, share, columns)]
    hint = "; ".join([HINT, *(f"no room for {_titled(each)}" for each in sections[fitting:])])
    shown = [*lines[: max(rows - 1, 0)], [Cell(hint)]] if rows > 1 else lines[:rows]
    return [painted(line, columns, colours=colours) for line in shown]


def _titled(section: Section) -> str:
    return f"{section.title} ({len(section.rows)})"


def _fitting(wanted: Sequence[int], room: int) -> int:
    """How many sections, from the first on, have room for their frame and two of their rows; the first always."""
    for k, want in enumerate(wanted):
        room -= _FRAME + min(want, 2)
        if room < 0:
            return max(k, 1)
    return len(wanted)


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """How many rows each section gets: one each in turn, until all have what they want or there is no more room."""
    given = [0] * len(wanted)
    while room > 0 and given != list(wanted):
        for k, want in enumerate(wanted):
            if given[k] < want and room > 0:
                given[k], room = given[k] + 1, room - 1
    return given


def _table(section: Section, share: int, columns: int) -> Iterator[list[Cell]]:
    rows = list(section.rows)
    more = len(rows) - share
    if more > 0:
        rows, more = rows[: max(share - 1, 0)], more + (share > 0)
    bound = max(_NARROWEST_ID, columns // 3)
    cells = [[Cell(word) for word in section.head], *([Cell(cut(r[0].text, bound), r[0].colour), *r[1:]] for r in rows)]
    widths = [max(width(row[k].text) for row in cells) for k in range(len(section.head))]
    for row in cells:
        line = [Cell("  ")]
        for cell, wide in zip(row, widths, strict=True):
            line += [cell, Cell(" " * (wide - width(cell.text) + 2))]
        yield line
    if more > 0 and share > 0:
        yield [Cell(f"  … {more} more")]


# --- what stands in it -----------------------------------------------------------------------------------------------


def _daemon(daemon: Mapping[str, Any]) -> Cell:
    return Cell(daemon_line(daemon), None if daemon["running"] else "red")


def _sum(report: Mapping[str, Any]) -> Cell:
    """Counts, and how much there is that only `status` shows whole."""
    phases = ", ".join(f"{n} {phase.replace('_', ' ')}" for phase, n in report["counts"]["instructions"].items())
    tasks = ", ".join(f"{n} {folder.replace('_', ' ')}" for folder, n in report["counts"]["tasks"].items())
    found = {
        "problems": sum(len(each["problems"]) for each in report["instructions"]),
        "rejected": len(report["rejected"]),
        "late results": len(report["late"]),
    }
    needs = ", ".join(f"{n} {what}" for what, n in found.items() if n)
    said = f"instructions: {phases or 'none'}; tasks: {tasks}"
    return Cell(f"{said}; {needs}: see `executord status`" if needs else said, "yellow" if needs else None)


def _sections(report: Mapping[str, Any], slacks: Mapping[str, datetime | None], now: datetime) -> Iterator[Section]:
    cases = sorted(report["instructions"], key=lambda each: (slacks.get(each["id"]) or _NEVER, each["id"]))
    yield Section(
        "INSTRUCTIONS", ("INSTRUCTION", "SLACK", "PHASE", "%", "TASKS", "PRIORITY", "TITLE"),
        [_case(each, slacks.get(each["id"]), now) for each in cases],
    )  # fmt: skip
    going = [(each["id"], clock) for each in cases for clock in each["clocks"] if clock["stopped"] is None]
    going.sort(key=lambda pair: _urgency(pair[1], now))
    yield Section(
        "CLOCKS", ("WHAT", "LEFT", "CLOCK", "DUE", "STATE"), [_clock(case_id, clock, now) for case_id, clock in going]
    )
    silent = [(each["id"], due) for each in cases if (due := _at(each["next_update"]["due"])) and due < now]
    silent.sort(key=lambda pair: pair[1])
    yield Section(
        "SILENCE DEBT", ("INSTRUCTION", "OVERDUE", "UPDATE WAS DUE"),
        [[Cell(i), Cell(span((now - due) / _SECOND), "red"), Cell(f"{due:%Y-%m-%d %H:%M}")] for i, due in silent],
    )  # fmt: skip
    yield Section(
        "BLOCKERS", ("TASK", "FOR", "KIND", "ASKED", "LEVEL", "WAITING"),
        [_blocker(each["id"], blocker, now) for each in cases for blocker in each["blockers"]],
    )  # fmt: skip
    yield Section(
        "STANDS STILL", ("TASK", "STATE", "AGENT", "SINCE", "TITLE"),
        [_still(each["id"], task) for each in cases for task in each["tasks"] if task["state"] in _STANDING],
    )  # fmt: skip
    busy = [agent for agent in report["agents"] if agent["load"] or agent["inbox"]]
    busy.sort(key=lambda agent: (-_share(agent), agent["name"]))
    age = now - read_stamp(report["at"])
    yield Section("AGENTS", ("AGENT", "LOAD", "UNREAD", "OLDEST"), [_agent(agent, age / _SECOND) for agent in busy])


def _at(text: str | None) -> datetime | None:
    return read_stamp(text) if text is not None else None


def _left(until: datetime | None, now: datetime) -> Cell:
    """How long is left of it: red when nothing is, yellow when it is little."""
    if until is None:
        return Cell("-")
    seconds = (until - now) / _SECOND
    return Cell(span(seconds), "red" if seconds < 0 else "yellow" if seconds < _SOON_S else None)


def _case(each: Mapping[str, Any], late: datetime | None, now: datetime) -> list[Cell]:
    flags = "".join(f" ({word.replace('_', ' ')})" for word in ("on_hold", "paused", "muted") if each[word])
    folders = [task["folder"] for task in each["tasks"]]
    counts = "/".join(str(folders.count(folder)) for folder in ("pending", "in_progress", "completed"))
    return [
        Cell(each["id"]), _left(late, now), Cell(each["phase"] + flags, colour_of(each["phase"])),
        Cell(str(each["percent"])), Cell(counts), Cell(clean(each["priority"])), Cell(clean(each["title"])),
    ]  # fmt: skip


def _urgency(clock: Mapping[str, Any], now: datetime) -> tuple[int, float]:
    """What can still be kept comes first, the soonest before all; then what was broken, the last one first."""
    due = _at(clock["due"])
    if clock["paused_because"] is not None or due is None:
        return 2, 0.0
    left = (due - now) / _SECOND
    return (0, left) if left >= 0 else (1, -left)


def _clock(case_id: str, clock: Mapping[str, Any], now: datetime) -> list[Cell]:
    pause = clock["paused_because"]
    due = _at(clock["due"])
    left = Cell("stands still") if pause is not None else _left(due, now)
    # the report may be some seconds old: what has passed its limit since then is breached now
    state = "breached" if pause is None and due is not None and due < now else clock["state"]
    return [
        Cell(f"{case_id}/{clock['task']}" if clock["task"] else case_id), left, Cell(clock["kind"].replace("_", " ")),
        Cell(when(clock["due"])), Cell(f"{state}: {clean(pause)}" if pause is not None else state, colour_of(state)),
    ]  # fmt: skip


def _blocker(case_id: str, blocker: Mapping[str, Any], now: datetime) -> list[Cell]:
    return [
        Cell(f"{case_id}/{blocker['task']}"), Cell(span((now - read_stamp(blocker["since"])) / _SECOND)),
        Cell(blocker["kind"].replace("_", " ")), Cell(clean(blocker["asked"])), Cell(clean(blocker["level"])),
        Cell(clean(", ".join(blocker["waiting"]) or None)),
    ]  # fmt: skip


def _still(case_id: str, task: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(f"{case_id}/{task['id']}"), Cell(task["state"].replace("_", " "), colour_of(task["state"])),
        Cell(clean(task["agent"])), Cell(when(task["since"])), Cell(clean(task["title"])),
    ]  # fmt: skip


def _share(agent: Mapping[str, Any]) -> float:
    return agent["load"] / agent["capacity"] if agent["capacity"] else 0.0


def _agent(agent: Mapping[str, Any], older_s: float) -> list[Cell]:
    """Load as a bar of the capacity; without a capacity as a number alone."""
    load, whole = agent["load"], agent["capacity"]
    words, colour = str(load), None
    if whole:
        bar = min(whole, _BAR)
        full = min(-(-load * bar // whole), bar)
        words = f"{'#' * full}{'.' * (bar - full)} {load} of {whole}"
        colour = "red" if load > whole else "yellow" if load == whole else None
    oldest = span(agent["oldest_s"] + older_s) if agent["oldest_s"] is not None else "-"
    return [Cell(clean(agent["name"])), Cell(words, colour), Cell(str(agent["inbox"])), Cell(oldest)]


# --- on a screen -----------------------------------------------------------------------------------------------------


def width(text: str) -> int:
    """How many columns of a terminal a text takes: two for East Asian wide characters, none for marks above others."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, columns: int) -> str:
    """The text in at most so many columns; what is cut off ends in `…`."""
    if width(text) <= columns:
        return text
    taken, used = "", 0
    for char in text:
        used += width(char)
        if used > columns - 1:
            break
        taken += char
    return f"{taken}…" if columns > 0 else ""


def painted(line: Iterable[Cell], columns: int, *, colours: bool) -> str:
    """A line in at most so many columns, with its colours if they are wanted."""
    said, room = "", columns
    pieces = list(line)
    while pieces and not pieces[-1].text.strip():
        pieces.pop()
    for text, colour in pieces:
        shown = cut(text, room)
        said += typer.style(shown, fg=colour) if colours and colour is not None and shown.strip() else shown
        room -= width(shown)
        if shown != text:
            break
    return said
