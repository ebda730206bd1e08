"""A worker of team sessions: reads its order, does a small real job, and leaves its result.

    team.py     (started by the executor; see EXECUTORD_TASK, EXECUTORD_RESULT, EXECUTORD_INBOX)

What it may know stands in its order, on stdin, and in the session's folder, where it is started. A role with
`inner_loop: true` gets its next task as a file in its inbox; one that gets none for a while ends by itself.
"""

import csv
import glob
import json
import os
import re
import sys
import time

import yaml

PATIENCE_S = 5.0


def fields(order):
    """The `name: value` lines of an order."""
    return dict(re.findall(r"(?m)^(\w+): ?(.*)$", order.split("## Upstream Context")[0]))


def analyse(order):
    """Failures by hour, and when they began and ended."""
    with open("explorations/gateway-log.csv", encoding="utf-8") as file:
        failed = [row["at"] for row in csv.DictReader(file) if row["status"] == "failed"]
    hours = {}
    for at in failed:
        hours[at[11:13]] = hours.get(at[11:13], 0) + 1
    told = {"failed": len(failed), "by_hour": hours, "began": failed[0][11:16], "ended": failed[-1][11:16]}
    path = write("analysis.json", json.dumps(told, indent=2) + "\n")
    return {"findings": f"{len(failed)} payments failed between {told['began']} and {told['ended']}", "artifact": path}


def compose(order):
    """A text of the analyst's numbers."""
    with open("artifacts/analysis.json", encoding="utf-8") as file:
        told = json.load(file)
    text = f"Between {told['began']} and {told['ended']} UTC, {told['failed']} payments failed in Europe."
    if "mail" in order["title"]:
        path = write("mail.md", f"Dear customer,\n\n{text}\nNothing was charged twice.\n")
    else:
        path = write(
            "status-page.md", f"# Outage of the payment gateway\n\n{text}\nThe gateway has more connections now.\n"
        )
    return {"findings": f"{path} is written", "artifacts_produced": [path]}


def review(order):
    """Whether each number of the texts stands in the analysis."""
    with open("artifacts/analysis.json", encoding="utf-8") as file:
        known = set(re.findall(r"\d+", file.read()))
    astray = []
    for path in sorted(glob.glob("artifacts/*.md")):
        with open(path, encoding="utf-8") as file:
            astray += [f"{path}: {n}" for n in re.findall(r"\d+", file.read()) if n not in known]
    return {
        "findings": "every number holds" if not astray else f"numbers that nobody counted: {', '.join(astray)}",
        "quality_score": 95 if not astray else 50,
    }


def write(name, text):
    """A file in artifacts/; answers its path from the session's folder."""
    os.makedirs("artifacts", exist_ok=True)
    with open(f"artifacts/{name}", "w", encoding="utf-8") as file:
        file.write(text)
    return f"artifacts/{name}"


def say(task, text):
    """A line on the session's message bus."""
    line = {
        "id": "MSG-1",
        "from": task,
        "to": "coordinator",
        "type": "progress",
        "summary": text,
        "data": {"task_id": task},
    }
    with open(".msg/messages.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def work(text, result):
    """One task, from its order to its result, which appears whole."""
    order = fields(text)
    say(order["task_id"], f"begun: {order['title']}")
    told = {"analyst": analyse, "writer": compose, "reviewer": review}[order["role"]](order)
    with open(f"{result}.part", "w", encoding="utf-8") as file:
        json.dump({"id": order["task_id"], "role": order["role"], "status": "completed", **told}, file, indent=2)
    os.rename(f"{result}.part", result)
    return order.get("inner_loop") == "true"


def next_task(done):
    """The next follow-up that is a task, None if none comes in time."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        for path in sorted(glob.glob(f"{os.environ['EXECUTORD_INBOX']}/*-task.yaml")):
            if path not in done:
                done.add(path)
                with open(path, encoding="utf-8") as file:
                    return yaml.load(file, Loader=yaml.BaseLoader)
        time.sleep(0.1)
    return None


def main():
    """The task it was started with, then those that follow."""
    done = set()
    more = work(sys.stdin.read(), os.environ["EXECUTORD_RESULT"])
    while more and (order := next_task(done)) is not None:
        more = work(order["text"], order["result"])


if __name__ == "__main__":
    main()
