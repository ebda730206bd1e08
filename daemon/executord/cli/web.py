"""`web`: the pages, served or written as files; nothing but reading [OPS-16].

Counterpart: `web/`, which needs the extra of that name and is imported only here.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from executord.case.casebook import Case
from executord.cli import sla_report
from executord.cli.frame import Frame, frame
from executord.errors import NotInstalled, UsageError

EXTRA = "web"


def web(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="The address to listen at [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port [8614]; 0: a free one.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A name by which it may be asked, too.")
    ] = None,
    static: Annotated[str | None, typer.Option(metavar="OUT", help="Write the pages into this folder instead.")] = None,
) -> None:
    """Show the tree as web pages: board, cases, agents, incidents, SLA. Only reads; needs the extra `web`."""
    here = frame(context)
    if static is not None:
        if host is not None or port is not None or allow_host:
            raise UsageError("--static serves nothing", fix="leave out --host, --port and --allow-host")
        _needs("jinja2")
        _write(here, static)
        return
    _needs("starlette", "uvicorn", "jinja2")
    from executord.web import serving

    sockets = serving.given(here.environ)
    if sockets and (host is not None or port is not None):
        raise UsageError("systemd has opened the socket", fix="leave out --host and --port")
    root, policy = here.memory, here.policy
    if not sockets:
        sockets = [serving.opened(host or serving.HOST, serving.PORT if port is None else port)]
    urls = [serving.url_of(each) for each in sockets]
    here.give({"url": urls[0], "memory": root}, lambda: (f"{root} is shown at {url}" for url in urls))
    serving.serve(root, policy, sockets, allow_host or (), _archive(here))


def _needs(*modules: str) -> None:
    """Raises `NotInstalled` where one of these is missing."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:
            raise NotInstalled(EXTRA) from None


def _archive(here: Frame) -> Callable[[], Iterable[Case]]:
    from executord.web.lookout import Archive

    return Archive(os.path.join(here.memory, sla_report.ARCHIVE), here.policy).cases


def _write(here: Frame, target: str) -> None:
    from executord.web.export import export

    count = export(here.memory, here.policy, target, _archive(here))
    where = os.path.abspath(target)
    here.give({"path": where, "pages": count}, lambda: [f"{count} pages written: {where}/index.html"])


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.command()(web)
