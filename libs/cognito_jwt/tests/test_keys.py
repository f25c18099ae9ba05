import asyncio
import json
from dataclasses import dataclass

import pytest

from cognito_jwt import KeySet, KeysUnavailable
from cognito_jwt.keys import COOL_DOWN_SECONDS, parse_jwks
from cognito_jwt.testing import TokenIssuer


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_fifty_concurrent_callers_share_one_fetch(issuer: TokenIssuer) -> None:
    keys = KeySet(issuer.fetch)
    found = await asyncio.gather(*(keys.keys_for("key-1") for _ in range(50)))
    assert all("key-1" in keys_then for keys_then in found)
    assert issuer.fetches == 1


async def test_unknown_key_ids_cause_one_fetch_per_cool_down(issuer: TokenIssuer) -> None:
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    for number in range(50):
        assert f"unknown-{number}" not in await keys.keys_for(f"unknown-{number}")
    assert issuer.fetches == 1
    clock.now += COOL_DOWN_SECONDS
    await keys.keys_for("unknown")
    assert issuer.fetches == 2


async def test_a_rotation_is_noticed_after_the_cool_down(issuer: TokenIssuer) -> None:
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    await keys.refresh()
    issuer.rotate("key-2")
    assert "key-2" not in await keys.keys_for("key-2")
    clock.now += COOL_DOWN_SECONDS
    before = keys.generation
    assert "key-2" in await keys.keys_for("key-2")
    assert keys.generation == before + 1


async def test_the_age_of_keys_counts_from_the_last_successful_fetch(issuer: TokenIssuer) -> None:
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    clock.now += 30
    assert keys.age_seconds == 30
    await keys.refresh()
    assert keys.age_seconds == 0
    issuer.down = True
    clock.now += COOL_DOWN_SECONDS
    await keys.refresh()
    assert keys.age_seconds == COOL_DOWN_SECONDS


async def test_a_withdrawn_key_is_dropped(issuer: TokenIssuer) -> None:
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    await keys.refresh()
    issuer.rotate("key-2")
    del issuer.keys["key-1"]
    clock.now += COOL_DOWN_SECONDS
    await keys.refresh()
    assert set(keys.snapshot()) == {"key-2"}


async def test_known_keys_survive_an_outage_with_many_unknown_key_ids(issuer: TokenIssuer) -> None:
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    await keys.refresh()
    issuer.down = True
    clock.now += COOL_DOWN_SECONDS
    for minute in range(10):
        for number in range(20):
            with pytest.raises(KeysUnavailable):
                await keys.keys_for(f"unknown-{minute}-{number}")
            assert "key-1" in await keys.keys_for("key-1")
        clock.now += 60
    assert issuer.fetches == 11


async def test_without_any_key_verification_is_unavailable(issuer: TokenIssuer) -> None:
    issuer.down = True
    keys = KeySet(issuer.fetch)
    with pytest.raises(KeysUnavailable):
        await keys.keys_for("key-1")
    assert not keys.loaded


async def test_a_key_set_without_keys_retries_soon_and_then_less_often(issuer: TokenIssuer) -> None:
    issuer.down = True
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    fetches = []
    for _ in range(60):
        await keys.refresh()
        fetches.append(issuer.fetches)
        clock.now += 1
    assert fetches[:16] == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]
    assert fetches[-1] == 9


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1]}',
        b'{"keys": [{"kty": "oct", "kid": "a", "k": "AA"}]}',
        b'{"keys": [{"kty": "RSA", "kid": "a"}]}',
        b'{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "RSA", "kid": "a", "n": 1, "e": 2}]}',
    ],
)
def test_a_document_that_is_not_a_key_set_raises(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_jwks(document)


def test_keys_for_other_uses_are_skipped(issuer: TokenIssuer) -> None:
    rows = json.loads(issuer.jwks())["keys"]
    others = [rows[0] | {"kid": "enc", "use": "enc"}, rows[0] | {"kid": "512", "alg": "RS512"}]
    assert set(parse_jwks(json.dumps({"keys": rows + others}).encode())) == {"key-1"}


@pytest.mark.parametrize(
    ("operations", "usable"),
    [
        (["verify"], True),
        (["sign", "verify"], True),
        (["sign"], False),
        (["encrypt"], False),
        ([], False),
        (None, False),
        ("verify", False),
        (7, False),
    ],
)
def test_a_key_whose_operations_lack_verify_is_skipped(
    operations: object, *, usable: bool, issuer: TokenIssuer
) -> None:
    rows = json.loads(issuer.jwks())["keys"]
    rows.append(rows[0] | {"kid": "other", "key_ops": operations})
    keys = parse_jwks(json.dumps({"keys": rows}).encode())
    assert ("other" in keys) is usable
