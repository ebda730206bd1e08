"""What is to be started, and what was started: the values of the runners.

Counterparts: `starting.py` makes a `Worker` of an `Order`; `wrapper.py` reads what `Order.plain` writes.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

OUTPUT_BYTES = 10_485_760
#: What a worker gets of the daemon's own environment, if nothing else is said [OPS-17, SEC-3].
ENVIRONMENT: tuple[str, ...] = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "NO_COLOR", "XDG_CONFIG_HOME",
    "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "all_proxy", "VIRTUAL_ENV", "PYTHONPATH", "NODE_PATH",
)  # fmt: skip
#: What `systemd-run` needs to find a user's systemd, only where a worker has a unit of its own [OPS-23].
BUS = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


@dataclass(frozen=True, slots=True)
class Turns:
    """Further turns on stdin: each file of `folder` (in the work folder), until an `end` in stdout with all done.

    `end` and `taken` are events of the output: a turn has ended; one that was fed has been taken, maybe into a turn
    that ran already. Who never says `taken` ends one turn for each.
    """

    end: Mapping[str, Any]
    taken: Mapping[str, Any] = field(default_factory=dict)
    folder: str = "turns"


@dataclass(frozen=True, slots=True)
class Order:
    """One process to be started. `marks` are the `EXECUTORD_…` variables by which it can be found again."""

    argv: tuple[str, ...]
    work: str  # its own folder, absolute; made if it is not there
    cwd: str
    marks: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 1
    stdin: str | None = None  # absolute path of what stands on stdin; None: nothing
    turns: Turns | None = None
    output_bytes: int = OUTPUT_BYTES
    limits: Mapping[str, int] = field(default_factory=dict)  # run_s memory_bytes file_bytes cpu_s open_files

    def plain(self) -> dict[str, Any]:
        """What the wrapper has to know; no environment: that may hold secrets, and this lies on the disk."""
        turns = self.turns
        return {
            "argv": list(self.argv),
            "cwd": self.cwd,
            "stdin": self.stdin,
            "turns": {"folder": f"{self.work}/{turns.folder}", "end": dict(turns.end), "taken": dict(turns.taken)}
            if turns is not None
            else None,
            "output_bytes": self.output_bytes,
            "limits": dict(self.limits),
        }


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that was started, as it stands in the journal: what tells it from every other [OPS-18, OPS-23].

    `pid` is the wrapper's, which lives exactly as long as something of the worker does. `marks` and `work` are
    needed to find and to end what it leaves; a record without them can still be asked whether it is alive.
    """

    pid: int
    start_ticks: int
    boot_id: str | None
    host: str
    cgroup: str | None = None
    attempt: int = 1
    work: str | None = None
    marks: Mapping[str, str] = field(default_factory=dict)
    home: str | None = None  # the session's folder: who has the same marks and works for another is somebody else

    def facts(self) -> dict[str, Any]:
        """The process facts of a `started` line."""
        return {
            "pid": self.pid,
            "start_ticks": self.start_ticks,
            "boot_id": self.boot_id,
            "host": self.host,
            "cgroup": self.cgroup,
            "attempt": self.attempt,
        }


def worker_from(
    facts: Mapping[str, Any],
    *,
    work: str | None = None,
    marks: Mapping[str, str] | None = None,
    home: str | None = None,
) -> Worker | None:
    """The opposite of `facts`; also of what others write, with `pid_start` for `start_ticks`. None: it names none."""
    pid, ticks = facts.get("pid"), facts.get("start_ticks", facts.get("pid_start"))
    if not _number(pid) or not _number(ticks, (1 << 63) - 1):
        return None
    boot, host, cgroup, attempt = (facts.get(key) for key in ("boot_id", "host", "cgroup", "attempt"))
    return Worker(
        pid=pid,
        start_ticks=ticks,
        boot_id=boot if isinstance(boot, str) else None,
        host=host if isinstance(host, str) else "",
        cgroup=cgroup if isinstance(cgroup, str) else None,
        attempt=attempt if _number(attempt) else 1,
        work=work,
        marks=dict(marks or {}),
        home=home,
    )


def _number(value: object, most: int = (1 << 31) - 1) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most


def environment(
    base: Mapping[str, str], allow: Iterable[str] = ENVIRONMENT, also: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What a worker's environment holds: of `base` what the patterns allow, never a variable of ours; then `also`."""
    patterns = tuple(allow)
    kept = {
        name: value for name, value in base.items()
        if not name.startswith("EXECUTORD_") and any(fnmatch.fnmatchcase(name, p) for p in patterns)
    }  # fmt: skip
    return kept | dict(also or {})
