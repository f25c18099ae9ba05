"""Use names that aiohttp keeps private; no other module of the gateway does.

`tests/gateway/test_aiohttp_internals.py` fails when an upgrade changes one of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[Any], Awaitable[web.StreamResponse]]
Middleware = Callable[[Any, Handler], Awaitable[web.StreamResponse]]
"""Returns the response to a request, calling the handler or not."""


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
        return _Server(server, self._connection, self._middleware)


class _Server(web.Server):
    def __init__(
        self,
        original: web.Server,
        connection: type[web.RequestHandler],
        middleware: Middleware | None,
    ) -> None:
        handle = original.request_handler
        super().__init__(
            handle if middleware is None else lambda request: middleware(request, handle),
            request_factory=original.request_factory,
            loop=asyncio.get_running_loop(),
            **original._kwargs,  # noqa: SLF001
        )
        self._connection = connection

    def __call__(self) -> web.RequestHandler:
        return self._connection(self, loop=self._loop, **self._kwargs)


def has_received_request(connection: web.RequestHandler) -> bool:
    """Return whether the head of at least one request has arrived."""
    return connection._request_count > 0  # noqa: SLF001


def is_idle(connection: web.RequestHandler) -> bool:
    """Return whether no request is being handled or waits to be."""
    return connection._waiter is not None and not connection._messages  # noqa: SLF001
