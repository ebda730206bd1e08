"""The pages: what each shows, filled into its template [OPS-16].

Counterparts: `views/`, where all of it comes from; `templates/`, how it looks. Everything that people wrote is escaped
by the templates' engine. A page is kept until the tree is looked at again, for whoever else asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jinja2

from executord import __version__
from executord.case.casebook import Case
from executord.errors import ExecutordError, NotFound, Unreadable
from executord.files import journal
from executord.pen import dump
from executord.rules import incident
from executord.service import Service
from executord.standards import ready
from executord.values import read_stamp, stamp
from executord.views import chronicle, delivered, explain, outlook, overview, shelves, warroom
from executord.views.clockfaces import slack, span
from executord.views.sla_report import BY, silent, sla_report
from executord.web import files, graph
from executord.web.addresses import Filed, Served
from executord.web.lookout import Lookout

SHOWN_LINES = 200
"""Lines of a journal that a page shows; `executord timeline` has them all."""
PERIODS = (("the last 7 days", timedelta(days=7)), ("the last 30 days", timedelta(days=30)), ("ever", None))
_STUCK = frozenset({"held", "escalated", "blocked", "on_hold", "rework"})
_OVER = ("closed", "not_ours")
_NEVER = datetime.max.replace(tzinfo=UTC)

Segments = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page as bytes; `print` tells what its main part says from anything else."""

    html: bytes
    print: str


class Pages:
    """All pages of one tree. `live`: they are served, and a script may bring them up to date."""

    def __init__(self, lookout: Lookout, *, live: bool, archive: Callable[[], Iterable[Case]] = tuple) -> None:
        self.lookout = lookout
        self._live, self._archive = live, archive
        self._kept: dict[Segments, Page] = {}
        self._turn = -1
        self._around: dict[str, Any] = {}  # what lies around the instructions
        self._journal: tuple[str, list[dict[str, Any]]] | None = None
        self._env = jinja2.Environment(
            loader=jinja2.PackageLoader("executord.web"), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._env.filters |= {"words": words, "when": when, "span": span}

    def page(self, segments: Segments) -> Page:
        """The page at this address. Raises `NotFound`."""
        began = self.lookout.clock.monotonic()
        self.lookout.look()
        self._renew()
        found = self._kept.get(segments)
        if found is None:
            found = self._kept[segments] = self.render(segments)
            self.lookout.rest(self.lookout.clock.monotonic() - began)
        return found

    def _renew(self) -> None:
        """Forget what was made of an earlier look."""
        if self.lookout.turn == self._turn:
            return
        self._turn = self.lookout.turn
        self._kept.clear()
        self._journal = None
        root = self.lookout.root
        self._around = {
            "daemon": shelves.daemon(root),
            "rejected": shelves.rejected(root),
            "left_alone": shelves.left_alone(root),
            "sessions": overview.sessions(self._tree),
        }

    def render(self, segments: Segments) -> Page:
        """The page at this address as of the last look. Raises `NotFound`."""
        self._renew()
        match segments:
            case ():
                return self._fill(segments, "board.html", self._board())
            case ("agents",):
                return self._fill(segments, "agents.html", {"agents": self._agents()})
            case ("incidents",):
                return self._fill(segments, "incidents.html", {"incidents": warroom.rows(self._tree)})
            case ("sla",):
                return self._fill(segments, "sla.html", self._sla())
            case ("incident", named):
                return self._fill(segments, "incident.html", self._incident(named))
            case ("case", case_id):
                return self._fill(segments, "case.html", self._case(case_id))
            case ("case", case_id, "task", task):
                return self._fill(segments, "task.html", self._task(case_id, task))
            case ("case", case_id, "file", *parts) if parts:
                return self._fill(segments, "file.html", self._file(case_id, parts))
            case _:
                raise NotFound("there is no such page")

    def every(self) -> Iterator[Segments]:
        """The addresses of all pages, for an export."""
        yield from ((), ("agents",), ("incidents",), ("sla",))
        yield from dict.fromkeys(("incident", row["incident_id"]) for row in warroom.rows(self._tree))
        for case_id in self.lookout.ids():
            yield ("case", case_id)
            yield from (("case", case_id, "task", task["id"]) for task in self.lookout.case(case_id)["tasks"])
            shown = (each for each in files.listing(self.lookout.root, case_id)[0] if each.is_text)
            yield from (("case", case_id, "file", *each.parts) for each in shown)

    def trouble(self, title: str, text: str) -> bytes:
        """A page that says why there is none."""
        self._renew()
        return self._fill((), "trouble.html", {"heading": title, "text": text}).html

    def _fill(self, segments: Segments, template: str, shown: Mapping[str, Any]) -> Page:
        way = Served() if self._live else Filed(segments)
        facts = {
            **shown, "link": way.link, "asset": way.asset, "here": segments, "live": self._live, "version": __version__,
            "now": self.lookout.now, "at": stamp(self.lookout.now), "memory": self.lookout.root,
            "daemon": self._around["daemon"],
        }  # fmt: skip
        main = self._env.get_template(template).make_module(facts)
        print_ = hashlib.sha256(_bytes(str(main))).hexdigest()[:16]
        whole = self._env.get_template("base.html").render(facts, main=main, title=vars(main)["title"], print=print_)
        return Page(_bytes(whole), print_)

    # -- what is shown -------------------------------------------------------------------------------------

    @property
    def _tree(self) -> Service:
        return self.lookout.service

    def _late_at(self, case_id: str) -> datetime | None:
        case = self.lookout.service.cases.get(case_id)
        return slack(case, self.lookout.policy) if case is not None else None

    def _board(self) -> dict[str, Any]:
        rows = sorted(self.lookout.cases(), key=lambda each: (self._late_at(each["id"]) or _NEVER, each["id"]))
        shown = [{**each, "late_at": self._late_at(each["id"]), **_counted(each)} for each in rows]
        return {
            **self._around,
            "open": [each for each in shown if each["phase"] not in _OVER],
            "over": [each for each in shown if each["phase"] in _OVER],
            "blockers": [(each["id"], row) for each in rows for row in each["blockers"]],
            "stuck": [(each["id"], task) for each in rows for task in each["tasks"] if task["state"] in _STUCK],
            "freed": _freed(rows),
            "problems": [row for each in rows for row in each["problems"]],
            "late": [row for each in rows for row in shelves.late(self.lookout.root, each["id"])],
        }

    def _agents(self) -> list[dict[str, Any]]:
        holds: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        for each in self.lookout.cases():
            for task in each["tasks"]:
                if task["agent"] is not None and task["folder"] == "in_progress":
                    holds.setdefault(task["agent"], []).append((each["id"], task))
        places = self._tree.places
        return [
            {**agent, "holds": holds.get(agent["name"], ()), "paused": agent["name"] in places.paused}
            for agent in overview.agents(self._tree, self.lookout.now)
        ]

    def _known(self, case_id: str) -> tuple[Case | None, dict[str, Any]]:
        """The case, None if it cannot be read, and how it is shown."""
        try:
            return self.lookout.service.cases.get(case_id), self.lookout.case(case_id)
        except KeyError:
            raise NotFound(f"there is no instruction {case_id!r} here") from None

    def _case(self, case_id: str) -> dict[str, Any]:
        case, view = self._known(case_id)
        found, more = files.listing(self.lookout.root, case_id)
        shown: dict[str, Any] = {
            "case": {**view, "late_at": self._late_at(case_id)}, "freed": _freed([view]), "files": found,
            "more_files": more, "drawing": None, "after": {}, "titles": {}, "states": {}, "gate": (), "ready": False,
            "answers": (), "lines": (), "earlier": 0, "fault": None, "coming": (), "incidents": (),
        }  # fmt: skip
        if case is None:
            return shown
        after = {t.id: [*t.spec.requires, *t.spec.after] for t in case.in_order()}
        table = delivered.table(self._tree, case, self.lookout.now)
        shown |= {
            "after": after,
            "drawing": graph.draw(list(after), after),
            "titles": {t["id"]: t["title"] for t in view["tasks"]},
            "states": {t["id"]: t["state"] for t in view["tasks"]},
            "gate": [each.row() for each in table],
            "ready": ready(table),
            "coming": outlook.to_come(self._tree, self.lookout.now, [case_id])[:SHOWN_LINES],
            "incidents": warroom.rows(self._tree, (case_id,)),
        }
        try:
            entries = self._entries(case_id)
        except Unreadable as error:
            return {**shown, "fault": str(error)}
        answers = explain.case_answers(case, entries, self.lookout.policy)
        lines = [chronicle.line_of(case_id, e) for e in entries if chronicle.is_line(e)]
        return {
            **shown,
            "answers": [each.view() for each in answers],
            "lines": lines[-SHOWN_LINES:][::-1],
            "earlier": max(len(lines) - SHOWN_LINES, 0),
        }

    def _task(self, case_id: str, named: str) -> dict[str, Any]:
        case, view = self._known(case_id)
        task = case.tasks.get(named) if case is not None else None
        row = next((each for each in view["tasks"] if each["id"] == named), None)
        if case is None or task is None or row is None:
            raise NotFound(f"{case_id} has no task {named!r}")
        prospect = outlook.prospects(self._tree, self.lookout.now).get((case_id, task.id))
        try:
            entries, fault = self._entries(case_id), None
        except Unreadable as error:
            entries, fault = [], str(error)
        answers = explain.task_answers(case, task, entries, self.lookout.policy, prospect)
        lines = [chronicle.line_of(case_id, e) for e in entries if chronicle.is_line(e) and e.get("task") == task.id]
        return {
            "case": view, "task": row, "spec": task.spec, "after": [*task.spec.requires, *task.spec.after],
            "known": {each["id"] for each in view["tasks"]}, "answers": [each.view() for each in answers],
            "clocks": [c for c in view["clocks"] if c["task"] == task.id],
            "lines": lines[-SHOWN_LINES:][::-1], "earlier": max(len(lines) - SHOWN_LINES, 0), "fault": fault,
        }  # fmt: skip

    def _entries(self, case_id: str) -> list[dict[str, Any]]:
        """The journal of a case; that of the last one asked for is kept, for its tasks are asked for next."""
        if self._journal is None or self._journal[0] != case_id:
            self._journal = (case_id, journal.read(f"{self.lookout.root}/{case_id}").entries)
        return self._journal[1]

    def _file(self, case_id: str, parts: Sequence[str]) -> dict[str, Any]:
        _, view = self._known(case_id)
        shown: dict[str, Any] = {"case": view, "path": "/".join(parts), "text": None, "fault": None}
        try:
            shown["text"] = files.text(self.lookout.root, case_id, parts)
        except NotFound:
            raise
        except ExecutordError as error:
            shown["fault"] = f"{error.message}; {error.fix}" if error.fix else error.message
        return shown

    def _incident(self, named: str) -> dict[str, Any]:
        found = warroom.find(self._tree, named)
        if found is None or found[1].id != named:
            raise NotFound(f"there is no incident {named!r} here")
        whole = incident.view(*found)
        return {
            "incident": whole,
            "faults": warroom.verify(self._tree, *found),
            "source": dump({k: whole[k] for k in ("cadence", "retrospective", "prevention_plan")}).decode(),
        }

    def _sla(self) -> dict[str, Any]:
        now, policy = self.lookout.now, self.lookout.policy
        cases = [*self.lookout.service.cases.values(), *self._archive()]
        periods = []
        for name, length in PERIODS:
            made = sla_report(cases, policy, now, begin=now - length if length is not None else None)
            periods.append((name, made["groups"][0]))
        month = now - timedelta(days=30)
        by = [(each, _speaking(sla_report(cases, policy, now, begin=month, by=each))) for each in BY]
        whole = sla_report(cases, policy, now, begin=month)
        return {
            "periods": periods, "by": by, "breaches": whole["breaches"][::-1], "wrongful": whole["wrongful_pauses"],
            "here_ids": set(self.lookout.ids()), "count": len(cases),
        }  # fmt: skip


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _counted(view: Mapping[str, Any]) -> dict[str, Any]:
    """How many tasks lie where, which limit comes next, and which have passed."""
    folders = [task["folder"] for task in view["tasks"]]
    counts = {folder: folders.count(folder) for folder in ("pending", "in_progress", "completed")}
    running = [c for c in view["clocks"] if c["state"] == "running" and c["due"] is not None]
    late = [c for c in view["clocks"] if c["state"] == "breached" and c["stopped"] is None]
    first = min(running, key=lambda clock: read_stamp(clock["due"]), default=None)
    return {"counts": counts, "clock": first, "late_clocks": late}


def _freed(views: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str | None, Segments], list[str]]:
    """What stands still and who may free it → the messages by which they can."""
    found: dict[tuple[str, str | None, Segments], list[str]] = {}
    for each in views:
        for row in each["freed_by"]:
            found.setdefault((each["id"], row["task"], tuple(row["from"])), []).append(row["type"])
    return found


def _speaking(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The groups of a report in which anything happened."""
    return [
        group
        for group in report["groups"]
        if not silent({**report, "groups": [group], "breaches": (), "wrongful_pauses": ()})
    ]


def words(text: object) -> str:
    """A word of the data for people: `in_progress` → `in progress`."""
    return str(text).replace("_", " ") if text is not None else "–"


def when(at: str | datetime | None) -> str:
    """An instant for people, in UTC: `2026-11-20 09:12`."""
    if at is None:
        return "–"
    return f"{read_stamp(at) if isinstance(at, str) else at:%Y-%m-%d %H:%M}"
