"""What each route does: read a view, or make a command out of a request."""

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeVar

from aiohttp import hdrs
from multidict import istr
from pydantic import Field

from chassis.views.read_models import Document
from contracts.messages import (
    Command,
    CommandOutcome,
    EmailAddress,
    Identifier,
    Position,
    Rejection,
    View,
)
from contracts.referral_code import normalise
from contracts.referrals import OpenAccount
from gateway.edge.tracing import traceparent_of
from gateway.http.commands import Ask, Pending, rejection
from gateway.http.preferences import (
    X_MIN_POSITION,
    Preference,
    idempotency_key,
    minimum_position,
    preference,
)
from gateway.http.problems import Problem, malformed, not_found, unavailable
from gateway.http.requests import Body, Empty, read_body
from gateway.http.routing import Answer, RequestContext, accepted
from gateway.limits.address import client_address

ETAG = istr("ETag")
OWN_WRITE_SECONDS = 2.0
"""How long a read waits for the caller's own last write to be seen."""
LOOKS = 10
MEMBERS = "members"
CODES = "codes"

B = TypeVar("B", bound=Body)
C = TypeVar("C", bound=Command)

Make = Callable[[RequestContext, B], C | Awaitable[C]]
"""Makes the command of a request; it may have to look something up for it."""
Tell = Callable[[RequestContext, C, CommandOutcome], Awaitable[Answer]]
"""Tells of a command that was carried out."""


class NewUser(Body):
    sub: Identifier
    user: EmailAddress
    referral_code: Annotated[str, Field(max_length=64)] | None = None
    """The code that the person came by: redeemed as soon as the account is open."""


class Operation(View):
    """What became of a request that was answered with 202."""

    command_id: str
    command: str
    state: Literal["accepted", "rejected"]
    position: Position
    rejection: Rejection | None


def write(
    body: type[B],
    make: Make[B, C],
    tell: Tell[C],
    read: Callable[[RequestContext], Awaitable[B]] | None = None,
) -> Callable[[RequestContext], Awaitable[Answer]]:
    """An endpoint that sends one command and answers with its outcome.

    `read` is for bodies that are not only JSON.
    """

    async def handle(context: RequestContext) -> Answer:
        wish = preference_of(context)
        ask = ask_of(context, wish)
        told = await (read_body(context.request, body) if read is None else read(context))
        made = make(context, told)
        command = await made if isinstance(made, Awaitable) else made

        async def finish(outcome: CommandOutcome) -> Answer:
            if (problem := rejection(outcome)) is not None:
                return context.refused(problem)
            return at_position(await tell(context, command, outcome), outcome.position)

        result = await context.parts.operations.perform(ask, command, finish)
        if isinstance(result, Pending):
            result = pending(context, result.command_id)
        return result.with_headers({"Preference-Applied": wish.applied} if wish.applied else {})

    return handle


def preference_of(context: RequestContext) -> Preference:
    settings = context.parts.settings
    usual, most = settings.outcome_wait_seconds, settings.max_wait_seconds
    return preference(context.request, usual=usual, most=most)


def ask_of(context: RequestContext, wish: Preference) -> Ask:
    return Ask(
        actor=_actor(context),
        request_id=context.id,
        traceparent=traceparent_of(context.request),
        key=idempotency_key(context.request),
        wait=wish.wait,
    )


def _actor(context: RequestContext) -> str:
    if context.known_caller is not None:
        return context.known_caller.subject
    return f"address:{network(context)}"


def at_position(answer: Answer, position: Position) -> Answer:
    """With the place in the log that this answer stands for."""
    where = f"{position.stream}@{position.version}"
    return answer.with_headers({"X-Position": where})


def pending(context: RequestContext, command_id: str) -> Answer:
    if context.known_caller is None:  # who is not known cannot be let in at the operation
        return accepted(
            context,
            "This was accepted and is being carried out. Send it again to learn of its end.",
            location=context.request.path,
        )
    return accepted(
        context,
        "This was accepted and is being carried out.",
        location=_operation(command_id),
    )


def _operation(command_id: str) -> str:
    return f"/v1/operations/{command_id}"


# Members


def open_own_account(context: RequestContext, _body: Empty) -> OpenAccount:
    if context.caller.email is None:
        raise Problem(409, "email_not_verified", "Verify your e-mail address, then sign in again.")
    return OpenAccount(
        member_id=context.caller.subject, email=context.caller.email, network=network(context)
    )


async def create_user(context: RequestContext, body: NewUser) -> OpenAccount:
    if body.referral_code is None:
        return OpenAccount(member_id=body.sub, email=body.user)
    code = read_code(body.referral_code)
    stream = await context.parts.referrals.entry(CODES, code)
    if stream is None:
        raise Problem(409, "code_not_usable", "this referral code cannot be used")
    return OpenAccount(
        member_id=body.sub,
        email=body.user,
        referrer_id=stream.removeprefix("member-"),
        referral_code=code,
    )


def network(context: RequestContext) -> str:
    """The client's address; of IPv6 the /64 that it owns."""
    return client_address(context.request, context.parts.settings.trusted_proxy_hops)


def read_code(text: str) -> str:
    """A referral code as people type it, in its stored form.

    Raises:
        Problem: 400 for what cannot be a code, before anything is looked up.
    """
    try:
        return normalise(text)
    except ValueError as error:
        raise malformed(str(error), code="invalid_referral_code") from error


async def tell_own_entry(
    context: RequestContext, command: OpenAccount, outcome: CommandOutcome
) -> Answer:
    return await _new_entry(context, command, outcome, {"Location": "/v1/me"})


async def tell_entry(
    context: RequestContext, command: OpenAccount, outcome: CommandOutcome
) -> Answer:
    return await _new_entry(context, command, outcome, {})


async def _new_entry(
    context: RequestContext, command: OpenAccount, outcome: CommandOutcome, headers: dict[str, str]
) -> Answer:
    document = await context.parts.referrals.document(MEMBERS, command.stream)
    if document is None:  # the log has it; its view is not there yet
        return pending(context, outcome.command_id)
    return Answer(201, document.body, headers | {ETAG: _etag(document)})


async def get_me(context: RequestContext) -> Answer:
    document = await own_document(context, MEMBERS)
    if document is None:
        raise not_found("You have no account yet.", code="no_account")
    return conditional(context, document)


async def own_document(context: RequestContext, name: str) -> Document | None:
    """The caller's document, not older than the own last write if `X-Min-Position` names it.

    Raises:
        Problem: 400 for a position elsewhere; 503 if the document does not get there in time.
    """
    stream = f"member-{context.caller.subject}"
    asked = context.asked if name == context.route.own else None
    document = await context.parts.referrals.document(name, stream, asked)
    if X_MIN_POSITION not in context.request.headers:
        return document
    wanted = minimum_position(context.request, stream)
    if wanted <= _version(document):
        return document
    with context.parts.changes.of(stream) as changed:
        for _ in range(LOOKS):
            changed.clear()
            document = await context.parts.referrals.document(name, stream)
            if wanted <= _version(document):
                return document
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OWN_WRITE_SECONDS / LOOKS):
                    await changed.wait()
    raise unavailable("position_not_reached", "your last change is not to be seen yet")


def _version(document: Document | None) -> int:
    return 0 if document is None else document.version


def conditional(context: RequestContext, document: Document) -> Answer:
    """The stored bytes as they are, or 304 if the caller has them."""
    return unless_known(context, document.body, _etag(document))


def unless_known(context: RequestContext, body: bytes, etag: str) -> Answer:
    headers: dict[str, str] = {ETAG: etag, hdrs.CACHE_CONTROL: "private, no-cache"}
    known = context.request.headers.get(hdrs.IF_NONE_MATCH)
    if known is not None and _matches(known, etag):
        return Answer(304, b"", headers)
    return Answer(200, body, headers)


def _etag(document: Document) -> str:
    """Version and checksum: a rebuild may change a document without a new event."""
    return f'"{document.version}-{zlib.crc32(document.body):08x}"'


def _matches(known: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return etag.removeprefix("W/") in tags or "*" in tags


# Operations


async def get_operation(context: RequestContext) -> Answer:
    command_id = context.request.match_info["command_id"]
    outcome = await context.parts.operations.outcome(command_id, context.caller.subject)
    if isinstance(outcome, Pending):
        return pending(context, command_id)
    view = Operation(
        command_id=outcome.command_id,
        command=outcome.command,
        state=outcome.state,
        position=outcome.position,
        rejection=outcome.rejection,
    )
    body = view.model_dump_json().encode()
    return Answer(200, body, {"Cache-Control": "private, no-cache"})
