"""Which case a letter is for, if any: as it says, as it answers, or as its sender's work tells [MSG-1, MSG-4].

Counterparts: `sorting.py`, which asks; `house.py`, which takes what is for none. Nothing is guessed.
"""

from __future__ import annotations

from dataclasses import replace

from executord.case import Letter
from executord.errors import Finding
from executord.letters import open_tasks_of, scalar
from executord.messages import MESSAGES, type_of
from executord.views.overview import Tree

BEYOND = ("pause", "resume", "mute", "unmute")  # types that may be about more than one case


def case_of(tree: Tree, letter: Letter) -> tuple[str | None, Letter]:
    """The case that a letter is for, None if it is for none; what stands in its way is put on the letter."""
    if letter.fault is not None:
        return _by_name(tree, letter), letter
    known, _ = type_of(letter)
    if known is None or letter.sender is None:
        return _by_name(tree, letter), letter
    kind = MESSAGES[known]
    named = letter.instruction
    if named is not None:
        if named in tree.cases:
            return named, letter
        if kind.about != "house":
            text = f"there is no instruction {named!r} here"
            if named in tree.broken:
                text = f"{named} is parked: {tree.broken[named][0].splitlines()[0]}"
            return None, replace(letter, refusal=Finding("MSG-1", text, "check instruction_id, or send it later"))
    if kind.about == "house" or known in BEYOND:
        return None, letter
    reply = scalar(letter.body.get("in_reply_to"))
    if reply is not None:
        answered = [c for c in tree.cases if reply.startswith(c + ".")]
        if answered:
            return max(answered, key=len), letter
    asked = _by_ask(tree, letter) if "addressee" in kind.senders else None
    if asked is not None and "holder" not in kind.senders:
        return asked, letter
    case_id, found = _by_sender(tree, letter)
    if case_id is None and asked is not None:
        return asked, letter
    return case_id, found


def _by_ask(tree: Tree, letter: Letter) -> str | None:
    """The one case in which the sender was asked something that is unanswered [MSG-4]."""
    cases = [
        c for c, case in tree.cases.items()
        if any(case.ask_of(*key) is not None for key in case.asked.get(letter.sender or "", ()))
    ]  # fmt: skip
    return cases[0] if len(cases) == 1 else None


def _by_name(tree: Tree, letter: Letter) -> str | None:
    """A letter that cannot be read is filed with the case that its name or its instruction tells."""
    cases = tree.cases
    if letter.instruction in cases:
        return letter.instruction
    return None


def _by_sender(tree: Tree, letter: Letter) -> tuple[str | None, Letter]:
    """The one case in which the sender holds such a task; nothing is guessed."""
    sender = letter.sender or ""
    held = sorted(tree.places.held.get(sender, ()))
    ids = {letter.task, scalar(letter.body.get("id"))} - {None}
    fits = [(c, t) for c, t in held if t in ids] if letter.task is not None else held
    if letter.task is None and any(t in ids for _, t in held):
        fits = [(c, t) for c, t in held if t in ids]
    cases = sorted({c for c, _ in fits})
    if len(cases) == 1 and (len(fits) == 1 or letter.task is not None):
        return cases[0], replace(letter, task=letter.task or fits[0][1])
    if not cases and letter.task is not None:
        having = [c for c, case in tree.cases.items() if letter.task in case.tasks]
        if len(having) == 1:
            return having[0], letter
    if not cases and not held and len(tree.cases) == 1 and letter.task is not None:
        return next(iter(tree.cases)), letter
    supported = [
        (c, t.id) for c, case in tree.cases.items() for t in open_tasks_of(case, sender)
    ] if not cases else []  # fmt: skip
    if len({c for c, _ in supported}) == 1 and len(supported) == 1:
        return supported[0][0], replace(letter, task=letter.task or supported[0][1])
    fault = Finding("MSG-1", "it cannot be told which task is meant", "send it again with instruction_id and task_id")
    return None, replace(letter, refusal=fault)
