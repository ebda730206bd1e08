"""A worker for tests: does what it is told to, well or badly. `python worker.py WORD…`, the standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(words: list[str]) -> int:
    """Do one word after the other."""
    for word in words:
        name, _, value = word.partition("=")
        match name:
            case "say":
                print(value, flush=True)
            case "shout":
                print(value, file=sys.stderr, flush=True)
            case "echo":
                sys.stdout.write(sys.stdin.read())
                sys.stdout.flush()
            case "sleep":
                time.sleep(float(value))
            case "touch":
                Path(value).write_text(f"{os.getpid()}\n")
            case "append":
                with open(value, "a") as file:
                    file.write(f"{os.getpid()}\n")
            case "flood":
                left, part = int(value), b"x" * 65535 + b"\n"
                while left > 0:
                    left -= os.write(1, part)
            case "deaf":
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
            case "interrupted":
                _on_interrupt(value)
            case "grandchild":
                _grandchild(value)
            case "env":
                Path(value).write_text("".join(f"{k}={v}\n" for k, v in sorted(os.environ.items())))
            case "fds":
                Path(value).write_text(
                    "".join(f"{fd} {_link(fd)}\n" for fd in sorted(map(int, os.listdir("/proc/self/fd"))))
                )
            case "cwd":
                Path(value).write_text(os.getcwd())
            case "inbox":
                print("\n".join(sorted(os.listdir(os.environ["EXECUTORD_INBOX"]))), flush=True)
            case "lines":
                for line in sys.stdin:
                    print(f'{{"type": "result", "said": {line.strip()!r}}}'.replace("'", '"'), flush=True)
            case "folds":
                for n, _ in enumerate(sys.stdin, 1):
                    print('{"type": "user", "isReplay": true}', flush=True)
                    if n >= int(value):
                        print('{"type": "result", "said": "all in one"}', flush=True)
            case "as":
                code = main(_habit(Path(value)))
                if code:
                    return code
            case "respond":
                _put(Path(os.environ["EXECUTORD_RESULT"]), value or ANSWER)
            case "torn":
                Path(os.environ["EXECUTORD_RESULT"]).write_text('{"type": "completion", "summary": "half of it, "out')
            case "answer":
                _put(Path(os.environ["EXECUTORD_REPLY_TO"], f"{_who()}-{os.getpid()}.yaml"), _message(value or ANSWER))
            case "log":
                with open(value, "a") as file:
                    file.write(f"{_who()} {os.getpid()}\n")
            case "wait":
                while not Path(value).exists():
                    time.sleep(0.02)
            case "told":
                _wait_until_told(value)
            case "signal":
                os.kill(os.getpid(), int(value))
            case "exit":
                return int(value)
            case _:
                raise SystemExit(f"what is {word}?")
    return 0


ANSWER = "type: completion\nsummary: it is done\noutput: {result: fine}\n"


def _who() -> str:
    return f"{os.environ['EXECUTORD_TASK']}.a{os.environ['EXECUTORD_ATTEMPT']}"


def _habit(folder: Path) -> list[str]:
    """The words for this attempt of this task: those of `T1.a2`, else of `T1`, else of `else`."""
    names = (_who(), os.environ["EXECUTORD_TASK"], "else")
    found = next((folder / name for name in names if (folder / name).exists()), None)
    return found.read_text().split("|") if found is not None else ["respond"]


def _message(text: str) -> str:
    env = os.environ
    return (
        f"from: {env['EXECUTORD_AGENT']}\ninstruction_id: {env['EXECUTORD_INSTRUCTION']}\n"
        f"task_id: {env['EXECUTORD_TASK']}\nattempt: {env['EXECUTORD_ATTEMPT']}\n{text}"
    )


def _put(path: Path, text: str) -> None:
    aside = path.parent / f".{path.name}.tmp"
    aside.write_text(text)
    aside.rename(path)


def _wait_until_told(kind: str) -> None:
    while not any(name.endswith(f"-{kind}.yaml") for name in os.listdir(os.environ["EXECUTORD_INBOX"])):
        time.sleep(0.02)


def _link(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "-"


def _on_interrupt(path: str) -> None:
    def heard(_number: int, _frame: object) -> None:
        Path(path).write_text("interrupted\n")
        if "EXECUTORD_RESULT" in os.environ:
            _put(Path(os.environ["EXECUTORD_RESULT"]), ANSWER)
        sys.exit(0)

    signal.signal(signal.SIGINT, heard)


def _grandchild(how: str) -> None:
    """One that leaves the session, loses its parent, and, `bare`, its environment too."""
    env = {"PATH": os.environ["PATH"]} if "bare" in how else None
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" if "deaf" in how else ""
    code = f"{deaf}import time; time.sleep(600)"
    middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session=True)"
    subprocess.run([sys.executable, "-c", middle], check=True, env=env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
