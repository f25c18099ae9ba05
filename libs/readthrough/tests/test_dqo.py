import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from readthrough import DAO, DQO, DatabaseQueueObject
from readthrough.tests.conftest import Aws

NOW = 1_800_000_000
STALENESS = 100


@pytest.fixture(scope="session")
async def table(cloud: Aws) -> DAO:
    return await cloud.table("dqo", "computedAt")


class Sent(list[tuple[str, Mapping[str, Any]]]):
    async def send(self, group: str, data: Mapping[str, Any]) -> None:
        self.append((group, data))


def dqo(table: DAO, sent: Sent, staleness: int | None = STALENESS) -> DatabaseQueueObject:
    return DQO("dqo", "", staleness=staleness, dao=table, send=sent.send, clock=lambda: float(NOW))


async def test_a_missing_row_is_queued(table: DAO) -> None:
    sent = Sent()
    assert await dqo(table, sent).get_item("missing", "group", {"a": 1}) is None
    assert sent == [("group", {"a": 1})]


async def test_a_fresh_row_is_not_queued(table: DAO) -> None:
    sent = Sent()
    await table.insert_new("fresh", {"computedAt": NOW - STALENESS + 1})
    row = await dqo(table, sent).get_item("fresh", "group", {})
    assert row is not None
    assert sent == []


async def test_a_stale_row_is_served_and_queued(table: DAO) -> None:
    sent = Sent()
    await table.insert_new("stale", {"computedAt": NOW - STALENESS, "value": "old"})
    row = await dqo(table, sent).get_item("stale", "group", {})
    assert (row or {})["value"] == "old"
    assert len(sent) == 1


async def test_without_a_staleness_a_row_stays_fresh(table: DAO) -> None:
    sent = Sent()
    await table.insert_new("old", {"computedAt": 1})
    assert await dqo(table, sent, None).get_item("old", "group", {}) is not None
    assert sent == []


async def test_a_queue_failure_is_raised(table: DAO) -> None:
    async def down(_group: str, _data: Mapping[str, Any]) -> None:
        raise ConnectionError("the queue is down")

    broken = DQO("dqo", "", staleness=STALENESS, dao=table, send=down)
    with pytest.raises(ConnectionError):
        await broken.get_item("missing too", "group", {})


@pytest.mark.usefixtures("account", "table")
async def test_clients_are_opened_and_equal_messages_sent_once(cloud: Aws) -> None:
    url = await cloud.queue("dqo")
    async with contextlib.aclosing(DatabaseQueueObject("dqo", url)) as alone:
        for _ in range(2):
            assert await alone.get_item("none", "group-1", {"token": "0x1"}) is None
        await alone.get_item("none", "group-2", {"token": "0x1"})
    messages = await cloud.messages(url)
    groups = [message["Attributes"]["MessageGroupId"] for message in messages]
    assert sorted(groups) == ["group-1", "group-2"]
    assert json.loads(messages[0]["Body"]) == {"token": "0x1"}
