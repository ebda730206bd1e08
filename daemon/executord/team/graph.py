"""The task graph in every shape: whose a task is, what it waits for, and what is wrong with it [SES-1, SES-E18]."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from executord.team.papers import (
    AGAIN,
    BY_HAND,
    INNER,
    PREFIX,
    Papers,
    Written,
    first,
    ids_of,
    safe,
    status_of,
    text_of,
    truth,
)  # fmt: skip
from executord.team.plan import Fault, Node, Role

_DEPENDENCIES = ("depends_on", "dependsOn", "blockedBy", "blocked_by", "dependencies", "requires", "deps")


def _rows(value: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Tasks of task-analysis.json: an array, or a map by id."""
    if isinstance(value, Mapping):
        return [(str(k), v if isinstance(v, Mapping) else {}) for k, v in value.items()]
    if isinstance(value, list):
        rows = [(v if isinstance(v, Mapping) else {"id": v}) for v in value]
        return [(i, row) for row in rows if (i := text_of(first(row, "id", "task_id")))]
    return []


def capabilities(analysis: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each capability with the name of the role that has it."""
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
        return ids_of(first(value, *_DEPENDENCIES))
    return ids_of(value)


def read_graph(
    papers: Papers, analysis: Mapping[str, Any], roles: Mapping[str, Role], board: Mapping[str, Written],
    faults: list[Fault], *, complete: bool,
) -> dict[str, Node]:  # fmt: skip
    """The nodes of the graph in its order, and what is wrong with it [SES-E18]."""
    graph: Mapping[str, Any] = analysis["dependency_graph"]
    listed = _rows(analysis.get("tasks"))
    owned = {task_id: name for name, row in capabilities(analysis) for task_id, _ in _rows(row.get("tasks"))}
    within = [task_id for _, row in capabilities(analysis) for task_id, _ in _rows(row.get("tasks"))]
    details: dict[str, dict[str, Any]] = {}
    for source in (listed, [r for _, row in capabilities(analysis) for r in _rows(row.get("tasks"))]):
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
        prefix = PREFIX.match(key)
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
    line = INNER.search(description)
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


def with_extras(
    nodes: dict[str, Node], board: Mapping[str, Written], roles: Mapping[str, Role], warnings: list[Fault]
) -> dict[str, Node]:
    """Tasks that stand in tasks.json and not in the graph: tasks from now on, where their role is known."""
    for task_id, written in board.items():
        if task_id in nodes:
            continue
        row = written.fields
        role = text_of(first(row, "role", "owner"))
        deps = ids_of(first(row, "deps", *_DEPENDENCIES))
        if not safe(task_id) or role not in roles or any(d not in nodes and d not in board for d in deps):
            if status_of(row.get("status")) not in ("completed", "skipped", "revised"):
                text = f"tasks.json: {task_id} is not in the graph, and its role or dependencies are not known"
                warnings.append(Fault("SES-5", text, "tasks.json", "it is left as it is and not executed"))
            continue
        nodes[task_id] = Node(**{**_as_dict(_node(task_id, role, deps, row)), "extra": True})
    return nodes


def _as_dict(node: Node) -> dict[str, Any]:
    return {name: getattr(node, name) for name in Node.__slots__}
