"""What a line or a letter needs and only the service knows: who has room, who is known, what lies in a folder.

Counterparts: `rules/`, which make the lines; `__init__.py`, which notes them. It asks and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime

from executord.actions import Send
from executord.agenda import Due
from executord.case import FileFact, Letter
from executord.case.casebook import Case
from executord.errors import Finding
from executord.evolve import replace
from executord.files.store import Store
from executord.letters import people_in, subject_of
from executord.messages import MESSAGES, type_of
from executord.messages.papers import paths_of
from executord.places import Places
from executord.policy import Policy
from executord.rules import mail, overload, spoken


class Prompter:
    """Completes lines for one tree."""

    def __init__(self, store: Store, places: Places) -> None:
        self._store, self._places = store, places

    def complete(self, case: Case, line: Due, policy: Policy, now: datetime) -> Due:
        """The line as it is noted now."""
        line = self._relieved(case, self._salvaged(case, line))
        return self._to_somebody(spoken(case, line, policy, now))

    def informed(self, case: Case, letter: Letter) -> Letter:
        """The letter with who of those it names is known, and what lies under the names it gives [EXE-13]."""
        known, _ = type_of(letter)
        if known == "archive" and os.path.lexists(f"{self._store.root}/_archive/{case.id}"):
            text = f"_archive/{case.id} is there already"
            return replace(letter, refusal=Finding("MEM-14", text, "give that folder another name"))
        if known is None:
            return letter
        people = {*people_in(letter.body, MESSAGES[known].people), letter.sender or ""} - {""}
        letter = replace(letter, known=frozenset(n for n in people if self._places.known(n)))
        if not MESSAGES[known].result:
            papers = paths_of(letter.body) if case.head.incidents else {}
            seen = [self._store.evidence.file_facts(case.id, None, [path]) for path in papers.values()]
            return replace(letter, files=tuple(_worst(facts) for facts in seen)) if papers else letter
        subject = subject_of(letter, case, about_task=True, needs_task=True)
        return self._store.evidence.with_files(letter, case.id, subject.task.id if subject.task is not None else None)

    def judged(self, case: Case, letter: Letter, policy: Policy) -> Due:
        """The line that takes the letter, or turns it away."""
        return mail.line(case, letter, policy, letter.sender is not None and self._places.answerable(letter.sender))

    def _salvaged(self, case: Case, line: Due) -> Due:
        """The line that closes a silent worker's attempt, with what lies in his folder [EXE-16]."""
        if line.facts.get("do") != "time_out" or line.task is None:
            return line
        folder = f"outputs/partial/{line.task}"
        files = self._store.evidence.file_facts(case.id, line.task, [folder], missing=False)
        kept = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in files if f.sha256]
        return replace(line, facts={**line.facts, "files": kept})

    def _relieved(self, case: Case, line: Due) -> Due:
        """The line that relieves an overloaded agent, with who takes the task from him [EXE-12]."""
        task = case.tasks.get(line.task or "")
        if "relieve" not in line.facts or task is None or task.live is None:
            return line
        colleague = self._places.colleague(case, task, task.live.agent)
        load = f"{colleague}: {self._places.said(colleague)}" if colleague else ""
        return overload.relieved(line, task, colleague, load)

    def _to_somebody(self, line: Due) -> Due:
        """Nothing is dropped into the void: what is for a name that nobody has goes to support-manager [MSG-6]."""
        action = line.action
        if not isinstance(action, Send) or self._places.known(action.to):
            return line
        body = {**action.body, "meant_for": action.to}
        why = f"{action.to} is not known; {line.why}"
        return replace(line, action=Send("support-manager", action.kind, body), why=why)

    def relief(self, cases: Mapping[str, Case]) -> Iterator[tuple[Case, Due]]:
        """The lines that relieve those who hold more than their capacity, the last one given first [EXE-12]."""
        if self._places.all_paused:
            return
        for agent in self._places.crowded():
            held = [(cases[c], cases[c].tasks[t]) for c, t in sorted(self._places.held[agent])]
            mine = [(case, task, live) for case, task in held if (live := overload.movable(case, task)) is not None]
            mine.sort(key=lambda each: (each[2].accepted_at is None, each[2].at, each[1].key, each[1].id), reverse=True)
            why = f"{agent} holds more than he can ({self._places.said(agent)})"
            for case, task, live in mine[: self._places.excess(agent)]:
                names = (f"relieve {task.id} a{live.n}", f"overload {task.id} a{live.n}")
                if any(name in task.done for name in names):
                    continue
                make = overload.relief_of if live.accepted_at is None else overload.consult_of
                yield case, make(task, live.at, why)


def _worst(facts: list[FileFact]) -> FileFact:
    """Of what lies under one name the file that speaks for it: the first with a fault, else the first."""
    return next((fact for fact in facts if fact.fault is not None), facts[0])
