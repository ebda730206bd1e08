"""Stories of critical incidents: war room, team, cadence, timeline, what follows afterwards [INC-1 … INC-7]."""

from __future__ import annotations

from typing import Any

from tests.stories.delivery import TICKET
from tests.stories.kit import CASE, ENGINEER, UPDATE, WRITER, Stage, story

INBOX = "_communication/inbox"
PARTIAL = f"{CASE}/outputs/partial"
COMMANDER = "escalation-manager"
VP = "vp-customer-support"
LIAISON = "customer-success-manager"
LEAD = "support-manager"
INC = f"inc-{CASE}-1"


def outage(s: Stage, **more: Any) -> None:
    """A critical ticket of a customer, held by the engineer."""
    given = {"priority": "critical", "customer": {"name": "Acme", "contact": "ops@acme.example"}, **more}
    s.case(
        {"T1": {"assigned_to": ENGINEER, "communication_required": "internal", "estimated_effort": "100 minutes"}},
        tier=1,
        **given,
    )
    s.at("09:01").drop("ack", ENGINEER, "T1")
    s.at("09:02").drop("customer_update", LIAISON, **UPDATE)
    s.skip()


@story("INC-1", "INC-2", "INC-3", "INC-4", "INC-5", "INC-6", "CON-15", "SLA-12")
def a_sev_1_incident_by_the_book(s: Stage) -> None:
    """From the message to the closed retrospective: commander and liaison absent, updates overdue, daemon restarted."""
    outage(s)
    s.at("09:05").drop("incident", ENGINEER, severity="Sev 1", description="every third checkout of the EU fails")
    s.expect(
        """
        09:05 file 03-incident.yaml #1
        09:05 ask role commander inc-acme-42-1 → escalation-manager
        09:05 copy ask role commander inc-acme-42-1 → war-room-inc-acme-42-1
        09:05 ask role customer_liaison inc-acme-42-1 → customer-success-manager
        09:05 copy ask role customer_liaison inc-acme-42-1 → war-room-inc-acme-42-1
        09:05 ask role scribe inc-acme-42-1 → support-analyst
        09:05 copy ask role scribe inc-acme-42-1 → war-room-inc-acme-42-1
        09:05 ask role technical_lead inc-acme-42-1 → technical-support-engineer
        09:05 copy ask role technical_lead inc-acme-42-1 → war-room-inc-acme-42-1
        09:05 incident inc-acme-42-1 told support-manager → support-manager
        09:05 copy incident inc-acme-42-1 told support-manager → war-room-inc-acme-42-1
        09:05 incident inc-acme-42-1 told vp-customer-support → vp-customer-support
        09:05 copy incident inc-acme-42-1 told vp-customer-support → war-room-inc-acme-42-1
        """
    )
    s.says(f"{PARTIAL}/incident.yaml", incident_id=INC, severity=1, status="open", opened_by=ENGINEER)
    s.at("09:06").drop("acknowledgement", ENGINEER, in_reply_to=f"{CASE}.incident_role-4")
    s.at("09:07").drop("acknowledgement", "support-analyst", in_reply_to=f"{CASE}.incident_role-3")
    s.at("09:12")
    s.expect(
        """
        09:06 file 04-acknowledgement.yaml #1
        09:07 file 05-acknowledgement.yaml #1
        09:10 escalate role commander inc-acme-42-1 level-2 → vp-customer-support
        09:10 copy escalate role commander inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        09:10 escalate role customer_liaison inc-acme-42-1 level-2 → customer-advocacy-manager
        09:10 copy escalate role customer_liaison inc-acme-42-1 level-2 → war-room-inc-acme-42-1
        """
    )
    s.at("09:13").drop("acknowledgement", VP, in_reply_to=f"{CASE}.incident_role-5")
    s.drop("acknowledgement", "customer-advocacy-manager", in_reply_to=f"{CASE}.incident_role-6")
    s.at("09:20").drop("incident_action", ENGINEER, action="raised the limit to 200")
    s.at("09:40").drop("progress", ENGINEER, "T1", percent=30)
    s.restart()
    s.at("09:50")
    s.expect(
        """
        09:13 file 06-acknowledgement.yaml #1
        09:13 file 07-acknowledgement.yaml #1
        09:20 file 08-incident_action.yaml #1
        09:29 ask stakeholders inc-acme-42-1 #1 → vp-customer-support
        09:29 copy ask stakeholders inc-acme-42-1 #1 → war-room-inc-acme-42-1
        09:35 remind stakeholders inc-acme-42-1 #1 → vp-customer-support
        09:35 copy remind stakeholders inc-acme-42-1 #1 → war-room-inc-acme-42-1
        09:40 file 09-progress.yaml #1
        09:42:30 escalate stakeholders inc-acme-42-1 #1 level-2 → hitl
        09:42:30 copy escalate stakeholders inc-acme-42-1 #1 level-2 → war-room-inc-acme-42-1
        09:50 unanswered stakeholders inc-acme-42-1 #1
        09:50 ask update #2 → customer-advocacy-manager
        09:50 copy ask update #2 → war-room-inc-acme-42-1
        """
    )
    s.at("09:51").drop("incident_update", VP, status="cause found, the repair is tested")
    s.at("10:10").drop("progress", ENGINEER, "T1", percent=60)
    s.at("10:12").down("+30m")
    s.at("10:50")
    s.expect(
        """
        09:51 file 10-incident_update.yaml #1
        10:02 breach customer_update #2
        10:02 remind update #2 → customer-advocacy-manager
        10:02 copy remind update #2 → war-room-inc-acme-42-1
        10:10 file 11-progress.yaml #1
        10:42 ask stakeholders inc-acme-42-1 #2
        10:42 escalate update #2 level-1
        10:42 escalate stakeholders inc-acme-42-1 #2 level-2 → hitl
        10:42 copy escalate stakeholders inc-acme-42-1 #2 level-2 → war-room-inc-acme-42-1
        10:42 escalate update #2 level-2 → hitl
        10:42 copy escalate update #2 level-2 → war-room-inc-acme-42-1
        10:49:30 unanswered stakeholders inc-acme-42-1 #2
        10:50 warn resolution #1 50% → customer-advocacy-manager
        10:50 copy warn resolution #1 50% → war-room-inc-acme-42-1
        """
    )
    s.at("10:55").drop("customer_update", "customer-advocacy-manager", **UPDATE)
    s.drop("incident_update", VP, status="the repair holds")
    s.at("11:00").drop("incident_resolved", VP, summary="20 test orders in a row succeed")
    s.expect(
        """
        10:55 file 12-customer_update.yaml #1
        10:55 file 13-incident_update.yaml #1
        10:55 update #2
        10:55 warn resolution T1 #1 50% → technical-support-engineer
        10:55 copy warn resolution T1 #1 50% → war-room-inc-acme-42-1
        11:00 file 14-incident_resolved.yaml #1
        11:00 remind T1 a1 #1 → technical-support-engineer
        11:00 copy remind T1 a1 #1 → war-room-inc-acme-42-1
        11:00 ask retrospective inc-acme-42-1 #1 → vp-customer-support
        11:00 copy ask retrospective inc-acme-42-1 #1 → war-room-inc-acme-42-1
        11:00 incident inc-acme-42-1 over #1 customer-advocacy-manager → customer-advocacy-manager
        11:00 copy incident inc-acme-42-1 over #1 customer-advocacy-manager → war-room-inc-acme-42-1
        11:00 incident inc-acme-42-1 over #1 customer-success-manager → customer-success-manager
        11:00 copy incident inc-acme-42-1 over #1 customer-success-manager → war-room-inc-acme-42-1
        11:00 incident inc-acme-42-1 over #1 escalation-manager → escalation-manager
        11:00 copy incident inc-acme-42-1 over #1 escalation-manager → war-room-inc-acme-42-1
        11:00 incident inc-acme-42-1 over #1 support-analyst → support-analyst
        11:00 copy incident inc-acme-42-1 over #1 support-analyst → war-room-inc-acme-42-1
        11:00 incident inc-acme-42-1 over #1 support-manager → support-manager
        11:00 copy incident inc-acme-42-1 over #1 support-manager → war-room-inc-acme-42-1
        11:00 incident inc-acme-42-1 over #1 technical-support-engineer → technical-support-engineer
        11:00 copy incident inc-acme-42-1 over #1 technical-support-engineer → war-room-inc-acme-42-1
        11:00 incident inc-acme-42-1 over #1 vp-customer-support → vp-customer-support
        11:00 copy incident inc-acme-42-1 over #1 vp-customer-support → war-room-inc-acme-42-1
        """
    )
    s.at("11:05").done(ENGINEER, "T1", components=TICKET, customer_update=UPDATE)
    s.at("11:10").drop("verdict", "validator", verdict="PASS")
    s.skip()
    s.at("2026-11-22T13:00:00Z")
    s.expect(
        """
        11-22 11:00 remind retrospective inc-acme-42-1 #1 → vp-customer-support
        11-22 11:00 copy remind retrospective inc-acme-42-1 #1 → war-room-inc-acme-42-1
        11-22 12:00 escalate retrospective inc-acme-42-1 #1 level-2 → hitl
        11-22 12:00 copy escalate retrospective inc-acme-42-1 #1 level-2 → war-room-inc-acme-42-1
        11-22 12:15 remind retrospective inc-acme-42-1 #1 level-2 → hitl
        11-22 12:15 copy remind retrospective inc-acme-42-1 #1 level-2 → war-room-inc-acme-42-1
        11-22 13:00 unanswered retrospective inc-acme-42-1 #1
        """
    )
    s.drop("incident_update", VP, retrospective="the release was not watched", status="the retrospective")
    s.at("2026-11-22T14:00:00Z")
    s.put(f"{CASE}/outputs/partial/plan.md", "- alarm at 80 %, owner: platform, 2026-12-04\n")
    s.drop("answer", VP, in_reply_to=f"{CASE}.retrospective_request", prevention_plan="outputs/partial/plan.md")
    s.expect(
        """
        11-22 13:00 file 17-incident_update.yaml #1
        11-22 13:00 paper retrospective inc-acme-42-1 #1
        11-22 14:00 file 18-answer.yaml #1
        11-22 14:00 incident inc-acme-42-1 closed → war-room-inc-acme-42-1
        """
    )
    s.says(f"{PARTIAL}/incident.yaml", status="closed", closed_at="2026-11-22T14:00:00Z")
    s.says(f"{PARTIAL}/incident.retrospective.yaml", by=VP, retrospective="the release was not watched")


@story("INC-1", "INC-7", "MSG-4")
def who_may_say_that_it_is_an_incident(s: Stage) -> None:
    """Authority, or any agent where it is critical; a second message is an entry, after the end a second incident."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.skip()
    s.at("09:05").drop("incident", WRITER, description="I think so")
    s.at("09:06").drop("incident", "stranger", case=None, description="somewhere")
    s.expect(
        """
        09:05 file 01-incident.yaml #1
        09:05 reason 01-incident.yaml #1
        09:05 reject 01-incident.yaml #1 → technical-writer
        """
    )
    s.at("09:10").drop("incident", LEAD, severity=3, description="slow")
    s.expect(
        """
        09:10 file 03-incident.yaml #1
        09:10 ask role commander inc-acme-42-1 → escalation-manager
        09:10 copy ask role commander inc-acme-42-1 → war-room-inc-acme-42-1
        09:10 ask role customer_liaison inc-acme-42-1 → customer-success-manager
        09:10 copy ask role customer_liaison inc-acme-42-1 → war-room-inc-acme-42-1
        09:10 ask role scribe inc-acme-42-1 → support-analyst
        09:10 copy ask role scribe inc-acme-42-1 → war-room-inc-acme-42-1
        09:10 ask role technical_lead inc-acme-42-1 → technical-support-engineer
        09:10 copy ask role technical_lead inc-acme-42-1 → war-room-inc-acme-42-1
        09:10 incident inc-acme-42-1 told support-manager → support-manager
        09:10 copy incident inc-acme-42-1 told support-manager → war-room-inc-acme-42-1
        """
    )
    s.at("09:20").drop("incident", COMMANDER, severity=2, description="it grows")
    s.says(f"{PARTIAL}/incident.yaml", severity=2, status="open")
    s.at("09:30").drop(
        "resolved", COMMANDER, incident_id=INC, summary="over", retrospective="why", prevention_plan=["a measure"]
    )
    s.skip()
    s.says(f"{PARTIAL}/incident.yaml", status="closed")
    s.at("09:40").drop("incident_action", COMMANDER, action="one more thing")
    s.at("09:50").drop("incident", LEAD, incident_id="outage-7", description="again")
    s.skip()
    s.says(f"{PARTIAL}/incident-2.yaml", incident_id="outage-7", status="open", severity=2)


@story("INC-2", "MEM-23", "MEM-24", "DEL-2")
def a_workers_file_on_the_name_of_an_incident(s: Stage) -> None:
    """What lies on the name of its view is set aside unchanged, before and while it is open, and serves as a source."""
    outage(s)
    early = "from: technical-writer\nnotes: my own log of the outage\nknowledge_base_article: KB-9\n"
    s.put(f"{PARTIAL}/incident.yaml", early)
    s.at("09:05").drop("incident", ENGINEER, severity="Sev 1", description="every third checkout of the EU fails")
    s.skip()
    s.says(f"{PARTIAL}/incident.yaml", incident_id=INC, status="open")
    s.says(f"{PARTIAL}/incident.from-technical-writer.yaml", notes="my own log of the outage")
    s.at("09:06").drop("acknowledgement", ENGINEER, in_reply_to=f"{CASE}.incident_role-4")
    s.skip()
    s.at("09:07").put(f"{PARTIAL}/incident.yaml", "seen: the alarm rang\n")  # nobody's name
    s.drop("acknowledgement", "support-analyst", in_reply_to=f"{CASE}.incident_role-3")
    s.expect(
        """
        09:07 file 05-acknowledgement.yaml #1
        09:07 set-aside incident.yaml #2
        """
    )
    s.says(f"{PARTIAL}/incident.yaml", incident_id=INC, status="open")
    if s.strict:
        with open(f"{s.root}/{PARTIAL}/incident.from-unknown.yaml", encoding="utf-8") as file:
            assert file.read() == "seen: the alarm rang\n"
    s.at("09:20").done(ENGINEER, "T1", components=TICKET, customer_update=UPDATE)
    s.skip()
    made = s.read(f"{CASE}/outputs/final/ticket_resolution.yaml")
    if s.strict:
        others = [(c["component"], c["other"]["path"]) for c in made["conflicts"]]
        assert others == [("knowledge_base_article", "outputs/partial/incident.from-technical-writer.yaml")]


@story("INC-4", "INC-6", "SLA-14", "MSG-7")
def a_commander_who_says_nothing_more(s: Stage) -> None:
    """Update and papers climb from him to vp-customer-support and then to hitl; a paper that is none is refused."""
    outage(s)
    s.at("09:05").drop("incident", ENGINEER, severity=1, description="every third checkout of the EU fails")
    for k, who in enumerate((COMMANDER, LIAISON, "support-analyst", ENGINEER), 1):
        reply = f"{CASE}.incident_role" + (f"-{k}" if k > 1 else "")
        s.at("09:06").drop("acknowledgement", who, in_reply_to=reply)
    s.at("09:50").done(ENGINEER, "T1", components=TICKET, customer_update=UPDATE)
    s.at("10:00")
    climbed(
        s,
        """
        09:29 ask stakeholders inc-acme-42-1 #1 → escalation-manager
        09:35 remind stakeholders inc-acme-42-1 #1 → escalation-manager
        09:42:30 escalate stakeholders inc-acme-42-1 #1 level-2 → vp-customer-support
        09:50 escalate stakeholders inc-acme-42-1 #1 level-3 → hitl
        09:57:30 unanswered stakeholders inc-acme-42-1 #1
        """,
    )
    s.drop("incident_resolved", COMMANDER, summary="over", retrospective="outputs/partial/nowhere.md")
    s.at("10:01").drop("incident", LEAD, description="it is back")
    s.at("10:30").drop("incident_resolved", COMMANDER, summary="over, this time")
    s.at("10:35").drop("incident_update", COMMANDER, retrospective="TBD", prevention_plan="/etc/passwd")
    s.at("10:36").drop("answer", COMMANDER, in_reply_to=f"{CASE}.retrospective_request-2", retrospective="none.md")
    owed = {"due": "2026-11-22T10:30:00Z", "received_at": None, "path": None}
    s.at("10:37").says(f"{PARTIAL}/incident.yaml", status="resolved", retrospective=owed)
    if s.strict:
        told = [s.read(f"{INBOX}/{COMMANDER}/{CASE}.rejection{k}.yaml")["reason"] for k in ("", "-2")]
        assert told == ["retrospective: 'TBD' says that it is still open", "retrospective: none.md: it does not exist"]
    s.skip()
    s.at("2026-11-22T13:30:00Z")
    climbed(
        s,
        """
        11-22 10:30 remind retrospective inc-acme-42-1 #2 → escalation-manager
        11-22 11:30 escalate retrospective inc-acme-42-1 #2 level-2 → vp-customer-support
        11-22 11:45 remind retrospective inc-acme-42-1 #2 level-2 → vp-customer-support
        11-22 12:30 escalate retrospective inc-acme-42-1 #2 level-3 → hitl
        11-22 12:45 remind retrospective inc-acme-42-1 #2 level-3 → hitl
        11-22 13:30 unanswered retrospective inc-acme-42-1 #2
        """,
    )


def climbed(s: Stage, text: str) -> None:
    """Of the lines since the last time those about updates and papers, copies apart, are exactly these."""
    s._rest()
    s.told = [t for t in s.told if ("stakeholders" in t or "retrospective" in t) and " copy " not in t]
    s.expect(text)


@story("INC-1", "INC-3")
def by_its_mark_and_by_a_breach(s: Stage) -> None:
    """Marked and critical: at once; critical and a response missed: then; the commander of one is not asked again."""
    s.case(
        {"T1": {"assigned_to": ENGINEER}}, tier=1, priority="critical", incident={"severity": 2, "experts": [WRITER]}
    )
    s.case({"T1": {"assigned_to": WRITER}}, case="other-7", tier=1, priority="critical")
    s.skip()
    s.says(f"{PARTIAL}/incident.yaml", severity=2, opened_by="executord")
    s.at("10:30")
    s.skip()
    s.says("other-7/outputs/partial/incident.yaml", severity=1, opened_by="executord")
    found = s.read("other-7/outputs/partial/incident.yaml")
    if s.strict:
        assert found["roles"]["commander"]["agent"] != COMMANDER
