"""Guesses at referral codes: one answer for all that cannot be used, and a budget for misses.

Budgets are kept per address, per account and for everybody together. A spent one turns guessers
away (429) before anything is looked up; whoever signs in is spared the budget of everybody.
"""

import time
from typing import Annotated, Final

from pydantic import Field

from chassis.views.read_models import Document
from contracts.referral_code import normalise
from contracts.referrals import CODE_OWNERS, MEMBER_CODES, CodesView
from contracts.streams import MEMBERS
from gateway.http.bodies import Body
from gateway.http.endpoints import network
from gateway.http.problems import malformed, too_many
from gateway.http.requests import read_query
from gateway.http.responses import Response
from gateway.http.routing import RequestContext
from gateway.limits.rate_limit import EVERYBODY
from token_bucket import Charge

COME_BACK_SECONDS: Final = 60


class CodeQuery(Body):
    referral_code: Annotated[
        str,
        Field(alias="referral_code", max_length=64, description="As people type it."),
    ]


def read_code(text: str) -> str:
    """Return the stored form of a referral code as people type it.

    Raises:
        Problem: 400 for a text that cannot be a code; nothing is looked up for it.
    """
    try:
        return normalise(text)
    except ValueError as error:
        raise malformed(str(error), code="invalid_referral_code") from error


async def is_referral_valid(context: RequestContext) -> Response:
    """The same answer, by the same number of steps, for a code that is unknown or spent.

    An unknown code costs a look at the index and one at the generations, a known one a look at
    the index and one at its document.
    """
    code = read_code(read_query(context, CodeQuery).referral_code)
    await check_misses(context)
    stream = await context.parts.referrals.entry(CODE_OWNERS, code)
    document = await context.parts.referrals.document(MEMBER_CODES, stream) if stream else None
    valid = document is not None and _is_usable(document, code)
    await count_miss(context, missed=not valid)
    return Response(200, b'{"valid":true}' if valid else b'{"valid":false}')


async def owner_of(context: RequestContext, code: str) -> str | None:
    """Whose code it is; a miss is counted if it is nobody's.

    Raises:
        Problem: 429 if there have been too many misses.
    """
    await check_misses(context)
    stream = await context.parts.referrals.entry(CODE_OWNERS, code)
    await count_miss(context, missed=stream is None)
    return None if stream is None else MEMBERS.key(stream)


def _is_usable(document: Document[CodesView], code: str) -> bool:
    view = document.view
    found = view.find(code)
    return found is not None and view.state_of(found, time.time()) == "active"


async def check_misses(context: RequestContext) -> None:
    """Turn away who has missed too often.

    Raises:
        Problem: 429.
    """
    own, everybody = await _charge(context, 0)
    if own is not None:
        raise too_many(
            [own], "Too many codes that cannot be used. Try again in a minute.", COME_BACK_SECONDS
        )
    if everybody is not None and context.known_caller is None:
        raise too_many(
            [everybody],
            "Too many wrong codes are being tried. Sign in, or try again in a minute.",
            COME_BACK_SECONDS,
        )


async def count_miss(context: RequestContext, *, missed: bool) -> None:
    """Takes the same steps for a hit, so that the time tells nothing."""
    await _charge(context, 1 if missed else 0)


async def _charge(context: RequestContext, cost: int) -> tuple[str | None, str | None]:
    """Names of the budgets that are spent: the caller's own, and everybody's."""
    limiter, caller = context.parts.limiter, context.known_caller
    if caller is None:
        own = Charge(limiter.table["misses-address"], f"i:{network(context)}", cost)
    else:
        own = Charge(limiter.table["misses-person"], f"p:{caller.subject}", cost)
    everybody = Charge(limiter.table["guesses-missed"], EVERYBODY, cost)
    spent: list[str | None] = []
    for charge in (own, everybody):
        verdict = await limiter.take(charge)
        full = verdict.buckets[0].remaining < 1 and not charge.limit.shadow
        spent.append(charge.limit.name if full else None)
    return spent[0], spent[1]
