"""Stories of updates that go through a channel: delivered, failed, in doubt, and back to the liaison."""

from __future__ import annotations

from tests.stories.delivery import TICKET
from tests.stories.kit import ENGINEER, UPDATE, Stage, story

LIAISON = "customer-success-manager"
ACME = {"name": "Acme", "contact": "Ops <ops@acme.example>"}
MAIL = {"mail": {"type": "email"}}
ONCE = {"mail": {"type": "email", "delivery": "at_most_once"}}


def _opened(s: Stage, **more: object) -> None:
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1, customer=ACME, **more)
    s.skip()


@story("SLA-16", "CON-12", channels=MAIL)
def an_update_goes_through_its_channel(s: Stage) -> None:
    """Two lines: the key before, the receipt after; from then on it counts, and its file says so.

    Nobody is asked for the last update while it is on its way.
    """
    _opened(s)
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.expect(
        """
        09:10 file 01-customer_update.yaml #1
        09:10 update #1
        09:10 send update #1 via mail
        """
    )
    s.says("acme-42/outputs/partial/update-001.yaml", channel="mail", delivered_at=None, sent_at="2026-11-20T09:10:00Z")
    s.at("09:12").carried(1, said="250 queued as 4711")
    s.expect("09:12 delivered update #1 via mail")
    s.says(
        "acme-42/outputs/partial/update-001.yaml", channel="mail", delivered_at="2026-11-20T09:12:00Z",
        status=UPDATE["status"], number=1,
    )  # fmt: skip
    s.at("09:20").done(ENGINEER, "T1", customer_update=UPDATE)
    s.carried(2)
    s.expect(
        """
        09:20 file 02-completion.yaml #1
        09:20 update #2
        09:20 send update #2 via mail
        09:20 result T1 a1
        09:20 move T1 #2 completed
        09:20 aggregate #1
        09:20 request component follow_up_plan #1 → technical-support-engineer
        09:20 request component knowledge_base_article #1 → knowledge-base-manager
        09:20 request component preventive_measures #1 → technical-support-engineer
        09:20 request component resolution_steps #1 → technical-support-engineer
        09:20 request component root_cause_analysis #1 → support-analyst
        09:20 delivered update #2 via mail
        09:20 aggregate #2
        """
    )


@story("SLA-16", "MSG-7", channels=MAIL)
def what_failed_for_good_goes_back_to_the_liaison(s: Stage) -> None:
    """He mends the cause and has it sent again with the same key; or he brings it to the customer himself."""
    _opened(s)
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.carried(1, "failed", "550 no such user", fix="correct the address")
    s.expect(
        """
        09:10 file 01-customer_update.yaml #1
        09:10 update #1
        09:10 send update #1 via mail
        09:10 failed update #1 via mail
        09:10 ask delivery #1 → customer-success-manager
        """
    )
    letter = "acme-42.consultation"
    asked = s.read(f"_communication/inbox/{LIAISON}/{letter}.yaml")
    assert not s.strict or (asked["update"]["number"], asked["update"]["reason"]) == (1, "550 no such user")
    s.at("09:20").drop("answer", LIAISON, in_reply_to=letter, answer="what a pity")
    s.at("09:30").drop("answer", LIAISON, in_reply_to=letter, arrived=False)
    s.expect(
        """
        09:20 file 02-answer.yaml #1
        09:20 reason 02-answer.yaml #1
        09:20 reject 02-answer.yaml #1 → customer-success-manager
        09:30 file 03-answer.yaml #1
        09:30 send update #1 via mail #2
        """
    )
    s.at("09:31").carried(1, "failed", "550 still no such user")
    s.at("09:40").drop("answer", LIAISON, answer="yes, I called them", channel="phone")
    s.expect(
        """
        09:31 failed update #1 via mail #2
        09:31 ask delivery #1 send-2 → customer-success-manager
        09:40 file 04-answer.yaml #1
        09:40 delivered update #1 via mail #2
        """
    )
    s.says("acme-42/outputs/partial/update-001.yaml", channel="phone", delivered_at="2026-11-20T09:40:00Z")


@story("SLA-16", "QUA-1", "QUA-2", channels=MAIL)
def the_last_update_fails_and_arrives_by_hand(s: Stage) -> None:
    """Its liaison is asked once how they get it, not for another update beside; his word lets the hand-off go."""
    _opened(s)
    s.at("09:20").done(ENGINEER, "T1", components=TICKET, customer_update=UPDATE)
    s.carried(1, "failed", "550 no such user")
    s.expect(
        """
        09:20 file 01-completion.yaml #1
        09:20 update #1
        09:20 send update #1 via mail
        09:20 result T1 a1
        09:20 move T1 #2 completed
        09:20 aggregate #1
        09:20 failed update #1 via mail
        09:20 ask delivery #1 → customer-success-manager
        """
    )
    s.at("09:30").drop("answer", LIAISON, arrived=True)
    s.expect(
        """
        09:30 file 02-answer.yaml #1
        09:30 delivered update #1 via mail
        09:30 aggregate #2
        09:30 write ticket_resolution.yaml #1
        09:30 write execution_summary.yaml #1
        09:30 write handoff.yaml #1
        09:30 hand off #1 → validator
        """
    )
    s.holds("_communication/inbox/validator", "acme-42.c1.validation_request.yaml")


@story("SLA-16", "MSG-7", channels=MAIL)
def nobody_says_whether_it_arrived(s: Stage) -> None:
    """A question that is not answered is reminded of and climbs, until it is; and the update is still overdue."""
    _opened(s, priority="critical")
    s.drop("hold", "operator", "T1", reason="this story is about the liaison")
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.carried(1, "failed", "550 no such user")
    s.skip()
    s.at("10:20").drop("answer", "support-manager", arrived=True)
    s._rest()
    s.told = [line for line in s.told if "warn response" not in line and "breach response" not in line]
    s.expect(
        """
        09:25 remind delivery #1 → customer-success-manager
        09:50 incident inc-acme-42-1 opened
        09:50 ask role commander inc-acme-42-1 → escalation-manager
        09:50 copy ask role commander inc-acme-42-1 → war-room-inc-acme-42-1
        09:50 ask role customer_liaison inc-acme-42-1 → customer-success-manager
        09:50 copy ask role customer_liaison inc-acme-42-1 → war-room-inc-acme-42-1
        09:50 ask role scribe inc-acme-42-1 → support-analyst
        09:50 copy ask role scribe inc-acme-42-1 → war-room-inc-acme-42-1
        09:50 ask role technical_lead inc-acme-42-1 → technical-support-engineer
        09:50 copy ask role technical_lead inc-acme-42-1 → war-room-inc-acme-42-1
        09:50 incident inc-acme-42-1 told support-manager → support-manager
        09:50 copy incident inc-acme-42-1 told support-manager → war-room-inc-acme-42-1
        09:50 incident inc-acme-42-1 told vp-customer-support → vp-customer-support
        09:50 copy incident inc-acme-42-1 told vp-customer-support → war-room-inc-acme-42-1
        09:50 breach customer_update #1
        09:50 remind update #1 → customer-success-manager
        09:50 copy remind update #1 → war-room-inc-acme-42-1
        09:55 escalate role commander inc-acme-42-1 level-2 → vp-customer-support
        09:55 copy escalate role commander inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        09:55 escalate role customer_liaison inc-acme-42-1 level-2 → customer-advocacy-manager
        09:55 copy escalate role customer_liaison inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        09:55 escalate role scribe inc-acme-42-1 level-2 → support-quality-analyst
        09:55 copy escalate role scribe inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        09:55 escalate role technical_lead inc-acme-42-1 level-2 → engineering
        09:55 copy escalate role technical_lead inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        10:00 escalate role commander inc-acme-42-1 level-3 → support-manager
        10:00 copy escalate role commander inc-acme-42-1 level-3 → war-room-inc-acme-42-1
        10:00 escalate role customer_liaison inc-acme-42-1 level-3 → account-manager
        10:00 copy escalate role customer_liaison inc-acme-42-1 level-3 → war-room-inc-acme-42-1
        10:00 escalate role scribe inc-acme-42-1 level-3 → support-operations-manager
        10:00 copy escalate role scribe inc-acme-42-1 level-3 → war-room-inc-acme-42-1
        10:00 escalate role technical_lead inc-acme-42-1 level-3 → escalation-manager
        10:00 copy escalate role technical_lead inc-acme-42-1 level-3 → war-room-inc-acme-42-1
        10:05 escalate role commander inc-acme-42-1 level-4 → hitl
        10:05 copy escalate role commander inc-acme-42-1 level-4 → war-room-inc-acme-42-1
        10:05 escalate role customer_liaison inc-acme-42-1 level-4 → hitl
        10:05 copy escalate role customer_liaison inc-acme-42-1 level-4 → war-room-inc-acme-42-1
        10:05 escalate role scribe inc-acme-42-1 level-4 → hitl
        10:05 copy escalate role scribe inc-acme-42-1 level-4 → war-room-inc-acme-42-1
        10:05 escalate role technical_lead inc-acme-42-1 level-4 → hitl
        10:05 copy escalate role technical_lead inc-acme-42-1 level-4 → war-room-inc-acme-42-1
        10:05 escalate update #1 level-1 → vp-customer-support
        10:05 copy escalate update #1 level-1 → war-room-inc-acme-42-1
        10:10 escalate delivery #1 level-2 → support-manager
        10:10 copy escalate delivery #1 level-2 → war-room-inc-acme-42-1
        10:10 unanswered role commander inc-acme-42-1
        10:10 unanswered role customer_liaison inc-acme-42-1
        10:10 unanswered role scribe inc-acme-42-1
        10:10 unanswered role technical_lead inc-acme-42-1
        10:14 ask stakeholders inc-acme-42-1 #1 → hitl
        10:14 copy ask stakeholders inc-acme-42-1 #1 → war-room-inc-acme-42-1
        10:20 file 03-answer.yaml #1
        10:20 remind stakeholders inc-acme-42-1 #1 → hitl
        10:20 copy remind stakeholders inc-acme-42-1 #1 → war-room-inc-acme-42-1
        10:20 delivered update #1 via mail
        """
    )


@story("SLA-16", "OPS-10", channels=ONCE)
def in_doubt_the_liaison_is_asked(s: Stage) -> None:
    """Under `at_most_once` what may have been handed over is not sent again; his word is what counts."""
    _opened(s)
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.carried(1, "doubtful", "the connection broke after the message", tried_at=s.now)
    s.expect(
        """
        09:10 file 01-customer_update.yaml #1
        09:10 update #1
        09:10 send update #1 via mail
        09:10 doubt update #1 via mail
        09:10 ask delivery #1 → customer-success-manager
        """
    )
    s.at("09:30").drop("answer", LIAISON, in_reply_to="acme-42.consultation", arrived=True)
    s.expect(
        """
        09:30 file 02-answer.yaml #1
        09:30 delivered update #1 via mail
        """
    )
    s.says("acme-42/outputs/partial/update-001.yaml", channel="mail", delivered_at="2026-11-20T09:10:00Z")
    s.at("09:40").drop("customer_update", LIAISON, **UPDATE)
    s.carried(2, "doubtful", "no answer in time")
    s.at("09:50").drop("answer", LIAISON, arrived="no")
    s.at("09:51").carried(2)
    s.expect(
        """
        09:40 file 03-customer_update.yaml #1
        09:40 update #2
        09:40 send update #2 via mail
        09:40 doubt update #2 via mail
        09:40 ask delivery #2 → customer-success-manager
        09:50 file 04-answer.yaml #1
        09:50 send update #2 via mail #2
        09:51 delivered update #2 via mail #2
        """
    )


@story(
    "SLA-16", channels={"mail": {"type": "email"}, "hook": {"type": "webhook", "match": {"segment": ["enterprise"]}}}
)
def the_first_channel_that_fits_carries(s: Stage) -> None:
    """A mail needs an address; a channel is for the cases that it names; who has none is served by the liaison."""
    s.case({"T1": ""}, case="a", tier=1, customer={"name": "Acme", "contact": "call 4711", "segment": "enterprise"})
    s.case({"T1": ""}, case="b", tier=1, customer={"name": "Bolt", "contact": "call 4711"})
    s.case(
        {"T1": ""}, case="c", tier=1, customer={"name": "Core", "contact": "x@core.example", "segment": "enterprise"}
    )
    s.case({"T1": ""}, case="d", tier=1, customer=None)
    s.skip()
    for case in "abcd":
        s.at("+1m").drop("customer_update", LIAISON, case=case, **UPDATE)
    s.expect(
        """
        09:01 [a] file 01-customer_update.yaml #1
        09:01 [a] update #1
        09:01 [a] send update #1 via hook
        09:02 [b] file 02-customer_update.yaml #1
        09:02 [b] update #1
        09:03 [c] file 03-customer_update.yaml #1
        09:03 [c] update #1
        09:03 [c] send update #1 via mail
        09:04 [d] file 04-customer_update.yaml #1
        09:04 [d] update #1
        """
    )
    s.says("b/outputs/partial/update-001.yaml", channel=None, delivered_at=None)


@story("SLA-16", channels=MAIL)
def the_liaison_says_that_he_has_delivered_it(s: Stage) -> None:
    """What he has brought to the customer is not sent a second time; from a worker such a word does not count."""
    _opened(s)
    s.at("09:10").drop("customer_update", LIAISON, channel="phone", delivered_at="2026-11-20T09:05:00Z", **UPDATE)
    s.at("09:20").drop(
        "customer_update", ENGINEER, "T1", channel="phone", delivered_at="2026-11-20T09:15:00Z", **UPDATE
    )
    s.expect(
        """
        09:10 file 01-customer_update.yaml #1
        09:10 update #1
        09:20 file 02-customer_update.yaml #1
        09:20 update #2
        09:20 send update #2 via mail
        """
    )
    s.says("acme-42/outputs/partial/update-001.yaml", channel="phone", delivered_at="2026-11-20T09:05:00Z")


@story("SLA-16", "REL-1", "OPS-10", channels=MAIL)
def the_daemon_is_killed_while_an_update_is_out(s: Stage) -> None:
    """A first line without its second is sent again with the same key; what has ended meanwhile is noted once."""
    _opened(s)
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s._rest()
    key = next(iter(s.carrier.kept), "")
    s.down("+5m")
    s.at("09:12")
    s.at("09:16")
    s._rest()
    assert next(iter(s.carrier.kept), "") == key
    s.carried(1)
    s.down("+5m")
    s.at("09:30")
    s.expect(
        """
        09:10 file 01-customer_update.yaml #1
        09:10 update #1
        09:10 send update #1 via mail
        09:16 delivered update #1 via mail
        """
    )


@story("SLA-16", "EXE-28", channels=MAIL)
def cancelled_while_an_update_is_out(s: Stage) -> None:
    """What was sent is still followed to its end."""
    _opened(s)
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s.at("09:11").drop("cancel", "support-manager", reason="withdrawn")
    s.skip()
    s.at("09:12").carried(1, "failed", "550 no such user")
    s.expect(
        """
        09:12 failed update #1 via mail
        09:12 ask delivery #1 → customer-success-manager
        """
    )
    s.at("09:20").drop("answer", LIAISON, arrived=True)
    s.expect(
        """
        09:20 file 03-answer.yaml #1
        09:20 delivered update #1 via mail
        """
    )


@story("SLA-16", "OPS-10", "MEM-17", channels=ONCE)
def the_state_folder_is_lost_while_an_update_is_out(s: Stage) -> None:
    """Then nobody knows whether it was handed over: under `at_most_once` the liaison is asked."""
    _opened(s)
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s._rest()
    s.kill()
    s.carrier.lose()
    s.at("09:11")
    s.expect(
        """
        09:10 file 01-customer_update.yaml #1
        09:10 update #1
        09:10 send update #1 via mail
        09:10 doubt update #1 via mail
        09:10 ask delivery #1 → customer-success-manager
        """
    )


@story("SLA-16", "OPS-10", "MEM-17", channels=MAIL)
def the_state_folder_is_lost_and_it_is_sent_again(s: Stage) -> None:
    """Under `at_least_once` it goes out again with the same key, made from the tree alone."""
    _opened(s)
    s.at("09:10").drop("customer_update", LIAISON, **UPDATE)
    s._rest()
    before = dict(s.carrier.kept)
    s.kill()
    s.carrier.lose()
    s.at("09:11")
    s._rest()
    again = {k: j.parcel for k, j in s.carrier.kept.items()}
    assert not s.strict or again == {k: j.parcel for k, j in before.items()}
    s.carried(1)
    s.expect(
        """
        09:10 file 01-customer_update.yaml #1
        09:10 update #1
        09:10 send update #1 via mail
        09:11 delivered update #1 via mail
        """
    )
