"""A terminal as a screen that is drawn on again and again, and as it was afterwards, however that ends [OPS-16].

Counterpart: `liveboard.py`, what is drawn. The screen is the terminal's other one, so that nothing of the scrollback
is lost. Keys are read where stdin is a terminal; without one, signals alone end it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, Final

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"
_FALLBACK = (80, 24)  # of a terminal that does not know its size
_END_KEYS: Final = (b"q", b"Q", b"\x03", b"\x04")
_KEYS_READ = 64


class Ended(Exception):
    """Somebody wants no more of it; `number` is the signal by which he said so, None for a key."""

    def __init__(self, number: int | None) -> None:
        super().__init__(number)
        self.number = number


def can_draw() -> bool:
    """Whether stdout is a terminal that knows how to move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def run(draw: Callable[[int, int], Sequence[str]], every_s: float) -> None:
    """Draw again and again, at least every so many seconds and when the size changes, until `q` or Ctrl-C.

    `draw` is asked for lines that fit the columns and rows that it is given. What it raises goes to the caller, with
    the terminal as it was. A signal that ends processes is carried out once the terminal is as it was.
    """
    number: int | None = None
    with contextlib.suppress(BrokenPipeError), _terminal() as bell:
        try:
            while True:
                columns, rows = _size()
                _show(draw(columns, rows), rows)
                _wait(bell, every_s)
        except Ended as ended:
            number = ended.number
    if number not in (None, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _size() -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        columns, rows = 0, 0
    return columns or _FALLBACK[0], rows or _FALLBACK[1]


def _show(lines: Sequence[str], rows: int) -> None:
    """Each line is cleared before it is written: behind a full one it would take its last character away."""
    below = f"\r\n{_REST}" if len(lines) < rows else ""
    _say(_HOME + "\r\n".join(f"{_REST_OF_LINE}{line}" for line in lines) + below)


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _wait(bell: int, seconds: float) -> None:
    """Until the time is up, the size has changed or a key is pressed. Raises `Ended` for a key that ends it."""
    keys = [0] if sys.stdin.isatty() else []
    ready, _, _ = select.select([bell, *keys], [], [], seconds)
    if bell in ready:
        os.read(bell, _KEYS_READ)
    if 0 in ready and ((pressed := os.read(0, _KEYS_READ)) == b"" or pressed[:1] in _END_KEYS):
        raise Ended(None if pressed else signal.SIGHUP)


@contextlib.contextmanager
def _terminal() -> Iterator[int]:
    """The other screen, without cursor and echo; gives the descriptor that rings when a signal came."""
    before = termios.tcgetattr(0) if sys.stdin.isatty() else None

    def enter() -> None:
        if before is not None:
            tty.setcbreak(0, termios.TCSANOW)
        _say(_ENTER)

    def leave() -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that has gone
            _say(_LEAVE)
        if before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSADRAIN, before)

    def end(number: int, _frame: FrameType | None) -> None:
        raise Ended(number)

    def stop(number: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal as it was, and we the screen again when we are continued."""
        leave()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, stop)
        enter()

    handlers: dict[int, Any] = {
        signal.SIGINT: end, signal.SIGTERM: end, signal.SIGHUP: end, signal.SIGTSTP: stop,
        signal.SIGWINCH: lambda *_: None,
    }  # fmt: skip
    bell, ring = os.pipe()
    os.set_blocking(ring, False)
    known = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    wakeup = signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    try:
        enter()
        yield bell
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in known.items():
            signal.signal(number, handler)
        leave()
        os.close(bell)
        os.close(ring)
