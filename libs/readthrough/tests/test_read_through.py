import asyncio
import os

import pytest
from redis.asyncio import Redis

from readthrough import RAO, ReadThrough, Stored, Version, VersionedStore
from readthrough.tests.conftest import Aws

NOW = 1_800_000_000
BODY = b'{"clusters":[]}'


class Table:
    """What a resource's `load` reads, and how often it did."""

    def __init__(self, **rows: Stored) -> None:
        self.rows = rows
        self.looks = 0
        self.looked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def load(self, pk: str) -> Stored | None:
        self.looks += 1
        self.looked.set()
        await self.open.wait()
        return self.rows.get(pk)


def resource(redis: Redis, table: Table, **options: object) -> ReadThrough:
    options = {"staleness": 100, "clock": lambda: float(NOW)} | options
    return ReadThrough(RAO("reports", client=redis), table.load, **options)  # type: ignore[arg-type]


def test_the_time_is_read_without_decoding_the_rest() -> None:
    stored = Stored(b'{"a":"\\",\\"data\\":"}', 17)
    assert stored.to_bytes() == b'{"computedAt":17,"data":{"a":"\\",\\"data\\":"}}'
    assert Stored.from_bytes(stored.to_bytes()) == stored


async def test_redis_is_read_first(redis: Redis) -> None:
    table = Table()
    reports = resource(redis, table)
    await reports.put("pk", Stored(BODY, NOW - 5))
    found = await reports.get("pk")
    assert found is not None
    assert (found.stored.body, found.state, found.age) == (BODY, "fresh", 5)
    assert table.looks == 0


async def test_the_table_is_read_second_and_fills_redis(redis: Redis) -> None:
    table = Table(pk=Stored(BODY, NOW - 100))
    reports = resource(redis, table)
    found = [await reports.get("pk"), await reports.get("pk")]
    assert [each and each.state for each in found] == ["stale", "stale"]
    assert table.looks == 1


async def test_concurrent_misses_share_one_lookup(redis: Redis) -> None:
    table = Table(pk=Stored(BODY, NOW))
    table.open.clear()
    cache = Cache("reports", client=redis)
    reports = ReadThrough(cache, table.load)
    callers = [asyncio.create_task(reports.get("pk")) for _ in range(20)]
    for _ in callers:
        await cache.read.acquire()
    await table.looked.wait()
    callers[0].cancel()
    table.open.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(answer == answers[1] for answer in answers[1:])
    assert table.looks == 1


class Cache(RAO):
    """Say how often it has been read."""

    def __init__(self, prefix: str, client: Redis) -> None:
        super().__init__(prefix, client=client)
        self.read = asyncio.Semaphore(0)

    async def retrieve_bytes(self, pk: str) -> bytes | None:
        found = await super().retrieve_bytes(pk)
        self.read.release()
        return found


async def test_a_failed_lookup_is_raised_to_all_and_not_cached(redis: Redis) -> None:
    broken = True

    async def load(_pk: str) -> Stored | None:
        if broken:
            raise ConnectionError
        return Stored(BODY, NOW)

    reports = ReadThrough(RAO("reports", client=redis), load, clock=lambda: float(NOW))
    answers = await asyncio.gather(*(reports.get("pk") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, ConnectionError) for answer in answers)
    broken = False
    assert await reports.get("pk") is not None


async def test_without_a_queue_the_value_is_computed_while_the_caller_waits(redis: Redis) -> None:
    computed = 0

    async def compute(_pk: str) -> Stored:
        nonlocal computed
        computed += 1
        return Stored(BODY, NOW)

    reports = resource(redis, Table(), compute=compute)
    first, second = await reports.get("pk"), await reports.get("pk")
    assert first == second
    assert first is not None
    assert computed == 1


async def test_a_computation_over_its_budget_continues(redis: Redis) -> None:
    ready = asyncio.Event()

    async def compute(_pk: str) -> Stored:
        await ready.wait()
        return Stored(BODY, NOW)

    reports = resource(redis, Table(), compute=compute, budget=0.01)
    assert await reports.get("pk") is None
    ready.set()
    found = await resource(redis, Table(), compute=compute).get("pk")
    assert found is not None


@pytest.fixture(scope="session")
async def shelf(cloud: Aws) -> VersionedStore:
    return VersionedStore(await cloud.table("shelf", "computedAt"))


async def test_a_result_of_any_size_is_stored_completely(shelf: VersionedStore) -> None:
    big = b'"' + os.urandom(900_000).hex().encode() + b'"'  # does not compress below two parts
    await shelf.put("token", 10, b'{"clusters":1}', {"report": big, "graph": b"{}"})
    found = await shelf.newest("token")
    assert found is not None
    assert found.bodies["report"] > 1
    assert await shelf.body(found, "report") == Stored(big, 10)
    assert await shelf.body(found, "graph") == Stored(b"{}", 10)


async def test_versions_are_listed_and_found_by_time(shelf: VersionedStore) -> None:
    for at in (10, 20, 30):
        await shelf.put("history", at, b'{"at":%d}' % at, {"report": b"%d" % at})
    assert [each.computed_at for each in await shelf.history("history")] == [10, 20, 30]
    then = await shelf.newest("history", until=25)
    assert then is not None
    assert (then.computed_at, then.summary) == (20, b'{"at":20}')
    assert await shelf.newest("history", until=5) is None


async def test_a_version_that_is_written_again_is_replaced(shelf: VersionedStore) -> None:
    await shelf.put("again", 10, b"{}", {"report": b"a" * 10})
    await shelf.put("again", 10, b"{}", {"report": b"b"})
    (found,) = await shelf.history("again")
    assert (await shelf.body(found, "report")).body == b"b"


async def test_a_body_that_lost_a_part_is_not_served(shelf: VersionedStore, cloud: Aws) -> None:
    await shelf.put("torn", 10, b"{}", {"report": b"a"})
    key = {"pk": {"S": "torn@10/report"}, "computedAt": {"N": "0"}}
    await cloud.dynamodb.delete_item(TableName="shelf", Key=key)
    with pytest.raises(LookupError, match="incomplete"):
        await shelf.body(Version("torn", 10, b"{}", {"report": 1}), "report")
