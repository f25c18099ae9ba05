"""Read models equal the log again after Redis lost or rolled back data; readers never miss."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis.log.memory import MemoryEventStore
from chassis.resilience.outage import retry_through_outage
from chassis.views.backlog import Backlog
from chassis.views.boards import Boards
from chassis.views.identity import EvictionPolicy, VerifiedNodes, identities
from chassis.views.inspection import Inspection
from chassis.views.keys import board_key, control_key, generations_prefix, verified_key
from chassis.views.projection import ReadModel
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels, ReadModelsLost
from chassis.views.rebuild.recovery import Recovery
from chassis.views.rebuild.repair import Repair
from chassis.views.rebuild.watch import ReadModelWatcher
from redis_batching.connection import connect
from tests.chassis.appending import append
from tests.chassis.events import Counted, Named
from tests.chassis.models import (
    COUNTER_VIEWS,
    COUNTERS,
    MODELS,
    NAME_OWNERS,
    SERVICE,
    fold_log,
    read,
    serve,
)
from tests.chassis.views.test_boards import ORDER, ORDER_BOARDS
from tests.support.eventually import eventually
from tests.support.failover import Copy
from tests.support.redis_cluster import redis_cluster
from tests.support.redis_pair import paired, two_servers
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.stack

Event = Counted | Named
Store = MemoryEventStore[Event]
ALL = (*MODELS, ORDER)


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Any]:
    """A Redis of its own: a failover changes the identity of the server."""
    client = connect(redis_server.url)
    await client.flushall()
    await client.config_set("maxmemory-policy", "noeviction")
    yield client
    await client.config_set("maxmemory", 0)
    await client.config_set("maxmemory-policy", "noeviction")
    await client.aclose()


Watch = Callable[..., ReadModelWatcher[Event]]


@pytest.fixture
def watch(redis: Any, memory_store: Store) -> Watch:
    """Make the watcher of an instance."""

    def make(models: tuple[ReadModel[Event], ...] = ALL) -> ReadModelWatcher[Event]:
        return ReadModelWatcher(Projector(redis, memory_store, SERVICE, models))

    return make


async def look(watcher: ReadModelWatcher[Event]) -> None:
    """Do what the watcher does each second."""
    with contextlib.suppress(EvictionPolicy):
        await watcher.recovery.look()
    await watcher.look()


async def project(
    watcher: ReadModelWatcher[Event], stream: str, *events: Event, store: Store
) -> None:
    await watcher.projector.project(await append(store, stream, *events))


async def served(redis: Any, name: str) -> int:
    return int((await redis.hget(control_key(SERVICE), name)).partition(b".")[0])


async def assert_equal_to_log(watcher: ReadModelWatcher[Event]) -> None:
    inspection = Inspection(watcher.projector)
    for name, generation in (await inspection.served()).items():
        parity = await inspection.verify(name, generation)
        assert parity.matches, parity


async def fill_memory(redis: Any) -> None:
    """Let each node evict keys, according to its policy."""
    for node in await redis.primaries():
        used = (await node.info("memory"))["used_memory"]
        await node.config_set("maxmemory", used - 10_000)
        keys = (f"other-{number}" for number in count())
        while await redis.node_for(key := next(keys)) is not node:
            pass
        await redis.set(key, "x" * 1_000)
        await node.config_set("maxmemory", 0)
        assert (await node.info("stats"))["evicted_keys"] > 0


async def test_an_absent_value_is_absent_once_the_node_is_verified(
    redis: Any, watch: Watch
) -> None:
    await look(watch())
    reader = ReadModels(redis)
    assert await reader.document(COUNTER_VIEWS, "counter-x") is None
    assert await reader.entry(NAME_OWNERS, "x") is None
    page = await Boards(reader, ORDER_BOARDS).page("all", member="counter-x", limit=9)
    assert (page.total, page.member_score) == (0, None)
    assert await Boards(reader, ORDER_BOARDS).view("counter-x") is None


async def test_after_a_failover_an_absent_value_is_unknown(
    redis: Any, watch: Watch, memory_store: Store
) -> None:
    """The value was stored, acknowledged to a client, and the replica does not have it."""
    watcher = watch()
    await look(watcher)
    await project(watcher, "counter-old", Counted(by=1), store=memory_store)
    copy = await Copy.of(redis)
    await project(watcher, "counter-new", Counted(by=1), Named(name="n"), store=memory_store)
    await copy.take_over()
    reader = ReadModels(redis)
    boards = Boards(reader, ORDER_BOARDS)
    assert await reader.document(COUNTER_VIEWS, "counter-old")  # what is there is served
    for lookup in (
        reader.document(COUNTER_VIEWS, "counter-new"),
        reader.entry(NAME_OWNERS, "n"),
        boards.page("all", member="counter-new"),
        boards.page("even", limit=9),
        boards.view("counter-new"),
    ):
        with pytest.raises(ReadModelsLost):
            await lookup
    await look(watcher)
    assert await reader.document(COUNTER_VIEWS, "counter-new")
    assert await reader.entry(NAME_OWNERS, "n") == "taken"
    assert (await boards.page("all", member="counter-new")).member_score == 1.5
    assert (await boards.page("even", limit=9)).total == 0  # and this is known again
    await assert_equal_to_log(watcher)


async def test_a_prefetched_document_is_not_absent_after_a_failover(
    redis: Any, watch: Watch, memory_store: Store
) -> None:
    watcher = watch()
    await look(watcher)
    copy = await Copy.of(redis)
    await project(watcher, "counter-new", Counted(by=1), store=memory_store)
    reader = ReadModels(redis)
    assert await reader.served(COUNTER_VIEWS)
    await copy.take_over()
    prefetched = reader.prefetch(COUNTER_VIEWS, "counter-new")
    with pytest.raises(ReadModelsLost):
        await reader.document(COUNTER_VIEWS, "counter-new", prefetched)


async def test_each_instance_repairs_the_streams_that_it_projected(
    redis: Any, watch: Watch, memory_store: Store
) -> None:
    """An instance may have written to the old primary after another one had swept the new one."""
    first, second = watch(), watch()
    await look(first)
    await look(second)
    copy = await Copy.of(redis)
    await copy.take_over()
    await look(first)
    first_copy = await Copy.of(redis)
    await project(second, "counter-late", Counted(by=1), store=memory_store)
    for key in set(await redis.keys("*")) - first_copy.keys:
        await redis.delete(key)  # it was written to the old primary
    await look(first)
    assert all([await redis.exists(key) for key in first_copy.keys])
    await look(second)
    assert (await read(redis, "counter-late")) == await fold_log(memory_store, "counter-late")


async def test_an_instance_that_projected_nothing_repairs_every_stream(
    redis: Any, watch: Watch, memory_store: Store
) -> None:
    writer = watch()
    await look(writer)
    copy = await Copy.of(redis)
    for number in range(300):
        stream = f"counter-{number}"
        await project(writer, stream, Counted(by=number), Named(name=stream), store=memory_store)
    await copy.take_over()
    other = watch()
    await look(other)
    await assert_equal_to_log(other)


async def test_a_stream_is_loaded_once_for_all_read_models_that_lack_it(
    redis: Any, watch: Watch, memory_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading it for each of them took most of the time of a repair."""
    watcher = watch()
    await look(watcher)
    copy = await Copy.of(redis)
    for number in range(20):
        stream = f"counter-{number}"
        await project(watcher, stream, Counted(by=2), Named(name=stream), store=memory_store)
    await copy.take_over()
    loaded: list[str] = []
    load = MemoryEventStore.load

    async def counting(self: Store, stream: str, **options: Any) -> Any:
        loaded.append(stream)
        return await load(self, stream, **options)

    monkeypatch.setattr(MemoryEventStore, "load", counting)
    assert (await Repair(watcher.projector).recent()).repaired == 20 * len(ALL)
    assert sorted(loaded) == sorted(f"counter-{number}" for number in range(20))
    monkeypatch.undo()
    await look(watcher)
    await assert_equal_to_log(watcher)


async def test_a_second_failover_during_the_repair_is_repaired_as_well(
    redis: Any, watch: Watch, memory_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = watch()
    await look(watcher)
    copy = await Copy.of(redis)
    await project(watcher, "counter-new", Counted(by=1), store=memory_store)
    await copy.take_over()
    repair = Repair.all_heads

    async def fail_over_again(self: Repair[Event]) -> Any:
        counts = await repair(self)
        await copy.take_over()
        return counts

    monkeypatch.setattr(Repair, "all_heads", fail_over_again)
    await look(watcher)
    with pytest.raises(ReadModelsLost):
        await ReadModels(redis).document(COUNTER_VIEWS, "counter-new")
    monkeypatch.undo()
    await look(watcher)
    await assert_equal_to_log(watcher)
    assert await ReadModels(redis).document(COUNTER_VIEWS, "counter-none") is None


async def test_a_node_that_returns_is_verified_again(
    redis: Any, watch: Watch, memory_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network partition: clients go to another primary and back, and the first one kept all."""
    watcher = watch()
    await look(watcher)
    nodes = await identities(redis)
    other = [replace(node, run_id="other") for node in nodes]
    await append(memory_store, "counter-a", Counted(by=1))  # projected on the other one

    async def other_identities(_redis: Any) -> Any:
        return other

    monkeypatch.setattr("chassis.views.rebuild.recovery.identities", other_identities)
    await look(watcher)
    for node in nodes:
        await redis.hset(verified_key(SERVICE), node.key, node.evicted_keys)
    for key in await redis.keys("*counter*"):
        await redis.delete(key)
    monkeypatch.undo()
    await look(watcher)
    assert await read(redis, "counter-a") == await fold_log(memory_store, "counter-a")


async def test_read_models_of_another_fold_version_are_repaired_by_its_instances(
    redis: Any, watch: Watch, memory_store: Store
) -> None:
    old = watch()
    await look(old)
    newer = watch((replace(COUNTERS, version=2),))
    copy = await Copy.of(redis)
    await project(old, "counter-a", Counted(by=1), store=memory_store)
    await copy.take_over()
    await newer.recovery.look()
    with pytest.raises(ReadModelsLost):
        await ReadModels(redis).document(COUNTER_VIEWS, "counter-b")
    assert await Backlog(old.projector).project_pending() == 1
    assert await read(redis, "counter-a") == await fold_log(memory_store, "counter-a")


async def test_without_an_owner_that_verifies_an_absent_value_is_absent(redis: Any) -> None:
    """The owner is a build from before nodes were verified."""
    await serve(redis, counters=1)
    assert await ReadModels(redis).document(COUNTER_VIEWS, "counter-a") is None


async def use_often(redis: Any, *, but: str) -> None:
    """Read all keys that do not match a pattern, so that Redis evicts those that do before them."""
    rare = {key async for key in redis.scan_iter(match=but)}
    often = [("TOUCH", key) async for key in redis.scan_iter() if key not in rare]
    await redis.execute_many(often * 300)


async def test_evicted_read_models_are_rebuilt(
    redis: Any, watch: Watch, memory_store: Store
) -> None:
    watcher = watch()
    await look(watcher)
    for number in range(200):
        await project(watcher, f"counter-{number}", Counted(by=number), store=memory_store)
    await look(watcher)
    await redis.config_set("maxmemory-policy", "allkeys-lfu")
    await redis.config_set("maxmemory-samples", 64)
    await use_often(redis, but=f"{generations_prefix(SERVICE, COUNTERS.name)}*")
    await fill_memory(redis)
    await redis.config_set("maxmemory-samples", 5)
    reader = ReadModels(redis)

    async def absent() -> list[int]:
        found = []
        for number in range(200):
            try:
                if await reader.document(COUNTER_VIEWS, f"counter-{number}") is None:
                    found.append(number)
            except ReadModelsLost:
                pass
        return found

    assert await absent() == []
    with pytest.raises(EvictionPolicy, match="allkeys-lfu"):
        await watcher.recovery.look()
    await watcher.look()
    assert await absent() == []
    await assert_equal_to_log(watcher)
    assert await reader.document(COUNTER_VIEWS, "counter-none") is None
    await redis.config_set("maxmemory-policy", "noeviction")
    await watcher.recovery.look()


async def test_evictions_that_go_on_are_not_answered_by_rebuild_after_rebuild(
    redis: Any, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = watch()
    await look(watcher)
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    evicted = 0

    async def evicting(_redis: Any) -> Any:
        nonlocal evicted
        evicted += 1
        return [replace(node, evicted_keys=evicted) for node in await identities(redis)]

    monkeypatch.setattr("chassis.views.rebuild.recovery.identities", evicting)
    before = await served(redis, "counters")
    for _ in range(20):
        await look(watcher)
    assert await served(redis, "counters") == before + 1
    with pytest.raises(ReadModelsLost):
        await ReadModels(redis).document(COUNTER_VIEWS, "counter-none")


async def test_evicted_keys_with_a_time_to_live_are_no_loss(redis: Any, watch: Watch) -> None:
    watcher = watch()
    await look(watcher)
    await redis.config_set("maxmemory-policy", "volatile-ttl")
    for number in range(300):
        await redis.set(f"outcome-{number}", "x" * 1000, ex=1000)
    await fill_memory(redis)
    reader = ReadModels(redis)
    assert await reader.document(COUNTER_VIEWS, "counter-none") is None
    before = await served(redis, "counters")
    await look(watcher)
    assert await served(redis, "counters") == before
    assert await reader.document(COUNTER_VIEWS, "counter-none") is None
    nodes = await identities(redis)
    verified = await VerifiedNodes(redis, SERVICE).read()
    assert [verified.evicted_keys(node) for node in nodes] == [n.evicted_keys for n in nodes]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("names", "versions"),
        ("names", "entries"),
        ("order", "versions"),
        ("order", "entries"),
        ("order", "board"),
    ],
)
async def test_a_shared_read_model_that_lost_one_key_is_rebuilt(
    redis: Any, watch: Watch, memory_store: Store, name: str, part: str
) -> None:
    watcher = watch()
    await look(watcher)
    for number in range(30):
        stream = f"counter-{number}"
        await project(watcher, stream, Counted(by=2), Named(name=stream), store=memory_store)
    await look(watcher)
    target = watcher.projector.target(name, await served(redis, name))
    assert target is not None
    location = target.location("")
    key = location.version_key if part == "versions" else location.data_key
    await redis.delete(board_key(key, "even") if part == "board" else key)
    for _ in range(61):
        await look(watcher)
    await assert_equal_to_log(watcher)


async def test_an_index_whose_entries_were_all_removed_is_complete(
    redis: Any, watch: Watch, memory_store: Store
) -> None:
    watcher = watch()
    await look(watcher)
    await project(watcher, "counter-a", Counted(by=2), store=memory_store)
    target = watcher.projector.target("names", await served(redis, "names"))
    assert target is not None
    await redis.hset(target.location("").data_key, "transient", "x")
    await look(watcher)
    await redis.hdel(target.location("").data_key, "transient")
    before = await served(redis, "names")
    await look(watcher)
    assert await served(redis, "names") == before


@dataclass
class Stress:
    """Writers, readers and failovers at the same time."""

    redis: Any
    store: Store
    chance: random.Random
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    stored: list[str] = field(default_factory=list)
    """Names whose projection has been acknowledged."""
    false_absences: list[str] = field(default_factory=list)
    answers: int = 0

    async def write(self, instance: ReadModelWatcher[Event], prefix: str) -> None:
        for number in count(1):
            if self.stop.is_set():
                return
            name = f"{prefix}{number}"
            events = (Counted(by=2 * number), Named(name=name))
            history = await append(self.store, f"counter-{name}", *events)
            await retry_through_outage(partial(instance.projector.project, history))
            self.stored.append(name)
            await asyncio.sleep(0)

    async def look(self, instance: ReadModelWatcher[Event]) -> None:
        while not self.stop.is_set():
            await look(instance)
            await asyncio.sleep(0.02)

    async def read(self, reader: ReadModels) -> None:
        boards = Boards(reader, ORDER_BOARDS)
        while not self.stop.is_set():
            await asyncio.sleep(0)
            if self.stored:
                name = self.chance.choice(self.stored[-50:])
                stream = f"counter-{name}"
                await self.expect(name, reader.document(COUNTER_VIEWS, stream))
                await self.expect(name, reader.entry(NAME_OWNERS, name))
                await self.expect(name, boards.view(stream))
                await self.expect(name, _score(boards, stream))

    async def expect(self, name: str, lookup: Awaitable[object]) -> None:
        with contextlib.suppress(ReadModelsLost, RedisError):
            self.false_absences += [name] if await lookup is None else []
            self.answers += 1

    async def fail_over(self) -> None:
        for _ in range(8):
            node = self.chance.choice(await self.redis.primaries())
            copy = await Copy.of(node)
            enough = self.answers + self.chance.randrange(1, 12)
            await eventually(partial(_answered, self, enough))
            await copy.take_over()
        self.stop.set()

    async def run(self, instances: Mapping[str, ReadModelWatcher[Event]]) -> None:
        for instance in instances.values():
            await look(instance)
        async with asyncio.TaskGroup() as group:
            for prefix, instance in instances.items():
                group.create_task(self.write(instance, prefix))
                group.create_task(self.look(instance))
                group.create_task(self.read(ReadModels(self.redis)))
            group.create_task(self.fail_over())
        assert self.false_absences == []
        for instance in instances.values():
            await look(instance)
            await assert_equal_to_log(instance)


async def _score(boards: Boards[Any], stream: str) -> float | None:
    return (await boards.page("even", member=stream)).member_score


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_reader_misses_what_was_stored_while_replicas_take_over(
    redis: Any, memory_store: Store, watch: Watch, seed: int
) -> None:
    """Failovers to copies of any age, two instances, writers and readers at the same time."""
    stress = Stress(redis, memory_store, random.Random(seed))
    await stress.run({"a": watch(), "b": watch()})


async def test_no_reader_misses_what_was_stored_while_shards_of_a_cluster_fail_over(
    memory_store: Store, tmp_path: Path
) -> None:
    async with redis_cluster(tmp_path) as cluster, connect(cluster.url) as client:
        stress = Stress(client, memory_store, random.Random(4))
        await stress.run(
            {
                prefix: ReadModelWatcher(Projector(client, memory_store, SERVICE, ALL))
                for prefix in "ab"
            }
        )


async def test_ten_failovers_to_a_real_replica_that_lags_lose_nothing(
    memory_store: Store, tmp_path: Path
) -> None:
    """Replication stops, clients write on, and then their name leads to the replica."""
    folders = (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        folder.mkdir()
    stress = Stress(None, memory_store, random.Random(5))
    async with (
        two_servers(*folders) as (primary, replica),
        paired(primary, replica) as pair,
        connect(pair.url) as writing,
        connect(pair.url) as reading,
    ):
        watcher = ReadModelWatcher(Projector(writing, memory_store, SERVICE, ALL))
        await look(watcher)
        tasks = [
            asyncio.create_task(work)
            for work in (
                stress.write(watcher, "a"),
                watcher.run(),
                stress.read(ReadModels(reading)),
            )
        ]
        for _ in range(10):
            async with Redis.from_url(pair.replica.url) as behind:
                await behind.replicaof("NO", "ONE")
            acknowledged = len(stress.stored) + 20
            await eventually(partial(_reached, stress, acknowledged))
            await pair.fail_over()
            await eventually(partial(_is_served, reading, memory_store, stress.stored[-1]))
        stress.stop.set()
        await asyncio.wait([tasks[0], tasks[2]])
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        for task in (tasks[0], tasks[2]):
            task.result()
        await look(watcher)
        await assert_equal_to_log(watcher)
    assert stress.false_absences == []


async def test_a_demoted_primary_is_left_at_the_next_look(
    memory_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It closes no connection and refuses no read, and nothing is written meanwhile."""
    monkeypatch.setattr("redis_batching.primary_connection.VERIFY_SECONDS", 600)
    async with (
        two_servers(tmp_path / "one", tmp_path / "two") as (primary, replica),
        paired(primary, replica) as pair,
        connect(pair.url) as redis,
        connect(pair.url) as reading,
    ):
        watcher = ReadModelWatcher(Projector(redis, memory_store, SERVICE, ALL))
        await look(watcher)
        reader = ReadModels(reading)
        assert await reader.document(COUNTER_VIEWS, "counter-a") is None
        await pair.fail_over()
        with pytest.raises(ReadModelsLost):
            await reader.document(COUNTER_VIEWS, "counter-a")
        await look(watcher)
        (node,) = await identities(redis)
        assert node.run_id == (await pair.primary.info("server"))["run_id"]
        assert (await VerifiedNodes(redis, SERVICE).read()).covers([node])
        assert await reader.document(COUNTER_VIEWS, "counter-a") is None


async def _answered(stress: Stress, enough: int) -> bool:
    return stress.answers >= enough


async def _reached(stress: Stress, least: int) -> bool:
    return len(stress.stored) >= least


async def _is_served(redis: Any, store: Store, name: str) -> bool:
    try:
        return await read(redis, f"counter-{name}") == await fold_log(store, f"counter-{name}")
    except (ReadModelsLost, RedisError):
        return False


async def test_the_watcher_repairs_without_a_new_event(
    redis: Any, watch: Watch, memory_store: Store
) -> None:
    """Ten failovers in a row to copies that lag: every read equals the log a moment later."""
    watcher = watch()
    running = asyncio.create_task(watcher.run())
    reader = ReadModels(redis)
    await eventually(lambda: reader.served(COUNTER_VIEWS, NAME_OWNERS, ORDER_BOARDS))
    for number in range(3):
        stream = f"counter-{number}"
        copy = await Copy.of(redis)
        await project(watcher, stream, Counted(by=1), Named(name=stream), store=memory_store)
        await copy.take_over()

        async def equal(stream: str = stream) -> bool:
            try:
                return await read(redis, stream) == await fold_log(memory_store, stream)
            except ReadModelsLost:
                return False

        await eventually(equal)

    async def verified() -> bool:
        return (await VerifiedNodes(redis, SERVICE).read()).covers(await identities(redis))

    await eventually(verified)
    running.cancel()
    await asyncio.wait([running])
    await assert_equal_to_log(watcher)


async def test_recovery_changes_nothing_on_a_replica(
    redis: Any, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = watch()
    await look(watcher)

    async def replicas(_redis: Any) -> Any:
        return [replace(node, role="slave") for node in await identities(redis)]

    monkeypatch.setattr("chassis.views.rebuild.recovery.identities", replicas)
    before = await redis.hgetall(verified_key(SERVICE))
    await Recovery(watcher.projector).look()
    assert await redis.hgetall(verified_key(SERVICE)) == before
