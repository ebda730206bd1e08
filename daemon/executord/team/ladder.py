"""Rules for workers of which nothing comes, and for what they are told meanwhile [SES-14, SES-27]."""

from __future__ import annotations

from collections.abc import Iterator

from executord.team.line import Line, Record, Tell
from executord.team.record import Law, Team
from executord.team.texts import FINALIZE, STATUS_CHECK
from executord.team.workforce import after


def ladder(team: Team, law: Law) -> Iterator[Line]:
    """STATUS_CHECK, FINALIZE, timed_out: each due its span after the one before was really carried out."""
    for job in team.live:
        attempt = job.live
        assert attempt is not None
        worker = team.worker_of(job)
        found = team.discoveries.get(job.id)
        if found is not None and found.final:
            continue  # post before clock: nobody is asked for what lies there [MSG-11]
        if attempt.unknown or attempt.ladder_at is None or worker is None or worker.resident:
            continue
        names = (job.id, attempt.n)
        if attempt.checked_at is None:
            yield Line(
                after(attempt.ladder_at, law.work_s), f"status check {job.id} a{attempt.n} #1", "SES-14",
                Tell(worker.order, "status_check", STATUS_CHECK), *names, f"no result after {law.work_s:g} s",
            )  # fmt: skip
        elif attempt.finalized_at is None:
            at = after(attempt.checked_at, law.status_s)
            why = f"no answer to STATUS_CHECK after {law.status_s:g} s"
            if attempt.answered_at is not None:
                at = after(attempt.answered_at, law.extension_s)
                why = f"no result {law.extension_s:g} s after the answer to STATUS_CHECK"
            yield Line(
                at, f"finalize {job.id} a{attempt.n} #1", "SES-14",
                Tell(worker.order, "finalize", FINALIZE, interrupt=True), *names, why,
            )  # fmt: skip
        else:
            yield Line(
                after(attempt.finalized_at, law.finalize_s), f"time out {job.id} a{attempt.n} #1", "SES-14", Record(),
                *names, f"timed out: no result {law.finalize_s:g} s after FINALIZE",
            )  # fmt: skip


def telling(team: Team, law: Law) -> Iterator[Line]:
    """What somebody has to say to a running worker [SES-27]."""
    for job in team.live:
        attempt = job.live
        assert attempt is not None
        worker = team.worker_of(job)
        if attempt.owed and worker is not None and worker.state in ("starting", "live"):
            yield Line(
                attempt.at, f"context {job.id} a{attempt.n} #{attempt.offered + 1}", "SES-27",
                Tell(worker.order, "context", source=attempt.owed[0]), job.id, attempt.n, "passed on",
            )  # fmt: skip
