import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_batching import BatchingRedis, batches, connect
from redis_batching.client import CIRCUIT_OPEN, IDLE_SECONDS, MAX_BATCH, MAX_WORKERS
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer


@pytest.fixture
async def empty(redis_server: RedisServer) -> str:
    """The URL of an empty database, on a server or cluster that a test may kill."""
    async with connect(redis_server.url) as redis:
        await redis.flushall()
    return redis_server.url


@pytest.fixture
async def client(empty: str) -> AsyncIterator[BatchingRedis]:
    client = connect(empty)
    yield client
    await client.aclose()


async def test_every_caller_gets_its_own_reply(client: BatchingRedis) -> None:
    await asyncio.gather(*(client.set(f"k{number}", number) for number in range(500)))
    replies = await asyncio.gather(*(client.get(f"k{number}") for number in range(500)))
    assert replies == [str(number).encode() for number in range(500)]


async def test_replies_are_parsed_as_redis_py_parses_them(client: BatchingRedis) -> None:
    await client.hset("h", mapping={"a": "1", "b": "2"})
    assert await client.hgetall("h") == {b"a": b"1", b"b": b"2"}
    assert await client.ping() is True
    double = client.register_script("return ARGV[1] * 2")
    assert await double(args=[21]) == 42


async def test_the_commands_of_one_tick_share_a_few_connections(
    client: BatchingRedis, empty: str
) -> None:
    async def connections() -> int:
        """Count those of all clients, except that of each node which is asked."""
        async with connect(empty) as redis:
            nodes = await redis.primaries()
            return sum([(await n.info("clients"))["connected_clients"] - 1 for n in nodes])

    await client.get("k")
    before = await connections()
    await asyncio.gather(*(client.get("k") for _ in range(1_000)))
    assert await connections() <= before + MAX_WORKERS


@pytest.mark.parametrize("idle_seconds", [0, IDLE_SECONDS])
async def test_a_command_finds_a_worker_whenever_it_arrives(
    idle_seconds: float, client: BatchingRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a worker is idle, as it gives up, and after it has ended."""
    monkeypatch.setattr("redis_batching.client.IDLE_SECONDS", idle_seconds)
    async with asyncio.timeout(10):
        for ticks in range(300):
            assert await client.echo(f"{ticks}") == f"{ticks}".encode()
            for _ in range(ticks % 13):
                await asyncio.sleep(0)


@pytest.mark.single_node("a key is tracked by the connection to its node")
async def test_a_push_notification_is_not_taken_for_a_reply(client: BatchingRedis) -> None:
    """Redis pushes the invalidation of a tracked key in the middle of a batch."""
    await client.set("k", "0")
    assert await client.execute_command("CLIENT TRACKING", "ON")
    for number in range(1, 50):
        calls: list[Any] = []
        for part in range(8):
            calls += [client.get("k"), client.set("k", f"{number}.{part}")]
        replies = await asyncio.gather(*calls, client.echo("mine"))
        assert replies[2::2] == [*(f"{number}.{part}".encode() for part in range(7)), b"mine"]
        assert replies[1::2] == [True] * 8


async def test_more_commands_than_fit_in_the_batches_are_executed(client: BatchingRedis) -> None:
    many = MAX_WORKERS * MAX_BATCH * 3 + 1
    replies = await asyncio.gather(*(client.echo(f"{number}") for number in range(many)))
    assert replies == [f"{number}".encode() for number in range(many)]


async def test_closing_waits_for_the_commands_in_flight(empty: str) -> None:
    client = connect(empty)
    calls: list[Any] = [client.set(f"k{number}", "v") for number in range(200)]
    await client.aclose()
    assert all(call.done() and call.result() for call in calls)


async def test_an_error_reply_concerns_its_command_alone(client: BatchingRedis) -> None:
    await client.set("text", "a")
    calls: list[Any] = [client.get("text"), client.incr("text"), client.evalsha("0" * 40, 0)]
    good, bad, script = await asyncio.gather(*calls, return_exceptions=True)
    assert good == b"a"
    assert isinstance(bad, ResponseError)
    assert isinstance(script, NoScriptError)


async def test_a_cancelled_caller_takes_no_reply_of_another(client: BatchingRedis) -> None:
    """Cancels before, while and after a batch is sent; every other caller has its own reply."""
    chance = random.Random(7)
    cancelled = 0
    for _ in range(60):
        calls = [asyncio.ensure_future(client.echo(f"{number}")) for number in range(40)]
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        for call in chance.sample(calls, 15):
            cancelled += call.cancel()
        replies = await asyncio.gather(*calls, return_exceptions=True)
        for number, reply in enumerate(replies):
            if not isinstance(reply, asyncio.CancelledError):
                assert reply == str(number).encode()
    assert cancelled > 500


async def test_groups_and_single_commands_of_one_tick_keep_their_replies_apart(
    client: BatchingRedis,
) -> None:
    """Groups of any size next to single commands; a cancelled caller's group is executed."""
    chance = random.Random(3)
    expected = cancelled = 0
    for _ in range(40):
        groups: list[Any] = []
        sizes = [chance.choice((0, 1, 2, 13, MAX_BATCH, MAX_BATCH + 1, 150)) for _ in range(12)]
        for number, size in enumerate(sizes):
            commands = [("ECHO", f"{number}.{place}") for place in range(size)]
            groups.append(asyncio.ensure_future(client.execute_many([*commands, ("INCR", "n")])))
        singles = [asyncio.ensure_future(client.echo(f"{number}")) for number in range(90)]
        for _ in range(1 + chance.randrange(5)):  # a task that never ran has sent nothing
            await asyncio.sleep(0)
        cancelled += sum(call.cancel() for call in chance.sample(groups + singles, 20))
        replies: list[Any] = await asyncio.gather(*groups, *singles, return_exceptions=True)
        expected += len(groups)
        for number, (size, reply) in enumerate(zip(sizes, replies, strict=False)):
            if not isinstance(reply, asyncio.CancelledError):
                assert reply[:-1] == [f"{number}.{place}".encode() for place in range(size)]
        for number, reply in enumerate(replies[len(groups) :]):
            if not isinstance(reply, asyncio.CancelledError):
                assert reply == str(number).encode()
    assert cancelled > 300
    await eventually(lambda: _holds(client, "n", expected))


async def test_no_commands_have_no_replies(client: BatchingRedis) -> None:
    async with asyncio.timeout(5):
        assert await client.execute_many([]) == []


async def test_groups_of_one_tick_share_a_write(
    client: BatchingRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.set("k", "v")
    written: list[int] = []
    execute = batches.execute_batch

    async def counted(connection: Any, commands: Any) -> list[Any]:
        written.append(len(commands))
        return await execute(connection, commands)

    monkeypatch.setattr("redis_batching.client.execute_batch", counted)
    group = [("GET", "{k}")] * 13
    await asyncio.gather(*(client.execute_many(group) for _ in range(4)), client.get("{k}"))
    assert sum(written) == 4 * 13 + 1
    assert len(written) <= 2


async def _holds(client: Any, key: str, number: int) -> bool:
    return int(await client.get(key)) == number


async def test_an_outage_fails_all_callers_and_ends_by_itself(
    redis_server: RedisServer, empty: str
) -> None:
    client = connect(empty)
    await client.ping()
    await redis_server.kill()
    calls: list[Any] = [client.ping() for _ in range(20)]
    calls += [client.execute_many([("PING",), ("PING",)]) for _ in range(20)]
    replies = await asyncio.gather(*calls, return_exceptions=True)
    await redis_server.start()
    assert all(isinstance(reply, RedisError | OSError) for reply in replies)
    assert await client.ping()
    await client.aclose()


async def test_after_a_timeout_commands_fail_at_once_until_redis_answers(
    redis_server: RedisServer, empty: str
) -> None:
    client: Any = connect(empty, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
    await client.get("k")
    redis_server.suspend()
    try:
        with pytest.raises(RedisTimeoutError):
            await client.get("k")
        for _ in range(8):  # longer than a timeout in all
            call = client.get("k")
            assert call.done()
            assert isinstance(call.exception(), RedisTimeoutError)
            for some in (2, MAX_BATCH + 1):
                with pytest.raises(RedisTimeoutError, match=CIRCUIT_OPEN):
                    await client.execute_many([("GET", "k")] * some)
            with pytest.raises(RedisTimeoutError, match=CIRCUIT_OPEN):
                await client.pipeline().get("k").execute()
            await asyncio.sleep(0.1)
    finally:
        redis_server.resume()

    async def answers() -> bool:
        with contextlib.suppress(RedisError):
            return await client.get("k") is None
        return False

    await eventually(answers)
    await client.aclose()


async def test_a_registered_script_runs_although_scripts_are_flushed_all_the_time(
    client: BatchingRedis,
) -> None:
    class Flushing:
        """A client that empties the cache of scripts before each call."""

        async def evalsha(self, *words: Any) -> Any:
            await client.script_flush()
            return await client.evalsha(*words)

        async def eval(self, *words: Any) -> Any:
            await client.script_flush()
            return await client.eval(*words)

        async def script_load(self, text: str) -> Any:
            return await client.script_load(text)

    double: Any = client.register_script("return ARGV[1] * 2")
    assert await double(args=[21], client=Flushing()) == 42
    flushes: list[Any] = []
    for number in range(20):
        calls = [double(args=[number]) for _ in range(4)]
        flushes += [client.script_flush() for _ in range(4)]
        assert await asyncio.gather(*calls) == [number * 2] * 4
    await asyncio.gather(*flushes)


@pytest.mark.single_node("a cluster has several primaries")
async def test_a_single_server_is_its_own_only_primary(client: BatchingRedis) -> None:
    assert await client.primaries() == [client]
    assert await client.node_for("any key") is client
