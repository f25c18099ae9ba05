"""Let administrators revoke tokens: one, those of a sign-in, or all of a person."""

import time
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field, model_validator

from cognito_jwt import Revocation, RevocationList
from contracts.messages import Identifier, UnixTime, View
from gateway.http.bodies import Body
from gateway.http.requests import read_body
from gateway.http.responses import Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

DAY: Final = 86_400
TokenId = Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]
"""A `jti` or `origin_jti`: with a blank in it, it would revoke nothing."""


class NewRevocation(Body):
    """Exactly one of: a token, all tokens of one sign-in, all tokens of a person so far."""

    jti: TokenId | None = None
    origin_jti: TokenId | None = None
    sub: Identifier | None = None

    @model_validator(mode="after")
    def _one(self) -> "NewRevocation":
        named = [name for name in self.model_fields_set if getattr(self, name) is not None]
        if len(named) != 1 or len(self.model_fields_set) != 1:
            raise ValueError("Name exactly one of jti, originJti and sub.")
        return self


class RevocationView(View):
    """What is revoked, and how long the revocation is stored."""

    kind: str
    value: str
    before: UnixTime
    """Tokens that were issued before are revoked."""
    until: UnixTime
    """When the last of these tokens has expired."""


@dataclass(frozen=True, slots=True)
class TokenRevocation:
    """Revoke tokens before they expire."""

    revocations: RevocationList
    refresh_token_days: int
    """Days for which a sign-in can be renewed; a revocation is stored as long."""

    async def revoke(self, context: RequestContext) -> Response:
        """Revoke tokens from now on, in all processes of the gateway."""
        body = await read_body(context, NewRevocation)
        now = int(time.time())
        revocation = _revocation(body, now, now + self.refresh_token_days * DAY)
        await self.revocations.add(revocation)
        view = RevocationView(
            kind=revocation.kind,
            value=revocation.value,
            before=revocation.before,
            until=revocation.until,
        )
        return json_response(view, 201)


def _revocation(body: NewRevocation, now: int, until: int) -> Revocation:
    if body.jti is not None:
        return Revocation("jti", body.jti, now, until)
    if body.origin_jti is not None:
        return Revocation("origin_jti", body.origin_jti, now, until)
    return Revocation("sub", body.sub or "", now, until)


ROUTES: Final = (
    Route(
        "POST",
        "/v1/admin/revocations",
        "revoke_tokens",
        Auth.ADMIN,
        TokenRevocation.revoke,
        summary="Revoke tokens: one, those of a sign-in, or all of a person",
        limits=("admin",),
        success=201,
        direct=True,
        body=NewRevocation,
        example={"sub": "8a1c2f34-0b7e-4c55-9a53-6d1f0e7b2c11"},
        response=RevocationView,
    ),
)
