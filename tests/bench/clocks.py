"""Rows: what a due time costs, the next deadline among very many clocks, and the jobs of the scheduler [SLA-3, SLA-18].

Nothing here touches the disk: the clocks are computed, and their deadlines stand in one heap. The raw limits are the
bare operations behind them: two bisections, one push onto a heap.
"""

from __future__ import annotations

import heapq
import random
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from executord.agenda import Agenda, Due
from executord.bells import Bells
from executord.case import Task
from executord.case.casebook import Case
from executord.clocks import Pauses, calendar_from, due, micros_of
from executord.evolve import replace
from executord.policy import Policy, make_policy
from tests.bench.measures import Measure, Row, spread
from tests.bench.places import Place

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
YEARS = 4
SEED = 20261124
OFFICE = {
    "timezone": "Europe/Berlin",
    "weekly": {day: [["09:00", "12:30"], ["13:30", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    "holidays": [
        f"{year}-{day}" for year in range(2026, 2031) for day in ("01-01", "05-01", "10-03", "12-25", "12-26")
    ],
}
SETTING = "in this process, no disk; a calendar of four years with 25 holidays, 4 pauses a clock"


def measure(place: Place, *, quick: bool = False) -> list[Row]:
    """The rows."""
    return [_due_time(place, 2_000 if quick else 50_000), _rearm(place, 2_000 if quick else 100_000), _jobs(place)]


def _due_time(place: Place, count: int) -> Row:
    calendar, chance = calendar_from(OFFICE), random.Random(SEED)
    asked = []
    for _ in range(1000):
        start = START + timedelta(minutes=chance.randrange(YEARS * 365 * 1440))
        begins = sorted(start + timedelta(minutes=chance.randrange(60 * 24 * 30)) for _ in range(4))
        pauses = Pauses.of((at, at + timedelta(minutes=chance.randrange(5, 600))) for at in begins)
        asked.append((start, chance.randrange(3600, 40 * 8 * 3600), pauses))
    for each in asked:
        due(calendar, *each)  # what is compiled once is compiled
    took = []
    for n in range(0, count, 100):
        began = time.perf_counter()
        for k in range(100):
            due(calendar, *asked[(n + k) % 1000])
        took.append((time.perf_counter() - began) / 100 * 1e6)
    ours = spread("executord", took, "µs")
    raw = spread("two bisections", _bisections(count), "µs")
    return _row(
        place, "due-time", "a due time on a business calendar with pauses", ours, raw, "≤ 5 µs", ours.value <= 5
    )


def _bisections(count: int) -> list[float]:
    sums = list(range(0, 2500 * 3600, 3600))
    took = []
    for n in range(0, count, 100):
        began = time.perf_counter()
        for k in range(100):
            bisect_left(sums, bisect_right(sums, (n + k) * 7919 % sums[-1]))
        took.append((time.perf_counter() - began) / 100 * 1e6)
    return took


def _rearm(place: Place, clocks: int) -> Row:
    """One clock changes among very many: its lines are made again, and the next deadline is known."""
    case, chance = Case("many"), random.Random(SEED)
    due_at = {f"T{k}": START + timedelta(seconds=chance.randrange(10**8)) for k in range(clocks)}

    def rule(case: Case, task: Task, policy: Policy) -> Iterator[Due]:
        yield Due(due_at[task.id], f"breach resolution {task.id} #1", "SLA-10", None, task.id, order=80)

    for task_id in due_at:
        case.tasks[task_id] = Task(task_id)
    agenda = Agenda(case, make_policy(), (rule,), (), lambda case, policy: ())
    agenda.next_at()
    ids = list(due_at)
    took = []
    for _ in range(min(clocks, 5_000)):
        task_id = chance.choice(ids)
        due_at[task_id] = START + timedelta(seconds=chance.randrange(10**8))
        case.tasks[task_id] = replace(case.tasks[task_id], edits=case.tasks[task_id].edits + 1)
        began = time.perf_counter()
        case.dirty.add(task_id)
        agenda.next_at()
        took.append((time.perf_counter() - began) * 1e6)
    heap = [(at.timestamp(), n) for n, at in enumerate(due_at.values())]
    heapq.heapify(heap)
    raw = []
    for n in range(len(took)):
        at = micros_of(START + timedelta(seconds=chance.randrange(10**8)))
        began = time.perf_counter()
        heapq.heappush(heap, (at / 1e6, n))
        raw.append((time.perf_counter() - began) * 1e6)
    ours, push = spread("executord", took, "µs"), spread("a heap's push", raw, "µs")
    title = f"one clock of {clocks:,} changes: the next deadline"
    return _row(place, "re-arm", title, ours, push, "≤ 50 µs", ours.value <= 50)


def _jobs(place: Place) -> Row:
    """The jobs that the scheduler holds after so many deadlines were asked for."""
    counts = {}
    for clocks in (10, 100_000):
        (place.path / f"memory-{clocks}").mkdir(parents=True)
        bells = Bells(str(place.path / f"memory-{clocks}"), lambda ring: None)
        bells.start()
        try:
            for k in range(clocks):
                bells.alarm_at(datetime.now(UTC) + timedelta(seconds=60 + k % 1000))
            counts[clocks] = len(bells._alarms.get_jobs())
        finally:
            bells.stop()
    ours = Measure("with 100,000 clocks", counts[100_000], "jobs")
    raw = Measure("with 10 clocks", counts[10], "jobs")
    return _row(place, "jobs", "jobs of the scheduler", ours, raw, "the same number", counts[10] == counts[100_000])


def _row(place: Place, name: str, title: str, ours: Measure, raw: Measure, goal: str, met: bool) -> Row:
    return Row(name, title, ours, raw, ours.value / raw.value, goal, met, place.file_system, SETTING)
