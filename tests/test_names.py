"""Names of lines are for ever: every form of them stands in a golden list, and no two rules yield one name [REL-11]."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executord.case import Extension, Hold
from executord.case.casebook import Case
from executord.case.products import Asked, Delivery
from executord.case.snapshot import freeze, thaw
from executord.evolve import replace
from executord.files import journal
from executord.messages import MESSAGES
from executord.posts import KINDS
from executord.rules import CASE_RULES, TASK_RULES
from executord.team import record
from executord.team.record import Team
from tests import test_properties
from tests.names import golden, told
from tests.stories.kit import CASE, Stage
from tests.test_properties import QUIET, Chance, beginning, event

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DATA = Path(__file__).parent / "data"


@pytest.mark.spec("REL-11", "CON-6")
def test_every_line_of_every_story_has_a_form_of_the_golden_list(tmp_path: Path):
    """Form, action, rule and keys of the facts of each line that the stories note; and no form is listed that is gone.

    What fails here is a change of the product: what is new is added (`python -m tests.names`), nothing is changed.
    """
    known, met, wrong = golden(), set(), []
    for story, form, e in told(tmp_path):
        actions, rules, keys = known.get(form, (frozenset(), frozenset(), frozenset()))
        met.add(form)
        new = " ".join(sorted(set(e.get("facts") or {}) - keys))
        if e["action"] not in actions or not ({e["rule"], "*"} & rules) or new:
            wrong.append(f"{story}: {e['name']}: {form} | {e['action']} | {e['rule']} | {new}")
    assert not wrong, "\n".join(wrong[:20])
    assert not known.keys() - met, "no story notes these any more"


@pytest.mark.spec("REL-11", "MSG-9")
def test_the_types_of_messages_are_for_ever():
    """Every type that was ever taken or sent still is, under every spelling; what is new is added to the list."""
    listed = {}
    for line in (DATA / "kinds.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            key, _, words = line.partition(":")
            listed[key] = words.split()
    assert listed.pop("sends") == sorted(KINDS)
    assert listed == {name: sorted(kind.aliases) for name, kind in MESSAGES.items()}


@pytest.mark.spec("REL-11", "CON-6")
def test_a_snapshot_may_hold_what_is_not_kept_any_more():
    """Older versions kept more of a hold, of more time and of an ask than anybody read: it is passed over."""
    asked = {"component:fix": Asked(1, "liaison", NOON)}
    more = Extension(NOON, "ops@acme.example", "audit", True, add="4 hours")
    made = Case(CASE)
    hold = Hold(1, "operator", NOON, "audit", None)
    made.set_head(replace(made.head, opened_at=NOON, hold=hold, extensions=(more,), delivery=Delivery(asked=asked)))
    told = freeze(made)
    facts = json.loads(json.dumps(told))
    facts["head"]["hold"]["pauses_clock"] = True
    facts["head"]["extensions"][0]["reference"] = "mail of 20 November"
    facts["head"]["delivery"]["asked"]["component:fix"]["climbed"] = True
    again = Case(CASE)
    thaw(again, facts)
    assert freeze(again) == told
    team, other = Team("s"), Team("s")
    before = record.freeze(team)
    record.thaw(other, {**before, "head": {**before["head"], "paused_by": "operator"}})
    assert record.freeze(other) == before


# --- no two rules yield one name --------------------------------------------------------------------------------------

#: Ids of tasks that are words of names too, or the instruction's own id.
ODD = {"T1": "update", "T2": "halt", "T3": CASE, "T4": "question"}


def renamed(value: Any, ids: Mapping[str, str]) -> Any:
    """The same example with other ids."""
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, Mapping):
        return {key: renamed(each, ids) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(each, ids) for each in value]
    return value


class Named(Chance):
    """A stage on which it is watched who yields which name."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.speakers: dict[str, set[str]] = defaultdict(set)
        super().__init__(given)

    def check(self) -> None:
        """Besides all else: a name belongs to one rule, about one subject, and is yielded once in a look."""
        self.stage._rest()
        case, policy = self.case, self.stage.policy
        case.settle_graph()
        lines = [(f"{rule.__module__} {task.id}", line) for task in case.tasks.values() if not task.sealed
                 for rule in TASK_RULES for line in rule(case, task, policy)]  # fmt: skip
        lines += [(rule.__module__, line) for rule in CASE_RULES for line in rule(case, policy)]
        names = [line.name for _, line in lines]
        twice = {name for name in names if names.count(name) > 1}
        assert not twice, f"yielded twice in one look: {twice}"
        for speaker, line in lines:
            self.speakers[line.name].add(speaker)
            assert len(self.speakers[line.name]) == 1, (line.name, self.speakers[line.name])
        self._check_journal()


@pytest.mark.spec("REL-11", "EXE-29")
def test_a_task_may_be_called_as_names_are(tmp_path: Path):
    """Tasks called `update`, `expedite` or as their instruction: all ladders climb, each under its own name."""
    stage = Stage(tmp_path / "words")
    stage.case({"update": {}, "expedite": {}, "halt": {}, "delivery": {}}, tier=3, customer={"name": "Acme"})
    stage.at("2026-12-10T09:00:00Z")
    own = Stage(tmp_path / "own")
    own.case({CASE: {}}, tier=1)
    own.look()
    own.drop("hold", "operator", CASE, reason="the task")
    own.drop("hold", "operator", reason="the instruction")
    own.at("2026-11-25T09:00:00Z")
    for each in (stage, own):
        each._rest()
        each.sound()
        names = [e["name"] for e in journal.read(f"{each.root}/{CASE}").entries if "at" in e]
        assert not [name for name, n in Counter(names).items() if n > 1]
    assert {f"release {CASE} #1", f"release instruction {CASE} #1"} <= set(names)


@pytest.mark.spec("REL-11")
@pytest.mark.parametrize("ids", [{}, ODD], ids=["plain", "odd"])
@settings(max_examples=60, suppress_health_check=QUIET, deadline=None)
@given(start=beginning, events=st.lists(event, max_size=14))
def test_no_two_rules_yield_one_name(ids: Mapping[str, str], start: Mapping[str, Any], events: list[Mapping[str, Any]]):
    """Over the whole life of a case, whatever its tasks are called: of tasks, of the instruction, of any rule."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IDS", "SPECS"):
            patch.setattr(test_properties, name, tuple(renamed(getattr(test_properties, name), ids)))
        chance = Named(start)
        try:
            for each in renamed(events, ids):
                chance.go(each)
        finally:
            chance.close()
