"""Where a task stands and why: the one place that names its state [EXE-3, EXE-25].

Read by the rules, by `status` and by `why`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from executord.case import SEQUENTIAL_TIERS, Task, natural
from executord.case.casebook import Case
from executord.errors import Finding


@dataclass(frozen=True, slots=True)
class Standing:
    """A task's state [CON-8], in words why, and what it waits for."""

    state: str
    why: str = ""
    rule: str = ""
    waits_for: tuple[str, ...] = ()
    held: tuple[Finding, ...] = ()


def held_because(case: Case, task: Task) -> tuple[Finding, ...]:
    """Why the daemon does not dispatch a task that lies in `pending/` [EXE-2, EXE-24, MEM-10, MEM-11]."""
    found: list[Finding] = []
    if task.file is not None:
        found.extend(f for f in task.file.faults if f.severity == "error")
        if task.rivals:
            others = ", ".join(task.rivals)
            found.append(
                Finding(
                    "EXE-2", f"task id {task.id} is used twice: {task.file.name} and {others}", "give each its own id"
                )
            )
    same = case.casefold.get(task.id.casefold(), ())
    # one whose file was deleted is in nobody's way
    twins = [i for i in same if i != task.id and (case.tasks[i].present or case.tasks[i].ended is None)]
    if twins:
        twin = ", ".join(sorted(twins))
        found.append(Finding("EXE-2", f"task id {task.id} differs from {twin} only in case", "give each its own id"))
    if case.head.closed is not None:
        state = case.head.closed.state
        how = "was handed off and has passed" if state == "passed" else f"is {state}"
        found.append(Finding("EXE-27", f"{case.id} {how}", "send retry for the instruction to open it again"))
    ring = case.cycles.get(task.id)
    if ring:
        names = ", ".join((*ring.tasks, *ring.gates))
        fix = "take one of these dependencies out"
        if ring.gates:
            fix += f", or send release for {' or '.join(ring.gates)}"
        found.append(Finding("EXE-2", f"its dependencies form a cycle: {names}", fix))
    for gate in case.gates_before(task.id):
        if gate.unknown and not case.gate_open(gate):
            names = ", ".join(sorted(gate.unknown, key=natural))
            found.append(
                Finding(
                    "EXE-2",
                    f"{gate.name} waits for {names}, which {'is' if len(gate.unknown) == 1 else 'are'} not known",
                    f"add the task, mend the plan, or send release for {gate.name}",
                )
            )
    unknown = sorted(case.unknown_deps.get(task.id, frozenset()) - task.released)
    if unknown:
        found.append(
            Finding(
                "EXE-2",
                f"it depends on {', '.join(unknown)}, which {'is' if len(unknown) == 1 else 'are'} not known",
                "add the task, mend the id, or send release",
            )
        )
    for dep in sorted(case.dead_deps.get(task.id, frozenset()) - task.released):
        ended = case.tasks[dep].ended
        state = ended.state if ended else "gone"
        found.append(
            Finding("EXE-24", f"its dependency {dep} was {state}", f"send release for {task.id}, or cancel it too")
        )
    return tuple(found)


def waits_for(case: Case, task: Task) -> tuple[str, ...]:
    """The ids of tasks and checkpoints that it waits for, in plan order; for people, not for rules."""
    names = [
        d for d in dict.fromkeys((*task.spec.requires, *task.spec.after))
        if d in case.tasks and case.tasks[d].ended is None and d not in task.released
    ]  # fmt: skip
    if case.head.tier in SEQUENTIAL_TIERS:
        other = case.before(task)
        while other is not None and other.ended is not None:
            other = case.before(other)
        if other is not None and other.id not in names:
            names.append(other.id)
    for gate in case.gates_before(task.id):
        if not case.gate_open(gate):
            names.append(gate.id)
    return tuple(names)


def standing(case: Case, task: Task) -> Standing:
    """Where the task stands."""
    head = case.head
    if task.ended is not None:
        return Standing(task.ended.state, task.ended.reason or "", "EXE-3")
    held_by = task.hold or head.hold
    if held_by is not None and (task.present or task.live):
        until = f" until {held_by.until:%Y-%m-%d %H:%M} UTC" if held_by.until else ""
        return Standing("on_hold", f"on hold by {held_by.by}: {held_by.reason}{until}", "EXE-25")
    live = task.live
    if live is not None:
        if task.blocked is not None:
            return Standing("blocked", f"{task.blocked.kind}: {task.blocked.description}", "EXE-17")
        if live.points:
            return Standing("rework", "; ".join(live.points), "EXE-13")
        if live.working:
            return Standing("working", live.note or "", "EXE-16")
        if live.accepted_at is not None:
            return Standing("accepted", f"acknowledged by {live.agent}", "MSG-3")
        return Standing("assigned", f"given to {live.agent}, not yet acknowledged", "EXE-10")
    if not task.present:
        return Standing("expected", "the plan names it, its file is not there yet", "EXE-23")
    if task.escalated is not None:
        return Standing("escalated", task.escalated, "EXE-14")
    if task.blocked is not None:
        return Standing("blocked", f"{task.blocked.kind}: {task.blocked.description}", "EXE-17")
    if task.folder != "pending":
        process = task.process
        if process is not None:
            left = f"the process of its last attempt (pid {process.pid} on {process.host}) is not yet gone"
            return Standing("reassigning", f"{left}: {process.state}", "OPS-18")
        return Standing("reassigning", head.lacking or "it has no live attempt", "MEM-25" if head.lacks else "EXE-3")
    held = held_because(case, task)
    if held:
        return Standing("held", "; ".join(f.message for f in held), held[0].code, held=held)
    if head.lacking is not None:
        return Standing("waiting", head.lacking, "MEM-25")
    if waiting(case, task):
        names = waits_for(case, task)
        return Standing("waiting", f"waits for {', '.join(names)}", "EXE-5", names)
    return Standing("ready", "every dependency is met", "EXE-6")


def waiting(case: Case, task: Task) -> bool:
    """Whether dependencies, plan order or a checkpoint keep it back; cheap, by counters."""
    released = case.unknown_deps.get(task.id, frozenset()) & task.released
    if case.open_deps.get(task.id, 0) - len(released) > 0:
        return True
    if case.head.tier in SEQUENTIAL_TIERS and case.frontier != task.id:
        return True
    return any(not case.gate_open(g) for g in case.gates_before(task.id))


def freed_at(case: Case, task: Task) -> datetime:
    """The instant from which it could start: its admission or the end of what it waited for, whichever is later."""
    assert case.head.opened_at is not None  # tasks are dispatched in opened cases only
    times = [task.since or case.head.opened_at]
    if task.forced or task.folder != "pending":
        return times[0]  # it waits for nothing but a place
    for dep in (*task.spec.requires, *task.spec.after):
        other = case.tasks.get(dep)
        if other is not None and other.ended is not None:
            times.append(other.ended.at)
    before = case.before(task)
    if before is not None and before.ended is not None and case.head.tier in SEQUENTIAL_TIERS:
        times.append(before.ended.at)
    times.extend(g.last_end for g in case.gates_before(task.id) if g.last_end is not None)
    return max(times)


def communication_of(case: Case, task: Task) -> str:
    """`internal`, `customer` or `both`; where the task is silent, the last one of an instruction with a customer
    owes the customer an update [EXE-4]."""
    if task.spec.communication is not None:
        return task.spec.communication
    if case.head.spec.customer is not None and case.last_in_order() == task.id:
        return "customer"
    return "internal"
