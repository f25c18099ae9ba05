"""Execute commands for requests: send one, wait for its outcome, and honour Idempotency-Key."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from chassis.bus.commands import CommandSender
from chassis.bus.outcomes import OutcomeListener, Outcomes
from chassis.resilience.log_throttle import LogThrottle
from contracts.messages import Command, CommandOutcome, Metadata
from faststream_sqs import SQSError
from gateway.http.client_address import ClientAddresses
from gateway.http.command_responses import (
    RespondNow,
    key_in_use,
    key_reused,
    outcome_lost,
    outcome_unknown,
    pending_response,
    raise_if_rejected,
)
from gateway.http.execution import CommandExecution
from gateway.http.idempotency import Claim, KeyInUse, KeyReused, StoredResponses
from gateway.http.ids import keyed_command_id, new_command_id
from gateway.http.preferences import Preference, WaitTimes, idempotency_key
from gateway.http.problems import not_found, unavailable
from gateway.http.redis_losses import RedisLosses
from gateway.http.responses import Response
from gateway.http.routing import RequestContext

SEND_SECONDS: Final = 5.0
"""Seconds to wait for the bus before 503; a repeated request under a key is executed once."""
PENDING_SECONDS: Final = 24 * 3600
_BUS_ERRORS: Final = (
    BotoCoreError,
    ClientError,
    SQSError,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
)
_NOT_SENT: Final = LogThrottle()

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """Describe who requests a command, and how long the caller waits for its outcome."""

    command_id: str
    actor: str
    request_id: str
    traceparent: str
    wait: float
    """Seconds; 0 to respond at once."""
    is_keyed: bool = False
    """The id follows from an Idempotency-Key, so that a repetition has the same one."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Represent a command that was sent and has no known outcome yet."""

    command_id: str


@dataclass(slots=True)
class Commands:
    """Execute commands, each at most once per caller and Idempotency-Key."""

    sender: CommandSender
    outcomes: Outcomes
    listener: OutcomeListener
    responses: StoredResponses
    redis: Any
    losses: RedisLosses
    addresses: ClientAddresses
    waits: WaitTimes

    async def execute(self, context: RequestContext, command: Command) -> CommandOutcome:
        """Execute the command of a request; return its outcome once it is accepted.

        The response that the handler returns afterwards is stored under the Idempotency-Key.

        Raises:
            CommandRejected: the service rejected it.
            Problem: 400 for a malformed key; 409 or 422 for a key that is in use or was used for
                other content; 503 when the bus or Redis does not respond or refuses.
            RespondNow: the key has a stored response, or the outcome is not known in time (202).
        """
        preference = self.waits.preference(context.request)
        key = idempotency_key(context.request)
        request = self._request(context, preference.wait, key)
        claim, outcome = None, None
        if key is not None:
            claim, outcome = await self._claim(request, command, preference)
        context.execution = execution = CommandExecution(self.responses, claim, preference)
        if isinstance(outcome, BaseException):
            raise outcome
        digest = None if claim is None else claim.digest
        if outcome is None:
            repeated = claim is not None and claim.repeated
            digest, outcome = await self._send_and_wait(request, command, repeated=repeated)
        if outcome is None:
            response = pending_response(context, request.command_id)
            raise RespondNow(response.with_headers(preference.headers))
        if outcome.body_hash != digest:
            raise key_reused()
        raise_if_rejected(outcome)
        execution.position = outcome.position
        return outcome

    async def request(self, context: RequestContext, command: Command) -> CommandOutcome | None:
        """Send a command on behalf of a read; return its outcome, or None if it takes too long.

        Raises:
            CommandRejected: the service rejected it.
            Problem: 503 when the bus does not respond.
        """
        request = self._request(context, self.waits.default)
        _, outcome = await self._send_and_wait(request, command)
        if outcome is not None:
            raise_if_rejected(outcome)
        return outcome

    async def send(self, context: RequestContext, command: Command) -> None:
        """Send a command without waiting for its outcome.

        Raises:
            Problem: 503; the command was not sent.
        """
        await self._send(self._request(context, 0.0), command)

    async def outcome(self, command_id: str, actor: str) -> CommandOutcome | Pending:
        """Return the outcome of a command that this actor sent.

        Raises:
            Problem: 404 if there is no such command, or another actor sent it; 503 if Redis may
                have lost its outcome.
        """
        outcome = await self.outcomes.find(command_id)
        if outcome is not None and outcome.actor == actor:
            return outcome
        if outcome is None and await self.redis.get(_pending_key(command_id)) == actor.encode():
            if await self.losses.happened_since(_pending_key(command_id), PENDING_SECONDS):
                raise outcome_lost()
            return Pending(command_id)
        if outcome is None and await self.losses.is_recent():
            raise outcome_lost()
        raise not_found("There is no such operation.")

    def _request(
        self, context: RequestContext, wait: float, key: str | None = None
    ) -> CommandRequest:
        caller = context.known_caller
        actor = (
            f"address:{self.addresses.of(context.request)}" if caller is None else caller.subject
        )
        return CommandRequest(
            command_id=new_command_id() if key is None else keyed_command_id(actor, key),
            actor=actor,
            request_id=context.request_id,
            traceparent=context.traceparent,
            wait=wait,
            is_keyed=key is not None,
        )

    async def _claim(
        self, request: CommandRequest, command: Command, preference: Preference
    ) -> tuple[Claim, CommandOutcome | BaseException | None]:
        """Claim the key, and look for an outcome whose response was not stored: one round trip.

        An error of the look is returned, so that the claim can be released.
        """
        begun, outcome = await asyncio.gather(
            self.responses.begin(request.command_id, command.body_hash),
            self.outcomes.find(request.command_id),
            return_exceptions=True,
        )
        match begun:
            case Claim():
                return begun, outcome
            case Response():
                raise RespondNow(begun.with_headers(preference.headers))
            case KeyReused():
                raise key_reused() from begun
            case KeyInUse():
                raise key_in_use() from begun
            case BaseException():
                raise begun

    async def _send_and_wait(
        self, request: CommandRequest, command: Command, *, repeated: bool = False
    ) -> tuple[str, CommandOutcome | None]:
        """Return the digest of the sent command, and its outcome if it is known in time."""
        with self.listener.expect(request.command_id) as announced:
            if request.wait <= 0:
                await self._remember(request)
            digest = await self._send(request, command, repeated=repeated)
            return digest, await self._wait(request, announced)

    async def _send(
        self, request: CommandRequest, command: Command, *, repeated: bool = False
    ) -> str:
        metadata = Metadata(
            command_id=request.command_id,
            correlation_id=request.request_id,
            actor=request.actor,
            traceparent=request.traceparent,
        )
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self.sender.send(command, metadata, repeated=repeated)
        except _BUS_ERRORS as error:
            if times := _NOT_SENT.count_if_due():
                because = f"{type(error).__name__}: {error}"
                log.warning("command_not_sent", command=command.type, because=because, times=times)
            detail = "Your request cannot be processed right now. Try again shortly."
            raise unavailable("bus_unavailable", detail) from error

    async def _wait(
        self, request: CommandRequest, announced: asyncio.Future[CommandOutcome]
    ) -> CommandOutcome | None:
        """Return None if the outcome is not known in time: the command will be executed.

        Raises:
            Problem: 503 if Redis does not store where to look for the outcome.
        """
        outcome = await self.listener.wait(request.command_id, announced, request.wait)
        if outcome is None and request.wait > 0:
            try:
                await self._remember(request)
            except RedisError as error:
                log.warning("outcome_unknown", command_id=request.command_id, because=str(error))
                raise outcome_unknown(is_keyed=request.is_keyed) from error
        return outcome

    async def _remember(self, request: CommandRequest) -> None:
        await self.redis.set(_pending_key(request.command_id), request.actor, ex=PENDING_SECONDS)


def _pending_key(command_id: str) -> str:
    return f"operation:{command_id}"
