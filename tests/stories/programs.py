"""Agents that are programs, with a set clock: what is noted when they are started, answer, fail, and are ended.

The processes are pretended: they live beside the daemon, as real ones do, so one that dies finds them as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from executord.case import Outcome, Process, ProcessSeen
from executord.policy import make_policy
from executord.policy.programs import Command
from executord.runners.workers import Run, Started
from tests.stories.kit import ENGINEER, Stage, story

DONE = Outcome("completion", {"summary": "it is done", "output": {"result": "fine"}}, True, usd=0.5, tokens=1000)
ROSTER = {ENGINEER: {"runner": {"program": "bot"}, "capacity": 0}}


@dataclass
class Pretended:
    """One process: held back until it begins; it ends after `lasts`, with `outcome`."""

    run: Run
    letters: list[str]
    lasts: timedelta
    outcome: Outcome
    said: str
    code: int
    stubborn: bool
    began: datetime | None = None
    stopped: datetime | None = None
    vanished: bool = False
    staged: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    @property
    def ends(self) -> datetime | None:
        """When it is gone."""
        if self.began is None:
            return None
        if self.stopped is not None:
            wait = timedelta(minutes=5) if self.stubborn else timedelta(seconds=2)
            return min(self.began + self.lasts, self.stopped + wait)
        return self.began + self.lasts


class Pretend:
    """Stands in for `Workers`: the same words, no process."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.all: dict[str, Pretended] = {}
        self.script: dict[str, dict[str, Any]] = {}

    def will(self, what: str, lasts: str = "10m", outcome: Outcome = DONE, said: str = "it ended with exit code 0",
             code: int = 0, stubborn: bool = False) -> None:  # fmt: skip
        """What the process of `T1.a1`, or `T1.a1.2`, will do; else it does well."""
        unit = {"s": "seconds", "m": "minutes", "h": "hours"}[lasts[-1]]
        span = timedelta(**{unit: int(lasts[:-1])})
        self.script[what] = {"lasts": span, "outcome": outcome, "said": said, "code": code, "stubborn": stubborn}

    def start(self, run: Run, command: Command, letters: Sequence[Mapping[str, Any]], *, search: bool) -> Started:
        """Held back."""
        name = f"{run.task}.a{run.attempt}" + (f".{run.k}" if run.k > 1 else "")
        given = {"lasts": timedelta(minutes=10), "outcome": DONE, "said": "it ended with exit code 0", "code": 0,
                 "stubborn": False, **self.script.get(name, {})}  # fmt: skip
        kinds = [str(each.get("type")) for each in letters]
        self.all[run.key] = Pretended(run, kinds, **given)
        pid = int(hashlib.sha256(run.key.encode()).hexdigest()[:5], 16)
        return Started({"pid": pid, "start_ticks": 7, "boot_id": "boot", "host": "stage"}, run, None)

    def begin(self, started: Started) -> None:
        """It begins."""
        self.begin_again(started.run)

    def begin_again(self, run: Run) -> None:
        """The same after a death."""
        found = self.all.get(run.key)
        if found is not None and found.began is None and not found.vanished:
            found.began = self._stage.now

    def sweep(self) -> None:
        """Who is still held back never begins."""
        for each in self.all.values():
            each.vanished = each.vanished or each.began is None

    def adopt(self, run: Run, process: Process, grace_s: float | None) -> None:
        """Watched again."""
        if process.state in ("stopping", "stuck"):
            self.stop(run, process, grace_s)

    def see(self, run: Run, process: Process, parser: str, now: datetime) -> ProcessSeen | None:
        """How it is found."""
        found = self.all[run.key]
        ends = found.ends
        if ends is None or ends > now:
            stuck = found.stopped is not None and now >= found.stopped + timedelta(seconds=20)
            return ProcessSeen(run.attempt, run.k, now, stuck=True) if stuck else None
        if found.stopped is not None and found.began is not None and found.began + found.lasts > ends:
            return ProcessSeen(
                run.attempt, run.k, ends, ended=True, gone=True, said="it was ended by SIGTERM", signal=15
            )
        return ProcessSeen(run.attempt, run.k, ends, ended=True, gone=True, said=found.said, code=found.code,
                           outcome=found.outcome)  # fmt: skip

    def changed(self) -> set[tuple[str, str]]:
        """All that move."""
        return {(p.run.case, p.run.task) for p in self.all.values() if not p.vanished}

    def next_in(self) -> float | None:
        """The stage asks for instants."""
        return None

    def next_at(self, now: datetime) -> datetime | None:
        """When one ends, or is seen to be stuck."""
        times = [p.ends for p in self.all.values() if p.ends is not None and p.ends > now]
        times += [at for p in self.all.values() if p.stopped and (at := p.stopped + timedelta(seconds=20)) > now]
        return min(times, default=None)

    def stage_follow_up(self, run: Run, n: int, kind: str, at: datetime, letter: Mapping[str, Any]) -> None:
        """Written aside."""
        self.all[run.key].staged[f"{n:04}-{kind}"] = letter

    def publish_follow_up(self, run: Run, process: Process | None, n: int, kind: str, command: Command | None) -> None:
        """Put in place; once."""
        if self.all[run.key].staged.pop(f"{n:04}-{kind}", None) is not None:
            self.all[run.key].told.append(f"{n:04}-{kind}")

    def stop(self, run: Run, process: Process, grace_s: float | None = None) -> None:
        """It is being ended."""
        self.all[run.key].stopped = self.all[run.key].stopped or self._stage.now

    def close(self) -> None:
        """Nothing to do."""


def programs(stage: Stage, **config: Any) -> Pretend:
    """From here on agents of this stage are programs."""
    stage.policy = make_policy(**{"roster": ROSTER, **config})
    pretend = Pretend(stage)
    stage.workers = pretend  # type: ignore[assignment]
    next_at = stage.next_at

    def also() -> datetime | None:
        times = [t for t in (next_at(), pretend.next_at(stage.now)) if t is not None]
        return min(times, default=None)

    stage.next_at = also  # type: ignore[method-assign]
    return pretend


@story("OPS-17", "OPS-18", "MEM-17", "CON-6", roster=ROSTER)
def a_program_is_started_answers_and_is_gone(stage: Stage) -> None:
    """The line of the start says which process it is; its answer is an ordinary message in its name."""
    programs(stage)
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=3)
    stage.look()
    stage.expect("""
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:00 start T1 a1 #1 → technical-support-engineer
    """)
    stage.at("09:11")
    stage.expect(
        """
        09:10 ended T1 a1 #1
        09:10 file acme-42.T1.a1.answer.yaml #1
        09:10 result T1 a1
        09:10 move T1 #2 completed
        09:10 aggregate #1
        09:10 request component follow_up_plan #1 → technical-support-engineer
        09:10 request component knowledge_base_article #1 → knowledge-base-manager
        09:10 request component preventive_measures #1 → technical-support-engineer
        09:10 request component resolution_steps #1 → technical-support-engineer
        09:10 request component root_cause_analysis #1 → support-analyst
        """
    )
    stage.says("acme-42/outputs/partial/T1.yaml", state="completed", agent=ENGINEER, summary="it is done")
    stage.holds("_communication/inbox/executor")


@story("OPS-17", "EXE-14", roster=ROSTER)
def a_program_that_fails_is_tried_again_and_then_escalated(stage: Stage) -> None:
    """Without a result the attempt has failed, after the time in which an answer may still be found."""
    pretend = programs(stage)
    nothing = Outcome(reason="it ended with exit code 0, without a result")
    for n in (1, 2, 3):
        pretend.will(f"T1.a{n}", "1m", nothing)
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=3)
    stage.look()
    stage.skip()
    stage.at("09:02")
    stage.expect("""
        09:01:03 ended T1 a1 #1
        09:01:03 file acme-42.T1.a1.answer.yaml #1
        09:01:03 keep T1 a1
        09:01:03 assign T1 a2 → technical-support-engineer
        09:01:03 start T1 a2 #1 → technical-support-engineer
    """)
    stage.at("09:10")
    stage.has("T1 escalated")
    stage.says("acme-42/outputs/partial/T1.attempt-3.yaml", state="failed",
               reason="it ended with exit code 0, without a result")  # fmt: skip


@story("OPS-18", "OPS-17", "EXE-3", roster=ROSTER)
def one_that_cannot_be_killed_parks_its_task_only(stage: Stage) -> None:
    """A reassigned task waits until the process is verified gone, which is said; the other task goes on."""
    pretend = programs(stage)
    pretend.will("T1.a1", "6h", stubborn=True)
    stage.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": ENGINEER}}, tier=3)
    stage.look()
    stage.at("09:01").drop("reassign", "support-manager", "T1", to="escalation-manager", reason="no sign of life")
    stage.skip()
    stage.at("09:05")
    stage.expect("""
        09:01:20 stuck T1 a1 #1 → support-manager
    """)
    stage.has("T1 reassigning", "T2 assigned")
    stage.at("09:12")
    stage.expect("""
        09:06 gone T1 a1 #1
        09:06 assign T1 a2 → escalation-manager
        09:10 ended T2 a1 #1
        09:10 file acme-42.T2.a1.answer.yaml #1
        09:10 result T2 a1
        09:10 move T2 #2 completed
    """)


@story("OPS-17", "OPS-18", "EXE-13", roster=ROSTER)
def a_refused_claim_starts_the_program_again_and_a_tell_reaches_it(stage: Stage) -> None:
    """The rework is what the second process of the attempt is called with; what comes while it runs is told to it."""
    pretend = programs(stage)
    pretend.will("T1.a1", "1m", Outcome("completion", {"summary": "nothing to show"}, True))
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=3)
    stage.look()
    stage.skip()
    stage.at("09:02").drop("tell", "support-manager", "T1", text="mind the EU endpoint")
    stage.expect("""
        09:01 ended T1 a1 #1
        09:01 file acme-42.T1.a1.answer.yaml #1
        09:01 rework T1 a1 #1 → technical-support-engineer
        09:01 start T1 a1 #2 → technical-support-engineer
        09:02 file 01-tell.yaml #1
        09:02 pass-on T1 a1 #1 → technical-support-engineer
        09:02 tell T1 a1 #1 → technical-support-engineer
    """)
    if stage.strict:
        second = next(p for p in pretend.all.values() if p.run.k == 2)
        assert second.letters == ["rework_request"]
        assert second.told == ["0001-context"]
    stage.at("09:12")
    stage.expect(
        """
        09:11 ended T1 a1 #2
        09:11 file acme-42.T1.a1.answer-2.yaml #1
        09:11 result T1 a1
        09:11 move T1 #2 completed
        09:11 aggregate #1
        09:11 request component follow_up_plan #1 → technical-support-engineer
        09:11 request component knowledge_base_article #1 → knowledge-base-manager
        09:11 request component preventive_measures #1 → technical-support-engineer
        09:11 request component resolution_steps #1 → technical-support-engineer
        09:11 request component root_cause_analysis #1 → support-analyst
        """
    )


@story("OPS-18", "EXE-25", roster=ROSTER)
def what_is_spent_is_added_up_and_pauses(stage: Stage) -> None:
    """80 % of the budget is said, at 100 % the instruction is paused and hitl asked; resume goes on beyond it."""
    programs(stage, budgets={"tier: 3": {"tokens": 2000}})
    stage.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": ENGINEER, "depends_on": ["T1"]},
                "T3": {"assigned_to": ENGINEER, "depends_on": ["T2"]}}, tier=3)  # fmt: skip
    stage.look()
    stage.at("09:21")
    stage.skip()
    stage.at("09:30")
    stage.has("T1 completed", "T2 completed", "T3 ready")
    stage.drop("resume", "hitl")
    stage.expect("""
        09:30 file 01-resume.yaml #1
        09:30 handoff T3 a1 #1 T2 → technical-support-engineer
        09:30 assign T3 a1 → technical-support-engineer
        09:30 move T3 #1 in_progress
        09:30 start T3 a1 #1 → technical-support-engineer
    """)
    stage.at("09:41")
    stage.has("T3 completed")
    stage.says("_communication/inbox/hitl/acme-42.escalation.yaml", type="escalation")


@story("OPS-17", "MSG-3", "OPS-18", roster=ROSTER)
def what_a_program_says_after_its_attempt_was_closed_is_late(stage: Stage) -> None:
    """It was being ended when it came to its result: that is kept, told, and never applied."""
    pretend = programs(stage)
    pretend.will("T1.a1", "61s")
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=3)
    stage.look()
    stage.at("09:01").drop("reassign", "support-manager", "T1", to="escalation-manager", reason="no sign of life")
    stage.skip()
    stage.at("09:02")
    stage.expect("""
        09:01:01 gone T1 a1 #1
        09:01:01 file acme-42.T1.a1.answer.yaml #1
        09:01:01 keep-late T1 a1 #1
        09:01:01 notice T1 a1 #1 late → support-manager
        09:01:01 assign T1 a2 → escalation-manager
    """)
    stage.says("acme-42/outputs/partial/T1.attempt-1.late.yaml", state="late", agent=ENGINEER, summary="it is done")
    stage.has("T1 assigned")
