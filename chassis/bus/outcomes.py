"""Store the outcome of each command under its id, and publish it to waiting processes."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from chassis.bus.commands import UnknownMessage
from chassis.bus.subscription import ChannelSubscription, UnreadableAnnouncement
from chassis.resilience.log_throttle import LogThrottle
from chassis.views.scripts import LuaScript
from contracts.messages import CommandOutcome

RETENTION_SECONDS = 24 * 3600
CHANNEL = "outcomes"
POLL_SECONDS = 0.5
"""Seconds until the key is read for the first time: a message is lost if the subscription breaks
just then. The time between two reads doubles, so that slow commands do not load Redis: a response
whose message is lost takes at most twice as long, and this time more."""

STORE: Final = LuaScript.load("chassis.bus", "outcomes.lua")

_UNREADABLE: Final = LogThrottle(60.0)

log = structlog.get_logger(__name__)


class UnreadableOutcome(UnknownMessage):
    """This build cannot read an outcome; a newer service may have stored it."""


def _key(command_id: str) -> str:
    return f"outcome:{command_id}"


def read_outcome(data: bytes) -> CommandOutcome:
    """Parse an outcome as it is stored and published.

    Raises:
        UnreadableOutcome: it has a form or a value that this build does not know.
    """
    try:
        return CommandOutcome.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise UnreadableOutcome(f"{where}: {first['msg']}") from error


class Outcomes:
    """Store outcomes in Redis. `redis` returns bytes (`decode_responses=False`)."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    async def put(self, outcome: CommandOutcome) -> CommandOutcome:
        """Store and publish an outcome in one round trip; return the first one that was stored.

        Raises:
            UnreadableOutcome: a newer instance stored the first one; nothing is left to do.
        """
        ours = outcome.model_dump_json().encode()
        stored = await STORE.run(
            self._redis, [_key(outcome.command_id)], [ours, RETENTION_SECONDS, CHANNEL]
        )
        return outcome if stored == ours else read_outcome(stored)

    async def get(self, command_id: str) -> CommandOutcome | None:
        """Return the stored outcome of a command, or None if there is none.

        Raises:
            UnreadableOutcome: there is one, which this build cannot read.
        """
        stored = await self._redis.get(_key(command_id))
        return None if stored is None else read_outcome(stored)

    async def forget(self, command_id: str) -> None:
        """Delete the outcome of a command, so that it is decided again when it is sent again."""
        await self._redis.delete(_key(command_id))

    async def find(self, command_id: str) -> CommandOutcome | None:
        """Return the outcome of a command as far as this build knows it.

        An outcome that it cannot read is not known yet: it is found once this process has been
        replaced.
        """
        try:
            return await self.get(command_id)
        except UnreadableOutcome as error:
            if times := _UNREADABLE.count_if_due():
                log.error(  # noqa: TRY400  the text gives the reason
                    "outcome_unreadable", command_id=command_id, because=str(error), times=times
                )
            return None


@dataclass(slots=True)
class OutcomeListener:
    """Wait for outcomes, with one subscription for all commands of this process."""

    redis: Any
    outcomes: Outcomes
    _waiting: dict[str, set[asyncio.Future[CommandOutcome]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    _subscription: ChannelSubscription = field(init=False)

    def __post_init__(self) -> None:
        self._subscription = ChannelSubscription(self.redis, CHANNEL, self._announce)

    @property
    def subscription(self) -> ChannelSubscription:
        """The subscription; it says whether the listener is listening, and why not."""
        return self._subscription

    @property
    def listening(self) -> bool:
        """Whether Redis has confirmed the subscription; without it outcomes are found later."""
        return self._subscription.listening

    async def run(self) -> None:
        """Follow the outcomes until cancelled; run as a task."""
        await self._subscription.run()

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
        deadline, pause = asyncio.get_running_loop().time() + seconds, POLL_SECONDS
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait([announced], timeout=min(left, pause))
            if announced.done():
                return announced.result()
            pause *= 2
            with contextlib.suppress(RedisError):  # it may be announced nevertheless
                if (stored := await self.outcomes.find(command_id)) is not None:
                    return stored
        return None

    def _announce(self, data: bytes) -> None:
        try:
            outcome = read_outcome(data)
        except UnreadableOutcome as error:
            raise UnreadableAnnouncement(str(error)) from error
        for future in self._waiting.get(outcome.command_id, ()):
            if not future.done():
                future.set_result(outcome)
