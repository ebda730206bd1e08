"""Notes the lines of a session and carries them out: stage, note, publish, in its own folder [MEM-21, SES-7].

The same discipline as the daemon's `hands.py`. Counterparts: `team/fold.py`, which puts a line into the session;
`engine.py`, which says which. What others are told (messages.jsonl, wisdom/issues.md) follows from the journal's lines
and carries their numbers, so after a crash it is seen what is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from executord.case import Letter
from executord.errors import NotYetWhole, Unreadable
from executord.files import journal
from executord.files.disk import INBOX, Disk, session_allowed
from executord.files.intake import Intake
from executord.files.naming import dot_name
from executord.paper import parse
from executord.paper.gate import Identity, identity_of, open_file, reader
from executord.pen import dump, journal_line
from executord.posts import stem
from executord.sessions.folder import read_json
from executord.team import views
from executord.team.fold import fold
from executord.team.line import Aside, Export, Line, Record, Send, Start, Stop, Take, Tell
from executord.team.record import Team, freeze, thaw
from executord.team.results import discovery
from executord.team.texts import order as order_text
from executord.values import read_stamp, stamp

Entry = dict[str, Any]
JOURNAL = journal.SESSION_PLACE
BUS = ".msg/messages.jsonl"
ISSUES = "wisdom/issues.md"
BOARD = ".executord/board.json"
TASKS, SESSION, META = "tasks.json", "team-session.json", ".msg/meta.json"
_OURS = re.compile(rb'"id": "executor-(\d+)"')
_ISSUE = re.compile(rb"\(executor, event (\d+)\)")


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of the daemon that a session runs under: where people are told."""

    disk: Disk
    inbox_of: Callable[[str], str]

    @property
    def root(self) -> str:
        """Its folder."""
        return self.disk.root


@dataclass(slots=True)
class Noted:
    """One line of a batch, and what is renamed for it. Paths count from the session, or from the memory."""

    line: Line
    entry: Entry
    target: str | None = None
    source: str | None = None
    data: bytes | None = None
    disk: Disk | None = None


class Hands:
    """Carries out the lines of one session."""

    def __init__(
        self, path: str, team: Team, *, durable: bool = True, before: Callable[[str, str], None] | None = None,
        memory: Memory | None = None,
    ) -> None:  # fmt: skip
        self.path, self.team, self.memory = path, team, memory
        self.disk = Disk(path, durable=durable, before=before, allowed=session_allowed)
        self.intake = Intake(path)
        self.book = journal.Journal([], 0)
        self._taken: set[str] = set()
        self._views: dict[str, bytes] = {}
        self.base_tasks: Any = None
        self.base_session: Mapping[str, Any] = {}
        self._base_meta: Mapping[str, Any] = {}
        self._left: dict[str, Identity | None] = {}  # the views that others add to, as we know them
        self._ours: dict[str, Identity | None] = {}  # and as we have written them ourselves
        self._noticed: bytes | None = None

    # -- reading the journal -------------------------------------------------------------------------------

    def load(self) -> list[Entry]:
        """Put the journal into the session; answers its entries of the newest part. Raises `Unreadable`."""
        self.book = journal.read(self.path, JOURNAL)
        entries = self.book.entries
        start = max((k for k, e in enumerate(entries) if e.get("name") == "snapshot"), default=None)
        for entry in entries if start is None else entries[start:]:
            try:
                self._take_in(entry)
            except Exception as error:  # a hand was in a line: told with it, and the session is parked
                why = f"{type(error).__name__}: {error}"
                raise journal.not_understood(entry, JOURNAL, why) from error
        return [e for e in entries if "at" in e]

    def _take_in(self, entry: Entry) -> None:
        """Put one line into the session."""
        if entry.get("name") == "snapshot":
            thaw(self.team, entry["facts"])
            self.team.n = entry["n"]
        elif "name" in entry:
            fold(self.team, entry)
        elif "opened" in entry and self.book is not None:
            self.book.opened = read_stamp(entry["opened"])

    # -- note ----------------------------------------------------------------------------------------------

    def note(self, line: Line, now: datetime) -> Noted:
        """Note one line in memory: its entry, its bytes, and what it changes."""
        team, action = self.team, line.action
        noted = Noted(line, {})
        facts = dict(line.facts)
        more: dict[str, Any] = {}
        word = action.word
        match action:
            case Start():
                work = f".executord/work/{line.task}.a{line.attempt}"
                noted.target, noted.data = f"{work}/order.md", self._order(line.task or "")
                more["path"] = noted.target
            case Tell():
                self._tell(noted, line, action, facts, now)
                more["path"] = noted.target
            case Aside():
                noted.source, noted.target = action.source, self.free(action.target)
                facts["from"] = action.source
                more["path"] = noted.target
            case Take():
                shelf = ".rejected" if action.rejected else ".processed"
                day = f".executord/inbox/{shelf}/{now:%Y-%m-%d}"
                noted.source, noted.target = f".executord/inbox/{action.name}", self.free(f"{day}/{action.name}")
                more["path"] = noted.target
            case Send():
                if self.memory is None:
                    word = Record.word  # nobody reads it here: it is said at the terminal
                else:
                    more["to"], more["type"] = action.to, action.kind
                    self._letter(noted, line, action, now)
                    more["path"] = noted.target
            case Export():
                more["path"] = action.target
            case Stop() | Record():
                pass
            case _:
                assert_never(action)
        shown = {k: stamp(v) if isinstance(v, datetime) else v for k, v in facts.items() if v is not None}
        told = Line(line.at, line.name, line.rule, action, line.task, line.attempt, line.why, shown)
        noted.entry = journal.entry_of(told, team.n + 1, now, word, more)
        if noted.target is not None:
            self._taken.add(noted.target)
        fold(team, noted.entry)
        return noted

    def _order(self, task: str) -> bytes:
        team = self.team
        node = team.node(task)
        upstream = {dep: self._upstream(dep) for dep in node.context_from or node.deps}
        return order_text(team, node, upstream).encode("utf-8", "backslashreplace")

    def _upstream(self, task: str) -> tuple[str, str]:
        """Findings in full, and artifacts, of a finished task: of its revision, where there is one that is done."""
        job = self.team.jobs.get(task)
        if job is None:
            return "", ""
        if job.revision is not None and self.team.satisfied(job.revision):
            return self._upstream(job.revision)
        paper = read_json(f"{self.path}/discoveries/{task}.json")
        at = self.team.last_at or read_stamp("1970-01-01T00:00:00Z")
        found = discovery(paper.data, "", at, at)
        findings, artifacts = found.findings or job.findings or "", found.artifacts or job.artifacts
        return findings, ", ".join(artifacts)

    def _tell(self, noted: Noted, line: Line, action: Tell, facts: dict[str, Any], now: datetime) -> None:
        worker = self.team.workers[action.order]
        n = worker.told + 1
        body: dict[str, Any] = {"n": n, "kind": action.kind, "at": stamp(now), "task_id": line.task}
        if action.kind == "task":
            body["text"] = self._order(line.task or "").decode()
            body["attempt"] = line.attempt
            body["result"] = f"{self.path}/discoveries/{line.task}.json"
        else:
            body["text"] = action.text if action.source is None else self._text_of(action.source)
        noted.data = dump(body)
        noted.target = f".executord/work/{action.order}/inbox/{n:04}-{action.kind}.yaml"
        facts["order"] = action.order
        if action.kind in ("status_check", "finalize"):
            facts["mark"] = self._size(BUS)
            seen = self.team.discoveries.get(line.task or "")
            facts["seen"] = seen.sha256[:16] if seen is not None else None

    def _text_of(self, source: str) -> str:
        """The text of a message, where it was filed, or still lies if a crash cut that off."""
        root = self.path if source.startswith(".executord/") else self.memory.root if self.memory is not None else ""
        inbox, _, rest = source.partition("/.processed/")
        for path in (source, f"{inbox}/{os.path.basename(rest)}"):
            with contextlib.suppress(OSError, Unreadable, NotYetWhole):
                body = parse(open_file(f"{root}/{path}").raw).data or {}
                for key in ("text", "context", "message", "note"):
                    if body.get(key) not in (None, ""):
                        return str(body[key])
        return "(the message is no longer there)"

    def relay(self, letter: Letter) -> None:
        """Put a message that came as a file on the bus, once; there it is heard like any other line [SES-13]."""
        mark = f"inbox-{letter.sha256[:16]}"
        with contextlib.suppress(OSError), reader(f"{self.path}/{BUS}") as file:
            for line in file:
                if mark.encode() in line:
                    return
        body = {
            k: v for k, v in letter.body.items() if k not in ("id", "type", "from", "to", "timestamp", "session_id")
        }
        said = {
            "id": mark, "ts": stamp(letter.at), "from": letter.sender, "to": "executor", "type": letter.type,
            "summary": str(body.get("summary") or body.get("text") or ""), "data": body,
        }  # fmt: skip
        self.disk.make_folder(".msg")
        data = json.dumps(said, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")
        self.disk.add_lines(BUS, data + b"\n")

    def explain(self, path: str, body: Mapping[str, Any], now: datetime) -> None:
        """The reason beside a refused message [CON-5]; one that is there already stays."""
        target = f"{path.rpartition('.')[0]}.reason.yaml"
        if os.path.lexists(f"{self.path}/{target}"):
            return
        marks = {"generated_by": "executord", "generated_at": stamp(now), "event": self.team.n}
        dot = f"{os.path.dirname(target)}/{dot_name(self.team.id, target)}"
        self.disk.stage(dot, dump({**body, **marks}))
        self.disk.publish(dot, target)

    def _letter(self, noted: Noted, line: Line, action: Send, now: datetime) -> None:
        assert self.memory is not None
        team = self.team
        key = "/".join((line.task or "", str(line.attempt or 0), action.kind))
        name = stem(team.id, line.task, line.attempt, action.kind, team.sent.get(key, 0) + 1)
        folder = f"{INBOX}/{self.memory.inbox_of(action.to)}"
        envelope: dict[str, Any] = {
            "id": name, "type": action.kind, "from": "executor", "to": action.to, "timestamp": stamp(now),
            "session_id": team.id, "session": self.path,
        }  # fmt: skip
        if line.task is not None:
            envelope["task_id"] = line.task
        marks = {"generated_by": "executord", "generated_at": stamp(now), "event": team.n + 1}
        body = {k: stamp(v) if isinstance(v, datetime) else v for k, v in action.body.items()}
        noted.disk, noted.data = self.memory.disk, dump({**envelope, **body, **marks})
        path, k = f"{folder}/{name}.yaml", 1
        while os.path.lexists(f"{self.memory.root}/{path}"):
            k += 1
            path = f"{folder}/{name}~{k}.yaml"
        noted.target = path

    def free(self, path: str) -> str:
        """This name, or `{stem}~2` where something lies there already [MEM-14]."""
        base, dot, ending = path.rpartition(".")
        if not dot or "/" in ending:
            base, ending = path, ""
        k = 1
        while True:
            name = path if k == 1 else f"{base}~{k}{dot}{ending}"
            if name not in self._taken and not os.path.lexists(f"{self.path}/{name}"):
                return name
            k += 1

    def _size(self, path: str) -> int:
        try:
            return os.lstat(f"{self.path}/{path}").st_size
        except OSError:
            return 0

    # -- carry out -----------------------------------------------------------------------------------------

    def commit(self, batch: list[Noted]) -> None:
        """Stage, note, publish, then tell. Raises `CannotWrite` or `NotOurs` before anything is noted."""
        if not batch:
            return
        staged: dict[Disk, list[str]] = {}
        try:
            for noted in batch:
                if noted.target is None:
                    continue
                disk, dot = self._dot(noted)
                disk.make_folder(os.path.dirname(noted.target))
                if noted.data is not None:
                    staged.setdefault(disk, []).append(dot)
                    disk.stage(dot, noted.data)
            for disk, names in staged.items():
                disk.sync(names)
            self._append(batch)
        except Exception:  # raised again, once nothing is left of what is in no journal
            self._taken.clear()
            for disk, names in staged.items():
                for name in names:
                    with contextlib.suppress(Exception):  # the next start removes it
                        disk.remove_staged(name)
            raise
        for noted in batch:
            self._publish(noted)
        self._taken.clear()
        self._say(noted.entry for noted in batch)

    def _dot(self, noted: Noted) -> tuple[Disk, str]:
        assert noted.target is not None
        folder = os.path.dirname(noted.target)
        return noted.disk or self.disk, f"{folder}/{dot_name(self.team.id, noted.entry['name'])}"

    def _append(self, batch: list[Noted]) -> None:
        book = self.book
        lines = [journal_line(n.entry) for n in batch]
        if book.size == 0 and not book.parts:
            book.opened = read_stamp(batch[0].entry["at"])
            lines.insert(0, journal.first_line("session", self.team.id, book.opened))
        data = b"".join(lines)
        self.disk.make_folder(os.path.dirname(JOURNAL))
        self.disk.append(JOURNAL, data, book.size)
        book.size += len(data)
        book.lines += len(lines)
        self.disk.sync([JOURNAL], placed=book.placed)
        book.placed = True

    def rotate(self, now: datetime) -> None:
        """Begin a new part once one holds 5,000 lines [CON-6]."""
        book, team = self.book, self.team
        if book.lines < journal.PART_LINES:
            return
        fresh = journal.first_line("session", team.id, book.opened or now) + journal_line(
            {"n": team.n, "name": "snapshot", "facts": freeze(team)}
        )
        dot = f".executord/{dot_name(team.id, f'snapshot {team.n}')}"
        self.disk.link(JOURNAL, f".executord/journal.{book.parts + 1:04}.yaml")
        self.disk.stage(dot, fresh)
        self.disk.sync([dot])
        self.disk.rename_over(dot, JOURNAL)
        self.disk.sync([JOURNAL])
        book.parts += 1
        book.size, book.lines = len(fresh), 2

    def _publish(self, noted: Noted) -> None:
        if noted.target is None:
            return
        disk, dot = self._dot(noted)
        if noted.source is not None:
            self.intake.take(disk, noted.source, noted.target)
        elif not disk.publish(dot, noted.target):
            self._clashed(disk, dot, noted.target)

    @staticmethod
    def _clashed(disk: Disk, dot: str, target: str) -> None:
        """Somebody took the name between note and publish: the same bytes are ours already, else ours becomes ~2."""
        full = f"{disk.root}/{dot}"
        if not os.path.lexists(full):
            return
        with reader(full) as ours, contextlib.suppress(OSError), reader(f"{disk.root}/{target}") as there:
            if ours.read() == there.read():
                disk.remove_staged(dot)
                return
        base, _, ending = target.rpartition(".")
        k = 2
        while not disk.publish(dot, f"{base}~{k}.{ending}"):
            k += 1

    # -- after a crash -------------------------------------------------------------------------------------

    def redo(self, entries: list[Entry]) -> list[Entry]:
        """Publish what the last lines speak of and a crash may have cut off; answers those that were published now."""
        last = entries[-1]["at"] if entries else None
        done = []
        for entry in [e for e in entries if e["at"] == last]:
            path, action = entry.get("path"), entry.get("action")
            if path is None:
                continue
            disk = self._disk_of(action, path)
            if disk is None:
                continue
            if action in ("start", "tell", "send"):
                dot = f"{os.path.dirname(path)}/{dot_name(self.team.id, entry['name'])}"
                if os.path.lexists(f"{disk.root}/{dot}"):
                    if not disk.publish(dot, path):
                        self._clashed(disk, dot, path)
                    done.append(entry)
            elif action in ("move", "file"):
                self._redo_move(entry, path)
                facts = entry.get("facts") or {}
                if facts.get("outcome") == "rejected" and action == "file":
                    self.explain(path, {
                        "file": facts["file"], "sender": facts.get("from"), "received_at": entry["due"],
                        "code": facts.get("code"), "reason": facts.get("reason"), "expected": None,
                        "fix": facts.get("fix"),
                    }, read_stamp(entry["at"]))  # fmt: skip
        self._sweep(entries)
        return done

    def _disk_of(self, action: str | None, path: str) -> Disk | None:
        if action == "send":
            return self.memory.disk if self.memory is not None else None
        return self.disk

    def _redo_move(self, entry: Entry, path: str) -> None:
        facts = entry.get("facts") or {}
        source = facts.get("from") if entry["action"] == "move" else f".executord/inbox/{facts['file']}"
        if source is not None:
            sha = facts.get("sha256") or ""
            self.intake.again(self.disk, source, path, "" if sha.startswith("unread") else sha)

    def _sweep(self, entries: list[Entry]) -> None:
        """Dot files of ours that no line names are removed."""
        folders = {"", ".msg", "wisdom", ".executord", "explorations", "discussions"}
        with contextlib.suppress(OSError):
            for name in os.listdir(f"{self.path}/.executord/work"):
                folders |= {f".executord/work/{name}", f".executord/work/{name}/inbox"}
        for folder in sorted(folders):
            try:
                names = os.listdir(f"{self.path}/{folder}")
            except OSError:
                continue
            for name in names:
                if name.startswith(".x-"):
                    self.disk.remove_staged(f"{folder}/{name}" if folder else name)

    # -- telling others ------------------------------------------------------------------------------------

    def _say(self, entries: Iterable[Entry]) -> None:
        said, issues = b"", b""
        for entry in entries:
            said += views.message(self.team.id, entry) or b""
            issues += views.issue(entry) or b""
        if issues:
            self.disk.make_folder("wisdom")
            self.disk.add_lines(ISSUES, issues)
        if said:
            self.disk.make_folder(".msg")
            self.disk.add_lines(BUS, said)

    def say_missing(self, entries: list[Entry]) -> None:
        """What a crash cut off of what others are told: by the numbers that stand there already."""
        heard, noted = self._last_number(BUS, _OURS), self._last_number(ISSUES, _ISSUE)
        issues = b"".join(views.issue(e) or b"" for e in entries if e["n"] > noted)
        if issues:
            self.disk.make_folder("wisdom")
            self.disk.add_lines(ISSUES, issues)
        said = b"".join(views.message(self.team.id, e) or b"" for e in entries if e["n"] > heard)
        if said:
            self.disk.make_folder(".msg")
            self.disk.add_lines(BUS, said)

    def _last_number(self, path: str, pattern: re.Pattern[bytes]) -> int:
        """The highest number of ours in this file, looked for from its end."""
        try:
            with reader(f"{self.path}/{path}") as file:
                end = file.seek(0, os.SEEK_END)
                tail = b""
                while end > 0:
                    start = max(end - (1 << 20), 0)
                    file.seek(start)
                    block = file.read(end - start) + tail[:64]
                    found = pattern.findall(block)
                    if found:
                        return max(map(int, found))
                    tail, end = block, start
        except OSError:
            pass
        return 0

    def views(self, board: Identity | None = None) -> Identity | None:
        """tasks.json, team-session.json, meta.json and what we last wrote there, where their bytes differ [MEM-24].

        tasks.json is only written over what is known of it, `board`, where anything is: what somebody has written since
        is to be read first. Answers what it was written as, None if it was not.
        """
        team = self.team
        if team.head.opened_at is None:
            return None
        self._take_edits()
        written = self._show_board(board)
        if self._show_shared(SESSION, views.session(team, self.base_session)):
            data = read_json(f"{self.path}/{SESSION}").data
            self.base_session = data if isinstance(data, Mapping) else self.base_session
        self._show_shared(META, views.meta(team, self._base_meta))
        return written

    def _show_shared(self, path: str, data: bytes) -> bool:
        """A view that others add to: written over what was read of it, else read anew with the next one."""
        changed, written = self._view(path, data, self._left.get(path))
        if not changed:
            if path not in self._left:
                self._left[path] = self._ours[path] = self._identity(path)
            return False
        self._left[path] = self._ours[path] = written
        if written is None:
            self.forget_view(path)
        return written is not None

    def _show_board(self, known: Identity | None) -> Identity | None:
        if known is not None and self._identity(TASKS) not in (known, None):
            return None
        changed, written = self._view(TASKS, views.tasks(self.team, self.base_tasks), known)
        if changed:
            if written is None:
                self.forget_view(TASKS)
                return None
            self.base_tasks = read_json(f"{self.path}/{TASKS}").data
        self._view(BOARD, views.as_json({"statuses": {i: job.status for i, job in self.team.jobs.items()}}))
        return written

    def session_edited(self) -> bool:
        """Whether somebody else has changed team-session.json since we wrote it; said once of each change."""
        there = self._identity(SESSION)
        new = bool(self._ours) and there not in (self._ours[SESSION], self._noticed)
        self._noticed = there
        return new

    def _take_edits(self) -> None:
        """What others have written into our views meanwhile is kept like what stood there before."""
        for path, left in self._left.items():
            there = self._identity(path)
            if left == there:
                continue
            self._left[path] = there
            data = read_json(f"{self.path}/{path}").data
            if isinstance(data, Mapping):
                self.base_session = data if path == SESSION else self.base_session
                self._base_meta = data if path == META else self._base_meta
            self._views.pop(path, None)

    def _identity(self, path: str) -> bytes | None:
        try:
            return identity_of(os.lstat(f"{self.path}/{path}"))
        except OSError:
            return None

    def read_bases(self) -> None:
        """What stands in the views now: what others wrote there is kept."""
        tasks = read_json(f"{self.path}/tasks.json")
        self.base_tasks = tasks.data if isinstance(tasks.data, Mapping | list) else None
        session = read_json(f"{self.path}/team-session.json").data
        self.base_session = session if isinstance(session, Mapping) else {}
        meta = read_json(f"{self.path}/.msg/meta.json").data
        self._base_meta = meta if isinstance(meta, Mapping) else {}

    def _view(self, path: str, data: bytes, known: Identity | None = None) -> tuple[bool, Identity | None]:
        """Whether its bytes were others, and what it lies there as since; None: by now somebody else's."""
        if self._views.get(path) == data:
            return False, None
        full = f"{self.path}/{path}"
        try:
            with reader(full) as file:
                there: bytes | None = file.read(64 << 20)
        except OSError:
            there = None
        self._views[path] = data
        if there == data:
            return False, None
        folder = os.path.dirname(path)
        if folder:
            self.disk.make_folder(folder)
        dot = dot_name(self.team.id, "view " + path)
        return True, self.disk.replace(path, f"{folder}/{dot}" if folder else dot, data, known)

    def forget_view(self, path: str) -> None:
        """Somebody has changed it: it is compared again."""
        self._views.pop(path, None)
