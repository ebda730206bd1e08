"""Notices the end of workers without looking at the disk: one thread that sleeps on their pidfds.

Counterparts: `loop/` and the foreground run of a session, which put what rings into their queue; `ending.exit_of`,
which reads how it ended. It decides nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable

from executord.files import machine
from executord.runners.ending import is_same, state_of
from executord.runners.order import Worker
from executord.runners.starting import reap

POLL_S = 0.5  # where the kernel has no pidfds


class Watch:
    """Rings with the key of each worker that has ended; by then a child of ours is reaped."""

    def __init__(self, ring: Callable[[str], None]) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._fds: dict[int, tuple[str, Worker]] = {}
        self._polled: dict[str, Worker] = {}
        self._keys: dict[str, int | None] = {}
        self._wake, self._waker = os.pipe()
        for fd in (self._wake, self._waker):
            os.set_blocking(fd, False)
        self._poll = select.epoll()
        self._poll.register(self._wake, select.EPOLLIN)
        self._thread: threading.Thread | None = None
        self._closing = False

    def add(self, key: str, worker: Worker) -> None:
        """Watch this worker; one that has ended already rings at once. The same key again: nothing new."""
        with self._lock:
            if key in self._keys:
                return
            fd = self._open(worker)
            self._keys[key] = fd
            if fd is None:
                self._polled[key] = worker
            else:
                self._fds[fd] = (key, worker)
                self._poll.register(fd, select.EPOLLIN | select.EPOLLONESHOT)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="worker-watch", daemon=True)
                self._thread.start()
        self._nudge()

    @staticmethod
    def _open(worker: Worker) -> int | None:
        try:
            fd = os.pidfd_open(worker.pid)
        except OSError:
            return None
        if is_same(worker, machine.seen(worker.pid)):
            return fd
        os.close(fd)
        return None

    def remove(self, key: str) -> None:
        """No more."""
        with self._lock:
            fd = self._keys.pop(key, None)
            self._polled.pop(key, None)
            if fd is not None:
                self._fds.pop(fd, None)
                with contextlib.suppress(OSError):
                    self._poll.unregister(fd)
                os.close(fd)

    def close(self) -> None:
        """Stop watching; the workers go on."""
        self._closing = True
        self._nudge()
        if self._thread is not None:
            self._thread.join(5)
        for key in list(self._keys):
            self.remove(key)
        self._poll.close()
        os.close(self._wake)
        os.close(self._waker)

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._waker, b".")

    def _run(self) -> None:
        while not self._closing:
            events = self._poll.poll(POLL_S if self._polled else -1)
            for fd, _ in events:
                if fd == self._wake:
                    with contextlib.suppress(OSError):
                        os.read(self._wake, 4096)
                else:
                    self._ended(fd)
            for key, worker in list(self._polled.items()):
                reap(worker.pid)
                if state_of(worker) != "alive":
                    self.remove(key)
                    self._ring(key)

    def _ended(self, fd: int) -> None:
        with self._lock:
            found = self._fds.get(fd)
        if found is None:
            return
        key, worker = found
        reap(worker.pid)
        self.remove(key)
        self._ring(key)
