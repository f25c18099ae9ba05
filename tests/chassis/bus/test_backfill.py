"""Past events are announced to one subscriber: all of them, in order, and to no other."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.bus.announcements import Announcer
from chassis.bus.backfill import Backfill, BackfillProgress, UnknownSubscriber, checkpoint_key
from chassis.log import memory
from chassis.log.codec import Codec
from chassis.log.event_store import EventStore
from chassis.log.memory import MemoryEventStore
from chassis.run.log_commands import LOG_COMMANDS
from tests.chassis.appending import append
from tests.chassis.delivering import PublisherInMemory
from tests.chassis.events import CODEC, Counted, Named
from tests.chassis.stores import (
    CLIENTS,
    STORES,
    create_tables,
    dynamodb_client,
    dynamodb_store,
)

Event = Counted | Named
PAGE = 3
"""Commits on a page of the stores below."""
SUBSCRIBERS = {Counted: ["rewards", "statistics"], Named: ["names"]}
ONE = Counted(by=1)


class SmallPages:
    """Limit the pages of DynamoDB scans."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    async def scan(self, **request: Any) -> Any:
        return await self.client.scan(**(request | {"Limit": PAGE}))


@dataclass
class Checkpoints:
    """Store what a backfill writes to Redis."""

    values: dict[str, bytes] = field(default_factory=dict)

    async def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    async def set(self, key: str, value: bytes, ex: int) -> None:
        assert ex > 0
        self.values[key] = value

    async def delete(self, key: str) -> None:
        self.values.pop(key, None)


class Killed(Exception):
    """The process ends."""


@pytest.fixture(params=STORES)
async def log(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EventStore[Event]]:
    """An empty store with small pages."""
    if request.param == "memory":
        monkeypatch.setattr(memory, "PAGE_COMMITS", PAGE)
        yield MemoryEventStore(CODEC)
        return
    account = f"{uuid4().int % 10**12:012}"
    async with dynamodb_client(request.getfixturevalue("aws"), account) as client:
        await create_tables(client)
        yield dynamodb_store(SmallPages(CLIENTS[request.param](client)))


@pytest.fixture
def bus() -> PublisherInMemory:
    return PublisherInMemory()


@pytest.fixture
def backfill(log: EventStore[Event], bus: PublisherInMemory) -> Backfill[Event]:
    return backfill_of(log, bus)


def backfill_of(log: EventStore[Event], bus: PublisherInMemory) -> Backfill[Event]:
    announcer: Announcer[Event] = Announcer(bus, "test", SUBSCRIBERS)
    return Backfill(log, announcer, Checkpoints(), "counting")


async def fill(log: EventStore[Event], streams: Iterable[str], commits: int = 4) -> None:
    """Append commits of two events to each stream, at 1 ms, 2 ms and so on."""
    for stream in streams:
        for at_ms in range(1, commits + 1):
            await append(log, stream, ONE, ONE, at_ms=at_ms)


def ids(bus: PublisherInMemory) -> list[str]:
    return [sent["deduplication_id"] for sent in bus.sent]


def versions_by_stream(event_ids: Iterable[str]) -> dict[str, list[int]]:
    """Return the versions of each stream, in the order in which they were sent."""
    pairs = sorted((each.rsplit("@", 1) for each in event_ids), key=lambda pair: pair[0])
    return {
        stream: [int(version) for _, version in group]
        for stream, group in groupby(pairs, key=lambda pair: pair[0])
    }


async def test_only_the_named_subscriber_receives(
    backfill: Backfill[Event], log: EventStore[Event], bus: PublisherInMemory
) -> None:
    await fill(log, ["counter-1", "counter-2"])
    await append(log, "counter-1", Named(name="x"))
    done = await backfill.run("rewards")
    assert {sent["queue"] for sent in bus.sent} == {"test-rewards-announcements.fifo"}
    assert (done.announced, done.commits) == (len(bus.sent), 9) == (16, 9)


async def test_each_stream_is_announced_in_its_order(
    backfill: Backfill[Event], log: EventStore[Event], bus: PublisherInMemory
) -> None:
    await fill(log, [f"counter-{number}" for number in range(5)])
    await backfill.run("rewards")
    expected = {f"counter-{number}": list(range(1, 9)) for number in range(5)}
    assert versions_by_stream(ids(bus)) == expected
    assert {sent["group_id"] for sent in bus.sent} == expected.keys()


async def test_since_skips_earlier_commits(
    backfill: Backfill[Event], log: EventStore[Event], bus: PublisherInMemory
) -> None:
    await fill(log, ["counter-1"])
    await backfill.run("rewards", since_ms=3)
    assert ids(bus) == [f"counter-1@{version}" for version in (5, 6, 7, 8)]


async def test_a_dry_run_counts_and_sends_nothing(
    backfill: Backfill[Event], log: EventStore[Event], bus: PublisherInMemory
) -> None:
    await fill(log, ["counter-1", "counter-2"])
    done = await backfill.run("rewards", since_ms=2, dry_run=True)
    assert (done.announced, bus.sent, backfill.redis.values) == (12, [], {})


async def test_a_run_that_was_killed_resumes_after_the_last_complete_page(
    backfill: Backfill[Event], log: EventStore[Event], bus: PublisherInMemory
) -> None:
    await fill(log, ["counter-1", "counter-2"])

    def kill(progress: BackfillProgress) -> None:
        if progress.commits == 2 * PAGE:
            raise Killed

    backfill.on_page = kill
    with pytest.raises(Killed):
        await backfill.run("rewards")
    before = ids(bus)
    backfill.on_page = lambda _: None
    done = await backfill.run("rewards")
    assert len(before) == 2 * PAGE * 2
    assert versions_by_stream(ids(bus)) == {
        "counter-1": list(range(1, 9)),
        "counter-2": list(range(1, 9)),
    }
    assert (done.commits, done.announced) == (8, 16)
    assert backfill.redis.values == {}, "the next run starts at the beginning"


async def test_a_page_that_was_interrupted_is_announced_again_with_the_same_ids(
    backfill: Backfill[Event],
    log: EventStore[Event],
    bus: PublisherInMemory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await fill(log, ["counter-1"])

    async def publish(*_arguments: Any, **options: Any) -> None:
        bus.sent.append(options)
        if len(bus.sent) == 4:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(bus, "publish", publish)
        with pytest.raises(Killed):
            await backfill.run("rewards")
    first = ids(bus)
    bus.sent.clear()
    await backfill.run("rewards")
    assert set(first) < set(ids(bus))
    assert ids(bus) == [f"counter-1@{version}" for version in range(1, 9)]


async def test_another_start_time_does_not_resume(
    backfill: Backfill[Event], log: EventStore[Event], bus: PublisherInMemory
) -> None:
    await fill(log, ["counter-1"])
    stored = b'{"since_ms":3,"commits":4,"announced":0,"total":4,"cursor":null}'
    backfill.redis.values[checkpoint_key("counting", "rewards")] = stored
    await backfill.run("rewards")
    assert len(bus.sent) == 8


async def test_an_unknown_subscriber_is_reported_with_the_known_ones(
    backfill: Backfill[Event],
) -> None:
    with pytest.raises(UnknownSubscriber, match=r"reward .* names, rewards, statistics"):
        await backfill.run("reward")


async def test_an_unreadable_stream_is_left_out_and_named(
    backfill: Backfill[Event], log: EventStore[Event], bus: PublisherInMemory
) -> None:
    await fill(log, ["counter-1"])
    older = Backfill(log, backfill.announcer, backfill.redis, "counting")
    set_codec(log, Codec[Named](Named))
    left_out = (await older.run("rewards")).unreadable
    assert list(left_out) == ["counter-1"]
    assert "Counted" in left_out["counter-1"]
    assert bus.sent == []
    set_codec(log, CODEC)
    assert (await older.run("rewards")).announced == 8


def set_codec(log: Any, codec: Codec[Any]) -> None:
    if isinstance(log, MemoryEventStore):
        log.codec = codec
    else:
        log._items._codec = codec


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.booleans()), max_size=12),
    st.integers(0, 12),
)
def test_a_backfill_repeats_what_was_announced_since(
    commits: list[tuple[str, int, bool]], since: int
) -> None:
    async def live_and_backfill() -> tuple[list[str], list[str]]:
        log, live, past = MemoryEventStore(CODEC), PublisherInMemory(), PublisherInMemory()
        announcer: Announcer[Event] = Announcer(live, "test", {Counted: ["rewards"]})
        for at_ms, (stream, count, named) in enumerate(commits):
            events = [ONE] * count + ([Named(name="x")] if named else [])
            history = await append(log, f"counter-{stream}", *events, at_ms=at_ms)
            if at_ms >= since:
                await announcer.announce(history.commits[-1])
        await backfill_of(log, past).run("rewards", since_ms=since)
        return ids(live), ids(past)

    live, past = asyncio.run(live_and_backfill())
    assert versions_by_stream(past) == versions_by_stream(live)
    assert len(past) == len(live)


# The command line


class Broker:
    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        pass


async def announce(backfill: Backfill[Event], *arguments: str) -> int:
    command = next(each for each in LOG_COMMANDS if each.name == "announce")
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    application = SimpleNamespace(
        store=backfill.store,
        handler=SimpleNamespace(announcer=backfill.announcer),
        resources=SimpleNamespace(redis=backfill.redis, broker=Broker()),
        service=SimpleNamespace(name="counting"),
    )
    return await command.run(application, parser.parse_args(arguments))


async def test_the_command_says_how_much_was_announced(
    backfill: Backfill[Event], log: EventStore[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(log, ["counter-1"])
    since = ("--since", "1970-01-01T00:00:00.003")
    assert await announce(backfill, "--to", "rewards", *since, "--dry-run") == 0
    assert capsys.readouterr().out == "4 events would be announced to rewards; 4 commits read\n"
    assert await announce(backfill, "--to", "rewards") == 0
    assert capsys.readouterr().out == "8 events announced to rewards; 4 commits read\n"


async def test_the_command_exits_with_2_for_an_unknown_subscriber(
    backfill: Backfill[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await announce(backfill, "--to", "reward") == 2
    assert "reward subscribes to no event of counting" in capsys.readouterr().err


async def test_the_command_exits_with_1_at_an_unreadable_commit(
    backfill: Backfill[Event], log: EventStore[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(log, ["counter-1"])
    set_codec(log, Codec[Named](Named))
    assert await announce(backfill, "--to", "rewards") == 1
    assert "Run a version that can read these streams" in capsys.readouterr().err
