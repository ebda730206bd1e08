"""`validate`, `fsck`, `doctor`, `schema`, `config`, `sla due`: what is odd, in files, trees, machines [OPS-8, OPS-22].

Counterparts: `checks/checking.py`, `checks/fsck.py`, `checks/repair.py`, `checks/doctor.py`, `schemas/` and
`sla_due.py` do the work; here they are called and shown.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from executord import settings as configuration
from executord.checks import checking, fsck, repair
from executord.checks import doctor as physician
from executord.cli import sla_due, units
from executord.cli.frame import Frame, frame, say
from executord.cli.sla_report import report as sla_report
from executord.errors import BadConfiguration, BadInput, CannotWrite, Finding, NotFound, Unreadable, UsageError
from executord.paper import Limits, parse
from executord.paper.gate import open_file
from executord.paper.tree import documents
from executord.pen import dump, safe_text
from executord.settings import Settings
from executord.views.obstacles import finding_view

_LARGEST = 1 << 24  # bytes of a file that a person names

sla = typer.Typer(help="Due times and reports.", no_args_is_help=True)
config = typer.Typer(help="The configuration.", no_args_is_help=True)


def _lines(findings: Iterable[Finding]) -> Iterator[str]:
    """One finding a line, as MEM-13 has it, after its severity."""
    return (safe_text(f"{f.severity} {f.text()}") for f in findings)


# --- validate, fsck, doctor -------------------------------------------------------------------------------------------


def validate(
    context: typer.Context,
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]…", help="Files or folders; else all.")] = None,
    kind: Annotated[str | None, typer.Option(help=f"One of {', '.join(checking.KINDS)}; else by its place.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
) -> None:
    """Check files before the daemon meets them: tasks, messages, instructions, plans, configurations, calendars."""
    here = frame(context)
    root, ground = _root(here, bool(paths)), checking.Ground()
    try:
        ground = checking.Ground(root, here.policy.zone, _limits(here.settings))
    except BadConfiguration:
        ground = checking.Ground(root)  # a broken configuration is no reason not to look at a file
    found = checking.check(paths or (), kind, ground)
    ok = found.ok(strict=strict)
    here.give(
        {"ok": ok, "checked": found.count, "findings": [finding_view(f) for f in found.findings]},
        lambda: _lines(found.findings),
    )
    if not here.as_json:
        print(f"{found.count} checked: {_counted(found.findings)}", file=sys.stderr)
    if not ok:
        raise typer.Exit(BadInput.exit_code)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.limits.file_bytes, settings.limits.yaml_depth)


def _root(here: Frame, named: bool) -> str | None:
    """The memory; none is needed for files that are named, unless one is asked for."""
    try:
        return here.memory
    except (NotFound, BadConfiguration):
        if not named or here.memory_flag is not None:
            raise
        return None


def _counted(findings: Iterable[Finding]) -> str:
    listed = list(findings)
    errors = sum(f.severity == "error" for f in listed)
    if not listed:
        return "nothing found"
    return f"{errors} error{'' if errors == 1 else 's'}, {len(listed) - errors} other"


def check_tree(
    context: typer.Context,
    fix: Annotated[bool, typer.Option("--fix", help="Put right what needs no decision.")] = False,
) -> None:
    """Check the tree: journals, folders, attempts, results, what a crash may have left."""
    here = frame(context)
    tree = fsck.Tree(here.memory, here.policy, here.state, _limits(here.settings))
    more: dict[str, Any] = {}
    fixed: tuple[Finding, ...] = ()
    if fix:
        mended = repair.fix(tree, here.now())
        found, fixed = mended.left, mended.fixed
        more = {"fixed": [finding_view(f) for f in fixed], "copies": mended.copies}
    else:
        found = fsck.check(tree, here.now)
    here.give(
        {"ok": found.ok, "checked": found.count, "findings": [finding_view(f) for f in found.findings], **more},
        lambda: [*(safe_text(f"fixed {replace(f, fix=None).text()}") for f in fixed), *_lines(found.findings)],
    )
    if not here.as_json:
        print(f"{found.count} checked: {_counted(found.findings)}", file=sys.stderr)
    if not found.ok:
        raise typer.Exit(1)


def _unit_checks(root: str, environ: Mapping[str, str]) -> Iterator[physician.Check]:
    """Whether the unit that runs this tree here is as hardened as it ships [OPS-8, OPS-11]; nothing without one."""
    unit = units.unit_of(root, user=False, environ=environ, config=None)
    if not unit.installed() or not units.running(unit, environ) or (level := units.exposure(unit)) is None:
        return
    said = f"{unit.name}: {level:g} of at most {units.EXPOSURE:g} by systemd-analyze security"
    if level > units.EXPOSURE:
        fix = f"`executord service install` renews it; `systemctl cat {unit.name}` shows what goes over it"
        yield physician.Check("unit exposure", "warning", said, fix)
    else:
        yield physician.Check("unit exposure", "fine", said)


def doctor(context: typer.Context) -> None:
    """Check this machine and this tree: what needs a person, and what to do."""
    here = frame(context)
    try:
        made, notes = configuration.check(here.config_flag, here.environ)
    except BadConfiguration as error:
        made, notes = None, [error.finding()]
    settings = made if made is not None else Settings()  # with the defaults there may be more to say
    named = here.memory_flag or here.environ.get("EXECUTORD_MEMORY")
    root = os.path.realpath(configuration.memory_folder(settings, named))
    state = configuration.state_folder(settings, here.state_flag, here.environ, root)
    service = fsck.looking(fsck.Tree(root, settings.policy(), state, _limits(settings)))
    service.load_all(here.now())
    checks = [*physician.examine(service, settings, notes, state, here.now()), *_unit_checks(root, here.environ)]
    findings = [found for check in checks if (found := check.finding) is not None]
    ok = not any(found.severity == "error" for found in findings)
    here.give(
        {"ok": ok, "memory": root, "checks": [asdict(check) for check in checks],
         "findings": [finding_view(found) for found in findings]},
        lambda: (safe_text(check.text()) for check in checks),
    )  # fmt: skip
    if not ok:
        raise typer.Exit(1)


# --- schema, config ---------------------------------------------------------------------------------------------------


def schema(
    context: typer.Context,
    kind: Annotated[str | None, typer.Argument(help="What the schema is of; without it: the list.")] = None,
    write: Annotated[
        str | None,
        typer.Option("--write", metavar="DIR", help="Write {kind}.schema.json of all kinds there, for editors."),
    ] = None,
) -> None:
    """Print the JSON Schema of a file or message, or list what there is."""
    from executord import schemas  # its models take a while to build, and few commands need them

    if write is not None:
        names = [kind] if kind is not None else list(schemas.kinds())
        written = [_write_schema(write, name, schemas.text_of(name)) for name in names]
        frame(context).give({"written": written}, lambda: written)
        return
    if kind is not None:
        say(json.dumps(schemas.schema_of(kind), ensure_ascii=False, indent=2))
        return
    known = schemas.kinds()
    width = max(map(len, known))
    frame(context).give(
        {"kinds": [{"kind": name, "about": words} for name, words in known.items()]},
        lambda: (f"{name:<{width}}  {words}" for name, words in known.items()),
    )


def _write_schema(folder: str, name: str, text: str) -> str:
    path = os.path.join(folder, f"{name}.schema.json")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CannotWrite(f"cannot write: {error.strerror}", path=path, fix="name another folder") from error
    return path


@config.command("show")
def show_config(context: typer.Context) -> None:
    """Show the configuration that counts, with what is secret masked."""
    here = frame(context)
    plain = here.settings.redacted()
    here.give(
        {"source": here.settings.source, "config": plain},
        lambda: [f"# {here.settings.source or 'built-in defaults'}", dump(plain).decode().rstrip("\n")],
    )


@config.command("validate")
def validate_config(
    context: typer.Context,
    path: Annotated[str | None, typer.Argument(metavar="[FILE]", help="Else the configuration that counts.")] = None,
) -> None:
    """Check the configuration with the environment over it; 78 if it is not valid."""
    here = frame(context)
    if path is not None and not os.path.exists(path):
        raise NotFound("there is no such file", path=path, fix="check the path")
    made, notes = configuration.check(path or here.config_flag, here.environ)
    source = configuration.find(path or here.config_flag, here.environ)
    here.give(
        {"ok": made is not None, "source": source, "checked": int(source is not None),
         "findings": [finding_view(note) for note in notes]},
        lambda: _lines(notes),
    )  # fmt: skip
    if not here.as_json:
        print(f"{source or 'built-in defaults'}: {_counted(notes)}", file=sys.stderr)
    if made is None:
        raise typer.Exit(BadConfiguration.exit_code)


@config.command("generate")
def generate_config(
    context: typer.Context,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there.")] = None,
) -> None:
    """Print a commented sample configuration."""
    text = "# yaml-language-server: $schema=config.schema.json\n"
    text += "# (made by: executord schema config --write .)\n" + configuration.generate()
    here = frame(context)
    if output is None:
        here.give({"path": None, "text": text}, lambda: [text.rstrip("\n")])
        return
    try:
        with open(output, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CannotWrite(f"cannot write: {error.strerror}", path=output, fix="name another file") from error
    here.give({"path": output, "text": text}, lambda: ())


# --- sla report, sla due -------------------------------------------------------------------------------------------


sla.command("report")(sla_report)


@sla.command("due")
def due(
    context: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="[FILE|-]", help="One object, a list, or the vectors.")] = None,
    calendar: Annotated[str | None, typer.Option(metavar="FILE|NAME", help="Working hours.")] = None,
    start: Annotated[str | None, typer.Option(metavar="T", help="When the clock starts.")] = None,
    target: Annotated[str | None, typer.Option(metavar="SPAN", help='How long it may take, e.g. "4 hours".')] = None,
    pause: Annotated[list[str] | None, typer.Option(metavar="FROM/TO|FROM/", help="A pause; several may be.")] = None,
    at: Annotated[str | None, typer.Option(metavar="T", help="Also say how much is used at this moment.")] = None,
    check_it: Annotated[bool, typer.Option("--check", help="Compare with what the file says.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what was counted and what was not.")] = False,
) -> None:
    """Work out when something is due, from a calendar, a start, a target and pauses."""
    here = frame(context)
    flags = {"--calendar": calendar, "--start": start, "--target": target, "--pause": pause, "--at": at}
    given = [name for name, value in flags.items() if value]
    if file is not None and given:
        raise UsageError(f"give a FILE or {', '.join(given)}, not both")
    names = sla_due.Names(here.settings.timezone, here.policy.calendars)
    try:
        code, text = sla_due.run(
            _read(file) if file is not None else None,
            calendar=_calendar(calendar, names), start=start, target=target, pauses=pause or (), at=at,
            check_it=check_it, explain=explain, as_json=here.as_json, names=names,
            load=lambda text: _load(text, file or "-"),
        )  # fmt: skip
    except BadInput as error:
        error.path = error.path or file
        raise
    sys.stdout.write(text)
    if code:
        raise typer.Exit(code)


def _calendar(named: str | None, names: sla_due.Names) -> object:
    """A calendar's name, or what the file of that name holds."""
    if named is None or named in names.calendars or named.strip().lower() in ("24x7", "24/7", "business"):
        return named
    is_file = os.path.exists(named) or os.sep in named or named.endswith((".yaml", ".yml", ".json"))
    return _load(_read(named), named) if is_file else named


def _read(path: str) -> str:
    try:
        raw = sys.stdin.buffer.read(_LARGEST) if path == "-" else open_file(path, limit=_LARGEST).raw
    except FileNotFoundError:
        raise NotFound("there is no such file", path=path, fix="check the path") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("the file is not UTF-8 text", path=path, fix="save it as UTF-8") from None


def _load(text: str, path: str) -> object:
    """JSON, else the first YAML document. Raises `BadInput`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return next((value for value, _ in documents(text.encode(), Limits(bytes=_LARGEST, nodes=1_000_000), [])), None)
    except Unreadable:
        raise
    except Exception:  # whatever the C reader raises; the careful reader raises it again with its place
        parse(text.encode(), path=path, limits=Limits(bytes=_LARGEST, nodes=1_000_000))  # it says what is wrong, where
        raise BadInput("it is neither JSON nor YAML", path=path, code="CON-9") from None


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.command()(validate)
    app.command("fsck")(check_tree)
    app.command()(doctor)
    app.command()(schema)
    app.add_typer(config, name="config")
    app.add_typer(sla, name="sla")
