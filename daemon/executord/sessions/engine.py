"""Look, wake, act: one session, from its files to its agenda to its workers [SES-5 … SES-25].

A look takes in what came — hands, messages, ends of workers, results, in this order — and carries out what is due,
until nothing is due. Whoever runs it (a daemon, or a person at a terminal) holds its lock and says what time it is.
Counterparts: `team/rules.py`, what is due; `hands.py`, which does it; `crew.py`, the workers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from executord.case import Letter
from executord.errors import BadInput, ExecutordError, Finding
from executord.evolve import replace
from executord.policy import Policy
from executord.sessions.crew import Crew, Job, Waiting, said_of
from executord.sessions.export import Exporter
from executord.sessions.folder import read_json, read_session
from executord.sessions.hands import Entry, Hands, Memory, Noted
from executord.sessions.mailbox import INBOX, Mailbox
from executord.sessions.sight import Sight, artifacts_of
from executord.sessions.takeover import found_unknown, row_of, take_over
from executord.team.hearing import hear
from executord.team.line import Aside, Export, Line, Record, Start, Stop, Take, Tell
from executord.team.papers import Reading, Written
from executord.team.plan import Plan
from executord.team.record import Law, Team, Worker
from executord.team.rules import agenda
from executord.team.speaking import RELAYED, Said, judge, retried
from executord.values import stamp

SUBFOLDERS = ("discoveries", "artifacts", ".msg", "wisdom", "explorations", "discussions", ".executord")
POLL_S = 0.25  # how soon files are looked at again while somebody works
REST_S = 2.0  # and while nobody does
AGAIN_S = 1.0  # when the machine has no room for a worker
_SAID = frozenset({"complete", "archive", "keep", "export", "exported", "skip", "redirect"})
RESTLESS = 10_000  # lines at one instant after which something is wrong with us


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message."""

    path: str
    rejected: Finding | None


class Engine:
    """One session that is being executed."""

    def __init__(
        self, path: str, reading: Reading, crew: Crew, law: Law, policy: Policy, *, durable: bool = True,
        before: Callable[[str, str], None] | None = None, memory: Memory | None = None,
        on_entry: Callable[[Entry], None] | None = None,
    ) -> None:  # fmt: skip
        assert reading.plan is not None
        self.path, self.law, self.policy, self.crew = path, law, policy, crew
        self.team = Team(reading.plan.session_id)
        self.team.plan, self.team.path, self.team.cap = reading.plan, path, law.max_attempts
        self.team.head = _with_status(self.team, reading)
        self._reading = reading
        self.hands = Hands(path, self.team, durable=durable, before=before, memory=memory)
        self.sight = Sight(self.team, crew, law.settle_s)
        self.exporter = Exporter()
        self._on_entry = on_entry or (lambda _entry: None)
        self._batch: list[Noted] = []
        self._held: list[tuple[Job, Waiting]] = []
        self._agenda: tuple[int, list[Line]] | None = None
        self.mailbox = Mailbox(path, law.settle_s, self.hands.intake)
        self.only_messages = False  # take what was said and what follows at once; start and end nobody
        self._ahead = timedelta()  # of the clock, since it was set back
        self._doubtful: datetime | None = None  # what was changed by hand is not valid: when to say so
        self._again: dict[str, datetime] = {}  # workers for whom the machine had no room → when to try again

    @property
    def head(self) -> Any:
        """How it stands."""
        return self.team.head

    # -- start ---------------------------------------------------------------------------------------------

    def open(self, now: datetime) -> None:
        """Redo what a crash cut off, take over what lies there, and put the folder in order [SES-5, SES-6]."""
        team = self.team
        entries = self.hands.load()
        now = self._onward(now)
        redone = self.hands.redo(entries) if entries else []
        self.hands.read_bases()
        for folder in SUBFOLDERS:
            self.hands.disk.make_folder(folder)
        if entries:
            self.hands.say_missing(entries)
        self.sight.plan_changed()
        if team.head.opened_at is None:
            self._keep_corrupt()
            for line in take_over(team, self._reading, self.crew, self.law, now):
                self._note(line, now)
        else:
            fault = _homeless(team, team.plan)
            if fault is not None:
                raise BadInput(fault, path=self.path, fix="put it back, until its worker has ended")
            if not self.only_messages:
                self._find_unrecorded(now)
            self._see_board(now, first=True)  # before our own view of it is written again
        self._commit(now)
        for worker in team.workers.values():
            if worker.state == "live" and worker.process is not None and not self.only_messages:
                self.crew.begin(self.sight.job_of(worker))
        for entry in redone:
            if entry["name"].startswith("finalize "):
                self._interrupt(entry["facts"]["order"])
        self.hands.rotate(now)

    def _keep_corrupt(self) -> None:
        """A tasks.json that cannot be read is kept aside, and made again."""
        if self.hands.base_tasks is None and os.path.lexists(f"{self.path}/tasks.json"):
            self.hands.disk.publish("tasks.json", ".executord/tasks.json.corrupt")

    def _find_unrecorded(self, now: datetime) -> None:
        """Workers of which the journal says that they are to be started, and no more: found, or started by and by."""
        for worker in [w for w in self.team.workers.values() if w.state == "starting"]:
            found = self.crew.find(self.sight.job_of(worker))
            if found is not None:
                self._note(_started(worker, found, now), now)

    # -- a look --------------------------------------------------------------------------------------------

    def look(self, now: datetime) -> None:
        """Take in what came, and do what is due."""
        now = self._onward(now)
        self._see_plan(now)
        self._see_board(now)
        self._take_letters(now)
        for said in self.sight.words(now):
            for line in hear(self.team, said, self.law):
                if line.name not in self.team.done:
                    self._note(line, now)
        for _ in range(RESTLESS):
            self._see_work(now)
            while (due := self._next(now)) is not None:
                self._note(due, now)
            if not self._batch and not self._unstarted(now):
                break
            self._commit(now)
        self._assert_sound()
        self.hands.rotate(now)

    def _onward(self, now: datetime) -> datetime:
        """The session's time: where the clock was set back it goes on from the last line, and not only once the clock
        has come by again [SLA-12]."""
        last = self.team.last_at
        if last is not None and now + self._ahead < last:
            self._ahead = last - now
        return now + self._ahead

    def _see_work(self, now: datetime) -> None:
        if not self.only_messages:
            for worker in self.sight.workers(now, self.law.orphan_s):
                self._hold(worker, now)  # its keeper died while it was held: nothing was done, so nothing counts
            self.sight.discoveries(now)
            for line in found_unknown(self.team, self.crew, now):
                self._note(line, now)
        if self.team.head.exports and not self.team.head.exported and self.team.head.choice is not None:
            self._see_export(now)

    def _next(self, now: datetime) -> Line | None:
        for line in self.lines():
            if line.at > now:
                return None
            if not self.only_messages or line.name.split(" ", 1)[0] in _SAID:
                return line
        return None

    def lines(self) -> list[Line]:
        """The agenda."""
        team = self.team
        if self._agenda is None or self._agenda[0] != team.version:
            self._agenda = (team.version, agenda(team, self.law) if team.head.opened_at is not None else [])
        return self._agenda[1]

    def _note(self, line: Line, now: datetime) -> None:
        if isinstance(line.action, Start) or (isinstance(line.action, Tell) and line.action.kind == "task"):
            self._clear_result(line, now)
        self._batch.append(self.hands.note(line, now))

    def _clear_result(self, line: Line, now: datetime) -> None:
        """What an earlier attempt left is kept aside, so that it is never taken for the new one's."""
        path = f"discoveries/{line.task}.json"
        if not os.path.lexists(f"{self.path}/{path}"):
            return
        n = line.attempt or 1
        kept = f".executord/work/{line.task}.a{n - 1}/discovery.json"
        self.sight.forget(line.task or "")
        why = "what lay there is not of this attempt"
        aside = Line(line.at, f"aside {line.task} a{n} #1", "SES-12", Aside(path, kept), line.task, n, why)
        if aside.name not in self.team.done:
            self._batch.append(self.hands.note(aside, now))

    def _commit(self, now: datetime) -> None:
        """Note what was gathered, show it, then act: workers begin only when they stand in the files [SES-9]."""
        self._put_down(now)
        for worker in self._unstarted(now):
            self._hold(worker, now)
        if self._batch:
            self._put_down(now)

    def _put_down(self, now: datetime) -> None:
        batch, self._batch = self._batch, []
        held, self._held = self._held, []
        try:
            self.hands.commit(batch)
            self._show()
        except Exception:  # raised again, once nobody waits to begin of whom nothing is noted
            for _, each in held:
                each.abandon()  # they are in no file: their programs must not begin
            raise
        for noted in batch:
            self._on_entry(noted.entry)
        for job, each in held:
            each.release()
            self.crew.watch(job, each.process)
        for noted in batch:
            self._act(noted, now)

    def _show(self) -> None:
        """The views of this moment; but what somebody has just written into tasks.json is read first."""
        self.sight.board_is_ours(self.hands.views(self.sight.board_known()))

    def _act(self, noted: Noted, now: datetime) -> None:
        action = noted.line.action
        if isinstance(action, Tell) and action.interrupt:
            self._interrupt(action.order)
        elif isinstance(action, Stop):
            worker = self.team.workers.get(action.order)
            if worker is not None and worker.process is not None:
                self.crew.stop(self.sight.job_of(worker), worker.process)
        elif isinstance(action, Export):
            self._export(action.target)

    def _interrupt(self, order: str) -> None:
        worker = self.team.workers.get(order)
        if worker is not None and worker.process is not None and worker.state == "live":
            self.crew.interrupt(self.sight.job_of(worker), worker.process)

    # -- starting ------------------------------------------------------------------------------------------

    def _unstarted(self, now: datetime) -> list[Worker]:
        if self.only_messages:
            return []
        return [
            w for w in self.team.workers.values()
            if w.state == "starting" and self._again.get(w.order, now) <= now
        ]  # fmt: skip

    def _hold(self, worker: Worker, now: datetime) -> None:
        """Start its process and hold it back until it is noted; a failed start is noted as well."""
        job = self.sight.job_of(worker)
        names = (worker.task, worker.attempt)
        live = self.team.jobs[worker.task].live
        if live is None or live.order != worker.order:
            facts = {"order": worker.order}
            self._note(Line(now, f"gone {worker.task} a{worker.attempt}", "SES-15", Record(), *names,
                            "it is not needed any more", facts), now)  # fmt: skip
            return
        try:
            held = self.crew.hold(job)
        except (ExecutordError, OSError) as error:
            if getattr(error, "passing", False):
                self._again[worker.order] = now + timedelta(seconds=AGAIN_S)
                return
            final = True if self.team.jobs[worker.task].spent + 1 >= self.law.max_attempts else None
            why = f"its worker could not be started: {said_of(error)}"
            self._note(Line(now, f"unstarted {worker.task} a{worker.attempt}", "SES-9", Record(), *names, why,
                            {"final": final}), now)  # fmt: skip
            return
        self._again.pop(worker.order, None)
        self._held.append((job, held))
        self._note(_started(worker, held.process, now), now)

    # -- what is seen --------------------------------------------------------------------------------------

    def _see_plan(self, now: datetime) -> None:
        """The graph, the roles and the role-specs are read again when somebody changes them [SES-17].

        What is not valid changes nothing; where it stays so for the settle time, that is said.
        """
        changed = self.sight.plan_changed() | self.hands.session_edited()
        if not changed and (self._doubtful is None or now < self._doubtful):
            return
        said, self._doubtful = self._doubtful is not None and not changed, None
        fault = self._take_plan(now)
        if fault is not None and not said:
            self._doubtful = now + timedelta(seconds=self.law.settle_s)
        elif fault is not None:
            name, why = f"read #{self.team.head.reads + 1}", f"what was changed by hand is not taken: {fault}"
            self._note(Line(now, name, "SES-5", Record(), None, None, why, {"warning": why}), now)

    def _take_plan(self, now: datetime) -> str | None:
        """Go on with what the files say now; answers why not."""
        reading = read_session(self.path)
        fault = next((f"{f.id} {f.text}" for f in reading.faults if f.id != "SES-E6"), None)
        if fault is not None or reading.plan is None:
            return fault
        team = self.team
        fault = _homeless(team, reading.plan)
        if fault is not None:
            return fault
        team.plan = reading.plan
        team.version += 1
        for task in team.plan.nodes:
            if task not in team.jobs:
                written = reading.board.get(task) or Written(task)
                facts = row_of(team, task, written, written.status)
                self._note(
                    Line(now, f"add {task} #1", "SES-5", Record(), task, None, "it was added by hand", facts), now
                )
        return None

    def _see_board(self, now: datetime, *, first: bool = False) -> None:
        """Statuses that somebody wrote into tasks.json are legal, attributed events [SES-7].

        `first`: at a start what was refused may still stand there, because the executor died before it wrote its view.
        """
        rows = self.sight.board()
        if rows is None:
            return
        team, shown = self.team, self.sight.shown()
        self.hands.forget_view("tasks.json")
        self.hands.base_tasks = _data(f"{self.path}/tasks.json", self.hands.base_tasks)
        for task, written in rows.items():
            job = team.jobs.get(task)
            if job is None or not shown or written.status in ("", job.status, shown.get(task)):
                continue
            if first and job.refused == self.sight.board_sha:
                continue
            self._note(self._hand_set(task, written.status, now), now)
        if any(task not in team.plan.nodes and task not in team.jobs for task in rows):
            self._take_plan(now)
        self._commit(now)
        self._show()

    def _hand_set(self, task: str, to: str, now: datetime) -> Line:
        team = self.team
        job = team.jobs[task]
        name = f"hand-set {task} #{job.hands + 1} {to}"
        facts: dict[str, Any] = {"from": job.status, "to": to, "board": self.sight.board_sha}
        why = f"tasks.json was edited by hand: {job.status} → {to}"
        refused = None
        if to == "completed":
            found = artifacts_of(team, task)
            if found is None:
                refused = "there is no discovery file with findings or an artifact"
            else:
                facts |= {
                    "findings": found.findings[:500],
                    "artifacts": list(found.artifacts),
                    "sha256": found.sha256[:16],
                }
        elif to not in ("pending", "skipped"):
            refused = f"{to} is not for hands to say"
        if team.head.status == "completed":
            refused = "the session is completed"
        if refused is not None:
            why = f"{why}; refused: {refused}"
            facts |= {"refused": refused, "warning": why}
        return Line(now, name, "SES-7", Record(), task, job.attempt or None, why, facts)

    # -- messages ------------------------------------------------------------------------------------------

    def _take_letters(self, now: datetime) -> None:
        for letter in self.mailbox.letters(now, self.policy):
            self.take(letter, now)

    def take(self, letter: Letter, now: datetime) -> Taken:
        """Judge a message in the session's own inbox, and file it."""
        now = self._onward(now)
        said = self._judged(letter)
        if said is None:
            return self._file_again(letter, now)
        path = self._filed(letter, said, Take(letter.name, said.refusal is not None), now)
        self._commit(now)
        if said.refusal is not None:
            self._explain(path, letter, said.refusal, now)
        return Taken(path, said.refusal)

    def hear_letter(self, letter: Letter, filed: str, now: datetime) -> Finding | None:
        """A message that came to the daemon's inbox: judged and noted here, then filed there as `filed`.

        The finding of one that is refused is the answer, and nothing is noted.
        """
        said = self._judged(letter)
        if said is None or said.refusal is not None:
            return said.refusal if said is not None else None
        now = self._onward(now)
        self._filed(letter, said, Record(), now, filed)
        self._commit(now)
        return None

    def resume(self, letter: Letter, now: datetime) -> None:
        """A `session` message for a session that is paused [SES-21]: it is filed by whoever brought it."""
        if self.team.head.status != "paused":
            return
        now = self._onward(now)
        self._filed(letter, Said("resume", facts={"retried": retried(self.team)}), Record(), now)
        self._commit(now)

    def use(self, policy: Policy, law: Law) -> None:
        """Go on with other settings."""
        self.policy, self.law, self.team.cap = policy, law, law.max_attempts
        self.team.version += 1

    def _judged(self, letter: Letter) -> Said | None:
        """None: it was taken before, and only its filing was cut off."""
        _, seen = self.team.mail.get(letter.name, (0, ()))
        if letter.sha256[:16] in seen:
            return None
        if letter.type in RELAYED and letter.fault is None:
            return self._relay(letter)
        return judge(self.team, letter, self.policy)

    def _relay(self, letter: Letter) -> Said:
        """What a worker says by message is put on the bus, and heard there."""
        self.hands.relay(letter)
        return Said(letter.type)

    def _filed(self, letter: Letter, said: Said, action: Take | Record, now: datetime, filed: str | None = None) -> str:
        count = self.team.mail.get(letter.name, (0, ()))[0]
        refused = said.refusal
        facts: dict[str, Any] = {
            "file": letter.name, "sha256": letter.sha256[:16],
            "outcome": "rejected" if refused is not None else "taken",
            "type": said.type or letter.type or None, "from": letter.sender, **said.facts,
        }  # fmt: skip
        if refused is not None:
            facts |= {"code": refused.code, "reason": refused.message, "fix": refused.fix}
        elif said.type in RELAYED:
            facts["outcome"] = "relayed"
        facts["filed"] = filed
        job = self.team.jobs.get(said.task or "")
        line = Line(
            letter.at, f"file {letter.name} #{count + 1}", refused.code if refused is not None else "SES-28", action,
            said.task, job.attempt if job is not None and job.attempt else None,
            refused.message if refused is not None else said.why, facts,
        )  # fmt: skip
        noted = self.hands.note(line, now)
        self._batch.append(noted)
        return noted.entry.get("path") or letter.name

    def _file_again(self, letter: Letter, now: datetime) -> Taken:
        day = f"{INBOX}/.processed/{now:%Y-%m-%d}"
        self.hands.disk.make_folder(day)
        target = self.hands.free(f"{day}/{letter.name}")
        self.hands.intake.take(self.hands.disk, f"{INBOX}/{letter.name}", target)
        return Taken(target, None)

    def _explain(self, path: str, letter: Letter, refusal: Finding, now: datetime) -> None:
        """The reason beside a refused message [CON-5]."""
        self.hands.explain(path, {
            "file": letter.name, "sender": letter.sender, "received_at": stamp(letter.at), "code": refusal.code,
            "reason": refusal.message, "expected": None, "fix": refusal.fix,
        }, now)  # fmt: skip

    # -- the end -------------------------------------------------------------------------------------------

    def _export(self, target: str) -> None:
        self.exporter.begin(self.path, target)

    def _see_export(self, now: datetime) -> None:
        team = self.team
        choice = team.head.choice
        if (
            choice is None
            or choice.action != "export"
            or team.exported is not None
            or team.head.exports < team.head.choices
        ):
            return
        if not self.exporter.busy and self.exporter.outcome is None:
            self._export(choice.target or "")  # begun before a crash: what is there is compared, the rest copied
        outcome = self.exporter.outcome
        if outcome is not None:
            team.exported = (now, outcome.fault, outcome.files)
            team.version += 1

    def next_at(self, now: datetime) -> datetime | None:
        """When to look again; None: there is nothing more to do by itself."""
        team = self.team
        if team.head.status == "completed" and not any(w.there for w in team.workers.values()):
            return None
        lines = self.lines()
        busy = team.live or any(w.there for w in team.workers.values()) or self.exporter.busy or self.mailbox.waits
        soon = now + timedelta(seconds=POLL_S if busy else REST_S)
        return min(soon, max(lines[0].at, now)) if lines else soon

    @property
    def resting(self) -> bool:
        """Whether nothing is left that moves by itself: complete, stalled, or paused with nobody at work."""
        team = self.team
        if self.only_messages:
            return not self.exporter.busy and (team.head.choice is None or team.head.status != "active")
        if team.live or any(w.there and w.state != "stuck" for w in team.workers.values()) or self.exporter.busy:
            return False
        if team.head.status != "active":
            return True
        if team.head.choice is not None:
            return False
        return team.head.stalled or (team.head.complete_at is not None and self.asking)

    @property
    def asking(self) -> bool:
        """Whether a person is to say what becomes of the complete session."""
        team = self.team
        mode = team.plan.completion or self.law.completion
        return team.head.status == "active" and team.head.complete_at is not None and mode == "interactive" \
            and team.head.choice is None  # fmt: skip

    def close(self) -> None:
        """No more looks; the workers go on."""
        self.exporter.wait()

    def _assert_sound(self) -> None:
        """The invariants [SES-24]. Raises `BadInput`, which parks the session and not the others."""
        for fault in unsound(self.team):
            raise BadInput(f"an invariant does not hold: {fault}", path=self.path, fix="this is a fault of executord")


def unsound(team: Team) -> Iterator[str]:
    """What does not hold and should, after every step [SES-24]."""
    for job in team.jobs.values():
        if (job.status == "in_progress") != (job.live is not None):
            yield f"{job.id} is {job.status}, and its last attempt is {'live' if job.live else 'not live'}"
        if job.status in ("completed", "revised") and not (job.findings or job.artifacts):
            yield f"{job.id} is completed without findings"
        if job.status in ("failed", "skipped", "timed_out") and not job.error:
            yield f"{job.id} is {job.status} without a reason"
        if job.live is not None and team.node(job.id).role not in team.plan.roles:
            yield f"{job.id} is in progress for a role that is not known"
    orders = [job.live.order for job in team.live if job.live is not None and job.live.order]
    for order in {o for o in orders if orders.count(o) > 1}:
        yield f"{order} works on two tasks at once"


def _homeless(team: Team, plan: Plan) -> str | None:
    """Why this plan does not do for the tasks that are at work: one of them, or its role, is not in it any more."""
    for job in team.live:
        node = team.added.get(job.id) or plan.nodes.get(job.id)
        if node is None or node.role not in plan.roles:
            what = "it" if node is None else f"its role {node.role}"
            return f"{job.id} is in progress, and {what} is not in the session any more"
    return None


def _with_status(team: Team, reading: Reading) -> Any:
    return replace(team.head, status=reading.status or "active")


def _started(worker: Worker, process: Mapping[str, Any], now: datetime) -> Line:
    k = worker.begun + 1
    name = f"started {worker.task} a{worker.attempt}" + (f" #{k}" if k > 1 else "")
    return Line(now, name, "SES-9", Record(), worker.task, worker.attempt, "", dict(process))


def _data(path: str, old: Any) -> Any:
    data = read_json(path).data
    return data if isinstance(data, Mapping | list) else old
