"""Those who are at the other end of a channel: an SMTP server and an HTTP receiver on loopback, which can misbehave.

They run on threads of the test, so they live while the daemon is killed, and keep what they took.
"""

from __future__ import annotations

import contextlib
import email
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Habit = Callable[[str, int], str | None]
"""Asked at each command with the number of its message: an answer instead of the usual one; `""` hangs up."""


class SmtpServer:
    """A small SMTP server; `taken` are the messages that it said yes to."""

    def __init__(self, habit: Habit | None = None, *, slow_s: float = 0.0) -> None:
        self.habit, self.slow_s = habit or (lambda _word, _n: None), slow_s
        self.taken: list[Message] = []
        self.recipients: list[list[str]] = []
        self.commands: list[str] = []
        self.hesitating = threading.Event()  # a message is taken, and that is not said yet
        self._messages = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), peer, peer.makefile("rwb") as line:

            def say(text: str) -> None:
                line.write(text.encode() + b"\r\n")
                line.flush()

            say("220 test ESMTP")
            to: list[str] = []
            while command := line.readline().decode("utf-8", "replace").strip():
                self.commands.append(command)
                word = command.upper().split(":")[0].split(" ")[0]
                answer = self.habit(word, self._messages)
                if answer == "":
                    return
                if answer is not None:
                    say(answer)
                    continue
                match word:
                    case "EHLO":
                        say("250-test\r\n250 8BITMIME")
                    case "MAIL":
                        to = []
                        say("250 ok")
                    case "RCPT":
                        to.append(command.split(":", 1)[1].strip("<> "))
                        say("250 ok")
                    case "DATA":
                        say("354 go on")
                        data = b""
                        while (part := line.readline()) not in (b".\r\n", b""):
                            data += part.removeprefix(b".") if part.startswith(b"..") else part
                        if part == b"":
                            return
                        self._end(data, to, say)
                    case "QUIT":
                        say("221 bye")
                        return
                    case _:
                        say("250 ok")

    def _end(self, data: bytes, to: list[str], say: Callable[[str], None]) -> None:
        """The message is whole: it is taken, and then that is said, or not."""
        n = self._messages
        self._messages += 1
        answer = self.habit(".", n)
        if answer is not None and answer[:1] in ("4", "5"):
            say(answer)
            return
        self.taken.append(email.message_from_bytes(data, policy=default))
        self.recipients.append(to)
        self.hesitating.set()
        time.sleep(self.slow_s)
        self.hesitating.clear()
        if answer == "":
            raise OSError
        say(answer or f"250 queued as {n}")

    def keys(self) -> Counter[str]:
        """How often each key was taken."""
        return Counter(str(m["Idempotency-Key"]) for m in list(self.taken))

    def close(self) -> None:
        """No more connections."""
        self._listener.close()


class HttpReceiver:
    """An HTTP server that keeps what was posted; `habit` gives a status for the n-th request, 0 hangs up."""

    def __init__(self, habit: Callable[[int], int] | None = None, *, slow_s: float = 0.0) -> None:
        self.posts: list[tuple[Mapping[str, str], bytes]] = []
        self.taken: list[Mapping[str, Any]] = []
        self.hesitating = threading.Event()  # a message is taken, and that is not said yet
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                n = len(receiver.posts)
                receiver.posts.append((dict(self.headers), data))
                status = habit(n) if habit is not None else 204
                if status == 0 or status < 300:
                    receiver.taken.append(json.loads(data))
                receiver.hesitating.set()
                time.sleep(slow_s)
                receiver.hesitating.clear()
                if status == 0:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    if status == 429:
                        self.send_header("Retry-After", "1")
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def keys(self) -> Counter[str]:
        """How often each key was taken."""
        return Counter(str(each["key"]) for each in list(self.taken))

    def close(self) -> None:
        """No more connections."""
        self._server.shutdown()
        self._server.server_close()
