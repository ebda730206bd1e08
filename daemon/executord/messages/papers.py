"""The papers of an incident in a message: its retrospective and its prevention plan [INC-6].

Counterparts: `incident.py` and `answering.py`, the messages that bring them; `meaning/incidents.py`, where they are
kept; `service/prompter.py`, which looks at what lies under the paths they name: the k-th file of the letter is the k-th
path's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from executord.case import FileFact, Letter
from executord.case.warroom import PAPERS
from executord.errors import Finding
from executord.letters import scalar
from executord.reading import find, text_of
from executord.scalars import placeholder

#: One word that is meant as a path, and not as the text itself.
_PATH = re.compile(r"(?:\.{0,2}/\S*|\S*outputs/\S+|\S+\.(?:md|txt|rst|ya?ml|json|csv|html?|pdf|docx?|odt))\Z")
_OURS = re.compile(r"outputs/partial/(?:journal(?:\..*)?|progress|incident(?:-\d+)?)\.yaml\Z")


def _given(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in PAPERS:
        value = find(body, (name, name.replace("_", "-"))).value
        if value is not None and text_of(value):
            yield name, value


def paths_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Paper → the path that a message names for it, as it writes it."""
    found = {name: (scalar(value) or "").strip() for name, value in _given(body)}
    return {name: words for name, words in found.items() if _PATH.match(words)}


def papers_of(letter: Letter) -> dict[str, Any]:
    """The papers that a message brings: `text`, or the path that it names; one with a fault is not brought."""
    paths, files = paths_of(letter.body), _files(letter)
    return {
        name: files[name].path if name in paths else "text"
        for name, value in _given(letter.body)
        if _fault(name, value, paths, files) is None
    }


def unfit_paper(letter: Letter) -> Finding | None:
    """Why a paper that the message brings cannot count: nothing lies under its path, or it is not filled in."""
    paths, files = paths_of(letter.body), _files(letter)
    for name, value in _given(letter.body):
        fault = _fault(name, value, paths, files)
        if fault is not None:
            fix = "send it as text, or as the path of a file in outputs/"
            return Finding("INC-6", f"{name}: {fault}", fix, field=name)
    return None


def _files(letter: Letter) -> dict[str, FileFact]:
    return dict(zip(paths_of(letter.body), letter.files, strict=False))


def _fault(name: str, value: Any, paths: Mapping[str, str], files: Mapping[str, FileFact]) -> str | None:
    if name not in paths:
        return placeholder(value, required=True)
    file = files.get(name)
    if file is None:
        return f"{paths[name]}: it was not looked at"
    if _OURS.match(file.path):
        return f"{file.path}: that is a file of ours"
    return f"{paths[name]}: {file.fault}" if file.fault is not None else None
