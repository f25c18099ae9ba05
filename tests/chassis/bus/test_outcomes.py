"""Outcomes of commands are stored, published, and never missed by a waiting process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.bus.outcomes import OutcomeListener, Outcomes
from contracts.messages import CommandOutcome, Position, Rejection
from tests.support.eventually import eventually

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
    await listener.start()
    await eventually(lambda: _listening(listener))
    yield listener
    await listener.stop()


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


async def _listening(listener: OutcomeListener) -> bool:
    return listener.listening
