"""A thousand people and one seat; then the same thousand on a hundred codes at once.

    make race
    python benchmarks/race.py [--racers 1000] [--codes 100]

Everything is the real thing: HTTP, the gateway, SQS and DynamoDB of the local AWS, Redis. Whoever
comes first must win, everybody else must hear so, and nobody may be lost. Then all of them win, on
streams of their own, which are worked on side by side: per racer that must take no longer than
standing in one line, though each of them is stored now. Times are told as a ratio of one run.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

from tests.support.racers import Finish, Track
from tests.support.stack import Stack, local_aws, local_settings, redis_server

SEATS = 10
"""Of a member."""
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
                track = Track(stack, session)
                await track.open(redis)
                one = await track.race(racers, [await track.code_for_one()])
                line = await track.race(racers // codes, await track.accounts(1))
                many = await track.race(racers, await track.accounts(codes))
        finally:
            stack.stop()
    return report(racers, codes, one, line, many)


def report(racers: int, codes: int, one: Finish, line: Finish, many: Finish) -> int:
    print(f"{racers} racers, one seat:      {one.seconds:6.2f} s  {dict(one.answers)}")
    print(f"{racers // codes} racers, one code:       {line.seconds:6.2f} s  {dict(line.answers)}")
    print(f"{racers} racers, {codes} codes:    {many.seconds:6.2f} s  {dict(many.answers)}")
    side_by_side = many.seconds / (line.seconds * codes)
    print(f"a code's line, {codes} times one after the other: {line.seconds * codes:.2f} s")
    print(f"side by side it takes {side_by_side:.2f} of that")
    wins = min(racers, codes * SEATS)
    right = (
        one.answers == {(201, "reserved"): 1, (409, "code_not_usable"): racers - 1}
        and many.answers[201, "reserved"] == wins == len(many.use_ids)
        and many.answers.total() == racers
        and side_by_side < PARALLEL_LIMIT
    )
    print("as it should be" if right else "NOT as it should be")
    return 0 if right else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--racers", type=int, default=1_000)
    parser.add_argument("--codes", type=int, default=100)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.racers, arguments.codes)))
