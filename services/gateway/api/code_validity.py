"""Serve whether a referral code can be used, without revealing which codes exist."""

import time
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from chassis.views.read_models import ReadModels
from contracts.referrals import CODE_OWNERS, MEMBER_CODES, ReferralValidity
from gateway.api.code_guesses import CodeGuesses, read_code
from gateway.http.bodies import Body
from gateway.http.requests import read_query
from gateway.http.responses import Response
from gateway.http.routing import Auth, RequestContext, Route


class CodeQuery(Body):
    referral_code: Annotated[
        str,
        Field(alias="referral_code", max_length=64, description="The code, as people type it."),
    ]


@dataclass(frozen=True, slots=True)
class CodeValidity:
    """Check codes for callers that may not know their owners."""

    read_models: ReadModels
    guesses: CodeGuesses

    async def check(self, context: RequestContext) -> Response:
        """Return the same response, by the same number of steps, for unknown and unusable codes.

        An unknown code costs a read of the index and one that verifies its absence, a known code a
        read of the index and one of its document.
        """
        code = read_code(read_query(context, CodeQuery).referral_code)
        await self.guesses.check(context)
        valid = await self._is_usable(code)
        await self.guesses.record(context, missed=not valid)
        return Response(200, b'{"valid":true}' if valid else b'{"valid":false}')

    async def _is_usable(self, code: str) -> bool:
        stream = await self.read_models.entry(CODE_OWNERS, code)
        view = await self.read_models.view(MEMBER_CODES, stream) if stream else None
        found = None if view is None else view.find(code)
        if view is None or found is None:
            return False
        return view.state_of(found, time.time()) == "active"


ROUTES: Final = (
    Route(
        "GET",
        "/v1/referral/valid",
        "is_referral_valid",
        Auth.OPTIONAL,
        CodeValidity.check,
        summary="Whether a referral code can be used now",
        guesses=True,
        limits=("guesses-minute", "guesses-day", "guesses-person"),
        query=CodeQuery,
        example={"referral_code": "00000-00000"},
        response=ReferralValidity,
        problems=(400,),
    ),
)
