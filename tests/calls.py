"""Calls of the command line, each in a process of its own: forked off one that has imported everything.

A new interpreter takes half a second to import what a call needs, and the tests make a thousand calls. What is called
is the same `main`, with arguments, environment, folder and streams of its own. That the program itself can be started
is shown by the tests that start it: the daemon's (`real/`), those of exit codes, of the pages and of the demo.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parent.parent
PACKAGE = str(ROOT / "daemon")
_MOST = 1 << 17  # bytes of a call: arguments and environment


def clean(*prefixes: str) -> dict[str, str]:
    """The environment without what configures executord, or begins like this; it finds the package."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("EXECUTORD_", *prefixes))}
    return {**known, "PYTHONPATH": PACKAGE}


def call(
    *args: object,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    stdin: str | bytes = b"",
    timeout: float = 120,
) -> subprocess.CompletedProcess[bytes]:
    """`executord …`: its exit code and what it printed. Raises `TimeoutExpired`; the process is killed."""
    words = [str(arg) for arg in args]
    with contextlib.ExitStack() as stack:
        streams: list[IO[bytes]] = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        streams[0].write(stdin.encode() if isinstance(stdin, str) else stdin)
        streams[0].seek(0)
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # each message by itself
        answer, theirs = map(stack.enter_context, pair)
        wanted = {"args": words, "env": dict(env if env is not None else clean()), "cwd": str(cwd or os.getcwd())}
        fds = [stream.fileno() for stream in streams]
        socket.send_fds(_stem(), [json.dumps(wanted).encode()], [*fds, theirs.fileno()])
        theirs.close()
        pid = int(answer.recv(16) or 0)
        if not select.select([answer], [], [], timeout)[0]:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["executord", *words], timeout)
        code = int(answer.recv(16) or -signal.SIGKILL)  # nothing said: it did not come to its end
        for stream in streams[1:]:
            stream.seek(0)
        return subprocess.CompletedProcess(["executord", *words], code, streams[1].read(), streams[2].read())


def say(*args: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """The same with what was printed as text."""
    done = call(*args, **more)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def ok(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that succeeded says."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@functools.cache
def _stem() -> socket.socket:
    """The process that has imported everything; it ends when ours does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    subprocess.Popen([sys.executable, "-m", "tests.calls"], stdin=theirs, cwd=ROOT, env=clean())
    theirs.close()
    return ours


def _serve() -> None:
    """Fork for each call, until the tests have ended."""
    from executord.cli import load

    load()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    calls = socket.socket(fileno=os.dup(0))
    while True:
        data, fds, _, _ = socket.recv_fds(calls, _MOST, 4)
        if not data:
            return
        if os.fork() == 0:
            calls.close()
            _run(json.loads(data), fds[:3], fds[3])
        for fd in fds:
            os.close(fd)


def _run(wanted: Mapping[str, Any], streams: Sequence[int], answer: int) -> NoReturn:
    """One call, as an interpreter that was started for it would make it."""
    code: Any = 1
    try:
        from executord.cli import main

        os.write(answer, str(os.getpid()).encode())
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
            os.close(fd)
        os.environ.clear()
        os.environ.update(wanted["env"])
        os.chdir(wanted["cwd"])
        # The streams of an interpreter: open until the process ends, so nothing closes them.
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        sys.argv = ["executord", *wanted["args"]]
        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os.write(answer, str(code if isinstance(code, int) else 0 if code is None else 1).encode())
        os._exit(0)


if __name__ == "__main__":
    _serve()
