"""`executord sla due`: what is due, for any calendar, start, target and pauses, without a memory [CON-9].

Counterpart: `sla-vectors.json`, whose words the keys are. Pure: the command reads the files and prints.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from executord.clocks import BUSINESS, Calendar, Due, Pause, active, amount_due, calendar_from, due
from executord.clocks.cadence import Event, Mode, Step, next_due, play, segments
from executord.errors import BadInput, UsageError
from executord.values import FIX_DURATION, FIX_MOMENT, MomentText, read_moment, read_span, stamp, why_not

Asked = Mapping[str, Any]  # one object of the input
Answer = dict[str, Any]

_GROUPS: Final = ("vectors", "elapsed_vectors", "sequence_vectors", "cadence_vectors")
_EVENTS: Final = ("target", "pause", "resume", "extend")
_MODES: Final = ("elapsed", "open", "working_days")
_EXPLAINED_WITHOUT_DUE: Final = 14 * 86_400  # how much is shown of what never falls due


@dataclass(frozen=True, slots=True)
class Names:
    """The calendars that an object may name instead of giving hours, and the zone of what has none."""

    timezone: str = "UTC"
    calendars: Mapping[str, Calendar] = field(default_factory=dict)

    def calendar(self, value: object) -> Calendar:
        """The calendar that is meant. Raises BadInput."""
        if isinstance(value, str):
            if value in self.calendars:
                return self.calendars[value]
            if value == "business":
                return calendar_from(BUSINESS, value, self.timezone)
            if value.strip().lower() not in ("24x7", "24/7"):
                known = ", ".join(dict.fromkeys(("24x7", "business", *self.calendars)))
                raise BadInput(f"there is no calendar {value[:60]!r}", code="SLA-3", fix=f"use one of {known}")
        return calendar_from(value, "", self.timezone)


_BUILT_IN: Final = Names()


class Difference(NamedTuple):
    """A key whose value in the file is not what comes out [CON-9]."""

    id: str | None
    key: str
    expected: object
    found: object

    def text(self) -> str:
        """One line: `V01 due_utc: the file has …, it is …`."""
        here = f"{self.id} " if self.id is not None else ""
        return f"{here}{self.key}: the file has {json.dumps(self.expected)}, it is {json.dumps(self.found)}"


def answer(asked: object, names: Names = _BUILT_IN, *, explain: bool = False) -> Answer:
    """What is due, for one object; what is asked is told by its keys [CON-9].

    With `explain` also `segments`: the time counted, closed and paused [SLA-20]. Raises BadInput for a bad calendar
    or object.
    """
    if not isinstance(asked, Mapping):
        raise BadInput("is not an object with a calendar", code="CON-9")
    if "calendar" not in asked:
        raise BadInput("calendar: missing", code="CON-9", fix='give {timezone, weekly, holidays, overrides} or "24x7"')
    calendar = names.calendar(asked["calendar"])
    head: Answer = {"schema_version": 1, "id": asked.get("id")}
    if "steps" in asked:
        return head | {"steps": _steps(calendar, asked)}
    if "last_update" in asked:
        return head | _cadence(calendar, asked)
    if "end" in asked:
        return head | _elapsed(calendar, asked, explain)
    if "target_seconds" in asked or "target" in asked:
        return head | _due(calendar, asked, explain)
    raise BadInput(
        "it does not say what is asked",
        code="CON-9",
        fix="give start and target_seconds or target, start and end, start and steps, or last_update, mode and value",
    )


def answers(doc: object, names: Names = _BUILT_IN, *, explain: bool = False) -> Answer | list[Answer]:
    """`answer` for one object, for each of a list, or for the vectors file [CON-9]. Raises BadInput, saying which."""
    if _one(doc):
        return answer(doc, names, explain=explain)
    return [_named(n, each, names, explain) for n, each in enumerate(_objects(doc))]


def check(doc: object, names: Names = _BUILT_IN) -> list[Difference]:
    """Where the answers differ from what the same keys say in the input [SLA-5]."""
    found: list[Difference] = []
    for n, asked in enumerate(_objects(doc)):
        got = _named(n, asked, names, False)
        name = None if got["id"] is None else str(got["id"])
        found += _differences(name, asked, got, "", skip=("schema_version", "id", "steps"))
        for k, step in enumerate(got.get("steps", ())):
            found += _differences(name, asked["steps"][k], step, f"steps[{k}].", skip=("at",))
    return found


def run(
    text: str | None = None,
    *,
    calendar: object = None,
    start: str | None = None,
    target: str | None = None,
    pauses: Iterable[str] = (),
    at: str | None = None,
    check_it: bool = False,
    explain: bool = False,
    as_json: bool = False,
    names: Names = _BUILT_IN,
    load: Callable[[str], object] = json.loads,
) -> tuple[int, str]:
    """The command: exit code and what goes to stdout [CON-9].

    `text` is the content of FILE, read with `load`; without it the flags build one object, `calendar` being a name
    or what the calendar's file holds. Raises BadInput (65) and UsageError (2), as every command does.
    """
    if text is not None:
        try:
            doc = load(text)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"is not JSON: {error}", code="CON-9") from error
    else:
        doc = _from_flags(calendar, start, target, pauses, at)
    if check_it:
        return _checked(doc, names, as_json)
    found = answers(doc, names, explain=explain)
    if as_json:
        return 0, json.dumps(found, ensure_ascii=False) + "\n"
    return 0, "".join(f"{line}\n" for each in (found if isinstance(found, list) else [found]) for line in _lines(each))


# --- what is asked ---------------------------------------------------------------------------------------------------


def _due(calendar: Calendar, asked: Asked, explain: bool) -> Answer:
    start, pauses = _at(calendar, asked, "start"), _pauses(calendar, asked)
    found = _target(calendar, asked, start, pauses)
    out: Answer = {**_both(calendar, found.due), "remaining_seconds": found.remaining_seconds, "reason": found.reason}
    now = _at(calendar, asked, "at") if asked.get("at") is not None else None
    if now is not None:
        out["active_seconds"] = active(calendar, start, now, pauses)
        out["breached"] = found.due is not None and now > found.due
    if explain:
        last = start.timestamp() + _EXPLAINED_WITHOUT_DUE
        until = found.due or now or datetime.fromtimestamp(min(last, 253_000_000_000), start.tzinfo)
        out["segments"] = _segments(calendar, start, until, pauses)
    return out


def _target(calendar: Calendar, asked: Asked, start: datetime, pauses: list[Pause]) -> Due:
    if asked.get("target_seconds") is not None:
        return due(calendar, start, _number(asked["target_seconds"], "target_seconds"), pauses)
    span = read_span(asked.get("target"))
    if span is None:
        raise BadInput(f"target: {why_not(asked.get('target'))}", code="MEM-9", fix=FIX_DURATION)
    if isinstance(span, MomentText):
        return Due(read_moment(span.value, calendar.zone, day_end=calendar.day_end))
    return amount_due(calendar, start, span.limit or span.target, pauses)


def _elapsed(calendar: Calendar, asked: Asked, explain: bool) -> Answer:
    start, end, pauses = _at(calendar, asked, "start"), _at(calendar, asked, "end"), _pauses(calendar, asked)
    out: Answer = {"active_seconds": active(calendar, start, end, pauses)}
    return out | {"segments": _segments(calendar, start, end, pauses)} if explain else out


def _cadence(calendar: Calendar, asked: Asked) -> Answer:
    mode = asked.get("mode")
    if mode not in _MODES:
        raise BadInput(f"mode: {why_not(mode, 'mode')}", code="SLA-21", fix=f"use {', '.join(_MODES)}")
    value = _number(asked.get("value"), "value")
    found = next_due(calendar, _at(calendar, asked, "last_update"), cast(Mode, mode), value)
    return {f"next_{key}": moment for key, moment in _both(calendar, found).items()}


def _steps(calendar: Calendar, asked: Asked) -> list[Answer]:
    steps = asked["steps"]
    if not isinstance(steps, list) or not all(isinstance(step, Mapping) for step in steps):
        raise BadInput("steps: is not a list of {at, event, value}", code="CON-9")
    taken = [_step(calendar, step, f"steps[{n}].") for n, step in enumerate(steps)]
    return [
        {
            "at": step["at"],
            **_both(calendar, found.due if found else None),
            "remaining_seconds_if_paused": found.remaining_seconds if found else 0,
        }
        for step, found in zip(steps, play(calendar, _at(calendar, asked, "start"), taken), strict=True)
    ]


def _step(calendar: Calendar, step: Asked, where: str) -> Step:
    event, value = step.get("event"), step.get("value")
    if event not in _EVENTS:
        raise BadInput(f"{where}event: {why_not(event, 'known event')}", code="CON-9", fix=f"use {', '.join(_EVENTS)}")
    at = _at(calendar, step, "at", where)
    if event in ("pause", "resume"):
        return Step(at, cast(Event, event))
    moment = read_moment(value, calendar.zone, day_end=calendar.day_end)
    return Step(at, cast(Event, event), moment or _number(value, f"{where}value"))


def _at(calendar: Calendar, asked: Asked, key: str, where: str = "") -> datetime:
    moment = read_moment(asked.get(key), calendar.zone, bare="start")
    if moment is None:
        raise BadInput(f"{where}{key}: {why_not(asked.get(key), 'time')}", code="CON-9", fix=FIX_MOMENT)
    return moment


def _pauses(calendar: Calendar, asked: Asked) -> list[Pause]:
    found: list[Pause] = []
    given = asked.get("pauses") or []
    if not isinstance(given, list):
        raise BadInput("pauses: is not a list of [from, to]", code="CON-9")
    for n, pair in enumerate(given):
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadInput(f"pauses[{n}]: is not a pair [from, to]", code="CON-9")
        ends = {"from": pair[0], "to": pair[1]}
        begin = _at(calendar, ends, "from", f"pauses[{n}].")
        end = None if pair[1] is None else _at(calendar, ends, "to", f"pauses[{n}].")
        if end is not None and end < begin:
            raise BadInput(f"pauses[{n}]: {pair[0]} to {pair[1]} ends before it begins", code="CON-9")
        found.append((begin, end))
    return found


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise BadInput(f"{where}: {why_not(value, 'number of 0 or more')}", code="CON-9")
    if value > 10**12:  # 30,000 years: dates end before
        raise BadInput(f"{where}: {value} is too much", code="CON-9")
    return value


# --- what comes out --------------------------------------------------------------------------------------------------


def local_stamp(calendar: Calendar, moment: datetime) -> str:
    """An instant in the calendar's zone with its offset, a fraction only if it is not 0."""
    head, dot, tail = moment.astimezone(calendar.zone).isoformat().partition(".")
    return f"{head}.{tail[:6].rstrip('0')}{tail[6:]}" if dot else head


def _both(calendar: Calendar, moment: datetime | None) -> Answer:
    if moment is None:
        return {"due_utc": None, "due_local": None}
    return {"due_utc": stamp(moment), "due_local": local_stamp(calendar, moment)}


def _segments(calendar: Calendar, start: datetime, end: datetime, pauses: list[Pause]) -> list[Answer]:
    return [
        {
            "from": local_stamp(calendar, each.begin),
            "to": local_stamp(calendar, each.end),
            "kind": each.kind,
            "seconds": _whole((each.end - each.begin).total_seconds()),
            "counted_seconds": each.counted_seconds,
            "note": each.note or None,
        }
        for each in segments(calendar, start, end, pauses)
    ]


def _whole(seconds: float) -> float:
    return int(seconds) if seconds.is_integer() else seconds


def _one(doc: object) -> bool:
    return not isinstance(doc, list) and not (isinstance(doc, Mapping) and any(key in doc for key in _GROUPS))


def _objects(doc: object) -> list[Any]:
    """The objects asked about, in order."""
    if isinstance(doc, list):
        return doc
    if _one(doc) or not isinstance(doc, Mapping):
        return [doc]
    groups = [doc.get(group) or [] for group in _GROUPS]
    if not all(isinstance(group, list) for group in groups):
        raise BadInput(f"{', '.join(_GROUPS)} are lists", code="CON-9")
    return [each for group in groups for each in group]


def _named(n: int, asked: Any, names: Names, explain: bool) -> Answer:
    try:
        return answer(asked, names, explain=explain)
    except BadInput as error:
        name = asked.get("id") if isinstance(asked, Mapping) else None
        where = f"[{n}]" if name is None else str(name)[:60]
        raise BadInput(f"{where}: {error.message}", code=error.code, fix=error.fix) from error


def _differences(name: str | None, asked: Asked, got: Answer, where: str, skip: tuple[str, ...]) -> list[Difference]:
    return [
        Difference(name, where + key, asked[key], value)
        for key, value in got.items()
        if key not in skip and key in asked and asked[key] != value
    ]


def _checked(doc: object, names: Names, as_json: bool) -> tuple[int, str]:
    found = check(doc, names)
    count = len(_objects(doc))
    if as_json:
        body = {
            "schema_version": 1,
            "checked": count,
            "ok": not found,
            "differences": [each._asdict() for each in found],
        }
        return int(bool(found)), json.dumps(body, ensure_ascii=False) + "\n"
    lines = [each.text() for each in found] or [f"{count} checked, no differences"]
    return int(bool(found)), "".join(f"{line}\n" for line in lines)


def _from_flags(
    calendar: object, start: str | None, target: str | None, pauses: Iterable[str], at: str | None
) -> Answer:
    if calendar is None or start is None or target is None:
        raise UsageError("give a FILE, or --calendar, --start and --target")
    pairs = []
    for text in pauses:
        begin, slash, end = text.partition("/")
        if not slash:
            raise UsageError(f"--pause {text}: it is FROM/TO, or FROM/ if it is still running")
        pairs.append([begin, end or None])
    return {"calendar": calendar, "start": start, "target": target, "pauses": pairs} | ({"at": at} if at else {})


def _lines(found: Answer) -> list[str]:
    """An answer as text for people."""
    name = f"{found['id']}  " if found["id"] is not None else ""
    lines = []
    if "steps" in found:
        lines += [f"{name}{step['at']}  {_when(step, step['remaining_seconds_if_paused'])}" for step in found["steps"]]
    elif "next_due_utc" in found:
        lines.append(f"{name}next due {found['next_due_utc'] or 'never'}  {found['next_due_local'] or ''}".rstrip())
    elif "due_utc" in found:
        lines.append(f"{name}{_when(found, found['remaining_seconds'], found['reason'])}")
        if "breached" in found:
            lines.append(f"  {found['active_seconds']} s used{', breached' if found['breached'] else ''}")
    else:
        lines.append(f"{name}active {found['active_seconds']} s")
    for piece in found.get("segments", ()):
        note = f"  ({piece['note']})" if piece["note"] else ""
        lines.append(f"  {piece['from']} to {piece['to']}  {piece['kind']:<7}  {piece['counted_seconds']} s{note}")
    return lines


def _when(found: Answer, left: float, reason: str | None = None) -> str:
    if found["due_utc"] is None:
        return f"no due time{': ' + reason.replace('_', ' ') if reason else ''}, {left} s left"
    return f"due {found['due_utc']}  {found['due_local']}"
