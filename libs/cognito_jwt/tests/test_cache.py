import time
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from cognito_jwt import InvalidToken, KeySet, Pool, Revocation, RevocationList, TokenCache, Verifier
from cognito_jwt.cache import TTL_SECONDS
from cognito_jwt.keys import COOL_DOWN_SECONDS
from cognito_jwt.testing import TokenIssuer

ALICE = "5e1f0c2a-0000-4000-8000-00000000a11c"


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
def tokens(issuer: TokenIssuer, redis: Redis) -> Tokens:
    clock = Clock(time.time())
    keys = KeySet(issuer.fetch, clock)
    verifier = Verifier(
        {issuer.issuer: (Pool(issuer.issuer, frozenset({issuer.client_id})), keys)}, clock
    )
    return Tokens(TokenCache(verifier, RevocationList(redis), clock, size=3), keys, clock)


async def test_a_token_is_verified_once(tokens: Tokens, issuer: TokenIssuer) -> None:
    token = issuer.access(ALICE)
    assert tokens.cache.cached(token) is None
    caller = await tokens.cache.verify(token)
    assert tokens.cache.cached(token) is caller


async def test_an_invalid_token_is_not_cached(tokens: Tokens, issuer: TokenIssuer) -> None:
    token = issuer.access(ALICE, client_id="other")
    with pytest.raises(InvalidToken):
        await tokens.cache.verify(token)
    assert tokens.cache.cached(token) is None


async def test_no_token_is_cached_beyond_its_expiry(tokens: Tokens, issuer: TokenIssuer) -> None:
    short = issuer.access(ALICE, exp=int(tokens.clock.now) + 20)
    await tokens.cache.verify(short)
    tokens.clock.now += 19
    assert tokens.cache.cached(short)
    tokens.clock.now += 2
    assert tokens.cache.cached(short) is None
    with pytest.raises(InvalidToken):
        await tokens.cache.verify(short)


async def test_a_signature_is_checked_again_after_the_time_to_live(
    tokens: Tokens, issuer: TokenIssuer
) -> None:
    token = issuer.access(ALICE)
    await tokens.cache.verify(token)
    tokens.clock.now += TTL_SECONDS + 1
    assert tokens.cache.cached(token) is None


async def test_the_cache_is_bounded(tokens: Tokens, issuer: TokenIssuer) -> None:
    many = [issuer.access(ALICE, jti=f"jti-{number}") for number in range(5)]
    for token in many:
        await tokens.cache.verify(token)
    assert [bool(tokens.cache.cached(token)) for token in many] == [False] * 2 + [True] * 3


async def test_tokens_of_a_withdrawn_key_are_rejected(tokens: Tokens, issuer: TokenIssuer) -> None:
    token = issuer.access(ALICE)
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
async def test_a_revoked_token_is_rejected_whether_cached_or_not(
    kind: str, value: str, covered: list[bool], tokens: Tokens, issuer: TokenIssuer
) -> None:
    now = int(tokens.clock.now)
    several = [
        issuer.access(ALICE),
        issuer.access(ALICE, jti="jti-2"),
        issuer.access(ALICE, jti="jti-3", origin_jti="origin-2"),
        issuer.access(ALICE, auth_time=now + 2, jti="jti-4", origin_jti="origin-3"),
    ]
    for token in several[:3]:
        await tokens.cache.verify(token)
    entry = Revocation(kind, value, now, now + 900)  # type: ignore[arg-type]  # parametrized
    await tokens.cache.revocations.add(entry)
    for token, rejected in zip(several, covered, strict=True):
        assert await is_rejected(tokens.cache, token) is rejected


async def is_rejected(cache: TokenCache, token: str) -> bool:
    try:
        if cache.cached(token) is None:
            await cache.verify(token)
    except InvalidToken:
        return True
    return False
