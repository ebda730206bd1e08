"""`run`: the daemon itself [OPS-6]."""

from __future__ import annotations

from typing import Annotated

import typer

from executord import log
from executord import settings as configuration
from executord.cli.frame import Frame, frame
from executord.errors import BadConfiguration, BadInput, UsageError
from executord.loop import Loop, Order
from executord.settings import Settings
from executord.values import cli_span


def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="One look at every case, then end.")] = False,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End with 0 once nothing is due and nothing is in progress.")
    ] = False,
    max_wait: Annotated[str | None, typer.Option(help="With --until-idle: give up after this span (124).")] = None,
    log_file: Annotated[str | None, typer.Option(envvar="EXECUTORD_LOG_FILE", help="JSON lines go there too.")] = None,
    log_level: Annotated[
        str, typer.Option(envvar="EXECUTORD_LOG_LEVEL", help="TRACE, DEBUG, INFO, WARNING, ERROR.")
    ] = "INFO",
) -> None:
    """Run the daemon on one tree until it is told to stop."""
    here = frame(context)
    if once and until_idle:
        raise UsageError("--once and --until-idle exclude each other")
    if max_wait is not None and not until_idle:
        raise UsageError("--max-wait goes with --until-idle")
    try:
        patience = float(cli_span(max_wait)) if max_wait is not None else None
    except BadInput as error:
        raise UsageError(f"--max-wait: {error.message}", fix=error.fix) from error
    try:
        log.configure(log_level, log_file)
    except ValueError as error:
        raise UsageError(str(error)) from error
    log.forgive_output()
    loop = Loop(here.memory, here.state, here.settings, lambda: _reload(here))
    if once:
        raise typer.Exit(loop.once())
    raise typer.Exit(loop.run(Order(until_idle, patience)))


def _reload(here: Frame) -> Settings:
    fresh = configuration.load(here.config_flag, here.environ)
    for key in ("memory", "state", "durability"):
        if getattr(fresh, key) != getattr(here.settings, key):
            raise BadConfiguration(f"{key} cannot be changed while the daemon runs", fix="restart it")
    return fresh


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.command()(run)
