"""Between the cases and the outbox: what is noted as sent goes out, what has ended comes back to its case [SLA-16].

Counterparts: `channels/outbox.py`, which carries outside the loop; `rules/outbox.py`, whose lines say what is promised.
A send whose line has no second line at a start is decided here, by the channel's rule: again with the same key, or a
doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from executord.case import Carried, Sending
from executord.case.casebook import Case
from executord.channels import Parcel
from executord.channels.outbox import AT_MOST_ONCE, Ended, Job, Known
from executord.files.store import Store
from executord.routes import UPDATE
from executord.updates import UPDATE_CONTENTS
from executord.values import stamp

_TOLD = (*UPDATE_CONTENTS, "next_update_at", "text")


class Carrier(Protocol):
    """What is needed of an outbox; the stories of the tests have one of their own."""

    def put(self, job: Job) -> None:
        """Keep a parcel whose line is about to be noted."""

    def go(self, key: str) -> None:
        """Its line is noted: carry it."""

    def known(self, key: str) -> Known | Ended:
        """How far a parcel came: it waits, it was being tried when the daemon died, it ended; or nothing is known."""

    def doubt(self, job: Job, now: datetime) -> Ended:
        """It is not tried again."""

    def ended(self) -> list[Ended]:
        """What has ended since this was asked last."""

    def forget(self, key: str) -> None:
        """How it ended is noted."""

    def jobs(self) -> list[Job]:
        """All parcels that are kept."""


class Carriage:
    """The parcels of all cases of one tree."""

    def __init__(self, store: Store, carrier: Carrier) -> None:
        self._store, self._carrier = store, carrier
        self._keys: dict[tuple[str, int], str] = {}  # (case, update) → its parcel with the outbox

    # -- out -----------------------------------------------------------------------------------------------

    def put(self, case: Case, entry: Mapping[str, Any]) -> None:
        """Keep what this line sends, before the line is on disk."""
        sending = _of(case, entry)
        if sending is not None:
            job = self._job(case, sending)
            self._carrier.put(job)
            self._keys[case.id, sending.number] = job.key

    def noted(self, case: Case, entry: Mapping[str, Any]) -> None:
        """The line is on disk: what it sends is carried, what it says the end of is forgotten."""
        number = entry["facts"]["number"]
        if entry["action"] == "send":
            self._carrier.go(self._keys[case.id, number])
            return
        for each in [k for k in case.outcomes if k[0] == number]:
            del case.outcomes[each]
        key = self._keys.pop((case.id, number), None)
        if key is not None:
            self._carrier.forget(key)

    def _job(self, case: Case, sending: Sending) -> Job:
        head = case.head
        customer = head.spec.customer
        kept = self._store.body(f"{case.id}/outputs/partial/update-{sending.number:03}.yaml")
        facts: dict[str, Any] = {
            "instruction_id": case.id,
            "title": head.title,
            "number": sending.number,
            "customer": {
                "name": customer.name if customer is not None else None,
                "segment": customer.segment if customer is not None else None,
                "contact": customer.contact if customer is not None else None,
                "timezone": customer.timezone if customer is not None else None,
            },
            "sent_at": stamp(sending.at),
            **{name: kept.get(name) for name in _TOLD},
        }
        parcel = Parcel(sending.key, UPDATE, facts, sending.to)
        return Job(parcel, sending.channel, sending.delivery, case.id, sending.sends)

    # -- back ----------------------------------------------------------------------------------------------

    def take(self, cases: Mapping[str, Case]) -> set[str]:
        """Tell the cases what has ended; which ones were told."""
        told: set[str] = set()
        for ended in self._carrier.ended():
            case = cases.get(ended.job.case or "")
            if ended.job.case is None:
                self._carrier.forget(ended.job.key)
            elif case is not None and self._tell(case, ended):
                told.add(case.id)
        return told

    def _tell(self, case: Case, ended: Ended) -> bool:
        """Whether the case waits for this; else it is forgotten."""
        number, ordinal = int(ended.job.parcel.facts.get("number") or 0), ended.job.ordinal
        if any(s.number == number and s.sends == ordinal and s.state == "sent" for s in case.head.outbox):
            self._keys[case.id, number] = ended.job.key
            outcome = Carried(
                ended.how, ended.at, ended.tries, ended.said, ended.fix, ended.id, ended.tried_at
            )  # fmt: skip
            case.ended_outside(number, ordinal, outcome)
            return True
        self._carrier.forget(ended.job.key)
        return False

    # -- at a start ----------------------------------------------------------------------------------------

    def recover(self, case: Case, now: datetime) -> None:
        """First lines without their second: by the channel's rule sent again with the same key, or a doubt."""
        for sending in case.head.outbox:
            if sending.state != "sent":
                continue
            job = self._job(case, sending)
            self._keys[case.id, sending.number] = job.key
            known = self._carrier.known(job.key)
            if isinstance(known, Ended):
                self._tell(case, known)
            elif known != "waiting" and sending.delivery == AT_MOST_ONCE:
                self._tell(case, self._carrier.doubt(job, now))
            else:
                self._carrier.put(job)
                self._carrier.go(job.key)

    def sweep(self, cases: Mapping[str, Case], broken: Iterable[str]) -> None:
        """Forget what no case waits for any more; of a case that cannot be read nothing is forgotten."""
        left = set(broken)
        for job in self._carrier.jobs():
            if job.case is None or job.case in left:
                continue
            case = cases.get(job.case)
            number = job.parcel.facts.get("number")
            if case is None or all(s.number != number or s.state not in ("owed", "sent") for s in case.head.outbox):
                self._carrier.forget(job.key)


def _of(case: Case, entry: Mapping[str, Any]) -> Sending | None:
    number = entry["facts"]["number"]
    return next((s for s in case.head.outbox if s.number == number), None)
