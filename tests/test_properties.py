"""Random events on small cases: the kept agenda is a fresh one, the journal says all, no task is lost [PERF-4, EXE-3].

An example is a list of events, each plain data; `Chance` carries them out on a stage and looks at the rules after each.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from executord.agenda import GIVEN, Due
from executord.case import Outcome, Task
from executord.case.casebook import Case
from executord.case.snapshot import freeze, thaw
from executord.files import journal
from executord.files.keepsakes import Keepsakes
from executord.pen import json_text
from executord.posts import result_path
from executord.rehearsal import Rehearsal
from executord.rules import agenda_of
from executord.service import Rings, Service
from executord.views.obstacles import freed_by
from executord.views.overview import stands
from tests.stories.delivery import TICKET
from tests.stories.kit import CASE, ENGINEER, UPDATE, WRITER, Stage
from tests.stories.programs import DONE, programs

IDS = ("T1", "T2", "T3", "T4")
FOLDERS = ("pending", "in_progress", "completed", "blocked")
SENDERS = ("holder", "holder", "holder", "asked", "asked", ENGINEER, WRITER, "support-manager", "operator", "planner",
           "stranger", "validator", "validator", "escalation-manager")  # fmt: skip
KINDS = (
    "acknowledgement", "progress", "completion", "completion", "blocked", "unblocked", "failed", "declined",
    "customer_update", "priority_change", "reassign", "retry", "defer", "cancel", "hold", "release", "accept_late",
    "tell", "plan_ready", "pause", "resume", "mute", "unmute", "status", "nonsense", "verdict", "escalation",
    "consultation",
    "review_request", "consultation_response", "review_response", "decision", "hitl_decision", "blocked",
    "customer_reply", "sla_extension", "expected_late", "customer_update", "promising", "unpriced",
    "whole", "whole", "verdict", "verdict", "fixable", "fixable", "stopped", "waive", "answered", "incident",
    "incident_update",
    "incident_action", "incident_resolved", "papers", "without_plan", "without_instruction",
)  # fmt: skip
BODIES: Mapping[str, Mapping[str, Any]] = {
    "progress": {"percent": 40, "note": "at it"},
    "completion": {"summary": "done", "output": {"x": 1}},
    "blocked": {"description": "the account number is missing"},
    "unblocked": {"answer": "4711"},
    "customer_update": UPDATE,
    "priority_change": {"priority": "critical"},
    "reassign": {"to": WRITER},
    "tell": {"text": "mind the gap"},
    "mute": {"for": "2h"},
    "escalation": {"topic": "scope"},
    "consultation": {"question": "a second engineer?", "ask": WRITER},
    "review_request": {"question": "is it right?"},
    "consultation_response": {"answer": "yes"},
    "decision": {"decision": "reassign", "to": WRITER},
    "hitl_decision": {"decision": "defer"},
    "verdict": {"result": "PASS"},
    "customer_reply": {"text": "it is 4711"},
    "sla_extension": {"approved_by": "Acme", "add": "4 hours"},
    "expected_late": {"type": "progress", "eta": "2026-11-29T12:00:00Z", "percent": 30, "workaround": "by invoice"},
    "promising": {"type": "customer_update", **UPDATE, "next_update_at": "2026-11-20T15:00:00Z"},
    "unpriced": {"type": "priority_change", "priority": "low"},
    "whole": {"type": "completion", "summary": "done", "components": TICKET, "customer_update": UPDATE},
    "fixable": {
        "type": "verdict",
        "result": "FIXABLE",
        "issues": [{"task": "T1", "issue": "more"}, {"component": "follow_up_plan"}],
    },
    "stopped": {"type": "verdict", "result": "BLOCKED"},
    "waive": {"component": "follow_up_plan"},
    "answered": {
        "type": "answer",
        "components": {"follow_up_plan": {"date": "2026-12-01"}, "resolution_steps": "{steps}"},
    },
    "incident": {"severity": 2, "description": "it burns"},
    "incident_update": {"status": "at it"},
    "incident_action": {"action": "restarted"},
    "without_plan": {"type": "plan_ready", "without": "plan"},
    "without_instruction": {"type": "plan_ready", "without": ["instruction.yaml"]},
    "papers": {"type": "incident_update", "retrospective": "why", "prevention_plan": ["a measure"]},
}
SPECS: tuple[Mapping[str, Any] | str, ...] = (
    {"assigned_to": ENGINEER},
    {"assigned_to": WRITER, "priority": "low"},
    {"title": "diagnose the api error", "depends_on": ["T1"]},
    {"assigned_to": WRITER, "depends_on": ["T4"], "supporting": [ENGINEER]},
    {"assigned_to": ENGINEER, "depends_on": ["T2", "T9"]},
    {"title": "{title}"},
    "title: [open\n",
    "",
    {"id": "T3", "assigned_to": ENGINEER},
    {"assigned_to": ENGINEER, "estimated_effort": "20 hours", "workstream": "engineering"},
    {"assigned_to": WRITER, "sla_resolution": "3 hours", "sla_response": "20 min"},
)
HEAD = {"instruction": f"{CASE}/instruction.yaml", "plan": f"{CASE}/workflow/plan.yaml"}
SPANS = ("0s", "1s", "2s", "10m", "40m", "4h", "30h", "73h")

HABITS: Mapping[str, Outcome] = {
    "does it": DONE,
    "says nothing": Outcome(reason="it ended with exit code 0, without a result"),
    "is blocked": Outcome("blocked", {"description": "which one?"}, True),
    "claims": Outcome("completion", {"summary": "nothing to show"}, True),
}  # what a program does
ids = st.sampled_from(IDS)
letter = st.fixed_dictionaries(
    {
        "do": st.just("letter"), "kind": st.sampled_from(KINDS), "sender": st.sampled_from(SENDERS),
        "task": st.sampled_from((*IDS, *IDS, None)), "attempt": st.sampled_from((None, None, None, 1, 2)),
        "full": st.sampled_from((True, True, True, False)), "case": st.sampled_from((CASE, CASE, CASE, None)),
    }
)  # fmt: skip
event = st.one_of(
    letter,
    letter,
    letter,
    st.fixed_dictionaries({"do": st.just("advance"), "span": st.sampled_from(SPANS)}),
    st.fixed_dictionaries({"do": st.just("move"), "task": ids, "to": st.sampled_from(FOLDERS[:3])}),
    st.fixed_dictionaries({"do": st.just("edit"), "task": ids, "spec": st.integers(0, len(SPECS) - 1)}),
    st.fixed_dictionaries(
        {"do": st.just("add"), "task": ids, "spec": st.integers(0, len(SPECS) - 1),
         "to": st.sampled_from(("pending", "pending", "pending", *FOLDERS))}
    ),
    st.fixed_dictionaries({"do": st.just("delete"), "task": ids}),
    st.fixed_dictionaries(
        {"do": st.just("plan"), "tasks": st.permutations(IDS).map(lambda p: list(p[:3])), "tier": st.integers(1, 4),
         "gate": st.booleans()}
    ),
    st.fixed_dictionaries({"do": st.just("away"), "what": st.sampled_from(sorted(HEAD))}),
    st.fixed_dictionaries({"do": st.just("spoil"), "what": st.sampled_from(sorted(HEAD))}),
    st.fixed_dictionaries(
        {"do": st.just("carried"), "how": st.sampled_from(("delivered", "failed", "doubtful")),
         "number": st.integers(1, 3)}
    ),
    st.fixed_dictionaries({"do": st.just("arrived"), "yes": st.booleans()}),
    st.fixed_dictionaries({"do": st.just("restart"), "kill": st.booleans()}),
    st.fixed_dictionaries(
        {"do": st.just("behave"), "how": st.sampled_from(sorted(HABITS)), "lasts": st.sampled_from(("1s", "5m", "3h")),
         "stubborn": st.booleans()}
    ),
    st.fixed_dictionaries({"do": st.just("output"), "task": ids, "own": st.booleans()}),
    st.fixed_dictionaries({"do": st.just("down"), "span": st.sampled_from(("1h", "9h", "73h"))}),
)  # fmt: skip
beginning = st.fixed_dictionaries(
    {
        "tier": st.sampled_from((None, 1, 2, 3, 4)),
        "plan": st.booleans(),
        "specs": st.lists(st.integers(0, len(SPECS) - 1), min_size=1, max_size=3),
        "customer": st.booleans(),
        "programs": st.booleans(),
        "channel": st.sampled_from((None, None, "at_least_once", "at_most_once")),
    }
)


class Chance:
    """A stage on which anything may happen."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="chance-", dir=base)
        way = {"mail": {"type": "email", "delivery": given["channel"]}} if given["channel"] else {}
        self.stage = Stage(f"{self.folder}/stage", {"channels": way})
        self.pretend = programs(self.stage) if given.get("programs") else None
        tasks = {IDS[k]: SPECS[n] for k, n in enumerate(given["specs"])}
        more = {"customer": {"name": "Acme", "contact": "ops@acme.example"}} if given["customer"] else {}
        self.stage.case(tasks, plan={"tasks": list(IDS[:3])} if given["plan"] else {}, tier=given["tier"], **more)
        self.check()

    def close(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- events --------------------------------------------------------------------------------------------

    def go(self, event: Mapping[str, Any]) -> None:
        """Carry out one event, and have the daemon look."""
        getattr(self, f"_{event['do']}")(**{k: v for k, v in event.items() if k != "do"})
        self.check()

    def _where(self, task: str) -> str | None:
        """Where a file of this name lies."""
        return next((f for f in FOLDERS if os.path.exists(f"{self.stage.root}/{CASE}/tasks/{f}/{task}.yaml")), None)

    def _letter(
        self, kind: str, sender: str, task: str | None, attempt: int | None, full: bool, case: str | None
    ) -> None:
        if sender == "holder":
            known = self.case.tasks.get(task) if task else None
            sender = known.live.agent if known is not None and known.live is not None else ENGINEER
        if sender == "asked":
            told = [ask.told[-1] for _, ask in self.case.asks() if ask.told]
            sender = told[0] if told else "support-manager"
        body = {**BODIES.get(kind, {}), "reason": "so it is"} if full else {}
        self.stage.drop(kind, sender, task, case=case, attempt=attempt, **body)

    def _advance(self, span: str) -> None:
        self.stage.at(f"+{span}")

    def _move(self, task: str, to: str) -> None:
        here = self._where(task)
        if here is not None and here != to and not os.path.exists(f"{self.stage.root}/{CASE}/tasks/{to}/{task}.yaml"):
            self.stage.hand(task, here, to)

    def _edit(self, task: str, spec: int) -> None:
        here = self._where(task)
        if here is not None:
            self.stage.add(task, SPECS[spec] or "# nothing\n", folder=here)

    def _add(self, task: str, spec: int, to: str) -> None:
        self.stage.add(task, SPECS[spec] or "# nothing\n", folder=to)

    def _delete(self, task: str) -> None:
        here = self._where(task)
        if here is not None:
            self.stage.delete(f"{CASE}/tasks/{here}/{task}.yaml")

    def _plan(self, tasks: list[str], tier: int, gate: bool) -> None:
        plan: dict[str, Any] = {"tier": tier, "tasks": tasks}
        if gate:
            plan["checkpoints"] = [{"id": "cp1", "after": tasks[:1], "before": tasks[1:], "review": "support-manager"}]
        self.stage.put(f"{CASE}/workflow/plan.yaml", plan)

    def _away(self, what: str) -> None:
        """Take it away, or put back what was taken away."""
        here, aside = HEAD[what], f"_aside/{what}.yaml"
        for source, target in ((here, aside), (aside, here)):
            if os.path.exists(f"{self.stage.root}/{source}"):
                return self.stage.move(source, target)

    def _spoil(self, what: str) -> None:
        self.stage.put(HEAD[what], "title: [open\n")

    def _carried(self, how: str, number: int) -> None:
        self.stage.carried(number, how)

    def _arrived(self, yes: bool) -> None:
        self.stage.drop("answer", "customer-success-manager", arrived=yes)

    def _restart(self, kill: bool) -> None:
        if kill:
            self.stage.kill()
        else:
            self.stage.restart()

    def _behave(self, how: str, lasts: str, stubborn: bool) -> None:
        if self.pretend is not None:
            for task in IDS:
                for n in range(1, 9):
                    self.pretend.will(f"{task}.a{n}", lasts, HABITS[how], stubborn=stubborn)
                    self.pretend.will(f"{task}.a{n}.2", lasts, HABITS[how], stubborn=stubborn)

    def _down(self, span: str) -> None:
        self.stage.down(f"+{span}")
        self.stage.at(f"+{span}")

    def _output(self, task: str, own: bool) -> None:
        path = f"{task}.yaml" if own else f"{task}/notes.md"
        self.stage.put(f"{CASE}/outputs/partial/{path}", {"from": ENGINEER, "summary": "mine"} if own else "notes\n")

    # -- what must hold ------------------------------------------------------------------------------------

    @property
    def case(self) -> Case:
        """The case as the daemon has it."""
        assert self.stage.service is not None
        return self.stage.service.cases[CASE]

    def check(self) -> None:
        """All that must hold after any look."""
        self.stage._rest()
        service = self.stage.service
        assert service is not None
        assert not service.broken, service.broken[CASE][0]
        assert service.boundary.cannot_write is None, service.boundary.cannot_write
        self._check_agenda(service)
        self._check_journal()
        for task in self.case.tasks.values():
            self._check_task(task)

    def _check_agenda(self, service: Service) -> None:
        unread = any(file.unread for _, file in service.store.seen[CASE].files.values())
        if unread or any(task.rivals for task in self.case.tasks.values()):
            self.stage.rings = Rings(everything=True)  # which file is whose, is asked again at each round
            self.stage.look()
        agenda = service.agendas[CASE]
        kept = agenda.lines()
        early, placing, rest = ([line for _, of in part.lines.values() for line in of] for part in agenda._parts)
        assert all(line.order > GIVEN for line in rest), "its rule is none of the early ones"
        assert not any(line.place is not None for line in (*early, *rest)), "its rule is none that needs places"
        assert agenda.waiting == {line.task: line for line in placing}
        live = agenda_of(self.case, service.policy).lines()
        assert kept == live, "the kept agenda is not what the case yields now"
        placeless = [line for line in live if line.place is None]
        assert service.agendas[CASE].upcoming(5) == placeless[:5]
        if self.case.head.opened_at is None or service.store.seen[CASE].waiting:
            return  # since when it has been quiet, and which file has settled, a daemon started now cannot know
        if any(not os.path.exists(f"{self.stage.root}/{CASE}/{name}") for name in service.store.seen[CASE].head):
            return  # nor what is gone and counts until the second look
        fresh = _reader(self.stage).cases[CASE]
        assert json_text(freeze(self.case)) == json_text(freeze(fresh)), (
            "the journal does not say what the daemon knows"
        )
        _check_snapshot(self.case)
        yields = agenda_of(fresh, service.policy).lines()
        yields = [line for line in yields if line.task not in self.case.clashed or not line.name.startswith("move ")]
        seen = {t.id for t in self.case.tasks.values() if t.process_seen is not None or t.start_after is not None}
        kept, yields = ([line for line in lines if line.task not in seen] for lines in (kept, yields))
        assert timeless(kept) == timeless(yields), "the kept agenda is not that of a daemon started now"

        self._check_keepsake(service)

    def _check_keepsake(self, service: Service) -> None:
        """What is kept for the next start gives the case that reading gives."""
        with tempfile.TemporaryDirectory() as folder:
            Keepsakes(service.store, folder).put({CASE: self.case})
            restored = Keepsakes(service.store, folder).restore(CASE, self.case.n)
        if restored is None:
            return  # something was under way
        assert json_text(freeze(restored)) == json_text(freeze(self.case))
        assert agenda_of(restored, service.policy).lines() == agenda_of(self.case, service.policy).lines()
        assert restored.counts == self.case.counts
        assert [stands(restored, t) for t in restored.in_order()] == [
            stands(self.case, t) for t in self.case.in_order()
        ]

    def _check_journal(self) -> None:
        entries = [e for e in journal.read(f"{self.stage.root}/{CASE}").entries if "n" in e]
        assert [e["n"] for e in entries] == list(range(1, len(entries) + 1))
        twice = [name for name, n in Counter(e["name"] for e in entries).items() if n > 1]
        assert not twice, f"carried out twice: {twice}"
        for e in entries:
            assert e["at"] >= e["due"], e

    def _check_task(self, task: Task) -> None:
        running = [a.n for a in task.attempts if a.process is not None and a.process.state != "gone"]
        assert len(running) <= 1, "two processes of one task"
        assert not running or running[0] == task.attempt or task.live is None, "a new attempt beside an old process"
        assert not any(a.live for a in task.attempts[:-1]), "two live attempts"
        assert [a.n for a in task.attempts] == list(range(1, len(task.attempts) + 1))
        if task.ended is not None:
            assert task.live is None, "ended, and somebody works on it"
        head = self.case.head
        if head.opened_at is None or head.parked is not None or task.file is None or not task.present:
            return
        assert task.file.folder == task.folder, "the journal does not know where it lies"
        if task.folder == "completed" and task.clash is None:
            assert task.ended is not None, "in completed/, and not ended"
            found = self.stage.read(f"{CASE}/{result_path(task)}")
            if found.get("generated_by") == "executord":  # else a worker has written on our name since
                assert found["state"] == task.ended.state


def _check_snapshot(case: Case) -> None:
    """What a new part of the journal begins with says all that the parts before it said [CON-6]."""
    facts = json.loads(json_text(freeze(case)))
    again = Case(case.id)
    thaw(again, facts)
    assert json_text(freeze(again)) == json_text(facts), "a snapshot says less than the journal"


def timeless(lines: list[Due]) -> list[Due]:
    """The lines, with one time for what is gone: a daemon started now knows only when its folder changed."""
    some = datetime(2026, 1, 1, tzinfo=UTC)
    gone = ("delete ", "park ")
    missed = [d.name.startswith(gone) or d.name.endswith("-gone") for d in lines]
    return sorted((replace(d, at=some) if at else d for d, at in zip(lines, missed, strict=True)), key=lambda d: d.key)


def _reader(stage: Rehearsal) -> Service:
    """A daemon started now, that only looks."""
    service = Service(stage.root, stage.policy, durable=False)
    service.store.began, service.store.expect_settled = stage.began, True
    service.load_all(stage.clock.now())
    return service


def played(start: Mapping[str, Any], events: list[Mapping[str, Any]]) -> None:
    """Play an example."""
    chance = Chance(start)
    try:
        for each in events:
            chance.go(each)
    finally:
        chance.close()


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
ACK = {
    "do": "letter", "kind": "acknowledgement", "sender": "holder", "task": "T1", "attempt": None, "full": True,
    "case": "acme-42",
}  # fmt: skip


@pytest.mark.spec("PERF-4", "MEM-17", "EXE-3", "MEM-18")
@settings(max_examples=120, suppress_health_check=QUIET, deadline=None)
@given(beginning, st.lists(event, max_size=14))
@example(
    {"tier": None, "plan": False, "specs": [0], "customer": False, "programs": False, "channel": None},
    [
        {"do": "delete", "task": "T1"},
        {"do": "advance", "span": "2s"},
        {"do": "add", "task": "T1", "spec": 0, "to": "pending"},
        {"do": "add", "task": "T2", "spec": 0, "to": "pending"},
    ],
)  # a task that comes moved the limit of one that was opened again
@example(
    {"tier": None, "plan": False, "specs": [0], "customer": True, "programs": False, "channel": None},
    [
        ACK,
        ACK,
        {"do": "delete", "task": "T1"},
        ACK,
        {"do": "down", "span": "1h"},
        {"do": "output", "task": "T1", "own": False},
    ],
)  # whether the closing update is still asked for hung on the instruction's file, which a new daemon reads later
@example(
    {"tier": None, "plan": False, "specs": [0, 1], "customer": False, "programs": False, "channel": None},
    [{**ACK, "kind": "priority_change", "sender": "escalation-manager", "task": None}],
)  # who is told of a new priority hung on the files of the tasks
@example(
    {"tier": None, "plan": False, "specs": [0, 0, 0], "customer": True, "programs": False, "channel": None},
    [
        {"do": "spoil", "what": "plan"},
        {"do": "add", "task": "T1", "spec": 0, "to": "pending"},
        {"do": "plan", "tasks": ["T2", "T1", "T3"], "tier": 1, "gate": False},
        {"do": "spoil", "what": "plan"},
    ],
)  # who is asked for a workaround is the first in work, by an order that nobody can read any more
def test_whatever_happens(start: Mapping[str, Any], events: list[Mapping[str, Any]]):
    """After any events: kept agenda = fresh agenda, journal = state, one folder, one live attempt, no fault of ours."""
    played(start, events)


@pytest.mark.slow
@settings(max_examples=3000, suppress_health_check=QUIET, deadline=None)
@given(beginning, st.lists(event, max_size=30))
def test_whatever_happens_for_long(start: Mapping[str, Any], events: list[Mapping[str, Any]]):
    """The same with longer stories and more of them."""
    played(start, events)


# --- no dead end, no storm --------------------------------------------------------------------------------------------

#: Messages to one agent about one case in any silence. Four tasks of up to four attempts: of each attempt a manager
#: gets two warnings of its response clock, its breach and one reminder; of each task as many of its resolution
#: clock, and the asks of what it waits for; the instruction's clocks come once. What is really sent lies below.
AT_MOST = 150


def sent_to(stage: Stage) -> Counter[str]:
    """How many messages of this case each agent was sent so far."""
    entries = journal.read(f"{stage.root}/{CASE}").entries
    sent = (e["to"] for e in entries if e.get("action") == "send" and e.get("to"))
    return Counter(name for name in sent if not name.startswith("war-room-"))  # a channel: it has a copy of everything


@pytest.mark.spec("EXE-28", "REL-12")
@settings(max_examples=60, suppress_health_check=QUIET, deadline=None)
@given(beginning, st.lists(event, max_size=12))
def test_from_everywhere_a_message_leads_to_closed(start: Mapping[str, Any], events: list[Mapping[str, Any]]):
    """Whatever has happened: what `status` says would free it is taken, and authority can end the instruction."""
    chance = Chance(start)
    try:
        for each in events:
            chance.go(each)
        stage = chance.stage
        if chance.case.head.opened_at is None:
            return
        for row in _ways_out(stage, chance.case):
            more = {"waive": {"standard": 4}, "verdict": {"verdict": "PASS"}}.get(row["type"], {})
            said = {"to": WRITER, "reason": "so be it", "answer": "4711", **more}
            name = stage.drop(row["type"], row["from"][0], row["task"], **said)
            chance.check()
            entry = _entry_of(stage, name)
            assert entry["facts"]["outcome"] == "taken", (row, entry["facts"])
            break  # what else would have freed it is answered by what this did
        if chance.case.head.closed is None:
            stage.drop("cancel", "operator", None, reason="enough")
            chance.check()
        assert chance.case.head.closed is not None
        assert chance.case.open_tasks == 0
        assert not [ask for ask in chance.case.head.asks if not ask.lasts]
    finally:
        chance.close()


def _ways_out(stage: Stage, case: Case) -> list[Mapping[str, Any]]:
    standings = {t.id: stands(case, t) for t in case.in_order()}
    return freed_by(case, standings, stage.policy)


def _entry_of(stage: Stage, name: str) -> Mapping[str, Any]:
    entries = journal.read(f"{stage.root}/{CASE}").entries
    return next(e for e in reversed(entries) if e.get("name", "").startswith(f"file {name} "))


@pytest.mark.spec("EXE-29", "EXE-16", "EXE-18", "EXE-20", "REL-12")
@settings(max_examples=60, suppress_health_check=QUIET, deadline=None)
@given(beginning, st.lists(event, max_size=10), st.lists(st.sampled_from(("2d", "8d", "40d")), min_size=1, max_size=3))
def test_any_length_of_silence_sends_a_bounded_number_of_messages(
    start: Mapping[str, Any], events: list[Mapping[str, Any]], spans: list[str]
):
    """However long nobody says anything: few messages to each, and after long enough none at all."""
    chance = Chance(start)
    try:
        for each in events:
            chance.go(each)
        before = sent_to(chance.stage)
        for span in spans:
            chance.stage.at(f"+{span}")
            chance.check()
        chance.stage.at("+60d")
        after = sent_to(chance.stage)
        assert all(n <= AT_MOST for n in (after - before).values()), after - before
        chance.stage.at("+300d")
        assert sent_to(chance.stage) == after, "it goes on and on"
    finally:
        chance.close()
