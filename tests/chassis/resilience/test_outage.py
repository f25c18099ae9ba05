"""Work is retried through an outage, and a command survives the loss of Redis."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from structlog.testing import capture_logs
from tenacity import AsyncRetrying, RetryCallState

from chassis.bus.announcements import Announcer
from chassis.bus.command_handler import CommandHandler
from chassis.bus.outcomes import Outcomes
from chassis.decide.repository import Repository
from chassis.log.event_store import EventStore
from chassis.log.memory import MemoryEventStore
from chassis.resilience import outage
from chassis.resilience.outage import is_outage, retry_through_outage
from chassis.views.projector import Projector
from deploy.local.settings import LocalSettings
from redis_batching.connection import connect
from tests.chassis.delivering import PublisherInMemory, incoming
from tests.chassis.events import COUNTER, Count, Counted, CounterView, Named
from tests.chassis.models import MODELS, SERVICE, fold_log, read, serve
from tests.support.eventually import eventually
from tests.support.stack import local_settings, redis_server


def throttled(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "PutItem")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RedisConnectionError(), True),
        (throttled("ThrottlingException"), True),
        (throttled("ValidationException"), False),
        (throttled("ResourceNotFoundException"), False),
        (ResponseError("WRONGTYPE"), False),
        (KeyError("a bug"), False),
    ],
)
def test_outages_are_distinguished_from_other_errors(error: Exception, *, expected: bool) -> None:
    assert is_outage(error) is expected


@pytest.mark.slow
async def test_work_is_retried_until_the_outage_is_over() -> None:
    failures = iter([RedisConnectionError("connection refused"), throttled("InternalServerError")])

    async def work() -> str:
        for failure in failures:
            raise failure
        return "done"

    with capture_logs() as logs:
        assert await retry_through_outage(work) == "done"
    assert [(line["event"], line["log_level"], line["because"]) for line in logs] == [
        ("outage", "warning", "ConnectionError: connection refused"),
        ("outage", "warning", f"ClientError: {throttled('InternalServerError')}"),
    ]


def test_waits_grow_to_fifteen_seconds() -> None:
    def wait(attempt: int) -> float:
        state = RetryCallState(AsyncRetrying(), None, (), {})
        state.attempt_number = attempt
        return outage._BACKOFF(state)

    assert all(0.05 <= wait(1) <= 0.1 for _ in range(20))
    assert all(0.05 <= wait(attempt) <= 15 for attempt in range(1, 60))
    assert max(wait(20) for _ in range(50)) > 7


async def test_an_error_that_is_not_an_outage_is_raised_at_once() -> None:
    async def work() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await retry_through_outage(work)


async def test_the_outage_is_raised_when_patience_ends() -> None:
    async def work() -> None:
        raise RedisConnectionError("still down")

    with pytest.raises(RedisConnectionError, match="still down"):
        await retry_through_outage(work, patience=0)


@pytest.fixture
def local(tmp_path: Path) -> LocalSettings:
    return local_settings(tmp_path)


@pytest.mark.stack
async def test_a_command_survives_the_loss_of_redis(
    local: LocalSettings, memory_store: MemoryEventStore[Counted | Named]
) -> None:
    redis = connect(local.redis_url)
    with redis_server(local):
        await serve(redis, counters=1, names=1)
        handler = handler_on(redis, memory_store)
        await handler.handle(incoming(Count(counter="a")))
    with capture_logs() as logs:
        waiting = asyncio.create_task(handler.handle(incoming(Count(counter="a"))))

        async def retried() -> bool:
            return [line["event"] for line in logs].count("outage") > 1

        await eventually(retried)
    assert not waiting.done()  # appended and not projected: Redis is down
    with redis_server(local):  # with an empty database
        assert (await waiting).position.version == 2
        await serve(redis, counters=1, names=1)
        await handler.handle(incoming(Count(counter="a")))
        assert await read(redis, "counter-a") == await fold_log(memory_store, "counter-a")
        assert await read(redis, "counter-a") == CounterView(total=3, events=3)
    await redis.aclose()


def handler_on(
    redis: Any, store: EventStore[Counted | Named]
) -> CommandHandler[int, Any, Counted | Named]:
    return CommandHandler(
        Repository(store, COUNTER),
        Projector(redis, store, SERVICE, MODELS),
        Announcer(PublisherInMemory(), "test", {}),
        Outcomes(redis),
    )
