"""After a failover a client leaves the old primary, even if that one closes no connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError

from redis_batching import BatchingRedis, connect
from redis_batching.failover import is_refusal_of_replica
from redis_batching.primary_connection import NotPrimary
from tests.support.eventually import eventually
from tests.support.redis_pair import RedisPair, paired, two_servers
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[RedisServer]]:
    async with two_servers(tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")) as both:
        yield both


@pytest.fixture(autouse=True)
def _never_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients notice a failover by what they are refused, however long it takes."""
    monkeypatch.setattr("redis_batching.primary_connection.VERIFY_SECONDS", 3_600)


@pytest.fixture
async def pair(servers: list[RedisServer]) -> AsyncIterator[RedisPair]:
    async with paired(*servers) as pair:
        yield pair


@pytest.fixture
async def client(pair: RedisPair) -> AsyncIterator[BatchingRedis]:
    async with connect(pair.url) as client:
        yield client


async def write_command(client: BatchingRedis) -> None:
    await client.set("k", "new")


async def write_in_script(client: BatchingRedis) -> None:
    await client.eval("return redis.call('SET', KEYS[1], 'new')", 1, "k")


async def write_in_bulk(client: BatchingRedis) -> None:
    (reply,) = await client.execute_many([("SET", "k", "new")])
    if isinstance(reply, Exception):
        raise reply


async def write_in_pipeline(client: BatchingRedis) -> None:
    pipe: Any = client.pipeline(transaction=False)
    await pipe.set("k", "new").execute()


async def write_in_transaction(client: BatchingRedis) -> None:
    pipe: Any = client.pipeline(transaction=True)
    await pipe.set("k", "new").execute()


WRITES = [
    write_command,
    write_in_script,
    write_in_bulk,
    write_in_pipeline,
    write_in_transaction,
]


@pytest.mark.parametrize("write", WRITES)
async def test_a_refused_write_reaches_the_new_primary_when_repeated(
    write: Callable[[BatchingRedis], Awaitable[None]], client: BatchingRedis, pair: RedisPair
) -> None:
    await write(client)
    await pair.fail_over()
    with pytest.raises(ResponseError, match=r"READONLY|read only replica"):
        await write(client)
    await write(client)
    async with Redis.from_url(pair.primary.url) as redis:
        assert await redis.get("k") == b"new"


async def test_one_refusal_outdates_every_connection_of_the_pool(
    client: BatchingRedis, pair: RedisPair
) -> None:
    """Those that only read would get old values for ever."""
    pipes: list[Any] = [client.pipeline(transaction=False).client_id() for _ in range(8)]
    await asyncio.gather(*(pipe.execute() for pipe in pipes))
    await pair.fail_over()
    with pytest.raises(ReadOnlyError):
        await client.set("k", "v")
    ports: list[Any] = [client.pipeline(transaction=False).config_get("port") for _ in range(8)]
    replies = await asyncio.gather(*(pipe.execute() for pipe in ports))
    assert {reply[0]["port"] for reply in replies} == {str(pair.primary.port)}


async def test_a_subscription_moves_to_the_new_primary(
    client: BatchingRedis, pair: RedisPair
) -> None:
    await client.set("k", "v")
    subscription: Any = client.pubsub()
    await subscription.subscribe("news")
    assert (await subscription.get_message(timeout=5))["type"] == "subscribe"
    reading = asyncio.create_task(subscription.get_message(timeout=None))
    await asyncio.sleep(0)
    await pair.fail_over()
    with pytest.raises(ReadOnlyError):
        await client.set("k", "v")
    with pytest.raises(RedisConnectionError):
        await reading
    assert (await subscription.get_message(timeout=5))["type"] == "subscribe"
    async with Redis.from_url(pair.primary.url) as redis:
        assert await redis.publish("news", "hello") == 1
    assert (await subscription.get_message(timeout=5))["data"] == b"hello"
    await subscription.aclose()


async def test_a_connection_that_only_reads_leaves_a_demoted_server(
    client: BatchingRedis, pair: RedisPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is refused, so the role is verified from time to time, under load as well."""
    monkeypatch.setattr("redis_batching.primary_connection.VERIFY_SECONDS", 0.02)
    await client.get("k")
    await pair.fail_over(read_only=False)

    async def reads_from_the_new_primary() -> bool:
        return bool((await client.config_get("port"))["port"] == str(pair.primary.port))

    await eventually(reads_from_the_new_primary)


async def test_a_caller_that_notices_a_replica_leaves_it_with_its_next_command(
    client: BatchingRedis, pair: RedisPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if an idle worker still has a connection to it."""
    monkeypatch.setattr("redis_batching.client.IDLE_SECONDS", 60.0)
    await client.get("k")
    await pair.fail_over()
    assert (await client.info("replication"))["role"] == "slave"
    client.leave_replica()
    assert (await client.info("replication"))["role"] == "master"


async def test_a_replica_is_refused_unless_the_caller_allows_it(pair: RedisPair) -> None:
    pair.name.target = pair.replica.port
    async with connect(pair.url) as client:
        with pytest.raises(NotPrimary, match="is a replica"):
            await client.get("k")
        pipe: Any = client.pipeline()
        with pytest.raises(NotPrimary):
            await pipe.get("k").execute()
        with pytest.raises(NotPrimary):
            await client.pubsub().subscribe("news")
        pair.name.target = pair.primary.port
        assert await client.get("k") is None
    pair.name.target = pair.replica.port
    async with connect(pair.url, allow_replica=True) as client:
        assert await client.get("k") is None


@pytest.mark.parametrize(
    "text",
    [
        "READONLY You can't write against a read only replica.",
        "ERR Error running script (call to f_1): @user_script: 1: -READONLY You can't",
        "READONLY You can't write against a read only replica. script: 1, on @user_script:1.",
        "EXECABORT Transaction discarded because of: READONLY You can't write.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "LOADING Redis is loading the dataset in memory",
        "UNBLOCKED force unblock from blocking operation, instance state changed",
    ],
)
def test_each_form_of_refusal_is_recognised(text: str) -> None:
    assert is_refusal_of_replica(text)


@pytest.mark.parametrize(
    "text",
    [
        "OOM command not allowed when used memory > 'maxmemory'.",
        "NOSCRIPT No matching script.",
        "ERR unknown command 'x', with args beginning with: '-READONLY '",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    ],
)
def test_other_errors_are_not_taken_for_a_failover(text: str) -> None:
    assert not is_refusal_of_replica(text)


async def _first_use(client: BatchingRedis) -> None:
    assert await client.incr("count") == 2


async def _first_use_in_bulk(client: BatchingRedis) -> None:
    assert await client.execute_many([("INCR", "count")]) == [2]


async def _first_use_in_pipeline(client: BatchingRedis) -> None:
    pipe: Any = client.pipeline(transaction=True)
    assert await pipe.incr("count").execute() == [2]


@pytest.mark.parametrize("idle_seconds", [0.0, 5.0])
@pytest.mark.parametrize("use", [_first_use, _first_use_in_bulk, _first_use_in_pipeline])
async def test_the_first_command_after_the_server_closed_idle_connections_succeeds(
    use: Callable[[BatchingRedis], Awaitable[None]],
    idle_seconds: float,
    client: BatchingRedis,
    pair: RedisPair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the pool, and in the hands of an idle worker; the command is executed once."""
    monkeypatch.setattr("redis_batching.client.IDLE_SECONDS", idle_seconds)
    await client.set("count", 1)
    pipe: Any = client.pipeline(transaction=False)
    await pipe.get("count").execute()
    opened = pair.name.opened
    async with Redis.from_url(pair.primary.url) as redis:
        await redis.client_kill_filter(_type="normal", skipme=True)
    await eventually(lambda: _no_client_left(pair.primary))
    await use(client)
    assert pair.name.opened > opened


async def _no_client_left(server: RedisServer) -> bool:
    async with Redis.from_url(server.url) as redis:
        return len(await redis.client_list(_type="normal")) == 1
