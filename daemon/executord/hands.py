"""Notes lines and carries them out: stage, note, publish [MEM-21].

Counterparts: `typist.py` makes the bodies, `files/naming.py` finds the names, `files/disk.py` changes the files,
`files/journal.py` writes the lines, `fold.py` puts them into the case. A batch is noted line by line in memory, each
seeing the state that the one before left, so a batch gives the same bytes as one line at a time; then everything staged
is made durable, the lines are appended, and what was staged is renamed into place. After a crash `redo` repeats the
last step from the journal alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from executord.actions import (
    Amend,
    Archive,
    Deliver,
    Explain,
    File,
    Move,
    Record,
    Rendered,
    Reply,
    Send,
    Start,
    Stop,
    Tell,
    Write,
)
from executord.agenda import Due
from executord.case import Process
from executord.case.casebook import Case
from executord.case.snapshot import freeze
from executord.errors import ExecutordError
from executord.evolve import replace
from executord.files import journal
from executord.files.disk import INBOX, OWN_INBOXES, Disk, is_left_over
from executord.files.naming import Naming, dot_name
from executord.files.store import Store
from executord.fold import fold
from executord.meaning.transitions import attempt_of
from executord.paper import parse
from executord.pen import dump, journal_line, printable
from executord.posts import next_stem
from executord.runners.workers import Run, Started, Workers, run_of
from executord.typist import Typist, marked
from executord.values import read_stamp

Entry = dict[str, Any]
_MARKS = frozenset({"generated_by", "generated_at", "event"})


@dataclass(slots=True)
class Noted:
    """One line of a batch: its entry, and what is renamed for it."""

    entry: Entry = field(default_factory=dict)
    more: Entry = field(default_factory=dict)  # what the entry says besides its line: to, type, path, facts
    source: str | None = None  # from the memory
    target: str | None = None
    data: bytes | None = None
    action: Start | Tell | Stop | None = None  # what is done by the runners
    started: Started | None = None
    reply: bool = False  # a program's answer, for our own inbox
    over: bool = False  # over the file of ours that lies there


@dataclass(slots=True)
class Batch:
    """The lines of one case that are noted in one append."""

    case: Case
    noted: list[Noted] = field(default_factory=list)


def _written(path: str, data: bytes) -> Noted:
    return Noted(target=path, data=data, more={"path": path})


def _moved(source: str, target: str) -> Noted:
    return Noted(source=source, target=target, more={"path": target, "facts": {"from": source}})


class Hands:
    """Carries out the lines of all cases of one tree."""

    def __init__(self, store: Store, disk: Disk, workers: Workers | None = None) -> None:
        self.store, self.disk, self.workers = store, disk, workers
        self.typist = Typist(store)
        self.names = Naming(store)
        self.began: datetime | None = None  # when this daemon noted its first line
        self.answers: set[str] = set()  # of programs, put into our own inbox before we died: they are whole

    # -- note ----------------------------------------------------------------------------------------------

    def note(self, batch: Batch, line: Due, now: datetime) -> Entry:
        """Note one line in memory: its entry, its bytes, and what it changes in the case."""
        case = batch.case
        self.began = self.began or now
        if line.facts and any(isinstance(v, Rendered) for v in line.facts.values()):
            line = replace(line, facts={k: self.typist.value(v, case, now) for k, v in line.facts.items()})
        noted = self._prepared(batch, line, now)
        if noted.source is not None and noted.target is not None and printable(noted.source) != noted.source:
            raw = [os.fsencode(noted.source).hex(), os.fsencode(noted.target).hex()]
            noted.more["facts"] = {**noted.more.get("facts", {}), "raw": raw}  # no text; redo needs their bytes
        word = line.action.word if line.action is not None else Record.word
        noted.entry = journal.entry_of(line, case.n + 1, now, word, noted.more)
        self.names.take(noted.target)
        fold(case, noted.entry)
        batch.noted.append(noted)
        return noted.entry

    def _prepared(self, batch: Batch, line: Due, now: datetime) -> Noted:
        """What carries this line out: its bytes, its place, and what its entry says of them."""
        case, action = batch.case, line.action
        match action:
            case Send():
                return self._letter(case, line, action, now)
            case Write():
                return self._paper(batch, action, now)
            case Amend():
                return self._amended(case, action, now)
            case Explain():
                data = dump(dict(action.body) | marked(case.n + 1, now))
                folder, name = action.rejected_path.rsplit("/", 1)
                return _written(self.names.free(f"{folder}/{name.rsplit('.', 1)[0]}.reason.yaml", data), data)
            case File():
                shelf = ".rejected" if action.rejected else ".processed"
                target = self.names.free(f"{INBOX}/{action.folder}/{shelf}/{now:%Y-%m-%d}/{action.name}")
                return Noted(source=f"{INBOX}/{action.folder}/{action.name}", target=target, more={"path": target})
            case Move():
                self.names.leave(f"{case.id}/{action.source}")
                return _moved(f"{case.id}/{action.source}", f"{case.id}/{action.target}")
            case Archive():
                return _moved(case.id, f"_archive/{case.id}")
            case Reply():
                data = dump(self.typist.reply(case, line, action, now))
                noted = _written(self.names.free(f"{INBOX}/{OWN_INBOXES[0]}/{action.name}.yaml", data), data)
                noted.reply = True
                return noted
            case Start():
                started = self._start(batch, line, action)
                return Noted(action=action, started=started, more={"to": action.to, "facts": started.facts})
            case Tell():
                return Noted(action=action, more={"to": action.to, "type": action.kind})
            case Stop():
                return Noted(action=action)
            case Record() | Deliver() | None:
                return Noted()
            case _:
                assert_never(action)

    def _letter(self, case: Case, line: Due, action: Send, now: datetime) -> Noted:
        """A message, in the inbox of whom it is for."""
        name = action.name or next_stem(case, line.task, line.attempt, action.kind)
        data = dump(self.typist.letter(case, line, action, name, now))
        noted = _written(self.names.free(f"{INBOX}/{self.store.inbox_of(action.to)}/{name}.yaml", data), data)
        noted.more |= {"to": action.to, "type": action.kind}
        return noted

    def _paper(self, batch: Batch, action: Write, now: datetime) -> Noted:
        """A file of ours, which may tell of the lines before it in its own batch."""
        case, told = batch.case, [n.entry for n in batch.noted]
        body = {k: self.typist.value(v, case, now, told) for k, v in action.body.items()} | marked(case.n + 1, now)
        return self._kept(f"{case.id}/{action.path}", body, {})

    def _amended(self, case: Case, action: Amend, now: datetime) -> Noted:
        """A file of ours again, with other values under some keys; it goes over the one that lies there [MEM-12]."""
        path = f"{case.id}/{action.path}"
        changed = {**self.store.body(path), **action.body}
        body = {k: v for k, v in changed.items() if k not in _MARKS} | marked(case.n + 1, now)
        noted = self._kept(path, body, {"over": True})
        noted.over = True
        return noted

    def _kept(self, path: str, body: Mapping[str, Any], facts: Mapping[str, Any]) -> Noted:
        """A file whose content its line vouches for, so that a change by another hand is seen [CON-6]."""
        noted = _written(path, dump(body))
        assert noted.data is not None
        noted.more["facts"] = {**facts, "sha256": hashlib.sha256(noted.data).hexdigest(), "size": len(noted.data)}
        self.store.remember(path, body)
        return noted

    def _start(self, batch: Batch, line: Due, action: Start) -> Started:
        """The process, held back until its line is noted. Raises `CannotStart`."""
        assert self.workers is not None
        assert line.task is not None
        assert line.attempt is not None
        command = self.store.policy.command(action.to)
        assert command is not None  # the rule asks for it
        letters = [self._call(batch, path) for _, path in action.calls]
        run = Run(batch.case.id, line.task, line.attempt, action.k, action.to)
        again = action.k > 1 or line.attempt > 1 or (self.began is not None and line.at < self.began)
        return self.workers.start(run, command, [each for each in letters if each], search=again)

    def _call(self, batch: Batch, path: str) -> Mapping[str, Any]:
        """A message that lies in an inbox, or is about to."""
        waiting = next((n.data for n in batch.noted if n.target == path and n.data is not None), None)
        if waiting is not None:
            return parse(waiting, path=path).data or {}
        return self.store.body(path)

    # -- carry out -----------------------------------------------------------------------------------------

    def commit(self, batches: Iterable[Batch]) -> list[Entry]:
        """Stage, note, publish. Raises `CannotWrite` or `NotOurs` before anything is noted, else nothing is lost."""
        work = [b for b in batches if b.noted]
        staged: list[str] = []
        journals: dict[str, int] = {}  # with how long it was before
        try:
            with self.disk.together():
                for batch in work:
                    self._stage(batch, staged)
            self.disk.sync(staged)
            for batch in work:
                journals[f"{batch.case.id}/{journal.PLACE}"] = self._book(batch.case).size
                self._append(batch)
            books = [self._book(batch.case) for batch in work]
            self.disk.sync(journals, placed=all(book.placed for book in books))
            for book in books:
                book.placed = True
        except Exception:  # raised again, once nothing is left of what is in no journal
            for batch in work:
                self.forget(batch)
            self._take_back(journals)
            self._undo(staged, work)
            raise
        entries = []
        try:
            with self.disk.together():
                for batch in work:
                    for noted in batch.noted:
                        self._publish(batch.case, noted)
                        entries.append(noted.entry)
        finally:
            self.names.release()
        return entries

    def forget(self, batch: Batch | None) -> None:
        """What was noted in memory is void: its names are free again, and who was held back never begins."""
        for noted in batch.noted if batch is not None else ():
            self.names.void(noted.source, noted.target)
            if noted.started is not None:
                noted.started.abandon()

    def _take_back(self, journals: Mapping[str, int]) -> None:
        """Cut off lines that may not be on the disk: nothing was published for them yet.

        After an fsync that failed, the kernel takes what it could not write for written: to trust a later one would
        lose the lines at a power cut. What cannot be cut off counts as noted.
        """
        for path, size in journals.items():
            with contextlib.suppress(ExecutordError):
                self.disk.append(path, b"", size)

    def _undo(self, staged: list[str], work: list[Batch]) -> None:
        """Remove what was staged for lines that are in no journal; what is noted is done at the next start."""
        noted = {
            f"{os.path.dirname(n.target)}/{dot_name(b.case.id, n.entry['name'])}"
            for b in work for n in b.noted
            if n.target is not None and self._is_noted(b.case.id, n.entry["n"])
        }  # fmt: skip
        for path in staged:
            if path not in noted:
                with contextlib.suppress(ExecutordError):  # the next start removes it
                    self.disk.remove_staged(path)

    def _is_noted(self, case_id: str, n: int) -> bool:
        found = journal.read(f"{self.store.root}/{case_id}")
        return any(e.get("n") == n for e in found.entries[-2000:])

    def _stage(self, batch: Batch, staged: list[str]) -> None:
        case = batch.case
        self.disk.make_folder(f"{case.id}/outputs/partial")
        there: set[str] = set()
        for noted in batch.noted:
            if isinstance(noted.action, Tell):
                self._stage_follow_up(batch, noted)
            if noted.target is None:
                continue
            folder = os.path.dirname(noted.target)
            if folder not in there and not os.path.isdir(f"{self.store.root}/{folder}"):
                self.disk.make_folder(folder)
                if folder.startswith(INBOX):
                    self.store.forget_inboxes()
            there.add(folder)
            if noted.data is not None:
                path = f"{folder}/{dot_name(case.id, noted.entry['name'])}"
                staged.append(path)
                # what comes to our own inbox is dated by the file [MSG-10]: with a set clock that is not the real time
                at = read_stamp(noted.entry["at"]).timestamp() if noted.reply else None
                self.disk.stage(path, noted.data, at)

    def _stage_follow_up(self, batch: Batch, noted: Noted) -> None:
        action, found = noted.action, self._process(batch.case, noted.entry)
        if found is not None and self.workers is not None and isinstance(action, Tell):
            at = read_stamp(noted.entry["at"])
            self.workers.stage_follow_up(found[0], action.n, action.kind, at, self._call(batch, action.letter))

    def _append(self, batch: Batch) -> None:
        case = batch.case
        book = self._book(case)
        path = f"{case.id}/{journal.PLACE}"
        lines = [journal_line(n.entry) for n in batch.noted]
        if book.size == 0 and not book.parts:
            first = read_stamp(batch.noted[0].entry["at"])
            lines.insert(0, journal.first_line("instruction", case.id, first))
            book.opened = first
        data = b"".join(lines)
        self.disk.append(path, data, book.size)
        book.size += len(data)
        book.lines += len(lines)

    def _book(self, case: Case) -> journal.Journal:
        book = self.store.seen[case.id].journal
        assert book is not None
        return book

    def rotate(self, case: Case, now: datetime) -> None:
        """Begin a new part once one is full: by link and rename, so a crash leaves one of the two [CON-6]."""
        book = self._book(case)
        if book.lines < journal.part_lines(len(case.tasks)):
            return
        folder = os.path.dirname(f"{case.id}/{journal.PLACE}")
        opened = book.opened or now
        fresh = journal.first_line("instruction", case.id, opened) + journal_line(
            {"n": case.n, "name": "snapshot", "facts": freeze(case)}
        )
        part = f"{folder}/journal.{book.parts + 1:04}.yaml"
        dot = f"{folder}/{dot_name(case.id, f'snapshot {case.n}')}"
        self.disk.link(f"{case.id}/{journal.PLACE}", part)
        self.disk.stage(dot, fresh)
        self.disk.sync([dot])
        self.disk.rename_over(dot, f"{case.id}/{journal.PLACE}")
        self.disk.sync([f"{case.id}/{journal.PLACE}"])
        book.parts += 1
        book.size, book.lines = len(fresh), 2

    def _publish(self, case: Case, noted: Noted) -> None:
        if noted.action is not None:
            self._run(case, noted.action, noted.entry, noted.started)
        if noted.target is None:
            return
        source = noted.source
        if source is None:
            folder = os.path.dirname(noted.target)
            dot = f"{folder}/{dot_name(case.id, noted.entry['name'])}"
            if noted.over:
                self.disk.rename_over(dot, noted.target)
            elif not self.disk.publish(dot, noted.target):
                self._clashed(dot, noted.target)
            return self.store.lies(noted.target)
        if noted.entry["action"] == "file":
            self.store.intake.take(self.disk, source, noted.target)
            return
        done = self.disk.publish(source, noted.target)
        prefix = f"{case.id}/tasks/"
        if not source.startswith(prefix):
            return
        if not done:  # another file lies there: nothing is lost, and what counts is looked at again
            self.store.look_again(case, noted.entry["task"], read_stamp(noted.entry["at"]))
        else:
            self.store.task_moved(case.id, source.removeprefix(prefix), noted.target.removeprefix(prefix))

    def _run(self, case: Case, action: Start | Tell | Stop, entry: Entry, started: Started | None) -> None:
        """What the runners do, once it is noted."""
        workers = self.workers
        assert workers is not None
        if isinstance(action, Start):
            assert started is not None
            workers.begin(started)
            if started.held is None:
                self._adopt(case, entry)
            return
        found = self._process(case, entry)
        if found is None:
            return
        run, process = found
        command = self.store.policy.command(run.agent)
        if isinstance(action, Stop):
            workers.stop(run, process, command.grace_s if command is not None else None)
        else:
            workers.publish_follow_up(run, process, action.n, action.kind, command)

    def _process(self, case: Case, entry: Entry) -> tuple[Run, Process] | None:
        task = case.tasks.get(entry["task"])
        attempt = attempt_of(task, entry.get("attempt") or 0) if task is not None else None
        if task is None or attempt is None or attempt.process is None or attempt.process.k != entry["facts"]["k"]:
            return None
        return run_of(case.id, task.id, attempt)

    def _adopt(self, case: Case, entry: Entry) -> None:
        found = self._process(case, entry)
        if found is not None and self.workers is not None:
            self.workers.adopt(*found, None)

    def _clashed(self, dot: str, target: str) -> None:
        """Somebody took the name between note and publish: the same bytes are ours already, else ours becomes ~2."""
        data = self.names.content(dot)
        if data is None:
            return
        if self.names.content(target) == data:
            self.disk.remove_staged(dot)
            return
        self.disk.publish(dot, self.names.free(target, data))

    def redo(self, case: Case, entries: Iterable[Entry]) -> None:
        """Do again what these lines of the journal speak of and what a crash may have cut off, in their order."""
        for entry in entries:
            try:
                self._redo_one(case, entry)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise journal.not_understood(entry, f"{case.id}/{journal.PLACE}", repr(error)) from error

    def _redo_one(self, case: Case, entry: Entry) -> None:
        path = entry.get("path")
        if path is not None and entry["action"] in ("send", "write"):
            dot = f"{os.path.dirname(path)}/{dot_name(case.id, entry['name'])}"
            if path.startswith(f"{INBOX}/{OWN_INBOXES[0]}/"):
                self.answers.add(path.removeprefix(f"{INBOX}/"))
            if not os.path.lexists(f"{self.store.root}/{dot}"):
                return
            if (entry.get("facts") or {}).get("over"):
                self.disk.rename_over(dot, path)
            elif not self.disk.publish(dot, path):
                self._clashed(dot, path)
        elif path is not None and entry["action"] in ("file", "move"):
            self._redo_rename(entry, path)

    def redo_runs(self, case: Case, entries: Iterable[Entry]) -> None:
        """The same for what was started and told; the case is read by now."""
        for entry in entries:
            found = self._process(case, entry) if entry.get("action") in ("start", "tell") else None
            if found is None or self.workers is None:
                continue
            run, process = found
            if entry["action"] == "start":
                self.workers.begin_again(run)
            else:
                command = self.store.policy.command(run.agent)
                self.workers.publish_follow_up(run, process, entry["facts"]["n"], entry["type"], command)

    def _redo_rename(self, entry: Entry, path: str) -> None:
        facts = entry.get("facts") or {}
        inbox = f"{INBOX}/{facts.get('inbox', 'executor')}"
        source = facts.get("from") if entry["action"] == "move" else f"{inbox}/{facts['file']}"
        if "raw" in facts:
            source, path = (os.fsdecode(bytes.fromhex(part)) for part in facts["raw"])
        if entry["action"] == "file":
            sha = facts["sha256"]
            return self.store.intake.again(self.disk, str(source), path, "" if sha.startswith("unread-") else sha)
        root = self.store.root
        if source is not None and not os.path.lexists(f"{root}/{path}") and os.path.lexists(f"{root}/{source}"):
            self.disk.make_folder(os.path.dirname(path))
            self.disk.publish(source, path)

    def sweep(self, case_id: str) -> None:
        """Remove dot files of ours in the case that no line names [MEM-21]."""
        for folder in ("outputs/partial", "outputs/final"):
            self.sweep_folder(f"{case_id}/{folder}")

    def sweep_folder(self, folder: str) -> None:
        """The same for one folder."""
        try:
            names = os.listdir(f"{self.store.root}/{folder}")
        except OSError:
            return
        for name in names:
            if is_left_over(name):
                self.disk.remove_staged(f"{folder}/{name}")

    def view(self, case: Case, path: str, data: bytes) -> None:
        """Write a view of ours if its bytes differ [MEM-24]."""
        seen = self.store.seen[case.id].views
        digest = hashlib.sha256(data).digest()
        known = seen.get(path)
        if known is not None and known[0] == digest:
            return
        if known is not None or self.names.content(path) != data:
            folder = os.path.dirname(path)
            self.disk.make_folder(folder)
            seen[path] = (digest, self.disk.replace(path, f"{folder}/{dot_name(case.id, 'view ' + path)}", data))
        else:
            seen[path] = (digest, self.store.identity(path))

    def view_touched(self, case: Case, path: str) -> bool:
        """Whether somebody else has changed a view since we wrote it: then it is made again."""
        seen = self.store.seen[case.id].views
        known = seen.get(path)
        if known is not None and known[1] is not None and known[1] == self.store.identity(path):
            return False
        seen.pop(path, None)
        return True
