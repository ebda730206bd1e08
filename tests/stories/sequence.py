"""Stories of tasks that go one by one, and of attempts that do not end as they should."""

from __future__ import annotations

from tests.stories.kit import ENGINEER, UPDATE, WRITER, Stage, story


@story("EXE-5", "EXE-13", "EXE-15", "EXE-1")
def tier_2_goes_one_by_one_to_the_gate(s: Stage) -> None:
    """Each task starts when the one before is verified, with a handoff; a refused claim comes back as rework."""
    s.case(
        {
            "T1": {"title": "diagnose the api error"},
            "T2": {"title": "write the article", "assigned_to": WRITER},
            "T3": {"title": "reply to the ticket", "assigned_to": "customer-support-rep"},
        },
        tier=2,
    )
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 admit T2 #1
        09:00 admit T3 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        """
    )
    s.at("09:05").drop("acknowledgement", ENGINEER, "T1")
    s.at("09:10").drop("progress", ENGINEER, "T1", percent=40, note="reading the gateway's log")
    s.has("T1 working", "T2 waiting", "T3 waiting")
    s.expect(
        """
        09:05 file 01-acknowledgement.yaml #1
        09:10 file 02-progress.yaml #1
        """
    )
    s.at("09:20").drop("completion", ENGINEER, "T1", summary="", outputs=["outputs/partial/T1/log.txt"])
    s.has("T1 rework")
    s.expect(
        """
        09:20 file 03-completion.yaml #1
        09:20 rework T1 a1 #1 → technical-support-engineer
        """
    )
    s.at("09:30").put("acme-42/outputs/partial/T1/log.txt", "pool exhausted\n")
    s.drop("completion", ENGINEER, "T1", summary="the pool was exhausted", outputs=["outputs/partial/T1/log.txt"])
    s.expect(
        """
        09:30 file 04-completion.yaml #1
        09:30 result T1 a1
        09:30 move T1 #2 completed
        09:30 handoff T2 a1 #1 T1 → technical-writer
        09:30 assign T2 a1 → technical-writer
        09:30 move T2 #1 in_progress
        """
    )
    s.says("acme-42/outputs/partial/T1.yaml", state="completed", agent=ENGINEER, attempt=1)
    s.holds("acme-42/tasks/completed", "T1.yaml")
    s.holds("acme-42/tasks/in_progress", "T2.yaml")
    s.at("10:00").done(WRITER, "T2", concerns=["the limit is only raised, not watched"])
    s.at("10:30").done("customer-support-rep", "T3")
    s.expect(
        """
        10:00 file 05-completion.yaml #1
        10:00 result T2 a1
        10:00 move T2 #2 completed
        10:00 handoff T3 a1 #1 T2 → customer-support-rep
        10:00 assign T3 a1 → customer-support-rep
        10:00 move T3 #1 in_progress
        10:30 file 06-completion.yaml #1
        10:30 result T3 a1
        10:30 move T3 #2 completed
        10:30 aggregate #1
        10:30 request component follow_up_plan #1 → customer-support-rep
        10:30 request component knowledge_base_article #1 → knowledge-base-manager
        10:30 request component preventive_measures #1 → customer-support-rep
        10:30 request component resolution_steps #1 → customer-support-rep
        10:30 request component root_cause_analysis #1 → support-analyst
        """
    )
    s.says("acme-42/outputs/partial/progress.yaml", phase="gate", percent=100)


@story("EXE-4", "EXE-13", "SLA-15")
def tier_1_owes_the_customer_an_update(s: Stage) -> None:
    """The last task of an instruction with a customer is not done before a complete update is recorded for it."""
    s.case({"T1": {"title": "restore the invoice"}}, tier=1, customer={"name": "Acme", "contact": "ops@acme.example"})
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 ask update #1 → customer-success-manager
        09:00 assign T1 a1 → customer-support-rep
        09:00 move T1 #1 in_progress
        """
    )
    s.at("09:10").drop("customer_update", "customer-success-manager", "T1", status="we are on it")
    s.expect(
        """
        09:10 file 01-customer_update.yaml #1
        09:10 reason 01-customer_update.yaml #1
        09:10 reject 01-customer_update.yaml #1 → customer-success-manager
        """
    )
    s.at("09:20").done(s.holder("T1"), "T1")
    s.expect(
        """
        09:20 file 02-completion.yaml #1
        09:20 rework T1 a1 #1 → customer-support-rep
        """
    )
    s.at("09:30").drop("customer_update", s.holder("T1"), "T1", **UPDATE)
    s.at("09:40").done(s.holder("T1"), "T1")
    s.expect(
        """
        09:30 file 03-customer_update.yaml #1
        09:30 update #1
        09:40 file 04-completion.yaml #1
        09:40 result T1 a1
        09:40 move T1 #2 completed
        09:40 aggregate #1
        09:40 request component follow_up_plan #1 → customer-support-rep
        09:40 request component knowledge_base_article #1 → knowledge-base-manager
        09:40 request component preventive_measures #1 → customer-support-rep
        09:40 request component resolution_steps #1 → customer-support-rep
        09:40 request component root_cause_analysis #1 → support-analyst
        09:40 request closing-update #2 → customer-success-manager
        """
    )
    s.says("acme-42/outputs/partial/update-001.yaml", number=1, blockers="none", sent_at="2026-11-20T09:30:00Z")
    s.says("acme-42/outputs/partial/T1.yaml", state="completed", customer_updates=[1])


@story("EXE-13", "SLA-15")
def a_claim_may_carry_its_customer_update(s: Stage) -> None:
    """A completion with a complete `customer_update` in it is verified, and the update kept."""
    s.case({"T1": {"assigned_to": ENGINEER, "communication_required": "customer"}}, tier=1)
    s.at("09:10").done(ENGINEER, "T1", customer_update={"status": "half of it"})
    s.at("09:20").done(ENGINEER, "T1", customer_update=UPDATE)
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:10 file 01-completion.yaml #1
        09:10 rework T1 a1 #1 → technical-support-engineer
        09:20 file 02-completion.yaml #1
        09:20 update #1
        09:20 result T1 a1
        09:20 move T1 #2 completed
        09:20 aggregate #1
        09:20 request component follow_up_plan #1 → technical-support-engineer
        09:20 request component knowledge_base_article #1 → knowledge-base-manager
        09:20 request component preventive_measures #1 → technical-support-engineer
        09:20 request component resolution_steps #1 → technical-support-engineer
        09:20 request component root_cause_analysis #1 → support-analyst
        """
    )
    s.says("acme-42/outputs/partial/update-001.yaml", status=UPDATE["status"], contact=UPDATE["contact"])


@story("EXE-14", "EXE-20", "EXE-3")
def failed_twice_then_escalated_then_done(s: Stage) -> None:
    """With the tier's attempts used up a decision is awaited; `retry` opens the task again."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1)
    s.at("09:10").drop("failed", ENGINEER, "T1", reason="the sandbox account is locked")
    s.has("T1 assigned")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:10 file 01-failed.yaml #1
        09:10 keep T1 a1
        09:10 assign T1 a2 → technical-support-engineer
        """
    )
    s.at("09:20").drop("failed", ENGINEER, "T1", reason="still locked")
    s.has("T1 escalated")
    s.holds("acme-42/tasks/in_progress", "T1.yaml")
    s.expect(
        """
        09:20 file 02-failed.yaml #1
        09:20 escalate task T1 #1 → support-manager
        09:20 keep T1 a2
        """
    )
    s.says("_communication/inbox/support-manager/acme-42.T1.a2.escalation.yaml", decision_needed="how the task goes on")
    s.at("09:25").drop("retry", ENGINEER, "T1", reason="I want to")
    s.expect(
        """
        09:25 file 03-retry.yaml #1
        09:25 reason 03-retry.yaml #1
        09:25 reject 03-retry.yaml #1 → technical-support-engineer
        """
    )
    s.at("09:30").drop("retry", "support-manager", "T1", reason="the account is unlocked")
    s.at("09:40").done(ENGINEER, "T1")
    s.expect(
        """
        09:30 file 04-retry.yaml #1
        09:30 assign T1 a3 → technical-support-engineer
        09:40 file 05-completion.yaml #1
        09:40 result T1 a3
        09:40 move T1 #2 completed
        09:40 aggregate #1
        09:40 request component follow_up_plan #1 → technical-support-engineer
        09:40 request component knowledge_base_article #1 → knowledge-base-manager
        09:40 request component preventive_measures #1 → technical-support-engineer
        09:40 request component resolution_steps #1 → technical-support-engineer
        09:40 request component root_cause_analysis #1 → support-analyst
        """
    )
    s.says("acme-42/outputs/partial/T1.attempt-1.yaml", state="failed", reason="the sandbox account is locked")


@story("EXE-13", "EXE-14")
def the_third_refused_claim_fails_the_attempt(s: Stage) -> None:
    """Two reworks an attempt; then the attempt has failed and the next one begins."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=2)
    for minute in ("09:10", "09:20", "09:30"):
        s.at(minute).drop("completion", ENGINEER, "T1", summary="done")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:10 file 01-completion.yaml #1
        09:10 rework T1 a1 #1 → technical-support-engineer
        09:20 file 02-completion.yaml #1
        09:20 rework T1 a1 #2 → technical-support-engineer
        09:30 file 03-completion.yaml #1
        09:30 keep T1 a1
        09:30 assign T1 a2 → technical-support-engineer
        """
    )
    s.says("acme-42/outputs/partial/T1.attempt-1.yaml", state="failed", attempt=1)
    s.says("_communication/inbox/technical-support-engineer/acme-42.T1.a1.rework_request-2.yaml", attempt=1)


@story("EXE-12", "EXE-14")
def declined_goes_to_another(s: Stage) -> None:
    """Who declines is not asked again; a decline is no attempt that counts; nobody left is escalated."""
    s.case({"T1": {"title": "x"}}, tier=1, priority="low")
    s.skip()
    seen = []
    for k in range(1, 4):
        holder = s.holder("T1")
        seen.append(holder)
        s.at("+10m").drop("declined", holder, "T1", reason=f"no access {k}")
        s.look()
    assert len(set(seen)) == 3 or not s.strict
    s.expect(
        """
        09:10 file 01-declined.yaml #1
        09:10 keep T1 a1
        09:10 assign T1 a2 → account-manager
        09:20 file 02-declined.yaml #1
        09:20 keep T1 a2
        09:20 assign T1 a3 → chat-support-specialist
        09:30 file 03-declined.yaml #1
        09:30 keep T1 a3
        09:30 assign T1 a4 → community-manager
        """
    )


@story("EXE-12")
def nobody_is_left(s: Stage) -> None:
    """When every capable agent has declined, a decision is asked for, and `reassign` decides."""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1)
    for _ in range(18):
        s.at("+1m").drop("declined", s.holder("T1"), "T1", reason="no access")
        s.skip()
    s.has("T1 escalated")
    s.says("acme-42/outputs/partial/progress.yaml", tasks={"T1": "escalated"})
    s.at("09:30").drop("reassign", "support-manager", "T1", to="escalation-manager", reason="she has access")
    s.at("09:40").done("escalation-manager", "T1")
    s.expect(
        """
        09:30 file 19-reassign.yaml #1
        09:30 assign T1 a19 → escalation-manager
        09:40 file 20-completion.yaml #1
        09:40 result T1 a19
        09:40 move T1 #2 completed
        09:40 aggregate #1
        09:40 request component follow_up_plan #1 → escalation-manager
        09:40 request component knowledge_base_article #1 → knowledge-base-manager
        09:40 request component preventive_measures #1 → escalation-manager
        09:40 request component resolution_steps #1 → escalation-manager
        09:40 request component root_cause_analysis #1 → support-analyst
        """
    )


@story("MSG-3", "EXE-3", "CON-12")
def reassigned_and_the_late_result_is_accepted(s: Stage) -> None:
    """A result that comes after its attempt was closed is kept, not applied, until somebody accepts it."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.at("09:05").drop("ack", ENGINEER, "T1")
    s.at("09:10").drop("reassign", "support-manager", "T1", to="escalation-manager", reason="needs production access")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:05 file 01-ack.yaml #1
        09:10 file 02-reassign.yaml #1
        09:10 keep T1 a1
        09:10 notice T1 reassigned-a1 → technical-support-engineer
        09:10 assign T1 a2 → escalation-manager
        """
    )
    s.at("09:20").done(ENGINEER, "T1", attempt=1, summary="I had it after all")
    s.expect(
        """
        09:20 file 03-completion.yaml #1
        09:20 keep-late T1 a1 #1
        09:20 notice T1 a1 #1 late → support-manager
        """
    )
    s.says("acme-42/outputs/partial/T1.attempt-1.late.yaml", state="late", agent=ENGINEER, summary="I had it after all")
    s.at("09:25").drop("accept_late", "escalation-manager", "T1", attempt=3)
    s.at("09:30").drop("accept_late", "support-manager", "T1", attempt=1)
    s.expect(
        """
        09:25 file 04-accept_late.yaml #1
        09:25 reason 04-accept_late.yaml #1
        09:25 reject 04-accept_late.yaml #1 → escalation-manager
        09:30 file 05-accept_late.yaml #1
        09:30 notice T1 late-accepted-a2 → escalation-manager
        09:30 result T1 a2
        09:30 move T1 #2 completed
        09:30 aggregate #1
        09:30 request component follow_up_plan #1 → technical-support-engineer
        09:30 request component knowledge_base_article #1 → knowledge-base-manager
        09:30 request component preventive_measures #1 → technical-support-engineer
        09:30 request component resolution_steps #1 → technical-support-engineer
        09:30 request component root_cause_analysis #1 → support-analyst
        """
    )
    s.says(
        "acme-42/outputs/partial/T1.yaml", state="completed", agent=ENGINEER, attempt=1, decided_by="support-manager"
    )


@story("EXE-17", "EXE-18", "EXE-25")
def blocked_and_answered(s: Stage) -> None:
    """A blocker stands until the answer arrives; the answer is passed on to the holder."""
    s.case({"T1": {"assigned_to": ENGINEER}}, tier=1)
    s.at("09:10").drop("blocked", ENGINEER, "T1", description="the customer's account number is missing")
    s.has("T1 blocked")
    s.at("09:20").drop("answer", "customer-success-manager", "T1", answer="it is 4711")
    s.at("09:30").drop("progress", ENGINEER, "T1", percent=90)
    s.at("09:40").drop("unblocked", "support-manager", "T1", answer="again")
    s.expect(
        """
        09:00 open acme-42
        09:00 admit T1 #1
        09:00 assign T1 a1 → technical-support-engineer
        09:00 move T1 #1 in_progress
        09:10 file 01-blocked.yaml #1
        09:10 ask blocker T1 #1 → customer-success-manager
        09:20 file 02-answer.yaml #1
        09:20 answer blocker T1 #1 → technical-support-engineer
        09:30 file 03-progress.yaml #1
        09:40 file 04-unblocked.yaml #1
        09:40 reason 04-unblocked.yaml #1
        09:40 reject 04-unblocked.yaml #1 → support-manager
        """
    )
