"""Channels and their outbox, with real servers on loopback: how each try ends, and what is done about it.

Counterparts: `executord/channels/`, `executord/channels/outbox.py`; the servers, `real/servers.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import socket
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from executord.channels import NotCarried, NotTaken, Parcel, Refused, Unsure, open_channel
from executord.channels.outbox import Ended, Job, Outbox
from executord.channels.templates import body, fill, subject
from executord.settings import ChannelRow
from tests.real.servers import HttpReceiver, SmtpServer

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
UPDATE = {
    "instruction_id": "acme-42",
    "title": "Checkout fails für EU customers",
    "number": 3,
    "customer": {"name": "Acme", "segment": None},
    "status": "The cause is found.",
    "next_steps": "The limit is raised tonight.",
    "blockers": "none",
    "expect_next": "A confirmation tomorrow.",
    "contact": "Mia Chen, mia@support.example",
    "next_update_at": None,
    "text": None,
}
PARCEL = Parcel("k-1", "customer_update", UPDATE, ("Ops <ops@acme.example>",))


def row(**given: Any) -> ChannelRow:
    """A row of the configuration."""
    return ChannelRow.model_validate({"timeout_s": 2, "tls": False, **given})


def mail(server: SmtpServer, **more: Any) -> ChannelRow:
    """A row for this server."""
    given = {"type": "email", "host": "127.0.0.1", "port": server.port, "from": "Support <support@us.example>"}
    return row(**given, **more)


def carry(channel: ChannelRow, parcel: Parcel = PARCEL, environ: dict[str, str] | None = None) -> Any:
    """One try."""
    return open_channel(channel, environ or {}).carry(parcel, NOW)


@pytest.fixture
def smtp() -> Iterator[Callable[..., SmtpServer]]:
    """Makes SMTP servers."""
    made: list[SmtpServer] = []

    def make(*args: Any, **more: Any) -> SmtpServer:
        made.append(SmtpServer(*args, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def http() -> Iterator[Callable[..., HttpReceiver]]:
    """Makes HTTP receivers."""
    made: list[HttpReceiver] = []

    def make(*args: Any, **more: Any) -> HttpReceiver:
        made.append(HttpReceiver(*args, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


# --- templates ------------------------------------------------------------------------------------------------


@pytest.mark.spec("SLA-16", "SEC-3")
def test_a_template_only_looks_names_up():
    """`${name}` is a fact, a dot goes one mapping down, `$$` is a dollar; a line of empty names is left out."""
    facts = {**UPDATE, "number": 3}
    template = "Dear ${customer.name},\n${status}\nSegment: ${customer.segment}\n\n$$5 ${number}${number}"
    assert fill(template, facts) == "Dear Acme,\nThe cause is found.\n\n$5 33"


@pytest.mark.spec("SEC-3")
@pytest.mark.parametrize(
    "hostile",
    ["${status.__class__}", "${customer.name.upper}", "{{ 7 * 7 }}", "{% for x in y %}", "%(status)s", "{status}"],
)
def test_nothing_in_a_template_is_evaluated(hostile: str):
    """Attributes of values are empty, and the syntax of other languages is text."""
    shown = fill(hostile, UPDATE)
    assert "49" not in shown
    assert "class" not in shown
    assert shown in ("", hostile)


@pytest.mark.spec("SEC-3")
def test_what_a_value_says_is_not_looked_at_again():
    """A customer who writes `${contact}` gets it back as he wrote it."""
    assert fill("${status}", {"status": "${contact} $$ ${nope}"}) == "${contact} $$ ${nope}"


@pytest.mark.spec("SEC-3")
def test_a_template_has_limits():
    """An unknown name, a lone $ and a text that grows without bound are refused, with the line."""
    with pytest.raises(Refused, match=r"line 2: there is no fact 'statsu'"):
        fill("a\n${statsu}", UPDATE)
    with pytest.raises(Refused, match="names nothing"):
        fill("costs 5 $", UPDATE)
    with pytest.raises(Refused, match="grows beyond"):
        fill("${status}" * 5000, {"status": "x" * 100_000})
    with pytest.raises(Refused, match="the template has more"):
        fill("x" * 70_000, UPDATE)


@pytest.mark.spec("SLA-16")
def test_without_a_template_the_update_is_sent_as_it_is_written():
    """The five contents under their headings; a text that holds them all, as it is; a subject on one line."""
    assert body(PARCEL, None).startswith("Status\nThe cause is found.\n\nNext steps\n")
    whole = "\n".join(f"{k}: {v}" for k, v in UPDATE.items() if isinstance(v, str))
    assert body(Parcel("k", "customer_update", {**UPDATE, "text": whole}), None) == whole
    odd = Parcel("k", "customer_update", {**UPDATE, "title": "a\r\nBcc: all@x.example\x00" + "b" * 400})
    assert subject(odd, None).startswith("a Bcc: all@x.example b")
    assert len(subject(odd, None)) == 200
    assert "\n" not in subject(odd, None)


# --- e-mail ---------------------------------------------------------------------------------------------------


@pytest.mark.spec("SLA-16", "OPS-15")
def test_a_mail_arrives_as_it_was_written(smtp):
    """Sender, recipients, subject, text, and the same Message-ID for the same key."""
    server = smtp()
    receipt = carry(mail(server))
    again = carry(mail(server))
    assert receipt.said == "250 queued as 0"
    assert again.said == "250 queued as 1"
    first, second = server.taken
    assert first["Message-ID"] == second["Message-ID"] == "<k-1@us.example>"
    assert first["References"] == second["References"]
    assert first["To"] == "ops@acme.example"
    assert first["From"] == "Support <support@us.example>"
    assert first["Subject"] == "Checkout fails für EU customers – update 3"
    assert server.recipients[0] == ["ops@acme.example"]
    assert first.get_content().replace("\r\n", "\n").strip() == body(PARCEL, None)


@pytest.mark.spec("SLA-16")
def test_a_line_of_one_dot_is_no_end(smtp):
    """Dots at the begin of a line come back as they were."""
    server = smtp()
    carry(mail(server), Parcel("k", "customer_update", {**UPDATE, "status": ".\n..two\n.end"}, ("a@b.c",)))
    assert "Status\n.\n..two\n.end\n" in server.taken[0].get_content().replace("\r\n", "\n")


@pytest.mark.spec("SLA-16")
@pytest.mark.parametrize(
    ("word", "answer", "how"),
    [
        ("EHLO", "", NotTaken),
        ("MAIL", "451 later", NotTaken),
        ("MAIL", "550 not you", Refused),
        ("RCPT", "450 greylisted", NotTaken),
        ("RCPT", "550 no such user", Refused),
        ("RCPT", "", NotTaken),
        ("DATA", "", NotTaken),
        ("DATA", "554 no", Refused),
        (".", "452 full", NotTaken),
        (".", "554 spam", Refused),
        (".", "", Unsure),
    ],
)
def test_where_a_mail_stops_tells_what_is_known(smtp, word: str, answer: str, how: type[NotCarried]):
    """Before the end of the message nothing was taken; after it, without an answer, nobody knows."""
    server = smtp(lambda said, _n: answer if said == word else None)
    with pytest.raises(how) as raised:
        carry(mail(server))
    assert type(raised.value) is how
    assert len(server.taken) == (1 if how is Unsure else 0)


@pytest.mark.spec("SLA-16")
def test_a_server_that_does_not_answer_in_time(smtp):
    """A timeout after the message is a doubt."""
    with pytest.raises(Unsure):
        carry(mail(smtp(slow_s=5.0), timeout_s=1))


@pytest.mark.spec("SLA-16", "REL-4", "SEC-3")
@pytest.mark.parametrize(("word", "how"), [("MAIL", NotTaken), (".", Unsure)])
def test_a_server_that_never_ends_its_answer(smtp, word: str, how: type[NotCarried]):
    """Lines without end are read up to a bound: neither time nor memory is given for more."""
    server = smtp(lambda said, _n: "\r\n".join(["250-and so on " + "x" * 400] * 50_000) if said == word else None)
    with pytest.raises(how, match=r"connection broke.*more than 65536 bytes"):
        carry(mail(server, timeout_s=30))


@pytest.mark.spec("SLA-16", "REL-4", "SEC-0")
@pytest.mark.hazard(11)
@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
def test_a_template_that_is_no_file_holds_nobody(smtp, tmp_path: Path, kind: str):
    """It is said, and the next try comes: the thread of the channel waits for nothing."""
    place = tmp_path / "template"
    match kind:
        case "fifo":
            os.mkfifo(place)
        case "device":
            place = Path("/dev/zero")
        case _:
            place.mkdir()
    with pytest.raises(NotTaken, match=r"template .* cannot be read"):
        carry(mail(smtp(), template=str(place)))


@pytest.mark.spec("SLA-16")
def test_nobody_there():
    """A closed port has taken nothing."""
    with pytest.raises(NotTaken, match="cannot be reached"):
        carry(row(type="email", host="127.0.0.1", port=1, **{"from": "a@b.c"}))


@pytest.mark.spec("SLA-16", "SEC-3")
def test_a_connection_that_must_be_encrypted_is(smtp):
    """With `tls` a server that offers none gets nothing."""
    server = smtp()
    with pytest.raises(NotTaken):
        carry(mail(server).model_copy(update={"tls": True}))
    assert not any(c.upper().startswith(("MAIL", "AUTH")) for c in server.commands)


@pytest.mark.spec("SEC-3", "OPS-9")
def test_a_password_is_read_from_a_credential_and_shown_nowhere(smtp, tmp_path: Path):
    """It goes to the server and into no error."""
    server = smtp(lambda word, _n: {"EHLO": "250-test\r\n250 AUTH PLAIN LOGIN", "AUTH": "535 wrong password"}.get(word))
    (tmp_path / "smtp").write_text("hunter2\n")
    with pytest.raises(NotTaken) as raised:
        carry(mail(server, user="me", password_file="smtp"), environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "535" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    with pytest.raises(NotTaken, match="cannot be read"):
        carry(mail(server, user="me", password_file=str(tmp_path / "nope")))


@pytest.mark.spec("SLA-16")
@pytest.mark.parametrize("to", [(), ("Jane Doe",), ("jäne@acme.example",), ("a@b.c\r\nRCPT TO:<all@x.example>",)])
def test_what_is_no_address_is_refused_or_stays_one(smtp, to: tuple[str, ...]):
    """No address, or one that no server takes, is refused; a line break never becomes a command."""
    server = smtp()
    try:
        carry(mail(server), Parcel("k", "customer_update", UPDATE, to))
    except Refused:
        assert not server.taken
    assert not any("all@x" in c and "\n" in c for c in server.commands)
    assert all(len(c) < 60 for c in server.commands)


# --- webhook --------------------------------------------------------------------------------------------------


@pytest.mark.spec("SLA-16", "OPS-15")
def test_a_webhook_is_signed_and_keyed(http, tmp_path: Path):
    """JSON with the facts, an idempotency key, and a signature that its receiver can check."""
    (tmp_path / "secret").write_text("s3cret")
    receiver = http()
    carry(row(type="webhook", url=receiver.url, secret_file=str(tmp_path / "secret")))
    headers, data = receiver.posts[0]
    assert headers["Idempotency-Key"] == headers["Webhook-Id"] == "k-1"
    signed = f"k-1.{headers['Webhook-Timestamp']}.".encode() + data
    version, given = headers["Webhook-Signature"].split(",", 1)
    assert version == "v1"
    assert b64decode(given) == hmac.new(b"s3cret", signed, hashlib.sha256).digest()
    content = json.loads(data)
    assert content["type"] == "customer_update"
    assert content["number"] == 3
    assert content["status"] == UPDATE["status"]
    assert content["body"] == body(PARCEL, None)


@pytest.mark.spec("SLA-16")
@pytest.mark.parametrize(
    ("status", "how"),
    [(429, NotTaken), (503, NotTaken), (500, Unsure), (502, Unsure), (0, Unsure), (404, Refused), (302, Refused)],
)
def test_what_a_status_means(http, status: int, how: type[NotCarried]):
    """It says itself that it was not taken, or refuses, or nobody knows; a redirect is not followed."""
    receiver = http(lambda _n: status)
    with pytest.raises(how) as raised:
        carry(row(type="webhook", url=receiver.url))
    assert type(raised.value) is how
    if status == 429:
        assert raised.value.after_s == 1.0
    assert len(receiver.posts) == 1


class Dripping:
    """A server that says one thing after another, slowly, without ever coming to an end."""

    def __init__(self, first: bytes, drip: bytes, *, every_s: float = 0.05) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._first, self._drip, self._every = first, drip, every_s
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            peer, _ = self._listener.accept()
            peer.sendall(self._first)
            while True:
                time.sleep(self._every)
                peer.sendall(self._drip)

    def close(self) -> None:
        """No more of it."""
        self._listener.close()


@pytest.mark.spec("SLA-16", "SEC-3")
@pytest.mark.parametrize(
    ("first", "drip", "how"),
    [
        (b"HTTP/1.1 500 Oh\r\n", b"X-More: 1\r\n", Unsure),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", Unsure),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 4000\r\n\r\n", b"x", Unsure),
        (b"HTTP/1.1 404 No\r\nContent-Length: 4000\r\n\r\n", b"x", Refused),
        (b"SSH-2.0-OpenSSH\r\n", b"x", Unsure),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, b"y" * 1000, Unsure),
    ],
)
def test_a_receiver_that_never_comes_to_an_end(first: bytes, drip: bytes, how: type[NotCarried]):
    """A try lasts as long as it may, whatever is said meanwhile; a status that was said counts."""
    server = Dripping(first, drip)
    begun = time.monotonic()
    with pytest.raises(how) as raised:
        carry(row(type="webhook", url=f"http://127.0.0.1:{server.port}/", timeout_s=1))
    assert type(raised.value) is how
    assert time.monotonic() - begun < 5
    server.close()


@pytest.mark.spec("SLA-16")
def test_an_answer_that_breaks_off_after_its_status_was_an_answer():
    """200 and then nothing: it was taken; its body is for people."""
    server = Dripping(b"HTTP/1.1 200 OK\r\nX-Request-Id: a\tb\r\nContent-Length: 4000\r\n\r\nok", b".")
    receipt = carry(row(type="webhook", url=f"http://127.0.0.1:{server.port}/", timeout_s=1))
    assert receipt.said.startswith("200 ")
    assert receipt.id == "a b"
    server.close()


@pytest.mark.spec("SLA-16", "SEC-3")
@pytest.mark.parametrize(
    ("first", "drip"), [(b"220-", b"x"), (b"", b"220-hello\r\n"), (b"garbage\r\n", b"garbage\r\n"), (b"", b"\0\xff")]
)
def test_a_mail_server_that_never_comes_to_an_end(first: bytes, drip: bytes):
    """Nothing was handed over yet, so it is tried again; and nobody waits for it longer than said."""
    server = Dripping(first, drip)
    begun = time.monotonic()
    with pytest.raises(NotTaken):
        carry(row(type="email", host="127.0.0.1", port=server.port, tls=False, timeout_s=1, **{"from": "a@b.c"}))
    assert time.monotonic() - begun < 6
    server.close()


@pytest.mark.spec("SLA-16", "SEC-3")
def test_tls_that_is_not_to_be_trusted(http, smtp):
    """A plain server behind https, or behind TLS from the start, gets nothing of the parcel."""
    receiver = http()
    with pytest.raises(NotTaken, match="cannot be reached"):
        carry(row(type="webhook", url=receiver.url.replace("http:", "https:"), timeout_s=5))
    assert receiver.posts == []
    server = Dripping(b"220 hello\r\n", b"x")
    encrypted = row(type="email", host="127.0.0.1", port=server.port, timeout_s=1, **{"from": "a@b.c"})
    with pytest.raises(NotTaken):
        carry(encrypted.model_copy(update={"tls": True}))
    server.close()


@pytest.mark.spec("SEC-3")
def test_a_webhook_says_nothing_of_its_address(tmp_path: Path):
    """Its URL may be a secret: errors name the host only."""
    (tmp_path / "url").write_text("http://user:pw@127.0.0.1:1/T0/B0/xyzzy")
    with pytest.raises(NotTaken) as raised:
        carry(row(type="webhook", url_file=str(tmp_path / "url")))
    assert "xyzzy" not in str(raised.value)
    assert "pw" not in str(raised.value)
    for url in ("ftp://xyz/", "https:///xyz", "https://xyz:99999/", "https://[xyz/"):
        with pytest.raises(Refused) as refused:
            carry(row(type="webhook", url=url))
        assert "xyz" not in str(refused.value)
    with pytest.raises(Refused, match="not encrypted"):
        carry(row(type="webhook", url="http://hooks.example/x", tls=True))


# --- command and library --------------------------------------------------------------------------------------


def command(code: str, **more: Any) -> ChannelRow:
    """A row for a program of one line."""
    return row(type="command", program=sys.executable, args=["-c", code], **more)


@pytest.mark.spec("SLA-16", "SEC-3")
def test_a_command_gets_json_and_a_small_environment():
    """No shell; the parcel on stdin; what it prints is the receipt."""
    code = (
        "import json,os,sys; p=json.load(sys.stdin); "
        "print(p['number'], p['recipients'], os.environ['EXECUTORD_KEY'], 'SECRET' in os.environ)"
    )
    receipt = carry(command(code), environ={"SECRET": "x", "PATH": "/usr/bin"})
    assert receipt.said == "3 ['Ops <ops@acme.example>'] k-1 False"


@pytest.mark.spec("SLA-16")
@pytest.mark.parametrize(
    ("code", "how"),
    [("exit(75)", NotTaken), ("exit(65)", Refused), ("exit(1)", Unsure), ("import os; os.abort()", Unsure),
     ("import time; time.sleep(60)", Unsure)],
)  # fmt: skip
def test_what_the_exit_code_of_a_command_means(code: str, how: type[NotCarried]):
    """75 again, 65 never, anything else a doubt; one that does not end is ended."""
    with pytest.raises(how) as raised:
        carry(command(code, timeout_s=1))
    assert type(raised.value) is how


@pytest.mark.spec("SLA-16", "SEC-3")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; [sys.stdout.write('x' * 65536) for _ in iter(int, 1)]", "prints without end"),
        ("import sys, time; sys.stdout.write('x' * 9000); sys.stdout.flush(); time.sleep(60)", "did not end within"),
    ],
)
def test_what_a_command_prints_has_an_end(code: str, words: str):
    """Neither memory nor the channel's thread is at the mercy of a program."""
    with pytest.raises(Unsure, match=words):
        carry(command(code, timeout_s=2))


@pytest.mark.spec("SLA-16")
def test_a_command_need_not_read_nor_end_what_it_leaves_behind():
    """One that reads nothing of a long parcel, and one whose child keeps its output open: the exit code counts."""
    long = Parcel("k", "customer_update", {**UPDATE, "status": "x" * 500_000})
    assert carry(command("print('taken')", timeout_s=20), long).said == "taken"
    left = "import os, time; os.fork() or time.sleep(60); print('taken')"
    assert carry(command(left, timeout_s=20)).said == "taken"


@pytest.mark.spec("SLA-16")
def test_a_command_that_is_not_there():
    """It can be installed: tried again."""
    with pytest.raises(NotTaken, match="cannot be started"):
        carry(row(type="command", program="/nowhere/x"))


@pytest.mark.spec("SLA-16", "OPS-3", "OPS-15")
def test_the_notification_library_is_an_extra(monkeypatch):
    """Where it is missing the message names the extra."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(NotTaken, match=r"executord\[notify\]"):
        carry(row(type="slack", url="slack://x/y/z"))


@pytest.mark.spec("SLA-16", "OPS-15")
def test_the_notification_library_carries(http):
    """A channel of its own kinds goes through it."""
    pytest.importorskip("apprise")
    receiver = http(lambda _n: 200)
    url = receiver.url.replace("http://", "json://")
    assert carry(row(type="json", url=url)).said == "taken by json"
    assert receiver.taken[0]["title"].startswith("Checkout fails")
    with pytest.raises(Refused, match="none that"):
        carry(row(type="x", url="nonsense://x"))
    receiver.close()
    with pytest.raises(Unsure):
        carry(row(type="json", url=url))


# --- the outbox -----------------------------------------------------------------------------------------------


def job(channel: str = "mail", delivery: str = "at_least_once", key: str = "k-1") -> Job:
    """A parcel for the outbox."""
    return Job(Parcel(key, "customer_update", UPDATE, ("ops@acme.example",)), channel, delivery, "acme-42")


def wait(outbox: Outbox, n: int = 1, seconds: float = 10.0) -> list[Ended]:
    """The next n that end."""
    found: list[Ended] = []
    end = time.monotonic() + seconds
    while len(found) < n and time.monotonic() < end:
        found += outbox.ended()
        time.sleep(0.01)
    return found


@pytest.mark.spec("SLA-16")
def test_a_parcel_waits_for_its_line(smtp, tmp_path: Path):
    """Nothing is tried before `go`; then it is delivered, and forgotten once that is noted."""
    server = smtp()
    outbox = Outbox({"mail": mail(server)}, str(tmp_path))
    outbox.put(job())
    time.sleep(0.1)
    assert not server.taken
    assert outbox.known("k-1-1") == "waiting"
    outbox.go("k-1-1")
    (ended,) = wait(outbox)
    assert (ended.how, ended.tries, ended.said) == ("delivered", 1, "250 queued as 0")
    assert outbox.known("k-1-1") == ended
    outbox.forget("k-1-1")
    assert not list((tmp_path / "outbox").iterdir())
    outbox.stop()


@pytest.mark.spec("SLA-16")
def test_it_is_tried_again_with_growing_waits(smtp, tmp_path: Path):
    """Until it is taken, with the same key; or, with its tries used up, it has failed."""
    server = smtp(lambda word, _n: "451 later" if word == "RCPT" and len(server.commands) < 12 else None)
    outbox = Outbox({"mail": mail(server, retry="0.05 seconds")}, str(tmp_path))
    outbox.put(job())
    outbox.go("k-1-1")
    (ended,) = wait(outbox)
    assert ended.how == "delivered"
    assert ended.tries > 2
    assert server.keys() == {"k-1": 1}
    outbox.use({"mail": mail(smtp(lambda word, _n: "451 no" if word == "MAIL" else None), retry="10 ms", attempts=3)})
    outbox.put(job(key="k-2"))
    outbox.go("k-2-1")
    (ended,) = wait(outbox)
    assert (ended.how, ended.tries) == ("failed", 3)
    assert "3 tries" in ended.said
    outbox.stop()


@pytest.mark.spec("SLA-16")
@pytest.mark.parametrize(("delivery", "how", "n"), [("at_least_once", "delivered", 2), ("at_most_once", "doubtful", 1)])
def test_a_doubt_is_tried_again_or_not(smtp, tmp_path: Path, delivery: str, how: str, n: int):
    """By the channel's rule: the same key again, or nobody knows."""
    server = smtp(lambda word, k: "" if word == "." and k == 0 else None)
    outbox = Outbox({"mail": mail(server, retry="10 ms")}, str(tmp_path))
    outbox.put(job(delivery=delivery))
    outbox.go("k-1-1")
    (ended,) = wait(outbox)
    assert ended.how == how
    assert ended.tried_at is not None
    time.sleep(0.2)
    assert server.keys() == {"k-1": n}
    outbox.stop()


@pytest.mark.spec("SLA-16", "OPS-10")
def test_what_is_known_after_a_restart(smtp, tmp_path: Path):
    """A parcel that waited goes on; one that was being tried is known as such; how one ended is told again."""
    hung = smtp(slow_s=30.0)
    first = Outbox({"mail": mail(hung, timeout_s=60), "other": mail(smtp())}, str(tmp_path))
    for each in (job(key="waits"), job(key="tries", delivery="at_most_once"), job("other", key="done")):
        first.put(each)
    first.go("tries-1")
    first.go("done-1")
    wait(first)
    server = smtp()
    again = Outbox({"mail": mail(server), "other": mail(server)}, str(tmp_path))
    assert [again.known(k) for k in ("waits-1", "tries-1", "never-1")] == ["waiting", "trying", None]
    done = again.known("done-1")
    assert isinstance(done, Ended)
    assert done.how == "delivered"
    assert not again.busy
    again.go("waits-1")
    assert [e.how for e in wait(again)] == ["delivered"]
    doubt = again.doubt(job(key="tries", delivery="at_most_once"), NOW)
    assert (doubt.how, doubt.said) == ("doubtful", "the daemon ended in the middle of a try")
    assert again.doubt(job(key="never"), NOW).said == "the queue was lost"
    assert server.keys() == {"waits": 1}
    again.stop()


@pytest.mark.spec("SLA-16", "REL-4")
def test_a_channel_that_hangs_holds_up_no_other(smtp, tmp_path: Path):
    """One thread a channel; putting in takes no time."""
    hung, quick = smtp(slow_s=30.0), smtp()
    outbox = Outbox({"slow": mail(hung, timeout_s=60), "quick": mail(quick)}, str(tmp_path))
    begun = time.monotonic()
    for k in range(20):
        outbox.put(job("slow", key=f"s{k}"))
        outbox.go(f"s{k}-1")
    assert time.monotonic() - begun < 1.0
    outbox.put(job("quick", key="q"))
    outbox.go("q-1")
    assert [e.how for e in wait(outbox)] == ["delivered"]
    begun = time.monotonic()
    outbox.stop(0.2)
    assert time.monotonic() - begun < 2.0


@pytest.mark.spec("SLA-16")
def test_a_channel_that_is_gone_or_cannot_be_opened(smtp, tmp_path: Path):
    """A channel that the configuration no longer has fails its parcels; a template that is missing may come."""
    outbox = Outbox({"mail": mail(smtp(), template="/nowhere", attempts=2, retry="10 ms")}, str(tmp_path))
    outbox.put(job())
    outbox.go("k-1-1")
    outbox.put(job("gone", key="k-2"))
    outbox.go("k-2-1")
    ended = {e.job.parcel.key: e for e in wait(outbox, 2)}
    assert ended["k-1"].how == "failed"
    assert "template" in ended["k-1"].said
    assert ended["k-2"].how == "failed"
    assert ended["k-2"].fix
    outbox.stop()


@pytest.mark.spec("SLA-16", "OPS-10")
def test_torn_and_foreign_files_in_the_state_folder_say_nothing(tmp_path: Path):
    """They are left where they are."""
    (tmp_path / "outbox").mkdir()
    for name, text in (("a.json", "{"), ("b.json", "[]"), ("c.json", '{"job": 1}'), ("d.txt", "x")):
        (tmp_path / "outbox" / name).write_text(text)
    outbox = Outbox({}, str(tmp_path))
    assert outbox.jobs() == []
    assert not outbox.busy
