"""Every event store passes the same tests: what DynamoDB guarantees, memory guarantees too."""

import asyncio
import secrets
from collections import Counter
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.log.event_store import (
    ClaimTaken,
    CommandIdReused,
    Commit,
    CommitTooLarge,
    Conflict,
    EventStore,
    Head,
    History,
    Origin,
    Snapshot,
)
from chassis.log.histories import Histories
from tests.chassis.events import Counted, Named

Store = EventStore[Counted | Named]

# all examples of a property share one store: each example writes its own streams
many = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fresh() -> str:
    return f"counter-{uuid4()}"


def origin(command_id: str | None = None, body: str = "body") -> Origin:
    return Origin(
        command_id=command_id or str(uuid4()),
        body_hash=body,
        correlation_id="correlation",
        at=1_800_000_000_000,
    )


async def write(store: Store, stream: str, *sizes: int) -> list[Commit[Counted | Named]]:
    head, commits = Head(stream, 0), []
    for size in sizes:
        commit = await store.append(head, [Counted(by=1)] * size, origin())
        head = commit.head
        commits.append(commit)
    return commits


async def test_a_stream_without_events_is_at_version_zero(store: Store) -> None:
    stream = fresh()
    assert await store.head(stream) == Head(stream, 0)
    assert (await store.load(stream)).commits == ()


async def test_a_commit_is_loaded_with_its_origin(store: Store) -> None:
    stream = fresh()
    cause = Origin("command", "hash", "correlation", 1_800_000_000_123, "cause", "actor")
    commit = await store.append(Head(stream, 0), [Counted(by=1), Named(name="n")], cause)
    history = await store.load(stream)
    assert history.commits == (commit,)
    assert history.head == Head(stream, 2) == await store.head(stream)
    assert history.commits[0].origin == cause


async def test_loading_starts_after_a_version(store: Store) -> None:
    stream = fresh()
    commits = await write(store, stream, 2, 3, 1)
    history = await store.load(stream, after=2)
    assert history.commits == tuple(commits[1:])
    assert (await store.load(stream, after=6)).head == Head(stream, 6)


async def test_appending_at_a_stale_head_conflicts(store: Store) -> None:
    stream = fresh()
    await write(store, stream, 2)
    with pytest.raises(Conflict):
        await store.append(Head(stream, 0), [Counted(by=1)], origin())
    assert (await store.head(stream)).version == 2


async def test_a_repeated_command_returns_its_first_commit(store: Store) -> None:
    stream, command = fresh(), origin()
    first = await store.append(Head(stream, 0), [Counted(by=1)], command)
    again = await store.append(Head(stream, 0), [Counted(by=7)], command._replace(at=1))
    assert again == first
    assert (await store.load(stream)).commits == (first,)


async def test_a_command_id_with_another_body_is_rejected(store: Store) -> None:
    stream, command = fresh(), origin()
    await store.append(Head(stream, 0), [Counted(by=1)], command)
    with pytest.raises(CommandIdReused):
        await store.append(Head(stream, 0), [Counted(by=1)], command._replace(body_hash="other"))


async def test_claims_and_commit_are_written_together_or_not_at_all(store: Store) -> None:
    mine, theirs, claim = fresh(), fresh(), f"name#{uuid4()}"
    await store.append(Head(mine, 0), [Counted(by=1)], origin(), claims=[claim])
    with pytest.raises(ClaimTaken) as taken:
        await store.append(
            Head(theirs, 0), [Counted(by=1)], origin(), claims=[f"free#{theirs}", claim]
        )
    assert taken.value.claim == claim
    assert (await store.load(theirs)).commits == ()
    # the failed commit did not take the free claim
    await store.append(Head(fresh(), 0), [Counted(by=1)], origin(), claims=[f"free#{theirs}"])


async def test_a_claim_that_must_be_free_is_checked_and_not_taken(store: Store) -> None:
    mine, theirs, claim = fresh(), fresh(), f"name#{uuid4()}"
    await store.append(Head(fresh(), 0), [Counted(by=1)], origin(), unclaimed=[claim])
    first = await store.append(Head(mine, 0), [Counted(by=1)], origin(), claims=[claim])
    await store.append(first.head, [Counted(by=1)], origin(), unclaimed=[claim])  # its own
    for claims in ([], [f"free#{theirs}"]):
        with pytest.raises(ClaimTaken) as taken:
            await store.append(
                Head(theirs, 0), [Counted(by=1)], origin(), claims=claims, unclaimed=[claim]
            )
        assert (taken.value.claim, taken.value.holder) == (claim, mine)
    assert (await store.head(theirs)).version == 0


async def test_a_stream_may_claim_what_it_holds(store: Store) -> None:
    stream, claim = fresh(), f"name#{uuid4()}"
    commit = await store.append(Head(stream, 0), [Counted(by=1)], origin(), claims=[claim])
    await store.append(commit.head, [Counted(by=1)], origin(), claims=[claim])
    assert (await store.head(stream)).version == 2


async def test_a_repeated_command_with_claims_returns_its_first_commit(store: Store) -> None:
    stream, command, claim = fresh(), origin(), f"name#{uuid4()}"
    first = await store.append(Head(stream, 0), [Counted(by=1)], command, claims=[claim])
    again = await store.append(Head(stream, 0), [Counted(by=1)], command, claims=[claim])
    assert again == first


async def test_a_conflict_is_reported_before_a_taken_claim(store: Store) -> None:
    stream, claim = fresh(), f"name#{uuid4()}"
    await store.append(Head(stream, 0), [Counted(by=1)], origin())
    await store.append(Head(fresh(), 0), [Counted(by=1)], origin(), claims=[claim])
    with pytest.raises(Conflict):
        await store.append(Head(stream, 0), [Counted(by=1)], origin(), claims=[claim])


async def test_many_events_fit_into_one_commit(store: Store) -> None:
    stream = fresh()
    events = [Named(name=f"{number:0>200}") for number in range(500)]  # 120 kB of JSON
    await store.append(Head(stream, 0), events, origin())
    assert (await store.load(stream)).events == tuple(events)


@pytest.mark.slow
async def test_a_commit_larger_than_an_item_is_rejected(store: Store) -> None:
    stream = fresh()
    noise = "".join(uuid4().hex for _ in range(40_000))
    with pytest.raises(CommitTooLarge, match="409600"):
        await store.append(Head(stream, 0), [Named(name=noise)], origin())
    assert (await store.load(stream)).commits == ()


async def test_a_long_stream_is_loaded_over_several_pages(store: Store) -> None:
    stream, head = fresh(), None
    blob = "".join(uuid4().hex for _ in range(6_000))
    head = Head(stream, 0)
    for _ in range(8):  # together more than the megabyte that one page of a query holds
        head = (await store.append(head, [Named(name=blob)], origin())).head
    assert (await store.load(stream)).head == Head(stream, 8)
    assert len((await store.load(stream)).commits) == 8


async def test_an_older_snapshot_does_not_replace_a_newer_one(store: Store) -> None:
    stream = fresh()
    assert await store.snapshot(stream) is None
    newer = Snapshot(stream, 20, 1, b"{}", "20.20.digest", 10)
    assert await store.save_snapshot(newer)
    assert await store.save_snapshot(replace(newer, version=10))
    assert await store.snapshot(stream) == newer
    # unless it belongs to a history that the log does not have any more
    older = replace(newer, version=10, fingerprint="10.9.digest")
    assert await store.save_snapshot(older, replaces="20.20.digest")
    assert await store.snapshot(stream) == older


@pytest.mark.slow
async def test_a_snapshot_larger_than_an_item_is_not_saved(store: Store) -> None:
    stream = fresh()
    noise = secrets.token_bytes(450_000)
    assert not await store.save_snapshot(Snapshot(stream, 20, 1, noise, "20.20.digest"))
    assert await store.snapshot(stream) is None


async def test_the_newest_commits_of_a_stream_are_loaded(store: Store) -> None:
    stream = fresh()
    commits = await write(store, stream, 2, 3, 1)
    newest = await store.load_newest(stream, commits=2)
    assert newest == History(Head(stream, 6), tuple(commits[1:]), 2)
    assert not newest.complete
    for enough in (3, 4):
        assert await store.load_newest(stream, commits=enough) == await store.load(stream)
    empty = await store.load_newest(fresh(), commits=2)
    assert (empty.head.version, empty.commits, empty.complete) == (0, (), True)


async def test_one_commit_is_loaded_by_its_first_version(store: Store) -> None:
    stream = fresh()
    commits = await write(store, stream, 2, 3)
    assert await store.commit(stream, 3) == commits[1]
    assert await store.commit(stream, 4) is None


async def test_the_commit_of_an_indexed_command_is_found(store: Store) -> None:
    stream = fresh()
    commits = await write(store, stream, *[1] * 30)  # more than one request of 25
    await store.index_commands([each.executed for each in commits], expires_at=2_000_000_000)
    for commit in (commits[0], commits[29]):
        found = await store.indexed_commit(stream, commit.origin.command_id)
        assert found == commit.first
    assert await store.indexed_commit(stream, str(uuid4())) is None
    assert await store.indexed_commit(fresh(), commits[0].origin.command_id) is None


async def test_the_commands_of_a_stream_are_listed_without_their_events(store: Store) -> None:
    stream = fresh()
    commits = await write(store, stream, 2, 1, 3)
    executed = [each.executed for each in commits]
    assert await store.executed_commands(stream, after=0, limit=3) == executed
    assert await store.executed_commands(stream, after=2, limit=1) == executed[1:2]
    assert await store.executed_commands(stream, after=6, limit=1) == []


async def test_a_command_is_found_in_a_part_of_its_stream(store: Store) -> None:
    stream = fresh()
    commits = await write(store, stream, 2, 1, 3)
    command_id = commits[1].origin.command_id
    assert await store.find_command(stream, command_id, after=0, until=6) == 3
    assert await store.find_command(stream, command_id, after=2, until=3) == 3
    assert await store.find_command(stream, command_id, after=3, until=6) is None
    assert await store.find_command(stream, command_id, after=0, until=2) is None
    assert await store.find_command(fresh(), command_id, after=0, until=6) is None


async def test_a_claim_named_twice_is_refused_as_dynamodb_refuses_it(store: Store) -> None:
    stream = fresh()
    with pytest.raises(ValueError, match="twice"):
        await store.append(Head(stream, 0), [Counted(by=1)], origin(), claims=["a#1", "a#1"])
    assert (await store.load(stream)).commits == ()


@pytest.mark.parametrize("claims", [[f"a#{n}" for n in range(100)], ["a#" + "x" * 2_000]])
async def test_claims_that_do_not_fit_into_a_transaction_are_refused(
    store: Store, claims: list[str]
) -> None:
    stream = fresh()
    with pytest.raises(CommitTooLarge):
        await store.append(Head(stream, 0), [Counted(by=1)], origin(), claims=claims)
    assert (await store.load(stream)).commits == ()


async def test_a_scan_returns_every_commit_once_and_resumes_at_its_cursor(store: Store) -> None:
    streams = [fresh() for _ in range(30)]
    expected = {c for s in streams for c in map(_key, await write(store, s, 1, 3, 2))}
    found: Counter[tuple[str, int]] = Counter()
    for segment in range(3):
        cursor = None
        while True:
            page = await anext(store.scan(segment=segment, segments=3, cursor=cursor))
            found.update(_key(commit) for commit in page.commits)
            if (cursor := page.cursor) is None:
                break
    assert {key: count for key, count in found.items() if key in expected} == dict.fromkeys(
        expected, 1
    )


async def test_histories_are_complete_and_in_order(store: Store) -> None:
    """With more than nine commits, an order by text would differ from the order by number."""
    long, short = fresh(), fresh()
    await write(store, long, *([1] * 12))
    await write(store, short, 2)
    loaded = {history.head.stream: history async for history in Histories(store).read()}
    assert [commit.first for commit in loaded[long].commits] == list(range(1, 13))
    assert loaded[short].head.version == 2


async def test_heads_are_scanned_without_the_events(store: Store) -> None:
    streams = {}
    for _ in range(10):
        stream = fresh()
        written = await write(store, stream, 1, 3, 2)
        streams[stream] = (6, written[-1].origin.at)
    found: dict[str, tuple[int, int]] = {}
    for segment in range(2):
        async for page in store.scan_heads(segment=segment, segments=2):
            for stream, head in page.heads.items():
                found[stream] = max(found.get(stream, head), head)
    assert {stream: head for stream, head in found.items() if stream in streams} == streams
    assert await store.approximate_commits() >= 0  # DynamoDB updates the number every six hours


async def test_heads_are_scanned_from_a_time_on(store: Store) -> None:
    stream, other = fresh(), fresh()
    (old,) = await write(store, other, 2)
    since = old.origin.at + 1_000
    await store.append(Head(stream, 0), [Counted(by=1)], origin()._replace(at=since - 1))
    new = origin()._replace(at=since)
    await store.append(Head(stream, 1), [Counted(by=1), Counted(by=2)], new)
    found: dict[str, tuple[int, int]] = {}
    async for page in store.scan_heads(since_ms=since):
        found |= page.heads
    assert found[stream] == (3, since)
    assert other not in found


def _key(commit: Commit[Counted | Named]) -> tuple[str, int]:
    return commit.stream, commit.first


@many
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=6), writers=st.integers(2, 6))
async def test_one_of_several_concurrent_writers_wins(
    racing_store: Store, sizes: list[int], writers: int
) -> None:
    stream = fresh()
    await write(racing_store, stream, *sizes)
    head = await racing_store.head(stream)
    results = await asyncio.gather(
        *(racing_store.append(head, [Counted(by=1)] * (n + 1), origin()) for n in range(writers)),
        return_exceptions=True,
    )
    won = [result for result in results if isinstance(result, Commit)]
    assert len(won) == 1
    assert sum(isinstance(result, Conflict) for result in results) == writers - 1
    assert (await racing_store.load(stream)).commits[-1] == won[0]


@many
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=12),
)
async def test_versions_are_contiguous_although_writers_use_stale_heads(
    store: Store, attempts: list[tuple[int, int]]
) -> None:
    """Writers append at heads they remember; only an append at the newest head succeeds."""
    stream = fresh()
    seen = [Head(stream, 0)]
    for back, size in attempts:
        head = seen[max(0, len(seen) - 1 - back)]
        try:
            commit = await store.append(head, [Counted(by=1)] * size, origin())
        except Conflict:
            assert back
            continue
        assert head == seen[-1]
        seen.append(commit.head)
    versions = [c.first for c in (await store.load(stream)).commits]
    assert versions == [head.version + 1 for head in seen[:-1]]


@many
@given(deliveries=st.integers(2, 6))
async def test_concurrent_deliveries_of_one_command_write_one_commit(
    racing_store: Store, deliveries: int
) -> None:
    stream, command = fresh(), origin()
    commits = await asyncio.gather(
        *(
            racing_store.append(
                Head(stream, 0), [Counted(by=1)], command, claims=[f"name#{stream}"]
            )
            for _ in range(deliveries)
        ),
        return_exceptions=True,
    )
    # a transaction that meets another one fails with a conflict as well
    assert {commit for commit in commits if isinstance(commit, Commit)}
    assert all(isinstance(commit, Commit | Conflict) for commit in commits)
    assert len((await racing_store.load(stream)).commits) == 1
