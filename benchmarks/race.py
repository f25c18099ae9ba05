"""Let a thousand people race for one seat, and then for the seats of a hundred codes.

    make race
    python benchmarks/race.py [--racers 1000] [--codes 100]

Everything is real: HTTP, the gateway, SQS and DynamoDB of the local AWS, Redis. The first must win,
every other racer must be answered so, and none may be lost. Then all of them win, on different
streams, which are handled in parallel: per racer that must take no longer than one stream takes,
although each of them is stored now. Times are compared within one run.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

from benchmarks.bounds import Bound, check_bounds
from tests.support.code_race import CodeRace, RaceResult
from tests.support.stack import Stack, local_aws, local_settings, redis_server

SEATS = 10
"""Seats of a member."""
PARALLEL_LIMIT = 1.0


async def main(racers: int, codes: int) -> int:
    settings = local_settings(Path(tempfile.mkdtemp()))
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=120)
    with local_aws(settings), redis_server(settings):
        stack = Stack.deployed(settings)
        try:
            async with (
                Redis.from_url(settings.redis_url) as redis,
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            ):
                race = CodeRace(stack, session)
                await race.start_services(redis)
                one = await race.run(racers, [await race.code_for_one()])
                line = await race.run(racers // codes, await race.codes_of_members(1))
                many = await race.run(racers, await race.codes_of_members(codes))
        finally:
            stack.stop()
    return report(racers, codes, one, line, many)


def report(racers: int, codes: int, one: RaceResult, line: RaceResult, many: RaceResult) -> int:
    print(f"{racers} racers, one seat:      {one.seconds:6.2f} s  {dict(one.responses)}")
    print(
        f"{racers // codes} racers, one code:       {line.seconds:6.2f} s  {dict(line.responses)}"
    )
    print(f"{racers} racers, {codes} codes:    {many.seconds:6.2f} s  {dict(many.responses)}")
    wins = min(racers, codes * SEATS)
    lost = racers - 1 - one.responses[409, "code_not_usable"]
    return check_bounds(
        Bound("winners of the one seat", one.responses[201, "reserved"], least=1, most=1),
        Bound("racers for it without a proper answer", lost, most=0),
        Bound("winners on all codes", many.responses[201, "reserved"], least=wins, most=wins),
        Bound("different uses among them", len(many.use_ids), least=wins, most=wins),
        Bound("answers on all codes", many.responses.total(), least=racers, most=racers),
        Bound(
            "time, all codes at once / one after the other",
            many.seconds / (line.seconds * codes),
            most=PARALLEL_LIMIT,
        ),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--racers", type=int, default=1_000)
    parser.add_argument("--codes", type=int, default=100)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.racers, arguments.codes)))
