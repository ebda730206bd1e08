"""Letters that belong to no case: how they are filed, and what is answered [MSG-1, MSG-5, MSG-6, EXE-25].

Counterparts: `destination.py`, whether a letter belongs to one; `halts.py`, what a pause beyond one case changes.

They have no journal. The letter's own move out of the inbox is the note: what answers it is staged before and
published after, and names the place the letter was filed to; so after a crash a staged answer is published if its
letter is filed and removed if it is not [MEM-21].
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from executord.case import Letter
from executord.errors import ExecutordError, Finding
from executord.files.disk import DOT, INBOX, OWN_INBOXES, Disk, is_left_over
from executord.hands import Hands
from executord.letters import note_of, scalar
from executord.messages import MESSAGES, type_of
from executord.messages.muting import mute_of, refused, window
from executord.pen import dump
from executord.posts import clarification, reason_file, rejection, stem
from executord.reading import find, safe_stem, text_of
from executord.rules.mail import Judgement, owed_to_house, wanted_of
from executord.service.destination import BEYOND
from executord.service.halts import Halts
from executord.sessions.desk import Desk
from executord.values import agent_name, stamp
from executord.views.overview import Tree, status_report

_NO_DESK = Finding("SES-25", "a rehearsal runs no sessions", "send it to a daemon, or use `executord session run`")
EVERYTHING = frozenset(("all", "everything", "everybody", "everyone"))
_TARGET = ("target_agent", "agent_name", "who", "target", "scope")
_ALL = {"pause": "everything is paused", "resume": "everything goes on"}
#: Keys that make a message about more than one case mean no less than everything; any other may be a subject [MSG-1].
_SAYS_NOTHING = frozenset((
    "type", "message_type", "id", "from", "from_agent", "sender", "to", "timestamp", "reason", "why", "note", "message",
    "text", "summary", "description", "in_reply_to", "agent", "priority", "subject", "generated_by", "generated_at",
    "event", "schema_version", *_TARGET,
))  # fmt: skip


class Home(Tree, Protocol):
    """What the house needs of the service that it works for."""

    disk: Disk
    hands: Hands
    halts: Halts
    desk: Desk | None


class House:
    """What the service does for letters without a case."""

    def __init__(self, service: Home) -> None:
        self._service = service

    # -- team sessions [SES-25, SES-28] ---------------------------------------------------------------------

    def is_of_session(self, letter: Letter) -> bool:
        """Whether a letter is about a team session: it asks for one, or names one."""
        if letter.fault is not None or letter.sender is None:
            return False
        known, _ = type_of(letter)
        desk = self._service.desk
        if known == "session":
            return True
        return desk is not None and (desk.session_of(letter) is not None or self._names_unknown_session(letter, desk))

    def _names_unknown_session(self, letter: Letter, desk: Desk) -> bool:
        return desk.speaks_of_one(letter) and letter.instruction not in self._service.cases

    def take_of_session(self, letter: Letter, now: datetime) -> None:
        """Bring it to the desk; then file it, or answer why not."""
        desk = self._service.desk
        known, _ = type_of(letter)
        kind = MESSAGES[known] if known is not None else None
        refusal: Finding | None = None
        if known == "session":
            refusal = MESSAGES["session"].check(letter)
            if refusal is None:
                refusal = desk.take(letter, now) if desk is not None else _NO_DESK
        else:
            assert desk is not None
            session_id = desk.session_of(letter)
            if session_id is None:
                named = scalar(letter.body.get("session_id"))
                text = f"there is no session {named!r} here, or it does not take {known or letter.type}"
                refusal = Finding("MSG-1", text,
                                  "check session_id; `executord status` lists the sessions")  # fmt: skip
            else:
                day = f"{INBOX}/{letter.folder}/.processed/{now:%Y-%m-%d}"
                filed = self._service.hands.names.free(f"{day}/{letter.name}")
                refusal = desk.hear(session_id, letter, filed, now)
        if refusal is None:
            return self._file(letter, now, ".processed", None, None)
        return self._reject(letter, Judgement("rejected", refusal.code, "", kind, finding=refusal), now)

    # -- taking it -----------------------------------------------------------------------------------------

    def take(self, letter: Letter, now: datetime) -> None:
        """File a letter without a case, and answer it."""
        if letter.fault is not None:
            fault = letter.fault
            judged = Judgement("rejected", fault.code or "MSG-5", wanted_of(fault), finding=fault)
            return self._reject(letter, judged, now)
        known, _ = type_of(letter)
        if known is None:
            said = f"{letter.type!r} is not a type of message" if letter.type else "the message has no type"
            fault = Finding("MSG-1", said, "add `type:` with one of the known types")
            return self._reject(
                letter, Judgement("rejected", "MSG-1", f"one of: {', '.join(MESSAGES)}", finding=fault), now
            )
        if letter.sender is None:
            fault = Finding("MSG-1", "the message does not say who sent it", "add `from: <your name>`")
            return self._reject(letter, Judgement("rejected", "MSG-1", "`from:`", finding=fault), now)
        if letter.refusal is not None:
            held = sorted(self._service.places.held.get(letter.sender, ()))
            listed = tuple(f"{c}/{t}" for c, t in held)
            reply = "clarification_request" if listed and letter.instruction is None else None
            judged = Judgement(
                "rejected",
                letter.refusal.code,
                "instruction_id and task_id",
                finding=letter.refusal,
                reply=reply,
                fits=listed,
            )
            return self._reject(letter, judged, now)
        kind = MESSAGES[known]
        if known == "status":
            if not self._service.places.answerable(letter.sender):  # a `from:` never makes a folder
                fault = Finding("MSG-6", f"{letter.sender} is not known here", f"make {INBOX}/ and your name, then ask")
                judged = Judgement("rejected", "MSG-6", "a name on the roster, or with an inbox", kind, finding=fault)
                return self._reject(letter, judged, now)
            self._open_box(letter.sender)  # it stands in the report: so also in one that is made again after a crash
            body = {"report": status_report(self._service, now)}
            return self._file(letter, now, ".processed", None, ("status_report", body))
        if known in BEYOND:
            if not self._service.policy.may(letter.sender, known):
                fault = Finding("MSG-4", f"{letter.sender} may not send {known}", "ask support-manager or the operator")
                return self._reject(
                    letter, Judgement("rejected", "MSG-4", f"a {known} from authority", kind, finding=fault), now
                )
            if known in ("pause", "resume"):
                return self._pause(letter, known, now)
            return self._mute(letter, known, now)
        fault = Finding("MSG-1", "it does not say which instruction it is about", "add instruction_id")
        return self._reject(letter, Judgement("rejected", "MSG-1", "instruction_id", kind, finding=fault), now)

    def _pause(self, letter: Letter, known: str, now: datetime) -> None:
        agent = _target(letter)
        if agent in EVERYTHING:
            agent = None
        fault = self._unclear(letter, known, agent)
        if fault is not None:
            judged = Judgement("rejected", fault.code, f"a {known} that fits", MESSAGES[known], finding=fault)
            return self._reject(letter, judged, now)
        row = {"by": letter.sender, "at": stamp(now), "reason": text_of(letter.body.get("reason")) or None}
        self._service.halts.pause(agent, row if known == "pause" else None)
        self._file(letter, now, ".processed", None, None)

    def _unclear(self, letter: Letter, known: str, agent: str | None) -> Finding | None:
        """Nothing is guessed of a message about more than one case: a name that nobody has is not everybody [MSG-1]."""
        if agent is None and letter.task is not None:
            text = f"it names the task {letter.task!r}, and neither an instruction nor an agent"
            return Finding("MSG-1", text, "add instruction_id; a task by itself is put on hold, with hold")
        odd = [key for key in letter.body if key not in _SAYS_NOTHING] if agent is None else []
        if odd and known in ("pause", "resume"):
            text = f"it names no instruction and no agent, and {', '.join(map(repr, odd[:5]))} is not read of a {known}"
            return Finding("MSG-1", text, f"add instruction_id or target_agent; or take it out, and {_ALL[known]}")
        if agent is not None and known in ("pause", "mute") and not self._service.places.known(agent):
            return Finding("MSG-6", f"there is no agent {agent!r} here", "see `executord status` for the names")
        return None

    def _mute(self, letter: Letter, known: str, now: datetime) -> None:
        """Mute an agent, or let him hear again; a case has a mute of its own."""
        agent = _target(letter)
        kind = MESSAGES[known]
        policy = self._service.policy
        fault = refused(letter, policy) if known == "mute" else None
        if agent is None:
            fault = Finding("MSG-1", "it says neither which instruction nor which agent", "add instruction_id or agent")
        fault = fault or self._unclear(letter, known, agent)
        if fault is not None or agent is None:
            assert fault is not None
            return self._reject(
                letter, Judgement("rejected", fault.code, f"a {known} that fits", kind, finding=fault), now
            )
        mute = None
        if known == "mute":
            facts = {**(window(letter, policy) or {}), "reason": note_of(letter.body, "reason", "why", "note")}
            mute = mute_of(facts, letter.sender or "", letter.at)
        self._service.halts.mute(agent, mute, now)
        self._file(letter, now, ".processed", None, None)

    def _reject(self, letter: Letter, judged: Judgement, now: datetime) -> None:
        facts = dict(owed_to_house(letter, judged))
        reply = None
        if letter.sender is not None and self._service.places.answerable(letter.sender):
            if judged.reply == "clarification_request":
                reply = ("clarification_request", clarification(facts))
            else:
                reply = ("rejection", rejection(facts))
        self._file(letter, now, ".rejected", reason_file(facts), reply)

    def _file(
        self,
        letter: Letter,
        now: datetime,
        shelf: str,
        reason: Mapping[str, Any] | None,
        reply: tuple[str, Mapping[str, Any]] | None,
    ) -> None:
        service = self._service
        hands, disk = service.hands, service.disk
        source = f"{INBOX}/{letter.folder}/{letter.name}"
        day = f"{INBOX}/{letter.folder}/{shelf}/{now:%Y-%m-%d}"
        disk.make_folder(day)
        target = hands.names.free(f"{day}/{letter.name}")
        marks = {"generated_by": "executord", "generated_at": stamp(now), "event": None, "filed_as": target}
        staged: list[tuple[str, str]] = []
        digest = hashlib.sha256(target.encode(errors="surrogatepass")).hexdigest()[:32]
        if reason is not None:
            place = hands.names.free(f"{target.rsplit('.', 1)[0]}.reason.yaml")
            staged.append((f"{day}/{DOT}{digest}", place))
            disk.stage(staged[-1][0], dump({**reason, **marks}))
        if reply is not None and letter.sender is not None:
            kind, body = reply
            folder = self._open_box(letter.sender)
            name = stem("executor", None, None, f"{kind}.{safe_stem(letter.name.rsplit('.', 1)[0])}", 1)
            place = hands.names.free(f"{folder}/{name}.yaml")
            envelope = {
                "id": place.rsplit("/", 1)[1].removesuffix(".yaml"),
                "type": kind,
                "from": "executor",
                "to": letter.sender,
                "timestamp": stamp(now),
            }
            staged.append((f"{folder}/{DOT}{digest}", place))
            disk.stage(staged[-1][0], dump({**envelope, **body, **marks}))
        disk.sync([dot for dot, _ in staged])
        service.store.intake.take(disk, source, target)
        for dot, place in staged:
            disk.publish(dot, place)

    def _open_box(self, agent: str) -> str:
        """The agent's inbox folder, which is there from now on."""
        folder = f"{INBOX}/{self._service.store.inbox_of(agent)}"
        self._service.disk.make_folder(folder)
        self._service.store.forget_inboxes()
        return folder

    # -- after a crash -------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Publish the answers whose letters are filed, remove what was staged for nothing."""
        service = self._service
        root = service.root
        folders = [f"{INBOX}/{n}" for n in _folders(f"{root}/{INBOX}")]
        for own in OWN_INBOXES:
            for shelf in (".rejected", ".processed"):
                base = f"{INBOX}/{own}/{shelf}"
                folders.append(base)
                folders += [f"{base}/{day}" for day in _folders(f"{root}/{base}")]
        for folder in folders:
            for name in sorted(n for n in _names(f"{root}/{folder}") if is_left_over(n)):
                dot = f"{folder}/{name}"
                body = service.store.body(dot)
                filed = body.get("filed_as")
                if isinstance(filed, str) and os.path.lexists(f"{root}/{filed}"):
                    if "rejected_file" in body or "type" in body:
                        target = f"{folder}/{body['id']}.yaml"
                    else:
                        target = f"{filed.rsplit('.', 1)[0]}.reason.yaml"
                    if service.disk.publish(dot, target):
                        continue
                if not service.broken:  # else a line that could not be read may name it
                    service.disk.remove_staged(dot)

    def tell_hitl(self, case_id: str, text: str, now: datetime) -> None:
        """A case that cannot be executed: hitl is told, once per content."""
        digest = hashlib.sha256(f"{case_id}\0{text}".encode(errors="surrogatepass")).hexdigest()[:8]
        body = {"instruction_id": case_id, "text": f"{case_id} is parked: {text}"}
        self.tell("hitl", "notice", f"{case_id}-{digest}", body, now)

    def tell_of_pauses(self, why: str, now: datetime) -> None:
        """Everything stands still because nobody knows what was to: hitl decides what goes on."""
        digest = hashlib.sha256(why.encode(errors="surrogatepass")).hexdigest()[:8]
        text = f"everything is paused: {why}; mend the file and start again, or resume what is to go on"
        self.tell("hitl", "notice", f"pauses-{digest}", {"text": text}, now)

    def tell(self, to: str, kind: str, about: str, more: Mapping[str, Any], now: datetime) -> None:
        """A message of the house, about no case's own step; once for each `about`."""
        service = self._service
        folder = f"{INBOX}/{service.store.inbox_of(to)}"
        digest = hashlib.sha256(f"{to}\0{kind}\0{about}".encode(errors="surrogatepass")).hexdigest()[:8]
        name = stem("executor", None, None, f"{kind}.{about}", 1)
        if os.path.lexists(f"{service.root}/{folder}/{name}.yaml"):
            return
        body = {
            "id": name,
            "type": kind,
            "from": "executor",
            "to": to,
            "timestamp": stamp(now),
            **more,
            "generated_by": "executord",
            "generated_at": stamp(now),
            "event": None,
        }
        try:
            service.disk.make_folder(folder)
            service.disk.stage(f"{folder}/{DOT}{digest}", dump(body))
            service.disk.publish(f"{folder}/{DOT}{digest}", f"{folder}/{name}.yaml")
        except (OSError, ExecutordError):
            return  # it stands in `status` and in the log all the same


def _target(letter: Letter) -> str | None:
    """The agent that a message about more than one case means."""
    raw = find(letter.body, _TARGET).value
    if raw is None and letter.body.get("from") is not None:
        raw = letter.body.get("agent")
    return agent_name(text_of(raw)) or None if raw is not None else None


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _folders(path: str) -> list[str]:
    return sorted(n for n in _names(path) if os.path.isdir(f"{path}/{n}") and not os.path.islink(f"{path}/{n}"))
