"""What the lines of a journal mean for their case, one file per subject; `fold.py` puts them together [MEM-17].

Pure: the same for a line just noted and for one read again.
"""
