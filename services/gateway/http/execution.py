"""Hold an idempotency claim from the command to the response that is stored for it."""

import asyncio
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from contracts.messages import Position
from gateway.http.idempotency import Claim, StoredResponses
from gateway.http.preferences import Preference
from gateway.http.responses import Response

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CommandExecution:
    """Hold a request's idempotency claim until its response is stored."""

    responses: StoredResponses
    claim: Claim | None
    """None without an Idempotency-Key."""
    preference: Preference
    position: Position | None = None
    """Position of the accepted command in the log."""
    _renewal: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        if self.claim is not None:
            self._renewal = asyncio.create_task(self.responses.keep(self.claim))

    def hide_position(self) -> None:
        """Leave out `X-Position`: the stream belongs to another person."""
        self.position = None

    async def complete(self, response: Response) -> Response:
        """Add `X-Position`, store the response under the key, and add `Preference-Applied`."""
        if self.position is not None:
            position = f"{self.position.stream}@{self.position.version}"
            response = response.with_headers({"X-Position": position})
        await self._end(response)
        return response.with_headers(self.preference.headers)

    async def release(self) -> None:
        """End the claim without a response, so that a repetition is processed again."""
        await self._end(None)

    async def _end(self, response: Response | None) -> None:
        claim, self.claim = self.claim, None
        if self._renewal is not None:
            self._renewal.cancel()
        if claim is None:
            return
        try:
            await self.responses.end(claim, response)
        except RedisError as error:  # the command was executed; the claim lapses by itself
            log.warning("response_not_stored", command_id=claim.command_id, because=str(error))
