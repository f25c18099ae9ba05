"""Outcomes of commands are stored, published, and never missed by a waiting process."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.bus import subscription
from chassis.bus.outcomes import CHANNEL, OutcomeListener, Outcomes
from contracts.messages import CommandOutcome, Position, Rejection
from redis_batching import connect
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer
from tests.support.refusing_redis import READS, REFUSALS, RefusingCluster, RefusingRedis

pytestmark = pytest.mark.stack


def outcome(command_id: str = "id", **fields: Any) -> CommandOutcome:
    return CommandOutcome(
        command_id=command_id,
        command="Count",
        body_hash="hash",
        state="accepted",
        position=Position(stream="counter-a", version=1),
    ).model_copy(update=fields)


@pytest.fixture
async def listener(redis: Any) -> AsyncIterator[OutcomeListener]:
    listener = OutcomeListener(redis, Outcomes(redis))
    listening = asyncio.create_task(listener.run())
    await eventually(lambda: _listening(listener))
    yield listener
    assert not listening.done()
    listening.cancel()
    await asyncio.wait([listening])


async def test_an_outcome_is_stored_for_a_day(redis: Any) -> None:
    outcomes = Outcomes(redis)
    assert await outcomes.get("id") is None
    await outcomes.put(outcome())
    assert await outcomes.get("id") == outcome()
    assert 86_000 < await redis.ttl("outcome:id") <= 86_400


async def test_the_first_outcome_is_not_replaced(redis: Any) -> None:
    outcomes = Outcomes(redis)
    rejection = Rejection(kind="conflict", code="no", detail="no")
    first = outcome(state="rejected", rejection=rejection)
    assert await outcomes.put(first) == first
    assert await outcomes.put(outcome()) == first
    assert await outcomes.get("id") == first


async def test_a_waiting_process_receives_the_outcome(
    redis: Any, listener: OutcomeListener
) -> None:
    with listener.expect("id") as announced:
        await Outcomes(redis).put(outcome("another"))
        await Outcomes(redis).put(outcome())
        assert await asyncio.wait_for(announced, 5) == outcome()


async def test_two_callers_may_wait_for_the_same_command(
    redis: Any, listener: OutcomeListener
) -> None:
    with listener.expect("id") as one, listener.expect("id") as two:
        await Outcomes(redis).put(outcome())
        assert await asyncio.wait_for(one, 5) == await asyncio.wait_for(two, 5)


async def test_a_missed_message_is_replaced_by_reading_the_key(redis: Any) -> None:
    unsubscribed = OutcomeListener(redis, Outcomes(redis))  # never started: receives no message
    with unsubscribed.expect("id") as announced:
        await Outcomes(redis).put(outcome())
        assert await unsubscribed.wait("id", announced, 5) == outcome()


async def test_the_time_between_two_reads_of_the_key_doubles(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.bus.outcomes.POLL_SECONDS", 0.01)
    reads = CountedReads(redis)
    unsubscribed = OutcomeListener(redis, reads)
    with unsubscribed.expect("id") as announced:
        assert await unsubscribed.wait("id", announced, 1) is None
    assert 1 <= reads.count <= 9  # seven; a timer of the loop may end a millisecond early


class CountedReads(Outcomes):
    count = 0

    async def find(self, command_id: str) -> CommandOutcome | None:
        self.count += 1
        return await super().find(command_id)


async def test_waiting_ends_after_its_timeout(listener: OutcomeListener) -> None:
    with listener.expect("id") as announced:
        assert await listener.wait("id", announced, 0.01) is None
    with contextlib.suppress(asyncio.CancelledError):
        await announced
    assert not listener._waiting


async def test_a_broken_subscription_is_renewed(redis: Any, listener: OutcomeListener) -> None:
    for client in await redis.client_list(_type="pubsub"):
        await redis.client_kill_filter(_id=client["id"])
    async with asyncio.timeout(10):
        with listener.expect("id") as announced:
            await Outcomes(redis).put(outcome())
            assert await listener.wait("id", announced, 8) == outcome()
    await eventually(lambda: _listening(listener))


UNREADABLE = [
    outcome().model_dump_json().replace("accepted", "postponed").encode(),
    b'{"commandId": "id"}',
    b"{not json",
    b"\xff\xfe\x00",
    b"[1, 2]",
    b"null",
    b"",
]
"""Announcements of a newer service, or of none."""


async def skipped(listener: OutcomeListener, count: int) -> None:
    """Wait for unreadable announcements: nodes of a cluster forward them in any order."""

    async def reached() -> bool:
        return listener.subscription.unreadable >= count

    await eventually(reached)
    assert listener.subscription.unreadable == count


@pytest.mark.parametrize("data", UNREADABLE)
async def test_an_announcement_that_cannot_be_read_is_skipped(
    data: bytes, redis: Any, listener: OutcomeListener
) -> None:
    with listener.expect("id") as announced:
        await redis.publish(CHANNEL, data)
        await Outcomes(redis).put(outcome())
        assert await asyncio.wait_for(announced, 5) == outcome()
    assert listener.listening
    await skipped(listener, 1)


async def test_fields_that_a_newer_service_adds_are_ignored(
    redis: Any, listener: OutcomeListener
) -> None:
    body = json.loads(outcome().model_dump_json()) | {"color": "blue"}
    with listener.expect("id") as announced:
        await redis.publish(CHANNEL, json.dumps(body))
        assert await asyncio.wait_for(announced, 5) == outcome()


async def test_unreadable_announcements_are_logged_once(
    redis: Any, listener: OutcomeListener
) -> None:
    with capture_logs() as logs, listener.expect("id") as announced:
        for data in UNREADABLE:
            await redis.publish(CHANNEL, data)
        await Outcomes(redis).put(outcome())
        await asyncio.wait_for(announced, 5)
        await skipped(listener, len(UNREADABLE))
    assert [entry["event"] for entry in logs] == ["announcement_unreadable"]


@pytest.mark.parametrize("stored", UNREADABLE)
async def test_a_stored_outcome_that_cannot_be_read_is_not_known_yet(
    stored: bytes, redis: Any
) -> None:
    await redis.set("outcome:id", stored)
    assert await Outcomes(redis).find("id") is None
    listener = OutcomeListener(redis, Outcomes(redis))
    with listener.expect("id") as announced:
        assert await listener.wait("id", announced, 0.01) is None


@pytest.fixture
async def refusing(
    redis_server: RedisServer, proxies: RefusingCluster | None, tmp_path: Path
) -> AsyncIterator[RefusingRedis]:
    """A Redis that refuses commands."""
    if proxies is not None:
        yield proxies
        return
    redis = RefusingRedis(str(redis_server.folder / "redis.sock"), f"{tmp_path}/redis.sock")
    async with redis.running():
        yield redis


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_subscription_that_redis_refuses_is_tried_again(
    refusal: str, refusing: RefusingRedis
) -> None:
    async with connect(refusing.url) as redis:
        refusing.refuse(refusal, READS)
        listener = OutcomeListener(redis, Outcomes(redis))
        listening = asyncio.create_task(listener.run())
        await eventually(lambda: _refused(refusing))
        await eventually(lambda: _failed(listener))
        assert not listener.listening
        refusing.accept()
        await eventually(lambda: _listening(listener))
        listening.cancel()
        await asyncio.wait([listening])


async def test_a_listener_is_not_listening_while_redis_is_away(
    redis_server: RedisServer,
) -> None:
    async with connect(redis_server.url) as redis:
        listener = OutcomeListener(redis, Outcomes(redis))
        listening = asyncio.create_task(listener.run())
        await eventually(lambda: _listening(listener))
        await redis_server.kill()
        await eventually(lambda: _lost(listener))
        await redis_server.start()
        await eventually(lambda: _listening(listener))
        listening.cancel()
        await asyncio.wait([listening])


async def test_a_silent_connection_is_replaced(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "SILENCE_SECONDS", 0.1)
    async with connect(redis_server.url) as redis:
        listener = OutcomeListener(redis, Outcomes(redis))
        listening = asyncio.create_task(listener.run())
        await eventually(lambda: _listening(listener))
        redis_server.suspend()
        try:
            await eventually(lambda: _lost(listener))
        finally:
            redis_server.resume()
        await eventually(lambda: _listening(listener))
        listening.cancel()
        await asyncio.wait([listening])


async def _lost(listener: OutcomeListener) -> bool:
    return not listener.listening


async def _failed(listener: OutcomeListener) -> bool:
    return bool(listener.subscription.last_error)


async def _refused(redis: RefusingRedis) -> bool:
    return redis.refusals > 1


async def _listening(listener: OutcomeListener) -> bool:
    return listener.listening
