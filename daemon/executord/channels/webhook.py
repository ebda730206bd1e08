"""A webhook: JSON over HTTP, signed, with an idempotency key [SLA-16, OPS-15].

Signed as in Standard Webhooks: `webhook-signature: v1,` and the base64 of the HMAC-SHA256 over `{webhook-id}.
{webhook-timestamp}.{body}` in one piece. The key that makes a repeat recognisable stands in `webhook-id` and in
`idempotency-key`. A redirect is not followed: the body was meant for this address.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import SplitResult, urlsplit

from executord.channels.base import NotTaken, Parcel, Receipt, Refused, Unsure, said
from executord.channels.patience import within
from executord.channels.secrets import read_secret
from executord.channels.templates import content_of
from executord.settings import ChannelRow

LONGEST_ANSWER = 4096  # bytes
LONGEST_WAIT_S = 3600.0
_AGAIN = frozenset((408, 425, 429, 503))  # the other side says itself that it has not taken it
_PREFIX = "whsec_"


class Webhook:
    """One address."""

    def __init__(self, row: ChannelRow, template: str | None, environ: Mapping[str, str]) -> None:
        self._row, self._template, self._environ = row, template, environ

    def carry(self, parcel: Parcel, now: datetime) -> Receipt:
        """One POST."""
        target = self._target()
        if target.scheme not in ("http", "https") or not target.hostname:
            raise Refused("the channel's url is not one of http or https", fix="use https://…")
        if target.scheme == "http" and self._row.tls and not _loopback(target.hostname):
            raise Refused("the channel's url is not encrypted", fix="use https://…, or say `tls: false`")
        data = self._json(parcel)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "executord",
            "Idempotency-Key": parcel.key,
            "Webhook-Id": parcel.key,
            "Webhook-Timestamp": str(int(now.timestamp())),
        }
        if self._row.secret_file:
            secret = key_of(read_secret(self._row.secret_file, self._environ))
            headers["Webhook-Signature"] = signature(secret, parcel.key, headers["Webhook-Timestamp"], data)
        host = target.hostname
        try:
            port = target.port
        except ValueError:
            raise Refused("the channel's url has no valid port", fix="use https://host:port/…") from None
        if target.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=self._row.timeout_s, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._row.timeout_s)
        try:
            try:
                connection.connect()
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise NotTaken(f"{host} cannot be reached: {said(error)}") from None
            path = (target.path or "/") + (f"?{target.query}" if target.query else "")
            if target.username is not None:
                pair = f"{target.username}:{target.password or ''}".encode()
                headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
            try:
                with within(self._row.timeout_s, connection.sock):
                    connection.request("POST", path, data, headers)
                    answer = connection.getresponse()
                    text = _read(answer)
            except ValueError:  # a character that no request may hold; its text would show the address
                raise Refused("the channel's url holds what no address may hold", fix="encode it") from None
            except (OSError, http.client.HTTPException) as error:
                raise Unsure(f"{host}: the connection broke after the request: {said(error)}") from None
            return _judged(host, answer, text)
        finally:
            connection.close()

    def _target(self) -> SplitResult:
        url = read_secret(self._row.url_file, self._environ) if self._row.url_file else self._row.url
        if not url:
            raise Refused("the channel has no address", fix="add `url:` or `url_file:` to the channel")
        try:
            return urlsplit(url.strip())
        except ValueError:
            raise Refused("the channel's url is not one", fix="use https://…") from None

    def _json(self, parcel: Parcel) -> bytes:
        content = content_of(parcel, self._row, self._template)
        return json.dumps(content, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")


def _read(answer: http.client.HTTPResponse) -> bytes:
    """What it says beside its status; where that breaks off the status counts all the same."""
    try:
        return answer.read(LONGEST_ANSWER)
    except (OSError, http.client.HTTPException):
        return b""


def key_of(secret: str) -> bytes:
    """The bytes that sign: of a `whsec_…` what its base64 holds, else the text itself."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise NotTaken("the secret begins with whsec_ and is not base64", fix="copy it again") from None
    return secret.encode()


def signature(secret: bytes, key: str, timestamp: str, data: bytes) -> str:
    """What stands in `Webhook-Signature`."""
    digest = hmac.new(secret, f"{key}.{timestamp}.".encode() + data, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _judged(host: str, answer: http.client.HTTPResponse, text: bytes) -> Receipt:
    code = answer.status
    words = f"{code} {said(text) or answer.reason}"
    if 200 <= code < 300:
        return Receipt(words, said(answer.getheader("X-Request-Id") or "") or None)
    if code in _AGAIN:
        raise NotTaken(f"{host} said {words}", after_s=_after(answer.getheader("Retry-After")))
    if code >= 500:  # it may have been done before it went wrong
        raise Unsure(f"{host} said {words}")
    raise Refused(f"{host} said {words}", fix="check the channel's url and secret with who runs the receiver")


def _after(text: str | None) -> float | None:
    if text is None or not text.strip().isdecimal():
        return None
    return min(float(text), LONGEST_WAIT_S)


def _loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
