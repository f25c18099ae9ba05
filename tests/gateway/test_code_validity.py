"""Anyone may check a referral code; the response reveals nothing else."""

from typing import Any

import pytest

from contracts.referral_code import ALPHABET, check_symbol
from tests.gateway.conftest import GatewayClient

UNKNOWN = "000000000" + check_symbol("000000000")


def path(code: str) -> str:
    return f"/v1/referral/valid?referral_code={code}"


async def code_of_alice(client: GatewayClient) -> str:
    return str((await client.post("/v1/me", client.issuer.id())).json["referralCode"])


async def test_a_usable_code_is_valid_however_it_is_typed(client: GatewayClient) -> None:
    code = await code_of_alice(client)
    for typed in (code, code.lower(), code.replace("-", ""), code.replace("0", "o")):
        response = await client.get(path(typed))
        assert (response.status, response.json) == (200, {"valid": True})


async def test_an_unknown_code_is_not_valid(client: GatewayClient) -> None:
    response = await client.get(path(UNKNOWN))
    assert (response.status, response.json) == (200, {"valid": False})


async def test_a_spent_code_is_not_valid(client: GatewayClient) -> None:
    code = await code_of_alice(client)
    (key,) = await client.redis.keys("*{member-codes*member-*")
    entry: Any = await client.redis.hget(key, "d")
    spent = entry.replace(b'"remaining":10', b'"remaining":0')
    await client.redis.hset(key, "d", spent)
    assert (await client.get(path(code))).json == {"valid": False}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "ten letters"),
        ("ABC", "ten letters"),
        ("ABCDE-FGHJK-M", "ten letters"),
        ("U" * 10, "'U'"),
        ("%00" * 10, "not contain"),
        (UNKNOWN[:-1] + ALPHABET[(ALPHABET.index(UNKNOWN[-1]) + 1) % 32], "typing error"),
    ],
)
async def test_a_text_that_is_no_code_is_rejected_with_an_explanation(
    code: str, words: str, client: GatewayClient
) -> None:
    response = await client.get(path(code))
    assert (response.status, response.json["code"]) == (400, "invalid_referral_code")
    assert words in response.json["detail"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("?code=AAAAA", 422),
        (f"?referral_code={UNKNOWN}&x=1", 422),
        (f"?referral_code={UNKNOWN}&referral_code={UNKNOWN}", 400),
        (f"?referral_code={'A' * 2000}", 422),
    ],
)
async def test_invalid_queries_for_code_validity_are_rejected(
    query: str, status: int, client: GatewayClient
) -> None:
    response = await client.get(f"/v1/referral/valid{query}")
    assert response.status == status
    assert response.json["detail"]
