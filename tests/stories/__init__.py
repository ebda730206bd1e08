"""Whole cases on a real folder with a set clock: `test_stories.py` reads them, `test_crash.py` kills the daemon.

Add a story: a function with `@story` in one of these files; a new file: its word in `FILES`.
"""

from importlib import import_module

FILES = (
    "sequence",
    "parallel",
    "still",
    "hands",
    "letters",
    "silence",
    "blockers",
    "questions",
    "overload",
    "orchestrated",
)

for _name in FILES:
    import_module(f"tests.stories.{_name}")
