"""`demo`: the real daemon and real workers on a copy of the sample memory [OPS-1]."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from executord import demo as play
from executord.cli.frame import frame, say
from executord.pen import printable


def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Keep its folder; else the next demo removes it.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Quick workers.")] = False,
    limit: Annotated[float, typer.Option(help="Give up after so many seconds (exit 1).")] = play.LIMIT_S,
) -> None:
    """Run the sample memory with the real daemon and real workers, and show what came of it."""
    here = frame(context)
    pace = play.Pace.fast() if fast else play.Pace()
    outcome = play.demo(_told if here.as_json else _shown, pace=pace, keep=keep, limit_s=limit)
    here.give({"ok": outcome.ok, **asdict(outcome)}, lambda: _table(outcome, keep))
    if not outcome.ok:
        raise typer.Exit(1)


def _shown(line: str) -> None:
    """One step, cut to the width of a terminal; whole in a pipe."""
    if sys.stdout.isatty():
        line = line[: max(40, shutil.get_terminal_size().columns - 1)]
    say(line)


def _told(line: str) -> None:
    """With `--json` stdout holds the result alone."""
    print(printable(line), file=sys.stderr)


def _table(outcome: play.Outcome, keep: bool) -> Iterator[str]:
    wide = max((len(row.id) for row in outcome.rows), default=11)
    yield ""
    kinds = max((len(row.deliverable_type) for row in outcome.rows), default=16)
    heads = "tier  phase      tasks  refused  components  cycles  updates  took"
    yield f"{'instruction':<{wide}}  {'deliverable type':<{kinds}}  {heads}"
    for row in outcome.rows:
        tasks = f"{row.completed}/{row.tasks}"
        yield (
            f"{row.id:<{wide}}  {row.deliverable_type:<{kinds}}  {row.tier!s:<4}  {row.phase:<9}  {tasks:>5}"
            f"  {row.refused:>7}  {row.components:>10}  {row.cycles:>6}  {row.updates:>7}  {row.took_s:.1f} s"
        )
    counted = outcome.messages
    yield ""
    yield f"messages: {counted['sent']} sent, {counted['taken']} taken, {counted['rejected']} rejected with a reason"
    yield ""
    for each in outcome.shown:
        yield f"{'ok ' if each.ok else 'NOT'}  {each.what}"
        yield from (f"       {line}" for line in each.detail.splitlines())
    yield ""
    yield f"to look at, in {outcome.folder}" + (":" if keep else " (until the next demo; --keep keeps it):")
    yield from (f"  {os.path.relpath(path, outcome.folder)}" for path in outcome.paths)
    yield ""
    yield f"{'the demo ends well' if outcome.ok else 'the demo has NOT shown everything'}, after {outcome.took_s:.1f} s"


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.command()(demo)
