"""Recognise a repeated request by its Idempotency-Key before it is charged or processed."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from chassis.bus.outcomes import Outcomes
from gateway.http.client_address import ClientAddresses
from gateway.http.command_responses import key_in_use, key_reused
from gateway.http.execution import CommandExecution, KeyedExecution
from gateway.http.idempotency import (
    Claim,
    KeyInUse,
    KeyReused,
    StoredResponse,
    StoredResponses,
)
from gateway.http.ids import keyed_command_id
from gateway.http.json_body import parse_json
from gateway.http.preferences import WaitTimes, idempotency_key
from gateway.http.problems import Problem
from gateway.http.refusals import passes
from gateway.http.requests import check
from gateway.http.responses import Response
from gateway.http.routing import RequestContext


@dataclass(frozen=True, slots=True)
class Repetition:
    """Represent a request whose key has been used before."""

    answer: Response | Problem | None
    """What it is answered with; None if its handler has to look."""


@dataclass(frozen=True, slots=True)
class KeyedRequests:
    """Claim the keys of requests, and find what is stored under them."""

    responses: StoredResponses
    outcomes: Outcomes
    addresses: ClientAddresses
    waits: WaitTimes

    async def begin(self, context: RequestContext) -> Repetition | None:
        """Claim the key of a request, and set its execution; None if it is no repetition.

        A request whose body is malformed is left as it is. One round trip.

        Raises:
            Problem: 400 for a malformed key.
            RedisError: Redis is unavailable.
        """
        key = idempotency_key(context.request)
        if key is None:
            return None
        requested = await fingerprint_of(context)
        if requested is None:
            return None
        command_id = keyed_command_id(actor_of(context, self.addresses), key)
        return await self._begin(context, command_id, requested)

    async def _begin(
        self, context: RequestContext, command_id: str, requested: str
    ) -> Repetition | None:
        begun, outcome = await asyncio.gather(
            self.responses.begin(command_id, requested),
            self.outcomes.find(command_id),
            return_exceptions=True,
        )
        preference = self.waits.preference(context.request)
        keyed = KeyedExecution(self.responses, self.outcomes, command_id)
        match begun:
            case Claim():
                keyed = KeyedExecution(self.responses, self.outcomes, command_id, begun)
            case StoredResponse(response=response, fits_request=True):
                return Repetition(response.with_headers(preference.headers))
            case StoredResponse():
                keyed.stored = begun
            case KeyInUse():
                return Repetition(key_in_use())
            case KeyReused():
                return Repetition(key_reused())
            case BaseException():
                raise begun
        context.execution = CommandExecution(preference, keyed)  # from here on it is released
        if isinstance(outcome, BaseException):
            raise outcome
        keyed.outcome = outcome
        if outcome is not None and passes(outcome):
            return None  # it is decided again, and charged again
        return Repetition(None) if keyed.repeated or outcome is not None else None


def actor_of(context: RequestContext, addresses: ClientAddresses) -> str:
    """Return who sends a command: a subject, or the network address of an anonymous caller."""
    caller = context.known_caller
    return f"address:{addresses.of(context.request)}" if caller is None else caller.subject


async def fingerprint_of(context: RequestContext) -> str | None:
    """Return a digest of what the client requests: route, path and body; None if it is malformed.

    Spellings of one body (the order of its members, white space, a default that is left out) have
    one fingerprint. What the server adds to a request does not count.
    """
    try:
        body = await _canonical_body(context)
    except Problem:  # the handler reports what is wrong
        return None
    return fingerprint(context.route.operation_id, context.request.match_info, body)


def fingerprint(operation_id: str, path: Mapping[str, str], body: bytes) -> str:
    """Return a digest of a route, the parameters in its path, and a body in canonical form."""
    head = orjson.dumps([operation_id, sorted(path.items())])
    return hashlib.sha256(head + b"\n" + body).hexdigest()[:32]


async def _canonical_body(context: RequestContext) -> bytes:
    route = context.route
    if route.canonical_body is not None:
        return await route.canonical_body(context)
    if route.body is None:  # the body is ignored
        return b""
    value = parse_json(context.body) if context.body else {}
    body = check(route.body, value).model_dump(mode="json", exclude_defaults=True)
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
