"""E-mail over SMTP [SLA-16].

The commands are given one by one, because it matters at which of them a connection breaks: before the end of the
message nothing was taken, after it nobody knows.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import smtplib
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import BinaryIO

from executord.channels.base import NotTaken, Parcel, Receipt, Refused, Unsure, said
from executord.channels.patience import within
from executord.channels.secrets import read_secret
from executord.channels.templates import body, subject
from executord.settings import ChannelRow

IMPLICIT_TLS = 465
LONGEST_ANSWER = 64 * 1024  # bytes, to one command
_ADDRESS = re.compile(r"[^\s<>@,;\"]+@[^\s<>@,;\"]+")


def addresses(text: str) -> tuple[str, ...]:
    """The addresses in a text such as `Jane Doe <jane@acme.example>, ops@acme.example`."""
    return tuple(dict.fromkeys(_ADDRESS.findall(text)))


class _Lines:
    """What a server says, read by lines, as long as one answer stays short."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.left = file, LONGEST_ANSWER

    def readline(self, most: int) -> bytes:
        """The next line. Raises OSError where the answer has become too long."""
        line = self._file.readline(most)
        self.left -= len(line)
        if self.left < 0:
            raise OSError(f"its answer has more than {LONGEST_ANSWER} bytes")
        return line

    def close(self) -> None:
        """No more."""
        self._file.close()


class _Brief(smtplib.SMTP):
    """A server each of whose answers has to be there in time, however slowly it comes, and ends before it is long."""

    def getreply(self) -> tuple[int, bytes]:
        """The answer to the last command."""
        with within(self.timeout, self.sock):
            if self.sock is not None:
                if self.file is None:
                    self.file = _Lines(self.sock.makefile("rb"))
                self.file.left = LONGEST_ANSWER
            return super().getreply()


class _BriefTls(_Brief, smtplib.SMTP_SSL):
    """The same, encrypted from the start."""


class Mail:
    """One SMTP server."""

    def __init__(self, row: ChannelRow, template: str | None, environ: Mapping[str, str]) -> None:
        self._row, self._template, self._environ = row, template, environ

    def carry(self, parcel: Parcel, now: datetime) -> Receipt:
        """Hand one message to the server; it is for all recipients or for none."""
        row = self._row
        to = tuple(_ascii(a) for text in (row.to or parcel.recipients) for a in addresses(text))
        sender = next((_ascii(a) for a in addresses(row.sender or row.user or "")), None)
        if not to:
            raise Refused("there is no address to send it to", fix="give the customer a contact, or the channel `to:`")
        if sender is None:
            raise Refused("the channel has no sender's address", fix="add `from:` to the channel")
        try:
            data = self._message(parcel, sender, to, now).as_bytes(policy=SMTP)
        except (ValueError, LookupError) as error:
            raise Refused(f"no mail can be made of it: {said(error)}", fix="check `from:` and `subject:`") from None
        server = self._connect()
        try:
            return self._hand_over(server, sender, to, data)
        finally:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.close()

    def _message(self, parcel: Parcel, sender: str, to: tuple[str, ...], now: datetime) -> EmailMessage:
        message = EmailMessage()
        domain = sender.rpartition("@")[2]
        message["From"] = _one_line(self._row.sender or sender)
        message["To"] = ", ".join(to)
        message["Subject"] = subject(parcel, self._row.subject)
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{parcel.key}@{domain}>"
        about = parcel.facts.get("instruction_id")
        if about is not None:  # so that a mail program shows what belongs together as one conversation
            thread = hashlib.sha256(str(about).encode(errors="surrogatepass")).hexdigest()[:32]
            message["References"] = f"<{thread}@{domain}>"
        message["Idempotency-Key"] = parcel.key
        message.set_content(body(parcel, self._template), charset="utf-8", cte="quoted-printable")
        return message

    def _connect(self) -> smtplib.SMTP:
        """A server that has said hello, encrypted and logged in as configured."""
        row = self._row
        if row.host is None:
            raise Refused("the channel names no server", fix="add `host:` to the channel")
        context = ssl.create_default_context() if row.tls else None
        server: smtplib.SMTP | None = None
        try:
            if context is not None and row.port == IMPLICIT_TLS:
                server = _BriefTls(row.host, row.port, timeout=row.timeout_s, context=context)
            else:
                server = _Brief(row.host, row.port or (587 if row.tls else 25), timeout=row.timeout_s)
                server.ehlo_or_helo_if_needed()
                if context is not None:
                    server.starttls(context=context)
            if row.user and row.password_file:
                server.login(row.user, read_secret(row.password_file, self._environ))
            server.ehlo_or_helo_if_needed()
        except smtplib.SMTPResponseException as error:  # its text is the server's; a login's holds no password
            _close(server)
            raise NotTaken(f"{row.host} said {error.smtp_code} {said(error.smtp_error)}") from None
        except smtplib.SMTPNotSupportedError as error:
            _close(server)
            raise NotTaken(f"{row.host}: {said(error)}", fix="check tls and user of the channel") from None
        except (OSError, smtplib.SMTPException) as error:
            _close(server)
            raise NotTaken(f"{row.host} cannot be reached: {said(error)}") from None
        except NotTaken:
            _close(server)
            raise
        return server

    def _hand_over(self, server: smtplib.SMTP, sender: str, to: tuple[str, ...], data: bytes) -> Receipt:
        host = self._row.host
        try:
            _accepted(server.mail(sender), f"{host}, sender {sender}")
            for each in to:
                _accepted(server.rcpt(each), f"{host}, {each}")
            code, answer = server.docmd("DATA")
            if code != 354:
                _accepted((code, answer), str(host))
                raise NotTaken(f"{host} said {code} {said(answer)} to DATA")
        except (OSError, smtplib.SMTPException) as error:
            raise NotTaken(f"{host}: the connection broke before the message: {said(error)}") from None
        try:
            server.send(_stuffed(data))
            code, answer = server.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise Unsure(f"{host}: the connection broke after the message: {said(error)}") from None
        _accepted((code, answer), str(host))
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.docmd("QUIT")
        return Receipt(f"{code} {said(answer)}")


def _stuffed(data: bytes) -> bytes:
    """The message as it goes over the wire: lines end in CRLF, a dot at the begin of one is doubled, a dot ends it."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    lines = re.sub(rb"(?m)^\.", b"..", lines)
    return lines + (b"" if lines.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _accepted(reply: tuple[int, bytes], who: str) -> None:
    """Nothing, if the server said yes; what it said means that nothing was taken."""
    code, answer = reply
    if 200 <= code < 300:
        return
    text = f"{who}: {code} {said(answer)}"
    if 500 <= code < 600:
        raise Refused(text, fix="correct the address, or ask who runs the server")
    raise NotTaken(text)


def _close(server: smtplib.SMTP | None) -> None:
    if server is not None:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.close()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _ascii(address: str) -> str:
    """The address as every server takes it. Raises `Refused` where its local part needs more than ASCII."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local.encode('ascii').decode()}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise Refused(f"{address} is not an address that every server takes", fix="give one in ASCII") from None
