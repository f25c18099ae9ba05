"""Guess codes from many addresses: other newcomers are still served."""

import hashlib
import itertools
import time
from typing import Any

import pytest

from contracts.referral_code import check_symbol
from gateway.limits.proof_of_work import LIFETIME, ProofOfWork, leading_zero_bits
from tests.gateway.conftest import GatewayClient, Gateways, Reply

NEWCOMER = "2001:db8:ffff::1"


def code(number: int) -> str:
    symbols = f"{number:09d}"
    return symbols + check_symbol(symbols)


async def guess(
    client: GatewayClient, number: int, address: str, proof: str | None = None, **options: Any
) -> Reply:
    headers = {"X-Forwarded-For": address} | ({"X-Proof-Of-Work": proof} if proof else {})
    path = f"/v1/referral/valid?referral_code={code(number)}"
    return await client.get(path, headers=headers, **options)


def solved(challenge: str, bits: int) -> str:
    """Search as the API page shows it."""
    for number in itertools.count():
        proof = f"{challenge}.{number}"
        digest = hashlib.sha256(proof.encode()).digest()
        if int.from_bytes(digest, "big") >> (256 - bits) == 0:
            return proof
    raise AssertionError


def unsolved(challenge: str, bits: int) -> str:
    proofs = (f"{challenge}.{number}" for number in itertools.count())
    return next(proof for proof in proofs if leading_zero_bits(proof) < bits)


async def test_one_network_of_48_bits_cannot_spend_the_budget_of_all_newcomers(
    gateways: Gateways,
) -> None:
    client = await gateways.open(trusted_proxy_hops=1)
    started, admitted = time.monotonic(), 0
    while (await guess(client, admitted, f"2001:db8:0:{admitted << 8:x}::1")).status == 200:
        admitted += 1
    sixteen_addresses, passed = 16 * 10, (time.monotonic() - started) / 60
    assert sixteen_addresses <= admitted <= sixteen_addresses * (1 + passed)
    assert (await guess(client, 7, NEWCOMER)).status == 200
    assert (await guess(client, 7, "198.51.100.7")).status == 200


async def test_a_wider_network_is_named_when_its_limit_is_exceeded(gateways: Gateways) -> None:
    await gateways.redis.hset("gateway:limits", "guesses-minute", "1/3600")
    client = await gateways.open(trusted_proxy_hops=1)
    replies = [await guess(client, last, f"2001:db8:0:{last}::1") for last in range(5)]
    assert [reply.status for reply in replies] == [200] * 4 + [429]
    assert replies[0].headers["RateLimit-Policy"] == (
        '"guesses-minute";q=1;w=3600, "guesses-day";q=100;w=86400'
    )
    assert replies[4].json["violated-policies"] == ["guesses-minute-56"]
    assert "from your network: 4 in an hour" in replies[4].json["detail"]


async def test_misses_are_counted_for_wider_networks_too(gateways: Gateways) -> None:
    await gateways.redis.hset("gateway:limits", "misses-address", "1/3600")
    client = await gateways.open(trusted_proxy_hops=1)
    replies = [await guess(client, last, f"2001:db8:0:{last}::1") for last in range(5)]
    assert [reply.status for reply in replies] == [200] * 4 + [429]
    assert replies[4].json["violated-policies"] == ["misses-address-56"]


@pytest.fixture
async def flooded(gateways: Gateways) -> GatewayClient:
    """A gateway whose budget of wrong codes has been spent from many networks."""
    await gateways.redis.hset("gateway:limits", "guesses-missed", "3/3600")
    client = await gateways.open(trusted_proxy_hops=1, proof_of_work_bits=8)
    for number in range(3):
        assert (await guess(client, number, f"10.0.0.{number}")).status == 200
    return client


async def test_once_the_budget_is_spent_newcomers_prove_work(flooded: GatewayClient) -> None:
    asked = await guess(flooded, 7, NEWCOMER)
    assert (asked.status, asked.json["code"]) == (429, "proof_of_work_required")
    assert (asked.json["bits"], asked.json["violated-policies"]) == (8, ["guesses-missed"])
    proof = solved(asked.json["challenge"], 8)
    assert (await guess(flooded, 7, NEWCOMER, proof)).status == 200


async def test_a_seat_is_reserved_with_a_proof_of_work(flooded: GatewayClient) -> None:
    opened = await flooded.post("/v1/me", flooded.issuer.id())
    body = {"referralCode": opened.json["referralCode"], "user": "new@example.com"}
    headers = {"X-Forwarded-For": NEWCOMER}
    asked = await flooded.post("/v1/referral/uses", json=body, headers=headers)
    assert (asked.status, asked.json["code"]) == (429, "proof_of_work_required")
    headers["X-Proof-Of-Work"] = solved(asked.json["challenge"], 8)
    reserved = await flooded.post("/v1/referral/uses", json=body, headers=headers)
    assert (reserved.status, reserved.json["state"]) == (201, "reserved")


async def test_signed_in_callers_prove_nothing(flooded: GatewayClient) -> None:
    token = flooded.issuer.access()
    assert (await guess(flooded, 9, NEWCOMER, token=token)).status == 200
    assert (await guess(flooded, 9, NEWCOMER, token="forged")).status == 403


async def test_a_proof_is_accepted_once_by_all_gateways(
    flooded: GatewayClient, gateways: Gateways
) -> None:
    other = await gateways.open(trusted_proxy_hops=1, proof_of_work_bits=8)
    proof = solved((await guess(flooded, 7, NEWCOMER)).json["challenge"], 8)
    assert (await guess(other, 7, NEWCOMER, proof)).status == 200
    for client in (other, flooded):
        again = await guess(client, 7, NEWCOMER, proof)
        assert (again.status, again.json["code"]) == (429, "proof_of_work_required")


async def test_another_solution_of_a_solved_challenge_is_rejected(flooded: GatewayClient) -> None:
    challenge = (await guess(flooded, 7, NEWCOMER)).json["challenge"]
    proofs = (f"{challenge}.{number}" for number in itertools.count())
    first, second = itertools.islice((p for p in proofs if leading_zero_bits(p) >= 8), 2)
    assert (await guess(flooded, 7, NEWCOMER, first)).status == 200
    assert (await guess(flooded, 7, NEWCOMER, second)).status == 429


def easier(challenge: str) -> str:
    expires, _, nonce, signature = challenge.split(".")
    return solved(f"{expires}.0.{nonce}.{signature}", 0)


def later(challenge: str) -> str:
    expires, rest = challenge.split(".", 1)
    return solved(f"{int(expires) + 3_600}.{rest}", 8)


@pytest.mark.parametrize(
    "forge",
    [
        easier,
        later,
        lambda challenge: unsolved(challenge, 8),
        lambda challenge: challenge,
        lambda challenge: solved(challenge[:-1] + ("0" if challenge[-1] != "0" else "1"), 8),
        lambda _challenge: "0.0.0.0.0",
        lambda _challenge: "x" * 1_000,
    ],
)
async def test_a_forged_proof_is_answered_with_another_challenge(
    forge: Any, flooded: GatewayClient
) -> None:
    challenge = (await guess(flooded, 7, NEWCOMER)).json["challenge"]
    rejected = await guess(flooded, 7, NEWCOMER, forge(challenge))
    assert (rejected.status, rejected.json["code"]) == (429, "proof_of_work_required")
    assert rejected.json["challenge"] != challenge


async def test_a_challenge_expires(flooded: GatewayClient) -> None:
    await guess(flooded, 7, NEWCOMER)
    proofs = flooded.gateway.dependencies.proofs
    key: Any = await flooded.redis.get("gateway:{proofs}:key")
    earlier = ProofOfWork(proofs.redis, 8, lambda: proofs.clock() - LIFETIME - 1)
    expired = solved(earlier.challenge(key), 8)
    assert (await guess(flooded, 7, NEWCOMER, expired)).status == 429
