import contextlib
from typing import Any

import pytest
from botocore.exceptions import ClientError

from readthrough import DAO, MemoryTable, Table, UnknownTable
from readthrough.tests.conftest import Aws


@pytest.fixture(scope="session")
async def plain_dao(cloud: Aws) -> DAO:
    return await cloud.table("dao-plain")


@pytest.fixture(scope="session")
async def dated_dao(cloud: Aws) -> DAO:
    return await cloud.table("dao-dated", "at")


@pytest.fixture(params=["dynamodb", "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def plain(kind: str, plain_dao: DAO) -> Table:
    return plain_dao if kind == "dynamodb" else MemoryTable("pk", None)


@pytest.fixture
def dated(kind: str, dated_dao: DAO) -> Table:
    return dated_dao if kind == "dynamodb" else MemoryTable("pk", "at")


async def test_key_names_are_looked_up(plain_dao: DAO, dated_dao: DAO) -> None:
    plain, dated = plain_dao, dated_dao
    await plain.find_count_by_pk("x")
    await dated.find_count_by_pk("x")
    assert (plain.partition_key_name, plain.partition_range_name) == ("pk", None)
    assert (dated.partition_key_name, dated.partition_range_name) == ("pk", "at")


async def test_rows_come_in_the_order_of_their_range_key(dated: Table) -> None:
    for at in (20, 3, 100):
        await dated.insert_new("alice", {"at": at, "name": f"n{at}"})
    assert [row["at"] for row in await dated.find_all_by_pk("alice")] == [3, 20, 100]
    assert await dated.find_count_by_pk("alice") == 3
    assert (await dated.find_most_recent_by_pk("alice") or {})["name"] == "n100"


async def test_the_most_recent_row_until_a_time(dated: Table) -> None:
    for at in (10, 20):
        await dated.insert_new("then", {"at": at})
    assert (await dated.find_most_recent_by_pk("then", until=19) or {})["at"] == 10
    assert (await dated.find_most_recent_by_pk("then", until=20) or {})["at"] == 20
    assert await dated.find_most_recent_by_pk("then", until=9) is None


async def test_a_missing_partition_has_no_rows(dated: Table) -> None:
    assert await dated.find_all_by_pk("missing") == []
    assert await dated.find_most_recent_by_pk("missing") is None
    assert await dated.find_count_by_pk("missing") == 0


@pytest.mark.parametrize("item", [{}, {"at": 1}, {"at": 2}])
async def test_insert_one_rejects_a_second_row(
    item: dict[str, Any], plain: Table, dated: Table
) -> None:
    dao = dated if item else plain
    key = f"once{item.get('at', '')}"
    await dao.insert_one(key, {"at": 1} if item else {})
    with pytest.raises(ClientError) as rejected:
        await dao.insert_one(key, item)
    assert rejected.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert type(rejected.value).__name__ == "ConditionalCheckFailedException"
    assert await dao.find_count_by_pk(key) == 1


async def test_insert_new_replaces(plain: Table) -> None:
    await plain.insert_new("twice", {"name": "a"})
    await plain.insert_new("twice", {"name": "b"})
    assert await plain.find_all_by_pk("twice") == [{"pk": "twice", "name": "b"}]


async def test_more_rows_than_fit_on_a_page(dated: Table) -> None:
    for at in range(5):
        await dated.insert_new("many", {"at": at, "filling": "x" * 300_000})
    assert len(await dated.find_all_by_pk("many")) == 5
    assert await dated.find_count_by_pk("many") == 5


async def test_an_item_with_wrong_keys_is_rejected(dated: Table, plain: Table) -> None:
    with pytest.raises(ValueError, match="lacks the table's range key at"):
        await dated.insert_new("alice", {"name": "n"})
    with pytest.raises(ValueError, match=r"'bob'.*'alice'"):
        await plain.insert_new("alice", {"pk": "bob"})
    with pytest.raises(ValueError, match="no range key"):
        await plain.find_most_recent_by_pk("alice", until=3)


@pytest.mark.usefixtures("account", "plain_dao")
async def test_a_dao_opens_a_client_if_none_is_passed() -> None:
    async with contextlib.aclosing(DAO("dao-plain")) as dao:
        await dao.insert_new("own", {"name": "a"})
        assert await dao.find_count_by_pk("own") == 1


async def test_a_missing_table_is_named_in_the_error(cloud: Aws) -> None:
    with pytest.raises(UnknownTable, match="table nowhere was not found in eu-west-2"):
        await DAO("nowhere", client=cloud.dynamodb).find_all_by_pk("x")
