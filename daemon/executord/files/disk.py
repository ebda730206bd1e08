"""The one place that changes files in the memory: stage, publish, move, append. The ownership guard lives here [MEM-2].

Counterpart: `store.py`, which only reads. Nothing here replaces a file that somebody else wrote: publishing and moving
are no-replace, a name already taken is a state and not an error [MEM-14]. `before` is called ahead of each change of
the disk, so that tests can die there.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator

from executord.errors import CannotWrite, NotOurs, Unreadable
from executord.paper.gate import Identity, identity_of, same_content, status_of

_AT_FDCWD = -100
_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)

INBOX = "_communication/inbox"
OWN_INBOXES = ("executor", "support-executor")
DOT = ".x-"  # our staged files begin so
_ANSWER = re.compile(r".+(?:\.answer(?:-\d+)?|-[0-9a-f]{8})(?:~\d+)?\.yaml\Z", re.S)  # a program's, in its agent's name
_LEFT_OVER = re.compile(rf"{re.escape(DOT)}(?:[0-9a-f]{{1,64}}|paused)")
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO does not make us wait
_OWN_DOTS = frozenset({".lock", ".probe", ".paused.yaml", ".processed", ".rejected", ".sessions"})


def check_real(root: str, path: str) -> bool:
    """Whether all folders on the way to `path` are there. Raises `NotOurs` for one that is a link or a file [SEC-1]."""
    here = root
    for part in path.split("/")[:-1]:
        here = f"{here}/{part}"
        try:
            mode = os.lstat(here).st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(mode):
            what = "a link" if stat.S_ISLNK(mode) else "a file"
            raise NotOurs(f"{here} is not a folder of the memory but {what}", path=path, fix="put a real folder there")
    return True


class Disk:
    """Changes to one tree. `root` is absolute; every other path counts from it, with `/`.

    Every change raises `NotOurs` where the daemon may not write, and `CannotWrite` where the machine is in the way.
    """

    def __init__(
        self,
        root: str,
        *,
        durable: bool = True,
        before: Callable[[str, str], None] | None = None,
        allowed: Callable[[list[str]], bool] | None = None,
    ) -> None:
        """`allowed`: what may be written there; without it what MEM-2 says of a memory."""
        self.root = root
        self._allowed = allowed or _allowed
        self._durable = durable
        self._before = before or (lambda _op, _path: None)
        self._real: set[str] | None = None  # folders found to be no links, while changes are made together

    # -- the guard -----------------------------------------------------------------------------------------

    def guard(self, path: str) -> None:
        """Raise `NotOurs` unless the daemon may write at this path; no symlink is followed out [MEM-2, SEC-1]."""
        parts = path.split("/")
        if not self._allowed(parts) or any(p in ("", ".", "..") for p in parts):
            raise NotOurs(
                f"the daemon does not write {path!r}", path=path, fix="this is a fault of the daemon; report it"
            )
        folder = path.rpartition("/")[0]
        if self._real is not None and folder in self._real:
            return
        if check_real(self.root, path) and self._real is not None:
            self._real.add(folder)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Of the changes made inside, which follow at once on one another, each folder is looked at but once."""
        self._real = set()
        try:
            yield
        finally:
            self._real = None

    # -- changes -------------------------------------------------------------------------------------------

    def make_folder(self, path: str) -> None:
        """The folder, with its parents, if it is not there; that of an instruction or a session itself is never ours
        to make: where it is gone, it or the whole memory was taken away [MEM-25]. Raises `CannotWrite`."""
        full = f"{self.root}/{path}"
        if os.path.isdir(full):
            return
        top = path.split("/", 1)[0]
        needed = f"{self.root}/{top}" if self._allowed is _allowed and top[:1] not in "_." else self.root
        if not os.path.isdir(needed):
            raise _cannot(path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), needed))
        own = path.split("/")[:2] == ["_communication", "inbox"] and path.split("/")[2:] in [[n] for n in OWN_INBOXES]
        self.guard(f"{path}/{DOT}" if own or self._allowed is not _allowed else f"{path}/x.yaml")
        self._before("mkdir", path)
        try:
            os.makedirs(full, exist_ok=True)
        except OSError as error:
            raise _cannot(path, error) from error

    def stage(self, path: str, data: bytes, written_at: float | None = None) -> None:
        """Write a whole file under its dot name, its mtime `written_at`. Raises `CannotWrite`, nothing left behind."""
        self.guard(path)
        self._before("stage", path)
        full = f"{self.root}/{path}"
        try:
            fd = _create(full)
            try:
                _write_all(fd, data)
                if written_at is not None:
                    os.utime(fd, (written_at, written_at))
            finally:
                os.close(fd)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(full)
            raise _cannot(path, error) from error

    def publish(self, source: str, target: str) -> bool:
        """Rename without replacing. False: the target is there already, or the source is gone."""
        self.guard(target)
        self._before("rename", target)
        return rename(f"{self.root}/{source}", f"{self.root}/{target}")

    def replace(self, path: str, dot: str, data: bytes, known: Identity | None = None) -> Identity | None:
        """Write a view of ours over its older self, which is `known` where that matters. Answers what lies there then;
        None: somebody else's, which is left as it is where what was known is there no more."""
        self.stage(dot, data)
        self.guard(path)
        self._before("replace", path)
        full = f"{self.root}/{path}"
        if known is not None and _identity(full) not in (known, None):
            self.remove_staged(dot)
            return None
        try:
            ours = identity_of(os.lstat(f"{self.root}/{dot}"))
            os.rename(f"{self.root}/{dot}", full)
        except OSError as error:
            raise _cannot(path, error) from error
        there = _identity(full)
        return there if there is not None and same_content(there, ours) else None

    def link(self, source: str, target: str) -> None:
        """A second name for a part of the journal, before a new part takes the first."""
        self.guard(target)
        self._before("link", target)
        try:
            os.link(f"{self.root}/{source}", f"{self.root}/{target}", follow_symlinks=False)
        except FileExistsError:
            return
        except OSError as error:
            raise _cannot(target, error) from error

    def rename_over(self, source: str, target: str) -> None:
        """Put a new part of our journal, or a file of ours with more in it, in the place of the old one."""
        self.guard(target)
        self._before("replace", target)
        try:
            os.rename(f"{self.root}/{source}", f"{self.root}/{target}")
        except OSError as error:
            raise _cannot(target, error) from error

    def append(self, path: str, data: bytes, size: int) -> None:
        """Add whole lines to a journal that is `size` bytes long; a longer one has a torn tail, which is cut off.

        Raises `Unreadable` if it is shorter: to go on behind a hole would make all of it unreadable.
        """
        self.guard(path)
        self._before("append", path)
        full = f"{self.root}/{path}"
        if (there := _length(full)) < size:
            raise Unreadable(
                f"the journal has {there} bytes, and {size} were written: somebody cut it off, or removed it",
                path=full, code="MEM-17", fix="put it back; else it goes on from what stands there, and from the files",
            )  # fmt: skip
        try:
            fd = os.open(full, _FLAGS, 0o660)
            try:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "no regular file")
                if status.st_size != size:
                    os.ftruncate(fd, size)
                os.lseek(fd, size, os.SEEK_SET)
                try:
                    _write_all(fd, data)
                except OSError:
                    with contextlib.suppress(OSError):
                        os.ftruncate(fd, size)
                    raise
            finally:
                os.close(fd)
        except OSError as error:
            raise _cannot(path, error) from error

    def add_lines(self, path: str, data: bytes) -> None:
        """Add whole lines to a file that others add to as well: in one write, at its end [MEM-14].

        A line that somebody has not finished is not made ours: a newline comes before.
        """
        self.guard(path)
        self._before("append", path)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            fd = os.open(f"{self.root}/{path}", flags, 0o660)
            try:
                size = os.fstat(fd).st_size
                if size and os.pread(fd, 1, size - 1) != b"\n":
                    data = b"\n" + data
                _write_all(fd, data)
            finally:
                os.close(fd)
        except OSError as error:
            raise _cannot(path, error) from error

    def forget_session(self, session_id: str) -> None:
        """Take away our note that a session was given to us: it has ended [SES-25]."""
        path = f"{INBOX}/executor/.sessions/{session_id}.yaml"
        self.guard(path)
        self._before("unlink", path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.root}/{path}")

    def sync(self, paths: Iterable[str], *, placed: bool = False) -> None:
        """Make these files durable, with the folders that hold them; nothing to do where that is not promised.

        `placed`: their names are durable already, so their folders need not be written again.
        """
        if not self._durable:
            return
        names = list(dict.fromkeys(paths))
        if not names:
            return
        self._before("sync", names[0])
        if len(names) > 2:
            self.sync_all()
            return
        folders = () if placed else (os.path.dirname(n) for n in names)
        for path in dict.fromkeys([*names, *folders]):
            try:
                fd = os.open(f"{self.root}/{path}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
            except OSError as error:
                raise _cannot(path, error) from error

    def sync_all(self) -> None:
        """Make everything written so far durable, renames included; nothing to do where that is not promised."""
        if not self._durable:
            return
        try:
            fd = os.open(self.root, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _cannot(self.root, error) from error
        try:
            if _libc.syncfs(fd) != 0:
                code = ctypes.get_errno()
                raise _cannot(self.root, OSError(code, os.strerror(code)))
        finally:
            os.close(fd)

    def remove_staged(self, path: str) -> None:
        """Remove a dot file of ours that no line names: the one kind of thing that the daemon deletes [MEM-20].

        A folder under such a name is none of ours, and stays.
        """
        if not os.path.basename(path).startswith(DOT):
            raise NotOurs(f"{path!r} is not a staged file of ours", path=path)
        self.guard(path)
        self._before("unlink", path)
        try:
            os.unlink(f"{self.root}/{path}")
        except (FileNotFoundError, IsADirectoryError):
            return
        except OSError as error:
            raise _cannot(path, error) from error

    def remove_packed(self, folder: str, names: Iterable[str]) -> None:
        """Take away the loose files of a day whose stream is on disk [MEM-20]."""
        parts = folder.split("/")
        if len(parts) != 5 or parts[2] not in OWN_INBOXES or parts[3] != ".processed":
            raise NotOurs(f"{folder!r} is no day of .processed/", path=folder)
        self.guard(f"{folder}/x.yaml")
        for name in names:
            self._before("unlink", f"{folder}/{name}")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.root}/{folder}/{name}")
        with contextlib.suppress(OSError):  # a file came meanwhile: the next day takes it along
            os.rmdir(f"{self.root}/{folder}")

    def touch(self, path: str) -> None:
        """Write the canary file [OPS-24]."""
        self.guard(path)
        os.close(os.open(f"{self.root}/{path}", _FLAGS | os.O_TRUNC, 0o660))


def _identity(path: str) -> Identity | None:
    status = status_of(path)
    return identity_of(status) if status is not None else None


def rename(source: str, target: str) -> bool:
    """`renameat2(RENAME_NOREPLACE)`, else link and unlink; False if the target exists or the source does not.

    Two names of one inode make a plain rename a silent no-op that leaves both; the no-replace form answers EEXIST.
    """
    result = _libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EEXIST, errno.ENOENT):
        return False
    if code in (errno.EINVAL, errno.ENOSYS):
        try:
            os.link(source, target, follow_symlinks=False)
            os.unlink(source)
        except (FileExistsError, FileNotFoundError):
            return False
        except OSError as error:
            raise _cannot(target, error) from error
        return True
    raise _cannot(target, OSError(code, os.strerror(code)))


def exchange(one: str, other: str) -> bool:
    """`renameat2(RENAME_EXCHANGE)`: each gets the other's name in one step; False where that cannot be done."""
    if _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS):
        return False
    raise _cannot(other, OSError(code, os.strerror(code)))


def _create(path: str) -> int:
    """A new file. What lies there already goes: to empty it could empty another file, of which it is a second name."""
    try:
        return os.open(path, _FLAGS | os.O_EXCL, 0o660)
    except FileExistsError:
        os.unlink(path)
        return os.open(path, _FLAGS | os.O_EXCL, 0o660)


def _length(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise _cannot(path, error) from error


def _write_all(fd: int, data: bytes) -> None:
    """`os.write` may be short without an error: a full disk shows only at the next write."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _cannot(path: str, error: OSError) -> CannotWrite:
    hints = {
        errno.ENOSPC: "make room on the disk; the daemon goes on by itself",
        errno.EDQUOT: "raise the quota; the daemon goes on by itself",
        errno.EIO: "look at the disk: the kernel's log says more; the daemon goes on by itself",
        errno.EMFILE: "raise LimitNOFILE; the daemon goes on by itself",
        errno.EXDEV: "put the case and the inboxes on one filesystem: a rename cannot leave it",
        errno.EISDIR: "remove the folder that lies on our name",
        errno.EROFS: "mount it writable; the daemon goes on by itself",
        errno.EACCES: "give the daemon's user write permission there",
        errno.EPERM: "give the daemon's user write permission there",
    }
    code = error.errno or 0
    return CannotWrite(f"cannot write: {os.strerror(code)}", path=path, fix=hints.get(code))


def _allowed(parts: list[str]) -> bool:
    """The ownership list of MEM-2, for one path."""
    match parts:
        case ["_communication", "inbox", agent, name] if agent not in OWN_INBOXES:
            return _staged(name) or (not name.startswith(".") and name.endswith(".yaml"))
        case ["_communication", "inbox", agent, name, *_] if agent in OWN_INBOXES:
            return name in _OWN_DOTS or _staged(name) or is_answer(agent, name)
        case ["_archive", case_id]:
            return not case_id.startswith((".", "_"))
        case [case_id, "tasks", folder, name]:
            return _is_case(case_id) and folder in ("in_progress", "completed") and not name.startswith(".")
        case [case_id, "outputs", folder, name]:
            return _is_case(case_id) and folder in ("partial", "final") and (name.endswith(".yaml") or _staged(name))
        case _:
            return False


def session_allowed(parts: list[str]) -> bool:
    """The ownership list of MEM-2, for one path of a session: never `role-specs/` or `task-analysis.json`."""
    match parts:
        case [name]:
            return name in ("team-session.json", "tasks.json") or _staged(name)
        case [".msg", name]:
            return name in ("messages.jsonl", "meta.json") or _staged(name)
        case ["wisdom", name]:
            return name == "issues.md" or _staged(name)
        case ["explorations" | "discussions", name]:
            return _staged(name)
        case [".executord" | "artifacts" | "discoveries", _, *_]:
            return True
        case _:
            return False


def _is_case(name: str) -> bool:
    return not name.startswith((".", "_"))


def is_answer(inbox: str, name: str) -> bool:
    """What a program has said becomes a message of its agent in our inbox; nobody else's name is written there."""
    return inbox == OWN_INBOXES[0] and not name.startswith(".") and _ANSWER.match(name) is not None


def is_left_over(name: str) -> bool:
    """Whether a file of this name may be removed if no line names it: its name is surely one of ours."""
    return _LEFT_OVER.fullmatch(name) is not None


def _staged(name: str) -> bool:
    return name.startswith(DOT)
