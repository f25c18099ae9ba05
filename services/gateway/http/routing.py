"""The gateway's own words for HTTP: a call, an answer, a route."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import orjson
from aiohttp import hdrs, web

from chassis.views.read_models import PendingDocument
from cognito_jwt import Caller
from gateway.http.problems import Problem
from gateway.http.responses import BODILESS, FastResponse
from token_bucket import Verdict
from tracing.traceparent import trace_and_span_ids

if TYPE_CHECKING:
    from gateway.dependencies import Parts
    from gateway.http.requests import Body

JSON_TYPE: Final = "application/json"
T = TypeVar("T")


@dataclass(slots=True)
class Passage:
    """What the edge knows of a request; the route's doorkeeper adds what it finds out."""

    id: str
    route: str | None = None
    """The template of its path, if it has come to a route of the table."""
    caller: Caller | None = None
    verdict: Verdict | None = None
    traceparent: str | None = None
    """W3C trace context of the request's own span, if it is traced."""

    @property
    def trace_id(self) -> str | None:
        return None if self.traceparent is None else trace_and_span_ids(self.traceparent)[0]


PASSAGE: Final = web.RequestKey("passage", Passage)


class Auth(Enum):
    """Whose call a route takes, and with which token."""

    PUBLIC = "public"
    OPTIONAL = "optional"
    """Open to all; a caller who shows a token is known by it."""
    ID = "id"
    """A person's ID token: it carries the verified address."""
    ACCESS = "access"
    """A person's access token."""
    PERSON = "person"
    """Either token of a person: what it shows is the person's own."""
    CALLER = "caller"
    """Any valid token: whoever was told of an operation may look what became of it."""
    CLAIMANT = "claimant"
    """A person's ID token, or a program that speaks for a person."""
    SERVICE = "service"
    ADMIN = "admin"


class Answer(NamedTuple):
    """A finished answer; it can be kept and given again."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    content_type: str = JSON_TYPE

    def with_headers(self, headers: Mapping[str, str]) -> "Answer":
        return self._replace(headers={**self.headers, **headers})

    def response(self) -> web.StreamResponse:
        if self.status in BODILESS:
            return web.Response(status=self.status, headers=self.headers)
        response = FastResponse(self.status, self.body, self.headers)
        response.headers[hdrs.CONTENT_TYPE] = self.content_type
        return response


@dataclass(slots=True)
class RequestContext:
    """One request on its way through the gateway."""

    request: web.Request
    parts: "Parts"
    route: "Route"
    passage: Passage
    asked: PendingDocument | None = None
    """The route's `own` document, if it has been asked for already."""

    @property
    def id(self) -> str:
        return self.passage.id

    @property
    def caller(self) -> Caller:
        caller = self.passage.caller
        if caller is None:
            raise LookupError(f"{self.route.operation_id} takes anonymous calls")
        return caller

    @property
    def known_caller(self) -> Caller | None:
        return self.passage.caller

    def forgo(self) -> None:
        """What was asked for and not read is not wanted any more."""
        if self.asked is not None:
            self.asked.cancel()

    def caller_expired(self) -> bool:
        return self.caller.expires_at <= time.time()

    def stream(self, headers: Mapping[str, str]) -> web.StreamResponse:
        """An answer that is written piece by piece; the edge has no hand on it any more."""
        told = {**headers, "X-Request-ID": self.id, "Server": "vouch"}
        response = web.StreamResponse(headers=told)
        self.parts.cors.dress(self.request, response)
        return response

    def refused(self, problem: Problem) -> Answer:
        return refusal(problem, self.id)


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table: what is served where, and to whom."""

    method: str
    path: str
    operation_id: str
    auth: Auth
    handle: Callable[[RequestContext], Awaitable[Answer | web.StreamResponse]]
    summary: str
    success: int = 200
    body: "type[Body] | None" = None
    query: "type[Body] | None" = None
    limits: tuple[str, ...] = ()
    """Names in the table of limits; buckets of the person, or of the address if it is unknown."""
    cost: int = 1
    """Tokens that a request takes from each of them."""
    media: str = JSON_TYPE
    """The type of a successful answer."""
    direct: bool = False
    """A write that the gateway carries out by itself: no command, and never a 202."""
    streams: bool = False
    """Whether the answer is an event stream."""
    own: str | None = None
    """The caller's own document that it reads: asked for in the same write as the limits.

    Such a read takes `X-Min-Position`.
    """
    conditional: bool = False
    """Whether it has an `ETag`, and answers 304 to whoever has the same."""
    waits: bool = False
    """A read that takes `Prefer: wait=n`."""
    later: bool = False
    """A read that may be answered with 202: not there yet."""
    answer: Any = None
    """The type of a successful answer's body, for the description of the API."""
    problems: tuple[int, ...] = ()
    """Refusals beyond those that every route of this kind may answer."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """A body, or query and path parameters, that are understood."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Further types that a body may have, with an example of each."""

    @property
    def body_example(self) -> dict[str, Any]:
        return {k: v for k, v in self.example.items() if f"{{{k}}}" not in self.path}


def refusal(problem: Problem, request_id: str) -> Answer:
    return Answer(
        problem.status, problem.body(request_id), problem.headers, "application/problem+json"
    )


def accepted(
    context: RequestContext, detail: str, *, code: str = "accepted", location: str, **members: Any
) -> Answer:
    """202: on its way; where to look and when."""
    body = {"status_code": 202, "detail": detail, "code": code, "request_id": context.id, **members}
    return Answer(202, orjson.dumps(body), {"Location": location, "Retry-After": "1"})
