"""Changes as they happen: one subscription per process wakes whoever watches a stream."""

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

AGAIN_SECONDS: Final = 0.5

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Changes:
    """Tells that a stream has got on; what it has become is in its read model.

    A change that is missed while the subscription is down is found as soon as it is back: then all
    look again, as every watcher does at each heartbeat.
    """

    redis: Any
    """A client without a read timeout."""
    _watchers: dict[str, set[asyncio.Event]] = field(default_factory=lambda: defaultdict(set))

    @property
    def watched(self) -> int:
        return sum(len(watchers) for watchers in self._watchers.values())

    @contextlib.contextmanager
    def of(self, stream: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the stream has changed; the watcher clears it."""
        changed = asyncio.Event()
        self._watchers[stream].add(changed)
        try:
            yield changed
        finally:
            self._watchers[stream].discard(changed)
            if not self._watchers[stream]:
                del self._watchers[stream]

    async def listen(self) -> None:
        """Follow the outcomes, for ever; run as a task."""
        while True:
            try:
                async with self.redis.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL)
                    async for message in subscription.listen():
                        if message["type"] == "subscribe":
                            self._tell_all()
                        elif message["type"] == "message" and self._watchers:
                            self._tell(message["data"])
            except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                log.warning("change_subscription_lost", because=str(error))
                await asyncio.sleep(AGAIN_SECONDS)

    def _tell_all(self) -> None:
        for watchers in self._watchers.values():
            for changed in watchers:
                changed.set()

    def _tell(self, outcome: bytes) -> None:
        stream = orjson.loads(outcome)["position"]["stream"]
        for changed in self._watchers.get(stream, ()):
            changed.set()
