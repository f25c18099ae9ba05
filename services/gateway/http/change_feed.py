"""Follow changes of streams: one Redis subscription per process wakes all watchers."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import orjson

from chassis.bus.outcomes import CHANNEL
from chassis.bus.subscription import ChannelSubscription, UnreadableAnnouncement


@dataclass(eq=False, slots=True)
class Watcher:
    """Wait for changes of several streams, which may be others later."""

    feed: "ChangeFeed"
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever one of the streams changes; the watcher clears it."""
    _streams: AbstractSet[str] = frozenset()

    def follow(self, streams: AbstractSet[str]) -> None:
        """Follow these streams from now on, and no others."""
        self.feed.replace(self.changed, self._streams, streams)
        self._streams = frozenset(streams)


@dataclass(slots=True)
class ChangeFeed:
    """Report that a stream has changed; its new state is in its read model.

    When the subscription is back after an outage, all watchers look again, so that a change they
    missed is found.
    """

    redis: Any
    """A client without a read timeout."""
    _watchers: dict[str, set[asyncio.Event]] = field(default_factory=lambda: defaultdict(set))
    _subscription: ChannelSubscription = field(init=False)

    def __post_init__(self) -> None:
        self._subscription = ChannelSubscription(
            self.redis, CHANNEL, self._wake, on_subscribed=self._wake_all
        )

    @property
    def watched(self) -> int:
        """Number of watchers."""
        return sum(len(watchers) for watchers in self._watchers.values())

    @contextlib.contextmanager
    def watch(self, stream: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the stream changes; the watcher clears it."""
        with self.watch_several() as watcher:
            watcher.follow({stream})
            yield watcher.changed

    @contextlib.contextmanager
    def watch_several(self) -> Iterator[Watcher]:
        """Yield a watcher, which follows no stream yet."""
        watcher = Watcher(self)
        try:
            yield watcher
        finally:
            watcher.follow(frozenset())

    def replace(
        self, changed: asyncio.Event, before: AbstractSet[str], after: AbstractSet[str]
    ) -> None:
        """Set an event for changes of the streams `after`, instead of those `before`."""
        for stream in before - after:
            self._watchers[stream].discard(changed)
            if not self._watchers[stream]:
                del self._watchers[stream]
        for stream in after - before:
            self._watchers[stream].add(changed)

    @property
    def subscription(self) -> ChannelSubscription:
        """The subscription; it says whether changes are reported, and why not."""
        return self._subscription

    async def listen(self) -> None:
        """Follow the outcomes until cancelled; run as a task."""
        await self._subscription.run()

    def _wake_all(self) -> None:
        for watchers in self._watchers.values():
            for changed in watchers:
                changed.set()

    def _wake(self, outcome: bytes) -> None:
        if not self._watchers:
            return
        try:
            stream = orjson.loads(outcome)["position"]["stream"]
        except (ValueError, LookupError, TypeError) as error:
            raise UnreadableAnnouncement("an outcome without a position") from error
        if not isinstance(stream, str):
            raise UnreadableAnnouncement("an outcome whose stream is not a text")
        for changed in self._watchers.get(stream, ()):
            changed.set()
