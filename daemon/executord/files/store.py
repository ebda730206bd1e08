"""What lies in the memory, read into cases and letters. Only reads; `disk.py` changes things.

Scan is truth, events are hints: a file is known by (dev, inode, size, mtime, ctime) and read again only when that
changes. A file that nobody announced as finished is read when it has been unchanged for the settle time [MEM-26].
Every fault of a file ends here, as a finding on that file [MEM-11]; it never stops the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import OrderedDict
from collections.abc import Collection, Container, Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from executord.case import Folder, HandClaim, Task, TaskFile, TaskSpec, expected_spec
from executord.case.casebook import Case
from executord.case.packed import shared
from executord.case.sight import fresh_head, see_gone, see_head, see_missed, see_plan, see_quiet, see_task
from executord.case.snapshot import thaw
from executord.errors import ExecutordError, Finding, NotYetWhole, Unreadable
from executord.evolve import replace
from executord.files import journal
from executord.files.disk import INBOX
from executord.files.evidence import Evidence
from executord.files.intake import Intake
from executord.files.seen import (
    HEAD_FILES,
    INSTRUCTION,
    MOST_STRANGERS,
    PLANS,
    SPELLED,
    Seen,
    counting,
    instruction_in,
    is_stranger,
    misplaced,
    missing,
    placed,
)
from executord.fold import fold
from executord.paper import TASK_ENDINGS, Limits, Sheet, is_left_alone, open_file, read_sheet
from executord.paper.gate import (
    LEFT_OPEN,
    Identity,
    being_written,
    changed_of,
    identity_of,
    moment_of,
    mtime_of,
    ours_to_mend,
    regular,
    same_content,
    status_of,
)
from executord.policy import Policy
from executord.reading import find, read_plan, read_task, safe_stem, text_of
from executord.values import agent_name, read_stamp, whole_number
from executord.verification import OUTPUT, SUMMARY

MARKS = ("tasks", INSTRUCTION, "workflow/plan.yaml", SPELLED[INSTRUCTION], "workflow/plan.yml")
TASK_FOLDERS = ("completed", "in_progress", "blocked", "pending")
OUR_OWN = Limits(bytes=32 << 20, nodes=5_000_000)  # what we wrote may be longer than what others may send
RECENT = 1000  # bodies of letters and results kept for the lines that follow from them


class Store:
    """One tree, read. `root` is absolute."""

    def __init__(self, root: str, policy: Policy, limits: Limits | None = None) -> None:
        self.root = root
        self.policy = policy
        self.limits = limits or Limits()
        self.evidence = Evidence(root, self.limits)
        self.seen: dict[str, Seen] = {}
        self._inboxes: dict[str, str] | None = None
        self._known_inboxes: dict[str, str] | None = None  # as they were when last looked at
        self._recent: OrderedDict[str, tuple[Mapping[str, Any], Identity | None]] = OrderedDict()
        self.intake = Intake(root)
        self.expect_settled = False  # set where nothing is being written: a reading command
        self.began: datetime | None = None  # set in a rehearsal: ctimes and later mtimes are of the real clock

    # -- folders -------------------------------------------------------------------------------------------

    def case_ids(self, known: Container[str] = ()) -> list[str]:
        """The folders of the memory that are instructions [MEM-1], in order; of those `known` it is not asked."""
        found = []
        with os.scandir(self.root) as entries:
            for entry in entries:
                if entry.name.startswith(("_", ".")) or not entry.is_dir(follow_symlinks=False):
                    continue
                if entry.name in known or self.is_case(entry.name):
                    found.append(entry.name)
        return sorted(found)

    def is_case(self, name: str) -> bool:
        """Whether this folder is an instruction."""
        path = f"{self.root}/{name}"
        if "/" in name or name.startswith((".", "_")) or os.path.islink(path) or not os.path.isdir(path):
            return False
        return any(os.path.lexists(f"{path}/{mark}") for mark in MARKS)

    def inbox_of(self, agent: str) -> str:
        """The inbox folder's name of an agent: the existing one that normalises to it, else the canonical [MEM-8]."""
        return self._inbox_folders().get(agent, agent)

    def has_inbox(self, agent: str) -> bool:
        """Whether the agent has an inbox folder."""
        return agent in self._inbox_folders()

    def agents(self) -> list[str]:
        """All names with an inbox folder."""
        return sorted(self._inbox_folders())

    def forget_inboxes(self) -> None:
        """Look at the inbox folders again when next asked."""
        self._inboxes = None

    def _inbox_folders(self) -> dict[str, str]:
        if self._inboxes is None:
            found: dict[str, str] = {}
            try:
                with os.scandir(f"{self.root}/{INBOX}") as entries:
                    names = sorted(
                        e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")
                    )
            except (FileNotFoundError, NotADirectoryError):
                names = []
            except OSError as error:
                if self._known_inboxes is None or not ours_to_mend(error):
                    raise
                return self._known_inboxes  # for want of descriptors nobody becomes unknown
            for name in names:
                agent = agent_name(name)
                if agent and (agent not in found or name == agent):
                    found[agent] = name
            self._inboxes = self._known_inboxes = found
        return self._inboxes

    def identity(self, path: str) -> Identity | None:
        """What tells this state of a file (from the memory) from another, None if it is not there."""
        try:
            return identity_of(os.lstat(f"{self.root}/{path}"))
        except OSError:
            return None

    # -- a case --------------------------------------------------------------------------------------------

    def load(self, case_id: str, now: datetime, told: journal.Journal | None = None) -> Case:
        """A case from its journal and its files; `told` is its journal where that was read already.

        Raises `Unreadable` if its journal is damaged.
        """
        case = Case(case_id)
        case.head = fresh_head(case_id, now)
        seen = self.seen[case_id] = Seen()
        seen.journal = read_case_journal(case, f"{self.root}/{case_id}", told)
        seen.journal.entries = []  # the case holds what they say
        self.refresh(case, now)
        case.settle_graph()  # whoever only reads a case must see its cycles too
        return case

    def refresh(self, case: Case, now: datetime, announced: Iterable[str] = ()) -> datetime | None:
        """Read what changed in the case's folder; `announced` are paths (from the case) known to be whole.

        Answers when to look again for files that have not settled yet.
        """
        seen = self.seen.setdefault(case.id, Seen())
        told = frozenset(announced)
        later: list[datetime] = []
        newest = self._refresh_head(case, seen, now, told, later)
        touched, newest_task = self._scan_tasks(case, seen, now, told, later)
        if case.head.opened_at is None:
            times = [t for t in (newest, newest_task) if t is not None]
            quiet = max(times, default=now)
            see_quiet(case, quiet if quiet <= now else case.head.quiet_since or now)
        for path in case.extras:
            known = seen.files.get(path.removeprefix(f"{case.id}/tasks/"))
            if known is not None and not self._is_extra(case, known[1]):
                touched.add(known[1].spec.id)  # the plan names it now
        seen.unmissed = True
        self._miss(case, seen, now)
        for task_id in sorted(touched):
            self._sight(case, seen, task_id, now)
        if touched or case.extras or case.revision != seen.revision:
            seen.revision = case.revision
            self._extras(case, seen)
        return min(later, default=None)

    def _miss(self, case: Case, seen: Seen, now: datetime) -> None:
        """Tasks whose file was not found; asked once nothing is unsettled, for it may lie under another name."""
        if not seen.unmissed or any(path.startswith("tasks/") for path in seen.waiting):
            return
        seen.unmissed = False
        for task in [t for t in case.tasks.values() if t.present and t.file is None and t.gone_at is None]:
            if task.id not in seen.by_id:
                where = f"{case.id}/tasks"
                see_gone(case, task.id, self._changed_last(now, f"{where}/{task.folder or ''}", where, case.id))

    def refresh_paths(self, case: Case, now: datetime, paths: Mapping[str, bool]) -> datetime | None:
        """Read only these paths of a case (path → whether it is known to be whole): the cost follows what rang.

        Anything but a task file of a case that is open is a reason to read the whole case.
        """
        seen = self.seen.setdefault(case.id, Seen())
        told = frozenset(p for p, whole in paths.items() if whole)
        if case.head.opened_at is None or any(not _is_task_path(p) for p in paths):
            return self.refresh(case, now, told)
        later: list[datetime] = []
        touched: set[str] = set()
        for path in sorted(paths):
            key = path.removeprefix("tasks/")
            folder, name = key.split("/")
            if is_left_alone(name) or not name.endswith(TASK_ENDINGS):
                continue
            try:
                status = os.lstat(f"{self.root}/{case.id}/{path}")
            except OSError:
                seen.waiting.pop(path, None)
                old = seen.files.pop(key, None)
                if old is not None:
                    seen.forget(old[1].spec.id, key)
                    touched.add(old[1].spec.id)
                continue
            known = seen.files.get(key)
            if known is not None and known[0] == identity_of(status):
                continue
            if not self._settled(case.id, seen, path, status, now, told, later):
                continue
            file = self._task_file(case, folder, name, status, now)
            if file is not None:
                self._index(seen, key, known[1] if known is not None else None, file, identity_of(status), touched)
        self._miss(case, seen, now)
        for task_id in sorted(touched):
            self._sight(case, seen, task_id, now)
        extras = (p.removeprefix(f"{case.id}/tasks/") for p in case.extras)
        self._extras(case, seen, [*(p.removeprefix("tasks/") for p in paths), *extras])
        return min(later, default=None)

    def _changed_last(self, now: datetime, *folders: str) -> datetime:
        """Since when a file that is missed at a start is gone: no later than the last change in its folder, the first
        of these that is there."""
        for path in folders:
            with contextlib.suppress(OSError):
                return min(moment_of(os.lstat(f"{self.root}/{path}").st_mtime_ns), now)
        return now

    def progress_event(self, case_id: str) -> int | None:
        """The line of the journal that `progress.yaml` shows, from its last line; None if that cannot be told."""
        try:
            with os.fdopen(regular(f"{self.root}/{case_id}/outputs/partial/progress.yaml"), "rb") as file:
                file.seek(max(os.fstat(file.fileno()).st_size - 64, 0))
                last = file.read().rpartition(b"\nevent: ")[2]
        except OSError:
            return None
        return whole_number(last.decode(errors="replace").strip())

    def _settled(
        self, case_id: str, seen: Seen, path: str, status: os.stat_result, now: datetime, told: frozenset[str],
        later: list[datetime],
    ) -> bool:  # fmt: skip
        """Whether a file is whole: announced so, or unchanged for the settle time; one that was seen to come, only when
        nobody has it open for writing. What lay there unchanged before is not asked for: a start has many of them."""
        if self.expect_settled or path in told:
            seen.waiting.pop(path, None)
            return True
        identity = identity_of(status)
        first = seen.waiting.get(path)
        came = first is not None
        if first is None or first[0] != identity:
            seen.waiting[path] = (identity, now)
            since = now
        else:
            since = first[1]
        changed = self.changed_at(status, now)
        whole_at = min(since, changed if changed <= now else since) + self.policy.settle
        if came and whole_at <= now and now - changed < LEFT_OPEN and being_written(f"{self.root}/{case_id}/{path}"):
            whole_at = now + self.policy.settle
        if whole_at <= now:
            seen.waiting.pop(path, None)
            return True
        later.append(whole_at)
        return False

    def _noted(self, path: str, status: os.stat_result, known: Collection[str | None]) -> bool:
        """Whether the journal knows this very content: then a file that changed just before a start is whole."""
        return any(known) and self._digest(path, status)[:16] in known

    def _digest(self, path: str, status: os.stat_result) -> str:
        """The sha256 of a file; of one that cannot be opened a word that changes when the file does."""
        try:
            return hashlib.sha256(open_file(path, limit=self.limits.bytes).raw).hexdigest()
        except (Unreadable, OSError, NotYetWhole):
            return "unread-" + hashlib.sha256(f"{status.st_mtime_ns} {status.st_size}".encode()).hexdigest()[:57]

    def changed_at(self, status: os.stat_result, now: datetime) -> datetime:
        """When a file was changed last, as far as it can be told."""
        if self.began is None:
            return moment_of(max(status.st_mtime_ns, status.st_ctime_ns))
        changed = moment_of(status.st_mtime_ns)
        return changed if changed <= now else self.began

    def _refresh_head(
        self, case: Case, seen: Seen, now: datetime, told: frozenset[str], later: list[datetime]
    ) -> datetime | None:
        newest: datetime | None = None
        base = f"{self.root}/{case.id}"
        changed = False
        absent: set[str] = set()
        for name in HEAD_FILES:
            old = seen.head.get(name)
            file, status = name, status_of(f"{base}/{name}")
            if status is None and name in SPELLED:
                file, status = SPELLED[name], status_of(f"{base}/{SPELLED[name]}")
            if status is None:
                absent.add(name)
                seen.waiting.pop(file, None)
                continue
            newest = max(filter(None, (newest, self.changed_at(status, now))))
            if old is not None and old[0] == identity_of(status):
                continue
            whole = self._settled(case.id, seen, file, status, now, told, later)
            if not whole:
                if old is not None or not self._noted(f"{base}/{file}", status, {case.head.plan_sha}):
                    continue
                del seen.waiting[file]
            sheet = self._sheet(f"{base}/{file}", f"{case.id}/{file}")
            if isinstance(sheet, Unreadable) and isinstance(sheet.__cause__, FileNotFoundError):
                absent.add(name)
                continue
            if name in PLANS and isinstance(sheet, Sheet) and sheet.data is None:  # emptied, it asks for nothing to do
                sheet = Unreadable("the file is empty", path=f"{case.id}/{file}", code="MEM-11", fix="list the tasks")
            seen.head[name] = (identity_of(status), sheet)
            changed = True
        folders = (f"{case.id}/workflow", case.id)
        missed = missing(case.head, seen, absent, now, lambda word: self._changed_last(now, *folders[word != "plan" :]))
        for name, until in counting(case.head, seen, absent, missed, self.policy.settle):
            if until > now:
                later.append(until)
            else:
                del seen.head[name]
                changed = True
        if changed or (case.head.opened_at is None and not seen.head and case.head.spec.title == ""):
            self._set_head(case, seen, now)
        see_missed(case, missed)
        return newest

    def _sheet(self, path: str, shown: str, limits: Limits | None = None) -> Sheet | Unreadable:
        return read_sheet(path, shown, limits or self.limits)

    def _set_head(self, case: Case, seen: Seen, now: datetime) -> None:
        zone = self.policy.zone
        found = seen.head.get(INSTRUCTION)
        edited = case.head.opened_at is not None and self.began is None  # an edit is of when it came here
        when = changed_of if edited else mtime_of
        case.instruction_mtime = min(moment_of(when(found[0])), now) if found is not None else None
        here = os.path.lexists(f"{self.root}/{case.id}/{INSTRUCTION}")
        place = f"{case.id}/{INSTRUCTION if here else SPELLED[INSTRUCTION]}"
        spec, faults = instruction_in(found[1] if found is not None else None, case.id, place, zone)
        ours = spec.domain is None or spec.domain in self.policy.domains
        plan = case.plan_sha = None
        routing = seen.head.get("workflow/routing_decision.yaml")
        routed = routing[1].data if routing is not None and isinstance(routing[1], Sheet) else None
        for name in PLANS:
            entry = seen.head.get(name)
            if entry is None:
                continue
            sheet = entry[1]
            if isinstance(sheet, Unreadable):
                faults.append(sheet.finding())
                break
            plan, odd = read_plan(sheet.data or {}, zone, routing=routed)
            faults += [*sheet.findings, *(placed(f, sheet, f"{case.id}/{name}") for f in odd)]
            case.plan_sha, case.plan_seen = sheet.sha256[:16], min(moment_of(when(entry[0])), now)
            break
        if plan is None and routed is not None and spec.tier is None:
            spec = replace(spec, tier=read_plan({}, zone, routing=routed)[0].tier)
        seen.faults = tuple(faults)
        see_head(case, spec, seen.all_faults(case.id), ours, now)
        see_plan(case, plan)

    def _scan_tasks(
        self, case: Case, seen: Seen, now: datetime, told: frozenset[str], later: list[datetime]
    ) -> tuple[set[str], datetime | None]:
        base = f"{self.root}/{case.id}/tasks"
        touched: set[str] = set()
        newest: datetime | None = None
        here: set[str] = set()
        files, waiting_to_open = seen.files, case.head.opened_at is None
        known = {t.sha256 for t in case.tasks.values() if t.sha256} if not seen.files else set()
        strangers = misplaced(f"{self.root}/{case.id}", TASK_FOLDERS)
        for folder in TASK_FOLDERS:
            try:
                entries = list(os.scandir(f"{base}/{folder}"))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for entry in entries:
                name = entry.name
                key = f"{folder}/{name}"
                old = files.get(key)
                if old is None and (is_left_alone(name) or not name.endswith(TASK_ENDINGS)):
                    if folder != "completed" and is_stranger(name):
                        strangers.append(f"tasks/{key}")
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                here.add(key)
                if waiting_to_open:
                    changed = self.changed_at(status, now)
                    newest = changed if newest is None or changed > newest else newest
                if old is not None and old[0] == identity_of(status) and not old[1].unread:
                    continue
                whole = self._settled(case.id, seen, f"tasks/{key}", status, now, told, later)
                if not whole:
                    if old is not None or not self._noted(f"{base}/{key}", status, known):
                        continue
                    del seen.waiting[f"tasks/{key}"]
                file = self._task_file(case, folder, name, status, now)
                if file is None:
                    here.discard(key)
                    continue
                self._index(seen, key, old[1] if old is not None else None, file, identity_of(status), touched)
        for key in [k for k in files if k not in here] if len(files) > len(here) or files.keys() != here else ():
            _, file = seen.files.pop(key)
            seen.forget(file.spec.id, key)
            touched.add(file.spec.id)
        for path in [p for p in seen.waiting if p.startswith("tasks/") and p.removeprefix("tasks/") not in here]:
            del seen.waiting[path]
        if (found := tuple(sorted(strangers)[:MOST_STRANGERS])) != seen.strangers:
            seen.strangers = found
            case.set_head(replace(case.head, faults=seen.all_faults(case.id)))
        return touched, newest

    @staticmethod
    def _index(
        seen: Seen, key: str, old: TaskFile | None, file: TaskFile, identity: Identity, touched: set[str]
    ) -> None:
        if old is not None and old.spec.id != file.spec.id:
            seen.forget(old.spec.id, key)
            touched.add(old.spec.id)
        seen.files[shared(key)] = (identity, file)
        seen.note(file.spec.id, key)
        touched.add(file.spec.id)

    def _task_file(self, case: Case, folder: str, name: str, status: os.stat_result, now: datetime) -> TaskFile | None:
        shown = f"{case.id}/tasks/{folder}/{name}"
        where = cast(Folder, folder)  # who lists looks into no other folders
        sheet = self._sheet(f"{self.root}/{shown}", shown)
        stem = name.rsplit(".", 1)[0]
        changed = min(self.changed_at(status, now), now)
        if isinstance(sheet, Unreadable):
            if isinstance(sheet.__cause__, FileNotFoundError):
                return None
            known = sorted((t.folder != folder, t.id) for t in case.tasks.values() if t.present and t.name == name)
            spec = expected_spec(case.head.plan, known[0][1]) if known else TaskSpec(safe_stem(stem), title=stem)
            digest = self._digest(f"{self.root}/{shown}", status)
            return TaskFile(name, where, digest[:16], spec, (sheet.finding(),), changed, unread=True)
        spec, faults = read_task(sheet.data or {}, stem, self.policy.zone)
        if not sheet.data:
            faults = [Finding("MEM-11", "the file is empty", "describe the task: id, title, description")]
        placed_faults = tuple(placed(f, sheet, shown) for f in (*sheet.findings, *faults))
        return TaskFile(shared(name), where, shared(sheet.sha256[:16]), spec, placed_faults, changed)

    def _sight(self, case: Case, seen: Seen, task_id: str, now: datetime) -> None:
        there = [seen.files[k][1] for k in seen.carrying(task_id)]
        files = [f for f in there if not self._is_extra(case, f)]
        extras = sorted((f for f in there if f not in files), key=lambda f: f.name)
        if not files:
            see_gone(case, task_id, now)
            return
        task = case.tasks.get(task_id)
        found = None
        if task is not None and task.present and task.folder != "completed":
            done = [f for f in files if f.folder == "completed"]
            if done and not any(f.folder == task.folder for f in files):
                found = self._hand_claim(case, task, done[0])
        see_task(case, files, task_id, found, extras)

    def _is_extra(self, case: Case, file: TaskFile) -> bool:
        """A file in `completed/` that matches no task completes nothing [MEM-19]."""
        if file.folder != "completed" or file.spec.id in case.tasks:
            return False
        plan = case.head.plan
        if plan is not None:
            return file.spec.id not in plan.tasks
        return case.head.opened_at is not None or find(file.spec.data, ("id", "task_id", "task.id")).key is None

    def _extras(self, case: Case, seen: Seen, keys: Iterable[str] | None = None) -> None:
        """Keep the list of what completes nothing; with `keys` only these files have changed."""
        found = set(case.extras) if keys is not None else set()
        for key in seen.files if keys is None else keys:
            path, known = f"{case.id}/tasks/{key}", seen.files.get(key)
            if key.startswith("completed/") and known is not None and self._is_extra(case, known[1]):
                found.add(path)
            else:
                found.discard(path)
        case.extras = tuple(sorted(found))

    def _hand_claim(self, case: Case, task: Task, file: TaskFile) -> HandClaim:
        """What is there to show for a task that a hand put into `completed/`."""
        named = [f"outputs/partial/{task.id}"]
        own = f"outputs/partial/{task.id}.yaml"
        data: Mapping[str, Any] = file.spec.data
        summary = text_of(find(data, ("summary", "result_summary", "result.summary", "completion_summary")).value)
        output = find(data, ("output", "result", "resolution")).value
        sheet = self._sheet(f"{self.root}/{case.id}/{own}", own)
        if isinstance(sheet, Sheet) and sheet.data is not None:
            summary = summary or text_of(find(sheet.data, SUMMARY).value)
            output = output if output is not None else find(sheet.data, OUTPUT).value
            named.append(own)
        facts = [f for path in named for f in self.evidence.file_facts(case.id, task.id, (path,), missing=False)]
        return HandClaim(summary[:500], output is not None and bool(text_of(output)), tuple(facts))

    def task_moved(self, case_id: str, source: str, target: str) -> None:
        """A task file was renamed by us (paths from `tasks/`): what is known of it moves along."""
        seen = self.seen[case_id]
        old = seen.files.pop(source, None)
        if old is None:
            return
        folder, name = target.split("/", 1)
        file = replace(old[1], folder=cast(Folder, folder), name=name)  # our own moves know no other folders
        try:
            status = os.lstat(f"{self.root}/{case_id}/tasks/{target}")
        except FileNotFoundError:
            return
        identity = identity_of(status)
        if not same_content(identity, old[0]):
            identity = old[0]  # somebody has written it in this very moment: it is read when it is looked at next
        seen.forget(file.spec.id, source)
        seen.note(file.spec.id, target)
        seen.files[shared(target)] = (identity, file)

    def look_again(self, case: Case, task_id: str, now: datetime) -> None:
        """A task file could not be moved to where the journal says: which one counts is asked again [MEM-14]."""
        self._sight(case, self.seen[case.id], task_id, now)

    # -- bodies --------------------------------------------------------------------------------------------

    def remember(self, path: str, body: Mapping[str, Any]) -> None:
        """Keep a body for the lines that will embed it."""
        self._recent[path] = (body, None)
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def lies(self, path: str) -> None:
        """A file of ours lies there now: from here on its body is kept as long as nobody changes the file."""
        if path in self._recent:
            self._recent[path] = (self._recent[path][0], self.identity(path))

    def body(self, path: str) -> Mapping[str, Any]:
        """The mapping in a file of the tree, empty if it cannot be read."""
        known = self._recent.get(path)
        if known is not None and (known[1] is None or known[1] == self.identity(path)):
            return known[0]
        sheet = self._sheet(f"{self.root}/{path}", path, OUR_OWN) if path else None
        return sheet.data or {} if isinstance(sheet, Sheet) else {}


def _is_task_path(path: str) -> bool:
    parts = path.split("/")
    return len(parts) == 3 and parts[0] == "tasks" and parts[1] in TASK_FOLDERS


def read_case_journal(case: Case, folder: str, told: journal.Journal | None = None) -> journal.Journal:
    """Put all that the journal says into the case; from the last snapshot on, where there is one.

    Raises `Unreadable` where a line does not say what lines of its kind say: somebody's hand was in it.
    """
    found = told if told is not None else journal.read(folder)
    entries = found.entries
    entry: Mapping[str, Any] = {}
    try:
        start = next((k for k in range(len(entries) - 1, -1, -1) if entries[k].get("name") == "snapshot"), None)
        if start is not None:
            entry = entries[start]
            thaw(case, entry["facts"])
            case.n = entry["n"]
            latest = max((e["at"] for e in entries[:start] if "at" in e), default=None)
            case.last_at = read_stamp(latest) if latest is not None else None
        opened = next((e["opened"] for e in entries if "journal" in e), None)
        found.opened = read_stamp(opened) if opened else None
        for entry in entries[start + 1 if start is not None else 0 :]:
            if "journal" not in entry:
                fold(case, entry)
    except ExecutordError:
        raise
    except Exception as error:  # a hand was in a line: told with it, and the case is parked [REL-4]
        path, why = f"{case.id}/{journal.PLACE}", f"{type(error).__name__}: {error}"
        raise journal.not_understood(entry, path, why) from error
    return found
