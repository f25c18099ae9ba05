"""Use names that aiohttp keeps private; no other module of the gateway does.

`tests/gateway/test_aiohttp_internals.py` fails when an upgrade changes one of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http_writer import _serialize_headers
from multidict import CIMultiDict

Handler = Callable[[Any], Awaitable[web.StreamResponse]]
Middleware = Callable[[Any, Handler], Awaitable[web.StreamResponse]]
"""Returns the response to a request, calling the handler or not."""


serialize_headers: Callable[[str, CIMultiDict[str]], bytes] = _serialize_headers
"""Returns a status line and headers as they are sent, the empty line included.

Raises `ValueError` if one contains a control character, which could begin another header.
"""


class Runner(web.AppRunner):
    """Run an application on connections of a given class, inside a middleware.

    Unlike aiohttp's own middlewares, this one also sees requests that match no route.
    """

    def __init__(
        self,
        app: web.Application,
        connection: type[web.RequestHandler],
        middleware: Middleware | None = None,
        **options: Any,
    ) -> None:
        super().__init__(app, **options)
        self._connection, self._middleware = connection, middleware

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        handle = _with_fixed_paths(self.app, server.request_handler)
        return _Server(server, self._connection, self._middleware, handle)


class _Server(web.Server):
    def __init__(
        self,
        original: web.Server,
        connection: type[web.RequestHandler],
        middleware: Middleware | None,
        handle: Handler,
    ) -> None:
        super().__init__(
            handle if middleware is None else lambda request: middleware(request, handle),
            request_factory=original.request_factory,
            loop=asyncio.get_running_loop(),
            **original._kwargs,  # noqa: SLF001
        )
        self._connection = connection

    def __call__(self) -> web.RequestHandler:
        return self._connection(self, loop=self._loop, **self._kwargs)


def _with_fixed_paths(app: web.Application, handle: Handler) -> Handler:
    """Return `handle` with a shortcut: the handler of a path without parameters is looked up.

    aiohttp's router takes 5 % of the CPU of a read to find it. Whatever the table does not have in
    exactly these characters, and a request with `Expect`, takes aiohttp's own way.
    """
    if app.middlewares:
        return handle
    fixed = fixed_paths(app)

    def find(request: web.Request) -> Awaitable[web.StreamResponse]:
        found = fixed.get((request.method, request.raw_path.partition("?")[0]))
        if found is None or hdrs.EXPECT in request.headers:
            return handle(request)
        request._match_info, route_handler = found  # noqa: SLF001
        return route_handler(request)

    return find


def fixed_paths(
    app: web.Application,
) -> dict[tuple[str, str], tuple[web.UrlMappingMatchInfo, Handler]]:
    """Return (method, path) -> match and handler, for the paths that have no parameters."""
    found: dict[tuple[str, str], tuple[web.UrlMappingMatchInfo, Handler]] = {}
    for resource in app.router.resources():
        for route in resource if isinstance(resource, web.PlainResource) else ():
            match = web.UrlMappingMatchInfo({}, route)  # the requests share it: none changes it
            match.add_app(app)
            match.freeze()
            handler: Any = route.handler
            found.setdefault((route.method, resource.canonical), (match, handler))
    return found


def has_received_request(connection: web.RequestHandler) -> bool:
    """Return whether the head of at least one request has arrived."""
    return connection._request_count > 0  # noqa: SLF001


def is_idle(connection: web.RequestHandler) -> bool:
    """Return whether no request is being handled or waits to be."""
    return connection._waiter is not None and not connection._messages  # noqa: SLF001
