"""The folders that the settings lead to: the memory, and the state of one memory.

Counterparts: `places.py`, what lies in a memory; `reading.py`, where `memory` and `state` are read.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Final

from executord.errors import BadConfiguration, NotFound
from executord.settings.model import Settings

MEMORY: Final = "./Agent_Memory"


def memory_folder(settings: Settings, flag: str | None) -> str:
    """The memory's absolute path: --memory, else `EXECUTORD_MEMORY` or `memory`, else ./Agent_Memory [CON-1].

    Raises NotFound (exit 66) if there is no such folder.
    """
    folder = os.path.abspath(os.path.expanduser(flag or settings.memory or MEMORY))
    if not os.path.isdir(folder):
        raise NotFound("there is no memory here", path=folder, code="CON-1", fix="`executord init PATH` makes one")
    return folder


def state_folder(settings: Settings, flag: str | None, environ: Mapping[str, str], memory_root: str) -> str:
    """The absolute path of the state folder, which is made by who first writes there [OPS-10].

    --state, else `state` of the configuration, else systemd's STATE_DIRECTORY, else by root in XDG state: two trees
    never share one. Raises BadConfiguration for one inside the memory [MEM-2].
    """
    systemd = environ.get("STATE_DIRECTORY", "").split(":")[0]
    root = os.path.realpath(memory_root)
    if named := flag or settings.state or systemd:
        folder = os.path.abspath(os.path.expanduser(named))
        if os.path.commonpath((os.path.realpath(folder), root)) == root:
            raise BadConfiguration(
                "the state folder lies in the memory, where we write nothing of the kind", path=folder, code="OPS-10",
                fix="name a folder outside of it",
            )  # fmt: skip
        return folder
    slug = re.sub(r"[^A-Za-z0-9]+", "-", root).strip("-").lower()[-60:].strip("-") or "root"
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
    home = environ.get("HOME") or os.path.expanduser("~")
    base = environ.get("XDG_STATE_HOME") or ""
    if not os.path.isabs(base):  # the XDG specification: a relative path is to be ignored
        base = os.path.join(home, ".local", "state")
    return os.path.join(base, "executord", f"{slug}-{digest}")
