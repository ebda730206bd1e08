"""A session's folder, read: what lies there, as papers for `team.shapes` [SES-1 … SES-4].

Only reads, and only through the gate: a link, a pipe or a file without end is a fault of that file. Counterparts:
`team/shapes.py`, which makes sense of it; `hands.py`, which writes.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from executord.errors import NotYetWhole, Unreadable
from executord.paper import Limits, parse
from executord.paper.gate import open_file
from executord.team.papers import PATH, Paper, Papers, Reading, Spec, text_of
from executord.team.plan import Fault
from executord.team.shapes import read

JSON_BYTES = 8 << 20
SPEC_BYTES = 1 << 20
FOLDERS = (
    "role-specs", "roles", "discoveries", "artifacts", ".msg", "wisdom", "explorations", "discussions", ".executord",
)  # fmt: skip
_HEADING = re.compile(r"##\s+(Phase [234])\b")
_FENCE = re.compile(r"(```|~~~)")
_FENCE_END = re.compile(r"(```|~~~)[`~]*\s*\Z")
_ROLE = re.compile(r"#\s*Role:(.+)", re.I)
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.M | re.S)
NO_SESSION = Fault(
    "SES-E1", "Session required. Usage: --session=<path-to-TC-folder>", None,
    "name the folder that team-coordinate made",
)  # fmt: skip


def find_session(given: str) -> str | None:
    """The session's folder, absolute: the path itself, or where `run.run_dir` points [SES-2]; None: no folder."""
    path = os.path.realpath(given)
    if os.path.isfile(path) and os.path.basename(path) == "team-session.json":
        path = os.path.dirname(path)
    if not os.path.isdir(path):
        return None
    for place in _pointed(path):
        inner = os.path.join(place, "work", "team")
        if os.path.isfile(os.path.join(inner, "team-session.json")):
            return os.path.realpath(inner)
    inner = os.path.join(path, "work", "team")
    if not os.path.lexists(os.path.join(path, "team-session.json")) and os.path.isdir(inner):
        return os.path.realpath(inner)
    return path


def _pointed(path: str) -> Iterator[str]:
    """The run folders that the files of a session, or of a run, speak of."""
    for name in ("team-session.json", "run.json", "session.json", "run-session.json"):
        paper = read_json(os.path.join(path, name))
        data = paper.data if isinstance(paper.data, Mapping) else {}
        run = data.get("run")
        said = text_of(run.get("run_dir")) if isinstance(run, Mapping) else ""
        said = said or text_of(data.get("run_dir"))
        if said:
            place = os.path.realpath(os.path.join(path, said))
            if place != path and os.path.isdir(place):
                yield place


def read_json(path: str, limit: int = JSON_BYTES) -> Paper:
    """A JSON file; whatever is wrong with it is told by the paper."""
    try:
        raw = open_file(path, limit=limit).raw
    except FileNotFoundError:
        return Paper()
    except (Unreadable, NotYetWhole, OSError) as error:
        return Paper(True, None, getattr(error, "message", None) or str(error))
    return parse_json(raw)


def parse_json(raw: bytes) -> Paper:
    """The same for bytes. Keys that stand twice are told by where they stand."""
    twice: list[tuple[dict[str, Any], tuple[str, ...]]] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            seen: set[str] = set()
            again = [k for k, _ in pairs if k in seen or seen.add(k)]  # type: ignore[func-returns-value]
            twice.append((made, tuple(dict.fromkeys(again))))
        return made

    try:
        data = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=mapping)
    except RecursionError:
        return Paper(True, None, "it is nested too deeply")
    except (ValueError, MemoryError) as error:
        return Paper(True, None, str(error).splitlines()[0][:200])
    named: dict[str, tuple[str, ...]] = {}
    if isinstance(data, dict):
        for made, keys in twice:
            for key, value in (("", data), *data.items()):
                if value is made:
                    named[key] = keys
    return Paper(True, data, None, named)


def papers(path: str) -> Papers:
    """Everything that the plan is made of."""
    return Papers(
        read_json(f"{path}/team-session.json"),
        read_json(f"{path}/task-analysis.json"),
        read_json(f"{path}/tasks.json"),
        _specs(path, "role-specs"),
        _specs(path, "roles") or {},
        tuple(name for name in FOLDERS if os.path.islink(f"{path}/{name}")),
    )


def read_session(path: str) -> Reading:
    """The plan of the session in this folder, and what is wrong with it."""
    return read(papers(path))


def verdict(given: str | None) -> tuple[str | None, Reading]:
    """What `session validate` finds, with the folder where there is one. Reads only."""
    if not given:
        return None, Reading(None, (NO_SESSION,))
    path = find_session(given)
    if path is None:
        return None, Reading(None, (Fault("SES-E2", f"Session directory not found: {given}", given, PATH),))
    return path, read_session(path)


def _specs(path: str, folder: str) -> dict[str, Spec] | None:
    full = f"{path}/{folder}"
    if os.path.islink(full) or not os.path.isdir(full):
        return None
    try:
        names = sorted(n for n in os.listdir(full) if n.endswith(".md") and not n.startswith("."))
    except OSError:
        return None
    return {name.removesuffix(".md"): _spec(f"{full}/{name}", f"{folder}/{name}") for name in names}


def _spec(full: str, shown: str) -> Spec:
    try:
        raw = open_file(full, limit=SPEC_BYTES).raw
    except (Unreadable, NotYetWhole, OSError) as error:
        return Spec(shown, None, fault=getattr(error, "message", None) or str(error))
    text = raw.decode("utf-8", "replace")
    found = _FRONT.match(text)
    front: Mapping[str, Any] | None = None
    fault = None
    if found is not None:
        try:
            front = parse(found[1].encode(), limits=Limits()).data or {}
        except Unreadable as error:
            fault = error.message
    lines = _unfenced((text[found.end() :] if found is not None else text).split("\n"))
    roles = (hit[1].strip() for line in lines if (hit := _ROLE.match(line)) is not None)
    sections = tuple(dict.fromkeys(hit[1] for line in lines if (hit := _HEADING.match(line)) is not None))
    return Spec(shown, front if fault is None else None, sections, next((role for role in roles if role), None))


def _unfenced(lines: list[str]) -> list[str]:
    """The lines that stand in no fenced block; a fence that is not closed opens none. Each line is looked at once."""
    ends: dict[str, deque[int]] = {"```": deque(), "~~~": deque()}
    for k, line in enumerate(lines):
        if (end := _FENCE_END.match(line)) is not None:
            ends[end[1]].append(k)
    kept: list[str] = []
    k = 0
    while k < len(lines):
        fence = _FENCE.match(lines[k])
        later = ends[fence[1]] if fence is not None else deque()
        while later and later[0] <= k:
            later.popleft()
        if later:
            k = later[0]
        else:
            kept.append(lines[k])
        k += 1
    return kept
