"""`init` makes a memory; `service` puts the daemon under systemd, for good [OPS-2, OPS-11, OPS-23]."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from executord.cli import webunits
from executord.cli.frame import Frame, frame
from executord.cli.units import (
    SYSTEM_TREE,
    USER_TREE,
    Run,
    Step,
    Unit,
    ask,
    carry_out,
    install_steps,
    others,
    running,
    systemd_version,
    uninstall_steps,
    unit_of,
)
from executord.cli.welcome import README
from executord.cli.workers import end_workers
from executord.errors import CannotWrite, NotFound, UsageError
from executord.files.disk import INBOX
from executord.files.dropping import cannot, make_folders, put
from executord.policy import DESKS
from executord.settings import MEMORY
from executord.values import safe_id

service = typer.Typer(no_args_is_help=True, help="The daemon as a service of systemd.")

User = Annotated[bool, typer.Option("--user", help="For yourself only, without root.")]
Root = Annotated[str, typer.Option(metavar="DIR", help="Write below DIR, an image, and run no command.")]


# -- init ------------------------------------------------------------------------------------------------------


def init(
    context: typer.Context,
    path: Annotated[str | None, typer.Argument(metavar="PATH", help="Where; else the memory of the options.")] = None,
) -> None:
    """Make a memory ready: an inbox for every agent, and a README for workers. Nothing that is there is changed."""
    from executord import schemas  # its models take a while to build

    here = frame(context)
    if path is not None and here.memory_flag is not None:
        raise UsageError("PATH and --memory are the same thing", fix="give one of them")
    root = os.path.abspath(os.path.expanduser(path or here.memory_flag or here.settings.memory or MEMORY))
    agents = sorted({*here.policy.roster, *DESKS})
    folders = [f"{INBOX}/{name}" for name in agents if safe_id(name)] + ["_knowledge", "_archive", "_system"]
    try:
        os.makedirs(root, exist_ok=True)
        made = [each for folder in folders for each in make_folders(root, folder)]
        for kind in schemas.EDITED:
            path = os.path.join(root, schemas.PLACE, f"{kind}.schema.json")
            if not os.path.lexists(path):
                made += make_folders(root, schemas.PLACE)
                put(root, path, schemas.text_of(kind).encode())
                made.append(path)
        readme = os.path.join(root, "README.md")
        if not os.path.lexists(readme):
            put(root, readme, README.encode())
            made.append(readme)
    except FileExistsError as error:
        raise CannotWrite("a file stands where the memory should be", path=root, fix="choose another path") from error
    except OSError as error:
        raise cannot(root, error) from error
    here.give({"memory": root, "made": made}, lambda: _welcome(root, made))


def _welcome(root: str, made: list[str]) -> list[str]:
    if not made:
        return [f"{root} is a memory already; nothing was changed"]
    return [
        f"{root} is ready",
        f"  start the daemon:  executord --memory {root} run",
        f"  or for good:       executord --memory {root} service install",
        f"  give it work:      executord --memory {root} submit FILE",
    ]


# -- service ---------------------------------------------------------------------------------------------------


def _unit(here: Frame, user: bool, root: str = "") -> Unit:
    """The unit of the tree that is meant; the tree need not be there yet."""
    home = here.environ.get("HOME") or os.path.expanduser("~")
    default = os.path.join(home, USER_TREE) if user else SYSTEM_TREE
    tree = os.path.abspath(os.path.expanduser(here.memory_flag or here.settings.memory or default))
    base = os.path.abspath(root) if root else ""
    config = here.config_flag or here.environ.get("EXECUTORD_CONFIG")
    return unit_of(tree, user=user, environ=here.environ, config=config, root=base)


@service.command()
def install(
    context: typer.Context,
    user: User = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    root: Root = "",
    web: Annotated[
        str | None, typer.Option("--web", metavar="[HOST:]PORT", help="Its web pages too, at this address.")
    ] = None,
) -> None:
    """Put the unit of the tree in place, and start it now and with the machine."""
    here = frame(context)
    unit = _unit(here, user, root)
    listen = webunits.address_of(web) if web is not None else None
    for warning in unit.warnings(here.settings.source):  # a bad configuration is said now, not by a unit that ends
        typer.echo(f"executord: {warning}", err=True)
    steps = [*webunits.put_steps(unit, listen), *install_steps(unit, systemd_version())]
    _do(here, unit, [*steps, *webunits.start_steps(unit, listen)], dry_run)


@service.command()
def uninstall(
    context: typer.Context,
    user: User = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    root: Root = "",
) -> None:
    """Stop the service and remove its unit; the memory, the user and the configuration stay."""
    here = frame(context)
    unit = _installed(here, user, root)
    steps = [*webunits.remove_steps(unit, shared=bool(others(unit))), *uninstall_steps(unit)]
    _do(here, unit, steps, dry_run)


def _do(here: Frame, unit: Unit, steps: list[Step], dry_run: bool) -> None:
    commands = running(unit, here.environ)
    if not dry_run:
        carry_out(steps, commands=commands)
    left = [s for s in steps if isinstance(s, Run) and not commands]
    plain = {
        "unit": unit.name,
        "memory": unit.tree,
        "dry_run": dry_run,
        "steps": [s.words() for s in steps],
        "left": [s.words() for s in left],
    }
    here.give(plain, lambda: _told(steps, left, dry_run))


def _told(steps: list[Step], left: list[Run], dry_run: bool) -> list[str]:
    lines = [("would " if dry_run else "") + s.words() for s in steps if s not in left]
    if left:
        lines.append("systemd does not run here; where it does:")
        lines += [f"  {' '.join(s.command)}" for s in left]
    return lines


def _installed(here: Frame, user: bool, root: str = "") -> Unit:
    unit = _unit(here, user, root)
    if not unit.installed():
        fix = "`executord service install` puts it there; --user and --memory say which one is meant"
        raise NotFound(f"{unit.name} is not installed", path=unit.path, fix=fix)
    return unit


@service.command()
def show(context: typer.Context, user: User = False, root: Root = "") -> None:
    """Say which unit runs the tree, whether it is as this version would write it, and how it is."""
    here = frame(context)
    unit = _installed(here, user, root)
    with open(unit.path, encoding="utf-8", errors="replace") as file:
        current = file.read() == unit.text()
    said = ask(unit) if running(unit, here.environ) else {}
    pid = said.get("MainPID", "0")
    plain = {
        "unit": unit.name,
        "path": unit.path,
        "memory": unit.tree,
        "current": current,
        "active": said.get("ActiveState"),
        "sub": said.get("SubState"),
        "enabled": said.get("UnitFileState"),
        "pid": int(pid) if pid.isdigit() and pid != "0" else None,
        "web": webunits.address(unit),
    }
    here.give(plain, lambda: [f"{k:8} {v if v is not None else '-'}" for k, v in plain.items()])


@service.command()
def stop(
    context: typer.Context,
    user: User = False,
    workers: Annotated[bool, typer.Option("--workers", help="End worker processes too.")] = False,
) -> None:
    """Stop the service; it starts again with the machine, unless it is uninstalled."""
    here = frame(context)
    unit = _unit(here, user)
    by_systemd = unit.installed() and running(unit, here.environ)
    if not by_systemd and not workers:
        _installed(here, user)
        raise NotFound("systemd does not run here", fix="send the daemon SIGTERM; `executord status` has its pid")
    if by_systemd:
        carry_out([unit.systemctl("stop", unit.name)], commands=True)
    ended = end_workers(unit.tree) if workers else None
    plain = {"unit": unit.name, "stopped": by_systemd, "workers": ended}
    here.give(plain, lambda: _stopped(unit.name if by_systemd else None, ended))


def _stopped(unit: str | None, ended: list[Mapping[str, Any]] | None) -> list[str]:
    lines = [f"{unit} is stopped"] if unit is not None else []
    if ended is not None:
        lines.append(f"{len(ended)} workers ended, nothing of them is left" if ended else "no worker was running")
        for row in ended:
            whose = row["instruction"] or row["session"]
            lines.append(f"  pid {row['pid']}: {whose}/{row['task']} a{row['attempt']}")
    return lines


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.command()(init)
    app.add_typer(service, name="service")
