"""What can go wrong, with what a person needs to fix it.

Counterpart: the exit codes of the contract [CON-18] and the findings of `validate` [CON-10].
One base, one class per cause; the docstring of a class is its default message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault or oddity in something that somebody wrote [MEM-13].

    `code` is the rule's id, `field` the dotted key path, `line` and `column` count from 1 (None if unknown).
    """

    code: str
    message: str
    fix: str | None = None
    severity: str = "error"  # or "warning"
    field: str | None = None
    path: str | None = None
    line: int | None = None
    column: int | None = None

    def at(self, path: str | None = None, line: int | None = None, column: int | None = None) -> Finding:
        """The same finding with the place where it stands."""
        return replace(self, path=path or self.path, line=line or self.line, column=column or self.column)

    def text(self) -> str:
        """`path:line:col field: message; fix`, as MEM-13 shows it."""
        place = self.path or ""
        if self.line is not None:
            place += f":{self.line}:{self.column or 1}"
        words = f"{self.field}: {self.message}" if self.field else self.message
        head = words if not place or words.startswith(f"{place} ") else f"{place} {words}"  # it may open with it
        return f"{head}; {self.fix}" if self.fix else head


class ExecutordError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str | None = None,
        *,
        path: str | None = None,
        line: int | None = None,
        column: int | None = None,
        expected: str | None = None,
        fix: str | None = None,
        code: str | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.path, self.line, self.column = path, line, column
        self.expected, self.fix, self.code = expected, fix, code
        super().__init__(self.message)

    def finding(self, severity: str = "error") -> Finding:
        """The same as a finding, for lists of faults."""
        return Finding(
            code=self.code or "",
            message=self.message,
            fix=self.fix,
            severity=severity,
            path=self.path,
            line=self.line,
            column=self.column,
        )

    def __str__(self) -> str:
        text = self.finding().text()
        return f"{text} (expected {self.expected})" if self.expected else text


class UsageError(ExecutordError):
    """The command was not called as it can be."""

    exit_code = 2


class BadInput(ExecutordError):
    """The data is not valid."""

    exit_code = 65


class Unreadable(BadInput):
    """The file cannot be read."""


class NotYetWhole(BadInput):
    """The file is still being written; look again later."""


class NotFound(ExecutordError):
    """There is no such thing."""

    exit_code = 66


class DaemonDown(ExecutordError):
    """The daemon is not running; the message stays and is taken at its next start."""

    exit_code = 69


class CannotWrite(ExecutordError):
    """It cannot be written, or it exists already."""

    exit_code = 73


class NotOurs(ExecutordError):
    """The daemon does not own this path and never writes there."""

    exit_code = 73


class CannotStart(ExecutordError):
    """The worker cannot be started."""

    passing: bool = False  # the machine has no room for it just now: not the worker's fault, it is tried again


class TooMuch(ExecutordError):
    """A look at a case does not come to its end."""


class Locked(ExecutordError):
    """Another daemon holds the tree."""

    exit_code = 75


class BadConfiguration(ExecutordError):
    """The configuration is not valid."""

    exit_code = 78


class NotInstalled(ExecutordError):
    """What was asked for is in an extra that is not installed [OPS-3]."""

    exit_code = 78

    def __init__(self, extra: str) -> None:
        fix = f"install executord[{extra}], e.g. `uv tool install 'executord[{extra}]'`"
        super().__init__(f"this needs the extra `{extra}`, which is not installed", fix=fix, code="OPS-3")


class TimedOut(ExecutordError):
    """The time given was not enough."""

    exit_code = 124
