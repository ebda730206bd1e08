"""Notifications of operators, `notify test`, and what `doctor` says of channels [OPS-15, OPS-8].

Counterparts: `executord/loop/notices.py`, `cli/notify.py`, `channels/reach.py`, `settings/crontab.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from executord.case import Mute
from executord.case.casebook import Case
from executord.channels.outbox import Job
from executord.channels.reach import obstacles
from executord.errors import BadInput
from executord.evolve import replace
from executord.loop.notices import AT_MOST, WINDOW, Notices
from executord.policy import make_policy
from executord.settings import ChannelRow
from executord.settings.crontab import cron, last_before
from tests.real.kit import Tree, drop
from tests.real.servers import HttpReceiver, SmtpServer
from tests.stories.kit import ENGINEER, Stage

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class Kept:
    """An outbox that only keeps."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def put(self, job: Job) -> None:
        """Keep it."""
        self.jobs.append(job)

    def go(self, key: str) -> None:
        """It was put before."""
        assert key in [job.key for job in self.jobs]

    def words(self) -> list[str]:
        """To whom, and what."""
        return [f"{job.channel} {job.parcel.kind}" for job in self.jobs]


def row(**given: Any) -> ChannelRow:
    """A row of `notify`."""
    return ChannelRow.model_validate({"type": "webhook", "url": "https://x", **given})


def entry(name: str, why: str = "so it is") -> dict[str, Any]:
    """A line of a journal."""
    return {"name": name, "why": why, "action": "record"}


@pytest.mark.spec("OPS-15")
def test_who_hears_of_what():
    """Without `on` a row hears of trouble; with it of the words named, also of journal lines; `match` is for cases."""
    kept = Kept()
    rows = {"a": row(), "b": row(on=["breach", "stuck"]), "c": row(match={"priority": "critical"})}
    notices = Notices(rows, kept)
    case, policy = Case("acme"), make_policy()
    notices.event("broken", "acme: gone wrong", NOW)
    notices.event("stuck", "the watcher", NOW)
    notices.line(case, entry("breach resolution #1"), policy, NOW)
    notices.line(case, entry("failed update #3 via mail"), policy, NOW)
    notices.line(case, entry("assign T1 a1"), policy, NOW)
    assert kept.words() == [
        "notify.a parked", "notify.a stuck", "notify.b stuck", "notify.b breach", "notify.a not_delivered",
    ]  # fmt: skip
    assert len({job.key for job in kept.jobs}) == 5
    case.set_head(replace(case.head, priority=("critical", None)))
    notices.line(case, entry("park acme #1"), policy, NOW)
    assert kept.words()[-2:] == ["notify.a parked", "notify.c parked"]


@pytest.mark.spec("OPS-15")
def test_a_storm_is_a_few_and_one_that_counts_the_rest():
    """At most ten in ten minutes; what was left out is counted when they are over, once."""
    kept = Kept()
    notices = Notices({"a": row()}, kept)
    for k in range(500):
        notices.event("broken", f"case-{k}: x", NOW + timedelta(seconds=k / 10))
    assert len(kept.jobs) == AT_MOST
    notices.settle(NOW + timedelta(minutes=5))
    assert len(kept.jobs) == AT_MOST
    notices.settle(NOW + WINDOW)
    notices.settle(NOW + WINDOW * 2)
    assert len(kept.jobs) == AT_MOST + 1
    assert "and 490 more" in kept.jobs[-1].parcel.facts["text"]


@pytest.mark.spec("OPS-15")
def test_of_a_muted_case_nobody_is_notified_and_nothing_is_made_up_for():
    """In the window nothing goes out; after it only what happens then."""
    kept = Kept()
    notices = Notices({"a": row()}, kept)
    case, policy = Case("acme"), make_policy()
    case.set_head(replace(case.head, mute=Mute("operator", NOW, NOW + timedelta(hours=4))))
    notices.line(case, entry("park acme #1"), policy, NOW + timedelta(hours=1))
    notices.settle(NOW + timedelta(hours=5))
    assert not kept.jobs
    notices.line(case, entry("park acme #2"), policy, NOW + timedelta(hours=5))
    assert kept.words() == ["notify.a parked"]


@pytest.mark.spec("INC-2", "SLA-16")
def test_a_chat_channel_is_told_of_incidents_and_a_customers_channel_is_not(tmp_path: Path):
    """Opened, what the team says, resolved, closed; not whom of the team we told, and nothing to customers."""
    kept = Kept()
    channels = {
        "mail": row(),
        "updates": row(on=["customer_update"]),
        "chat": row(on=["incident"]),
        "ends": row(on=["incident-resolved"], match={"priority": "critical"}),
    }
    stage = Stage(tmp_path / "stage")
    notices = Notices({"pager": row()}, kept, channels)
    told = []

    def note(case_id: str, entry: dict[str, Any]) -> None:
        told.append(entry["name"])
        assert stage.service is not None
        notices.line(stage.service.cases[case_id], entry, stage.policy, stage.now)

    stage._note = note
    stage.case({"T1": {"assigned_to": ENGINEER}}, tier=1, priority="critical", title="Checkout is down")
    stage.at("09:05").drop("incident", "support-manager", severity=1, reason="all checkouts fail")
    stage.at("09:10").drop("incident_update", "escalation-manager", summary="the gateway is restarted")
    stage.at("09:20").drop("incident_resolved", "escalation-manager", summary="orders go through")
    stage.at("09:21")
    stage._rest()
    assert [w for w in kept.words() if not w.startswith("notify.")] == [
        "chat incident_opened", "chat incident_update", "chat incident_resolved", "ends incident_resolved",
    ]  # fmt: skip
    texts = [job.parcel.facts["text"] for job in kept.jobs if job.channel == "chat"]
    assert texts[0].startswith("acme-42 Checkout is down: incident inc-acme-42-1, severity 1, opened: ")
    assert "war room: war-room-inc-acme-42-1" in texts[0]
    assert "the gateway is restarted" in texts[1]


# --- cron expressions -----------------------------------------------------------------------------------------


@pytest.mark.spec("SLA-18")
@pytest.mark.parametrize(
    ("expression", "last", "following"),
    [
        ("0 7 * * *", "2026-11-20T07:00", "2026-11-21T07:00"),
        ("0 7 * * 1", "2026-11-16T07:00", "2026-11-23T07:00"),  # Monday, as crontab counts
        ("0 7 * * 0", "2026-11-15T07:00", "2026-11-22T07:00"),
        ("0 7 * * 7", "2026-11-15T07:00", "2026-11-22T07:00"),
        ("30 6 * * 1-5", "2026-11-20T06:30", "2026-11-23T06:30"),
        ("30 6 * * mon-fri", "2026-11-20T06:30", "2026-11-23T06:30"),
        ("@weekly", "2026-11-15T00:00", "2026-11-22T00:00"),
        ("0 9 1 * *", "2026-11-01T09:00", "2026-12-01T09:00"),
        ("*/20 * * * *", "2026-11-20T09:00", "2026-11-20T09:20"),
    ],
)
def test_cron_expressions_are_read_as_everybody_writes_them(expression: str, last: str, following: str):
    """Weekdays by number count from Sunday = 0 (and 7)."""
    trigger = cron(expression, UTC)
    assert last_before(trigger, NOW) == datetime.fromisoformat(f"{last}:00+00:00")
    assert trigger.get_next_fire_time(None, NOW + timedelta(seconds=1)) == datetime.fromisoformat(
        f"{following}:00+00:00"
    )


@pytest.mark.spec("SLA-18")
def test_a_cron_expression_is_of_its_zone():
    """Seven in Berlin, in winter and in summer."""
    trigger = cron("0 7 * * *", ZoneInfo("Europe/Berlin"))
    assert last_before(trigger, NOW) == datetime(2026, 11, 20, 6, tzinfo=UTC)
    assert last_before(trigger, datetime(2026, 7, 1, 9, tzinfo=UTC)) == datetime(2026, 7, 1, 5, tzinfo=UTC)
    for nonsense in ("", "7", "0 7 * *", "0 7 * * mun", "61 7 * * *", "0 7 * * * *"):
        with pytest.raises(BadInput):
            cron(nonsense, UTC)


# --- the commands ---------------------------------------------------------------------------------------------


@pytest.fixture
def servers() -> Iterator[tuple[SmtpServer, HttpReceiver]]:
    """Both ends."""
    smtp, http = SmtpServer(), HttpReceiver()
    yield smtp, http
    smtp.close()
    http.close()


@pytest.mark.spec("OPS-15", "CON-18")
def test_notify_test_sends_through_every_channel(tmp_path: Path, servers: tuple[SmtpServer, HttpReceiver]):
    """Delivered, failed with the reason, or skipped for want of an address; exit 1 if any failed."""
    smtp, http = servers
    mail = {"type": "email", "host": "127.0.0.1", "port": smtp.port, "tls": False, "from": "a@b.example"}
    tree = Tree(tmp_path, {
        "channels": {"mail": mail},
        "notify": {"pager": {"type": "webhook", "url": http.url}, "gone": {"type": "webhook", "url": "http://127.0.0.1:1/"}},
    })  # fmt: skip
    done = tree.call("notify", "test", "--json")
    assert done.returncode == 1
    found = {r["name"]: r["outcome"] for r in json.loads(done.stdout)["results"]}
    assert found == {"mail": "skipped", "pager": "delivered", "gone": "failed"}
    assert not smtp.taken
    done = tree.call("notify", "test", "mail", "pager", "--to", "me@b.example")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "delivered" in done.stdout
    assert smtp.recipients == [["me@b.example"]]
    assert [each["type"] for each in http.taken] == ["test", "test"]
    assert tree.call("notify", "test", "nope").returncode == 66
    assert Tree(tmp_path / "other").call("notify", "test").returncode == 66


@pytest.mark.spec("OPS-15", "REL-4")
def test_the_daemon_tells_its_operators(tmp_path: Path, servers: tuple[SmtpServer, HttpReceiver]):
    """A case that cannot be executed reaches the webhook, though the daemon goes on with the others."""
    _, http = servers
    tree = Tree(tmp_path, {"notify": {"pager": {"type": "webhook", "url": http.url}}, "settle": "0.2 s"})
    drop(tree.root / "bad" / "instruction.yaml", "title: x\n")
    drop(tree.root / "bad" / "outputs" / "partial" / "journal.yaml", "- nonsense\n- {}\n")
    tree.start()
    tree.until(lambda: bool(http.taken), "nobody is told")
    assert tree.stop() == 0
    assert http.taken[0]["type"] == "parked"
    assert "bad" in http.taken[0]["body"]


@pytest.mark.spec("OPS-8")
def test_what_stands_in_a_channels_way(tmp_path: Path, servers: tuple[SmtpServer, HttpReceiver]):
    """Files, templates, programs and servers, without sending anything."""
    smtp, http = servers
    (tmp_path / "t").write_text("Dear ${customr}\n")

    def keys(**given: Any) -> list[str]:
        return [o.key for o in obstacles(ChannelRow.model_validate(given), {})]

    fine = {"type": "email", "host": "127.0.0.1", "port": smtp.port, "from": "a@b.c"}
    assert keys(**fine) == []
    assert keys(**fine, template=str(tmp_path / "t"), password_file="/nowhere/p") == ["template", "password_file"]
    assert keys(**{**fine, "port": 1}) == ["host"]
    assert keys(type="email") == ["host", "from"]
    assert keys(type="webhook", url=http.url) == []
    assert keys(type="webhook", url="http://127.0.0.1:1/") == ["url"]
    assert keys(type="webhook") == ["url"]
    assert keys(type="command", program="/nowhere/x") == ["program"]
    assert not smtp.commands
    assert not http.posts
