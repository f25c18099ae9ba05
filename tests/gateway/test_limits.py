import time
from typing import Any

import pytest

from contracts.referral_code import check_symbol
from gateway.app import running
from gateway.limits.rate_limit import time_to_wait
from gateway.limits.table import default_limits
from gateway.routes import ROUTES
from tests.gateway.conftest import GatewayClient, Gateways
from token_bucket import Scope


async def test_an_override_in_redis_applies_to_a_running_gateway(gateways: Gateways) -> None:
    await gateways.redis.hset("gateway:limits", "reads", "3/60")
    client = await gateways.open()
    token = client.issuer.access()
    statuses = [(await client.get("/v1/me", token)).status for _ in range(5)]
    assert statuses == [404, 404, 404, 429, 429]


async def test_overrides_hold_from_the_first_request_on(gateways: Gateways) -> None:
    await gateways.redis.hset("gateway:limits", "reads", "3/60")
    gateway = await gateways.assemble()
    async with running(gateway):
        assert gateway.dependencies.limiter.table["reads"].quantity == 3


async def test_a_limit_in_shadow_mode_is_not_reported_to_callers(gateways: Gateways) -> None:
    await gateways.redis.hset("gateway:limits", "reads", "1/60;shadow")
    client = await gateways.open()
    for _ in range(3):
        response = await client.get("/v1/me", client.issuer.access())
        assert response.status == 404
        assert not {"RateLimit", "RateLimit-Policy"} & set(response.headers)


async def test_an_exceeded_limit_is_named_with_the_time_to_wait(gateways: Gateways) -> None:
    await gateways.redis.hset("gateway:limits", "reads", "1/60")
    client = await gateways.open()
    token, started = client.issuer.access(), time.monotonic()
    first = await client.get("/v1/me", token)
    assert first.headers["RateLimit-Policy"] == '"reads";q=1;w=60'
    assert first.headers["RateLimit"].startswith('"reads";r=0;t=')
    rejected = await client.get("/v1/me", token)
    assert (rejected.status, rejected.json["code"]) == (429, "too_many_requests")
    assert rejected.json["violated-policies"] == ["reads"]
    assert "1 in a minute" in rejected.json["detail"]
    passed = time.monotonic() - started
    assert 59 - passed <= int(rejected.headers["Retry-After"]) <= 60
    assert rejected.headers["RateLimit"]
    other = await client.get("/v1/me", client.issuer.access("bob"))
    assert other.status == 404


@pytest.mark.parametrize(("limit", "left"), [("25/60", 15), ("4/60", 0)])
async def test_an_expensive_request_takes_more_tokens(
    limit: str, left: int, gateways: Gateways
) -> None:
    """It takes ten tokens, or all of a bucket that holds fewer."""
    await gateways.redis.hset("gateway:limits", "reads", limit)
    client = await gateways.open()
    path = f"/v1/tokens/cluster/ethereum/0x{'7' * 40}/diff?from=1&to=2"
    response = await client.get(path, client.issuer.access())
    assert response.status == 404
    assert response.headers["RateLimit"].startswith(f'"reads";r={left};')


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (60, "60 s"),
        (119, "119 s"),
        (121, "3 minutes"),
        (4_318, "72 minutes"),
        (4_320, "72 minutes"),
        (10_801, "4 hours"),
        (86_400, "24 hours"),
    ],
)
def test_a_time_to_wait_is_rounded_up_to_what_people_count_in(seconds: int, words: str) -> None:
    assert time_to_wait(seconds) == words


async def test_drawing_a_qr_code_counts_as_five_reads(client: GatewayClient) -> None:
    opened = await client.post("/v1/me", client.issuer.id())
    path = f"/v1/referral/codes/{opened.json['referralCode']}/qr"
    picture = await client.get(path, client.issuer.access())
    assert (picture.status, picture.headers["RateLimit"][:15]) == (200, '"reads";r=115;t')


def code(number: int) -> str:
    symbols = f"{number:09d}"
    return symbols + check_symbol(symbols)


async def guess(client: GatewayClient, number: int, **options: Any) -> int:
    path = f"/v1/referral/valid?referral_code={code(number)}"
    return (await client.get(path, **options)).status


async def test_an_address_can_check_ten_codes_a_minute(client: GatewayClient) -> None:
    started, admitted = time.monotonic(), 0
    while await guess(client, admitted) == 200:
        admitted += 1
    refilled = (time.monotonic() - started) / 6
    assert 10 <= admitted <= 10 + refilled


async def test_forged_tokens_are_limited_before_their_signature_is_checked(
    gateways: Gateways,
) -> None:
    await gateways.redis.hset("gateway:limits", "unverified", "2/60")
    client = await gateways.open()
    known = client.issuer.access()
    assert (await client.get("/v1/me", known)).status == 404
    forged = client.issuer.access()[:-8] + "AAAAAAAA"
    statuses = [(await client.get("/v1/me", forged)).status for _ in range(3)]
    assert statuses == [403, 429, 429]
    assert (await client.get("/v1/me", known)).status == 404  # a cached token is not charged


def test_every_route_has_a_limit_for_every_caller_it_admits() -> None:
    limits = default_limits()
    for route in ROUTES:
        assert route.limits
        assert {limits[name].scope for name in route.limits} <= {Scope.USER, Scope.ADDRESS}
