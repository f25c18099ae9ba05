"""Histories are complete, and can be read as they were in the past."""

from dataclasses import replace

import pytest

from chassis.log.event_store import Head, UnreadableCommit
from chassis.log.histories import Histories
from chassis.log.memory import MemoryEventStore
from tests.chassis.appending import append
from tests.chassis.events import Counted, Named

Store = MemoryEventStore[Counted | Named]


async def test_every_stream_is_yielded_once_and_completely(memory_store: Store) -> None:
    for _ in range(3):
        for number in range(90):
            await append(memory_store, f"counter-{number}", Counted(by=1))
    loaded = [history async for history in Histories(memory_store).read()]
    assert sorted(history.head.stream for history in loaded) == sorted(memory_store.streams)
    assert {len(history.commits) for history in loaded} == {3}


async def test_a_missing_commit_is_detected(memory_store: Store) -> None:
    await append(memory_store, "counter-a", Counted(by=1))
    await append(memory_store, "counter-a", Counted(by=1))
    await append(memory_store, "counter-b", Counted(by=1))
    del memory_store.streams["counter-a"][0]
    found = Histories(memory_store)
    loaded = [history.head async for history in found.read()]
    assert Head("counter-b", 1) in loaded
    assert found.unreadable == {"counter-a": "version 1 is missing"}
    with pytest.raises(UnreadableCommit, match="no commit at version 1"):
        await memory_store.load("counter-a")


@pytest.mark.parametrize(
    "data", [b"{}", b"[1]", b"null", b'[{"t":"Melted","v":1,"d":{}}]', b"\xff"]
)
async def test_a_stream_ends_before_a_commit_that_cannot_be_read(
    memory_store: Store, data: bytes
) -> None:
    for stream in ("counter-a", "counter-b"):
        for _ in range(3):
            await append(memory_store, stream, Counted(by=1))
    commits = memory_store.streams["counter-a"]
    commits[1] = replace(commits[1], data=data)
    found = Histories(memory_store)
    heads = {history.head async for history in found.read()}
    assert heads == {Head("counter-a", 1), Head("counter-b", 3)}
    assert list(found.unreadable) == ["counter-a"]


async def test_a_history_can_be_read_as_of_a_version_or_a_time(memory_store: Store) -> None:
    for at_ms in (1_000, 2_000, 3_000):
        await append(memory_store, "counter-a", Counted(by=1), Counted(by=1), at_ms=at_ms)
    history = await memory_store.load("counter-a")
    assert history.as_of(version=4).head == Head("counter-a", 4)
    assert history.as_of(version=5).head == Head("counter-a", 4)  # a commit is not divided
    assert history.as_of(at_ms=2_999).head == Head("counter-a", 4)
    assert history.as_of(at_ms=999).commits == ()
    assert history.as_of() == history
