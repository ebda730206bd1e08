"""Secrets: read from a file or a systemd credential when they are needed, and nowhere kept or shown [OPS-9, SEC-3].

A name without a slash is a credential (`LoadCredential=`), where the service manager has given us any.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping

from executord.channels.base import NotTaken

LONGEST = 64 << 10  # bytes


def place_of(name: str, environ: Mapping[str, str]) -> str:
    """The file in which a secret lies."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder and "/" not in name:
        return os.path.join(folder, name)
    return os.path.expanduser(name)


def read_secret(name: str, environ: Mapping[str, str]) -> str:
    """The secret, without the newline at its end.

    Raises `NotTaken` where it cannot be read: a file can be mended, so it is tried again.
    """
    path = place_of(name, environ)
    try:
        data = file_bytes(path, LONGEST)
    except OSError as error:
        raise NotTaken(f"the secret {path} cannot be read: {error.strerror}", fix="check its name and mode") from error
    if len(data) > LONGEST:
        raise NotTaken(f"the secret {path} has more than {LONGEST} bytes", fix="is it the right file?")
    text = data.decode("utf-8", "replace").rstrip("\r\n")
    if not text:
        raise NotTaken(f"the secret {path} is empty", fix="write the secret into it")
    return text


def file_bytes(path: str, longest: int) -> bytes:
    """What the configuration names is read, links followed, but nothing is waited for: at most a byte more than that.

    Raises OSError, also for anything that is no regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        return file.read(longest + 1)
