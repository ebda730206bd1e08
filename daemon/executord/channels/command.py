"""A program that carries the parcel: JSON on stdin, no shell [SLA-16, SEC-3].

Its exit code is its word: 0 taken; 75 (EX_TEMPFAIL) not taken, try again; 64 to 68, 77 and 78 (sysexits) not taken for
good; anything else, a signal or a timeout: it cannot be told. What it prints first is the receipt. It sees an
environment of five names; the key stands in `EXECUTORD_KEY`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import IO

from executord.channels.base import NotTaken, Parcel, Receipt, Refused, Unsure, said
from executord.channels.templates import content_of
from executord.clock import WallClock
from executord.settings import ChannelRow

ALLOWED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "CREDENTIALS_DIRECTORY")
SHOWN = 4096  # bytes of what it prints that may become the receipt
LONGEST_OUTPUT = 1 << 20
_AGAIN = 75
_FOR_GOOD = frozenset((64, 65, 66, 67, 68, 77, 78))


class Command:
    """One program."""

    def __init__(self, row: ChannelRow, template: str | None, environ: Mapping[str, str]) -> None:
        self._row, self._template, self._environ = row, template, environ

    def carry(self, parcel: Parcel, now: datetime) -> Receipt:
        """One run of it, in a session of its own, so that nothing of it is left after a timeout."""
        row = self._row
        if row.program is None:
            raise Refused("the channel names no program", fix="add `program:` to the channel")
        content = content_of(parcel, row, self._template)
        environ = {name: self._environ[name] for name in ALLOWED if name in self._environ}
        environ |= {"EXECUTORD_KEY": parcel.key, "EXECUTORD_TYPE": parcel.kind}
        try:
            run = subprocess.Popen(
                [row.program, *row.args],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=environ, cwd="/", start_new_session=True, close_fds=True,
            )  # fmt: skip
        except OSError as error:
            raise NotTaken(f"{row.program} cannot be started: {error.strerror}", fix="check program and mode") from None
        data = json.dumps(content, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n"
        try:
            out = _printed(run, data, row.timeout_s)
        except subprocess.TimeoutExpired:
            raise Unsure(f"{row.program} did not end within {row.timeout_s} s") from None
        except OverflowError:
            raise Unsure(f"{row.program} prints without end") from None
        except OSError as error:
            raise Unsure(f"{row.program}: {said(error)}") from None
        finally:
            _end(run)
        name = os.path.basename(row.program)
        words = said(out) if out else ""
        if run.returncode == 0:
            return Receipt(words or f"{name} ended with 0")
        text = f"{name} ended with {run.returncode}" + (f": {words}" if words else "")
        if run.returncode == _AGAIN:
            raise NotTaken(text)
        if run.returncode in _FOR_GOOD:
            raise Refused(text)
        raise Unsure(text)


def _printed(run: subprocess.Popen[bytes], data: bytes, seconds: float) -> bytes:
    """What a program prints first, once it has ended; of what it leaves behind nothing is waited for.

    Raises `TimeoutExpired`, or `OverflowError` where it prints more than anybody would read.
    """
    clock = WallClock()
    end = clock.monotonic() + seconds
    assert run.stdin is not None
    assert run.stdout is not None
    feeder = threading.Thread(target=_feed, args=(run.stdin, data), daemon=True)
    feeder.start()
    kept, size, fd = b"", 0, run.stdout.fileno()
    while True:
        left = end - clock.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(run.args, seconds)
        over = run.poll() is not None
        if select.select([fd], [], [], 0 if over else min(left, 0.05))[0]:
            part = os.read(fd, 65536)
            if not part:
                break
            kept, size = (kept + part)[:SHOWN], size + len(part)
            if size > LONGEST_OUTPUT:
                raise OverflowError
        elif over:
            break
    run.wait(max(end - clock.monotonic(), 0))
    return kept


def _feed(stdin: IO[bytes], data: bytes) -> None:
    """A program that does not read has not read; its exit code says the rest."""
    with contextlib.suppress(OSError, ValueError):
        stdin.write(data)
        stdin.close()


def _end(run: subprocess.Popen[bytes]) -> None:
    """Nothing of its session is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(5)
    for stream in (run.stdin, run.stdout):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()
