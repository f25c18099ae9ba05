"""Execute commands for requests: send one, wait for its outcome, and honour Idempotency-Key."""

import asyncio
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from chassis.bus.commands import CommandSender
from chassis.bus.outcomes import OutcomeListener
from chassis.resilience.log_throttle import LogThrottle
from contracts.messages import Command, CommandOutcome, Metadata
from faststream_sqs import SQSError
from gateway.http.client_address import ClientAddresses
from gateway.http.command_responses import (
    RespondNow,
    key_reused,
    outcome_unknown,
    pending_response,
    raise_if_rejected,
)
from gateway.http.execution import CommandExecution, KeyedExecution
from gateway.http.ids import new_command_id
from gateway.http.keyed_requests import actor_of
from gateway.http.preferences import Preference, WaitTimes
from gateway.http.problems import unavailable
from gateway.http.redis_losses import RedisLosses
from gateway.http.refusals import passes
from gateway.http.routing import RequestContext
from gateway.http.sent_commands import SentCommands

SEND_SECONDS: Final = 5.0
"""Seconds to wait for the bus before 503; a repeated request under a key is executed once."""
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


@dataclass(slots=True)
class Commands:
    """Execute commands, each at most once per caller and Idempotency-Key."""

    sender: CommandSender
    sent: SentCommands
    listener: OutcomeListener
    addresses: ClientAddresses
    waits: WaitTimes

    @property
    def losses(self) -> RedisLosses:
        """When Redis may have lost outcomes."""
        return self.sent.losses

    async def execute(self, context: RequestContext, command: Command) -> CommandOutcome:
        """Execute the command of a request; return its outcome once it is accepted.

        The response that the handler returns afterwards is stored under the Idempotency-Key.

        Raises:
            CommandRejected: the service rejected it.
            Problem: 422 for a key that was used for another command; 503 when the bus or Redis
                does not respond or refuses.
            RespondNow: the key has a stored response, or the outcome is not known in time (202).
        """
        execution = context.execution
        if not isinstance(execution, CommandExecution):
            execution = CommandExecution(self.waits.preference(context.request))
            context.execution = execution
        keyed, wait = execution.keyed, execution.preference.wait
        request = self._request(context, wait, None if keyed is None else keyed.command_id)
        outcome = None if keyed is None else await _known(keyed, command, execution.preference)
        execution.replayed = outcome is not None
        if outcome is None:
            if keyed is not None:
                keyed.sent = True
            repeated = keyed is not None and keyed.repeated
            outcome = await self._send_and_wait(request, command, repeated=repeated)
        if outcome is None:
            response = pending_response(context, request.command_id)
            raise RespondNow(response.with_headers(execution.preference.headers))
        if keyed is not None:
            if not command.has_body_hash(outcome.body_hash):
                raise key_reused()
            keyed.refused = passes(outcome)
        execution.replayed |= outcome.repeated
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
        outcome = await self._send_and_wait(request, command)
        if outcome is not None:
            raise_if_rejected(outcome)
        return outcome

    async def send(self, context: RequestContext, command: Command) -> None:
        """Send a command without waiting for its outcome.

        Raises:
            Problem: 503; the command was not sent.
        """
        await self._send(self._request(context, 0.0), command)

    def _request(
        self, context: RequestContext, wait: float, command_id: str | None = None
    ) -> CommandRequest:
        return CommandRequest(
            command_id=command_id or new_command_id(),
            actor=actor_of(context, self.addresses),
            request_id=context.request_id,
            traceparent=context.traceparent,
            wait=wait,
            is_keyed=command_id is not None,
        )

    async def _send_and_wait(
        self, request: CommandRequest, command: Command, *, repeated: bool = False
    ) -> CommandOutcome | None:
        """Send a command; return its outcome if it is known in time."""
        with self.listener.expect(request.command_id) as announced:
            if request.wait <= 0:
                await self.sent.remember(request.command_id, request.actor)
            await self._send(request, command, repeated=repeated)
            return await self._wait(request, announced)

    async def _send(
        self, request: CommandRequest, command: Command, *, repeated: bool = False
    ) -> None:
        metadata = Metadata(
            command_id=request.command_id,
            correlation_id=request.request_id,
            actor=request.actor,
            traceparent=request.traceparent,
        )
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.sender.send(command, metadata, repeated=repeated)
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
                await self.sent.remember(request.command_id, request.actor)
            except RedisError as error:
                log.warning("outcome_unknown", command_id=request.command_id, because=str(error))
                raise outcome_unknown(is_keyed=request.is_keyed) from error
        return outcome


async def _known(
    keyed: KeyedExecution, command: Command, preference: Preference
) -> CommandOutcome | None:
    """Return the outcome that is known under a key, unless it is decided again.

    Raises:
        Problem: 422; what is stored belongs to another command.
        RespondNow: a response to this command is stored.
    """
    keyed.digest = command.body_hash
    if (stored := keyed.stored) is not None:
        if not command.has_body_hash(stored.digest):
            raise key_reused()
        raise RespondNow(stored.response.with_headers(preference.headers))
    if keyed.outcome is not None and passes(keyed.outcome):
        await keyed.forget_refusal()
    return keyed.outcome
