"""The files of a session in every shape they have in the wild, read into one plan, and what is wrong with them.

Counterpart: `sessions/folder.py`, which opens the files. Pure: what lies there in, a `Reading` out. All faults that
can still be found are listed, in the table's order [SES-3, SES-E3 … SES-E18].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from executord.team.plan import COMPLETIONS, RUNNABLE, Fault, Node, Plan, Role

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_PREFIX = re.compile(r"^(.*)-\d+[A-Za-z0-9]*$")
_INNER = re.compile(r"^\s*(?:[-*]\s*)?\**inner[_ ]?loop\**\s*:\s*\**\s*(true|false|yes|no)\b", re.I | re.M)
PHASES = ("Phase 2", "Phase 3", "Phase 4")
STATUSES = (
    "pending", "in_progress", "completed", "failed", "skipped", "timed_out", "partial_completion", "revised",
)  # fmt: skip
_ALIASES = {
    "done": "completed", "complete": "completed", "success": "completed", "running": "in_progress",
    "in-progress": "in_progress", "active": "in_progress", "blocked": "pending", "todo": "pending", "ready": "pending",
    "timeout": "timed_out", "error": "failed", "partial": "partial_completion", "waiting": "pending",
}  # fmt: skip

AGAIN = "re-run team-coordinate with the original task; it writes the session anew"
RESUME = "re-run team-coordinate with resume to repair the session"
BY_HAND = "fix it by hand, then run again"
PATH = "check the path: it is the folder that holds team-session.json"


@dataclass(frozen=True, slots=True)
class Paper:
    """A JSON file as it lies there: `there`, its `data`, or why it is corrupt; `twice` are keys that stand twice."""

    there: bool = False
    data: Any = None
    corrupt: str | None = None
    twice: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # dotted path of the object → its keys


@dataclass(frozen=True, slots=True)
class Spec:
    """A role-spec file: its front matter (None: it has none), and the titles of its sections."""

    path: str
    front: Mapping[str, Any] | None
    sections: tuple[str, ...] = ()
    role: str | None = None  # what a `# Role:` line says (older layout)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Papers:
    """What lies in a session's folder. `specs`: by file stem; None where there is no `role-specs/`."""

    session: Paper = field(default_factory=Paper)
    analysis: Paper = field(default_factory=Paper)
    tasks: Paper = field(default_factory=Paper)
    specs: Mapping[str, Spec] | None = None
    older: Mapping[str, Spec] = field(default_factory=dict)  # `roles/*.md`
    links: tuple[str, ...] = ()  # folders of the session that are links out of it


@dataclass(frozen=True, slots=True)
class Written:
    """A task as tasks.json shows it."""

    id: str
    status: str = "pending"
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One of `active_workers` or `active_agents`, which are one thing [SES-2]."""

    task: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a session's files say."""

    plan: Plan | None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    status: str = ""
    board: Mapping[str, Written] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    completed: tuple[str, ...] = ()  # `completed_tasks` of team-session.json


def safe(text: str) -> bool:
    """Whether an id is one safe segment of a path [SES-4]."""
    return len(text) <= 100 and ".." not in text and ID.match(text) is not None


def text_of(value: Any) -> str:
    """A scalar as text; empty for what is none."""
    if isinstance(value, bool) or value is None or isinstance(value, Mapping | list | tuple):
        return ""
    return str(value).strip()


def truth(value: Any) -> bool | None:
    """A yes or a no in any spelling, None for neither."""
    if isinstance(value, bool):
        return value
    return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
        str(value).strip().lower()
    )


def ids_of(value: Any) -> tuple[str, ...]:
    """A list of ids, whatever wrote it: texts, `{id}`, one text, or texts with commas between."""
    if value is None or isinstance(value, bool):
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip() and part.strip().lower() != "none")
    if isinstance(value, Mapping):
        return tuple(str(k) for k in value)
    if isinstance(value, Sequence):
        found = (each.get("id", each.get("task_id")) if isinstance(each, Mapping) else each for each in value)
        return tuple(dict.fromkeys(t for t in map(text_of, found) if t))
    return (text_of(value),) if text_of(value) else ()


def status_of(value: Any) -> str | None:
    """A task's status as one of the known words, None for an unknown one."""
    word = text_of(value).lower().replace(" ", "_")
    word = _ALIASES.get(word, word)
    return word if word in STATUSES else None


def first(data: Mapping[str, Any], *keys: str) -> Any:
    """The first of these keys that says something."""
    return next((data[k] for k in keys if data.get(k) not in (None, "", [], {})), None)


def read(papers: Papers) -> Reading:
    """The plan, and everything that is wrong."""
    faults: list[Fault] = []
    warnings: list[Fault] = []
    session = _mapping(papers.session, "team-session.json", ("SES-E3", "SES-E4"), faults)
    for name in ("session_id", "task_description", "team_name"):
        if session is not None and not text_of(session.get(name)):
            faults.append(_lacks("SES-E5", "team-session.json", name))
    status = text_of(session.get("status")).lower() if session is not None else ""
    if session is not None and status not in RUNNABLE:
        over = status in ("archived", "failed", "abandoned")
        hint = "it has ended; " + AGAIN if over else f"set status to {', '.join(RUNNABLE)}; {RESUME}"
        faults.append(Fault("SES-E6", "team-session.json has invalid status", "team-session.json", hint))
    given = _role_rows(session.get("roles")) if session is not None else {}
    if session is not None and not given:
        faults.append(_empty("SES-E7", "team-session.json"))
    analysis = _mapping(papers.analysis, "task-analysis.json", ("SES-E8", "SES-E9"), faults)
    for name, kinds in (("capabilities", (list, Mapping)), ("dependency_graph", (Mapping,))):
        if analysis is not None and not isinstance(analysis.get(name), kinds):
            faults.append(_lacks("SES-E10", "task-analysis.json", name))
    if analysis is not None and not _role_rows(analysis.get("roles")):
        faults.append(_empty("SES-E11", "task-analysis.json"))
    roles = _roles(papers, given, faults, warnings)
    board, entries = _board(papers.tasks, session or {}, warnings)
    nodes: dict[str, Node] = {}
    if analysis is not None and isinstance(analysis.get("dependency_graph"), Mapping):
        nodes = _graph(papers, analysis, roles, board, faults, complete=bool(given))
    _unsafe(session, nodes, roles, papers, faults)
    completion = text_of(session.get("completion_action")).lower() if session is not None else ""
    if completion and completion not in COMPLETIONS:
        text = f"unknown completion_action: {completion}; interactive is taken"
        warnings.append(Fault("SES-23", text, "team-session.json", f"use {', '.join(COMPLETIONS)}"))
        completion = "interactive"
    plan = None
    if session is not None:
        nodes = _with_extras(nodes, board, roles, warnings)
        plan = Plan(
            text_of(session.get("session_id")), text_of(session.get("team_name")),
            text_of(session.get("task_description")), roles, nodes, completion or None,
            _covers(analysis or {}, roles),
        )  # fmt: skip
    order = {fault_id: k for k, fault_id in enumerate(_ORDER)}
    faults.sort(key=lambda fault: order.get(fault.id, len(order)))
    completed = ids_of(session.get("completed_tasks")) if session is not None else ()
    return Reading(plan, tuple(faults), tuple(warnings), status, board, entries, completed)


_ORDER = [f"SES-E{k}" for k in range(1, 19)]


# --- the two required files -------------------------------------------------------------------------------------------


def _mapping(paper: Paper, name: str, ids: tuple[str, str], faults: list[Fault]) -> Mapping[str, Any] | None:
    if not paper.there:
        hint = AGAIN if name.startswith("task-") else f"{PATH}; or {AGAIN}"
        faults.append(Fault(ids[0], f"Invalid session: {name} missing", name, hint))
        return None
    if paper.corrupt is not None or not isinstance(paper.data, Mapping):
        why = paper.corrupt or "it is no JSON object"
        faults.append(Fault(ids[1], f"Invalid session: {name} corrupt", name, f"{BY_HAND} ({why}); or {RESUME}"))
        return None
    return paper.data


def _lacks(fault_id: str, name: str, what: str) -> Fault:
    return Fault(fault_id, f"{name} missing required field: {what}", name, f"add {what}: {BY_HAND}; or {RESUME}")


def _empty(fault_id: str, name: str) -> Fault:
    return Fault(fault_id, f"{name} missing or empty roles array", name, AGAIN)


def _role_rows(value: Any) -> dict[str, Mapping[str, Any]]:
    """Roles as texts, objects, or a mapping by name [SES-2]."""
    if isinstance(value, Mapping):
        value = [{"name": k, **v} if isinstance(v, Mapping) else {"name": k} for k, v in value.items()]
    if not isinstance(value, list):
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for each in value:
        row = each if isinstance(each, Mapping) else {"name": each}
        name = text_of(first(row, "name", "role", "id"))
        if name:
            found.setdefault(name, row)
    return found


# --- role-specs -------------------------------------------------------------------------------------------------------


def _roles(
    papers: Papers, given: Mapping[str, Mapping[str, Any]], faults: list[Fault], warnings: list[Fault]
) -> dict[str, Role]:
    older = papers.specs is None and bool(papers.older)
    if older:
        text = "older layout: roles/ is read in the place of role-specs/"
        warnings.append(Fault("SES-2", text, "roles", "team-coordinate writes role-specs/ today"))
    elif papers.specs is None:
        faults.append(Fault("SES-E12", "Invalid session: role-specs/ directory missing", "role-specs", AGAIN))
    elif not papers.specs:
        faults.append(Fault("SES-E13", "Invalid session: no role-spec files in role-specs/", "role-specs", AGAIN))
    specs = (papers.older if older else papers.specs) or {}
    found: dict[str, Role] = {}
    for name, row in given.items():
        spec = _spec_of(name, row, specs)
        if spec is None:
            found[name] = _role(name, row, None)
            if specs:
                path = f"role-specs/{name}.md"
                hint = f"write {path}, or {RESUME}"
                faults.append(Fault("SES-E14", f"Role-spec file not found: {path}", path, hint))
            continue
        found[name] = _role(name, row, spec)
        if not older:
            faults += _spec_faults(spec)
    if papers.specs is not None:
        for stem, spec in papers.specs.items():
            said = text_of((spec.front or {}).get("role")) or stem
            if not {said, stem} & set(found) and not list(_spec_faults(spec)):
                found[said] = _role(said, {}, spec)  # added by hand [SES-17]
    return found


def _spec_of(name: str, row: Mapping[str, Any], specs: Mapping[str, Spec]) -> Spec | None:
    said = text_of(first(row, "role_spec", "role_file", "spec"))
    stem = said.rsplit("/", 1)[-1].removesuffix(".md")
    if stem in specs and said.count("/") <= 1 and ".." not in said:
        return specs[stem]
    if name in specs:
        return specs[name]
    return next((s for s in specs.values() if name in (s.role, text_of((s.front or {}).get("role")))), None)


def _role(name: str, row: Mapping[str, Any], spec: Spec | None) -> Role:
    front = (spec.front if spec is not None else None) or {}
    loops = [truth(each) for each in (front.get("inner_loop"), row.get("inner_loop"))]
    return Role(
        name,
        text_of(first(row, "prefix")) or text_of(front.get("prefix")),
        spec.path if spec is not None else f"role-specs/{name}.md",
        text_of(first(row, "responsibility_type", "type")) or text_of(front.get("responsibility_type")),
        next((loop for loop in loops if loop is not None), False),
        bool(truth(first(row, "resident")) or truth(front.get("resident"))),
    )


def _spec_faults(spec: Spec) -> Iterator[Fault]:
    if spec.front is None:
        hint = "begin the file with `---`, role, prefix, inner_loop, message_types, `---`"
        if spec.fault is not None:
            hint = f"{spec.fault}; {hint}"
        yield Fault("SES-E15", f"Invalid role-spec: {spec.path} missing frontmatter", spec.path, hint)
    else:
        for name in ("role", "prefix", "inner_loop", "message_types"):
            value = spec.front.get(name)
            lacking = value is None or (isinstance(value, str) and not value.strip())
            if name == "inner_loop":
                lacking = truth(value) is None
            elif name == "message_types":
                lacking = not isinstance(value, Mapping | list)
            if lacking:
                text = f"Invalid role-spec: {spec.path} missing frontmatter field: {name}"
                yield Fault("SES-E16", text, spec.path, f"add `{name}:` to its front matter, or {RESUME}")
    for phase in PHASES:
        if phase not in spec.sections and spec.fault is None:
            text = f"Invalid role-spec: {spec.path} missing {phase}"
            yield Fault("SES-E17", text, spec.path, f"add a section `## {phase}: …`, or {RESUME}")


# --- tasks.json and the workers' entries ------------------------------------------------------------------------------


def board_rows(data: Any) -> dict[str, Mapping[str, Any]]:
    """The tasks of tasks.json: an array, an object with `tasks` (map or array), or a map by id [SES-2]."""
    if isinstance(data, Mapping):
        inner = data.get("tasks")
        if isinstance(inner, Mapping | list):
            data = inner
        else:
            data = {k: v for k, v in data.items() if isinstance(v, Mapping) or status_of(v) is not None}
            data = {k: v for k, v in data.items() if k not in _NO_TASKS}
    if isinstance(data, list):
        rows = [(text_of(first(each, "id", "task_id")), each) for each in data if isinstance(each, Mapping)]
        return {task_id: row for task_id, row in rows if task_id}
    if isinstance(data, Mapping):
        return {
            text_of(v.get("id")) or str(k) if isinstance(v, Mapping) else str(k): v
            if isinstance(v, Mapping) else {"status": v} for k, v in data.items()
        }  # fmt: skip
    return {}


_NO_TASKS = frozenset({
    "active_agents", "active_workers", "schema_version", "session_id", "status", "generated_by", "generated_at",
    "event", "meta", "metadata", "pipeline", "updated_at",
})  # fmt: skip


def _board(
    paper: Paper, session: Mapping[str, Any], warnings: list[Fault]
) -> tuple[dict[str, Written], tuple[Entry, ...]]:
    if paper.there and (paper.corrupt is not None or not isinstance(paper.data, Mapping | list)):
        text = f"tasks.json corrupt: {paper.corrupt or 'it is no object and no array'}; it is made again"
        warnings.append(Fault("SES-2", text, "tasks.json", "nothing to do: the old one is kept aside"))
    board: dict[str, Written] = {}
    for task_id, row in board_rows(paper.data).items():
        status = status_of(row.get("status", "pending"))
        if status is None:
            text = f"tasks.json: {task_id} has unknown status {row.get('status')!r}; pending is taken"
            warnings.append(Fault("SES-2", text, "tasks.json", f"use {', '.join(STATUSES)}"))
        board[task_id] = Written(task_id, status or "pending", row)
    agents = paper.data.get("active_agents") if isinstance(paper.data, Mapping) else None
    entries: dict[str, Entry] = {}
    for source in (session.get("active_workers"), session.get("active_agents"), agents):
        for entry in _entries(source, board):
            entries.setdefault(entry.task, entry)
    return board, tuple(entries.values())


def _entries(value: Any, board: Mapping[str, Written]) -> Iterator[Entry]:
    """`active_workers` (a list) or `active_agents` (a map; its values objects or texts)."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if isinstance(each, Mapping):
                task = text_of(first(each, "task_id", "task", "id")) or str(key)
                yield Entry(task, {"agent": str(key), **each})
            elif str(key) in board or text_of(each) not in board:
                yield Entry(str(key), {"agent": text_of(each)})  # task → agent
            else:
                yield Entry(text_of(each), {"agent": str(key)})  # agent → task
    elif isinstance(value, list):
        for each in value:
            if isinstance(each, Mapping):
                task = text_of(first(each, "task_id", "task", "id"))
                if task:
                    yield Entry(task, each)
            elif text_of(each):
                yield Entry(text_of(each))


# --- the graph --------------------------------------------------------------------------------------------------------


def _rows(value: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Tasks of task-analysis.json: an array, or a map by id."""
    if isinstance(value, Mapping):
        return [(str(k), v if isinstance(v, Mapping) else {}) for k, v in value.items()]
    if isinstance(value, list):
        rows = [(v if isinstance(v, Mapping) else {"id": v}) for v in value]
        return [(i, row) for row in rows if (i := text_of(first(row, "id", "task_id")))]
    return []


def _capabilities(analysis: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    value = analysis.get("capabilities")
    rows: Iterable[Any] = (
        [{"name": k, **v} if isinstance(v, Mapping) else {"name": k} for k, v in value.items()]
        if isinstance(value, Mapping)
        else value if isinstance(value, list) else ()
    )  # fmt: skip
    for each in rows:
        row = each if isinstance(each, Mapping) else {"name": each}
        name = text_of(first(row, "role", "name", "id"))
        if name:
            yield name, row


def _deps(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        return ids_of(first(value, "depends_on", "blockedBy", "blocked_by", "dependencies", "deps"))
    return ids_of(value)


def _graph(
    papers: Papers, analysis: Mapping[str, Any], roles: Mapping[str, Role], board: Mapping[str, Written],
    faults: list[Fault], *, complete: bool,
) -> dict[str, Node]:  # fmt: skip
    graph: Mapping[str, Any] = analysis["dependency_graph"]
    listed = _rows(analysis.get("tasks"))
    owned = {task_id: name for name, row in _capabilities(analysis) for task_id, _ in _rows(row.get("tasks"))}
    within = [task_id for _, row in _capabilities(analysis) for task_id, _ in _rows(row.get("tasks"))]
    details: dict[str, dict[str, Any]] = {}
    for source in (listed, [r for _, row in _capabilities(analysis) for r in _rows(row.get("tasks"))]):
        for task_id, row in source:
            details[task_id] = {**row, **details.get(task_id, {})}
    rows = papers.tasks.data
    array = rows if isinstance(rows, list) else rows.get("tasks") if isinstance(rows, Mapping) else None
    for names in (
        [*papers.analysis.twice.get("dependency_graph", ())],
        _twice(task_id for task_id, _ in listed),
        _twice(within),
        _twice(text_of(first(r, "id", "task_id")) for r in array if isinstance(r, Mapping))
        if isinstance(array, list) else [*papers.tasks.twice.get("tasks", ())],
    ):  # fmt: skip
        for task_id in names:
            _graph_fault(faults, f"Duplicate task ID: {task_id}")
    nodes: dict[str, Node] = {}
    homeless: list[str] = []
    for key, value in graph.items():
        row = {**details.get(key, {}), **(value if isinstance(value, Mapping) else {})}
        own = text_of(value.get("role")) if isinstance(value, Mapping) else ""
        said = dict(listed).get(key, {})
        there = board[key].fields if key in board else {}
        prefix = _PREFIX.match(key)
        role = (
            own
            or text_of(first(said, "owner", "role"))
            or text_of(first(there, "owner", "role"))
            or owned.get(key, "")
            or next((r.name for r in roles.values() if prefix and r.prefix and r.prefix.rstrip("-") == prefix[1]), "")
        )
        if complete and role not in roles:
            homeless.append(role or (prefix[1] if prefix else key))
        nodes[key] = _node(key, role, _deps(value), {**there, **row})
    _edges(nodes, faults)
    for name in dict.fromkeys(homeless):
        _graph_fault(faults, f"Role not found: {name}")
    return nodes


def _node(task_id: str, role: str, deps: tuple[str, ...], row: Mapping[str, Any]) -> Node:
    description = text_of(first(row, "description", "goal", "details"))
    said = truth(row.get("inner_loop")) if row.get("inner_loop") is not None else None
    line = _INNER.search(description)
    if line is not None:
        said = truth(line[1])
    return Node(
        task_id, role, deps,
        text_of(first(row, "title", "subject", "name")), description,
        text_of(first(row, "pipeline_phase", "phase", "wave", "stage")),
        ids_of(row.get("context_from")), said,
    )  # fmt: skip


def _graph_fault(faults: list[Fault], text: str) -> None:
    hint = f"correct dependency_graph in task-analysis.json: {BY_HAND}; or {AGAIN}"
    faults.append(Fault("SES-E18", text, "task-analysis.json", hint))


def _twice(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return list(dict.fromkeys(n for n in names if n and (n in seen or seen.add(n))))  # type: ignore[func-returns-value]


def _edges(nodes: Mapping[str, Node], faults: list[Fault]) -> None:
    unknown = dict.fromkeys(d for node in nodes.values() for d in node.deps if d not in nodes)
    for dep in unknown:
        _graph_fault(faults, f"Unknown dependency: {dep}")
    for node in nodes.values():
        if node.id in node.deps:
            _graph_fault(faults, f"Self-dependency: {node.id}")
    for ring in rings(nodes):
        _graph_fault(faults, f"Circular dependency detected involving: {', '.join(ring)}")


def rings(nodes: Mapping[str, Node]) -> list[list[str]]:
    """The dependency cycles of more than one task, each with its tasks in the graph's order; without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on: set[str] = set()
    found: list[list[str]] = []
    place = {task_id: k for k, task_id in enumerate(nodes)}
    for root in nodes:
        if root in index:
            continue
        work = [(root, 0)]
        while work:
            node, child = work.pop()
            if child == 0:
                index[node] = low[node] = len(index)
                stack.append(node)
                on.add(node)
            deps = [d for d in nodes[node].deps if d in nodes]
            for k in range(child, len(deps)):
                if deps[k] not in index:
                    work += [(node, k + 1), (deps[k], 0)]
                    break
                if deps[k] in on:
                    low[node] = min(low[node], index[deps[k]])
            else:
                if low[node] == index[node]:
                    group = []
                    while True:
                        group.append(stack.pop())
                        on.discard(group[-1])
                        if group[-1] == node:
                            break
                    if len(group) > 1:
                        found.append(sorted(group, key=place.__getitem__))
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
    return sorted(found, key=lambda ring: place[ring[0]])


def _with_extras(
    nodes: dict[str, Node], board: Mapping[str, Written], roles: Mapping[str, Role], warnings: list[Fault]
) -> dict[str, Node]:
    """Tasks that stand in tasks.json and not in the graph: tasks from now on, where their role is known."""
    for task_id, written in board.items():
        if task_id in nodes:
            continue
        row = written.fields
        role = text_of(first(row, "role", "owner"))
        deps = ids_of(first(row, "deps", "depends_on", "blockedBy", "blocked_by", "dependencies"))
        if not safe(task_id) or role not in roles or any(d not in nodes and d not in board for d in deps):
            if status_of(row.get("status")) not in ("completed", "skipped", "revised"):
                text = f"tasks.json: {task_id} is not in the graph, and its role or dependencies are not known"
                warnings.append(Fault("SES-5", text, "tasks.json", "it is left as it is and not executed"))
            continue
        nodes[task_id] = Node(**{**_as_dict(_node(task_id, role, deps, row)), "extra": True})
    return nodes


def _as_dict(node: Node) -> dict[str, Any]:
    return {name: getattr(node, name) for name in Node.__slots__}


def _unsafe(
    session: Mapping[str, Any] | None, nodes: Mapping[str, Node], roles: Mapping[str, Role], papers: Papers,
    faults: list[Fault],
) -> None:  # fmt: skip
    session_id = text_of(session.get("session_id")) if session is not None else ""
    for what, name in (("session_id", session_id), *(("task", i) for i in nodes), *(("role", r) for r in roles)):
        if name and not safe(name):
            hint = "an id is one name: letters, digits, `.`, `_`, `-`, and no `..`"
            faults.append(Fault("SES-4", f"Unsafe {what} id: {name}", None, hint))
    for link in papers.links:
        faults.append(Fault("SES-4", f"{link} leads out of the session", link, "put a real folder there"))


def _covers(analysis: Mapping[str, Any], roles: Mapping[str, Role]) -> dict[str, str]:
    """What each role can be asked for: its name, prefix and type, and the capabilities that name it [SES-17]."""
    found: dict[str, str] = {}
    for role in roles.values():
        for word in (role.name, role.prefix, role.kind):
            if word:
                found.setdefault(word.lower(), role.name)
    for name, row in _capabilities(analysis):
        if name in roles:
            for word in (text_of(row.get("name")), text_of(row.get("capability"))):
                if word:
                    found.setdefault(word.lower(), name)
    return found
