"""A planner who mends what the daemon cannot use: reads which field of which task is not filled in, and fills it in.

planner.py MEMORY [--pace S]
"""

import argparse
import os
import re
import time

from post import Desk, until_told_to_stop

RIGHT = {"assigned_to": "support-trainer", "priority": "medium"}


def mend(memory, notice):
    """Write the task once more with its fields filled in: aside, then over the old one in pending/."""
    path = f"{memory}/{notice['file']}"
    if "/tasks/pending/" not in path or not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for fault in notice["held_because"]:
        field = fault["field"]
        if field in RIGHT:
            text = re.sub(rf"(?m)^{re.escape(field)}:.*$", f"{field}: {RIGHT[field]}", text)
    aside = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.tmp")
    with open(aside, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(aside, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("memory")
    parser.add_argument("--pace", type=float, default=0.8)
    options = parser.parse_args()
    desk = Desk(options.memory, "planner")

    def step():
        """Mend each task that a notice names."""
        for message in desk.read():
            if message["type"] == "notice" and message.get("held_because"):
                time.sleep(options.pace)
                mend(options.memory, message)

    until_told_to_stop(step, 0.1)
