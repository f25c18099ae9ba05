"""A seat is won once, on the deployed template; `make race` is the long form."""

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.support.code_race import CodeRace
from tests.support.rate_limits import restore_limits
from tests.support.stack import Stack

pytestmark = pytest.mark.stack


async def test_one_of_many_concurrent_racers_wins_the_only_seat(stack: Stack) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        Redis.from_url(stack.settings.redis_url) as redis,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        race = CodeRace(stack, session)
        await race.start_services(redis)
        try:
            result = await race.run(60, [await race.code_for_one()])
            assert result.responses == {(201, "reserved"): 1, (409, "code_not_usable"): 59}
            spread = await race.run(40, await race.codes_of_members(4))
            assert spread.responses == {(201, "reserved"): 40}
            assert len(spread.use_ids) == 40
        finally:
            await restore_limits(redis)
            stack.service("gateway").stop()
