"""`status -w` as a person sees it: the real command on a real terminal, played back on a grid [OPS-16]."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executord.cli import liveboard
from executord.cli.liveboard import Cell, board, cut, painted, width
from executord.values import stamp
from tests.calls import clean
from tests.test_simulate import simulate

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ENGINEER = "technical-support-engineer"


# --- a terminal ------------------------------------------------------------------------------------------------------


class Glass:
    """What a terminal shows of the bytes it gets: as much of one as the board uses, and an error for anything else."""

    def __init__(self, columns: int, rows: int) -> None:
        self.size(columns, rows)
        self.other = self.cursor_hidden = False
        self.coloured = False
        self.pending = b""

    def size(self, columns: int, rows: int) -> None:
        """Another size, and nothing on it."""
        self.columns, self.rows, self.x, self.y = columns, rows, 0, 0
        self.cells = [[" "] * columns for _ in range(rows)]

    def feed(self, data: bytes) -> None:
        """Bytes come."""
        text = (self.pending + data).decode("utf-8", "ignore")
        self.pending = b""
        for hit in re.finditer(r"\x1b\[(\??)([\d;]*)([A-Za-z])|\x1b|[^\x1b]", text):
            if hit[0] == "\x1b":
                self.pending = text[hit.start() :].encode()
                return
            if hit[3] is None:
                self._char(hit[0])
            else:
                self._order(hit[1] + hit[2], hit[3])

    def _char(self, char: str) -> None:
        if char == "\r":
            self.x = 0
        elif char == "\n":
            self._next_line()
        else:
            if self.x >= self.columns:
                assert not self.other, "a line wraps"
                self._next_line()
                self.x = 0
            self.cells[self.y][self.x] = char
            self.x += width(char)

    def _next_line(self) -> None:
        if self.y + 1 < self.rows:
            self.y += 1
        else:
            assert not self.other, "the screen scrolls"
            self.cells = [*self.cells[1:], [" "] * self.columns]

    def _order(self, number: str, letter: str) -> None:
        if number + letter in ("?1049h", "?1049l"):
            self.other = letter == "h"
            self.size(self.columns, self.rows)  # nothing stood on its own screen
        elif number + letter in ("?25h", "?25l"):
            self.cursor_hidden = letter == "l"
        elif number + letter == "H":
            self.x = self.y = 0
        elif letter == "K":
            self.cells[self.y][self.x :] = [" "] * (self.columns - self.x)
        elif letter == "J":
            for row in range(self.y, self.rows):
                self.cells[row] = [" "] * self.columns
        elif letter == "m":
            self.coloured = True
        else:
            raise AssertionError(f"not an order of the board: {number}{letter}")

    def text(self) -> str:
        """What stands on it."""
        return "\n".join("".join(row).rstrip() for row in self.cells).rstrip()


class Terminal:
    """A pty with the command on it."""

    def __init__(self, memory: Path, *args: str, columns: int = 110, rows: int = 40, **environ: str) -> None:
        self.glass = Glass(columns, rows)
        self.leader, follower = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(follower)
        self.follower = follower
        self.process = subprocess.Popen(
            [sys.executable, "-m", "executord", "--memory", str(memory), "status", "-w", *args],
            stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
            env={**clean("NO_COLOR"), "TERM": "xterm-256color", "HOME": str(memory.parent), **environ},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip

    def resize(self, columns: int, rows: int) -> None:
        """As if its window were drawn larger or smaller."""
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hear(self, seconds: float) -> None:
        """Take in what comes within that time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.leader], [], [], left)[0]:
                with suppress(OSError):
                    self.glass.feed(os.read(self.leader, 65536))

    def until(self, condition: Callable[[str], Any], why: str) -> str:
        """What it shows once that is so."""
        end = time.monotonic() + 30
        while not condition(self.glass.text()):
            assert time.monotonic() < end, f"{why}\n{self.glass.text()}"
            self.hear(0.1)
        return self.glass.text()

    def ended(self) -> int:
        """How it ends; its output is taken in meanwhile."""
        end = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < end, "it does not end"
            self.hear(0.1)
        self.hear(0.1)
        return self.process.returncode

    def as_before(self) -> bool:
        """Whether the terminal is as it was: its own screen, its cursor, its line discipline."""
        return not (self.glass.other or self.glass.cursor_hidden) and termios.tcgetattr(self.follower) == self.before


@pytest.fixture
def on_terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts the command on a terminal; ended with the test."""
    made: list[Terminal] = []

    def start(*args: Any, **more: Any) -> Terminal:
        made.append(Terminal(*args, **more))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.wait()
        os.close(each.leader)
        os.close(each.follower)


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory as the daemon left it: two hours of the sample, the last minute just now."""
    folder = tmp_path_factory.mktemp("live") / "memory"
    start = datetime.now(UTC) - timedelta(hours=2)
    sample = Path(__file__).parent.parent / "sample_memory"
    simulate(sample, "--start", stamp(start), "--until", "+2h", "--keep", str(folder), "--json")
    return folder


@pytest.mark.spec("OPS-16")
def test_the_board_counts_from_second_to_second(memory: Path, on_terminal):
    """Instructions by slack, clocks, silence debt, agents' load, each in its place; `q` ends it."""
    terminal = on_terminal(memory, columns=120, rows=50)
    shown = terminal.until(lambda text: liveboard.HINT in text, "nothing is drawn")
    assert terminal.glass.other
    assert terminal.glass.cursor_hidden
    titles = re.findall(r"(?m)^([A-Z ]+) \(\d+\)$", shown)
    assert titles == [
        t for t in ("INSTRUCTIONS", "CLOCKS", "SILENCE DEBT", "BLOCKERS", "STANDS STILL", "AGENTS") if t in titles
    ]
    assert {"INSTRUCTIONS", "CLOCKS", "SILENCE DEBT", "AGENTS"} <= set(titles)
    at = shown.splitlines()[0]
    terminal.until(lambda text: text.splitlines()[0] != at, "its clock stands still")
    terminal.hear(2.5)  # the tree is read again meanwhile
    assert terminal.glass.text().splitlines()[0] > at
    assert terminal.glass.coloured
    os.write(terminal.leader, b"q")
    assert terminal.ended() == 0
    assert terminal.as_before()


@pytest.mark.spec("OPS-16")
def test_what_happens_is_seen(tmp_path: Path, on_terminal):
    """A new instruction appears on a board that shows none."""
    (tmp_path / "m/_communication/inbox/executor").mkdir(parents=True)
    terminal = on_terminal(tmp_path / "m")
    terminal.until(lambda text: "instructions: none" in text, "an empty memory has a board too")
    (tmp_path / "m/acme-42/tasks/pending").mkdir(parents=True)
    (tmp_path / "m/acme-42/instruction.yaml").write_text("title: Checkout fails\n")
    terminal.until(lambda text: "Checkout fails" in text, "what came is not seen")


@pytest.mark.spec("OPS-16")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -15), (signal.SIGHUP, -1)])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(number: int, code: int, memory: Path, on_terminal):
    """Ctrl-C is as good as `q`; what is to end a process ends it."""
    terminal = on_terminal(memory)
    terminal.until(lambda text: liveboard.HINT in text, "nothing is drawn")
    if number == signal.SIGINT:
        os.write(terminal.leader, b"\x03")
    else:
        terminal.process.send_signal(number)
    assert terminal.ended() == code
    assert terminal.as_before()


@pytest.mark.spec("OPS-16")
def test_an_error_ends_it_and_leaves_the_terminal_as_it_was(tmp_path: Path, on_terminal):
    """A memory that is taken away meanwhile: 66, said on the terminal's own screen."""
    root = tmp_path / "m"
    root.mkdir()
    terminal = on_terminal(root)
    terminal.until(lambda text: liveboard.HINT in text, "nothing is drawn")
    root.rename(tmp_path / "gone")
    assert terminal.ended() == 66
    assert "the memory is gone" in terminal.glass.text().replace("\n", "")
    assert terminal.as_before()


@pytest.mark.spec("OPS-16")
def test_ctrl_z_gives_the_terminal_back_and_takes_it_again(memory: Path, on_terminal):
    """Stopped, the shell finds its terminal as it was; continued, the board is drawn again."""
    terminal = on_terminal(memory)
    terminal.until(lambda text: liveboard.HINT in text, "nothing is drawn")
    terminal.process.send_signal(signal.SIGTSTP)
    # nobody is its shell here, so that the kernel may not let it stop; drawn again it is in any case
    terminal.hear(1)
    terminal.process.send_signal(signal.SIGCONT)
    terminal.until(lambda text: terminal.glass.other and liveboard.HINT in text, "it does not come again")
    os.write(terminal.leader, b"q")
    assert terminal.ended() == 0
    assert terminal.as_before()


@pytest.mark.spec("OPS-16")
def test_it_fits_every_window_and_follows_its_size(memory: Path, on_terminal):
    """Nothing wraps and nothing scrolls, the glass would say so; what has no room is counted."""
    terminal = on_terminal(memory, columns=100, rows=45)
    terminal.until(lambda text: liveboard.HINT in text, "nothing is drawn")
    for columns, rows in ((44, 20), (1, 1), (200, 60)):
        terminal.hear(0.3)
        terminal.glass.size(columns, rows)
        terminal.resize(columns, rows)
        terminal.hear(1.5)
        assert terminal.process.poll() is None
    shown = terminal.until(lambda text: "AGENTS" in text, "it does not grow again")
    assert "…" not in shown.split("CLOCKS")[0]


@pytest.mark.spec("OPS-16", "CON-0")
def test_without_colours(memory: Path, on_terminal):
    """NO_COLOR: the same board, none of it coloured."""
    terminal = on_terminal(memory, NO_COLOR="1")
    terminal.until(lambda text: liveboard.HINT in text, "nothing is drawn")
    assert not terminal.glass.coloured


@pytest.mark.spec("OPS-16", "CON-0")
@pytest.mark.parametrize("dumb", [False, True])
def test_where_nothing_can_be_drawn_it_is_told_again_and_again(dumb: bool, memory: Path, on_terminal):
    """In a pipe, and on a terminal that moves no cursor: the board of `status`, whole, every two seconds."""
    if dumb:
        terminal = on_terminal(memory, TERM="dumb", columns=2000, rows=500)
        shown = terminal.until(lambda text: text.count("daemon: not running") == 2, "it does not look again")
    else:
        command = [sys.executable, "-m", "executord", "--memory", str(memory), "status", "-w"]
        environ = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent / "daemon")}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True) as watcher:
            assert watcher.stdout is not None
            lines = iter(watcher.stdout.readline, "")
            shown = ""
            while shown.count("daemon: not running") < 2:
                shown += next(lines)
            watcher.terminate()
    assert "\x1b" not in shown
    assert "…" not in shown


# --- on paper --------------------------------------------------------------------------------------------------------


def report(**more: Any) -> dict[str, Any]:
    """A report of `status` with one instruction, as much of it as the board takes."""
    case = {
        "id": "acme-42", "title": "Checkout fails", "priority": "high", "phase": "executing", "percent": 40,
        "on_hold": False, "paused": False, "muted": None, "tasks": [], "clocks": [], "blockers": [], "problems": [],
        "next_update": {"ask": None, "due": None, "silence_debt_s": None},
    }  # fmt: skip
    whole = {
        "at": stamp(NOW), "memory": "/srv/agent_memory", "instructions": [case], "agents": [], "rejected": [],
        "late": [],
        "daemon": {"running": True, "pid": 7, "host": "h", "since": stamp(NOW), "last_round": None},
        "counts": {"instructions": {"executing": 1}, "tasks": {"pending": 0, "in_progress": 0, "completed": 0}},
    }  # fmt: skip
    case.update({key: value for key, value in more.items() if key not in whole})
    whole.update({key: value for key, value in more.items() if key in whole})
    return whole


def clock(kind: str, minutes: int | None, **more: Any) -> dict[str, Any]:
    """A clock that is due in so many minutes."""
    due = stamp(NOW + timedelta(minutes=minutes)) if minutes is not None else None
    known = {"kind": kind, "task": None, "state": "running", "due": due, "stopped": None, "paused_because": None}
    return known | more


def drawn(found: dict[str, Any], now: datetime = NOW, columns: int = 120, rows: int = 40) -> str:
    """The board without colours."""
    slacks = {each["id"]: NOW + timedelta(minutes=90) for each in found["instructions"]}
    return "\n".join(board(found, slacks, now, columns, rows, colours=False))


@pytest.mark.spec("OPS-16", "SLA-14")
def test_between_two_looks_everything_counts_on():
    """The same report, half an hour later: slack, clocks, silence debt, blockers and letters that lie unread."""
    found = report(
        clocks=[clock("response", 10), clock("resolution", 60, task="T1"), clock("resolution", None, state="paused",
                paused_because="customer")],
        next_update={"ask": None, "due": stamp(NOW + timedelta(minutes=20)), "silence_debt_s": 0},
        blockers=[{"id": "T1#1", "task": "T1", "kind": "missing_information", "since": stamp(NOW),
                   "asked": "account-manager", "level": 1, "waiting": ["T2", "T3"]}],
        agents=[{"name": ENGINEER, "load": 3, "capacity": 4, "inbox": 2, "oldest_s": 60, "muted": None}],
    )  # fmt: skip
    first, later = drawn(found), drawn(found, NOW + timedelta(minutes=30))
    assert re.search(r"acme-42 +1h 30m +executing +40", first)
    assert re.search(r"acme-42 +1h +executing +40", later)
    assert re.search(r"acme-42 +10m +response .* running", first)
    assert re.search(r"acme-42 +-20m +response .* breached", later)
    assert re.search(r"acme-42/T1 +30m +resolution", later)
    assert re.search(r"acme-42 +stands still +resolution .* paused: customer", later)
    assert later.index("acme-42/T1") < later.index("breached"), "what can still be kept comes first"
    assert "SILENCE DEBT" not in first
    assert re.search(r"SILENCE DEBT \(1\)\n.*\n +acme-42 +10m +2026-11-20 12:20", later)
    assert re.search(r"acme-42/T1 +30m +missing information +account-manager +1 +T2, T3", later)
    assert re.search(rf"{ENGINEER} +###\. 3 of 4 +2 +31m", later)


@pytest.mark.spec("OPS-16")
def test_each_section_keeps_a_place():
    """However many instructions there are, clocks and agents are seen; the rest is counted."""
    found = report(clocks=[clock("response", k) for k in range(30)])
    found["instructions"] = [{**found["instructions"][0], "id": f"acme-{n}", "problems": [{}]} for n in range(50)]
    found["agents"] = [{"name": f"a{n}", "load": 1, "capacity": 0, "inbox": 0, "oldest_s": None} for n in range(9)]
    lines = drawn(found, rows=30).splitlines()
    assert len(lines) == 30
    for title, many in (("INSTRUCTIONS", 50), ("CLOCKS", 1500), ("AGENTS", 9)):
        start = lines.index(f"{title} ({many})")
        rows = [line for line in lines[start + 2 : start + 9] if line.startswith("  ") and "…" not in line]
        assert len(rows) >= 4, title
    assert sum("more" in line for line in lines) == 3
    assert "50 problems: see `executord status`" in lines[2]
    assert drawn(found, rows=12).splitlines()[-1] == "q ends it; no room for CLOCKS (1500); no room for AGENTS (9)"


@pytest.mark.spec("OPS-16")
@given(
    st.text(max_size=60), st.integers(0, 150), st.integers(0, 60), st.integers(0, 30),
)  # fmt: skip
def test_it_always_fits(title: str, columns: int, rows: int, many: int):
    """Whatever stands in it and however small the window is: no line is wider, no board higher."""
    found = report(title=title, clocks=[clock("response", k) for k in range(many)])
    found["instructions"] *= many
    lines = drawn(found, columns=columns, rows=rows).split("\n")
    assert len(lines) <= max(rows, 1)
    assert all(width(line) <= columns for line in lines)


@pytest.mark.spec("OPS-16")
@pytest.mark.parametrize(
    ("text", "columns", "wanted"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("e\u0301a", 2, "e\u0301a"),
        ("ab", 0, ""),
    ],
)
def test_a_text_is_cut_by_the_columns_that_it_takes(text: str, columns: int, wanted: str):
    """Wide characters count two, marks above others none."""
    assert cut(text, columns) == wanted


@pytest.mark.spec("OPS-16")
def test_colours_end_where_their_text_ends():
    """A cell that is cut off leaves no colour behind."""
    line = painted([Cell("late", "red"), Cell(" and more")], 3, colours=True)
    assert line == "\x1b[31mla…\x1b[0m"
