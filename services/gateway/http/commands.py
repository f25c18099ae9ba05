"""Writes: a command goes out, its outcome comes back, and HTTP hears of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from chassis.bus.commands import CommandSender
from chassis.bus.outcomes import OutcomeListener, Outcomes
from contracts.messages import Command, CommandOutcome, Metadata, RejectionKind
from faststream_sqs import SQSError
from gateway.http.idempotency import Answers, Claim, KeyInUse, KeyReused
from gateway.http.ids import keyed_command_id, new_command_id
from gateway.http.problems import Problem, not_found, unavailable
from gateway.http.routing import Answer

SEND_SECONDS: Final = 5.0
"""Whoever is told 503 after that may repeat the request: under a key it is carried out once."""
PENDING_SECONDS: Final = 24 * 3600
STATUS: Final[dict[RejectionKind, int]] = {
    "invalid": 422,
    "not_found": 404,
    "conflict": 409,
    "gone": 410,
    "not_implemented": 501,
}

log = structlog.get_logger(__name__)

Finish = Callable[[CommandOutcome], Awaitable[Answer]]
"""Turns an outcome into the final answer."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A caller's wish to have a command carried out."""

    actor: str
    request_id: str
    traceparent: str
    key: str | None
    """The Idempotency-Key."""
    wait: float
    """Seconds."""

    def command_id(self) -> str:
        return new_command_id() if self.key is None else keyed_command_id(self.actor, self.key)


@dataclass(frozen=True, slots=True)
class Pending:
    """Sent, and not known to be carried out yet."""

    command_id: str


@dataclass(slots=True)
class Operations:
    """Carries out commands, each at most once per caller and Idempotency-Key."""

    sender: CommandSender
    outcomes: Outcomes
    listener: OutcomeListener
    answers: Answers
    redis: Any

    async def perform(self, ask: Ask, command: Command, finish: Finish) -> Answer | Pending:
        """The final answer, or `Pending` when the time to wait is over.

        Raises:
            Problem: 409 or 422 for a key that is in use or was used for something else; 503 when
                the bus or Redis does not answer.
        """
        command_id = ask.command_id()
        if ask.key is None:
            return await self._first(command_id, ask, command, finish)
        # two questions, one round trip
        begun, standing = await asyncio.gather(
            self._begin(command_id, command), self.outcomes.get(command_id)
        )
        if isinstance(begun, Answer):
            return begun
        return await self._claimed(begun, standing, ask, command, finish)

    async def post(self, ask: Ask, command: Command) -> None:
        """Send a command that nobody waits for.

        Raises:
            Problem: 503; it is not on its way.
        """
        await self._send(ask.command_id(), ask, command)

    async def outcome(self, command_id: str, actor: str) -> CommandOutcome | Pending:
        """What became of a command that this actor sent.

        Raises:
            Problem: 404 if there is no such command, or it is somebody else's.
        """
        outcome = await self.outcomes.get(command_id)
        if outcome is not None and outcome.actor == actor:
            return outcome
        if outcome is None and await self.redis.get(_pending_key(command_id)) == actor.encode():
            return Pending(command_id)
        raise not_found("there is no such operation")

    async def _begin(self, command_id: str, command: Command) -> Answer | Claim:
        try:
            return await self.answers.begin(command_id, command.body_hash)
        except KeyReused as error:
            raise _key_reused() from error
        except KeyInUse as error:
            raise Problem(
                409,
                "idempotency_key_in_use",
                "a request with this Idempotency-Key is being carried out at this moment",
                {"Retry-After": "1"},
            ) from error

    async def _claimed(
        self,
        claim: Claim,
        standing: CommandOutcome | None,
        ask: Ask,
        command: Command,
        finish: Finish,
    ) -> Answer | Pending:
        answer: Answer | Pending | None = None
        try:
            async with self.answers.kept(claim):
                if standing is not None:
                    answer = await self._final(standing, claim.digest, finish)
                else:
                    answer = await self._first(claim.command_id, ask, command, finish)
            return answer
        finally:
            await self._end(claim, answer if isinstance(answer, Answer) else None)

    async def _end(self, claim: Claim, answer: Answer | None) -> None:
        try:
            await self.answers.end(claim, answer)
        except RedisError as error:  # the command is carried out; the claim lapses by itself
            log.warning("answer_not_kept", command_id=claim.command_id, because=str(error))

    async def _first(
        self, command_id: str, ask: Ask, command: Command, finish: Finish
    ) -> Answer | Pending:
        with self.listener.expect(command_id) as announced:
            if ask.wait <= 0:
                await self._remember(command_id, ask.actor)
            digest = await self._send(command_id, ask, command)
            outcome = await self._outcome(command_id, announced, ask)
        if outcome is None:
            return Pending(command_id)
        return await self._final(outcome, digest, finish)

    async def _send(self, command_id: str, ask: Ask, command: Command) -> str:
        metadata = Metadata(
            command_id=command_id,
            correlation_id=ask.request_id,
            actor=ask.actor,
            traceparent=ask.traceparent,
        )
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self.sender.send(command, metadata)
        except (BotoCoreError, ClientError, SQSError, OSError, TimeoutError) as error:
            log.warning("command_not_sent", command=command.type, because=str(error))
            detail = "this cannot be passed on at the moment"
            raise unavailable("bus_unavailable", detail) from error

    async def _outcome(
        self, command_id: str, announced: asyncio.Future[CommandOutcome], ask: Ask
    ) -> CommandOutcome | None:
        """None when it is not known in time: the command has been sent and will be carried out."""
        try:
            outcome = await self.listener.wait(command_id, announced, ask.wait)
            if outcome is None and ask.wait > 0:
                await self._remember(command_id, ask.actor)
        except RedisError as error:
            log.warning("outcome_not_known", command_id=command_id, because=str(error))
            return None
        return outcome

    async def _remember(self, command_id: str, actor: str) -> None:
        await self.redis.set(_pending_key(command_id), actor, ex=PENDING_SECONDS)

    async def _final(self, outcome: CommandOutcome, digest: str, finish: Finish) -> Answer:
        if outcome.body_hash != digest:
            raise _key_reused()
        return await finish(outcome)


def rejection(outcome: CommandOutcome) -> Problem | None:
    """The refusal in an outcome, if it is one."""
    if (refused := outcome.rejection) is None:
        return None
    return Problem(STATUS[refused.kind], refused.code, refused.detail)


def _key_reused() -> Problem:
    return Problem(
        422,
        "idempotency_key_reused",
        "this Idempotency-Key was used for a request that asked for something else",
    )


def _pending_key(command_id: str) -> str:
    return f"operation:{command_id}"
