"""Guesses at referral codes: one answer for all that cannot be used, and a budget for misses.

Budgets are kept per address, per account and for everybody together. A spent one turns guessers
away (429) before anything is looked up; whoever signs in is spared the budget of everybody.
"""

import time
from typing import Annotated, Any, Final

import orjson
from pydantic import Field

from gateway.endpoints import CODES, network, read_code
from gateway.errors import too_many
from gateway.fairness import EVERYBODY
from gateway.http import Answer, Call
from gateway.limits import Charge
from gateway.parsing import Body, read_query

MEMBER_CODES: Final = "member-codes"
COME_BACK_SECONDS: Final = 60


class CodeQuery(Body):
    referral_code: Annotated[
        str,
        Field(alias="referral_code", max_length=64, description="As people type it."),
    ]


async def is_referral_valid(call: Call) -> Answer:
    """The same answer, by the same number of steps, for a code that is unknown or spent.

    An unknown code costs a look at the index and one at the generations, a known one a look at
    the index and one at its document.
    """
    code = read_code(read_query(call.request, CodeQuery).referral_code)
    await check_misses(call)
    stream = await call.parts.referrals.entry(CODES, code)
    document = await call.parts.referrals.document(MEMBER_CODES, stream) if stream else None
    valid = document is not None and usable(orjson.loads(document.body), code, time.time())
    await count_miss(call, missed=not valid)
    return Answer(200, b'{"valid":true}' if valid else b'{"valid":false}')


async def owner_of(call: Call, code: str) -> str | None:
    """Whose code it is; a miss is counted if it is nobody's.

    Raises:
        Problem: 429 if there have been too many misses.
    """
    await check_misses(call)
    stream = await call.parts.referrals.entry(CODES, code)
    await count_miss(call, missed=stream is None)
    return None if stream is None else stream.removeprefix("member-")


def usable(view: dict[str, Any], code: str, now: float) -> bool:
    """Whether one more person can come by this code, as the member's codes stand."""
    return any(
        each["code"] == code and state_of(each, view["remaining"], now) == "active"
        for each in view["codes"]
    )


def state_of(code: dict[str, Any], remaining: int, now: float) -> str:
    if code["revoked"]:
        return "revoked"
    if code["expiresAt"] is not None and code["expiresAt"] <= now:
        return "expired"
    spent = code["maxUses"] is not None and code["uses"] >= code["maxUses"]
    return "spent" if spent or remaining < 1 else "active"


async def check_misses(call: Call) -> None:
    """Turn away who has missed too often.

    Raises:
        Problem: 429.
    """
    own, everybody = await _charge(call, 0)
    if own is not None:
        raise too_many(
            [own], "Too many codes that cannot be used. Try again in a minute.", COME_BACK_SECONDS
        )
    if everybody is not None and call.known_caller is None:
        raise too_many(
            [everybody],
            "Too many wrong codes are being tried. Sign in, or try again in a minute.",
            COME_BACK_SECONDS,
        )


async def count_miss(call: Call, *, missed: bool) -> None:
    """Takes the same steps for a hit, so that the time tells nothing."""
    await _charge(call, 1 if missed else 0)


async def _charge(call: Call, cost: int) -> tuple[str | None, str | None]:
    """Names of the budgets that are spent: the caller's own, and everybody's."""
    limiter, caller = call.parts.limiter, call.known_caller
    if caller is None:
        own = Charge(limiter.table["misses-address"], f"i:{network(call)}", cost)
    else:
        own = Charge(limiter.table["misses-person"], f"p:{caller.subject}", cost)
    everybody = Charge(limiter.table["guesses-missed"], EVERYBODY, cost)
    spent: list[str | None] = []
    for charge in (own, everybody):
        verdict = await limiter.take(charge)
        full = verdict.levels[0].left < 1 and not charge.limit.shadow
        spent.append(charge.limit.name if full else None)
    return spent[0], spent[1]
