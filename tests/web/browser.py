"""Chromium, driven by `browse.mjs`; and what `make browser` puts in place for it.

Chromium is the system's; playwright-core and axe-core come from npm into `build/browser`, never for the whole machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODULES = HERE.parent.parent / "build" / "browser"
PACKAGES = ("playwright-core@1", "axe-core@4")
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
INSTALL_S, BROWSE_S = 480, 300


def chromium() -> str | None:
    """The browser of this machine."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def missing() -> str | None:
    """Why nothing can be shown in a browser here."""
    if chromium() is None:
        return "there is no Chromium here (Debian: package chromium)"
    if shutil.which("node") is None:
        return "there is no node here (Debian: package nodejs)"
    if not all((MODULES / "node_modules" / name.split("@")[0]).is_dir() for name in PACKAGES):
        return "playwright-core and axe-core are not in build/browser: `make browser` puts them there"
    return None


def browse(
    visits: Sequence[Mapping[str, Any]], folder: Path, ready: Mapping[str, Callable[[], object]] | None = None
) -> list[dict[str, Any]]:
    """What the browser found at each visit; `ready`: what is done when a visit gives this signal."""
    order = folder / "order.json"
    order.write_text(json.dumps({"modules": str(MODULES), "chromium": chromium(), "visits": list(visits)}))
    process = subprocess.Popen(
        ["timeout", str(BROWSE_S), "node", str(HERE / "browse.mjs"), str(order)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = []
    assert process.stderr is not None
    for line in process.stderr:
        if (do := (ready or {}).get(line.strip())) is not None:
            do()
        else:
            said.append(line)
    out, _ = process.communicate()
    assert process.returncode == 0, "".join(said)
    found: list[dict[str, Any]] = json.loads(out)
    return found


def main() -> None:
    """Put in place what is missing, where that is possible; what cannot be had is said, and skips tests."""
    if chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", "chromium")):
            subprocess.run(["apt-get", *words], env=environ, timeout=INSTALL_S, check=False, stdout=subprocess.DEVNULL)
    if shutil.which("npm"):
        MODULES.mkdir(parents=True, exist_ok=True)
        words = ("--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(MODULES))
        subprocess.run(["npm", "install", *words, *PACKAGES], timeout=INSTALL_S, check=False)
    print(missing() or f"{chromium()}, with what is in {MODULES}", file=sys.stderr)


if __name__ == "__main__":
    main()
