"""Hold an idempotency claim from the admission of a request to the response stored for it."""

import asyncio
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from chassis.bus.outcomes import Outcomes
from contracts.messages import CommandOutcome, Position
from gateway.http.idempotency import Claim, StoredResponse, StoredResponses
from gateway.http.preferences import Preference
from gateway.http.responses import X_POSITION, Response

REPLAYED = {"Idempotency-Replayed": "true"}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class KeyedExecution:
    """Hold what is known under the Idempotency-Key of a request, and the claim to it."""

    responses: StoredResponses
    outcomes: Outcomes
    command_id: str
    """The id of the command that the key names."""
    claim: Claim | None = None
    """None if a response is stored, or once the claim has been released."""
    outcome: CommandOutcome | None = None
    """Outcome of an earlier execution whose response was not stored."""
    stored: StoredResponse | None = None
    """A response that may belong to another request: the digest of the command decides."""
    digest: str = ""
    """Digest of the command, once it is known."""
    sent: bool = False
    """Whether the command may have been sent."""
    refused: bool = False
    """Whether the command was refused for now only."""
    _renewal: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        if self.claim is not None:
            self._renewal = asyncio.create_task(self.responses.keep(self.claim))

    @property
    def repeated(self) -> bool:
        """Whether the command may have been sent before."""
        return self.claim is None or self.claim.repeated

    async def forget_refusal(self) -> None:
        """Delete a refusal that may have been lifted, so that the command is decided again."""
        await self.outcomes.forget(self.command_id)
        self.outcome = None

    async def end(self, response: Response | None) -> None:
        """Release the claim; store the response if it is final."""
        claim, self.claim = self.claim, None
        if self._renewal is not None:
            self._renewal.cancel()
        if claim is None:
            return
        try:
            await self._release(claim, response)
        except RedisError as error:  # the command was executed; the claim lapses by itself
            log.warning("response_not_stored", command_id=claim.command_id, because=str(error))

    async def _release(self, claim: Claim, response: Response | None) -> None:
        if self.refused:
            await self.forget_refusal()
            await self.responses.release_refused(claim)
        elif response is not None and response.is_final:
            await self.responses.store(claim, self.digest, response)
        else:
            await self.responses.release(claim, sent=self.sent)


@dataclass(slots=True)
class CommandExecution:
    """Complete the response to a request that executes a command."""

    preference: Preference
    keyed: KeyedExecution | None = None
    """None without an Idempotency-Key."""
    position: Position | None = None
    """Position of the accepted command in the log."""
    replayed: bool = False
    """The command had been executed for an earlier request."""

    def hide_position(self) -> None:
        """Leave out `X-Position`: the stream belongs to another person."""
        self.position = None

    async def complete(self, response: Response) -> Response:
        """Add `X-Position`, store the response under the key, and add what this request asked."""
        if self.position is not None:
            position = f"{self.position.stream}@{self.position.version}"
            response = response.with_headers({X_POSITION: position})
        if self.keyed is not None:
            await self.keyed.end(response)
        replayed = REPLAYED if self.replayed else {}
        return response.with_headers(replayed | self.preference.headers)

    async def release(self) -> None:
        """End the claim without a response, so that a repetition is processed again."""
        if self.keyed is not None:
            await self.keyed.end(None)
