"""Serve members' own referral codes: list, issue, rotate, revoke, and show as a QR code."""

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, Literal

import segno
from pydantic import Field

from chassis.views.read_models import ReadModels
from contracts.messages import CommandTime
from contracts.referral_code import ShownReferralCode, normalise, vanity
from contracts.referrals import (
    MEMBER_CODES,
    CodesView,
    CodeView,
    IssueCode,
    RevokeCode,
    RotateCode,
    Uses,
)
from contracts.rejections import UNKNOWN_CODE
from gateway.api.code_details import CodeDetails, CodeLinks, CodeList
from gateway.http.bodies import Body, Empty
from gateway.http.command_responses import pending_response
from gateway.http.commands import Commands
from gateway.http.own_documents import OwnDocuments
from gateway.http.problems import FieldError, Problem, invalid, not_found
from gateway.http.requests import read_body
from gateway.http.responses import PRIVATE, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

SVG: Final = "image/svg+xml"
_EXAMPLE: Final = {"code": "00000-00000"}


class NewCode(Body):
    kind: Literal["random", "vanity"] = "random"
    code: Annotated[str, Field(max_length=32)] | None = None
    """The name of a vanity code."""
    max_uses: Uses | None = None
    """How many people can use it; default: no limit of its own."""
    expires_at: CommandTime | None = None


@dataclass(frozen=True, slots=True)
class Codes:
    """Serve a member's referral codes."""

    commands: Commands
    read_models: ReadModels
    own_documents: OwnDocuments
    links: CodeLinks

    async def list_own(self, context: RequestContext) -> Response:
        """Return all codes of the caller, with their states."""
        view = await self._own_codes(context)
        return json_response(self.links.list_of(view), headers=PRIVATE)

    async def issue(self, context: RequestContext) -> Response:
        """Issue a random code, or one with a name that the caller chose."""
        body = await read_body(context, NewCode)
        name, shown = _chosen_name(body)
        command = IssueCode(
            member_id=context.caller.subject,
            kind=body.kind,
            code=name,
            shown=shown,
            max_uses=body.max_uses,
            expires_at=body.expires_at,
        )
        accepted = await self.commands.execute(context, command)
        view = await self.read_models.view(MEMBER_CODES, command.stream)
        issued = None if view is None else _issued_at(view, accepted.position.version)
        if view is None or issued is None:
            return pending_response(context, accepted.command_id)
        return json_response(self.links.describe(view, issued), 201)

    async def rotate(self, context: RequestContext) -> Response:
        """Replace a code by a new random one, and return the new one."""
        await read_body(context, Empty)
        command = RotateCode(member_id=context.caller.subject, code=_code_in_path(context))
        accepted = await self.commands.execute(context, command)
        view = await self.read_models.view(MEMBER_CODES, command.stream)
        replacement = None if view is None else _replacement_of(view, command.code)
        if view is None or replacement is None:
            return pending_response(context, accepted.command_id)
        return json_response(self.links.describe(view, replacement))

    async def revoke(self, context: RequestContext) -> Response:
        """Revoke a code: it cannot be used any more."""
        await read_body(context, Empty)
        command = RevokeCode(member_id=context.caller.subject, code=_code_in_path(context))
        await self.commands.execute(context, command)
        return Response(204)

    async def show_qr(self, context: RequestContext) -> Response:
        """Return a picture that leads a camera to the page of a code."""
        code, view = _code_in_path(context), await self._own_codes(context)
        if (found := view.find(code)) is None:
            raise _no_code()
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(200, _picture(self.links.url(found)), headers, SVG)

    async def _own_codes(self, context: RequestContext) -> CodesView:
        document = await self.own_documents.load(context, MEMBER_CODES)
        view = None if document is None else document.view
        if view is None or not view.opened:
            raise not_found("You have no account yet.", code="no_account")
        return view


@lru_cache(maxsize=1_024)
def _picture(url: str) -> bytes:
    """Return the QR code of a URL as SVG; it takes milliseconds to draw."""
    picture = io.BytesIO()
    # error correction M: a print with a smudge can still be read
    qr = segno.make(url, error="m", micro=False)
    qr.save(picture, kind="svg", scale=8, title="Referral code", xmldecl=False)
    return picture.getvalue()


def _chosen_name(body: NewCode) -> tuple[str | None, ShownReferralCode | None]:
    """Return a vanity code's name, as it is stored and as it is shown."""
    if body.kind == "random":
        if body.code is not None:
            raise invalid(
                [FieldError("code", "Only a vanity code has a name: set kind to vanity.")]
            )
        return None, None
    try:
        return vanity(body.code or "")
    except ValueError as error:
        raise invalid([FieldError("code", str(error))]) from error


def _issued_at(view: CodesView, version: int) -> CodeView | None:
    return next((code for code in view.codes if code.issued_version == version), None)


def _replacement_of(view: CodesView, code: str) -> CodeView | None:
    rotated = view.find(code)
    if rotated is None or rotated.replaced_by is None:
        return None
    return view.find(rotated.replaced_by)


def _code_in_path(context: RequestContext) -> str:
    """Return the code in the path; a text that is no code is reported like a stranger's code."""
    try:
        return normalise(context.request.match_info["code"])
    except ValueError as error:
        raise _no_code() from error


def _no_code() -> Problem:
    return not_found(UNKNOWN_CODE)


ROUTES: Final = (
    Route(
        "GET",
        "/v1/referral/codes",
        "list_codes",
        Auth.PERSON,
        Codes.list_own,
        summary="Your codes, and whether each can be used now",
        limits=("reads",),
        prefetch=MEMBER_CODES,
        response=CodeList,
        problems=(404,),
    ),
    Route(
        "POST",
        "/v1/referral/codes",
        "generate_referral_code",
        Auth.ACCESS,
        Codes.issue,
        summary="Issue another code: random, or with a name that you choose",
        limits=("writes", "codes"),
        success=201,
        body=NewCode,
        example={"kind": "random", "maxUses": 3},
        response=CodeDetails,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/referral/codes/{code}/rotate",
        "rotate_code",
        Auth.ACCESS,
        Codes.rotate,
        summary="Replace a code by a new one; the old one ends at once",
        limits=("writes", "codes"),
        body=Empty,
        example=_EXAMPLE,
        response=CodeDetails,
        problems=(404, 409),
    ),
    Route(
        "DELETE",
        "/v1/referral/codes/{code}",
        "revoke_code",
        Auth.ACCESS,
        Codes.revoke,
        summary="Revoke a code",
        limits=("writes",),
        success=204,
        example=_EXAMPLE,
        problems=(404,),
    ),
    Route(
        "GET",
        "/v1/referral/codes/{code}/qr",
        "show_qr",
        Auth.PERSON,
        Codes.show_qr,
        summary="QR code (SVG) linking to this code's page",
        limits=("reads",),
        cost=5,
        prefetch=MEMBER_CODES,
        media=SVG,
        example=_EXAMPLE,
        problems=(404,),
    ),
)
