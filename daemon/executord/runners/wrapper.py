"""The small parent of a worker: it outlives the daemon, caps the output, and leaves nothing of the worker behind.

A program of its own, `python -I -S -B wrapper.py WORK GATE`: the standard library only, nothing of executord.
Counterparts: `starting.py`, which writes `WORK/start.json` and holds the gate; `ending.py`, which reads
`WORK/exit.json`.

Rules of the house
- The worker's program begins only when it is noted. The daemon says so through the gate; one that dies leaves the gate
  at its end of file. Then the next one finds the line, or not: it gives the record its name (`worker.json`), and the
  program begins, or takes it away (`.worker.json`), and it never does. Where nobody comes it never does either.
- It is a session leader and the reaper of all that its worker leaves (PR_SET_CHILD_SUBREAPER): grandchildren that
  called setsid included. So no child left means that nothing is left.
- A signal that comes to it goes on to the program's process group.
- Whatever the disk does, the worker's output is drained: nobody blocks on a full pipe.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import stat
import sys
import time
from collections import deque
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
EXIT_ROOM = 1024  # bytes that are kept free on the disk for the exit
CHUNK = 1 << 20
LONGEST_END = 16 << 20  # of a stream that is longer than its cap
LONGEST_LINE = 16 << 20  # of a turn's end
DRAIN_S = 0.3  # how long the output of leftovers is listened to once the program has ended
ORPHAN_S = 60.0  # how long one that is held back waits for the next daemon
TERM_S, KILL_S = 2.0, 5.0  # for what the program leaves behind
LOOK_S = 5.0  # how often follow-ups are looked for, whatever the signals say
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NUDGE = signal.SIGWINCH  # ignored where nobody listens yet


def reap_orphans() -> None:
    """Become the parent of all that lose theirs below us."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Capped:
    """A stream kept in a file: its beginning and its end, never more than `most` bytes of it.

    The end is held in memory until the stream is over: a gigabyte that nobody keeps is not written either.
    """

    def __init__(self, path: str, most: int) -> None:
        self._end_bytes = min(most // 4, LONGEST_END)
        self._head = most - self._end_bytes
        self._size = 0
        self._end: deque[bytes] = deque()
        self._held = 0
        self.total = 0
        self._fd = _open(path)

    def take(self, data: bytes) -> None:
        """Keep what there is room for."""
        self.total += len(data)
        room = self._head - self._size
        if room > 0:
            part, data = data[:room], data[room:]
            self._size += len(part)
            self._write(part)
        if data:
            self._end.append(data)
            self._held += len(data)
            while self._held - len(self._end[0]) >= self._end_bytes:
                self._held -= len(self._end.popleft())

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view and self._fd >= 0:
                view = view[os.write(self._fd, view) :]
        except OSError:
            return  # a full disk: what follows is lost, the worker goes on

    def close(self) -> int:
        """Put the end behind the beginning, saying what is left out in between; answers how many bytes that is."""
        end = b"".join(self._end)[-self._end_bytes :] if self._end_bytes else b""
        left = self.total - self._size - len(end)
        if left > 0:
            self._write(b"\n[executord: %d bytes left out]\n" % left)
        self._write(end)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        return left


def _open(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, flags, 0o660)
    except OSError:
        return -1


def _regular(path: str) -> int:
    """A plain file for reading: the worker may have put a pipe or a link on the name. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is no plain file")
    return fd


class Turns:
    """Further turns of a program that reads them on stdin: files of a folder, each fed whole, in their order.

    stdin stays open until, at the end of a turn, all that was fed is done with: the program has said of each that it
    took it, or has ended as many turns. A program may take several into one turn, so the ends alone are too few.
    """

    def __init__(self, folder: str, end: dict[str, Any], taken: dict[str, Any], fd: int) -> None:
        self._folder, self._end, self._taken, self.fd = folder, end, taken, fd
        self._fed: set[str] = set()
        self._ends = self._takes = 0
        self.waiting = b""
        self._line = b""
        os.set_blocking(fd, False)

    def look(self) -> None:
        """Take what is new in the folder."""
        if self.fd < 0:
            return
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self._folder)):
                if not name.startswith(".") and name not in self._fed:
                    with (
                        contextlib.suppress(OSError),
                        os.fdopen(_regular(os.path.join(self._folder, name)), "rb") as file,
                    ):
                        self.waiting += file.read()
                        self._fed.add(name)
        self.feed()

    def feed(self) -> None:
        """Write what the program will take."""
        try:
            while self.waiting and self.fd >= 0:
                self.waiting = self.waiting[os.write(self.fd, self.waiting) :]
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def hear(self, data: bytes) -> None:
        """Count in the output what was taken and what has ended; stdin is closed at the end of the last turn."""
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[-LONGEST_LINE:]
        ended = False
        for line in lines:
            if _is(line, self._end):
                self._ends += 1
                ended = True
            elif self._taken and _is(line, self._taken):
                self._takes += 1
                ended = False  # one more turn has begun, or this one goes on
        if ended and self._done:
            self.look()  # what came meanwhile is still a turn
            if self._done:
                self.close()

    @property
    def _done(self) -> bool:
        return max(self._ends, self._takes) >= len(self._fed)

    def close(self) -> None:
        """No more turns."""
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self.fd)
            self.fd = -1


def _is(line: bytes, event: dict[str, Any]) -> bool:
    """Whether a line of output is such an event; most are not, and are not parsed."""
    if not all(key.encode() in line for key in event):
        return False
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and all(said.get(key) == value for key, value in event.items())


class Wrapper:
    """One worker from its beginning to its last grandchild."""

    def __init__(self, work: str, order: dict[str, Any]) -> None:
        self.work, self.order = work, order
        self.main = 0
        self.status: int | None = None
        self.error: str | None = None
        self.over_time = False
        self._told = False
        self._reserve = _open(os.path.join(work, ".exit"))
        if self._reserve >= 0:
            with contextlib.suppress(OSError):
                os.write(self._reserve, b" " * EXIT_ROOM)
        self._bell, self._ring = os.pipe()
        for fd in (self._bell, self._ring):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self._ring, warn_on_full_buffer=False)
        for number in (*PASSED_ON, NUDGE, signal.SIGCHLD):
            signal.signal(number, self._heard)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._signals: list[int] = []
        self.turns: Turns | None = None

    def _heard(self, number: int, _frame: object) -> None:
        self._signals.append(number)

    # -- the gate ------------------------------------------------------------------------------------------

    def may_begin(self, gate: int) -> bool:
        """Wait until the daemon has noted this worker; False: it died before it did, or took it back."""
        while True:
            poll = select.poll()
            poll.register(gate, select.POLLIN)
            poll.register(self._bell, select.POLLIN)
            poll.poll()
            self._drain_bell()
            if any(number in PASSED_ON for number in self._signals):
                return False
            poll = select.poll()
            poll.register(gate, select.POLLIN | select.POLLHUP)
            if poll.poll(0):
                said = os.read(gate, 1)
                os.close(gate)
                return said == b"g" or self._noted_later()

    def _noted_later(self) -> bool:
        """Whoever held us back is gone: wait for the one who comes after, for a while."""
        staged, noted = (os.path.join(self.work, name) for name in (".worker.json", "worker.json"))
        end = time.monotonic() + ORPHAN_S
        while time.monotonic() < end and not any(number in PASSED_ON for number in self._signals):
            if not os.path.exists(staged):
                return os.path.exists(noted)
            poll = select.poll()
            poll.register(self._bell, select.POLLIN)
            poll.poll(100)
            self._drain_bell()
        try:
            os.unlink(staged)
        except OSError:
            return os.path.exists(noted)  # it was noted at this very moment
        return False

    def _drain_bell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._bell, 4096):
                pass

    # -- the program ---------------------------------------------------------------------------------------

    def begin(self) -> tuple[int, int]:
        """Start the program; answers the reading ends of its output. What goes wrong stands in `error`."""
        order = self.order
        out, out_w = os.pipe()
        err, err_w = os.pipe()
        told, told_w = os.pipe()
        turns = order.get("turns")
        stdin_w = -1
        try:
            if turns:
                stdin, stdin_w = os.pipe()
            else:
                said = order.get("stdin")
                stdin = _regular(said) if said else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self.error = f"{order.get('stdin')}: {error.strerror}"
            stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        if self.error is None:
            self.main = os.fork()
            if self.main == 0:
                self._become(stdin, out_w, err_w, told_w)
            with contextlib.suppress(OSError):
                os.setpgid(self.main, self.main)
        for fd in (stdin, out_w, err_w, told_w):
            os.close(fd)
        said = b""
        while part := os.read(told, 4096):
            said += part
        os.close(told)
        if said:
            self.error = said.decode("utf-8", "replace")
        if turns:
            self.turns = Turns(turns["folder"], turns["end"], turns.get("taken") or {}, stdin_w)
            self.turns.look()
        return out, err

    def _become(self, stdin: int, out: int, err: int, told: int) -> None:
        """In the child: be the program."""
        order = self.order
        try:
            signal.set_wakeup_fd(-1)
            for number in (*PASSED_ON, NUDGE, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.setpgid(0, 0)
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            os.dup2(stdin, 0)
            os.dup2(out, 1)
            os.dup2(err, 2)
            self._limit(order.get("limits") or {})
            try:
                os.chdir(order["cwd"])
            except OSError as error:
                raise OSError(error.errno, f"its folder {order['cwd']}: {error.strerror}") from None
            argv = order["argv"]
            try:
                os.execvp(argv[0], argv)
            except OSError as error:
                raise OSError(error.errno, f"{argv[0]}: {error.strerror}") from None
        except BaseException as error:  # in the child, before it is the program: told to the wrapper, whatever it was
            with contextlib.suppress(OSError):
                os.write(told, (getattr(error, "strerror", None) or str(error)).encode("utf-8", "replace"))
        os._exit(127)

    @staticmethod
    def _limit(limits: dict[str, int]) -> None:
        import resource

        for key, what in (("memory_bytes", resource.RLIMIT_AS), ("file_bytes", resource.RLIMIT_FSIZE),
                          ("cpu_s", resource.RLIMIT_CPU), ("open_files", resource.RLIMIT_NOFILE)):  # fmt: skip
            if limits.get(key):
                hard = resource.getrlimit(what)[1]
                most = limits[key] if hard == resource.RLIM_INFINITY else min(limits[key], hard)
                resource.setrlimit(what, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def follow(self, out: int, err: int) -> dict[str, int]:
        """Drain its output until it has ended; answers what was left out, by stream."""
        most = int(self.order.get("output_bytes") or 10_485_760)
        streams = {
            out: Capped(os.path.join(self.work, "stdout"), most),
            err: Capped(os.path.join(self.work, "stderr"), most),
        }
        for fd in streams:
            os.set_blocking(fd, False)
            with contextlib.suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, CHUNK)
        open_fds = set(streams)
        started = time.monotonic()
        run_s = (self.order.get("limits") or {}).get("run_s")
        ended_at: float | None = None
        if self.error is not None:
            ended_at = started
        while True:
            now = time.monotonic()
            if self.main and self.status is None:
                self._collect()
            if self.status is not None and ended_at is None:
                ended_at = now
            if ended_at is not None and (not open_fds or now - ended_at >= DRAIN_S):
                break
            if run_s and not self.over_time and ended_at is None and now - started >= run_s:
                self.over_time = True
                self._pass_on(signal.SIGTERM)
            if self.over_time and ended_at is None and now - started >= (run_s or 0) + 2 * TERM_S:
                self._pass_on(signal.SIGKILL)
            self._wait(open_fds, ended_at, now, run_s, started)
            self._act_on_signals()
            for fd in sorted(open_fds):
                if not self._take(fd, streams[fd], fd == out):
                    open_fds.discard(fd)
        for fd in streams:
            os.close(fd)
        if self.turns is not None:
            self.turns.close()
        return {"stdout": streams[out].close(), "stderr": streams[err].close()}

    def _wait(self, fds: set[int], ended_at: float | None, now: float, run_s: float | None, started: float) -> None:
        poll = select.poll()
        for fd in fds:
            poll.register(fd, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        span: float | None = None
        if self.turns is not None and self.turns.fd >= 0:
            span = LOOK_S
            if self.turns.waiting:
                poll.register(self.turns.fd, select.POLLOUT)
        if run_s:
            span = min(span or LOOK_S, max(started + run_s - now, 0.1))
        if ended_at is not None:
            span = max(ended_at + DRAIN_S - now, 0.0)
        poll.poll(None if span is None else int(span * 1000) + 1)
        self._drain_bell()
        if self.turns is not None:
            self.turns.look()

    def _take(self, fd: int, into: Capped, is_out: bool) -> bool:
        """Read what is there; False at the end of the stream."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        into.take(data)
        if is_out and self.turns is not None and data:
            self.turns.hear(data)
        return bool(data)

    def _act_on_signals(self) -> None:
        signals, self._signals = self._signals, []
        for number in signals:
            if number in PASSED_ON:
                self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if self.main and self.status is None:
            with contextlib.suppress(OSError):
                os.killpg(self.main, number)

    def _collect(self) -> bool:
        """Ask for the exits of what has ended; False: no child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.main:
                self.status = status

    # -- the end -------------------------------------------------------------------------------------------

    def clear(self) -> bool:
        """End all that the program has left behind; True: nothing is left."""
        began = time.monotonic()
        termed: set[int] = set()
        while self._collect():
            now = time.monotonic()
            if now - began >= TERM_S + KILL_S:
                return False
            for pid in _below(os.getpid()):
                if now - began >= TERM_S:
                    _signal(pid, signal.SIGKILL)
                elif pid not in termed:
                    termed.add(pid)
                    _signal(pid, signal.SIGTERM)
                    _signal(pid, signal.SIGCONT)
            poll = select.poll()
            poll.register(self._bell, select.POLLIN)
            poll.poll(50)
            self._drain_bell()
        return True

    def wait_for_the_last(self) -> None:
        """What cannot be killed is waited for: as long as we are there, something of the worker is."""
        while self._collect():
            for pid in _below(os.getpid()):
                _signal(pid, signal.SIGKILL)
            poll = select.poll()
            poll.register(self._bell, select.POLLIN)
            poll.poll(1000)
            self._drain_bell()

    def write_exit(self, **more: Any) -> None:
        """Say how it ended, whole and durable, in room that was kept for it."""
        said: dict[str, Any] = {"began": self.error is None and self.main > 0, "code": None, "signal": None,
                                "error": self.error}  # fmt: skip
        if self.status is not None and self.error is None:
            if os.WIFSIGNALED(self.status):
                said["signal"] = os.WTERMSIG(self.status)
            else:
                said["code"] = os.WEXITSTATUS(self.status)
        if self.over_time:
            said["over_time"] = True
        data = json.dumps({**said, **more}).encode()
        try:
            if self._reserve < 0:
                self._reserve = _open(os.path.join(self.work, ".exit"))
            os.pwrite(self._reserve, data.ljust(EXIT_ROOM), 0)
            os.fsync(self._reserve)
            if not self._told:  # later it is the same file
                os.replace(os.path.join(self.work, ".exit"), os.path.join(self.work, "exit.json"))
                self._told = True
        except OSError as error:
            print(f"the exit cannot be written: {error.strerror}: {data!r}", file=sys.stderr)


def _below(top: int) -> list[int]:
    """All processes below this one."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    text = file.read()
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES):
                    raise
                continue
            parents.setdefault(int(text[text.rfind(b")") + 2 :].split()[1]), []).append(int(name))
    found: list[int] = []
    left = [top]
    while left:
        below = parents.get(left.pop(), [])
        found += below
        left += below
    return found


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def main() -> int:
    """The whole life of one worker."""
    work, gate = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(gate, False)
    with open(os.path.join(work, "start.json"), "rb") as file:
        order = json.load(file)
    reap_orphans()
    wrapper = Wrapper(work, order)
    if not wrapper.may_begin(gate):
        wrapper.write_exit()
        return 0
    out, err = wrapper.begin()
    left_out = wrapper.follow(out, err)
    wrapper.write_exit(left_out=left_out)
    if not wrapper.clear():
        wrapper.write_exit(left_out=left_out, left=len(_below(os.getpid())))
        wrapper.wait_for_the_last()
    return 0


if __name__ == "__main__":
    sys.exit(main())
