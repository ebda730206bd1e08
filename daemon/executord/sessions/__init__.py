"""Team sessions as folders: read, kept, and executed with real workers [chapter 7].

Counterparts: `team/`, the same on paper; `runners/`, which starts, tells and ends processes. `folder.py` reads what was
prepared, `disk` writes, `hands.py` notes and carries out, `engine.py` looks; `desk.py` keeps the sessions of a daemon.
"""
