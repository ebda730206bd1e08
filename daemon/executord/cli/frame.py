"""What every command has in common: which tree, which configuration, how results and errors are printed [CON-0, CON-1].

Results on stdout, log on stderr; with `--json` one object, and an error is an object too, its text also on stderr.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from executord import settings as configuration
from executord.clock import WallClock
from executord.errors import ExecutordError, NotFound, NotOurs
from executord.files import lock
from executord.files.disk import INBOX
from executord.pen import printable, safe_text
from executord.policy import Policy
from executord.settings import Settings

if TYPE_CHECKING:  # most commands drop a message and need no more of the daemon
    from executord.service import Service

SCHEMA_VERSION = 1

#: What steers a terminal, colours apart: a file's name, or a text from a ticket, must not.
_STEERS = re.compile("\x1b(?!\\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


@dataclass
class Frame:
    """The global options of one call, and what follows from them."""

    memory_flag: str | None = None
    config_flag: str | None = None
    state_flag: str | None = None
    as_json: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @cached_property
    def settings(self) -> Settings:
        """The configuration. Raises `BadConfiguration`."""
        return configuration.load(self.config_flag, self.environ)

    @cached_property
    def memory(self) -> str:
        """The memory's folder, resolved. Raises `NotFound` where there is none that can be read [CON-1]."""
        path = configuration.memory_folder(self.settings, self.memory_flag)
        if not os.access(path, os.R_OK | os.X_OK):  # else it would look like one with nothing in it
            raise NotFound(f"the memory at {path} cannot be read", path=path, fix="give yourself permission to read it")
        return os.path.realpath(path)

    @cached_property
    def policy(self) -> Policy:
        """What the rules may know of the configuration."""
        return self.settings.policy()

    @property
    def state(self) -> str:
        """The state folder of this tree [OPS-10]."""
        return configuration.state_folder(self.settings, self.state_flag, self.environ, self.memory)

    def now(self) -> datetime:
        """The present instant."""
        return WallClock().now()

    def peek(self, now: datetime | None = None, ids: Collection[str] | None = None) -> Service:
        """All cases (or these) as they lie there, loaded without changing anything; for reading commands."""
        from executord.service import Service

        service = Service(self.memory, self.policy, durable=False, before=_never)
        service.store.expect_settled = True
        service.load_all(now or self.now(), ids)
        return service

    def case_named(self, given: str) -> str:
        """The id of the instruction that is meant: its folder's name, also with a `/` behind it. Raises `NotFound`."""
        from executord.files.store import Store

        name, store = given.rstrip("/"), Store(self.memory, self.policy)
        if not name or not store.is_case(name):
            raise self.no_case(name, store.case_ids())
        return name

    def no_case(self, name: str, there: Iterable[str]) -> NotFound:
        """The error that no instruction is called so; it names one that nearly is."""
        near = difflib.get_close_matches(name, there, 1)
        fix = f"did you mean {near[0]}?" if near else "`executord list` shows them all"
        return NotFound(f"there is no instruction {name!r} here", path=self.memory, fix=fix)

    def inbox(self, agent: str) -> str:
        """An agent's inbox folder, absolute."""
        return os.path.join(self.memory, INBOX, agent)

    def say_if_down(self) -> None:
        """People are told that nobody is at work on what they see [OPS-4]; on stderr, so that a pipe holds the result
        alone. Programs ask `status`."""
        if not self.as_json and lock.holder(self.memory) is None:
            print("executord: the daemon is not running; this is how things lie there", file=sys.stderr)

    # -- printing ------------------------------------------------------------------------------------------

    def give(self, result: Mapping[str, Any], text: Callable[[], Iterable[str]] | None = None) -> None:
        """Print a result: as JSON with `schema_version`, or as text lines."""
        if self.as_json or text is None:
            say(json.dumps({"schema_version": SCHEMA_VERSION, **result}, ensure_ascii=False, default=str))
            return
        for line in text():
            say(line)

    def fail(self, error: ExecutordError) -> NoReturn:
        """Print an error as the contract says, and end with its exit code."""
        print(f"executord: {safe_text(error)}", file=sys.stderr)  # first: stdout may be what has failed
        if self.as_json:
            what = {"code": error.exit_code, "message": error.message, "path": error.path, "fix": error.fix}
            say(json.dumps({"schema_version": SCHEMA_VERSION, "error": what}, ensure_ascii=False))
        raise typer.Exit(error.exit_code)


def say(text: str) -> None:
    """One line on stdout, or several; a reader that has gone is no error."""
    try:
        sys.stdout.write(_STEERS.sub(_as_escape, printable(text)) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise typer.Exit(0) from None


def _as_escape(hit: re.Match[str]) -> str:
    return f"\\u{ord(hit[0]):04x}"  # in JSON the same character


def _never(operation: str, path: str) -> None:
    raise NotOurs(f"a reading command does not write: {operation} {path}", path=path)


def frame(context: typer.Context) -> Frame:
    """The frame of the running command."""
    found = context.find_root().obj
    assert isinstance(found, Frame)
    return found
