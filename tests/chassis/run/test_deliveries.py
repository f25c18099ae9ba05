"""Only errors of this program count against a message; everything else waits."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import uuid4

import orjson
import pytest
from faststream.exceptions import NackMessage, RejectMessage
from redis.exceptions import OutOfMemoryError

from chassis.bus.announcements import EVENT_ID, EventReader
from chassis.bus.commands import COMMAND_ID, CommandReader, UnknownMessage, UnreadableMessage
from chassis.log.event_store import Conflict, Head, UnknownEvent, UnreadableCommit
from chassis.resilience.outages import Outages
from chassis.run.deliveries import MAX_FAILURES, Deliveries, failures_key
from contracts.messages import Command, Event
from contracts.subscription import Subscription
from tests.chassis.events import Counted, CounterCommand

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@dataclass
class Delivered:
    """A message as a handler sees it."""

    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    message_id: str = field(default_factory=lambda: str(uuid4()))
    first_received_at: datetime | None = NOW
    group_id: str = "counter-a"
    receive_count: int = 1
    correlation_id: str = "correlation"


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


class Failures:
    """Redis as far as counting needs it; refuses while `error` is set."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.values: dict[str, int] = {}

    async def set(self, key: str, value: int, **_: Any) -> None:
        if self.error:
            raise self.error
        self.values.setdefault(key, value)

    async def incr(self, key: str) -> int:
        self.values[key] += 1
        return self.values[key]


def deliveries(error: BaseException, redis: Any = None, **options: Any) -> Deliveries[Any]:
    async def handle(_: Any) -> None:
        raise error

    options.setdefault("now", lambda: NOW)
    options.setdefault("outages", Outages())
    return Deliveries("jobs", redis or Failures(), lambda message: message, handle, **options)


async def deliver(to: Deliveries[Any], message: Delivered) -> BaseException:
    sent: Any = message
    try:
        await to.on_message(sent)
    except BaseException as error:  # noqa: BLE001  the result
        return error
    raise AssertionError("handled")


def options_of(error: BaseException) -> dict[str, Any]:
    assert isinstance(error, NackMessage | RejectMessage)
    return dict(error.extra_options)


@pytest.mark.parametrize("error", [KeyError("t"), UnreadableCommit("no list of events")])
async def test_an_error_of_this_program_counts_and_ends_in_the_dead_letters(
    error: Exception,
) -> None:
    redis, message, counts = Failures(), Delivered(), Counter[tuple[str, str]]()
    failing = deliveries(error, redis, counts=counts)
    for _ in range(MAX_FAILURES - 1):
        assert await deliver(failing, message) is error
    last = await deliver(failing, message)
    assert isinstance(last, RejectMessage)
    assert options_of(last) == {"reason": f"{type(error).__name__}: {error}"}
    assert redis.values == {failures_key(message.message_id): MAX_FAILURES}
    assert counts == {("jobs", "failed"): MAX_FAILURES - 1, ("jobs", "rejected"): 1}


@pytest.mark.parametrize(
    "error", [OutOfMemoryError("command not allowed"), TimeoutError(), Conflict(Head("a", 1))]
)
async def test_an_outage_or_a_conflict_returns_the_message_uncounted(error: Exception) -> None:
    redis = Failures()
    for _ in range(MAX_FAILURES + 1):
        assert isinstance(await deliver(deliveries(error, redis), Delivered()), NackMessage)
    assert redis.values == {}


async def test_a_failure_that_cannot_be_counted_returns_the_message() -> None:
    redis = Failures(OutOfMemoryError("command not allowed"))
    assert isinstance(await deliver(deliveries(KeyError("t"), redis), Delivered()), NackMessage)


@pytest.mark.parametrize("error", [UnknownEvent("Renamed v1"), UnknownMessage("Rename")])
async def test_what_a_newer_version_knows_is_returned_with_growing_delay_for_an_hour(
    error: Exception,
) -> None:
    redis, message = Failures(), Delivered()
    clock, pauses = Clock(), list[float]()
    waiting = deliveries(error, redis, now=clock)
    while clock.now < NOW + timedelta(hours=1):
        result = await deliver(waiting, message)
        assert isinstance(result, NackMessage)
        pauses.append(options_of(result)["delay"])
        clock.now += timedelta(seconds=pauses[-1])
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (2, 120)
    assert len(pauses) < 60  # far from the receives after which SQS itself moves a message
    result = await deliver(waiting, message)
    assert isinstance(result, RejectMessage)
    assert options_of(result)["reason"] == f"{type(error).__name__}: {error}"
    assert redis.values == {}


async def test_a_malformed_message_is_rejected_at_once_with_the_reason() -> None:
    def read(_: Any) -> None:
        raise UnreadableMessage("by: Input should be a valid integer")

    unreadable: Deliveries[Any] = Deliveries("jobs", Failures(), read, lambda _: asyncio.sleep(0))
    result = await deliver(unreadable, Delivered())
    assert isinstance(result, RejectMessage)
    assert options_of(result) == {"reason": "unreadable: by: Input should be a valid integer"}


async def test_a_stopping_process_returns_its_messages_at_once_and_without_a_traceback() -> None:
    outages = Outages()
    for error in (asyncio.CancelledError(), OutOfMemoryError("command not allowed")):
        with outages.stop():
            result = await deliver(deliveries(error, outages=outages), Delivered())
        assert isinstance(result, NackMessage)
        assert options_of(result) == {"delay": 0}
    cancelled = await deliver(deliveries(asyncio.CancelledError(), outages=outages), Delivered())
    assert isinstance(cancelled, asyncio.CancelledError)


READERS = [
    (CommandReader[Any](CounterCommand), COMMAND_ID),
    (EventReader[Any](Subscription("listener", Counted)), EVENT_ID),
]


@pytest.mark.parametrize(("reader", "header"), READERS)
def test_an_unknown_type_is_distinguished_from_a_malformed_message(
    reader: Any, header: str
) -> None:
    def read(body: bytes, headers: dict[str, str]) -> None:
        reader.read(Delivered(body, headers))

    known = {header: str(uuid4())}
    with pytest.raises(UnknownMessage, match="Renamed is not known"):
        read(b'{"type": "Renamed", "to": "b"}', known)
    for body, headers in (
        (b'{"type": "Renamed"}', {}),
        (b"not JSON", known),
        (b"\xff\xfe", known),
        (b"[]", known),
        (b"null", known),
        (b"{}", known),
        (b'{"type": 7}', known),
        (b'{"type": ["Counted"]}', known),
        (b'{"type": "Counted", "by": "many"}', known),
        (b'{"type": "Count"}', known),
    ):
        with pytest.raises((UnreadableMessage, UnknownMessage)) as raised:
            read(body, headers)
        if b"Count" not in body:
            assert raised.type is UnreadableMessage, body


class Paint(Command):
    service: ClassVar[str] = "painting"
    type: Literal["Paint"] = "Paint"
    wall: str
    color: Literal["red", "green"] = "red"
    coats: int = 1

    @property
    def stream(self) -> str:
        return f"wall-{self.wall}"


class Painted(Event):
    type: Literal["Painted"] = "Painted"
    wall: str
    color: Literal["red", "green"] = "red"
    coats: int = 1


@pytest.mark.parametrize(
    ("reader", "header", "tag"),
    [
        (CommandReader[Any](Paint), COMMAND_ID, "Paint"),
        (EventReader[Any](Subscription("listener", Painted)), EVENT_ID, "Painted"),
    ],
)
def test_a_value_that_a_newer_version_may_have_added_is_not_known_yet(
    reader: Any, header: str, tag: str
) -> None:
    def read(**fields: Any) -> None:
        reader.read(Delivered(orjson.dumps({"type": tag, **fields}), {header: str(uuid4())}))

    read(wall="north", color="green")
    read(wall="north", scent="added later, with a default")
    with pytest.raises(UnknownMessage, match="color"):
        read(wall="north", color="blue")
    for malformed in ({"color": "blue"}, {"wall": "north", "color": "blue", "coats": "many"}):
        with pytest.raises(UnreadableMessage):
            read(**malformed)
