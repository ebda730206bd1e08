"""Notes lines and carries them out: stage, note, publish [MEM-21].

Counterparts: `disk.py` changes the files, `journal.py` writes the lines, `fold.py` puts them into the case. A batch is
noted line by line in memory, each seeing the state that the one before left, so a batch gives the same bytes as one
line at a time; then everything staged is made durable, the lines are appended, and what was staged is renamed into
place. After a crash `redo` repeats the last step from the journal alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, assert_never

from executord import journal
from executord.actions import Amend, Deliver, Embed, Explain, File, Move, Record, Rendered, Send, Write
from executord.agenda import Due
from executord.casebook import Case
from executord.disk import DOT, INBOX, Disk
from executord.evolve import replace
from executord.fold import fold
from executord.pen import dump, journal_line, printable
from executord.posts import next_stem
from executord.reading import find, text_of
from executord.scalars import written
from executord.snapshot import freeze
from executord.store import Store
from executord.updates import update_contents
from executord.values import read_moment, read_stamp, stamp
from executord.verification import OUTPUT, SUMMARY

Entry = dict[str, Any]
_OURS = b"\ngenerated_by: executord\n"  # as `pen` writes it [MEM-16]
_WHOLE = 64 << 20  # bytes; what is larger is none of ours
_MARKS = frozenset({"generated_by", "generated_at", "event"})
_PLAIN = frozenset({str, int, bool, float})


@dataclass(slots=True)
class Noted:
    """One line of a batch: its entry, and what is renamed for it."""

    entry: Entry
    source: str | None = None  # from the memory
    target: str | None = None
    data: bytes | None = None
    over: bool = False  # over the file of ours that lies there


@dataclass(slots=True)
class Batch:
    """The lines of one case that are noted in one append."""

    case: Case
    noted: list[Noted] = field(default_factory=list)


def dot_name(case_id: str, line: str) -> str:
    """The staged name of what a line publishes: made from the line's name, so redo finds it, and never too long."""
    digest = hashlib.sha256(f"{case_id}\0{line}".encode(errors="surrogatepass")).hexdigest()[:32]
    return f"{DOT}{digest}"


class Hands:
    """Carries out the lines of all cases of one tree."""

    def __init__(self, store: Store, disk: Disk) -> None:
        self.store, self.disk = store, disk
        self._taken: set[str] = set()  # names that a batch in work will fill

    # -- note ----------------------------------------------------------------------------------------------

    def note(self, batch: Batch, line: Due, now: datetime) -> Entry:
        """Note one line in memory: its entry, its bytes, and what it changes in the case."""
        case = batch.case
        action = line.action
        more: dict[str, Any] = {}
        noted = Noted({})
        if any(isinstance(v, Rendered) for v in line.facts.values()):
            line = replace(line, facts={k: self._value(v, case, now) for k, v in line.facts.items()})
        body: Mapping[str, Any] | None = None
        match action:
            case Send():
                inbox = f"{INBOX}/{self.store.inbox_of(action.to)}"
                name = next_stem(case, line.task, line.attempt, action.kind)
                more = {"to": action.to, "type": action.kind}
                body = self._letter(case, line, action, name, now)
                noted.data = dump(body)
                noted.target = self._free(f"{inbox}/{name}.yaml", noted.data)
                more["path"] = noted.target
            case Write():
                noted.target = f"{case.id}/{action.path}"
                body = {k: self._value(v, case, now) for k, v in action.body.items()} | _mark(case.n + 1, now)
                noted.data = dump(body)
                more["path"] = noted.target
                self.store.remember(noted.target, body)
            case Amend():
                noted.target, noted.over = f"{case.id}/{action.path}", True
                changed = {**self.store.body(noted.target), **action.body}
                body = {k: v for k, v in changed.items() if k not in _MARKS} | _mark(case.n + 1, now)
                noted.data = dump(body)
                more = {"path": noted.target, "facts": {"over": True}}
                self.store.remember(noted.target, body)
            case Explain():
                folder, name = action.rejected_path.rsplit("/", 1)
                body = dict(action.body) | _mark(case.n + 1, now)
                noted.data = dump(body)
                noted.target = self._free(f"{folder}/{name.rsplit('.', 1)[0]}.reason.yaml", noted.data)
                more["path"] = noted.target
            case File():
                noted.source = f"{INBOX}/{action.folder}/{action.name}"
                shelf = ".rejected" if action.rejected else ".processed"
                noted.target = self._free(f"{INBOX}/{action.folder}/{shelf}/{now:%Y-%m-%d}/{action.name}", None)
                more["path"] = noted.target
            case Move():
                noted.source, noted.target = f"{case.id}/{action.source}", f"{case.id}/{action.target}"
                more = {"path": noted.target, "facts": {"from": noted.source}}
            case Record() | Deliver() | None:
                pass
            case _:
                assert_never(action)
        if noted.source is not None and noted.target is not None and printable(noted.source) != noted.source:
            raw = [os.fsencode(noted.source).hex(), os.fsencode(noted.target).hex()]
            more["facts"] = {**more.get("facts", {}), "raw": raw}  # names that are no text; redo needs their bytes
        word = action.word if action is not None else Record.word
        noted.entry = journal.entry_of(line, case.n + 1, now, word, more)
        if noted.target is not None:
            self._taken.add(noted.target)
        fold(case, noted.entry)
        batch.noted.append(noted)
        return noted.entry

    def is_free(self, path: str) -> bool:
        """Whether nothing lies under this name, and nothing will when the batch in work is carried out."""
        return path not in self._taken and not os.path.lexists(f"{self.store.root}/{path}")

    def free(self, path: str) -> str:
        """This name, or `{stem}~2` where something lies there already."""
        return self._free(path, None)

    def _free(self, path: str, data: bytes | None) -> str:
        """This name, or `{stem}~2` where something else lies there [MEM-14]."""
        stem, _, ending = path.rpartition(".")
        k = 1
        while True:
            name = path if k == 1 else f"{stem}~{k}.{ending}"
            if name not in self._taken:
                there = self._bytes(name)
                if there is None or (data is not None and there == data):
                    return name
            k += 1

    def _bytes(self, path: str) -> bytes | None:
        full = f"{self.store.root}/{path}"
        if not os.path.lexists(full):
            return None
        try:
            with open(full, "rb") as file:
                return file.read(_WHOLE)
        except OSError:
            return b""

    def is_ours(self, path: str) -> bool:
        """Whether the file there, if there is one, was written by us."""
        data = self._bytes(path)
        return data is None or _OURS in data

    def occupant(self, path: str) -> str | None:
        """Where a file that lies on a name of ours is to be moved, None if the name is free [MEM-23].

        `path` and the answer count from the memory.
        """
        full = f"{self.store.root}/{path}"
        if path in self._taken:
            return None
        if not os.path.lexists(full):
            return None
        stem, _, ending = path.rpartition(".")
        body = self.store.body(path)
        if self.is_ours(path):
            n = body.get("attempt")
            return self._free(f"{stem}.attempt-{n if n else 'none'}.{ending}", None)
        agent = text_of(find(body, ("from", "agent", "by", "author", "generated_by")).value).splitlines()
        return self._free(f"{stem}.from-{_segment(agent[0]) if agent else 'unknown'}.{ending}", None)

    def _letter(self, case: Case, line: Due, action: Send, name: str, now: datetime) -> dict[str, Any]:
        task = case.tasks.get(line.task) if line.task is not None else None
        envelope: dict[str, Any] = {
            "id": name,
            "type": action.kind,
            "from": "executor",
            "to": action.to,
            "timestamp": stamp(now),
            "instruction_id": case.id,
        }
        if line.task is not None:
            envelope["task_id"] = line.task
        if line.attempt is not None:
            envelope["attempt"] = line.attempt
        envelope["priority"] = (task.field("priority") if task is not None else None) or case.head.priority_now
        for key, value in action.body.items():
            envelope[key] = self._value(value, case, now)
        return envelope | _mark(case.n + 1, now)

    def _value(self, value: Any, case: Case, now: datetime) -> Any:
        if value is None or type(value) in _PLAIN:  # most of a letter: no need to ask what else it might be
            return value
        if isinstance(value, Embed):
            return embedded(self.store.body(value.path), value.key, self.store.policy.zone)
        if isinstance(value, Rendered):
            return self._value(value.how(case, self.store.policy, now, *value.args), case, now)
        if isinstance(value, Mapping):
            return {k: self._value(v, case, now) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(v, case, now) for v in value]
        return value

    # -- carry out -----------------------------------------------------------------------------------------

    def commit(self, batches: Iterable[Batch]) -> list[Entry]:
        """Stage, note, publish. Raises `CannotWrite` or `NotOurs` before anything is noted, else nothing is lost."""
        work = [b for b in batches if b.noted]
        staged: list[str] = []
        journals: list[str] = []
        try:
            with self.disk.together():
                for batch in work:
                    self._stage(batch, staged)
            self.disk.sync(staged)
            for batch in work:
                journals.append(self._append(batch))
            books = [self._book(batch.case) for batch in work]
            self.disk.sync(journals, placed=all(book.placed for book in books))
            for book in books:
                book.placed = True
        except Exception:
            self._taken.clear()
            self._undo(staged, work)
            raise
        entries = []
        with self.disk.together():
            for batch in work:
                for noted in batch.noted:
                    self._publish(batch.case, noted)
                    entries.append(noted.entry)
        self._taken.clear()
        return entries

    def _undo(self, staged: list[str], work: list[Batch]) -> None:
        """Remove what was staged for lines that are in no journal; what is noted is done at the next start."""
        noted = {
            f"{os.path.dirname(n.target)}/{dot_name(b.case.id, n.entry['name'])}"
            for b in work for n in b.noted
            if n.target is not None and self._is_noted(b.case.id, n.entry["n"])
        }  # fmt: skip
        for path in staged:
            if path not in noted:
                self.disk.remove_staged(path)

    def _is_noted(self, case_id: str, n: int) -> bool:
        found = journal.read(f"{self.store.root}/{case_id}")
        return any(e.get("n") == n for e in found.entries[-2000:])

    def _stage(self, batch: Batch, staged: list[str]) -> None:
        case = batch.case
        self.disk.make_folder(f"{case.id}/outputs/partial")
        there: set[str] = set()
        for noted in batch.noted:
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
                self.disk.stage(path, noted.data)

    def _append(self, batch: Batch) -> str:
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
        return path

    def _book(self, case: Case) -> journal.Journal:
        book = self.store.seen[case.id].journal
        assert book is not None
        return book

    def rotate(self, case: Case, now: datetime) -> None:
        """Begin a new part once one holds 5,000 lines: by link and rename, so a crash leaves one of the two [CON-6]."""
        book = self._book(case)
        if book.lines < journal.PART_LINES:
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
            return
        done = self.disk.publish(source, noted.target)
        prefix = f"{case.id}/tasks/"
        if not source.startswith(prefix):
            return
        if not done:  # another file lies there: nothing is lost, and what counts is looked at again
            self.store.look_again(case, noted.entry["task"], read_stamp(noted.entry["at"]))
        else:
            self.store.task_moved(case.id, source.removeprefix(prefix), noted.target.removeprefix(prefix))

    def _clashed(self, dot: str, target: str) -> None:
        """Somebody took the name between note and publish: the same bytes are ours already, else ours becomes ~2."""
        data = self._bytes(dot)
        if data is None:
            return
        if self._bytes(target) == data:
            self.disk.remove_staged(dot)
            return
        self.disk.publish(dot, self._free(target, data))

    def redo(self, case: Case, entries: Iterable[Entry]) -> None:
        """Do again what these lines of the journal speak of and what a crash may have cut off, in their order."""
        for entry in entries:
            path, action = entry.get("path"), entry.get("action")
            if path is None:
                continue
            if action in ("send", "write"):
                dot = f"{os.path.dirname(path)}/{dot_name(case.id, entry['name'])}"
                if not os.path.lexists(f"{self.store.root}/{dot}"):
                    continue
                if (entry.get("facts") or {}).get("over"):
                    self.disk.rename_over(dot, path)
                elif not self.disk.publish(dot, path):
                    self._clashed(dot, path)
            elif action in ("file", "move"):
                self._redo_rename(entry, path)

    def _redo_rename(self, entry: Entry, path: str) -> None:
        facts = entry.get("facts") or {}
        source = (
            facts.get("from")
            if entry["action"] == "move"
            else f"{INBOX}/{facts.get('inbox', 'executor')}/{facts['file']}"
        )
        if "raw" in facts:
            source, path = (os.fsdecode(bytes.fromhex(part)) for part in facts["raw"])
        root = self.store.root
        if source is None or os.path.lexists(f"{root}/{path}") or not os.path.lexists(f"{root}/{source}"):
            return
        if entry["action"] == "file":
            there = self._bytes(source)
            if there is None or (
                not facts["sha256"].startswith("unread-") and hashlib.sha256(there).hexdigest()[:16] != facts["sha256"]
            ):
                return  # another message has come under that name since
        folder = os.path.dirname(path)
        self.disk.make_folder(folder)
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
            if name.startswith(DOT):
                self.disk.remove_staged(f"{folder}/{name}")

    def view(self, case: Case, path: str, data: bytes) -> None:
        """Write a view of ours if its bytes differ [MEM-24]."""
        seen = self.store.seen[case.id]
        digest = hashlib.sha256(data).digest()
        if seen.view == digest:
            return
        if seen.view is not None or self._bytes(path) != data:
            folder = os.path.dirname(path)
            self.disk.make_folder(folder)
            self.disk.replace(path, f"{folder}/{dot_name(case.id, 'view ' + path)}", data)
        seen.view, seen.view_identity = digest, self.store.identity(path)

    def view_touched(self, case: Case, path: str) -> bool:
        """Whether somebody else has changed a view since we wrote it: then it is made again."""
        seen = self.store.seen[case.id]
        if seen.view is not None and seen.view_identity == self.store.identity(path):
            return False
        seen.view = None
        return True


def _mark(n: int, now: datetime) -> dict[str, Any]:
    """Who wrote it and why [MEM-16]."""
    return {"generated_by": "executord", "generated_at": stamp(now), "event": n}


def _segment(text: str) -> str:
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in text.strip().lower())
    return safe[:60] or "unknown"


def embedded(body: Mapping[str, Any], key: str | None, zone: tzinfo) -> Any:
    """What a file says under a key, in the spellings that claims use; times in UTC where they can be read [CON-0]."""
    if key is None:
        return dict(body)
    if key.startswith("update:"):
        *path, content = key.removeprefix("update:").split(".")
        inner: Any = body
        for part in path:
            inner = inner.get(part) if isinstance(inner, Mapping) else None
        return update_contents(inner).get(content) if isinstance(inner, Mapping) else None
    if key == "output":
        found = next((body[k] for k in OUTPUT if body.get(k) is not None), None)
        return None if body.get("output") is None and isinstance(found, list) else found
    if key == "summary":
        value = find(body, SUMMARY).value
        return value if isinstance(value, str) or value is None else text_of(value)
    value = find(body, (key,)).value
    if key == "components" and value is None:
        return {}
    if key.endswith("_at"):
        moment = read_moment(value, zone)
        if moment is not None:
            return stamp(moment)
        return written(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    return value
