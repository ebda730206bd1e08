"""A worker of team sessions for tests, the standard library only: `python teamworker.py BEHAVIOUR [TASK=BEHAVIOUR…]`.

A behaviour is words with commas between; `TASK=` gives one task its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TASK, RESULT = os.environ["EXECUTORD_TASK"], os.environ["EXECUTORD_RESULT"]
INBOX = Path(os.environ["EXECUTORD_INBOX"])


def result(task: str = TASK, path: str = RESULT, **fields: object) -> None:
    """A whole discovery file, aside and renamed."""
    data = {"id": task, "status": "completed", "findings": f"{task} done by {os.getpid()}", **fields}
    aside = f"{path}.{os.getpid()}.part"
    Path(aside).write_text(json.dumps(data))
    os.rename(aside, path)


def say(type: str, summary: str, **data: object) -> None:
    """A line on the message bus."""
    line = json.dumps(
        {"id": "MSG-1", "from": TASK, "to": "coordinator", "type": type, "summary": summary, "data": data}
    )
    with open(".msg/messages.jsonl", "a") as file:
        file.write(line + "\n")


def mark(name: str) -> None:
    """That this was done, and by whom: one line a time."""
    with open(f"marks.{name}", "a") as file:
        file.write(f"{TASK} {os.environ['EXECUTORD_ATTEMPT']} {os.getpid()}\n")


def follow_up(kind: str, seconds: float = 30.0) -> str:
    """Wait for a follow-up of a kind; answers its text."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in sorted(INBOX.glob(f"*-{kind}.yaml")):
            return path.read_text()
        time.sleep(0.05)
    raise SystemExit(f"no {kind} came")


def do(word: str) -> None:
    """One word of a behaviour."""
    name, _, value = word.partition(":")
    match name:
        case "finish":
            result()
        case "artifact":
            Path("artifacts").mkdir(exist_ok=True)
            Path(f"artifacts/{TASK}.md").write_text(f"# {TASK}\n" + "x" * int(value or 0))
            result(artifact=f"artifacts/{TASK}.md")
        case "fail":
            result(status="failed", error=value or "it does not work", findings="")
        case "torn":
            Path(RESULT).write_text('{"id": "' + TASK + '", "status": "comp')
        case "exit":
            sys.exit(int(value or 0))
        case "sleep":
            time.sleep(float(value))
        case "mark":
            mark(value)
        case "deaf":
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
        case "answer":
            follow_up("status_check")
            say("progress", "half of it is done")
        case "final":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            follow_up("finalize")
            result(findings="what there was when I was told to stop")
        case "interrupted":
            signal.signal(signal.SIGINT, lambda *_: (result(findings="interrupted"), sys.exit(0)))
        case "grandchild":
            code = "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
            middle = (
                f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session=True)"
            )
            subprocess.run([sys.executable, "-c", middle], check=True)
        case "flood":
            left, part = int(value), b"x" * 65535 + b"\n"
            while left > 0:
                left -= os.write(1, part)
        case "order":
            Path(f"order.{TASK}").write_text(sys.stdin.read())
        case "env":
            Path(f"env.{TASK}").write_text("".join(f"{k}={v}\n" for k, v in sorted(os.environ.items())))
        case "fds":
            names = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd not in ("0",)
                     and os.path.lexists(f"/proc/self/fd/{fd}")]  # fmt: skip
            Path(f"fds.{TASK}").write_text("\n".join(names))
        case "context":
            Path(f"context.{TASK}").write_text(follow_up("context"))
        case "next":
            text = follow_up("task")
            task = next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("task_id"))
            path = next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("result"))
            result(task, path)
        case "once":
            if os.environ["EXECUTORD_ATTEMPT"] != "1":
                result()
                sys.exit(0)
        case "wait":
            while not os.path.exists(value):
                time.sleep(0.05)
        case "session":
            done = subprocess.run(
                [sys.executable, "-m", "executord", "session", "run", "--session=."], capture_output=True
            )
            Path(f"session.{TASK}").write_text(f"{done.returncode}\n{done.stderr.decode()}")
        case _:
            raise SystemExit(f"what is {word}?")


def main() -> None:
    """Behave as told."""
    behaviour = sys.argv[1]
    for each in sys.argv[2:]:
        task, _, own = each.partition("=")
        if task == TASK:
            behaviour = own
    for word in behaviour.split(","):
        do(word)


if __name__ == "__main__":
    main()
