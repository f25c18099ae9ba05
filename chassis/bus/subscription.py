"""Follow a Redis channel for the life of a process, through every fault of Redis."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chassis.resilience.log_throttle import LogThrottle

SILENCE_SECONDS: Final = 5.0
"""After this time without a message Redis is pinged, and given as long again to respond."""
FIRST_PAUSE_SECONDS: Final = 0.1
MAX_PAUSE_SECONDS: Final = 5.0
"""Pauses between two attempts to subscribe double from the first up to this."""
LOG_SECONDS: Final = 60.0
"""At most one log line in this time reports messages that cannot be read."""

log = structlog.get_logger(__name__)


class UnreadableAnnouncement(Exception):
    """This build cannot read a published message; a newer service may have sent it."""


def _nothing() -> None:
    pass


@dataclass(slots=True)
class ChannelSubscription:
    """Pass the messages of one channel on; subscribe again whenever the subscription is lost."""

    redis: Any
    """A client without a read timeout that returns bytes."""
    channel: str
    receive: Callable[[bytes], None]
    """Called with each message; raises `UnreadableAnnouncement` for one that is to be skipped."""
    on_subscribed: Callable[[], None] = _nothing
    """Called after each subscription: messages may have been missed before it."""
    listening: bool = False
    """Whether Redis has confirmed the subscription and the connection to it is open."""
    last_error: str = ""
    """Why the subscription was lost last."""
    unreadable: int = 0
    """Number of messages that were skipped."""
    _unreadable_log: LogThrottle = field(default_factory=lambda: LogThrottle(LOG_SECONDS))
    _failures: int = 0
    """Consecutive failed attempts to subscribe."""

    async def run(self) -> None:
        """Follow the channel until cancelled; no error of Redis and no message ends this."""
        while True:
            try:
                await self._follow()
            except (RedisError, OSError) as error:
                self._report_loss(error)
            finally:
                self.listening = False
            await asyncio.sleep(self._pause())
            self._failures += 1

    async def _follow(self) -> None:
        async with self.redis.pubsub() as subscription:
            await subscription.subscribe(self.channel)
            while True:
                message = await _next_message(subscription)
                if message["type"] == "subscribe":
                    self._confirm()
                elif message["type"] == "message":
                    self._pass_on(message["data"])

    def _confirm(self) -> None:
        self._failures, self.listening = 0, True
        self.on_subscribed()

    def _pass_on(self, data: bytes) -> None:
        try:
            self.receive(data)
        except UnreadableAnnouncement as error:
            self.unreadable += 1
            if times := self._unreadable_log.count_if_due():
                log.error(  # noqa: TRY400  the text gives the reason
                    "announcement_unreadable",
                    channel=self.channel,
                    because=str(error),
                    times=times,
                )

    def _report_loss(self, error: Exception) -> None:
        """Log the first failure of an outage; later ones add nothing."""
        self.last_error = f"{type(error).__name__}: {error}"
        if not self._failures:
            log.warning("subscription_lost", channel=self.channel, because=self.last_error)

    def _pause(self) -> float:
        return min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 10), MAX_PAUSE_SECONDS)


async def _next_message(subscription: Any) -> dict[str, Any]:
    """Return the next message of any type.

    Raises:
        RedisTimeoutError: the connection is silent, and a ping was not answered either.
    """
    message = await subscription.get_message(timeout=SILENCE_SECONDS)
    if message is None:
        await subscription.ping()
        message = await subscription.get_message(timeout=SILENCE_SECONDS)
    if message is None:
        raise RedisTimeoutError("the connection is silent")
    found: dict[str, Any] = message
    return found
