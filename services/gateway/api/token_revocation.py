"""Administrators call tokens back."""

import time

import orjson
from pydantic import Field, model_validator

from cognito_jwt import Revocation
from contracts.messages import UnixTime, View
from gateway.http.bodies import Body
from gateway.http.requests import read_body
from gateway.http.responses import Response
from gateway.http.routing import RequestContext

DAY = 86_400


class NewRevocation(Body):
    """One of: a token, all tokens of one sign-in, all that a person has signed in so far."""

    jti: str | None = Field(None, min_length=1, max_length=128)
    origin_jti: str | None = Field(None, min_length=1, max_length=128)
    sub: str | None = Field(None, min_length=1, max_length=100)

    @model_validator(mode="after")
    def _one(self) -> "NewRevocation":
        if len(self.model_fields_set) != 1:
            raise ValueError("name one of jti, originJti and sub")
        return self


class RevocationView(View):
    """What is called back, and how long that is remembered."""

    kind: str
    value: str
    before: UnixTime
    until: UnixTime


async def revoke(context: RequestContext) -> Response:
    body = await read_body(context, NewRevocation)
    now = int(time.time())
    revocation = _revocation(body, now, now + context.parts.settings.refresh_token_days * DAY)
    await context.parts.revocations.add(revocation)
    view = RevocationView(
        kind=revocation.kind,
        value=revocation.value,
        before=revocation.before,
        until=revocation.until,
    )
    return Response(201, orjson.dumps(view.model_dump(mode="json")))


def _revocation(body: NewRevocation, now: int, until: int) -> Revocation:
    if body.jti is not None:
        return Revocation("jti", body.jti, now, until)
    if body.origin_jti is not None:
        return Revocation("origin_jti", body.origin_jti, now, until)
    return Revocation("sub", body.sub or "", now, until)
