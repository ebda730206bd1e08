"""`doctor`: whether this machine and this tree are fit for the daemon, and what to do where they are not [OPS-8].

Counterparts: `fsck.py`, what the daemon has made of the tree; `bells/` and `files/lock.py`, which stumble over what is
found here. Only reads: whether something can be written is asked, not tried.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import stat
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from executord.bells.inotify import untold
from executord.channels.reach import obstacles
from executord.errors import Finding
from executord.files import lock
from executord.files.disk import INBOX
from executord.files.ledger import audit
from executord.files.store import TASK_FOLDERS
from executord.service import Service
from executord.settings import Settings
from executord.values import agent_name, stamp
from executord.views import shelves

LONG_UNREAD = timedelta(days=1)
_JUMP = timedelta(minutes=2)
_LEAST_BYTES, _LITTLE_BYTES = 16 << 20, 1 << 30
_LEAST_INODES = 1000
_BORN = datetime(2024, 1, 1, tzinfo=UTC)  # no clock that is right says an earlier time


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `state` is fine, note (nothing to do), warning or problem (a person is needed)."""

    name: str
    state: str
    message: str
    fix: str | None = None
    path: str | None = None

    @property
    def finding(self) -> Finding | None:
        """The same in the shape of other findings; None if there is nothing to do."""
        if self.state in ("fine", "note"):
            return None
        severity = "error" if self.state == "problem" else "warning"
        return Finding("OPS-8", self.message, self.fix, severity, self.name, self.path)

    def text(self) -> str:
        """One line for people."""
        what = f"{self.path}: {self.message}" if self.path else self.message
        return f"{self.state:<8} {self.name:<14} {what}" + (f"; {self.fix}" if self.fix else "")


def _fine(name: str, message: str) -> Check:
    return Check(name, "fine", message)


def examine(service: Service, settings: Settings, notes: list[Finding], state: str, now: datetime) -> list[Check]:
    """Look at everything. `service` has read the tree, `notes` are what the configuration gave rise to."""
    root = service.root
    ids = service.store.case_ids()
    return [
        *_configuration(settings, notes),
        *_writable(root, ids, state),
        *_one_file_system(root, ids),
        *_watching(root, ids),
        *_clock(service, now),
        *_zones(settings),
        *_lock(root),
        *_disk(root, "the memory"),
        *_versions(root, ids),
        *_cases(service),
        *_agents(service, now),
        *_programs(settings),
        *_channels(settings),
    ]


def _configuration(settings: Settings, notes: list[Finding]) -> Iterator[Check]:
    for note in notes:
        state = "problem" if note.severity == "error" else "warning"
        said = f"{note.field}: {note.message}" if note.field else note.message
        place = f"{note.path}:{note.line}:{note.column or 1}" if note.path and note.line else note.path
        yield Check("configuration", state, said, note.fix, place)
    if not notes:
        yield _fine("configuration", settings.source or "built-in defaults")


# --- file systems -----------------------------------------------------------------------------------------------------


def _writable(root: str, ids: list[str], state: str) -> Iterator[Check]:
    folders = ["_communication", INBOX, f"{INBOX}/executor"]
    for case_id in ids:
        folders += [f"{case_id}/tasks", *(f"{case_id}/tasks/{f}" for f in TASK_FOLDERS)]
        folders += [f"{case_id}/outputs", f"{case_id}/outputs/partial", f"{case_id}/outputs/final"]
    there = [f for f in ("", *folders) if os.path.isdir(f"{root}/{f}")]
    refused = [f for f in there if not os.access(f"{root}/{f}", os.W_OK | os.X_OK)]
    for folder in refused[:20]:
        yield Check("writable", "problem", "the daemon may not write here", "give its user write permission, "
                    "or mount it writable", folder or root)  # fmt: skip
    links = [f for f in folders if os.path.islink(f"{root}/{f}")]
    odd = [f for f in folders if os.path.lexists(f"{root}/{f}") and not os.path.isdir(f"{root}/{f}")] + links
    for folder in odd[:20]:
        said = "it is a link, and the daemon writes nothing through one" if folder in links else "it is no folder"
        yield Check("writable", "problem", said, "put a real folder there", folder)
    if not os.path.isdir(f"{root}/{INBOX}/executor"):
        yield Check("writable", "warning", "the executor has no inbox yet", "`executord init` makes it, or the daemon "
                    "at its start", f"{INBOX}/executor")  # fmt: skip
    if not refused and not odd:
        yield _fine("writable", f"{root}, {len(ids)} instructions")
    above = state
    while not os.path.lexists(above) and os.path.dirname(above) != above:
        above = os.path.dirname(above)
    if not os.path.isdir(above) or not os.access(above, os.W_OK | os.X_OK):
        yield Check("state folder", "problem", "it cannot be written", "name another one with --state", state)
    else:
        yield _fine("state folder", state)


def _one_file_system(root: str, ids: list[str]) -> Iterator[Check]:
    """What is renamed must not leave its file system, nor pass a mount, not even one of the same."""
    name = "file system"
    folders = ["_communication", INBOX, f"{INBOX}/executor"]
    folders += [f"{INBOX}/executor/{shelf}" for shelf in (".processed", ".rejected")]
    for case_id in ids:
        folders += [case_id, f"{case_id}/tasks", *(f"{case_id}/tasks/{f}" for f in TASK_FOLDERS)]
        folders += [f"{case_id}/outputs", f"{case_id}/outputs/partial", f"{case_id}/outputs/final"]
    device = os.stat(root).st_dev
    apart = [f for f in folders if os.path.isdir(f"{root}/{f}") and os.stat(f"{root}/{f}").st_dev != device]
    mounts = [m for m in _mounts(root) if m not in apart]
    for folder in (*apart, *mounts)[:20]:
        fix = "put it on the memory's own file system: a rename cannot cross this"
        yield Check(name, "problem", "another file system is mounted here", fix, folder)
    kind = untold(root)
    if kind is not None:
        fix = "nothing is lost: the daemon polls; a local file system is quicker"
        yield Check(name, "warning", f"the memory lies on {kind}, where changes by others are not announced", fix)
    elif not apart and not mounts:
        yield _fine(name, "one file system, and its changes are announced")


def _mounts(root: str) -> list[str]:
    """Mount points inside the memory, counted from it."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            points = [re.sub(r"\\([0-7]{3})", lambda hit: chr(int(hit[1], 8)), line.split(" ")[4]) for line in file]
    except OSError:
        return []
    return sorted(os.path.relpath(point, root) for point in set(points) if point.startswith(root.rstrip("/") + "/"))


def _watching(root: str, ids: list[str]) -> Iterator[Check]:
    needed = 4 + sum(2 + len(_folders(f"{root}/{case_id}/tasks")) for case_id in ids)
    watches, instances = _limit("max_user_watches"), _limit("max_user_instances")
    if watches is None or instances is None:
        yield Check("watching", "note", "there is no inotify here: the daemon polls")
        return
    said = f"{needed} folders to watch, {watches} watches allowed per user"
    fix = f"sysctl fs.inotify.max_user_watches={max(2 * needed, 65536)}"
    if watches < needed:
        yield Check("watching", "problem", f"{said}: not all can be watched, the rest is found by the round", fix)
    elif watches < 2 * needed:
        yield Check("watching", "warning", f"{said}: soon not enough", fix)
    elif instances < 16:
        yield Check("watching", "warning", f"only {instances} inotify instances allowed per user",
                    "sysctl fs.inotify.max_user_instances=128")  # fmt: skip
    else:
        yield _fine("watching", said)


def _limit(name: str) -> int | None:
    try:
        with open(f"/proc/sys/fs/inotify/{name}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _folders(path: str) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _disk(path: str, what: str) -> Iterator[Check]:
    found = os.statvfs(path)
    free, inodes = found.f_bavail * found.f_frsize, found.f_favail
    said = f"{free >> 20} MiB free for {what}" + (f", {inodes} inodes" if found.f_files else "")
    short_of_inodes = bool(found.f_files) and inodes < _LEAST_INODES
    if found.f_flag & os.ST_RDONLY:
        yield Check("disk", "problem", "the file system is mounted read-only", "mount it writable", path)
    elif free < _LEAST_BYTES or short_of_inodes:
        yield Check("disk", "problem", said, "make room: the daemon takes on no work on a full disk", path)
    elif free < min(_LITTLE_BYTES, found.f_blocks * found.f_frsize // 20):
        yield Check("disk", "warning", said, "make room soon", path)
    else:
        yield _fine("disk", said)


# --- time -------------------------------------------------------------------------------------------------------------


def _clock(service: Service, now: datetime) -> Iterator[Check]:
    if now < _BORN:
        yield Check("clock", "problem", f"it says {stamp(now)}", "set the clock, best by NTP")
        return
    ahead = [c for c, case in service.cases.items() if case.last_at is not None and case.last_at > now + _JUMP]
    for case_id in ahead[:20]:
        last = service.cases[case_id].last_at or now
        text = f"its journal's last line is of {stamp(last)}, the clock says {stamp(now)}"
        yield Check("clock", "problem", text, "set the clock, best by NTP", case_id)
    if not ahead:
        yield _fine("clock", f"it says {stamp(now)}, and no journal is ahead of it")


def _zones(settings: Settings) -> Iterator[Check]:
    try:
        zoneinfo.ZoneInfo(settings.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        yield Check("zone data", "problem", f"there is no data for {settings.timezone}", "install tzdata")
        return
    system, package = _system_zones(), _packaged_zones()
    said = f"system {system or 'none'}, package {package or 'none'}"
    if system is None and package is None:
        yield Check("zone data", "problem", "there is no time zone data", "install tzdata")
    elif system is not None and package is not None and system < package:
        fix = "update the system's tzdata: it is the one that is used"
        yield Check("zone data", "warning", f"the system's is older than the package's: {said}", fix)
    else:
        yield _fine("zone data", said)


def _system_zones() -> str | None:
    for folder in zoneinfo.TZPATH:
        try:
            with open(f"{folder}/tzdata.zi", encoding="ascii", errors="replace") as file:
                hit = re.search(r"version (\d{4}[a-z])", file.readline())
                return hit[1] if hit else "unknown"
        except OSError:
            if os.path.isfile(f"{folder}/Europe/Berlin"):
                return "unknown"
    return None


def _packaged_zones() -> str | None:
    try:
        return str(importlib.import_module("tzdata").IANA_VERSION)
    except (ImportError, AttributeError):
        return None


# --- the tree ---------------------------------------------------------------------------------------------------------


def _lock(root: str) -> Iterator[Check]:
    held = lock.holder(root)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISREG(os.lstat(f"{root}/{lock.PLACE}").st_mode):
            yield Check("daemon", "problem", "the lock is no file", "put away what lies there", lock.PLACE)
            return
    if held is None:
        yield Check("daemon", "note", "nobody holds the tree: the daemon is not running")
        return
    said = f"pid {held.get('pid', '?')} on {held.get('host', '?')} holds the tree since {held.get('since', '?')}"
    yield _fine("daemon", said)


def _versions(root: str, ids: list[str]) -> Iterator[Check]:
    newer = [f for case_id in ids for f in audit(root, case_id).findings if f.code == "REL-9"]
    for found in newer[:20]:
        yield Check("versions", "problem", found.message, found.fix, found.path)
    if not newer:
        yield _fine("versions", "every journal is of a version that this program reads")


def _cases(service: Service) -> Iterator[Check]:
    for case_id, (text, _) in sorted(service.broken.items()):
        fix = "mend what is named; it is tried again by itself"
        yield Check("instructions", "problem", text.splitlines()[0], fix, case_id)
    parked = sorted(c for c, case in service.cases.items() if case.head.parked is not None)
    for case_id in parked:
        head = service.cases[case_id].head
        text = f"parked: {head.parked.reason if head.parked else ''}"
        yield Check("instructions", "problem", text, "put the files back and send resume, or cancel it", case_id)
    closed = shelves.closed_to_us(service.root)
    for folder in closed:
        yield Check("instructions", "problem", "it cannot be looked into, be it an instruction or not",
                    "give the daemon's user permission, or take it out of the memory", folder)  # fmt: skip
    if not service.broken and not parked and not closed:
        yield _fine("instructions", f"{len(service.cases)} can be read")
    for path in shelves.left_alone(service.root):
        if path in closed:
            continue
        yield Check("instructions", "warning", "it is no message", "name it .yaml; take a folder away", path)


def _agents(service: Service, now: datetime) -> Iterator[Check]:
    """Who is on the roster and cannot be reached, and who does not read his mail."""
    root, store = service.root, service.store
    without = sorted(name for name in service.policy.roster if not store.has_inbox(name))
    if without:
        text = f"{len(without)} of the roster have no inbox folder yet: {', '.join(without)}"
        yield Check("roster", "note", f"{text}; it is made with their first message")
    unread = []
    for folder in _folders(f"{root}/{INBOX}"):
        name = agent_name(folder)
        count, since = shelves.mail(root, folder)
        if name in ("executor", "support-executor") or since is None or now - since < LONG_UNREAD:
            continue
        if service.policy.command(name) is not None:
            continue  # a program is given its messages when it is started
        unread.append(name)
        holds = service.places.load(name)
        text = f"{count} messages, the oldest of {stamp(since)}: nobody seems to read them" + (
            f"; {holds} tasks are held by {name}" if holds else ""
        )
        yield Check("roster", "warning", text, "start a reader, or reassign the tasks", f"{INBOX}/{folder}")
    if not unread:
        yield _fine("roster", f"{len(service.policy.roster)} agents, no mail lies unread for a day")


# --- what the configuration names -------------------------------------------------------------------------------------


def _programs(settings: Settings) -> Iterator[Check]:
    named: dict[str, str] = {}
    for agent, row in settings.policy().roster.items():
        if row.command is not None:
            named[f"roster.{agent}.runner"] = row.command.program
            if row.command.unit:
                named[f"roster.{agent}.runner (its unit)"] = "systemd-run"
        elif row.runner in ("command", "systemd-run"):
            text = f"roster.{agent}.runner: it is to be a program, and none is named: its inbox is all that it has"
            yield Check("programs", "problem", text, "name it: runner: {program: …}")
    if settings.sessions.worker is not None:
        named["sessions.worker"] = settings.sessions.worker.program
    named |= {f"sessions.roles.{role}": row.program for role, row in settings.sessions.roles.items()}
    missing = {key: program for key, program in named.items() if shutil.which(program) is None}
    for key, program in missing.items():
        yield Check("programs", "problem", f"{key}: {program} is no program here", "install it, or name it by its path")
    if not missing:
        yield _fine("programs", f"{len(named)} named" if named else "none are named")


def _channels(settings: Settings) -> Iterator[Check]:
    """Whether what leaves the machine could; nothing is sent [SLA-16]."""
    rows = {f"channels.{n}": row for n, row in settings.channels.items()}
    rows |= {f"notify.{n}": row for n, row in settings.notify.items()}
    fine = True
    for name, row in rows.items():
        for each in obstacles(row, os.environ):
            fine = False
            yield Check("channels", "problem", f"{name}.{each.key}: {each.message}", each.fix, each.path)
    if rows and fine:
        yield _fine("channels", f"{len(rows)} could carry; `executord notify test` sends a test")
