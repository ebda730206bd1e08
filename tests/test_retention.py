"""Days of `.processed/` that are old enough lie in one stream each, byte for byte [MEM-20]."""

from __future__ import annotations

import io
import os
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from executord.files.disk import Disk
from executord.files.retention import pack, unpack

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SHELF = "_communication/inbox/executor/.processed"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """An old day with odd bytes, and a young one."""
    place = tmp_path / SHELF
    for day in ("2026-08-01", "2026-11-19"):
        (place / day).mkdir(parents=True)
        (place / day / "a.yaml").write_bytes(b"type: done\nfrom: x")
        (place / day / "b.json").write_bytes(b'{"type": "ack"}\n\n--- # not the end\n')
    return place


@pytest.mark.spec("MEM-20")
def test_an_old_day_is_packed_byte_for_byte_and_a_young_one_is_not(shelf: Path, tmp_path: Path) -> None:
    """Every byte comes out of the stream again; the stream is YAML for whoever reads it as such."""
    assert pack(Disk(str(tmp_path)), NOW) == [f"{SHELF}/2026-08-01.yaml"]
    assert sorted(p.name for p in shelf.iterdir()) == ["2026-08-01.yaml", "2026-11-19"]
    stream = (shelf / "2026-08-01.yaml").read_bytes()
    assert list(unpack(io.BytesIO(stream))) == [
        ("a.yaml", b"type: done\nfrom: x"),
        ("b.json", b'{"type": "ack"}\n\n--- # not the end\n'),
    ]
    assert {"type": "done", "from": "x"} in list(yaml.safe_load_all(stream))
    assert pack(Disk(str(tmp_path)), NOW) == []


@pytest.mark.spec("MEM-20", "SEC-0")
def test_what_only_has_the_name_of_a_stream_is_not_read_whole(shelf: Path, tmp_path: Path) -> None:
    """A gigabyte of nothing lies where the stream would be: it stays, the day stays, both are told."""
    with open(shelf / "2026-08-01.yaml", "wb") as file:
        file.truncate(1 << 30)
    told: list[str] = []
    tracemalloc.start()
    try:
        assert pack(Disk(str(tmp_path)), NOW, cannot=lambda *both: told.append(": ".join(both))) == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert told == [f"{SHELF}/2026-08-01: there is no head of a packed file at byte 0"]
    assert (shelf / "2026-08-01" / "a.yaml").exists()
    assert most < 1 << 20


@pytest.mark.spec("MEM-20", "REL-1")
def test_a_file_that_grows_while_it_is_read_is_not_taken_away(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is not all of it: it stays for another day, the others of its day are packed."""
    real, grows = os.fstat, shelf / "2026-08-01" / "a.yaml"

    def fstat(fd: int) -> os.stat_result:
        status = real(fd)
        if os.readlink(f"/proc/self/fd/{fd}") == str(grows):
            with open(grows, "ab") as file:
                file.write(b"more\n")
        return status

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fstat)
        assert pack(Disk(str(tmp_path)), NOW) == [f"{SHELF}/2026-08-01.yaml"]
    assert [name for name, _ in unpack(io.BytesIO((shelf / "2026-08-01.yaml").read_bytes()))] == ["b.json"]
    assert grows.read_bytes().startswith(b"type: done\nfrom: xmore\n")


@pytest.mark.spec("MEM-20", "REL-2")
def test_dying_anywhere_in_packing_loses_no_byte(shelf: Path, tmp_path: Path) -> None:
    """Killed before each disk operation and run again, the stream is the same and the day is gone."""
    before = {p: p.read_bytes() for p in shelf.rglob("*") if p.is_file()}
    for k in range(12):
        for path, data in before.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        stream = shelf / "2026-08-01.yaml"
        stream.unlink(missing_ok=True)
        if (child := os.fork()) == 0:
            left = [k]

            def die(_op: str, _path: str, left: list[int] = left) -> None:
                if left[0] == 0:
                    os._exit(9)
                left[0] -= 1

            pack(Disk(str(tmp_path), before=die), NOW)
            os._exit(0)
        os.waitpid(child, 0)
        pack(Disk(str(tmp_path)), NOW)
        packed = dict(unpack(io.BytesIO(stream.read_bytes())))
        assert packed == {p.name: d for p, d in before.items() if "08-01" in str(p)}
        assert not (shelf / "2026-08-01").exists()
