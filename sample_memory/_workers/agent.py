"""A worker that looks its answers up, as a real one would think of them: acknowledgement, progress, completion.

    agent.py MEMORY AGENT --answers FOLDER [--pace S] [--task ID --habit late|forgets|careless|asks [--late S]]

A habit shows what goes wrong with real workers, and how it is put right; it concerns one task only:
late      answers many seconds after the others
forgets   claims to be done with nothing to show, is asked for rework, and then does it
careless  drops a message of a type that nobody knows, reads the rejection, and sends it as it should be
asks      cannot go on without an answer, says so, and goes on when it has come
"""

import argparse
import os
import time

import yaml
from post import Desk, until_told_to_stop


def answer_to(order, folder):
    """What there is to say to a delegation: from the answers, else a word for each criterion."""
    path = f"{folder}/{order['instruction_id']}/{order['task_id']}.yaml"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return yaml.load(file, Loader=yaml.BaseLoader)
    criteria = order.get("acceptance_criteria") or ["the task as it is written"]
    return {"summary": f"Done: {order['task']['title']}", "output": {"done": criteria}}


def completion(desk, order, answer):
    """The claim, with its files written to where the delegation says."""
    folder = order["results_to"]  # e.g. acme-42/outputs/partial/T3/
    paths = []
    for name, text in (answer.get("files") or {}).items():
        os.makedirs(f"{desk.memory}/{folder}", exist_ok=True)
        with open(f"{desk.memory}/{folder}{name}", "w", encoding="utf-8") as file:
            file.write(text)
        paths.append(folder.removeprefix(order["instruction_id"] + "/") + name)
    claim = {key: answer[key] for key in ("summary", "output", "components", "concerns") if key in answer}
    if paths:
        claim["outputs"] = paths
    if order["communication"]["required"] != "internal":
        claim["customer_update"] = answer["customer_update"]
    return claim


def work(desk, order, habit, options):
    """One task from delegation to completion. Yields seconds to wait, or the type of message that is waited for."""

    def say(what, **more):
        desk.drop(f"{order['task_id']}-{what}", {
            "type": what, "instruction_id": order["instruction_id"], "task_id": order["task_id"],
            "attempt": order["attempt"], **more,
        })  # fmt: skip

    answer = answer_to(order, options.answers)
    yield options.pace
    say("acknowledgement")
    yield options.late if habit == "late" else options.pace
    say("progress", percent=50, note="half of it is done")
    if habit == "asks":
        say("blocked", **answer["blocked"])
        yield "answer"
    yield options.pace
    claim = completion(desk, order, answer)
    if habit == "forgets":
        say("completion", summary="All done!")
        yield "rework_request"
        yield options.pace
    if habit == "careless":
        say("report", **claim)
        yield "rejection"
    say("completion", **claim)


def in_the_war_room(desk, message, pace):
    """What a member of an incident's team says; who commands leads it to its end. Yields seconds to wait."""

    def say(what, **more):
        desk.drop(what, {"type": what, "instruction_id": message["instruction_id"], **more})

    about = {"incident_id": message["incident_id"]}
    if message["type"] == "incident_role":
        yield pace
        say("acknowledgement", in_reply_to=message["id"])
        if message["role"] == "commander":
            yield pace
            say("incident_action", **about, action="everybody is called; the last change is looked at first")
            yield pace
            say("incident_update", **about, status="the cause is found, the repair is under way")
            yield 4 * pace
            say("incident_resolved", **about, summary="the repair holds")
    elif message["type"] == "stakeholder_update_request":
        say("incident_update", **about, status="the repair is under way")
    elif message["type"] == "retrospective_request":
        yield pace
        measure = {"measure": "a check 14 days ahead", "owner": "support-operations-manager", "date": "2026-12-04"}
        say(
            "incident_update", **about, status="what we have learned",
            retrospective="A change on the customer's side that nobody had told us of; found within the hour.",
            prevention_plan=[measure],
        )  # fmt: skip


class Worker:
    """Everything that this agent has on the desk."""

    def __init__(self, options):
        self.options = options
        self.desk = Desk(options.memory, options.agent)
        self.jobs = {}  # (instruction, task) → [the work, when or for what type of message it goes on]

    def step(self):
        """Read what has come, go on with what can go on."""
        for message in self.desk.read():
            key = (message.get("instruction_id"), message.get("task_id"))
            kind = message["type"]
            if kind == "delegation":
                habit = self.options.habit if message["task_id"] == self.options.task else None
                self.jobs[key] = [work(self.desk, message, habit, self.options), 0]
            elif kind in ("incident_role", "stakeholder_update_request", "retrospective_request"):
                self.jobs[message["id"], None] = [in_the_war_room(self.desk, message, self.options.pace), 0]
            elif kind == "reassignment_notice":
                self.jobs.pop(key, None)
            else:
                for job in self.jobs.values():
                    if job[1] == kind:
                        job[1] = 0
        for key, job in list(self.jobs.items()):
            if not isinstance(job[1], str) and job[1] <= time.monotonic():
                self.go_on(key, job)

    def go_on(self, key, job):
        """To the next stop of this work, or to its end."""
        stop = next(job[0], None)
        if stop is None:
            del self.jobs[key]
        else:
            job[1] = stop if isinstance(stop, str) else time.monotonic() + stop


def read_options():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("memory")
    parser.add_argument("agent")
    parser.add_argument("--answers", required=True)
    parser.add_argument("--pace", type=float, default=0.4)
    parser.add_argument("--task")
    parser.add_argument("--habit", choices=["late", "forgets", "careless", "asks"])
    parser.add_argument("--late", type=float, default=6.0)
    return parser.parse_args()


if __name__ == "__main__":
    options = read_options()
    until_told_to_stop(Worker(options).step, 0.1)
