"""The types of deliverable: one declarative class each, with what makes every component complete [DEL-1, DEL-6].

Counterparts: `completeness.py`, which judges a component by what stands here; `finals.py`, which writes the finished
product. Add a type: one class here, nothing else. A component's `parts` are looked for by key or heading, and
one that is not found is a concern; `must` names what lets it be refused where it is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

#: Looks at a component's content and says what it lacks, None if nothing.
Must = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class Component:
    """One component of a type: the parts that its definition names, and what it cannot do without.

    A part is written as its key is; with `|` other words for it. `record`: it is filled from what the journal
    records, here the updates sent to the customer [DEL-2].
    """

    parts: tuple[str, ...] = ()
    must: Must | None = None
    record: bool = False


def of(*parts: str, must: Must | None = None, record: bool = False) -> Any:
    """A component with these parts, for the body of a type."""
    return Component(parts, must, record)


class Deliverable:
    """A type of deliverable: its components are the class's attributes, in the order of the finished product."""

    type: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    components: ClassVar[Mapping[str, Component]] = {}

    def __init_subclass__(cls) -> None:
        """Its name and its aliases are types from now on."""
        cls.components = {name: each for name, each in vars(cls).items() if isinstance(each, Component)}
        for name in (cls.type, *cls.aliases):
            TYPES[name] = cls


#: Name or alias → its class.
TYPES: dict[str, type[Deliverable]] = {}
DEFAULT = "ticket_resolution"


def named(text: str | None) -> type[Deliverable] | None:
    """The type of this name or alias, however it is spelled; None if there is none."""
    return TYPES.get(word(text)) if text else None


def word(text: Any) -> str:
    """A name as it is compared: lower case, with `_` for what stands between words."""
    return re.sub(r"[\W_]+", "_", str(text).strip().lower()).strip("_")


#: How a list says which component it means, and where its content stands; first present wins.
_NAME = ("name", "component", "id", "key", "title", "type")
_CONTENT = ("content", "text", "value", "body", "output", "path", "file", "description", "details")


def components_of(value: Any) -> dict[str, tuple[tuple[str | int, ...], Any]]:
    """The components in a `components:` value, by name as it is compared: where each stands, and its content.

    A mapping, or a list of one-key mappings [CON-14]; also of such as `{name: follow_up_plan, content: …}`.
    """
    found: dict[str, tuple[tuple[str | int, ...], Any]] = {}
    if isinstance(value, Mapping):
        for key, content in value.items():
            found.setdefault(word(key), ((str(key),), content))
    elif isinstance(value, list | tuple):
        for k, each in enumerate(value):
            if isinstance(each, Mapping) and len(each) == 1:
                ((key, content),) = each.items()
                found.setdefault(word(key), ((k, str(key)), content))
            elif isinstance(each, Mapping):
                name = next((each[key] for key in _NAME if isinstance(each.get(key), str)), None)
                holder = next((key for key in _CONTENT if key in each), None)
                if name is not None and holder is not None:
                    found.setdefault(word(name), ((k, holder), each[holder]))
    return found


_FILE_NAMED = re.compile(r"(?:\./)?(?:[^/\s]+/)??outputs/\S.*", re.A)


def file_named(content: Any) -> str | None:
    """The file that a component's content is, where it is nothing but the name of one in `outputs/` [DEL-3].

    A text, or `{path: …}`; `outputs/…` may be written with the instruction's folder before it. None for other contents.
    """
    if isinstance(content, Mapping) and content.keys() <= {"path", "file", "location", "size", "sha256"}:
        content = next((content[key] for key in ("path", "file", "location") if key in content), None)
    elif not isinstance(content, str) or len(content.split()) != 1:
        return None
    name = content.strip() if isinstance(content, str) else ""
    return name.removeprefix("./") if len(name) <= 1000 and _FILE_NAMED.fullmatch(name) else None


# --- what a component cannot do without -------------------------------------------------------------------------------

_MONTHS = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:\d{4}|\d{2})"
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_DATE = re.compile(
    rf"(?<![\d.]){_DAY}\.\s?{_MONTH}\.\s?{_YEAR}\b|(?<![\d/])(?:{_DAY}/{_MONTH}|{_MONTH}/{_DAY})/{_YEAR}\b"
    rf"|\b{_DAY}(?:st|nd|rd|th)?\.?\s+(?:of\s+)?{_MONTHS}\b|\b{_MONTHS}\.?\s+{_DAY}(?:st|nd|rd|th)?\b",
    re.I,
)


def a_date(content: Any) -> str | None:
    """A date, anywhere in it; one that no calendar has is none."""
    if any(_DATE.search(text) or any(map(_in_a_calendar, _ISO_DATE.finditer(text))) for text in texts(content)):
        return None
    return "a date: say when, e.g. `date: 2026-11-27`"


def _in_a_calendar(hit: re.Match[str]) -> bool:
    try:
        return bool(date(int(hit[1]), int(hit[3]), int(hit[4])))
    except ValueError:
        return False


def per_severity(content: Any) -> str | None:
    """For each severity a response and a resolution."""
    asked = "for each severity its response and its resolution, e.g. `sev_1: {response: 15 min, resolution: 4 h}`"
    if isinstance(content, Mapping):
        inner = next((v for k, v in content.items() if word(k) in _TABLES and isinstance(v, Mapping | list)), None)
        if inner is not None and len(content) <= 2:
            return per_severity(inner)
        return asked if _rows_lack(content) else None
    if isinstance(content, list | tuple):
        rows = [each for each in content if isinstance(each, Mapping)]
        if rows and all(_has(row, "response") and _has(row, "resolution") for row in rows):
            return None
        single = [next(iter(row.values())) for row in rows if len(row) == 1]
        whole = len(single) == len(rows) and bool(rows)
        return None if whole and all(isinstance(r, Mapping) and _both(r) for r in single) else asked
    text = str(content).lower()
    if "response" in text and "resolution" in text and _SEVERITY.search(text):
        return None
    return asked


_TABLES = frozenset({"severities", "severity", "sla", "slas", "definitions", "levels", "table", "per_severity"})
_SEVERITY = re.compile(r"\b(?:sev|severity|critical|high|medium|low|p[0-4])")
_BESIDE = frozenset({"note", "notes", "calendar", "source", "title", "description", "summary", "hours", "remarks"})


def _rows_lack(table: Mapping[Any, Any]) -> bool:
    """Whether a mapping misses a response or a resolution for one of its severities."""
    by_clock = {c: v for c in ("response", "resolution") for k, v in table.items() if c in word(k)}
    if len(by_clock) == 2 and all(isinstance(v, Mapping) for v in by_clock.values()):
        return {word(k) for k in by_clock["response"]} != {word(k) for k in by_clock["resolution"]}
    rows = {k: v for k, v in table.items() if word(k) not in _BESIDE}
    return not rows or not all(_both(v) for v in rows.values())


def _both(row: Any) -> bool:
    if isinstance(row, Mapping):
        return _has(row, "response") and _has(row, "resolution")
    text = str(row).lower()
    return "response" in text and "resolution" in text


def _has(row: Mapping[Any, Any], what: str) -> bool:
    return any(what in word(k) and v not in (None, "", [], {}) for k, v in row.items())


def texts(content: Any, depth: int = 0) -> Iterator[str]:
    """Every text in it."""
    if depth > 12:
        return
    if isinstance(content, Mapping):
        for key, inner in content.items():
            yield str(key)
            yield from texts(inner, depth + 1)
    elif isinstance(content, list | tuple):
        for inner in content:
            yield from texts(inner, depth + 1)
    elif content is not None:
        yield str(content)


# --- whether a part is there ------------------------------------------------------------------------------------------

_HEADING = re.compile(
    r"^\s*(?:#{1,6}\s*|\*\*|[-*]\s+(?=\S[^:]{0,60}:)|\d+[.)]\s+)?([^:#*|]{2,60}?)\s*(?:\*\*\s*:?|:|$)"
)


def headings(content: Any, depth: int = 0) -> Iterator[str]:
    """The keys of a mapping at any depth, and the headings of a text, as words."""
    if depth > 6:
        return
    if isinstance(content, Mapping):
        for key, inner in content.items():
            yield word(key)
            yield from headings(inner, depth + 1)
    elif isinstance(content, list | tuple):
        for inner in content:
            yield from headings(inner, depth + 1)
    elif isinstance(content, str):
        for line in content.splitlines():
            hit = _HEADING.match(line)
            if hit is not None and (":" in line or line.lstrip().startswith(("#", "**"))):
                yield word(hit[1])


def lacking(component: Component, content: Any) -> Iterable[str]:
    """The parts of a component that are found under no key and no heading."""
    found = {_stem(each) for heading in headings(content) for each in heading.split("_") if each}
    for part in component.parts:
        options = (name.strip() for name in part.split("|"))
        if not any(all(_stem(w) in found for w in word(name).split("_")) for name in options):
            yield part.split("|", 1)[0].strip()


def _stem(text: str) -> str:
    """A word without what makes it plural or another form of itself."""
    for ending, rest in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if text.endswith(ending) and len(text) > len(ending) + 2 and not text.endswith("ss"):
            return text.removesuffix(ending) + rest
    return text


# --- the seven types --------------------------------------------------------------------------------------------------


class TicketResolution(Deliverable):
    """A ticket that is solved, with what keeps it from coming back."""

    type = "ticket_resolution"
    root_cause_analysis = of()
    resolution_steps = of()
    customer_communication = of(record=True)
    preventive_measures = of()
    knowledge_base_article = of()
    follow_up_plan = of(must=a_date)


class SupportStrategy(Deliverable):
    """Where support is to go, and how."""

    type = "support_strategy"
    executive_summary = of("vision", "goals | objectives", "expected outcomes | outcomes | results")
    current_state_assessment = of("strengths", "weaknesses", "benchmarks | benchmarking")
    strategy_framework = of("pillars", "initiatives", "KPIs | key performance indicators | metrics")
    implementation_roadmap = of("phases", "milestones", "dependencies")
    resource_plan = of("staffing | staff | people", "technology | tools | tooling", "budget | costs")
    success_metrics = of()


class KnowledgeBasePlan(Deliverable):
    """How a knowledge base is built and kept."""

    type = "knowledge_base_plan"
    content_architecture = of("taxonomy", "categories", "article types | types")
    content_inventory = of("existing assets | existing | assets | inventory", "gap analysis | gaps | missing")
    creation_plan = of("schedule | timeline", "assignments | owners | authors", "templates")
    maintenance_workflow = of("review cycles | review | reviews", "update processes | updates | update")
    search_optimization = of("SEO strategy | SEO", "tagging | tags", "discoverability | findability")
    analytics_framework = of("usage tracking | usage | tracking", "feedback collection | feedback")


class EscalationProcess(Deliverable):
    """Who is called when, and who must know."""

    type = "escalation_process"
    severity_matrix = of(
        "classification | severity | severities | sev", "priority levels | priority | priorities | levels"
    )
    escalation_paths = of()
    sla_definitions = of(must=per_severity)
    communication_templates = of()
    runbooks = of()
    stakeholder_map = of()


class SupportAnalytics(Deliverable):
    """The numbers of support, with what they mean."""

    type = "support_analytics"
    executive_dashboard = of("key metrics | metrics", "trends", "highlights")
    ticket_analysis = of("volume", "categories", "resolution times | resolution time | resolution")
    quality_metrics = of("CSAT | customer satisfaction", "NPS | net promoter score", "first contact resolution | FCR")
    trend_identification = of("emerging issues | emerging", "seasonal patterns | seasonal | seasonality")
    root_cause_analysis = of()
    recommendations = of()


class TrainingProgram(Deliverable):
    """What is taught, by whom, when, and how it is checked."""

    type = "training_program"
    curriculum_outline = of("modules", "learning objectives | objectives", "duration | durations")
    training_materials = of("slides", "exercises", "resources")
    assessment_tools = of("quizzes | quiz", "certifications | certification", "skill checks | skills")
    delivery_plan = of("schedule", "instructors | trainers", "logistics")
    onboarding_pathway = of("timeline | schedule")
    continuous_learning = of("ongoing education | ongoing | education", "refreshers")


class FeedbackAnalysis(Deliverable):
    """What customers say, and what to do about it."""

    type = "feedback_analysis"
    aliases = ("customer_feedback_analysis",)
    feedback_summary = of("sources", "volume", "response rates | response rate")
    sentiment_analysis = of("overall sentiment | overall | sentiment", "trend | trends")
    theme_categorization = of("top issues | issues", "feature requests | requests", "praise")
    customer_segments = of()
    actionable_insights = of("priority improvements | improvements", "quick wins")
    feedback_loop_plan = of()
