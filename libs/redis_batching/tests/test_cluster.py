"""A cluster is served like a single server: the client finds the node of each command."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.crc import key_slot
from redis.exceptions import ClusterCrossSlotError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from redis_batching import BatchingRedis, connect
from redis_batching.cluster import Cluster, parse_slots
from redis_batching.routing import slot_of
from tests.support.eventually import eventually
from tests.support.redis_cluster import RedisCluster, redis_cluster

pytestmark = pytest.mark.stack

KEYS = [f"key-{number}" for number in range(300)]


@pytest.fixture
async def client(cluster: RedisCluster) -> AsyncIterator[BatchingRedis]:
    async with connect(cluster.url) as client:
        await client.flushall()
        yield client


async def test_every_caller_gets_its_own_reply_whichever_node_sends_it(
    client: BatchingRedis,
) -> None:
    await asyncio.gather(*(client.set(key, key) for key in KEYS))
    replies = await asyncio.gather(*(client.get(key) for key in KEYS))
    assert replies == [key.encode() for key in KEYS]
    assert await client.dbsize() == len(KEYS)
    assert len(await client.primaries()) == 3


async def test_many_commands_return_their_replies_in_order(client: BatchingRedis) -> None:
    await client.execute_many([("SET", key, key) for key in KEYS])
    *values, error = await client.execute_many(
        [*(("GET", key) for key in KEYS), ("HGET", KEYS[0], "f")]
    )
    assert list(values) == [key.encode() for key in KEYS]
    assert isinstance(error, ResponseError)


async def test_a_pipeline_spreads_its_commands_and_parses_their_replies(
    client: BatchingRedis,
) -> None:
    pipe: Any = client.pipeline(transaction=False)
    for key in KEYS:
        pipe.zadd(key, {"a": 1.5}).zrange(key, 0, -1, withscores=True)
    replies = await pipe.execute()
    assert replies == [1, [[b"a", 1.5]]] * len(KEYS) or replies == [1, [(b"a", 1.5)]] * len(KEYS)
    pipe.incr(KEYS[0])
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await pipe.execute()


async def test_a_transaction_is_executed_on_the_node_of_its_slot(client: BatchingRedis) -> None:
    for key in KEYS[:20]:
        pipe: Any = client.pipeline(transaction=True)
        pipe.set(f"a:{{{key}}}", 1).incr(f"a:{{{key}}}").get(f"b:{{{key}}}")
        assert await pipe.execute() == [True, 2, None]
    pipe = client.pipeline(transaction=True).set(KEYS[0], 1)
    with pytest.raises(ClusterCrossSlotError):
        await pipe.set(KEYS[1], 1).execute()


async def test_a_key_and_the_facts_of_its_node_are_read_in_one_transaction(
    client: BatchingRedis, cluster: RedisCluster
) -> None:
    for key in KEYS[:10]:
        pipe: Any = (await client.node_for(key)).pipeline(transaction=True)
        value, facts = await pipe.get(key).info("server").execute()
        assert value is None
        assert facts["tcp_port"] == (await cluster.primary_of(key)).port


async def test_a_scan_visits_every_node(client: BatchingRedis) -> None:
    await asyncio.gather(*(client.set(key, 1) for key in KEYS))
    assert {key async for key in client.scan_iter(match="key-*")} == {k.encode() for k in KEYS}
    assert sorted(await client.keys("key-*")) == sorted(key.encode() for key in KEYS)


async def test_scripts_run_on_the_node_of_their_keys(client: BatchingRedis) -> None:
    text = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
    script: Any = client.register_script(text)
    assert await asyncio.gather(*(script([key], [2]) for key in KEYS)) == [2] * len(KEYS)
    await client.script_flush()
    sha = await client.script_load(text)
    calls: list[Any] = [client.evalsha(sha, 1, key, 1) for key in KEYS]
    assert await asyncio.gather(*calls) == [3] * len(KEYS)
    assert await client.eval("return 7", 0) == 7
    with pytest.raises(ClusterCrossSlotError):
        await client.mget(KEYS[0], KEYS[1])


async def test_a_message_reaches_subscribers_whichever_nodes_they_use(
    client: BatchingRedis,
) -> None:
    subscriptions: list[Any] = [client.pubsub() for _ in range(6)]
    for subscription in subscriptions:
        await subscription.subscribe("news")
        assert (await subscription.get_message(timeout=5))["type"] == "subscribe"
    await client.publish("news", "hello")
    for subscription in subscriptions:
        assert (await subscription.get_message(timeout=5))["data"] == b"hello"
        await subscription.aclose()


async def test_a_command_follows_a_slot_to_its_new_node(
    client: BatchingRedis, cluster: RedisCluster
) -> None:
    key = "{moving}:1"
    assert await client.get(key) is None
    old = await cluster.primary_of(key)
    new = next(s for s in await cluster.primaries() if s is not old)
    await cluster.move_slot(key, new)
    try:
        assert await client.set(key, "v")
        assert (await client.execute_many([("GET", key)])) == [b"v"]
        pipe: Any = client.pipeline(transaction=True)
        assert await pipe.get(key).execute() == [b"v"]
        await eventually(lambda: _is_known_at(client, key, new.port))
    finally:
        await client.delete(key)
        await cluster.move_slot(key, old)


async def _is_known_at(client: BatchingRedis, key: str, port: int) -> bool:
    """Look after a command: the topology may have come from a replica that lags behind."""
    await client.get(key)
    return bool((await (await client.node_for(key)).info("server"))["tcp_port"] == port)


async def test_a_stale_topology_is_corrected_for_every_kind_of_call(
    client: BatchingRedis, cluster: RedisCluster
) -> None:
    key = "{moving}:2"
    old = await cluster.primary_of(key)
    new = next(s for s in await cluster.primaries() if s is not old)
    for call in ("many", "transaction", "pipeline"):
        assert await client.get(key) is None
        await cluster.move_slot(key, new)
        pipe: Any = client.pipeline(transaction=call == "transaction")
        if call == "many":
            assert await client.execute_many([("SET", key, 1), ("GET", key)]) == [True, b"1"]
        else:
            assert await pipe.set(key, 1).get(key).execute() == [True, b"1"]
        await client.delete(key)
        old, new = new, old


async def test_a_key_of_a_migrating_slot_is_looked_for_on_both_nodes(
    client: BatchingRedis, cluster: RedisCluster
) -> None:
    here, there = "{migrating}:here", "{migrating}:there"
    await client.set(here, "old node")
    old = await cluster.primary_of(here)
    new = next(s for s in await cluster.primaries() if s is not old)
    await cluster.begin_to_move_slot(here, new)
    try:
        assert await client.set(there, "new node")  # ASK
        values: Any = await asyncio.gather(client.get(here), client.get(there))
        assert list(values) == [
            b"old node",
            b"new node",
        ]
        assert await client.execute_many([("GET", there), ("GET", here)]) == [
            b"new node",
            b"old node",
        ]
        with pytest.raises(ResponseError, match=r"TRYAGAIN|Multiple keys"):
            await client.mget(here, there)
    finally:
        await cluster.settle_slot(here)
        await (await client.node_for(here)).delete(here)


async def test_a_cluster_of_one_shard_is_served(tmp_path: Any) -> None:
    async with redis_cluster(tmp_path, shards=1) as single, connect(single.url) as client:
        await asyncio.gather(*(client.set(key, key) for key in KEYS))
        assert await client.get(KEYS[7]) == KEYS[7].encode()
        assert len(await client.primaries()) == 1


async def test_a_node_is_used_directly_and_for_routed_commands_in_one_tick(
    client: BatchingRedis,
) -> None:
    for key in KEYS:
        await client.set(key, "v")
        node = await client.node_for(key)
        calls: list[Any] = [client.get(key), node.get(key)]
        assert await asyncio.gather(*calls) == [b"v", b"v"]


async def test_closing_waits_for_commands_that_are_looking_for_their_nodes(
    cluster: RedisCluster,
) -> None:
    client = connect(cluster.url)
    calls: list[Any] = [client.set(key, "v") for key in KEYS]
    await client.aclose()
    assert all(call.done() and call.result() for call in calls)


async def test_closing_gives_up_commands_that_find_no_node(
    cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_cluster: Cluster) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("redis_batching.cluster.CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(Cluster, "refresh", hang)
    client = connect(cluster.url)
    calls: list[Any] = [client.get("k"), client.dbsize(), client.echo("v")]
    await client.router()
    await client.aclose()
    for reply in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(reply, RedisConnectionError)


async def test_a_url_may_lead_to_a_replica(cluster: RedisCluster) -> None:
    """The name of a cluster leads to any of its nodes."""
    replica = await cluster.replica_of(await cluster.primary_of(KEYS[0]))
    async with connect(replica.url) as client:
        assert await client.set(KEYS[0], "v")
        assert await client.get(KEYS[0]) == b"v"
    async with connect(replica.url) as client:
        pipe: Any = client.pipeline(transaction=True)
        assert await pipe.set(KEYS[0], "w").get(KEYS[0]).execute() == [True, b"w"]
    async with connect(replica.url) as client:
        subscription: Any = client.pubsub()
        await subscription.subscribe("news")
        assert (await subscription.get_message(timeout=5))["type"] == "subscribe"
        await subscription.aclose()
    async with connect(replica.url) as client:
        assert len(await client.primaries()) == 3


async def test_the_first_commands_of_a_process_may_be_of_any_kind(cluster: RedisCluster) -> None:
    """What the server is becomes known with the first connection."""
    async with connect(cluster.url) as client:
        assert await client.execute_many([("SET", key, key) for key in KEYS]) == [True] * len(KEYS)
    async with connect(cluster.url) as client:
        pipe: Any = client.pipeline(transaction=True)
        assert await pipe.get(KEYS[0]).execute() == [KEYS[0].encode()]
    async with connect(cluster.url) as client:
        subscription: Any = client.pubsub()
        await subscription.subscribe("news")
        assert (await subscription.get_message(timeout=5))["type"] == "subscribe"
        await subscription.aclose()
    async with connect(cluster.url) as client:
        calls: list[Any] = [client.get(key) for key in KEYS]
        assert await asyncio.gather(*calls) == [key.encode() for key in KEYS]


@pytest.mark.parametrize("how", ["asked", "killed"])
async def test_service_resumes_after_a_replica_was_promoted_under_load(
    how: str, client: BatchingRedis, cluster: RedisCluster
) -> None:
    """No caller gets the reply of another one, and what fails is an outage."""
    seen: dict[str, int] = {}
    errors: list[Exception] = []
    stop = asyncio.Event()

    async def count(key: str) -> None:
        while not stop.is_set():
            try:
                tag, value = await client.eval(
                    "return {ARGV[1], redis.call('INCR', KEYS[1])}", 1, key, key
                )
                assert tag == key.encode()
                seen[key] = value
            except (RedisError, OSError) as error:
                errors.append(error)
                await asyncio.sleep(0.01)

    callers = [asyncio.create_task(count(f"counter-{number}")) for number in range(60)]
    try:
        await eventually(lambda: _counted(seen, {}, 60))
        old = await cluster.primary_of("counter-0")
        replica = await cluster.replica_of(old)
        if how == "killed":
            await old.kill()
        await cluster.promote(replica, *(["TAKEOVER"] if how == "killed" else []))
        before = dict(seen)
        await eventually(lambda: _counted(seen, before, 60))
    finally:
        stop.set()
        await asyncio.gather(*callers)
    assert len(await client.primaries()) == 3
    if how == "asked":  # the old primary waits until its replica has everything
        values: list[Any] = await asyncio.gather(*(client.get(key) for key in seen))
        assert all(int(v) >= known for v, known in zip(values, seen.values(), strict=True))
    else:
        await old.start()
        assert await cluster.replica_of(replica) is old


async def test_a_subscription_can_be_made_again_when_its_node_dies(
    client: BatchingRedis, cluster: RedisCluster
) -> None:
    subscription: Any = client.pubsub()
    await subscription.subscribe("news")
    assert (await subscription.get_message(timeout=5))["type"] == "subscribe"
    node = next(s for s in cluster.servers if s.port == subscription.connection.port)
    replica = await cluster.replica_of(node)
    await node.kill()
    with pytest.raises(RedisError):
        await subscription.get_message(timeout=None)
    await subscription.aclose()
    await cluster.promote(replica, "TAKEOVER")
    again: Any = client.pubsub()
    await again.subscribe("news")
    assert (await again.get_message(timeout=5))["type"] == "subscribe"
    await again.aclose()
    await node.start()


async def _counted(seen: dict[str, int], before: dict[str, int], count: int) -> bool:
    return len(seen) == count and all(seen[key] != before.get(key) for key in seen)


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "a"), "a"),
        (("get", b"a"), "a"),
        (("HSET", "{b}:1", "f", "v"), "b"),
        (("SET", "{}c", 1), "{}c"),
        (("EVALSHA", "0" * 40, 1, "{d}:x", "y"), "d"),
        (("eval", "return 1", "2", "e", "e"), "e"),
        (("OBJECT", "ENCODING", "f"), "f"),
        (("OBJECT ENCODING", "f"), "f"),
        (("MEMORY USAGE", "f"), "f"),
        (("XREAD", "COUNT", 1, "STREAMS", "g", "0"), "g"),
        (("XGROUP CREATE", "g", "x", "0"), "g"),
        (("INCRBY", 7, 1), "7"),
        (("PUBLISH", "channel", "message"), "channel"),  # keeps the order of messages
    ],
)
def test_a_command_belongs_to_the_slot_of_its_first_key(command: tuple[Any, ...], key: str) -> None:
    assert slot_of(command) == key_slot(key.encode())


@pytest.mark.parametrize(
    "command",
    [
        ("PING",),
        ("info", "server"),
        ("SCRIPT LOAD", "return 1"),
        ("CONFIG GET", "port"),
        ("EVAL", "return 1", 0),
        ("CLUSTER", "SLOTS"),
    ],
)
def test_a_command_without_a_key_belongs_to_no_slot(command: tuple[Any, ...]) -> None:
    assert slot_of(command) is None


def test_a_node_that_does_not_know_its_host_is_where_it_was_asked() -> None:
    reply = [[0, 100, [b"", 7000, b"id"], [b"10.0.0.2", 7001, b"id", []]], [101, 200, [None, 1]]]
    assert parse_slots(reply, "10.0.0.1") == [
        (0, 100, ("10.0.0.1", 7000), [("10.0.0.2", 7001)]),
        (101, 200, ("10.0.0.1", 1), []),
    ]
