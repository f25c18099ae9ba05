"""What the team does about quotas, codes, campaigns and doubtful referrals, with a reason."""

import time
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError

from chassis.views.boards import Boards
from contracts.messages import CommandOutcome, Identifier, UnixTime, View
from contracts.referral_code import normalise, vanity
from contracts.referrals import (
    MEMBER_CODES,
    REFERRAL_OWNERS,
    REVIEW_CASES,
    TEAM_PREFIX,
    ApproveReferral,
    Case,
    CasesView,
    CodesView,
    GrantQuota,
    OpenCampaign,
    Reason,
    RejectReferral,
    ReverseReferral,
    RevokeCode,
    Seats,
)
from contracts.streams import MEMBERS
from gateway.api.referrals import PRIVATE, OwnCode, own_code
from gateway.http.bodies import Body
from gateway.http.endpoints import pending
from gateway.http.problems import FieldError, invalid, not_found
from gateway.http.requests import read_query
from gateway.http.responses import Response
from gateway.http.routing import RequestContext

OPEN: Final = "open"
PAGE: Final = 20


class Why(Body):
    reason: Reason


class Quota(Body):
    total_referrals: Seats
    reason: Reason


class NewCampaign(Body):
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    code: Annotated[str, Field(max_length=32)] | None = None
    """A name; default: a random code."""
    total_referrals: Seats
    expires_at: UnixTime | None = None
    reason: Reason


class Campaign(View):
    id: str
    code: OwnCode


class MemberAccount(View):
    """A member's seats and codes, as the team sees them."""

    member_id: Identifier
    remaining: int
    codes: tuple[OwnCode, ...]


class OpenCase(Case):
    """A referral that waits for a verdict, and whose it is."""

    referrer_id: Identifier


class OpenCases(View):
    items: tuple[OpenCase, ...]
    next: str | None = None


class CasesQuery(Body):
    cursor: Annotated[str, Field(pattern=r"^\d{1,9}$")] | None = None


def grant_quota(context: RequestContext, body: Quota) -> GrantQuota:
    return GrantQuota(
        member_id=_member(context),
        total_referrals=body.total_referrals,
        by=context.caller.subject,
        reason=body.reason,
    )


def revoke_members_code(context: RequestContext, body: Why) -> RevokeCode:
    try:
        code = normalise(context.request.match_info["code"])
    except ValueError as error:
        raise not_found("there is no such code") from error
    return RevokeCode(
        member_id=_member(context), code=code, by=context.caller.subject, reason=body.reason
    )


async def tell_account(
    context: RequestContext, command: GrantQuota | RevokeCode, outcome: CommandOutcome
) -> Response:
    view = await _account(context, command.stream)
    if view is None:
        return pending(context, outcome.command_id)
    return Response(200, _told(context, view).model_dump_json().encode())


async def show_account(context: RequestContext) -> Response:
    view = await _account(context, MEMBERS.stream(_member(context)))
    if view is None or not view.opened:
        raise not_found(
            "There is no account with this id. Check the id and try again.", code="no_account"
        )
    return Response(200, _told(context, view).model_dump_json().encode(), PRIVATE)


def open_campaign(context: RequestContext, body: NewCampaign) -> OpenCampaign:
    name, shown = None, None
    if body.code is not None:
        try:
            name, shown = vanity(body.code)
        except ValueError as error:
            raise invalid([FieldError("code", str(error))]) from error
    return OpenCampaign(
        member_id=f"{TEAM_PREFIX}{body.id}",
        code=name,
        shown=shown,
        total_referrals=body.total_referrals,
        expires_at=body.expires_at,
        by=context.caller.subject,
        reason=body.reason,
    )


async def tell_campaign(
    context: RequestContext, command: OpenCampaign, outcome: CommandOutcome
) -> Response:
    view = await _account(context, command.stream)
    if view is None or not view.codes:
        return pending(context, outcome.command_id)
    codes = _told(context, view).codes
    campaign = Campaign(id=command.member_id.removeprefix(TEAM_PREFIX), code=codes[0])
    return Response(201, campaign.model_dump_json().encode())


async def list_cases(context: RequestContext) -> Response:
    """The oldest first, referrer by referrer."""
    first = int(read_query(context, CasesQuery).cursor or 0)
    page = await Boards(context.parts.referrals, REVIEW_CASES).page(OPEN, first=first, limit=PAGE)
    views = [CasesView.model_validate_json(row.entry) for row in page.rows]
    items = tuple(
        OpenCase.model_validate({**case.model_dump(), "referrerId": view.member_id})
        for view in views
        for case in view.cases
    )
    after = first + len(views)
    answer = OpenCases(items=items, next=str(after) if views and after < page.total else None)
    return Response(200, answer.model_dump_json().encode(), PRIVATE)


async def approve_case(context: RequestContext, body: Why) -> ApproveReferral:
    return ApproveReferral(**await _of_use(context, body))


async def reject_case(context: RequestContext, body: Why) -> RejectReferral:
    return RejectReferral(**await _of_use(context, body))


async def reverse_use(context: RequestContext, body: Why) -> ReverseReferral:
    return ReverseReferral(**await _of_use(context, body))


async def _of_use(context: RequestContext, body: Why) -> dict[str, Any]:
    use_id = context.request.match_info["use_id"]
    stream = await context.parts.referrals.entry(REFERRAL_OWNERS, use_id)
    if stream is None:
        raise not_found("There is no such referral. Check its id and try again.")
    return {
        "member_id": MEMBERS.key(stream),
        "use_id": use_id,
        "by": context.caller.subject,
        "reason": body.reason,
    }


async def _account(context: RequestContext, stream: str) -> CodesView | None:
    document = await context.parts.referrals.document(MEMBER_CODES, stream)
    return None if document is None else CodesView.model_validate_json(document.body)


def _told(context: RequestContext, view: CodesView) -> MemberAccount:
    now = time.time()
    return MemberAccount(
        member_id=view.member_id,
        remaining=view.remaining,
        codes=tuple(own_code(context, view, code, now) for code in view.codes),
    )


_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)


def _member(context: RequestContext) -> str:
    """The account in the path; what cannot be one is none."""
    member_id: str = context.request.match_info["member_id"]
    try:
        return _IDENTIFIER.validate_python(member_id)
    except ValidationError as error:
        raise not_found(
            "There is no account with this id. Check the id and try again.", code="no_account"
        ) from error
