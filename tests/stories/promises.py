"""Stories of clocks: warnings, breaches, pauses, more time, and what the customer hears meanwhile (chapter 5)."""

from __future__ import annotations

from tests.stories.kit import Stage, story

LIAISON = "customer-success-manager"
ACME = {"name": "Acme", "segment": "enterprise", "contact": "ops@acme.example", "timezone": "Europe/Berlin"}


@story("SLA-2", "SLA-8", "SLA-10", "SLA-13", "SLA-14")
def a_high_one_nobody_answers(s: Stage) -> None:
    """x"""
    s.case({"T1": {"title": "diagnose the api error"}}, tier=1, customer=ACME)
    s.at("2026-11-22T12:00:00Z")
    s.expect("")
