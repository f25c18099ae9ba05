"""What each route does: read a view, or make a command out of a request."""

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeVar

from aiohttp import hdrs
from multidict import istr
from pydantic import Field

from chassis.read_models import Document
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
from gateway.errors import Problem, malformed, not_found, unavailable
from gateway.http import Answer, Call, accepted
from gateway.limits.address import client_address
from gateway.operations import Ask, Pending, rejection
from gateway.parsing import Body, Empty, read_body
from gateway.preferences import (
    X_MIN_POSITION,
    Preference,
    idempotency_key,
    minimum_position,
    preference,
)
from gateway.tracing import traceparent_of

ETAG = istr("ETag")
OWN_WRITE_SECONDS = 2.0
"""How long a read waits for the caller's own last write to be seen."""
LOOKS = 10
MEMBERS = "members"
CODES = "codes"

B = TypeVar("B", bound=Body)
C = TypeVar("C", bound=Command)

Make = Callable[[Call, B], C | Awaitable[C]]
"""Makes the command of a request; it may have to look something up for it."""
Tell = Callable[[Call, C, CommandOutcome], Awaitable[Answer]]
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
    read: Callable[[Call], Awaitable[B]] | None = None,
) -> Callable[[Call], Awaitable[Answer]]:
    """An endpoint that sends one command and answers with its outcome.

    `read` is for bodies that are not only JSON.
    """

    async def handle(call: Call) -> Answer:
        wish = preference_of(call)
        ask = ask_of(call, wish)
        told = await (read_body(call.request, body) if read is None else read(call))
        made = make(call, told)
        command = await made if isinstance(made, Awaitable) else made

        async def finish(outcome: CommandOutcome) -> Answer:
            if (problem := rejection(outcome)) is not None:
                return call.refused(problem)
            return at_position(await tell(call, command, outcome), outcome.position)

        result = await call.parts.operations.perform(ask, command, finish)
        if isinstance(result, Pending):
            result = pending(call, result.command_id)
        return result.with_headers({"Preference-Applied": wish.applied} if wish.applied else {})

    return handle


def preference_of(call: Call) -> Preference:
    settings = call.parts.settings
    usual, most = settings.outcome_wait_seconds, settings.max_wait_seconds
    return preference(call.request, usual=usual, most=most)


def ask_of(call: Call, wish: Preference) -> Ask:
    return Ask(
        actor=_actor(call),
        request_id=call.id,
        traceparent=traceparent_of(call.request),
        key=idempotency_key(call.request),
        wait=wish.wait,
    )


def _actor(call: Call) -> str:
    if call.known_caller is not None:
        return call.known_caller.subject
    return f"address:{network(call)}"


def at_position(answer: Answer, position: Position) -> Answer:
    """With the place in the log that this answer stands for."""
    where = f"{position.stream}@{position.version}"
    return answer.with_headers({"X-Position": where})


def pending(call: Call, command_id: str) -> Answer:
    if call.known_caller is None:  # who is not known cannot be let in at the operation
        return accepted(
            call,
            "This was accepted and is being carried out. Send it again to learn of its end.",
            location=call.request.path,
        )
    return accepted(
        call,
        "This was accepted and is being carried out.",
        location=_operation(command_id),
    )


def _operation(command_id: str) -> str:
    return f"/v1/operations/{command_id}"


# Members


def open_own_account(call: Call, _body: Empty) -> OpenAccount:
    if call.caller.email is None:
        raise Problem(409, "email_not_verified", "Verify your e-mail address, then sign in again.")
    return OpenAccount(
        member_id=call.caller.subject, email=call.caller.email, network=network(call)
    )


async def create_user(call: Call, body: NewUser) -> OpenAccount:
    if body.referral_code is None:
        return OpenAccount(member_id=body.sub, email=body.user)
    code = read_code(body.referral_code)
    stream = await call.parts.referrals.entry(CODES, code)
    if stream is None:
        raise Problem(409, "code_not_usable", "this referral code cannot be used")
    return OpenAccount(
        member_id=body.sub,
        email=body.user,
        referrer_id=stream.removeprefix("member-"),
        referral_code=code,
    )


def network(call: Call) -> str:
    """The client's address; of IPv6 the /64 that it owns."""
    return client_address(call.request, call.parts.settings.trusted_proxy_hops)


def read_code(text: str) -> str:
    """A referral code as people type it, in its stored form.

    Raises:
        Problem: 400 for what cannot be a code, before anything is looked up.
    """
    try:
        return normalise(text)
    except ValueError as error:
        raise malformed(str(error), code="invalid_referral_code") from error


async def tell_own_entry(call: Call, command: OpenAccount, outcome: CommandOutcome) -> Answer:
    return await _new_entry(call, command, outcome, {"Location": "/v1/me"})


async def tell_entry(call: Call, command: OpenAccount, outcome: CommandOutcome) -> Answer:
    return await _new_entry(call, command, outcome, {})


async def _new_entry(
    call: Call, command: OpenAccount, outcome: CommandOutcome, headers: dict[str, str]
) -> Answer:
    document = await call.parts.referrals.document(MEMBERS, command.stream)
    if document is None:  # the log has it; its view is not there yet
        return pending(call, outcome.command_id)
    return Answer(201, document.body, headers | {ETAG: _etag(document)})


async def get_me(call: Call) -> Answer:
    document = await own_document(call, MEMBERS)
    if document is None:
        raise not_found("You have no account yet.", code="no_account")
    return conditional(call, document)


async def own_document(call: Call, name: str) -> Document | None:
    """The caller's document, not older than the own last write if `X-Min-Position` names it.

    Raises:
        Problem: 400 for a position elsewhere; 503 if the document does not get there in time.
    """
    stream = f"member-{call.caller.subject}"
    asked = call.asked if name == call.route.own else None
    document = await call.parts.referrals.document(name, stream, asked)
    if X_MIN_POSITION not in call.request.headers:
        return document
    wanted = minimum_position(call.request, stream)
    if wanted <= _version(document):
        return document
    with call.parts.changes.of(stream) as changed:
        for _ in range(LOOKS):
            changed.clear()
            document = await call.parts.referrals.document(name, stream)
            if wanted <= _version(document):
                return document
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OWN_WRITE_SECONDS / LOOKS):
                    await changed.wait()
    raise unavailable("position_not_reached", "your last change is not to be seen yet")


def _version(document: Document | None) -> int:
    return 0 if document is None else document.version


def conditional(call: Call, document: Document) -> Answer:
    """The stored bytes as they are, or 304 if the caller has them."""
    return unless_known(call, document.body, _etag(document))


def unless_known(call: Call, body: bytes, etag: str) -> Answer:
    headers: dict[str, str] = {ETAG: etag, hdrs.CACHE_CONTROL: "private, no-cache"}
    known = call.request.headers.get(hdrs.IF_NONE_MATCH)
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


async def get_operation(call: Call) -> Answer:
    command_id = call.request.match_info["command_id"]
    outcome = await call.parts.operations.outcome(command_id, call.caller.subject)
    if isinstance(outcome, Pending):
        return pending(call, command_id)
    view = Operation(
        command_id=outcome.command_id,
        command=outcome.command,
        state=outcome.state,
        position=outcome.position,
        rejection=outcome.rejection,
    )
    body = view.model_dump_json().encode()
    return Answer(200, body, {"Cache-Control": "private, no-cache"})
