"""What is answered to a request: a page, a file of ours, or a word when a page has changed [OPS-16].

Counterparts: `pages.py`, what is shown; `serving.py`, which runs it. All reading is done in one thread beside the loop:
a client that is slow, or a page that takes long to make, holds up nobody's connection.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from executord.errors import NotFound
from executord.web import addresses
from executord.web.pages import Page, Pages, Segments

MOST_WATCHERS = 64
"""Clients that are told of changes at the same time; the next ones see the pages without being told."""
LOOK_S, HEARTBEAT_S = 1.0, 15.0
ASSETS = ("style.css", "live.js", "icon.svg")
#: Nothing but our own style, script, icon and events; no form, no frame, no address of ours told to others.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_SAID = {
    404: ("Not found", "There is no such page. It may have been archived, or its id may be spelt differently."),
    405: ("Not possible", "These pages only read: use GET or HEAD."),
    421: ("Wrong host", "This server is not called by this name. Start it with --allow-host NAME if it should be."),
    500: ("A fault of executord", "The page could not be made. What happened stands in the log of the server."),
    503: ("Too many", "Too many clients are being told of changes. The pages themselves still work: reload them."),
}


class Desk:
    """The pages, and the one thread that reads and makes them."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._thread = ThreadPoolExecutor(1, "pages")
        self.watchers = 0

    async def page(self, segments: Segments) -> Page:
        """A page. Raises `NotFound`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._pages.page, segments)

    async def trouble(self, status: int) -> bytes:
        """A page that says why there is none."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._pages.trouble, *_SAID[status])


def application(desk: Desk, hosts: Collection[str] | None, stopping: Callable[[], bool]) -> ASGIApp:
    """The whole of it. `hosts`: the names by which it may be asked, None for any; `stopping`: whether it is to end."""

    async def page(request: Request) -> Response:
        segments = addresses.read(request.scope.get("raw_path", b""))
        try:
            found = await desk.page(segments) if segments is not None else None
        except NotFound:
            found = None
        if found is None:
            raise HTTPException(404)
        return _html(found.html, 200, {"ETag": f'"{found.print}"'})

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ASSETS:
            raise HTTPException(404)
        body = resources.files("executord.web").joinpath("static", name).read_bytes()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(body, media_type=kind, headers={"Cache-Control": "max-age=300"})

    async def events(request: Request) -> Response:
        segments = addresses.read(quote(request.query_params.get("page", "/"), safe="/%").encode())
        if segments is None:
            raise HTTPException(404)
        if desk.watchers >= MOST_WATCHERS:
            raise HTTPException(503, headers={"Retry-After": "60"})
        try:
            first = await desk.page(segments)
        except NotFound:
            raise HTTPException(404) from None
        return StreamingResponse(
            _changes(desk, segments, first.print, stopping), media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )  # fmt: skip

    async def trouble(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        more = dict(getattr(error, "headers", None) or {})
        return _html(await desk.trouble(status if status in _SAID else 500), status, more)

    routes = [
        Route("/events", events),
        Route("/static/{name}", asset),
        Route("/{rest:path}", page),
    ]
    handlers = {HTTPException: trouble, Exception: trouble}
    return _guarded(Starlette(routes=routes, exception_handlers=handlers), hosts, desk)


def _html(body: bytes, status: int, more: dict[str, str]) -> Response:
    return Response(body, status, {"Cache-Control": "no-store", **more}, "text/html; charset=utf-8")


async def _changes(desk: Desk, segments: Segments, told: str, stopping: Callable[[], bool]) -> AsyncIterator[str]:
    """The print of a page whenever it becomes another, with a heartbeat between; ends when the page or we do."""
    desk.watchers += 1
    try:
        yield f"retry: 5000\ndata: {told}\n\n"
        loop = asyncio.get_running_loop()
        last = loop.time()
        while not stopping():
            await asyncio.sleep(LOOK_S)
            try:
                found = await desk.page(segments)
            except NotFound:
                yield "event: gone\ndata: gone\n\n"
                return
            if found.print != told:
                told, last = found.print, loop.time()
                yield f"data: {told}\n\n"
            elif loop.time() - last >= HEARTBEAT_S:
                last = loop.time()
                yield ": still here\n\n"
    finally:
        desk.watchers -= 1


def _guarded(inner: ASGIApp, hosts: Collection[str] | None, desk: Desk) -> ASGIApp:
    """Our headers on every answer, and no answer to who asks by a name that is not ours (DNS rebinding)."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        if scope["type"] != "http":
            return
        if hosts is not None and host_of(scope) not in hosts:
            await _html(await desk.trouble(421), 421, {})(scope, receive, with_headers)
            return
        await inner(scope, receive, with_headers)

    return app


def host_of(scope: Scope) -> str | None:
    """The name by which the server was asked, without its port; None unless it stands there once."""
    found = [value for name, value in scope["headers"] if name == b"host"]
    if len(found) != 1:
        return None
    name = str(found[0].decode("latin-1")).lower()
    if name.startswith("["):
        return name[: name.find("]") + 1] or None
    return name.rpartition(":")[0] or name
