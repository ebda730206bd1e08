"""What people and programs are shown of cases: made from them at any time, and nothing more.

Counterparts: `cli/look.py` prints them, `service/` writes the progress file. Nothing here changes anything.
"""
