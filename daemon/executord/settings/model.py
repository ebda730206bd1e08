"""The settings: everything that can be configured, one field a key.

Counterparts: `rows.py`, what stands in them; `reading.py`, which makes them; `policy.make_policy`, which lays them over
the defaults of the spec. Add a key: one field here, with its description and an example for the sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from executord.errors import BadConfiguration
from executord.policy import ALL, Policy, make_policy
from executord.settings.masking import redact
from executord.settings.rows import (
    AgentRow,
    Budgets,
    CalendarRow,
    ChannelRow,
    Digests,
    EscalationRow,
    LadderRow,
    Limits,
    Metrics,
    PolicyRow,
    Sessions,
    Strict,
)
from executord.settings.values import (
    ByAgent,
    Listed,
    Owner,
    SomeWords,
    Turning,
    Types,
    Waiting,
    Word,
    ZoneName,
    seconds,
)
from executord.values import zone_named


class Settings(Strict):
    """Everything that can be configured [CON-3]; frozen, replaced whole by a reload."""

    memory: Word | None = Field(
        default=None, description="The tree. Else ./Agent_Memory.", examples=["/srv/agent_memory"]
    )
    state: Word | None = Field(
        default=None, description="The state folder: caches and logs, never truth.", examples=["/var/lib/executord"]
    )
    timezone: ZoneName = Field(default="UTC", description="The zone of times that name none.")
    domains: SomeWords = Field(
        default=("support",), description="Instructions of these domains are ours; one that names none is too."
    )
    durability: Literal["full", "process"] = Field(
        default="full", description="full: survives power loss; process: survives kill -9, and is quicker."
    )
    settle: Waiting = Field(
        default="2 seconds", description="How long a file must lie unchanged that was not renamed into place."
    )
    round: Turning = Field(
        default="60 seconds", description="How often everything is looked at, whatever the watcher has said."
    )
    verification: Literal["normal", "strict"] = Field(
        default="normal", description="strict: each acceptance criterion must be answered with evidence."
    )
    authority: ByAgent[Types] = Field(
        default={}, description="Who may decide for others: message types, or all.",
        examples=[{"team-lead": ["reassign", "defer", "hold", "release"], "duty-manager": "all"}],
    )  # fmt: skip
    senders: ByAgent[Listed[Owner]] = Field(
        default={}, description="Whose files an agent's messages must be: uid or group.", examples=[{"team-lead": 1001}]
    )
    calendars: dict[Word, CalendarRow] = Field(
        default={}, description="Working hours by name; 24x7 and business are always there.",
        examples=[{"office": {
            "timezone": "Europe/Berlin",
            "weekly": {"mon": [["09:00", "17:00"]], "fri": [["09:00", "12:00"], ["13:00", "15:00"]]},
            "holidays": ["2026-12-25"], "overrides": {"2026-12-24": [["09:00", "12:00"]]},
        }}],
    )  # fmt: skip
    policies: tuple[PolicyRow, ...] = Field(
        default=(), description="What is promised to whom; the first row that matches counts, then the defaults.",
        examples=[[{
            "match": {"priority": "high", "segment": "enterprise"}, "response": "1 hour - 2 hours",
            "resolution": "8 hours - 24 hours", "update": "20 hours - 1 day", "calendar": "business",
        }]],
    )  # fmt: skip
    roster: ByAgent[AgentRow] = Field(
        default={}, description="Agents; what is given goes over the built-in 18.",
        examples=[{"technical-support-engineer": {
            "expertise": ["technical"], "capacity": 5, "escalates_to": "escalation-manager",
        }}],
    )  # fmt: skip
    escalations: tuple[EscalationRow, ...] = Field(
        default=(), description="Who is told of what, after how long, and who next.",
        examples=[[{"on": "technical_dependency", "after": "1 hour", "to": ["technical-support-engineer", "hitl"]}]],
    )  # fmt: skip
    ladders: dict[Word, LadderRow] = Field(
        default={}, description="Ladders of silence by name.", examples=[{"patient": {"interval": "4 hours"}}]
    )
    channels: dict[Word, ChannelRow] = Field(
        default={}, description="Ways to customers; without one the liaison sends.",
        examples=[{"mail": {
            "type": "email", "host": "mail.example", "from": "support@acme.example",
            "password_file": "/etc/executord/smtp",
        }}],
    )  # fmt: skip
    digests: Digests = Field(
        default=Digests(), description="When support-manager gets a digest; nothing to say, no digest.",
        examples=[{"daily": "0 7 * * *", "weekly": "0 7 * * mon"}],
    )  # fmt: skip
    sessions: Sessions = Field(
        default=Sessions(), description="Team sessions.",
        examples=[{"worker": {"program": "/usr/local/bin/team-worker", "args": ["--quiet"]}, "work_s": 1800}],
    )  # fmt: skip
    budgets: Budgets = Field(
        default={}, description="What an agent, or what a match, may spend.",
        examples=[{"technical-writer": {"usd": 25, "tokens": 2_000_000}, "tier: 4": {"usd": 200}}],
    )  # fmt: skip
    limits: Limits = Field(
        default=Limits(), description="Bounds of what is read and kept.", examples=[{"file_bytes": 262_144}]
    )
    notify: dict[Word, ChannelRow] = Field(
        default={}, description="Who hears of trouble of the daemon itself.",
        examples=[{"on-call": {"type": "webhook", "url_file": "/etc/executord/pager", "on": ["parked", "stuck"]}}],
    )  # fmt: skip
    metrics: Metrics = Field(
        default=Metrics(), description="Where numbers go. This version writes none yet, and warns of it.",
        examples=[{"textfile": "/var/lib/x.prom"}],
    )  # fmt: skip

    _source: str | None = PrivateAttr(None)

    @property
    def source(self) -> str | None:
        """The file they come from; None for the defaults."""
        return self._source

    @property
    def settle_s(self) -> float:
        """`settle` in seconds."""
        return seconds(self.settle)

    @property
    def round_s(self) -> float:
        """`round` in seconds."""
        return seconds(self.round)

    def policy(self) -> Policy:
        """What the rules may know of it: the rows that were given, over the defaults of the spec."""
        given = self.model_dump(exclude_unset=True, exclude_none=True, by_alias=True)
        return make_policy(
            timezone=zone_named(self.timezone) or _missing_zone(self.timezone),
            timezone_name=self.timezone,
            roster=given.get("roster"),
            authority=_rights(self.authority),
            senders=self.senders,
            calendars={name: row.model_dump() for name, row in self.calendars.items()},
            domains=self.domains,
            settle_s=self.settle_s,
            verification=self.verification,
            channels={name: row.model_dump() for name, row in self.channels.items()},
            policies=[_bare(row) for row in given.get("policies", ())],
            budgets={key: row.model_dump() for key, row in self.budgets.items()},
            escalations=[_bare(row) for row in given.get("escalations", ())],
            ladders=given.get("ladders"),
        )

    def redacted(self) -> dict[str, Any]:
        """All of it as plain data for `config show`, with what looks secret masked."""
        plain: dict[str, Any] = redact(self.model_dump(mode="json", by_alias=True))
        return plain


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    """A policy's row without what matches everything."""
    return row | {"match": {key: each for key, each in row.get("match", {}).items() if each != ()}}


def _missing_zone(name: str) -> Any:
    raise BadConfiguration(f"timezone: {name} is not there any more", fix="install tzdata", code="OPS-9")


def _rights(authority: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...] | str]:
    """Who may decide what, by the types of messages as we call them, whatever their aliases were."""
    if not authority:
        return {}
    from executord.messages import canonical  # takes its time, and few configurations need it

    return {
        name: ALL if ALL in types else tuple(canonical(each) or each for each in types)
        for name, types in authority.items()
    }
