"""Several rebuilds read the log by one scan, and each gets what a scan of its own would return."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.log.event_store import Page
from chassis.log.memory import MemoryEventStore
from chassis.views.rebuild import shared_scan
from chassis.views.rebuild.shared_scan import PAGES_AHEAD, Scan, SharedScan
from tests.chassis.appending import append
from tests.chassis.events import CODEC, Counted, Named

Event = Counted | Named
PAGES = 6


@dataclass
class Recorded(MemoryEventStore[Event]):
    """Return one commit per page, and record which pages were read; optionally fail some."""

    reads: Counter[str | None] = field(default_factory=Counter)
    failing: set[int] = field(default_factory=set)
    """Numbers of reads that fail."""

    async def scan(
        self,
        *,
        segment: int = 0,  # noqa: ARG002  the port has it; there is one segment
        segments: int = 1,  # noqa: ARG002  as above
        cursor: str | None = None,
    ) -> AsyncIterator[Page[Event]]:
        first = int(cursor or 0)
        for number in range(first, PAGES):
            self.reads[str(number)] += 1
            await asyncio.sleep(0)
            if self.reads.total() in self.failing:
                raise OSError("the connection broke")
            commits = [c async for page in super().scan() for c in page.commits]
            last = number + 1 == PAGES
            yield Page((commits[number],), None if last else str(number + 1))


async def _log() -> Recorded:
    store = Recorded(CODEC)
    for number in range(PAGES):
        await append(store, f"counter-{number}", Counted(by=number))
    return store


async def _read(
    scan: Scan[Event], pauses: Sequence[int] = (), cursor: str | None = None
) -> list[str]:
    """Return the streams that a reader gets, pausing for some rounds of the loop after pages."""
    streams, pauses = list[str](), [*pauses]
    async for page in scan(cursor=cursor):
        streams += [commit.stream for commit in page.commits]
        for _ in range(pauses.pop() if pauses else 0):
            await asyncio.sleep(0)
    return streams


def _streams(first: int = 0) -> set[str]:
    return {f"counter-{number}" for number in range(first, PAGES)}


async def test_every_page_is_read_once_for_all_readers() -> None:
    store = await _log()
    shared = SharedScan[Event](store, {"a", "b", "c"})
    a, b, c = map(shared.join, "abc")
    results = await asyncio.gather(_read(a), _read(b, [9] * PAGES), _read(c, [3] * PAGES))
    assert [set(streams) for streams in results] == [_streams()] * 3
    assert set(store.reads.values()) == {1}


@given(paces=st.lists(st.lists(st.integers(0, 6), max_size=PAGES), min_size=1, max_size=4))
async def test_each_reader_gets_every_page_once_in_order(paces: list[list[int]]) -> None:
    store = await _log()
    names = [str(number) for number in range(len(paces))]
    shared = SharedScan[Event](store, set(names))
    scans = [shared.join(name) for name in names]
    results = await asyncio.gather(*map(_read, scans, paces))
    alone = await _read(SharedScan[Event](await _log(), {"alone"}).join("alone"))
    assert results == [alone] * len(paces)
    assert set(store.reads.values()) == {1}


async def test_the_fastest_reader_is_a_few_pages_ahead_at_most() -> None:
    store = await _log()
    shared = SharedScan[Event](store, {"fast", "slow"})
    slow, quick = aiter(shared.join("slow")()), shared.join("fast")
    await anext(slow)
    fast = asyncio.create_task(_read(quick))
    for _ in range(100):  # rounds of the loop, more than all pages take
        await asyncio.sleep(0)
    assert store.reads.total() == PAGES_AHEAD + 1
    async for _ in slow:
        pass
    assert set(await fast) == _streams()
    assert set(store.reads.values()) == {1}


async def test_a_reader_that_joins_later_gets_no_page_that_was_read_before() -> None:
    """Its generation was announced after that: the page may lack commits that it needs."""
    store = await _log()
    shared = SharedScan[Event](store, {"early", "late"})
    early = aiter(shared.join("early")())
    await anext(early)
    assert set(await asyncio.wait_for(_read(shared.join("late")), 60)) == _streams()
    assert store.reads["0"] == 2


async def test_readers_at_different_pages_do_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_scan, "PATIENCE_SECONDS", 0.01)
    store = await _log()
    shared = SharedScan[Event](store, {"a", "b", "never"})
    results = await asyncio.gather(_read(shared.join("a")), _read(shared.join("b"), cursor="4"))
    assert [set(streams) for streams in results] == [_streams(), _streams(4)]


async def test_readers_do_not_wait_for_one_that_has_left() -> None:
    store = await _log()
    shared = SharedScan[Event](store, {"a", "b"})
    reading = asyncio.create_task(_read(shared.join("a")))
    for _ in range(100):  # as above
        await asyncio.sleep(0)
    assert store.reads.total() == PAGES_AHEAD
    shared.leave("b")
    assert set(await reading) == _streams()


async def test_a_page_that_could_not_be_read_fails_its_readers_and_is_read_again() -> None:
    store = await _log()
    store.failing = {3}
    shared = SharedScan[Event](store, {"a", "b"})
    scans = map(shared.join, "ab")
    results = await asyncio.gather(*map(_read, scans), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError]
    assert set(await _read(shared.join("a"), cursor="2")) == _streams(2)
