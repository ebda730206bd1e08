"""What the daemon says of itself: one place, one line per journal line, in the same words [OPS-13].

Counterpart: the journal [CON-6], whose lines are repeated here; rules never log.

Rules of the house
- A line is never lost for its bytes: names of files that are no text are written with backslashes [hazard 18].
- No line breaks, escapes or bells from other people's texts reach a terminal; a journal line stays one line.
- Logging never raises and never stops the daemon: a full disk, a closed pipe, a journald that is gone [hazard 30].
- No values in tracebacks (`diagnose=False`): rendering one can take minutes [hazard 3]. What looks secret is masked.
"""

from __future__ import annotations

import array
import errno
import fcntl
import json
import logging
import os
import re
import select
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Protocol

from loguru import logger

from executord.pen import safe_text

if TYPE_CHECKING:
    from loguru import Message, Record

JOURNALD: Final = "/run/systemd/journal/socket"
LEVELS: Final = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")

SECRET: Final = re.compile(
    r"(?:pass(?:word|wd|phrase)|secret|token(?!s\b)|credential|authorization|cookie|api[_-]?key|private[_-]?key|bearer)"
    r"(?!.*_file$)",
    re.I,
)
"""Keys whose values are never shown. The same as in `settings`; a test holds them together."""

_SAID = re.compile(
    r"(?i)\b((?:\w+[_-])?(?:password|passwd|passphrase|secret|token|credential|api[_-]?key|authorization)"
    r"[\"']?\s*[=:]\s*[\"']?(?:(?:bearer|basic)\s+)?)([^\s\"',;}]+)"
)
_SAYING = ("pass", "secret", "token", "credential", "auth", "api")  # one of them stands in whatever `_SAID` finds
_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", re.I)
_PRIORITIES: Final = {"TRACE": 7, "DEBUG": 7, "INFO": 6, "SUCCESS": 5, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
_COLORS: Final = {"TRACE": "2", "DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
# Our fields under the names that journalctl is asked for.
_FIELDS: Final = {"instruction": "INSTRUCTION_ID", "task": "TASK_ID", "agent": "AGENT", "event": "EVENT"}
_LOUD = frozenset(
    ("breach", "escalate", "park", "parked", "reject", "stuck", "time", "unanswered")
)  # first words of lines' names
_KEPT: Final = ("rule", "action", "attempt", "type", "due")  # what a journal line adds as fields
_QUIET: Final = ("apscheduler", "watchdog", "asyncio", "urllib3")


def masked(text: str) -> str:
    """The text with `password=…` and its like, and names in URLs, replaced by `***`."""
    folded = text.casefold()
    if any(word in folded for word in _SAYING):  # few lines do, and to look for it properly takes its time
        text = _SAID.sub(r"\1***", text)
    return _USER.sub(r"\1***@", text) if "://" in text else text


def _fields(record: Record) -> dict[str, Any]:
    """The bound fields, in the order of importance, with what looks secret masked."""
    extra = record["extra"]
    order = [key for key in _FIELDS if key in extra] + sorted(key for key in extra if key not in _FIELDS)
    return {
        key: "***" if SECRET.search(key) else _plain(extra[key]) for key in order if extra[key] is not None
    }  # fmt: skip


def _plain(value: object) -> Any:
    return value if isinstance(value, (bool, int, float)) else masked(safe_text(value))


def _traceback(message: Message) -> str:
    """The lines of an exception, without values; empty if there is none. Masked, and safe line by line."""
    if message.record["exception"] is None:
        return ""
    return "\n".join(masked(safe_text(line)) for line in str(message).rstrip("\n").split("\n"))


def _at(record: Record) -> str:
    return f"{record['time'].astimezone(UTC).isoformat()[:19]}Z"


# --- where lines go ---------------------------------------------------------------------------------------------------


class Sink(Protocol):
    """Something that takes lines."""

    def __call__(self, message: Message) -> None:
        """Write one line; never raises."""


def _write(fd: int, data: bytes) -> bool:
    """All of it, unless the other end is gone, full or asleep; a slow reader is waited for half a second at most."""
    try:
        while data:
            if not select.select((), (fd,), (), 0.5)[1]:
                return False
            # In parts that a pipe takes at once: a longer write would wait for the reader, and the loop with it.
            data = data[os.write(fd, data[: select.PIPE_BUF]) :]
    except (OSError, ValueError):
        return False
    return True


class Stream:
    """Lines for people, on a descriptor, past Python's buffers: what they cannot flush would fail at the exit."""

    def __init__(self, fd: int, color: bool) -> None:
        self._fd, self._color = fd, color
        self.lost = 0

    def __call__(self, message: Message) -> None:
        record = message.record
        about = "/".join(str(record["extra"][key]) for key in ("instruction", "task") if record["extra"].get(key))
        text = masked(safe_text(f"{about} {record['message']}" if about else record["message"]))
        level = record["level"].name
        shown = f"{level:<7}"
        if self._color and level in _COLORS:
            shown = f"\x1b[{_COLORS[level]}m{shown}\x1b[0m"
        line = f"{_at(record)} {shown} {text}\n"
        if trace := _traceback(message):
            line += trace + "\n"
        if not _write(self._fd, line.encode("utf-8", "backslashreplace")):
            self.lost += 1


class Journald:
    """Native fields for journald, by datagram; where its socket is gone, lines for people on stderr."""

    def __init__(self, fallback: Sink, address: str = JOURNALD) -> None:
        self._fallback, self._address = fallback, address
        self._line: socket.socket | None = None

    def __call__(self, message: Message) -> None:
        record = message.record
        trace = _traceback(message)
        text = masked(safe_text(record["message"]))
        fields: dict[str, Any] = {
            "MESSAGE": f"{text}\n{trace}" if trace else text,
            "PRIORITY": _PRIORITIES.get(record["level"].name, 6),
            "SYSLOG_IDENTIFIER": "executord",
            "CODE_FILE": record["file"].path,
            "CODE_LINE": record["line"],
            "CODE_FUNC": record["function"],
        }
        for key, value in _fields(record).items():
            name = _FIELDS.get(key) or re.sub(r"[^A-Z0-9_]", "_", key.upper()).strip("_")
            if name and name not in fields and not name[0].isdigit():
                fields[name[:64]] = value
        if not self._send(b"".join(_field(name, value) for name, value in fields.items())):
            self._fallback(message)

    def _send(self, data: bytes) -> bool:
        for _ in range(2):  # once more, on a new socket: journald was restarted
            try:
                if self._line is None:
                    self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                    self._line.settimeout(0.5)
                    self._line.connect(self._address)
                try:
                    self._line.send(data)
                except OSError as error:
                    if error.errno not in _TOO_LONG:
                        raise
                    _send_by_file(self._line, data)
                return True
            except OSError:
                if self._line is not None:
                    self._line.close()
                self._line = None
        return False


_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
_TOO_LONG = frozenset((errno.E2BIG, errno.EMSGSIZE, errno.ENOBUFS))


def _send_by_file(line: socket.socket, data: bytes) -> None:
    """What no datagram holds goes as a sealed file in memory."""
    fd = os.memfd_create("executord-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        while data:
            data = data[os.write(fd, data) :]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        line.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    finally:
        os.close(fd)


def _field(name: str, value: object) -> bytes:
    """One field of journald's native protocol; what holds line breaks is counted."""
    data = str(value).encode("utf-8", "backslashreplace")
    if b"\n" in data:
        return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
    return b"%s=%s\n" % (name.encode(), data)


class Lines:
    """One JSON object per line in a file; a file that was rotated away is opened anew."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd: int | None = None
        self._identity: tuple[int, int] | None = None
        self.lost = 0

    def __call__(self, message: Message) -> None:
        record = message.record
        line: dict[str, Any] = {
            "at": record["time"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": record["level"].name.lower(),
            "msg": masked(safe_text(record["message"])),
        }
        line.update((key, value) for key, value in _fields(record).items() if key not in line)
        if trace := _traceback(message):
            line["exception"] = trace
        data = json.dumps(line, ensure_ascii=False, allow_nan=False, default=str) + "\n"
        if not self._append(data.encode("utf-8", "backslashreplace")):
            self.lost += 1

    def trouble(self) -> str | None:
        """Why nothing can be written there now, None if it can. Said at the start: nobody misses what never was."""
        try:
            self._follow()
        except OSError as error:
            return f"{self._path}: {error.strerror or error}"
        return None

    def _append(self, data: bytes) -> bool:
        try:
            self._follow()
            assert self._fd is not None
            start = os.lseek(self._fd, 0, os.SEEK_END)
            done = os.write(self._fd, data)
            if done < len(data):  # the disk is full: half a line would spoil the next one
                os.ftruncate(self._fd, start)
                return False
        except (OSError, AssertionError):
            return False
        return True

    def _follow(self) -> None:
        try:
            found = os.stat(self._path)
            here: tuple[int, int] | None = (found.st_dev, found.st_ino)
        except FileNotFoundError:
            here = None
        if self._fd is not None and here == self._identity:
            return
        self.close()
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY, 0o640)
        opened = os.fstat(self._fd)
        if not stat.S_ISREG(opened.st_mode) and not stat.S_ISCHR(opened.st_mode):
            self.close()
            raise OSError(f"{self._path} is no file")
        self._identity = (opened.st_dev, opened.st_ino)

    def close(self) -> None:
        """Let the file go; the next line opens it again."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = self._identity = None


class Intercepted(logging.Handler):
    """What libraries say through the standard library comes out here too."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record on with its level, its exception and where it was said."""
        try:
            text = record.getMessage()
        except Exception:  # a library that formats its own line wrongly: the line without its values
            text = safe_text(record.msg)
        level: str | int = record.levelname if record.levelname in LEVELS else record.levelno
        try:
            logger.bind(logger=record.name).opt(exception=record.exc_info, depth=6).log(level, "{}", text)
        except Exception:  # a logger that is called by ourselves while we write: that line is not worth a stop
            return


# --- set-up -----------------------------------------------------------------------------------------------------------


def configure(
    level: str = "INFO",
    json_file: str | None = None,
    color: bool | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    fd: int = 2,
    journald: str = JOURNALD,
) -> None:
    """Set up logging, once for the process; again replaces all of it.

    Lines for people go to the descriptor `fd`, or with fields to journald where `JOURNAL_STREAM` names that descriptor;
    JSON lines also to `json_file`. `color` None: at a terminal, unless NO_COLOR is set. Raises ValueError for a level
    that is none of `LEVELS`.
    """
    environ = os.environ if environ is None else environ
    level = level.upper()
    if level not in LEVELS:
        raise ValueError(f"{level} is not a level: use {', '.join(LEVELS)}")
    if color is None:
        color = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and _is_terminal(fd)
    sink: Sink = Stream(_opened(fd), color)
    if _is_journal(fd, environ):
        sink = Journald(sink, journald)
    logger.remove()
    lines = Lines(json_file) if json_file else None
    for each in (sink, lines) if lines is not None else (sink,):
        # The format asks for the exception only: each sink makes its own line of the record.
        logger.add(each, level=level, format=_exception_only, diagnose=False, backtrace=False, catch=True)
    logging.raiseExceptions = False
    logging.basicConfig(handlers=[Intercepted()], level=logging.NOTSET, force=True)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if level not in ("TRACE",) else logging.DEBUG)
    threading.excepthook = _thread_ended
    _keep_streams()
    if lines is not None and (trouble := lines.trouble()) is not None:
        logger.warning("the log file cannot be written: {}; it is tried again with each line", trouble)


def _opened(fd: int) -> int:
    """The descriptor, or one of /dev/null where ours were closed at the start: their numbers go to the next files."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            if null != number:  # the lowest free one: so it is, unless another thread was quicker
                os.close(null)
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC) if fd == 2 and sys.__stderr__ is None else fd


def _exception_only(record: Record) -> str:
    return "{exception}"


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


def _is_journal(fd: int, environ: Mapping[str, str]) -> bool:
    """Whether the descriptor is the one that systemd connected to journald, and not a redirection of it."""
    try:
        device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
        found = os.fstat(fd)
        return (int(device), int(inode)) == (found.st_dev, found.st_ino)
    except (OSError, ValueError):
        return False


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    """A thread that died is said; SystemExit is how threads leave."""
    if ended.exc_type is SystemExit or ended.exc_value is None:
        return
    name = ended.thread.name if ended.thread else "?"
    trouble = (ended.exc_type, ended.exc_value, ended.exc_traceback)
    logger.opt(exception=trouble).error("{}", f"thread {name} ended by an exception")


class _Forgiving:
    """A text stream whose writes and flushes fail silently: a full or closed stdout must not end the daemon."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except (OSError, ValueError):
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def forgive_output() -> None:
    """Make stdout and stderr forgive a full disk and a closed pipe; for `run`, where nobody reads them for results."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Forgiving):
            setattr(sys, name, _Forgiving(stream))


def _keep_streams() -> None:
    """Names that are no text must not end a `print` either."""
    for stream in (sys.stdout, sys.stderr):
        change: Callable[..., None] | None = getattr(stream, "reconfigure", None)
        if change is not None:
            change(errors="backslashreplace")


# --- what is said -----------------------------------------------------------------------------------------------------


@contextmanager
def bound(
    *,
    instruction: str | None = None,
    task: str | None = None,
    agent: str | None = None,
    event: int | str | None = None,
) -> Iterator[None]:
    """Lines said inside carry these fields; what is None is left as it is outside."""
    given = {"instruction": instruction, "task": task, "agent": agent, "event": event}
    with logger.contextualize(**{key: value for key, value in given.items() if value is not None}):
        yield


def log_line(entry: Mapping[str, Any], instruction: str | None = None) -> None:
    """Say one journal line: its name, whom it goes to, why and by which rule, with its fields bound.

    `entry` is a line as CON-6 has it, a mapping; `instruction` is the case's id, where it is not bound already.
    """
    name = str(entry.get("name") or "?")
    text = f"{name} → {entry['to']}" if entry.get("to") else name
    if entry.get("why"):
        text += f": {entry['why']}"
    if entry.get("rule"):
        text += f" [{entry['rule']}]"
    fields = {key: entry[key] for key in _KEPT if entry.get(key) is not None}
    fields |= {"line": name, "event": entry.get("n"), "task": entry.get("task"), "agent": entry.get("to")}
    if case := instruction or entry.get("case") or entry.get("instruction") or entry.get("session"):
        fields["instruction"] = case
    given = {key: value for key, value in fields.items() if value is not None}
    level = "WARNING" if name.split(" ", 1)[0] in _LOUD else "INFO"
    logger.bind(**given).opt(depth=1).log(level, "{}", text)


def log_event(name: str, **facts: Any) -> None:
    """Say something that is no journal line, such as `catchup {down_from, down_to, n}` [SLA-12]."""
    shown = " ".join(f"{key}={'***' if SECRET.search(key) else value}" for key, value in facts.items())
    logger.bind(log_event=name, **facts).opt(depth=1).info("{}", f"{name} {shown}".rstrip())
