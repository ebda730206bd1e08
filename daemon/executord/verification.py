"""Whether a claim counts [EXE-13]: what the journal keeps of it, and every point in which it fails.

Pure: the files that a claim names were looked at before (`Letter.files`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from executord.case import FileFact, Letter, Task
from executord.case.casebook import Case
from executord.case.standing import communication_of as communication_of
from executord.deliverables import components_of, file_named
from executord.letters import note_of, word
from executord.policy import REWORKS, Policy
from executord.reading import find, text_of
from executord.routes import way_of
from executord.scalars import placeholder
from executord.updates import missing_contents, update_contents, update_facts

OUTPUT = ("output", "outputs", "result", "results", "deliverable", "findings")
PATHS = ("outputs", "artifacts", "outputs_created", "files", "artifacts_produced", "files_created", "output_files")
SUMMARY = ("summary", "result_summary", "message", "note", "description")
CONCERNS = ("concerns", "concern", "warnings")
_PATH = re.compile(r"^\.?/?(?:[^/ ]+/)*outputs/|/[^/]*\.\w{1,5}$")  # a path, even with a space in it
_LISTED = re.compile(r"[,;]\s|\s*\n\s*(?:[-*]\s+)?")
_UNMET_LISTS = ("unmet_criteria", "criteria_unmet", "unmet", "criteria_not_met", "not_met", "failed_criteria")
_UNMET = {"false", "no", "unmet", "not_met", "fail", "failed", "not_done", "missing", "partial", "partially_met"}


def paths_named(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths that a claim names, as it writes them; also those that stand for a component."""
    found: list[str] = []

    def take(value: Any) -> None:
        if isinstance(value, str):
            several = [part for part in map(str.strip, _LISTED.split(value.strip(" \t\n-*"))) if part]
            if len(several) > 1 and all(map(_PATH.search, several)):  # a list in one text
                found.extend(several)
                return
            text = value.strip()
            if text and "\n" not in text and (" " not in text or _PATH.search(text)):
                found.append(text)
        elif isinstance(value, Mapping):
            inner = find(value, ("path", "file", "location")).value
            if inner is not None:
                take(inner)
            elif len(value) == 1:  # `- outputs/log.md: what it is`, `- log: outputs/log.md`
                take(next((t for t in map(text_of, next(iter(value.items()))) if _PATH.search(t)), None))
        elif isinstance(value, list | tuple):
            for each in value:
                take(each)

    for key in PATHS:
        value = body.get(key)
        if key == "outputs" and isinstance(value, Mapping):
            continue  # a mapping of results, not of files
        take(value)
    contents = (content for _, content in components_of(body.get("components")).values())
    found += [name for name in map(file_named, contents) if name is not None]
    return tuple(dict.fromkeys(found))


def holes(value: Any, where: str, depth: int = 0) -> Iterable[str]:
    """Unfilled placeholders inside a claim's values."""
    why = placeholder(value, required=bool(text_of(value)))
    if why is not None:
        yield f"{where} is not filled in: {why}"
        return
    if depth > 8:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from holes(inner, f"{where}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for k, inner in enumerate(value):
            yield from holes(inner, f"{where}[{k}]", depth + 1)


def nested_update(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The customer update that stands in a claim: a mapping, or a text with its headed sections [SLA-15]."""
    said = body.get("customer_update")
    if isinstance(said, str) and update_contents({"text": said}):
        return {"text": said}
    return said if isinstance(said, Mapping) else None


def _criteria(task: Task, body: Mapping[str, Any], strict: bool) -> Iterable[str]:
    answers = find(body, ("acceptance_criteria", "criteria", "validation_criteria", "criteria_met", "evidence")).value
    said: list[tuple[str, Any, Any]] = []
    if isinstance(answers, Mapping):
        said = [(str(k), v, v) for k, v in answers.items()]
    elif isinstance(answers, list | tuple):
        for each in answers:
            if isinstance(each, Mapping):
                met = find(each, ("met", "status", "result", "passed", "satisfied")).value
                name = text_of(find(each, ("criterion", "name", "criteria", "description")).value)
                said.append((name, met, find(each, ("evidence", "how", "proof")).value))
    for key in _UNMET_LISTS:
        named = body.get(key)
        for each in named if isinstance(named, list | tuple) else [named]:
            inner = find(each, ("criterion", "name", "description")).value if isinstance(each, Mapping) else each
            text = text_of(inner)
            if text and word(text) not in ("none", "no", "n/a", "false", "0", "-"):
                yield f"acceptance criterion reported unmet: {text}"
    for name, met, _ in said:
        if met is False or (not isinstance(met, Mapping) and word(met) in _UNMET):
            yield f"acceptance criterion reported unmet: {name}"
    if strict:
        names = {name.strip().lower(): evidence for name, _, evidence in said}
        for criterion in task.spec.criteria:
            if not text_of(names.get(criterion.strip().lower())):
                yield f"acceptance criterion without evidence: {criterion}"


def substance(summary: str, has_output: bool, files: Iterable[FileFact]) -> Iterable[str]:
    """What a claim must hold at the least."""
    files = tuple(files)
    if not summary.strip():
        yield "there is no summary: say in `summary` what was done"
    if not has_output and not any(f.fault is None for f in files):
        yield "there is no output: put the result into `output`, or name existing, non-empty files under outputs/"
    for f in files:
        if f.fault is not None:
            yield f"{f.path}: {f.fault}"


def verify(case: Case, task: Task, letter: Letter, policy: Policy) -> dict[str, Any]:
    """The facts of a claim for its line; `points` lists what fails, `final` says that no rework is left."""
    body = letter.body
    summary = text_of(find(body, SUMMARY).value)
    output = next((v for k in OUTPUT if (v := body.get(k)) is not None and text_of(v)), None)
    if (
        output is not None
        and body.get("output") is None
        and paths_named({"outputs": output})
        and isinstance(output, list)
    ):
        output = None  # `outputs: [paths]` names files, it is no result by itself
    components = body.get("components")
    has_output = output is not None or (isinstance(components, Mapping) and bool(components))
    points = list(substance(summary, has_output, letter.files))
    for key in (*OUTPUT, "components", "summary"):
        if key in body:
            points.extend(holes(body[key], key))
    points.extend(_criteria(task, body, policy.strict))
    facts: dict[str, Any] = {"summary": summary[:500]}
    nested = nested_update(body)
    recorded = bool(task.updates)
    if isinstance(nested, Mapping):
        missing = missing_contents(nested)
        if missing:
            points.append(f"the customer_update in it lacks {', '.join(missing)}")
        else:
            recorded = True
            facts |= {"update": case.head.updates + 1, "nested": True, "way": way_of(case, letter, nested, policy)}
            facts |= update_facts(case, nested, letter.at, policy)
    needs = communication_of(case, task)
    if needs in ("customer", "both") and not recorded and not any("customer_update in it" in p for p in points):
        points.append(
            "no customer update is recorded for this task: send a customer_update with status, next_steps, blockers, "
            "expect_next and contact, or put one into the completion as customer_update"
        )
    concerns = find(body, CONCERNS).value
    texts = [text_of(c)[:500] for c in (concerns if isinstance(concerns, list) else [concerns]) if text_of(c)]
    if letter.type == "done_with_concerns" and not texts:
        texts = [note_of(body, "summary", "message") or "done with concerns"]
    if texts:
        facts["concerns"] = texts
    facts["files"] = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in letter.files if f.fault is None]
    facts["output"] = has_output
    if isinstance(components, Mapping):
        facts["components"] = [str(k) for k in components]
    if points:
        facts["points"] = list(dict.fromkeys(points))
        live = task.live
        if live is not None and live.refusals >= REWORKS:
            facts["final"] = True
    return facts
