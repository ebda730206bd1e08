"""A lead who decides: lets checkpoints go, and gets answers for those who are blocked.

    lead.py MEMORY AGENT --answers FOLDER [--pace S]

Checkpoints come as messages into the inbox; who is blocked stands in each instruction's outputs/partial/progress.yaml.
"""

import argparse
import glob
import os
import time

import yaml
from post import Desk, until_told_to_stop


class Lead:
    """What is asked of one lead."""

    def __init__(self, options):
        self.options = options
        self.desk = Desk(options.memory, options.agent)
        self.answered = set()
        self.later = []  # (when, name, message)

    def step(self):
        """Read, look who is blocked, and decide a little later, as people do."""
        for message in self.desk.read():
            if message["type"] == "checkpoint":
                self.decide("release", {
                    "type": "release", "instruction_id": message["instruction_id"],
                    "checkpoint": message["checkpoint"], "reason": "read and agreed",
                })  # fmt: skip
            elif message["type"] == "escalation" and "task_id" in message:
                self.decide("retry", {
                    "type": "retry", "instruction_id": message["instruction_id"], "task_id": message["task_id"],
                    "reason": "once more, please",
                })  # fmt: skip
        if self.options.agent == "support-manager":
            self.look_for_blockers()
        now = time.monotonic()
        for _, name, message in [each for each in self.later if each[0] <= now]:
            self.desk.drop(name, message)
        self.later = [each for each in self.later if each[0] > now]

    def decide(self, name, message):
        """Send it after a moment."""
        self.later.append((time.monotonic() + self.options.pace, name, message))

    def look_for_blockers(self):
        """Answer each blocker once."""
        for path in glob.glob(f"{self.options.memory}/*/outputs/partial/progress.yaml"):
            with open(path, encoding="utf-8") as file:
                progress = yaml.load(file, Loader=yaml.BaseLoader)
            for blocker in progress["blockers"]:
                key = (progress["instruction_id"], blocker["id"])
                if key not in self.answered:
                    self.answered.add(key)
                    self.decide("unblocked", {
                        "type": "unblocked", "instruction_id": key[0], "task_id": blocker["task"],
                        "answer": self.answer(key[0], blocker["task"]),
                    })  # fmt: skip

    def answer(self, instruction, task):
        """What the one asked said."""
        path = f"{self.options.answers}/{instruction}/{task}.yaml"
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return yaml.load(file, Loader=yaml.BaseLoader).get("answer", "go ahead")
        return "go ahead"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("memory")
    parser.add_argument("agent")
    parser.add_argument("--answers", required=True)
    parser.add_argument("--pace", type=float, default=0.8)
    until_told_to_stop(Lead(parser.parse_args()).step, 0.1)
