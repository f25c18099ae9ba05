import contextlib
import json

import pytest
from redis.asyncio import Redis

from readthrough import RAO


async def test_a_dictionary_is_stored_as_json_under_prefix_and_key(redis: Redis) -> None:
    rao = RAO("users", client=redis)
    await rao.store("alice", {"points": 3})
    assert rao.generate_key("alice") == "users_alice"
    assert json.loads(await redis.get("users_alice") or "") == {"points": 3}
    assert await rao.retrieve("alice") == {"points": 3}


async def test_a_value_expires_after_half_an_hour_by_default(redis: Redis) -> None:
    await RAO("users", client=redis).store("alice", {})
    await RAO("users", client=redis, tte=60).store("bob", {})
    assert 1790 < await redis.ttl("users_alice") <= 1800
    assert 50 < await redis.ttl("users_bob") <= 60


async def test_a_missing_value_is_none(redis: Redis) -> None:
    rao = RAO("users", client=redis)
    assert await rao.retrieve("missing") is None
    await rao.store("alice", {})
    await rao.forget("alice")
    assert await rao.retrieve("alice") is None


@pytest.mark.parametrize("full_url", [True, False])
async def test_the_server_comes_from_the_environment(
    full_url: bool,  # noqa: FBT001  a parameter of the test
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, _, port = redis_url.removeprefix("redis://").partition("/")[0].partition(":")
    monkeypatch.setenv("REDIS_URL", redis_url if full_url else host)
    monkeypatch.setenv("REDIS_PORT", "1" if full_url else port)
    async with contextlib.aclosing(RAO("environment")) as rao:
        await rao.store("pk", {"a": 1})
        assert await rao.retrieve("pk") == {"a": 1}
        await rao.forget("pk")
