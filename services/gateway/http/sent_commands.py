"""Remember sent commands, so that their senders can look for the outcomes later."""

from dataclasses import dataclass
from typing import Any, Final

from chassis.bus.outcomes import Outcomes
from contracts.messages import CommandOutcome
from gateway.http.command_responses import outcome_lost
from gateway.http.problems import not_found
from gateway.http.redis_losses import RedisLosses

PENDING_SECONDS: Final = 3600
"""Seconds for which an operation without an outcome is pending; then its outcome is unknown."""
REMEMBERED_SECONDS: Final = 24 * 3600
"""Seconds for which an operation is known."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Represent a command that was sent and has no known outcome yet."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Represent a command that was sent, and whose outcome did not come in time."""


@dataclass(frozen=True, slots=True)
class SentCommands:
    """Find the outcomes of commands for the callers that sent them."""

    outcomes: Outcomes
    redis: Any
    losses: RedisLosses

    async def remember(self, command_id: str, actor: str) -> None:
        """Remember that an actor sent a command whose outcome is not known yet."""
        await self.redis.set(_key(command_id), actor, ex=REMEMBERED_SECONDS)

    async def outcome(self, command_id: str, actor: str) -> CommandOutcome | Pending | Unknown:
        """Return the outcome of a command that this actor sent.

        Raises:
            Problem: 404 if there is no such command, or another actor sent it; 503 if Redis may
                have lost its outcome.
        """
        outcome = await self.outcomes.find(command_id)
        if outcome is not None and outcome.actor == actor:
            return outcome
        if outcome is None and await self.redis.get(_key(command_id)) == actor.encode():
            return await self._without_outcome(command_id)
        if outcome is None and await self.losses.is_recent():
            raise outcome_lost()
        raise not_found("There is no such operation.")

    async def _without_outcome(self, command_id: str) -> Pending | Unknown:
        """Return whether the outcome of an operation can still be waited for."""
        age = REMEMBERED_SECONDS - await self.redis.ttl(_key(command_id))
        if self.losses.happened_after(age):
            raise outcome_lost()
        return Pending() if age < PENDING_SECONDS else Unknown()


def _key(command_id: str) -> str:
    return f"operation:{command_id}"
