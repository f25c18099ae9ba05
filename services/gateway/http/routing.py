"""Describe routes, and carry one request from the network to its handler.

One trick makes reads fast, and cannot be guessed from a handler: **prefetching**. A route whose
`prefetch` names one of the caller's own documents has that document requested from Redis before its
handler runs, as soon as the token has shown who calls. Redis commands that are issued in the same
tick of the event loop leave in one write, so the document travels together with the rate limit's
debit, and a read waits for one round trip instead of two. `RequestContext.prefetched` holds the
reply's future; `OwnDocuments.load` awaits it. When the request ends without a read of it (the limit
was exceeded, for instance), `cancel_prefetch` discards the reply.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MethodType
from typing import Any, Final, Generic, Protocol, TypeVar

from aiohttp import hdrs, web

from chassis.views.read_models import PendingDocument
from cognito_jwt import Caller
from contracts.read_models import DocumentRef
from gateway.http.bodies import Body
from gateway.http.ids import child_traceparent
from gateway.http.responses import JSON_TYPE, Response
from token_bucket import Decision
from tracing.traceparent import trace_and_span_ids

F = TypeVar("F")

MAX_BODY_BYTES: Final = 65_536
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
"""Methods of requests that change nothing and have no body."""


@dataclass(slots=True)
class RequestInfo:
    """Collect what the middleware logs and counts about a request.

    The middleware creates it; authorization and rate limiting add what they find out.
    """

    id: str
    route: str | None = None
    """Path template of the route, if the request matched one of the table."""
    caller: Caller | None = None
    decision: Decision | None = None
    shows_pages: bool = False
    """Whether errors are to be HTML, for a person who has followed a link."""
    traceparent: str | None = None
    """W3C trace context of the request's own span, if it is traced."""

    @property
    def trace_id(self) -> str | None:
        return None if self.traceparent is None else trace_and_span_ids(self.traceparent)[0]


REQUEST_INFO: Final = web.RequestKey("request_info", RequestInfo)


class Auth(Enum):
    """Name the callers that a route admits, and the tokens that it takes."""

    PUBLIC = "public"
    OPTIONAL = "optional"
    """Anyone; a caller with a token is identified by it."""
    ID = "id"
    """A person's ID token, which carries the verified e-mail address."""
    ACCESS = "access"
    """A person's access token."""
    PERSON = "person"
    """A person's ID token or access token."""
    CALLER = "caller"
    """Any valid token, of a person or a program."""
    CLAIMANT = "claimant"
    """A person's ID token, or a program that acts for a person."""
    SERVICE = "service"
    """A program with the scope for writing users."""
    ADMIN = "admin"
    """An administrator's access token."""


class Execution(Protocol):
    """Complete the command that a request executed, once its handler has ended."""

    def hide_position(self) -> None:
        """Leave out where the command's events are in the log: the caller may not know."""
        ...

    async def complete(self, response: Response) -> Response:
        """Store the response for repetitions of the request; return it with its last headers."""
        ...

    async def release(self) -> None:
        """Release what is still held for the request; do nothing after `complete`."""
        ...


@dataclass(slots=True)
class RequestContext:
    """Carry one request through authorization to its handler."""

    request: web.Request
    route: "Route[Any]"
    info: RequestInfo
    body: bytes = b""
    """The request body; empty for safe methods."""
    prefetched: PendingDocument | None = None
    """Reply to the route's `prefetch`, if it was requested."""
    execution: Execution | None = None
    """Command that the handler executed, if it executed one."""

    @property
    def request_id(self) -> str:
        return self.info.id

    @property
    def is_head(self) -> bool:
        """Whether only the headers of the response are wanted: nothing may be started for it."""
        return self.request.method == hdrs.METH_HEAD

    @property
    def caller(self) -> Caller:
        """The authenticated caller.

        Raises:
            LookupError: the route admits anonymous callers, and this one is anonymous.
        """
        caller = self.info.caller
        if caller is None:
            raise LookupError(f"{self.route.operation_id} admits anonymous callers")
        return caller

    @property
    def known_caller(self) -> Caller | None:
        """The authenticated caller; None if the caller is anonymous."""
        return self.info.caller

    @property
    def traceparent(self) -> str:
        """W3C trace context for what the request causes; sampled if the request is."""
        return self.info.traceparent or child_traceparent(self.request.headers.get("traceparent"))

    def cancel_prefetch(self) -> None:
        """Discard the prefetched reply if the handler has not used it."""
        if self.prefetched is not None:
            self.prefetched.cancel()

    def caller_expired(self) -> bool:
        """Return whether the caller's token has expired since the request began."""
        return self.caller.expires_at <= time.time()


Handler = Callable[[RequestContext], Awaitable[Response | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route(Generic[F]):
    """Declare one operation of the API: path, admitted callers, and the handler.

    `F` is the feature class whose unbound method `handle` is; `bind` attaches a feature object.
    """

    method: str
    path: str
    operation_id: str
    auth: Auth
    handle: Callable[[F, RequestContext], Awaitable[Response | web.StreamResponse]]
    summary: str
    success: int = 200
    """Status of a successful response."""
    body: type[Body] | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    query: type[Body] | None = None
    limits: tuple[str, ...] = ()
    """Names of rate limits; counted per person, or per address if the caller is anonymous."""
    cost: int = 1
    """Tokens that a request takes from each of its limits."""
    ignores_query: bool = False
    """True for a link in mails, to which programs add parameters such as `utm_source`."""
    media: str = JSON_TYPE
    """Content type of a successful response."""
    direct: bool = False
    """True for a write that the gateway carries out itself: it sends no command, and never 202."""
    streams: bool = False
    """True if the response is an event stream."""
    prefetch: DocumentRef[Any] | None = None
    """Read model of the caller's own document, requested before the handler runs (see above).

    Such a route takes `X-Min-Position`.
    """
    positioned: bool = False
    """True for a read that takes `X-Min-Position` without a prefetched document."""
    conditional: bool = False
    """True if the response has an `ETag`, and 304 is sent to a caller that has the same."""
    waits: bool = False
    """True for a read that takes `Prefer: wait=n`."""
    guesses: bool = False
    """True if anonymous callers may be asked for a proof of work, since codes are guessed here."""
    pending: bool = False
    """True for a read that may respond 202 because its result is still being made."""
    response: Any = None
    """Model of a successful response's body, for the API description."""
    problems: tuple[int, ...] = ()
    """Error statuses besides those that every route of this kind may send."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """Body members, query parameters and path parameters of a valid request."""
    canonical_body: Callable[[RequestContext], Awaitable[bytes]] | None = None
    """Returns a body in the form that is the same for repetitions; default: by the model `body`."""
    alternatives: Mapping[str, str] = field(default_factory=dict)
    """Further content types of the body, with an example of each."""

    @property
    def body_example(self) -> dict[str, Any]:
        return {k: v for k, v in self.example.items() if f"{{{k}}}" not in self.path}

    @property
    def takes_min_position(self) -> bool:
        """Whether a response can wait until it shows a change of the caller."""
        return self.positioned or self.prefetch is not None

    @property
    def sends_command(self) -> bool:
        """Whether the route sends a command, so that it may respond 202."""
        return self.method in ("POST", "PUT", "DELETE") and not self.direct

    def bind(self, feature: F) -> Handler:
        """Return the handler as a method of `feature`."""
        return MethodType(self.handle, feature)


AnyRoute = Route[Any]


@dataclass(frozen=True, slots=True)
class BoundRoute:
    """Pair a route with the handler of an assembled feature."""

    route: AnyRoute
    handle: Handler


def bound(routes: Iterable[Route[F]], feature: F) -> Iterator[BoundRoute]:
    """Bind each of a feature's routes to the feature object."""
    return (BoundRoute(route, route.bind(feature)) for route in routes)
