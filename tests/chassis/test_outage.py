"""An outage is sat out: no message is failed for what is no fault of its own."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from chassis.bus.announcements import Announcer
from chassis.bus.command_handler import CommandHandler
from chassis.bus.outcomes import Outcomes
from chassis.decide.repository import Repository
from chassis.log.event_store import EventStore
from chassis.log.memory import MemoryEventStore
from chassis.resilience.outage import is_outage, retry_through_outage
from chassis.views.projector import Projector
from deploy.local.settings import LocalSettings
from redis_batching.connection import connect
from tests.chassis.events import COUNTER, Count, Counted, CounterView, Named
from tests.chassis.models import MODELS, SERVICE, expected, read, serve
from tests.chassis.test_command_handler import PublisherInMemory, incoming
from tests.support.stack import local_settings, redis_server


def throttled(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "PutItem")


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (RedisConnectionError(), True),
        (throttled("ThrottlingException"), True),
        (throttled("ValidationException"), False),
        (throttled("ResourceNotFoundException"), False),
        (ResponseError("WRONGTYPE"), False),
        (KeyError("a bug"), False),
    ],
)
def test_what_may_pass_is_told_from_what_will_not(error: Exception, *, outage: bool) -> None:
    assert is_outage(error) is outage


async def test_work_is_repeated_until_the_outage_is_over() -> None:
    failures = iter([RedisConnectionError(), throttled("InternalServerError")])

    async def work() -> str:
        for failure in failures:
            raise failure
        return "done"

    assert await retry_through_outage(work) == "done"


async def test_what_will_not_pass_is_raised_at_once() -> None:
    async def work() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await retry_through_outage(work)


async def test_patience_ends() -> None:
    async def work() -> None:
        raise RedisConnectionError("still away")

    with pytest.raises(RedisConnectionError, match="still away"):
        await retry_through_outage(work, patience=0)


@pytest.fixture
def own(tmp_path: Path) -> LocalSettings:
    return local_settings(tmp_path)


@contextlib.contextmanager
def server(own: LocalSettings) -> Iterator[None]:
    with redis_server(own):
        yield


@pytest.mark.stack
async def test_a_command_survives_a_redis_that_dies_and_comes_back(
    own: LocalSettings, memory_store: MemoryEventStore[Counted | Named]
) -> None:
    redis = connect(own.redis_url)
    with server(own):
        await serve(redis, counters=1, names=1)
        handler = handler_on(redis, memory_store)
        await handler.handle(incoming(Count(counter="a")))
    waiting = asyncio.create_task(handler.handle(incoming(Count(counter="a"))))
    await asyncio.wait([waiting], timeout=0.5)
    assert not waiting.done()  # appended, and not projected: Redis is away
    with server(own):  # empty: it had nothing saved
        assert (await waiting).position.version == 2
        await serve(redis, counters=1, names=1)
        await handler.handle(incoming(Count(counter="a")))
        assert await read(redis, "counter-a") == await expected(memory_store, "counter-a")
        assert await read(redis, "counter-a") == CounterView(total=3, events=3)
    await redis.aclose()


def handler_on(
    redis: Any, store: EventStore[Counted | Named]
) -> CommandHandler[int, Any, Counted | Named]:
    return CommandHandler(
        Repository(store, COUNTER),
        Projector(redis, store, SERVICE, MODELS),
        Announcer(PublisherInMemory(), {}),
        Outcomes(redis),
    )
