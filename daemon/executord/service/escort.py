"""What goes along with a case besides its lines: what lies in its outputs, who commands and works elsewhere.

[DEL-2, INC-3, SLA-9]

Counterparts: `__init__.py`, which asks before each look; `files/survey.py`, which reads.
Sight and facts across cases, no more.
"""

from __future__ import annotations

from datetime import datetime

from executord.case.casebook import Case
from executord.files.survey import Surveyor
from executord.meaning.incidents import current
from executord.paper import Limits
from executord.parcel import settled
from executord.policy import Policy
from executord.workload import Workload


class Escort:
    """For all cases of one tree."""

    def __init__(self, root: str, limits: Limits | None) -> None:
        self._workload = Workload()
        self._moved: set[str] = set()
        self.surveyor = Surveyor(root, limits or Limits())
        self._commands: dict[str, str] = {}  # case → who commands its open incident

    def before(self, case: Case, now: datetime) -> None:
        """What the rules are to see of outputs and of other cases, before they are asked."""
        self.survey(case, now)
        others = frozenset(name for case_id, name in self._commands.items() if case_id != case.id)
        if others != case.commanding:
            case.commanding = others
            case.head_dirty = True
        self.beside(case)

    def beside(self, case: Case) -> None:
        """What its agents have to do elsewhere, before the rules are asked."""
        beside = self._workload.beside(case)
        if beside != case.beside:
            case.beside = beside
            case.head_dirty = True
            case.dirty.update(i for held in case.sums.holders.values() for i in held)

    def moved(self) -> set[str]:
        """The cases whose agents have got more or less to do elsewhere since this was asked last."""
        found, self._moved = self._moved, set()
        return found

    def after(self, case: Case, policy: Policy) -> None:
        """Who commands an open incident of this case, and what its agents have to do: facts for the others."""
        self._moved |= self._workload.note(case, policy)
        found = current(case)
        if found is not None and found.status == "open":
            self._commands[case.id] = found.commander
        else:
            self._commands.pop(case.id, None)

    def concerns(self, case: Case) -> bool:
        """Whether somebody commands an incident, or did when the case was looked at last."""
        return bool(self._commands or case.commanding)

    def forget(self, case_id: str) -> None:
        """The case is gone."""
        self.surveyor.forget(case_id)
        self._commands.pop(case_id, None)
        self._moved |= self._workload.forget(case_id)

    def survey(self, case: Case, now: datetime) -> None:
        """What lies there for the deliverable is looked at when the case is on its way out [DEL-2, QUA-4]."""
        head = case.head
        if head.opened_at is None or not head.ours or head.parked is not None or head.closed is not None:
            return
        if head.delivery.handed is not None:
            seen = self.surveyor.finals(case)
        elif settled(case):
            seen = self.surveyor.survey(case, now)
        else:
            return
        if seen != case.survey:
            case.survey = seen
            case.head_dirty = True
