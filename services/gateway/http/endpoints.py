"""Keep handlers working that are still plain functions; to be deleted with the last of them."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web

from chassis.views.read_models import Document
from contracts.messages import Command, CommandOutcome, View
from contracts.read_models import DocumentRef
from gateway.http.bodies import Body
from gateway.http.commands import pending_response as pending
from gateway.http.conditional import document_response as conditional
from gateway.http.conditional import etag_response as unless_known
from gateway.http.requests import read_body
from gateway.http.responses import Response
from gateway.http.routing import RequestContext, Route

__all__ = [
    "conditional", "legacy_route", "network", "own_document", "pending",
    "unless_known", "write",
]  # fmt: skip

B = TypeVar("B", bound=Body)
V = TypeVar("V", bound=View)
C = TypeVar("C", bound=Command)
Make = Callable[[RequestContext, B], C | Awaitable[C]]
Tell = Callable[[RequestContext, C, CommandOutcome], Awaitable[Response]]


def legacy_route(
    method: str,
    path: str,
    operation_id: str,
    auth: Any,
    handle: Callable[[RequestContext], Awaitable[Response | web.StreamResponse]],
    **options: Any,
) -> Route[Any]:
    async def run(parts: Any, context: RequestContext) -> Response | web.StreamResponse:
        context.parts = parts
        return await handle(context)

    return Route(method, path, operation_id, auth, run, **options)


def write(
    body: type[B],
    make: Make[B, C],
    tell: Tell[C],
    read: Callable[[RequestContext], Awaitable[B]] | None = None,
) -> Callable[[RequestContext], Awaitable[Response]]:
    async def handle(context: RequestContext) -> Response:
        told = await (read_body(context, body) if read is None else read(context))
        made = make(context, told)
        command = await made if isinstance(made, Awaitable) else made
        outcome = await context.parts.commands.execute(context, command)
        return await tell(context, command, outcome)

    return handle


def network(context: RequestContext) -> str:
    address: str = context.parts.addresses.of(context.request)
    return address


async def own_document(context: RequestContext, ref: DocumentRef[V]) -> Document[V] | None:
    document: Document[V] | None = await context.parts.own.load(context, ref)
    return document
