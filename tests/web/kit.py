"""A real `executord web` on a loopback port, asked as a browser and as an enemy would ask it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from tests.test_look import environment

#: Loaded by Python itself before anything else: notes whatever is opened for writing, made, moved or removed.
WATCH = """
import os, sys
LOG = os.open(os.environ["WATCH_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime",
           "os.chmod", "os.chown", "os.setxattr", "os.mkfifo")
def watch(event, args):
    if event == "open":
        path, _, flags = args
        if flags is not None and flags & WRITES:
            os.write(LOG, f"open {path!r} {flags:o}\\n".encode())
    elif event in CHANGES:
        os.write(LOG, f"{event} {args!r}\\n".encode())
sys.addaudithook(watch)
"""


class Site:
    """One server on one tree."""

    def __init__(self, root: Path, *args: str, **more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "executord", "--memory", str(root), "--json", "web", "--port", "0", *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(root, **more), text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.url = str(json.loads(line)["url"])
        where = urlsplit(self.url)
        assert where.hostname is not None
        assert where.port is not None
        self.address = (where.hostname, where.port)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of an answer."""
        to = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            to.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = to.getresponse()
            body = answer.read().decode()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body
        finally:
            to.close()

    def raw(self, request: bytes) -> bytes:
        """What is answered to these very bytes."""
        with socket.create_connection(self.address, timeout=30) as to:
            to.sendall(request)
            parts = []
            while part := to.recv(1 << 16):
                parts.append(part)
        return b"".join(parts)

    def watch(self, page: str = "/") -> Watcher:
        """A client that is told of changes."""
        return Watcher(self.address, page)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """The exit code after a signal, and what stood on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


class Watcher:
    """An open `/events`."""

    def __init__(self, address: tuple[str, int], page: str) -> None:
        self._socket = socket.create_connection(address, timeout=30)
        self._socket.sendall(f"GET /events?page={page} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass

    def next(self) -> str:
        """The next print that is told."""
        while line := self._file.readline():
            if line.startswith(b"data:"):
                return line[5:].decode().strip()
        raise AssertionError("the stream has ended")

    def close(self) -> None:
        """Go away without a word."""
        self._file.close()
        self._socket.close()


class Seen(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """Its text, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attrs for name, attrs in self.tags if name == tag]

    def links(self) -> Iterable[str]:
        """Where it leads."""
        return [str(attrs["href"]) for attrs in self.all("a")]


def crawl(site: Site) -> dict[str, Seen]:
    """Every page that can be reached from the board; each must be there."""
    found: dict[str, Seen] = {}
    left = ["/"]
    while left:
        path = left.pop()
        if path in found:
            continue
        status, _, body = site.ask(path)
        assert status == 200, path
        found[path] = Seen(body)
        for link in found[path].links():
            target = urlsplit(urljoin(site.url, urljoin(path, link)))
            assert f"{target.scheme}://{target.netloc}/" == site.url, link
            left.append(target.path)
    return found


def watched(folder: Path) -> dict[str, str]:
    """The environment by which a Python notes what it writes, into `writes` in this folder."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(WATCH)
    path = os.pathsep.join([str(folder / "site"), str(Path(__file__).parent.parent.parent / "daemon")])
    return {"PYTHONPATH": path, "WATCH_LOG": str(folder / "writes")}
