import asyncio
from typing import Any

import pytest

from contracts.referral_code import ALPHABET, check_symbol, shown
from tests.gateway.conftest import Door

UNKNOWN = "000000000" + check_symbol("000000000")


def path(code: str) -> str:
    return f"/v1/referral/valid?referral_code={code}"


async def code_of_alice(door: Door) -> str:
    return str((await door.post("/v1/me", door.issuer.id())).json["referralCode"])


async def test_a_code_that_can_be_used_is_valid_however_it_is_typed(door: Door) -> None:
    code = await code_of_alice(door)
    for typed in (code, code.lower(), code.replace("-", ""), code.replace("0", "o")):
        answer = await door.get(path(typed))
        assert (answer.status, answer.json) == (200, {"valid": True})


async def test_an_unknown_code_is_not_valid(door: Door) -> None:
    answer = await door.get(path(UNKNOWN))
    assert (answer.status, answer.json) == (200, {"valid": False})


async def test_a_spent_code_is_not_valid(door: Door) -> None:
    code = await code_of_alice(door)
    (key,) = await door.redis.keys("*{member-codes*member-*")
    entry: Any = await door.redis.hget(key, "d")
    spent = entry.replace(b'"remaining":10', b'"remaining":0')
    await door.redis.hset(key, "d", spent)
    assert (await door.get(path(code))).json == {"valid": False}


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
async def test_what_is_no_code_is_refused_in_words(code: str, words: str, door: Door) -> None:
    answer = await door.get(path(code))
    assert (answer.status, answer.json["code"]) == (400, "invalid_referral_code")
    assert words in answer.json["detail"]


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
async def test_the_query_is_read_strictly(query: str, status: int, door: Door) -> None:
    answer = await door.get(f"/v1/referral/valid{query}")
    assert answer.status == status
    assert answer.json["detail"]


async def test_a_known_and_an_unknown_code_cost_the_same_round_trips(door: Door) -> None:
    code = await code_of_alice(door)

    async def trips(wanted: str) -> list[str]:
        await door.get(path(wanted))  # the generations are remembered for a second
        async with door.redis.monitor() as monitor:
            answer = asyncio.create_task(door.get(path(wanted)))
            seen = [await next_command(monitor)]
            await answer
            await door.redis.echo("end")
            while (command := await next_command(monitor)) != "ECHO":
                seen.append(command)
            return [name for name in seen if name in ("HGET", "HMGET", "HGETALL")]

    known, unknown = await trips(shown(code.replace("-", ""))), await trips(UNKNOWN)
    assert len(known) == len(unknown), (known, unknown)


async def next_command(monitor: Any) -> str:
    return str((await monitor.next_command())["command"]).partition(" ")[0].upper()
