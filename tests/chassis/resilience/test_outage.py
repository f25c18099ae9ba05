"""Work is retried through an outage, and a command survives the loss of Redis."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from chassis.bus.announcements import Announcer
from chassis.bus.command_handler import CommandHandler
from chassis.bus.outcomes import Outcomes
from chassis.decide.repository import Repository
from chassis.log.event_store import EventStore
from chassis.log.memory import MemoryEventStore
from chassis.resilience import outage
from chassis.resilience.outage import pause_seconds, retry_through_outage
from chassis.resilience.outages import Outages
from chassis.views.projector import Projector
from deploy.local.settings import LocalSettings
from faststream_sqs.subscriber.leases import LONGEST_HOLD
from redis_batching.connection import connect
from tests.chassis.delivering import PublisherInMemory, incoming
from tests.chassis.events import COUNTER, Count, Counted, CounterView, Named
from tests.chassis.models import MODELS, SERVICE, fold_log, read, serve
from tests.support.eventually import eventually
from tests.support.stack import local_settings, redis_server


def throttled(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "PutItem")


async def test_work_is_retried_until_the_outage_is_over() -> None:
    failures = iter([RedisConnectionError("connection refused"), throttled("InternalServerError")])

    async def work() -> str:
        for failure in failures:
            raise failure
        return "done"

    with capture_logs() as logs:
        assert await retry_through_outage(work, outages=Outages()) == "done"
    assert [(line["event"], line["name"], line["code"]) for line in logs] == [
        ("outage_started", "redis", "ConnectionError"),
        ("outage_ended", "redis", "ConnectionError"),
        ("outage_started", "dynamodb", "InternalServerError"),
        ("outage_ended", "dynamodb", "InternalServerError"),
    ]


async def test_an_own_error_after_an_outage_ends_the_outage() -> None:
    errors = iter([RedisConnectionError("down"), KeyError("a bug")])

    async def work() -> None:
        raise next(errors)

    with capture_logs() as logs, pytest.raises(KeyError):
        await retry_through_outage(work, outages=Outages())
    assert [line["event"] for line in logs] == ["outage_started", "outage_ended"]


def test_pauses_grow_to_fifteen_seconds() -> None:
    assert all(0.05 <= pause_seconds(1) <= 0.1 for _ in range(20))
    assert all(0.05 <= pause_seconds(attempt) <= 15 for attempt in range(1, 1_000))
    assert max(pause_seconds(20) for _ in range(50)) > 7


def test_patience_ends_before_sqs_stops_hiding_the_message() -> None:
    assert 11 * 3600 < outage.PATIENCE_SECONDS < LONGEST_HOLD


async def test_a_stopping_process_raises_the_outage_at_once_and_logs_no_error() -> None:
    outages = Outages()

    async def work() -> None:
        raise RedisConnectionError("still down")

    with capture_logs() as logs:
        waiting = [
            asyncio.create_task(retry_through_outage(work, outages=outages)) for _ in range(48)
        ]

        async def all_wait() -> bool:
            return bool(outages.current) and len(outages.current[0].waiting) == 48

        await eventually(all_wait)
        with outages.stop():
            ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(error) for error in ended} == {RedisConnectionError}
    assert [line["event"] for line in logs] == ["outage_started"]
    assert outages.current == []


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
            return [line["event"] for line in logs] == ["outage_started"]

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
