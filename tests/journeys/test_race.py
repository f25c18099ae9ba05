"""Seats are won once, on the deployed template; `make race` is the long form."""

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.support.racers import Track
from tests.support.shadow import limits_hold_again
from tests.support.stack import Stack

pytestmark = pytest.mark.stack


async def test_of_many_racers_for_one_seat_one_wins(stack: Stack) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        Redis.from_url(stack.settings.redis_url) as redis,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        track = Track(stack, session)
        await track.open(redis)
        try:
            finish = await track.race(60, [await track.code_for_one()])
            assert finish.answers == {(201, "reserved"): 1, (409, "code_not_usable"): 59}
            spread = await track.race(40, await track.accounts(4))
            assert spread.answers == {(201, "reserved"): 40}
            assert len(spread.use_ids) == 40
        finally:
            await limits_hold_again(redis)
            stack.service("gateway").stop()
