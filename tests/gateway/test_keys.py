import asyncio
import json
from dataclasses import dataclass

import pytest

from cognito_jwt import KeySet, KeysUnavailable
from cognito_jwt.keys import COOL_DOWN_SECONDS, parse_jwks
from tests.gateway.world import Issuer


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_fifty_callers_wait_for_one_fetch(issuer: Issuer) -> None:
    keys = KeySet(issuer.fetch)
    found = await asyncio.gather(*(keys.keys_for("key-1") for _ in range(50)))
    assert all("key-1" in its for its in found)
    assert issuer.asked == 1


async def test_unknown_key_ids_cause_no_fetch_storm(issuer: Issuer) -> None:
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    for number in range(50):
        assert f"unknown-{number}" not in await keys.keys_for(f"unknown-{number}")
    assert issuer.asked == 1
    clock.now += COOL_DOWN_SECONDS
    await keys.keys_for("unknown")
    assert issuer.asked == 2


async def test_a_rotation_is_seen_once_the_cool_down_is_over(issuer: Issuer) -> None:
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    await keys.refresh()
    issuer.rotate("key-2")
    assert "key-2" not in await keys.keys_for("key-2")
    clock.now += COOL_DOWN_SECONDS
    before = keys.generation
    assert "key-2" in await keys.keys_for("key-2")
    assert keys.generation == before + 1


async def test_a_withdrawn_key_is_forgotten(issuer: Issuer) -> None:
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    await keys.refresh()
    issuer.rotate("key-2")
    del issuer.keys["key-1"]
    clock.now += COOL_DOWN_SECONDS
    await keys.refresh()
    assert set(keys.snapshot()) == {"key-2"}


async def test_known_keys_outlive_an_outage_and_a_storm(issuer: Issuer) -> None:
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
    assert issuer.asked == 11


async def test_without_any_key_nothing_can_be_told(issuer: Issuer) -> None:
    issuer.down = True
    keys = KeySet(issuer.fetch)
    with pytest.raises(KeysUnavailable):
        await keys.keys_for("key-1")
    assert not keys.loaded


async def test_who_has_no_keys_yet_asks_again_soon_and_then_less_often(issuer: Issuer) -> None:
    issuer.down = True
    clock = Clock()
    keys = KeySet(issuer.fetch, clock)
    asked = []
    for _ in range(60):
        await keys.refresh()
        asked.append(issuer.asked)
        clock.now += 1
    assert asked[:16] == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]
    assert asked[-1] == 9


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
def test_what_is_no_key_set_replaces_nothing(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_jwks(document)


def test_keys_for_other_uses_are_passed_over(issuer: Issuer) -> None:
    rows = json.loads(issuer.jwks())["keys"]
    others = [rows[0] | {"kid": "enc", "use": "enc"}, rows[0] | {"kid": "512", "alg": "RS512"}]
    assert set(parse_jwks(json.dumps({"keys": rows + others}).encode())) == {"key-1"}
