"""The commands about incidents: list, show, verify; they only look [INC-5].

Counterpart: `views/warroom.py`, what is shown and how a timeline is checked.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from executord.case.casebook import Case
from executord.case.warroom import Incident
from executord.cli import boards
from executord.cli.frame import Frame, frame
from executord.clock import pause
from executord.errors import NotFound
from executord.files.store import Store
from executord.pen import dump
from executord.rules.incident import view, view_path
from executord.service import Service
from executord.values import stamp
from executord.views import warroom

Some = Annotated[str | None, typer.Argument(metavar="[ID]", help="An instruction; without it all.")]
One = Annotated[
    str, typer.Argument(metavar="INCIDENT|ID", help="The incident's id; or its instruction's, for the last one.")
]
VIEW_LATE_S = 1.5
_group = typer.Typer(no_args_is_help=True, help="Critical incidents: list, show, verify.")


def _found(here: Frame, named: str, now: datetime) -> tuple[Service, Case, Incident]:
    """The incident, with as few cases read as its name allows. Raises `NotFound`."""
    name = named.rstrip("/")
    store = Store(here.memory, here.policy)
    spoken = [i for i in warroom.spoken_of(name) if store.is_case(i)]
    service = here.peek(now, spoken)
    found = warroom.find(service, name)
    if found is None:
        service = here.peek(now, [i for i in store.case_ids() if warroom.mentions(here.memory, i, name)])
        found = warroom.find(service, name)
    if found is not None:
        return service, *found
    raise NotFound(f"there is no incident {named!r} here", path=here.memory, fix="`executord incident list`")


@_group.command("list")
def list_(context: typer.Context, instruction: Some = None) -> None:
    """One line per incident: id, severity, status, commander."""
    here = frame(context)
    now = here.now()
    name = instruction.rstrip("/") if instruction is not None else None
    alone = [name] if name is not None and Store(here.memory, here.policy).is_case(name) else None
    rows = warroom.rows(here.peek(now, alone), (name,) if name is not None else ())
    head = ("INCIDENT", "INSTRUCTION", "SEV", "STATUS", "OPENED", "COMMANDER", "ENTRIES")
    keys = ("incident_id", "instruction_id", "severity", "status", "opened_at", "commander", "entries")
    shown = [[r[k] for k in keys] for r in rows]
    here.say_if_down()
    here.give({"at": stamp(now), "incidents": rows}, lambda: boards.listed(head, shown, "no incidents"))


@_group.command()
def show(context: typer.Context, incident: One) -> None:
    """One incident: roles, cadence, timeline, papers."""
    here = frame(context)
    now = here.now()
    _, case, found = _found(here, incident, now)
    whole = view(case, found)
    result = {"at": stamp(now), **{k: v for k, v in whole.items() if k != "schema_version"}}
    here.say_if_down()
    here.give(result, lambda: dump(whole).decode().splitlines())


@_group.command()
def verify(context: typer.Context, incident: One) -> None:
    """Check the chain of a timeline, and that incident.yaml shows what the journal says: 0 it does, 1 not."""
    here = frame(context)
    now = here.now()
    service, case, found = _found(here, incident, now)
    faults = warroom.verify(service, case, found)
    if faults and all(fault.startswith(view_path(found)) for fault in faults):
        pause(VIEW_LATE_S)  # a daemon at work makes its view up to a second after the line [MEM-24]
        service, case, found = _found(here, incident, here.now())
        faults = warroom.verify(service, case, found)
    ok = not faults
    result = {"at": stamp(now), "incident_id": found.id, "ok": ok, "entries": len(found.timeline), "faults": faults}
    here.say_if_down()
    here.give(result, lambda: faults or [f"{found.id}: {len(found.timeline)} entries, the chain holds"])
    if not ok:
        raise typer.Exit(1)


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.add_typer(_group, name="incident")
