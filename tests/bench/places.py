"""Where a row is measured: a fresh ext4 image mounted by loop, else tmpfs, else a given folder.

A fresh file system for each row, because some root file systems create files many times slower after many deletions.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IMAGE_GIB = 6  # sparse: only what is written takes room


@dataclass(frozen=True, slots=True)
class Place:
    """An empty folder to measure in, and in words on what it lies."""

    path: Path
    file_system: str


class Places:
    """Gives each row its own place. `folder` given: below it, on whatever file system it lies."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._loops = folder is None and can_mount()

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Place]:
        """An empty place, gone afterwards."""
        if self._loops:
            with _image() as path:
                yield Place(path, "ext4 on a loop-mounted image (journal, barriers)")
            return
        base = self._folder or (Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir()))
        path = Path(tempfile.mkdtemp(prefix="executord-bench-", dir=base))
        try:
            yield Place(path, f"{file_system_of(path)} at {base}")
        finally:
            shutil.rmtree(path, ignore_errors=True)


def can_mount() -> bool:
    """Whether an image can be made and mounted here, by trying it."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or shutil.which("mount") is None:
        return False
    try:
        with _image():
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextlib.contextmanager
def _image() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="executord-bench-"))
    image, mount = folder / "image", folder / "mount"
    mount.mkdir()
    try:
        with image.open("wb") as file:
            file.truncate(IMAGE_GIB << 30)
        _call("mkfs.ext4", "-q", "-F", "-i", "4096", str(image))
        _call("mount", "-o", "loop,relatime", str(image), str(mount))
        try:
            shutil.rmtree(mount / "lost+found", ignore_errors=True)
            yield mount
        finally:
            if subprocess.run(["umount", str(mount)], check=False, stderr=subprocess.DEVNULL).returncode:
                subprocess.run(["umount", "-l", str(mount)], check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def file_system_of(path: Path) -> str:
    """The type of the file system that a folder lies on."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, kind = line.split()[:3]
        inside = str(path) == mount or str(path).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) > len(best[0]):
            best = (mount, kind)
    return best[1]
