"""The papers of an incident in a message: its retrospective and its prevention plan [INC-6].

Counterparts: `incident.py` and `answering.py`, the messages that bring them; `incidents.py`, where they are kept.
"""

from __future__ import annotations

from typing import Any

from executord.case import Letter
from executord.incidents import PAPERS
from executord.letters import scalar
from executord.reading import find, text_of


def papers_of(letter: Letter) -> dict[str, Any]:
    """The papers that a message brings: `text`, or the path in outputs/ that it names."""
    found: dict[str, Any] = {}
    for name in PAPERS:
        given = find(letter.body, (name, name.replace("_", "-"))).value
        if given is None or not text_of(given):
            continue
        words = scalar(given) or ""
        path = words.removeprefix("./")
        path = path[path.index("outputs/") :] if "outputs/" in path and "\n" not in path and " " not in path else ""
        found[name] = path if path and ".." not in path.split("/") else "text"
    return found
