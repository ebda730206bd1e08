"""Who gets which task: the places that agents have, across all cases [EXE-9, EXE-10, EXE-11].

Loads are facts across cases, so they are kept by the service and asked here; one thread, so two cases cannot take
one place. Pure but for its own counters.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from executord.agenda import Due, Place
from executord.case import Mute, Task
from executord.case.casebook import Case
from executord.case.warroom import WAR_ROOM
from executord.policy import Agent, Policy, suitability, words_of
from executord.values import agent_name

OURSELVES = ("executor", "support-executor")  # our own inbox folders are no agents


@dataclass(frozen=True, slots=True)
class Choice:
    """The agent chosen and, in words, why."""

    agent: str
    why: str


class Places:
    """Who holds what, who is paused, and who waits for whom."""

    def __init__(self, policy: Policy, has_inbox: Callable[[str], bool]) -> None:
        self.policy = policy
        self._has_inbox = has_inbox
        self.held: dict[str, set[tuple[str, str]]] = {}  # agent → (case, task) of live attempts
        self.paused: frozenset[str] = frozenset()
        self.all_paused = False
        self.muted: dict[str, Mute] = {}  # agents who are not reminded and notified; a case has a mute of its own

    def holder(self, case_id: str, task_id: str, was: str | None, now: str | None) -> None:
        """A task has changed hands."""
        if was is not None:
            self.held.get(was, set()).discard((case_id, task_id))
        if now is not None:
            self.held.setdefault(now, set()).add((case_id, task_id))

    def load(self, name: str) -> int:
        """Tasks that the agent holds, over all cases."""
        return len(self.held.get(name, ()))

    def known(self, name: str) -> bool:
        """On the roster, a desk, or with an inbox folder."""
        if name in OURSELVES:  # a task for us would wait in our own inbox for ever
            return False
        return name in self.policy.roster or self.policy.is_desk(name) or self._has_inbox(name)

    def answerable(self, sender: str) -> bool:
        """Whether there is somebody to answer to: a known name, and no war room that no incident has opened [MSG-6]."""
        return self.known(sender) and (not sender.startswith(WAR_ROOM) or self._has_inbox(sender))

    def room(self, name: str) -> bool:
        """Whether the agent can take one more."""
        if name in self.paused:
            return False
        capacity = self.policy.capacity(name)
        return capacity == 0 or self.load(name) < capacity

    def excess(self, name: str) -> int:
        """How many tasks the agent holds beyond his capacity."""
        capacity = self.policy.capacity(name)
        return max(self.load(name) - capacity, 0) if capacity else 0

    def crowded(self) -> list[str]:
        """The agents who hold more than their capacity."""
        return sorted(name for name in self.held if self.excess(name))

    def colleague(self, case: Case, task: Task, holder: str) -> str | None:
        """A capable one who is less loaded and has room [EXE-12]."""
        mine = self.load(holder)
        others = (a.name for _, a in self.ranked(case, task) if a.name != holder)
        return next((n for n in others if self.room(n) and self.load(n) < mine), None)

    def said(self, name: str) -> str:
        """How much an agent holds, of how much, in words."""
        return self._said(name)

    def _said(self, name: str) -> str:
        capacity = self.policy.capacity(name)
        return f"load {self.load(name)} of {capacity}" if capacity else f"load {self.load(name)}"

    def pick(self, case: Case, task: Task, place: Place, now: datetime) -> Choice | None:
        """The agent who gets this task now; None: nobody has room, it waits."""
        if self.all_paused:
            return None
        named = place.named
        instead = ""
        if named is not None and (place.bound or named not in task.barred) and self.known(named):
            if place.forced or self.room(named):
                why = task.bound_why if place.bound and task.bound_why else "named in the task"
                return Choice(named, f"{why}; {self._said(named)}")
            if place.slack is None or now < place.slack:
                return None
            instead = f"{named} has no room ({self._said(named)}) and the time to start has come; "
        elif named is not None:
            instead = f"{named} {_not(named, task)}; "
        return self._best(case, task, instead)

    def _best(self, case: Case, task: Task, instead: str) -> Choice | None:
        for _, agent in self.ranked(case, task):
            if self.room(agent.name):
                words = words_of(task, case.head)
                hits = [w for w in agent.expertise if w in words] or list(agent.expertise[:1])
                return Choice(agent.name, f"{instead}expertise: {', '.join(hits)}; {self._said(agent.name)}")
        return None

    def ranked(self, case: Case, task: Task) -> list[tuple[int, Agent]]:
        """The capable agents, best first: expertise, then load, then name."""
        words = words_of(task, case.head)
        able = [a for n, a in self.policy.roster.items() if n not in task.barred]
        stream = stream_of(task)
        if stream is not None:
            able = [a for a in able if stream in a.expertise]
            if not able and self.policy.is_desk(stream) and stream not in task.barred:
                return [(0, Agent(stream, (stream,), 0))]
            able = able or [a for n, a in self.policy.roster.items() if n not in task.barred]
        scored = [(suitability(a, words), a) for a in able]
        fit = [(s, a) for s, a in scored if s > 0] or [(0, a) for a in able if "general" in a.expertise] or scored
        return sorted(fit, key=lambda pair: (-pair[0], self.load(pair[1].name), pair[1].name))


def _not(name: str, task: Task) -> str:
    """Why the one who is named does not get it."""
    if name in task.silent:
        return "did not answer"
    return "declined it or was taken off it" if name in task.excluded else "is not known"


def stream_of(task: Task) -> str | None:
    """The word by which a task's workstream picks its agents; None: all of them [EXE-7]."""
    said = agent_name(task.spec.workstream or "")
    return said if said not in ("", "support") else None


FORCED = ("*",)  # the queue of what a person's word places whatever the capacity
Queue = tuple[str, ...]  # the agents any of whom, having room, lets its head go


class Turn(NamedTuple):
    """What waits for a place: least slack first, then priority, then age [EXE-11]; ids settle what is left."""

    free: int  # 0: it has a slack, and goes before those that have none
    slack: datetime
    priority: int
    age: datetime
    case: str
    key: tuple[Any, ...]
    task: str
    putting: int = 0  # the how manyth: of several of one task the last counts
    line: Due | None = None


def turn_of(place: Place, case_id: str, task: Task, putting: int = 0, line: Due | None = None) -> Turn:
    """The turn of a task that waits."""
    free, slack = (0, place.slack) if place.slack is not None else (1, place.age)
    return Turn(free, slack, place.priority, place.age, case_id, task.key, task.id, putting, line)


class Lineup:
    """The dispatches that wait for a place, in queues by who could take them; the head of each is its most urgent."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._queues: dict[Queue, list[Turn]] = {}
        self._waiting: dict[str, tuple[Case, dict[str, Turn]]] = {}  # case → task → the turn that counts
        self._slack: list[Turn] = []  # of those that wait for a named agent
        self._count = 0
        self.at: str | None = None  # the case that `next` is looking at: whose fault it is, should there be one

    def put(self, case: Case, task_id: str, line: Due | None) -> None:
        """This task's dispatch waits (again), or no more."""
        place = line.place if line is not None else None
        known = self._waiting.get(case.id)
        if line is None or place is None:
            if known is not None and known[1].pop(task_id, None) is not None and not known[1]:
                del self._waiting[case.id]
            return
        task = case.tasks[task_id]
        self._count += 1
        turn = turn_of(place, case.id, task, self._count, line)
        if known is None or known[0] is not case:  # read anew
            known = self._waiting[case.id] = (case, {})
        known[1][task_id] = turn
        heapq.heappush(self._queues.setdefault(self._queue_of(case, task, place), []), turn)
        if place.named is not None and place.slack is not None and not place.forced:
            heapq.heappush(self._slack, turn)

    def _counts(self, turn: Turn) -> bool:
        known = self._waiting.get(turn.case)
        return known is not None and known[1].get(turn.task) is turn

    def _queue_of(self, case: Case, task: Task, place: Place) -> Queue:
        places = self._places
        named = place.named
        if named is not None and (place.bound or named not in task.barred) and places.known(named):
            return FORCED if place.forced else (named,)
        return self._open_queue(case, task)

    def _open_queue(self, case: Case, task: Task) -> Queue:
        return tuple(sorted(agent.name for _, agent in self._places.ranked(case, task)))

    def next_slack(self) -> datetime | None:
        """When the next one that waits for a named agent may go to another."""
        while self._slack and not self._counts(self._slack[0]):
            heapq.heappop(self._slack)
        return self._slack[0].slack if self._slack else None

    def next(self, now: datetime) -> tuple[Case, Due, Choice | None] | None:
        """The most urgent dispatch for which there is room, and who gets it; None as choice: nobody ever could."""
        self.at = None
        while (at := self.next_slack()) is not None and at <= now:
            turn = heapq.heappop(self._slack)
            self.at = turn.case
            case = self._waiting[turn.case][0]
            heapq.heappush(self._queues.setdefault(self._open_queue(case, case.tasks[turn.task]), []), turn)
        if self._places.all_paused:
            return None
        best: Turn | None = None
        for queue in list(self._queues):
            heap = self._queues[queue]
            while heap and not self._counts(heap[0]):
                heapq.heappop(heap)
            if not heap:
                del self._queues[queue]
                continue
            possible = queue in ((), FORCED) or any(self._places.room(name) for name in queue)
            if possible and (best is None or heap[0] < best):
                best = heap[0]
        if best is None:
            return None
        self.at = best.case
        case, line = self._waiting[best.case][0], best.line
        assert line is not None
        assert line.place is not None
        choice = self._places.pick(case, case.tasks[best.task], line.place, now)
        return case, line, choice
