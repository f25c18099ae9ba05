"""Measure a leaderboard of a million members: the cost of a page, and of closing a day.

    make bench-boards
    python benchmarks/boards.py [--small 10000] [--large 1000000]

A member's rank and the page around it are read from a small board and from a large one in turn, in
one run; Redis counts the commands. The day is closed over a log whose pages a stand-in for
DynamoDB generates; decoding, folding and counting are real. Memory is that of this process.
"""

import argparse
import asyncio
import random
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from benchmarks.bounds import Bound, check_bounds
from chassis.decide.decider import DecisionContext
from chassis.log.dynamodb import DynamoDBEventStore
from chassis.log.event_store import Head, Origin
from chassis.log.histories import Histories
from chassis.views.boards import Boards
from chassis.views.keys import board_key, control_key
from chassis.views.projection import BoardMember
from chassis.views.read_models import ReadModels
from contracts.points import LEADERBOARD, StandingView
from contracts.ranking import ALL_TIME
from contracts.referrals import CloseDay
from contracts.streams import MEMBERS
from redis_batching.connection import connect
from referrals import board
from referrals.app import REFERRALS
from referrals.projections import LEADERBOARD_VERSION
from referrals.tally import Tallies, tally_boards
from referrals.tally_changes import tally_changes
from referrals.views.leaderboard import scores
from tests.support.stack import local_settings, redis_server

BATCH = 5_000
READS = 1_500
PAGE = 20
AT = 1_795_000_000
DAY, NEXT_DAY = date(2026, 11, 18), date(2026, 11, 19)
CHANGED_EACH = 50
"""One of this many members earns points on the second day."""
PAGE_MEMBERS, _FILTERED_PAGE = 200, 2_500
"""Members on a page of a scan: by our limit, and in 1 MB, which DynamoDB filters at a time."""
MAX_GROWTH, MAX_BYTES, ROUND_TRIPS, MAX_FROM_CHANGES = 1.5, 26, 3, 0.25

Item = dict[str, dict[str, str]]


def points_of(number: int) -> int:
    """Return the points of a member: many members have few points, few have many."""
    return int(random.Random(number).paretovariate(1.2) - 1) * 100  # noqa: S311  seeded


async def fill(redis: Any, service: str, members: int) -> None:
    """Write the entries and ranks that the projector would have written."""
    await redis.hset(control_key(service), LEADERBOARD.name, "1.1")
    entries = await ReadModels(redis).shared_key(replace(LEADERBOARD, service=service))
    for start in range(0, members, BATCH):
        pipe = redis.pipeline(transaction=False)
        for number in range(start, min(start + BATCH, members)):
            stream = f"member-{number:036x}"
            view = StandingView(
                member_id=stream[7:],
                display_name="a***@e***.com",
                points=points_of(number),
                reached_at=AT + number % 100_000,
            )
            pipe.hset(entries, stream, view.model_dump_json())
            for name, score in scores(view).items():
                rank = BoardMember(name, stream)
                pipe.zadd(board_key(entries, rank.board), {rank.member: score or 0.0})
        await pipe.execute()


async def pages(redis: Any, sizes: dict[str, int]) -> dict[str, list[float]]:
    """Return the seconds of each read around a random member, alternating between boards."""
    times: dict[str, list[float]] = {service: [] for service in sizes}
    boards = {
        service: Boards(ReadModels(redis), replace(LEADERBOARD, service=service))
        for service in sizes
    }
    chance = random.Random(1)  # noqa: S311  seeded
    for _ in range(READS):
        for service, members in sizes.items():
            own = f"member-{chance.randrange(members):036x}"
            started = time.perf_counter()
            page = await boards[service].page(ALL_TIME, member=own, around=True, limit=PAGE)
            times[service].append(time.perf_counter() - started)
            assert page.total == members
            assert page.member_rank is not None
            assert any(row.member == own for row in page.rows)
    return times


async def round_trips(url: str, service: str, members: int) -> int:
    """Count the commands in Redis for the first page that a process reads."""
    async with Redis.from_url(url) as reader, Redis.from_url(url) as watcher:
        boards = Boards(ReadModels(reader), replace(LEADERBOARD, service=service))
        async with watcher.monitor() as monitor:
            await boards.page(
                ALL_TIME, member=f"member-{members // 2:036x}", around=True, limit=PAGE
            )
            await reader.echo("end")
            seen = 0
            while True:
                command = await monitor.next_command()
                if command["command"].upper().startswith("ECHO"):
                    return seen
                seen += command["client_type"] != "lua" and _is_request(command["command"])


def _is_request(command: str) -> bool:
    """Return False for the commands that set up a connection."""
    return command.split(maxsplit=1)[0].upper() not in ("CLIENT", "HELLO")


class Log:
    """Replace the DynamoDB client of a close; the items of member n are a function of n.

    On the second day every `CHANGED_EACH`th member earns points. DynamoDB filters itself, so what
    a filter leaves out is not made here either.
    """

    def __init__(self, members: int) -> None:
        self.members = members
        self._stored: dict[str, Any] = {}

    async def scan(self, **request: Any) -> dict[str, Any]:
        start = int(request.get("ExclusiveStartKey", {}).get("n", {"N": "0"})["N"])
        step = _FILTERED_PAGE if "FilterExpression" in request else PAGE_MEMBERS
        numbers = range(start, min(start + step, self.members))
        reply: dict[str, Any] = {
            "Items": self._page(numbers, filtered="FilterExpression" in request)
        }
        if numbers.stop < self.members:
            reply["LastEvaluatedKey"] = {"n": {"N": str(numbers.stop)}}
        return reply

    def _page(self, numbers: range, *, filtered: bool) -> list[Item]:
        if filtered:
            first = -(-numbers.start // CHANGED_EACH) * CHANGED_EACH
            changed = (_items(n)[-1] for n in range(first, numbers.stop, CHANGED_EACH))
            return [{name: item[name] for name in ("p", "s", "n", "t")} for item in changed]
        return [item for number in numbers for item in _items(number)]

    async def query(self, **request: Any) -> dict[str, Any]:
        stream = request["ExpressionAttributeValues"][":p"]["S"]
        if stream in MEMBERS:
            return {"Items": _items(int(MEMBERS.key(stream), 16))}
        return {"Items": [self._stored[stream]] if stream in self._stored else []}

    async def put_item(self, **request: Any) -> None:
        self._stored[request["Item"]["p"]["S"]] = request["Item"]


def _items(number: int) -> list[Item]:
    """Return the commits of a member."""
    member = f"{number:036x}"
    credit = f",{_credit(member, AT + number % 40_000)}" if number % 3 else ""
    opened = (
        f'{{"t":"AccountOpened","v":1,"d":{{"memberId":"{member}","email":"m{number}@example.com",'
        f'"totalReferrals":10,"openedAt":{AT}}}}}'
    )
    items = [_item(member, 1, 2 if credit else 1, AT, f"[{opened}{credit}]")]
    if number % CHANGED_EACH == 0:
        later = AT + 86_400
        version = int(items[0]["n"]["N"]) + 1
        items.append(_item(member, version, 1, later, f"[{_credit(member, later)}]"))
    return items


def _credit(member: str, at: int) -> str:
    return (
        f'{{"t":"ReferredCredited","v":1,"d":{{"memberId":"{member}","referrerId":"x",'
        f'"useId":"u","creditedAt":{at}}}}}'
    )


def _item(member: str, version: int, count: int, at: int, events: str) -> Item:
    return {
        "p": {"S": f"member-{member}"}, "s": {"N": str(version)}, "n": {"N": str(count)},
        "c": {"S": member}, "h": {"S": "853fe2c29aaef18a82e6c3f56d4e799e"},
        "t": {"N": f"{at}000"}, "x": {"S": "51307c2130ae41d4"}, "e": {"S": events}, "z": {"S": "j"},
    }  # fmt: skip


async def close(members: int) -> tuple[float, float, float]:
    """Close a day, and the next one in both ways.

    Returns:
        Seconds of the first close; the megabytes by which the process has grown at most; the CPU
        of the second close from the first one, divided by that of counting the complete log.
    """
    store: DynamoDBEventStore[Any] = DynamoDBEventStore(
        Log(members), events="events", meta="meta", codec=REFERRALS.codec
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    tallies = await tally_boards(Histories(store), [DAY])
    seconds = time.perf_counter() - started
    assert sum(tallies[ALL_TIME, DAY].levels.values()) == members
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    for command in _commands(tallies):
        (event,) = board.decide(board.OpenDay(), command, DecisionContext(at_ms=0, entropy=b""))
        origin = Origin(command.stream, "body", "correlation", (AT + 40_000) * 1_000)
        await store.append(Head(command.stream, 0), [event], origin)
    started = time.process_time()
    changed = await tally_changes(store, [NEXT_DAY])
    from_changes = time.process_time() - started
    started = time.process_time()
    complete = await tally_boards(Histories(store), [NEXT_DAY])
    assert changed is not None
    assert _commands(changed) == _commands(complete)
    return seconds, megabytes, from_changes / (time.process_time() - started)


def _commands(tallies: Tallies) -> list[CloseDay]:
    return [
        tally.command(*key, counted_by=LEADERBOARD_VERSION)
        for key, tally in sorted(tallies.items())
    ]


async def main(small: int, large: int) -> int:
    # close first: filling the boards would raise the peak of memory
    await close(small)
    few_seconds, _, _ = await close(small)
    seconds, megabytes, from_changes = await close(large)
    print(
        f"a close of {large:,} members: {seconds:.1f} s, {megabytes:.1f} MB more than of {small:,}"
    )
    print(f"  per member {seconds / large * 1e6:.1f} us against {few_seconds / small * 1e6:.1f} us")
    settings = local_settings(Path(tempfile.mkdtemp()))
    with redis_server(settings) as url:
        redis = connect(url)
        sizes = {"small": small, "large": large}
        for service, members in sizes.items():
            await fill(redis, service, members)
        trips = {name: await round_trips(url, name, members) for name, members in sizes.items()}
        times = await pages(redis, sizes)
        await redis.aclose()
    medians = {service: statistics.median(each) for service, each in times.items()}
    for service, members in sizes.items():
        print(
            f"{members:>9,} members: {medians[service] * 1e6:.0f} us for one member's rank and "
            f"{PAGE} rows around it, {trips[service]} commands"
        )
    return check_bounds(
        Bound(
            "time of a page, large / small board",
            medians["large"] / medians["small"],
            most=MAX_GROWTH,
        ),
        Bound("commands to Redis for a page", max(trips.values()), most=ROUND_TRIPS),
        Bound(
            f"CPU of a close from the last one / of the complete log, 1 of {CHANGED_EACH} changed",
            from_changes,
            most=MAX_FROM_CHANGES,
        ),
        Bound(
            "bytes of memory per member, to close a day", megabytes * 2**20 / large, most=MAX_BYTES
        ),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.small, arguments.large)))
