"""`sla report` and the digests: how promises were kept, the same numbers whenever they are worked out [SLA-19, SLA-18].

Counterparts: `executord/views/sla_report.py`, `cli/sla_report.py`, `service/digests.py`. The cases are played on a
stage.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from executord import schemas
from executord.bells import Bells
from executord.clock import WallClock
from executord.service import Service
from executord.service.digests import Digests
from executord.values import stamp
from executord.views.sla_report import percentile, sla_report, unanswered
from tests.real.kit import INBOX, Tree
from tests.stories.kit import CASE, ENGINEER, UPDATE, WRITER, Stage

LIAISON = "customer-success-manager"
ACME = {"name": "Acme", "contact": "ops@acme.example", "segment": "enterprise"}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A critical case with a customer: one update late, one task answered late, one cancelled, one that waited."""
    s = Stage(tmp_path / "memory", {}, strict=False)
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}, "T3": {"assigned_to": WRITER}},
           tier=2, priority="critical", customer=ACME)  # fmt: skip
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("09:30").drop("blocked", ENGINEER, "T1", description="we wait for the customer's account number",
                       blocker_type="waiting_on_customer")  # fmt: skip
    s.at("10:05").drop("customer_update", LIAISON, **UPDATE)
    s.at("10:30").drop("customer_reply", LIAISON, "T1", text="it is 4711")
    s.at("10:40").done(ENGINEER, "T1")
    s.at("11:45").drop("ack", WRITER, "T2")
    s.at("11:58").done(WRITER, "T2")
    s.at("12:00").drop("customer_update", LIAISON, **UPDATE)
    s.at("12:05").drop("cancel", "support-manager", "T3", reason="no need any more")
    s.at("14:00")
    s.look()
    return s


def report(s: Stage, **period: Any) -> dict[str, Any]:
    """The report of the stage's cases."""
    assert s.service is not None
    return sla_report(s.service.cases.values(), s.policy, period.pop("at", s.now), **period)


def read_again(s: Stage) -> Service:
    """A reader that has only the tree."""
    service = Service(s.root, s.policy, durable=False)
    service.store.began, service.store.expect_settled = s.began, True
    service.load_all(s.now)
    return service


@pytest.mark.spec("SLA-19", "CON-9", "SLA-10")
def test_what_is_counted(stage: Stage):
    """Met, breached with its cause and who was told, ended otherwise; updates on time; the pause once."""
    found = report(stage)
    (group,) = found["groups"]
    assert group["key"] is None
    breaches = [(b["task"], b["kind"], b["due"], b["ended_at"]) for b in found["breaches"]]
    assert breaches == [
        (None, "customer_update", "2026-11-20T11:05:00Z", "2026-11-20T12:00:00Z"),
        (None, "next_response", "2026-11-20T11:30:00Z", "2026-11-20T12:00:00Z"),
        ("T2", "response", "2026-11-20T11:40:00Z", "2026-11-20T11:45:00Z"),
        (None, "customer_update", "2026-11-20T13:00:00Z", None),
    ]
    assert group["breached"] == len(found["breaches"])
    assert found["breaches"][2]["cause"]
    assert found["breaches"][2]["told"] == ["support-manager"]
    # the instruction's response, and its resolution at 12:05; both of T1; the resolution of T2
    assert (group["met"], group["approved_extension"]) == (5, 0)
    assert group["deferred_or_cancelled"] == 2  # both clocks of T3
    assert group["updates"] == {"sent": 3, "on_time": 2}
    assert group["paused_s"] == {"waiting_on_customer": 3600}
    assert group["elapsed_of_target"]["p50"] is not None


@pytest.mark.spec("SLA-19")
@pytest.mark.parametrize("by", [None, "agent", "priority", "customer", "policy"])
def test_the_same_numbers_whenever_it_is_recomputed(stage: Stage, by: Any):
    """From the tree alone, after a restart, and for a period that is over whatever has happened since."""
    wanted = report(stage, by=by)
    service = read_again(stage)
    assert sla_report(service.cases.values(), stage.policy, stage.now, by=by) == wanted
    stage.restart()
    assert report(stage, by=by) == wanted
    end = stage.now
    past = report(stage, by=by, end=end)
    stage.at("15:00").drop("customer_update", LIAISON, **UPDATE)
    stage.drop("retry", "support-manager", "T2", reason="it is wrong after all")
    stage.at("15:30").done(WRITER, "T2")
    stage.at("16:00")
    stage.look()
    later = report(stage, by=by, end=end)
    assert {**later, "at": past["at"]} == past
    assert report(stage, by=by) != wanted


@pytest.mark.spec("SLA-19", "CON-9")
def test_groups_and_periods_add_up(stage: Stage):
    """Each clock is in one group and in one period: their sums are the whole."""
    whole = report(stage)["groups"][0]
    count = ("met", "approved_extension", "breached", "deferred_or_cancelled")
    for by in ("agent", "priority", "customer", "policy"):
        groups = report(stage, by=by)["groups"]
        assert [sum(g[c] for g in groups) for c in count] == [whole[c] for c in count], by
        assert sum(g["updates"]["sent"] for g in groups) == whole["updates"]["sent"]
    assert {g["key"] for g in report(stage, by="agent")["groups"]} == {ENGINEER, WRITER, LIAISON}
    assert [g["key"] for g in report(stage, by="customer")["groups"]] == ["Acme"]
    policies = [g["key"] for g in report(stage, by="policy")["groups"]]
    assert "severity 1 (2 - 4 h)" in policies
    assert not any("caps" in key for key in policies), "a task whose limit is the instruction's is of its row"
    edges = [None, *(datetime(2026, 11, 20, h, 5, tzinfo=UTC) for h in (9, 10, 11, 12)), None]
    parts = [report(stage, begin=a, end=b) for a, b in pairwise(edges)]
    assert [sum(p["groups"][0][c] for p in parts) for c in count] == [whole[c] for c in count]
    assert sum(len(p["breaches"]) for p in parts) == len(report(stage)["breaches"])


@pytest.mark.spec("SLA-19", "SLA-10")
def test_a_breach_that_nobody_has_noted_counts_too(stage: Stage):
    """The daemon is down: the limit has passed all the same; once it is noted the count is what it was."""
    before = report(stage)["groups"][0]["breached"]
    stage.drop("retry", "support-manager", "T2", reason="once more")
    stage.look()
    stage.kill(datetime(2026, 11, 23, 9, tzinfo=UTC))
    stage.clock.set(datetime(2026, 11, 22, 9, tzinfo=UTC))
    service = read_again(stage)
    found = sla_report(service.cases.values(), stage.policy, stage.now)
    unnoted = [b for b in found["breaches"] if b["detected_at"] is None]
    assert {(b["task"], b["kind"]) for b in unnoted} >= {("T2", "response"), (None, "resolution")}
    assert all(b["late_by_s"] > 0 for b in unnoted)
    assert found["groups"][0]["breached"] == before + len(unnoted)
    stage.advance(datetime(2026, 11, 23, 9, 1, tzinfo=UTC))
    stage.look()
    end = datetime(2026, 11, 22, 9, tzinfo=UTC)
    noted = report(stage, end=end)
    keys = [(b["task"], b["kind"], b["due"]) for b in noted["breaches"] if b["kind"] != "customer_update"]
    assert keys == [(b["task"], b["kind"], b["due"]) for b in found["breaches"] if b["kind"] != "customer_update"]


@pytest.mark.spec("SLA-19", "SLA-7")
def test_a_pause_that_ran_on_after_the_answer_is_listed(tmp_path: Path):
    """The customer has answered, and the task stayed paused."""
    s = Stage(tmp_path / "memory", {}, strict=False)
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=3, priority="high", customer=ACME)
    s.at("09:30").drop("blocked", ENGINEER, "T1", description="we wait for the customer", kind_="x",
                       blocker_type="waiting_on_customer")  # fmt: skip
    s.look()
    s.at("10:00").drop("customer_reply", LIAISON, "T2", text="about the other one")
    s.at("11:00")
    s.look()
    found = report(s)
    assert found["wrongful_pauses"] == []  # it was about another task
    assert report(s)["groups"][0]["updates"]["sent"] == 0


@pytest.mark.spec("SLA-19", "SLA-7", "CON-9")
def test_a_pause_of_the_policy_that_the_reply_does_not_end_is_listed(tmp_path: Path):
    """It waits for a vendor when the customer answers about it: from then on it stands still to his cost."""
    row = {"match": {"segment": "enterprise"}, "pauses": {"vendor": {"cap": "2 days"}}}
    customer = {"name": "Acme", "segment": "enterprise", "contact": "ops@acme.example"}
    s = Stage(tmp_path / "memory", {"policies": [row]}, strict=False)
    s.case({"T1": {"assigned_to": ENGINEER}, "T2": {"assigned_to": WRITER}}, tier=3, priority="high", customer=customer)
    s.at("09:30").drop("blocked", ENGINEER, "T1", description="the vendor looks into it", waiting_on="vendor",
                       blocker_type="technical_dependency")  # fmt: skip
    s.at("10:00").drop("customer_reply", LIAISON, "T1", text="it is urgent, where do we stand?")
    s.at("11:00").drop("unblocked", "support-manager", "T1", answer="the vendor has mended it")
    s.at("11:10")
    s.look()
    assert report(s)["wrongful_pauses"] == [
        {"instruction_id": CASE, "task": "T1", "reason": "vendor", "from": "2026-11-20T10:00:00Z",
         "to": "2026-11-20T11:00:00Z"},
    ]  # fmt: skip


@pytest.mark.spec("SLA-19")
def test_percentiles_are_values_that_were_there():
    """Nearest rank; none of none."""
    assert percentile([], 50) is None
    assert [percentile([1.0, 2.0, 3.0, 4.0], p) for p in (50, 90, 99)] == [2.0, 4.0, 4.0]
    assert percentile([float(k) for k in range(1, 101)], 90) == 90.0


# --- the command ----------------------------------------------------------------------------------------------


@pytest.fixture
def tree(stage: Stage, tmp_path: Path) -> Tree:
    """The stage's memory, for the command line."""
    stage.end()
    tree = Tree(tmp_path / "real")
    shutil.rmtree(tree.root)
    shutil.copytree(stage.root, tree.root)
    return tree


@pytest.mark.spec("SLA-19", "CON-9", "OPS-10", "OPS-4")
def test_the_command(tree: Tree):
    """Table, JSON by its schema, CSV; with the daemon down, and without a state folder."""
    done = tree.call("sla", "report", "--to", "2026-11-20T14:00:00Z", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema_version"] == 1
    assert found["groups"][0]["breached"] == 4
    shape = schemas.schema_of("digest")["$defs"]["SlaReport"]
    Draft202012Validator({**shape, "$defs": schemas.schema_of("digest")["$defs"]}).validate(found)
    tree.state.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(tree.state)
    again = json.loads(tree.call("sla", "report", "--to", "2026-11-20T14:00:00Z", "--json").stdout)
    assert {**again, "at": None} == {**found, "at": None}
    table = tree.call("sla", "report", "--by", "agent", "--from", "2026-11-20").stdout
    assert "technical-writer" in table
    assert "Breaches" in table
    rows = list(csv.DictReader(io.StringIO(tree.call("sla", "report", "--by", "agent", "--csv").stdout)))
    assert {r["agent"] for r in rows} == {ENGINEER, WRITER, LIAISON}
    assert sum(int(r["updates_sent"]) for r in rows) == 3
    assert not tree.state.exists()


@pytest.mark.spec("CON-18", "SLA-19")
@pytest.mark.parametrize(
    "args", [["--by", "weather"], ["--from", "soonish"], ["--csv", "--json"],
             ["--from", "2026-11-21", "--to", "2026-11-20"]],
)  # fmt: skip
def test_a_wrong_call_is_usage(tree: Tree, args: list[str]):
    """2, and it says what is possible."""
    assert tree.call("sla", "report", *args).returncode == 2


@pytest.mark.spec("SLA-19")
def test_what_was_archived_still_counts(tree: Tree):
    """An instruction that was moved to the archive has the numbers that it had."""
    before = json.loads(tree.call("sla", "report", "--to", "2026-11-20T14:00:00Z", "--json").stdout)
    (tree.root / "_archive").mkdir()
    (tree.root / "acme-42").rename(tree.root / "_archive" / "acme-42")
    after = json.loads(tree.call("sla", "report", "--to", "2026-11-20T14:00:00Z", "--json").stdout)
    assert {**after, "at": None} == {**before, "at": None}


@pytest.mark.spec("SEC-3", "SLA-19")
def test_a_customer_is_no_formula(tmp_path: Path):
    """A name that a spreadsheet would calculate is text in the CSV."""
    s = Stage(tmp_path / "memory", {}, strict=False)
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, customer={"name": "=1+1"})
    s.at("09:05").drop("customer_update", LIAISON, **UPDATE)
    s.look()
    s.end()
    tree = Tree(tmp_path / "real")
    shutil.rmtree(tree.root)
    shutil.copytree(s.root, tree.root)
    assert "\n'=1+1," in tree.call("sla", "report", "--by", "customer", "--csv").stdout


# --- digests --------------------------------------------------------------------------------------------------


def send(digests: Digests, period: Any, at: datetime) -> None:
    """One is due, and put together to its end."""
    digests.due(period, at, at)
    finish(digests, at)


def finish(digests: Digests, at: datetime) -> None:
    """Put together what is due."""
    while digests.busy(at):
        digests.turn(at)


def box(root: str) -> list[dict[str, Any]]:
    """The digests that lie with support-manager."""
    folder = Path(root) / INBOX / "support-manager"
    return [yaml.safe_load(p.read_text()) for p in sorted(folder.glob("*digest*.yaml"))]


@pytest.mark.spec("SLA-18", "EXE-29", "CON-9", "CON-4", "MSG-9")
def test_the_digests_say_what_happened_and_what_nobody_answered(stage: Stage):
    """Daily and weekly, each over its time; by their schema; the same name twice becomes ~2."""
    assert stage.service is not None
    stage.at("2026-11-21T07:00:00Z")
    stage.look()
    send(stage.service.digests, "daily", stage.now)
    send(stage.service.digests, "weekly", stage.now)
    first, second = box(stage.root)
    assert [first["id"], second["id"]] == ["executor.digest.2026-11-21", "executor.digest.2026-11-21~2"]
    assert (first["period"], second["period"]) == ("daily", "weekly")
    assert first["event"] is None
    assert first["report"]["from"] == "2026-11-20T07:00:00Z"
    assert second["report"]["from"] == "2026-11-14T07:00:00Z"
    assert first["report"]["groups"][0]["breached"] == len(first["report"]["breaches"]) == 4
    silent = [u for u in first["unanswered"] if u["kind"] == "customer_update"]
    assert silent == [
        {"instruction_id": "acme-42", "task": None, "kind": "customer_update", "since": "2026-11-20T13:00:00Z"}
    ]
    for each in (first, second):
        Draft202012Validator(schemas.schema_of("digest")).validate(each)


@pytest.mark.spec("SLA-18")
def test_with_nothing_to_say_there_is_none(tmp_path: Path):
    """An empty day, and a day on which nothing ended."""
    s = Stage(tmp_path / "memory", {}, strict=False)
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, priority="low")
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.look()
    assert s.service is not None
    s.at("2026-11-25T07:00:00Z")
    send(s.service.digests, "daily", s.now)
    assert box(s.root) == []


@pytest.mark.spec("SLA-18", "OPS-15")
def test_a_muted_reader_gets_none(stage: Stage):
    """It is a notification; it is not made up for."""
    stage.drop("mute", "operator", case=None, target_agent="support-manager", **{"for": "4h"})
    stage.look()
    assert stage.service is not None
    send(stage.service.digests, "daily", stage.now)
    assert box(stage.root) == []


@pytest.mark.spec("SLA-18", "OPS-10")
def test_each_time_is_answered_once(stage: Stage, tmp_path: Path):
    """Also after a restart; one that was due while the daemon was down comes then; a lost state folder sends none."""
    assert stage.service is not None
    state = str(tmp_path / "state")
    at = stage.now
    send(Digests(stage.service, state), "daily", at)
    again = Digests(stage.service, state)
    again.missed("daily", at, at + timedelta(minutes=1))
    assert again.next_at() is None
    later = at + timedelta(hours=2)
    again.missed("daily", at + timedelta(hours=1), later)
    assert not again.busy(later)  # not before what lies there is read
    assert again.busy(later + timedelta(seconds=10))
    finish(again, later + timedelta(seconds=10))
    assert len(box(stage.root)) == 2
    shutil.rmtree(state)
    lost = Digests(stage.service, state)
    lost.missed("daily", at + timedelta(hours=3), at + timedelta(hours=4))
    assert lost.next_at() is None
    lost.missed("daily", at + timedelta(hours=27), at + timedelta(hours=28))
    assert lost.next_at() is not None


@pytest.mark.spec("EXE-29")
def test_what_climbed_past_hitl_is_unanswered(tmp_path: Path):
    """A blocker that nobody answers stands in the digest once everybody was asked."""
    s = Stage(tmp_path / "memory", {}, strict=False)
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, priority="critical")
    s.look()
    s.drop("blocked", ENGINEER, "T1", description="the scope is unclear")
    s.at("12:30")
    s.look()
    assert s.service is not None
    case = s.service.cases["acme-42"]
    assert [u for u in unanswered(case, s.policy, s.now) if u["kind"] == "blocker"] == []
    s.at("18:00")
    s.look()
    found = [u for u in unanswered(case, s.policy, s.now) if u["kind"] == "blocker"]
    assert [(u["task"], u["since"]) for u in found] == [("T1", "2026-11-20T09:00:00Z")]


@pytest.mark.spec("SLA-18")
def test_the_scheduler_holds_one_job_for_each_digest(tmp_path: Path):
    """However often it is told: a cron job each, taken away by `off`."""
    bells = Bells(str(tmp_path), lambda _ring: None)
    bells.start()
    try:
        for _ in range(5):
            bells.cron("digest daily", "0 7 * * *", UTC)
            bells.cron("digest weekly", "0 7 * * mon", UTC)
        names = sorted(job.id for job in bells._alarms.get_jobs())
        assert names == ["digest daily", "digest weekly", "probe"]
        bells.cron("digest daily", None, UTC)
        assert sorted(job.id for job in bells._alarms.get_jobs()) == ["digest weekly", "probe"]
    finally:
        bells.stop()


@pytest.mark.spec("SLA-18", "OPS-10")
def test_the_daemon_sends_the_digest_that_it_missed(tree: Tree):
    """It was down at seven; at its start support-manager gets the digest, and at the next start none."""
    now = WallClock().now()
    tree.state.mkdir(parents=True)
    (tree.state / "digests.json").write_text(json.dumps({"daily": stamp(now - timedelta(days=30))}))
    tree.config.write_text(yaml.safe_dump({"digests": {"weekly": "off"}}))
    tree.start()
    tree.until(lambda: bool(box(str(tree.root))), "no digest comes")
    assert tree.stop() == 0
    n = len(box(str(tree.root)))
    tree.start()
    assert tree.stop() == 0
    assert len(box(str(tree.root))) == n == 1
    assert tree.call("fsck").returncode == 0
    assert not [n for n in os.listdir(tree.root / INBOX / "support-manager") if n.startswith(".")]
