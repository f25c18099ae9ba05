"""What became of a command: kept under its id, and announced to whoever waits for it."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from contracts.messages import CommandOutcome

KEPT_SECONDS = 24 * 3600
CHANNEL = "outcomes"
LOOK_AGAIN_SECONDS = 0.5
"""An announcement is lost if the subscription breaks at that moment: look at the key as well."""

# The first outcome stands: a redelivered command may be decided differently, its sender was told.
_PUT = """
local standing = ARGV[1]
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then
  standing = redis.call('GET', KEYS[1])
end
redis.call('PUBLISH', ARGV[3], standing)
return standing
"""

log = structlog.get_logger(__name__)


def _key(command_id: str) -> str:
    return f"outcome:{command_id}"


class Outcomes:
    """The outcomes in Redis. `redis` answers in bytes (`decode_responses=False`)."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._put = redis.register_script(_PUT)

    async def put(self, outcome: CommandOutcome) -> CommandOutcome:
        """Keep and announce an outcome in one round trip; answers the one that stands."""
        standing = await self._put(
            keys=[_key(outcome.command_id)],
            args=[outcome.model_dump_json(), KEPT_SECONDS, CHANNEL],
        )
        return CommandOutcome.model_validate_json(standing)

    async def get(self, command_id: str) -> CommandOutcome | None:
        stored = await self._redis.get(_key(command_id))
        return None if stored is None else CommandOutcome.model_validate_json(stored)


@dataclass(slots=True)
class OutcomeListener:
    """One subscription for all commands that this process waits for."""

    redis: Any
    outcomes: Outcomes
    _waiting: dict[str, set[asyncio.Future[CommandOutcome]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    _task: asyncio.Task[None] | None = None
    _subscribed: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Begin to listen, in the background: a Redis that is down now is tried again."""
        self._task = asyncio.create_task(self._listen(), name="outcome-listener")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    @property
    def listening(self) -> bool:
        return self._subscribed.is_set()

    @contextlib.contextmanager
    def expect(self, command_id: str) -> Iterator["asyncio.Future[CommandOutcome]"]:
        """Enter before the command is sent, so that its outcome cannot be missed."""
        future: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
        self._waiting[command_id].add(future)
        try:
            yield future
        finally:
            future.cancel()
            self._waiting[command_id].discard(future)
            if not self._waiting[command_id]:
                del self._waiting[command_id]

    async def wait(
        self, command_id: str, announced: "asyncio.Future[CommandOutcome]", seconds: float
    ) -> CommandOutcome | None:
        """The outcome, or None if it is not known within `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait([announced], timeout=min(left, LOOK_AGAIN_SECONDS))
            if announced.done():
                return announced.result()
            if (stored := await self.outcomes.get(command_id)) is not None:
                return stored
        return None

    async def _listen(self) -> None:
        while True:
            try:
                async with self.redis.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL)
                    async for message in subscription.listen():
                        self._subscribed.set()
                        if message["type"] == "message":
                            self._announce(message["data"])
            except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                log.warning("outcome_subscription_lost", because=str(error))
                self._subscribed.clear()
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    def _announce(self, data: bytes) -> None:
        outcome = CommandOutcome.model_validate_json(data)
        for future in self._waiting.get(outcome.command_id, ()):
            if not future.done():
                future.set_result(outcome)
