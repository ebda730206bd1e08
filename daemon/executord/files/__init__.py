"""The memory as files: opened, read, made, moved, locked, kept. The only place that touches its disk.

`disk.py` changes files, `store.py` reads them into cases; the others read or keep one kind of file each.
"""
