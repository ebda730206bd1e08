"""The sessions of a daemon: several at once, each with its lock, remembered until it ends [SES-25].

Counterparts: `front.py`, one in the foreground; `service/house.py`, which brings the messages and files them. A fault
in one session parks that session and never stops the others [REL-4].
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from executord.case import Letter
from executord.errors import BadInput, CannotWrite, ExecutordError, Finding, Locked
from executord.files import lock
from executord.files.disk import DOT, INBOX, Disk
from executord.files.store import Store
from executord.letters import scalar
from executord.messages import type_of
from executord.paper.gate import ours_to_mend
from executord.pen import dump
from executord.policy import Policy
from executord.sessions.crew import Crew, Programs, check_programs
from executord.sessions.engine import Engine
from executord.sessions.folder import read_session, verdict
from executord.sessions.front import check_place, lock_of
from executord.sessions.hands import Entry, Memory
from executord.team.papers import safe, text_of
from executord.team.record import Law
from executord.team.speaking import RELAYED, TYPES, works_here
from executord.values import stamp

FOLDER = f"{INBOX}/executor/.sessions"
RETRY = timedelta(seconds=5)
LATER = timedelta(minutes=1)


@dataclass(slots=True)
class Run:
    """One session that the daemon was given."""

    session_id: str
    path: str
    lock: lock.TreeLock
    engine: Engine | None = None
    at: datetime | None = None  # when to look again
    fault: str | None = None
    held: bool = False


class Desk:
    """All sessions of one daemon."""

    def __init__(
        self, disk: Disk, store: Store, policy: Policy, law: Law, programs: Programs, crew: Crew, *,
        durable: bool = True, on_entry: Callable[[str, Entry], None] | None = None,
        on_event: Callable[[str, str], None] | None = None,
        tell_hitl: Callable[[str, str, datetime], None] | None = None,
        before: Callable[[str, str], None] | None = None,
    ) -> None:  # fmt: skip
        self.disk, self.store, self.policy, self.law = disk, store, policy, law
        self.programs, self.crew = programs, crew
        self.runs: dict[str, Run] = {}
        self._durable, self._before = durable, before
        self._on_entry = on_entry or (lambda _session, _entry: None)
        self._event = on_event or (lambda _what, _text: None)
        self._tell_hitl = tell_hitl or (lambda _session, _text, _now: None)
        self._rung: set[str] = set()

    # -- start and end -------------------------------------------------------------------------------------

    def open(self, now: datetime) -> None:
        """Take up every session that is remembered."""
        try:
            names = sorted(n for n in os.listdir(f"{self.store.root}/{FOLDER}") if n.endswith(".yaml"))
        except OSError:
            return
        for name in names:
            if name.startswith("."):
                continue
            path = text_of(self.store.body(f"{FOLDER}/{name}").get("path"))
            session_id = name.removesuffix(".yaml")
            if path and session_id not in self.runs:
                self.runs[session_id] = Run(session_id, path, lock_of(path), at=now)

    def close(self) -> None:
        """Let go of all of them; their workers go on."""
        for run in self.runs.values():
            self._let_go(run)

    def _gone(self, run: Run) -> Exception | None:
        """What is to be said where its folder went while we looked."""
        try:
            if run.held:
                self._check_place(run)
        except ExecutordError as error:
            return error
        return None

    def _let_go(self, run: Run) -> None:
        if run.engine is not None:
            run.engine.close()
            run.engine = None
        if run.held:
            run.lock.release()
            run.held = False

    # -- looking -------------------------------------------------------------------------------------------

    def ring(self, path: str) -> None:
        """A worker of the session at this path has ended; called from another thread."""
        self._rung.add(path)

    def turn(self, now: datetime) -> None:
        """Look at those whose time has come, or at whom something rang."""
        rung, self._rung = self._rung, set()
        for run in list(self.runs.values()):
            if run.at is None or run.at <= now or run.path in rung:
                self._look(run, now)

    def _look(self, run: Run, now: datetime) -> None:
        try:
            engine = run.engine or self._begin(run, now)
            self._check_place(run)
            engine.look(now)
            run.at = engine.next_at(now)
            run.fault = None
        except Locked as error:
            run.at, run.fault = now + RETRY, error.message
        except Exception as error:  # the boundary of a session: its fault must not stop the others
            self._park(run, self._gone(run) or error, now)
            return
        if run.engine is not None and self._over(run.engine):
            self._forget(run)

    def _check_place(self, run: Run) -> None:
        """Its folder is still there. Raises what says how a person gets on where it is gone."""
        note = f"{FOLDER}/{run.session_id}.yaml"
        check_place(run.path, run.lock, f"put it back, send `session` with its new path, or remove {note} to forget it")

    @staticmethod
    def _over(engine: Engine) -> bool:
        """Whether it has ended, as far as the daemon goes: archived, or kept for whoever runs it next."""
        team = engine.team
        if any(worker.there and worker.state != "stuck" for worker in team.workers.values()):
            return False
        kept = team.head.status == "paused" and team.complete and team.head.kept > 0 and team.head.question is None
        return team.head.status == "completed" or kept

    def _forget(self, run: Run) -> None:
        self._let_go(run)
        self.disk.forget_session(run.session_id)
        self.runs.pop(run.session_id, None)

    def _begin(self, run: Run, now: datetime) -> Engine:
        if run.held and not run.lock.in_place:
            self._let_go(run)
        if not run.held:
            if not os.path.isdir(run.path):
                self._check_place(run)
            run.lock.take(now)
            run.held = True
        reading = read_session(run.path)
        if reading.plan is None or reading.faults:
            first = reading.faults[0]
            raise BadInput(f"{first.id} {first.text}", path=run.path, fix=first.hint)
        memory = Memory(self.disk, self.store.inbox_of)
        engine = Engine(
            run.path, reading, self.crew, self.law, self.policy, durable=self._durable, before=self._before,
            memory=memory, on_entry=lambda entry: self._on_entry(run.session_id, entry),
        )  # fmt: skip
        engine.open(now)
        run.engine = engine
        return engine

    def _park(self, run: Run, error: BaseException, now: datetime) -> None:
        gone = not os.path.isdir(run.path)
        if gone and not os.path.lexists(f"{self.store.root}/{FOLDER}/{run.session_id}.yaml"):
            self._forget(run)
            return
        text = str(error) or type(error).__name__
        if not isinstance(error, ExecutordError | OSError):
            text = f"{text}\n{''.join(traceback.format_exception(error))}"
        again = run.fault == text
        run.engine = None
        passing = isinstance(error, CannotWrite) or (isinstance(error, OSError) and ours_to_mend(error))
        run.at, run.fault = now + (LATER if again and not passing else RETRY), text
        if not again:
            self._event("broken", f"{run.session_id}: {text}")
            self._tell_hitl(run.session_id, text, now)

    def next_at(self) -> datetime | None:
        """When something can happen next."""
        return min((run.at for run in self.runs.values() if run.at is not None), default=None)

    def idle(self) -> bool:
        """Whether nobody works on any of them, and nothing moves by itself."""
        return all(run.engine is not None and run.engine.resting for run in self.runs.values())

    def use(self, policy: Policy, law: Law, programs: Programs) -> None:
        """Go on with other settings [OPS-9]."""
        self.policy, self.law, self.programs = policy, law, programs
        for run in self.runs.values():
            if run.engine is not None:
                run.engine.use(policy, law)

    # -- messages ------------------------------------------------------------------------------------------

    def session_of(self, letter: Letter) -> str | None:
        """The session that a message is for; None where it is for none that we run."""
        known, _ = type_of(letter)
        if letter.fault is not None or known not in (*TYPES, *RELAYED, "hitl_decision"):
            return None
        named = scalar(letter.body.get("session_id")) or letter.instruction
        if named in self.runs:
            return named
        reply = scalar(letter.body.get("in_reply_to"))
        if reply is not None:
            answered = [s for s in self.runs if reply.startswith(s + ".")]
            return max(answered, key=len, default=None)
        return None

    def speaks_of_one(self, letter: Letter) -> bool:
        """Whether it names a session, ours or not."""
        return scalar(letter.body.get("session_id")) is not None

    def hear(self, session_id: str, letter: Letter, filed: str, now: datetime) -> Finding | None:
        """A message about a session of ours: noted there; the finding of one that is refused [SES-28]."""
        run = self.runs[session_id]
        if run.engine is None:
            self._look(run, now)
        if run.engine is None:
            return Finding("SES-25", f"{session_id} is parked: {(run.fault or '').splitlines()[0]}", "send it later")
        try:
            return run.engine.hear_letter(letter, filed, now)
        finally:
            run.at = now  # what follows from it is done once it is filed

    def take(self, letter: Letter, now: datetime) -> Finding | None:
        """A `session` message: the session is validated, locked and remembered; the finding of one that is refused."""
        given = scalar(letter.body.get("path")) or ""
        path, reading = verdict(os.path.join(self.store.root, os.path.expanduser(given)) if given else None)
        if reading.faults or reading.plan is None or path is None:
            first = reading.faults[0]
            said = "; ".join(f"{fault.id} {fault.text}" for fault in reading.faults[:5])
            return Finding(first.id, said, first.hint)
        session_id = reading.plan.session_id
        there = self.runs.get(session_id)
        sender = letter.sender or ""
        team = Engine(path, reading, self.crew, self.law, self.policy, durable=False).team
        if works_here(team, sender):
            return Finding(
                "SES-26", f"{sender} is a role of this session; workers do not run sessions", "end your task"
            )
        if there is not None and there.path != path and not os.path.isfile(f"{there.path}/team-session.json"):
            self._forget(there)  # it was moved: from now on it is where the sender says
            there = None
        if there is not None and there.path != path:
            return Finding(
                "SES-25", f"a session {session_id} runs already, at {there.path}", "give it another session_id"
            )
        if there is not None:
            return self._again(there, letter, now)
        if reading.status == "completed":
            return Finding("SES-21", "the session is completed", "re-run team-coordinate for new work")
        try:
            check_programs(self.programs, list(dict.fromkeys(node.role for node in reading.plan.nodes.values())))
        except ExecutordError as error:
            return Finding("SES-10", error.message, error.fix or "see the configuration")
        run = Run(session_id, path, lock_of(path), at=now)
        try:
            run.lock.take(now)
        except Locked as error:
            return Finding("SES-25", error.message, "wait until that one has ended, or stop it")
        run.held = True
        try:
            self._remember(run, letter, now)
        except BaseException:  # raised again: what is not remembered must not be held
            run.lock.release()
            raise
        self.runs[session_id] = run
        if reading.status == "paused":
            self._resume(run, letter, now)
        return None

    def _again(self, run: Run, letter: Letter, now: datetime) -> Finding | None:
        """It runs already: one that is paused goes on."""
        if run.engine is None:
            self._look(run, now)
        if run.engine is not None and run.engine.team.head.status == "paused":
            self._resume(run, letter, now)
        return None

    def _resume(self, run: Run, letter: Letter, now: datetime) -> None:
        if run.engine is None:
            self._look(run, now)
        if run.engine is not None:
            run.engine.resume(letter, now)
            run.at = now

    def _remember(self, run: Run, letter: Letter, now: datetime) -> None:
        if not safe(run.session_id):
            raise BadInput(f"{run.session_id!r} is no safe id", path=run.path)
        self.disk.make_folder(FOLDER)
        body = {
            "schema_version": 1, "session_id": run.session_id, "path": run.path, "from": letter.sender,
            "requested_at": stamp(letter.at), "file": letter.name, "generated_by": "executord",
            "generated_at": stamp(now), "event": None,
        }  # fmt: skip
        place = f"{FOLDER}/{run.session_id}.yaml"
        if not os.path.lexists(f"{self.store.root}/{place}"):
            dot = f"{FOLDER}/{DOT}{run.session_id}"
            self.disk.stage(dot, dump(body))
            self.disk.sync([dot])
            self.disk.publish(dot, place)


def remembered(root: str, store: Store) -> Iterable[tuple[str, str]]:
    """The sessions that the daemon of this memory was given: id and path."""
    try:
        names = sorted(n for n in os.listdir(f"{root}/{FOLDER}") if n.endswith(".yaml") and not n.startswith("."))
    except OSError:
        return
    for name in names:
        path = text_of(store.body(f"{FOLDER}/{name}").get("path"))
        if path:
            yield name.removesuffix(".yaml"), path
