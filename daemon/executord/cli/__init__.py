"""The command line [chapter 8]: one file per group of commands; `cli/frame.py` is what they have in common.

Add a command: a function in the file of its group, and its word in `GROUPS`: by it the file is found, and no other is
imported, because a person who asks for `status` should not wait for the parts of the daemon. `main` is the entry point;
it alone turns errors into exit codes.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final, NoReturn

import typer

from executord import __version__
from executord.cli.frame import Frame
from executord.errors import CannotWrite, ExecutordError, UsageError

app = typer.Typer(
    name="executord",
    help="The daemon that runs the executor of a support organisation over a folder of YAML files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: Modules of this package that add commands, each with the words of its commands: each has `add(app)`.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("run",),
    "web": ("web",),
    "demo": ("demo",),
    "look": ("status", "list", "show", "agenda", "why", "explain", "timeline", "log", "wait"),
    "check": ("validate", "fsck", "doctor", "schema", "config", "sla"),
    "rehearse": ("simulate",),
    "give": ("submit", "send", "respond"),
    "decide": (
        "retry", "reassign", "defer", "cancel", "hold", "release", "pause", "resume", "mute", "unmute", "priority",
        "ack", "accept-late",
    ),
    "outcome": ("gate", "report", "archive"),
    "incident": ("incident",),
    "notify": ("notify",),
    "setup": ("init", "service"),
    "session": ("session",),
}  # fmt: skip
_added: set[str] = set()


def _version(value: bool) -> None:
    if value:
        typer.echo(f"executord {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    memory: Annotated[str | None, typer.Option(help="The memory's folder [env EXECUTORD_MEMORY].")] = None,
    config: Annotated[str | None, typer.Option(help="The configuration file [env EXECUTORD_CONFIG].")] = None,
    state: Annotated[str | None, typer.Option(help="The state folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    _show: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    context.obj = Frame(memory, config, state, as_json)


def load(word: str | None = None) -> None:
    """Put the group of this command on the command line; all of them for no command, or one that is not known."""
    for group in [g for g, words in GROUPS.items() if word in words] or list(GROUPS):
        if group not in _added:
            _added.add(group)
            importlib.import_module(f"executord.cli.{group}").add(app)


#: typer's error for a wrong call, wherever its release keeps click.
_USAGE: Any = typer.BadParameter.__bases__[0]
_INTERRUPTED = 130  # what typer makes of Ctrl-C
_GLOBAL = {"--memory": True, "--config": True, "--state": True, "--json": False}


def _globals_first(args: list[str]) -> tuple[list[str], list[str]]:
    """The global options, which may stand anywhere, and the rest, which begins with the command."""
    front: list[str] = []
    rest: list[str] = []
    k = 0
    while k < len(args):
        arg = args[k]
        if arg == "--":
            rest += args[k:]
            break
        name = arg.split("=", 1)[0]
        if name in _GLOBAL:
            front.append(arg)
            if _GLOBAL[name] and "=" not in arg and k + 1 < len(args):
                k += 1
                front.append(args[k])
        else:
            rest.append(arg)
        k += 1
    return front, rest


def _of_file(error: OSError) -> str | None:
    return str(error.filename) if error.filename is not None else None


def main(args: list[str] | None = None) -> None:
    """Run one command and exit with the code of the contract [CON-18]."""
    _open_streams()
    front, rest = _globals_first(sys.argv[1:] if args is None else args)
    if rest[:1] == ["session"] and rest[-1] == "--session":
        rest.pop()  # it is missed like one that was not given at all [SES-3]
    frame = Frame(as_json="--json" in front)
    try:
        try:
            load(next((arg for arg in rest if not arg.startswith("-")), None))
            command = typer.main.get_command(app)
            result = command.main(args=front + rest, prog_name="executord", standalone_mode=False)
            code = result if isinstance(result, int) else 0
            if code == _INTERRUPTED:
                raise KeyboardInterrupt
        except _USAGE as error:
            said = error.format_message()
            if said.startswith("Usage:"):  # no command was named: what there is, and that it was none
                print(said, file=sys.stderr)
                said = "Missing command."
            raise UsageError(said, fix="see `executord --help`") from error
    except BrokenPipeError:
        code = _unheard()  # `| head -1` is no error
    except (ExecutordError, OSError) as error:
        fault = error if isinstance(error, ExecutordError) else CannotWrite(error.strerror, path=_of_file(error))
        code = _failed(frame, fault)
    except (typer.Abort, KeyboardInterrupt):
        _interrupted()
    except typer.Exit as ended:
        code = ended.exit_code
    except Exception as error:  # ours: with --json it is an object like any other, for people where it happened
        sys.excepthook(type(error), error, error.__traceback__)
        code = _failed(frame, ExecutordError(f"{type(error).__name__}: {error}", fix="this is a fault of executord"))
    sys.exit(_flushed(code))


def _open_streams() -> None:
    """Streams that take every character, whatever the locale says [CON-0].

    One that was closed (`>&-`) becomes the null device: else the next file opened gets its number, and is printed into.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _failed(frame: Frame, fault: ExecutordError) -> int:
    """Say what went wrong; the exit code. Where stdout takes nothing, stderr has said it."""
    try:
        frame.fail(fault)
    except typer.Exit as ended:
        return ended.exit_code
    except BrokenPipeError:
        return _unheard()
    except OSError:
        return fault.exit_code


def _interrupted() -> NoReturn:
    """End as whom the signal ended, which no exit code says: there are no others than those of the contract."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    raise SystemExit(ExecutordError.exit_code)


def _unheard() -> int:
    """The reader of stdout has gone: nothing more is written there, not even at the interpreter's end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _flushed(code: int) -> int:
    """The exit code, once all that was said has left; what cannot be written is an error [CON-18]."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _unheard() or code
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        print(f"executord: stdout: {error.strerror}", file=sys.stderr)
        return code or CannotWrite.exit_code
    return code
