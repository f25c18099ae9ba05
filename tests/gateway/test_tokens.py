import time
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from cognito_jwt import InvalidToken, KeySet, Pool, Revocation, RevocationList, TokenCache, Verifier
from cognito_jwt.cache import TTL_SECONDS
from cognito_jwt.keys import COOL_DOWN_SECONDS
from tests.gateway.world import ALICE, CLIENT, ISSUER, Issuer

BOB = "b0b00000-0000-4000-8000-000000000b0b"


@dataclass
class Clock:
    now: float

    def __call__(self) -> float:
        return self.now


@dataclass
class Tokens:
    cache: TokenCache
    keys: KeySet
    clock: Clock


@pytest.fixture
def tokens(issuer: Issuer, redis: Redis) -> Tokens:
    clock = Clock(time.time())
    keys = KeySet(issuer.fetch, clock)
    verifier = Verifier({ISSUER: (Pool(ISSUER, frozenset({CLIENT})), keys)}, clock)
    return Tokens(TokenCache(verifier, RevocationList(redis), clock, size=3), keys, clock)


async def test_a_token_is_verified_once(tokens: Tokens, issuer: Issuer) -> None:
    token = issuer.access()
    assert tokens.cache.cached(token) is None
    caller = await tokens.cache.verify(token)
    assert tokens.cache.cached(token) is caller


async def test_what_is_invalid_is_not_remembered(tokens: Tokens, issuer: Issuer) -> None:
    token = issuer.access(client_id="other")
    with pytest.raises(InvalidToken):
        await tokens.cache.verify(token)
    assert tokens.cache.cached(token) is None


async def test_no_token_is_remembered_beyond_its_end(tokens: Tokens, issuer: Issuer) -> None:
    short = issuer.access(exp=int(tokens.clock.now) + 20)
    await tokens.cache.verify(short)
    tokens.clock.now += 19
    assert tokens.cache.cached(short)
    tokens.clock.now += 2
    assert tokens.cache.cached(short) is None
    with pytest.raises(InvalidToken):
        await tokens.cache.verify(short)


async def test_a_signature_is_checked_again_after_a_while(tokens: Tokens, issuer: Issuer) -> None:
    token = issuer.access()
    await tokens.cache.verify(token)
    tokens.clock.now += TTL_SECONDS + 1
    assert tokens.cache.cached(token) is None


async def test_the_memory_is_bounded(tokens: Tokens, issuer: Issuer) -> None:
    many = [issuer.access(jti=f"jti-{number}") for number in range(5)]
    for token in many:
        await tokens.cache.verify(token)
    assert [bool(tokens.cache.cached(token)) for token in many] == [False] * 2 + [True] * 3


async def test_a_withdrawn_key_does_not_live_on(tokens: Tokens, issuer: Issuer) -> None:
    token = issuer.access()
    await tokens.cache.verify(token)
    issuer.rotate("key-2")
    del issuer.keys["key-1"]
    tokens.clock.now += COOL_DOWN_SECONDS
    await tokens.keys.refresh()
    assert tokens.cache.cached(token) is None
    with pytest.raises(InvalidToken):
        await tokens.cache.verify(token)


@pytest.mark.parametrize(
    ("kind", "value", "covered"),
    [
        ("jti", "jti-1", [True, False, False, False]),
        ("origin_jti", "origin-1", [True, True, False, False]),
        ("sub", ALICE, [True, True, True, False]),
    ],
)
async def test_what_is_revoked_is_refused_whether_remembered_or_not(
    kind: str, value: str, covered: list[bool], tokens: Tokens, issuer: Issuer
) -> None:
    now = int(tokens.clock.now)
    several = [
        issuer.access(),
        issuer.access(jti="jti-2"),
        issuer.access(jti="jti-3", origin_jti="origin-2"),
        issuer.access(auth_time=now + 2, jti="jti-4", origin_jti="origin-3"),
    ]
    for token in several[:3]:
        await tokens.cache.verify(token)
    entry = Revocation(kind, value, now, now + 900)  # type: ignore[arg-type]  # parametrized
    await tokens.cache.revocations.add(entry)
    for token, refused in zip(several, covered, strict=True):
        assert await is_refused(tokens.cache, token) is refused


async def is_refused(cache: TokenCache, token: str) -> bool:
    try:
        if cache.cached(token) is None:
            await cache.verify(token)
    except InvalidToken:
        return True
    return False


async def test_other_workers_learn_of_a_revocation(redis: Redis) -> None:
    one, other = RevocationList(redis), RevocationList(redis)
    await other.refresh()
    now = int(time.time())
    await one.add(Revocation("sub", BOB, now, now + 900))
    await other.refresh()
    assert other._entries == one._entries


async def test_a_list_that_redis_lost_is_put_back(redis: Redis) -> None:
    one, other = RevocationList(redis), RevocationList(redis)
    now = int(time.time())
    await one.add(Revocation("sub", BOB, now, now + 900))
    await one.refresh()
    await redis.flushdb()
    await one.refresh()
    await other.refresh()
    assert "sub:" + BOB in other._entries


async def test_a_revocation_ends_with_what_it_took_back(redis: Redis) -> None:
    revocations = RevocationList(redis)
    now = int(time.time())
    await revocations.add(Revocation("jti", "old", now - 900, now - 1))
    await revocations.refresh()
    assert revocations._entries == {}
