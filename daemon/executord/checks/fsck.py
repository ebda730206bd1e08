"""`fsck`: whether a tree is as the daemon leaves it [OPS-8].

Counterparts: `files/ledger.py`, the same for one journal; `repair.py`, which puts right what needs no decision. What a
person has done by hand is no fault, it is taken in at the next look; what is broken is told with what to do.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executord.case import Task
from executord.case.casebook import Case
from executord.case.standing import standing
from executord.errors import Finding, NotOurs
from executord.files import journal, ledger, lock
from executord.files.disk import INBOX, OWN_INBOXES, is_left_over
from executord.files.ledger import Ledger
from executord.files.marks import Marks
from executord.files.naming import dot_name
from executord.paper import Limits
from executord.paper.gate import regular
from executord.policy import Policy
from executord.posts import result_path
from executord.rules.arrival import GONE_ORDER
from executord.service import Service
from executord.views.overview import progress

VIEW = "outputs/partial/progress.yaml"
_WITHOUT_ATTEMPT = frozenset({"reassigning", "escalated", "on_hold", "blocked"})
_MOMENT_S = 1.2  # views are written at most once a second
_LOOKS = 4
_START = "start the daemon, or run `executord fsck --fix`"


@dataclass(frozen=True, slots=True)
class Fault:
    """A finding; `mend` is what puts it right (cut, redo, sweep, view), `touches` what that would change."""

    finding: Finding
    mend: str | None = None
    touches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was looked at: which instructions, and what is wrong."""

    ids: tuple[str, ...]
    faults: tuple[Fault, ...]

    @property
    def count(self) -> int:
        """How many instructions were looked at."""
        return len(self.ids)

    @property
    def findings(self) -> list[Finding]:
        """The findings by path and line."""
        return sorted((f.finding for f in self.faults), key=lambda f: (f.path or "", f.line or 0, f.message))

    @property
    def ok(self) -> bool:
        """Whether nothing is broken; what is only odd does not count."""
        return not any(f.finding.severity == "error" for f in self.faults)


@dataclass(frozen=True, slots=True)
class Tree:
    """Which tree, by which policy, with which state folder."""

    root: str
    policy: Policy
    state: str
    limits: Limits = field(default_factory=Limits)


def check(tree: Tree, now: Callable[[], datetime]) -> Inspection:
    """Look at the tree. While a daemon runs, only what is still so at a second look is told."""
    found = inspect(tree, now())
    looks = 1
    while found.faults and looks < _LOOKS and lock.holder(tree.root) is not None:
        threading.Event().wait(_MOMENT_S)
        again = inspect(tree, now())
        seen = {f.finding for f in found.faults}
        found = Inspection(again.ids, tuple(f for f in again.faults if f.finding in seen))
        looks += 1
    return found


def inspect(tree: Tree, now: datetime) -> Inspection:
    """One look at the whole tree; changes nothing."""
    service = looking(tree)
    service.load_all(now)
    ids = tuple(service.store.case_ids())
    marks = Marks(tree.state) if os.path.isdir(tree.state) else Marks(None)
    dots = _Dots(tree.root, ids)
    faults: list[Fault] = []
    for case_id in ids:  # one journal at a time: all of them would take many times what the cases take
        book = ledger.audit(tree.root, case_id)
        dots.compare(book)
        faults += _journal_faults(book)
        faults += _undone(tree.root, book, marks)
        faults += _filing(tree.root, book)
        case = service.cases.get(case_id)
        if case is not None:
            faults += _case_faults(service, case, now)
        elif not book.broken:
            text = service.broken.get(case_id, ("it cannot be read", now))[0].splitlines()[0]
            faults.append(Fault(Finding("REL-4", text, "mend what is named", path=case_id)))
    faults += dots.faults()
    faults += _links(tree.root, ids)
    faults += _inboxes(tree.root)
    return Inspection(ids, tuple(dict.fromkeys(faults)))


def looking(tree: Tree) -> Service:
    """A service that can read the tree and nothing else."""

    def never(operation: str, path: str) -> None:
        raise NotOurs(f"fsck only looks: {operation} {path}", path=path)

    service = Service(tree.root, tree.policy, durable=False, limits=tree.limits, before=never)
    service.store.expect_settled = True
    return service


# --- journal, lines that were cut off ---------------------------------------------------------------------------------


def _journal_faults(book: Ledger) -> Iterator[Fault]:
    yield from (Fault(found) for found in book.findings)
    path = f"{book.case_id}/{journal.PLACE}"
    if book.torn is not None:
        text = "its last line is torn: the daemon or the machine died while it was written; nothing of it was done"
        yield Fault(Finding("CON-6", text, _START, path=path), "cut", (path,))
    if book.cut_off:
        text = "a new part was begun and not finished: the old one has both names"
        yield Fault(Finding("CON-6", text, "start the daemon, which begins the new part again", "warning", path=path))


def unsettled(book: Ledger, marks: Marks) -> list[dict[str, Any]]:
    """The lines whose renames may not have been carried out, as the daemon sees it at its start [MEM-21]."""
    entries = list(book.entries)
    settled = marks.of(book.case_id)
    if settled is not None:
        return [e for e in entries if isinstance(e.get("n"), int) and e["n"] > settled]
    return [e for e in entries if e.get("at") == entries[-1].get("at")] if entries else []


def _undone(root: str, book: Ledger, marks: Marks) -> Iterator[Fault]:
    """Moves that were noted and not made."""
    for entry in unsettled(book, marks):
        if entry.get("action") == "move":
            source, target = str((entry.get("facts") or {}).get("from")), str(entry.get("path"))
        elif entry.get("action") == "file":
            source, target = ledger.filed_from(entry)
            if not _same_message(root, source, entry):
                continue
        else:
            continue
        if os.path.lexists(f"{root}/{source}") and not os.path.lexists(f"{root}/{target}"):
            text = f"line {entry['n']}, {entry['name']!r}, was noted and not carried out: it belongs to {target}"
            yield Fault(Finding("MEM-21", text, _START, path=source), "redo", (source,))


def _same_message(root: str, path: str, entry: Mapping[str, Any]) -> bool:
    noted = str((entry.get("facts") or {}).get("sha256", ""))
    if noted.startswith("unread-"):
        return True
    try:
        with open(f"{root}/{path}", "rb", opener=lambda p, f: os.open(p, f | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            return hashlib.sha256(file.read(1 << 20)).hexdigest()[:16] == noted
    except OSError:
        return False


def _filing(root: str, book: Ledger) -> Iterator[Fault]:
    """A message that was filed lies where its line says, unless that day was packed or removed [MEM-20]."""
    for entry in book.entries:
        if entry.get("action") != "file":
            continue
        source, target = ledger.filed_from(entry)
        if os.path.lexists(f"{root}/{target}") or not os.path.isdir(os.path.dirname(f"{root}/{target}")):
            continue
        if not os.path.lexists(f"{root}/{source}"):
            text = f"line {entry['n']} filed a message here, and it is gone"
            fix = "restore it from a backup, if it is still wanted"
            yield Fault(Finding("CON-5", text, fix, "warning", path=target))


# --- staged files -----------------------------------------------------------------------------------------------------


class _Dots:
    """Staged files: those with a line were not published, those without one are in the way [MEM-21]."""

    def __init__(self, root: str, case_ids: Iterable[str]) -> None:
        found = (f"{folder}/{name}" for folder in _staging(root, case_ids) for name in _names(f"{root}/{folder}"))
        self._root = root
        self._lines: dict[str, Mapping[str, Any] | None] = {
            path: None for path in found if is_left_over(os.path.basename(path))
        }
        self._unread: list[str] = []

    def compare(self, book: Ledger) -> None:
        """Look for the lines that name them in the journal of a case."""
        if book.broken:
            self._unread.append(book.case_id)
        for entry in book.entries if self._lines else ():
            if entry.get("action") in ("send", "write") and entry.get("path"):
                dot = f"{os.path.dirname(str(entry['path']))}/{dot_name(book.case_id, str(entry['name']))}"
                if dot in self._lines:
                    self._lines[dot] = entry

    def faults(self) -> Iterator[Fault]:
        """What is wrong, once every journal was looked through."""
        unread = self._unread
        for path, entry in self._lines.items():
            if not os.path.lexists(f"{self._root}/{path}"):
                continue  # published meanwhile
            if entry is not None:
                text = f"line {entry['n']}, {entry['name']!r}, was noted and not published as {entry['path']}"
                yield Fault(Finding("MEM-21", text, _START, path=path), "redo", (path,))
            elif unread and (path.startswith(INBOX) or path.split("/")[0] in unread):
                text = (
                    f"a staged file; whether a line names it cannot be told while the journal of {unread[0]} is broken"
                )
                yield Fault(Finding("MEM-21", text, "mend the journal first", path=path))
            else:
                yield Fault(Finding("MEM-21", "a staged file that no line names", _START, path=path), "sweep", (path,))


def _staging(root: str, case_ids: Iterable[str]) -> Iterator[str]:
    for case_id in case_ids:
        yield f"{case_id}/outputs/partial"
        yield f"{case_id}/outputs/final"
    for folder in _names(f"{root}/{INBOX}"):
        yield f"{INBOX}/{folder}"
    for own in OWN_INBOXES:
        for shelf in (".processed", ".rejected"):
            for day in _names(f"{root}/{INBOX}/{own}/{shelf}"):
                yield f"{INBOX}/{own}/{shelf}/{day}"


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


# --- links, inboxes ---------------------------------------------------------------------------------------------------


def _links(root: str, case_ids: Iterable[str]) -> Iterator[Fault]:
    """Files with a second name: a rename of one name onto the other is a silent no-op [MEM-14]."""
    folders = [f"{case_id}/tasks/{here}" for case_id in case_ids for here in _names(f"{root}/{case_id}/tasks")]
    seen: dict[tuple[int, int], str] = {}
    for folder in (*folders, *(f"{INBOX}/{own}" for own in OWN_INBOXES)):
        for name in _names(f"{root}/{folder}"):
            path = f"{folder}/{name}"
            try:
                status = os.lstat(f"{root}/{path}")
            except OSError:
                continue
            if status.st_nlink < 2 or os.path.isdir(f"{root}/{path}") or name.startswith("."):
                continue
            other = seen.setdefault((status.st_dev, status.st_ino), path)
            if other == path:
                text = f"the file has {status.st_nlink} names (hard links)"
                fix = "copy instead of linking, unless it is a backup"
                yield Fault(Finding("MEM-14", text, fix, "warning", path=path))
            else:
                text = f"the same file as {other}, by a hard link: it cannot be moved"
                yield Fault(Finding("MEM-14", text, "remove one of the two names", path=path))


def _inboxes(root: str) -> Iterator[Fault]:
    """An inbox that cannot be read is never an empty one [REL-7]."""
    for own in OWN_INBOXES:
        path = f"{INBOX}/{own}"
        try:
            os.listdir(f"{root}/{path}")
        except FileNotFoundError:
            continue
        except OSError as error:
            text = f"the inbox cannot be read: {error.strerror}"
            yield Fault(Finding("REL-7", text, "make it a folder that the daemon may read", path=path))


# --- one case ---------------------------------------------------------------------------------------------------------


def _case_faults(service: Service, case: Case, now: datetime) -> Iterator[Fault]:
    agenda = service.agendas[case.id]
    lines = agenda.lines()
    coming = {line.task for line in lines if line.name.startswith(("move ", "result ", "admit ", "hand-move "))}
    for task in case.in_order():
        yield from (Fault(found) for found in _task_faults(service, case, task, coming))
    if case.head.parked is not None:
        text = f"parked: {case.head.parked.reason}"
        fix = "put the files back and send resume, or cancel it"
        yield Fault(Finding("MEM-25", text, fix, "warning", path=case.id))
    unseen = any(
        line.at <= now and line.order <= GONE_ORDER for line in lines
    )  # what is due besides changes no view yet
    if case.n and not unseen and not case.head.lacks and not any(_pending(task) for task in case.tasks.values()):
        yield from _view_fault(service, case)


def _pending(task: Task) -> bool:
    """Whether something lies there that the daemon has not taken in yet."""
    return task.gone_at is not None or (task.file is not None and not task.present)


def _view_fault(service: Service, case: Case) -> Iterator[Fault]:
    path = f"{case.id}/{VIEW}"
    try:
        with os.fdopen(regular(f"{service.root}/{path}"), "rb") as file:
            there: bytes | None = file.read()
    except OSError:
        there = None
    if there != progress(case, service.agendas[case.id], service.policy):
        text = "it is not what the case and its journal give" if there is not None else "the view is missing"
        yield Fault(Finding("MEM-24", text, _START, "warning", path=path), "view", (path,))


def _task_faults(service: Service, case: Case, task: Task, coming: set[str | None]) -> Iterator[Finding]:
    file = task.file
    here = f"{case.id}/tasks/{file.folder}/{file.name}" if file is not None else case.id
    if task.rivals:
        also = ", ".join(f"tasks/{rival}" for rival in task.rivals)
        text = f"{task.id} lies here and in {also}; only this one counts"
        yield Finding("EXE-3", text, "remove the file that does not count", path=here)
    live = [a for a in task.attempts if a.live]
    if len(live) > 1:
        text = f"{task.id} has {len(live)} live attempts: {', '.join(f'a{a.n} {a.agent}' for a in live)}"
        yield Finding("EXE-3", text, "report this; it is a fault of the daemon", path=here)
    if live and task.ended is not None:
        text = f"{task.id} is {task.ended.state}, and attempt {live[-1].n} of {live[-1].agent} is live"
        yield Finding("EXE-3", text, "report this; it is a fault of the daemon", path=here)
    if task.id in coming:
        return
    if task.present and file is None and task.gone_at is not None:
        text = f"the file of {task.id} is gone; the daemon will take that as its deletion"
        yield Finding("MEM-25", text, "put it back if that is not meant", "warning", path=here)
    if not task.present or file is None or file.folder != task.folder:
        return  # what lies there was not taken in yet: an ordinary input
    if live and task.folder != "in_progress":
        text = f"{task.id} lies in {task.folder}/, but {live[-1].agent} holds it"
        yield Finding("EXE-3", text, _START, path=here)
    if task.folder == "in_progress" and not live and task.ended is None:
        state = standing(case, task).state
        if state not in _WITHOUT_ATTEMPT:
            text = f"{task.id} is {state} without a live attempt"
            yield Finding("EXE-3", text, "send reassign or retry for it", path=here)
    if task.folder == "completed" and task.ended is None:
        yield Finding("EXE-3", f"{task.id} lies in completed/ and has not ended", _START, path=here)
    if task.ended is not None and not task.result_owed:
        yield from _result_faults(service, case, task)


def _result_faults(service: Service, case: Case, task: Task) -> Iterator[Finding]:
    """What has ended has left a verified result, or a decision with a name and a reason [EXE-3, EXE-15]."""
    assert task.ended is not None
    path = f"{case.id}/{result_path(task)}"
    if not os.path.isfile(f"{service.root}/{path}"):
        text = f"{task.id} is {task.ended.state}, and its result is missing"
        yield Finding("EXE-15", text, "restore it from a backup, or send retry", path=path)
        return
    body = service.store.body(path)
    wrong = [
        f"{key} is {body.get(key)!r}, not {value!r}"
        for key, value in (("task_id", task.id), ("state", task.ended.state), ("generated_by", "executord"))
        if str(body.get(key)) != value
    ]
    needed = ("verified_at",) if task.ended.state == "completed" else ("decided_by", "reason")
    wrong += [f"{key} is missing" for key in needed if body.get(key) is None]
    if wrong:
        fix = "restore it from a backup, or send retry"
        yield Finding("EXE-15", f"it is not the result of {task.id}: {'; '.join(wrong)}", fix, path=path)
