"""An agent as a process of its own: acknowledges and completes each delegation at once, and takes it away.

Run as `python -m tests.bench.answering ROOT AGENT…`. It reads only the envelope, as a script would, so that what is
measured is not the worker.
"""

from __future__ import annotations

import os
import sys

from tests.bench.eyes import Eyes
from tests.bench.trees import INBOX


def answer(root: str, agent: str, name: str) -> None:
    """Answer one delegation with an acknowledgement and a completion."""
    path = f"{root}/{INBOX}/{agent}/{name}"
    with open(path, encoding="utf-8") as file:
        lines = [file.readline().rstrip("\n") for _ in range(12)]
    said = dict(line.split(": ", 1) for line in lines if ": " in line)
    os.unlink(path)
    if said["type"] != "delegation":
        return
    head = (
        f"from: {agent}\ninstruction_id: {said['instruction_id']}\ntask_id: {said['task_id']}\n"
        f"attempt: {said['attempt']}\n"
    )
    stem = f"{said['instruction_id']}-{said['task_id']}"
    _drop(root, f"{stem}-1-ack.yaml", f"type: acknowledgement\n{head}")
    _drop(root, f"{stem}-2-done.yaml", f"type: completion\n{head}summary: did {said['task_id']}\noutput: all is well\n")


def _drop(root: str, name: str, text: str) -> None:
    folder = f"{root}/{INBOX}/executor"
    with open(f"{folder}/.{name}.tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{folder}/.{name}.tmp", f"{folder}/{name}")


def run(root: str, agents: list[str]) -> None:
    """For ever."""
    eyes = Eyes()
    for agent in agents:
        eyes.watch(f"{root}/{INBOX}/{agent}")
    print("ready", flush=True)
    while True:
        for folder, name, _ in eyes.see(60.0):
            if not name.startswith("."):
                answer(root, folder.rsplit("/", 1)[1], name)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
