"""The web pages: a process of its own that reads the tree and shows it, and does nothing else [OPS-16].

`lookout.py` keeps what was read, `pages.py` makes pages of it, `app.py` answers requests, `serving.py` holds the
sockets, `export.py` writes the same pages as files. What is shown is made by `views/`, for the terminal and for here.
Starlette, uvicorn and jinja2 are in the extra `web`; only `pages.py`, `app.py` and `serving.py` import them.
"""
