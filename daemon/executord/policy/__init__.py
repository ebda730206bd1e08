"""Roster, desks, authority and attempts as data, with the defaults of the spec; configuration adds to it.

Counterparts: `settings/` reads the configuration, `promises/terms.py` holds the targets, `rules/` read both. A new
agent or authority is one row here or in the user's configuration; no code. Pure: what comes in are plain values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta, tzinfo
from typing import Any

from executord.case import Customer, Head, Task
from executord.case.warroom import WAR_ROOM
from executord.clocks import BUSINESS, Calendar, calendar_from
from executord.evolve import empty
from executord.policy.escalations import BUILT_IN, Escalation, read_rows
from executord.policy.ladders import BUILT_IN as SILENCE
from executord.policy.ladders import Ladder, from_silence, read_ladders
from executord.policy.programs import Command, command_of
from executord.values import agent_name, safe_id

DEFAULT_CAPACITY = 3


@dataclass(frozen=True, slots=True)
class Agent:
    """A named worker of the roster [EXE-9]. `capacity` = tasks at once, 0 = no limit."""

    name: str
    expertise: tuple[str, ...] = ()
    capacity: int = DEFAULT_CAPACITY
    escalates_to: str = "support-manager"
    runner: Any = "inbox"
    command: Command | None = None  # the program behind it, made from `runner` [OPS-17]
    hours: Calendar | None = None  # None: round the clock
    silence: str | None = None  # an interval, or a ladder's name [EXE-16]

    @property
    def by_inbox(self) -> bool:
        """Whether the message file is all it gets: a person, or a program that polls [OPS-17]."""
        runner = self.runner
        if isinstance(runner, Mapping):
            runner = runner.get("type") or runner.get("runner") or runner.get("kind") or "command"
        return runner in (None, "inbox")


def _built_in(*rows: tuple[str, str, str]) -> dict[str, Agent]:
    return {name: Agent(name, tuple(words.split()), escalates_to=up) for name, words, up in rows}


#: The 18 agents of support, with the expertise that their names say [EXE-9].
ROSTER: dict[str, Agent] = _built_in(
    ("account-manager", "account renewal contract billing relationship customer", "support-manager"),
    ("chat-support-specialist", "chat live-chat response first-contact", "support-manager"),
    ("community-manager", "community forum social advocacy", "support-manager"),
    ("customer-advocacy-manager", "advocacy customer relations voice feedback", "support-manager"),
    ("customer-education-specialist", "education training content tutorial onboarding webinar", "support-manager"),
    ("customer-success-manager", "customer success relations adoption onboarding health", "support-manager"),
    ("customer-support-rep", "general ticket triage reply inquiry request", "support-manager"),
    ("escalation-manager", "escalation technical incident critical", "vp-customer-support"),
    ("knowledge-base-manager", "knowledge article content taxonomy documentation", "support-manager"),
    ("sales-operations-manager", "sales pricing quote crm", "support-manager"),
    ("support-analyst", "analytics analysis metrics data report dashboard trend", "support-manager"),
    ("support-manager", "process management staffing quality planning resource", "vp-customer-support"),
    ("support-operations-manager", "process operations workflow tooling automation sla design", "support-manager"),
    ("support-quality-analyst", "quality analytics audit csat review", "support-manager"),
    ("support-trainer", "training curriculum workshop coaching onboarding", "support-manager"),
    (
        "technical-support-engineer",
        "technical troubleshooting bug error api integration diagnosis debug root-cause outage",
        "escalation-manager",
    ),
    ("technical-writer", "writing content documentation article guide runbook", "support-manager"),
    ("vp-customer-support", "strategy executive", "hitl"),
)
#: Always known, with an inbox; given a task only when it names them.
DESKS = frozenset({"planner", "orchestrator", "validator", "hitl", "engineering", "product", "operator", "executor"})

ALL = "all"
#: Who may decide for others, and on what [MSG-4].
AUTHORITY: dict[str, frozenset[str]] = {
    name: frozenset({ALL})
    for name in ("support-manager", "escalation-manager", "vp-customer-support", "orchestrator", "hitl", "operator")
}
_NO_WAIVER = frozenset({"escalation-manager", "orchestrator"})  # they decide, but let nothing pass
#: Attempts per tier, first try included [EXE-14].
ATTEMPTS = {0: 2, 1: 2, 2: 3, 3: 3, 4: 4}
REWORKS = 2

PRIORITIES = ("critical", "high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Budget:
    """What an agent, or each instruction that matches, may spend [OPS-18]. None = no limit."""

    key: str
    agent: str | None = None
    match: Mapping[str, Any] = field(default_factory=dict)
    usd: float | None = None
    tokens: int | None = None

    def used(self, usd: float, tokens: int) -> float:
        """Which part of it is spent: 1.0 = all."""
        parts = [0.0]
        if self.usd is not None:
            parts.append(usd / self.usd if self.usd else float(usd > 0))
        if self.tokens is not None:
            parts.append(tokens / self.tokens if self.tokens else float(tokens > 0))
        return max(parts)

    def text(self) -> str:
        """The limits in words."""
        limits = [f"{self.usd:g} USD"] if self.usd is not None else []
        limits += [f"{self.tokens} tokens"] if self.tokens is not None else []
        return " and ".join(limits)


@dataclass(frozen=True, slots=True)
class Route:
    """A channel as the rules know it: which updates go through it, where to, and what a crash may do [SLA-16]."""

    name: str
    delivery: str = "at_least_once"
    to: tuple[str, ...] = ()
    needs_address: bool = True
    match: Mapping[str, Any] = field(default_factory=dict)
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the rules may know of the configuration. Made once, replaced whole by a reload."""

    roster: Mapping[str, Agent] = field(default_factory=lambda: ROSTER)
    authority: Mapping[str, frozenset[str]] = field(default_factory=lambda: AUTHORITY)
    senders: Mapping[str, tuple[int | str, ...]] = field(default_factory=empty)  # agent → whose files his messages are
    zone: tzinfo = UTC
    domains: frozenset[str] = frozenset({"support"})
    settle: timedelta = timedelta(seconds=2)
    strict: bool = False
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()
    budgets: tuple[Budget, ...] = ()
    processes: bool = True  # whether processes are looked at; not in a rehearsal [OPS-7]
    escalations: tuple[Escalation, ...] = BUILT_IN
    routes: tuple[Route, ...] = ()
    ladders: Mapping[str, Ladder] = field(default_factory=dict)
    _terms: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # by kind of case

    def calendar(self, name: str) -> Calendar:
        """A calendar by name; `24x7` and `business` are always there."""
        return self.calendars[name]

    def may(self, agent: str, kind: str) -> bool:
        """Whether this agent has authority for this type of message."""
        types = self.authority.get(agent, frozenset())
        return ALL in types or kind in types

    def may_waive(self, agent: str) -> bool:
        """Whether this agent may let a quality standard or a component pass [QUA-5]: not everyone who decides else."""
        types = self.authority.get(agent, frozenset())
        return "waive" in types or (ALL in types and agent not in _NO_WAIVER)

    def is_desk(self, agent: str) -> bool:
        """Known without being on the roster, and never chosen by the daemon."""
        return agent in DESKS or (agent.startswith(WAR_ROOM) and safe_id(agent))

    def manager(self, agent: str) -> str:
        """Whom an agent's case climbs to."""
        row = self.roster.get(agent)
        return row.escalates_to if row is not None else "support-manager"

    def command(self, agent: str) -> Command | None:
        """The program that does this agent's work, None if it has an inbox and nothing else."""
        row = self.roster.get(agent)
        return row.command if row is not None else None

    def ladder(self, agent: str) -> Ladder:
        """The ladder of this agent's silence: his own, else that of his runner, else `default`, else the built-in."""
        row = self.roster.get(agent, Agent(agent))
        if row.silence is not None:
            return self.ladders.get(row.silence) or from_silence(row.silence)
        runner = "inbox" if row.by_inbox else "command"
        return self.ladders.get(runner) or self.ladders.get("default") or SILENCE

    def capacity(self, agent: str) -> int:
        """Tasks at once; 0 = no limit. Desks are people: no limit."""
        if self.is_desk(agent) and agent not in self.roster:
            return 0
        row = self.roster.get(agent)
        return row.capacity if row is not None else DEFAULT_CAPACITY


def make_policy(
    *,
    timezone: tzinfo = UTC,
    timezone_name: str = "UTC",
    roster: Mapping[str, Mapping[str, Any]] | None = None,
    authority: Mapping[str, Any] | None = None,
    senders: Mapping[str, Iterable[int | str]] | None = None,
    calendars: Mapping[str, Any] | None = None,
    domains: Iterable[str] = ("support",),
    settle_s: float = 2.0,
    verification: str = "normal",
    policies: Iterable[Mapping[str, Any]] = (),
    budgets: Mapping[str, Mapping[str, Any]] | None = None,
    escalations: Iterable[Mapping[str, Any]] = (),
    channels: Mapping[str, Mapping[str, Any]] | None = None,
    ladders: Mapping[str, Mapping[str, Any]] | None = None,
) -> Policy:
    """The policy of a configuration: what it says goes over the defaults. Raises `BadInput` for a bad calendar."""
    named = {
        "24x7": calendar_from("24x7", timezone=timezone_name),
        "business": calendar_from({"timezone": timezone_name, **BUSINESS}, name="business"),
    }
    for name, data in (calendars or {}).items():
        named[name] = calendar_from(data, name=name, timezone=timezone_name)
    agents = dict(ROSTER)
    for name, row in (roster or {}).items():
        key = agent_name(name)
        old = agents.get(key, Agent(key))
        given = {k: v for k, v in row.items() if v is not None}
        agents[key] = replace(
            old,
            expertise=tuple(given["expertise"]) if "expertise" in given else old.expertise,
            capacity=int(given.get("capacity", old.capacity)),
            escalates_to=agent_name(str(given.get("escalates_to", old.escalates_to))),
            runner=given.get("runner", old.runner),
            command=command_of(given["runner"]) if "runner" in given else old.command,
            hours=_hours(name, given["hours"], named) if "hours" in given else old.hours,
            silence=str(given["silence"]) if "silence" in given else old.silence,
        )
    rights = dict(AUTHORITY)
    for name, types in (authority or {}).items():
        words = frozenset({ALL} if types == ALL else (str(t).lower().replace("-", "_") for t in types))
        rights[agent_name(name)] = words
    return Policy(
        roster=agents,
        authority=rights,
        senders={agent_name(name): tuple(owners) for name, owners in (senders or {}).items()},
        zone=timezone,
        domains=frozenset(domains),
        settle=timedelta(seconds=settle_s),
        strict=verification == "strict",
        calendars=named,
        rows=tuple(policies),
        escalations=(*read_rows(escalations), *BUILT_IN),
        routes=tuple(_route(name, row) for name, row in (channels or {}).items()),
        ladders=read_ladders(ladders or {}),
        budgets=tuple(_budget(key, row) for key, row in (budgets or {}).items()),
    )


def _budget(key: str, row: Mapping[str, Any]) -> Budget:
    """A row of `budgets:`: its key is an agent, or what a policy matches on, e.g. `tier: 4, priority: high`."""
    parts = [re.split(r"\s*[:=]\s*", part.strip(), maxsplit=1) for part in key.split(",")]
    match = dict(parts) if all(len(part) == 2 for part in parts) else {}
    return Budget(
        key=key, agent=None if match else agent_name(key), match=match, usd=row.get("usd"), tokens=row.get("tokens")
    )


def _route(name: str, row: Mapping[str, Any]) -> Route:
    return Route(
        name,
        str(row.get("delivery") or "at_least_once"),
        tuple(row.get("to") or ()),
        str(row.get("type", "email")).lower() in ("email", "mail", "smtp"),
        {key: each for key, each in (row.get("match") or {}).items() if each},
        tuple(str(word).lower().replace("-", "_") for word in row.get("on") or ()),
    )


def _hours(agent: str, given: Any, named: Mapping[str, Calendar]) -> Calendar:
    """The hours of an agent: a calendar by name, or its own."""
    if isinstance(given, Calendar):
        return given
    if isinstance(given, str):
        return named[given]
    return calendar_from(given, name=f"hours of {agent}")


def matches(match: Mapping[str, Any], head: Head, priority: str) -> bool:
    """Whether a row's `match` is for this case: all that is given must hold, a list is any of it, tags all of them."""
    if not match:
        return True
    customer = head.spec.customer or Customer()
    have = {
        "priority": priority,
        "customer": customer.name,
        "segment": customer.segment,
        "tier": head.tier,
        "domain": head.spec.domain,
    }
    tags = match.get("tags")
    return all(_same(have.get(k), v) for k, v in match.items() if k != "tags") and (
        not tags or set(map(str, tags if isinstance(tags, list | tuple) else [tags])) <= set(head.spec.tags)
    )


def escalation_row(policy: Policy, head: Head, priority: str, who: str | None, words: Iterable[str]) -> Escalation:
    """The first row for any of these words [EXE-19]; raises `LookupError` if there is none."""
    wanted = frozenset(words)
    for row in policy.escalations:
        if row.on & wanted and row.to and row.who in (None, who) and matches(row.match, head, priority):
            return row
    raise LookupError(f"no escalation for {', '.join(sorted(wanted))}")


def _same(value: Any, wanted: Any) -> bool:
    if wanted is None or wanted == ():
        return True
    options = wanted if isinstance(wanted, list | tuple) else [wanted]
    return str(value).lower() in [str(o).lower() for o in options]


_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def suitability(agent: Agent, words: Mapping[str, int]) -> int:
    """How well an agent's expertise fits the words of a task."""
    return sum(words.get(word, 0) for word in agent.expertise)


def words_of(task: Task, head: Head) -> dict[str, int]:
    """The words of a task with their weight: the title's count three times, tags and workstream five times."""
    spec = task.spec
    weights: dict[str, int] = {}
    parts = (
        (5, " ".join((*spec.tags, spec.workstream or "", spec.component or ""))),
        (3, spec.title),
        (1, spec.description[:4000]),
    )
    for weight, text in parts:
        seen = set(_WORD.findall(text.lower().replace("_", "-")))
        seen |= {part for word in seen for part in word.split("-")}
        for word in seen:
            weights[word] = weights.get(word, 0) + weight
            if word.endswith("s"):
                weights[word[:-1]] = weights.get(word[:-1], 0) + weight
    return weights
