"""Store the outcome of each command under its id, and publish it to waiting processes."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chassis.views.scripts import LuaScript
from contracts.messages import CommandOutcome

RETENTION_SECONDS = 24 * 3600
CHANNEL = "outcomes"
POLL_SECONDS = 0.5
"""Seconds between two reads of the key: a message is lost if the subscription breaks just then."""

STORE: Final = LuaScript.load("chassis.bus", "outcomes.lua")

log = structlog.get_logger(__name__)


def _key(command_id: str) -> str:
    return f"outcome:{command_id}"


class Outcomes:
    """Store outcomes in Redis. `redis` returns bytes (`decode_responses=False`)."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    async def put(self, outcome: CommandOutcome) -> CommandOutcome:
        """Store and publish an outcome in one round trip; return the first one that was stored."""
        stored = await STORE.run(
            self._redis,
            [_key(outcome.command_id)],
            [outcome.model_dump_json(), RETENTION_SECONDS, CHANNEL],
        )
        return CommandOutcome.model_validate_json(stored)

    async def get(self, command_id: str) -> CommandOutcome | None:
        """Return the stored outcome of a command, or None if there is none."""
        stored = await self._redis.get(_key(command_id))
        return None if stored is None else CommandOutcome.model_validate_json(stored)


@dataclass(slots=True)
class OutcomeListener:
    """Wait for outcomes, with one subscription for all commands of this process."""

    redis: Any
    outcomes: Outcomes
    _waiting: dict[str, set[asyncio.Future[CommandOutcome]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    _task: asyncio.Task[None] | None = None
    _subscribed: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Subscribe in the background, and again whenever Redis was unreachable."""
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
        """Yield a future of the outcome; enter before the command is sent, so as not to miss it."""
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
        """Return the outcome, or None if it is not known within `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait([announced], timeout=min(left, POLL_SECONDS))
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
                await asyncio.sleep(POLL_SECONDS)

    def _announce(self, data: bytes) -> None:
        outcome = CommandOutcome.model_validate_json(data)
        for future in self._waiting.get(outcome.command_id, ()):
            if not future.done():
                future.set_result(outcome)
