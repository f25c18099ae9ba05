import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_batching.client import IDLE_SECONDS, MAX_BATCH, MAX_WORKERS, BatchingRedis
from tests.gateway.conftest import RedisServer
from tests.support.eventually import eventually


def connected(server: RedisServer) -> BatchingRedis:
    client: Any = BatchingRedis.from_url(server.url)
    assert isinstance(client, BatchingRedis)
    return client


@pytest.fixture
async def tick(redis: Redis, redis_server: RedisServer) -> AsyncIterator[BatchingRedis]:
    assert await redis.ping()
    client = connected(redis_server)
    yield client
    await client.aclose()


async def test_answers_come_to_who_asked(tick: BatchingRedis) -> None:
    await asyncio.gather(*(tick.set(f"k{number}", number) for number in range(500)))
    answers = await asyncio.gather(*(tick.get(f"k{number}") for number in range(500)))
    assert answers == [str(number).encode() for number in range(500)]


async def test_answers_are_read_as_redis_py_reads_them(tick: BatchingRedis) -> None:
    await tick.hset("h", mapping={"a": "1", "b": "2"})
    assert await tick.hgetall("h") == {b"a": b"1", b"b": b"2"}
    assert await tick.ping() is True
    double = tick.register_script("return ARGV[1] * 2")
    assert await double(args=[21]) == 42


async def test_the_commands_of_one_tick_share_a_few_connections(
    tick: BatchingRedis, redis: Redis
) -> None:
    before = (await redis.info("clients"))["connected_clients"]
    await asyncio.gather(*(tick.get("k") for _ in range(1_000)))
    assert (await redis.info("clients"))["connected_clients"] <= before + MAX_WORKERS


@pytest.mark.parametrize("rest", [0, IDLE_SECONDS])
async def test_work_finds_a_lane_at_whatever_moment_it_comes(
    rest: float, tick: BatchingRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a lane rests, as it gives up, and when it has."""
    monkeypatch.setattr("redis_batching.client.IDLE_SECONDS", rest)
    async with asyncio.timeout(10):
        for ticks in range(300):
            assert await tick.echo(f"{ticks}") == f"{ticks}".encode()
            for _ in range(ticks % 13):
                await asyncio.sleep(0)


async def test_what_redis_tells_unasked_is_nobodys_answer(tick: BatchingRedis) -> None:
    """Redis pushes word of a key that was read and has changed, in the middle of a batch."""
    await tick.set("k", "0")
    assert await tick.execute_command("CLIENT TRACKING", "ON")
    for number in range(1, 50):
        asked: list[Any] = []
        for part in range(8):
            asked += [tick.get("k"), tick.set("k", f"{number}.{part}")]
        told = await asyncio.gather(*asked, tick.echo("mine"))
        assert told[2::2] == [*(f"{number}.{part}".encode() for part in range(7)), b"mine"]
        assert told[1::2] == [True] * 8


async def test_more_than_a_batch_is_carried_out(tick: BatchingRedis) -> None:
    many = MAX_WORKERS * MAX_BATCH * 3 + 1
    answers = await asyncio.gather(*(tick.echo(f"{number}") for number in range(many)))
    assert answers == [f"{number}".encode() for number in range(many)]


async def test_closing_waits_for_what_was_asked(redis_server: RedisServer, redis: Redis) -> None:
    assert await redis.ping()
    client = connected(redis_server)
    asked: list[Any] = [client.set(f"k{number}", "v") for number in range(200)]
    await client.aclose()
    assert all(answer.done() and answer.result() for answer in asked)


async def test_an_error_is_the_business_of_its_command_alone(tick: BatchingRedis) -> None:
    await tick.set("text", "a")
    asked: list[Any] = [tick.get("text"), tick.incr("text"), tick.evalsha("0" * 40, 0)]
    good, bad, script = await asyncio.gather(*asked, return_exceptions=True)
    assert good == b"a"
    assert isinstance(bad, ResponseError)
    assert isinstance(script, NoScriptError)


async def test_cancelled_callers_take_nobodys_answer(tick: BatchingRedis) -> None:
    """Cancels before, while and after a batch is sent; every survivor has its own answer."""
    chance = random.Random(7)
    cancelled = 0
    for _ in range(60):
        asked = [asyncio.ensure_future(tick.echo(f"{number}")) for number in range(40)]
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        for question in chance.sample(asked, 15):
            cancelled += question.cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for number, answer in enumerate(answers):
            if not isinstance(answer, asyncio.CancelledError):
                assert answer == str(number).encode()
    assert cancelled > 500


async def test_an_outage_is_told_to_all_and_ends_by_itself(
    redis_server: RedisServer, redis: Redis
) -> None:
    assert await redis.ping()
    tick = connected(redis_server)
    await tick.ping()
    await redis_server.kill()
    answers = await asyncio.gather(*(tick.ping() for _ in range(20)), return_exceptions=True)
    await redis_server.start()
    assert all(isinstance(answer, RedisError | OSError) for answer in answers)
    assert await tick.ping()
    await tick.aclose()


async def test_a_redis_that_hangs_makes_nobody_wait_twice(
    redis_server: RedisServer, redis: Redis
) -> None:
    """Whoever asks while it is known to be silent is told at once; then somebody tries again."""
    assert await redis.ping()
    tick: Any = BatchingRedis.from_url(
        redis_server.url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)
    )
    await tick.ping()
    redis_server.hang()
    try:
        with pytest.raises(RedisTimeoutError):
            await tick.ping()
        asked = tick.ping()
        assert asked.done()
        assert isinstance(asked.exception(), RedisTimeoutError)
    finally:
        redis_server.go_on()

    async def answers() -> bool:
        with contextlib.suppress(RedisError):
            return bool(await tick.ping())
        return False

    await eventually(answers)
    await tick.aclose()
