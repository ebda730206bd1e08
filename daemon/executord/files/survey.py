"""What lies among an instruction's outputs for its deliverable [DEL-2, MEM-19, MEM-23]: read, judged, never changed.

Counterparts: `evidence.py`, the same for the files of one claim; `completeness.py`, which judges; `rules/delivery.py`,
which puts what is seen here into the journal. What lies there is looked at again only when something has changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from executord import deliverables
from executord.case import Task
from executord.case.casebook import Case
from executord.case.products import Aside, Gap, OutputFile, Source, Survey
from executord.completeness import components_of, judge, keyed
from executord.deliverables import Component, Deliverable
from executord.errors import NotYetWhole, Unreadable
from executord.paper import Limits, parse
from executord.paper.gate import Identity, identity_of, moment_of, open_file
from executord.parcel import mark
from executord.pen import printable
from executord.posts import ANSWERS, done_attempt, result_path
from executord.values import agent_name

#: In the order of trust [DEL-2].
TRUST = ("record", "components", "task", "key", "file")
MOST_FILES = 2000
_OURS = b"\ngenerated_by: executord\n"
_OUR_NAMES = re.compile(
    r"(?:journal(?:\..*)?|progress|incident.*|update-.*|.*\.attempt-(?:\d+|none)(?:\.late(?:-\d+)?)?(?:~\d+)?|.*\.cycle-\d+(?:~\d+)?)"
    r"\.yaml\Z"
)
_FROM = re.compile(r"(?P<stem>.+)\.from-(?P<agent>[\w-]+)(?:~\d+)?\.ya?ml\Z")
_YAML = (".yaml", ".yml")
_TEXT = (".md", ".txt", ".csv", ".rst", ".html", ".json")


@dataclass(frozen=True, slots=True)
class _Look:
    """One file as it lies there."""

    size: int
    sha256: str
    at: datetime
    ours: bool = False
    data: Any = None
    text: str | None = None
    fault: str | None = None


class Surveyor:
    """Looks at the outputs of one tree's instructions. `root` is absolute."""

    def __init__(self, root: str, limits: Limits) -> None:
        self._root, self._limits = root, limits
        self._last: dict[str, tuple[Any, Survey]] = {}

    def forget(self, case_id: str) -> None:
        """The case is gone."""
        self._last.pop(case_id, None)

    def survey(self, case: Case, now: datetime) -> Survey:
        """What lies there for the case's deliverable; the same value as long as nothing has changed."""
        head = case.head
        kind = deliverables.named(head.deliverable_type) or deliverables.TYPES[deliverables.DEFAULT]
        results = {result_path(t) for t in case.tasks.values()}
        there = dict(self._walk(case.id, results))
        there |= {path: identity for path in self._extras(case) if (identity := self._identity(case.id, path))}
        print_ = (
            kind, tuple(sorted(there.items())), mark(case), tuple(head.delivery.finals.items()),
            self._final_in_the_way(case.id), case.extras,
        )  # fmt: skip
        known = self._last.get(case.id)
        if known is not None and known[0] == print_:
            return replace(known[1], n=case.n)
        seen = self._look(case, kind, there, now)
        self._last[case.id] = (print_, seen)
        return seen

    def finals(self, case: Case) -> Survey:
        """Whether the files of a hand-off that is out are as they were written; only looked at when they changed."""
        kept = case.head.delivery.finals
        there = tuple((name, self._identity(case.id, f"outputs/final/{name}")) for name in sorted(kept))
        print_ = ("finals", there, tuple(kept.items()))
        known = self._last.get(case.id)
        if known is not None and known[0] == print_:
            return replace(known[1], n=case.n)
        changed = tuple(
            name for name in sorted(kept) if not self._same(case.id, f"outputs/final/{name}", kept[name].sha256)
        )
        seen = Survey(n=case.n, type=case.head.deliverable_type or "", changed=changed)
        self._last[case.id] = (print_, seen)
        return seen

    def _same(self, case_id: str, path: str, sha256: str) -> bool:
        try:
            raw = open_file(f"{self._root}/{case_id}/{path}", limit=64 << 20).raw
        except (Unreadable, NotYetWhole, OSError):
            return False
        return hashlib.sha256(raw).hexdigest() == sha256

    # -- what is there ---------------------------------------------------------------------------------------

    def _identity(self, case_id: str, path: str) -> Identity | None:
        try:
            status = os.lstat(f"{self._root}/{case_id}/{path}")
        except OSError:
            return None
        return identity_of(status)

    def _walk(self, case_id: str, results: Collection[str]) -> Iterator[tuple[str, Identity]]:
        """The files in `outputs/`; of those that are no results of ours so many as anybody would look at."""
        base = f"{self._root}/{case_id}"
        count = 0
        for folder, folders, names in os.walk(f"{base}/outputs"):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for name in sorted(names):
                path = os.path.relpath(f"{folder}/{name}", base)
                if name.startswith(".") or _is_view(path):
                    continue
                if path not in results:
                    count += 1
                    if count > 3 * MOST_FILES:
                        continue
                identity = self._identity(case_id, path)
                if identity is not None:
                    yield path, identity

    @staticmethod
    def _extras(case: Case) -> list[str]:
        """Files in `tasks/completed/` that complete nothing [MEM-19], from the case's folder."""
        return [path.removeprefix(f"{case.id}/") for path in case.extras]

    def _final_in_the_way(self, case_id: str) -> str | None:
        for path in ("outputs", "outputs/final"):
            try:
                mode = os.lstat(f"{self._root}/{case_id}/{path}").st_mode
            except OSError:
                return None
            if not stat.S_ISDIR(mode):
                what = "a link" if stat.S_ISLNK(mode) else "a file"
                return f"{path} is {what}, not a folder: move it away"
        return None

    def _read(self, case_id: str, path: str, now: datetime) -> _Look:
        full = f"{self._root}/{case_id}/{path}"
        try:
            status = os.lstat(full)
            opened = open_file(full, limit=64 << 20).raw
        except (Unreadable, NotYetWhole, OSError) as error:
            return _Look(0, "", now, fault=f"it cannot be read: {_said(error)}")
        at = min(moment_of(status.st_mtime_ns), now)
        digest = hashlib.sha256(opened).hexdigest()
        if not opened:
            return _Look(0, digest, at, fault="it is empty")
        data = text = fault = None
        small = len(opened) <= max(self._limits.bytes, 32 << 20 if _OURS in opened else 0)
        if path.endswith(_YAML) and small:
            try:
                data = parse(opened, path=path, limits=Limits(bytes=32 << 20, nodes=5_000_000)).data
            except Unreadable as error:
                fault = f"it does not parse: {error.message}" + (f" (line {error.line})" if error.line else "")
        if data is None and path.endswith((*_TEXT, *_YAML)) and len(opened) <= self._limits.bytes:
            text = opened.decode("utf-8", "replace")
        return _Look(len(opened), digest, at, _OURS in opened, data, text, fault)

    # -- what it means ---------------------------------------------------------------------------------------

    def _look(self, case: Case, kind: type[Deliverable], there: dict[str, Identity], now: datetime) -> Survey:
        read, lies = partial(self._read, case.id, now=now), partial(self._lies, case.id)
        found = _Findings(case, kind, there, now, read, lies, partial(self._free, case.id))
        found.in_results()
        found.in_claims()
        found.elsewhere()
        return found.survey(self._final_in_the_way(case.id))

    def _lies(self, case_id: str, path: str) -> bool:
        return os.path.isfile(f"{self._root}/{case_id}/{path}")

    def _free(self, case_id: str, path: str) -> str:
        stem = path.removesuffix(".yaml")
        k, name = 1, path
        while os.path.lexists(f"{self._root}/{case_id}/{name}"):
            k += 1
            name = f"{stem}~{k}.yaml"
        return name


class _Findings:
    """What is found among the outputs of one case, file by file; each is read but once.

    `there` are the files, from the case's folder; `read` reads one of them; `lies` says whether one lies anywhere in
    that folder; `free` gives a name under which nothing lies.
    """

    def __init__(
        self,
        case: Case,
        kind: type[Deliverable],
        there: Mapping[str, Identity],
        now: datetime,
        read: Callable[[str], _Look],
        lies: Callable[[str], bool],
        free: Callable[[str], str],
    ) -> None:
        self._case, self._kind, self._there = case, kind, there
        self._read, self._lies, self._free = read, lies, free
        self._nothing = _Look(0, "", now, fault="it does not exist")
        self._looks: dict[str, _Look] = {}
        self._results = {result_path(t): t for t in case.tasks.values()}
        self._sources: list[Source] = []
        self._extras: list[OutputFile] = []
        self._gaps: list[Gap] = []
        self._asides: list[Aside] = []
        self._changed: list[str] = []

    def survey(self, blocked: str | None) -> Survey:
        """All of it; `blocked`: why nothing can be written where the hand-off belongs."""
        return Survey(
            n=self._case.n,
            type=self._kind.type,
            sources=tuple(sorted(self._sources, key=_rank)),
            extras=tuple(self._extras),
            gaps=tuple(self._gaps),
            asides=tuple(self._asides),
            changed=tuple(sorted(self._changed)),
            blocked=blocked,
        )

    def in_results(self) -> None:
        """The results of tasks that have ended: what is missing, what was edited since, what components they hold."""
        for path, task in self._results.items():
            if task.ended is None or task.result_owed:
                continue
            if path not in self._there:
                self._gaps.append(Gap(path, "it is not there", task.id, _agent(task)))
            elif task.ended.state == "completed":
                found = self._look(path)
                if found.fault is not None:
                    self._gaps.append(Gap(path, found.fault, task.id, _agent(task)))
                elif task.result is not None and found.sha256 != task.result.sha256:  # edited since: it counts so
                    self._extras.append(OutputFile(path, found.size, found.sha256, task.id, _agent(task)))
                self._sources += _of_result(self._kind, task, path, found, self._as_file)

    def in_claims(self) -> None:
        """The files that verified claims named and that are not as they should be."""
        for task in self._case.tasks.values():
            if task.ended is None or task.ended.state != "completed":
                continue
            done = done_attempt(task)
            for file in done.claim.files if done is not None and done.claim is not None else ():
                fault = None
                if file.path in self._there:
                    fault = self._look(file.path).fault
                elif not self._lies(file.path):
                    fault = "it is not there any more"
                if fault is not None:
                    self._gaps.append(Gap(file.path, fault, task.id, _agent(task)))

    def elsewhere(self) -> None:
        """Everything else, and whether what we handed off is as we wrote it."""
        finals = {f"outputs/final/{name}": final for name, final in self._case.head.delivery.finals.items()}
        ours = {f"outputs/final/{name}" for name in final_names(self._kind)}
        for path in sorted(self._there):
            name = path.rsplit("/", 1)[-1]
            if path in self._results or name == ".gitkeep" or _is_ours(path):
                continue
            if path in finals and self._look(path).sha256 == finals[path].sha256:
                continue
            found = self._look(path)
            if path in ours:
                if path in finals:
                    self._changed.append(name)
                by = _by_whom(name, found)
                aside = self._free(f"outputs/partial/{_stem(name)}.from-{_segment(by)}.yaml")
                self._asides.append(Aside(path, aside, by))
            elif path.startswith(f"outputs/partial/{ANSWERS}"):
                self._sources += _of_answer(self._kind, path, found, self._as_file)
            elif not (found.ours and path.endswith(_YAML)):
                self._of_somebody(path, name, found)
        self._changed += [path.rsplit("/", 1)[-1] for path in finals if path not in self._there]

    def _of_somebody(self, path: str, name: str, found: _Look) -> None:
        """A file that somebody laid there: of a task, where its name says so."""
        task_id = _task_of(self._case, path)
        named = self._case.tasks.get(task_id) if task_id is not None else None
        by = _by_whom(name, found) or (_agent(named) if named is not None else None)
        if found.fault is None and len(self._extras) < MOST_FILES:
            self._extras.append(OutputFile(printable(path), found.size, found.sha256, task_id, by))
        self._sources += _of_file(self._kind, path, found, named, by)

    def _look(self, path: str) -> _Look:
        if path not in self._looks:
            self._looks[path] = self._read(path)
        return self._looks[path]

    def _as_file(self, name: str, task_id: str | None) -> tuple[OutputFile, _Look]:
        """The file that a content names, and what lies there."""
        path = name.removeprefix(f"{self._case.id}/")
        found = self._look(path) if path in self._there else self._nothing
        return OutputFile(path, found.size, found.sha256, task_id), found


def final_names(kind: type[Deliverable]) -> tuple[str, ...]:
    """The names in `outputs/final/` that are ours."""
    return (f"{kind.type}.yaml", "execution_summary.yaml", "resolution_report.yaml", "handoff.yaml")


def _is_view(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return path.startswith("outputs/partial/") and name in ("progress.yaml", "journal.yaml") and path.count("/") == 2


def _is_ours(path: str) -> bool:
    """Whether the name is one of ours; what lay on it and was set aside is somebody's again [MEM-23]."""
    name = path.rsplit("/", 1)[-1]
    if not path.startswith("outputs/partial/") or path.count("/") != 2 or _FROM.match(name):
        return False
    return bool(_OUR_NAMES.match(name))


def _rank(source: Source) -> Any:
    """The most trusted first; among equals the one that was verified later."""
    at = source.at or datetime.min.replace(tzinfo=UTC)
    return (
        source.component,
        TRUST.index(source.source),
        -at.timestamp() if source.at else 0.0,
        source.path,
        str(source.keys),
    )


#: The file that a content names, and what lies there.
AsFile = Callable[[str, str | None], tuple[OutputFile, _Look]]


def _judged(component: Component, content: Any, task_id: str | None, as_file: AsFile) -> dict[str, Any]:
    """What is to be said of a content in a source; one that only names a file is that file [DEL-3]."""
    name = deliverables.file_named(content)
    if name is None:
        judged = judge(component, content)
        return {"refused": judged.refused, "waived": judged.waived, "lacks": judged.lacks}
    file, found = as_file(name, task_id)
    if found.fault is not None:
        return {"refused": f"{printable(file.path)}: {found.fault}"}
    inner = found.data if found.data is not None else found.text
    judged = judge(component, inner if inner is not None else {"files": [file.path]})
    return {"refused": judged.refused, "lacks": judged.lacks, "files": (file,)}


def _of_result(kind: type[Deliverable], task: Task, path: str, found: _Look, as_file: AsFile) -> Iterator[Source]:
    """The components in a verified result, each once, from where it is trusted most."""
    data = found.data
    if not isinstance(data, dict):
        return
    done = done_attempt(task)
    at = task.ended.at if task.ended is not None else None
    files = data.get("files") if isinstance(data.get("files"), list) else []

    def source(name: str, word: str, keys: tuple[str | int, ...], content: Any, **more: Any) -> Source:
        return Source(
            name, word, path, found.sha256, keys, task.id, done.agent if done is not None else None,
            done.n if done is not None else None, at,
            **(_judged(kind.components[name], content, task.id, as_file) | more),
        )  # fmt: skip

    given: set[str] = set()
    for name, (keys, content) in components_of(data.get("components")).items():
        if name in kind.components:
            given.add(name)
            yield source(name, "components", ("components", *keys), content)
    wanted = deliverables.word(task.spec.component) if task.spec.component else ""
    if wanted in kind.components and wanted not in given:
        given.add(wanted)
        if data.get("output") is not None:
            inner = keyed(data["output"], (wanted,)).get(wanted)
            keys, content = (("output", *inner[0]), inner[1]) if inner is not None else (("output",), data["output"])
            yield source(wanted, "task", keys, content)
        elif files:
            named = tuple(
                OutputFile(f["path"], f["size"], f["sha256"], task.id)
                for f in files
                if isinstance(f, dict) and "path" in f
            )
            yield source(wanted, "task", (), {"files": [f.path for f in named]}, files=named)
        else:
            yield source(wanted, "task", ("summary",), data.get("summary"))
    for name, (keys, content) in keyed(data.get("output"), kind.components).items():
        if name not in given:
            yield source(name, "key", ("output", *keys), content)


def _of_answer(kind: type[Deliverable], path: str, found: _Look, as_file: AsFile) -> Iterator[Source]:
    """The components of an answer to a `component_request`, kept in a file of ours."""
    data = found.data if isinstance(found.data, dict) else {}
    at = _moment(data.get("at"))
    for name, (keys, content) in components_of(data.get("components")).items():
        if name in kind.components:
            yield Source(
                name, "components", path, found.sha256, ("components", *keys), data.get("task_id"), data.get("by"),
                None, at, **_judged(kind.components[name], content, data.get("task_id"), as_file),
            )  # fmt: skip


def _of_file(kind: type[Deliverable], path: str, found: _Look, task: Task | None, by: str | None) -> Iterator[Source]:
    """The components in an extra file: by its keys, or the file itself by its name [MEM-19, MEM-23]."""
    attempt = done_attempt(task).n if task is not None and done_attempt(task) is not None else None  # type: ignore[union-attr]
    stem = deliverables.word(_stem(path.rsplit("/", 1)[-1]))

    def source(name: str, keys: tuple[str | int, ...], content: Any, **more: Any) -> Source:
        judged = judge(kind.components[name], content)
        return Source(
            name, "file", path, found.sha256, keys, task.id if task is not None else None, by, attempt, found.at,
            refused=found.fault or judged.refused, waived=judged.waived, lacks=judged.lacks, **more,
        )  # fmt: skip

    if found.data is not None:
        inner = components_of(found.data.get("components"))
        given = {n: (("components", *keys), content) for n, (keys, content) in inner.items() if n in kind.components}
        for name, place in keyed(found.data, kind.components).items():
            given.setdefault(name, place)
        for name, (keys, content) in given.items():
            yield source(name, keys, content)
        if stem in kind.components and stem not in given:
            yield source(stem, (), found.data)
        return
    if stem in kind.components:
        named = (OutputFile(path, found.size, found.sha256, task.id if task is not None else None, by),)
        yield source(stem, (), found.text if found.text is not None else {"files": [path]}, files=named)


def _task_of(case: Case, path: str) -> str | None:
    parts = path.split("/")
    return parts[2] if len(parts) > 3 and parts[1] == "partial" and parts[2] in case.tasks else None


def _agent(task: Task) -> str | None:
    done = done_attempt(task)
    return done.agent if done is not None else task.spec.assignee


def _by_whom(name: str, found: _Look) -> str | None:
    hit = _FROM.match(name)
    if hit is not None:
        return hit["agent"] if hit["agent"] != "unknown" else None
    if isinstance(found.data, dict) and not found.ours:
        for key in ("from", "agent", "by", "author"):
            said = found.data.get(key)
            if isinstance(said, str) and said.strip():
                return agent_name(said.splitlines()[0]) or None
    return None


def _segment(by: str | None) -> str:
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in (by or "").lower())
    return safe[:60] or "unknown"


def _stem(name: str) -> str:
    hit = _FROM.match(name)
    return hit["stem"] if hit is not None else name.rsplit(".", 1)[0]


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None


def _said(error: Exception) -> str:
    return str(getattr(error, "message", None) or getattr(error, "strerror", None) or error)
