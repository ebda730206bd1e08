"""Stories of clocks: warnings, breaches, pauses, more time, and what the customer hears meanwhile (chapter 5)."""

from __future__ import annotations

from typing import Any

from executord.files import journal
from tests.stories.delivery import TICKET
from tests.stories.kit import ENGINEER, UPDATE, Stage, story

LIAISON = "customer-success-manager"
ACME = {"name": "Acme", "segment": "enterprise", "contact": "ops@acme.example", "timezone": "Europe/Berlin"}
PROGRESS = "acme-42/outputs/partial/progress.yaml"
INBOX = "_communication/inbox"
PATIENT: dict[str, Any] = {"roster": {ENGINEER: {"silence": "9 weeks"}}}  # what he does not say is another story
HEADED = "Status: found\nNext steps: tonight\n# Blockers\nnone\nWhat to expect next: a note\nContact: Mia\n"
BERLIN = {
    "timezone": "Europe/Berlin", "weekly": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    "holidays": {"2026-11-24": "Founders' Day"},
}  # fmt: skip


def clock(s: Stage, kind: str, task: str | None = None) -> dict[str, Any]:
    """A clock as the progress file shows it."""
    rows = s.read(PROGRESS).get("clocks") or []
    return next((r for r in rows if r["kind"] == kind and r["task"] == task), {})


def runs(s: Stage, kind: str, task: str | None = None, **wanted: Any) -> None:
    """A clock shows these values."""
    found = clock(s, kind, task)
    if s.strict:
        assert {key: found.get(key) for key in wanted} == wanted


def record(s: Stage, name: str, **wanted: Any) -> None:
    """A line of the journal keeps these facts."""
    s._rest()
    entries = journal.read(f"{s.root}/acme-42").entries
    if s.strict:
        facts = next(e["facts"] for e in entries if e.get("name") == name)
        assert {key: facts.get(key) for key in wanted} == wanted


@story("SLA-13", "SLA-14", "SLA-15", "SLA-10", **PATIENT)
def critical_over_a_night_with_hourly_updates_one_of_them_late(s: Stage) -> None:
    """Every hour the customer hears from us, at night too; the one that is late is reminded of and recorded."""
    s.at("22:00")
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, priority="critical", customer=ACME,
           created_at="2026-11-20T22:00:00Z", sla_resolution="24 hours")  # fmt: skip
    s.restart()
    s.at("22:05").drop("acknowledgement", ENGINEER, "T1", eta="2026-11-21T20:00:00Z")
    s.at("22:10").drop("customer_update", LIAISON, **UPDATE)
    s.expect(
        """
        22:00 open acme-42
        22:00 admit T1 #1
        22:00 ask update #1 → customer-success-manager
        22:00 assign T1 a1 → technical-support-engineer
        22:00 move T1 #1 in_progress
        22:05 file 01-acknowledgement.yaml #1
        22:10 file 02-customer_update.yaml #1
        22:10 update #1
        """
    )
    s.at("23:05").drop("customer_update", LIAISON, **UPDATE)
    s.at("2026-11-21T00:00:00Z").drop("customer_update", LIAISON, **UPDATE)
    s.at("2026-11-21T01:20:00Z").drop("customer_update", LIAISON, **UPDATE)
    s.at("2026-11-21T02:10:00Z").drop("customer_update", LIAISON, **UPDATE)
    s.expect(
        """
        22:58 ask update #2 → customer-success-manager
        23:05 file 03-customer_update.yaml #1
        23:05 update #2
        23:53 ask update #3 → customer-success-manager
        11-21 00:00 file 04-customer_update.yaml #1
        11-21 00:00 update #3
        11-21 00:48 ask update #4 → customer-success-manager
        11-21 01:00 breach customer_update #4
        11-21 01:00 remind update #4 → customer-success-manager
        11-21 01:15 escalate update #4 level-1 → vp-customer-support
        11-21 01:20 file 05-customer_update.yaml #1
        11-21 01:20 update #4
        11-21 02:00 warn resolution T1 #1 target → technical-support-engineer
        11-21 02:08 ask update #5 → customer-success-manager
        11-21 02:10 file 06-customer_update.yaml #1
        11-21 02:10 update #5
        """
    )
    record(s, "breach customer_update #4", due="2026-11-21T01:00:00Z", late_by_s=0, told=[])
    request = s.read(f"{INBOX}/{LIAISON}/acme-42.customer_update_request-2.yaml")
    if s.strict:
        assert list(request["contents"]) == ["status", "next_steps", "blockers", "expect_next", "contact"]
        assert request["draft"]["status"] == ["0 of 1 tasks have ended", "in work: diagnose the api error"]
        assert request["draft"]["next_steps"] == ["diagnose the api error, expected 2026-11-21T20:00:00Z"]


@story("SLA-3", "SLA-4", "SLA-8", "SLA-10", calendars={"business": BERLIN}, timezone_name="Europe/Berlin", **PATIENT)
def medium_over_a_weekend_and_a_holiday(s: Stage) -> None:
    """Three to five business days, from Friday morning: the weekend and Tuesday's holiday do not count."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, priority="medium", created_at="2026-11-20T08:00:00Z")
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("2026-11-25T15:30:00Z")
    runs(s, "resolution", target="2026-11-25T16:00:00Z", due="2026-11-27T16:00:00Z", calendar="business")
    s.at("2026-11-27T18:00:00Z")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-acknowledgement.yaml #1
        11-25 12:00 warn resolution #1 50% → support-manager
        11-25 12:30 warn resolution T1 #1 50% → technical-support-engineer
        11-25 16:00 warn resolution #1 target → support-manager
        11-26 09:00 warn resolution T1 #1 target → technical-support-engineer
        11-26 14:00 warn resolution #1 75% → support-manager
        11-26 14:00 warn resolution #1 75%-manager → vp-customer-support
        11-26 14:00 proactive #1
        11-26 14:00 expedite #1 → support-manager
        11-26 14:15 warn resolution T1 #1 75% → technical-support-engineer
        11-26 14:15 warn resolution T1 #1 75%-manager → escalation-manager
        11-26 22:00 remind expedite #1 → support-manager
        11-27 12:00 warn resolution #1 90% → support-manager
        11-27 12:00 warn resolution #1 90%-manager → vp-customer-support
        11-27 12:06 warn resolution T1 #1 90% → technical-support-engineer
        11-27 12:06 warn resolution T1 #1 90%-manager → escalation-manager
        11-27 14:00 escalate expedite #1 level-2 → vp-customer-support
        11-27 16:00 breach resolution #1
        11-27 16:00 ask breach resolution #1 → vp-customer-support
        11-27 16:00 breach resolution T1 #1
        11-27 16:00 ask breach resolution T1 #1 → escalation-manager
        """
    )
    warning = s.read(f"{INBOX}/support-manager/acme-42.sla_warning-3.yaml")
    if s.strict:
        assert warning["marks"] == ["75%"]
        assert warning["due_local"] == "2026-11-27 17:00 CET (Europe/Berlin)"
        assert warning["left"] == {"business_s": 36000, "real_s": 93600,
                                   "text": "10 h of business time left, 1 d 2 h by the clock"}  # fmt: skip


@story("SLA-7", "SLA-2", "SLA-17", "SLA-14", **PATIENT)
def it_waits_for_the_customer_and_he_answers(s: Stage) -> None:
    """Resolution stands still until his answer comes, updates do not; then he waits for us."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME)
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("10:00").drop("blocked", ENGINEER, "T1", description="the account number is missing: ask the customer")
    s.at("10:30")
    runs(s, "resolution", state="paused", paused_because="waiting_on_customer")
    runs(s, "resolution", "T1", state="paused", paused_because="waiting_on_customer")
    s.at("2026-11-21T09:00:00Z").drop("customer_update", LIAISON, **UPDATE)
    s.at("2026-11-21T10:00:00Z").drop("customer_reply", LIAISON, "T1", text="it is 4711")
    s.at("2026-11-21T10:01:00Z")
    runs(s, "resolution", state="running", due="2026-11-23T08:50:00Z", paused_because=None)
    runs(s, "next_response", state="running", start="2026-11-21T10:00:00Z", due="2026-11-21T14:00:00Z")
    s.at("2026-11-21T12:30:00Z").drop("customer_update", LIAISON, **UPDATE)
    s.at("2026-11-21T12:31:00Z")
    runs(s, "next_response", state="met", stopped="2026-11-21T12:30:00Z")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 ask update #1 → customer-success-manager
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-acknowledgement.yaml #1
        09:10 file 02-customer_update.yaml #1
        09:10 update #1
        10:00 file 03-blocked.yaml #1
        10:00 ask blocker T1 #1 → customer-success-manager
        12:00 remind blocker T1 #1 → customer-success-manager
        14:00 escalate blocker T1 #1 level-2 → support-manager
        16:00 remind blocker T1 #1 level-2 → support-manager
        18:00 escalate blocker T1 #1 level-3 → vp-customer-support
        20:00 remind blocker T1 #1 level-3 → vp-customer-support
        22:00 escalate blocker T1 #1 level-4 → hitl
        11-21 00:00 remind blocker T1 #1 level-4 → hitl
        11-21 02:00 unanswered blocker T1 #1
        11-21 05:10 ask update #2 → customer-success-manager
        11-21 09:00 file 04-customer_update.yaml #1
        11-21 09:00 update #2
        11-21 10:00 file 05-customer_reply.yaml #1
        11-21 10:00 answer blocker T1 #1 → technical-support-engineer
        11-21 12:00 warn next_response #1 50% → customer-success-manager
        11-21 12:30 file 06-customer_update.yaml #1
        11-21 12:30 update #3
        """
    )


@story("SLA-7", **PATIENT)
def nobody_answers_and_the_pause_comes_to_its_cap(s: Stage) -> None:
    """On hold by authority stands still for 72 hours at most, by the planner not at all; at seven days the customer's
    silence is no excuse any more."""
    s.case({"T1": {"title": "diagnose the api error"}, "T2": "write it up"}, tier=3, customer=ACME, priority="low")
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("09:20").drop("hold", "planner", "T2", reason="wait for T1")
    s.at("09:30")
    runs(s, "resolution", state="running")
    s.at("10:00").drop("blocked", ENGINEER, "T1", blocker_type="missing_information", description="which account?")
    s.at("10:10")
    runs(s, "resolution", state="paused", paused_because="waiting_on_customer")
    s.skip()
    s.at("2026-11-27T09:59:59Z")
    s.skip()
    s.at("2026-11-27T10:00:01Z")
    s.expect(
        """
        11-27 10:00 remind blocker T1 #1 level-4 → hitl
        11-27 10:00 run-on resolution T1 #1 waiting_on_customer
        """
    )
    runs(s, "resolution", state="running", paused_because=None)
    s.at("2026-11-27T11:00:00Z").drop("hold", "support-manager", reason="the customer moves offices")
    s.at("2026-11-27T11:01:00Z")
    runs(s, "resolution", state="paused", paused_because="on_hold")
    s.at("2026-11-30T11:00:01Z")
    runs(s, "resolution", state="running", paused_because=None)


@story("SLA-10", "SLA-11", **PATIENT)
def a_priority_is_raised_so_that_the_limit_lies_in_the_past(s: Stage) -> None:
    """Breached from the change on, not before; what was told is not told again, and the marks below are only noted."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, priority="low")
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("2026-11-22T10:00:00Z").drop("priority_change", "support-manager", priority="critical")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-acknowledgement.yaml #1
        11-22 10:00 file 02-priority_change.yaml #1
        11-22 10:00 warn resolution #1 target
        11-22 10:00 warn resolution T1 #1 target
        11-22 10:00 warn resolution #1 50%
        11-22 10:00 warn resolution T1 #1 50%
        11-22 10:00 warn resolution #1 75%
        11-22 10:00 warn resolution #1 75%-manager
        11-22 10:00 warn resolution T1 #1 75%
        11-22 10:00 warn resolution T1 #1 75%-manager
        11-22 10:00 warn resolution #1 90%
        11-22 10:00 warn resolution #1 90%-manager
        11-22 10:00 warn resolution T1 #1 90%
        11-22 10:00 warn resolution T1 #1 90%-manager
        11-22 10:00 notice T1 #1 instruction-priority → technical-support-engineer
        11-22 10:00 breach resolution #1
        11-22 10:00 ask breach resolution #1 → vp-customer-support
        11-22 10:00 breach resolution T1 #1
        11-22 10:00 ask breach resolution T1 #1 → escalation-manager
        """
    )
    runs(s, "resolution", state="breached", due="2026-11-21T08:50:00Z", late_by_s=None)
    record(s, "breach resolution #1", due="2026-11-21T08:50:00Z", effective_at="2026-11-22T10:00:00Z", late_by_s=0)
    s.at("2026-11-22T10:05:00Z").drop("priority_change", "support-manager", priority="low")
    s.at("2026-11-22T10:06:00Z")
    runs(s, "resolution", state="breached", due="2026-12-03T17:00:00Z")


@story("SLA-22", "SLA-11", **PATIENT)
def more_time_is_agreed_with_the_customer(s: Stage) -> None:
    """Our own word moves only our warnings; the customer's moves the limit, and what meets that is shown as such."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME, sla_resolution="4 hours",
           created_at="2026-11-20T09:00:00Z")  # fmt: skip
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("11:30").drop("sla_extension", "support-manager", approved_by="support-manager", add="2 hours", reason="more")
    s.at("11:31")
    runs(s, "resolution", due="2026-11-20T13:00:00Z")
    s.at("12:30").drop("sla_extension", LIAISON, approved_by="ops@acme.example", reference="call", add="2 hours")
    s.at("12:31")
    runs(s, "resolution", due="2026-11-20T15:00:00Z")
    runs(s, "resolution", "T1", due="2026-11-20T15:00:00Z")
    s.at("14:45").done(ENGINEER, "T1", customer_update=UPDATE)
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 ask update #1 → customer-success-manager
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-acknowledgement.yaml #1
        09:10 file 02-customer_update.yaml #1
        09:10 update #1
        11:00 warn resolution #1 50% → customer-success-manager
        11:00 warn resolution T1 #1 50% → technical-support-engineer
        11:30 file 03-sla_extension.yaml #1
        12:00 warn resolution #2 50% → customer-success-manager
        12:30 file 04-sla_extension.yaml #1
        13:00 warn resolution #3 50% → customer-success-manager
        14:45 file 05-completion.yaml #1
        14:45 update #2
        14:45 result T1 a1
        14:45 move T1 #2 completed
        14:45 aggregate #1
        14:45 request component follow_up_plan #1 → technical-support-engineer
        14:45 request component knowledge_base_article #1 → knowledge-base-manager
        14:45 request component preventive_measures #1 → technical-support-engineer
        14:45 request component resolution_steps #1 → technical-support-engineer
        14:45 request component root_cause_analysis #1 → support-analyst
        """
    )
    runs(s, "resolution", state="approved_extension", stopped="2026-11-20T14:45:00Z", late_by_s=None)


@story("SLA-22", "SLA-10", **PATIENT)
def more_time_that_comes_too_late_leaves_it_breached(s: Stage) -> None:
    """An extension after the breach opens new warnings and a new limit; the result stays breached."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME, sla_resolution="4 hours",
           created_at="2026-11-20T09:00:00Z")  # fmt: skip
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1", eta="2026-11-20T12:30:00Z")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("13:30").drop("sla_extension", LIAISON, approved_by="ops@acme.example", new_limit="2026-11-20T18:00:00Z")
    s.at("13:31")
    runs(s, "resolution", state="breached", due="2026-11-20T18:00:00Z")
    s.at("17:00").done(ENGINEER, "T1", customer_update=UPDATE)
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 ask update #1 → customer-success-manager
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-acknowledgement.yaml #1
        09:10 file 02-customer_update.yaml #1
        09:10 update #1
        11:00 warn resolution #1 50% → customer-success-manager
        11:00 warn resolution T1 #1 50% → technical-support-engineer
        12:00 warn resolution #1 75% → customer-success-manager
        12:00 warn resolution #1 75%-manager → support-manager
        12:00 warn resolution T1 #1 75% → technical-support-engineer
        12:00 warn resolution T1 #1 75%-manager → escalation-manager
        12:36 warn resolution #1 90% → customer-success-manager
        12:36 warn resolution #1 90%-manager → support-manager
        12:36 warn resolution T1 #1 90% → technical-support-engineer
        12:36 warn resolution T1 #1 90%-manager → escalation-manager
        13:00 breach resolution #1
        13:00 ask breach resolution #1 → support-manager
        13:00 breach resolution T1 #1
        13:00 ask breach resolution T1 #1 → escalation-manager
        13:30 file 03-sla_extension.yaml #1
        13:30 warn resolution #2 50% → customer-success-manager
        15:00 remind breach resolution #1 → support-manager
        15:00 remind breach resolution T1 #1 → escalation-manager
        15:45 warn resolution #2 75% → customer-success-manager
        15:45 warn resolution #2 75%-manager → support-manager
        17:00 file 04-completion.yaml #1
        17:00 update #2
        17:00 result T1 a1
        17:00 move T1 #2 completed
        17:00 aggregate #1
        17:00 request component follow_up_plan #1 → technical-support-engineer
        17:00 request component knowledge_base_article #1 → knowledge-base-manager
        17:00 request component preventive_measures #1 → technical-support-engineer
        17:00 request component resolution_steps #1 → technical-support-engineer
        17:00 request component root_cause_analysis #1 → support-analyst
        """
    )
    runs(s, "resolution", state="breached", stopped="2026-11-20T17:00:00Z")


@story("SLA-9", **PATIENT)
def it_will_be_late_and_then_later_still(s: Stage) -> None:
    """The customer hears it before the breach, and again when the time that was named slips."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME, sla_resolution="4 hours",
           created_at="2026-11-20T09:00:00Z")  # fmt: skip
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("10:00").drop("progress", ENGINEER, "T1", percent=20, eta="2026-11-20T15:00:00Z")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 ask update #1 → customer-success-manager
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-acknowledgement.yaml #1
        09:10 file 02-customer_update.yaml #1
        09:10 update #1
        10:00 file 03-progress.yaml #1
        10:00 proactive #1 → customer-success-manager
        10:00 ask workaround T1 #1 → technical-support-engineer
        10:00 expedite #1 → escalation-manager
        """
    )
    notice = s.read(f"{INBOX}/{LIAISON}/acme-42.proactive_notice.yaml")
    if s.strict:
        assert notice["revised_at"] == "2026-11-20T15:00:00Z"
        assert notice["workaround"] == "none known yet"
        assert notice["because"] == "technical-support-engineer expects T1 by 2026-11-20T15:00:00Z"
    s.at("10:20").drop("progress", ENGINEER, "T1", percent=30, workaround="pay by invoice meanwhile")
    s.at("10:40").drop("progress", ENGINEER, "T1", percent=30, eta="2026-11-20T14:30:00Z")
    s.at("11:30").drop("progress", ENGINEER, "T1", percent=40, eta="2026-11-20T16:00:00Z")
    s.expect(
        """
        10:20 file 04-progress.yaml #1
        10:20 proactive #1 workaround → customer-success-manager
        10:40 file 05-progress.yaml #1
        11:00 warn resolution #1 50% → customer-success-manager
        11:00 warn resolution T1 #1 50% → technical-support-engineer
        11:30 file 06-progress.yaml #1
        11:30 proactive #1 slip-1 → customer-success-manager
        """
    )
    s.says(f"{INBOX}/{LIAISON}/acme-42.proactive_notice-2.yaml", workaround="pay by invoice meanwhile")
    s.says(f"{INBOX}/{LIAISON}/acme-42.proactive_notice-3.yaml", revised_at="2026-11-20T16:00:00Z",
           revised_before="2026-11-20T15:00:00Z", workaround="pay by invoice meanwhile")  # fmt: skip


@story("SLA-9", **PATIENT)
def what_is_still_to_be_done_does_not_fit_into_the_time(s: Stage) -> None:
    """Without anybody's word the forecast speaks: the limit less the effort along the dependencies."""
    s.case(
        {
            "T1": {"title": "diagnose the api error", "estimated_effort": "2 hours"},
            "T2": {"title": "repair it", "assigned_to": ENGINEER, "depends_on": ["T1"], "estimated_effort": "4 hours"},
        },
        tier=3, customer=ACME, sla_resolution="8 hours", created_at="2026-11-20T09:00:00Z",
    )  # fmt: skip
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.skip()
    s.at("11:30")
    s.expect(
        """
        11:00 proactive #1 → customer-success-manager
        11:00 ask workaround T1 #1 → technical-support-engineer
        11:00 expedite #1 → support-manager
        """
    )
    s.says(f"{INBOX}/{LIAISON}/acme-42.proactive_notice.yaml", revised_at="2026-11-20T17:00:00Z",
           because="the effort still to be done")  # fmt: skip
    s.drop("answer", ENGINEER, "T1", workaround="use the old endpoint")
    s.expect(
        """
        11:30 file 03-answer.yaml #1
        11:30 proactive #1 workaround → customer-success-manager
        """
    )


@story("SLA-12", "SLA-14", **PATIENT)
def five_hours_of_downtime_over_missed_updates(s: Stage) -> None:
    """One reminder and one escalation, the highest that is due; the rungs below are noted as skipped."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, priority="critical", customer=ACME,
           created_at="2026-11-20T09:00:00Z", sla_resolution="24 hours")  # fmt: skip
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1", eta="2026-11-20T20:00:00Z")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("09:30").skip()
    s.down("+5h")
    s.at("14:40").drop("customer_update", LIAISON, **UPDATE)
    s.expect(
        """
        14:30 ask update #2
        14:30 breach customer_update #2
        14:30 remind update #2 → customer-success-manager
        14:30 escalate update #2 level-1
        14:30 escalate update #2 level-2 → hitl
        14:30 warn resolution T1 #1 target → technical-support-engineer
        14:40 file 03-customer_update.yaml #1
        14:40 update #2
        """
    )
    record(s, "breach customer_update #2", due="2026-11-20T10:10:00Z", late_by_s=15600)
    s.holds(f"{INBOX}/{LIAISON}", "acme-42.customer_update_request.yaml", "acme-42.reminder.yaml")


@story("SLA-12", "MSG-11", **PATIENT)
def what_is_in_the_box_after_downtime_is_settled_first(s: Stage) -> None:
    """The update came while we were down: nobody is reminded, but that it was late is written down."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, priority="critical", customer=ACME,
           created_at="2026-11-20T09:00:00Z", sla_resolution="24 hours")  # fmt: skip
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1", eta="2026-11-20T20:00:00Z")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("09:30").skip()
    s.down("+2h")
    s.at("11:00").drop("customer_update", LIAISON, **UPDATE)
    s.at("11:31")
    s.expect(
        """
        11:30 file 03-customer_update.yaml #1
        11:30 breach customer_update #2
        11:30 update #2
        """
    )


@story("SLA-15", "MSG-5", **PATIENT)
def an_update_that_lacks_two_of_the_five_comes_back(s: Stage) -> None:
    """Exactly what is missing is named; only a complete update restarts the clock."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME)
    given = {k: v for k, v in UPDATE.items() if k not in ("blockers", "contact")}
    s.at("09:10").drop("customer_update", LIAISON, **given)
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 ask update #1 → customer-success-manager
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:10 file 01-customer_update.yaml #1
        09:10 reason 01-customer_update.yaml #1
        09:10 reject 01-customer_update.yaml #1 → customer-success-manager
        """
    )
    s.says(f"{INBOX}/{LIAISON}/acme-42.rejection.yaml", code="SLA-15", reason="the update lacks blockers, contact")
    s.at("09:20")
    runs(s, "response", state="running")
    s.drop("customer_update", LIAISON, text=HEADED)
    s.at("09:21")
    runs(s, "response", state="met", stopped="2026-11-20T09:20:00Z")


@story(
    "SLA-13", "SLA-14", "SLA-8", roster={LIAISON: {"hours": BERLIN}, **PATIENT["roster"]}, timezone_name="Europe/Berlin"
)
def asks_and_warnings_wait_for_the_liaison_to_come_to_work(s: Stage) -> None:
    """An ask outside his hours moves to the next opening, at the latest to the overdue mark, whose reminder it is then;
    the promise in the last update wins."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME, created_at="2026-11-20T09:00:00Z")
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1", eta="2026-11-21T20:00:00Z")
    s.at("15:30").drop("customer_update", LIAISON, **UPDATE, next_update_at="2026-11-23T12:00:00Z")
    s.skip()
    s.at("2026-11-21T15:31:00Z")
    s.expect(
        """
        11-21 09:00 warn resolution T1 #1 50% → technical-support-engineer
        11-21 15:30 ask update #2 → customer-success-manager
        11-21 15:30 breach customer_update #2
        """
    )


@story("SLA-13", "SLA-14", **PATIENT)
def the_promise_in_an_update_wins(s: Stage) -> None:
    """`next_update_at` is when the next one is due; it is asked for at the same share of the shorter span."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME, created_at="2026-11-20T09:00:00Z")
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1", eta="2026-11-21T20:00:00Z")
    s.at("10:00").drop("customer_update", LIAISON, **UPDATE, next_update_at="2026-11-20T16:00:00Z")
    s.skip()
    s.at("16:01")
    s.expect(
        """
        15:00 ask update #2 → customer-success-manager
        16:00 breach customer_update #2
        16:00 remind update #2 → customer-success-manager
        """
    )
    s.says(PROGRESS, next_update={"ask": "2026-11-20T15:00:00Z", "due": "2026-11-20T16:00:00Z"})


@story("SLA-7", "SLA-19", **PATIENT)
def a_task_that_is_opened_again_goes_on_where_it_stopped(s: Stage) -> None:
    """From its end to the re-opening the resolution clock stands still; the response clock is not started again."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1)
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:50").done(ENGINEER, "T1")
    s.at("10:00")
    runs(s, "resolution", state="met", stopped="2026-11-20T09:50:00Z", due="2026-11-22T08:50:00Z")
    s.at("2026-11-21T09:50:00Z").drop("retry", "support-manager", "T1", reason="it fails again")
    s.at("2026-11-21T10:00:00Z")
    runs(s, "resolution", state="running", stopped=None, due="2026-11-23T08:50:00Z")
    runs(s, "response", state="met")


@story("SLA-7", "SLA-6", "PERF-4", **PATIENT)
def what_comes_later_moves_no_limit_of_what_was_opened_again(s: Stage) -> None:
    """Before the first task of an instruction nothing was resolved; a task that is added leaves all limits alone."""
    s.case({"T1": {"title": "diagnose the api error"}}, plan={}, tier=3)
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:50").drop("cancel", "support-manager", "T1", reason="not now")
    s.at("10:20").drop("retry", "support-manager", "T1", reason="now it is")
    s.at("10:30")
    runs(s, "resolution", state="running", due="2026-11-22T09:20:00Z")
    runs(s, "resolution", "T1", state="running", due="2026-11-22T09:20:00Z")
    s.at("10:40").add("T2", {"title": "diagnose the api error too"})
    s.at("10:50")
    runs(s, "resolution", state="running", due="2026-11-22T09:20:00Z")
    runs(s, "resolution", "T1", state="running", due="2026-11-22T09:20:00Z")
    runs(s, "resolution", "T2", state="running", due="2026-11-22T09:20:00Z")


@story("SLA-2", "SLA-10", **PATIENT)
def severity_is_a_second_axis(s: Stage) -> None:
    """Where both are known, the tighter counts."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, priority="high", severity="Sev 1")
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:10")
    runs(s, "response", due="2026-11-20T09:05:00Z")
    runs(s, "resolution", target="2026-11-20T10:50:00Z", due="2026-11-20T12:50:00Z")


@story(
    "SLA-6", "SLA-7", "CON-3", **PATIENT, calendars={"office": BERLIN},
    policies=[{
        "match": {"segment": "enterprise"}, "response": "30 min - 1 hour", "resolution": "8 open hours",
        "update": "1 working day", "warn": ["50%", "-30m"], "calendar": {"response": "24x7", "resolution": "office",
        "update": "office"},
        "pauses": {"vendor": {"cap": "2 days", "pause_updates": True}, "waiting_on_customer": False},
    }],
)  # fmt: skip
def a_policy_of_the_configuration_says_it_all(s: Stage) -> None:
    """A whole row: response, resolution, cadence, calendars by clock, warnings, and pauses of its own."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME, created_at="2026-11-20T09:00:00Z")
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1", eta="2026-11-20T12:00:00Z")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("09:11")
    runs(s, "resolution", due="2026-11-23T09:00:00Z", calendar="office")
    s.says(PROGRESS, next_update={"ask": "2026-11-22T18:46:00Z", "due": "2026-11-23T09:10:00Z"})
    s.at("10:00").drop(
        "blocked", ENGINEER, "T1", description="we need the customer's log", blocker_type="missing_information"
    )
    s.at("10:05")
    runs(s, "resolution", state="running")
    s.drop("unblocked", ENGINEER, "T1", answer="found it")
    s.at("10:10").drop("blocked", ENGINEER, "T1", description="the vendor looks into it", waiting_on="vendor",
                       blocker_type="technical_dependency")  # fmt: skip
    s.at("10:20")
    runs(s, "resolution", state="paused", paused_because="vendor")
    s.at("2026-11-22T10:10:01Z")
    runs(s, "resolution", state="running", paused_because=None, due="2026-11-23T14:50:00Z")
    s.skip()


@story("SLA-22", "SLA-10", **PATIENT)
def our_own_word_after_the_breach_breaks_nothing_a_second_time(s: Stage) -> None:
    """It moves internal warnings and not the limit: there is one record; the customer's word makes a new limit, and
    what passes that is recorded too."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME, sla_resolution="4 hours",
           created_at="2026-11-20T09:00:00Z")  # fmt: skip
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1", eta="2026-11-20T12:30:00Z")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("13:05").skip()
    s.at("13:10").drop("sla_extension", "support-manager", approved_by="support-manager", add="4 hours", reason="more")
    s.at("13:20")
    runs(s, "resolution", state="breached", due="2026-11-20T13:00:00Z")
    s.at("14:00").drop("sla_extension", LIAISON, approved_by="ops@acme.example", new_limit="2026-11-20T14:30:00Z")
    s.at("14:31")
    s.expect(
        """
        13:10 file 03-sla_extension.yaml #1
        14:00 file 04-sla_extension.yaml #1
        14:30 breach resolution #3
        14:30 ask breach resolution #3 → support-manager
        """
    )


@story("QUA-5", "EXE-28", "SLA-10", **PATIENT)
def a_decision_lets_a_broken_promise_pass(s: Stage) -> None:
    """`decision: waive` of one who may, with his reason, answers what was put to him; words alone answer nothing."""
    s.case({"T1": {"assigned_to": ENGINEER, "communication_required": "internal"}}, tier=1, sla_resolution="1 hour",
           created_at="2026-11-20T08:30:00Z")  # fmt: skip
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:35").done(ENGINEER, "T1", components=TICKET)
    s.at("09:40").skip()
    asked = {"in_reply_to": "acme-42.escalation-2"}
    s.drop("decision", "support-manager", decision="it is what it is", **asked)
    s.drop("decision", "support-manager", decision="waive", **asked)
    s.drop("decision", "escalation-manager", decision={"action": "waive", "standard": 4, "reason": "let it go"})
    s.drop("decision", "support-manager", decision="waive", reason="nobody was harmed", **asked)
    s.expect(
        """
        09:40 file 03-decision.yaml #1
        09:40 file 04-decision.yaml #1
        09:40 file 05-decision.yaml #1
        09:40 file 06-decision.yaml #1
        09:40 reason 03-decision.yaml #1
        09:40 reason 04-decision.yaml #1
        09:40 reason 05-decision.yaml #1
        09:40 reject 03-decision.yaml #1 → support-manager
        09:40 reject 04-decision.yaml #1 → support-manager
        09:40 reject 05-decision.yaml #1 → escalation-manager
        09:40 write ticket_resolution.yaml #1
        09:40 write execution_summary.yaml #1
        09:40 write handoff.yaml #1
        09:40 hand off #1 → validator
        """
    )
    rejected = f"{INBOX}/executor/.rejected/2026-11-20"
    reasons = [s.read(f"{rejected}/0{k}-decision.reason.yaml").get("reason") for k in (3, 4, 5)]
    assert not s.strict or [str(r).partition(" 7")[0] for r in reasons] == [
        "standard 4", "a waive message needs reason or why or because", "escalation-manager may not waive",
    ]  # fmt: skip


def _one_by_one(s: Stage, **limits: str) -> None:
    """Cases of one agent that come one after another, each with its limit and effort: `8 hours / 2 hours`."""
    for case, given in limits.items():
        limit, _, effort = given.partition(" / ")
        s.case({"T1": {"assigned_to": ENGINEER, "estimated_effort": effort}}, case=case.replace("_", "-"), tier=1,
               sla_resolution=limit, created_at="2026-11-20T09:00:00Z", customer=ACME)  # fmt: skip
        s.rings.everything = True
        s.look()
        s.drop("acknowledgement", ENGINEER, "T1", case=case.replace("_", "-"))
        s.at("+1m")


@story("SLA-9", **PATIENT)
def what_its_agent_has_to_do_for_others_first_brings_the_forecast_forward(s: Stage) -> None:
    """The agents' load goes over all cases: what is promised earlier is done first."""
    _one_by_one(s, acme_42="10 hours / 2 hours", other_7="9 hours / 4 hours", later_8="3 days / 4 hours")
    s.at("13:01")
    s._rest()
    s.told = [line for line in s.told if "proactive" in line]
    s.expect("13:00 proactive #1 → customer-success-manager")
    s.says(f"{INBOX}/{LIAISON}/acme-42.proactive_notice.yaml", revised_at="2026-11-20T19:00:00Z",
           because=f"the effort still to be done, after what {ENGINEER} has to do elsewhere first")  # fmt: skip


@story("SLA-9", **PATIENT)
def what_is_done_elsewhere_is_in_nobodys_way_any_more(s: Stage) -> None:
    """The same, and the other case's task is done in time: the forecast is that of the case alone."""
    _one_by_one(s, acme_42="10 hours / 3 hours", other_7="9 hours / 3 hours")
    s.at("12:00").done(ENGINEER, "T1", case="other-7", customer_update=UPDATE)
    s.at("17:00")
    s._rest()
    s.told = [line for line in s.told if "proactive" in line]
    s.expect("16:00 proactive #1 → customer-success-manager")
