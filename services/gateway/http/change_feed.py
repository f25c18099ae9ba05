"""Follow changes of streams: one Redis subscription per process wakes all watchers."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chassis.bus.outcomes import CHANNEL

RECONNECT_SECONDS: Final = 0.5

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ChangeFeed:
    """Report that a stream has changed; its new state is in its read model.

    When the subscription is back after an outage, all watchers look again, so that a change they
    missed is found.
    """

    redis: Any
    """A client without a read timeout."""
    _watchers: dict[str, set[asyncio.Event]] = field(default_factory=lambda: defaultdict(set))

    @property
    def watched(self) -> int:
        """Number of watchers."""
        return sum(len(watchers) for watchers in self._watchers.values())

    @contextlib.contextmanager
    def watch(self, stream: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the stream changes; the watcher clears it."""
        changed = asyncio.Event()
        self._watchers[stream].add(changed)
        try:
            yield changed
        finally:
            self._watchers[stream].discard(changed)
            if not self._watchers[stream]:
                del self._watchers[stream]

    async def listen(self) -> None:
        """Follow the outcomes until cancelled; run as a task."""
        while True:
            try:
                async with self.redis.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL)
                    async for message in subscription.listen():
                        if message["type"] == "subscribe":
                            self._wake_all()
                        elif message["type"] == "message" and self._watchers:
                            self._wake(message["data"])
            except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                log.warning("change_subscription_lost", because=str(error))
                await asyncio.sleep(RECONNECT_SECONDS)

    def _wake_all(self) -> None:
        for watchers in self._watchers.values():
            for changed in watchers:
                changed.set()

    def _wake(self, outcome: bytes) -> None:
        stream = orjson.loads(outcome)["position"]["stream"]
        for changed in self._watchers.get(stream, ()):
            changed.set()
