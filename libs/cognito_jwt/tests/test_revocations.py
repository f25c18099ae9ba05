import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from cognito_jwt import Revocation, RevocationList

NOW = 1_800_000_000
"""The time of every list: one that goes on would drop entries during a long test run."""


def revocation(value: str, *, before: int = NOW, until: int = NOW + 900) -> Revocation:
    return Revocation("sub", value, before, until)


def list_of(redis: Any, **options: Any) -> RevocationList:
    """Return the list of a process."""
    return RevocationList(redis, clock=lambda: float(NOW), **options)


def names(revocations: RevocationList) -> set[str]:
    return {entry.value for entry in revocations._entries.values()}


async def test_other_processes_apply_a_revocation(redis: Redis) -> None:
    one, other = list_of(redis), list_of(redis)
    await other.refresh()
    await one.add(revocation("bob"))
    await other.refresh()
    assert other._entries == one._entries


async def test_a_list_that_redis_lost_is_restored(redis: Redis) -> None:
    one, other = list_of(redis), list_of(redis)
    await one.add(revocation("bob"))
    await one.refresh()
    await redis.flushdb()
    await one.refresh()
    await other.refresh()
    assert names(other) == {"bob"}


async def test_as_many_revocations_after_a_loss_as_before_do_not_hide_it(redis: Redis) -> None:
    one, other = list_of(redis), list_of(redis)
    await one.add(revocation("bob"))
    await one.refresh()
    await other.refresh()
    await redis.flushdb()
    await other.add(revocation("carol"))
    for each in (one, other, one):
        await each.refresh()
    assert names(one) == names(other) == {"bob", "carol"}


async def test_a_list_that_redis_lost_without_its_version_is_restored(redis: Redis) -> None:
    one = list_of(redis)
    await one.add(revocation("bob"))
    await one.refresh()
    await redis.delete("{revocations}:list")
    await one.refresh()
    assert await redis.hkeys("{revocations}:list") == [b"sub:bob"]


async def test_an_older_revocation_of_a_user_does_not_replace_a_newer_one(redis: Redis) -> None:
    one, other = list_of(redis), list_of(redis)
    await one.add(revocation("bob", before=NOW))
    await other.add(revocation("bob", before=NOW - 60))
    for each in (one, other):
        await each.refresh()
        assert each._entries["sub:bob"].before == NOW


async def test_an_expired_revocation_is_dropped(redis: Redis) -> None:
    revocations = list_of(redis)
    await revocations.add(revocation("old", before=NOW - 900, until=NOW - 1))
    await revocations.refresh()
    assert names(revocations) == set()


async def test_a_revocation_that_could_not_be_stored_is_stored_later(redis: Redis) -> None:
    one, other = list_of(redis), list_of(redis)
    await one.refresh()

    async def refused(*_: Any) -> None:
        raise RedisConnectionError("connection refused")

    accepted, one._add = one._add, refused
    with pytest.raises(RedisConnectionError):
        await one.add(revocation("bob"))
    assert names(one) == {"bob"}
    one._add = accepted
    await one.refresh()
    await other.refresh()
    assert names(other) == {"bob"}


async def test_each_change_of_the_copy_is_reported(redis: Redis) -> None:
    changes: list[int] = []
    one = list_of(redis)
    other: RevocationList = list_of(redis, on_change=lambda: changes.append(len(names(other))))
    await one.add(revocation("bob"))
    for _ in range(3):
        await other.refresh()
    await other.add(revocation("carol"))
    assert changes == [1, 2]


@dataclass
class History:
    """What happened to the list, and the snapshot to which a failover returns."""

    processes: list[RevocationList]
    added: set[str] = field(default_factory=set)
    snapshot: dict[bytes, bytes] = field(default_factory=dict)
    version: bytes | None = None


steps = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 2)),
    st.tuples(st.just("refresh"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["replicate", "fail over", "flush"]), st.just(0)),
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@example(course=[("add", 1), ("fail over", 0), ("refresh", 1), ("fail over", 0)])
@given(course=st.lists(steps, max_size=14))
async def test_no_revocation_is_lost_whatever_redis_forgets(
    redis: Any, course: list[tuple[str, int]]
) -> None:
    """Whatever is lost, and in whatever order the processes look: all end with everything."""
    await redis.flushdb()
    history = History([list_of(redis) for _ in range(3)])
    for number, (step, process) in enumerate(course):
        await _take(redis, history, step, history.processes[process], f"user-{number}")
    for _ in range(2):
        for each in history.processes:
            await each.refresh()
    for each in (*history.processes, await _fresh(redis)):
        assert names(each) == history.added


async def _take(
    redis: Any, history: History, step: str, process: RevocationList, value: str
) -> None:
    match step:
        case "add":
            await process.add(revocation(value))
            history.added.add(value)
        case "refresh":
            await process.refresh()
        case "replicate":
            history.snapshot = await redis.hgetall("{revocations}:list")
            history.version = await redis.get("{revocations}:version")
        case "flush":
            await redis.flushdb()
        case "fail over":
            await redis.flushdb()
            if history.version is not None:
                await redis.hset("{revocations}:list", mapping=history.snapshot)
                await redis.set("{revocations}:version", history.version)
        case _:
            raise AssertionError(step)


async def _fresh(redis: Any) -> RevocationList:
    started = list_of(redis)
    await started.refresh()
    return started


async def test_an_outage_of_redis_is_logged_once(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocations = list_of(redis)
    looks = iter([RedisConnectionError("away")] * 20)

    async def refresh(_: RevocationList) -> None:
        for error in looks:
            raise error
        raise asyncio.CancelledError

    monkeypatch.setattr(RevocationList, "refresh", refresh)
    monkeypatch.setattr("cognito_jwt.revocations.POLL_SECONDS", 0)
    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await revocations.watch()
    assert [line["event"] for line in logs] == ["revocations_refresh_failed"]


async def test_the_end_of_an_outage_of_redis_is_logged(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocations = list_of(redis)
    looks = iter([RedisConnectionError("away"), RedisConnectionError("away"), None, None])

    async def refresh(_: RevocationList) -> None:
        for error in looks:
            if error is not None:
                raise error
            return
        raise asyncio.CancelledError

    monkeypatch.setattr(RevocationList, "refresh", refresh)
    monkeypatch.setattr("cognito_jwt.revocations.POLL_SECONDS", 0)
    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await revocations.watch()
    assert [line["event"] for line in logs] == [
        "revocations_refresh_failed",
        "revocations_refreshed_again",
    ]
