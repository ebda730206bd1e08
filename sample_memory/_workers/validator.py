"""A validator: reads what is handed off, looks whether it is whole, and gives its verdict.

    validator.py MEMORY [--pace S]

The first time it sends back what is only half said; a second hand-off of the same it lets pass.
"""

import argparse
import hashlib
import time

import yaml
from post import Desk, until_told_to_stop


class Validator:
    """Everything that waits for a verdict."""

    def __init__(self, options):
        self.options = options
        self.desk = Desk(options.memory, "validator")
        self.later = []  # (when, the request)

    def step(self):
        """Read what has come; give the verdict a little later, as people do."""
        for message in self.desk.read():
            if message["type"] == "validation_request":
                self.later.append((time.monotonic() + self.options.pace, message))
        now = time.monotonic()
        for _, message in [each for each in self.later if each[0] <= now]:
            self.desk.drop(f"{message['instruction_id']}-verdict", self.verdict(message))
        self.later = [each for each in self.later if each[0] > now]

    def load(self, path):
        """A YAML file of the memory, every value as text."""
        with open(f"{self.options.memory}/{path}", encoding="utf-8") as file:
            return yaml.load(file, Loader=yaml.BaseLoader)

    def verdict(self, message):
        """PASS, or FIXABLE with what is to be mended: the components that a concern names, and files that differ."""
        handed, product = self.load(message["handoff"]), self.load(message["deliverable"])
        issues = [
            {"component": name, "issue": concern.split(": ", 1)[1]}
            for concern in message["concerns"] for name in product["components"] if concern.startswith(f"{name}: ")
        ]  # fmt: skip
        if message["cycle"] != "1":
            issues = []
        for row in handed["manifest"]:
            with open(f"{self.options.memory}/{message['instruction_id']}/{row['path']}", "rb") as file:
                if hashlib.sha256(file.read()).hexdigest() != row["sha256"]:
                    issues.append(f"{row['path']} is not the file that was handed off")
        return {
            "type": "verdict", "instruction_id": message["instruction_id"], "cycle": message["cycle"],
            "verdict": "FIXABLE" if issues else "PASS",
            "reason": "one thing is only half said" if issues else "whole, and as it was asked for",
            "issues": issues,
        }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("memory")
    parser.add_argument("--pace", type=float, default=0.8)
    until_told_to_stop(Validator(parser.parse_args()).step, 0.1)
