"""A worker's post: read the YAML in my inbox, drop YAML into the executor's inbox. All that a worker needs to know.

desk = Desk("/srv/agent_memory", "technical-writer")
for message in desk.read():      # oldest first; each is taken away as it is read
    ...
desk.drop("ack.yaml", {"type": "acknowledgement", "instruction_id": "acme-42", "task_id": "T3"})
"""

import os
import signal
import sys
import time

import yaml


class Desk:
    """One agent's inbox, and the way to the executor's."""

    def __init__(self, memory, agent):
        self.memory, self.agent = memory, agent
        self.inbox = f"{memory}/_communication/inbox/{agent}"
        self.executor = f"{memory}/_communication/inbox/executor"
        self.dropped = 0

    def read(self):
        """The messages that have come; moving one to `done/` says that it was read."""
        try:
            names = [n for n in os.listdir(self.inbox) if n.endswith(".yaml") and not n.startswith(".")]
        except FileNotFoundError:
            return []
        found = []
        for name in sorted(names, key=lambda n: (os.stat(f"{self.inbox}/{n}").st_mtime_ns, n)):
            with open(f"{self.inbox}/{name}", encoding="utf-8") as file:
                found.append(yaml.load(file, Loader=yaml.BaseLoader))  # BaseLoader: every value is text
            os.makedirs(f"{self.inbox}/done", exist_ok=True)
            os.rename(f"{self.inbox}/{name}", f"{self.inbox}/done/{name}")
        return found

    def drop(self, what, body):
        """One message to the executor: written aside under a dot name, then renamed, so it is never seen half."""
        self.dropped += 1
        name = f"{self.agent}-{self.dropped:03}-{what}.yaml"
        aside = f"{self.executor}/.{name}"
        with open(aside, "w", encoding="utf-8") as file:
            yaml.safe_dump({"from": self.agent, **body}, file, sort_keys=False, allow_unicode=True)
        os.rename(aside, f"{self.executor}/{name}")
        return name


def until_told_to_stop(step, every):
    """Call `step` again and again until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        step()
        time.sleep(every)
