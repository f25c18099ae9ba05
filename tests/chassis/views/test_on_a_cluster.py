"""Read models on a cluster: projection and rebuild use every shard, also while one fails over."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import RedisError

from chassis.log.event_store import History
from chassis.log.memory import MemoryEventStore
from chassis.views.inspection import Inspection
from chassis.views.keys import document_key
from chassis.views.projector import Projector
from chassis.views.rebuild.run import Rebuilder
from chassis.views.rebuild.watch import ReadModelWatcher
from redis_batching import BatchingRedis, connect
from tests.chassis.appending import append
from tests.chassis.events import Counted, Named
from tests.chassis.models import COUNTERS, MODELS, SERVICE
from tests.support.eventually import eventually
from tests.support.redis_cluster import RedisCluster

pytestmark = pytest.mark.stack

Event = Counted | Named
STREAMS = [f"counter-{number}" for number in range(40)]


@pytest.fixture
async def redis(cluster: RedisCluster) -> AsyncIterator[BatchingRedis]:
    async with connect(cluster.url) as client:
        await client.flushall()
        yield client


async def verified(projector: Projector[Event]) -> bool:
    """Return whether every served read model equals the fold of the log."""
    inspection = Inspection(projector)
    served = await inspection.served()
    reports = [await inspection.verify(name, number) for name, number in served.items()]
    return len(reports) == len(MODELS) and all(report.matches for report in reports)


async def test_documents_are_spread_over_all_shards_and_retired_on_each(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    for stream in STREAMS:
        await append(memory_store, stream, Counted(by=1), Named(name=stream))
    await ReadModelWatcher(projector).rebuild_needed()
    assert await verified(projector)
    holders = [await redis.node_for(document_key(SERVICE, COUNTERS.name, 1, s)) for s in STREAMS]
    assert len(set(holders)) == 3
    for _ in range(2):
        await Rebuilder(projector).rebuild(COUNTERS.name)
    left = [key async for key in redis.scan_iter(match=f"{SERVICE}:{{{COUNTERS.name}:1*")]
    assert left == []


async def test_read_models_equal_the_log_after_a_shard_failed_over_under_load(
    redis: Any, cluster: RedisCluster, memory_store: MemoryEventStore[Event]
) -> None:
    """A projection that meets the failover is repeated, as the services do in an outage."""
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    await ReadModelWatcher(projector).rebuild_needed()
    projected: set[str] = set()
    outages: list[Exception] = []

    async def load(streams: list[str]) -> None:
        for turn in range(3):
            for stream in streams:
                await append(memory_store, stream, Counted(by=turn))
                history = await memory_store.load(stream)
                while not await project(history):  # noqa: ASYNC110  the shard recovers elsewhere
                    await asyncio.sleep(0.02)
                projected.add(stream)

    async def project(history: History[Event]) -> bool:
        try:
            await projector.project(history)
        except (RedisError, OSError) as error:
            outages.append(error)
            return False
        return True

    loads = [asyncio.create_task(load(STREAMS[part::4])) for part in range(4)]
    await eventually(lambda: _at_least(projected, 4))
    primary = await cluster.primary_of(document_key(SERVICE, COUNTERS.name, 1, STREAMS[0]))
    replica = await cluster.replica_of(primary)
    await cluster.promote(replica)  # the old primary waits until its replica has everything
    await primary.kill()
    await asyncio.gather(*loads)
    assert await verified(projector)
    await primary.start()


async def _at_least(projected: set[str], count: int) -> bool:
    return len(projected) >= count
