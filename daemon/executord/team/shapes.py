"""The files of a session in every shape they have in the wild, read into one plan, and what is wrong with them.

Pure: what lies there in (`papers.py`), a `Reading` out. All faults that can still be found are listed, in the table's
order [SES-3, SES-E3 … SES-E18]. Counterparts: `board.py` and `graph.py`, which read tasks.json and the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from executord.team.board import read_board
from executord.team.graph import capabilities, read_graph, with_extras
from executord.team.papers import (
    AGAIN,
    BY_HAND,
    PATH,
    PHASES,
    RESUME,
    Paper,
    Papers,
    Reading,
    Spec,
    first,
    ids_of,
    safe,
    text_of,
    truth,
)  # fmt: skip
from executord.team.plan import COMPLETIONS, RUNNABLE, Fault, Node, Plan, Role


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
    board, entries = read_board(papers.tasks, session or {}, warnings)
    nodes: dict[str, Node] = {}
    if analysis is not None and isinstance(analysis.get("dependency_graph"), Mapping):
        nodes = read_graph(papers, analysis, roles, board, faults, complete=bool(given))
    _unsafe(session, nodes, roles, papers, faults)
    completion = text_of(session.get("completion_action")).lower() if session is not None else ""
    if completion and completion not in COMPLETIONS:
        text = f"unknown completion_action: {completion}; interactive is taken"
        warnings.append(Fault("SES-23", text, "team-session.json", f"use {', '.join(COMPLETIONS)}"))
        completion = "interactive"
    plan = None
    if session is not None:
        nodes = with_extras(nodes, board, roles, warnings)
        if analysis is not None:
            warnings += _oddities(nodes)
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


def _oddities(nodes: Mapping[str, Node]) -> Iterator[Fault]:
    """What can be executed, and hardly is what was meant."""
    if not nodes:
        yield Fault("SES-16", "dependency_graph has no tasks: there is nothing to do", "task-analysis.json", AGAIN)
    for node in nodes.values():
        for name in node.context_from:
            if name not in nodes:
                text = f"{node.id}: context_from names {name}, which is no task; nothing of it is handed on"
                yield Fault("SES-10", text, "task-analysis.json", f"name a task of the graph: {BY_HAND}")


def _unsafe(
    session: Mapping[str, Any] | None, nodes: Mapping[str, Node], roles: Mapping[str, Role], papers: Papers,
    faults: list[Fault],
) -> None:  # fmt: skip
    session_id = text_of(session.get("session_id")) if session is not None else ""
    for what, name in (("session_id", session_id), *(("task", i) for i in nodes), *(("role", r) for r in roles)):
        if name and not safe(name):
            hint = "an id is one name: at most 100 letters, digits, `.`, `_`, `-`, and no `..`"
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
    for name, row in capabilities(analysis):
        if name in roles:
            for word in (text_of(row.get("name")), text_of(row.get("capability"))):
                if word:
                    found.setdefault(word.lower(), name)
    return found
