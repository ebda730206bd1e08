"""What a worker left as its result, and whether it counts [SES-12, SES-19].

Counterpart: `sessions/sight.py`, which reads the file. Pure: a JSON value in, a `Discovery` out; a discovery and a job
in, the facts of the `result` line out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from executord.team.papers import first, text_of
from executord.team.record import Discovery, Job, Law

TEXT = 500  # what a line of the journal holds of a text [CON-6]
GOOD, FAIR, LOW_RETRIES = 80.0, 60.0, 2
_FINAL = {
    "completed": "completed", "complete": "completed", "done": "completed", "success": "completed",
    "succeeded": "completed", "passed": "completed", "pass": "completed", "ok": "completed",
    "done_with_concerns": "completed", "revised": "completed",
    "failed": "failed", "failure": "failed", "error": "failed", "blocked": "failed", "aborted": "failed",
    "cancelled": "failed", "timed_out": "failed", "skipped": "failed",
    "partial": "partial", "partial_completion": "partial", "partially_completed": "partial",
}  # fmt: skip
_ARTIFACTS = ("artifact", "artifacts", "artifacts_produced", "artifact_path")
_UNDER_WAY = frozenset({"in_progress", "pending", "running", "working", "started", "draft", "progress", "wip"})


def discovery(data: Any, sha256: str, seen_at: datetime, settled_at: datetime) -> Discovery:
    """What a discovery file says: flat, or nested with `data` [SES-12]."""
    if not isinstance(data, Mapping):
        return Discovery(sha256, seen_at, fault="it is no JSON object", settled_at=settled_at)
    inner = data.get("data")
    nested: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    word = text_of(first(data, "status") or nested.get("status")).lower().replace("-", "_").replace(" ", "_")
    status = _FINAL.get(word) or ("working" if word in _UNDER_WAY else None)
    findings = _prose(first(data, "findings", "summary") or first(nested, "findings", "summary"))
    quality = _number(first(data, "quality_score", "score") or first(nested, "quality_score", "score"))
    attempt = data.get("attempt", nested.get("attempt"))
    claimed = [p for source in (data, nested) for key in _ARTIFACTS for p in _paths(source.get(key))]
    names = [*claimed, *(p for source in (data, nested) for p in _paths(source.get("files_modified")))]
    error = _prose(first(data, "error", "reason") or first(nested, "error", "reason"))
    if status is None:
        said = f"unknown status {word!r}" if word else "it has no status"
        return Discovery(sha256, seen_at, fault=said, settled_at=settled_at)
    return Discovery(
        sha256, seen_at, status, findings, tuple(dict.fromkeys(names)), error, quality,
        attempt if isinstance(attempt, int) and not isinstance(attempt, bool) else None, settled_at=settled_at,
        named=text_of(first(data, "task_id", "id")), claimed=tuple(dict.fromkeys(claimed)),
    )  # fmt: skip


def _prose(value: Any) -> str:
    """Findings as text, however they are written."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {t}" for k, v in value.items() if (t := _prose(v)))
    if isinstance(value, list | tuple):
        return "; ".join(t for each in value if (t := _prose(each)))
    return text_of(value)


def _paths(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.strip()] if value.strip() else []
    if isinstance(value, Mapping):
        said = text_of(first(value, "path", "file", "name"))
        return [said] if said else []
    if isinstance(value, list | tuple):
        return [path for each in value for path in _paths(each)]
    return []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not 0 <= number <= 1e6:
        return None
    return number * 100 if 0 < number < 1 else number


def short(text: str) -> str:
    """A text as a line of the journal holds it."""
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"


def judged(job: Job, found: Discovery, law: Law, code: int | None) -> dict[str, Any]:
    """The facts of the `result` line: what becomes of the task, and why."""
    concerns = []
    if code not in (None, 0):
        concerns.append(f"its worker ended with exit code {code}")
    if found.named not in ("", job.id):
        concerns.append(f"its result says that it is of {short(found.named)}")
    if found.absent:
        concerns.append(f"its result names what is not there: {short(', '.join(found.absent))}")
    facts: dict[str, Any] = {
        "outcome": "completed",
        "status": found.status,
        "sha256": found.sha256[:16],
        "findings": short(found.findings) or None,
        "artifacts": list(found.artifacts[:50]) or None,
        "quality": found.quality,
        "concerns": concerns or None,
    }
    last = job.spent + 1 >= law.max_attempts
    if found.status == "failed":
        return facts | {"outcome": "failed", "error": short(found.error or found.findings or "the worker says: failed"),
                        "final": last or None}  # fmt: skip
    if not found.findings and not found.artifacts:
        return facts | {"outcome": "failed", "error": "no findings", "final": last or None}
    if found.status == "partial":
        return facts | {"outcome": "partial_completion", "error": short(found.error or "only a part was done")}
    score = found.quality
    if score is not None and score < FAIR:
        said = f"quality score {score:g} is under {FAIR:g}"
        if job.lows >= LOW_RETRIES or last:
            return facts | {"outcome": "partial_completion", "error": said}
        return facts | {"outcome": "low", "error": said}
    if score is not None and score < GOOD:
        facts["issue"] = f"quality score {score:g} is under {GOOD:g}: {short(found.findings)}"
    return facts
